/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP: any bytes through the real connection code. They are sent whole, cut in two somewhere, and
 * cut into pieces, and in pieces with every request deferred first, and must be answered the same;
 * a client that ends its side must be let go.
 *
 * Input: the length of a piece, less one; then what the client sends.
 *
 * A server on a loop of this thread, and a pair of local sockets in place of a connection: what one
 * end writes is there for the other at once, so that "nothing happens any more" can be seen. The
 * handlers answer with a hash of all that they were told, some of them later and in reverse. */
#include "fuzz.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http_internal.h"
#include "http/http_proxies.h"

enum {
    INPUT_MAX = 16 * 1024,
    ANSWERS_MAX = 4 * 1024 * 1024,
    PIPELINE_MAX = 4,
    QUIET_TURNS = 3,     /* of the loop, without any change: nothing more will come */
    TURNS_MAX = 1000000, /* a loop that never gets quiet is a finding */
    WALL_MS = 1700000000,
};

/* What the server sent to one client. */
struct answers {
    size_t length;
    char bytes[ANSWERS_MAX];
};

static uv_loop_t loop;
static struct http_server *server;
static uint64_t waiting[PIPELINE_MAX + 1]; /* cookies of what is answered later */
static unsigned waiting_count;
static bool defers;       /* every request, once */
static uint64_t deferred; /* cookie of the one that is, or 0 */
static struct answers whole;
static struct answers cut;

/* ---- the routes ---- */

static uint64_t wall_ms(void *user)
{
    (void)user;
    return WALL_MS;
}

static uint64_t hash_slice(uint64_t hash, struct http_slice slice)
{
    hash = fuzz_hash(hash, &slice.length, sizeof(slice.length));
    return slice.data == NULL ? hash : fuzz_hash(hash, slice.data, slice.length);
}

/* Method, path, query (decoded too), known headers. */
static uint64_t hash_request(struct http_exchange *exchange)
{
    enum http_method method = http_exchange_method(exchange);
    struct http_slice query = http_exchange_query(exchange);
    struct http_slice name;
    struct http_slice value;
    char text[64];
    uint64_t hash = fuzz_hash(FUZZ_HASH_START, &method, sizeof(method));

    hash = hash_slice(hash, http_exchange_path(exchange));
    while (http_query_next(&query, &name, &value)) {
        hash = hash_slice(hash_slice(hash, name), value);
        int length = http_percent_decode(value, true, text, sizeof(text));
        assert(length < (int)sizeof(text));
        hash = fuzz_hash(hash, &length, sizeof(length));
    }
    for (int header = 0; header < HTTP_HEADER_COUNT; header++)
        hash = hash_slice(hash, http_exchange_header(exchange, (enum http_header)header));
    hash = hash_slice(hash, http_exchange_header_find(exchange, "x-fuzz"));
    /* For whom it is, as far as its proxy says. */
    hash = fuzz_hash(hash, http_exchange_peer(exchange)->address, 16);
    bool is_secure = http_exchange_is_secure(exchange);
    hash = fuzz_hash(hash, &is_secure, sizeof(is_secure));
    hash = hash_slice(hash, http_exchange_host(exchange));
    return hash;
}

static void answer_hash(struct http_exchange *exchange, uint64_t hash)
{
    char text[24];
    int length = snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);

    http_respond(exchange, 200, "text/plain", text, (size_t)length);
}

static void handle_at_once(struct http_exchange *exchange, void *user)
{
    char id[64];
    uint64_t hash = hash_request(exchange);
    int length = HTTP_ABSENT;

    (void)user;
    if (strchr(http_exchange_route(exchange)->pattern, '{') != NULL)
        length = http_path_parameter(exchange, 0, id, sizeof(id));
    if (length > 0)
        hash = fuzz_hash(hash, id, (size_t)length);
    answer_hash(exchange, hash_slice(hash, http_exchange_body(exchange)));
}

static void handle_later(struct http_exchange *exchange, void *user)
{
    uint64_t *state = http_exchange_scratch(exchange);

    (void)user;
    assert(waiting_count < sizeof(waiting) / sizeof(waiting[0]));
    *state = hash_slice(hash_request(exchange), http_exchange_body(exchange));
    waiting[waiting_count++] = http_exchange_cookie(exchange);
}

