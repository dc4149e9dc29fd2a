# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, on the same data again and again: nothing acknowledged may be lost, nothing may happen twice."""
import os
import random
import shutil
import threading
import time

import harness
from common import Shop, case, check, copy_store, count, crashes_a_day
from wire import Closed

THREADS = 8
PRODUCTS = 6
STOCK = 100000
LOAD_SECONDS = (0.3, 1.0)
STORM_SECONDS = (0.01, 0.5)


@case("kill9-load", rounds=10, full=200)
def kill_under_load(test, row):
    """One witness over all crashes: its keys and its book survive the server."""
    shop = Shop(test)
    load = shop.load()
    for _ in range(test.rounds):
        time.sleep(test.random.uniform(*STORM_SECONDS))
        crashed = time.monotonic()
        shop.server.kill()
        row.back.append(shop.restart(crashed))
        row.rounds += 1
        load.wait_for_more()
    count(row, load.finish())
    row.notes.append(crashes_a_day(row))
    shop.audit()


@case("kill9-control")
def old_data_is_seen(test, row):
    """A control: after a crash an older copy of the data is put in place. The witness must miss what came since."""
    shop = Shop(test)
    load = shop.load()
    time.sleep(LOAD_SECONDS[0])
    shop.server.kill()
    copy = test.path("copy")
    copy_store(shop.server.data, copy)
    shop.server.restart()
    load.wait_for_more()
    time.sleep(LOAD_SECONDS[0])
    shop.server.kill()
    shutil.rmtree(shop.server.data)
    os.rename(copy, shop.server.data)
    shop.server.restart()
    load.wait_for_more()
    row.rounds, row.acknowledged = 1, len(load.acknowledged())
    try:
        load.finish()
    except AssertionError as failure:
        if "every acknowledged reservation" in str(failure):
            row.notes.append("the witness missed what the older copy had not")
            return
        raise
    raise AssertionError("data went back in time, and the witness did not see it")


@case("kill9-steps", rounds=3, full=20)
def kill_between_steps(test, row):
    """Threads hold (one and several lines), extend, release and convert. Each acknowledged step is written down; a
    request without an answer stays open and is repeated with its key. After each restart every hold must stand as
    acknowledged, and the books must agree with the answers unit by unit."""
    server = test.server()
    admin = server.admin()
    skus = [admin.create_sku(stock=STOCK) for _ in range(PRODUCTS)]
    probe_sku = admin.create_sku(stock=STOCK)
    buyers = [Buyer(server, skus, test.random.random()) for _ in range(THREADS)]
    for _ in range(test.rounds):
        play_round(server, buyers, skus, test.random)
        row.back.append(sell_again(server, probe_sku, buyers))
        for buyer in buyers:
            buyer.settle()
            buyer.repeat_some_keys()
        check_books(server, buyers, skus)
        row.rounds += 1
        row.acknowledged = sum(hold.answer is not None for buyer in buyers for hold in buyer.holds)
    status = server.stop()
    if status != 0:
        raise AssertionError(f"exit {status} after SIGTERM: {server.stderr()[-2000:]}")
    check(server)


class Hold:
    """What one client knows of one of its reservations."""

    def __init__(self, key, lines):
        self.key = key
        self.lines = lines
        self.answer = None  # the 201's body, once there was one
        self.document = None
        self.status = "held"  # the last that was acknowledged
        self.extensions = 0
        self.pending = None  # the step whose answer did not come


