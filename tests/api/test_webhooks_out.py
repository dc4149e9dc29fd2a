# SPDX-License-Identifier: Apache-2.0
"""Webhooks out: what the shop tells endpoints, how often, in whose name; and what staff see of it."""
import re
import threading
import time
import unittest

from harness import Server, new_key, wait_until
from receiver import Receiver
from test_checkout import CheckoutTest, pay

ENDPOINTS, DELIVERIES = "/v1/admin/webhook-endpoints", "/v1/admin/webhooks/deliveries"
BUYING = ("order.created", "order.confirmed")


def figure(server, name):
    text = server.anonymous().call("GET", "/metrics", expect=200).body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(found[1]) if found else 0


class HooksTest(CheckoutTest):
    schedule = "0,1,1,1"
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.receiver = Receiver()
        cls.server = Server("--outbound-private", "on", "--webhook-retry-schedule", cls.schedule, *cls.flags)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.receiver.stop()
        assert not cls.receiver.problems, cls.receiver.problems

    def endpoint(self, path=None, answer=None, events=BUYING, **fields):
        path = path or "/" + new_key()
        body = {"url": self.receiver.url(path), "events": list(events), **fields}
        if answer is not None:
            self.receiver.answers[path] = answer
        made = self.admin.call("POST", ENDPOINTS, body, expect=201).json()
        self.receiver.secrets[path] = [made["secret"]]
        made["path"] = path
        self.addCleanup(self.admin.call, "DELETE", f"{ENDPOINTS}/{made['id']}")
        return made

    def buy(self, quantity=1):
        order = self.order(self.guest, self.admin.create_sku(10), quantity)
        return pay(self.guest, order, expect=200).json()

    def came(self, endpoint, count, seconds=15):
        return wait_until(lambda: len(self.receiver.at(endpoint["path"])) >= count
                          and self.receiver.at(endpoint["path"]), seconds,
                          f"{count} webhooks; there are {len(self.receiver.at(endpoint['path']))}")

    def deliveries(self, endpoint, status=None):
        query = f"?endpoint={endpoint['id']}" + (f"&status={status}" if status else "")
        return self.admin.pages(DELIVERIES + query)

    def settled(self, endpoint, status, count=1, seconds=15):
        return wait_until(lambda: len(self.deliveries(endpoint, status)) == count
                          and self.deliveries(endpoint, status), seconds,
                          f"{count} {status}: {self.deliveries(endpoint)}")


