/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that wait to be handled again. What is held is what would have been read anyway: the
 * request's bytes, in the connection's own input, and behind them at most one read.
 *
 *   handler -> http_exchange_defer -> (http_defer_hold) -> waiting -> http_exchange_resume ->
 * handler
 *                                                             \-> answered, or the client is gone
 */
#include "http/http_internal.h"

void http_exchange_defer(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    assert(exchange->readable && exchange->state == HTTP_EXCHANGE_OPEN && "within the handler");
    assert(exchange->route != NULL && !exchange->is_spare && exchange == connection->last);
    assert(connection->consuming && connection->deferred == NULL);
    connection->deferred = exchange;
}

bool http_exchange_is_resumed(const struct http_exchange *exchange)
{
    return exchange->is_resumed;
}

bool http_defer_hold(struct http_connection *connection, char *stop, char *end)
{
    struct http_buffer *input = &connection->input;
    struct http_request *request = &connection->request;
    struct http_exchange *exchange = connection->deferred;
    char *from = request->base;
    size_t length = (size_t)(end - from);
    assert(from != NULL && from < stop && stop <= end);
    if (input->length > 0) {
        assert(from >= input->data && end == input->data + input->length);
        memmove(input->data, from, length);
        input->length = (uint32_t)length;
    } else if (!http_buffer_append(&connection->server->buffers, input, from, length)) {
        bool is_streamed = connection->receiver == exchange;
        bool keep_alive = request->keep_alive;
        connection->continue_due = false;
        http_exchange_refuse(exchange, HTTP_REFUSAL_OVERLOADED, NULL);
        assert(connection->deferred == NULL);
        if (!is_streamed && !keep_alive)
            connection->final = true;
        http_request_reset(request);
        return false;
    }
    connection->input_parsed = (uint32_t)(stop - from);
    request->base = input->data;
    return true;
}

void http_defer_release(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    bool waits = connection->input_parsed < connection->input.length;
    assert(connection->deferred == NULL && !connection->consuming);
    connection->stalled = false;
    if (connection->receiver != NULL) {
        request->base = NULL;
        request->body_started_ms = uv_now(connection->server->loop);
        request->body_progress_ms = request->body_started_ms;
        connection->continue_due = connection->continue_due && !waits;
    } else {
        if (!request->keep_alive)
            connection->final = true;
        connection->continue_due = false;
        http_request_reset(request);
    }
    if (waits && http_connection_may_go_on(connection)) {
        connection->stalled = true;
    } else {
        /* Unread input would make the kernel reset the connection under the last answer. */
        connection->linger = connection->linger || waits;
        http_connection_drop_input(connection);
    }
    http_connection_mark_dirty(connection);
}

void http_exchange_resume(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    assert(connection->deferred == exchange && !connection->consuming);
    assert(connection->state == HTTP_CONNECTION_OPEN);
    connection->deferred = NULL;
    exchange->is_resumed = true;
    exchange->extra_length = 0;
    connection->consuming = true;
    http_exchange_handle(exchange);
    connection->consuming = false;
    if (connection->deferred == NULL)
        http_defer_release(connection);
    else
        http_connection_mark_dirty(connection);
}
