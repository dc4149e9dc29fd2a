/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_INITIAL = 1024 };

bool memory_table_create(struct memory_table *table, uint32_t partitions)
{
    assert(partitions >= 1 && partitions <= PARTITIONS_MAX);
    *table = (struct memory_table){.partitions = partitions, .slot_count = SLOTS_INITIAL};
    table->slots = calloc(SLOTS_INITIAL, sizeof(*table->slots));
    table->chains = calloc((size_t)partitions * RECORD_KIND_COUNT, sizeof(*table->chains));
    if (table->slots != NULL && table->chains != NULL)
        return true;
    free(table->slots);
    free(table->chains);
    return false;
}

static size_t entry_bytes(const struct memory_entry *entry)
{
    return sizeof(*entry) + entry->key_length + entry->value_length;
}

void memory_table_destroy(struct memory_table *table)
{
    for (uint64_t i = 0; i < table->slot_count; i++) {
        struct memory_entry *entry = table->slots[i].entry;

        if (entry != NULL)
            memory_pool_give(&table->pool, entry, entry_bytes(entry));
    }
    memory_pool_destroy(&table->pool);
    free(table->slots);
    free(table->chains);
}

static uint64_t key_hash(enum record_kind kind, const uint8_t *key, size_t key_length)
{
    return codec_state_hash(kind, key, key_length, key, 0);
}

static uint32_t partition_of(const uint8_t *key)
{
    return (uint32_t)key[0] << 8 | key[1];
}

static struct memory_chain *chain_of(const struct memory_table *table, enum record_kind kind,
                                     uint32_t partition)
{
    assert(partition < table->partitions);
    return &table->chains[(size_t)partition * RECORD_KIND_COUNT + kind];
}

const struct memory_chain *memory_table_chain(const struct memory_table *table,
                                              enum record_kind kind, uint32_t partition)
{
    return chain_of(table, kind, partition);
}

/* The slot of a key, or the free slot where it would go. */
static uint64_t slot_find(const struct memory_table *table, uint64_t hash, enum record_kind kind,
                          const uint8_t *key, size_t key_length)
{
    uint64_t mask = table->slot_count - 1;
    uint64_t at = hash & mask;

    for (;; at = (at + 1) & mask) {
        const struct memory_entry *entry = table->slots[at].entry;

        if (entry == NULL)
            return at;
        if (table->slots[at].hash == hash && entry->kind == kind &&
            entry->key_length == key_length && memcmp(entry->bytes, key, key_length) == 0)
            return at;
    }
}

struct memory_entry *memory_table_find(const struct memory_table *table, enum record_kind kind,
                                       const uint8_t *key, size_t key_length)
{
    uint64_t hash = key_hash(kind, key, key_length);

    return table->slots[slot_find(table, hash, kind, key, key_length)].entry;
}

/* Keeps at least half of the slots free, so that probing stays short. */
static void table_grow(struct memory_table *table)
{
    struct memory_slot *old = table->slots;
    uint64_t old_count = table->slot_count;
    uint64_t mask = old_count * 2 - 1;

    table->slots = calloc(old_count * 2, sizeof(*table->slots));
    if (table->slots == NULL)
        abort();
    table->slot_count = old_count * 2;
    for (uint64_t i = 0; i < old_count; i++) {
        uint64_t at = old[i].hash & mask;

        if (old[i].entry == NULL)
            continue;
        while (table->slots[at].entry != NULL)
            at = (at + 1) & mask;
        table->slots[at] = old[i];
    }
    free(old);
}

static void chain_append(struct memory_chain *chain, struct memory_entry *entry)
{
    entry->previous = chain->last;
    entry->next = NULL;
    if (chain->last != NULL)
        chain->last->next = entry;
    else
        chain->first = entry;
    chain->last = entry;
    chain->count++;
}

static void chain_remove(struct memory_chain *chain, struct memory_entry *entry)
{
    if (entry->previous != NULL)
        entry->previous->next = entry->next;
    else
        chain->first = entry->next;
    if (entry->next != NULL)
        entry->next->previous = entry->previous;
    else
        chain->last = entry->previous;
    assert(chain->count > 0);
    chain->count--;
}

