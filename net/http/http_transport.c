/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between a socket and HTTP. Connections of a plain server without a proxy in front
 * never come here.
 *
 *   PROXY      one header, kept in `input` until it is whole; the client's address comes from it
 *   HANDSHAKE  TLS is agreed upon; only TLS writes
 *   REQUESTS   each read is opened as a whole and handed to the parser in one piece
 *
 * The first two share one time: header_timeout_ms from the connection's beginning. What is read
 * goes to the server's one raw buffer, behind room for what an unfinished PROXY header has kept.
 */
#include "http/http_internal.h"
#include "http/http_proxies.h"
#include "http/http_proxy_protocol.h"
#include "http/http_tls.h"

#include <stdlib.h>

enum { RECORD_TYPE_HANDSHAKE = 22 }; /* RFC 8446, section 5.1: what a TLS client's first byte is */

/* To a client that speaks HTTP where TLS is spoken: a browser shows it. */
static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                                   "Content-Type: text/plain\r\nContent-Length: 36\r\n\r\n"
                                   "This port speaks TLS: use https://.\n";

bool http_transport_prepare(struct http_server *server)
{
    const struct http_options *options = &server->options;
    if (options->tls == NULL && !options->proxy_protocol)
        return true;
    server->raw_buffer = malloc(HTTP_PROXY_HEADER_MAX + HTTP_READ_MAX);
    if (options->tls != NULL && options->hsts_max_age_s > 0) {
        char *line = stpcpy(server->hsts_line, "Strict-Transport-Security: max-age=");
        line += http_text_decimal(line, options->hsts_max_age_s);
        line = stpcpy(line, "\r\n");
        server->hsts_line_length = (size_t)(line - server->hsts_line);
    }
    return server->raw_buffer != NULL;
}

void http_transport_free(struct http_server *server)
{
    http_tls_link_free_context(server);
    free(server->raw_buffer);
}

bool http_transport_open(struct http_connection *connection)
{
    const struct http_options *options = &connection->server->options;
    if (options->proxy_protocol) {
        connection->phase = HTTP_PHASE_PROXY;
        return true;
    }
    connection->phase = options->tls != NULL ? HTTP_PHASE_HANDSHAKE : HTTP_PHASE_REQUESTS;
    return options->tls == NULL || http_tls_link_open(connection);
}

/* ---- What can go wrong before a request ---- */

static void count_failure(struct http_connection *connection)
{
    struct http_counters *counters = &connection->server->counters;
    bool is_proxy = connection->phase == HTTP_PHASE_PROXY;
    http_count(is_proxy ? &counters->proxy_refusals : &counters->tls_failures, 1);
}

static void transport_refuse(struct http_connection *connection)
{
    count_failure(connection);
    http_connection_close(connection, connection->phase == HTTP_PHASE_PROXY ? HTTP_CLOSE_PROXY
                                                                            : HTTP_CLOSE_HANDSHAKE);
}

void http_transport_expire(struct http_connection *connection)
{
    assert(connection->phase != HTTP_PHASE_REQUESTS);
    transport_refuse(connection);
}

/* What TLS has to say of it (an alert) still leaves; the client may read it in peace. */
static void shake_failed(struct http_connection *connection)
{
    count_failure(connection);
    connection->final = true;
    connection->linger = true;
    connection->close_reason = HTTP_CLOSE_HANDSHAKE;
    http_connection_flush(connection);
}

/* ---- The PROXY header ---- */

/* The connection is the client's from here on; the proxy was not counted by its address. */
static bool take_client(struct http_connection *connection, const struct http_peer *client)
{
    struct http_server *server = connection->server;
    unsigned per_ip_max = server->options.connections_per_ip_max;
    connection->peer = *client;
    if (per_ip_max == 0)
        return true;
    connection->counted = http_peers_add(&server->peers, client, per_ip_max);
    return connection->counted;
}

/* False: the connection waits for more, or is closed. */
static bool take_proxy_header(struct http_connection *connection, char **bytes, size_t *length)
{
    struct http_server *server = connection->server;
    struct http_buffer *kept = &connection->input;
    struct http_proxy_header header;
    if (kept->length > 0) {
        *bytes -= kept->length;
        *length += kept->length;
        memcpy(*bytes, kept->data, kept->length);
        http_buffer_release(&server->buffers, kept);
    }
    enum http_proxy_verdict verdict = http_proxy_header_parse(*bytes, *length, &header);
    if (verdict == HTTP_PROXY_MORE) {
        assert(*length < HTTP_PROXY_HEADER_MAX);
        if (http_buffer_append(&server->buffers, kept, *bytes, *length))
            http_connection_update(connection);
        else
            http_connection_close(connection, HTTP_CLOSE_MEMORY);
        return false;
    }
    if (verdict == HTTP_PROXY_MALFORMED ||
        (header.has_client && !take_client(connection, &header.client))) {
        transport_refuse(connection);
        return false;
    }
    *bytes += header.length;
    *length -= header.length;
    connection->phase = HTTP_PHASE_REQUESTS;
    if (server->options.tls == NULL)
        return true;
    connection->phase = HTTP_PHASE_HANDSHAKE;
    if (http_tls_link_open(connection))
        return true;
    http_connection_close(connection, HTTP_CLOSE_MEMORY);
    return false;
}

