/* SPDX-License-Identifier: Apache-2.0 */
/* Stripe's webhooks: signatures (docs.stripe.com/webhooks/signature) and events. Pure.
 *
 *   Stripe-Signature: t=SECONDS,v1=HEX[,v1=HEX...][,v0=HEX]
 *
 * A v1 is HMAC-SHA-256 over "SECONDS.BODY" under a whole secret ("whsec_..." and all). While
 * secrets are changed there are several of both; one pair that fits is enough. */
#ifndef STAMPEDE_STRIPE_EVENTS_H
#define STAMPEDE_STRIPE_EVENTS_H

#include "outbound/gateways/gateways.h"

enum {
    STRIPE_EVENT_AGE_S_MAX = 300,
    STRIPE_EVENT_AHEAD_S_MAX = 60, /* so far may Stripe's clock be before ours */
    STRIPE_SIGNATURES_MAX = 16,    /* v1s in a header; more are no header of Stripe's */
};

struct stripe_event_secrets {
    char texts[GATEWAY_SECRETS_MAX][GATEWAY_SECRET_LENGTH_MAX + 1];
    uint32_t count;
};

/* GENUINE, STALE or FORGED. Signatures are compared in constant time. */
enum gateway_event_result stripe_signature_check(const struct stripe_event_secrets *secrets,
                                                 struct slice header, struct slice body,
                                                 int64_t now_s);

/* Reads the body of a genuine event; false if it is none that can be read. `event_out` begins as
 * gateways_read_event makes it. */
bool stripe_event_read(const struct gateway_event_input *input, struct gateway_event *event_out);

#endif
