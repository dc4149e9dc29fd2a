/* SPDX-License-Identifier: Apache-2.0 */
/* Stripe's test cards, and the reasons for which a bank declines. Pure tables. */
#ifndef STAMPEDE_PSP_CARDS_H
#define STAMPEDE_PSP_CARDS_H

#include <stdint.h>

/* name, code, decline code, message */
#define PSP_DECLINES(X)                                                                            \
    X(GENERIC, "card_declined", "generic_decline", "Your card was declined.")                      \
    X(FUNDS, "card_declined", "insufficient_funds", "Your card has insufficient funds.")           \
    X(LOST, "card_declined", "lost_card", "Your card was declined.")                               \
    X(STOLEN, "card_declined", "stolen_card", "Your card was declined.")                           \
    X(FRAUD, "card_declined", "fraudulent", "Your card was declined.")                             \
    X(VELOCITY, "card_declined", "card_velocity_exceeded",                                         \
      "Your card was declined for making repeated attempts too frequently or exceeding its "       \
      "amount limit.")                                                                             \
    X(EXPIRED, "expired_card", "expired_card", "Your card has expired.")                           \
    X(CVC, "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")            \
    X(PROCESSING, "processing_error", "processing_error",                                          \
      "An error occurred while processing your card. Try again in a little bit.")                  \
    X(AUTHENTICATION, "payment_intent_authentication_failure", "",                                 \
      "The provided PaymentMethod has failed authentication. You can provide payment_method_data " \
      "or a new PaymentMethod to attempt to fulfill this PaymentIntent again.")

enum psp_decline {
    PSP_DECLINE_NONE = 0,
#define X(name, ...) PSP_DECLINE_##name,
    PSP_DECLINES(X)
#undef X
        PSP_DECLINE_COUNT
};

struct psp_decline_row {
    const char *code;
    const char *decline_code; /* "": none */
    const char *message;
};

extern const struct psp_decline_row psp_decline_rows[PSP_DECLINE_COUNT];

enum psp_card_kind {
    PSP_CARD_PAYS,
    PSP_CARD_DECLINED,       /* at confirmation */
    PSP_CARD_ASKS,           /* its holder must authenticate first */
    PSP_CARD_REFUND_PENDING, /* pays; a refund becomes `succeeded` later */
    PSP_CARD_REFUND_FAILS,   /* pays; a refund becomes `failed` later */
};

struct psp_card {
    const char *name; /* without pm_card_: the same after tok_ */
    const char *brand;
    const char *last4;
    const char *funding;
    enum psp_card_kind kind;
    enum psp_decline decline;
};

/* Of "pm_card_visa" or "tok_visa"; NULL: no such test card. */
const struct psp_card *psp_card_find(const char *payment_method);

#endif
