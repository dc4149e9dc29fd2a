/* SPDX-License-Identifier: Apache-2.0 */
/* How a shard tells its partitions' events to the shop's webhook endpoints.
 *
 *     events (events_out.h) -> a DELIVERY for each endpoint that wants the type, recorded
 *     due (actors/deliveries.h) -> OUT, with the courier of the outer layers -> ENDED -> recorded
 *
 * An event counts as taken as soon as its deliveries are in a batch: the cursor that says so is in
 * a later one of the same shard. A crash before that takes the event again, and what is pending
 * already is known by its key; a crash after an attempt whose end was not recorded sends it again,
 * with the same ID: at least once.
 *
 * What is past (delivered, dead) is swept from the journal once it is DELIVERY_KEPT_S or
 * DELIVERY_DEAD_KEPT_S old, when the wall clock has run evenly (rounds.h). Private to engine/. */
#ifndef STAMPEDE_WEBHOOKS_H
#define STAMPEDE_WEBHOOKS_H

#include "deliveries.h"
#include "engine.h"

enum { WEBHOOK_BATCHES_MAX = 8 };

enum webhook_phase { WEBHOOK_FREE, WEBHOOK_OUT, WEBHOOK_ENDED };

struct webhook_slot {
    struct engine_delivery delivery; /* first: the courier brings it back */
    struct shard *shard;
    struct delivery_answer answer;
    uint32_t row;
    uint8_t phase; /* enum webhook_phase */
};

/* Past deliveries are looked through, a page at a time. */
struct webhook_sweep {
    struct engine_read read;
    bool is_of_dead; /* the kind */
    struct journal_key next;
    int64_t due_boot_ms;
    uint64_t replays; /* when the page was asked for */
    bool is_reading;
    bool has_page; /* to be swept with the next batch */
};

struct webhooks {
    struct deliveries deliveries;
    struct webhook_slot *slots; /* DELIVERIES_UNDER_WAY_MAX */
    uint32_t busy;
    struct event_batch *batches[WEBHOOK_BATCHES_MAX]; /* taken, the oldest first */
    uint32_t batch_count;
    uint32_t batch_at; /* of the first: events that are recorded */
    engine_webhook_courier courier;
    void *courier_user;
    uint64_t view_version; /* of the settings that the lanes follow */
    bool is_clearing;
    struct webhook_sweep sweep;
    int64_t replayed_boot_ms;
    int64_t shown_boot_ms;
};

struct webhooks_memory {
    struct webhook_slot *slots;
    struct delivery_row *rows;
    uint32_t *heaps;
    struct index_bucket *index;
};

/* How much a shard may have, by the engine's options. */
struct deliveries_sizes webhooks_sizes(const struct engine_options *options);
void webhooks_init(struct shard *shard, const struct webhooks_memory *memory);
/* Frees what was read and not taken. */
void webhooks_destroy(struct webhooks *webhooks);

/* A DELIVERY record at recovery; false: it cannot be. */
bool webhooks_restore(struct shard *shard, const struct moment *now, const struct record *record);

/* The consumer of events. */
bool webhooks_take(void *self, struct shard *shard, struct event_batch *batch);

/* A MESSAGE_DELIVERY for a partition of this shard, with the open batch. */
void webhooks_deliver(struct shard *shard, const struct message *message);
/* In each turn: gives out what is due. */
void webhooks_step(struct shard *shard);
/* In each turn, with the open batch: what ended, what happened, what lanes drop. */
void webhooks_record(struct shard *shard);
bool webhooks_have_work(const struct shard *shard);
/* When a step has something to do by time alone; INT64_MAX: none. */
int64_t webhooks_next_ms(const struct shard *shard);

#endif
