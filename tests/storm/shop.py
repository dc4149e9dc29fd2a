# SPDX-License-Identifier: Apache-2.0
"""A shop and a gateway at addresses of their own, who strikes them down, and what must be so in the end."""
import asyncio
import base64
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
import harness  # noqa: E402

KEY, HOOK_SECRET = "sk_test_of_the_storm", "whsec_of_the_storm"
PRICE = 1999
# All that the gateway knows to do wrong, and 500s that it keeps for good (which `all` leaves out).
EVERYTHING = "all,error_after=80,error_kept=500,delay_ms=5..150,event_late_ms=200..2500"
QUIET_SECONDS_MAX = 150


def free_address():
    """A loopback address of this run's own: who dials it while nobody listens there is not given its port."""
    return "127." + ".".join(str(random.SystemRandom().randint(1, 254)) for _ in range(3))


def secret_file(text):
    path = harness.fresh_path("secret")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as handle:
        handle.write(text + "\n")
    return path


class Gateway:
    """`stampede gateway` with its ledger, which comes back at the same address."""

    def __init__(self, host, hook, misbehave, seed):
        self.address = (host, 8090)
        self.ledger = harness.fresh_path("ledger")
        self.command = [harness.SETTINGS.binary, "gateway", "--listen", f"{host}:8090", "--ledger", self.ledger,
                        "--secret", KEY, "--webhook-url", hook, "--webhook-secret", HOOK_SECRET,
                        "--misbehave", misbehave, "--seed", str(seed)]
        self.url = f"http://{host}:8090"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready http://"):
            raise AssertionError(f"the gateway does not start: {line} {self.process.stderr.read()}")

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=20)
        if self.process.returncode != 0 or errors:
            raise AssertionError(f"the gateway's end: {self.process.returncode} {errors}")

    def get(self, path):
        sign = base64.b64encode(f"{KEY}:".encode()).decode()
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Basic {sign}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def books(self):
        """The whole ledger: {"payments", "totals", "balanced", "webhook"}."""
        books = self.get("/_ledger")
        while "next_from" in books:
            more = self.get(f"/_ledger?from={books.pop('next_from')}")
            books["payments"] += more.pop("payments")
            books |= more
        return books

    def lines(self):
        return [json.loads(line) for line in Path(self.ledger).read_text(encoding="utf-8").splitlines()]


class Shop:
    def __init__(self, seed, misbehave=EVERYTHING, hold_ttl_ms=6000):
        host = free_address()
        hook = f"http://{host}:8080/v1/webhooks/stripe"
        self.gateway = Gateway(host, hook, misbehave, seed)
        self.server = None
        try:
            self.server = harness.Server(
                "--stripe-secret-key-file", secret_file(KEY),
                "--stripe-webhook-secrets-file", secret_file(HOOK_SECRET),
                "--stripe-base-url", self.gateway.url, "--stripe-confirm", "on", "--outbound-private", "on",
                "--hold-ttl-ms", str(hold_ttl_ms), listen=f"{host}:8080")
        except BaseException:
            self.close()
            raise

    def close(self):
        """kill -9 to what still runs."""
        for owner in (self.server, self.gateway):
            if owner is not None and owner.process is not None and owner.process.poll() is None:
                owner.process.kill()
                owner.process.wait()

    # ---- striking down ----

    async def strike(self, owner, seconds, counts):
        """kill -9 and a new start, again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(random.uniform(*seconds))
            await asyncio.shield(asyncio.to_thread(self.revive, owner))
            counts.append(time.monotonic())

    @staticmethod
    def revive(owner):
        owner.kill()
        owner.start()

    # ---- the end ----

    def orders(self):
        admin = self.server.admin()
        try:
            return {order["id"]: order for order in admin.pages("/v1/admin/orders?limit=100")}
        finally:
            admin.close()

    def settle(self):
        """Until no order is under way and nothing stays authorised; gives orders and the gateway's books."""
        end = time.monotonic() + QUIET_SECONDS_MAX
        while True:
            orders, books = self.orders(), self.gateway.books()
            left = [order for order in orders.values() if is_open(order)]
            left += [payment for payment in books["payments"] if payment["authorised"] != 0]
            left += [payment for payment in books["payments"] if is_owed(payment, orders)]
            if not left:
                return orders, books
            if time.monotonic() > end:
                raise AssertionError(f"not at rest after {QUIET_SECONDS_MAX} s: {len(left)} like {left[:3]}")
            time.sleep(0.3)

    def metric(self, name, **labels):
        text = self.server.anonymous().call("GET", "/metrics", expect=200).body.decode()
        total = 0
        for match in re.finditer(rf"^{name}(?:{{(.*?)}})? ([0-9.e+]+)$", text, re.MULTILINE):
            if all(f'{key}="{value}"' in (match[1] or "") for key, value in labels.items()):
                total += float(match[2])
        return total

    def check_mischief(self, strikes):
        """That the gateway did its worst: each kind of event that should change nothing has come. After a kill -9
        figures start anew, and say less."""
        for outcome in ("stored", "forged", "mismatched", "repeated"):
            if self.metric("stampede_webhooks_in_total", provider="stripe", outcome=outcome) == 0 and not strikes:
                raise AssertionError(f"no event was {outcome}")
        for result in ("done", "declined", "unknown", "unavailable"):
            if self.metric("stampede_gateway_calls_total", provider="stripe", result=result) == 0 and not strikes:
                raise AssertionError(f"no call at the gateway was {result}")

    def stop(self):
        """Both end in order, and the offline audit of both files is clean."""
        if self.server.stop() != 0:
            raise AssertionError(f"the server's end: {self.server.stderr()[-2000:]}")
        done = self.server.check()
        if done.returncode != 0 or "check: ok" not in done.stdout:
            raise AssertionError(f"check: exit {done.returncode}: {done.stdout} {done.stderr}")
        self.gateway.stop()
        check_lines(self.gateway.lines())


