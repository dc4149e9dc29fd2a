# SPDX-License-Identifier: Apache-2.0
"""What takes more than one connection, or time: each scene is a function that raises AssertionError where the server is
wrong, Skip where this machine cannot tell, and otherwise returns a note for the reader (or None).
"""
import resource
import socket
import struct
import time

from harness import Server, in_threads, wait_until
from torture import GET, Transcript, says_close
from wire import Closed, Wire, render

SCENES = {}


class Skip(Exception):
    """Why this machine cannot tell."""


def scene(function):
    SCENES[function.__name__.replace("_", " ")] = function
    return function


def raise_file_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def need_files(count):
    """Both ends of a connection are on this machine, each with its own process's limit."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < count + 200:
        raise Skip(f"needs {count + 200} open files, the limit is {limit}")


def kernel_mib(server):
    """What the kernel holds of its answers that were not taken yet."""
    end, total = f":{server.address[1]:04X}", 0
    with open("/proc/net/tcp", encoding="ascii") as handle:
        for line in handle:
            _, local, _, _, queues, *_ = line.split()
            if local.endswith(end):
                total += int(queues.split(":")[0], 16)
    return total / 2**20


def rss_mib(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as handle:
        return int(handle.read().split()[1]) * resource.getpagesize() / 2**20


def metric(server, name):
    with Wire(server.address) as wire:
        return figure(wire.request("GET", "/metrics").body.decode(), name)


def has_slow_ones(server):
    """More connections than this one and a good client's. Its page is large: while others have taken the memory for
    answers it is not to be had."""
    try:
        return metric(server, "stampede_http_connections_open") > 2
    except Closed:
        return True


def figure(text, name):
    for line in text.splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    raise AssertionError(f"/metrics has no {name}")


def serves(server):
    with Wire(server.address) as wire:
        answer = wire.request("GET", "/readyz")
        assert answer.status == 200, answer


def ends(server):
    """It stops in good order, and its store is sound."""
    assert server.stop() == 0, server.stderr()[-2000:]
    check = server.check()
    assert check.returncode == 0, check.stdout


def reset(wire):
    """Closes with a RST instead of a FIN."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def reservation(client, sku, key):
    body = b'{"sku":"%s","quantity":1}' % sku.encode()
    headers = [
        ("Authorization", f"Bearer {client.token}"),
        ("Idempotency-Key", key),
        ("Content-Type", "application/json"),
    ]
    return render("POST", "/v1/reservations", headers, body)


@scene
def connections_above_the_limit_are_told_503(full):
    server = Server("--connections-max", "8", "--shards", "1")
    for extra in (0, 1, 5):
        wait_until(lambda: is_alone(server), 5, "those that left are forgotten")
        wires = [server.wire() for _ in range(8)]
        for wire in wires:
            assert wire.request("GET", "/healthz").status == 200
        for _ in range(extra):
            with Transcript(server.address, 5) as wire:
                answer = wire.read_response()
                assert (answer.status, answer.code) == (503, "overloaded"), answer
                assert says_close(answer) and answer.header("retry-after"), answer.headers
                assert wire.is_closed_within(2)
        for wire in wires:
            assert wire.request("GET", "/healthz").status == 200, "those inside are served on"
            wire.close()
    wait_until(lambda: is_alone(server), 5, "places that became free are taken")
    ends(server)


def is_alone(server):
    """Nobody but this call is there, and it has let go."""
    with Wire(server.address) as wire:
        text = wire.request("GET", "/metrics").body.decode()
        wire.send(render("GET", "/healthz", [("Connection", "close")]))
        wire.read_response()
        wire.is_closed_within(1)
    return "\nstampede_http_connections_open 1\n" in text


def is_open(server):
    with Wire(server.address) as wire:
        return wire.request("GET", "/readyz").status == 200


@scene
def connections_of_one_address_above_its_limit_are_told_503(full):
    server = Server("--shards", "1", per_address=4)
    wires = [server.wire() for _ in range(4)]
    for wire in wires:
        assert wire.request("GET", "/healthz").status == 200
    with Transcript(server.address, 5) as wire:
        answer = wire.read_response()
        assert (answer.status, answer.code) == (503, "overloaded"), answer
    wires.pop().close()
    wait_until(lambda: is_open(server), 5, "a place that became free is taken")
    for wire in wires:
        wire.close()
    ends(server)


@scene
def thousands_of_requests_on_one_connection(full):
    server = Server()
    rounds = 2000 if full else 200
    with server.wire() as wire:
        for _ in range(rounds):
            wire.send(render("GET", "/healthz") * 25)
            for _ in range(25):
                assert wire.read_response().status == 200
    ends(server)
    return f"{rounds * 25} requests"


