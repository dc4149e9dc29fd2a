# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Keys of what is done with orders: the same answer again, byte for byte, whatever came after."""
from harness import in_threads, new_key
from test_checkout import DECLINED, VISA, look, pay
from test_orders_admin import PARCEL, StaffTest

REPLAYED = "idempotent-replayed"


class OrderKeys(StaffTest):
    def same(self, first, again):
        self.assertEqual((first.status, first.header(REPLAYED)), (200, None))
        self.assertEqual((again.status, again.header(REPLAYED)), (200, "true"))
        self.assertEqual(again.body, first.body)

    def pending(self, **fields):
        return self.order(self.guest, self.admin.create_sku(10), **fields)

    def test_a_payment_repeated_answers_as_at_first(self):
        for quoted in (False, True):
            order, key = self.pending(), new_key()
            first = pay(self.guest, order, key=key)
            self.do(order, "fulfil", {"tracking": PARCEL})
            self.refund(order, amount_minor=5)
            self.same(first, pay(self.guest, order, key=f'"{key}"' if quoted else key))
            self.assertEqual(look(self.guest, order).json()["status"], "partially_refunded")
            pay(self.guest, order, method="pm_card_mastercard", key=key, expect=422, code="idempotency_key_reused")

    def test_another_order_is_another_body(self):
        key = new_key()
        pay(self.guest, self.pending(), key=key, expect=200)
        other = self.pending()
        pay(self.guest, other, key=key, expect=422, code="idempotency_key_reused")
        self.assertEqual(look(self.guest, other).json()["status"], "pending_payment")

    def test_a_declined_payment_leaves_its_key(self):
        order, key = self.pending(), new_key()
        pay(self.guest, order, DECLINED, key=key, expect=402)
        first = pay(self.guest, order, VISA, key=key)
        self.same(first, pay(self.guest, order, VISA, key=key))

    def test_what_is_wrong_leaves_its_key(self):
        order, key = self.pending(), new_key()
        pay(self.guest, order, "", key=key, expect=422, code="validation_failed")
        pay(self.guest, {"id": order["id"][:-1] + "!"}, key=key, expect=404)
        pay(self.guest, order, key=key, expect=200)

    def test_a_key_is_its_callers_own(self):
        order, key = self.pending(), new_key()
        pay(self.guest, order, key=key, expect=200)
        pay(self.other_guest(), order, key=key, expect=404)

    def test_one_key_at_the_same_time(self):
        order, key, token = self.pending(), new_key(), self.guest.token

        def once(_):
            client = self.server.anonymous()
            client.token = token
            answer = pay(client, order, key=key)
            client.close()
            return answer

        answers = in_threads(8, once)
        self.assertLessEqual({(a.status, a.code) for a in answers}, {(200, None), (409, "idempotency_in_flight")})
        paid = [answer for answer in answers if answer.status == 200]
        self.assertEqual([answer.header(REPLAYED) for answer in paid].count(None), 1)
        self.assertEqual(len({answer.body for answer in paid}), 1)

    def test_a_cancellation_and_its_key(self):
        for paid in (False, True):
            order, key = self.pending(), new_key()
            if paid:
                pay(self.guest, order, expect=200)
            target = f"/v1/orders/{order['id']}/cancel"
            first = self.guest.call("POST", target, {}, key=key)
            self.same(first, self.guest.call("POST", target, key=key))

    def test_what_staff_do_and_its_keys(self):
        order = self.paid()[1]
        keys = [new_key() for _ in range(3)]
        packed = self.do(order, "fulfil", key=keys[0])
        shipped = self.do(order, "fulfil", {"tracking": PARCEL}, key=keys[1])
        arrived = self.do(order, "deliver", key=keys[2])
        self.refund(order, amount_minor=5)
        self.same(packed, self.do(order, "fulfil", key=keys[0]))
        self.same(shipped, self.do(order, "fulfil", {"tracking": PARCEL}, key=keys[1]))
        self.same(arrived, self.do(order, "deliver", key=keys[2]))
        other = {"tracking": {**PARCEL, "number": "X"}}
        self.do(order, "fulfil", other, key=keys[1], expect=422, code="idempotency_key_reused")
        order, key = self.paid()[1], new_key()
        self.same(self.do(order, "cancel", key=key), self.do(order, "cancel", key=key))
