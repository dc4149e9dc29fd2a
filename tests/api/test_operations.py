# SPDX-License-Identifier: Apache-2.0
"""Running a server: start, stop, refuse to start, health, figures, audits."""
import glob
import os
import re
import signal
import socket
import stat
import threading
import time
import unittest

import harness
from harness import ApiTest, Server, fresh_path, in_threads, run_cli
from wire import Closed


class Pages(ApiTest):
    def test_health_and_readiness(self):
        self.assertEqual(self.guest.call("GET", "/healthz", expect=200).json()["status"], "ok")
        self.assertEqual(self.guest.call("GET", "/readyz", expect=200).json()["status"], "ready")

    def test_metrics_are_well_formed_and_tell_the_promises(self):
        sku = self.admin.create_sku()
        self.guest.hold(sku)
        response = self.guest.call("GET", "/metrics", expect=200)
        text = response.body.decode()
        self.assertTrue(text.endswith("\n"))
        typed, sampled = set(), set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:4]
                self.assertIn(kind, ("counter", "gauge", "histogram", "summary"))
                self.assertNotIn(name, typed, "one TYPE line a metric")
                typed.add(name)
            elif not line.startswith("#"):
                match = re.match(
                    r'^(stampede_[a-z0-9_]+)(\{([a-z_]+="[^"]*",?)*\})? (-?[0-9.e+]+|\+Inf|NaN)$', line
                )
                self.assertTrue(match, line)
                sampled.add(re.sub(r"_(bucket|sum|count)$", "", match[1]) if match[1] not in typed else match[1])
        self.assertLessEqual(sampled, typed)
        self.assertRegex(text, r"(?m)^stampede_inventory_mismatch_skus 0$")
        for word in ("requests", "claims", "holds", "commits", "batch", "mailbox", "refus"):
            self.assertTrue(any(word in name for name in sampled), f"nothing about {word}: {sorted(sampled)}")

    def test_requests_are_counted_by_route_and_status(self):
        pattern = r'(?m)^(stampede_\w*requests\w*\{[^}]*status="404"[^}]*\}) (\d+)$'

        def total():
            text = self.guest.call("GET", "/metrics").body.decode()
            return sum(int(value) for _, value in re.findall(pattern, text))

        before = total()
        for _ in range(5):
            self.guest.call("GET", "/v1/skus/NO-SUCH/availability", expect=404)
        self.assertGreaterEqual(total(), before + 5)

    def test_docs_is_a_page_that_loads_nothing_from_elsewhere(self):
        page = self.guest.call("GET", "/docs", expect=200).body.decode()
        self.assertIn("/v1/reservations", page)
        self.assertNotRegex(page, r'(?:src|href)="https?://')

    def test_request_ids_are_distinct_and_taken_from_the_client(self):
        ids = {self.guest.call("GET", "/healthz").header("x-request-id") for _ in range(50)}
        self.assertEqual(len(ids), 50)
        given = [("X-Request-Id", "my-request-17")]
        response = self.guest.call("GET", "/healthz", headers=given)
        self.assertEqual(response.header("x-request-id"), "my-request-17")
        hostile = [("X-Request-Id", 'a"b\\c<script>' + "x" * 300)]
        response = self.guest.call("GET", "/healthz", headers=hostile)
        self.assertNotIn("<script>", response.header("x-request-id"))