def is_open(order):
    return order["status"] == "pending_payment"


def is_owed(payment, orders):
    """Money that is neither an order's nor back yet."""
    order = orders.get(payment["order_id"])
    stands = order is not None and order["status"] not in ("pending_payment", "cancelled", "expired", "payment_failed")
    return payment["captured"] != payment["refunded"] and not stands


def check_lines(lines):
    """The ledger's file: numbered without gaps, each entry balanced."""
    for number, line in enumerate(lines, 1):
        if line["n"] != number or sum(posting["minor"] for posting in line.get("postings", ())) != 0:
            raise AssertionError(f"the ledger's entry {number}: {line}")


def check_totals(books):
    """The totals are the sums of the payments, and nothing came from nowhere."""
    sums = {}
    for payment in books["payments"]:
        held, taken, back = payment["authorised"], payment["captured"], payment["refunded"]
        if not (0 <= held and 0 <= back <= taken and held + taken <= payment["amount"]):
            raise AssertionError(f"a payment that can't be: {payment}")
        row = sums.setdefault(payment["currency"], [0, 0, 0, 0])
        for i, minor in enumerate((-held - taken, held, taken - back, back)):
            row[i] += minor
    for total in books["totals"]:
        figures = [total[name] for name in ("customer", "authorised", "merchant", "refunded")]
        if sums.get(total["currency"], [0] * 4) != figures or sum(figures) != 0:
            raise AssertionError(f"{total} are not the payments' {sums}")
    if books["balanced"] is not True:
        raise AssertionError("the gateway's books are not balanced")


def check_money(orders, books):
    """Each order against the payments that the gateway has of it; gives what was sold and what went back, in all."""
    payments = {}
    for payment in books["payments"]:
        payments.setdefault(payment["order_id"], []).append(payment)
    sold = refunded = captured = 0
    for name, order in orders.items():
        mine = payments.get(name, [])
        taken, back = sum(p["captured"] for p in mine), sum(p["refunded"] for p in mine)
        price = order["totals"]["total_minor"] if order["status"] == "confirmed" else 0
        if taken - back != price:
            raise AssertionError(f"I4: order {name} is {order['status']}: captured {taken}, refunded {back}: {mine}")
        if sum(1 for p in mine if p["captured"] > 0) > 1:
            raise AssertionError(f"order {name} was charged twice: {mine}")
        sold += price
        refunded += back
    for payment in books["payments"]:
        captured += payment["captured"]
        if payment["order_id"] not in orders and payment["captured"] > 0:
            raise AssertionError(f"a charge without an order: {payment}")
    if sold + refunded != captured:
        raise AssertionError(f"sold {sold} + refunded {refunded} is not captured {captured}")
    return sold, refunded


def check_views(orders, books, client):
    """What the shop says of the money is what the gateway says."""
    by_order = {}
    for payment in books["payments"]:
        sums = by_order.setdefault(payment["order_id"], [0, 0])
        sums[0] += payment["captured"]
        sums[1] += payment["refunded"]
    for name in orders:
        shown = client.call("GET", f"/v1/admin/orders/{name}", expect=200).json()
        told = [shown["payment"]["captured_minor"], shown["payment"]["refunded_minor"]]
        if told != by_order.get(name, [0, 0]):
            raise AssertionError(f"order {name} shows {told}, the gateway has {by_order.get(name)}")


def check_buyers(buyers, orders):
    """Nobody has two, and what somebody was told stands."""
    for buyer in buyers:
        has = [name for name in buyer.orders if orders[name]["status"] == "confirmed"]
        if len(has) > 1:
            raise AssertionError(f"buyer {buyer.number} paid twice: {has}")
        if (buyer.end == "has it") != (len(has) == 1):
            raise AssertionError(f"buyer {buyer.number} ended with \"{buyer.end}\" and has {has} of {buyer.orders}")
