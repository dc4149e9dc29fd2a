/* SPDX-License-Identifier: Apache-2.0 */
/* Orders through the engine when the gateway is away, late, or gives no word: what is not known is
 * asked for, and nothing is charged or paid back twice. */
#include "order_fixture.h"

static void a_capture_without_a_word_is_asked_for_until_it_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.result[GATEWAY_CAPTURE] = GATEWAY_UNKNOWN;
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PENDING);
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10); /* a pinned hold does not lapse */
    settle(fixture);
    assert_stock(fixture, "SHOE", 8, 2, 0);
    assert_int_equal(fixture_crash(fixture), 0);
    till.result[GATEWAY_CAPTURE] = GATEWAY_DONE;
    fixture_advance(fixture, 120 * 1000);
    settle(fixture);
    assert_stock(fixture, "SHOE", 8, 0, 2);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_int_equal(till.captured, UNITS * PRICE);
}

static void a_gateway_that_is_away_undoes_the_beginning(void **state)
{
    struct fixture *fixture = *state;
    struct hold_view hold = hold_units(fixture, 1);
    struct order_envelope *envelope = checkout(fixture, 1, &hold, 9);

    till.result[GATEWAY_CREATE] = GATEWAY_UNAVAILABLE;
    assert_int_equal(ask(fixture, envelope), OUTCOME_GATEWAY_UNAVAILABLE);
    assert_stock(fixture, "SHOE", 8, 2, 0); /* the hold is kept, and nobody's */
    till.result[GATEWAY_CREATE] = GATEWAY_DONE;
    envelope = checkout(fixture, 1, &hold, 9);
    assert_int_equal(ask(fixture, envelope), OUTCOME_OK);
    assert_int_equal(envelope->replayed, 0);
}

static void money_that_comes_too_late_goes_back(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);

    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10);
    settle(fixture);
    till.is_cancelled = false;
    till.captured = UNITS * PRICE;
    assert_int_equal(tell(fixture, &order, "evt_9", PAYMENT_CAPTURED, UNITS * PRICE), OUTCOME_OK);
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* As Stripe does with an error of its own: whatever happened, the key's answer is the error. */
static void a_refund_whose_answer_is_lost_for_good_is_looked_for(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.kept[GATEWAY_REFUND] = true;
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING);
    for (int i = 0; i < 12; i++) {
        fixture_advance(fixture, 60 * 1000);
        settle(fixture);
    }
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_int_equal(calls_of(GATEWAY_QUERY), 1);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_int_equal(answer.order.refunded_minor, UNITS * PRICE);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* The gateway may have forgotten its key meanwhile. */
static void a_refund_is_looked_for_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.silent = true;
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING);
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_int_equal(fixture_crash(fixture), 0);
    late_cookie = 0;
    memset(till.calls, 0, sizeof(till.calls)); /* and so a repeat would be a second refund */
    till.silent = false;
    settle(fixture);
    fixture_advance(fixture, 60 * 1000);
    settle(fixture);
    assert_int_equal(till.refunded, UNITS * PRICE);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
}

static void a_capture_refused_without_a_word_of_the_payment_is_not_taken_for_undone(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.kept[GATEWAY_CAPTURE] = true; /* done, and no word of it */
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PENDING);
    assert_int_equal(till.captured, UNITS * PRICE);
    till.kept[GATEWAY_CAPTURE] = false;
    till.result[GATEWAY_CAPTURE] = GATEWAY_REFUSED;
    till.result[GATEWAY_CANCEL] = GATEWAY_REFUSED;
    till.mute[GATEWAY_CAPTURE] = true;
    for (int i = 0; i < 4; i++) {
        fixture_advance(fixture, 60 * 1000);
        settle(fixture);
    }
    assert_int_equal(till.refunded, UNITS * PRICE);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_PAYMENT_FAILED);
    assert_int_equal(answer.order.captured_minor, answer.order.refunded_minor);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* Its own payment's answer is not there yet: another's must not be taken for it. */
