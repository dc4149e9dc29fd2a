/* SPDX-License-Identifier: Apache-2.0 */
#include "directory.h"

#include <stdlib.h>
#include <string.h>

/* An open-addressing table of pointers; entries are never removed. */
struct name_table {
    void **entries;
    uint32_t mask;
    uint32_t used;
};

/* SKUs by number: those of a partition are dense, and begin at its offset. */
struct number_table {
    struct sku_entry **entries; /* NULL: a number that no SKU has */
    uint32_t *offsets;          /* by partition, and where the last ends */
    uint32_t partitions;
};

struct directory {
    struct hash_key hash_key;
    struct name_table skus;
    struct name_table products;
    struct number_table numbers; /* of the published ones only */
    struct product_terms *terms; /* the builder's, as the entries are */
};

struct directory_builder {
    struct directory master;
    struct name_table sku_ids;
    struct block_pool *pool;
    uint32_t partitions;
    uint32_t *next_product; /* by partition */
    uint32_t *next_sku;
    struct product_entry **all_products; /* in order of arrival */
    struct sku_entry **all_skus;
    uint32_t products_capacity;
    uint32_t skus_capacity;
};

enum { ENTRIES_AHEAD = 16 };

/* ---- tables ---- */

static bool table_grow(struct name_table *table,
                       uint64_t (*hash)(const struct directory *, const void *entry),
                       const struct directory *directory)
{
    struct name_table grown = {.mask = table->entries == NULL ? 63 : table->mask * 2 + 1,
                               .used = table->used};

    if (table->entries != NULL && table->used * 2 <= table->mask)
        return true;
    grown.entries = calloc((size_t)grown.mask + 1, sizeof(void *));
    if (grown.entries == NULL)
        return false;
    for (uint32_t i = 0; table->entries != NULL && i <= table->mask; i++) {
        uint32_t at;

        if (table->entries[i] == NULL)
            continue;
        at = (uint32_t)hash(directory, table->entries[i]) & grown.mask;
        while (grown.entries[at] != NULL)
            at = (at + 1) & grown.mask;
        grown.entries[at] = table->entries[i];
    }
    free(table->entries);
    *table = grown;
    return true;
}

static void table_add(struct name_table *table, uint64_t hash, void *entry)
{
    uint32_t at = (uint32_t)hash & table->mask;

    while (table->entries[at] != NULL)
        at = (at + 1) & table->mask;
    table->entries[at] = entry;
    table->used++;
}

static uint64_t sku_hash(const struct directory *directory, const void *entry)
{
    const struct sku_entry *sku = entry;

    return hash_bytes(&directory->hash_key, sku->sku, sku->sku_length);
}

static uint64_t sku_id_hash(const struct directory *directory, const void *entry)
{
    (void)directory;
    return hash_word(((const struct sku_entry *)entry)->sku_id);
}

static uint64_t product_hash(const struct directory *directory, const void *entry)
{
    const struct product_entry *product = entry;

    return hash_bytes(&directory->hash_key, product->id, strlen(product->id));
}

/* The place of a SKU's name, recorded or not; or NULL. */
static void **find_sku(const struct directory *directory, const char *sku, size_t length)
{
    const struct name_table *table = &directory->skus;
    uint32_t at;

    if (table->entries == NULL || length > SKU_LENGTH_MAX)
        return NULL;
    at = (uint32_t)hash_bytes(&directory->hash_key, sku, length) & table->mask;
    for (; table->entries[at] != NULL; at = (at + 1) & table->mask) {
        const struct sku_entry *entry = table->entries[at];

        if (entry->sku_length == length && memcmp(entry->sku, sku, length) == 0)
            return &table->entries[at];
    }
    return NULL;
}

struct sku_entry *directory_find_sku(const struct directory *directory, const char *sku,
                                     size_t length)
{
    void **found = find_sku(directory, sku, length);
    struct sku_entry *entry = found == NULL ? NULL : *found;

    if (entry == NULL || !atomic_load_explicit(&entry->recorded, memory_order_acquire))
        return NULL;
    return entry;
}

struct sku_entry *directory_find_sku_id(const struct directory *directory, uint32_t sku_id)
{
    const struct number_table *table = &directory->numbers;
    uint32_t partition = sku_id_partition(sku_id);
    uint32_t at;

    if (partition >= table->partitions)
        return NULL;
    at = table->offsets[partition] + (sku_id & (SKUS_PER_PARTITION_MAX - 1));
    return at < table->offsets[partition + 1] ? table->entries[at] : NULL;
}

static struct product_entry *find_product(const struct directory *directory, const char *id,
                                          size_t length)
{
    const struct name_table *table = &directory->products;
    uint32_t at;

    if (table->entries == NULL || length > PRODUCT_ID_LENGTH_MAX)
        return NULL;
    at = (uint32_t)hash_bytes(&directory->hash_key, id, length) & table->mask;
    for (; table->entries[at] != NULL; at = (at + 1) & table->mask) {
        struct product_entry *entry = table->entries[at];

        if (strlen(entry->id) == length && memcmp(entry->id, id, length) == 0)
            return entry;
    }
    return NULL;
}

