/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: their order, their heads, answering later, clients that leave, the drain, the port. */
#include "http_harness.h"

static struct harness *shared;

static const char *const origins[] = {"https://shop.example", "https://other.example"};

static int start_shared(void **state)
{
    (void)state;
    shared = harness_new();
    shared->options.cors_origins = origins;
    shared->options.cors_origins_count = 2;
    harness_start(shared);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    harness_stop(shared);
    return 0;
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    for (int count = 1; count <= 100; count++) {
        char request[100 * 80];
        size_t length = 0;
        for (int i = 0; i < count; i++)
            length += (size_t)snprintf(request + length, sizeof request - length,
                                       "GET /item/%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        client_send(&client, request, length);
        for (int i = 0; i < count; i++) {
            struct answer answer;
            char expected[16];
            assert_true(client_answer(&client, &answer));
            int expected_length = snprintf(expected, sizeof expected, "[%d]", i);
            assert_int_equal(answer.body_length, expected_length);
            assert_memory_equal(answer.body, expected, answer.body_length);
        }
    }
    client_close(&client);
}

/* Given in any order (each after a time of its own), they leave in the order of the requests; more
 * than the pipeline's limit waits. */
static void late_answers_leave_in_order(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    char request[100 * 80];
    size_t length = 0;
    for (unsigned i = 0; i < 100; i++) {
        char target[40];
        if (i % 5 == 4)
            snprintf(target, sizeof target, "/item/%u", i);
        else
            snprintf(target, sizeof target, "/later?tag=%u&ms=%u", i, (i * 37) % 20);
        length += (size_t)snprintf(request + length, sizeof request - length,
                                   "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
    }
    client_send(&client, request, length);
    for (unsigned i = 0; i < 100; i++) {
        struct answer answer;
        char expected[16];
        assert_true(client_answer(&client, &answer));
        snprintf(expected, sizeof expected, "%s%u%s", i % 5 == 4 ? "[" : "", i,
                 i % 5 == 4 ? "]" : "");
        assert_int_equal(answer.body_length, strlen(expected));
        assert_memory_equal(answer.body, expected, answer.body_length);
    }
    assert_true(atomic_load(&harness_counters(shared)->pipeline_stalls) > 0);
    client_close(&client);
}

static void a_refusal_waits_for_the_answers_before_it(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    struct answer answer;
    client_say(&client, "GET /later?tag=first&ms=30 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /later?tag=second&ms=5 HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_memory_equal(answer.body, "first", 5);
    assert_false(answer.close);
    assert_true(client_answer(&client, &answer));
    assert_memory_equal(answer.body, "second", 6);
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 400);
    assert_true(answer.close);
    assert_true(client_is_ended(&client));
    client_close(&client);
}

/* The place that the body is written to is chosen before its length is known. */
static void bodies_written_in_place_have_their_length(void **state)
{
    (void)state;
    static const unsigned sizes[] = {0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10000, 99999, 500000};
    struct client client = client_open(shared);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct answer answer;
        char request[80];
        snprintf(request, sizeof request, "GET /bytes?bytes=%u HTTP/1.1\r\nHost: a\r\n\r\n",
                 sizes[i]);
        client_say(&client, request);
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(answer.body[at], 'x');
    }
    struct answer answer;
    client_say(&client, "GET /bytes?bytes=1048577 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 500);
    assert_non_null(strstr(answer.body, "internal_error"));
    assert_true(client_is_alive(&client));
    client_close(&client);
}

static void head_is_get_without_the_body(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *length;
    } cases[] = {{"/hello", "5"}, {"/bytes?bytes=70000", "70000"}, {"/item/ab", "4"}};
    struct client client = client_open(shared);
    for (size_t i = 0; i < 3; i++) {
        struct answer answer;
        char request[80];
        char value[256];
        snprintf(request, sizeof request, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].target);
        client_say(&client, request);
        assert_true(client_answer_to(&client, &answer, true));
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer_header(&answer, "Content-Length", value), cases[i].length);
        assert_true(client_is_alive(&client));
    }
    client_close(&client);
}

