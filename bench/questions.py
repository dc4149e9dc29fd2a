#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a server what shoppers ask: the generator of bench/search, in a process of its own.

    bench/questions.py PORT KIND [--connections N] [--rate N] [--lead SECONDS] [--seconds SECONDS]

KIND: `search` asks GET /v1/products?q= for the queries of tests/search/relevance.tsv, all facets counted, each time
with another `max_price` that leaves nothing out, so that each answer has to be found; `cached` the same without it;
`suggest` asks GET /v1/suggest?q= for every beginning of these queries, in random order.

Closed loop: each connection asks again when it has its answer. With --rate open loop, by schedule: latency runs from
the moment at which a question was due, so a server that stalls shows it. What was asked in the first --lead seconds is
not counted. Prints one JSON object: answers a second, counts by status, p50, p99 and the longest in milliseconds,
bytes of the mean answer, `busy`: the share of a core that this process took.
"""

import argparse
import csv
import json
import os
import random
import selectors
import socket
import sys
import time
import urllib.parse
from collections import Counter, deque

QUERIES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "search", "relevance.tsv")
PRICE_ABOVE_ALL = 10**11
SILENCE_SECONDS_MAX = 30


def read_queries():
    with open(QUERIES, encoding="utf-8", newline="") as lines:
        return [row["query"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def shuffled(texts):
    texts = list(texts)
    random.Random(1).shuffle(texts)
    return texts


def targets(kind):
    """The targets of all requests, one after the other, without end."""
    queries = shuffled(read_queries())
    if kind == "suggest":
        queries = shuffled({query[:length] for query in queries for length in range(1, len(query) + 1)})
    path = "/v1/suggest" if kind == "suggest" else "/v1/products"
    paths = [f"{path}?q={urllib.parse.quote(query)}" for query in queries]
    turn = int(time.time() * 1000) % 10**9 * 10  # not those of a run before this one
    while True:
        turn += 1
        for target in paths:
            yield f"{target}&max_price={PRICE_ABOVE_ALL + turn}" if kind == "search" else target


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = 0.0
        self.parts = []
        self.missing = None  # bytes of the answer; None: its head has not come

    def ask(self, target, since):
        self.since, self.parts, self.missing = since, [], None
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def receive(self):
        """The whole answer, or None if more has to come."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed a connection")
        self.parts.append(data)
        if self.missing is None:
            whole = b"".join(self.parts)
            head, end, body = whole.partition(b"\r\n\r\n")
            if not end:
                return None
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            self.missing = length - len(body)
        else:
            self.missing -= len(data)
        return b"".join(self.parts) if self.missing == 0 else None


class Asker:
    def __init__(self, port, kind, connections):
        self.targets = targets(kind)
        self.selector = selectors.EpollSelector()
        self.idle = deque(Connection(port) for _ in range(connections))
        self.asked = 0
        for connection in self.idle:
            self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        self.counts = Counter()
        self.bytes = 0
        self.waits = []

    def ask(self, since):
        connection = self.idle.popleft()
        connection.ask(next(self.targets), since)
        self.asked += 1

    def receive(self, timeout, counted_from):
        for key, _ in self.selector.select(max(timeout, 0)):
            connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            now = time.monotonic()
            self.idle.append(connection)
            self.asked -= 1
            if connection.since >= counted_from:
                self.counts[answer[9:12].decode()] += 1
                self.bytes += len(answer)
                self.waits.append(now - connection.since)

    def run_closed(self, begin, end):
        while (now := time.monotonic()) < end:
            while self.idle:
                self.ask(time.monotonic())
            self.receive(end - now, begin)

    def run_paced(self, started, begin, end, rate):
        """Who is due and finds no connection free waits for one, also after the end, and that counts."""
        number, count = 0, int((end - started) * rate)
        while number < count and (now := time.monotonic()) < end + SILENCE_SECONDS_MAX:
            due = started + number / rate
            if due <= now and self.idle:
                self.ask(due)
                number += 1
            else:
                self.receive(due - now if self.idle else SILENCE_SECONDS_MAX, begin)
        self.counts["not_sent"] += count - number

    def run(self, lead, seconds, rate):
        started = time.monotonic()
        busy = time.process_time()
        begin, end = started + lead, started + lead + seconds
        if rate is None:
            self.run_closed(begin, end)
        else:
            self.run_paced(started, begin, end, rate)
        busy = (time.process_time() - busy) / (time.monotonic() - started)
        took = time.monotonic() - begin
        counted = len(self.waits)
        until = time.monotonic() + SILENCE_SECONDS_MAX
        while self.asked > 0 and time.monotonic() < until:
            self.receive(1, begin)
        waits = sorted(self.waits)
        return {
            "per_s": round(counted / took, 1),
            "counts": +self.counts,
            "unanswered": self.asked,
            "p50_ms": round(waits[len(waits) // 2] * 1000, 3),
            "p99_ms": round(waits[len(waits) * 99 // 100] * 1000, 3),
            "max_ms": round(waits[-1] * 1000, 3),
            "samples": len(waits),
            "answer_bytes": round(self.bytes / len(waits)),
            "busy": round(busy, 3),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("kind", choices=("search", "cached", "suggest"))
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--lead", type=float, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    try:
        result = Asker(asked.port, asked.kind, asked.connections).run(asked.lead, asked.seconds, asked.rate)
    except (OSError, IndexError, ValueError) as error:
        print("bench/questions.py:", error or repr(error), file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
