# SPDX-License-Identifier: Apache-2.0
"""Each misbehaviour by itself: what the caller sees, and what the ledger says was done."""

import time

from harness import Gateway, Hook, Unanswered, eventually

MADE = {"amount": 1000, "currency": "eur"}
PAID = {**MADE, "confirm": "true", "payment_method": "pm_card_visa"}


def count(gateway):
    return gateway.books()["payment_count"]


def test_nothing_goes_wrong_unasked():
    with Gateway("--seed", "1") as gateway:
        settings = gateway.get("/_misbehave").json
        assert settings["seed"] == 1
        assert {value for value in settings.values() if isinstance(value, int)} == {0, 1}
        for _ in range(100):
            gateway.paid()


def test_declines():
    with Gateway() as gateway:
        gateway.misbehave(decline=1000)
        answer = gateway.post("/v1/payment_intents", PAID)
        assert answer.status == 402 and answer.error["type"] == "card_error", answer.text
        assert answer.error["decline_code"] in ("generic_decline", "insufficient_funds", "processing_error")
        assert answer.error["payment_intent"]["status"] == "requires_payment_method"
        path = f"/v1/payment_intents/{answer.error['payment_intent']['id']}"
        gateway.misbehave()
        assert gateway.ok(path + "/confirm", {"payment_method": "pm_card_visa"})["status"] == "succeeded"


def test_delays():
    with Gateway() as gateway:
        gateway.misbehave(delay=1000, delay_ms="150..200")
        started = time.monotonic()
        for _ in range(3):
            gateway.create()
        assert 0.45 <= time.monotonic() - started < 5
        # What the caller did not wait for is done all the same.
        gateway.misbehave(delay=1000, delay_ms=400)
        try:
            gateway.call("POST", "/v1/payment_intents", MADE, "impatient", timeout=0.05)
            raise AssertionError("it was answered")
        except TimeoutError:
            pass
        gateway.misbehave()
        eventually("the fourth payment", lambda: count(gateway) == 4)
        eventually("the key's end", lambda: gateway.post("/v1/payment_intents", MADE, "impatient").status == 200)
        assert count(gateway) == 4


def test_a_timeout_comes_after_the_effect():
    with Gateway() as gateway:
        gateway.misbehave(timeout=1000)
        try:
            gateway.post("/v1/payment_intents", PAID, "key")
            raise AssertionError("it was answered")
        except Unanswered:
            pass
        gateway.call("POST", "/_misbehave", {"none": "true", "timeout_ms": "300", "timeout": "1000"})
        started = time.monotonic()
        try:
            gateway.get("/v1/payment_intents")
            raise AssertionError("it was answered")
        except Unanswered:
            assert time.monotonic() - started >= 0.29
        gateway.misbehave()
        [payment] = gateway.books()["payments"]
        assert payment["captured"] == 1000
        again = gateway.post("/v1/payment_intents", PAID, "key")
        assert again.json["id"] == payment["id"] and again.headers["idempotent-replayed"] == "true"
        assert count(gateway) == 1


def test_a_500_before_has_no_effect_and_binds_no_key():
    with Gateway() as gateway:
        gateway.misbehave(error_before=1000)
        answer = gateway.post("/v1/payment_intents", PAID, "key")
        assert answer.status == 500 and answer.error["type"] == "api_error", answer.text
        gateway.misbehave()
        assert count(gateway) == 0
        answer = gateway.post("/v1/payment_intents", PAID, "key")
        assert answer.status == 200 and "idempotent-replayed" not in answer.headers


def test_a_500_after_has_its_effect():
    with Gateway() as gateway:
        gateway.misbehave(error_after=1000)
        assert gateway.post("/v1/payment_intents", PAID, "key").status == 500
        gateway.misbehave()
        [payment] = gateway.books()["payments"]
        assert payment["captured"] == 1000
        answer = gateway.post("/v1/payment_intents", PAID, "key")
        assert answer.status == 200 and answer.json["id"] == payment["id"]


def test_a_500_that_is_kept_is_what_repeats_get():
    with Gateway() as gateway:
        gateway.misbehave(error_after=1000, error_kept=1000)
        assert gateway.post("/v1/payment_intents", PAID, "key").status == 500
        gateway.misbehave()
        for _ in range(2):
            answer = gateway.post("/v1/payment_intents", PAID, "key")
            assert answer.status == 500 and answer.headers["idempotent-replayed"] == "true"
            gateway.kill()
            gateway.start()
        [payment] = gateway.books()["payments"]
        assert payment["captured"] == 1000


def test_429():
    with Gateway() as gateway:
        gateway.misbehave(rate_limit=1000)
        answer = gateway.post("/v1/payment_intents", PAID, "key")
        assert answer.status == 429 and answer.error["code"] == "rate_limit", answer.text
        assert answer.headers["retry-after"] == "1"
        gateway.misbehave()
        assert count(gateway) == 0 and gateway.post("/v1/payment_intents", PAID, "key").status == 200


def test_fates_are_those_of_the_seed():
    def run(seed):
        with Gateway("--misbehave", "rate_limit=300,error_before=300", "--seed", str(seed)) as gateway:
            return [gateway.get("/v1/events").status for _ in range(80)]

    first = run(5)
    assert first == run(5) and first != run(6)
    assert {status: first.count(status) > 8 for status in (200, 429, 500)} == {200: True, 429: True, 500: True}


