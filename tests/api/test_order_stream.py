# SPDX-License-Identifier: Apache-2.0
"""An order's changes as server-sent events: what comes, where it goes on, when it ends, and how many may listen."""
import json
import resource
import socket
import time

from harness import Server, new_key, wait_until
from test_checkout import CheckoutTest, look, pay, token_of
from test_figures import figures
from wire import Wire, render


class Stream:
    """One that was opened; `events` gives what comes."""

    def __init__(self, client, order, last=None, query="", timeout=10.0, path="/v1/orders/"):
        headers = [("Accept", "text/event-stream")]
        if client.token:
            headers.append(("Authorization", f"Bearer {client.token}"))
        if last is not None:
            headers.append(("Last-Event-ID", str(last)))
        self.wire = Wire(client.server.address, timeout)
        target = f"{path}{order['id']}{query}"
        self.wire.send(render("GET", target, headers, None, client.server.address))
        self.head = self.wire.read_response(head_only=True)
        self.text = b""
        self.is_over = False

    def close(self):
        self.wire.close()

    def event(self):
        """The next event as {id, event, data}; None: the stream ended, whole."""
        while True:
            while b"\n\n" not in self.text:
                if self.is_over:
                    return None
                size = int(self.wire._take_line(), 16)
                self.text += self.wire._take(size)
                self.wire._take_line()
                self.is_over = size == 0
            block, self.text = self.text.split(b"\n\n", 1)
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            if "data" in fields:
                fields["data"] = json.loads(fields["data"])
                return fields

    def rest(self):
        """All events up to the stream's end."""
        found = []
        while (event := self.event()) is not None:
            found.append(event)
        return found


def told(events):
    return [(int(event["id"]), event["data"]["status"]) for event in events]


class StreamTest(CheckoutTest):
    def listen(self, client, order, **asked):
        stream = Stream(client, order, **asked)
        self.addCleanup(stream.close)
        self.assertEqual(stream.head.status, 200, stream.head)
        self.assertEqual(stream.head.header("content-type"), "text/event-stream")
        self.assertEqual(stream.head.header("cache-control"), "no-store")
        return stream


