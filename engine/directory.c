/* SPDX-License-Identifier: Apache-2.0 */
#include "directory.h"

#include <stdlib.h>
#include <string.h>

typedef _Atomic(void *) slot;

/* An open-addressing table, never more than half full; entries are never removed. */
struct name_table {
    slot *slots;
    uint32_t mask;
};

/* Entries by number: those of a partition are dense. They lie in segments, which are added as
 * numbers are given, each twice as large as the one before, and never moved. */
enum {
    SEGMENT_BITS = 6, /* of the first */
    SEGMENTS = 15,
    NUMBERS_MAX = ((1 << SEGMENTS) - 1) << SEGMENT_BITS,
};

_Static_assert((int)NUMBERS_MAX >= (int)SKUS_PER_PARTITION_MAX, "all numbers fit");

struct numbers {
    slot segments[SEGMENTS];
    _Atomic uint32_t given; /* the next one */
};

/* What the tables of all times have in common: the builder's. */
struct common {
    struct hash_key hash_key;
    struct product_terms *terms;
    struct numbers *skus; /* by partition */
    struct numbers *products;
    uint32_t partitions;
    _Atomic uint32_t sku_count;
};

struct directory {
    struct name_table skus;
    struct name_table products;
    const struct common *common;
    /* The builder's: it has given the table up, which lives as long as this. */
    bool frees_skus;
    bool frees_products;
};

/* A table with what only its builder knows of it. */
struct grown_table {
    struct name_table table;
    uint32_t *hashes; /* of the entries in the slots: a table grows without a look at them */
    uint32_t used;
};

struct directory_builder {
    struct common common;
    struct grown_table skus;
    struct grown_table products;
    struct block_pool *pool;
    struct directory *published; /* last; NULL: none */
};

enum { ENTRIES_AHEAD = 16, TABLE_SLOTS_MIN = 64 };

/* ---- numbers ---- */

/* A number with the first segment's length added: its highest bit names the segment, the others
 * the place within. */
static uint32_t lifted(uint32_t number)
{
    return number + ((uint32_t)1 << SEGMENT_BITS);
}

static uint32_t segment_of(uint32_t number)
{
    return 31 - SEGMENT_BITS - (uint32_t)__builtin_clz(lifted(number));
}

static uint32_t segment_length(uint32_t segment)
{
    return (uint32_t)1 << (SEGMENT_BITS + segment);
}

static uint32_t place_of(uint32_t number)
{
    return lifted(number) - segment_length(segment_of(number));
}

static void *find_number(const struct numbers *numbers, uint32_t number)
{
    slot *entries;

    if (number >= NUMBERS_MAX)
        return NULL;
    entries = atomic_load_explicit(&numbers->segments[segment_of(number)], memory_order_acquire);
    if (entries == NULL)
        return NULL;
    return atomic_load_explicit(&entries[place_of(number)], memory_order_acquire);
}

/* Makes room for a number; false without memory, or if it is beyond all. */
static bool reserve_number(struct numbers *numbers, uint32_t number)
{
    uint32_t segment;
    slot *entries;

    if (number >= NUMBERS_MAX)
        return false;
    segment = segment_of(number);
    if (atomic_load_explicit(&numbers->segments[segment], memory_order_relaxed) != NULL)
        return true;
    entries = calloc(segment_length(segment), sizeof(*entries));
    if (entries == NULL)
        return false;
    atomic_store_explicit(&numbers->segments[segment], (void *)entries, memory_order_release);
    return true;
}

/* Precondition: there is room. */
static void add_number(struct numbers *numbers, uint32_t number, void *entry)
{
    slot *entries =
        atomic_load_explicit(&numbers->segments[segment_of(number)], memory_order_relaxed);

    atomic_store_explicit(&entries[place_of(number)], entry, memory_order_release);
    if (number >= atomic_load_explicit(&numbers->given, memory_order_relaxed))
        atomic_store_explicit(&numbers->given, number + 1, memory_order_release);
}

static void free_numbers(struct numbers *numbers, uint32_t partitions)
{
    for (uint32_t i = 0; numbers != NULL && i < partitions; i++)
        for (uint32_t segment = 0; segment < SEGMENTS; segment++)
            free(atomic_load_explicit(&numbers[i].segments[segment], memory_order_relaxed));
    free(numbers);
}

/* ---- names ---- */

/* Room for one more. The table that is given up is freed here if nobody was ever shown it;
 * otherwise by who has published it. */
