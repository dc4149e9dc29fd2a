# SPDX-License-Identifier: Apache-2.0
"""Stored bytes that changed: each change is refused by name, or makes no difference to what was acknowledged."""
import collections
import os
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import harness
from common import case
from wire import Wire

SERVE = ("--listen", "127.0.0.1:0", "--shards", "1", "--rate-limits", "off", "--connections-per-ip-max", "0")
# Small, and no hold lapses while the case runs.
FLAGS = ("--ballast-mb", "1", "--low-water-mb", "1", "--partitions", "8", "--hold-ttl-ms", "86400000")
SECONDS = 60
HOLDS = 60
ENTRIES = 100
NOTES_MAX = 20

# What may be struck: the pattern of its files, how often it is drawn, and what a refusal of it must name.
KINDS = (
    ("log", "journal/*.log", 6, "journal"),
    ("table", "journal/*.sst", 6, "journal|data are damaged"),
    ("manifest", "journal/MANIFEST-*", 3, "journal"),
    ("current", "journal/CURRENT", 2, "journal"),
    ("options", "journal/OPTIONS-*", 1, "journal"),
    ("watermark", "watermark", 3, "watermark|commit"),
    ("marker", "STAMPEDE", 2, "STAMPEDE|Stampede data folder|another store|incarnation|version"),
    ("secret", "secret.key", 1, "secret"),
    ("vault", "vault", 1, "vault"),
    ("ballast", "ballast", 1, "(?!)"),
)


# ---- damage: each takes the file's bytes, those of an older copy, and randomness; None removes the file ----


def flip_bit(data, older, rng):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def change_byte(data, older, rng):
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def zero_range(data, older, rng):
    at = rng.randrange(len(data))
    length = min(rng.choice((1, 8, 64, 512, 4096)), len(data) - at)
    return data[:at] + bytes(length) + data[at + length :]


def cut_off(data, older, rng):
    return data[: rng.choice((0, rng.randrange(len(data)), len(data) - 1))]


def append_junk(data, older, rng):
    return data + rng.choice((bytes(4096), rng.randbytes(rng.choice((1, 7, 100, 4096)))))


def remove(data, older, rng):
    return None


def put_older(data, older, rng):
    return older


def swap_blocks(data, older, rng):
    size = rng.choice((16, 512, 4096))
    while size * 2 > len(data) and size > 1:
        size //= 2
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    if len(blocks) > 1:
        one, other = rng.sample(range(len(blocks)), 2)
        blocks[one], blocks[other] = blocks[other], blocks[one]
    return b"".join(blocks)


DAMAGES = (flip_bit, flip_bit, change_byte, zero_range, cut_off, append_junk, remove, put_older, swap_blocks)


# ---- the stores that are struck ----


def sell(server, shop, count):
    """Holds, one after another, so that what is lost from the end is what was acknowledged last."""
    guest, admin = server.guest(), server.admin()
    for index in range(ENTRIES):  # history, which no start reads
        admin.adjust(shop.skus[index % len(shop.skus)], delta=1)
    for index in range(count):
        hold = guest.hold(shop.skus[index % len(shop.skus)], 1 + index % 3)
        shop.acknowledged.append(hold["id"])
        if index % 5 == 1:
            guest.release(hold["id"], expect=204)
        elif index % 5 == 2:
            admin.convert(hold["id"], expect=200)
    guest.close()
    admin.close()


