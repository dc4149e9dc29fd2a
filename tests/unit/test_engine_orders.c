/* SPDX-License-Identifier: Apache-2.0 */
/* Orders through the engine: the whole saga, refunds, what a restart takes up again. */
#include "order_fixture.h"

static void an_order_is_paid_and_sold(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_stock(fixture, "SHOE", 8, 2, 0);
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_int_equal(answer.order.captured_minor, UNITS * PRICE);
    assert_memory_equal(answer.text, "shoes", 5);
    assert_stock(fixture, "SHOE", 8, 0, 2);
    assert_int_equal(till.captured, UNITS * PRICE);
    /* Once more: the same answer, and nothing happens again. */
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    assert_int_equal(calls_of(GATEWAY_CAPTURE), 1);
    /* Also after a restart, read from the journal. */
    assert_int_equal(fixture_crash(fixture), 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_memory_equal(answer.text, "shoes", 5);
    answer.who[0] = buyer(2);
    assert_int_equal(ask(fixture, &answer), OUTCOME_NOT_FOUND);
}

static void a_checkout_s_key_makes_one_order(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct hold_view hold = {.id = order.order.hold, .lines = {{order.body.lines[0].sku_id, 2}}};
    struct order_envelope *again = checkout(fixture, 1, &hold, 101);

    assert_int_equal(ask(fixture, again), OUTCOME_OK);
    assert_int_equal(again->replayed, 1);
    assert_int_equal(again->id.sequence, order.id.sequence);
    again = checkout(fixture, 1, &hold, 101);
    again->order.fingerprint = 8;
    assert_int_equal(ask(fixture, again), OUTCOME_KEY_REUSED);
    again = checkout(fixture, 1, &hold, 55); /* the same hold for another order */
    assert_int_equal(ask(fixture, again), OUTCOME_HOLD_IN_USE);
    assert_int_equal(pay(fixture, &order, again), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    again = checkout(fixture, 1, &hold, 101);
    assert_int_equal(ask(fixture, again), OUTCOME_OK);
    assert_int_equal(again->replayed, 1);
    assert_int_equal(again->order.status, ORDER_CONFIRMED);
    again = checkout(fixture, 1, &hold, 55); /* free again: it never was */
    assert_int_equal(ask(fixture, again), OUTCOME_HOLD_ENDED);
}

static void a_declined_card_keeps_the_hold(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.result[GATEWAY_CONFIRM] = GATEWAY_DECLINED;
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PAYMENT_DECLINED);
    assert_stock(fixture, "SHOE", 8, 2, 0);
    till.result[GATEWAY_CONFIRM] = GATEWAY_DONE;
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
}

static void what_is_not_paid_expires_and_gives_all_back(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10);
    settle(fixture);
    assert_stock(fixture, "SHOE", 10, 0, 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_EXPIRED);
    assert_true(till.is_cancelled);
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_INVALID_STATE);
}

static void money_goes_back_once(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_REFUND);
    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = PRICE;
    answer.refund_key = 5;
    answer.restock = 1;
    answer.quantities[0] = 1;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_stock(fixture, "SHOE", 9, 0, 1);
    answer = about(&order, ORDER_CALL_REFUND);
    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = PRICE;
    answer.refund_key = 5;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.replayed, 1);
    assert_int_equal(till.refunded, PRICE);
    answer = about(&order, ORDER_CALL_REFUND);
    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = PRICE + 1;
    answer.refund_key = 6;
    assert_int_equal(ask(fixture, &answer), OUTCOME_REFUND_TOO_LARGE);
    answer.amount_minor = 0;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_REFUNDED);
    assert_int_equal(till.refunded, UNITS * PRICE);
}

