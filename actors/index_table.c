/* SPDX-License-Identifier: Apache-2.0 */
#include "index_table.h"

#include <assert.h>

_Static_assert(sizeof(struct index_bucket) == 64, "a bucket is a cache line");

uint32_t index_table_buckets(uint32_t slots)
{
    assert(slots <= 1u << 29);
    return INDEX_BUCKETS_MIN + slots / INDEX_BUCKET_LOAD;
}

void index_table_init(struct index_table *table, struct index_bucket *buckets,
                      struct index_node *nodes, uint32_t slots)
{
    assert(((uintptr_t)buckets & 63) == 0);
    *table = (struct index_table){.buckets = buckets,
                                  .nodes = nodes,
                                  .count = INDEX_BUCKETS_MIN,
                                  .count_max = index_table_buckets(slots),
                                  .mask = INDEX_BUCKETS_MIN - 1};
}

/* `cursor` is where to go on: up to INDEX_BUCKET_ENTRIES within the bucket, beyond it the slot of
 * the chained entry found last. */
uint32_t index_table_find(const struct index_table *table, uint64_t hash, uint32_t *cursor)
{
    const struct index_bucket *bucket = &table->buckets[index_table_bucket(table, hash)];
    uint32_t tag = (uint32_t)hash;
    uint32_t slot_plus_one;

    for (uint32_t i = *cursor; i < bucket->used; i++)
        if (bucket->tags[i] == tag) {
            *cursor = i + 1;
            return bucket->slots[i];
        }
    slot_plus_one = *cursor <= INDEX_BUCKET_ENTRIES
                        ? bucket->overflow
                        : table->nodes[*cursor - INDEX_BUCKET_ENTRIES - 1].next;
    for (; slot_plus_one != 0; slot_plus_one = table->nodes[slot_plus_one - 1].next)
        if (table->nodes[slot_plus_one - 1].tag == tag) {
            *cursor = slot_plus_one + INDEX_BUCKET_ENTRIES;
            return slot_plus_one - 1;
        }
    return SLOT_NONE;
}

static void put(struct index_table *table, struct index_bucket *bucket, uint32_t tag, uint32_t slot)
{
    if (bucket->used < INDEX_BUCKET_ENTRIES) {
        bucket->tags[bucket->used] = tag;
        bucket->slots[bucket->used] = slot;
        bucket->used++;
    } else {
        table->nodes[slot] = (struct index_node){.tag = tag, .next = bucket->overflow};
        bucket->overflow = slot + 1;
    }
}

/* Adds a bucket, which takes its part of the one that it is split off from. */
static void grow(struct index_table *table)
{
    struct index_bucket *new_bucket = &table->buckets[table->count];
    struct index_bucket *split;
    struct index_bucket whole;
    uint32_t from;

    if (table->count > table->mask)
        table->mask = table->mask * 2 + 1;
    from = table->count & (table->mask >> 1);
    split = &table->buckets[from];
    whole = *split;
    split->used = 0;
    split->overflow = 0;
    new_bucket->used = 0;
    new_bucket->overflow = 0;
    table->count++;
    for (uint32_t i = 0; i < whole.used; i++)
        put(table, (whole.tags[i] & table->mask) == from ? split : new_bucket, whole.tags[i],
            whole.slots[i]);
    while (whole.overflow != 0) {
        uint32_t slot = whole.overflow - 1;
        uint32_t tag = table->nodes[slot].tag;

        whole.overflow = table->nodes[slot].next;
        put(table, (tag & table->mask) == from ? split : new_bucket, tag, slot);
    }
}

void index_table_add(struct index_table *table, uint64_t hash, uint32_t slot)
{
    assert(slot != SLOT_NONE);
    table->used++;
    if (table->used > table->count * INDEX_BUCKET_LOAD && table->count < table->count_max)
        grow(table);
    put(table, &table->buckets[index_table_bucket(table, hash)], (uint32_t)hash, slot);
}

/* Where a slot stands: in its bucket, or the link of the chain that leads to it. */
static uint32_t *find_place(struct index_table *table, struct index_bucket *bucket, uint32_t slot)
{
    uint32_t *link = &bucket->overflow;

    for (uint32_t i = 0; i < bucket->used; i++)
        if (bucket->slots[i] == slot)
            return &bucket->slots[i];
    while (*link != slot + 1) {
        assert(*link != 0);
        link = &table->nodes[*link - 1].next;
    }
    return link;
}

static bool is_within(const struct index_bucket *bucket, const uint32_t *place)
{
    return place >= bucket->slots && place < bucket->slots + INDEX_BUCKET_ENTRIES;
}

void index_table_remove(struct index_table *table, uint64_t hash, uint32_t slot)
{
    struct index_bucket *bucket = &table->buckets[index_table_bucket(table, hash)];
    uint32_t *place = find_place(table, bucket, slot);

    table->used--;
    if (!is_within(bucket, place)) {
        *place = table->nodes[slot].next;
        return;
    }
    bucket->used--;
    *place = bucket->slots[bucket->used];
    bucket->tags[place - bucket->slots] = bucket->tags[bucket->used];
}

void index_table_replace(struct index_table *table, uint64_t hash, uint32_t slot,
                         uint32_t replacement)
{
    struct index_bucket *bucket = &table->buckets[index_table_bucket(table, hash)];
    uint32_t *place = find_place(table, bucket, slot);

    if (is_within(bucket, place)) {
        *place = replacement;
        return;
    }
    table->nodes[replacement] = table->nodes[slot];
    *place = replacement + 1;
}
