# SPDX-License-Identifier: Apache-2.0
"""Refusals that no other test's story needs, call by call; coverage.py says at the end of a run which are missing.

Also each step of an order from one status to another that nothing else takes.
"""
import json
import time

from harness import SETTINGS, Server, in_threads, new_key, wait_until
from stored import SEALED_OVERHEAD, WRAPPED_KEY_BYTES, logs
from test_checkout import VISA, CheckoutTest, check_out, pay, purchase, put_in_cart, statuses
from test_gateway_events import WebhookTest
from test_orders_admin import StaffTest
from wire import render


class Keys(CheckoutTest):
    """Idempotency-Keys of carts, coupons and orders: in flight, and with another body."""

    def code(self):
        code = "R" + new_key()[:12].upper()
        self.admin.call("POST", "/v1/admin/coupons", self.rule(code), expect=201)
        return code

    @staticmethod
    def rule(code, percent=1000):
        return {"code": code, "kind": "percentage", "percent_bp": percent}

    def calls(self, sku):
        """(caller, method, path, body, another body or None), each good once it is made."""
        code = self.code()
        put_in_cart(self.guest, sku, 3)
        line, coupon = f"/v1/cart/items/{sku}", f"/v1/admin/coupons/{code}"
        yield self.guest, "POST", "/v1/cart/items", {"sku": sku, "quantity": 1}, {"sku": sku, "quantity": 2}
        yield self.guest, "POST", "/cart/add", {"sku": sku, "quantity": 1}, {"sku": sku, "quantity": 2}
        yield self.guest, "PATCH", line, {"quantity": 4}, {"quantity": 5}
        yield self.guest, "POST", "/v1/cart/coupon", {"code": code}, {"code": self.code()}
        yield self.guest, "DELETE", "/v1/cart/coupon", None, None
        yield self.guest, "DELETE", line, None, None
        fresh = self.rule("N" + new_key()[:12].upper())
        yield self.admin, "POST", "/v1/admin/coupons", fresh, {**fresh, "percent_bp": 1}
        yield self.admin, "PATCH", coupon, {"percent_bp": 2000}, {"percent_bp": 3000}
        yield self.admin, "PUT", coupon, self.rule(code, 100), self.rule(code, 200)
        yield self.admin, "DELETE", coupon, None, None
        yield from self.order_calls(sku)

    def order_calls(self, sku):
        first, second, third = (self.order(self.guest, sku) for _ in range(3))
        yield self.guest, "POST", f"/v1/orders/{first['id']}/cancel", {}, None
        paid = {"order_id": second["id"], "payment_method": VISA}
        yield self.guest, "POST", "/v1/payments/confirm", paid, {**paid, "payment_method": "pm_card_mastercard"}
        staff = f"/v1/admin/orders/{second['id']}/"
        parcel = {"tracking": {"carrier": "DHL", "number": "1"}}
        yield self.admin, "POST", staff + "fulfil", parcel, {}
        yield self.admin, "POST", staff + "deliver", {}, None
        pay(self.guest, third, expect=200)
        yield self.admin, "POST", f"/v1/admin/orders/{third['id']}/cancel", {}, None

    def pipelined(self, caller, method, path, body, key):
        """The codes of the same request sent six times in one go."""
        headers = [("Authorization", f"Bearer {caller.token}"), ("Idempotency-Key", key)]
        data = None
        if body is not None:
            headers.append(("Content-Type", "application/json"))
            data = json.dumps(body).encode()
        with self.server.wire() as wire:
            wire.send(render(method, path, headers, data, self.server.address) * 6)
            answers = [wire.read_response() for _ in range(6)]
        for answer in answers:
            self.check(method, path, answer)
        self.assertLess(answers[0].status, 300, answers[0])
        return {answer.code for answer in answers[1:]}

    @staticmethod
    def check(method, path, answer):
        if SETTINGS.contract is not None:
            SETTINGS.contract.check(method, path, answer)

    def test_in_flight_and_with_another_body(self):
        wanted, seen = set(), {}
        for _ in range(10):  # an answer may be there before the repeat is read
            sku = self.admin.create_sku(50)
            for number, (caller, method, path, body, other) in enumerate(self.calls(sku)):
                key = new_key()
                codes = self.pipelined(caller, method, path, body, key)
                self.assertLessEqual(codes, {None, "idempotency_in_flight"}, (method, path))
                seen.setdefault(number, set()).update(codes)
                wanted.add(number)
                if other is not None:
                    caller.call(method, path, other, key=key, expect=422, code="idempotency_key_reused")
            if all("idempotency_in_flight" in seen[number] for number in wanted):
                return
        self.fail(f"in flight were, by call: {seen}")


