# SPDX-License-Identifier: Apache-2.0
"""What staff does with orders, and how it finds them."""
import csv
import io
import json
import re
import socket
import time
import urllib.parse

from harness import Server, new_key, wait_until
from test_accounts import register
from test_checkout import CheckoutTest, check_out, look, pay, purchase, statuses

PRICE = 1999
PARCEL = {"carrier": "DHL", "number": "JJD0001"}


class StaffTest(CheckoutTest):
    def paid(self, quantity=1, **fields):
        sku = self.admin.create_sku(10)
        order = self.order(self.guest, sku, quantity, **fields)
        return sku, pay(self.guest, order, expect=200).json()

    def see(self, order, **asked):
        return self.admin.call("GET", f"/v1/admin/orders/{order['id']}", **asked).json()

    def do(self, order, what, body=None, **asked):
        asked.setdefault("expect", 200)
        return self.admin.call("POST", f"/v1/admin/orders/{order['id']}/{what}", body or {}, **asked)

    def refund(self, order, key=None, **fields):
        asked = {name: fields.pop(name) for name in ("expect", "code") if name in fields}
        body = {"restock": False, "reason": "test", **fields}
        return self.do(order, "refund", body, key=key or new_key(), **asked)

    def audited(self, order):
        entries = self.admin.pages(f"/v1/admin/audit?subject={order['id']}")
        return [(entry["act"], entry["before"], entry["after"]) for entry in reversed(entries)]

    def wrong(self, response, field):
        self.assertEqual([error["field"] for error in response.json()["errors"]], [field])


