# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document and the server say the same."""
import re
import unittest

import contract
import harness
from harness import ROOT, ApiTest
from wire import Response

PARAMETER = {"sku": "NO-SUCH-SKU", "id": "res_nothing", "code": "not-found", "provider": "nobody"}


def outline(text):
    """{path: {method: {status}}} of docs/openapi.yaml, read by its indentation: paths 2, methods 4, statuses 8."""
    paths, inside, path, method = {}, False, None, None
    for line in text.splitlines():
        if re.match(r"^\S", line):
            inside = line.rstrip() == "paths:"
        if not inside:
            continue
        if match := re.match(r"^  (/\S*):\s*$", line):
            path, method = match[1], None
            paths[path] = {}
        elif match := re.match(r"^    (\w+):\s*$", line):
            method = match[1] if match[1] in contract.METHODS else None
            if method:
                paths[path][method] = set()
        elif method and (match := re.match(r'^        "(\d{3})":', line)):
            paths[path][method].add(match[1])
    return paths


class Document(ApiTest):
    def test_served_document_is_the_repositorys(self):
        written = outline((ROOT / "docs" / "openapi.yaml").read_text())
        self.assertGreater(len(written), 15, "the reader of the file sees its paths")
        document = self.guest.call("GET", "/openapi.json", expect=200).json()
        self.assertRegex(document["openapi"], r"^3\.1\.")
        served = {
            path: {
                method: set(operation["responses"])
                for method, operation in item.items()
                if method in contract.METHODS
            }
            for path, item in document["paths"].items()
        }
        self.assertEqual(served, written)

    def test_scalars_keep_their_types(self):
        document = self.guest.call("GET", "/openapi.json", expect=200).json()
        schemas = document["components"]["schemas"]
        self.assertIs(schemas["Line"]["additionalProperties"], False)
        self.assertEqual(schemas["Line"]["properties"]["quantity"]["maximum"], 10000)
        self.assertEqual(schemas["NextCursor"]["type"], ["string", "null"])
        delta = schemas["InventoryAdjust"]["properties"]["delta"]
        self.assertEqual(delta["minimum"], -1000000000)
        page = document["paths"]["/v1/reservations"]["get"]["responses"]["200"]
        example = page["content"]["application/json"]["example"]
        self.assertIsNone(example["next_cursor"])
        self.assertEqual(document["openapi"], "3.1.0")

    def test_references_lead_somewhere_and_examples_fit(self):
        checker = contract.Contract(self.guest.call("GET", "/openapi.json", expect=200).json())

        def walk(node, at):
            if isinstance(node, dict):
                if "$ref" in node:
                    try:
                        checker.resolve(node)
                    except KeyError:
                        self.fail(f"{at}: {node['$ref']} leads nowhere")
                schema = node.get("schema")
                if isinstance(schema, dict) and "example" in node and at.count("/content/"):
                    self.assertEqual(list(checker.violations(schema, node["example"], at)), [])
                for example in (node.get("examples") or {}).values() if schema else ():
                    self.assertEqual(list(checker.violations(schema, example["value"], at)), [])
                for name, entry in node.items():
                    walk(entry, f"{at}/{name}")
            elif isinstance(node, list):
                for entry in node:
                    walk(entry, at)

        walk(checker.document, "")

    def test_every_call_is_routed_and_its_errors_are_problems(self):
        """Each documented call, by nobody, with a body that is none: never an unknown path or method."""
        checker = harness.SETTINGS.contract
        self.assertIsNotNone(checker)
        for path, method, operation in checker.operations():
            target = re.sub(r"\{(\w+)\}", lambda m: PARAMETER[m[1]], path)
            body = b"{" if method == "post" else None
            for client in (self.server.anonymous(), self.guest, self.admin):
                with self.subTest(path=path, method=method):
                    response = client.call(method.upper(), target, body, key="probe")
                    self.assertNotEqual(response.status, 405, response)
                    self.assertLess(response.status, 500, response)
                    if response.status == 404:
                        self.assertIn("404", operation["responses"])
                        self.assertIn("{", path)

    def test_every_path_refuses_other_methods(self):
        checker = harness.SETTINGS.contract
        for path, item in checker.document["paths"].items():
            target = re.sub(r"\{(\w+)\}", lambda m: PARAMETER[m[1]], path)
            for method in ("PUT", "PATCH"):
                if method.lower() in item:
                    continue
                with self.subTest(path=path, method=method):
                    response = self.admin.call(
                        method, target, b"{}", expect=405, code="method_not_allowed"
                    )
                    allowed = set(re.split(r",\s*", response.header("allow")))
                    documented = {name.upper() for name in item if name in contract.METHODS}
                    self.assertLessEqual(documented, allowed)

    def test_every_code_has_a_page(self):
        for code in harness.SETTINGS.contract.codes():
            with self.subTest(code=code):
                target = "/problems/" + code.replace("_", "-")
                response = self.guest.call("GET", target, expect=200)
                self.assertIn(code, response.body.decode())
        for target in ("/problems/no-such", "/problems/sold_out", "/problems/"):
            self.guest.call("GET", target, expect=404, code="not_found")


