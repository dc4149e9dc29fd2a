/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-linear histogram of latencies in nanoseconds.
 *
 * Values below 1,024 have a bucket each. Above, every power of two is cut into 1,024 equal
 * buckets, so a bucket is narrower than 1/1,024 of any value in it. A percentile is given as the
 * upper edge of its bucket (or the largest value seen, if that is less): it is never below the
 * true one and above it by less than 0.1 %, which is three significant digits.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

enum {
    LOAD_HISTOGRAM_SUB_BITS = 10,
    LOAD_HISTOGRAM_VALUE_BITS = 42, /* 2^42 ns is 73 minutes: longer ones count in the last */
    LOAD_HISTOGRAM_SUB_BUCKETS = 1 << LOAD_HISTOGRAM_SUB_BITS,
    LOAD_HISTOGRAM_BUCKETS =
        (LOAD_HISTOGRAM_VALUE_BITS - LOAD_HISTOGRAM_SUB_BITS + 1) * LOAD_HISTOGRAM_SUB_BUCKETS,
};

struct load_histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
    uint64_t buckets[LOAD_HISTOGRAM_BUCKETS];
};

/* Empties it. A zeroed one is empty too. */
void load_histogram_reset(struct load_histogram *histogram);

void load_histogram_record(struct load_histogram *histogram, uint64_t value_ns);

/* The value at or below which `percent` (0 to 100) of the values lie; 0 when there are none. */
uint64_t load_histogram_percentile(const struct load_histogram *histogram, double percent);

#endif
