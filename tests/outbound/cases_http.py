# SPDX-License-Identifier: Apache-2.0
"""Requests: where they may go, what is taken of an answer, and what a peer can cost us."""
import time

from harness import Driver, HttpServer, RawServer, certificate, own_certificate, scratch


def expect(result, kind, reason, status=None, reached=None):
    assert (result.result, result.reason) == (kind, reason), result
    assert status is None or result.status == status, result
    assert reached is None or result.reached == reached, result


def test_requests_are_sent_as_they_are_given():
    with HttpServer(lambda exchange: exchange.give(201, b"got " + exchange.body)) as web, \
            Driver(private="on") as driver:
        for method, body in (("GET", None), ("POST", b"a=1\0b"), ("POST", b""), ("PUT", b"x" * 100000),
                             ("PATCH", b"{}"), ("DELETE", None)):
            headers = ["X-Id: 7", "Accept: text/plain"]
            result = driver.wait(driver.http(web.url + "/path?q=1", method, body, 200000, headers))
            expect(result, "delivered", "answered", 201, 1)
            assert result.answer == b"got " + (body or b""), method
            sent_method, path, headers, sent = web.requests[-1]
            assert (sent_method, path, sent) == (method, "/path?q=1", body or b""), web.requests[-1]
            assert headers["X-Id"] == "7" and headers["Accept"] == "text/plain", headers
            assert headers["User-Agent"].startswith("Stampede/"), headers
            assert "Content-Type" not in headers and "Expect" not in headers, headers
        result = driver.wait(driver.http(web.url, "POST", b"{}", 100, ["Content-Type: application/json"]))
        assert web.requests[-1][2]["Content-Type"] == "application/json"
        assert driver.metrics()["requests_answered"] == 7


def test_any_status_is_an_answer_and_a_redirect_is_not_followed():
    def answer(exchange):
        status = int(exchange.path[1:])
        exchange.give(status, b"" if status == 204 else b"body", {"Location": "/200", "Retry-After": "17"})

    with HttpServer(answer) as web, Driver(private="on") as driver:
        for status in (200, 204, 301, 302, 307, 400, 401, 404, 429, 500, 503):
            result = driver.wait(driver.http(f"{web.url}/{status}"))
            expect(result, "delivered", "answered", status, 1)
            assert result.retry_after == 17, result
        assert [path for _, path, _, _ in web.requests].count("/200") == 1


PRIVATE = [
    "127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0.0.0.0", "0", "10.0.0.1",
    "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]",
    "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]",
    "[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[2002:7f00:1::1]",
    "[2001::1]", "[100::1]", "[3fff::1]",
]


def test_no_private_address_is_asked():
    with HttpServer(lambda exchange: exchange.give(200)) as web, Driver() as driver:
        tags = {host: driver.http(f"http://{host}:{web.port}/") for host in PRIVATE}
        for host, tag in tags.items():
            result = driver.wait(tag)
            assert result.result == "refused" and result.reason == "private_address", f"{host}: {result}"
            assert result.reached == 0, f"{host}: {result}"
        assert web.requests == []
        assert driver.metrics()["requests_refused"] == len(PRIVATE)


def test_only_http_is_spoken_and_only_as_it_was_meant():
    secret = scratch("files") / "secret"
    secret.write_text("secret")
    with HttpServer(lambda exchange: exchange.give(200)) as web, Driver(private="on") as driver:
        for url in (f"file://{secret}", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "smtp://127.0.0.1/",
                    "dict://127.0.0.1/", "scp://x/", "", "http://", "http://user:word@127.0.0.1/",
                    f"http://me@127.0.0.1:{web.port}/",
                    "http://a b/", "http://127.0.0.1:99999/", "http://127.0.0.1/\x01", "http://[::1/", "x" * 3000):
            expect(driver.wait(driver.http(url)), "refused", "invalid_url", 0, 0)
        for header in ("X-Bad", "X Bad: 1", "X-Bad\x0b: 1", ": x", "X-Bad: a\rX-More: b", "X-" + "a" * 3000 + ": 1"):
            expect(driver.wait(driver.http(web.url, headers=[header])), "refused", "invalid_header", 0, 0)
        expect(driver.wait(driver.http(web.url, headers=["A: b"] * 17)), "refused", "too_many_headers", 0, 0)
        assert web.requests == []


