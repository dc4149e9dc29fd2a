/* SPDX-License-Identifier: Apache-2.0 */
/* Orders through the engine, interrupted: refunds, logins and whole lives that a crash or a refusal
 * cuts at each of their turns end as they would have. */
#include "order_fixture.h"
#include "test_sample.h"

static enum outcome refund_of(struct fixture *fixture, const struct order_envelope *order,
                              uint64_t key, int64_t amount_minor)
{
    struct order_envelope call = staff(order, ORDER_CALL_REFUND);

    call.amount_minor = amount_minor;
    call.refund_key = key;
    return ask(fixture, &call);
}

static void refunds_that_are_refused_use_up_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = sell(fixture);
    struct order_envelope answer;

    till.result[GATEWAY_REFUND] = GATEWAY_REFUSED;
    for (unsigned i = 0; i < 3 * ORDER_REFUNDS_MAX; i++)
        assert_int_equal(refund_of(fixture, &order, 1 + i, i < 12 ? 10 : 0),
                         OUTCOME_GATEWAY_UNAVAILABLE);
    for (uint32_t i = 0; i < till.count; i++) /* a key that was refused is refused for a day */
        for (uint32_t n = 0; n < i; n++)
            assert_string_not_equal(till.calls[i].key, till.calls[n].key);
    till.result[GATEWAY_REFUND] = GATEWAY_DONE;
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_int_equal(answer.order.refunded_minor, UNITS * PRICE);
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* However often the gateway's own went back: there is room for all that is left. */
static void refunds_of_the_gateway_leave_room_for_what_is_left(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = sell(fixture);
    char name[16];

    for (int i = 1; i <= ORDER_REFUNDS_MAX; i++) {
        snprintf(name, sizeof(name), "evt_%d", i);
        till.refunded++;
        assert_int_equal(tell_refund(fixture, &order, name, i), OUTCOME_OK);
    }
    assert_int_equal(refund_of(fixture, &order, 6, 0), OUTCOME_OK);
    assert_int_equal(till.refunded, UNITS * PRICE);
}

/* So many turns of one shard, the committer or the journal, one after the other. */
static void step_turns(struct fixture *fixture, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++) {
        uint32_t which = i % (fixture->options.shards + 2);

        if (which < fixture->options.shards)
            shard_step(engine_shard(fixture->engine, which));
        else if (which == fixture->options.shards)
            committer_step(fixture->engine);
        else if (journal_memory_pending(fixture->journal) != 0)
            journal_memory_complete(fixture->journal, COMMIT_OK, true);
        while (journal_memory_reads_pending(fixture->journal) > 0)
            journal_memory_complete_read(fixture->journal);
    }
}

static uint64_t send(struct fixture *fixture, const struct order_envelope *question)
{
    struct order_envelope *envelope = order_envelope_create((enum order_call)question->call);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    enum outcome outcome;
    uint64_t cookie;

    *envelope = *question;
    cookie = fixture_submit(fixture, 1, &command, &outcome);
    assert_int_not_equal(cookie, 0);
    return cookie;
}

static void crash_in_a_refund(void **state, unsigned before, unsigned after)
{
    struct order_envelope order, call;
    struct fixture *fixture;
    uint64_t cookies[2];

    set_up(state);
    fixture = *state;
    order = sell(fixture);
    call = staff(&order, ORDER_CALL_REFUND);
    call.amount_minor = PRICE;
    call.refund_key = 5;
    call.restock = 1;
    call.quantities[0] = 1;
    cookies[0] = send(fixture, &call);
    step_turns(fixture, before);
    till.refunded += 50; /* somebody at the gateway */
    call = staff(&order, ORDER_CALL_EVENT);
    strcpy(call.event.event_id, "evt_else");
    strcpy(call.event.payment_id, "pay_1");
    memcpy(call.event.currency, "EUR", 4);
    call.event.refunded_minor = till.refunded;
    cookies[1] = send(fixture, &call);
    step_turns(fixture, after);
    journal_memory_crash(fixture->journal, true);
    engine_destroy(fixture->engine);
    for (unsigned i = 0; i < 2; i++)
        if (fixture->reply_counts[cookies[i]] == 1)
            envelope_free(fixture->replies[cookies[i]].reply.order);
    assert_int_equal(fixture_open(fixture), 0);
    for (int i = 0; i < 4; i++) {
        settle(fixture);
        fixture_advance(fixture, 60 * 1000);
    }
    call = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    if (call.order.refund_count > 0 && call.order.refunds[0].key == 5)
        assert_stock(fixture, "SHOE", 9, 0, 1);
    tear_down(state);
}

/* Wherever the process ends, and whatever the gateway tells meanwhile. */
static void what_goes_back_is_put_back_once(void **state)
{
    fixture_tear_down(state);
    for (unsigned before = 0; before < 40; before += 2)
        for (unsigned after = 0; after < 20; after += 2)
            if (test_takes(before * 10 + after / 2, 13))
                crash_in_a_refund(state, before, after);
    set_up(state);
}

/* One slice of each shard's holds is enough for one. */
static void log_in(struct fixture *fixture, uint8_t guest, uint8_t customer, unsigned turns)
{
    for (uint32_t shard = 0; shard < fixture->options.shards; shard++) {
        struct command command = {
            .type = COMMAND_HOLDS_ADOPT,
            .adopt = {.shard = shard,
                      .body = {.guest = buyer(guest), .customer = buyer(customer)}}};
        enum outcome outcome;

        assert_int_not_equal(fixture_submit(fixture, 0, &command, &outcome), 0);
    }
    step_turns(fixture, turns);
}

