# SPDX-License-Identifier: Apache-2.0
"""Tax rates, shipping methods and webhook endpoints: CRUD, what shoppers see of them, secrets, restarts."""
import base64
import unittest
from pathlib import Path

from harness import ApiTest, Server, new_key

TAXES, METHODS, ENDPOINTS = "/v1/admin/tax-rates", "/v1/admin/shipping-methods", "/v1/admin/webhook-endpoints"
TAX = {"country": "DE", "rate_bp": 1900, "inclusive": True}
FLAT = {"name": "Parcel", "countries": ["DE", "AT"], "kind": "flat", "table": [{"price_minor": 490}], "currency": "EUR"}
HOOK = {"url": "https://example.com/hooks", "events": ["order.confirmed", "order.shipped"]}
FIXED = ("id", "created_at", "updated_at")


def fields(response):
    return {error["field"] for error in response.json()["errors"]}


class SettingsTest(ApiTest):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.admin = self.server.admin()
        self.shopper = self.server.anonymous()

    def create(self, path, body):
        return self.admin.call("POST", path, body, expect=201).json()

    def rows(self, path):
        return self.admin.call("GET", path + "?limit=100", expect=200).json()["data"]

    def refused(self, path, body, *names):
        response = self.admin.call("POST", path, body, expect=422, code="validation_failed")
        self.assertEqual(fields(response), set(names), body)

    def offers(self, country=""):
        query = f"?country={country}" if country else ""
        return self.shopper.call("GET", "/v1/shipping-methods" + query, expect=200).json()["data"]


