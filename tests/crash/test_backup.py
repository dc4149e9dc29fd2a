# SPDX-License-Identifier: Apache-2.0
"""Backups of a server that sells: all that was acknowledged before is in them, and what is restored is that state."""
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import harness
from common import Shop, books, case, check, count
from disk import Disk

SECONDS = 120
STATE = re.compile(r"commit (\d+),.* state ([0-9a-f]{16})")


def backup(shop, target):
    return harness.run_cli("backup", target, "--data", shop.server.data, timeout=SECONDS)


def state(text):
    """(commit, state) as a line of backup, restore or check says."""
    return STATE.search(text).groups()


def elsewhere(test, name):
    """A new path, on another file system where there is one."""
    place = Path("/dev/shm")
    if not os.access(place, os.W_OK) or place.stat().st_dev == os.stat(test.folder).st_dev:
        return test.path(name)
    path = place / f"{os.path.basename(test.folder)}-{name}-{test.names}"
    test.names += 1
    test.defer(shutil.rmtree, path, ignore_errors=True)
    return str(path)


def restore(test, shop, folder, made):
    """Restores it elsewhere, audits it, and gives a server on it."""
    data = elsewhere(test, "restored")
    done = harness.run_cli("restore", folder, "--data", data, timeout=SECONDS)
    if done.returncode != 0 or state(done.stdout) != state(made):
        raise AssertionError(f"restore: exit {done.returncode}: {done.stdout}{done.stderr}, made as {made}")
    audit = harness.run_cli("check", "--data", data, timeout=SECONDS)
    if audit.returncode != 0 or state(audit.stdout) != state(made):
        raise AssertionError(f"check: exit {audit.returncode}: {audit.stdout}{audit.stderr}, made as {made}")
    shutil.copy(os.path.join(shop.server.data, "vault.key"), data)  # which no backup holds
    server = test.server(data=data, start=False, give_key=False)
    server.admin_key, server.key_file = shop.server.admin_key, shop.server.key_file
    server.start()
    return server


def lost_in(restored, skus, acknowledged):
    """How many of these holds a restored server does not have."""
    found = books(restored, skus)
    return sum(found.get(hold) != "held" for _, _, hold, _ in acknowledged)


@case("backup-load", rounds=3, full=20)
def back_up_under_load(test, row):
    """Each backup begins while buyers hold; it is restored elsewhere and served there, while the first shop goes on."""
    shop = Shop(test)
    load = shop.load()
    took = []
    for _ in range(test.rounds):
        load.wait_for_more()
        time.sleep(test.random.uniform(0, 0.5))
        before = load.acknowledged()
        target = elsewhere(test, "backup")
        started = time.monotonic()
        made = backup(shop, target)
        took.append(time.monotonic() - started)
        if made.returncode != 0:
            raise AssertionError(f"backup: exit {made.returncode}: {made.stderr}")
        if not load.acknowledged()[len(before) :]:
            raise AssertionError("nothing was sold during the backup")
        restored = restore(test, shop, target, made.stdout)
        row.lost += lost_in(restored, shop.skus, before)
        restored.anonymous().call("GET", "/readyz", expect=200)
        restored.stop()
        check(restored)
        shutil.rmtree(restored.data)
        shutil.rmtree(target)
        row.rounds += 1
    count(row, load.finish())
    row.notes.append(f"a backup took {max(took):.2f} s at most, with the server selling")
    quiet = backup(shop, test.path("quiet"))
    shop.server.stop()
    audit = shop.server.check()
    if state(quiet.stdout) != state(audit.stdout):
        raise AssertionError(f"the backup is {quiet.stdout!r}, its source {audit.stdout!r}")


