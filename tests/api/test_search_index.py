# SPDX-License-Identifier: Apache-2.0
"""The search's index, as staff see it: it follows the products, is made anew beside the one in use, and is there again
after a stop, used as it was closed, and after a kill, made anew."""
from browsing import wait_for_search
from harness import ApiTest, Server, new_key, wait_until

STATE = "/v1/admin/search"
SOON_S = 1.0
BUILT_S = 30.0


class SearchIndex(ApiTest):
    def setUp(self):
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.begin()

    def begin(self):
        self.admin, self.shopper = self.server.admin(), self.server.anonymous()
        wait_for_search(self.shopper, BUILT_S)

    def again(self):
        self.server.restart()
        self.begin()

    def state(self):
        return self.admin.call("GET", STATE, expect=200).json()

    def make(self, name):
        product = {"id": new_key()[:12], "name": name, "price_minor": 100, "currency": "EUR"}
        product["variants"] = [{"sku": product["id"] + "-0", "options": {}, "stock": 5}]
        self.admin.call("POST", "/v1/admin/products", product, expect=201)
        return product["id"]

    def found(self, words):
        listing = self.shopper.call("GET", "/v1/products?q=" + words.replace(" ", "+"), expect=200).json()
        return [product["name"] for product in listing["data"]]

    def wait_found(self, name, seconds=SOON_S):
        wait_until(lambda: name in self.found(name), seconds, f"{name} is found")

    def test_it_follows_and_is_made_anew_beside_the_one_in_use(self):
        self.make("Walnut Desk")
        self.wait_found("Walnut Desk")
        wait_until(lambda: self.state()["waiting"] == 0, SOON_S, "nothing waits")
        before = self.state()
        self.assertEqual((before["ready"], before["products"], before["behind_ms"]), (True, 1, 0))
        self.admin.call("POST", STATE + "/rebuild", expect=202)
        number = 0
        while self.state()["builds"] == before["builds"] and number < 1000:
            self.assertEqual(self.found("walnut desk"), ["Walnut Desk"])
            number += 1
        wait_until(lambda: self.state()["builds"] > before["builds"], BUILT_S, "it is built")
        self.assertEqual(self.found("walnut desk"), ["Walnut Desk"])
        figures = self.shopper.call("GET", "/metrics", expect=200).body.decode()
        self.assertIn("\nstampede_search_products 1\n", figures)
        self.assertIn("\nstampede_search_waiting 0\n", figures)

    def test_what_is_archived_leaves_it(self):
        target = "/v1/admin/products/" + self.make("Walnut Desk")
        self.make("Walnut Chair")
        self.wait_found("Walnut Desk")
        self.wait_found("Walnut Chair")
        self.admin.call("DELETE", target, expect=204)
        wait_until(lambda: self.state()["products"] == 1, SOON_S, "it has left")
        self.assertEqual(self.found("walnut"), ["Walnut Chair"])

    def test_the_next_start_uses_what_was_closed_and_builds_what_was_not(self):
        self.make("Walnut Desk")
        self.wait_found("Walnut Desk")
        self.assertEqual(self.server.stop(), 0)
        self.again()
        self.assertEqual(self.state()["builds"], 0)
        self.assertEqual(self.found("walnut desk"), ["Walnut Desk"])
        self.make("Oak Desk")
        self.server.kill()
        self.again()
        self.assertEqual(self.state()["builds"], 1)
        self.assertEqual(sorted(self.found("desk")), ["Oak Desk", "Walnut Desk"])

    def test_without_a_search(self):
        self.server.stop()
        self.server.flags += ["--search", "off"]
        self.server.restart()
        admin = self.server.admin()
        self.assertEqual(admin.call("GET", STATE, expect=404).code, "not_found")
        self.assertEqual(admin.call("POST", STATE + "/rebuild", expect=404).code, "not_found")
        self.assertNotIn("stampede_search_", self.server.anonymous().call("GET", "/metrics", expect=200).body.decode())
