/* SPDX-License-Identifier: Apache-2.0 */
/* Open-loop arrivals: the inverse of the expected count gives the time of each. */
#include "load_schedule.h"

#include <assert.h>
#include <math.h>

#define NANOSECONDS_PER_SECOND 1e9

/* Growth per second of an exponential ramp. A flat one has none and counts as constant. */
static double growth_of(const struct load_schedule_plan *plan)
{
    return log(plan->to_per_second / plan->from_per_second) / plan->ramp_seconds;
}

static bool plan_is_flat(const struct load_schedule_plan *plan)
{
    return plan->shape == LOAD_SCHEDULE_CONSTANT ||
           fabs(plan->to_per_second - plan->from_per_second) < 1e-9 * plan->to_per_second;
}

double load_schedule_rate_at(const struct load_schedule_plan *plan, double seconds)
{
    if (plan_is_flat(plan) || seconds >= plan->ramp_seconds) {
        return plan->to_per_second;
    }
    if (plan->shape == LOAD_SCHEDULE_LINEAR) {
        double share = seconds / plan->ramp_seconds;
        return plan->from_per_second + (plan->to_per_second - plan->from_per_second) * share;
    }
    return plan->from_per_second * exp(growth_of(plan) * seconds);
}

/* L within the ramp; seconds <= ramp_seconds. */
static double expected_in_ramp(const struct load_schedule_plan *plan, double seconds)
{
    if (plan->shape == LOAD_SCHEDULE_LINEAR) {
        double slope = (plan->to_per_second - plan->from_per_second) / plan->ramp_seconds;
        return plan->from_per_second * seconds + slope * seconds * seconds / 2.0;
    }
    double growth = growth_of(plan);
    return plan->from_per_second * expm1(growth * seconds) / growth;
}

double load_schedule_expected(const struct load_schedule_plan *plan, double seconds)
{
    if (plan_is_flat(plan)) {
        return plan->to_per_second * seconds;
    }
    if (seconds <= plan->ramp_seconds) {
        return expected_in_ramp(plan, seconds);
    }
    return expected_in_ramp(plan, plan->ramp_seconds) +
           plan->to_per_second * (seconds - plan->ramp_seconds);
}

/* L^-1 within the ramp. */
static double seconds_in_ramp(const struct load_schedule_plan *plan, double expected)
{
    if (plan->shape == LOAD_SCHEDULE_LINEAR) {
        double slope = (plan->to_per_second - plan->from_per_second) / plan->ramp_seconds;
        double from = plan->from_per_second;
        double root = sqrt(fmax(0.0, from * from + 2.0 * slope * expected));
        /* This form of the root keeps its digits when the slope is small. */
        return 2.0 * expected / (from + root);
    }
    double growth = growth_of(plan);
    return log1p(expected * growth / plan->from_per_second) / growth;
}

static double seconds_of(const struct load_schedule_plan *plan, double expected)
{
    if (plan_is_flat(plan)) {
        return expected / plan->to_per_second;
    }
    double in_ramp = expected_in_ramp(plan, plan->ramp_seconds);
    if (expected <= in_ramp) {
        return seconds_in_ramp(plan, expected);
    }
    return plan->ramp_seconds + (expected - in_ramp) / plan->to_per_second;
}

void load_schedule_start(struct load_schedule *schedule, const struct load_schedule_plan *plan,
                         uint64_t seed)
{
    assert(plan->to_per_second > 0.0);
    assert(plan->shape == LOAD_SCHEDULE_CONSTANT || plan->ramp_seconds > 0.0);
    assert(plan->shape != LOAD_SCHEDULE_EXPONENTIAL || plan->from_per_second > 0.0);
    *schedule = (struct load_schedule){.plan = *plan, .random = load_random_seeded(seed)};
}

uint64_t load_schedule_next_ns(struct load_schedule *schedule)
{
    double step = schedule->plan.poisson ? -log(load_random_unit(&schedule->random)) : 1.0;
    schedule->expected += step;
    return (uint64_t)(seconds_of(&schedule->plan, schedule->expected) * NANOSECONDS_PER_SECOND);
}
