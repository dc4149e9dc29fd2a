/* SPDX-License-Identifier: Apache-2.0 */
/* Freeing what readers on other shards may still hold. A shard holds a pointer it loaded only until
 * it returns to its loop, and its tick grows with each step; two ticks later nobody has it. What a
 * worker reads of the directory is held by the shard that set it to work: that one's tick counts as
 * what it was then, until the work is done. */
#include "engine_private.h"

#include <assert.h>

void retired_begin(const struct shard *shard, struct retired *retired)
{
    const struct engine *engine = shard->engine;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        retired->ticks[i] = atomic_load_explicit(&engine->shards[i]->tick, memory_order_acquire);
}

static bool retire(struct shard *shard, void (*release)(void *), void *memory, bool is_directory)
{
    struct retired *retired;

    if (shard->retired_count == RETIRED_MAX)
        return false;
    retired = &shard->retired[shard->retired_count++];
    retired->release = release;
    retired->memory = memory;
    retired->is_directory = is_directory;
    retired_begin(shard, retired);
    return true;
}

bool shard_retire(struct shard *shard, void (*release)(void *), void *memory)
{
    return retire(shard, release, memory, false);
}

bool shard_retire_directory(struct shard *shard, void (*release)(void *), void *memory)
{
    return retire(shard, release, memory, true);
}

bool retired_is_passed(const struct shard *shard, const struct retired *retired)
{
    const struct engine *engine = shard->engine;

    for (uint32_t i = 0; i < engine->options.shards; i++) {
        uint64_t passed = retired->ticks[i] + 2;
        uint64_t pinned;

        if (atomic_load_explicit(&engine->shards[i]->tick, memory_order_acquire) < passed)
            return false;
        /* After the tick: work that began before that tick is seen here. */
        pinned = atomic_load_explicit(&engine->shards[i]->pinned_tick, memory_order_acquire);
        if (retired->is_directory && pinned != 0 && pinned < passed)
            return false;
    }
    return true;
}

/* ---- work that reads the directory ---- */

static void show_pins(struct shard *shard)
{
    uint64_t oldest = 0;

    for (uint32_t i = 0; i < shard->pin_count; i++)
        if (oldest == 0 || shard->pins[i] < oldest)
            oldest = shard->pins[i];
    atomic_store_explicit(&shard->pinned_tick, oldest, memory_order_release);
}

bool shard_pin(struct shard *shard, uint64_t *tick_out)
{
    *tick_out = atomic_load_explicit(&shard->tick, memory_order_relaxed);
    assert(*tick_out != 0); /* within a step */
    if (shard->pin_count == PINS_MAX)
        return false;
    shard->pins[shard->pin_count++] = *tick_out;
    show_pins(shard);
    return true;
}

void shard_unpin(struct shard *shard, uint64_t tick)
{
    uint32_t i = 0;

    while (i < shard->pin_count && shard->pins[i] != tick)
        i++;
    assert(i < shard->pin_count);
    shard->pins[i] = shard->pins[--shard->pin_count];
    show_pins(shard);
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
