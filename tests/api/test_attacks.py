# SPDX-License-Identifier: Apache-2.0
"""What an attacker tries with sessions, cookies, origins, fields and IDs of others; each a test."""
import json
import re
import threading

from harness import Client, Server, fresh_path, in_threads, new_key, quote
from routes import read_routes
from test_accounts import ADDRESS, OTHER_PASSWORD, PASSWORD, AccountTest, log_in, new_email, register
from test_callers import CookieTest
from wire import Wire

EVIL = "http://evil.example"


def names_of(response):
    return sorted(name.lower() for name, _ in response.headers)


class Fixation(AccountTest):
    """A session that an attacker knows before the login is worth nothing after it."""

    def test_a_planted_guest(self):
        sku = self.admin.create_sku(10)
        planted = self.server.guest()
        hold = planted.hold(sku)
        ann, eve = register(self.server), register(self.server)
        ann = log_in(self.server, ann.email, token=planted.token)
        later = ann.hold(sku)
        for target in (f"/v1/reservations/{hold['id']}", f"/v1/reservations/{later['id']}", "/v1/reservations"):
            planted.call("GET", target, expect=401, code="unauthenticated")
        planted.release(hold["id"], expect=401)
        planted.extend(hold["id"], expect=401)
        planted.call("GET", "/v1/me", expect=401)
        # Logging in with it once more gives the attacker nothing of Ann's.
        eve = log_in(self.server, eve.email, token=planted.token)
        for thing in (hold, later):
            eve.reservation(thing["id"], expect=404)
            ann.reservation(thing["id"], expect=200)
        self.assertEqual(eve.call("GET", "/v1/me/export", expect=200).json()["guests"], [])

    def test_a_planted_session_of_the_attackers(self):
        sku = self.admin.create_sku(10)
        eve, ann = register(self.server), register(self.server)
        elsewhere, hold = log_in(self.server, eve.email), eve.hold(sku)
        ann = log_in(self.server, ann.email, token=eve.token)
        self.assertNotIn(ann.token, (eve.token, elsewhere.token))
        eve.call("GET", "/v1/me", expect=401)
        elsewhere.call("GET", "/v1/me", expect=200)
        ann.reservation(hold["id"], expect=404)
        self.assertEqual(ann.call("GET", "/v1/me").json()["email"], ann.email)

    def test_one_guest_and_two_logins_at_once(self):
        sku = self.admin.create_sku(10)
        people = [register(self.server), register(self.server)]
        for _ in range(3):
            guest = self.server.guest()
            hold = guest.hold(sku)
            work = lambda index, token=guest.token: log_in(self.server, people[index].email, token=token)
            seen = [person.reservation(hold["id"]).status for person in in_threads(2, work)]
            self.assertEqual(sorted(seen), [200, 404])

    def test_logging_in_through_a_mail_or_an_admin_key(self):
        """What is no session does not end or become one at a login."""
        ann = register(self.server)
        for token in (self.server.admin_key, "mt_" + ann.token[3:], "x" * 55, ""):
            again = log_in(self.server, ann.email, token=token)
            again.call("GET", "/v1/me", expect=200)
        ann.call("GET", "/v1/me", expect=200)


