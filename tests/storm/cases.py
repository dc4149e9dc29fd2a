# SPDX-License-Identifier: Apache-2.0
"""The cases. One more: a function with @case, which says how many for the usual run and for --full."""
import asyncio
import contextlib
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
    try:
        people = await buyers.run_buyers(sale, count)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
    return people, [len(counts) for counts in fallen]


def audit(place, sale, people, units):
    """Everything that must be so once all is at rest; gives a line of figures."""
    orders, books = place.settle()
    admin = place.server.admin()
    stock = admin.inventory(sale.sku)
    confirmed = [order for order in orders.values() if order["status"] == "confirmed"]
    if len(confirmed) != units or (stock["sold"], stock["available"], stock["reserved"]) != (units, 0, 0):
        raise AssertionError(f"{len(confirmed)} confirmed, not {units}; stock {stock}")
    shop.check_totals(books)
    sold, refunded = shop.check_money(orders, books)
    shop.check_views(orders, books, admin)
    shop.check_buyers(people, orders)
    hook = books["webhook"]
    return (f"{len(confirmed)} confirmed of {len(orders)} orders, sold {sold} + refunded {refunded} = captured; "
            f"{sale.calls} calls, {sale.repeats} again; events {hook['delivered']}, lost {hook['lost']}; {sale.ends}")


def blind(orders, books):
    """The checks of money see: a unit more or less captured, and a charge of nobody's order."""
    import copy

    for field, value in (("captured", 1), ("refunded", 1), ("order_id", "ord_of_nobody")):
        wrong = copy.deepcopy(books)
        payment = next(p for p in wrong["payments"] if p["captured"] > 0)
        payment[field] = value if field == "order_id" else payment[field] + value
        try:
            shop.check_money(orders, wrong)
        except AssertionError:
            continue
        raise AssertionError(f"the check does not see {field} change")


def storm(random, count, units, strikes=()):
    place = shop.Shop(random.randrange(1 << 30))
    try:
        sku = place.server.admin().create_sku(units)
        sale = buyers.Sale(place.server, place.gateway, sku, random)
        owners = {"server": place.server, "gateway": place.gateway}
        people, fallen = asyncio.run(blow(place, sale, count, [(owners[who], *span) for who, *span in strikes]))
        rested = time.monotonic()
        line = audit(place, sale, people, units)
        rested = time.monotonic() - rested
        blind(place.orders(), place.gateway.books())
        place.stop()
        falls = ", ".join(f"{who} killed {times} times" for (who, *_), times in zip(strikes, fallen))
        return f"{line}{'; ' + falls if falls else ''}; at rest after {rested:.1f} s more"
    finally:
        place.close()


@case("storm", {"count": 300, "units": 60}, {"count": 2000, "units": 300})
def everything_wrong(random, count, units):
    """Every misbehaviour at once, both servers up."""
    return storm(random, count, units)


@case("storm-kills", {"count": 200, "units": 40}, {"count": 2000, "units": 300})
def everything_wrong_and_kills(random, count, units):
    """The same, with kill -9 of the server every few seconds, and of the gateway."""
    return storm(random, count, units, [("server", 1.5, 4), ("gateway", 3, 7)])
