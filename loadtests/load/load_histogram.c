/* SPDX-License-Identifier: Apache-2.0 */
/* Log-linear histogram: see the header for its shape and its error bound. */
#include "load_histogram.h"

#include <math.h>
#include <string.h>

static uint32_t bucket_of(uint64_t value_ns)
{
    if (value_ns < LOAD_HISTOGRAM_SUB_BUCKETS) {
        return (uint32_t)value_ns;
    }
    uint32_t exponent = 63U - (uint32_t)__builtin_clzll(value_ns);
    if (exponent >= LOAD_HISTOGRAM_VALUE_BITS) {
        return LOAD_HISTOGRAM_BUCKETS - 1;
    }
    uint32_t shift = exponent - LOAD_HISTOGRAM_SUB_BITS;
    uint32_t within = (uint32_t)(value_ns >> shift) - LOAD_HISTOGRAM_SUB_BUCKETS;
    return (shift + 1) * LOAD_HISTOGRAM_SUB_BUCKETS + within;
}

static uint64_t upper_edge_of(uint32_t bucket)
{
    uint32_t group = bucket / LOAD_HISTOGRAM_SUB_BUCKETS;
    uint64_t within = bucket % LOAD_HISTOGRAM_SUB_BUCKETS;
    if (group == 0) {
        return within;
    }
    uint32_t shift = group - 1;
    return ((LOAD_HISTOGRAM_SUB_BUCKETS + within + 1) << shift) - 1;
}

void load_histogram_reset(struct load_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void load_histogram_record(struct load_histogram *histogram, uint64_t value_ns)
{
    histogram->buckets[bucket_of(value_ns)]++;
    histogram->count++;
    histogram->sum_ns += value_ns;
    if (value_ns > histogram->max_ns) {
        histogram->max_ns = value_ns;
    }
}

uint64_t load_histogram_percentile(const struct load_histogram *histogram, double percent)
{
    if (histogram->count == 0) {
        return 0;
    }
    /* The slack keeps a product such as 0.999 * 1000 from being rounded up to the next rank. */
    double rank = ceil(percent / 100.0 * (double)histogram->count - 1e-6);
    uint64_t wanted = rank < 1.0 ? 1 : (uint64_t)rank;
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < LOAD_HISTOGRAM_BUCKETS - 1; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= wanted) {
            uint64_t edge = upper_edge_of(bucket);
            return edge < histogram->max_ns ? edge : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
