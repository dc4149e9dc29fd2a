# SPDX-License-Identifier: Apache-2.0
"""A product's page from memory: who sees a change when, tags, codings, what caches on the way are told."""
import gzip
import random
import threading
import time

from harness import ApiTest, Server, in_threads, new_key
from test_figures import figures
from wire import Wire

LONG = "A light daily trainer. " * 100  # more than 1 KiB, and easily compressed


class PageTest(ApiTest):
    def setUp(self):
        super().setUp()
        self.shopper = self.server.anonymous()
        self.addCleanup(self.shopper.close)

    def make(self, **fields):
        """The ID and SKU of a new product."""
        fields.setdefault("description", LONG)
        sku = self.admin.create_sku(**fields)
        return sku.rsplit("-", 1)[0].lower(), sku

    def change(self, product, sku, price, name="Changed"):
        text = f"product,sku,name,price,currency,stock,description\n{product},{sku},{name},{price}.00,EUR,1,{LONG}\n"
        result = self.admin.import_csv(text, "?format=csv", expect=200).json()
        self.assertEqual((result["rejected"], result["created"]), (0, 0), result)

    def page(self, product, *headers, method="GET", **options):
        options.setdefault("expect", 200)
        return self.shopper.call(method, f"/v1/products/{product}", headers=headers, **options)


