# SPDX-License-Identifier: Apache-2.0
"""Coupons as staff make them: what is taken, what is shown, what is kept."""
from harness import ApiTest, Server, new_key

COUPONS = "/v1/admin/coupons"
EMPTY = {
    "percent_bp": None,
    "amount_minor": None,
    "min_subtotal_minor": None,
    "currency": None,
    "buy": None,
    "get": None,
    "max_uses": None,
    "max_uses_per_customer": None,
    "starts_at": None,
    "ends_at": None,
    "categories": [],
    "products": [],
    "stackable": False,
    "enabled": True,
    "uses": {"held": 0, "committed": 0},
    "version": 1,
}


def new_code(prefix="C"):
    return prefix + new_key()[:14].upper()


class CouponTest(ApiTest):
    def create(self, expect=201, **fields):
        body = {"code": new_code(), "kind": "percentage", "percent_bp": 1000, **fields}
        body = {name: value for name, value in body.items() if value != "absent"}
        return self.admin.call("POST", COUPONS, body, expect=expect)

    def get(self, name, **asked):
        return self.admin.call("GET", f"{COUPONS}/{name}", **asked)

    def change(self, name, **asked):
        return self.admin.call("PATCH", f"{COUPONS}/{name}", asked.pop("body"), **asked)

    def fields_of(self, response):
        return {error["field"] for error in response.json()["errors"]}


