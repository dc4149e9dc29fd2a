# SPDX-License-Identifier: Apache-2.0
"""Accounts with verification: what follows by mail, read from the folder that the server also writes mails to."""
import email
import email.policy
import os
import re
import time

from harness import Client, fresh_path, in_threads, new_key, wait_until
from test_accounts import OTHER_PASSWORD, PASSWORD, AccountTest, log_in, new_email, totp


class MailTest(AccountTest):
    more_flags = ()

    @classmethod
    def setUpClass(cls):
        cls.mail_dir = fresh_path("mails")
        cls.flags = ("--shards", "2", "--mail-dir", cls.mail_dir, *cls.more_flags)
        super().setUpClass()

    def mails_to(self, address):
        """Subject and text of each mail to the address, in the order in which they were written."""
        found = []
        for entry in os.scandir(self.mail_dir):
            if not entry.name.endswith(".eml"):
                continue
            with open(entry.path, "rb") as handle:
                message = email.message_from_binary_file(handle, policy=email.policy.default)
            if message["to"].lower() == address.lower():
                text = message.get_body(("plain",)).get_content()
                found.append((entry.stat().st_mtime_ns, message["subject"], text))
        return [(subject, text) for _, subject, text in sorted(found)]

    def wait_for_mails(self, address, count):
        deadline = time.monotonic() + 15
        while len(mails := self.mails_to(address)) < count:
            self.assertLess(time.monotonic(), deadline, f"{len(mails)} of {count} mails to {address}")
            time.sleep(0.02)
        return mails

    def token_of(self, text):
        return re.search(r"#token=(mt_[A-Za-z0-9_-]+)", text)[1]

    def newest_token(self, address, count):
        return self.token_of(self.wait_for_mails(address, count)[-1][1])

    def call(self, target, expect, code=None, **body):
        client = Client(self.server)
        answer = client.call("POST", f"/v1/auth/{target}", body, expect=expect, code=code)
        client.close()
        return answer

    def registered(self):
        address = new_email()
        self.call("register", 202, email=address, password=PASSWORD)
        self.call("verify", 204, token=self.newest_token(address, 1))
        return address


class Verification(MailTest):
    def test_an_account_is_good_once_its_address_is_verified(self):
        address = new_email()
        answer = self.call("register", 202, email=address, password=PASSWORD, name="Ann")
        self.assertEqual(answer.json(), {})
        self.assertIsNone(answer.header("set-cookie"))
        # Only who knows the password learns that there is such an account.
        self.call("login", 401, "invalid_credentials", email=address, password=OTHER_PASSWORD)
        self.call("login", 403, "forbidden", email=address, password=PASSWORD)
        token = self.newest_token(address, 1)
        self.call("verify", 204, token=token)
        self.call("verify", 400, "token_invalid", token=token)
        self.assertEqual(log_in(self.server, address).call("GET", "/v1/me").json()["name"], "Ann")

    def test_a_token_is_used_once_by_many_at_once(self):
        address = new_email()
        self.call("register", 202, email=address, password=PASSWORD)
        token = self.newest_token(address, 1)
        statuses = in_threads(5, lambda _: self.call("verify", (204, 400), token=token).status)
        self.assertEqual(sorted(statuses), [204] + [400] * 4)

    def test_an_address_registered_again_is_whose_mailbox_it_is(self):
        """Neither password of the two registrations is taken over: whoever has the mailbox chooses one."""
        address = new_email()
        self.call("register", 202, email=address, password=PASSWORD)
        first = self.newest_token(address, 1)
        self.call("register", 202, email=address, password=OTHER_PASSWORD)
        second = self.newest_token(address, 2)
        self.call("verify", 400, "token_invalid", token=first)
        self.call("verify", 400, "token_invalid", token=second)
        self.call("password/reset", 204, token=second, password="a third " + PASSWORD)
        self.call("login", 401, email=address, password=PASSWORD)
        self.call("login", 401, email=address, password=OTHER_PASSWORD)
        self.call("login", 200, email=address, password="a third " + PASSWORD)

    def test_a_taken_address_is_told_by_mail_only(self):
        address = self.registered()
        fresh = self.call("register", 202, email=new_email(), password=PASSWORD)
        taken = self.call("register", 202, email=address.upper(), password=OTHER_PASSWORD)
        self.assertEqual(taken.body, fresh.body)
        names = [sorted(name.lower() for name, _ in answer.headers) for answer in (fresh, taken)]
        self.assertEqual(*names)
        _, text = self.wait_for_mails(address, 2)[-1]
        self.assertNotIn("mt_", text)
        self.call("login", 401, email=address, password=OTHER_PASSWORD)
        log_in(self.server, address)

    def test_two_registrations_at_once(self):
        address = new_email()
        in_threads(4, lambda _: self.call("register", 202, email=address, password=PASSWORD))
        mails = self.wait_for_mails(address, 4)
        tokens = [self.token_of(text) for _, text in mails]
        for token in tokens:
            self.call("verify", 400, "token_invalid", token=token)
        statuses = [self.call("password/reset", (204, 400), token=token, password=PASSWORD).status for token in tokens]
        self.assertEqual(sorted(statuses), [204, 400, 400, 400])
        log_in(self.server, address)

    def test_a_crash_loses_no_mail(self):
        address = new_email()
        self.call("register", 202, email=address, password=PASSWORD)
        self.server.kill()
        self.server.restart()
        self.call("verify", 204, token=self.newest_token(address, 1))


