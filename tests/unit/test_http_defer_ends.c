/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over requests while they are deferred: clients that leave, servers that stop, time,
 * too little memory. */
#include "defer_harness.h"

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

int main(void)
{
#define ON_PLAIN(test) cmocka_unit_test_setup_teardown(test, start_plain, stop)
    const struct CMUnitTest tests[] = {
        ON_PLAIN(a_client_that_leaves_is_not_found),
        ON_PLAIN(a_drain_waits_for_it),
        ON_PLAIN(a_drain_ends_without_it),
        cmocka_unit_test_setup(a_server_stops_over_it, start_plain),
        cmocka_unit_test(no_timer_of_requests_ends_it),
        cmocka_unit_test(without_memory_it_is_refused),
        cmocka_unit_test(what_is_behind_may_find_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
