# SPDX-License-Identifier: Apache-2.0
"""Accept-Encoding and Accept as hostile as they come: an answer, and the right one, whatever stands there.

On a page that is compressed for those who ask for it; what is malformed counts for nothing, so that all of them are
served. What becomes of the well-formed ones: tests/api/test_product_pages.py.
"""
from torture import get, served

ODD = {
    "nothing": b"",
    "commas": b"," * 2000,
    "semicolons": b";" * 2000,
    "a thousand codings": b"gzip," * 1000 + b"x",
    "a thousand weights": b"br" + b";q=1" * 1000,
    "digits without end": b"gzip;q=0." + b"9" * 4000,
    "a weight above one": b"gzip;q=1.001",
    "a weight below nothing": b"gzip;q=-1",
    "a weight in exponents": b"gzip;q=1e0",
    "not a number": b"gzip;q=nan",
    "hexadecimal": b"gzip;q=0x1",
    "quoted": b'"gzip";q="1"',
    "high bytes": b"gz\xc3\xafp, br\xff",
    "a name of 8 KiB": b"g" * 8000,
    "stars": b"*" * 100,
    "star nothing": b"*;q=0, identity;q=0, gzip;q=0, br;q=0",
    "tabs": b"\tgzip\t;\tq=1\t,\tbr",
    "two lines' worth": b"gzip\tbr",
}
TWICE = b"Accept-Encoding: gzip;q=0\r\nAccept-Encoding: br;q=0\r\n"


def cases():
    for name, value in ODD.items():
        yield served(f"Accept-Encoding: {name}", get(b"/openapi.json", b"Accept-Encoding: " + value + b"\r\n"), "200", held=0)
        yield served(f"Accept of a stream: {name}", get(b"/healthz", b"Accept: text/event-stream" + value + b"\r\n"), "200", held=0)
    yield served("Accept-Encoding twice", get(b"/openapi.json", TWICE), "200", held=0)
