# SPDX-License-Identifier: Apache-2.0
"""Where a body ends: two readings of one message, of which a proxy in front may take the other.

RFC 9112 §6: Transfer-Encoding beside Content-Length is an attack (§6.1); chunked that is not last is 400 (§6.3), a
coding that is not known 501 (§6.1), with both due either is right; a Content-Length that is not one number is 400.
"""
from torture import HOLD, POST, SMUGGLED, Case, PROBLEM_400, PROBLEM_501, chunk, length, post, refused, served

CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"0\r\n\r\n"
EITHER = f"{PROBLEM_400}|{PROBLEM_501}"

# Content-Length before the sane body of the hold; each refused. The body is as long as the number where there is one.
LENGTHS = {
    "two equal lengths": length(HOLD) * 2,
    "two equal lengths apart": length(HOLD) + b"X: y\r\n" + length(HOLD),
    "two lengths, the shorter first": b"Content-Length: 0\r\n" + length(HOLD),
    "two lengths, the longer first": length(HOLD) + b"Content-Length: 0\r\n",
    "two lengths, case differs": length(HOLD) + length(HOLD).lower(),
    "equal lengths as a list": b"Content-Length: %d, %d\r\n" % (len(HOLD), len(HOLD)),
    "different lengths as a list": b"Content-Length: %d, 0\r\n" % len(HOLD),
    "length with an empty element": b"Content-Length: %d,\r\n" % len(HOLD),
    "length after an empty element": b"Content-Length: ,%d\r\n" % len(HOLD),
    "length with plus": b"Content-Length: +%d\r\n" % len(HOLD),
    "length with minus": b"Content-Length: -%d\r\n" % len(HOLD),
    "minus zero": b"Content-Length: -0\r\n",
    "length in hex": b"Content-Length: 0x%x\r\n" % len(HOLD),
    "length in hex without 0x": b"Content-Length: 2A\r\n",
    "length with a fraction": b"Content-Length: %d.0\r\n" % len(HOLD),
    "length with an exponent": b"Content-Length: 4e1\r\n",
    "length with digit groups": b"Content-Length: 1_0\r\n",
    "length in quotes": b'Content-Length: "%d"\r\n' % len(HOLD),
    "length with a parameter": b"Content-Length: %d;q=1\r\n" % len(HOLD),
    "length empty": b"Content-Length:\r\n",
    "length of blanks": b"Content-Length:  \t \r\n",
    "length a word": b"Content-Length: chunked\r\n",
    "length with an inner space": b"Content-Length: 3 7\r\n",
    "length with an inner tab": b"Content-Length: 3\t7\r\n",
    "length with a vertical tab": b"Content-Length: \x0b%d\r\n" % len(HOLD),
    "length with a form feed": b"Content-Length: %d\x0c\r\n" % len(HOLD),
    "length with a NUL": b"Content-Length: %d\x00\r\n" % len(HOLD),
    "length in other digits": "Content-Length: ٣٧\r\n".encode(),
    "length in Latin superscripts": b"Content-Length: \xb3\xb2\r\n",
    "length past 64 bits": b"Content-Length: 18446744073709551616\r\n",
    "length past 64 bits by the body": b"Content-Length: %d\r\n" % (2**64 + len(HOLD)),
    "length past 128 bits": b"Content-Length: %d\r\n" % (2**128 + len(HOLD)),
    "length of 200 digits": b"Content-Length: " + b"9" * 200 + b"\r\n",
    "length of eleven digits": b"Content-Length: %011d\r\n" % len(HOLD),
    "length folded": b"Content-Length:\r\n %d\r\n" % len(HOLD),
    "length folded after it": b"Content-Length: %d\r\n 0\r\n" % len(HOLD),
    "space before the colon": b"Content-Length : %d\r\n" % len(HOLD),
    "tab before the colon": b"Content-Length\t: %d\r\n" % len(HOLD),
    "space before the name": b" Content-Length: %d\r\n" % len(HOLD),
    "NUL in the name": b"Content-Length\x00: %d\r\n" % len(HOLD),
    "length without a colon": b"Content-Length %d\r\n" % len(HOLD),
    "bare LF before the length": b"X: y\nContent-Length: %d\r\n" % len(HOLD),
    "bare CR before the length": b"X: y\rContent-Length: %d\r\n" % len(HOLD),
}

