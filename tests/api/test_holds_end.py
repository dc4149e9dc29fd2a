# SPDX-License-Identifier: Apache-2.0
"""How holds end: released, converted, extended for a while, lapsed; each once."""
import time

from harness import ApiTest, in_threads, new_key, wait_until
from test_reservations import seconds_until


class Endings(ApiTest):
    def test_extension_is_bounded(self):
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        last = hold["expires_at"]
        for count in (1, 2):
            time.sleep(0.02)
            seen = self.guest.extend(hold["id"], expect=200).json()
            self.assertEqual((seen["id"], seen["extensions"]), (hold["id"], count))
            self.assertGreater(seen["expires_at"], last)
            self.assertLessEqual(seconds_until(seen["expires_at"]), 1200)
            last = seen["expires_at"]
        self.guest.extend(hold["id"], expect=409, code="hold_cap_reached")
        seen = self.guest.reservation(hold["id"]).json()
        self.assertEqual((seen["expires_at"], seen["extensions"]), (last, 2))

    def test_extending_at_once_is_no_error(self):
        """The time starts again from now, also when nothing of it had passed; the cap is far."""
        sku = self.admin.create_sku()
        for _ in range(20):
            hold = self.guest.hold(sku)
            seen = self.guest.extend(hold["id"], expect=200).json()
            self.assertGreaterEqual(seen["expires_at"], hold["expires_at"])
            self.guest.release(hold["id"], expect=204)

    def test_extend_takes_no_body_or_an_empty_object(self):
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        time.sleep(0.02)
        target = f"/v1/reservations/{hold['id']}/extend"
        self.guest.call("POST", target, expect=200)
        self.guest.call("POST", target, b"{", expect=400, code="malformed_json")
        self.assert_problem_field(self.guest.call("POST", target, {"seconds": 9}), "seconds")

    def test_released_holds_stay_released(self):
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        self.guest.release(hold["id"], expect=204)
        self.guest.extend(hold["id"], expect=409, code="hold_ended")
        self.admin.convert(hold["id"], expect=409, code="hold_ended")
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "released")
        self.assertEqual(self.admin.inventory(sku)["sold"], 0)

    def test_converted_holds_stay_converted(self):
        sku = self.admin.create_sku(stock=3)
        hold = self.guest.hold(sku, 2)
        first = self.admin.convert(hold["id"], expect=200).json()
        self.assertEqual(first["status"], "converted")
        self.assertEqual(self.admin.convert(hold["id"], expect=200).json()["id"], hold["id"])
        self.guest.extend(hold["id"], expect=409, code="hold_ended")
        self.guest.release(hold["id"], expect=409, code="hold_ended")
        call = f"/v1/admin/reservations/{hold['id']}"
        self.admin.call("DELETE", call, expect=409, code="hold_ended")
        books = self.admin.inventory(sku)
        self.assertEqual((books["available"], books["reserved"], books["sold"]), (1, 0, 2))

    def test_convert_against_release_has_one_winner(self):
        sku = self.admin.create_sku(stock=30)
        for _ in range(10):
            hold = self.guest.hold(sku)
            admin, guest = self.server.admin(), self.guest
            statuses = in_threads(
                2,
                lambda index, h=hold, a=admin, g=guest: (
                    a.convert(h["id"], expect=(200, 409))
                    if index
                    else g.release(h["id"], expect=(204, 409))
                ).status,
            )
            self.assertIn(statuses, ([204, 409], [409, 200]))
            admin.close()
            status = self.guest.reservation(hold["id"]).json()["status"]
            self.assertEqual(status, "released" if statuses[0] == 204 else "converted")
        self.assertEqual(self.admin.inventory(sku)["reserved"], 0)


class Lapse(ApiTest):
    """Against a server whose holds last 1.5 s."""

    server_name = "short"
    slow = True

    def test_units_come_back_when_a_hold_lapses(self):
        sku = self.admin.create_sku(stock=1)
        hold = self.guest.hold(sku)
        self.assertEqual(hold["ttl_ms"], 1500)
        problem = self.other_guest().reserve(sku, expect=409, code="sold_out").json()
        self.assertFalse(problem["final"])
        wait_until(lambda: self.guest.available(sku) == 1, 6, "the unit comes back")
        self.other_guest().reserve(sku, expect=201)

    def test_no_hold_lapses_early(self):
        sku = self.admin.create_sku(stock=1)
        started = time.monotonic()
        self.guest.hold(sku)
        wait_until(lambda: self.guest.available(sku) == 1, 6, "the unit comes back")
        self.assertGreater(time.monotonic() - started, 1.4)

    def test_a_lapsed_hold_never_revives(self):
        sku = self.admin.create_sku(stock=3)
        hold = self.guest.hold(sku)
        wait_until(lambda: self.guest.available(sku) == 3, 6, "the unit comes back")
        seen = self.guest.reservation(hold["id"], expect=200).json()
        self.assertEqual((seen["status"], seen["ttl_ms"]), ("expired", 0))
        self.guest.extend(hold["id"], expect=409, code="hold_ended")
        self.admin.convert(hold["id"], expect=409, code="hold_ended")
        self.guest.release(hold["id"], expect=409, code="hold_ended")
        books = self.admin.inventory(sku)
        self.assertEqual((books["available"], books["reserved"], books["sold"]), (3, 0, 0))

    def test_extension_keeps_a_hold_alive(self):
        sku = self.admin.create_sku(stock=1)
        hold = self.guest.hold(sku)
        time.sleep(1.0)
        self.guest.extend(hold["id"], expect=200)
        time.sleep(1.0)
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held")
        self.assertEqual(self.guest.available(sku), 0)
        wait_until(lambda: self.guest.available(sku) == 1, 6, "lapses in the end")

    def test_baskets_lapse_whole(self):
        skus = [self.admin.create_sku(stock=2) for _ in range(4)]
        self.guest.reserve_items(*((sku, 2) for sku in skus), expect=201)
        for sku in skus:
            wait_until(lambda s=sku: self.guest.available(s) == 2, 8, "every line comes back")
            self.assertEqual(self.admin.inventory(sku)["reserved"], 0)

    def test_a_lapsed_hold_frees_its_customers_limit(self):
        sku = self.admin.create_sku(stock=5, limit=1)
        self.guest.hold(sku)
        self.guest.reserve(sku, expect=409, code="limit_reached")
        wait_until(lambda: self.guest.available(sku) == 5, 6, "the unit comes back")
        self.guest.reserve(sku, expect=201)

    def test_a_key_answers_the_same_after_the_lapse(self):
        sku, key = self.admin.create_sku(stock=1), new_key()
        first = self.guest.reserve(sku, key=key, expect=201)
        wait_until(lambda: self.guest.available(sku) == 1, 6, "the unit comes back")
        again = self.guest.reserve(sku, key=key, expect=201)
        self.assertEqual(again.body, first.body)
        self.assertEqual(again.header("idempotent-replayed"), "true")
        self.assertEqual(self.guest.available(sku), 1)

    def test_many_holds_lapse_together(self):
        sku = self.admin.create_sku(stock=300)
        for _ in range(300):
            self.guest.hold(sku)
        wait_until(lambda: self.guest.available(sku) == 300, 8, "all come back")
