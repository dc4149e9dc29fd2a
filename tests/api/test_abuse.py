# SPDX-License-Identifier: Apache-2.0
"""Rates by caller, address and network in every class, and proofs that a shop demands: ALTCHA, Turnstile, hCaptcha."""
import base64
import hashlib
import http.server
import json
import os
import threading
import time
import unittest
import urllib.parse
from datetime import datetime, timedelta, timezone

from harness import Client, Server, StartFailed, fresh_path, in_threads, new_key
from test_accounts import PASSWORD, new_email

BEHIND_A_PROXY = ("--shards", "1", "--auth-verify", "off", "--trusted-proxies", "127.0.0.1")
# Class, a call of it, whether it has a caller; quotas of caller, address and network, and their window (s).
CLASSES = [
    ("sessions", "POST", "/v1/sessions", None, (0, 60, 240, 60)),
    ("reserve", "POST", "/v1/reservations", "guest", (30, 300, 1200, 10)),
    ("holds", "DELETE", "/v1/reservations/res_nothing", "guest", (60, 600, 2400, 10)),
    ("auth", "POST", "/v1/auth/verify", None, (0, 60, 240, 60)),
    ("auth", "POST", "/v1/auth/logout", "guest", (30, 60, 240, 60)),
    ("challenge", "GET", "/v1/altcha/challenge", None, (0, 120, 480, 60)),
    ("account", "POST", "/v1/me/addresses", "customer", (60, 600, 2400, 60)),
    ("browse", "GET", "/v1/products/nothing", None, (0, 600, 2400, 10)),
    ("admin", "POST", "/v1/admin/products", "admin", (1500, 3000, 12000, 60)),
]


class Addresses:
    """Addresses that no test has used: one each, or several in one network."""

    def __init__(self):
        self.networks = 0

    def network(self, ipv6=False):
        self.networks += 1
        number = self.networks
        if ipv6:
            return lambda host: f"2001:db8:{number:x}:{host:x}::1"
        return lambda host: f"10.{number >> 8}.{number & 255}.{host}"


