/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of deferred requests: a server of the harness whose requests wait when they ask
 * for it, and clients that watch. */
#ifndef STAMPEDE_TEST_DEFER_HARNESS_H
#define STAMPEDE_TEST_DEFER_HARNESS_H

#include "http_harness.h"

/*
 * In front of every handler: `?defer=N` defers the request's first N calls. Each call must see the
 * same request. What waits is resumed as soon as `hold` is lifted.
 */
enum { DEFERRED_MAX = 256 };

struct defer_state {
    struct stream_state stream; /* of the harness's own handlers */
    uint64_t hash;
    unsigned calls;
};

static struct harness *harness;
static uint64_t cookies[DEFERRED_MAX]; /* the loop's thread only */
static size_t cookies_count;
static _Atomic unsigned deferred;    /* calls that deferred */
static _Atomic unsigned resumed;     /* calls of http_exchange_resume */
static _Atomic unsigned client_gone; /* cookies that found nothing */
static _Atomic bool hold;
static _Atomic bool answer_instead; /* of resuming: 200 "instead" */

static inline uint64_t hash_bytes(uint64_t hash, struct http_slice slice)
{
    for (size_t i = 0; i < slice.length; i++)
        hash = (hash ^ (unsigned char)slice.data[i]) * 0x100000001b3U;
    return (hash ^ slice.length ^ (slice.data == NULL)) * 0x100000001b3U;
}

static inline uint64_t hash_request(struct http_exchange *exchange)
{
    uint64_t hash = 0xcbf29ce484222325U;
    hash = hash_bytes(hash, http_exchange_path(exchange));
    hash = hash_bytes(hash, http_exchange_query(exchange));
    for (unsigned i = 0; i < HTTP_HEADER_COUNT; i++)
        hash = hash_bytes(hash, http_exchange_header(exchange, (enum http_header)i));
    hash = hash_bytes(hash, http_exchange_header_find(exchange, "x-other"));
    return hash_bytes(hash, http_exchange_body(exchange));
}

static inline void dispatch(struct http_exchange *exchange, const struct route *route, void *user)
{
    struct defer_state *state = http_exchange_scratch(exchange);
    char text[8] = "0";
    uint64_t hash = hash_request(exchange);
    if (!http_exchange_is_resumed(exchange))
        *state = (struct defer_state){.hash = hash};
    assert(state->hash == hash);
    (void)http_header_add(exchange, "X-Call", "once");
    (void)http_query_parameter(exchange, "defer", 0, text, sizeof text);
    if (state->calls++ < strtoul(text, NULL, 10)) {
        assert(cookies_count < DEFERRED_MAX);
        cookies[cookies_count++] = http_exchange_cookie(exchange);
        http_exchange_defer(exchange);
        atomic_fetch_add(&deferred, 1);
        return;
    }
    route->handler(exchange, user);
}

static inline void resume_all(struct harness *self)
{
    if (atomic_load(&hold))
        return;
    size_t count = cookies_count;
    for (size_t i = 0; i < count; i++) {
        struct http_exchange *exchange = http_exchange_from_cookie(self->server, cookies[i]);
        if (exchange == NULL) {
            atomic_fetch_add(&client_gone, 1);
        } else if (atomic_load(&answer_instead)) {
            http_respond(exchange, 200, "text/plain", "instead", 7);
        } else {
            atomic_fetch_add(&resumed, 1);
            http_exchange_resume(exchange);
        }
        /* So that answers need not be in memory all at once, where there is little. */
        http_server_flush(self->server);
    }
    cookies_count -= count;
    memmove(cookies, cookies + count, cookies_count * sizeof cookies[0]);
}

static inline void start(void (*change)(struct http_options *options))
{
    harness = harness_new();
    harness->on_tick = resume_all;
    harness->options.dispatch = dispatch;
    harness->options.body_max = (size_t)128 * 1024;
    if (change != NULL)
        change(&harness->options);
    cookies_count = 0;
    atomic_store(&deferred, 0);
    atomic_store(&resumed, 0);
    atomic_store(&client_gone, 0);
    atomic_store(&hold, true);
    atomic_store(&answer_instead, false);
    harness_start(harness);
}

static inline int start_plain(void **state)
{
    (void)state;
    start(NULL);
    return 0;
}

static inline int stop(void **state)
{
    (void)state;
    harness_stop(harness);
    return 0;
}

static inline void go(void)
{
    atomic_store(&hold, false);
}

static inline void expect_answer(struct client *client, int status, const char *body)
{
    struct answer answer;
    assert_true(client_answer(client, &answer));
    assert_int_equal(answer.status, status);
    if (body != NULL) {
        assert_int_equal(answer.body_length, strlen(body));
        assert_memory_equal(answer.body, body, answer.body_length);
    }
    if (answer.status != 200)
        return;
    const char *call = strstr(answer.head, "X-Call: once\r\n");
    if (call != NULL)
        assert_null(strstr(call + 1, "X-Call"));
}

/* Nothing has come, and nothing comes within a moment. */
static inline void expect_silence(struct client *client)
{
    sleep_ms(30);
    char byte;
    assert_int_equal(client->length, client->taken);
    assert_int_equal(recv(client->fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

#endif