class Passwords(MailTest):
    def test_forgotten(self):
        address = self.registered()
        sessions = [log_in(self.server, address) for _ in range(2)]
        known = self.call("password/forgot", 202, email=address.upper())
        unknown = self.call("password/forgot", 202, email=new_email())
        self.assertEqual(known.body, unknown.body)
        old = self.newest_token(address, 2)
        self.call("password/forgot", 202, email=address)
        token = self.newest_token(address, 3)
        self.call("password/reset", 400, "token_invalid", token=old, password=OTHER_PASSWORD)
        self.assert_field(self.call("password/reset", 422, token=token, password=address), "password")
        self.call("verify", 400, "token_invalid", token=token)
        body = {"token": token, "password": OTHER_PASSWORD}
        statuses = in_threads(3, lambda _: self.call("password/reset", (204, 400), **body).status)
        self.assertEqual(sorted(statuses), [204, 400, 400])
        for session in sessions:
            session.call("GET", "/v1/me", expect=401)
        self.call("login", 401, email=address, password=PASSWORD)
        log_in(self.server, address, OTHER_PASSWORD)
        subjects = [subject for subject, _ in self.wait_for_mails(address, 4)]
        self.assertEqual(len(subjects), 4, "the last one says that the password was changed")

    def test_a_reset_verifies_too(self):
        address = new_email()
        self.call("register", 202, email=address, password=PASSWORD)
        self.wait_for_mails(address, 1)
        self.call("password/forgot", 202, email=address)
        token = self.newest_token(address, 2)
        self.call("password/reset", 204, token=token, password=OTHER_PASSWORD)
        log_in(self.server, address, OTHER_PASSWORD)

    def test_staff_are_invited_by_mail(self):
        address = new_email()
        body = {"email": address, "role": "orders"}
        invited = self.admin.call("POST", "/v1/admin/staff", body, expect=201).json()
        self.assertNotIn("invite_token", invited)
        token = self.newest_token(address, 1)
        self.call("password/reset", 204, token=token, password=PASSWORD)
        log_in(self.server, address).call("GET", "/v1/admin/reservations", expect=200)

    def test_who_registers_an_invited_address_gets_nothing(self):
        address = new_email()
        self.admin.call("POST", "/v1/admin/staff", {"email": address, "role": "owner"}, expect=201)
        self.wait_for_mails(address, 1)
        self.call("register", 202, email=address, password=OTHER_PASSWORD)
        _, text = self.wait_for_mails(address, 2)[-1]
        self.assertNotIn("mt_", text)
        self.call("login", 401, email=address, password=OTHER_PASSWORD)


