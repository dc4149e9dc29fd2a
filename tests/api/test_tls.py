# SPDX-License-Identifier: Apache-2.0
"""TLS in the server, the redirect to it, and the PROXY protocol in front, as Python, openssl and sslscan see them."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import Server, fresh_path, in_threads, run_cli, wait_until
from wire import Closed, Wire

NAMES = "DNS:shop.example,DNS:localhost,IP:127.0.0.1"
HOST = b"Host: shop.example\r\n"
ONE_YEAR_S = 365 * 24 * 3600


def need(program):
    if shutil.which(program) is None:
        raise unittest.SkipTest(f"{program} is missing: scripts/setup test")


class Pair:
    """A self-signed certificate with its key, P-256."""

    def __init__(self, names=NAMES):
        need("openssl")
        self.names = names
        folder = fresh_path("tls")
        os.mkdir(folder)
        self.certificate = os.path.join(folder, "cert.pem")
        self.key = os.path.join(folder, "key.pem")
        self.renew()

    def renew(self):
        """New ones in their place, each file at once."""
        new = [self.certificate + ".new", self.key + ".new"]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            + ["-days", "2", "-subj", "/CN=shop.example", "-addext", "subjectAltName=" + self.names]
            + ["-out", new[0], "-keyout", new[1]],
            check=True,
            capture_output=True,
        )
        os.replace(new[0], self.certificate)
        os.replace(new[1], self.key)

    def flags(self):
        return ["--tls-cert", self.certificate, "--tls-key", self.key]

    def context(self, version=None):
        """A client that trusts this certificate as it is now."""
        context = ssl.create_default_context(cafile=self.certificate)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


def tls_server(pair, *flags):
    server = Server(*pair.flags(), *flags)
    server.tls = pair.context()
    return server


def get(wire, path="/healthz", headers=()):
    return wire.request("GET", path, list(headers), None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class ServerTest(unittest.TestCase):
    """One server for the class, its certificate beside it."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()
        cls.server = tls_server(cls.pair, *cls.flags)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def wire(self, version=None, **more):
        wire = Wire(self.server.address, tls=self.pair.context(version), **more)
        self.addCleanup(wire.close)
        return wire


