/* SPDX-License-Identifier: Apache-2.0 */
/* The directory: SKU and product names to what any core needs to route, refuse and render.
 *
 * Tables of slots, each an atomic pointer to an entry that was complete before one release store
 * put it there: a reader sees it whole or not at all, and needs no lock, count or fence of its own.
 * So adding one costs the same however many there are. Only a table that is half full gives way to
 * one twice as large, published by pointer; the old one is freed when every shard has passed a
 * tick. Entries are never freed or moved while the engine lives: a SKU is never deleted or reused.
 * Only the directory's shard (shard 0, or the start-up thread during recovery) adds and publishes.
 */
#ifndef STAMPEDE_DIRECTORY_H
#define STAMPEDE_DIRECTORY_H

#include <stdatomic.h>
#include <stdint.h>

#include "gate.h"
#include "key_filter.h"
#include "product_label.h"
#include "records.h"

struct sku_entry;

struct product_entry {
    struct key_filter filter;
    uint32_t partition;
    uint32_t number;        /* within the partition */
    _Atomic bool recorded;  /* its partition has stored it; until then it is not found */
    _Atomic uint8_t status; /* enum product_status, as stored; set before `recorded` */
    /* Set before `recorded`, replaced when it changes; valid until the reader returns to its loop.
     * NULL only where there was no memory for one. */
    _Atomic(const struct product_label *) label;
    _Atomic(struct sku_entry *) skus; /* the newest first, by `next_of_product` */
    _Atomic uint32_t version; /* raised when a change is durable, before anybody is told of it */
    char id[PRODUCT_ID_LENGTH_MAX + 1];
    /* Of its variants that are on sale: the cheapest and the dearest. */
    _Atomic int64_t price_low_minor;
    _Atomic int64_t price_high_minor;
    /* Units of all its SKUs that are sold, less those that came back: how popular it is. Of records
     * that may not be durable yet. Far from what reservations read. */
    _Atomic uint64_t sold;
};

/* Of a SKU, in one byte, so that who sells reads no more than one. */
enum sku_state {
    SKU_UNRECORDED, /* its partition has not stored it: it is not found by name */
    SKU_ON_SALE,
    SKU_WITHDRAWN, /* its product is a draft or archived, or has no such variant at the moment */
};

/* What was kept of a product before its version rose is outdated. Any thread. */
static inline uint32_t product_version(const struct product_entry *product)
{
    return atomic_load_explicit(&product->version, memory_order_acquire);
}

struct sku_entry {
    struct gate gate; /* first: its own cache line */
    /* The rest never changes once published, but price and weight. */
    _Alignas(CACHE_LINE) struct product_entry *product;
    struct sku_entry *next_of_product;
    uint32_t sku_id;
    uint32_t product_number;
    _Atomic uint8_t state; /* enum sku_state */
    uint16_t puts;         /* PUTs under way that name it; the directory's shard */
    bool archived;         /* a variant that its product does not have; likewise */
    uint8_t sku_length;
    char sku[SKU_LENGTH_MAX + 1];
    _Atomic int64_t price_minor;
    _Atomic uint32_t weight_grams; /* of one unit; 0: none, or not known */
};

struct directory;

/* NULL if there is none of that name or number. Any thread that passed the directory's pointer.
 *
 * directory_find_sku: one that is on sale. directory_find_sku_recorded: withdrawn ones too, for
 * staff and for what was sold before. directory_find_product and directory_product_at: one that is
 * recorded, whatever its status. The latter in constant time, by its place: partition and number
 * within it. */
struct sku_entry *directory_find_sku(const struct directory *directory, const char *sku,
                                     size_t length);
struct sku_entry *directory_find_sku_recorded(const struct directory *directory, const char *sku,
                                              size_t length);
struct product_entry *directory_product_at(const struct directory *directory, uint32_t partition,
                                           uint32_t number);
struct sku_entry *directory_find_sku_id(const struct directory *directory, uint32_t sku_id);
struct product_entry *directory_find_product(const struct directory *directory, const char *id,
                                             size_t length);
