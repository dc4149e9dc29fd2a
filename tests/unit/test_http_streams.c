/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies and answers in pieces: order, back-pressure in both directions, and clients that leave in
 * the middle. */
#include "shared_harness.h"

#define UPLOAD_HEAD "POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n"

enum { MEBIBYTE = 1 << 20 };

static void send_pieces(struct client *client, size_t total)
{
    static char piece[50000];
    memset(piece, 'u', sizeof piece);
    while (total > 0) {
        size_t length = total < sizeof piece ? total : sizeof piece;
        client_send(client, piece, length);
        total -= length;
    }
}

static void send_chunk(struct client *client, size_t length)
{
    char line[32];
    snprintf(line, sizeof line, "%zx\r\n", length);
    client_say(client, line);
    send_pieces(client, length);
    client_say(client, "\r\n");
}

static void expect_body(struct client *client, const char *body)
{
    struct answer answer;
    assert_true(client_answer(client, &answer));
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_length, strlen(body));
    assert_memory_equal(answer.body, body, answer.body_length);
}

static void uploads_are_passed_on_in_pieces(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    client_say(&client, UPLOAD_HEAD "Content-Length: 5000000\r\n\r\n");
    send_pieces(&client, 5000000);
    expect_body(&client, "5000000");

    client_say(&client, UPLOAD_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    send_chunk(&client, 1);
    send_chunk(&client, 3 * MEBIBYTE);
    send_chunk(&client, 100000);
    client_say(&client, "0\r\n\r\n");
    expect_body(&client, "3245729");

    client_say(&client, UPLOAD_HEAD "Content-Length: 0\r\n\r\n");
    expect_body(&client, "0");
    assert_true(client_is_alive(&client));
    client_close(&client);
}

/* The whole stream in pieces of a few bytes: the pieces of the body must be the same bytes. */
static void an_upload_survives_any_cut(void **state)
{
    (void)state;
    static const char request[] = UPLOAD_HEAD "Transfer-Encoding: chunked\r\n\r\n"
                                              "3\r\nuuu\r\n0a\r\nuuuuuuuuuu\r\n0\r\n\r\n";
    for (size_t step = 1; step < 12; step++) {
        struct client client = client_open(shared);
        for (size_t at = 0; at < sizeof request - 1; at += step) {
            size_t left = sizeof request - 1 - at;
            client_send(&client, request + at, left < step ? left : step);
            sleep_ms(step < 3 ? 0 : 1);
        }
        expect_body(&client, "13");
        assert_true(client_is_alive(&client));
        client_close(&client);
    }
}

/* Refused at its head, while the client goes on sending: the answer must not be lost to a reset. */
static void an_upload_can_be_refused_early(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    struct answer answer;
    client_say(&client, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n");
    send_pieces(&client, 900000);
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 401);
    assert_true(answer.close);
    shutdown(client.fd, SHUT_WR);
    assert_true(client_is_ended(&client));
    client_close(&client);
}

static void uploads_are_bounded(void **state)
{
    (void)state;
    unsigned gone = atomic_load(&shared->gone);
    struct client client = client_open(shared);
    struct answer answer;
    client_say(&client, UPLOAD_HEAD "Content-Length: 8388609\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 413);
    client_close(&client);

    client = client_open(shared);
    client_say(&client, UPLOAD_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    send_chunk(&client, 8 * MEBIBYTE);
    send_chunk(&client, 1);
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 413);
    assert_true(answer.close);
    assert_int_equal(atomic_load(&shared->gone), gone + 1);
    client_close(&client);
}

static void a_broken_upload_lets_its_handler_go(void **state)
{
    (void)state;
    unsigned gone = atomic_load(&shared->gone);
    struct client client = client_open(shared);
    struct answer answer;
    client_say(&client, UPLOAD_HEAD "Transfer-Encoding: chunked\r\n\r\n");
    send_chunk(&client, 10);
    client_say(&client, "nonsense\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 400);
    shutdown(client.fd, SHUT_WR);
    assert_true(client_is_ended(&client));
    assert_int_equal(atomic_load(&shared->gone), gone + 1);
    client_close(&client);

    client = client_open(shared);
    client_say(&client, UPLOAD_HEAD "Content-Length: 100\r\n\r\nuuu");
    sleep_ms(10);
    client_close(&client);
    assert_true(wait_for_count(&shared->gone, gone + 2));
}

/* A paused upload is not read: what the client can send comes to an end. */
static void a_paused_upload_is_not_read(void **state)
{
    (void)state;
    atomic_store(&shared->upload_pause, true);
    uint64_t before = atomic_load(&shared->uploaded);
    struct client client = client_open(shared);
    struct timeval wait = {0, 100000};
    setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    client_say(&client, UPLOAD_HEAD "Content-Length: 8000000\r\n\r\n");
    static char piece[100000];
    memset(piece, 'u', sizeof piece);
    size_t sent = 0;
    while (sent < 8000000) {
        ssize_t count = send(client.fd, piece, sizeof piece, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += (size_t)count;
    }
    assert_true(sent < 8000000);
    assert_true(atomic_load(&shared->uploaded) - before <= 64 * 1024);
    atomic_store(&shared->upload_pause, false);
    wait.tv_sec = CLIENT_WAIT_MS / 1000;
    setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    send_pieces(&client, 8000000 - sent);
    expect_body(&client, "8000000");
    client_close(&client);
}

static void expect_export(struct client *client, size_t bytes)
{
    struct answer answer;
    assert_true(client_answer(client, &answer));
    assert_int_equal(answer.status, 200);
    assert_true(answer.chunked);
    assert_int_equal(answer.body_length, bytes);
}

static void exports_are_chunked(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    client_say(&client, "GET /export?bytes=0 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /export?bytes=3 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /later?tag=between&ms=20 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /export?bytes=6000000 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /export?bytes=200000 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_export(&client, 0);
    expect_export(&client, 3);
    expect_body(&client, "between");
    expect_export(&client, 6000000);
    expect_export(&client, 200000);
    struct answer answer;
    client_say(&client, "HEAD /export?bytes=100 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer_to(&client, &answer, true));
    assert_int_equal(answer.status, 200);
    assert_true(client_is_alive(&client));
    client_close(&client);
}

/* HTTP/1.0 knows no chunks: the end of the connection is the end of the body. */
static void exports_to_old_clients_end_with_the_connection(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    struct answer answer;
    client_say(&client, "GET /export?bytes=300000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(client_answer_to(&client, &answer, true));
    assert_true(answer.close);
    assert_false(answer.chunked);
    while (client_fill(&client) > 0) {
    }
    assert_int_equal(client.length - client.taken, 300000);
    client_close(&client);
}

/* A reader that does not read stops the producer: memory does not follow the size of the export. */
static void a_slow_reader_stops_an_export(void **state)
{
    (void)state;
    const struct http_counters *counters = harness_counters(shared);
    struct client client = client_open_port(shared->options.port, 8192);
    client_say(&client, "GET /export?bytes=50000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    sleep_ms(150);
    assert_true(atomic_load(&counters->memory_bytes) > 0);
    assert_true(atomic_load(&counters->memory_bytes) <= 512 * 1024);
    unsigned gone = atomic_load(&shared->gone);
    client_close(&client);
    assert_true(wait_for_count(&shared->gone, gone + 1));
}

/* By a reset, or by the end of the client's own side: an endless answer has nobody to go to. */
static void an_endless_answer_ends_with_its_client(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        unsigned gone = atomic_load(&shared->gone);
        struct client client = client_open(shared);
        client_say(&client, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
        while (client_find(&client, 0, "data: 1") == NULL)
            assert_true(client_fill(&client) > 0);
        struct linger linger = {reset, 0};
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        client_close(&client);
        assert_true(wait_for_count(&shared->gone, gone + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uploads_are_passed_on_in_pieces),
        cmocka_unit_test(an_upload_survives_any_cut),
        cmocka_unit_test(an_upload_can_be_refused_early),
        cmocka_unit_test(uploads_are_bounded),
        cmocka_unit_test(a_broken_upload_lets_its_handler_go),
        cmocka_unit_test(a_paused_upload_is_not_read),
        cmocka_unit_test(exports_are_chunked),
        cmocka_unit_test(exports_to_old_clients_end_with_the_connection),
        cmocka_unit_test(a_slow_reader_stops_an_export),
        cmocka_unit_test(an_endless_answer_ends_with_its_client),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
