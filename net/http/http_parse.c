/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes to requests. llhttp does the grammar, strictly, and is paused after each head that has a
 * body, each chunk-size line and each message; all decisions are taken between two calls of it,
 * never within its callbacks.
 *
 * The bytes of one request are always contiguous, in the shared read buffer or in the connection's
 * `input`; what is known of them are offsets from the first. A chunked body is moved together in
 * place.
 */
#include "http/http_internal.h"

#include <string.h>

enum { HEAD_END_LENGTH = 4 }; /* two line ends */

/* ---- What llhttp reports ---- */

static struct http_connection *connection_of(llhttp_t *parser)
{
    return parser->data;
}

static uint32_t offset_of(const struct http_request *request, const char *at)
{
    assert(at >= request->base);
    return (uint32_t)(at - request->base);
}

/* Single blanks only (RFC 9112 section 3): llhttp lets several pass. */
static int refuse_loose_line(struct http_connection *connection)
{
    return http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                                  "the request target is malformed");
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
    struct http_connection *connection = connection_of(parser);
    struct http_request *request = &connection->request;
    if (request->url_length == 0) {
        request->url_offset = offset_of(request, at);
        if (request->url_offset < 2 || at[-2] == ' ')
            return refuse_loose_line(connection);
    }
    request->url_length += (uint32_t)length;
    if (request->url_length > connection->server->options.request_line_max)
        return http_connection_refuse(connection, HTTP_REFUSAL_URI_TOO_LONG, NULL);
    return 0;
}

/* Here, before any header is looked at: the blanks are what comes first. */
static int on_version_complete(llhttp_t *parser)
{
    struct http_connection *connection = connection_of(parser);
    const struct http_request *request = &connection->request;
    const char *behind = request->base + request->url_offset + request->url_length;
    return behind[1] == ' ' ? refuse_loose_line(connection) : 0;
}

/* Bytes of the head up to `end`, against the bound. */
static bool head_fits(const struct http_connection *connection, size_t end)
{
    const struct http_request *request = &connection->request;
    const struct http_options *options = &connection->server->options;
    return end <= (size_t)request->url_offset + request->url_length + options->headers_bytes_max;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length)
{
    struct http_connection *connection = connection_of(parser);
    struct http_request *request = &connection->request;
    if (request->head_done)
        return http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                                      "trailers are not served");
    uint32_t offset = offset_of(request, at);
    if (!head_fits(connection, offset + length))
        return http_connection_refuse(connection, HTTP_REFUSAL_HEADERS_TOO_LARGE, NULL);
    if (!request->name_begun) {
        if (request->headers_count >= connection->server->options.headers_count_max)
            return http_connection_refuse(connection, HTTP_REFUSAL_HEADERS_TOO_LARGE, NULL);
        request->headers[request->headers_count++] =
            (struct http_header_field){.name_offset = (uint16_t)offset};
        request->name_begun = true;
        request->value_begun = false;
    }
    struct http_header_field *field = &request->headers[request->headers_count - 1];
    field->name_length = (uint16_t)(field->name_length + length);
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length)
{
    struct http_connection *connection = connection_of(parser);
    struct http_request *request = &connection->request;
    if (request->head_done || request->headers_count == 0)
        return http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST, NULL);
    uint32_t offset = offset_of(request, at);
    if (!head_fits(connection, offset + length))
        return http_connection_refuse(connection, HTTP_REFUSAL_HEADERS_TOO_LARGE, NULL);
    struct http_header_field *field = &request->headers[request->headers_count - 1];
    if (!request->value_begun) {
        field->value_offset = (uint16_t)offset;
        request->value_begun = true;
    }
    /* llhttp reports a value in pieces where the read ended, all without a gap. */
    field->value_length = (uint16_t)(offset + length - field->value_offset);
    return 0;
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct http_connection *connection = connection_of(parser);
    connection->request.name_begun = false;
    return http_request_take_header(connection) ? 0 : -1;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_connection *connection = connection_of(parser);
    if (!http_request_check_head(connection))
        return -1;
    if ((parser->flags & F_CHUNKED) == 0 && parser->content_length == 0)
        return 0;
    connection->pause = HTTP_PAUSE_HEAD;
    return HPE_PAUSED;
}

