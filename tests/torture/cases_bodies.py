# SPDX-License-Identifier: Apache-2.0
"""Bodies that claim to be JSON (RFC 8259), and their types. A bad one is refused; the connection serves on."""
from torture import CALLER, HOLD, HOST, JSON, POST, SKU, Case, length, served

MALFORMED = "400 malformed_json"
INVALID = "422 validation_failed"
TYPE = "415 unsupported_media_type"
LINE = b"POST /v1/reservations HTTP/1.1\r\n" + HOST + CALLER
START = b'{"sku":"%s","quantity":' % SKU

# Not JSON.
NOT_JSON = {
    "empty": b"",
    "blanks": b" \r\n\t ",
    "one brace": b"{",
    "cut": HOLD[:-1],
    "trailing brace": HOLD + b"}",
    "trailing comma": HOLD[:-1] + b",}",
    "trailing word": HOLD + b" x",
    "two documents": HOLD + HOLD,
    "two documents in lines": HOLD + b"\n" + HOLD,
    "trailing NUL": HOLD + b"\x00",
    "leading NUL": b"\x00" + HOLD,
    "NUL within": HOLD.replace(b",", b",\x00"),
    "single quotes": HOLD.replace(b'"', b"'"),
    "names without quotes": HOLD.replace(b'"quantity"', b"quantity"),
    "a comment": HOLD[:-1] + b"/* x */}",
    "a line's comment": HOLD + b"// x",
    "a hash": b"# x\n" + HOLD,
    "equals sign": HOLD.replace(b":1", b"=1"),
    "no colon": HOLD.replace(b":1", b" 1"),
    "NaN": START + b"NaN}",
    "Infinity": START + b"Infinity}",
    "minus Infinity": START + b"-Infinity}",
    "hex": START + b"0x1}",
    "octal": START + b"01}",
    "plus": START + b"+1}",
    "point without digits before": START + b".5}",
    "point without digits behind": START + b"1.}",
    "exponent without digits": START + b"1e}",
    "two minus": START + b"--1}",
    "digit groups": START + b"1_0}",
    "True in capitals": START + b"True}",
    "undefined": START + b"undefined}",
    "a bad escape": HOLD.replace(b"TORTURE", b"\\x54ORTURE"),
    "half an escape": HOLD.replace(b"TORTURE", b"\\u00"),
    "a raw line end in a string": HOLD.replace(b"TORTURE", b"TOR\nTURE"),
    "a raw tab in a string": HOLD.replace(b"TORTURE", b"TOR\tTURE"),
    "a raw NUL in a string": HOLD.replace(b"TORTURE", b"TOR\x00TURE"),
    "bytes FF FE": b"\xff\xfe" + HOLD,
    "UTF-16": HOLD.decode().encode("utf-16-le"),
    "UTF-32": HOLD.decode().encode("utf-32-be"),
    "bad UTF-8": HOLD.replace(b"TORTURE", b"\xc3\x28"),
    "overlong UTF-8": HOLD.replace(b"TORTURE", b"\xc0\xaf"),
    "a surrogate in UTF-8": HOLD.replace(b"TORTURE", b"\xed\xa0\x80"),
    "past Unicode in UTF-8": HOLD.replace(b"TORTURE", b"\xf4\x90\x80\x80"),
    "a high surrogate alone": HOLD.replace(b"TORTURE", b"\\ud800"),
    "a low surrogate alone": HOLD.replace(b"TORTURE", b"\\udc00"),
    "surrogates in the wrong order": HOLD.replace(b"TORTURE", b"\\udc00\\ud800"),
    "brackets, 30,000 deep": b"[" * 30000,
    "braces, 10,000 deep": b'{"a":' * 10000,
    "a form": b"sku=%s&quantity=1" % SKU,
    "XML": b"<reservation><sku>%s</sku></reservation>" % SKU,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\x00" * 20,
}

