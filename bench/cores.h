/* SPDX-License-Identifier: Apache-2.0 */
/* How far apart the first two cores are: the round trip of one cache line between them.
 *
 * A machine on a shared host may be moved while it measures: two cores that had a cache in common
 * are apart for the next minute, a cache line takes three times as long, and whatever two threads
 * do together is another figure. So the distance is measured beside the rounds, and a round counts
 * when the cores were near before it and after it. `bench/run` looks for the nearest once and gives
 * it to all by BENCH_CORES_NS; a program that runs alone looks for itself.
 *
 * All functions: the main thread, while the program's other threads sleep. */
#ifndef STAMPEDE_BENCH_CORES_H
#define STAMPEDE_BENCH_CORES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CORES_WAIT_MS_MAX = 20000, /* for one row, or one contest, in all */
};

/* The median of many round trips, in nanoseconds; 0 on a machine with one core. */
uint64_t cores_round_trip_ns(void);

/* The shortest of what is measured for so long. */
uint64_t cores_nearest_ns(uint64_t milliseconds);

/* Whether the cores are near: at most twice as far as they have been seen. (Two that share all of a
 * core, and two that share a cache, are told from two that do not.) */
bool cores_are_near(void);

/* Waits until they are, as long as *budget_ms lasts, and takes the wait from it. */
void cores_wait(uint64_t *budget_ms);

#endif
