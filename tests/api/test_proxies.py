# SPDX-License-Identifier: Apache-2.0
"""For whom a proxy asks: its word counts where it is a trusted one, and nobody else's does."""
import re

from harness import ApiTest, Server

SPOOFS = (
    ("X-Forwarded-For", "203.0.113.{0}"),
    ("X-Forwarded-For", "203.0.113.{0}, 10.0.0.1"),
    ("X-Forwarded-For", "[2001:db8:{0}::1]:443"),
    ("Forwarded", "for=203.0.113.{0};proto=https"),
    ("X-Real-IP", "203.0.113.{0}"),
    ("True-Client-IP", "203.0.113.{0}"),
    ("CF-Connecting-IP", "203.0.113.{0}"),
    ("X_Forwarded_For", "203.0.113.{0}"),
)


def left_of(client, *headers):
    """What is left to the caller's address of a rate that goes by address: RateLimit's `r`."""
    response = client.call("POST", "/v1/sessions", headers=headers, expect=201)
    found = re.search(r'"sessions-address";r=(\d+)', response.header("ratelimit") or "")
    if found is None:
        raise AssertionError(f"no rate of the address: {response.headers}")
    return int(found[1])


def left_after_ten(client, *headers):
    """The same after ten calls: a slow machine may get some of them back meanwhile, one a second."""
    for _ in range(9):
        left_of(client, *headers)
    return left_of(client, *headers)


class Untrusted(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--trusted-proxies", "10.0.0.0/8,::1", rate_limits="on")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_what_others_say_changes_nothing(self):
        client = self.server.anonymous()
        first = left_of(client)
        for number, (name, value) in enumerate(SPOOFS * 4):
            left = left_of(client, (name, value.format(number)))
            self.assertLess(left, first, f"{name}: {value} is taken for another address")
        self.assertLess(left, first - 15)


class Trusted(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--trusted-proxies", "127.0.0.0/8,10.0.0.0/8", rate_limits="on")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_each_client_has_a_rate_of_its_own(self):
        client = self.server.anonymous()
        full = left_of(client, ("X-Forwarded-For", "198.51.100.1"))
        self.assertEqual(left_of(client, ("X-Forwarded-For", "198.51.100.2")), full)
        self.assertEqual(left_of(client, ("X-Forwarded-For", "198.51.100.3, 10.1.1.1")), full)
        left = left_after_ten(client, ("X-Forwarded-For", "198.51.100.1:4711"))
        self.assertLess(left, full - 4)
        # What the client has put in front of it does not help.
        again = left_after_ten(client, ("X-Forwarded-For", "192.0.2.77, 198.51.100.1"))
        self.assertLess(again, left - 4)

    def test_a_client_refused_by_its_rate_is_not_let_in_by_a_header(self):
        client = self.server.anonymous()
        me = ("X-Forwarded-For", "198.51.100.200")
        for headers in (
            [me],
            [("X-Forwarded-For", "192.0.2.5, 198.51.100.200")],
            [me, ("Forwarded", "for=192.0.2.9")],
            [me, ("X-Real-IP", "192.0.2.9")],
        ):
            statuses = [
                client.call("POST", "/v1/sessions", headers=headers, expect=(201, 429)).status
                for _ in range(70)
            ]
            # One a second comes back.
            self.assertGreater(statuses.count(429), 5 if headers == [me] else 40)
        left_of(client, ("X-Forwarded-For", "198.51.100.201"))


class Standard(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(
            "--trusted-proxies", "127.0.0.1", "--forwarded", "standard", rate_limits="on"
        )

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_only_the_header_that_was_configured_counts(self):
        client = self.server.anonymous()
        full = left_of(client, ("Forwarded", "for=198.51.100.1"))
        self.assertEqual(left_of(client, ("Forwarded", 'for="[2001:db8::1]:80"')), full)
        left = left_after_ten(client, ("Forwarded", "for=198.51.100.1;proto=https"))
        self.assertLess(left, full - 4)
        own = left_of(client)
        self.assertLess(left_after_ten(client, ("X-Forwarded-For", "198.51.100.9")), own - 4)
