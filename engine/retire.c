/* SPDX-License-Identifier: Apache-2.0 */
/* Freeing what readers on other shards may still hold. A shard holds a pointer it loaded only until
 * it returns to its loop, and its tick grows with each step; two ticks later nobody has it. */
#include "engine_private.h"

void retired_begin(const struct shard *shard, struct retired *retired)
{
    const struct engine *engine = shard->engine;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        retired->ticks[i] = atomic_load_explicit(&engine->shards[i]->tick, memory_order_acquire);
}

bool shard_retire(struct shard *shard, void (*release)(void *), void *memory)
{
    struct retired *retired;

    if (shard->retired_count == RETIRED_MAX)
        return false;
    retired = &shard->retired[shard->retired_count++];
    retired->release = release;
    retired->memory = memory;
    retired_begin(shard, retired);
    return true;
}

bool retired_is_passed(const struct shard *shard, const struct retired *retired)
{
    const struct engine *engine = shard->engine;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        if (atomic_load_explicit(&engine->shards[i]->tick, memory_order_acquire) <
            retired->ticks[i] + 2)
            return false;
    return true;
}

void shard_free_retired(struct shard *shard, bool all)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < shard->retired_count; i++) {
        struct retired *retired = &shard->retired[i];

        if (all || retired_is_passed(shard, retired))
            retired->release(retired->memory);
        else
            shard->retired[kept++] = *retired;
    }
    shard->retired_count = kept;
}