/* The newest first: answers must leave in order all the same. */
static void answer_waiting(void)
{
    while (waiting_count > 0) {
        uint64_t cookie = waiting[--waiting_count];
        struct http_exchange *exchange = http_exchange_from_cookie(server, cookie);

        if (exchange != NULL)
            answer_hash(exchange, *(uint64_t *)http_exchange_scratch(exchange));
    }
}

static void take_piece(struct http_exchange *exchange, const char *data, size_t length, bool last,
                       void *user)
{
    uint64_t *state = http_exchange_scratch(exchange);

    (void)user;
    *state = fuzz_hash(*state, data, length);
    if (last)
        answer_hash(exchange, *state);
}

static const struct http_stream_events upload_events = {.on_body = take_piece};

static void handle_upload(struct http_exchange *exchange, void *user)
{
    uint64_t *state = http_exchange_scratch(exchange);

    (void)user;
    if (http_exchange_header(exchange, HTTP_HEADER_AUTHORIZATION).data == NULL) {
        http_refuse(exchange, 401, "unauthenticated", NULL);
        return;
    }
    *state = hash_request(exchange);
    http_exchange_listen(exchange, &upload_events);
}

static void handle_stream(struct http_exchange *exchange, void *user)
{
    (void)user;
    http_stream_begin(exchange, 200, "text/csv");
    for (unsigned i = 0; i < 3; i++)
        (void)http_stream_write(exchange, "a,b\n", 4);
    http_stream_end(exchange);
}

static const struct route routes[] = {
    {HTTP_METHOD_GET, "/", handle_at_once, 1, 0, NULL, 0},
    {HTTP_METHOD_POST, "/echo", handle_at_once, 1, 0, NULL, 0},
    {HTTP_METHOD_PUT, "/echo", handle_at_once, 1, 0, NULL, 64},
    {HTTP_METHOD_GET, "/item/{id}", handle_at_once, 1, 0, NULL, 0},
    {HTTP_METHOD_DELETE, "/files/{path...}", handle_at_once, 1, 0, NULL, 0},
    {HTTP_METHOD_GET, "/later", handle_later, 1, 0, NULL, 0},
    {HTTP_METHOD_PATCH, "/later", handle_later, 1, 0, NULL, 0},
    {HTTP_METHOD_GET, "/stream", handle_stream, 1, 0, NULL, 0},
    {HTTP_METHOD_POST, "/upload", handle_upload, 1, ROUTE_STREAM_BODY, NULL, 512},
};

static void dispatch(struct http_exchange *exchange, const struct route *route, void *user)
{
    if (!defers || http_exchange_is_resumed(exchange)) {
        route->handler(exchange, user);
        return;
    }
    assert(deferred == 0);
    deferred = http_exchange_cookie(exchange);
    (void)http_header_add(exchange, "X-Deferred", "forgotten");
    http_exchange_defer(exchange);
}

/* Whether there was one that was still there. */
static bool resume_deferred(void)
{
    struct http_exchange *exchange = NULL;

    if (deferred != 0)
        exchange = http_exchange_from_cookie(server, deferred);
    deferred = 0;
    if (exchange != NULL)
        http_exchange_resume(exchange);
    return exchange != NULL;
}

/* ---- the server ---- */

/* Bounds small enough to be met by short inputs, times that no input lasts. */
static void server_start(void)
{
    static const char *const origins[] = {"https://shop.example"};
    static const char *const ours[] = {"127.0.0.0/8", "10.0.0.0/8"};
    static struct http_proxies proxies;
    const unsigned long_ms = 3600 * 1000;
    struct http_options options;
    struct router *router = router_build(routes, sizeof(routes) / sizeof(routes[0]));

    assert(router != NULL && uv_loop_init(&loop) == 0);
    http_options_default(&options);
    options.host = "127.0.0.1";
    options.connections_max = 4;
    options.connections_per_ip_max = 0;
    options.exchanges_max = 16;
    options.scratch_size = sizeof(uint64_t);
    options.pipeline_max = PIPELINE_MAX;
    options.request_line_max = 256;
    options.headers_bytes_max = 1024;
    options.headers_count_max = 16;
    options.body_max = 512;
    options.header_timeout_ms = options.idle_timeout_ms = options.body_grace_ms = long_ms;
    options.body_stall_ms = options.write_stall_ms = options.linger_ms = long_ms;
    options.cors_origins = origins;
    options.cors_origins_count = 1;
    assert(http_proxies_parse(ours, 2, &proxies, NULL));
    options.trusted_proxies = &proxies;
    options.seed = 42;
    options.wall_ms = wall_ms;
    options.dispatch = dispatch;
    assert(http_server_start(&loop, &options, router, NULL, &server) == 0);
}

