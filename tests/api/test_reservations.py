# SPDX-License-Identifier: Apache-2.0
"""Reservations: one and many lines, limits, whose they are."""
import datetime
import time

from harness import ApiTest, in_threads, new_key, wait_until


def seconds_until(text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.timestamp() - time.time()


class Reserve(ApiTest):
    def test_a_hold_takes_units_and_names_its_deadline(self):
        sku = self.admin.create_sku(stock=5)
        response = self.guest.reserve(sku, 2, expect=201)
        hold = response.json()
        self.assertEqual(hold["items"], [{"sku": sku, "quantity": 2}])
        self.assertEqual(hold["ttl_ms"], 600000)
        self.assertAlmostEqual(seconds_until(hold["expires_at"]), 600, delta=10)
        self.assertIsNone(response.header("idempotent-replayed"))
        self.assertEqual(response.header("location"), f"/v1/reservations/{hold['id']}")
        self.assertEqual(self.guest.available(sku), 3)
        books = self.admin.inventory(sku)
        self.assertEqual(
            (books["stock"], books["available"], books["reserved"], books["sold"]), (5, 3, 2, 0)
        )

    def test_get_gives_what_was_held(self):
        hold = self.guest.hold(self.admin.create_sku())
        seen = self.guest.reservation(hold["id"], expect=200).json()
        for name in ("id", "status", "items", "expires_at", "fence"):
            self.assertEqual(seen[name], hold[name])
        self.assertEqual(seen["extensions"], 0)
        self.assertLessEqual(seen["ttl_ms"], 600000)

    def test_fences_only_grow(self):
        sku = self.admin.create_sku(stock=20)
        fences = [self.guest.hold(sku)["fence"] for _ in range(10)]
        self.assertEqual(fences, sorted(set(fences)))

    def test_ids_are_distinct_and_not_guessable_from_each_other(self):
        sku = self.admin.create_sku(stock=50)
        ids = [self.guest.hold(sku)["id"] for _ in range(50)]
        self.assertEqual(len(set(ids)), 50)
        # One character more or less, or changed, is nobody's reservation.
        for index in range(4, len(ids[0])):
            other = "0" if ids[0][index] != "0" else "1"
            guess = ids[0][:index] + other + ids[0][index + 1 :]
            self.guest.reservation(guess, expect=404)

    def test_release_gives_units_back_and_repeats_harmlessly(self):
        sku = self.admin.create_sku(stock=5)
        hold = self.guest.hold(sku, 5)
        self.assertEqual(self.guest.available(sku), 0)
        self.guest.release(hold["id"], expect=204)
        self.guest.release(hold["id"], expect=204)
        self.assertEqual(self.guest.available(sku), 5)
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "released")

    def test_quantity_may_be_all_and_not_one_more(self):
        sku = self.admin.create_sku(stock=7)
        response = self.guest.reserve(sku, 8, expect=409, code="insufficient_stock")
        self.assertEqual(
            response.json()["items"], [{"sku": sku, "requested": 8, "available": 7}]
        )
        self.guest.reserve(sku, 7, expect=201)

    def test_sold_out_says_whether_units_may_come_back(self):
        sku = self.admin.create_sku(stock=2)
        first, second = self.guest.hold(sku), self.guest.hold(sku)
        problem = self.other_guest().reserve(sku, expect=409, code="sold_out").json()
        self.assertEqual(
            (problem["available"], problem["reserved"], problem["final"]), (0, 2, False)
        )
        self.admin.convert(first["id"], expect=200)
        problem = self.other_guest().reserve(sku, expect=409, code="sold_out").json()
        self.assertEqual((problem["reserved"], problem["final"]), (1, False))
        self.admin.convert(second["id"], expect=200)
        problem = self.other_guest().reserve(sku, expect=409, code="sold_out").json()
        self.assertEqual(
            (problem["available"], problem["reserved"], problem["final"]), (0, 0, True)
        )

    def test_a_sku_without_stock_is_sold_out_finally(self):
        sku = self.admin.create_sku(stock=0)
        problem = self.guest.reserve(sku, expect=409, code="sold_out").json()
        self.assertTrue(problem["final"])

    def test_unknown_sku(self):
        self.guest.reserve("NO-SUCH-SKU", expect=404, code="not_found")
        known = self.admin.create_sku()
        self.guest.reserve_items((known, 1), ("NO-SUCH-SKU", 1), expect=404, code="not_found")
        self.assertEqual(self.admin.inventory(known)["reserved"], 0)

    def test_skus_with_every_allowed_sign(self):
        base = new_key()[:8]
        sku = f"a.B_9-/:{base}"
        self.admin.create_product(variants=[{"sku": sku, "stock": 3}])
        self.guest.reserve(sku, expect=201)
        self.assertEqual(self.guest.available(sku), 2)
        self.assertEqual(self.admin.inventory(sku)["reserved"], 1)


