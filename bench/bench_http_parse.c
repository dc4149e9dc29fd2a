/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a reservation's request, from the bare parser to a whole connection, on one thread.
 *
 *   http_parse/request     bytes in memory to the handler: parse, all checks of the head, the route
 * among the API's own, an exchange opened, and closed by the handler without an answer. No socket
 * and no loop: the layer's own connection is given the bytes as if it had read them
 *   http_parse/answer      the same with a handler that answers, rendered into the output buffer
 *   http_parse/connection  the same over a loopback connection, BATCH requests at a time: with the
 * kernel's share of both ends
 *   http_parse/llhttp      the bare parser without a callback: the floor
 *   http_parse/route       method and path to handler, by the API's own table of routes
 *   http_parse/route_miss  a path that no route has */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <llhttp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/routes.h"
#include "bench.h"
#include "http/http_internal.h"

enum {
    OPERATIONS = 200000,
    LOOK_UPS = 2000000,
    IDLE_MS_MAX = 3600 * 1000, /* between two rounds on the connection */
    BATCH = 32,
    REQUEST_BYTES_MAX = 1024,
    ANSWERS_BYTES = 1 << 16,
};

struct trial {
    uv_loop_t loop;
    struct http_server *server;
    struct router *router;
    struct route routes[ROUTE_COUNT];
    int client;
    bool is_answering;
    uint64_t served;
    size_t request_length;
    char request[REQUEST_BYTES_MAX];
    char batch[BATCH * REQUEST_BYTES_MAX];
};

static const char request_text[] =
    "POST /v1/reservations HTTP/1.1\r\n"
    "Host: 127.0.0.1:8080\r\n"
    "Authorization: Bearer sg_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
    "Idempotency-Key: 0123456789abcdef\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 36\r\n"
    "\r\n"
    "{\"sku\":\"SHIRT-BLACK-M\",\"quantity\":1}";

/* ---- parser and router ---- */

static uint64_t parse(void *arg, uint64_t operations)
{
    struct trial *trial = arg;
    llhttp_settings_t settings;
    llhttp_t parser;
    uint64_t started_ns;

    llhttp_settings_init(&settings);
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    started_ns = bench_now_ns();
    for (uint64_t i = 0; i < operations; i++)
        if (llhttp_execute(&parser, trial->request, trial->request_length) != HPE_OK)
            bench_fail("the parser refused: %s", llhttp_get_error_reason(&parser));
    return bench_now_ns() - started_ns;
}

struct look_up {
    const struct router *router;
    const char *path;
};

static uint64_t route(void *arg, uint64_t operations)
{
    const struct look_up *look_up = arg;
    struct http_slice path = {look_up->path, strlen(look_up->path)};
    struct route_match match;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        router_match(look_up->router, HTTP_METHOD_POST, path, &match);
        bench_keep((uint64_t)(uintptr_t)match.route);
    }
    return bench_now_ns() - started_ns;
}

/* ---- a connection ---- */

static void handle(struct http_exchange *exchange, void *user)
{
    struct trial *trial = user;

    trial->served++;
    if (trial->is_answering)
        http_respond(exchange, 200, "application/json", "{}", 2);
    else
        http_exchange_finish(exchange, 200);
}

