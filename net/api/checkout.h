/* SPDX-License-Identifier: Apache-2.0 */
/* A checkout on its way: what the body said, what is bought, what it costs. Private to checkout*.c.
 */
#ifndef STAMPEDE_API_CHECKOUT_H
#define STAMPEDE_API_CHECKOUT_H

#include "api/account_fields.h"
#include "api/order_flow.h"

/* Why it is refused, kept until it is known that its key has not made an order before. */
enum checkout_refusal_kind {
    REFUSAL_NONE,
    REFUSAL_OUTCOME,      /* `outcome` */
    REFUSAL_INVALID,      /* 422: `field`, `message` */
    REFUSAL_COUPON,       /* 422 coupon_invalid: `message` */
    REFUSAL_PRICE,        /* 409 price_changed: `total_minor` */
    REFUSAL_HOLD_IN_USE,  /* 409: `order` */
    REFUSAL_NOT_RESERVED, /* `reply` */
    REFUSAL_WITHDRAWN,    /* 409 product_unavailable: of the cart's lines */
};

struct checkout_refusal {
    enum checkout_refusal_kind kind;
    enum outcome outcome;
    const char *field;
    const char *message; /* static */
    int64_t total_minor;
    uint64_t order; /* order_number */
    struct reply_body reply;
};

struct checkout {
    struct order_flow flow; /* first */

    /* The key, and what a repeat must say again. */
    char key[KEY_LENGTH_MAX];
    size_t key_length;
    uint64_t fingerprint;

    /* The body. */
    char email[EMAIL_LENGTH_MAX + 1];
    uint8_t email_index[EMAIL_INDEX_BYTES];
    struct postal_address address;
    uint16_t country;                 /* pricing_country */
    uint64_t region;                  /* pricing_label; 0: none */
    uint32_t method;                  /* a shipping method's number; 0: of none */
    char coupon[COUPON_CODE_MAX + 1]; /* normalised; empty: none */
    uint8_t provider;                 /* enum payment_provider */
    bool has_expected;
    int64_t expected_minor;
    char hold_text[RESERVATION_ID_LENGTH + 1]; /* empty: the cart's lines are to be held */
    bool from_cart;
    char cart_currency[4]; /* that its lines were put in at */

    /* What is bought. */
    struct line lines[RESERVATION_LINES_MAX];
    uint32_t line_count;
    struct reservation_id hold;
    int64_t hold_deadline_wall_ms;
    bool has_hold;      /* made for this checkout, by this request or an earlier one */
    bool hold_is_fresh; /* by this one */
    unsigned attempt;   /* at holding */
    unsigned looked_up; /* of flow.who: whose key is looked for */

    struct coupon_envelope *rule; /* the coupon as it is now; NULL: none */
    struct order_envelope *order; /* being made */

    struct checkout_refusal refusal;
};

/* ---- checkout_body.c ---- */

/* Reads the body of the call into a new checkout; NULL: answered already, with every field that is
 * wrong. Within the handler. */
struct checkout *checkout_read(struct api_call *call);

/* The key of the order that a checkout of this principal makes. */
struct hash128 checkout_key(const struct checkout *checkout, const struct principal *principal);

/* ---- checkout_price.c ---- */

/* Prices the lines by the directory, the settings and the coupon as they are now, and prepares the
 * order but for its hold. False: checkout->refusal says why not. */
bool checkout_price(struct checkout *checkout);

#endif
