/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ends that broke a promise: one line that says what was seen and how to see it again. */
#ifndef STAMPEDE_SIM_VIOLATION_H
#define STAMPEDE_SIM_VIOLATION_H

#include <stdbool.h>
#include <stdint.h>

/* What the reproduce line names. Set before each run. */
struct run_identity {
    uint64_t seed;
    uint64_t steps;
    uint32_t mutant;
    bool rush;
    bool races;
};

/* Names the run under way, and how far it is: the counter is read when something breaks. */
void violation_set_run(const struct run_identity *run, const uint64_t *step);

/* Of several processes only the one that finds this false, and makes it true, prints its line. The
 * memory is shared between them. */
void violation_print_once(_Atomic bool *printed);

/* From now on a failed assertion of the engine, and outside of sanitizers a fault, ends the process
 * like a violation. */
void violation_catch_aborts(void);

/* Prints `violation: <what> ... reproduce: stampede-sim --seed N --steps M` and ends the process
 * with status 1. */
_Noreturn void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
