/* SPDX-License-Identifier: Apache-2.0 */
/* Events out through the engine: who is told what, in which order, how often; busy consumers,
 * restarts, what is deleted when. */
#include "events_fixture.h"

static void each_event_is_told_once_and_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition = buy(fixture, 1, ORDERS);

    settle(fixture);
    assert_told(feed, partition, 1, 2 * ORDERS);
    assert_int_equal(feed->with_content, 2 * ORDERS);
    for (uint32_t i = 0; i < feed->count; i++) {
        assert_int_equal(feed->told[i].type,
                         i % 2 == 0 ? EVENT_ORDER_CREATED : EVENT_ORDER_CONFIRMED);
        assert_int_equal(feed->told[i].status, i % 2 == 0 ? ORDER_PENDING : ORDER_CONFIRMED);
    }
    assert_int_equal(metrics_of(fixture).events_feed_done, 2 * ORDERS);
    assert_int_equal(metrics_of(fixture).events_gaps, 0);
}

static void nothing_is_told_before_it_is_durable(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    struct reservation_id id = check_out(fixture, 1, 1000);
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_CANCEL);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    enum outcome outcome;
    uint64_t cookie;

    settle(fixture);
    assert_told(feed, id.partition, 1, 1);
    envelope->who[0] = buyer(1);
    envelope->who_count = 1;
    envelope->id = id;
    cookie = fixture_submit(fixture, 0, &command, &outcome);
    /* Each step of the goodbye becomes durable, but not the last, which tells of it. */
    for (int i = 0; i < 40 && fixture->reply_counts[cookie] == 0; i++) {
        struct record record;

        fixture_step(fixture, false);
        assert_told(feed, id.partition, 1, 1);
        assert_false(
            journal_memory_find(fixture->journal, RECORD_EVENT_OUT, id.partition, 0, 2, &record));
        if (journal_memory_pending(fixture->journal) == 0)
            break;
        journal_memory_complete(fixture->journal, COMMIT_OK, true);
        if (journal_memory_find(fixture->journal, RECORD_EVENT_OUT, id.partition, 0, 2, &record))
            break;
    }
    settle(fixture);
    assert_told(feed, id.partition, 1, 2);
    assert_int_equal(feed->told[1].type, EVENT_ORDER_CANCELLED);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    envelope_free(fixture->replies[cookie].reply.order);
}

static void after_a_restart_it_goes_on_from_its_cursor(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition = buy(fixture, 1, ORDERS);

    settle(fixture);
    assert_int_equal(cursor_of(fixture, CONSUMER_FEED, partition), 0); /* at most once a second */
    fixture_advance(fixture, 1000);
    settle(fixture);
    assert_int_equal(cursor_of(fixture, CONSUMER_FEED, partition), 2 * ORDERS);
    memset(feed, 0, sizeof(*feed));
    assert_int_equal(fixture_crash(fixture), 0);
    settle(fixture);
    assert_int_equal(feed->count, 0);
    buy(fixture, 1, 1);
    settle(fixture);
    assert_told(feed, partition, 2 * ORDERS + 1, 2 * ORDERS + 2);
}

static void what_was_done_and_not_recorded_is_told_again(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition = buy(fixture, 1, ORDERS);

    fixture_advance(fixture, 1000);
    buy(fixture, 1, 1);
    settle(fixture);
    assert_told(feed, partition, 1, 2 * ORDERS + 2);
    assert_int_equal(cursor_of(fixture, CONSUMER_FEED, partition), 2 * ORDERS);
    memset(feed, 0, sizeof(*feed));
    assert_int_equal(fixture_crash(fixture), 0);
    settle(fixture);
    assert_told(feed, partition, 2 * ORDERS + 1, 2 * ORDERS + 2);
}

static void a_busy_consumer_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition;

    feed->is_busy = true;
    partition = buy(fixture, 1, 40); /* more than one batch */
    fixture_advance(fixture, 90 * 1000);
    settle(fixture);
    assert_int_equal(feed->count, 0);
    assert_int_equal(metrics_of(fixture).events_feed_waiting, 80);
    assert_true(metrics_of(fixture).events_oldest_seconds[CONSUMER_FEED] >= 90);
    feed->is_busy = false;
    for (int i = 0; i < 20; i++)
        fixture_advance(fixture, 100);
    assert_told(feed, partition, 1, 80);
    assert_int_equal(metrics_of(fixture).events_feed_waiting, 0);
    assert_int_equal(metrics_of(fixture).events_oldest_seconds[CONSUMER_FEED], 0);
}

static void what_is_not_done_is_offered_again(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition;

    feed->holds = true;
    partition = buy(fixture, 1, 1);
    buy(fixture, 1, 4);
    assert_int_equal(feed->held_count, 1);
    feed->holds = false;
    feed->done_of = 3;
    let_go(feed);
    for (int i = 0; i < 20; i++)
        fixture_advance(fixture, 100);
    assert_told(feed, partition, 1, 10);
}

static void a_partition_has_one_batch_at_a_consumer(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition;

    feed->holds = true;
    partition = buy(fixture, 1, 3);
    settle(fixture);
    assert_int_equal(feed->held_count, 1);
    let_go(feed);
    settle(fixture);
    assert_int_equal(feed->held_count, 1);
    feed->holds = false;
    let_go(feed);
    settle(fixture);
    assert_told(feed, partition, 1, 6);
}

