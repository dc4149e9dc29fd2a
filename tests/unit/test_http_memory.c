/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: what input may take of it, what is left for answers, and who is refused or closed where
 * there is none. That nothing stays behind is asserted by the server when it stops. */
#include "http_harness.h"

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

static void little_memory(struct http_options *options)
{
    options->memory_max = 128 * 1024;
    options->linger_ms = 50;
}

static void expect_served(struct harness *harness)
{
    struct client client = client_open(harness);
    assert_true(client_is_alive(&client));
    client_close(&client);
}

/* A body of `length` bytes of which the last `missing` do not come. */
static struct client client_with_part(struct harness *harness, int length, int missing)
{
    static char part[64 * 1024];
    struct client client = client_open(harness);
    snprintf(part, sizeof part, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
             length);
    client_say(&client, part);
    harness_repeat(part, 'b', (size_t)(length - missing));
    client_say(&client, part);
    return client;
}

/*
 * Bodies and heads that do not end fill their share of the memory: those past it are refused, and
 * what needs none is served all the while. The server is whole when it is over.
 */
static void memory_is_bounded(void **state)
{
    (void)state;
    enum { CLIENTS = 40, HEADS = 40 };
    struct harness *harness = harness_started(little_memory);
    struct client clients[CLIENTS];
    struct client heads[HEADS];
    struct answer answer;
    int refused = 0;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_with_part(harness, 6000, 1000);
        expect_served(harness);
    }
    for (int i = 0; i < HEADS; i++) {
        heads[i] = client_open(harness);
        client_say(&heads[i], "GET /hello HTTP/1.1\r\nHost: a\r\nX-A: ");
        expect_served(harness);
    }
    assert_true(atomic_load(&harness_counters(harness)->memory_bytes) <= 96 * 1024);
    for (int i = 0; i < CLIENTS; i++) {
        char rest[1001];
        harness_repeat(rest, 'b', 1000);
        client_say(&clients[i], rest);
        assert_true(client_answer(&clients[i], &answer));
        refused += answer.status == 503;
        assert_int_equal(answer.close, answer.status == 503);
        if (answer.status == 503)
            assert_non_null(strcasestr(answer.head, "\r\nRetry-After: "));
        else
            assert_int_equal(answer.body_length, 6000);
        client_close(&clients[i]);
    }
    assert_true(refused > 0 && refused < CLIENTS);
    expect_overloaded(&heads[HEADS - 1], true);
    for (int i = 0; i < HEADS; i++)
        client_close(&heads[i]);
    struct client client = client_open(harness);
    assert_true(client_is_alive(&client));
    client_say(&client, "GET /bytes?bytes=500000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(client_answer(&client, &answer));
    client_close(&client);
    client = client_open(harness);
    assert_true(client_is_alive(&client));
    client_close(&client);
    harness_stop(harness);
}

static bool becomes(const _Atomic uint64_t *gauge, uint64_t value)
{
    for (unsigned waited = 0; waited < CLIENT_WAIT_MS; waited += 2) {
        if (atomic_load(gauge) == value)
            return true;
        sleep_ms(2);
    }
    return false;
}

static bool memory_becomes(struct harness *harness, uint64_t bytes)
{
    return becomes(&harness_counters(harness)->memory_bytes, bytes);
}

static void long_linger(struct http_options *options)
{
    options->body_rate_min = 1000000;
    options->memory_max = 128 * 1024;
    options->linger_ms = 60000;
    options->body_grace_ms = options->body_stall_ms = 300;
}

/* Who has been refused, too late or for want of memory, holds none while their connection lingers;
 * nor while older answers are still due. */