static void a_customer_cancels_before_and_after_paying(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer = about(&order, ORDER_CALL_CANCEL);

    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_stock(fixture, "SHOE", 10, 0, 0);
    memset(&till, 0, sizeof(till));
    order = make_order(fixture, 2);
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_int_equal(till.refunded, till.captured);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

static void an_event_counts_once_and_only_with_the_right_amount(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.authorised = UNITS * PRICE;
    assert_int_equal(tell(fixture, &order, "evt_1", PAYMENT_AUTHORISED, 1), OUTCOME_OK);
    assert_stock(fixture, "SHOE", 8, 2, 0);
    assert_int_equal(tell(fixture, &order, "evt_2", PAYMENT_AUTHORISED, UNITS * PRICE), OUTCOME_OK);
    assert_int_equal(tell(fixture, &order, "evt_2", PAYMENT_AUTHORISED, UNITS * PRICE), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_int_equal(calls_of(GATEWAY_CAPTURE), 1);
    assert_stock(fixture, "SHOE", 8, 0, 2);
}

/* Who a customer was as a guest counts for a coupon's limit, also when the process dies between the
 * order's first record and the coupon's. */
static void a_restart_forgets_no_guest_of_a_coupon_s_customer(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = one_use_each(fixture);
    struct hold_view hold = hold_units(fixture, 1);
    struct command command = {.type = COMMAND_ORDER};
    enum outcome outcome;

    assert_int_equal(ask(fixture, checkout_with(fixture, 1, &hold, 1, &coupon)), OUTCOME_OK);
    hold = hold_units(fixture, 2);
    command.order = order_envelope_create(ORDER_CALL_CREATE);
    *command.order = *checkout_with(fixture, 2, &hold, 2, &coupon);
    command.order->who[1] = buyer(1);
    command.order->who_count = 2;
    assert_int_not_equal(fixture_submit(fixture, 1, &command, &outcome), 0);
    fixture_step(fixture, false);
    assert_int_not_equal(journal_memory_pending(fixture->journal), 0);
    journal_memory_crash(fixture->journal, true); /* its record is there, and nothing behind it */
    engine_destroy(fixture->engine);
    assert_int_equal(fixture_open(fixture), 0);
    settle(fixture);
    struct order_envelope *again = checkout_with(fixture, 2, &hold, 2, &coupon);

    again->who[1] = buyer(1);
    again->who_count = 2;
    assert_int_equal(ask(fixture, again), OUTCOME_COUPON_EXHAUSTED);
}

static struct order_envelope ask_refund(struct fixture *fixture, const struct order_envelope *order,
                                        uint64_t key, int64_t amount_minor, uint32_t units)
{
    struct order_envelope answer = about(order, ORDER_CALL_REFUND);

    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = amount_minor;
    answer.refund_key = key;
    answer.restock = units > 0;
    answer.quantities[0] = units;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    return answer;
}

static struct engine_metrics metrics_of(const struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

static void a_refund_that_the_gateway_does_not_answer_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.result[GATEWAY_REFUND] = GATEWAY_UNAVAILABLE;
    answer = staff(&order, ORDER_CALL_REFUND);
    answer.amount_minor = 1;
    answer.refund_key = 5;
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING);
    fixture_advance(fixture, fixture->options.request_timeout_ms);
    settle(fixture);
    assert_int_equal(fixture->reply_counts[late_cookie], 1);
    assert_int_equal(fixture->replies[late_cookie].reply.outcome, OUTCOME_GATEWAY_UNAVAILABLE);
    assert_true(order_refund_is_pending(&fixture->replies[late_cookie].reply.order->order, 5));
    till.result[GATEWAY_REFUND] = GATEWAY_DONE;
    fixture_advance(fixture, 60 * 1000);
    settle(fixture);
    assert_int_equal(till.refunded, 1);
    answer = ask_refund(fixture, &order, 5, 1, 0);
    assert_int_equal(answer.replayed, 1);
    assert_false(order_refund_is_pending(&answer.order, 5));
}

static void a_unit_is_refunded_once_unless_the_gateway_refused(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.result[GATEWAY_REFUND] = GATEWAY_REFUSED;
    for (uint64_t key = 5; key < 10; key++) {
        answer = staff(&order, ORDER_CALL_REFUND);
        answer.amount_minor = 1;
        answer.refund_key = key;
        answer.named[0] = key < 9 ? UNITS : 1;
        assert_int_equal(ask(fixture, &answer), key == 5   ? OUTCOME_GATEWAY_UNAVAILABLE
                                                : key == 6 ? OUTCOME_OK
                                                           : OUTCOME_REFUND_TOO_LARGE);
        assert_int_equal(answer.order.refunded_units[0], key == 5 ? 0 : UNITS);
        till.result[GATEWAY_REFUND] = GATEWAY_DONE;
        if (key == 7)
            assert_int_equal(fixture_crash(fixture), 0);
    }
    assert_int_equal(till.refunded, 1);
}

/* Somebody else's units were restocked too many times: these cannot be, and that is told. */
static void units_that_cannot_be_put_back_are_told_of(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct command command = {.type = COMMAND_STOCK_RESTOCK};
    struct order_envelope answer;
    struct message reply;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    command.restock.sku_id = order.body.lines[0].sku_id;
    command.restock.quantity = 1;
    command.restock.key.word[0] = 77;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_stock(fixture, "SHOE", 9, 0, 1);
    answer = staff(&order, ORDER_CALL_REFUND);
    answer.amount_minor = 2 * PRICE;
    answer.refund_key = 5;
    answer.restock = 1;
    answer.quantities[0] = 2;
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING); /* the sale may not be known there */
    for (int i = 0; i < 10; i++) {
        fixture_advance(fixture, 1000);
        settle(fixture);
    }
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_REFUNDED);
    assert_int_equal(answer.order.attention, ORDER_ATTENTION_RESTOCK_REFUSED);
    assert_int_equal(answer.order.restocked[0], 0);
    assert_stock(fixture, "SHOE", 9, 0, 1);
    assert_int_equal(metrics_of(fixture).orders_restock_refused, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.attention, ORDER_ATTENTION_RESTOCK_REFUSED);
    assert_int_equal(metrics_of(fixture).orders_restock_refused, 0); /* it was counted */
}

