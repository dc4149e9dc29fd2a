# SPDX-License-Identifier: Apache-2.0
"""From a hold or a cart to an order: what it costs, who may see it, and what is refused."""
import hashlib
import json
import os

from harness import ApiTest, Client, Server, in_threads, new_key, wait_until
from stored import files_with
from test_accounts import new_email

ADDRESS = {"name": "Ann Example", "line1": "Lane 1", "city": "Bern", "postal_code": "3000", "country": "CH"}
VISA, DECLINED = "pm_card_visa", "pm_card_declined"


def purchase(hold=None, **fields):
    body = {
        "email": new_email(),
        "shipping_address": ADDRESS,
        "shipping_method": "shm_1",
        "payment": {"provider": "sandbox"},
        **fields,
    }
    if hold is not None:
        body["reservation_id"] = hold["id"]
    return {name: value for name, value in body.items() if value != "absent"}


def check_out(client, body, key=None, **asked):
    return client.call("POST", "/v1/checkout", body, key=key or new_key(), **asked)


def pay(client, order, method=VISA, **asked):
    body = {"order_id": order["id"], "payment_method": method}
    return client.call("POST", "/v1/payments/confirm", body, **asked)


def look(client, order, **asked):
    return client.call("GET", f"/v1/orders/{order['id']}", **asked)


def put_in_cart(client, sku, quantity=1):
    return client.call("POST", "/v1/cart/items", {"sku": sku, "quantity": quantity}, expect=200).json()


def statuses(order):
    return [entry["status"] for entry in order["timeline"]]


def token_of(server, order):
    """What an order's mails carry (net/api/order_view.c): a MAC of its ID under the store's secret."""
    with open(os.path.join(server.data, "secret.key"), "rb") as handle:
        secret = handle.read()
    return hashlib.blake2b(b"\x05order" + order["id"].encode(), key=secret, digest_size=16).hexdigest()


def figure(server, name):
    text = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
    return int(next(line.split()[-1] for line in text.splitlines() if line.startswith(name + " ")))


def fields_of(response):
    return {error["field"] for error in response.json()["errors"]}


class CheckoutTest(ApiTest):
    def order(self, client, sku, quantity=1, **fields):
        return check_out(client, purchase(client.hold(sku, quantity), **fields), expect=201).json()

    def coupon(self, **fields):
        body = {"code": "K" + new_key()[:12].upper(), "kind": "percentage", "percent_bp": 1000, **fields}
        self.admin.call("POST", "/v1/admin/coupons", body, expect=201)
        return body["code"]

    def uses(self, code):
        return self.admin.call("GET", f"/v1/admin/coupons/{code}", expect=200).json()["uses"]

    def set_price(self, sku, price):
        rows = f"sku,name,price,currency,stock\n{sku},Priced,{price},EUR,9\n".encode()
        text = [("Content-Type", "text/csv")]
        self.admin.call("POST", "/v1/admin/import", rows, headers=text, expect=200)


