/* SPDX-License-Identifier: Apache-2.0 */
/* Events out through the engine: who is told what, in which order, how often; busy consumers,
 * restarts, what is deleted when. */
#include "engine_fixture.h"

enum { TOLD_MAX = 1024, HELD_MAX = 32, PRICE = 1999, ORDERS = 3 };

/* A consumer that writes down what it is told. */
struct listener {
    struct event_out told[TOLD_MAX]; /* without `content` */
    uint32_t count;
    uint32_t with_content;
    bool is_busy;
    bool holds;       /* what it takes, until let_go */
    uint32_t done_of; /* of each batch, if that is less than there is; 0: all */
    struct event_batch *held[HELD_MAX];
    uint32_t held_count;
};

static struct listener listeners[EVENT_CONSUMER_COUNT];

static void write_down(struct listener *listener, const struct event_batch *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(listener->count < TOLD_MAX);
        listener->with_content += batch->events[i].content != NULL;
        listener->told[listener->count] = batch->events[i];
        listener->told[listener->count++].content = NULL;
    }
}

static void finish(struct listener *listener, struct event_batch *batch)
{
    batch->done_count = batch->count;
    if (listener->done_of > 0 && batch->count > listener->done_of)
        batch->done_count = listener->done_of;
    batch->retry_ms = 50;
    write_down(listener, batch, batch->done_count);
    batch->done(batch);
}

static bool take(void *self, struct shard *shard, struct event_batch *batch)
{
    struct listener *listener = self;

    (void)shard;
    assert_true(batch->count >= 1 && batch->count <= EVENTS_PER_BATCH_MAX);
    if (listener->is_busy)
        return false;
    if (!listener->holds) {
        finish(listener, batch);
        return true;
    }
    assert_true(listener->held_count < HELD_MAX);
    listener->held[listener->held_count++] = batch;
    return true;
}

static void let_go(struct listener *listener)
{
    uint32_t count = listener->held_count;

    listener->held_count = 0;
    for (uint32_t i = 0; i < count; i++)
        finish(listener, listener->held[i]);
}

/* A gateway by which everything succeeds. */
static bool pay_everything(void *self, struct gateway_job *job)
{
    static const uint8_t states[] = {
        [GATEWAY_CREATE] = PAYMENT_CREATED,   [GATEWAY_CONFIRM] = PAYMENT_AUTHORISED,
        [GATEWAY_CAPTURE] = PAYMENT_CAPTURED, [GATEWAY_CANCEL] = PAYMENT_CANCELLED,
        [GATEWAY_REFUND] = PAYMENT_CAPTURED,  [GATEWAY_QUERY] = PAYMENT_CREATED};

    (void)self;
    if (job->operation == GATEWAY_CREATE)
        strcpy(job->payment_id, "pay_1");
    job->result = GATEWAY_DONE;
    job->state = states[job->operation];
    job->captured_minor = job->state == PAYMENT_CAPTURED ? PRICE : 0;
    job->refunded_minor = 0;
    job->done(job);
    return true;
}

static bool yes(void *self, uint8_t provider)
{
    (void)self;
    (void)provider;
    return true;
}

static struct fixture *begin(void **state)
{
    struct fixture *fixture;

    memset(listeners, 0, sizeof(listeners));
    fixture_set_up(state);
    fixture = *state;
    fixture->options.orders_live_max = 64;
    fixture->gateway = (struct gateway_port){.submit = pay_everything, .has = yes, .confirms = yes};
    fixture->events[CONSUMER_FEED] = (struct event_consumer_port){
        .self = &listeners[CONSUMER_FEED], .wants_orders = true, .take = take};
    return fixture;
}

static int set_up(void **state)
{
    struct fixture *fixture = begin(state);

    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_product(fixture, "shoe", "SHOE", 200, 0), OUTCOME_OK);
    return 0;
}

static int set_up_two(void **state)
{
    struct fixture *fixture = begin(state);

    fixture->events[CONSUMER_WEBHOOKS] =
        (struct event_consumer_port){.self = &listeners[CONSUMER_WEBHOOKS], .take = take};
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_product(fixture, "shoe", "SHOE", 200, 0), OUTCOME_OK);
    return 0;
}

static void settle(struct fixture *fixture)
{
    for (int i = 0; i < 24; i++)
        fixture_run(fixture);
}

static enum outcome ask(struct fixture *fixture, struct order_envelope *envelope,
                        struct reservation_id *id_out)
{
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    enum outcome outcome;
    uint64_t cookie = fixture_submit(fixture, 1, &command, &outcome);

