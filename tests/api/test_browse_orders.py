# SPDX-License-Identifier: Apache-2.0
"""Browsing: in which order, and page after page while products change."""
import unittest
from urllib.parse import urlencode

from browsing import LISTING, BrowseTest
from harness import Server


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

    def test_pages_are_the_whole_in_its_order(self):
        for query in ({"sort": sort} for sort in ("price", "-price", "name", "newest", "relevance")):
            whole = self.names(**query)
            self.assertEqual(len(whole), 6)
            for limit in (1, 2, 5, 6, 100):
                self.assertEqual(self.walk(limit=limit, **query), whole, (query, limit))
        first, second = (self.page(sort="price", limit=4), self.page(sort="price", limit=2))
        self.assertEqual((first["total"], first["facets"]), (second["total"], second["facets"]))
        later = self.page(sort="price", limit=4, cursor=first["next_cursor"])
        self.assertEqual((later["total"], later["facets"], later["next_cursor"]), (6, first["facets"], None))

    def test_a_cursor_is_of_its_query(self):
        cursor = self.page(sort="price", limit=1)["next_cursor"]
        good = {"brand": self.brand, "sort": "price"}
        self.assertEqual(len(self.names(**good, cursor=cursor, limit=100)), 5)
        for other in ({"sort": "name"}, {"sort": "-price"}, {"in_stock": "true"}, {"max_price": 10**12}, {"tag": "lamp"},
                      {"brand": ""}):
            target = f"{LISTING}?{urlencode({**good, **other, 'cursor': cursor})}"
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
            queries = ("sort=name", "sort=newest&limit=100", "tag=t1&sort=price", "in_stock=true&sort=-price",
                       "category=c-3&tag=T1&sort=name", "brand=b%202&limit=2&sort=price")
            before = [shopper.call("GET", f"/products?{query}", expect=200).json() for query in queries]
            self.assertEqual([page["total"] for page in before], [30, 30, 15, 20, 7, 6])
            server.stop()
            server.restart()
            shopper = server.anonymous()
            cursor = before[5]["next_cursor"]
            self.assertEqual(len(shopper.call("GET", f"/products?brand=b%202&limit=2&sort=price&cursor={cursor}",
                                              expect=200).json()["data"]), 2)
            after = [shopper.call("GET", f"/products?{query}", expect=200).json() for query in queries]
            self.assertEqual(after, before)
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main()
