# SPDX-License-Identifier: Apache-2.0
"""Paths, percent-encoding, queries, methods of a path. Nothing of it may reach another path than the one it names."""
from torture import HOST, PROBLEM_400, STAFF, Case, get

NOWHERE = f"404 not_found|{PROBLEM_400}"
INVALID = f"404 not_found|422 validation_failed|{PROBLEM_400}"

# Each names nothing that is there, however it is decoded.
PATHS = {
    "encoded NUL": b"/v1/skus/a%00b/availability",
    "encoded NUL behind a name": b"/healthz%00",
    "encoded NUL and a suffix": b"/healthz%00.json",
    "encoded line ends": b"/v1/skus/a%0d%0aX-Injected:%20y/availability",
    "bad hex": b"/v1/skus/a%zzb/availability",
    "half an encoding": b"/v1/skus/a%4/availability",
    "percent at the end": b"/healthz%",
    "percent alone": b"/%",
    "%u encoding": b"/v1/skus/%u0041/availability",
    "overlong slash": b"/v1%c0%afskus/availability",
    "overlong dots": b"/problems/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "overlong slash of three bytes": b"/v1%e0%80%afskus/availability",
    "overlong NUL": b"/v1/skus/%c0%80/availability",
    "surrogate in UTF-8": b"/v1/skus/%ed%a0%80/availability",
    "past Unicode": b"/v1/skus/%f4%90%80%80/availability",
    "UTF-8 that is cut": b"/v1/skus/%e2%82/availability",
    "bytes FE FF": b"/v1/skus/%fe%ff/availability",
    "twice encoded slash": b"/v1/skus/a%252fb/availability",
    "twice encoded dots": b"/problems/%252e%252e/metrics",
    "dots up": b"/problems/../../etc/passwd",
    "dots up to what is there": b"/problems/../healthz",
    "dot": b"/./healthz",
    "dots behind": b"/healthz/..",
    "encoded dots up": b"/problems/%2e%2e/healthz",
    "half encoded dots up": b"/problems/.%2e/healthz",
    "encoded slash between segments": b"/v1%2fskus%2favailability",
    "encoded slash and dots": b"/problems/..%2fhealthz",
    "backslash for slash": b"/problems\\..\\healthz",
    "encoded backslash": b"/problems%5c..%5chealthz",
    "two slashes first": b"//healthz",
    "two slashes within": b"/v1//skus/availability",
    "slash behind": b"/healthz/",
    "capitals": b"/HEALTHZ",
    "parameters of a segment": b"/healthz;a=b",
    "empty segment for a name": b"/v1/skus//availability",
    "name of 65 signs": b"/v1/skus/" + b"a" * 65 + b"/availability",
    "name of 5,000 signs": b"/v1/skus/" + b"a" * 5000 + b"/availability",
    "1,000 segments": b"/a" * 1000,
    "1,000 dots up": b"/.." * 1000,
    "IDs of others' making": b"/v1/products/%27%20OR%201=1--",
    "a format string": b"/v1/products/%25s%25n%25p",
    "markup": b"/%3Cscript%3Ealert(1)%3C/script%3E",
    "an absolute URL within": b"/http://127.0.0.1:1/",
    "root": b"/",
}

# Queries of a call that takes `sku`, and of one that takes nothing: what must be refused by 422, or is as good as none.
QUERIES = {
    "no sku": (b"/v1/skus/availability", "422 validation_failed"),
    "empty query": (b"/v1/skus/availability?", "422 validation_failed"),
    "empty sku": (b"/v1/skus/availability?sku=", "422 validation_failed"),
    "sku without =": (b"/v1/skus/availability?sku", "422 validation_failed"),
    "unknown parameter": (b"/v1/skus/availability?sku=TORTURE-00000&x=y", "422 validation_failed|200"),
    "bad hex": (b"/v1/skus/availability?sku=%zz", f"422 validation_failed|{PROBLEM_400}"),
    "half an encoding": (b"/v1/skus/availability?sku=a%4", f"422 validation_failed|{PROBLEM_400}"),
    "encoded NUL": (b"/v1/skus/availability?sku=a%00b", f"422 validation_failed|{PROBLEM_400}"),
    "bad UTF-8": (b"/v1/skus/availability?sku=%c3%28", f"422 validation_failed|404 not_found|{PROBLEM_400}"),
    "limit a word": (b"/v1/admin/products?limit=ten", "422 validation_failed"),
    "limit empty": (b"/v1/admin/products?limit=", "422 validation_failed"),
    "limit negative": (b"/v1/admin/products?limit=-1", "422 validation_failed"),
    "limit nought": (b"/v1/admin/products?limit=0", "422 validation_failed"),
    "limit with plus": (b"/v1/admin/products?limit=%2b5", "422 validation_failed"),
    "limit with a blank": (b"/v1/admin/products?limit=+5", "422 validation_failed"),
    "limit past 64 bits": (b"/v1/admin/products?limit=18446744073709551617", "422 validation_failed"),
    "limit twice": (b"/v1/admin/products?limit=1&limit=2", "422 validation_failed"),
    "limit twice, once encoded": (b"/v1/admin/products?limit=1&%6cimit=2", "422 validation_failed"),
    "limit as an array": (b"/v1/admin/products?limit[]=1", "422 validation_failed"),
    "limit and NUL": (b"/v1/admin/products?limit=1%00", f"422 validation_failed|{PROBLEM_400}"),
    "cursor of nonsense": (b"/v1/admin/products?cursor=%ff%fe..", "422 validation_failed"),
    "cursor of 6,000 signs": (b"/v1/admin/products?cursor=" + b"A" * 6000, "422 validation_failed"),
    "2,000 parameters": (b"/v1/admin/products?" + b"a=b&" * 2000, "422 validation_failed|414 uri_too_long"),
    "a second question mark": (b"/v1/admin/products?limit=1?limit=2", "422 validation_failed"),
}