class Orders(CheckoutTest):
    def test_a_hold_becomes_a_paid_order(self):
        sku = self.admin.create_sku(10, name="Aurora \"Runner\" ä")
        hold = self.guest.hold(sku, 2)
        body = purchase(hold)
        response = check_out(self.guest, body, expect=201)
        order = response.json()
        self.assertEqual(response.header("location"), f"/v1/orders/{order['id']}")
        self.assertEqual((order["status"], order["payment"]["state"]), ("pending_payment", "created"))
        self.assertEqual(order["reservation_id"], hold["id"])
        self.assertEqual(order["expires_at"], hold["expires_at"])
        self.assertEqual(order["email"], body["email"])
        kept = {name: order["shipping_address"][name] for name in ADDRESS}
        self.assertEqual(kept, ADDRESS)
        item = order["items"][0]
        self.assertEqual((item["sku"], item["name"], item["quantity"]), (sku, "Aurora \"Runner\" ä", 2))
        self.assertEqual((item["unit_price_minor"], item["total_minor"]), (1999, 3998))
        self.assertEqual(order["totals"]["total_minor"], 3998)
        self.assertEqual(self.admin.inventory(sku)["reserved"], 2)
        paid = pay(self.guest, order, expect=200).json()
        self.assertEqual(statuses(paid), ["pending_payment", "confirmed"])
        self.assertEqual((paid["payment"]["state"], paid["payment"]["captured_minor"]), ("captured", 3998))
        self.assertNotIn("expires_at", paid)
        books = self.admin.inventory(sku)
        self.assertEqual((books["sold"], books["reserved"], books["available"]), (2, 0, 8))
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "converted")
        self.assertEqual(pay(self.guest, order, expect=200).json(), paid, "paying again is paid")
        self.assertEqual(look(self.guest, order, expect=200).json(), paid)
        self.assertEqual(self.admin.inventory(sku)["sold"], 2)

    def test_the_cart_is_held_and_loses_what_was_ordered(self):
        first, second = self.admin.create_sku(5), self.admin.create_sku(5)
        put_in_cart(self.guest, first, 2)
        put_in_cart(self.guest, second, 1)
        order = check_out(self.guest, purchase(), expect=201).json()
        self.assertEqual({item["sku"]: item["quantity"] for item in order["items"]}, {first: 2, second: 1})
        self.assertEqual(self.admin.inventory(first)["reserved"], 2)
        put_in_cart(self.guest, first, 1)  # after the order: it stays
        pay(self.guest, order, expect=200)

        def rest():
            items = self.guest.call("GET", "/v1/cart", expect=200).json()["items"]
            return {item["sku"]: item["quantity"] for item in items} == {first: 1}

        wait_until(rest, 5, "the cart has lost what was ordered, and no more")
        self.assertEqual(self.admin.inventory(first)["sold"], 2)

    def test_an_empty_cart_is_no_order(self):
        self.assertEqual(fields_of(check_out(self.guest, purchase(), expect=422)), {"items"})

    def test_the_calls_as_the_requirements_write_them(self):
        sku = self.admin.create_sku(3)
        put_in_cart(self.guest, sku)
        key, body = new_key(), purchase()
        order = self.guest.call("POST", "/checkout", body, key=key, expect=201)
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, order.body, "one key, one order")
        body = {"order_id": order.json()["id"], "payment_method": VISA}
        self.guest.call("POST", "/payment/confirm", body, expect=200)
        shown = self.guest.call("GET", f"/orders/{order.json()['id']}", expect=200).json()
        self.assertEqual(shown["status"], "confirmed")

    def test_what_is_free_needs_no_payment(self):
        sku = self.admin.create_sku(3)
        order = self.order(self.guest, sku, coupon=self.coupon(percent_bp=10000))
        self.assertEqual((order["totals"]["total_minor"], order["payment"]["id"]), (0, None))
        wait_until(lambda: look(self.guest, order).json()["status"] == "confirmed", 5, "it is confirmed")
        self.assertEqual(self.admin.inventory(sku)["sold"], 1)

    def test_own_orders_newest_first_by_page(self):
        sku = self.admin.create_sku(50)
        made = [self.order(self.guest, sku)["id"] for _ in range(5)]
        self.order(self.server.guest(), sku)
        listed = [order["id"] for order in self.guest.pages("/v1/orders?limit=2")]
        self.assertEqual(listed, made[::-1])
        self.guest.call("GET", "/v1/orders?cursor=nonsense", expect=422, code="validation_failed")
        self.assertEqual(self.server.guest().pages("/v1/orders"), [])

    def test_nobody_elses(self):
        order = self.order(self.guest, self.admin.create_sku(3))
        other = self.server.guest()
        look(other, order, expect=404, code="not_found")
        pay(other, order, expect=404, code="not_found")
        other.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=404, code="not_found")
        anybody = self.server.anonymous()
        look(anybody, order, expect=401, code="unauthenticated")
        for token in ("", "0" * 32, "f" * 31, "%00"):
            answer = anybody.call("GET", f"/v1/orders/{order['id']}?token={token}")
            self.assertEqual((answer.status, answer.code), (404, "not_found"), token)
        forged = order["id"][:-1] + ("0" if order["id"][-1] != "0" else "1")
        look(self.guest, {"id": forged}, expect=404, code="not_found")
        check_out(other, purchase({"id": order["reservation_id"]}), expect=404, code="not_found")
        self.assertEqual(look(self.guest, order, expect=200).json()["status"], "pending_payment")

    def test_by_the_token_of_its_mails(self):
        mine, other = (self.order(self.guest, self.admin.create_sku(3)) for _ in range(2))
        token = token_of(self.server, mine)
        anybody = self.server.anonymous()
        shown = anybody.call("GET", f"/v1/orders/{mine['id']}?token={token}", expect=200).json()
        self.assertEqual((shown["id"], shown["email"]), (mine["id"], mine["email"]))
        self.assertNotIn("client_secret", shown["payment"])
        anybody.call("GET", f"/orders/{mine['id']}?token={token}", expect=200)
        anybody.call("GET", f"/v1/orders/{other['id']}?token={token}", expect=404, code="not_found")
        self.server.guest().call("GET", f"/v1/orders/{mine['id']}?token={token}", expect=200)
        self.guest.call("GET", f"/v1/orders/{mine['id']}?colour=red", expect=422, code="validation_failed")

    def test_cancelled_before_and_after_it_is_paid(self):
        sku = self.admin.create_sku(5)
        unpaid, paid = self.order(self.guest, sku, 2), self.order(self.guest, sku, 3)
        pay(self.guest, paid, expect=200)
        for order, state in ((unpaid, "cancelled"), (paid, "captured")):
            target = f"/v1/orders/{order['id']}/cancel"
            done = self.guest.call("POST", target, {}, expect=200).json()
            self.assertEqual((done["status"], done["payment"]["state"]), ("cancelled", state))
            self.assertEqual(done["payment"]["captured_minor"], done["payment"]["refunded_minor"])
            again = self.guest.call("POST", target, {}, expect=200).json()
            self.assertEqual(again, done)
            pay(self.guest, order, expect=(200, 409))
        self.assertEqual(self.admin.available(sku), 5)
        self.assertEqual(self.admin.inventory(sku)["sold"], 0)
        pay(self.guest, unpaid, expect=409, code="invalid_state")


