/* SPDX-License-Identifier: Apache-2.0 */
/* The API's own figures: one set a shard, written by its thread only (relaxed stores), summed by
 * whoever renders /metrics. */
#ifndef STAMPEDE_API_COUNTERS_H
#define STAMPEDE_API_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "api/problems.h"
#include "api/routes.h"
#include "payment_state.h"

/* The statuses that this server sends (and 499: the client left); others count as the last. */
/* clang-format off */
#define API_STATUSES(X)                                                                            \
    X(200) X(201) X(202) X(204) X(304) X(400) X(401) X(403) X(404) X(405) X(408) X(409) X(413)     \
    X(414) X(415) X(417) X(422) X(429) X(431) X(499) X(500) X(501) X(503) X(505)
/* clang-format on */

enum api_status_index {
#define X(status) STATUS_##status,
    API_STATUSES(X)
#undef X
        STATUS_OTHER,
    STATUS_COUNT
};

enum {
    /* Bucket i counts what took at most 2^(i + LATENCY_SHIFT) ns: 16 us, 33 us, … 8.6 s; the last
     * one what took longer. */
    LATENCY_SHIFT = 14,
    LATENCY_BUCKETS = 20,
};

/* What became of a login. */
#define LOGIN_RESULTS(X)                                                                           \
    X(OPENED, "opened")                                                                            \
    X(REFUSED, "refused") /* unknown, or another password */                                       \
    X(UNVERIFIED, "unverified")                                                                    \
    X(SECOND_FACTOR, "second_factor") /* asked for, or wrong */                                    \
    X(THROTTLED, "throttled")                                                                      \
    X(FAILED, "failed") /* overload and the like */

enum login_result {
#define X(name, text) LOGIN_##name,
    LOGIN_RESULTS(X)
#undef X
        LOGIN_RESULT_COUNT
};

/* What became of a checkout. */
#define CHECKOUT_RESULTS(X)                                                                        \
    X(CREATED, "created")                                                                          \
    X(REPLAYED, "replayed") /* its key had made the order before */                                \
    X(INVALID, "invalid")                                                                          \
    X(PRICE_CHANGED, "price_changed")                                                              \
    X(COUPON_REFUSED, "coupon_refused")                                                            \
    X(HOLD_REFUSED, "hold_refused")   /* ended, in another order, or not the caller's */           \
    X(STOCK_REFUSED, "stock_refused") /* the cart could not be held */                             \
    X(GATEWAY_DOWN, "gateway_unavailable")                                                         \
    X(FAILED, "failed") /* overload and the like */

enum checkout_result {
#define X(name, text) CHECKOUT_##name,
    CHECKOUT_RESULTS(X)
#undef X
        CHECKOUT_RESULT_COUNT
};

/* What became of a try to pay (POST /v1/payments/confirm). */
#define CONFIRMATION_RESULTS(X)                                                                    \
    X(PAID, "paid")                                                                                \
    X(DECLINED, "declined")                                                                        \
    X(METHOD_REFUSED, "method_refused") /* none that the gateway takes */                          \
    X(TOO_LATE, "hold_ended")           /* paid, but not held any more: it goes back */            \
    X(GATEWAY_DOWN, "gateway_unavailable")                                                         \
    X(IN_PROGRESS, "in_progress") /* not known yet */                                              \
    X(REFUSED, "refused")         /* no such order, or one that is not to be paid */               \
    X(FAILED, "failed")           /* overload and the like */

enum confirmation_result {
#define X(name, text) CONFIRMATION_##name,
    CONFIRMATION_RESULTS(X)
#undef X
        CONFIRMATION_RESULT_COUNT
};

/* What became of calls that a proof was demanded of (challenge.h). */
#define CHALLENGE_RESULTS(X)                                                                       \
    X(SOLVED, "solved")                                                                            \
    X(MISSING, "missing")                                                                          \
    X(REFUSED, "refused")         /* wrong, too old, or used before */                             \
    X(UNAVAILABLE, "unavailable") /* nobody could tell: refused too */

enum challenge_result {
#define X(name, text) CHALLENGE_##name,
    CHALLENGE_RESULTS(X)
#undef X
        CHALLENGE_RESULT_COUNT,
    CHALLENGE_UNKNOWN = CHALLENGE_RESULT_COUNT, /* not asked for yet */
};

/* What became of an event that came to a webhook of a gateway's. */
#define WEBHOOK_OUTCOMES(X)                                                                        \
    X(STORED, "stored")                                                                            \
    X(REPEATED, "repeated")     /* stored before */                                                \
    X(MISMATCHED, "mismatched") /* stored; of another payment, amount or currency: no effect */    \
    X(NOT_OURS, "not_ours")     /* of no order here */                                             \
    X(UNREADABLE, "unreadable")                                                                    \
    X(FORGED, "forged")                                                                            \
    X(STALE, "stale")                                                                              \
    X(UNAVAILABLE, "unavailable") /* not taken: the gateway will try again */

enum webhook_outcome {
#define X(name, text) WEBHOOK_##name,
    WEBHOOK_OUTCOMES(X)
#undef X
        WEBHOOK_OUTCOME_COUNT
};

/* What became of an attempt at a webhook. */
#define WEBHOOK_ATTEMPTS(X)                                                                        \
    X(DELIVERED, "delivered")     /* 2xx */                                                        \
    X(REFUSED, "refused")         /* any other answer */                                           \
    X(GONE, "gone")               /* 410: the endpoint is disabled by it */                        \
    X(UNREACHABLE, "unreachable") /* network, time-out, or an address that may not be asked */     \
    X(UNTRIED, "untried")         /* it could not be begun, and is due again */

