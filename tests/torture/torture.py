# SPDX-License-Identifier: Apache-2.0
"""Cases of raw bytes with their verdicts, and what runs one against a server.

A case sends bytes over a connection of its own. Its verdict says which answers must come, in order; whether the server
then closes; and which effect all of it may have had. Each case has a SKU of its own, of which 10 units are there:
requests of the tables hold one unit of it; SMUGGLED, which stands where a request may be hidden, adds 3 to its stock.
So the books tell which of the requests were executed, whatever was answered. After each case a new connection must be
served, and on a connection that stays open the next request must get its own answer.
"""
import itertools
import re
import threading
import time
from dataclasses import dataclass, field, replace

from harness import SETTINGS, quote
from wire import Closed, Wire

# What stands in a case's bytes for its own SKU, the shopper's token and the staff's key. Those that are counted by a
# Content-Length or a chunk size (not the token) have the length of what takes their place.
SKU = b"TORTURE-00000"
TOKEN = b"@token@"
STAFF = b"@" * 64
# Ways to write a SKU that mean the same: what takes the place of what in it.
SPELLINGS = ((b"TOR", b"%54OR"), (b"-", b"%2D"), (b"TOR", b"\\u0054OR"))
UNITS = 10
SMUGGLED_UNITS = 3
SPLIT_BYTES_MAX = 2000
CLOSE_SECONDS = 4.0
ANSWER_SECONDS = 8.0
# Between two pieces: so that the server sees them apart; that it has answered the first.
CUT_SECONDS = 0.002
HEAD_SECONDS = 0.1

HOST = b"Host: shop.example\r\n"
HOLD = b'{"sku":"%s","quantity":1}' % SKU
JSON = b"Content-Type: application/json\r\n"
# The Idempotency-Key names the SKU, so that no case repeats another's key.
CALLER = b"Authorization: Bearer %s\r\nIdempotency-Key: key-%s\r\n" % (TOKEN, SKU)
POST = b"POST /v1/reservations HTTP/1.1\r\n" + HOST + CALLER + JSON
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
_ADJUST = b'{"delta":%d,"reason":"smuggled"}' % SMUGGLED_UNITS
SMUGGLED = (
    b"POST /v1/admin/inventory/%s/adjust HTTP/1.1\r\n" % SKU
    + HOST
    + b"Authorization: Bearer %s\r\n" % STAFF
    + JSON
    + b"Content-Length: %d\r\n\r\n" % len(_ADJUST)
    + _ADJUST
)
PROBLEM_400 = "400 malformed_request"
PROBLEM_501 = "501 not_implemented"


def length(body):
    return b"Content-Length: %d\r\n" % len(body)


def post(lines=b"", body=HOLD):
    """The call that holds one unit; `lines` frame the body as the case wants it."""
    return POST + lines + b"\r\n" + body


def hold(lines=b""):
    """The same, well-formed."""
    return post(lines + length(HOLD))


def get(target, lines=b""):
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + lines + b"\r\n"


def chunk(data):
    return b"%x\r\n" % len(data) + data + b"\r\n"


@dataclass(frozen=True)
class Case:
    """`want`: the answers due, in order, each `STATUS`, `STATUS CODE`, or several of these with `|` between; `HEAD `
    before it where the request was one; `none` as one of them: the server may also close without a word. `closed`:
    whether the server closes after them; None: it may do either, and must say which by `Connection: close`. `held`:
    units held when it is over; None: as many as answers of 201. `smuggled`: whether the request hidden in it is to be
    executed (where it is no longer hidden).
    """

    name: str
    data: bytes
    want: tuple
    closed: object = False
    held: object = 0
    smuggled: bool = False
    continues: object = 0  # answers of 100 that must come; None: any number
    headers: tuple = ()  # of the last answer: (name, pattern)
    body: str = None  # a pattern that is in the last answer's body
    half_close: bool = False  # ends its side when all is sent; the server then closes, announced or not
    pieces: object = None  # sent at once; "bytes": one by one; "head": and then the rest; a number: cut there
    splits: bool = True  # also sent byte by byte (and, in a full run, cut around line ends and between)
    everywhere: bool = False  # also cut at every place


def refused(name, data, want=PROBLEM_400, **more):
    """One answer, the connection closed, nothing done, and what follows is not looked at."""
    return Case(name, data + SMUGGLED, (want,), closed=True, **more)


def served(name, data, want="201", **more):
    """One answer, and the connection stays."""
    more.setdefault("held", 1 if want == "201" else None)
    return Case(name, data, (want,), **more)


