/* SPDX-License-Identifier: Apache-2.0 */
/* What can become of a request, as one table: the name in code and the name on the wire.
 * A refusal is a reply, not an error: it changed nothing and its key may be tried again.
 * HTTP status, title and page of each live in net/api/problems.h. */
#ifndef STAMPEDE_OUTCOMES_H
#define STAMPEDE_OUTCOMES_H

#define OUTCOMES(X)                                                                                \
    X(OK, "ok")                                                                                    \
    X(PENDING, "pending") /* engine_submit only: the answer comes by callback */                   \
    X(NOT_FOUND, "not_found")                                                                      \
    X(SOLD_OUT, "sold_out")                                                                        \
    X(INSUFFICIENT_STOCK, "insufficient_stock")                                                    \
    X(LIMIT_REACHED, "limit_reached")                                                              \
    X(KEY_IN_FLIGHT, "idempotency_in_flight")                                                      \
    X(KEY_REUSED, "idempotency_key_reused")                                                        \
    X(HOLD_ENDED, "hold_ended")                                                                    \
    X(HOLD_CAP_REACHED, "hold_cap_reached")                                                        \
    X(HOLD_IN_USE, "hold_in_use") /* it belongs to an order */                                     \
    X(STOCK_CONFLICT, "stock_conflict")                                                            \
    X(PRODUCT_EXISTS, "product_exists")                                                            \
    X(SKU_TAKEN, "sku_taken")                                                                      \
    X(EMAIL_TAKEN, "email_taken")                                                                  \
    X(PAYMENT_DECLINED, "payment_declined")                                                        \
    X(PAYMENT_IN_PROGRESS, "payment_in_progress")                                                  \
    X(METHOD_REFUSED, "payment_method_refused") /* the gateway does not know it */                 \
    X(GATEWAY_UNAVAILABLE, "gateway_unavailable")                                                  \
    X(INVALID_STATE, "invalid_state")       /* the order is not where this can be done */          \
    X(REFUND_TOO_LARGE, "refund_too_large") /* more than was captured and not given back */        \
    X(STALE, "stale")                       /* what the caller decided by has changed meanwhile */ \
    X(TOKEN_INVALID, "token_invalid")       /* unknown, used or too old */                         \
    X(FULL, "account_full")                 /* no room for one more of an account's own things */  \
    X(COUPON_EXHAUSTED, "coupon_exhausted")                                                        \
    X(COUPON_INVALID, "coupon_invalid") /* not, not yet or no longer to be used */                 \
    X(COUPON_EXISTS, "invalid_state")                                                              \
    X(COUPON_IN_USE, "invalid_state") /* more of it is used than what it is to be changed to */    \
    X(SETTING_INVALID, "validation_failed")       /* the envelope says which field */              \
    X(PRECONDITION_FAILED, "precondition_failed") /* it is not the version that was named */       \
    X(CURRENCY_IN_USE, "invalid_state")           /* units of the product are held in another */   \
    X(SKUS_EXHAUSTED, "validation_failed")        /* of one product: PRODUCT_SKUS_MAX */           \
    X(OTHER_CURRENCY, "other_currency")           /* than that of what is in the cart */           \
    X(OVERLOADED, "overloaded")                                                                    \
    X(STORAGE_FULL, "storage_full")                                                                \
    X(OUTCOME_UNKNOWN, "outcome_unknown")

enum outcome {
#define X(name, text) OUTCOME_##name,
    OUTCOMES(X)
#undef X
        OUTCOME_COUNT
};

/* The wire name of an outcome; a static string. */
const char *outcome_name(enum outcome outcome);

#endif