class ReserveRefusals(ApiTest):
    def setUp(self):
        super().setUp()
        self.sku = self.admin.create_sku(stock=100)

    def post(self, body, **options):
        return self.guest.call("POST", "/v1/reservations", body, key=new_key(), **options)

    def test_quantity_that_is_no_count_is_named(self):
        for literal in (
            b"0",
            b"-1",
            b"10001",
            b"1000000000000",
            b"9223372036854775808",
            b"18446744073709551617",
            b"1e400",
            b"1.5",
            b"1.0",
            b"1e0",
            b'"1"',
            b"true",
            b"null",
            b"[1]",
            b"{}",
        ):
            with self.subTest(quantity=literal):
                body = b'{"sku":"%s","quantity":%s}' % (self.sku.encode(), literal)
                response = self.post(body)
                if literal == b"1e400" and response.status == 400:
                    self.assertEqual(response.code, "malformed_json")
                    continue
                self.assert_problem_field(response, "quantity")
                body = b'{"items":[{"sku":"%s","quantity":%s}]}' % (self.sku.encode(), literal)
                response = self.post(body)
                self.assert_problem_field(response, "quantity")
        self.assertEqual(self.admin.inventory(self.sku)["reserved"], 0)

    def test_missing_and_unknown_fields_are_named(self):
        line = {"sku": self.sku, "quantity": 1}
        for body, field in (
            ({"sku": self.sku}, "quantity"),
            ({"quantity": 1}, "sku"),
            ({"items": [{"sku": self.sku}]}, "quantity"),
            ({"items": [{"quantity": 1}]}, "sku"),
            ({**line, "price_minor": 1}, "price_minor"),
            ({**line, "Quantity": 1}, "Quantity"),
            ({"items": [{**line, "price_minor": 1}]}, "price_minor"),
            ({"items": [line], "note": "x"}, "note"),
            ({"items": []}, "items"),
            ({"items": {}}, "items"),
            ({"items": "x"}, "items"),
            ({"items": [1]}, "items"),
            ({"items": None}, "items"),
            ({"items": [line] * 21}, "items"),
            ({**line, "items": [line]}, "items"),
            ({"sku": 5, "quantity": 1}, "sku"),
            ({"sku": None, "quantity": 1}, "sku"),
            ({"sku": "", "quantity": 1}, "sku"),
            ({"sku": "x" * 65, "quantity": 1}, "sku"),
            ({"sku": "a b", "quantity": 1}, "sku"),
            ({"sku": "ä", "quantity": 1}, "sku"),
            ({"sku": "a\u0000b", "quantity": 1}, "sku"),
        ):
            with self.subTest(body=str(body)[:80]):
                self.assert_problem_field(self.post(body), field)
        self.assertEqual(self.admin.inventory(self.sku)["reserved"], 0)

    def test_bodies_that_are_no_object(self):
        for body in (b"[]", b"1", b'"x"', b"null", b"true", b"{}"):
            with self.subTest(body=body):
                self.post(body, expect=422, code="validation_failed")

    def test_bodies_that_are_no_json(self):
        good = b'{"sku":"%s","quantity":1}' % self.sku.encode()
        for body in (
            b"",
            b" ",
            b"{",
            good[:-1],
            good + b"x",
            good + good,
            good.replace(b'"', b"'"),
            good.replace(b"1", b"01"),
            good.replace(b"1", b"NaN"),
            good.replace(b"}", b",}"),
            b"// comment\n" + good,
            b"\xef\xbb\xbf" + good,
            good.replace(b"quantity", b"quan\xfftity"),
            good.replace(b"quantity", b"quan\ntity"),
            b"[" * 10000,
        ):
            with self.subTest(body=body[:60]):
                self.post(body, expect=400, code="malformed_json")
        self.assertEqual(self.admin.inventory(self.sku)["reserved"], 0)

    def test_deep_and_wide_documents_are_refused(self):
        deep = b'{"sku":' + b"[" * 1000 + b"]" * 1000 + b',"quantity":1}'
        self.post(deep, expect=(400, 422))
        wide = ",".join(f'"k{index}":1' for index in range(2000)).encode()
        self.post(b"{" + wide + b"}", expect=(400, 422))

    def test_a_field_given_twice_is_refused(self):
        body = b'{"sku":"%s","quantity":1,"quantity":50}' % self.sku.encode()
        self.post(body, expect=(400, 422))
        self.assertEqual(self.admin.inventory(self.sku)["reserved"], 0)

    def test_body_too_large(self):
        body = b'{"sku":"' + b"x" * 70000 + b'","quantity":1}'
        self.post(body, expect=413, code="payload_too_large")

    def test_other_media_types(self):
        body = b'{"sku":"%s","quantity":1}' % self.sku.encode()
        for media in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "x"):
            with self.subTest(media=media):
                headers = [("Content-Type", media)]
                self.post(body, headers=headers, expect=415, code="unsupported_media_type")
        for media in ("application/json; charset=utf-8", "Application/JSON"):
            with self.subTest(media=media):
                self.post(body, headers=[("Content-Type", media)], expect=201)

    def test_key_is_required(self):
        body = {"sku": self.sku, "quantity": 1}
        self.guest.call(
            "POST", "/v1/reservations", body, expect=400, code="idempotency_key_required"
        )
        self.guest.call(
            "POST", "/v1/reservations", body, key="", expect=400, code="idempotency_key_required"
        )
        self.assertEqual(self.admin.inventory(self.sku)["reserved"], 0)

    def test_refusals_leave_no_trace(self):
        """Many refused requests of every kind, then the whole stock can still be held."""
        for _ in range(50):
            self.guest.reserve(self.sku, 101, expect=409)
            self.post({"sku": self.sku, "quantity": 0}, expect=422)
            self.guest.reserve_items((self.sku, 1), ("NO-SUCH-SKU", 1), expect=404)
        self.guest.reserve(self.sku, 100, expect=201)

    def test_methods_that_do_not_exist(self):
        for method, target in (
            ("PUT", "/v1/reservations"),
            ("DELETE", "/v1/reservations"),
            ("PATCH", "/v1/reservations/res_x"),
            ("GET", "/v1/sessions"),
            ("POST", "/healthz"),
        ):
            with self.subTest(method=method, target=target):
                response = self.guest.call(
                    method, target, expect=405, code="method_not_allowed"
                )
                self.assertTrue(response.header("allow"))
                self.assertNotIn(method, response.header("allow"))

    def test_paths_that_do_not_exist(self):
        for target in ("/", "/v1", "/v1/", "/v2/reservations", "/v1/reservation", "/v1//sessions"):
            with self.subTest(target=target):
                self.guest.call("GET", target, expect=404, code="not_found")


