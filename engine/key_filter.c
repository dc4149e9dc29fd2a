/* SPDX-License-Identifier: Apache-2.0 */
#include "key_filter.h"

#include <assert.h>

enum { GROWTH = 4, NEWEST_STEP_MS = 1000 };

/* The header takes a few words from the keys: a block is a power of two. */
static size_t generation_bytes(uint32_t keys)
{
    size_t bytes = (size_t)keys * KEY_FILTER_BITS_PER_KEY / 8;
    size_t least = sizeof(struct key_filter_generation) + CACHE_LINE;

    return block_bytes(bytes > least ? bytes : least);
}

/* NULL without memory, or when the pool has more in use than `bytes_max` with it. */
static struct key_filter_generation *generation_create(struct block_pool *pool, uint32_t keys,
                                                       uint64_t bytes_max,
                                                       struct key_filter_generation *older)
{
    size_t bytes = generation_bytes(keys);
    struct key_filter_generation *generation;

    if (pool->bytes + bytes > bytes_max)
        return NULL;
    generation = block_take(pool, bytes);
    if (generation == NULL)
        return NULL;
    generation->older = older;
    generation->words_count =
        (uint32_t)((bytes - sizeof(*generation)) / sizeof(generation->words[0]));
    generation->keys_max = keys;
    generation->number = older == NULL ? 1 : (uint16_t)(older->number + 1);
    if (generation->number == 0) /* which would mean: not set */
        generation->number = 1;
    return generation;
}

static void put_in_front(struct key_filter *filter, struct key_filter_generation *generation)
{
    filter->keys_max = generation->keys_max;
    filter->number = generation->number;
    atomic_store_explicit(&filter->keys, 0, memory_order_relaxed);
    atomic_store_explicit(&filter->words_count, generation->words_count, memory_order_relaxed);
    atomic_store_explicit(&filter->newest, generation, memory_order_release);
}

bool key_filter_init(struct key_filter *filter, struct block_pool *pool, uint32_t keys)
{
    struct key_filter_generation *generation;

    if (keys < KEY_FILTER_KEYS_MIN)
        keys = KEY_FILTER_KEYS_MIN;
    if (keys > KEY_FILTER_KEYS_MAX)
        keys = KEY_FILTER_KEYS_MAX;
    generation = generation_create(pool, keys, UINT64_MAX, NULL);
    if (generation == NULL)
        return false;
    filter->newest_ms = 0;
    filter->expected = 0;
    put_in_front(filter, generation);
    return true;
}

/* False without memory: then there are more false positives. */
static bool grow(struct key_filter *filter, struct block_pool *pool, uint32_t keys,
                 uint64_t bytes_max)
{
    struct key_filter_generation *newest =
        atomic_load_explicit(&filter->newest, memory_order_relaxed);
    struct key_filter_generation *grown = generation_create(pool, keys, bytes_max, newest);

    if (grown == NULL)
        return false;
    newest->newest_ms = filter->newest_ms;
    put_in_front(filter, grown);
    return true;
}

void key_filter_generation_free(void *generation)
{
    struct key_filter_generation *freed = generation;

    block_give(freed->pool, freed, generation_bytes(freed->keys_max));
}

void key_filter_expect(struct key_filter *filter, struct block_pool *pool, uint32_t keys)
{
    struct key_filter_generation *newest = atomic_load(&filter->newest);
    uint32_t used = atomic_load(&filter->keys);

    filter->expected += keys;
    if (filter->expected < keys || filter->expected > KEY_FILTER_EXPECTED_MAX)
        filter->expected = KEY_FILTER_EXPECTED_MAX;
    if (filter->keys_max >= used + filter->expected ||
        !grow(filter, pool, filter->expected, KEY_FILTER_EXPECTED_BYTES_MAX) || used > 0)
        return;
    atomic_store(&atomic_load(&filter->newest)->older, newest->older);
    newest->pool = pool;
    key_filter_generation_free(newest); /* nothing is in it */
}

static uint64_t bits_of(const struct hash128 *key)
{
    return 1ULL << (key->word[1] & 63) | 1ULL << (key->word[1] >> 6 & 63);
}

static bool generation_test(struct key_filter_generation *generation, const struct hash128 *key)
{
    uint64_t bits = bits_of(key);

    return (atomic_load_explicit(&generation->words[key_filter_word(key, generation->words_count)],
                                 memory_order_acquire) &
            bits) == bits;
}

static bool generation_set(struct key_filter_generation *generation, const struct hash128 *key)
{
    uint64_t bits = bits_of(key);

    return (atomic_fetch_or_explicit(
                &generation->words[key_filter_word(key, generation->words_count)], bits,
                memory_order_acq_rel) &
            bits) == bits;
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

bool key_filter_set(struct key_filter *filter, const struct hash128 *key, uint16_t *generation_out)
{
    struct key_filter_generation *newest =
        atomic_load_explicit(&filter->newest, memory_order_acquire);

    *generation_out = newest->number;
    return generation_set(newest, key) || chain_test(newest->older, key);
}

void key_filter_count(struct key_filter *filter)
{
    atomic_fetch_add_explicit(&filter->keys, 1, memory_order_relaxed);
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
    if (now_ms - oldest->newest_ms - NEWEST_STEP_MS <= retention_ms)
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

struct key_filter_generation *key_filter_tend(struct key_filter *filter, struct block_pool *pool,
                                              const struct hash128 *key, uint16_t generation,
                                              int64_t now_ms, int64_t retention_ms)
{
    struct key_filter_generation *newest;
    struct key_filter_generation *expired;
    bool was_set = generation != 0;

    if (now_ms - filter->newest_ms >= NEWEST_STEP_MS)
        filter->newest_ms = now_ms;
    /* Its bits may stand in an older generation only, by chance or from before the filter grew;
     * that one goes when its own keys are past retention, which may be before this key is. */
    if (generation != filter->number) {
        newest = atomic_load_explicit(&filter->newest, memory_order_relaxed);
        if (!(MUTANT(KEY_IN_OLD_FILTER) ? chain_test : generation_test)(newest, key)) {
            generation_set(newest, key);
            was_set = true;
        }
    }
    if (was_set)
        atomic_fetch_add_explicit(&filter->keys, 1, memory_order_relaxed);
    if (atomic_load_explicit(&filter->keys, memory_order_relaxed) < filter->keys_max)
        return NULL;
    newest = atomic_load_explicit(&filter->newest, memory_order_relaxed);
    if (chain_length(newest) < KEY_FILTER_GENERATIONS_MAX)
        grow(filter, pool,
             newest->keys_max >= KEY_FILTER_KEYS_MAX / GROWTH ? KEY_FILTER_KEYS_MAX
                                                              : newest->keys_max * GROWTH,
             KEY_FILTER_BYTES_MAX);
    expired = take_expired(atomic_load_explicit(&filter->newest, memory_order_relaxed), now_ms,
                           retention_ms);
    if (expired != NULL)
        expired->pool = pool;
    return expired;
}
