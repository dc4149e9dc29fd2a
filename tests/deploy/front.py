# SPDX-License-Identifier: Apache-2.0
"""deploy/nginx.conf, as far as ports and paths allow as it stands, in a real nginx in front of a real server.

Each check is a function of the server's path and a scratch folder; it gives a note, or raises.
"""
import importlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
sys.path.insert(0, str(ROOT / "tests" / "torture"))
import harness  # noqa: E402
import torture  # noqa: E402
from wire import Closed, Wire, render  # noqa: E402

CONF = ROOT / "deploy" / "nginx.conf"
START_SECONDS = 10
# What the tests read of nginx: request line, status, and where it was passed on to (`-`: nowhere).
LOG_FORMAT = "log_format test escape=json '$request\\t$status\\t$upstream_addr';"
IMPORT_BYTES = 20 * 1024 * 1024
HOST = "shop.example"


class Skip(Exception):
    pass


def need(tool, package):
    found = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")
    if found is None:
        raise Skip(f"needs {tool} (package {package})")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def replace(text, old, new):
    assert old in text, f"{CONF.name} has no {old!r}: mend this test"
    return text.replace(old, new)


class TlsWire(Wire):
    """A connection to nginx; HTTP/1.1 by ALPN."""

    def __init__(self, address, timeout=10.0):
        super().__init__(address, timeout)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"])
        self.socket = context.wrap_socket(self.socket, server_hostname=HOST)

    def _more(self):
        try:
            super()._more()
        except (ssl.SSLError, ConnectionError) as error:
            raise Closed(str(error)) from error


class Front:
    """nginx by the shipped configuration, but for its ports, paths and user."""

    def __init__(self, folder, upstream):
        nginx = need("nginx", "nginx-light")
        need("openssl", "openssl")
        self.folder = Path(folder) / "nginx"
        for name in ("", "body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (self.folder / name).mkdir()
        self.port, self.plain_port = free_port(), free_port()
        self.address = ("127.0.0.1", self.port)
        self.log_path = self.folder / "test.log"
        self.log_file, self.log_rest, self.logged = None, b"", []
        self.shipped_log_path = self.folder / "shipped.log"
        self._certificate()
        (self.folder / "stampede.conf").write_text(self._shipped(upstream), encoding="utf-8")
        main = self.folder / "nginx.conf"
        main.write_text(self._main(), encoding="utf-8")
        command = [nginx, "-c", main, "-p", self.folder, "-e", self.folder / "error.log"]
        done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        complaints = [line for line in done.stderr.splitlines() if "[warn]" in line and '"user"' not in line]
        if complaints:
            raise AssertionError("\n".join(complaints))
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.wire().close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.stop()
                    raise AssertionError((self.folder / "error.log").read_text()) from None
                time.sleep(0.02)

    def _certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            + ["-subj", f"/CN={HOST}", "-days", "2", "-keyout", self.folder / "key.pem"]
            + ["-out", self.folder / "fullchain.pem"],
            check=True,
            capture_output=True,
        )

    def _shipped(self, upstream):
        text = CONF.read_text(encoding="utf-8")
        text = replace(text, "server 127.0.0.1:8080 ", f"server 127.0.0.1:{upstream} ")
        text = replace(text, "listen 80;", f"listen 127.0.0.1:{self.plain_port};")
        text = replace(text, "listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;")
        text = re.sub(r"(?m)^ *listen \[::\]:\d+.*\n", "", text)
        text = replace(text, "/etc/ssl/stampede/", f"{self.folder}/")
        text = replace(
            text,
            "access_log /var/log/nginx/stampede.log stampede;",
            f"access_log {self.shipped_log_path} stampede; access_log {self.log_path} test;",
        )
        return replace(text, "/var/log/nginx/stampede-error.log", str(self.folder / "shipped-error.log"))

    def _main(self):
        paths = "".join(
            f"{name}_temp_path {self.folder}/{folder};"
            for name, folder in (
                ("client_body", "body"),
                ("proxy", "proxy"),
                ("fastcgi", "fastcgi"),
                ("uwsgi", "uwsgi"),
                ("scgi", "scgi"),
            )
        )
        # One worker: so that one connection after the other goes over the same one to the server.
        return (
            f"daemon off; worker_processes 1; pid {self.folder}/pid; events {{}}\n"
            f"http {{ {LOG_FORMAT} {paths} access_log off; include {self.folder}/stampede.conf; }}\n"
        )

    def wire(self, timeout=10.0):
        return TlsWire(self.address, timeout)

    def log(self):
        """[(request line, status, [address of each try])], of all requests so far."""
        if self.log_file is None and self.log_path.exists():
            self.log_file = self.log_path.open("rb")
        if self.log_file is not None:
            *lines, self.log_rest = (self.log_rest + self.log_file.read()).split(b"\n")
            for line in lines:
                request, status, tries = line.decode("utf-8", "replace").rsplit("\t", 2)
                places = [one for one in re.split(" *, *| : ", tries) if one not in ("", "-")]
                self.logged.append((request, int(status), places))
        return self.logged

    def body_files(self):
        return [path for folder in ("body", "proxy") for path in (self.folder / folder).rglob("*") if path.is_file()]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        if self.log_file is not None:
            self.log_file.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


