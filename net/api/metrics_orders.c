/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics of what is sold: orders by what became of them, how long they took, tries to pay. */
#include "api/metrics_page.h"

static void write_labelled(struct writer *writer, const char *name, const char *label,
                           const char *value, int64_t count)
{
    write_literal(writer, "stampede_");
    write_text(writer, name);
    write_byte(writer, '{');
    write_text(writer, label);
    write_literal(writer, "=\"");
    write_text(writer, value);
    write_literal(writer, "\"} ");
    write_signed(writer, count);
    write_byte(writer, '\n');
}

static void write_confirmations(struct writer *writer, const struct api *api)
{
    static const char *const results[CONFIRMATION_RESULT_COUNT] = {
#define X(name, text) [CONFIRMATION_##name] = (text),
        CONFIRMATION_RESULTS(X)
#undef X
    };

    write_type(writer, "payment_confirmations_total", "counter",
               "Tries to pay, by what became of them");
    for (unsigned result = 0; result < CONFIRMATION_RESULT_COUNT; result++) {
        uint64_t count = 0;

        for (uint32_t i = 0; i < api->shard_count; i++)
            count += counter_read(&api->shards[i].counters.confirmations[result]);
        write_labelled(writer, "payment_confirmations_total", "result", results[result],
                       (int64_t)count);
    }
}

static void write_bucket(struct writer *writer, const char *status, unsigned bucket, int64_t count)
{
    write_literal(writer, "stampede_order_fulfilment_seconds_bucket{status=\"");
    write_text(writer, status);
    write_literal(writer, "\",le=\"");
    if (bucket == ORDER_STAGE_BUCKETS)
        write_literal(writer, "+Inf");
    else
        write_unsigned(writer, order_stage_bounds_s[bucket]);
    write_literal(writer, "\"} ");
    write_signed(writer, count);
    write_byte(writer, '\n');
}

static void write_stage(struct writer *writer, const struct order_metrics *metrics, unsigned stage)
{
    const char *status = order_status_name((enum order_status)stage);
    int64_t sum_ms = metrics->stages[stage].sum_ms;
    int64_t count = 0;

    for (unsigned bucket = 0; bucket <= ORDER_STAGE_BUCKETS; bucket++) {
        count += metrics->stages[stage].buckets[bucket];
        write_bucket(writer, status, bucket, count);
    }
    write_literal(writer, "stampede_order_fulfilment_seconds_sum{status=\"");
    write_text(writer, status);
    write_literal(writer, "\"} ");
    write_signed(writer, sum_ms / 1000);
    write_byte(writer, '.');
    for (int64_t digit = 100; digit > 0; digit /= 10)
        write_byte(writer, (char)('0' + sum_ms / digit % 10));
    write_byte(writer, '\n');
    write_labelled(writer, "order_fulfilment_seconds_count", "status", status, count);
}

static void write_streams(struct writer *writer, const struct api *api)
{
    uint64_t open = 0;
    uint64_t cut = 0;

    for (uint32_t i = 0; i < api->shard_count; i++) {
        open += counter_read(&api->shards[i].counters.streams);
        cut += counter_read(&api->shards[i].counters.streams_cut);
    }
    write_type(writer, "order_streams_open", "gauge", "Streams of an order's changes");
    write_literal(writer, "stampede_order_streams_open ");
    write_unsigned(writer, open);
    write_byte(writer, '\n');
    write_type(writer, "order_streams_cut_total", "counter",
               "Of those: cut off because their readers did not read");
    write_literal(writer, "stampede_order_streams_cut_total ");
    write_unsigned(writer, cut);
    write_byte(writer, '\n');
}

void write_orders(struct writer *writer, const struct api *api)
{
    static const uint8_t stages[] = {ORDER_FULFILLING, ORDER_SHIPPED, ORDER_DELIVERED};
    struct order_metrics metrics;

    engine_order_metrics(api->engine, &metrics);
    write_type(writer, "orders_total", "counter", "Orders that came to a status since the start");
    for (unsigned status = ORDER_PENDING; status < ORDER_STATUS_COUNT; status++)
        write_labelled(writer, "orders_total", "status",
                       order_status_name((enum order_status)status), metrics.reached[status]);
    write_type(writer, "order_fulfilment_seconds", "histogram",
               "From an order's confirmation to its first parcel, its shipping, its delivery");
    for (unsigned i = 0; i < sizeof(stages); i++)
        write_stage(writer, &metrics, stages[i]);
    write_confirmations(writer, api);
    write_streams(writer, api);
}
