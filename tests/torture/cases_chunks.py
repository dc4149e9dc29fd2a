# SPDX-License-Identifier: Apache-2.0
"""Chunked bodies (RFC 9112 §7.1): sizes, extensions, line ends, trailers."""
from torture import HOLD, SKU, SMUGGLED, Case, PROBLEM_400, chunk, post, refused, served

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SIZE = b"%x" % len(HOLD)
LAST = b"0\r\n\r\n"
# Byte by byte, but for the SKU, whose mark must stay whole here.
BEFORE, BEHIND = HOLD.split(SKU)
PIECES = [bytes([byte]) for byte in BEFORE] + [SKU] + [bytes([byte]) for byte in BEHIND]

# The body as a whole; each is refused. Extensions and trailers are: nothing of ours needs them, and parsers differ.
BAD = {
    "size empty": b"\r\n" + HOLD + b"\r\n" + LAST,
    "size with 0x": b"0x" + SIZE + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size with plus": b"+" + SIZE + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size with minus": b"-" + SIZE + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size with a letter past F": b"2g\r\n" + HOLD + b"\r\n" + LAST,
    "size with a space before": b" " + SIZE + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size with a space after": SIZE + b" \r\n" + HOLD + b"\r\n" + LAST,
    "size with a tab after": SIZE + b"\t\r\n" + HOLD + b"\r\n" + LAST,
    "size with an underscore": b"2_5\r\n" + HOLD + b"\r\n" + LAST,
    "size with a fraction": SIZE + b".0\r\n" + HOLD + b"\r\n" + LAST,
    "size with a NUL": SIZE + b"\x00\r\n" + HOLD + b"\r\n" + LAST,
    "size of 8 F": b"ffffffff\r\n" + HOLD + b"\r\n" + LAST,
    "size of 16 F": b"f" * 16 + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size past 32 bits": b"1000000" + b"%02x" % len(HOLD) + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size past 64 bits": b"100000000000000" + b"%02x" % len(HOLD) + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size of nine digits": b"%09x" % len(HOLD) + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size of 500 zeros": b"0" * 500 + SIZE + b"\r\n" + HOLD + b"\r\n" + LAST,
    "last size of 500 zeros": chunk(HOLD) + b"0" * 500 + b"\r\n\r\n",
    "size too small by one": b"%x\r\n" % (len(HOLD) - 1) + HOLD + b"\r\n" + LAST,
    "size too large by one": b"%x\r\n" % (len(HOLD) + 1) + HOLD + b"\r\n" + LAST,
    "extension": SIZE + b";a=b\r\n" + HOLD + b"\r\n" + LAST,
    "extension without a value": SIZE + b";a\r\n" + HOLD + b"\r\n" + LAST,
    "extension without a name": SIZE + b";\r\n" + HOLD + b"\r\n" + LAST,
    "extension in quotes": SIZE + b';a="b\\"c"\r\n' + HOLD + b"\r\n" + LAST,
    "extension after a space": SIZE + b" ;a=b\r\n" + HOLD + b"\r\n" + LAST,
    "extension with LF": SIZE + b";a\nb\r\n" + HOLD + b"\r\n" + LAST,
    "extension with CR": SIZE + b";a\rb\r\n" + HOLD + b"\r\n" + LAST,
    "extension with NUL": SIZE + b";a\x00b\r\n" + HOLD + b"\r\n" + LAST,
    "extension of 1 KB": SIZE + b";" + b"a" * 1024 + b"\r\n" + HOLD + b"\r\n" + LAST,
    "extension of 100 KB": SIZE + b";" + b"a" * 100_000 + b"\r\n" + HOLD + b"\r\n" + LAST,
    "extension on the last chunk": chunk(HOLD) + b"0;a=b\r\n\r\n",
    "extension that ends in LF and hides a chunk": b"2;\nxx\r\n4f\r\n0\r\n\r\n" + LAST,
    "size line ended by LF": SIZE + b"\n" + HOLD + b"\r\n" + LAST,
    "size line ended by CR": SIZE + b"\r" + HOLD + b"\r\n" + LAST,
    "size line ended by CR CR LF": SIZE + b"\r\r\n" + HOLD + b"\r\n" + LAST,
    "data ended by LF": SIZE + b"\r\n" + HOLD + b"\n" + LAST,
    "data ended by CR": SIZE + b"\r\n" + HOLD + b"\r" + LAST,
    "data ended by nothing": SIZE + b"\r\n" + HOLD + LAST,
    "data ended by two other bytes": SIZE + b"\r\n" + HOLD + b"XX" + LAST,
    "last chunk ended by LF": chunk(HOLD) + b"0\n\r\n",
    "body ended by LF": chunk(HOLD) + b"0\r\n\n",
    "all lines ended by LF": SIZE + b"\n" + HOLD + b"\n0\n\n",
    "trailer": chunk(HOLD) + b"0\r\nX-Trailer: y\r\n\r\n",
    "trailer Content-Length": chunk(HOLD) + b"0\r\nContent-Length: 5\r\n\r\n",
    "trailer Transfer-Encoding": chunk(HOLD) + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailer Host": chunk(HOLD) + b"0\r\nHost: other.example\r\n\r\n",
    "trailer Authorization": chunk(HOLD) + b"0\r\nAuthorization: Bearer x\r\n\r\n",
    "trailer Idempotency-Key": chunk(HOLD) + b"0\r\nIdempotency-Key: other\r\n\r\n",
    "trailer ended by LF": chunk(HOLD) + b"0\r\nX-Trailer: y\n\r\n",
    "trailer folded": chunk(HOLD) + b"0\r\nX: y\r\n z\r\n\r\n",
    "trailer with a space before its colon": chunk(HOLD) + b"0\r\nX : y\r\n\r\n",
    "trailer without a colon": chunk(HOLD) + b"0\r\nfoo\r\n\r\n",
    "trailers of 20 KB": chunk(HOLD) + b"0\r\n" + b"X: y\r\n" * 3500 + b"\r\n",
}