@dataclass
class Outcome:
    case: Case
    faults: list = field(default_factory=list)
    sent: bytes = b""
    received: bytes = b""
    seconds: float = 0.0


class Transcript(Wire):
    """A connection that remembers all that came."""

    def __init__(self, address, timeout):
        super().__init__(address, timeout)
        self.received = b""

    def _more(self):
        before = len(self.buffer)
        super()._more()
        self.received += self.buffer[before:]


class Bench:
    """A server, SKUs to use up, and what all cases share. Any thread."""

    def __init__(self, server):
        self.server = server
        self.token = server.guest().token.encode()
        self.local = threading.local()
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.ready = []
        self.used = []

    def admin(self):
        if not hasattr(self.local, "admin"):
            self.local.admin = self.server.admin()
        return self.local.admin

    def new_sku(self):
        with self.lock:
            if not self.ready:
                names = [f"TORTURE-{next(self.numbers):05}" for _ in range(100)]
                variants = [
                    {"sku": name, "options": {"n": name}, "stock": UNITS} for name in names
                ]
                self.admin().create_product(variants=variants)
                self.ready = names[::-1]
            sku = self.ready.pop()
            assert len(sku) == len(SKU)
            return sku

    def fill(self, data, sku):
        for before, after in ((b"T", b"T"), *SPELLINGS):
            data = data.replace(SKU.replace(before, after), sku.encode().replace(before, after))
        data = data.replace(TOKEN, self.token)
        return data.replace(STAFF, self.server.admin_key.encode())

    def books(self, sku):
        return self.admin().inventory(quote(sku))


def parse_want(text):
    """`HEAD 200` -> (True, {(200, None)})"""
    head = text.startswith("HEAD ")
    wanted = set()
    for alternative in text.removeprefix("HEAD ").replace("none|", "").split("|"):
        status, _, code = alternative.strip().partition(" ")
        wanted.add((int(status), code or None))
    return head, wanted


def fits(answer, head, wanted):
    code = None if head else answer.code
    return any(answer.status == status and due in (None, code) for status, due in wanted)


def check_answer(answer, head, faults):
    """What any answer must be, whatever the request was."""
    where = f"answer {answer.status}"
    if not answer.header("date") or not answer.header("x-request-id"):
        faults.append(f"{where}: no Date or no X-Request-Id")
    framed = [answer.header("content-length"), answer.header("transfer-encoding")]
    if answer.status in (204, 304):
        if framed[1] is not None or (answer.status == 204 and framed[0] is not None):
            faults.append(f"{where}: framed although it has no body")
    elif (framed[0] is None) == (framed[1] is None):
        faults.append(f"{where}: needs one framing, has {framed}")
    for name in ("content-length", "content-type", "date", "connection", "x-request-id"):
        if len(answer.header_all(name)) > 1:
            faults.append(f"{where}: {name} twice")
    if answer.status >= 400 and not head and SETTINGS.contract is not None:
        try:
            SETTINGS.contract.check_problem(where, answer)
        except AssertionError as error:
            faults.append(str(error))


def says_close(answer):
    words = (answer.header("connection") or "").lower().split(",")
    return "close" in [word.strip() for word in words]


def send(wire, data, pieces):
    """Sends as the case says; a server that has refused already need not read on."""
    try:
        if pieces == "bytes":
            for index in range(len(data)):
                wire.send(data[index : index + 1])
        elif pieces is not None:
            cut = data.index(b"\r\n\r\n") + 4 if pieces == "head" else pieces
            wire.send(data[:cut])
            time.sleep(HEAD_SECONDS if pieces == "head" else CUT_SECONDS)
            wire.send(data[cut:])
        else:
            wire.send(data)
    except (Closed, OSError):
        pass


def read_answers(wire, case, faults):
    answers = []
    for text in case.want:
        head, wanted = parse_want(text)
        try:
            answer = wire.read_response(head_only=head)
        except Closed as error:
            if text.startswith("none|"):
                return answers
            faults.append(f"closed before answer {len(answers) + 1} of {len(case.want)}: {error}")
            return answers
        except TimeoutError:
            faults.append(f"no answer {len(answers) + 1} of {len(case.want)} in {ANSWER_SECONDS} s")
            return answers
        except ValueError as error:
            faults.append(f"not HTTP: {error}")
            return answers
        answers.append(answer)
        check_answer(answer, head, faults)
        if not fits(answer, head, wanted):
            faults.append(f"answer {len(answers)} is {answer!r}, wanted {text}")
    return answers


