# SPDX-License-Identifier: Apache-2.0
"""Guessing passwords: what it tells, by time too, and what it does to those whose password is guessed."""
import math
import random
import time

from harness import Client
from test_accounts import PASSWORD, AccountTest, new_email, register


def rank_sum_z(first, second):
    """The Mann-Whitney test's z: how far from chance one sample lies above the other."""
    ranked = sorted((value, index) for index, sample in enumerate((first, second)) for value in sample)
    rank_sum = sum(rank for rank, (_, index) in enumerate(ranked, 1) if index == 0)
    sizes = len(first), len(second)
    expected = sizes[0] * (sum(sizes) + 1) / 2
    deviation = math.sqrt(sizes[0] * sizes[1] * (sum(sizes) + 1) / 12)
    return (rank_sum - expected) / deviation


class Timing(AccountTest):
    """Whether an address has an account cannot be told from how long its refusal takes."""

    only_full = True
    ROUNDS, ATTEMPTS = 100, 3

    def time_of(self, client, email):
        body = {"email": email, "password": PASSWORD + "?"}
        started = time.perf_counter()
        client.call("POST", "/v1/auth/login", body, expect=401, code="invalid_credentials")
        return time.perf_counter() - started

    def z_of(self, known, unknown):
        """By turns in a random order, so that whatever else the machine does befalls both alike."""
        client, times = Client(self.server, checked=False), ([], [])
        for index in range(self.ROUNDS):
            both = [(0, random.choice(known)), (1, unknown(index))]
            random.shuffle(both)
            for side, email in both:
                times[side].append(self.time_of(client, email))
        client.close()
        return rank_sum_z(*times)

    def test_the_statistic_sees_a_difference(self):
        chance = random.Random(7)
        quick = [0.040 + chance.gauss(0, 0.004) for _ in range(self.ROUNDS)]
        slow = [0.043 + chance.gauss(0, 0.004) for _ in range(self.ROUNDS)]
        same = [0.040 + chance.gauss(0, 0.004) for _ in range(self.ROUNDS)]
        self.assertGreater(abs(rank_sum_z(quick, slow)), 3.3)
        self.assertLess(abs(rank_sum_z(quick, same)), 3.3)

    def test_known_and_unknown_addresses_take_as_long(self):
        known = [register(self.server).email for _ in range(8)]
        unknown = [new_email() for _ in range(self.ROUNDS)]
        # By chance alone |z| exceeds 3.3 once in a thousand times; three times in a row is no chance.
        seen = []
        for _ in range(self.ATTEMPTS):
            seen.append(self.z_of(known, lambda index: unknown[index]))
            if abs(seen[-1]) < 3.3:
                return
        self.fail(f"logins of known addresses can be told by their time: z = {seen}")


class Lockout(AccountTest):
    """An attacker's guesses stop the attacker, not the shopper."""

    # Each shard counts by itself.
    flags = ("--auth-verify", "off", "--shards", "1", "--trusted-proxies", "127.0.0.1/32")
    rate_limits = "on"

    def guess(self, email, address, password=PASSWORD + "?"):
        headers = [("X-Forwarded-For", address)]
        body = {"email": email, "password": password}
        return Client(self.server).call("POST", "/v1/auth/login", body, headers=headers)

    def registered(self):
        headers = [("X-Forwarded-For", "192.0.2.1")]
        body = {"email": new_email(), "password": PASSWORD}
        answer = Client(self.server).call("POST", "/v1/auth/register", body, headers=headers, expect=201)
        ann = Client(self.server, token=answer.json()["token"])
        ann.email = body["email"]
        return ann

    def test_from_one_network_nobody_elsewhere_is_locked_out(self):
        ann = self.registered()
        statuses = [self.guess(ann.email, f"198.51.100.{index}").status for index in range(40)]
        self.assertEqual(statuses, [401] * 10 + [429] * 30)
        self.assertEqual(self.guess(ann.email, "203.0.113.9", PASSWORD).status, 200)

    def test_from_many_networks_the_wait_is_short_and_sessions_go_on(self):
        ann = self.registered()
        statuses = [self.guess(ann.email, f"10.{index}.{index}.1").status for index in range(110)]
        self.assertGreaterEqual(statuses.count(401), 100)
        refused = self.guess(ann.email, "203.0.113.9", PASSWORD)
        self.assertEqual((refused.status, refused.code), (429, "rate_limited"))
        self.assertLessEqual(int(refused.header("retry-after")), 60)
        headers = [("X-Forwarded-For", "203.0.113.9")]
        ann.call("GET", "/v1/me", headers=headers, expect=200)
        self.assertEqual(self.guess(new_email(), "203.0.113.9").status, 401)
