/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored of an order. Numbers of statuses, steps and provider never change their meaning.
 *
 *   the order    (ORDER while it lives, ORDER_PAST afterwards) all that changes
 *   its body     (ORDER_BODY) lines and texts: written once
 *   its person   (ORDER_PERSON) e-mail and address, sealed, and the key that opens them, wrapped;
 *                destroyed when the person is forgotten, while order and body stay for the books
 *   its mails    (ORDER_MAIL) each one that its person is owed, until it has gone out: written in
 *                the batch of what causes it; what it says is made of the others when it leaves */
#ifndef STAMPEDE_ORDER_STATE_H
#define STAMPEDE_ORDER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "identity.h"
#include "payment_state.h"
#include "shop_limits.h"

/* Where an order stands, for its customer. What may follow what: order.c. */
#define ORDER_STATUSES(X)                                                                          \
    X(NONE, "none") /* there is none yet */                                                        \
    X(PENDING, "pending_payment")                                                                  \
    X(CONFIRMED, "confirmed")                                                                      \
    X(FULFILLING, "fulfilling")                                                                    \
    X(SHIPPED, "shipped")                                                                          \
    X(DELIVERED, "delivered")                                                                      \
    X(CANCELLED, "cancelled")                                                                      \
    X(EXPIRED, "expired")                                                                          \
    X(PAYMENT_FAILED, "payment_failed")                                                            \
    X(PARTIALLY_REFUNDED, "partially_refunded")                                                    \
    X(REFUNDED, "refunded")

enum order_status {
#define X(name, text) ORDER_##name,
    ORDER_STATUSES(X)
#undef X
        ORDER_STATUS_COUNT
};

/* What is to be done next for it: one thing at a time, asked of somebody else once this is durable,
 * and again until there is an answer. Whoever is asked takes a repetition for what it is. */
#define ORDER_STEPS(X)                                                                             \
    X(NONE, "none")                                                                                \
    /* its beginning; undone in reverse if one is refused, and then it never was */                \
    X(BIND, "bind")                     /* the hold becomes this order's */                        \
    X(COUPON_HOLD, "coupon_hold")       /* a use of the coupon */                                  \
    X(PAYMENT_CREATE, "payment_create") /* at the gateway */                                       \
    X(UNDO_COUPON, "undo_coupon")                                                                  \
    X(UNDO_BIND, "undo_bind")                                                                      \
    /* it waits for its payment */                                                                 \
    X(WAIT, "wait")                                                                                \
    X(CONFIRM, "confirm") /* the gateway confirms with a method */                                 \
    X(QUERY, "query")     /* how does the payment stand? */                                        \
    /* it is paid */                                                                               \
    X(PIN, "pin")                                                                                  \
    X(CAPTURE, "capture")                                                                          \
    X(CONVERT, "convert")             /* reserved units are sold */                                \
    X(COUPON_COMMIT, "coupon_commit") /* the use is final */                                       \
    X(CART_CLEAR, "cart_clear")       /* confirmed; what was ordered leaves the cart */            \
    /* it comes to nothing */                                                                      \
    X(VOID, "void") /* what was authorised is given back */                                        \
    X(RELEASE, "release")                                                                          \
    X(COUPON_RELEASE, "coupon_release")                                                            \
    /* money goes back */                                                                          \
    X(REFUND, "refund")                                                                            \
    X(RESTOCK, "restock") /* sold units are for sale again */

enum order_step {
#define X(name, text) STEP_##name,
    ORDER_STEPS(X)
#undef X
        STEP_COUNT
};

const char *order_status_name(enum order_status status);
const char *order_step_name(enum order_step step);
const char *payment_state_name(enum payment_state state);
const char *payment_provider_name(enum payment_provider provider);

struct order_line {
    uint32_t sku_id;
    uint32_t quantity;
    int64_t unit_price_minor;
    int64_t discount_minor;
    int64_t tax_minor; /* with what is included in the price */
    int64_t
        total_minor; /* unit price times quantity, less discount, plus tax that is not included */
    uint32_t tax_bp; /* at most TAX_RATE_BP_MAX */
    uint8_t tax_included;
};

struct order_totals {
    int64_t subtotal_minor;
    int64_t discount_minor;
    int64_t shipping_minor;
    int64_t tax_minor; /* that is not included in prices */
    int64_t tax_included_minor;
    int64_t total_minor; /* subtotal - discount + shipping + tax */
};

struct order_moment {
    int64_t wall_ms;
    uint8_t status; /* enum order_status */
};

/* What an order's person is told of by mail. Numbers are stored. */
#define ORDER_MAILS(X)                                                                             \
    X(CONFIRMED)                                                                                   \
    X(SHIPPED)                                                                                     \
    X(CANCELLED) /* after it was confirmed; with what goes back */                                 \
    X(REFUNDED)  /* each refund, but that of a cancellation */

enum order_mail_kind {
#define X(name) ORDER_MAIL_##name,
    ORDER_MAILS(X)
#undef X
        ORDER_MAIL_KIND_COUNT
};

struct order_mail_record {
    uint8_t state; /* enum mail_state */
    uint8_t kind;  /* enum order_mail_kind */
    uint8_t attempts;
    uint8_t refund; /* REFUNDED: which of the order's */
    int64_t created_wall_ms;
    int64_t next_wall_ms;          /* WAITING: not before */
    int64_t order_created_wall_ms; /* with the record's key: the order's ID */
    char reason[64];               /* of the newest failure, without private data */
};

/* What a mail is known by beside its order: at most one mail of an order has it, ever. `refund`: of
 * REFUNDED, which one; else 0. */
