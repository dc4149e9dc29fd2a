/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners.h"

#include <inttypes.h>
#include <string.h>

#include "violation.h"
#include "world.h"

enum {
    HEAL_ROUNDS_MAX = 300,
    HEAL_ROUND_MS = 200,
    RETRY_MS_MAX = 50,
    AWAY_MS = (EVENTS_KEPT_S + 3600) * 1000,
    AWAY_RUNS_MS = 500,
    AWAY_TICK_MS = 100,
};

static const char *consumer_name(uint32_t consumer)
{
    return consumer == CONSUMER_FEED ? "the feed" : "the webhooks";
}

/* Where there are endpoints the webhooks are the engine's own: see hooks.c. */
static bool is_listening(const struct world *world, uint32_t consumer)
{
    return world->profile.orders > 0 &&
           (consumer != CONSUMER_WEBHOOKS || world->profile.hooks == 0);
}

void sim_listeners_start(struct world *world)
{
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT && world->profile.orders > 0; i++) {
        struct sim_listener *listener = &world->listeners.of[i];

        listener->busy_parts = sim_random_below(&world->random, 2) * 300000;
        listener->keep_parts = sim_random_below(&world->random, 1000001);
        listener->part_parts = sim_random_below(&world->random, 2) * 300000;
        listener->wants_orders = sim_random_below(&world->random, 2) == 0;
    }
}

/* ---- what is told ---- */

static void check_row(const struct world *world, uint32_t partition, const struct event_out *event)
{
    struct record record;

    if (!journal_memory_find(world->journal, RECORD_EVENT_OUT, partition, 0, event->sequence,
                             &record))
        violation("event %" PRIu64 " of partition %u was told, and is not durable", event->sequence,
                  partition);
    bool is_sold_out = record.event_out.type == EVENT_OUT_SOLD_OUT;
    uint64_t subject = is_sold_out ? event->sku_id : event->order.sequence;

    if ((is_sold_out ? ORDER_NONE : record.event_out.type) != event->status ||
        record.event_out.order != subject || record.event_out.wall_ms != event->wall_ms ||
        (is_sold_out ? event->order.sequence : event->sku_id) != 0 ||
        event_out_type(record.event_out.type) != (enum event_type)event->type)
        violation("event %" PRIu64 " of partition %u was told otherwise than it is stored",
                  event->sequence, partition);
}

/* Its order as it was shown is the one that it names, and not behind the event. */
static void check_content(const struct world *world, const struct sim_listener *listener,
                          const struct event_out *event)
{
    const struct order_envelope *content = event->content;
    struct record record;
    bool is_there = event->type == EVENT_ORDER_REFUNDED; /* makes an entry or not */

    if (!listener->wants_orders && content != NULL)
        violation("an order was asked for that its consumer does not want");
    if (event->type == EVENT_INVENTORY_SOLD_OUT && content != NULL)
        violation("an order was asked for, of a SKU that is sold out");
    if (!listener->wants_orders || event->type == EVENT_INVENTORY_SOLD_OUT)
        return;
    if (content == NULL) {
        if (journal_memory_find(world->journal, RECORD_ORDER_PAST, event->order.partition, 0,
                                event->order.sequence, &record))
            violation("an event was told without its order, which there is");
        return;
    }
    for (uint32_t i = 0; i < content->order.timeline_count; i++)
        is_there = is_there || content->order.timeline[i].status == event->status ||
                   content->order.timeline_count == ORDER_TIMELINE_MAX;
    if (content->id.sequence != event->order.sequence ||
        content->id.partition != event->order.partition ||
        content->id.created_ms != event->order.created_ms || !is_there)
        violation("an event came with another order than its own, or with an older state of it");
}

