# SPDX-License-Identifier: Apache-2.0
"""Products as staff manage them: made, replaced, changed, archived, listed; and what shoppers see of it."""
from harness import ApiTest, Server, in_threads, new_key
from test_checkout import check_out, pay, purchase, put_in_cart
from urllib.parse import quote

PRODUCTS = "/v1/admin/products"


def name_of():
    return "p" + new_key()[:14]


def body_of(name, skus=1, stock=5, **fields):
    variants = [{"sku": f"{name}-{i}".upper(), "options": {"size": str(i)}, "stock": stock} for i in range(skus)]
    body = {"name": f"Name of {name}", "price_minor": 1999, "currency": "EUR", "variants": variants, **fields}
    return {field: value for field, value in body.items() if value != "absent"}


def etag(response):
    return [("If-Match", response.header("etag"))]


class ProductTest(ApiTest):
    def put(self, name, body, **asked):
        return self.admin.call("PUT", f"{PRODUCTS}/{quote(name, safe='')}", body, **asked)

    def make(self, skus=1, **fields):
        name = name_of()
        return name, self.put(name, body_of(name, skus, **fields), expect=201)

    def get(self, name, **asked):
        return self.admin.call("GET", f"{PRODUCTS}/{name}", **asked)

    def change(self, name, body, **asked):
        return self.admin.call("PATCH", f"{PRODUCTS}/{name}", body, **asked)

    def archive(self, name, **asked):
        return self.admin.call("DELETE", f"{PRODUCTS}/{name}", **asked)

    def page(self, name, **asked):
        return self.other_guest().call("GET", f"/v1/products/{name}", **asked)

    def fields_of(self, response):
        return {error["field"] for error in response.json()["errors"]}


