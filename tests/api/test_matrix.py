# SPDX-License-Identifier: Apache-2.0
"""Every route of the server's table with every kind of caller and somebody's real object.

The verdict comes from the table (routes.py) and from EXPECTED, which has an entry for each handler: a route without
one fails here. What a caller is refused stays as it was, and no answer to the wrong one says anything of it.
"""
import re
import time
from dataclasses import dataclass

from harness import Client, new_key, quote
from routes import ROLES, read_routes, verdict
from test_accounts import PASSWORD, AccountTest, log_in, new_email, register, totp
from wire import Wire

NOT_FOUND = (404, "not_found")
OK, CREATED, NO_CONTENT, ACCEPTED = (200, None), (201, None), (204, None), (202, None)


@dataclass
class Expect:
    """Of callers who are let in: what the object's owner gets, and anyone else."""

    own: tuple
    other: tuple = None  # None: as the owner
    kind: str = None  # what {id} or {sku} is an object of
    body: callable = None  # (matrix, caller, thing) -> body
    query: callable = None


def new_product(*_):
    name = "m" + new_key()[:12]
    variant = {"sku": name.upper(), "options": {}, "stock": 1}
    return {"id": name, "name": name, "price_minor": 1, "currency": "EUR", "variants": [variant]}


def edited_product(name):
    return {"name": name, "price_minor": 2, "currency": "EUR", "variants": [{"sku": name.upper()}]}


def new_row(*_):
    return f"sku,name,price,currency,stock\nM{new_key()[:12]},Row,1.00,EUR,1\n".encode()


def new_tax_rate():
    return {"country": "US", "region": new_key()[:12], "rate_bp": 725, "inclusive": False}


def new_method():
    table = [{"price_minor": 490}]
    return {"name": new_key()[:12], "countries": ["DE"], "kind": "flat", "table": table, "currency": "EUR"}


def new_endpoint():
    return {"url": f"https://example.com/{new_key()[:12]}", "events": ["order.confirmed"]}


def postal(person):
    return {"name": person.name, "line1": person.street, "city": "Bern", "postal_code": "3000", "country": "CH",
            "phone": person.phone}


def purchase(hold_id):
    address = {"name": "Buyer", "line1": f"Lane {new_key()[:8]}", "city": "Bern", "postal_code": "3000",
               "country": "CH"}
    return {"reservation_id": hold_id, "email": new_email(), "shipping_address": address, "shipping_method": "shm_1",
            "payment": {"provider": "sandbox"}}


def payment(order_id):
    return {"order_id": order_id, "payment_method": "pm_card_visa"}


