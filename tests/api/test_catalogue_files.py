# SPDX-License-Identifier: Apache-2.0
"""Catalogues as files: Shopify's CSV, NDJSON, what cannot be read, and round trips of every format."""
import csv
import gzip
import io
import json
import tempfile
import threading
import time
from pathlib import Path

from harness import ROOT, ApiTest, Server, new_key, run_cli
from test_import import LARGE, LARGE_MAP, query
from wire import Closed

SAMPLES = ROOT / "tests" / "catalogue"
APPAREL = LARGE.parent / "shopify-apparel.csv"
FORMATS = ("csv", "shopify-csv", "ndjson")


class FileTest(ApiTest):
    server_name = "catalogue"

    def send(self, text, format, parameters="", admin=None, expect=200):
        data = text if isinstance(text, bytes) else text.encode()
        media = "application/x-ndjson" if format == "ndjson" else "text/csv"
        target = f"/v1/admin/import?format={format}" + (f"&{parameters.lstrip('?')}" if parameters else "")
        admin = admin or self.admin
        for _ in range(100):
            try:
                answer = admin.call("POST", target, data, headers=[("Content-Type", media)])
                if answer.status != 503:  # other tests' imports are under way
                    break
            except Closed:  # likewise, and told so before all of it was sent
                admin.close()
            time.sleep(0.05)
        self.assertEqual(answer.status, expect, answer)
        return answer

    def result(self, *arguments, **options):
        return self.send(*arguments, **options).json()

    def counts(self, result):
        return {name: result[name] for name in ("created", "updated", "unchanged", "rejected") if result[name]}

    def assert_counts(self, result, **expected):
        self.assertEqual(self.counts(result), expected, result)

    def export(self, format, admin=None, parameters=""):
        answer = (admin or self.admin).call("GET", f"/v1/admin/export?format={format}{parameters}", expect=200)
        return answer.body

    def product(self, product_id, **options):
        return self.admin.call("GET", f"/v1/admin/products/{product_id}", expect=200, **options).json()

    def sample(self, name):
        word = new_key()[:8]
        return word, (SAMPLES / name).read_text().replace("@", word)

    def told(self, result, kind="errors"):
        return [(note["row"], note["field"]) for note in result[kind]]


