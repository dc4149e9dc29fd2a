/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded records in memory: a hash table by (kind, key), with the entries of each kind and
 * partition chained, since that is how they are read. Keeps the state hash. Not thread-safe. */
#ifndef STAMPEDE_MEMORY_TABLE_H
#define STAMPEDE_MEMORY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "memory_pool.h"

struct memory_entry {
    struct memory_entry *previous; /* in its chain */
    struct memory_entry *next;
    uint64_t state_hash; /* its share */
    uint32_t value_length;
    uint8_t kind;
    uint8_t key_length;
    uint8_t bytes[]; /* key, value */
};

struct memory_chain {
    struct memory_entry *first;
    struct memory_entry *last;
    uint32_t count;
};

struct memory_slot {
    uint64_t hash;
    struct memory_entry *entry; /* NULL: free */
};

struct memory_table {
    struct memory_pool pool;
    struct memory_slot *slots;
    struct memory_chain *chains; /* kinds of partition 0, of partition 1, ... */
    uint64_t slot_count;         /* a power of two */
    uint64_t entry_count;
    uint64_t state_hash; /* wrapping sum over all entries */
    uint32_t partitions;
};

/* False if memory is refused. */
bool memory_table_create(struct memory_table *table, uint32_t partitions);
void memory_table_destroy(struct memory_table *table);

/* NULL if there is none. Valid until the next change of the table. */
struct memory_entry *memory_table_find(const struct memory_table *table, enum record_kind kind,
                                       const uint8_t *key, size_t key_length);

/* Stores a value, in place of the one that was there. */
void memory_table_put(struct memory_table *table, enum record_kind kind, const uint8_t *key,
                      size_t key_length, const uint8_t *value, size_t value_length);

/* False if there is none. */
bool memory_table_remove(struct memory_table *table, enum record_kind kind, const uint8_t *key,
                         size_t key_length);

/* After its bytes were changed in place. */
void memory_table_rehash(struct memory_table *table, struct memory_entry *entry);

const struct memory_chain *memory_table_chain(const struct memory_table *table,
                                              enum record_kind kind, uint32_t partition);

/* The entries of a kind and partition in ascending order of keys; the caller frees the array. NULL
 * if there are none. */
struct memory_entry **memory_table_sorted(const struct memory_table *table, enum record_kind kind,
                                          uint32_t partition, size_t *count_out);

static inline const uint8_t *memory_entry_value(const struct memory_entry *entry)
{
    return entry->bytes + entry->key_length;
}

#endif
