# SPDX-License-Identifier: Apache-2.0
"""Accounts: registering, logging in and out, and what a guest takes along; without mails."""
import base64
import hmac
import secrets
import struct
import subprocess
import unittest

from harness import Client, Server, in_threads, new_key

PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "another horse battery staple"
ADDRESS = {"name": "Ann Example", "line1": "Canary Lane 7", "city": "Bern", "postal_code": "3000", "country": "CH"}


def new_email():
    return f"ann.{secrets.token_hex(6)}@example.org"


def totp(secret, step):
    """RFC 6238, with six digits."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset:offset + 4])[0] & 0x7FFFFFFF) % 1000000:06d}"


class Person(Client):
    """A client that has an account."""

    def __init__(self, server, email, answer):
        super().__init__(server, token=answer["token"])
        self.email = email
        self.id = answer["customer"]["id"]


def register(server, email=None, token=None, password=PASSWORD, **fields):
    email = email or new_email()
    body = {"email": email, "password": password, **fields}
    answer = Client(server, token=token).call("POST", "/v1/auth/register", body, expect=201)
    return Person(server, email, answer.json())


def log_in(server, email, password=PASSWORD, token=None, **fields):
    body = {"email": email, "password": password, **fields}
    answer = Client(server, token=token).call("POST", "/v1/auth/login", body, expect=200)
    return Person(server, email, answer.json())


class AccountTest(unittest.TestCase):
    flags = ("--auth-verify", "off", "--shards", "2")
    rate_limits = "off"

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.flags, rate_limits=cls.rate_limits)
        cls.admin = cls.server.admin()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        audit = cls.server.check()
        if audit.returncode != 0:
            raise AssertionError(f"check: {audit.stdout} {audit.stderr}")

    def staff(self, role):
        """A member of staff with this role, who has logged in."""
        email = new_email()
        invited = self.admin.call(
            "POST", "/v1/admin/staff", {"email": email, "role": role}, expect=201
        ).json()
        body = {"token": invited["invite_token"], "password": PASSWORD}
        Client(self.server).call("POST", "/v1/auth/password/reset", body, expect=204)
        return log_in(self.server, email)

    def assert_field(self, response, *fields):
        self.assertEqual(response.status, 422, response)
        self.assertEqual({error["field"] for error in response.json()["errors"]}, set(fields))


class Entering(AccountTest):
    def test_register_opens_a_session(self):
        email = new_email()
        body = {"email": email, "password": PASSWORD, "name": " Ann Example "}
        answer = self.server.anonymous().call("POST", "/v1/auth/register", body, expect=201)
        self.assertEqual(answer.json()["customer"]["email"], email)
        self.assertEqual(answer.json()["customer"]["name"], "Ann Example")
        token = answer.json()["token"]
        self.assertTrue(token.startswith("sc_"))
        self.assertEqual(answer.header("x-session-token"), token)
        self.assertIn("no-store", answer.header("cache-control"))
        profile = Client(self.server, token=token).call("GET", "/v1/me", expect=200).json()
        self.assertEqual((profile["email"], profile["role"]), (email, "customer"))

    def test_an_address_is_one_accounts_however_it_is_written(self):
        ann = register(self.server)
        for email in (ann.email, ann.email.upper(), "  " + ann.email):
            body = {"email": email, "password": OTHER_PASSWORD}
            Client(self.server).call(
                "POST", "/v1/auth/register", body, expect=409, code="email_taken"
            )
        self.assertEqual(log_in(self.server, ann.email.upper()).id, ann.id)

    def test_two_registrations_at_once_end_with_one(self):
        email = new_email()
        body = {"email": email, "password": PASSWORD}
        answers = in_threads(
            6, lambda _: Client(self.server).call("POST", "/v1/auth/register", body)
        )
        self.assertEqual(sorted(answer.status for answer in answers), [201] + [409] * 5)

    def test_fields_are_judged(self):
        good = {"email": new_email(), "password": PASSWORD}
        call = lambda **fields: Client(self.server).call("POST", "/v1/auth/register", {**good, **fields})
        refused = ("", "ann", "ann@", "@example.org", "a b@example.org", "ann@example", 7, None)
        for email in (*refused, "x" * 250 + "@a.org"):
            with self.subTest(email=email):
                self.assert_field(call(email=email), "email")
        for password in ("", "short", "password", "12345678", "x" * 257, 12345678, None, good["email"]):
            with self.subTest(password=password):
                self.assert_field(call(password=password), "password")
        self.assert_field(call(name="x" * 300), "name")
        self.assert_field(call(name="a\nb"), "name")
        self.assert_field(Client(self.server).call("POST", "/v1/auth/register", {}), "email", "password")

    def test_nobody_gives_themselves_a_role(self):
        for field, value in (("role", "owner"), ("verified", True), ("id", "cus_1"), ("status", "active")):
            body = {"email": new_email(), "password": PASSWORD, field: value}
            self.assert_field(Client(self.server).call("POST", "/v1/auth/register", body), field)
        ann = register(self.server)
        self.assert_field(ann.call("PATCH", "/v1/me", {"name": "A", "role": "owner"}), "role")

    def test_unknown_address_and_wrong_password_look_the_same(self):
        ann = register(self.server)
        unknown = Client(self.server).call(
            "POST", "/v1/auth/login", {"email": new_email(), "password": PASSWORD}, expect=401
        )
        wrong = Client(self.server).call(
            "POST", "/v1/auth/login", {"email": ann.email, "password": OTHER_PASSWORD}, expect=401
        )
        self.assertEqual(unknown.code, "invalid_credentials")
        self.assertEqual(unknown.body, wrong.body)

        def names(response):
            return sorted(name.lower() for name, _ in response.headers)

        self.assertEqual(names(unknown), names(wrong))
        forgot = [
            Client(self.server).call("POST", "/v1/auth/password/forgot", {"email": email}, expect=202)
            for email in (ann.email, new_email())
        ]
        self.assertEqual(forgot[0].body, forgot[1].body)
        self.assertEqual(names(forgot[0]), names(forgot[1]))

    def test_each_login_is_a_session_of_its_own(self):
        ann = register(self.server)
        second, third = log_in(self.server, ann.email), log_in(self.server, ann.email)
        self.assertEqual(len({ann.token, second.token, third.token}), 3)
        listed = ann.call("GET", "/v1/me/sessions", expect=200).json()["data"]
        self.assertEqual([entry["current"] for entry in listed], [True, False, False])

    def test_logging_in_again_ends_the_session_before(self):
        ann = register(self.server)
        again = log_in(self.server, ann.email, token=ann.token)
        ann.call("GET", "/v1/me", expect=401, code="unauthenticated")
        again.call("GET", "/v1/me", expect=200)

    def test_more_sessions_than_fit_end_the_oldest(self):
        ann = register(self.server)
        for _ in range(16):
            last = log_in(self.server, ann.email)
        ann.call("GET", "/v1/me", expect=401)
        self.assertEqual(len(last.call("GET", "/v1/me/sessions", expect=200).json()["data"]), 16)

    def test_tokens_that_are_not_ours(self):
        ann = register(self.server)
        token = ann.token
        flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
        middle = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
        kinds = [prefix + token[3:] for prefix in ("ss_", "mt_", "sg_")]
        for forged in (flipped, middle, *kinds, token[:-1], token + "A", "sc_"):
            with self.subTest(token=forged):
                client = Client(self.server, token=forged)
                client.call("GET", "/v1/me", expect=401, code="unauthenticated")
                client.call("GET", "/v1/reservations", expect=401)
        for bad in ("mt_x", "x" * 55, token, flipped):
            client = self.server.anonymous()
            client.call("POST", "/v1/auth/verify", {"token": bad}, expect=400, code="token_invalid")
            body = {"token": bad, "password": PASSWORD}
            client.call("POST", "/v1/auth/password/reset", body, expect=400, code="token_invalid")

    def test_guests_and_nobody_are_asked_to_log_in(self):
        for client in (self.server.anonymous(), self.server.guest()):
            for method, target in (("GET", "/v1/me"), ("GET", "/v1/me/export"), ("DELETE", "/v1/me/sessions")):
                client.call(method, target, expect=401, code="unauthenticated")
        guest = self.server.guest()
        guest.call("POST", "/v1/auth/logout", expect=204)

    def test_a_crash_keeps_accounts_and_what_was_ended(self):
        server = Server(*self.flags)
        try:
            ann, guest = register(server), server.guest()
            log_in(server, ann.email, token=guest.token)
            gone = log_in(server, ann.email)
            gone.call("POST", "/v1/auth/logout", expect=204)
            server.kill()
            server.restart()
            ann.close(), gone.close(), guest.close()
            ann.call("GET", "/v1/me", expect=200)
            gone.call("GET", "/v1/me", expect=401)
            guest.call("GET", "/v1/reservations", expect=401)
        finally:
            server.stop()


class Guests(AccountTest):
    """What a guest holds is the customer's from the login on, and the guest is nobody any more."""

    def test_holds_keys_and_limits_come_along(self):
        sku = self.admin.create_sku(10, limit=3)
        ann, guest = register(self.server), self.server.guest()
        key = new_key()
        first = guest.reserve(sku, 2, key=key, expect=201)
        hold = first.json()
        ann.hold(sku, 1)
        ann = log_in(self.server, ann.email, token=guest.token)
        self.assertEqual(ann.reservation(hold["id"], expect=200).json()["status"], "held")
        replay = ann.reserve(sku, 2, key=key, expect=201)
        self.assertEqual((replay.body, replay.header("idempotent-replayed")), (first.body, "true"))
        self.assertEqual(len(ann.pages("/v1/reservations")), 2)
        ann.reserve(sku, 1, expect=409, code="limit_reached")
        ann.release(hold["id"], expect=204)
        ann.hold(sku, 2)
        guest.call("GET", "/v1/reservations", expect=401, code="unauthenticated")
        guest.reservation(hold["id"], expect=401)
        guest.reserve(sku, 1, expect=401)

    def test_a_guest_becomes_one_customer(self):
        sku = self.admin.create_sku(10)
        ann, bob, guest = register(self.server), register(self.server), self.server.guest()
        hold = guest.hold(sku)
        ann = log_in(self.server, ann.email, token=guest.token)
        bob = log_in(self.server, bob.email, token=guest.token)
        ann.reservation(hold["id"], expect=200)
        bob.reservation(hold["id"], expect=404)
        # A lost answer: the same login again.
        again = log_in(self.server, ann.email, token=guest.token)
        again.reservation(hold["id"], expect=200)

    def test_registering_takes_the_guest_along(self):
        sku = self.admin.create_sku(10)
        guest = self.server.guest()
        hold = guest.hold(sku)
        ann = register(self.server, token=guest.token)
        ann.reservation(hold["id"], expect=200)
        guest.reservation(hold["id"], expect=401)

    def test_several_products_on_all_shards(self):
        skus = [self.admin.create_sku(5) for _ in range(12)]
        guest = self.server.guest()
        holds = [guest.hold(sku) for sku in skus]
        holds.append(guest.reserve_items(*((sku, 1) for sku in skus), expect=201).json())
        ann = register(self.server, token=guest.token)
        listed = {entry["id"] for entry in ann.pages("/v1/reservations")}
        self.assertEqual(listed, {hold["id"] for hold in holds})
        for hold in holds:
            ann.release(hold["id"], expect=204)
        for sku in skus:
            self.assertEqual(self.admin.inventory(sku)["available"], 5)

    def test_many_logins_of_one_guest_at_once(self):
        sku = self.admin.create_sku(10)
        ann, guest = register(self.server), self.server.guest()
        hold = guest.hold(sku)
        people = in_threads(4, lambda _: log_in(self.server, ann.email, token=guest.token))
        for person in people:
            person.reservation(hold["id"], expect=200)

    def test_holds_of_others_are_not_there(self):
        sku = self.admin.create_sku(10)
        ann, bob = register(self.server), register(self.server)
        hold = ann.hold(sku)
        bob.reservation(hold["id"], expect=404)
        bob.release(hold["id"], expect=404)
        bob.extend(hold["id"], expect=404)
        self.assertEqual(bob.pages("/v1/reservations"), [])