static void refusals_release_the_input(void **state)
{
    (void)state;
    enum { CLIENTS = 6 };
    struct harness *harness = harness_started(long_linger);
    struct client clients[CLIENTS];
    struct answer answer;
    int overloaded = 0;
    atomic_store(&harness->hold, true);
    struct client waiting = client_open(harness);
    client_say(&waiting, "GET /later?tag=x HTTP/1.1\r\nHost: a\r\n\r\n"
                         "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nb");
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_with_part(harness, 33000, 1000);
    for (int i = 0; i < CLIENTS; i++) {
        assert_true(client_answer(&clients[i], &answer));
        assert_true(answer.status == 503 || answer.status == 408);
        overloaded += answer.status == 503;
    }
    assert_true(overloaded > 0 && overloaded < CLIENTS);
    assert_true(memory_becomes(harness, 0));
    assert_int_equal(atomic_load(&harness_counters(harness)->connections_open), CLIENTS + 1);
    atomic_store(&harness->hold, false);
    assert_true(client_answer(&waiting, &answer));
    assert_int_equal(answer.status, 200);
    assert_true(client_answer(&waiting, &answer));
    assert_int_equal(answer.status, 408);
    client_close(&waiting);
    for (int i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    harness_stop(harness);
}

static void little_memory_few_connections(struct http_options *options)
{
    options->memory_max = 128 * 1024;
    options->connections_max = 5;
}

/* With all of the memory and all of the connections taken, the door still answers, and those who
 * are inside and need memory are closed; nothing is left of it. */
static void the_door_needs_no_memory(void **state)
{
    (void)state;
    enum { CLIENTS = 5 };
    struct harness *harness = harness_started(little_memory_few_connections);
    struct client clients[CLIENTS];
    struct answer answer;
    for (int round = 0; round < 3; round++) {
        atomic_store(&harness->hold, true);
        for (int i = 0; i < CLIENTS; i++)
            clients[i] = client_open(harness);
        /* 16 answers of a buffer each wait behind one that is held: twice that is all there is. */
        for (int i = 0; i < 2; i++) {
            client_say(&clients[i], "GET /later?tag=x HTTP/1.1\r\nHost: a\r\n\r\n");
            for (int request = 0; request < 16; request++)
                client_say(&clients[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        assert_true(memory_becomes(harness, 128 * 1024));
        for (int i = 0; i < 5; i++) {
            struct client client = client_open(harness);
            expect_overloaded(&client, true);
            assert_true(client_is_ended(&client));
            client_close(&client);
        }
        client_say(&clients[2], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        client_say(&clients[3], "G?\r\n");
        client_say(&clients[4], "GET /hello HTTP/1.1\r\nX: ");
        for (int i = 2; i < CLIENTS; i++)
            assert_false(client_answer(&clients[i], &answer));
        atomic_store(&harness->hold, false);
        /* The first answer that they wait for finds no memory; what its connection then gives back
         * at once is enough for the other. */
        int answered = 0;
        for (int i = 0; i < 2; i++) {
            for (int request = 0; request < 17 && client_answer(&clients[i], &answer); request++)
                answered += answer.status == 200;
        }
        assert_int_equal(answered, 17);
        for (int i = 0; i < CLIENTS; i++)
            client_close(&clients[i]);
        assert_true(memory_becomes(harness, 0));
        assert_true(becomes(&harness_counters(harness)->connections_open, 0));
    }
    harness_stop(harness);
}

static void short_pipeline(struct http_options *options)
{
    little_memory(options);
    options->pipeline_max = 2;
}

/* A request that must wait for others, and finds no memory to wait in, is refused in its turn. */
static void what_cannot_wait_is_refused(void **state)
{
    (void)state;
    enum { HEADS = 30 };
    struct harness *harness = harness_started(short_pipeline);
    struct client heads[HEADS];
    struct answer answer;
    atomic_store(&harness->hold, true);
    for (int i = 0; i < HEADS; i++) {
        heads[i] = client_open(harness);
        client_say(&heads[i], "GET /hello HTTP/1.1\r\nHost: a\r\nX-A: ");
    }
    assert_true(memory_becomes(harness, 96 * 1024));
    struct client client = client_open(harness);
    client_say(&client, "GET /later?tag=x HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(wait_for(&harness_counters(harness)->pipeline_stalls, 1));
    atomic_store(&harness->hold, false);
    for (int i = 0; i < 2; i++) {
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.status, 200);
    }
    expect_overloaded(&client, true);
    client_close(&client);
    for (int i = 0; i < HEADS; i++)
        client_close(&heads[i]);
    harness_stop(harness);
}

/* Waits until the door has seen so many connections: while some are still in the kernel's queue,
 * that none is open does not mean that the next one finds a place. */
static bool door_has_seen(struct harness *harness, uint64_t connections)
{
    const struct http_counters *counters = harness_counters(harness);
    for (unsigned waited = 0; waited < CLIENT_WAIT_MS; waited += 2) {
        if (atomic_load(&counters->connections_accepted) +
                atomic_load(&counters->connections_refused) ==
            connections)
            return true;
        sleep_ms(2);
    }
    return false;
}

static void little_of_everything(struct http_options *options)
{
    options->memory_max = HTTP_MEMORY_LEAST;
    options->connections_max = 8;
    options->exchanges_max = 3;
    options->pipeline_max = 4;
    options->queue_max = 1024;
    options->linger_ms = 20;
    options->header_timeout_ms = options->body_grace_ms = 100;
    options->write_stall_ms = 100;
}

/* Bounds that are met together, in any order: many small things to say, and at times to leave. */
static void bounds_may_be_met_together(void **state)
{
    (void)state;
    enum { CLIENTS = 12, STEPS = 6000 };
    static const char *const says[] = {
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /later?ms=5&tag=x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /bytes?bytes=3000 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /bytes?bytes=20000 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /export?bytes=30000 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nContent-Length: 2\r\n\r\nuu",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n",
        "GET /hello HTTP/1.1\r\nX: ",
        "G?\r\n",
    };
    struct harness *harness = harness_started(little_of_everything);
    struct client clients[CLIENTS];
    uint32_t random = 1;
    uint64_t opened = CLIENTS;
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_open_port(harness->options.port, 4096);
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        struct client *client = &clients[(random >> 8) % CLIENTS];
        unsigned what = (random >> 16) % 64;
        const char *words = says[what % (sizeof says / sizeof says[0])];
        ssize_t done = -1;
        if (what < 40)
            done = send(client->fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT);
        else if (what < 56)
            (void)recv(client->fd, client->bytes, CLIENT_BUFFER, MSG_DONTWAIT);
        if (what >= 56 || (what < 40 && done != (ssize_t)strlen(words))) {
            client_close(client);
            *client = client_open_port(harness->options.port, 4096);
            opened++;
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    assert_true(door_has_seen(harness, opened));
    assert_true(becomes(&harness_counters(harness)->connections_open, 0));
    assert_true(memory_becomes(harness, 0));
    assert_true(atomic_load(&harness_counters(harness)->connections_refused) > 0);
    assert_true(atomic_load(&harness_counters(harness)->refusals[HTTP_REFUSAL_OVERLOADED]) > 0);
    expect_served(harness);
    harness_stop(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_bounded),          cmocka_unit_test(refusals_release_the_input),
        cmocka_unit_test(the_door_needs_no_memory),   cmocka_unit_test(what_cannot_wait_is_refused),
        cmocka_unit_test(bounds_may_be_met_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