class Edits(ProductTest):
    def test_put_makes_then_replaces(self):
        name = name_of()
        made = self.put(name, body_of(name, 2, brand="Old"), expect=201)
        self.assertEqual(made.header("location"), f"{PRODUCTS}/{name}")
        self.assertEqual(made.header("etag"), self.get(name, expect=200).header("etag"))
        replaced = self.put(name, body_of(name, 2, stock=900), expect=200)
        self.assertEqual(replaced.json()["brand"], "")
        self.assertNotEqual(replaced.header("etag"), made.header("etag"))
        self.assertEqual(self.admin.inventory(f"{name}-0".upper())["available"], 5)  # stock is of new SKUs only
        again = self.put(name, body_of(name, 2, stock=900), expect=200)
        self.assertEqual(again.json(), replaced.json())  # nothing changed, not even its time

    def test_an_id_with_a_slash(self):
        name = "dir/" + name_of()
        made = self.put(name, body_of(name_of()), expect=201)
        self.assertEqual(made.header("location"), f"{PRODUCTS}/{name.replace('/', '%2F')}")
        self.assertEqual(made.json()["id"], name)

    def test_fields_come_back_as_they_were_given(self):
        fields = {
            "description": "<p>x</p>", "category": "Home > Kitchen > Pans", "brand": "B", "status": "draft",
            "tags": ["a", "b"], "images": ["/1.jpg", {"url": "/2.jpg", "alt": "Two"}],
            "seo": {"title": "T", "description": "D", "slug": "t-1"}, "limit_per_customer": 3,
        }
        name, made = self.make(**fields)
        self.assertEqual({field: made.json()[field] for field in fields}, fields)
        self.assertEqual(self.get(name, expect=200).json(), made.json())

    def test_merge_patch(self):
        name, _ = self.make(2, brand="B", tags=["a"], seo={"title": "T", "slug": "s"}, limit_per_customer=2)
        changed = self.change(name, {"brand": None, "tags": ["b"], "seo": {"title": None, "description": "D"},
                                     "limit_per_customer": None}, expect=200).json()
        self.assertEqual((changed["brand"], changed["tags"], changed["limit_per_customer"]), ("", ["b"], None))
        self.assertEqual(changed["seo"], {"slug": "s", "description": "D"} | {"slug": "s"})
        self.assertEqual(len(changed["variants"]), 2)
        self.assertEqual(self.change(name, {"seo": None}, expect=200).json()["seo"], {})
        self.assertEqual(self.change(name, {}, expect=200).json()["seo"], {})
        refused = self.change(name, {"name": None, "unheard_of": 1}, expect=422)
        self.assertEqual(self.fields_of(refused), {"name", "unheard_of"})

    def test_a_price_goes_with_the_product(self):
        name, made = self.make(3)
        variants = made.json()["variants"]
        variants[1]["price_minor"] = 5
        self.change(name, {"variants": variants}, expect=200)
        changed = self.change(name, {"price_minor": 777, "weight_grams": 40}, expect=200).json()
        self.assertEqual([variant["price_minor"] for variant in changed["variants"]], [777, 5, 777])
        self.assertEqual([variant["weight_grams"] for variant in changed["variants"]], [40, 40, 40])

    def test_what_is_wrong_is_named_and_changes_nothing(self):
        name, made = self.make(2)
        other, _ = self.make(1)
        sku = f"{name}-0".upper()
        cases = (
            ({"price_minor": -1}, "price_minor"),
            ({"variants": [{"sku": sku, "stock": -1}]}, "variants[0].stock"),
            ({"variants": [{"sku": sku, "price_minor": -5}]}, "variants[0].price_minor"),
            ({"variants": [{"sku": sku}, {"sku": sku}]}, "variants[1].sku"),
            ({"variants": [{"sku": f"{name}-{i}"} for i in range(101)]}, "variants"),
            ({"variants": []}, "variants"),
            ({"variants": [{"sku": sku, "colour": "red"}]}, "variants[0].colour"),
            ({"status": "gone"}, "status"),
            ({"category": "a >  > b"}, "category"),
            ({"category": " > ".join("abcdefghi")}, "category"),
            ({"category": "x" * 101}, "category"),
            ({"seo": {"slug": "A b"}}, "seo.slug"),
            ({"seo": {"robots": "x"}}, "seo.robots"),
            ({"images": [{"alt": "x"}]}, "images[0].url"),
            ({"images": [5]}, "images[0]"),
            ({"currency": "XXXX"}, "currency"),
            ({"id": "other"}, "id"),
            ({"description": "x" * 10001}, "description"),
        )
        for body, field in cases:
            with self.subTest(field=field):
                self.assertIn(field, self.fields_of(self.change(name, body, expect=422)))
                self.assertIn(field, self.fields_of(self.put(name, body_of(name, 2, **body), expect=422)))
        taken = {"variants": [{"sku": f"{other}-0".upper(), "stock": 1}]}
        for call in (self.change(name, taken), self.put(name, body_of(name, **taken))):
            self.assertEqual((call.status, call.code), (409, "sku_taken"))
            self.assertIn(f"{other}-0".upper(), call.json()["detail"])
        self.change(name, b'{"name": "' + b"x" * 70000 + b'"}', expect=413)
        self.assertEqual(self.get(name).json(), made.json())
        self.assertEqual(self.put("a b", body_of("x"), expect=422).code, "validation_failed")
        self.change(name_of(), {"name": "x"}, expect=404)
        self.archive(name_of(), expect=404)

    def test_keys(self):
        name, _ = self.make()
        key = new_key()
        first = self.change(name, {"brand": "K"}, key=key, expect=200)
        self.change(name, {"brand": "L"}, expect=200)
        again = self.change(name, {"brand": "K"}, key=key, expect=200)
        self.assertEqual((again.body, again.header("idempotent-replayed")), (first.body, "true"))
        self.assertEqual(self.get(name).json()["brand"], "L")
        self.assertEqual(self.change(name, {"brand": "M"}, key=key, expect=422).code, "idempotency_key_reused")
        key = new_key()
        self.archive(name, key=key, expect=204)
        self.change(name, {"status": "active"}, expect=200)
        self.archive(name, key=key, expect=204)  # answered, not done again
        self.assertEqual(self.get(name).json()["status"], "active")

    def test_a_product_has_so_many_skus_ever(self):
        name, _ = self.make(100)
        for round_ in range(1, 10):
            variants = [{"sku": f"{name}-{round_}-{i}"} for i in range(100)]
            self.change(name, {"variants": variants}, expect=200)
        refused = self.change(name, {"variants": [{"sku": f"{name}-one-more"}]}, expect=422)
        self.assertEqual(self.fields_of(refused), {"variants"})
        self.change(name, {"variants": [{"sku": f"{name}-7-7"}]}, expect=200)  # one that it had


