/* SPDX-License-Identifier: Apache-2.0 */
/* Looking inside, for oracles and tests: no production code includes this. All on one thread, or
 * with nothing running. */
#ifndef STAMPEDE_INSPECT_H
#define STAMPEDE_INSPECT_H

#include "engine.h"

/* The owner's figures of a SKU; false if it has no record. */
bool engine_inspect_stock(struct engine *engine, uint32_t sku_id, struct stock_view *out);

/* A hold as its owner has it now, whatever its state; false if it is not known. */
bool engine_inspect_hold(struct engine *engine, const struct principal *principal,
                         const struct reservation_id *id, struct hold_view *out);

/* The cart of a principal as its owner has it now; false if there is none. */
bool engine_inspect_cart(struct engine *engine, const struct principal *principal,
                         struct cart_view *out);

/* The time from which a request that was just submitted here counts its deadline: that of the
 * shard's turn, or of its waking after it. */
struct moment engine_inspect_now(const struct shard *shard);

/* The number of SKUs whose record disagrees with its holds, or with its gate. */
uint32_t engine_inspect_audit(struct engine *engine);

/* The number of limited products for which not as many units count as are held of them. */
uint32_t engine_inspect_limits(const struct engine *engine);

/* A coupon as it is now; false if there is none of this code. And the number of coupons whose
 * counters are not those of their uses. */
bool engine_inspect_coupon(struct engine *engine, const char *code, struct coupon_view *out);
uint32_t engine_inspect_coupons(const struct engine *engine);

/* The number of shards whose figures of abandoned carts are not what their carts say. */
uint32_t engine_inspect_carts(const struct engine *engine);

/* How many timers of a shard are due by now; and whether its next turn can serve any: it has a
 * batch with room for what they record, and the latch has not fallen. */
uint32_t engine_inspect_due(const struct engine *engine, uint32_t shard);
bool engine_inspect_can_serve(const struct engine *engine, uint32_t shard);

/* All state folded into one word, independent of the order in which it came about. */
uint64_t engine_inspect_digest(struct engine *engine);

const struct directory *engine_inspect_directory(struct engine *engine);

#ifdef STAMPEDE_MUTANTS
/* The simulator: messages from one shard to another are not seen for a while. */
void engine_inspect_hold_back(struct engine *engine, uint32_t source, uint32_t target,
                              bool held_back);
/* How many wait there. */
uint32_t engine_inspect_waiting(const struct engine *engine, uint32_t source, uint32_t target);
#endif

#endif
