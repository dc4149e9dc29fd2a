# SPDX-License-Identifier: Apache-2.0
"""Stock as server-sent events: how it is, what changes, where a stream goes on, and those who do not read."""
import json
import re
import socket
import time

from harness import ApiTest, Server, quote, wait_until
from test_figures import figures
from test_order_stream import Stream
from wire import Wire, render


class StockStream(Stream):
    """One of these SKUs; `event` as there."""

    def __init__(self, server, *skus, last=None, timeout=10.0, single=False, headers=()):
        headers = [("Accept", "text/event-stream"), *headers]
        if last is not None:
            headers.append(("Last-Event-ID", last))
        self.wire = Wire(server.address, timeout)
        target = f"/v1/skus/{quote(skus[0])}/availability" if single else "/v1/skus/availability"
        if not single:
            target += "?" + "&".join(f"sku={quote(sku)}" for sku in skus)
        self.wire.send(render("GET", target, headers, None, server.address))
        self.head = self.wire.read_response(head_only=True)
        self.text = b""
        self.is_over = False

    def known(self, count):
        """The next events, as {sku: available}, and the last ID among them."""
        found, last = {}, None
        for _ in range(count):
            event = self.event()
            found[event["data"]["sku"]] = event["data"]["available"]
            last = event.get("id", last)
        return found, last

    def until(self, **wanted):
        """Reads until each SKU has been told as wanted; the number of events."""
        known, count = {}, 0
        while any(known.get(sku) != available for sku, available in wanted.items()):
            event = self.event()
            known[event["data"]["sku"]] = event["data"]["available"]
            count += 1
        return count


class StockTest(ApiTest):
    def listen(self, *skus, **asked):
        stream = StockStream(self.server, *skus, **asked)
        self.addCleanup(stream.close)
        self.assertEqual(stream.head.status, 200, stream.head)
        self.assertEqual(stream.head.header("content-type"), "text/event-stream")
        self.assertEqual(stream.head.header("cache-control"), "no-store")
        self.assertEqual(stream.head.header("x-accel-buffering"), "no")
        self.assertIsNone(stream.head.header("content-encoding"))
        return stream


class Changes(StockTest):
    def test_first_how_it_is_then_what_changes(self):
        skus = self.admin.create_product(100, skus=3)
        stream = self.listen(*skus, skus[0], headers=[("Accept-Encoding", "gzip")])
        found, last = stream.known(3)
        self.assertEqual(found, dict.fromkeys(skus, 100))
        self.assertRegex(last, r"^[0-9a-f]{8}-\d+-[0-9a-f]{8}-\d+$")
        for left, level in ((50, "in_stock"), (4, "low"), (0, "out"), (3, "low")):
            started = time.monotonic()
            self.admin.adjust(skus[1], set=left)
            event = stream.event()
            self.assertLess(time.monotonic() - started, 2)
            self.assertEqual(event["event"], "stock")
            self.assertEqual(event["data"], {"sku": skus[1], "available": left, "level": level})
        hold = self.guest.hold(skus[2], 2)
        self.assertEqual(stream.event()["data"]["available"], 98)
        self.guest.release(hold["id"], expect=204)
        self.assertEqual(stream.event()["data"]["available"], 100)

    def test_one_sku(self):
        sku = self.admin.create_sku(3)
        stream = self.listen(sku, single=True)
        self.assertEqual(stream.event()["data"], {"sku": sku, "available": 3, "level": "low"})
        self.admin.adjust(sku, set=0)
        self.assertEqual(stream.event()["data"], {"sku": sku, "available": 0, "level": "out"})

    def test_a_hundred_and_no_more(self):
        skus = self.admin.create_product(5, skus=100)
        stream = self.listen(*skus)
        self.assertEqual(stream.known(100)[0], dict.fromkeys(skus, 5))
        self.assertEqual(StockStream(self.server, *skus, "X").head.status, 422)
        self.assertEqual(StockStream(self.server, skus[0], "NO-SUCH").head.status, 404)
        self.assertEqual(StockStream(self.server, "NO-SUCH", single=True).head.status, 404)

    def test_many_changes_come_as_few_events(self):
        sku, quiet = self.admin.create_product(5000, skus=2)
        stream = self.listen(sku, quiet)
        stream.known(2)
        started = time.monotonic()
        for left in range(4000, 3000, -10):
            self.admin.adjust(sku, set=left)
        took = time.monotonic() - started
        count = stream.until(**{sku: 3010})
        self.assertLessEqual(count, took / 0.1 + 3, "at most ten a second")
        self.assertGreaterEqual(count, 1)

    def test_what_nobody_can_buy_any_more_is_out(self):
        """The product is archived, and comes back: what is told is what can be had."""
        first, second = self.admin.create_product(7, skus=2)
        target = f"/v1/admin/products/{first.rsplit('-', 1)[0].lower()}"
        stream = self.listen(first, second)
        stream.known(2)
        self.admin.call("DELETE", target, expect=(200, 204))
        for sku in (first, second):
            self.assertEqual(stream.event()["data"], {"sku": sku, "available": 0, "level": "out"})
        self.assertEqual(StockStream(self.server, first, single=True).head.status, 404)
        self.assertEqual(StockStream(self.server, first, second).head.status, 404)
        # Who comes back goes on with what there is.
        other = self.admin.create_sku(3)
        again = self.listen(first, other, last="x-0-0-0")
        self.assertEqual(again.known(2)[0], {first: 0, other: 3})
        self.admin.call("PATCH", target, {"status": "active"}, expect=200)
        self.assertEqual(stream.known(2)[0], {first: 7, second: 7})

    def test_who_asks_for_json_gets_it(self):
        sku = self.admin.create_sku(4)
        for accept in ("application/json", "*/*", "text/html"):
            answer = self.guest.call("GET", f"/v1/skus/{sku}/availability", headers=[("Accept", accept)], expect=200)
            self.assertEqual(answer.json()["available"], 4)
        head = self.guest.call("HEAD", f"/v1/skus/{sku}/availability", headers=[("Accept", "text/event-stream")])
        self.assertEqual((head.status, head.header("content-type")), (200, "application/json"))

    def test_http_1_0(self):
        sku = self.admin.create_sku(4)
        with Wire(self.server.address) as wire:
            wire.send(f"GET /v1/skus/{sku}/availability HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n".encode())
            head = wire.read_response(head_only=True)
            self.assertIsNone(head.header("transfer-encoding"))
            while b'"available":4,' not in wire.buffer:
                wire._more()


