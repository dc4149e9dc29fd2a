/* SPDX-License-Identifier: Apache-2.0 */
/* A call about orders: an order, or several things of which it is made, are asked one after the
 * other. Everything of the request that is needed later is in the flow; it outlives the exchange,
 * so that what was begun ends whether the client waits or not.
 *
 *     handler -> order_flow_start -> order_flow_ask | order_flow_submit -> step -> ...
 *             -> order_flow_respond | order_flow_refuse | order_flow_end
 *
 * Each step is called with the outcome of what it waited for, on the shard's thread, and either
 * asks for one more thing or ends the flow, as its last act. Private to net/api. */
#ifndef STAMPEDE_API_ORDER_FLOW_H
#define STAMPEDE_API_ORDER_FLOW_H

#include "api/api_shard.h"
#include "api/keyed.h"
#include "api/order_view.h"
#include "api/problems.h"

struct order_flow;
typedef void (*order_step)(struct order_flow *flow, enum outcome outcome);

/* Embedded, as its first member, in what a call needs beside it. */
struct order_flow {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    order_step next;
    void (*release)(struct order_flow *flow); /* frees what is beside it; may be NULL */

    /* Who asks: the caller and, of a customer, the guests that it was. */
    struct principal who[1 + ACCOUNT_ALIASES_MAX];
    uint8_t who_count;
    enum authority authority;
    struct origin origin;

    /* The order of the path or the body. */
    struct reservation_id id;
    enum order_shape shape; /* that it is answered in */

    struct keyed_entry *keyed;  /* the caller's Idempotency-Key, or NULL */
    struct order_record *state; /* of the order, as it was answered first by this key; or NULL */

    const struct message *reply;   /* in a step only: what was answered; NULL: refused at once */
    struct order_envelope *answer; /* the newest about an order, or NULL */
};

/* A flow of this call, in zeroed memory of `size` bytes; NULL: refused already. */
struct order_flow *order_flow_start(struct api_call *call, size_t size);

/* The order that a text names, into flow->id; false if it is none of this store's. */
bool order_flow_read_id(struct order_flow *flow, const char *text, size_t length);

/* The flow of a call on the order of the path's {id}, in the shape that the caller may see; NULL:
 * refused already. */
struct order_flow *order_flow_start_path(struct api_call *call, size_t size);

/* Looks at the call's Idempotency-Key, where it has one; `body` is what a repeat must say again.
 * True: go on; the order that is answered with 200 is kept for repeats. False: the flow answers
 * again, or has ended. Before the first thing is asked. */
bool order_flow_begin_key(struct order_flow *flow, struct api_call *call, struct slice body);

/* An envelope about flow->id, by whoever asks; NULL: no memory, which order_flow_ask takes. */
struct order_envelope *order_flow_envelope(const struct order_flow *flow, enum order_call call);

/* Asks an order, then calls `next`; takes the envelope. The answer is in flow->answer. */
void order_flow_ask(struct order_flow *flow, struct order_envelope *envelope, order_step next);

/* Submits any other command, as the caller, then calls `next`. An envelope in its reply is the
 * step's to free. */
void order_flow_submit(struct order_flow *flow, struct command *command, order_step next);

/* The client's exchange, or NULL: it has gone. */
struct http_exchange *order_flow_exchange(const struct order_flow *flow);

/* Answers with the order of flow->answer in the flow's shape, and ends the flow. 201 tells its
 * place, too. */
void order_flow_respond(struct order_flow *flow, int status);
/* A step for order_flow_ask: 200 with the order, or the refusal. */
void order_flow_respond_200(struct order_flow *flow, enum outcome outcome);
void order_flow_refuse(struct order_flow *flow, enum outcome outcome);
void order_flow_problem(struct order_flow *flow, enum problem problem, const char *detail);
/* 422 with one error. */
void order_flow_invalid(struct order_flow *flow, const char *field, const char *message);
/* 409 `hold_in_use` with the ID of the order that the caller's hold belongs to, by its number
 * (order_number). */
void order_flow_hold_in_use(struct order_flow *flow, uint64_t number);

/* Ends it without an answer. */
void order_flow_end(struct order_flow *flow);

/* For calls on holds, which have no flow. The exchange is over, by then or later. */

/* The caller's hold was extended: so is its order, then the hold is answered and kept for repeats
 * of the call's key. `exchange` and `entry` may be NULL. */
void respond_extended_hold(struct api_shard *shard, struct http_exchange *exchange,
                           struct keyed_entry *entry, const struct hold_view *hold,
                           bool is_replayed);

/* As order_flow_hold_in_use. */
void respond_hold_in_use(struct api_shard *shard, struct http_exchange *exchange, uint64_t number);

#endif