class Fields(CheckoutTest):
    def test_what_is_not_well_said(self):
        sku = self.admin.create_sku(9)
        put_in_cart(self.guest, sku)
        order = self.order(self.guest, sku)
        code = self.coupon()
        json_type = [("Content-Type", "application/json")]
        for caller, method, path, body in (
            (self.guest, "POST", f"/v1/orders/{order['id']}/cancel", {"x": 1}),
            (self.guest, "POST", "/checkout", {"x": 1}),
            (self.guest, "POST", "/payment/confirm", {"x": 1}),
            (self.guest, "GET", f"/orders/{order['id']}?x=1", None),
        ):
            with self.subTest(method=method, path=path):
                key = new_key() if method == "POST" else None
                caller.call(method, path, body, key=key, expect=422, code="validation_failed")
        for caller, path in (
            (self.guest, f"/v1/cart/items/{sku}"),
            (self.guest, "/v1/cart/coupon"),
            (self.admin, f"/v1/admin/coupons/{code}"),
        ):
            with self.subTest(path=path):
                caller.call("DELETE", path, key="k" * 256, expect=422, code="validation_failed")
        for caller, method, path in (
            (self.guest, "PATCH", f"/v1/cart/items/{sku}"),
            (self.admin, "PATCH", f"/v1/admin/coupons/{code}"),
            (self.admin, "PUT", f"/v1/admin/coupons/{code}"),
        ):
            with self.subTest(method=method, path=path):
                caller.call(method, path, b"{", headers=json_type, expect=400, code="malformed_json")

    def test_a_coupon_below_what_is_used_of_it(self):
        sku, code = self.admin.create_sku(9), self.coupon(max_uses=2)
        for _ in range(2):
            self.order(self.guest, sku, coupon=code)
        put_in_cart(self.guest, sku)
        self.guest.call("POST", "/v1/cart/coupon", {"code": code}, expect=409, code="coupon_exhausted")
        body = {"code": code, "kind": "percentage", "percent_bp": 1000, "max_uses": 1}
        target = f"/v1/admin/coupons/{code}"
        self.admin.call("PATCH", target, {"max_uses": 1}, expect=409, code="invalid_state")
        self.admin.call("PUT", target, body, expect=409, code="invalid_state")


class FullDisk(CheckoutTest):
    """What takes on something new is refused, all that ends something goes on."""

    def setUp(self):
        self.server = Server()
        super().setUp()
        self.addCleanup(self.server.stop)

    def test_what_is_taken_on_and_what_goes_on(self):
        sku = self.admin.create_sku(9)
        put_in_cart(self.guest, sku, 2)
        hold, unpaid, paid = self.guest.hold(sku), self.order(self.guest, sku), self.order(self.guest, sku)
        code = self.coupon()
        self.server.stop()
        self.server.flags += ["--low-water-mb", "16000000"]
        self.server.restart()
        for client in (self.guest, self.admin):
            client.close()
        newcomer = self.server.guest()
        line = {"sku": sku, "quantity": 1}
        for caller, path, body in (
            (newcomer, "/v1/cart/items", line),
            (newcomer, "/cart/add", line),
            (self.guest, "/v1/checkout", purchase(hold)),
            (self.guest, "/checkout", purchase(hold)),
            (self.admin, "/v1/admin/coupons", {"code": "FULL", "kind": "percentage", "percent_bp": 1}),
        ):
            with self.subTest(path=path):
                refused = caller.call("POST", path, body, key=new_key(), expect=503, code="storage_full")
                self.assertTrue(refused.header("retry-after"))
        newcomer.call("POST", "/v1/cart/coupon", {"code": code}, expect=503, code="storage_full")
        self.guest.call("PATCH", f"/v1/cart/items/{sku}", {"quantity": 1}, expect=200)
        pay(self.guest, paid, expect=200)
        self.guest.call("POST", f"/v1/orders/{unpaid['id']}/cancel", {}, expect=200)
        self.guest.call("DELETE", f"/v1/cart/items/{sku}", expect=200)
        target = f"/v1/admin/orders/{paid['id']}"
        self.admin.call("POST", f"{target}/fulfil", {}, expect=200)
        self.admin.call("POST", f"{target}/refund", {"restock": True, "reason": "x"}, key=new_key(), expect=200)
        self.admin.call("DELETE", f"/v1/admin/coupons/{code}", expect=204)
        self.assertEqual(self.admin.inventory(sku)["sold"], 0)