static int on_chunk_extension(llhttp_t *parser, const char *at, size_t length)
{
    (void)at;
    (void)length;
    return http_connection_refuse(connection_of(parser), HTTP_REFUSAL_MALFORMED_REQUEST,
                                  "chunk extensions are not served");
}

static int on_chunk_header(llhttp_t *parser)
{
    connection_of(parser)->pause = HTTP_PAUSE_CHUNK;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
    struct http_connection *connection = connection_of(parser);
    struct http_server *server = connection->server;
    struct http_request *request = &connection->request;
    if (length > request->body_max - request->body_length)
        return http_connection_refuse(connection, HTTP_REFUSAL_PAYLOAD_TOO_LARGE,
                                      "the body is larger than this call takes");
    request->body_progress_ms = uv_now(server->loop);
    struct http_exchange *receiver = connection->receiver;
    if (receiver != NULL) {
        request->body_length += length;
        if (receiver->events != NULL && receiver->events->on_body != NULL)
            receiver->events->on_body(receiver, at, length, false, server->user);
        return connection->receiver == NULL || connection->doomed ? -1 : 0;
    }
    char *end = request->base + request->body_offset + request->body_length;
    if (at != end)
        memmove(end, at, length);
    request->body_length += length;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_connection *connection = connection_of(parser);
    connection->request.keep_alive = http_request_keeps_alive(connection);
    connection->pause = HTTP_PAUSE_MESSAGE;
    return HPE_PAUSED;
}

void http_parser_settings(llhttp_settings_t *settings_out)
{
    llhttp_settings_init(settings_out);
    settings_out->on_url = on_url;
    settings_out->on_version_complete = on_version_complete;
    settings_out->on_header_field = on_header_field;
    settings_out->on_header_value = on_header_value;
    settings_out->on_header_value_complete = on_header_value_complete;
    settings_out->on_headers_complete = on_headers_complete;
    settings_out->on_chunk_header = on_chunk_header;
    settings_out->on_chunk_extension_name = on_chunk_extension;
    settings_out->on_chunk_extension_value = on_chunk_extension;
    settings_out->on_body = on_body;
    settings_out->on_message_complete = on_message_complete;
}

/* ---- One request after another ---- */

void http_request_reset(struct http_request *request)
{
    /* The header array is valid up to headers_count; clearing it would cost more than parsing. */
    memset(request, 0, offsetof(struct http_request, headers));
}

void http_parser_reset(struct http_connection *connection)
{
    llhttp_init(&connection->parser, HTTP_REQUEST, &connection->server->parser_settings);
    assert(connection->parser.lenient_flags == 0);
    connection->parser.data = connection;
    http_request_reset(&connection->request);
}

bool http_connection_may_parse(const struct http_connection *connection)
{
    const struct http_server *server = connection->server;
    if (connection->deferred != NULL)
        return false;
    if (connection->outstanding >= server->options.pipeline_max)
        return false;
    /* Served one at a time: the end of an HTTP/1.0 answer may be the connection's. */
    if (connection->last != NULL && connection->last->version_1_0)
        return false;
    if (connection->first != NULL && !http_exchanges_are_left(server))
        return false;
    return http_connection_queued(connection) <= server->options.queue_max;
}

/*
 * llhttp reports a target, a name or a value when it ends or the read does, and not at all when a
 * byte in it is wrong. So that the verdict is the same however the bytes were cut into reads, what
 * stands before `end` is held against the bounds again before anything else is said of it.
 *
 * The request line: sets where the target ends; NULL if not before `end`. False: refused.
 */
