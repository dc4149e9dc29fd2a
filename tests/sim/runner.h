/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of one seed or many, over several processes. */
#ifndef STAMPEDE_SIM_RUNNER_H
#define STAMPEDE_SIM_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RUN_STEPS_DEFAULT = 50000u,
    RUN_JOBS_MAX = 64,
    RUN_MUTANT_SECONDS_MAX = 60u, /* then it counts as not caught */
    /* With fewer seeds a situation that was not met says nothing. */
    RUN_MARKS_SEEDS_MIN = 100,
};

struct run_plan {
    uint64_t from;
    uint64_t count;
    uint64_t steps;
    uint64_t jobs;
    uint64_t mutant;
    uint64_t races; /* of expiry against payment: until there were so many; 0: not for them */
    bool log;       /* print what happens; run_one only */
};

/* Each returns the process's exit status. A violation ends the process by itself. */
int run_one(const struct run_plan *plan);
int run_many(const struct run_plan *plan);
int run_mutant(const struct run_plan *plan);
/* Worlds for races of expiry against payment, until there were plan->races. */
int run_races(const struct run_plan *plan);

#endif
