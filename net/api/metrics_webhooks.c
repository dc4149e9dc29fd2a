/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics_webhooks.h"

#include "api/render.h"

struct lag_sums {
    uint64_t buckets[LAG_BUCKETS + 1];
    uint64_t count;
    uint64_t sum_ms;
};

static void add_lag(const struct lag_counters *lag, struct lag_sums *sums)
{
    for (unsigned i = 0; i <= LAG_BUCKETS; i++) {
        uint64_t value = counter_read(&lag->buckets[i]);

        sums->buckets[i] += value;
        sums->count += value;
    }
    sums->sum_ms += counter_read(&lag->sum_ms);
}

static void write_lag_line(struct writer *writer, const char *suffix, const char *direction,
                           const char *kind)
{
    write_literal(writer, "stampede_webhook_lag_seconds");
    write_text(writer, suffix);
    write_literal(writer, "{direction=\"");
    write_text(writer, direction);
    write_literal(writer, "\",kind=\"");
    write_text(writer, kind);
    write_byte(writer, '"');
}

static void write_lag(struct writer *writer, const char *direction, const char *kind,
                      const struct lag_sums *sums)
{
    static const char *const bounds[LAG_BUCKETS + 1] = {
#define X(seconds) #seconds,
        LAG_BOUNDS_S(X)
#undef X
            "+Inf"};
    uint64_t count = 0;

    if (sums->count == 0)
        return;
    for (unsigned i = 0; i <= LAG_BUCKETS; i++) {
        count += sums->buckets[i];
        write_lag_line(writer, "_bucket", direction, kind);
        write_literal(writer, ",le=\"");
        write_text(writer, bounds[i]);
        write_literal(writer, "\"} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
    write_lag_line(writer, "_sum", direction, kind);
    write_literal(writer, "} ");
    write_unsigned(writer, sums->sum_ms / 1000);
    write_byte(writer, '.');
    write_byte(writer, (char)('0' + sums->sum_ms % 1000 / 100));
    write_byte(writer, (char)('0' + sums->sum_ms % 100 / 10));
    write_byte(writer, (char)('0' + sums->sum_ms % 10));
    write_byte(writer, '\n');
    write_lag_line(writer, "_count", direction, kind);
    write_literal(writer, "} ");
    write_unsigned(writer, count);
    write_byte(writer, '\n');
}

static void write_lags(struct writer *writer, const struct api *api)
{
    struct lag_sums out = {0};

    write_literal(writer, "# HELP stampede_webhook_lag_seconds From an event to its being taken\n"
                          "# TYPE stampede_webhook_lag_seconds histogram\n");
    for (unsigned provider = 0; provider < PROVIDER_COUNT; provider++) {
        struct lag_sums in = {0};

        for (uint32_t i = 0; i < api->shard_count; i++)
            add_lag(&api->shards[i].counters.webhook_lag_in[provider], &in);
        write_lag(writer, "in", payment_provider_name((enum payment_provider)provider), &in);
    }
    for (uint32_t i = 0; i < api->shard_count; i++)
        add_lag(&api->shards[i].counters.webhook_lag_out, &out);
    write_lag(writer, "out", "endpoint", &out);
}

void metrics_write_webhooks(struct writer *writer, const struct api *api)
{
    static const char *const outcomes[ATTEMPT_COUNT] = {
#define X(name, text) [ATTEMPT_##name] = text,
        WEBHOOK_ATTEMPTS(X)
#undef X
    };
    struct engine_metrics metrics;

    write_literal(writer, "# HELP stampede_webhooks_out_total Attempts at webhooks, by outcome\n"
                          "# TYPE stampede_webhooks_out_total counter\n");
    for (unsigned outcome = 0; outcome < ATTEMPT_COUNT; outcome++) {
        uint64_t count = 0;

        for (uint32_t i = 0; i < api->shard_count; i++)
            count += counter_read(&api->shards[i].counters.webhook_attempts[outcome]);
        write_literal(writer, "stampede_webhooks_out_total{outcome=\"");
        write_text(writer, outcomes[outcome]);
        write_literal(writer, "\"} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
    engine_metrics(api->engine, &metrics);
    write_literal(writer, "# HELP stampede_webhooks_oldest_seconds "
                          "Age of the oldest event that is yet to reach an endpoint\n"
                          "# TYPE stampede_webhooks_oldest_seconds gauge\n"
                          "stampede_webhooks_oldest_seconds ");
    write_signed(writer, metrics.webhooks_oldest_seconds);
    write_byte(writer, '\n');
    write_lags(writer, api);
}
