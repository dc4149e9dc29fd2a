/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics: Prometheus' text format 0.0.4. The shards' own counters are summed as they are read, so
 * sums over several counters may be apart by what happens meanwhile. */
#include <assert.h>
#include <string.h>

#include "api/api_shard.h"
#include "api/event_feed.h"
#include "api/metrics_page.h"
#include "api/metrics_webhooks.h"
#include "api/problems.h"
#include "http/http_tls.h"
#include "outbound/feed.h"
#include "outbound/gateways/gateways.h"
#include "outbound/outbound.h"

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

void write_type(struct writer *writer, const char *name, const char *kind, const char *help)
{
    write_literal(writer, "# HELP stampede_");
    write_text(writer, name);
    write_byte(writer, ' ');
    write_text(writer, help);
    write_literal(writer, "\n# TYPE stampede_");
    write_text(writer, name);
    write_byte(writer, ' ');
    write_text(writer, kind);
    write_byte(writer, '\n');
}

static void write_sample(struct writer *writer, const char *name, int64_t value)
{
    write_literal(writer, "stampede_");
    write_text(writer, name);
    write_byte(writer, ' ');
    write_signed(writer, value);
    write_byte(writer, '\n');
}

static void write_figure(struct writer *writer, const char *name, const char *kind,
                         const char *help, int64_t value)
{
    write_type(writer, name, kind, help);
    write_sample(writer, name, value);
}

