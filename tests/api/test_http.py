# SPDX-License-Identifier: Apache-2.0
"""The HTTP edge, by raw bytes: malformed, smuggled, oversized, slow, pipelined."""
import socket
import time

from harness import ApiTest, Client, in_threads
from wire import Closed, render

HOST = b"Host: shop.example\r\n"
POST = b"POST /v1/sessions HTTP/1.1\r\n" + HOST
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
# Follows a request that must be refused: if it is answered, the refusal left the connection open to smuggling.
SMUGGLED = b"GET /readyz HTTP/1.1\r\nHost: shop.example\r\n\r\n"

# Each is refused with 4xx or 5xx and the connection closed; what follows is not served.
REFUSED = {
    # Framing: two readings of where a body ends.
    "length, then chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two different lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "length list": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "length with plus": POST + b"Content-Length: +2\r\n\r\n{}",
    "negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "empty length": POST + b"Content-Length: \r\n\r\n",
    "length past 64 bits": POST + b"Content-Length: 18446744073709551618\r\n\r\n{}",
    "length of eleven digits": POST + b"Content-Length: 00000000002\r\n\r\n{}",
    "length with a letter": POST + b"Content-Length: 2a\r\n\r\n{}",
    "length with inner space": POST + b"Content-Length: 2 0\r\n\r\n{}",
    "length folded": POST + b"Content-Length:\r\n 2\r\n\r\n{}",
    "space before colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked listed twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity, chunked": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "coding on HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "body on GET": GET + b"Content-Length: 2\r\n\r\n{}",
    "chunked body on GET": GET + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "body on DELETE": b"DELETE /v1/reservations/res_x HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}",
    # Chunks.
    "chunk extension": CHUNKED + b"2;a=b\r\n{}\r\n0\r\n\r\n",
    "chunk extension with LF": CHUNKED + b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "chunk extension with CR": CHUNKED + b"2;a\rb\r\n{}\r\n0\r\n\r\n",
    "chunk size ended by LF": CHUNKED + b"2\n{}\r\n0\r\n\r\n",
    "chunk data ended by LF": CHUNKED + b"2\r\n{}\n0\r\n\r\n",
    "chunk data not ended": CHUNKED + b"2\r\n{}0\r\n\r\n",
    "chunk size 0x2": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "chunk size with space": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
    "chunk size negative": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "chunk size past 64 bits": CHUNKED + b"10000000000000002\r\n{}\r\n0\r\n\r\n",
    "chunk size of nine digits": CHUNKED + b"000000002\r\n{}\r\n0\r\n\r\n",
    # Line ends, folding, names.
    "bare LF after the request line": b"GET /healthz HTTP/1.1\n" + HOST + b"\r\n",
    "bare LF after a header": GET + b"X: a\nY: b\r\n\r\n",
    "bare LF at the end": GET + b"\n",
    "bare CR in a value": GET + b"X: a\rb\r\n\r\n",
    "CR CR LF": b"GET /healthz HTTP/1.1\r\nHost: a\r\r\n\r\n",
    "NUL in a value": GET + b"X: a\x00b\r\n\r\n",
    "control sign in a value": GET + b"X: a\x07b\r\n\r\n",
    "NUL in a name": GET + b"X\x00: a\r\n\r\n",
    "folded header": GET + b"X: a\r\n b\r\n\r\n",
    "space before the first header": b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n",
    "header without colon": GET + b"foo\r\n\r\n",
    "empty name": GET + b": x\r\n\r\n",
    "brackets in a name": GET + b"X[]: x\r\n\r\n",
    "five leading line ends": b"\r\n" * 5 + GET + b"\r\n",
    # The request line.
    "two spaces": b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "tabs": b"GET\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case method": b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "unknown method": b"BREW /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "TRACE": b"TRACE /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT shop.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "PURGE": b"PURGE /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "RTSP": b"SETUP rtsp://shop.example RTSP/1.0\r\n" + HOST + b"\r\n",
    "ICE": b"SOURCE / ICE/1.0\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/9.9": b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n",
    "no version number": b"GET /healthz HTTP/\r\n" + HOST + b"\r\n",
    "raw UTF-8 in the path": b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the path": b"GET /health\x00z HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment in the target": b"GET /healthz#x HTTP/1.1\r\n" + HOST + b"\r\n",
    "no slash": b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "nonsense": b"\x00" * 256,
    # Whom it is for.
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: other.example\r\n\r\n",
    "Host with a path": b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host with a user": b"GET /healthz HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "Host with a space": b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
    "Host against an absolute target": b"GET http://one.example/healthz HTTP/1.1\r\nHost: two.example\r\n\r\n",
    # Headers that count once.
    "two Content-Types": POST
    + b"Content-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    "two Authorizations": POST
    + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 0\r\n\r\n",
    "two Idempotency-Keys": POST
    + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 0\r\n\r\n",
    # Leaving HTTP.
    "Upgrade with a body": POST
    + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\n{}",
    "Upgrade to h2c": GET
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    "Expect something": POST + b"Expect: a-miracle\r\nContent-Length: 2\r\n\r\n{}",
    # Limits.
    "request line of 9 KB": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "one header of 17 KB": GET + b"X: " + b"a" * 17000 + b"\r\n\r\n",
    "headers of 17 KB together": GET
    + b"".join(b"X-%d: %s\r\n" % (index, b"a" * 500) for index in range(34))
    + b"\r\n",
    "65 headers": GET + b"".join(b"X-%d: a\r\n" % index for index in range(65)) + b"\r\n",
    "length of 1 MB": POST
    + b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    + b" " * 1000,
    "chunks of 100 KB together": CHUNKED + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 25 + b"0\r\n\r\n",
}

