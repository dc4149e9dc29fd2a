/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, numbers and times: each bound is met from both sides, and what is past it is refused or
 * closed, cheaply. */
#include "http_harness.h"

#include <sys/resource.h>

/* ---- Sizes ---- */

static void expect_status(struct harness *harness, const char *request, int status, bool keeps)
{
    struct client client = client_open(harness);
    struct answer answer;
    client_say(&client, request);
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.close, !keeps);
    if (keeps)
        assert_true(client_is_alive(&client));
    shutdown(client.fd, SHUT_WR);
    assert_true(client_is_ended(&client));
    client_close(&client);
}

/* The same, a moment after each piece. */
static void expect_status_in_pieces(struct harness *harness, const char *request, size_t piece,
                                    int status)
{
    struct client client = client_open(harness);
    struct answer answer;
    size_t length = strlen(request);
    for (size_t at = 0; at < length; at += piece) {
        size_t count = length - at < piece ? length - at : piece;
        if (send(client.fd, request + at, count, MSG_NOSIGNAL) < 0)
            break; /* it was refused before its end */
        sleep_ms(1);
    }
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, status);
    client_close(&client);
}

static void heads_are_bounded(void **state)
{
    (void)state;
    static char request[256 * 1024];
    struct harness *harness = harness_started(NULL);
    static const struct {
        size_t url;
        int status;
    } urls[] = {{8191, 404}, {8192, 404}, {8193, 414}, {60000, 414}, {200000, 414}};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char *p = stpcpy(request, "GET /");
        p = harness_repeat(p, 'u', urls[i].url - 1);
        strcpy(p, " HTTP/1.1\r\nHost: a\r\n\r\n");
        expect_status(harness, request, urls[i].status, urls[i].status == 404);
    }
    static const struct {
        size_t value;
        int status;
    } values[] = {{16000, 200}, {16384, 431}, {60000, 431}, {200000, 431}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char *p = stpcpy(request, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
        p = harness_repeat(p, 'v', values[i].value);
        strcpy(p, "\r\n\r\n");
        expect_status(harness, request, values[i].status, values[i].status == 200);
    }
    /* Blanks before a value are no value, but they count. */
    char *p = stpcpy(request, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
    p = harness_repeat(p, ' ', 200000);
    strcpy(p, "x\r\n\r\n");
    expect_status(harness, request, 431, false);
    for (int count = 63; count <= 65; count++) {
        p = stpcpy(request, "GET /hello HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < count; i++)
            p += sprintf(p, "X-%d: y\r\n", i);
        strcpy(p, "\r\n");
        expect_status(harness, request, count <= 64 ? 200 : 431, count <= 64);
    }
    harness_stop(harness);
}

/* A bound that is broken before the grammar is, tells the verdict: read whole or in pieces. */
static void what_is_broken_first_decides(void **state)
{
    (void)state;
    static char request[64 * 1024];
    static const struct {
        const char *before;
        char fill;
        size_t count;
        const char *after;
        int status;
    } cases[] = {
        {"GET /", 'u', 9000, "\001 HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        {"GET /", 'u', 8000, "\001 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET ", ' ', 30000, "/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /", ' ', 30000, "HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", 'v', 17000, "\001\r\n\r\n", 431},
        {"GET / HTTP/1.1\r\nHost: a\r\n", 'n', 17000, "\001: v\r\n\r\n", 431},
        {"GET / HTTP/1.1\r\nHost: a\r\nX:", ' ', 30000, "\r\n\r\n", 431},
    };
    struct harness *harness = harness_started(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *p = stpcpy(request, cases[i].before);
        strcpy(harness_repeat(p, cases[i].fill, cases[i].count), cases[i].after);
        expect_status(harness, request, cases[i].status, false);
        expect_status_in_pieces(harness, request, 1000, cases[i].status);
    }
    harness_stop(harness);
}

/* Refused while it is being sent: the client still gets to read why. */
static void bodies_are_bounded(void **state)
{
    (void)state;
    static char request[256 * 1024];
    struct harness *harness = harness_started(NULL);
    static const struct {
        const char *call;
        size_t body;
        int status;
    } cases[] = {
        {"POST /echo", 65536, 200}, {"POST /echo", 65537, 413}, {"POST /echo", 200000, 413},
        {"PUT /echo", 100, 200},    {"PUT /echo", 101, 413},    {"POST /nothing", 65536, 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool keeps = cases[i].status != 413;
        char *p =
            request + sprintf(request, "%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                              cases[i].call, cases[i].body);
        harness_repeat(p, 'b', cases[i].body);
        expect_status(harness, request, cases[i].status, keeps);
        p = request + sprintf(request,
                              "%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                              cases[i].call, cases[i].body);
        p = harness_repeat(p, 'b', cases[i].body);
        strcpy(p, "\r\n0\r\n\r\n");
        expect_status(harness, request, cases[i].status, keeps);
    }
    /* The framing of many small chunks is not kept. */
    char *p =
        stpcpy(request, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 30000; i++)
        p = stpcpy(p, "1\r\nb\r\n");
    strcpy(p, "0\r\n\r\n");
    expect_status(harness, request, 200, true);
    harness_stop(harness);
}

/* ---- Times ---- */

static void short_times(struct http_options *options)
{
    options->sweep_ms = 10;
    options->header_timeout_ms = 100;
    options->idle_timeout_ms = 200;
    options->body_grace_ms = 100;
    options->body_rate_min = 1000;
    options->body_stall_ms = 300;
    options->write_stall_ms = 200;
    options->linger_ms = 200;
}

static void slow_requests_time_out(void **state)
{
    (void)state;
    struct harness *harness = harness_started(short_times);
    struct answer answer;
    static const char *const partial[] = {
        "G",
        "GET /hello HTTP/1.1\r\nHost: a\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        "POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nContent-Length: 9\r\n\r\nu",
    };
    for (size_t i = 0; i < 4; i++) {
        struct client client = client_open(harness);
        client_say(&client, partial[i]);
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.status, 408);
        assert_true(answer.close);
        assert_non_null(strstr(answer.body, "request_timeout"));
        assert_true(client_is_ended(&client));
        client_close(&client);
    }
    assert_int_equal(atomic_load(&harness->gone), 1);
    /* One byte at a time keeps no head alive. */
    struct client client = client_open(harness);
    client_say(&client, "GET /hello HTTP/1.1\r\nX: ");
    for (int i = 0; i < 20; i++) {
        client_say(&client, "x");
        sleep_ms(10);
    }
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 408);
    client_close(&client);
    harness_stop(harness);
}

/* A body at its minimum rate is let through, however long it takes. */
static void slow_bodies_at_their_rate_are_served(void **state)
{
    (void)state;
    struct harness *harness = harness_started(short_times);
    struct client client = client_open(harness);
    struct answer answer;
    char piece[101];
    harness_repeat(piece, 'b', 100);
    client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        client_say(&client, piece);
        sleep_ms(30);
    }
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 200);
    client_close(&client);
    harness_stop(harness);
}

static void idle_connections_are_closed_in_silence(void **state)
{
    (void)state;
    struct harness *harness = harness_started(short_times);
    const struct http_counters *counters = harness_counters(harness);
    struct client fresh = client_open(harness);
    struct client used = client_open(harness);
    assert_true(client_is_alive(&used));
    assert_true(client_is_ended(&fresh));
    assert_true(client_is_ended(&used));
    assert_int_equal(fresh.length, 0);
    assert_true(wait_for(&counters->closed[HTTP_CLOSE_IDLE_TIMEOUT], 2));
    client_close(&fresh);
    client_close(&used);
    harness_stop(harness);
}

static void a_client_that_does_not_read_is_closed(void **state)
{
    (void)state;
    struct harness *harness = harness_started(short_times);
    const struct http_counters *counters = harness_counters(harness);
    struct client client = client_open_port(harness->options.port, 4096);
    client_say(&client, "GET /export?bytes=50000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(&counters->closed[HTTP_CLOSE_WRITE_STALL], 1));
    assert_int_equal(atomic_load(&harness->gone), 1);
    client_close(&client);
    /* Reading slowly is not the same as not reading. */
    client = client_open_port(harness->options.port, 4096);
    client_say(&client, "GET /export?bytes=3000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t received = 0;
    for (int i = 0; i < 25; i++) {
        sleep_ms(20);
        ssize_t count = recv(client.fd, client.bytes, 60000, 0);
        assert_true(count > 0);
        received += (size_t)count;
    }
    assert_int_equal(atomic_load(&counters->closed[HTTP_CLOSE_WRITE_STALL]), 1);
    assert_true(received < 3000000);
    client_close(&client);
    harness_stop(harness);
}

/* ---- Numbers ---- */

static void expect_overloaded(struct client *client, bool close)
{
    struct answer answer;
    char value[256];
    assert_true(client_answer(client, &answer));
    assert_int_equal(answer.status, 503);
    assert_int_equal(answer.close, close);
    assert_non_null(strstr(answer.body, "overloaded"));
    assert_non_null(answer_header(&answer, "Retry-After", value));
    assert_true(strcmp(value, "1") >= 0 && strcmp(value, "3") <= 0);
}

static void few_connections(struct http_options *options)
{
    options->connections_max = 3;
}

static void few_connections_per_ip(struct http_options *options)
{
    options->connections_per_ip_max = 3;
}

static void check_connections(struct harness *harness)
{
    const struct http_counters *counters = harness_counters(harness);
    struct client clients[3];
    for (int i = 0; i < 3; i++) {
        clients[i] = client_open(harness);
        assert_true(client_is_alive(&clients[i]));
    }
    for (int i = 0; i < 5; i++) {
        struct client client = client_open(harness);
        expect_overloaded(&client, true);
        assert_true(client_is_ended(&client));
        client_close(&client);
    }
    assert_int_equal(atomic_load(&counters->connections_refused), 5);
    client_close(&clients[1]);
    assert_true(wait_for(&counters->closed[HTTP_CLOSE_CLIENT], 1));
    sleep_ms(10);
    clients[1] = client_open(harness);
    for (int i = 0; i < 3; i++) {
        assert_true(client_is_alive(&clients[i]));
        client_close(&clients[i]);
    }
    harness_stop(harness);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    check_connections(harness_started(few_connections));
}

static void connections_of_one_address_are_bounded(void **state)
{
    (void)state;
    check_connections(harness_started(few_connections_per_ip));
}

static void few_exchanges(struct http_options *options)
{
    options->exchanges_max = 2;
}

/* Past the pool: others are told to come back; the same connection just waits for its own answers.
 */
static void requests_in_flight_are_bounded(void **state)
{
    (void)state;
    struct harness *harness = harness_started(few_exchanges);
    const struct http_counters *counters = harness_counters(harness);
    struct answer answer;
    atomic_store(&harness->hold, true);
    struct client busy = client_open(harness);
    struct client other = client_open(harness);
    client_say(&busy, "GET /later?tag=1 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "GET /later?tag=2 HTTP/1.1\r\nHost: a\r\n\r\n"
                      "GET /later?tag=3 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(&counters->exchanges_open, 2));
    client_say(&other, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_overloaded(&other, false);
    atomic_store(&harness->hold, false);
    for (char tag = '1'; tag <= '3'; tag++) {
        assert_true(client_answer(&busy, &answer));
        assert_int_equal(answer.body[0], tag);
    }
    assert_true(client_is_alive(&other));
    client_close(&busy);
    client_close(&other);
    harness_stop(harness);
}

static void few_exchanges_and_streams(struct http_options *options)
{
    options->exchanges_max = 2;
    options->streams_max = 3;
}

/* Endless answers have places of their own; beyond those they take requests' places. */
static void endless_answers_are_no_requests_in_flight(void **state)
{
    (void)state;
    struct harness *harness = harness_started(few_exchanges_and_streams);
    const struct http_counters *counters = harness_counters(harness);
    struct client streams[5];
    struct client other = client_open(harness);
    struct answer answer;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5; i++) {
            streams[i] = client_open(harness);
            client_say(&streams[i], "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
            while (client_find(&streams[i], 0, "data: 1") == NULL)
                assert_true(client_fill(&streams[i]) > 0);
            client_say(&other, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
            if (i == 4) {
                expect_overloaded(&other, false);
                continue;
            }
            assert_true(client_answer(&other, &answer));
            assert_int_equal(answer.status, 200);
        }
        assert_int_equal(atomic_load(&counters->exchanges_open), 5);
        for (unsigned i = 0; i < 5; i++)
            client_close(&streams[i]);
        assert_true(wait_for(&counters->closed[HTTP_CLOSE_CLIENT], 5 * (round + 1)));
        assert_int_equal(atomic_load(&counters->exchanges_open), 0);
    }
    client_close(&other);
    harness_stop(harness);
}

/* A flood behind unanswered requests stays in the kernel; it is served when its turn comes. */
static void a_pipelined_flood_is_not_read(void **state)
{
    (void)state;
    enum { FLOOD = 8000 };
    static const char request[] = "GET /item/0123456789012345678901234567890123456789 HTTP/1.1\r\n"
                                  "Host: a\r\n\r\n";
    struct harness *harness = harness_started(NULL);
    const struct http_counters *counters = harness_counters(harness);
    atomic_store(&harness->hold, true);
    struct client client = client_open(harness);
    struct answer answer;
    for (int i = 0; i < 40; i++)
        client_say(&client, "GET /later?tag=x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(&counters->exchanges_open, 32));
    for (int i = 0; i < FLOOD; i++)
        client_send(&client, request, sizeof request - 1);
    sleep_ms(50);
    assert_int_equal(atomic_load(&counters->exchanges_open), 32);
    assert_true(atomic_load(&counters->bytes_received) <= 3 * 64 * 1024);
    atomic_store(&harness->hold, false);
    for (int i = 0; i < 40 + FLOOD; i++) {
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, i < 40 ? 1 : 42);
    }
    client_close(&client);
    harness_stop(harness);
}

/* Requests from one who does not read their answers are not read either. */
static void answers_that_are_not_read_stop_the_reading(void **state)
{
    (void)state;
    struct harness *harness = harness_started(NULL);
    const struct http_counters *counters = harness_counters(harness);
    struct client client = client_open_port(harness->options.port, 4096);
    struct timeval wait = {0, 100000};
    setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    for (int i = 0; i < 300; i++)
        client_say(&client, "GET /bytes?bytes=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    sleep_ms(100);
    assert_true(atomic_load(&counters->memory_bytes) <= 512 * 1024);
    assert_true(atomic_load(&counters->pipeline_stalls) > 0);
    struct answer answer;
    for (int i = 0; i < 300; i++) {
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, 60000);
    }
    client_close(&client);
    harness_stop(harness);
}

/* Whoever drains may lose patience just before the drain does. */
static void closing_ends_a_drain(void **state)
{
    (void)state;
    struct harness *harness = harness_started(NULL);
    struct client client = client_open(harness);
    client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nb");
    assert_true(wait_for(&harness_counters(harness)->bytes_received, 1));
    uv_async_send(&harness->drain);
    sleep_ms(50);
    assert_int_equal(atomic_load(&harness->drained), 0);
    harness_stop(harness);
    assert_true(client_is_ended(&client));
    client_close(&client);
}

static void two_requests(struct http_options *options)
{
    options->requests_per_connection_max = 2;
}

static void requests_of_one_connection_can_be_bounded(void **state)
{
    (void)state;
    struct harness *harness = harness_started(two_requests);
    struct client client = client_open(harness);
    struct answer answer;
    client_say(&client,
               "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
               "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_false(answer.close);
    assert_true(client_answer(&client, &answer));
    assert_true(answer.close);
    shutdown(client.fd, SHUT_WR);
    assert_true(client_is_ended(&client));
    client_close(&client);
    harness_stop(harness);
}

/* No descriptor left: those who come are closed, the loop does not spin, and then all is well
 * again. */
static void descriptors_may_run_out(void **state)
{
    (void)state;
    enum { CLIENTS = 12 };
    struct harness *harness = harness_started(NULL);
    const struct http_counters *counters = harness_counters(harness);
    struct client clients[CLIENTS];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(harness->options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                                     .bytes = malloc(CLIENT_BUFFER)};
        struct timeval wait = {CLIENT_WAIT_MS / 1000, 0};
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    }
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = (rlim_t)clients[CLIENTS - 1].fd + 4,
                         .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int served = 0;
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(connect(clients[i].fd, (struct sockaddr *)&address, sizeof address), 0);
        served += client_is_alive(&clients[i]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(served > 0 && served < CLIENTS);
    assert_int_equal(atomic_load(&counters->connections_refused), CLIENTS - served);
    struct client client = client_open(harness);
    assert_true(client_is_alive(&client));
    client_close(&client);
    for (int i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    harness_stop(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_bounded),
        cmocka_unit_test(what_is_broken_first_decides),
        cmocka_unit_test(bodies_are_bounded),
        cmocka_unit_test(slow_requests_time_out),
        cmocka_unit_test(slow_bodies_at_their_rate_are_served),
        cmocka_unit_test(idle_connections_are_closed_in_silence),
        cmocka_unit_test(a_client_that_does_not_read_is_closed),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(connections_of_one_address_are_bounded),
        cmocka_unit_test(requests_in_flight_are_bounded),
        cmocka_unit_test(endless_answers_are_no_requests_in_flight),
        cmocka_unit_test(a_pipelined_flood_is_not_read),
        cmocka_unit_test(answers_that_are_not_read_stop_the_reading),
        cmocka_unit_test(closing_ends_a_drain),
        cmocka_unit_test(requests_of_one_connection_can_be_bounded),
        cmocka_unit_test(descriptors_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
