# SPDX-License-Identifier: Apache-2.0
"""What the crash tests share: cases and their rows in the table, servers that come back at one address, the witness.

A case is a function of a module `test_*.py`, found by its decorator:

    @case("kill9-load", rounds=10, full=200)
    def kill_under_load(test, row):
        ...

It plays `test.rounds` rounds and fills `row` as it goes (`row.rounds`, `row.acknowledged`, `row.lost`, `row.back`),
so that a case that fails shows how far it came. It fails by an exception, and by `row.lost` other than 0; it is
skipped by `raise Skip(reason)`. What it starts, mounts or writes it gets from `test`, which ends it all with the case.
"""
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
import harness  # noqa: E402

CASES = []
# Of a day, 99.99 % leaves this much.
DOWN_SECONDS_A_DAY = 86400 * 0.0001
LOAD_SECONDS_MAX = 3000
FINISH_SECONDS = 120
# A loopback address of this run's own: a client that dials 127.0.0.1:PORT while nobody listens there may be given that
# very port as its own end, and then the server does not get it back.
ADDRESS = "127." + ".".join(str(random.SystemRandom().randint(1, 254)) for _ in range(3))
# All that faults.c can strike and that changes something; `open` is for creating, `open_read` what is there.
EVERY_CALL = "write,pwrite,fsync,fdatasync,open,rename,unlink,ftruncate,fallocate"


class Skip(Exception):
    """This machine lacks what the case needs; the text says what."""


class Row:
    """A line of the table."""

    def __init__(self):
        self.rounds = 0
        self.acknowledged = 0
        self.lost = 0
        self.back = []  # seconds from each crash to the first 201 after it
        self.notes = []

    def __str__(self):
        median = f"{statistics.median(self.back):.3f} s" if self.back else "-"
        worst = f"{max(self.back):.3f} s" if self.back else "-"
        return f"{self.rounds:6} {self.acknowledged:12,} {self.lost:5} {median:>10} {worst:>10}"

    HEADER = f"{'rounds':>6} {'acknowledged':>12} {'lost':>5} {'back (med)':>10} {'worst':>10}"


class Case:
    def __init__(self, name, rounds, full, only_full, work):
        self.name = name
        self.rounds = rounds
        self.full = full
        self.only_full = only_full
        self.work = work


def case(name, rounds=1, full=None, only_full=False):
    """Registers a case: `rounds` by default, `full` rounds with --full; `only_full`: only then, or when named."""

    def register(work):
        CASES.append(Case(name, rounds, full if full is not None else rounds, only_full, work))
        return work

    return register


class Test:
    """What a case works with; all of it is gone after `close()`."""

    def __init__(self, name, rounds, seed):
        self.name = name
        self.rounds = rounds
        self.random = random.Random(f"{seed} {name}")
        self.stack = contextlib.ExitStack()
        self.folder = tempfile.mkdtemp(prefix="stampede-crash-")
        self.defer(shutil.rmtree, self.folder, ignore_errors=True)
        self.names = 0

    def close(self):
        self.stack.close()

    def defer(self, work, *arguments, **named):
        """To be done at the end of the case, last first."""
        self.stack.callback(work, *arguments, **named)

    def path(self, name):
        """A new path in the case's own folder."""
        self.names += 1
        return os.path.join(self.folder, f"{self.names}-{name}")

    def server(self, *flags, **options):
        """A server on new data (or `data`), which comes back at the same address when it is restarted. With
        `start=False` it is the case's to start."""
        options.setdefault("data", self.path("data"))
        options.setdefault("listen", f"{ADDRESS}:0")
        server = harness.Server(*flags, **options)
        self.defer(end_process, server)
        if server.process is not None:
            server.listen = "{}:{}".format(*server.address)
        return server

    def load(self, server, *arguments):
        """stampede-load beside the case; see Load."""
        load = Load(server, self.path("load"), *arguments)
        self.defer(end_process, load)
        return load


def end_process(owner):
    """kill -9 to what an object runs as its `process`, if it still does."""
    if owner.process is not None and owner.process.poll() is None:
        owner.process.kill()
        owner.process.wait()


