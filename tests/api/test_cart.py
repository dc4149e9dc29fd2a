# SPDX-License-Identifier: Apache-2.0
"""Carts: what is in them, what they come to, whose they are."""
import threading
import unittest

from harness import ApiTest, Client, Server, new_key, quote
from test_accounts import AccountTest, log_in, register

LINES_MAX, QUANTITY_MAX = 20, 10000


def cart(client, **options):
    return client.call("GET", "/v1/cart", expect=200, **options).json()


def add(client, sku, quantity=1, expect=200, **options):
    return client.call("POST", "/v1/cart/items", {"sku": sku, "quantity": quantity}, expect=expect, **options)


def lines(of):
    return {line["sku"]: line["quantity"] for line in of["items"]}


class Lines(ApiTest):
    def test_adding_setting_and_taking_out(self):
        first, second = self.admin.create_sku(10), self.admin.create_sku(10)
        guest = self.server.guest()
        empty = cart(guest)
        self.assertEqual((empty["id"], empty["items"], empty["totals"]["currency"]), (None, [], None))
        shown = add(guest, first, 2).json()
        self.assertEqual(lines(shown), {first: 2})
        self.assertEqual(lines(add(guest, first, 3).json()), {first: 5})
        self.assertEqual(lines(add(guest, second, 1).json()), {first: 5, second: 1})
        target = f"/v1/cart/items/{quote(first)}"
        changed = guest.call("PATCH", target, {"quantity": 1}, expect=200).json()
        self.assertEqual(lines(changed), {first: 1, second: 1})
        left = guest.call("DELETE", target, expect=200).json()
        self.assertEqual(lines(left), {second: 1})
        # Again: it is out already.
        self.assertEqual(guest.call("DELETE", target, expect=200).json(), left)
        guest.call("PATCH", target, {"quantity": 1}, expect=404, code="not_found")
        self.assertEqual(cart(guest), left)
        self.assertEqual({shown["id"], changed["id"], left["id"]}, {shown["id"]})

    def test_totals_are_sums(self):
        guest = self.server.guest()
        price, name = 1299, "Möbel \"A\" \\ <b>"
        sku = self.admin.create_sku(5, price_minor=price, name=name)
        shown = add(guest, sku, 7).json()
        line = shown["items"][0]
        self.assertEqual((line["name"], line["unit_price_minor"], line["line_total_minor"]), (name, price, 7 * price))
        totals = shown["totals"]
        self.assertEqual((totals["subtotal_minor"], totals["total_minor"]), (7 * price, 7 * price))
        self.assertEqual(totals["discount_minor"] + totals["shipping_minor"] + totals["tax_minor"], 0)
        self.assertEqual(cart(guest), shown)
        there = guest.call("GET", "/v1/cart?country=de&region=BY", expect=200).json()
        self.assertEqual(there.pop("shipping_method"), "shm_1")
        self.assertEqual(there, shown)
        for query in ("country=d", "country=d1", "region=", "country=DE&country=FR", "place=DE",
                      "shipping_method=shm_1", "country=DE&shipping_method=shm_0", "country=DE&shipping_method=shm_999",
                      "country=DE&shipping_method=tax_1", "country=DE&shipping_method="):
            guest.call("GET", f"/v1/cart?{query}", expect=422, code="validation_failed")

    def test_the_highest_prices_and_quantities_add_up(self):
        guest = self.server.guest()
        price = 10**12
        for _ in range(LINES_MAX):
            add(guest, self.admin.create_sku(1, price_minor=price), QUANTITY_MAX)
        self.assertEqual(cart(guest)["totals"]["total_minor"], LINES_MAX * QUANTITY_MAX * price)
        refused = add(guest, self.admin.create_sku(1), expect=422)
        self.assert_problem_field(refused, "sku")
        self.assertEqual(len(cart(guest)["items"]), LINES_MAX)

    def test_quantities_are_bounded(self):
        sku, guest = self.admin.create_sku(1), self.server.guest()
        for quantity in (0, -1, QUANTITY_MAX + 1, 2**31, 2**63, -(2**63), 1.5, "1", None, True, [1]):
            self.assert_problem_field(add(guest, sku, quantity, expect=422), "quantity")
        self.assertEqual(cart(guest)["items"], [])
        add(guest, sku, QUANTITY_MAX)
        self.assert_problem_field(add(guest, sku, 1, expect=422), "quantity")
        target = f"/v1/cart/items/{quote(sku)}"
        for quantity in (0, -1, QUANTITY_MAX + 1, 2**64):
            response = guest.call("PATCH", target, {"quantity": quantity}, expect=422)
            self.assert_problem_field(response, "quantity")
        self.assertEqual(lines(cart(guest)), {sku: QUANTITY_MAX})

    def test_fields_are_judged(self):
        sku, guest = self.admin.create_sku(1), self.server.guest()
        for body, field in (
            ({"quantity": 1}, "sku"),
            ({"sku": sku}, "quantity"),
            ({"sku": sku, "quantity": 1, "unit_price_minor": 1}, "unit_price_minor"),
            ({"sku": sku, "quantity": 1, "qty": 1}, "qty"),
            ({"sku": "a b", "quantity": 1}, "sku"),
            ({"sku": 7, "quantity": 1}, "sku"),
        ):
            self.assert_problem_field(guest.call("POST", "/v1/cart/items", body, expect=422), field)
        guest.call("POST", "/v1/cart/items", b"{", expect=400, code="malformed_json")
        text = [("Content-Type", "text/plain")]
        guest.call("POST", "/v1/cart/items", b"{}", headers=text, expect=415)
        target = f"/v1/cart/items/{quote(sku)}"
        self.assert_problem_field(guest.call("PATCH", target, {}, expect=422), "quantity")
        self.assert_problem_field(guest.call("PATCH", target, {"quantity": 1, "sku": sku}, expect=422), "sku")

    def test_unknown_skus(self):
        guest = self.server.guest()
        add(guest, "nobody-has-this", expect=404, code="not_found")
        guest.call("PATCH", "/v1/cart/items/nobody-has-this", {"quantity": 1}, expect=404)
        guest.call("DELETE", "/v1/cart/items/nobody-has-this", expect=404)

    def test_a_sku_with_slashes_in_the_path(self):
        sku = f"A/{new_key()[:8]}:x"
        product = {"name": "Slash", "price_minor": 1, "currency": "EUR", "sku": sku, "stock": 1}
        self.admin.call("POST", "/v1/admin/products", product, expect=201)
        guest = self.server.guest()
        add(guest, sku, 1)
        target = f"/v1/cart/items/{quote(sku)}"
        self.assertIn("%2F", target)
        self.assertEqual(lines(guest.call("PATCH", target, {"quantity": 4}, expect=200).json()), {sku: 4})
        self.assertEqual(guest.call("DELETE", target, expect=200).json()["items"], [])

    def test_one_currency(self):
        euro, franc = self.admin.create_sku(1), self.admin.create_sku(1, currency="CHF")
        guest = self.server.guest()
        add(guest, euro)
        self.assert_problem_field(add(guest, franc, expect=422), "sku")
        guest.call("DELETE", f"/v1/cart/items/{quote(euro)}", expect=200)
        self.assertEqual(add(guest, franc).json()["totals"]["currency"], "CHF")

    def test_availability_is_the_gates(self):
        sku, guest, other = self.admin.create_sku(1), self.server.guest(), self.server.guest()
        self.assertTrue(add(guest, sku).json()["items"][0]["available"])
        other.hold(sku)
        self.assertFalse(cart(guest)["items"][0]["available"])
        # A cart holds nothing: more may be in it than there is.
        self.assertEqual(lines(add(guest, sku, 5).json()), {sku: 6})

    def test_a_price_that_changed_is_shown_as_such(self):
        sku = "P" + new_key()[:12]
        rows = "sku,name,price,currency,stock\n{},Price,{},EUR,5\n"
        text = [("Content-Type", "text/csv")]

        def put(price):
            self.admin.call("POST", "/v1/admin/import", rows.format(sku, price).encode(), headers=text, expect=200)

        put("10.00")
        guest = self.server.guest()
        self.assertNotIn("price_changed_from_minor", add(guest, sku, 2).json()["items"][0])
        put("12.50")
        shown = cart(guest)
        line = shown["items"][0]
        self.assertEqual((line["unit_price_minor"], line["price_changed_from_minor"]), (1250, 1000))
        self.assertEqual((line["line_total_minor"], shown["totals"]["total_minor"]), (2500, 2500))
        changed = guest.call("PATCH", f"/v1/cart/items/{sku}", {"quantity": 1}, expect=200).json()
        self.assertEqual(changed["items"][0]["price_changed_from_minor"], 1000)
        # Whoever adds more has seen the new price.
        self.assertNotIn("price_changed_from_minor", add(guest, sku, 1).json()["items"][0])

    def test_a_name_that_changed_is_the_new_one(self):
        sku = "N" + new_key()[:12]
        rows = "sku,name,price,currency,stock\n{},{},1.00,EUR,5\n"
        text = [("Content-Type", "text/csv")]
        guest = self.server.guest()
        for name in ("Old name", "New name"):
            self.admin.call("POST", "/v1/admin/import", rows.format(sku, name).encode(), headers=text, expect=200)
            self.assertEqual(add(guest, sku).json()["items"][0]["name"], name)