class OtherSites(CookieTest):
    """Calls that another site's page makes a browser send."""

    def test_every_unsafe_route_wants_proof(self):
        jar, checked = self.entered(), 0
        # Without these everybody is told the same, and nothing of a session is used.
        public = {"auth_verify", "auth_forgot", "auth_reset", "session_create", "auth_login", "auth_register", "webhook"}
        for route in read_routes():
            if route.is_read or route.name in public:
                continue
            target = route.target({"id": "res_nothing", "sku": "NONE", "code": "x", "provider": "x"})
            token = jar["stampede_csrf"]
            for headers in ({"Origin": EVIL, "X_CSRF_Token": token}, {"Origin": self.own()}, {"X_CSRF_Token": token}):
                with self.subTest(route=route.name, headers=headers):
                    body = None if route.body == "NONE" else {}
                    answer = self.browser(jar, route.method, target, body, **headers)
                    self.assertEqual((answer.status, answer.code), (403, "forbidden"), answer)
                    checked += 1
        self.assertGreater(checked, 60)
        self.assertEqual(self.browser(jar, "GET", "/v1/me").status, 200)

    def test_origins_that_look_like_ours(self):
        jar = self.entered()
        host, port = self.server.address
        good = {"Origin": self.own(), "X_CSRF_Token": jar["stampede_csrf"]}
        call = lambda **headers: self.browser(jar, "PATCH", "/v1/me", {"name": "Ann"}, **{**good, **headers}).status
        self.assertEqual(call(), 200)
        for origin in (
            "null",
            "",
            f"http://sub.{host}:{port}",
            f"http://{host}:{port + 1}",
            f"http://{host}",
            f"ftp://{host}:{port}",
            f"http://{host}:{port}/",
            f"http://{host}:{port} http://evil.example",
            f"http://evil.example@{host}:{port}",
            f"http://{host}:{port}@evil.example",
            f"http://{host}:{port}%00.evil.example",
            "https://sub.shop.example",
            "https://shop.example:444",
            "http://shop.example",
            "https://shop.example.",
            "https://xshop.example",
            "*",
        ):
            with self.subTest(origin=origin):
                self.assertEqual(call(Origin=origin), 403)
        self.assertEqual(call(Sec_Fetch_Site="same-origin"), 200)
        self.assertEqual(call(Sec_Fetch_Site="cross-site"), 403)

    def test_two_origins(self):
        jar = self.entered()
        lines = [("Cookie", f"stampede_session={jar['stampede_session']}"), ("X-CSRF-Token", jar["stampede_csrf"])]
        for origins in ((self.own(), EVIL), (EVIL, self.own())):
            headers = lines + [("Origin", origin) for origin in origins]
            answer = self.server.anonymous().call("PATCH", "/v1/me", {"name": "Eve"}, headers=headers)
            self.assertIn(answer.status, (400, 403), answer)

    def test_forms(self):
        """What a page of another site can send without being asked: the three simple media types."""
        jar = self.entered()
        for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            for origin, status in ((EVIL, 403), (self.own(), 415)):
                headers = {"Origin": origin, "Content_Type": media, "X_CSRF_Token": jar["stampede_csrf"]}
                answer = self.browser(jar, "POST", "/v1/me/email", b'{"email":"eve@evil.example"}', **headers)
                self.assertEqual(answer.status, status, (media, origin, answer))
            body = json.dumps({"email": new_email(), "password": PASSWORD}).encode()
            for target in ("/v1/auth/login", "/v1/auth/register"):
                headers = [("Content-Type", media)]
                answer = self.server.anonymous().call("POST", target, body, headers=headers)
                self.assertIn(answer.status, (403, 415), answer)

    def test_no_other_site_replaces_the_session(self):
        """A form of another site that makes a session would throw away the one that holds something."""
        guest = self.server.guest()
        hold = guest.hold(self.admin.create_sku(2))
        for target in ("/v1/sessions", f"/v1/reservations/{hold['id']}/extend"):
            for name, value in (
                ("Origin", EVIL),
                ("Origin", "null"),
                ("Referer", EVIL + "/a"),
                ("Sec-Fetch-Site", "cross-site"),
            ):
                with self.subTest(target=target, header=name, value=value):
                    answer = self.server.anonymous().call("POST", target, headers=[(name, value)])
                    self.assertEqual(answer.header_all("set-cookie"), [], answer)
        for headers in ({}, {"Origin": self.own()}, {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}):
            answer = self.server.anonymous().call("POST", "/v1/sessions", headers=list(headers.items()), expect=201)
            self.assertEqual(len(answer.header_all("set-cookie")), 2)

    def test_reading_changes_nothing(self):
        ann, sku = register(self.server), self.admin.create_sku(5)
        before = ann.call("GET", "/v1/me/export", expect=200).json()
        for route in read_routes():
            target = route.target({"id": "res_nothing", "sku": sku, "code": "not-found", "provider": "x"})
            for client in (self.server.anonymous(), ann, self.admin):
                answer = client.call("GET", target)
                self.assertEqual(answer.header_all("set-cookie"), [], route)
                self.assertIsNone(answer.header("x-session-token"))
        after = ann.call("GET", "/v1/me/export", expect=200).json()
        for shown in (before, after):
            for session in shown["sessions"]:
                session.pop("last_seen_at", None)
            shown.pop("exported_at", None)
            shown.pop("created_at", None)
        self.assertEqual(before, after)

    def test_reading_from_foreign_pages(self):
        """Without the browser's leave another site's page cannot read an answer, least of all with cookies."""
        jar = self.entered()
        for origin in (EVIL, "null", "https://sub.shop.example", "https://shop.example.evil"):
            for target in ("/v1/me", "/v1/reservations", "/v1/products/none"):
                answer = self.browser(jar, "GET", target, Origin=origin)
                preflight = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
                asked = self.server.anonymous().call("OPTIONS", target, headers=list(preflight.items()))
                for response in (answer, asked):
                    allowed = [name for name in names_of(response) if name.startswith("access-control-")]
                    self.assertEqual(allowed, [], (origin, target))
        answer = self.browser(jar, "GET", "/v1/me", Origin="https://shop.example")
        self.assertEqual(answer.header("access-control-allow-origin"), "https://shop.example")
        self.assertEqual(answer.header("access-control-allow-credentials"), "true")
        self.assertIn("origin", answer.header("vary").lower())