class OfAnOrder(StreamTest):
    def fulfil(self, order, **body):
        return self.admin.call("POST", f"/v1/admin/orders/{order['id']}/fulfil", body, expect=200)

    def refund(self, order, **body):
        body = {"restock": False, "reason": "test", **body}
        return self.admin.call("POST", f"/v1/admin/orders/{order['id']}/refund", body, key=new_key(), expect=200)

    def test_changes_come_as_they_are_made(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        stream = self.listen(self.guest, order)
        first = stream.event()
        self.assertEqual((first["id"], first["event"]), ("1", "order"))
        self.assertEqual(first["data"], {"id": order["id"], **order["timeline"][0]})
        for number, status, change in (
            (2, "confirmed", lambda: pay(self.guest, order, expect=200)),
            (3, "fulfilling", lambda: self.fulfil(order)),
            (4, "shipped", lambda: self.fulfil(order, tracking={"carrier": "Post", "number": "N\"1"})),
            (5, "delivered", lambda: self.admin.call("POST", f"/v1/admin/orders/{order['id']}/deliver", {})),
            (6, "partially_refunded", lambda: self.refund(order, amount_minor=1)),
            (7, "refunded", lambda: self.refund(order)),
        ):
            started = time.monotonic()
            change()
            event = stream.event()
            self.assertEqual(told([event]), [(number, status)])
            self.assertLess(time.monotonic() - started, 3)
            tracking = {"carrier": "Post", "number": "N\"1"} if status == "shipped" else None
            self.assertEqual(event["data"].get("tracking"), tracking)
        self.assertIsNone(stream.event(), "nothing follows that")
        shown = look(self.guest, order).json()["timeline"]
        # Whoever has seen all is asked to stay away.
        for last in (7, 8, 9999):
            with Wire(self.server.address) as wire:
                headers = [("Accept", "text/event-stream"), ("Last-Event-ID", str(last)),
                           ("Authorization", f"Bearer {self.guest.token}")]
                self.assertEqual(wire.request("GET", f"/v1/orders/{order['id']}", headers).status, 204)
        # Whoever has seen a part gets the rest, and that is what the order's timeline says.
        for last in (0, 1, 3, 6):
            events = self.listen(self.guest, order, last=last).rest()
            self.assertEqual([int(event["id"]) for event in events], list(range(last + 1, 8)))
            self.assertEqual([{k: event["data"][k] for k in ("at", "status")} for event in events], shown[last:])
        for odd in ("x", "-1", "1.0", "99999999999"):
            self.assertEqual(told(self.listen(self.guest, order, last=odd).rest()), [(7, "refunded")], odd)

    def test_each_way_to_an_end_ends_it(self):
        sku = self.admin.create_sku(9)
        order = self.order(self.guest, sku)
        streams = [self.listen(self.guest, order) for _ in range(3)]
        self.guest.call("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=200)
        for stream in streams:
            self.assertEqual(told(stream.rest()), [(1, "pending_payment"), (2, "cancelled")])

    def test_only_the_orders_own_caller_listens(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        for client, status in ((self.server.guest(), 404), (self.server.anonymous(), 401)):
            self.assertEqual(Stream(client, order).head.status, status)
        anybody = self.server.anonymous()
        token = token_of(self.server, order)
        self.assertEqual(told([self.listen(anybody, order, query=f"?token={token}").event()]), [(1, "pending_payment")])
        self.assertEqual(Stream(anybody, order, query="?token=" + "0" * 32).head.status, 404)
        forged = {"id": order["id"][:-1] + ("0" if order["id"][-1] != "0" else "1")}
        self.assertEqual(Stream(self.guest, forged).head.status, 404)
        self.assertEqual(Stream(self.guest, order, query="?colour=red").head.status, 422)

    def test_json_where_no_events_are_wanted(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        for path, accept in (("/orders/", "text/event-stream"), ("/v1/orders/", "application/json"), ("/v1/orders/", "*/*")):
            shown = self.guest.call("GET", path + order["id"], headers=[("Accept", accept)], expect=200)
            self.assertEqual(shown.json()["id"], order["id"])

    def test_sixteen_listen_to_one_order(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        streams = [self.listen(self.guest, order) for _ in range(16)]
        refused = Stream(self.guest, order).head
        self.assertEqual(refused.status, 503)
        self.assertTrue(refused.header("retry-after"))
        self.assertEqual(told([self.listen(self.guest, self.order(self.guest, self.admin.create_sku(5))).event()]),
                         [(1, "pending_payment")])
        streams.pop().close()
        wait_until(lambda: Stream(self.guest, order).head.status == 200, 5, "a place is free again")
        pay(self.guest, order, expect=200)
        for stream in streams:
            self.assertEqual(told([stream.event(), stream.event()]), [(1, "pending_payment"), (2, "confirmed")])


class Servers(StreamTest):
    slow = True
    flags = ("--hold-ttl-ms", "3000", "--stream-heartbeat-ms", "500")

    def setUp(self):
        self.server = Server(*self.flags)
        super().setUp()
        self.addCleanup(self.server.stop)

    def test_time_brings_changes_too_and_a_heartbeat_goes_on(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        stream = self.listen(self.guest, order)
        self.assertEqual(told([stream.event()]), [(1, "pending_payment")])
        size = int(stream.wire._take_line(), 16)
        self.assertEqual(stream.wire._take(size), b":\n\n")
        stream.wire._take_line()
        self.assertEqual(told(stream.rest()), [(2, "expired")])

    def test_a_server_that_stops_ends_its_streams(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        streams = [self.listen(self.guest, order) for _ in range(8)]
        started = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - started, 5, "streams do not keep it")
        for stream in streams:
            self.assertEqual(told(stream.rest()), [(1, "pending_payment")])

    def test_after_a_kill_it_goes_on_where_it_was(self):
        order = self.order(self.guest, self.admin.create_sku(5))
        stream = self.listen(self.guest, order)
        last = stream.event()["id"]
        pay(self.guest, order, expect=200)
        self.server.kill()
        self.server.restart()
        self.guest.close()
        stream = self.listen(self.guest, order, last=last)
        self.assertEqual(told([stream.event()]), [(2, "confirmed")])
        self.admin.close()
        self.admin.call("POST", f"/v1/admin/orders/{order['id']}/fulfil", {}, expect=200)
        self.assertEqual(told([stream.event()]), [(3, "fulfilling")])

    def test_who_vanishes_or_does_not_read_keeps_nobody(self):
        sku = self.admin.create_sku(50)
        order, other = self.order(self.guest, sku), self.order(self.guest, sku)
        pay(self.guest, order, expect=200)
        pay(self.guest, other, expect=200)
        deaf = []
        for _ in range(15):  # they never read a byte
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sock.connect(self.server.address)
            headers = [("Accept", "text/event-stream"), ("Authorization", f"Bearer {self.guest.token}"),
                       ("Last-Event-ID", "0")]
            sock.sendall(render("GET", f"/v1/orders/{order['id']}", headers, None, self.server.address))
            deaf.append(sock)
        self.addCleanup(lambda: [sock.close() for sock in deaf])
        stream = self.listen(self.guest, order)
        self.assertEqual(told([stream.event()]), [(2, "confirmed")])
        self.admin.call("POST", f"/v1/admin/orders/{order['id']}/fulfil", {}, expect=200)
        self.assertEqual(told([stream.event()]), [(3, "fulfilling")])
        wait_until(lambda: figures(self.server)["order_streams_open"] == 16, 5, "all are open")
        for sock in deaf:  # no word: the connections are reset
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        stream.close()
        wait_until(lambda: figures(self.server)["order_streams_open"] == 0, 10, "all are gone")
        wait_until(lambda: figures(self.server)["order_watches"] == 0, 5, "and nobody waits")


class Deaf(StreamTest):
    """Who does not read while more comes than the server keeps for one connection."""
    slow = True
    KEPT = 64 * 1024  # bytes that the server has for a client that does not read: queue_max of net/http

    def setUp(self):
        self.server = Server()
        super().setUp()
        self.addCleanup(self.server.stop)
        self.sku = self.admin.create_sku(50)

    def order_of_many_changes(self):
        """Its events come to some kilobytes."""
        order = self.order(self.guest, self.sku)
        pay(self.guest, order, expect=200)
        target = f"/v1/admin/orders/{order['id']}"
        for _ in range(4):
            tracking = {"carrier": "D" * 30, "number": "7" * 60}
            self.admin.call("POST", f"{target}/fulfil", {"tracking": tracking}, expect=200)
            self.admin.call("POST", f"{target}/deliver", {}, expect=200)
            self.admin.call("POST", f"{target}/refund", {"amount_minor": 1, "restock": False, "reason": "test"},
                            key=new_key(), expect=200)
        return order

    def be_deaf(self, order, count):
        """Asks for so many answers, then for the stream, and reads nothing: what became of the stream."""
        before = figures(self.server)
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sock.connect(self.server.address)
        sock.settimeout(1)
        asked = render("GET", f"/v1/skus/{self.sku}/availability", [], None, self.server.address) * count
        asked += render("GET", f"/v1/orders/{order['id']}", [
            ("Accept", "text/event-stream"), ("Authorization", f"Bearer {self.guest.token}"), ("Last-Event-ID", "0")],
            None, self.server.address)
        try:
            sock.sendall(asked)
        except (TimeoutError, ConnectionError):
            return "unread", sock
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            now = figures(self.server)
            if now["order_streams_cut_total"] > before["order_streams_cut_total"]:
                return "cut", sock
            if now["order_streams_open"] > before["order_streams_open"]:
                return "open", sock
        return "unread", sock

    def find_edge(self, order):
        """As many answers as fill what the kernel and the server keep, but for what the stream itself says."""
        least, most = 0, 256
        while (found := self.be_deaf(order, most))[0] == "open":
            found[1].close()
            least, most = most, most * 4
        while found[0] != "cut":
            found[1].close()
            wait_until(lambda: figures(self.server)["order_streams_open"] == 1, 5, "only who reads is left")
            self.assertGreater(most - least, 1, "between the two it must be cut")
            count = (least + most) // 2
            found = self.be_deaf(order, count)
            if found[0] == "open":
                least = count
            else:
                most = count
        return found[1], most

    def test_who_does_not_read_is_cut_and_others_go_on(self):
        order, other = self.order_of_many_changes(), self.order(self.guest, self.sku)
        reader = self.listen(self.guest, other)
        self.assertEqual(told([reader.event()]), [(1, "pending_payment")])
        sock, count = self.find_edge(order)
        before = figures(self.server)["order_streams_cut_total"]
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        for _ in range(8):  # the same again, as often as not; none stays, and none is kept more for
            self.be_deaf(order, count)
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as status:
            grown = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) - resident
        self.assertLess(grown * 1024, 8 * 4 * self.KEPT + 2 ** 21, "memory for who does not read")
        self.assertGreaterEqual(figures(self.server)["order_streams_cut_total"], before)
        # Its connection was ended: what was on its way, then the end, and not the end of a whole stream.
        sock.settimeout(10)
        text = b""
        try:
            while piece := sock.recv(65536):
                text = (text + piece)[-64:]
        except ConnectionError:
            pass
        self.assertFalse(text.endswith(b"0\r\n\r\n"), text)
        pay(self.guest, other, expect=200)
        self.assertEqual(told([reader.event()]), [(2, "confirmed")])
        # Who was cut comes again, and gets what it has not seen.
        again = self.listen(self.guest, order, last=10)
        self.assertEqual([number for number, _ in told([again.event(), again.event()])], [11, 12])


class Many(StreamTest):
    slow = True
    ORDERS, EACH = 250, 8

    def test_two_thousand_listen(self):
        wanted = self.ORDERS * self.EACH + 200
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < wanted:
            self.skipTest(f"at most {hard} open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.admin = self.server.admin()
        sku = self.admin.create_sku(1000)
        guests = [self.server.guest() for _ in range(10)]
        orders = [(guest, self.order(guest, sku)) for _ in range(self.ORDERS // 10) for guest in guests]
        streams = [Stream(guest, order, timeout=30) for guest, order in orders for _ in range(self.EACH)]
        self.addCleanup(lambda: [stream.close() for stream in streams])
        for stream in streams:
            self.assertEqual((stream.head.status, told([stream.event()])), (200, [(1, "pending_payment")]))
        self.assertEqual(figures(self.server)["order_streams_open"], len(streams))
        self.assertEqual(figures(self.server)["order_watches"], len(streams))
        started = time.monotonic()
        for guest, order in orders:
            pay(guest, order, expect=200)
        for stream in streams:
            self.assertEqual(told([stream.event()]), [(2, "confirmed")])
        self.assertLess(time.monotonic() - started, 30)
        hold = self.server.guest().hold(sku)  # it still sells
        self.assertEqual(hold["status"], "held")
        for stream in streams:
            stream.close()
        wait_until(lambda: figures(self.server)["order_streams_open"] == 0, 10, "all are gone")
        wait_until(lambda: figures(self.server)["order_watches"] == 0, 10, "and nobody waits")
