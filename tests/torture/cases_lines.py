# SPDX-License-Identifier: Apache-2.0
"""The request line and the header lines: line ends, folding, names, values, versions, methods, hosts.

RFC 9112 §2.2 (line ends), §3 (request line), §5 (fields: no blank before the colon, folding refused); RFC 9110 §5.5
(no control bytes in values), §7.2 (one valid Host, RFC 9112 §3.2: else 400).
"""
from torture import CALLER, GET, HOLD, HOST, JSON, POST, PROBLEM_400, PROBLEM_501, Case, hold, length, refused, served

PROBLEM_505 = "505 http_version_not_supported"
EITHER = f"{PROBLEM_501}|{PROBLEM_400}"
NO_VERSION = f"{PROBLEM_400}|{PROBLEM_505}"
TAIL = length(HOLD) + b"\r\n" + HOLD
REST = HOST + CALLER + JSON + TAIL


def with_lines(lines):
    return POST + lines + TAIL


def with_request_line(line):
    return line + REST


# A line among the headers of a hold that would succeed without it.
BAD_LINES = {
    "bare LF ends a header": b"X: a\nY: b\r\n",
    "bare CR ends a header": b"X: a\rY: b\r\n",
    "CR CR LF ends a header": b"X: a\r\r\n",
    "LF CR ends a header": b"X: a\n\rY: b\r\n",
    "NUL in a value": b"X: a\x00b\r\n",
    "NUL alone as value": b"X: \x00\r\n",
    "bell in a value": b"X: a\x07b\r\n",
    "escape in a value": b"X: \x1b[31m\r\n",
    "DEL in a value": b"X: a\x7fb\r\n",
    "vertical tab in a value": b"X: a\x0bb\r\n",
    "backspace in a value": b"X: a\x08b\r\n",
    "folded by a space": b"X: a\r\n b\r\n",
    "folded by a tab": b"X: a\r\n\tb\r\n",
    "folded blank line": b"X: a\r\n \r\n",
    "space before the colon": b"X : a\r\n",
    "tab before the colon": b"X\t: a\r\n",
    "space in a name": b"X Y: a\r\n",
    "NUL in a name": b"X\x00Y: a\r\n",
    "CR in a name": b"X\rY: a\r\n",
    "LF in a name": b"X\nY: a\r\n",
    "DEL in a name": b"X\x7f: a\r\n",
    "high byte in a name": b"X\xe9: a\r\n",
    "UTF-8 in a name": "Éa: b\r\n".encode(),
    "no name": b": a\r\n",
    "no name, no value": b":\r\n",
    "no colon": b"foo\r\n",
    "only blanks": b"  \r\n",
    "at sign in a name": b"X@Y: a\r\n",
    "slash in a name": b"X/Y: a\r\n",
    "brackets in a name": b"X[]: a\r\n",
    "parentheses in a name": b"X(): a\r\n",
    "quotes in a name": b'"X": a\r\n',
    "equals sign in a name": b"X=Y: a\r\n",
    "semicolon in a name": b"X;Y: a\r\n",
    "comma in a name": b"X,Y: a\r\n",
    "second Authorization": b"Authorization: Bearer other\r\n",
    "second Idempotency-Key": b"Idempotency-Key: other\r\n",
    "second Content-Type": b"Content-Type: text/plain\r\n",
    "second Host": b"Host: other.example\r\n",
    "second Host, the same": HOST,
    "second Host, in capitals": b"HOST: shop.example\r\n",
}

GOOD_LINES = {
    "every sign of a token as name": b"!#$%&'*+-.^_`|~09AZaz: a\r\n",
    "empty value": b"X:\r\n",
    "blanks only as value": b"X: \t \r\n",
    "tab within a value": b"X: a\tb\r\n",
    "high bytes in a value": b"X: \x80\xff\xe9\r\n",
    "UTF-8 in a value": "X: Ünïcode €\r\n".encode(),
    "colons in a value": b"X: a:b::c\r\n",
    "a request line as value": b"X: GET / HTTP/1.1\r\n",
    "the same unknown header twice": b"X: a\r\nX: b\r\n",
    "names that differ in - and _": b"X-A: a\r\nX_A: b\r\n",
    "Content_Length is another name": b"Content_Length: 0\r\n",
    "a digit as name": b"1: a\r\n",
    "X-Forwarded-For of a stranger": b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n",
    "method override": b"X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /v1/admin/products\r\n",
    "a request ID that is none": b"X-Request-Id: a b\tc\r\n",
}

