/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-loop arrivals: when each buyer means to send, decided before and apart from any answer.
 *
 * A plan is a rate over time: constant, or a ramp (linear or exponential) that then stays at its
 * last rate. With L(t) the arrivals expected up to t, the k-th arrival of a uniform schedule is at
 * L^-1(k); that of a Poisson schedule at L^-1 of the sum of k exponential steps of mean 1. Both
 * are exact for a rate that changes, and the same seed gives the same times.
 */
#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "load_random.h"

enum load_schedule_shape {
    LOAD_SCHEDULE_CONSTANT,
    LOAD_SCHEDULE_LINEAR,
    LOAD_SCHEDULE_EXPONENTIAL,
};

struct load_schedule_plan {
    enum load_schedule_shape shape;
    bool poisson;
    double from_per_second; /* > 0 for an exponential ramp, else >= 0 */
    double to_per_second;   /* > 0 */
    double ramp_seconds;    /* > 0, but for a constant rate, where it is not used */
};

struct load_schedule {
    struct load_schedule_plan plan;
    struct load_random random;
    double expected; /* L at the next arrival */
};

/* The plan must hold what its comments ask. */
void load_schedule_start(struct load_schedule *schedule, const struct load_schedule_plan *plan,
                         uint64_t seed);

/* The next arrival, in nanoseconds since the start; never before the one given last. */
uint64_t load_schedule_next_ns(struct load_schedule *schedule);

/* The planned rate at a moment, per second. */
double load_schedule_rate_at(const struct load_schedule_plan *plan, double seconds);

/* L(seconds): arrivals expected from the start until then. */
double load_schedule_expected(const struct load_schedule_plan *plan, double seconds);

#endif
