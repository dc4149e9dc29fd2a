/* SPDX-License-Identifier: Apache-2.0 */
/* An index's life: built, followed, closed and opened again; killed; and searches that go on. */
#include "search_fixture.h"

enum { MANY = 600 };

static const struct search_place somewhere = {.partition = 3, .number = 900};

/* ---- what is found ---- */

static void test_an_empty_shop_is_ready_and_finds_nothing(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_open_search(shop);
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "lamp"), 0);
    assert_int_equal(shop_find(shop, ""), 0);
    assert_int_equal(shop_state(shop).builds, 1);
    shop_free(shop);
}

static void test_before_it_is_built_nothing_is_promised(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    atomic_store(&shop->is_full, true);
    shop_open_search(shop);
    shop_pause_ms(50);
    assert_int_equal(shop_find(shop, "lamp"), -1);
    assert_false(shop_state(shop).is_ready);
    shop_free(shop);
}

static void test_what_is_stored_is_found_by_its_words(void **state)
{
    static const struct shop_product product = {
        .name = "Organic Green Tea - 100 g",
        .brand = "Lipton",
        .category = "Beverages > Hot Drinks > Teas",
        .tag = "wellness",
        .description = "<p>Leaves of <b>Assam<\\/b>, picked &amp; dried</p>",
    };
    static const char *const words[] = {"organic", "lipton",   "teas",  "tea",  "drink",
                                        "hot",     "wellness", "assam", "dried"};
    struct shop *shop = shop_make();

    (void)state;
    shop_put(shop, somewhere, product);
    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    assert_int_equal(shop_state(shop).products, MANY + 1);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        bool has;

        assert_int_equal(shop_find_at(shop, words[i], somewhere, &has), 1);
        assert_true(has);
    }
    assert_int_equal(shop_find(shop, "lamp"), MANY);
    for (uint32_t i = 0; i < MANY; i += 7)
        assert_true(shop_finds(shop, shop_word(i), i));
    shop_free(shop);
}

static void test_a_change_is_found_within_a_second(void **state)
{
    struct shop *shop = shop_make();
    int64_t begun_ms;

    (void)state;
    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    for (uint32_t i = 0; i < 20; i++) {
        char name[96];
        char words[64];

        snprintf(words, sizeof(words), "new %s", shop_word(5000 + i));
        snprintf(name, sizeof(name), "Something %s", words);
        shop_put(shop, shop_place(i), (struct shop_product){.name = name});
        shop_commit(shop);
        begun_ms = shop_now_ms();
        while (!shop_finds(shop, words, i)) {
            assert_true(shop_now_ms() - begun_ms < 1000);
            shop_pause_ms(1);
        }
        assert_false(shop_finds(shop, shop_word(i), i));
        assert_int_equal(shop_find(shop, "lamp"), MANY - 1 - (int)i);
    }
    assert_int_equal(shop_state(shop).builds, 1);
    shop_free(shop);
}

static void test_what_changes_while_it_is_built_is_not_missed(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    shop_open_search(shop);
    for (uint32_t i = 0; i < 50; i++) {
        shop_put_many(shop, MANY + i * 10, 10);
        shop_commit(shop);
    }
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "lamp"), MANY + 500);
    assert_int_equal(shop_state(shop).products, MANY + 500);
    shop_free(shop);
}

static void set_status(struct shop *shop, uint32_t i, enum product_status status)
{
    char name[64];

    snprintf(name, sizeof(name), "Lamp model %s", shop_word(i));
    shop_put(shop, shop_place(i), (struct shop_product){.name = name})->product.status =
        (uint8_t)status;
}

static void test_what_is_not_active_is_not_found(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, 20);
    set_status(shop, 20, PRODUCT_DRAFT);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "lamp"), 20);
    assert_false(shop_finds(shop, shop_word(20), 20));
    set_status(shop, 20, PRODUCT_ACTIVE);
    set_status(shop, 3, PRODUCT_ARCHIVED);
    set_status(shop, 4, PRODUCT_DRAFT);
    shop_commit(shop);
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "lamp"), 19);
    assert_int_equal(shop_state(shop).products, 19);
    assert_true(shop_finds(shop, shop_word(20), 20));
    assert_false(shop_finds(shop, shop_word(3), 3));
    assert_false(shop_finds(shop, shop_word(4), 4));
    set_status(shop, 3, PRODUCT_ACTIVE);
    shop_commit(shop);
    shop_reopen(shop);
    shop_wait(shop);
    assert_int_equal(shop_state(shop).builds, 0);
    assert_true(shop_finds(shop, shop_word(3), 3));
    assert_int_equal(shop_find(shop, "lamp"), 20);
    shop_free(shop);
}

/* ---- the next start ---- */