def test_the_environment_names_no_proxy():
    with HttpServer(lambda exchange: exchange.give(200, b"proxy")) as proxy, \
            HttpServer(lambda exchange: exchange.give(200, b"direct")) as web:
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
        environment = {name: proxy.url for name in names}
        with Driver(environment, private="on") as driver:
            assert driver.wait(driver.http(web.url)).answer == b"direct"
        assert proxy.requests == []


def test_a_server_must_prove_who_it_is():
    files = own_certificate()
    with HttpServer(lambda exchange: exchange.give(200, b"safe"), files) as web:
        with Driver(private="on", ca_file=files[0]) as driver:
            assert driver.wait(driver.http(web.url)).answer == b"safe"
            expect(driver.wait(driver.http(web.url.replace("127.0.0.1", "localhost"))), "later", "tls_failed", 0, 0)
        with Driver(private="on", ca_file=certificate("other", "IP:127.0.0.1")[0]) as driver:
            expect(driver.wait(driver.http(web.url)), "later", "tls_failed", 0, 0)
        with Driver(private="on") as driver:
            expect(driver.wait(driver.http(web.url)), "later", "tls_failed", 0, 0)
        assert len(web.requests) == 1


def test_an_answer_is_taken_up_to_its_bound():
    with HttpServer(lambda exchange: exchange.give(200, b"x" * int(exchange.path[1:]))) as web, \
            Driver(private="on") as driver:
        assert len(driver.wait(driver.http(web.url + "/1000", answer_max=1000)).answer) == 1000
        expect(driver.wait(driver.http(web.url + "/1001", answer_max=1000)), "refused", "answer_too_large", 200, 1)
        expect(driver.wait(driver.http(web.url + "/100000000", answer_max=1000)), "refused", "answer_too_large", 200, 1)
        # Whoever wants only the status has it.
        expect(driver.wait(driver.http(web.url + "/100000000", answer_max=0)), "delivered", "answered", 200, 1)
        expect(driver.wait(driver.http(web.url + "/0", answer_max=0)), "delivered", "answered", 200, 1)


def sends(*pieces, pause_s=0):
    def talk(connection):
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause_s)

    return talk


