/* SPDX-License-Identifier: Apache-2.0 */
/* All routes as one table. To add one: a line here and a handler in the file that its subject
 * names.
 *
 *   method, pattern
 *   handler    void api_<handler>(struct api_call *call); also the route's name in /metrics
 *   caller     who may call it; every line must say so, or it does not compile
 *   class      what it is limited and measured as (rate_limit.h)
 *   body       what may come with it; another Content-Type is refused before the handler runs
 *   key        what becomes of an Idempotency-Key
 *
 * The checks are made in dispatch.c, in one place, before the handler runs; in this order: rate of
 * the address, caller, rate of the caller, Content-Type, Idempotency-Key. */
#ifndef STAMPEDE_API_ROUTES_H
#define STAMPEDE_API_ROUTES_H

#include "api/rate_limit.h"
#include "http/router.h"

/* There is no "default": 0 is nobody, and no name of the table's column gives it. */
enum api_caller {
    CALLER_PUBLIC = 1,     /* anyone; a session is neither asked for nor looked at */
    CALLER_SESSION,        /* 401 without a session */
    CALLER_SESSION_OR_NEW, /* without a session a guest's is made and handed out */
    CALLER_ADMIN,          /* the admin key; a shopper's session: 403 */
};

enum api_body {
    BODY_NONE,
    BODY_JSON,          /* application/json */
    BODY_JSON_OR_EMPTY, /* the same, or nothing at all */
    BODY_CSV,           /* text/csv, in pieces (http_stream_events) */
};

enum api_key {
    KEY_IGNORED,
    KEY_OPTIONAL, /* must be well-formed where it is given */
    KEY_REQUIRED,
};

#define API_ROUTES(X)                                                                              \
    X(POST, "/v1/sessions", session_create, PUBLIC, SESSIONS, JSON_OR_EMPTY, IGNORED)              \
    X(POST, "/v1/reservations", reservation_create, SESSION, RESERVE, JSON, REQUIRED)              \
    X(GET, "/v1/reservations", reservation_list, SESSION, HOLDS, NONE, IGNORED)                    \
    X(GET, "/v1/reservations/{id}", reservation_get, SESSION, HOLDS, NONE, IGNORED)                \
    X(DELETE, "/v1/reservations/{id}", reservation_release, SESSION_OR_NEW, HOLDS, NONE, OPTIONAL) \
    X(POST, "/v1/reservations/{id}/extend", reservation_extend, SESSION_OR_NEW, HOLDS,             \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(GET, "/v1/skus/availability", availability_list, PUBLIC, BROWSE, NONE, IGNORED)              \
    X(GET, "/v1/skus/{sku}/availability", availability_get, PUBLIC, BROWSE, NONE, IGNORED)         \
    X(GET, "/v1/products/{id}", product_get, PUBLIC, BROWSE, NONE, IGNORED)                        \
    X(POST, "/v1/admin/products", product_create, ADMIN, ADMIN, JSON, OPTIONAL)                    \
    X(GET, "/v1/admin/products", product_list, ADMIN, ADMIN, NONE, IGNORED)                        \
    X(GET, "/v1/admin/products/{id}", product_get_admin, ADMIN, ADMIN, NONE, IGNORED)              \
    X(POST, "/v1/admin/import", import, ADMIN, ADMIN, CSV, IGNORED)                                \
    X(GET, "/v1/admin/inventory/{sku}", inventory_get, ADMIN, ADMIN, NONE, IGNORED)                \
    X(POST, "/v1/admin/inventory/{sku}/adjust", inventory_adjust, ADMIN, ADMIN, JSON, OPTIONAL)    \
    X(GET, "/v1/admin/inventory/{sku}/ledger", ledger_list, ADMIN, ADMIN, NONE, IGNORED)           \
    X(GET, "/v1/admin/reservations", admin_reservation_list, ADMIN, ADMIN, NONE, IGNORED)          \
    X(DELETE, "/v1/admin/reservations/{id}", admin_reservation_release, ADMIN, ADMIN, NONE,        \
      OPTIONAL)                                                                                    \
    X(POST, "/v1/admin/reservations/{id}/convert", admin_reservation_convert, ADMIN, ADMIN,        \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(GET, "/v1/admin/audit", audit_list, ADMIN, ADMIN, NONE, IGNORED)                             \
    X(GET, "/healthz", health, PUBLIC, OPERATIONS, NONE, IGNORED)                                  \
    X(GET, "/readyz", readiness, PUBLIC, OPERATIONS, NONE, IGNORED)                                \
    X(GET, "/metrics", metrics, PUBLIC, OPERATIONS, NONE, IGNORED)                                 \
    X(GET, "/docs", docs, PUBLIC, OPERATIONS, NONE, IGNORED)                                       \
    X(GET, "/openapi.json", openapi, PUBLIC, OPERATIONS, NONE, IGNORED)                            \
    X(GET, "/problems/{code}", problem_page, PUBLIC, OPERATIONS, NONE, IGNORED)

struct api_call;
typedef void (*api_handler)(struct api_call *call);

#define X(method, pattern, handler, caller, class, body, key)                                      \
    void api_##handler(struct api_call *call);
API_ROUTES(X)
#undef X

/* Index of a route in the table. */
enum api_route_index {
#define X(method, pattern, handler, caller, class, body, key) ROUTE_##handler,
    API_ROUTES(X)
#undef X
        ROUTE_COUNT
};

struct api_route {
    api_handler handler;
    enum api_caller caller;
    enum route_class class;
    enum api_body body;
    enum api_key key;
};

extern const struct api_route api_routes[ROUTE_COUNT];

/* The same table as the router takes it; every route's handler is `dispatch`. */
void api_routes_fill(struct route routes_out[ROUTE_COUNT], http_handler dispatch);

#endif