REFUND = {"restock": True, "reason": "matrix"}
USED_UP = ("admin_reservation_convert", "checkout", "checkout_plain", "order_cancel", "admin_order_cancel")
EXPECTED = {
    "session_create": Expect(CREATED),
    "reservation_create": Expect(CREATED, body=lambda m, *_: {"sku": m.sku, "quantity": 1}),
    "reservation_list": Expect(OK),
    "reservation_get": Expect(OK, NOT_FOUND, "hold"),
    "reservation_release": Expect(NO_CONTENT, NOT_FOUND, "hold"),
    "reservation_extend": Expect(OK, NOT_FOUND, "hold"),
    "checkout": Expect(CREATED, NOT_FOUND, "hold", body=lambda m, *rest: purchase(rest[1].name)),
    "checkout_plain": Expect(CREATED, NOT_FOUND, "hold", body=lambda m, *rest: purchase(rest[1].name)),
    "payment_confirm": Expect(OK, NOT_FOUND, "order", body=lambda m, *rest: payment(rest[1].name)),
    "payment_confirm_plain": Expect(OK, NOT_FOUND, "order", body=lambda m, *rest: payment(rest[1].name)),
    "order_list": Expect(OK),
    "order_get": Expect(OK, NOT_FOUND, "order"),
    "order_get_plain": Expect(OK, NOT_FOUND, "order"),
    "order_cancel": Expect(OK, NOT_FOUND, "order"),
    "webhook": Expect(NOT_FOUND, kind="code", body=lambda *_: {}),
    "admin_order_list": Expect(OK, query=lambda *_: "?limit=1"),
    "admin_order_export": Expect(OK, query=lambda *_: "?format=csv&status=delivered"),
    "admin_order_get": Expect(OK, kind="order"),
    # The order is not paid: there is nothing to send and nothing to give back.
    "admin_order_fulfil": Expect((409, "invalid_state"), kind="order", body=lambda *_: {}),
    "admin_order_deliver": Expect((409, "invalid_state"), kind="order"),
    "admin_order_refund": Expect((409, "invalid_state"), kind="order", body=lambda *_: REFUND),
    "admin_order_cancel": Expect(OK, kind="order"),
    "admin_order_acknowledge": Expect(OK, kind="order", body=lambda *_: {"reason": "refund_failed"}),
    "availability_list": Expect(OK, query=lambda m: f"?sku={quote(m.sku)}"),
    "availability_get": Expect(OK, kind="sku"),
    "product_browse": Expect(OK, query=lambda *_: "?limit=1"),
    "suggest": Expect(OK, query=lambda *_: "?q="),
    "category_tree": Expect(OK),
    "product_browse_plain": Expect(OK, query=lambda *_: "?limit=1"),
    "suggest": Expect(OK, query=lambda *_: "?q=a"),
    "category_tree": Expect(OK),
    "product_get": Expect(OK, kind="product"),
    "product_create": Expect(CREATED, body=new_product),
    "product_list": Expect(OK),
    "product_get_admin": Expect(OK, kind="product"),
    "product_replace": Expect(OK, kind="edited", body=lambda *rest: edited_product(rest[2].name)),
    "product_change": Expect(OK, kind="edited", body=lambda *_: {"name": "m" + new_key()[:12]}),
    "product_archive": Expect(NO_CONTENT, kind="edited"),
    "product_changes": Expect(OK, kind="product"),
    "import": Expect(OK, body=new_row),
    "catalogue_export": Expect(OK, query=lambda *_: "?format=ndjson"),
    "search_state": Expect(OK),
    "search_rebuild": Expect(ACCEPTED),
    "inventory_get": Expect(OK, kind="sku"),
    "inventory_adjust": Expect(OK, kind="sku", body=lambda *_: {"delta": 1, "reason": "matrix"}),
    "ledger_list": Expect(OK, kind="sku"),
    "admin_reservation_list": Expect(OK, query=lambda m: f"?sku={quote(m.sku)}"),
    "admin_reservation_release": Expect(NO_CONTENT, kind="hold"),
    "admin_reservation_convert": Expect(OK, kind="hold"),
    "cart_get": Expect(OK),
    "cart_add": Expect(OK, body=lambda m, *_: {"sku": m.sku, "quantity": 1}),
    # Whether it is in the caller's cart depends on what came before.
    "cart_set": Expect((422, "validation_failed"), kind="sku", body=lambda *_: {"quantity": 0}),
    "cart_remove": Expect(OK, kind="sku"),
    "cart_coupon_set": Expect((422, "coupon_invalid"), body=lambda *_: {"code": "NONE"}),
    "cart_coupon_remove": Expect(OK),
    "cart_add_plain": Expect(OK, body=lambda m, *_: {"sku": m.sku, "qty": 1}),
    "auth_register": Expect((422, "validation_failed"), body=lambda *_: {}),
    "auth_login": Expect(
        (401, "invalid_credentials"),
        body=lambda m, *_: {"email": m.owner.email, "password": PASSWORD + "?"},
    ),
    "auth_logout": Expect(NO_CONTENT),
    "auth_verify": Expect((400, "token_invalid"), body=lambda *_: {"token": "mt_x"}),
    "auth_forgot": Expect(ACCEPTED, body=lambda m, *_: {"email": m.owner.email}),
    "auth_reset": Expect((400, "token_invalid"), body=lambda *_: {"token": "mt_x", "password": PASSWORD}),
    "me_get": Expect(OK),
    "me_change": Expect(OK, body=lambda m, caller, _: {"name": caller.person.name}),
    # With the wrong password: what erasing does is in test_accounts.py.
    "me_erase": Expect((401, "invalid_credentials"), body=lambda *_: {"password": PASSWORD + "?"}),
    "me_password": Expect(NO_CONTENT, body=lambda *_: {"password": PASSWORD, "new_password": PASSWORD}),
    "me_email": Expect(OK, body=lambda m, caller, _: {"email": caller.person.email, "password": PASSWORD}),
    "address_list": Expect(OK),
    "address_create": Expect(CREATED, body=lambda m, caller, _: postal(caller.person)),
    "address_get": Expect(OK, NOT_FOUND, "address"),
    "address_replace": Expect(OK, NOT_FOUND, "address", body=lambda m, caller, _: postal(caller.person)),
    # Removing what one has not got is done already.
    "address_remove": Expect(NO_CONTENT, NO_CONTENT, "address"),
    "session_list": Expect(OK),
    "session_close_others": Expect(NO_CONTENT),
    "session_close": Expect(NO_CONTENT, NO_CONTENT, "session"),
    "me_export": Expect(OK),
    "totp_begin": Expect(OK),
    "totp_confirm": Expect(
        (422, "validation_failed"),
        body=lambda *_: {"secret": "A" * 32, "code": "000000", "password": PASSWORD},
    ),
    "totp_remove": Expect(NO_CONTENT, body=lambda *_: {"password": PASSWORD, "code": "000000"}),
    "staff_create": Expect(CREATED, body=lambda *_: {"email": new_email(), "role": "orders"}),
    "staff_list": Expect(OK),
    "staff_get": Expect(OK, kind="staff"),
    "staff_change": Expect(OK, kind="staff", body=lambda *_: {"role": "support"}),
    "staff_remove": Expect(NO_CONTENT, kind="staff"),
    "mail_list": Expect(OK),
    "mail_replay": Expect(ACCEPTED, kind="mail"),
    "customer_find": Expect(OK, query=lambda m: f"?email={quote(m.owner.email)}"),
    "audit_list": Expect(OK),
    "coupon_create": Expect(CREATED, body=lambda *_: {"code": "M" + new_key()[:12], "kind": "free_shipping"}),
    "coupon_list": Expect(OK),
    "coupon_get": Expect(OK, kind="coupon"),
    "coupon_replace": Expect(OK, kind="coupon", body=lambda *_: {"kind": "percentage", "percent_bp": 500}),
    "coupon_change": Expect(OK, kind="coupon", body=lambda *_: {"max_uses": 7}),
    "coupon_delete": Expect(NO_CONTENT, kind="coupon"),
    "shipping_methods": Expect(OK, query=lambda *_: "?country=DE"),
    "tax_rate_list": Expect(OK),
    "tax_rate_create": Expect(CREATED, body=lambda *_: new_tax_rate()),
    "tax_rate_get": Expect(OK, kind="tax_rate"),
    "tax_rate_replace": Expect(OK, kind="tax_rate", body=lambda *_: new_tax_rate()),
    "tax_rate_change": Expect(OK, kind="tax_rate", body=lambda *_: {"rate_bp": 1}),
    "tax_rate_remove": Expect(NO_CONTENT, kind="tax_rate"),
    "method_list": Expect(OK),
    "method_create": Expect(CREATED, body=lambda *_: new_method()),
    "method_get": Expect(OK, kind="method"),
    "method_replace": Expect(OK, kind="method", body=lambda *_: new_method()),
    "method_change": Expect(OK, kind="method", body=lambda *_: {"name": "Post"}),
    "method_remove": Expect(NO_CONTENT, kind="method"),
    "endpoint_list": Expect(OK),
    "endpoint_create": Expect(CREATED, body=lambda *_: new_endpoint()),
    "endpoint_get": Expect(OK, kind="endpoint"),
    "endpoint_replace": Expect(OK, kind="endpoint", body=lambda *_: new_endpoint()),
    "endpoint_change": Expect(OK, kind="endpoint", body=lambda *_: {"enabled": False}),
    "endpoint_rotate": Expect(OK, kind="endpoint"),
    "endpoint_remove": Expect(NO_CONTENT, kind="endpoint"),
    "endpoint_test": Expect(ACCEPTED, kind="target"),
    "webhook_inbox": Expect(OK),
    "inbox_replay": Expect(NOT_FOUND, kind="code"),  # no gateway tells anything here
    "delivery_list": Expect(OK),
    "delivery_replay_all": Expect(OK, body=lambda *_: {"since": "2999-01-01T00:00:00Z"}),
    "delivery_replay": Expect(ACCEPTED, kind="delivery"),
    "altcha_challenge": Expect(OK),
    "health": Expect(OK),
    "readiness": Expect(OK),
    "metrics": Expect(OK),
    "docs": Expect(OK),
    "openapi": Expect(OK),
    "problem_page": Expect(OK, kind="code"),
}
# Where staff see private data of customers and of each other.
PRIVATE_FOR_STAFF = {"staff_create", "staff_list", "staff_get", "staff_change", "mail_list", "customer_find"}
NAMES = ("id", "sku", "code", "provider")