static void a_guest_who_logs_in_meanwhile_has_the_order(void **state)
{
    struct fixture *fixture = *state;
    struct hold_view hold = hold_units(fixture, 1);
    struct order_envelope *order = checkout(fixture, 1, &hold, 9);
    struct order_envelope answer;

    log_in(fixture, 1, 2, 16);
    assert_int_equal(ask(fixture, order), OUTCOME_OK);
    assert_int_equal(pay(fixture, order, &answer), OUTCOME_OK);
    assert_stock(fixture, "SHOE", 8, 0, 2);
}

/* Wherever the process ends, no hold is left behind that belongs to an order that is none. */
static void a_crash_in_a_login_leaves_no_hold_behind(void **state)
{
    fixture_tear_down(state);
    for (unsigned turns = 0; turns < 24; turns++) {
        struct order_envelope *envelope;
        struct fixture *fixture;
        struct hold_view hold;
        struct message reply;
        uint64_t cookie;

        set_up(state);
        fixture = *state;
        hold = hold_units(fixture, 1);
        envelope = checkout(fixture, 1, &hold, 9);
        cookie = send(fixture, envelope);
        step_turns(fixture, turns);
        log_in(fixture, 1, 2, 6);
        journal_memory_crash(fixture->journal, true);
        engine_destroy(fixture->engine);
        if (fixture->reply_counts[cookie] == 1)
            envelope_free(fixture->replies[cookie].reply.order);
        assert_int_equal(fixture_open(fixture), 0);
        settle(fixture);
        if (journal_memory_count(fixture->journal, RECORD_ORDER) == 0)
            assert_int_not_equal(
                fixture_hold(fixture, COMMAND_HOLD_RELEASE, AUTHORITY_STAFF, 2, &hold.id, &reply),
                OUTCOME_HOLD_IN_USE);
        tear_down(state);
    }
    set_up(state);
}

/* The process ends, with what was on its way to the disk on it or not; `calls` may be answered. */
static void crash_in(struct fixture *fixture, const uint64_t *calls, unsigned count, bool is_kept)
{
    journal_memory_crash(fixture->journal, is_kept);
    engine_destroy(fixture->engine);
    for (unsigned i = 0; i < count; i++)
        if (fixture->reply_counts[calls[i]] == 1)
            envelope_free(fixture->replies[calls[i]].reply.order);
    assert_int_equal(fixture_open(fixture), 0);
    for (int i = 0; i < 3; i++) {
        settle(fixture);
        fixture_advance(fixture, 2000);
    }
}

/* Checkout, payment and cancellation, each ended after so many turns and then asked for again as a
 * client does that has no answer: one order, paid once, given back once. */
static void crash_in_a_life(void **state, unsigned turns, bool is_kept)
{
    struct order_envelope order, call;
    struct fixture *fixture;
    struct coupon_view coupon;
    struct hold_view hold;
    uint64_t cookie;

    set_up(state);
    fixture = *state;
    coupon = one_use_each(fixture);
    hold = hold_units(fixture, 1);
    cookie = send(fixture, checkout_with(fixture, 1, &hold, 9, &coupon));
    step_turns(fixture, turns);
    crash_in(fixture, &cookie, 1, is_kept);
    call = *checkout_with(fixture, 1, &hold, 9, &coupon);
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    order = call;
    call = about(&order, ORDER_CALL_CONFIRM);
    strcpy(call.method, "pm_card_visa");
    cookie = send(fixture, &call);
    step_turns(fixture, turns);
    crash_in(fixture, &cookie, 1, is_kept);
    assert_int_equal(pay(fixture, &order, &call), OUTCOME_OK);
    assert_int_equal(call.order.status, ORDER_CONFIRMED);
    assert_int_equal(till.captured, UNITS * PRICE);
    assert_stock(fixture, "SHOE", 8, 0, 2);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_COUPON_PAST), 1);
    call = about(&order, ORDER_CALL_CANCEL);
    cookie = send(fixture, &call);
    step_turns(fixture, turns);
    crash_in(fixture, &cookie, 1, is_kept);
    call = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    assert_int_equal(call.order.status, ORDER_CANCELLED);
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_stock(fixture, "SHOE", 10, 0, 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_ORDER), 0);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_ORDER_PAST), 1);
    tear_down(state);
}

static void an_order_s_life_is_the_same_wherever_it_is_interrupted(void **state)
{
    fixture_tear_down(state);
    for (unsigned turns = 0; turns < 64; turns++) {
        if (!test_takes(turns, 13))
            continue;
        crash_in_a_life(state, turns, false);
        crash_in_a_life(state, turns, true);
    }
    set_up(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(refunds_that_are_refused_use_up_nothing),
        TEST(refunds_of_the_gateway_leave_room_for_what_is_left),
        TEST(what_goes_back_is_put_back_once),
        TEST(a_guest_who_logs_in_meanwhile_has_the_order),
        TEST(a_crash_in_a_login_leaves_no_hold_behind),
        TEST(an_order_s_life_is_the_same_wherever_it_is_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