@scene
def thousands_of_idle_connections_leave_the_door_open(full):
    count = 9000 if full else 3000
    need_files(count)
    server = Server("--idle-timeout-ms", "4000")
    before = rss_mib(server)
    idle = [Wire(server.address) for _ in range(count)]
    for wire in idle[::3]:
        wire.send(render("GET", "/healthz"))
    for wire in idle[::3]:
        assert wire.read_response().status == 200
    grown = rss_mib(server) - before
    assert grown * 1024 / count < 24, f"{grown:.0f} MiB for {count} idle connections"
    slowest = 0.0
    for _ in range(50):
        started = time.monotonic()
        serves(server)
        slowest = max(slowest, time.monotonic() - started)
    assert slowest < 0.5, f"a good client waits {slowest:.2f} s"
    wait_until(lambda: metric(server, "stampede_http_connections_open") <= 2, 10, "the idle are closed")
    for wire in idle:
        assert wire.is_closed_within(1)
        wire.close()
    ends(server)
    return f"{count} took {grown:.1f} MiB, the slowest of 50 good requests {slowest * 1000:.1f} ms"


@scene
def resets_at_any_time_have_their_effect_once_or_not_at_all(full):
    """Cut by RST after each of its bytes, then asked again by its key: each is held once."""
    server = Server()
    guest = server.guest()
    sku = server.admin().create_sku(stock=2000)
    whole = reservation(guest, sku, "reset-000")
    for cut in range(0, len(whole) + 1, 1 if full else 4):
        wire = server.wire()
        wire.send(reservation(guest, sku, f"reset-{cut:03}")[:cut])
        reset(wire)
    cuts = len(range(0, len(whole) + 1, 1 if full else 4))
    for cut in range(0, len(whole) + 1, 1 if full else 4):
        guest.reserve(sku, key=f"reset-{cut:03}", expect=201)
    assert server.admin().inventory(sku)["reserved"] == cuts
    serves(server)
    ends(server)


@scene
def resets_within_pipelines_and_answers(full):
    server = Server()
    guest, admin = server.guest(), server.admin()
    sku = admin.create_sku(stock=5000)
    for turn in range(30):
        wire = server.wire()
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(b"".join(reservation(guest, sku, f"pipe-{turn}-{index}") for index in range(20)))
        wire.send(render("GET", "/openapi.json") * (turn % 5))
        if turn % 3 == 0:
            wire.socket.recv(1 + turn * 37)
        reset(wire)
    for turn in range(30):
        for index in range(20):
            guest.reserve(sku, key=f"pipe-{turn}-{index}", expect=201)
    assert admin.inventory(sku)["reserved"] == 600
    assert metric(server, "stampede_http_exchanges_open") <= 1
    ends(server)


@scene
def who_never_reads_is_cut_off_and_costs_no_memory(full):
    """Each asks for far more than the buffers hold and reads nothing: cut off after 10 to 12.5 s."""
    server = Server()
    serves(server)
    before, kernel, count = rss_mib(server), 0, 200
    greedy = []
    burst = render("GET", "/openapi.json") * 50
    for _ in range(count):
        wire = Wire(server.address, 0.02)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            for _ in range(4):
                wire.socket.sendall(burst)
        except (TimeoutError, OSError):
            pass
        greedy.append(wire)
    started, slowest = time.monotonic(), 0.0
    while has_slow_ones(server):
        began = time.monotonic()
        serves(server)
        slowest = max(slowest, time.monotonic() - began)
        kernel = max(kernel, kernel_mib(server))
        assert time.monotonic() - started < 15, "not cut off 12.5 s after they stopped reading"
        time.sleep(0.1)
    grown = rss_mib(server) - before
    # At most one answer over the bound of 64 KiB waits for each, and a shard's buffers are 64 MiB.
    assert grown < 128 + 16, f"{grown:.0f} MiB for {count} that do not read"
    # Without a bound the kernel takes 4 MiB of each.
    assert kernel < count * 1.5, f"{kernel:.0f} MiB in the kernel for {count} that do not read"
    assert slowest < 0.5, f"a good client waits {slowest:.2f} s"
    for wire in greedy:
        wire.close()
    ends(server)
    took = f"{grown:.0f} MiB and {kernel:.0f} in the kernel, good clients wait {slowest * 1000:.0f} ms at most"
    return f"all cut off after {time.monotonic() - started:.1f} s, {took}"