class Rows(SettingsTest):
    def test_what_replaces_a_row_is_the_whole_of_it(self):
        rows = ((TAXES, {**TAX, "region": "Bavaria", "category": "Books"}, {**TAX, "rate_bp": 700}, "rate_bp"),
                (METHODS, {**FLAT, "free_over_minor": 5000}, {**FLAT, "name": "Post", "kind": "weight",
                 "table": [{"up_to_grams": 1000, "price_minor": 5}]}, "currency"),
                (ENDPOINTS, {**HOOK, "enabled": False, "description": "Billing"}, {**HOOK, "events": ["order.refunded"]},
                 "url"))
        for path, first, second, needed in rows:
            with self.subTest(path=path):
                made = self.create(path, first)
                fresh = self.create(path, second)
                self.admin.call("DELETE", f"{path}/{fresh['id']}", expect=204)
                target = f"{path}/{made['id']}"
                replaced = self.admin.call("PUT", target, second, expect=200).json()
                for row in (made, fresh):
                    row.pop("secret", None)
                    row.pop("secret_created_at", None)
                changing = {"id": made["id"], "created_at": made["created_at"], "updated_at": replaced["updated_at"]}
                self.assertEqual({**replaced, **fresh, **changing}, replaced)
                self.assertNotIn("secret", replaced)
                self.assertEqual(self.admin.call("GET", target, expect=200).json(), replaced)
                lacking = {name: value for name, value in second.items() if name != needed}
                refused = self.admin.call("PUT", target, lacking, expect=422, code="validation_failed")
                self.assertIn(needed, fields(refused))
                self.admin.call("PUT", target, {**second, "id": made["id"]}, expect=422)
                self.admin.call("DELETE", target, expect=204)
                self.admin.call("PUT", target, second, expect=404)

    def test_a_row_is_created_shown_changed_and_removed(self):
        changes = ((TAXES, TAX, {"rate_bp": 700, "region": "Bavaria"}),
                   (METHODS, FLAT, {"name": "Post", "free_over_minor": 5000}),
                   (ENDPOINTS, HOOK, {"enabled": False, "events": ["order.refunded"], "description": "Billing"}))
        for path, body, change in changes:
            with self.subTest(path=path):
                response = self.admin.call("POST", path, body, expect=201)
                made = response.json()
                made.pop("secret", None)
                target = f"{path}/{made['id']}"
                self.assertEqual(response.header("location"), target)
                for name, value in body.items():
                    self.assertEqual(made[name], sorted(value) if name in ("countries", "events") else value)
                self.assertEqual(self.admin.call("GET", target, expect=200).json(), made)
                self.assertIn(made, self.rows(path))
                changed = self.admin.call("PATCH", target, change, expect=200).json()
                self.assertEqual({**made, **change, "updated_at": changed["updated_at"]}, changed)
                self.assertEqual(self.admin.call("GET", target, expect=200).json(), changed)
                self.admin.call("DELETE", target, expect=204)
                for method in ("GET", "DELETE"):
                    self.admin.call(method, target, expect=404, code="not_found")
                self.admin.call("PATCH", target, change, expect=404, code="not_found")
                self.assertNotIn(made["id"], [row["id"] for row in self.rows(path)])

    def test_no_id_is_given_twice(self):
        first = self.create(TAXES, TAX)["id"]
        self.admin.call("DELETE", f"{TAXES}/{first}", expect=204)
        self.assertNotEqual(self.create(TAXES, TAX)["id"], first)

    def test_ids_of_others_are_not_found(self):
        self.create(TAXES, TAX)
        for name in ("tax_2", "tax_0", "tax_01", "tax_", "shm_1", "whe_1", "tax_99999999999", "x"):
            self.admin.call("GET", f"{TAXES}/{name}", expect=404, code="not_found")
            self.admin.call("DELETE", f"{TAXES}/{name}", expect=404, code="not_found")

    def test_pages_show_each_once(self):
        for number in range(7):
            self.create(TAXES, {**TAX, "region": f"r{number}"})
        for limit in (1, 3, 7):
            seen, query = [], f"?limit={limit}"
            while query:
                page = self.admin.call("GET", TAXES + query, expect=200).json()
                self.assertLessEqual(len(page["data"]), limit)
                seen += [row["region"] for row in page["data"]]
                query = f"?limit={limit}&cursor={page['next_cursor']}" if page["next_cursor"] else ""
            self.assertEqual(seen, [f"r{number}" for number in range(7)])
        for query in ("?limit=0", "?cursor=shm_1", "?cursor=x", "?other=1"):
            self.admin.call("GET", TAXES + query, expect=422, code="validation_failed")

    def test_a_key_has_one_effect_and_one_answer(self):
        for path, body in ((TAXES, TAX), (METHODS, FLAT), (ENDPOINTS, HOOK)):
            key, before = new_key(), len(self.rows(path))
            first = self.admin.call("POST", path, body, key=key, expect=201)
            again = self.admin.call("POST", path, body, key=key, expect=201)
            self.assertEqual(again.body, first.body)
            self.assertEqual(again.header("idempotent-replayed"), "true")
            self.assertEqual(len(self.rows(path)), before + 1)
            target, key = f"{path}/{first.json()['id']}", new_key()
            for _ in range(2):
                self.admin.call("DELETE", target, key=key, expect=204)

    def test_what_was_answered_is_there_after_a_crash(self):
        made = [self.create(TAXES, TAX), self.create(METHODS, FLAT)]
        endpoint = self.create(ENDPOINTS, HOOK)
        endpoint.pop("secret")
        self.admin.call("DELETE", f"{METHODS}/shm_1", expect=204)
        self.server.kill()
        self.server.restart()
        self.admin = self.server.admin()
        self.assertEqual(self.rows(TAXES) + self.rows(METHODS), made)
        self.assertEqual(self.rows(ENDPOINTS), [endpoint])

    def test_changes_are_in_the_audit_log(self):
        made = self.create(TAXES, TAX)
        self.admin.call("PATCH", f"{TAXES}/{made['id']}", {"rate_bp": 700}, expect=200)
        self.admin.call("DELETE", f"{TAXES}/{made['id']}", expect=204)
        entries = self.admin.call("GET", f"/v1/admin/audit?subject={made['id']}", expect=200).json()["data"]
        told = [(entry["act"], entry["before"], entry["after"]) for entry in entries]
        self.assertEqual(told, [("setting_removed", 700, None), ("setting_changed", 1900, 700),
                                ("setting_created", None, 1900)])
        self.assertEqual({(entry["caller"], entry["subject"]["type"]) for entry in entries},
                         {("admin_key", "setting")})


class Taxes(SettingsTest):
    def test_a_fresh_store_has_none(self):
        self.assertEqual(self.rows(TAXES), [])

    def test_what_is_out_of_bounds_is_named(self):
        for change, name in (({"country": "QQ"}, "country"), ({"country": "de"}, "country"),
                             ({"country": None}, "country"), ({"rate_bp": -1}, "rate_bp"),
                             ({"rate_bp": 100001}, "rate_bp"), ({"rate_bp": 1.5}, "rate_bp"),
                             ({"inclusive": 1}, "inclusive"), ({"region": "x" * 101}, "region"),
                             ({"category": 5}, "category"), ({"rate": 5}, "rate")):
            self.refused(TAXES, {**TAX, **change}, name)
        for name in TAX:
            self.refused(TAXES, {key: value for key, value in TAX.items() if key != name}, name)

    def test_one_rate_for_a_place_and_category(self):
        self.create(TAXES, {**TAX, "country": "US", "region": "CA"})
        self.refused(TAXES, {**TAX, "country": "US", "region": "ca", "rate_bp": 5}, "country")
        other = self.create(TAXES, {**TAX, "country": "US"})
        response = self.admin.call("PATCH", f"{TAXES}/{other['id']}", {"region": "Ca"}, expect=422)
        self.assertEqual(fields(response), {"country"})
        self.create(TAXES, {**TAX, "country": "US", "region": "CA", "category": "Books"})
        changed = self.admin.call("PATCH", f"{TAXES}/{other['id']}", {"category": None}, expect=200).json()
        self.assertIsNone(changed["category"])


