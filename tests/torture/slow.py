# SPDX-License-Identifier: Apache-2.0
"""Slow clients by the hundred (slowhttptest), and good ones beside them.

Each mode has a server of its own with its documented time-outs. What must hold: every request of the good clients is
answered as it should, 99 % of them within P99_SECONDS; the server's memory grows by no more than its bound; and the
slow ones are cut off in the time that the bounds give them.
"""
import shutil
import subprocess
import threading
import time

from harness import Server, new_key
from scenes import Skip, ends, figure, need_files, rss_mib
from wire import Closed, Wire

SCENES = {}
GOOD_CLIENTS = 3
# On an idle machine it is some milliseconds; the suite's other scenes run beside it, on two cores.
P99_SECONDS = 0.25
SLACK_SECONDS = 3
# Connections of slowhttptest's own, to see whether the server still answers: one a second.
PROBES = 2
# Buffers of two shards, what the allocator puts around them, and what a process grows by when it first serves.
MEMORY_MIB = 2 * 64 + 32


class Mode:
    def __init__(self, name, path, flags, cut_seconds, connection_kib, fits=None):
        self.name = name
        self.path = path
        self.flags = flags
        self.cut_seconds = cut_seconds  # from a connection's begin
        self.connection_kib = connection_kib
        self.fits = fits  # as many at least are there at once; None: half of those that come in that time

    def command(self, url, count, rate, seconds):
        numbers = ["-c", count, "-r", rate, "-l", seconds, "-u", url + self.path]
        return ["slowhttptest", *self.flags, *map(str, numbers)]


MODES = (
    # A header line a second: the head must be whole after 5 s.
    Mode("slow headers", "/healthz", "-H -i 1 -x 24".split(), 5, 24),
    # Some 24 bytes a second: after 2 s a body must have come at 1 KiB a second.
    Mode("slow body", "/v1/sessions", "-B -i 1 -x 24 -s 8192 -f application/json".split(), 2, 24),
    # Ten answers of hundreds of KB each, read through a window of some bytes: no progress for 10 s, found out in 12.5;
    # the kernel may take a little more once before.
    # Of half a MiB each so many fit into the answers' bound of memory; the others are turned away.
    Mode("slow read", "/openapi.json", "-X -w 1 -y 16 -n 1 -z 8 -k 10".split(), 22.5, 512, 80),
)


class GoodClient(threading.Thread):
    """A shopper who looks and buys until told to stop; each answer must be the right one."""

    def __init__(self, server, sku):
        super().__init__(daemon=True)
        self.guest = server.guest()
        self.sku = sku
        self.times = []
        self.fault = None
        self.done = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.done.is_set():
                for call in (lambda: self.guest.available(self.sku), self.buy):
                    started = time.monotonic()
                    call()
                    self.times.append(time.monotonic() - started)
                time.sleep(0.01)
        except (AssertionError, Closed, OSError) as error:
            self.fault = repr(error)

    def buy(self):
        self.guest.reserve(self.sku, key=new_key(), expect=201)


class Watch(threading.Thread):
    """Looks at the server every 100 ms: the most connections and memory, when the last came and when all were gone."""

    def __init__(self, server, first):
        super().__init__(daemon=True)
        self.server = server
        self.first = first
        self.most_rss = first
        self.most_open = 0
        self.looked = time.monotonic()
        self.connections = 0  # its own
        self.accepted = 0  # of others
        self.came = self.gone = time.monotonic()  # the last slow one; since when none was there, None: some are
        self.done = threading.Event()
        self.start()

    def run(self):
        while not self.done.is_set():
            try:
                with Wire(self.server.address) as wire:
                    self.connections += 1
                    while not self.done.is_set():
                        self.look(wire)
                        time.sleep(0.1)
            except Closed:  # a page of figures is large, and others have taken the memory for answers
                time.sleep(0.1)

    def look(self, wire):
        text = wire.request("GET", "/metrics").body.decode()
        self.most_rss = max(self.most_rss, rss_mib(self.server))
        count = figure(text, "stampede_http_connections_open") - GOOD_CLIENTS - 1
        self.most_open = max(self.most_open, count)
        accepted = figure(text, "stampede_http_connections_accepted_total") - self.connections
        if accepted > self.accepted + PROBES:
            self.came = self.looked  # or later
        self.accepted = accepted
        self.looked = time.monotonic()
        if count > 0:
            self.gone = None
        elif self.gone is None:
            self.gone = time.monotonic()


def attack(mode, full):
    if shutil.which("slowhttptest") is None:
        raise Skip("slowhttptest is not installed")
    count, rate = (6000, 100) if full else (600, 600)
    need_files(count)
    server = Server()
    sku = server.admin().create_sku(stock=1_000_000)
    good = [GoodClient(server, sku) for _ in range(GOOD_CLIENTS)]
    time.sleep(0.5)
    before = sum(len(client.times) for client in good)
    watch = Watch(server, rss_mib(server))
    url = f"http://{server.address[0]}:{server.address[1]}"
    bound = mode.cut_seconds + SLACK_SECONDS
    # Long enough that it is not the slow ones who leave; slowhttptest ends with the last of them.
    command = mode.command(url, count, rate, int(count / rate * 1.5 + bound + 2))
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, **quiet, check=False)
    time.sleep(0.3)
    for thread in (*good, watch):
        thread.done.set()
        thread.join(20)
    faults = [client.fault for client in good if client.fault]
    assert not faults, f"a good client failed: {faults[0]}"
    times = sorted(seconds for client in good for seconds in client.times)
    assert len(times) > before + 100, f"only {len(times)} good requests"
    p99 = times[len(times) * 99 // 100]
    grown = watch.most_rss - watch.first
    memory = min(MEMORY_MIB, 16 + count * mode.connection_kib / 1024)
    note = f"{int(watch.most_open)} slow connections at most"
    note += f"; {len(times)} good requests, p99 {p99 * 1000:.1f} ms, slowest {times[-1] * 1000:.1f} ms"
    note += f"; memory grew by {grown:.1f} MiB"
    expected = mode.fits or min(count, rate * mode.cut_seconds) / 2
    assert watch.most_open > expected, f"the slow ones hardly came: {note}"
    assert p99 < P99_SECONDS, f"good clients wait: {note}"
    assert grown < memory, f"more than {memory:.0f} MiB: {note}"
    assert watch.gone is not None, f"some are never cut off: {note}"
    note += f"; all cut off {watch.gone - watch.came:.1f} s after the last came"
    assert watch.gone - watch.came < bound, note
    ends(server)
    return note


for each in MODES:
    SCENES[each.name] = lambda full, mode=each: attack(mode, full)
