/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's arrivals: as many as planned, when planned, the same for the same seed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "load_schedule.h"
#include "load_timers.h"

#define NS_PER_SECOND 1e9

static uint32_t arrivals_until(const struct load_schedule_plan *plan, uint64_t seed, double seconds)
{
    struct load_schedule schedule;
    uint32_t count = 0;
    load_schedule_start(&schedule, plan, seed);
    while ((double)load_schedule_next_ns(&schedule) <= seconds * NS_PER_SECOND + 1) {
        count++;
    }
    return count;
}

static void a_uniform_rate_arrives_on_the_beat(void **state)
{
    struct load_schedule_plan plan = {.shape = LOAD_SCHEDULE_CONSTANT, .to_per_second = 1000};
    struct load_schedule schedule;
    (void)state;
    load_schedule_start(&schedule, &plan, 1);
    for (uint64_t i = 1; i <= 5000; i++) {
        int64_t error = (int64_t)load_schedule_next_ns(&schedule) - (int64_t)(i * 1000000);
        assert_true(error >= -2 && error <= 2);
    }
}

static void the_same_seed_gives_the_same_arrivals_and_another_seed_others(void **state)
{
    struct load_schedule_plan plan = {
        .shape = LOAD_SCHEDULE_CONSTANT, .poisson = true, .to_per_second = 1000};
    struct load_schedule one;
    struct load_schedule same;
    struct load_schedule other;
    uint32_t different = 0;
    (void)state;
    load_schedule_start(&one, &plan, 7);
    load_schedule_start(&same, &plan, 7);
    load_schedule_start(&other, &plan, 8);
    for (int i = 0; i < 1000; i++) {
        uint64_t at_ns = load_schedule_next_ns(&one);
        assert_int_equal(at_ns, load_schedule_next_ns(&same));
        different += at_ns != load_schedule_next_ns(&other) ? 1 : 0;
    }
    assert_true(different > 990);
}

/* The mean and the variance of a Poisson count are equal. */
static void poisson_counts_scatter_as_they_must(void **state)
{
    enum { SEEDS = 400 };
    struct load_schedule_plan plan = {
        .shape = LOAD_SCHEDULE_CONSTANT, .poisson = true, .to_per_second = 500};
    double sum = 0;
    double squares = 0;
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        double count = arrivals_until(&plan, seed, 1.0);
        sum += count;
        squares += count * count;
    }
    double mean = sum / SEEDS;
    double variance = squares / SEEDS - mean * mean;
    assert_true(fabs(mean - 500) < 5);
    assert_true(fabs(variance - 500) < 125);
}

static void a_ramp_brings_what_its_area_says(void **state)
{
    static const struct load_schedule_plan plans[] = {
        {.shape = LOAD_SCHEDULE_LINEAR,
         .from_per_second = 0,
         .to_per_second = 1000,
         .ramp_seconds = 10},
        {.shape = LOAD_SCHEDULE_LINEAR,
         .from_per_second = 1000,
         .to_per_second = 10,
         .ramp_seconds = 4},
        {.shape = LOAD_SCHEDULE_EXPONENTIAL,
         .from_per_second = 100,
         .to_per_second = 20000,
         .ramp_seconds = 5},
        {.shape = LOAD_SCHEDULE_EXPONENTIAL,
         .from_per_second = 100,
         .to_per_second = 100,
         .ramp_seconds = 5},
    };
    static const double areas[] = {5000, 2020, 5 * (20000 - 100) / 5.298317366548036, 500};
    (void)state;
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        double seconds = plans[i].ramp_seconds;
        assert_true(fabs(load_schedule_expected(&plans[i], seconds) - areas[i]) < 0.01);
        double count = arrivals_until(&plans[i], 1, seconds);
        assert_true(fabs(count - areas[i]) <= 1);
        /* After the ramp its last rate stays. */
        double later = arrivals_until(&plans[i], 1, seconds + 2);
        assert_true(fabs(later - count - 2 * plans[i].to_per_second) <= 2);
    }
}

static void a_ramp_passes_through_its_rates(void **state)
{
    struct load_schedule_plan linear = {.shape = LOAD_SCHEDULE_LINEAR,
                                        .from_per_second = 100,
                                        .to_per_second = 300,
                                        .ramp_seconds = 10};
    struct load_schedule_plan exponential = {.shape = LOAD_SCHEDULE_EXPONENTIAL,
                                             .from_per_second = 100,
                                             .to_per_second = 10000,
                                             .ramp_seconds = 10};
    (void)state;
    assert_true(fabs(load_schedule_rate_at(&linear, 0) - 100) < 1e-6);
    assert_true(fabs(load_schedule_rate_at(&linear, 5) - 200) < 1e-6);
    assert_true(fabs(load_schedule_rate_at(&linear, 50) - 300) < 1e-6);
    assert_true(fabs(load_schedule_rate_at(&exponential, 5) - 1000) < 1e-6);
    assert_true(fabs(load_schedule_rate_at(&exponential, 10) - 10000) < 1e-6);
}

static void arrivals_never_go_back(void **state)
{
    struct load_schedule_plan plan = {.shape = LOAD_SCHEDULE_EXPONENTIAL,
                                      .poisson = true,
                                      .from_per_second = 100,
                                      .to_per_second = 400000,
                                      .ramp_seconds = 2};
    struct load_schedule schedule;
    uint64_t last_ns = 0;
    (void)state;
    load_schedule_start(&schedule, &plan, 3);
    for (int i = 0; i < 500000; i++) {
        uint64_t at_ns = load_schedule_next_ns(&schedule);
        assert_true(at_ns >= last_ns);
        last_ns = at_ns;
    }
}

static void timers_come_in_order_of_their_time(void **state)
{
    enum { COUNT = 1000 };
    struct load_timers timers;
    struct load_random random = load_random_seeded(9);
    uint64_t last_ns = 0;
    uint64_t tags = 0;
    (void)state;
    assert_true(load_timers_open(&timers, COUNT));
    assert_int_equal(load_timers_next_ns(&timers), UINT64_MAX);
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_true(load_timers_push(&timers, load_random_below(&random, 5000), i));
    }
    assert_false(load_timers_push(&timers, 1, 1));
    for (int i = 0; i < COUNT; i++) {
        uint64_t next_ns = load_timers_next_ns(&timers);
        struct load_timer timer = load_timers_pop(&timers);
        assert_int_equal(timer.due_ns, next_ns);
        assert_true(timer.due_ns >= last_ns);
        last_ns = timer.due_ns;
        tags += timer.tag;
    }
    assert_int_equal(tags, COUNT * (COUNT - 1) / 2);
    assert_int_equal(load_timers_next_ns(&timers), UINT64_MAX);
    load_timers_close(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uniform_rate_arrives_on_the_beat),
        cmocka_unit_test(the_same_seed_gives_the_same_arrivals_and_another_seed_others),
        cmocka_unit_test(poisson_counts_scatter_as_they_must),
        cmocka_unit_test(a_ramp_brings_what_its_area_says),
        cmocka_unit_test(a_ramp_passes_through_its_rates),
        cmocka_unit_test(arrivals_never_go_back),
        cmocka_unit_test(timers_come_in_order_of_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