class Prices(CheckoutTest):
    def test_a_price_that_changed_is_never_charged_silently(self):
        sku = "P" + new_key()[:12]
        self.set_price(sku, "10.00")
        put_in_cart(self.guest, sku, 2)
        hold = self.guest.hold(sku, 1)
        self.set_price(sku, "12.50")
        for body, shown, now in ((purchase(), 2000, 2500), (purchase(hold), 1000, 1250)):
            key = new_key()
            body["expected_total_minor"] = shown
            refused = check_out(self.guest, body, key=key, expect=409, code="price_changed").json()
            self.assertEqual((refused["expected_total_minor"], refused["current_total_minor"]), (shown, now))
            body["expected_total_minor"] = now
            order = check_out(self.guest, body, key=key, expect=201).json()
            self.assertEqual(order["totals"]["total_minor"], now)
            self.set_price(sku, "99.00")  # of an order that is made, nothing changes
            self.assertEqual(pay(self.guest, order, expect=200).json()["totals"], order["totals"])
            self.set_price(sku, "12.50")
        self.assertEqual(self.admin.inventory(sku)["reserved"], 0, "what was refused holds nothing")

    def test_prices_are_the_shops(self):
        hold = self.guest.hold(self.admin.create_sku(3))
        for name, value in (("total_minor", 1), ("items", []), ("price_minor", 1), ("discount_minor", 100)):
            refused = check_out(self.guest, purchase(hold, **{name: value}), expect=422)
            self.assertEqual(fields_of(refused), {name})
        for value in (-1, 1.5, 2**63, "1999", True):
            refused = check_out(self.guest, purchase(hold, expected_total_minor=value), expect=422)
            self.assertEqual(fields_of(refused), {"expected_total_minor"})

    def test_one_order_has_one_currency(self):
        euros = self.admin.create_sku(3)
        dollars = self.admin.create_sku(3, currency="USD")
        hold = self.guest.reserve_items((euros, 1), (dollars, 1), expect=201).json()
        self.assertEqual(fields_of(check_out(self.guest, purchase(hold), expect=422)), {"reservation_id"})

    def test_taxes_and_shipping_explain_themselves(self):
        server = Server()
        admin, guest = server.admin(), server.guest()
        rate = {"country": "DE", "rate_bp": 1900, "inclusive": True}
        rate = admin.call("POST", "/v1/admin/tax-rates", rate, expect=201).json()
        californias = {"country": "US", "region": "CA", "rate_bp": 725, "inclusive": False}
        admin.call("POST", "/v1/admin/tax-rates", californias, expect=201)
        admin.call("DELETE", "/v1/admin/shipping-methods/shm_1", expect=204)
        parcel = {"name": "Parcel", "countries": ["DE", "US"], "kind": "flat", "currency": "EUR",
                  "table": [{"price_minor": 490}]}
        method = admin.call("POST", "/v1/admin/shipping-methods", parcel, expect=201).json()["id"]
        sku = admin.create_sku(9, price_minor=11900)
        german = {**ADDRESS, "country": "DE"}
        order = check_out(guest, purchase(guest.hold(sku), shipping_method=method, shipping_address=german),
                          expect=201).json()
        self.assertEqual(order["totals"], {"subtotal_minor": 11900, "discount_minor": 0, "shipping_minor": 490,
                                           "tax_minor": 0, "tax_included_minor": 1900 + 78, "total_minor": 12390,
                                           "currency": "EUR"})
        self.assertEqual((order["items"][0]["tax_rate"], order["items"][0]["tax_minor"]), (rate["id"], 1900))
        self.assertEqual((order["shipping"]["name"], order["shipping"]["reason"]), ("Parcel", "charged"))
        californian = {**ADDRESS, "country": "US", "region": "ca"}
        order = check_out(guest, purchase(guest.hold(sku), shipping_method=method, shipping_address=californian),
                          expect=201).json()
        self.assertEqual((order["totals"]["tax_minor"], order["totals"]["total_minor"]), (863 + 36, 11900 + 863 + 526))
        hold = guest.hold(sku)
        for fields, wrong in (
            ({"shipping_method": "shm_1"}, "shipping_method"),
            ({"shipping_method": "nonsense"}, "shipping_method"),
            ({"shipping_method": method}, "shipping_address.country"),
        ):
            refused = check_out(guest, purchase(hold, **{"shipping_address": german, **fields}) if wrong != (
                "shipping_address.country") else purchase(hold, **fields), expect=422)
            self.assertEqual(fields_of(refused), {wrong})
        french = admin.call("POST", "/v1/admin/shipping-methods", {**parcel, "countries": ["FR"]}, expect=201).json()
        refused = check_out(guest, purchase(hold, shipping_method=french["id"], shipping_address=german), expect=422)
        self.assertEqual(fields_of(refused), {"shipping_method"})
        dollars = guest.hold(admin.create_sku(3, currency="USD"))
        refused = check_out(guest, purchase(dollars, shipping_method=method, shipping_address=german), expect=422)
        self.assertEqual(fields_of(refused), {"shipping_method"})
        self.assertEqual(guest.reservation(hold["id"]).json()["status"], "held")
        self.assertEqual(server.stop(), 0)

    def test_shipping_by_weight_is_what_the_cart_showed(self):
        server = Server()
        admin, guest = server.admin(), server.guest()
        method = {"name": "Parcel", "countries": ["CH"], "kind": "weight", "currency": "EUR",
                  "table": [{"up_to_grams": 1000, "price_minor": 400}, {"up_to_grams": 2000, "price_minor": 700}]}
        method = admin.call("POST", "/v1/admin/shipping-methods", method, expect=201).json()["id"]
        sku = "W" + new_key()[:12]
        product = {"name": "Heavy", "price_minor": 100, "currency": "EUR", "sku": sku, "stock": 99, "weight_grams": 400}
        admin.call("POST", "/v1/admin/products", product, expect=201)
        for quantity, price in ((2, 400), (3, 700)):
            put_in_cart(guest, sku, quantity)
            cart = guest.call("GET", f"/v1/cart?country=CH&shipping_method={method}", expect=200).json()
            self.assertEqual(cart["totals"]["shipping_minor"], price)
            body = purchase(shipping_method=method, expected_total_minor=cart["totals"]["total_minor"])
            order = check_out(guest, body, expect=201).json()
            self.assertEqual(order["totals"]["shipping_minor"], price)
            guest.call("DELETE", f"/v1/cart/items/{sku}", expect=200)
        refused = check_out(guest, purchase(guest.hold(sku, 6), shipping_method=method), expect=422)
        self.assertEqual(fields_of(refused), {"shipping_method"}, "nobody carries so much")
        self.assertEqual(server.stop(), 0)