class Plain(CheckoutTest):
    """The calls as the requirements write them refuse as the others do."""

    def refused(self, path, body, status, code, key=True):
        return self.guest.call("POST", path, body, key=new_key() if key else None, expect=status, code=code)

    def test_payment(self):
        order = self.order(self.guest, self.admin.create_sku(9))
        body = {"order_id": order["id"], "payment_method": "pm_card_declined"}
        self.refused("/payment/confirm", body, 402, "payment_declined", key=False)
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        self.refused("/payment/confirm", {**body, "payment_method": VISA}, 409, "invalid_state", key=False)

    def test_checkout(self):
        sku = self.admin.create_sku(9)
        hold = self.guest.hold(sku)
        self.refused("/checkout", purchase(hold), 400, "idempotency_key_required", key=False)
        self.refused("/checkout", purchase(hold, coupon="NOSUCH"), 422, "coupon_invalid")
        self.refused("/checkout", purchase(hold, expected_total_minor=1), 409, "price_changed")


class Statuses(StaffTest):
    """Each step of the table of statuses."""

    def test_what_goes_back_whole_at_each_stage(self):
        for steps, status in (((), "confirmed"), (("fulfil",), "fulfilling"), (("ship",), "shipped"),
                              (("ship", "deliver"), "delivered")):
            for amount, then in ((None, "refunded"), (1, "partially_refunded")):
                _, order = self.paid()
                for step in steps:
                    body = {"tracking": {"carrier": "P", "number": "1"}} if step == "ship" else {}
                    self.do(order, "fulfil" if step == "ship" else step, body)
                self.assertEqual(self.see(order)["status"], status)
                asked = {} if amount is None else {"amount_minor": amount}
                self.refund(order, **asked)
                self.assertEqual(statuses(self.see(order))[-2:], [status, then])

    def test_a_part_goes_back_and_it_goes_its_way(self):
        _, order = self.paid()
        self.refund(order, amount_minor=1)
        self.do(order, "fulfil")
        self.refund(order, amount_minor=1)
        self.do(order, "fulfil", {"tracking": {"carrier": "P", "number": "1"}})
        self.refund(order, amount_minor=1)
        self.do(order, "deliver")
        self.refund(order)
        self.assertEqual(
            statuses(self.see(order)),
            ["pending_payment", "confirmed", "partially_refunded", "fulfilling", "partially_refunded", "shipped",
             "partially_refunded", "delivered", "refunded"],
        )

    def test_what_is_over_is_over(self):
        _, order = self.paid()
        self.refund(order)
        self.do(order, "fulfil", expect=409, code="invalid_state")
        self.do(order, "deliver", expect=409, code="invalid_state")
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=409, code="invalid_state")
        self.assertEqual(self.see(order)["status"], "refunded")


class TooLate(WebhookTest):
    flags = ("--stripe-confirm", "on", "--hold-ttl-ms", "1500", "--hold-cap-ms", "3000")

    def test_paid_when_the_hold_had_lapsed(self):
        sku, order = self.stripe_order()
        self.gateway.call("/_misbehave", none="true", delay="1000", delay_ms="1800")
        self.addCleanup(lambda: self.gateway.call("/_misbehave", none="true"))
        pay(self.guest, order, expect=409, code="hold_ended")
        self.becomes(order, "expired")
        self.assertEqual(self.gateway.call(f"/v1/payment_intents/{order['payment']['id']}")["status"], "canceled")
        self.assertEqual(self.admin.inventory(sku)["sold"], 0)


class Damaged(CheckoutTest):
    def setUp(self):
        self.server = Server()
        super().setUp()
        self.addCleanup(self.server.stop)

    def test_what_is_sealed_and_was_changed_is_not_served_around(self):
        order = self.order(self.guest, self.admin.create_sku(9))
        self.server.kill()
        self.assertEqual(self.change_person(order), 1)
        self.server.restart()
        self.guest.close()
        self.guest.call("GET", f"/v1/orders/{order['id']}", expect=500, code="private_data_unreadable")
        self.guest.call("GET", f"/orders/{order['id']}", expect=500, code="private_data_unreadable")
        self.guest.call("GET", "/v1/orders", expect=500, code="private_data_unreadable")
        self.assertIn('"event":"private_field_damaged"', self.server.stderr())

    def change_person(self, order):
        """Another byte in the only order's sealed address, with every checksum right."""
        changed = 0
        for log in logs(self.server.data):
            for key, value in list(log.values()):
                at = value.find(bytes((WRAPPED_KEY_BYTES, 1))) + 1 + WRAPPED_KEY_BYTES
                size = (len(order["email"]) + SEALED_OVERHEAD).to_bytes(2, "big")
                if at == WRAPPED_KEY_BYTES or value[at:at + 2] != size:
                    continue
                old = value[-24:-16]
                changed += log.change(key, old, bytes(byte ^ 1 for byte in old))
            log.write()
        return changed


