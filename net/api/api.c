/* SPDX-License-Identifier: Apache-2.0 */
/* Setting up and taking down: what is shared, and each shard's server. */
#include "api/api.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_shard.h"
#include "api/browse_query.h"
#include "api/catalogue_export.h"
#include "api/courier.h"
#include "api/event_feed.h"
#include "api/finding.h"
#include "api/import.h"
#include "api/keyed.h"
#include "api/log.h"
#include "api/openapi.h"
#include "api/order_stream.h"
#include "api/problems.h"
#include "api/redirect.h"
#include "api/sessions.h"
#include "api/stock_stream.h"
#include "api/stock_watch.h"
#include "api/vault_watch.h"
#include "api/webhook_courier.h"

/* Exchanges that have gone leave commands behind them for a while. */
enum { PENDING_PER_EXCHANGE = 2 };

void api_options_default(struct api_options *options_out)
{
    memset(options_out, 0, sizeof(*options_out));
    http_options_default(&options_out->http);
    options_out->http.body_max = API_JSON_BODY_BYTES_MAX;
    options_out->rate_limits = true;
    options_out->availability_exact = true;
    options_out->auth_verify = true;
    options_out->shop_name = "Stampede";
    options_out->drain_deadline_ms = 10000;
    options_out->stream_heartbeat_ms = 15000;
    options_out->challenges.altcha_cost = CHALLENGE_COST_DEFAULT;
    options_out->page_cache_bytes = (size_t)32 * 1024 * 1024;
    options_out->page_max_age_s = 1;
    options_out->page_stale_s = 30;
    options_out->http.streams_max = 16384;
    options_out->streams_per_address_max = 64;
}

/* ---- callbacks of the HTTP layer ---- */

static uint64_t wall_ms(void *user)
{
    struct api_shard *shard = user;

    return (uint64_t)engine_now(shard->api->engine).wall_ms;
}

static void on_complete(const struct http_exchange *exchange, int status, uint64_t duration_ns,
                        void *user)
{
    struct api_shard *shard = user;
    const struct route *route = http_exchange_route(exchange);
    size_t index = route == NULL ? ROUTE_COUNT : router_index(shard->api->router, route);

    counters_count_answer(&shard->counters, (enum api_route_index)index, status, duration_ns);
}

/* ---- what is shared ---- */

/* A page that is the same as long as this program runs. */
static struct cached_page *make_page(const char *content_type, const struct writer *writer)
{
    struct cached_page *page =
        cached_page_create(content_type, "no-cache", writer->start, writer_length(writer));

    for (unsigned coding = 0; page != NULL && coding < CODING_COUNT; coding++)
        cached_page_compress(page, (enum content_coding)coding, COMPRESS_WELL);
    return page;
}

static bool make_pages(struct api *api, char *error, size_t error_size)
{
    struct writer json = writer_growing();
    struct writer html = writer_growing();
    size_t length;
    const char *yaml = openapi_yaml(&length);
    char reason[160];

    error[0] = '\0';
    if (!openapi_yaml_to_json(yaml, length, &json, reason, sizeof(reason))) {
        snprintf(error, error_size, "openapi.yaml in this program: %s", reason);
    } else if (!documentation_render(json.start, writer_length(&json), &html)) {
        snprintf(error, error_size, "openapi.yaml in this program cannot be shown");
    } else if (writer_length(&json) > API_ANSWER_BYTES_MAX ||
               writer_length(&html) > API_ANSWER_BYTES_MAX) {
        snprintf(error, error_size, "openapi.yaml in this program is too large");
    } else {
        api->openapi = make_page("application/json", &json);
        api->docs = make_page("text/html; charset=utf-8", &html);
        if (api->openapi == NULL || api->docs == NULL)
            snprintf(error, error_size, "no memory for the API");
    }
    writer_free(&json);
    writer_free(&html);
    return error[0] == '\0';
}

static void shard_free(struct api_shard *shard)
{
    order_streams_free(shard);
    stock_streams_free(shard);
    product_pages_free(&shard->pages);
    pending_table_free(&shard->pending);
    session_cache_free(&shard->sessions);
    findings_destroy(shard->findings);
    free(shard->browse_request);
    free(shard->limiter);
    free(shard->json.bytes);
}

static bool init_findings(struct api *api, struct api_shard *shard)
{
    struct hash_key seed;

    shard_random(engine_shard(api->engine, (uint32_t)(shard - api->shards)), &seed, sizeof(seed));
    shard->findings = findings_create(&seed);
    shard->browse_request = malloc(sizeof(*shard->browse_request));
    return shard->findings != NULL && shard->browse_request != NULL;
}

