/* SPDX-License-Identifier: Apache-2.0 */
/* Those who are told of events, outside of the process: what they have acknowledged survives every
 * crash. They are busy, take a batch and keep it for a while, are done with a part of it only.
 *
 * What must be so: what they are told is durable, of one partition and consecutive; nothing is
 * passed over, so that a batch begins no later than behind what was acknowledged; one batch of a
 * partition at a time; no cursor is ahead of what was acknowledged; in the end all was told, and
 * what was told of an order is its timeline, and each SKU was told as sold out as often as its
 * ledger says that it was. */
#ifndef STAMPEDE_SIM_LISTENERS_H
#define STAMPEDE_SIM_LISTENERS_H

#include "engine.h"
#include "profile.h"

enum {
    SIM_HELD_MAX = 3 * 8, /* batches of one listener, under way */
    SIM_TOLD_MAX = 16384,
};

/* The first time that an event was told. */
struct sim_told {
    uint64_t order; /* 0: none */
    uint64_t sequence;
    int64_t amount_minor;
    uint32_t sku_id; /* that is sold out; else 0 */
    uint16_t partition;
    uint8_t status;
    uint8_t type;
};

struct sim_listener {
    struct event_batch *held[SIM_HELD_MAX];
    uint32_t held_count;
    uint64_t acknowledged[SIM_PARTITIONS_MAX];
    uint64_t seen[SIM_PARTITIONS_MAX]; /* the newest that was told */
    struct sim_told told[SIM_TOLD_MAX];
    uint32_t told_count;
    uint32_t busy_parts; /* of a million offers */
    uint32_t keep_parts; /* of a million batches, not done at once */
    uint32_t part_parts; /* of a million batches, done in part */
    bool is_busy;        /* for long */
    bool is_away;        /* for weeks */
    bool wants_orders;
};

struct world;

struct sim_listener_port {
    struct world *world;
    uint32_t consumer;
};

struct sim_listeners {
    struct sim_listener of[EVENT_CONSUMER_COUNT];
    struct sim_listener_port ports[EVENT_CONSUMER_COUNT];
};

void sim_listeners_start(struct world *world);
struct event_consumer_port sim_listener_port(struct world *world, uint32_t consumer);
/* The process died: what was under way is nobody's. */
void sim_listeners_restart(struct world *world);
/* One of them ends a batch, or begins or ends to be busy. */
void sim_listeners_act(struct world *world);
bool sim_listeners_hold(const struct world *world);
/* After each step: a cursor in turn. */
void sim_listeners_check_cursor(struct world *world);

/* No more faults; one of them may go away before everything has ended. */
void sim_listeners_leave(struct world *world);
/* Who was away comes back after more than the time for which events are kept: everything is told.
 */
void sim_listeners_heal(struct world *world, void (*settle)(struct world *));
/* Then: a SKU was sold out so many times, by its ledger. */
void sim_listeners_check_sold_out(struct world *world, uint32_t sku_id, uint32_t count);

#endif