/* What the listener does with an accepted socket. */
static void connection_admit(int fd)
{
    static const struct http_peer peer = {.address = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
    struct http_connection *connection = server->connections_free;

    if (connection != NULL) {
        server->connections_free = connection->free_next;
    } else {
        connection = &server->connections[server->slots_used];
        connection->slot = server->slots_used++;
        connection->server = server;
    }
    connection->counted = false;
    http_connection_open(connection, fd, &peer);
}

static bool client_receive(int fd, struct answers *answers)
{
    bool some = false;

    for (;;) {
        ssize_t count = recv(fd, answers->bytes + answers->length,
                             sizeof(answers->bytes) - answers->length, MSG_DONTWAIT);

        if (count <= 0)
            return some;
        answers->length += (size_t)count;
        assert(answers->length < sizeof(answers->bytes));
        some = true;
    }
}

/* Turns the loop until nothing happens any more. */
static void run_until_quiet(int fd, struct answers *answers)
{
    const struct http_counters *counters = &server->counters;

    for (unsigned quiet = 0, turns = 0; quiet < QUIET_TURNS; quiet++) {
        uint64_t received = counters->bytes_received;
        unsigned handles = server->handles_open;

        assert(++turns < TURNS_MAX);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        bool answered = resume_deferred() || waiting_count > 0;
        answer_waiting();
        http_server_flush(server);
        if (client_receive(fd, answers) || answered || counters->bytes_received != received ||
            server->handles_open != handles)
            quiet = 0;
    }
}

/* A server that has closed takes no more; that is no finding. */
static void client_send(int fd, const uint8_t *data, size_t length)
{
    ssize_t sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

    assert(sent == (ssize_t)length || (sent < 0 && (errno == EPIPE || errno == ECONNRESET)));
}

/* Sent as `first` bytes and then in pieces. */
static void serve(const uint8_t *data, size_t size, size_t first, size_t piece,
                  struct answers *answers)
{
    int ends[2];

    answers->length = 0;
    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    connection_admit(ends[1]);
    for (size_t at = 0; at < size;) {
        size_t length = at == 0 ? first : piece;

        if (length > size - at)
            length = size - at;
        client_send(ends[0], data + at, length);
        at += length;
        run_until_quiet(ends[0], answers);
    }
    (void)shutdown(ends[0], SHUT_WR);
    run_until_quiet(ends[0], answers);
    assert(server->connections_open == 0);
    assert(server->counters.exchanges_open == 0);
    assert(server->buffers.bytes_used == 0);
    close(ends[0]);
}

/* ---- comparing ---- */

static bool begins_with(const char *at, const char *end, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(end - at) >= length && memcmp(at, text, length) == 0;
}

/* Takes out, in place, what may differ: the request IDs that the server makes, and the invitation
 * to send a body, which RFC 9110 section 10.1.1 lets a server omit when the body is there. */
static void answers_normalize(struct answers *answers)
{
    static const char invitation[] = "HTTP/1.1 100 Continue\r\n\r\n";
    static const char request_id[] = "X-Request-Id: ";
    const char *end = answers->bytes + answers->length;
    char *target = answers->bytes;

    for (const char *at = answers->bytes; at < end;) {
        if (begins_with(at, end, invitation)) {
            at += sizeof(invitation) - 1;
        } else if (begins_with(at, end, request_id)) {
            while (at < end && *at != '\n')
                at++;
        } else {
            *target++ = *at++;
        }
    }
    answers->length = (size_t)(target - answers->bytes);
}

static void compare(void)
{
    answers_normalize(&cut);
    if (whole.length == cut.length && memcmp(whole.bytes, cut.bytes, cut.length) == 0)
        return;
    fprintf(stderr, "whole:\n%.*s\ncut:\n%.*s\n", (int)whole.length, whole.bytes, (int)cut.length,
            cut.bytes);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX)
        return 0;
    if (server == NULL)
        server_start();
    size_t length = size - 1;
    size_t piece = data[0] + 1u;
    serve(data + 1, length, length, length, &whole);
    answers_normalize(&whole);
    serve(data + 1, length, 1 + fuzz_hash(FUZZ_HASH_START, data, size) % length, length, &cut);
    compare();
    serve(data + 1, length, piece, piece, &cut);
    compare();
    defers = true;
    serve(data + 1, length, piece, piece, &cut);
    defers = false;
    compare();
    return 0;
}