class Behind:
    """A server, and nginx in front of it."""

    def __init__(self, server, folder, **options):
        need("nginx", "nginx-light")
        harness.configure(server)
        self.server = harness.Server("--trusted-proxies", "127.0.0.1", "--shards", "1", **options)
        try:
            self.front = Front(folder, self.server.address[1])
        except BaseException:
            self.server.stop()
            raise

    def client(self, token=None):
        client = harness.Client(self.server, token=token, checked=False)
        client.connection = self.front.wire()
        return client

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.front.stop()
        self.server.stop()


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


# ---- calls ----


def metric(server, pattern):
    text = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
    return sum(float(value) for value in re.findall(rf"(?m)^{pattern} (\S+)$", text))


def nginx_calls(server, folder):
    """The shop works through it, over few connections; cookies, caching and refusals come through."""
    with Behind(server, folder) as both:
        sku = both.server.admin().create_sku(stock=500)
        opened = metric(both.server, r"stampede_http_connections_accepted_total")
        made = both.client().call("POST", "/v1/sessions", expect=201)
        expect(made.header("strict-transport-security"), "no HSTS")
        client = both.client(made.json()["token"])
        for _ in range(200):
            held = client.reserve(sku, expect=201)
        expect(held.header("cache-control") == "no-store", "Cache-Control is lost")
        expect(client.reservation(held.json()["id"]).status == 200, "a hold is not found again")
        expect(both.server.admin().inventory(sku)["reserved"] == 200, "a call was lost or done twice")
        opened = metric(both.server, r"stampede_http_connections_accepted_total") - opened
        expect(0 < opened < 10, f"{opened} connections for 200 calls: they are not kept alive")
        client.call("GET", "/v1/products/a%2Fb%2e%2e?x=%20+&sku=a%2Fb", expect=404)
        client.call("GET", "/nowhere", expect=404, code="not_found")
        refused = client.reserve("4111111111111111", expect=422, code="card_number_refused")
        expect("4111" not in refused.body.decode(), "a card number is echoed")
        client.call("GET", "/v1/products/4111111111111111?pan=4111111111111111", expect=422)
        with socket.create_connection(("127.0.0.1", both.front.plain_port)) as plain:
            plain.sendall(b"GET /a?b HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: plain.recv(65536), b"")).decode()
        expect("308" in answer.splitlines()[0], answer)
        expect(f"Location: https://{HOST}/a?b\r\n" in answer, answer)
        shipped = both.front.shipped_log_path.read_text() + (both.front.folder / "shipped-error.log").read_text()
        expect(shipped.count("POST 201") >= 201, f"the log says too little: {shipped[-500:]}")
        for private in ("4111", "/v1/", "reservations", sku, made.json()["token"]):
            expect(private not in shipped, f"the log holds {private}")
        expect(not both.front.body_files(), "bodies were written to a file")


def nginx_spoofs(server, folder):
    """What a client says of its address is not heard: its rate stays its own."""
    spoofs = (
        ("X-Forwarded-For", "203.0.113.{0}"),
        ("X-Forwarded-For", "203.0.113.{0}, 127.0.0.1"),
        ("x-forwarded-for", "203.0.113.{0}\r\nX-Forwarded-For: 203.0.113.99"),
        ("Forwarded", "for=203.0.113.{0}"),
        ("X-Real-IP", "203.0.113.{0}"),
        ("X_Forwarded_For", "203.0.113.{0}"),
        ("X-Forwarded-For ", "203.0.113.{0}"),
        ("Connection", "close, X-Forwarded-For"),
    )
    left = []
    with Behind(server, folder, rate_limits="on") as both:
        direct = both.server.anonymous()
        for number, (name, value) in enumerate(spoofs * 4):
            with both.front.wire() as wire:
                answer = wire.request("POST", "/v1/sessions", [(name, value.format(number)), ("Host", HOST)], b"")
            if answer.status == 400:
                continue  # nginx refuses the line itself
            found = re.search(r'"sessions-address";r=(\d+)', answer.header("ratelimit"))
            left.append(int(found[1]))
        expect(len(left) > 20, f"only {len(left)} answers")
        expect(left[-1] < left[0] - 15, f"another address at times: {left}")
        # The server itself believes its proxy: so it is nginx that must not pass these on.
        answer = direct.call("POST", "/v1/sessions", headers=[("X-Forwarded-For", "203.0.113.200")])
        expect('"sessions-address";r=59' in answer.header("ratelimit"), "the proxy is not believed")


# ---- limits ----


def nginx_limits(server, folder):
    """What the server takes passes; what it refuses is refused in front, as the same problem."""
    pad = "a" * 1000
    cases = {
        "a body of 64 KiB": (render("POST", "/v1/sessions", JSON, b"{" + b" " * 65534 + b"}"), 201, None),
        "a larger body": (render("POST", "/v1/sessions", JSON, b"{" + b" " * 65535 + b"}"), 413, "payload_too_large"),
        "a line of 7 KiB": (render("GET", "/" + "a" * 7000), 404, "not_found"),
        "a longer line": (render("GET", "/" + "a" * 9000), 414, "uri_too_long"),
        "headers of 12 KiB": (render("GET", "/x", [(f"X-{i}", pad) for i in range(12)]), 404, "not_found"),
        "more headers": (render("GET", "/x", [(f"X-{i}", pad) for i in range(40)]), 431, "headers_too_large"),
    }
    with Behind(server, folder) as both:
        for name, (data, status, code) in cases.items():
            for where, connect in (("nginx", both.front.wire), ("the server", both.server.wire)):
                with connect() as wire:
                    wire.send(data)
                    answer = wire.read_response()
                expect((answer.status, answer.code) == (status, code), f"{name}: {where} says {answer!r}")


JSON = [("Content-Type", "application/json")]


def nginx_import(server, folder):
    """A large catalogue passes without being gathered in front, with a length and in chunks."""
    row = "SKU-{0:07},Thing {0},100,EUR,5,{1}\n"
    filler = "x" * 900
    lines = ["sku,name,price_minor,currency,stock,description\n"]
    count = 300
    while count * len(filler) < IMPORT_BYTES:
        count += 1000
    lines += [row.format(i, filler) for i in range(count)]
    data = "".join(lines).encode()
    head = [("Content-Type", "text/csv"), ("Host", HOST)]
    with Behind(server, folder) as both:
        head.append(("Authorization", f"Bearer {both.server.admin_key}"))
        with both.front.wire(120) as wire:
            started = time.monotonic()
            target = "/v1/admin/import?dry_run=true"
            answer = wire.request("POST", target, head, data)
            expect(answer.status == 200, repr(answer))
            counts = answer.json()
            expect(counts["created"] == count, f"{counts}, sent {count}"[:500])
            seconds = time.monotonic() - started
            chunked = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces(data[: 1 << 20])) + b"0\r\n\r\n"
            wire.send(render("POST", target, [*head, ("Transfer-Encoding", "chunked")]) + chunked)
            expect(wire.read_response().status == 200, "in chunks it is refused")
        expect(not both.front.body_files(), "the catalogue was written to a file")
    return f"{len(data) >> 20} MiB in {seconds:.1f} s"


