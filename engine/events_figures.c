/* SPDX-License-Identifier: Apache-2.0 */
/* How far consumers of events are behind. */
#include "engine_private.h"

static void show_oldest(struct shard *shard, uint32_t consumer)
{
    const struct engine *engine = shard->engine;
    int64_t oldest_ms = INT64_MAX;
    uint64_t waiting = 0;

    for (uint32_t i = 0; i < engine->options.partitions; i++) {
        const struct event_partition *partition = &engine->event_partitions[i];
        const struct event_lane *lane = &partition->lanes[consumer];

        if (engine_shard_of(engine, i) != shard->index || lane->done >= partition->durable)
            continue;
        waiting += partition->durable - lane->done;
        if (lane->oldest_wall_ms != 0 && lane->oldest_wall_ms < oldest_ms)
            oldest_ms = lane->oldest_wall_ms;
    }
    atomic_store_explicit(&shard->events_oldest_wall_ms[consumer], oldest_ms, memory_order_relaxed);
    atomic_store_explicit(consumer == CONSUMER_FEED ? &shard->metrics.events_feed_waiting
                                                    : &shard->metrics.events_webhooks_waiting,
                          (int64_t)waiting, memory_order_relaxed);
}

int64_t events_out_oldest_seconds(const struct engine *engine, uint32_t consumer)
{
    int64_t oldest_ms = INT64_MAX;
    int64_t age_ms;

    for (uint32_t i = 0; i < engine->options.shards; i++) {
        int64_t wall_ms = atomic_load_explicit(&engine->shards[i]->events_oldest_wall_ms[consumer],
                                               memory_order_relaxed);

        oldest_ms = wall_ms < oldest_ms ? wall_ms : oldest_ms;
    }
    age_ms = oldest_ms == INT64_MAX ? 0 : engine_now(engine).wall_ms - oldest_ms;
    return age_ms > 0 ? age_ms / 1000 : 0;
}

void events_figures_show(struct shard *shard)
{
    shard->events_out.shown_boot_ms = shard->now.boot_ms;
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++)
        if (shard->engine->ports.events[consumer].take != NULL)
            show_oldest(shard, consumer);
}
