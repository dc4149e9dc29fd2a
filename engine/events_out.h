/* SPDX-License-Identifier: Apache-2.0 */
/* How a shard tells its partitions' events (RECORD_EVENT_OUT) to those who want to know: to each
 * consumer in the order of their sequences, once they are durable, from its cursor on.
 *
 *   noted, durable -> queued -> READING the rows -> ASKING for the orders -> OFFERED -> TAKEN
 *         ^                                                                          |
 *         +---- there is more, or not all of it was done ------------- `done` -------+
 *
 * A partition has one batch at a consumer at a time, so that nothing overtakes. What is done is
 * recorded as the partition's CURSOR at most CURSOR_PERIOD_MS later; a crash before that offers it
 * again. A consumer that is busy, slow or down holds up its own events and nothing else: they lie
 * where they are.
 *
 * Rows are deleted once they are older than EVENTS_KEPT_MS by the wall clock (when it has run
 * evenly for retention_steady_ms) and all consumers that there are have passed them; the cursor of
 * one that there is not goes along, so that rows from each cursor on are complete. Private to
 * engine/. */
#ifndef STAMPEDE_EVENTS_OUT_H
#define STAMPEDE_EVENTS_OUT_H

#include "engine.h"

enum {
    EVENT_BATCHES_MAX = 8, /* under way, a shard and consumer */
    EVENT_ASKS_MAX = 64,   /* orders asked for, a shard */
    CURSOR_PERIOD_MS = 1000,
    CURSORS_PER_STEP = 64,
    EVENT_BUSY_MS = 20,      /* until a consumer that was busy is offered a batch again */
    EVENT_RETRY_MS = 100,    /* after a read that failed, or that could not be begun */
    EVENT_PAGE_PACE_MS = 10, /* between two pages that are deleted */
    EVENT_RETENTION_RETRY_MS = 60 * 1000,
};

#define EVENT_NO_PARTITION UINT32_MAX

/* What one consumer has had of a partition. */
struct event_lane {
    uint64_t done;     /* all up to it */
    uint64_t recorded; /* the cursor, as written last */
    int64_t record_due_boot_ms;
    int64_t oldest_wall_ms; /* of what is not done: no later than its oldest; 0: not known */
    uint32_t next;          /* in the queue of those that have something */
    uint32_t next_moved;    /* in the list of those whose cursor is to be written */
    bool is_queued;
    bool is_under_way;
    bool is_moved;
};

struct event_partition {
    uint64_t durable; /* events up to it can be read */
    /* Up to `marked` when `marked_serial` is back, and then `told` when `told_serial` is. */
    uint64_t marked;
    uint64_t marked_serial;
    uint64_t told;
    uint64_t told_serial;
    uint64_t erased; /* rows up to it were deleted since the start */
    uint32_t next_noted;
    bool is_noted;
    struct event_lane lanes[EVENT_CONSUMER_COUNT];
};

enum event_phase { EVENT_FREE, EVENT_READING, EVENT_ASKING, EVENT_OFFERED, EVENT_TAKEN };

struct event_slot {
    struct event_batch batch; /* first: the consumer brings it back */
    struct shard_completion completion;
    struct engine_read read;
    uint64_t upto;       /* what was read reaches so far, whatever rows there were */
    int64_t due_boot_ms; /* to be tried again, not before */
    uint32_t asked;      /* events whose orders were asked for */
    uint32_t answers;    /* that are yet to come */
    uint32_t again;      /* the first event whose order could not be shown; UINT32_MAX: none */
    uint8_t consumer;
    uint8_t phase; /* enum event_phase */
};

/* Deleting, a page at a time, partition by partition; then nothing for retention_period_ms. */
struct event_retention {
    struct engine_read read;
    bool is_reading;
    bool is_last_page;                   /* of its partition */
    uint32_t partition;                  /* where it is */
    uint32_t count;                      /* rows to be deleted with the next batch; 0: none */
    uint64_t rows[EVENTS_PER_BATCH_MAX]; /* their sequences */
    int64_t due_boot_ms;                 /* the next page */
};

struct event_list {
    uint32_t first; /* EVENT_NO_PARTITION: empty */
    uint32_t last;
};

struct events_out {
    struct event_list noted;
    struct event_list queued[EVENT_CONSUMER_COUNT];
    struct event_list moved[EVENT_CONSUMER_COUNT]; /* by record_due_boot_ms */
    int64_t paused_boot_ms[EVENT_CONSUMER_COUNT];  /* nothing is offered before */
    struct event_slot slots[EVENT_CONSUMER_COUNT][EVENT_BATCHES_MAX];
    uint32_t under_way[EVENT_CONSUMER_COUNT]; /* slots that are not free */
    uint32_t asks;                            /* orders asked for, and not answered */
    int64_t shown_boot_ms;
    struct event_retention retention;
};

/* In zeroed memory. */
void events_out_init(struct shard *shard);
/* Frees what was read and not taken; no consumer has a batch any more. */
void events_out_destroy(struct events_out *events);

/* A CURSOR record at recovery; false: it cannot be. */
bool events_out_restore(struct shard *shard, const struct record *record);
/* When all records are there. */
void events_out_begin(struct shard *shard);

/* With the open batch an actor told something of this partition: that is for the consumers when the
 * batch is durable. */
void events_out_note(struct shard *shard, uint32_t partition);
/* In each turn, after the batches that came back. */
void events_out_step(struct shard *shard);
/* In each turn, with the open batch: the cursors that are due. */
void events_out_record(struct shard *shard);
/* When a step has something to do by time alone; INT64_MAX: none. */
int64_t events_out_next_ms(const struct shard *shard);
/* Takes the answer of an order that was asked from here. */
void events_out_take_reply(struct shard *shard, const struct message *reply);
/* Nothing is under way; while the engine drains: and all that was done is recorded. */
bool events_out_is_idle(const struct shard *shard);

/* ---- events_figures.c ---- */

/* In a turn, now and then. */
void events_figures_show(struct shard *shard);
/* Age of the oldest that waits; 0: none does. Any thread. */
int64_t events_out_oldest_seconds(const struct engine *engine, uint32_t consumer);

/* ---- events_retention.c ---- */

/* The shard's first partition; the number of partitions where it has none. */
uint32_t events_retention_first(const struct shard *shard);
void events_retention_step(struct shard *shard);
/* With the open batch. */
void events_retention_record(struct shard *shard);
int64_t events_retention_next_ms(const struct shard *shard);

#endif
