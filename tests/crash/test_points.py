# SPDX-License-Identifier: Apache-2.0
"""The server dies at a chosen system call, or at one of RocksDB's own kill points: while it serves, flushes, merges,
opens, recovers; also again while it recovers from the death before."""
import collections
import contextlib
import os
import re
import shutil
import textwrap
import time
from pathlib import Path

import harness
from common import EVERY_CALL, Shop, case, check, count, end_process, fault, strike
from wire import Closed

# (calls, paths, the highest number that is drawn): where a death may find it, from the start on; and once it sells.
PLACES = (
    ("write", "*/journal/*.log", 20),
    ("fdatasync", "*/journal/*.log", 20),
    ("write,pwrite", "*.sst", 12),
    ("fsync,fdatasync", "*.sst", 4),
    ("write,fsync,fdatasync", "*/journal/MANIFEST-*", 12),
    ("write,fsync,fdatasync,rename", "*/journal/*.dbtmp", 3),
    ("rename", "*/journal/CURRENT", 1),
    ("fsync", "*/journal", 5),
    ("open", "*/journal/*", 12),
    ("unlink", "*/journal/*", 12),
    ("fallocate,ftruncate", "*/journal/*", 8),
    ("pwrite,fsync,fdatasync", "*/watermark", 3),
    (EVERY_CALL, "*", 60),
)
PLACES_SELLING = (
    ("write", "*/journal/*.log", 300),
    ("fdatasync", "*/journal/*.log", 300),
    ("pwrite,fsync,fdatasync", "*/watermark", 8),
    (EVERY_CALL, "*", 300),
)
ODDS = (40, 4000)
SERVE_SECONDS = 0.8
SOME = 100  # with more rounds than these, every call is tried
# As long as a call cannot be reached, another is drawn.
TRIES_A_ROUND = 4


def draw(random, armed):
    """A fault to be started with: RocksDB's own, or one that counts from the start, or only once the server sells."""
    if random.random() < 0.25:
        low, high = ODDS
        return fault(odds=int(low * (high / low) ** random.random()))
    sells = random.random() < 0.5
    calls, paths, highest = random.choice(PLACES_SELLING if sells else PLACES)
    nth = int(highest ** random.random())
    action = "torn" if random.random() < 0.3 else "kill"
    return fault(calls, paths, nth, action, armed=armed if sells else None)


def place(server):
    """Where the server died, as a name without numbers; None if not of the fault."""
    struck = strike(server)
    if struck is not None:
        name = re.sub(r"\d+", "N", struck.path.rsplit("/", 1)[-1])
        return f"{struck.call} {name}"
    for line in server.stdout_lines:
        if line.startswith("Crashing at "):
            return line.removeprefix("Crashing at ")
    return None


def life(shop, row, environment, armed, crashed):
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
    Path(armed).touch()
    deadline = time.monotonic() + SERVE_SECONDS
    while shop.server.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    where = place(shop.server) if shop.server.process.poll() is not None else None
    shop.server.kill()
    os.unlink(armed)
    return where, True


@case("kill-points", rounds=20, full=200)
def kill_points(test, row):
    shop = Shop(test)
    load = shop.load()
    shop.server.kill()
    places = collections.Counter()
    armed = test.path("armed")
    recovering = 0
    for _ in range(test.rounds * TRIES_A_ROUND):
        crashed = time.monotonic()
        where, was_ready = life(shop, row, draw(test.random, armed), armed, crashed)
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
    row.notes.append(f"died at {len(places)} places, {recovering} times before it was ready:")
    row.notes.extend(textwrap.wrap(", ".join(name for name, _ in places.most_common()), 100))
    if row.rounds < test.rounds:
        raise AssertionError(f"only {row.rounds} of {test.rounds} deaths came about: {places}")
    shop.audit()


@case("kill-creation", rounds=10, full=1000)
def kill_while_created(test, row):
    """Death at one call after another of a first start (by default at some, further and further apart): the next start
    makes a whole store, or finds one."""
    nth = 1
    while row.rounds < test.rounds:
        server = test.server("--ballast-mb", "1", start=False)
        server.env = fault(EVERY_CALL, f"{server.data}/*", nth)
        with contextlib.suppress(harness.StartFailed):
            server.start()
        end_process(server)
        if strike(server) is None:
            break
        server.env = {}
        server.start()
        server.guest().reserve(server.admin().create_sku(), expect=201)
        server.kill()
        check(server)
        shutil.rmtree(server.data)
        row.rounds += 1
        nth += 1 if test.rounds > SOME else 1 + nth // 2
    row.notes.append(f"the last call: number {nth}")