class Ending(AccountTest):
    """A session that has ended has ended everywhere: many connections, over both shards."""

    CONNECTIONS = 12

    def clients_of(self, person):
        clients = [Client(self.server, token=person.token) for _ in range(self.CONNECTIONS)]
        for client in clients:
            client.call("GET", "/v1/me", expect=200)
        return clients

    def assert_ended(self, clients):
        for client in clients:
            client.call("GET", "/v1/me", expect=401, code="unauthenticated")
            client.call("GET", "/v1/reservations", expect=401)

    def test_logout(self):
        ann = register(self.server)
        other = log_in(self.server, ann.email)
        clients, others = self.clients_of(ann), self.clients_of(other)
        clients[0].call("POST", "/v1/auth/logout", {}, expect=204)
        self.assert_ended(clients)
        for client in others:
            client.call("GET", "/v1/me", expect=200)

    def test_one_is_closed_by_another(self):
        ann = register(self.server)
        other = log_in(self.server, ann.email)
        clients = self.clients_of(ann)
        listed = other.call("GET", "/v1/me/sessions", expect=200).json()["data"]
        entry = next(entry for entry in listed if not entry["current"])
        other.call("DELETE", f"/v1/me/sessions/{entry['id']}", expect=204)
        self.assert_ended(clients)
        other.call("DELETE", f"/v1/me/sessions/{entry['id']}", expect=204)
        for bad in ("ses_0", "ses_", "adr_00000000001", "x", "ses_99999999999"):
            other.call("DELETE", f"/v1/me/sessions/{bad}", expect=404, code="not_found")

    def test_all_others(self):
        ann = register(self.server)
        others = [log_in(self.server, ann.email) for _ in range(3)]
        clients = [client for other in others for client in self.clients_of(other)]
        ann.call("DELETE", "/v1/me/sessions", expect=204)
        self.assert_ended(clients)
        ann.call("GET", "/v1/me", expect=200)

    def test_a_new_password(self):
        ann = register(self.server)
        other = log_in(self.server, ann.email)
        clients = self.clients_of(other)
        body = {"password": OTHER_PASSWORD, "new_password": PASSWORD}
        ann.call("POST", "/v1/me/password", body, expect=401, code="invalid_credentials")
        body = {"password": PASSWORD, "new_password": "short"}
        self.assert_field(ann.call("POST", "/v1/me/password", body), "new_password")
        body = {"password": PASSWORD, "new_password": ann.email}
        self.assert_field(ann.call("POST", "/v1/me/password", body), "new_password")
        body = {"password": PASSWORD, "new_password": OTHER_PASSWORD}
        key = new_key()
        ann.call("POST", "/v1/me/password", body, key=key, expect=204)
        replay = ann.call("POST", "/v1/me/password", body, key=key, expect=204)
        self.assertEqual(replay.header("idempotent-replayed"), "true")
        body["new_password"] = PASSWORD
        ann.call(
            "POST", "/v1/me/password", body, key=key, expect=422, code="idempotency_key_reused"
        )
        self.assert_ended(clients)
        ann.call("GET", "/v1/me", expect=200)
        refused = {"email": ann.email, "password": PASSWORD}
        Client(self.server).call("POST", "/v1/auth/login", refused, expect=401)
        log_in(self.server, ann.email, OTHER_PASSWORD)

    def test_a_login_under_way_while_the_password_changes(self):
        """Never a session for the old password after the change was answered."""
        ann = register(self.server)
        passwords = [PASSWORD, OTHER_PASSWORD]
        for turn in range(3):
            old, new = passwords[turn % 2], passwords[1 - turn % 2]

            def work(index):
                if index == 0:
                    body = {"password": old, "new_password": new}
                    return ann.call("POST", "/v1/me/password", body, expect=204)
                body = {"email": ann.email, "password": old}
                client = Client(self.server)
                return client.call("POST", "/v1/auth/login", body, expect=(200, 401, 503))

            for answer in in_threads(4, work)[1:]:
                if answer.status == 200:
                    Client(self.server, token=answer.json()["token"]).call("GET", "/v1/me", expect=401)

    def test_erasure(self):
        ann = register(self.server, name="Canary Person")
        sku = self.admin.create_sku(5)
        ann.hold(sku)
        ann.call("POST", "/v1/me/addresses", ADDRESS, expect=201)
        clients = self.clients_of(ann)
        body = {"password": OTHER_PASSWORD}
        ann.call("DELETE", "/v1/me", body, expect=401, code="invalid_credentials")
        self.assert_field(ann.call("DELETE", "/v1/me", {}), "password")
        ann.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        self.assert_ended(clients)
        body = {"email": ann.email, "password": PASSWORD}
        client = Client(self.server)
        client.call("POST", "/v1/auth/login", body, expect=401, code="invalid_credentials")
        found = self.admin.call("GET", f"/v1/admin/customers?email={ann.email}", expect=200).json()
        self.assertEqual(found["data"], [])
        again = register(self.server, ann.email)
        self.assertNotEqual(again.id, ann.id)
        self.assertEqual(again.pages("/v1/reservations"), [])
        self.admin.inventory(sku)


