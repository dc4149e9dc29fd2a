# SPDX-License-Identifier: Apache-2.0
"""Recovery that is disturbed itself: death, or a failing disk, at one call of it after another. And its time."""
import contextlib
import errno
import os
import shutil
import statistics
import time
from pathlib import Path

import harness
from common import EVERY_CALL, Shop, books, case, check, copy_store, end_process, fault, strike

HOLDS = 1000000
PRODUCTS = 500
READY_SECONDS_MAX = 3.0
RESTARTS = 3
SOME = 100  # with more rounds than these, every call is tried
LOAD_SECONDS = 1.0
# How a start may end whose disk fails, so that it is tried again: refused or failed later, or aborted by
# RocksDB, which asserts on some errors.
FAILURES = (3, -6)


def crashed_shop(test):
    """A store that needs recovery, and the IDs of what it acknowledged."""
    shop = Shop(test, "--ballast-mb", "1")
    load = shop.load()
    time.sleep(LOAD_SECONDS)
    shop.server.kill()
    end_process(load)
    return shop, [hold_id for _, _, hold_id, _ in load.acknowledged()]


def disturb(test, row, shop, holds, calls, nth, action):
    """A start on a copy of the store, struck at its nth call; then one that is not, and must find every hold. Gives
    the first one's exit status (None: it served), or False where it has fewer calls."""
    server = test.server("--ballast-mb", "1", data=test.path("copy"), start=False)
    copy_store(shop.server.data, server.data)
    server.admin_key, server.key_file = shop.server.admin_key, shop.server.key_file
    server.env = fault(calls, f"{server.data}/*", nth, action)
    status = None
    with contextlib.suppress(harness.StartFailed):
        server.start()
    status = server.process.poll()
    end_process(server)
    if strike(server) is None:
        shutil.rmtree(server.data)
        return False
    server.env = {}
    server.start()
    found = books(server, shop.skus)
    row.lost += sum(found.get(hold_id) != "held" for hold_id in holds)
    server.kill()
    check(server)
    shutil.rmtree(server.data)
    row.rounds += 1
    row.acknowledged += len(holds)
    return status


def disturb_all(test, row, shop, holds, calls, action, allowed):
    endings = {}
    nth = 1
    played = row.rounds
    while row.rounds - played < test.rounds:
        status = disturb(test, row, shop, holds, calls, nth, action)
        if status is False:
            break
        if status not in allowed:
            raise AssertionError(f"call {nth} of {calls}, {action}: exit {status}")
        endings[status] = endings.get(status, 0) + 1
        nth += 1 if test.rounds > SOME else 1 + nth // 2
    told = ", ".join(f"{times} x {'served' if end is None else f'exit {end}'}" for end, times in endings.items())
    row.notes.append(f"struck up to call {nth} of {calls}: {told}")


@case("recovery-kill", rounds=6, full=1000)
def recovery_killed(test, row):
    disturb_all(test, row, *crashed_shop(test), EVERY_CALL, "kill", (-9, None))


@case("recovery-eio", rounds=4, full=1000)
def recovery_with_failing_disk(test, row):
    shop = crashed_shop(test)
    disturb_all(test, row, *shop, EVERY_CALL, errno.EIO, (*FAILURES, None))
    disturb_all(test, row, *shop, "open_read", errno.EIO, (*FAILURES, None))


def processor_seconds(server):
    """What the process has used of all cores so far: tells a slow start from a busy machine."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@case("million", only_full=True)
def restart_with_a_million(test, row):
    """kill -9 with 1,000,000 holds: `back` is from the program's start to `ready`, each on a copy of what the crash
    left, read from the page cache. The median counts."""
    server = test.server()
    skus = [server.admin().create_sku(stock=HOLDS) for _ in range(PRODUCTS)]
    skus_path = test.path("skus")
    Path(skus_path).write_text("\n".join(skus) + "\n", encoding="ascii")
    load = test.load(
        server,
        *("spread", "--skus", skus_path, "--no-proof", "--closed", "--requests", HOLDS, "--duration", 600),
        *("--connections", 64, "--pipeline", 16, "--repeats", 0),
    )
    load.process.wait(600)
    row.acknowledged = len(load.acknowledged())
    if row.acknowledged != HOLDS:
        raise AssertionError(f"only {row.acknowledged} holds came about: {load.errors()}")
    server.kill()
    for _ in range(RESTARTS):
        again = test.server(data=test.path("copy"), start=False)
        copy_store(server.data, again.data)
        again.admin_key, again.key_file = server.admin_key, server.key_file
        started = time.monotonic()
        again.start()
        row.back.append(time.monotonic() - started)
        row.rounds += 1
        row.notes.append(f"ready after {row.back[-1]:.2f} s; {processor_seconds(again):.2f} s of the processors")
        admin = again.admin()
        row.lost += HOLDS - sum(admin.inventory(sku)["reserved"] for sku in skus)
        again.kill()
        check(again)
        shutil.rmtree(again.data)
    if statistics.median(row.back) > READY_SECONDS_MAX:
        raise AssertionError(f"ready after {statistics.median(row.back):.2f} s; {READY_SECONDS_MAX} s is the most")
