/* SPDX-License-Identifier: Apache-2.0 */
/* A hash index from a 64-bit hash to slots of a pool: linear hashing (Litwin, 1980) over memory
 * that the caller gives. A bucket is one cache line of seven entries, each 32 bits of the hash and
 * a slot; what finds no room there goes to overflow buckets. The table grows by one bucket at a
 * time, at its end: so no addition costs more than that, memory is touched only as entries come,
 * and a look-up costs one line of memory. Whether a slot is the one meant, the caller tells by
 * comparing keys. Single-threaded. Never iterated, so that no order depends on it. */
#ifndef STAMPEDE_INDEX_TABLE_H
#define STAMPEDE_INDEX_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hints.h"

#define SLOT_NONE UINT32_MAX

enum {
    INDEX_BUCKET_ENTRIES = 7,
    /* Half of it is the average of entries a bucket: those that are yet to be split in a round have
     * up to twice as many as those that were, and should rarely overflow. 18 bytes an entry. */
    INDEX_BUCKET_LOAD_TWICE = 7,
    INDEX_BUCKETS_MIN = 8,
};

struct index_bucket {
    uint32_t tags[INDEX_BUCKET_ENTRIES];
    uint32_t used;
    uint32_t slots[INDEX_BUCKET_ENTRIES];
    uint32_t overflow; /* place + 1 of the bucket that goes on; 0: none, as long as there is room */
};

struct index_table {
    struct index_bucket *buckets;
    struct index_bucket *overflow;
    uint32_t count; /* buckets in use */
    uint32_t count_max;
    uint32_t mask; /* of this round of splits: 2^n - 1 >= count - 1 */
    uint32_t used;
    uint32_t overflow_max;
    uint32_t overflow_fresh; /* overflow buckets never used begin here */
    uint32_t overflow_free;  /* place + 1 of a free one, which leads to the next by `overflow` */
};

/* The buckets, overflow included, that as many entries as there are slots can need. */
uint32_t index_table_buckets(uint32_t slots);

/* `buckets` is zeroed memory for index_table_buckets(slots), aligned to a cache line; it stays the
 * caller's. */
void index_table_init(struct index_table *table, struct index_bucket *buckets, uint32_t slots);

/* The first slot under this hash after `*cursor`, or SLOT_NONE; start with *cursor = 0 and call
 * again with the same cursor for the next candidate. */
uint32_t index_table_find(const struct index_table *table, uint64_t hash, uint32_t *cursor);

/* Adds a slot. There is room for as many as were said (asserted). */
void index_table_add(struct index_table *table, uint64_t hash, uint32_t slot);

/* Removes the entry of this hash and slot, which must be there (asserted). */
void index_table_remove(struct index_table *table, uint64_t hash, uint32_t slot);

/* Puts another slot in the place of one that is there (asserted). */
void index_table_replace(struct index_table *table, uint64_t hash, uint32_t slot,
                         uint32_t replacement);

static inline uint32_t index_table_bucket(const struct index_table *table, uint64_t hash)
{
    uint32_t bucket = (uint32_t)hash & table->mask;

    return bucket < table->count ? bucket : bucket & (table->mask >> 1);
}

/* A hint that this hash is asked for or added soon. */
static inline void index_table_prefetch(const struct index_table *table, uint64_t hash)
{
    prefetch(&table->buckets[index_table_bucket(table, hash)]);
}

#endif