# Ways to write Transfer-Encoding: name -> (lines, verdict alone with a chunked body).
CODINGS = {
    "chunked twice": (CHUNKED * 2, PROBLEM_400),
    "chunked listed twice": (b"Transfer-Encoding: chunked, chunked\r\n", PROBLEM_400),
    "chunked, identity": (b"Transfer-Encoding: chunked, identity\r\n", PROBLEM_400),
    "chunked, gzip": (b"Transfer-Encoding: chunked, gzip\r\n", PROBLEM_400),
    "chunked, then a line of gzip": (CHUNKED + b"Transfer-Encoding: gzip\r\n", PROBLEM_400),
    "a line of gzip, then chunked": (b"Transfer-Encoding: gzip\r\n" + CHUNKED, EITHER),
    "a line of identity, then chunked": (b"Transfer-Encoding: identity\r\n" + CHUNKED, EITHER),
    "gzip, chunked": (b"Transfer-Encoding: gzip, chunked\r\n", PROBLEM_501),
    "identity, chunked": (b"Transfer-Encoding: identity, chunked\r\n", EITHER),
    "identity": (b"Transfer-Encoding: identity\r\n", EITHER),
    "gzip": (b"Transfer-Encoding: gzip\r\n", EITHER),
    "xchunked": (b"Transfer-Encoding: xchunked\r\n", EITHER),
    "chunkedx": (b"Transfer-Encoding: chunkedx\r\n", EITHER),
    "chunk": (b"Transfer-Encoding: chunk\r\n", EITHER),
    "cow": (b"Transfer-Encoding: cow\r\n", EITHER),
    "chunked in quotes": (b'Transfer-Encoding: "chunked"\r\n', EITHER),
    "chunked in single quotes": (b"Transfer-Encoding: 'chunked'\r\n", EITHER),
    "chunked with a parameter": (b"Transfer-Encoding: chunked;q=1\r\n", EITHER),
    "chunked with a bare semicolon": (b"Transfer-Encoding: chunked;\r\n", EITHER),
    "chunked after a comma": (b"Transfer-Encoding: ,chunked\r\n", EITHER),
    "chunked before a comma": (b"Transfer-Encoding: chunked,\r\n", EITHER),
    "chunked with an inner space": (b"Transfer-Encoding: chun ked\r\n", EITHER),
    "chunked and a word": (b"Transfer-Encoding: chunked x\r\n", EITHER),
    "empty coding": (b"Transfer-Encoding:\r\n", EITHER),
    "empty coding, then chunked": (b"Transfer-Encoding:\r\n" + CHUNKED, EITHER),
    "vertical tab before chunked": (b"Transfer-Encoding: \x0bchunked\r\n", EITHER),
    "form feed after chunked": (b"Transfer-Encoding: chunked\x0c\r\n", EITHER),
    "NUL after chunked": (b"Transfer-Encoding: chunked\x00\r\n", PROBLEM_400),
    "DEL after chunked": (b"Transfer-Encoding: chunked\x7f\r\n", EITHER),
    "0xA0 before chunked": (b"Transfer-Encoding: \xa0chunked\r\n", EITHER),
    "UTF-8 letter in chunked": ("Transfer-Encoding: chun\u212aed\r\n".encode(), EITHER),
    "bare CR in chunked": (b"Transfer-Encoding: chu\rnked\r\n", PROBLEM_400),
    "chunked folded": (b"Transfer-Encoding:\r\n chunked\r\n", PROBLEM_400),
    "chunked folded by a tab": (b"Transfer-Encoding:\r\n\tchunked\r\n", PROBLEM_400),
    "fold after chunked": (b"Transfer-Encoding: chunked\r\n , identity\r\n", PROBLEM_400),
    "space before the colon of the coding": (b"Transfer-Encoding : chunked\r\n", PROBLEM_400),
    "tab before the colon of the coding": (b"Transfer-Encoding\t: chunked\r\n", PROBLEM_400),
    "space before the coding's name": (b" Transfer-Encoding: chunked\r\n", PROBLEM_400),
    "NUL before the coding's colon": (b"Transfer-Encoding\x00: chunked\r\n", PROBLEM_400),
    "0xFF in the coding's name": (b"Transfer-Encoding\xff: chunked\r\n", PROBLEM_400),
    "bare LF before the coding": (b"X: y\nTransfer-Encoding: chunked\r\n", PROBLEM_400),
    "bare CR before the coding": (b"X: y\rTransfer-Encoding: chunked\r\n", PROBLEM_400),
    "coding without a colon": (b"Transfer-Encoding chunked\r\n", PROBLEM_400),
}

# As good as `Transfer-Encoding: chunked`: names and codings are compared without case, blanks around a value fall away.
SAME_AS_CHUNKED = {
    "capitals": b"TRANSFER-ENCODING: CHUNKED\r\n",
    "mixed case": b"tRANSFER-eNCODING: cHuNkEd\r\n",
    "tab before the value": b"Transfer-Encoding:\tchunked\r\n",
    "no blank before the value": b"Transfer-Encoding:chunked\r\n",
    "blanks after the value": b"Transfer-Encoding: chunked  \r\n",
}

# Other fields: a server that takes them for Transfer-Encoding reads another message than its proxy.
NOT_A_CODING = {
    "underscore": b"Transfer_Encoding: chunked\r\n",
    "without the hyphen": b"TransferEncoding: chunked\r\n",
    "with a prefix": b"X-Transfer-Encoding: chunked\r\n",
    "the old TE": b"TE: chunked\r\n",
    "content coding is not it": b"X-Content-Encoding: chunked\r\n",
}


def hidden_by_length():
    """CL.TE: who reads the coding ends at once and takes the hidden request for the next one."""
    return LAST + SMUGGLED


