# SPDX-License-Identifier: Apache-2.0
"""The server dies at a chosen system call, or at one of RocksDB's own kill points: while it serves, flushes, merges,
opens, recovers; also again while it recovers from the death before."""
import collections
import re
import time

import harness
from common import Shop, case, check, count, fault, strike
from wire import Closed

# (calls, paths, the highest number that is drawn): where a death may find it.
PLACES = (
    ("write", "*/journal/*.log", 300),
    ("fdatasync", "*/journal/*.log", 300),
    ("write,pwrite", "*.sst", 12),
    ("fsync,fdatasync", "*.sst", 4),
    ("write,fsync,fdatasync", "*/journal/MANIFEST-*", 12),
    ("write,fsync,fdatasync,rename", "*/journal/*[0-9CT].dbtmp", 3),
    ("rename", "*/journal/CURRENT", 1),
    ("fsync", "*/journal", 5),
    ("open", "*/journal/*", 12),
    ("unlink", "*/journal/*", 12),
    ("fallocate,ftruncate", "*/journal/*", 8),
    ("pwrite,fsync,fdatasync", "*/watermark", 12),
    ("write,pwrite,fsync,fdatasync,open,rename,unlink", "*", 600),
)
ODDS = (20, 5000)
SERVE_SECONDS = 1.5
# As long as a call cannot be reached, another is drawn.
TRIES_A_ROUND = 4


def draw(random):
    """A fault to be started with, and what to call it."""
    if random.random() < 0.35:
        low, high = ODDS
        return fault(odds=int(low * (high / low) ** random.random()))
    calls, paths, highest = random.choice(PLACES)
    nth = int(highest ** random.random())
    action = "torn" if random.random() < 0.3 else "kill"
    return fault(calls, paths, nth=nth, action=action)


def place(server):
    """Where the server died, as a name without numbers; None if not of the fault."""
    struck = strike(server)
    if struck is not None:
        name = re.sub(r"\\d+", "N", struck.path.rsplit("/", 1)[-1])
        return f"{struck.call} {name}"
    for line in server.stdout_lines:
        if line.startswith("Crashing at "):
            return line.removeprefix("Crashing at ")
    return None


def life(shop, row, environment, crashed):
    """One life with a fault in it. Gives where it died (None: it did not), and whether it had been ready."""
    shop.server.env = environment
    try:
        shop.server.start()
    except harness.StartFailed as failure:
        where = place(shop.server)
        if where is None:
            raise AssertionError(f"did not start, and not of the fault: {failure}") from None
        return where, False
    try:
        shop.first_sale()
        row.back.append(time.monotonic() - crashed)
    except (Closed, OSError, AssertionError):
        pass  # it may die any moment
    with_deadline = time.monotonic() + SERVE_SECONDS
    while shop.server.process.poll() is None and time.monotonic() < with_deadline:
        time.sleep(0.005)
    where = place(shop.server) if shop.server.process.poll() is not None else None
    shop.server.kill()
    return where, True


@case("kill-points", rounds=15, full=200)
def kill_points(test, row):
    shop = Shop(test)
    load = shop.load()
    shop.server.kill()
    places = collections.Counter()
    recovering = 0
    for _ in range(test.rounds * TRIES_A_ROUND):
        crashed = time.monotonic()
        where, was_ready = life(shop, row, draw(test.random), crashed)
        if where is not None:
            places[where] += 1
            recovering += not was_ready
            row.rounds += 1
        if row.rounds == test.rounds:
            break
    shop.server.env = {}
    row.back.append(shop.restart(time.monotonic()))
    load.wait_for_more()
    count(row, load.finish())
    row.notes.append(f"died at {len(places)} places, {recovering} times before it was ready")
    if row.rounds < test.rounds:
        raise AssertionError(f"only {row.rounds} of {test.rounds} deaths came about: {places}")
    shop.audit()


@case("kill-creation", rounds=12, full=1000)
def kill_while_created(test, row):
    """Death at every call (by default at some of them) of a first start: the next start makes or finds a whole store."""
    seen = False
    step = 1
    nth = 0
    while not seen:
        nth += step
        server = test.unstarted(env=fault("write,pwrite,fsync,fdatasync,open,rename,unlink,fallocate", "*/data/*", nth))
        try:
            server.start()
            seen = True
        except harness.StartFailed:
            if strike(server) is None:
                raise
        else:
            seen = strike(server) is None
        server.kill()
        server.env = {}
        server.start()
        server.guest().reserve(server.admin().create_sku(), expect=201)
        server.kill()
        check(server)
        row.rounds += 1
        if row.rounds == 8 and test.rounds < 100:
            step = 9