/* The process ends with the units back on the shelf and the order not knowing it, and begins again
 * long after; others come for room for their keys first. */
static void a_restocking_is_done_once_however_long_the_shop_was_closed(void **state)
{
    enum { LATER_MS = 72 * 3600 * 1000 };
    struct fixture *fixture = *state;
    struct command restock = {.type = COMMAND_STOCK_RESTOCK};
    struct command adjust = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;
    struct message reply;
    char key[8];

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    restock.restock.sku_id = order.body.lines[0].sku_id;
    restock.restock.quantity = 1;
    restock.restock.key.word[0] = 77;
    assert_int_equal(fixture_do(fixture, 0, &restock, &reply), OUTCOME_OK);
    fixture->now.wall_ms += LATER_MS;
    assert_int_equal(fixture_crash(fixture), 0);
    adjust.stock.sku = text("SHOE");
    adjust.stock.reason = text("found");
    adjust.stock.value = 1;
    for (unsigned i = 0; i < 70; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        adjust.stock.key = text(key);
        adjust.stock.body = text("body");
        assert_int_equal(fixture_do(fixture, 0, &adjust, &reply), OUTCOME_OK);
    }
    assert_int_equal(fixture_do(fixture, 0, &restock, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.replayed, 1);
    assert_stock(fixture, "SHOE", 79, 0, 1);
}

static void a_refund_is_answered_as_it_was_at_first(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope first;
    struct order_envelope again;

    assert_int_equal(pay(fixture, &order, &first), OUTCOME_OK);
    first = ask_refund(fixture, &order, 5, 100, 1);
    ask_refund(fixture, &order, 6, 0, 0);
    again = ask_refund(fixture, &order, 5, 100, 1);
    assert_int_equal(again.replayed, 1);
    assert_int_equal(again.order.status, ORDER_REFUNDED);
    order_show_refund(&again.order, 5);
    assert_int_equal(again.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_int_equal(again.order.refund_count, 1);
    assert_int_equal(again.order.refunded_minor, 100);
    assert_int_equal(again.order.timeline_count, first.order.timeline_count);
    order_show_refund(&again.order, 9); /* another's: nothing changes */
    assert_int_equal(again.order.refund_count, 1);
}

static enum outcome take_in_again(struct fixture *fixture, const struct order_envelope *order,
                                  const char *event, struct order_envelope *answer_out)
{
    struct payment_event named = {.provider = PROVIDER_SANDBOX};

    strcpy(named.event_id, event);
    *answer_out =
        (struct order_envelope){.call = ORDER_CALL_EVENT_REPLAY,
                                .authority = AUTHORITY_STAFF,
                                .id = {.partition = order->id.partition},
                                .event_place = event_in_place(&named, order->id.partition)};
    return ask(fixture, answer_out);
}

/* It comes before the answer that says whose payment it is. */
static void an_event_before_its_time_counts_when_it_is_taken_in_again(void **state)
{
    struct fixture *fixture = *state;
    struct hold_view hold = hold_units(fixture, 1);
    struct principal who = buyer(1);
    struct order_envelope order = {
        .call = ORDER_CALL_GET,
        .authority = AUTHORITY_STAFF,
        .id = {.partition = order_partition_of(&who, fixture->options.partitions), .sequence = 1}};
    struct order_envelope answer;

    till.silent = true;
    assert_int_equal(ask(fixture, checkout(fixture, 1, &hold, 101)), OUTCOME_PENDING);
    assert_int_equal(ask(fixture, &order), OUTCOME_OK);
    assert_int_equal(order.order.step, STEP_PAYMENT_CREATE);
    till.authorised = UNITS * PRICE;
    assert_int_equal(tell(fixture, &order, "evt_1", PAYMENT_AUTHORISED, UNITS * PRICE), OUTCOME_OK);
    assert_int_equal(take_in_again(fixture, &order, "evt_1", &answer), OUTCOME_OK);
    assert_int_equal(answer.event.effect, EVENT_STALE); /* still too early */
    till.silent = false;
    till.mute[GATEWAY_CREATE] = true; /* the answer is as it was at first */
    fixture_advance(fixture, 1000);
    settle(fixture);
    order.call = ORDER_CALL_GET;
    assert_int_equal(ask(fixture, &order), OUTCOME_OK);
    assert_int_equal(order.order.step, STEP_WAIT);
    assert_int_equal(take_in_again(fixture, &order, "evt_0", &answer), OUTCOME_NOT_FOUND);
    assert_int_equal(take_in_again(fixture, &order, "evt_1", &answer), OUTCOME_OK);
    assert_int_equal(answer.event.effect, EVENT_APPLIED);
    assert_int_equal(answer.replayed, 0);
    assert_int_equal(answer.id.created_ms, order.id.created_ms);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(take_in_again(fixture, &order, "evt_1", &answer), OUTCOME_OK);
        assert_int_equal(answer.event.effect, EVENT_APPLIED);
        assert_int_equal(answer.replayed, 1);
        assert_int_equal(answer.order.status, ORDER_CONFIRMED);
        assert_int_equal(calls_of(GATEWAY_CAPTURE), 1);
        assert_int_equal(fixture_crash(fixture), 0);
    }
    assert_stock(fixture, "SHOE", 8, 0, 2);
}

static void a_refund_made_at_the_gateway_is_in_the_books(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.refunded = 300;
    assert_int_equal(tell_refund(fixture, &order, "evt_1", 300), OUTCOME_OK);
    assert_int_equal(tell_refund(fixture, &order, "evt_1", 300), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.refunded_minor, 300);
    assert_int_equal(answer.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_int_equal(answer.order.attention, ORDER_ATTENTION_REFUNDED_ELSEWHERE);
    /* Others that no event has told of are seen with the answer to our own. */
    till.refunded += 50;
    answer = ask_refund(fixture, &order, 5, 100, 0);
    assert_int_equal(answer.order.refunded_minor, 450);
    assert_int_equal(answer.order.refund_count, 3);
    /* As many as there is room for, and more. */
    for (int64_t i = 0; i < ORDER_REFUNDS_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "evt_more%d", (int)i);
        till.refunded++;
        assert_int_equal(tell_refund(fixture, &order, name, 451 + i), OUTCOME_OK);
    }
    assert_int_equal(tell_refund(fixture, &order, "evt_fail", 0), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.refunded_minor, 450 + ORDER_REFUNDS_MAX);
    assert_int_equal(answer.order.refund_count, ORDER_REFUNDS_MAX - 1); /* one for our own */
    assert_int_equal(answer.order.attention,
                     ORDER_ATTENTION_REFUNDED_ELSEWHERE | ORDER_ATTENTION_REFUND_FAILED);
    assert_int_equal(metrics_of(fixture).orders_refunded_elsewhere, 1);
    assert_int_equal(metrics_of(fixture).orders_refund_failed, 1);
}

static void where_to_pay_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order;
    struct order_envelope answer;

    till.has_url = true;
    order = make_order(fixture, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(strlen(answer.order.redirect_url), PAYMENT_URL_MAX);
}

/* Each try has a key of its own at the gateway, however many there are. */
static void a_card_may_be_declined_often(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.result[GATEWAY_CONFIRM] = GATEWAY_DECLINED;
    for (unsigned i = 0; i < 300; i++) {
        till.count = 0;
        assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PAYMENT_DECLINED);
    }
    assert_int_equal(answer.order.attempts, 300);
    assert_non_null(strstr(till.calls[0].key, "-confirm-300"));
}