class Shopify(FileTest):
    def assert_tee(self, word, result, currency="EUR"):
        self.assert_counts(result, created=6)
        self.assertEqual(self.told(result, "warned"), [(4, "stock"), (4, "inventory_policy")])
        tee = self.product(f"{word}-tee")
        self.assertEqual(tee["name"], "Harbour Tee")
        self.assertEqual(tee["description"], '<p>Soft, "heavy" cotton.</p>\n<p>Two lines.</p>')
        self.assertEqual((tee["brand"], tee["category"]), ("Quay & Co", "Apparel > Tops"))
        self.assertEqual(tee["tags"], ["summer", "cotton"])
        self.assertEqual((tee["status"], tee["currency"], tee["price_minor"]), ("active", currency, 2490))
        self.assertEqual(tee["seo"], {"title": "Harbour Tee | Quay", "description": "A tee for the harbour"})
        self.assertEqual(tee["images"], [
            {"url": "https://img.example/tee-1.jpg", "alt": "Front"},
            {"url": "https://img.example/tee-2.jpg", "alt": "Back"},
            "https://img.example/tee-3.jpg",
        ])
        self.assertEqual([(v["sku"], v["options"], v["price_minor"], v["weight_grams"]) for v in tee["variants"]], [
            (f"{word}-tee-Small-Sea-Blue", {"Size": "Small", "Colour": "Sea Blue"}, 2490, 180),
            (f"{word}-TEE-M", {"Size": "Medium", "Colour": "Sea Blue"}, 2490, 190),
            (f"{word}-tee-Large-Sea-Blue", {"Size": "Large", "Colour": "Sea Blue"}, 2690, 200),
        ])
        # No tracker: the quantity is the stock; blank and below zero are 0.
        self.assertEqual(
            [self.admin.inventory(v["sku"])["stock"] for v in tee["variants"]], [4, 0, 0])
        mug = self.product(f"{word}-mug")
        self.assertEqual((mug["status"], mug["category"]), ("draft", "Kitchen"))
        self.assertEqual([(v["sku"], v["options"]) for v in mug["variants"]], [(f"{word}-mug", {})])
        self.assertEqual(self.product(f"{word}-hat")["status"], "archived")
        self.assertEqual(self.admin.inventory(f"{word}-HAT")["stock"], 12)

    def test_both_versions_of_the_header(self):
        for name in ("shopify-old.csv", "shopify-new.csv"):
            with self.subTest(name=name):
                word, text = self.sample(name)
                money = query("currency:=EUR")
                dry = self.result(text, "shopify-csv", money + "&dry_run=true")
                self.assert_counts(dry, created=6)
                self.assert_tee(word, self.result(text, "shopify-csv", money))
                self.assert_counts(self.result(text, "shopify-csv", money), unchanged=6)
                # Without a word of the currency it stays what it is.
                again = self.result(text, "shopify-csv")
                self.assert_counts(again, unchanged=6)
                self.assertNotIn("currency", [field for _, field in self.told(again, "warned")])

    def test_the_versions_of_the_header_say_the_same(self):
        word, old = self.sample("shopify-old.csv")
        new = (SAMPLES / "shopify-new.csv").read_text().replace("@", word)
        self.assert_counts(self.result(old, "shopify-csv", query("currency:=EUR")), created=6)
        self.assert_counts(self.result(new, "shopify-csv"), unchanged=6)

    def test_a_missing_column_leaves_alone_and_a_blank_cell_overwrites(self):
        word, text = self.sample("shopify-old.csv")
        self.result(text, "shopify-csv", query("currency:=EUR"))
        before = self.product(f"{word}-tee")
        # Title, text, vendor, images, options and the rest are not there.
        prices = f"Handle,Variant SKU,Variant Price\n{word}-tee,{word}-TEE-M,31.00\n"
        self.assert_counts(self.result(prices, "shopify-csv", "dry_run=true"), updated=1)
        self.assertEqual(self.product(f"{word}-tee"), before)
        self.assert_counts(self.result(prices, "shopify-csv"), updated=1)
        after = self.product(f"{word}-tee")
        self.assertEqual([v["price_minor"] for v in after["variants"]], [2490, 3100, 2690])
        for member in before:
            if member not in ("variants", "updated_at"):
                self.assertEqual(after[member], before[member], member)
        blank = f"Handle,Title,Vendor,Tags,SEO Title,Image Src\n{word}-tee,Harbour Tee,,,,\n"
        self.assert_counts(self.result(blank, "shopify-csv"), updated=1)
        after = self.product(f"{word}-tee")
        self.assertEqual((after["brand"], after["tags"], after["images"]), ("", [], []))
        self.assertEqual(after["seo"], {"description": "A tee for the harbour"})
        self.assertEqual((after["description"], after["category"]), (before["description"], "Apparel > Tops"))
        self.assertEqual(len(after["variants"]), 3)
        alone = f"Handle,Status\n{word}-tee,draft\n"
        self.assert_counts(self.result(alone, "shopify-csv"), updated=1)
        self.assertEqual(self.product(f"{word}-tee")["status"], "draft")
        unpublished = f"Handle,Published\n{word}-hat,false\n"
        self.assert_counts(self.result(unpublished, "shopify-csv"), unchanged=1)
        self.assertEqual(self.product(f"{word}-hat")["status"], "archived")

    def test_a_blank_sku_is_that_of_the_same_options(self):
        word, text = self.sample("shopify-old.csv")
        self.result(text, "shopify-csv", query("currency:=EUR"))
        header = "Handle,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Price\n"
        known = header + f"{word}-tee,Size,Medium,Colour,Sea Blue,,25.00\n"
        self.assert_counts(self.result(known, "shopify-csv"), updated=1)
        variants = self.product(f"{word}-tee")["variants"]
        self.assertEqual([v["price_minor"] for v in variants if v["sku"] == f"{word}-TEE-M"], [2500])
        new = header + f"{word}-tee,Size,Tiny,Colour,Sea Blue,,20.00\n"
        self.assert_counts(self.result(new, "shopify-csv"), updated=1)
        self.assertEqual(self.product(f"{word}-tee")["variants"][3]["sku"], f"{word}-tee-Tiny-Sea-Blue")
        which = f"Handle,Variant Price\n{word}-tee,1.00\n"
        self.assertEqual(self.told(self.result(which, "shopify-csv")), [(2, "sku")])

    def test_stock_goes_to_new_skus_only(self):
        word, text = self.sample("shopify-old.csv")
        money = query("currency:=EUR")
        self.result(text, "shopify-csv", money)
        more = text.replace(",4,deny", ",40,deny")
        self.assert_counts(self.result(more, "shopify-csv"), unchanged=6)
        sku = f"{word}-tee-Small-Sea-Blue"
        self.assertEqual(self.admin.inventory(sku)["available"], 4)
        self.guest.hold(sku, 1)
        self.result(more, "shopify-csv", "stock=set")
        books = self.admin.inventory(sku)
        self.assertEqual((books["available"], books["reserved"]), (40, 1))
        # A file without a column of quantities says nothing about stock; nor of variants it leaves out.
        some = f"Handle,Variant SKU,Variant Price\n{word}-tee,{word}-TEE-M,24.90\n"
        self.assert_counts(self.result(some, "shopify-csv", "stock=set"), unchanged=1)
        one = f"Handle,Variant SKU,Variant Inventory Qty\n{word}-tee,{word}-TEE-M,7\n"
        self.assert_counts(self.result(one, "shopify-csv", "stock=set"), updated=1)
        self.assertEqual(self.admin.inventory(f"{word}-TEE-M")["available"], 7)
        self.assertEqual(self.admin.inventory(sku)["available"], 40)
        self.assert_counts(self.result(one, "shopify-csv", "stock=add"), updated=1)
        self.assertEqual(self.admin.inventory(f"{word}-TEE-M")["available"], 14)

    def test_a_currency_is_assumed_and_told(self):
        word = new_key()[:8]
        text = f"Handle,Title,Variant Price\n{word},Thing,5\n{word}-2,Other,6\n"
        result = self.result(text, "shopify-csv")
        self.assert_counts(result, created=2)
        self.assertEqual((result["warnings"], self.told(result, "warned")), (1, [(2, "currency")]))
        self.assertEqual(self.product(word)["currency"], "USD")

    def test_errors_and_warnings_are_counted_beyond_those_told(self):
        word = new_key()[:8]
        text = "Handle,Title,Variant Price,Variant Inventory Policy\n"
        text += "".join(f"{word}-{n},Thing,5,continue\n" for n in range(120))
        text += "".join(f"{word}-bad-{n},Thing,-5,deny\n" for n in range(130))
        result = self.result(text, "shopify-csv", query("currency:=EUR"))
        self.assert_counts(result, created=120, rejected=130)
        self.assertEqual((result["warnings"], len(result["warned"]), len(result["errors"])), (120, 100, 100))
        self.assertEqual(result["errors"][0]["row"], 122)