class AnyOrigin(AccountTest):
    flags = (*AccountTest.flags, "--cors-origins", "*")

    def test_any_origin_is_without_cookies(self):
        token = self.server.guest().token
        for target in ("/v1/reservations", "/v1/me"):
            headers = [("Origin", EVIL), ("Cookie", f"stampede_session={token}")]
            answer = self.server.anonymous().call("GET", target, headers=headers)
            self.assertIsNone(answer.header("access-control-allow-credentials"))
        body = {"email": new_email(), "password": PASSWORD}
        headers = [("Origin", EVIL)]
        self.server.anonymous().call("POST", "/v1/auth/login", body, headers=headers, expect=403)
        made = self.server.anonymous().call("POST", "/v1/sessions", headers=headers, expect=201)
        self.assertEqual(made.header_all("set-cookie"), [])
        self.assertTrue(made.json()["token"].startswith("sg_"))


class Forged(AccountTest):
    def refused(self, headers, status=(401,)):
        for target in ("/v1/me", "/v1/reservations", "/v1/admin/products"):
            answer = self.server.anonymous().call("GET", target, headers=headers)
            self.assertIn(answer.status, status, (headers, answer))

    def test_every_character_of_a_token_counts(self):
        ann, guest, clerk = register(self.server), self.server.guest(), self.staff("owner")
        for token in (ann.token, guest.token, clerk.token):
            client, wrong = self.server.anonymous(), []
            for index, letter in enumerate(token):
                for other in {"A" if letter != "A" else "B", letter.swapcase(), "=", "%", " "} - {letter}:
                    forged = token[:index] + other + token[index + 1:]
                    bearer = client.call("GET", "/v1/reservations", headers=[("Authorization", f"Bearer {forged}")])
                    cookie = client.call("GET", "/v1/reservations", headers=[("Cookie", f"stampede_session={forged}")])
                    # A blank at an end is no part of it, as RFC 9110 and 6265 have it.
                    if (bearer.status, cookie.status) != (401, 401) and forged.strip() != token:
                        wrong.append((index, other, bearer.status, cookie.status))
            self.assertEqual(wrong, [])
        ann.call("GET", "/v1/me", expect=200)

    def test_other_lengths_and_kinds(self):
        ann, guest = register(self.server), self.server.guest()
        kinds = [prefix + token[3:] for token in (ann.token, guest.token) for prefix in ("sg_", "sc_", "ss_", "mt_")]
        kinds = [token for token in kinds if token not in (ann.token, guest.token)]
        odd = [ann.token[:length] for length in range(len(ann.token))]
        odd += [ann.token + "A", ann.token * 2, ann.token + ann.token[3:], "s" * 55, "sc_" + "A" * 52, "x" * 2000]
        for token in kinds + odd:
            self.refused([("Authorization", f"Bearer {token}")])
            self.refused([("Cookie", f"stampede_session={token}")])
        self.refused([("Cookie", "stampede_session=" + "x" * 60000)], (401, 431))
        self.refused([("Cookie", "; ".join(f"c{index}=1" for index in range(3000)))], (401, 431))

    def test_where_a_token_is_looked_for(self):
        ann, eve = register(self.server), register(self.server)
        cookie = lambda token, name="stampede_session": ("Cookie", f"{name}={token}")
        bearer = lambda token, scheme="Bearer": ("Authorization", f"{scheme} {token}")
        # Not in a cookie: the admin key; not in clear names: what only TLS may carry.
        self.refused([cookie(self.server.admin_key)])
        self.refused([cookie(ann.token, "__Host-stampede_session")])
        self.refused([cookie(ann.token, "Stampede_Session")])
        self.refused([cookie(ann.token, "xstampede_session")])
        for scheme in ("Basic", "Token", "Bearer:", "bearerx"):
            self.refused([bearer(ann.token, scheme)])
        # What is given explicitly is not made up for by a cookie.
        self.refused([bearer("x" * 55), cookie(ann.token)])
        self.refused([("Authorization", ""), cookie(ann.token)])
        for target in (f"/v1/me?token={ann.token}", f"/v1/me?access_token={ann.token}"):
            answer = self.server.anonymous().call("GET", target)
            self.assertIn(answer.status, (401, 422), answer)
        # Of two, never the one and the other by turns; never both.
        for headers in (
            [("Cookie", f"stampede_session={eve.token}; stampede_session={ann.token}")],
            [cookie(eve.token), cookie(ann.token)],
            [bearer(eve.token), bearer(ann.token)],
        ):
            client = self.server.anonymous()
            seen = {client.call("GET", "/v1/me", headers=headers).body for _ in range(4)}
            self.assertNotIn(ann.email, str(seen))
        answer = self.server.anonymous().call("GET", "/v1/me", headers=[bearer(eve.token), bearer(ann.token)])
        self.assertIn(answer.status, (400, 401), answer)

    def test_cookies_of_a_shop_with_tls(self):
        server = Server(*self.flags, "--secure-cookies", "on")
        try:
            ann = register(server)
            plain = [("Cookie", f"stampede_session={ann.token}")]
            bound = [("Cookie", f"__Host-stampede_session={ann.token}")]
            tossed = [("Cookie", f"stampede_session=evil; __Host-stampede_session={ann.token}")]
            self.assertEqual(server.anonymous().call("GET", "/v1/me", headers=plain).status, 401)
            self.assertEqual(server.anonymous().call("GET", "/v1/me", headers=bound).status, 200)
            self.assertEqual(server.anonymous().call("GET", "/v1/me", headers=tossed).status, 200)
            # A page that came in clear is not the shop's.
            own = "http://" + ":".join(map(str, server.address))
            made = Client(server).call("POST", "/v1/auth/login", {"email": ann.email, "password": PASSWORD}, expect=200)
            csrf = made.header("x-csrf-token")
            session = made.json()["token"]
            headers = [("Cookie", f"__Host-stampede_session={session}"), ("X-CSRF-Token", csrf)]
            for origin, status in ((own, 403), (own.replace("http:", "https:"), 200)):
                lines = [*headers, ("Origin", origin)]
                answer = server.anonymous().call("PATCH", "/v1/me", {"name": "A"}, headers=lines)
                self.assertEqual(answer.status, status, origin)
        finally:
            server.stop()

    def test_tokens_of_another_shop(self):
        other = Server(*self.flags)
        try:
            for token in (register(other).token, other.guest().token, other.admin_key):
                self.refused([("Authorization", f"Bearer {token}")])
        finally:
            other.stop()


