# SPDX-License-Identifier: Apache-2.0
"""The document's `webhooks`: they are the event types that the code knows, and what endpoints really get."""
import copy
import json
import re
import unittest

import harness
import routes
from harness import new_key
from receiver import Receiver
from test_checkout import pay
from test_gateway_events import KEY, SECRET, Gateway, secret_file, signature
from test_orders_admin import PARCEL
from test_webhooks_out import ENDPOINTS, HooksTest

HOLD_MS = 3000  # so that an order expires in the test's time


def document():
    return harness.SETTINGS.contract.document


def schema_of(name):
    body = document()["webhooks"][name]["post"]["requestBody"]
    assert body["required"] is True and list(body["content"]) == ["application/json"]
    return body["content"]["application/json"]["schema"]


def violations(name, body):
    return list(harness.SETTINGS.contract.violations(schema_of(name), body, "$"))


class EventTypes(unittest.TestCase):
    def test_the_document_names_those_that_the_code_knows(self):
        table = (routes.ROOT / "actors" / "events.h").read_text(encoding="utf-8")
        known = re.findall(r'X\(\w+, "([a-z_.]+)"\)', table)
        self.assertGreater(len(known), 10)
        self.assertEqual(list(document()["webhooks"]), known)

    def test_an_endpoint_can_ask_for_each(self):
        schema = document()["components"]["schemas"]["WebhookEndpoint"]
        self.assertEqual(schema["properties"]["events"]["items"]["enum"], list(document()["webhooks"]))

    def test_each_has_its_own_body_and_the_headers_of_standard_webhooks(self):
        for name, item in document()["webhooks"].items():
            with self.subTest(name=name):
                operation = item["post"]
                headers = [harness.SETTINGS.contract.resolve(entry) for entry in operation["parameters"]]
                self.assertEqual([(entry["in"], entry["name"], entry["required"]) for entry in headers],
                                 [("header", f"webhook-{part}", True) for part in ("id", "timestamp", "signature")])
                schema = harness.SETTINGS.contract.resolve(schema_of(name))
                self.assertEqual(schema["properties"]["type"]["enum"], [name])
                self.assertEqual(set(operation["responses"]), {"2XX", "410", "default"})

    def test_the_page_shows_them(self):
        page = harness.shared_server().anonymous().call("GET", "/docs", expect=200).body.decode()
        for name, item in document()["webhooks"].items():
            self.assertIn(f'<h3 id="{item["post"]["operationId"]}">', page)
            self.assertIn(f"</span>{name}</code>", page)


class Bodies(HooksTest):
    """One endpoint that wants everything; each event of a shop's life, once at least."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.receiver = Receiver()
        cls.server = harness.Server(
            "--outbound-private", "on", "--webhook-retry-schedule", cls.schedule, "--hold-ttl-ms", str(HOLD_MS),
            "--stripe-secret-key-file", secret_file(KEY), "--stripe-webhook-secrets-file", secret_file(SECRET),
            "--stripe-base-url", cls.gateway.url)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.gateway.stop()

    def do(self, order, what, body=None):
        self.admin.call("POST", f"/v1/admin/orders/{order['id']}/{what}", body or {}, key=new_key(), expect=200)

    def fail_payment(self, sku):
        """The gateway says that a payment was cancelled there."""
        order = self.order(self.guest, sku, payment={"provider": "stripe"})
        payment = order["payment"]["id"]
        self.gateway.call(f"/v1/payment_intents/{payment}/cancel", cancellation_reason="abandoned")
        body = json.dumps(self.gateway.event(payment, "payment_intent.canceled")).encode()
        self.server.anonymous().call("POST", "/v1/webhooks/stripe", body, expect=200,
                                     headers=[("Stripe-Signature", signature(body))])

    def live(self):
        sku = self.admin.create_sku(10)
        self.order(self.guest, sku)  # which nobody pays
        self.fail_payment(sku)
        cancelled = pay(self.guest, self.order(self.guest, sku), expect=200).json()
        self.guest.call("POST", f"/v1/orders/{cancelled['id']}/cancel", {}, expect=200)
        order = pay(self.guest, self.order(self.guest, sku), expect=200).json()
        self.do(order, "fulfil")
        self.do(order, "fulfil", {"tracking": PARCEL})
        self.do(order, "deliver")
        self.do(order, "refund", {"amount_minor": 100, "restock": False, "reason": "test"})
        self.do(order, "refund", {"restock": True, "reason": "test"})
        self.admin.convert(self.guest.hold(self.admin.create_sku(1))["id"], expect=200)

    def test_what_comes_is_what_is_documented(self):
        wanted = set(document()["webhooks"])
        endpoint = self.endpoint(events=sorted(wanted))
        self.admin.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test", {}, expect=202)
        self.live()

        def types():
            return {entry["body"]["type"] for entry in self.receiver.at(endpoint["path"])}

        harness.wait_until(lambda: types() == wanted, 20, "each type")
        seen = {}
        for entry in self.receiver.at(endpoint["path"]):
            name, body = entry["body"]["type"], entry["body"]
            self.assertEqual(violations(name, body), [], body)
            for parameter in document()["webhooks"][name]["post"]["parameters"]:
                header = harness.SETTINGS.contract.resolve(parameter)
                self.assertRegex(entry["headers"][header["name"]], header["schema"]["pattern"])
            seen[name] = body
        self.refuses(seen)

    def refuses(self, seen):
        """The schemas are strict: of each body that came, one that is a little different is none."""
        for name, body in seen.items():
            with self.subTest(name=name):
                others = [copy.deepcopy(body) for _ in range(4)]
                others[0]["type"] = "order.created" if name != "order.created" else "order.shipped"
                others[1]["data"]["email"] = "ann@shop.test"
                del others[2]["data"][sorted(others[2]["data"])[0]]
                others[3]["refund" if "refund" not in body else "more"] = {"amount_minor": 1}
                if "payment" in body["data"]:
                    others.append(copy.deepcopy(body))
                    others[-1]["data"]["payment"]["client_secret"] = "s"
                for other in others:
                    self.assertNotEqual(violations(name, other), [], other)


if __name__ == "__main__":
    unittest.main()