static bool table_grow(struct grown_table *grown, const struct name_table *published,
                       bool *given_up_out)
{
    uint32_t mask = grown->table.slots == NULL ? TABLE_SLOTS_MIN - 1 : grown->table.mask * 2 + 1;
    slot *slots;
    uint32_t *hashes;

    if (grown->table.slots != NULL && grown->used * 2 <= grown->table.mask)
        return true;
    slots = calloc((size_t)mask + 1, sizeof(*slots));
    hashes = malloc(((size_t)mask + 1) * sizeof(*hashes));
    if (slots == NULL || hashes == NULL) {
        free((void *)slots);
        free(hashes);
        return false;
    }
    for (uint32_t i = 0; grown->table.slots != NULL && i <= grown->table.mask; i++) {
        void *entry = atomic_load_explicit(&grown->table.slots[i], memory_order_relaxed);
        uint32_t at = grown->hashes[i] & mask;

        if (entry == NULL)
            continue;
        while (atomic_load_explicit(&slots[at], memory_order_relaxed) != NULL)
            at = (at + 1) & mask;
        atomic_store_explicit(&slots[at], entry, memory_order_relaxed);
        hashes[at] = grown->hashes[i];
    }
    if (published != NULL && published->slots == grown->table.slots)
        *given_up_out = true;
    else
        free((void *)grown->table.slots);
    free(grown->hashes);
    grown->table = (struct name_table){.slots = slots, .mask = mask};
    grown->hashes = hashes;
    return true;
}

static bool grow_skus(struct directory_builder *builder)
{
    struct directory *published = builder->published;

    return published == NULL ? table_grow(&builder->skus, NULL, NULL)
                             : table_grow(&builder->skus, &published->skus, &published->frees_skus);
}

static bool grow_products(struct directory_builder *builder)
{
    struct directory *published = builder->published;

    return published == NULL
               ? table_grow(&builder->products, NULL, NULL)
               : table_grow(&builder->products, &published->products, &published->frees_products);
}

/* Precondition: there is room. */
static void table_add(struct grown_table *grown, uint32_t hash, void *entry)
{
    uint32_t at = hash & grown->table.mask;

    while (atomic_load_explicit(&grown->table.slots[at], memory_order_relaxed) != NULL)
        at = (at + 1) & grown->table.mask;
    grown->hashes[at] = hash;
    atomic_store_explicit(&grown->table.slots[at], entry, memory_order_release);
    grown->used++;
}

static uint32_t name_hash(const struct common *common, const char *name, size_t length)
{
    return (uint32_t)hash_bytes(&common->hash_key, name, length);
}

/* The slot of a SKU's name, recorded or not, and its entry; or NULL. */
static slot *find_sku(const struct name_table *table, const struct common *common, const char *sku,
                      size_t length, struct sku_entry **entry_out)
{
    uint32_t at;

    *entry_out = NULL;
    if (table->slots == NULL || length > SKU_LENGTH_MAX)
        return NULL;
    at = name_hash(common, sku, length) & table->mask;
    for (;; at = (at + 1) & table->mask) {
        struct sku_entry *entry = atomic_load_explicit(&table->slots[at], memory_order_acquire);

        if (entry == NULL)
            return NULL;
        if (entry->sku_length == length && memcmp(entry->sku, sku, length) == 0) {
            *entry_out = entry;
            return &table->slots[at];
        }
    }
}

struct sku_entry *directory_find_sku(const struct directory *directory, const char *sku,
                                     size_t length)
{
    struct sku_entry *entry;

    find_sku(&directory->skus, directory->common, sku, length, &entry);
    return entry != NULL && sku_entry_is_on_sale(entry) ? entry : NULL;
}

struct sku_entry *directory_find_sku_recorded(const struct directory *directory, const char *sku,
                                              size_t length)
{
    struct sku_entry *entry;

    find_sku(&directory->skus, directory->common, sku, length, &entry);
    return entry != NULL && sku_entry_state(entry) != SKU_UNRECORDED ? entry : NULL;
}

static struct sku_entry *find_sku_id(const struct common *common, uint32_t sku_id)
{
    uint32_t partition = sku_id_partition(sku_id);

    if (partition >= common->partitions)
        return NULL;
    return find_number(&common->skus[partition], sku_id & (SKUS_PER_PARTITION_MAX - 1));
}

struct sku_entry *directory_find_sku_id(const struct directory *directory, uint32_t sku_id)
{
    return find_sku_id(directory->common, sku_id);
}

struct product_entry *directory_product_at(const struct directory *directory, uint32_t partition,
                                           uint32_t number)
{
    const struct common *common = directory->common;
    struct product_entry *entry = NULL;

    if (partition < common->partitions)
        entry = find_number(&common->products[partition], number);
    if (entry == NULL || !atomic_load_explicit(&entry->recorded, memory_order_acquire))
        return NULL;
    return entry;
}