class Coupons(CheckoutTest):
    def test_a_coupon_is_held_committed_and_explained(self):
        sku, code = self.admin.create_sku(9), self.coupon(max_uses=1)
        order = self.order(self.guest, sku, 2, coupon=code.lower())
        self.assertEqual(order["coupon"], {"code": code, "kind": "percentage", "discount_minor": 400,
                                           "shipping_discount_minor": 0})
        self.assertEqual((order["totals"]["discount_minor"], order["totals"]["total_minor"]), (400, 3598))
        self.assertEqual(self.uses(code), {"held": 1, "committed": 0})
        hold = self.guest.hold(sku)
        key = new_key()
        body = purchase(hold, coupon=code)
        check_out(self.guest, body, key=key, expect=409, code="coupon_exhausted")
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held", "the hold is kept")
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        again = check_out(self.guest, body, key=key, expect=201).json()
        pay(self.guest, again, expect=200)
        self.assertEqual(self.uses(code), {"held": 0, "committed": 1})

    def test_the_carts_coupon_counts(self):
        sku, code = self.admin.create_sku(9), self.coupon(max_uses=1)
        put_in_cart(self.guest, sku, 2)
        self.guest.call("POST", "/v1/cart/coupon", {"code": code}, expect=200)
        order = check_out(self.guest, purchase(), expect=201).json()
        self.assertEqual((order["coupon"]["code"], order["totals"]["total_minor"]), (code, 3598))
        other = self.server.guest()
        put_in_cart(other, sku, 3)
        check_out(other, purchase(coupon=code), expect=409, code="coupon_exhausted")
        books = self.admin.inventory(sku)
        self.assertEqual((books["reserved"], books["available"]), (2, 7), "what the refused one held is back")

    def test_coupons_that_do_not_hold(self):
        sku = self.admin.create_sku(9)
        hold = self.guest.hold(sku)
        for code in (
            "NO-SUCH-COUPON",
            self.coupon(ends_at="2020-01-01T00:00:00Z"),
            self.coupon(starts_at="2400-01-01T00:00:00Z"),
            self.coupon(enabled=False),
            self.coupon(min_subtotal_minor=100000, currency="EUR"),
            self.coupon(products=["another"]),
            self.coupon(kind="fixed", percent_bp=None, amount_minor=100, currency="USD"),
            self.coupon(kind="buy_x_get_y", percent_bp=None, buy=2, get=1),
            self.coupon(kind="free_shipping", percent_bp=None),
        ):
            refused = check_out(self.guest, purchase(hold, coupon=code), expect=422)
            self.assertEqual(refused.code, "coupon_invalid", refused)
        for code in ("", "A B", "A" * 41, 7):
            self.assertEqual(fields_of(check_out(self.guest, purchase(hold, coupon=code), expect=422)), {"coupon"})
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held")

    def test_figures_move(self):
        server = Server()
        self.admin, guest = server.admin(), server.guest()
        names = ("uses_held", "uses_committed_total", "uses_released_total", "uses_refused_total")
        figures = lambda: tuple(figure(server, f"stampede_coupon_{name}") for name in names)
        self.assertEqual(figures(), (0, 0, 0, 0))
        sku, code = self.admin.create_sku(9), self.coupon(max_uses=1)
        order = self.order(guest, sku, coupon=code)
        check_out(guest, purchase(guest.hold(sku), coupon=code), expect=409)
        wait_until(lambda: figures() == (1, 0, 0, 1), 5, "one is held, one refused")
        guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        wait_until(lambda: figures() == (0, 0, 1, 1), 5, "it is released")
        pay(guest, self.order(guest, sku, coupon=code), expect=200)
        wait_until(lambda: figures() == (0, 1, 1, 1), 5, "it is committed")
        self.assertEqual(server.stop(), 0)

    def test_twenty_at_once_for_five_uses(self):
        sku, code = self.admin.create_sku(100), self.coupon(max_uses=5)

        def buy(_):
            guest = self.server.guest()
            answer = check_out(guest, purchase(guest.hold(sku), coupon=code), expect=(201, 409))
            if answer.status == 409:
                self.assertEqual(answer.code, "coupon_exhausted")
                return False
            return pay(guest, answer.json(), expect=200).json()["coupon"]["code"] == code

        self.assertEqual(sum(in_threads(20, buy)), 5)
        self.assertEqual(self.uses(code), {"held": 0, "committed": 5})


