# SPDX-License-Identifier: Apache-2.0
"""Card numbers: refused wherever they stand, and found nowhere afterwards."""
import os

from harness import ApiTest, Server, new_key

# Of gateways' test pages; 14 to 19 digits.
CARDS = (
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "30569309025904",
    "6011111111111117",
    "3530111333300000",
    "6205500000000000004",
)
GROUPED = "4242 4242 4242 4242"
HYPHENS = "4242-4242-4242-4242"
PERCENT = "%34242424242424242"
ESCAPED = b"\\u0034242424242424242"


class CardNumbers(ApiTest):
    def refused(self, method, target, body=None, **options):
        client = options.pop("client", self.guest)
        answer = client.call(
            method, target, body, expect=422, code="card_number_refused", **options
        )
        raw = answer.body.decode() + str(answer.headers)
        for card in (*CARDS, GROUPED, HYPHENS, PERCENT, GROUPED.replace(" ", "")):
            self.assertNotIn(card, raw)
        return answer

    def test_in_a_body(self):
        for card in (*CARDS, GROUPED, HYPHENS):
            self.refused("POST", "/v1/reservations", {"sku": card, "quantity": 1}, key=new_key())
            self.refused("POST", "/v1/reservations", {"note": f"my card: {card}."}, key=new_key())
        self.refused("POST", "/v1/reservations", b'{"sku":"' + ESCAPED + b'"}', key=new_key())
        # Also where the body is of no use, and nobody is known.
        self.refused("POST", "/v1/reservations", f"pan={CARDS[0]}".encode())
        self.refused("POST", "/v1/sessions", {"card": CARDS[1]}, client=self.server.anonymous())
        self.refused(
            "POST", "/v1/admin/products", {"name": CARDS[2]}, client=self.server.anonymous()
        )

    def test_in_a_target(self):
        for card in CARDS:
            self.refused("GET", f"/v1/products/{card}")
            self.refused("GET", f"/v1/skus/availability?sku={card}")
        self.refused("GET", "/v1/products/" + PERCENT)
        self.refused("GET", "/v1/skus/availability?sku=" + GROUPED.replace(" ", "+"))
        self.refused("GET", "/v1/skus/availability?sku=" + GROUPED.replace(" ", "%20"))

    def test_in_a_header_that_is_kept(self):
        sku = self.admin.create_sku()
        body = {"sku": sku, "quantity": 1}
        self.refused("POST", "/v1/reservations", body, key=CARDS[0])
        for name in ("User-Agent", "Referer"):
            value = "https://shop.example/?q=" + CARDS[0]
            self.refused(
                "POST", "/v1/reservations", body, key=new_key(), headers=[(name, value)]
            )
        answer = self.refused(
            "POST", "/v1/reservations", body, key=new_key(), headers=[("X-Request-Id", CARDS[0])]
        )
        self.assertNotEqual(answer.header("x-request-id"), CARDS[0])
        self.assertEqual(self.guest.available(sku), 10)

    def test_what_is_no_card_number_is_served(self):
        sku = self.admin.create_sku(name="EAN 4006381333931, call +49 151 1234 5678")
        for key in ("550e8400-e29b-41d4-8716-446655440000", "1700000000000000", "a" + CARDS[0]):
            self.guest.reserve(sku, key=key, expect=201)
        self.guest.call("GET", "/v1/products/4111111111111112", expect=404)


class Nowhere(ApiTest):
    """After many refusals no file and no output of the server holds one of the numbers."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_nothing_is_kept(self):
        for card in CARDS:
            for target in (f"/v1/products/{card}", f"/nothing/{card}", f"/v1/skus/x?{card}"):
                self.guest.call("GET", target, expect=(404, 422))
            self.guest.reserve(card, key=card, expect=422)
            self.guest.call(
                "POST",
                "/v1/sessions",
                {"card": card},
                headers=[("User-Agent", card), ("X-Request-Id", card)],
                expect=422,
            )
        metrics = self.guest.call("GET", "/metrics", expect=200).body.decode()
        self.assertRegex(metrics, r'(?m)card_number_refused.* [1-9]\d*$')
        self.assertEqual(self.server.stop(), 0)
        kept = [metrics.encode(), self.server.output().encode()]
        for folder, _, files in os.walk(self.server.data):
            for name in files:
                with open(os.path.join(folder, name), "rb") as handle:
                    kept.append(handle.read())
        self.assertGreater(len(kept), 5)
        for card in CARDS:
            for text in kept:
                self.assertNotIn(card.encode(), text)