class Callers(ApiTest):
    def test_writes_make_a_session(self):
        sku = self.admin.create_sku(5)
        anonymous = self.server.anonymous()
        answer = add(anonymous, sku, 2)
        token = answer.header("x-session-token")
        self.assertIn(token, answer.header("set-cookie"))
        guest = Client(self.server, token=token)
        self.assertEqual(cart(guest), answer.json())
        anonymous.call("GET", "/v1/cart", expect=401, code="unauthenticated")
        Client(self.server, token="sg_forged").call("GET", "/v1/cart", expect=401)

    def test_carts_are_their_owners(self):
        sku = self.admin.create_sku(5)
        first, second = self.server.guest(), self.server.guest()
        mine = add(first, sku, 2).json()
        self.assertEqual(cart(second)["items"], [])
        add(second, sku, 1)
        self.assertEqual(cart(first), mine)

    def test_a_repeated_key_adds_once(self):
        sku, guest, key = self.admin.create_sku(5), self.server.guest(), new_key()
        first = add(guest, sku, 2, key=key)
        again = add(guest, sku, 2, key=key)
        self.assertEqual((again.body, again.header("idempotent-replayed")), (first.body, "true"))
        add(guest, sku, 3, key=key, expect=422, code="idempotency_key_reused")
        self.assertEqual(lines(cart(guest)), {sku: 2})

    def test_many_at_once_add_up(self):
        sku, guest = self.admin.create_sku(5), self.server.guest()

        def work():
            own = Client(self.server, token=guest.token)
            for _ in range(25):
                add(own, sku, 1)
            own.close()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(lines(cart(guest)), {sku: 200})


