# SPDX-License-Identifier: Apache-2.0
"""A connection's life: close and keep-alive, Expect, Upgrade, half-close, pipelines."""
from torture import (
    CALLER,
    GET,
    HOLD,
    POST,
    PROBLEM_400,
    PROBLEM_501,
    SKU,
    SMUGGLED,
    Case,
    chunk,
    get,
    hold,
    length,
    post,
    refused,
    served,
)

EXPECT = b"Expect: 100-continue\r\n"
CUT_OFF = f"none|{PROBLEM_400}|408 request_timeout"
OLD = b"GET /healthz HTTP/1.0\r\nHost: a\r\n"

# What Connection says to HTTP/1.1 and to 1.0, and whether the connection then closes (RFC 9112 §9.3; a server need not
# keep a connection of 1.0).
CONNECTIONS = {
    "close": (b"Connection: close\r\n", True, True),
    "close in capitals": (b"Connection: CLOSE\r\n", True, True),
    "close in a list": (b"Connection: x, close\r\n", True, True),
    "close without blanks": (b"Connection:x,close,y\r\n", True, True),
    "close between empty elements": (b"Connection: , ,close, ,\r\n", True, True),
    "close on the second line": (b"Connection: x\r\nConnection: close\r\n", True, True),
    "close and keep-alive": (b"Connection: close, keep-alive\r\n", True, True),
    "keep-alive and close": (b"Connection: keep-alive, close\r\n", True, True),
    "keep-alive, close on two lines": (b"Connection: keep-alive\r\nConnection: close\r\n", True, True),
    "keep-alive": (b"Connection: keep-alive\r\n", False, None),
    "Keep-Alive": (b"Connection: Keep-Alive\r\nKeep-Alive: timeout=600, max=1000\r\n", False, None),
    "another word": (b"Connection: x\r\n", False, True),
    "closed is not close": (b"Connection: closed\r\n", False, True),
    "xclose is not close": (b"Connection: xclose\r\n", False, True),
    "close; q is not close": (b"Connection: close;q=1\r\n", None, True),
    "empty": (b"Connection:\r\n", False, True),
    "none but Proxy-Connection": (b"Proxy-Connection: close\r\n", None, True),
    "TE": (b"Connection: TE\r\nTE: trailers\r\n", False, True),
}

# Names of fields, given as options of the connection, take no field away from its own recipient.
NAMED = (b"content-length", b"host", b"authorization", b"transfer-encoding", b"idempotency-key")


def connection_cases():
    for name, (lines, closes, closes_old) in CONNECTIONS.items():
        data = GET + lines + b"\r\n"
        if closes:
            yield Case(f"Connection: {name}", data + SMUGGLED, ("200",), closed=True)
        else:
            yield Case(f"Connection: {name}", data, ("200",), closed=closes)
        yield Case(f"HTTP/1.0, Connection: {name}", OLD + lines + b"\r\n", ("200",), closed=closes_old)
    yield Case("HTTP/1.0, then more", OLD + b"\r\n" + SMUGGLED, ("200",), closed=True)
    for name in NAMED:
        yield served(f"Connection: {name.decode()}", hold(b"Connection: " + name + b"\r\n"))
    yield Case(
        "hold and close", hold(b"Connection: close\r\n") + SMUGGLED, ("201",), closed=True, held=1
    )


def expect_cases():
    body = post(EXPECT + length(HOLD))
    yield Case("Expect with its body at once", body, ("201",), held=1, continues=None)
    yield Case("Expect, body after the head", body, ("201",), held=1, continues=1, pieces="head", splits=False)
    capitals = body.replace(b"100-continue", b"100-Continue")
    yield Case("Expect in capitals", capitals, ("201",), held=1, continues=1, pieces="head", splits=False)
    old = body.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield Case("Expect on HTTP/1.0 means nothing", old, ("201",), closed=True, held=1, pieces="head", splits=False)
    yield served("Expect without a body", GET + EXPECT + b"\r\n", "200", continues=None)
    chunked = post(EXPECT + b"Transfer-Encoding: chunked\r\n", chunk(HOLD) + b"0\r\n\r\n")
    yield Case("Expect with chunks", chunked, ("201",), held=1, continues=None)
    for name, value in {
        "something": b"a-miracle",
        "200-ok": b"200-ok",
        "100-continue with a parameter": b"100-continue;x=y",
        "100": b"100",
        "a list": b"100-continue, a-miracle",
        "100-continuex": b"100-continuex",
    }.items():
        yield refused(f"Expect {name}", post(b"Expect: " + value + b"\r\n" + length(HOLD)), "417 expectation_failed")
    twice = post(EXPECT * 2 + length(HOLD))
    yield refused("Expect twice", twice, f"{PROBLEM_400}|417 expectation_failed")
    too_large = post(EXPECT + b"Content-Length: 1000000\r\n", b"")
    yield Case("Expect for a body that is too large", too_large, ("413 payload_too_large",), closed=True)
    unauthorised = POST.replace(CALLER, b"") + EXPECT + length(HOLD) + b"\r\n"
    yield Case("Expect by a stranger", unauthorised + HOLD, ("401 unauthenticated",), closed=None, continues=None)