static void test_a_clean_stop_needs_no_build(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    shop_put(shop, somewhere, (struct shop_product){.name = "Green tea"});
    shop_commit(shop);
    for (unsigned i = 0; i < 3; i++) {
        shop_reopen(shop);
        shop_wait(shop);
        assert_int_equal(shop_state(shop).builds, 0);
        assert_int_equal(shop_find(shop, "lamp"), MANY);
        assert_int_equal(shop_find(shop, "green tea"), 1);
        assert_true(shop_finds(shop, shop_word(17), 17));
    }
    /* And goes on being followed. */
    shop_put(shop, somewhere, (struct shop_product){.name = "Black coffee"});
    shop_commit(shop);
    shop_wait(shop);
    assert_int_equal(shop_find(shop, "green"), 0);
    assert_int_equal(shop_find(shop, "coffee"), 1);
    shop_free(shop);
}

static void test_another_state_of_the_store_is_built_anew(void **state)
{
    struct shop *shop = shop_make();

    (void)state;
    shop_put_many(shop, 0, 20);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    shop_close_search(shop);
    shop_put(shop, somewhere, (struct shop_product){.name = "Green tea"});
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    assert_int_equal(shop_state(shop).builds, 1);
    assert_int_equal(shop_find(shop, "tea"), 1);
    shop->store.info.incarnation++;
    shop_close_search(shop);
    shop_open_search(shop);
    shop_wait(shop);
    assert_int_equal(shop_state(shop).builds, 1);
    shop_free(shop);
}

/* Dies while products are taken in. */
static void body_indexing(struct fixture *store)
{
    struct shop *shop = shop_in_body(store);

    shop_open_search(shop);
    shop_wait(shop);
    shop_put_many(shop, 0, 2000);
    shop_commit(shop);
    while (shop_state(shop).products < 300)
        shop_pause_ms(1);
}

static void test_after_a_kill_it_is_built_anew(void **state)
{
    struct shop *shop = calloc(1, sizeof(*shop));

    (void)state;
    assert_non_null(shop);
    killed_store(&shop->store, "indexing");
    shop_set_up(shop);
    reopen(&shop->store);
    shop_open_search(shop);
    shop_wait(shop);
    assert_int_equal(shop_state(shop).builds, 1);
    assert_int_equal(shop_find(shop, "lamp"), 2000);
    shop_free(shop);
}

/* ---- builds beside searches ---- */

struct searcher {
    struct shop *shop;
    _Atomic bool *stops;
    uint32_t word; /* where it begins */
    uint64_t searches;
    uint64_t wrong;
    pthread_t thread;
};

static void *search_on(void *arg)
{
    struct searcher *searcher = arg;

    while (!atomic_load(searcher->stops)) {
        uint32_t i = searcher->word++ % MANY;

        searcher->wrong += !shop_finds(searcher->shop, shop_word(i), i);
        searcher->wrong += shop_find(searcher->shop, "lamp") < MANY;
        searcher->searches++;
    }
    return NULL;
}

static void test_searches_go_on_while_it_is_built_and_followed(void **state)
{
    struct shop *shop = shop_make();
    struct searcher searchers[3];
    _Atomic bool stops = false;

    (void)state;
    shop_put_many(shop, 0, MANY);
    shop_commit(shop);
    shop_open_search(shop);
    shop_wait(shop);
    for (uint32_t i = 0; i < 3; i++) {
        searchers[i] = (struct searcher){.shop = shop, .stops = &stops, .word = i * 100};
        assert_int_equal(pthread_create(&searchers[i].thread, NULL, search_on, &searchers[i]), 0);
    }
    for (uint32_t i = 0; i < 3; i++) {
        shop->port.rebuild(shop->port.self);
        for (uint32_t j = 0; j < 10; j++) {
            shop_put_many(shop, MANY + (i * 10 + j) * 5, 5);
            shop_commit(shop);
            shop_pause_ms(1);
        }
        shop_wait_for_builds(shop, 2 + i);
    }
    atomic_store(&stops, true);
    for (uint32_t i = 0; i < 3; i++) {
        pthread_join(searchers[i].thread, NULL);
        assert_int_equal(searchers[i].wrong, 0);
        assert_true(searchers[i].searches > 0);
    }
    assert_int_equal(shop_find(shop, "lamp"), MANY + 150);
    shop_free(shop);
}

static const struct test_body bodies[] = {{"indexing", body_indexing}};

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_shop_is_ready_and_finds_nothing),
        cmocka_unit_test(test_before_it_is_built_nothing_is_promised),
        cmocka_unit_test(test_what_is_stored_is_found_by_its_words),
        cmocka_unit_test(test_a_change_is_found_within_a_second),
        cmocka_unit_test(test_what_changes_while_it_is_built_is_not_missed),
        cmocka_unit_test(test_what_is_not_active_is_not_found),
        cmocka_unit_test(test_a_clean_stop_needs_no_build),
        cmocka_unit_test(test_another_state_of_the_store_is_built_anew),
        cmocka_unit_test(test_after_a_kill_it_is_built_anew),
        cmocka_unit_test(test_searches_go_on_while_it_is_built_and_followed),
    };

    if (argc == 3)
        return body_run(bodies, sizeof(bodies) / sizeof(bodies[0]), argv[1], argv[2]);
    return cmocka_run_group_tests_name("search life", tests, NULL, NULL);
}
