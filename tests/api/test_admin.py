# SPDX-License-Identifier: Apache-2.0
"""What the shop's staff does: products, inventory, the hold inspector."""
import html
import time

from harness import ApiTest, Client, new_key


ADMIN_CALLS = (
    ("POST", "/v1/admin/products", {"name": "x", "price_minor": 1, "currency": "EUR", "sku": "ZZ", "stock": 1}),
    ("GET", "/v1/admin/products", None),
    ("GET", "/v1/admin/products/x", None),
    ("POST", "/v1/admin/import", b"product,sku,name,price,currency,stock\n"),
    ("GET", "/v1/admin/inventory/x", None),
    ("POST", "/v1/admin/inventory/x/adjust", {"delta": 1, "reason": "x"}),
    ("GET", "/v1/admin/inventory/x/ledger", None),
    ("GET", "/v1/admin/reservations", None),
    ("GET", "/v1/admin/audit", None),
    ("POST", "/v1/admin/coupons", {"code": "NOBODYS", "kind": "free_shipping"}),
    ("GET", "/v1/admin/coupons", None),
    ("GET", "/v1/admin/coupons/x", None),
    ("PUT", "/v1/admin/coupons/x", {"kind": "free_shipping"}),
    ("PATCH", "/v1/admin/coupons/x", {"enabled": False}),
    ("DELETE", "/v1/admin/coupons/x", None),
    ("DELETE", "/v1/admin/reservations/res_x", None),
    ("POST", "/v1/admin/reservations/res_x/convert", {}),
)


class AdminDoor(ApiTest):
    def test_nobody_comes_in_without_the_key(self):
        wrong = Client(self.server, token="0" * 64)
        near = Client(self.server, token=self.server.admin_key[:-1])
        longer = Client(self.server, token=self.server.admin_key + "0")
        for method, target, body in ADMIN_CALLS:
            with self.subTest(method=method, target=target):
                headers = [("Content-Type", "text/csv")] if isinstance(body, bytes) else []
                for client in (self.server.anonymous(), wrong, near, longer):
                    client.call(
                        method, target, body, headers=headers, expect=401, code="unauthenticated"
                    )

    def test_shoppers_are_forbidden(self):
        for method, target, body in ADMIN_CALLS:
            with self.subTest(method=method, target=target):
                headers = [("Content-Type", "text/csv")] if isinstance(body, bytes) else []
                self.guest.call(method, target, body, headers=headers, expect=403, code="forbidden")

    def test_a_shoppers_cookie_is_forbidden_too(self):
        cookie = [("Cookie", f"stampede_session={self.guest.token}")]
        self.server.anonymous().call("GET", "/v1/admin/products", headers=cookie, expect=403)

    def test_the_admin_key_is_no_shopper(self):
        sku = self.admin.create_sku()
        self.admin.reserve(sku, expect=(401, 403))
        self.assertEqual(self.admin.inventory(sku)["reserved"], 0)

    def test_the_key_in_a_cookie_or_query_opens_nothing(self):
        key = self.server.admin_key
        cookie = [("Cookie", f"stampede_session={key}")]
        self.server.anonymous().call("GET", "/v1/admin/products", headers=cookie, expect=401)
        target = f"/v1/admin/products?token={key}&key={key}"
        self.server.anonymous().call("GET", target, expect=401)