# JSON that is not what the call takes. Some of it a strict parser may call malformed already.
NOT_VALID = {
    "null": b"null",
    "a number": b"1",
    "a string": b'"sku"',
    "an array": b"[" + HOLD + b"]",
    "an empty object": b"{}",
    "no quantity": b'{"sku":"%s"}' % SKU,
    "no sku": b'{"quantity":1}',
    "an unknown field": HOLD[:-1] + b',"x":1}',
    "a field in capitals": HOLD.replace(b"sku", b"SKU", 1),
    "a prototype": HOLD[:-1] + b',"__proto__":{"quantity":9}}',
    "sku twice": HOLD[:-1] + b',"sku":"%s"}' % SKU,
    "quantity twice": HOLD[:-1] + b',"quantity":9}',
    "quantity twice, once escaped": HOLD[:-1] + b',"\\u0071uantity":9}',
    "sku null": b'{"sku":null,"quantity":1}',
    "sku a number": b'{"sku":1,"quantity":1}',
    "sku an array": b'{"sku":["%s"],"quantity":1}' % SKU,
    "sku an object": b'{"sku":{"$gt":""},"quantity":1}',
    "sku empty": b'{"sku":"","quantity":1}',
    "sku of 65 signs": b'{"sku":"' + b"a" * 65 + b'","quantity":1}',
    "sku of 60,000 signs": b'{"sku":"' + b"a" * 60000 + b'","quantity":1}',
    "sku with an escaped NUL": HOLD.replace(b"-0", b"\\u0000-0", 1),
    "sku with a blank": HOLD.replace(b"TORTURE", b"TOR TURE"),
    "sku with a letter like another": HOLD.replace(b"TORTURE", "\u0422ORTURE".encode()),
    "quantity nought": START + b"0}",
    "quantity minus nought": START + b"-0}",
    "quantity negative": START + b"-1}",
    "quantity a string": START + b'"1"}',
    "quantity true": START + b"true}",
    "quantity null": START + b"null}",
    "quantity an array": START + b"[1]}",
    "quantity a fraction": START + b"1.5}",
    "quantity a tiny fraction over one": START + b"1.0000000000000001}",
    "quantity with an exponent": START + b"1e0}",
    "quantity 1e400": START + b"1e400}",
    "quantity -1e400": START + b"-1e400}",
    "quantity 1e-400": START + b"1e-400}",
    "quantity past 31 bits": START + b"2147483648}",
    "quantity past 32 bits, to one": START + b"4294967297}",
    "quantity past 63 bits": START + b"9223372036854775808}",
    "quantity past 64 bits, to one": START + b"18446744073709551617}",
    "quantity of 1,000 digits": START + b"1" * 1000 + b"}",
    "items empty": b'{"items":[]}',
    "items null": b'{"items":null}',
    "items of a number": b'{"items":[1]}',
    "items beside sku": HOLD[:-1] + b',"items":[' + HOLD + b"]}",
    "items within items": b'{"items":[{"items":[' + HOLD + b"]}]}",
    "21 items": b'{"items":[' + b",".join([HOLD] * 21) + b"]}",
    "1,000 items": b'{"items":[' + b",".join([HOLD] * 1000) + b"]}",
    "quantities that overflow together": b'{"items":['
    + b",".join([START + b"9223372036854775807}"] * 2)
    + b"]}",
    "depth 17": HOLD[:-1] + b',"x":' + b"[" * 17 + b"]" * 17 + b"}",
    "depth 25,000": HOLD[:-1] + b',"x":' + b"[" * 25000 + b"]" * 25000 + b"}",
    "10,000 names": b"{" + b",".join(b'"%d":1' % index for index in range(5000)) + b"}",
}

VALID = {
    "plain": HOLD,
    "blanks everywhere": b" \t\r\n" + HOLD.replace(b":", b" : ").replace(b",", b"\n,\t") + b"\r\n ",
    "names escaped": HOLD.replace(b"sku", b"\\u0073k\\u0075", 1),
    "value escaped": HOLD.replace(b"TORTURE", b"\\u0054ORTURE"),
    "fields in the other order": b'{"quantity":1,"sku":"%s"}' % SKU,
    "one item": b'{"items":[' + HOLD + b"]}",
}