static void an_event_before_the_payment_is_known_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct hold_view hold = hold_units(fixture, 1);
    struct order_envelope *order = checkout(fixture, 1, &hold, 9);
    struct order_envelope question = *order;
    struct order_envelope event = {.who_count = 0};
    struct command command = {.type = COMMAND_ORDER,
                              .order = order_envelope_create(ORDER_CALL_CREATE)};
    enum outcome outcome;
    uint64_t cookie;

    till.result[GATEWAY_CREATE] = GATEWAY_UNKNOWN;
    *command.order = question;
    cookie = fixture_submit(fixture, 1, &command, &outcome);
    settle(fixture);
    assert_true(calls_of(GATEWAY_CREATE) > 0);
    order_id_parse(till.calls[0].order_id, strlen(till.calls[0].order_id),
                   &engine_secrets(fixture->engine)->id_key, &event.id);
    assert_int_equal(tell(fixture, &event, "evt_x", PAYMENT_AUTHORISED, UNITS * PRICE), OUTCOME_OK);
    assert_int_equal(calls_of(GATEWAY_CAPTURE) + calls_of(GATEWAY_CANCEL), 0);
    till.result[GATEWAY_CREATE] = GATEWAY_DONE;
    fixture_advance(fixture, 5000);
    settle(fixture);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    assert_int_equal(fixture->replies[cookie].reply.outcome, OUTCOME_OK);
    assert_int_equal(fixture->replies[cookie].reply.order->order.step, STEP_WAIT);
    envelope_free(fixture->replies[cookie].reply.order);
}

/* Nor is what was authorised taken for given back, when only the call was wrong. */
static void a_void_refused_without_a_word_of_the_payment_is_asked_again(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.authorised = UNITS * PRICE;
    till.result[GATEWAY_CANCEL] = GATEWAY_REFUSED;
    till.mute[GATEWAY_CANCEL] = true;
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING);
    fixture_advance(fixture, 1000);
    settle(fixture);
    assert_false(till.is_cancelled);
    till.result[GATEWAY_CANCEL] = GATEWAY_DONE;
    till.mute[GATEWAY_CANCEL] = false;
    fixture_advance(fixture, 60 * 1000);
    settle(fixture);
    assert_true(till.is_cancelled);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* A payment that the gateway does not know has an end all the same. */
static void a_payment_that_nobody_knows_holds_nothing_for_long(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.result[GATEWAY_CANCEL] = GATEWAY_REFUSED;
    till.mute[GATEWAY_CANCEL] = true;
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING);
    for (int i = 0; i < 20; i++) {
        fixture_advance(fixture, 2000);
        settle(fixture);
    }
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* No word from the gateway, ever: what has not begun by its time never was. */
static void a_beginning_without_an_end_gives_all_back(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = one_use_each(fixture);
    struct hold_view hold = hold_units(fixture, 1);

    till.result[GATEWAY_CREATE] = GATEWAY_UNKNOWN;
    assert_int_equal(ask(fixture, checkout_with(fixture, 1, &hold, 1, &coupon)), OUTCOME_PENDING);
    for (unsigned i = 0; i < 20; i++) {
        fixture_advance(fixture, 60 * 1000);
        settle(fixture);
    }
    assert_int_equal(fixture->reply_counts[late_cookie], 1);
    assert_stock(fixture, "SHOE", 10, 0, 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_USE), 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_ORDER), 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_ORDER_PERSON), 0);
    till.count = 0;
    till.result[GATEWAY_CREATE] = GATEWAY_DONE;
    hold = hold_units(fixture, 2);
    assert_int_equal(ask(fixture, checkout_with(fixture, 1, &hold, 1, &coupon)), OUTCOME_NOT_FOUND);
    assert_int_equal(ask(fixture, checkout_with(fixture, 2, &hold, 1, &coupon)), OUTCOME_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_capture_without_a_word_is_asked_for_until_it_is_known),
        TEST(a_gateway_that_is_away_undoes_the_beginning),
        TEST(money_that_comes_too_late_goes_back),
        TEST(an_event_before_the_payment_is_known_changes_nothing),
        TEST(a_beginning_without_an_end_gives_all_back),
        TEST(a_refund_whose_answer_is_lost_for_good_is_looked_for),
        TEST(a_refund_is_looked_for_after_a_restart),
        TEST(a_capture_refused_without_a_word_of_the_payment_is_not_taken_for_undone),
        TEST(a_void_refused_without_a_word_of_the_payment_is_asked_again),
        TEST(a_payment_that_nobody_knows_holds_nothing_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
