/* SPDX-License-Identifier: Apache-2.0 */
/* Stripe's objects as we read them: members that are missing, of another type, out of range or not
 * printable make the whole unreadable. Amounts are in minor units (stripe_amounts.h). Slices live
 * as long as the JSON's memory. Pure.
 *
 * docs.stripe.com/api: payment_intents/object, charges/object, refunds/object, errors. */
#ifndef STAMPEDE_STRIPE_OBJECTS_H
#define STAMPEDE_STRIPE_OBJECTS_H

#include "api/json.h"
#include "payment_state.h"

struct stripe_intent {
    struct slice id;
    struct slice order_id;      /* metadata.order_id; empty: none */
    struct slice client_secret; /* empty: not told */
    struct slice failure;       /* why the last attempt was declined; empty: it was not */
    char currency[4];           /* capitals */
    enum payment_state state;
    bool needs_action; /* of the customer: CREATED, but a method is there */
    int64_t amount;
    int64_t capturable; /* -1: not told */
    int64_t captured;
    int64_t refunded; /* -1: the charge is named but not told */
};

struct stripe_charge {
    struct slice intent_id; /* empty: a charge without one */
    struct slice order_id;
    char currency[4];
    bool is_captured;
    int64_t amount;
    int64_t captured;
    int64_t refunded;
};

enum stripe_refund_status {
    STRIPE_REFUND_UNDER_WAY, /* pending, or the customer has to say where to */
    STRIPE_REFUND_DONE,
    STRIPE_REFUND_FAILED, /* or cancelled: the money is ours again */
};

struct stripe_refund {
    struct slice id;
    struct slice intent_id; /* empty: of a charge without one */
    struct slice order_id;
    char currency[4];
    enum stripe_refund_status status;
    int64_t amount;
    bool has_charge; /* it was told with it */
    struct stripe_charge charge;
};

struct stripe_error {
    struct slice type; /* "card_error" */
    struct slice code; /* empty: none; a card's own code where there is one */
    struct slice parameter;
    const struct json_value *intent; /* NULL: not told */
};

bool stripe_intent_read(const struct json_value *object, struct stripe_intent *intent_out);
bool stripe_charge_read(const struct json_value *object, struct stripe_charge *charge_out);
bool stripe_refund_read(const struct json_value *object, struct stripe_refund *refund_out);

/* Of a whole answer: {"error":{...}}. */
bool stripe_error_read(const struct json_value *answer, struct stripe_error *error_out);

/* The member as a text of 1 to `most` printable ASCII characters without blanks; false if it is
 * there and none. What is missing or null is empty, and false where it is `needed`. */
bool stripe_text_read(const struct json_value *object, const char *name, size_t most, bool needed,
                      struct slice *text_out);

/* Copies what fits by construction: the texts above and room for a terminator. */
void stripe_text_copy(struct slice text, char *target, size_t size);

#endif
