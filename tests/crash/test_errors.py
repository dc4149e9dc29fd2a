# SPDX-License-Identifier: Apache-2.0
"""The disk says no: a write or a sync of a running server fails. It must acknowledge nothing that it is asked for from
then on, end with status 3 at once, and be whole when it starts again. No client may have been told a falsehood."""
import errno
import itertools
import os
import subprocess
import time
from pathlib import Path

from common import Shop, case, count, fault, strike

STATUS_STORE_FAILED = 3
EXIT_SECONDS_MAX = 5
CAUGHT_UP_SECONDS = 0.3
ERRNOS = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
# What fails; whether no commit may be acknowledged from that moment on. (Commits go on until the watermark's thread
# has told of its failure: they are durable.)
PLACES = (
    ("fdatasync", "*/journal/*.log", True),
    ("write", "*/journal/*.log", True),
    ("pwrite", "*/watermark", False),
    ("fsync,fdatasync", "*/watermark", False),
)


def acknowledged_late(load, struck):
    """Holds that were asked for after the fault, and acknowledged."""
    return [hold for hold in load.acknowledged() if hold[0] > struck.ns]


def fail_once(shop, load, row, place, nth, times, error):
    """A life in which the disk fails under load, and the next, in which all is there."""
    calls, paths, is_log = place
    armed = shop.test.path("armed")
    shop.server.env = fault(calls, paths, nth, error, times, armed)
    shop.server.restart()
    shop.first_sale()
    load.wait_for_more()
    Path(armed).touch()
    name = f"{calls} of {paths}: {errno.errorcode[error]}"
    try:
        status = shop.server.process.wait(EXIT_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{name}: goes on after {EXIT_SECONDS_MAX} s; {strike(shop.server)}") from None
    ended = time.monotonic()
    if status != STATUS_STORE_FAILED:
        raise AssertionError(f"{name}: exit {status}: {shop.server.stderr()[-1000:]}")
    struck = strike(shop.server)
    time.sleep(CAUGHT_UP_SECONDS)
    if is_log:
        late = acknowledged_late(load, struck)
        if late:
            raise AssertionError(f"{name}: {len(late)} holds acknowledged that were asked for after it: {late[0]}")
    os.unlink(armed)
    shop.server.env = {}
    row.back.append(shop.restart(ended))
    row.rounds += 1
    shop.server.kill()
    return ended - struck.ns / 1e9


@case("errors", rounds=5, full=72)
def failing_disk(test, row):
    shop = Shop(test)
    load = shop.load(rate=800)
    shop.server.kill()
    exits = []
    # Each place with each error, failing once and for good, in turn.
    plans = [list(itertools.product([place], ERRNOS, (1, 0))) for place in PLACES]
    for plan in plans:
        test.random.shuffle(plan)
    plan = [entry for entries in zip(*plans) for entry in entries]
    for number in range(test.rounds):
        place, error, times = plan[number % len(plan)]
        exits.append(fail_once(shop, load, row, place, test.random.randint(1, 4), times, error))
    row.back.append(shop.restart(time.monotonic()))
    load.wait_for_more()
    report = load.finish()
    count(row, report)
    unknown = sum(code["count"] for code in report["by_code"] if code["code"] == "outcome_unknown")
    row.notes.append(f"from the error to exit 3: {max(exits):.3f} s at most; {unknown} answers of outcome_unknown")
    shop.audit()


@case("errors-short")
def short_writes(test, row):
    """The log's writes take half of what they are given, for a while: no error, and nothing is missing."""
    shop = Shop(test)
    shop.server.stop()
    shop.server.env = fault("write", "*/journal/*.log", nth=10, action="short", times=100)
    shop.server.restart()
    load = shop.load()
    time.sleep(0.5)
    if strike(shop.server) is None:
        raise AssertionError("no write was short")
    shop.server.kill()
    shop.server.env = {}
    row.back.append(shop.restart(time.monotonic()))
    load.wait_for_more()
    row.rounds = 1
    count(row, load.finish())
    shop.audit()


@case("errors-control")
def unnoticed_errors(test, row):
    """A control: a disk whose syncs fail without a word. It goes on selling, and this must see that."""
    shop = Shop(test)
    shop.server.stop()
    shop.server.env = fault("fdatasync", "*/journal/*.log", nth=20, action="lie", times=0)
    shop.server.restart()
    load = shop.load()
    time.sleep(0.5)
    late = acknowledged_late(load, strike(shop.server))
    if not late or shop.server.process.poll() is not None:
        raise AssertionError("it went on, and was not seen to")
    row.rounds, row.acknowledged = 1, len(load.acknowledged())
    row.notes.append(f"{len(late)} holds acknowledged after the first sync that did nothing")
