/* SPDX-License-Identifier: Apache-2.0 */
/* Events of payment gateways: their signatures are all that proves who sends them. One is
 * acknowledged when it is stored with its effect, or when sending it again would change nothing;
 * whatever else happens, the gateway is told to try again. */
#include <string.h>

#include "api/log.h"
#include "api/order_flow.h"
#include "outbound/gateways/gateways.h"
#include "records.h"

struct webhook {
    struct order_flow flow; /* first */
    uint8_t provider;
    uint8_t kind;            /* enum gateway_event_kind */
    int64_t created_wall_ms; /* when it happened, as the gateway says; 0: it does not */
    char event_id[PAYMENT_ID_MAX + 1];
};

_Static_assert(offsetof(struct webhook, flow) == 0, "a webhook is found by its flow");

static void count(struct api_shard *shard, uint8_t provider, enum webhook_outcome outcome)
{
    counter_add(&shard->counters.webhooks[provider][outcome], 1);
}

static void count_lag(const struct webhook *webhook)
{
    struct api_shard *shard = webhook->flow.shard;

    if (webhook->created_wall_ms != 0)
        counters_count_lag(&shard->counters.webhook_lag_in[webhook->provider],
                           engine_now(shard->api->engine).wall_ms - webhook->created_wall_ms);
}

static void acknowledge(struct http_exchange *exchange)
{
    if (exchange != NULL)
        http_respond(exchange, 200, "application/json", "{}", 2);
}

/* Money that is not where the order says it is: somebody should look. */
static void log_event(const struct webhook *webhook, const char *what)
{
    const struct engine *engine = webhook->flow.shard->api->engine;
    char id[RESERVATION_ID_LENGTH + 1];
    struct log_line line;

    order_id_format(&webhook->flow.id, &engine_secrets(engine)->id_key, id);
    log_begin(&line, LOG_WARNING, what, engine_now(engine).wall_ms);
    log_text(&line, "provider", payment_provider_name((enum payment_provider)webhook->provider));
    log_text(&line, "event", webhook->event_id);
    log_text(&line, "order", id);
    log_end(&line);
}

static void taken(struct order_flow *flow, enum outcome outcome)
{
    const struct webhook *webhook = (const struct webhook *)(const void *)flow;
    enum webhook_outcome counted = WEBHOOK_UNAVAILABLE;

    if (outcome == OUTCOME_NOT_FOUND) {
        counted = WEBHOOK_NOT_OURS;
    } else if (outcome == OUTCOME_OK && flow->answer->replayed) {
        counted = WEBHOOK_REPEATED;
    } else if (outcome == OUTCOME_OK && flow->answer->event.effect == EVENT_MISMATCHED) {
        counted = WEBHOOK_MISMATCHED;
        log_event(webhook, "payment_event_mismatched");
    } else if (outcome == OUTCOME_OK) {
        counted = WEBHOOK_STORED;
        count_lag(webhook);
        if (webhook->kind == GATEWAY_EVENT_REFUND_FAILED)
            log_event(webhook, "payment_refund_failed");
    }
    count(flow->shard, webhook->provider, counted);
    if (counted == WEBHOOK_UNAVAILABLE) {
        order_flow_refuse(flow, outcome);
        return;
    }
    acknowledge(order_flow_exchange(flow));
    order_flow_end(flow);
}

/* Of a refund the amounts are not the payment's. */
static uint8_t state_told(const struct gateway_event *event)
{
    return event->kind == GATEWAY_EVENT_REFUNDED || event->kind == GATEWAY_EVENT_REFUND_FAILED
               ? PAYMENT_NONE
               : event->state;
}

