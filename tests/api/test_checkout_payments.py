# SPDX-License-Identifier: Apache-2.0
"""Orders on their way to being paid: at once, too late, across crashes, with a gateway that is down or is Stripe's."""
import os
import socket
import subprocess
import threading

from harness import SETTINGS, Client, Server, fresh_path, in_threads, new_key, wait_until
from test_accounts import PASSWORD, new_email
from test_checkout import (DECLINED, CheckoutTest, check_out, fields_of, look, pay, purchase, put_in_cart, statuses,
                           token_of)
from wire import Closed


class Payments(CheckoutTest):
    def test_declined_keeps_the_hold_for_a_second_try(self):
        sku = self.admin.create_sku(3)
        order = self.order(self.guest, sku)
        for _ in range(3):
            pay(self.guest, order, DECLINED, expect=402, code="payment_declined")
        self.assertEqual(self.admin.inventory(sku)["reserved"], 1)
        self.assertEqual(pay(self.guest, order, expect=200).json()["status"], "confirmed")

    def test_paid_once_by_many_at_once(self):
        sku = self.admin.create_sku(3)
        order = self.order(self.guest, sku, 2)
        clients = [Client(self.server, token=self.guest.token) for _ in range(8)]
        for answer in in_threads(8, lambda i: pay(clients[i], order)):
            self.assertIn((answer.status, answer.code), ((200, None), (409, "payment_in_progress")))
        wait_until(lambda: look(self.guest, order).json()["status"] == "confirmed", 5, "it is confirmed")
        shown = look(self.guest, order).json()
        self.assertEqual((shown["payment"]["captured_minor"], statuses(shown)),
                         (3998, ["pending_payment", "confirmed"]))
        self.assertEqual(self.admin.inventory(sku)["sold"], 2)

    def test_cancel_against_payment(self):
        sku = self.admin.create_sku(20)
        for _ in range(10):
            order = self.order(self.guest, sku)
            clients = [Client(self.server, token=self.guest.token) for _ in range(2)]
            calls = (lambda: pay(clients[0], order),
                     lambda: clients[1].call("POST", f"/v1/orders/{order['id']}/cancel", {}))
            in_threads(2, lambda i: calls[i]())
            wait_until(lambda: look(self.guest, order).json()["status"] in ("confirmed", "cancelled"), 5, "it ended")
            wait_until(lambda: self.admin.inventory(sku)["reserved"] == 0, 5, "its hold has ended")
            shown = look(self.guest, order).json()
            if shown["status"] == "confirmed":
                self.assertEqual(shown["payment"]["captured_minor"], 1999)
                self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
            shown = look(self.guest, order).json()
            self.assertEqual(shown["payment"]["captured_minor"], shown["payment"]["refunded_minor"])
        self.assertEqual(self.admin.available(sku), 20)


class Lapsed(CheckoutTest):
    server_name = "short"

    def test_an_unpaid_order_expires_and_gives_everything_back(self):
        sku, code = self.admin.create_sku(3), self.coupon(max_uses=1)
        order = self.order(self.guest, sku, 2, coupon=code)
        wait_until(lambda: look(self.guest, order).json()["status"] == "expired", 10, "it expires")
        self.assertEqual(self.admin.available(sku), 3)
        self.assertEqual(self.uses(code), {"held": 0, "committed": 0})
        pay(self.guest, order, expect=409, code="invalid_state")
        late = look(self.guest, order).json()
        self.assertEqual((late["payment"]["state"], statuses(late)), ("cancelled", ["pending_payment", "expired"]))

    def test_a_lapsed_hold_is_no_order(self):
        hold = self.guest.hold(self.admin.create_sku(1))
        ended = lambda: self.guest.reservation(hold["id"]).json()["status"] == "expired"
        wait_until(ended, 10, "it lapses")
        check_out(self.guest, purchase(hold), expect=409, code="hold_ended")


