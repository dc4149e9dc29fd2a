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
#include "outbound/feed.h"
#include "outbound/outbound.h"

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

void write_figure(struct writer *writer, const char *name, const char *kind, const char *help,
                  int64_t value)
{
    write_type(writer, name, kind, help);
    write_sample(writer, name, value);
}

/* Nanoseconds as seconds, to the last digit. */
void write_seconds(struct writer *writer, uint64_t ns)
{
    char digits[10];
    uint64_t rest = ns % 1000000000;

    write_unsigned(writer, ns / 1000000000);
    digits[0] = '.';
    for (unsigned i = 9; i > 0; i--, rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    write_bytes(writer, digits, sizeof(digits));
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
    metrics_write_requests(&writer, api);
    metrics_write_latencies(&writer, api);
    metrics_write_http(&writer, api);
    metrics_write_search(&writer, api);
    metrics_write_pages(&writer, api);
    metrics_write_findings(&writer, api);
    write_outbound(&writer, api);
    write_feed(&writer, api);
    metrics_write_gateways(&writer, api);
    metrics_write_events_in(&writer, api);
    metrics_write_webhooks(&writer, api);
    if (writer.failed)
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
    else
        http_respond(call->exchange, 200, "text/plain; version=0.0.4; charset=utf-8", writer.start,
                     writer_length(&writer));
    writer_free(&writer);
}