class Versions(ProductTest):
    def several_staff(self, count):
        staff = [self.server.admin() for _ in range(count)]
        for member in staff:
            self.addCleanup(member.close)
        return staff

    def test_if_match(self):
        name, made = self.make()
        first = etag(made)
        changed = self.change(name, {"brand": "1"}, headers=first, expect=200)
        for refused in (
            self.change(name, {"brand": "2"}, headers=first),
            self.put(name, body_of(name), headers=first),
            self.archive(name, headers=first),
            self.change(name, {"brand": "2"}, headers=[("If-Match", "W/" + changed.header("etag"))]),
            self.change(name, {"brand": "2"}, headers=[("If-Match", '"' + "x" * 600 + '"')]),
            self.put(name_of(), body_of(name_of()), headers=[("If-Match", "*")]),
            self.put(name_of(), body_of(name_of()), headers=first),
            self.put(name, body_of(name), headers=[("If-None-Match", "*")]),
        ):
            self.assertEqual((refused.status, refused.code), (412, "precondition_failed"))
        self.assertEqual(self.get(name).json()["brand"], "1")
        tags = f'"other", {changed.header("etag")}'
        self.change(name, {"brand": "2"}, headers=[("If-Match", tags)], expect=200)
        replaced = self.put(name, body_of(name), headers=[("If-Match", "*")], expect=200)
        self.archive(name, headers=etag(replaced), expect=204)
        fresh = name_of()
        self.put(fresh, body_of(fresh), headers=[("If-None-Match", "*")], expect=201)

    def test_of_two_with_the_same_tag_one_wins(self):
        name, made = self.make()
        headers = etag(made)
        staff = self.several_staff(4)
        target = f"{PRODUCTS}/{name}"
        for round_ in range(10):
            edit = lambda i, r=round_, h=headers: staff[i].call("PATCH", target, {"brand": f"{r}-{i}"}, headers=h)
            answers = in_threads(4, edit)
            self.assertEqual(sorted(answer.status for answer in answers), [200, 412, 412, 412])
            winner = next(answer for answer in answers if answer.status == 200)
            self.assertEqual(self.get(name).json(), winner.json())
            headers = etag(winner)

    def test_without_a_tag_no_change_is_lost(self):
        name, _ = self.make()
        fields = ("brand", "category", "description", "name")
        staff = self.several_staff(4)
        answers = in_threads(4, lambda i: staff[i].call("PATCH", f"{PRODUCTS}/{name}", {fields[i]: "same"}))
        self.assertEqual([answer.status for answer in answers], [200] * 4)
        shown = self.get(name).json()
        self.assertEqual([shown[field] for field in fields], ["same"] * 4)

    def test_changes(self):
        name, _ = self.make(status="draft")
        self.change(name, {"status": "active"}, expect=200)
        self.change(name, {"brand": "x"}, expect=200)
        self.archive(name, expect=204)
        self.archive(name, expect=204)  # no change
        target = f"{PRODUCTS}/{name}/changes"
        entries = self.admin.pages(target + "?limit=2")
        self.assertEqual([entry["act"] for entry in entries],
                         ["product_archived", "product_changed", "product_published", "product_created"])
        self.assertEqual({entry["caller"] for entry in entries}, {"admin_key"})
        self.assertEqual(len({entry["digest"] for entry in entries}), 4)
        self.assertEqual(self.admin.call("GET", target + "?cursor=0.1", expect=(422, 200)).status in (200, 422), True)
        self.admin.call("GET", f"{PRODUCTS}/{name_of()}/changes", expect=404)


