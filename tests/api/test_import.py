# SPDX-License-Identifier: Apache-2.0
"""Import of generic CSV: mapping, repeats, stock, and rows that cannot be taken."""
import csv
import io
import time
import urllib.parse
from pathlib import Path

import harness
from harness import ROOT, ApiTest, Server, new_key

SAMPLE = ROOT / "data" / "sample-catalogue.csv"
LARGE = ROOT.parent / "shared" / "data" / "catalog-27k.csv"
# The file has neither SKU nor stock nor currency columns: the mapping supplies them.
LARGE_MAP = (
    "sku=index",
    "name=product",
    "price=sale_price",
    "price_unit:=major",
    "currency:=INR",
    "stock:=100",
    "category=category",
    "brand=brand",
)


def query(*mapping, **parameters):
    pairs = list(parameters.items()) + [("map", entry) for entry in mapping]
    return "?" + urllib.parse.urlencode(pairs)


class ImportTest(ApiTest):
    def result(self, text, parameters="", **options):
        options.setdefault("expect", 200)
        return self.admin.import_csv(text, parameters, **options).json()

    def assert_counts(self, result, **expected):
        counts = {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0, **expected}
        self.assertEqual({name: result[name] for name in counts}, counts, result)


class Rows(ImportTest):
    HEADER = "product,sku,name,price,currency,stock\n"

    def rows(self, count=3, stock=5, price="10.00", name="Thing"):
        unique = new_key()[:10]
        skus = [f"R-{unique}-{index}" for index in range(count)]
        text = self.HEADER
        for sku in skus:
            text += f"{sku.lower()},{sku},{name},{price},EUR,{stock}\n"
        return text, skus

    def test_create_then_unchanged_then_updated(self):
        text, skus = self.rows()
        self.assert_counts(self.result(text, "?format=csv"), created=3)
        self.assertEqual([self.guest.available(sku) for sku in skus], [5, 5, 5])
        self.assert_counts(self.result(text), unchanged=3)
        dearer = text.replace("10.00", "12.50")
        self.assert_counts(self.result(dearer), updated=3)
        product = self.admin.call(
            "GET", f"/v1/admin/products/{skus[0].lower()}", expect=200
        ).json()
        self.assertEqual(product["variants"][0]["price_minor"], 1250)
        self.assertEqual(product["currency"], "EUR")

    def test_weights(self):
        unique = new_key()[:10]
        text = "product,sku,name,price,currency,stock,weight_grams\n"
        text += "".join(f"w-{unique},W-{unique}-{number},Pan,1,EUR,1,{weight}\n"
                        for number, weight in enumerate(("750", "", "0", "1 kg")))
        result = self.result(text)
        self.assert_counts(result, created=3, rejected=1)
        self.assertEqual(result["errors"][0]["field"], "weight_grams")
        product = self.admin.call("GET", f"/v1/admin/products/w-{unique}", expect=200).json()
        self.assertEqual([variant.get("weight_grams") for variant in product["variants"]], [750, 750, None])
        self.assert_counts(self.result(text), unchanged=3, rejected=1)

    def test_dry_run_changes_nothing(self):
        text, skus = self.rows()
        self.assert_counts(self.result(text, "?dry_run=true"), created=3)
        self.admin.call("GET", f"/v1/admin/inventory/{skus[0]}", expect=404)
        self.assert_counts(self.result(text), created=3)
        dearer = text.replace("10.00", "12.50")
        self.assert_counts(self.result(dearer, "?dry_run=true&stock=set"), updated=3)
        product = self.admin.call("GET", f"/v1/admin/products/{skus[0].lower()}").json()
        self.assertEqual(product["price_minor"], 1000)

    def test_stock_of_known_skus(self):
        text, skus = self.rows(count=1, stock=5)
        sku = skus[0]
        self.result(text)
        self.guest.hold(sku, 2)
        nine = text.replace("EUR,5", "EUR,9")
        self.assert_counts(self.result(nine), unchanged=1)
        self.assertEqual(self.guest.available(sku), 3)
        self.assert_counts(self.result(nine, "?stock=keep"), unchanged=1)
        self.assertEqual(self.guest.available(sku), 3)
        self.assert_counts(self.result(nine, "?stock=set"), updated=1)
        books = self.admin.inventory(sku)
        self.assertEqual((books["available"], books["reserved"], books["stock"]), (9, 2, 11))
        self.assert_counts(self.result(nine, "?stock=set"), unchanged=1)
        self.assert_counts(self.result(nine, "?stock=add"), updated=1)
        self.assertEqual(self.guest.available(sku), 18)
        none = text.replace("EUR,5", "EUR,0")
        self.assert_counts(self.result(none, "?stock=set"), updated=1)
        self.assertEqual(self.admin.inventory(sku)["available"], 0)
        self.guest.reserve(sku, expect=409, code="sold_out")

    def test_bad_rows_are_named_and_the_others_taken(self):
        unique = new_key()[:10]
        lines = [
            ("good", f"{unique}-a", "Good", "1.00", "EUR", "1", None),
            ("noname", f"{unique}-b", "", "1.00", "EUR", "1", "name"),
            ("badprice", f"{unique}-c", "X", "one", "EUR", "1", "price"),
            ("negative", f"{unique}-d", "X", "-1.00", "EUR", "1", "price"),
            ("digits", f"{unique}-e", "X", "1.001", "EUR", "1", "price"),
            ("huge", f"{unique}-f", "X", "99999999999999999999.00", "EUR", "1", "price"),
            ("currency", f"{unique}-g", "X", "1.00", "euro", "1", "currency"),
            ("stock", f"{unique}-h", "X", "1.00", "EUR", "many", "stock"),
            ("minus", f"{unique}-i", "X", "1.00", "EUR", "-1", "stock"),
            ("half", f"{unique}-j", "X", "1.00", "EUR", "0.5", "stock"),
            ("nosku", "", "X", "1.00", "EUR", "1", "sku"),
            ("badsku", "a b", "X", "1.00", "EUR", "1", "sku"),
            ("longsku", "x" * 65, "X", "1.00", "EUR", "1", "sku"),
            ("good2", f"{unique}-k", "Good", "1.00", "EUR", "1", None),
        ]
        target = io.StringIO()
        csv.writer(target).writerows([self.HEADER.strip().split(",")] + [line[:6] for line in lines])
        bad = {row: line[6] for row, line in enumerate(lines, start=2) if line[6]}
        for parameters in ("?dry_run=true", ""):
            result = self.result(target.getvalue(), parameters)
            self.assert_counts(result, created=2, rejected=len(bad))
            told = {error["row"]: error["field"] for error in result["errors"]}
            self.assertEqual(told, bad)
            for error in result["errors"]:
                self.assertTrue(error["message"])
        self.assertEqual(self.guest.available(f"{unique}-k"), 1)
        self.admin.call("GET", f"/v1/admin/inventory/{unique}-c", expect=404)

    def test_a_row_of_another_length_is_rejected(self):
        text, skus = self.rows()
        lines = text.splitlines()
        lines[2] += ",surplus"
        result = self.result("\n".join(lines) + "\n")
        self.assert_counts(result, created=2, rejected=1)
        self.assertEqual(result["errors"][0]["row"], 3)

    def test_a_sku_of_another_product_is_rejected(self):
        taken = self.admin.create_sku()
        text = self.HEADER + f"other-{taken.lower()},{taken},Thief,1.00,EUR,1\n"
        result = self.result(text)
        self.assert_counts(result, rejected=1)
        self.assertEqual((result["errors"][0]["row"], result["errors"][0]["field"]), (2, "sku"))

    def test_a_dry_run_tells_of_skus_that_the_file_gives_twice(self):
        unique = new_key()[:10]
        text = self.HEADER + "".join(
            f"{unique}-{product},{unique}-{sku},Thing,1.00,EUR,1\n"
            for product, sku in (("p", "A"), ("q", "A"), ("q", "B"), ("r", "C"), ("r", "C"))
        )
        told = []
        for parameters in ("?dry_run=true", ""):
            result = self.result(text, parameters)
            self.assert_counts(result, created=3, rejected=2)
            told.append(result["errors"])
        self.assertEqual(told[0], told[1])
        self.assertEqual([(e["row"], e["field"]) for e in told[0]], [(3, "sku"), (6, "sku")])

    def test_what_is_quoted_in_a_bad_row_is_no_row(self):
        unique = new_key()[:10]
        head = "sku,name,description,price,currency,stock\n"
        for name, text in (("zero", "text\0 more"), ("long", "x" * 70000)):
            with self.subTest(name=name):
                result = self.result(
                    f'{head}{unique}-{name}-1,Good,"{text}\n{unique}-evil,Evil,injected,0.01,EUR,500\n'
                    f'rest",10.00,EUR,5\n{unique}-{name}-2,Next,x,2.00,EUR,1\n'
                )
                self.assert_counts(result, created=1, rejected=1)
                self.assertEqual((result["errors"][0]["row"], result["errors"][0]["field"]), (2, "row"))
        self.admin.call("GET", f"/v1/admin/inventory/{unique}-evil", expect=404)

    def test_quoting_line_ends_and_byte_order_mark(self):
        unique = new_key()[:10]
        rows = [
            f'{unique}-1,"Comma, and ""quote""",1.00',
            f'{unique}-2,"Two\nlines",1.00',
            f"{unique}-3,Plain ünïcödé 靴,1.00",
        ]
        mapping = query("currency:=EUR", "stock:=2")
        for index, (mark, end) in enumerate((("", "\n"), ("\ufeff", "\r\n"))):
            text = mark + end.join(["sku,name,price"] + rows) + end
            counts = {"created": 3} if index == 0 else {"unchanged": 3}
            self.assert_counts(self.result(text, mapping), **counts)
        products = {p["variants"][0]["sku"]: p for p in self.admin.pages("/v1/admin/products?limit=100")}
        self.assertEqual(products[f"{unique}-1"]["name"], 'Comma, and "quote"')
        self.assertEqual(products[f"{unique}-3"]["name"], "Plain ünïcödé 靴")

    def test_last_line_without_its_end(self):
        text, skus = self.rows()
        self.assert_counts(self.result(text.rstrip("\n")), created=3)
        self.assertEqual(self.guest.available(skus[2]), 5)

    def test_header_alone_is_an_empty_import(self):
        self.assert_counts(self.result(self.HEADER))

    def test_mapping_by_repeats_and_by_commas(self):
        for style in ("repeat", "comma"):
            with self.subTest(style=style):
                unique = new_key()[:10]
                text = f"Artikel,Titel,Preis,Lager\n{unique},Tasse,1200,7\n"
                mapping = (
                    "sku=Artikel",
                    "name=Titel",
                    "price_minor=Preis",
                    "stock=Lager",
                    "currency:=JPY",
                    "brand:=Ofenwerk = Co",
                )
                if style == "comma":
                    mapping = (",".join(mapping),)
                self.assert_counts(self.result(text, query(*mapping)), created=1)
                self.assertEqual(self.guest.available(unique), 7)

    def test_decimals_follow_the_currency(self):
        unique = new_key()[:10]
        text = "sku,name,price,currency,stock\n"
        text += f"{unique}-e,x,12.5,EUR,1\n{unique}-j,x,1200,JPY,1\n{unique}-k,x,1.234,KWD,1\n"
        text += f"{unique}-b,x,1200.5,JPY,1\n"
        result = self.result(text)
        self.assert_counts(result, created=3, rejected=1)
        self.assertEqual(result["errors"][0]["row"], 5)
        products = {p["variants"][0]["sku"]: p for p in self.admin.pages("/v1/admin/products?limit=100")}
        prices = [products[f"{unique}-{sign}"]["price_minor"] for sign in "ejk"]
        self.assertEqual(prices, [1250, 1200, 1234])

    def test_calls_that_cannot_be_taken(self):
        text, _ = self.rows(count=1)
        for parameters, field in (
            ("?format=xml", "format"),
            ("?stock=double", "stock"),
            ("?dry_run=maybe", "dry_run"),
            ("?dry_run=true&dry_run=false", "dry_run"),
            ("?map=nonsense", "map"),
            ("?map=colour%3Dname", "map"),
            ("?map=name%3DNoSuchColumn", "map"),
        ):
            with self.subTest(parameters=parameters):
                self.assert_problem_field(self.admin.import_csv(text, parameters), field)
        self.assert_problem_field(self.admin.import_csv("sku,colour\na,b\n"), "")
        self.assert_problem_field(
            self.admin.import_csv("sku,name,price,currency,price\na,b,1,EUR,2\n"), "header"
        )
        headers = [("Content-Type", "application/json")]
        self.admin.call("POST", "/v1/admin/import", b"{}", headers=headers, expect=415)


