/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies and answers in pieces, with back-pressure in both directions. */
#include "http/http_internal.h"

#include <string.h>
#include <sys/socket.h>

#define PUT_LITERAL(buffer, literal) http_put(buffer, literal, sizeof(literal) - 1)

enum { CHUNK_FRAME_MAX = 24 }; /* the size in hexadecimal and two CRLF */

void http_exchange_listen(struct http_exchange *exchange, const struct http_stream_events *events)
{
    assert(exchange->readable && "within the handler");
    exchange->events = events;
}

/* ---- The body ---- */

void http_body_pause(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    if (connection->receiver != exchange || connection->body_paused)
        return;
    connection->body_paused = true;
    http_connection_update(connection);
}

void http_body_resume(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    if (connection->receiver != exchange || !connection->body_paused)
        return;
    connection->body_paused = false;
    /* The time of the pause is not the client's. */
    connection->request.body_started_ms = uv_now(connection->server->loop);
    connection->request.body_progress_ms = connection->request.body_started_ms;
    connection->request.body_counted = connection->request.body_length;
    http_connection_update(connection);
}

/* ---- The answer ---- */

void http_stream_begin(struct http_exchange *exchange, int status, const char *content_type)
{
    struct http_connection *connection = exchange->connection;
    exchange->chunked = !exchange->version_1_0;
    if (!exchange->chunked) {
        /* Its end is the connection's. */
        exchange->keep_alive = false;
        connection->final = true;
    }
    if (http_head_begin(exchange, status, content_type, CHUNK_FRAME_MAX)) {
        struct http_buffer *target = http_exchange_target(exchange);
        if (exchange->chunked)
            PUT_LITERAL(target, "Transfer-Encoding: chunked\r\n");
        PUT_LITERAL(target, "\r\n");
    }
    exchange->status = status;
    exchange->state = HTTP_EXCHANGE_STREAMING;
    struct http_server *server = exchange->server;
    if (exchange->events != NULL && exchange->events->endless && !exchange->is_spare &&
        server->streams_open < server->options.streams_max) {
        exchange->is_endless = true;
        server->streams_open++;
    }
    http_connection_mark_dirty(connection);
}

static size_t stream_queued(const struct http_exchange *exchange)
{
    return exchange == exchange->connection->first ? http_connection_queued(exchange->connection)
                                                   : exchange->answer.length;
}

bool http_stream_write(struct http_exchange *exchange, const void *data, size_t length)
{
    assert(exchange->state == HTTP_EXCHANGE_STREAMING);
    struct http_server *server = exchange->server;
    struct http_connection *connection = exchange->connection;
    assert(length <= server->options.answer_max);
    if (length == 0 || exchange->method == HTTP_METHOD_HEAD)
        return !connection->doomed;
    struct http_buffer *target = http_exchange_target(exchange);
    if (target == NULL)
        return false;
    if (!http_buffer_reserve(&server->buffers, target, length + CHUNK_FRAME_MAX)) {
        http_connection_doom(connection, HTTP_CLOSE_MEMORY);
        return false;
    }
    if (exchange->chunked) {
        target->length += (uint32_t)http_text_hexadecimal(target->data + target->length, length);
        PUT_LITERAL(target, "\r\n");
    }
    http_put(target, data, length);
    if (exchange->chunked)
        PUT_LITERAL(target, "\r\n");
    http_connection_mark_dirty(connection);
    exchange->blocked = stream_queued(exchange) >= server->options.queue_max;
    return !exchange->blocked;
}

void http_stream_end(struct http_exchange *exchange)
{
    assert(exchange->state == HTTP_EXCHANGE_STREAMING);
    struct http_buffer *target = http_exchange_target(exchange);
    if (target != NULL && exchange->chunked && exchange->method != HTTP_METHOD_HEAD &&
        !http_buffer_append(&exchange->server->buffers, target, "0\r\n\r\n", 5)) {
        http_connection_doom(exchange->connection, HTTP_CLOSE_MEMORY);
        target = NULL;
    }
    if (target == NULL)
        http_exchange_drop(exchange);
    else
        http_exchange_finish(exchange, exchange->status);
}

void http_stream_abort(struct http_exchange *exchange)
{
    assert(exchange->state == HTTP_EXCHANGE_STREAMING);
    http_connection_doom(exchange->connection, HTTP_CLOSE_FINISHED);
    http_exchange_drop(exchange);
}

size_t http_stream_waiting(const struct http_exchange *exchange)
{
    return stream_queued(exchange);
}

void http_stream_keep_short(struct http_exchange *exchange)
{
    uv_os_fd_t fd;
    int bytes = HTTP_UNSENT_SHORT;

    /* What came behind it would be slow. */
    exchange->keep_alive = false;
    exchange->connection->final = true;
    if (uv_fileno((uv_handle_t *)&exchange->connection->tcp, &fd) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}
