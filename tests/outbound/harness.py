# SPDX-License-Identifier: Apache-2.0
"""What the cases use: the driver program, a mail server of Debian's, certificates, small servers on loopback ports."""
import http.server
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

WAIT_S = 30


class Skip(Exception):
    """This case cannot be run here; the text says why."""


class Settings:
    driver = None  # paths of the programs
    server = None
    folder = None  # scratch


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"in {seconds} s: no {what}")


def scratch(name):
    path = Settings.folder / f"{name}-{time.monotonic_ns()}"
    path.mkdir()
    return path


# ---- the driver ----------------------------------------------------------------------------------------------------


class Result:
    def __init__(self, fields):
        self.result, self.reason = fields[0], fields[1]
        self.status, self.reached, self.retry_after = (int(field) for field in fields[2:5])
        self.answer = bytes.fromhex(fields[5])

    def __repr__(self):
        return f"{self.result} {self.reason} status={self.status} reached={self.reached}"


class Driver:
    """outbound-driver serve: jobs in, results out."""

    def __init__(self, environment=None, **options):
        self.lines, self.count = {}, 0
        self.changed = threading.Condition()
        self.folder = scratch("driver")
        self.process = subprocess.Popen(
            [Settings.driver, "serve"] + [f"{name}={value}" for name, value in options.items()], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1, env={**os.environ, **(environment or {})})
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.stop()
        if kind is None:
            assert self.process.returncode == 0, f"the driver ended with {self.process.returncode}"

    def _read(self):
        for line in self.process.stdout:
            tag, *fields = line.rstrip("\n").split("\t")
            with self.changed:
                assert tag not in self.lines, f"{tag} ended twice"
                self.lines[tag] = fields
                self.changed.notify_all()

    def send(self, command, *fields):
        self.count += 1
        tag = f"t{self.count}"
        self.process.stdin.write("\t".join([command, tag, *map(str, fields)]) + "\n")
        self.process.stdin.flush()
        return tag

    def fields(self, tag, seconds=WAIT_S):
        with self.changed:
            assert self.changed.wait_for(lambda: tag in self.lines, seconds), f"{tag} has not ended in {seconds} s"
            return self.lines[tag]

    def wait(self, tag, seconds=WAIT_S):
        return Result(self.fields(tag, seconds))

    def is_under_way(self, tag):
        with self.changed:
            return tag not in self.lines

    def mail(self, recipient="ann@shop.test", message=None, name=None, timeout_ms=10000, sender="shop@shop.test"):
        path = self.folder / f"{self.count}.eml"
        path.write_bytes(message or b"Subject: hello\r\nMessage-ID: <m1@shop.test>\r\n\r\nHello.\r\n")
        return self.send("mail", timeout_ms, sender, recipient, name or f"mail-{self.count}", path)

    def order(self, kind, identity, recipient="ann@shop.test", wall_ms=1700000000000, **values):
        return self.send("order", kind, identity, wall_ms, recipient,
                         *(f"{name}={text}" for name, text in values.items()))

    def http(self, url, method="GET", body=None, answer_max=65536, headers=(), timeout_ms=10000):
        path = "-"
        if body is not None:
            path = self.folder / f"{self.count}.body"
            path.write_bytes(body)
        return self.send("http", timeout_ms, method, url, path, answer_max, *headers)

    def metrics(self):
        return {name: int(value) for name, value in
                (field.split("=") for field in self.fields(self.send("metrics")))}

    def stop(self):
        """Ends its input; returns the seconds that it took to stop."""
        started = time.monotonic()
        self.process.stdin.close()
        self.process.wait(WAIT_S)
        return time.monotonic() - started


def run_driver(*arguments):
    return subprocess.run([Settings.driver, *map(str, arguments)], capture_output=True, timeout=WAIT_S, check=False)


# ---- certificates --------------------------------------------------------------------------------------------------

_certificates = {}


def certificate(name, subject_names):
    """(certificate file, key file) of a self-signed certificate that is its own authority."""
    if name not in _certificates:
        folder = scratch("certificate")
        files = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject_names}",
                        "-keyout", files[1], "-out", files[0]], check=True, capture_output=True)
        for path in (folder, *files):
            os.chmod(path, 0o755)
        _certificates[name] = files
    return _certificates[name]


def own_certificate():
    return certificate("own", "IP:127.0.0.1")


# ---- the mail server -----------------------------------------------------------------------------------------------

EXIM_USER = "Debian-exim"
PASSWORD = "a secret: with % and \u00e9"