class Figures(CheckoutTest):
    def test_checkouts_by_outcome(self):
        server = Server()
        self.admin, guest = server.admin(), server.guest()
        sku = self.admin.create_sku(2)
        hold, key, code = guest.hold(sku), new_key(), self.coupon(max_uses=1)
        body = purchase(hold, coupon=code)
        steps = (
            ("invalid", lambda: check_out(guest, purchase(hold, email="nobody"), expect=422)),
            ("invalid", lambda: check_out(guest, purchase(hold, shipping_method="shm_9"), expect=422)),
            ("price_changed", lambda: check_out(guest, purchase(hold, expected_total_minor=1), expect=409)),
            ("coupon_refused", lambda: check_out(guest, purchase(hold, coupon="NONE"), expect=422)),
            ("created", lambda: check_out(guest, body, key=key, expect=201)),
            ("replayed", lambda: check_out(guest, body, key=key, expect=201)),
            ("hold_refused", lambda: check_out(guest, purchase(hold), expect=409)),
            ("invalid", lambda: check_out(guest, purchase(hold), key=key, expect=422)),
            ("coupon_refused", lambda: check_out(guest, purchase(guest.hold(sku), coupon=code), expect=409)),
            ("stock_refused", lambda: (put_in_cart(guest, sku), check_out(guest, purchase(), expect=409))),
        )
        for result, step in steps:
            name = f'stampede_checkouts_total{{result="{result}"}}'
            before = figure(server, name)
            step()
            self.assertEqual(figure(server, name), before + 1, result)
        self.assertEqual(figure(server, 'stampede_checkouts_total{result="failed"}'), 0)
        self.assertEqual(server.stop(), 0)


