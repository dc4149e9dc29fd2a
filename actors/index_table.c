/* SPDX-License-Identifier: Apache-2.0 */
#include "index_table.h"

#include <assert.h>

uint32_t index_table_entries(uint32_t slots)
{
    uint32_t count = 16;

    assert(slots <= 1u << 29);
    while (count < slots * 2)
        count *= 2;
    return count;
}

void index_table_init(struct index_table *table, struct index_entry *entries, uint32_t count)
{
    assert(count >= 2 && (count & (count - 1)) == 0);
    table->entries = entries;
    table->mask = count - 1;
    table->used = 0;
}

uint32_t index_table_find(const struct index_table *table, uint64_t hash, uint32_t *cursor)
{
    uint32_t tag = (uint32_t)hash;

    for (uint32_t step = *cursor; step <= table->mask; step++) {
        const struct index_entry *entry = &table->entries[(tag + step) & table->mask];

        if (entry->slot_plus_one == 0)
            break;
        if (entry->tag == tag) {
            *cursor = step + 1;
            return entry->slot_plus_one - 1;
        }
    }
    return SLOT_NONE;
}

void index_table_add(struct index_table *table, uint64_t hash, uint32_t slot)
{
    uint32_t position = (uint32_t)hash & table->mask;

    assert(slot != SLOT_NONE && table->used < table->mask);
    while (table->entries[position].slot_plus_one != 0)
        position = (position + 1) & table->mask;
    table->entries[position] =
        (struct index_entry){.tag = (uint32_t)hash, .slot_plus_one = slot + 1};
    table->used++;
}

void index_table_remove(struct index_table *table, uint64_t hash, uint32_t slot)
{
    uint32_t hole = (uint32_t)hash & table->mask;
    uint32_t probe;

    for (uint32_t step = 0; table->entries[hole].slot_plus_one != slot + 1; step++) {
        assert(step <= table->mask && table->entries[hole].slot_plus_one != 0);
        hole = (hole + 1) & table->mask;
    }
    /* Shift back what follows, so that no tombstone lengthens later probes. */
    for (probe = (hole + 1) & table->mask; table->entries[probe].slot_plus_one != 0;
         probe = (probe + 1) & table->mask) {
        uint32_t home = table->entries[probe].tag & table->mask;

        if (((probe - home) & table->mask) >= ((probe - hole) & table->mask)) {
            table->entries[hole] = table->entries[probe];
            hole = probe;
        }
    }
    table->entries[hole] = (struct index_entry){0};
    table->used--;
}
