# SPDX-License-Identifier: Apache-2.0
"""The outbox: mails of accounts reach a real mail server, also when it was down, or the server died in between."""
import contextlib
import email
import email.policy
import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request

from harness import Exim, RawServer, Settings, own_certificate, scratch, wait_for

PASSWORD = "correct horse battery staple"
PUBLIC_URL = "https://shop.test"


class Shop:
    """`stampede serve` with a mail server; its data folder outlives it."""

    def __init__(self, smtp_url, *flags):
        self.data = scratch("shop") / "data"
        self.flags = ["--smtp-url", smtp_url, "--mail-from", "shop@shop.test", "--public-url", PUBLIC_URL,
                      "--outbound-ca-file", own_certificate()[0], *flags]
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def start(self):
        self.process = subprocess.Popen(
            [Settings.server, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--shards", "2", "--holds-max", "1024",
             "--ballast-mb", "1", "--rate-limits", "off", *map(str, self.flags)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("ready "), line
        self.url = line.split()[1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        assert self.process.returncode == 0, self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()

    def call(self, method, path, body=None, token=None, expect=None, headers=None):
        headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        data = None
        if body is not None:
            headers["Content-Type"], data = "application/json", json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            status, text = answer.code, answer.read()
        assert expect is None or status == expect, f"{method} {path}: {status} {text}"
        return json.loads(text) if text.startswith(b"{") else text.decode()

    def staff(self, method, path, expect=None):
        return self.call(method, path, None, (self.data / "admin.key").read_text().strip(), expect)

    def mails(self, query=""):
        return self.staff("GET", "/v1/admin/mails" + query, expect=200)

    def register(self, address="ann@shop.test"):
        self.call("POST", "/v1/auth/register", {"email": address, "password": PASSWORD}, expect=202)

    def metric(self, name):
        return int(re.search(rf"^stampede_{name} (\d+)$", self.staff("GET", "/metrics"), re.M)[1])


def tokens_of(message):
    """Of the links in it, in both of its parts."""
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    return {token for part in parsed.iter_parts() for token in re.findall(r"#token=([\w-]+)", part.get_content())}


def header(message, name):
    return email.message_from_bytes(message, policy=email.policy.default)[name]


def test_a_registration_is_verified_by_the_link_in_its_mail():
    with Exim() as exim, Shop(exim.url) as shop:
        shop.register()
        message = exim.wait_for_mails(1)[0]
        text = email.message_from_bytes(message, policy=email.policy.default).get_body(("plain",)).get_content()
        assert f"{PUBLIC_URL}/account/verify#token=mt_" in text and "24 hours" in text, text
        tokens = tokens_of(message)
        assert len(tokens) == 1 and header(message, "Envelope-to") == "ann@shop.test"
        log_in = {"email": "ann@shop.test", "password": PASSWORD}
        shop.call("POST", "/v1/auth/login", log_in, expect=403)
        shop.call("POST", "/v1/auth/verify", {"token": tokens.pop()})
        shop.call("POST", "/v1/auth/login", log_in, expect=200)
        wait_for("end of the mail", lambda: shop.metric("mails_waiting") == 0 and not shop.mails()["data"])
        assert shop.metric("mails_delivered_total") == 1 and len(exim.mails()) == 1


def test_a_mail_server_that_was_down_gets_the_mail_when_it_is_back():
    with Exim() as exim, Shop(exim.url) as shop:
        exim.kill()
        shop.register()
        row = wait_for("failed attempt", lambda: [row for row in shop.mails()["data"] if row["attempts"] == 1])[0]
        assert row["state"] == "waiting" and row["template"] == "verify-email" and row["reason"], row
        assert row["recipient"] == "a***@s***.test" and row["next_attempt_at"] > row["created_at"], row
        assert shop.metric("mails_waiting") == 1 and shop.metric("mails_retried_total") == 1
        shop.stop()
        exim.start()
        shop.start()
        assert [row["attempts"] for row in shop.mails("?state=waiting")["data"]] == [1]
        assert not shop.mails("?state=dead")["data"]
        shop.staff("POST", f"/v1/admin/mails/{row['id']}/replay", expect=202)
        message = exim.wait_for_mails(1)[0]
        assert row["message_id"] in header(message, "Message-ID"), (row, header(message, "Message-ID"))
        wait_for("end of the mail", lambda: not shop.mails()["data"])
        shop.staff("POST", f"/v1/admin/mails/{row['id']}/replay", expect=404)


def test_a_refused_mail_is_a_dead_letter_that_staff_send_again():
    with Exim() as exim, Shop(exim.url) as shop:
        shop.register("nobody@shop.test")
        row = wait_for("dead letter", lambda: shop.mails("?state=dead")["data"])[0]
        assert row["next_attempt_at"] is None and shop.metric("mails_dead") == 1, row
        shop.stop()
        shop.start()
        wait_for("count of dead letters", lambda: shop.metric("mails_dead") == 1)
        assert not shop.mails("?state=waiting")["data"]
        shop.staff("POST", f"/v1/admin/mails/{row['id']}/replay", expect=202)
        wait_for("second refusal", lambda: shop.metric("mails_given_up_total") == 1 and shop.metric("mails_dead") == 1)
        assert not exim.mails()


def test_without_a_mail_server_mails_wait_and_are_seen():
    folder = scratch("mails")
    shop = Shop("smtp://127.0.0.1:1", "--mail-dir", folder)
    shop.flags = shop.flags[4:]  # no mail server
    with shop:
        shop.register()
        wait_for("file", lambda: list(folder.glob("*.eml")))
        page = shop.mails()
        assert page["mail_server"] is False and [row["attempts"] for row in page["data"]] == [0], page
        assert tokens_of(next(folder.glob("*.eml")).read_bytes())
        assert next(folder.glob("*.eml")).stem == page["data"][0]["message_id"]


class DeadlyServer(RawServer):
    """A mail server that takes a mail, and calls `on_mail` before it says so."""

    def __init__(self, on_mail):
        self.messages, self.on_mail = [], on_mail
        super().__init__(self._serve)

    def _serve(self, connection):
        lines = connection.makefile("rb")
        connection.sendall(b"220 mx.shop.test ESMTP\r\n")
        for line in lines:
            word = line[:4].upper()
            if word == b"DATA":
                connection.sendall(b"354 go on\r\n")
                self.messages.append(b"".join(iter(lines.readline, b".\r\n")))
                self.on_mail()
            elif word == b"QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            connection.sendall(b"250 ok\r\n")


def test_a_server_killed_before_it_recorded_a_delivery_sends_the_same_mail_again():
    killed = threading.Event()
    shop = None

    def on_mail():
        if not killed.is_set():
            os.kill(shop.process.pid, signal.SIGKILL)
            killed.set()

    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(DeadlyServer(on_mail))
        shop = Shop(f"smtp://127.0.0.1:{peer.port}", "--smtp-starttls", "off")
        shop.start()
        stack.callback(lambda: shop.process.poll() is None and shop.stop())
        shop.register()
        assert killed.wait(30), "the mail never came"
        shop.process.wait(30)
        shop.start()
        wait_for("second copy", lambda: len(peer.messages) >= 2)
        wait_for("end of the mail", lambda: not shop.mails()["data"])
        first, second = (header(message, "Message-ID") for message in peer.messages[:2])
        assert first == second and peer.messages[0] == peer.messages[1], (first, second)
        shop.stop()
        shop.start()
        assert not shop.mails()["data"] and len(peer.messages) == 2


def test_an_erased_account_gets_the_mail_that_says_so_and_no_other():
    with Exim() as exim:
        exim.kill()
        with Shop(exim.url, "--auth-verify", "off") as shop:
            made = shop.call("POST", "/v1/auth/register", {"email": "ann@shop.test", "password": PASSWORD}, expect=201)
            shop.call("POST", "/v1/auth/password/forgot", {"email": "ann@shop.test"})
            row = wait_for("failed attempt", lambda: [row for row in shop.mails()["data"] if row["attempts"] == 1])[0]
            shop.call("DELETE", "/v1/me", {"password": PASSWORD}, made["token"], expect=204)
            assert all(row["recipient"] is None for row in shop.mails()["data"])
            exim.start()
            shop.staff("POST", f"/v1/admin/mails/{row['id']}/replay", expect=404)
            last = wait_for("the last one", lambda: [row for row in shop.mails()["data"] if row["attempts"] == 1])[0]
            assert last["template"] == "account-deleted", last
            shop.staff("POST", f"/v1/admin/mails/{last['id']}/replay", expect=202)
            wait_for("end of the mail", lambda: not shop.mails()["data"])
            (mail,) = exim.wait_for_mails(1)
            assert "your account was deleted" in header(mail, "Subject"), mail
            wait_for("end of its key", lambda: shop.metric("erasures_pending") == 0)
            shop.staff("POST", f"/v1/admin/mails/{last['id']}/replay", expect=404)


def test_a_server_that_stops_loses_no_mail():
    people = [f"person{i}@shop.test" for i in range(6)] + ["slow@shop.test"]
    with Exim() as exim, Shop(exim.url, "--drain-ms", "2000") as shop:
        for address in people:
            shop.register(address)
        wait_for("all but the slow one", lambda: shop.metric("mails_delivered_total") == len(people) - 1)
        shop.stop()
        shop.start()
        rows = shop.mails()["data"]
        assert [row["attempts"] for row in rows] == [0], rows  # our own stop is no attempt
        wait_for("all mails", lambda: {header(mail, "Envelope-to") for mail in exim.mails()} == set(people))
        wait_for("end of the mails", lambda: not shop.mails()["data"])


# ---- orders --------------------------------------------------------------------------------------------------------

def pay_for_an_order(shop):
    """By a guest, in the sandbox; its ID. The confirmation may go without an answer."""
    key = (shop.data / "admin.key").read_text().strip()
    shop.call("POST", "/v1/admin/products", {
        "id": "shoe", "name": "Shoe <42>", "price_minor": 1500, "currency": "JPY",
        "variants": [{"sku": "SHOE", "options": {}, "stock": 9}]}, key, 201)
    guest = shop.call("POST", "/v1/sessions", token=None, expect=201)["token"]
    shop.call("POST", "/v1/cart/items", {"sku": "SHOE", "quantity": 2}, guest, 200)
    address = {"name": "Bob", "line1": "Lane 1", "city": "Bern", "postal_code": "3000", "country": "CH"}
    order = shop.call("POST", "/v1/checkout", {
        "email": "ann@shop.test", "shipping_method": "shm_1", "payment": {"provider": "sandbox"},
        "shipping_address": address}, guest, 201, {"Idempotency-Key": "one"})["id"]
    with contextlib.suppress(OSError):
        shop.call("POST", "/v1/payments/confirm", {"order_id": order, "payment_method": "pm_card_visa"}, guest)
    return order


def test_a_paid_order_is_confirmed_by_a_mail():
    with Exim() as exim, Shop(exim.url) as shop:
        order = pay_for_an_order(shop)
        message = exim.wait_for_mails(1)[0]
        parsed = email.message_from_bytes(message, policy=email.policy.default)
        text, html = (parsed.get_body((kind,)).get_content() for kind in ("plain", "html"))
        assert order in parsed["Subject"] and header(message, "Envelope-to") == "ann@shop.test"
        assert "2 x Shoe <42>" in text and "3000 JPY" in text and f"{PUBLIC_URL}/orders/{order}?token=" in text, text
        assert "Shoe &lt;42&gt;" in html, html
        wait_for("end of the mail", lambda: shop.metric("order_mails_waiting") == 0)
        assert shop.metric("order_mails_delivered_total") == 1 and len(exim.mails()) == 1


def test_a_server_killed_before_it_recorded_an_order_s_mail_sends_the_same_again():
    killed = threading.Event()
    shop = None

    def on_mail():
        if not killed.is_set():
            os.kill(shop.process.pid, signal.SIGKILL)
            killed.set()

    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(DeadlyServer(on_mail))
        shop = Shop(f"smtp://127.0.0.1:{peer.port}", "--smtp-starttls", "off")
        shop.start()
        stack.callback(lambda: shop.process.poll() is None and shop.stop())
        pay_for_an_order(shop)
        assert killed.wait(30), "the mail never came"
        shop.process.wait(30)
        shop.start()
        wait_for("second copy", lambda: len(peer.messages) >= 2)
        wait_for("end of the mail", lambda: shop.metric("order_mails_waiting") == 0)
        assert peer.messages[0] == peer.messages[1], "the same bytes: Message-ID and Date among them"
        shop.stop()
        shop.start()
        assert shop.metric("order_mails_waiting") == 0 and len(peer.messages) == 2