class Products(ApiTest):
    def body(self, **fields):
        unique = new_key()[:12]
        body = {
            "id": f"p-{unique}",
            "name": "Aurora Runner",
            "description": "A light daily trainer with a \"rocker\" sole — for läufer.",
            "price_minor": 14900,
            "currency": "EUR",
            "category": "sneakers",
            "brand": "Velocette",
            "tags": ["running", "daily"],
            "images": ["https://images.example/aurora.jpg"],
            "limit_per_customer": 2,
            "variants": [
                {"sku": f"{unique}-42", "options": {"size": "42", "colour": "sand"}, "stock": 5},
                {
                    "sku": f"{unique}-43",
                    "options": {"size": "43"},
                    "price_minor": 15400,
                    "stock": 0,
                },
            ],
        }
        body.update(fields)
        return body

    def create(self, body, **options):
        return self.admin.call("POST", "/v1/admin/products", body, **options)

    def test_create_gives_the_product_back(self):
        body = self.body()
        response = self.create(body, expect=201)
        product = response.json()
        for name in ("id", "name", "description", "price_minor", "currency", "category", "brand"):
            self.assertEqual(product[name], body[name])
        self.assertEqual(product["tags"], body["tags"])
        self.assertEqual(product["images"], body["images"])
        self.assertEqual(product["limit_per_customer"], 2)
        self.assertEqual(
            product["variants"],
            [
                {
                    "sku": body["variants"][0]["sku"],
                    "options": {"size": "42", "colour": "sand"},
                    "price_minor": 14900,
                },
                {
                    "sku": body["variants"][1]["sku"],
                    "options": {"size": "43"},
                    "price_minor": 15400,
                },
            ],
        )
        location = response.header("location")
        seen = self.admin.call("GET", location, expect=200).json()
        self.assertEqual(seen, product)
        seen = self.admin.call("GET", f"/v1/admin/products/{body['id']}", expect=200).json()
        self.assertEqual(seen, product)
        self.assertEqual(self.admin.inventory(body["variants"][0]["sku"])["available"], 5)
        self.assertEqual(self.admin.inventory(body["variants"][1]["sku"])["available"], 0)

    def test_without_variants_and_without_id(self):
        sku = f"MUG-{new_key()[:10]}"
        body = {"name": "Mug", "price_minor": 1200, "currency": "JPY", "sku": sku, "stock": 4}
        product = self.create(body, expect=201).json()
        self.assertTrue(product["id"])
        self.assertEqual(product["variants"], [{"sku": sku, "options": {}, "price_minor": 1200}])
        self.assertEqual(product["tags"], [])
        self.assertIsNone(product["limit_per_customer"])
        self.assertEqual(self.guest.available(sku), 4)

    def test_weights(self):
        """A variant's own, else the product's; none is not shown."""
        names = [f"W-{number}-{new_key()[:10]}" for number in range(3)]
        variants = [{"sku": name, "stock": 1} for name in names]
        variants[1]["weight_grams"], variants[2]["weight_grams"] = 1200, 0
        body = {"name": "Pan", "price_minor": 1, "currency": "EUR", "weight_grams": 900, "variants": variants}
        shown = self.create(body, expect=201).json()["variants"]
        self.assertEqual([variant.get("weight_grams") for variant in shown], [900, 1200, None])
        body["variants"] = [{"sku": names[0] + "x", "stock": 1, "weight_grams": 1000000001}]
        for weight, field in ((-1, "weight_grams"), ("1 kg", "weight_grams"), (1.5, "weight_grams")):
            response = self.create({**body, "weight_grams": weight}, expect=422, code="validation_failed")
            self.assertEqual([error["field"] for error in response.json()["errors"]],
                             [field, "variants[0].weight_grams"])

    def test_taken_ids_and_skus(self):
        body = self.body()
        self.create(body, expect=201)
        again = self.body(id=body["id"])
        self.create(again, expect=409, code="product_exists")
        thief = self.body()
        thief["variants"][1]["sku"] = body["variants"][0]["sku"]
        self.create(thief, expect=409, code="sku_taken")
        # All or none: the thief's first variant, and its ID, are free.
        self.admin.call(
            "GET", f"/v1/admin/inventory/{thief['variants'][0]['sku']}", expect=404
        )
        self.admin.call("GET", f"/v1/admin/products/{thief['id']}", expect=404)
        self.create({**thief, "variants": thief["variants"][:1]}, expect=201)
        self.assertEqual(self.admin.inventory(body["variants"][0]["sku"])["stock"], 5)

    def test_refusals_name_the_field(self):
        variant = {"sku": f"V-{new_key()[:8]}", "stock": 1}
        cases = (
            ({"name": ""}, "name"),
            ({"name": None}, "name"),
            ({"name": 5}, "name"),
            ({"name": "x" * 201}, "name"),
            ({"price_minor": -1}, "price_minor"),
            ({"price_minor": 1.5}, "price_minor"),
            ({"price_minor": "1"}, "price_minor"),
            ({"price_minor": 10**13}, "price_minor"),
            ({"currency": "eur"}, "currency"),
            ({"currency": "EURO"}, "currency"),
            ({"currency": ""}, "currency"),
            ({"id": "a b"}, "id"),
            ({"id": ""}, "id"),
            ({"id": "x" * 65}, "id"),
            ({"tags": "running"}, "tags"),
            ({"tags": [1]}, "tags"),
            ({"tags": ["x"] * 21}, "tags"),
            ({"limit_per_customer": 0}, "limit_per_customer"),
            ({"limit_per_customer": -1}, "limit_per_customer"),
            ({"limit_per_customer": "2"}, "limit_per_customer"),
            ({"variants": []}, "variants"),
            ({"variants": "x"}, "variants"),
            ({"variants": [{**variant, "stock": -1}]}, "stock"),
            ({"variants": [{**variant, "stock": 10**10}]}, "stock"),
            ({"variants": [{**variant, "stock": 0.5}]}, "stock"),
            ({"variants": [{"sku": variant["sku"]}]}, "stock"),
            ({"variants": [{**variant, "sku": "a b"}]}, "sku"),
            ({"variants": [{"stock": 1}]}, "sku"),
            ({"variants": [{**variant, "colour": "red"}]}, "colour"),
            ({"variants": [{**variant, "options": {"size": 42}}]}, "options"),
            ({"variants": [variant, variant]}, "sku"),
            ({"variants": [{**variant, "sku": f"S{i}"} for i in range(101)]}, "variants"),
            ({"colour": "red"}, "colour"),
            ({"sku": "S", "stock": 1}, ""),
        )
        for change, field in cases:
            with self.subTest(change=str(change)[:70]):
                self.assert_problem_field(self.create(self.body(**change)), field)
        for missing in ("name", "price_minor", "currency"):
            body = self.body()
            del body[missing]
            with self.subTest(missing=missing):
                self.assert_problem_field(self.create(body), missing)
        body = self.body()
        del body["variants"]
        self.assertEqual(self.create(body).status, 422)
        self.admin.call("GET", f"/v1/admin/inventory/{variant['sku']}", expect=404)

    def test_other_bad_bodies(self):
        self.create(b"{", expect=400, code="malformed_json")
        self.create(b"[]", expect=422, code="validation_failed")
        text = [("Content-Type", "text/csv")]
        self.create(b"{}", headers=text, expect=415, code="unsupported_media_type")
        large = self.body(description="x" * 100000)
        self.create(large, expect=413, code="payload_too_large")

    def test_get_unknown(self):
        self.admin.call("GET", "/v1/admin/products/no-such", expect=404, code="not_found")

    def test_shoppers_see_it_and_need_not_fetch_it_twice(self):
        body = self.body()
        product = self.create(body, expect=201).json()
        for path in ("/v1/products", "/v1/admin/products"):
            with self.subTest(path=path):
                target = f"{path}/{body['id']}"
                caller = self.admin if "admin" in path else self.server.anonymous()
                response = caller.call("GET", target, expect=200)
                shown = response.json()
                if "admin" not in path:  # pages show it, fit to be shown
                    self.assertEqual(html.unescape(shown.pop("description_html")), body["description"])
                self.assertEqual(shown, product)
                tag = response.header("etag")
                self.assertRegex(tag, r'^(W/)?"[^"]+"$')
                same = [("If-None-Match", f'"other", {tag}')]
                response = caller.call("GET", target, headers=same, expect=304)
                self.assertEqual(response.header("etag"), tag)
                other = [("If-None-Match", '"other"')]
                caller.call("GET", target, headers=other, expect=200)
        self.server.anonymous().call("GET", "/v1/products/no-such", expect=404, code="not_found")

    def test_list_by_page(self):
        made = {self.create(self.body(), expect=201).json()["id"] for _ in range(5)}
        for limit in (3, 100):
            products = self.admin.pages(f"/v1/admin/products?limit={limit}")
            ids = [product["id"] for product in products]
            self.assertEqual(len(ids), len(set(ids)), "no product twice")
            self.assertLessEqual(made, set(ids))
        self.assert_problem_field(self.admin.call("GET", "/v1/admin/products?limit=0"), "limit")
        bad = self.admin.call("GET", "/v1/admin/products?cursor=%21%21")
        self.assert_problem_field(bad, "cursor")


