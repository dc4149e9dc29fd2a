# SPDX-License-Identifier: Apache-2.0
"""The ledger: entries, kill -9 in the middle of a run, damage."""

import json
import random
import resource
import signal
import subprocess
import threading
import time

from harness import Gateway, HOOK_SECRET, Settings, Unanswered, check_books, check_lines


def begin_again(gateway, *more):
    """What a start says that is refused: (status, its line)."""
    command = [Settings.server, "gateway", "--listen", "127.0.0.1:0", "--ledger", str(gateway.ledger), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, done.stderr


def test_every_entry_is_balanced_and_the_totals_follow():
    with Gateway() as gateway:
        held = gateway.create(capture_method="manual", confirm="true", payment_method="pm_card_visa")
        other = gateway.create(capture_method="manual", confirm="true", payment_method="pm_card_visa", amount=500)
        taken = gateway.create(capture_method="manual", confirm="true", payment_method="pm_card_visa", currency="JPY")
        gateway.ok(f"/v1/payment_intents/{taken['id']}/capture", {"amount_to_capture": 400})
        gateway.ok("/v1/refunds", {"payment_intent": taken["id"], "amount": 150})
        gateway.ok(f"/v1/payment_intents/{other['id']}/cancel")
        books = gateway.books()
        totals = {total.pop("currency"): total for total in books["totals"]}
        assert totals["eur"] == {"customer": -1000, "authorised": 1000, "merchant": 0, "refunded": 0}, totals
        assert totals["jpy"] == {"customer": -400, "authorised": 0, "merchant": 250, "refunded": 150}, totals
        rows = {row["id"]: row for row in books["payments"]}
        assert rows[held["id"]]["authorised"] == 1000 and rows[other["id"]]["status"] == "canceled"
        names = [line["entry"] for line in gateway.lines()]
        assert names == ["authorise", "authorise", "authorise", "capture", "refund", "void"], names
        check_lines(gateway.lines())


def test_the_ledger_is_found_by_order_and_in_pages():
    with Gateway() as gateway:
        made = [gateway.create(**{"metadata[order_id]": f"ord_{i % 2}"})["id"] for i in range(5)]
        found = gateway.get("/_ledger", order_id="ord_1").json["payments"]
        assert [row["id"] for row in found] == made[1::2]
        page = gateway.get("/_ledger", limit=2).json
        assert [row["id"] for row in page["payments"]] == made[:2] and page["next_from"] == 2
        rest = gateway.get("/_ledger", **{"from": 2}).json
        assert [row["id"] for row in rest["payments"]] == made[2:] and "next_from" not in rest


def test_all_is_there_after_a_restart():
    with Gateway("--seed", "3") as gateway:
        made = gateway.create("key", capture_method="manual", **{"metadata[order_id]": "ord_ä"})
        path = f"/v1/payment_intents/{made['id']}"
        declined = gateway.post(path + "/confirm", {"payment_method": "pm_card_chargeDeclined"}, "declined")
        held = gateway.ok(path + "/confirm", {"payment_method": "pm_card_visa"}, "held")
        gateway.ok(path + "/capture", {"amount_to_capture": 900}, "taken")
        refund = gateway.ok("/v1/refunds", {"payment_intent": made["id"], "amount": 100}, "back")
        places = (path, "/v1/refunds", "/v1/charges", "/v1/events", "/_ledger")
        seen = [gateway.get(place).text for place in places]
        gateway.kill()
        gateway.start()
        assert seen == [gateway.get(place).text for place in places]
        again = gateway.post(path + "/confirm", {"payment_method": "pm_card_visa"}, "held")
        assert again.json == held and again.headers["idempotent-replayed"] == "true"
        again = gateway.post(path + "/confirm", {"payment_method": "pm_card_chargeDeclined"}, "declined")
        assert again.status == 402 and again.text == declined.text
        assert gateway.ok("/v1/refunds", {"payment_intent": made["id"], "amount": 100}, "back") == refund
        assert gateway.post("/v1/refunds", {"payment_intent": made["id"], "amount": 101}, "back").status == 400
        assert gateway.create()["id"] not in "".join(seen)


class Buyer:
    """One order after the other, each step repeated under its key until it is answered."""

    def __init__(self, gateway, name, orders):
        self.gateway, self.name, self.orders = gateway, name, orders
        self.seen = {}
        self.failure = None
        self.repeats = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def insist(self, path, fields, key):
        while True:
            try:
                answer = self.gateway.post(path, fields, key)
            except (Unanswered, TimeoutError, OSError):
                self.repeats += 1
                time.sleep(0.01)
                continue
            if answer.status == 409:
                time.sleep(0.01)
                continue
            assert answer.status == 200, answer.text
            return answer.json

    def run(self):
        try:
            for i in range(self.orders):
                order = f"{self.name}-{i}"
                wanted = {"amount": 1000 + i, "currency": "eur", "capture_method": "manual",
                          "metadata[order_id]": order}
                made = self.insist("/v1/payment_intents", wanted, order + "-create")
                path = f"/v1/payment_intents/{made['id']}"
                self.insist(path + "/confirm", {"payment_method": "pm_card_visa"}, order + "-confirm")
                self.insist(path + "/capture", {}, order + "-capture")
                wanted = {"payment_intent": made["id"], "amount": 10}
                refunds = [self.insist("/v1/refunds", wanted, order + "-refund")["id"] for _ in range(2)]
                assert refunds[0] == refunds[1], refunds
                self.seen[order] = made["id"]
        except Exception as reason:  # pylint: disable=broad-except
            self.failure = reason


def test_kill_9_in_the_middle_charges_nobody_twice():
    chance = random.Random(11)
    kills = 0
    with Gateway() as gateway:
        buyers = [Buyer(gateway, f"buyer{i}", 60) for i in range(6)]
        while any(buyer.thread.is_alive() for buyer in buyers):
            time.sleep(chance.uniform(0.02, 0.25))
            gateway.kill()
            kills += 1
            gateway.start()
            check_books(gateway.get("/_ledger").json)
        for buyer in buyers:
            buyer.thread.join()
            assert buyer.failure is None, buyer.failure
        books = gateway.books()
        orders = [payment["order_id"] for payment in books["payments"]]
        seen = {order: made for buyer in buyers for order, made in buyer.seen.items()}
        assert len(orders) == len(set(orders)) == 360 == len(seen), (len(orders), len(seen))
        for payment in books["payments"]:
            assert seen[payment["order_id"]] == payment["id"]
            assert (payment["captured"], payment["refunded"]) == (payment["amount"], 10), payment
        check_lines(gateway.lines())
        # The run was disturbed, or it has shown nothing.
        assert kills >= 3 and sum(buyer.repeats for buyer in buyers) > 0, kills


def test_an_answer_stands_in_the_ledger_before_it_leaves():
    with Gateway() as gateway:
        for i in range(20):
            made = gateway.create()
            gateway.kill()
            assert [line["payment"] for line in gateway.lines()].count(made["id"]) == 1, i
            gateway.start()


def test_a_torn_last_line_is_cut_off():
    with Gateway() as gateway:
        made = gateway.create("first")
        gateway.kill()
        whole = gateway.ledger.read_bytes()
        for length in (1, 40, len(whole) - 1):
            gateway.ledger.write_bytes(whole + whole[:length])
            gateway.start()
            assert gateway.create("first") == made
            gateway.kill()
            assert gateway.ledger.read_bytes() == whole
        gateway.start()


def test_damage_is_refused():
    with Gateway() as gateway:
        gateway.paid()
        gateway.paid(**{"metadata[order_id]": "ord_2"})
        gateway.stop()
        first, second = gateway.ledger.read_text().splitlines()

        def entry(line, **changes):
            return json.dumps({**json.loads(line), **changes})

        posting = {"account": "merchant", "minor": 1000}
        state = json.loads(second)["state"]
        for text, reason in (
                (first + "\n{}\n", "number or name"),
                (first + "\nnonsense\n", "no JSON object"),
                (second + "\n", "its number is not the next one"),
                (first + "\n" + first + "\n", "its number is not the next one"),
                (first + "\n" + entry(second, postings=[posting]) + "\n", "sum up to zero"),
                (first + "\n" + entry(second, postings=[]) + "\n", "not what happened"),
                (first + "\n" + entry(second, state={**state, "amount_received": 999}) + "\n", "not what happened"),
                (first + "\n" + entry(second, state={**state, "status": "paid"}) + "\n", "payment cannot be read"),
                (first + "\n" + entry(second, refund="re_x") + "\n", "its refund"),
                (first + "\n" + entry(second, answer={"status": 1}) + "\n", "its answer"),
                (first + "\n" + entry(second, events=[{"id": "evt_1", "type": "a.b"}]) + "\n", "its events"),
                (first + "\n" + "x" * 300000 + "\n", "longer than any"),
        ):
            gateway.ledger.write_text(text)
            status, line = begin_again(gateway)
            assert status == 4 and reason in line and line.count("\n") == 1, (reason, status, line)
            assert gateway.ledger.read_text() == text
        gateway.ledger.write_text(first + "\n" + second + "\n")
        gateway.start()
        assert gateway.books()["payment_count"] == 2


def test_one_process_has_the_ledger():
    with Gateway() as gateway:
        status, line = begin_again(gateway)
        assert status == 2 and "another gateway" in line, (status, line)


def test_what_cannot_be_written_is_not_answered():
    """As on a full disk: the file may not grow. The caller hears nothing, and the process says why it ends."""

    def forbid():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    with Gateway(before=forbid) as gateway:
        made = []
        try:
            while len(made) < 1000:
                made.append(gateway.create()["id"])
        except Unanswered:
            pass
        _, errors = gateway.process.communicate(timeout=10)
        status = gateway.process.returncode
        assert status == 3 and "could not be written" in errors, (status, errors)
        gateway.before = None
        gateway.start()
        assert 0 < len(made) <= gateway.books()["payment_count"] <= len(made) + 1
        for payment in made:
            assert gateway.get(f"/v1/payment_intents/{payment}").status == 200


def test_a_ledger_is_a_file():
    with Gateway() as gateway:
        for path in ("/dev/full", "/tmp"):
            status, line = begin_again(gateway, "--ledger", path)
            assert status == 2 and path in line and line.count("\n") == 1, (status, line)


def test_options_that_cannot_be():
    with Gateway() as gateway:
        for options, words in (
                (("--webhook-url", "http://127.0.0.1:1/"), "belong together"),
                (("--webhook-secret", HOOK_SECRET), "belong together"),
                (("--webhook-url", "ftp://x/", "--webhook-secret", HOOK_SECRET), "give a URL"),
                (("--misbehave", "nonsense=1"), "no misbehaviour"),
                (("--misbehave", "decline=1001"), "0 to 1000"),
                (("--misbehave", "delay_ms=9..3"), "LEAST..MOST"),
                (("--ledger", "/nowhere/at/all"), "cannot open"),
                (("--listen", "nonsense"), "HOST:PORT"),
        ):
            status, line = begin_again(gateway, *options)
            assert status == 2 and words in line, (options, status, line)
