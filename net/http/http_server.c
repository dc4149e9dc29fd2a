/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: start, the sweep that drives all time-outs, drain, close. */
#include "http/http_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void http_options_default(struct http_options *options_out)
{
    *options_out = (struct http_options){
        .host = "127.0.0.1",
        .backlog = 4096,
        .connections_max = 20000,
        .connections_per_ip_max = 0,
        .exchanges_max = 4096,
        .streams_max = 0,
        .memory_max = (size_t)64 * 1024 * 1024,
        .scratch_size = 256,
        .pipeline_max = 32,
        .requests_per_connection_max = 0,
        .request_line_max = (size_t)8 * 1024,
        .headers_bytes_max = (size_t)16 * 1024,
        .headers_count_max = 64,
        .body_max = (size_t)64 * 1024,
        .answer_max = (size_t)1024 * 1024,
        .queue_max = (size_t)64 * 1024,
        .header_timeout_ms = 5000,
        .idle_timeout_ms = 15000,
        .body_grace_ms = 2000,
        .body_rate_min = 1024,
        .body_stall_ms = 10000,
        .write_stall_ms = 10000,
        .linger_ms = 1000,
        .sweep_ms = 250,
    };
}

static void options_check(const struct http_options *options)
{
    assert(options->host != NULL && options->wall_ms != NULL);
    assert(options->backlog > 0);
    assert(options->memory_max >= HTTP_MEMORY_LEAST);
    assert(options->answer_max >= HTTP_ANSWER_MAX_LEAST);
    assert(options->connections_max > 0 && options->exchanges_max > 0);
    assert(options->pipeline_max > 0 && options->pipeline_max <= HTTP_PIPELINE_LIMIT);
    assert(options->headers_count_max > 0 &&
           options->headers_count_max <= HTTP_HEADERS_COUNT_LIMIT);
    assert(options->request_line_max + options->headers_bytes_max <= HTTP_HEAD_BYTES_MAX);
    assert(options->body_rate_min > 0 && options->sweep_ms > 0);
    assert(options->cors_origins_count <= HTTP_CORS_ORIGINS_MAX);
    assert(options->cors_origins_count == 0 || options->cors_origins != NULL);
}

/* ---- Chance (splitmix64): jitter and names, nothing secret ---- */

static uint64_t random_next(struct http_server *server)
{
    uint64_t value = server->random += 0x9e3779b97f4a7c15U;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31);
}

uint32_t http_random_below(struct http_server *server, uint32_t bound)
{
    assert(bound > 0);
    return (uint32_t)((random_next(server) >> 32) * bound >> 32);
}

/* A random prefix and a counter that starts at zero. */
static void serial_start(struct http_server *server)
{
    uint64_t prefix = random_next(server);
    memset(server->serial, '0', HTTP_SERIAL_LENGTH);
    for (size_t i = 0; i < 8; i++)
        server->serial[i] = "0123456789abcdef"[prefix >> (4 * i) & 15];
    server->serial[HTTP_SERIAL_LENGTH] = '\0';
}

/* ---- Turns ---- */

static void date_update(struct http_server *server)
{
    uint64_t second = server->options.wall_ms(server->user) / 1000;
    if (second == server->date_second)
        return;
    server->date_second = second;
    char line[HTTP_DATE_LINE_LENGTH + 1];
    http_text_date_line(second, line);
    memcpy(server->common_lines, line, HTTP_DATE_LINE_LENGTH);
    memcpy(server->common_lines + HTTP_DATE_LINE_LENGTH, HTTP_CONSTANT_LINES,
           sizeof HTTP_CONSTANT_LINES - 1);
}

void http_server_flush(struct http_server *server)
{
    if (server->flushing || server->dirty_first == NULL)
        return;
    server->flushing = true;
    /* Those that become dirty meanwhile wait for the next turn, so that none keeps the loop. */
    struct http_connection *last = server->dirty_last;
    struct http_connection *connection;
    do {
        connection = server->dirty_first;
        http_connection_flush(connection);
    } while (connection != last && server->dirty_first != NULL);
    if (server->dirty_first == NULL)
        (void)uv_idle_stop(&server->idle);
    server->flushing = false;
}

static void on_prepare(uv_prepare_t *prepare)
{
    http_server_flush(prepare->data);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is all: the loop does not sleep */
}

void http_server_keep_awake(struct http_server *server)
{
    (void)uv_idle_start(&server->idle, on_idle);
}

static void drain_step(struct http_server *server)
{
    uint64_t now = uv_now(server->loop);
    for (uint32_t slot = 0; slot < server->slots_used; slot++) {
        struct http_connection *connection = &server->connections[slot];
        if (connection->state != HTTP_CONNECTION_OPEN &&
            connection->state != HTTP_CONNECTION_LINGER)
            continue;
        bool idle = connection->state == HTTP_CONNECTION_OPEN &&
                    http_connection_is_idle(connection) && http_connection_queued(connection) == 0;
        if (now >= server->drain_until_ms || (idle && now >= server->drain_grace_ms))
            http_connection_close(connection, HTTP_CLOSE_DRAIN);
    }
}

