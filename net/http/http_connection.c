/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: reading, deadlines, closing, and the flush that goes on with what is due. */
#include "http/http_internal.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
    INPUT_ROOM_MIN = 2048,
};

static struct http_connection *connection_of(const uv_handle_t *handle)
{
    return handle->data;
}

static uint64_t now_of(const struct http_connection *connection)
{
    return uv_now(connection->server->loop);
}

size_t http_connection_queued(const struct http_connection *connection)
{
    size_t queued = http_connection_unwritten(connection);
    if (connection->write_busy)
        queued += connection->tcp.write_queue_size;
    return queued;
}

/* ---- The list of those that need a flush ---- */

void http_connection_mark_dirty(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (connection->dirty || connection->consuming || connection->state != HTTP_CONNECTION_OPEN)
        return;
    connection->dirty = true;
    connection->dirty_next = NULL;
    connection->dirty_previous = server->dirty_last;
    if (server->dirty_last != NULL)
        server->dirty_last->dirty_next = connection;
    else
        server->dirty_first = connection;
    server->dirty_last = connection;
    if (server->dirty_first == connection)
        http_server_keep_awake(server);
}

static void unmark_dirty(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (!connection->dirty)
        return;
    connection->dirty = false;
    if (connection->dirty_previous != NULL)
        connection->dirty_previous->dirty_next = connection->dirty_next;
    else
        server->dirty_first = connection->dirty_next;
    if (connection->dirty_next != NULL)
        connection->dirty_next->dirty_previous = connection->dirty_previous;
    else
        server->dirty_last = connection->dirty_previous;
}

/* ---- Deadlines and reading ---- */

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* When an unfinished body is too slow: behind its rate, or silent. */
static uint64_t body_deadline(const struct http_connection *connection)
{
    const struct http_request *request = &connection->request;
    const struct http_options *options = &connection->server->options;
    uint64_t paid_ms =
        (uint64_t)(request->body_length - request->body_counted) * 1000 / options->body_rate_min;
    return earlier(request->body_started_ms + options->body_grace_ms + paid_ms,
                   request->body_progress_ms + options->body_stall_ms);
}

/* Until when the client must have sent something; HTTP_NEVER when it is not its turn. */
static uint64_t read_deadline(const struct http_connection *connection)
{
    const struct http_request *request = &connection->request;
    const struct http_options *options = &connection->server->options;
    if (!connection->reading || connection->stalled || connection->deferred != NULL)
        return HTTP_NEVER;
    if (connection->final && connection->receiver == NULL)
        return HTTP_NEVER;
    if (request->started && !request->head_done)
        return request->head_started_ms + options->header_timeout_ms;
    if (request->started)
        return body_deadline(connection);
    if (connection->first == NULL)
        return connection->idle_since_ms + (connection->phase == HTTP_PHASE_REQUESTS
                                                ? options->idle_timeout_ms
                                                : options->header_timeout_ms);
    return HTTP_NEVER;
}

static uint64_t connection_deadline(const struct http_connection *connection)
{
    uint64_t deadline = HTTP_NEVER;
    if (connection->state == HTTP_CONNECTION_LINGER)
        return connection->linger_until_ms;
    if (connection->state == HTTP_CONNECTION_OPEN)
        deadline = read_deadline(connection);
    if (connection->state == HTTP_CONNECTION_OPEN && connection->write_busy)
        deadline = earlier(deadline, http_write_deadline(connection));
    return deadline;
}

static bool wants_to_read(const struct http_connection *connection)
{
    if (connection->eof)
        return false;
    if (connection->state == HTTP_CONNECTION_LINGER)
        return true;
    if (connection->state != HTTP_CONNECTION_OPEN || connection->doomed || connection->stalled)
        return false;
    /* Behind a deferred request to learn that the client goes; what comes instead waits. */
    if (connection->deferred != NULL)
        return connection->input_parsed == connection->input.length;
    if (connection->receiver != NULL)
        return !connection->body_paused;
    /* Behind the last request only to learn that the client goes; what comes is thrown away. */
    return !connection->final || connection->linger_bytes < HTTP_LINGER_BYTES_MAX;
}

