# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks that need a running server share: the server, this machine, and the form of a row."""

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "release")
CORES = os.path.join(BUILD, "bench", "bench_cores")
SERVER = os.path.join(BUILD, "stampede")
START_SECONDS_MAX = 60
SETTLE_SECONDS_MAX = 5


class Failure(Exception):
    """What ends a benchmark, in a line for people."""


def machine():
    processor = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    return {"processor": processor, "cores": os.cpu_count(), "kernel": platform.release()}


def file_system(folder):
    """The type of the file system that a folder is on: of tmpfs, a synced write says nothing."""
    folder = os.path.realpath(folder)
    best = ("", "unknown")
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        for line in file:
            _, place, kind, *_ = line.split()
            inside = folder == place or folder.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best[0]):
                best = (place, kind)
    return best[1]


def print_row(**members):
    members["machine"] = {**machine(), **members.get("machine", {})}
    print(json.dumps(members, separators=(",", ":")), flush=True)


def cores_are_near(wait=False):
    """Whether the first two cores are as near as they have been seen (bench/cores.h); first waits for it, if told to."""
    return subprocess.run([CORES, "--wait" if wait else "--near"], check=False).returncode == 0


def on_core(core):
    """The words in front of a command that keep it, and all threads that it starts, on one core."""
    return [] if core is None else ["taskset", "-c", str(core)]


def processor_seconds(pid):
    """What a process has used of processors, all its threads, in user space and in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """The release build's server on a folder; killed when the block ends."""

    def __init__(self, folder, *options, core=None):
        self.folder = folder
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*on_core(core), SERVER, "serve", "--data", folder, "--listen", "127.0.0.1:0"]
            + ["--rate-limits", "off", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self):
        try:
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def wait_until_ready(self):
        line = self.process.stdout.readline().decode()
        if not line.startswith(("ready http://", "ready https://")):
            raise Failure("the server did not start")
        self.port = int(line.rsplit(":", 1)[1])
        self.has_tls = line.startswith("ready https://")
        while self.call("GET", "/readyz")[0] != 200:
            if time.monotonic() - self.started > START_SECONDS_MAX:
                raise Failure("the server is not ready")
            time.sleep(0.001)
        self.ready_s = time.monotonic() - self.started

    def call(self, method, path, body=None, headers=None):
        """Status and body of one request."""
        if self.has_tls:
            unverified = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=unverified)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metric(self, name):
        for line in self.call("GET", "/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return int(float(line.split()[1]))
        raise Failure("the server has no metric " + name)

    def expect(self, name, value):
        """A gauge shows what its shard's last turn saw: it may take a moment."""
        until = time.monotonic() + SETTLE_SECONDS_MAX
        while self.metric(name) != value:
            if time.monotonic() > until:
                raise Failure(f"{name} is {self.metric(name)} where {value} was expected")
            time.sleep(0.05)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Rss:"):
                    return int(line.split()[1]) * 1024
        raise Failure("this system does not tell the resident size")

    def make_product(self, sku, stock, **fields):
        with open(os.path.join(self.folder, "admin.key"), encoding="ascii") as file:
            key = file.read().strip()
        product = {"id": sku.lower(), "name": sku, "price_minor": 100, "currency": "EUR", "sku": sku, "stock": stock, **fields}
        headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        status, text = self.call("POST", "/v1/admin/products", json.dumps(product), headers)
        if status // 100 != 2:
            raise Failure("the product was refused: " + text)

    def set_stock(self, sku, available):
        with open(os.path.join(self.folder, "admin.key"), encoding="ascii") as file:
            key = file.read().strip()
        headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        body = json.dumps({"set": available, "reason": "bench"})
        status, text = self.call("POST", f"/v1/admin/inventory/{sku}/adjust", body, headers)
        if status // 100 != 2:
            raise Failure("the stock was not set: " + text)

    def make_session(self):
        status, text = self.call("POST", "/v1/sessions")
        if status // 100 != 2:
            raise Failure("the session was refused: " + text)
        return json.loads(text)["token"]

    def fill_cart(self, session, sku):
        headers = {"Authorization": "Bearer " + session, "Content-Type": "application/json"}
        status, text = self.call("POST", "/v1/cart/items", json.dumps({"sku": sku, "quantity": 1}), headers)
        if status // 100 != 2:
            raise Failure("the cart was refused: " + text)


def main(name, measure_all):
    """Runs `measure_all(only, how, folder)` (`how` says: quick, or one pass of several), which yields measurements to be made: one that fails does not stop
    the others. The folder is gone afterwards, whatever happens. The exit status."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", dest="how", action="store_const", const="quick", default="whole")
    parser.add_argument("--pass", dest="how", action="store_const", const="pass")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="stampede-bench-")
    status = 0
    try:
        for measure in measure_all(arguments.only, arguments.how, folder):
            try:
                measure()
            except (Failure, OSError, ValueError, subprocess.CalledProcessError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                status = 1
    except Failure as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return status
