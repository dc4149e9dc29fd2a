# SPDX-License-Identifier: Apache-2.0
"""What a whole run must have provoked: each error code that a call of the checkout can answer, each code of the
server's table, each step of an order from one status to the next. The tables are read from the sources, so that a new
row without a test fails the run.
"""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Calls that buy, and what staff do with what is bought. Of others a code must have come from any of them.
OPERATIONS = re.compile(r"(?i)cart|checkout|payment|order|coupon")

# (operation or "*", code): why no test here provokes it.
NOT_PROVOKED = {
    ("*", "outcome_unknown"): "needs a failing disk: tests/unit and tests/sim provoke it",
    ("*", "internal_error"): "would be a bug",
    ("checkout", "idempotency_in_flight"): "a race: test_a_double_click_is_one_order may meet it",
    ("cancelOrder", "gateway_unavailable"): "waits for the gateway, and says payment_in_progress in the end",
    ("cancelOrderAsStaff", "gateway_unavailable"): "likewise",
    ("deleteCoupon", "idempotency_key_reused"): "has no body that could be another",
    ("removeCartCoupon", "idempotency_key_reused"): "likewise",
    ("removeCartItem", "idempotency_key_reused"): "likewise",
    ("cancelOrder", "idempotency_key_reused"): "likewise",
    ("cancelOrderAsStaff", "idempotency_key_reused"): "likewise",
    ("deliverOrder", "idempotency_key_reused"): "likewise",
}
# These share their 503 with others in the document, and go on when the disk is nearly full.
GOES_ON = (
    "acknowledgeOrder", "cancelOrder", "cancelOrderAsStaff", "changeCoupon", "confirmPayment", "deleteCoupon",
    "deliverOrder", "exportOrders", "fulfilOrder", "listOrdersAsStaff", "refundOrder", "removeCartCoupon", "removeCartItem",
    "replaceCoupon", "setCartItem",
)
NOT_PROVOKED.update({(name, "storage_full"): "goes on: test_refusals.FullDisk" for name in GOES_ON})


def problem_codes():
    """The codes of net/api/problems.h."""
    text = (ROOT / "net/api/problems.h").read_text()
    return set(re.findall(r'^    X\(\w+,\s*"(\w+)",\s*\d+', text, re.M))


def order_edges():
    """(status, status that may follow) of actors/order.c, by their names on the wire."""
    names = dict(re.findall(r'X\((\w+), "(\w+)"\)', _between("actors/order_state.h", "ORDER_STATUSES(X)", "enum")))
    table = _between("actors/order.c", "successors[ORDER_STATUS_COUNT] = {", "};")
    edges = set()
    for before, row in re.findall(r"\[ORDER_(\w+)\] =([^\[]*)", table):
        edges.update((names[before], names[after]) for after in re.findall(r"AFTER\((\w+)\)", row))
    return edges


def _between(path, start, end):
    text = (ROOT / path).read_text()
    at = text.index(start)
    return text[at:text.index(end, at)]


def _name(operation):
    """The calls as the requirements write them have the handlers of the others."""
    return (operation or "").removesuffix("Plain")


def _is_excused(operation, code):
    return ("*", code) in NOT_PROVOKED or (operation, code) in NOT_PROVOKED


def check(contract):
    """(what was looked for, how much of it, what of it was not provoked) for each kind."""
    edges = order_edges()
    yield "edges of the table of orders' statuses", len(edges), {" -> ".join(e) for e in edges - contract.edges_seen}
    codes = problem_codes()
    missing = {code for code in codes - contract.codes_seen if not _is_excused("", code)}
    yield "codes of net/api/problems.h", len(codes), missing
    wanted = {
        (_name(operation["operationId"]), code)
        for _, _, operation in contract.operations()
        if OPERATIONS.search(operation["operationId"])
        for code in contract.documented_codes(operation)
    }
    seen = {(_name(operation), code) for operation, code in contract.refusals_seen}
    missing = {f"{o}: {c}" for o, c in wanted - seen if not _is_excused(o, c)}
    yield "codes that calls of the checkout document", len(wanted), missing