@scene
def streams_that_nobody_reads_cost_little_and_are_cut_off(full):
    """Each is of a hundred SKUs that change all the time, and reads nothing; one that reads is told all the same."""
    if not full:
        raise Skip("with --full")
    server = Server("--shards", "1")
    admin, guest, count = server.admin(), server.guest(), 300
    skus = admin.create_product(1000000, skus=100)
    target = "/v1/skus/availability?" + "&".join(f"sku={sku}" for sku in skus)
    request = render("GET", target, [("Accept", "text/event-stream")], None, server.address)
    before, kernel, slowest, left = rss_mib(server), 0, 0.0, 1000000
    reader = Wire(server.address)
    reader.send(request)
    deaf = [Wire(server.address) for _ in range(count)]
    for wire in deaf:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        wire.send(request)
    wait_until(lambda: metric(server, "stampede_stock_streams_open") == count + 1, 10, "all are open")
    started = time.monotonic()
    while metric(server, "stampede_stock_streams_open") > 1:
        assert time.monotonic() - started < 60, "not cut off"
        left -= 1
        for sku in skus[left % 4 :: 4]:
            admin.adjust(sku, set=left)
        began = time.monotonic()
        guest.available(skus[0])
        slowest = max(slowest, time.monotonic() - began)
        kernel = max(kernel, kernel_mib(server))
        reader.socket.settimeout(0.01)
        try:
            while True:
                reader.buffer = (reader.buffer + reader.socket.recv(1 << 20))[-100000:]
        except TimeoutError:
            pass
    grown = rss_mib(server) - before
    # A batch of a hundred SKUs takes a buffer of 16 KiB; and the kernel 32 KiB, of which some is its own.
    assert grown < count * 0.06 + 16, f"{grown:.0f} MiB for {count} that do not read"
    assert kernel < count * 0.05, f"{kernel:.0f} MiB in the kernel for {count} that do not read"
    assert slowest < 0.5, f"a good client waits {slowest:.2f} s"
    newest = b'"available":%d,' % left
    reader.socket.settimeout(5)
    while newest not in reader.buffer:
        reader._more()
    for wire in [reader, *deaf]:
        wire.close()
    ends(server)
    return f"cut off after {time.monotonic() - started:.1f} s, {grown:.0f} MiB, {kernel:.0f} in the kernel"


@scene
def answers_are_whole_however_slowly_they_are_read(full):
    server = Server()
    with Wire(server.address) as wire:
        whole = wire.request("GET", "/openapi.json").body
    with Wire(server.address) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        wire.send(render("GET", "/openapi.json") * 5)
        received = b""
        while received.count(whole) < 5:
            received += wire.socket.recv(3001)
            time.sleep(0.0002)
    ends(server)


@scene
def silence_is_cut_off_in_time(full):
    """Each way of being too slow, and the time after which the documented bounds end it (a sweep is 250 ms)."""
    server = Server()
    post = b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    body = post + b"Content-Length: 20000\r\n\r\n"
    cases = {
        # what is sent first, what again and again, how often, seconds at least and at most
        "nothing at all": (b"", b"", 0, 14.5, 17),
        "half a head": (GET, b"", 0, 4.5, 7),
        "a head that drips": (GET + b"X: ", b"a", 0.5, 4.5, 7),
        "a body that stops": (body + b"{", b"", 0, 1.5, 12.5),
        "a body that drips": (body, b" ", 0.5, 1.5, 6),
        "a chunk that drips": (post + b"Transfer-Encoding: chunked\r\n\r\n4000\r\n", b" ", 0.5, 1.5, 6),
    }
    names = list(cases)

    def wait(index):
        first, again, pause, least, most = cases[names[index]]
        with Wire(server.address) as wire:
            started = time.monotonic()
            wire.send(first)
            try:
                while time.monotonic() - started < most + 3:
                    if wire.is_closed_within(pause or most + 3):
                        break
                    wire.send(again)
            except Closed:
                pass
            seconds = time.monotonic() - started
        assert least < seconds < most, f"{names[index]}: cut off after {seconds:.1f} s, not {least} to {most}"
        return f"{names[index]} {seconds:.1f} s"

    notes = in_threads(len(names), wait)
    ends(server)
    return ", ".join(notes)


@scene
def requests_in_flight_when_the_server_stops_are_answered_or_not_begun(full):
    server = Server()
    guest = server.guest()
    sku = server.admin().create_sku(stock=1000)
    wires = [server.wire() for _ in range(20)]
    for index, wire in enumerate(wires):
        wire.send(b"".join(reservation(guest, sku, f"stop-{index}-{n}") for n in range(10)))
    server.stop()
    told = 0
    for wire in wires:
        try:
            while True:
                told += wire.read_response().status == 201
        except (Closed, TimeoutError, OSError):
            wire.close()
    server.restart()
    held = server.admin().inventory(sku)["reserved"]
    assert told <= held <= 200, f"{told} were told 201, {held} are held"
    assert held == told, f"{held} are held, {told} were told"
    ends(server)
    return f"{told} of 200"


# They wait for time-outs.
LONG = (silence_is_cut_off_in_time, who_never_reads_is_cut_off_and_costs_no_memory)