class Plain(ApiTest):
    """The call as the requirements write it."""

    def test_by_product(self):
        name = "plain-" + new_key()[:8]
        product = {"id": name, "name": name, "price_minor": 5, "currency": "EUR", "sku": name.upper(), "stock": 3}
        self.admin.call("POST", "/v1/admin/products", product, expect=201)
        guest = self.server.guest()
        key = new_key()
        body = {"product_id": name, "qty": 2}
        first = guest.call("POST", "/cart/add", body, key=key, expect=200)
        self.assertEqual(lines(first.json()), {name.upper(): 2})
        again = guest.call("POST", "/cart/add", body, key=key, expect=200)
        self.assertEqual(again.body, first.body)
        plain = guest.call("POST", "/cart/add", {"sku": name.upper(), "quantity": 1}, expect=200).json()
        self.assertEqual(lines(plain), {name.upper(): 3})
        guest.call("POST", "/cart/add", {"product_id": "none-such", "qty": 1}, expect=404)
        for body, field in (
            ({"product_id": name}, "quantity"),
            ({"qty": 1}, "sku"),
            ({"product_id": name, "sku": "a b", "qty": 1}, "sku"),
            ({"product_id": name, "qty": 1, "quantity": 1}, "quantity"),
        ):
            self.assert_problem_field(guest.call("POST", "/cart/add", body, expect=422), field)

    def test_several_variants_need_a_sku(self):
        name = "many-" + new_key()[:8]
        variants = [{"sku": f"{name}-{size}", "options": {"size": size}, "stock": 1} for size in "SM"]
        product = {"id": name, "name": name, "price_minor": 5, "currency": "EUR", "variants": variants}
        self.admin.call("POST", "/v1/admin/products", product, expect=201)
        guest = self.server.guest()
        refused = guest.call("POST", "/cart/add", {"product_id": name, "qty": 1}, expect=422)
        self.assert_problem_field(refused, "sku")
        guest.call("POST", "/cart/add", {"sku": f"{name}-M", "qty": 1}, expect=200)
        asked = {"product_id": name, "sku": f"{name}-M", "qty": 2}
        self.assertEqual(lines(guest.call("POST", "/cart/add", asked, expect=200).json()), {f"{name}-M": 3})
        other = self.admin.create_sku(1)
        refused = guest.call("POST", "/cart/add", {**asked, "sku": other}, expect=422)
        self.assert_problem_field(refused, "sku")
        guest.call("POST", "/cart/add", {**asked, "sku": "none-such"}, expect=404)
        guest.call("POST", "/cart/add", {**asked, "product_id": "none-such"}, expect=404)