class Lines(FileTest):
    def test_products_as_lines(self):
        word, text = self.sample("lines.ndjson")
        self.assert_counts(self.result(text, "ndjson", "dry_run=true"), created=2)
        self.assert_counts(self.result(text, "ndjson"), created=2)
        jug = self.product(f"{word}-jug")
        self.assertEqual((jug["status"], jug["seo"]), ("draft", {"title": "Jugs", "slug": "jug"}))
        self.assertEqual(self.admin.inventory(f"{word}-JUG-W")["stock"], 4)
        self.assert_counts(self.result(text, "ndjson"), unchanged=2)
        # Without a stock there is none to be set; with one, it is.
        bare = json.dumps({"id": f"{word}-cup", "name": "Cup", "price_minor": 700, "currency": "EUR",
                           "variants": [{"sku": f"{word}-CUP"}]})
        self.assert_counts(self.result(bare, "ndjson", "stock=set"), unchanged=1)
        self.assertEqual(self.admin.inventory(f"{word}-CUP")["available"], 9)
        nine = bare.replace(f'"{word}-CUP"', f'"{word}-CUP", "stock": 3')
        self.assert_counts(self.result(nine, "ndjson", "stock=set"), updated=1)
        self.assertEqual(self.admin.inventory(f"{word}-CUP")["available"], 3)

    def test_what_a_line_leaves_out_is_gone(self):
        word, text = self.sample("lines.ndjson")
        self.result(text, "ndjson")
        line = json.dumps({"id": f"{word}-jug", "name": "Jug", "price_minor": 1900, "currency": "EUR",
                           "variants": [{"sku": f"{word}-JUG-W"}]})
        self.assert_counts(self.result("\ufeff" + line + "\r\n", "ndjson"), updated=1)
        jug = self.product(f"{word}-jug")
        self.assertEqual((jug["tags"], jug["status"], len(jug["variants"])), ([], "active", 1))
        self.assertEqual(self.admin.inventory(f"{word}-JUG-B")["sku"], f"{word}-JUG-B")

    def test_bad_lines_are_named(self):
        word = new_key()[:8]
        good = {"name": "x", "price_minor": 1, "currency": "EUR"}
        lines = [
            json.dumps({**good, "id": f"{word}-1", "sku": f"{word}-1", "stock": 1}),
            "{",
            "[]",
            json.dumps({**good, "id": f"{word}-2", "sku": f"{word}-1", "stock": 1}),
            json.dumps({**good, "id": f"{word}-1", "sku": f"{word}-3", "stock": 1}),
            json.dumps({"id": f"{word}-4", "colour": "red"}),
            json.dumps({**good, "price_minor": -1, "sku": f"{word}-5", "stock": -1}),
            json.dumps({**good, "sku": f"{word}-6", "stock": 1, "description": "x" * 200000}),
            json.dumps({**good, "sku": f"{word}-7", "stock": 1, "name": "4111 1111 1111 1111"}),
        ]
        data = "\n".join(lines).encode() + b'\n{"name":"\xe9"}\n\n' + json.dumps(
            {**good, "sku": f"{word}-8", "stock": 1}).encode()
        for parameters in ("dry_run=true", ""):
            result = self.result(data, "ndjson", parameters)
            self.assert_counts(result, created=2, rejected=9)
            self.assertEqual(sorted({row for row, _ in self.told(result)}), [2, 3, 4, 5, 6, 7, 8, 9, 10])
            fields = dict(self.told(result))
            self.assertEqual((fields[4], fields[5], fields[8]), ("variants[0].sku", "id", "line"))
            self.assertIn("Latin-1", [e["message"] for e in result["errors"] if e["row"] == 10][0])
        self.assertEqual(self.product(f"{word}-8")["id"], f"{word}-8")

    def test_calls_that_cannot_be(self):
        for target, media in (("?format=ndjson", "text/csv"), ("?format=csv", "application/x-ndjson"),
                              ("?format=shopify-csv", "application/x-ndjson"), ("?format=bulk", "text/csv")):
            answer = self.admin.call("POST", f"/v1/admin/import{target}", b"{}", headers=[("Content-Type", media)])
            self.assert_problem_field(answer, "format")
        answer = self.admin.call("POST", "/v1/admin/import?map=name%3Dx", b"{}",
                                 headers=[("Content-Type", "application/x-ndjson")])
        self.assert_problem_field(answer, "map")
        for name, field in (("format=xml", "format"), ("index=A", "index"), ("format=csv&index=a", "index"),
                            ("format=bulk&index=-a", "index"), ("colour=red", "colour")):
            self.assert_problem_field(self.admin.call("GET", f"/v1/admin/export?{name}"), field)


