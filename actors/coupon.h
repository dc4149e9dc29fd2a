/* SPDX-License-Identifier: Apache-2.0 */
/* The coupon actor: definitions, and how often each is used. A coupon lives in the partition that a
 * keyed hash of its code gives, so that all its uses are counted on one thread.
 *
 *   coupon_receive(pool, context, moment, message) -> effects
 *
 * Pure: time comes with the call, memory from the engine, and what is to happen leaves as effects.
 *
 * A use belongs to one order, named by the partition, sequence and time of its ID:
 *
 *             HOLD               COMMIT
 *   (none) ---------> held ----------------> committed     for good: a refund gives nothing back
 *                      |  RELEASE
 *                      +-------------------> released      the use can be had by another order
 *
 * All three may be repeated: HOLD of a held or committed use, COMMIT of a committed one and RELEASE
 * of a released one (or of none) say OK and change nothing. What cannot follow is refused: HOLD
 * after RELEASE (COUPON_INVALID), COMMIT without HOLD and RELEASE after COMMIT (STALE).
 *
 * Invariants, asserted after each step on the coupon that it touched:
 *   1. held + committed <= max_uses, and exactly so many can be had: a released use is free at
 * once. A cap is not lowered below what is used (COUPON_IN_USE).
 *   2. A use is held only while the coupon is valid, by the version that the order was priced by.
 *   3. held + committed of a customer and of the guests that the customer was, together, never
 *      reach beyond max_uses_per_customer by a HOLD. Counted are the uses held while the coupon has
 *      such a limit.
 *   4. An order has one use of a coupon at most, and that ends once.
 *   5. A number is never another coupon's: a code that is deleted and created again is a new one,
 *      with no uses; those held of the old one are committed or released under its number.
 *
 * Memory: definitions, uses that are held, and customers of limited coupons, of all partitions of a
 * shard in one pool. A use that has ended stays for as long as a repeat of what was sent before may
 * be on its way; after that its COUPON_PAST record tells (`past`), which the engine looks up. */
#ifndef STAMPEDE_COUPON_H
#define STAMPEDE_COUPON_H

#include "effects.h"

#define COUPON_CALLS(X)                                                                            \
    X(GET)    /* by code; NOT_FOUND */                                                             \
    X(CREATE) /* COUPON_EXISTS */                                                                  \
    X(UPDATE) /* `version`, unless 0, must be the coupon's still: STALE; NOT_FOUND, COUPON_IN_USE; \
                 what changes nothing makes no new version */                                      \
    X(DELETE) /* `version` likewise; NOT_FOUND */

enum coupon_call {
#define X(name) COUPON_CALL_##name,
    COUPON_CALLS(X)
#undef X
        COUPON_CALL_COUNT
};

/* Why an order may not use a coupon. */
#define COUPON_REASONS(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(UNKNOWN, "unknown") /* there is no such coupon, or no longer */                              \
    X(DISABLED, "disabled")                                                                        \
    X(CHANGED, "changed") /* since it was priced */                                                \
    X(NOT_YET, "not_yet")                                                                          \
    X(OVER, "over")                                                                                \
    X(USED_UP, "used_up")               /* COUPON_EXHAUSTED: by all customers */                   \
    X(CUSTOMER_LIMIT, "customer")       /* COUPON_EXHAUSTED: by this one */                        \
    X(ORDER_RELEASED, "order_released") /* this order's use was given back */                      \
    X(OTHER_ORDER, "other_order")       /* an order of the same number, but of another time */

enum coupon_reason {
#define X(name, text) COUPON_REASON_##name,
    COUPON_REASONS(X)
#undef X
        COUPON_REASON_COUNT
};

const char *coupon_reason_name(enum coupon_reason reason);

struct coupon_view {
    struct coupon_definition definition;
    struct coupon_names names;
    uint64_t version;
    int64_t created_wall_ms;
    int64_t updated_wall_ms;
    uint32_t partition;
    uint32_t number; /* in the partition, from 1 */
    uint32_t held;
    uint32_t committed;
};

/* A call and its answer. Comes from coupon_envelope_create (engine.h) zeroed; ownership moves with
 * the command and comes back with the reply. */
struct coupon_envelope {
    uint8_t call;         /* enum coupon_call */
    struct origin origin; /* set by engine_submit, from the command */
    uint64_t version;     /* UPDATE, DELETE: what the caller saw; 0: whatever it is */
    /* GET, DELETE: `definition.code`; CREATE, UPDATE: definition and names, valid. The answer: all
     * of it, as it is after the call; of a deleted one as it was. */
    struct coupon_view view;
};

/* What a shard has of a list, ascending by code. */
struct coupon_list_envelope {
    uint32_t count;
    uint8_t more;
    struct coupon_view views[];
};

/* Whether an order has a COUPON_PAST record of the coupon; looked up by the engine when asked. */
enum coupon_past { COUPON_PAST_NOT_LOOKED, COUPON_PAST_THERE, COUPON_PAST_NOT_THERE };

struct coupon_sizes {
    uint32_t coupons_max;
    uint32_t uses_max;
    uint32_t customers_max;
};

struct coupon_pool;

/* Bytes for a pool of these sizes. */
size_t coupon_pool_bytes(const struct coupon_sizes *sizes);

/* Builds a pool in zeroed memory of coupon_pool_bytes, 64-byte aligned; the memory stays the
 * caller's. `hash_key` seeds its tables. */
struct coupon_pool *coupon_pool_init(void *memory, const struct coupon_sizes *sizes,
                                     const struct hash_key *hash_key);

struct coupon_context {
    uint32_t partition;
    uint32_t *next_number;   /* of the partition; from 1 */
    uint32_t ended_ms;       /* how long a use that has ended is kept: no repeat comes later */
    uint64_t write_serial;   /* of the batch that takes this step's records */
    uint64_t durable_serial; /* batches up to this one are durable */
};

/* One step: COUPON_GET, COUPON_PUT, COUPON_HOLD, COUPON_COMMIT or COUPON_RELEASE of the context's
 * partition. Effects: records, an audit entry, and the reply. False: nothing was done, and the
 * message is to come again with `past` looked up. */
bool coupon_receive(struct coupon_pool *pool, const struct coupon_context *context,
                    const struct moment *moment, struct message *message, struct effects *effects);

/* Takes one stored record in, at recovery, in the order of enum record_kind: FLOOR (of subject 2),
 * COUPON, COUPON_COUNT, COUPON_USE. False if it contradicts the state, or finds no room. */
bool coupon_restore(struct coupon_pool *pool, const struct coupon_context *context,
                    const struct record *record);

/* For COUPON_LIST: the first coupons after a code; fills up to `query->limit` views. */
uint32_t coupon_list(const struct coupon_pool *pool, const struct coupon_list_body *query,
                     struct coupon_view *views_out, bool *more_out);

/* For oracles: what is known of a coupon that is not deleted; false if there is none. */
bool coupon_find(const struct coupon_pool *pool, uint32_t partition, const char *code,
                 struct coupon_view *view_out);

/* Recounts: the number of coupons whose counters are not those of their uses and customers. For
 * oracles. */
uint32_t coupon_pool_audit(const struct coupon_pool *pool);

/* What happened to uses since the pool was made, and what is held now; for metrics. */
struct coupon_statistics {
    uint64_t held;
    uint64_t committed;
    uint64_t released;
    uint64_t refused;
};
const struct coupon_statistics *coupon_pool_statistics(const struct coupon_pool *pool);

#endif