uint32_t directory_product_numbers(const struct directory *directory, uint32_t partition)
{
    const struct common *common = directory->common;

    if (partition >= common->partitions)
        return 0;
    return atomic_load_explicit(&common->products[partition].given, memory_order_acquire);
}

static struct product_entry *find_product(const struct name_table *table,
                                          const struct common *common, const char *id,
                                          size_t length)
{
    uint32_t at;

    if (table->slots == NULL || length > PRODUCT_ID_LENGTH_MAX)
        return NULL;
    at = name_hash(common, id, length) & table->mask;
    for (;; at = (at + 1) & table->mask) {
        struct product_entry *entry = atomic_load_explicit(&table->slots[at], memory_order_acquire);

        if (entry == NULL || (strlen(entry->id) == length && memcmp(entry->id, id, length) == 0))
            return entry;
    }
}

struct product_entry *directory_find_product(const struct directory *directory, const char *id,
                                             size_t length)
{
    struct product_entry *entry = find_product(&directory->products, directory->common, id, length);

    if (entry == NULL || !atomic_load_explicit(&entry->recorded, memory_order_acquire))
        return NULL;
    return entry;
}

void product_entry_show_prices(struct product_entry *entry)
{
    const struct sku_entry *sku = atomic_load_explicit(&entry->skus, memory_order_relaxed);
    int64_t low = INT64_MAX;
    int64_t high = 0;

    for (; sku != NULL; sku = sku->next_of_product) {
        int64_t price = atomic_load_explicit(&sku->price_minor, memory_order_relaxed);

        if (!sku_entry_is_on_sale(sku))
            continue;
        low = price < low ? price : low;
        high = price > high ? price : high;
    }
    if (low == INT64_MAX) /* none is: nobody sees it */
        low = 0;
    atomic_store_explicit(&entry->price_low_minor, low, memory_order_relaxed);
    atomic_store_explicit(&entry->price_high_minor, high, memory_order_relaxed);
}

uint32_t directory_sku_count(const struct directory *directory)
{
    return atomic_load_explicit(&directory->common->sku_count, memory_order_relaxed);
}

struct product_entry *directory_next_product(const struct directory *directory, uint32_t *place)
{
    const struct name_table *table = &directory->products;

    while (table->slots != NULL && *place <= table->mask) {
        const struct product_entry *later = atomic_load_explicit(
            &table->slots[(*place + ENTRIES_AHEAD) & table->mask], memory_order_relaxed);
        struct product_entry *product =
            atomic_load_explicit(&table->slots[(*place)++], memory_order_acquire);

        /* Entries lie anywhere: those that come soon are fetched meanwhile. */
        if (later != NULL)
            __builtin_prefetch(&later->label);
        if (product != NULL && atomic_load_explicit(&product->recorded, memory_order_acquire))
            return product;
    }
    return NULL;
}

const struct product_terms *directory_terms(const struct directory *directory)
{
    return directory->common->terms;
}

/* ---- the builder ---- */

struct directory_builder *directory_builder_create(uint32_t partitions,
                                                   const struct hash_key *hash_key,
                                                   struct block_pool *pool)
{
    struct directory_builder *builder = calloc(1, sizeof(*builder));

    if (builder == NULL)
        return NULL;
    builder->pool = pool;
    builder->common.hash_key = *hash_key;
    builder->common.partitions = partitions;
    builder->common.skus = calloc(partitions, sizeof(*builder->common.skus));
    builder->common.products = calloc(partitions, sizeof(*builder->common.products));
    builder->common.terms = product_terms_create(hash_key, pool);
    if (builder->common.skus == NULL || builder->common.products == NULL ||
        builder->common.terms == NULL) {
        directory_builder_destroy(builder);
        return NULL;
    }
    return builder;
}

void directory_builder_destroy(struct directory_builder *builder)
{
    if (builder == NULL)
        return;
    free((void *)builder->skus.table.slots);
    free(builder->skus.hashes);
    free((void *)builder->products.table.slots);
    free(builder->products.hashes);
    free_numbers(builder->common.skus, builder->common.partitions);
    free_numbers(builder->common.products, builder->common.partitions);
    product_terms_destroy(builder->common.terms);
    free(builder);
}

struct product_terms *directory_builder_terms(struct directory_builder *builder)
{
    return builder->common.terms;
}

struct product_entry *directory_builder_find_product(struct directory_builder *builder,
                                                     const char *id)
{
    return find_product(&builder->products.table, &builder->common, id, strlen(id));
}

struct sku_entry *directory_builder_find_sku(struct directory_builder *builder, const char *sku)
{
    struct sku_entry *entry;

    find_sku(&builder->skus.table, &builder->common, sku, strlen(sku), &entry);
    return entry;
}

struct sku_entry *directory_builder_find_sku_id(struct directory_builder *builder, uint32_t sku_id)
{
    return find_sku_id(&builder->common, sku_id);
}

