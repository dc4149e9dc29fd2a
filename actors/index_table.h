/* SPDX-License-Identifier: Apache-2.0 */
/* A hash index from a 64-bit hash to slots of a pool: open addressing with linear probing and
 * backward-shift deletion, over memory that the caller gives. It stores 32 bits of each hash and a
 * slot number; whether a slot is the one meant, the caller tells by comparing keys.
 * Single-threaded. Never iterated, so that no order depends on it. */
#ifndef STAMPEDE_INDEX_TABLE_H
#define STAMPEDE_INDEX_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_NONE UINT32_MAX

struct index_entry {
    uint32_t tag;
    uint32_t slot_plus_one; /* 0: empty */
};

struct index_table {
    struct index_entry *entries;
    uint32_t mask;
    uint32_t used;
};

/* The number of entries that hold `slots` slots at most half full; a power of two. */
uint32_t index_table_entries(uint32_t slots);

/* `entries` is zeroed memory of `count` (a power of two) entries; it stays the caller's. */
void index_table_init(struct index_table *table, struct index_entry *entries, uint32_t count);

/* The first slot under this hash from `cursor` on, or SLOT_NONE; start with *cursor = 0 and call
 * again with the same cursor for the next candidate. */
uint32_t index_table_find(const struct index_table *table, uint64_t hash, uint32_t *cursor);

/* Adds a slot. Precondition: there is room (pools are sized so that there is: asserted). */
void index_table_add(struct index_table *table, uint64_t hash, uint32_t slot);

/* Removes the entry of this hash and slot, which must be there (asserted). */
void index_table_remove(struct index_table *table, uint64_t hash, uint32_t slot);

#endif