def upgrade_cases():
    settings = b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    websocket = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    for name, lines in {
        "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + settings,
        "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + websocket,
        "TLS": b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
        "in capitals": b"CONNECTION: UPGRADE\r\nUPGRADE: X\r\n",
        "several": b"Connection: keep-alive, upgrade\r\nUpgrade: a, b/2\r\n",
    }.items():
        yield refused(f"Upgrade {name}", GET + lines + b"\r\n", PROBLEM_501)
        yield refused(f"Upgrade {name} with a body", post(lines + length(HOLD)), PROBLEM_501)
    yield served("Upgrade that Connection does not name", hold(b"Upgrade: websocket\r\n"))
    yield served("Connection: upgrade without Upgrade", hold(b"Connection: upgrade\r\n"))


def half_close_cases():
    yield Case("half-close after a request", hold(), ("201",), closed=True, held=1, half_close=True)
    yield Case("half-close after ten", hold() + get(b"/healthz") * 9, ("201",) + ("200",) * 9, closed=True, held=1,
               half_close=True)
    for name, data in {
        "within the request line": b"POST /v1/reserv",
        "within the headers": POST,
        "within a header's name": POST + b"X-",
        "before the empty line's LF": hold()[: -len(HOLD) - 1],
        "before the body": hold()[: -len(HOLD)],
        "within the body": hold()[:-1],
        "within a chunk": post(b"Transfer-Encoding: chunked\r\n", chunk(HOLD)[:-5]),
        "before the last chunk": post(b"Transfer-Encoding: chunked\r\n", chunk(HOLD)),
        "within the last chunk": post(b"Transfer-Encoding: chunked\r\n", chunk(HOLD) + b"0\r\n"),
    }.items():
        yield Case(f"half-close {name}", data, (CUT_OFF,), closed=True, half_close=True)
    yield Case("half-close at once", b"", (CUT_OFF,), closed=True, half_close=True, splits=False)


def numbered(index, lines=b""):
    """A hold of its own key, and a request whose answer shows which it is."""
    return hold(lines).replace(b"key-" + SKU, b"key-%d-" % index + SKU)


def pipeline_cases():
    bad = b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
    yield Case("pipeline of 16", get(b"/healthz") * 16, ("200",) * 16)
    yield Case("pipeline of 200", get(b"/healthz") * 200, ("200",) * 200)
    ten = b"".join(numbered(index) for index in range(10))
    yield Case("pipeline of 10 holds", ten, ("201",) * 10, held=10)
    eleven = b"".join(numbered(index) for index in range(11))
    yield Case("pipeline of 11 holds of 10 units", eleven, ("201",) * 10 + ("409 sold_out",), held=10)
    same = hold() * 5
    yield Case("pipeline of one key", same, ("201",) + ("201|409 idempotency_in_flight",) * 4, held=1)
    mixed, wants = b"", []
    for index in range(8):
        mixed += numbered(index) + get(b"/nowhere") + get(b"/healthz") + post(length(b"{"), b"{")
        wants += ["201", "404 not_found", "200", "400 malformed_json"]
    yield Case("pipeline of holds, errors and reads", mixed, tuple(wants), held=8)
    heads = (get(b"/healthz").replace(b"GET", b"HEAD") + get(b"/healthz")) * 8
    yield Case("pipeline of HEAD and GET", heads, ("HEAD 200", "200") * 8)
    for before in (0, 1, 5, 15, 31, 32, 33, 63, 100):
        data = get(b"/healthz") * before + bad
        wants = ("200",) * before + (PROBLEM_400,)
        yield Case(f"pipeline, the bad one after {before}", data + SMUGGLED, wants, closed=True)
    for name, piece in {
        "two lengths": post(length(HOLD) * 2),
        "length and chunks": post(length(HOLD) + b"Transfer-Encoding: chunked\r\n"),
        "a coding that is not known": post(b"Transfer-Encoding: gzip, chunked\r\n", b"x"),
        "a bare LF": GET + b"\n",
        "nonsense": b"\x00\x01\x02\r\n\r\n",
        "an upgrade": GET + b"Connection: upgrade\r\nUpgrade: x\r\n\r\n",
        "a body that is too large": post(b"Content-Length: 70000\r\n", b"x"),
    }.items():
        want = "400|501|413"
        data = numbered(1) + numbered(2) + piece + numbered(3) + SMUGGLED
        cut = name == "a bare LF"
        yield Case(f"pipeline: holds, {name}, a hold", data, ("201", "201", want), True, 2, everywhere=cut)
    closing = numbered(1) + numbered(2, b"Connection: close\r\n") + numbered(3) + SMUGGLED
    yield Case("pipeline: a hold, a hold and close, a hold", closing, ("201", "201"), closed=True, held=2)
    old = numbered(1) + OLD + b"\r\n" + numbered(3) + SMUGGLED
    yield Case("pipeline: a hold, HTTP/1.0, a hold", old, ("201", "200"), closed=True, held=1)
    expect = numbered(1, EXPECT) + numbered(2, EXPECT) + SMUGGLED
    yield Case("pipeline with Expect", expect, ("201", "201", "200"), held=2, smuggled=True, continues=None)


def cases():
    yield from connection_cases()
    yield from expect_cases()
    yield from upgrade_cases()
    yield from half_close_cases()
    yield from pipeline_cases()
