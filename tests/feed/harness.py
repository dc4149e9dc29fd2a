# SPDX-License-Identifier: Apache-2.0
"""A redis-server of the test's own, a client of its protocol, a shop that tells it events, and buyers."""
import json
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid

WAIT_S = 30
STREAM = "stampede:events"
PARTITIONS = 8
ADDRESS = {"name": "Ann Example", "line1": "Lane 1", "city": "Bern", "postal_code": "3000", "country": "CH"}
SLOWEST_S = 5  # that any answer may take, on a machine that does other things as well


class Skip(Exception):
    """This case cannot be run here; the text says why."""


class Settings:
    server = None
    redis = None
    folder = None


def scratch(name):
    path = Settings.folder / f"{name}-{time.monotonic_ns()}"
    path.mkdir()
    return path


def wait_for(what, condition, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"in {seconds} s: no {what}")


# ---- Redis ---------------------------------------------------------------------------------------------------------


class RedisError(Exception):
    pass


class RedisClient:
    """Commands, one at a time, and their answers (RESP 2)."""

    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")

    def __call__(self, *words):
        sent = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(sent) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in sent))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        assert kind == b"*", line
        return [self.read() for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.socket.close()


class Redis:
    """Started at once, with a file that keeps what it answered; ended by its own number."""

    def __init__(self, *options, password=None):
        self.folder = scratch("redis")
        self.options = options if password is None else (*options, "--requirepass", password)
        self.password = password
        self.process = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [Settings.redis, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning", "--daemonize", "no",
             *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            wait_for("redis-server", self.answers)
        except AssertionError:
            self.process.kill()
            raise

    def answers(self):
        assert self.process.poll() is None, f"redis-server ended with {self.process.returncode}"
        try:
            return self("PING") == "PONG"
        except (ConnectionError, RedisError, TimeoutError):
            return False

    def __call__(self, *words):
        client = RedisClient(self.port)
        try:
            if self.password is not None:
                client("AUTH", self.password)
            return client(*words)
        finally:
            client.close()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def lose_data(self):
        subprocess.run(["rm", "-rf", *map(str, self.folder.iterdir())], check=True)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def url(self, user=""):
        return f"redis://{user}127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def streams(self):
        """{partition: [(sequence, {field: value}), …]}, in the stream's order."""
        streams = {}
        for partition in range(PARTITIONS):
            rows = []
            for name, fields in self("XRANGE", f"{STREAM}:{partition}", "-", "+"):
                first, second = name.split("-")
                assert second == "0", name
                rows.append((int(first), dict(zip(fields[::2], fields[1::2]))))
            if rows:
                streams[partition] = rows
        return streams


# ---- the shop ------------------------------------------------------------------------------------------------------


class Shop:
    """`stampede serve` that tells Redis; its data folder outlives it."""

    def __init__(self, url, *flags):
        self.data = scratch("shop") / "data"
        self.flags = ["--redis-url", url, *flags]
        self.process = None
        self.url = None
        self.log = None
        self.orders = []  # that were acknowledged
        self.lock = threading.Lock()

    def __enter__(self):
        self.start()
        self.staff("POST", "/v1/admin/products",
                   {"id": "shoe", "name": "Shoe", "price_minor": 1999, "currency": "EUR", "sku": "SHOE", "stock": 100000},
                   expect=201)
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind is None:
                self.stop()
            else:
                self.kill()

    def start(self):
        self.log = scratch("log") / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [Settings.server, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--shards", "2", "--holds-max",
                 "8192", "--ballast-mb", "1", "--rate-limits", "off", "--partitions", str(PARTITIONS),
                 *map(str, self.flags)], stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("ready "), (line, self.log.read_text())
        self.url = line.split()[1]

    def stop(self, seconds=30):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)
        assert self.process.returncode == 0, self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()

    def check(self):
        done = subprocess.run([Settings.server, "check", "--data", self.data], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout

    def call(self, method, path, body=None, token=None, expect=None, key=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        if key is not None:
            headers["Idempotency-Key"] = key
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        started = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            status, text = answer.code, answer.read()
        took = time.monotonic() - started
        assert took < SLOWEST_S, f"{method} {path} took {took:.1f} s"
        assert expect is None or status == expect, f"{method} {path}: {status} {text}"
        return json.loads(text) if text.startswith(b"{") else text.decode()

    def staff(self, method, path, body=None, expect=200, key=None):
        return self.call(method, path, body, (self.data / "admin.key").read_text().strip(), expect, key)

    def metric(self, name):
        text = self.staff("GET", "/metrics")
        return int(re.search(rf"^stampede_{name} (-?\d+)$", text, re.M)[1])

    def check_out(self, token=None):
        """An order that waits for its payment, and whose it is."""
        token = token or self.call("POST", "/v1/sessions", {}, expect=201)["token"]
        hold = self.call("POST", "/v1/reservations", {"sku": "SHOE", "quantity": 1}, token, 201, uuid.uuid4().hex)
        order = self.call("POST", "/v1/checkout",
                          {"reservation_id": hold["id"], "email": "ann@shop.test", "shipping_address": ADDRESS,
                           "shipping_method": "shm_1", "payment": {"provider": "sandbox"}}, token, 201, uuid.uuid4().hex)
        with self.lock:
            self.orders.append(order["id"])
        return order["id"], token

    def buy(self, token=None):
        order, token = self.check_out(token)
        self.call("POST", "/v1/payments/confirm", {"order_id": order, "payment_method": "pm_card_visa"}, token, 200)
        return order, token

    def buy_many(self, count, threads=4):
        failures = []

        def work():
            try:
                for _ in range(count // threads):
                    self.buy()
            except Exception as reason:  # pylint: disable=broad-except
                failures.append(reason)

        running = [threading.Thread(target=work) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        if failures:
            raise failures[0]

    def history(self, order):
        return self.staff("GET", f"/v1/admin/orders/{order}")


class Buyers:
    """Buy all the time while the body of `with` runs. `bear`: the shop may go away in between."""

    def __init__(self, shop, threads=3, bear=False):
        self.shop, self.bear = shop, bear
        self.is_over = threading.Event()
        self.failures = []
        self.count = 0
        self.threads = [threading.Thread(target=self.work) for _ in range(threads)]

    def work(self):
        while not self.is_over.is_set():
            try:
                self.shop.buy()
                self.count += 1
            except Exception as reason:  # pylint: disable=broad-except
                if not self.bear:
                    self.failures.append(reason)
                    return
                time.sleep(0.02)

    def wait_for_more(self, count=10):
        wanted = self.count + count
        wait_for("further purchases", lambda: self.count >= wanted or self.failures)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


# ---- what must be so -----------------------------------------------------------------------------------------------

TYPES = {"pending_payment": "order.created", "confirmed": "order.confirmed", "shipped": "order.shipped",
         "delivered": "order.delivered", "cancelled": "order.cancelled", "payment_failed": "order.payment_failed",
         "partially_refunded": "order.refunded", "refunded": "order.refunded", "expired": "order.expired"}


def wait_until_told(shop):
    wait_for("end of the feed's lag",
             lambda: shop.metric("feed_connected") == 1 and shop.metric("events_feed_waiting") == 0)
    time.sleep(1.2)  # the gauge is as of a second ago
    wait_for("end of the feed's lag", lambda: shop.metric("events_feed_waiting") == 0)


def merged(*snapshots):
    """One after another; what is in two of them is the same."""
    streams = {}
    for snapshot in snapshots:
        for partition, rows in snapshot.items():
            known = streams.setdefault(partition, {})
            for sequence, fields in rows:
                assert known.setdefault(sequence, fields)["id"] == fields["id"]
    return {partition: list(rows.items()) for partition, rows in streams.items()}


def assert_streams(streams):
    """Each event once, in order, none left out."""
    for partition, rows in streams.items():
        sequences = [sequence for sequence, _ in rows]
        assert sequences == list(range(1, len(rows) + 1)), f"partition {partition}: {sequences}"
        for _, fields in rows:
            assert list(fields) == ["id", "type", "order", "data"], fields
    names = [fields["id"] for rows in streams.values() for _, fields in rows]
    assert len(names) == len(set(names)) and all(name.startswith("evt_") for name in names)


def assert_histories(shop, streams):
    """What the streams say of each order is its history."""
    told = {}
    for rows in streams.values():
        for _, fields in rows:
            told.setdefault(fields["order"], []).append(fields["type"])
    for order in shop.orders:
        timeline = shop.history(order)["timeline"]
        assert told[order] == [TYPES[entry["status"]] for entry in timeline], (told[order], timeline)
    return told


def assert_all_told(shop, redis, *earlier):
    wait_until_told(shop)
    streams = merged(*earlier, redis.streams())
    assert_streams(streams)
    assert_histories(shop, streams)
    return streams
