/* SPDX-License-Identifier: Apache-2.0 */
#include "watches.h"

#include <string.h>

#include "violation.h"
#include "world.h"

enum { ASK_ROUNDS_MAX = 300 };

_Static_assert(offsetof(struct sim_watch, watch) == 0, "on_told finds its owner by address");

void watches_restart(struct world *world)
{
    memset(&world->watches, 0, sizeof(world->watches));
}

static void on_told(struct order_watch *told)
{
    struct sim_watch *watch = (struct sim_watch *)(void *)told;

    if (!watch->is_used || watch->was_told || (!watch->is_waiting && !watch->is_asking))
        violation("a watch was told that nobody waits with");
    world_mark(watch->world, MARK_WATCH_TOLD);
    watch->is_waiting = false;
    watch->was_told = true;
    if (watch->is_leaving && !watch->is_asking)
        watch->is_used = false;
}

static void ask(struct world *world, struct sim_watch *watch)
{
    enum order_call call = watch->is_leaving ? ORDER_CALL_UNWATCH : ORDER_CALL_GET;
    const struct shop_order *order = &world->shoppers.orders[watch->order];
    struct order_envelope *envelope = order_envelope_create(call);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    uint64_t cookie;
    struct shop_ask *taken = shoppers_take_ask(world, SHOP_ORDER, watch->order, &cookie);

    if (taken == NULL || world->shards[watch->shard].stalled_until > world->step) {
        envelope_free(envelope);
        return;
    }
    envelope->id = order->id;
    envelope->authority = AUTHORITY_PRINCIPAL;
    envelope->who_count = 1;
    envelope->who[0] = world->shoppers.holds[order->hold].principal;
    envelope->watch = &watch->watch;
    taken->call = (uint8_t)call;
    taken->watch = (uint32_t)(watch - world->watches.watches) + 1;
    taken->status = order->status;
    taken->timeline_count = order->timeline_count;
    taken->captured_minor = order->captured_minor;
    taken->refunded_minor = order->refunded_minor;
    watch->was_told = false;
    watch->is_asking = true;
    if (shoppers_submit(world, watch->shard, &command, taken, cookie) == OUTCOME_PENDING)
        return;
    watch->is_asking = false;
    watch->was_told = !watch->is_leaving;
    envelope_free(envelope);
}

static void take_back(struct sim_watch *watch, enum outcome outcome,
                      const struct order_envelope *envelope)
{
    if (envelope->is_watched) {
        watch->is_waiting = false;
        watch->is_used = false;
    } else if (outcome == OUTCOME_OK && !watch->is_waiting) {
        watch->is_used = false; /* it was told before */
    }
}

void watches_take(struct world *world, uint32_t number, enum outcome outcome,
                  const struct order_envelope *envelope)
{
    struct sim_watch *watch = &world->watches.watches[number - 1];
    const struct order_record *order = &envelope->order;

    watch->is_asking = false;
    if (envelope->call == ORDER_CALL_UNWATCH) {
        take_back(watch, outcome, envelope);
        return;
    }
    if (envelope->is_watched)
        watch->is_waiting = !watch->was_told;
    if (outcome != OUTCOME_OK) {
        if (!watch->is_waiting && !watch->was_told)
            watch->is_used = false;
        return;
    }
    if (envelope->is_watched == order_is_final((enum order_status)order->status))
        violation("a watch of an order that is %s was %s",
                  order_status_name((enum order_status)order->status),
                  envelope->is_watched ? "taken" : "not taken");
    if (order->timeline_count < watch->seen)
        violation("a watch shows less than before");
    watch->seen = order->timeline_count;
    if (!envelope->is_watched)
        watch->is_used = false;
}

static void begin(struct world *world, struct sim_watch *watch)
{
    const struct shoppers_model *shoppers = &world->shoppers;
    uint32_t recent = shoppers->order_count < 8 ? shoppers->order_count : 8;
    uint32_t index;

    if (recent == 0)
        return;
    index = shoppers->order_count - 1 - sim_random_below(&world->random, recent);
    if (shoppers->orders[index].state != SHOP_PLACED)
        return;
    *watch = (struct sim_watch){
        .world = world,
        .order = index,
        .shard = sim_random_below(&world->random, world->profile.engine.shards),
        .is_used = true,
        .was_told = true,
    };
    order_watch_init(&watch->watch, engine_shard(world->engine, watch->shard), on_told);
    ask(world, watch);
}

void watches_act(struct world *world)
{
    struct sim_watch *watch =
        &world->watches.watches[sim_random_below(&world->random, SIM_WATCHES)];

    if (watch->is_asking)
        return;
    if (!watch->is_used)
        begin(world, watch);
    else if (watch->was_told || watch->is_leaving)
        ask(world, watch);
    else if (sim_random_chance(&world->random, 50000)) {
        watch->is_leaving = true;
        ask(world, watch);
    }
}

void watches_heal(struct world *world, void (*settle)(struct world *))
{
    for (uint32_t i = 0; i < SIM_WATCHES; i++) {
        struct sim_watch *watch = &world->watches.watches[i];

        for (uint32_t rounds = 0; watch->is_used && (watch->was_told || watch->is_leaving);
             rounds++) {
            if (rounds == ASK_ROUNDS_MAX)
                violation("liveness: a watch is refused long after the last fault");
            ask(world, watch);
            settle(world);
        }
        if (watch->is_used && !watch->is_waiting)
            violation("a watch neither waits nor has ended");
        if (watch->is_used && watch->seen != world->shoppers.orders[watch->order].timeline_count)
            violation(
                "who waits for order %u was not told that it is %s", watch->order,
                order_status_name((enum order_status)world->shoppers.orders[watch->order].status));
        if (watch->is_used)
            world_mark(world, MARK_WATCH_WAITS);
    }
}
