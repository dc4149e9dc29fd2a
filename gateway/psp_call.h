/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the API: a request in, an answer out, and in between what the books say. No sockets
 * and no clock: the server gives the time. One thread. */
#ifndef STAMPEDE_PSP_CALL_H
#define STAMPEDE_PSP_CALL_H

#include "psp_books.h"
#include "psp_form.h"

/* name, method, pattern, function, what it takes: names of parameters, the part before any bracket,
 * between blanks */
#define PSP_CALLS(X)                                                                               \
    X(INTENT_CREATE, POST, "/v1/payment_intents", create, PSP_TAKES_CREATE)                        \
    X(INTENT_LIST, GET, "/v1/payment_intents", intents, PSP_TAKES_LIST " customer ")               \
    X(INTENT_READ, GET, "/v1/payment_intents/{id}", intent, " client_secret expand ")              \
    X(INTENT_UPDATE, POST, "/v1/payment_intents/{id}", update, PSP_TAKES_CREATE)                   \
    X(INTENT_CONFIRM, POST, "/v1/payment_intents/{id}/confirm", confirm, PSP_TAKES_CONFIRM)        \
    X(INTENT_CAPTURE, POST, "/v1/payment_intents/{id}/capture", capture,                           \
      " amount_to_capture expand final_capture metadata statement_descriptor_suffix ")             \
    X(INTENT_CANCEL, POST, "/v1/payment_intents/{id}/cancel", cancel,                              \
      " cancellation_reason expand ")                                                              \
    X(CHARGE_LIST, GET, "/v1/charges", charges, PSP_TAKES_LIST " customer payment_intent ")        \
    X(CHARGE_READ, GET, "/v1/charges/{id}", charge, " expand ")                                    \
    X(REFUND_CREATE, POST, "/v1/refunds", refund,                                                  \
      " amount charge currency expand metadata payment_intent reason ")                            \
    X(REFUND_LIST, GET, "/v1/refunds", refunds, PSP_TAKES_LIST " charge payment_intent ")          \
    X(REFUND_READ, GET, "/v1/refunds/{id}", refund_read, " expand ")                               \
    X(REFUND_UPDATE, POST, "/v1/refunds/{id}", refund_update, " expand metadata ")                 \
    X(EVENT_LIST, GET, "/v1/events", events, PSP_TAKES_LIST " type types delivery_success ")       \
    X(EVENT_READ, GET, "/v1/events/{id}", event, " expand ")

#define PSP_TAKES_LIST " created ending_before expand limit starting_after "
#define PSP_TAKES_CONFIRM                                                                          \
    " capture_method client_secret error_on_requires_action expand mandate mandate_data "          \
    "off_session payment_method payment_method_data payment_method_options payment_method_types "  \
    "receipt_email return_url setup_future_usage shipping use_stripe_sdk "
#define PSP_TAKES_CREATE                                                                           \
    PSP_TAKES_CONFIRM                                                                              \
    " amount automatic_payment_methods confirm confirmation_method currency customer description " \
    "metadata statement_descriptor statement_descriptor_suffix transfer_group "

enum psp_call_id {
#define X(name, ...) PSP_CALL_##name,
    PSP_CALLS(X)
#undef X
        PSP_CALL_COUNT
};

/* All texts end with 0. */
struct psp_request {
    enum psp_call_id id;
    const char *path;
    const char *target;     /* the path's {id}, or "" */
    struct psp_form *form;  /* of the query or the body */
    const char *key;        /* Idempotency-Key, or "" */
    const char *request_id; /* ours */
    const char *base_url;
    int64_t now_ms;
    bool is_public;           /* by a publishable key: only with the payment's secret */
    bool fails_kept;          /* done, but answered and remembered as a 500 */
    enum psp_decline decline; /* what the bank says to a confirmation; NONE: as the card does */
};

struct psp_answer {
    int status;
    char *body; /* to be freed */
    size_t length;
    bool is_replayed;
    char original[PSP_ID_MAX + 1]; /* is_replayed: the request that it was first given to */
};

/* Answers. What changed is in the ledger, not yet flushed. */
void psp_call(struct psp_books *books, const struct psp_request *request,
              struct psp_answer *answer_out);

/* Answers with this error, without a look at anything. */
void psp_answer_error(const struct psp_error *error, struct psp_answer *answer_out);

/* A refund that is on its way ends, as its card says; false: there is nothing to do. */
bool psp_call_settle_refund(struct psp_books *books, const char *refund_id, int64_t now_ms);
/* Whether a refund of this payment will still change by itself. */
bool psp_call_is_settling(const struct psp_payment *payment, const struct psp_refund *refund);

/* The card's holder authenticates the payment, or fails to. False: the secret is wrong, or there is
 * nothing to authenticate. */
bool psp_call_authenticate(struct psp_books *books, const char *payment_id, const char *secret,
                           bool has_succeeded, int64_t now_ms);

#endif