CONFIGURATION = r"""
primary_hostname = mx.shop.test
exim_user = EXIM
exim_group = EXIM
never_users =
keep_environment =
spool_directory = FOLDER/spool
log_file_path = FOLDER/log/%slog
pid_file_path = FOLDER/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = PORTS
tls_on_connect_ports = TLS_PORT
tls_advertise_hosts = TLS_HOSTS
tls_certificate = CERTIFICATE
tls_privatekey = KEY
auth_advertise_hosts = ${if def:tls_in_cipher{*}{}}
smtp_accept_max_per_host = CONNECTIONS
smtp_accept_max_per_connection = 1000
smtp_accept_queue_per_connection = 0
smtputf8_advertise_hosts = *
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 5M
acl_smtp_rcpt = on_recipient
acl_smtp_data = on_data
log_selector = +smtp_connection

begin acl
on_recipient:
  deny   local_parts = nobody
         message = no such user here
  deny   local_parts = members
         ! authenticated = *
         message = log in first
  defer  local_parts = grey
         condition = ${if exists{FOLDER/seen}{no}{yes}}
         set acl_m_seen = ${run{/usr/bin/touch FOLDER/seen}}
         message = greylisted, try again later
  warn   local_parts = slow
         delay = 8s
  accept

on_data:
  deny   condition = ${if match{$h_subject:}{unwanted}}
         message = this text is not wanted
  warn   condition = ${if match{$h_subject:}{lingering}}
         delay = 20s
  accept

begin routers
all:
  driver = accept
  transport = folder

begin transports
folder:
  driver = appendfile
  directory = FOLDER/mail
  create_directory
  maildir_format
  user = EXIM
  envelope_to_add
  return_path_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{shop}}{eq{$auth3}{PASSWORD}}}}
  server_set_id = $auth2
"""


class Exim:
    """Exim with a configuration, a spool and a port of its own; a child of the test."""

    def __init__(self, tls=True, connections=20, started=True):
        program = shutil.which("exim4", path="/usr/sbin:/usr/bin")
        if os.geteuid() != 0:
            raise Skip("a mail server needs root, to deliver as its own user")
        if program is None and shutil.which("sendmail", path="/usr/sbin:/usr/bin"):
            raise Skip("another mail server is installed in exim4's place")
        if program is None and os.stat("/").st_mode & 0o001 == 0:
            raise Skip("others may not enter this system's root folder, so there can be no mail server")
        if program is None:
            raise AssertionError("there is no exim4: run ./scripts/setup test")
        self.folder = scratch("exim")
        self.port, self.tls_port = free_port(), free_port()
        files = own_certificate()
        text = CONFIGURATION.lstrip()
        for name, value in {"TLS_HOSTS": "*" if tls else "", "PORTS": f"{self.port} : {self.tls_port}",
                            "TLS_PORT": self.tls_port, "FOLDER": self.folder, "CERTIFICATE": files[0], "KEY": files[1],
                            "CONNECTIONS": connections, "PASSWORD": PASSWORD, "EXIM": EXIM_USER}.items():
            text = text.replace(name, str(value))
        account = pwd.getpwnam(EXIM_USER)
        for name in ("", "spool", "log", "mail"):
            (self.folder / name).mkdir(exist_ok=True)
            os.chown(self.folder / name, account.pw_uid, account.pw_gid)
        os.chmod(self.folder, 0o755)
        self.configuration = self.folder / "configuration"
        self.configuration.write_text(text)
        os.chmod(self.configuration, 0o644)
        self.program, self.process = program, None
        if started:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def start(self):
        # A session of its own, so that its children can be ended with it.
        self.process = subprocess.Popen([self.program, "-bdf", "-C", self.configuration], start_new_session=True,
                                        stdin=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for("answer of the mail server", self._greets)

    def _greets(self):
        assert self.process.poll() is None, f"exim4 ended with {self.process.returncode}"
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.settimeout(5)
                if not connection.recv(100).startswith(b"220"):
                    return False
                connection.sendall(b"QUIT\r\n")
                return connection.recv(100)
        except OSError:
            return False

    def kill(self):
        """At once, with all that it is doing."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None

    def mails(self):
        return [path.read_bytes() for path in sorted((self.folder / "mail").glob("new/*"))]

    def wait_for_mails(self, count):
        wait_for(f"{count} mails (there are {len(self.mails())})", lambda: len(self.mails()) >= count)
        return self.mails()

    def log(self):
        return (self.folder / "log" / "mainlog").read_text()


# ---- servers of bytes and of HTTP ----------------------------------------------------------------------------------


class RawServer:
    """Each connection is given to `talk(socket)` on a thread of its own."""

    def __init__(self, talk):
        self.talk = talk
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                self.talk(connection)
            except OSError:
                pass


class HttpServer:
    """Answers by `answer(handler)`; notes all requests, and how many were under way at once."""

    def __init__(self, answer, certificate_files=None):
        self.requests, self.now, self.most = [], 0, 0
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def serve(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with outer.lock:
                    outer.requests.append((self.command, self.path, dict(self.headers), self.body))
                    outer.now += 1
                    outer.most = max(outer.most, outer.now)
                try:
                    answer(self)
                finally:
                    with outer.lock:
                        outer.now -= 1

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

            def give(self, status, body=b"", headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate_files is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, certificate_files))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if certificate_files else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