static void take(struct api_call *call, uint8_t provider, const struct gateway_event *event)
{
    struct webhook *webhook = (struct webhook *)(void *)order_flow_start(call, sizeof(*webhook));
    struct order_envelope *envelope;

    if (webhook == NULL) {
        count(call->shard, provider, WEBHOOK_UNAVAILABLE);
        return;
    }
    webhook->flow.authority = AUTHORITY_STAFF; /* by its signature */
    webhook->provider = provider;
    webhook->kind = event->kind;
    webhook->created_wall_ms = event->created_s * 1000;
    memcpy(webhook->event_id, event->event_id, sizeof(webhook->event_id));
    if (event->payment_id[0] == '\0' ||
        !order_flow_read_id(&webhook->flow, event->order_id, strlen(event->order_id))) {
        taken(&webhook->flow, OUTCOME_NOT_FOUND);
        return;
    }
    envelope = order_flow_envelope(&webhook->flow, ORDER_CALL_EVENT);
    if (envelope != NULL) {
        envelope->event =
            (struct payment_event){.provider = provider,
                                   .state = state_told(event),
                                   .amount_minor = event->amount_minor,
                                   .captured_minor = event->captured_minor,
                                   .told_wall_ms = event->created_s * 1000,
                                   .refund_failed = event->kind == GATEWAY_EVENT_REFUND_FAILED};
        if (event->kind == GATEWAY_EVENT_REFUNDED && event->refunded_minor > 0)
            envelope->event.refunded_minor = event->refunded_minor;
        memcpy(envelope->event.event_id, event->event_id, sizeof(envelope->event.event_id));
        memcpy(envelope->event.payment_id, event->payment_id, sizeof(envelope->event.payment_id));
        memcpy(envelope->event.currency, event->currency, sizeof(envelope->event.currency));
    }
    order_flow_ask(&webhook->flow, envelope, taken);
}

/* PROVIDER_COUNT: none of that name. */
static uint8_t provider_of(struct api_call *call)
{
    char name[16];
    int length = http_path_parameter(call->exchange, 0, name, sizeof(name));
    uint8_t provider = 0;

    if (length <= 0)
        return PROVIDER_COUNT;
    while (provider < PROVIDER_COUNT &&
           strcmp(payment_provider_name((enum payment_provider)provider), name) != 0)
        provider++;
    return provider;
}

static enum gateway_event_result read_event(struct api_call *call, uint8_t provider,
                                            struct gateway_event *event_out)
{
    static const char *const headers[GATEWAY_HEADER_COUNT] = {
#define X(name, header) [GATEWAY_HEADER_##name] = header,
        GATEWAY_EVENT_HEADERS(X)
#undef X
    };
    const struct api *api = call->shard->api;
    struct http_slice body = http_exchange_body(call->exchange);
    struct gateway_event_input input = {.body = {body.data == NULL ? "" : body.data, body.length},
                                        .now_wall_ms = engine_now(api->engine).wall_ms,
                                        .memory = call->shard->json};

    if (provider == PROVIDER_COUNT || api->options.gateways == NULL)
        return GATEWAY_EVENT_NO_PROVIDER;
    for (unsigned i = 0; i < GATEWAY_HEADER_COUNT; i++) {
        struct http_slice value = http_exchange_header_find(call->exchange, headers[i]);

        input.headers[i] = (struct slice){value.data == NULL ? "" : value.data, value.length};
    }
    return gateways_read_event(api->options.gateways, provider, &input, event_out);
}

void api_webhook(struct api_call *call)
{
    uint8_t provider = provider_of(call);
    struct gateway_event event;
    enum gateway_event_result result = read_event(call, provider, &event);

    switch (result) {
    case GATEWAY_EVENT_GENUINE:
        take(call, provider, &event);
        return;
    case GATEWAY_EVENT_UNREADABLE:
        count(call->shard, provider, WEBHOOK_UNREADABLE);
        acknowledge(call->exchange);
        return;
    case GATEWAY_EVENT_FORGED:
        count(call->shard, provider, WEBHOOK_FORGED);
        problem_respond(call->exchange, PROBLEM_INVALID_SIGNATURE,
                        "No signature of this body by a secret of this shop.");
        return;
    case GATEWAY_EVENT_STALE:
        count(call->shard, provider, WEBHOOK_STALE);
        problem_respond(call->exchange, PROBLEM_INVALID_SIGNATURE,
                        "The signature is right, but too old, or of the future.");
        return;
    case GATEWAY_EVENT_NO_PROVIDER:
    case GATEWAY_EVENT_RESULT_COUNT:
        break;
    }
    problem_respond(call->exchange, PROBLEM_NOT_FOUND,
                    "There is no such payment gateway here, or it sends no events.");
}