class Inventory(ApiTest):
    def test_delta_and_set(self):
        sku = self.admin.create_sku(stock=10)
        self.guest.hold(sku, 3)
        self.admin.convert(self.guest.hold(sku, 2)["id"], expect=200)
        books = self.admin.adjust(sku, delta=5).json()
        expected = {"sku": sku, "stock": 15, "available": 10, "reserved": 3, "sold": 2}
        self.assertEqual(books, expected)
        books = self.admin.adjust(sku, delta=-4).json()
        self.assertEqual((books["stock"], books["available"]), (11, 6))
        books = self.admin.adjust(sku, set=20).json()
        self.assertEqual((books["stock"], books["available"], books["reserved"]), (25, 20, 3))
        books = self.admin.adjust(sku, set=0).json()
        self.assertEqual((books["stock"], books["available"], books["sold"]), (5, 0, 2))
        self.assertEqual(self.admin.inventory(sku), books)
        self.assertEqual(self.guest.available(sku), 0)

    def test_taking_more_than_is_available_is_a_conflict(self):
        sku = self.admin.create_sku(stock=10)
        self.guest.hold(sku, 8)
        response = self.admin.adjust(sku, delta=-3, expect=409)
        self.assertEqual(response.code, "stock_conflict")
        self.assertEqual(self.admin.inventory(sku)["available"], 2)
        self.admin.adjust(sku, delta=-2)
        self.guest.reserve(sku, expect=409, code="sold_out")

    def test_new_units_can_be_held_at_once(self):
        sku = self.admin.create_sku(stock=0)
        self.guest.reserve(sku, expect=409, code="sold_out")
        self.admin.adjust(sku, delta=2)
        self.guest.reserve(sku, 2, expect=201)

    def test_refusals_name_the_field(self):
        sku = self.admin.create_sku(stock=10)
        target = f"/v1/admin/inventory/{sku}/adjust"
        for body, field in (
            ({"delta": 1}, "reason"),
            ({"reason": "x"}, "delta"),
            ({"delta": 1, "set": 1, "reason": "x"}, ""),
            ({"delta": 0, "reason": "x"}, "delta"),
            ({"delta": 1.5, "reason": "x"}, "delta"),
            ({"delta": "1", "reason": "x"}, "delta"),
            ({"delta": 10**18, "reason": "x"}, "delta"),
            ({"delta": -(10**18), "reason": "x"}, "delta"),
            ({"set": -1, "reason": "x"}, "set"),
            ({"set": 10**18, "reason": "x"}, "set"),
            ({"delta": 1, "reason": ""}, "reason"),
            ({"delta": 1, "reason": 5}, "reason"),
            ({"delta": 1, "reason": "x" * 121}, "reason"),
            ({"delta": 1, "reason": "x", "force": True}, "force"),
        ):
            with self.subTest(body=str(body)[:70]):
                self.assert_problem_field(self.admin.call("POST", target, body), field)
        self.admin.call("POST", target, b"{", expect=400, code="malformed_json")
        text = [("Content-Type", "text/plain")]
        self.admin.call("POST", target, b"{}", headers=text, expect=415)
        self.assertEqual(self.admin.inventory(sku)["stock"], 10)

    def test_stock_cannot_pass_its_bound(self):
        sku = self.admin.create_sku(stock=10)
        response = self.admin.adjust(sku, delta=10**9, expect=(409, 422))
        self.assertIn(response.code, ("stock_conflict", "validation_failed"))
        self.assertEqual(self.admin.inventory(sku)["stock"], 10)

    def test_unknown_sku(self):
        self.admin.call("GET", "/v1/admin/inventory/NO-SUCH", expect=404, code="not_found")
        self.admin.call("GET", "/v1/admin/inventory/NO-SUCH/ledger", expect=404)
        self.admin.adjust("NO-SUCH", delta=1, expect=404)

    def test_ledger_tells_every_change_of_stock(self):
        sku = self.admin.create_sku(stock=10)
        self.admin.adjust(sku, delta=5, reason="delivery 7")
        self.admin.adjust(sku, delta=-2, reason="damaged")
        self.guest.release(self.guest.hold(sku, 4)["id"], expect=204)
        self.admin.convert(self.guest.hold(sku, 3)["id"], expect=200)
        entries = self.admin.pages(f"/v1/admin/inventory/{sku}/ledger")
        told = [(entry["kind"], entry["delta"]) for entry in entries]
        self.assertEqual(
            told, [("receipt", 10), ("receipt", 5), ("write_off", -2), ("sold", -3)]
        )
        self.assertEqual([entry["reason"] for entry in entries][1:3], ["delivery 7", "damaged"])
        sequences = [entry["sequence"] for entry in entries]
        self.assertEqual(sequences, sorted(set(sequences)))
        books = self.admin.inventory(sku)
        on_shelf = sum(entry["delta"] for entry in entries)
        self.assertEqual(on_shelf, books["available"] + books["reserved"])
        single = self.admin.pages(f"/v1/admin/inventory/{sku}/ledger?limit=1")
        self.assertEqual(single, entries)