def pieces(data):
    for at in range(0, len(data), 65536):
        yield data[at : at + 65536]


# ---- what only an origin that misbehaves shows ----


class Origin:
    """An upstream that does as `serve(connection, request head)` says; counts what it is asked."""

    def __init__(self, serve):
        self.requests = []
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        data = b""
        with connection:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            self.requests.append(data)
            self.serve(connection)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.listener.close()


def nginx_events(server, folder):
    """Each event is there when it was sent, not when a buffer is full; and a client that goes is gone."""
    gone = threading.Event()

    def serve(connection):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        try:
            for number in range(1000):
                event = b"data: %d\n\n" % number
                connection.sendall(b"%x\r\n%s\r\n" % (len(event), event))
                time.sleep(0.05)
        except OSError:
            gone.set()

    with Origin(serve) as origin, Front(folder, origin.port) as front:
        with front.wire() as wire:
            wire.send(render("GET", "/v1/skus/a%2Fb/availability?x", [("Accept", "text/event-stream"), ("Host", HOST)]))
            started = time.monotonic()
            while b"data: 5\n" not in wire.buffer:
                wire._more()
            seconds = time.monotonic() - started
            expect(seconds < 2, f"the sixth event came after {seconds:.1f} s")
        expect(gone.wait(5), "the server is not told that the client has gone")
        expect(b"GET /v1/skus/a%2Fb/availability?x HTTP/1.1\r\n" in origin.requests[0], str(origin.requests[0]))
        expect(b"X-Forwarded-For: 127.0.0.1\r\n" in origin.requests[0], str(origin.requests[0]))