static bool check_line(struct http_connection *connection, const char *end,
                       const char **target_end_out)
{
    const char *target =
        memchr(connection->request.base, ' ', (size_t)(end - connection->request.base));
    *target_end_out = NULL;
    if (target == NULL)
        return true; /* within the method, of which llhttp knows none that is long */
    const char *at = ++target;
    while (at < end && *at != ' ' && *at != '\r' && *at != '\n')
        at++;
    if ((at == target && at < end) || (end - at > 1 && at[0] == ' ' && at[1] == ' ')) {
        refuse_loose_line(connection);
        return false;
    }
    if ((size_t)(at - target) > connection->server->options.request_line_max) {
        http_connection_refuse(connection, HTTP_REFUSAL_URI_TOO_LONG, NULL);
        return false;
    }
    if (at < end)
        *target_end_out = at;
    return true;
}

/* The head up to `end`, and `slack` bytes over. False: refused. */
static bool check_head_size(struct http_connection *connection, const char *end, size_t slack)
{
    const char *target_end;
    if (!check_line(connection, end, &target_end))
        return false;
    size_t length = (size_t)(end - connection->request.base);
    if (target_end == NULL || length < slack || head_fits(connection, length - slack))
        return true;
    http_connection_refuse(connection, HTTP_REFUSAL_HEADERS_TOO_LARGE, NULL);
    return false;
}

/* Whether the byte at `at` is within the name of one header too many. */
static bool is_name_too_many(const struct http_connection *connection, const char *at)
{
    const struct http_request *request = &connection->request;
    return request->headers_count >= connection->server->options.headers_count_max &&
           !request->name_begun && at > request->base && at[-1] != '\n' && at[-1] != '\r';
}

/* What llhttp says is wrong, to what the client is told. */
static void refuse_syntax(struct http_connection *connection, llhttp_errno_t error, const char *end)
{
    const char *wrong = llhttp_get_error_pos(&connection->parser);
    if (!connection->request.head_done && wrong != NULL) {
        if (!check_head_size(connection, wrong, 0))
            return;
        if (error == HPE_INVALID_HEADER_TOKEN && is_name_too_many(connection, wrong)) {
            http_connection_refuse(connection, HTTP_REFUSAL_HEADERS_TOO_LARGE, NULL);
            return;
        }
    }
    /* llhttp calls a version "invalid" also when what follows it is not CRLF. */
    bool version_is_good = connection->parser.http_major == 1 && connection->parser.http_minor < 2;
    if (error == HPE_PAUSED_H2_UPGRADE || (error == HPE_INVALID_VERSION && !version_is_good)) {
        http_connection_refuse(connection, HTTP_REFUSAL_HTTP_VERSION_NOT_SUPPORTED,
                               "HTTP/1.1 and HTTP/1.0 are served");
        return;
    }
    if (error == HPE_PAUSED_UPGRADE) {
        http_connection_refuse(connection, HTTP_REFUSAL_NOT_IMPLEMENTED, "no upgrade is served");
        return;
    }
    /* Where a capital letter is what is wrong, it is a method that llhttp does not know. */
    if (error == HPE_INVALID_METHOD && wrong != NULL && wrong < end && *wrong >= 'A' &&
        *wrong <= 'Z') {
        http_connection_refuse(connection, HTTP_REFUSAL_NOT_IMPLEMENTED,
                               "this method is not served");
        return;
    }
    http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                           llhttp_get_error_reason(&connection->parser));
}

/*
 * Between two requests: takes the one CRLF that old clients send (RFC 9112 section 2.2), and marks
 * the first byte. False: nothing begins here (no bytes left, refused, or stalled).
 */