class Fields(AccountTest):
    """Nothing is taken that was not asked for, and nothing is written where it was not meant to be."""

    EXTRA = {
        "role": "owner",
        "roles": ["owner"],
        "verified": True,
        "email_verified": True,
        "id": "cus_" + "0" * 26,
        "principal": "0" * 32,
        "account": "cus_" + "0" * 26,
        "credentials": 1,
        "password_hash": "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA",
        "second_factor": False,
        "status": "active",
        "state": 1,
        "created_at": "2000-01-01T00:00:00Z",
        "__proto__": {"role": "owner"},
        "": 1,
        "Email": "eve@evil.example",
    }

    def test_fields_that_nobody_asked_for(self):
        ann = register(self.server, name="Ann")
        address = ann.call("POST", "/v1/me/addresses", ADDRESS, expect=201).json()
        sku = self.admin.create_sku(5)
        hold = ann.hold(sku)
        staff = self.admin.call("POST", "/v1/admin/staff", {"email": new_email(), "role": "orders"}, expect=201).json()
        credentials = {"email": new_email(), "password": PASSWORD}
        before = ann.call("GET", "/v1/me/export", expect=200).json()
        calls = [
            (None, "POST", "/v1/auth/register", credentials),
            (None, "POST", "/v1/auth/login", {"email": ann.email, "password": PASSWORD}),
            (None, "POST", "/v1/auth/verify", {"token": "mt_x"}),
            (None, "POST", "/v1/auth/password/forgot", {"email": ann.email}),
            (None, "POST", "/v1/auth/password/reset", {"token": "mt_x", "password": PASSWORD}),
            (None, "POST", "/v1/sessions", {}),
            (ann, "POST", "/v1/auth/logout", {}),
            (ann, "PATCH", "/v1/me", {"name": "Eve"}),
            (ann, "DELETE", "/v1/me", {"password": PASSWORD}),
            (ann, "POST", "/v1/me/password", {"password": PASSWORD, "new_password": OTHER_PASSWORD}),
            (ann, "POST", "/v1/me/email", {"email": new_email(), "password": PASSWORD}),
            (ann, "POST", "/v1/me/addresses", ADDRESS),
            (ann, "PUT", f"/v1/me/addresses/{address['id']}", {**ADDRESS, "city": "Evil"}),
            (ann, "POST", "/v1/me/totp", {}),
            (ann, "POST", "/v1/me/totp/confirm", {"secret": "A" * 32, "code": "000000", "password": PASSWORD}),
            (ann, "DELETE", "/v1/me/totp", {"password": PASSWORD, "code": "000000"}),
            (ann, "POST", "/v1/reservations", {"sku": sku, "quantity": 1}),
            (ann, "POST", f"/v1/reservations/{hold['id']}/extend", {}),
            (self.admin, "PATCH", f"/v1/admin/staff/{staff['id']}", {"role": "owner"}),
            (self.admin, "POST", "/v1/admin/staff", {"email": new_email(), "role": "owner"}),
            (self.admin, "POST", f"/v1/admin/inventory/{sku}/adjust", {"delta": 1, "reason": "x"}),
            (self.admin, "POST", f"/v1/admin/reservations/{hold['id']}/convert", {}),
        ]
        for client, method, target, body in calls:
            for name, value in self.EXTRA.items():
                if name in body:
                    continue
                client = client or self.server.anonymous()
                with self.subTest(target=target, field=name):
                    answer = client.call(method, target, {**body, name: value}, key=new_key())
                    self.assertEqual(answer.status, 422, answer)
                    # The call's own values may be wrong too; the field must be among what is named.
                    self.assertIn(name, [error["field"] for error in answer.json()["errors"]])
        self.assertEqual(ann.call("GET", "/v1/me/export", expect=200).json()["customer"], before["customer"])
        self.assertEqual(self.admin.inventory(sku)["sold"], 0)
        kept = self.admin.call("GET", f"/v1/admin/staff/{staff['id']}", expect=200).json()
        self.assertEqual(kept["role"], "orders")

    def test_one_field_given_twice(self):
        ann = register(self.server)
        for target, method, text in (
            ("/v1/me", "PATCH", b'{"name":"Ann","name":"Eve"}'),
            ("/v1/me", "PATCH", b'{"name":"Ann","n\\u0061me":"Eve"}'),
            ("/v1/me/email", "POST", b'{"email":"a@b.example","password":"x","email":"eve@evil.example"}'),
        ):
            ann.call(method, target, text, expect=422, code="validation_failed")

    def test_no_header_is_written_by_a_value(self):
        ann = register(self.server)
        for bad in ("a\r\nSet-Cookie: evil=1", "a\nBcc: all@evil.example", "a\rb", "a\0b", "\x1b[31m", "a\x7f"):
            for method, target, body in (
                ("PATCH", "/v1/me", {"name": bad}),
                ("POST", "/v1/me/addresses", {**ADDRESS, "line2": bad}),
                ("POST", "/v1/auth/register", {"email": f"{bad}@a.example", "password": PASSWORD}),
                ("POST", "/v1/auth/password/forgot", {"email": f"ann@a.example{bad}"}),
            ):
                answer = ann.call(method, target, body, expect=422)
                self.assertNotIn("evil", str(answer.headers))
        for target in ("/problems/a%0d%0aSet-Cookie:%20evil=1", "/v1/products/%0d%0aevil:1", "/v1/me/sessions/%0aevil"):
            answer = ann.call("GET", target)
            self.assertNotIn("evil", str(answer.headers))
        headers = [("X-Request-Id", "a\tb"), ("User-Agent", "Mozilla/5.0 \x7f<script>")]
        Client(self.server).call(
            "POST", "/v1/auth/login", {"email": ann.email, "password": PASSWORD}, headers=headers
        )

    def test_ids_of_others(self):
        """What is in the matrix for each route, once more with IDs that were made up or put together."""
        ann, eve = register(self.server), register(self.server)
        hold = ann.hold(self.admin.create_sku(5))
        body = hold["id"][4:]
        for index in range(len(body)):
            made_up = "res_" + body[:index] + ("0" if body[index] != "0" else "1") + body[index + 1:]
            for client in (ann, eve):
                client.reservation(made_up, expect=404, code="not_found")
        odd_ones = ("RES_" + body.upper(), f"res_{body}0", "res_%2F" + body, "cus_" + body, f"res_{body}%00")
        for odd in odd_ones:
            eve.reservation(odd, expect=(400, 404))
        # A customer is no member of staff by being asked for as one.
        target = f"/v1/admin/staff/{eve.id}"
        self.admin.call("GET", target, expect=404)
        self.admin.call("PATCH", target, {"role": "owner"}, expect=404)
        eve.call("GET", "/v1/admin/staff", expect=403)
        # A mail's ID names its account: with another account's it is nobody's.
        member = {"email": new_email(), "role": "orders"}
        invited = self.admin.call("POST", "/v1/admin/staff", member, expect=201).json()
        for account in (eve.id, invited["id"][:-1] + ("0" if invited["id"][-1] != "0" else "1")):
            self.admin.call("POST", f"/v1/admin/mails/mail_{account[4:]}_99/replay", expect=404)


