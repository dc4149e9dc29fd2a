/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands whose answers are awaited: a free list over a fixed array, and a generation
 * in each cookie, so that a cookie names one command only. */
#include <assert.h>
#include <stdlib.h>

#include "api/api_shard.h"

bool pending_table_init(struct pending_table *table, uint32_t count)
{
    table->entries = calloc(count, sizeof(*table->entries));
    if (table->entries == NULL)
        return false;
    table->count = count;
    table->first_free = 0;
    for (uint32_t i = 0; i < count; i++) {
        table->entries[i].generation = 1;
        table->entries[i].next_free = i + 1;
    }
    return true;
}

void pending_table_free(struct pending_table *table)
{
    free(table->entries);
    table->entries = NULL;
}

uint64_t pending_open(struct pending_table *table, uint64_t exchange_cookie, pending_answer answer,
                      void *user)
{
    uint32_t index = table->first_free;

    if (index == table->count)
        return 0;
    struct pending *entry = &table->entries[index];
    table->first_free = entry->next_free;
    entry->answer = answer;
    entry->user = user;
    entry->exchange_cookie = exchange_cookie;
    return (uint64_t)entry->generation << 32 | index;
}

struct pending pending_take(struct pending_table *table, uint64_t cookie)
{
    uint32_t index = (uint32_t)cookie;

    assert(index < table->count);
    struct pending *entry = &table->entries[index];
    assert(entry->answer != NULL && entry->generation == (uint32_t)(cookie >> 32));
    struct pending taken = *entry;
    entry->answer = NULL;
    entry->generation = entry->generation == UINT32_MAX ? 1 : entry->generation + 1;
    entry->next_free = table->first_free;
    table->first_free = index;
    return taken;
}

void pending_cancel(struct pending_table *table, uint64_t cookie)
{
    (void)pending_take(table, cookie);
}