class TlsTest(ServerTest):
    flags = ("--shards", "2", "--header-timeout-ms", "1000")

    def test_ready_line_says_https(self):
        self.assertEqual(self.server.scheme, "https")

    def test_versions_ciphers_and_protocol(self):
        for version, name, cipher in (
            (VERSIONS[0], "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
            (VERSIONS[1], "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        ):
            context = self.pair.context(version)
            context.set_alpn_protocols(["h2", "http/1.1"])
            with Wire(self.server.address, tls=context) as wire:
                self.assertEqual(wire.socket.version(), name)
                self.assertEqual(wire.socket.cipher()[0], cipher)
                self.assertEqual(wire.socket.selected_alpn_protocol(), "http/1.1")
                self.assertIsNone(wire.socket.compression())
                self.assertEqual(get(wire).status, 200)

    def test_only_http_2_is_refused_by_an_alert(self):
        context = self.pair.context()
        context.set_alpn_protocols(["h2"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            Wire(self.server.address, tls=context)

    def test_a_session_is_resumed_on_any_shard(self):
        # The kernel spreads connections over the shards by their ports: of 24, each has some.
        for version in VERSIONS:
            with self.subTest(version=version):
                context = self.pair.context(version)
                with Wire(self.server.address, tls=context) as wire:
                    get(wire)  # tickets of TLS 1.3 come with the first answer
                    session = wire.socket.session
                    self.assertTrue(session.has_ticket)
                    self.assertFalse(wire.socket.session_reused)
                for _ in range(24):
                    with Wire(self.server.address, tls=context, session=session) as wire:
                        self.assertTrue(wire.socket.session_reused)
                        self.assertEqual(get(wire).status, 200)
        metrics = self.server.anonymous().call("GET", "/metrics", expect=200).body.decode()
        expires_s = int(re.search(r"^stampede_tls_certificate_expires_seconds (\d+)$", metrics, re.M)[1])
        self.assertAlmostEqual(expires_s, time.time() + 2 * 86400, delta=3600)
        resumed = int(re.search(r"^stampede_tls_resumptions_total (\d+)$", metrics, re.M)[1])
        self.assertGreaterEqual(resumed, 48)

    def test_keep_alive_and_pipelining(self):
        for version in VERSIONS:
            wire = self.wire(version)
            for _ in range(20):
                self.assertEqual(get(wire).status, 200)
            wire.send((b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") * 100)
            for _ in range(100):
                self.assertEqual(wire.read_response().status, 200)

    def test_large_bodies_both_ways(self):
        rows = "".join(f"tls-{index},Name {index},1.00,EUR,5\n" for index in range(20000))
        admin = self.server.admin()
        self.addCleanup(admin.close)
        response = admin.import_csv("sku,name,price,currency,stock\n" + rows, "?dry_run=true")
        self.assertEqual(response.status, 200, response)
        whole = self.server.anonymous().call("GET", "/openapi.json", expect=200)
        self.assertGreater(len(whole.body), 30000)

    def test_import_trusts_only_whom_it_should(self):
        path = fresh_path("rows.csv")
        rows = "".join(f"cli-tls-{index},Name {index},1.00,EUR,5\n" for index in range(5000))
        Path(path).write_text("sku,name,price,currency,stock\n" + rows, encoding="ascii")
        port = self.server.address[1]
        words = ["import", path, "--dry-run", "--admin-key-file", self.server.key_file]

        def run(host, *more):
            done = run_cli(*words, "--target", f"https://{host}:{port}", *more)
            return done.returncode, done.stdout + done.stderr

        self.assertEqual(run("127.0.0.1", "--ca-file", self.pair.certificate)[0], 0)
        self.assertEqual(run("localhost", "--ca-file", self.pair.certificate)[0], 0)
        other = Pair("DNS:other.example")
        other_server = tls_server(other)
        for more in ((), ("--ca-file", other.certificate)):
            status, output = run("127.0.0.1", *more)
            self.assertEqual(status, 2, output)
            self.assertIn("is not trusted", output)
        port = other_server.address[1]
        for host in ("127.0.0.1", "localhost"):
            status, output = run(host, "--ca-file", other.certificate)
            self.assertEqual(status, 2, output)
            self.assertIn("mismatch", output)
        other_server.stop()
        plain = run_cli(*words, "--target", f"http://127.0.0.1:{self.server.address[1]}")
        self.assertEqual(plain.returncode, 2)

    def test_reservations_through_tls_sell_exactly_what_is_there(self):
        admin = self.server.admin()
        self.addCleanup(admin.close)
        sku = admin.create_sku(stock=5)

        def buy(_):
            guest = self.server.guest()
            try:
                return guest.reserve(sku).status
            finally:
                guest.close()

        statuses = in_threads(12, buy)
        self.assertEqual(sorted(statuses), [201] * 5 + [409] * 7)

    def test_hsts_and_secure_cookies(self):
        wire = self.wire()
        self.assertEqual(get(wire).header("strict-transport-security"), f"max-age={ONE_YEAR_S}")
        refused = get(wire, "/no-such-place")
        self.assertEqual(refused.status, 404)
        self.assertEqual(refused.header("strict-transport-security"), f"max-age={ONE_YEAR_S}")
        cookie = wire.request("POST", "/v1/sessions", [], b"").header("set-cookie")
        self.assertTrue(cookie.startswith("__Host-"), cookie)
        self.assertIn("; Secure", cookie)

    def test_plain_http_is_told_to_use_tls(self):
        with Wire(self.server.address) as wire:
            wire.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            answer = wire.read_response()
            self.assertEqual(answer.status, 400)
            self.assertIn(b"https://", answer.body)
            with self.assertRaises(Closed):
                wire.read_response()

    def test_slow_handshakes_are_cut(self):
        sockets = [socket.create_connection(self.server.address, timeout=10) for _ in range(3)]
        started = time.monotonic()
        sockets[1].sendall(b"\x16\x03\x01\x02\x00\x01")
        drips = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60)
        try:
            for byte in drips:
                sockets[2].sendall(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - started > 5:
                    break
        except OSError:
            pass
        self.assertLess(time.monotonic() - started, 4)
        for each in sockets:
            try:
                self.assertEqual(each.recv(100), b"")
            except ConnectionResetError:
                pass
            each.close()

    def test_answers_end_with_close_notify(self):
        for version in VERSIONS:
            wire = self.wire(version)
            wire.socket.suppress_ragged_eofs = False
            wire.send(b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            self.assertEqual(wire.read_response().status, 200)
            self.assertEqual(wire.socket.recv(10), b"")  # would raise for a bare end

    def test_drain_lets_requests_finish(self):
        server = tls_server(self.pair)
        wire = Wire(server.address, tls=server.tls)
        self.assertEqual(get(wire).status, 200)
        self.assertEqual(server.stop(), 0)
        wire.close()


class ReloadTest(unittest.TestCase):
    def setUp(self):
        self.pair = Pair()
        self.server = tls_server(self.pair)
        self.addCleanup(self.server.stop)

    def served(self):
        """The certificate that a new connection gets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with Wire(self.server.address, tls=context) as wire:
            return wire.socket.getpeercert(binary_form=True)

    def test_a_new_certificate_under_traffic(self):
        old = self.served()
        kept = Wire(self.server.address, tls=self.server.tls)
        self.addCleanup(kept.close)
        stop = threading.Event()
        seen, errors = [0], []

        def traffic():
            while not stop.is_set():
                try:
                    self.served()
                    seen[0] += 1
                except (OSError, Closed) as error:
                    errors.append(error)

        thread = threading.Thread(target=traffic)
        thread.start()
        try:
            for _ in range(2):
                self.pair.renew()
                wait_until(lambda before=old: self.served() != before, 15, "the new certificate is served")
                old = self.served()
        finally:
            stop.set()
            thread.join()
        self.assertEqual(errors, [])
        self.assertGreater(seen[0], 10)
        self.assertEqual(get(kept).status, 200)
        with Wire(self.server.address, tls=self.pair.context()) as wire:
            self.assertEqual(get(wire).status, 200)

    def test_a_broken_one_is_not_taken_and_the_log_says_why(self):
        old = self.served()
        key = Path(self.pair.key).read_bytes()
        Path(self.pair.key).write_text("nonsense\n", encoding="ascii")
        wait_until(lambda: "tls_certificate_kept" in self.server.stderr(), 15, "the log line")
        line = next(line for line in self.server.stderr().splitlines() if "tls_certificate_kept" in line)
        self.assertIn(self.pair.key, line)
        self.assertNotIn("PRIVATE", self.server.output())
        self.assertEqual(self.served(), old)
        Path(self.pair.key).write_bytes(key)
        wait_until(lambda: self.server.stderr().count('"tls_certificate"') >= 2, 15, "it is read again")
        self.assertEqual(self.served(), old)
        self.assertEqual(self.server.stderr().count("tls_certificate_kept"), 1)
        os.chmod(self.pair.key, 0o644)
        wait_until(lambda: self.server.stderr().count("tls_certificate_kept") == 2, 15, "another's mode is told")
        self.assertIn("(mode 0644)", self.server.stderr())
        self.assertEqual(self.served(), old)
        os.chmod(self.pair.key, 0o600)
        wait_until(lambda: self.server.stderr().count('"tls_certificate"') >= 3, 15, "it is read again")


class ScannersTest(ServerTest):
    def run_s_client(self, *flags, text=""):
        need("openssl")
        host, port = self.server.address
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", self.pair.certificate, *flags],
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout + done.stderr

    def test_s_client_finds_nothing_to_say(self):
        request = "GET /healthz HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
        for flag, protocol in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            output = self.run_s_client(
                flag, "-verify_return_error", "-verify_ip", "127.0.0.1", "-ign_eof", "-alpn", "http/1.1", text=request
            )
            self.assertIn("Verification: OK", output)
            self.assertIn(protocol, output)
            self.assertIn("Compression: NONE", output)
            self.assertIn("ALPN protocol: http/1.1", output)
            self.assertIn("Server Temp Key: X25519", output)
            self.assertIn("HTTP/1.1 200", output)
            if flag == "-tls1_2":
                self.assertIn("Secure Renegotiation IS supported", output)
                self.assertIn("Extended master secret: yes", output)

    def test_old_protocols_and_weak_ciphers_are_refused(self):
        for flags in (
            ("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
            ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
            ("-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"),
            ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"),
            ("-tls1_2", "-cipher", "NULL:aNULL:@SECLEVEL=0"),
            ("-tls1_2", "-curves", "P-521"),
        ):
            with self.subTest(flags=flags):
                output = self.run_s_client(*flags)
                self.assertRegex(output, "alert (protocol version|handshake failure|internal error)")
                self.assertIn("Cipher is (NONE)", output)

    def test_renegotiation_is_refused(self):
        output = self.run_s_client("-tls1_2", text="R\n")
        self.assertIn("RENEGOTIATING", output)
        self.assertIn("no renegotiation", output)

    def test_early_data_is_not_taken(self):
        output = self.run_s_client("-tls1_3", "-ign_eof", text="GET /healthz HTTP/1.0\r\n\r\n")
        self.assertIn("Max Early Data: 0", output)

    def test_sslscan_finds_nothing_to_say(self):
        need("sslscan")
        host, port = self.server.address
        done = subprocess.run(
            ["sslscan", "--no-colour", f"--sni-name=shop.example", f"{host}:{port}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        output = done.stdout
        self.assertEqual(done.returncode, 0, output)
        for version, verdict in (
            ("SSLv2", "disabled"),
            ("SSLv3", "disabled"),
            ("TLSv1.0", "disabled"),
            ("TLSv1.1", "disabled"),
            ("TLSv1.2", "enabled"),
            ("TLSv1.3", "enabled"),
        ):
            self.assertRegex(output, rf"(?m)^{re.escape(version)}\s+{verdict}$")
        self.assertIn("Server supports TLS Fallback SCSV", output)
        self.assertIn("Session renegotiation not supported", output)
        self.assertRegex(output, "Compression disabled|OpenSSL version does not support compression")
        for version in ("1.2", "1.3"):
            self.assertIn(f"TLSv{version} not vulnerable to heartbleed", output)
        self.assertNotRegex(output, r"(?<!not )vulnerable to heartbleed")
        ciphers = re.findall(r"(?m)^(?:Preferred|Accepted)\s+(TLSv1\.\d)\s+(\d+) bits\s+(\S+)", output)
        self.assertGreaterEqual(len(ciphers), 6, output)
        for version, bits, name in ciphers:
            self.assertIn(version, ("TLSv1.2", "TLSv1.3"))
            self.assertGreaterEqual(int(bits), 128)
            self.assertRegex(name, r"^(TLS_|ECDHE-ECDSA-)(AES(_?128|_?256)[_-]GCM[_-]SHA\d+|CHACHA20[_-]POLY1305\S*)$")
        groups = re.findall(r"(?m)^TLSv1\.\d\s+\d+ bits\s+(\S+ ?\S*)$", output)
        self.assertTrue(groups, output)
        for group in groups:
            self.assertRegex(group, "^(secp256r1|x25519)")


class RedirectTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.flags = ("--redirect-listen", f"127.0.0.1:{cls.port}", "--hsts-max-age-s", "0", "--shards", "2")
        super().setUpClass()

    def ask(self, request, port=None):
        with Wire(("127.0.0.1", port or self.port)) as wire:
            wire.send(request)
            return wire.read_response(head_only=request.startswith(b"HEAD"))

    def location(self, host, target=b"/"):
        answer = self.ask(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        self.assertEqual(answer.status, 308, answer)
        return answer.header("location")

    def test_the_path_is_kept(self):
        https = self.server.address[1]
        self.assertEqual(self.location(b"shop.example"), f"https://shop.example:{https}/")
        target = "/a//b?c=d&e=%20f"
        self.assertEqual(self.location(b"SHOP.example:80", target.encode()), f"https://SHOP.example:{https}{target}")
        self.assertEqual(self.location(b"127.0.0.1", b"/x?"), f"https://127.0.0.1:{https}/x?")
        self.assertEqual(self.location(b"localhost", b"//evil.example/"), f"https://localhost:{https}//evil.example/")

    def test_every_method_is_sent_on_with_its_body(self):
        for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"):
            body = b"Content-Length: 2\r\n\r\n{}" if method[:1] == b"P" else b"\r\n"
            answer = self.ask(method + b" /v1/reservations HTTP/1.1\r\n" + HOST + body)
            self.assertEqual(answer.status, 308, method)
            self.assertTrue(answer.header("location").endswith("/v1/reservations"))
            self.assertIsNone(answer.header("set-cookie"))

    def test_a_hostile_host_is_not_repeated(self):
        for host in (b"evil.example", b"shop.example.evil", b"evil.example:443", b"[2001:db8::1]", b"127.0.0.2"):
            answer = self.ask(b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            self.assertEqual(answer.status, 421, host)
            self.assertIsNone(answer.header("location"))
            self.assertNotIn(b"evil", answer.body)
        # An absolute target must say the same as Host, and counts no more than it.
        self.assertEqual(self.ask(b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 421)
        self.assertEqual(self.ask(b"GET http://evil.example/ HTTP/1.1\r\nHost: shop.example\r\n\r\n").status, 400)
        self.assertEqual(self.ask(b"GET / HTTP/1.1\r\nHost: shop.example\r\nHost: evil.example\r\n\r\n").status, 400)
        self.assertEqual(self.ask(b"GET / HTTP/1.0\r\n\r\n").status, 421)

    def test_a_target_too_long_for_the_header_is_refused(self):
        self.assertEqual(self.ask(b"GET /" + b"a" * 1300 + b" HTTP/1.1\r\n" + HOST + b"\r\n").status, 308)
        self.assertEqual(self.ask(b"GET /" + b"a" * 7000 + b" HTTP/1.1\r\n" + HOST + b"\r\n").status, 414)

    def test_nothing_else_is_served_there_and_hsts_may_be_off(self):
        answer = self.ask(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        self.assertEqual(answer.status, 308)
        self.assertIsNone(answer.header("strict-transport-security"))
        self.assertIsNone(get(self.wire()).header("strict-transport-security"))

    def test_public_hosts_stand_in_for_unknown_ones(self):
        port = free_port()
        server = tls_server(
            self.pair, "--redirect-listen", f"127.0.0.1:{port}", "--public-hosts", "www.example,other.example"
        )
        try:
            for host, sent_to in (
                (b"evil.example", "www.example"),
                (b"other.example", "other.example"),
                (b"shop.example", "shop.example"),
            ):
                answer = self.ask(b"GET /y HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", port)
                self.assertEqual(answer.header("location"), f"https://{sent_to}:{server.address[1]}/y")
        finally:
            self.assertEqual(server.stop(), 0)


class ProxyProtocolTest(unittest.TestCase):
    FOUR = b"PROXY TCP4 203.0.113.7 198.51.100.2 4711 443\r\n"
    TWO = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24" + bytes(15) + b"\x07" + bytes(15) + b"\x01" + b"\x12\x67\x01\xbb"

    def test_before_tls_and_without(self):
        pair = Pair()
        for flags, context in ((pair.flags(), pair.context()), ([], None)):
            server = Server(*flags, "--proxy-protocol", "on", "--trusted-proxies", "127.0.0.0/8,::1")
            try:
                for preamble in (self.FOUR, self.TWO):
                    with Wire(server.address, tls=context, preamble=preamble) as wire:
                        self.assertEqual(get(wire).status, 200)
                        self.assertEqual(get(wire).status, 200)
                with socket.create_connection(server.address, timeout=10) as bare:
                    bare.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                    self.assertEqual(bare.recv(100), b"")
            finally:
                server.stop()

    def test_strangers_are_refused(self):
        server = Server("--proxy-protocol", "on", "--trusted-proxies", "192.0.2.0/24")
        try:
            with socket.create_connection(server.address, timeout=10) as stranger:
                try:
                    stranger.sendall(self.FOUR + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                    self.assertEqual(stranger.recv(100), b"")
                except (ConnectionResetError, BrokenPipeError):
                    pass
        finally:
            server.stop()


class RefusedAtTheStartTest(unittest.TestCase):
    def assert_refused(self, *flags, says):
        done = run_cli("serve", "--data", fresh_path(), "--listen", "127.0.0.1:0", *flags)
        self.assertEqual(done.returncode, 2, (done.stdout, done.stderr))
        lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(says, lines[0])

    def test_what_is_missing_or_wrong_is_said(self):
        pair = Pair()
        other = Pair()
        self.assert_refused("--tls-cert", pair.certificate, says="belong together")
        self.assert_refused("--tls-key", pair.key, says="belong together")
        self.assert_refused("--tls-cert", "/nowhere", "--tls-key", pair.key, says="/nowhere")
        self.assert_refused("--tls-cert", pair.certificate, "--tls-key", other.key, says="mismatch")
        subprocess.run(["openssl", "genrsa", "-out", other.key, "2048"], check=True, capture_output=True)
        self.assert_refused("--tls-cert", pair.certificate, "--tls-key", other.key, says="does not fit")
        self.assert_refused("--tls-cert", pair.key, "--tls-key", pair.key, says="the certificate in")
        self.assert_refused("--redirect-listen", "127.0.0.1:0", says="not served")
        self.assert_refused(*pair.flags(), "--redirect-listen", "80", says="HOST:PORT")
        self.assert_refused(*pair.flags(), "--public-hosts", "https://a", says="public_hosts")
        self.assert_refused("--proxy-protocol", "on", says="--trusted-proxies")
        self.assert_refused("--trusted-proxies", "10.0.0.1/8", says="10.0.0.1/8")

    def test_a_key_with_a_passphrase_is_refused_without_asking(self):
        pair = Pair()
        locked = pair.key + ".locked"
        subprocess.run(
            ["openssl", "pkey", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", locked],
            check=True,
            capture_output=True,
        )
        self.assert_refused("--tls-cert", pair.certificate, "--tls-key", locked, says="the key in")

    def test_a_key_that_others_may_read_is_refused(self):
        pair = Pair()
        for mode in (0o644, 0o604, 0o660, 0o602, 0o777):
            os.chmod(pair.key, mode)
            self.assert_refused(*pair.flags(), says=f"(mode {mode:04o})")
        # Its owner's; lent to a group; a credential, as systemd lends it.
        for mode in (0o600, 0o640, 0o440, 0o400):
            os.chmod(pair.key, mode)
            server = Server(*pair.flags())
            server.stop()

    def test_a_redirect_port_that_is_taken(self):
        pair = Pair()
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            listen = f"127.0.0.1:{other.getsockname()[1]}"
            self.assert_refused(*pair.flags(), "--redirect-listen", listen, says="--redirect-listen")
