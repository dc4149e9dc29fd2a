/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are deferred: they wait as they are, nothing behind them is served before, and they
 * are handled again with the same bytes. */
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

static uint64_t hash_bytes(uint64_t hash, struct http_slice slice)
{
    for (size_t i = 0; i < slice.length; i++)
        hash = (hash ^ (unsigned char)slice.data[i]) * 0x100000001b3U;
    return (hash ^ slice.length ^ (slice.data == NULL)) * 0x100000001b3U;
}

static uint64_t hash_request(struct http_exchange *exchange)
{
    uint64_t hash = 0xcbf29ce484222325U;
    hash = hash_bytes(hash, http_exchange_path(exchange));
    hash = hash_bytes(hash, http_exchange_query(exchange));
    for (unsigned i = 0; i < HTTP_HEADER_COUNT; i++)
        hash = hash_bytes(hash, http_exchange_header(exchange, (enum http_header)i));
    hash = hash_bytes(hash, http_exchange_header_find(exchange, "x-other"));
    return hash_bytes(hash, http_exchange_body(exchange));
}

static void dispatch(struct http_exchange *exchange, const struct route *route, void *user)
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

static void resume_all(struct harness *self)
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

static void start(void (*change)(struct http_options *options))
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

static int start_plain(void **state)
{
    (void)state;
    start(NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(harness);
    return 0;
}

static void go(void)
{
    atomic_store(&hold, false);
}

static void expect_answer(struct client *client, int status, const char *body)
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
static void expect_silence(struct client *client)
{
    sleep_ms(30);
    char byte;
    assert_int_equal(client->length, client->taken);
    assert_int_equal(recv(client->fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* ---- Whole requests ---- */

static void a_deferred_request_is_handled_again(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    client_say(&client, "POST /echo?a=%20b&defer=1 HTTP/1.1\r\nHost: a\r\nX-Other: other\r\n"
                        "Idempotency-Key: k\r\nContent-Length: 4\r\n\r\nbody");
    assert_true(wait_for_count(&deferred, 1));
    expect_silence(&client);
    assert_int_equal(atomic_load(&harness_counters(harness)->exchanges_open), 1);
    go();
    expect_answer(&client, 200, "body");
    assert_int_equal(atomic_load(&resumed), 1);
    assert_true(client_is_alive(&client));
    sleep_ms(60);
    assert_int_equal(atomic_load(&harness_counters(harness)->memory_bytes), 0);
    client_close(&client);
}

static void it_may_be_deferred_again(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    client_say(&client, "GET /item/one?defer=5 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for_count(&deferred, 1));
    go();
    expect_answer(&client, 200, "[one]");
    expect_answer(&client, 200, "hello");
    assert_int_equal(atomic_load(&deferred), 5);
    assert_int_equal(atomic_load(&resumed), 5);
    client_close(&client);
}

/* Before it, with it and after it: answers in order, and nothing behind it is begun. */
static void what_is_behind_waits(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    client_say(&client, "GET /later?ms=20&tag=before HTTP/1.1\r\nHost: a\r\n\r\n"
                        "POST /echo?defer=2 HTTP/1.1\r\nHost: a\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                        "GET /item/with HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /item/cut?defer=1 HTTP/1.1\r\nHo");
    expect_answer(&client, 200, "before");
    expect_silence(&client);
    client_say(&client, "st: a\r\n\r\nGET /item/after HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_silence(&client);
    assert_int_equal(atomic_load(&harness_counters(harness)->exchanges_open), 1);
    go();
    expect_answer(&client, 200, "abcde");
    expect_answer(&client, 200, "[with]");
    expect_answer(&client, 200, "[cut]");
    expect_answer(&client, 200, "[after]");
    assert_true(client_is_alive(&client));
    client_close(&client);
}

/* However the bytes are cut into reads. */
static void any_cut_is_the_same(void **state)
{
    (void)state;
    static const char requests[] =
        "POST /echo?defer=1 HTTP/1.1\r\nHost: a\r\n"
        "Content-Length: 3\r\n\r\none"
        "GET /item/two HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST /upload?defer=2 HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nuuu\r\n0\r\n\r\n"
        "GET /item/four?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    go();
    for (size_t step = 1; step < sizeof requests; step += step < 12 ? 1 : 17) {
        struct client client = client_open(harness);
        for (size_t at = 0; at < sizeof requests - 1; at += step) {
            size_t left = sizeof requests - 1 - at;
            client_send(&client, requests + at, left < step ? left : step);
            if (step > 3 && step % 2 == 0)
                sleep_ms(1);
        }
        expect_answer(&client, 200, "one");
        expect_answer(&client, 200, "[two]");
        expect_answer(&client, 200, "3");
        expect_answer(&client, 200, "[four]");
        client_close(&client);
    }
}

static void heads_are_deferred_too(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    struct answer answer;
    client_say(&client, "HEAD /hello?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for_count(&deferred, 1));
    go();
    /* HEAD is served by the route of GET, or not at all. */
    assert_true(client_answer_to(&client, &answer, true));
    assert_int_equal(answer.status, 200);
    assert_true(client_is_alive(&client));
    client_close(&client);
}

static void a_large_body_stays_whole(void **state)
{
    (void)state;
    enum { SIZE = 64 * 1024 };
    static char body[SIZE + 1];
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i % 26);
    struct client client = client_open(harness);
    for (int round = 0; round < 2; round++) {
        atomic_store(&hold, true);
        client_say(&client, round == 0 ? "POST /echo?defer=2 HTTP/1.1\r\nHost: a\r\n"
                                         "Content-Length: 65536\r\n\r\n"
                                       : "POST /echo?defer=2 HTTP/1.1\r\nHost: a\r\n"
                                         "Transfer-Encoding: chunked\r\n\r\n10000\r\n");
        for (size_t at = 0; at < SIZE; at += 10007) {
            client_send(&client, body + at, SIZE - at < 10007 ? SIZE - at : 10007);
            sleep_ms(1);
        }
        if (round == 1)
            client_say(&client, "\r\n0\r\n\r\n");
        client_say(&client, "GET /item/behind HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(wait_for_count(&deferred, 1));
        sleep_ms(10);
        go();
        expect_answer(&client, 200, body);
        expect_answer(&client, 200, "[behind]");
    }
    client_close(&client);
}

static void it_may_be_answered_without_resuming(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    atomic_store(&answer_instead, true);
    client_say(&client, "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for_count(&deferred, 1));
    go();
    expect_answer(&client, 200, "instead");
    expect_answer(&client, 200, "hello");
    client_say(&client, "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_answer(&client, 200, "instead");
    assert_true(client_is_alive(&client));
    /* The rest of a streamed body is in the way of any other request. */
    client_say(&client, "POST /upload?defer=1 HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
                        "Content-Length: 9\r\n\r\nuuu");
    expect_answer(&client, 200, "instead");
    shutdown(client.fd, SHUT_WR);
    assert_true(client_is_ended(&client));
    client_close(&client);
}

/* Connection: close, HTTP/1.0, and a client that has ended its own side. */
static void the_last_request_of_a_connection_may_wait(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never",
        "GET /item/x?defer=1 HTTP/1.0\r\n\r\n",
        "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < 4; i++) {
        atomic_store(&hold, true);
        atomic_store(&deferred, 0);
        struct client client = client_open(harness);
        client_say(&client, requests[i]);
        if (i != 1)
            shutdown(client.fd, SHUT_WR);
        assert_true(wait_for_count(&deferred, 1));
        expect_silence(&client);
        go();
        expect_answer(&client, 200, "[x]");
        shutdown(client.fd, SHUT_WR);
        assert_true(client_is_ended(&client));
        client_close(&client);
    }
}

/* ---- Clients that leave, servers that stop ---- */

static void reset(struct client *client)
{
    struct linger linger = {1, 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    client_close(client);
}

static void a_client_that_leaves_is_not_found(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    client_say(&client, "POST /echo?defer=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    assert_true(wait_for_count(&deferred, 1));
    reset(&client);
    assert_true(wait_for(&harness_counters(harness)->responses[0], 1));
    go();
    assert_true(wait_for_count(&client_gone, 1));
    assert_int_equal(atomic_load(&resumed), 0);

    /* A body that will not be complete is gone with the end of the client's side. */
    atomic_store(&hold, true);
    client = client_open(harness);
    client_say(&client, "POST /upload?defer=1 HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
                        "Content-Length: 9\r\n\r\n");
    assert_true(wait_for_count(&deferred, 2));
    client_close(&client);
    assert_true(wait_for(&harness_counters(harness)->responses[0], 2));
    go();
    assert_true(wait_for_count(&client_gone, 2));
    assert_int_equal(atomic_load(&resumed), 0);
    sleep_ms(60);
    assert_int_equal(atomic_load(&harness_counters(harness)->memory_bytes), 0);
    assert_int_equal(atomic_load(&harness_counters(harness)->exchanges_open), 0);
}

static void a_drain_waits_for_it(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    client_say(&client, "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for_count(&deferred, 1));
    uv_async_send(&harness->drain);
    sleep_ms(400);
    assert_int_equal(atomic_load(&harness->drained), 0);
    go();
    struct answer answer;
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 200);
    assert_true(answer.close);
    shutdown(client.fd, SHUT_WR);
    assert_true(client_is_ended(&client));
    client_close(&client);
    assert_true(wait_for_count(&harness->drained, 1));
}

static void a_drain_ends_without_it(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    client_say(&client, "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for_count(&deferred, 1));
    uv_async_send(&harness->drain);
    assert_true(wait_for_count(&harness->drained, 1));
    assert_true(client_is_ended(&client));
    go();
    assert_true(wait_for_count(&client_gone, 1));
    client_close(&client);
}

static void a_server_stops_over_it(void **state)
{
    (void)state;
    struct client clients[3];
    for (int i = 0; i < 3; i++) {
        clients[i] = client_open(harness);
        client_say(&clients[i], "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /hello");
    }
    assert_true(wait_for_count(&deferred, 3));
    harness_stop(harness); /* asserts that nothing is left */
    for (int i = 0; i < 3; i++)
        client_close(&clients[i]);
}

/* ---- Time ---- */

static void short_times(struct http_options *options)
{
    options->header_timeout_ms = 80;
    options->idle_timeout_ms = 80;
    options->body_grace_ms = 80;
    options->body_stall_ms = 80;
    options->linger_ms = 50;
}

static void no_timer_of_requests_ends_it(void **state)
{
    (void)state;
    start(short_times);
    struct client whole = client_open(harness);
    struct client streamed = client_open(harness);
    client_say(&whole, "POST /echo?defer=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb");
    client_say(&streamed, "POST /upload?defer=1 HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
                          "Content-Length: 4\r\n\r\n");
    assert_true(wait_for_count(&deferred, 2));
    sleep_ms(250);
    client_say(&whole, "GET /he"); /* begins behind it: its time has not begun */
    sleep_ms(150);
    go();
    expect_answer(&whole, 200, "b");
    client_say(&whole, "llo HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_answer(&whole, 200, "hello");
    client_say(&streamed, "uuuu");
    expect_answer(&streamed, 200, "4");

    /* From there on, they count. */
    client_say(&streamed, "POST /upload?defer=1 HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
                          "Content-Length: 4\r\n\r\nuu");
    expect_answer(&streamed, 408, NULL);
    client_close(&whole);
    client_close(&streamed);
    harness_stop(harness);
}

/* ---- Memory ---- */

static void little_memory(struct http_options *options)
{
    options->memory_max = 128 * 1024;
    options->linger_ms = 50;
}

/* Where there is no room to hold a request it is refused, and its connection goes on. */
static void without_memory_it_is_refused(void **state)
{
    (void)state;
    enum { CLIENTS = 40 };
    start(little_memory);
    struct client clients[CLIENTS];
    unsigned held = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct answer answer;
        clients[i] = client_open(harness);
        client_say(&clients[i], "GET /item/x?defer=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(wait_for_count(&deferred, (unsigned)i + 1));
        sleep_ms(2);
        struct timeval wait = {0, 20000};
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        bool refused = client_answer(&clients[i], &answer);
        wait.tv_sec = CLIENT_WAIT_MS / 1000;
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        if (refused) {
            char value[256];
            assert_int_equal(answer.status, 503);
            assert_false(answer.close);
            assert_non_null(strstr(answer.body, "overloaded"));
            assert_non_null(answer_header(&answer, "Retry-After", value));
            assert_true(client_is_alive(&clients[i]));
            client_close(&clients[i]);
            clients[i].fd = -1;
        } else {
            held++;
        }
    }
    /* Three quarters of it, in buffers of 4 KiB. */
    assert_int_equal(held, 24);
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].fd >= 0)
            client_say(&clients[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    go();
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].fd < 0)
            continue;
        expect_answer(&clients[i], 200, "[x]");
        expect_answer(&clients[i], 200, "hello");
        client_close(&clients[i]);
    }
    /* They come behind those that were resumed: the last answer does not wait for them. */
    assert_true(wait_for_count(&client_gone, CLIENTS - 24));
    harness_stop(harness);
    assert_int_equal(atomic_load(&client_gone), CLIENTS - 24);
}

/* What comes behind it when there is no room is left with the kernel. */
static void what_is_behind_may_find_no_memory(void **state)
{
    (void)state;
    static char filler[8000];
    start(little_memory);
    struct client client = client_open(harness);
    struct client other = client_open(harness);
    memset(filler, 'b', sizeof filler - 1);
    client_say(&client, "POST /echo?defer=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n");
    client_send(&client, filler, 4000);
    assert_true(wait_for_count(&deferred, 1));
    /* Takes what is left of the input's share: 96 KiB less 4 or 8, and growing takes both sizes. */
    client_say(&other, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n");
    for (int i = 0; i < 8; i++)
        client_send(&other, filler, 7000);
    sleep_ms(50);
    client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 7999\r\n\r\n");
    client_say(&client, filler);
    sleep_ms(50);
    client_close(&other);
    sleep_ms(20);
    go();
    filler[4000] = '\0';
    expect_answer(&client, 200, filler);
    filler[4000] = 'b';
    expect_answer(&client, 200, filler);
    client_close(&client);
    harness_stop(harness);
}

/* ---- Streamed bodies ---- */

#define UPLOAD "POST /upload?defer=1 HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"

static void a_streamed_body_waits(void **state)
{
    (void)state;
    static char body[200001];
    memset(body, 'u', sizeof body - 1);
    struct client client = client_open(harness);
    client_say(&client, UPLOAD "Content-Length: 200003\r\n\r\nuuu");
    client_send(&client, body, 40000);
    assert_true(wait_for_count(&deferred, 1));
    expect_silence(&client);
    assert_int_equal(atomic_load(&harness->uploaded), 0);
    sleep_ms(40);
    assert_true(atomic_load(&harness_counters(harness)->memory_bytes) <= 128 * 1024);
    go();
    client_send(&client, body, 160000);
    client_say(&client, UPLOAD "Content-Length: 0\r\n\r\n");
    expect_answer(&client, 200, "200003");
    expect_answer(&client, 200, "0");
    assert_true(client_is_alive(&client));

    /* As a whole in one read, in chunks, and from an old client. */
    client_say(&client, UPLOAD "Transfer-Encoding: chunked\r\n\r\n3\r\nuuu\r\n2\r\nuu\r\n0\r\n\r\n"
                               "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_answer(&client, 200, "5");
    expect_answer(&client, 200, "hello");
    client_say(&client, "POST /upload?defer=1 HTTP/1.0\r\nAuthorization: x\r\n"
                        "Content-Length: 4\r\n\r\nuuuu");
    expect_answer(&client, 200, "4");
    client_close(&client);
}

static void a_streamed_body_may_be_refused_then(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    struct answer answer;
    client_say(&client, "POST /upload?defer=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nuuu");
    assert_true(wait_for_count(&deferred, 1));
    go();
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 401);
    assert_true(answer.close);
    client_close(&client);

    /* Complete, but broken: that is only seen when its turn has come. */
    client = client_open(harness);
    client_say(&client, UPLOAD "Transfer-Encoding: chunked\r\n\r\n3\r\nuuuu\r\n");
    expect_answer(&client, 400, NULL);
    client_close(&client);
}

static void nobody_is_asked_for_a_body_before(void **state)
{
    (void)state;
    struct client client = client_open(harness);
    struct answer answer;
    client_say(&client, UPLOAD "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_true(wait_for_count(&deferred, 1));
    expect_silence(&client);
    go();
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 100);
    client_say(&client, "uuuu");
    expect_answer(&client, 200, "4");
    client_close(&client);
}

int main(void)
{
#define ON_PLAIN(test) cmocka_unit_test_setup_teardown(test, start_plain, stop)
    const struct CMUnitTest tests[] = {
        ON_PLAIN(a_deferred_request_is_handled_again),
        ON_PLAIN(it_may_be_deferred_again),
        ON_PLAIN(what_is_behind_waits),
        ON_PLAIN(any_cut_is_the_same),
        ON_PLAIN(heads_are_deferred_too),
        ON_PLAIN(a_large_body_stays_whole),
        ON_PLAIN(it_may_be_answered_without_resuming),
        ON_PLAIN(the_last_request_of_a_connection_may_wait),
        ON_PLAIN(a_client_that_leaves_is_not_found),
        ON_PLAIN(a_drain_waits_for_it),
        ON_PLAIN(a_drain_ends_without_it),
        cmocka_unit_test_setup(a_server_stops_over_it, start_plain),
        cmocka_unit_test(no_timer_of_requests_ends_it),
        cmocka_unit_test(without_memory_it_is_refused),
        cmocka_unit_test(what_is_behind_may_find_no_memory),
        ON_PLAIN(a_streamed_body_waits),
        ON_PLAIN(a_streamed_body_may_be_refused_then),
        ON_PLAIN(nobody_is_asked_for_a_body_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