class Profile(AccountTest):
    def test_name(self):
        ann = register(self.server)
        for given, kept in (("Ann", "Ann"), ("Ünïcödé 💐", "Ünïcödé 💐"), (None, None), ("", None)):
            changed = ann.call("PATCH", "/v1/me", {"name": given}, expect=200).json()
            self.assertEqual(changed["name"], kept)
        self.assert_field(ann.call("PATCH", "/v1/me", {}), "name")

    def test_addresses(self):
        ann, bob = register(self.server), register(self.server)
        made = ann.call("POST", "/v1/me/addresses", ADDRESS, expect=201)
        address = made.json()
        self.assertEqual(made.header("location"), f"/v1/me/addresses/{address['id']}")
        self.assertEqual({name: address[name] for name in ADDRESS}, ADDRESS)
        target = f"/v1/me/addresses/{address['id']}"
        self.assertEqual(ann.call("GET", target, expect=200).json(), address)
        changed = {**ADDRESS, "city": "Zürich", "phone": "+41 44 000 00 00"}
        self.assertEqual(ann.call("PUT", target, changed, expect=200).json()["city"], "Zürich")
        for method, body in (("GET", None), ("PUT", ADDRESS), ("DELETE", None)):
            if method != "DELETE":
                bob.call(method, target, body, expect=404, code="not_found")
        bob.call("DELETE", target, expect=204)  # bob has no such address: nothing to remove
        self.assertEqual(len(ann.call("GET", "/v1/me/addresses", expect=200).json()["data"]), 1)
        ann.call("DELETE", target, expect=204)
        ann.call("DELETE", target, expect=204)
        ann.call("GET", target, expect=404)
        for bad in ("adr_0", "adr_x", "adr_00000000000", "adr_00000000001", "adr_000000000001", "adr_0000000000u",
                    "ses_1", "1"):
            ann.call("GET", f"/v1/me/addresses/{bad}", expect=404)

    def test_address_fields(self):
        ann = register(self.server)
        call = lambda body: ann.call("POST", "/v1/me/addresses", body)
        self.assert_field(call({}), "name", "line1", "city", "postal_code", "country")
        refused = [("country", "ch"), ("country", "CHE"), ("name", ""), ("line1", "a\nb"), ("city", 7)]
        refused += [("postal_code", None), ("line1", "x" * 151), ("door", "3")]
        for field, value in refused:
            with self.subTest(field=field, value=value):
                self.assert_field(call({**ADDRESS, field: value}), field)
        self.assert_field(call({**ADDRESS, "name": "💐" * 100, "line1": "💐" * 150}), "line1")

    def test_a_repeated_key_adds_one_address(self):
        ann, bob, key = register(self.server), register(self.server), new_key()
        answers = [ann.call("POST", "/v1/me/addresses", ADDRESS, key=key, expect=201) for _ in range(3)]
        self.assertEqual({answer.body for answer in answers}, {answers[0].body})
        self.assertEqual({answer.header("location") for answer in answers}, {answers[0].header("location")})
        self.assertEqual([answer.header("idempotent-replayed") for answer in answers], [None, "true", "true"])
        other = {**ADDRESS, "city": "Basel"}
        ann.call("POST", "/v1/me/addresses", other, key=key, expect=422, code="idempotency_key_reused")
        self.assertEqual(len(ann.call("GET", "/v1/me/addresses", expect=200).json()["data"]), 1)
        bob.call("POST", "/v1/me/addresses", other, key=key, expect=201)

    def test_as_many_addresses_as_fit(self):
        ann = register(self.server)
        for _ in range(8):
            ann.call("POST", "/v1/me/addresses", ADDRESS, expect=201)
        ann.call("POST", "/v1/me/addresses", ADDRESS, expect=409, code="account_full")

    def test_email(self):
        ann, bob = register(self.server), register(self.server)
        wanted, old = new_email(), ann.email
        body = {"email": wanted, "password": OTHER_PASSWORD}
        ann.call("POST", "/v1/me/email", body, expect=401, code="invalid_credentials")
        body = {"email": bob.email, "password": PASSWORD}
        ann.call("POST", "/v1/me/email", body, expect=409, code="email_taken")
        self.assert_field(ann.call("POST", "/v1/me/email", {"email": "x", "password": PASSWORD}), "email")
        body = {"email": wanted, "password": PASSWORD}
        changed = ann.call("POST", "/v1/me/email", body, expect=200).json()
        self.assertEqual((changed["email"], changed["new_email"]), (wanted, None))
        self.assertEqual(log_in(self.server, wanted).id, ann.id)
        Client(self.server).call("POST", "/v1/auth/login", {"email": old, "password": PASSWORD}, expect=401)
        self.assertNotEqual(register(self.server, old).id, ann.id)
        # The same address in another way of writing.
        ann.call("POST", "/v1/me/email", {"email": wanted.upper(), "password": PASSWORD}, expect=200)
        self.assertEqual(log_in(self.server, wanted).id, ann.id)

    def test_export(self):
        sku = self.admin.create_sku(300)
        guest = self.server.guest()
        holds = {guest.hold(sku)["id"]}
        ann = register(self.server, token=guest.token, name="Ann")
        holds |= {ann.hold(sku)["id"] for _ in range(130)}
        ann.call("POST", "/v1/me/addresses", ADDRESS, expect=201)
        export = ann.call("GET", "/v1/me/export", expect=200).json()
        self.assertEqual({hold["id"] for hold in export["reservations"]}, holds)
        self.assertEqual((export["customer"]["email"], export["complete"]), (ann.email, True))
        self.assertEqual(export["addresses"][0]["line1"], ADDRESS["line1"])
        self.assertEqual((len(export["sessions"]), len(export["guests"])), (1, 1))

    def test_nothing_private_is_in_clear(self):
        server = Server(*self.flags)
        try:
            email, name = new_email(), f"Canary {secrets.token_hex(6)}"
            ann = register(server, email, name=name)
            ann.call("POST", "/v1/me/addresses", ADDRESS, expect=201)
            metrics = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
        finally:
            server.stop()
        self.assertIn('stampede_logins_total{result="opened"} 1', metrics)
        for canary in (email, email.split("@")[0], name, ADDRESS["line1"], PASSWORD, ann.token):
            command = ["grep", "-rlaiF", "--", canary, server.data]
            found = subprocess.run(command, capture_output=True, check=False)
            self.assertEqual(found.stdout, b"", canary)
            self.assertNotIn(canary, server.output() + metrics)