    assert_int_not_equal(cookie, 0);
    settle(fixture);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    *id_out = fixture->replies[cookie].reply.order->id;
    envelope_free(fixture->replies[cookie].reply.order);
    return (enum outcome)fixture->replies[cookie].reply.outcome;
}

/* A buyer's order, waiting for its payment. */
static struct reservation_id check_out(struct fixture *fixture, uint8_t who, uint64_t key)
{
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_CREATE);
    char name[24];
    struct message reply;
    struct reservation_id id;

    snprintf(name, sizeof(name), "key %llu", (unsigned long long)key);
    assert_int_equal(fixture_reserve(fixture, 0, who, name, "SHOE", 1, &reply), OUTCOME_OK);
    envelope->who[0] = buyer(who);
    envelope->who_count = 1;
    envelope->order.key.word[0] = key;
    envelope->order.hold = reply.reply.hold.id;
    envelope->order.expires_wall_ms = reply.reply.hold.deadline_wall_ms;
    memcpy(envelope->order.currency, "EUR", 4);
    envelope->order.provider = PROVIDER_SANDBOX;
    envelope->order.totals = (struct order_totals){.subtotal_minor = PRICE, .total_minor = PRICE};
    envelope->body.line_count = 1;
    envelope->body.lines[0] = (struct order_line){.sku_id = reply.reply.hold.lines[0].sku_id,
                                                  .quantity = 1,
                                                  .unit_price_minor = PRICE,
                                                  .total_minor = PRICE};
    envelope->person.key_length = 4;
    envelope->person.email_length = 3;
    assert_int_equal(ask(fixture, envelope, &id), OUTCOME_OK);
    return id;
}

static void pay(struct fixture *fixture, uint8_t who, const struct reservation_id *id)
{
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_CONFIRM);
    struct reservation_id same;

    envelope->who[0] = buyer(who);
    envelope->who_count = 1;
    envelope->id = *id;
    strcpy(envelope->method, "pm_card_visa");
    assert_int_equal(ask(fixture, envelope, &same), OUTCOME_OK);
}

/* A buyer's orders, each confirmed: two events each. */
static uint32_t buy(struct fixture *fixture, uint8_t who, uint32_t orders)
{
    static uint64_t key;
    uint32_t partition = 0;

    for (uint32_t i = 0; i < orders; i++) {
        struct reservation_id id = check_out(fixture, who, ++key);

        pay(fixture, who, &id);
        partition = id.partition;
    }
    return partition;
}

/* What was told of the partition is all up to `newest`, each once, in order, from `first` on. */
static void assert_told(const struct listener *listener, uint32_t partition, uint64_t first,
                        uint64_t newest)
{
    uint64_t next = first;

    for (uint32_t i = 0; i < listener->count; i++)
        if (listener->told[i].order.partition == partition)
            assert_int_equal(listener->told[i].sequence, next++);
    assert_int_equal(next, newest + 1);
}

static uint64_t cursor_of(const struct fixture *fixture, uint32_t consumer, uint32_t partition)
{
    struct record record;

    if (!journal_memory_find(fixture->journal, RECORD_CURSOR, partition, consumer, 0, &record))
        return 0;
    return record.cursor.sequence;
}

static struct engine_metrics metrics_of(const struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

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

/* ---- sold out ---- */

static struct reservation_id hold_last(struct fixture *fixture, const char *key, uint32_t quantity)
{
    struct message reply;

    assert_int_equal(fixture_reserve(fixture, 0, 1, key, "LAST", quantity, &reply), OUTCOME_OK);
    return reply.reply.hold.id;
}

static void end_hold(struct fixture *fixture, enum command_type type,
                     const struct reservation_id *id)
{
    struct message reply;

    assert_int_equal(fixture_hold(fixture, type, AUTHORITY_STAFF, 1, id, &reply), OUTCOME_OK);
    settle(fixture);
}

static void sell(struct fixture *fixture, const struct reservation_id *id)
{
    end_hold(fixture, COMMAND_HOLD_CONVERT, id);
}

static void adjust_last(struct fixture *fixture, int64_t delta)
{
    struct command command = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};
    struct message reply;

    command.stock.sku = text("LAST");
    command.stock.value = delta;
    command.stock.reason = text("count");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    settle(fixture);
}