struct product_entry *directory_builder_product(struct directory_builder *builder, const char *id,
                                                uint32_t partition, uint32_t number)
{
    struct numbers *numbers = &builder->common.products[partition];
    struct product_entry *product = directory_builder_find_product(builder, id);
    size_t length = strlen(id);

    assert(partition < builder->common.partitions && length <= PRODUCT_ID_LENGTH_MAX);
    if (product != NULL)
        return product;
    if (number == UINT32_MAX)
        number = atomic_load_explicit(&numbers->given, memory_order_relaxed);
    if (!reserve_number(numbers, number) || !grow_products(builder))
        return NULL;
    product = block_take(builder->pool, sizeof(*product));
    if (product == NULL)
        return NULL;
    if (!key_filter_init(&product->filter, builder->pool, 0)) {
        block_give(builder->pool, product, sizeof(*product));
        return NULL;
    }
    memcpy(product->id, id, length);
    product->partition = partition;
    product->number = number;
    add_number(numbers, number, product);
    table_add(&builder->products, name_hash(&builder->common, id, length), product);
    return product;
}

struct product_entry *directory_builder_product_number(struct directory_builder *builder,
                                                       uint32_t partition, uint32_t number)
{
    return find_number(&builder->common.products[partition], number);
}

/* An entry under its number, not under its name yet. */
static struct sku_entry *new_sku(struct directory_builder *builder, const char *sku,
                                 struct product_entry *product, uint32_t sku_id)
{
    struct numbers *numbers = &builder->common.skus[product->partition];
    struct sku_entry *entry;
    uint32_t number;

    assert(strlen(sku) <= SKU_LENGTH_MAX);
    number = sku_id == UINT32_MAX ? atomic_load_explicit(&numbers->given, memory_order_relaxed)
                                  : sku_id & (SKUS_PER_PARTITION_MAX - 1);
    /* The very last number would make UINT32_MAX, which means none. */
    if (number >= SKUS_PER_PARTITION_MAX - 1 || !reserve_number(numbers, number))
        return NULL;
    entry = block_take(builder->pool, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    entry->product = product;
    entry->product_number = product->number;
    entry->next_of_product = atomic_load_explicit(&product->skus, memory_order_relaxed);
    entry->sku_id = sku_id_make(product->partition, number);
    entry->sku_length = (uint8_t)strlen(sku);
    memcpy(entry->sku, sku, entry->sku_length);
    add_number(numbers, number, entry);
    atomic_store_explicit(&product->skus, entry, memory_order_release);
    return entry;
}

struct sku_entry *directory_builder_sku(struct directory_builder *builder, const char *sku,
                                        struct product_entry *product, uint32_t sku_id)
{
    struct sku_entry *entry = directory_builder_find_sku(builder, sku);

    if (entry != NULL)
        return entry;
    if (!grow_skus(builder))
        return NULL;
    entry = new_sku(builder, sku, product, sku_id);
    if (entry == NULL)
        return NULL;
    table_add(&builder->skus, name_hash(&builder->common, sku, entry->sku_length), entry);
    atomic_store_explicit(&builder->common.sku_count, builder->skus.used, memory_order_relaxed);
    return entry;
}

struct sku_entry *directory_builder_rename(struct directory_builder *builder,
                                           struct sku_entry *unrecorded,
                                           struct product_entry *product)
{
    struct sku_entry *found;
    slot *place = find_sku(&builder->skus.table, &builder->common, unrecorded->sku,
                           unrecorded->sku_length, &found);
    struct sku_entry *entry = new_sku(builder, unrecorded->sku, product, UINT32_MAX);

    assert(place != NULL && found == unrecorded && unrecorded->puts == 0);
    if (entry != NULL)
        atomic_store_explicit(place, (void *)entry, memory_order_release);
    return entry;
}

bool directory_builder_has_grown(const struct directory_builder *builder)
{
    const struct directory *published = builder->published;

    return published == NULL || published->skus.slots != builder->skus.table.slots ||
           published->products.slots != builder->products.table.slots;
}

const struct directory *directory_builder_publish(struct directory_builder *builder)
{
    struct directory *directory = calloc(1, sizeof(*directory));

    if (directory == NULL)
        return NULL;
    directory->skus = builder->skus.table;
    directory->products = builder->products.table;
    directory->common = &builder->common;
    builder->published = directory;
    return directory;
}

void directory_free(const struct directory *directory)
{
    if (directory == NULL)
        return;
    if (directory->frees_skus)
        free((void *)directory->skus.slots);
    if (directory->frees_products)
        free((void *)directory->products.slots);
    free((void *)(uintptr_t)directory);
}