@case("backup-kill", rounds=6, full=60)
def kill_during_backup(test, row):
    """kill -9 to the server, to the command or to both, at any moment of a backup: there is a whole backup or none."""
    shop = Shop(test)
    load = shop.load()
    whole = 0
    for index in range(test.rounds):
        target = test.path("backup")
        before = load.acknowledged()
        command = [harness.SETTINGS.binary, "backup", target, "--data", shop.server.data]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(test.random.uniform(0, 0.15))
            if index % 3 != 1:
                shop.server.kill()
                crashed = time.monotonic()
            if index % 3 != 0:
                process.kill()
            said, complaint = process.communicate(timeout=SECONDS)
        whole += judge_remains(test, shop, target, process.returncode, said, complaint, row, before)
        if index % 3 != 1:
            row.back.append(shop.restart(crashed))
        harness.wait_until(
            lambda: not os.path.exists(os.path.join(shop.server.data, "journal.backup")), 10, "the copy goes"
        )
        load.wait_for_more()
        row.rounds += 1
    count(row, load.finish())
    row.notes.append(f"{whole} of {row.rounds} backups were whole")
    shop.audit()


def judge_remains(test, shop, target, status, said, complaint, row, before):
    """A backup that said ok is whole; else there is none: nothing, or no manifest. Gives how many are whole."""
    if os.path.exists(os.path.join(target, "BACKUP")):
        done = harness.run_cli("restore", target, "--data", test.path("restored"), timeout=SECONDS)
        if done.returncode != 0:
            raise AssertionError(f"a backup with its manifest: {done.stderr}")
        return 1
    if status == 0:
        raise AssertionError(f"a backup without a manifest: {said}")
    if status == 2 and (os.path.exists(target) or "stampede: " not in complaint):
        raise AssertionError(f"refused, and something is left: {complaint}")
    if os.path.exists(target):
        done = harness.run_cli("restore", target, "--data", test.path("restored"), timeout=SECONDS)
        if done.returncode != 1 or "never completed" not in done.stderr:
            raise AssertionError(f"half a backup: exit {done.returncode}: {done.stdout}{done.stderr}")
    return 0


def refused(done, *names):
    if done.returncode != 2 or any(name not in done.stderr for name in names):
        raise AssertionError(f"exit {done.returncode}: {done.stdout}{done.stderr}")


@case("backup-refused")
def refuse_a_backup(test, row):
    """What cannot be done is said, changes nothing, and does not trouble the server."""
    shop = Shop(test)
    load = shop.load()
    time.sleep(1)
    there = test.path("there")
    Path(there).mkdir()
    (Path(there) / "precious").write_text("x", encoding="ascii")
    refused(backup(shop, there), "is not empty", "precious")
    refused(backup(shop, os.path.join(shop.server.data, "inside")), "is in the data folder")
    refused(backup(shop, test.path("no/such")), "cannot create the folder")
    refused(harness.run_cli("backup", test.path("x"), "--data", test.path("none")), "no Stampede data folder")
    shop.first_sale()
    count(row, load.finish())
    # A server that stops: whole, or refused.
    target = test.path("draining")
    shop.server.process.send_signal(signal.SIGTERM)
    done = backup(shop, target)
    if done.returncode != 0:
        refused(done, "stampede: ")
        if os.path.exists(target):
            raise AssertionError(f"refused, and something is left: {done.stderr}")
    shop.server.process.wait(SECONDS)
    check(shop.server)
    row.rounds += 1


@case("backup-space")
def back_up_to_a_full_disk(test, row):
    """A target without room is refused before anything is written to it, and the sale goes on."""
    disk = Disk(test, 16)
    shop = Shop(test)
    load = shop.load(rate=3000)
    disk.fill(64 * 1024)
    time.sleep(1)
    refused(backup(shop, os.path.join(disk.point, "backup")), "MiB free", "free some space")
    if os.path.exists(os.path.join(disk.point, "backup")):
        raise AssertionError("something is left")
    shop.first_sale()
    disk.give_back()
    done = backup(shop, os.path.join(disk.point, "backup"))
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    count(row, load.finish())
    row.rounds += 1
    shop.audit()