def make_store(test, name, ends):
    """A store whose server sold, and went by `ends`, one after another; with a copy from before the last life."""
    server = test.server(*FLAGS, data=test.path(name))
    shop = SimpleNamespace(
        data=server.data, older=test.path("older"), key_file=server.key_file, acknowledged=[]
    )
    shop.admin_key = server.admin_key
    shop.skus = [server.admin().create_sku(stock=1000) for _ in range(4)]
    for index, end in enumerate(ends):
        if index > 0:
            shutil.rmtree(shop.older, ignore_errors=True)
            shutil.copytree(shop.data, shop.older, ignore=shutil.ignore_patterns("control"))
            server.start()
        sell(server, shop, HOLDS // len(ends))
        if index == 0 and not os.path.exists(shop.older):
            time.sleep(0.3)
            shutil.copytree(shop.data, shop.older, ignore=shutil.ignore_patterns("control"))
            sell(server, shop, HOLDS // 4)
        time.sleep(0.3)  # the watermark lags by 100 ms at most
        if end == "kill":
            server.kill()
        else:
            server.stop()
    (Path(shop.data) / "control").unlink(missing_ok=True)
    done = harness.run_cli("check", "--data", shop.data)
    assert done.returncode == 0, done.stdout + done.stderr
    shop.state, shop.commit = state_of(done.stdout), commit_of(done.stdout)
    return shop


def state_of(text):
    return re.search(r"state ([0-9a-f]{16})", text).group(1)


def commit_of(text):
    return int(re.search(r"commit (\d+)", text).group(1))


# ---- what is made of it ----


def line_of(process, seconds):
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline().decode() if ready else ""


def look(shop, port):
    """The books as staff see them: the holds, and which ledgers can be read; a lie in them is an error."""
    server = SimpleNamespace(address=("127.0.0.1", port))
    server.wire = lambda timeout=15.0: Wire(server.address, timeout)
    admin = harness.Client(server, token=shop.admin_key)
    holds, unread = set(), 0
    for sku in shop.skus:
        response = admin.call("GET", f"/v1/admin/inventory/{sku}")
        if response.status != 200:  # it was lost with all the rest
            continue
        books = response.json()
        holds |= {e["id"] for e in admin.pages(f"/v1/admin/reservations?limit=100&sku={sku}")}
        cursor, delta = "", 0
        while cursor is not None:
            page = admin.call("GET", f"/v1/admin/inventory/{sku}/ledger?limit=100{cursor}")
            if page.status >= 500:
                unread += 1
                break
            assert page.status == 200, page
            delta += sum(entry["delta"] for entry in page.json()["data"])
            cursor = page.json()["next_cursor"]
            cursor = None if cursor is None else f"&cursor={harness.quote(cursor)}"
        else:
            if delta != books["stock"] - books["sold"]:
                raise AssertionError(f"{sku}: the ledger adds up to {delta}, the books say {books}")
    admin.close()
    return holds, unread


def serve(shop, data):
    """Starts a server on it. Gives (exit status or None, what it said, holds, unread ledgers)."""
    command = [harness.SETTINGS.binary, "serve", "--data", data, *SERVE, *FLAGS[:4], *FLAGS[6:]]
    command += ["--admin-key-file", shop.key_file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            line = line_of(process, SECONDS)
            if not line.startswith("ready "):
                _, errors = process.communicate(timeout=SECONDS)
                return process.returncode, errors.decode(errors="replace"), set(), 0
            holds, unread = look(shop, int(line.rsplit(":", 1)[1]))
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=SECONDS)
            if process.returncode != 0:
                raise AssertionError(f"exit {process.returncode} after SIGTERM: {errors.decode()[-500:]}")
            return None, errors.decode(errors="replace"), holds, unread
        finally:
            process.kill()


def complaint(text):
    lines = [line for line in text.splitlines() if line.startswith("stampede: ")]
    return lines[-1] if lines else ""


def judge_refusal(status, errors, names):
    """A refusal is one line that names what is damaged, with the status for it."""
    line = complaint(errors)
    if status not in (2, 4) or re.search(names, line) is None:
        raise AssertionError(f"exit {status}: {line or errors[-300:]}")
    return f"refused, {status}"


def judge(shop, data, names):
    """What the server, and then the audit, make of a damaged store. Gives the outcome's name."""
    status, errors, holds, unread = serve(shop, data)
    if status is not None:
        return judge_refusal(status, errors, names)
    if holds != set(shop.acknowledged):
        missing = len(set(shop.acknowledged) - holds)
        raise AssertionError(f"served with {missing} acknowledged holds missing: {errors[-300:]}")
    done = harness.run_cli("check", "--data", data)
    if done.returncode == 0:
        if unread:
            raise AssertionError(f"{unread} ledgers cannot be read, and the audit says ok")
        if state_of(done.stdout) != shop.state:
            raise AssertionError(f"silent: {done.stdout}")
        return "no difference"
    if done.returncode != 1 or "check: broken: " not in done.stdout:
        raise AssertionError(f"check: exit {done.returncode}: {done.stdout} {done.stderr}")
    return "history unreadable, and said so"


def repair(shop, data, outcome):
    """By the operator's word: a store that checks ok and holds the first that were acknowledged, or `restore`."""
    asked = harness.run_cli("repair", "--data", data)
    done = harness.run_cli("repair", "--data", data, "--accept-loss")
    said = asked.stdout + asked.stderr
    if asked.returncode == 2 or done.returncode == 2:
        line = complaint(done.stderr)
        if re.search("backup|put the right one back|give ", line) is None:
            raise AssertionError(f"repair gives no way on: {line}")
        return "restore a backup"
    if done.returncode != 0 or asked.returncode != (0 if "nothing to repair" in done.stdout else 1):
        raise AssertionError(f"repair: exit {asked.returncode}, {done.returncode}: {said} {done.stdout}")
    check = harness.run_cli("check", "--data", data)
    if check.returncode != 0:
        raise AssertionError(f"repair said {done.stdout!r}, check {check.stdout} {check.stderr}")
    named = re.search(r"after commit (\d+)|up to commit (\d+)", done.stdout)
    if named is None or int(named.group(1) or named.group(2)) != commit_of(check.stdout):
        raise AssertionError(f"repair said {done.stdout!r}, the store ends at {check.stdout!r}")
    status, errors, holds, _ = serve(shop, data)
    if status is not None:
        raise AssertionError(f"repaired, and refused with {status}: {complaint(errors)}")
    if holds != set(shop.acknowledged[: len(holds)]):
        raise AssertionError("what repair kept is not the first part of what was acknowledged")
    if len(holds) == len(shop.acknowledged):
        return "repaired, all there"
    if re.search(r"commits? (after )?\d+.* doubtful", said) is None:
        raise AssertionError(f"lost, and not said which: {said}")
    return "repaired, the rest named"


def strike(test, shop, index):
    """Damages one file of a copy of the store. Gives (kind, what was done, the copy, what a refusal must name)."""
    rng = test.random
    data = test.path("struck")
    while True:
        kind, pattern, _, names = rng.choices(KINDS, weights=[row[2] for row in KINDS])[0]
        files = sorted(Path(shop.data).glob(pattern))
        if not files:
            continue
        source = rng.choice(files)
        damage = rng.choice(DAMAGES)
        before = source.read_bytes()
        olds = sorted(Path(shop.older).glob(pattern))
        older = rng.choice(olds).read_bytes() if olds else b""
        after = damage(before, older, rng) if before or damage in (remove, append_junk) else before
        if after != before:
            break
    shutil.copytree(shop.data, data)
    target = Path(data) / source.relative_to(shop.data)
    if after is None:
        target.unlink()
    else:
        target.write_bytes(after)
    return kind, f"{damage.__name__} of {source.name}", data, names


@case("damage", rounds=24, full=500)
def damage_stored_bytes(test, row):
    """Bits, bytes, ranges, ends and whole files of a store at rest."""
    shops = [
        make_store(test, "in-the-log", ["kill"]),
        make_store(test, "in-tables", ["stop", "kill"]),
        make_store(test, "closed", ["kill", "stop", "stop"]),
    ]
    outcomes = collections.Counter()
    failures = []
    for index in range(test.rounds):
        shop = shops[index % len(shops)]
        kind, what, data, names = strike(test, shop, index)
        try:
            outcome = judge(shop, data, names)
            then = repair(shop, data, outcome)
        except AssertionError as error:
            failures.append(f"round {index}: {os.path.basename(shop.data)}: {what}: {error}")
        else:
            outcomes[f"{kind}: {outcome}, then {then}"] += 1
            shutil.rmtree(data)
        row.rounds += 1
        row.acknowledged += len(shop.acknowledged)
    row.notes += [f"{count:4} {outcome}" for outcome, count in sorted(outcomes.items())]
    if failures:
        raise AssertionError(f"{len(failures)} of {test.rounds}:\n" + "\n".join(failures[:NOTES_MAX]))
