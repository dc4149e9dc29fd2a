/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges: their pool, their cookies, and what a handler may ask of a request. */
#include "http/http_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- The pool ---- */

static size_t exchanges_count(const struct http_server *server)
{
    return (size_t)server->options.exchanges_max + server->options.streams_max + 1;
}

static void exchange_init(struct http_server *server, uint32_t index)
{
    struct http_exchange *exchange = &server->exchanges[index];
    exchange->server = server;
    exchange->index = index;
    exchange->generation = 1;
}

bool http_exchanges_init(struct http_server *server)
{
    size_t count = exchanges_count(server);
    size_t align = _Alignof(max_align_t);
    server->scratch_stride = (server->options.scratch_size + align - 1) / align * align;
    server->exchanges = calloc(count, sizeof *server->exchanges);
    server->scratch = server->scratch_stride > 0 ? calloc(count, server->scratch_stride) : NULL;
    if (server->exchanges == NULL || (server->scratch_stride > 0 && server->scratch == NULL))
        return false;
    server->spare = &server->exchanges[count - 1];
    exchange_init(server, (uint32_t)count - 1);
    server->spare->is_spare = true;
    return true;
}

void http_exchanges_free(struct http_server *server)
{
    free(server->exchanges);
    free(server->scratch);
    server->exchanges = NULL;
    server->scratch = NULL;
}

static bool request_id_is_valid(struct http_slice id)
{
    if (id.length < 1 || id.length > HTTP_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        char c = id.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!good)
            return false;
    }
    return true;
}

static void exchange_identify(struct http_exchange *exchange, const struct http_request *request)
{
    struct http_server *server = exchange->server;
    struct http_slice id = http_request_header(request, HTTP_HEADER_X_REQUEST_ID);
    if (id.data == NULL || !request_id_is_valid(id)) {
        http_text_serial_next(server->serial);
        id = (struct http_slice){server->serial, HTTP_SERIAL_LENGTH};
    }
    memcpy(exchange->request_id, id.data, id.length);
    exchange->request_id_length = (uint8_t)id.length;
}

static int exchange_cors(const struct http_server *server, const struct http_request *request)
{
    size_t count = server->options.cors_origins_count;
    if (count == 0)
        return -1;
    struct http_slice origin = http_request_header(request, HTTP_HEADER_ORIGIN);
    if (origin.data == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const char *allowed = server->options.cors_origins[i];
        if (strcmp(allowed, "*") == 0)
            return (int)i;
        if (strlen(allowed) == origin.length && memcmp(allowed, origin.data, origin.length) == 0)
            return (int)i;
    }
    return -1;
}

/* One of the pool; NULL: as many as there may be are in flight. */
static struct http_exchange *exchange_take(struct http_server *server)
{
    if (!http_exchanges_are_left(server))
        return NULL;
    struct http_exchange *exchange = server->exchanges_free;
    if (exchange != NULL) {
        server->exchanges_free = exchange->next;
    } else {
        assert(server->exchanges_used < exchanges_count(server) - 1);
        exchange = &server->exchanges[server->exchanges_used];
        exchange_init(server, server->exchanges_used++);
    }
    server->exchanges_busy++;
    return exchange;
}

struct http_exchange *http_exchange_open(struct http_connection *connection, bool use_spare)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = use_spare ? server->spare : exchange_take(server);
    if (exchange == NULL)
        return NULL;
    assert(exchange->state == HTTP_EXCHANGE_FREE);

    const struct http_request *request = &connection->request;
    exchange->connection = connection;
    exchange->next = NULL;
    exchange->route = NULL;
    exchange->events = NULL;
    exchange->arrived_ns = server->arrived_ns;
    exchange->state = HTTP_EXCHANGE_OPEN;
    exchange->method = request->method;
    exchange->status = 0;
    exchange->cors_origin = exchange_cors(server, request);
    exchange->readable = false;
    exchange->is_resumed = false;
    exchange->is_behind_proxy = false;
    exchange->cache = HTTP_CACHE_UNSAID;
    exchange->is_secure = connection->tls.ssl != NULL;
    exchange->peer = connection->peer;
    exchange->version_1_0 =
        connection->parser.http_major == 1 && connection->parser.http_minor == 0;
    exchange->keep_alive = request->keep_alive;
    exchange->request_complete = true;
    exchange->chunked = false;
    exchange->blocked = false;
    exchange->is_endless = false;
    exchange->extra_length = 0;
    exchange_identify(exchange, request);
    http_forwarded_apply(exchange, request);

    if (connection->last != NULL)
        connection->last->next = exchange;
    else
        connection->first = exchange;
    connection->last = exchange;
    connection->outstanding++;
    http_gauge(&server->counters.exchanges_open,
               atomic_load_explicit(&server->counters.exchanges_open, memory_order_relaxed) + 1);
    return exchange;
}