def test_peers_that_misbehave_cost_a_bounded_time_and_memory():
    head = b"HTTP/1.1 200 OK\r\n"
    cases = [
        (sends(b"no HTTP at all\r\n\r\n"), "later", "answer_unreadable"),
        (sends(b""), "later", None),
        (sends(head + b"Content-Length: 10\r\n\r\nabc"), "later", None),
        (sends(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "later", None),
        (sends(head + b"X: " + b"a" * 90000 + b"\r\n\r\n"), "refused", "answer_too_large"),
        (sends(head, *[b"X-%d: y\r\n" % i for i in range(20000)]), "refused", "answer_too_large"),
        (sends(head + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 100, pause_s=0.1), "later", "timeout"),
        (sends(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 400, pause_s=0.01), "later", "timeout"),
        (lambda connection: time.sleep(10), "later", "timeout"),
        (sends(head + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"), "delivered", "answered"),
    ]
    with Driver(private="on") as driver:
        for number, (talk, expected, reason) in enumerate(cases):
            with RawServer(talk) as server:
                started = time.monotonic()
                result = driver.wait(driver.http(f"http://127.0.0.1:{server.port}/", timeout_ms=1500))
                assert result.result == expected, f"case {number}: {result}"
                assert reason is None or result.reason == reason, f"case {number}: {result}"
                assert result.reached == 1 and time.monotonic() - started < 3, f"case {number}: {result}"
        expect(driver.wait(driver.http("http://127.0.0.1:1/")), "later", "no_connection", 0, 0)
        result = driver.wait(driver.http("http://no-such-name.invalid/", timeout_ms=8000))
        expect(result, "later", "name_not_found", 0, 0)


def test_one_host_takes_no_more_than_its_share():
    def answer(exchange):
        time.sleep(0.3)
        exchange.give(200, b"slow")

    with HttpServer(answer) as slow, HttpServer(lambda exchange: exchange.give(200, b"quick")) as quick, \
            Driver(private="on", host_transfers_max=4) as driver:
        tags = [driver.http(slow.url) for _ in range(24)]
        started = time.monotonic()
        assert driver.wait(driver.http(quick.url)).answer == b"quick"
        assert time.monotonic() - started < 0.5, "the other host did not wait"
        for tag in tags:
            expect(driver.wait(tag), "delivered", "answered", 200)
        assert slow.most == 4, slow.most


def test_payments_have_places_of_their_own():
    def answer(exchange):
        time.sleep(0.3)
        exchange.give(200, b"slow")

    with HttpServer(answer) as slow, HttpServer(answer) as gateway, \
            Driver(private="on", jobs_max=8, transfers_max=4, host_transfers_max=4, gateway_url=gateway.url,
                   gateway_jobs_max=9, gateway_transfers_max=3) as driver:
        others = [driver.http(slow.url) for _ in range(9)]
        started = time.monotonic()
        payments = [driver.http(gateway.url) for _ in range(10)]
        expect(driver.wait(payments[0]), "delivered", "answered", 200)
        assert time.monotonic() - started < 0.55, "it did not wait for the other host's"
        results = [driver.wait(tag) for tag in others[:8] + payments[1:9]]
        assert all(result.answer == b"slow" for result in results), results
        assert (slow.most, gateway.most) == (4, 3), (slow.most, gateway.most)
        assert driver.metrics()["jobs_refused"] == 2, "one of each, beyond what may wait"


def test_a_time_out_counts_the_wait_for_a_place():
    def answer(exchange):
        time.sleep(1)
        exchange.give(200)

    with HttpServer(answer) as web, Driver(private="on", host_transfers_max=1) as driver:
        first = driver.http(web.url)
        second = driver.http(web.url, timeout_ms=500)
        result = driver.wait(second)
        expect(result, "later", "timeout", 0, 0)
        assert driver.is_under_way(first), "it ended before the first one did"
        expect(driver.wait(first), "delivered", "answered", 200)
        assert len(web.requests) == 1


def test_it_stops_in_time_with_requests_under_way():
    def answer(exchange):
        time.sleep(5)

    with HttpServer(answer) as web:
        driver = Driver(private="on", drain_ms=1000, host_transfers_max=2)
        tags = [driver.http(web.url) for _ in range(6)]
        while driver.metrics()["jobs_active"] < 2 or len(web.requests) < 2:
            time.sleep(0.02)
        seconds = driver.stop()
        assert driver.process.returncode == 0 and seconds < 1.5, f"{driver.process.returncode} after {seconds:.1f} s"
        reached = sorted(driver.wait(tag, 1).reached for tag in tags)
        assert reached == [0, 0, 0, 0, 1, 1], reached
        for tag in tags:
            expect(driver.wait(tag, 1), "later", "stopping")


def test_a_rush_of_requests_is_answered():
    with HttpServer(lambda exchange: exchange.give(200, exchange.path.encode())) as web, Driver(private="on") as driver:
        for _ in range(5):
            tags = {f"/{i}": driver.http(f"{web.url}/{i}") for i in range(200)}
            for path, tag in tags.items():
                result = driver.wait(tag)
                expect(result, "delivered", "answered", 200, 1)
                assert result.answer == path.encode(), (path, result.answer)
        metrics = driver.metrics()
        assert metrics["requests_answered"] == 1000 and metrics["jobs_waiting"] == metrics["jobs_active"] == 0, metrics
