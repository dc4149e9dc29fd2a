# SPDX-License-Identifier: Apache-2.0
"""Starts servers on free ports and fresh data folders, and talks to them as shops and shoppers do.

`run.py` fills `SETTINGS` once. Servers that several test classes share (`shared_server`) are started on first use;
each class makes its own products, so that classes can run side by side. A server that a test kills, restarts or
starts with flags of its own is its own (`Server(...)`).
"""
import atexit
import itertools
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

import contract as contract_module
from wire import Closed, Wire

ROOT = Path(__file__).resolve().parents[2]
# Generous: the machine may be busy with a build.
START_SECONDS = 30
STOP_SECONDS = 20


class Settings:
    def __init__(self):
        self.binary = None
        self.load_binary = None
        self.scratch = None
        self.contract = None


SETTINGS = Settings()
_counter = itertools.count(1)
_shared = {}
_shared_lock = threading.Lock()

# Under nohup, and in the background of a script, these are ignored, and a server that inherits that rightly does not
# end by them. A handler of ours is no reason to end either, and is the default again in what is started.
for _number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


def configure(binary, load_binary=None):
    SETTINGS.binary = str(Path(binary).resolve())
    SETTINGS.load_binary = str(Path(load_binary).resolve()) if load_binary else None
    SETTINGS.scratch = tempfile.mkdtemp(prefix="stampede-api-")
    atexit.register(_clean_up)


def _clean_up():
    with _shared_lock:
        for server in _shared.values():
            server.stop()
        _shared.clear()
    shutil.rmtree(SETTINGS.scratch, ignore_errors=True)


def fresh_path(name="data"):
    """A path in the scratch folder that does not exist yet."""
    return os.path.join(SETTINGS.scratch, f"{name}-{next(_counter)}")