static void request_ids_are_taken_or_made(void **state)
{
    (void)state;
    static const struct {
        const char *sent;
        bool taken;
    } cases[] = {
        {"a", true},
        {"A.b_c-9", true},
        {"0123456789012345678901234567890123456789012345678901234567890123", true},
        {"01234567890123456789012345678901234567890123456789012345678901234", false},
        {"", false},
        {"a b", false},
        {"a/b", false},
        {"\xc3\xa9", false},
    };
    struct client client = client_open(shared);
    char before[256] = "";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer;
        char request[160];
        char value[256];
        snprintf(request, sizeof request,
                 "GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-Id: %s\r\n\r\n", cases[i].sent);
        client_say(&client, request);
        assert_true(client_answer(&client, &answer));
        assert_non_null(answer_header(&answer, "X-Request-Id", value));
        if (cases[i].taken) {
            assert_string_equal(value, cases[i].sent);
        } else {
            assert_int_equal(strlen(value), 20);
            assert_string_not_equal(value, before);
            strcpy(before, value);
        }
    }
    client_close(&client);
}

static void cors_is_answered_by_the_layer(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    struct answer answer;
    char value[256];
    client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_string_equal(answer_header(&answer, "Access-Control-Allow-Origin", value), origins[0]);
    assert_string_equal(answer_header(&answer, "Vary", value), "Origin");
    assert_non_null(answer_header(&answer, "Access-Control-Expose-Headers", value));
    assert_non_null(strstr(value, "X-Session-Token"));

    client_say(&client,
               "GET /later?ms=1 HTTP/1.1\r\nHost: a\r\nOrigin: https://other.example\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_string_equal(answer_header(&answer, "Access-Control-Allow-Origin", value), origins[1]);

    client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_null(answer_header(&answer, "Access-Control-Allow-Origin", value));
    assert_string_equal(answer_header(&answer, "Vary", value), "Origin");

    client_say(&client, "OPTIONS /item/1 HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example\r\n"
                        "Access-Control-Request-Method: DELETE\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer_header(&answer, "Access-Control-Allow-Methods", value),
                        "GET, HEAD, DELETE, OPTIONS");
    assert_non_null(answer_header(&answer, "Access-Control-Allow-Headers", value));
    assert_non_null(strstr(value, "Idempotency-Key"));
    assert_non_null(answer_header(&answer, "Access-Control-Max-Age", value));

    client_say(&client, "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 404);
    client_close(&client);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /later?tag=hello&ms=20 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /later?tag=hello&ms=20 HTTP/1.1\r\nHost: a\r\n\r\nGET /hel",
    };
    for (size_t i = 0; i < 3; i++) {
        struct client client = client_open(shared);
        struct answer answer;
        client_say(&client, requests[i]);
        shutdown(client.fd, SHUT_WR);
        assert_true(client_answer(&client, &answer));
        assert_memory_equal(answer.body, "hello", 5);
        assert_true(client_is_ended(&client));
        client_close(&client);
    }
}

static void an_answer_to_a_client_that_left_is_dropped(void **state)
{
    (void)state;
    unsigned gone = atomic_load(&shared->later_gone);
    atomic_store(&shared->hold, true);
    struct client client = client_open(shared);
    client_say(&client, "GET /later?tag=a HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /later?tag=b HTTP/1.1\r\nHost: a\r\n\r\n");
    const struct http_counters *counters = harness_counters(shared);
    assert_true(wait_for(&counters->exchanges_open, 2));
    /* A reset, not a mere end of input: nobody is there to read an answer. */
    struct linger linger = {1, 0};
    setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    client_close(&client);
    uint64_t abandoned = 0;
    for (int i = 0; i < 1000 && abandoned < 2; i++) {
        sleep_ms(2);
        abandoned = atomic_load(&counters->responses[0]);
    }
    assert_int_equal(abandoned, 2);
    assert_int_equal(atomic_load(&shared->last_status), HTTP_STATUS_CLIENT_GONE);
    atomic_store(&shared->hold, false);
    assert_true(wait_for_count(&shared->later_gone, gone + 2));
    assert_int_equal(atomic_load(&counters->exchanges_open), 0);
}

static void continue_is_sent_when_the_body_is_wanted(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    struct answer answer;
    client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 4\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 100);
    client_say(&client, "body");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 200);
    assert_memory_equal(answer.body, "body", 4);

    /* Its turn comes after the answer before it. */
    client_say(&client, "GET /later?tag=x&ms=20 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 4\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 200);
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 100);
    client_say(&client, "body");
    assert_true(client_answer(&client, &answer));
    assert_memory_equal(answer.body, "body", 4);
    client_close(&client);

    client = client_open(shared);
    client_say(&client, "POST /nothing HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 4\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 404);
    assert_true(answer.close);
    client_close(&client);
}