def nginx_repeats(server, folder):
    """A POST whose connection dies is not sent again; its client is told that the outcome is unknown."""
    with Origin(lambda connection: None) as origin, Front(folder, origin.port) as front:
        for method in ("POST", "PATCH"):
            before = len(origin.requests)
            with front.wire() as wire:
                answer = wire.request(method, "/v1/reservations", [("Host", HOST)], b"{}")
            expect((answer.status, answer.code) == (503, "outcome_unknown"), repr(answer))
            expect(len(origin.requests) == before + 1, f"{method} was sent {len(origin.requests) - before} times")
            expect(answer.header("retry-after"), "no Retry-After")


# ---- who sees which requests ----

SMUGGLING_CASES_LEAST = 100
ANSWER_SECONDS = 0.2


class Counts:
    """What both have seen. The server's count takes a request of its own each time."""

    def __init__(self, both):
        self.both = both
        self.monitor = both.server.anonymous()
        self.asked = 0

    def of_server(self):
        text = self.monitor.call("GET", "/metrics", expect=200).body.decode()
        total = sum(int(value) for value in re.findall(r"(?m)^stampede_http_requests_total\{[^}]*\} (\d+)$", text))
        self.asked += 1
        return total - (self.asked - 1)

    def of_nginx(self):
        return sum(len(tries) for _, _, tries in self.both.front.log())

    def agree(self, base, seconds=2):
        """Whether what nginx has passed on since `base` is what the server has seen; waits a little for both."""
        deadline = time.monotonic() + seconds
        while True:
            # Staff calls of the test go to the server directly: they are in `direct`.
            seen = self.of_server() - self.both.direct - base[0]
            passed = self.of_nginx() - base[1]
            if seen == passed or time.monotonic() > deadline:
                return seen, passed
            time.sleep(0.02)


def send_case(front, data, number):
    """The case, and behind it a request that knows its name; until that is answered, the connection is closed, or
    nothing comes for a while."""
    marker = b"marker-%d" % number
    with front.wire(ANSWER_SECONDS) as wire:
        try:
            wire.send(data + render("GET", "/healthz", [("Host", HOST), ("X-Request-Id", marker.decode())]))
            while b"X-Request-Id: " + marker not in wire.buffer:
                wire._more()
        except (Closed, TimeoutError, OSError):
            pass


