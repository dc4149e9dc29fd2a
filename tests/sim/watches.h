/* SPDX-License-Identifier: Apache-2.0 */
/* Shoppers who wait for their orders to change (struct order_watch), as streams of events do: each
 * asks with its watch, asks again when it is told, leaves sometimes. What must be so: once nothing
 * is under way, who still waits has seen the order as it is. */
#ifndef STAMPEDE_SIM_WATCHES_H
#define STAMPEDE_SIM_WATCHES_H

#include "engine.h"

enum { SIM_WATCHES = 24 };

struct world;

struct sim_watch {
    struct order_watch watch; /* first */
    struct world *world;
    uint32_t order;
    uint32_t shard;
    uint8_t seen; /* entries of its timeline */
    bool is_used;
    bool is_asking;
    bool is_waiting; /* with the order's shard */
    bool was_told;   /* while it asked, or since */
    bool is_leaving;
};

struct watches_model {
    struct sim_watch watches[SIM_WATCHES];
};

/* The process died: nobody waits any more. */
void watches_restart(struct world *world);
/* Somebody begins, asks again or leaves. */
void watches_act(struct world *world);
/* The answer to what watch `number` asked, from 1. */
void watches_take(struct world *world, uint32_t number, enum outcome outcome,
                  const struct order_envelope *envelope);
/* All orders have been looked at, and nothing is under way. */
void watches_heal(struct world *world, void (*settle)(struct world *));

#endif