class Bad(FileTest):
    HEADER = "sku,name,description,price,currency,stock\n"

    def test_other_encodings_are_named(self):
        text = self.HEADER + "A,Café,,1,EUR,1\n"
        for data, word in (
            (text.encode("utf-16"), "UTF-16"),
            (text.encode("utf-16-be"), "UTF-16 (big-endian)"),
            (text.encode("utf-16-le"), "UTF-16 (little-endian)"),
            (text.encode("utf-32"), "UTF-32"),
            (gzip.compress(text.encode()), "gzip"),
            (b"PK\x03\x04" + bytes(40), "spreadsheet"),
        ):
            for format in FORMATS:
                answer = self.send(data, format, expect=422).json()
                self.assertEqual(answer["errors"][0]["field"], "body")
                self.assertIn(word, answer["errors"][0]["message"])
        result = self.result(text.encode("latin-1"), "csv")
        self.assertEqual(self.told(result), [(2, "name")])
        self.assertIn("Latin-1", result["errors"][0]["message"])
        windows = text.replace("Café", "“Café”").encode("cp1252")
        self.assertIn("Windows-1252", self.result(windows, "csv")["errors"][0]["message"])
        header = text.replace("name", "näme").encode("latin-1")
        answer = self.send(header, "csv", expect=422).json()
        self.assertEqual(answer["errors"][0]["field"], "header")

    def test_line_ends(self):
        word = new_key()[:8]
        rows = [f"{word}-{n},Thing,,1,EUR,1" for n in range(3)]
        crlf = (self.HEADER + "\n".join(rows)).replace("\n", "\r\n")
        self.assert_counts(self.result("\ufeff" + crlf, "csv"), created=3)
        answer = self.send(crlf.replace("\r\n", "\r"), "csv", expect=422).json()
        self.assertIn("CR", answer["errors"][0]["message"])

    def test_cells_of_ten_megabytes(self):
        word = new_key()[:8]
        big = "x" * 10_000_000
        for cell in (big, f'"{big}"', '"' + "\n" * 10_000_000 + '"'):
            result = self.result(f"{self.HEADER}{word}-1,A,{cell},1,EUR,1\n{word}-2,B,,1,EUR,1\n", "csv", "dry_run=true")
            self.assert_counts(result, created=1, rejected=1)
            self.assertEqual(self.told(result), [(2, "row")])
        line = json.dumps({"id": word, "name": big})
        result = self.result(line + "\n" + line[:5], "ndjson")
        self.assertEqual(self.told(result), [(1, "line"), (2, "line")])

    def test_broken_quotes(self):
        word = new_key()[:8]
        text = f'{self.HEADER}{word}-1,a"b,,1,EUR,1\n{word}-2,"a"b,,1,EUR,1\n{word}-3,ok,,1,EUR,1\n{word}-4,"open,,1,EUR,1\n'
        result = self.result(text, "csv")
        self.assert_counts(result, created=1, rejected=3)
        self.assertEqual(self.told(result), [(2, "row"), (3, "row"), (5, "row")])

    def test_html_is_kept_as_it_is(self):
        word = new_key()[:8]
        text = f'{self.HEADER}{word},A,"<script>alert(1)</script><p onclick=x>hi</p>",1,EUR,1\n'
        self.assert_counts(self.result(text, "csv"), created=1)
        self.assertIn("<script>", self.product(word)["description"])

    def test_categories_need_not_exist_but_must_be_paths(self):
        word = new_key()[:8]
        header = "sku,name,price,currency,category\n"
        good = f"{header}{word},A,1,EUR,Never > Seen > Before\n"
        self.assert_counts(self.result(good, "csv"), created=1)
        deep = " > ".join("abcdefghi")
        result = self.result(f"{header}{word}-1,A,1,EUR,{deep}\n{word}-2,A,1,EUR,A >  > B\n{word}-3,A,1,EUR,{'x' * 101}\n",
                             "csv")
        self.assertEqual(self.told(result), [(2, "category"), (3, "category"), (4, "category")])


