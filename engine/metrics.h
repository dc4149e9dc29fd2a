/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's counters as one table. Each shard has its own set, which only its thread writes
 * (relaxed stores, no read-modify-write); readers sum them. */
#ifndef STAMPEDE_METRICS_H
#define STAMPEDE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "order_state.h"
#include "records.h"

/* name, kind (counter or gauge), help */
#define ENGINE_METRICS(X)                                                                          \
    X(claims_made, counter, "Units claimed from gates")                                            \
    X(claims_resolved, counter, "Claimed units recorded by their owner")                           \
    X(claims_returned, counter, "Claimed units given back")                                        \
    X(units_credited, counter, "Units that came back by lapse, release or adjustment")             \
    X(requests_submitted, counter, "Requests sent to a partition")                                 \
    X(requests_refused_gate, counter, "Reservations refused by a gate, without a message")         \
    X(requests_overloaded, counter, "Requests refused because a bound was reached")                \
    X(requests_expired, counter, "Requests dropped undone past their deadline")                    \
    X(holds_created, counter, "Holds recorded")                                                    \
    X(holds_replayed, counter, "Answers given again for a repeated key")                           \
    X(holds_released, counter, "Holds released")                                                   \
    X(holds_expired, counter, "Holds lapsed")                                                      \
    X(holds_converted, counter, "Holds converted into sales")                                      \
    X(holds_active, gauge, "Holds that are live now")                                              \
    X(holds_kept, gauge, "Holds in memory, ended ones within retention included")                  \
    X(mailbox_depth, gauge, "Messages waiting in the mailboxes")                                   \
    X(saga_dropped, counter, "Messages between partitions dropped by a full mailbox")              \
    X(wake_ups, counter, "Times a sleeping shard was woken")                                       \
    X(audits, counter, "Rounds of the online audit")                                               \
    X(inventory_mismatch_skus, gauge, "SKUs whose gate, record and ledger disagree")               \
    X(mails_waiting, gauge, "Mails that are yet to go out")                                        \
    X(mails_dead, gauge, "Mails that were given up; staff may send them again")                    \
    X(mails_delivered, counter, "Mails that were delivered")                                       \
    X(mails_retried, counter, "Attempts at mails that failed and will be repeated")                \
    X(mails_given_up, counter, "Mails that were given up")                                         \
    X(mails_dropped, counter, "Mails dropped because their account was erased")                    \
    X(order_mails_waiting, gauge, "Orders' mails that are yet to go out")                          \
    X(order_mails_dead, gauge, "Orders' mails that were given up, and are kept")                   \
    X(order_mails_delivered, counter, "Orders' mails that were delivered")                         \
    X(order_mails_retried, counter, "Attempts at orders' mails that failed and will be repeated")  \
    X(order_mails_given_up, counter, "Orders' mails that were given up")                           \
    X(order_mails_dropped, counter, "Orders' mails dropped because their person was forgotten")    \
    X(vault_keys_rewrapped, counter, "Data keys wrapped anew by the vault's current key")          \
    X(guests_forgotten, counter, "Guests who became customers, deleted past their time")           \
    X(accounts_lapsed, counter, "Accounts erased because nobody verified their address")           \
    X(erasures_done, counter, "Erased accounts whose orders and carts have forgotten them")        \
    X(orders_forgotten, counter, "Orders that were asked to forget an erased person")              \
    X(checkout_keys_forgotten, counter, "Checkouts' keys deleted past their time")                 \
    X(events_forgotten, counter, "Gateways' events deleted past their time")                       \
    X(orders_restock_refused, counter, "Orders with units that could not be put back for sale")    \
    X(orders_refund_failed, counter, "Orders with a refund that failed, by the gateway's word")    \
    X(orders_refunded_elsewhere, counter, "Orders refunded at the gateway, not by this shop")      \
    X(coupon_uses_held, gauge, "Uses of coupons held by orders that are not paid yet")             \
    X(coupon_uses_committed, counter, "Uses of coupons committed with their orders")               \
    X(coupon_uses_released, counter, "Uses of coupons given back")                                 \
    X(coupon_uses_refused, counter, "Uses of coupons refused: used up, invalid or without room")   \
    X(carts_live, gauge, "Carts in memory")                                                        \
    X(carts_created, counter, "Carts begun")                                                       \
    X(carts_merged, counter, "Guests' carts merged into customers'")                               \
    X(carts_converted, counter, "Carts cleared because what was in them was ordered")              \
    X(carts_abandoned, counter, "Carts that nobody touched or ordered for 30 minutes")             \
    X(carts_expired, counter, "Carts dropped past their time")                                     \
    X(events_feed_waiting, gauge, "Events that the feed is yet to take to Redis")                  \
    X(events_feed_done, counter, "Events that the feed has taken to Redis")                        \
    X(events_webhooks_waiting, gauge, "Events that the webhooks are yet to take in")               \
    X(events_webhooks_done, counter, "Events that the webhooks have taken in")                     \
    X(events_erased, counter, "Events deleted past their time")                                    \
    X(events_gaps, counter, "Times that events were not where they were expected: see check")      \
    X(webhooks_pending, gauge, "Webhooks that are yet to reach their endpoints")                   \
    X(webhooks_delivered, counter, "Webhooks that their endpoints took")                           \
    X(webhooks_failed, counter, "Attempts at webhooks that failed")                                \
    X(webhooks_dead, counter, "Webhooks that were given up; staff may send them again")            \
    X(webhooks_overflowed, counter, "Of them, because too many waited for their endpoint")         \
    X(webhooks_replayed, counter, "Webhooks that staff sent again")                                \
    X(carts_recovered, counter, "Abandoned carts that their owners came back to")                  \
    X(carts_idle, gauge, "Carts that are abandoned now")                                           \
    X(ledger_audits, counter, "Rounds in which the online audit compared all ledgers")             \
    X(ledger_entries_audited, counter, "Ledger entries that the online audit has added up")        \
    X(order_watches, gauge, "Streams that wait for an order to change")

