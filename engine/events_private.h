/* SPDX-License-Identifier: Apache-2.0 */
/* What events_out.c (queues, marks, cursors), events_batches.c and events_retention.c share. All on
 * the shard's thread. */
#ifndef STAMPEDE_EVENTS_PRIVATE_H
#define STAMPEDE_EVENTS_PRIVATE_H

#include "engine_private.h"

static inline struct event_partition *event_partition_of(const struct shard *shard, uint32_t number)
{
    return &shard->engine->event_partitions[number];
}

/* Whether there is such a consumer. */
static inline bool event_is_configured(const struct shard *shard, uint32_t consumer)
{
    return shard->engine->ports.events[consumer].take != NULL;
}

static inline bool event_is_stopping(const struct shard *shard)
{
    return atomic_load_explicit(&shard->engine->failed, memory_order_relaxed) ||
           atomic_load_explicit(&shard->engine->draining, memory_order_relaxed);
}

/* ---- events_out.c ---- */

/* The partition has something for the consumer, and is neither queued nor under way. */
void events_queue_add(struct shard *shard, uint32_t consumer, uint32_t number);
/* The consumer has had all up to `done`; its cursor is recorded soon. */
void events_note_done(struct shard *shard, uint32_t consumer, uint32_t number, uint64_t done);

/* ---- events_batches.c ---- */

/* Begins the batch of the first partition in the queue, in a free slot; false: not now. */
bool events_batch_begin(struct shard *shard, uint32_t consumer, struct event_slot *slot);
/* In each turn, for a slot that is not free. */
void events_batch_step(struct shard *shard, struct event_slot *slot);
/* Frees what was read for it and not taken. */
void events_batch_free(struct event_slot *slot);

#endif
