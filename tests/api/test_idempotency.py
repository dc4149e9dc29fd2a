# SPDX-License-Identifier: Apache-2.0
"""One key, one effect, one answer: byte for byte, whatever happens in between."""
import json
import time

from harness import SETTINGS, ApiTest, Server, in_threads, new_key
from wire import render


class Replay(ApiTest):
    def assert_replay(self, first, again):
        self.assertEqual(again.status, first.status, again)
        self.assertEqual(again.body, first.body)
        self.assertEqual(again.header("idempotent-replayed"), "true")
        self.assertEqual(again.header("location"), first.header("location"))

    def test_repeat_gives_the_same_bytes_and_no_second_hold(self):
        sku, key = self.admin.create_sku(stock=5), new_key()
        first = self.guest.reserve(sku, 2, key=key, expect=201)
        self.assertIsNone(first.header("idempotent-replayed"))
        for _ in range(3):
            self.assert_replay(first, self.guest.reserve(sku, 2, key=key))
        self.assertEqual(self.admin.inventory(sku)["reserved"], 2)

    def test_quoted_and_bare_are_one_key(self):
        sku, key = self.admin.create_sku(stock=5), new_key()
        first = self.guest.reserve(sku, key=key, expect=201)
        self.assert_replay(first, self.guest.reserve(sku, key=f'"{key}"'))

    def test_winner_of_the_last_unit_gets_its_answer_again(self):
        sku, key = self.admin.create_sku(stock=1), new_key()
        first = self.guest.reserve(sku, key=key, expect=201)
        self.other_guest().reserve(sku, expect=409, code="sold_out")
        self.assert_replay(first, self.guest.reserve(sku, key=key))

    def test_replay_is_the_first_version_after_every_later_change(self):
        sku, key = self.admin.create_sku(stock=5), new_key()
        first = self.guest.reserve(sku, key=key, expect=201)
        hold_id = first.json()["id"]
        time.sleep(0.02)
        self.guest.extend(hold_id, expect=200)
        self.assert_replay(first, self.guest.reserve(sku, key=key))
        self.admin.convert(hold_id, expect=200)
        self.assert_replay(first, self.guest.reserve(sku, key=key))
        released = new_key()
        first = self.guest.reserve(sku, key=released, expect=201)
        self.guest.release(first.json()["id"], expect=204)
        self.assert_replay(first, self.guest.reserve(sku, key=released))
        self.assertEqual(self.admin.inventory(sku)["available"], 4)

    def test_replay_of_many_lines(self):
        skus, key = [self.admin.create_sku(stock=2) for _ in range(5)], new_key()
        lines = [(sku, 1) for sku in skus]
        first = self.guest.reserve_items(*lines, key=key, expect=201)
        self.assert_replay(first, self.guest.reserve_items(*lines, key=key))
        self.assertEqual([self.admin.inventory(sku)["reserved"] for sku in skus], [1] * 5)

    def test_another_body_is_refused(self):
        sku, key = self.admin.create_sku(stock=5), new_key()
        self.guest.reserve(sku, 1, key=key, expect=201)
        self.guest.reserve(sku, 2, key=key, expect=422, code="idempotency_key_reused")
        self.assertEqual(self.admin.inventory(sku)["reserved"], 1)

    def test_keys_are_each_guests_own(self):
        sku, key = self.admin.create_sku(stock=5), new_key()
        mine = self.guest.reserve(sku, key=key, expect=201)
        theirs = self.other_guest().reserve(sku, key=key, expect=201)
        self.assertIsNone(theirs.header("idempotent-replayed"))
        self.assertNotEqual(mine.json()["id"], theirs.json()["id"])

    def test_keys_are_each_products_own(self):
        key = new_key()
        holds = [self.guest.reserve(self.admin.create_sku(), key=key, expect=201) for _ in range(3)]
        self.assertEqual(len({hold.json()["id"] for hold in holds}), 3)

    def test_a_refused_key_may_be_tried_again(self):
        sku, key = self.admin.create_sku(stock=0), new_key()
        self.guest.reserve(sku, key=key, expect=409, code="sold_out")
        self.guest.reserve(sku, key=key, expect=409, code="sold_out")
        self.admin.adjust(sku, delta=1)
        first = self.guest.reserve(sku, key=key, expect=201)
        self.assertIsNone(first.header("idempotent-replayed"))
        # Also with another body: nothing had been kept.
        other = new_key()
        self.guest.reserve(sku, 5, key=other, expect=409)
        self.admin.adjust(sku, delta=1)
        self.guest.reserve(sku, 1, key=other, expect=201)

    def test_key_lengths(self):
        sku = self.admin.create_sku(stock=5)
        longest = (new_key() * 8)[:255]
        first = self.guest.reserve(sku, key=longest, expect=201)
        self.assert_replay(first, self.guest.reserve(sku, key=longest))
        self.guest.reserve(sku, key=longest + "x", expect=(400, 422))
        self.assertEqual(self.admin.inventory(sku)["reserved"], 1)

    def test_refused_keys_of_a_sold_out_product_do_not_confuse_later_winners(self):
        """Thousands of refused keys fill the key filter; new keys still win and old ones still replay."""
        sku = self.admin.create_sku(stock=1)
        key = new_key()
        first = self.guest.reserve(sku, key=key, expect=201)
        for _ in range(1500):
            self.guest.reserve(sku, expect=409, code="sold_out")
        self.assert_replay(first, self.guest.reserve(sku, key=key))
        self.admin.adjust(sku, delta=50)
        for _ in range(50):
            self.guest.reserve(sku, expect=201)
        self.guest.reserve(sku, expect=409, code="sold_out")


