/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of events out: a shop whose orders are paid at once, and consumers that write down
 * what they are told and bring it back as the test wants. */
#ifndef STAMPEDE_TEST_EVENTS_FIXTURE_H
#define STAMPEDE_TEST_EVENTS_FIXTURE_H

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

static inline void write_down(struct listener *listener, const struct event_batch *batch,
                              uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(listener->count < TOLD_MAX);
        listener->with_content += batch->events[i].content != NULL;
        listener->told[listener->count] = batch->events[i];
        listener->told[listener->count++].content = NULL;
    }
}

static inline void finish(struct listener *listener, struct event_batch *batch)
{
    batch->done_count = batch->count;
    if (listener->done_of > 0 && batch->count > listener->done_of)
        batch->done_count = listener->done_of;
    batch->retry_ms = 50;
    write_down(listener, batch, batch->done_count);
    batch->done(batch);
}

static inline bool take(void *self, struct shard *shard, struct event_batch *batch)
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

static inline void let_go(struct listener *listener)
{
    uint32_t count = listener->held_count;

    listener->held_count = 0;
    for (uint32_t i = 0; i < count; i++)
        finish(listener, listener->held[i]);
}

/* A gateway by which everything succeeds. */
static inline bool pay_everything(void *self, struct gateway_job *job)
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

static inline bool yes(void *self, uint8_t provider)
{
    (void)self;
    (void)provider;
    return true;
}

static inline struct fixture *begin(void **state)
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

static inline int set_up(void **state)
{
    struct fixture *fixture = begin(state);

    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_product(fixture, "shoe", "SHOE", 200, 0), OUTCOME_OK);
    return 0;
}

static inline int set_up_two(void **state)
{
    struct fixture *fixture = begin(state);

    fixture->events[CONSUMER_WEBHOOKS] =
        (struct event_consumer_port){.self = &listeners[CONSUMER_WEBHOOKS], .take = take};
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_product(fixture, "shoe", "SHOE", 200, 0), OUTCOME_OK);
    return 0;
}

static inline void settle(struct fixture *fixture)
{
    for (int i = 0; i < 24; i++)
        fixture_run(fixture);
}

static inline enum outcome ask(struct fixture *fixture, struct order_envelope *envelope,
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
static inline struct reservation_id check_out(struct fixture *fixture, uint8_t who, uint64_t key)
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

static inline void pay(struct fixture *fixture, uint8_t who, const struct reservation_id *id)
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
static inline uint32_t buy(struct fixture *fixture, uint8_t who, uint32_t orders)
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
static inline void assert_told(const struct listener *listener, uint32_t partition, uint64_t first,
                               uint64_t newest)
{
    uint64_t next = first;

    for (uint32_t i = 0; i < listener->count; i++)
        if (listener->told[i].order.partition == partition)
            assert_int_equal(listener->told[i].sequence, next++);
    assert_int_equal(next, newest + 1);
}

static inline uint64_t cursor_of(const struct fixture *fixture, uint32_t consumer,
                                 uint32_t partition)
{
    struct record record;

    if (!journal_memory_find(fixture->journal, RECORD_CURSOR, partition, consumer, 0, &record))
        return 0;
    return record.cursor.sequence;
}

static inline struct engine_metrics metrics_of(const struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

#endif