void http_connection_room(struct http_connection *connection, uv_buf_t *room_out)
{
    struct http_server *server = connection->server;
    struct http_buffer *input = &connection->input;
    if (input->length == 0) {
        *room_out = uv_buf_init(server->read_buffer, HTTP_READ_MAX);
        return;
    }
    *room_out = uv_buf_init(NULL, 0);
    if (input->capacity - input->length < INPUT_ROOM_MIN &&
        !http_buffer_reserve(&server->buffers, input, INPUT_ROOM_MIN))
        return;
    if (connection->request.base != NULL)
        connection->request.base = input->data;
    uint32_t room = input->capacity - input->length;
    *room_out =
        uv_buf_init(input->data + input->length, room < HTTP_READ_MAX ? room : HTTP_READ_MAX);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    http_connection_room(connection_of(handle), buffer); /* libuv reports UV_ENOBUFS for none */
}

void http_connection_drop_input(struct http_connection *connection)
{
    http_buffer_release(&connection->server->buffers, &connection->input);
    connection->input_parsed = 0;
    connection->request.base = NULL;
    connection->stalled = false; /* nothing waits any more */
}

/* Between two reads: the request that is being read is given up. What has come of it stays until
 * its refusal is rendered (it names the request), but not for as long as the client lingers. */
static void refuse_unfinished(struct http_connection *connection, enum http_refusal refusal,
                              const char *detail)
{
    assert(!connection->stalled);
    (void)http_connection_refuse(connection, refusal, detail);
    http_connection_flush(connection);
    http_connection_drop_input(connection);
}

static bool has_endless_answer(const struct http_connection *connection)
{
    const struct http_exchange *exchange = connection->first;
    for (; exchange != NULL; exchange = exchange->next) {
        if (exchange->state == HTTP_EXCHANGE_STREAMING && exchange->events != NULL &&
            exchange->events->endless)
            return true;
    }
    return false;
}

void http_connection_read_failed(struct http_connection *connection, ssize_t error)
{
    /* libuv has stopped by itself at what it reports, but not at an end that TLS tells. */
    (void)uv_read_stop((uv_stream_t *)&connection->tcp);
    connection->reading = false;
    if (error == UV_ENOBUFS && connection->deferred != NULL) {
        connection->stalled = true; /* until it is resumed */
        return;
    }
    if (error == UV_ENOBUFS && connection->state == HTTP_CONNECTION_OPEN) {
        refuse_unfinished(connection, HTTP_REFUSAL_OVERLOADED, NULL);
        return;
    }
    if (error != UV_EOF || connection->receiver != NULL || has_endless_answer(connection)) {
        http_connection_close(connection, error == UV_EOF ? HTTP_CLOSE_CLIENT : HTTP_CLOSE_RESET);
        return;
    }
    connection->eof = true;
    if (connection->state == HTTP_CONNECTION_LINGER) {
        http_connection_close(connection, connection->close_reason);
        return;
    }
    /* A half-closed client may still wait for its answers; there will be no other request. */
    connection->final = true;
    if (connection->close_reason == HTTP_CLOSE_FINISHED)
        connection->close_reason = HTTP_CLOSE_CLIENT;
    http_connection_flush(connection);
}

void http_connection_discard(struct http_connection *connection, size_t count)
{
    bool lingers = connection->state == HTTP_CONNECTION_LINGER;
    connection->linger = true;
    connection->linger_bytes += count;
    if (lingers && connection->linger_bytes > HTTP_LINGER_BYTES_MAX)
        http_connection_close(connection, connection->close_reason);
    else
        http_connection_update(connection);
}

void http_connection_received(struct http_connection *connection, size_t count)
{
    if (connection->deferred != NULL) {
        connection->input.length += (uint32_t)count;
        http_connection_update(connection);
        return;
    }
    if (connection->input.length > 0) {
        connection->input.length += (uint32_t)count;
        http_connection_consume(connection, connection->input.data, connection->input_parsed,
                                connection->input.length);
    } else {
        http_connection_consume(connection, connection->server->read_buffer, 0, count);
    }
    /* With nothing left to wait for, the answer leaves at once; else with those of this turn. */
    if (connection->first == NULL || connection->doomed) {
        http_connection_flush(connection);
    } else {
        http_connection_mark_dirty(connection);
        http_connection_update(connection);
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void)buffer;
    struct http_connection *connection = connection_of((uv_handle_t *)stream);
    if (count == 0)
        return;
    if (count < 0) {
        http_connection_read_failed(connection, count);
        return;
    }
    http_count(&connection->server->counters.bytes_received, (uint64_t)count);
    if (http_connection_is_deaf(connection))
        http_connection_discard(connection, (size_t)count);
    else
        http_connection_received(connection, (size_t)count);
}