class Withdrawn(ProductTest):
    def sku(self, name, index=0):
        return f"{name}-{index}".upper()

    def test_archived_is_gone_and_comes_back(self):
        name, _ = self.make(2)
        sku = self.sku(name)
        shopper = self.other_guest()
        hold = shopper.hold(sku)
        self.archive(name, expect=204)
        self.page(name, expect=404)
        self.assertEqual(self.get(name, expect=200).json()["status"], "archived")
        shopper.call("GET", f"/v1/skus/{sku}/availability", expect=404)
        shopper.call("GET", f"/v1/skus/availability?sku={sku}", expect=404)
        shopper.reserve(sku, expect=404)
        shopper.reserve_items((sku, 1), (self.sku(name, 1), 1), expect=404)
        shopper.call("POST", "/v1/cart/items", {"sku": sku, "quantity": 1}, expect=404)
        shopper.call("POST", "/cart/add", {"product_id": name, "qty": 1}, expect=404)
        self.assertEqual(self.admin.inventory(sku)["reserved"], 1)
        shopper.extend(hold["id"], expect=200)  # what was held before goes on
        order = check_out(shopper, purchase(hold), expect=201).json()
        pay(shopper, order, expect=200)
        self.assertEqual(self.admin.inventory(sku)["sold"], 1)
        self.change(name, {"status": "active"}, expect=200)
        self.page(name, expect=200)
        shopper.hold(sku)

    def test_a_repeated_key_finds_its_hold_in_an_archived_product(self):
        name, _ = self.make()
        shopper, key = self.other_guest(), new_key()
        first = shopper.reserve(self.sku(name), key=key, expect=201)
        self.archive(name, expect=204)
        again = shopper.reserve(self.sku(name), key=key, expect=201)
        self.assertEqual((again.body, again.header("idempotent-replayed")), (first.body, "true"))

    def test_a_draft_is_not_sold_yet(self):
        name, _ = self.make(status="draft")
        self.page(name, expect=404)
        self.other_guest().reserve(self.sku(name), expect=404)
        self.change(name, {"status": "active"}, expect=200)
        self.other_guest().hold(self.sku(name))

    def test_a_variant_that_is_left_out(self):
        name, made = self.make(2)
        gone = self.sku(name, 1)
        shopper = self.other_guest()
        hold = shopper.hold(gone, 2)
        self.change(name, {"variants": made.json()["variants"][:1]}, expect=200)
        shopper.reserve(gone, expect=404)
        self.assertEqual(self.admin.inventory(gone)["reserved"], 2)
        self.admin.adjust(gone, delta=3)
        other = name_of()
        refused = self.put(other, body_of(other, variants=[{"sku": gone}]), expect=409)
        self.assertEqual(refused.code, "sku_taken")
        shopper.release(hold["id"], expect=204)
        back = made.json()["variants"]
        back[1]["stock"] = 500
        self.change(name, {"variants": back}, expect=200)
        self.assertEqual(self.admin.inventory(gone)["available"], 8)  # as it was; `stock` is of new SKUs
        shopper.hold(gone)

    def test_carts_say_why_and_checkout_refuses(self):
        name, made = self.make(2)
        draft, _ = self.make()
        shopper = self.other_guest()
        good = self.admin.create_sku()
        for sku in (self.sku(name), self.sku(name, 1), self.sku(draft), good):
            put_in_cart(shopper, sku)
        self.change(name, {"variants": made.json()["variants"][:1]}, expect=200)
        self.archive(name, expect=204)
        self.change(draft, {"status": "draft"}, expect=200)
        cart = shopper.call("GET", "/v1/cart", expect=200).json()
        shown = {item["sku"]: (item["available"], item.get("unavailable_reason")) for item in cart["items"]}
        wanted = {self.sku(name): "archived", self.sku(name, 1): "archived", self.sku(draft): "draft"}
        self.assertEqual(shown, {good: (True, None)} | {sku: (False, why) for sku, why in wanted.items()})
        self.assertEqual(cart["totals"]["subtotal_minor"], 1999)
        refused = check_out(shopper, purchase(), expect=409, code="product_unavailable").json()
        self.assertEqual({item["sku"]: item["reason"] for item in refused["items"]}, wanted)
        self.assertEqual(self.admin.inventory(good)["reserved"], 0)
        for sku in wanted:
            shopper.call("DELETE", f"/v1/cart/items/{quote(sku)}", expect=200)
        check_out(shopper, purchase(), expect=201)

    def test_currency(self):
        name, _ = self.make()
        shopper = self.other_guest()
        put_in_cart(shopper, self.sku(name))
        hold = shopper.hold(self.sku(name))
        refused = self.change(name, {"currency": "USD"}, expect=409)
        self.assertEqual(refused.code, "invalid_state")
        shopper.release(hold["id"], expect=204)
        self.change(name, {"currency": "USD"}, expect=200)
        item = shopper.call("GET", "/v1/cart", expect=200).json()["items"][0]
        self.assertEqual((item["available"], item["unavailable_reason"]), (False, "currency_changed"))
        refused = check_out(shopper, purchase(expected_total_minor=1999), expect=409, code="product_unavailable")
        self.assertEqual(refused.json()["items"], [{"sku": self.sku(name), "reason": "currency_changed"}])

    def test_a_restart_keeps_it(self):
        server = Server()
        self.addCleanup(server.stop)
        admin = server.admin()
        name = name_of()
        admin.call("PUT", f"{PRODUCTS}/{name}", body_of(name, 2), expect=201)
        variants = [{"sku": self.sku(name)}]
        left = admin.call("PATCH", f"{PRODUCTS}/{name}", {"variants": variants}, expect=200)
        other = name_of()
        admin.call("PUT", f"{PRODUCTS}/{other}", body_of(other, status="archived"), expect=201)
        server.kill()
        server.restart()
        admin = server.admin()
        shopper = server.guest()
        shopper.hold(self.sku(name))
        shopper.reserve(self.sku(name, 1), expect=404)
        shopper.reserve(self.sku(other), expect=404)
        admin.call("PATCH", f"{PRODUCTS}/{name}", {"brand": "x"}, headers=etag(left), expect=200)
        admin.call("PATCH", f"{PRODUCTS}/{other}", {"status": "active"}, expect=200)
        shopper.hold(self.sku(other))


