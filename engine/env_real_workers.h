/* SPDX-License-Identifier: Apache-2.0 */
/* A worker pool on Linux: a few threads of low priority and one bounded queue. There are two: one
 * for what may wait (passwords), one for what people wait for (finding). */
#ifndef STAMPEDE_ENV_REAL_WORKERS_H
#define STAMPEDE_ENV_REAL_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ports.h"

enum {
    WORKERS_MAX = 64,
    WORKERS_QUEUE_MAX = 4096,
    WORKERS_QUEUE_DEFAULT = 32, /* a second's wait at most, where a password takes 30 ms */
    WORKERS_NICE = 10, /* where SCHED_IDLE is refused: shards have 0, and get ten times as much */
    FINDERS_NICE = 5,  /* shards get three times as much */
    FINDERS_QUEUE_DEFAULT = 64,
};

enum workers_priority {
    WORKERS_IDLE, /* only where nobody else has anything to do */
    WORKERS_NICE_TO_SHARDS,
};

struct env_real_workers;

/* Starts `threads` (1 to WORKERS_MAX) threads; at most `queue_max` (1 to WORKERS_QUEUE_MAX) pieces
 * of work wait for one. NULL if a thread cannot be had. Start-up thread. */
struct env_real_workers *env_real_workers_create(uint32_t threads, uint32_t queue_max,
                                                 enum workers_priority priority);

/* Half of the cores that this process may use, at least one; of finders as many as cores. */
uint32_t env_real_workers_default(void);
uint32_t env_real_finders_default(void);

/* The port to give to engine_create. */
struct worker_port env_real_workers_port(struct env_real_workers *workers);

/* Work that waits now; racy. Any thread. */
uint32_t env_real_workers_queued(struct env_real_workers *workers);

/* Whether env_real_workers_stop was called. Any thread. */
bool env_real_workers_are_stopping(struct env_real_workers *workers);

/* Lets each thread finish what it is at, and joins it; what waits is never run, and submit refuses
 * from now on. Before the shards' loops are closed: who wakes others goes first. Idempotent.
 * Start-up thread. */
void env_real_workers_stop(struct env_real_workers *workers);

/* Stops and frees. */
void env_real_workers_destroy(struct env_real_workers *workers);

#endif