void http_connection_update(struct http_connection *connection)
{
    bool wanted = wants_to_read(connection);
    if (wanted && !connection->reading) {
        bool is_plain = !http_transport_is_needed(connection);
        if (uv_read_start((uv_stream_t *)&connection->tcp,
                          is_plain ? on_allocate : http_transport_allocate,
                          is_plain ? on_read : http_transport_read) != 0) {
            http_connection_doom(connection, HTTP_CLOSE_RESET);
            return;
        }
        connection->reading = true;
    } else if (!wanted && connection->reading) {
        (void)uv_read_stop((uv_stream_t *)&connection->tcp);
        connection->reading = false;
    }
    connection->server->deadlines[connection->slot] = connection_deadline(connection);
}

void http_connection_expire(struct http_connection *connection)
{
    uint64_t now = now_of(connection);
    if (connection->state == HTTP_CONNECTION_LINGER) {
        http_connection_close(connection, connection->close_reason);
        return;
    }
    if (connection->state != HTTP_CONNECTION_OPEN)
        return;
    if (connection->write_busy && now >= http_write_deadline(connection) &&
        http_write_stalls(connection)) {
        http_connection_close(connection, HTTP_CLOSE_WRITE_STALL);
        return;
    }
    if (now >= read_deadline(connection)) {
        if (connection->phase != HTTP_PHASE_REQUESTS) {
            http_transport_expire(connection);
            return;
        }
        if (!connection->request.started) {
            http_connection_close(connection, HTTP_CLOSE_IDLE_TIMEOUT);
            return;
        }
        refuse_unfinished(connection, HTTP_REFUSAL_REQUEST_TIMEOUT,
                          "the request did not come in time");
        return;
    }
    http_connection_update(connection);
}

/* ---- Writing ---- */

/* RFC 9110 section 10.1.1: once, before the answer, in its turn. */
static void send_continue(struct http_connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!connection->continue_due || connection->doomed || connection->deferred != NULL)
        return;
    const struct http_exchange *first = connection->first;
    if (connection->final && connection->receiver == NULL) {
        connection->continue_due = false;
        return;
    }
    if (first != NULL && (first != connection->receiver || first->state != HTTP_EXCHANGE_OPEN))
        return;
    connection->continue_due = false;
    if (!http_buffer_append(&connection->server->buffers, &connection->out, line, sizeof line - 1))
        http_connection_doom(connection, HTTP_CLOSE_MEMORY);
}

/* Tells a stream that had to wait that there is room again. True if it was told. */
static bool wake_stream(struct http_connection *connection)
{
    struct http_exchange *first = connection->first;
    if (first == NULL || first->state != HTTP_EXCHANGE_STREAMING || !first->blocked)
        return false;
    if (http_connection_queued(connection) > connection->server->options.queue_max / 2)
        return false;
    first->blocked = false;
    if (first->events != NULL && first->events->on_writable != NULL)
        first->events->on_writable(first, connection->server->user);
    return true;
}

/* All is said: closes, gently where the client may still be sending. */
static void connection_finish(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    uv_os_fd_t fd;
    http_transport_farewell(connection);
    if (!connection->linger || connection->eof || server->options.linger_ms == 0 ||
        uv_fileno((uv_handle_t *)&connection->tcp, &fd) != 0) {
        http_connection_close(connection, connection->close_reason);
        return;
    }
    (void)shutdown(fd, SHUT_WR);
    connection->state = HTTP_CONNECTION_LINGER;
    connection->linger_until_ms = now_of(connection) + server->options.linger_ms;
    http_connection_update(connection);
}

/* One round; true if another one may have something to do. */
static bool flush_round(struct http_connection *connection)
{
    if (connection->refusal != HTTP_REFUSAL_NONE && !connection->doomed)
        http_dispatch_refusal(connection);
    send_continue(connection);
    if (connection->doomed) {
        http_connection_close(connection, connection->close_reason);
        return false;
    }
    http_write(connection);
    if (connection->state != HTTP_CONNECTION_OPEN)
        return false;
    bool more = wake_stream(connection);
    /* With a receiver it is the body that waited behind a deferred head. */
    bool waits = connection->stalled && connection->deferred == NULL && !connection->doomed;
    if (waits && (connection->receiver != NULL || http_connection_may_parse(connection))) {
        assert(connection->input.length > 0);
        http_connection_consume(connection, connection->input.data, connection->input_parsed,
                                connection->input.length);
        more = true;
    }
    return more || connection->doomed;
}

