/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of categories: paths and what is above them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "categories.h"
#include "gate.h"

/* Memory is all that it wants of an environment. */
static void *reserve(void *self, size_t bytes)
{
    void *memory = aligned_alloc(CACHE_LINE, bytes);

    (void)self;
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

static void unreserve(void *self, void *memory, size_t bytes)
{
    (void)self;
    (void)bytes;
    free(memory);
}

struct tree {
    struct env env;
    struct block_pool pool;
    struct categories *categories;
};

static int set_up(void **state)
{
    static const struct hash_key key = {{1, 2}};
    static struct tree tree;

    tree.env = (struct env){.reserve = reserve, .unreserve = unreserve};
    block_pool_init(&tree.pool, &tree.env);
    tree.categories = categories_create(&key, &tree.pool);
    assert_non_null(tree.categories);
    *state = &tree;
    return 0;
}

static int tear_down(void **state)
{
    struct tree *tree = *state;

    categories_destroy(tree->categories);
    block_pool_destroy(&tree->pool);
    return 0;
}

static uint32_t number_of(struct tree *tree, const char *path)
{
    return categories_number(tree->categories, path, (uint32_t)strlen(path));
}

static void assert_category(struct tree *tree, uint32_t number, const char *path, const char *name,
                            uint32_t parent, uint32_t depth)
{
    const struct category *category = categories_at(tree->categories, number);

    assert_int_equal(category->path_length, strlen(path));
    assert_memory_equal(category->path, path, strlen(path));
    assert_int_equal(category->name_length, strlen(name));
    assert_memory_equal(category_name(category), name, strlen(name));
    assert_int_equal(category->parent, parent);
    assert_int_equal(category->depth, depth);
}

static void each_beginning_of_a_path_is_a_category(void **state)
{
    struct tree *tree = *state;

    assert_int_equal(categories_end(tree->categories), 1);
    assert_int_equal(number_of(tree, ""), 0);
    assert_int_equal(number_of(tree, "Home > Kitchen > Pans"), 3);
    assert_category(tree, 1, "Home", "Home", 0, 1);
    assert_category(tree, 2, "Home > Kitchen", "Kitchen", 1, 2);
    assert_category(tree, 3, "Home > Kitchen > Pans", "Pans", 2, 3);
    assert_int_equal(number_of(tree, "Home > Kitchen"), 2);
    assert_int_equal(number_of(tree, "Home > Bath"), 4);
    assert_category(tree, 4, "Home > Bath", "Bath", 1, 2);
    assert_int_equal(number_of(tree, "Pans"), 5); /* another one of this name */
    assert_int_equal(number_of(tree, "home"), 6);
    assert_int_equal(number_of(tree, "Home>Kitchen"), 7); /* no separator */
    assert_int_equal(categories_end(tree->categories), 8);
}

/* Whatever was stored: each path has one place, and a parent before it. */
static void odd_paths_have_a_place(void **state)
{
    static const char *const paths[] = {
        " > ", " > A", "A > ", "A >  > B", "A > B > ", ">", "> ", " >", "A > > B", " >  >  > ",
    };
    struct tree *tree = *state;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        uint32_t number = number_of(tree, paths[i]);

        assert_true(number > 0);
        assert_int_equal(number_of(tree, paths[i]), number);
        assert_true(categories_at(tree->categories, number)->parent < number);
    }
}

static void what_is_too_deep_is_a_part_of_the_last_name(void **state)
{
    struct tree *tree = *state;
    uint32_t number = number_of(tree, "1 > 2 > 3 > 4 > 5 > 6 > 7 > 8 > 9 > 10");

    assert_int_equal(number, CATEGORY_DEPTH_MAX);
    assert_category(tree, number, "1 > 2 > 3 > 4 > 5 > 6 > 7 > 8 > 9 > 10", "8 > 9 > 10", 7, 8);
}

static void there_is_a_bound(void **state)
{
    struct tree *tree = *state;
    char path[32];

    for (uint32_t i = 1; i < CATEGORIES_MAX; i++) {
        snprintf(path, sizeof(path), "c%u", i);
        assert_int_equal(number_of(tree, path), i);
    }
    assert_int_equal(number_of(tree, "one more"), 0);
    assert_int_equal(number_of(tree, "c1 > below"), 0);
    assert_int_equal(number_of(tree, "c7"), 7);
    assert_int_equal(categories_end(tree->categories), CATEGORIES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_beginning_of_a_path_is_a_category, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_paths_have_a_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_deep_is_a_part_of_the_last_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(there_is_a_bound, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