static void note_told(struct sim_listener *listener, uint32_t partition,
                      const struct event_out *event)
{
    if (event->sequence <= listener->seen[partition])
        return;
    if (listener->told_count == SIM_TOLD_MAX)
        violation("too many events: the simulator is too small");
    listener->seen[partition] = event->sequence;
    listener->told[listener->told_count++] = (struct sim_told){.partition = (uint16_t)partition,
                                                               .sequence = event->sequence,
                                                               .order = event->order.sequence,
                                                               .sku_id = event->sku_id,
                                                               .amount_minor = event->amount_minor,
                                                               .status = event->status,
                                                               .type = event->type};
}

static void check_batch(struct world *world, uint32_t consumer, const struct event_batch *batch)
{
    struct sim_listener *listener = &world->listeners.of[consumer];
    uint64_t next = batch->events[0].sequence;

    if (world->env.failed)
        violation("%s was told of events after the failure latch fell", consumer_name(consumer));
    if (next > listener->acknowledged[batch->partition] + 1)
        violation("%s is told of event %" PRIu64 " of partition %u, and has acknowledged those up "
                  "to %" PRIu64,
                  consumer_name(consumer), next, batch->partition,
                  listener->acknowledged[batch->partition]);
    if (next <= listener->seen[batch->partition])
        world_mark(world, MARK_EVENT_OUT_AGAIN);
    for (uint32_t i = 0; i < listener->held_count; i++)
        if (listener->held[i]->partition == batch->partition)
            violation("%s has two batches of partition %u at once", consumer_name(consumer),
                      batch->partition);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct event_out *event = &batch->events[i];

        if (event->sequence != next + i || event->order.partition != batch->partition)
            violation("%s is told of events of partition %u out of order", consumer_name(consumer),
                      batch->partition);
        check_row(world, batch->partition, event);
        check_content(world, listener, event);
    }
}

static void finish(struct world *world, uint32_t consumer, struct event_batch *batch)
{
    struct sim_listener *listener = &world->listeners.of[consumer];
    uint64_t *acknowledged = &listener->acknowledged[batch->partition];

    batch->done_count = batch->count;
    batch->retry_ms = sim_random_below(&world->random, RETRY_MS_MAX);
    if (world->phase == PHASE_SALE && sim_random_chance(&world->random, listener->part_parts)) {
        batch->done_count = sim_random_below(&world->random, batch->count + 1);
        world_mark(world, MARK_EVENTS_DONE_IN_PART);
    }
    for (uint32_t i = 0; i < batch->done_count; i++)
        note_told(listener, batch->partition, &batch->events[i]);
    if (batch->done_count > 0 && batch->events[batch->done_count - 1].sequence > *acknowledged)
        *acknowledged = batch->events[batch->done_count - 1].sequence;
    world_log(world, "%s is done with %u of %u events of partition %u, up to %" PRIu64,
              consumer_name(consumer), batch->done_count, batch->count, batch->partition,
              *acknowledged);
    batch->done(batch);
}

static bool take(void *self, struct shard *shard, struct event_batch *batch)
{
    const struct sim_listener_port *port = self;
    struct world *world = port->world;
    struct sim_listener *listener = &world->listeners.of[port->consumer];

    (void)shard;
    check_batch(world, port->consumer, batch);
    if (listener->is_away)
        return false;
    if (world->phase == PHASE_SALE &&
        (listener->is_busy || sim_random_chance(&world->random, listener->busy_parts))) {
        world_mark(world, MARK_LISTENER_BUSY);
        return false;
    }
    world_mark(world, MARK_EVENTS_TOLD);
    if (!sim_random_chance(&world->random, listener->keep_parts)) {
        finish(world, port->consumer, batch);
        return true;
    }
    assert(listener->held_count < SIM_HELD_MAX);
    listener->held[listener->held_count++] = batch;
    return true;
}

struct event_consumer_port sim_listener_port(struct world *world, uint32_t consumer)
{
    struct sim_listener_port *port = &world->listeners.ports[consumer];

