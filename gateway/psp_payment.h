/* SPDX-License-Identifier: Apache-2.0 */
/* A payment and its rules: what an operation does to it, to the accounts and to the world. Pure: a
 * payment, a request and the time in; the changed payment and an effect out.
 *
 *                     confirm (declined)
 *                        +------+
 *                        v      |            confirm, manual                capture
 *   create ---> requires_payment_method -----------------> requires_capture ------> succeeded
 *      |                 |  |  ^ \                              ^    |                 ^
 *      | with a method   |  |  |  \ confirm, the bank asks      |    | cancel          |
 *      v                 |  |  |   v                            |    |                 |
 *   requires_confirmation   |  +-- requires_action -------------+----+-----------------+
 *      (as above)        |  | failed    | authenticated               automatic capture
 *                        |  |           |
 *                        |  +-----------+------> canceled
 *
 * Money moves between four accounts, and in every entry the postings of a currency sum up to zero:
 *   customer    what cards have paid, less what came back uncaptured (a negative figure)
 *   authorised  held on cards, not taken
 *   merchant    taken, and not given back
 *   refunded    given back */
#ifndef STAMPEDE_PSP_PAYMENT_H
#define STAMPEDE_PSP_PAYMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "psp_cards.h"
#include "psp_limits.h"
#include "psp_texts.h"

/* name, as the API writes it */
#define PSP_STATUSES(X)                                                                            \
    X(REQUIRES_PAYMENT_METHOD, "requires_payment_method")                                          \
    X(REQUIRES_CONFIRMATION, "requires_confirmation")                                              \
    X(REQUIRES_ACTION, "requires_action")                                                          \
    X(REQUIRES_CAPTURE, "requires_capture")                                                        \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(CANCELED, "canceled")

enum psp_status {
#define X(name, text) PSP_STATUS_##name,
    PSP_STATUSES(X)
#undef X
        PSP_STATUS_COUNT
};

extern const char *const psp_status_names[PSP_STATUS_COUNT];

#define PSP_REFUND_STATUSES(X)                                                                     \
    X(PENDING, "pending")                                                                          \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(FAILED, "failed")

enum psp_refund_status {
#define X(name, text) PSP_REFUND_##name,
    PSP_REFUND_STATUSES(X)
#undef X
        PSP_REFUND_STATUS_COUNT
};

extern const char *const psp_refund_status_names[PSP_REFUND_STATUS_COUNT];

struct psp_refund {
    char id[PSP_ID_MAX + 1];
    char reason[32]; /* "": none given */
    int64_t amount;
    int64_t created_s;
    enum psp_refund_status status;
    struct psp_texts metadata;
};

/* All amounts in minor units of `currency`; times in seconds since 1970, 0: never. */
struct psp_payment {
    char id[PSP_ID_MAX + 1];
    char client_secret[PSP_SECRET_MAX + 1];
    char currency[4]; /* lower case */
    char capture_method[16];
    char cancellation_reason[32];
    char payment_method[PSP_ID_MAX + 1]; /* "": none; the ID that it got */
    char card[PSP_CARD_MAX + 1];         /* pm_card_...; with payment_method */
    char charge_id[PSP_ID_MAX + 1];      /* "": none; of the last attempt */
    char charge_method[PSP_ID_MAX + 1];  /* the payment method and its card, of that attempt */
    char charge_card[PSP_CARD_MAX + 1];
    char return_url[PSP_TEXT_MAX + 1];
    int64_t amount;
    int64_t amount_capturable;
    int64_t amount_received;
    int64_t amount_refunded; /* of refunds that have not failed */
    int64_t created_s;
    int64_t charge_created_s;
    int64_t canceled_at_s;
    enum psp_status status;
    enum psp_decline charge_failure; /* of the last attempt */
    enum psp_decline last_error;     /* what last_payment_error says */
    struct psp_texts metadata;
    struct psp_texts details; /* description, receipt_email, customer, ... */
    struct psp_refund *refunds;
    uint32_t refund_count;
};

void psp_payment_copy(struct psp_payment *target, const struct psp_payment *source);
void psp_payment_free(struct psp_payment *payment);
struct psp_refund *psp_payment_refund_find(const struct psp_payment *payment, const char *id);

/* Held on the card and not taken. */
int64_t psp_payment_authorised(const struct psp_payment *payment);

/* ---- what an operation does ---- */

#define PSP_ACCOUNTS(X)                                                                            \
    X(CUSTOMER, "customer")                                                                        \
    X(AUTHORISED, "authorised")                                                                    \
    X(MERCHANT, "merchant")                                                                        \
    X(REFUNDED, "refunded")