static void parameters_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int status;
        const char *body;
    } cases[] = {
        {"/item/a%2Fb:c", 200, "[a/b:c]"},
        {"/item/%41+%7e", 200, "[A+~]"},
        {"/item/..", 200, "[..]"},
        {"/item/", 404, NULL},
        {"/item/a/b", 404, NULL},
        {"/%69tem/a", 404, NULL},
        {"/later?tag=a%20b+c", 200, "a b c"},
        {"/later?tag=1&tag=2", 200, "1"},
        {"/later?x&t%61g=%2526", 200, "%26"},
        {"/later?TAG=1", 200, ""},
    };
    struct client client = client_open(shared);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer;
        char request[128];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].target);
        client_say(&client, request);
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.status, cases[i].status);
        if (cases[i].body == NULL)
            continue;
        assert_int_equal(answer.body_length, strlen(cases[i].body));
        assert_memory_equal(answer.body, cases[i].body, answer.body_length);
    }
    client_close(&client);
}

static void every_request_is_counted_once(void **state)
{
    (void)state;
    struct harness *harness = harness_new();
    harness_start(harness);
    struct client client = client_open(harness);
    struct answer answer;
    client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /later?ms=20 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n");
    for (int i = 0; i < 4; i++)
        assert_true(client_answer(&client, &answer));
    assert_true(client_is_ended(&client));
    client_close(&client);
    const struct http_counters *counters = harness_counters(harness);
    assert_true(wait_for(&counters->closed[HTTP_CLOSE_REFUSED], 1));
    assert_int_equal(atomic_load(&harness->completed), 4);
    assert_int_equal(atomic_load(&counters->requests), 4);
    assert_int_equal(atomic_load(&counters->responses[2]), 2);
    assert_int_equal(atomic_load(&counters->responses[4]), 2);
    assert_int_equal(atomic_load(&counters->refusals[HTTP_REFUSAL_NOT_FOUND]), 1);
    assert_int_equal(atomic_load(&counters->refusals[HTTP_REFUSAL_MALFORMED_REQUEST]), 1);
    assert_int_equal(atomic_load(&counters->connections_accepted), 1);
    harness_stop(harness);
}