class Answers(PageTest):
    def test_what_caches_are_told(self):
        product, _ = self.make()
        for _ in range(2):  # read, and from memory
            answer = self.page(product)
            self.assertEqual(answer.header_all("cache-control"), ["public, max-age=1, stale-while-revalidate=30"])
            self.assertEqual(answer.header_all("vary"), ["Accept-Encoding"])
            self.assertEqual(answer.header("content-type"), "application/json")
            self.assertRegex(answer.header("etag"), '^"[0-9a-f]{16}"$')
            self.assertIsNone(answer.header("content-encoding"))
            self.assertIsNone(answer.header("set-cookie"))
            self.assertEqual(answer.json()["id"], product)
        short, _ = self.make(description="short")
        answer = self.page(short, ("Accept-Encoding", "gzip, br"))
        self.assertEqual((answer.header("content-encoding"), answer.header("vary")), (None, None))

    def test_codings(self):
        product, _ = self.make()
        plain = self.page(product)
        tags = {plain.header("etag")}
        for accepted, coding in (
            ("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"), ("br;q=0.5, gzip", "gzip"), ("*", "br"),
            ("br;q=0, *", "gzip"), ("identity", None), ("gzip;q=0, br;q=0", None), ("zstd", None), ("", None),
            ("gzip;q=wrong", None), ("GZIP ; q=0.9", "gzip"), ("identity;q=0", None),
        ):  # fmt: skip
            with self.subTest(accepted=accepted):
                answer = self.page(product, ("Accept-Encoding", accepted), expect=None) if coding else None
                if coding is None:
                    answer = self.page(product, ("Accept-Encoding", accepted))
                    self.assertEqual(answer.body, plain.body)
                    self.assertEqual(answer.header("etag"), plain.header("etag"))
                else:
                    self.assertEqual(answer.status, 200)
                    self.assertLess(len(answer.body), len(plain.body) / 2)
                    if coding == "gzip":
                        self.assertEqual(gzip.decompress(answer.body), plain.body)
                self.assertEqual(answer.header("content-encoding"), coding)
                self.assertEqual(answer.header("vary"), "Accept-Encoding")
                tags.add(answer.header("etag"))
        self.assertEqual(len(tags), 3, "each coding has a tag of its own")

    def test_not_modified(self):
        product, _ = self.make()
        for accepted in ("identity", "gzip", "br"):
            coding = ("Accept-Encoding", accepted)
            first = self.page(product, coding, expect=None)
            tag = first.header("etag")
            for known in (tag, f"W/{tag}", f'"x", {tag}', f'{tag}, "y"', "*"):
                answer = self.page(product, coding, ("If-None-Match", known), expect=304)
                self.assertEqual(answer.body, b"")
                for name in ("etag", "cache-control", "vary"):
                    self.assertEqual(answer.header_all(name), first.header_all(name))
                self.assertIsNone(answer.header("content-encoding"))
                self.assertIsNone(answer.header("content-length"))
            for known in ('"x"', tag.strip('"'), tag[:-2] + '"', "", "x" * 4000):
                self.assertEqual(self.page(product, coding, ("If-None-Match", known), expect=None).status, 200)

    def test_not_modified_when_it_was_read_for_that(self):
        """Nobody has asked before: what is answered later is the same."""
        product, _ = self.make()
        tag = self.admin.call("GET", f"/v1/products/{product}", headers=[("Accept-Encoding", "gzip")]).header("etag")
        for accepted, method in (("gzip", "GET"), ("gzip", "HEAD")):
            self.admin.call("PATCH", f"/v1/admin/products/{product}", {"name": new_key()}, expect=200)
            coding = ("Accept-Encoding", accepted)
            self.assertEqual(self.page(product, coding, ("If-None-Match", tag), method=method, expect=None).status, 200)
            self.admin.call("PATCH", f"/v1/admin/products/{product}", {"name": new_key()}, expect=200)
            self.page(product, coding, ("If-None-Match", "*"), method=method, expect=304)

    def test_head(self):
        product, _ = self.make()
        for accepted in ("identity", "gzip", "br"):
            coding = ("Accept-Encoding", accepted)
            full = self.page(product, coding, expect=None)
            head = self.page(product, coding, method="HEAD", expect=None)
            self.assertEqual((head.status, head.body), (200, b""))
            for name in ("etag", "content-length", "content-encoding", "cache-control", "vary", "content-type"):
                self.assertEqual(head.header_all(name), full.header_all(name), name)
            self.page(product, coding, ("If-None-Match", full.header("etag")), method="HEAD", expect=304)

    def test_unknown(self):
        for method in ("GET", "HEAD"):
            with Wire(self.server.address) as wire:
                answer = wire.request(method, "/v1/products/no-such-product", [("Accept-Encoding", "gzip")])
            self.assertEqual(answer.status, 404)
            self.assertIsNone(answer.header("content-encoding"))
            self.assertEqual(answer.header("cache-control"), "no-cache", "it may come")

    def test_hostile_accept_encoding(self):
        product, _ = self.make()
        plain = self.page(product).body
        odd = [",", ";", ";;;,,,", "=", "q=1", "gzip;" * 500, "gzip," * 900 + "x", "br;q=" + "0" * 3000, "*;" * 1000,
               "gzip;q=0.0000000000000001", "\t", '"gzip"', "gzip\xff", "g" * 8000, ";q=1,;q=0", "br;q=1;q=1"]  # fmt: skip
        source = random.Random(7)
        signs = "gzip br,;=q01.* \t\"x\xe9"
        odd += ["".join(source.choice(signs) for _ in range(source.randrange(60))) for _ in range(300)]
        for accepted in odd:
            answer = self.page(product, ("Accept-Encoding", accepted), expect=None)
            self.assertEqual(answer.status, 200, accepted)
            if answer.header("content-encoding") == "gzip":
                self.assertEqual(gzip.decompress(answer.body), plain, accepted)
            elif answer.header("content-encoding") is None:
                self.assertEqual(answer.body, plain, accepted)
            else:
                self.assertEqual(answer.header("content-encoding"), "br", accepted)

    def test_the_description_is_compressed_too(self):
        for target in ("/openapi.json", "/docs"):
            plain = self.shopper.call("GET", target, expect=200)
            packed = self.shopper.call("GET", target, headers=[("Accept-Encoding", "gzip")], expect=None)
            self.assertEqual(gzip.decompress(packed.body), plain.body)
            self.assertLess(len(packed.body), len(plain.body) / 4)
            tag = ("If-None-Match", packed.header("etag"))
            self.shopper.call("GET", target, headers=[tag, ("Accept-Encoding", "gzip")], expect=304)

    def test_what_is_private_is_never_compressed(self):
        """An answer with a secret beside text that somebody chose would tell it by its length."""
        self.guest.call("POST", "/v1/cart/items", {"sku": self.make(stock=9)[1], "quantity": 1}, expect=200)
        accepted = [("Accept-Encoding", "gzip, br")]
        for caller, target in (
            (self.guest, "/v1/cart"), (self.guest, "/v1/reservations"), (self.guest, "/v1/orders"),
            (self.admin, "/v1/admin/products"), (self.admin, "/v1/admin/audit"), (self.admin, "/v1/admin/orders"),
            (self.admin, f"/v1/admin/products/{self.make()[0]}"),
        ):  # fmt: skip
            answer = caller.call("GET", target, headers=accepted, expect=200)
            self.assertIsNone(answer.header("content-encoding"), target)
            self.assertEqual(answer.header("cache-control"), "no-store", target)
        answer = self.server.anonymous().call("POST", "/v1/sessions", headers=accepted, expect=201)
        self.assertIsNone(answer.header("content-encoding"))