# Each is well-formed; exactly one answer, with this status, and the connection stays usable.
SERVED = {
    "plain": (GET + b"\r\n", 200),
    "one leading line end": (b"\r\n" + GET + b"\r\n", 200),
    "absolute target": (b"GET http://shop.example/healthz HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "header names in any case": (b"GET /healthz HTTP/1.1\r\nhOsT: a\r\n\r\n", 200),
    "spaces around a value": (b"GET /healthz HTTP/1.1\r\nHost:   a  \r\n\r\n", 200),
    "64 headers": (GET + b"".join(b"X-%d: a\r\n" % index for index in range(63)) + b"\r\n", 200),
    "long query": (b"GET /healthz?" + b"a" * 7000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "empty length on GET": (GET + b"Content-Length: 0\r\n\r\n", 200),
    "chunked body": (CHUNKED + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 201),
    "chunk size in capitals and zeros": (CHUNKED + b"00A\r\n{        }\r\n0\r\n\r\n", 201),
    "expects 100-continue": (
        POST + b"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        201,
    ),
    "percent-encoded NUL": (b"GET /v1/skus/a%00b/availability HTTP/1.1\r\n" + HOST + b"\r\n", None),
    "bad percent-encoding": (b"GET /v1/skus/a%zzb/availability HTTP/1.1\r\n" + HOST + b"\r\n", None),
    "dots in the path": (b"GET /problems/../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404),
}


def answers_until_close(wire, seconds):
    """All answers on a connection, and whether the server closed it within the time."""
    answers = []
    wire.socket.settimeout(seconds)
    try:
        while True:
            answers.append(wire.read_response())
    except Closed:
        return answers, True
    except (socket.timeout, TimeoutError):
        return answers, False


class Malformed(ApiTest):
    def refuse(self, payload, pieces=None):
        with self.server.wire() as wire:
            try:
                for piece in pieces or [payload]:
                    wire.send(piece)
                    if pieces:
                        time.sleep(0.001)
            except Closed:
                pass  # refused before all was sent
            answers, closed = answers_until_close(wire, 5)
        self.assertTrue(closed, f"the connection stays open after {answers}")
        self.assertLessEqual(len(answers), 1, answers)
        if answers:
            self.assertGreaterEqual(answers[0].status, 400, answers[0])
            self.assertEqual(answers[0].header("connection"), "close", answers[0].headers)
        return answers

    def test_refused_and_closed(self):
        """A body left unread may turn the close into a reset that loses the answer; most must be told why."""
        told = 0
        for name, payload in REFUSED.items():
            with self.subTest(name):
                told += len(self.refuse(payload + SMUGGLED))
        self.assertGreaterEqual(told, len(REFUSED) * 9 // 10)

    def test_refused_when_it_comes_in_two_pieces(self):
        def work(index):
            cases = list(REFUSED.items())[index::8]
            for name, payload in cases:
                cut = len(payload) // 2
                try:
                    self.refuse(payload, pieces=[payload[:cut], payload[cut:] + SMUGGLED])
                except AssertionError as error:
                    raise AssertionError(f"{name}: {error}") from error

        in_threads(8, work)

    def test_refusals_are_problem_documents(self):
        for name, status, code in (
            ("no Host", 400, "malformed_request"),
            ("body on GET", 400, "malformed_request"),
            ("request line of 9 KB", 414, "uri_too_long"),
            ("65 headers", 431, "headers_too_large"),
            ("headers of 17 KB together", 431, "headers_too_large"),
            ("length of 1 MB", 413, "payload_too_large"),
            ("chunks of 100 KB together", 413, "payload_too_large"),
            ("unknown method", 400, "malformed_request"),
            ("TRACE", 501, "not_implemented"),
            ("gzip, chunked", 501, "not_implemented"),
            ("Upgrade with a body", 501, "not_implemented"),
            ("Expect something", 417, "expectation_failed"),
            ("HTTP/2.0", 505, "http_version_not_supported"),
        ):
            with self.subTest(name):
                answers = self.refuse(REFUSED[name])
                self.assertEqual(len(answers), 1)
                answer = answers[0]
                if name == "unknown method":  # the parser knows no such method: either reading will do
                    self.assertIn(answer.status, (400, 501))
                    continue
                self.assertEqual((answer.status, answer.code), (status, code))
                Client(self.server)
                self.check_against_contract(answer)

    def check_against_contract(self, answer):
        from harness import SETTINGS

        if SETTINGS.contract is not None:
            SETTINGS.contract.check("GET", "/any", answer)

    def test_served(self):
        for name, (payload, status) in SERVED.items():
            with self.subTest(name), self.server.wire() as wire:
                wire.send(payload)
                answer = wire.read_response()
                if status is None:
                    self.assertIn(answer.status, (400, 404, 422), answer)
                    continue
                self.assertEqual(answer.status, status, answer)
                self.assertEqual(wire.request("GET", "/readyz").status, 200)

    def test_continue_comes_before_the_body(self):
        with self.server.wire() as wire:
            head = b"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            wire.send(POST + head)
            self.assertTrue(wire.socket.recv(100).startswith(b"HTTP/1.1 100 "))
            wire.send(b"{}")
            self.assertEqual(wire.read_response().status, 201)

    def test_trailers_do_not_become_headers(self):
        with self.server.wire() as wire:
            wire.send(CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 5\r\nAuthorization: x\r\n\r\n" + SMUGGLED)
            answers, _ = answers_until_close(wire, 2)
        self.assertIn(len(answers), (1, 2), answers)
        if len(answers) == 2:
            self.assertEqual([answer.status for answer in answers], [201, 200])
        else:
            self.assertGreaterEqual(answers[0].status, 400)

    def test_nothing_is_served_after_connection_close(self):
        with self.server.wire() as wire:
            wire.send(GET + b"Connection: close\r\n\r\n" + SMUGGLED)
            answers, closed = answers_until_close(wire, 5)
        self.assertEqual(([a.status for a in answers], closed), ([200], True))

    def test_http_1_0_is_served_and_closed(self):
        with self.server.wire() as wire:
            wire.send(b"GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n")
            answers, closed = answers_until_close(wire, 5)
        self.assertEqual(([a.status for a in answers], closed), ([200], True))

    def test_head_sends_no_body(self):
        with self.server.wire() as wire:
            wire.send(render("HEAD", "/healthz") + render("GET", "/readyz"))
            head = wire.read_response(head_only=True)
            self.assertEqual(head.status, 200)
            self.assertEqual(wire.read_response().json()["status"], "ready")

    def test_a_client_that_half_closes_gets_its_answer(self):
        with self.server.wire() as wire:
            wire.send(GET + b"\r\n")
            wire.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(wire.read_response().status, 200)

    def test_clients_that_vanish_do_no_harm(self):
        sku = self.admin.create_sku(stock=100)
        body = b'{"sku":"%s","quantity":1}' % sku.encode()
        for index in range(60):
            headers = [
                ("Authorization", f"Bearer {self.guest.token}"),
                ("Idempotency-Key", f"vanish-{index}"),
                ("Content-Type", "application/json"),
            ]
            wire = self.server.wire()
            wire.send(render("POST", "/v1/reservations", headers, body))
            if index % 2:  # reset instead of a close in good order
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            wire.close()
        # Each had its effect or none; asking again by its key settles it.
        for index in range(60):
            self.guest.reserve(sku, key=f"vanish-{index}", expect=201)
        self.assertEqual(self.admin.inventory(sku)["reserved"], 60)


class Pipelining(ApiTest):
    def test_a_hundred_requests_are_answered_in_order(self):
        skus = [self.admin.create_sku(stock=index) for index in range(10)]
        wanted = [skus[index % 10] for index in range(100)]
        with self.server.wire() as wire:
            wire.send(b"".join(render("GET", f"/v1/skus/{sku}/availability") for sku in wanted))
            answers = [wire.read_response() for _ in wanted]
        self.assertEqual([answer.json()["sku"] for answer in answers], wanted)

    def test_fast_answers_wait_for_slow_ones(self):
        """Writes wait for the disk, refusals and reads do not: still each answer in its place."""
        sku = self.admin.create_sku(stock=50)
        body = b'{"sku":"%s","quantity":1}' % sku.encode()
        requests, statuses = [], []
        for index in range(90):
            if index % 3 == 0:
                headers = [
                    ("Authorization", f"Bearer {self.guest.token}"),
                    ("Idempotency-Key", f"pipelined-{sku}-{index}"),
                    ("Content-Type", "application/json"),
                ]
                requests.append(render("POST", "/v1/reservations", headers, body))
                statuses.append(201)
            elif index % 3 == 1:
                requests.append(render("GET", "/no-such-path"))
                statuses.append(404)
            else:
                requests.append(render("GET", "/healthz"))
                statuses.append(200)
        with self.server.wire() as wire:
            wire.send(b"".join(requests))
            answers = [wire.read_response() for _ in requests]
        self.assertEqual([answer.status for answer in answers], statuses)

    def test_thousands_on_one_connection(self):
        with self.server.wire() as wire:
            for _ in range(100):
                wire.send(render("GET", "/healthz") * 30)
                for _ in range(30):
                    self.assertEqual(wire.read_response().status, 200)

    def test_byte_by_byte(self):
        sku = self.admin.create_sku(stock=5)
        body = b'{"sku":"%s","quantity":1}' % sku.encode()
        headers = [
            ("Authorization", f"Bearer {self.guest.token}"),
            ("Idempotency-Key", f"bytes-{sku}"),
            ("Content-Type", "application/json"),
        ]
        request = render("POST", "/v1/reservations", headers, body) + render("GET", "/healthz")
        with self.server.wire() as wire:
            for index in range(len(request)):
                wire.send(request[index : index + 1])
            self.assertEqual(wire.read_response().status, 201)
            self.assertEqual(wire.read_response().status, 200)

    def test_cut_at_every_place(self):
        chunked = b"2\r\n{}\r\n0\r\n\r\n"
        request = CHUNKED + chunked + render("GET", "/healthz")
        with self.server.wire() as wire:
            for cut in range(1, len(request)):
                wire.send(request[:cut])
                if cut % 4 == 0:
                    time.sleep(0.0005)
                wire.send(request[cut:])
                self.assertEqual(wire.read_response().status, 201, cut)
                self.assertEqual(wire.read_response().status, 200, cut)

    def test_a_client_that_does_not_read_does_not_stall_others(self):
        """It asks for far more than fits into the buffers between; the server stops reading it, not serving."""
        with self.server.wire() as greedy:
            greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.socket.settimeout(1.0)
            burst = render("GET", "/openapi.json") * 50
            try:
                for _ in range(200):
                    greedy.socket.sendall(burst)
            except (socket.timeout, TimeoutError, ConnectionError):
                pass
            started = time.monotonic()
            for _ in range(50):
                self.guest.call("GET", "/healthz", expect=200)
            self.assertLess(time.monotonic() - started, 5)


class Slow(ApiTest):
    """Deadlines of the edge. Each test waits for its own; the class starts early."""

    slow = True

    def test_slow_clients_are_closed_and_others_served(self):
        def unfinished_head():
            wire = self.server.wire()
            wire.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            return wire

        cases = {
            "head stops": (unfinished_head, None),
            "head drips": (unfinished_head, b"a"),
            "nothing but a line end": (lambda: self.opened(b"\r\n"), None),
            "body stops": (lambda: self.opened(POST + b"Content-Length: 2000\r\n\r\n"), None),
            "body drips": (lambda: self.opened(POST + b"Content-Length: 2000\r\n\r\n"), b" "),
            "chunk stops": (lambda: self.opened(CHUNKED + b"5\r\n{"), None),
        }
        names = list(cases)

        def work(index):
            opener, drip = cases[names[index]]
            wire = opener()
            started = time.monotonic()
            try:
                while time.monotonic() - started < 25:
                    if drip is None:
                        if wire.is_closed_within(25):
                            return time.monotonic() - started
                    else:
                        wire.send(drip)
                        if wire.is_closed_within(0.3):
                            return time.monotonic() - started
            except Closed:
                return time.monotonic() - started
            finally:
                wire.close()
            return None

        waited = in_threads(len(names), work)
        for name, seconds in zip(names, waited):
            with self.subTest(name):
                self.assertIsNotNone(seconds, "never closed")
                self.assertGreater(seconds, 0.5, "given no time at all")

    def opened(self, data):
        wire = self.server.wire()
        wire.send(data)
        return wire

    def test_slow_head_is_told_408_or_closed(self):
        with self.server.wire(timeout=20) as wire:
            wire.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            answers, closed = answers_until_close(wire, 20)
        self.assertTrue(closed)
        for answer in answers:
            self.assertEqual((answer.status, answer.code), (408, "request_timeout"))
            from harness import SETTINGS

            if SETTINGS.contract is not None:
                SETTINGS.contract.check("GET", "/healthz", answer)

    def test_two_hundred_idlers_leave_the_door_open(self):
        idlers = []
        try:
            for _ in range(200):
                wire = self.server.wire()
                wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Wait: ")
                idlers.append(wire)
            started = time.monotonic()
            for _ in range(20):
                self.other_guest()
            self.assertLess(time.monotonic() - started, 5)
        finally:
            for wire in idlers:
                wire.close()
