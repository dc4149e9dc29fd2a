/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a reservation's request, from the bare parser to a whole connection, on one thread.
 *
 *   http_parse/llhttp      the parser alone, without a callback: the floor
 *   http_parse/route       the API's own table of routes: method and path to handler
 *   http_parse/route_miss  a path that no route has
 *   http_parse/connection  a loopback connection with BATCH requests in flight: the kernel's share
 * of both ends, parse, checks, route, a handler that answers at once, and the writing of the
 * answers */
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
#include "http/http.h"

enum {
    OPERATIONS = 1000000,
    BATCH = 32,
    REQUEST_BYTES_MAX = 1024,
    ANSWERS_BYTES = 1 << 16,
};

struct trial {
    uv_loop_t loop;
    struct http_server *server;
    struct router *router;
    struct router *api_router;
    struct route routes[ROUTE_COUNT];
    int client;
    uint64_t served;
    size_t request_length;
    const char *path;
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

static void no_handler(struct http_exchange *exchange, void *user)
{
    (void)exchange;
    (void)user;
}

static uint64_t route(void *arg, uint64_t operations)
{
    struct trial *trial = arg;
    struct http_slice path = {trial->path, strlen(trial->path)};
    struct route_match match;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        router_match(trial->api_router, HTTP_METHOD_POST, path, &match);
        bench_keep((uint64_t)(uintptr_t)match.route);
    }
    return bench_now_ns() - started_ns;
}

/* ---- a connection ---- */

static void handle(struct http_exchange *exchange, void *user)
{
    struct trial *trial = user;

    trial->served++;
    http_respond(exchange, 200, "application/json", "{}", 2);
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
    static const struct route routes[] = {{.method = HTTP_METHOD_POST,
                                           .pattern = "/v1/reservations",
                                           .handler = handle,
                                           .caller = 1}};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct http_options options;
    struct http_probe probe;

    http_options_default(&options);
    options.host = "127.0.0.1";
    options.wall_ms = wall_ms;
    options.seed = 1;
    options.pipeline_max = 2 * BATCH;
    trial->router = router_build(routes, 1);
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

int main(int argc, char **argv)
{
    static struct trial trial;
    uint64_t operations;

    bench_begin(&argc, argv);
    operations = bench_scale(OPERATIONS) / BATCH * BATCH;
    trial.request_length = sizeof(request_text) - 1;
    memcpy(trial.request, request_text, trial.request_length);
    for (size_t i = 0; i < BATCH; i++)
        memcpy(trial.batch + i * trial.request_length, request_text, trial.request_length);
    bench_measure("http_parse/llhttp", parse, &trial, operations, NULL);
    api_routes_fill(trial.routes, no_handler);
    trial.api_router = router_build(trial.routes, ROUTE_COUNT);
    if (trial.api_router == NULL)
        bench_fail("not enough memory for the routes");
    trial.path = "/v1/reservations";
    bench_measure("http_parse/route", route, &trial, operations, NULL);
    trial.path = "/v1/reservation";
    bench_measure("http_parse/route_miss", route, &trial, operations, NULL);
    router_free(trial.api_router);
    connection_open(&trial);
    bench_measure("http_parse/connection", converse, &trial, operations, "\"in_flight\":32");
    connection_close(&trial);
    return 0;
}
