# SPDX-License-Identifier: Apache-2.0
"""Headers that keep browsers, caches and other sites from making more of an answer than it is."""
import base64
import hashlib
import re

from harness import ApiTest, Client

PAGES = ("/docs", "/problems/sold-out")


class Everywhere(ApiTest):
    def test_every_answer_is_what_its_type_says(self):
        sku = self.admin.create_sku()
        anonymous = self.server.anonymous()
        for response in (
            self.guest.reserve(sku, expect=201),
            self.guest.reserve(sku, quantity=0, expect=422),
            anonymous.call("GET", "/healthz", expect=200),
            anonymous.call("GET", "/nothing", expect=404),
            anonymous.call("PATCH", "/healthz", expect=405),
            anonymous.call("OPTIONS", "/healthz", expect=204),
            anonymous.call("POST", "/v1/reservations", {}, expect=401),
            anonymous.call("GET", "/docs", expect=200),
            anonymous.call("GET", "/metrics", expect=200),
        ):
            self.assertEqual(response.header_all("x-content-type-options"), ["nosniff"])
            self.assertEqual(response.header_all("referrer-policy"), ["same-origin"])
            self.assertLessEqual(len(response.header_all("cache-control")), 1)

    def test_what_is_for_one_caller_is_kept_by_nobody(self):
        sku = self.admin.create_sku()
        hold = self.guest.hold(sku)
        anonymous = self.server.anonymous()
        for response in (
            self.guest.reserve(sku, expect=201),
            self.guest.reserve("NO-SUCH", expect=404),
            self.guest.reservation(hold["id"], expect=200),
            self.guest.reservation("res_nothing", expect=404),
            self.guest.call("GET", "/v1/reservations", expect=200),
            self.guest.extend(hold["id"], expect=200),
            self.guest.release(hold["id"], expect=204),
            self.guest.call("GET", "/v1/admin/products", expect=403),
            anonymous.reservation(hold["id"], expect=401),
            anonymous.call("GET", "/v1/admin/products", expect=401),
            self.admin.call("GET", "/v1/admin/products", expect=200),
            self.admin.call("GET", f"/v1/admin/inventory/{sku}", expect=200),
        ):
            self.assertEqual(response.header_all("cache-control"), ["no-store"], repr(response))

    def test_what_hands_out_a_session_is_kept_by_nobody(self):
        made = self.server.anonymous().call("POST", "/v1/sessions", expect=201)
        self.assertEqual(made.header_all("cache-control"), ["no-store"])
        self.assertIsNotNone(made.header("set-cookie"))
        made = self.server.anonymous().call("DELETE", "/v1/reservations/res_nothing", expect=404)
        self.assertEqual(made.header_all("cache-control"), ["no-store"])
        self.assertIsNotNone(made.header("set-cookie"))

    def test_what_is_for_all_may_be_kept_and_asked_for_again(self):
        sku = self.admin.create_sku()
        product = sku.rsplit("-", 1)[0].lower()
        answer = self.guest.call("GET", f"/v1/products/{product}", expect=200)
        kept = ["public, max-age=1, stale-while-revalidate=30"]
        self.assertEqual(answer.header_all("cache-control"), kept)
        again = self.guest.call(
            "GET",
            f"/v1/products/{product}",
            headers=[("If-None-Match", answer.header("etag"))],
            expect=304,
        )
        self.assertEqual(again.header_all("cache-control"), kept)
        self.assertEqual(again.header_all("x-content-type-options"), ["nosniff"])


class Pages(ApiTest):
    def test_the_policy_names_the_page_s_own_style_and_nothing_else(self):
        for target in PAGES:
            page = self.guest.call("GET", target, expect=200)
            policy = dict(
                part.strip().partition(" ")[::2]
                for part in page.header("content-security-policy").split(";")
            )
            self.assertEqual(policy["default-src"], "'none'")
            self.assertEqual(policy["base-uri"], "'none'")
            self.assertEqual(policy["form-action"], "'none'")
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertNotIn("unsafe", page.header("content-security-policy"))
            styles = re.findall(r"<style>(.*?)</style>", page.body.decode(), re.DOTALL)
            self.assertEqual(len(styles), 1)
            digest = base64.b64encode(hashlib.sha256(styles[0].encode()).digest()).decode()
            self.assertEqual(policy["style-src"], f"'sha256-{digest}'")

    def test_pages_hold_nothing_that_their_policy_forbids(self):
        for target in PAGES:
            text = self.guest.call("GET", target, expect=200).body.decode()
            text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
            for forbidden in ("<script", "<style", "<link", "<img", "<iframe", "<form", "<object"):
                self.assertNotIn(forbidden, text.lower())
            self.assertIsNone(re.search(r"<[^>]*\s(style|on\w+|src)\s*=", text))

    def test_pages_stand_alone(self):
        for target in PAGES:
            page = self.guest.call("GET", target, expect=200)
            self.assertEqual(page.header("x-frame-options"), "DENY")
            self.assertEqual(page.header("cross-origin-opener-policy"), "same-origin")
            self.assertEqual(page.header("cross-origin-resource-policy"), "same-origin")
            self.assertIn("camera=()", page.header("permissions-policy"))
        known = self.guest.call("GET", "/docs", expect=200).header("etag")
        client = Client(self.server, checked=False)
        same = client.call("GET", "/docs", headers=[("If-None-Match", known)], expect=304)
        self.assertIn("default-src 'none'", same.header("content-security-policy"))