class Shipping(SettingsTest):
    def test_a_fresh_store_ships_everywhere_for_nothing(self):
        self.assertEqual([(offer["name"], offer["price_minor"]) for offer in self.offers("NZ")], [("Standard", 0)])
        [row] = self.rows(METHODS)
        self.assertEqual((row["id"], row["countries"], row["currency"]), ("shm_1", ["*"], None))

    def test_shoppers_see_what_goes_to_their_country(self):
        self.create(METHODS, FLAT)
        self.admin.call("DELETE", f"{METHODS}/shm_1", expect=204)
        self.assertEqual([offer["name"] for offer in self.offers("AT")], ["Parcel"])
        self.assertEqual(self.offers("FR"), [])
        self.assertEqual(len(self.offers()), 1)
        for query in ("?country=QQ", "?country=de", "?country=", "?country=DEU", "?x=1"):
            self.shopper.call("GET", "/v1/shipping-methods" + query, expect=422, code="validation_failed")

    def test_the_first_one_can_be_priced_once_it_has_a_currency(self):
        body = {"table": [{"price_minor": 300}]}
        response = self.admin.call("PATCH", f"{METHODS}/shm_1", body, expect=422)
        self.assertEqual(fields(response), {"currency"})
        self.admin.call("PATCH", f"{METHODS}/shm_1", {**body, "currency": "EUR"}, expect=200)
        self.assertEqual([(offer["price_minor"], offer["currency"]) for offer in self.offers()], [(300, "EUR")])

    def test_tables(self):
        weight = {**FLAT, "kind": "weight", "table": [{"up_to_grams": 500, "price_minor": 390},
                                                      {"up_to_grams": None, "price_minor": 990}]}
        made = self.create(METHODS, weight)
        self.assertEqual(made["table"], weight["table"])
        rows = [{"up_to_minor": 1000, "price_minor": 5}, {"up_to_minor": 2000, "price_minor": 0}]
        price = {"kind": "price", "table": rows}
        changed = self.admin.call("PATCH", f"{METHODS}/{made['id']}", price, expect=200).json()
        self.assertEqual((changed["kind"], changed["table"]), ("price", price["table"]))
        kept = self.admin.call("PATCH", f"{METHODS}/{made['id']}", {"table": price["table"][:1]}, expect=200).json()
        self.assertEqual(kept["kind"], "price")

    def test_what_is_out_of_bounds_is_named(self):
        row = {"price_minor": 1}
        up_to = lambda grams: {"up_to_grams": grams, "price_minor": 1}
        cases = (({"name": ""}, "name"), ({"countries": []}, "countries"), ({"countries": ["QQ"]}, "countries[0]"),
                 ({"countries": ["DE", "*"]}, "countries[1]"), ({"countries": ["DE", "DE"]}, "countries[1]"),
                 ({"kind": "distance"}, "kind"), ({"table": []}, "table"), ({"table": [row, row]}, "table"),
                 ({"table": [{"price_minor": -1}]}, "table[0].price_minor"), ({"table": [{}]}, "table[0].price_minor"),
                 ({"table": [up_to(5)]}, "table[0].up_to_grams"), ({"free_over_minor": 0}, "free_over_minor"),
                 ({"currency": "EURO"}, "currency"), ({"currency": None}, "currency"), ({"price": 1}, "price"),
                 ({"kind": "weight", "table": [up_to(5), up_to(5)]}, "table[1]"),
                 ({"kind": "weight", "table": [row, up_to(5)]}, "table[1]"),
                 ({"kind": "weight", "table": [up_to(i) for i in range(51)]}, "table"),
                 ({"kind": "weight", "table": [{"up_to_minor": 5, "price_minor": 1}]}, "table[0].up_to_minor"))
        for change, name in cases:
            self.refused(METHODS, {**FLAT, **change}, name)
        for name in ("name", "countries", "kind", "table", "currency"):
            self.refused(METHODS, {key: value for key, value in FLAT.items() if key != name}, name)
        made = self.create(METHODS, FLAT)
        response = self.admin.call("PATCH", f"{METHODS}/{made['id']}", {"kind": "price"}, expect=422)
        self.assertEqual(fields(response), {"table"})

    def test_there_are_only_so_many(self):
        for number in range(199):
            self.create(METHODS, {**FLAT, "name": f"m{number}"})
        self.refused(METHODS, FLAT, "body")
        self.assertEqual(len(self.offers()), 200)