class InFlight(ApiTest):
    def test_one_key_at_once_has_one_effect(self):
        for _ in range(5):
            sku, key = self.admin.create_sku(stock=50), new_key()
            token = self.guest.token

            def buy(_index, sku=sku, key=key):
                client = self.server.anonymous()
                client.token = token
                response = client.reserve(sku, key=key, expect=(201, 409))
                client.close()
                if response.status == 409:
                    self.assertEqual(response.code, "idempotency_in_flight", response)
                return response

            answers = [r for r in in_threads(12, buy) if r.status == 201]
            self.assertGreaterEqual(len(answers), 1)
            self.assertEqual(len({r.body for r in answers}), 1)
            firsts = [r for r in answers if r.header("idempotent-replayed") is None]
            self.assertEqual(len(firsts), 1)
            self.assertEqual(self.admin.inventory(sku)["reserved"], 1)

    def test_pipelined_repeats_of_one_line(self):
        """The repeats are read before the first can be on disk: they get its answer with it, or are told to wait."""
        for _ in range(10):
            sku = self.admin.create_sku(stock=50)
            self.pipeline({"sku": sku, "quantity": 1}, [sku])

    def test_pipelined_repeats_of_a_basket_find_it_in_flight(self):
        """A basket over many partitions takes several rounds between them: its repeats come meanwhile."""
        seen = set()
        for _ in range(10):
            skus = [self.admin.create_sku(stock=9) for _ in range(12)]
            body = {"items": [{"sku": sku, "quantity": 1} for sku in skus]}
            seen |= self.pipeline(body, skus)
        self.assertIn("idempotency_in_flight", seen)

    def pipeline(self, body, skus):
        """Sends one reservation four times in one go; gives the codes of the repeats' answers."""
        key, seen = new_key(), set()
        body = json.dumps(body).encode()
        headers = [
            ("Authorization", f"Bearer {self.guest.token}"),
            ("Idempotency-Key", key),
            ("Content-Type", "application/json"),
        ]
        with self.server.wire() as wire:
            wire.send(render("POST", "/v1/reservations", headers, body) * 4)
            answers = [wire.read_response() for _ in range(4)]
        for answer in answers:
            if SETTINGS.contract is not None:
                SETTINGS.contract.check("POST", "/v1/reservations", answer)
        self.assertEqual(answers[0].status, 201, answers[0])
        for answer in answers[1:]:
            if answer.status == 201:
                self.assertEqual(answer.body, answers[0].body)
                self.assertEqual(answer.header("idempotent-replayed"), "true")
            else:
                self.assertEqual((answer.status, answer.code), (409, "idempotency_in_flight"))
            seen.add(answer.code)
        self.assertEqual([self.admin.inventory(sku)["reserved"] for sku in skus], [1] * len(skus))
        # Once it is settled, the key answers as ever.
        again = self.guest.call("POST", "/v1/reservations", body, key=key, expect=201)
        self.assertEqual(again.body, answers[0].body)
        return seen

    def test_in_flight_many_lines(self):
        """A basket over many partitions takes several rounds: its key is in flight for longer."""
        skus = [self.admin.create_sku(stock=9) for _ in range(12)]
        body = json.dumps({"items": [{"sku": sku, "quantity": 1} for sku in skus]}).encode()
        key, token = new_key(), self.guest.token

        def buy(_):
            client = self.server.anonymous()
            client.token = token
            response = client.call("POST", "/v1/reservations", body, key=key, expect=(201, 409))
            client.close()
            if response.status == 409:
                self.assertEqual(response.code, "idempotency_in_flight", response)
            return response

        answers = [r for r in in_threads(8, buy) if r.status == 201]
        self.assertGreaterEqual(len(answers), 1)
        self.assertEqual(len({r.body for r in answers}), 1)
        self.assertEqual([self.admin.inventory(sku)["reserved"] for sku in skus], [1] * 12)


