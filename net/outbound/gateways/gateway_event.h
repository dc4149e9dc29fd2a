/* SPDX-License-Identifier: Apache-2.0 */
/* An event that a gateway sent to our webhook, in one form for all gateways. */
#ifndef STAMPEDE_GATEWAY_EVENT_H
#define STAMPEDE_GATEWAY_EVENT_H

#include <stdint.h>

#include "api/json.h"
#include "payment_state.h"

/* Headers that events are signed by, one row each: name, header. The handler looks all of them up;
 * one that did not come is empty. */
#define GATEWAY_EVENT_HEADERS(X) X(STRIPE_SIGNATURE, "Stripe-Signature")

enum gateway_event_header {
#define X(name, header) GATEWAY_HEADER_##name,
    GATEWAY_EVENT_HEADERS(X)
#undef X
        GATEWAY_HEADER_COUNT
};

struct gateway_event_input {
    struct slice headers[GATEWAY_HEADER_COUNT];
    struct slice body; /* the bytes as they came */
    int64_t now_wall_ms;
    struct json_memory memory; /* json_memory_needed(body.length) */
};

/* result, name */
#define GATEWAY_EVENT_RESULTS(X)                                                                   \
    X(GENUINE, "genuine") /* and read */                                                           \
    /* Genuine, but not what we can read; `event_id` and `type` if they could be. Repeating it     \
     * would change nothing: keep it and say 200. */                                               \
    X(UNREADABLE, "unreadable")                                                                    \
    X(FORGED, "forged") /* no signature, or none by a secret of ours */                            \
    X(STALE, "stale")   /* well signed, but not now: a replay, or a clock is wrong */              \
    X(NO_PROVIDER, "no_provider")

enum gateway_event_result {
#define X(name, text) GATEWAY_EVENT_##name,
    GATEWAY_EVENT_RESULTS(X)
#undef X
        GATEWAY_EVENT_RESULT_COUNT
};

enum gateway_event_kind {
    GATEWAY_EVENT_OTHER,      /* nothing that moves a payment forward; `state` may still say */
    GATEWAY_EVENT_AUTHORISED, /* can be captured */
    GATEWAY_EVENT_CAPTURED,
    GATEWAY_EVENT_FAILED, /* an attempt was declined; there may be another one */
    GATEWAY_EVENT_CANCELLED,
    GATEWAY_EVENT_REFUNDED,      /* in part or whole */
    GATEWAY_EVENT_REFUND_FAILED, /* the money of this refund came back to us */
};

enum { GATEWAY_EVENT_TYPE_MAX = 64 };

/* Texts are "" where the event does not say. */
struct gateway_event {
    char event_id[PAYMENT_ID_MAX + 1];     /* the same however often it is sent */
    char type[GATEWAY_EVENT_TYPE_MAX + 1]; /* as the gateway calls it */
    int64_t created_s;                     /* the gateway's clock, since 1970 */
    uint8_t kind;                          /* enum gateway_event_kind */
    uint8_t state; /* enum payment_state, of the payment as it was then; NONE: it does not say */
    /* Of the kinds but OTHER: always but for `order_id`, which is "" with payments that are none of
     * ours. A gateway may tell events twice, late and out of order, and one refund by several: by
     * the total (`refunded_minor`) and by itself (`refund_id`). */
    char payment_id[PAYMENT_ID_MAX + 1];
    char order_id[PAYMENT_ID_MAX + 1];
    char refund_id[PAYMENT_ID_MAX + 1]; /* REFUNDED, REFUND_FAILED: "" if told of the whole */
    char currency[4];                   /* capitals */
    int64_t amount_minor;   /* what the payment is about, of one that is authorised no more than can
                               be captured; with `refund_id` what that refund is */
    int64_t captured_minor; /* of the payment in all; -1: it does not say */
    int64_t refunded_minor; /* of the payment in all; -1: it does not say */
    char reason[PAYMENT_ID_MAX + 1]; /* FAILED: the gateway's code */
};

#endif
