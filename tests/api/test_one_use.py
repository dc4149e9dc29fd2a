# SPDX-License-Identifier: Apache-2.0
"""Tokens from mails: once, for one thing; and what the calls that send them tell about addresses."""
from harness import Client, in_threads
from test_accounts import OTHER_PASSWORD, PASSWORD, log_in, new_email
from test_verification import MailTest


class OneUse(MailTest):
    """A token from a mail is good once, for one thing, and not past what made it pointless."""

    def change_email(self, person, wanted):
        person.call("POST", "/v1/me/email", {"email": wanted, "password": PASSWORD}, expect=202)
        return self.newest_token(wanted, 1)

    def reset_token(self, address, count):
        self.call("password/forgot", 202, email=address)
        return self.newest_token(address, count)

    def everywhere(self, token, but=()):
        """Asked of both calls, as a session too: of none it may be a way in."""
        for target, body in (("verify", {}), ("password/reset", {"password": OTHER_PASSWORD})):
            if target not in but:
                self.call(target, 400, "token_invalid", token=token, **body)
        client = Client(self.server, token=token)
        client.call("GET", "/v1/me", expect=401, code="unauthenticated")
        client.call("GET", "/v1/admin/products", expect=401)

    def test_for_nothing_else(self):
        address = new_email()
        self.call("register", 202, email=address, password=PASSWORD)
        verify = self.newest_token(address, 1)
        self.everywhere(verify, but=("verify",))
        self.call("verify", 204, token=verify)
        self.everywhere(verify)
        reset = self.reset_token(address, 2)
        self.everywhere(reset, but=("password/reset",))
        ann = log_in(self.server, address)
        change = self.change_email(ann, new_email())
        self.everywhere(change, but=("verify",))
        invited = new_email()
        self.admin.call("POST", "/v1/admin/staff", {"email": invited, "role": "owner"}, expect=201)
        self.everywhere(self.newest_token(invited, 1), but=("password/reset",))

    def test_twice_at_once_on_both_shards(self):
        ann = log_in(self.server, self.registered())
        wanted = new_email()
        tokens = {"verify": self.change_email(ann, wanted), "password/reset": self.reset_token(ann.email, 2)}
        # The second one goes last: it ends what the first one is about.
        for target in ("verify", "password/reset"):
            if target == "password/reset":
                tokens[target] = self.reset_token(wanted, 2)
            body = {"token": tokens[target], **({"password": OTHER_PASSWORD} if "reset" in target else {})}
            statuses = in_threads(8, lambda _: self.call(target, (204, 400), **body).status)
            self.assertEqual(sorted(statuses), [204] + [400] * 7)

    def test_a_new_password_ends_what_the_old_one_asked_for(self):
        """Who had the password must not keep a way back in."""
        for by_mail in (False, True):
            address, evil = self.registered(), new_email()
            thief = log_in(self.server, address)
            change = self.change_email(thief, evil)
            reset = self.reset_token(address, 2)
            if by_mail:
                self.call("password/reset", 204, token=reset, password=OTHER_PASSWORD)
            else:
                ann = log_in(self.server, address)
                body = {"password": PASSWORD, "new_password": OTHER_PASSWORD}
                ann.call("POST", "/v1/me/password", body, expect=204)
            self.everywhere(reset)
            self.everywhere(change)
            profile = log_in(self.server, address, OTHER_PASSWORD).call("GET", "/v1/me", expect=200).json()
            self.assertEqual((profile["email"], profile["new_email"]), (address, None))
            self.call("login", 401, email=evil, password=OTHER_PASSWORD)

    def test_a_new_address_ends_what_went_to_the_old_one(self):
        address, wanted = self.registered(), new_email()
        ann = log_in(self.server, address)
        reset = self.reset_token(address, 2)
        self.call("verify", 204, token=self.change_email(ann, wanted))
        self.everywhere(reset)

    def test_an_invitation_ends_with_the_first_password(self):
        address = new_email()
        self.admin.call("POST", "/v1/admin/staff", {"email": address, "role": "orders"}, expect=201)
        invitation = self.newest_token(address, 1)
        self.call("password/reset", 204, token=self.reset_token(address, 2), password=PASSWORD)
        self.everywhere(invitation)
        log_in(self.server, address)

    def test_an_erased_account_has_no_tokens(self):
        address = self.registered()
        ann = log_in(self.server, address)
        tokens = [self.change_email(ann, new_email()), self.reset_token(address, 2)]
        ann.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        for token in tokens:
            self.everywhere(token)

    def test_tokens_that_were_altered(self):
        address = self.registered()
        token = self.reset_token(address, 2)
        for index in range(len(token)):
            forged = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1:]
            self.call("password/reset", 400, "token_invalid", token=forged, password=OTHER_PASSWORD)
        self.call("password/reset", 204, token=token, password=OTHER_PASSWORD)

    def test_nobody_learns_whose_address_is_known(self):
        """One answer, whatever the address is: status, body and headers."""
        pending, invited, erased = new_email(), new_email(), self.registered()
        self.call("register", 202, email=pending, password=PASSWORD)
        self.admin.call("POST", "/v1/admin/staff", {"email": invited, "role": "orders"}, expect=201)
        log_in(self.server, erased).call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        kinds = {"unknown": new_email(), "customer": self.registered(), "pending": pending, "invited": invited,
                 "erased": erased}
        for target, status, body in (
            ("login", 401, {"password": OTHER_PASSWORD}),
            ("password/forgot", 202, {}),
            ("register", 202, {"password": OTHER_PASSWORD}),
        ):
            seen = {}
            for kind, address in kinds.items():
                answer = self.call(target, status, email=address, **body)
                shown = [pair for pair in answer.headers if pair[0] not in ("date", "x-request-id")]
                seen[kind] = (answer.status, answer.body, shown)
            for kind, answer in seen.items():
                self.assertEqual(answer, seen["unknown"], (target, kind))
