# SPDX-License-Identifier: Apache-2.0
"""What the shop's owner reads in /metrics: carts that were left, orders by what became of them, stock that disagrees."""
import json
import re
import time

from harness import Server, wait_until
from stored import logs
from test_checkout import DECLINED, CheckoutTest, check_out, pay, purchase, put_in_cart


def figures(server):
    """{name with labels: value} of all samples."""
    text = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("stampede_"): float(value) for name, value in pairs}


class FiguresTest(CheckoutTest):
    flags = ()

    def setUp(self):
        self.server = Server(*self.flags)
        super().setUp()
        self.addCleanup(self.server.stop)

    def await_figures(self, seconds, **wanted):
        def seen():
            found = figures(self.server)
            return all(found[name] == value for name, value in wanted.items())

        try:
            wait_until(seen, seconds, str(wanted))
        except AssertionError:
            found = figures(self.server)
            self.assertEqual({name: found[name] for name in wanted}, wanted)


class LeftCarts(FiguresTest):
    flags = ("--cart-idle-ms", "400")

    def test_carts_that_are_left_and_come_back_to(self):
        skus = self.admin.create_product(10, skus=2)
        put_in_cart(self.guest, skus[0])
        empty = self.other_guest()
        put_in_cart(empty, skus[0])
        empty.call("DELETE", f"/v1/cart/items/{skus[0]}", expect=200)
        self.await_figures(5, carts_abandoned_total=1, carts_idle=1, carts_recovered_total=0)
        self.guest.call("GET", "/v1/cart", expect=200)
        time.sleep(1)
        self.await_figures(0, carts_abandoned_total=1, carts_idle=1, carts_recovered_total=0)
        put_in_cart(self.guest, skus[1])
        self.await_figures(5, carts_abandoned_total=2, carts_idle=1, carts_recovered_total=1)
        # What was counted before a restart is not counted again.
        self.server.kill()
        time.sleep(0.5)
        self.server.restart()
        self.guest.close()
        self.await_figures(3, carts_idle=1)
        time.sleep(1)
        self.await_figures(0, carts_abandoned_total=0, carts_idle=1, carts_recovered_total=0)
        pay(self.guest, check_out(self.guest, purchase(), expect=201).json(), expect=200)
        self.await_figures(5, carts_converted_total=1, carts_recovered_total=1, carts_idle=0, carts_abandoned_total=0)


class Sold(FiguresTest):
    flags = ("--hold-ttl-ms", "1500")

    def test_orders_by_what_became_of_them(self):
        sku = self.admin.create_sku(20)
        paid, shipped, given_up, late = (self.order(self.guest, sku) for _ in range(4))
        pay(self.guest, paid, DECLINED, expect=402)
        pay(self.guest, paid, expect=200)
        pay(self.guest, shipped, expect=200)
        pay(self.guest, given_up, "pm_no_such", expect=422)
        self.guest.call("POST", f"/v1/orders/{given_up['id']}/cancel", {}, expect=200)
        pay(self.guest, given_up, expect=409)
        target = f"/v1/admin/orders/{shipped['id']}"
        self.admin.call("POST", f"{target}/fulfil", {}, expect=200)
        self.admin.call("POST", f"{target}/fulfil", {"tracking": {"carrier": "P", "number": "1"}}, expect=200)
        self.admin.call("POST", f"{target}/deliver", {}, expect=200)
        reached = {"pending_payment": 4, "confirmed": 2, "cancelled": 1, "expired": 1, "fulfilling": 1, "shipped": 1,
                   "delivered": 1, "payment_failed": 0, "partially_refunded": 0, "refunded": 0}
        self.await_figures(10, **{f'orders_total{{status="{name}"}}': count for name, count in reached.items()})
        tries = {"paid": 2, "declined": 1, "method_refused": 1, "refused": 1, "failed": 0}
        self.await_figures(0, **{f'payment_confirmations_total{{result="{name}"}}': n for name, n in tries.items()})
        for stage in ("fulfilling", "shipped", "delivered"):
            name = f'order_fulfilment_seconds_bucket{{status="{stage}",le="%s"}}'
            found = figures(self.server)
            self.assertEqual((found[name % 60], found[name % "+Inf"]), (1, 1))
            self.assertEqual(found[f'order_fulfilment_seconds_count{{status="{stage}"}}'], 1)
            self.assertLess(found[f'order_fulfilment_seconds_sum{{status="{stage}"}}'], 60)
        self.assertEqual(late["status"], "pending_payment")
        # Partly given back and delivered again is no second delivery.
        self.admin.call("POST", f"{target}/refund", {"amount_minor": 1, "restock": False, "reason": "test"},
                        key="k" * 16, expect=200)
        self.admin.call("POST", f"{target}/deliver", {}, expect=200)
        self.await_figures(5, **{'orders_total{status="delivered"}': 2,
                                 'orders_total{status="partially_refunded"}': 1,
                                 'order_fulfilment_seconds_count{status="delivered"}': 1})


class PlantedMismatch(FiguresTest):
    flags = ("--audit-period-ms", "500")
    UNITS = 0x12345

    def plant(self, reason):
        """Makes the ledger say one unit less than came with this reason, with every checksum right."""
        for log in logs(self.server.data):
            for key, value in list(log.values()):
                if reason.encode() not in value or self.UNITS.to_bytes(4, "big") not in value:
                    continue
                less = (self.UNITS - 1).to_bytes(4, "big")
                if log.change(key, self.UNITS.to_bytes(4, "big"), less) > 0:
                    log.write()
                    return
        self.fail("no such entry in the log")

    def test_is_told(self):
        sku, other = self.admin.create_sku(5), self.admin.create_sku(9)
        self.admin.adjust(sku, delta=self.UNITS, reason="planted-here")
        self.await_figures(10, ledger_entries_audited_total=3, inventory_mismatch_skus=0)
        self.server.kill()
        self.plant("planted-here")
        self.server.restart()
        self.admin.close()
        started = time.monotonic()
        self.await_figures(60, inventory_mismatch_skus=1)
        self.assertLess(time.monotonic() - started, 60)
        lines = [json.loads(line) for line in self.server.stderr().splitlines() if "inventory_mismatch" in line]
        told = next(line for line in lines if line["event"] == "inventory_mismatch")
        self.assertEqual((told["sku"], told["against"], told["level"]), (sku, "ledger", "error"))
        self.assertEqual((told["stock"], told["ledger_stock"]), (5 + self.UNITS, 5 + self.UNITS - 1))
        self.assertFalse([line for line in lines if line["sku"] == other])
        self.admin.call("GET", "/readyz", expect=200)  # it sells on: that is for people to decide
        self.server.stop()
        offline = self.server.check()
        self.assertNotEqual(offline.returncode, 0)
        self.assertTrue(re.search(sku, offline.stdout + offline.stderr), offline)
