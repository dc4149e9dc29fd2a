/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored of a webhook on its way: one event for one endpoint. Numbers never change their
 * meaning. */
#ifndef STAMPEDE_DELIVERY_STATE_H
#define STAMPEDE_DELIVERY_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "events.h"
#include "shop_limits.h"

/* Their records' kinds stand in the same order. */
#define DELIVERY_STATES(X)                                                                         \
    X(PENDING, "pending")     /* DELIVERY: to be sent, or to be sent again */                      \
    X(DEAD, "dead")           /* DELIVERY_DEAD: given up; staff may send it again */               \
    X(DELIVERED, "delivered") /* DELIVERY_DONE: the endpoint answered 2xx */

enum delivery_state {
#define X(name, text) DELIVERY_##name,
    DELIVERY_STATES(X)
#undef X
        DELIVERY_STATE_COUNT
};

const char *delivery_state_name(enum delivery_state state);

/* A test of an endpoint is of no order; its number is drawn, with this bit. */
#define DELIVERY_TEST_BIT (UINT64_C(1) << 39)

/* The event that is told of: all that its webhook is made of, besides what never changes of an
 * order. */
struct delivery_event {
    uint8_t type;            /* enum event_type */
    uint8_t status;          /* enum order_status that the order came to; a test: 0 */
    uint64_t order;          /* sequence of the order, in the same partition; a test: 0;
                                INVENTORY_SOLD_OUT: the SKU's ID */
    int64_t created_wall_ms; /* of the order: with it, its ID */
    int64_t wall_ms;         /* when it happened */
    int64_t amount_minor;    /* of a refund */
};

struct delivery_record {
    struct delivery_event event;
    uint8_t state;                        /* enum delivery_state */
    uint8_t attempts;                     /* since it was made, or last replayed */
    uint16_t response;                    /* the newest answer's HTTP status; 0: there was none */
    int64_t attempted_wall_ms;            /* when the newest attempt ended; 0: none did */
    int64_t next_wall_ms;                 /* PENDING: not before */
    char reason[DELIVERY_REASON_MAX + 1]; /* of the newest failure, without private data */
};

/* Whether a stored one can be. */
bool delivery_is_valid(const struct delivery_record *delivery);

#endif