TARGET = b"/v1/reservations"
BAD_REQUEST_LINES = {
    "request line ended by LF": b"POST " + TARGET + b" HTTP/1.1\n",
    "request line ended by CR": b"POST " + TARGET + b" HTTP/1.1\r",
    "request line ended by CR CR LF": b"POST " + TARGET + b" HTTP/1.1\r\r\n",
    "two spaces before the target": b"POST  " + TARGET + b" HTTP/1.1\r\n",
    "two spaces after the target": b"POST " + TARGET + b"  HTTP/1.1\r\n",
    "space behind the version": b"POST " + TARGET + b" HTTP/1.1 \r\n",
    "space before the method": b" POST " + TARGET + b" HTTP/1.1\r\n",
    "tabs between the parts": b"POST\t" + TARGET + b"\tHTTP/1.1\r\n",
    "vertical tab between the parts": b"POST\x0b" + TARGET + b" HTTP/1.1\r\n",
    "no space before the version": b"POST " + TARGET + b"HTTP/1.1\r\n",
    "no target": b"POST HTTP/1.1\r\n",
    "empty target": b"POST  HTTP/1.1\r\n",
    "no version": b"POST " + TARGET + b"\r\n",
    "four parts": b"POST " + TARGET + b" x HTTP/1.1\r\n",
    "space in the target": b"POST " + TARGET + b"?a b HTTP/1.1\r\n",
    "tab in the target": b"POST " + TARGET + b"?a\tb HTTP/1.1\r\n",
    "NUL in the target": b"POST " + TARGET + b"?\x00 HTTP/1.1\r\n",
    "CR in the target": b"POST " + TARGET + b"?a\rb HTTP/1.1\r\n",
    "DEL in the target": b"POST " + TARGET + b"?\x7f HTTP/1.1\r\n",
    "bell in the target": b"POST " + TARGET + b"?\x07 HTTP/1.1\r\n",
    "high byte in the target": b"POST " + TARGET + b"?\xff HTTP/1.1\r\n",
    "UTF-8 in the target": b"POST " + TARGET + "?é HTTP/1.1\r\n".encode(),
    "fragment in the target": b"POST " + TARGET + b"#x HTTP/1.1\r\n",
    "target without a slash": b"POST v1/reservations HTTP/1.1\r\n",
    "target that begins with a backslash": b"POST \\v1\\reservations HTTP/1.1\r\n",
    "asterisk as target of POST": b"POST * HTTP/1.1\r\n",
    "authority as target of POST": b"POST shop.example:80 HTTP/1.1\r\n",
    "a byte order mark first": b"\xef\xbb\xbfPOST " + TARGET + b" HTTP/1.1\r\n",
    "blank line of LF, then a bare CR": b"\r\rPOST " + TARGET + b" HTTP/1.1\r\n",
    "ten leading line ends": b"\r\n" * 10 + b"POST " + TARGET + b" HTTP/1.1\r\n",
}

# The version is HTTP/DIGIT.DIGIT, in capitals (RFC 9112 §2.3). Another protocol's name is 400, a version that we do
# not speak 505 (RFC 9110 §15.6.6); to what is no version at all either may be said.
VERSIONS = {
    "HTTP/1.2": PROBLEM_505,
    "HTTP/1.9": PROBLEM_505,
    "HTTP/2.0": PROBLEM_505,
    "HTTP/3.0": PROBLEM_505,
    "HTTP/0.9": PROBLEM_505,
    "HTTP/0.0": PROBLEM_505,
    "HTTP/9.9": PROBLEM_505,
    "HTTP/2": NO_VERSION,
    "HTTP/1": NO_VERSION,
    "HTTP/1.": NO_VERSION,
    "HTTP/": NO_VERSION,
    "HTTP": NO_VERSION,
    "HTTP/.1": NO_VERSION,
    "HTTP/1.1.1": NO_VERSION,
    "HTTP/1.10": NO_VERSION,
    "HTTP/01.1": NO_VERSION,
    "HTTP/1.01": NO_VERSION,
    "HTTP/1,1": NO_VERSION,
    "HTTP/-1.1": NO_VERSION,
    "HTTP/A.B": NO_VERSION,
    "http/1.1": PROBLEM_400,
    "HTTP 1.1": PROBLEM_400,
    "HTTPS/1.1": PROBLEM_400,
    "HTP/1.1": PROBLEM_400,
    "RTSP/1.0": PROBLEM_400,
    "ICE/1.0": PROBLEM_400,
}

