/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: rendered straight into the connection's output when the exchange is the first of its
 * connection, else into a buffer of the exchange, to be handed over when its turn comes.
 */
#include "http/http_internal.h"
#include "http/words.h"

#include <stdio.h>
#include <string.h>

#define PUT_LITERAL(buffer, literal) http_put(buffer, literal, sizeof(literal) - 1)

/* Where the digits of Content-Length are not known yet, room for this many is left. */
enum { DIGITS_GUESSED = 3, DIGITS_MAX = 10 };

struct http_buffer *http_exchange_target(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    if (connection->doomed)
        return NULL;
    return exchange == connection->first ? &connection->out : &exchange->answer;
}

/* ---- The head ---- */

static void put_status_line(struct http_buffer *target, int status)
{
    struct http_slice line = http_status_line(status);
    if (line.data != NULL) {
        http_put(target, line.data, line.length);
        return;
    }
    assert(status >= 100 && status <= 999);
    PUT_LITERAL(target, "HTTP/1.1 ");
    target->length += (uint32_t)http_text_decimal(target->data + target->length, (uint64_t)status);
    PUT_LITERAL(target, " Status\r\n");
}

/*
 * Only the last answer of a connection can announce its end: behind any other one, requests are
 * already being served.
 */
static bool answer_is_final(struct http_exchange *exchange)
{
    struct http_connection *connection = exchange->connection;
    if (exchange != connection->last)
        return false;
    if (!exchange->keep_alive || !exchange->request_complete || connection->close_wanted ||
        connection->server->draining)
        connection->final = true;
    /* A refusal of what came behind it still follows: that one says so. */
    return connection->final && connection->refusal == HTTP_REFUSAL_NONE;
}

/* The lines that every answer has from the layer, and those that the handler added. */
static void put_common_lines(struct http_exchange *exchange, struct http_buffer *target)
{
    struct http_server *server = exchange->server;
    http_put(target, server->common_lines, HTTP_COMMON_LINES_LENGTH);
    http_put(target, exchange->request_id, exchange->request_id_length);
    PUT_LITERAL(target, "\r\n");
    if (exchange->cache == HTTP_CACHE_NO_STORE)
        PUT_LITERAL(target, "Cache-Control: no-store\r\n");
    else if (exchange->cache == HTTP_CACHE_REVALIDATE)
        PUT_LITERAL(target, "Cache-Control: no-cache\r\n");
    if (answer_is_final(exchange))
        PUT_LITERAL(target, "Connection: close\r\n");
    else if (exchange->version_1_0)
        PUT_LITERAL(target, "Connection: keep-alive\r\n");
    if (exchange->connection->tls.ssl != NULL)
        http_put(target, server->hsts_line, server->hsts_line_length);
    if (exchange->cors_origin >= 0)
        http_put(target, server->cors[exchange->cors_origin].lines,
                 server->cors[exchange->cors_origin].lines_length);
    else if (server->options.cors_origins_count > 0)
        PUT_LITERAL(target, "Vary: Origin\r\n");
    http_put(target, exchange->extra, exchange->extra_length);
}

static struct http_buffer *target_reserve(struct http_exchange *exchange, size_t room)
{
    struct http_buffer *target = http_exchange_target(exchange);
    if (target == NULL)
        return NULL;
    size_t need = HTTP_HEAD_FIXED_MAX + (size_t)exchange->extra_length + room;
    if (http_buffer_reserve(&exchange->server->buffers, target, need))
        return target;
    http_connection_doom(exchange->connection, HTTP_CLOSE_MEMORY);
    return NULL;
}

bool http_head_begin(struct http_exchange *exchange, int status, const char *content_type,
                     size_t room)
{
    assert(exchange->state == HTTP_EXCHANGE_OPEN && "an exchange is answered once");
    struct http_buffer *target = target_reserve(exchange, room);
    if (target == NULL)
        return false;
    put_status_line(target, status);
    put_common_lines(exchange, target);
    if (content_type != NULL) {
        size_t length = strlen(content_type);
        assert(length <= HTTP_CONTENT_TYPE_MAX);
        PUT_LITERAL(target, "Content-Type: ");
        http_put(target, content_type, length);
        PUT_LITERAL(target, "\r\n");
    }
    return true;
}

static bool status_has_no_length(int status)
{
    return status == 204 || status == 304 || status < 200;
}

static void put_length(struct http_buffer *target, size_t length)
{
    PUT_LITERAL(target, "Content-Length: ");
    target->length += (uint32_t)http_text_decimal(target->data + target->length, length);
    PUT_LITERAL(target, "\r\n\r\n");
}