class Coupons(ApiTest):
    def test_an_unknown_code_is_refused(self):
        sku, guest = self.admin.create_sku(5), self.server.guest()
        before = add(guest, sku).json()
        guest.call("POST", "/v1/cart/coupon", {"code": "NONE-SUCH"}, expect=422, code="coupon_invalid")
        self.assertEqual(cart(guest), before)
        self.assertEqual(guest.call("DELETE", "/v1/cart/coupon", expect=200).json(), before)
        for code in ("", "x" * 41, "é" * 21, 7, None):
            response = guest.call("POST", "/v1/cart/coupon", {"code": code}, expect=422)
            self.assert_problem_field(response, "code")
        self.assert_problem_field(guest.call("POST", "/v1/cart/coupon", {}, expect=422), "code")


    def coupon(self, **fields):
        body = {"code": "C" + new_key()[:14].upper(), "kind": "percentage", "percent_bp": 1000, **fields}
        return self.admin.call("POST", "/v1/admin/coupons", body, expect=201).json()["code"]

    def put(self, guest, coupon, **expected):
        return guest.call("POST", "/v1/cart/coupon", {"code": coupon}, **{"expect": 200, **expected})

    def test_a_coupon_takes_off_what_it_says(self):
        sku, guest = self.admin.create_sku(5, price_minor=999), self.server.guest()
        add(guest, sku, 3)
        code = self.coupon()
        shown = self.put(guest, code.lower()).json()
        totals = shown["totals"]
        self.assertEqual((shown["coupon"], "coupon_problem" in shown), (code, False))
        self.assertEqual((totals["subtotal_minor"], totals["discount_minor"], totals["total_minor"]), (2997, 300, 2697))
        self.assertEqual(cart(guest), shown)
        self.assertEqual(guest.call("DELETE", "/v1/cart/coupon", expect=200).json()["totals"]["discount_minor"], 0)

    def test_a_coupon_that_takes_nothing_off_says_why(self):
        sku, guest = self.admin.create_sku(5, price_minor=100), self.server.guest()
        add(guest, sku, 1)
        shown = self.put(guest, self.coupon(min_subtotal_minor=500, currency="EUR")).json()
        self.assertIn("minimum", shown["coupon_problem"])
        self.assertEqual(shown["totals"]["discount_minor"], 0)
        shown = add(guest, sku, 4).json()
        self.assertNotIn("coupon_problem", shown)
        self.assertEqual(shown["totals"]["discount_minor"], 50)

    def test_only_what_is_valid_now_is_put_on_a_cart(self):
        guest = self.server.guest()
        add(guest, self.admin.create_sku(5))
        for fields in ({"enabled": False}, {"starts_at": "2099-01-01T00:00:00Z"}, {"ends_at": "2001-01-01T00:00:00Z"}):
            self.put(guest, self.coupon(**fields), expect=422, code="coupon_invalid")
        code = self.coupon()
        self.put(guest, code)
        self.admin.call("PATCH", f"/v1/admin/coupons/{code}", {"enabled": False}, expect=200)
        self.assertIn("coupon_invalid", cart(guest)["coupon_problem"])
        self.admin.call("DELETE", f"/v1/admin/coupons/{code}", expect=(200, 204))
        shown = cart(guest)
        self.assertEqual(shown["coupon"], code)
        self.assertIn("coupon_invalid", shown["coupon_problem"])


