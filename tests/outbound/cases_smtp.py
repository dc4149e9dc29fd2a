# SPDX-License-Identifier: Apache-2.0
"""Mails to a real mail server: what it takes, refuses, defers, and what happens when it dies."""
import email
import email.policy
import os
import stat
import time

from harness import PASSWORD, Driver, Exim, HttpServer, RawServer, certificate, own_certificate, scratch, wait_for


def options(exim, **more):
    return {"smtp_url": exim.url, "ca_file": own_certificate()[0], "smtp_user": "shop", "smtp_password": PASSWORD,
            **more}


def message(subject="hello", identity="m1", body="Hello."):
    return f"Subject: {subject}\r\nMessage-ID: <{identity}@shop.test>\r\n\r\n{body}\r\n".encode()


def expect(result, kind, reason, status=None, reached=None):
    assert (result.result, result.reason) == (kind, reason), result
    assert status is None or result.status == status, result
    assert reached is None or result.reached == reached, result


def test_a_mail_is_delivered_over_starttls_with_a_log_in():
    with Exim() as exim, Driver(**options(exim)) as driver:
        tag = driver.order("verify-email", "out_01ABC", "Jorg+x@shop.test", valid_for="60 minutes",
                           link="https://shop.test/verify#token")
        expect(driver.wait(tag), "delivered", "delivered", 250, 1)
        parsed = email.message_from_bytes(exim.wait_for_mails(1)[0], policy=email.policy.default)
        assert parsed["Message-ID"] == "<out_01ABC@shop.test>" and parsed["Return-path"] == "<shop@shop.test>"
        assert parsed["Envelope-to"] == "Jorg+x@shop.test" and parsed["Auto-Submitted"] == "auto-generated"
        assert parsed["From"].addresses[0].display_name == "Caf\u00e9 Aurora"
        assert parsed["Subject"] == "Caf\u00e9 Aurora: confirm your e-mail address", parsed["Subject"]
        assert " with esmtpsa " in parsed["Received"].replace("\n", " "), parsed["Received"]
        text, html = [part.get_content() for part in parsed.iter_parts()]
        assert "https://shop.test/verify#token" in text and 'href="https://shop.test/verify#token"' in html
        metrics = driver.metrics()
        assert metrics["mails_delivered"] == 1 and metrics["jobs_active"] == metrics["jobs_waiting"] == 0, metrics


def test_a_mail_is_delivered_over_tls_from_the_first_byte():
    with Exim() as exim, Driver(**options(exim, smtp_url=f"smtps://127.0.0.1:{exim.tls_port}")) as driver:
        expect(driver.wait(driver.mail()), "delivered", "delivered")
        assert b"esmtpsa" in exim.wait_for_mails(1)[0]


def test_a_mail_goes_in_clear_only_where_that_is_asked_for():
    with Exim(tls=False) as exim:
        with Driver(smtp_url=exim.url) as driver:
            expect(driver.wait(driver.mail()), "later", "tls_failed", reached=0)
        assert exim.mails() == []
        with Driver(smtp_url=exim.url, starttls="off") as driver:
            expect(driver.wait(driver.mail()), "delivered", "delivered")
        exim.wait_for_mails(1)


def test_a_mail_server_must_prove_who_it_is():
    with Exim() as exim:
        with Driver(**options(exim, ca_file=certificate("other", "IP:127.0.0.1")[0])) as driver:
            expect(driver.wait(driver.mail()), "later", "tls_failed", reached=0)
        with Driver(smtp_url=exim.url) as driver:
            expect(driver.wait(driver.mail()), "later", "tls_failed", reached=0)
        # The certificate is the address's, not the name's.
        with Driver(**options(exim, smtp_url=f"smtp://localhost:{exim.port}")) as driver:
            expect(driver.wait(driver.mail()), "later", "tls_failed", reached=0)
        assert exim.mails() == []


def test_a_refused_log_in_costs_no_mail():
    with Exim() as exim:
        with Driver(**options(exim, smtp_password="wrong")) as driver:
            expect(driver.wait(driver.mail()), "later", "login_denied", 535, 0)
            assert driver.metrics()["mails_later"] == 1
        assert exim.mails() == []


def test_greylisting_is_tried_again_and_the_mail_is_the_same():
    with Exim() as exim, Driver(**options(exim)) as driver:
        expect(driver.wait(driver.mail("grey@shop.test")), "later", "deferred_by_server", 451, 0)
        expect(driver.wait(driver.mail("grey@shop.test")), "delivered", "delivered", 250)
        assert b"<m1@shop.test>" in exim.wait_for_mails(1)[0]


def test_a_mail_that_is_refused_for_good_is_told_so():
    with Exim() as exim, Driver(**options(exim)) as driver:
        expect(driver.wait(driver.mail("nobody@shop.test")), "refused", "refused_by_server", 550, 0)
        expect(driver.wait(driver.mail(message=message("unwanted"))), "refused", "refused_by_server", 550, 1)
        # The connection is good for the next one.
        expect(driver.wait(driver.mail()), "delivered", "delivered")
        assert driver.metrics()["mails_refused"] == 2
        assert len(exim.wait_for_mails(1)) == 1