static struct memory_entry *entry_create(struct memory_table *table, enum record_kind kind,
                                         const uint8_t *key, size_t key_length, size_t value_length)
{
    size_t bytes = sizeof(struct memory_entry) + key_length + value_length;
    struct memory_entry *entry = memory_pool_take(&table->pool, bytes);

    entry->kind = (uint8_t)kind;
    entry->key_length = (uint8_t)key_length;
    entry->value_length = (uint32_t)value_length;
    memcpy(entry->bytes, key, key_length);
    chain_append(chain_of(table, kind, partition_of(key)), entry);
    return entry;
}

static void entry_destroy(struct memory_table *table, struct memory_entry *entry)
{
    table->state_hash -= entry->state_hash;
    chain_remove(chain_of(table, (enum record_kind)entry->kind, partition_of(entry->bytes)), entry);
    memory_pool_give(&table->pool, entry, entry_bytes(entry));
}

static void entry_hash(struct memory_table *table, struct memory_entry *entry)
{
    entry->state_hash =
        codec_state_hash((enum record_kind)entry->kind, entry->bytes, entry->key_length,
                         memory_entry_value(entry), entry->value_length);
    table->state_hash += entry->state_hash;
}

void memory_table_rehash(struct memory_table *table, struct memory_entry *entry)
{
    table->state_hash -= entry->state_hash;
    entry_hash(table, entry);
}

void memory_table_put(struct memory_table *table, enum record_kind kind, const uint8_t *key,
                      size_t key_length, const uint8_t *value, size_t value_length)
{
    uint64_t hash = key_hash(kind, key, key_length);
    struct memory_slot *slot = &table->slots[slot_find(table, hash, kind, key, key_length)];

    assert(key_length >= CODEC_KEY_BYTES && key_length <= CODEC_KEY_BYTES_MAX);
    if (slot->entry != NULL && slot->entry->value_length == value_length) {
        table->state_hash -= slot->entry->state_hash;
    } else {
        if (slot->entry != NULL)
            entry_destroy(table, slot->entry);
        else
            table->entry_count++;
        slot->hash = hash;
        slot->entry = entry_create(table, kind, key, key_length, value_length);
    }
    memcpy(slot->entry->bytes + key_length, value, value_length);
    entry_hash(table, slot->entry);
    if (table->entry_count * 2 > table->slot_count)
        table_grow(table);
}

/* Moves up what was pushed past the slot that became free. */
static void slots_close(struct memory_table *table, uint64_t gap)
{
    uint64_t mask = table->slot_count - 1;

    for (uint64_t at = (gap + 1) & mask; table->slots[at].entry != NULL; at = (at + 1) & mask) {
        uint64_t home = table->slots[at].hash & mask;

        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        table->slots[gap] = table->slots[at];
        gap = at;
    }
    table->slots[gap] = (struct memory_slot){0};
}

bool memory_table_remove(struct memory_table *table, enum record_kind kind, const uint8_t *key,
                         size_t key_length)
{
    uint64_t hash = key_hash(kind, key, key_length);
    uint64_t at = slot_find(table, hash, kind, key, key_length);

    if (table->slots[at].entry == NULL)
        return false;
    entry_destroy(table, table->slots[at].entry);
    slots_close(table, at);
    table->entry_count--;
    return true;
}

static int entry_order(const struct memory_entry *a, const struct memory_entry *b)
{
    assert(a->key_length == b->key_length);
    return memcmp(a->bytes, b->bytes, a->key_length);
}

static int pointer_order(const void *a, const void *b)
{
    return entry_order(*(struct memory_entry *const *)a, *(struct memory_entry *const *)b);
}

struct memory_entry **memory_table_sorted(const struct memory_table *table, enum record_kind kind,
                                          uint32_t partition, size_t *count_out)
{
    const struct memory_chain *chain = chain_of(table, kind, partition);
    bool is_sorted = true;
    size_t count = 0;

    *count_out = chain->count;
    if (chain->count == 0)
        return NULL;
    struct memory_entry **entries = malloc(chain->count * sizeof(struct memory_entry *));
    if (entries == NULL)
        abort();
    for (struct memory_entry *entry = chain->first; entry != NULL; entry = entry->next) {
        if (count > 0 && entry_order(entries[count - 1], entry) > 0)
            is_sorted = false;
        entries[count++] = entry;
    }
    assert(count == chain->count);
    if (!is_sorted)
        qsort(entries, count, sizeof(struct memory_entry *), pointer_order);
    return entries;
}
