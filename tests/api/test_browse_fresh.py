# SPDX-License-Identifier: Apache-2.0
"""Listings while they are kept: how soon a change is seen, what is answered from memory, what is asked for once."""
import gzip
import re
import signal
import time
import unittest
from urllib.parse import urlencode

from browsing import LISTING, STOCK_S, BrowseTest, wait_for_search
from harness import Server, new_key, quote, wait_until
from wire import render

SUGGEST = "/v1/suggest"
SOON_S = 1.0


def figures(server, name):
    """Samples of a metric, by their labels."""
    text = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
    return {labels: int(value) for labels, value in re.findall(rf"^stampede_{name}(\S*) (\d+)$", text, re.M)}


class Soon(BrowseTest):
    by_words = True
    word = "v" + "".join(chr(ord("g") + int(digit, 16) % 16) for digit in new_key()[:8])

    def suggested(self, q):
        return [entry["text"] for entry in self.shopper.call("GET", f"{SUGGEST}?q={quote(q)}", expect=200).json()["data"]]

    def soon(self, condition, what):
        begun = time.monotonic()
        wait_until(condition, SOON_S, what)
        return time.monotonic() - begun

    def test_changes_are_seen_within_a_second(self):
        for number in range(3):
            name, other = f"{self.word} Lamp {number}", f"{self.word} Torch {number}"
            target = "/v1/admin/products/" + self.make(name, price=1000 + number)["id"]
            self.assertIn(name, self.names())  # who was told of a change sees it, whatever was kept
            self.soon(lambda: name in self.names(q=name), "made, by words")
            self.soon(lambda: name in self.suggested(name), "made, suggested")
            self.admin.call("PATCH", target, {"name": other}, expect=200)
            self.assertIn(other, self.names())
            self.assertNotIn(name, self.names(q=self.word, limit=100))
            self.assertNotIn(name, self.suggested(name))
            self.soon(lambda: other in self.names(q=other)[:1], "renamed, by words")
            self.soon(lambda: other in self.suggested(other), "renamed, suggested")
            self.admin.call("PATCH", target, {"variants": [
                {"sku": self.made[name]["id"] + "-0", "options": {}, "stock": 5, "price_minor": 7}]}, expect=200)
            self.assertEqual(self.names(max_price=7), [other])
            self.assertEqual(self.names(q=other, max_price=7), [other])
            self.admin.call("PATCH", target, {"status": "draft"}, expect=200)
            self.assertNotIn(other, self.names(limit=100))
            self.assertNotIn(other, self.names(q=other))
            self.assertNotIn(other, self.suggested(other))
            self.admin.call("PATCH", target, {"status": "active"}, expect=200)
            self.assertIn(other, self.names(limit=100))
            self.soon(lambda: other in self.names(q=other), "active again, by words")
            self.admin.call("DELETE", target, expect=(200, 204))
            self.assertNotIn(other, self.names(limit=100))
            self.assertNotIn(other, self.names(q=other))
            self.assertNotIn(other, self.suggested(other))
            self.shopper.call("GET", f"/v1/products/{target.rsplit('/', 1)[1]}", expect=404)

    def test_stock_is_seen_within_a_second(self):
        sku = self.make(f"{self.word} Single", stock=1, brand=self.brand + " I")["variants"][0]["sku"]
        query = {"brand": self.brand + " I", "in_stock": "true"}
        buyer = self.server.guest()
        for _ in range(3):
            self.assert_soon([f"{self.word} Single"], STOCK_S, **query)
            hold = buyer.hold(sku)
            self.assert_soon([], STOCK_S, **query)
            buyer.release(hold["id"], expect=204)


class AfterACrash(unittest.TestCase):
    def test_what_was_acknowledged_is_listed_and_found(self):
        server = Server()
        self.addCleanup(server.stop)
        admin, shopper = server.admin(), server.anonymous()
        wait_for_search(shopper)
        for number in range(20):
            admin.create_product(name=f"Crash lamp {number:02}", id=f"crash-{number}", category=f"A > B{number % 3}",
                                 price_minor=100 + number)
        for number in range(5):
            admin.call("DELETE", f"/v1/admin/products/crash-{number}", expect=(200, 204))
        queries = ("sort=name&limit=100", "category=b1&sort=price", "category=a&in_stock=true", "min_price=110&sort=-price")
        before = [shopper.call("GET", f"{LISTING}?{query}", expect=200).json() for query in queries]
        tree = shopper.call("GET", "/v1/categories", expect=200).json()
        self.assertEqual([page["total"] for page in before], [15, 5, 15, 10])
        server.kill()
        server.restart()
        shopper = server.anonymous()
        after = [shopper.call("GET", f"{LISTING}?{query}", expect=200).json() for query in queries]
        self.assertEqual(after, before)
        self.assertEqual(shopper.call("GET", "/v1/categories", expect=200).json(), tree)
        wait_for_search(shopper)
        found = shopper.call("GET", f"{LISTING}?q=crash+lamp&limit=100&sort=name", expect=200).json()
        self.assertEqual([product["id"] for product in found["data"]], [f"crash-{number}" for number in range(5, 20)])


