# SPDX-License-Identifier: Apache-2.0
"""The gateway port's Stripe against `stampede gateway`: payments from order to refund, declines, faults, events."""
import json
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from harness import HttpServer, Settings, Skip, scratch, wait_for

KEY = "sk_test_shop"
SECRETS = ("whsec_the_old_one", "whsec_the_new_one")


class Gateway:
    """`stampede gateway` with a ledger of its own."""

    def __init__(self, *arguments):
        known = subprocess.run([Settings.server, "gateway", "--help"], capture_output=True, timeout=30, check=False)
        if known.returncode != 0:
            raise Skip("this program has no command gateway")
        self.process = subprocess.Popen(
            [Settings.server, "gateway", "--listen", "127.0.0.1:0", "--ledger", "ledger.jsonl", "--secret", KEY,
             "--seed", "1", *arguments], stdout=subprocess.PIPE, text=True, cwd=scratch("gateway"))
        word, self.url = self.process.stdout.readline().split()
        assert word == "ready"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def misbehave(self, **words):
        request = urllib.request.Request(self.url + "/_misbehave", json.dumps(words).encode(), {
            "Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=30).close()


class Client:
    """gateway-driver: one call after another."""

    def __init__(self, url, secrets=(), key=KEY):
        program = Path(Settings.driver).with_name("gateway-driver")
        self.keys = 0
        self.process = subprocess.Popen([program, url, key, *secrets], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(30) == 0

    def _ask(self, *fields):
        self.process.stdin.write("\t".join(map(str, fields)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n").split("\t")

    def call(self, operation, payment="", amount=2500, key=None, method="", order="ord_1", currency="EUR",
             timeout_ms=20000):
        self.keys += 1
        names = ("result", "state", "reason", "payment", "captured", "refunded", "refund", "secret")
        values = self._ask(operation, order, amount, currency, key or f"{order}.{self.keys}", payment, method,
                           timeout_ms)
        answer = dict(zip(names, values))
        answer.update(captured=int(answer["captured"]), refunded=int(answer["refunded"]))
        return answer

    def event(self, signature, body, now=None):
        names = ("result", "kind", "state", "type", "id", "payment", "order", "amount", "currency", "captured",
                 "refunded", "refund")
        return dict(zip(names, self._ask("event", int(now or time.time()), signature, body.hex())))

    def authorised(self, **order):
        payment = self.call("create", **order)["payment"]
        expect(self.call("confirm", payment, method="pm_card_visa", **order), "done", "authorised")
        return payment


def expect(answer, result, state, reason="", **more):
    assert (answer["result"], answer["state"], answer["reason"]) == (result, state, reason), answer
    assert all(answer[name] == value for name, value in more.items()), (answer, more)


def test_a_payment_from_its_beginning_to_its_refund():
    with Gateway() as gateway, Client(gateway.url) as client:
        created = client.call("create")
        expect(created, "done", "created", captured=0, refunded=0)
        payment = created["payment"]
        assert payment.startswith("pi_") and created["secret"].startswith(payment + "_secret_"), created
        expect(client.call("query", payment), "done", "created")
        expect(client.call("confirm", payment, method="pm_card_visa"), "done", "authorised", captured=0)
        expect(client.call("query", payment), "done", "authorised")
        expect(client.call("capture", payment), "done", "captured", captured=2500, refunded=0)
        first = client.call("refund", payment, amount=700)
        expect(first, "done", "captured", captured=2500, refunded=700)
        expect(client.call("query", payment), "done", "captured", captured=2500, refunded=700)
        last = client.call("refund", payment, amount=1800)
        expect(last, "done", "captured", captured=2500, refunded=2500)
        assert first["refund"].startswith("re_") and first["refund"] != last["refund"]
        expect(client.call("refund", payment, amount=1), "done", "captured", "charge_already_refunded")


def test_what_was_done_is_done_and_a_key_repeats_it():
    with Gateway() as gateway, Client(gateway.url) as client:
        first = client.call("create", key="k1")
        assert client.call("create", key="k1") == first
        assert client.call("create", key="k2")["payment"] != first["payment"]
        payment = client.authorised()
        for _ in range(2):
            expect(client.call("capture", payment, key="c1"), "done", "captured", captured=2500)
        expect(client.call("capture", payment, key="c2"), "done", "captured", captured=2500)
        assert client.call("cancel", payment)["result"] == "refused"
        refund = client.call("refund", payment, amount=100, key="r1")
        assert client.call("refund", payment, amount=100, key="r1") == refund
        expect(client.call("refund", payment, amount=200, key="r1"), "refused", "none", "idempotency_error",
               captured=-1)
        expect(client.call("query", payment), "done", "captured", refunded=100)


def test_a_decline_leaves_the_payment_to_be_tried_again():
    with Gateway() as gateway, Client(gateway.url) as client:
        payment = client.call("create")["payment"]
        for method, reason in (("pm_card_declined", "generic_decline"),
                               ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
                               ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
                               ("pm_card_authenticationRequired", "authentication_required")):
            expect(client.call("confirm", payment, method=method), "declined", "created", reason)
        answer = client.call("confirm", payment, method="pm_card_nobody_has")
        assert (answer["result"], answer["reason"]) == ("refused", "unknown_payment_method"), answer
        expect(client.call("confirm", payment, method="pm_card_mastercard"), "done", "authorised")


def test_a_cancelled_payment_is_neither_captured_nor_cancelled_twice():
    with Gateway() as gateway, Client(gateway.url) as client:
        payment = client.authorised()
        expect(client.call("cancel", payment), "done", "cancelled", captured=0)
        expect(client.call("cancel", payment), "done", "cancelled", captured=0)
        answer = client.call("capture", payment)
        assert (answer["result"], answer["state"]) == ("refused", "cancelled"), answer


def test_a_part_is_captured_and_the_rest_let_go():
    with Gateway() as gateway, Client(gateway.url) as client:
        payment = client.authorised()
        expect(client.call("capture", payment, amount=2000), "done", "captured", captured=2000)
        answer = client.call("refund", payment, amount=2001)
        assert answer["result"] == "refused", answer
        expect(client.call("refund", payment, amount=2000), "done", "captured", captured=2000, refunded=2000)


def test_another_order_s_payment_is_refused():
    with Gateway() as gateway, Client(gateway.url) as client:
        payment = client.authorised()
        expect(client.call("query", payment, order="ord_2"), "refused", "none", "order_mismatch")
        expect(client.call("query", payment, currency="USD"), "refused", "none", "currency_mismatch")
        expect(client.call("query", payment, amount=1), "refused", "authorised", "amount_mismatch")
        expect(client.call("query", "pi_nobody_has"), "refused", "none", "no_such_payment")
        with Client(gateway.url, key="sk_test_other") as stranger:
            expect(stranger.call("query", payment), "unavailable", "none", "secret_refused")


def test_a_fault_is_told_as_what_it_leaves_open():
    with Gateway() as gateway, Client(gateway.url) as client:
        payment = client.authorised()
        gateway.misbehave(rate_limit=1000)
        expect(client.call("capture", payment), "unavailable", "none", "rate_limited")
        gateway.misbehave(rate_limit=0, error_before=1000)
        expect(client.call("capture", payment, key="c1"), "unknown", "none", "gateway_failed")
        gateway.misbehave(error_before=0)
        expect(client.call("query", payment), "done", "authorised")
        gateway.misbehave(timeout=1000)
        answer = client.call("capture", payment, key="c1")
        assert (answer["result"], answer["state"]) == ("unknown", "none"), answer
        expect(client.call("query", payment), "unavailable", "none", answer["reason"])
        gateway.misbehave(timeout=0)
        expect(client.call("query", payment), "done", "captured", captured=2500)
        expect(client.call("capture", payment, key="c1"), "done", "captured", captured=2500)
        gateway.misbehave(error_after=1000)
        expect(client.call("refund", payment, key="r1"), "unknown", "none", "gateway_failed")
        gateway.misbehave(none=True)
        expect(client.call("refund", payment, key="r1"), "done", "captured", refunded=2500)


def test_events_are_signed_and_say_what_happened():
    events, changed = [], threading.Condition()

    def take(exchange):
        with changed:
            events.append((exchange.headers["Stripe-Signature"], exchange.body))
        exchange.give(200)

    with HttpServer(take) as shop, Gateway("--webhook-url", shop.url + "/v1/webhooks/stripe", "--webhook-secret",
                                           ",".join(SECRETS)) as gateway, \
            Client(gateway.url, SECRETS) as client, Client(gateway.url, SECRETS[1:]) as rotated, \
            Client(gateway.url, ["whsec_of_somebody_else"]) as stranger:
        captured = client.authorised()
        client.call("capture", captured)
        refund = client.call("refund", captured, amount=700)["refund"]
        cancelled = client.authorised(order="ord_2")
        client.call("cancel", cancelled, order="ord_2")
        declined = client.call("create", order="ord_3")["payment"]
        client.call("confirm", declined, method="pm_card_declined", order="ord_3")

        def seen():
            with changed:
                found = [client.event(signature, body) for signature, body in events]
            assert all(event["result"] == "genuine" for event in found), found
            return found if wanted <= {(event["kind"], event["payment"], event["order"]) for event in found} else None

        wanted = {("authorised", captured, "ord_1"), ("captured", captured, "ord_1"), ("refunded", captured, "ord_1"),
                  ("authorised", cancelled, "ord_2"), ("cancelled", cancelled, "ord_2"),
                  ("failed", declined, "ord_3")}
        found = wait_for(f"events {wanted}", seen)
        for event in found:
            if event["kind"] in ("authorised", "captured", "cancelled", "failed"):
                assert (event["amount"], event["currency"]) == ("2500", "EUR"), event
            if event["refund"]:
                assert (event["refund"], event["amount"]) == (refund, "700"), event
        assert len({event["id"] for event in found}) == len(found)
        for signature, body in events:
            assert rotated.event(signature, body)["result"] == "genuine"
            assert stranger.event(signature, body)["result"] == "forged"
            assert client.event(signature, body + b" ")["result"] == "forged"
            assert client.event(signature, body, time.time() + 400)["result"] == "stale"


def until_known(client, operation, payment="", **call):
    """Repeats it under its key, and asks in between, as the saga of an order does; the last answer."""
    for _ in range(200):
        answer = client.call(operation, payment, **call)
        if answer["result"] not in ("unknown", "unavailable"):
            return answer
    raise AssertionError(f"no word of {operation} {payment}: {answer}")


def test_whatever_goes_wrong_each_order_ends_as_the_ledger_says():
    believed = {}
    faults = "timeout=150,error_before=150,error_after=150,rate_limit=150,decline=200"
    with Gateway("--misbehave", faults) as gateway, Client(gateway.url) as client:
        for number in range(40):
            order = f"ord_{number}"
            payment = until_known(client, "create", key=f"{order}.create", order=order)["payment"]
            for attempt in range(20):
                confirmed = until_known(client, "confirm", payment, key=f"{order}.confirm.{attempt}",
                                        method="pm_card_visa", order=order)
                if confirmed["result"] != "declined":
                    break
            assert confirmed["result"] == "done", confirmed
            end = "cancel" if number % 4 == 3 else "capture"
            answer = until_known(client, end, payment, key=f"{order}.{end}", order=order)
            refunded = 0
            expect(answer, "done", "captured" if end == "capture" else "cancelled", refunded=0)
            if number % 4 == 2:
                expect(until_known(client, "refund", payment, key=f"{order}.refund", amount=700, order=order), "done",
                       "captured", refunded=700)
                refunded = 700
            asked = until_known(client, "query", payment, order=order)
            expect(asked, "done", answer["state"], captured=answer["captured"], refunded=refunded)
            believed[order] = (payment, asked["captured"], refunded)
        gateway.misbehave(none=True)
        request = urllib.request.Request(gateway.url + "/_ledger", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            ledger = json.load(answer)
    assert ledger["balanced"], ledger["totals"]
    # One payment an order: a CREATE that was repeated made no second one.
    assert len(ledger["payments"]) == len(believed), ledger["payment_count"]
    for payment in ledger["payments"]:
        found = payment["id"], payment["captured"], payment["refunded"]
        assert found == believed[payment["order_id"]], (payment, believed[payment["order_id"]])