uint32_t directory_sku_count(const struct directory *directory);
/* The products of a partition have numbers below this one. */
uint32_t directory_product_numbers(const struct directory *directory, uint32_t partition);

static inline enum sku_state sku_entry_state(const struct sku_entry *entry)
{
    return (enum sku_state)atomic_load_explicit(&entry->state, memory_order_acquire);
}

static inline bool sku_entry_is_on_sale(const struct sku_entry *entry)
{
    return sku_entry_state(entry) == SKU_ON_SALE;
}

static inline enum product_status product_entry_status(const struct product_entry *entry)
{
    return (enum product_status)atomic_load_explicit(&entry->status, memory_order_acquire);
}

/* What its cheapest and its dearest variant cost. */
static inline int64_t product_entry_price_low(const struct product_entry *entry)
{
    return atomic_load_explicit(&entry->price_low_minor, memory_order_relaxed);
}

static inline int64_t product_entry_price_high(const struct product_entry *entry)
{
    return atomic_load_explicit(&entry->price_high_minor, memory_order_relaxed);
}

/* Units sold, less those that came back. */
static inline uint64_t product_entry_sold(const struct product_entry *entry)
{
    return atomic_load_explicit(&entry->sold, memory_order_relaxed);
}

/* What a SKU's record says it has sold, from now on; the thread of its partition's shard, or before
 * there are any. A product's SKUs are all of one partition. */
static inline void sku_entry_show_sold(struct sku_entry *entry, uint32_t sold)
{
    uint32_t before = atomic_load_explicit(&entry->gate.sold, memory_order_relaxed);

    if (sold == before || (sold < before && MUTANT(UNITS_SOLD_DRIFT)))
        return;
    atomic_store_explicit(&entry->gate.sold, sold, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry->product->sold, (uint64_t)sold - before, memory_order_relaxed);
}

/* Prices or states of its SKUs have changed; the directory's shard, or before there are any. */
void product_entry_show_prices(struct product_entry *entry);

/* All products that are recorded, in no order that means anything: the next from `*place` on, which
 * begins as 0; NULL at the end. As above. */
struct product_entry *directory_next_product(const struct directory *directory, uint32_t *place);
const struct product_terms *directory_terms(const struct directory *directory);

/* ---- the builder: the directory's shard only ---- */

struct directory_builder;

/* Entries and their filters are in blocks of the pool, and go with it. */
struct directory_builder *directory_builder_create(uint32_t partitions,
                                                   const struct hash_key *hash_key,
                                                   struct block_pool *pool);
void directory_builder_destroy(struct directory_builder *builder);
struct product_terms *directory_builder_terms(struct directory_builder *builder);

/* Gives a name that was never recorded to another product, under a new number. */
struct sku_entry *directory_builder_rename(struct directory_builder *builder,
                                           struct sku_entry *unrecorded,
                                           struct product_entry *product);

/* Adds (or finds) entries, for readers to see at once unless a table has grown. `number` and
 * `sku_id`: given at recovery; UINT32_MAX lets the builder choose the next. NULL if memory or
 * numbers are out. */
struct product_entry *directory_builder_product(struct directory_builder *builder, const char *id,
                                                uint32_t partition, uint32_t number);
struct sku_entry *directory_builder_sku(struct directory_builder *builder, const char *sku,
                                        struct product_entry *product, uint32_t sku_id);
struct product_entry *directory_builder_find_product(struct directory_builder *builder,
                                                     const char *id);
struct product_entry *directory_builder_product_number(struct directory_builder *builder,
                                                       uint32_t partition, uint32_t number);
/* As above, recorded or not. */
struct sku_entry *directory_builder_find_sku(struct directory_builder *builder, const char *sku);
struct sku_entry *directory_builder_find_sku_id(struct directory_builder *builder, uint32_t sku_id);

/* Whether there are entries that the tables published last have no room for. */
bool directory_builder_has_grown(const struct directory_builder *builder);

/* The tables as they are now; the caller publishes them, and frees those published before when
 * nobody can see them any more. NULL without memory. */
const struct directory *directory_builder_publish(struct directory_builder *builder);
void directory_free(const struct directory *directory);

#endif