class GatewayAway(WebhookTest):
    """A refund that the gateway does not answer is kept, and given back once it does."""

    flags = ("--request-timeout-ms", "1000")

    def test_a_refund_waits_for_the_gateway_and_staff_do_not(self):
        _, order = self.stripe_order()
        self.gateway.pay(order["payment"]["id"])
        self.tell(self.gateway.event(order["payment"]["id"], "payment_intent.amount_capturable_updated"))
        self.becomes(order, "confirmed")
        self.gateway.call("/_misbehave", none="true", rate_limit="1000")
        self.addCleanup(self.gateway.call, "/_misbehave", none="true")
        key, started = new_key(), time.monotonic()
        answer = self.refund(order, key, amount_minor=7, expect=503, code="gateway_unavailable")
        self.assertLess(time.monotonic() - started, 5)
        self.assertIn("The refund is kept", answer.json()["detail"])
        self.assertRegex(answer.header("retry-after"), "^[0-9]+$")
        seen = self.see(order)
        self.assertEqual((seen["status"], seen["step"]), ("confirmed", "refund"))
        self.assertEqual([(entry["amount_minor"], entry["status"]) for entry in seen["refunds"]], [(7, "pending")])
        self.gateway.call("/_misbehave", none="true")
        done = wait_until(lambda: next((told for told in [self.refund(order, key, amount_minor=7, expect=(200, 503))]
                                        if told.status == 200), None), 20, "the refund is made").json()
        self.assertEqual([(entry["amount_minor"], entry["status"]) for entry in done["refunds"]], [(7, "succeeded")])
        self.assertEqual((done["status"], done["payment"]["refunded_minor"]), ("partially_refunded", 7))


class SlowGateway(WebhookTest):
    """While a gateway takes its time, nothing else is done to the order; where it fails, nothing is lost."""

    flags = ("--stripe-confirm", "on")

    def confirmed(self):
        _, order = self.stripe_order()
        self.gateway.pay(order["payment"]["id"])
        self.tell(self.gateway.event(order["payment"]["id"], "payment_intent.amount_capturable_updated"))
        self.becomes(order, "confirmed")
        return order

    def misbehave(self, **fields):
        self.gateway.call("/_misbehave", none="true", **fields)

    def test_a_payment_that_is_given_up(self):
        _, order = self.stripe_order()
        payment = order["payment"]["id"]
        self.gateway.call(f"/v1/payment_intents/{payment}/cancel", cancellation_reason="abandoned")
        self.tell(self.gateway.event(payment, "payment_intent.canceled"))
        self.becomes(order, "payment_failed")

    def test_staff_wait_for_a_refund_under_way(self):
        order = self.confirmed()
        self.misbehave(delay="1000", delay_ms="3000")
        self.addCleanup(self.misbehave)

        def refund(_):
            client = self.server.admin()
            body = {"amount_minor": 1, "restock": False, "reason": "test"}
            return client.call("POST", f"/v1/admin/orders/{order['id']}/refund", body, key=new_key())

        def others(_):
            wait_until(lambda: self.see(order)["step"] == "refund", 5, "the refund is asked for")
            self.do(order, "fulfil", expect=409, code="payment_in_progress")
            self.do(order, "cancel", expect=409, code="payment_in_progress")
            self.refund(order, amount_minor=2, expect=409, code="payment_in_progress")
            self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=409, code="payment_in_progress")

        answer, _ = in_threads(2, lambda index: (refund, others)[index](index))
        self.assertEqual(answer.status, 200, answer)

    def test_deliver_waits_too(self):
        order = self.confirmed()
        self.do(order, "fulfil", {"tracking": {"carrier": "P", "number": "1"}})
        self.misbehave(delay="1000", delay_ms="2000")
        self.addCleanup(self.misbehave)

        def refund(_):
            body = {"amount_minor": 1, "restock": False, "reason": "test"}
            target = f"/v1/admin/orders/{order['id']}/refund"
            return self.server.admin().call("POST", target, body, key=new_key())

        def deliver(_):
            wait_until(lambda: self.see(order)["step"] == "refund", 5, "the refund is asked for")
            self.do(order, "deliver", expect=409, code="payment_in_progress")

        answer, _ = in_threads(2, lambda index: (refund, deliver)[index](index))
        self.assertEqual(answer.status, 200, answer)

    def test_a_gateway_that_fails_at_the_payment(self):
        _, order = self.stripe_order()
        self.misbehave(rate_limit="1000")
        self.addCleanup(self.misbehave)
        pay(self.guest, order, expect=503, code="gateway_unavailable")
        body = {"order_id": order["id"], "payment_method": VISA}
        self.guest.call("POST", "/payment/confirm", body, expect=503, code="gateway_unavailable")
        self.misbehave()
        pay(self.guest, order, expect=200)
        self.becomes(order, "confirmed")
