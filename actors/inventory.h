/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory actor: stock, holds, limits and the ledger of one partition's products.
 *
 *   inventory_receive(state, moment, message) -> effects
 *
 * Pure: time comes with the call, memory from the engine, and what is to happen leaves as effects.
 *
 * Invariants, asserted after each step on the SKUs it touched:
 *   1. stock = available + reserved + sold, none negative; reserved is the sum over live holds.
 *   2. A hold ends once; an ended one never revives (the transition table in inventory_hold.c).
 *   3. A claim that comes in is either resolved (recorded) or returned, exactly once.
 *   4. A key has one effect: while its hold is kept, a repeat gets the first answer again.
 *   5. held + sold of a customer never exceeds a product's limit.
 *
 * Memory: the tables of all partitions of one shard share one `struct inventory_pool`, so that a
 * shard's memory follows what is live, wherever the rush is. */
#ifndef STAMPEDE_INVENTORY_H
#define STAMPEDE_INVENTORY_H

#include "effects.h"
#include "event_out.h"
#include "index_table.h"

struct inventory_options {
    uint32_t hold_ttl_ms;
    uint32_t hold_cap_ms;
    uint32_t hold_extensions_max;
    uint32_t hold_retention_ms;
    uint32_t adopted_guest_ms; /* no request is on its way for longer */
};

/* How many of each a pool holds. */
struct inventory_sizes {
    uint32_t holds_max;
    uint32_t lines_max;
    uint32_t skus_max;
    uint32_t products_max;
    uint32_t limit_rows_max;
};

struct inventory_pool;

/* Bytes for a pool of these sizes. */
size_t inventory_pool_bytes(const struct inventory_sizes *sizes);

/* Builds a pool in zeroed memory of inventory_pool_bytes, 64-byte aligned; the memory stays the
 * caller's. `hash_key` seeds all its tables. */
struct inventory_pool *inventory_pool_init(void *memory, const struct inventory_sizes *sizes,
                                           const struct hash_key *hash_key);

/* Whether this guest has become a customer so short a time ago that its requests may still be on
 * their way. */
bool inventory_pool_has_adopted(const struct inventory_pool *pool,
                                const struct principal *principal);

/* Live and kept holds, for metrics. */
uint32_t inventory_pool_active(const struct inventory_pool *pool);
/* Aborted reservations that still have claims on units of other partitions. */
uint32_t inventory_pool_aborting(const struct inventory_pool *pool);
uint32_t inventory_pool_kept(const struct inventory_pool *pool);

/* One partition's state. */
struct inventory {
    struct inventory_pool *pool;
    const struct inventory_options *options;
    struct order_numbers *events; /* of the partition, whose other actors use them too */
    uint32_t partition;
    uint64_t next_sequence;
};

void inventory_init(struct inventory *inventory, struct inventory_pool *pool,
                    const struct inventory_options *options, struct order_numbers *events,
                    uint32_t partition);

/* One step. Preconditions: effects empty but for arenas with room for one receive; the message is
 * of a type for partitions and of this partition. The message may be changed (its claim is taken).
 * If effects->claim_count comes back set, nothing was decided yet. */
void inventory_receive(struct inventory *inventory, const struct moment *moment,
                       struct message *message, struct effects *effects);

/* Hints that this message comes soon, and then sooner: what it will look up is fetched. Nothing is
 * changed. */
void inventory_prefetch(const struct inventory *inventory, const struct message *message);
void inventory_prefetch_next(const struct inventory *inventory, const struct message *message);

/* A timer set through effects is due. The slot says whose it is. */
void inventory_timer(struct inventory_pool *pool, struct inventory *inventories,
                     const struct moment *moment, uint32_t slot, struct effects *effects);
/* The partition of the hold in a slot. */
uint32_t inventory_slot_partition(const struct inventory_pool *pool, uint32_t slot);

/* Takes one stored record in, at recovery, in the order of enum record_kind. A record of a lapsed
 * hold is taken as live with a timer that is due; so is an intent that the crash cut short, which
 * that timer aborts. Only effects->timers is used. False if the record contradicts the state (a
 * damaged or foreign store). */
bool inventory_restore(struct inventory *inventory, const struct moment *moment,
                       const struct record *record, struct effects *effects);

/* What the audit and recovery ask: the record's figures of one SKU. False if unknown. */
bool inventory_stock(const struct inventory *inventory, uint32_t sku_id, struct stock_view *out);

/* For HOLDS_ADOPT: a slice of what the guest has in this pool becomes the customer's, recorded;
 * from the first slice on, requests of the guest that are still on their way count as the
 * customer's. OVERLOADED: no room; what was done stays done, and asking again goes on. */
enum outcome inventory_adopt(struct inventory_pool *pool, struct inventory *inventories,
                             const struct moment *moment, const struct adopt_body *body,
                             uint32_t *next_product_out, bool *more_out, struct effects *effects);

/* Looks for holds, for HOLD_LIST: fills up to `limit` views; a customer's in ascending order of
 * IDs, others in the order in which they came. */
uint32_t inventory_list(const struct inventory_pool *pool, const struct moment *moment,
                        const struct list_body *query, struct hold_view *views_out, uint32_t limit,
                        bool *more_out);

/* Folds all live state of a pool into one word, independent of order; for the simulator. */
uint64_t inventory_pool_digest(const struct inventory_pool *pool);

/* Recomputes a SKU's reserved units from its live holds, unless it has more than `lines_max` lines.
 * SKUs are numbered 0 to inventory_pool_skus - 1; false if the record's figures disagree. For the
 * audit and the oracle. */
uint32_t inventory_pool_skus(const struct inventory_pool *pool);
bool inventory_pool_audit_sku(const struct inventory_pool *pool, uint32_t number,
                              uint32_t lines_max, struct stock_view *view_out);
/* A SKU's figures as of its newest ledger entry; by its number, as above. */
struct sku_books {
    uint32_t sku_id;
    uint32_t stock;
    uint32_t sold;
    uint32_t lines;           /* of kept holds */
    uint64_t ledger_sequence; /* 0: there is none */
};
void inventory_pool_books(const struct inventory_pool *pool, uint32_t number,
                          struct sku_books *books_out);
/* The number of limited products for which the units held that count for customers' limits are not
 * those of its live holds. For the oracle. */
uint32_t inventory_pool_audit_limits(const struct inventory_pool *pool);

/* What happened to holds since the pool was made, for metrics. */
struct inventory_statistics {
    uint64_t created;
    uint64_t replayed;
    uint64_t released;
    uint64_t expired;
    uint64_t converted;
};
const struct inventory_statistics *inventory_pool_statistics(const struct inventory_pool *pool);

#endif
