# SPDX-License-Identifier: Apache-2.0
"""The main job: many buyers, few units, a kill in between, and not one unit too many or too few."""
import time
import unittest

from harness import Server, in_threads, new_key, wait_until

UNITS = 100
CLIENTS = 64
ATTEMPTS = 5000
TTL_MS = 20000


class Stampede(unittest.TestCase):
    slow = True

    def test_five_thousand_attempts_for_a_hundred_units(self):
        server = Server("--hold-ttl-ms", str(TTL_MS))
        self.addCleanup(server.kill)
        sku = server.admin().create_sku(stock=UNITS)
        started = time.monotonic()

        def buy(index):
            guest = server.guest()
            outcomes = []
            for _ in range(index, ATTEMPTS, CLIENTS):
                key = new_key()
                response = guest.reserve(sku, key=key)
                outcomes.append((guest.token, key, response))
            guest.close()
            return outcomes

        outcomes = [entry for mine in in_threads(CLIENTS, buy) for entry in mine]
        self.assertLess(time.monotonic() - started, TTL_MS / 1000, "too slow: holds began to lapse")
        winners = [entry for entry in outcomes if entry[2].status == 201]
        refused = [response for _, _, response in outcomes if response.status != 201]
        self.assertEqual((len(outcomes), len(winners)), (ATTEMPTS, UNITS))
        self.assertEqual({(r.status, r.code) for r in refused}, {(409, "sold_out")})
        self.assertEqual({r.json()["final"] for r in refused}, {False})
        self.assertEqual(len({r.json()["id"] for _, _, r in winners}), UNITS)
        self.assertEqual(len({r.json()["fence"] for _, _, r in winners}), UNITS)
        self.assert_books(server, sku, available=0, reserved=UNITS)
        self.assert_replayed(server, sku, winners[:10] + winners[-10:])

        server.kill()
        server.restart()
        self.assert_books(server, sku, available=0, reserved=UNITS)
        entries = server.admin().pages(f"/v1/admin/reservations?sku={sku}&status=held&limit=100")
        self.assertEqual({e["id"] for e in entries}, {r.json()["id"] for _, _, r in winners})
        self.assert_replayed(server, sku, winners[:10])
        late = server.guest().reserve(sku, expect=409, code="sold_out")
        self.assertFalse(late.json()["final"])

        wait_until(
            lambda: server.admin().inventory(sku)["available"] == UNITS,
            TTL_MS / 1000 + 5,
            "all units come back after their time",
        )
        self.assertGreater(time.monotonic() - started, TTL_MS / 1000)
        self.assert_books(server, sku, available=UNITS, reserved=0)
        server.guest().hold(sku, UNITS)
        self.assertEqual(server.stop(), 0)
        done = server.check()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^check: ok")

    def assert_books(self, server, sku, available, reserved):
        books = server.admin().inventory(sku)
        self.assertEqual((books["available"], books["reserved"]), (available, reserved))
        self.assertEqual((books["stock"], books["sold"]), (UNITS, 0))

    def assert_replayed(self, server, sku, winners):
        for token, key, first in winners:
            guest = server.anonymous()
            guest.token = token
            again = guest.reserve(sku, key=key, expect=201)
            self.assertEqual(again.body, first.body)
            self.assertEqual(again.header("idempotent-replayed"), "true")
            guest.close()


class Churn(unittest.TestCase):
    slow = True

    def test_books_balance_through_holds_that_end_in_every_way(self):
        """Buyers hold, release, extend, convert and let lapse, all at once; at the end every unit is accounted for."""
        server = Server("--hold-ttl-ms", "1000")
        self.addCleanup(server.kill)
        skus = server.admin().create_product(stock=20, skus=3) + server.admin().create_product(20)

        def shop(index):
            guest, admin = server.guest(), server.admin()
            sold = dict.fromkeys(skus, 0)
            for turn in range(60):
                lines = [(skus[(index + turn) % 4], 1 + turn % 2)]
                if turn % 3 == 0:
                    lines.append((skus[(index + turn + 1) % 4], 1))
                response = guest.reserve_items(*lines, expect=(201, 409))
                if response.status != 201:
                    continue
                hold = response.json()
                end = (index + turn) % 4
                if end == 0:
                    guest.release(hold["id"], expect=(204, 409))
                elif end == 1 and turn % 5 == 0:
                    if admin.convert(hold["id"], expect=(200, 409)).status == 200:
                        for line in hold["items"]:
                            sold[line["sku"]] += line["quantity"]
                elif end == 2:
                    guest.extend(hold["id"], expect=(200, 409))
            guest.close()
            admin.close()
            return sold

        results = in_threads(12, shop)
        admin = server.admin()
        wait_until(
            lambda: all(admin.inventory(sku)["reserved"] == 0 for sku in skus), 10, "all holds end"
        )
        for sku in skus:
            books = admin.inventory(sku)
            sold = sum(result[sku] for result in results)
            self.assertEqual((books["sold"], books["available"]), (sold, 20 - sold))
            entries = admin.pages(f"/v1/admin/inventory/{sku}/ledger")
            self.assertEqual(sum(entry["delta"] for entry in entries), books["available"])
            self.assertEqual(-sum(e["delta"] for e in entries if e["kind"] == "sold"), sold)
        text = admin.call("GET", "/metrics").body.decode()
        self.assertRegex(text, r"(?m)^stampede_inventory_mismatch_skus 0$")
        self.assertEqual(server.stop(), 0)
        done = server.check()
        self.assertEqual(done.returncode, 0, done.stderr)