enum psp_account {
#define X(name, text) PSP_ACCOUNT_##name,
    PSP_ACCOUNTS(X)
#undef X
        PSP_ACCOUNT_COUNT
};

extern const char *const psp_account_names[PSP_ACCOUNT_COUNT];

struct psp_posting {
    enum psp_account account;
    int64_t minor;
};

/* name, type, what its data is: a payment intent, a charge or a refund */
#define PSP_EVENTS(X)                                                                              \
    X(CREATED, "payment_intent.created", INTENT)                                                   \
    X(CAPTURABLE, "payment_intent.amount_capturable_updated", INTENT)                              \
    X(SUCCEEDED, "payment_intent.succeeded", INTENT)                                               \
    X(FAILED, "payment_intent.payment_failed", INTENT)                                             \
    X(ACTION, "payment_intent.requires_action", INTENT)                                            \
    X(CANCELED, "payment_intent.canceled", INTENT)                                                 \
    X(CHARGE_REFUNDED, "charge.refunded", CHARGE)                                                  \
    X(REFUND_CREATED, "refund.created", REFUND)                                                    \
    X(REFUND_UPDATED, "refund.updated", REFUND)                                                    \
    X(REFUND_FAILED, "refund.failed", REFUND)

enum psp_event {
#define X(name, ...) PSP_EVENT_##name,
    PSP_EVENTS(X)
#undef X
        PSP_EVENT_COUNT
};

enum psp_object {
    PSP_OBJECT_NONE,
    PSP_OBJECT_INTENT,
    PSP_OBJECT_CHARGE,
    PSP_OBJECT_REFUND,
};

struct psp_event_row {
    const char *type;
    enum psp_object object;
};

extern const struct psp_event_row psp_event_rows[PSP_EVENT_COUNT];

/* An error as the API words it. `status` 0: none. */
struct psp_error {
    int status;
    const char *type; /* NULL: as of the status */
    const char *code; /* NULL: none; so the following */
    const char *decline_code;
    const char *param;
    bool with_payment; /* it shows the payment intent */
    char message[PSP_MESSAGE_MAX + 1];
};

void psp_error_set(struct psp_error *error, int status, const char *code, const char *param,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

struct psp_effect {
    const char *entry; /* what the ledger calls it */
    struct psp_posting postings[PSP_POSTINGS_MAX];
    uint32_t posting_count;
    enum psp_event events[PSP_ENTRY_EVENTS_MAX];
    uint32_t event_count;
    const struct psp_refund *refund; /* that it was about; else NULL */
    struct psp_error
        error; /* what is answered instead of the object; the effect counts all the same */
};

/* New IDs of one operation: each call gives the next, "ch_" and 24 letters and digits. */
struct psp_naming {
    void (*next)(void *self, const char *prefix, char id_out[PSP_ID_MAX + 1]);
    void *self;
    int64_t now_s;
};

/* A payment method that was named: the payment gets it, under an ID of its own. */
void psp_payment_attach(struct psp_payment *payment, const struct psp_card *card,
                        const struct psp_naming *naming);

/* Each: true: `effect_out` is to be recorded (with its error, if any). False: nothing has changed,
 * the error is the answer. `decline`: the bank's answer whatever the card (PSP_DECLINE_NONE: the
 * card's). */
bool psp_payment_confirm(struct psp_payment *payment, enum psp_decline decline,
                         const struct psp_naming *naming, struct psp_effect *effect_out);
/* The card's holder has authenticated, or failed to. */
bool psp_payment_authenticate(struct psp_payment *payment, bool has_succeeded,
                              const struct psp_naming *naming, struct psp_effect *effect_out);
/* `amount` -1: all of it. */
bool psp_payment_capture(struct psp_payment *payment, int64_t amount,
                         struct psp_effect *effect_out);
bool psp_payment_cancel(struct psp_payment *payment, const char *reason,
                        const struct psp_naming *naming, struct psp_effect *effect_out);
/* `amount` -1: what is left. The refund takes over the metadata. */
bool psp_payment_refund(struct psp_payment *payment, int64_t amount, const char *reason,
                        struct psp_texts *metadata, const struct psp_naming *naming,
                        struct psp_effect *effect_out);
/* A refund that was pending, or has succeeded too soon, ends. */
bool psp_payment_refund_settle(struct psp_payment *payment, const char *refund_id,
                               struct psp_effect *effect_out);

#endif
