/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints of webhooks, outside of the process, and what must be so: each event of an order
 * reaches each endpoint that asked for its type at least once, or is known to be pending or dead;
 * nothing reaches an endpoint that did not ask for it, before its record is durable, or twice at
 * once; an event that comes again is the same, to the millisecond of which its ID is made. */
#ifndef STAMPEDE_SIM_HOOKS_H
#define STAMPEDE_SIM_HOOKS_H

#include "engine.h"
#include "profile.h"

enum {
    SIM_ENDPOINTS_MAX = 3,
    SIM_HOOK_EVENTS_MAX = 8192,
    SIM_HOOK_TRIPS_MAX = 2 * DELIVERIES_UNDER_WAY_MAX + SIM_SHARDS_MAX * 8,
};

/* An event that is durable. */
struct sim_hook_event {
    struct delivery_event event;
    uint64_t sequence;
    int64_t seen_ms; /* world time */
    uint32_t partition;
    uint16_t taken[SIM_ENDPOINTS_MAX]; /* how often it was */
    bool carried[SIM_ENDPOINTS_MAX];
    bool given_up[SIM_ENDPOINTS_MAX]; /* refused for good, or too often */
};

struct sim_trip {
    struct engine_delivery *delivery;
    uint32_t shard;
    uint32_t event;
    uint32_t endpoint;
};

struct hooks_model {
    uint32_t endpoint_count; /* 0: nobody listens */
    uint32_t made;
    bool call_open;
    uint32_t numbers[SIM_ENDPOINTS_MAX];
    uint32_t events[SIM_ENDPOINTS_MAX]; /* the types it asks for */
    uint64_t scanned[SIM_PARTITIONS_MAX];
    struct sim_hook_event told[SIM_HOOK_EVENTS_MAX];
    uint32_t told_count;
    struct sim_trip trips[SIM_HOOK_TRIPS_MAX];
    uint32_t trip_count;
};

struct world;

void hooks_start(struct world *world);
/* Before the sale: the endpoints are made. */
void hooks_make_endpoints(struct world *world, bool (*step)(struct world *world));
void hooks_engine_started(struct world *world);
void hooks_restart(struct world *world);

/* One comes back, or staff send one again. */
void hooks_act(struct world *world);
/* After each step: events of a partition that are durable by now. */
void hooks_scan(struct world *world);

bool hooks_is_cookie(uint64_t cookie);
void hooks_take(struct world *world, uint64_t cookie, const struct message *reply);

/* No more faults: everything arrives. */
void hooks_heal(struct world *world, void (*settle)(struct world *));

#endif
