/* SPDX-License-Identifier: Apache-2.0 */
/* What follows when an order's status changes: it is counted. */
#include "engine_private.h"
#include "orders_private.h"

const uint32_t order_stage_bounds_s[ORDER_STAGE_BUCKETS] = {
    60,        300,       1800,      3600,      4 * 3600,  12 * 3600,
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

/* ---- a change ---- */

void order_note_changes(struct shard *shard, struct order_slot *slot)
{
    const struct order_record *order = &slot->subject.order;

    for (; slot->timeline_seen < order->timeline_count; slot->timeline_seen++)
        count_change(&shard->order_metrics, order, slot->timeline_seen);
}
