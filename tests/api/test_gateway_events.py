# SPDX-License-Identifier: Apache-2.0
"""What payment gateways tell of orders: genuine, forged, late, repeated, about other money."""
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from harness import SETTINGS, Server, fresh_path, new_key, wait_until
from test_checkout import check_out, purchase, statuses
from test_orders_admin import PRICE, StaffTest

SECRET, OLD_SECRET = "whsec_of_the_tests", "whsec_of_yesterday"
KEY = "sk_test_of_the_tests"


class Gateway:
    """`stampede gateway`; tells nobody of its events, so that the tests can."""

    def __init__(self):
        command = [SETTINGS.binary, "gateway", "--listen", "127.0.0.1:0", "--ledger", fresh_path("ledger"),
                   "--secret", KEY]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("ready http://"), line
        self.url = line.split()[1]

    def call(self, path, **fields):
        data = urllib.parse.urlencode(fields).encode() if fields else None
        sign = base64.b64encode(f"{KEY}:".encode()).decode()
        request = urllib.request.Request(self.url + path, data, {"Authorization": f"Basic {sign}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def pay(self, payment):
        return self.call(f"/v1/payment_intents/{payment}/confirm", payment_method="pm_card_visa")

    def events(self, payment, kind):
        listed = self.call("/v1/events?limit=100")["data"]
        return [event for event in listed if event["type"] == kind
                and payment in (event["data"]["object"]["id"], event["data"]["object"].get("payment_intent"))]

    def event(self, payment, kind):
        return wait_until(lambda: self.events(payment, kind), 5, kind)[0]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def secret_file(*lines):
    path = fresh_path("secret")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as handle:
        handle.write("\n".join(lines) + "\n")
    return path


def signature(body, secret=SECRET, age=0):
    stamp = int(time.time()) - age
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


class WebhookTest(StaffTest):
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.server = Server(
            "--stripe-secret-key-file", secret_file(KEY),
            "--stripe-webhook-secrets-file", secret_file(SECRET, OLD_SECRET),
            "--stripe-base-url", cls.gateway.url, "--outbound-private", "on", *cls.flags,
        )

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.gateway.stop()

    def tell(self, event, sign=None, provider="stripe", expect=200, code=None):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = [("Stripe-Signature", signature(body) if sign is None else sign)]
        client = self.server.anonymous()
        return client.call("POST", f"/v1/webhooks/{provider}", body, headers=headers, expect=expect, code=code)

    def counted(self, outcome, provider="stripe"):
        text = self.server.anonymous().call("GET", "/metrics").body.decode()
        found = re.search(rf'stampede_webhooks_in_total{{provider="{provider}",outcome="{outcome}"}} (\d+)', text)
        return int(found[1]) if found else 0

    def counts(self, outcome, work):
        before = self.counted(outcome)
        given = work()
        self.assertEqual(self.counted(outcome), before + 1, outcome)
        return given

    def stripe_order(self, quantity=1):
        sku = self.admin.create_sku(10)
        return sku, self.order(self.guest, sku, quantity, payment={"provider": "stripe"})

    def authorised(self, quantity=1):
        """An order whose payment the gateway has, and nobody here knows of."""
        sku, order = self.stripe_order(quantity)
        self.gateway.pay(order["payment"]["id"])
        event = self.gateway.event(order["payment"]["id"], "payment_intent.amount_capturable_updated")
        return sku, order, event

    def becomes(self, order, status):
        return wait_until(lambda: self.see(order)["status"] == status, 10, status)


class Webhooks(WebhookTest):
    def test_staff_see_what_was_stored(self):
        _, order, event = self.authorised()
        self.tell(event)
        self.becomes(order, "confirmed")
        self.tell(event)
        found = [row for row in self.admin.pages("/v1/admin/webhooks/inbox?provider=stripe&limit=3")
                 if row["event_id"] == event["id"]]
        self.assertEqual([(row["order_id"], row["provider"], row["effect"], row["payment_state"]) for row in found],
                         [(order["id"], "stripe", "applied", "authorised")])
        kept = self.admin.pages("/v1/admin/webhooks/inbox?effect=mismatched")
        self.assertNotIn(event["id"], [row["event_id"] for row in kept])
        text = self.server.anonymous().call("GET", "/metrics").body.decode()
        self.assertRegex(text, r'stampede_webhook_lag_seconds_count{direction="in",kind="stripe"} [1-9]')

    def test_an_event_pays_the_order_once(self):
        sku, order, event = self.authorised(2)
        self.assertEqual(self.see(order)["status"], "pending_payment")
        answer = self.counts("stored", lambda: self.tell(event))
        self.assertEqual(answer.json(), {})
        self.assertEqual(answer.header_all("set-cookie"), [])
        self.becomes(order, "confirmed")
        for _ in range(3):
            self.counts("repeated", lambda: self.tell(event))
        captured = self.gateway.event(order["payment"]["id"], "payment_intent.succeeded")
        self.counts("stored", lambda: self.tell(captured))
        self.counts("repeated", lambda: self.tell(event))
        seen = self.see(order)
        self.assertEqual(seen["payment"]["captured_minor"], 2 * PRICE)
        self.assertEqual(statuses(seen), ["pending_payment", "confirmed"])
        self.assertEqual(self.admin.inventory(sku)["sold"], 2)
        books = self.gateway.call(f"/v1/payment_intents/{seen['payment']['id']}")
        self.assertEqual(books["amount_received"], 2 * PRICE)

    def test_forged_and_replayed_events_do_nothing(self):
        _, order, event = self.authorised()
        body = json.dumps(event).encode()
        wrong = {"expect": 400, "code": "invalid_signature"}
        right = signature(body)
        for sign in ("", "x", "t=1", right.replace("v1=", "v0="), right[:-1] + ("0" if right[-1] != "0" else "1"),
                     signature(body, "whsec_of_mallory"), signature(b"{}"), right.replace("t=", "t=9")):
            self.counts("forged", lambda sign=sign: self.tell(body, sign, **wrong))
        self.counts("forged", lambda: self.tell(body.replace(b'"id"', b'"ID"', 1), right, **wrong))
        for age in (3600, 301, -120):
            self.counts("stale", lambda age=age: self.tell(body, signature(body, age=age), **wrong))
        unsigned = self.server.anonymous().call("POST", "/v1/webhooks/stripe", body, **wrong)
        self.assertNotIn(SECRET, unsigned.body.decode())
        self.assertEqual(self.see(order)["status"], "pending_payment")
        self.tell(body, signature(body, OLD_SECRET))  # while secrets are changed both are good
        self.becomes(order, "confirmed")

    def test_events_about_other_money_do_nothing(self):
        sku, order, event = self.authorised()
        _, other, _ = self.authorised()

        def changed(number, **fields):
            copy = json.loads(json.dumps(event))
            copy["id"] = f"evt_changed_{new_key()[:8]}_{number}"
            copy["data"]["object"].update(fields)
            return copy

        intent = event["data"]["object"]
        for number, fields in enumerate((
            {"amount": intent["amount"] - 1, "amount_capturable": intent["amount"] - 1},
            {"amount": intent["amount"] + 1, "amount_capturable": intent["amount"] + 1},
            {"amount_capturable": 1},
            {"amount_capturable": intent["amount"] - 1},
            {"currency": "usd"},
            {"id": other["payment"]["id"]},
            {"metadata": {**intent["metadata"], "order_id": other["id"]}},
        )):
            with self.subTest(fields=fields):
                self.counts("mismatched", lambda n=number, f=fields: self.tell(changed(n, **f)))
        self.assertIn("payment_event_mismatched", self.server.output())
        for shown in (order, other):
            self.assertEqual(self.see(shown)["status"], "pending_payment")
        captured = changed(9, status="succeeded", amount_received=intent["amount"] - 1, amount_capturable=0)
        captured["type"] = "payment_intent.succeeded"
        self.counts("mismatched", lambda: self.tell(captured))
        self.assertEqual(self.admin.inventory(sku)["sold"], 0)
        self.tell(event)
        self.becomes(order, "confirmed")

    def test_an_event_that_comes_too_late(self):
        sku, order, event = self.authorised()
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        self.tell(event)
        self.assertEqual(self.see(order)["status"], "cancelled")
        self.assertEqual(self.admin.inventory(sku)["available"], 10)
        payment = order["payment"]["id"]
        gone = lambda: self.gateway.call(f"/v1/payment_intents/{payment}")["status"] == "canceled"
        wait_until(gone, 10, "what was authorised is let go")

    def test_refunds_are_told_too(self):
        _, order, event = self.authorised(2)
        self.tell(event)
        self.becomes(order, "confirmed")
        self.refund(order, amount_minor=100)
        payment = order["payment"]["id"]
        for kind in ("charge.refunded", "refund.created"):
            self.counts("stored", lambda kind=kind: self.tell(self.gateway.event(payment, kind)))
        self.assertEqual(self.see(order)["payment"]["refunded_minor"], 100)

    def test_what_is_not_ours_is_acknowledged(self):
        _, _, event = self.authorised()
        foreign = json.loads(json.dumps(event))
        foreign["id"] = "evt_foreign"
        for metadata in ({}, {"order_id": "ord_of_another_shop"}, {"order_id": ""}):
            foreign["data"]["object"]["metadata"] = metadata
            self.counts("not_ours", lambda: self.tell(foreign))
        customer = {"id": "evt_c", "object": "event", "type": "customer.created", "created": 1,
                    "data": {"object": {"id": "cus_1"}}}
        self.counts("not_ours", lambda: self.tell(customer))
        for body in (b"{", b"[]", b"{}", b'{"id":"evt_1"}', b"\xff\xfe"):
            self.counts("unreadable", lambda body=body: self.tell(body))

    def test_numbers_that_look_like_cards_are_the_gateways_business(self):
        _, order, event = self.authorised()
        event["data"]["object"]["network_transaction_id"] = "4111111111111111"
        self.tell(event)
        self.becomes(order, "confirmed")

    def test_gateways_that_tell_nothing(self):
        for provider in ("sandbox", "paypal", "razorpay", "nobody", "Stripe", "x" * 100):
            self.tell({}, provider=provider, expect=404, code="not_found")
        self.server.anonymous().call("POST", "/v1/webhooks/stripe", b"x=1", expect=415, code="unsupported_media_type",
                                     headers=[("Content-Type", "application/x-www-form-urlencoded")])
        self.tell(b" " * 70000, expect=413, code="payload_too_large")

    def test_no_session_and_no_origin_matter(self):
        _, order, event = self.authorised()
        body = json.dumps(event).encode()
        headers = [("Stripe-Signature", signature(body)), ("Origin", "https://evil.example"),
                   ("Cookie", f"stampede_session={self.guest.token}")]
        answer = self.server.anonymous().call("POST", "/v1/webhooks/stripe", body, headers=headers, expect=200)
        self.assertIsNone(answer.header("access-control-allow-origin"))
        self.becomes(order, "confirmed")

    def test_a_refund_that_the_gateway_refuses(self):
        sku, order = self.stripe_order()
        self.gateway.pay(order["payment"]["id"])
        self.tell(self.gateway.event(order["payment"]["id"], "payment_intent.amount_capturable_updated"))
        self.becomes(order, "confirmed")
        # Behind the shop's back: less is left than it believes.
        self.gateway.call("/v1/refunds", payment_intent=order["payment"]["id"], amount=1)
        key = new_key()
        for _ in range(2):
            self.refund(order, key, restock=True, expect=503, code="gateway_unavailable")
        # The refusal is looked into: the shop knows of it now.
        seen = self.see(order)
        self.assertEqual((seen["status"], [entry["status"] for entry in seen["refunds"]]),
                         ("partially_refunded", ["failed", "succeeded"]))
        self.assertEqual(seen["payment"]["refunded_minor"], 1)
        self.assertEqual(self.admin.inventory(sku)["sold"], 1)


class Replay(WebhookTest):
    """Staff have a stored event taken in once more."""

    def entry(self, event, effect):
        rows = [row for row in self.admin.pages("/v1/admin/webhooks/inbox?provider=stripe")
                if row["event_id"] == event["id"]]
        self.assertEqual([row["effect"] for row in rows], [effect])
        return rows[0]

    def replay(self, row, client=None, **asked):
        target = f"/v1/admin/webhooks/inbox/{row['id']}/replay"
        return (client or self.admin).call("POST", target, {}, key=new_key(), **asked)

    def payments(self):
        return {payment["id"] for payment in self.gateway.call("/_ledger")["payments"]}

    def test_one_that_came_before_its_time_counts_now(self):
        sku, known = self.admin.create_sku(10), self.payments()
        self.gateway.call("/_misbehave", timeout=1000, timeout_ms=1500)
        body = purchase(self.guest.hold(sku), payment={"provider": "stripe"})
        made = []
        shopper = threading.Thread(target=lambda: made.append(check_out(self.guest, body, expect=201).json()))
        shopper.start()
        try:
            payment = wait_until(lambda: self.payments() - known, 5, "a payment").pop()
        finally:
            self.gateway.call("/_misbehave", none="true")
        self.gateway.pay(payment)
        event = self.gateway.event(payment, "payment_intent.amount_capturable_updated")
        self.tell(event)  # and the shop does not know yet whose payment that is
        row = self.entry(event, "stale")
        shopper.join(20)
        order = made[0]
        self.assertEqual((order["id"], order["status"]), (row["order_id"], "pending_payment"))
        self.tell(event)
        self.assertEqual(self.see(order)["status"], "pending_payment", "again is nothing new")
        answer = self.replay(row, expect=200).json()
        self.assertEqual(answer, {**row, "effect": "applied"})
        self.becomes(order, "confirmed")
        for _ in range(2):
            self.assertEqual(self.replay(row, expect=200).json(), answer)
        self.assertEqual(self.entry(event, "applied"), answer)
        self.assertEqual(self.audited(order), [("event_replayed", "stale", "applied")])
        self.assertEqual(self.see(order)["payment"]["captured_minor"], PRICE)
        self.assertEqual(self.admin.inventory(sku)["sold"], 1)
        self.assertEqual(self.gateway.call(f"/v1/payment_intents/{payment}")["amount_received"], PRICE)

    def test_what_had_its_effect_has_no_other(self):
        _, order, event = self.authorised()
        self.tell(event)
        self.becomes(order, "confirmed")
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        self.becomes(order, "cancelled")
        row = self.entry(event, "applied")
        before = self.see(order)
        self.assertEqual(self.replay(row, expect=200).json(), row)
        self.server.kill()
        self.server.start()
        self.admin = self.server.admin()
        self.assertEqual(self.replay(row, expect=200).json(), row)
        self.assertEqual(self.see(order), before)
        self.assertEqual(self.audited(order), [])

    def test_one_about_other_money_still_does_nothing(self):
        _, order, event = self.authorised()
        event["id"] = f"evt_other_{new_key()[:8]}"
        event["data"]["object"]["currency"] = "usd"
        self.tell(event)
        row = self.entry(event, "mismatched")
        self.assertEqual(self.replay(row, expect=200).json(), row)
        self.assertEqual(self.see(order)["status"], "pending_payment")
        self.assertEqual(self.audited(order), [("event_replayed", "mismatched", "mismatched")])

    def test_who_may_and_of_what(self):
        _, order, event = self.authorised()
        self.tell(event)
        self.becomes(order, "confirmed")
        row = self.entry(event, "applied")
        for client, status in ((self.guest, 403), (self.server.anonymous(), 401)):
            self.replay(row, client, expect=status)
        whole = row["id"]
        other = whole[:-1] + ("0" if whole[-1] != "0" else "1")
        for name in (event["id"], "inb_", other, whole[:-1], whole + "0", whole[:4] + "0" * 22, "inb_" + "z" * 22):
            self.replay({"id": name}, expect=404, code="not_found")
        target = f"/v1/admin/webhooks/inbox/{whole}/replay"
        self.admin.call("POST", target, {"now": True}, expect=422, code="validation_failed")


class Inbox(WebhookTest):
    """An acknowledged event is not lost and not taken twice, whatever happens to the server."""

    def test_after_a_kill(self):
        _, order, event = self.authorised()
        self.tell(event)
        self.server.kill()
        self.server.restart()
        self.admin = self.server.admin()
        self.becomes(order, "confirmed")
        self.counts("repeated", lambda: self.tell(event))
        self.assertEqual(self.see(order)["payment"]["captured_minor"], PRICE)
        self.assertEqual(self.server.stop(), 0)
        checked = self.server.check()
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.server.restart()


class Full(WebhookTest):
    def test_a_full_disk_does_not_keep_payments_out(self):
        sku, order, event = self.authorised()
        self.assertEqual(self.server.stop(), 0)
        self.server.flags += ["--low-water-mb", "16000000"]
        self.server.restart()
        self.admin, guest = self.server.admin(), self.server.guest()
        guest.reserve(sku, expect=503, code="storage_full")
        self.tell(event)
        self.becomes(order, "confirmed")
        self.assertEqual(self.admin.inventory(sku)["sold"], 1)


class Rates(WebhookTest):
    """Webhooks have a bound of their own, far from the shoppers'."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.stop()
        cls.server.rate_limits = "on"
        cls.server.restart()

    def test_more_than_shoppers_may(self):
        policy = self.tell(b"{}").header("ratelimit-policy")
        self.assertIn('"webhooks-address";q=3000;w=10', policy)
        for _ in range(700):
            self.tell(b"{}")