class Lists(ProductTest):
    def ids(self, query):
        return {product["id"] for product in self.admin.pages(f"{PRODUCTS}?{query}")}

    def test_filters(self):
        word = name_of()
        brand = f"Brand {word}"
        made = {}
        for status in ("active", "draft", "archived"):
            for leaf in ("Pans", "Pots"):
                name, _ = self.make(status=status, brand=brand, category=f"{word} > Kitchen > {leaf}")
                made[status, leaf] = name
        everything = set(made.values())
        self.assertEqual(self.ids(f"brand={quote(brand.upper())}"), everything)
        self.assertEqual(self.ids(f"brand={quote(brand)}&limit=1"), everything)
        drafts = {made["draft", "Pans"], made["draft", "Pots"]}
        self.assertEqual(self.ids(f"brand={quote(brand)}&status=draft"), drafts)
        self.assertEqual(self.ids(f"category={word}"), everything)
        pans = {name for (_, leaf), name in made.items() if leaf == "Pans"}
        for category in (f"{word} > Kitchen > Pans", f"{word} > kitchen > PANS"):
            self.assertEqual(self.ids(f"category={quote(category)}"), pans)
        self.assertEqual(self.ids(f"category=Pans&brand={quote(brand)}"), pans)
        self.assertEqual(self.ids(f"category=itch&brand={quote(brand)}"), set())
        name = made["active", "Pots"]
        self.assertEqual(self.ids(f"q={name[2:].upper()}"), {name})
        self.assertLessEqual(everything, self.ids("limit=100"))
        for query, field in (("status=x", "status"), ("brand=", "brand"), ("q=%ff", "q"), ("colour=red", "colour"),
                             ("status=draft&cursor=x", "cursor")):
            refused = self.admin.call("GET", f"{PRODUCTS}?{query}", expect=422)
            self.assertEqual(self.fields_of(refused), {field})


class Descriptions(ProductTest):
    def test_html_is_shown_safe(self):
        source = '<p onclick=x>Light <b>trainer</b><script>alert(1)</script> <a href="javascript:x">y</a></p>'
        name, made = self.make(description=source)
        self.assertEqual(made.json()["description"], source)
        self.assertNotIn("description_html", made.json())
        shown = self.page(name, expect=200).json()
        self.assertEqual(shown["description"], source)
        self.assertEqual(shown["description_html"], "<p>Light <b>trainer</b> y</p>")
        again = self.page(name, headers=[("If-None-Match", self.page(name).header("etag"))])
        self.assertEqual(again.status, 304)