def test_probabilities_are_per_mille():
    with Gateway("--misbehave", "error_before=100", "--seed", "9") as gateway:
        statuses = [gateway.get("/v1/events").status for _ in range(1000)]
        assert 60 <= statuses.count(500) <= 140, statuses.count(500)


def test_settings_by_json_and_by_form():
    with Gateway("--misbehave", "all") as gateway:
        settings = gateway.get("/_misbehave").json
        assert settings["decline"] == 100 and settings["error_kept"] == 0, settings
        body = '{"none": true, "decline": 7, "delay_ms": [5, 6], "seed": 12}'
        answer = gateway.call("POST", "/_misbehave", body, headers={"Content-Type": "application/json"})
        assert (answer.json["decline"], answer.json["timeout"], answer.json["delay_ms"], answer.json["seed"]) == \
            (7, 0, [5, 6], 12), answer.text
        for wrong in ('{"decline": 1001}', '{"decline": -1}', '{"unknown": 1}', "[1]", "{", '{"decline": [1]}',
                      "decline=x",
                      "delay_ms=5..1", "nothing=1"):
            answer = gateway.call("POST", "/_misbehave", wrong)
            assert answer.status == 400, (wrong, answer.text)
        assert gateway.get("/_misbehave").json["decline"] == 7


# ---- events --------------------------------------------------------------------------------------------------------


def run_events(payments, **wrong):
    """So many payments of two events each, with this misbehaviour: the hook, and the events that there were."""
    with Hook() as hook, Gateway(*hook.options, "--seed", "4") as gateway:
        gateway.misbehave(**wrong)
        for i in range(payments):
            gateway.paid(**{"metadata[order_id]": f"ord_{i}"})
        real = gateway.get("/v1/events", limit=100).json["data"][::-1]
        eventually("an idle webhook", lambda: gateway.get("/_ledger").json["webhook"]["waiting"] == 0, 20)
        time.sleep(0.05)
        return hook, real, gateway.get("/_ledger").json["webhook"]


def ids(events):
    return [event["id"] for event in events]


def test_events_twice():
    hook, real, _ = run_events(10, event_duplicate=1000)
    assert sorted(ids(hook.good)) == sorted(ids(real) * 2) and not hook.bad


def test_events_late():
    hook, real, _ = run_events(3, event_late=1000, event_late_ms="800..900")
    first = min(at for at, _, _ in hook.arrived)
    assert sorted(ids(hook.good)) == sorted(ids(real))
    assert first - time.monotonic() < 0 and all(time.time() - event["created"] >= 0.8 for event in hook.good)


def test_events_out_of_order():
    hook, real, _ = run_events(20, event_reorder=500)
    assert sorted(ids(hook.good)) == sorted(ids(real)) and ids(hook.good) != ids(real)
    firsts = {}
    for event in hook.good:
        firsts.setdefault(event["data"]["object"]["id"], event["type"])
    assert "payment_intent.succeeded" in firsts.values()


def test_events_lost():
    hook, real, counts = run_events(20, event_lost=500)
    assert 0 < len(hook.good) < len(real) and set(ids(hook.good)) < set(ids(real))
    assert counts["lost"] == len(real) - len(hook.good)


def forged(**wrong):
    """The forged events with the real ones that they imitate."""
    hook, real, _ = run_events(5, **wrong)
    by_object = {(event["data"]["object"]["id"], event["type"]): event for event in real}
    false = [event for event in hook.good + hook.bad if event["id"] not in ids(real)]
    assert len(false) == len(real) and sorted(set(ids(hook.good)) & set(ids(real))) == sorted(ids(real))
    return hook, [(event, by_object[event["data"]["object"]["id"], event["type"]]) for event in false]


def test_events_of_a_wrong_signature():
    hook, false = forged(forged_signature=1000)
    assert sorted(ids(hook.bad)) == sorted(event["id"] for event, _ in false)
    for event, real in false:
        assert event["data"] == real["data"]


def test_events_of_a_wrong_amount():
    hook, false = forged(forged_amount=1000)
    assert not hook.bad
    for event, real in false:
        assert event["data"]["object"]["amount"] == 1 != real["data"]["object"]["amount"]


def test_events_of_a_wrong_currency():
    _, false = forged(forged_currency=1000)
    for event, real in false:
        assert event["data"]["object"]["currency"] == "vnd" and real["data"]["object"]["currency"] == "eur"


def test_events_of_another_order():
    _, false = forged(forged_order=1000)
    for event, real in false:
        assert event["data"]["object"]["metadata"]["order_id"] == "ord_of_somebody_else"
        assert event["data"]["object"]["id"] == real["data"]["object"]["id"]


def test_with_all_of_it_the_books_stay_right():
    with Hook() as hook, Gateway(*hook.options, "--misbehave", "all", "--misbehave", "delay_ms=1..20", "--seed", "21") \
            as gateway:
        statuses = []
        for i in range(150):
            for _ in range(30):
                try:
                    answer = gateway.post("/v1/payment_intents", {**PAID, "metadata[order_id]": f"ord_{i}"}, f"key-{i}")
                except Unanswered:
                    statuses.append(0)
                    continue
                statuses.append(answer.status)
                if answer.status in (200, 402):
                    break
            else:
                raise AssertionError(f"order {i} never got an answer")
        gateway.misbehave()
        books = gateway.books()
        orders = [payment["order_id"] for payment in books["payments"]]
        assert len(orders) == len(set(orders)) == 150
        assert {0, 200, 402, 429, 500} <= set(statuses), set(statuses)
        assert hook.bad and len(hook.good) > 200