class Known(BrowseTest):
    PRODUCTS = {f"Item {number}": {"price": 100 * number, "description": "It is what it is. " * 20} for number in range(1, 9)}

    def ask(self, headers=(), expect=200, **query):
        target = f"{LISTING}?{urlencode({'brand': self.brand, **query})}"
        return self.shopper.call("GET", target, headers=headers, expect=expect)

    def test_who_has_it_is_told_so(self):
        response = self.ask()
        etag = response.header("ETag")
        self.assertRegex(response.header("Cache-Control"), r"^public, max-age=\d+, stale-while-revalidate=\d+$")
        same = self.ask([("If-None-Match", etag)], 304)
        self.assertEqual((same.body, same.header("ETag"), same.header("Cache-Control")),
                         (b"", etag, response.header("Cache-Control")))
        self.assertEqual(self.ask([("If-None-Match", '"other"')]).body, response.body)
        self.assertEqual(self.ask(in_stock="true").header("Cache-Control"), "no-cache")
        self.make("Item 9")
        self.assertNotEqual(self.ask([("If-None-Match", etag)]).header("ETag"), etag)

    def test_it_comes_compressed_to_who_can_read_that(self):
        plain = self.ask(limit=8)
        packed = self.ask([("Accept-Encoding", "gzip")], limit=8)
        self.assertEqual((packed.header("Content-Encoding"), packed.header("Vary")), ("gzip", "Accept-Encoding"))
        self.assertLess(len(packed.body), len(plain.body) / 2)
        self.assertEqual(gzip.decompress(packed.body), plain.body)

    def test_what_means_the_same_is_the_same_question(self):
        self.ask(sort="name", min_price=100)
        before = figures(self.server, "findings_total")
        for other in ({"sort": "name", "min_price": 100}, {"min_price": "100", "q": "", "sort": "name"},
                      {"brand": self.brand.upper(), "min_price": 100, "sort": "name", "limit": 20}):
            self.assertEqual(len(self.ask(**other).json()["data"]), 8)
        after = figures(self.server, "findings_total")
        known = '{kind="browse",result="known"}'
        # Of each shard its own.
        self.assertGreaterEqual(after[known] - before[known], 1)

    def test_what_many_ask_at_once_is_found_once(self):
        server = Server("--shards", "1")
        self.addCleanup(server.stop)
        server.admin().create_product(name="A")
        wires = [server.wire() for _ in range(200)]
        try:
            for wire in wires:
                self.assertEqual(wire.request("GET", "/healthz").status, 200)
            before = figures(server, "findings_total")
            server.process.send_signal(signal.SIGSTOP)
            for wire in wires:
                wire.send(render("GET", "/products?in_stock=true"))
            server.process.send_signal(signal.SIGCONT)
            bodies = {wire.read_response().body for wire in wires}
        finally:
            server.process.send_signal(signal.SIGCONT)
            for wire in wires:
                wire.close()
        self.assertEqual(len(bodies), 1)
        after = figures(server, "findings_total")
        became = {result: after[f'{{kind="browse",result="{result}"}}'] - before[f'{{kind="browse",result="{result}"}}']
                  for result in ("found", "known", "joined", "overloaded")}
        self.assertLessEqual(became["found"], 3, became)  # the time that it is good for may have ended meanwhile
        self.assertEqual((sum(became.values()), became["overloaded"]), (200, 0), became)


class WithoutPages(unittest.TestCase):
    def test_many_listings_read_the_store_in_turn(self):
        server = Server("--shards", "1", "--page-cache-mb", "0")
        self.addCleanup(server.stop)
        admin = server.admin()
        wanted = [f"p-{number:02}" for number in range(30)]
        for number, name in enumerate(wanted):
            admin.create_product(id=name, name=name, price_minor=100 + number)
        wires = [server.wire() for _ in range(60)]
        for wire in wires:
            self.assertEqual(wire.request("GET", "/healthz").status, 200)
        for number, wire in enumerate(wires):
            wire.send(render("GET", f"/products?sort=price&limit=100&max_price={1000 + number}"))
        for wire in wires:
            response = wire.read_response()
            self.assertEqual((response.status, [product["id"] for product in response.json()["data"]]), (200, wanted))
            wire.close()


class WithoutASearch(unittest.TestCase):
    def test_only_words_are_refused(self):
        server = Server("--search", "off")
        self.addCleanup(server.stop)
        server.admin().create_product(name="A")
        shopper = server.anonymous()
        for target in (f"{LISTING}?q=a", "/products?q=a&in_stock=true", f"{SUGGEST}?q=a"):
            response = shopper.call("GET", target, expect=503, code="search_not_ready")
            self.assertIn(int(response.header("Retry-After")), range(1, 10))
        self.assertEqual(shopper.call("GET", f"{LISTING}?q=", expect=200).json()["total"], 1)
        self.assertEqual(shopper.call("GET", f"{SUGGEST}?q=", expect=200).json(), {"data": []})
        shopper.call("GET", "/v1/categories", expect=200)
        self.assertEqual(figures(server, "findings_total")['{kind="search",result="not_ready"}'], 2)


if __name__ == "__main__":
    unittest.main()
