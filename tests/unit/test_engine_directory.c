/* SPDX-License-Identifier: Apache-2.0 */
/* The directory while it grows: what is there once is found by every reader, whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "directory.h"
#include "env_real.h"

enum { PARTITIONS = 8, PRODUCTS = 3000, READERS = 2 };

struct shop {
    struct env_real *real;
    struct env env;
    struct block_pool pool;
    struct directory_builder *builder;
    _Atomic(const struct directory *) directory;
    const struct directory *replaced[64];
    unsigned replaced_count;
    _Atomic unsigned added; /* products that readers must find */
};

static void names(unsigned i, char id_out[24], char sku_out[24])
{
    snprintf(id_out, 24, "product-%u", i);
    snprintf(sku_out, 24, "SKU-%u", i);
}

static void shop_create(struct shop *shop)
{
    struct hash_key key = {{1, 2}};

    memset(shop, 0, sizeof(*shop));
    shop->real = env_real_create(1);
    assert_non_null(shop->real);
    shop->env = env_real_port(shop->real);
    block_pool_init(&shop->pool, &shop->env);
    shop->builder = directory_builder_create(PARTITIONS, &key, &shop->pool);
    assert_non_null(shop->builder);
    atomic_store(&shop->directory, directory_builder_publish(shop->builder));
}

static void shop_destroy(struct shop *shop)
{
    for (unsigned i = 0; i < shop->replaced_count; i++)
        directory_free(shop->replaced[i]);
    directory_free(atomic_load(&shop->directory));
    directory_builder_destroy(shop->builder);
    block_pool_destroy(&shop->pool);
    env_real_destroy(shop->real);
}

static void publish(struct shop *shop)
{
    if (!directory_builder_has_grown(shop->builder))
        return;
    assert_true(shop->replaced_count < 64);
    shop->replaced[shop->replaced_count++] = atomic_load(&shop->directory);
    atomic_store_explicit(&shop->directory, directory_builder_publish(shop->builder),
                          memory_order_release);
}

static void add(struct shop *shop, unsigned i)
{
    struct product_entry *product;
    struct sku_entry *sku;
    char name[24];
    char id[24];

    names(i, id, name);
    product = directory_builder_product(shop->builder, id, i % PARTITIONS, UINT32_MAX);
    assert_non_null(product);
    assert_int_equal(product->number, i / PARTITIONS);
    sku = directory_builder_sku(shop->builder, name, product, UINT32_MAX);
    assert_non_null(sku);
    publish(shop);
    atomic_store_explicit(&sku->state, SKU_ON_SALE, memory_order_release);
    atomic_store_explicit(&product->recorded, true, memory_order_release);
    atomic_store_explicit(&shop->added, i + 1, memory_order_release);
}

/* 0: all is as it must be. */
static unsigned look(const struct directory *directory, unsigned i)
{
    const struct product_entry *product;
    const struct sku_entry *sku;
    char name[24];
    char id[24];

    names(i, id, name);
    product = directory_find_product(directory, id, strlen(id));
    sku = directory_find_sku(directory, name, strlen(name));
    if (product == NULL || sku == NULL)
        return 1;
    return sku->product != product || strcmp(product->id, id) != 0 ||
           directory_product_at(directory, i % PARTITIONS, i / PARTITIONS) != product ||
           directory_find_sku_id(directory, sku->sku_id) != sku;
}

static void *read_on(void *arg)
{
    struct shop *shop = arg;
    uint64_t random = 1;
    uintptr_t wrong = 0;
    unsigned added;

    do {
        added = atomic_load_explicit(&shop->added, memory_order_acquire);
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (added > 0)
            wrong += look(atomic_load_explicit(&shop->directory, memory_order_acquire),
                          (unsigned)(random >> 33) % added);
    } while (added < PRODUCTS);
    return (void *)wrong;
}