class Staff(StaffTest):
    def test_an_order_goes_its_way(self):
        _, order = self.paid()
        seen = self.see(order, expect=200)
        self.assertEqual((seen["status"], seen["step"], seen["email"]), ("confirmed", "none", order["email"]))
        self.assertNotIn("client_secret", seen["payment"])
        self.assertEqual(self.do(order, "fulfil").json()["status"], "fulfilling")
        self.assertEqual(self.do(order, "fulfil").json()["status"], "fulfilling", "again is the same")
        self.do(order, "deliver", expect=409, code="invalid_state")
        self.do(order, "cancel", expect=409, code="invalid_state")
        shipped = self.do(order, "fulfil", {"tracking": PARCEL}).json()
        self.assertEqual((shipped["status"], shipped["shipping"]["tracking"]), ("shipped", PARCEL))
        again = self.do(order, "fulfil", {"tracking": PARCEL}).json()
        self.assertEqual(again, shipped)
        self.do(order, "fulfil", expect=409, code="invalid_state")
        self.assertEqual(look(self.guest, order).json()["shipping"]["tracking"], PARCEL)
        delivered = self.do(order, "deliver").json()
        self.assertEqual(self.do(order, "deliver").json(), delivered)
        self.do(order, "fulfil", {"tracking": {**PARCEL, "number": "X"}}, expect=409, code="invalid_state")
        self.assertEqual(statuses(self.see(order))[1:], ["confirmed", "fulfilling", "shipped", "delivered"])
        self.assertEqual(self.audited(order), [
            ("order_fulfilled", "confirmed", "fulfilling"),
            ("order_fulfilled", "fulfilling", "shipped"),
            ("order_delivered", "shipped", "delivered"),
        ])

    def test_what_is_not_an_order_or_not_well_said(self):
        _, order = self.paid()
        for what in ("", "/fulfil", "/deliver", "/cancel", "/refund"):
            for name in ("ord_nothing", order["id"][:-1] + ("0" if order["id"][-1] != "0" else "1")):
                target, body = f"/v1/admin/orders/{name}{what}", {}
                if what == "/refund":
                    body = {"restock": False, "reason": "test"}
                method = "POST" if what else "GET"
                self.admin.call(method, target, body if what else None, key=new_key(), expect=404, code="not_found")
        bad = {"expect": 422, "code": "validation_failed"}
        for body, field in (
            ({"tracking": "DHL"}, "tracking"),
            ({"tracking": {**PARCEL, "url": "x"}}, "tracking.url"),
            ({"tracking": {"carrier": "DHL"}}, "tracking.number"),
            ({"tracking": {"number": "1"}}, "tracking.carrier"),
            ({"tracking": {"carrier": "x" * 41, "number": "1"}}, "tracking.carrier"),
            ({"tracking": {"carrier": "ü" * 21, "number": "1"}}, "tracking.carrier"),
            ({"tracking": {"carrier": "a\nb", "number": "1"}}, "tracking.carrier"),
            ({"tracking": {"carrier": "DHL", "number": ""}}, "tracking.number"),
            ({"parcel": 1}, "parcel"),
        ):
            self.wrong(self.do(order, "fulfil", body, **bad), field)
        self.do(order, "fulfil", b"{", expect=400, code="malformed_json")
        self.wrong(self.do(order, "deliver", {"at": 1}, **bad), "at")
        self.wrong(self.do(order, "cancel", {"why": 1}, **bad), "why")
        self.admin.call("GET", f"/v1/admin/orders/{order['id']}?x=1", **bad)
        good = {"restock": False, "reason": "test"}
        for change, field in (
            ({"amount_minor": 0}, "amount_minor"),
            ({"amount_minor": "1"}, "amount_minor"),
            ({"items": []}, "items"),
            ({"items": [1]}, "items[0]"),
            ({"items": [{"sku": "NONE-OF-OURS", "quantity": 1}]}, "items[0].sku"),
            ({"items": [{"sku": order["items"][0]["sku"]}]}, "items[0].quantity"),
            ({"items": [{"sku": order["items"][0]["sku"], "quantity": 0}]}, "items[0].quantity"),
            ({"items": [{"sku": order["items"][0]["sku"], "quantity": 1}] * 2}, "items[1].sku"),
            ({"items": [{"sku": self.admin.create_sku(1), "quantity": 1}]}, "items"),
            ({"restock": 1}, "restock"),
            ({"reason": ""}, "reason"),
            ({"reason": "x" * 81}, "reason"),
            ({"note": ""}, "note"),
        ):
            self.wrong(self.do(order, "refund", {**good, **change}, key=new_key(), **bad), field)
        for missing in good:
            body = {name: value for name, value in good.items() if name != missing}
            self.wrong(self.do(order, "refund", body, key=new_key(), **bad), missing)
        self.do(order, "refund", good, expect=400, code="idempotency_key_required")
        self.assertEqual((self.see(order)["status"], self.audited(order)), ("confirmed", []))

    def test_money_goes_back_once_and_never_more_than_was_paid(self):
        sku, order = self.paid(3)
        key = new_key()
        first = self.refund(order, key, amount_minor=1000)
        self.assertEqual(first.json()["status"], "partially_refunded")
        self.assertIsNone(first.header("idempotent-replayed"))
        again = self.refund(order, key, amount_minor=1000)
        self.assertEqual((again.json(), again.header("idempotent-replayed")), (first.json(), "true"))
        self.refund(order, key, amount_minor=1001, expect=422, code="idempotency_key_reused")
        left = 3 * PRICE - 1000
        self.wrong(self.refund(order, amount_minor=left + 1, expect=422), "amount_minor")
        self.assertEqual(self.admin.inventory(sku)["sold"], 3, "money only")
        one = [{"sku": sku, "quantity": 1}]
        back = self.refund(order, items=one, restock=True, reason="too small").json()
        self.assertEqual([entry["amount_minor"] for entry in back["refunds"]], [1000, PRICE])
        self.assertEqual((back["refunds"][1]["reason"], back["refunds"][1]["status"]), ("too small", "succeeded"))
        self.assertNotIn("reason", look(self.guest, order).json()["refunds"][1])
        self.assertEqual(self.admin.inventory(sku)["sold"], 2)
        self.wrong(self.refund(order, items=[{"sku": sku, "quantity": 3}], expect=422), "items")
        # Two units are out, but money for less than two is left.
        self.wrong(self.refund(order, items=[{"sku": sku, "quantity": 2}], expect=422), "items")
        self.wrong(self.refund(order, amount_minor=5, restock=True, expect=422), "items")
        rest = self.refund(order, restock=True).json()
        self.assertEqual((rest["status"], rest["payment"]["refunded_minor"]), ("refunded", 3 * PRICE))
        books = self.admin.inventory(sku)
        self.assertEqual((books["sold"], books["available"]), (0, 10))
        self.wrong(self.refund(order, expect=422), "amount_minor")
        self.assertEqual(self.refund(order, key, amount_minor=1000).body, first.body, "still the first answer")
        acts = [(act, after) for act, _, after in self.audited(order)]
        self.assertEqual(acts, [("order_refunded", amount) for amount in (1000, PRICE, 3 * PRICE - 1000 - PRICE)])

    def test_refunds_by_units_come_to_the_line(self):
        sku = self.admin.create_sku(9, price_minor=1000)
        order = self.order(self.guest, sku, 3, coupon=self.coupon(percent_bp=3333))
        pay(self.guest, order, expect=200)
        total = order["items"][0]["total_minor"]
        self.assertNotEqual(total % 3, 0)
        for _ in range(3):
            self.refund(order, items=[{"sku": sku, "quantity": 1}], restock=True)
        self.assertEqual(self.see(order)["payment"]["refunded_minor"], total)
        self.assertEqual(self.admin.inventory(sku)["available"], 9)

    def test_a_unit_is_refunded_once_whether_it_came_back_or_not(self):
        sku, other = self.admin.create_sku(9, price_minor=1000), self.admin.create_sku(9, price_minor=3000)
        hold = self.guest.reserve_items((sku, 3), (other, 1), expect=201).json()
        order = check_out(self.guest, purchase(hold, coupon=self.coupon(percent_bp=3333)), expect=201).json()
        pay(self.guest, order, expect=200)
        total = next(item["total_minor"] for item in order["items"] if item["sku"] == sku)
        self.assertNotEqual(total % 3, 0)
        one = [{"sku": sku, "quantity": 1}]
        for restock in (False, True, False):
            self.refund(order, items=one, restock=restock)
        self.assertEqual(self.see(order)["payment"]["refunded_minor"], total)
        self.wrong(self.refund(order, items=one, expect=422), "items")
        self.wrong(self.refund(order, items=one, amount_minor=1, restock=True, expect=422), "items")
        self.assertEqual(self.admin.inventory(sku)["available"], 7)
        self.assertEqual(self.refund(order, items=[{"sku": other, "quantity": 1}]).json()["status"], "refunded")

    def test_as_many_refunds_as_there_is_room_for(self):
        _, order = self.paid(2)
        for _ in range(7):
            self.refund(order, amount_minor=1)
        answer = self.refund(order, amount_minor=1, expect=409, code="invalid_state")
        self.assertIn("all that is left", answer.json()["detail"])
        self.assertEqual(self.refund(order).json()["status"], "refunded")

    def test_what_is_not_paid_is_not_given_back(self):
        sku = self.admin.create_sku(10)
        order = self.order(self.guest, sku)
        self.refund(order, expect=409, code="invalid_state")
        self.do(order, "fulfil", expect=409, code="invalid_state")
        cancelled = self.do(order, "cancel").json()
        self.assertEqual((cancelled["status"], self.admin.inventory(sku)["available"]), ("cancelled", 10))
        self.assertEqual(self.do(order, "cancel").json()["status"], "cancelled")
        self.refund(order, expect=409, code="invalid_state")
        self.assertEqual(self.audited(order), [("order_cancelled", "pending_payment", None)])

    def test_a_paid_order_is_cancelled(self):
        sku, order = self.paid(2)
        cancelled = self.do(order, "cancel").json()
        self.assertEqual((cancelled["status"], cancelled["payment"]["refunded_minor"]), ("cancelled", 2 * PRICE))
        wait_until(lambda: self.admin.inventory(sku)["available"] == 10, 5, "its units are for sale again")
        self.assertEqual(self.audited(order), [("order_cancelled", "confirmed", None)])

    def test_a_paid_order_of_which_a_part_went_back_is_cancelled_unless_it_is_being_fulfilled(self):
        sku, order = self.paid(2)
        self.refund(order, amount_minor=500)
        cancelled = self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200).json()
        self.assertEqual((cancelled["status"], cancelled["payment"]["refunded_minor"]), ("cancelled", 2 * PRICE))
        self.assertEqual([entry["amount_minor"] for entry in cancelled["refunds"]], [500, 2 * PRICE - 500])
        self.assertEqual(statuses(cancelled)[1:], ["confirmed", "partially_refunded", "cancelled"])
        wait_until(lambda: self.admin.inventory(sku)["available"] == 10, 5, "its units are for sale again")
        self.refund(order, expect=409, code="invalid_state")
        for body in ({}, {"tracking": PARCEL}):
            _, order = self.paid(2)
            self.do(order, "fulfil", body)
            self.refund(order, amount_minor=500)
            self.do(order, "cancel", expect=409, code="invalid_state")
        _, order = self.paid(2)
        self.refund(order, amount_minor=500)
        self.do(order, "deliver")
        self.refund(order, amount_minor=500)
        self.do(order, "cancel", expect=409, code="invalid_state")
        self.assertEqual(self.see(order)["payment"]["refunded_minor"], 1000)

    def test_what_the_shopper_does_is_not_staffs(self):
        _, order = self.paid()
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        self.assertEqual(self.audited(order), [])
        for client in (self.guest, self.server.anonymous()):
            for what in ("fulfil", "refund", "cancel", "deliver"):
                client.call("POST", f"/v1/admin/orders/{order['id']}/{what}", {}, expect=(401, 403))