/* From here on the connection is read as any plain one; what came with the header is its first. */
static void become_plain(struct http_connection *connection, const char *bytes, size_t length)
{
    (void)uv_read_stop((uv_stream_t *)&connection->tcp);
    connection->reading = false;
    connection->idle_since_ms = uv_now(connection->server->loop);
    http_connection_update(connection);
    if (length == 0 || connection->doomed)
        return;
    memcpy(connection->server->read_buffer, bytes, length);
    http_connection_received(connection, length);
}

/* ---- TLS ---- */

/* False: it waits for more, or has failed. */
static bool shake(struct http_connection *connection)
{
    struct http_tls_link *link = &connection->tls;
    if (!link->begun && link->incoming[0] != RECORD_TYPE_HANDSHAKE) {
        (void)http_buffer_append(&connection->server->buffers, &link->sealed, plain_answer,
                                 sizeof plain_answer - 1);
        shake_failed(connection);
        return false;
    }
    link->begun = true;
    enum http_tls_result result = http_tls_link_shake(connection);
    if (result == HTTP_TLS_DONE) {
        connection->phase = HTTP_PHASE_REQUESTS;
        connection->idle_since_ms = uv_now(connection->server->loop);
        return true;
    }
    if (result == HTTP_TLS_WAITS)
        http_connection_flush(connection);
    else
        shake_failed(connection);
    return false;
}

static bool is_open(const struct http_connection *connection)
{
    return connection->state == HTTP_CONNECTION_OPEN && !connection->doomed;
}

/* Opens all that `incoming` has, and hands it on. */
static void open_records(struct http_connection *connection)
{
    enum http_tls_result result = HTTP_TLS_DONE;
    bool was_received = false;
    while (result == HTTP_TLS_DONE && is_open(connection) && !http_connection_is_deaf(connection)) {
        size_t length;
        uv_buf_t room;
        http_connection_room(connection, &room);
        if (room.base == NULL) {
            http_connection_read_failed(connection, UV_ENOBUFS);
            /* What was read is lost here, unlike without TLS: nothing can follow it. */
            if (is_open(connection) && !http_connection_is_deaf(connection))
                http_connection_close(connection, HTTP_CLOSE_MEMORY);
            return;
        }
        result = http_tls_link_read(connection, room.base, room.len, &length);
        if (length > 0)
            http_connection_received(connection, length);
        was_received = was_received || length > 0;
    }
    if (!is_open(connection))
        return;
    if (result == HTTP_TLS_BROKEN)
        http_connection_close(connection, HTTP_CLOSE_RESET);
    else if (!http_tls_link_settle(connection))
        http_connection_close(connection, HTTP_CLOSE_MEMORY);
    else if (result == HTTP_TLS_ENDED)
        http_connection_read_failed(connection, UV_EOF);
    else if (!was_received)
        http_connection_flush(connection);
}

/* ---- Reading ---- */

void http_transport_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct http_connection *connection = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(connection->server->raw_buffer + HTTP_PROXY_HEADER_MAX, HTTP_READ_MAX);
}

static void transport_ended(struct http_connection *connection, ssize_t error)
{
    bool has_begun = connection->tls.begun || connection->input.length > 0;
    if (connection->phase != HTTP_PHASE_REQUESTS && !http_connection_is_deaf(connection)) {
        /* One that comes and goes without a word is a health check. */
        if (has_begun)
            count_failure(connection);
        http_connection_close(connection, error == UV_EOF ? HTTP_CLOSE_CLIENT : HTTP_CLOSE_RESET);
        return;
    }
    http_connection_read_failed(connection, error);
}

void http_transport_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct http_connection *connection = ((uv_handle_t *)stream)->data;
    struct http_server *server = connection->server;
    (void)buffer;
    if (count == 0)
        return;
    if (count < 0) {
        transport_ended(connection, count);
        return;
    }
    char *bytes = server->raw_buffer + HTTP_PROXY_HEADER_MAX;
    size_t length = (size_t)count;
    http_count(&server->counters.bytes_received, length);
    if (http_connection_is_deaf(connection)) {
        http_connection_discard(connection, length);
        return;
    }
    if (connection->phase == HTTP_PHASE_PROXY && !take_proxy_header(connection, &bytes, &length))
        return;
    if (connection->tls.ssl == NULL) {
        become_plain(connection, bytes, length);
        return;
    }
    connection->tls.incoming = bytes;
    connection->tls.incoming_length = length;
    if (length == 0)
        http_connection_update(connection);
    else if (connection->phase == HTTP_PHASE_REQUESTS || shake(connection))
        open_records(connection);
}

/* ---- The end ---- */

void http_transport_farewell(struct http_connection *connection)
{
    struct http_tls_link *link = &connection->tls;
    if (link->ssl == NULL || connection->phase != HTTP_PHASE_REQUESTS || connection->write_busy ||
        connection->doomed || connection->first != NULL || connection->out.length > 0)
        return;
    http_tls_link_end(connection);
    if (link->sealed.length == 0)
        return;
    uv_buf_t bytes = uv_buf_init(link->sealed.data, link->sealed.length);
    (void)uv_try_write((uv_stream_t *)&connection->tcp, &bytes, 1);
    http_buffer_release(&connection->server->buffers, &link->sealed);
}

void http_transport_close(struct http_connection *connection)
{
    if (connection->tls.ssl != NULL)
        http_tls_link_close(connection);
}
