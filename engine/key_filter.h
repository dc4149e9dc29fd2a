/* SPDX-License-Identifier: Apache-2.0 */
/* The key filter: which idempotency keys may have claimed of a product. A Bloom filter of atomic
 * words, two bits a key, no false negatives: the core that will claim sets its key's bits first, so
 * whoever repeats a key that won finds them set and is sent to the owner without a claim.
 *
 * It grows by generations: when more keys were set than the newest was made for, its owner puts a
 * larger one in front; a key matches if any generation has both its bits. Old ones are kept
 * while a key in them may still be repeated, and dropped by the owner afterwards (readers have
 * passed a tick by then).
 *
 * Orders: setting bits is acquire-release and precedes the claim in program order; testing is
 * acquire. A repeat is sent after its first answer was seen or its connection was lost, or races
 * with it: in a race either order of the two claims is a correct one, as the owner decides. */
#ifndef STAMPEDE_KEY_FILTER_H
#define STAMPEDE_KEY_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "block_pool.h"
#include "gate.h"
#include "hash.h"
#include "hints.h"

enum {
    KEY_FILTER_BITS_PER_KEY = 16, /* about 2 % false positives when full, two bits a key */
#ifdef STAMPEDE_KEY_FILTER_SMALL  /* in the simulator, so that it often grows and forgets */
    KEY_FILTER_KEYS_MIN = 8,
    KEY_FILTER_KEYS_MAX = 32,
#else
    KEY_FILTER_KEYS_MIN = 256,
    KEY_FILTER_KEYS_MAX = 1 << 22,
#endif
    KEY_FILTER_EXPECTED_MAX = 4096, /* 8 KiB at most for what is yet to come */
    KEY_FILTER_GENERATIONS_MAX = 12,
    /* Of a pool: beyond, filters are not made larger than they must be; and no larger at all. */
    KEY_FILTER_EXPECTED_BYTES_MAX = 64 << 20,
    KEY_FILTER_BYTES_MAX = 512 << 20,
};

struct key_filter_generation {
    _Alignas(CACHE_LINE) _Atomic(struct key_filter_generation *) older; /* until that is dropped */
    uint32_t words_count;
    int64_t newest_ms; /* when a key may last have been set in it, once another is in front */
    uint32_t keys_max;
    uint16_t number;                               /* counted from 1 */
    struct block_pool *pool;                       /* that it goes to, set by who unlinks it */
    _Alignas(CACHE_LINE) _Atomic uint64_t words[]; /* both bits of a key are in one */
};

struct key_filter {
    _Atomic(struct key_filter_generation *) newest;
    _Atomic uint32_t words_count; /* its; for prefetches alone: the two are not read at once */
    /* The owner's, apart from what every core reads; of the newest generation. */
    _Alignas(CACHE_LINE) int64_t newest_ms;
    uint32_t keys_max;
    uint32_t expected;
    uint16_t number;
    _Atomic uint32_t keys; /* set in it, won or refused, about */
};

/* Makes the first generation, for `keys` keys. False without memory. Before publication. There is
 * no way to destroy a filter: what it has goes with the pools. */
bool key_filter_init(struct key_filter *filter, struct block_pool *pool, uint32_t keys);
/* So many more keys are expected, in a rush that leaves the owner no time to tend: makes room for
 * all that were, up to a bound. Before publication. */
void key_filter_expect(struct key_filter *filter, struct block_pool *pool, uint32_t keys);

static inline uint32_t key_filter_word(const struct hash128 *key, uint32_t words_count)
{
    return (uint32_t)((key->word[0] & UINT32_MAX) * words_count >> 32);
}

/* A hint that it is tested for this key soon, and set if there is something to claim. */
static inline void key_filter_prefetch(const struct key_filter *filter, const struct hash128 *key,
                                       bool is_set)
{
    const struct key_filter_generation *newest =
        atomic_load_explicit(&filter->newest, memory_order_relaxed);

    const void *word = &newest->words[key_filter_word(
        key, atomic_load_explicit(&filter->words_count, memory_order_relaxed))];

    prefetch(newest);
    if (is_set)
        prefetch_to_write(word);
    else
        prefetch(word);
}

/* Whether this key may have claimed. Any thread. */
bool key_filter_test(const struct key_filter *filter, const struct hash128 *key);

/* Sets the key's bits; true if they were all set before (then it must not claim). Otherwise
 * `*generation_out` says where they were set, for key_filter_tend. Any thread. */
bool key_filter_set(struct key_filter *filter, const struct hash128 *key, uint16_t *generation_out);

/* Counts a key that was set and whose reservation will not reach the owner. Any thread. */
void key_filter_count(struct key_filter *filter);

/* The owner tends the filter whenever a reservation of the product has reached it, with its key and
 * the number of the generation in which that was set for it (0: it was not, and does not count):
 * makes sure that it is in the newest, whose keys are all kept at least as long as it; puts a
 * larger generation in front when the newest is full (without memory it goes on with more false
 * positives, which cost a message, not a unit). Returns a generation whose keys are all past
 * `retention_ms`, unlinked, for the caller to free once every shard has passed a tick; or NULL.
 * `pool` is the caller's, for both. */
struct key_filter_generation *key_filter_tend(struct key_filter *filter, struct block_pool *pool,
                                              const struct hash128 *key, uint16_t generation,
                                              int64_t now_ms, int64_t retention_ms);

/* Back to the pool of who unlinked it; it takes a struct key_filter_generation. */
void key_filter_generation_free(void *generation);

#endif