class Doubles(FileTest):
    def test_skus_that_are_filled_in_later(self):
        """The shop had none and got made ones: other SKUs for the same options are no new variants."""
        word = new_key()[:8]
        text = ("Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,Variant Price\n"
                f"{word},T,Size,S,@S,10,1\n{word},,,M,@M,10,1\n")
        self.assert_counts(self.result(text.replace("@S", "").replace("@M", ""), "shopify-csv",
                                       "map=currency:%3DEUR"), created=2)
        before = self.product(word)
        result = self.result(text.replace("@", word + "-NEW-"), "shopify-csv")
        self.assertEqual((result["rejected"], self.told(result)), (2, [(2, "sku"), (3, "sku")]))
        self.assertEqual(self.product(word), before)


class Bounds(FileTest):
    def test_an_image_told_again_and_again(self):
        """Rows that add nothing count, too: a product has so many rows, and no more."""
        word = new_key()[:8]
        head = "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price,Image Src\n"
        first = f"{word},Tee,{word}-A,1,2.00,https://img.example/a.jpg\n"
        image = f"{word},,,,,https://img.example/a.jpg\n"
        last = f"{word},,{word}-B,1,3.00,\n"
        result = self.result(head + first + 300 * image + last, "shopify-csv", "map=currency:%3DEUR")
        self.assertEqual(result["rejected"], 302 - 120)
        self.assertEqual(set(self.told(result)), {(row, "product") for row in range(122, 222)})
        self.assertEqual([v["sku"] for v in self.product(word)["variants"]], [f"{word}-A"])

    def test_an_option_called_sku(self):
        word = new_key()[:8]
        self.admin.call("POST", "/v1/admin/products", {
            "id": word, "name": "Odd", "price_minor": 5, "currency": "EUR", "variants": [
                {"sku": f"{word}-{colour}", "options": {"sku": colour}, "stock": stock}
                for colour, stock in (("red", 7), ("blue", 9))]}, expect=201)
        line = next(line for line in self.export("ndjson").decode().splitlines() if f'"id":"{word}"' in line)
        self.assertEqual([(v["sku"], v["stock"], v["options"]) for v in json.loads(line)["variants"]],
                         [(f"{word}-red", 7, {"sku": "red"}), (f"{word}-blue", 9, {"sku": "blue"})])
        self.assert_counts(self.result(line + "\n", "ndjson"), unchanged=1)