/* Nanoseconds as seconds, to the last digit. */
static void write_seconds(struct writer *writer, uint64_t ns)
{
    char digits[10];
    uint64_t rest = ns % 1000000000;

    write_unsigned(writer, ns / 1000000000);
    digits[0] = '.';
    for (unsigned i = 9; i > 0; i--, rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    write_bytes(writer, digits, sizeof(digits));
}

/* ---- HTTP ---- */

static void add_server(const struct http_counters *counters, struct http_sums *sums)
{
#define X(member, name, kind, help)                                                                \
    sums->figures[FIGURE_##member] += counter_read(&counters->member);
    HTTP_FIGURES(X)
#undef X
    for (unsigned i = 0; i < HTTP_CLOSE_COUNT; i++)
        sums->closed[i] += counter_read(&counters->closed[i]);
}

static void write_http(struct writer *writer, const struct api *api)
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

static void write_requests(struct writer *writer, const struct api *api)
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

static void write_latencies(struct writer *writer, const struct api *api)
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

/* ---- the API ---- */

static void write_refusals(struct writer *writer, const struct api *api)
{
    write_type(writer, "refusals_total", "counter", "Answers that were problems, by code");
    for (unsigned problem = 0; problem < PROBLEM_COUNT; problem++) {
        uint64_t count = 0;
        for (uint32_t i = 0; i < api->shard_count; i++)
            count += counter_read(&api->shards[i].counters.problems[problem]);
        write_literal(writer, "stampede_refusals_total{code=\"");
        write_text(writer, problem_entry((enum problem)problem)->code);
        write_literal(writer, "\"} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
    write_figure(writer, "rate_limits_enabled", "gauge", "Whether rates are limited",
                 api->options.rate_limits ? 1 : 0);
    write_type(writer, "rate_limited_total", "counter", "Requests over a rate, by class");
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        uint64_t count = 0;
        for (uint32_t i = 0; i < api->shard_count; i++)
            count += counter_read(&api->shards[i].counters.rate_limited[class]);
        write_literal(writer, "stampede_rate_limited_total{class=\"");
        write_text(writer, route_class_name((enum route_class) class));
        write_literal(writer, "\"} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
    uint64_t sessions = 0;
    for (uint32_t i = 0; i < api->shard_count; i++)
        sessions += counter_read(&api->shards[i].counters.sessions_created);
    write_figure(writer, "sessions_created_total", "counter", "Guest sessions handed out",
                 (int64_t)sessions);
}

/* ---- abuse ---- */

static void write_abuse(struct writer *writer, const struct api *api)
{
    static const char *const results[CHALLENGE_RESULT_COUNT] = {
#define X(name, text) [CHALLENGE_##name] = text,
        CHALLENGE_RESULTS(X)
#undef X
    };
    uint64_t throttled = 0;
    uint64_t given = 0;
    uint64_t workers_refused = 0;

    for (uint32_t i = 0; i < api->shard_count; i++) {
        const struct api_counters *counters = &api->shards[i].counters;
        throttled += counter_read(&counters->throttled);
        given += counter_read(&counters->altcha_given);
        workers_refused += counter_read(&counters->workers_refused);
    }
    write_figure(writer, "throttled_total", "counter",
                 "Of those: logins, passwords, mails and tokens from mails, by account and network",
                 (int64_t)throttled);
    write_figure(writer, "altcha_challenges_total", "counter", "ALTCHA challenges handed out",
                 (int64_t)given);
    write_type(writer, "challenges_total", "counter",
               "Calls that a proof (ALTCHA, captcha) was demanded of, by what came");
    for (unsigned result = 0; result < CHALLENGE_RESULT_COUNT; result++) {
        uint64_t count = 0;
        for (uint32_t i = 0; i < api->shard_count; i++)
            count += counter_read(&api->shards[i].counters.challenges[result]);
        write_literal(writer, "stampede_challenges_total{result=\"");
        write_text(writer, results[result]);
        write_literal(writer, "\"} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
    if (api->options.workers_queued != NULL)
        write_figure(writer, "workers_queued", "gauge", "Work that waits for a worker",
                     (int64_t)api->options.workers_queued(api->options.workers));
    write_figure(writer, "workers_refused_total", "counter",
                 "Work that was refused because too much waited for a worker",
                 (int64_t)workers_refused);
}

/* ---- checkouts ---- */

static void write_checkouts(struct writer *writer, const struct api *api)
{
    static const char *const results[CHECKOUT_RESULT_COUNT] = {
#define X(name, text) [CHECKOUT_##name] = (text),
        CHECKOUT_RESULTS(X)
#undef X
    };

    write_type(writer, "checkouts_total", "counter", "Checkouts, by what became of them");
    for (unsigned result = 0; result < CHECKOUT_RESULT_COUNT; result++) {
        uint64_t count = 0;

        for (uint32_t i = 0; i < api->shard_count; i++)
            count += counter_read(&api->shards[i].counters.checkouts[result]);
        write_literal(writer, "stampede_checkouts_total{result=\"");
        write_text(writer, results[result]);
        write_literal(writer, "\"} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
}

/* ---- accounts ---- */

static void write_accounts(struct writer *writer, const struct api *api)
{
    static const char *const results[LOGIN_RESULT_COUNT] = {
#define X(name, text) [LOGIN_##name] = text,
        LOGIN_RESULTS(X)
#undef X
    };
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t refused = 0;
    uint64_t waiting = 0;
    int64_t flows = 0;

    write_checkouts(writer, api);
    write_type(writer, "logins_total", "counter", "Logins, by what became of them");
    for (unsigned result = 0; result < LOGIN_RESULT_COUNT; result++) {
        uint64_t count = 0;
        for (uint32_t i = 0; i < api->shard_count; i++)
            count += counter_read(&api->shards[i].counters.logins[result]);
        write_literal(writer, "stampede_logins_total{result=\"");
        write_text(writer, results[result]);
        write_literal(writer, "\"} ");
        write_unsigned(writer, count);
        write_byte(writer, '\n');
    }
    for (uint32_t i = 0; i < api->shard_count; i++) {
        const struct api_counters *counters = &api->shards[i].counters;
        hits += counter_read(&counters->session_hits);
        misses += counter_read(&counters->session_misses);
        refused += counter_read(&counters->csrf_refused);
        waiting += counter_read(&counters->passwords_waiting);
        flows += (int64_t)counter_read(&counters->flows);
    }
    write_type(writer, "session_checks_total", "counter",
               "Sessions of accounts that were checked, by whether the shard remembered them");
    write_literal(writer, "stampede_session_checks_total{cache=\"hit\"} ");
    write_unsigned(writer, hits);
    write_literal(writer, "\nstampede_session_checks_total{cache=\"miss\"} ");
    write_unsigned(writer, misses);
    write_byte(writer, '\n');
    write_figure(writer, "csrf_refused_total", "counter",
                 "Requests with a session by cookie that were not shown to come from the shop's "
                 "pages",
                 (int64_t)refused);
    write_figure(writer, "passwords_waiting", "gauge",
                 "Passwords that are hashed by workers, or wait for one", (int64_t)waiting);
    write_figure(writer, "account_calls_open", "gauge", "Calls about accounts under way", flows);
}

/* ---- the engine ---- */

static void write_engine(struct writer *writer, const struct api *api)
{
    static const char *const modes[] = {[ENGINE_SERVING] = "serving",
                                        [ENGINE_DRAINING] = "draining",
                                        [ENGINE_STORAGE_FULL] = "storage_full",
                                        [ENGINE_FAILED] = "failed"};
    static const char suffix_counter[] = "_total";
    static const char suffix_gauge[] = "";
    struct engine_vault_keys keys;
    struct engine_metrics metrics;
    char name[64];

    engine_metrics(api->engine, &metrics);
#define X(member, kind, help)                                                                      \
    _Static_assert(sizeof(#member) + sizeof(suffix_counter) <= sizeof(name), "a metric's name");   \
    strcpy(name, #member);                                                                         \
    strcat(name, suffix_##kind);                                                                   \
    write_figure(writer, name, #kind, help, metrics.member);
    ENGINE_METRICS(X)
#undef X
    engine_vault_keys(api->engine, &keys);
    write_figure(writer, "vault_keys_previous", "gauge",
                 "Data keys under the vault's previous key; -1: not counted yet", keys.previous);
    write_figure(writer, "vault_keys_unreadable", "gauge",
                 "Data keys under a vault key that was not given; -1: not counted yet",
                 keys.unreadable);
    write_figure(writer, "mails_oldest_seconds", "gauge", "Age of the oldest mail that waits",
                 metrics.mails_oldest_seconds);
    write_figure(writer, "events_feed_oldest_seconds", "gauge",
                 "Age of the oldest event that the feed is yet to take to Redis",
                 metrics.events_oldest_seconds[CONSUMER_FEED]);
    write_figure(writer, "events_webhooks_oldest_seconds", "gauge",
                 "Age of the oldest event that the webhooks are yet to take in",
                 metrics.events_oldest_seconds[CONSUMER_WEBHOOKS]);
    write_figure(writer, "commits_total", "counter", "Commits made durable", metrics.commits);
    write_figure(writer, "commit_records_total", "counter", "Records in them",
                 metrics.commit_records);
    write_type(writer, "commit_batch_records_mean", "gauge", "Records in a commit, on the average");
    int64_t mean = metrics.commits == 0 ? 0 : metrics.commit_records / metrics.commits;
    write_sample(writer, "commit_batch_records_mean", mean);
    write_type(writer, "commit_seconds", "summary", "Time that commits took to be durable");
    write_literal(writer, "stampede_commit_seconds_sum ");
    write_seconds(writer, (uint64_t)metrics.commit_ns);
    write_literal(writer, "\nstampede_commit_seconds_count ");
    write_signed(writer, metrics.commits);
    write_byte(writer, '\n');
    write_type(writer, "commit_seconds_max", "gauge", "The slowest of them since the start");
    write_literal(writer, "stampede_commit_seconds_max ");
    write_seconds(writer, (uint64_t)metrics.commit_max_ns);
    write_byte(writer, '\n');
    write_figure(writer, "durable_commit", "gauge", "Number of the newest durable commit",
                 metrics.durable_commit);
    write_figure(writer, "erasures_pending", "gauge",
                 "Erasures whose data keys may still be in some file", metrics.erasures_pending);
    write_type(writer, "erasure_scrub_seconds", "gauge",
               "Time that the newest removal of erased keys from all files took");
    write_literal(writer, "stampede_erasure_scrub_seconds ");
    write_seconds(writer, (uint64_t)metrics.scrub_last_ms * 1000000);
    write_byte(writer, '\n');
    write_type(writer, "engine_mode", "gauge", "1 for the mode that the engine is in");
    for (unsigned mode = 0; mode < sizeof(modes) / sizeof(modes[0]); mode++) {
        write_literal(writer, "stampede_engine_mode{mode=\"");
        write_text(writer, modes[mode]);
        write_literal(writer, "\"} ");
        write_unsigned(writer, engine_mode(api->engine) == (enum engine_mode)mode ? 1 : 0);
        write_byte(writer, '\n');
    }
}

/* ---- outbound ---- */

static void write_outbound(struct writer *writer, const struct api *api)
{
    static const char suffix_counter[] = "_total";
    static const char suffix_gauge[] = "";
    struct outbound_metrics metrics;
    char name[64];

    if (api->options.outbound == NULL)
        return;
    outbound_metrics_get(api->options.outbound, &metrics);
#define X(member, kind, help)                                                                      \
    _Static_assert(sizeof("outbound_" #member) + sizeof(suffix_counter) <= sizeof(name),           \
                   "a metric's name");                                                             \
    strcpy(name, "outbound_" #member);                                                             \
    strcat(name, suffix_##kind);                                                                   \
    write_figure(writer, name, #kind, help, metrics.member);
    OUTBOUND_METRICS(X)
#undef X
}

/* ---- the feed ---- */

static void write_feed(struct writer *writer, const struct api *api)
{
    static const char suffix_counter[] = "_total";
    static const char suffix_gauge[] = "";
    struct feed_metrics metrics;
    char name[64];

    if (api->options.feed == NULL)
        return;
    feed_metrics_get(api->options.feed->feed, &metrics);
#define X(member, kind, help)                                                                      \
    _Static_assert(sizeof("feed_" #member) + sizeof(suffix_counter) <= sizeof(name),               \
                   "a metric's name");                                                             \
    strcpy(name, "feed_" #member);                                                                 \
    strcat(name, suffix_##kind);                                                                   \
    write_figure(writer, name, #kind, help, metrics.member);
    FEED_METRICS(X)
#undef X
}

/* ---- gateways ---- */

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
static void write_gateways(struct writer *writer, const struct api *api)
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

static void write_webhooks(struct writer *writer, const struct api *api)
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

void api_metrics(struct api_call *call)
{
    const struct api *api = call->shard->api;
    struct writer writer = writer_growing();

    write_type(&writer, "build_info", "gauge", "Always 1; the labels say what runs");
    write_literal(&writer, "stampede_build_info{version=\"" STAMPEDE_VERSION "\"} 1\n");
    write_figure(&writer, "shards", "gauge", "Shards, each with a thread and a listener",
                 api->shard_count);
    write_engine(&writer, api);
    write_orders(&writer, api);
    write_refusals(&writer, api);
    write_abuse(&writer, api);
    write_accounts(&writer, api);
    write_requests(&writer, api);
    write_latencies(&writer, api);
    write_http(&writer, api);
    write_outbound(&writer, api);
    write_feed(&writer, api);
    write_gateways(&writer, api);
    write_webhooks(&writer, api);
    metrics_write_webhooks(&writer, api);
    if (writer.failed)
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
    else
        http_respond(call->exchange, 200, "text/plain; version=0.0.4; charset=utf-8", writer.start,
                     writer_length(&writer));
    writer_free(&writer);
}