void http_exchange_release(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    struct http_connection *connection = exchange->connection;
    assert(connection->first == exchange && connection->outstanding > 0);
    connection->first = exchange->next;
    if (connection->first == NULL)
        connection->last = NULL;
    connection->outstanding--;
    connection->idle_since_ms = uv_now(server->loop);
    if (connection->receiver == exchange)
        connection->receiver = NULL;
    if (connection->deferred == exchange)
        connection->deferred = NULL;
    http_buffer_release(&server->buffers, &exchange->answer);
    exchange->state = HTTP_EXCHANGE_FREE;
    exchange->connection = NULL;
    exchange->generation = exchange->generation == UINT32_MAX ? 1 : exchange->generation + 1;
    if (!exchange->is_spare) {
        exchange->next = server->exchanges_free;
        server->exchanges_free = exchange;
        server->exchanges_busy--;
    }
    if (exchange->is_endless)
        server->streams_open--;
    http_gauge(&server->counters.exchanges_open,
               atomic_load_explicit(&server->counters.exchanges_open, memory_order_relaxed) - 1);
}

void http_exchange_abandon(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (exchange->state != HTTP_EXCHANGE_DONE) {
        http_count(&server->counters.requests, 1);
        http_count(&server->counters.responses[0], 1);
        if (exchange->events != NULL && exchange->events->on_gone != NULL)
            exchange->events->on_gone(exchange, server->user);
        if (server->options.on_complete != NULL)
            server->options.on_complete(exchange, HTTP_STATUS_CLIENT_GONE,
                                        uv_hrtime() - exchange->arrived_ns, server->user);
    }
    http_exchange_release(exchange);
}

uint64_t http_exchange_cookie(const struct http_exchange *exchange)
{
    assert(exchange->state != HTTP_EXCHANGE_FREE);
    return (uint64_t)exchange->generation << 32 | exchange->index;
}

struct http_exchange *http_exchange_from_cookie(struct http_server *server, uint64_t cookie)
{
    uint32_t index = (uint32_t)cookie;
    if (index >= exchanges_count(server))
        return NULL;
    struct http_exchange *exchange = &server->exchanges[index];
    if (exchange->generation != (uint32_t)(cookie >> 32))
        return NULL;
    return exchange->state == HTTP_EXCHANGE_FREE || exchange->state == HTTP_EXCHANGE_DONE
               ? NULL
               : exchange;
}

/* ---- Accessors ---- */

enum http_method http_exchange_method(const struct http_exchange *exchange)
{
    return exchange->method;
}

const struct route *http_exchange_route(const struct http_exchange *exchange)
{
    return exchange->route;
}

void *http_exchange_user(const struct http_exchange *exchange)
{
    return exchange->server->user;
}

struct http_server *http_exchange_server(const struct http_exchange *exchange)
{
    return exchange->server;
}

struct http_slice http_exchange_request_id(const struct http_exchange *exchange)
{
    return (struct http_slice){exchange->request_id, exchange->request_id_length};
}

void http_exchange_rename(struct http_exchange *exchange)
{
    http_text_serial_next(exchange->server->serial);
    memcpy(exchange->request_id, exchange->server->serial, HTTP_SERIAL_LENGTH);
    exchange->request_id_length = HTTP_SERIAL_LENGTH;
}

uint64_t http_exchange_arrived_ns(const struct http_exchange *exchange)
{
    return exchange->arrived_ns;
}

void *http_exchange_scratch(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (server->scratch_stride == 0)
        return NULL;
    return server->scratch + (size_t)exchange->index * server->scratch_stride;
}

const struct http_peer *http_exchange_peer(const struct http_exchange *exchange)
{
    assert(exchange->connection != NULL);
    return &exchange->peer;
}