class Durable(StaffTest):
    """What staff was told is so after the server was killed."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_after_a_kill(self):
        _, order = self.paid(2)
        key = new_key()
        first = self.refund(order, key, amount_minor=7, reason="späte Lieferung").body
        self.do(order, "fulfil", {"tracking": PARCEL})
        other = {"carrier": "UPS", "number": "1Z"}
        seen = self.do(order, "fulfil", {"tracking": other}).json()
        self.assertEqual(seen["shipping"]["tracking"], other)
        log = self.audited(order)
        self.assertEqual(len(log), 3)
        self.server.kill()
        self.server.restart()
        self.admin, self.guest = self.server.admin(), None
        self.assertEqual((self.see(order), self.audited(order)), (seen, log))
        self.assertEqual(self.refund(order, key, amount_minor=7, reason="späte Lieferung").body, first)
        self.assertEqual(self.server.stop(), 0)
        checked = self.server.check()
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.server.restart()


class OwnShop(StaffTest):
    """A shop of its own, so that all of its orders are known."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.made = []

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def is_quiet(self):
        text = self.server.anonymous().call("GET", "/metrics").body.decode()
        return re.search(r"^stampede_account_calls_open (\d+)$", text, re.M)[1] == "0"


class Lists(OwnShop):
    def setUp(self):
        super().setUp()
        if self.made:
            return
        sku, other = self.admin.create_sku(500), self.admin.create_sku(500)
        for index in range(12):  # of as many callers, so that many partitions have some
            guest = self.server.guest()
            hold = guest.reserve_items((sku, 1), (other, 2), expect=201).json()
            order = check_out(guest, purchase(hold), expect=201).json()
            if index % 3 == 0:
                order = pay(guest, order, expect=200).json()
            elif index % 3 == 1:
                order = guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200).json()
            self.made.append(order)

    def listed(self, query=""):
        return self.admin.pages(f"/v1/admin/orders?{query}")

    def ids(self, orders):
        return sorted(order["id"] for order in orders)

    def test_all_of_them_page_by_page(self):
        wanted = self.ids(self.made)
        for limit in (1, 5, 100):
            self.assertEqual(self.ids(self.listed(f"limit={limit}")), wanted, limit)
        shown = {order["id"]: order for order in self.listed()}
        for order in self.made:
            self.assertEqual(shown[order["id"]], self.see(order))

    def test_newest_first_in_a_partition(self):
        guest, sku = self.server.guest(), self.admin.create_sku(500)
        mine = []
        for _ in range(3):
            mine.append(self.order(guest, sku)["id"])
        try:
            listed = [order["id"] for order in self.listed("limit=2") if order["id"] in mine]
            self.assertEqual(listed, mine[::-1])
        finally:
            for name in mine:
                self.made.append(guest.call("POST", f"/v1/orders/{name}/cancel", {}, expect=200).json())

    def test_by_status_and_by_name(self):
        for status in ("pending_payment", "confirmed", "cancelled", "refunded"):
            wanted = self.ids(order for order in self.made if order["status"] == status)
            self.assertEqual(self.ids(self.listed(f"status={status}&limit=3")), wanted, status)
        order = self.made[0]
        for query in (order["id"], order["email"], order["email"].upper(), f" {order['email']} "):
            found = self.listed("q=" + urllib.parse.quote(query))
            self.assertEqual(self.ids(found), [order["id"]], query)
        self.assertEqual(self.listed(f"q={order['id']}&status=cancelled"), [])
        self.assertEqual(self.ids(self.listed(f"q={order['id']}&status=confirmed")), [order["id"]])
        self.assertEqual(self.listed("q=nobody@example.org"), [])

    def test_wrong_questions(self):
        for query, field in (("status=none", "status"), ("status=", "status"), ("q=ord_x", "q"), ("q=", "q"),
                             ("limit=0", "limit"), ("cursor=x", "cursor"), ("cursor=99999.1", "cursor"),
                             ("cursor=1.x", "cursor"), ("page=2", "page")):
            answer = self.admin.call("GET", f"/v1/admin/orders?{query}", expect=422, code="validation_failed")
            self.wrong(answer, field)
        for query, field in (("format=xml", "format"), ("status=x", "status"), ("limit=1", "limit")):
            answer = self.admin.call("GET", f"/v1/admin/orders/export?{query}", expect=422, code="validation_failed")
            self.wrong(answer, field)

    def test_exports(self):
        answer = self.admin.call("GET", "/v1/admin/orders/export?format=ndjson", expect=200)
        self.assertEqual(answer.header("content-type"), "application/x-ndjson")
        self.assertIn("orders.ndjson", answer.header("content-disposition"))
        rows = {row["order_id"]: row for row in map(json.loads, answer.body.decode().splitlines())}
        self.assertEqual(sorted(rows), self.ids(self.made))
        expected = set()
        for order in self.made:
            row = rows[order["id"]]
            head = (order["totals"]["total_minor"], "EUR", order["status"], order["created_at"])
            self.assertEqual((row["total_amount"], row["currency"], row["status"], row["created_at"]), head)
            lines = [(item["product_id"], item["sku"], item["quantity"], item["unit_price_minor"])
                     for item in order["items"]]
            self.assertEqual([tuple(item[name] for name in ("product_id", "sku", "qty", "price"))
                              for item in row["items"]], lines)
            expected |= {tuple(map(str, (order["id"], row["user_id"], *head, *line))) for line in lines}
        for order in self.made:
            self.assertNotIn(order["email"], answer.body.decode())
        answer = self.admin.call("GET", "/v1/admin/orders/export?format=csv", expect=200)
        self.assertEqual(answer.header("content-type"), "text/csv; charset=utf-8")
        table = list(csv.reader(io.StringIO(answer.body.decode())))
        columns = "order_id,user_id,total_amount,currency,status,created_at,product_id,sku,qty,price"
        self.assertEqual(table[0], columns.split(","))
        self.assertEqual({tuple(row) for row in table[1:]}, expected)
        self.assertEqual(len(table) - 1, len(expected))
        some = self.admin.call("GET", "/v1/admin/orders/export?format=csv&status=confirmed", expect=200).body.decode()
        self.assertEqual({row[4] for row in list(csv.reader(io.StringIO(some)))[1:]}, {"confirmed"})
        none = self.admin.call("GET", "/v1/admin/orders/export?status=delivered", expect=200)
        self.assertEqual(none.body, b"")

    def test_a_reader_who_leaves(self):
        """The server goes on, and forgets what it was exporting."""
        for _ in range(20):
            with self.server.wire() as wire:
                head = "GET /v1/admin/orders/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                wire.socket.sendall(f"{head}{self.server.admin_key}\r\n\r\n".encode())

        wait_until(self.is_quiet, 5, "nothing is under way")
        self.assertEqual(self.ids(self.listed()), self.ids(self.made))