class Catalogues(ImportTest):
    """A server each: the files' SKUs are fixed."""

    slow = True

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        super().setUp()

    def test_sample_catalogue(self):
        data = SAMPLE.read_bytes()
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        self.assert_counts(self.result(data, "?dry_run=true"), created=len(rows))
        self.assert_counts(self.result(data), created=len(rows))
        self.assert_counts(self.result(data), unchanged=len(rows))
        products = {p["id"]: p for p in self.admin.pages("/v1/admin/products?limit=100")}
        self.assertEqual(set(products), {row["product"] for row in rows})
        for row in rows:
            product = products[row["product"]]
            self.assertEqual(product["name"], row["name"])
            self.assertEqual(product["description"], row["description"])
            self.assertEqual(product["category"], row["category"])
            self.assertEqual(product["brand"], row["brand"])
            self.assertEqual(product["tags"], row["tags"].split("|"))
            limit = int(row["limit_per_customer"]) if row["limit_per_customer"] else None
            self.assertEqual(product["limit_per_customer"], limit)
            variant = next(v for v in product["variants"] if v["sku"] == row["sku"])
            self.assertEqual(variant["price_minor"], int(row["price"].replace(".", "")))
            options = {
                row[f"option{n}_name"]: row[f"option{n}_value"]
                for n in (1, 2)
                if row[f"option{n}_name"]
            }
            self.assertEqual(variant["options"], options)
            self.assertEqual(self.guest.available(row["sku"]), int(row["stock"]))

    def test_catalogue_of_27_thousand_products(self):
        if not LARGE.is_file():
            self.skipTest("../shared/data/catalog-27k.csv is not there")
        rows = list(csv.DictReader(io.StringIO(LARGE.read_text(encoding="utf-8"), newline="")))
        bad = [n for n, row in enumerate(rows, start=2) if not row["product"].strip()]
        started = time.monotonic()
        result = self.result(LARGE.read_bytes(), query(*LARGE_MAP))
        seconds = time.monotonic() - started
        self.assert_counts(result, created=len(rows) - len(bad), rejected=len(bad))
        self.assertEqual([(e["row"], e["field"]) for e in result["errors"]], [(n, "name") for n in bad])
        self.assertLess(seconds, 30)
        for index in (0, 1, 777, len(rows) - 1):
            self.assertEqual(self.guest.available(rows[index]["index"]), 100)
        again = self.result(LARGE.read_bytes(), query(*LARGE_MAP))
        self.assert_counts(again, unchanged=len(rows) - len(bad), rejected=len(bad))