class Coupons(CouponTest):
    def test_one_is_made_and_read(self):
        code = new_code()
        made = self.create(code=code.lower(), max_uses=5)
        self.assertEqual(made.header("location"), f"{COUPONS}/{code}")
        shown = made.json()
        for volatile in ("created_at", "updated_at"):
            self.assertRegex(shown.pop(volatile), r"^\d{4}-")
        self.assertEqual(shown, {**EMPTY, "code": code, "kind": "percentage", "percent_bp": 1000, "max_uses": 5})
        self.assertEqual(self.get(code.lower(), expect=200).json(), made.json())

    def test_each_kind(self):
        kinds = (
            {"kind": "percentage", "percent_bp": 10000},
            {"kind": "fixed", "amount_minor": 500, "currency": "EUR"},
            {"kind": "free_shipping", "min_subtotal_minor": 5000, "currency": "JPY"},
            {"kind": "buy_x_get_y", "buy": 2, "get": 1, "stackable": True, "categories": ["Schuhe für läufer"]},
        )
        for fields in kinds:
            with self.subTest(kind=fields["kind"]):
                body = {"code": new_code(), **fields}
                made = self.admin.call("POST", COUPONS, body, expect=201).json()
                self.assertEqual({name: made[name] for name in body}, body)

    def test_every_member_is_kept(self):
        body = {
            "code": new_code(),
            "kind": "fixed",
            "amount_minor": 1000000000000,
            "currency": "KWD",
            "max_uses": 1000000000,
            "max_uses_per_customer": 3,
            "min_subtotal_minor": 1,
            "starts_at": "2026-11-27T18:00:00+02:00",
            "ends_at": "2400-02-29T23:59:60.123456Z",
            "categories": ["a" * 100, "Ü" * 100] + [f"c{i}" for i in range(14)],
            "products": [f"p/{i}" for i in range(16)],
            "stackable": True,
            "enabled": False,
        }
        made = self.admin.call("POST", COUPONS, body, expect=201).json()
        body["starts_at"], body["ends_at"] = "2026-11-27T16:00:00.000Z", "2400-02-29T23:59:59.123Z"
        self.assertEqual({name: made[name] for name in body}, body)
        self.assertEqual(self.get(body["code"], expect=200).json(), made)

    def test_a_code_is_one_coupons(self):
        code = self.create().json()["code"]
        self.create(code=code.lower(), expect=409).json()
        response = self.create(code=code, expect=409)
        self.assertEqual(response.code, "invalid_state")

    def test_a_repeated_key_makes_one(self):
        body, key = {"code": new_code(), "kind": "free_shipping"}, new_key()
        first = self.admin.call("POST", COUPONS, body, key=key, expect=201)
        again = self.admin.call("POST", COUPONS, body, key=key, expect=201)
        self.assertEqual(again.body, first.body)
        self.assertEqual(again.header("idempotent-replayed"), "true")
        other = {**body, "kind": "percentage", "percent_bp": 1}
        self.admin.call("POST", COUPONS, other, key=key, expect=422, code="idempotency_key_reused")

    def test_bad_fields_are_named(self):
        cases = (
            ({"code": ""}, {"code"}),
            ({"code": "A" * 41}, {"code"}),
            ({"code": "A B"}, {"code"}),
            ({"code": "Ä"}, {"code"}),
            ({"code": 7}, {"code"}),
            ({"code": "absent"}, {"code"}),
            ({"kind": "absent"}, {"kind"}),
            ({"kind": None}, {"kind"}),
            ({"kind": "gift"}, {"kind"}),
            ({"percent_bp": 0}, {"percent_bp"}),
            ({"percent_bp": 10001}, {"percent_bp"}),
            ({"percent_bp": 10.5}, {"percent_bp"}),
            ({"percent_bp": "absent"}, {"percent_bp"}),
            ({"kind": "fixed", "percent_bp": "absent"}, {"amount_minor", "currency"}),
            ({"kind": "fixed", "amount_minor": 5, "currency": "EUR"}, {"percent_bp"}),
            ({"kind": "fixed", "amount_minor": -5, "currency": "EUR", "percent_bp": "absent"}, {"amount_minor"}),
            ({"amount_minor": 5}, {"amount_minor"}),
            ({"currency": "XXQ"}, {"currency"}),
            ({"currency": "eur"}, {"currency"}),
            ({"min_subtotal_minor": 5}, {"currency"}),
            ({"kind": "buy_x_get_y", "percent_bp": "absent", "buy": 1}, {"get"}),
            ({"max_uses": 0}, {"max_uses"}),
            ({"max_uses": 1000000001}, {"max_uses"}),
            ({"max_uses_per_customer": -1}, {"max_uses_per_customer"}),
            ({"starts_at": "tomorrow"}, {"starts_at"}),
            ({"starts_at": "2026-02-29T00:00:00Z"}, {"starts_at"}),
            ({"starts_at": "2026-11-27 18:00:00"}, {"starts_at"}),
            ({"starts_at": "9999-01-01T00:00:00Z"}, {"starts_at"}),
            ({"starts_at": "2026-11-27T18:00:00Z", "ends_at": "2026-11-27T18:00:00Z"}, {"ends_at"}),
            ({"categories": "shoes"}, {"categories"}),
            ({"categories": [""]}, {"categories[0]"}),
            ({"categories": ["x"] * 17}, {"categories"}),
            ({"products": ["a b"]}, {"products[0]"}),
            ({"stackable": "yes"}, {"stackable"}),
            ({"enabled": 1}, {"enabled"}),
            ({"uses": {}, "version": 3}, {"uses", "version"}),
        )
        for fields, wanted in cases:
            with self.subTest(fields=fields):
                response = self.create(expect=422, **fields)
                self.assertEqual(response.code, "validation_failed")
                self.assertEqual(self.fields_of(response), wanted, response)

    def test_put_replaces(self):
        code = self.create(max_uses=5, categories=["a"], products=["p"]).json()["code"]
        body = {"kind": "fixed", "amount_minor": 300, "currency": "EUR"}
        replaced = self.admin.call("PUT", f"{COUPONS}/{code}", body, expect=200).json()
        wanted = {**EMPTY, "code": code, **body, "version": 2}
        self.assertEqual({name: replaced[name] for name in wanted}, wanted)
        same = self.admin.call("PUT", f"{COUPONS}/{code}", {**body, "code": code.lower()}, expect=200).json()
        self.assertEqual(same, replaced)
        response = self.admin.call("PUT", f"{COUPONS}/{code}", {**body, "code": "OTHER"}, expect=422)
        self.assertEqual(self.fields_of(response), {"code"})
        self.admin.call("PUT", f"{COUPONS}/{new_code()}", body, expect=404, code="not_found")

    def test_patch_changes_what_it_names(self):
        made = self.create(max_uses=5, categories=["a", "b"], products=["p"], max_uses_per_customer=1).json()
        code = made["code"]
        changed = self.change(code, body={"max_uses": None, "enabled": False, "products": ["q", "r"]}, expect=200)
        wanted = {**made, "max_uses": None, "enabled": False, "products": ["q", "r"], "version": 2}
        wanted["updated_at"] = changed.json()["updated_at"]
        self.assertEqual(changed.json(), wanted)
        self.assertEqual(self.change(code, body={}, expect=200).json(), wanted)
        # Another kind: what the old one had goes.
        changed = self.change(code, body={"kind": "buy_x_get_y", "buy": 1, "get": 1}, expect=200).json()
        self.assertEqual((changed["percent_bp"], changed["buy"], changed["version"]), (None, 1, 3))
        response = self.change(code, body={"kind": "fixed"}, expect=422)
        self.assertEqual(self.fields_of(response), {"amount_minor", "currency"})
        response = self.change(code, body={"percent_bp": 5}, expect=422)
        self.assertEqual(self.fields_of(response), {"percent_bp"})
        self.change(new_code(), body={}, expect=404, code="not_found")

    def test_delete_frees_the_code(self):
        code = self.create().json()["code"]
        self.admin.call("DELETE", f"{COUPONS}/{code}", expect=204)
        for method, body in (("GET", None), ("DELETE", None), ("PATCH", {}), ("PUT", {"kind": "free_shipping"})):
            self.admin.call(method, f"{COUPONS}/{code}", body, expect=404, code="not_found")
        self.assertEqual(self.create(code=code).json()["version"], 1)

    def test_odd_codes_in_the_path(self):
        for code in ("%20", "A%2FB", "%C3%84", "A" * 41, "A" * 300):
            with self.subTest(code=code):
                self.get(code, expect=404, code="not_found")

    def test_the_list_goes_by_code(self):
        prefix = new_code("L")[:12]
        codes = sorted(f"{prefix}-{i:02}" for i in range(25))
        for code in codes[::2] + codes[1::2]:
            self.create(code=code)
        for limit in (1, 7, 100):
            listed = self.admin.pages(f"{COUPONS}?limit={limit}")
            all_codes = [coupon["code"] for coupon in listed]
            self.assertEqual(all_codes, sorted(all_codes))
            self.assertEqual([code for code in all_codes if code.startswith(prefix)], codes)
        for query in ("?limit=0", "?limit=101", "?cursor=A%20B", "?q=x"):
            self.admin.call("GET", COUPONS + query, expect=422, code="validation_failed")

    def test_entries_stand_in_the_audit_log(self):
        code = self.create().json()["code"]
        self.change(code, body={"enabled": False}, expect=200)
        self.change(code, body={"enabled": False}, expect=200)  # nothing changes
        self.admin.call("DELETE", f"{COUPONS}/{code}", expect=204)
        found = [
            (entry["act"], entry["before"], entry["after"], entry["caller"])
            for entry in self.admin.pages("/v1/admin/audit?limit=100")
            if entry["subject"] == {"type": "coupon", "id": code}
        ]
        wanted = [
            ("coupon_created", None, 1, "admin_key"),
            ("coupon_changed", 1, 2, "admin_key"),
            ("coupon_deleted", 2, None, "admin_key"),
        ]
        self.assertEqual(sorted(found), sorted(wanted))

    def test_no_shopper_reads_one(self):
        code = self.create().json()["code"]
        for target in (f"/v1/coupons/{code}", "/v1/coupons", f"/v1/cart/coupons/{code}"):
            self.guest.call("GET", target, expect=404)


class Bounds(CouponTest):
    def test_a_full_shard_refuses_and_a_restart_keeps(self):
        server = Server("--shards", "1", "--coupons-max", "16")
        try:
            for i in range(16):
                server.admin().call("POST", COUPONS, {"code": f"C{i}", "kind": "free_shipping"}, expect=201)
            one_more = {"code": "C16", "kind": "free_shipping"}
            server.admin().call("POST", COUPONS, one_more, expect=503, code="overloaded")
            server.admin().call("DELETE", f"{COUPONS}/C3", expect=204)
            server.admin().call("POST", COUPONS, one_more, expect=201)
            before = server.admin().call("GET", f"{COUPONS}?limit=100", expect=200).json()
            server.stop()
            self.assertEqual(server.check().returncode, 0)
            server.restart()
            self.assertEqual(server.admin().call("GET", f"{COUPONS}?limit=100", expect=200).json(), before)
            self.assertEqual(len(before["data"]), 16)
            server.admin().call("GET", f"{COUPONS}/C3", expect=404)
        finally:
            server.stop()