size_t http_peer_text(const struct http_peer *peer, char text_out[HTTP_PEER_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    int error = memcmp(peer->address, mapped, sizeof mapped) == 0
                    ? uv_inet_ntop(AF_INET, peer->address + 12, text_out, HTTP_PEER_TEXT_MAX)
                    : uv_inet_ntop(AF_INET6, peer->address, text_out, HTTP_PEER_TEXT_MAX);
    assert(error == 0);
    return strlen(text_out);
}

/* The request's bytes, if they are there to be read. */
static const struct http_request *exchange_request(const struct http_exchange *exchange)
{
    assert(exchange->readable && "the request is gone: copy what is needed within the handler");
    return &exchange->connection->request;
}

struct http_slice http_request_path(const struct http_request *request)
{
    if (request->path_is_root)
        return (struct http_slice){"/", 1};
    if (request->base == NULL || request->path_length == 0)
        return (struct http_slice){0};
    return (struct http_slice){request->base + request->path_offset, request->path_length};
}

struct http_slice http_exchange_path(const struct http_exchange *exchange)
{
    return http_request_path(exchange_request(exchange));
}

struct http_slice http_exchange_query(const struct http_exchange *exchange)
{
    const struct http_request *request = exchange_request(exchange);
    if (request->base == NULL || !request->has_query)
        return (struct http_slice){0};
    return (struct http_slice){request->base + request->query_offset, request->query_length};
}

int http_path_parameter(const struct http_exchange *exchange, unsigned index, char *target,
                        size_t capacity)
{
    const struct http_request *request = exchange_request(exchange);
    if (index >= request->match.parameters_count)
        return HTTP_ABSENT;
    struct http_slice raw = {
        http_request_path(request).data + request->match.parameters[index].offset,
        request->match.parameters[index].length,
    };
    int length = http_percent_decode(raw, false, target, capacity);
    assert(length != HTTP_MALFORMED);
    return length;
}

/* Whether an encoded name is `name`; a name that does not decode is not. */
static bool query_name_is(struct http_slice raw, const char *name, size_t name_length)
{
    if (memchr(raw.data, '%', raw.length) == NULL && memchr(raw.data, '+', raw.length) == NULL)
        return raw.length == name_length && memcmp(raw.data, name, name_length) == 0;
    char decoded[64];
    int length = http_percent_decode(raw, true, decoded, sizeof decoded);
    return length >= 0 && (size_t)length == name_length && memcmp(decoded, name, name_length) == 0;
}

int http_query_parameter(const struct http_exchange *exchange, const char *name, unsigned nth,
                         char *target, size_t capacity)
{
    struct http_slice rest = http_exchange_query(exchange);
    struct http_slice raw_name;
    struct http_slice raw_value;
    size_t name_length = strlen(name);
    while (http_query_next(&rest, &raw_name, &raw_value)) {
        if (!query_name_is(raw_name, name, name_length))
            continue;
        if (nth-- == 0)
            return http_percent_decode(raw_value, true, target, capacity);
    }
    return HTTP_ABSENT;
}

static struct http_slice field_value(const struct http_request *request, unsigned position)
{
    const struct http_header_field *field = &request->headers[position];
    return (struct http_slice){request->base + field->value_offset, field->value_length};
}

struct http_slice http_request_header(const struct http_request *request, enum http_header header)
{
    assert(header < HTTP_HEADER_COUNT);
    if (request->base == NULL || request->known[header] == 0)
        return (struct http_slice){0};
    return field_value(request, request->known[header] - 1U);
}

struct http_slice http_exchange_header(const struct http_exchange *exchange,
                                       enum http_header header)
{
    return http_request_header(exchange_request(exchange), header);
}

struct http_slice http_exchange_header_find(const struct http_exchange *exchange, const char *name)
{
    const struct http_request *request = exchange_request(exchange);
    struct http_slice wanted = {name, strlen(name)};
    if (request->base == NULL)
        return (struct http_slice){0};
    for (unsigned i = 0; i < request->headers_count; i++) {
        const struct http_header_field *field = &request->headers[i];
        struct http_slice found = {request->base + field->name_offset, field->name_length};
        if (http_slice_equal_nocase(found, wanted))
            return field_value(request, i);
    }
    return (struct http_slice){0};
}

struct http_slice http_exchange_body(const struct http_exchange *exchange)
{
    const struct http_request *request = exchange_request(exchange);
    if (request->base == NULL || !exchange->request_complete)
        return (struct http_slice){0};
    return (struct http_slice){request->base + request->body_offset, request->body_length};
}
