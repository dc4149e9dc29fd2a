/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks on their way: which events of a shard's partitions are yet to reach which endpoint, and
 * when. Each endpoint has a lane of its own, so that none waits for another.
 *
 *     event -------> PENDING --- 2xx ------------------------------> DELIVERY_DONE
 *                    |  ^  ^ --- no, and the schedule goes on ---+
 *                    |  |  +-------------------------------------+
 *                    |  +--- replay ---+
 *                    +-- no, and the schedule is over; the endpoint is disabled;
 *                        the lane is full and it is the oldest -----> DELIVERY_DEAD
 *
 * Pure: memory comes from the engine, time and random numbers with the call; what is to be stored
 * is written to the effects' records.
 *
 * Invariants:
 *   1. What is pending has a record (DELIVERY) and a row; a restart knows all of it again.
 *   2. No attempt before the record that it is made for is durable.
 *   3. A delivery is under way at most once; at most `lane_under_way_max` of a lane are, of all
 *      lanes that fail together at most half of `under_way_max`, of all `under_way_max`.
 *   4. Of a lane those that were not tried yet go out in the order in which they came.
 *   5. A lane takes at most `lane_limit`: one more makes the oldest a dead letter. There is room
 *      for more, so that a start finds some whatever the number of shards was before.
 *
 * A lane fails when its endpoint's last answers, DELIVERY_FAILURES_SERIES or more, were failures:
 * then it has one attempt at a time, with a pause after each. */
#ifndef STAMPEDE_DELIVERIES_H
#define STAMPEDE_DELIVERIES_H

#include "effects.h"
#include "index_table.h"
#include "settings.h"

/* How long after an attempt the next may follow, by how many there were; then it is given up. */
struct delivery_schedule {
    uint32_t count;
    uint32_t delays_s[DELIVERY_ATTEMPTS_MAX];
};

/* Standard Webhooks 1.0: at once, then after 5 s, 5 and 30 minutes, 2, 5, 10, 14, 20, 24 hours. */
struct delivery_schedule delivery_schedule_default(void);

/* Adds a number of seconds; false: it is none, or one too many. */
bool delivery_schedule_add(struct delivery_schedule *schedule, const char *text);

enum delivery_row_state { ROW_FREE, ROW_WAITING, ROW_UNDER_WAY };

struct delivery_row {
    struct delivery_event event;
    uint64_t sequence;
    uint64_t serial; /* of the batch that makes it durable */
    uint64_t turn;   /* the order in which they came */
    int64_t due_boot_ms;
    int64_t attempted_wall_ms;
    uint32_t heap_place; /* WAITING */
    uint32_t older;      /* of its lane, by when they came; of a free row, the next free */
    uint32_t newer;
    uint16_t partition;
    uint16_t response;
    uint8_t lane;
    uint8_t state; /* enum delivery_row_state */
    uint8_t attempts;
};

enum delivery_lane_state {
    LANE_OPEN,
    LANE_CLOSED, /* its endpoint is disabled: what is pending becomes dead letters */
    LANE_GONE,   /* its endpoint is no more: what is pending is dropped */
};

struct delivery_lane {
    uint32_t endpoint; /* its number; 0: the lane is free */
    uint8_t state;     /* enum delivery_lane_state */
    uint32_t used;     /* rows */
    uint32_t fresh;
    uint32_t free;
    uint32_t waiting; /* rows in the heap */
    uint32_t under_way;
    uint32_t failures; /* answers in a row */
    uint32_t oldest;
    uint32_t newest;
    int64_t pause_boot_ms; /* no attempt before */
};

struct deliveries_sizes {
    uint32_t lane_rows_max; /* room */
    uint32_t lane_limit;    /* at most that: what may be pending; more than lane_under_way_max */
    uint32_t lane_under_way_max;
    uint32_t under_way_max; /* at least 2 */
};

