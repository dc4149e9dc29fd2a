/* SPDX-License-Identifier: Apache-2.0 */
/* Who moves the money: fills the engine's gateway port (engine/ports.h, which describes a job and
 * its result), and reads the events that gateways send (gateway_event.h).
 *
 * Providers
 *  - sandbox: built in, on the calling thread, keeps no books (sandbox.h);
 *  - stripe: Stripe's API over the outbound port, at any base URL (stripe.h);
 *  - others: `has` says no, their jobs are refused and their events are no provider's.
 *
 * Rules
 *  1. What is told as DONE was said by the gateway, of the payment and order that were asked about.
 *     An answer about another payment, order, currency or amount is REFUSED ("..._mismatch"), and
 *     counted: somebody should look.
 *  2. Without a readable word UNKNOWN, unless nothing of the request can have been seen: then
 *     UNAVAILABLE. QUERY changes nothing and is UNAVAILABLE in both cases. UNAVAILABLE speaks of
 *     this call alone: an earlier one under the same key that ended UNKNOWN stays so.
 *  3. Secrets stand in no message, metric or URL, and are wiped at the end.
 *  4. Stripe keeps what it answered to a key, its errors of 500 among it, for a day or more, and
 *     repeats it as it was: a repeated job may tell the state of the first time. Who hears UNKNOWN
 *     again and again asks by QUERY, or takes another key where a second effect does no harm. After
 *     that day a repeated key is a new one: a REFUND that old is looked up before it is repeated.
 */
#ifndef STAMPEDE_GATEWAYS_H
#define STAMPEDE_GATEWAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outbound/gateways/gateway_event.h"
#include "ports.h"

enum {
    GATEWAY_CALLS_MAX = 256, /* under way at other hosts; more are refused */
    GATEWAY_SECRETS_MAX = 8, /* that events may be signed by, for rotation */
    GATEWAY_SECRET_LENGTH_MAX = 200,
    GATEWAY_URL_MAX = 300,
    GATEWAY_OPERATION_COUNT = GATEWAY_QUERY + 1,
    GATEWAY_RESULT_COUNT = GATEWAY_UNAVAILABLE + 1,
};

#define STRIPE_BASE_URL "https://api.stripe.com"

/* CONFIRM, REFUSED: the method is none that the gateway knows; the caller's mistake. */
#define GATEWAY_REASON_METHOD "unknown_payment_method"

/* Texts are copied. */
struct gateways_options {
    bool sandbox;
    const char *stripe_secret_key;    /* "": no Stripe */
    const char *stripe_base_url;      /* http:// or https://, no user, query or fragment */
    bool stripe_confirm;              /* takes CONFIRM: with a test key, or at this machine */
    const char *stripe_event_secrets; /* one a line, blank lines are skipped; "": no events */
};

/* The defaults: the sandbox and nothing else. */
void gateways_options_default(struct gateways_options *options_out);

struct gateways;

/* `outbound` is where requests go; it ends before gateways_destroy, so that no call is under way
 * then. NULL with a line for people in `error`. Start-up thread. */
struct gateways *gateways_create(const struct gateways_options *options,
                                 const struct outbound_port *outbound, char *error,
                                 size_t error_size);
void gateways_destroy(struct gateways *gateways);

/* The port for the engine; good until gateways_destroy. */
struct gateway_port gateways_port(struct gateways *gateways);

/* Whether the URL's host is this machine: 127.0.0.0/8, [::1] or localhost. Pure. */
bool gateway_url_is_loopback(const char *url);

/* Checks and reads one event (gateway_event.h); any thread. Nothing of the body is parsed before
 * its signature is found to be good. */
enum gateway_event_result gateways_read_event(struct gateways *gateways, uint8_t provider,
                                              const struct gateway_event_input *input,
                                              struct gateway_event *event_out);

/* Counters since the start; any thread. */
struct gateway_metrics {
    int64_t calls[PROVIDER_COUNT][GATEWAY_OPERATION_COUNT][GATEWAY_RESULT_COUNT];
    int64_t calls_refused[PROVIDER_COUNT]; /* at submission: too many, or no such provider */
    int64_t mismatches[PROVIDER_COUNT];    /* rule 1 */
    int64_t events[PROVIDER_COUNT][GATEWAY_EVENT_RESULT_COUNT];
};

void gateways_metrics_get(const struct gateways *gateways, struct gateway_metrics *metrics_out);

/* As in metrics and logs: "create", "capture"; "done", "unavailable"; "genuine", "forged". */
const char *gateway_operation_name(uint8_t operation);
const char *gateway_result_name(uint8_t result);
const char *gateway_event_result_name(uint8_t result);

#endif
