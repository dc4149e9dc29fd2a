/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics of payment gateways: what they were asked, and the events that came from them. */
#include "api/metrics_page.h"
#include "outbound/gateways/gateways.h"

/* One sample of a metric with the label `provider` and at most two more. */
static void write_provider(struct writer *writer, const char *name, unsigned provider,
                           const char *const labels[4], int64_t value)
{
    static const char *const providers[PROVIDER_COUNT] = {
#define X(id, text) [PROVIDER_##id] = text,
        PAYMENT_PROVIDERS(X)
#undef X
    };

    write_literal(writer, "stampede_");
    write_text(writer, name);
    write_literal(writer, "{provider=\"");
    write_text(writer, providers[provider]);
    for (unsigned i = 0; i < 4 && labels[i] != NULL; i += 2) {
        write_literal(writer, "\",");
        write_text(writer, labels[i]);
        write_literal(writer, "=\"");
        write_text(writer, labels[i + 1]);
    }
    write_literal(writer, "\"} ");
    write_signed(writer, value);
    write_byte(writer, '\n');
}

/* Results that have not been are left out. */
void metrics_write_gateways(struct writer *writer, const struct api *api)
{
    static const char *const none[4] = {NULL};
    struct gateway_metrics metrics;

    if (api->options.gateways == NULL)
        return;
    struct gateway_port port = gateways_port(api->options.gateways);

    gateways_metrics_get(api->options.gateways, &metrics);
    write_type(writer, "gateway_calls_total", "counter", "Calls to payment gateways, by result");
    for (unsigned i = 0; i < PROVIDER_COUNT * GATEWAY_OPERATION_COUNT * GATEWAY_RESULT_COUNT; i++) {
        uint8_t result = (uint8_t)(i % GATEWAY_RESULT_COUNT);
        uint8_t operation = (uint8_t)(i / GATEWAY_RESULT_COUNT % GATEWAY_OPERATION_COUNT);
        unsigned provider = i / GATEWAY_RESULT_COUNT / GATEWAY_OPERATION_COUNT;
        const char *labels[4] = {"operation", gateway_operation_name(operation), "result",
                                 gateway_result_name(result)};

        if (metrics.calls[provider][operation][result] > 0)
            write_provider(writer, "gateway_calls_total", provider, labels,
                           metrics.calls[provider][operation][result]);
    }
    write_type(writer, "gateway_calls_refused_total", "counter",
               "Calls to payment gateways not begun: too many, or no such provider");
    for (uint8_t i = 0; i < PROVIDER_COUNT; i++) {
        if (port.has(port.self, i) || metrics.calls_refused[i] > 0)
            write_provider(writer, "gateway_calls_refused_total", i, none,
                           metrics.calls_refused[i]);
    }
    write_type(writer, "gateway_mismatches_total", "counter",
               "Answers about another payment, order, currency or amount than was asked about");
    for (uint8_t i = 0; i < PROVIDER_COUNT; i++) {
        if (port.has(port.self, i))
            write_provider(writer, "gateway_mismatches_total", i, none, metrics.mismatches[i]);
    }
    write_type(writer, "gateway_events_total", "counter", "Events from payment gateways");
    for (unsigned i = 0; i < PROVIDER_COUNT * GATEWAY_EVENT_RESULT_COUNT; i++) {
        uint8_t result = (uint8_t)(i % GATEWAY_EVENT_RESULT_COUNT);
        unsigned provider = i / GATEWAY_EVENT_RESULT_COUNT;
        const char *labels[4] = {"result", gateway_event_result_name(result)};

        if (metrics.events[provider][result] > 0)
            write_provider(writer, "gateway_events_total", provider, labels,
                           metrics.events[provider][result]);
    }
}

void metrics_write_events_in(struct writer *writer, const struct api *api)
{
    static const char *const outcomes[WEBHOOK_OUTCOME_COUNT] = {
#define X(name, text) [WEBHOOK_##name] = text,
        WEBHOOK_OUTCOMES(X)
#undef X
    };

    write_type(writer, "webhooks_in_total", "counter", "Events that came from payment gateways");
    for (unsigned i = 0; i < PROVIDER_COUNT * WEBHOOK_OUTCOME_COUNT; i++) {
        unsigned provider = i / WEBHOOK_OUTCOME_COUNT;
        unsigned outcome = i % WEBHOOK_OUTCOME_COUNT;
        const char *labels[4] = {"outcome", outcomes[outcome]};
        uint64_t count = 0;

        for (uint32_t n = 0; n < api->shard_count; n++)
            count += counter_read(&api->shards[n].counters.webhooks[provider][outcome]);
        if (count > 0)
            write_provider(writer, "webhooks_in_total", provider, labels, (int64_t)count);
    }
}
