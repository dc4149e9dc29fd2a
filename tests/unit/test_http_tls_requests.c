/* SPDX-License-Identifier: Apache-2.0 */
/* Requests through TLS: served as without, whatever the client does to the records. */
#include "tls_fixture.h"

#include "http/http_internal.h"

/* ---- Requests ---- */

static void requests_are_served_as_without(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    EACH_VERSION(i)
    {
        SSL_CTX *context = client_context(versions[i]);
        struct client client;
        struct answer answer;
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        for (int n = 0; n < 40; n++)
            client_say(&client, "GET /item/abc HTTP/1.1\r\nHost: a\r\n\r\n");
        for (int n = 0; n < 40; n++) {
            assert_true(client_answer(&client, &answer));
            assert_int_equal(answer.body_length, 5);
        }
        static char body[65536];
        memset(body, 'b', sizeof body);
        for (size_t length = 1; length <= sizeof body; length *= 4) {
            char head[128];
            snprintf(head, sizeof head,
                     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", length);
            client_say(&client, head);
            client_send(&client, body, length);
            assert_true(client_answer(&client, &answer));
            assert_int_equal(answer.body_length, length);
            assert_memory_equal(answer.body, body, length);
        }
        client_say(&client, "GET /bytes?bytes=1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, 1000000);
        client_say(&client, "GET /export?bytes=3000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, 3000000);
        client_say(&client, "POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
                            "Content-Length: 1048576\r\n\r\n");
        memset(body, 'u', sizeof body);
        for (int n = 0; n < 16; n++)
            client_send(&client, body, sizeof body);
        assert_true(client_answer(&client, &answer));
        assert_memory_equal(answer.body, "1048576", 7);
        client_say(&client, "GET /later?ms=20&tag=late HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_answer(&client, &answer));
        assert_memory_equal(answer.body, "late", 4);
        tls_close(&client);
        SSL_CTX_free(context);
    }
    harness_stop(harness);
}

/* Every request is deferred once, and resumed at the next tick. */
static uint64_t deferred; /* the loop's thread only */

static void resume_deferred(struct harness *harness)
{
    uint64_t cookie = deferred;
    deferred = 0;
    struct http_exchange *exchange =
        cookie == 0 ? NULL : http_exchange_from_cookie(harness->server, cookie);
    if (exchange != NULL)
        http_exchange_resume(exchange);
}

static void defer_once(struct http_exchange *exchange, const struct route *route, void *user)
{
    struct harness *harness = user;
    assert(http_exchange_is_secure(exchange));
    if (http_exchange_is_resumed(exchange)) {
        route->handler(exchange, user);
        return;
    }
    harness->on_tick = resume_deferred;
    deferred = http_exchange_cookie(exchange);
    http_exchange_defer(exchange);
}

static void defer_all(struct http_options *options)
{
    options->dispatch = defer_once;
}

static void deferred_requests_wait_as_without(void **state)
{
    (void)state;
    struct harness *harness = started(defer_all);
    EACH_VERSION(i)
    {
        SSL_CTX *context = client_context(versions[i]);
        struct client client;
        struct answer answer;
        static char body[65536];
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        for (int n = 0; n < 5; n++)
            client_say(&client, "GET /item/abc HTTP/1.1\r\nHost: a\r\n\r\n");
        for (int n = 0; n < 5; n++) {
            assert_true(client_answer(&client, &answer));
            assert_int_equal(answer.body_length, 5);
        }
        memset(body, 'u', sizeof body);
        client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
        client_send(&client, body, sizeof body);
        client_say(&client, "POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
                            "Content-Length: 1048576\r\n\r\n");
        for (int n = 0; n < 16; n++)
            client_send(&client, body, sizeof body);
        client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, sizeof body);
        assert_memory_equal(answer.body, body, sizeof body);
        assert_true(client_answer(&client, &answer));
        assert_memory_equal(answer.body, "1048576", 7);
        assert_true(client_answer(&client, &answer));
        assert_memory_equal(answer.body, "hello", 5);
        tls_close(&client);
        SSL_CTX_free(context);
    }
    harness_stop(harness);
}

/* Answers without an end, and a body that the handler does not take for a while. */
static void streams_flow_and_stop_as_without(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    EACH_VERSION(i)
    {
        SSL_CTX *context = client_context(versions[i]);
        struct client client;
        struct answer answer;
        static char body[65536];
        unsigned gone = atomic_load(&harness->gone);
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        client_say(&client, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_answer_to(&client, &answer, true));
        while (client_find(&client, 0, "data: 1\n\n") == NULL)
            assert_true(client_fill(&client) > 0);
        (void)SSL_shutdown(client.layer); /* whoever ends his side has gone */
        assert_true(wait_for_count(&harness->gone, gone + 1));
        tls_close(&client);

        atomic_store(&harness->upload_pause, true);
        uint64_t uploaded = atomic_load(&harness->uploaded);
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        client_say(&client, "POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"
                            "Content-Length: 262144\r\n\r\n");
        memset(body, 'u', sizeof body);
        for (int n = 0; n < 4; n++)
            client_send(&client, body, sizeof body);
        sleep_ms(100);
        /* One read, and what was left of a record before it. */
        assert_true(atomic_load(&harness->uploaded) - uploaded <= HTTP_READ_MAX + 16 * 1024);
        atomic_store(&harness->upload_pause, false);
        assert_true(client_answer(&client, &answer));
        assert_memory_equal(answer.body, "262144", 6);
        assert_true(client_is_alive(&client));
        tls_close(&client);
        SSL_CTX_free(context);
    }
    harness_stop(harness);
}

/* The end of an answer is the end of the connection: it must not look cut off. */
static void the_server_says_when_it_ends(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    EACH_VERSION(i)
    {
        SSL_CTX *context = client_context(versions[i]);
        struct client client;
        struct answer answer;
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_true(client_answer(&client, &answer));
        assert_true(answer.close);
        assert_int_equal(client_fill(&client), 0); /* close_notify, not a bare end */
        tls_close(&client);
        /* Refused in the middle: the reason still comes, and the end. */
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        client_say(&client, "GET /hello HTTP/1.1\r\nHost a\r\n\r\nmore and more");
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.status, 400);
        assert_int_equal(client_fill(&client), 0);
        tls_close(&client);
        /* The client ends its side: what it has asked for still comes. */
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        client_say(&client, "GET /later?ms=50&tag=late HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)SSL_shutdown(client.layer);
        assert_true(client_answer(&client, &answer));
        assert_memory_equal(answer.body, "late", 4);
        assert_int_equal(client_fill(&client), 0);
        tls_close(&client);
        SSL_CTX_free(context);
    }
    harness_stop(harness);
}

static void short_idle(struct http_options *options)
{
    options->idle_timeout_ms = 200;
}

static void an_idle_client_is_told(void **state)
{
    (void)state;
    struct harness *harness = started(short_idle);
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    struct client client;
    assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
    assert_true(client_is_alive(&client));
    assert_int_equal(client_fill(&client), 0);
    assert_true(wait_for(&harness_counters(harness)->closed[HTTP_CLOSE_IDLE_TIMEOUT], 1));
    tls_close(&client);
    SSL_CTX_free(context);
    harness_stop(harness);
}

/* All that a client sends, cut anywhere: the handshake, and a request behind it. */
static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    EACH_VERSION(i)
    {
        static const char request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
        SSL_CTX *context = client_context(versions[i]);
        struct client client = client_open(harness);
        SSL *ssl = SSL_new(context);
        BIO *in = BIO_new(BIO_s_mem());
        BIO *out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl, in, out);
        char bytes[20000];
        size_t got = 0;
        bool asked = false;
        for (int turn = 0; got == 0; turn++) {
            assert_true(turn < 100);
            if (!asked && SSL_connect(ssl) == 1) {
                assert_int_equal(SSL_write(ssl, request, sizeof request - 1), sizeof request - 1);
                asked = true;
            }
            int count;
            while ((count = BIO_read(out, bytes, sizeof bytes)) > 0) {
                for (int at = 0; at < count; at++) {
                    client_send(&client, bytes + at, 1);
                    if (at % 16 == 0)
                        sleep_ms(1);
                }
            }
            ssize_t read = recv(client.fd, bytes, sizeof bytes, 0);
            assert_true(read > 0);
            BIO_write(in, bytes, (int)read);
            if (asked && SSL_read_ex(ssl, bytes, sizeof bytes, &got) != 1)
                got = 0;
            ERR_clear_error();
        }
        assert_memory_equal(bytes, "HTTP/1.1 200", 12);
        SSL_free(ssl);
        client_close(&client);
        SSL_CTX_free(context);
    }
    harness_stop(harness);
}

/* ---- Hostile clients ---- */

static void short_header(struct http_options *options)
{
    options->header_timeout_ms = 300;
}

static void a_slow_handshake_is_cut(void **state)
{
    (void)state;
    struct harness *harness = started(short_header);
    struct client silent = client_open(harness);
    struct client dripping = client_open(harness);
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (size_t at = 0; at < sizeof hello - 1; at++) {
        client_send(&dripping, hello + at, 1);
        sleep_ms(50);
    }
    assert_true(client_is_ended(&silent));
    assert_true(client_is_ended(&dripping));
    assert_int_equal(atomic_load(&harness_counters(harness)->tls_failures), 2);
    assert_int_equal(atomic_load(&harness_counters(harness)->closed[HTTP_CLOSE_HANDSHAKE]), 2);
    client_close(&silent);
    client_close(&dripping);
    harness_stop(harness);
}

static void plain_http_is_told_to_use_tls(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    struct client client = client_open(harness);
    struct answer answer;
    client_say(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 400);
    assert_true(answer.close);
    assert_memory_equal(answer.body, "This port speaks TLS: use https://.\n", 36);
    shutdown(client.fd, SHUT_WR);
    assert_true(client_is_ended(&client));
    client_close(&client);
    harness_stop(harness);
}

static void one_connection(struct http_options *options)
{
    options->connections_max = 1;
}

/* At the door nothing is said: it would not be TLS. */
static void those_there_is_no_room_for_are_let_go_in_silence(void **state)
{
    (void)state;
    struct harness *harness = started(one_connection);
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    struct client client;
    struct client refused;
    assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
    refused = client_open(harness);
    assert_true(client_is_ended(&refused));
    client_close(&refused);
    assert_true(client_is_alive(&client));
    assert_int_equal(atomic_load(&harness_counters(harness)->connections_refused), 1);
    tls_close(&client);
    SSL_CTX_free(context);
    harness_stop(harness);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    char bytes[4096];
    unsigned random = 1;
    for (int n = 0; n < 200; n++) {
        struct client client = client_open(harness);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)((random = random * 1103515245 + 12345) >> 16);
        memcpy(bytes, "\x16\x03\x01", 3);
        if (n % 2 == 0)
            memcpy(bytes + 3, "\x02\x00\x01\x00\x01\xfc\x03\x03", 8);
        client_send(&client, bytes, sizeof bytes);
        shutdown(client.fd, SHUT_WR);
        while (client_fill(&client) > 0) {
        }
        client_close(&client);
    }
    assert_true(wait_for(&harness_counters(harness)->tls_failures, 200));
    assert_int_equal(atomic_load(&harness_counters(harness)->tls_handshakes), 0);
    harness_stop(harness);
}