class Delivery(HooksTest):
    def test_an_order_is_told_signed_and_without_private_data(self):
        endpoint = self.endpoint()
        before = figure(self.server, 'stampede_webhooks_out_total{outcome="delivered"}')
        order = self.buy(2)
        came = self.came(endpoint, 2)
        self.assertEqual([entry["body"]["type"] for entry in came], list(BUYING))
        for entry in came:
            self.assertEqual(entry["type"], "application/json")
            self.assertRegex(entry["id"], r"^msg_[0-9a-z]{32}$")
            self.assertLess(len(entry["raw"]), 20 * 1024)
            self.assertEqual(set(entry["body"]), {"type", "timestamp", "data"})
            data = entry["body"]["data"]
            self.assertEqual((data["id"], data["totals"]), (order["id"], order["totals"]))
            for private in (order["email"], order["shipping_address"]["line1"], "client_secret"):
                self.assertNotIn(private, entry["raw"].decode())
        self.assertEqual([entry["body"]["data"]["status"] for entry in came], ["pending_payment", "confirmed"])
        self.assertEqual(len({entry["id"] for entry in came}), 2)
        listed = self.settled(endpoint, "delivered", 2)
        self.assertEqual({row["webhook_id"] for row in listed}, {entry["id"] for entry in came})
        for row in listed:
            self.assertEqual((row["attempts"], row["last_response"], row["reason"]), (1, 200, None))
            self.assertEqual((row["order_id"], row["endpoint_id"]), (order["id"], endpoint["id"]))
        self.assertEqual(self.deliveries(endpoint, "pending"), [])
        after = figure(self.server, 'stampede_webhooks_out_total{outcome="delivered"}')
        self.assertEqual(after, before + 2)
        lags = 'stampede_webhook_lag_seconds_count{direction="out",kind="endpoint"}'
        self.assertGreater(figure(self.server, lags), 1)

    def test_an_endpoint_gets_the_events_that_it_asked_for(self):
        one = self.endpoint(events=["order.confirmed"])
        two = self.endpoint(events=["order.created"])
        off = self.endpoint(enabled=False)
        self.buy()
        self.assertEqual(self.came(one, 1)[0]["body"]["type"], "order.confirmed")
        self.assertEqual(self.came(two, 1)[0]["body"]["type"], "order.created")
        time.sleep(0.3)
        self.assertEqual([len(self.receiver.at(e["path"])) for e in (one, two, off)], [1, 1, 0])

    def test_the_same_event_has_the_same_id_at_every_endpoint(self):
        one, two = self.endpoint(), self.endpoint()
        self.buy()
        self.assertEqual({entry["id"] for entry in self.came(one, 2)}, {entry["id"] for entry in self.came(two, 2)})

    def test_a_failure_is_tried_again_with_the_same_id(self):
        endpoint = self.endpoint(answer=lambda n: (500, ()) if n < 2 else (204, ()), events=["order.confirmed"])
        self.buy()
        came = self.came(endpoint, 3)
        self.assertEqual(len({entry["id"] for entry in came}), 1)
        self.assertEqual(len({entry["raw"] for entry in came}), 1)
        self.assertGreaterEqual(came[1]["at"] - came[0]["at"], 0.9)
        row = self.settled(endpoint, "delivered")[0]
        self.assertEqual((row["attempts"], row["last_response"]), (3, 204))

    def test_a_redirect_is_a_failure_and_not_followed(self):
        other = self.endpoint(events=["order.shipped"])
        location = self.receiver.url(other["path"])
        endpoint = self.endpoint(answer=lambda n: (302, [("location", location)]) if n == 0 else (200, ()),
                                 events=["order.confirmed"])
        self.buy()
        self.came(endpoint, 2)
        self.assertEqual(self.receiver.at(other["path"]), [])

    def test_the_schedule_ends_in_a_dead_letter_that_can_be_replayed(self):
        working = threading.Event()
        endpoint = self.endpoint(answer=lambda _: (200 if working.is_set() else 503, ()), events=["order.confirmed"])
        start = time.time()
        order = self.buy()
        row = self.settled(endpoint, "dead", seconds=20)[0]
        self.assertEqual((row["attempts"], row["last_response"], row["reason"]),
                         (4, 503, "the endpoint answered 503"))
        self.assertEqual((row["order_id"], row["next_attempt_at"]), (order["id"], None))
        working.set()
        target = f"{DELIVERIES}/{row['id']}/replay"
        self.admin.call("POST", target, {}, expect=202)
        again = self.settled(endpoint, "delivered")[0]
        self.assertEqual((again["id"], again["webhook_id"], again["attempts"]), (row["id"], row["webhook_id"], 1))
        self.assertEqual(len({entry["id"] for entry in self.receiver.at(endpoint["path"])}), 1)
        entries = self.admin.call("GET", f"/v1/admin/audit?subject={row['id']}", expect=200).json()["data"]
        self.assertEqual([entry["act"] for entry in entries], ["webhook_replayed"])
        self.assertLess(time.time() - start, 60)

    def test_all_dead_letters_since_are_replayed_once(self):
        working = threading.Event()
        endpoint = self.endpoint(answer=lambda _: (200 if working.is_set() else 400, ()))
        other = self.endpoint(answer=lambda _: (400, ()), events=["order.confirmed"])
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
        self.buy()
        self.settled(endpoint, "dead", 2, seconds=30)
        self.settled(other, "dead", 1, seconds=30)
        working.set()
        body = {"since": since, "endpoint_id": endpoint["id"]}
        self.assertEqual(self.admin.call("POST", DELIVERIES + "/replay", {**body, "since": "2999-01-01T00:00:00Z"},
                                         expect=200).json(), {"replayed": 0, "skipped": 0, "next_cursor": None})
        answer = self.admin.call("POST", DELIVERIES + "/replay", body, expect=200).json()
        self.assertEqual(answer, {"replayed": 2, "skipped": 0, "next_cursor": None})
        again = self.admin.call("POST", DELIVERIES + "/replay", body, expect=200).json()
        self.assertEqual(again["replayed"], 0)
        self.settled(endpoint, "delivered", 2)
        self.assertEqual(len(self.deliveries(other, "dead")), 1)

    def test_410_disables_the_endpoint(self):
        endpoint = self.endpoint(answer=lambda _: (410, ()), events=["order.confirmed"])
        self.buy()
        row = self.settled(endpoint, "dead")[0]
        self.assertEqual((row["attempts"], row["last_response"]), (1, 410))
        self.assertFalse(self.admin.call("GET", f"{ENDPOINTS}/{endpoint['id']}", expect=200).json()["enabled"])
        self.buy()
        time.sleep(0.5)
        self.assertEqual(len(self.receiver.at(endpoint["path"])), 1)
        self.admin.call("POST", f"{DELIVERIES}/{row['id']}/replay", {}, expect=409, code="invalid_state")
        self.admin.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test", {}, expect=409, code="invalid_state")

    def test_retry_after_is_honoured(self):
        endpoint = self.endpoint(answer=lambda n: (429, [("retry-after", "3")]) if n == 0 else (200, ()),
                                 events=["order.confirmed"])
        self.buy()
        came = self.came(endpoint, 2)
        self.assertGreaterEqual(came[1]["at"] - came[0]["at"], 2.9)

    def test_one_that_hangs_does_not_hold_up_another(self):
        hanging = self.endpoint(answer=lambda _: None)
        other = self.endpoint()
        for _ in range(6):
            self.buy()
        self.came(hanging, 1)
        self.came(other, 12, 10)

    def test_a_secret_that_is_rotated_signs_beside_the_new_one(self):
        endpoint = self.endpoint(events=["order.confirmed"])
        made = self.admin.call("POST", f"{ENDPOINTS}/{endpoint['id']}/rotate-secret", {}, expect=200).json()
        self.receiver.secrets[endpoint["path"]].append(made["secret"])
        self.buy()
        self.assertEqual(self.came(endpoint, 1)[0]["signers"], [0, 1])

    def test_a_test_goes_to_one_endpoint_whatever_it_asks_for(self):
        endpoint, other = self.endpoint(events=["order.shipped"]), self.endpoint(events=["endpoint.test"])
        answer = self.admin.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test", {}, expect=202).json()
        entry = self.came(endpoint, 1)[0]
        self.assertEqual(entry["id"], answer["webhook_id"])
        self.assertEqual(entry["body"]["type"], "endpoint.test")
        self.assertEqual(entry["body"]["data"], {"endpoint_id": endpoint["id"]})
        self.assertEqual(self.settled(endpoint, "delivered")[0]["id"], answer["id"])
        self.assertEqual(self.receiver.at(other["path"]), [])
        self.admin.call("POST", f"{ENDPOINTS}/whe_999999/test", {}, expect=404)

    def test_of_a_removed_endpoint_nothing_goes_out_any_more(self):
        endpoint = self.endpoint(answer=lambda _: (500, ()))
        self.buy()
        self.came(endpoint, 1)
        self.admin.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
        time.sleep(0.2)
        count = len(self.receiver.at(endpoint["path"]))
        time.sleep(2.5)
        self.assertLessEqual(len(self.receiver.at(endpoint["path"])), count + 2)  # those under way
        self.assertEqual(self.deliveries(endpoint), [])

    def test_endpoints_that_are_removed_while_they_are_told(self):
        """An attempt that is due just then is none, and nothing else."""
        for _ in range(15):
            endpoints = [self.endpoint() for _ in range(3)]
            self.buy()
            for endpoint in endpoints:
                self.admin.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", expect=204)
        self.admin.call("GET", "/readyz", expect=200)

    def test_lists_are_asked_rightly(self):
        for query in ("?status=gone", "?endpoint=x", "?limit=0", "?cursor=x", "?cursor=9.0.0.0", "?other=1",
                      "?status=dead&cursor=0.0.0.0"):
            self.admin.call("GET", DELIVERIES + query, expect=422, code="validation_failed")
        for body in ({}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00Z", "endpoint_id": "x"},
                     {"since": "2026-01-01T00:00:00Z", "cursor": "0.0.0.0"}, {"since": 1}):
            self.admin.call("POST", DELIVERIES + "/replay", body, expect=422, code="validation_failed")
        for name in ("dlv_nothing", "msg_38g73cqa43p00000000jrpdjtfy9atky"):
            self.admin.call("POST", f"{DELIVERIES}/{name}/replay", {}, expect=404)
        for query in ("?provider=nobody", "?effect=none", "?cursor=1", "?x=1"):
            self.admin.call("GET", "/v1/admin/webhooks/inbox" + query, expect=422, code="validation_failed")

    def test_pages_show_each_once(self):
        endpoint = self.endpoint()
        for _ in range(4):
            self.buy()
        wanted = {row["id"] for row in self.settled(endpoint, "delivered", 8)}
        for limit in (1, 3, 8):
            seen = self.admin.pages(f"{DELIVERIES}?endpoint={endpoint['id']}&limit={limit}")
            self.assertEqual(len(seen), 8)
            self.assertEqual({row["id"] for row in seen}, wanted)

    def test_a_refund_says_how_much(self):
        endpoint = self.endpoint(events=["order.refunded"])
        order = self.buy(2)
        self.admin.call("POST", f"/v1/admin/orders/{order['id']}/refund",
                        {"amount_minor": 100, "restock": False, "reason": "test"}, key=new_key(), expect=200)
        body = self.came(endpoint, 1)[0]["body"]
        self.assertEqual(body["type"], "order.refunded")
        self.assertEqual(body["refund"]["amount_minor"], 100)
        self.assertEqual(body["data"]["status"], "partially_refunded")


