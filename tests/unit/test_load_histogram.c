/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's histogram: percentiles within its error bound, never below the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "load_histogram.h"
#include "load_random.h"

enum {
    VALUES = 20000,
};

static struct load_histogram histogram;

static int start_empty(void **state)
{
    (void)state;
    load_histogram_reset(&histogram);
    return 0;
}

static int compare_values(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static void an_empty_one_has_no_percentiles(void **state)
{
    (void)state;
    assert_int_equal(load_histogram_percentile(&histogram, 50), 0);
    assert_int_equal(load_histogram_percentile(&histogram, 100), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 0; value < 1000; value++) {
        load_histogram_record(&histogram, value);
    }
    assert_int_equal(load_histogram_percentile(&histogram, 50), 499);
    assert_int_equal(load_histogram_percentile(&histogram, 99), 989);
    assert_int_equal(load_histogram_percentile(&histogram, 99.9), 998);
    assert_int_equal(load_histogram_percentile(&histogram, 100), 999);
    assert_int_equal(histogram.count, 1000);
    assert_int_equal(histogram.sum_ns, 499500);
}

static void one_value_is_every_percentile(void **state)
{
    (void)state;
    load_histogram_record(&histogram, 123456789);
    assert_int_equal(load_histogram_percentile(&histogram, 0), 123456789);
    assert_int_equal(load_histogram_percentile(&histogram, 50), 123456789);
    assert_int_equal(load_histogram_percentile(&histogram, 100), 123456789);
}

/* Every power of two and its neighbours, where an error of one bucket would show. */
static void every_edge_keeps_the_error_bound(void **state)
{
    (void)state;
    for (uint32_t bits = 1; bits < LOAD_HISTOGRAM_VALUE_BITS; bits++) {
        for (int64_t offset = -1; offset <= 1; offset++) {
            uint64_t value = (uint64_t)((INT64_C(1) << bits) + offset);
            load_histogram_reset(&histogram);
            load_histogram_record(&histogram, value);
            load_histogram_record(&histogram, UINT64_C(1) << 60); /* so that max is no help */
            uint64_t given = load_histogram_percentile(&histogram, 50);
            assert_true(given >= value);
            assert_true((given - value) * 1024 <= value);
        }
    }
}

static void percentiles_of_a_spread_are_never_low_and_at_most_a_thousandth_high(void **state)
{
    static const double percents[] = {1, 10, 50, 90, 99, 99.9, 99.99, 100};
    static uint64_t values[VALUES];
    struct load_random random = load_random_seeded(42);
    (void)state;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = load_random_next(&random) >> (22 + load_random_below(&random, 35));
        load_histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof values[0], compare_values);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        size_t rank = (size_t)(percents[i] / 100 * VALUES + 0.5);
        uint64_t truth = values[rank - 1];
        uint64_t given = load_histogram_percentile(&histogram, percents[i]);
        assert_true(given >= truth);
        assert_true((given - truth) * 1000 <= truth);
    }
}

static void a_value_beyond_the_range_still_gives_the_maximum(void **state)
{
    (void)state;
    load_histogram_record(&histogram, UINT64_C(1) << 50);
    assert_int_equal(load_histogram_percentile(&histogram, 99), UINT64_C(1) << 50);
    assert_int_equal(histogram.max_ns, UINT64_C(1) << 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_has_no_percentiles, start_empty),
        cmocka_unit_test_setup(small_values_are_exact, start_empty),
        cmocka_unit_test_setup(one_value_is_every_percentile, start_empty),
        cmocka_unit_test_setup(every_edge_keeps_the_error_bound, start_empty),
        cmocka_unit_test_setup(percentiles_of_a_spread_are_never_low_and_at_most_a_thousandth_high,
                               start_empty),
        cmocka_unit_test_setup(a_value_beyond_the_range_still_gives_the_maximum, start_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
