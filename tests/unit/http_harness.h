/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of net/http: a real server on a loop and a thread of its own, and a small set of
 * routes; with the client of http_client.h. All waiting is bounded (CLIENT_WAIT_MS).
 */
#ifndef STAMPEDE_HTTP_HARNESS_H
#define STAMPEDE_HTTP_HARNESS_H

#include "http/http.h"
#include "http/router.h"
#include "http_client.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { LATER_MAX = 512 };

/* ---- The server's side ---- */

struct later {
    uint64_t cookie;
    uint64_t due_ms; /* 0: free */
    char tag[32];
};

struct harness {
    uv_loop_t loop;
    uv_async_t stop;
    uv_async_t drain;
    uv_timer_t ticker;
    uv_thread_t thread;
    struct http_options options;
    struct http_probe probe;
    struct router *router;
    struct http_server *server;
    struct later later[LATER_MAX]; /* the loop's thread only */
    _Atomic unsigned later_gone;   /* answers that found their client gone */
    _Atomic unsigned gone;         /* on_gone calls */
    _Atomic unsigned drained;
    _Atomic unsigned completed;
    _Atomic int last_status;
    _Atomic uint64_t last_duration_ns;
    _Atomic bool hold; /* /later answers wait while it is set */
    _Atomic uint64_t uploaded;
    _Atomic bool upload_pause;
    uint64_t upload_paused; /* cookie of the upload that was paused; the loop's thread only */
    bool stopping;
    void (*on_tick)(struct harness *harness); /* may be NULL; on the loop's thread */
};