class Keys(CheckoutTest):
    def test_a_repeat_is_the_first_answer_whatever_became_of_it(self):
        sku, key = self.admin.create_sku(5), new_key()
        hold = self.guest.hold(sku)
        body = purchase(hold)
        first = check_out(self.guest, body, key=key, expect=201)
        for step in (lambda: None, lambda: pay(self.guest, first.json(), expect=200)):
            step()
            again = check_out(self.guest, body, key=key, expect=201)
            self.assertEqual(again.body, first.body)
            self.assertEqual(again.header("idempotent-replayed"), "true")
            self.assertEqual(again.header("location"), first.header("location"))
        spaced = json.dumps(dict(reversed(body.items())), indent=2).encode()
        self.assertEqual(check_out(self.guest, spaced, key=key, expect=201).body, first.body, "said otherwise")
        other = {**body, "email": new_email()}
        check_out(self.guest, other, key=key, expect=422, code="idempotency_key_reused")
        self.assertEqual(len(self.guest.pages("/v1/orders")), 1)

    def test_a_repeat_of_a_carts_order_makes_no_second(self):
        sku, key = self.admin.create_sku(5), new_key()
        put_in_cart(self.guest, sku, 5)
        body = purchase()
        first = check_out(self.guest, body, key=key, expect=201)
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, first.body)
        pay(self.guest, first.json(), expect=200)
        wait_until(lambda: self.guest.call("GET", "/v1/cart").json()["items"] == [], 5, "the cart is empty")
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, first.body, "with an empty cart")
        put_in_cart(self.guest, sku, 1)
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, first.body, "sold out, in the cart")
        books = self.admin.inventory(sku)
        self.assertEqual((books["sold"], books["reserved"]), (5, 0))

    def test_a_double_click_is_one_order(self):
        sku, key = self.admin.create_sku(9), new_key()
        put_in_cart(self.guest, sku, 1)
        body = purchase()
        clients = [Client(self.server, token=self.guest.token) for _ in range(8)]
        answers = in_threads(8, lambda i: check_out(clients[i], body, key=key))
        made = {answer.body for answer in answers if answer.status == 201}
        self.assertEqual(len(made), 1)
        for answer in answers:
            if answer.status != 201:
                self.assertEqual((answer.status, answer.code), (409, "idempotency_in_flight"))
        self.assertEqual(self.admin.inventory(sku)["reserved"], 1)

    def test_needs_a_key_and_a_session(self):
        hold = self.guest.hold(self.admin.create_sku(2))
        body = purchase(hold)
        self.guest.call("POST", "/v1/checkout", body, expect=400, code="idempotency_key_required")
        check_out(self.server.anonymous(), body, expect=401, code="unauthenticated")
        self.server.anonymous().call("POST", "/v1/payments/confirm", {}, expect=401, code="unauthenticated")

    def test_one_hold_is_one_order(self):
        sku = self.admin.create_sku(9)
        hold = self.guest.hold(sku)
        clients = [Client(self.server, token=self.guest.token) for _ in range(8)]
        answers = in_threads(8, lambda i: check_out(clients[i], purchase(hold)))
        made = [answer.json() for answer in answers if answer.status == 201]
        self.assertEqual(len(made), 1)
        for answer in answers:
            if answer.status != 201:
                self.assertEqual((answer.status, answer.code), (409, "hold_in_use"))
                self.assertEqual(answer.json().get("order_id", made[0]["id"]), made[0]["id"])
        late = check_out(self.guest, purchase(hold), expect=409, code="hold_in_use").json()
        self.assertEqual(late["order_id"], made[0]["id"])
        kept = self.guest.release(hold["id"], expect=409, code="hold_in_use").json()
        self.assertEqual(kept["order_id"], made[0]["id"])
        self.admin.call("DELETE", f"/v1/admin/reservations/{hold['id']}", expect=409, code="hold_in_use")
        pay(self.guest, made[0], expect=200)
        check_out(self.guest, purchase(hold), expect=409, code="hold_ended")
        self.assertEqual(self.admin.inventory(sku)["sold"], 1)

    def test_a_released_hold_is_no_order(self):
        hold = self.guest.hold(self.admin.create_sku(2))
        self.guest.release(hold["id"], expect=204)
        check_out(self.guest, purchase(hold), expect=409, code="hold_ended")
        check_out(self.guest, purchase({"id": "res_nothing"}), expect=404, code="not_found")

    def test_a_cart_that_cannot_be_held(self):
        sku, limited = self.admin.create_sku(1), self.admin.create_sku(9, limit=1)
        self.server.guest().hold(sku)
        put_in_cart(self.guest, sku)
        check_out(self.guest, purchase(), expect=409, code="sold_out")
        other = self.server.guest()
        put_in_cart(other, limited, 2)
        check_out(other, purchase(), expect=409, code="limit_reached")
        third = self.server.guest()
        put_in_cart(third, limited, 1)
        put_in_cart(third, sku, 1)
        check_out(third, purchase(), expect=409, code="insufficient_stock")