class OnEveryShard(PageTest):
    """Connections land on either of two shards, each with a cache of its own."""

    CONNECTIONS = 24

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--shards", "2")
        cls.addClassCleanup(cls.server.stop)

    def connect(self):
        wires = [Wire(self.server.address) for _ in range(self.CONNECTIONS)]
        self.addCleanup(lambda: [wire.close() for wire in wires])
        return wires

    def test_a_change_is_seen_at_once(self):
        product, sku = self.make()
        wires = self.connect()
        accepted = ("identity", "gzip", "br")
        for price in range(10, 16):
            self.change(product, sku, price)
            tags = {}
            for index, wire in enumerate(wires):
                coding = ("Accept-Encoding", accepted[index % 3])
                answer = wire.request("GET", f"/v1/products/{product}", [coding])
                text = gzip.decompress(answer.body) if coding[1] == "gzip" else answer.body
                if coding[1] != "br":
                    self.assertIn(b'"price_minor":%d00,' % price, text)
                tags.setdefault(coding, set()).add(answer.header("etag"))
            self.assertEqual([len(found) for found in tags.values()], [1, 1, 1], "all shards tell the same")
        found = figures(self.server)
        self.assertGreater(found["pages_hits_total"], 0)

    def test_an_archived_product_is_gone_at_once(self):
        product, _ = self.make()
        target, wires = f"/v1/products/{product}", self.connect()
        for _ in range(2):
            tags = {wire.request("GET", target).header("etag") for wire in wires}
            self.assertEqual(len(tags), 1)
            tag = ("If-None-Match", tags.pop())
            self.admin.call("DELETE", f"/v1/admin/products/{product}", expect=(200, 204))
            for wire in wires:
                self.assertEqual(wire.request("GET", target, [tag]).status, 404)
                self.assertEqual(wire.request("HEAD", target).status, 404)
            self.admin.call("PATCH", f"/v1/admin/products/{product}", {"status": "active"}, expect=200)

    def test_every_way_to_change_it_is_seen(self):
        product, _ = self.make()
        target, wires = f"/v1/products/{product}", self.connect()
        staff = f"/v1/admin/products/{product}"
        for name in ("One", "Two", "Three"):
            for wire in wires:
                wire.request("GET", target)
            self.admin.call("PATCH", staff, {"name": name}, expect=200)
            self.assertEqual({wire.request("GET", target).json()["name"] for wire in wires}, {name})
        self.admin.call("PATCH", staff, {"status": "draft"}, expect=200)
        self.assertEqual({wire.request("GET", target).status for wire in wires}, {404})

    def test_nobody_goes_back_while_it_changes(self):
        product, sku = self.make()
        self.change(product, sku, 100)
        acknowledged = [100]
        is_over = threading.Event()

        def write():
            try:
                for price in range(101, 141):
                    self.change(product, sku, price)
                    acknowledged[0] = price
            finally:
                is_over.set()

        def read():
            seen = 0
            with Wire(self.server.address) as wire:
                while not is_over.is_set():
                    least = acknowledged[0]
                    answer = wire.request("GET", f"/v1/products/{product}")
                    price = answer.json()["price_minor"] // 100
                    self.assertGreaterEqual(price, least, "older than what was acknowledged before")
                    self.assertGreaterEqual(price, seen)
                    seen = price
            return seen

        in_threads(7, lambda index: write() if index == 0 else read())

    def test_after_a_restart(self):
        product, sku = self.make()
        before = self.page(product)
        self.server.kill()
        self.server.restart()
        self.shopper.close()
        self.admin.close()
        self.assertEqual(self.page(product).body, before.body)
        self.assertEqual(self.page(product).header("etag"), before.header("etag"))
        self.change(product, sku, 77)
        self.assertEqual(self.page(product).json()["price_minor"], 7700)


class Bounds(PageTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--page-cache-mb", "1", "--page-max-age-s", "60", "--page-stale-s", "0")
        cls.addClassCleanup(cls.server.stop)

    def test_options_and_the_bound(self):
        product, _ = self.make()
        self.assertEqual(self.page(product).header("cache-control"), "public, max-age=60")
        rows = [f"bound-{index},BOUND-{index},{'N' * 200},1.00,EUR,1,{'d' * 8000}" for index in range(600)]
        text = "product,sku,name,price,currency,stock,description\n" + "\n".join(rows) + "\n"
        self.assertEqual(self.admin.import_csv(text, "?format=csv", expect=200).json()["created"], 600)
        wires = [Wire(self.server.address) for _ in range(8)]
        self.addCleanup(lambda: [wire.close() for wire in wires])
        for index in range(600):
            answer = wires[index % 8].request("GET", f"/v1/products/bound-{index}", [("Accept-Encoding", "gzip")])
            self.assertEqual(answer.header("content-encoding"), "gzip")
        found = figures(self.server)
        self.assertLessEqual(found["pages_bytes"], 2**20 * found["shards"])
        self.assertGreater(found["pages_evictions_total"], 0)
        self.assertGreater(found["pages"], 30)

    def test_many_at_once_read_it_once(self):
        product, sku = self.make()
        wires = [Wire(self.server.address) for _ in range(16)]
        self.addCleanup(lambda: [wire.close() for wire in wires])
        for price in range(5):
            self.change(product, sku, price)
            time.sleep(0.01)
            for wire in wires:
                wire.send(f"GET /v1/products/{product} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for wire in wires:
                self.assertEqual(wire.read_response().json()["price_minor"], price * 100)