# A method that the parser knows and we do not let in is 501. RFC 9110 §9.1 would have 501 for any token; the parser
# ends at the first byte that begins none of its methods, so that 400 is as good there. They are compared in case.
METHODS = {
    b"TRACE": PROBLEM_501,
    b"PURGE": PROBLEM_501,
    b"PROPFIND": PROBLEM_501,
    b"LOCK": PROBLEM_501,
    b"SEARCH": PROBLEM_501,
    b"M-SEARCH": PROBLEM_501,
    b"BREW": EITHER,
    b"QUERY": EITHER,
    b"post": EITHER,
    b"Post": EITHER,
    b"POSTS": EITHER,
    b"POS": EITHER,
    b"P": EITHER,
    b"!#$%&'*+-.^_`|~": EITHER,
    b"A" * 1000: EITHER,
    b"POST" * 20000: f"{EITHER}|414 uri_too_long",
    b"P\x00ST": PROBLEM_400,
    b"P\xd6ST": PROBLEM_400,
    b"P@ST": PROBLEM_400,
    b"POST/": PROBLEM_400,
    b"": PROBLEM_400,
}

# Another protocol. One that names itself may be told so.
OTHERS = {
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9, f"{PROBLEM_505}|{EITHER}"),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, PROBLEM_400),
    "HTTP/0.9": (b"GET /healthz\r\n", f"{PROBLEM_400}|{PROBLEM_505}"),
    "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", EITHER),
    "SMTP": (b"EHLO shop.example\r\n", EITHER),
    "PROXY protocol": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", EITHER),
    "PROXY protocol 2": (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"\1" * 12, PROBLEM_400),
    "Redis": (b"*1\r\n$4\r\nPING\r\n", PROBLEM_400),
    "an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", EITHER),
    "256 NULs": (b"\x00" * 256, PROBLEM_400),
    "256 bytes of FF": (b"\xff" * 256, PROBLEM_400),
}

BAD_HOSTS = {
    "missing": b"",
    "with a path": b"Host: shop.example/x\r\n",
    "with a user": b"Host: user@shop.example\r\n",
    "with a scheme": b"Host: http://shop.example\r\n",
    "with a space": b"Host: shop example\r\n",
    "with a tab": b"Host: shop\texample\r\n",
    "with a query": b"Host: shop.example?x\r\n",
    "with a fragment": b"Host: shop.example#x\r\n",
    "a list": b"Host: shop.example, other.example\r\n",
    "with a port of letters": b"Host: shop.example:http\r\n",
    "with a negative port": b"Host: shop.example:-1\r\n",
    "with two ports": b"Host: shop.example:80:80\r\n",
    "with an unclosed bracket": b"Host: [::1\r\n",
    "with a name in brackets": b"Host: [shop.example]\r\n",
    "with backslash": b"Host: shop\\example\r\n",
    "with angle brackets": b"Host: <script>\r\n",
    "with quotes": b'Host: "shop.example"\r\n',
    "with a high byte": b"Host: sh\xf6p.example\r\n",
    "with a NUL": b"Host: shop\x00.example\r\n",
    "with bad percent-encoding": b"Host: shop%zz.example\r\n",
    "folded": b"Host:\r\n shop.example\r\n",
}

GOOD_HOSTS = {
    "an IPv4 address": b"Host: 192.0.2.1\r\n",
    "an IPv6 address": b"Host: [2001:db8::1]:8080\r\n",
    "with a port": b"Host: shop.example:65535\r\n",
    "in capitals": b"HOST: SHOP.EXAMPLE\r\n",
    "with underscores and hyphens": b"Host: my_shop-1.example\r\n",
    "in blanks": b"Host: \t shop.example \t\r\n",
    "last of the headers": b"X: y\r\nHost: shop.example\r\n",
}