class HoldInspector(ApiTest):
    def test_filters(self):
        first, second = self.admin.create_sku(), self.admin.create_sku()
        held = self.guest.hold(first)["id"]
        released = self.guest.hold(first)["id"]
        self.guest.release(released, expect=204)
        converted = self.guest.hold(first)["id"]
        self.admin.convert(converted, expect=200)
        both = self.guest.reserve_items((first, 1), (second, 1), expect=201).json()["id"]

        def ids(query):
            return {e["id"] for e in self.admin.pages(f"/v1/admin/reservations?{query}")}

        self.assertEqual(ids(f"sku={first}"), {held, released, converted, both})
        self.assertEqual(ids(f"sku={second}"), {both})
        self.assertEqual(ids(f"sku={first}&status=held"), {held, both})
        self.assertEqual(ids(f"sku={first}&status=released"), {released})
        self.assertEqual(ids(f"sku={first}&status=converted"), {converted})
        self.assertEqual(ids(f"sku={first}&status=expired"), set())
        self.assertEqual(ids(f"sku={first}&status=held&older_than=60"), set())
        time.sleep(1.1)
        self.assertEqual(ids(f"sku={first}&status=held&older_than=1"), {held, both})
        self.assertEqual(ids("sku=NO-SUCH"), set())

    def test_pages(self):
        sku = self.admin.create_sku(stock=30)
        other = self.other_guest()
        made = {self.guest.hold(sku)["id"] for _ in range(8)}
        made |= {other.hold(sku)["id"] for _ in range(4)}
        entries = self.admin.pages(f"/v1/admin/reservations?sku={sku}&limit=5")
        self.assertEqual(len(entries), 12)
        self.assertEqual({entry["id"] for entry in entries}, made)
        self.assertEqual(len({entry["principal"] for entry in entries}), 2)
        for entry in entries:
            self.assertNotIn(entry["principal"], (self.guest.token, other.token))

    def test_everything_is_listed_without_filters(self):
        held = self.guest.hold(self.admin.create_sku())["id"]
        entries = self.admin.pages("/v1/admin/reservations?limit=100&status=held")
        self.assertIn(held, {entry["id"] for entry in entries})

    def test_parameters_are_checked(self):
        for query, field in (
            ("status=lost", "status"),
            ("older_than=x", "older_than"),
            ("older_than=-1", "older_than"),
            ("limit=1000", "limit"),
            ("cursor=%00", "cursor"),
        ):
            with self.subTest(query=query):
                self.assert_problem_field(
                    self.admin.call("GET", f"/v1/admin/reservations?{query}"), field
                )

    def test_release_anyones_hold(self):
        sku = self.admin.create_sku(stock=3)
        hold = self.guest.hold(sku, 3)
        target = f"/v1/admin/reservations/{hold['id']}"
        self.admin.call("DELETE", target, expect=204)
        self.admin.call("DELETE", target, expect=204)
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "released")
        self.assertEqual(self.guest.available(sku), 3)

    def test_unknown(self):
        self.admin.call("DELETE", "/v1/admin/reservations/res_x", expect=404, code="not_found")
        self.admin.convert("res_x", expect=404, code="not_found")

    def test_convert_body(self):
        hold = self.guest.hold(self.admin.create_sku())
        target = f"/v1/admin/reservations/{hold['id']}/convert"
        self.assert_problem_field(self.admin.call("POST", target, {"paid": True}), "paid")
        self.admin.call("POST", target, b"{", expect=400, code="malformed_json")
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held")
        self.admin.call("POST", target, expect=200)
