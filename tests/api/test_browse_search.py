# SPDX-License-Identifier: Apache-2.0
"""Listings by words, and suggestions: how the search's hits are filtered, counted, sorted and paged. What is found and
in which order it comes by relevance: tests/search."""
import unittest
from urllib.parse import urlencode

from browsing import LISTING, BrowseTest
from harness import new_key, quote, wait_until

SUGGEST = "/v1/suggest"
HOSTILE = (
    "' OR 1=1 --", "name:@foo", "(((", ")))", "*", "te*", "%", "\"", "\"unclosed", "\\", "zz\\", "..", "-", "&&", "||", "~bottel",
    "bottle OR milk", "OR", "a OR b)", "+", "+a -b", "<script>alert(1)</script>", "{\"$ne\":1}", "_key", "_id:>0", "price:<500",
    "*E-1,a", "@", "^a", "a$", "in_values(x)", "\u200b", "\ufeff", "\u202e\u0661", "١٢٣", "🦀" * 200, "é" * 200, "x" * 200,
    "a " * 100, " ".join("abcdefghijklmnopqrstuvwxyz"), "\r\n", "\t", "\x01\x7f", "n'", "''''", "`", "??", "[a-z]+", "a\u0301" * 100,
)
TOO_LONG = ("x" * 201, "é" * 201, "a " * 5000, "\"" * 3000)