static void readers_find_what_is_there_while_it_grows(void **state)
{
    static struct shop shop;
    pthread_t threads[READERS];
    uint32_t place = 0;
    unsigned count = 0;

    (void)state;
    shop_create(&shop);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &shop), 0);
    for (unsigned i = 0; i < PRODUCTS; i++)
        add(&shop, i);
    for (unsigned i = 0; i < READERS; i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    const struct directory *directory = atomic_load(&shop.directory);
    for (unsigned i = 0; i < PRODUCTS; i++)
        assert_int_equal(look(directory, i), 0);
    while (directory_next_product(directory, &place) != NULL)
        count++;
    assert_int_equal(count, PRODUCTS);
    assert_int_equal(directory_sku_count(directory), PRODUCTS);
    assert_int_equal(directory_product_numbers(directory, 1), PRODUCTS / PARTITIONS);
    assert_null(directory_product_at(directory, 1, PRODUCTS / PARTITIONS));
    assert_null(directory_product_at(directory, PARTITIONS, 0));
    assert_in_range(shop.replaced_count, 5, 20); /* as often as the tables doubled */
    shop_destroy(&shop);
}

/* An old table knows what was added before it gave way, and never half of anything. */
static void a_table_that_gave_way_stays_as_it_was(void **state)
{
    static struct shop shop;
    const struct directory *first;
    unsigned i = 0;

    (void)state;
    shop_create(&shop);
    add(&shop, i++);
    first = atomic_load(&shop.directory);
    while (atomic_load(&shop.directory) == first)
        add(&shop, i++);
    assert_int_equal(look(first, 0), 0);
    assert_int_equal(look(first, i - 2), 0);
    assert_int_not_equal(look(first, i - 1), 0);
    assert_int_equal(look(atomic_load(&shop.directory), i - 1), 0);
    shop_destroy(&shop);
}

static void what_is_withdrawn_is_found_by_staff_only(void **state)
{
    static struct shop shop;
    const struct directory *directory;
    struct sku_entry *sku;

    (void)state;
    shop_create(&shop);
    add(&shop, 0);
    directory = atomic_load(&shop.directory);
    sku = directory_find_sku(directory, "SKU-0", 5);
    assert_non_null(sku);
    atomic_store(&sku->state, SKU_WITHDRAWN);
    assert_null(directory_find_sku(directory, "SKU-0", 5));
    assert_ptr_equal(directory_find_sku_recorded(directory, "SKU-0", 5), sku);
    atomic_store(&sku->state, SKU_UNRECORDED);
    assert_null(directory_find_sku_recorded(directory, "SKU-0", 5));
    assert_ptr_equal(directory_builder_find_sku(shop.builder, "SKU-0"), sku);
    shop_destroy(&shop);
}

static void units_sold_add_up_over_a_product(void **state)
{
    static struct shop shop;
    struct sku_entry *first;
    struct sku_entry *second;

    (void)state;
    shop_create(&shop);
    add(&shop, 0);
    first = directory_builder_find_sku(shop.builder, "SKU-0");
    second = directory_builder_sku(shop.builder, "OTHER", first->product, UINT32_MAX);
    sku_entry_show_sold(first, 5);
    sku_entry_show_sold(second, 7);
    assert_int_equal(product_entry_sold(first->product), 12);
    sku_entry_show_sold(first, 2); /* three came back */
    assert_int_equal(product_entry_sold(first->product), 9);
    shop_destroy(&shop);
}

static void a_name_passes_on_to_who_gets_it_recorded(void **state)
{
    static struct shop shop;
    struct product_entry *other;
    struct sku_entry *sku;
    struct sku_entry *passed;

    (void)state;
    shop_create(&shop);
    add(&shop, 0);
    add(&shop, 1);
    sku = directory_builder_sku(shop.builder, "WANTED",
                                directory_builder_find_product(shop.builder, "product-0"),
                                UINT32_MAX);
    other = directory_builder_find_product(shop.builder, "product-1");
    passed = directory_builder_rename(shop.builder, sku, other);
    atomic_store(&passed->state, SKU_ON_SALE);
    assert_ptr_equal(directory_find_sku(atomic_load(&shop.directory), "WANTED", 6), passed);
    assert_ptr_equal(passed->product, other);
    assert_ptr_equal(directory_find_sku_id(atomic_load(&shop.directory), sku->sku_id), sku);
    shop_destroy(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_find_what_is_there_while_it_grows),
        cmocka_unit_test(a_table_that_gave_way_stays_as_it_was),
        cmocka_unit_test(what_is_withdrawn_is_found_by_staff_only),
        cmocka_unit_test(units_sold_add_up_over_a_product),
        cmocka_unit_test(a_name_passes_on_to_who_gets_it_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