void http_connection_flush(struct http_connection *connection)
{
    assert(!connection->consuming);
    unmark_dirty(connection);
    if (connection->state != HTTP_CONNECTION_OPEN)
        return;
    int rounds = 0;
    while (flush_round(connection)) {
        /* One that is doomed closes in the next round. */
        if (++rounds >= HTTP_FLUSH_ROUNDS_MAX && !connection->doomed) {
            http_connection_mark_dirty(connection);
            break;
        }
    }
    if (connection->state != HTTP_CONNECTION_OPEN)
        return;
    if (connection->final && connection->first == NULL &&
        connection->refusal == HTTP_REFUSAL_NONE && http_connection_queued(connection) == 0)
        connection_finish(connection);
    else
        http_connection_update(connection);
}

/* ---- Opening and closing ---- */

void http_connection_open(struct http_connection *connection, int fd, const struct http_peer *peer)
{
    struct http_server *server = connection->server;
    assert(connection->state == HTTP_CONNECTION_FREE);
    int error = uv_tcp_init(server->loop, &connection->tcp);
    assert(error == 0 && "without a socket it cannot fail");
    (void)error;
    connection->tcp.data = connection;
    connection->input.use = HTTP_BUFFER_INPUT;
    connection->peer = *peer;
    connection->state = HTTP_CONNECTION_OPEN;
    connection->phase = HTTP_PHASE_REQUESTS;
    connection->reading = connection->stalled = connection->body_paused = false;
    connection->final = connection->linger = connection->eof = connection->doomed = false;
    connection->continue_due = connection->close_wanted = false;
    connection->close_reason = HTTP_CLOSE_FINISHED;
    connection->refusal = HTTP_REFUSAL_NONE;
    connection->requests = 0;
    connection->linger_bytes = 0;
    connection->idle_since_ms = now_of(connection);
    http_parser_reset(connection);
    server->connections_open++;
    server->handles_open++;
    http_count(&server->counters.connections_accepted, 1);
    http_gauge(&server->counters.connections_open, server->connections_open);
    if (uv_tcp_open(&connection->tcp, fd) != 0) {
        (void)close(fd);
        http_connection_close(connection, HTTP_CLOSE_RESET);
        return;
    }
    if (!http_transport_open(connection)) {
        http_connection_close(connection, HTTP_CLOSE_MEMORY);
        return;
    }
    http_connection_update(connection);
    if (connection->doomed)
        http_connection_close(connection, connection->close_reason);
}

static void on_closed(uv_handle_t *handle)
{
    struct http_connection *connection = connection_of(handle);
    struct http_server *server = connection->server;
    assert(connection->state == HTTP_CONNECTION_CLOSING && connection->first == NULL);
    http_buffer_release(&server->buffers, &connection->writing);
    connection->state = HTTP_CONNECTION_FREE;
    connection->free_next = server->connections_free;
    server->connections_free = connection;
    server->connections_open--;
    http_gauge(&server->counters.connections_open, server->connections_open);
    http_server_handle_closed(server);
}

void http_connection_close(struct http_connection *connection, enum http_close reason)
{
    struct http_server *server = connection->server;
    assert(!connection->consuming);
    if (connection->state != HTTP_CONNECTION_OPEN && connection->state != HTTP_CONNECTION_LINGER)
        return;
    unmark_dirty(connection);
    http_transport_farewell(connection);
    connection->state = HTTP_CONNECTION_CLOSING;
    connection->doomed = true;
    connection->receiver = NULL;
    connection->request.base = NULL;
    server->deadlines[connection->slot] = HTTP_NEVER;
    http_count(&server->counters.closed[reason], 1);
    while (connection->first != NULL)
        http_exchange_abandon(connection->first);
    http_buffer_release(&server->buffers, &connection->input);
    http_buffer_release(&server->buffers, &connection->out);
    http_transport_close(connection);
    if (connection->counted)
        http_peers_remove(&server->peers, &connection->peer);
    connection->counted = false;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

void http_connection_doom(struct http_connection *connection, enum http_close reason)
{
    if (connection->doomed)
        return;
    connection->doomed = true;
    connection->close_reason = reason;
    http_connection_mark_dirty(connection);
}
