/* SPDX-License-Identifier: Apache-2.0 */
/* Stripe's API (docs.stripe.com/api), version STRIPE_VERSION: payment intents that are authorised
 * first (capture_method=manual). What a job becomes as a request, and what an answer means for the
 * job; both pure. gateways.c sends.
 *
 *   CREATE   POST /v1/payment_intents              CAPTURE  POST /v1/payment_intents/ID/capture
 *   CONFIRM  POST /v1/payment_intents/ID/confirm   CANCEL   POST /v1/payment_intents/ID/cancel
 *   QUERY    GET  /v1/payment_intents/ID           REFUND   POST /v1/refunds
 *
 * What comes of it
 *   2xx, readable               by the payment's state: DONE where it is the one that was wanted
 *   402 with card_error         CONFIRM: DECLINED with the bank's code; else REFUSED
 *   an error with the payment   DONE if the payment is where it was to be; else REFUSED
 *   other 400 to 499, readable  REFUSED, with the error's code
 *   401, 403                    UNAVAILABLE: our key is wrong or may not; nothing happened
 *   409, idempotency_key_in_use UNKNOWN: the same is under way
 *   429                         UNAVAILABLE, with retry_after_s
 *   5xx, unreadable, redirected UNKNOWN
 *   no answer                   UNKNOWN if the request may have been seen; else UNAVAILABLE
 *
 * A refund that is pending is DONE: it is Stripe's now, and an event tells if it fails. */
#ifndef STAMPEDE_GATEWAY_STRIPE_H
#define STAMPEDE_GATEWAY_STRIPE_H

#include "api/json.h"
#include "outbound/gateways/gateways_private.h"

#define STRIPE_VERSION "2024-06-20"

enum {
    STRIPE_ANSWER_MAX = 64 << 10,
    STRIPE_BODY_MAX = 1024,
    STRIPE_LINES = 4,
    STRIPE_LINE_MAX = 320,
    STRIPE_REQUEST_URL_MAX = GATEWAY_URL_MAX + PAYMENT_ID_MAX + 80,
};

/* Constant while serving. */
struct stripe_settings {
    char base_url[GATEWAY_URL_MAX + 1]; /* without a slash at the end */
    char secret_key[GATEWAY_SECRET_LENGTH_MAX + 1];
    bool confirms;
};

struct stripe_request {
    enum outbound_method method;
    char url[STRIPE_REQUEST_URL_MAX + 1];
    char lines[STRIPE_LINES][STRIPE_LINE_MAX + 1]; /* the secret is in one */
    const char *headers[STRIPE_LINES];
    uint32_t header_count;
    char body[STRIPE_BODY_MAX];
    size_t body_length;
};

/* False: such a job is never sent; its result is set. */
bool stripe_request_write(const struct stripe_settings *settings, struct gateway_job *job,
                          struct stripe_request *request_out);

/* Sets the job's result by what came of the request. `memory` is json_memory_needed of
 * STRIPE_ANSWER_MAX. True: the answer was about something else (gateways.h, rule 1). */
bool stripe_answer_read(struct gateway_job *job, const struct outbound_job *request,
                        struct json_memory memory);

#endif