def run_cli(*arguments, timeout=60, env=None, cwd=None):
    """Runs the binary to its end. Gives CompletedProcess with text output."""
    return subprocess.run(
        [SETTINGS.binary, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
    )


class StartFailed(Exception):
    pass


class Server:
    """A running `stampede serve`. `restart()` serves the same data again, on a new port."""

    def __init__(
        self,
        *flags,
        data=None,
        env=None,
        rate_limits="off",
        give_key=True,
        per_address=0,
        listen="127.0.0.1:0",
        start=True,
    ):
        self.data = data or fresh_path()
        self.listen = listen
        # All clients of these tests come from one address.
        self.per_address = per_address
        self.flags = list(flags)
        self.env = env or {}
        self.rate_limits = rate_limits
        self.tls = None  # the clients' ssl.SSLContext, for a server that speaks TLS
        self.admin_key = secrets.token_hex(32)
        self.key_file = None
        if give_key:
            self.key_file = fresh_path("admin-key")
            descriptor = os.open(self.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as handle:
                handle.write(self.admin_key + "\n")
        self.process = None
        if start:
            self.start()

    def start(self):
        command = [SETTINGS.binary, "serve", "--data", self.data, "--listen", self.listen]
        command += ["--rate-limits", self.rate_limits]
        command += ["--connections-per-ip-max", str(self.per_address)]
        if self.key_file:
            command += ["--admin-key-file", self.key_file]
        if "--ballast-mb" not in self.flags:  # all servers of a run keep their folders, perhaps in memory (tmpfs)
            command += ["--ballast-mb", "1"]
        command += self.flags
        self.stderr_path = fresh_path("stderr")
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **self.env},
            )
        self.stdout_lines = []
        lines = queue.Queue()
        threading.Thread(target=self._drain, args=(self.process.stdout, lines), daemon=True).start()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                line = lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                self.process.kill()
                self.process.wait()
                raise StartFailed(f"no `ready` line: {self.stderr()[-2000:]}") from None
            if line is None:
                code = self.process.wait()
                raise StartFailed(f"exit {code} before `ready`: {self.stderr()[-2000:]}")
            if line.startswith(("ready http://", "ready https://")):
                url = urllib.parse.urlsplit(line.split()[1])
                self.scheme, self.address = url.scheme, (url.hostname, url.port)
                return

    def _drain(self, stream, lines):
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            self.stdout_lines.append(line)
            lines.put(line)
        lines.put(None)

    def stderr(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as handle:
            return handle.read()

    def output(self):
        return "\n".join(self.stdout_lines) + "\n" + self.stderr()

    def stop(self):
        """SIGTERM, and what it exits with."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"did not stop within {STOP_SECONDS} s of SIGTERM") from None
        return self.process.returncode

    def tell(self, number):
        """Sends a signal, and waits until it has been taken: two that wait at once are one."""
        self.process.send_signal(number)
        wait_until(lambda: self.process.poll() is not None or not self._has_pending(number), 10, "a signal is taken")

    def _has_pending(self, number):
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as handle:
                mask = next((line.split()[1] for line in handle if line.startswith("ShdPnd:")), "0")
        except OSError:
            return False
        return int(mask, 16) >> (number - 1) & 1 == 1

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Starts again on the same data; kill() or stop() first."""
        assert self.process.poll() is not None
        self.start()

    def check(self):
        """The offline audit of this server's data. The server must not run."""
        return run_cli("check", "--data", self.data)

    def wire(self, timeout=15.0):
        return Wire(self.address, timeout, self.tls)

    def admin(self):
        return Client(self, token=self.admin_key)

    def anonymous(self):
        return Client(self)

    def guest(self):
        """A client with a new guest session."""
        response = Client(self).call("POST", "/v1/sessions", expect=201)
        return Client(self, token=response.json()["token"])


def shared_server(name="default"):
    """A server for classes that need nothing special; `short` has holds of 1.5 s."""
    flags = {"default": (), "catalogue": (), "short": ("--hold-ttl-ms", "1500")}[name]
    with _shared_lock:
        if name not in _shared:
            _shared[name] = Server(*flags)
        return _shared[name]


class Client:
    """One caller. Keeps a connection alive; opens a new one where the server closed it. One thread at a time."""

    def __init__(self, server, token=None, checked=True):
        self.server = server
        self.token = token
        self.checked = checked
        self.connection = None

    def call(self, method, target, body=None, key=None, headers=(), expect=None, code=None):
        """One request and its answer. `body` is bytes (sent as they are) or anything else (as JSON).

        `expect` is the status that must come (or a tuple of them), `code` the problem's code.
        """
        all_headers = list(headers)
        names = {name.lower() for name, _ in all_headers}
        if self.token and "authorization" not in names and "cookie" not in names:
            all_headers.append(("Authorization", f"Bearer {self.token}"))
        if key is not None:
            all_headers.append(("Idempotency-Key", key))
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None and "content-type" not in names:
            all_headers.append(("Content-Type", "application/json"))
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        response = self._exchange(method, target, all_headers, body)
        if self.checked and SETTINGS.contract is not None:
            SETTINGS.contract.check(method, target, response)
        if expect is not None:
            wanted = expect if isinstance(expect, tuple) else (expect,)
            if response.status not in wanted:
                raise AssertionError(f"{method} {target}: expected {expect}, got {response!r}")
        if code is not None and response.code != code:
            raise AssertionError(f"{method} {target}: expected {code}, got {response!r}")
        return response

    def _exchange(self, method, target, headers, body):
        fresh = self.connection is None
        if fresh:
            self.connection = self.server.wire()
        try:
            response = self.connection.request(method, target, headers, body)
        except (Closed, OSError):
            self.close()
            if fresh:
                raise
            # The server may close an idle connection at any time.
            self.connection = self.server.wire()
            response = self.connection.request(method, target, headers, body)
        if (response.header("connection") or "").lower() == "close":
            self.close()
        return response

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    # What shoppers do.
    def reserve(self, sku, quantity=1, key=None, **options):
        body = {"sku": sku, "quantity": quantity}
        return self.call("POST", "/v1/reservations", body, key=key or new_key(), **options)

    def reserve_items(self, *lines, key=None, **options):
        body = {"items": [{"sku": sku, "quantity": quantity} for sku, quantity in lines]}
        return self.call("POST", "/v1/reservations", body, key=key or new_key(), **options)

    def hold(self, sku, quantity=1):
        """A reservation that must succeed, as its document."""
        return self.reserve(sku, quantity, expect=201).json()

    def reservation(self, hold_id, **options):
        return self.call("GET", f"/v1/reservations/{hold_id}", **options)

    def release(self, hold_id, **options):
        return self.call("DELETE", f"/v1/reservations/{hold_id}", **options)

    def extend(self, hold_id, **options):
        return self.call("POST", f"/v1/reservations/{hold_id}/extend", {}, **options)

    def available(self, sku):
        target = f"/v1/skus/{quote(sku)}/availability"
        return self.call("GET", target, expect=200).json()["available"]

    # What staff do.
    def create_product(self, stock=10, skus=1, limit=None, **fields):
        """A product with `skus` variants of `stock` units each; gives the list of its SKUs."""
        name = f"T{next(_counter)}-{secrets.token_hex(4)}"
        names = [f"{name}-{index}" for index in range(skus)]
        body = {
            "id": name.lower(),
            "name": f"Test product {name}",
            "price_minor": 1999,
            "currency": "EUR",
            "variants": [
                {"sku": sku, "options": {"size": str(index)}, "stock": stock}
                for index, sku in enumerate(names)
            ],
        }
        if limit is not None:
            body["limit_per_customer"] = limit
        body.update(fields)
        self.call("POST", "/v1/admin/products", body, expect=201)
        return names

    def create_sku(self, stock=10, **fields):
        return self.create_product(stock, **fields)[0]

    def inventory(self, sku):
        """The books of a SKU, whose law must hold whenever one looks."""
        books = self.call("GET", f"/v1/admin/inventory/{quote(sku)}", expect=200).json()
        if books["stock"] != books["available"] + books["reserved"] + books["sold"]:
            raise AssertionError(f"stock is not available + reserved + sold: {books}")
        return books

    def adjust(self, sku, **fields):
        expect = fields.pop("expect", 200)
        key = fields.pop("key", None)
        fields.setdefault("reason", "test")
        target = f"/v1/admin/inventory/{quote(sku)}/adjust"
        return self.call("POST", target, fields, key=key, expect=expect)

    def convert(self, hold_id, **options):
        return self.call("POST", f"/v1/admin/reservations/{hold_id}/convert", {}, **options)

    def pages(self, target):
        """All entries of a list, page after page."""
        entries, cursor = [], None
        for _ in range(10000):
            separator = "&" if "?" in target else "?"
            suffix = f"{separator}cursor={quote(cursor)}" if cursor else ""
            page = self.call("GET", target + suffix, expect=200).json()
            entries += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return entries
        raise AssertionError(f"{target}: the list does not end")

    def import_csv(self, text, query="", **options):
        data = text if isinstance(text, bytes) else text.encode()
        headers = [("Content-Type", "text/csv")]
        return self.call("POST", f"/v1/admin/import{query}", data, headers=headers, **options)


def quote(text):
    return urllib.parse.quote(str(text), safe="")


def new_key():
    return secrets.token_hex(16)


def in_threads(count, work):
    """Runs work(0) … work(count - 1) at once and gives their results in order; the first error is raised."""
    results, errors = [None] * count, []
    barrier = threading.Barrier(count)

    def body(index):
        try:
            barrier.wait()
            results[index] = work(index)
        except BaseException as error:  # a failed assertion in a thread must fail the test
            errors.append(error)

    threads = [threading.Thread(target=body, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        if thread.is_alive():
            raise AssertionError("a client thread hangs")
    if errors:
        raise errors[0]
    return results


def wait_until(condition, seconds, what):
    """Polls until the condition gives something true, and gives it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class ApiTest(unittest.TestCase):
    """Tests against a shared server; `server_name` picks which."""

    server_name = "default"
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.server = shared_server(cls.server_name)

    def setUp(self):
        self.admin = self.server.admin()
        self.guest = self.server.guest()
        self.addCleanup(self.admin.close)
        self.addCleanup(self.guest.close)

    def other_guest(self):
        guest = self.server.guest()
        self.addCleanup(guest.close)
        return guest

    def assert_problem_field(self, response, field):
        """422 whose errors name the field."""
        self.assertEqual(response.status, 422, response)
        self.assertEqual(response.code, "validation_failed", response)
        names = [error["field"] for error in response.json()["errors"]]
        self.assertTrue(any(field in name for name in names), f"{field} is not named in {names}")


def load_contract():
    """Takes the OpenAPI document from a running server: what a client would read."""
    response = Client(shared_server(), checked=False).call("GET", "/openapi.json")
    if response.status == 200:
        SETTINGS.contract = contract_module.Contract(response.json())
    return SETTINGS.contract
