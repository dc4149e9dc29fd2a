# SPDX-License-Identifier: Apache-2.0
"""Buyers: each with a session and a connection of its own, who wants one unit and tries again as long as the contract
lets it, under the same keys. What they were told is kept: the books must bear it out.

Many thousands of calls at once want one thread and few bytes each: hence asyncio, and no client of tests/api.
"""
import asyncio
import json
import secrets
import time

CALL_SECONDS = 45
STUCK_SECONDS = 90
ADDRESS = {"name": "Ann Example", "line1": "Lane 1", "city": "Bern", "postal_code": "3000", "country": "CH"}
GOOD, DECLINED = "pm_card_visa", "pm_card_declined"
ENDED = ("cancelled", "expired", "payment_failed", "refunded")
# Refusals that ask for the same call again; all others must be expected where they come.
AGAIN = ("overloaded", "outcome_unknown", "gateway_unavailable", "idempotency_in_flight", "storage_full")
WAYS = ("server", "server", "browser", "both")


class Gone(Exception):
    """No answer: the connection broke, nobody listens, or this side gave up waiting."""


class Over(Exception):
    """There is nothing left to buy."""


class Told(AssertionError):
    """An answer that the contract does not allow."""


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json().get("code") if "problem+json" in self.headers.get("content-type", "") else None

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Line:
    """A connection to one address, opened when it is needed."""

    def __init__(self, address):
        self.address = address
        self.reader = self.writer = None

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def call(self, method, path, body=None, headers=(), loses=False):
        """One request; Gone without an answer. `loses`: the answer is not waited for."""
        try:
            return await asyncio.wait_for(self._exchange(method, path, body, headers, loses), CALL_SECONDS)
        except (OSError, EOFError, asyncio.TimeoutError) as reason:
            self.close()
            raise Gone(repr(reason)) from reason

    async def _exchange(self, method, path, body, headers, loses):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        lines = [f"{method} {path} HTTP/1.1", "Host: {}:{}".format(*self.address)]
        lines += [f"{name}: {value}" for name, value in headers]
        if method != "GET":
            lines.append(f"Content-Length: {len(body or b'')}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        await self.writer.drain()
        if loses:
            raise EOFError("the answer is lost")
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        answer = Answer(int(head[0].split()[1]), fields, b"")
        answer.body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            self.close()
        return answer


class Sale:
    """What all buyers of a storm share."""

    def __init__(self, place, sku, random, coupon=None):
        self.server = place.server
        self.gateway = place.gateway
        self.sku = sku
        self.random = random
        self.coupon = coupon
        self.loses = 4  # percent of answers that are thrown away
        # Most want what they ask for; the others make room again.
        self.moods = {"buys": 80, "leaves": 8, "wavers": 6, "regrets": 6}
        if coupon is not None:  # what was confirmed has used it up, whatever comes after
            self.moods = {"buys": 80, "leaves": 5, "turns back": 15}
        self.is_over = False
        self.under_way = {}  # buyers that may yet change what became of their orders: what they do
        self.calls = 0
        self.repeats = 0
        self.ends = {}  # how many buyers ended how
        self.refused = {}  # how many refusals by code

    @property
    def busy(self):
        return len(self.under_way)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    async def is_used_up(self, line):
        """Whether nothing is left for anybody, as staff see it."""
        headers = [("Authorization", f"Bearer {self.server.admin_key}")]
        if self.coupon is None:
            books = (await line.call("GET", f"/v1/admin/inventory/{self.sku}", None, headers)).json()
            return books["available"] == 0 and books["reserved"] == 0
        uses = (await line.call("GET", f"/v1/admin/coupons/{self.coupon}", None, headers)).json()
        return uses["uses"]["committed"] == uses["max_uses"]


class Buyer:
    def __init__(self, sale, number):
        self.sale = sale
        self.number = number
        self.line = Line(sale.server.address)
        self.token = None
        draw = sale.random.random
        self.way = sale.random.choice(WAYS)
        self.from_cart = draw() < 0.3
        self.bad_cards = sale.random.choice((0, 0, 0, 1, 2))
        self.mood = sale.random.choices(list(sale.moods), list(sale.moods.values()))[0]
        self.orders = {}  # id -> the newest status that it was told
        self.net = {}  # id -> what the buyer believes to have paid in the end
        self.end = None

    # ---- calls ----

    async def call(self, method, path, body=None, key=None, may_lose=True):
        """Until there is an answer that is not a plea to come again."""
        headers = [] if self.token is None else [("Authorization", f"Bearer {self.token}")]
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers.append(("Content-Type", "application/json"))
        if key is not None:
            headers.append(("Idempotency-Key", key))
        sale, pause = self.sale, 0.05
        while True:
            sale.calls += 1
            try:
                answer = await self.line.call(method, path, data, headers, may_lose and sale.chance(sale.loses))
            except Gone:
                answer = None
            if answer is not None and answer.status >= 400:
                sale.refused[answer.code] = sale.refused.get(answer.code, 0) + 1
            if answer is not None and answer.code not in AGAIN:
                if answer.status >= 500:
                    raise Told(f"{method} {path}: {answer!r}")
                return answer
            sale.repeats += 1
            await asyncio.sleep(pause * (0.5 + sale.random.random()))
            pause = min(2 * pause, 1.0)

    async def ask(self, method, path, body=None, key=None, expect=(200,)):
        answer = await self.call(method, path, body, key)
        if answer.status not in expect:
            raise Told(f"{method} {path}: {answer!r}, not one of {expect}")
        return answer

    # ---- the journey ----

    async def run(self):
        try:
            self.token = (await self.ask("POST", "/v1/sessions", expect=(201,))).json()["token"]
            await asyncio.sleep(self.sale.random.random() * 0.5)
            while self.end is None:
                await self.try_once()
        except Over:
            self.end = "nothing left"
        finally:
            self.line.close()
        self.sale.ends[self.end] = self.sale.ends.get(self.end, 0) + 1

    async def try_once(self):
        hold = None if self.from_cart else await self.hold()
        order = await self.check_out(hold)
        if order is None:
            return
        self.sale.under_way[self.number] = f"{self.mood} by {self.way}: {order['id']}"
        try:
            await self.follow(order)
        finally:
            del self.sale.under_way[self.number]

    async def wait_for_units(self):
        if self.sale.is_over:
            raise Over
        await asyncio.sleep(0.4 + self.sale.random.random() * 1.2)

    async def hold(self):
        key, body = secrets.token_hex(16), {"sku": self.sale.sku, "quantity": 1}
        while True:
            answer = await self.ask("POST", "/v1/reservations", body, key, (201, 409))
            if answer.status == 201:
                return answer.json()
            if answer.code != "sold_out":
                raise Told(f"a hold: {answer!r}")
            await self.wait_for_units()

    async def check_out(self, hold):
        """An order of the hold or of the cart; None where the hold has ended."""
        body = {"email": f"buyer-{self.number}@example.com", "shipping_address": ADDRESS, "shipping_method": "shm_1",
                "payment": {"provider": "stripe"}}
        if self.sale.coupon is not None:
            body["coupon"] = self.sale.coupon
        if hold is not None:
            body["reservation_id"] = hold["id"]
        else:
            await self.ask("PATCH", f"/v1/cart/items/{self.sale.sku}", {"quantity": 1}, expect=(200, 404))
            cart = await self.ask("GET", "/v1/cart")
            if not cart.json()["items"]:
                await self.ask("POST", "/v1/cart/items", {"sku": self.sale.sku, "quantity": 1})
                await self.ask("PATCH", f"/v1/cart/items/{self.sale.sku}", {"quantity": 1})
        key = secrets.token_hex(16)
        while True:
            answer = await self.ask("POST", "/v1/checkout", body, key, (201, 409))
            if answer.status == 201:
                break
            if answer.code == "hold_ended" and hold is not None:
                return None
            if answer.code not in ("sold_out", "insufficient_stock", "coupon_exhausted"):
                raise Told(f"a checkout: {answer!r}")
            await self.wait_for_units()
            if hold is not None and self.sale.chance(70):  # what is left of its time may be too short to pay in
                await self.ask("DELETE", f"/v1/reservations/{hold['id']}", expect=(204, 409))
                return None
        if self.sale.chance(15):
            again = await self.ask("POST", "/v1/checkout", body, key, (201,))
            if again.body != answer.body:
                raise Told(f"I3: a checkout's key was answered {answer.body!r} and then {again.body!r}")
        return answer.json()

    async def look(self, order):
        shown = (await self.ask("GET", f"/v1/orders/{order['id']}")).json()
        before = self.orders.get(order["id"], "pending_payment")
        allowed = {"pending_payment": None, "confirmed": ("confirmed", "cancelled", "partially_refunded", "refunded")}
        if shown["status"] != before and shown["status"] not in (allowed.get(before, ()) or (shown["status"],)):
            raise Told(f"order {order['id']} was {before} and is {shown['status']}")
        if before in ENDED and shown["status"] != before:
            raise Told(f"order {order['id']} was {before} and is {shown['status']}")
        self.orders[order["id"]] = shown["status"]
        return shown

    async def follow(self, order):
        """Until the order has ended one way or the other."""
        if self.mood == "leaves":
            self.end = "left"
            return
        if self.mood == "turns back":
            await self.cancel(order, 0)
            self.end = "turned back"
            await self.look(order)
            return
        if self.mood == "wavers":
            await asyncio.gather(self.pay(order), self.cancel(order, self.sale.random.random()))
        else:
            await self.pay(order)
        shown = await self.look(order)
        if shown["status"] == "confirmed" and self.mood == "regrets":
            await self.cancel(order, 0)
            shown = await self.look(order)
        if shown["status"] == "confirmed":
            self.end = "has it"
        elif self.mood in ("wavers", "regrets") and shown["status"] == "cancelled":
            self.end = "changed its mind"

    async def cancel(self, order, delay):
        """On a connection of its own: the buyer's other hand may be paying."""
        await asyncio.sleep(delay)
        other = Buyer.__new__(Buyer)
        other.__dict__.update(self.__dict__, line=Line(self.sale.server.address))
        try:
            for _ in range(200):
                answer = await other.ask("POST", f"/v1/orders/{order['id']}/cancel", {}, expect=(200, 409))
                if answer.code != "payment_in_progress":
                    return
                await asyncio.sleep(0.2)
        finally:
            other.line.close()

    # ---- paying ----

    async def pay(self, order):
        work = []
        if self.way in ("server", "both"):
            work.append(self.pay_by_server(order))
        if self.way in ("browser", "both"):
            work.append(self.pay_by_browser(order))
        await asyncio.gather(*work)

    def next_card(self):
        if self.bad_cards > 0:
            self.bad_cards -= 1
            return DECLINED
        return GOOD

    async def pay_by_server(self, order):
        while True:
            body = {"order_id": order["id"], "payment_method": self.next_card()}
            answer = await self.ask("POST", "/v1/payments/confirm", body, expect=(200, 402, 409))
            if answer.status == 409 and answer.code not in ("payment_in_progress", "invalid_state", "hold_ended"):
                raise Told(f"a payment: {answer!r}")
            if answer.status != 402 and (await self.look(order))["status"] != "pending_payment":
                return
            await asyncio.sleep(0.1 + 0.2 * self.sale.random.random())

    async def pay_by_browser(self, order):
        """At the gateway itself, as a browser does; the shop hears of it by an event, or asks by and by."""
        payment, line = order["payment"], Line(self.sale.gateway.address)
        paid = False
        other = Buyer.__new__(Buyer)
        other.__dict__.update(self.__dict__, line=Line(self.sale.server.address))
        try:
            while True:
                if not paid:
                    paid = await self.confirm_at_gateway(line, payment)
                if (await other.look(order))["status"] != "pending_payment":
                    return
                await asyncio.sleep(0.3 + 0.4 * self.sale.random.random())
        finally:
            line.close()
            other.line.close()

    async def confirm_at_gateway(self, line, payment):
        """True: it is paid, or can't be any more."""
        fields = f"client_secret={payment['client_secret']}&payment_method={self.next_card()}"
        headers = [("Authorization", "Bearer pk_test_of_the_browser"),
                   ("Content-Type", "application/x-www-form-urlencoded")]
        try:
            answer = await line.call("POST", f"/v1/payment_intents/{payment['id']}/confirm", fields.encode(), headers)
        except Gone:
            return False
        if answer.status in (402, 409, 429) or answer.status >= 500:
            return False
        if answer.status not in (200, 400):
            raise Told(f"the gateway's answer to a browser: {answer!r}")
        return True


async def run_buyers(sale, count):
    """All buyers to their ends; the first that is told something wrong ends it."""
    buyers = [Buyer(sale, number) for number in range(count)]
    tasks = [asyncio.create_task(buyer.run()) for buyer in buyers]
    watcher = asyncio.create_task(watch(sale))
    try:
        await asyncio.gather(watcher, *tasks)
    finally:
        for task in [*tasks, watcher]:
            task.cancel()
        await asyncio.gather(*tasks, watcher, return_exceptions=True)
    return buyers


async def watch(sale):
    """Says when it is over: nothing is left, and nobody has an order under way."""
    line = Line(sale.server.address)
    since = used_up_since = time.monotonic()
    while not sale.is_over:
        await asyncio.sleep(0.3)
        try:
            is_used_up = await sale.is_used_up(line)
        except (Gone, ValueError, KeyError):
            continue
        if not is_used_up:
            used_up_since = time.monotonic()
        if not is_used_up or sale.busy > 0:
            since = time.monotonic()
        sale.is_over = time.monotonic() - since > 0.5
        if time.monotonic() - used_up_since > STUCK_SECONDS:
            raise Told(f"nothing is left, and {sale.busy} buyers are at their orders still: {sale.under_way}")
    line.close()
