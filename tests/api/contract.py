# SPDX-License-Identifier: Apache-2.0
"""Holds every answer of a test run against the OpenAPI document: its status, its body's schema, its error code.

The clients of harness.py pass each answer through `check`; so a field that the document does not know, or a code
that it does not list for a call, fails whichever test saw it.
"""
import json
import re
import threading

# Statuses that any call may answer (info.description says so); the codes that go with them.
GENERIC = {
    400: {"malformed_request"},
    405: {"method_not_allowed"},
    408: {"request_timeout"},
    413: {"payload_too_large"},
    414: {"uri_too_long"},
    415: {"unsupported_media_type"},
    417: {"expectation_failed"},
    422: {"card_number_refused"},
    429: {"rate_limited"},
    431: {"headers_too_large"},
    501: {"not_implemented"},
    503: {"overloaded"},
    505: {"http_version_not_supported"},
}
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
DATE_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


class ContractError(AssertionError):
    """The server and its OpenAPI document disagree."""


class Contract:
    def __init__(self, document):
        self.document = document
        self.lock = threading.Lock()
        self.codes_seen = set()
        self.refusals_seen = set()  # (operation, code)
        self.edges_seen = set()  # (status of an order, the one that followed it)
        self.routes = []
        for path, item in document["paths"].items():
            pattern = "^" + re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)) + "$"
            self.routes.append((re.compile(pattern), path, item))
        # A literal segment wins over a parameter.
        self.routes.sort(key=lambda route: route[1].count("{"))

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def codes(self):
        return list(self.document["components"]["schemas"]["Code"]["enum"])

    def operations(self):
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method]

    def find(self, method, target):
        """The documented operation behind a request, or None."""
        path = target.split("?", 1)[0]
        for pattern, template, item in self.routes:
            if pattern.match(path):
                return template, item.get(method.lower())
        return None, None

    def check(self, method, target, response):
        where = f"{method} {target.split('?', 1)[0]} -> {response.status}"
        if not response.header("x-request-id"):
            raise ContractError(f"{where}: no X-Request-Id")
        if response.status >= 400:
            self.check_problem(where, response)
        _, operation = self.find(method, target)
        self.note(operation, response)
        if operation is None:
            return
        documented = operation["responses"].get(str(response.status))
        if documented is None:
            if response.code in GENERIC.get(response.status, ()):
                return
            raise ContractError(f"{where}: status is not documented for this call: {response!r}")
        self.check_body(where, self.resolve(documented), response)

    def note(self, operation, response):
        """What coverage.py asks for at the end."""
        with self.lock:
            if response.code is not None and operation is not None:
                self.refusals_seen.add((operation.get("operationId"), response.code))
            elif b'"timeline"' in response.body and "/json" in (response.header("content-type") or ""):
                self.note_timelines(response.json())

    def note_timelines(self, node):
        if isinstance(node, list):
            for entry in node:
                self.note_timelines(entry)
        elif isinstance(node, dict):
            entries = node.get("timeline")
            if isinstance(entries, list) and "reservation_id" in node:
                statuses = ["none", *(entry["status"] for entry in entries)]
                self.edges_seen.update(zip(statuses, statuses[1:], strict=False))
            for entry in node.values():
                self.note_timelines(entry)

    def documented_codes(self, operation):
        """The codes that the document lists for an operation, those of any call left out."""
        codes = set()
        for status, node in operation["responses"].items():
            found = set()
            self._codes_in(self.resolve(node).get("content", {}), found)
            codes |= found - GENERIC.get(int(status), set())
        return codes

    def _codes_in(self, node, found):
        if isinstance(node, list):
            for entry in node:
                self._codes_in(entry, found)
        elif isinstance(node, dict):
            if "$ref" in node:
                self._codes_in(self.resolve(node), found)
                return
            code = node.get("properties", {}).get("code", {})
            if "$ref" not in code:
                found.update(code.get("enum", ()))
                found.update([code["const"]] if "const" in code else ())
            for name, entry in node.items():
                if name not in ("examples", "example"):
                    self._codes_in(entry, found)

    def check_body(self, where, documented, response):
        content = documented.get("content")
        if content is None:
            if response.body:
                raise ContractError(f"{where}: a body where none is documented: {response!r}")
            return
        media = (response.header("content-type") or "").split(";")[0].strip().lower()
        if media not in content:
            raise ContractError(f"{where}: Content-Type {media!r}, documented {list(content)}")
        if not media.endswith(("/json", "+json")) or response.header("content-encoding"):
            return
        if response.status >= 400 and response.code in GENERIC.get(response.status, ()):
            return
        errors = list(self.violations(content[media]["schema"], response.json(), "$"))
        if errors:
            raise ContractError(f"{where}: {errors[0]}; body {response.body[:400]!r}")

    def check_problem(self, where, response):
        media = (response.header("content-type") or "").split(";")[0]
        if media != "application/problem+json":
            raise ContractError(f"{where}: an error that is no problem document: {response!r}")
        try:
            problem = response.json()
        except json.JSONDecodeError as error:
            raise ContractError(f"{where}: problem is not JSON: {error}") from error
        schema = {"$ref": "#/components/schemas/Problem"}
        errors = list(self.violations(schema, problem, "$"))
        if errors:
            raise ContractError(f"{where}: {errors[0]}; body {response.body[:400]!r}")
        if problem["status"] != response.status:
            raise ContractError(f"{where}: problem says status {problem['status']}")
        if problem["type"] != "/problems/" + problem["code"].replace("_", "-"):
            raise ContractError(f"{where}: type {problem['type']} does not fit code {problem['code']}")
        with self.lock:
            self.codes_seen.add(problem["code"])

    def violations(self, schema, value, at):
        """Yields what of `value` the schema forbids: the subset of JSON Schema that openapi.yaml uses."""
        schema = self.resolve(schema)
        for part in schema.get("allOf", ()):
            yield from self.violations(part, value, at)
        if "oneOf" in schema:
            fits = [part for part in schema["oneOf"] if not any(self.violations(part, value, at))]
            if len(fits) != 1:
                yield f"{at} fits {len(fits)} of the documented alternatives: {value!r}"
        if "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            if not any(TYPES[name](value) for name in types):
                yield f"{at} is {value!r}, not of type {'/'.join(types)}"
                return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{at} is {value!r}, not one of {schema['enum']}"
        if isinstance(value, str):
            yield from self.string_violations(schema, value, at)
        elif isinstance(value, dict):
            yield from self.object_violations(schema, value, at)
        elif isinstance(value, list):
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                yield f"{at} has {len(value)} entries"
            for index, entry in enumerate(value):
                yield from self.violations(schema.get("items", {}), entry, f"{at}[{index}]")
        elif TYPES["number"](value):
            if value < schema.get("minimum", value) or value > schema.get("maximum", value):
                yield f"{at} is {value}, out of bounds"

    @staticmethod
    def string_violations(schema, value, at):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            yield f"{at} has length {len(value)}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at} is {value!r}, does not match {schema['pattern']}"
        if schema.get("format") == "date-time" and not DATE_TIME.match(value):
            yield f"{at} is {value!r}, not RFC 3339 in UTC"

    def object_violations(self, schema, value, at):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{at}.{name} is missing"
        others = schema.get("additionalProperties", True)
        for name, entry in value.items():
            if name in properties:
                yield from self.violations(properties[name], entry, f"{at}.{name}")
            elif others is False:
                yield f"{at}.{name} is not documented"
            elif isinstance(others, dict):
                yield from self.violations(others, entry, f"{at}.{name}")
