/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics of HTTP: connections, TLS, requests by route and status, and how long they took. */
#include "api/metrics_page.h"
#include "http/http_tls.h"

/* Figures of the HTTP layer: member, name, kind, help. */
#define HTTP_FIGURES(X)                                                                            \
    X(connections_accepted, "http_connections_accepted_total", "counter", "Connections let in")    \
    X(connections_refused, "http_connections_refused_total", "counter",                            \
      "Connections refused at the door")                                                           \
    X(connections_open, "http_connections_open", "gauge", "Connections open now")                  \
    X(exchanges_open, "http_exchanges_open", "gauge", "Requests not yet answered")                 \
    X(bytes_received, "http_received_bytes_total", "counter", "Bytes received")                    \
    X(bytes_sent, "http_sent_bytes_total", "counter", "Bytes sent")                                \
    X(memory_bytes, "http_buffer_bytes", "gauge", "Bytes of input and output buffers in use")      \
    X(pipeline_stalls, "http_pipeline_stalls_total", "counter",                                    \
      "Times a connection was not read because too many of its requests were under way")           \
    X(tls_handshakes, "tls_handshakes_total", "counter", "TLS handshakes that succeeded")          \
    X(tls_resumptions, "tls_resumptions_total", "counter",                                         \
      "TLS handshakes that resumed an earlier session")                                            \
    X(tls_failures, "tls_handshake_failures_total", "counter",                                     \
      "TLS handshakes that failed or were given up")                                               \
    X(proxy_refusals, "proxy_protocol_refusals_total", "counter",                                  \
      "Connections from no trusted proxy, or without a good PROXY header")

enum http_figure {
#define X(member, name, kind, help) FIGURE_##member,
    HTTP_FIGURES(X)
#undef X
        FIGURE_COUNT
};

struct http_sums {
    uint64_t figures[FIGURE_COUNT];
    uint64_t closed[HTTP_CLOSE_COUNT];
};

static void add_server(const struct http_counters *counters, struct http_sums *sums)
{
#define X(member, name, kind, help)                                                                \
    sums->figures[FIGURE_##member] += counter_read(&counters->member);
    HTTP_FIGURES(X)
#undef X
    for (unsigned i = 0; i < HTTP_CLOSE_COUNT; i++)
        sums->closed[i] += counter_read(&counters->closed[i]);
}

void metrics_write_http(struct writer *writer, const struct api *api)
{
    static const char *const reasons[HTTP_CLOSE_COUNT] = {
#define X(name, text) [HTTP_CLOSE_##name] = text,
        HTTP_CLOSE_TABLE(X)
#undef X
    };
    struct http_sums sums = {0};

    for (uint32_t i = 0; i < api->shard_count; i++) {
        /* A server is closed only after a drain, and is gone only when its loop has run on. */
        struct http_server *server =
            atomic_load_explicit(&api->shards[i].server, memory_order_acquire);
        if (server != NULL)
            add_server(http_server_counters(server), &sums);
    }
#define X(member, name, kind, help)                                                                \
    write_figure(writer, name, kind, help, (int64_t)sums.figures[FIGURE_##member]);
    HTTP_FIGURES(X)
#undef X
    if (api->options.http.tls != NULL)
        write_figure(writer, "tls_certificate_expires_seconds", "gauge",
                     "End of the certificate in use, in seconds since 1970",
                     http_tls_expires_s(api->options.http.tls));
    write_type(writer, "http_connections_closed_total", "counter", "Connections closed, by reason");
    for (unsigned i = 0; i < HTTP_CLOSE_COUNT; i++) {
        write_literal(writer, "stampede_http_connections_closed_total{reason=\"");
        write_text(writer, reasons[i]);
        write_literal(writer, "\"} ");
        write_unsigned(writer, sums.closed[i]);
        write_byte(writer, '\n');
    }
}

static uint64_t sum_requests(const struct api *api, unsigned route, unsigned status)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < api->shard_count; i++)
        sum += counter_read(&api->shards[i].counters.requests[route][status]);
    return sum;
}

void metrics_write_requests(struct writer *writer, const struct api *api)
{
    static const char *const statuses[STATUS_COUNT] = {
#define X(status) [STATUS_##status] = #status,
        API_STATUSES(X)
#undef X
            [STATUS_OTHER] = "other",
    };

    write_type(writer, "http_requests_total", "counter",
               "Requests answered, by route and status (499: the client left before its answer)");
    for (unsigned route = 0; route <= ROUTE_COUNT; route++) {
        for (unsigned status = 0; status < STATUS_COUNT; status++) {
            uint64_t count = sum_requests(api, route, status);
            if (count == 0)
                continue;
            write_literal(writer, "stampede_http_requests_total{route=\"");
            write_text(writer, route == ROUTE_COUNT ? "none" : route_name(&api->routes[route]));
            write_literal(writer, "\",status=\"");
            write_text(writer, statuses[status]);
            write_literal(writer, "\"} ");
            write_unsigned(writer, count);
            write_byte(writer, '\n');
        }
    }
}

static void write_latency_line(struct writer *writer, const char *suffix, unsigned class)
{
    write_literal(writer, "stampede_http_request_duration_seconds");
    write_text(writer, suffix);
    write_literal(writer, "{class=\"");
    write_text(writer, route_class_name((enum route_class) class));
    write_byte(writer, '"');
}

void metrics_write_latencies(struct writer *writer, const struct api *api)
{
    write_type(writer, "http_request_duration_seconds", "histogram",
               "From a request's arrival to the hand-over of its answer");
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        uint64_t count = 0;
        uint64_t sum_ns = 0;
        for (unsigned bucket = 0; bucket <= LATENCY_BUCKETS; bucket++) {
            for (uint32_t i = 0; i < api->shard_count; i++)
                count += counter_read(&api->shards[i].counters.latency[class].buckets[bucket]);
            write_latency_line(writer, "_bucket", class);
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
            sum_ns += counter_read(&api->shards[i].counters.latency[class].sum_ns);
        write_latency_line(writer, "_sum", class);
        write_literal(writer, "} ");
        write_seconds(writer, sum_ns);
        write_byte(writer, '\n');
        write_latency_line(writer, "_count", class);
        write_literal(writer, "} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
}
