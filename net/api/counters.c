/* SPDX-License-Identifier: Apache-2.0 */
#include "api/counters.h"

static enum api_status_index status_index(int status)
{
    switch (status) {
#define X(code)                                                                                    \
    case code:                                                                                     \
        return STATUS_##code;
        API_STATUSES(X)
#undef X
    default:
        return STATUS_OTHER;
    }
}

static unsigned latency_bucket(uint64_t duration_ns)
{
    if (duration_ns <= 1ULL << LATENCY_SHIFT)
        return 0;
    unsigned bits = 64 - (unsigned)__builtin_clzll(duration_ns - 1);
    return bits - LATENCY_SHIFT < LATENCY_BUCKETS ? bits - LATENCY_SHIFT : LATENCY_BUCKETS;
}

void counters_count_answer(struct api_counters *counters, enum api_route_index route, int status,
                           uint64_t duration_ns)
{
    enum route_class class = route == ROUTE_COUNT ? CLASS_OPERATIONS : api_routes[route].class;

    counter_add(&counters->requests[route][status_index(status)], 1);
    counter_add(&counters->latency[class].buckets[latency_bucket(duration_ns)], 1);
    counter_add(&counters->latency[class].sum_ns, duration_ns);
}

void counters_count_finding(struct api_counters *counters, enum finding_name name,
                            uint64_t duration_ns)
{
    counter_add(&counters->findings[name][FINDING_WAS_FOUND], 1);
    counter_add(&counters->finding_latency[name].buckets[latency_bucket(duration_ns)], 1);
    counter_add(&counters->finding_latency[name].sum_ns, duration_ns);
}

void counters_count_lag(struct lag_counters *lag, int64_t lag_ms)
{
    static const int64_t bounds_s[LAG_BUCKETS] = {
#define X(seconds) seconds,
        LAG_BOUNDS_S(X)
#undef X
    };
    unsigned bucket = 0;

    if (lag_ms < 0)
        lag_ms = 0;
    while (bucket < LAG_BUCKETS && lag_ms > bounds_s[bucket] * 1000)
        bucket++;
    counter_add(&lag->buckets[bucket], 1);
    counter_add(&lag->sum_ms, (uint64_t)lag_ms);
}
