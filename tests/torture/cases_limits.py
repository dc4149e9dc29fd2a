# SPDX-License-Identifier: Apache-2.0
"""Limits, each at one below, at it and one above. What is above is refused before it is stored.

A target of 8 KiB; 64 header lines; 16 KiB of head behind the target, up to the end of the last header's value; 64 KiB
of body, decoded, however it is framed.
"""
from torture import CALLER, GET, HOST, JSON, PROBLEM_400, STAFF, Case, chunk, length, refused, served

TARGET = 8 * 1024
HEADERS = 64
HEAD_BYTES = 16 * 1024
BODY = 64 * 1024
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SESSION = b"POST /v1/sessions HTTP/1.1\r\n" + HOST + JSON
TOO_LONG = "414 uri_too_long"
TOO_MANY = "431 headers_too_large"
TOO_LARGE = "413 payload_too_large"


def target_of(count):
    """A request whose target has so many bytes."""
    return GET.replace(b"/healthz", b"/healthz?".ljust(count, b"q")) + b"\r\n"


def headers_of(count):
    """A request with so many header lines."""
    return GET + b"".join(b"X-%d: y\r\n" % index for index in range(count - 1)) + b"\r\n"


def head_of(count, lines):
    """A request whose head has so many bytes behind its target, in so many lines and Host."""
    each, rest = divmod(count - len(b" HTTP/1.1\r\n") - len(HOST) + len(b"\r\n"), lines)
    sizes = [each + rest] + [each] * (lines - 1)
    return GET + b"".join(b"X: " + b"y" * (size - 5) + b"\r\n" for size in sizes) + b"\r\n"


def long_name_of(count):
    return GET + b"X" * (count - len(b" HTTP/1.1\r\n") - len(HOST) - 3) + b": y\r\n\r\n"


def body_of(count):
    return b"{}".ljust(count)


def in_chunks(body, size):
    return b"".join(chunk(body[at : at + size]) for at in range(0, len(body), size)) + b"0\r\n\r\n"


def around(name, limit, make, want_above, want="200", far=4):
    for count in (limit - 1, limit):
        yield served(f"{name}: {count}", make(count), want, held=0)
    for count in (limit + 1, limit * far):
        yield refused(f"{name}: {count}", make(count), want_above)


def cases():
    yield from around("bytes of the target", TARGET, target_of, TOO_LONG)
    yield from around("header lines", HEADERS, headers_of, TOO_MANY)
    yield from around("bytes of a head of one line", HEAD_BYTES, lambda n: head_of(n, 1), TOO_MANY)
    yield from around("bytes of a head of 60 lines", HEAD_BYTES, lambda n: head_of(n, 60), TOO_MANY)
    yield from around("bytes of a head of one name", HEAD_BYTES, long_name_of, TOO_MANY)
    yield from around(
        "body", BODY, lambda n: SESSION + length(body_of(n)) + b"\r\n" + body_of(n), TOO_LARGE, "201"
    )
    for size in (1000, 65536):
        yield from around(
            f"body in chunks of {size}",
            BODY,
            lambda n, size=size: SESSION + CHUNKED + b"\r\n" + in_chunks(body_of(n), size),
            TOO_LARGE,
            "201",
        )
    both = head_of(HEAD_BYTES, 1).replace(b"/healthz", b"/healthz?".ljust(TARGET, b"q"))
    yield served("target and head both at their limit", both, "200")
    # A length is enough to refuse: nothing of the body needs to come.
    for number in (BODY + 1, 10**6, 9_999_999_999):
        head = SESSION + b"Content-Length: %d\r\n\r\n" % number
        yield Case(f"announced body of {number}", head, (TOO_LARGE,), closed=True)
    huge = SESSION + CHUNKED + b"\r\n" + chunk(body_of(60000)) + b"7fffffff\r\n" + b" " * 1000
    yield Case("announced chunk of 2 GiB", huge, (TOO_LARGE,), closed=True)
    # Without an end, so that only the limit can stop it.
    for name, data, want in (
        ("a request line without an end", b"GET /" + b"a" * 200_000, TOO_LONG),
        ("a header without an end", GET + b"X: " + b"a" * 200_000, TOO_MANY),
        ("a header's name without an end", GET + b"X" * 200_000, TOO_MANY),
        ("headers without an end", GET + b"X: y\r\n" * 30_000, TOO_MANY),
        ("a method without an end", b"GET" * 70_000, f"{TOO_LONG}|{PROBLEM_400}|501 not_implemented"),
        ("line ends without an end", b"\r\n" * 50_000, PROBLEM_400),
        ("a chunk size without an end", SESSION + CHUNKED + b"\r\n" + b"0" * 100_000, PROBLEM_400),
        ("a chunk extension without an end", SESSION + CHUNKED + b"\r\n2;" + b"a" * 100_000, PROBLEM_400),
    ):
        yield Case(name, data, (want,), closed=True)
    # The longest things that the contract lets in.
    key = CALLER.split(b"\r\n")[0] + b"\r\nIdempotency-Key: " + b"k" * 255 + b"\r\n"
    body = b'{"sku":"TORTURE-00000","quantity":1}'
    data = b"POST /v1/reservations HTTP/1.1\r\n" + HOST + key + JSON + length(body) + b"\r\n" + body
    yield served("key of 255 signs", data, splits=False)
    staff = b"Authorization: Bearer " + STAFF + b"\r\n"
    csv = b"name,sku,price,currency,stock\r\n"
    head = b"POST /v1/admin/import HTTP/1.1\r\n" + HOST + staff + b"Content-Type: text/csv\r\n"
    above = head + b"Content-Length: %d\r\n\r\n" % ((2 << 30) + 1) + csv
    yield Case("import above 2 GiB, announced", above, (TOO_LARGE,), closed=True)
    small = head + length(csv) + b"\r\n" + csv
    yield Case("import without a row", small, ("200|422 validation_failed",), closed=None)