class Checker(unittest.TestCase):
    """A check that cannot fail is worth nothing: planted faults must be seen."""

    DOCUMENT = {
        "paths": {
            "/thing/{id}": {
                "get": {
                    "responses": {
                        "200": {
                            "content": {
                                "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                            }
                        },
                        "404": {
                            "content": {
                                "application/problem+json": {
                                    "schema": {
                                        "allOf": [
                                            {"$ref": "#/components/schemas/Problem"},
                                            {"properties": {"code": {"enum": ["not_found"]}}},
                                        ]
                                    }
                                }
                            }
                        },
                    }
                }
            }
        },
        "components": {
            "schemas": {
                "Code": {"type": "string", "enum": ["not_found", "sold_out"]},
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "code", "detail"],
                    "properties": {"code": {"$ref": "#/components/schemas/Code"}},
                },
                "Thing": {
                    "type": "object",
                    "required": ["id", "count"],
                    "additionalProperties": False,
                    "properties": {
                        "id": {"type": "string", "pattern": "^t_"},
                        "count": {"type": ["integer", "null"], "minimum": 0},
                        "at": {"type": "string", "format": "date-time"},
                    },
                },
            }
        },
    }
    PROBLEM = (
        b'{"type":"/problems/not-found","title":"x","status":404,"code":"not_found","detail":"x"}'
    )

    def answer(self, status, body, media="application/json", request_id=True):
        headers = [("content-type", media)]
        if request_id:
            headers.append(("x-request-id", "r"))
        return Response(status, "", headers, body)

    def problem(self, old=b"", new=b"", status=404):
        body = self.PROBLEM.replace(old, new) if old else self.PROBLEM
        return self.answer(status, body, "application/problem+json")

    def test_good_answers_pass(self):
        checker = contract.Contract(self.DOCUMENT)
        checker.check("GET", "/thing/1", self.answer(200, b'{"id":"t_1","count":null}'))
        checker.check("GET", "/thing/1?x=y", self.answer(200, b'{"id":"t_1","count":0}'))
        checker.check("GET", "/thing/1", self.problem())
        self.assertEqual(checker.codes_seen, {"not_found"})

    def test_planted_faults_are_seen(self):
        checker = contract.Contract(self.DOCUMENT)
        for answer in (
            self.answer(200, b'{"id":"t_1","count":0}', request_id=False),
            self.answer(200, b'{"id":"t_1","count":0}', media="text/html"),
            self.answer(200, b'{"id":"t_1"}'),
            self.answer(200, b'{"id":"t_1","count":0,"extra":1}'),
            self.answer(200, b'{"id":"x","count":0}'),
            self.answer(200, b'{"id":"t_1","count":-1}'),
            self.answer(200, b'{"id":"t_1","count":true}'),
            self.answer(200, b'{"id":"t_1","count":0,"at":"2026-01-01T00:00:00+01:00"}'),
            self.answer(201, b'{"id":"t_1","count":0}'),
            self.answer(404, self.PROBLEM),
            self.problem(status=410),
            self.problem(b"404", b"409"),
            self.problem(b'"detail"', b'"other"'),
            self.problem(b'"not_found"', b'"no_such_code"'),
            self.problem(b"/problems/not-found", b"/problems/gone"),
            self.problem(b'"not_found"', b'"sold_out"'),
        ):
            with self.subTest(answer=repr(answer)[:90]), self.assertRaises(contract.ContractError):
                checker.check("GET", "/thing/1", answer)