struct product_entry *directory_find_product(const struct directory *directory, const char *id,
                                             size_t length)
{
    struct product_entry *entry = find_product(directory, id, length);

    if (entry == NULL || !atomic_load_explicit(&entry->recorded, memory_order_acquire))
        return NULL;
    return entry;
}

uint32_t directory_sku_count(const struct directory *directory)
{
    return directory->skus.used;
}

struct product_entry *directory_next_product(const struct directory *directory, uint32_t *place)
{
    const struct name_table *table = &directory->products;

    while (table->entries != NULL && *place <= table->mask) {
        const struct product_entry *later = table->entries[(*place + ENTRIES_AHEAD) & table->mask];
        struct product_entry *product = table->entries[(*place)++];

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
    return directory->terms;
}

/* ---- the builder ---- */

struct directory_builder *directory_builder_create(uint32_t partitions,
                                                   const struct hash_key *hash_key,
                                                   struct block_pool *pool)
{
    struct directory_builder *builder = calloc(1, sizeof(*builder));

    if (builder == NULL)
        return NULL;
    builder->master.hash_key = *hash_key;
    builder->partitions = partitions;
    builder->pool = pool;
    builder->next_product = calloc(partitions, sizeof(uint32_t));
    builder->next_sku = calloc(partitions, sizeof(uint32_t));
    builder->master.terms = product_terms_create(hash_key, pool);
    if (builder->next_product == NULL || builder->next_sku == NULL ||
        builder->master.terms == NULL) {
        directory_builder_destroy(builder);
        return NULL;
    }
    return builder;
}

void directory_builder_destroy(struct directory_builder *builder)
{
    if (builder == NULL)
        return;
    free(builder->all_skus);
    free(builder->all_products);
    free(builder->master.skus.entries);
    free(builder->sku_ids.entries);
    free(builder->master.products.entries);
    free(builder->next_product);
    free(builder->next_sku);
    product_terms_destroy(builder->master.terms);
    free(builder);
}

struct product_terms *directory_builder_terms(struct directory_builder *builder)
{
    return builder->master.terms;
}

static bool list_reserve(void ***list, uint32_t *capacity, uint32_t used)
{
    void **grown;

    if (used < *capacity)
        return true;
    grown = realloc(*list, (*capacity == 0 ? 64 : (size_t)*capacity * 2) * sizeof(void *));
    if (grown == NULL)
        return false;
    *list = grown;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    return true;
}

struct product_entry *directory_builder_find_product(struct directory_builder *builder,
                                                     const char *id)
{
    return find_product(&builder->master, id, strlen(id));
}

struct sku_entry *directory_builder_find_sku(struct directory_builder *builder, const char *sku)
{
    void **found = find_sku(&builder->master, sku, strlen(sku));

    return found == NULL ? NULL : *found;
}

struct sku_entry *directory_builder_find_sku_id(struct directory_builder *builder, uint32_t sku_id)
{
    const struct name_table *table = &builder->sku_ids;
    uint32_t at;

