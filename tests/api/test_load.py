# SPDX-License-Identifier: Apache-2.0
"""stampede-load as its users run it; only with `--load`."""
import json
import subprocess
import unittest

import harness
from harness import Server, fresh_path
from test_import import LARGE, LARGE_MAP, SAMPLE, query


def run_load(*arguments, timeout=90):
    return subprocess.run(
        [harness.SETTINGS.load_binary, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Load(unittest.TestCase):
    slow = True

    def setUp(self):
        if harness.SETTINGS.load_binary is None:
            self.skipTest("no --load given")
        self.server = Server()
        self.addCleanup(self.server.stop)
        host, port = self.server.address
        self.target = ("--target", f"http://{host}:{port}", "--admin-key-file", self.server.key_file)

    def test_five_thousand_attempts_for_a_hundred_units(self):
        done = run_load(
            "reserve", *self.target, "--closed", "--connections", 64, "--units", 100, "--requests", 5000, "--json"
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        json.loads(done.stdout)

    def test_spread_over_the_sample(self):
        self.server.admin().import_csv(SAMPLE.read_bytes(), expect=200)
        done = run_load("spread", *self.target, "--rate", 500, "--duration", 2)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_spread_over_27_thousand_products(self):
        if not LARGE.is_file():
            self.skipTest("../shared/data/catalog-27k.csv is not there")
        self.server.admin().import_csv(LARGE.read_bytes(), query(*LARGE_MAP), expect=200)
        done = run_load("spread", *self.target, "--rate", 1000, "--duration", 3)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_readers_of_a_stock_that_changes(self):
        done = run_load("availability", *self.target, "--subscribers", 600, "--duration", 2, "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual((result["open"], result["cut"]), (600, 0))
        self.assertGreater(result["events"], 600 * 5)
        # Somebody else sells it: the readers come to know what is left.
        sku = self.server.admin().create_sku(stock=1000)
        with subprocess.Popen(
            [harness.SETTINGS.load_binary, "availability", *self.target, "--sku", sku]
            + ["--subscribers", "50", "--duration", "3", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as process:
            bought = run_load("reserve", *self.target, "--sku", sku, "--rate", 300, "--duration", 2)
            output = process.communicate(timeout=60)[0]
        self.assertEqual((bought.returncode, process.returncode), (0, 0), bought.stdout + output.decode())

    def test_readers_that_are_not_let_in_are_seen(self):
        server = Server("--streams-max", "20", "--shards", "1")
        self.addCleanup(server.stop)
        host, port = server.address
        target = ("--target", f"http://{host}:{port}", "--admin-key-file", server.key_file)
        done = run_load("availability", *target, "--subscribers", 30, "--duration", 0.5)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("20 of 30, 10 refused, 0 cut", done.stdout)

    def test_a_false_book_is_seen(self):
        """Someone else takes units during the run: answers and books no longer agree, and it says so."""
        sku = self.server.admin().create_sku(stock=1000)
        guest = self.server.guest()
        process = subprocess.Popen(
            [
                *(harness.SETTINGS.load_binary, "reserve", *self.target, "--sku", sku),
                *("--rate", "200", "--duration", "3"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            harness.wait_until(lambda: guest.available(sku) < 990, 10, "the run began")
            guest.hold(sku, 3)
            output = process.communicate(timeout=60)[0]
        finally:
            process.kill()
            process.wait()
        self.assertEqual(process.returncode, 1, output)

    def test_journeys_end_in_paid_orders(self):
        for loop in (("--closed", "--connections", 16), ("--rate", 100, "--products", 3)):
            done = run_load("journey", *self.target, *loop, "--duration", 1.5, "--buyers", 300, "--json")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            result = json.loads(done.stdout)
            confirmed = result["counts"]["confirmed"]
            self.assertGreater(confirmed, 20)
            self.assertEqual(confirmed, result["counts"]["journeys"])
            self.assertEqual(result["revenue_minor"], 4900 * confirmed)
            for call in ("cart", "checkout", "pay", "look"):
                self.assertEqual(result["calls"][call]["done"], confirmed, call)
                self.assertGreater(result["calls"][call]["latency"]["p99_us"], 0)
            self.assertTrue(result["proved"])
            self.assertGreaterEqual(len(result["checks"]), 6)

    def test_journeys_for_less_than_all(self):
        """More buyers than units: who comes too late is told so, and the stock is sold to the last unit."""
        done = run_load("journey", *self.target, "--closed", "--connections", 16, "--units", 40, "--requests", 200)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("  40 orders in ", done.stdout)
        self.assertRegex(done.stdout, r"checkout +409 sold_out +160")

    def test_a_journey_that_someone_undoes_is_seen(self):
        """An order that its buyer saw confirmed is cancelled behind the run's back: the proof says so."""
        admin = self.server.admin()
        sku = admin.create_sku(stock=1000)
        process = subprocess.Popen(
            [
                *(harness.SETTINGS.load_binary, "journey", *self.target, "--sku", sku),
                *("--rate", "20", "--duration", "3", "--buyers", "100"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

        def confirmed():
            return admin.call("GET", "/v1/admin/orders?status=confirmed").json()["data"]

        try:
            harness.wait_until(confirmed, 10, "the run began")
            order = confirmed()[0]["id"]
            admin.call("POST", f"/v1/admin/orders/{order}/cancel", {}, expect=200)
            output = process.communicate(timeout=60)[0].decode()
        finally:
            process.kill()
            process.wait()
        self.assertEqual(process.returncode, 1, output)
        self.assertIn(order, output)

    def test_exit_codes(self):
        self.assertEqual(run_load("nonsense").returncode, 2)
        self.assertEqual(run_load("reserve", *self.target, "--rate", "x").returncode, 2)
        nobody = ("--target", "http://127.0.0.1:1", "--admin-key-file", self.server.key_file)
        self.assertEqual(run_load("reserve", *nobody, "--duration", 1).returncode, 3)
        wrong = fresh_path("key")
        with open(wrong, "w", encoding="ascii") as handle:
            handle.write("0" * 64 + "\n")
        host, port = self.server.address
        forbidden = ("--target", f"http://{host}:{port}", "--admin-key-file", wrong)
        self.assertEqual(run_load("reserve", *forbidden, "--duration", 1).returncode, 4)