struct deliveries {
    struct delivery_lane lanes[WEBHOOK_ENDPOINTS_MAX];
    struct delivery_row *rows; /* lane after lane, lane_rows_max each */
    uint32_t *heaps;           /* likewise: rows that wait, the one that is due first on top */
    struct index_table index;
    struct hash_key key;
    struct deliveries_sizes sizes;
    struct delivery_schedule schedule;
    uint64_t turns;
    uint32_t next_lane; /* whose turn it is to be looked at first */
    uint32_t under_way;
    uint32_t failing_under_way; /* of them, of lanes that fail */
    uint32_t pending;           /* rows of all lanes */
    uint64_t replays;           /* ever */
    uint64_t overflows;         /* dead letters because a lane was full, ever */
    uint64_t deaths;            /* all dead letters, ever */
    bool has_new_lane;          /* since the lanes last followed the settings */
};

/* Zeroed memory: rows and heap words for every lane, and index_table_buckets(all rows). */
void deliveries_init(struct deliveries *deliveries, const struct deliveries_sizes *sizes,
                     const struct delivery_schedule *schedule, struct delivery_row *rows,
                     uint32_t *heaps, struct index_bucket *buckets, const struct hash_key *key);

/* A step: what it writes goes into the batch `serial`. */
struct delivery_step {
    struct deliveries *deliveries;
    const struct moment *moment;
    struct effects *effects;
    uint64_t serial;
};

/* The event number `sequence` of a partition is to reach an endpoint. False: there is no lane for
 * it yet; later (one of an endpoint that is no more is being cleared). Known already: nothing. */
bool deliveries_add(const struct delivery_step *step, uint32_t partition, uint64_t sequence,
                    uint32_t endpoint, const struct delivery_event *event);

/* A durable DELIVERY record, at start; false: there is no room for it. */
bool deliveries_restore(struct deliveries *deliveries, const struct moment *moment,
                        const struct record *record);

/* One that is past is to be sent again, from the first attempt on. OK also if it is pending
 * already; NOT_FOUND: its endpoint is no more; INVALID_STATE: its endpoint is disabled; OVERLOADED:
 * the lane is full. `event`: of its record. */
enum outcome deliveries_replay(const struct delivery_step *step, uint32_t partition,
                               uint64_t sequence, uint32_t endpoint,
                               const struct delivery_event *event);

/* The next that is due: under way from now on; SLOT_NONE: none, or enough are. `durable`: all
 * batches up to this serial are. */
uint32_t deliveries_take(struct deliveries *deliveries, int64_t boot_ms, uint64_t durable);
uint32_t delivery_endpoint(const struct deliveries *deliveries, uint32_t row);

enum delivery_result {
    DELIVERY_OK,      /* the endpoint answered 2xx */
    DELIVERY_LATER,   /* a failed attempt */
    DELIVERY_REFUSED, /* for good: a dead letter */
    DELIVERY_UNTRIED, /* no attempt: nobody was asked */
};

struct delivery_answer {
    uint8_t result; /* enum delivery_result */
    uint16_t response;
    uint32_t retry_after_s; /* that the endpoint asked for, of all of its lane */
    uint32_t random;        /* any bits: spreads the next attempt */
    char reason[DELIVERY_REASON_MAX + 1];
};

/* What became of one under way. */
void deliveries_end(const struct delivery_step *step, uint32_t row,
                    const struct delivery_answer *answer);

/* Lanes follow the settings. */
void deliveries_follow(struct deliveries *deliveries, const struct settings_view *view);
/* Drops some of what closed lanes have; true: there is more. */
bool deliveries_clear(const struct delivery_step *step);

/* When one is due that can be taken then; INT64_MAX: none. */
int64_t deliveries_next_ms(const struct deliveries *deliveries, uint64_t durable);

/* When the event happened that has waited longest, of those that came first to each endpoint;
 * INT64_MAX: none waits. */
int64_t deliveries_oldest_wall_ms(const struct deliveries *deliveries);

/* After so many failed attempts: how long until the next, up to a tenth more by chance; 0: it is
 * given up. */
int64_t delivery_delay_ms(const struct delivery_schedule *schedule, uint32_t attempts,
                          uint32_t random);

#endif
