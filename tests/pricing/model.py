# SPDX-License-Identifier: Apache-2.0
"""Pricing once more, from the rules at the top of actors/pricing.h, in exact rational arithmetic.

Nothing here is taken from the C code: amounts are fractions until the rule says that they are rounded, free units are
found by laying all units out in a row, remainders by sorting. `VARIATIONS` are the rules misread, one at a time: a case
that tells none of them from the rule proves little, so `run` demands that each is told apart.
"""
import math
from fractions import Fraction

HALF = Fraction(1, 2)
MOST = 2**63 - 1
NONE = -1

PERCENTAGE, FIXED, FREE_SHIPPING, BUY_X_GET_Y = range(4)
FLAT, WEIGHT, PRICE = range(3)
OK, INVALID, CURRENCY, OVERFLOW = range(4)
(APPLIED, SHIPPING_PENDING, NOTHING_LEFT, OTHER_CURRENCY, BELOW_MINIMUM, OUT_OF_SCOPE, TOO_FEW_UNITS,
 NOT_COMBINABLE) = range(8)
(NOT_CHOSEN, NO_DESTINATION, CHARGED, FREE_OVER, FREE_BY_COUPON, COUNTRY_NOT_SERVED, METHOD_CURRENCY,
 BEYOND_TABLE) = range(8)

VARIATIONS = (
    "half to even", "half down", "ties to the later line", "dearest units free", "groups of each line",
    "a free unit counts again", "percentage of the subtotal", "percentage line by line", "fixed before percentage",
    "minimum after discounts", "minimum of the scope", "last coupon stands", "tax before discount",
    "inclusive as if exclusive", "category before region", "later of alike rates", "shipping untaxed",
    "shipping by category rate", "free only above", "row only below", "goods before discounts", "weight of one unit",
    "free shipping is a discount",
)