class Lines(ApiTest):
    def test_all_lines_are_held(self):
        first, second = self.admin.create_sku(stock=5), self.admin.create_sku(stock=5)
        hold = self.guest.reserve_items((first, 2), (second, 3), expect=201).json()
        held = {line["sku"]: line["quantity"] for line in hold["items"]}
        self.assertEqual(held, {first: 2, second: 3})
        self.assertEqual((self.guest.available(first), self.guest.available(second)), (3, 2))

    def test_one_short_line_holds_nothing(self):
        plenty, short = self.admin.create_sku(stock=50), self.admin.create_sku(stock=1)
        response = self.guest.reserve_items(
            (plenty, 5), (short, 2), expect=409, code="insufficient_stock"
        )
        self.assertEqual(
            response.json()["items"], [{"sku": short, "requested": 2, "available": 1}]
        )
        for sku, stock in ((plenty, 50), (short, 1)):
            books = self.admin.inventory(sku)
            self.assertEqual((books["available"], books["reserved"]), (stock, 0))

    def test_a_sold_out_line_holds_nothing(self):
        plenty, gone = self.admin.create_sku(stock=50), self.admin.create_sku(stock=0)
        response = self.guest.reserve_items(
            (plenty, 5), (gone, 1), expect=409, code="insufficient_stock"
        )
        self.assertEqual(
            response.json()["items"], [{"sku": gone, "requested": 1, "available": 0}]
        )
        self.assertEqual(self.admin.inventory(plenty)["reserved"], 0)

    def test_equal_skus_are_summed(self):
        sku = self.admin.create_sku(stock=5)
        self.guest.reserve_items((sku, 3), (sku, 3), expect=409, code="insufficient_stock")
        hold = self.guest.reserve_items((sku, 2), (sku, 3), expect=201).json()
        self.assertEqual(sum(line["quantity"] for line in hold["items"]), 5)
        self.assertEqual(self.admin.inventory(sku)["reserved"], 5)
        self.guest.release(hold["id"], expect=204)
        self.assertEqual(self.guest.available(sku), 5)

    def test_equal_skus_cannot_sum_past_the_bound(self):
        sku = self.admin.create_sku(stock=50000)
        lines = [(sku, 10000)] * 20
        response = self.guest.reserve_items(*lines, expect=(409, 422))
        self.assertIn(response.code, ("insufficient_stock", "validation_failed"))
        self.assertEqual(self.admin.inventory(sku)["reserved"], 0)

    def test_twenty_lines_in_many_places(self):
        skus = [self.admin.create_sku(stock=2) for _ in range(20)]
        hold = self.guest.reserve_items(*((sku, 1) for sku in skus), expect=201).json()
        self.assertEqual(len(hold["items"]), 20)
        self.assertEqual([self.guest.available(sku) for sku in skus], [1] * 20)
        self.guest.release(hold["id"], expect=204)
        # Lines in other partitions come back in moments, not in the same instant.
        for sku in skus:
            wait_until(lambda sku=sku: self.guest.available(sku) == 2, 5, "all lines come back")

    def test_converting_sells_every_line(self):
        first, second = self.admin.create_sku(stock=5), self.admin.create_sku(stock=5)
        hold = self.guest.reserve_items((first, 1), (second, 2), expect=201).json()
        self.admin.convert(hold["id"], expect=200)
        for sku, sold in ((first, 1), (second, 2)):
            wait_until(lambda s=sku, n=sold: self.admin.inventory(s)["sold"] == n, 5, "sold")
            self.assertEqual(self.admin.inventory(sku)["reserved"], 0)

    def test_crossing_baskets_hold_all_or_none(self):
        """Half the buyers ask for (x, y), half for (y, x); 10 units each. No half basket, no deadlock, none lost."""
        x, y = self.admin.create_sku(stock=10), self.admin.create_sku(stock=10)
        guests = [self.server.guest() for _ in range(24)]

        def buy(index):
            lines = [(x, 1), (y, 1)] if index % 2 else [(y, 1), (x, 1)]
            response = guests[index].reserve_items(*lines, expect=(201, 409))
            if response.status == 409:
                self.assertIn(response.code, ("insufficient_stock", "sold_out"))
            return response.status

        won = in_threads(len(guests), buy).count(201)
        self.assertLessEqual(won, 10)
        # Claims of baskets that failed in the rush are back by now: what is left can be had.
        while self.guest.reserve_items((x, 1), (y, 1), expect=(201, 409)).status == 201:
            won += 1
        self.assertEqual(won, 10)
        for sku in (x, y):
            books = self.admin.inventory(sku)
            self.assertEqual((books["available"], books["reserved"]), (0, 10))

    def test_three_way_rush_never_leaves_a_partial_hold(self):
        skus = [self.admin.create_sku(stock=7) for _ in range(3)]
        guests = [self.server.guest() for _ in range(18)]

        def buy(index):
            turned = skus[index % 3 :] + skus[: index % 3]
            wanted = turned if index % 2 else turned[:2]
            response = guests[index].reserve_items(*((sku, 1) for sku in wanted), expect=(201, 409))
            return wanted if response.status == 201 else []

        held = [sku for wanted in in_threads(len(guests), buy) for sku in wanted]
        for sku in skus:
            books = self.admin.inventory(sku)
            self.assertEqual(books["reserved"], held.count(sku))


