/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a payment, and who moves it. Stored: numbers never change their meaning. */
#ifndef STAMPEDE_PAYMENT_STATE_H
#define STAMPEDE_PAYMENT_STATE_H

/* name, text in the API */
#define PAYMENT_PROVIDERS(X)                                                                       \
    X(SANDBOX, "sandbox")                                                                          \
    X(STRIPE, "stripe")                                                                            \
    X(PAYPAL, "paypal")                                                                            \
    X(RAZORPAY, "razorpay")

enum payment_provider {
#define X(name, text) PROVIDER_##name,
    PAYMENT_PROVIDERS(X)
#undef X
        PROVIDER_COUNT
};

/* In this order they can only go forward; CANCELLED and CAPTURED are ends. */
#define PAYMENT_STATES(X)                                                                          \
    X(NONE, "none")                                                                                \
    X(CREATED, "created")       /* the customer has yet to pay */                                  \
    X(PROCESSING, "processing") /* the gateway is at it */                                         \
    X(AUTHORISED, "authorised") /* reserved on the card: can be captured or cancelled */           \
    X(CAPTURED, "captured")     /* the money is ours */                                            \
    X(CANCELLED, "cancelled")

enum payment_state {
#define X(name, text) PAYMENT_##name,
    PAYMENT_STATES(X)
#undef X
        PAYMENT_STATE_COUNT
};

enum {
    PAYMENT_ID_MAX = 64,      /* a gateway's name of a payment, refund or event */
    PAYMENT_METHOD_MAX = 64,  /* a token of a card; never its number */
    PAYMENT_SECRET_MAX = 128, /* what the customer's browser confirms with */
    PAYMENT_URL_MAX = 500,
};

#endif
