# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks: verifies signatures by code of its own, answers as it is told, keeps what came."""
import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_SECONDS = 60


def verify(secrets, headers, body):
    """Which of the secrets signed it (indexes); an AssertionError for what Standard Webhooks forbids."""
    stamp = headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) < TOLERANCE_SECONDS, f"signed at {stamp}"
    signed = f"{headers['webhook-id']}.{stamp}.".encode() + body
    given = headers["webhook-signature"].split(" ")
    good = []
    for index, secret in enumerate(secrets):
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if any(hmac.compare_digest(wanted, one) for one in given):
            good.append(index)
    assert good, f"no signature of {given} is by one of the secrets"
    assert len(given) == len(good), f"{given}: some are by nobody known"
    return good


class Receiver:
    """`answer`: a function of the number of the request (from 0) at its path, giving (status, headers); None hangs."""

    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.came = []  # dicts: path, id, body, signers, at
        self.secrets = {}  # path -> list of secrets
        self.answers = {}  # path -> function
        self.problems = []
        self.hang = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = receiver.take(self.path, self.headers, body)
                if answer is None:
                    receiver.hang.wait(30)
                    self.close_connection = True
                    return
                status, headers = answer
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_):  # a server that was killed resets its connections
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        ThreadingHTTPServer.daemon_threads = True
        self.server = Quiet(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        with self.lock:
            number = sum(entry["path"] == path for entry in self.came)
            entry = {"path": path, "id": headers["webhook-id"], "at": time.monotonic(), "raw": body,
                     "type": headers["content-type"],
                     "headers": {name.lower(): value for name, value in headers.items()}}
            try:
                entry["signers"] = verify(self.secrets.get(path, []), headers, body)
                entry["body"] = json.loads(body)
            except Exception as error:  # told by the test's end
                self.problems.append(f"{path}: {error!r}")
                entry["body"] = None
            self.came.append(entry)
            answer = self.answers.get(path, lambda _: (200, ()))
        return answer(number)

    def at(self, path):
        with self.lock:
            return [entry for entry in self.came if entry["path"] == path]

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def stop(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()