class CommandLine(ApiTest):
    """`stampede import FILE`, which sends the file to a running server."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def cli_import(self, *arguments):
        host, port = self.server.address
        return harness.run_cli(
            "import",
            *arguments,
            "--target",
            f"http://{host}:{port}",
            "--admin-key-file",
            self.server.key_file,
        )

    def test_import_of_a_file(self):
        done = self.cli_import(SAMPLE)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = len(list(csv.DictReader(SAMPLE.open(encoding="utf-8", newline=""))))
        self.assertIn(str(rows), done.stdout.replace(",", ""))
        self.assertEqual(self.guest.available("AURORA-RUNNER-42"), 500)

    def test_mapping(self):
        unique = new_key()[:10]
        path = Path(harness.fresh_path("import.csv"))
        path.write_text(f"Artikel,Titel,Preis\n{unique},Tasse,12.00\n", encoding="utf-8")
        mapping = ["sku=Artikel", "name=Titel", "price=Preis", "currency:=EUR", "stock:=7"]
        arguments = [part for entry in mapping for part in ("--map", entry)]
        done = self.cli_import(path, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.guest.available(unique), 7)

    def test_no_such_file(self):
        done = self.cli_import("/nonexistent/file.csv")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent/file.csv", done.stderr)

    def test_no_server(self):
        target = ("--target", "http://127.0.0.1:1", "--admin-key-file", self.server.key_file)
        done = harness.run_cli("import", SAMPLE, *target)
        self.assertEqual(done.returncode, 2)
        self.assertIn("127.0.0.1:1", done.stderr)

    def test_wrong_key(self):
        path = Path(harness.fresh_path("key"))
        path.write_text("0" * 64 + "\n", encoding="ascii")
        path.chmod(0o600)
        host, port = self.server.address
        target = f"http://{host}:{port}"
        done = harness.run_cli("import", SAMPLE, "--target", target, "--admin-key-file", path)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertTrue(done.stderr.strip())

    def test_dry_run(self):
        unique = new_key()[:10]
        path = Path(harness.fresh_path("import.csv"))
        path.write_text(f"sku,name,price,currency,stock\n{unique},X,1.00,EUR,1\n", encoding="utf-8")
        done = self.cli_import(path, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.admin.call("GET", f"/v1/admin/inventory/{unique}", expect=404)

    def test_rejected_rows_show_in_the_exit_status(self):
        path = Path(harness.fresh_path("import.csv"))
        path.write_text("sku,name,price,currency,stock\nX1,,1.00,EUR,1\n", encoding="utf-8")
        done = self.cli_import(path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("name", done.stdout + done.stderr)
