# SPDX-License-Identifier: Apache-2.0
"""How long an order waits for its payment: as long as its hold lasts, also where that was extended."""
import time

from harness import Server, new_key, wait_until
from test_checkout import check_out, look, pay, purchase, statuses
from test_orders_admin import StaffTest

TTL_MS = 2000


class Expiry(StaffTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--hold-ttl-ms", str(TTL_MS), "--hold-cap-ms", "8000", "--hold-extensions", "2")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def gone(self, order):
        return look(self.guest, order).json()["status"] == "expired"

    def test_an_order_waits_as_long_as_its_extended_hold(self):
        skus = self.admin.create_product(10, 1) + self.admin.create_product(10, 1)
        hold = self.guest.reserve_items((skus[0], 1), (skus[1], 2), expect=201).json()
        order = check_out(self.guest, purchase(hold), expect=201).json()
        time.sleep(TTL_MS / 2000)
        key = new_key()
        longer = self.guest.extend(hold["id"], key=key, expect=200)
        self.assertEqual(look(self.guest, order).json()["expires_at"], longer.json()["expires_at"])
        self.assertGreater(longer.json()["expires_at"], order["expires_at"])
        again = self.guest.extend(hold["id"], key=key, expect=200)
        self.assertEqual((again.body, again.header("idempotent-replayed")), (longer.body, "true"))
        time.sleep(TTL_MS / 1000 * 0.7)  # past the first deadline
        paid = pay(self.guest, order, expect=200).json()
        self.assertEqual(statuses(paid), ["pending_payment", "confirmed"])
        self.assertEqual([self.admin.inventory(sku)["sold"] for sku in skus], [1, 2])

    def test_its_checkout_is_answered_as_at_first(self):
        key, hold = new_key(), self.guest.hold(self.admin.create_sku(5))
        body = purchase(hold)
        first = check_out(self.guest, body, key=key, expect=201)
        time.sleep(0.2)
        longer = self.guest.extend(hold["id"], expect=200).json()
        self.assertGreater(longer["expires_at"], first.json()["expires_at"])
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, first.body)

    def test_it_survives_a_restart_and_then_expires(self):
        server = Server("--hold-ttl-ms", str(TTL_MS), "--hold-cap-ms", "8000")
        self.addCleanup(server.kill)
        admin, guest = server.admin(), server.guest()
        sku = admin.create_sku(5)
        hold = guest.hold(sku, 5)
        order = check_out(guest, purchase(hold), expect=201).json()
        time.sleep(TTL_MS / 2000)
        longer = guest.extend(hold["id"], expect=200).json()
        server.kill()
        server.restart()
        guest.close()
        admin.close()
        self.assertEqual(look(guest, order).json()["expires_at"], longer["expires_at"])
        wait_until(lambda: look(guest, order).json()["status"] == "expired", 10, "it expires after all")
        wait_until(lambda: admin.inventory(sku)["available"] == 5, 5, "its units are for sale again")
        guest.extend(hold["id"], expect=409, code="hold_ended")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.check().returncode, 0)

    def test_an_order_that_is_over_prolongs_nothing(self):
        for end in ("cancel", "pay"):
            hold = self.guest.hold(self.admin.create_sku(5))
            order = check_out(self.guest, purchase(hold), expect=201).json()
            if end == "pay":
                pay(self.guest, order, expect=200)
            else:
                self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
            self.guest.extend(hold["id"], expect=409, code="hold_ended")

    def test_without_an_extension_it_expires_with_its_hold(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        wait_until(lambda: self.gone(order), TTL_MS / 1000 + 5, "it expires")
        pay(self.guest, order, expect=409, code="invalid_state")
        self.guest.extend(order["reservation_id"], expect=409, code="hold_ended")

    def test_a_payment_that_went_back_is_none(self):
        _, cancelled = self.paid()
        pay(self.guest, cancelled, expect=200)
        self.guest.call("POST", f"/v1/orders/{cancelled['id']}/cancel", {}, expect=200)
        answer = pay(self.guest, cancelled, expect=409, code="invalid_state")
        self.assertEqual(answer.json()["detail"], "The order is cancelled.")
        _, refunded = self.paid()
        self.refund(refunded, amount_minor=5)
        pay(self.guest, refunded, expect=200)
        self.refund(refunded)
        pay(self.guest, refunded, expect=409, code="invalid_state")