class SlowReaders(OwnShop):
    slow = True

    def ask(self, target):
        """A connection that has asked for it, with hardly any room for the answer."""
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        plug.settimeout(20)
        plug.connect(self.server.address)
        key = self.server.admin_key
        plug.sendall(f"GET {target} HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        return plug

    def test_a_slow_reader_gets_all(self):
        """More than fits anywhere: the export waits for its reader, and may lose it."""
        skus = self.admin.create_product(stock=100000, skus=20)
        guest = self.server.guest()
        wanted = 250
        for _ in range(wanted):
            hold = guest.reserve_items(*((sku, 1) for sku in skus), expect=201).json()
            order = check_out(guest, purchase(hold), expect=201).json()
            pay(guest, order, expect=200)
        with self.ask("/v1/admin/orders/export?status=confirmed") as gone:
            time.sleep(0.5)
            self.assertFalse(self.is_quiet(), "it waits")
            gone.recv(1000)
        wait_until(self.is_quiet, 10, "it has noticed that nobody reads")
        with self.ask("/v1/admin/orders/export?status=confirmed") as slow:
            time.sleep(0.5)
            self.assertFalse(self.is_quiet(), "it waits")
            answer = b""
            while piece := slow.recv(1 << 16):
                answer += piece
        body = answer.split(b"\r\n\r\n", 1)[1].decode()
        orders = [json.loads(line) for line in body.splitlines()]
        full = [order for order in orders if len(order["items"]) == 20]
        self.assertEqual(len({order["order_id"] for order in full}), wanted)
        self.assertEqual(len(orders), len({order["order_id"] for order in orders}))
        wait_until(self.is_quiet, 5, "nothing is under way")


class Accounts(StaffTest):
    def test_a_customers_order_names_the_customer(self):
        server = Server("--auth-verify", "off")
        try:
            admin, ann = server.admin(), register(server)
            sku = admin.create_sku(5)
            order = check_out(ann, purchase(ann.hold(sku)), expect=201).json()
            text = admin.call("GET", "/v1/admin/orders/export", expect=200).body.decode()
            row = json.loads(text)
            self.assertEqual((row["order_id"], row["user_id"]), (order["id"], ann.id))
        finally:
            server.stop()