class Life(unittest.TestCase):
    """Servers that start, stop, and are killed."""

    slow = True

    def serve(self, *flags, **options):
        server = Server(*flags, **options)
        self.addCleanup(server.kill)
        return server

    def test_ready_line_and_clean_stop(self):
        server = self.serve()
        ready = [line for line in server.stdout_lines if line.startswith("ready ")]
        self.assertEqual(len(ready), 1)
        self.assertRegex(ready[0], r"^ready http://127\.0\.0\.1:\d+$")
        self.assertEqual(server.stop(), 0)

    def test_it_makes_a_key_that_only_the_owner_reads(self):
        server = self.serve(give_key=False)
        paths = [p for p in glob.glob(server.data + "/**", recursive=True) if p in server.output()]
        paths = [p for p in paths if os.path.isfile(p)]
        self.assertEqual(len(paths), 1, f"one key file, its path printed: {server.output()}")
        self.assertEqual(stat.S_IMODE(os.stat(paths[0]).st_mode), 0o600)
        with open(paths[0], encoding="ascii") as handle:
            key = handle.read().strip()
        self.assertGreaterEqual(len(key), 32)
        self.assertNotIn(key, server.output(), "the key itself is not printed")
        client = server.anonymous()
        client.token = key
        client.call("GET", "/v1/admin/products", expect=200)
        server.stop()
        server.restart()
        client = server.anonymous()
        client.token = key
        client.call("GET", "/v1/admin/products", expect=200)

    def test_sessions_and_holds_survive_stop_and_kill(self):
        server = self.serve()
        sku = server.admin().create_sku(stock=5)
        guest = server.guest()
        hold = guest.hold(sku, 2)
        for end in (server.stop, server.kill):
            guest.close()
            end()
            server.restart()
            seen = guest.reservation(hold["id"], expect=200).json()
            self.assertEqual((seen["status"], seen["fence"]), ("held", hold["fence"]))
            self.assertEqual(guest.available(sku), 3)
        server.stop()
        done = server.check()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^check: ok")

    def test_drain_answers_what_it_has_taken(self):
        """SIGTERM among requests: each gets its answer or a closed door, and what was answered stands."""
        server = self.serve()
        sku = server.admin().create_sku(stock=100000)
        won, stopping = [], threading.Event()

        def buy(_):
            guest, mine = server.anonymous(), []
            try:
                guest = server.guest()
                for _ in range(100000):
                    response = guest.reserve(sku, expect=(201, 503))
                    if response.status == 503:
                        break
                    mine.append(response.json()["id"])
                    if len(mine) == 20:
                        stopping.set()
            except (Closed, OSError):
                pass
            won.append((guest.token, mine))

        stopper = threading.Thread(target=lambda: (stopping.wait(20), server.process.send_signal(signal.SIGTERM)))
        stopper.start()
        in_threads(8, buy)
        stopper.join()
        self.assertEqual(server.process.wait(20), 0)
        server.restart()
        held = server.admin().inventory(sku)["reserved"]
        answered = sum(len(mine) for _, mine in won)
        self.assertGreaterEqual(held, answered)
        self.assertLessEqual(held, answered + 8, "at most one unanswered a client")
        for token, mine in won:
            guest = server.anonymous()
            guest.token = token
            for hold_id in mine[-3:]:
                guest.reservation(hold_id, expect=200)

    def test_only_the_same_signal_again_cuts_a_drain_short(self):
        """A closed terminal sends SIGHUP, whoever runs the server then SIGTERM: that is one wish to end, told twice."""
        hangup, terminate, interrupt = signal.SIGHUP, signal.SIGTERM, signal.SIGINT
        for signals, status in (
            ((hangup, terminate, hangup), 0),
            ((interrupt, terminate, hangup), 0),
            ((terminate, terminate), 130),
            ((hangup, interrupt, interrupt), 130),
        ):
            with self.subTest(signals=signals):
                server = self.serve("--drain-ms", "1500")
                with server.wire() as wire:
                    wire.send(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
                    time.sleep(0.2)
                    for number in signals:
                        server.tell(number)
                    self.assertEqual(server.process.wait(20), status)

    def test_idle_connections_do_not_hold_up_a_stop(self):
        server = self.serve()
        idle = [server.wire() for _ in range(20)]
        for wire in idle[:10]:
            wire.request("GET", "/healthz")
        idle[15].send(b"GET /healthz HT")
        started = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - started, 12)
        for wire in idle:
            wire.close()

    def test_a_deadline_passes_while_the_server_is_down(self):
        server = self.serve("--hold-ttl-ms", "1500")
        sku = server.admin().create_sku(stock=1)
        guest = server.guest()
        hold = guest.hold(sku)
        guest.close()
        server.kill()
        time.sleep(1.6)
        server.restart()
        harness.wait_until(lambda: guest.available(sku) == 1, 5, "lapsed meanwhile")
        self.assertEqual(guest.reservation(hold["id"]).json()["status"], "expired")

    def test_shards_may_change_between_starts(self):
        server = self.serve("--shards", "1")
        sku = server.admin().create_sku(stock=10)
        guest = server.guest()
        hold = guest.hold(sku, 3)
        guest.close()
        server.stop()
        server.flags = ["--shards", "3"]
        server.restart()
        self.assertEqual(guest.reservation(hold["id"], expect=200).json()["status"], "held")
        self.assertEqual(guest.available(sku), 7)

    def test_both_shards_serve(self):
        """Many connections spread over listeners; each sees the same books."""
        server = self.serve("--shards", "2")
        sku = server.admin().create_sku(stock=1000)

        def buy(_):
            guest = server.guest()
            for _ in range(5):
                guest.hold(sku)
            guest.close()

        in_threads(32, buy)
        self.assertEqual(server.admin().inventory(sku)["reserved"], 160)


