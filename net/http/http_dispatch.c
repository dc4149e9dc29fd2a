/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to its handler, or to its refusal; OPTIONS and CORS (Fetch standard, section 3.2).
 */
#include "http/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Refusals ---- */

struct refusal {
    int status;
    const char *code;
};

static const struct refusal refusals[HTTP_REFUSAL_COUNT] = {
#define X(name, status, code) [HTTP_REFUSAL_##name] = {status, code},
    HTTP_REFUSAL_TABLE(X)
#undef X
};

enum { RETRY_AFTER_MAX_S = 3, PROBLEM_MAX = 512 };

static bool is_open(struct http_server *server, uint64_t cookie)
{
    return http_exchange_from_cookie(server, cookie) != NULL;
}

/* What is sent where the caller renders nothing: all parts are words of ours, so nothing needs
 * escaping. */
static void respond_minimal(struct http_exchange *exchange, int status, const char *code)
{
    char body[PROBLEM_MAX];
    int length = snprintf(body, sizeof body,
                          "{\"type\":\"about:blank\",\"status\":%d,\"code\":\"%s\"}", status, code);
    assert(length > 0 && (size_t)length < sizeof body);
    http_respond(exchange, status, "application/problem+json", body, (size_t)length);
}

void http_refuse(struct http_exchange *exchange, int status, const char *code, const char *detail)
{
    struct http_server *server = exchange->server;
    if (server->options.render_problem == NULL) {
        respond_minimal(exchange, status, code);
        return;
    }
    uint64_t cookie = http_exchange_cookie(exchange);
    server->options.render_problem(exchange, status, code, detail, server->user);
    assert(!is_open(server, cookie) && "render_problem answers within its call");
}

void http_exchange_refuse(struct http_exchange *exchange, enum http_refusal refusal,
                          const char *detail)
{
    struct http_server *server = exchange->server;
    assert(refusal > HTTP_REFUSAL_NONE && refusal < HTTP_REFUSAL_COUNT);
    http_count(&server->counters.refusals[refusal], 1);
    if (refusal == HTTP_REFUSAL_OVERLOADED) {
        /* Spread, so that those who are refused together do not come back together. */
        char seconds[2] = {(char)('1' + http_random_below(server, RETRY_AFTER_MAX_S)), '\0'};
        (void)http_header_add(exchange, "Retry-After", seconds);
    }
    /* What is not there is absent to the accessors: the renderer may ask. */
    exchange->readable = true;
    http_refuse(exchange, refusals[refusal].status, refusals[refusal].code, detail);
}

int http_connection_refuse(struct http_connection *connection, enum http_refusal refusal,
                           const char *detail)
{
    if (connection->refusal == HTTP_REFUSAL_NONE) {
        connection->refusal = refusal;
        connection->refusal_detail = detail;
        connection->close_reason = refusal == HTTP_REFUSAL_REQUEST_TIMEOUT
                                       ? HTTP_CLOSE_REQUEST_TIMEOUT
                                       : HTTP_CLOSE_REFUSED;
        connection->final = true;
        connection->linger = true;
    }
    return -1;
}

void http_dispatch_refusal(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    enum http_refusal refusal = connection->refusal;
    assert(refusal != HTTP_REFUSAL_NONE);
    struct http_exchange *exchange = connection->receiver;
    if (exchange != NULL) {
        /* Its body will not be complete: the handler lets go, and the refusal is its answer. */
        connection->receiver = NULL;
        const struct http_stream_events *events = exchange->events;
        if (events != NULL && events->on_gone != NULL)
            events->on_gone(exchange, server->user);
        exchange->events = NULL;
        if (exchange->state != HTTP_EXCHANGE_OPEN) {
            http_connection_doom(connection, HTTP_CLOSE_REFUSED);
            return;
        }
    } else if (connection->first == NULL) {
        exchange = http_exchange_open(connection, true);
        exchange->keep_alive = false;
        exchange->request_complete = !connection->request.started;
    } else {
        return;
    }
    connection->refusal = HTTP_REFUSAL_NONE;
    http_exchange_refuse(exchange, refusal, connection->refusal_detail);
}

/* ---- CORS ---- */

#define EXPOSED                                                                                    \
    "Idempotent-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, "                \
    "X-Session-Token, X-CSRF-Token, ETag, Location"
#define ACCEPTED                                                                                   \
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "                      \
    "Last-Event-ID, X-Queue-Ticket, X-CSRF-Token, X-Request-Id"