class ByWords(BrowseTest):
    """Names hold a word of this class's own, so that others' products are not found by it."""

    by_words = True

    word = "q" + "".join(chr(ord("g") + int(digit, 16) % 16) for digit in new_key()[:8])
    PRODUCTS = {
        f"{word} Steel Bottle": {"price": 300, "category": "Kitchen > Bottles", "tags": ["outdoor"]},
        f"{word} Glass Bottle": {"price": 100, "category": "Kitchen > Bottles", "stock": 0},
        f"{word} Candle": {"price": 200, "category": "Home > Candles", "tags": ["outdoor"]},
        f"Plain {word} Candle": {"price": 500, "category": "Home > Candles"},
        "Garlic Oil": {"price": 50, "category": "Kitchen"},
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        test = cls()
        wait_until(lambda: test.page(q=cls.word, limit=1)["total"] >= 4 and test.page(q="garlic")["total"], 30,
                   "the search is behind")

    def short(self, **query):
        return [name.replace(self.word, "").strip() for name in self.names(**query)]

    def test_words_filters_facets_and_sorts_together(self):
        every = ["Candle", "Glass Bottle", "Plain  Candle", "Steel Bottle"]
        for query, wanted in (
            ({"q": self.word}, every), ({"q": self.word.upper()}, every), ({"q": f"  {self.word}!  "}, every),
            ({"q": "garlic"}, ["Garlic Oil"]),
            ({"q": self.word, "category": "kitchen"}, [every[1], every[3]]), ({"q": self.word, "tag": "outdoor"}, [every[0], every[3]]),
            ({"q": self.word, "min_price": 200, "max_price": 300}, [every[0], every[3]]),
            ({"q": self.word, "in_stock": "false"}, [every[1]]), ({"q": self.word, "brand": "nobody"}, []),
            ({"q": "xkcqzjvwxy"}, []),
        ):
            self.assertEqual(sorted(self.short(**query)), wanted, query)
        # Of few that have all words those that lack some come behind.
        self.assertEqual(sorted(self.short(q=f"{self.word} bottles")[:2]), [every[1], every[3]])
        self.assertEqual(self.short(q=self.word, sort="price"), ["Glass Bottle", "Candle", "Steel Bottle", "Plain  Candle"])
        self.assertEqual(self.short(q=self.word, sort="-price")[0], "Plain  Candle")
        page = self.page(q=self.word, limit=1)
        self.assertEqual(page["total"], 4)
        self.assertNotIn("total_is_lower_bound", page)
        self.assertEqual([(value["value"], value["count"]) for value in page["facets"]["category"]],
                         [("Home", 2), ("Home > Candles", 2), ("Kitchen", 2), ("Kitchen > Bottles", 2)])
        self.assertEqual(page["facets"]["brand"], [{"value": self.brand, "count": 4}])

    def test_pages_are_the_whole_in_its_order(self):
        for sort in ("relevance", "price", "-price", "name", "newest"):
            whole = self.names(q=self.word, sort=sort)
            self.assertEqual(len(whole), 4)
            for limit in (1, 3, 4):
                self.assertEqual(self.walk(q=self.word, sort=sort, limit=limit), whole, (sort, limit))
        cursor = self.page(q=self.word, limit=1)["next_cursor"]
        target = f"{LISTING}?{urlencode({'q': 'bottle', 'brand': self.brand, 'cursor': cursor})}"
        self.assert_problem_field(self.shopper.call("GET", target, expect=422), "cursor")

    def test_what_sells_comes_before_its_equals(self):
        words = f"{self.word}x twin"
        for number in range(3):
            self.make(f"{words} {chr(97 + number)}", brand=self.brand + " twins")
        last = self.made[f"{words} c"]["variants"][0]["sku"]
        brand = {"brand": self.brand + " twins", "q": words}
        wait_until(lambda: len(self.names(**brand)) == 3, 10, "the search is behind")
        before = self.names(**brand)
        self.assertEqual(before, sorted(before))
        hold = self.server.guest().hold(last, 2)
        self.admin.convert(hold["id"], expect=200)
        wait_until(lambda: self.names(**brand)[0] == f"{words} c", 2, "what was sold is not first")
        self.assertEqual(self.names(**brand), [before[2], before[0], before[1]])


class Hostile(BrowseTest):
    by_words = True

    def test_whatever_is_asked_is_answered(self):
        for q in HOSTILE:
            for target in (LISTING, "/products", SUGGEST):
                response = self.shopper.call("GET", f"{target}?{urlencode({'q': q})}", expect=200)
                self.assertIn("data", response.json())
        for q in TOO_LONG:
            for target in (LISTING, SUGGEST):
                response = self.shopper.call("GET", f"{target}?{urlencode({'q': q})}", expect=(414, 422, 431))
                if response.status == 422:
                    self.assert_problem_field(response, "q")
        for raw in ("%00", "a%00b", "%ff", "%c3", "%ed%a0%80", "%f4%90%80%80", "%c0%af", "%zz"):
            for target in (LISTING, SUGGEST):
                self.assert_problem_field(self.shopper.call("GET", f"{target}?q={raw}", expect=422), "q")

    def test_no_operator_means_anything(self):
        """What holds no word of a product finds none, and what holds one finds the same as the word alone."""
        self.make("Unmistakablequux")
        wait_until(lambda: self.names(q="unmistakablequux"), 10, "the search is behind")
        for q in ("(unmistakablequux", "unmistakablequux)", "\"unmistakablequux\"", "-unmistakablequux", "+unmistakablequux",
                  "unmistakablequux*", "~unmistakablequux", "\\unmistakablequux", "<unmistakablequux>"):
            self.assertEqual(self.names(q=q), ["Unmistakablequux"], q)
        for q in ("*", "@", "\"\"", "()", "-", "\\", "%", "::"):
            self.assertEqual(self.names(q=q), [], q)


class Suggestions(BrowseTest):
    by_words = True
    word = "w" + "".join(chr(ord("g") + int(digit, 16) % 16) for digit in new_key()[:8])
    PRODUCTS = {
        f"{word} Teapot": {"category": f"{word}ware > Pots"},
        f"{word} Teacup": {"category": f"{word}ware > Pots"},
        f"{word} Twin": {},
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin.create_product(name=f"{cls.word} Twin")
        wait_until(lambda: len(cls.suggest(cls.word)) >= 4 and {"text": f"{cls.word} Twin", "kind": "product"} in
                   cls.suggest(cls.word), 30, "the search is behind")

    @classmethod
    def suggest(cls, q):
        return cls.shopper.call("GET", f"{SUGGEST}?q={quote(q)}", expect=200).json()["data"]

    def test_what_is_typed_is_completed(self):
        found = {(entry["text"], entry["kind"]): entry for entry in self.suggest(self.word)}
        teapot = found[(f"{self.word} Teapot", "product")]
        self.assertEqual(teapot["product_id"], self.made[f"{self.word} Teapot"]["id"])
        self.assertNotIn("product_id", found[(f"{self.word} Twin", "product")])  # there are two
        self.assertIn((f"{self.word}ware", "category"), found)
        texts = [entry["text"] for entry in self.suggest(f"{self.word} teap")]
        self.assertEqual(texts[0], f"{self.word} Teapot")
        self.assertEqual(self.suggest(self.brand[:-1])[0], {"text": self.brand, "kind": "brand"})

    def test_nothing_typed_nothing_suggested(self):
        for target in (SUGGEST, SUGGEST + "?q=", SUGGEST + "?q=%20", SUGGEST + "?q=..."):
            self.assertEqual(self.shopper.call("GET", target, expect=200).json(), {"data": []})
        self.shopper.call("GET", SUGGEST + "?limit=3", expect=422, code="validation_failed")
        self.shopper.call("GET", SUGGEST + "?q=a&q=b", expect=422, code="validation_failed")


if __name__ == "__main__":
    unittest.main()