def hidden_by_chunks():
    """TE.CL: who reads the length ends within the chunk's size line, and goes on with the hidden request."""
    return chunk(SMUGGLED) + LAST


def both(name, coding, **more):
    """Content-Length and a Transfer-Encoding in both orders, with a request hidden behind either reading."""
    by_length, by_chunks = hidden_by_length(), hidden_by_chunks()
    short = b"Content-Length: %d\r\n" % (by_chunks.index(b"\r\n") + 2)
    want = EITHER
    yield refused(f"CL.TE, {name}", post(length(by_length) + coding, by_length), want, **more)
    yield refused(f"CL.TE, coding first, {name}", post(coding + length(by_length), by_length), want)
    yield refused(f"TE.CL, {name}", post(short + coding, by_chunks), want, **more)
    yield refused(f"TE.CL, coding first, {name}", post(coding + short, by_chunks), want)


def coding_cases():
    yield from both("plain", CHUNKED, everywhere=True)
    for name, coding in SAME_AS_CHUNKED.items():
        yield from both(name, coding)
        yield served(f"chunked: {name}", post(coding, chunk(HOLD) + LAST), everywhere=name == "mixed case")
    for name, (coding, want) in CODINGS.items():
        yield refused(f"TE.TE: {name}", post(coding, chunk(HOLD) + LAST), want)
        by_length = chunk(HOLD) + LAST
        yield refused(f"TE.TE with length: {name}", post(length(by_length) + coding, by_length), EITHER)
    for name, line in NOT_A_CODING.items():
        yield served(f"not a coding: {name}", post(line + length(HOLD)))
    yield refused(
        "coding on HTTP/1.0", post(CHUNKED, chunk(HOLD) + LAST).replace(b"HTTP/1.1", b"HTTP/1.0")
    )
    yield refused(
        "coding and length on HTTP/1.0",
        post(CHUNKED + length(LAST), LAST).replace(b"HTTP/1.1", b"HTTP/1.0"),
    )


def hidden_cases():
    """A request that is a well-framed body is not executed; one behind a body is, in its turn."""
    yield Case(
        "a request as a body", post(length(SMUGGLED), SMUGGLED), ("400 malformed_json",), closed=None
    )
    yield Case(
        "a request as a chunk", post(CHUNKED, chunk(SMUGGLED) + LAST), ("400 malformed_json",), closed=None
    )
    yield Case(
        "a request behind a body",
        post(length(HOLD)) + SMUGGLED,
        ("201", "200"),
        held=1,
        smuggled=True,
        everywhere=True,
    )
    yield Case(
        "a request behind chunks",
        post(CHUNKED, chunk(HOLD) + LAST) + SMUGGLED,
        ("201", "200"),
        held=1,
        smuggled=True,
        everywhere=True,
    )
    yield Case(
        "no framing means no body", POST + b"\r\n" + SMUGGLED, ("400|422", "200"), smuggled=True
    )
    # CL.0 and 0.CL: a body where none is looked for.
    for method, target in (("GET", "/healthz"), ("HEAD", "/healthz"), ("DELETE", "/v1/reservations/res_x")):
        head = f"{method} {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer @token@\r\n".encode()
        want = ("HEAD 400" if method == "HEAD" else PROBLEM_400)
        yield Case(
            f"{method} with a body", head + length(SMUGGLED) + b"\r\n" + SMUGGLED, (want,), closed=True
        )
        yield Case(
            f"{method} with chunks", head + CHUNKED + b"\r\n" + chunk(SMUGGLED) + LAST, (want,), closed=True
        )
    empty = b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    yield Case("GET with an empty body", empty + SMUGGLED, ("200", "200"), smuggled=True)
    for name, target in (("unknown path", b"/v1/nowhere"), ("method not allowed", b"/healthz")):
        body = SMUGGLED
        data = b"POST " + target + b" HTTP/1.1\r\nHost: a\r\n" + length(body) + b"\r\n" + body
        yield Case(f"a body for an {name}", data, ("404 not_found|405 method_not_allowed",), closed=None)


def cases():
    for name, lines in LENGTHS.items():
        yield refused(name, post(lines))
    yield served("length with leading zeros", post(b"Content-Length: %010d\r\n" % len(HOLD)))
    yield served("length in blanks", post(b"Content-Length: \t %d  \r\n" % len(HOLD)))
    # A tab behind a value is a blank like another (RFC 9110 §5.6.3), but the parser takes none behind these two. No
    # client sends it; to refuse it is safe.
    for name, data in {
        "length": post(b"Content-Length: %d\t\r\n" % len(HOLD)),
        "coding": post(b"Transfer-Encoding: chunked\t\r\n", chunk(HOLD) + LAST),
    }.items():
        yield Case(f"tab behind the {name}", data, (f"201|{PROBLEM_400}",), closed=None, held=None)
    yield served("length in capitals", post(length(HOLD).upper()))
    yield served("length next to its colon", post(b"Content-Length:%d\r\n" % len(HOLD)))
    yield from coding_cases()
    yield from hidden_cases()
