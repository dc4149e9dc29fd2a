# SPDX-License-Identifier: Apache-2.0
"""Deaths and errors in the background: while what is in memory becomes tables, logs change and tables are merged. That
takes much load and many holds, so these are slow."""
import errno
import time
from pathlib import Path

from common import Shop, case, count, fault, strike

REQUESTS = 1500000
LIFE_SECONDS_MAX = 60
CALLS = "write,pwrite,fsync,fdatasync,open,rename,unlink"
# From when it sells on: the first table, deep in one, the next log, the catalogue of both.
PLACES = (
    ("*.sst", 1),
    ("*.sst", 20),
    ("*.sst", 60),
    ("*/journal/MANIFEST-*", 1),
    ("*/journal/MANIFEST-*", 2),
    ("*/journal", 1),
    ("*/journal/*.log", 1000),
)
ABORTED, KILLED, STORE_FAILED = -6, -9, 3


def wait_for_end(server, load, name):
    """The server's exit status; the load must not be done before."""
    deadline = time.monotonic() + LIFE_SECONDS_MAX
    while server.process.poll() is None:
        if load.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{name}: the server did not come to it under this load")
        time.sleep(0.01)
    return server.process.returncode


def strike_under_load(test, row, action, allowed):
    """A life of much load that the fault ends, the next without it, and the proof over both."""
    paths, nth = PLACES[row.rounds % len(PLACES)]
    shop = Shop(test)
    shop.server.stop()
    armed = test.path("armed")
    shop.server.env = fault(CALLS, paths, nth, action, 0, armed)
    shop.server.restart()
    load = test.load(
        shop.server,
        *("spread", "--skus", shop.skus_path, "--closed", "--connections", 64, "--pipeline", 16),
        *("--requests", REQUESTS, "--duration", LIFE_SECONDS_MAX, "--retries", 1000),
    )
    Path(armed).touch()
    status = wait_for_end(shop.server, load, f"{paths}, {nth}")
    ended = time.monotonic()
    if status not in allowed:
        raise AssertionError(f"{paths}, {nth}: exit {status}: {shop.server.stderr()[-1000:]}")
    struck = strike(shop.server)
    if status == ABORTED:
        row.notes.append(f"{struck.call} {struck.path.rsplit('/', 1)[-1]}: RocksDB aborted")
    shop.server.env = {}
    row.back.append(shop.restart(ended))
    row.rounds += 1
    load.wait_for_more()
    count(row, load.finish())
    shop.audit()


@case("tables-kill", rounds=7, only_full=True)
def killed_while_tables_are_made(test, row):
    for number in range(test.rounds):
        strike_under_load(test, row, "torn" if number % 2 else "kill", (KILLED,))


@case("tables-errors", rounds=7, only_full=True)
def tables_that_cannot_be_made(test, row):
    errors = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
    for number in range(test.rounds):
        strike_under_load(test, row, errors[number % 3], (STORE_FAILED, ABORTED))
