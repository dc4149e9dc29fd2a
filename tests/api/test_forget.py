# SPDX-License-Identifier: Apache-2.0
"""What orders and carts know of people: at an erasure, in an export, when a guest becomes a customer or the vault's
key is changed; and what staff sees that somebody should look at."""
import json
import secrets
import unittest

from harness import Server, new_key, wait_until
from stored import files_with
from test_accounts import PASSWORD, log_in, register
from test_checkout import ADDRESS, check_out, figure, look, pay, purchase, put_in_cart
from test_gateway_events import WebhookTest
from test_rotation import read_key, write_keys

FLAGS = ("--auth-verify", "off", "--shards", "2")


class ForgetTest(unittest.TestCase):
    def setUp(self):
        self.server = Server(*FLAGS)
        self.admin = self.server.admin()

    def tearDown(self):
        if self.server.process.poll() is None:
            self.server.stop()

    def see(self, order):
        return self.admin.call("GET", f"/v1/admin/orders/{order['id']}", expect=200).json()

    def paid(self, client, sku, **fields):
        order = check_out(client, purchase(client.hold(sku), **fields), expect=201).json()
        return pay(client, order, expect=200).json()

    def ship(self, order):
        tracking = {"tracking": {"carrier": "DHL", "number": "J1"}}
        return self.admin.call("POST", f"/v1/admin/orders/{order['id']}/fulfil", tracking, expect=200).json()

    def forgot(self, order):
        seen = self.see(order)
        return seen["email"] is None and seen["shipping_address"] is None

    def assert_sound(self):
        self.server.stop()
        check = self.server.check()
        self.assertEqual(check.returncode, 0, check.stdout)
        return check.stdout


class Erasure(ForgetTest):
    def test_orders_and_cart_forget_an_erased_account(self):
        sku = self.admin.create_sku(50)
        street = f"street{new_key()[:14]}"
        address = {**ADDRESS, "line1": street}
        guest, other = self.server.guest(), register(self.server)
        first = self.ship(self.paid(guest, sku, shipping_address=address))
        ann = register(self.server, token=guest.token)
        second = self.paid(ann, sku, email=ann.email, shipping_address=address)
        third = check_out(ann, purchase(ann.hold(sku), shipping_address=address), expect=201).json()
        others = self.paid(other, sku)
        put_in_cart(ann, sku, 3)
        found = self.admin.call("GET", f"/v1/admin/orders?q={ann.email}", expect=200).json()["data"]
        self.assertEqual([order["id"] for order in found], [second["id"]])
        before = self.see(second)
        ann.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        wait_until(lambda: self.forgot(first), 10, "a shipped order's forgetting")
        self.assertEqual(self.see(second)["shipping_address"]["line1"], street, "it is paid, and to be sent")
        self.ship(second)
        wait_until(lambda: self.forgot(second), 10, "a past order's forgetting")
        self.assertEqual(self.see(third)["shipping_address"]["line1"], street, "it may be paid yet")
        after = self.see(second)
        for kept in ("items", "totals", "payment", "principal"):
            self.assertEqual(after[kept], before[kept], kept)
        self.assertEqual(after["shipping"], {**before["shipping"], "tracking": {"carrier": "DHL", "number": "J1"}})
        self.assertEqual(after["timeline"][:-1], before["timeline"])
        self.assertEqual(after["timeline"][-1]["status"], "shipped")
        self.assertEqual(after["shipping"]["country"], "CH")
        self.assertEqual(self.admin.call("GET", f"/v1/admin/orders?q={ann.email}", expect=200).json()["data"], [])
        self.assertEqual(self.see(others)["email"], others["email"])
        self.server.kill()
        self.server.restart()
        self.admin.close()
        self.assertEqual(self.see(third)["shipping_address"]["line1"], street)
        self.admin.call("POST", f"/v1/admin/orders/{third['id']}/cancel", {}, expect=200)
        wait_until(lambda: self.forgot(third), 10, "the last order's forgetting")
        wait_until(lambda: figure(self.server, "stampede_erasures_done_total") == 1, 10, "the end of it")
        self.assertEqual(figure(self.server, "stampede_carts_live"), 0)
        wait_until(lambda: figure(self.server, "stampede_erasures_pending") == 0, 30, "the keys' end in all files")
        self.assert_sound()
        self.assertEqual(files_with(self.server.data, street, ann.email), {})

    def test_a_kill_in_the_middle_leaves_nobody_behind(self):
        sku = self.admin.create_sku(100)
        people = [register(self.server) for _ in range(12)]
        orders = [self.ship(self.paid(person, sku)) for person in people for _ in range(2)]
        for person in people:
            put_in_cart(person, sku)
            person.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        self.server.kill()
        self.server.restart()
        self.admin.close()
        for order in orders:
            wait_until(lambda order=order: self.forgot(order), 20, "an order's forgetting")
        wait_until(lambda: figure(self.server, "stampede_erasures_done_total") == len(people), 20, "their end")
        self.assertEqual(figure(self.server, "stampede_carts_live"), 0)
        self.assertIn(" 0 unfinished", self.assert_sound())


