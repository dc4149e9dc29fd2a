/* SPDX-License-Identifier: Apache-2.0 */
#include "index_table.h"

#include <assert.h>

_Static_assert(sizeof(struct index_bucket) == 64, "a bucket is a cache line");

static uint32_t main_buckets(uint32_t slots)
{
    return INDEX_BUCKETS_MIN + (uint32_t)((uint64_t)slots * 2 / INDEX_BUCKET_LOAD_TWICE);
}

/* Of the buckets of a chain only the last is not full, so even if all entries came to one bucket,
 * or eight to each, there are no more overflow buckets than one for seven entries; and two while
 * one is split. */
static uint32_t overflow_buckets(uint32_t slots)
{
    return 2 + slots / INDEX_BUCKET_ENTRIES;
}

uint32_t index_table_buckets(uint32_t slots)
{
    assert(slots <= 1u << 29);
    return main_buckets(slots) + overflow_buckets(slots);
}

void index_table_init(struct index_table *table, struct index_bucket *buckets, uint32_t slots)
{
    assert(((uintptr_t)buckets & 63) == 0);
    *table = (struct index_table){.buckets = buckets,
                                  .overflow = buckets + main_buckets(slots),
                                  .count = INDEX_BUCKETS_MIN,
                                  .count_max = main_buckets(slots),
                                  .overflow_max = overflow_buckets(slots),
                                  .mask = INDEX_BUCKETS_MIN - 1};
}

static struct index_bucket *next_of(const struct index_table *table,
                                    const struct index_bucket *bucket)
{
    return bucket->overflow == 0 ? NULL : &table->overflow[bucket->overflow - 1];
}

/* `cursor` counts the entries of the chain that were looked at. */
uint32_t index_table_find(const struct index_table *table, uint64_t hash, uint32_t *cursor)
{
    const struct index_bucket *bucket = &table->buckets[index_table_bucket(table, hash)];
    uint32_t tag = (uint32_t)hash;
    uint32_t at = *cursor;
    uint32_t before = 0;

    for (; at >= INDEX_BUCKET_ENTRIES && bucket != NULL; at -= INDEX_BUCKET_ENTRIES) {
        bucket = next_of(table, bucket);
        before += INDEX_BUCKET_ENTRIES;
    }
    for (; bucket != NULL; bucket = next_of(table, bucket)) {
        for (; at < bucket->used; at++)
            if (bucket->tags[at] == tag) {
                *cursor = before + at + 1;
                return bucket->slots[at];
            }
        before += INDEX_BUCKET_ENTRIES;
        at = 0;
    }
    return SLOT_NONE;
}

/* ---- adding ---- */

static struct index_bucket *overflow_take(struct index_table *table, struct index_bucket *bucket)
{
    uint32_t place_plus_one = table->overflow_free;
    struct index_bucket *taken;

    if (place_plus_one == 0)
        place_plus_one = ++table->overflow_fresh;
    assert(place_plus_one <= table->overflow_max);
    taken = &table->overflow[place_plus_one - 1];
    if (table->overflow_free != 0)
        table->overflow_free = taken->overflow;
    taken->used = 0;
    taken->overflow = 0;
    bucket->overflow = place_plus_one;
    return taken;
}

/* The one that follows this goes back; it has become empty. */
static void overflow_give(struct index_table *table, struct index_bucket *bucket)
{
    uint32_t place_plus_one = bucket->overflow;
    struct index_bucket *given = &table->overflow[place_plus_one - 1];

    bucket->overflow = 0;
    given->overflow = table->overflow_free;
    table->overflow_free = place_plus_one;
}

static inline void put(struct index_table *table, struct index_bucket *bucket, uint32_t tag,
                       uint32_t slot)
{
    while (bucket->used == INDEX_BUCKET_ENTRIES)
        bucket = bucket->overflow != 0 ? next_of(table, bucket) : overflow_take(table, bucket);
    bucket->tags[bucket->used] = tag;
    bucket->slots[bucket->used] = slot;
    bucket->used++;
}