class SoldOut(HooksTest):
    def told(self, endpoint, sku):
        return [entry["body"] for entry in self.receiver.at(endpoint["path"]) if entry["body"]["data"]["sku"] == sku]

    def wait(self, endpoint, sku, count):
        wait_until(lambda: len(self.told(endpoint, sku)) >= count, 15, f"{count} times {sku}")
        return self.told(endpoint, sku)

    def test_the_sale_of_the_last_unit_is_told_and_told_again_after_a_restock(self):
        endpoint = self.endpoint(events=["inventory.sold_out"])
        sku = self.admin.create_sku(2)
        held = self.guest.hold(sku, 1)
        order = pay(self.guest, self.order(self.guest, sku), expect=200).json()
        self.guest.release(held["id"], expect=204)
        self.assertEqual(self.told(endpoint, sku), [], "what is held may come back")
        pay(self.guest, self.order(self.guest, sku), expect=200)
        body = self.wait(endpoint, sku, 1)[0]
        self.assertEqual(set(body), {"type", "timestamp", "data"})
        self.assertEqual((body["type"], body["data"]),
                         ("inventory.sold_out", {"sku": sku, "product_id": sku[:-2].lower()}))
        problem = self.guest.reserve(sku, expect=409, code="sold_out").json()
        self.assertTrue(problem["final"])
        row = self.settled(endpoint, "delivered")[0]
        self.assertEqual((row["type"], row["order_id"], row["sku"]), ("inventory.sold_out", None, sku))
        self.admin.call("POST", f"/v1/admin/orders/{order['id']}/refund", {"restock": True, "reason": "test"},
                        key=new_key(), expect=200)
        wait_until(lambda: self.admin.inventory(sku)["available"] == 1, 10, "the restock")
        self.admin.convert(self.guest.hold(sku, 1)["id"], expect=200)
        self.wait(endpoint, sku, 2)
        self.assertEqual(len({entry["id"] for entry in self.receiver.at(endpoint["path"])}), 2)

    def test_a_write_off_and_a_restart_tell_nothing(self):
        endpoint = self.endpoint(events=["inventory.sold_out"])
        sku, other = self.admin.create_sku(1), self.admin.create_sku(1)
        self.admin.adjust(sku, delta=-1, reason="broken")
        self.admin.convert(self.guest.hold(other, 1)["id"], expect=200)
        self.wait(endpoint, other, 1)
        self.settled(endpoint, "delivered")
        time.sleep(1.2)  # until the cursor is recorded
        self.server.kill()
        self.server.start()
        self.admin, self.guest = self.server.admin(), self.server.guest()
        last = self.admin.create_sku(1)
        self.admin.convert(self.guest.hold(last, 1)["id"], expect=200)
        self.wait(endpoint, last, 1)
        self.assertEqual([len(self.told(endpoint, name)) for name in (sku, other, last)], [0, 1, 1])
        self.server.stop()
        checked = self.server.check()
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.server.restart()
        self.admin = self.server.admin()