def probe(front, number):
    """A stranger's request over the same connection to the server gets its own answer."""
    with front.wire() as wire:
        answer = wire.request("GET", "/healthz", [("Host", HOST), ("X-Request-Id", f"probe-{number}")])
    expect(
        (answer.status, answer.header("x-request-id")) == (200, f"probe-{number}"),
        f"a stranger got {answer.headers} {answer!r}",
    )


class Ledger:
    """Staff's client that counts its calls."""

    def __init__(self, client, both):
        self.client, self.both = client, both

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def counted(*arguments, **options):
            self.both.direct += 1
            return method(*arguments, **options)

        return counted


class CountedBench(torture.Bench):
    def __init__(self, both):
        both.direct = 1  # the guest's session
        super().__init__(both.server)
        self.local.admin = Ledger(both.server.admin(), both)


def all_cases():
    """Of every table that is about where a request begins and ends."""
    for name in ("smuggling", "chunks", "lines", "bodies", "targets", "connection"):
        for case in importlib.import_module(f"cases_{name}").cases():
            yield case


def run_case(both, bench, counts, number, case):
    """What is wrong with what came of it, and how often its hidden request was executed."""
    sku = bench.new_sku()
    base = (counts.of_server() - both.direct, counts.of_nginx())
    send_case(both.front, bench.fill(case.data, sku), number)
    faults = []
    try:
        probe(both.front, number)
    except (AssertionError, Closed, OSError) as error:
        faults.append(f"{case.name}: {error}")
    seen, passed = counts.agree(base)
    if seen != passed:
        faults.append(f"{case.name}: nginx has passed on {passed} requests, the server has seen {seen}")
    own = [line for line in both.front.log() if f"/{sku}/adjust " in line[0] and line[1] == 200]
    books = bench.books(sku)
    if books["stock"] != torture.UNITS + torture.SMUGGLED_UNITS * len(own):
        faults.append(f"{case.name}: a hidden request was executed: {books}, nginx saw {own}")
    return faults, len(own)


def control(both, counts):
    """A request that nginx has not seen must be noticed."""
    base = (counts.of_server() - both.direct, counts.of_nginx())
    with both.server.wire() as wire:
        wire.request("GET", "/healthz")
    seen, passed = counts.agree(base, 0.2)
    expect((seen, passed) == (1, 0), f"of a request past nginx the server has seen {seen}, nginx {passed}")
    both.direct += 1


def nginx_smuggling(server, folder):
    """No case makes nginx and the server see different requests: as many are passed on as are seen, each answer goes to
    its own request, and a hidden request is executed only where nginx has seen it as one."""
    faults, executed = [], 0
    with Behind(server, folder) as both:
        bench = CountedBench(both)
        counts = Counts(both)
        cases = list(all_cases())
        expect(len(cases) >= SMUGGLING_CASES_LEAST, f"only {len(cases)} cases")
        first = (counts.of_server() - both.direct, counts.of_nginx())
        for number, case in enumerate(cases):
            found, times = run_case(both, bench, counts, number, case)
            faults += found
            executed += times
        time.sleep(ANSWER_SECONDS)
        seen, passed = counts.agree(first)
        if seen != passed:
            faults.append(f"in all nginx has passed on {passed} requests, the server has seen {seen}")
        control(both, counts)
        expect(not both.front.body_files(), "bodies were written to a file")
    expect(not faults, "\n     ".join([f"{len(faults)} faults in {len(cases)} cases:", *faults[:20]]))
    expect(executed > 0, "no case has a request behind another: the check sees nothing")
    return f"{len(cases)} cases, {passed} requests passed on"


CHECKS = (
    nginx_calls,
    nginx_spoofs,
    nginx_limits,
    nginx_import,
    nginx_events,
    nginx_repeats,
    nginx_smuggling,
)
