/* SPDX-License-Identifier: Apache-2.0 */
/* Used challenges, in words that are claimed by compare-and-swap. Every access is sequentially
 * consistent: of two that insert the same word at different places of its bucket, each looks at the
 * other's place after its own insertion, so at least one sees the other and is refused. */
#include "api/altcha.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_WORDS = 8, WORDS_PER_SOLUTION = 4, CACHE_LINE_BYTES = 64 };

_Static_assert(BUCKET_WORDS * sizeof(uint64_t) == CACHE_LINE_BYTES, "a bucket is a cache line");

struct altcha_memory {
    _Atomic uint64_t *words; /* expires_s:32 | of the signature:32 */
    uint64_t bucket_count;   /* a power of two */
    _Atomic int64_t latest_s;
};

struct altcha_memory *altcha_memory_create(uint32_t solutions)
{
    struct altcha_memory *memory = calloc(1, sizeof(*memory));
    uint64_t words = (uint64_t)solutions * WORDS_PER_SOLUTION;

    assert(solutions >= 64 && solutions <= ALTCHA_SOLUTIONS_MAX);
    if (memory == NULL)
        return NULL;
    for (memory->bucket_count = 1; memory->bucket_count * BUCKET_WORDS < words;)
        memory->bucket_count *= 2;
    size_t bytes = memory->bucket_count * CACHE_LINE_BYTES;
    memory->words = aligned_alloc(CACHE_LINE_BYTES, bytes);
    if (memory->words == NULL) {
        free(memory);
        return NULL;
    }
    memset((void *)memory->words, 0, bytes);
    return memory;
}

void altcha_memory_destroy(struct altcha_memory *memory)
{
    free((void *)memory->words);
    free(memory);
}

/* The latest time that any thread saw. */
static int64_t time_advance(struct altcha_memory *memory, int64_t now_s)
{
    int64_t latest_s = atomic_load(&memory->latest_s);

    while (latest_s < now_s && !atomic_compare_exchange_weak(&memory->latest_s, &latest_s, now_s))
        ;
    return latest_s < now_s ? now_s : latest_s;
}

static bool is_live(uint64_t word, int64_t now_s)
{
    return (int64_t)(word >> 32) > now_s;
}

/* Where the word stands in its bucket, but for place `except`; BUCKET_WORDS: nowhere. */
static unsigned find(_Atomic uint64_t *bucket, uint64_t word, unsigned except)
{
    unsigned place = 0;

    while (place < BUCKET_WORDS && (place == except || atomic_load(&bucket[place]) != word))
        place++;
    return place;
}

/* Puts the word at a place whose word has expired; BUCKET_WORDS: there is none. */
static unsigned insert(_Atomic uint64_t *bucket, uint64_t word, int64_t now_s)
{
    for (unsigned place = 0; place < BUCKET_WORDS; place++) {
        uint64_t old = atomic_load(&bucket[place]);

        if (!is_live(old, now_s) && atomic_compare_exchange_strong(&bucket[place], &old, word))
            return place;
    }
    return BUCKET_WORDS;
}

enum altcha_verdict altcha_memory_use(struct altcha_memory *memory, const uint8_t signature[32],
                                      int64_t expires_s, int64_t now_s)
{
    uint64_t where;
    uint32_t tag;

    memcpy(&where, signature, sizeof(where));
    memcpy(&tag, signature + sizeof(where), sizeof(tag));
    now_s = time_advance(memory, now_s);
    if (expires_s <= now_s || expires_s > UINT32_MAX)
        return ALTCHA_EXPIRED;
    uint64_t word = (uint64_t)expires_s << 32 | tag;
    _Atomic uint64_t *bucket = memory->words + (where & (memory->bucket_count - 1)) * BUCKET_WORDS;
    if (find(bucket, word, BUCKET_WORDS) != BUCKET_WORDS)
        return ALTCHA_REPLAYED;
    unsigned place = insert(bucket, word, now_s);
    if (place == BUCKET_WORDS)
        return ALTCHA_MEMORY_FULL;
    if (find(bucket, word, place) != BUCKET_WORDS)
        return ALTCHA_REPLAYED;
    /* Meanwhile another thread, with a later time, may have put its word over ours of before; it
     * told that time first. */
    return atomic_load(&memory->latest_s) < expires_s ? ALTCHA_GOOD : ALTCHA_EXPIRED;
}
