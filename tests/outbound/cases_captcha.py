# SPDX-License-Identifier: Apache-2.0
"""The captcha adapter against the answers that Turnstile and hCaptcha document: fails closed."""
import json
import time
import urllib.parse
from datetime import datetime, timedelta, timezone

from harness import Driver, HttpServer


def stamp(seconds=0, form="%Y-%m-%dT%H:%M:%S.096Z"):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime(form)


def turnstile(**changes):
    answer = {"success": True, "challenge_ts": stamp(-10), "hostname": "shop.test", "error-codes": [],
              "action": "register", "cdata": "", "metadata": {"ephemeral_id": "x:9f78e0ed210960d7693b167e"}}
    answer.update(changes)
    return {name: value for name, value in answer.items() if value is not None}


def hcaptcha(**changes):
    answer = {"success": True, "challenge_ts": stamp(-10, "%Y-%m-%dT%H:%M:%S.000000Z"), "hostname": "shop.test",
              "credit": False}
    answer.update(changes)
    return answer


def refusal(*codes):
    return {"success": False, "error-codes": list(codes), "messages": []}


# name, answer (an object, or bytes), status, action asked for, verdict, reason
CASES = [
    ("turnstile", turnstile(), 200, "register", "passed", "passed"),
    ("hcaptcha", hcaptcha(), 200, "", "passed", "passed"),
    ("with an offset", hcaptcha(challenge_ts=stamp(7200 - 10, "%Y-%m-%dT%H:%M:%S+02:00")), 200, "", "passed", "passed"),
    ("host in capitals", turnstile(hostname="Shop.Test"), 200, "register", "passed", "passed"),
    ("another host", turnstile(hostname="evil.test"), 200, "register", "failed", "other_hostname"),
    ("a longer host", turnstile(hostname="shop.test.evil"), 200, "register", "failed", "other_hostname"),
    ("no host", turnstile(hostname=None), 200, "register", "failed", "other_hostname"),
    ("another action", turnstile(action="login"), 200, "register", "failed", "other_action"),
    ("no action", hcaptcha(), 200, "register", "failed", "other_action"),
    ("old", turnstile(challenge_ts=stamp(-301)), 200, "register", "failed", "not_fresh"),
    ("still good", turnstile(challenge_ts=stamp(-280)), 200, "register", "passed", "passed"),
    ("from the future", turnstile(challenge_ts=stamp(120)), 200, "register", "failed", "not_fresh"),
    ("no time", turnstile(challenge_ts=None), 200, "register", "failed", "not_fresh"),
    ("a time that is none", turnstile(challenge_ts="yesterday"), 200, "register", "failed", "not_fresh"),
    ("a time with more", turnstile(challenge_ts=stamp(-10) + "x"), 200, "register", "failed", "not_fresh"),
    ("a local time", turnstile(challenge_ts=stamp(-10)[:19]), 200, "register", "failed", "not_fresh"),
    ("success as a text", turnstile(success="true"), 200, "register", "unavailable", "answer_unreadable"),
    ("success as a number", turnstile(success=1), 200, "register", "unavailable", "answer_unreadable"),
    ("no success", turnstile(success=None), 200, "register", "unavailable", "answer_unreadable"),
    ("used twice", refusal("timeout-or-duplicate"), 200, "", "failed", "used_or_expired"),
    ("used twice at hcaptcha", refusal("already-seen-response"), 200, "", "failed", "used_or_expired"),
    ("expired at hcaptcha", refusal("expired-input-response"), 200, "", "failed", "used_or_expired"),
    ("a bad token", refusal("invalid-input-response"), 200, "", "failed", "token_refused"),
    ("a bad token, no codes", {"success": False}, 200, "", "failed", "token_refused"),
    ("our secret is wrong", refusal("invalid-input-secret"), 200, "", "unavailable", "secret_refused"),
    ("our secret is missing", refusal("missing-input-secret"), 400, "", "unavailable", "secret_refused"),
    ("not our site", refusal("sitekey-secret-mismatch"), 200, "", "unavailable", "secret_refused"),
    ("their own error", refusal("internal-error"), 200, "", "unavailable", "service_failed"),
    ("yes, but with 400", turnstile(), 400, "register", "unavailable", "answer_unreadable"),
    ("yes, but with 500", turnstile(), 500, "register", "unavailable", "service_failed"),
    ("a redirect", turnstile(), 302, "register", "unavailable", "service_failed"),
    ("a page", b"<html>success: true</html>", 200, "", "unavailable", "answer_unreadable"),
    ("an array", b"[true]", 200, "", "unavailable", "answer_unreadable"),
    ("nothing", b"", 200, "", "unavailable", "answer_unreadable"),
    ("cut", json.dumps(turnstile()).encode()[:-1], 200, "register", "unavailable", "answer_unreadable"),
    ("too large", json.dumps(turnstile(cdata="x" * 9000)).encode(), 200, "register", "unavailable", "answer_too_large"),
]


def test_what_the_services_answer():
    current = {}

    def answer(exchange):
        body = current["answer"]
        exchange.give(current["status"], body if isinstance(body, bytes) else json.dumps(body).encode(),
                      {"Content-Type": "application/json"})

    with HttpServer(answer) as service, Driver(private="on") as driver:
        for name, body, status, action, verdict, reason in CASES:
            current.update(answer=body, status=status)
            tag = driver.send("captcha", service.url + "/siteverify", "s&cret=1", "shop.test", action, "t+k n/%=&",
                              "192.0.2.7")
            assert driver.fields(tag)[:2] == [verdict, reason], f"{name}: {driver.fields(tag)}"
        method, path, headers, sent = service.requests[0]
        assert (method, path, headers["Content-Type"]) == ("POST", "/siteverify", "application/x-www-form-urlencoded")
        assert urllib.parse.parse_qs(sent.decode(), strict_parsing=True) == {
            "secret": ["s&cret=1"], "response": ["t+k n/%=&"], "remoteip": ["192.0.2.7"]}, sent


def test_no_answer_is_no():
    def answer(exchange):
        time.sleep(8)

    with HttpServer(answer) as service, Driver(private="on") as driver:
        started = time.monotonic()
        tag = driver.send("captcha", service.url, "s", "", "", "token", "192.0.2.7")
        assert driver.fields(tag)[:2] == ["unavailable", "timeout"] and 4.5 < time.monotonic() - started < 6
        tag = driver.send("captcha", "http://127.0.0.1:1/", "s", "", "", "token", "192.0.2.7")
        assert driver.fields(tag)[:2] == ["unavailable", "no_connection"]
        for token in ("", "x" * 8193):
            tag = driver.send("captcha", service.url, "s", "", "", token, "192.0.2.7")
            assert driver.fields(tag)[0] == "refused_at_once", driver.fields(tag)
    with Driver() as driver:
        tag = driver.send("captcha", "http://127.0.0.1:1/", "s", "", "", "token", "192.0.2.7")
        assert driver.fields(tag)[:2] == ["unavailable", "private_address"]