static bool request_begin(struct http_connection *connection, char **at, const char *end)
{
    struct http_request *request = &connection->request;
    while (*at < end && (**at == '\r' || **at == '\n')) {
        char expected = request->leading == 0 ? '\r' : '\n';
        if (request->leading >= 2 || **at != expected) {
            request->base = NULL;
            http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                                   "a request line is expected");
            return false;
        }
        request->leading++;
        (*at)++;
    }
    if (*at == end)
        return false;
    if (request->leading == 1) {
        http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                               "a request line is expected");
        return false;
    }
    if (!http_connection_may_parse(connection)) {
        connection->stalled = true;
        http_count(&connection->server->counters.pipeline_stalls, 1);
        return false;
    }
    request->started = true;
    request->base = *at;
    request->head_started_ms = uv_now(connection->server->loop);
    return true;
}

/* The size line of a chunk has been read: behind a chunk's data stands its CRLF, and the size ends
 * with one. */
static void chunk_line_done(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    uint32_t line_ends = request->body_length > 0 ? 4 : 2;
    assert(request->framing_length > line_ends);
    if (request->framing_length - line_ends > HTTP_CHUNK_DIGITS_MAX)
        http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                               "a chunk size has at most eight digits");
    else if (connection->parser.content_length > request->body_max - request->body_length)
        http_connection_refuse(connection, HTTP_REFUSAL_PAYLOAD_TOO_LARGE,
                               "the body is larger than this call takes");
    request->framing_length = 0;
}

static void head_done(struct http_connection *connection, uint32_t head_length, bool more)
{
    struct http_request *request = &connection->request;
    struct http_server *server = connection->server;
    request->body_offset = head_length;
    request->body_started_ms = uv_now(server->loop);
    request->body_progress_ms = request->body_started_ms;
    const struct route *route = request->match.route;
    if (route == NULL && request->expects_continue) {
        /* It has not sent the body, and may not: nothing can follow. */
        request->keep_alive = false;
        connection->linger = true;
        connection->final = true;
        http_dispatch(connection);
        return;
    }
    if (route != NULL && (route->flags & ROUTE_STREAM_BODY) != 0) {
        request->keep_alive = http_request_keeps_alive(connection);
        http_dispatch(connection);
        if (connection->deferred == NULL)
            request->base = NULL;
    }
    connection->continue_due = request->expects_continue && !more;
}

static void message_done(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    struct http_exchange *receiver = connection->receiver;
    connection->continue_due = false;
    bool keep_alive = request->keep_alive;
    if (receiver != NULL) {
        receiver->request_complete = true;
        connection->receiver = NULL;
        connection->body_paused = false;
        if (receiver->events != NULL && receiver->events->on_body != NULL)
            receiver->events->on_body(receiver, NULL, 0, true, connection->server->user);
    } else {
        http_dispatch(connection);
        if (connection->deferred != NULL)
            return;
    }
    if (!keep_alive)
        connection->final = true;
    http_request_reset(request);
}

bool http_connection_may_go_on(const struct http_connection *connection)
{
    return connection->state == HTTP_CONNECTION_OPEN && !connection->doomed &&
           connection->refusal == HTTP_REFUSAL_NONE && connection->deferred == NULL &&
           !(connection->final && connection->receiver == NULL);
}

/* All bytes are read and the message goes on: what has come must not grow without end. */
static void check_unfinished(struct http_connection *connection, const char *end)
{
    const struct http_request *request = &connection->request;
    if (!request->head_done) {
        /* Behind the last value only the two line ends are left to come. */
        (void)check_head_size(connection, end, HEAD_END_LENGTH);
        return;
    }
    if (request->chunked && request->framing_length > HTTP_CHUNK_DIGITS_MAX + 4)
        http_connection_refuse(connection, HTTP_REFUSAL_MALFORMED_REQUEST,
                               "a chunk size has at most eight digits");
}