class Destinations(ApiTest):
    """Taxes and shipping, as soon as it is known where it goes."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.admin = self.server.admin()
        self.guest = self.server.guest()

    def row(self, what, **body):
        return self.admin.call("POST", f"/v1/admin/{what}", body, expect=201).json()["id"]

    def there(self, query):
        return self.guest.call("GET", f"/v1/cart?{query}", expect=200).json()

    def test_tax_and_the_cheapest_shipping(self):
        self.row("tax-rates", country="DE", rate_bp=1900, inclusive=True)
        self.row("tax-rates", country="US", region="NY", rate_bp=800, inclusive=False)
        post = self.row("shipping-methods", name="Post", countries=["DE", "US"], kind="flat",
                        table=[{"price_minor": 490}], free_over_minor=5000, currency="EUR")
        fast = self.row("shipping-methods", name="Fast", countries=["US"], kind="flat",
                        table=[{"price_minor": 300}], currency="EUR")
        self.admin.call("DELETE", "/v1/admin/shipping-methods/shm_1", expect=(200, 204))
        sku = self.admin.create_sku(9, price_minor=1190)
        plain = add(self.guest, sku, 1).json()
        self.assertEqual((plain["totals"]["total_minor"], "shipping_method" in plain), (1190, False))
        german = self.there("country=DE")
        totals = german["totals"]
        self.assertEqual((german["shipping_method"], totals["shipping_minor"], totals["tax_minor"]), (post, 490, 0))
        self.assertEqual((totals["total_minor"], totals["tax_included_minor"]), (1680, 190 + 78))
        york = self.there("country=us&region=ny")
        self.assertEqual((york["shipping_method"], york["totals"]["shipping_minor"]), (fast, 300))
        self.assertEqual((york["totals"]["tax_minor"], york["totals"]["total_minor"]), (95 + 24, 1190 + 300 + 119))
        chosen = self.there(f"country=US&shipping_method={post}")
        self.assertEqual((chosen["shipping_method"], chosen["totals"]["total_minor"]), (post, 1190 + 490))
        nowhere = self.there("country=FR")
        self.assertEqual((nowhere["shipping_method"], nowhere["totals"]["shipping_minor"]), (None, 0))
        self.assertEqual(self.there(f"country=DE&shipping_method={fast}")["shipping_method"], None)
        add(self.guest, sku, 4)
        self.assertEqual(self.there("country=DE")["totals"]["shipping_minor"], 0)

    def test_shipping_by_weight(self):
        method = self.row("shipping-methods", name="Parcel", countries=["DE"], kind="weight", currency="EUR",
                          table=[{"up_to_grams": 1000, "price_minor": 400}, {"up_to_grams": 2000, "price_minor": 700}])
        sku = "W" + new_key()[:12]
        product = {"name": "Heavy", "price_minor": 100, "currency": "EUR", "sku": sku, "stock": 9, "weight_grams": 400}
        self.admin.call("POST", "/v1/admin/products", product, expect=201)
        for quantity, price in ((2, 400), (3, 700)):
            self.guest.call("DELETE", f"/v1/cart/items/{sku}", expect=200)
            add(self.guest, sku, quantity)
            shown = self.there(f"country=DE&shipping_method={method}")
            self.assertEqual((shown["shipping_method"], shown["totals"]["shipping_minor"]), (method, price))
        add(self.guest, sku, 3)
        self.assertEqual(self.there(f"country=DE&shipping_method={method}")["shipping_method"], None)


class Logins(AccountTest):
    """A guest's cart is the customer's from the login on."""

    def test_merged_once(self):
        skus = [self.admin.create_sku(9) for _ in range(3)]
        ann, guest = register(self.server), self.server.guest()
        add(ann, skus[0], 1), add(ann, skus[1], QUANTITY_MAX - 1)
        add(guest, skus[0], 2), add(guest, skus[1], 5), add(guest, skus[2], 3)
        ann = log_in(self.server, ann.email, token=guest.token)
        expected = {skus[0]: 3, skus[1]: QUANTITY_MAX, skus[2]: 3}
        self.assertEqual(lines(cart(ann)), expected)
        # A lost answer: the same login again.
        ann = log_in(self.server, ann.email, token=guest.token)
        self.assertEqual(lines(cart(ann)), expected)
        guest.call("GET", "/v1/cart", expect=401)
        add(guest, skus[0], expect=401)

    def test_a_cart_of_its_own_is_not_needed(self):
        sku = self.admin.create_sku(9)
        guest = self.server.guest()
        add(guest, sku, 2)
        ann = register(self.server, token=guest.token)
        self.assertEqual(lines(cart(ann)), {sku: 2})
        other = register(self.server, token=self.server.guest().token)
        self.assertEqual(cart(other)["items"], [])

    def test_several_guests_one_after_the_other(self):
        sku, ann = self.admin.create_sku(9), register(self.server)
        for count in range(1, 8):
            guest = self.server.guest()
            add(guest, sku, 1)
            ann = log_in(self.server, ann.email, token=guest.token)
            self.assertEqual(lines(cart(ann)), {sku: count})

    def test_what_is_added_while_logging_in_is_there_or_was_refused(self):
        sku, ann = self.admin.create_sku(9), register(self.server)
        for _ in range(6):
            guest, added = self.server.guest(), []
            before = lines(cart(ann)).get(sku, 0)

            def work(token=guest.token, added=added):
                own = Client(self.server, token=token)
                while own.call("POST", "/v1/cart/items", {"sku": sku, "quantity": 1}).status == 200:
                    added.append(1)
                own.close()

            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            ann = log_in(self.server, ann.email, token=guest.token)
            for thread in threads:
                thread.join()
            self.assertEqual(lines(cart(ann)).get(sku, 0), before + len(added))

    def test_a_crash_keeps_carts(self):
        server = Server(*self.flags)
        try:
            sku, ann, guest = server.admin().create_sku(5), register(server), server.guest()
            add(ann, sku, 2), add(guest, sku, 3)
            other = server.guest()
            expected = add(other, sku, 1).json()
            ann = log_in(server, ann.email, token=guest.token)
            server.kill()
            server.restart()
            ann.close(), other.close()
            self.assertEqual(lines(cart(ann)), {sku: 5})
            self.assertEqual(cart(other), expected)
            self.assertEqual(server.anonymous().call("GET", "/metrics", expect=200).body.count(b"carts_live 2"), 1)
        finally:
            server.stop()
        self.assertEqual(server.check().returncode, 0)


class Rates(AccountTest):
    rate_limits = "on"

    def test_changes_are_limited(self):
        sku, guest = self.admin.create_sku(9), self.server.guest()
        answers = [add(guest, sku, expect=(200, 429)) for _ in range(60 + 60)]
        self.assertIn('"cart', answers[0].header("ratelimit-policy"))
        statuses = [answer.status for answer in answers]
        self.assertEqual(set(statuses[:60]), {200})
        self.assertIn(429, statuses)  # six come back a second


if __name__ == "__main__":
    unittest.main()