struct shard_metrics {
#define X(name, kind, help) _Atomic int64_t name;
    ENGINE_METRICS(X)
#undef X
};

/* Orders, by what became of them; and how long confirmed ones took on their way. */
enum { ORDER_STAGE_BUCKETS = 12 };

/* Upper bounds of the buckets, in seconds: a minute to 30 days. */
extern const uint32_t order_stage_bounds_s[ORDER_STAGE_BUCKETS];

struct shard_order_metrics {
    _Atomic int64_t reached[ORDER_STATUS_COUNT]; /* of enum order_status */
    struct {
        _Atomic int64_t buckets[ORDER_STAGE_BUCKETS + 1]; /* the last: longer */
        _Atomic int64_t sum_ms;
    } stages[ORDER_STATUS_COUNT]; /* FULFILLING, SHIPPED, DELIVERED: since it was confirmed */
};

struct order_metrics {
    int64_t reached[ORDER_STATUS_COUNT];
    struct {
        int64_t buckets[ORDER_STAGE_BUCKETS + 1];
        int64_t sum_ms;
    } stages[ORDER_STATUS_COUNT];
};

struct engine_metrics {
#define X(name, kind, help) int64_t name;
    ENGINE_METRICS(X)
#undef X
    int64_t commits;
    int64_t commit_records;
    int64_t commit_ns;     /* sum */
    int64_t commit_max_ns; /* worst since start */
    int64_t durable_commit;
    int64_t mails_oldest_seconds; /* age of the oldest that waits; 0: none does */
    int64_t events_oldest_seconds[EVENT_CONSUMER_COUNT]; /* likewise, of events out */
    int64_t webhooks_oldest_seconds; /* likewise, of what their endpoints have not got */
    int64_t erasures_pending;        /* deleted keys that files may still hold */
    int64_t scrub_last_ms;           /* the newest scrub took; 0: there was none since the start */
};

/* Adds to a counter of the calling thread's own shard. */
static inline void metric_add(_Atomic int64_t *metric, int64_t value)
{
    atomic_store_explicit(metric, atomic_load_explicit(metric, memory_order_relaxed) + value,
                          memory_order_relaxed);
}

#endif
