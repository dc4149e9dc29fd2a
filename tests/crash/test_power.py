# SPDX-License-Identifier: Apache-2.0
"""The power goes while the server works: the file system drops all that was not synced.

A sync that is under way in that moment may still say that it went well. So only answers that were complete before the
cut count, and the witness keeps them in another file system."""
import contextlib
import threading
import time

import harness
from common import Shop, books, case, fault
from disk import FLAGS, LOGFLUSH, NOLOGFLUSH, Disk

DISK_MIB = 1024
LOAD_SECONDS = (0.1, 0.6)
START_SECONDS = (0.01, 0.2)
SYNCS = "fsync,fdatasync"


def load_until_cut(test, shop, disk, how, seconds):
    """Load, then the cut. Gives the IDs that were acknowledged before it."""
    load = shop.load()
    time.sleep(seconds)
    cut_ns = time.monotonic_ns()
    disk.cut(how)
    shop.server.kill()
    load.process.kill()
    load.process.wait()
    disk.power_on()
    return [hold_id for _, answered_ns, hold_id, _ in load.acknowledged() if answered_ns < cut_ns]


def cut_while_starting(test, server, disk):
    """A start into which the next cut falls, if it is not done sooner; then the power is on again."""

    def cut():
        disk.cut(NOLOGFLUSH)
        server.process.kill()

    timer = threading.Timer(test.random.uniform(*START_SECONDS), cut)
    timer.start()
    with contextlib.suppress(harness.StartFailed):
        server.start()
    timer.join()
    server.kill()
    disk.power_on()


@case("power-cut", rounds=5, full=50)
def power_cut(test, row):
    disk = Disk(test, DISK_MIB)
    shop = Shop(test, *FLAGS, data=disk.data())
    acknowledged = []
    sold = []
    for number in range(test.rounds):
        how = NOLOGFLUSH if number % 3 else LOGFLUSH
        before = load_until_cut(test, shop, disk, how, test.random.uniform(*LOAD_SECONDS))
        if number % 2:
            cut_while_starting(test, shop.server, disk)
        row.back.append(shop.restart(time.monotonic()))
        found = books(shop.server, shop.skus)
        row.lost += sum(found.get(hold_id) != "held" for hold_id in before)
        row.acknowledged += len(before)
        row.rounds += 1
        acknowledged += before
        sold += shop.skus
        shop.renew()
    found = books(shop.server, sold)
    row.lost += sum(found.get(hold_id) != "held" for hold_id in acknowledged)
    shop.audit()


@case("power-control", rounds=2)
def power_cut_without_syncs(test, row):
    """Controls: with syncs that do nothing, the same cut costs what was acknowledged. Where only the log's did
    nothing, the watermark must refuse to serve. Where none did anything, all is as if it had never been, and it is for
    this test's own check to see what is missing. (Without the search: it syncs memory that is mapped, which nothing here
    keeps from doing so, and with it the file system writes down how long other files are.)"""
    for paths, seen in (("*/journal/*.log", refused), ("*", missed)):
        disk = Disk(test, DISK_MIB)
        shop = Shop(test, *FLAGS, "--search", "off", data=disk.data())
        shop.server.stop()
        shop.server.env = fault(SYNCS, paths, action="lie", times=0)
        shop.server.restart()
        before = load_until_cut(test, shop, disk, NOLOGFLUSH, 1.0)
        shop.server.env = {}
        row.rounds += 1
        row.acknowledged += len(before)
        row.notes.append(seen(shop, before))


def refused(shop, _):
    try:
        shop.server.restart()
    except harness.StartFailed as failure:
        if "exit 4 " in str(failure):
            return "syncs of the log did nothing: the watermark refused to serve (exit 4)"
        raise
    raise AssertionError("the log's end is gone, and it served")


def missed(shop, before):
    shop.server.restart()
    found = books(shop.server, shop.skus)
    lost = sum(hold_id not in found for hold_id in before)
    if lost == 0:
        raise AssertionError("nothing was synced, and nothing was missed: the cut does not cut")
    return f"no sync did anything: {lost} of {len(before)} holds were missed"