static inline uint64_t harness_wall_ms(void *user)
{
    (void)user;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void handle_hello(struct http_exchange *exchange, void *user)
{
    (void)user;
    http_respond(exchange, 200, "text/plain", "hello", 5);
}

static inline void handle_echo(struct http_exchange *exchange, void *user)
{
    (void)user;
    struct http_slice body = http_exchange_body(exchange);
    http_respond(exchange, 200, "application/octet-stream", body.data, body.length);
}

/* The parameter, decoded, in brackets; by the in-place path. */
static inline void handle_item(struct http_exchange *exchange, void *user)
{
    (void)user;
    char id[128];
    int length = http_path_parameter(exchange, 0, id, sizeof id);
    if (length < 0) {
        http_refuse(exchange, 422, "validation_failed", "id");
        return;
    }
    char *body = http_body_begin(exchange, 200, "text/plain", sizeof id + 2);
    if (body == NULL)
        return;
    body[0] = '[';
    memcpy(body + 1, id, (size_t)length);
    body[length + 1] = ']';
    http_body_commit(exchange, (size_t)length + 2);
}

/* "192.0.2.1 4711": whose request it is taken for. */
static inline void handle_peer(struct http_exchange *exchange, void *user)
{
    (void)user;
    char text[HTTP_PEER_TEXT_MAX + 8];
    const struct http_peer *peer = http_exchange_peer(exchange);
    size_t length = http_peer_text(peer, text);
    length += (size_t)snprintf(text + length, sizeof text - length, " %u", peer->port);
    http_respond(exchange, 200, "text/plain", text, length);
}

/* ?bytes=N: a body of N bytes in place. */
static inline void handle_bytes(struct http_exchange *exchange, void *user)
{
    (void)user;
    char text[16];
    int length = http_query_parameter(exchange, "bytes", 0, text, sizeof text);
    size_t bytes = length > 0 ? (size_t)strtoul(text, NULL, 10) : 0;
    char *body = http_body_begin(exchange, 200, "text/plain", bytes);
    if (body == NULL)
        return;
    memset(body, 'x', bytes);
    http_body_commit(exchange, bytes);
}

/* ?ms=N&tag=T: answers T after N milliseconds (not before hold is lifted). */
static inline void handle_later(struct http_exchange *exchange, void *user)
{
    struct harness *harness = user;
    char ms[16] = "0";
    (void)http_query_parameter(exchange, "ms", 0, ms, sizeof ms);
    for (size_t i = 0; i < LATER_MAX; i++) {
        struct later *later = &harness->later[i];
        if (later->due_ms != 0)
            continue;
        later->cookie = http_exchange_cookie(exchange);
        later->due_ms = uv_now(&harness->loop) + strtoul(ms, NULL, 10) + 1;
        later->tag[0] = '\0';
        (void)http_query_parameter(exchange, "tag", 0, later->tag, sizeof later->tag);
        return;
    }
    http_refuse(exchange, 503, "overloaded", NULL);
}

static inline void harness_resume_upload(struct harness *harness)
{
    if (harness->upload_paused == 0 || atomic_load(&harness->upload_pause))
        return;
    struct http_exchange *exchange =
        http_exchange_from_cookie(harness->server, harness->upload_paused);
    harness->upload_paused = 0;
    if (exchange != NULL)
        http_body_resume(exchange);
}

static inline void harness_tick(uv_timer_t *timer)
{
    struct harness *harness = timer->data;
    harness_resume_upload(harness);
    if (harness->on_tick != NULL)
        harness->on_tick(harness);
    if (atomic_load(&harness->hold))
        return;
    for (size_t i = 0; i < LATER_MAX; i++) {
        struct later *later = &harness->later[i];
        if (later->due_ms == 0 || later->due_ms > uv_now(&harness->loop))
            continue;
        later->due_ms = 0;
        struct http_exchange *exchange = http_exchange_from_cookie(harness->server, later->cookie);
        if (exchange == NULL)
            atomic_fetch_add(&harness->later_gone, 1);
        else
            http_respond(exchange, 200, "text/plain", later->tag, strlen(later->tag));
        assert(http_exchange_from_cookie(harness->server, later->cookie) == NULL);
    }
    http_server_flush(harness->server);
}

/* ---- Streams: /upload counts, /export?bytes=N sends N bytes in pieces, /events goes on until the
 * client leaves ---- */

struct stream_state {
    uint64_t bytes;
};

enum { EXPORT_PIECE = 10000 };

static inline void export_more(struct http_exchange *exchange, void *user)
{
    (void)user;
    struct stream_state *state = http_exchange_scratch(exchange);
    static char piece[EXPORT_PIECE];
    memset(piece, 'e', sizeof piece);
    while (state->bytes > 0) {
        size_t length = state->bytes < sizeof piece ? (size_t)state->bytes : sizeof piece;
        state->bytes -= length;
        if (!http_stream_write(exchange, piece, length))
            return;
    }
    http_stream_end(exchange);
}

static inline void stream_gone(struct http_exchange *exchange, void *user)
{
    (void)exchange;
    atomic_fetch_add(&((struct harness *)user)->gone, 1);
}

static const struct http_stream_events export_events = {
    .on_writable = export_more,
    .on_gone = stream_gone,
};

static inline void handle_export(struct http_exchange *exchange, void *user)
{
    char text[24] = "0";
    (void)http_query_parameter(exchange, "bytes", 0, text, sizeof text);
    struct stream_state *state = http_exchange_scratch(exchange);
    state->bytes = strtoull(text, NULL, 10);
    http_exchange_listen(exchange, &export_events);
    http_stream_begin(exchange, 200, "text/csv");
    export_more(exchange, user);
}

static const struct http_stream_events events_events = {
    .on_gone = stream_gone,
    .endless = true,
};

static inline void handle_events(struct http_exchange *exchange, void *user)
{
    (void)user;
    http_exchange_listen(exchange, &events_events);
    http_stream_begin(exchange, 200, "text/event-stream");
    (void)http_stream_write(exchange, "data: 1\n\n", 9);
}

static inline void upload_body(struct http_exchange *exchange, const char *data, size_t length,
                               bool last, void *user)
{
    struct harness *harness = user;
    struct stream_state *state = http_exchange_scratch(exchange);
    for (size_t i = 0; i < length; i++)
        assert(data[i] == 'u');
    state->bytes += length;
    atomic_fetch_add(&harness->uploaded, length);
    if (!last && atomic_load(&harness->upload_pause)) {
        harness->upload_paused = http_exchange_cookie(exchange);
        http_body_pause(exchange);
    }
    if (!last)
        return;
    char text[24];
    int text_length = snprintf(text, sizeof text, "%llu", (unsigned long long)state->bytes);
    http_respond(exchange, 200, "text/plain", text, (size_t)text_length);
}

static const struct http_stream_events upload_events = {
    .on_body = upload_body,
    .on_gone = stream_gone,
};

static inline void handle_upload(struct http_exchange *exchange, void *user)
{
    (void)user;
    if (http_exchange_header(exchange, HTTP_HEADER_AUTHORIZATION).data == NULL) {
        http_refuse(exchange, 401, "unauthenticated", NULL);
        return;
    }
    struct stream_state *state = http_exchange_scratch(exchange);
    *state = (struct stream_state){0};
    http_exchange_listen(exchange, &upload_events);
}

static const struct route harness_routes[] = {
    {HTTP_METHOD_GET, "/", handle_hello, 1, 0, "root", 0},
    {HTTP_METHOD_GET, "/hello", handle_hello, 1, 0, "hello", 0},
    {HTTP_METHOD_POST, "/echo", handle_echo, 1, 0, "echo", 0},
    {HTTP_METHOD_PUT, "/echo", handle_echo, 1, 0, "echo_put", 100},
    {HTTP_METHOD_DELETE, "/item/{id}", handle_item, 1, 0, "item_delete", 0},
    {HTTP_METHOD_GET, "/item/{id}", handle_item, 1, 0, "item", 0},
    {HTTP_METHOD_GET, "/peer", handle_peer, 1, 0, "peer", 0},
    {HTTP_METHOD_GET, "/bytes", handle_bytes, 1, 0, "bytes", 0},
    {HTTP_METHOD_GET, "/later", handle_later, 1, 0, "later", 0},
    {HTTP_METHOD_GET, "/export", handle_export, 1, 0, "export", 0},
    {HTTP_METHOD_GET, "/events", handle_events, 1, 0, "events", 0},
    {HTTP_METHOD_POST, "/upload", handle_upload, 1, ROUTE_STREAM_BODY, "upload", 8 << 20},
};

static inline void harness_problem(struct http_exchange *exchange, int status, const char *code,
                                   const char *detail, void *user)
{
    (void)user;
    char body[256];
    int length = snprintf(body, sizeof body, "{\"status\":%d,\"code\":\"%s\",\"detail\":\"%s\"}",
                          status, code, detail != NULL ? detail : "");
    assert(length > 0 && (size_t)length < sizeof body);
    http_respond(exchange, status, "application/problem+json", body, (size_t)length);
}

static inline void harness_complete(const struct http_exchange *exchange, int status,
                                    uint64_t duration_ns, void *user)
{
    (void)exchange;
    struct harness *harness = user;
    atomic_store(&harness->last_status, status);
    atomic_store(&harness->last_duration_ns, duration_ns);
    atomic_fetch_add(&harness->completed, 1);
}

/* ---- Start and stop ---- */

static inline void harness_on_closed(void *user)
{
    struct harness *harness = user;
    uv_close((uv_handle_t *)&harness->stop, NULL);
    uv_close((uv_handle_t *)&harness->drain, NULL);
    uv_close((uv_handle_t *)&harness->ticker, NULL);
}

static inline void harness_on_drained(void *user)
{
    struct harness *harness = user;
    atomic_fetch_add(&harness->drained, 1);
}

static inline void harness_on_stop(uv_async_t *async)
{
    struct harness *harness = async->data;
    if (!harness->stopping)
        http_server_close(harness->server, harness_on_closed);
    harness->stopping = true;
}

static inline void harness_on_drain(uv_async_t *async)
{
    struct harness *harness = async->data;
    http_server_drain(harness->server, 1000, harness_on_drained);
}

static inline void harness_run(void *argument)
{
    struct harness *harness = argument;
    (void)uv_run(&harness->loop, UV_RUN_DEFAULT);
}

/* Fill in harness->options between the two. */
static inline struct harness *harness_new(void)
{
    struct harness *harness = calloc(1, sizeof *harness);
    assert_non_null(harness);
    http_options_default(&harness->options);
    harness->options.connections_max = 512;
    harness->options.exchanges_max = 512;
    harness->options.sweep_ms = 20;
    harness->options.seed = 42;
    harness->options.wall_ms = harness_wall_ms;
    harness->options.render_problem = harness_problem;
    harness->options.on_complete = harness_complete;
    return harness;
}

static inline void harness_start(struct harness *harness)
{
    size_t routes = sizeof harness_routes / sizeof harness_routes[0];
    harness->router = router_build(harness_routes, routes);
    assert_non_null(harness->router);
    assert_int_equal(http_probe_bind(harness->options.host, 0, &harness->probe), 0);
    harness->options.port = harness->probe.port;
    assert_int_equal(uv_loop_init(&harness->loop), 0);
    assert_int_equal(http_server_start(&harness->loop, &harness->options, harness->router, harness,
                                       &harness->server),
                     0);
    http_probe_release(&harness->probe);
    uv_async_init(&harness->loop, &harness->stop, harness_on_stop);
    uv_async_init(&harness->loop, &harness->drain, harness_on_drain);
    uv_timer_init(&harness->loop, &harness->ticker);
    harness->stop.data = harness->drain.data = harness->ticker.data = harness;
    uv_timer_start(&harness->ticker, harness_tick, 2, 2);
    assert_int_equal(uv_thread_create(&harness->thread, harness_run, harness), 0);
}

/* Stops, and proves that nothing is left: no handle of the loop, no buffer (asserted by the
 * server). */
static inline void harness_stop(struct harness *harness)
{
    atomic_store(&harness->hold, false);
    uv_async_send(&harness->stop);
    uv_thread_join(&harness->thread);
    assert_int_equal(uv_loop_close(&harness->loop), 0);
    router_free(harness->router);
    free(harness);
}

static inline const struct http_counters *harness_counters(struct harness *harness)
{
    return http_server_counters(harness->server);
}

static inline void sleep_ms(unsigned ms)
{
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
}

/* Waits until *value is at least `least`; false after CLIENT_WAIT_MS. */
static inline bool wait_for(const _Atomic uint64_t *value, uint64_t least)
{
    for (unsigned waited = 0; waited < CLIENT_WAIT_MS; waited += 2) {
        if (atomic_load(value) >= least)
            return true;
        sleep_ms(2);
    }
    return false;
}

static inline bool wait_for_count(const _Atomic unsigned *value, unsigned least)
{
    for (unsigned waited = 0; waited < CLIENT_WAIT_MS; waited += 2) {
        if (atomic_load(value) >= least)
            return true;
        sleep_ms(2);
    }
    return false;
}

static inline struct client client_open(struct harness *harness)
{
    return client_open_port(harness->options.port, 0);
}

/* One with the options as `change` leaves them; NULL: as they are. */
static inline struct harness *harness_started(void (*change)(struct http_options *options))
{
    struct harness *harness = harness_new();
    if (change != NULL)
        change(&harness->options);
    harness_start(harness);
    return harness;
}

/* So many of a character, and a zero; returns where that is. */
static inline char *harness_repeat(char *target, char c, size_t count)
{
    memset(target, c, count);
    target[count] = '\0';
    return target + count;
}

#endif