class Addresses(MailTest):
    def change(self, person, wanted, expect=202):
        return person.call("POST", "/v1/me/email", {"email": wanted, "password": PASSWORD}, expect=expect)

    def test_a_new_address_is_verified_first(self):
        old, wanted = self.registered(), new_email()
        ann = log_in(self.server, old)
        self.change(ann, wanted)
        profile = ann.call("GET", "/v1/me", expect=200).json()
        self.assertEqual((profile["email"], profile["new_email"]), (old, wanted))
        log_in(self.server, old)
        token = self.newest_token(wanted, 1)
        self.call("verify", 204, token=token)
        self.call("verify", 400, "token_invalid", token=token)
        self.assertEqual(ann.call("GET", "/v1/me", expect=200).json()["email"], wanted)
        log_in(self.server, wanted)
        self.call("login", 401, email=old, password=PASSWORD)
        _, text = self.wait_for_mails(old, 2)[-1]
        self.assertNotIn(wanted, text, "the new address is masked")
        # The old one is anybody's again.
        self.call("register", 202, email=old, password=PASSWORD)
        self.assertIn("mt_", self.wait_for_mails(old, 3)[-1][1])

    def test_an_address_that_another_took_meanwhile(self):
        wanted = new_email()
        ann, bob = (log_in(self.server, self.registered()) for _ in range(2))
        self.change(ann, wanted)
        first = self.newest_token(wanted, 1)
        self.change(bob, wanted)
        second = self.newest_token(wanted, 2)
        self.call("verify", 204, token=second)
        self.call("verify", 409, "email_taken", token=first)
        self.assertEqual(log_in(self.server, wanted).id, bob.id)

    def test_a_taken_address_is_not_told(self):
        taken = self.registered()
        ann = log_in(self.server, self.registered())
        self.change(ann, taken)
        self.call("verify", 409, "email_taken", token=self.newest_token(taken, 2))
        self.assertEqual(log_in(self.server, taken).email, taken)


class Told(MailTest):
    """What whoever has a stolen session and the password might do is told to the owner."""

    def test_of_a_second_factor(self):
        ann = log_in(self.server, self.registered())
        secret = ann.call("POST", "/v1/me/totp", expect=200).json()["secret"]
        body = {"secret": secret, "code": "000000", "password": PASSWORD}
        ann.call("POST", "/v1/me/totp/confirm", body, expect=422)
        body["code"] = totp(secret, int(time.time()) // 30)
        codes = ann.call("POST", "/v1/me/totp/confirm", body, expect=200).json()["recovery_codes"]
        subject, text = self.wait_for_mails(ann.email, 2)[-1]
        self.assertIn("a second factor was set up", subject)
        self.assertNotIn(secret, text)
        ann.call("DELETE", "/v1/me/totp", {"password": PASSWORD, "code": "000000"}, expect=422)
        ann.call("DELETE", "/v1/me/totp", {"password": PASSWORD, "code": codes[0]}, expect=204)
        subject, _ = self.wait_for_mails(ann.email, 3)[-1]
        self.assertIn("your second factor was taken away", subject)
        self.assertEqual(len(self.mails_to(ann.email)), 3)

    def test_of_a_deletion(self):
        ann = log_in(self.server, self.registered())
        ann.call("DELETE", "/v1/me", {"password": OTHER_PASSWORD}, expect=401)
        ann.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        subject, text = self.wait_for_mails(ann.email, 2)[-1]
        self.assertIn("your account was deleted", subject)
        self.assertNotIn("{{", text)
        self.call("login", 401, email=ann.email, password=PASSWORD)
        # Staff see that it waits (no mail server is configured), but not for whom.
        rows = [row for row in self.admin.pages("/v1/admin/mails") if row["template"] == "account-deleted"]
        self.assertEqual([(row["state"], row["recipient"]) for row in rows], [("waiting", None)])
        self.server.stop()
        self.server.restart()
        replay = f"/v1/admin/mails/{rows[0]['id']}/replay"
        again = lambda: self.admin.call("POST", replay, {}, key=new_key(), expect=(202, 503)).status
        wait_until(lambda: again() == 202, 10, "it is not on its way just now")  # as it is at a start