class Endpoints(SettingsTest):
    def test_a_secret_is_shown_once(self):
        made = self.create(ENDPOINTS, HOOK)
        self.assertRegex(made["secret"], r"^whsec_[A-Za-z0-9+/]{43}=$")
        self.assertEqual(len(base64.b64decode(made["secret"][6:])), 32)
        target = f"{ENDPOINTS}/{made['id']}"
        for shown in (self.admin.call("GET", target), self.admin.call("GET", ENDPOINTS),
                      self.admin.call("PATCH", target, {"enabled": True})):
            self.assertNotIn("whsec", shown.body.decode())
        rotated = self.admin.call("POST", f"{target}/rotate-secret", {}, expect=200).json()
        self.assertNotEqual(rotated["secret"], made["secret"])
        self.assertIsNotNone(rotated["previous_secret_expires_at"])
        self.assertIsNone(made["previous_secret_expires_at"])
        other = self.create(ENDPOINTS, HOOK)
        self.assertEqual(len({made["secret"], rotated["secret"], other["secret"]}), 3)
        self.admin.call("POST", f"{ENDPOINTS}/whe_99/rotate-secret", {}, expect=404, code="not_found")
        self.admin.call("POST", f"{target}/rotate-secret", {"x": 1}, expect=422, code="validation_failed")

    def test_no_secret_stands_in_the_store_or_the_log(self):
        secrets = [self.create(ENDPOINTS, HOOK)["secret"]]
        secrets.append(self.admin.call("POST", f"{ENDPOINTS}/whe_1/rotate-secret", expect=200).json()["secret"])
        self.server.stop()
        files = [path for path in Path(self.server.data).rglob("*") if path.is_file()]
        self.assertTrue(any(b"example.com" in path.read_bytes() for path in files), "the reader sees the rows")
        for path in files:
            for secret in secrets:
                self.assertNotIn(base64.b64decode(secret[6:]), path.read_bytes(), path)
                self.assertNotIn(secret[6:].encode(), path.read_bytes(), path)

    def test_only_public_places(self):
        private = ("127.0.0.1", "10.1.2.3", "192.168.1.1:8443", "169.254.169.254", "[::1]", "[fd00::1]",
                   "[::ffff:10.0.0.1]", "localhost", "shop.localhost", "printer.local", "intranet", "vault.internal",
                   "127.1", "2130706433", "0x7f000001", "example.com@10.0.0.1")
        wrong = ("http://example.com/", "https://user:pass@example.com/", "https://", "https:///x",
                 "https://example.com:0/", "https://example.com:70000/", "https://exa mple.com/",
                 "https://example.com/#x", "ftp://example.com/", "example.com",
                 "https://example.com/" + "x" * 1000, "https://[::1", 5, None, "")
        for url in tuple(f"https://{host}/x" for host in private) + wrong:
            self.refused(ENDPOINTS, {**HOOK, "url": url}, "url")
        for url in ("https://example.com", "https://example.com:8443/x?y=z", "https://93.184.216.34/",
                    "https://[2606:4700::1]/"):
            self.create(ENDPOINTS, {**HOOK, "url": url})

    def test_what_is_out_of_bounds_is_named(self):
        for change, name in (({"events": []}, "events"), ({"events": "order.shipped"}, "events"),
                             ({"events": ["order.lost"]}, "events[0]"),
                             ({"events": ["order.shipped"] * 2}, "events[1]"),
                             ({"enabled": "yes"}, "enabled"), ({"description": "x" * 101}, "description"),
                             ({"secret": "whsec_x"}, "secret")):
            self.refused(ENDPOINTS, {**HOOK, **change}, name)
        for name in HOOK:
            self.refused(ENDPOINTS, {key: value for key, value in HOOK.items() if key != name}, name)

    def test_there_are_only_so_many(self):
        for _ in range(50):
            self.create(ENDPOINTS, HOOK)
        self.refused(ENDPOINTS, HOOK, "body")


class PrivateTargets(ApiTest):
    def test_configuration_allows_them(self):
        server = Server("--outbound-private", "on")
        self.addCleanup(server.stop)
        for url in ("http://127.0.0.1:9000/hook", "https://10.0.0.1/", "http://localhost/"):
            server.admin().call("POST", ENDPOINTS, {**HOOK, "url": url}, expect=201)
        server.admin().call("POST", ENDPOINTS, {**HOOK, "url": "ftp://10.0.0.1/"}, expect=422, code="validation_failed")


if __name__ == "__main__":
    unittest.main()