enum webhook_attempt {
#define X(name, text) ATTEMPT_##name,
    WEBHOOK_ATTEMPTS(X)
#undef X
        ATTEMPT_COUNT
};

/* What is asked about the catalogue (finding.h). */
#define FINDINGS(X)                                                                                \
    X(BROWSE, "browse") /* without words */                                                        \
    X(SEARCH, "search")                                                                            \
    X(SUGGEST, "suggest")                                                                          \
    X(CATEGORIES, "categories")

enum finding_name {
#define X(name, text) FINDING_##name,
    FINDINGS(X)
#undef X
        FINDING_COUNT
};

/* What became of it. */
#define FINDING_RESULTS(X)                                                                         \
    X(FOUND, "found")                                                                              \
    X(KNOWN, "known")   /* answered from memory */                                                 \
    X(JOINED, "joined") /* waited for the answer to somebody else's, whatever that became */       \
    X(NOT_READY, "not_ready")                                                                      \
    X(OVERLOADED, "overloaded")                                                                    \
    X(FAILED, "failed") /* of the store, or of memory */

enum finding_result {
#define X(name, text) FINDING_WAS_##name,
    FINDING_RESULTS(X)
#undef X
        FINDING_RESULT_COUNT
};

/* Seconds from an event to its being taken, here or there. */
#define LAG_BOUNDS_S(X) X(1) X(5) X(30) X(300) X(1800) X(7200) X(43200)

enum {
#define X(seconds) LAG_BUCKET_##seconds,
    LAG_BOUNDS_S(X)
#undef X
        LAG_BUCKETS
};

struct lag_counters {
    _Atomic uint64_t buckets[LAG_BUCKETS + 1]; /* the last one: what took longer */
    _Atomic uint64_t sum_ms;
};

struct api_counters {
    /* Row ROUTE_COUNT: what matched no route. */
    _Atomic uint64_t requests[ROUTE_COUNT + 1][STATUS_COUNT];
    struct {
        _Atomic uint64_t buckets[LATENCY_BUCKETS + 1];
        _Atomic uint64_t sum_ns;
    } latency[CLASS_COUNT];
    _Atomic uint64_t problems[PROBLEM_COUNT];
    _Atomic uint64_t findings[FINDING_COUNT][FINDING_RESULT_COUNT];
    struct {
        _Atomic uint64_t buckets[LATENCY_BUCKETS + 1];
        _Atomic uint64_t sum_ns;
    } finding_latency[FINDING_COUNT]; /* of those that were found, from question to answer */
    _Atomic uint64_t findings_open;   /* a gauge */
    _Atomic uint64_t sessions_created;
    _Atomic uint64_t session_hits; /* of accounts' sessions, among those remembered */
    _Atomic uint64_t session_misses;
    _Atomic uint64_t csrf_refused;
    _Atomic uint64_t logins[LOGIN_RESULT_COUNT];
    _Atomic uint64_t checkouts[CHECKOUT_RESULT_COUNT];
    _Atomic uint64_t confirmations[CONFIRMATION_RESULT_COUNT];
    _Atomic uint64_t passwords_waiting; /* a gauge: for a worker, or with one */
    _Atomic uint64_t flows;             /* a gauge: calls about accounts under way */
    _Atomic uint64_t rate_limited[CLASS_COUNT];
    _Atomic uint64_t page_hits; /* product_page.c */
    _Atomic uint64_t page_misses;
    _Atomic uint64_t page_joins; /* of those: waited for a read that was under way */
    _Atomic uint64_t page_evictions;
    _Atomic uint64_t page_bytes; /* a gauge */
    _Atomic uint64_t pages;      /* a gauge */
    _Atomic uint64_t streams;    /* a gauge: of orders' events */
    _Atomic uint64_t streams_cut;
    _Atomic uint64_t stock_streams; /* a gauge (stock_stream.c) */
    _Atomic uint64_t stock_rows;    /* a gauge: SKUs that are watched */
    _Atomic uint64_t stock_renders;
    _Atomic uint64_t stock_events; /* given to streams */
    _Atomic uint64_t stock_put_off;
    _Atomic uint64_t stock_resumed;
    _Atomic uint64_t altcha_given;
    _Atomic uint64_t challenges[CHALLENGE_RESULT_COUNT];
    _Atomic uint64_t workers_refused; /* what no worker could take */
    _Atomic uint64_t throttled;       /* of those: by throttle.h */
    _Atomic uint64_t webhooks[PROVIDER_COUNT][WEBHOOK_OUTCOME_COUNT];
    _Atomic uint64_t webhook_attempts[ATTEMPT_COUNT];
    struct lag_counters webhook_lag_in[PROVIDER_COUNT]; /* of those that were stored */
    struct lag_counters webhook_lag_out;                /* of those that were delivered */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
                          memory_order_relaxed);
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Counts what lagged so long; less than nothing is nothing. */
void counters_count_lag(struct lag_counters *lag, int64_t lag_ms);

/* Counts one that was found. */
void counters_count_finding(struct api_counters *counters, enum finding_name name,
                            uint64_t duration_ns);

/* Counts one answer. */
void counters_count_answer(struct api_counters *counters, enum api_route_index route, int status,
                           uint64_t duration_ns);

#endif
