# SPDX-License-Identifier: Apache-2.0
"""Nothing private is in any file, log or metric; what is erased is gone; what is damaged or swapped is refused."""
import base64
import json
import os
import time

from harness import Client, fresh_path, new_key, run_cli, wait_until
from stored import exchange, files_with, logs, place_of, sealed, sealed_values, wrapped_key
from test_accounts import ADDRESS, OTHER_PASSWORD, PASSWORD, AccountTest, log_in, new_email, register, totp
from test_verification import MailTest

SMALL = ("--ballast-mb", "1")


class Canaries(MailTest):
    more_flags = SMALL

    def canary(self, kind):
        text = f"{kind}{new_key()[:14]}"
        self.words[kind] = text
        return text

    def live(self):
        """Ann's life, with a word of her own for each thing that is nobody else's business."""
        email = f"{self.canary('mailbox')}@{self.canary('domain')}.example"
        password, agent = self.canary("password"), self.canary("agent")
        person = {"email": email, "password": password, "name": self.canary("name")}
        self.call("register", 202, **person)
        self.words["verify token"] = self.newest_token(email, 1)
        self.call("verify", 204, token=self.words["verify token"])
        body = {"email": email, "password": password}
        headers = [("User-Agent", agent)]
        answer = Client(self.server).call("POST", "/v1/auth/login", body, headers=headers, expect=200)
        ann = Client(self.server, token=answer.json()["token"])
        self.words["session"], self.words["csrf"] = ann.token, answer.header("x-csrf-token")
        fields = {"name": "receiver", "line1": "street", "line2": "floor", "city": "city", "phone": "phone",
                  "postal_code": "code"}
        address = {**ADDRESS, **{field: self.canary(kind) for field, kind in fields.items()}}
        made = ann.call("POST", "/v1/me/addresses", address, key=new_key(), expect=201).json()
        ann.call("PUT", f"/v1/me/addresses/{made['id']}", {**address, "region": self.canary("region")}, expect=200)
        ann.call("PATCH", "/v1/me", {"name": self.canary("other name")}, key=new_key(), expect=200)
        begun = ann.call("POST", "/v1/me/totp", expect=200).json()
        self.words["totp"] = begun["secret"]
        self.words["totp bytes"] = base64.b32decode(begun["secret"])
        code = totp(begun["secret"], int(time.time()) // 30)
        body = {"secret": begun["secret"], "code": code, "password": password}
        codes = ann.call("POST", "/v1/me/totp/confirm", body, expect=200).json()["recovery_codes"]
        self.words["recovery code"], self.words["used code"] = codes[:2]
        wanted = f"{self.canary('wanted')}@wanted.example"
        ann.call("POST", "/v1/me/email", {"email": wanted, "password": password}, expect=202)
        self.words["change token"] = self.newest_token(wanted, 1)
        self.call("password/forgot", 202, email=email)
        self.words["reset token"] = self.newest_token(email, 3)  # the second was about the second factor
        self.call("login", 401, email=email, password=self.canary("wrong password"))
        self.call("login", 401, email=f"{self.canary('nobody')}@nobody.example", password=PASSWORD)
        again = {"email": email, "password": password, "code": codes[1]}
        Client(self.server).call("POST", "/v1/auth/login", again, headers=headers, expect=200)
        invited = f"{self.canary('clerk')}@staff.example"
        body = {"email": invited, "role": "orders", "name": self.canary("clerk's name")}
        self.admin.call("POST", "/v1/admin/staff", body, expect=201)
        self.words["invitation"] = self.newest_token(invited, 1)
        self.admin.call("GET", f"/v1/admin/customers?email={email}", expect=200)
        self.admin.call("GET", f"/v1/admin/customers?email={self.canary('asked')}@asked.example", expect=200)
        ann.hold(self.admin.create_sku(2, name=self.public))
        for target in ("/v1/me", "/v1/me/export", "/v1/me/sessions"):
            ann.call("GET", target, expect=200)
        self.assertIn(agent, ann.call("GET", "/v1/me/sessions", expect=200).body.decode())

    def search(self, where, folder=None):
        """Nothing private is there; that the search would see it, what is public shows."""
        folder = folder or self.server.data
        found = files_with(folder, self.public, *self.words.values())
        self.assertIn(self.public, found, f"{where}: the search is blind")
        del found[self.public]
        self.assertEqual(found, {}, where)

    def test_nothing_private_is_in_any_file_log_or_metric(self):
        self.words, self.public = {"admin key": self.server.admin_key}, "Public" + new_key()[:14]
        self.live()
        self.search("while serving")
        told = self.server.anonymous().call("GET", "/metrics", expect=200).body.decode()
        told += json.dumps(self.admin.pages("/v1/admin/audit"))
        backup = fresh_path("backup")
        done = run_cli("backup", backup, "--data", self.server.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.search("in a backup", backup)
        self.assertEqual({"vault.key", "admin.key"} & set(os.listdir(backup)), set())
        told += done.stdout + done.stderr + self.server.output()
        self.server.kill()
        self.search("after kill -9")
        self.server.restart()
        self.search("after a restart")
        told += self.server.output()
        self.server.stop()
        self.search("after a drain")
        told += self.server.output()
        self.server.restart()
        for kind, word in self.words.items():
            self.assertNotIn(str(word), told, kind)


class Erased(AccountTest):
    flags = (*AccountTest.flags, *SMALL)

    def wait_until_scrubbed(self):
        metrics = lambda: self.server.anonymous().call("GET", "/metrics").body.decode()
        wait_until(lambda: "\nstampede_erasures_pending 0\n" in metrics(), 30, "erased keys are gone")

    def erase(self, person):
        person.call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)

    def test_the_key_is_in_no_file(self):
        people = [register(self.server, name="Canary") for _ in range(5)]
        ann, bob, carl, dora, kept = people
        keys = {person.email: wrapped_key(self.server.data, person)[13:] for person in people}
        self.assertEqual(set(files_with(self.server.data, *keys.values())), set(keys.values()))
        before = fresh_path("backup")
        self.assertEqual(run_cli("backup", before, "--data", self.server.data).returncode, 0)
        sku = self.admin.create_sku(5)
        ann.hold(sku)
        self.erase(ann)
        self.erase(bob)
        self.wait_until_scrubbed()
        there = set(files_with(self.server.data, *keys.values()))
        self.assertEqual(there, {keys[person.email] for person in (carl, dora, kept)})
        self.erase(carl)
        self.server.kill()  # before, while or after it is done
        self.server.restart()
        self.wait_until_scrubbed()
        there = set(files_with(self.server.data, *keys.values()))
        self.assertEqual(there, {keys[person.email] for person in (dora, kept)})
        self.erase(dora)
        self.server.stop()
        self.server.restart()
        self.wait_until_scrubbed()
        self.assertEqual(set(files_with(self.server.data, *keys.values())), {keys[kept.email]})
        backup = fresh_path("backup")
        self.assertEqual(run_cli("backup", backup, "--data", self.server.data).returncode, 0)
        self.assertEqual(set(files_with(backup, *keys.values())), {keys[kept.email]})
        self.assertEqual(self.admin.inventory(sku)["reserved"], 1)
        self.assertEqual(log_in(self.server, kept.email).call("GET", "/v1/me").json()["name"], "Canary")


class Damage(AccountTest):
    """The store's files changed by who can write them, with every checksum right: the seal alone tells."""

    flags = (*AccountTest.flags, *SMALL)

    def pair(self):
        people = []
        for _ in range(2):
            email = new_email()
            person = register(self.server, email, name="Canary" + new_key()[:10])
            person.name = person.call("GET", "/v1/me", expect=200).json()["name"]
            street = "Street" + new_key()[:10]
            person.call("POST", "/v1/me/addresses", {**ADDRESS, "line1": street}, expect=201)
            person.street = street
            people.append(person)
        return people

    def change(self, person, old, new):
        self.assertEqual(len(old), len(new))
        log = logs(self.server.data)[-1]
        self.assertGreater(log.change(place_of(person), old, new), 0)
        log.write()

    def swap(self, people, find):
        values = [find(person) for person in people]
        self.assertNotEqual(*values)
        self.change(people[0], values[0], values[1])
        self.change(people[1], values[1], values[0])

    def answers(self, person):
        login = {"email": person.email, "password": PASSWORD}
        client = Client(self.server, token=person.token)
        yield "me", client.call("GET", "/v1/me")
        yield "addresses", client.call("GET", "/v1/me/addresses")
        yield "export", client.call("GET", "/v1/me/export")
        yield "login", Client(self.server).call("POST", "/v1/auth/login", login)

    def test_what_was_swapped_or_flipped_is_refused(self):
        data = self.server.data
        email_of = lambda person: sealed(data, person, len(person.email))
        name_of = lambda person: sealed(data, person, len(person.name))
        names = ("emails", "names", "keys", "keys and emails", "bit", "bit of a key", "rows")
        cases = {name: self.pair() for name in names}
        whole = self.pair()[0]
        self.server.kill()
        self.swap(cases["emails"], email_of)
        self.swap(cases["names"], name_of)
        found = {person: email_of(person) for person in cases["keys and emails"]}
        self.swap(cases["keys"], lambda person: wrapped_key(data, person))
        self.swap(cases["keys and emails"], lambda person: wrapped_key(data, person))
        first, second = cases["keys and emails"]
        self.change(first, found[first], found[second])
        self.change(second, found[second], found[first])
        for person in cases["bit"]:
            value = email_of(person)
            self.change(person, value, value[:20] + bytes((value[20] ^ 1,)) + value[21:])
        for person in cases["bit of a key"]:
            value = wrapped_key(data, person)
            self.change(person, value, value[:40] + bytes((value[40] ^ 0x80,)) + value[41:])
        # A value of the same length from another account's row, in place of one's own: with its own key ID.
        for person, other in (cases["rows"], reversed(cases["rows"])):
            value, strange = name_of(person), email_of(other)
            self.assertEqual(value[0], strange[0])
            self.change(person, value[5:17], strange[5:17])
        self.server.restart()
        profile = whole.call("GET", "/v1/me", expect=200).json()
        self.assertEqual((profile["email"], profile["name"]), (whole.email, whole.name))
        refused = {name: set() for name in cases}
        for name, people in cases.items():
            for person, other in (people, people[::-1]):
                for what, answer in self.answers(person):
                    text = answer.body.decode()
                    for mark in (other.email, other.name, other.street):
                        self.assertNotIn(mark, text, (name, what))
                    self.assertIn(answer.status, (200, 500), (name, what, answer))
                    if answer.status == 500:
                        self.assertEqual(answer.code, "private_data_unreadable")
                        refused[name].add(what)
        for name, calls in refused.items():
            self.assertLessEqual({"me", "export", "login"}, calls, name)
        for name in ("keys", "keys and emails", "bit of a key"):
            self.assertIn("addresses", refused[name])
        self.assertNotIn("canary", self.server.output().lower())

    def test_without_its_key_nothing_is_sealed(self):
        """Neither lost in silence nor the end of the server: refused (test_rotation: what was there stays)."""
        ann = self.pair()[0]
        secret = ann.call("POST", "/v1/me/totp", expect=200).json()["secret"]
        code = totp(secret, int(time.time()) // 30)
        address = ann.call("GET", "/v1/me/addresses", expect=200).json()["data"][0]["id"]
        self.server.kill()
        whole = wrapped_key(self.server.data, ann)
        broken = whole[:40] + bytes((whole[40] ^ 0x80,)) + whole[41:]
        self.change(ann, whole, broken)
        self.server.restart()
        ann.connection = None
        given, wanted = {**ADDRESS, "line1": "Street 9"}, new_email()
        for method, target, body in (
            ("PATCH", "/v1/me", {"name": "Other"}),
            ("POST", "/v1/me/addresses", given),
            ("PUT", f"/v1/me/addresses/{address}", given),
            ("POST", "/v1/me/email", {"email": wanted, "password": PASSWORD}),
            ("POST", "/v1/me/totp/confirm", {"secret": secret, "code": code, "password": PASSWORD}),
        ):
            ann.call(method, target, body, expect=500, code="private_data_unreadable")
        self.assertIn("private_field_damaged", self.server.output())
        self.assertEqual(self.admin.call("GET", f"/v1/admin/customers?email={wanted}", expect=200).json()["data"], [])

    def test_without_its_key_nobody_logs_in_and_no_code_is_spent(self):
        """No session is opened that its owner is not told of."""
        ann = self.pair()[0]
        secret = ann.call("POST", "/v1/me/totp", expect=200).json()["secret"]
        confirm = {"secret": secret, "code": totp(secret, int(time.time()) // 30), "password": PASSWORD}
        codes = ann.call("POST", "/v1/me/totp/confirm", confirm, expect=200).json()["recovery_codes"]
        self.server.kill()
        whole = wrapped_key(self.server.data, ann)
        broken = whole[:40] + bytes((whole[40] ^ 0x80,)) + whole[41:]
        self.change(ann, whole, broken)
        self.server.restart()
        ann.connection = None
        for code in (totp(secret, int(time.time()) // 30 + 1), codes[0]):
            login = {"email": ann.email, "password": PASSWORD, "code": code}
            Client(self.server).call("POST", "/v1/auth/login", login, expect=500, code="private_data_unreadable")
            removal = {"password": PASSWORD, "code": code}
            ann.call("DELETE", "/v1/me/totp", removal, expect=500, code="private_data_unreadable")
        self.assertEqual(len(ann.call("GET", "/v1/me/sessions", expect=200).json()["data"]), 1)
        entries = self.admin.pages(f"/v1/admin/audit?subject={ann.id}")
        self.assertNotIn("recovery_code_used", [entry["act"] for entry in entries])


class Rows(AccountTest):
    """The same within one account: what was sealed for one of its rows opens in none of the others."""

    flags = (*AccountTest.flags, *SMALL)

    def exchange(self, person, length):
        first, second = sealed_values(self.server.data, person, length)
        exchange(self.server.data, person, first, second)

    def with_addresses(self):
        ann = register(self.server)
        streets = ["Street" + new_key()[:10] for _ in range(2)]
        made = [ann.call("POST", "/v1/me/addresses", {**ADDRESS, "line1": street}, expect=201) for street in streets]
        ann.addresses = [answer.json() for answer in made]
        ann.address_length = len(made[0].body) - len('{"id":"adr_00000000000"}')
        return ann

    def with_agents(self):
        ann = register(self.server)
        ann.agents = ["Agent" + new_key()[:10] for _ in range(2)]
        for agent in ann.agents:
            login = {"email": ann.email, "password": PASSWORD}
            Client(self.server).call("POST", "/v1/auth/login", login, headers=[("User-Agent", agent)], expect=200)
        return ann

    def with_mails(self):
        """Two, alike but for the addresses in them."""
        ann = register(self.server)
        for old, new in ((PASSWORD, OTHER_PASSWORD), (OTHER_PASSWORD, PASSWORD)):
            body = {"password": old, "new_password": new}
            ann.call("POST", "/v1/me/password", body, key=new_key(), expect=204)
        self.assertEqual(len(self.mails_of(ann)), 2)
        return ann

    def mails_of(self, person):
        rows = self.admin.pages("/v1/admin/mails")
        return [row for row in rows if row["id"].startswith("mail_" + person.id[4:] + "_")]

    def test_addresses(self):
        swapped, whole = self.with_addresses(), self.with_addresses()
        self.server.kill()
        self.exchange(swapped, swapped.address_length)
        self.server.restart()
        self.assertEqual(whole.pages("/v1/me/addresses"), whole.addresses)
        client, addresses = Client(self.server, token=swapped.token, checked=False), swapped.addresses
        targets = ["", "/" + addresses[0]["id"], "/" + addresses[1]["id"]]
        for target in ["/v1/me/export"] + ["/v1/me/addresses" + target for target in targets]:
            answer = client.call("GET", target, expect=500, code="private_data_unreadable")
            for address in addresses:
                self.assertNotIn(address["line1"], answer.body.decode())
        client.call("GET", "/v1/me", expect=200)
        for address in addresses:  # whose they are can write them anew
            client.call("PUT", f"/v1/me/addresses/{address['id']}", ADDRESS, expect=200)
        client.call("GET", "/v1/me/addresses", expect=200)

    def test_agents_of_sessions(self):
        swapped, whole = self.with_agents(), self.with_agents()
        self.server.kill()
        self.exchange(swapped, len(swapped.agents[0]))
        self.server.restart()
        shown = [session["agent"] for session in whole.call("GET", "/v1/me/sessions", expect=200).json()["data"]]
        self.assertEqual(shown, [None, *whole.agents])
        client = Client(self.server, token=swapped.token, checked=False)
        for target in ("/v1/me/sessions", "/v1/me/export"):
            answer = client.call("GET", target, expect=500, code="private_data_unreadable")
            for agent in swapped.agents:
                self.assertNotIn(agent, answer.body.decode())

    def test_mails(self):
        swapped, whole = self.with_mails(), self.with_mails()
        lengths = [length for length in range(200) if len(sealed_values(self.server.data, swapped, length)) == 2]
        self.server.kill()
        self.assertEqual(len(lengths), 1)
        self.exchange(swapped, lengths[0])
        mails, folder = self.mails_of, fresh_path("mails")
        self.server.flags += ["--mail-dir", folder]
        self.server.restart()
        wait_until(lambda: {row["state"] for row in mails(swapped)} == {"dead"}, 20, "what does not open is refused")
        self.assertEqual({row["recipient"] for row in mails(swapped)}, {None})
        self.assertEqual({row["reason"] for row in mails(swapped)}, {"its contents can't be opened"})
        wait_until(lambda: len(files_with(folder, whole.email).get(whole.email, [])) == 2, 20, "the other's go out")
        self.assertEqual(files_with(folder, swapped.email), {})


class PendingAddress(MailTest):
    """The address that one has and the one that one is to have are two rows; a confirmed one moves."""

    more_flags = SMALL

    def changing(self):
        ann = log_in(self.server, self.registered())
        ann.wanted = new_email()
        ann.call("POST", "/v1/me/email", {"email": ann.wanted, "password": PASSWORD}, key=new_key(), expect=202)
        ann.change = self.newest_token(ann.wanted, 1)
        return ann

    def test_it_does_not_open_in_the_other_s_place(self):
        swapped, whole = self.changing(), self.changing()
        values = sealed_values(self.server.data, swapped, len(swapped.email))
        self.server.kill()
        exchange(self.server.data, swapped, *values)
        self.server.restart()
        client = Client(self.server, token=swapped.token, checked=False)
        client.call("GET", "/v1/me", expect=500, code="private_data_unreadable")
        client.call("POST", "/v1/auth/verify", {"token": swapped.change}, expect=500, code="private_data_unreadable")
        self.assertEqual(whole.call("GET", "/v1/me", expect=200).json()["new_email"], whole.wanted)
        self.call("verify", 204, token=whole.change)
        profile = whole.call("GET", "/v1/me", expect=200).json()
        self.assertEqual((profile["email"], profile["new_email"]), (whole.wanted, None))
