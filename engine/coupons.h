/* SPDX-License-Identifier: Apache-2.0 */
/* Where a shard hosts its coupons. Definitions and uses that are held are in memory; whether an
 * order that is not there has committed its use, the journal is asked, and the message waits
 * meanwhile. Private to engine/. */
#ifndef STAMPEDE_COUPONS_H
#define STAMPEDE_COUPONS_H

#include "coupon.h"
#include "engine.h"

/* A COMMIT or RELEASE whose order is looked for in the journal. */
struct coupon_lookup {
    struct engine_read read;
    struct message message;
    struct coupon_lookup *next; /* free, or ready */
    bool is_free;
};

struct coupons {
    struct coupon_pool *pool;
    struct coupon_lookup *lookups; /* COUPON_LOOKUPS_MAX */
    struct coupon_lookup *free;
    struct coupon_lookup *ready_first;
    struct coupon_lookup *ready_last;
};

/* In zeroed memory of the engine's. */
void coupons_init(struct coupons *coupons, struct coupon_pool *pool,
                  struct coupon_lookup lookups[COUPON_LOOKUPS_MAX]);
/* Frees what was read and not taken. */
void coupons_destroy(struct coupons *coupons);

/* A message for a coupon of this shard: served at once, or when its order is looked up. */
void coupons_deliver(struct shard *shard, struct message *message);
/* MESSAGE_COUPON_LIST. */
void coupons_list(struct shard *shard, const struct message *message);
/* Serves what was looked up meanwhile, as long as the open batch has room. */
void coupons_run_ready(struct shard *shard);
static inline bool coupons_have_ready(const struct coupons *coupons)
{
    return coupons->ready_first != NULL;
}

/* What a reply must carry for a request that does not reach its actor. */
void coupon_refused(const struct message *request, struct message *reply);

/* Takes in a stored record of a coupon, at recovery; false if it contradicts. */
bool coupons_restore(struct shard *shard, const struct record *record);

/* For an order's saga (`body->is_saga`): COUPON_HOLD, _COMMIT or _RELEASE to the coupon's
 * partition. PENDING: the reply comes to this shard with the cookie, its `coupon_use` naming order
 * and coupon; to be taken in receive_reply (deliver.c). OVERLOADED: not sent; to be sent again. */
enum outcome coupon_use_send(struct shard *shard, enum message_type type, uint32_t partition,
                             const struct coupon_use_body *body, uint64_t cookie);

#endif
