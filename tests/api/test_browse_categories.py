# SPDX-License-Identifier: Apache-2.0
"""Categories as a tree: filters, facets, and the tree itself."""
import unittest

from browsing import LISTING, STOCK_S, BrowseTest
from harness import Server, quote, wait_until

HOME, KITCHEN, PANS = "Home", "Home > Kitchen & Bath", "Home > Kitchen & Bath > Pans"


class ByCategory(BrowseTest):
    PRODUCTS = {
        "Candle": {"category": HOME},
        "Sponge": {"category": KITCHEN},
        "Wok": {"category": PANS},
        "Skillet": {"category": PANS, "stock": 0},
        "Toy pan": {"category": "Toys > Pans"},
        "Arrow": {"category": "A>B"},  # no path: no blanks
        "Nothing": {},
    }

    def test_a_filter_takes_paths_names_and_slugs_with_all_below(self):
        home = ["Candle", "Skillet", "Sponge", "Wok"]
        for category, wanted in (
            ("Home", home), ("hOmE", home), ("home > kitchen & BATH", home[1:]), ("Kitchen & Bath", home[1:]),
            ("kitchen-bath", home[1:]), (PANS, ["Skillet", "Wok"]), ("Toys > Pans", ["Toy pan"]), ("toys", ["Toy pan"]),
            ("pans", ["Skillet", "Toy pan", "Wok"]), ("A>B", ["Arrow"]), ("a-b", ["Arrow"]), ("a", []), ("Home >", []),
            ("Home>Kitchen & Bath", []), ("Kitchen & Bath > Pans", []), ("Home > Pans", []), (" > ", []), (">", []),
            ("home-kitchen", []), ("Home > Kitchen & Bath > Pans > Woks", []),
        ):
            self.assertEqual(sorted(self.names(category=category)), wanted, category)

    def test_facets_roll_up_and_each_value_is_a_filter(self):
        page = self.page()
        self.assertEqual([(value["value"], value["count"]) for value in page["facets"]["category"]],
                         [(HOME, 4), (KITCHEN, 3), (PANS, 2), ("A>B", 1), ("Toys", 1), ("Toys > Pans", 1)])
        for value in page["facets"]["category"]:
            self.assertEqual(self.page(category=value["value"])["total"], value["count"], value)
        below = self.page(category="kitchen-bath", max_price=10**6)["facets"]["category"]
        self.assertEqual([(value["value"], value["count"]) for value in below], [(HOME, 3), (KITCHEN, 3), (PANS, 2)])


class Tree(unittest.TestCase):
    """On a server of its own: it counts all products."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.admin, cls.shopper = cls.server.admin(), cls.server.anonymous()

    def tree(self, query=""):
        return self.shopper.call("GET", "/v1/categories" + query, expect=200).json()["data"]

    @staticmethod
    def brief(nodes):
        return [(node["name"], node["count"], Tree.brief(node["children"])) for node in nodes]

    def test_the_tree(self):
        self.assertEqual(self.tree(), [])
        skus = {}
        for name, category, stock in (("Wok", PANS, 2), ("Pot", PANS, 0), ("Sponge", KITCHEN, 1), ("Doll", "Toys", 1),
                                      ("Ärzte", "Toys > Ärzte & <Öle>", 1), ("None", "", 1), ("!", "Toys > !", 1)):
            skus[name] = self.admin.create_product(stock, name=name, category=category)[0]
        tree = self.tree()
        self.assertEqual(self.brief(tree), [
            ("Home", 3, [("Kitchen & Bath", 3, [("Pans", 2, [])])]),
            ("Toys", 3, [("!", 1, []), ("Ärzte & <Öle>", 1, [])])])
        kitchen = tree[0]["children"][0]
        self.assertEqual({**kitchen, "children": []},
                         {"name": "Kitchen & Bath", "slug": "kitchen-bath", "path": KITCHEN, "count": 3, "children": []})
        self.assertEqual([node["slug"] for node in tree[1]["children"]], ["", "ärzte-öle"])

        def check(nodes):
            for node in nodes:
                for value in filter(None, (node["path"], node["slug"], node["name"])):
                    page = self.shopper.call("GET", f"{LISTING}?limit=1&category={quote(value)}", expect=200).json()
                    self.assertEqual(page["total"], node["count"], value)
                check(node["children"])
        check(tree)
        # With and without stock, as the gate has it.
        self.assertEqual(self.brief(self.tree("?in_stock=true"))[0],
                         ("Home", 2, [("Kitchen & Bath", 2, [("Pans", 1, [])])]))
        self.assertEqual(self.brief(self.tree("?in_stock=false")), [("Home", 1, [("Kitchen & Bath", 1, [("Pans", 1, [])])])])
        self.server.guest().hold(skus["Wok"], 2)
        wait_until(lambda: self.brief(self.tree("?in_stock=true"))[0] == ("Home", 1, [("Kitchen & Bath", 1, [])]), STOCK_S,
                   "the tree lags")
        # A restart finds the same.
        before = self.tree()
        self.server.stop()
        self.server.restart()
        type(self).shopper = self.server.anonymous()
        self.assertEqual(self.tree(), before)
        response = self.shopper.call("GET", "/v1/categories")
        same = self.shopper.call("GET", "/v1/categories", headers=[("If-None-Match", response.header("ETag"))], expect=304)
        self.assertEqual((same.body, same.header("ETag")), (b"", response.header("ETag")))
        self.assertIn("max-age=", response.header("Cache-Control"))
        self.assertEqual(self.shopper.call("GET", "/v1/categories?in_stock=true").header("Cache-Control"), "no-cache")
        self.shopper.call("GET", "/v1/categories?in_stock=x", expect=422, code="validation_failed")
        self.shopper.call("GET", "/v1/categories?q=x", expect=422, code="validation_failed")


if __name__ == "__main__":
    unittest.main()