class Fields(CheckoutTest):
    def test_bad_fields_are_named(self):
        hold = self.guest.hold(self.admin.create_sku(2))
        cases = (
            ({"email": "absent"}, {"email"}),
            ({"email": "nobody"}, {"email"}),
            ({"email": 7}, {"email"}),
            ({"shipping_address": "absent"}, {"shipping_address"}),
            ({"shipping_address": []}, {"shipping_address"}),
            ({"shipping_address": {}}, {f"shipping_address.{name}" for name in ADDRESS}),
            ({"shipping_address": {**ADDRESS, "country": "ch"}}, {"shipping_address.country"}),
            ({"shipping_address": {**ADDRESS, "country": "ZZ"}}, {"shipping_address.country"}),
            ({"shipping_address": {**ADDRESS, "line1": "a\nb"}}, {"shipping_address.line1"}),
            ({"shipping_address": {**ADDRESS, "planet": "Earth"}}, {"shipping_address.planet"}),
            ({"shipping_address": {**ADDRESS, "x" * 90: 1}}, {"shipping_address"}),
            ({"shipping_method": "absent"}, {"shipping_method"}),
            ({"shipping_method": 1}, {"shipping_method"}),
            ({"shipping_method": "shm_99"}, {"shipping_method"}),
            ({"payment": "absent"}, {"payment"}),
            ({"payment": "sandbox"}, {"payment"}),
            ({"payment": {}}, {"payment.provider"}),
            ({"payment": {"provider": "cash"}}, {"payment.provider"}),
            ({"payment": {"provider": "stripe"}}, {"payment.provider"}),
            ({"payment": {"provider": "sandbox", "card": "x"}}, {"payment.card"}),
            ({"reservation_id": 7}, {"reservation_id"}),
            ({"colour": "red", "email": ""}, {"colour", "email"}),
        )
        for fields, wrong in cases:
            with self.subTest(**fields):
                refused = check_out(self.guest, {**purchase(hold), **fields} if "absent" not in fields.values() else (
                    purchase(hold, **fields)), expect=422)
                self.assertEqual(fields_of(refused), wrong)
        twice = json.dumps(purchase(hold))[:-1] + ',"email":"b@example.org"}'
        refused = check_out(self.guest, twice.encode(), expect=422)
        self.assertEqual(fields_of(refused), {"email"})
        card = {**ADDRESS, "line2": "4242 4242 4242 4242"}
        check_out(self.guest, purchase(hold, shipping_address=card), expect=422, code="card_number_refused")
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held")

    def test_payments_fields(self):
        order = self.order(self.guest, self.admin.create_sku(2))
        cases = (
            ({}, {"order_id", "payment_method"}),
            ({"order_id": order["id"]}, {"payment_method"}),
            ({"order_id": 7, "payment_method": VISA}, {"order_id"}),
            ({"order_id": order["id"], "payment_method": ""}, {"payment_method"}),
            ({"order_id": order["id"], "payment_method": "a b"}, {"payment_method"}),
            ({"order_id": order["id"], "payment_method": "x" * 65}, {"payment_method"}),
            ({"order_id": order["id"], "payment_method": "pm_no_such_method"}, {"payment_method"}),
            ({"order_id": order["id"], "payment_method": VISA, "amount_minor": 1}, {"amount_minor"}),
        )
        for body, wrong in cases:
            with self.subTest(**body):
                answer = self.guest.call("POST", "/v1/payments/confirm", body, expect=422)
                self.assertEqual(fields_of(answer), wrong)
        nothing = {"id": "ord_nothing"}
        pay(self.guest, nothing, expect=404, code="not_found")
        self.assertEqual(look(self.guest, order).json()["status"], "pending_payment")

    def test_a_long_name_is_cut_between_characters(self):
        skus = [self.admin.create_sku(1, name=("\"\\ä" * 80)[:200]) for _ in range(20)]
        hold = self.guest.reserve_items(*((sku, 1) for sku in skus), expect=201).json()
        order = check_out(self.guest, purchase(hold), expect=201).json()
        for item in order["items"]:
            self.assertTrue(("\"\\ä" * 80).startswith(item["name"]) and len(item["name"]) > 60)


class Private(CheckoutTest):
    def test_what_is_private_is_in_no_file_log_or_metric(self):
        server = Server()
        admin, guest = server.admin(), server.guest()
        words = {kind: f"{kind}{new_key()[:14]}" for kind in ("mailbox", "street", "floor", "person", "city")}
        address = {"name": words["person"], "line1": words["street"], "line2": words["floor"], "city": words["city"],
                   "postal_code": "3000", "country": "CH"}
        body = purchase(guest.hold(admin.create_sku(5)), email=f"{words['mailbox']}@example.org",
                        shipping_address=address)
        order = check_out(guest, body, expect=201).json()
        check_out(guest, {**body, "email": words["mailbox"]}, expect=422)
        pay(guest, order, expect=200)
        self.assertIn(words["street"], look(guest, order).body.decode())
        told = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
        server.kill()
        self.assertEqual(files_with(server.data, *words.values()), {})
        server.restart()
        guest.close()
        self.assertEqual(look(guest, order).json()["email"], body["email"])
        server.stop()
        self.assertEqual(files_with(server.data, *words.values()), {})
        told += server.output()
        for word in words.values():
            self.assertNotIn(word, told)