    *port = (struct sim_listener_port){.world = world, .consumer = consumer};
    if (world->profile.orders == 0)
        return (struct event_consumer_port){0};
    return (struct event_consumer_port){
        .self = port, .take = take, .wants_orders = world->listeners.of[consumer].wants_orders};
}

/* ---- what they do ---- */

void sim_listeners_restart(struct world *world)
{
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++) {
        if (world->listeners.of[i].held_count > 0)
            world_mark(world, MARK_CRASH_EVENTS_UNDER_WAY);
        world->listeners.of[i].held_count = 0;
    }
}

bool sim_listeners_hold(const struct world *world)
{
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++)
        if (world->listeners.of[i].held_count > 0)
            return true;
    return false;
}

void sim_listeners_act(struct world *world)
{
    uint32_t consumer = sim_random_below(&world->random, EVENT_CONSUMER_COUNT);
    struct sim_listener *listener = &world->listeners.of[consumer];
    struct event_batch *batch;
    uint32_t which;

    if (world->phase == PHASE_SALE && sim_random_chance(&world->random, 20000))
        listener->is_busy = !listener->is_busy;
    if (listener->held_count == 0)
        return;
    which = sim_random_below(&world->random, listener->held_count);
    batch = listener->held[which];
    listener->held[which] = listener->held[--listener->held_count];
    finish(world, consumer, batch);
}

/* ---- what must be so ---- */

static uint64_t newest_of(const struct world *world, uint32_t partition)
{
    struct record record;

    if (!journal_memory_find(world->journal, RECORD_FLOOR, partition, FLOOR_EVENTS, 0, &record))
        return 0;
    return record.floor.next_sequence - 1;
}

void sim_listeners_check_cursor(struct world *world)
{
    uint32_t partition = (uint32_t)(world->step % world->profile.engine.partitions);
    uint32_t consumer =
        (uint32_t)(world->step / world->profile.engine.partitions % EVENT_CONSUMER_COUNT);
    struct record record;

    if (!is_listening(world, consumer) ||
        !journal_memory_find(world->journal, RECORD_CURSOR, partition, consumer, 0, &record))
        return;
    if (record.cursor.sequence > world->listeners.of[consumer].acknowledged[partition])
        violation("the cursor of %s in partition %u is at %" PRIu64
                  ", and acknowledged is %" PRIu64,
                  consumer_name(consumer), partition, record.cursor.sequence,
                  world->listeners.of[consumer].acknowledged[partition]);
}

static bool is_all_told(const struct world *world, uint32_t *partition_out)
{
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++)
        for (uint32_t p = 0; is_listening(world, i) && p < world->profile.engine.partitions; p++)
            if (world->listeners.of[i].acknowledged[p] != newest_of(world, p)) {
                *partition_out = p;
                return false;
            }
    return true;
}

static bool is_refund(uint8_t status)
{
    return status == ORDER_REFUNDED || status == ORDER_PARTIALLY_REFUNDED;
}

/* Each change of what has gone back was told once. */
static void check_refunds(const struct sim_listener *listener, const struct record *record)
{
    int64_t told_minor = 0;

    for (uint32_t i = 0; i < listener->told_count; i++)
        if (listener->told[i].partition == record->partition &&
            listener->told[i].order == record->sequence && is_refund(listener->told[i].status))
            told_minor += listener->told[i].amount_minor;
    if (told_minor != record->order.refunded_minor)
        violation("of order %" PRIu64 " of partition %u %lld are refunded, and %lld were told of",
                  record->sequence, record->partition, (long long)record->order.refunded_minor,
                  (long long)told_minor);
}

