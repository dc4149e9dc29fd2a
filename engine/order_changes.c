/* SPDX-License-Identifier: Apache-2.0 */
/* What follows when an order's status changes: it is counted, and told to who waits for it. */
#include "engine_private.h"
#include "orders_private.h"

const uint32_t order_stage_bounds_s[ORDER_STAGE_BUCKETS] = {
    60,        300,       1800,      3600,       4 * 3600,   12 * 3600,
    24 * 3600, 48 * 3600, 72 * 3600, 168 * 3600, 336 * 3600, 720 * 3600};

/* ---- figures ---- */

static bool is_stage(uint8_t status)
{
    return status == ORDER_FULFILLING || status == ORDER_SHIPPED || status == ORDER_DELIVERED;
}

/* Whether it had this status before the timeline's entry `number`: partly refunded, it may come to
 * a stage again. */
static bool was_there(const struct order_record *order, uint32_t number)
{
    for (uint32_t i = 0; i < number; i++)
        if (order->timeline[i].status == order->timeline[number].status)
            return true;
    return false;
}

static void count_change(struct shard_order_metrics *metrics, const struct order_record *order,
                         uint32_t number)
{
    const struct order_moment *moment = &order->timeline[number];
    int64_t took_ms = moment->wall_ms - order->confirmed_wall_ms;
    uint32_t bucket = 0;

    metric_add(&metrics->reached[moment->status], 1);
    if (!is_stage(moment->status) || order->confirmed_wall_ms == 0 || was_there(order, number))
        return;
    if (took_ms < 0) /* the wall clock was set back */
        took_ms = 0;
    while (bucket < ORDER_STAGE_BUCKETS && took_ms > order_stage_bounds_s[bucket] * INT64_C(1000))
        bucket++;
    metric_add(&metrics->stages[moment->status].buckets[bucket], 1);
    metric_add(&metrics->stages[moment->status].sum_ms, took_ms);
}

void engine_order_metrics(const struct engine *engine, struct order_metrics *metrics_out)
{
    *metrics_out = (struct order_metrics){0};
    for (uint32_t i = 0; i < engine->options.shards; i++) {
        const struct shard_order_metrics *metrics = &engine->shards[i]->order_metrics;

        for (uint32_t status = 0; status < ORDER_STATUS_COUNT; status++) {
            metrics_out->reached[status] +=
                atomic_load_explicit(&metrics->reached[status], memory_order_relaxed);
            metrics_out->stages[status].sum_ms +=
                atomic_load_explicit(&metrics->stages[status].sum_ms, memory_order_relaxed);
            for (uint32_t bucket = 0; bucket <= ORDER_STAGE_BUCKETS; bucket++)
                metrics_out->stages[status].buckets[bucket] += atomic_load_explicit(
                    &metrics->stages[status].buckets[bucket], memory_order_relaxed);
        }
    }
}

/* ---- who waits ---- */

static void on_told(struct shard_completion *completion)
{
    struct order_watch *watch =
        (struct order_watch *)(void *)((char *)completion -
                                       offsetof(struct order_watch, completion));

    watch->told(watch);
}

void order_watch_init(struct order_watch *watch, struct shard *shard,
                      void (*told)(struct order_watch *watch))
{
    *watch = (struct order_watch){.told = told, .completion = {.shard = shard, .take = on_told}};
}

static struct order_watch **bucket_of(struct shard *shard, uint32_t partition, uint64_t sequence)
{
    return &shard->orders.watches
                .buckets[order_slot_hash(shard, partition, sequence) % ORDER_WATCH_BUCKETS];
}

static bool is_for(const struct order_watch *watch, uint32_t partition, uint64_t sequence)
{
    return watch->partition == partition && watch->sequence == sequence;
}

enum outcome order_watch_add(struct shard *shard, const struct order_slot *slot,
                             struct order_envelope *envelope)
{
    struct order_watches *watches = &shard->orders.watches;
    const struct order_subject *subject = &slot->subject;
    struct order_watch **bucket = bucket_of(shard, subject->partition, subject->sequence);
    uint32_t count = 0;

    if (order_is_final((enum order_status)subject->order.status))
        return OUTCOME_OK;
    for (const struct order_watch *at = *bucket; at != NULL; at = at->next)
        count += is_for(at, subject->partition, subject->sequence);
    if (count >= ORDER_WATCHES_EACH || watches->count >= ORDER_WATCHES_MAX)
        return OUTCOME_OVERLOADED;
    envelope->is_watched = 1;
    envelope->watch->partition = subject->partition;
    envelope->watch->sequence = subject->sequence;
    envelope->watch->next = *bucket;
    *bucket = envelope->watch;
    watches->count++;
    return OUTCOME_OK;
}

/* Takes the first one for this order, or this one (NULL: any) out of its bucket. */
static struct order_watch *take_out(struct shard *shard, uint32_t partition, uint64_t sequence,
                                    const struct order_watch *wanted)
{
    struct order_watch **link = bucket_of(shard, partition, sequence);

    for (; *link != NULL; link = &(*link)->next) {
        struct order_watch *watch = *link;

        if (!is_for(watch, partition, sequence) || (wanted != NULL && watch != wanted))
            continue;
        *link = watch->next;
        watch->next = NULL;
        shard->orders.watches.count--;
        return watch;
    }
    return NULL;
}

void order_watch_remove(struct shard *shard, struct order_envelope *envelope)
{
    envelope->is_watched =
        take_out(shard, envelope->partition, envelope->id.sequence, envelope->watch) != NULL;
}

/* Behind the batch that holds the change. */
static void tell_watches(struct shard *shard, const struct order_slot *slot)
{
    struct order_watches *watches = &shard->orders.watches;
    const struct order_subject *subject = &slot->subject;
    struct order_watch *watch;

    if (watches->count == 0 ||
        (MUTANT(WATCH_MISSES_EXPIRY) && subject->order.status == ORDER_EXPIRED))
        return;
    while ((watch = take_out(shard, subject->partition, subject->sequence, NULL)) != NULL) {
        watch->serial = slot->write_serial;
        if (watches->told_last != NULL)
            watches->told_last->next = watch;
        else
            watches->told_first = watch;
        watches->told_last = watch;
    }
}

void order_watches_tell(struct shard *shard)
{
    struct order_watches *watches = &shard->orders.watches;

    while (watches->told_first != NULL && watches->told_first->serial <= shard->serial_returned &&
           !atomic_load_explicit(&shard->engine->failed, memory_order_relaxed)) {
        struct order_watch *watch = watches->told_first;

        watches->told_first = watch->next;
        if (watches->told_first == NULL)
            watches->told_last = NULL;
        shard_complete(&watch->completion);
    }
}

/* ---- a change ---- */

void order_note_changes(struct shard *shard, struct order_slot *slot)
{
    const struct order_record *order = &slot->subject.order;
    uint8_t seen = slot->timeline_seen;

    for (; slot->timeline_seen < order->timeline_count; slot->timeline_seen++)
        count_change(&shard->order_metrics, order, slot->timeline_seen);
    if (slot->timeline_seen != seen || order->status == ORDER_NONE)
        tell_watches(shard, slot);
}
