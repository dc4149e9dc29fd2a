# SPDX-License-Identifier: Apache-2.0
"""Logins: the second factor, and what stops those who guess or come in crowds."""
import time

from harness import Client, Server, in_threads
from test_accounts import OTHER_PASSWORD, PASSWORD, AccountTest, log_in, new_email, register, totp


class SecondFactor(AccountTest):
    def set_up(self, person, password=PASSWORD):
        """Gives the secret, the step that was used, and recovery codes."""
        begun = person.call("POST", "/v1/me/totp", expect=200).json()
        self.assertIn(begun["secret"], begun["uri"])
        step = int(time.time()) // 30
        body = {"secret": begun["secret"], "code": totp(begun["secret"], step), "password": password}
        codes = person.call("POST", "/v1/me/totp/confirm", body, expect=200).json()["recovery_codes"]
        self.assertEqual(len(set(codes)), 10)
        return begun["secret"], step, codes

    def test_login_asks_for_it(self):
        ann = register(self.server)
        other = log_in(self.server, ann.email)
        secret, step, codes = self.set_up(ann)
        other.call("GET", "/v1/me", expect=401)
        profile = ann.call("GET", "/v1/me", expect=200).json()
        self.assertEqual((profile["second_factor"], profile["recovery_codes"]), (True, 10))
        known = {"email": ann.email, "password": PASSWORD}

        def login(**fields):
            return Client(self.server).call("POST", "/v1/auth/login", {**known, **fields})

        self.assertEqual(login().code, "second_factor_required")
        # Who does not know the password does not learn that there is a second factor.
        self.assertEqual(login(password=OTHER_PASSWORD).code, "invalid_credentials")
        for code in ("000000", totp(secret, step), totp(secret, step - 9), "x", "1234567", codes[0][:-1]):
            self.assertEqual(login(code=code).code, "second_factor_required", code)
        code = totp(secret, step + 1)
        answers = in_threads(3, lambda _: login(code=code))
        self.assertEqual(sorted(answer.status for answer in answers), [200, 401, 401])
        answers = in_threads(3, lambda _: login(code=codes[3].lower().replace("-", " ")))
        self.assertEqual(sorted(answer.status for answer in answers), [200, 401, 401])
        self.assertEqual(ann.call("GET", "/v1/me", expect=200).json()["recovery_codes"], 9)

    def test_setting_up_and_removing_take_proof(self):
        ann = register(self.server)
        begun = ann.call("POST", "/v1/me/totp", expect=200).json()
        code = totp(begun["secret"], int(time.time()) // 30)
        body = {"secret": begun["secret"], "code": code, "password": OTHER_PASSWORD}
        ann.call("POST", "/v1/me/totp/confirm", body, expect=401, code="invalid_credentials")
        body = {"secret": begun["secret"], "code": "000000", "password": PASSWORD}
        self.assert_field(ann.call("POST", "/v1/me/totp/confirm", body), "code")
        self.assert_field(ann.call("POST", "/v1/me/totp/confirm", {**body, "secret": "AAAA"}), "secret")
        ann.call("DELETE", "/v1/me/totp", {"password": PASSWORD, "code": "1"}, expect=204)
        secret, step, codes = self.set_up(ann)
        body = {"secret": secret, "code": totp(secret, step + 1), "password": PASSWORD}
        ann.call("POST", "/v1/me/totp/confirm", body, expect=403, code="forbidden")
        self.assert_field(ann.call("DELETE", "/v1/me/totp", {"password": PASSWORD, "code": "000000"}), "code")
        ann.call("DELETE", "/v1/me/totp", {"password": OTHER_PASSWORD, "code": codes[0]}, expect=401)
        ann.call("DELETE", "/v1/me/totp", {"password": PASSWORD, "code": codes[0]}, expect=204)
        log_in(self.server, ann.email)

    def test_staff_may_have_to(self):
        server = Server(*self.flags, "--staff-totp", "on")
        try:
            body = {"email": new_email(), "role": "catalogue"}
            invited = server.admin().call("POST", "/v1/admin/staff", body, expect=201).json()
            body = {"token": invited["invite_token"], "password": PASSWORD}
            Client(server).call("POST", "/v1/auth/password/reset", body, expect=204)
            carl = log_in(server, invited["email"])
            carl.call("GET", "/v1/admin/products", expect=403, code="forbidden")
            secret, step, _ = self.set_up(carl)
            carl.call("GET", "/v1/admin/products", expect=403)
            carl = log_in(server, invited["email"], code=totp(secret, step + 1))
            carl.call("GET", "/v1/admin/products", expect=200)
            server.admin().call("GET", "/v1/admin/products", expect=200)
        finally:
            server.stop()


class Throttle(AccountTest):
    rate_limits = "on"

    def test_guessing_one_account_is_stopped(self):
        email = new_email()
        statuses = []
        client = Client(self.server)
        for _ in range(12):
            answer = client.call("POST", "/v1/auth/login", {"email": email, "password": PASSWORD})
            statuses.append(answer.status)
        self.assertEqual(statuses, [401] * 10 + [429] * 2)
        self.assertEqual(answer.code, "rate_limited")
        self.assertGreater(int(answer.header("retry-after")), 0)
        # Another one's is not: they are told apart. The first one's, in any writing, is the same.
        client.call("POST", "/v1/auth/login", {"email": email.upper(), "password": PASSWORD}, expect=429)
        client.call("POST", "/v1/auth/login", {"email": new_email(), "password": PASSWORD}, expect=401)

    def test_mails_to_one_address_are_few(self):
        email, client = new_email(), Client(self.server)
        body = {"email": email}
        statuses = [client.call("POST", "/v1/auth/password/forgot", body).status for _ in range(6)]
        self.assertEqual(statuses, [202] * 5 + [429])


class Overload(AccountTest):
    flags = (*AccountTest.flags, "--workers", "1", "--workers-queue", "1")

    def test_more_logins_than_can_be_worked_on_are_refused_at_once(self):
        ann = register(self.server)
        body = {"email": ann.email, "password": PASSWORD}
        answers = in_threads(
            24,
            lambda _: Client(self.server).call("POST", "/v1/auth/login", body, expect=(200, 503)),
        )
        refused = [answer for answer in answers if answer.status == 503]
        self.assertTrue(refused)
        self.assertLess(len(refused), 24)
        for answer in refused:
            self.assertEqual(answer.code, "overloaded")
            self.assertGreater(int(answer.header("retry-after")), 0)
        log_in(self.server, ann.email)
        metrics = self.server.anonymous().call("GET", "/metrics").body.decode()
        self.assertIn("\nstampede_passwords_waiting 0\n", metrics)
        self.assertIn("\nstampede_account_calls_open 0\n", metrics)