class RefusalsToStart(unittest.TestCase):
    """One line that says what and how to mend it, exit 2."""

    slow = True

    def assert_refused(self, *arguments, says=(), env=None, timeout=30):
        done = run_cli(*arguments, timeout=timeout, env=env)
        self.assertEqual(done.returncode, 2, (done.stdout, done.stderr))
        self.assertNotIn("ready http", done.stdout)
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("{")]
        self.assertEqual(len(lines), 1, done.stderr)
        for word in says:
            self.assertIn(word, lines[0])
        return lines[0]

    def serve_arguments(self, data=None, listen="127.0.0.1:0"):
        return ["serve", "--data", data or fresh_path(), "--listen", listen, "--rate-limits", "off"]

    def test_second_server_on_the_same_data(self):
        server = Server()
        try:
            self.assert_refused(*self.serve_arguments(data=server.data), says=(server.data,))
            server.anonymous().call("GET", "/readyz", expect=200)
        finally:
            server.stop()

    def test_second_server_on_the_same_port(self):
        server = Server()
        try:
            listen = f"127.0.0.1:{server.address[1]}"
            self.assert_refused(
                *self.serve_arguments(listen=listen), says=(str(server.address[1]), "choose another --listen")
            )
            for _ in range(10):
                server.anonymous().call("GET", "/readyz", expect=200)
        finally:
            server.stop()

    def test_port_of_another_program(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.assert_refused(*self.serve_arguments(listen=f"127.0.0.1:{port}"), says=(str(port),))

    def test_data_folder_that_cannot_be_written(self):
        # A path below a file, and one below /proc: refused for root as well.
        path = fresh_path("file")
        with open(path, "w", encoding="ascii") as handle:
            handle.write("not a folder")
        for data in (path, path + "/below", "/proc/stampede-data"):
            with self.subTest(data=data):
                self.assert_refused(*self.serve_arguments(data=data), says=(data, "--data"))

    def test_data_folder_without_permission(self):
        path = fresh_path()
        os.mkdir(path, 0o500)
        if os.geteuid() == 0:  # who may write everywhere but below /proc
            path = next(
                folder
                for pattern in ("/proc/fs/*", "/proc/irq/*/*", "/proc/*/*")
                for folder in sorted(glob.glob(pattern))
                if os.path.isdir(folder) and not os.listdir(folder)
            )
        self.assert_refused(*self.serve_arguments(data=path), says=(path, "not writable", "--data"))

    def test_foreign_data_folder(self):
        path = fresh_path()
        os.mkdir(path)
        with open(os.path.join(path, "holiday.jpg"), "wb") as handle:
            handle.write(b"\xff\xd8\xff")
        self.assert_refused(*self.serve_arguments(data=path), says=(path,))
        self.assertEqual(os.listdir(path), ["holiday.jpg"], "nothing is left in it")

    def test_empty_data_folder_is_welcome(self):
        path = fresh_path()
        os.mkdir(path)
        server = Server(data=path)
        self.assertEqual(server.stop(), 0)

    def test_bad_options(self):
        base = self.serve_arguments()
        for extra, word in (
            (["--no-such-option"], "--no-such-option"),
            (["--shards", "1000000"], "shards"),
            (["--shards", "two"], "shards"),
            (["--shards"], "shards"),
            (["--hold-ttl-ms", "0"], "hold"),
            (["--hold-ttl-ms", "-5"], "hold"),
            (["--hold-ttl-ms", "1e3"], "hold"),
            (["--hold-ttl-ms", "60000", "--hold-cap-ms", "59999"], "hold_cap_ms"),
            (["--partitions", "100"], "partitions"),
            (["--rate-limits", "maybe"], "rate"),
            (["--listen", "nonsense"], "listen"),
            (["--listen", "127.0.0.1:70000"], "listen"),
            (["--listen", "127.0.0.1:"], "listen"),
            (["--config", "/nonexistent/stampede.yaml"], "/nonexistent/stampede.yaml"),
            (["--config", "/"], "give --config a file"),
            (["--cors-origins", "shop.example"], "cors_origins"),
            (["--admin-key-file", "/nonexistent/key"], "/nonexistent/key"),
            (["surplus"], "surplus"),
        ):
            with self.subTest(extra=extra):
                self.assert_refused(*base, *extra, says=(word,))

    def test_bad_environment(self):
        for name, value in (("STAMPEDE_SHARDS", "zero"), ("STAMPEDE_HOLD_TTL_MS", "x")):
            with self.subTest(name=name):
                self.assert_refused(*self.serve_arguments(), env={name: value}, says=(name,))

    def test_unknown_command(self):
        self.assert_refused("sell-everything", says=("sell-everything",))

    def test_key_file_that_is_no_key(self):
        path = fresh_path("key")
        for content in ("", "\n", "short\n"):
            with self.subTest(content=content):
                with open(path, "w", encoding="ascii") as handle:
                    handle.write(content)
                self.assert_refused(
                    *self.serve_arguments(), "--admin-key-file", path, says=(path,)
                )


class CommandLine(unittest.TestCase):
    def test_version_and_help(self):
        done = run_cli("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^stampede \d+\.\d+")
        done = run_cli("--help")
        self.assertEqual(done.returncode, 0)
        for word in ("serve", "import", "check", "repair", "config check", "--version"):
            self.assertIn(word, done.stdout)
        done = run_cli("serve", "--help")
        self.assertEqual(done.returncode, 0)
        for word in ("--data", "--listen", "--shards", "--rate-limits", "--hold-ttl-ms", "--config"):
            self.assertIn(word, done.stdout)

    def test_no_command_says_what_there_is(self):
        done = run_cli()
        self.assertEqual(done.returncode, 2)
        self.assertTrue(done.stderr.strip())

    def test_config_check(self):
        done = run_cli("config", "check")
        self.assertEqual(done.returncode, 0, done.stderr)
        path = fresh_path("stampede.yaml")
        for text, good in (
            ("listen: 127.0.0.1:0\nhold_ttl_ms: 5000\nrate_limits: \"off\"\n", True),
            ("cors_origins:\n  - https://shop.example\n", True),
            ("hold_ttl_ms: soon\n", False),
            ("hold_ttl_ms: -1\n", False),
            ("no_such_option: 1\n", False),
            ("shards: [1\n", False),
        ):
            with self.subTest(text=text):
                with open(path, "w", encoding="ascii") as handle:
                    handle.write(text)
                done = run_cli("config", "check", "--config", path)
                self.assertEqual(done.returncode, 0 if good else 2, done.stderr)
                if not good:
                    self.assertIn(path, done.stderr)

    def test_config_file_and_environment_and_flags_in_rising_rank(self):
        path = fresh_path("stampede.yaml")
        with open(path, "w", encoding="ascii") as handle:
            handle.write("hold_ttl_ms: 5000\n")
        for env, flags, ttl in (
            ({}, (), 5000),
            ({"STAMPEDE_HOLD_TTL_MS": "6000"}, (), 6000),
            ({"STAMPEDE_HOLD_TTL_MS": "6000"}, ("--hold-ttl-ms", "7000"), 7000),
        ):
            server = Server("--config", path, *flags, env=env)
            try:
                sku = server.admin().create_sku()
                self.assertEqual(server.guest().hold(sku)["ttl_ms"], ttl)
            finally:
                server.stop()

    def test_check_needs_a_store(self):
        path = fresh_path()
        done = run_cli("check", "--data", path)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(path, done.stderr)
        self.assertFalse(os.path.exists(path), "an audit makes nothing")

    def test_check_of_a_running_server_is_refused(self):
        server = Server()
        try:
            done = server.check()
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertTrue(done.stderr.strip())
        finally:
            server.stop()

    def test_check_after_work_and_kill(self):
        server = Server("--hold-ttl-ms", "60000")
        admin, guest = server.admin(), server.guest()
        sku, other = admin.create_sku(stock=50), admin.create_sku(stock=50)
        for _ in range(5):
            guest.hold(sku)
        guest.release(guest.hold(sku)["id"], expect=204)
        admin.convert(guest.hold(sku, 3)["id"], expect=200)
        guest.reserve_items((sku, 1), (other, 2), expect=201)
        admin.adjust(sku, delta=-4)
        server.kill()
        done = server.check()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^check: ok")