/* Moves from the bucket what belongs into the new one; what stays closes up. */
static void divide(const struct index_table *table, struct index_bucket *bucket,
                   struct index_bucket *new_bucket, uint32_t from)
{
    uint32_t kept = 0;
    uint32_t moved = 0;

    for (uint32_t i = 0; i < bucket->used; i++) {
        uint32_t tag = bucket->tags[i];
        uint32_t slot = bucket->slots[i];

        if ((tag & table->mask) == from) {
            bucket->tags[kept] = tag;
            bucket->slots[kept++] = slot;
        } else {
            new_bucket->tags[moved] = tag;
            new_bucket->slots[moved++] = slot;
        }
    }
    bucket->used = kept;
    new_bucket->used = moved;
}

/* Adds a bucket, which takes its part of the one that it is split off from. */
static void grow(struct index_table *table)
{
    struct index_bucket *new_bucket = &table->buckets[table->count];
    struct index_bucket *split;
    uint32_t next;
    uint32_t from;

    if (table->count > table->mask)
        table->mask = table->mask * 2 + 1;
    from = table->count & (table->mask >> 1);
    split = &table->buckets[from];
    prefetch(split + 1); /* the next time's */
    prefetch(new_bucket + 1);
    new_bucket->overflow = 0;
    divide(table, split, new_bucket, from);
    table->count++;
    next = split->overflow;
    split->overflow = 0;
    while (next != 0) {
        struct index_bucket part = table->overflow[next - 1];

        table->overflow[next - 1].overflow = table->overflow_free;
        table->overflow_free = next;
        for (uint32_t i = 0; i < part.used; i++)
            put(table, (part.tags[i] & table->mask) == from ? split : new_bucket, part.tags[i],
                part.slots[i]);
        next = part.overflow;
    }
}

void index_table_add(struct index_table *table, uint64_t hash, uint32_t slot)
{
    assert(slot != SLOT_NONE);
    table->used++;
    if ((uint64_t)table->used * 2 > (uint64_t)table->count * INDEX_BUCKET_LOAD_TWICE &&
        table->count < table->count_max)
        grow(table);
    put(table, &table->buckets[index_table_bucket(table, hash)], (uint32_t)hash, slot);
}

/* ---- removing ---- */

/* Where a slot stands; in `*bucket_in_out` its bucket of the chain. */
static uint32_t find_place(const struct index_table *table, struct index_bucket **bucket_in_out,
                           uint32_t slot)
{
    for (;; *bucket_in_out = next_of(table, *bucket_in_out)) {
        assert(*bucket_in_out != NULL);
        for (uint32_t i = 0; i < (*bucket_in_out)->used; i++)
            if ((*bucket_in_out)->slots[i] == slot)
                return i;
    }
}

/* The chain's last entry takes the place, so that only the last bucket is ever not full. */
void index_table_remove(struct index_table *table, uint64_t hash, uint32_t slot)
{
    struct index_bucket *bucket = &table->buckets[index_table_bucket(table, hash)];
    uint32_t at = find_place(table, &bucket, slot);
    struct index_bucket *last = bucket;
    struct index_bucket *before_last = &table->buckets[index_table_bucket(table, hash)];

    while (last->overflow != 0)
        last = next_of(table, last);
    table->used--;
    last->used--;
    bucket->tags[at] = last->tags[last->used];
    bucket->slots[at] = last->slots[last->used];
    if (last->used > 0 || last == before_last)
        return;
    while (next_of(table, before_last) != last)
        before_last = next_of(table, before_last);
    overflow_give(table, before_last);
}

void index_table_replace(struct index_table *table, uint64_t hash, uint32_t slot,
                         uint32_t replacement)
{
    struct index_bucket *bucket = &table->buckets[index_table_bucket(table, hash)];
    uint32_t at = find_place(table, &bucket, slot);

    bucket->slots[at] = replacement;
}