TYPES = {
    "application/json": "201",
    "APPLICATION/JSON": "201",
    "application/json;charset=utf-8": "201",
    'application/json ; charset="UTF-8"': "201",
    "application/json;": "201",
    "text/plain": TYPE,
    "text/json": TYPE,
    "application/x-www-form-urlencoded": TYPE,
    "multipart/form-data; boundary=x": TYPE,
    "application/xml": TYPE,
    "application/jsonp": TYPE,
    "application/json5": TYPE,
    "application": TYPE,
    "json": TYPE,
    "*/*": TYPE,
    "application/json, text/plain": TYPE,
    "text/plain, application/json": TYPE,
    "text/plain; application/json": TYPE,
    "application/json text/plain": TYPE,
    "application/json \t; charset=utf-8": "201",
    "application /json": TYPE,
    "application/ json": TYPE,
    # A charset that is not UTF-8 contradicts JSON (RFC 8259 §8.1); the parameter means nothing to it (§11).
    "application/json; charset=utf-16": f"{TYPE}|201",
    "application/json; charset=iso-8859-1": f"{TYPE}|201",
}


def cases():
    for name, body in NOT_JSON.items():
        # Something that is not UTF-8 or has unpaired escapes may also be seen as a value that is not valid.
        want = f"{MALFORMED}|{INVALID}" if "surrogate" in name or "empty" in name or "blank" in name else MALFORMED
        yield Case(f"body: {name}", POST + length(body) + b"\r\n" + body, (want,))
    for name, body in NOT_VALID.items():
        yield Case(f"body: {name}", POST + length(body) + b"\r\n" + body, (f"{INVALID}|{MALFORMED}",))
    for name, body in VALID.items():
        yield served(f"body: {name}", POST + length(body) + b"\r\n" + body)
    mark = b"\xef\xbb\xbf" + HOLD  # a parser may pass over it (RFC 8259 §8.1)
    yield Case("body: a byte order mark", POST + length(mark) + b"\r\n" + mark, (f"{MALFORMED}|201",), held=None)
    for media, want in TYPES.items():
        line = b"Content-Type: " + media.encode() + b"\r\n" + length(HOLD)
        yield Case(f"type: {media}", LINE + line + b"\r\n" + HOLD, (want,), closed=False, held=None)
    bare = LINE + length(HOLD) + b"\r\n" + HOLD
    yield Case("type: none", bare, (f"{TYPE}|201",), held=None)
    empty = LINE + b"Content-Type:\r\n" + length(HOLD) + b"\r\n" + HOLD
    yield Case("type: empty", empty, (f"{TYPE}|201",), held=None)
    # A coding that is not taken off would be read as it is.
    for coding in (b"gzip", b"br", b"deflate", b"x", b"gzip, identity"):
        data = LINE + JSON + b"Content-Encoding: " + coding + b"\r\n" + length(HOLD) + b"\r\n" + HOLD
        yield Case(f"content coding: {coding.decode()}", data, (TYPE,), closed=None)
    plain = LINE + JSON + b"Content-Encoding: identity\r\n" + length(HOLD) + b"\r\n" + HOLD
    yield served("content coding: identity", plain)
    for quote in (b'"%s"', b"%s"):
        data = (LINE + JSON + length(HOLD)).replace(b"key-" + SKU, quote % (b"q-" + SKU)) + b"\r\n" + HOLD
        yield served(f"key: {quote.decode()}", data)
    for name, value in {
        "empty": b"",
        "empty in quotes": b'""',
        "of 256 signs": b"k" * 256,
        "with a quote inside": b'"a"b"',
        "not closed": b'"abc',
        "with a high byte": b"k\xe9y",
    }.items():
        data = (LINE + JSON + length(HOLD)).replace(b"key-" + SKU, value) + b"\r\n" + HOLD
        yield Case(f"key: {name}", data, ("400 idempotency_key_required|422 validation_failed",), closed=False)