static bool shard_init(struct api *api, struct api_shard *shard)
{
    uint32_t pending = api->options.http.exchanges_max * PENDING_PER_EXCHANGE +
                       IMPORTS_MAX * IMPORT_WINDOW + FLOWS_MAX + SHARDS_MAX +
                       DELIVERIES_UNDER_WAY_MAX;
    struct hash_key seed;

    shard->api = api;
    shard->json.size = json_memory_needed(API_JSON_BODY_BYTES_MAX);
    shard->json.bytes = malloc(shard->json.size);
    if (shard->json.bytes == NULL ||
        !session_cache_init(&shard->sessions, api->engine, SESSION_CACHE_GUESTS,
                            SESSION_CACHE_PEOPLE) ||
        !pending_table_init(&shard->pending, pending) ||
        !product_pages_init(&shard->pages, api->options.page_cache_bytes) ||
        !init_findings(api, shard))
        return false;
    if (!api->options.rate_limits)
        return true;
    shard->limiter = malloc(sizeof(*shard->limiter));
    if (shard->limiter == NULL)
        return false;
    shard_random(engine_shard(api->engine, (uint32_t)(shard - api->shards)), &seed, sizeof(seed));
    rate_limiter_init(shard->limiter, &seed);
    return true;
}

static bool init_throttle(struct api *api)
{
    struct hash_key seed;

    if (!api->options.rate_limits)
        return true;
    shard_random(engine_shard(api->engine, 0), &seed, sizeof(seed));
    api->throttle = malloc(sizeof(*api->throttle));
    if (api->throttle == NULL || uv_mutex_init(&api->throttle_lock) != 0) {
        free(api->throttle);
        api->throttle = NULL;
        return false;
    }
    rate_limiter_init(api->throttle, &seed);
    return true;
}

static bool init_shards(struct api *api)
{
    size_t bytes = api->shard_count * sizeof(*api->shards);

    api->shards = aligned_alloc(CACHE_LINE, bytes);
    if (api->shards == NULL)
        return false;
    memset(api->shards, 0, bytes);
    for (uint32_t i = 0; i < api->shard_count; i++) {
        if (!shard_init(api, &api->shards[i]))
            return false;
    }
    return true;
}

static void write_cache_control(struct api *api)
{
    int length = snprintf(api->page_cache_control, sizeof(api->page_cache_control),
                          "public, max-age=%u", api->options.page_max_age_s);

    if (api->options.page_stale_s > 0)
        snprintf(api->page_cache_control + length, sizeof(api->page_cache_control) - (size_t)length,
                 ", stale-while-revalidate=%u", api->options.page_stale_s);
}

/* The figures of the HTTP layer that are the API's to set. */
static void set_http_options(struct http_options *http)
{
    http->answer_max = API_ANSWER_BYTES_MAX;
    http->scratch_size = sizeof(struct call_scratch);
    http->wall_ms = wall_ms;
    http->dispatch = NULL; /* every route's handler is dispatch_exchange */
    http->render_problem = problem_render;
    http->on_complete = on_complete;
    assert(http->body_max <= API_JSON_BODY_BYTES_MAX);
}

struct api *api_create(struct engine *engine, const struct api_options *options, char *error,
                       size_t error_size)
{
    const struct secrets_port *secrets = engine_secrets(engine);
    size_t key_length = options->admin_key == NULL ? 0 : strlen(options->admin_key);
    struct api *api = calloc(1, sizeof(*api));

    if (api == NULL) {
        snprintf(error, error_size, "no memory for the API");
        return NULL;
    }
    api->engine = engine;
    api->options = *options;
    if (options->feed != NULL)
        options->feed->api = api;
    api->shard_count = engine_shard_count(engine);
    set_http_options(&api->options.http);
    write_cache_control(api);
    if (key_length < API_ADMIN_KEY_LENGTH_MIN || key_length > API_ADMIN_KEY_LENGTH_MAX) {
        snprintf(error, error_size, "the admin key must have %d to %d characters",
                 (int)API_ADMIN_KEY_LENGTH_MIN, (int)API_ADMIN_KEY_LENGTH_MAX);
        goto destroy;
    }
    secrets->mac(secrets->self, ADMIN_MAC_PURPOSE, options->admin_key, key_length, api->admin_mac);
    api->options.admin_key = NULL; /* only its MAC is needed from here on */
    if (!make_pages(api, error, error_size))
        goto destroy;
    api_routes_fill(api->routes, dispatch_exchange);
    api->router = router_build(api->routes, ROUTE_COUNT);
    api->redirect_router = router_build(NULL, 0);
    shard_random(engine_shard(engine, 0), &api->run, sizeof(api->run));
    api->keyed = keyed_table_create();
    if (api->router == NULL || api->redirect_router == NULL || api->keyed == NULL ||
        !init_shards(api) || !init_throttle(api) || !challenge_init(api)) {
        snprintf(error, error_size, "no memory for the API");
        goto destroy;
    }
    return api;
destroy:
    api_destroy(api);
    return NULL;
}

