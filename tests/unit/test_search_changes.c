/* SPDX-License-Identifier: Apache-2.0 */
/* The set of what has changed: nothing is lost, nothing comes twice, whoever adds meanwhile. */
#include "test_storage_support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "search/change_set.h"

enum { CHANGE_PARTITIONS = 8, ROOM = 64, ROUNDS = 200000 };

static struct search_place place_of(uint32_t partition, uint32_t number)
{
    return (struct search_place){.partition = partition, .number = number};
}

static struct change_set *make_set(void)
{
    struct change_set *set = change_set_create(CHANGE_PARTITIONS);

    assert_non_null(set);
    return set;
}

static void test_what_was_added_comes_out_once_and_in_order(void **state)
{
    static const struct search_place added[] = {{7, 3},    {0, 0},     {0, 63}, {3, 4096},
                                                {3, 4095}, {0, 64},    {7, 3},  {3, 1 << 19},
                                                {0, 0},    {3, 100000}};
    static const struct search_place taken[] = {{0, 0},    {0, 63},     {0, 64},      {3, 4095},
                                                {3, 4096}, {3, 100000}, {3, 1 << 19}, {7, 3}};
    enum { TAKEN = sizeof(taken) / sizeof(taken[0]) };
    struct search_place places[ROOM];

    (void)state;
    for (uint32_t room = 1; room <= ROOM; room = room * 2 + 1) {
        struct change_set *set = make_set();
        uint32_t at = 0;
        uint32_t count;

        assert_int_equal(change_set_take(set, places, room), 0);
        for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
            assert_true(change_set_add(set, added[i], 1));
        assert_int_equal(change_set_count(set), TAKEN);
        while ((count = change_set_take(set, places, room)) > 0) {
            for (uint32_t i = 0; i < count; i++, at++) {
                assert_true(at < TAKEN);
                assert_int_equal(places[i].partition, taken[at].partition);
                assert_int_equal(places[i].number, taken[at].number);
            }
        }
        assert_int_equal(at, TAKEN);
        assert_int_equal(change_set_count(set), 0);
        change_set_destroy(set);
    }
}

static void test_a_pass_goes_on_where_it_ended(void **state)
{
    struct change_set *set = make_set();
    struct search_place place;

    (void)state;
    change_set_add(set, place_of(2, 10), 1);
    change_set_add(set, place_of(2, 20), 1);
    assert_int_equal(change_set_take(set, &place, 1), 1);
    assert_int_equal(place.number, 10);
    /* Behind it, where it has been: after what is before it. */
    change_set_add(set, place_of(2, 5), 1);
    assert_int_equal(change_set_take(set, &place, 1), 1);
    assert_int_equal(place.number, 20);
    assert_int_equal(change_set_take(set, &place, 1), 1);
    assert_int_equal(place.number, 5);
    assert_int_equal(change_set_take(set, &place, 1), 0);
    change_set_destroy(set);
}

static void test_what_is_put_back_comes_again(void **state)
{
    struct change_set *set = make_set();
    struct search_place places[3];

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        change_set_add(set, place_of(i, i), 40);
    assert_int_equal(change_set_oldest_ms(set), 40);
    assert_int_equal(change_set_take(set, places, 3), 3);
    change_set_put_back(set, places + 1, 2, 40);
    assert_int_equal(change_set_count(set), 2);
    assert_int_equal(change_set_oldest_ms(set), 40);
    assert_int_equal(change_set_take(set, places, 3), 2);
    assert_int_equal(places[0].partition, 1);
    assert_int_equal(places[1].partition, 2);
    change_set_destroy(set);
}

static void test_emptied_it_is_whole_again(void **state)
{
    struct change_set *set = make_set();
    struct search_place place;

    (void)state;
    assert_true(change_set_is_whole(set));
    assert_false(change_set_add(set, place_of(CHANGE_PARTITIONS, 0), 1));
    assert_false(change_set_add(set, place_of(0, SKUS_PER_PARTITION_MAX), 1));
    assert_false(change_set_is_whole(set));
    change_set_add(set, place_of(1, 1), 1);
    change_set_clear(set);
    assert_true(change_set_is_whole(set));
    assert_int_equal(change_set_count(set), 0);
    assert_int_equal(change_set_take(set, &place, 1), 0);
    change_set_destroy(set);
}

static void test_emptied_in_the_midst_nothing_is_left(void **state)
{
    struct change_set *set = make_set();
    struct search_place places[ROOM];

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        change_set_add(set, place_of(3, i * 50), 1);
    assert_int_equal(change_set_take(set, places, 10), 10);
    change_set_clear(set);
    assert_int_equal(change_set_count(set), 0);
    change_set_add(set, place_of(3, 4000), 1);
    assert_int_equal(change_set_take(set, places, ROOM), 1);
    assert_int_equal(places[0].number, 4000);
    change_set_destroy(set);
}

/* ---- two threads ---- */

struct adder {
    struct change_set *set;
    _Atomic uint32_t versions[CHANGE_PARTITIONS][ROOM]; /* raised before it is added */
    _Atomic bool is_done;
};

static void *add_on(void *arg)
{
    struct adder *adder = arg;
    uint64_t seed = 7;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t random = test_random(&seed);
        uint32_t partition = random % CHANGE_PARTITIONS;
        uint32_t number = (uint32_t)(random >> 8) % ROOM;

        atomic_fetch_add_explicit(&adder->versions[partition][number], 1, memory_order_relaxed);
        change_set_add(adder->set, place_of(partition, number * 100), i + 1);
    }
    atomic_store(&adder->is_done, true);
    return NULL;
}

/* Who takes a place sees the newest that was done before it was added, at the last. */
static void test_nothing_is_lost_between_two_threads(void **state)
{
    static struct adder adder;
    static uint32_t seen[CHANGE_PARTITIONS][ROOM];
    struct search_place places[ROOM];
    pthread_t thread;
    bool is_done;
    uint32_t count;

    (void)state;
    adder.set = make_set();
    assert_int_equal(pthread_create(&thread, NULL, add_on, &adder), 0);
    do {
        is_done = atomic_load(&adder.is_done);
        while ((count = change_set_take(adder.set, places, 1 + ROOM / 3)) > 0) {
            for (uint32_t i = 0; i < count; i++) {
                uint32_t number = places[i].number / 100;

                assert_int_equal(places[i].number % 100, 0);
                seen[places[i].partition][number] = atomic_load_explicit(
                    &adder.versions[places[i].partition][number], memory_order_relaxed);
            }
        }
    } while (!is_done);
    pthread_join(thread, NULL);
    for (uint32_t i = 0; i < CHANGE_PARTITIONS; i++) {
        for (uint32_t j = 0; j < ROOM; j++)
            assert_int_equal(seen[i][j], atomic_load(&adder.versions[i][j]));
    }
    assert_int_equal(change_set_count(adder.set), 0);
    change_set_destroy(adder.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_added_comes_out_once_and_in_order),
        cmocka_unit_test(test_a_pass_goes_on_where_it_ended),
        cmocka_unit_test(test_what_is_put_back_comes_again),
        cmocka_unit_test(test_emptied_it_is_whole_again),
        cmocka_unit_test(test_emptied_in_the_midst_nothing_is_left),
        cmocka_unit_test(test_nothing_is_lost_between_two_threads),
    };

    return cmocka_run_group_tests_name("search changes", tests, NULL, NULL);
}
