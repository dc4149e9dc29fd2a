/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics of finding: questions about the catalogue, by what became of them. */
#include "api/metrics_page.h"

static const char *const names[FINDING_COUNT] = {
#define X(name, text) [FINDING_##name] = (text),
    FINDINGS(X)
#undef X
};

static const char *const results[FINDING_RESULT_COUNT] = {
#define X(name, text) [FINDING_WAS_##name] = (text),
    FINDING_RESULTS(X)
#undef X
};

static void write_results(struct writer *writer, const struct api *api)
{
    write_type(writer, "findings_total", "counter",
               "Listings, searches, suggestions and trees of categories that were asked for, by "
               "what became of them");
    for (unsigned name = 0; name < FINDING_COUNT; name++) {
        for (unsigned result = 0; result < FINDING_RESULT_COUNT; result++) {
            uint64_t count = 0;

            for (uint32_t i = 0; i < api->shard_count; i++)
                count += counter_read(&api->shards[i].counters.findings[name][result]);
            write_literal(writer, "stampede_findings_total{kind=\"");
            write_text(writer, names[name]);
            write_literal(writer, "\",result=\"");
            write_text(writer, results[result]);
            write_literal(writer, "\"} ");
            write_unsigned(writer, count);
            write_byte(writer, '\n');
        }
    }
}

static void write_line(struct writer *writer, const char *suffix, unsigned name)
{
    write_literal(writer, "stampede_finding_duration_seconds");
    write_text(writer, suffix);
    write_literal(writer, "{kind=\"");
    write_text(writer, names[name]);
    write_byte(writer, '"');
}

static void write_latencies(struct writer *writer, const struct api *api)
{
    write_type(writer, "finding_duration_seconds", "histogram",
               "From a question that nobody else had asked to its answer");
    for (unsigned name = 0; name < FINDING_COUNT; name++) {
        uint64_t count = 0;
        uint64_t sum_ns = 0;

        for (unsigned bucket = 0; bucket <= LATENCY_BUCKETS; bucket++) {
            for (uint32_t i = 0; i < api->shard_count; i++)
                count +=
                    counter_read(&api->shards[i].counters.finding_latency[name].buckets[bucket]);
            write_line(writer, "_bucket", name);
            write_literal(writer, ",le=\"");
            if (bucket == LATENCY_BUCKETS)
                write_literal(writer, "+Inf");
            else
                write_seconds(writer, 1ULL << (bucket + LATENCY_SHIFT));
            write_literal(writer, "\"} ");
            write_unsigned(writer, count);
            write_byte(writer, '\n');
        }
        for (uint32_t i = 0; i < api->shard_count; i++)
            sum_ns += counter_read(&api->shards[i].counters.finding_latency[name].sum_ns);
        write_line(writer, "_sum", name);
        write_literal(writer, "} ");
        write_seconds(writer, sum_ns);
        write_byte(writer, '\n');
        write_line(writer, "_count", name);
        write_literal(writer, "} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
}

void metrics_write_findings(struct writer *writer, const struct api *api)
{
    uint64_t open = 0;

    write_results(writer, api);
    write_latencies(writer, api);
    for (uint32_t i = 0; i < api->shard_count; i++)
        open += counter_read(&api->shards[i].counters.findings_open);
    write_figure(writer, "findings_open", "gauge",
                 "Listings and the like that are being found, or wait for it", (int64_t)open);
    if (api->options.finders_queued != NULL)
        write_figure(writer, "finders_queued", "gauge", "Of those: that wait for a thread",
                     (int64_t)api->options.finders_queued(api->options.finders));
}