class Crashes(CheckoutTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--auth-verify", "off")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        audit = cls.server.check()
        if audit.returncode != 0:
            raise AssertionError(f"check: {audit.stdout} {audit.stderr}")

    def crash(self):
        self.server.kill()
        self.server.restart()
        for client in (self.admin, self.guest):
            client.close()

    def test_a_crash_between_checkout_and_payment_and_behind_it(self):
        sku, key = self.admin.create_sku(5), new_key()
        put_in_cart(self.guest, sku, 2)
        body = purchase()
        first = check_out(self.guest, body, key=key, expect=201)
        order = first.json()
        self.crash()
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, first.body)
        self.assertEqual(look(self.guest, order, expect=200).json()["expires_at"], order["expires_at"])
        self.assertEqual(self.admin.inventory(sku)["reserved"], 2)
        paid = pay(self.guest, order, expect=200).json()
        self.crash()
        self.assertEqual(look(self.guest, order, expect=200).json(), paid)
        self.assertEqual(pay(self.guest, order, expect=200).json(), paid)
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, first.body)
        books = self.admin.inventory(sku)
        self.assertEqual((books["sold"], books["reserved"], books["available"]), (2, 0, 3))
        self.assertEqual([entry["id"] for entry in self.guest.pages("/v1/orders")], [order["id"]])
        wait_until(lambda: self.guest.call("GET", "/v1/cart").json()["items"] == [], 5, "the cart is cleared")
        cancelled = self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200).json()
        self.crash()
        self.assertEqual(look(self.guest, order, expect=200).json(), cancelled)
        self.assertEqual(self.admin.available(sku), 5)

    def test_crashes_while_orders_are_paid(self):
        sku = self.admin.create_sku(1000)
        orders = [self.order(self.guest, sku) for _ in range(40)]
        paid, dies, errors = [], threading.Event(), []

        def payer():
            client = Client(self.server, token=self.guest.token)
            try:
                for order in orders:
                    pay(client, order, expect=200)
                    paid.append(order)
            except (Closed, OSError) as error:
                if not dies.is_set():
                    errors.append(error)
            except BaseException as error:  # whatever it is, the test has to fail
                errors.append(error)

        thread = threading.Thread(target=payer, daemon=True)
        thread.start()
        wait_until(lambda: len(paid) >= 3 or errors, 30, "some are paid")
        dies.set()
        self.server.kill()
        thread.join(30)
        self.assertFalse(thread.is_alive())
        if errors:
            raise errors[0]
        self.server.restart()
        for client in (self.admin, self.guest):
            client.close()
        for order in paid:
            self.assertEqual(look(self.guest, order, expect=200).json()["status"], "confirmed", "as it was answered")
        for order in orders:
            wait_until(lambda: pay(self.guest, order).status == 200, 30, "each is paid")
            shown = look(self.guest, order, expect=200).json()
            self.assertEqual((shown["payment"]["captured_minor"], statuses(shown)),
                             (1999, ["pending_payment", "confirmed"]))
        books = self.admin.inventory(sku)
        self.assertEqual((books["sold"], books["reserved"]), (40, 0))

    def test_a_guests_key_is_the_customers(self):
        sku, key = self.admin.create_sku(9), new_key()
        put_in_cart(self.guest, sku, 2)
        body = purchase()
        first = check_out(self.guest, body, key=key, expect=201)
        email = new_email()
        account = {"email": email, "password": PASSWORD}
        made = self.guest.call("POST", "/v1/auth/register", account, expect=201).json()
        made = Client(self.server, token=self.guest.token).call("POST", "/v1/auth/login", account, expect=200).json()
        customer = Client(self.server, token=made["token"])
        self.assertEqual(check_out(customer, body, key=key, expect=201).body, first.body)
        self.assertEqual([entry["id"] for entry in customer.pages("/v1/orders")], [first.json()["id"]])
        pay(customer, first.json(), expect=200)
        self.assertEqual(check_out(customer, body, key=key, expect=201).body, first.body)
        self.assertEqual(self.admin.inventory(sku)["sold"], 2)


