/* SPDX-License-Identifier: Apache-2.0 */
/* Clock, randomness, wake-ups, memory: the only door to them. env_real.c opens it on Linux;
 * the simulator's env_controlled.c on a seed. */
#ifndef STAMPEDE_ENV_H
#define STAMPEDE_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "effects.h"

struct env {
    void *self;
    /* The time now, in milliseconds. Any thread. */
    struct moment (*now)(void *self);
    /* A monotonic clock in nanoseconds, for measurements only. Any thread. */
    uint64_t (*ticks_ns)(void *self);
    /* Fills with unpredictable bytes. Any thread. */
    void (*random)(void *self, void *bytes, size_t length);
    /* Makes a shard's step run soon. Any thread; async-signal-unsafe. */
    void (*wake_shard)(void *self, uint32_t shard);
    /* Makes the committer's step run soon. Any thread. */
    void (*wake_committer)(void *self);
    /* Zeroed memory that costs nothing until touched (env_real_populate apart); NULL if refused.
     * Start-up, and rarely a shard. */
    void *(*reserve)(void *self, size_t bytes);
    void (*unreserve)(void *self, void *memory, size_t bytes);
    /* The failure latch fell: no acknowledgement leaves any more. Called once, any thread; the real
     * process ends soon after, with the reason. */
    void (*failed)(void *self, const char *reason);
};

#endif
