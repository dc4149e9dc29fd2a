/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups of SKUs in a directory of 27,000 (9,000 products of three variants): the engine's
 * immutable table beside a sorted array under a reader-writer lock.
 *
 *   directory/KIND/hit   a SKU that is there, one of a thousand that a sale is about
 *   directory/KIND/miss  one that is not
 *   directory/ours/wide  one that is there, of all: how much of that is in a cache is the
 *                        neighbours' doing on a shared machine, so no ratio is made of it
 *   directory/ours/id    by number, of all */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "directory.h"
#include "env_real.h"

enum {
    PRODUCTS = 9000,
    VARIANTS = 3,
    SKUS = PRODUCTS * VARIANTS,
    PARTITIONS = 256,
    LOOK_UPS = 1000000,
    STRIDE = 7919,
    HOT = 1024,
    NAME_BYTES = 32,
};

struct shop {
    char names[2 * SKUS][NAME_BYTES]; /* the second half, between the others, is not there */
    uint32_t ids[SKUS];
    struct block_pool pool;
    struct directory_builder *builder;
    const struct directory *directory;
    const char *sorted[SKUS];
    pthread_rwlock_t lock;
    uint32_t first; /* of the names that are looked up */
    uint32_t count; /* of them: HOT or SKUS */
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void shop_fill(struct shop *shop, const struct env *env)
{
    struct hash_key key = {{1, 2}};

    block_pool_init(&shop->pool, env);
    shop->builder = directory_builder_create(PARTITIONS, &key, &shop->pool);
    if (shop->builder == NULL)
        bench_fail("not enough memory for %d SKUs", (int)SKUS);
    pthread_rwlock_init(&shop->lock, NULL);
    for (uint32_t i = 0; i < 2 * SKUS; i++)
        snprintf(shop->names[i], NAME_BYTES, "SHIRT-%05u-%s-%c", i % SKUS / VARIANTS,
                 i < SKUS ? "black" : "white", "SML"[i % VARIANTS]);
    for (uint32_t i = 0; i < PRODUCTS; i++) {
        char id[NAME_BYTES];
        struct product_entry *product;

        snprintf(id, sizeof(id), "shirt-%05u", i);
        product = directory_builder_product(shop->builder, id, i % PARTITIONS, UINT32_MAX);
        for (uint32_t at = i * VARIANTS; at < (i + 1) * VARIANTS && product != NULL; at++) {
            struct sku_entry *sku =
                directory_builder_sku(shop->builder, shop->names[at], product, UINT32_MAX);

            if (sku == NULL)
                bench_fail("SKU %u could not be added", at);
            atomic_store(&sku->state, SKU_ON_SALE); /* as when its record has become durable */
            shop->ids[at] = sku->sku_id;
            shop->sorted[at] = shop->names[at];
        }
    }
    qsort(shop->sorted, SKUS, sizeof(shop->sorted[0]), compare_names);
    shop->directory = directory_builder_publish(shop->builder);
    if (shop->directory == NULL || directory_sku_count(shop->directory) != SKUS)
        bench_fail("the directory is not whole");
}

static uint64_t ours_find(void *arg, uint64_t operations)
{
    struct shop *shop = arg;
    uint64_t started_ns = bench_now_ns();
    uint64_t found = 0;

    for (uint64_t i = 0; i < operations; i++) {
        const char *name = shop->names[shop->first + i * STRIDE % shop->count];

        found += directory_find_sku(shop->directory, name, strlen(name)) != NULL;
    }
    started_ns = bench_now_ns() - started_ns;
    if (found != (shop->first == 0 ? operations : 0))
        bench_fail("the directory found %llu", (unsigned long long)found);
    return started_ns;
}

static uint64_t ours_find_id(void *arg, uint64_t operations)
{
    struct shop *shop = arg;
    uint64_t started_ns = bench_now_ns();
    uint64_t found = 0;

    for (uint64_t i = 0; i < operations; i++)
        found += directory_find_sku_id(shop->directory, shop->ids[i * STRIDE % SKUS]) != NULL;
    started_ns = bench_now_ns() - started_ns;
    if (found != operations)
        bench_fail("the directory found %llu", (unsigned long long)found);
    return started_ns;
}

static uint64_t locked_find(void *arg, uint64_t operations)
{
    struct shop *shop = arg;
    uint64_t started_ns = bench_now_ns();
    uint64_t found = 0;

    for (uint64_t i = 0; i < operations; i++) {
        const char *wanted = shop->names[shop->first + i * STRIDE % shop->count];

        pthread_rwlock_rdlock(&shop->lock);
        found += bsearch(&wanted, shop->sorted, SKUS, sizeof(wanted), compare_names) != NULL;
        pthread_rwlock_unlock(&shop->lock);
    }
    started_ns = bench_now_ns() - started_ns;
    bench_keep(found);
    return started_ns;
}

int main(int argc, char **argv)
{
    static struct shop shop;
    struct env_real *real = env_real_create(1);
    struct env env;
    uint64_t operations;

    bench_begin(&argc, argv);
    operations = bench_scale(LOOK_UPS);
    if (real == NULL)
        bench_fail("no environment");
    env = env_real_port(real);
    shop_fill(&shop, &env);
    for (shop.first = 0; shop.first <= SKUS; shop.first += SKUS) {
        bool there = shop.first == 0;

        shop.count = HOT;
        bench_contest(
            (struct bench_entry[]){{there ? "directory/ours/hit" : "directory/ours/miss",
                                    .body = ours_find, .arg = &shop, .operations = operations},
                                   {there ? "directory/rwlock/hit" : "directory/rwlock/miss",
                                    .body = locked_find, .arg = &shop, .operations = operations}},
            2, BENCH_ROUNDS);
    }
    shop.first = 0;
    shop.count = SKUS;
    bench_contest(&(struct bench_entry){"directory/ours/wide", .body = ours_find, .arg = &shop,
                                        .operations = operations},
                  1, BENCH_ROUNDS);
    bench_contest(&(struct bench_entry){"directory/ours/id", .body = ours_find_id, .arg = &shop,
                                        .operations = operations},
                  1, BENCH_ROUNDS);
    directory_free(shop.directory);
    directory_builder_destroy(shop.builder);
    block_pool_destroy(&shop.pool);
    env_real_destroy(real);
    return 0;
}