def test_an_address_that_is_none_never_reaches_the_server():
    with Exim() as exim, Driver(**options(exim)) as driver:
        for address in ("ann@shop.test\r", "ann", "<ann@shop.test>", "ann@shop.test>", "ann@shop.test SIZE=1", "-ann@"):
            expect(driver.wait(driver.mail(address)), "refused", "invalid_recipient", 0, 0)
        expect(driver.wait(driver.mail(sender="shop@shop.test> SIZE=1")), "refused", "invalid_sender", 0, 0)
        # The null reverse path is one.
        expect(driver.wait(driver.mail(sender="")), "delivered", "delivered")
        assert b"Return-path: <>" in exim.wait_for_mails(1)[0]


def test_an_international_address_is_told_as_it_is():
    with Exim() as exim, Driver(**options(exim)) as driver:
        expect(driver.wait(driver.order("password-changed", "out_9", "j\u00f6rg@shop.test")), "delivered", "delivered")
        assert "Envelope-to: j\u00f6rg@shop.test".encode() in exim.wait_for_mails(1)[0]


def test_lines_of_dots_and_long_bodies_arrive_as_they_were():
    body = "\r\n".join([".", "..", ".a", "", "end"]) + "\r\n" + "\r\n".join("%070d" % i for i in range(12000))
    with Exim() as exim, Driver(**options(exim)) as driver:
        expect(driver.wait(driver.mail(message=message(body=body))), "delivered", "delivered")
        got = exim.wait_for_mails(1)[0].split(b"\n\n", 1)[1]
        assert got == body.encode().replace(b"\r\n", b"\n") + b"\n", got[:100]


def test_a_mail_server_that_is_down_at_the_start_gets_the_mail_later():
    with Exim(started=False) as exim, Driver(**options(exim)) as driver:
        expect(driver.wait(driver.mail()), "later", "no_connection", 0, 0)
        exim.start()
        expect(driver.wait(driver.mail()), "delivered", "delivered")


def test_a_mail_server_killed_in_mid_mail_gets_it_again():
    with Exim() as exim, Driver(**options(exim)) as driver:
        tag = driver.mail(message=message("lingering", "m-killed"), timeout_ms=30000)
        wait_for("mail under way", lambda: driver.metrics()["jobs_active"] == 1)
        time.sleep(1)  # it is sent, and the server takes its time to answer
        assert driver.is_under_way(tag)
        exim.kill()
        result = driver.wait(tag)
        assert result.result == "later" and result.reached == 1, result
        exim.start()
        expect(driver.wait(driver.mail(message=message("again", "m-killed"))), "delivered", "delivered")
        assert b"<m-killed@shop.test>" in exim.wait_for_mails(1)[0]


def test_a_kept_connection_that_the_server_gave_up_costs_no_attempt():
    with Exim() as exim, Driver(**options(exim)) as driver:
        for count in range(1, 4):
            expect(driver.wait(driver.mail()), "delivered", "delivered")
            assert len(exim.wait_for_mails(count)) == count
            exim.kill()
            exim.start()
        expect(driver.wait(driver.mail("nobody@shop.test")), "refused", "refused_by_server", 550, 0)


def test_a_slow_mail_server_holds_up_nothing_else():
    with Exim() as exim, HttpServer(lambda exchange: exchange.give(200, b"quick")) as web, \
            Driver(**options(exim, private="on")) as driver:
        started = time.monotonic()
        # Slow to answer the receiver, and slow to answer the message.
        slow = [driver.mail(message=message("lingering"), timeout_ms=2000)]
        slow += [driver.mail("slow@shop.test", timeout_ms=2000) for _ in range(18)]
        time.sleep(0.5)
        result = driver.wait(driver.http(web.url))
        assert result.answer == b"quick" and time.monotonic() - started < 1.5, f"{time.monotonic() - started:.2f} s"
        expect(driver.wait(slow[0]), "later", "timeout", reached=1)
        for tag in slow[1:]:
            expect(driver.wait(tag), "later", "timeout", reached=0)
        assert time.monotonic() - started < 3, "the time-out counts from submission"


def test_many_mails_keep_within_the_connections_of_one_host():
    with Exim(connections=3) as exim, Driver(**options(exim, host_transfers_max=3)) as driver:
        tags = [driver.mail(message=message(identity=f"m{i}"), timeout_ms=60000) for i in range(60)]
        for tag in tags:
            expect(driver.wait(tag, 60), "delivered", "delivered")
        mails = exim.wait_for_mails(60)
        assert exim.log().count(" SMTP connection from ") <= 8, exim.log()
        assert len({mail.split(b"Message-ID: ")[1].split(b"\n")[0] for mail in mails}) == 60


