# SPDX-License-Identifier: Apache-2.0
"""Webhooks: repeated until they are taken, over restarts too, in the order of each payment."""

import hashlib
import hmac

from harness import Gateway, Hook, eventually


def test_the_signature_is_that_of_the_vector():
    """The independent check of harness.verify against a known value, so that both sides are not wrong together."""
    message = b'1614265330.{"id":"evt_1","object":"event"}'
    assert hmac.new(b"whsec_test_secret", message, hashlib.sha256).hexdigest() == \
        "42b3d2b2181207b6b299df380bf37599bb895dc182467ba12e046b1916c4cd19"


def test_repeated_with_growing_pauses_until_taken():
    refused = {}

    def answer(event):
        refused[event["id"]] = refused.get(event["id"], 0) + 1
        return 200 if refused[event["id"]] > 3 else (500, 302, 400)[refused[event["id"]] - 1]

    with Hook(answer) as hook, Gateway(*hook.options) as gateway:
        made = gateway.create()
        eventually("the fourth attempt", lambda: len(hook.arrived) == 4, 20)
        times = [at for at, _, _ in hook.arrived]
        pauses = [later - earlier for earlier, later in zip(times, times[1:])]
        assert 0.4 < pauses[0] < 1 and 0.9 < pauses[1] < 1.6 and 1.9 < pauses[2] < 3, pauses
        bodies = [event for _, _, event in hook.arrived]
        assert all(body == bodies[0] for body in bodies) and bodies[0]["data"]["object"]["id"] == made["id"]
        eventually("its record", lambda: gateway.get(f"/v1/events/{bodies[0]['id']}").json["pending_webhooks"] == 0)


def test_what_was_not_taken_comes_after_a_restart_and_what_was_does_not():
    state = {"status": 200}
    with Hook(lambda event: state["status"]) as hook, Gateway(*hook.options) as gateway:
        gateway.paid()
        eventually("two events", lambda: len(hook.good) == 2)
        eventually("their records", lambda: sum(line["entry"] == "delivered" for line in gateway.lines()) == 2)
        state["status"] = 503
        gateway.paid()
        eventually("one that is refused", lambda: len(hook.good) > 2)
        gateway.kill()
        taken, seen = set(event["id"] for event in hook.good[:2]), len(hook.good)
        state["status"] = 200
        gateway.start()
        eventually("both again", lambda: len({event["id"] for event in hook.good[seen:]}) == 2)
        assert not taken & {event["id"] for event in hook.good[seen:]}


def test_events_from_before_a_webhook_was_there_are_not_sent():
    with Gateway() as gateway:
        gateway.paid()
        gateway.stop()
        with Hook() as hook:
            gateway.options = hook.options
            gateway.start()
            made = gateway.create()
            eventually("one event", lambda: hook.good)
            assert [event["data"]["object"]["id"] for event in hook.good] == [made["id"]]
            gateway.stop()


def test_a_webhook_that_is_down_keeps_nobody_waiting():
    with Hook() as hook:
        options = hook.options
    with Gateway(*options) as gateway:
        for _ in range(30):
            gateway.paid()
        counts = gateway.get("/_ledger").json["webhook"]
        assert counts["delivered"] == 0 and counts["waiting"] == 60, counts
