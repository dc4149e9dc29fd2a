/* SPDX-License-Identifier: Apache-2.0 */
/* The directory: SKU and product names to what any core needs to route, refuse and render.
 *
 * One immutable table, published by pointer and freed when every shard has passed a tick (so a
 * reader needs no lock, count or fence of its own). Entries are never freed or moved while the
 * engine lives: a SKU is never deleted or reused. Only the directory's shard (shard 0, or the
 * start-up thread during recovery) builds and publishes. */
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
    uint32_t number;       /* within the partition */
    _Atomic bool recorded; /* its partition has stored it; until then it is not found */
    /* Set before `recorded`, replaced when it changes; valid until the reader returns to its loop.
     * NULL only where there was no memory for one. */
    _Atomic(const struct product_label *) label;
    _Atomic(struct sku_entry *) skus; /* the newest first, by `next_of_product` */
    _Atomic uint32_t version; /* raised when a change is durable, before anybody is told of it */
    char id[PRODUCT_ID_LENGTH_MAX + 1];
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
    _Atomic bool recorded; /* its partition has stored it; until then it is not found by name */
    uint16_t puts;         /* PUTs under way that name it; the directory's shard */
    uint8_t sku_length;
    char sku[SKU_LENGTH_MAX + 1];
    _Atomic int64_t price_minor;
    _Atomic uint32_t weight_grams; /* of one unit; 0: none, or not known */
};

struct directory;

/* NULL if there is none of that name (that is recorded) or number. Any thread that passed the
 * directory's pointer. */
struct sku_entry *directory_find_sku(const struct directory *directory, const char *sku,
                                     size_t length);
struct sku_entry *directory_find_sku_id(const struct directory *directory, uint32_t sku_id);
struct product_entry *directory_find_product(const struct directory *directory, const char *id,
                                             size_t length);
uint32_t directory_sku_count(const struct directory *directory);

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

/* Adds (or finds) entries in the unpublished master. `number` and `sku_id`: given at recovery;
 * UINT32_MAX lets the builder choose the next. NULL if memory or numbers are out. */
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

/* A new immutable table of all entries; the caller publishes it and later frees the old one. */
const struct directory *directory_builder_publish(struct directory_builder *builder);
void directory_free(const struct directory *directory);

#endif
