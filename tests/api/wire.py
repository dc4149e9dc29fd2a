# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 over a socket, with TLS if asked for: what was sent and what came back, byte by byte.

http.client hides what these tests look at (raw bytes, pipelining, who closed), and is too slow for a stampede.
"""
import json
import socket


class Closed(Exception):
    """The peer closed (or reset) the connection where an answer was due."""


class Response:
    def __init__(self, status, reason, headers, body):
        self.status = status
        self.reason = reason
        self.headers = headers  # [(lower-case name, value)], in order
        self.body = body

    def header(self, name, default=None):
        name = name.lower()
        for key, value in self.headers:
            if key == name:
                return value
        return default

    def header_all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The problem's code, or None where this is no problem document."""
        if "problem+json" not in (self.header("content-type") or ""):
            return None
        return self.json().get("code")

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Wire:
    """One connection; through TLS with an ssl.SSLContext, after `preamble` was sent as it is."""

    def __init__(self, address, timeout=15.0, tls=None, session=None, preamble=b""):
        self.address = address
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if preamble:
            self.socket.sendall(preamble)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0], session=session)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from error

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed("end of stream")
        self.buffer += data

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _take_line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def read_response(self, head_only=False):
        """Reads one answer, passing over 100 Continue; raises Closed when there is none."""
        while True:
            while b"\r\n\r\n" not in self.buffer:
                self._more()
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            version, status, *reason = lines[0].split(" ", 2)
            if not version.startswith("HTTP/1."):
                raise ValueError(f"not an HTTP answer: {lines[0]!r}")
            headers = []
            for line in lines[1:]:
                name, value = line.split(":", 1)
                headers.append((name.strip().lower(), value.strip()))
            response = Response(int(status), reason[0] if reason else "", headers, b"")
            if response.status != 100:
                break
        response.body = b"" if head_only else self._read_body(response)
        return response

    def _read_body(self, response):
        if response.status in (204, 304) or response.status < 200:
            return b""
        if (response.header("transfer-encoding") or "").lower() == "chunked":
            body = b""
            while True:
                size = int(self._take_line().split(b";")[0], 16)
                if size == 0:
                    while self._take_line():
                        pass
                    return body
                body += self._take(size)
                self._take_line()
        length = response.header("content-length")
        if length is not None:
            return self._take(int(length))
        body = b""
        try:
            while True:
                self._more()
        except Closed:
            body, self.buffer = self.buffer, b""
        return body

    def request(self, method, target, headers=(), body=None):
        self.send(render(method, target, headers, body, self.address))
        return self.read_response(head_only=method == "HEAD")

    def is_closed_within(self, seconds):
        """True if the peer closes within the time; what still arrives is read and dropped."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except (socket.timeout, TimeoutError):
            return False


def render(method, target, headers=(), body=None, address=("localhost", 80)):
    """The bytes of one request. Host and Content-Length are added where the caller gives none."""
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {address[0]}:{address[1]}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    if body is not None and "content-length" not in names and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
