# SPDX-License-Identifier: Apache-2.0
"""The disk is full, and has space again: nobody attends to it."""
import os
import time

import harness
from common import Shop, case, count
from disk import MEBIBYTE, Disk
from wire import Closed

DISK_MIB = 640
FLAGS = ("--ballast-mb", "32", "--low-water-mb", "64")
SEEN_SECONDS_MAX = 2
RESUMED_SECONDS_MAX = 10
STATUSES = (0, 2, 3)  # how a start on a disk without any room may end


def wait_for_code(client, sku, code, seconds):
    """Until a hold is refused with this code (None: until one is taken). Gives how long that took."""
    started = time.monotonic()

    def answered():
        response = client.reserve(sku)
        return response.code == code if code else response.status == 201

    harness.wait_until(answered, seconds, code or "201")
    return time.monotonic() - started


def check_full_mode(shop, guest, holds):
    """No new obligations; the old ones can be met, and all can be read."""
    admin = shop.server.admin()
    guest.reserve(shop.probe_sku, expect=503, code="storage_full")
    admin.call("POST", "/v1/admin/products", PRODUCT, expect=503, code="storage_full")
    guest.call("GET", "/readyz", expect=503)
    guest.release(holds.pop(), expect=204)
    admin.convert(holds.pop(), expect=200)
    guest.reservation(holds[-1], expect=200)
    guest.call("GET", f"/v1/skus/{shop.probe_sku}/availability", expect=200)
    admin.inventory(shop.probe_sku)
    admin.close()


PRODUCT = {
    "id": "one-more",
    "name": "One more",
    "price_minor": 100,
    "currency": "EUR",
    "variants": [{"sku": "ONE-MORE", "options": {}, "stock": 1}],
}


@case("full-disk", rounds=1, full=3)
def full_disk(test, row):
    disk = Disk(test, DISK_MIB)
    shop = Shop(test, *FLAGS, data=disk.data())
    ballast = os.path.join(disk.data(), "ballast")
    load = shop.load(rate=300)
    guest = shop.server.guest()
    holds = [guest.hold(shop.probe_sku)["id"] for _ in range(200)]
    for _ in range(test.rounds):
        disk.fill(leave_bytes=48 * MEBIBYTE)
        seen = wait_for_code(guest, shop.probe_sku, "storage_full", SEEN_SECONDS_MAX)
        check_full_mode(shop, guest, holds)
        # A crash on the full disk: it comes back, and in the same mode.
        shop.server.kill()
        shop.server.restart()
        guest.close()
        check_full_mode(shop, guest, holds)
        # Not a byte left, and work that goes on: it may fail in a write, and then ends with 3; or go on in what its log has.
        disk.fill(leave_bytes=0)
        work_until_it_fails(shop, guest, holds)
        ended = attend_while_full(shop)
        disk.give_back()
        freed = time.monotonic()
        if shop.server.process.poll() is not None:
            start_until_ready(shop)
        guest.close()
        wait_for_code(guest, shop.probe_sku, None, RESUMED_SECONDS_MAX)
        row.back.append(time.monotonic() - freed)
        harness.wait_until(lambda: os.path.exists(ballast), RESUMED_SECONDS_MAX, "the ballast is there again")
        row.rounds += 1
        row.notes.append(f"storage_full after {seen:.2f} s; {ended}; `back` is from space to the next 201")
        load.wait_for_more()
    count(row, load.finish())
    for hold_id in holds:
        if guest.reservation(hold_id, expect=200).json()["status"] != "held":
            row.lost += 1
    shop.audit()


def work_until_it_fails(shop, guest, holds):
    """Releases, for some seconds or until the server ends."""
    deadline = time.monotonic() + 2
    while shop.server.process.poll() is None and len(holds) > 20 and time.monotonic() < deadline:
        hold_id = holds.pop()
        try:
            response = guest.release(hold_id, expect=(204, 503))
            if response.status == 503 and response.code != "outcome_unknown":
                raise AssertionError(f"a release on a full disk: {response!r}")
        except (Closed, OSError):
            break


def attend_while_full(shop):
    """What a service manager does: starts it again. Gives in words what became of it."""
    status = shop.server.process.poll()
    if status is None:
        shop.server.kill()
        told = "went on without a byte of space"
    elif status == 3:
        told = "exit 3 without a byte of space"
    else:
        raise AssertionError(f"exit {status} on a full disk: {shop.server.stderr()[-1000:]}")
    try:
        shop.server.start()
        return told + "; started again on it"
    except harness.StartFailed as failure:
        if shop.server.process.returncode not in STATUSES:
            raise
        return told + f"; started only with space ({str(failure)[:60]}…)"


def start_until_ready(shop):
    deadline = time.monotonic() + RESUMED_SECONDS_MAX
    while True:
        try:
            shop.server.start()
            return
        except harness.StartFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
