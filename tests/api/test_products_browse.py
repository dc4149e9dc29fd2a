# SPDX-License-Identifier: Apache-2.0
"""Browsing: what a query names, and what is counted. In which order: test_browse_orders; by words: test_browse_search."""
import signal
import unittest
from collections import Counter
from urllib.parse import urlencode

from browsing import LISTING, BrowseTest
from harness import Server, quote
from wire import render

WAITING_MAX = 128  # FINDINGS_MAX, of one shard


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

    def test_a_variants_price_counts(self):
        brand = {"brand": self.brand + " IV"}
        self.make("Wide", price=500, brand=brand["brand"], variants=[
            {"sku": f"{self.brand[6:]}-{price}", "options": {"size": str(price)}, "stock": 1, "price_minor": price}
            for price in (900, 100, 5000)])
        self.make("Narrow", price=600, brand=brand["brand"])
        for low, high, wanted in ((100, 100, ["Wide"]), (101, 599, []), (600, 899, ["Narrow"]), (600, 900, ["Narrow", "Wide"]),
                                  (901, 4999, []), (5000, 5000, ["Wide"]), (0, 99, []), (5001, 10**12, [])):
            self.assertEqual(sorted(self.names(min_price=low, max_price=high, **brand)), wanted, (low, high))
        self.assertEqual(self.names(sort="price", **brand), ["Wide", "Narrow"])
        self.assertEqual(self.names(sort="-price", **brand), ["Narrow", "Wide"])
        page = self.page(**brand)
        self.assertEqual([(part["from"], part["count"]) for part in page["facets"]["price"]],
                         [(100, 1), (500, 2), (5000, 1)])
        for part in page["facets"]["price"]:
            self.assertEqual(self.page(min_price=part["from"], max_price=part["to"], **brand)["total"], part["count"])

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
        self.assert_soon([], in_stock="true", **brand)
        self.assert_soon(["Of two sizes"], in_stock="false", **brand)
        buyer.release(hold["id"], expect=204)
        self.assert_soon(["Of two sizes"], in_stock="true", **brand)


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
            ("tag=" + "%F0%9F%A6%80" * 101, "tag"), ("category=" + "x" * 825, "category"),
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
            response = self.shopper.call("GET", f"{LISTING}?{query}", expect=422)
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
        wires = [server.wire() for _ in range(300)]
        try:
            for wire in wires:  # until each has been accepted
                self.assertEqual(wire.request("GET", "/healthz").status, 200)
            server.process.send_signal(signal.SIGSTOP)  # so that all are there at once
            for number, wire in enumerate(wires):  # a question of its own each: the same one would be answered once
                wire.send(render("GET", f"/products?limit=5&max_price={10000 + number}"))
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