class Load:
    """stampede-load as the witness. It writes down each 201 as it comes, outside the data's file system, goes on over
    crashes with the same keys, and proves at its end that what was acknowledged is in the books, once."""

    def __init__(self, server, path, scenario, *arguments):
        self.acknowledged_path = path + ".acknowledged"
        self.report_path = path + ".json"
        self.errors_path = path + ".stderr"
        command = [harness.SETTINGS.load_binary, scenario, "--json"]
        command += ["--target", "http://{}:{}".format(*server.address)]
        command += ["--admin-key-file", server.key_file, "--acknowledged", self.acknowledged_path]
        command += map(str, arguments)
        Path(self.acknowledged_path).touch()
        with open(self.report_path, "wb") as report, open(self.errors_path, "wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=report, stderr=errors
            )

    def acknowledged(self):
        """What was acknowledged so far: [(sent_ns, answered_ns, id, sku)]; times are of time.monotonic_ns()."""
        rows = []
        with open(self.acknowledged_path, encoding="ascii") as handle:
            for line in handle:
                fields = line.split()
                if line.endswith("\n") and len(fields) == 4:
                    rows.append((int(fields[0]), int(fields[1]), fields[2], fields[3]))
        return rows

    def wait_for_more(self, seconds=30):
        """Until another hold is acknowledged."""
        size = os.path.getsize(self.acknowledged_path)

        def grew():
            if self.process.poll() is not None:
                raise AssertionError(f"stampede-load ended early: {self.errors()}")
            return os.path.getsize(self.acknowledged_path) > size

        harness.wait_until(grew, seconds, "another hold acknowledged")

    def errors(self):
        return Path(self.errors_path).read_text(encoding="utf-8", errors="replace")[-2000:]

    def finish(self):
        """Ends the arrivals, waits for the proof, and gives the report; AssertionError if a check of it failed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(FINISH_SECONDS)
        text = Path(self.report_path).read_text(encoding="utf-8")
        if not text:
            raise AssertionError(f"stampede-load: exit {status} without a report: {self.errors()}")
        report = json.loads(text)
        failed = [f"{check['name']}: {check['detail']}" for check in report["checks"] if not check["ok"]]
        if status != 0 or failed:
            raise AssertionError(
                f"stampede-load: exit {status}: {failed} {report['problems'][:3]} {self.errors()}"
            )
        return report


def buyers(skus_path, rate):
    """Arguments of a load that goes on until it is ended, whatever the server does meanwhile."""
    return (
        *("spread", "--skus", skus_path, "--rate", rate, "--duration", LOAD_SECONDS_MAX),
        *("--connections", 32, "--buyers", 100, "--retries", 1000, "--repeats", 200),
    )


class Shop:
    """A server, products to sell, and one apart from them that tells when it sells again."""

    PRODUCTS = 8
    STOCK = 1000000

    def __init__(self, test, *flags, **options):
        self.test = test
        self.server = test.server(*flags, **options)
        self.renew()
        self.probe_sku = self.server.admin().create_sku(stock=self.STOCK)
        self.probe = self.server.guest()

    def renew(self):
        """Other products, for the loads that begin from now on."""
        admin = self.server.admin()
        self.skus = [admin.create_sku(stock=self.STOCK) for _ in range(self.PRODUCTS)]
        admin.close()
        self.skus_path = self.test.path("skus")
        Path(self.skus_path).write_text("\n".join(self.skus) + "\n", encoding="ascii")

    def load(self, rate=1500):
        load = self.test.load(self.server, *buyers(self.skus_path, rate))
        load.wait_for_more()
        return load

    def first_sale(self):
        """A hold, by whoever stands first at the door."""
        self.probe.close()
        self.probe.reserve(self.probe_sku, expect=201)

    def restart(self, crashed):
        """Starts again; gives the seconds from the crash (of time.monotonic()) to the first 201."""
        self.server.restart()
        self.first_sale()
        return time.monotonic() - crashed

    def audit(self):
        """The server's end, and the offline audit of its data."""
        status = self.server.stop()
        if status != 0:
            raise AssertionError(f"exit {status} after SIGTERM: {self.server.stderr()[-2000:]}")
        check(self.server)


def check(server):
    """`stampede check` of a server that does not run."""
    done = server.check()
    if done.returncode != 0 or "check: ok" not in done.stdout:
        raise AssertionError(f"check: exit {done.returncode}: {done.stdout} {done.stderr}")


def copy_store(source, target):
    """The files of a store that nobody serves (a socket that a crash left is none)."""

    def others(folder, names):
        paths = {name: os.path.join(folder, name) for name in names}
        return [name for name, path in paths.items() if not (os.path.isfile(path) or os.path.isdir(path))]

    shutil.copytree(source, target, ignore=others)


def books(server, skus):
    """The IDs of all reservations of these SKUs, as staff see them, with their states: {id: status}."""
    admin = server.admin()
    found = {}
    for sku in skus:
        for entry in admin.pages(f"/v1/admin/reservations?limit=100&sku={harness.quote(sku)}"):
            found[entry["id"]] = entry["status"]
    admin.close()
    return found


@functools.cache
def faults_library():
    """faults.c, built once a run."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Skip("needs a C compiler (cc)")
    target = os.path.join(harness.SETTINGS.scratch, "faults.so")
    flags = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", target, Path(__file__).with_name("faults.c")], check=True)
    return target


def fault(calls=None, paths="*", nth=1, action="kill", times=1, armed=None, odds=None):
    """The environment of a server in which this fault strikes; see faults.c."""
    settings = {"LD_PRELOAD": faults_library()}
    if calls is not None:
        settings |= {"FAULT_CALLS": calls, "FAULT_PATHS": paths, "FAULT_NTH": str(nth)}
        settings |= {"FAULT_ACTION": str(action), "FAULT_TIMES": str(times)}
    if armed is not None:
        settings["FAULT_ARMED"] = armed
    if odds is not None:
        settings["FAULT_ODDS"] = str(odds)
    return settings


class Strike:
    """What a fault told of itself."""

    def __init__(self, line):
        _, self.call, nth, nanoseconds, self.path = line.split(" ", 4)
        self.nth, self.ns = int(nth), int(nanoseconds)


def strike(server):
    """The fault of this server's last life, or None where it did not come to it."""
    for line in server.stderr().splitlines():
        if line.startswith("fault: "):
            return Strike(line)
        if line.startswith("faults: "):
            raise AssertionError(line)
    return None


def count(row, report):
    """Takes the witness's count into the row."""
    row.acknowledged += report["books"]["acknowledged"]
    row.lost += report["books"]["acknowledged_lost"]


def crashes_a_day(row):
    """How many crashes a day 99.99 % has room for, by the median and by the worst."""
    usual = int(DOWN_SECONDS_A_DAY / statistics.median(row.back))
    worst = int(DOWN_SECONDS_A_DAY / max(row.back))
    return f"99.99 % ({DOWN_SECONDS_A_DAY:.1f} s a day) allows {usual} crashes a day ({worst} of the worst)"
