# SPDX-License-Identifier: Apache-2.0
"""The audit log: what staff does is entered, once, with who and where from; what guests do is not."""
import hashlib
import unittest

from harness import ApiTest, Server, new_key


class AuditLog(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()  # of its own: whole logs are counted
        cls.addClassCleanup(cls.server.kill)

    def acts(self, subject):
        return [entry["act"] for entry in self.admin.pages(f"/v1/admin/audit?subject={subject}")]

    def test_what_staff_does_is_told_newest_first(self):
        sku = self.admin.create_sku(stock=10)
        self.admin.adjust(sku, delta=5, reason="delivery")
        self.admin.adjust(sku, delta=-2, reason="damaged")
        self.admin.adjust(sku, delta=-1000, reason="too many", expect=409)
        entries = self.admin.pages(f"/v1/admin/audit?subject={sku}")
        adjusted = [entry for entry in entries if entry["act"] == "stock_adjusted"]
        self.assertEqual([(entry["before"], entry["after"]) for entry in adjusted], [(15, 13), (10, 15)])
        for entry in adjusted:
            self.assertEqual(entry["subject"], {"type": "sku", "id": sku})
            self.assertEqual((entry["caller"], entry["who"]), ("admin_key", None))
            self.assertEqual(entry["network"], "127.0.0.0/24")
        self.assertGreater(adjusted[0]["sequence"], adjusted[1]["sequence"])
        self.assertEqual(len({entry["hash"] for entry in entries}), len(entries))

    def test_a_repeated_adjustment_is_entered_once(self):
        sku, key = self.admin.create_sku(stock=10), new_key()
        for _ in range(3):
            self.admin.adjust(sku, delta=1, reason="once", key=key)
        self.assertEqual(self.acts(sku).count("stock_adjusted"), 1)

    def test_products_are_entered_by_their_id(self):
        product = self.admin.call(
            "POST", "/v1/admin/products",
            {"name": "Audited", "price_minor": 100, "currency": "EUR", "sku": f"AUD-{new_key()[:8]}", "stock": 1},
            expect=201,
        ).json()
        entries = [
            entry for entry in self.admin.pages(f"/v1/admin/audit?subject={product['id']}")
            if entry["subject"]["type"] == "product"
        ]
        self.assertEqual([entry["act"] for entry in entries], ["product_created"])
        self.assertEqual(len(entries[0]["after"]), hashlib.sha256().digest_size * 2)

    def test_reservations_are_entered_for_staff_only(self):
        sku = self.admin.create_sku(stock=10)
        own, released, sold = (self.guest.hold(sku, 1)["id"] for _ in range(3))
        self.guest.release(own, expect=204)
        self.admin.call("DELETE", f"/v1/admin/reservations/{released}", expect=204)
        self.admin.call("DELETE", f"/v1/admin/reservations/{released}", expect=204)
        self.admin.convert(sold, expect=200)
        self.assertEqual(self.acts(own), [])
        self.assertEqual(self.acts(released), ["reservation_released"])
        self.assertEqual(self.acts(sold), ["reservation_converted"])

    def test_pages_and_filters(self):
        skus = [self.admin.create_sku(stock=1) for _ in range(5)]
        for sku in skus:
            self.admin.adjust(sku, delta=1, reason="page")
        everything = self.admin.pages("/v1/admin/audit?limit=100")
        told = [(entry["partition"], -entry["sequence"]) for entry in everything]
        self.assertEqual(told, sorted(set(told)))
        adjusted = {entry["subject"]["id"] for entry in everything if entry["act"] == "stock_adjusted"}
        self.assertLessEqual(set(skus), adjusted)
        self.assertEqual(self.admin.pages("/v1/admin/audit?limit=3"), everything)
        self.assertEqual(self.admin.pages("/v1/admin/audit?who=admin_key&limit=7"), everything)
        self.assertEqual(self.admin.pages("/v1/admin/audit?who=owner"), [])
        # Chains without a hole, from 1.
        for partition in {entry["partition"] for entry in everything}:
            numbers = [entry["sequence"] for entry in everything if entry["partition"] == partition]
            self.assertEqual(numbers, list(range(len(numbers), 0, -1)))

    def test_what_is_not_there_and_what_cannot_be(self):
        self.assertEqual(self.acts("NO-SUCH-THING"), [])
        for query in ("subject=%20", "who=nobody-known", "cursor=x", "cursor=9999.1", "cursor=1", "sku=x", "limit=0"):
            with self.subTest(query=query):
                self.admin.call("GET", f"/v1/admin/audit?{query}", expect=422)

    def test_nothing_of_a_guest_is_in_it(self):
        before = len(self.admin.pages("/v1/admin/audit?limit=100"))
        sku = self.admin.create_sku(stock=10)
        made = len(self.admin.pages("/v1/admin/audit?limit=100"))
        self.assertEqual(made, before + 1)
        for _ in range(3):
            self.guest.release(self.guest.hold(sku, 1)["id"], expect=204)
        self.assertEqual(len(self.admin.pages("/v1/admin/audit?limit=100")), made)


class AfterRestart(unittest.TestCase):
    def test_the_chains_go_on_and_are_sound(self):
        server = Server()
        self.addCleanup(server.kill)
        sku = server.admin().create_sku(stock=10)
        server.admin().adjust(sku, delta=1, reason="before")
        server.kill()
        server.restart()
        server.admin().adjust(sku, delta=1, reason="after")
        numbers = [entry["sequence"] for entry in server.admin().pages(f"/v1/admin/audit?subject={sku}")]
        self.assertEqual(numbers, [3, 2])  # the product's own is 1
        self.assertEqual(server.stop(), 0)
        done = server.check()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^check: audit log of 3 entries, digest [0-9a-f]{64}$")


if __name__ == "__main__":
    unittest.main()