class RoundTrips(FileTest):
    """A server each: a file holds the whole shop."""

    slow = True

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        super().setUp()

    # What a cell can hardly say, and what a spreadsheet would run.
    ODD = [
        {"id": "odd-1", "name": " =SUM(A1) ", "description": "@me\r\n+1", "brand": "'quoted", "tags": ["a, b", "c|d", "-e"],
         "category": "Home > Kitchen, Garden & Pets", "images": ["", "https://x.example/1", {"url": "https://x.example/1", "alt": "again"},
                                                              {"url": "=2", "alt": "'+x"}],
         "seo": {"title": "'=t", "slug": "a-b"}, "limit_per_customer": 2,
         "variants": [{"sku": "-ODD-1", "options": {"Title": "Default Title"}, "price_minor": 5, "stock": 3, "weight_grams": 1},
                      {"sku": "ODD-2", "options": {"Title": "Big", "=n": "\t-v", "empty": ""}, "price_minor": 1205, "stock": 0}]},
        {"id": "odd-2", "name": "''@x", "price_minor": 1200, "currency": "JPY", "sku": ":ODD-3", "stock": 1, "status": "archived"},
        {"id": "odd-3", "name": '"', "price_minor": 1, "currency": "KWD", "sku": "ODD-4", "stock": 1, "status": "draft",
         "variants": None},
        {"id": "odd-4", "name": "Price of its own", "price_minor": 999,
         "variants": [{"sku": "ODD-5", "options": {}, "price_minor": 100, "stock": 2}]},
    ]

    def fill(self):
        self.assert_counts(self.result(self.sample("shopify-old.csv")[1], "shopify-csv", query("currency:=EUR")), created=6)
        self.assert_counts(self.result(self.sample("generic.csv")[1], "csv"), created=4)
        self.assert_counts(self.result(self.sample("lines.ndjson")[1], "ndjson"), created=2)
        for product in self.ODD:
            body = {"price_minor": 5, "currency": "EUR", **product}
            self.admin.call("POST", "/v1/admin/products", {k: v for k, v in body.items() if v is not None}, expect=201)
        # A variant that is gone from its product is in no file, and stays gone.
        product = dict(self.ODD[0], price_minor=5, currency="EUR")
        more = {**product, "id": "odd-5", "name": "Had two", "variants": [
            {"sku": "GONE-1", "options": {}, "price_minor": 5, "stock": 1}, {"sku": "GONE-2", "options": {}, "price_minor": 5, "stock": 1}]}
        self.admin.call("POST", "/v1/admin/products", more, expect=201)
        less = {**more, "variants": more["variants"][:1]}
        self.admin.call("PUT", "/v1/admin/products/odd-5", less, expect=200)

    def all_products(self, admin=None):
        return {p["id"]: p for p in (admin or self.admin).pages("/v1/admin/products?limit=100")}

    def test_an_export_imported_again_changes_nothing(self):
        self.fill()
        before = self.all_products()
        files = {format: self.export(format) for format in FORMATS}
        for format, data in files.items():
            rows = len(list(csv.reader(io.StringIO(data.decode(), newline="")))) - 1 if format != "ndjson" else data.count(b"\n")
            for parameters in ("dry_run=true", "", "stock=set"):
                with self.subTest(format=format, parameters=parameters):
                    result = self.result(data, format, parameters)
                    self.assert_counts(result, unchanged=rows)
                    self.assertEqual(self.all_products(), before)
            self.assertEqual(self.export(format), data)
        self.assertNotIn(b"GONE-2", b"".join(files.values()))
        for format in ("csv", "shopify-csv"):
            for row in csv.reader(io.StringIO(files[format].decode(), newline="")):
                for cell in row:
                    self.assertFalse(cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell)

    def test_an_export_makes_the_same_shop_elsewhere(self):
        self.fill()
        before = self.all_products()
        for format in FORMATS:
            other = Server()
            self.addCleanup(other.stop)
            admin = other.admin()
            self.assertEqual(self.result(self.export(format), format, admin=admin)["rejected"], 0)
            after = self.all_products(admin)
            for name, product in before.items():
                if format != "ndjson" and name.startswith("odd-") or format == "shopify-csv" and name.endswith("-jug"):
                    continue # cells cannot say all of them
                for each in (product, after[name]):
                    each.pop("updated_at", None)
                self.assertEqual(after[name], product)
            self.assertEqual(set(after), set(before))
            again = self.result(self.export(format, admin=admin), format, admin=admin)
            self.assertEqual((again["created"], again["updated"], again["rejected"]), (0, 0, 0))

    def test_lines_for_search_engines(self):
        self.fill()
        lines = [json.loads(line) for line in self.export("bulk", parameters="&index=shop-1").decode().splitlines()]
        products = self.all_products()
        seen = {}
        while lines:
            action = lines.pop(0)
            (verb, name), = action.items()
            self.assertEqual(name["_index"], "shop-1")
            seen[name["_id"]] = (verb, lines.pop(0) if verb == "index" else None)
        self.assertEqual(set(seen), set(products))
        for name, (verb, document) in seen.items():
            product = products[name]
            self.assertEqual(verb, "index" if product["status"] == "active" else "delete")
            if document is None:
                continue
            self.assertEqual((document["id"], document["name"], document["brand"]), (name, product["name"], product["brand"]))
            names = product["category"].split(" > ") if product["category"] else []
            self.assertEqual(document["category_path"], [" > ".join(names[: n + 1]) for n in range(len(names))])
            self.assertEqual(len(document["variants"]), len(product["variants"]))
            available = [self.admin.inventory(v["sku"])["available"] for v in product["variants"]]
            self.assertEqual([v["available"] for v in document["variants"]], available)
            self.assertEqual((document["in_stock"], document["available"]), (sum(available) > 0, sum(available)))
        pan = next(document for name, (_, document) in seen.items() if name.endswith("-pan"))
        self.assertEqual((pan["price"], pan["price_max"], pan["currency"]), (79.0, 89.0, "EUR"))

    def test_a_slow_reader_costs_no_memory_and_gets_all(self):
        line = '{{"id":"p{0}","name":"Thing {0}","description":"{1}","price_minor":1,"currency":"EUR","sku":"P{0}","stock":1}}\n'
        self.result("".join(line.format(n, "x" * 9000) for n in range(2000)), "ndjson")
        with self.server.wire() as wire:
            wire.send(f"GET /v1/admin/export?format=ndjson HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.server.admin_key}\r\n\r\n".encode())
            time.sleep(1.0)
            page = self.server.anonymous().call("GET", "/metrics", expect=200).body.decode()
            held = [line.split() for line in page.splitlines() if "http_buffer_bytes" in line and line[0] != "#"]
            self.assertTrue(held)
            self.assertLess(sum(float(words[-1]) for words in held), 4 << 20) # of 18 MB
        whole = self.export("ndjson")
        self.assertEqual(whole.count(b"\n"), 2000)