class AtOnce(AccountTest):
    """Two of everything."""

    def test_two_new_passwords(self):
        for _ in range(3):
            ann = register(self.server)
            other = log_in(self.server, ann.email)
            wanted = [f"{OTHER_PASSWORD} {index}" for index in range(2)]
            work = lambda index: (ann, other)[index].call(
                "POST", "/v1/me/password", {"password": PASSWORD, "new_password": wanted[index]}
            )
            statuses = [answer.status for answer in in_threads(2, work)]
            self.assertEqual(statuses.count(204), 1, statuses)
            log_in(self.server, ann.email, wanted[statuses.index(204)])
            for password in (PASSWORD, wanted[1 - statuses.index(204)]):
                body = {"email": ann.email, "password": password}
                Client(self.server).call("POST", "/v1/auth/login", body, expect=401)

    def test_a_login_and_an_erasure(self):
        for _ in range(4):
            ann = register(self.server)
            body = {"email": ann.email, "password": PASSWORD}

            def work(index):
                if index == 0:
                    return ann.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
                return Client(self.server).call("POST", "/v1/auth/login", body, expect=(200, 401, 503))

            for answer in in_threads(4, work)[1:]:
                if answer.status == 200:
                    Client(self.server, token=answer.json()["token"]).call("GET", "/v1/me", expect=401)
            Client(self.server).call("POST", "/v1/auth/login", body, expect=401)

    def test_an_erasure_and_a_registration_of_the_same_address(self):
        for _ in range(3):
            ann = register(self.server)
            body = {"email": ann.email, "password": OTHER_PASSWORD}

            def work(index):
                if index == 0:
                    return ann.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
                return Client(self.server).call("POST", "/v1/auth/register", body, expect=(201, 409))

            answer = in_threads(2, work)[1]
            again = answer.json() if answer.status == 201 else None
            if again is None:
                self.assertNotEqual(register(self.server, ann.email, password=OTHER_PASSWORD).id, ann.id)
            else:
                self.assertNotEqual(again["customer"]["id"], ann.id)
            self.assertNotEqual(log_in(self.server, ann.email, OTHER_PASSWORD).id, ann.id)

    def test_two_accounts_and_one_new_address(self):
        for _ in range(3):
            people, wanted = [register(self.server), register(self.server)], new_email()
            body = {"email": wanted, "password": PASSWORD}
            answers = in_threads(2, lambda index: people[index].call("POST", "/v1/me/email", body))
            self.assertEqual(sorted(answer.status for answer in answers), [200, 409], answers)
            winner = people[0] if answers[0].status == 200 else people[1]
            self.assertEqual(log_in(self.server, wanted).id, winner.id)
            loser = people[1] if winner is people[0] else people[0]
            self.assertEqual(log_in(self.server, loser.email).id, loser.id)

    def test_bounds_of_an_account(self):
        ann = register(self.server)
        work = lambda _: Client(self.server, token=ann.token).call("POST", "/v1/me/addresses", ADDRESS)
        answers = in_threads(12, work)
        self.assertEqual(sorted(answer.status for answer in answers), [201] * 8 + [409] * 4)
        self.assertEqual(len({answer.json()["id"] for answer in answers if answer.status == 201}), 8)

    def test_two_invitations_and_two_erasures(self):
        email = new_email()
        work = lambda index: self.server.admin().call(
            "POST", "/v1/admin/staff", {"email": email, "role": ("owner", "orders")[index]}, expect=(201, 409)
        )
        made = [answer.json() for answer in in_threads(2, work) if answer.status == 201]
        self.assertEqual(len({member["id"] for member in made}), 1)
        tokens = [member["invite_token"] for member in made]
        statuses = [
            Client(self.server)
            .call("POST", "/v1/auth/password/reset", {"token": token, "password": PASSWORD}, expect=(204, 400))
            .status
            for token in tokens
        ]
        self.assertEqual(statuses.count(204), 1, "of two invitations the last one is good")
        member = log_in(self.server, email)
        clients = [member, Client(self.server, token=member.token)]
        work = lambda index: clients[index].call("DELETE", "/v1/me", {"password": PASSWORD}).status
        self.assertEqual(sorted(in_threads(2, work))[0], 204)
        body = {"email": email, "password": PASSWORD}
        Client(self.server).call("POST", "/v1/auth/login", body, expect=401)

    def test_a_role_is_taken_while_it_is_used(self):
        """Not one call of a member of staff is served after the answer that took the role away."""
        clerk = self.staff("catalogue")
        ended, late = threading.Event(), []

        def work(index):
            if index == 0:
                self.server.admin().call("DELETE", f"/v1/admin/staff/{clerk.id}", expect=204)
                ended.set()
                return
            client = Client(self.server, token=clerk.token)
            for _ in range(200):
                was_ended = ended.is_set()
                status = client.call("GET", "/v1/admin/products").status
                if was_ended and status == 200:
                    late.append(status)
                if status != 200:
                    break
            client.close()

        in_threads(5, work)
        self.assertEqual(late, [])
        clerk.call("GET", "/v1/admin/products", expect=401)