static enum outcome prolong(struct fixture *fixture, const struct order_envelope *order,
                            int64_t by_ms)
{
    struct order_envelope envelope = about(order, ORDER_CALL_PROLONG);

    envelope.id.created_ms = 0; /* as holds know it */
    envelope.authority = AUTHORITY_STAFF;
    envelope.expires_wall_ms = order->order.expires_wall_ms + by_ms;
    return ask(fixture, &envelope);
}

static void what_is_prolonged_expires_later(void **state)
{
    enum { LONGER_MS = 60 * 1000 };
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(prolong(fixture, &order, LONGER_MS), OUTCOME_OK);
    assert_int_equal(prolong(fixture, &order, LONGER_MS / 2), OUTCOME_OK); /* nothing is lost */
    assert_int_equal(fixture_crash(fixture), 0);
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10);
    settle(fixture);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_PENDING);
    assert_int_equal(answer.order.expires_wall_ms, order.order.expires_wall_ms + LONGER_MS);
    fixture_advance(fixture, LONGER_MS);
    settle(fixture);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_EXPIRED);
    assert_int_equal(prolong(fixture, &order, 2 * LONGER_MS), OUTCOME_HOLD_ENDED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_paid_and_sold),
        TEST(a_checkout_s_key_makes_one_order),
        TEST(a_declined_card_keeps_the_hold),
        TEST(what_is_not_paid_expires_and_gives_all_back),
        TEST(what_is_prolonged_expires_later),
        TEST(money_goes_back_once),
        TEST(a_customer_cancels_before_and_after_paying),
        TEST(an_event_counts_once_and_only_with_the_right_amount),
        TEST(an_event_before_its_time_counts_when_it_is_taken_in_again),
        TEST(a_restart_forgets_no_guest_of_a_coupon_s_customer),
        TEST(a_refund_that_the_gateway_does_not_answer_is_kept),
        TEST(a_unit_is_refunded_once_unless_the_gateway_refused),
        TEST(units_that_cannot_be_put_back_are_told_of),
        TEST(a_restocking_is_done_once_however_long_the_shop_was_closed),
        TEST(a_refund_is_answered_as_it_was_at_first),
        TEST(a_refund_made_at_the_gateway_is_in_the_books),
        TEST(where_to_pay_is_kept),
        TEST(a_card_may_be_declined_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