void api_destroy(struct api *api)
{
    for (uint32_t i = 0; api->shards != NULL && i < api->shard_count; i++)
        shard_free(&api->shards[i]);
    free(api->shards);
    if (api->router != NULL)
        router_free(api->router);
    router_free(api->redirect_router);
    keyed_table_destroy(api->keyed);
    challenge_free(api);
    if (api->throttle != NULL)
        uv_mutex_destroy(&api->throttle_lock);
    free(api->throttle);
    cached_page_destroy(api->openapi);
    cached_page_destroy(api->docs);
    free(api);
}

/* ---- a shard's life ---- */

static struct api_shard *find(void *user, const struct shard *shard)
{
    struct api *api = user;

    return &api->shards[shard_index(shard)];
}

int api_shard_start(void *user, struct shard *engine_side, uv_loop_t *loop)
{
    struct api_shard *shard = find(user, engine_side);
    struct http_options http = shard->api->options.http;
    struct http_server *server;
    struct log_line line;

    shard->shard = engine_side;
    shard->loop = loop;
    shard->now = engine_now(shard->api->engine);
    shard_random(engine_side, &shard->jitter, sizeof(shard->jitter));
    shard->jitter |= 1; /* never all zero */
    shard_random(engine_side, &http.seed, sizeof(http.seed));
    shard_set_reply(engine_side, dispatch_reply, shard);
    if (!stock_streams_open(shard))
        return -1;
    courier_start(shard);
    webhook_courier_start(shard);
    int status = http_server_start(loop, &http, shard->api->router, shard, &server);
    log_begin(&line, status == 0 ? LOG_INFO : LOG_ERROR,
              status == 0 ? "shard_listens" : "shard_cannot_listen", shard->now.wall_ms);
    log_number(&line, "shard", shard_index(engine_side));
    log_text(&line, "host", http.host);
    log_number(&line, "port", status == 0 ? http_server_port(server) : http.port);
    if (status != 0)
        log_text(&line, "reason", uv_strerror(status));
    log_end(&line);
    if (status != 0)
        return -1;
    atomic_store_explicit(&shard->server, server, memory_order_release);
    status = redirect_start(shard);
    if (status != 0) {
        log_begin(&line, LOG_ERROR, "shard_cannot_redirect", shard->now.wall_ms);
        log_number(&line, "port", shard->api->options.redirect_port);
        log_text(&line, "reason", uv_strerror(status));
        log_end(&line);
        return -1;
    }
    if (!shard->api->options.rate_limits && shard_index(engine_side) == 0) {
        log_begin(&line, LOG_WARNING, "rate_limits_off", shard->now.wall_ms);
        log_text(&line, "detail", "rate limits are off: for demos and load tests only");
        log_end(&line);
    }
    return 0;
}

void api_shard_turn(void *user, struct shard *engine_side)
{
    struct api_shard *shard = find(user, engine_side);
    struct http_server *server = atomic_load_explicit(&shard->server, memory_order_relaxed);

    shard->now = engine_now(shard->api->engine);
    imports_resume(shard);
    catalogue_exports_resume(shard);
    vault_watch_turn(shard);
    stock_watch_turn(shard);
    order_streams_turn(shard);
    if (server != NULL)
        http_server_flush(server);
}

static void on_drained(void *user)
{
    struct api_shard *shard = user;

    shard->is_drained = true;
}

void api_shard_drain(void *user, struct shard *engine_side)
{
    struct api_shard *shard = find(user, engine_side);
    struct http_server *server = atomic_load_explicit(&shard->server, memory_order_relaxed);
    struct log_line line;

    log_begin(&line, LOG_INFO, "shard_drains", engine_now(shard->api->engine).wall_ms);
    log_number(&line, "shard", shard_index(engine_side));
    log_end(&line);
    redirect_drain(shard);
    order_streams_drain(shard);
    stock_streams_drain(shard);
    if (server == NULL)
        shard->is_drained = true;
    else
        http_server_drain(server, shard->api->options.drain_deadline_ms, on_drained);
}

bool api_shard_is_drained(void *user, struct shard *engine_side)
{
    const struct api_shard *shard = find(user, engine_side);

    return shard->is_drained && redirect_is_drained(shard);
}

void api_shard_stop(void *user, struct shard *engine_side)
{
    struct api_shard *shard = find(user, engine_side);
    struct http_server *server = atomic_load_explicit(&shard->server, memory_order_relaxed);
    struct log_line line;

    atomic_store_explicit(&shard->server, NULL, memory_order_release);
    if (server != NULL)
        http_server_close(server, NULL);
    stock_streams_close(shard);
    redirect_stop(shard);
    log_begin(&line, LOG_INFO, "shard_stops", engine_now(shard->api->engine).wall_ms);
    log_number(&line, "shard", shard_index(engine_side));
    log_end(&line);
}