class Rates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(*BEHIND_A_PROXY, rate_limits="on")
        cls.addresses = Addresses()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def send(self, client, method, path, address, **options):
        # `{` is no JSON: counted, and nothing is done.
        body = b"{" if method == "POST" else None
        return client.call(method, path, body, key=new_key(), headers=[("X-Forwarded-For", address)], **options)

    def person(self, who):
        """A new caller of this kind, made from an address of its own."""
        client = Client(self.server)
        headers = [("X-Forwarded-For", self.addresses.network()(1))]
        if who == "admin":
            client.token = self.server.admin_key
        elif who == "guest":
            client.token = client.call("POST", "/v1/sessions", headers=headers, expect=201).json()["token"]
        elif who == "customer":
            client.email = new_email()
            body = {"email": client.email, "password": PASSWORD}
            answer = client.call("POST", "/v1/auth/register", body, headers=headers, expect=201)
            client.token = answer.json()["token"]
        return client

    def spend(self, client, method, path, addresses, quota, window):
        """Calls until refused; the refusal. What comes back meanwhile may be used too."""
        started = time.monotonic()
        for count in range(3 * quota):
            response = self.send(client, method, path, addresses(count))
            if response.status == 429:
                returned = (time.monotonic() - started) * quota / window
                self.assertGreaterEqual(count, quota - 1)
                self.assertLessEqual(count, quota + returned + 2)
                return response
        self.fail(f"{3 * quota} calls were never limited")

    def assert_limits(self, response, policy, quota, window):
        self.assertEqual(response.code, "rate_limited")
        self.assertIn(f'"{policy}";q={quota};w={window}', response.header("ratelimit-policy"))
        self.assertRegex(response.header("ratelimit"), f'^"{policy}";r=0;t=[1-9]')
        self.assertEqual(response.header("retry-after"), response.header("ratelimit").rsplit("=", 1)[1])

    def test_callers(self):
        for name, method, path, who, (quota, _, _, window) in CLASSES:
            if who is None:
                continue
            with self.subTest(path=path):
                client = self.person(who)
                networks = [self.addresses.network() for _ in range(quota // 20 + 2)]
                response = self.spend(client, method, path, lambda i: networks[i // 20 % len(networks)](1), quota, window)
                self.assert_limits(response, name, quota, window)
                if who != "admin":
                    other = self.send(self.person(who), method, path, networks[0](1))
                    self.assertNotEqual(other.status, 429)

    def test_addresses(self):
        for name, method, path, who, (_, quota, _, window) in CLASSES:
            with self.subTest(path=path):
                network = self.addresses.network()
                client = Client(self.server)  # whoever it is: without a session it counts all the same
                response = self.spend(client, method, path, lambda _: network(1), quota, window)
                self.assert_limits(response, f"{name}-address", quota, window)
                self.assertNotEqual(self.send(client, method, path, network(2)).status, 429)

    def test_networks(self):
        for name, method, path, who, (_, address_quota, quota, window) in CLASSES:
            if quota > 1000:
                continue  # as the others; each would take seconds
            for ipv6 in (False, True):
                with self.subTest(path=path, ipv6=ipv6):
                    network = self.addresses.network(ipv6)
                    client = Client(self.server)
                    step = address_quota - 1
                    response = self.spend(client, method, path, lambda i: network(1 + i // step), quota, window)
                    self.assert_limits(response, f"{name}-network", quota, window)
                    # Who never called is refused with it; the next network is not.
                    self.send(client, method, path, network(200), expect=429)
                    other = self.addresses.network(ipv6)
                    self.assertNotEqual(self.send(client, method, path, other(1)).status, 429)

    def test_who_is_past_its_rate_spends_nothing_of_its_neighbours(self):
        network = self.addresses.network()
        client = Client(self.server)
        for _ in range(500):
            self.send(client, "POST", "/v1/auth/verify", network(1))
        self.assertNotEqual(self.send(client, "POST", "/v1/auth/verify", network(2)).status, 429)

    def test_an_account_counts_over_all_its_sessions(self):
        ann = self.person("customer")
        network = self.addresses.network()
        sessions = [ann]
        for _ in range(2):
            body = {"email": ann.email, "password": PASSWORD}
            answer = Client(self.server).call("POST", "/v1/auth/login", body,
                                              headers=[("X-Forwarded-For", network(1))], expect=200)
            sessions.append(Client(self.server, token=answer.json()["token"]))
        allowed = 0
        for i in range(75):
            allowed += self.send(sessions[i % 3], "POST", "/v1/me/addresses", network(2 + i % 3)).status != 429
        self.assertLessEqual(allowed, 63)
        self.assertGreaterEqual(allowed, 60)

    def test_limits_within_the_rate(self):
        network = self.addresses.network()
        guest = self.person("guest")
        response = self.send(guest, "POST", "/v1/reservations", network(1), expect=400)
        self.assertEqual(response.header("ratelimit-policy"), '"reserve";q=30;w=10, "reserve-address";q=300;w=10')
        self.assertEqual(response.header("ratelimit").split(";t=")[0], '"reserve";r=29')

    def test_logins_are_throttled_and_told(self):
        email = new_email()
        network = self.addresses.network()
        body = {"email": email, "password": "wrong horse battery"}
        before = figure(self.server, "stampede_throttled_total")
        for i in range(11):
            response = Client(self.server).call("POST", "/v1/auth/login", body,
                                                headers=[("X-Forwarded-For", network(1 + i))])
            self.assertEqual(response.status, 401 if i < 10 else 429, response)
        self.assertIn('"login-account-network";q=10;w=300', response.header_all("ratelimit-policy"))
        self.assertEqual(figure(self.server, "stampede_throttled_total"), before + 1)
        self.assertGreaterEqual(figure(self.server, 'stampede_rate_limited_total{class="auth"}'), 1)


class RatesOff(unittest.TestCase):
    def test_nothing_is_limited_and_that_is_told(self):
        server = Server("--shards", "1")
        try:
            client = Client(server)
            for _ in range(300):
                response = client.call("POST", "/v1/auth/verify", {"token": "none"}, expect=400)
            self.assertIsNone(response.header("ratelimit"))
            self.assertEqual(figure(server, "stampede_rate_limits_enabled"), 0)
        finally:
            server.stop()


def figure(server, name):
    text = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
    for line in text.splitlines():
        if line.startswith(name + " "):
            return int(float(line.rsplit(" ", 1)[1]))
    raise AssertionError(f"/metrics has no {name}")


# ---- ALTCHA ----


def solve(challenge):
    """What ALTCHA's widget gives."""
    parameters = challenge["parameters"]
    head = bytes.fromhex(parameters["salt"]) + bytes.fromhex(parameters["nonce"])
    prefix = bytes.fromhex(parameters["keyPrefix"])
    for counter in range(1 << 32):
        key = hashlib.sha256(head + counter.to_bytes(4, "big")).digest()
        for _ in range(parameters["cost"] - 1):
            key = hashlib.sha256(key).digest()
        if key.startswith(prefix):
            break
    solution = {"challenge": challenge, "solution": {"counter": counter, "derivedKey": key.hex()}}
    return base64.b64encode(json.dumps(solution).encode()).decode()


class Altcha(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--shards", "2", "--auth-verify", "off", "--challenge-routes",
                            "register,login=altcha,forgot,reservations")
        cls.sku = cls.server.admin().create_sku(stock=100)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def challenge(self):
        response = Client(self.server).call("GET", "/v1/altcha/challenge", expect=200)
        self.assertIn("no-store", response.header("cache-control"))
        return response.json()

    def register(self, **fields):
        body = {"email": new_email(), "password": PASSWORD, **fields}
        return Client(self.server).call("POST", "/v1/auth/register", body)

    def refused(self, response, detail):
        self.assertEqual((response.status, response.code), (403, "captcha_required"), response)
        self.assertEqual(response.json()["challenge"], "altcha")
        self.assertEqual(response.json()["challenge_url"], "/v1/altcha/challenge")
        self.assertIn(detail, response.json()["detail"])

    def test_demanded_where_configured(self):
        guest = self.server.guest()
        body = {"email": new_email(), "password": PASSWORD}
        for path, wanted in (("/v1/auth/register", body), ("/v1/auth/login", body),
                             ("/v1/auth/password/forgot", {"email": body["email"]})):
            self.refused(Client(self.server).call("POST", path, wanted), "Solve a challenge")
        self.refused(guest.reserve(self.sku), "Solve a challenge")
        Client(self.server).call("POST", "/v1/auth/verify", {"token": "none"}, expect=400, code="token_invalid")

    def test_a_solution_is_good_once(self):
        altcha = solve(self.challenge())
        self.assertEqual(self.register(altcha=altcha).status, 201)
        self.refused(self.register(altcha=altcha), "used before")
        guest = self.server.guest()
        body = {"sku": self.sku, "quantity": 1, "altcha": solve(self.challenge())}
        guest.call("POST", "/v1/reservations", body, key=new_key(), expect=201)
        self.refused(guest.call("POST", "/v1/reservations", body, key=new_key()), "used before")
        body = {"items": [{"sku": self.sku, "quantity": 1}], "altcha": solve(self.challenge())}
        guest.call("POST", "/v1/reservations", body, key=new_key(), expect=201)
        body = {"email": new_email(), "password": PASSWORD, "altcha": solve(self.challenge())}
        Client(self.server).call("POST", "/v1/auth/login", body, expect=401, code="invalid_credentials")

    def test_offered_to_all_shards_at_once_it_is_good_once(self):
        for _ in range(3):
            altcha = solve(self.challenge())
            answers = in_threads(12, lambda _, altcha=altcha: self.register(altcha=altcha).status)
            self.assertEqual(sorted(answers), [201] + 11 * [403])

    def test_what_is_none(self):
        challenge = self.challenge()
        good = solve(challenge)
        later = json.loads(json.dumps(challenge))
        later["parameters"]["expiresAt"] += 1000
        cheap = json.loads(json.dumps(challenge))
        cheap["parameters"]["keyPrefix"] = "00"
        wrong = json.loads(base64.b64decode(good))
        wrong["solution"]["counter"] += 1
        wrong = base64.b64encode(json.dumps(wrong).encode()).decode()
        for altcha, detail in ((solve(later), "not of this server"), (solve(cheap), "not of this server"),
                               (wrong, "not solved"), ("x", "not what"), ("", "not what"),
                               (good + "A" * 2048, "not what"), (None, "string"), (7, "string"), ([], "string")):
            with self.subTest(detail=detail):
                self.refused(self.register(altcha=altcha), detail)
        self.assertEqual(self.register(altcha=good).status, 201)

    def test_nothing_else_is_let_in_with_it(self):
        response = self.register(altcha=solve(self.challenge()), role="owner")
        self.assertEqual(response.status, 422)
        self.assertEqual([error["field"] for error in response.json()["errors"]], ["role"])
        ann = Client(self.server)
        answer = self.register(altcha=solve(self.challenge()))
        ann.token = answer.json()["token"]
        response = ann.call("PATCH", "/v1/me", {"name": "Ann", "altcha": "x"}, expect=422)
        self.assertEqual([error["field"] for error in response.json()["errors"]], ["altcha"])

    def test_figures(self):
        before = [figure(self.server, name) for name in FIGURES]
        self.register()
        self.register(altcha="x")
        self.register(altcha=solve(self.challenge()))
        after = [figure(self.server, name) for name in FIGURES]
        self.assertTrue(all(b > a for a, b in zip(before, after)), (before, after))
        figure(self.server, "stampede_workers_queued")
        figure(self.server, "stampede_workers_refused_total")


FIGURES = (
    "stampede_altcha_challenges_total",
    'stampede_challenges_total{result="solved"}',
    'stampede_challenges_total{result="missing"}',
    'stampede_challenges_total{result="refused"}',
    'stampede_refusals_total{code="captcha_required"}',
)


class AltchaElsewhere(unittest.TestCase):
    def test_by_default_no_call_demands_it_and_it_may_come_along(self):
        server = Server("--shards", "1", "--auth-verify", "off")
        try:
            altcha = solve(Client(server).call("GET", "/v1/altcha/challenge", expect=200).json())
            body = {"email": new_email(), "password": PASSWORD, "altcha": altcha}
            Client(server).call("POST", "/v1/auth/register", body, expect=201)
            Client(server).call("POST", "/v1/sessions", {"altcha": altcha}, expect=201)
            Client(server).call("POST", "/v1/sessions", {"other": altcha}, expect=422)
        finally:
            server.stop()

    def test_cost_and_restart(self):
        server = Server("--shards", "2", "--challenge-routes", "sessions", "--altcha-cost", "3")
        try:
            challenge = Client(server).call("GET", "/v1/altcha/challenge", expect=200).json()
            self.assertEqual(challenge["parameters"]["cost"], 3)
            altcha = solve(challenge)
            server.stop()
            server.restart()
            Client(server).call("POST", "/v1/sessions", expect=403, code="captcha_required")
            response = Client(server).call("POST", "/v1/sessions", {"altcha": altcha}, expect=403)
            self.assertIn("not of this server", response.json()["detail"])
            altcha = solve(Client(server).call("GET", "/v1/altcha/challenge", expect=200).json())
            Client(server).call("POST", "/v1/sessions", {"altcha": altcha}, expect=201)
        finally:
            server.stop()

    def test_options_that_are_none(self):
        for flags, text in ((("--challenge-routes", "everything"), "challenge_routes"),
                            (("--challenge-routes", "login=magic"), "challenge_routes"),
                            (("--challenge-routes", "login=turnstile"), "captcha_secret_file"),
                            (("--challenge-routes", "login=turnstile,register=hcaptcha"), "challenge_routes"),
                            (("--captcha-verify-url", "nowhere"), "captcha_verify_url")):
            with self.assertRaises(StartFailed) as caught:
                Server(*flags)
            self.assertIn(text, str(caught.exception))


# ---- Turnstile and hCaptcha ----


class Service:
    """Answers siteverify as Turnstile and hCaptcha document it; a token is good once. `slow` and `down` are tokens."""

    def __init__(self):
        service = self
        self.forms = []
        self.used = set()
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                status, answer = service.answer(form)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except BrokenPipeError:
                    pass  # who asked has given up

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/siteverify"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, form):
        token = form.get("response", [""])[0]
        with self.lock:
            self.forms.append(form)
            is_new = token not in self.used
            self.used.add(token)
        if form.get("secret") != ["s3cret"]:
            return 200, {"success": False, "error-codes": ["invalid-input-secret"]}
        if token == "down":
            return 500, {}
        if token.startswith("slow"):
            time.sleep(1 if token.startswith("slow-1") else 8)
        if not token.startswith(("good", "slow")):
            return 200, {"success": False, "error-codes": ["invalid-input-response"]}
        if not is_new:
            return 200, {"success": False, "error-codes": ["timeout-or-duplicate"]}
        hostname = "evil.test" if "evil" in token else "shop.test"
        solved = datetime.now(timezone.utc) - timedelta(seconds=2)
        return 200, {"success": True, "challenge_ts": solved.strftime("%Y-%m-%dT%H:%M:%S.096Z"), "hostname": hostname,
                     "error-codes": [], "action": "", "cdata": ""}

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Captcha(unittest.TestCase):
    mode = "turnstile"

    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.server = cls.serve(cls.service.url, "s3cret")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.service.close()

    @classmethod
    def serve(cls, url, secret):
        path = fresh_path("secret")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as handle:
            handle.write(secret + "\n")
        return Server("--shards", "2", "--auth-verify", "off", "--challenge-routes",
                      f"register={cls.mode},reservations={cls.mode},login=altcha", "--captcha-secret-file", path,
                      "--captcha-verify-url", url, "--captcha-hostname", "shop.test", "--outbound-private", "on")

    def register(self, server=None, **fields):
        body = {"email": new_email(), "password": PASSWORD, **fields}
        return Client(server or self.server).call("POST", "/v1/auth/register", body)

    def refused(self, response):
        self.assertEqual((response.status, response.code), (403, "captcha_required"), response)
        self.assertEqual(response.json()["challenge"], self.mode)
        self.assertNotIn("challenge_url", response.json())

    def test_what_the_service_says_counts(self):
        self.refused(self.register())
        self.refused(self.register(captcha="bad"))
        self.refused(self.register(captcha=""))
        self.refused(self.register(captcha=7))
        self.refused(self.register(altcha="good"))
        self.refused(self.register(captcha="good-from-evil"))
        token = f"good-{new_key()}"
        self.assertEqual(self.register(captcha=token).status, 201)
        self.refused(self.register(captcha=token))
        form = next(form for form in self.service.forms if form["response"] == [token])
        self.assertEqual(form, {"secret": ["s3cret"], "response": [token], "remoteip": ["127.0.0.1"]})

    def test_a_reservation_is_made_once(self):
        sku = self.server.admin().create_sku(stock=5)
        guest = self.server.guest()
        body = {"sku": sku, "quantity": 1, "captcha": f"slow-1-{new_key()}"}
        guest.call("POST", "/v1/reservations", body, key=new_key(), expect=201)
        self.assertEqual(guest.available(sku), 4)
        self.refused(guest.call("POST", "/v1/reservations", body, key=new_key()))

    def test_while_the_service_thinks_others_are_served(self):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.register(captcha=f"slow-1-{new_key()}")))
        thread.start()
        time.sleep(0.2)
        started = time.monotonic()
        for _ in range(20):
            Client(self.server).call("GET", "/healthz", expect=200)
        self.assertLess(time.monotonic() - started, 0.7)
        thread.join()
        self.assertEqual(answers[0].status, 201)

    def test_no_answer_is_no(self):
        before = figure(self.server, 'stampede_challenges_total{result="unavailable"}')
        response = self.register(captcha="down")
        self.assertEqual((response.status, response.code), (503, "overloaded"), response)
        self.assertRegex(response.header("retry-after"), r"^\d+$")
        started = time.monotonic()
        response = self.register(captcha=f"slow-8-{new_key()}")
        self.assertEqual((response.status, response.code), (503, "overloaded"), response)
        self.assertLess(time.monotonic() - started, 7.5)
        self.assertEqual(figure(self.server, 'stampede_challenges_total{result="unavailable"}'), before + 2)

    def test_a_client_that_goes_leaves_nothing(self):
        wire = self.server.wire()
        body = json.dumps({"email": new_email(), "password": PASSWORD, "captcha": f"slow-1-{new_key()}"}).encode()
        wire.send(b"POST /v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body) + body)
        time.sleep(0.3)
        wire.close()
        time.sleep(1.2)
        self.assertEqual(self.register(captcha=f"good-{new_key()}").status, 201)

    def test_nobody_there_and_a_wrong_secret(self):
        for url, secret in (("http://127.0.0.1:1/", "s3cret"), (self.service.url, "other")):
            server = self.serve(url, secret)
            try:
                response = self.register(server, captcha="good-whatever")
                self.assertEqual((response.status, response.code), (503, "overloaded"), response)
                self.assertNotIn(secret, server.output())
            finally:
                server.stop()


class HCaptcha(Captcha):
    mode = "hcaptcha"