static void assert_sold_out(const struct fixture *fixture, uint32_t times)
{
    const struct listener *feed = &listeners[CONSUMER_FEED];
    const struct sku_entry *sku =
        directory_find_sku(engine_inspect_directory(fixture->engine), "LAST", 4);

    assert_int_equal(feed->count, times);
    assert_int_equal(feed->with_content, 0);
    for (uint32_t i = 0; i < times; i++) {
        assert_int_equal(feed->told[i].type, EVENT_INVENTORY_SOLD_OUT);
        assert_int_equal(feed->told[i].sku_id, sku->sku_id);
        assert_int_equal(feed->told[i].order.partition, sku->product->partition);
        assert_int_equal(feed->told[i].order.sequence, 0);
        assert_int_equal(feed->told[i].status, ORDER_NONE);
    }
}

static void the_sale_of_the_last_unit_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct reservation_id first;
    struct reservation_id second;
    struct message reply;

    assert_int_equal(fixture_product(fixture, "last", "LAST", 3, 0), OUTCOME_OK);
    first = hold_last(fixture, "first", 2);
    second = hold_last(fixture, "second", 1);
    settle(fixture);
    assert_sold_out(fixture, 0); /* all are held: none is sold */
    sell(fixture, &first);
    assert_sold_out(fixture, 0); /* one is held still, and may come back */
    sell(fixture, &second);
    assert_sold_out(fixture, 1);
    fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &second, &reply);
    settle(fixture);
    assert_sold_out(fixture, 1);
    fixture_advance(fixture, 1000);
    settle(fixture);
    assert_int_equal(fixture_crash(fixture), 0);
    settle(fixture);
    fixture_hold(fixture, COMMAND_HOLD_CONVERT, AUTHORITY_STAFF, 1, &second, &reply);
    settle(fixture);
    assert_sold_out(fixture, 1); /* a restart tells nothing again */
}

static void what_is_restocked_can_be_sold_out_again(void **state)
{
    struct fixture *fixture = *state;
    struct reservation_id id;

    assert_int_equal(fixture_product(fixture, "last", "LAST", 1, 0), OUTCOME_OK);
    for (uint32_t times = 1; times <= 3; times++) {
        char key[8];

        snprintf(key, sizeof(key), "key %u", times);
        id = hold_last(fixture, key, 1);
        sell(fixture, &id);
        assert_sold_out(fixture, times);
        adjust_last(fixture, 1);
    }
    assert_sold_out(fixture, 3);
}

static void what_lapses_or_is_written_off_is_not_sold_out(void **state)
{
    struct fixture *fixture = *state;
    struct reservation_id first;
    struct reservation_id second;

    assert_int_equal(fixture_product(fixture, "last", "LAST", 2, 0), OUTCOME_OK);
    first = hold_last(fixture, "first", 1);
    second = hold_last(fixture, "second", 1);
    sell(fixture, &first);
    end_hold(fixture, COMMAND_HOLD_RELEASE, &second);
    assert_sold_out(fixture, 0);
    adjust_last(fixture, -1); /* nothing is left, but not by a sale */
    assert_sold_out(fixture, 0);
    adjust_last(fixture, 1);
    second = hold_last(fixture, "third", 1);
    sell(fixture, &second);
    assert_sold_out(fixture, 1);
}

static void a_sale_of_many_lines_tells_of_each(void **state)
{
    struct fixture *fixture = *state;
    struct listener *feed = &listeners[CONSUMER_FEED];
    struct command_line lines[RESERVATION_LINES_MAX];
    char names[RESERVATION_LINES_MAX][8];
    struct command command;
    struct message reply;

    for (uint32_t i = 0; i < RESERVATION_LINES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "S%u", i);
        assert_int_equal(fixture_product(fixture, names[i], names[i], 1, 0), OUTCOME_OK);
        lines[i] = (struct command_line){.sku = text(names[i]), .quantity = 1};
    }
    command = reserve_command(lines, RESERVATION_LINES_MAX, 1, "all");
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    sell(fixture, &reply.reply.hold.id);
    settle(fixture);
    assert_int_equal(feed->count, RESERVATION_LINES_MAX);
    for (uint32_t i = 0; i < feed->count; i++) {
        assert_int_equal(feed->told[i].type, EVENT_INVENTORY_SOLD_OUT);
        for (uint32_t n = 0; n < i; n++)
            assert_int_not_equal(feed->told[i].sku_id, feed->told[n].sku_id);
    }
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
        TEST(the_sale_of_the_last_unit_is_told_once),
        TEST(what_is_restocked_can_be_sold_out_again),
        TEST(what_lapses_or_is_written_off_is_not_sold_out),
        TEST(a_sale_of_many_lines_tells_of_each),
        cmocka_unit_test_setup_teardown(one_consumer_does_not_hold_up_the_other, set_up_two,
                                        fixture_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
