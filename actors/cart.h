/* SPDX-License-Identifier: Apache-2.0 */
/* The cart actor: what guests and customers have put aside, one cart a principal, in the
 * principal's partition (record_place_of).
 *
 *   cart_receive(state, moment, message) -> effects
 *
 * A cart promises nothing: it holds no stock and fixes no price. It says at which price a line was
 * added, so that whoever shows it can tell that the price has changed.
 *
 *     (none) --ADD, COUPON_SET, MERGE--> LIVE --DROP, its time is over--> (none)
 *                                        |  ^
 *                                        +--+ ADD, SET, REMOVE, COUPON_*, MERGE, CLEAR
 *
 * Invariants, asserted after each step on the cart that it touched:
 *   1. At most CART_LINES_MAX lines, each SKU once, each of 1 to QUANTITY_MAX units, all in one
 *      currency.
 *   2. A guest's cart is merged into a customer's once: the customer's remembers the guest, in the
 *      same record as the lines, so that a repeat adds nothing. (The last CART_MERGED_MAX; the
 *      guest's cart is dropped once the merge is durable, so nothing older is repeated.)
 *   3. An order clears a cart once, and takes out no more than it has ordered; likewise. A merge
 *      takes over which orders the guest's was cleared for, so that one that was cleared there
 *      takes nothing out of the customer's own.
 *   4. Whatever was answered is in the record of the same batch: a restart knows all of it.
 *   5. A cart expires by the wall clock, so long after its last change; nothing else removes it
 *      unasked. Where a table is full, expired carts make way, the oldest first; live ones do not.
 *
 * Memory: the carts of all partitions of a shard share one `struct cart_pool` of fixed size: a slot
 * of 72 bytes, a block of 64 bytes for every five lines, one for a coupon, one for what it
 * remembers, and 18 bytes of index: at most 474 bytes a cart, about 154 with five lines. */
#ifndef STAMPEDE_CART_H
#define STAMPEDE_CART_H

#include "effects.h"
#include "index_table.h"

struct cart_options {
    uint32_t partitions;
    int64_t guest_ttl_ms; /* since the last change */
    int64_t customer_ttl_ms;
    int64_t idle_ms; /* a cart with lines that nobody has touched for so long is abandoned */
};

struct cart_statistics {
    uint64_t created;
    uint64_t merged;
    uint64_t converted; /* cleared by an order */
    uint64_t abandoned; /* once for each time that one is left idle */
    uint64_t recovered; /* of those: changed, ordered from or taken along into an account later */
    uint64_t expired;
    uint64_t idle;          /* a gauge: abandoned, and not come back to */
    uint64_t expired_idle;  /* of the expired */
    uint64_t restored_idle; /* counted as abandoned before the start */
};

struct cart_pool;

/* Bytes for a pool of so many carts. */
size_t cart_pool_bytes(uint32_t carts_max);

/* Builds a pool in zeroed memory of cart_pool_bytes, 64-byte aligned; it and the options stay the
 * caller's, who keeps them as long as the pool. `hash_key` seeds its table. */
struct cart_pool *cart_pool_init(void *memory, uint32_t carts_max,
                                 const struct cart_options *options,
                                 const struct hash_key *hash_key);

/* What the world is like when a message comes. */
struct cart_circumstances {
    bool may_expire;   /* the wall clock is believed */
    bool takes_no_new; /* storage is full: no cart is begun */
    bool is_adopted;   /* the caller was a guest, and is a customer since a moment ago */
};

/* One message of CART, CART_MERGE or CART_CLEAR; its reply is among the effects. */
void cart_receive(struct cart_pool *pool, const struct cart_circumstances *circumstances,
                  const struct moment *moment, const struct message *message,
                  struct effects *effects);

/* A bounded round: drops up to CARTS_PER_ROUND carts whose time is over, and counts those that
 * became idle. True: there is more to drop now. */
bool cart_pool_tend(struct cart_pool *pool, const struct cart_circumstances *circumstances,
                    const struct moment *moment, struct effects *effects);

/* Takes in a stored CART record. False: it cannot be, or there is no room for so many. */
bool cart_restore(struct cart_pool *pool, const struct record *record);
/* After the last of them: puts them into the order of their last changes. Carts that are idle by
 * now were counted as such before. */
void cart_pool_restored(struct cart_pool *pool, const struct moment *moment);

/* For metrics, and for oracles. */
uint32_t cart_pool_count(const struct cart_pool *pool);
/* Whether what was counted of abandoned carts agrees with the carts: looks at each. */
bool cart_pool_audit(const struct cart_pool *pool);
const struct cart_statistics *cart_pool_statistics(const struct cart_pool *pool);
/* Bytes that are in use: of slots, blocks and index entries. */
uint64_t cart_pool_used_bytes(const struct cart_pool *pool);
/* The cart of a principal as it is now, expired or not; false if there is none. */
bool cart_pool_view(const struct cart_pool *pool, const struct principal *principal,
                    struct cart_view *view_out);
/* A sum over all carts that does not depend on their order. */
uint64_t cart_pool_digest(const struct cart_pool *pool);

/* What a customer's cart remembers of a guest whose cart it took in; never 0. */
uint64_t cart_guest_tag(const struct principal *guest);

/* A cart's ID: `cart_` and 32 characters, of creation time, partition, a keyed hash of its owner
 * and a tag, as a reservation's; sorts by time, and cannot be guessed. */
enum { CART_ID_LENGTH = 5 + 32 };
void cart_id_format(const struct principal *principal, int64_t created_wall_ms, uint32_t partitions,
                    const struct hash_key *secret, char text_out[CART_ID_LENGTH + 1]);

#endif