/* What is being served is served, later requests are told, idle connections end; no new ones. */
static void a_drain_finishes_what_is_in_flight(void **state)
{
    (void)state;
    struct harness *harness = harness_new();
    harness_start(harness);
    const struct http_counters *counters = harness_counters(harness);
    struct client idle = client_open(harness);
    struct client busy = client_open(harness);
    struct client next = client_open(harness);
    struct answer answer;
    atomic_store(&harness->hold, true);
    assert_true(client_is_alive(&idle));
    assert_true(client_is_alive(&next));
    client_say(&busy, "GET /later?tag=done HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(&counters->exchanges_open, 1));
    uv_async_send(&harness->drain);
    sleep_ms(50);
    client_say(&next, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer(&next, &answer));
    assert_true(answer.close);
    assert_true(client_is_ended(&next));
    atomic_store(&harness->hold, false);
    assert_true(client_answer(&busy, &answer));
    assert_memory_equal(answer.body, "done", 4);
    assert_true(answer.close);
    assert_true(client_is_ended(&busy));
    assert_true(client_is_ended(&idle));
    assert_true(wait_for_count(&harness->drained, 1));
    struct http_probe probe;
    assert_int_equal(http_probe_bind("127.0.0.1", harness->options.port, &probe), 0);
    http_probe_release(&probe);
    client_close(&idle);
    client_close(&busy);
    client_close(&next);
    harness_stop(harness);
}

static void a_drain_ends_at_its_deadline(void **state)
{
    (void)state;
    struct harness *harness = harness_new();
    harness_start(harness);
    const struct http_counters *counters = harness_counters(harness);
    struct client busy = client_open(harness);
    atomic_store(&harness->hold, true);
    client_say(&busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(&counters->exchanges_open, 1));
    uv_async_send(&harness->drain);
    assert_true(wait_for_count(&harness->drained, 1));
    assert_true(client_is_ended(&busy));
    client_close(&busy);
    harness_stop(harness);
}

/* A second server must not share the port in silence, whatever options its socket sets. */
static void the_port_is_held_against_others(void **state)
{
    (void)state;
    struct http_probe probe;
    struct http_probe second;
    assert_int_equal(http_probe_bind("localhost", 0, &probe), 0);
    assert_true(probe.port > 0);
    assert_int_equal(http_probe_bind("127.0.0.1", probe.port, &second), UV_EADDRINUSE);
    uint16_t port = probe.port;
    http_probe_release(&probe);
    assert_int_equal(http_probe_bind("127.0.0.1", port, &probe), 0);
    assert_int_equal(probe.port, port);
    assert_int_equal(http_probe_bind("127.0.0.1", port, &second), UV_EADDRINUSE);
    http_probe_release(&probe);
    assert_int_equal(http_probe_bind("127.0.0.1", shared->options.port, &second), UV_EADDRINUSE);
    assert_int_equal(http_probe_bind("shop.example", 0, &second), UV_EINVAL);
    assert_int_equal(http_probe_bind("", 0, &second), UV_EINVAL);
    if (http_probe_bind("[::1]", 0, &probe) == 0)
        http_probe_release(&probe);
}

/* The shards' servers share a port that stays closed to strangers all the while. */
static void servers_of_one_process_share_the_port(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct http_probe probe;
    struct http_probe stranger;
    struct http_server *servers[2];
    struct http_options options = shared->options;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(http_probe_bind("127.0.0.1", 0, &probe), 0);
    options.port = probe.port;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(http_server_start(&loop, &options, shared->router, shared, &servers[i]),
                         0);
        assert_int_equal(http_server_port(servers[i]), probe.port);
        assert_int_equal(http_probe_bind("127.0.0.1", probe.port, &stranger), UV_EADDRINUSE);
    }
    http_probe_release(&probe);
    assert_int_equal(http_probe_bind("127.0.0.1", options.port, &stranger), UV_EADDRINUSE);
    http_server_close(servers[0], NULL);
    http_server_close(servers[1], NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    /* A start that fails leaves nothing behind. */
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(http_probe_bind("127.0.0.1", 0, &probe), 0);
    options.host = "shop.example";
    assert_int_equal(http_server_start(&loop, &options, shared->router, shared, &servers[0]),
                     UV_EINVAL);
    http_probe_release(&probe);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(late_answers_leave_in_order),
        cmocka_unit_test(a_refusal_waits_for_the_answers_before_it),
        cmocka_unit_test(bodies_written_in_place_have_their_length),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(request_ids_are_taken_or_made),
        cmocka_unit_test(cors_is_answered_by_the_layer),
        cmocka_unit_test(a_half_closed_client_gets_its_answer),
        cmocka_unit_test(an_answer_to_a_client_that_left_is_dropped),
        cmocka_unit_test(continue_is_sent_when_the_body_is_wanted),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(every_request_is_counted_once),
        cmocka_unit_test(a_drain_finishes_what_is_in_flight),
        cmocka_unit_test(a_drain_ends_at_its_deadline),
        cmocka_unit_test(the_port_is_held_against_others),
        cmocka_unit_test(servers_of_one_process_share_the_port),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
