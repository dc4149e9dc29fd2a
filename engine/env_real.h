/* SPDX-License-Identifier: Apache-2.0 */
/* The environment on Linux: clocks, getrandom, one thread and one uv loop a shard, and the
 * committer's thread. The only file of the engine that knows threads. */
#ifndef STAMPEDE_ENV_REAL_H
#define STAMPEDE_ENV_REAL_H

#include <uv.h>

#include "engine.h"

struct env_real;
struct env_real_workers;

/* What the outer layers do on a shard's own thread. */
struct env_real_hooks {
    void *user;
    /* Before the loop first runs: start listeners. 0, or not 0 to end everything with a failure. */
    int (*on_start)(void *user, struct shard *shard, uv_loop_t *loop);
    /* After each turn of the shard, before the loop may block: flush what was answered. */
    void (*on_turn)(void *user, struct shard *shard);
    /* The engine drains: stop listening and end what is idle. Called once. */
    void (*on_drain)(void *user, struct shard *shard);
    /* True when nothing of the outer layers is under way on this shard any more. */
    bool (*is_drained)(void *user, struct shard *shard);
    /* Close all remaining handles; the loop ends when they are closed. Called once. */
    void (*on_stop)(void *user, struct shard *shard);
};

/* NULL without resources. Start-up thread. */
struct env_real *env_real_create(uint32_t shards);
void env_real_destroy(struct env_real *env);

/* Before engine_create: what the engine reserves is touched at once, so that no request waits for
 * the kernel to find a page. */
void env_real_populate(struct env_real *env);

/* The port to give to engine_create. `failed` makes the process print the reason and exit 3 at
 * once: a latched engine must not linger. */
struct env env_real_port(struct env_real *env);

/* These workers (env_real_workers.h; not NULL; two pools at most) are stopped by env_real_stop,
 * before the loops that they wake are closed. They stay the caller's to destroy, after it. */
void env_real_attach_workers(struct env_real *env, struct env_real_workers *workers);

/* Starts the committer and all shards and returns; -1 with a line for people in `error` if a shard
 * could not start (all are stopped again). Start-up thread. */
int env_real_start(struct env_real *env, struct engine *engine, const struct env_real_hooks *hooks,
                   char *error, size_t error_size);

/* Drains within `deadline_ms`, stops and joins all threads. False: something was under way in the
 * engine, and nobody may have been told how it ended. Start-up thread, once. */
bool env_real_stop(struct env_real *env, uint32_t deadline_ms);

#endif