class Concurrency(FileTest):
    def test_a_change_beside_an_import_is_not_lost(self):
        """Staff change the names while files change the prices: at the end both stand."""
        word = new_key()[:8]
        text = "sku,name,price,currency,stock\n" + "".join(f"{word}-{n},Old,1.00,EUR,1\n" for n in range(40))
        self.result(text, "csv")
        stop = threading.Event()
        failures = []

        def rename():
            admin = self.server.admin()
            for round_number in range(6):
                for n in range(40):
                    for _ in range(100):
                        answer = admin.call("PATCH", f"/v1/admin/products/{word}-{n}",
                                            {"brand": f"Round {round_number}"})
                        if answer.status != 503:  # other tests keep the server busy
                            break
                        time.sleep(0.05)
                    if answer.status != 200:
                        failures.append(answer.body)
            stop.set()

        thread = threading.Thread(target=rename)
        thread.start()
        price = 100
        while not stop.is_set():
            price += 1
            result = self.result("sku,price_minor\n" + "".join(f"{word}-{n},{price}\n" for n in range(40)), "csv")
            self.assert_counts(result, updated=40)
        thread.join()
        self.assertEqual(failures, [])
        for n in range(40):
            product = self.product(f"{word}-{n}")
            self.assertEqual((product["brand"], product["price_minor"]), ("Round 5", price))


