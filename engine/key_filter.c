/* SPDX-License-Identifier: Apache-2.0 */
#include "key_filter.h"

#include <assert.h>
#include <stdlib.h>

enum { GROWTH = 8 };

static struct key_filter_generation *generation_create(uint32_t keys,
                                                       struct key_filter_generation *older)
{
    uint64_t bits = 64;
    struct key_filter_generation *generation;

    while (bits < (uint64_t)keys * KEY_FILTER_BITS_PER_KEY)
        bits *= 2;
    generation = calloc(1, sizeof(*generation) + bits / 8);
    if (generation == NULL)
        return NULL;
    generation->older = older;
    generation->mask = bits - 1;
    generation->keys_max = keys;
    return generation;
}

bool key_filter_init(struct key_filter *filter, uint32_t keys)
{
    struct key_filter_generation *generation;

    if (keys < KEY_FILTER_KEYS_MIN)
        keys = KEY_FILTER_KEYS_MIN;
    if (keys > KEY_FILTER_KEYS_MAX)
        keys = KEY_FILTER_KEYS_MAX;
    generation = generation_create(keys, NULL);
    atomic_init(&filter->newest, generation);
    return generation != NULL;
}

void key_filter_destroy(struct key_filter *filter)
{
    struct key_filter_generation *generation = atomic_load(&filter->newest);

    while (generation != NULL) {
        struct key_filter_generation *older = generation->older;

        free(generation);
        generation = older;
    }
}

static bool generation_test(struct key_filter_generation *generation, const struct hash128 *key)
{
    for (int i = 0; i < 2; i++) {
        uint64_t bit = key->word[i] & generation->mask;
        uint64_t word = atomic_load_explicit(&generation->words[bit / 64], memory_order_acquire);

        if ((word & 1ULL << (bit % 64)) == 0)
            return false;
    }
    return true;
}

static bool chain_test(struct key_filter_generation *generation, const struct hash128 *key)
{
    for (; generation != NULL; generation = generation->older)
        if (generation_test(generation, key))
            return true;
    return false;
}

bool key_filter_test(const struct key_filter *filter, const struct hash128 *key)
{
    return chain_test(atomic_load_explicit(&filter->newest, memory_order_acquire), key);
}

bool key_filter_set(struct key_filter *filter, const struct hash128 *key)
{
    struct key_filter_generation *newest =
        atomic_load_explicit(&filter->newest, memory_order_acquire);
    bool were_set = true;

    for (int i = 0; i < 2; i++) {
        uint64_t bit = key->word[i] & newest->mask;
        uint64_t before = atomic_fetch_or_explicit(&newest->words[bit / 64], 1ULL << (bit % 64),
                                                   memory_order_acq_rel);

        were_set = were_set && (before & 1ULL << (bit % 64)) != 0;
    }
    if (!were_set)
        atomic_fetch_add_explicit(&newest->keys, 1, memory_order_relaxed);
    return were_set || chain_test(newest->older, key);
}

/* Unlinks the oldest generation if all its keys are past retention. */
static struct key_filter_generation *take_expired(struct key_filter_generation *newest,
                                                  int64_t now_ms, int64_t retention_ms)
{
    struct key_filter_generation *keep = newest;
    struct key_filter_generation *oldest = newest->older;

    if (oldest == NULL)
        return NULL;
    while (oldest->older != NULL) {
        keep = oldest;
        oldest = oldest->older;
    }
    if (now_ms - oldest->newest_ms <= retention_ms)
        return NULL;
    keep->older = NULL; /* a reader that passed it before sees a superset of what it needs */
    return oldest;
}

static uint32_t chain_length(const struct key_filter_generation *generation)
{
    uint32_t length = 0;

    for (; generation != NULL; generation = generation->older)
        length++;
    return length;
}

struct key_filter_generation *key_filter_tend(struct key_filter *filter, int64_t now_ms,
                                              int64_t retention_ms)
{
    struct key_filter_generation *newest =
        atomic_load_explicit(&filter->newest, memory_order_relaxed);
    struct key_filter_generation *grown;
    uint32_t keys;

    newest->newest_ms = now_ms;
    if (atomic_load_explicit(&newest->keys, memory_order_relaxed) < newest->keys_max)
        return NULL;
    keys = newest->keys_max >= KEY_FILTER_KEYS_MAX / GROWTH ? KEY_FILTER_KEYS_MAX
                                                            : newest->keys_max * GROWTH;
    if (chain_length(newest) < KEY_FILTER_GENERATIONS_MAX) {
        grown = generation_create(keys, newest);
        if (grown != NULL) {
            grown->newest_ms = now_ms;
            atomic_store_explicit(&filter->newest, grown, memory_order_release);
            newest = grown;
        }
    }
    return take_expired(newest, now_ms, retention_ms);
}
