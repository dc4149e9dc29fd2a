# SPDX-License-Identifier: Apache-2.0
"""The vault's key is changed while people register, log in, read and go."""
import os
import re
import secrets
import unittest

from harness import Client, Server, wait_until
from test_accounts import ADDRESS, PASSWORD, log_in, register

FLAGS = ("--auth-verify", "off", "--shards", "2")
PEOPLE = 40


def write_keys(server, current, previous=None):
    path = os.path.join(server.data, "vault.key")
    with open(path, "w", encoding="ascii") as handle:
        handle.write(f"current {current}\n" + (f"previous {previous}\n" if previous else ""))


def read_key(server):
    with open(os.path.join(server.data, "vault.key"), encoding="ascii") as handle:
        return re.search(r"(?m)^current ([0-9a-f]{64})$", handle.read()).group(1)


def figure(server, name):
    text = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
    return int(re.search(rf"(?m)^stampede_{name} (-?\d+)$", text).group(1))


class Rotation(unittest.TestCase):
    def setUp(self):
        self.server = Server(*FLAGS)
        self.people = [register(self.server, name=f"Person {i}") for i in range(PEOPLE)]
        for person in self.people[:5]:
            person.call("POST", "/v1/me/addresses", ADDRESS, expect=201)
        self.old = read_key(self.server)
        self.new = secrets.token_hex(32)

    def tearDown(self):
        if self.server.process.poll() is None:
            self.server.stop()

    def serve_with(self, current, previous=None, kill=False):
        self.server.kill() if kill else self.server.stop()
        write_keys(self.server, current, previous)
        self.server.restart()
        for person in self.people:
            person.connection = None

    def wait_until_rotated(self):
        wait_until(lambda: figure(self.server, "vault_keys_previous") == 0, 30, "no key under the previous one")
        wait_until(lambda: '"vault_rotated"' in self.server.stderr(), 10, "the line vault_rotated")

    def assert_all_open(self, gone=()):
        for i, person in enumerate(self.people):
            if i in gone:
                person.call("GET", "/v1/me", expect=401)
                continue
            profile = person.call("GET", "/v1/me", expect=200).json()
            self.assertEqual((profile["email"], profile["name"]), (person.email, f"Person {i}"))
            log_in(self.server, person.email)
            if i < 5:
                self.assertIn(ADDRESS["line1"], person.call("GET", "/v1/me/addresses", expect=200).body.decode())

    def assert_sound(self, note):
        self.server.stop()
        check = self.server.check()
        self.assertEqual(check.returncode, 0, check.stdout)
        self.assertEqual("check: note: " in check.stdout, note, check.stdout)

    def test_people_notice_nothing_and_the_previous_key_can_go(self):
        self.serve_with(self.new, self.old)
        gone = {7, 23, PEOPLE - 1}
        for i in gone:
            self.people[i].call("DELETE", "/v1/me", {"password": PASSWORD}, expect=204)
        self.assert_all_open(gone)
        late = register(self.server)
        self.wait_until_rotated()
        self.assert_all_open(gone)
        self.serve_with(self.new)
        self.assert_all_open(gone)
        late.connection = None
        self.assertEqual(late.call("GET", "/v1/me", expect=200).json()["email"], late.email)
        wait_until(lambda: figure(self.server, "vault_keys_unreadable") == 0, 10, "the count")
        self.assert_sound(note=False)

    def test_a_kill_in_the_middle_loses_nothing(self):
        self.serve_with(self.new, self.old)
        wait_until(lambda: figure(self.server, "vault_keys_rewrapped_total") > 0, 10, "the first ones")
        self.serve_with(self.new, self.old, kill=True)
        self.wait_until_rotated()
        self.serve_with(self.new, kill=True)
        self.assert_all_open()
        self.assert_sound(note=False)

    def test_a_previous_key_that_goes_too_soon_is_told_and_can_come_back(self):
        self.serve_with(self.new, self.old)
        wait_until(lambda: figure(self.server, "vault_keys_rewrapped_total") > 0, 10, "the first ones")
        self.serve_with(self.new, kill=True)
        wait_until(lambda: figure(self.server, "vault_keys_unreadable") >= 0, 10, "the count")
        lost = figure(self.server, "vault_keys_unreadable")
        self.assertLess(lost, PEOPLE)
        clients = [Client(self.server, token=person.token) for person in self.people]
        answers = [client.call("GET", "/v1/me").status for client in clients]
        for client, status in zip(clients, answers):
            if status == 500:  # and nothing takes the place of what cannot be read
                client.call("PATCH", "/v1/me", {"name": "Other"}, expect=500, code="private_data_unreadable")
                client.call("POST", "/v1/me/addresses", ADDRESS, expect=500, code="private_data_unreadable")
        self.assertEqual(answers.count(500), lost, answers)
        self.assertEqual(answers.count(200), PEOPLE - lost, answers)
        if lost > 0:
            wait_until(lambda: '"vault_keys_unreadable"' in self.server.stderr(), 10, "the line")
            self.assertIn('"private_field_damaged"', self.server.stderr())
        self.assert_sound(note=lost > 0)
        write_keys(self.server, self.new, self.old)
        self.server.restart()
        for person in self.people:
            person.connection = None
        self.wait_until_rotated()
        self.assert_all_open()
        self.assert_sound(note=False)


if __name__ == "__main__":
    unittest.main()