@dataclass
class Caller:
    name: str
    who: str  # as routes.verdict takes it
    token: str = None
    person: object = None


@dataclass
class Thing:
    """An object: how it is named in a path, whose it is, what gives it away, and how to see that it is untouched."""

    name: str
    owner: object = None
    marks: tuple = ()
    look: callable = lambda: None
    seen: object = None


class MatrixTest(AccountTest):
    """The machinery; the classes below say which callers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.things = {}
        cls.product = new_product()
        cls.product["variants"][0]["stock"] = 5000
        cls.admin.call("POST", "/v1/admin/products", cls.product, expect=201)
        cls.sku = cls.product["variants"][0]["sku"]
        cls.owner = cls.person("owner of things")
        for _ in range(30):  # so that its sessions have numbers that nobody else's have
            log_in(cls.server, cls.owner.email).call("POST", "/v1/auth/logout", {}, expect=204)
        cls.owner.call("POST", "/v1/me/addresses", postal(cls.owner), expect=201)

    @classmethod
    def mark(cls, person, label):
        """Gives a person names that stand nowhere else."""
        person.name = f"Canary-{label}-{new_key()[:8]}"
        person.street, person.phone = f"Street {new_key()[:8]}", f"+41 {int(new_key()[:6], 16)}"
        person.call("PATCH", "/v1/me", {"name": person.name}, expect=200)
        return person

    @classmethod
    def person(cls, label):
        return cls.mark(register(cls.server), label)

    def clerk(self, role):
        return self.mark(self.staff(role), role)

    def marks_of(self, person):
        marks = [person.id, person.email.split("@")[0], person.name, person.street, person.phone, person.token]
        return tuple(marks)

    # ---- objects ----

    def make_hold(self, owner):
        hold = owner.hold(self.sku)
        look = lambda: owner.reservation(hold["id"]).json()
        return Thing(hold["id"], owner, (hold["id"],), look)

    def make_order(self, owner):
        body = purchase(owner.hold(self.sku)["id"])
        order = owner.call("POST", "/v1/checkout", body, key=new_key(), expect=201).json()
        look = lambda: owner.call("GET", f"/v1/orders/{order['id']}", expect=200).json()
        return Thing(order["id"], owner, (order["id"], body["email"], body["shipping_address"]["line1"]), look)

    def make_address(self, owner):
        address = owner.call("POST", "/v1/me/addresses", postal(owner), expect=201).json()
        target = f"/v1/me/addresses/{address['id']}"
        marks = (owner.street, owner.phone, owner.name)
        return Thing(address["id"], owner, marks, lambda: owner.call("GET", target).json())

    def make_session(self, owner):
        other = log_in(self.server, owner.email)
        listed = owner.call("GET", "/v1/me/sessions", expect=200).json()["data"]
        newest = max((entry for entry in listed if not entry["current"]), key=lambda entry: int(entry["id"][4:]))
        look = lambda: other.call("GET", "/v1/me").status
        return Thing(newest["id"], owner, (other.token,), look)

    def make_staff(self, _):
        email = new_email()
        member = self.admin.call("POST", "/v1/admin/staff", {"email": email, "role": "orders"}, expect=201).json()
        target = f"/v1/admin/staff/{member['id']}"
        return Thing(member["id"], None, (email.split("@")[0],), lambda: self.admin.call("GET", target).json())

    def make_mail(self, _):
        member = self.make_staff(None)
        account = member.name.removeprefix("cus_")

        def find():
            listed = self.admin.pages("/v1/admin/mails?limit=100")
            return [entry for entry in listed if account in entry["id"]]

        found = find()
        self.assertEqual(len(found), 1)
        return Thing(found[0]["id"], None, member.marks, find)

    def make_setting(self, path, body, mark):
        made = self.admin.call("POST", path, body, expect=201).json()
        target = f"{path}/{made['id']}"
        return Thing(made["id"], None, (mark,), lambda: self.admin.call("GET", target).json())

    def make_tax_rate(self, _):
        body = new_tax_rate()
        return self.make_setting("/v1/admin/tax-rates", body, body["region"])

    def make_method(self, _):
        body = new_method()
        return self.make_setting("/v1/admin/shipping-methods", body, body["name"])

    def make_endpoint(self, _):
        body = new_endpoint()
        return self.make_setting("/v1/admin/webhook-endpoints", body, body["url"])

    def make_target(self, _):
        """An endpoint that nobody changes."""
        return self.make_endpoint(None)

    def make_delivery(self, _):
        """A test of an endpoint, which waits: nothing goes out here."""
        endpoint = self.admin.call("POST", "/v1/admin/webhook-endpoints", new_endpoint(), expect=201).json()
        made = self.admin.call("POST", f"/v1/admin/webhook-endpoints/{endpoint['id']}/test", {}, expect=202).json()
        target = f"/v1/admin/webhooks/deliveries?endpoint={endpoint['id']}"
        return Thing(made["id"], None, (made["webhook_id"],),
                     lambda: [row["id"] for row in self.admin.call("GET", target).json()["data"]])

    def make_sku(self, _):
        return Thing(self.sku, None, (), lambda: self.admin.inventory(self.sku))

    def make_product(self, _):
        target = f"/v1/admin/products/{self.product['id']}"
        return Thing(self.product["id"], None, (), lambda: self.admin.call("GET", target).json())

    def make_edited(self, _):
        made = self.admin.call("POST", "/v1/admin/products", new_product(), expect=201).json()
        target = f"/v1/admin/products/{made['id']}"
        return Thing(made["id"], None, (), lambda: self.admin.call("GET", target).json())

    def make_coupon(self, _):
        code = "M" + new_key()[:12].upper()
        self.admin.call("POST", "/v1/admin/coupons", {"code": code, "kind": "free_shipping"}, expect=201)
        target = f"/v1/admin/coupons/{code}"
        return Thing(code, None, (code,), lambda: self.admin.call("GET", target).json())

    def make_code(self, _):
        return Thing("not-found")

    OWNED = {"hold": ("guest", "owner"), "address": ("owner",), "session": ("owner",), "order": ("guest", "owner")}

    def thing(self, kind, owner):
        """One that is there; the same again until it is used up."""
        if (kind, id(owner)) not in self.things:
            thing = getattr(self, "make_" + kind)(owner)
            self.things[kind, id(owner)] = thing
        thing = self.things[kind, id(owner)]
        thing.seen = thing.look()
        return thing

    # ---- one probe ----

    def request(self, route, expect, caller, thing):
        target = route.target(dict.fromkeys(NAMES, quote(thing.name) if thing else "x"))
        if expect.query:
            target += expect.query(self)
        body, headers = None, []
        if expect.body and (caller.person is not None or expect.body.__code__.co_argcount != 3):
            body = expect.body(self, caller, thing)
        if route.body == "CSV":
            headers.append(("Content-Type", "text/csv"))
        client = Client(self.server, token=caller.token)
        response = client.call(route.method, target, body, key=new_key(), headers=headers)
        client.checked = False  # an answer without a body fits no schema
        head = client.call("HEAD", target) if route.is_read else None
        client.close()
        return target, body, response, head

    def expected(self, route, expect, caller, thing):
        """(status, code), and whether the caller may do this to the thing."""
        refusal = verdict(route, caller.who)
        if refusal is not None:
            return refusal, False
        is_own = thing is None or thing.owner is None or thing.owner.token == caller.token or expect.other is None
        return expect.own if is_own else expect.other, is_own

    def probe(self, route, expect, caller, thing):
        if route.name == "auth_logout" and caller.who not in ("nobody", "forged", "admin key"):
            caller = self.with_session_of_its_own(caller)
        target, body, response, head = self.request(route, expect, caller, thing)
        wanted, is_own = self.expected(route, expect, caller, thing)
        self.assertEqual((response.status, response.code), wanted, response)
        if route.caller != "PUBLIC":
            self.assertIn("no-store", response.header("cache-control") or "", "kept by a cache")
        if head is not None:
            self.assertEqual((head.status, head.body), (response.status, b""))
        self.assert_no_leak(route, caller, thing, is_own, f"{target} {body}", response, head)
        if thing is None:
            return
        if is_own and (route.method == "DELETE" or route.name in USED_UP):
            self.things = {key: kept for key, kept in self.things.items() if kept is not thing}
        elif thing.seen is not None and not (is_own and not route.is_read):
            now, before = thing.look(), thing.seen
            for volatile in ("ttl_ms", "remaining_ms"):
                for shown in (now, before):
                    if isinstance(shown, dict):
                        shown.pop(volatile, None)
            self.assertEqual(now, before, "changed by who may not")

    def with_session_of_its_own(self, caller):
        if caller.who == "guest":
            return Caller(caller.name, caller.who, self.server.guest().token)
        again = log_in(self.server, caller.person.email, **self.second_factor(caller))
        return Caller(caller.name, caller.who, again.token, caller.person)

    def second_factor(self, _):
        return {}

    def assert_no_leak(self, route, caller, thing, is_own, sent, *responses):
        """Of nobody but the caller: not an address, a name, an ID, a token; not of the object either."""
        marks = []
        is_staff_call = route.is_staffs and verdict(route, caller.who) is None
        for other in self.people:
            if other.token == caller.token or (is_staff_call and route.name in PRIVATE_FOR_STAFF):
                continue
            known = self.marks_of(other)
            marks += known[1:] if is_staff_call else known  # staff are told whose a hold is
        if thing is not None and not is_own:
            marks += thing.marks
        for response in responses:
            if response is None:
                continue
            text = response.body.decode("utf-8", "replace") + repr(response.headers)
            for mark in marks:
                if mark not in sent:
                    self.assertNotIn(mark, text)
            for secret in ("$argon2", PASSWORD, self.server.admin_key):
                self.assertNotIn(secret, text)

    def run_matrix(self, callers, routes):
        self.people = [caller.person for caller in callers if caller.person is not None] + [self.owner]
        self.people = list({id(person): person for person in self.people}.values())
        owners = {"guest": self.guest_owner, "owner": self.owner}
        count = 0
        for route in routes:
            expect = EXPECTED[route.name]
            for caller in callers:
                for owner in self.OWNED.get(expect.kind, (None,)) if expect.kind else (None,):
                    with self.subTest(route=route.name, caller=caller.name, owner=owner):
                        thing = self.thing(expect.kind, owners.get(owner)) if expect.kind else None
                        self.probe(route, expect, caller, thing)
                        count += 1
        return count


class Matrix(MatrixTest):
    slow = True

    def test_every_route_is_expected_and_described(self):
        routes = read_routes()
        self.assertEqual({route.name for route in routes}, set(EXPECTED))
        document = Client(self.server, checked=False).call("GET", "/openapi.json").json()
        described = {
            (method.upper(), path, operation["x-caller"])
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if "x-caller" in operation
        }
        spelt = {
            (route.method, route.pattern, re.sub(r"^staff\((\w+)\)$", r"staff: \1", route.caller.lower()))
            for route in routes
        }
        self.assertEqual(described, spelt)
        for route in routes:
            self.assertEqual(route.pattern.startswith("/v1/admin/"), route.is_staffs, route)
            if "{" in route.pattern:
                self.assertIsNotNone(EXPECTED[route.name].kind, route)

    def callers(self):
        customer, other = self.owner, self.person("other")
        ended, gone, demoted = self.server.guest(), self.person("gone"), self.clerk("owner")
        log_in(self.server, other.email, token=ended.token)
        gone.call("POST", "/v1/auth/logout", expect=204)
        self.admin.call("PATCH", f"/v1/admin/staff/{demoted.id}", {"role": "read_only"}, expect=200)
        flipped = customer.token[:-1] + ("A" if customer.token[-1] != "A" else "B")
        key = self.server.admin_key
        clerks = {role: self.clerk(role) for role in ROLES}
        self.guest_owner = self.server.guest()
        return [
            Caller("nobody", "nobody"),
            Caller("forged", "forged", flipped),
            Caller("ended guest", "forged", ended.token),
            Caller("logged out", "forged", gone.token),
            Caller("given another role", "forged", demoted.token),
            Caller("nearly the admin key", "forged", key[:-1] + ("0" if key[-1] != "0" else "1")),
            Caller("guest who owns", "guest", self.guest_owner.token),
            Caller("guest", "guest", self.server.guest().token),
            Caller("customer who owns", "customer", customer.token, customer),
            Caller("customer", "customer", other.token, other),
            *(Caller(role, role, clerk.token, clerk) for role, clerk in clerks.items()),
            Caller("admin key", "admin key", key),
        ]

    def test_every_route_with_every_caller(self):
        routes = read_routes()
        callers = self.callers()
        started = time.monotonic()
        count = self.run_matrix(callers, [route for route in routes if route.name in EXPECTED])
        self.assertGreaterEqual(count, len(routes) * len(callers))
        self.assertLess(time.monotonic() - started, 120)
        # What the running server calls its routes: none that the file does not have.
        metrics = self.server.anonymous().call("GET", "/metrics").body.decode()
        named = set(re.findall(r'stampede_http_requests_total\{route="(\w+)"', metrics)) - {"none"}
        self.assertEqual(named, {route.name for route in routes})

    def test_other_methods_do_nothing_and_tell_nothing(self):
        routes = read_routes()
        guest, path_methods = self.server.guest(), {}
        for route in routes:
            path_methods.setdefault(route.pattern, set()).add(route.method)
        for pattern, methods in path_methods.items():
            target = re.sub(r"\{\w+\}", "x", pattern)
            shape = {"GET": {"GET", "HEAD"}}
            allowed = {"OPTIONS"}.union(*(shape.get(method, {method}) for method in methods))
            # A literal and a parameter of the same shape: what both serve.
            for token in (None, guest.token, self.owner.token, self.server.admin_key):
                client = Client(self.server, token=token, checked=False)
                with self.subTest(pattern=pattern, token=(token or "")[:3]):
                    answer = client.call("OPTIONS", target, expect=204)
                    self.assertEqual(set(answer.header("allow").split(", ")), allowed)
                    self.assertIsNone(answer.header("access-control-allow-origin"))
                    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - allowed:
                        if token is None and method in ("POST", "PUT", "PATCH"):
                            continue
                        refused = client.call(method, target)
                        self.assertEqual(refused.status, 405)
                        self.assertEqual(set(refused.header("allow").split(", ")), allowed)
                client.close()
        for method in ("TRACE", "CONNECT", "PROPFIND", "get"):
            with Wire(self.server.address) as wire:
                self.assertIn(wire.request(method, "/v1/me").status, (400, 405, 501), method)


class SecondFactorMatrix(MatrixTest):
    """Where staff need a second factor: without one a role is worth nothing."""

    slow = True
    flags = (*AccountTest.flags, "--staff-totp", "on")

    def test_every_route_of_staff_and_of_accounts(self):
        self.guest_owner = self.server.guest()
        callers = [Caller("admin key", "admin key", self.server.admin_key)]
        secrets_of = {}
        for role in ROLES:
            clerk = self.clerk(role)
            callers.append(Caller(f"{role} without factor", f"{role} without factor", clerk.token, clerk))
        for role in ("owner", "support"):
            clerk = self.clerk(role)
            begun = clerk.call("POST", "/v1/me/totp", expect=200).json()
            step = int(time.time()) // 30
            body = {"secret": begun["secret"], "code": totp(begun["secret"], step), "password": PASSWORD}
            codes = clerk.call("POST", "/v1/me/totp/confirm", body, expect=200).json()["recovery_codes"]
            with_factor = log_in(self.server, clerk.email, code=totp(begun["secret"], step + 1))
            with_factor.name, with_factor.street, with_factor.phone = clerk.name, clerk.street, clerk.phone
            secrets_of[role] = codes
            callers.append(Caller(role, role, with_factor.token, with_factor))
        self.codes = secrets_of
        routes = [route for route in read_routes() if route.is_staffs or route.caller == "CUSTOMER"]
        routes = [route for route in routes if route.name not in ("totp_begin", "totp_confirm", "totp_remove")]
        self.assertGreater(self.run_matrix(callers, routes), 200)