class Crash(HooksTest):
    schedule = "0,1,1,2,2,3,3,5,5"
    ORDERS = 12

    def test_every_event_arrives_at_least_once_with_one_id(self):
        endpoint = self.endpoint(answer=lambda n: (500 if n % 3 == 0 else 200, ()))
        wanted = {}
        for number in range(self.ORDERS):
            order = self.buy()
            wanted[order["id"], "order.created"] = wanted[order["id"], "order.confirmed"] = set()
            if number % 4 == 3:  # in the middle of it
                self.server.kill()
                self.server.restart()
                self.admin, self.guest = self.server.admin(), self.server.guest()

        def ids():
            found = {key: set() for key in wanted}
            for entry in self.receiver.at(endpoint["path"]):
                found[entry["body"]["data"]["id"], entry["body"]["type"]].add(entry["id"])
            return found

        found = wait_until(lambda: all(ids().values()) and ids(), 60,
                           f"all of {len(wanted)}, missing {[key for key, value in ids().items() if not value]}")
        self.assertEqual({len(value) for value in found.values()}, {1})
        # What was taken in again after a crash is delivered again.
        wait_until(lambda: self.deliveries(endpoint, "pending") == [], 60, "all delivered")
        self.settled(endpoint, "delivered", 2 * self.ORDERS)
        self.assertEqual(self.deliveries(endpoint, "dead"), [])
        self.server.stop()
        checked = self.server.check()
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.server.restart()
        self.admin = self.server.admin()