class OtherWrites(ApiTest):
    """Keys are taken on every write, and honoured."""

    def test_product_create(self):
        key = new_key()
        body = {
            "name": "Keyed",
            "price_minor": 1,
            "currency": "EUR",
            "sku": f"KEYED-{key[:12]}",
            "stock": 3,
        }
        first = self.admin.call("POST", "/v1/admin/products", body, key=key, expect=201)
        again = self.admin.call("POST", "/v1/admin/products", body, key=key, expect=201)
        self.assertEqual(again.header("idempotent-replayed"), "true")
        self.assertEqual(again.body, first.body)
        body["name"] = "Other"
        self.admin.call(
            "POST",
            "/v1/admin/products",
            body,
            key=key,
            expect=422,
            code="idempotency_key_reused",
        )

    def test_adjust(self):
        sku, key = self.admin.create_sku(stock=10), new_key()
        first = self.admin.adjust(sku, delta=5, key=key)
        again = self.admin.adjust(sku, delta=5, key=key)
        self.assertEqual(again.header("idempotent-replayed"), "true")
        self.assertEqual(again.body, first.body)
        self.assertEqual(self.admin.inventory(sku)["stock"], 15)
        self.admin.adjust(sku, delta=6, key=key, expect=422)
        self.admin.adjust(sku, delta=5)
        self.assertEqual(self.admin.inventory(sku)["stock"], 20)

    def test_extend(self):
        hold = self.guest.hold(self.admin.create_sku())
        key = new_key()
        time.sleep(0.02)
        first = self.guest.extend(hold["id"], key=key, expect=200)
        again = self.guest.extend(hold["id"], key=key, expect=200)
        self.assertEqual(again.header("idempotent-replayed"), "true")
        self.assertEqual(again.body, first.body)
        self.assertEqual(self.guest.reservation(hold["id"]).json()["extensions"], 1)


class AcrossRestarts(ApiTest):
    slow = True

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_keys_survive_kill_and_stop(self):
        one, two = self.admin.create_sku(stock=1), self.admin.create_sku(stock=9)
        single, several = new_key(), new_key()
        first = self.guest.reserve(one, key=single, expect=201)
        basket = self.guest.reserve_items((two, 2), (two, 1), key=several, expect=201)
        for end in (self.server.kill, self.server.stop, self.server.kill):
            self.admin.close()
            self.guest.close()
            end()
            self.server.restart()
            again = self.guest.reserve(one, key=single, expect=201)
            self.assertEqual(again.body, first.body)
            self.assertEqual(again.header("idempotent-replayed"), "true")
            again = self.guest.reserve_items((two, 2), (two, 1), key=several, expect=201)
            self.assertEqual(again.body, basket.body)
            self.guest.reserve(one, 2, key=single, expect=422, code="idempotency_key_reused")
            self.assertEqual(self.admin.inventory(two)["reserved"], 3)
            self.other_guest().reserve(one, expect=409, code="sold_out")

    def test_keys_of_other_writes_survive_a_kill(self):
        """A delivery that is booked twice because the server fell between answer and repeat is stock that is not there."""
        sku, key = self.admin.create_sku(stock=9), new_key()
        first = self.admin.adjust(sku, delta=7, key=key)
        self.admin.close()
        self.guest.close()
        self.server.kill()
        self.server.restart()
        again = self.admin.adjust(sku, delta=7, key=key)
        self.assertEqual(again.body, first.body)
        self.assertEqual(self.admin.inventory(sku)["stock"], 16)
