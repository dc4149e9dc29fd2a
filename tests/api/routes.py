# SPDX-License-Identifier: Apache-2.0
"""The server's own table of routes (net/api/routes.h), and what each kind of caller must get of a line of it."""
import re
from dataclasses import dataclass

from harness import ROOT

TABLE = ROOT / "net" / "api" / "routes.h"
ROLES = ("owner", "catalogue", "orders", "support", "read_only")
# Sets of roles in the table, without owners, who may everything.
SETS = {
    "OWNER": (),
    "CATALOGUE": ("catalogue",),
    "ORDERS": ("orders",),
    "SUPPORT": ("support",),
    "AUDIT": ("read_only",),
    "HOLDS": ("orders", "support"),
    "ANY": ("catalogue", "orders", "support", "read_only"),
}
LINE = re.compile(r'X\(\s*([A-Z]+),\s*"([^"]+)",\s*(\w+),\s*(\w+(?:\(\w+\))?),\s*(\w+),\s*(\w+),\s*(\w+)\s*\)')


@dataclass(frozen=True)
class Route:
    method: str
    pattern: str
    name: str
    caller: str
    kind: str
    body: str
    key: str

    @property
    def is_read(self):
        return self.method == "GET"

    @property
    def is_staffs(self):
        return self.caller.startswith("STAFF(")

    def target(self, parameters):
        return re.sub(r"\{(\w+)\}", lambda match: parameters[match[1]], self.pattern)


def read_routes():
    """Every line of API_ROUTES; one that this reader does not understand is an error."""
    text = TABLE.read_text()
    start = text.index("#define API_ROUTES(X)")
    lines = []
    for line in text[start:].split("\n"):
        lines.append(line.rstrip("\\"))
        if not line.endswith("\\"):
            break
    table = " ".join(lines)
    routes = [Route(*match.groups()) for match in LINE.finditer(table)]
    if len(routes) != table.count("X(") or len(routes) < 50:
        raise AssertionError(f"{TABLE}: {len(routes)} lines understood of {table.count('X(')}")
    return routes


def verdict(route, who):
    """What `routes.h` promises a caller: (status, code) of the refusal, or None: let in.

    `who` is nobody, forged, guest, customer, admin key, a role, or a role and ` without factor` (where staff need
    one).
    """
    role = who.removesuffix(" without factor")
    is_person = who == "customer" or role in ROLES
    unknown = (401, "unauthenticated")
    if route.caller == "PUBLIC":
        return None
    if route.caller in ("SESSION", "SESSION_OR_NONE"):  # without one a token, which no probe has
        return None if who == "guest" or is_person else unknown
    if route.caller == "SESSION_OR_NEW":
        return None if who in ("guest", "nobody") or is_person else unknown
    if route.caller == "CUSTOMER":
        return None if is_person else unknown
    allowed = SETS[route.caller[len("STAFF("):-1]]
    if who in ("nobody", "forged"):
        return unknown
    if who == "admin key" or who == "owner" or who in allowed:
        return None
    return (403, "forbidden")