class Export(ForgetTest):
    def test_cart_and_orders_are_exported_with_their_person(self):
        sku = self.admin.create_sku(50)
        guests = [self.server.guest() for _ in range(10)]  # more than an account names
        orders = [self.paid(guest, sku) for guest in guests]
        ann = register(self.server, token=guests[0].token)
        for guest in guests[1:]:
            ann = log_in(self.server, ann.email, token=guest.token)
        orders += [self.paid(ann, sku) for _ in range(3)]
        put_in_cart(ann, sku, 4)
        self.paid(self.server.guest(), sku)
        export = ann.call("GET", "/v1/me/export", expect=200).json()
        self.assertTrue(export["complete"])
        self.assertEqual({order["id"] for order in export["orders"]}, {order["id"] for order in orders})
        kept = {order["id"]: order["email"] for order in orders}
        for order in export["orders"]:
            self.assertEqual(order["email"], kept[order["id"]])
            self.assertEqual(order["shipping_address"]["line1"], ADDRESS["line1"])
        self.assertEqual([(line["sku"], line["quantity"]) for line in export["cart"]["items"]], [(sku, 4)])
        bob = register(self.server)
        empty = bob.call("GET", "/v1/me/export", expect=200).json()
        self.assertEqual((empty["cart"], empty["orders"], empty["complete"]), (None, [], True))


class Login(ForgetTest):
    def cart(self, client):
        return {line["sku"]: line["quantity"] for line in client.call("GET", "/v1/cart", expect=200).json()["items"]}

    def test_what_a_guest_bought_leaves_the_customers_cart(self):
        first, second = self.admin.create_sku(50), self.admin.create_sku(50)
        ann = register(self.server)
        put_in_cart(ann, first, 2)
        guest = self.server.guest()
        put_in_cart(guest, first, 3)
        order = check_out(guest, purchase(), expect=201).json()
        put_in_cart(guest, second, 1)
        ann = log_in(self.server, ann.email, token=guest.token)
        self.assertEqual(self.cart(ann), {first: 5, second: 1})
        self.assertEqual(look(ann, order, expect=200).json()["id"], order["id"], "it is the customer's by now")
        self.assertIn(order["id"], [seen["id"] for seen in ann.call("GET", "/v1/orders", expect=200).json()["data"]])
        pay(ann, order, expect=200)
        wait_until(lambda: self.cart(ann) == {first: 2, second: 1}, 10, "what is bought to leave the cart")
        self.assertEqual(self.see(order)["step"], "none")