def check_end(wire, case, answers, faults):
    """That the connection is closed without another word, or serves the next request."""
    announced = bool(answers) and says_close(answers[-1])
    closed = announced if case.closed is None else case.closed
    if answers and announced != closed and not case.half_close:
        faults.append(f"Connection: close is {'' if announced else 'not '}announced")
    try:
        if not closed:
            wire.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: probe-probe\r\n\r\n")
        else:
            wire.socket.settimeout(CLOSE_SECONDS)
        answer = wire.read_response()
    except Closed as error:
        if not closed:
            faults.append(f"the connection was closed: {error}")
    except TimeoutError:
        faults.append("stays open" if closed else "the next request is not answered")
    except ValueError as error:
        faults.append(f"after the answers there is no HTTP: {error}")
    else:
        if closed:
            faults.append(f"one more answer: {answer!r}")
        elif (answer.status, answer.header("x-request-id")) != (200, "probe-probe"):
            faults.append(f"the next request got {answer.headers} {answer!r}")


def check_last(answers, case, received, faults):
    if not answers:
        return
    for name, pattern in case.headers:
        value = answers[-1].header(name)
        if value is None or not re.search(pattern, value):
            faults.append(f"{name} is {value!r}, wanted {pattern!r}")
    if case.body is not None and not re.search(case.body, answers[-1].body.decode("latin-1")):
        faults.append(f"the body does not match {case.body!r}")
    continues = received.count(b"HTTP/1.1 100 Continue\r\n\r\n")
    if case.continues is not None and continues != case.continues:
        faults.append(f"{continues} answers of 100, wanted {case.continues}")


def check_effect(bench, sku, case, answers, faults):
    held = case.held
    if held is None:
        held = sum(1 for answer in answers if answer.status == 201)
    stock = UNITS + (SMUGGLED_UNITS if case.smuggled else 0)
    books = bench.books(sku)
    with bench.lock:
        bench.used.append((case.name, sku, books))
    if books["stock"] != stock:
        faults.append(f"the hidden request was {'not ' if case.smuggled else ''}executed: {books}")
    if books["reserved"] != held:
        faults.append(f"{books['reserved']} units are held, wanted {held}")


def check_service(bench, faults):
    try:
        with Wire(bench.server.address, ANSWER_SECONDS) as wire:
            answer = wire.request("GET", "/readyz")
            if answer.status != 200:
                faults.append(f"afterwards a new connection gets {answer!r}")
    except (Closed, OSError) as error:
        faults.append(f"afterwards a new connection is not served: {error!r}")


def run_case(bench, case):
    """Runs it, and says what is wrong with what came of it."""
    outcome = Outcome(case)
    faults = outcome.faults
    started = time.monotonic()
    try:
        sku = bench.new_sku()
        outcome.sent = bench.fill(case.data, sku)
        with Transcript(bench.server.address, ANSWER_SECONDS) as wire:
            send(wire, outcome.sent, case.pieces)
            if case.half_close:
                wire.socket.shutdown(1)
            answers = read_answers(wire, case, faults)
            if len(answers) == len(case.want):
                check_end(wire, case, answers, faults)
            outcome.received = wire.received
        check_last(answers, case, outcome.received, faults)
        check_effect(bench, sku, case, answers, faults)
        check_service(bench, faults)
    except (Closed, OSError, AssertionError, ValueError) as error:
        faults.append(f"broke off: {error!r}")
    outcome.seconds = time.monotonic() - started
    return outcome


def check_books_again(bench):
    """What was executed late, after its case was over."""
    late = []
    for name, sku, then in bench.used:
        books = bench.books(sku)
        if books != then:
            late.append(f"{name}: {books}, when it was over {then}")
    return late


def cuts(case, full):
    """Where to cut it in two: everywhere, or around its line ends and at every 16th byte."""
    data = case.data
    if case.everywhere:
        return range(1, len(data))
    if not full:
        return ()
    ends = (at + step for at in range(len(data)) if data[at] in b"\r\n" for step in (0, 1))
    return sorted({at for at in (*ends, *range(16, len(data), 16)) if 0 < at < len(data)})


def in_pieces(case, full):
    """The case as its table has it, and as a network may deliver it."""
    yield case
    if not case.splits or len(case.data) > SPLIT_BYTES_MAX:
        return
    yield replace(case, name=case.name + ", byte by byte", pieces="bytes")
    for cut in cuts(case, full):
        yield replace(case, name=f"{case.name}, cut at {cut}", pieces=cut)