/* A record that was changed on the way ends the connection, and is not served. */
static void a_forged_record_ends_it(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    EACH_VERSION(i)
    {
        SSL_CTX *context = client_context(versions[i]);
        struct client client;
        static const char forged[] = "\x17\x03\x03\x00\x30"
                                     "0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
        assert_true(client_is_alive(&client));
        assert_int_equal(send(client.fd, forged, sizeof forged - 1, 0), sizeof forged - 1);
        assert_true(client_fill(&client) <= 0);
        tls_close(&client);
        SSL_CTX_free(context);
    }
    assert_true(wait_for(&harness_counters(harness)->closed[HTTP_CLOSE_RESET], 2));
    harness_stop(harness);
}

/* Each key update asks for one in return: who does not read those is let go. */
static void key_updates_are_bounded(void **state)
{
    (void)state;
    struct harness *harness = started(NULL);
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    struct client client;
    assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
    for (int n = 0; n < 20; n++) {
        assert_int_equal(SSL_key_update(client.layer, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_true(client_is_alive(&client));
    }
    const _Atomic uint64_t *open = &harness_counters(harness)->connections_open;
    unsigned sent = 0;
    while (atomic_load(open) > 0 && sent++ < 2000000) {
        if (SSL_key_update(client.layer, SSL_KEY_UPDATE_REQUESTED) != 1 ||
            SSL_do_handshake(client.layer) != 1)
            break;
    }
    ERR_clear_error();
    for (int n = 0; n < 100 && atomic_load(open) > 0; n++)
        sleep_ms(20);
    assert_int_equal(atomic_load(open), 0);
    tls_close(&client);
    SSL_CTX_free(context);
    harness_stop(harness);
}

static void small_queue(struct http_options *options)
{
    options->write_stall_ms = 400;
}

static void who_does_not_read_is_let_go(void **state)
{
    (void)state;
    struct harness *harness = started(small_queue);
    SSL_CTX *context = client_context(TLS1_3_VERSION);
    struct client client;
    assert_true(tls_open(&client, harness->options.port, context, NULL, NULL));
    for (int n = 0; n < 20; n++)
        client_say(&client, "GET /bytes?bytes=1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(&harness_counters(harness)->closed[HTTP_CLOSE_WRITE_STALL], 1));
    tls_close(&client);
    SSL_CTX_free(context);
    harness_stop(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_served_as_without),
        cmocka_unit_test(deferred_requests_wait_as_without),
        cmocka_unit_test(streams_flow_and_stop_as_without),
        cmocka_unit_test(the_server_says_when_it_ends),
        cmocka_unit_test(an_idle_client_is_told),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(a_slow_handshake_is_cut),
        cmocka_unit_test(plain_http_is_told_to_use_tls),
        cmocka_unit_test(those_there_is_no_room_for_are_let_go_in_silence),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_forged_record_ends_it),
        cmocka_unit_test(key_updates_are_bounded),
        cmocka_unit_test(who_does_not_read_is_let_go),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
