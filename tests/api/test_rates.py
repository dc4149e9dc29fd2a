# SPDX-License-Identifier: Apache-2.0
"""Rate limits, CORS, and being too busy."""
import re
import socket

from harness import ApiTest, Server, wait_until
from wire import Closed, Wire


class RateLimits(ApiTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(rate_limits="on")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_a_caller_past_its_rate_is_told_when_to_come_back(self):
        sku = self.admin.create_sku(stock=100)
        refused = None
        for _ in range(5000):
            response = self.guest.reserve(sku, expect=(201, 409, 429))
            if response.status == 429:
                refused = response
                break
        self.assertIsNotNone(refused, "5,000 reservations in a row were never limited")
        self.assertEqual(refused.code, "rate_limited")
        self.assertRegex(refused.header("retry-after"), r"^[1-9]\d*$")
        self.assertRegex(refused.header("ratelimit-policy"), r'^"[^"]+";\s*q=\d+;\s*w=\d+')
        self.assertRegex(refused.header("ratelimit"), r'^"[^"]+";\s*r=0;\s*t=\d+')
        # What others do is not touched by it.
        self.server.anonymous().call("GET", "/healthz", expect=200)

    def test_answers_within_the_rate_tell_what_is_left(self):
        sku = self.admin.create_sku(stock=10)
        response = self.other_guest().reserve(sku, expect=201)
        self.assertRegex(response.header("ratelimit-policy"), r'^"[^"]+";\s*q=\d+;\s*w=\d+')
        self.assertRegex(response.header("ratelimit"), r'^"[^"]+";\s*r=\d+')


class RateLimitsOff(ApiTest):
    def test_it_is_said_in_the_metrics_and_warned_of(self):
        text = self.guest.call("GET", "/metrics", expect=200).body.decode()
        self.assertRegex(text, r"(?m)^stampede_rate_limits\w*(\{[^}]*\})? 0$")
        self.assertRegex(self.server.output().lower(), r"rate.limit")


class Cors(ApiTest):
    SHOP = "https://shop.example"

    @classmethod
    def setUpClass(cls):
        cls.server = Server(env={"STAMPEDE_CORS_ORIGINS": f"{cls.SHOP},https://other.example"})

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def preflight(self, origin, method="POST", target="/v1/reservations"):
        headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "content-type, idempotency-key, authorization"),
        ]
        return self.server.anonymous().call("OPTIONS", target, headers=headers)

    def test_preflight(self):
        response = self.preflight(self.SHOP)
        self.assertIn(response.status, (200, 204), response)
        self.assertEqual(response.header("access-control-allow-origin"), self.SHOP)
        self.assertIn("POST", response.header("access-control-allow-methods"))
        allowed = response.header("access-control-allow-headers").lower()
        for name in ("content-type", "idempotency-key", "authorization"):
            self.assertIn(name, allowed)
        self.assertIn("origin", (response.header("vary") or "").lower())

    def test_answers_expose_what_clients_need(self):
        for status, target in ((200, "/healthz"), (401, "/v1/reservations"), (404, "/nowhere")):
            with self.subTest(target=target):
                response = self.server.anonymous().call(
                    "GET", target, headers=[("Origin", self.SHOP)], expect=status
                )
                self.assertEqual(response.header("access-control-allow-origin"), self.SHOP)
                exposed = (response.header("access-control-expose-headers") or "").lower()
                for name in (
                    "idempotent-replayed",
                    "x-request-id",
                    "x-session-token",
                    "ratelimit",
                    "ratelimit-policy",
                    "retry-after",
                ):
                    self.assertIn(name, re.split(r",\s*", exposed))

    def test_other_origins_get_nothing(self):
        for origin in ("https://evil.example", "https://shop.example.evil.example", "null", "http://shop.example"):
            with self.subTest(origin=origin):
                response = self.preflight(origin)
                self.assertIsNone(response.header("access-control-allow-origin"))
                response = self.server.anonymous().call("GET", "/healthz", headers=[("Origin", origin)])
                self.assertIsNone(response.header("access-control-allow-origin"))

    def test_without_configuration_there_is_no_cors(self):
        response = self.server.anonymous().call("GET", "/healthz")
        self.assertIsNone(response.header("access-control-allow-origin"))


class Overload(ApiTest):
    """A server that lets few in: what is too much is refused at once, in words."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--shards", "1", env={"STAMPEDE_CONNECTIONS_MAX": "8"})

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_connections_past_the_limit_are_told_and_closed(self):
        self.admin.close()
        self.guest.close()
        inside, refused = [], []
        try:
            for _ in range(40):
                wire = Wire(self.server.address, timeout=5)
                inside.append(wire)
                try:
                    response = wire.request("GET", "/healthz")
                except (Closed, socket.timeout, TimeoutError, OSError):
                    refused.append(None)
                    continue
                if response.status == 503:
                    refused.append(response)
            self.assertGreaterEqual(len(refused), 30)
            told = [response for response in refused if response is not None]
            self.assertGreaterEqual(len(told), 1)
            for response in told:
                self.assertEqual(response.code, "overloaded")
                self.assertRegex(response.header("retry-after"), r"^[1-9]\d*$")
                self.note(response)
        finally:
            for wire in inside:
                wire.close()
        # Room again once they are gone.
        def is_served():
            try:
                with Wire(self.server.address, timeout=5) as wire:
                    return wire.request("GET", "/healthz").status == 200
            except (Closed, OSError):
                return False

        wait_until(is_served, 5, "room again")

    def test_connections_of_one_address_are_bounded(self):
        server = Server("--shards", "1", per_address=3)
        try:
            inside = [Wire(server.address, timeout=5) for _ in range(3)]
            for wire in inside:
                self.assertEqual(wire.request("GET", "/healthz").status, 200)
            with Wire(server.address, timeout=5) as fourth:
                try:
                    self.assertIn(fourth.request("GET", "/healthz").status, (429, 503))
                except (Closed, OSError):
                    pass
                self.assertTrue(fourth.is_closed_within(3))
            for wire in inside:
                self.assertEqual(wire.request("GET", "/healthz").status, 200)
                wire.close()
        finally:
            server.stop()

    def note(self, response):
        from harness import SETTINGS

        if SETTINGS.contract is not None:
            SETTINGS.contract.check_problem("at the door", response)