class Gateways(CheckoutTest):
    @classmethod
    def setUpClass(cls):
        key_file = fresh_path("stripe-key")
        with open(key_file, "w", encoding="utf-8") as handle:
            handle.write("sk_test_nothing\n")
        os.chmod(key_file, 0o600)
        with socket.socket() as taken:  # a port that nobody listens at
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        cls.server = Server("--stripe-secret-key-file", key_file, "--stripe-base-url", f"http://127.0.0.1:{port}",
                            "--outbound-private", "on", "--sandbox", "off")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_a_gateway_that_is_down(self):
        sku = self.admin.create_sku(5)
        hold, key = self.guest.hold(sku), new_key()
        body = purchase(hold, payment={"provider": "stripe"})
        for _ in range(2):
            answer = check_out(self.guest, body, key=key, expect=503, code="gateway_unavailable")
            self.assertGreaterEqual(int(answer.header("retry-after")), 1)
        self.assertEqual(self.guest.reservation(hold["id"]).json()["status"], "held", "the hold is kept")
        self.guest.release(hold["id"], expect=204)
        put_in_cart(self.guest, sku, 3)
        for _ in range(2):
            check_out(self.guest, purchase(payment={"provider": "stripe"}), expect=503, code="gateway_unavailable")
        self.assertEqual(self.admin.available(sku), 5, "what was held for it is back")
        body, key = purchase(payment={"provider": "stripe"}), new_key()
        for _ in range(3):  # the hold of the try before was given back: each holds anew
            check_out(self.guest, body, key=key, expect=503, code="gateway_unavailable")
        self.assertEqual(self.admin.available(sku), 5)
        self.assertEqual(self.guest.pages("/v1/orders"), [])
        refused = check_out(self.guest, purchase(), expect=422)
        self.assertEqual(fields_of(refused), {"payment.provider"})


class Stripe(CheckoutTest):
    """Through `stampede gateway`, in the shapes of Stripe's API."""

    @classmethod
    def setUpClass(cls):
        key_file = fresh_path("stripe-key")
        with open(key_file, "w", encoding="utf-8") as handle:
            handle.write("sk_test_checkout\n")
        os.chmod(key_file, 0o600)
        command = [SETTINGS.binary, "gateway", "--listen", "127.0.0.1:0", "--ledger", fresh_path("ledger"),
                   "--secret", "sk_test_checkout"]
        cls.gateway = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = cls.gateway.stdout.readline().split()[-1]
        cls.server = Server("--stripe-secret-key-file", key_file, "--stripe-base-url", url,
                            "--outbound-private", "on", "--stripe-confirm", "on")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.gateway.kill()
        cls.gateway.wait()
        cls.gateway.stdout.close()
        audit = cls.server.check()
        if audit.returncode != 0:
            raise AssertionError(f"check: {audit.stdout} {audit.stderr}")

    def test_paid_and_given_back(self):
        sku, key = self.admin.create_sku(5), new_key()
        body = purchase(self.guest.hold(sku, 2), payment={"provider": "stripe"})
        first = check_out(self.guest, body, key=key, expect=201)
        order = first.json()
        secret = order["payment"]["client_secret"]
        self.assertTrue(secret.startswith(order["payment"]["id"] + "_secret_"))
        pay(self.guest, order, DECLINED, expect=402, code="payment_declined")
        self.assertEqual(fields_of(pay(self.guest, order, "pm_no_such_method", expect=422)), {"payment_method"})
        paid = pay(self.guest, order, expect=200).json()
        self.assertEqual((paid["status"], paid["payment"]["captured_minor"]), ("confirmed", 3998))
        self.assertEqual(check_out(self.guest, body, key=key, expect=201).body, first.body)
        target = f"/v1/orders/{order['id']}?token={token_of(self.server, order)}"
        shown = self.server.anonymous().call("GET", target, expect=200)
        self.assertNotIn(secret, shown.body.decode(), "what pays is its buyer's alone")
        done = self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200).json()
        self.assertEqual((done["status"], done["payment"]["refunded_minor"]), ("cancelled", 3998))
        self.assertEqual(self.admin.available(sku), 5)
