# SPDX-License-Identifier: Apache-2.0
"""What is left: one SKU and many."""
from harness import ApiTest, quote


class Availability(ApiTest):
    def test_one(self):
        sku = self.admin.create_sku(stock=500)
        seen = self.server.anonymous().call(
            "GET", f"/v1/skus/{sku}/availability", expect=200
        ).json()
        self.assertEqual(seen, {"sku": sku, "available": 500, "level": "in_stock"})

    def test_level_goes_down_to_out(self):
        sku = self.admin.create_sku(stock=1000)
        levels = []
        for left in (1000, 1, 0):
            self.admin.adjust(sku, set=left)
            seen = self.guest.call("GET", f"/v1/skus/{sku}/availability", expect=200).json()
            self.assertEqual(seen["available"], left)
            levels.append(seen["level"])
        self.assertEqual(levels, ["in_stock", "low", "out"])

    def test_batch_in_the_order_asked(self):
        skus = [self.admin.create_sku(stock=count) for count in (3, 0, 7)]
        skus = [skus[2], skus[0], skus[1]]
        query = "&".join(f"sku={sku}" for sku in skus)
        data = self.guest.call("GET", f"/v1/skus/availability?{query}", expect=200).json()["data"]
        self.assertEqual([entry["sku"] for entry in data], skus)
        self.assertEqual([entry["available"] for entry in data], [7, 3, 0])
        self.assertEqual(data[2]["level"], "out")

    def test_signs_of_a_sku_in_a_query(self):
        sku = f"{self.admin.create_sku()}/x:y.z_1"
        self.admin.create_product(variants=[{"sku": sku, "stock": 4}])
        for written in (quote(sku), sku):
            with self.subTest(written=written):
                target = f"/v1/skus/availability?sku={written}"
                data = self.guest.call("GET", target, expect=200).json()["data"]
                self.assertEqual(data[0]["available"], 4)

    def test_unknown(self):
        sku = self.admin.create_sku()
        self.guest.call("GET", "/v1/skus/NO-SUCH/availability", expect=404, code="not_found")
        target = f"/v1/skus/availability?sku={sku}&sku=NO-SUCH"
        response = self.guest.call("GET", target, expect=404, code="not_found")
        self.assertIn("NO-SUCH", response.json()["detail"])

    def test_parameters_are_given_once_but_for_sku(self):
        twice = {
            "/v1/admin/reservations?limit=1&limit=2": "limit",
            "/v1/admin/reservations?sku=A&status=held&sku=B": "sku",
            "/v1/admin/products?cursor=a&cursor=a": "cursor",
            "/v1/admin/products?limit=1&li%6Dit=2": "limit",
        }
        for target, field in twice.items():
            with self.subTest(target=target):
                response = self.admin.call("GET", target)
                self.assert_problem_field(response, field)
                self.assertIn("is given twice", response.body.decode())

    def test_batch_bounds(self):
        sku = self.admin.create_sku(stock=2)
        self.assert_problem_field(self.guest.call("GET", "/v1/skus/availability"), "sku")
        hundred = "&".join([f"sku={sku}"] * 100)
        data = self.guest.call("GET", f"/v1/skus/availability?{hundred}", expect=200).json()["data"]
        self.assertEqual(len(data), 100)
        more = f"/v1/skus/availability?{hundred}&sku={sku}"
        self.assert_problem_field(self.guest.call("GET", more), "sku")