class Rotation(ForgetTest):
    def test_orders_are_readable_by_the_new_key_alone(self):
        sku = self.admin.create_sku(50)
        old, new = read_key(self.server), secrets.token_hex(32)
        guests = [self.server.guest() for _ in range(12)]
        orders = [self.paid(guest, sku) for guest in guests]
        live = check_out(guests[0], purchase(guests[0].hold(sku)), expect=201).json()
        self.server.stop()
        write_keys(self.server, new, old)
        self.server.restart()
        self.admin.close()
        wait_until(lambda: figure(self.server, "stampede_vault_keys_rewrapped_total") > 0, 10, "the first ones")
        self.server.kill()
        self.assert_sound()
        self.server.restart()
        self.admin.close()
        wait_until(lambda: figure(self.server, "stampede_vault_keys_previous") == 0, 30, "no key under the old one")
        self.server.stop()
        write_keys(self.server, new)
        self.server.restart()
        self.admin.close()
        for order in orders + [live]:
            self.assertEqual(self.see(order)["email"], order["email"])
        self.assertNotIn("check: note: ", self.assert_sound())


class Attention(WebhookTest):
    def charge_event(self, order, number, refunded):
        payment = order["payment"]["id"]
        event = json.loads(json.dumps(self.gateway.event(payment, "charge.refunded")))
        event["id"] = f"evt_{payment}_{number}"
        event["data"]["object"]["amount_refunded"] = refunded
        return event

    def confirmed(self, quantity=2):
        sku, order, event = self.authorised(quantity)
        self.tell(event)
        self.becomes(order, "confirmed")
        return sku, order

    def test_what_is_refunded_at_the_gateway_is_in_the_books(self):
        _, order = self.confirmed()
        before = figure(self.server, "stampede_orders_refunded_elsewhere_total")
        self.assertEqual(self.see(order)["needs_attention"], [])
        self.gateway.call("/v1/refunds", payment_intent=order["payment"]["id"], amount=700)
        event = self.gateway.event(order["payment"]["id"], "charge.refunded")
        self.counts("stored", lambda: self.tell(event))
        self.counts("repeated", lambda: self.tell(event))
        seen = self.see(order)
        self.assertEqual((seen["status"], seen["payment"]["refunded_minor"]), ("partially_refunded", 700))
        self.assertEqual([(entry["amount_minor"], entry["status"]) for entry in seen["refunds"]], [(700, "succeeded")])
        self.assertEqual(seen["needs_attention"], ["refunded_elsewhere"])
        self.assertNotIn("needs_attention", look(self.guest, order).json())
        self.assertEqual(figure(self.server, "stampede_orders_refunded_elsewhere_total"), before + 1)
        total = order["totals"]["total_minor"]
        self.wrong(self.refund(order, amount_minor=total - 699, expect=422), "amount_minor")
        seen = self.refund(order).json()
        self.assertEqual((seen["status"], seen["payment"]["refunded_minor"]), ("refunded", total))
        # Told again, smaller than what is known, or more than there ever was.
        for number, refunded in enumerate((700, total, total + 1)):
            self.counts("stored", lambda: self.tell(self.charge_event(order, number, refunded)))
        self.assertEqual(self.see(order)["payment"]["refunded_minor"], total)

    def test_what_was_looked_at_is_acknowledged(self):
        _, order = self.confirmed()
        self.gateway.call("/v1/refunds", payment_intent=order["payment"]["id"], amount=700)
        self.counts("stored", lambda: self.tell(self.gateway.event(order["payment"]["id"], "charge.refunded")))
        self.assertEqual(self.see(order)["needs_attention"], ["refunded_elsewhere"])
        target = f"/v1/admin/orders/{order['id']}/acknowledge"
        for body in ({}, {"reason": "boredom"}, {"reason": 4}, {"reason": "refund_failed", "other": 1}):
            self.admin.call("POST", target, body, expect=422)
        nobodys = "/v1/admin/orders/ord_38g73cqa43p00000000jrpdjtfy9atky/acknowledge"
        self.admin.call("POST", nobodys, {"reason": "refund_failed"}, expect=404, code="not_found")
        for reason, left in (("refund_failed", ["refunded_elsewhere"]), ("refunded_elsewhere", []),
                             ("refunded_elsewhere", [])):
            seen = self.admin.call("POST", target, {"reason": reason}, expect=200).json()
            self.assertEqual(seen["needs_attention"], left)
        entries = self.admin.call("GET", f"/v1/admin/audit?subject={order['id']}", expect=200).json()["data"]
        self.assertEqual([entry["act"] for entry in entries].count("order_acknowledged"), 1)
        self.server.stop()
        self.server.restart()
        self.assertEqual(self.see(order)["needs_attention"], [])

    def test_an_owed_refund_ends_where_a_part_went_back_at_the_gateway(self):
        _, order = self.confirmed()
        total = order["totals"]["total_minor"]
        self.gateway.call("/v1/refunds", payment_intent=order["payment"]["id"], amount=700)
        # Nobody tells of it: the refusal of the shop's own does.
        self.admin.call("POST", f"/v1/admin/orders/{order['id']}/cancel", {})
        self.becomes(order, "cancelled")
        seen = self.see(order)
        self.assertEqual(seen["payment"]["refunded_minor"], total)
        self.assertEqual(sorted((entry["amount_minor"], entry["reason"]) for entry in seen["refunds"]),
                         sorted([(700, "at the payment gateway"), (total - 700, "")]))
        self.assertEqual(seen["needs_attention"], ["refunded_elsewhere"])

    def test_a_refund_that_fails_afterwards_is_shown(self):
        _, order = self.confirmed()
        self.refund(order, amount_minor=100)
        event = json.loads(json.dumps(self.gateway.event(order["payment"]["id"], "refund.created")))
        event["id"], event["type"] = f"evt_{new_key()[:10]}", "refund.failed"
        event["data"]["object"]["status"] = "failed"
        before = figure(self.server, "stampede_orders_refund_failed_total")
        self.counts("stored", lambda: self.tell(event))
        self.assertEqual(self.see(order)["needs_attention"], ["refund_failed"])
        self.assertEqual(figure(self.server, "stampede_orders_refund_failed_total"), before + 1)
        self.assertRegex(self.server.stderr(), r'"payment_refund_failed"')

    def test_a_refund_s_key(self):
        sku, order = self.confirmed()
        key = new_key()
        first = self.refund(order, key, amount_minor=100)
        self.refund(order, amount_minor=50)
        self.do(order, "fulfil", {"tracking": {"carrier": "DHL", "number": "J1"}})
        again = self.refund(order, key, amount_minor=100)
        self.assertEqual(again.body, first.body, "byte for byte, whatever became of the order")
        self.assertEqual((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, "true"))
        self.refund(order, key, amount_minor=101, expect=422, code="idempotency_key_reused")
        self.assertEqual(self.see(order)["payment"]["refunded_minor"], 150)
        # Refused by our own rules: nothing happened, and the key is free.
        refused = new_key()
        self.refund(order, refused, amount_minor=10**6, expect=422)
        self.assertEqual(self.refund(order, refused, amount_minor=1).json()["payment"]["refunded_minor"], 151)

    def test_a_refund_that_was_refused_is_refused_again(self):
        _, order = self.confirmed()
        self.gateway.call("/v1/refunds", payment_intent=order["payment"]["id"], amount=1)
        key = new_key()
        for _ in range(2):
            self.refund(order, key, expect=503, code="gateway_unavailable")
        self.refund(order, key, amount_minor=6, expect=422, code="idempotency_key_reused")
        self.assertEqual([(entry["amount_minor"], entry["status"]) for entry in self.see(order)["refunds"]],
                         [(order["totals"]["total_minor"], "failed"), (1, "succeeded")])


if __name__ == "__main__":
    unittest.main()
