# SPDX-License-Identifier: Apache-2.0
"""What tests of listings share: products that can be told from all others, pages and walks through them."""
from urllib.parse import urlencode

from harness import ApiTest, new_key, wait_until

LISTING = "/v1/products"
STOCK_S = 1.0  # how far a listing may be behind the gate, and a listing by words behind a change


def wait_for_search(client, seconds=30):
    """Until there is an index: a fresh server builds it."""
    wait_until(lambda: client.call("GET", "/v1/suggest?q=a").status == 200, seconds, "the search is not ready")


class BrowseTest(ApiTest):
    """Products of a class have a brand of their own, so that they can be told from all others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin, cls.shopper = cls.server.admin(), cls.server.anonymous()
        cls.brand = f"Brand z{new_key()[:8]}"  # no digit begins a word of it
        cls.made = {}
        if cls.by_words:
            wait_for_search(cls.shopper)
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
    by_words = False  # whether its tests search

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

    def assert_soon(self, wanted, seconds=STOCK_S, **query):
        """Names, in any order, within that time."""
        names = []

        def are_they():
            names[:] = self.names(limit=100, **query)
            return sorted(names) == sorted(wanted)

        try:
            wait_until(are_they, seconds, query)
        except AssertionError:
            self.assertEqual(sorted(names), sorted(wanted), query)
