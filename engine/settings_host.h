/* SPDX-License-Identifier: Apache-2.0 */
/* Where the settings' actor lives, and how what it decided reaches all shards:
 *
 *   SETTINGS -> actor -> records in the open batch; the batch takes a copy of all of it along
 *   the batch is durable -> the copy is published -> the batch's answers leave
 *
 * So who was answered finds the change on any shard, and nobody sees what a crash may undo. The
 * copy before is freed when every shard has passed two ticks. Private to engine/. */
#ifndef STAMPEDE_SETTINGS_HOST_H
#define STAMPEDE_SETTINGS_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "retire.h"

struct batch;
struct engine;
struct message;
struct shard;

enum {
    /* Copies at once, the published one not counted: one more change is refused (OVERLOADED). */
    SETTINGS_COPIES_MAX = 16,
};

/* Of the settings' shard; of others all zero. */
struct settings_host {
    uint32_t copies;
    uint32_t retired_count;
    struct retired retired[SETTINGS_COPIES_MAX];
};

/* The first copy: before recovery, of a fresh store, and after it. False without memory. Start-up
 * thread. */
bool settings_host_begin(struct engine *engine);
/* When all shards have ended. */
void settings_host_destroy(struct engine *engine);

/* A MESSAGE_SETTINGS, at the settings' shard. */
void settings_host_deliver(struct shard *shard, struct message *message);
/* The open batch is complete; a batch came back. */
void settings_host_close(struct shard *shard, struct batch *batch);
void settings_host_take(struct shard *shard, struct batch *batch);
/* Frees what nobody sees any more. */
void settings_host_free_retired(struct shard *shard);

#endif