GOOD = {
    "one chunk": chunk(HOLD) + LAST,
    "a chunk a byte": b"".join(chunk(piece) for piece in PIECES) + LAST,
    "size in capitals": SIZE.upper() + b"\r\n" + HOLD + b"\r\n" + LAST,
    "size with leading zeros": b"%08x" % len(HOLD) + b"\r\n" + HOLD + b"\r\n" + LAST,
    "last size with leading zeros": chunk(HOLD) + b"0000\r\n\r\n",
    "size that looks like an exponent": chunk(HOLD.ljust(0xE1)) + LAST,
    "blanks behind the document": chunk(HOLD) + chunk(b" \r\n\t") + LAST,
}

# Too large a size may be seen as a body that is too large.
TOO_LARGE = ("size of 8 F", "size past 32 bits", "size past 64 bits", "size of 16 F")


def cases():
    for name, body in BAD.items():
        want = PROBLEM_400
        if name in TOO_LARGE:
            want += "|413 payload_too_large"
        data = post(CHUNKED, body)
        if name in ("size too large by one", "trailers of 20 KB", "last size of 500 zeros"):
            want += "|431 headers_too_large"
        yield refused(f"chunks: {name}", data, want)
    for name, body in GOOD.items():
        yield served(f"chunks: {name}", post(CHUNKED, body), everywhere=name == "a chunk a byte")
    yield Case(
        "chunks: none but the last, then a request",
        post(CHUNKED, LAST) + SMUGGLED,
        ("400 malformed_json|422 validation_failed", "200"),
        smuggled=True,
    )
    yield Case(
        "chunks: two line ends behind the last",
        post(CHUNKED, chunk(HOLD) + LAST + b"\r\n") + SMUGGLED,
        ("201", "200"),
        held=1,
        smuggled=True,
    )