GOOD_QUERIES = {
    "one sku": b"/v1/skus/availability?sku=TORTURE-00000",
    "ampersands around": b"/v1/skus/availability?&&sku=TORTURE-00000&&",
    "name encoded": b"/v1/skus/availability?%73ku=TORTURE-00000",
    "value encoded": b"/v1/skus/availability?sku=%54ORTURE-00000",
    "value encoded in the path": b"/v1/skus/TORTURE%2D00000/availability",
    "sku many times": b"/v1/skus/availability?" + b"&".join([b"sku=TORTURE-00000"] * 20),
    "question mark within the query": b"/healthz?a?b=c?",
    "query of signs": b"/healthz?!$'()*+,;:@/-._~=",
}

ALLOWED = (
    ("POST", "/healthz", "GET"),
    ("PUT", "/v1/sessions", "POST"),
    ("GET", "/v1/sessions", "POST"),
    ("HEAD", "/v1/sessions", "POST"),
    ("DELETE", "/v1/reservations", "POST"),
    ("PATCH", "/v1/reservations", "GET"),
    ("POST", "/v1/reservations/res_x", "DELETE"),
    ("GET", "/v1/reservations/res_x/extend", "POST"),
    ("DELETE", "/openapi.json", "GET"),
)


def method_cases():
    for method, path, allowed in ALLOWED:
        head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()
        want = "405 method_not_allowed"
        yield Case(
            f"405 to {method} {path}",
            head,
            ("HEAD 405" if method == "HEAD" else want,),
            headers=(("allow", rf"(^|[ ,]){allowed}([ ,]|$)"),),
        )
    for path in ("/healthz", "/v1/reservations"):
        options = f"OPTIONS {path} HTTP/1.1\r\nHost: a\r\n".encode()
        allow = (("allow", "GET"),)
        yield Case(f"OPTIONS {path}", options + b"\r\n", ("200|204",), headers=allow)
        body = options + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"
        yield Case(f"OPTIONS {path} with a body", body, (f"200|204|{PROBLEM_400}",), closed=None)
    for path in (b"/healthz", b"/openapi.json", b"/v1/skus/TORTURE-00000/availability"):
        data = b"HEAD " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"
        length = (("content-length", "^[1-9]"),)
        yield Case(f"HEAD {path.decode()} has no body", data, ("HEAD 200",), headers=length)
    yield Case("HEAD of an error has no body", get(b"/nowhere").replace(b"GET", b"HEAD"), ("HEAD 404",))
    yield Case("HEAD twice, then GET", get(b"/healthz").replace(b"GET", b"HEAD") * 2 + get(b"/healthz"),
               ("HEAD 200", "HEAD 200", "200"))


def cases():
    staff = b"Authorization: Bearer " + STAFF + b"\r\n"
    for name, path in PATHS.items():
        want = INVALID if b"/availability" in path or b"products" in path else NOWHERE
        if name == "root":
            want = "404 not_found|200"
        yield Case(f"path: {name}", get(path), (want,), closed=None)
    for name, (target, want) in QUERIES.items():
        lines = staff if b"/admin/" in target else b""
        yield Case(f"query: {name}", get(target, lines), (want,), closed=None)
    for name, target in GOOD_QUERIES.items():
        body = "TORTURE-" if b"sku" in target else None
        yield Case(f"query: {name}", get(target), ("200",), body=body)
    yield from method_cases()