class Buyer:
    """One session and all it was told; survives the server's deaths."""

    def __init__(self, server, skus, seed):
        self.server = server
        self.skus = skus
        self.random = random.Random(seed)
        self.client = server.guest()
        self.admin = server.admin()
        self.holds = []
        self.error = None

    def run(self, stop):
        try:
            while not stop.is_set():
                self.step()
        except (Closed, OSError):
            pass  # killed: the step stays open
        except Exception as error:
            self.error = error
        self.client.close()
        self.admin.close()

    def step(self):
        live = [hold for hold in self.holds[-30:] if hold.status == "held" and not hold.pending]
        choice = self.random.random()
        if choice < 0.6 or not live:
            count = 1 if self.random.random() < 0.7 else self.random.randint(2, 4)
            skus = self.random.sample(self.skus, count)
            lines = [(sku, self.random.randint(1, 3)) for sku in skus]
            hold = Hold(harness.new_key(), lines)
            self.holds.append(hold)
            hold.pending = "reserve"
            self.reserve(hold)
        else:
            hold = self.random.choice(live)
            hold.pending = "release" if choice < 0.75 else "extend" if choice < 0.85 else "convert"
            self.finish(hold)

    def reserve(self, hold):
        if len(hold.lines) == 1:
            response = self.client.reserve(*hold.lines[0], key=hold.key, expect=201)
        else:
            response = self.client.reserve_items(*hold.lines, key=hold.key, expect=201)
        if hold.answer is not None and response.body != hold.answer:
            raise AssertionError(f"key {hold.key}: {response.body!r} after {hold.answer!r}")
        hold.answer, hold.document = response.body, response.json()
        hold.pending = None

    def finish(self, hold):
        """Releases, extends or converts; repeating it after a lost answer has no second effect."""
        hold_id, step = hold.document["id"], hold.pending
        if step == "release":
            self.client.release(hold_id, expect=204)
            hold.status = "released"
        elif step == "convert":
            self.admin.convert(hold_id, expect=200)
            hold.status = "converted"
        else:
            response = self.client.extend(hold_id, expect=(200, 409))
            if response.status == 200:
                hold.extensions = response.json()["extensions"]
        hold.pending = None

    def settle(self):
        """After a restart: every acknowledged state stands; every open step is brought to its end."""
        for hold in self.holds:
            if hold.document is not None:
                self.verify(hold)
        for hold in self.holds:
            if hold.pending == "reserve":
                self.reserve(hold)
            elif hold.pending == "extend":
                seen = self.client.reservation(hold.document["id"], expect=200).json()
                hold.extensions, hold.pending = seen["extensions"], None
            elif hold.pending:
                self.finish(hold)

    def verify(self, hold):
        seen = self.client.reservation(hold.document["id"], expect=200).json()
        allowed = {hold.status}
        extensions = {hold.extensions}
        if hold.pending in ("release", "convert"):
            allowed.add("released" if hold.pending == "release" else "converted")
        elif hold.pending == "extend":
            extensions.add(hold.extensions + 1)
        if seen["status"] not in allowed or seen["extensions"] not in extensions:
            raise AssertionError(f"acknowledged {allowed} {extensions}, now {seen}")
        for name in ("items", "fence"):
            if seen[name] != hold.document[name]:
                raise AssertionError(f"{name} was {hold.document[name]}, now {seen}")

    def repeat_some_keys(self):
        done = [hold for hold in self.holds if hold.answer is not None]
        for hold in self.random.sample(done, min(20, len(done))):
            self.reserve(hold)


def check_books(server, buyers, skus):
    """Unit by unit: reserved and sold are what the answers say."""
    reserved, sold = dict.fromkeys(skus, 0), dict.fromkeys(skus, 0)
    for buyer in buyers:
        for hold in buyer.holds:
            for sku, quantity in hold.lines:
                if hold.status == "held":
                    reserved[sku] += quantity
                elif hold.status == "converted":
                    sold[sku] += quantity
    admin = server.admin()
    for sku in skus:
        wanted = (STOCK, STOCK - reserved[sku] - sold[sku], reserved[sku], sold[sku])

        def agree(sku=sku, wanted=wanted):
            books = admin.inventory(sku)
            return (books["stock"], books["available"], books["reserved"], books["sold"]) == wanted

        try:
            # Lines of one basket in several partitions end within moments of each other.
            harness.wait_until(agree, 5, "agree")
        except AssertionError:
            raise AssertionError(f"{sku}: books {admin.inventory(sku)}, answers {wanted}") from None


def play_round(server, buyers, skus, rng):
    """Load, kill, audit."""
    stop = threading.Event()
    threads = [threading.Thread(target=buyer.run, args=(stop,)) for buyer in buyers]
    for thread in threads:
        thread.start()
    time.sleep(rng.uniform(*LOAD_SECONDS))
    server.kill()
    stop.set()
    for thread in threads:
        thread.join(60)
    for buyer in buyers:
        if buyer.error is not None:
            raise buyer.error
    check(server)


def sell_again(server, probe_sku, buyers):
    """Gives the seconds from the start to the first 201."""
    started = time.monotonic()
    server.restart()
    buyers[0].client.reserve(probe_sku, expect=201)
    return time.monotonic() - started
