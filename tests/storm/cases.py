# SPDX-License-Identifier: Apache-2.0
"""The cases. One more: a function with @case, which says how many for the usual run (None: not in it) and for --full."""
import asyncio
import contextlib
import copy
import time

import buyers
import shop

CASES = []


class Case:
    def __init__(self, work, name, usual, full):
        self.work = work
        self.name = name
        self.usual = usual
        self.full = full


def case(name, usual, full):
    def register(work):
        CASES.append(Case(work, name, usual, full))
        return work

    return register


async def blow(place, sale, count, strikes):
    """The buyers' whole day; `strikes` (owner, seconds from, to) fall meanwhile. Gives buyers and how often."""
    fallen = [[] for _ in strikes]
    tasks = [asyncio.create_task(place.strike(owner, seconds, counts))
             for (owner, *seconds), counts in zip(strikes, fallen)]
    day = asyncio.create_task(buyers.run_buyers(sale, count))
    try:
        await asyncio.wait([day, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    return await day, [len(counts) for counts in fallen]


def audit_money(place, sale, people):
    """What must be so of any sale once all is at rest; gives its confirmed orders and a line of figures."""
    orders, books = place.settle()
    confirmed = {name: order for name, order in orders.items() if order["status"] == "confirmed"}
    shop.check_totals(books)
    sold, refunded = shop.check_money(orders, books)
    shop.check_views(orders, books, place.server.admin())
    shop.check_buyers(people, orders)
    blind(orders, books)
    hook = books["webhook"]
    line = (f"{len(confirmed)} confirmed of {len(orders)} orders, sold {sold} + refunded {refunded} = captured; "
            f"{sale.calls} calls, {sale.repeats} again; events {hook['delivered']}, lost {hook['lost']}")
    return confirmed, line


def blind(orders, books):
    """The checks of money see: a unit more or less captured, and a charge of nobody's order."""
    for field in ("captured", "refunded", "order_id"):
        wrong = copy.deepcopy(books)
        payment = next(p for p in wrong["payments"] if p["captured"] > 0)
        payment[field] = "ord_of_nobody" if field == "order_id" else payment[field] + 1
        try:
            shop.check_money(orders, wrong)
        except AssertionError:
            continue
        raise AssertionError(f"the check does not see {field} change")


def play(random, count, make_sale, audit, strikes=()):
    """A whole case: a shop, a sale in it, the buyers, the strikes, the audit."""
    place = shop.Shop(random.randrange(1 << 30))
    try:
        sale = make_sale(place)
        owners = {"server": place.server, "gateway": place.gateway}
        people, fallen = asyncio.run(blow(place, sale, count, [(owners[who], *span) for who, *span in strikes]))
        ended = time.monotonic()
        confirmed, line = audit_money(place, sale, people)
        audit(place, sale, confirmed)
        rest = time.monotonic() - ended
        place.check_mischief(strikes)
        place.stop()
        falls = "".join(f"; {who} killed {times} times" for (who, *_), times in zip(strikes, fallen))
        ends = ", ".join(f"{number} {end}" for end, number in sorted(sale.ends.items()))
        return f"{line}{falls}; at rest after {rest:.1f} s; buyers: {ends}"
    finally:
        place.close()


def storm(random, count, units, strikes=()):
    def make_sale(place):
        return buyers.Sale(place, place.server.admin().create_sku(units), random)

    def audit(place, sale, confirmed):
        stock = place.server.admin().inventory(sale.sku)
        if len(confirmed) != units or (stock["sold"], stock["available"], stock["reserved"]) != (units, 0, 0):
            raise AssertionError(f"{len(confirmed)} confirmed, not {units}; stock {stock}")

    return play(random, count, make_sale, audit, strikes)


@case("storm", {"count": 300, "units": 60}, {"count": 2000, "units": 300})
def everything_wrong(random, count, units):
    """Every misbehaviour at once, both servers up."""
    return storm(random, count, units)


@case("storm-kills", {"count": 200, "units": 40}, {"count": 2000, "units": 300})
def everything_wrong_and_kills(random, count, units):
    """The same, with kill -9 of the server every few seconds, and of the gateway."""
    return storm(random, count, units, [("server", 1.5, 4), ("gateway", 3, 7)])


@case("racers", {"count": 200, "uses": 20}, {"count": 1000, "uses": 100})
def racers_for_a_coupon(random, count, uses):
    """Everybody wants the coupon, units are enough; whose order dies gives the use back."""
    body = {"code": "RACE", "kind": "percentage", "percent_bp": 1000, "max_uses": uses}

    def make_sale(place):
        admin = place.server.admin()
        admin.call("POST", "/v1/admin/coupons", body, expect=201)
        return buyers.Sale(place, admin.create_sku(10 * count), random, coupon=body["code"])

    def audit(place, _sale, confirmed):
        admin = place.server.admin()
        shown = [admin.call("GET", f"/v1/admin/orders/{name}", expect=200).json() for name in confirmed]
        carry = [order for order in shown if (order["coupon"] or {}).get("code") == body["code"]]
        used = admin.call("GET", f"/v1/admin/coupons/{body['code']}", expect=200).json()["uses"]
        if len(carry) != uses or len(shown) != uses or used != {"held": 0, "committed": uses}:
            raise AssertionError(f"{len(carry)} of {len(shown)} confirmed orders carry it, not {uses}: {used}")
        if any(order["totals"]["discount_minor"] != shop.PRICE // 10 + 1 for order in carry):
            raise AssertionError("an order that carries it has another discount")

    return play(random, count, make_sale, audit)


SLOW = "delay=1000,delay_ms=1900..2100"


async def probe(place, seconds):
    """Holds of a buyer with nothing else to do: the seconds that each took, as long as `seconds` last."""
    admin = place.server.admin()
    sku = admin.create_sku(100000)
    buyer = buyers.Buyer(buyers.Sale(place, sku, shop.random), 0)
    took, end = [], time.monotonic() + seconds
    buyer.token = (await buyer.ask("POST", "/v1/sessions", expect=(201,))).json()["token"]
    while time.monotonic() < end:
        started = time.monotonic()
        await buyer.hold()
        took.append(time.monotonic() - started)
        await asyncio.sleep(0.005)
    buyer.line.close()
    return sorted(took)


def percentile(took, percent):
    return took[min(len(took) - 1, len(took) * percent // 100)]


@case("slow-gateway", None, {"count": 200})
def slow_gateway(random, count):
    """Reservations do not wait for payments, and payments only for the gateway."""
    place = shop.Shop(random.randrange(1 << 30), SLOW, hold_ttl_ms=120000)
    try:
        sale = buyers.Sale(place, place.server.admin().create_sku(count), random)
        sale.moods, sale.loses = {"buys": 1}, 0

        async def day():
            idle = await probe(place, 3)
            started = time.monotonic()
            run = asyncio.create_task(buyers.run_buyers(sale, count))
            busy = await probe(place, 6)
            await run
            return idle, busy, time.monotonic() - started

        idle, busy, seconds = asyncio.run(day())
        _, line = audit_money(place, sale, [])
        place.stop()
        figures = [f"{1000 * percentile(took, percent):.1f}" for took in (idle, busy) for percent in (50, 99)]
        if percentile(busy, 99) > 0.5:
            raise AssertionError(f"holds take {figures} ms (p50, p99; idle, and beside a slow gateway)")
        return (f"holds' p50 and p99: idle {figures[0]} and {figures[1]} ms, beside it {figures[2]} and "
                f"{figures[3]} ms; {count} buyers in {seconds:.1f} s; {line}")
    finally:
        place.close()