static void one_consumer_does_not_hold_up_the_other(void **state)
{
    struct fixture *fixture = *state;
    uint32_t partition;

    listeners[CONSUMER_FEED].is_busy = true;
    partition = buy(fixture, 1, ORDERS);
    settle(fixture);
    assert_int_equal(listeners[CONSUMER_FEED].count, 0);
    assert_told(&listeners[CONSUMER_WEBHOOKS], partition, 1, 2 * ORDERS);
    assert_int_equal(listeners[CONSUMER_WEBHOOKS].with_content, 0); /* it did not ask for them */
    fixture_advance(fixture, 2000);
    assert_int_equal(cursor_of(fixture, CONSUMER_WEBHOOKS, partition), 2 * ORDERS);
    assert_int_equal(cursor_of(fixture, CONSUMER_FEED, partition), 0);
}

static void a_read_that_fails_is_repeated(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition;

    feed->is_busy = true;
    partition = buy(fixture, 1, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    feed->is_busy = false;
    journal_memory_fail_reads(fixture->journal, 2);
    settle(fixture);
    assert_int_equal(feed->count, 0);
    for (int i = 0; i < 10; i++)
        fixture_advance(fixture, 100);
    assert_told(feed, partition, 1, 2);
}

static void a_drain_waits_for_what_is_under_way_and_records_it(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition;

    feed->holds = true;
    partition = buy(fixture, 1, 1);
    engine_drain(fixture->engine);
    settle(fixture);
    assert_false(engine_is_idle(fixture->engine));
    let_go(feed);
    settle(fixture);
    assert_true(engine_is_idle(fixture->engine));
    assert_int_equal(feed->held_count, 0); /* nothing is begun any more */
    assert_true(cursor_of(fixture, CONSUMER_FEED, partition) >= 1);
    assert_int_equal(cursor_of(fixture, CONSUMER_FEED, partition), feed->count);
    feed->holds = false;
    assert_int_equal(fixture_crash(fixture), 0);
    settle(fixture);
    assert_told(feed, partition, 1, 2);
}

enum { DAY_MS = 24 * 3600 * 1000 };

static uint64_t rows_of(const struct fixture *fixture)
{
    return journal_memory_count(fixture->journal, RECORD_EVENT_OUT);
}

static void days_pass(struct fixture *fixture, int days)
{
    for (int i = 0; i < days * 24; i++)
        fixture_advance(fixture, DAY_MS / 24);
    for (int i = 0; i < 200; i++)
        fixture_advance(fixture, 20);
}

static void what_is_old_and_passed_is_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition = buy(fixture, 1, 40);

    days_pass(fixture, 6);
    assert_int_equal(rows_of(fixture), 80);
    buy(fixture, 1, 1);
    days_pass(fixture, 2);
    assert_int_equal(rows_of(fixture), 2);
    assert_int_equal(metrics_of(fixture).events_erased, 80);
    assert_told(feed, partition, 1, 82);
    /* Nobody reads the webhooks' part: its cursor went along, and that of the feed stays. */
    assert_int_equal(cursor_of(fixture, CONSUMER_WEBHOOKS, partition), 80);
    assert_int_equal(cursor_of(fixture, CONSUMER_FEED, partition), 82);
}

static void what_a_consumer_waits_for_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    uint32_t partition = buy(fixture, 1, 3);

    fixture_advance(fixture, 1000);
    feed->is_busy = true;
    buy(fixture, 1, 3);
    days_pass(fixture, 20);
    assert_int_equal(rows_of(fixture), 6);
    assert_int_equal(fixture_crash(fixture), 0);
    feed->is_busy = false;
    for (int i = 0; i < 10; i++)
        fixture_advance(fixture, 100);
    assert_told(feed, partition, 1, 12);
    days_pass(fixture, 2);
    assert_int_equal(rows_of(fixture), 0);
    /* Numbers go on where they were. */
    buy(fixture, 1, 1);
    settle(fixture);
    assert_told(feed, partition, 1, 14);
}

static void a_clock_that_leaps_deletes_nothing(void **state)
{
    struct fixture *fixture = *state;

    buy(fixture, 1, 1);
    days_pass(fixture, 1);
    fixture->now.wall_ms += 30LL * DAY_MS;
    for (int i = 0; i < 50; i++)
        fixture_advance(fixture, 60 * 1000);
    assert_int_equal(rows_of(fixture), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        TEST(each_event_is_told_once_and_in_order),
        TEST(nothing_is_told_before_it_is_durable),
        TEST(after_a_restart_it_goes_on_from_its_cursor),
        TEST(what_was_done_and_not_recorded_is_told_again),
        TEST(a_busy_consumer_is_waited_for),
        TEST(what_is_not_done_is_offered_again),
        TEST(a_partition_has_one_batch_at_a_consumer),
        TEST(a_read_that_fails_is_repeated),
        TEST(a_drain_waits_for_what_is_under_way_and_records_it),
        TEST(what_is_old_and_passed_is_deleted),
        TEST(what_a_consumer_waits_for_is_kept),
        TEST(a_clock_that_leaps_deletes_nothing),
        cmocka_unit_test_setup_teardown(one_consumer_does_not_hold_up_the_other, set_up_two,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