/* What was told of an order, refunds left out, is its timeline. */
static void check_order(const struct sim_listener *listener, const struct record *record)
{
    const struct order_record *order = &record->order;
    uint32_t next = 0;

    check_refunds(listener, record);
    if (order->timeline_count == ORDER_TIMELINE_MAX)
        return;
    for (uint32_t i = 0; i < listener->told_count; i++) {
        const struct sim_told *told = &listener->told[i];

        if (told->partition != record->partition || told->order != record->sequence ||
            is_refund(told->status))
            continue;
        while (next < order->timeline_count && is_refund(order->timeline[next].status))
            next++;
        if (next == order->timeline_count || order->timeline[next++].status != told->status)
            violation("of order %" PRIu64 " of partition %u was told otherwise than it went",
                      record->sequence, record->partition);
    }
    for (; next < order->timeline_count; next++)
        if (!is_refund(order->timeline[next].status))
            violation("of order %" PRIu64 " of partition %u not all was told", record->sequence,
                      record->partition);
}

static void check_orders(const struct world *world, const struct sim_listener *listener)
{
    for (uint32_t i = 0; i < listener->told_count; i++) {
        const struct sim_told *told = &listener->told[i];
        struct record record;

        /* One that came to nothing is not there. */
        if (told->status == ORDER_PENDING &&
            journal_memory_find(world->journal, RECORD_ORDER_PAST, told->partition, 0, told->order,
                                &record))
            check_order(listener, &record);
    }
}

void sim_listeners_leave(struct world *world)
{
    int64_t ahead_ms = world->wall.sets[world->wall.set_count - 1].ahead_ms + AWAY_MS;
    uint32_t consumer;

    if (world->profile.orders == 0 || ahead_ms > SIM_WALL_AHEAD_MAX_MS)
        return;
    consumer = sim_random_below(&world->random, EVENT_CONSUMER_COUNT);
    if (is_listening(world, consumer))
        world->listeners.of[consumer].is_away = sim_random_below(&world->random, 2) == 0;
}

/* In the meantime the shop goes on, and deletes what is past its time. */
static void come_back(struct world *world, void (*settle)(struct world *))
{
    const struct engine_options *options = &world->profile.engine;
    int64_t until_ms = world_now(world) + options->retention_period_ms +
                       options->retention_steady_ms + AWAY_RUNS_MS;
    bool is_away = false;

    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++)
        is_away = is_away || world->listeners.of[i].is_away;
    if (!is_away)
        return;
    wall_set(world, world->wall.sets[world->wall.set_count - 1].ahead_ms + AWAY_MS);
    while (world_now(world) < until_ms) {
        world_advance_clock(world, AWAY_TICK_MS);
        settle(world);
    }
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++)
        world->listeners.of[i].is_away = false;
    world_mark(world, MARK_LISTENER_AWAY);
}

void sim_listeners_heal(struct world *world, void (*settle)(struct world *))
{
    uint32_t partition = 0;

    if (world->profile.orders == 0)
        return;
    settle(world);
    come_back(world, settle);
    for (uint32_t rounds = 0; !is_all_told(world, &partition); rounds++) {
        if (rounds == HEAL_ROUNDS_MAX)
            violation("liveness: not all events of partition %u are told long after the last fault",
                      partition);
        world_advance_clock(world, HEAL_ROUND_MS);
        settle(world);
    }
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++)
        if (is_listening(world, i))
            check_orders(world, &world->listeners.of[i]);
}

void sim_listeners_check_sold_out(struct world *world, uint32_t sku_id, uint32_t count)
{
    for (uint32_t i = 0; i < EVENT_CONSUMER_COUNT; i++) {
        const struct sim_listener *listener = &world->listeners.of[i];
        uint32_t told = 0;

        if (!is_listening(world, i))
            continue;
        for (uint32_t n = 0; n < listener->told_count; n++)
            told += listener->told[n].type == EVENT_INVENTORY_SOLD_OUT &&
                    listener->told[n].sku_id == sku_id;
        if (told != count)
            violation("%s was told %u times that SKU %u is sold out, which it was %u times",
                      consumer_name(i), told, sku_id, count);
        if (count > 0)
            world_mark(world, count > 1 ? MARK_SOLD_OUT_AGAIN : MARK_SOLD_OUT_TOLD);
    }
}
