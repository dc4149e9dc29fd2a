/* SPDX-License-Identifier: Apache-2.0 */
/* The environment under control: a clock that only moves when told, randomness from a seed, and
 * wake-ups that are notes for the scheduler. The counterpart of engine/env_real.
 *
 * Time. `now_ms` is what passes in the world, from 0. The wall clock is ahead of it by a constant
 * and by what it was set; the boot clock, which nobody sets, starts anew with every reboot of the
 * simulated machine. */
#ifndef STAMPEDE_ENV_CONTROLLED_H
#define STAMPEDE_ENV_CONTROLLED_H

#include <stdbool.h>

#include "env.h"
#include "shop_limits.h"
#include "sim_random.h"

#define SIM_WALL_START_MS 1750000000000LL

struct env_controlled {
    struct sim_random random;
    int64_t now_ms;
    int64_t booted_ms;     /* when the machine last started, or the world began */
    int64_t boot_start_ms; /* what the boot clock showed then */
    int64_t wall_ahead_ms; /* by how much the wall clock was set */
    uint64_t ticks;
    bool shard_woken[SHARDS_MAX];
    bool committer_woken;
    bool failed; /* the latch fell */
    char reason[160];
};

void env_controlled_init(struct env_controlled *env, uint64_t seed);

/* The port to give to engine_create; valid as long as `env`. */
struct env env_controlled_port(struct env_controlled *env);

/* The world's time at which the boot clock showed this. */
int64_t env_controlled_world_ms(const struct env_controlled *env, int64_t boot_ms);

/* Before a new engine: no wake-up and no failure of the old one is left. */
void env_controlled_restart(struct env_controlled *env, bool reboot);

#endif