    if (table->entries == NULL)
        return NULL;
    at = (uint32_t)hash_word(sku_id) & table->mask;
    for (; table->entries[at] != NULL; at = (at + 1) & table->mask)
        if (((struct sku_entry *)table->entries[at])->sku_id == sku_id)
            return table->entries[at];
    return NULL;
}

struct product_entry *directory_builder_product(struct directory_builder *builder, const char *id,
                                                uint32_t partition, uint32_t number)
{
    struct directory *master = &builder->master;
    struct product_entry *product = directory_builder_find_product(builder, id);

    assert(partition < builder->partitions && strlen(id) <= PRODUCT_ID_LENGTH_MAX);
    if (product != NULL)
        return product;
    if (number == UINT32_MAX)
        number = builder->next_product[partition];
    if (!list_reserve((void ***)&builder->all_products, &builder->products_capacity,
                      master->products.used) ||
        !table_grow(&master->products, product_hash, master))
        return NULL;
    product = block_take(builder->pool, sizeof(*product));
    if (product == NULL)
        return NULL;
    if (!key_filter_init(&product->filter, builder->pool, 0)) {
        block_give(builder->pool, product, sizeof(*product));
        return NULL;
    }
    memcpy(product->id, id, strlen(id));
    product->partition = partition;
    product->number = number;
    if (number >= builder->next_product[partition])
        builder->next_product[partition] = number + 1;
    builder->all_products[master->products.used] = product;
    table_add(&master->products, product_hash(master, product), product);
    return product;
}

struct product_entry *directory_builder_product_number(struct directory_builder *builder,
                                                       uint32_t partition, uint32_t number)
{
    /* Only recovery asks, and it adds them in order of partitions and numbers. */
    uint32_t end = builder->master.products.used;
    uint32_t begin = 0;

    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        const struct product_entry *product = builder->all_products[middle];

        if (product->partition == partition && product->number == number)
            return builder->all_products[middle];
        if (product->partition < partition ||
            (product->partition == partition && product->number < number))
            begin = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

/* An entry under its number, not under its name yet. */
static struct sku_entry *new_sku(struct directory_builder *builder, const char *sku,
                                 struct product_entry *product, uint32_t sku_id)
{
    struct directory *master = &builder->master;
    struct sku_entry *entry;
    uint32_t number;

    assert(strlen(sku) <= SKU_LENGTH_MAX);
    number = sku_id == UINT32_MAX ? builder->next_sku[product->partition]
                                  : sku_id & (SKUS_PER_PARTITION_MAX - 1);
    /* The very last number would make UINT32_MAX, which means none. */
    if (number >= SKUS_PER_PARTITION_MAX - 1 ||
        !list_reserve((void ***)&builder->all_skus, &builder->skus_capacity,
                      builder->sku_ids.used) ||
        !table_grow(&builder->sku_ids, sku_id_hash, master))
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
    if (number >= builder->next_sku[product->partition])
        builder->next_sku[product->partition] = number + 1;
    atomic_store_explicit(&product->skus, entry, memory_order_release);
    builder->all_skus[builder->sku_ids.used] = entry;
    table_add(&builder->sku_ids, sku_id_hash(master, entry), entry);
    return entry;
}

struct sku_entry *directory_builder_sku(struct directory_builder *builder, const char *sku,
                                        struct product_entry *product, uint32_t sku_id)
{
    struct directory *master = &builder->master;
    struct sku_entry *entry = directory_builder_find_sku(builder, sku);

    if (entry != NULL)
        return entry;
    if (!table_grow(&master->skus, sku_hash, master))
        return NULL;
    entry = new_sku(builder, sku, product, sku_id);
    if (entry != NULL)
        table_add(&master->skus, sku_hash(master, entry), entry);
    return entry;
}

struct sku_entry *directory_builder_rename(struct directory_builder *builder,
                                           struct sku_entry *unrecorded,
                                           struct product_entry *product)
{
    void **place = find_sku(&builder->master, unrecorded->sku, unrecorded->sku_length);
    struct sku_entry *entry = new_sku(builder, unrecorded->sku, product, UINT32_MAX);

    assert(place != NULL && *place == unrecorded && unrecorded->puts == 0);
    if (entry != NULL)
        *place = entry;
    return entry;
}

static bool table_copy(const struct name_table *source, struct name_table *copy_out)
{
    size_t bytes = source->entries == NULL ? 0 : ((size_t)source->mask + 1) * sizeof(void *);

    *copy_out = *source;
    if (bytes == 0)
        return true;
    copy_out->entries = malloc(bytes);
    if (copy_out->entries != NULL)
        memcpy(copy_out->entries, source->entries, bytes);
    return copy_out->entries != NULL;
}

static bool numbers_fill(const struct directory_builder *builder, struct number_table *table_out)
{
    uint32_t total = 0;

    table_out->offsets = malloc((builder->partitions + 1) * sizeof(uint32_t));
    if (table_out->offsets == NULL)
        return false;
    for (uint32_t i = 0; i < builder->partitions; i++) {
        table_out->offsets[i] = total;
        total += builder->next_sku[i];
    }
    table_out->offsets[builder->partitions] = total;
    table_out->entries = calloc((size_t)total + 1, sizeof(*table_out->entries));
    if (table_out->entries == NULL)
        return false;
    for (uint32_t i = 0; i < builder->sku_ids.used; i++) {
        struct sku_entry *entry = builder->all_skus[i];

        table_out->entries[table_out->offsets[sku_id_partition(entry->sku_id)] +
                           (entry->sku_id & (SKUS_PER_PARTITION_MAX - 1))] = entry;
    }
    table_out->partitions = builder->partitions;
    return true;
}

const struct directory *directory_builder_publish(struct directory_builder *builder)
{
    struct directory *directory = calloc(1, sizeof(*directory));

    if (directory == NULL)
        return NULL;
    directory->hash_key = builder->master.hash_key;
    directory->terms = builder->master.terms;
    if (!table_copy(&builder->master.skus, &directory->skus) ||
        !table_copy(&builder->master.products, &directory->products) ||
        !numbers_fill(builder, &directory->numbers)) {
        directory_free(directory);
        return NULL;
    }
    return directory;
}

void directory_free(const struct directory *directory)
{
    if (directory == NULL)
        return;
    free(directory->skus.entries);
    free(directory->numbers.entries);
    free(directory->numbers.offsets);
    free(directory->products.entries);
    free((void *)(uintptr_t)directory);
}