static inline uint32_t order_mail_occasion(enum order_mail_kind kind, unsigned refund)
{
    return (uint32_t)kind | refund << 8;
}

/* The same as a mail's number, which is never 0, for those to whom mails are numbered; and back. */
static inline uint64_t order_mail_number(uint32_t occasion)
{
    return (uint64_t)occasion + 1;
}

static inline uint32_t order_mail_occasion_of(uint64_t number)
{
    return (uint32_t)(number - 1);
}

enum refund_state { REFUND_ASKED, REFUND_DONE, REFUND_REFUSED };

struct order_refund {
    int64_t amount_minor;
    int64_t wall_ms;
    uint64_t key;  /* hash of its Idempotency-Key; 0: by the shop itself */
    uint8_t state; /* enum refund_state */
    uint8_t restock;
    /* Of the order, when this was answered: a repeat is answered so. */
    uint8_t status;
    uint8_t timeline_count;
    uint8_t refund_count;
    uint8_t attention; /* until it is answered: as it was when it was asked for */
    uint8_t has_tracking;
    char reason[REFUND_REASON_MAX + 1]; /* as staff gave it */
};

/* What an order no longer knows, or is to know no longer: bits of `forgotten`. */
enum order_forgotten {
    ORDER_FORGETS_PERSON = 1, /* as soon as nothing is pending for it, nor to be sent */
    ORDER_FORGOT_PERSON = 2,
    ORDER_FORGOT_KEY = 4, /* of its checkout: it may make another order now */
    ORDER_FORGOTTEN_ALL = 7,
};

/* What somebody should look at: bits of `attention`. Each stays until its reason is gone, which is
 * said beside it, or staff acknowledge it. */
#define ORDER_ATTENTIONS(X)                                                                        \
    /* Units that were to be for sale again are not; gone: all of the order's are. */              \
    X(RESTOCK_REFUSED, 1, "restock_refused")                                                       \
    /* The gateway says that one came back to us; gone: it tells of as much as the order says. */  \
    X(REFUND_FAILED, 2, "refund_failed")                                                           \
    /* At the gateway, not by this shop; gone: the shop refunded what was left, afterwards. */     \
    X(REFUNDED_ELSEWHERE, 4, "refunded_elsewhere")

enum order_attention {
#define X(name, bit, text) ORDER_ATTENTION_##name = bit,
    ORDER_ATTENTIONS(X)
#undef X
        ORDER_ATTENTION_ALL = 7
};

/* NULL: none of them. */
const char *order_attention_name(enum order_attention attention);

struct order_record {
    struct principal principal;
    struct hash128 key; /* of principal, call and Idempotency-Key */
    uint64_t fingerprint;
    uint8_t email_index[EMAIL_INDEX_BYTES];
    int64_t created_wall_ms;
    int64_t updated_wall_ms;
    int64_t expires_wall_ms;       /* as long as it is unpaid */
    int64_t first_expires_wall_ms; /* before its hold was extended: as its checkout was answered */
    int64_t confirmed_wall_ms;
    int64_t fulfilled_wall_ms;
    uint8_t status; /* enum order_status */
    uint8_t step;   /* enum order_step */
    uint8_t goal;   /* enum order_status, that VOID, RELEASE and REFUND lead to; NONE: as it is */
    uint8_t cause;  /* enum outcome: why it is being undone */
    uint8_t from_cart;
    uint8_t forgotten; /* enum order_forgotten */
    uint8_t attention; /* enum order_attention */
    struct reservation_id hold;
    char currency[4];
    struct order_totals totals;
    char coupon[COUPON_CODE_MAX + 1];
    uint32_t coupon_partition;
    uint32_t coupon_number;
    uint64_t coupon_version; /* of the definition that it was priced by */
    /* The payment. */
    uint8_t provider;      /* enum payment_provider */
    uint8_t payment_state; /* enum payment_state */
    uint32_t attempts;     /* of confirmations, and refunds in a refused one's place: for keys */
    char payment_id[PAYMENT_ID_MAX + 1];
    char client_secret[PAYMENT_SECRET_MAX + 1];
    char redirect_url[PAYMENT_URL_MAX + 1]; /* where the customer is to go to pay; "": nowhere */
    int64_t captured_minor;
    int64_t refunded_minor;
    uint8_t refund_count;
    struct order_refund refunds[ORDER_REFUNDS_MAX];
    uint32_t restocked[RESERVATION_LINES_MAX];       /* units of each line, in all */
    uint32_t restocking[RESERVATION_LINES_MAX];      /* that STEP_RESTOCK has yet to put back */
    uint32_t refunded_units[RESERVATION_LINES_MAX];  /* that refunds named, restocked or not */
    uint32_t refunding_units[RESERVATION_LINES_MAX]; /* that the one names that is asked for */
    uint8_t timeline_count;
    struct order_moment timeline[ORDER_TIMELINE_MAX];
    char carrier[CARRIER_LENGTH_MAX + 1];
    char tracking[TRACKING_LENGTH_MAX + 1];
    uint8_t mails; /* bits 1 << enum order_mail_kind: those that were ever owed; never REFUNDED */
};

/* Lines, and a text of the outer layers' that follows the struct in memory. */
struct order_body_record {
    uint8_t line_count;
    uint32_t text_length;
    struct order_line lines[RESERVATION_LINES_MAX];
};

struct order_person_record {
    uint8_t key_length; /* 0: forgotten */
    uint8_t key[WRAPPED_KEY_MAX];
    uint16_t email_length;
    uint16_t address_length;
    uint8_t email[SEALED_EMAIL_MAX];
    uint8_t address[SEALED_ADDRESS_MAX];
};

#endif