class Private(CheckoutTest):
    def test_a_private_address_is_refused_when_it_is_asked(self):
        """The endpoint was made while that was allowed; the address is judged when the socket is opened."""
        receiver = Receiver()
        server = Server("--outbound-private", "on", "--webhook-retry-schedule", "0,1")
        self.addCleanup(receiver.stop)
        try:
            admin = server.admin()
            body = {"url": receiver.url("/x"), "events": ["order.confirmed"]}
            made = admin.call("POST", ENDPOINTS, body, expect=201).json()
            server.stop()
            server.flags[1] = "off"
            server.restart()
            self.admin, self.guest = server.admin(), server.guest()
            order = self.order(self.guest, self.admin.create_sku(1))
            pay(self.guest, order, expect=200)
            target = f"{DELIVERIES}?endpoint={made['id']}&status=dead"
            row = wait_until(lambda: self.admin.call("GET", target).json()["data"], 15, "a dead letter")[0]
            self.assertEqual((row["attempts"], row["last_response"], row["reason"]), (2, None, "private_address"))
            self.assertEqual(receiver.came, [])
            self.admin.call("POST", ENDPOINTS, {**body, "url": "https://127.0.0.1/x"}, expect=422)
        finally:
            server.stop()


class Overflow(HooksTest):
    flags = ("--webhook-pending-max", "16", "--shards", "1")
    schedule = "0,600"

    def test_where_too_many_wait_the_oldest_are_given_up(self):
        endpoint = self.endpoint(answer=lambda _: (500, ()))
        for _ in range(10):
            self.buy()
        dead = self.settled(endpoint, "dead", 4, 30)
        self.assertEqual({row["reason"] for row in dead}, {"too many wait for this endpoint"})
        self.assertEqual(len(self.deliveries(endpoint, "pending")), 16)
        self.assertEqual(figure(self.server, "stampede_webhooks_overflowed_total"), 4)


if __name__ == "__main__":
    unittest.main()
