/* SPDX-License-Identifier: Apache-2.0 */
#include "api/vault_watch.h"

#include "api/log.h"

enum { LOOK_PERIOD_MS = 1000 };

static void tell(const struct api_shard *shard, enum log_level level, const char *event,
                 int64_t keys)
{
    struct log_line line;

    log_begin(&line, level, event, shard->now.wall_ms);
    log_number(&line, "keys", keys);
    log_end(&line);
}

void vault_watch_turn(struct api_shard *shard)
{
    struct vault_watch *watch = &shard->vault_watch;
    const struct engine *engine = shard->api->engine;
    struct engine_vault_keys keys;

    if (shard_index(shard->shard) != 0 || watch->is_over || shard->now.boot_ms < watch->due_boot_ms)
        return;
    watch->due_boot_ms = shard->now.boot_ms + LOOK_PERIOD_MS;
    engine_vault_keys(engine, &keys);
    if (keys.previous < 0)
        return;
    if (keys.unreadable > 0 && !watch->is_told)
        tell(shard, LOG_ERROR, "vault_keys_unreadable", keys.unreadable);
    if (keys.previous > 0 && !watch->is_told)
        tell(shard, LOG_INFO, "vault_rotating", keys.previous);
    watch->is_told = true;
    if (keys.previous > 0)
        return;
    if (engine_vault(engine)->has_previous)
        tell(shard, LOG_INFO, "vault_rotated", 0);
    watch->is_over = true;
}