static void drain_check(struct http_server *server)
{
    if (server->on_drained == NULL || server->connections_open > 0)
        return;
    void (*on_drained)(void *) = server->on_drained;
    server->on_drained = NULL;
    on_drained(server->user);
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    date_update(server);
    for (uint32_t slot = 0; slot < server->slots_used; slot++) {
        if (server->deadlines[slot] <= now)
            http_connection_expire(&server->connections[slot]);
    }
    http_gauge(&server->counters.memory_bytes, server->buffers.bytes_used);
    http_listen_retry(server);
    if (server->draining) {
        drain_step(server);
        drain_check(server);
    }
}

/* ---- Start ---- */

static void server_free(struct http_server *server)
{
    http_buffers_free(&server->buffers);
    http_exchanges_free(server);
    http_peers_free(&server->peers);
    http_cors_free(server);
    http_transport_free(server);
    free(server->read_buffer);
    free(server->deadlines);
    free(server->connections);
    free(server->door);
    free(server);
}

static bool server_allocate(struct http_server *server)
{
    const struct http_options *options = &server->options;
    server->read_buffer = malloc(HTTP_READ_MAX);
    server->deadlines = malloc(options->connections_max * sizeof *server->deadlines);
    server->connections = calloc(options->connections_max, sizeof *server->connections);
    server->door = calloc(1, sizeof *server->door);
    if (server->read_buffer == NULL || server->deadlines == NULL || server->connections == NULL ||
        server->door == NULL)
        return false;
    for (unsigned i = 0; i < options->connections_max; i++)
        server->deadlines[i] = HTTP_NEVER;
    server->door->server = server;
    server->door->out = (struct http_buffer){
        .data = server->door_answer,
        .capacity = sizeof server->door_answer,
        .use = HTTP_BUFFER_FIXED,
    };
    if (options->connections_per_ip_max > 0 &&
        !http_peers_init(&server->peers, options->connections_max, random_next(server)))
        return false;
    return http_exchanges_init(server) && http_cors_prepare(server) &&
           http_transport_prepare(server);
}

static void ignore_broken_pipes(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    action = (struct sigaction){.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &action, NULL);
}

static void handles_start(struct http_server *server)
{
    server->sweep.data = server->prepare.data = server->idle.data = server;
    int error = uv_timer_init(server->loop, &server->sweep);
    error |= uv_prepare_init(server->loop, &server->prepare);
    error |= uv_idle_init(server->loop, &server->idle);
    error |= uv_timer_start(&server->sweep, on_sweep, server->options.sweep_ms,
                            server->options.sweep_ms);
    error |= uv_prepare_start(&server->prepare, on_prepare);
    assert(error == 0 && "these fail only for want of a callback");
    server->handles_open += 3;
}

int http_server_start(uv_loop_t *loop, const struct http_options *options,
                      const struct router *router, void *user, struct http_server **server_out)
{
    options_check(options);
    assert(loop != NULL && router != NULL && server_out != NULL);
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return UV_ENOMEM;
    server->loop = loop;
    server->router = router;
    server->user = user;
    server->options = *options;
    server->listen_fd = server->spare_fd = -1;
    server->random = options->seed;
    server->buffers.bytes_max = options->memory_max;
    server->date_second = UINT64_MAX;
    http_parser_settings(&server->parser_settings);
    serial_start(server);
    date_update(server);
    int error = server_allocate(server) ? http_listen_start(server) : UV_ENOMEM;
    if (error != 0) {
        assert(server->handles_open == 0);
        server_free(server);
        return error;
    }
    ignore_broken_pipes();
    handles_start(server);
    *server_out = server;
    return 0;
}

const struct http_counters *http_server_counters(const struct http_server *server)
{
    return &server->counters;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->options.port;
}

/* ---- The end ---- */

void http_server_drain(struct http_server *server, unsigned deadline_ms,
                       void (*on_drained)(void *user))
{
    assert(!server->draining && !server->closing && on_drained != NULL);
    uint64_t now = uv_now(server->loop);
    unsigned grace_ms =
        deadline_ms / 4 < HTTP_DRAIN_GRACE_MS ? deadline_ms / 4 : HTTP_DRAIN_GRACE_MS;
    server->draining = true;
    server->on_drained = on_drained;
    server->drain_until_ms = now + deadline_ms;
    server->drain_grace_ms = now + grace_ms;
    http_listen_stop(server);
}

void http_server_handle_closed(struct http_server *server)
{
    assert(server->handles_open > 0);
    server->handles_open--;
    drain_check(server);
    if (!server->closing || server->handles_open > 0)
        return;
    void (*on_closed)(void *) = server->on_closed;
    void *user = server->user;
    server_free(server);
    if (on_closed != NULL)
        on_closed(user);
}

static void on_handle_closed(uv_handle_t *handle)
{
    http_server_handle_closed(handle->data);
}

void http_server_close(struct http_server *server, void (*on_closed)(void *user))
{
    assert(!server->closing);
    server->closing = true;
    server->on_drained = NULL;
    server->on_closed = on_closed;
    http_listen_stop(server);
    for (uint32_t slot = 0; slot < server->slots_used; slot++)
        http_connection_close(&server->connections[slot], HTTP_CLOSE_DRAIN);
    uv_close((uv_handle_t *)&server->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&server->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&server->idle, on_handle_closed);
}