class Secrets(AccountTest):
    def test_a_password_in_the_target_is_for_nothing_and_logged_nowhere(self):
        flags = (*self.flags, "--mail-dir", fresh_path("mails"))
        server = Server(*flags)
        canary = "Canary" + new_key()
        try:
            ann = register(server)
            body = {"email": ann.email, "password": PASSWORD}
            client = Client(server)
            query = f"?password={canary}&email={quote(ann.email)}&token={canary}"
            for target in ("/v1/auth/login", "/v1/auth/register", "/v1/auth/verify", "/v1/me/password", "/v1/nothing"):
                answer = client.call("POST", target + query)
                self.assertNotIn(answer.status, (200, 201, 204), answer)
                self.assertNotIn(canary, str(answer.body))
            client.call("GET", f"/v1/{canary}", expect=404)
            client.call("GET", "/v1/me", headers=[("Authorization", f"Bearer {canary}")], expect=401)
            client.call("POST", "/v1/auth/login", f'{{"email":"{canary}'.encode(), expect=400)
            client.call("POST", "/v1/auth/login", {**body, canary: canary}, expect=422)
            with Wire(server.address) as wire:
                wire.send(f"GET /{canary} HTTP/9.9\r\nX: {canary}\r\n\r\n".encode())
                wire.is_closed_within(5)
            metrics = client.call("GET", "/metrics", expect=200).body.decode()
        finally:
            server.stop()
        self.assertNotIn(canary, server.output() + metrics)

    def test_what_is_for_one_is_kept_by_nobody(self):
        """Also refusals: a cache that kept a 404 or a 401 would answer the owner with it."""
        ann = register(self.server)
        for method, target in (("GET", "/v1/me"), ("GET", "/v1/me/export"), ("GET", "/v1/me/addresses/adr_00000000099"),
                               ("POST", "/v1/auth/login"), ("POST", "/v1/auth/register"), ("POST", "/v1/auth/verify"),
                               ("POST", "/v1/auth/password/forgot"), ("POST", "/v1/auth/password/reset"),
                               ("POST", "/v1/sessions")):
            for client in (ann, self.server.anonymous()):
                answer = client.call(method, target, {} if method == "POST" else None)
                with self.subTest(target=target, status=answer.status):
                    self.assertEqual(re.findall("no-store|public", answer.header("cache-control") or ""), ["no-store"])