/* Once per origin, at the start: lines are then copied into answers as they are. */
bool http_cors_prepare(struct http_server *server)
{
    const struct http_options *options = &server->options;
    for (size_t i = 0; i < options->cors_origins_count; i++) {
        const char *origin = options->cors_origins[i];
        bool any = strcmp(origin, "*") == 0;
        int length = asprintf(&server->cors[i].lines,
                              "Access-Control-Allow-Origin: %s\r\n"
                              "%s"
                              "Access-Control-Expose-Headers: " EXPOSED "\r\n",
                              origin,
                              any ? ""
                                  : "Vary: Origin\r\n"
                                    "Access-Control-Allow-Credentials: true\r\n");
        if (length < 0) {
            server->cors[i].lines = NULL;
            return false;
        }
        assert(length <= HTTP_CORS_LINES_MAX && "an origin is not that long");
        server->cors[i].lines_length = (uint16_t)length;
    }
    return true;
}

void http_cors_free(struct http_server *server)
{
    for (size_t i = 0; i < HTTP_CORS_ORIGINS_MAX; i++) {
        free(server->cors[i].lines);
        server->cors[i].lines = NULL;
    }
}

static void respond_options(struct http_exchange *exchange, unsigned allowed)
{
    const struct http_request *request = &exchange->connection->request;
    char methods[ROUTE_ALLOW_TEXT_MAX];
    (void)route_allow_text(allowed, methods);
    bool fits = http_header_add(exchange, "Allow", methods);
    if (exchange->cors_origin >= 0 &&
        request->known[HTTP_HEADER_ACCESS_CONTROL_REQUEST_METHOD] != 0) {
        fits = fits && http_header_add(exchange, "Access-Control-Allow-Methods", methods) &&
               http_header_add(exchange, "Access-Control-Allow-Headers", ACCEPTED) &&
               http_header_add(exchange, "Access-Control-Max-Age", "600");
    }
    assert(fits);
    http_respond(exchange, 204, NULL, NULL, 0);
}

/* ---- Dispatch ---- */

static void call_handler(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    if (server->options.dispatch != NULL)
        server->options.dispatch(exchange, exchange->route, server->user);
    else
        exchange->route->handler(exchange, server->user);
}

void http_exchange_handle(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    uint64_t cookie = http_exchange_cookie(exchange);
    exchange->readable = true;
    call_handler(exchange);
    if (!is_open(server, cookie))
        return;
    exchange->readable = false;
    if (exchange->connection->deferred == exchange)
        return;
    if (exchange->request_complete && (exchange->route->flags & ROUTE_STREAM_BODY) != 0 &&
        exchange->events != NULL && exchange->events->on_body != NULL)
        exchange->events->on_body(exchange, NULL, 0, true, server->user);
}

static void dispatch_unrouted(struct http_exchange *exchange, const struct http_request *request)
{
    unsigned allowed = request->asterisk ? HTTP_ALLOW_ALL : request->match.allowed;
    if (allowed == 0) {
        http_exchange_refuse(exchange, HTTP_REFUSAL_NOT_FOUND, NULL);
    } else if (request->method == HTTP_METHOD_OPTIONS) {
        respond_options(exchange, allowed);
    } else {
        char methods[ROUTE_ALLOW_TEXT_MAX];
        (void)route_allow_text(allowed, methods);
        (void)http_header_add(exchange, "Allow", methods);
        http_exchange_refuse(exchange, HTTP_REFUSAL_METHOD_NOT_ALLOWED, NULL);
    }
}

static struct http_exchange *open_or_refuse(struct http_connection *connection, bool complete)
{
    struct http_exchange *exchange = http_exchange_open(connection, false);
    if (exchange != NULL)
        return exchange;
    if (connection->first != NULL || !complete) {
        http_connection_refuse(connection, HTTP_REFUSAL_OVERLOADED, NULL);
        return NULL;
    }
    exchange = http_exchange_open(connection, true);
    exchange->route = connection->request.match.route;
    http_exchange_refuse(exchange, HTTP_REFUSAL_OVERLOADED, NULL);
    return NULL;
}

void http_dispatch(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    const struct http_request *request = &connection->request;
    bool complete = connection->pause == HTTP_PAUSE_MESSAGE;
    connection->requests++;
    if (server->options.requests_per_connection_max > 0 &&
        connection->requests >= server->options.requests_per_connection_max)
        connection->close_wanted = true;

    struct http_exchange *exchange = open_or_refuse(connection, complete);
    if (exchange == NULL)
        return;
    const struct route *route = request->match.route;
    exchange->route = route;
    exchange->request_complete = complete;
    if (server->options.redirection != NULL) {
        http_redirect(exchange);
        return;
    }
    if (route == NULL) {
        exchange->readable = true;
        dispatch_unrouted(exchange, request);
        return;
    }
    if (!complete)
        connection->receiver = exchange;
    http_exchange_handle(exchange);
}