MISMATCH = {
    "another name": b"http://other.example/v1/reservations",
    "another port": b"http://shop.example:8081/v1/reservations",
    "a user before the name": b"http://shop.example@other.example/v1/reservations",
    "a user": b"http://user@shop.example/v1/reservations",
    "no name": b"http:///v1/reservations",
    "a name with a space's code": b"http://shop.example%20/v1/reservations",
    "another scheme": b"ftp://shop.example/v1/reservations",
    "file": b"file:///v1/reservations",
    "no slashes": b"http:shop.example/v1/reservations",
}


def host_cases():
    for name, line in BAD_HOSTS.items():
        yield refused(f"Host {name}", hold().replace(HOST, line))
    for name, line in GOOD_HOSTS.items():
        yield served(f"Host {name}", hold().replace(HOST, line))
    # Valid where the target has no authority (RFC 9110 §7.2); refusing it is as good.
    empty = hold().replace(HOST, b"Host:\r\n")
    yield Case("Host empty", empty, (f"201|{PROBLEM_400}",), closed=None, held=None)
    # So is any number for a port (RFC 3986 §3.2.3), and none.
    for port in (b":65536", b":", b":0"):
        data = hold().replace(HOST, b"Host: shop.example" + port + b"\r\n")
        yield Case(f"Host with port {port.decode()}", data, (f"201|{PROBLEM_400}",), closed=None, held=None)
    for name, target in MISMATCH.items():
        yield refused(f"absolute target: {name}", hold().replace(TARGET, target, 1))
    for target in (b"http://shop.example/v1/reservations", b"HTTP://SHOP.EXAMPLE/v1/reservations"):
        yield served(f"absolute target: {target.decode()}", hold().replace(TARGET, target, 1))
    absolute = b"GET http://shop.example HTTP/1.1\r\n" + HOST + b"\r\n"
    yield Case("absolute target without a path", absolute, ("404 not_found|200",), held=0)
    yield served("HTTP/1.0 without Host", b"GET /healthz HTTP/1.0\r\n\r\n", "200", closed=True)
    for name, method, target in (
        ("CONNECT", b"CONNECT", b"shop.example:443"),
        ("CONNECT to a path", b"CONNECT", b"/healthz"),
        ("CONNECT to an absolute target", b"CONNECT", b"http://shop.example/"),
    ):
        data = method + b" " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"
        yield refused(name, data, EITHER)
    star = b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"
    yield Case("OPTIONS for the server as a whole", star, ("200|204",), headers=(("allow", "GET"),))
    yield refused("asterisk as target of GET", star.replace(b"OPTIONS", b"GET"))


def cases():
    for name, line in BAD_LINES.items():
        yield refused(f"header: {name}", with_lines(line))
    for name, line in BAD_LINES.items():
        if not name.startswith("second "):
            data = with_request_line(b"POST " + TARGET + b" HTTP/1.1\r\n" + line)
            yield refused(f"first header: {name}", data)
    for name, line in GOOD_LINES.items():
        yield served(f"header: {name}", with_lines(line))
    for name, line in BAD_REQUEST_LINES.items():
        want = NO_VERSION if "version" in name else PROBLEM_400
        yield refused(name, with_request_line(line), want)
    one = b"\r\nPOST " + TARGET + b" HTTP/1.1\r\n"
    yield served("one leading line end", with_request_line(one))
    for version, want in VERSIONS.items():
        line = b"POST " + TARGET + b" " + version.encode() + b"\r\n"
        yield refused(f"version {version}", with_request_line(line), want)
    for method, want in METHODS.items():
        name = method if len(method) < 20 else method[:8] + b"... of %d" % len(method)
        line = method + b" " + TARGET + b" HTTP/1.1\r\n"
        yield refused(f"method {name!r}", with_request_line(line), want)
    for name, (data, want) in OTHERS.items():
        yield refused(f"protocol: {name}", data, want)
    for name, data in {
        "headers ended by LF": GET + b"\n",
        "headers ended by CR": GET + b"\r",
        "headers ended by CR CR LF": GET + b"\r\r\n",
        "all lines ended by LF": (GET + b"\r\n").replace(b"\r", b""),
        "all lines ended by CR": (GET + b"\r\n").replace(b"\n", b""),
    }.items():
        yield refused(name, data)
    yield from host_cases()
