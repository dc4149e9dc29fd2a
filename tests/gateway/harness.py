# SPDX-License-Identifier: Apache-2.0
"""A gateway in a folder of its own, a client that speaks forms, a webhook that remembers what came."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import signal
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

KEY = "sk_test_of_the_tests"
HOOK_SECRET = "whsec_of_the_tests"


class Settings:
    server = ""
    modules = ""
    folder = Path()
    count = 0


class Skip(Exception):
    pass


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.text = body.decode()
        self.json = json.loads(body) if body[:1] in (b"{", b"[") else None

    @property
    def error(self):
        return self.json["error"]


class Unanswered(Exception):
    """The connection closed without an answer."""


class Gateway:
    """Started at once; `with` ends it by SIGTERM and expects status 0."""

    def __init__(self, *options, ledger=None, key=KEY, before=None):
        Settings.count += 1
        self.ledger = ledger or Settings.folder / f"ledger-{Settings.count}.jsonl"
        self.key = key
        self.options = options
        self.before = before  # called in the child, before the program
        self.process = None
        self.port = 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [Settings.server, "gateway", "--listen", "127.0.0.1:0", "--ledger", str(self.ledger), "--secret", KEY,
             *self.options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=self.before)
        line = self.process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), (line, self.process.stderr.read())
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, (self.process.returncode, errors)
        assert errors == "", errors

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None and self.process.poll() is None:
            self.stop()
        elif self.process.poll() is None:
            self.kill()

    def call(self, method, path, fields=None, key=None, headers=None, timeout=10):
        """One request on a connection of its own; raises Unanswered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        body = None
        if method == "POST":
            body = fields if isinstance(fields, (str, bytes)) else urllib.parse.urlencode(fields or {})
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        elif fields:
            path += "?" + urllib.parse.urlencode(fields)
        if key is not None:
            sent["Idempotency-Key"] = key
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())
        except (http.client.RemoteDisconnected, ConnectionError) as reason:
            raise Unanswered(repr(reason)) from reason
        finally:
            connection.close()

    def get(self, path, **fields):
        return self.call("GET", path, fields)

    def post(self, path, fields=None, key=None):
        return self.call("POST", path, fields, key)

    def ok(self, path, fields=None, key=None):
        answer = self.post(path, fields, key)
        assert answer.status == 200, answer.text
        return answer.json

    def create(self, key=None, **fields):
        return self.ok("/v1/payment_intents", {"amount": 1000, "currency": "eur", **fields}, key)

    def paid(self, **fields):
        return self.create(confirm="true", payment_method="pm_card_visa", **fields)

    def misbehave(self, **fields):
        return self.ok("/_misbehave", {"none": "true", **fields})

    def books(self):
        books = self.get("/_ledger").json
        check_books(books)
        return books

    def lines(self):
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


def check_books(books):
    """The totals are the sums of the payments, and nothing came from nowhere."""
    assert books["balanced"] is True
    sums = {}
    for payment in books["payments"]:
        held, taken, back = payment["authorised"], payment["captured"], payment["refunded"]
        assert 0 <= held and 0 <= back <= taken and held + taken <= payment["amount"], payment
        row = sums.setdefault(payment["currency"], [0, 0, 0, 0])
        for i, minor in enumerate((-held - taken, held, taken - back, back)):
            row[i] += minor
    for total in books["totals"]:
        figures = [total[name] for name in ("customer", "authorised", "merchant", "refunded")]
        assert sums.get(total["currency"], [0] * 4) == figures, (sums, total)


def check_lines(lines):
    """The file itself: numbered without gaps, each entry balanced."""
    for number, line in enumerate(lines, 1):
        assert line["n"] == number, line
        assert sum(posting["minor"] for posting in line.get("postings", ())) == 0, line


def verify(body, header, secret=HOOK_SECRET):
    """Stripe's scheme, written independently; the time is the attempt's."""
    parts = [part.split("=", 1) for part in header.split(",")]
    stamp = next(value for name, value in parts if name == "t")
    assert abs(time.time() - int(stamp)) < 300
    wanted = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(name == "v1" and hmac.compare_digest(value, wanted) for name, value in parts)


class Hook:
    """A webhook: `answer(event)` says the status. `good` and `bad`: by signature, in the order of arrival."""

    def __init__(self, answer=lambda event: 200):
        self.good, self.bad = [], []
        self.arrived = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = json.loads(body)
                is_good = verify(body, self.headers["Stripe-Signature"])
                status = answer(event) if is_good else 400
                (hook.good if is_good else hook.bad).append(event)
                hook.arrived.append((time.monotonic(), status, event))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, _request, _address):
                pass  # a gateway that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.options = ("--webhook-url", f"http://127.0.0.1:{self.server.server_port}/hook",
                        "--webhook-secret", HOOK_SECRET)

    def __enter__(self):
        return self

    def __exit__(self, *_arguments):
        self.server.shutdown()
        self.server.server_close()

    def types(self):
        return [event["type"] for event in self.good]


def eventually(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def basic(key):
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