class Limits(ApiTest):
    def test_limit_counts_over_all_variants(self):
        first, second = self.admin.create_product(stock=50, skus=2, limit=3)
        self.guest.reserve(first, 2, expect=201)
        response = self.guest.reserve(second, 2, expect=409, code="limit_reached")
        self.assertEqual(response.json()["limit"], 3)
        self.guest.reserve(second, 1, expect=201)
        self.guest.reserve(first, 1, expect=409, code="limit_reached")
        self.assertEqual(self.admin.inventory(first)["reserved"], 2)
        self.assertEqual(self.admin.inventory(second)["reserved"], 1)

    def test_limit_is_each_customers_own(self):
        sku = self.admin.create_sku(stock=50, limit=1)
        for _ in range(5):
            self.other_guest().reserve(sku, expect=201)

    def test_one_request_past_the_limit(self):
        sku = self.admin.create_sku(stock=50, limit=2)
        self.guest.reserve(sku, 3, expect=409, code="limit_reached")
        self.guest.reserve_items((sku, 2), (sku, 1), expect=409, code="limit_reached")
        self.assertEqual(self.admin.inventory(sku)["available"], 50)

    def test_released_units_do_not_count_and_sold_ones_do(self):
        sku = self.admin.create_sku(stock=50, limit=1)
        hold = self.guest.hold(sku)
        self.guest.reserve(sku, expect=409, code="limit_reached")
        self.guest.release(hold["id"], expect=204)
        hold = self.guest.hold(sku)
        self.admin.convert(hold["id"], expect=200)
        self.guest.reserve(sku, expect=409, code="limit_reached")

    def test_limit_holds_under_a_rush_of_one_customer(self):
        sku = self.admin.create_sku(stock=100, limit=2)
        token = self.guest.token

        def buy(_):
            client = self.server.anonymous()
            client.token = token
            response = client.reserve(sku, expect=(201, 409))
            if response.status == 409:
                self.assertEqual(response.code, "limit_reached", response)
            return response.status

        self.assertEqual(in_threads(16, buy).count(201), 2)
        self.assertEqual(self.admin.inventory(sku)["reserved"], 2)