/* ---- Headers of the handler ---- */

/* Whether a control character is in it; the tab is none here. */
static bool has_control(struct http_slice text)
{
    if (!words_any(text.data, text.length, word_has_control))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

bool http_header_add_slice(struct http_exchange *exchange, const char *name,
                           struct http_slice value)
{
    assert(exchange->state == HTTP_EXCHANGE_OPEN);
    struct http_slice name_slice = {name, strlen(name)};
    size_t length = name_slice.length + 2 + value.length + 2;
    if (name_slice.length == 0 || length > sizeof exchange->extra - exchange->extra_length)
        return false;
    if (has_control(name_slice) || has_control(value))
        return false;
    char *p = exchange->extra + exchange->extra_length;
    memcpy(p, name, name_slice.length);
    p += name_slice.length;
    *p++ = ':';
    *p++ = ' ';
    if (value.length > 0)
        memcpy(p, value.data, value.length);
    p += value.length;
    *p++ = '\r';
    *p++ = '\n';
    exchange->extra_length = (uint16_t)(p - exchange->extra);
    return true;
}

bool http_header_add(struct http_exchange *exchange, const char *name, const char *value)
{
    return http_header_add_slice(exchange, name, (struct http_slice){value, strlen(value)});
}

void http_exchange_cache(struct http_exchange *exchange, enum http_cache cache)
{
    assert(exchange->state == HTTP_EXCHANGE_OPEN);
    if (cache > exchange->cache)
        exchange->cache = cache;
}

void http_exchange_close_after(struct http_exchange *exchange)
{
    exchange->connection->close_wanted = true;
}

/* ---- Whole answers ---- */

void http_respond(struct http_exchange *exchange, int status, const char *content_type,
                  const void *body, size_t length)
{
    if (length > exchange->server->options.answer_max) {
        http_exchange_refuse(exchange, HTTP_REFUSAL_INTERNAL_ERROR, "the answer is too large");
        return;
    }
    bool sends_body = exchange->method != HTTP_METHOD_HEAD && !status_has_no_length(status);
    if (!http_head_begin(exchange, status, content_type, sends_body ? length : 0)) {
        http_exchange_drop(exchange);
        return;
    }
    struct http_buffer *target = http_exchange_target(exchange);
    if (status_has_no_length(status))
        PUT_LITERAL(target, "\r\n");
    else
        put_length(target, length);
    if (sends_body)
        http_put(target, body, length);
    http_exchange_finish(exchange, status);
}

void http_respond_raw(struct http_exchange *exchange, int status, struct http_slice head,
                      struct http_slice body)
{
    assert(exchange->state == HTTP_EXCHANGE_OPEN && "an exchange is answered once");
    assert(head.length > 2 && memcmp(head.data + head.length - 2, "\r\n", 2) == 0);
    if (body.length > exchange->server->options.answer_max) {
        http_exchange_refuse(exchange, HTTP_REFUSAL_INTERNAL_ERROR, "the answer is too large");
        return;
    }
    struct http_buffer *target = target_reserve(exchange, head.length + body.length);
    if (target == NULL) {
        http_exchange_drop(exchange);
        return;
    }
    http_put(target, head.data, head.length);
    put_common_lines(exchange, target);
    PUT_LITERAL(target, "\r\n");
    if (exchange->method != HTTP_METHOD_HEAD && !status_has_no_length(status))
        http_put(target, body.data, body.length);
    http_exchange_finish(exchange, status);
}

size_t http_head_prepare(int status, const char *content_type, size_t content_length, char *target,
                         size_t capacity)
{
    struct http_slice line = http_status_line(status);
    assert(line.data != NULL && "a status that has a line of its own");
    int length =
        snprintf(target, capacity, "%.*s%s%s%s", (int)line.length, line.data,
                 content_type != NULL ? "Content-Type: " : "",
                 content_type != NULL ? content_type : "", content_type != NULL ? "\r\n" : "");
    if (length < 0 || (size_t)length >= capacity)
        return 0;
    if (status_has_no_length(status))
        return (size_t)length;
    int more = snprintf(target + length, capacity - (size_t)length, "Content-Length: %zu\r\n",
                        content_length);
    if (more < 0 || (size_t)more >= capacity - (size_t)length)
        return 0;
    return (size_t)length + (size_t)more;
}

char *http_body_begin(struct http_exchange *exchange, int status, const char *content_type,
                      size_t body_max)
{
    assert(!status_has_no_length(status));
    if (body_max > exchange->server->options.answer_max) {
        http_exchange_refuse(exchange, HTTP_REFUSAL_INTERNAL_ERROR, "the answer is too large");
        return NULL;
    }
    if (!http_head_begin(exchange, status, content_type, body_max)) {
        http_exchange_drop(exchange);
        return NULL;
    }
    struct http_buffer *target = http_exchange_target(exchange);
    PUT_LITERAL(target, "Content-Length: ");
    exchange->digits_offset = target->length;
    exchange->body_room = (uint32_t)body_max;
    exchange->status = status;
    exchange->state = HTTP_EXCHANGE_BODY;
    return target->data + target->length + DIGITS_GUESSED + 4;
}

void http_body_commit(struct http_exchange *exchange, size_t length)
{
    assert(exchange->state == HTTP_EXCHANGE_BODY);
    assert(length <= exchange->body_room);
    struct http_buffer *target = http_exchange_target(exchange);
    assert(target != NULL && "no other call between begin and commit");
    char *body = target->data + exchange->digits_offset + DIGITS_GUESSED + 4;
    char digits[DIGITS_MAX * 2];
    size_t count = http_text_decimal(digits, length);
    if (exchange->method == HTTP_METHOD_HEAD)
        length = 0;
    if (count != DIGITS_GUESSED && length > 0)
        memmove(target->data + exchange->digits_offset + count + 4, body, length);
    http_put(target, digits, count);
    PUT_LITERAL(target, "\r\n\r\n");
    assert(length <= target->capacity - target->length);
    target->length += (uint32_t)length;
    http_exchange_finish(exchange, exchange->status);
}

/* ---- Order ---- */

/* What an exchange has gathered goes to the output. False: no memory. */
static bool hand_over(struct http_connection *connection, struct http_exchange *exchange)
{
    struct http_buffer *out = &connection->out;
    if (exchange->answer.length == 0)
        return true;
    if (out->length > 0) {
        if (!http_buffer_append(&connection->server->buffers, out, exchange->answer.data,
                                exchange->answer.length))
            return false;
        exchange->answer.length = 0;
        return true;
    }
    struct http_buffer empty = *out;
    *out = exchange->answer;
    exchange->answer = empty;
    return true;
}

/* Hands over what has gathered behind the first, as far as its turn has come. Of a doomed
 * connection nothing is handed over, but what is done is released all the same (invariant 5). */
static void connection_advance(struct http_connection *connection)
{
    while (connection->first != NULL) {
        struct http_exchange *exchange = connection->first;
        if (!connection->doomed && !hand_over(connection, exchange))
            http_connection_doom(connection, HTTP_CLOSE_MEMORY);
        if (exchange->state != HTTP_EXCHANGE_DONE)
            return;
        http_exchange_release(exchange);
    }
}

void http_exchange_finish(struct http_exchange *exchange, int status)
{
    struct http_server *server = exchange->server;
    struct http_connection *connection = exchange->connection;
    exchange->status = status;
    exchange->readable = false;
    http_count(&server->counters.requests, 1);
    int class = status == HTTP_STATUS_CLIENT_GONE ? 0 : status / 100;
    http_count(&server->counters.responses[class >= 0 && class <= 5 ? class : 0], 1);
    if (server->options.on_complete != NULL)
        server->options.on_complete(exchange, status, uv_hrtime() - exchange->arrived_ns,
                                    server->user);
    if (!exchange->request_complete) {
        /* What is left of its body is in the way of any other request. */
        connection->final = true;
        connection->linger = true;
    }
    if (connection->receiver == exchange)
        connection->receiver = NULL;
    if (connection->deferred == exchange) {
        connection->deferred = NULL;
        if (!connection->consuming)
            http_defer_release(connection);
    }
    exchange->state = HTTP_EXCHANGE_DONE;
    if (exchange == connection->first)
        connection_advance(connection);
    http_connection_mark_dirty(connection);
}

void http_exchange_drop(struct http_exchange *exchange)
{
    assert(exchange->connection->doomed);
    http_exchange_finish(exchange, HTTP_STATUS_CLIENT_GONE);
}

void http_exchange_vanish(struct http_exchange *exchange)
{
    assert(exchange->state == HTTP_EXCHANGE_OPEN);
    http_connection_doom(exchange->connection, HTTP_CLOSE_FINISHED);
    http_exchange_drop(exchange);
}
