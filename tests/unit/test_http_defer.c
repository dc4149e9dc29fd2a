/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are deferred: they wait as they are, nothing behind them is served before, and they
 * are handled again with the same bytes. */
#include "defer_harness.h"

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
        ON_PLAIN(a_streamed_body_waits),
        ON_PLAIN(a_streamed_body_may_be_refused_then),
        ON_PLAIN(nobody_is_asked_for_a_body_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