class GoesOn(StockTest):
    """Last-Event-ID, on one shard, so that every stream finds the same numbers."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--shards", "1")
        cls.addClassCleanup(cls.server.stop)

    def test_where_it_was(self):
        skus = self.admin.create_product(10, skus=3)
        keeper = self.listen(*skus)  # somebody else is there all the time
        keeper.known(3)
        stream = self.listen(*skus)
        _, last = stream.known(3)
        stream.close()
        self.admin.adjust(skus[0], set=9)
        self.admin.adjust(skus[2], set=8)
        self.admin.adjust(skus[2], set=7)
        keeper.until(**{skus[0]: 9, skus[2]: 7})
        stream = self.listen(*skus, last=last)
        found, last = stream.known(2)
        self.assertEqual(found, {skus[0]: 9, skus[2]: 7}, "what it has not seen")
        # Nothing is told twice: the next event is the next change.
        stream.close()
        stream = self.listen(*skus, last=last)
        self.admin.adjust(skus[1], set=1)
        self.assertEqual(stream.event()["data"]["sku"], skus[1])
        # An ID of other SKUs, or of nothing, is none.
        for odd in (last, "x", "-1", last + "0", re.sub("^.{8}", "00000000", last), "9" * 200):
            stream = self.listen(skus[0], skus[1], last=odd)
            self.assertEqual(stream.known(2)[0], {skus[0]: 9, skus[1]: 1}, odd)

    def test_an_event_without_id_is_followed_by_one(self):
        """Who is cut off in the middle of several events has the ID of before them, and gets them all."""
        skus = self.admin.create_product(10, skus=4)
        stream = self.listen(*skus)
        events = [stream.event() for _ in skus]
        self.assertEqual(["id" in event for event in events], [False, False, False, True])

    def test_after_a_restart_all_is_told(self):
        skus = self.admin.create_product(10, skus=2)
        stream = self.listen(*skus)
        _, last = stream.known(2)
        self.guest.hold(skus[0], 3)
        self.assertEqual(stream.event()["data"]["available"], 7)
        self.server.kill()
        self.server.restart()
        self.admin.close()
        stream = self.listen(*skus, last=last)
        self.assertEqual(stream.known(2)[0], {skus[0]: 7, skus[1]: 10})


class Servers(StockTest):
    flags = ("--stream-heartbeat-ms", "300", "--shards", "2")

    def setUp(self):
        self.server = Server(*self.flags)
        super().setUp()
        self.addCleanup(self.server.stop)

    def test_a_heartbeat_and_the_end(self):
        sku = self.admin.create_sku(5)
        streams = [self.listen(sku) for _ in range(8)]
        for stream in streams:
            stream.known(1)
        size = int(streams[0].wire._take_line(), 16)
        self.assertEqual(streams[0].wire._take(size), b":\n\n")
        streams[0].wire._take_line()
        self.assertEqual(figures(self.server)["stock_streams_open"], 8)
        self.assertEqual(self.server.stop(), 0)
        for stream in streams:
            self.assertIsNone(stream.event(), "ended, whole")

    def test_all_shards_tell_the_same(self):
        sku = self.admin.create_sku(5)
        streams = [self.listen(sku) for _ in range(12)]
        shards = {stream.known(1)[1].split("-")[1] for stream in streams}
        self.assertEqual(shards, {"0", "1"})
        hold = self.guest.hold(sku, 5)
        for stream in streams:
            self.assertEqual(stream.event()["data"], {"sku": sku, "available": 0, "level": "out"})
        self.guest.release(hold["id"], expect=204)
        for stream in streams:
            self.assertEqual(stream.event()["data"]["available"], 5)
        found = figures(self.server)
        self.assertLess(found["stock_renders_total"], 8, "rendered once a shard and change")
        self.assertEqual(found["stock_events_total"], 36)

    def test_who_does_not_read_gets_the_newest_and_keeps_nobody(self):
        skus = self.admin.create_product(100000, skus=100)
        reader = self.listen(*skus)
        reader.known(100)
        deaf = []
        for _ in range(20):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sock.connect(self.server.address)
            target = "/v1/skus/availability?" + "&".join(f"sku={sku}" for sku in skus)
            sock.sendall(render("GET", target, [("Accept", "text/event-stream")], None, self.server.address))
            deaf.append(sock)
        self.addCleanup(lambda: [sock.close() for sock in deaf])
        wait_until(lambda: figures(self.server)["stock_streams_open"] == 21, 5, "all are open")
        for left in range(40):
            for sku in skus[left % 2 :: 10]:
                self.admin.adjust(sku, set=left + 1)
        wait_until(lambda: figures(self.server)["stock_put_off_total"] > 0, 5, "some have not taken what they had")
        self.assertLess(figures(self.server)["http_buffer_bytes"], 21 * 64 * 1024)
        last = dict.fromkeys(skus[1::10], 40)
        reader.until(**last)
        # One of them reads at last: it is told how it is, not all that was.
        sock = deaf.pop()
        sock.settimeout(10)
        text = b""
        while not all(b'"%s","available":40,' % sku.encode() in text for sku in last):
            piece = sock.recv(1 << 16)
            self.assertTrue(piece, "it was cut")
            text += piece
        self.assertLess(text.count(b"event: stock"), 100 + 40 * 10)
        sock.close()


class Levels(StockTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--availability-exact", "off", "--streams-max", "2", "--shards", "1")
        cls.addClassCleanup(cls.server.stop)

    def test_levels_only_and_how_many_there_may_be(self):
        sku = self.admin.create_sku(100)
        stream, other = self.listen(sku), self.listen(sku)
        self.assertEqual(stream.event()["data"], {"sku": sku, "available": None, "level": "in_stock"})
        refused = StockStream(self.server, sku).head
        self.assertEqual(refused.status, 503)
        self.assertTrue(refused.header("retry-after"))
        other.close()
        wait_until(lambda: StockStream(self.server, sku).head.status == 200, 5, "a place is free")
        for left, level in ((90, None), (50, None), (3, "low"), (2, None), (0, "out")):
            self.admin.adjust(sku, set=left)
            if level is not None:
                self.assertEqual(stream.event()["data"], {"sku": sku, "available": None, "level": level})
        text = json.dumps(self.admin.call("GET", f"/v1/admin/inventory/{sku}").json())
        self.assertIn('"available": 0', text)


class OtherOrigins(StockTest):
    """What pages of other origins see of streams and of pages that caches keep."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--cors-origins", "https://shop.example")
        cls.addClassCleanup(cls.server.stop)

    def test_streams_and_pages_are_for_them_too(self):
        sku = self.admin.create_sku(5, description="d" * 2000)
        for origin, allowed in (("https://shop.example", "https://shop.example"), ("https://evil.example", None)):
            stream = self.listen(sku, headers=[("Origin", origin)])
            page = self.guest.call(
                "GET", f"/v1/products/{sku.rsplit('-', 1)[0].lower()}", headers=[("Origin", origin)], expect=200
            )
            for head in (stream.head, page):
                self.assertEqual(head.header("access-control-allow-origin"), allowed)
            self.assertEqual(sorted(page.header_all("vary")), ["Accept-Encoding", "Origin"])


class OneAddress(StockTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--streams-per-address-max", "2", "--shards", "1", rate_limits="on")
        cls.addClassCleanup(cls.server.stop)

    def test_streams_of_one_address(self):
        sku = self.admin.create_sku(5)
        streams = [self.listen(sku) for _ in range(2)]
        refused = StockStream(self.server, sku).head
        self.assertEqual(refused.status, 429)
        self.assertEqual(refused.header("retry-after"), "10")
        self.assertEqual(self.guest.available(sku), 5, "asking goes on")
        streams.pop().close()
        wait_until(lambda: StockStream(self.server, sku).head.status == 200, 5, "a place is free")