static uint64_t wall_ms(void *user)
{
    struct timespec now;

    (void)user;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void connection_open(struct trial *trial)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct http_options options;
    struct http_probe probe;

    http_options_default(&options);
    options.host = "127.0.0.1";
    options.wall_ms = wall_ms;
    options.seed = 1;
    options.pipeline_max = 2 * BATCH;
    options.idle_timeout_ms = IDLE_MS_MAX;
    api_routes_fill(trial->routes, handle);
    trial->router = router_build(trial->routes, ROUTE_COUNT);
    if (http_probe_bind("127.0.0.1", 0, &probe) != 0 || uv_loop_init(&trial->loop) != 0)
        bench_fail("no port on the loopback");
    options.port = probe.port;
    if (trial->router == NULL ||
        http_server_start(&trial->loop, &options, trial->router, trial, &trial->server) != 0)
        bench_fail("the server did not start");
    http_probe_release(&probe);
    address.sin_port = htons(http_server_port(trial->server));
    trial->client = socket(AF_INET, SOCK_STREAM, 0);
    if (trial->client < 0 ||
        connect(trial->client, (struct sockaddr *)&address, sizeof(address)) != 0)
        bench_fail("no connection");
    setsockopt(trial->client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    fcntl(trial->client, F_SETFL, O_NONBLOCK);
    while (trial->server->connections[0].state != HTTP_CONNECTION_OPEN)
        uv_run(&trial->loop, UV_RUN_NOWAIT);
}

static void connection_close(struct trial *trial)
{
    close(trial->client);
    http_server_close(trial->server, NULL);
    uv_run(&trial->loop, UV_RUN_DEFAULT);
    uv_loop_close(&trial->loop);
    router_free(trial->router);
}

/* Reads what has come of the answers; the number of bytes. */
static size_t answers_read(struct trial *trial)
{
    static char answers[ANSWERS_BYTES];
    ssize_t got = recv(trial->client, answers, sizeof(answers), 0);

    if (got == 0 || (got < 0 && errno != EAGAIN))
        bench_fail("the server ended the connection");
    if (got > 0 && memcmp(answers, "HTTP/1.1 200", 12) != 0)
        bench_fail("the server answered: %.60s", answers);
    return got > 0 ? (size_t)got : 0;
}

static uint64_t converse(void *arg, uint64_t operations)
{
    struct trial *trial = arg;
    size_t length = BATCH * trial->request_length;
    uint64_t started_ns = bench_now_ns();

    trial->is_answering = true;
    trial->served = 0;
    for (uint64_t wanted = BATCH; wanted <= operations; wanted += BATCH) {
        for (size_t sent = 0; sent < length;) {
            ssize_t put = send(trial->client, trial->batch + sent, length - sent, MSG_NOSIGNAL);

            if (put < 0 && errno != EAGAIN)
                bench_fail("the server ended the connection");
            sent += put > 0 ? (size_t)put : 0;
            uv_run(&trial->loop, UV_RUN_NOWAIT);
        }
        while (trial->served < wanted) {
            uv_run(&trial->loop, UV_RUN_NOWAIT);
            answers_read(trial);
        }
        http_server_flush(trial->server);
        answers_read(trial);
    }
    started_ns = bench_now_ns() - started_ns;
    while (answers_read(trial) > 0)
        uv_run(&trial->loop, UV_RUN_NOWAIT);
    return started_ns;
}

/* What a read would have brought is put where reads put it; what would be written is thrown away.
 */
static uint64_t take_in(struct trial *trial, uint64_t operations)
{
    struct http_connection *connection = &trial->server->connections[0];
    size_t length = BATCH * trial->request_length;
    uint64_t started_ns = bench_now_ns();

    trial->served = 0;
    for (uint64_t i = 0; i < operations; i += BATCH) {
        memcpy(trial->server->read_buffer, trial->batch, length);
        http_connection_consume(connection, trial->server->read_buffer, 0, length);
        http_buffer_release(&trial->server->buffers, &connection->out);
    }
    started_ns = bench_now_ns() - started_ns;
    if (trial->served != operations || connection->input.length > 0 || connection->doomed)
        bench_fail("%llu of %llu requests came to their handler", (unsigned long long)trial->served,
                   (unsigned long long)operations);
    return started_ns;
}

static uint64_t request_only(void *arg, uint64_t operations)
{
    struct trial *trial = arg;

    trial->is_answering = false;
    return take_in(trial, operations);
}

static uint64_t request_and_answer(void *arg, uint64_t operations)
{
    struct trial *trial = arg;

    trial->is_answering = true;
    return take_in(trial, operations);
}

int main(int argc, char **argv)
{
    static struct trial trial;
    struct look_up found = {.path = "/v1/reservations"};
    struct look_up missed = {.path = "/v1/reservation"};
    uint64_t operations;
    uint64_t look_ups;

    bench_begin(&argc, argv);
    operations = bench_scale(OPERATIONS) / BATCH * BATCH;
    look_ups = bench_scale(LOOK_UPS);
    trial.request_length = sizeof(request_text) - 1;
    memcpy(trial.request, request_text, trial.request_length);
    for (size_t i = 0; i < BATCH; i++)
        memcpy(trial.batch + i * trial.request_length, request_text, trial.request_length);
    connection_open(&trial);
    bench_contest(
        (struct bench_entry[]){
            {"http_parse/request", .body = request_only, .arg = &trial, .operations = operations},
            {"http_parse/answer", .body = request_and_answer, .arg = &trial,
             .operations = operations},
            {"http_parse/connection", .body = converse, .arg = &trial, .operations = operations,
             .more = "\"in_flight\":32"},
            {"http_parse/llhttp", .body = parse, .arg = &trial, .operations = operations},
        },
        4, BENCH_ROUNDS);
    found.router = missed.router = trial.router;
    bench_contest(
        (struct bench_entry[]){
            {"http_parse/route", .body = route, .arg = &found, .operations = look_ups},
            {"http_parse/route_miss", .body = route, .arg = &missed, .operations = look_ups},
        },
        2, BENCH_ROUNDS);
    connection_close(&trial);
    return 0;
}
