# SPDX-License-Identifier: Apache-2.0
"""Browsing: what a query names, in which order, page after page, and what is counted."""
import signal
import unittest
from collections import Counter
from urllib.parse import urlencode

from harness import ApiTest, Server, new_key, quote
from wire import render

LISTING = "/v1/products"
WAITING_MAX = 128  # BROWSES_MAX, of one shard


class BrowseTest(ApiTest):
    """Products of a class have a brand of their own, so that they can be told from all others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin, cls.shopper = cls.server.admin(), cls.server.anonymous()
        cls.brand = f"Brand z{new_key()[:8]}"  # no digit begins a word of it
        cls.made = {}
        for name, fields in cls.PRODUCTS.items():
            cls.make(name, **fields)

    @classmethod
    def make(cls, name, price=1000, category="", tags=(), stock=5, **fields):
        product = {"id": f"{new_key()[:8]}-{len(cls.made):02}", "name": name, "price_minor": price, "currency": "EUR",
                   "category": category, "brand": cls.brand, "tags": list(tags)}
        product.setdefault("variants", [{"sku": product["id"] + "-0", "options": {}, "stock": stock}])
        product.update(fields)
        cls.admin.call("POST", "/v1/admin/products", product, expect=201)
        cls.made[name] = product
        return product

    PRODUCTS = {}

    def page(self, client=None, path=LISTING, **query):
        query.setdefault("brand", self.brand)
        return (client or self.shopper).call("GET", f"{path}?{urlencode(query)}", expect=200).json()

    def names(self, **query):
        return [product["name"] for product in self.page(**query)["data"]]

    def walk(self, **query):
        """Names, page after page."""
        names, cursor = [], {}
        for _ in range(100):
            page = self.page(**query, **cursor)
            names += [product["name"] for product in page["data"]]
            if page["next_cursor"] is None:
                return names
            cursor = {"cursor": page["next_cursor"]}
        raise AssertionError("the list does not end")


class Filters(BrowseTest):
    PRODUCTS = {
        "Water Bottle - Orange": {"price": 18000, "category": "Kitchen, Garden & Pets", "tags": ["steel", "Outdoor"]},
        "Garlic Oil": {"price": 22000, "category": "Beauty & Hygiene", "tags": ["oil"], "stock": 0},
        "Ölbild Ωmega": {"price": 0, "category": "Ärzte & Öle"},
        "Garden Bottle": {"price": 1000, "category": "Garden"},
        "100% <b>\"Pure\"</b> \\ Milk": {"price": 199, "category": "", "tags": ["a & b", "steel"]},
    }

    def test_an_entry_is_the_product_itself(self):
        page = self.page(sort="name")
        self.assertEqual(list(page), ["data", "facets", "total", "next_cursor"])
        self.assertEqual((page["total"], len(page["data"]), page["next_cursor"]), (5, 5, None))
        for product in page["data"]:
            alone = self.shopper.call("GET", f"/v1/products/{product['id']}", expect=200).json()
            self.assertEqual(alone.pop("description_html"), product["description"])
            self.assertEqual(product, alone)
        self.assertEqual(self.page(path="/products", sort="name"), page)

    def test_by_category_name_or_slug_in_any_case(self):
        for category in ("Kitchen, Garden & Pets", "kitchen, GARDEN & pets", "kitchen-garden-pets",
                         "Kitchen-Garden-Pets"):
            self.assertEqual(self.names(category=category), ["Water Bottle - Orange"], category)
        for category in ("ärzte & öle", "ÄRZTE-ÖLE"):
            self.assertEqual(self.names(category=category), ["Ölbild Ωmega"], category)
        self.assertEqual(self.names(category="garden"), ["Garden Bottle"])
        for category in ("Kitchen", "kitchen-garden", "kitchen-garden-pets-", "-", "kitchengardenpets", "Gardens"):
            self.assertEqual(self.names(category=category), [], category)

    def test_by_brand_and_tag(self):
        self.assertEqual(len(self.names(brand=self.brand.upper())), 5)
        self.assertEqual(self.names(brand=self.brand + "x"), [])
        self.assertEqual(sorted(self.names(tag="STEEL")),
                         ["100% <b>\"Pure\"</b> \\ Milk", "Water Bottle - Orange"])
        self.assertEqual(self.names(tag="outdoor"), ["Water Bottle - Orange"])
        self.assertEqual(self.names(tag="a & b"), ["100% <b>\"Pure\"</b> \\ Milk"])
        self.assertEqual(self.names(tag="stee"), [])
        self.assertEqual(self.names(tag="steel", category="kitchen-garden-pets"), ["Water Bottle - Orange"])
        self.assertEqual(self.names(tag="oil", category="kitchen-garden-pets"), [])

    def test_by_price(self):
        self.assertEqual(self.names(min_price=1000, max_price=18000, sort="price"),
                         ["Garden Bottle", "Water Bottle - Orange"])
        self.assertEqual(self.names(min_price=18001), ["Garlic Oil"])
        self.assertEqual(self.names(max_price=0), ["Ölbild Ωmega"])
        self.assertEqual(self.names(min_price=2, max_price=198), [])

    def test_by_stock_as_the_gate_has_it(self):
        self.assertEqual(self.names(in_stock="false"), ["Garlic Oil"])
        self.assertEqual(len(self.names(in_stock="true")), 4)
        product = self.make("Of two sizes", variants=[
            {"sku": f"{self.brand[6:]}-S", "options": {"size": "S"}, "stock": 0},
            {"sku": f"{self.brand[6:]}-M", "options": {"size": "M"}, "stock": 1}], brand=self.brand + " II")
        brand = {"brand": self.brand + " II"}
        self.assertEqual(self.names(in_stock="true", **brand), ["Of two sizes"])
        buyer = self.server.guest()
        hold = buyer.hold(product["variants"][1]["sku"])
        self.assertEqual(self.names(in_stock="true", **brand), [])
        self.assertEqual(self.names(in_stock="false", **brand), ["Of two sizes"])
        buyer.release(hold["id"], expect=204)
        self.assertEqual(self.names(in_stock="true", **brand), ["Of two sizes"])

    def test_by_words(self):
        for q, wanted in (
            ("bottle", ["Garden Bottle", "Water Bottle - Orange"]),
            ("BOTT", ["Garden Bottle", "Water Bottle - Orange"]),
            ("ottle", []),
            ("bottle orange", ["Water Bottle - Orange"]),
            ("orange, bottle!", ["Water Bottle - Orange"]),
            ("bottle steel", ["Water Bottle - Orange"]),  # a tag's
            ("garden", ["Garden Bottle", "Water Bottle - Orange"]),  # a name's before a category's
            ("öLB ωM", ["Ölbild Ωmega"]),
            ("olbild", []),
            ("100 pure milk b", ["100% <b>\"Pure\"</b> \\ Milk"]),
            (self.brand + " garlic", ["Garlic Oil"]),
            ("", None),
        ):
            names = self.names(q=q)
            if wanted is None:
                self.assertEqual(len(names), 5)
            else:
                self.assertEqual(names, wanted, q)

    def test_hostile_words_find_nothing_and_break_nothing(self):
        for q in ("' OR 1=1 --", "name:@foo", "(((", "*", "%", "\"", "\\", "zz\\", "<script>alert(1)</script>", "..", "🦀",
                  "-", "&&", "~bottel", "bottle OR milk", "\u200b", "\ufeff", "١٢٣", "x" * 200, "é" * 200,
                  " ".join("abcdefghijklmnopqrstuvwxyz"), "\r\n", "\t", "_key", "name @ garlic", "🦀" * 200):
            self.assertEqual(self.page(q=q)["data"], [], q)
        for q in ("x" * 201, "é" * 201, "a " * 5000):
            response = self.shopper.call("GET", f"{LISTING}?{urlencode({'q': q})}", expect=(414, 422, 431))
            if response.status == 422:
                self.assert_problem_field(response, "q")


class Orders(BrowseTest):
    PRODUCTS = {
        "beta lamp": {"price": 300},
        "Alpha Lamp": {"price": 100},
        "gamma desk": {"price": 200, "tags": ["lamp"]},
        "Lamp": {"price": 200},
        "Delta": {"price": 200, "category": "Lamp shades"},
        "Lamp oil": {"price": 10**12},
    }

    def test_sorts(self):
        self.assertEqual(self.names(sort="name"),
                         ["Alpha Lamp", "beta lamp", "Delta", "gamma desk", "Lamp", "Lamp oil"])
        prices = [product["price_minor"] for product in self.page(sort="price")["data"]]
        self.assertEqual(prices, [100, 200, 200, 200, 300, 10**12])
        prices = [product["price_minor"] for product in self.page(sort="-price")["data"]]
        self.assertEqual(prices, [10**12, 300, 200, 200, 200, 100])
        times = [product["updated_at"] for product in self.page(sort="newest")["data"]]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(self.names(), self.names(sort="newest"))
        self.assertEqual(self.names(sort="relevance"), self.names(sort="newest"))
        self.assertEqual(self.names(q="lamp"),
                         ["Lamp", "Lamp oil", "Alpha Lamp", "beta lamp", "Delta", "gamma desk"])

    def test_pages_are_the_whole_in_its_order(self):
        for query in ({"sort": sort} for sort in ("price", "-price", "name", "newest", "relevance")):
            whole = self.names(**query)
            self.assertEqual(len(whole), 6)
            for limit in (1, 2, 5, 6, 100):
                self.assertEqual(self.walk(limit=limit, **query), whole, (query, limit))
        self.assertEqual(self.walk(q="lamp", limit=1), self.names(q="lamp"))
        first, second = (self.page(sort="price", limit=4), self.page(sort="price", limit=2))
        self.assertEqual((first["total"], first["facets"]), (second["total"], second["facets"]))
        later = self.page(sort="price", limit=4, cursor=first["next_cursor"])
        self.assertEqual((later["total"], later["facets"], later["next_cursor"]), (6, first["facets"], None))

    def test_a_cursor_is_of_its_order(self):
        cursor = self.page(sort="price", limit=1)["next_cursor"]
        for other in ({"sort": "name"}, {"sort": "-price"}, {}):
            target = f"{LISTING}?{urlencode({**other, 'cursor': cursor})}"
            self.assert_problem_field(self.shopper.call("GET", target, expect=422), "cursor")


class UnderChange(BrowseTest):
    PRODUCTS = {f"Item {number:02}": {"price": 100 * number} for number in range(10)}

    def change(self, name, **fields):
        """By import: the way there is for a product to change."""
        product = {**self.made[name], **fields}
        row = {"id": product["id"], "name": product["name"], "price_minor": str(product["price_minor"]),
               "currency": "EUR", "brand": product["brand"], "sku": product["variants"][0]["sku"], "stock": "5"}
        text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
        result = self.admin.import_csv(text, "?format=csv", expect=200).json()
        self.assertEqual((result["updated"], result["errors"]), (1, []), result)

    def test_nothing_is_shown_twice_or_left_out(self):
        first = self.page(sort="price", limit=4)
        self.assertEqual([product["name"] for product in first["data"]], [f"Item {n:02}" for n in range(4)])
        # The last of the page goes behind all others, one before it goes further to the front, new ones come.
        self.change("Item 03", price_minor=99999)
        self.change("Item 02", price_minor=1)
        self.make("Before", price=50)
        self.make("Behind", price=450)
        rest, cursor = [], first["next_cursor"]
        while cursor:
            page = self.page(sort="price", limit=3, cursor=cursor)
            rest += [product["name"] for product in page["data"]]
            cursor = page["next_cursor"]
        self.assertEqual(rest, ["Item 04", "Behind", *(f"Item {n:02}" for n in range(5, 10)), "Item 03"])
        self.assertEqual(page["total"], 12)
        self.assertEqual(self.names(min_price=99999, sort="newest"), ["Item 03"])

    def test_a_restart_changes_nothing(self):
        server = Server()
        try:
            admin, shopper = server.admin(), server.anonymous()
            for number in range(30):
                admin.create_product(number % 3, name=f"P {number:02}", price_minor=number * 77, category=f"C {number % 4}",
                                     brand=f"B {number % 5}", tags=[f"t{number % 2}", f"u{number % 7}"])
            queries = ("sort=name", "sort=newest&limit=100", "q=t1&sort=price", "in_stock=true&sort=-price",
                       "category=c-3&tag=T1&sort=name", "brand=b%202&limit=2&sort=price")
            before = [shopper.call("GET", f"/products?{query}", expect=200).json() for query in queries]
            self.assertEqual([page["total"] for page in before], [30, 30, 15, 20, 7, 6])
            server.stop()
            server.restart()
            shopper = server.anonymous()
            after = [shopper.call("GET", f"/products?{query}", expect=200).json() for query in queries]
            self.assertEqual(after, before)
        finally:
            server.stop()


class Facets(BrowseTest):
    PRODUCTS = {
        "One": {"price": 99, "category": "X", "tags": ["a", "b"]},
        "Two": {"price": 100, "category": "X", "tags": ["b", "b"]},
        "Three": {"price": 1999, "category": "Y & Z", "tags": ["c"]},
        "Four": {"price": 2000},
        "Five": {"price": 10**12, "category": "X"},
    }

    def test_counts(self):
        facets = self.page(limit=1)["facets"]
        self.assertEqual(list(facets), ["category", "brand", "tag", "price"])
        self.assertEqual(facets["category"], [{"value": "X", "count": 3}, {"value": "Y & Z", "count": 1}])
        self.assertEqual(facets["brand"], [{"value": self.brand, "count": 5}])
        self.assertEqual(facets["tag"], [{"value": "b", "count": 2}, {"value": "a", "count": 1},
                                         {"value": "c", "count": 1}])
        self.assertEqual(facets["price"], [
            {"from": 0, "to": 99, "count": 1}, {"from": 100, "to": 199, "count": 1},
            {"from": 1000, "to": 1999, "count": 1}, {"from": 2000, "to": 4999, "count": 1},
            {"from": 10**12, "to": 10**12, "count": 1}])

    def test_they_count_what_the_filters_leave(self):
        page = self.page(category="x", max_price=1000)
        self.assertEqual(page["total"], 2)
        self.assertEqual(page["facets"]["category"], [{"value": "X", "count": 2}])
        self.assertEqual(page["facets"]["tag"], [{"value": "b", "count": 2}, {"value": "a", "count": 1}])
        none = self.page(category="nowhere")
        self.assertEqual(none, {"data": [], "facets": {"category": [], "brand": [], "tag": [], "price": []},
                                "total": 0, "next_cursor": None})

    def test_a_range_is_a_filter(self):
        for part in self.page()["facets"]["price"]:
            self.assertEqual(self.page(min_price=part["from"], max_price=part["to"])["total"], part["count"])

    def test_the_fifty_most_frequent(self):
        brand = self.brand + " III"
        for number in range(54):
            self.make(f"N{number}", brand=brand, tags=[f"tag {number:02}", *(f"often {n}" for n in range(2))])
        tags = self.page(brand=brand)["facets"]["tag"]
        self.assertEqual(tags[:3], [{"value": "often 0", "count": 54}, {"value": "often 1", "count": 54},
                                    {"value": "tag 00", "count": 1}])
        self.assertEqual((len(tags), tags[-1]["value"]), (50, "tag 47"))


class BadInput(BrowseTest):
    def test_fields_are_named(self):
        for query, field in (
            ("min_price=-1", "min_price"), ("min_price=1.5", "min_price"), ("max_price=x", "max_price"),
            ("max_price=1000000000001", "max_price"), ("max_price=99999999999999999999999", "max_price"),
            ("min_price=2&max_price=1", "min_price"), ("in_stock=maybe", "in_stock"), ("in_stock=1", "in_stock"),
            ("sort=cheap", "sort"), ("sort=--price", "sort"), ("sort=PRICE", "sort"), ("limit=0", "limit"),
            ("limit=101", "limit"), ("limit=", "limit"), ("limit=x", "limit"), ("colour=red", "colour"),
            ("q=a&q=b", "q"), ("category=a&category=b", "category"), ("q=%00", "q"), ("q=%ff", "q"), ("q=%zz", "q"),
            ("category=%c3", "category"), ("tag=%00", "tag"), ("brand=" + "x" * 101, "brand"),
            ("category=" + "%F0%9F%A6%80" * 101, "category"),
        ):
            for path in (LISTING, "/products"):
                response = self.shopper.call("GET", f"{path}?{query}", expect=422, code="validation_failed")
                self.assert_problem_field(response, field)
        both = self.shopper.call("GET", f"{LISTING}?sort=x&limit=0&in_stock=2", expect=422).json()
        self.assertEqual({error["field"] for error in both["errors"]}, {"sort", "limit", "in_stock"})

    def test_cursors_that_are_none(self):
        product = self.make("One")
        self.make("Two")
        good = self.page(limit=1, sort="name")["next_cursor"]
        self.assertTrue(good)
        for cursor in ("", "x", "AAAA", "AAAAAAAA", good[:-1], good[:-4], good + "A", good + "AAAA", "!" + good[1:], "A" * 252,
                       "_" * 252, "A" * 5000, product["id"], "1.2"):
            query = urlencode({"sort": "name", "brand": self.brand, "cursor": cursor})
            response = self.shopper.call("GET", f"{LISTING}?{query}", expect=(200, 422))
            if cursor not in (good[:-4], good + "AAAA"):  # which may name another place
                self.assertEqual(response.status, 422, cursor)
                self.assert_problem_field(response, "cursor")

    def test_empty_parameters_are_none(self):
        self.make("Three")
        query = "q=&category=&tag=&min_price=&max_price=&in_stock=&sort="
        target = f"{LISTING}?{query}&brand={quote(self.brand)}"
        self.assertEqual(self.shopper.call("GET", target, expect=200).json(), self.page())

    def test_what_does_not_fit_is_told_to_come_again(self):
        server = Server("--shards", "1")  # of its own: others must not be refused
        self.addCleanup(server.stop)
        product = server.admin().create_product(name="A")
        wires = [server.wire() for _ in range(200)]
        try:
            for wire in wires:  # until each has been accepted
                self.assertEqual(wire.request("GET", "/healthz").status, 200)
            server.process.send_signal(signal.SIGSTOP)  # so that all are there at once
            for wire in wires:
                wire.send(render("GET", "/products?q=a&limit=5"))
            server.process.send_signal(signal.SIGCONT)
            responses = [wire.read_response() for wire in wires]
        finally:
            server.process.send_signal(signal.SIGCONT)
            for wire in wires:
                wire.close()
        statuses = Counter(response.status for response in responses)
        self.assertEqual(set(statuses), {200, 503}, statuses)
        self.assertGreaterEqual(statuses[200], WAITING_MAX, statuses)
        for response in responses:
            if response.status == 503:
                self.assertEqual(response.code, "overloaded")
                self.assertGreaterEqual(int(response.header("Retry-After")), 1)
            else:
                self.assertEqual([entry["variants"][0]["sku"] for entry in response.json()["data"]], product)
        self.assertEqual(server.anonymous().call("GET", "/products", expect=200).json()["total"], 1)


if __name__ == "__main__":
    unittest.main()