class Model:
    """Prices cases; `vary` names the rule to misread, or is empty."""

    def __init__(self, vary=""):
        assert not vary or vary in VARIATIONS
        self.vary = vary

    def rounded(self, amount):
        if self.vary == "half to even":
            return round(amount)
        if self.vary == "half down":
            return math.ceil(amount - HALF)
        return math.floor(amount + HALF)

    def spread(self, amount, lines, left):
        """{line: share}: by largest remainder, in proportion to what is left."""
        whole = sum(left[line] for line in lines)
        if amount == 0:
            return {}
        exact = {line: Fraction(amount * left[line], whole) for line in lines}
        shares = {line: math.floor(exact[line]) for line in lines}
        late = -1 if self.vary == "ties to the later line" else 1
        ranked = sorted(lines, key=lambda line: (shares[line] - exact[line], late * line))
        for line in ranked[:amount - sum(shares.values())]:
            shares[line] += 1
        return shares

    def scope(self, case, coupon):
        return [i for i, line in enumerate(case["lines"])
                if not (coupon["products"] or coupon["categories"])
                or line["product"] in coupon["products"] or line["category"] in coupon["categories"]]

    def judge(self, case, coupon, subtotals):
        scope = self.scope(case, coupon)
        minimum_of = [subtotals[i] for i in scope] if self.vary == "minimum of the scope" else subtotals
        if (coupon["kind"] == FIXED or coupon["minimum"]) and coupon["currency"] != case["currency"]:
            return OTHER_CURRENCY
        if sum(minimum_of) < coupon["minimum"]:
            return BELOW_MINIMUM
        if not scope:
            return OUT_OF_SCOPE
        units = sum(case["lines"][i]["quantity"] for i in scope)
        if coupon["kind"] == BUY_X_GET_Y and units < coupon["buy"] + coupon["get"]:
            return TOO_FEW_UNITS
        return APPLIED

    def taken(self, case, subtotals):
        """The verdicts before anything is applied, and the indices of the coupons that are taken."""
        verdicts = [self.judge(case, coupon, subtotals) for coupon in case["coupons"]]
        taken = []
        order = list(range(len(verdicts)))
        for c in reversed(order) if self.vary == "last coupon stands" else order:
            if verdicts[c] != APPLIED:
                continue
            if all(case["coupons"][d]["stackable"] for d in taken + [c]) or not taken:
                taken.append(c)
            else:
                verdicts[c] = NOT_COMBINABLE
        return verdicts, sorted(taken)

    def free_units(self, case, coupon, free):
        """[units of each line that are free by this coupon]; `free` is how many were so before."""
        given = [0] * len(case["lines"])
        scope = self.scope(case, coupon)
        for lines in [[i] for i in scope] if self.vary == "groups of each line" else [scope]:
            units = []
            for i in lines:
                gone = 0 if self.vary == "a free unit counts again" else free[i]
                units += [(case["lines"][i]["price"], i)] * (case["lines"][i]["quantity"] - gone)
            units.sort(key=lambda unit: (-unit[0] if self.vary == "dearest units free" else unit[0], unit[1]))
            for _, i in units[:len(units) // (coupon["buy"] + coupon["get"]) * coupon["get"]]:
                given[i] += 1
        return [min(given[i], case["lines"][i]["quantity"] - free[i]) for i in range(len(given))]

    def discounts(self, case, subtotals, taken):
        """[[what each coupon takes off each line]]"""
        count = len(subtotals)
        off = [[0] * count for _ in case["coupons"]]
        free = [0] * count
        left = list(subtotals)
        kinds = [BUY_X_GET_Y, FIXED, PERCENTAGE] if self.vary == "fixed before percentage" else \
            [BUY_X_GET_Y, PERCENTAGE, FIXED]
        for c in sorted((c for c in taken if case["coupons"][c]["kind"] in kinds),
                        key=lambda c: (kinds.index(case["coupons"][c]["kind"]), c)):
            coupon = case["coupons"][c]
            scope = self.scope(case, coupon)
            rest = sum(left[i] for i in scope)
            if self.vary == "minimum after discounts" and sum(left) < coupon["minimum"]:
                continue
            if coupon["kind"] == BUY_X_GET_Y:
                units = self.free_units(case, coupon, free)
                free = [a + b for a, b in zip(free, units)]
                shares = {i: units[i] * case["lines"][i]["price"] for i in scope}
            elif coupon["kind"] == FIXED:
                shares = self.spread(min(coupon["amount"], rest), scope, left)
            elif self.vary == "percentage line by line":
                shares = {i: self.rounded(Fraction(left[i] * coupon["percent"], 10000)) for i in scope}
            else:
                base = sum(subtotals[i] for i in scope) if self.vary == "percentage of the subtotal" else rest
                shares = self.spread(min(rest, self.rounded(Fraction(base * coupon["percent"], 10000))), scope, left)
            for i, share in shares.items():
                off[c][i] = share
                left[i] -= share
        return off

    def quote(self, case, goods):
        """(verdict, list price)"""
        method = case["shipping"]
        if method is None:
            return NOT_CHOSEN, 0
        if case["country"] == 0:
            return NO_DESTINATION, 0
        if method["currency"] != case["currency"]:
            return METHOD_CURRENCY, 0
        if method["countries"] and case["country"] not in method["countries"]:
            return COUNTRY_NOT_SERVED, 0
        free = 0 < method["free_over"] and \
            (goods > method["free_over"] if self.vary == "free only above" else goods >= method["free_over"])
        one = self.vary == "weight of one unit"
        weight = sum(line["weight"] * (1 if one else line["quantity"]) for line in case["lines"])
        if method["kind"] == FLAT:
            prices = [method["flat"]]
        else:
            value = weight if method["kind"] == WEIGHT else goods
            below = self.vary == "row only below"
            prices = [price for up_to, price in method["rows"] if value < up_to or (value == up_to and not below)]
        if not prices and not (free and method["kind"] == PRICE):
            return BEYOND_TABLE, 0
        return (FREE_OVER if free else CHARGED), (prices or [0])[0]

    def rate_of(self, case, category, is_shipping=False):
        """The index of the one rate, or NONE."""
        if case["country"] == 0 or (is_shipping and self.vary == "shipping untaxed"):
            return NONE
        loose = is_shipping and self.vary == "shipping by category rate"
        fitting = [(rate, r) for r, rate in enumerate(case["rates"])
                   if rate["country"] == case["country"] and rate["region"] in (0, case["region"])
                   and (rate["category"] == 0 or rate["category"] == category or loose)]
        major, minor = ("category", "region") if self.vary == "category before region" else ("region", "category")
        late = -1 if self.vary == "later of alike rates" else 1
        fitting.sort(key=lambda pair: (pair[0][major] == 0, pair[0][minor] == 0, late * pair[1]))
        return fitting[0][1] if fitting else NONE

    def tax(self, case, index, amount):
        """[added, included, index]"""
        if index == NONE:
            return [0, 0, NONE]
        rate = Fraction(case["rates"][index]["bp"], 10000)
        if not case["rates"][index]["inclusive"]:
            return [self.rounded(amount * rate), 0, index]
        if self.vary == "inclusive as if exclusive":
            return [0, self.rounded(amount * rate), index]
        return [0, self.rounded(amount - amount / (1 + rate)), index]

    def price(self, case):
        """The numbers that the driver writes for this case."""
        lines, coupons = case["lines"], case["coupons"]
        if any(line["currency"] != case["currency"] for line in lines):
            return [CURRENCY]
        subtotals = [line["price"] * line["quantity"] for line in lines]
        if sum(subtotals) > MOST:
            return [OVERFLOW]
        verdicts, taken = self.taken(case, subtotals)
        off = self.discounts(case, subtotals, taken)
        discounts = [sum(row[i] for row in off) for i in range(len(lines))]
        left = [a - b for a, b in zip(subtotals, discounts)]
        goods = sum(subtotals) if self.vary == "goods before discounts" else sum(left)
        shipping, listed = self.quote(case, goods)
        charged = listed if shipping == CHARGED else 0
        payer, paid, discount = NONE, [0] * len(coupons), sum(discounts)
        for c in taken:
            if coupons[c]["kind"] != FREE_SHIPPING:
                verdicts[c] = APPLIED if any(off[c]) else NOTHING_LEFT
            elif shipping not in (CHARGED, FREE_OVER, FREE_BY_COUPON):
                verdicts[c] = SHIPPING_PENDING
            elif charged == 0:
                verdicts[c] = NOTHING_LEFT
            else:
                shipping, payer, paid[c], charged = FREE_BY_COUPON, c, charged, 0
                discount += paid[c] if self.vary == "free shipping is a discount" else 0
        taxed = subtotals if self.vary == "tax before discount" else left
        taxes = [self.tax(case, self.rate_of(case, line["category"]), taxed[i]) for i, line in enumerate(lines)]
        priced = shipping in (CHARGED, FREE_OVER, FREE_BY_COUPON)
        shipping_tax = self.tax(case, self.rate_of(case, 0, True) if priced else NONE, charged)
        added = sum(tax[0] for tax in taxes + [shipping_tax])
        total = sum(left) + charged + added
        if total > MOST:
            return [OVERFLOW]
        numbers = [OK, sum(subtotals), discount, charged, added, total,
                   sum(tax[1] for tax in taxes + [shipping_tax]), shipping, payer, listed, charged] + shipping_tax
        for i in range(len(lines)):
            numbers += [subtotals[i], discounts[i]] + taxes[i] + [left[i] + taxes[i][0]]
        for c in range(len(coupons)):
            numbers += [verdicts[c], sum(off[c]), paid[c]] + off[c]
        return numbers
