/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard looks for at leisure among orders and carts: keys to be wrapped anew, and what is
 * past its time. */
#include "forget_fixture.h"

/* ---- the vault's key ---- */

static int wrap_of(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = get(fixture, order);
    struct vault_wrapped_key wrapped;

    assert_int_equal(answer.person.key_length, VAULT_WRAPPED_KEY_BYTES);
    memcpy(wrapped.bytes, answer.person.key, sizeof(wrapped.bytes));
    return (int)fixture->vault.wrapped_by(fixture->vault.self, &wrapped);
}

static struct engine_vault_keys counted(const struct fixture *fixture)
{
    struct engine_vault_keys keys;

    engine_vault_keys(fixture->engine, &keys);
    return keys;
}

static void a_rotation_reaches_orders(void **state)
{
    enum { COUNT = 9 };
    struct fixture *fixture = *state;
    struct order_envelope orders[COUNT];
    struct principal who[COUNT];

    for (uint8_t i = 0; i < COUNT; i++) {
        who[i] = guest_of(i);
        orders[i] = i < 6 ? make_paid(fixture, &who[i], 100 + i)
                          : make_order(fixture, &who[i], 100 + i); /* lives */
    }
    serve_with(fixture, &both_keys);
    assert_int_equal(wrap_of(fixture, &orders[0]), VAULT_WRAPPED_BY_PREVIOUS);
    pass(fixture, 200);
    serve_with(fixture, &both_keys); /* a crash in the midst */
    pass(fixture, 4 * SECOND_MS);
    assert_int_equal(counted(fixture).previous, 0);
    serve_with(fixture, &new_keys);
    pass(fixture, SECOND_MS);
    assert_int_equal(counted(fixture).unreadable, 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(wrap_of(fixture, &orders[i]), VAULT_WRAPPED_BY_CURRENT);
}

/* Asked for after it was forgotten. */
static void a_key_is_not_wrapped_for_a_forgotten_order(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_sent(fixture, &guest, 100);
    struct order_envelope known = get(fixture, &order);
    struct order_envelope rewrap = about(&order, ORDER_CALL_REWRAP);
    struct order_envelope forget = about(&order, ORDER_CALL_FORGET);

    assert_int_equal(ask_order(fixture, &forget), OUTCOME_OK);
    rewrap.person.key_length = known.person.key_length;
    memcpy(rewrap.old_key, known.person.key, known.person.key_length);
    assert_int_equal(ask_order(fixture, &rewrap), OUTCOME_STALE);
    assert_false(knows_person(fixture, &order));
    assert_int_equal(stored(fixture, RECORD_ORDER_PERSON), 0);
}

/* ---- what is past its time ---- */

static void a_checkout_s_key_is_good_for_seven_days(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_paid(fixture, &guest, 100);
    struct order_envelope *again;

    leap(fixture, ORDER_KEY_KEPT_S - 3600);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).checkout_keys_forgotten, 0);
    again = checkout(fixture, &guest, &order.order.hold, 100);
    assert_int_equal(ask_order(fixture, again), OUTCOME_OK);
    assert_int_equal(again->replayed, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    leap(fixture, 3600);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).checkout_keys_forgotten, 1);
    assert_int_equal(stored(fixture, RECORD_CHECKOUT), 0);
    assert_int_equal(get(fixture, &order).order.forgotten, ORDER_FORGOT_KEY);
    again = checkout(fixture, &guest, &order.order.hold, 100);
    assert_int_equal(ask_order(fixture, again), OUTCOME_NOT_FOUND); /* its hold, long since */
    assert_true(knows_person(fixture, &order));
    assert_int_equal(get(fixture, &order).order.status, ORDER_CONFIRMED);
}

static enum outcome tell(struct fixture *fixture, const struct order_envelope *order,
                         const char *event)
{
    struct order_envelope envelope = about(order, ORDER_CALL_EVENT);

    strcpy(envelope.event.event_id, event);
    strcpy(envelope.event.payment_id, "pay_1");
    return ask_order(fixture, &envelope);
}

static void an_event_is_known_for_thirty_days(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_paid(fixture, &guest, 100);

    assert_int_equal(tell(fixture, &order, "evt_1"), OUTCOME_OK);
    leap(fixture, ORDER_EVENT_KEPT_S - 3600);
    assert_int_equal(tell(fixture, &order, "evt_2"), OUTCOME_OK);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(stored(fixture, RECORD_EVENT_IN), 2);
    leap(fixture, 3600);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).events_forgotten, 1);
    assert_int_equal(stored(fixture, RECORD_EVENT_IN), 1);
}

/* A clock that is set ahead, and back before it has run evenly, deletes nothing. */
static void a_leap_of_the_clock_deletes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_paid(fixture, &guest, 100);

    fill_cart(fixture, &guest);
    assert_int_equal(tell(fixture, &order, "evt_1"), OUTCOME_OK);
    for (int i = 0; i < 12; i++) {
        leap(fixture, 400LL * DAY_S);
        pass(fixture, 9 * SECOND_MS);
        leap(fixture, -400LL * DAY_S);
        pass(fixture, 9 * SECOND_MS);
    }
    assert_int_equal(stored(fixture, RECORD_EVENT_IN), 1);
    assert_int_equal(stored(fixture, RECORD_CHECKOUT), 1);
    assert_int_equal(stored(fixture, RECORD_CART), 1);
}

/* Carts go by the wall clock too, also for who is started anew each day. */
static void carts_expire_across_restarts(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct principal person = register_person(fixture, 1);
    int64_t expired = 0;

    fill_cart(fixture, &guest);
    fill_cart(fixture, &person);
    for (int day = 0; day < 92; day++) {
        bool had_guests = day * DAY_S < CART_GUEST_TTL_S;
        bool had_persons = day * DAY_S < CART_CUSTOMER_TTL_S;

        serve_with(fixture, &old_keys);
        for (int i = 0; i < 3; i++)
            fixture_advance(fixture, 5 * SECOND_MS);
        assert_int_equal(stored(fixture, RECORD_CART), (unsigned)(had_guests + had_persons));
        expired += metrics_of(fixture).carts_expired;
        leap(fixture, DAY_S);
    }
    assert_int_equal(expired, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, vault_tear_down)
        TEST(a_rotation_reaches_orders),
        TEST(a_key_is_not_wrapped_for_a_forgotten_order),
        TEST(a_checkout_s_key_is_good_for_seven_days),
        TEST(an_event_is_known_for_thirty_days),
        TEST(a_leap_of_the_clock_deletes_nothing),
        TEST(carts_expire_across_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