/* One call of llhttp. Returns where it stopped; `end` also when nothing more is to be parsed. */
static char *parse_step(struct http_connection *connection, char *at, char *end)
{
    struct http_request *request = &connection->request;
    llhttp_t *parser = &connection->parser;
    size_t body_before = request->body_length;
    connection->pause = HTTP_PAUSE_NONE;
    llhttp_errno_t error = llhttp_execute(parser, at, (size_t)(end - at));
    if (!http_connection_may_go_on(connection))
        return end;
    bool paused = error == HPE_PAUSED && connection->pause != HTTP_PAUSE_NONE;
    if (error != HPE_OK && !paused) {
        refuse_syntax(connection, error, end);
        return end;
    }
    size_t consumed = paused ? (size_t)(llhttp_get_error_pos(parser) - at) : (size_t)(end - at);
    assert(consumed <= (size_t)(end - at));
    if (request->chunked && request->head_done && connection->pause != HTTP_PAUSE_HEAD)
        request->framing_length += (uint32_t)(consumed - (request->body_length - body_before));
    char *stop = at + consumed;
    if (!paused) {
        check_unfinished(connection, end);
        return end;
    }
    llhttp_resume(parser);
    if (connection->pause == HTTP_PAUSE_HEAD)
        head_done(connection, offset_of(request, stop), stop < end);
    else if (connection->pause == HTTP_PAUSE_CHUNK)
        chunk_line_done(connection);
    else
        message_done(connection);
    return stop;
}

/* Parses until there are no more bytes, or nothing more may be parsed now. Returns where it
 * stopped. */
static char *parse(struct http_connection *connection, char *at, char *end)
{
    while (http_connection_may_go_on(connection)) {
        if (!connection->request.started && !request_begin(connection, &at, end))
            return at;
        if (at == end)
            return at;
        at = parse_step(connection, at, end);
    }
    return at;
}

/* ---- What is kept from one read to the next ---- */

/* Bytes from the shared buffer, or from within `input` itself, become all of `input`. False: no
 * memory. */
static bool input_keep(struct http_connection *connection, char *from, size_t length)
{
    struct http_buffer *input = &connection->input;
    if (input->length > 0) {
        assert(from >= input->data && from + length <= input->data + input->length);
        if (from != input->data)
            memmove(input->data, from, length);
        input->length = (uint32_t)length;
        return true;
    }
    return http_buffer_append(&connection->server->buffers, input, from, length);
}

static void input_settle(struct http_connection *connection, char *stop, char *end)
{
    struct http_request *request = &connection->request;
    if (!http_connection_may_go_on(connection)) {
        /* Unread input would make the kernel reset the connection under the last answer. */
        connection->linger = connection->linger || stop < end;
        http_connection_drop_input(connection);
        return;
    }
    char *from = stop;
    char *keep_end = end;
    if (request->started) {
        assert(stop == end);
        from = request->base;
        if (from != NULL && request->head_done)
            keep_end = from + request->body_offset + request->body_length;
    }
    if (from == NULL || from == keep_end) {
        http_connection_drop_input(connection);
        return;
    }
    if (!input_keep(connection, from, (size_t)(keep_end - from))) {
        http_connection_refuse(connection, HTTP_REFUSAL_OVERLOADED, NULL);
        http_connection_drop_input(connection);
        return;
    }
    connection->input_parsed = request->started ? connection->input.length : 0;
    request->base = request->started ? connection->input.data : NULL;
}

void http_connection_consume(struct http_connection *connection, char *data, size_t parsed,
                             size_t total)
{
    struct http_request *request = &connection->request;
    assert(!connection->consuming && parsed <= total);
    assert(connection->state == HTTP_CONNECTION_OPEN);
    if (request->base != NULL)
        request->base = data;
    connection->consuming = true;
    connection->stalled = false;
    connection->server->arrived_ns = uv_hrtime();
    char *end = data + total;
    char *stop = parse(connection, data + parsed, end);
    while (connection->deferred != NULL && !http_defer_hold(connection, stop, end))
        stop = parse(connection, stop, end);
    connection->consuming = false;
    if (connection->deferred == NULL)
        input_settle(connection, stop, end);
}
