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
WORK_SECONDS = 1.0
WORKED_MAX = 100
STATUS_STORE_FAILED = 3  # a service manager starts it again; not so on 2


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


@case("full-disk", rounds=1, full=5)
def full_disk(test, row):
    disk = Disk(test, DISK_MIB)
    shop = Shop(test, *FLAGS, data=disk.data())
    ballast = os.path.join(disk.data(), "ballast")
    load = shop.load(rate=300)
    guest = shop.server.guest()
    holds = [guest.hold(shop.probe_sku)["id"] for _ in range(200 * test.rounds)]
    for number in range(test.rounds):
        disk.fill(leave_bytes=48 * MEBIBYTE)
        seen = wait_for_code(guest, shop.probe_sku, "storage_full", SEEN_SECONDS_MAX)
        check_full_mode(shop, guest, holds)
        # Not a byte left, and work that goes on: in the room that its log has, or until a write fails.
        disk.fill(leave_bytes=0)
        ended = work_until_it_fails(shop, guest, holds)
        # The ballast lets it come back, with old obligations to be met.
        if not os.path.exists(ballast):
            raise AssertionError("the ballast was given up before it was needed")
        shop.server.start()
        guest.close()
        check_full_mode(shop, guest, holds)
        if os.path.exists(ballast):
            raise AssertionError("the ballast was not given up")
        # Others take that room too: then it cannot open, and says so in a way that has it started again.
        disk.fill(leave_bytes=0)
        shop.server.kill()
        again = start_without_room(shop)
        disk.give_back()
        freed = time.monotonic()
        if shop.server.process.poll() is not None:
            start_until_ready(shop)
        guest.close()
        wait_for_code(guest, shop.probe_sku, None, RESUMED_SECONDS_MAX)
        row.back.append(time.monotonic() - freed)
        harness.wait_until(lambda: os.path.exists(ballast), RESUMED_SECONDS_MAX, "the ballast is there again")
        row.rounds += 1
        if number == 0:
            row.notes.append(f"storage_full after {seen:.2f} s; {ended}; {again}; `back`: from space to the next 201")
        load.wait_for_more()
    count(row, load.finish())
    for hold_id in holds:
        if guest.reservation(hold_id, expect=200).json()["status"] != "held":
            row.lost += 1
    shop.audit()


def work_until_it_fails(shop, guest, holds):
    """Releases, for a moment or until the server ends; then it is dead. Gives in words how."""
    deadline = time.monotonic() + WORK_SECONDS
    worked = 0
    while worked < WORKED_MAX and time.monotonic() < deadline:
        hold_id = holds.pop()
        try:
            response = guest.release(hold_id, expect=(204, 503))
        except (Closed, OSError):
            break
        if response.status == 503 and response.code != "outcome_unknown":
            raise AssertionError(f"a release on a full disk: {response!r}")
        worked += 1
    status = shop.server.process.poll()
    if status is None:
        shop.server.kill()
        return f"{worked} releases without a byte of space, then kill -9"
    if status != STATUS_STORE_FAILED:
        raise AssertionError(f"exit {status} on a full disk: {shop.server.stderr()[-1000:]}")
    return f"{worked} releases without a byte of space, then exit 3"


def start_without_room(shop):
    try:
        shop.server.start()
    except harness.StartFailed as failure:
        status = shop.server.process.returncode
        if status != STATUS_STORE_FAILED:
            raise AssertionError(f"{failure}: it will not be started again") from None
        return "then without ballast exit 3 at the start"
    return "then started even without ballast"


def start_until_ready(shop):
    """What a service manager does."""
    deadline = time.monotonic() + RESUMED_SECONDS_MAX
    while True:
        try:
            shop.server.start()
            return
        except harness.StartFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