class SharedFiles(FileTest):
    """The catalogues that this project is measured with; a server each."""

    slow = True

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        super().setUp()

    def assert_round_trips(self, rows, products):
        for format in FORMATS:
            data = self.export(format)
            result = self.result(data, format)
            self.assertEqual((result["created"], result["updated"], result["rejected"]), (0, 0, 0))
            self.assertEqual(result["unchanged"], products if format == "ndjson" else rows)
            self.assertEqual(self.export(format), data)

    def test_shopify_apparel(self):
        if not APPAREL.is_file():
            self.skipTest("../shared/data/shopify-apparel.csv is not there")
        text = APPAREL.read_text(encoding="utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        result = self.result(text, "shopify-csv")
        self.assert_counts(result, created=len(rows))
        self.assert_counts(self.result(text, "shopify-csv"), unchanged=len(rows))
        top = self.product("classic-varsity-top")
        self.assertEqual([v["sku"] for v in top["variants"]],
                         [f"classic-varsity-top-{size}" for size in ("Small", "Medium", "Large")])
        self.assertEqual((top["price_minor"], top["brand"], top["status"]), (6000, "partners-demo", "active"))
        self.assertEqual(self.guest.available("ocean-blue-shirt"), 1)
        self.assert_round_trips(len(rows), len({row["Handle"] for row in rows}))

    def test_catalogue_of_27_thousand_products(self):
        if not LARGE.is_file():
            self.skipTest("../shared/data/catalog-27k.csv is not there")
        mapping = [entry for entry in LARGE_MAP if not entry.startswith("category")]
        mapping += ["category=category", "category=sub_category", "category=type"]
        rows = list(csv.DictReader(io.StringIO(LARGE.read_text(encoding="utf-8"), newline="")))
        result = self.result(LARGE.read_bytes(), "csv", query(*mapping))
        self.assert_counts(result, created=len(rows) - 1, rejected=1)
        self.assertEqual(self.product("1")["category"], "Beauty & Hygiene > Hair Care > Hair Oil & Serum")
        self.assert_round_trips(len(rows) - 1, len(rows) - 1)


class CommandLine(FileTest):
    def run_for(self, command, *arguments, **options):
        host, port = self.server.address
        return run_cli(command, *arguments, "--target", f"http://{host}:{port}",
                       "--admin-key-file", self.server.key_file, **options)

    def test_formats_are_guessed(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, sample, word in (("a.csv", "shopify-new.csv", "shopify-csv"), ("b.csv", "generic.csv", "(csv)"),
                                       ("c.jsonl", "lines.ndjson", "ndjson"), ("d", "lines.ndjson", "ndjson")):
                path = Path(folder) / name
                path.write_text(self.sample(sample)[1])
                done = self.run_for("import", str(path))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(word, done.stdout)
                self.assertEqual(done.stderr, "") # no bar: this is no terminal

    def test_errors_and_warnings_are_tables(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bad.csv"
            path.write_text("sku,name,price,currency,inventory_policy\n" + f"{new_key()[:8]},A,1,EUR,continue\nx y,B,1,EUR,\n")
            done = self.run_for("import", str(path))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("1 created, 0 updated, 0 unchanged, 1 rejected, 1 warnings", done.stdout)
            self.assertRegex(done.stdout, r"\n +row  field +was rejected: it\n +3  sku +must be 1 to 64")
            self.assertRegex(done.stdout, r"\n +2  inventory_policy  is continue")

    def test_export_to_a_file_and_back(self):
        self.result(self.sample("generic.csv")[1], "csv")
        with tempfile.TemporaryDirectory() as folder:
            for name in ("all.csv", "all.ndjson"):
                path = Path(folder) / name
                done = self.run_for("export", str(path))
                self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
                self.assertEqual([p.name for p in Path(folder).glob("*.part")], [])
                self.assertIn(b"Copper Pan", path.read_bytes())
            refused = self.run_for("import", str(path), "--format", "bulk")
            self.assertEqual(refused.returncode, 2)
            lost = self.run_for("export", str(Path(folder) / "no" / "such"))
            self.assertEqual((lost.returncode, lost.stdout), (2, ""))
        printed = self.run_for("export", "--format", "bulk")
        self.assertEqual(printed.returncode, 0)
        self.assertIn('{"index":{"_index":"products"', printed.stdout)