class Ownership(ApiTest):
    def test_what_is_another_guests_does_not_exist(self):
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        other = self.other_guest()
        other.reservation(hold["id"], expect=404, code="not_found")
        other.release(hold["id"], expect=404, code="not_found")
        other.extend(hold["id"], expect=404, code="not_found")
        self.assertEqual(other.pages("/v1/reservations"), [])
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held")

    def test_ids_that_are_none(self):
        for hold_id in ("res_", "res_x", "x", "ord_1", "res_" + "z" * 200, "..", "%00", "%2e%2e"):
            with self.subTest(hold_id=hold_id):
                self.guest.call("GET", f"/v1/reservations/{hold_id}", expect=(400, 404))

    def test_list_gives_all_own_ones_by_page(self):
        sku = self.admin.create_sku(stock=20)
        mine = sorted(self.guest.hold(sku)["id"] for _ in range(7))
        self.other_guest().hold(sku)
        for limit in (1, 3, 100):
            entries = self.guest.pages(f"/v1/reservations?limit={limit}")
            self.assertEqual(sorted(entry["id"] for entry in entries), mine)
        page = self.guest.call("GET", "/v1/reservations?limit=3", expect=200).json()
        self.assertEqual(len(page["data"]), 3)
        self.assertIsNotNone(page["next_cursor"])

    def test_list_over_many_products(self):
        skus = [self.admin.create_sku() for _ in range(12)]
        mine = sorted(self.guest.hold(sku)["id"] for sku in skus)
        for limit in (1, 5):
            entries = self.guest.pages(f"/v1/reservations?limit={limit}")
            self.assertEqual(sorted(entry["id"] for entry in entries), mine)

    def test_list_parameters_are_checked(self):
        for query, field in (
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("limit=", "limit"),
            ("cursor=nonsense!", "cursor"),
        ):
            with self.subTest(query=query):
                self.assert_problem_field(
                    self.guest.call("GET", f"/v1/reservations?{query}"), field
                )