def greeter(*lines):
    """A server that sends its greeting, then a line for each line that it gets; the last one for ever."""

    def talk(connection):
        replies = list(lines)
        while True:
            connection.sendall(replies[0])
            if len(replies) > 1:
                replies.pop(0)
            if not connection.recv(65536):
                return

    return talk


def test_servers_that_misbehave_cost_no_mail():
    cases = [
        (greeter(b"554 no service\r\n"), "later"),
        (greeter(b"421 too busy\r\n"), "later"),
        (greeter(b"220 hello\r\n", b"500 what?\r\n"), "later"),
        (greeter(b"220 hello\r\n", b"250 hello\r\n", b"530 log in first\r\n"), "later"),
        (greeter(b"220 hello\r\n", b"250 hello\r\n", b"421 going down\r\n"), "later"),
        (greeter(b"220 hello\r\n", b"250 hello\r\n", b"550 never\r\n"), "refused"),
        (greeter(b"\x16\x03\x01 what is this\r\n"), "later"),
        (greeter(b"220 " + b"x" * 200000 + b"\r\n"), "later"),
        (lambda connection: None, "later"),
        (lambda connection: time.sleep(5), "later"),
        (lambda connection: [connection.sendall(b"220-more\r\n") or time.sleep(0.001) for _ in range(3000)], "later"),
    ]
    for number, (talk, expected) in enumerate(cases):
        with RawServer(talk) as server, Driver(smtp_url=f"smtp://127.0.0.1:{server.port}", starttls="off") as driver:
            result = driver.wait(driver.mail(timeout_ms=2000))
            assert result.result == expected, f"case {number}: {result}"


def test_each_mail_is_also_a_file():
    folder = scratch("mails") / "made"
    with Exim() as exim, Driver(**options(exim, mail_dir=folder)) as driver:
        sent = message(body="in a file")
        expect(driver.wait(driver.mail(message=sent, name="out_7")), "delivered", "delivered")
        assert (folder / "out_7.eml").read_bytes() == sent
        assert stat.S_IMODE(os.stat(folder / "out_7.eml").st_mode) == 0o600
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        expect(driver.wait(driver.mail("nobody@shop.test", name="out_8")), "refused", "refused_by_server")
        expect(driver.wait(driver.mail(message=sent, name="../out_9")), "delivered", "delivered")
        assert sorted(os.listdir(folder)) == ["out_7.eml", "out_8.eml"], os.listdir(folder)
        metrics = driver.metrics()
        assert (metrics["mail_files_written"], metrics["mail_files_failed"]) == (2, 1), metrics


def test_without_a_mail_server_a_mail_waits_and_is_a_file():
    folder = scratch("mails")
    (folder / ".out_7.new").write_text("left by a crash")
    with Driver(mail_dir=folder) as driver:
        for _ in range(2):
            expect(driver.wait(driver.mail(name="out_7")), "no_route", "no_mail_server", 0, 0)
        assert os.listdir(folder) == ["out_7.eml"]
    with Driver() as driver:
        expect(driver.wait(driver.mail()), "no_route", "no_mail_server", 0, 0)


def test_it_stops_in_time_with_mails_under_way():
    with Exim() as exim:
        driver = Driver(**options(exim, drain_ms=2000, host_transfers_max=2))
        tags = [driver.mail("slow@shop.test", timeout_ms=60000) for _ in range(10)]
        wait_for("mails under way", lambda: driver.metrics()["jobs_active"] == 2)
        seconds = driver.stop()
        assert driver.process.returncode == 0 and seconds < 2.5, f"{driver.process.returncode} after {seconds:.1f} s"
        for tag in tags:
            expect(driver.wait(tag, 1), "later", "stopping", reached=0)


def test_it_waits_at_its_stop_for_what_ends_soon():
    with Exim() as exim:
        driver = Driver(**options(exim, drain_ms=40000))
        tag = driver.mail("slow@shop.test", timeout_ms=30000)
        wait_for("mail under way", lambda: driver.metrics()["jobs_active"] == 1)
        driver.stop()
        expect(driver.wait(tag, 1), "delivered", "delivered")
        exim.wait_for_mails(1)


def test_the_queue_is_bounded():
    with Exim() as exim, Driver(**options(exim, jobs_max=8, host_jobs_max=6, drain_ms=200)) as driver:
        tags = [driver.mail("slow@shop.test", timeout_ms=2000) for _ in range(10)]
        refused = [tag for tag in tags[6:] if driver.fields(tag)[0] == "refused_at_once"]
        assert len(refused) == 4, refused
        # Another host still has its place.
        other = driver.http("http://127.0.0.1:1/")
        expect(driver.wait(other), "refused", "private_address")
        for tag in tags[:6]:
            expect(driver.wait(tag), "later", "timeout")
        assert driver.metrics()["jobs_refused"] == 4
        expect(driver.wait(driver.mail()), "delivered", "delivered")
