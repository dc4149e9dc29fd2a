/* SPDX-License-Identifier: Apache-2.0 */
/* All routes as one table. To add one: a line here and a handler in the file that its subject
 * names.
 *
 *   method, pattern
 *   handler    void api_<handler>(struct api_call *call); also the route's name in /metrics
 *   caller     who may call it (callers.c); every line must say so, or it does not compile
 *   class      what it is limited and measured as (rate_limit.h)
 *   body       what may come with it; another Content-Type is refused before the handler runs
 *   key        what becomes of an Idempotency-Key
 *
 * The checks are made in dispatch.c, in one place, before the handler runs; in this order: rate of
 * the address and of its network, card numbers, caller, rate of the caller, Content-Type,
 * Idempotency-Key, a proof where the shop demands one (challenge.h). */
#ifndef STAMPEDE_API_ROUTES_H
#define STAMPEDE_API_ROUTES_H

#include "account_state.h"
#include "api/rate_limit.h"
#include "http/router.h"

/* There is no "default": 0 is nobody, and no name of the table's column gives it. */
enum api_caller {
    CALLER_PUBLIC = 1,      /* anyone; a session is neither asked for nor looked at */
    CALLER_SESSION,         /* a guest or an account: 401 without */
    CALLER_SESSION_OR_NEW,  /* without a session a guest's is made and handed out */
    CALLER_SESSION_OR_NONE, /* anyone; a session is looked at where there is one */
    CALLER_CUSTOMER,        /* whoever has logged in, staff too: 401 for guests */
    CALLER_STAFF,           /* the admin key, or staff of one of the roles: 403 for others */
};

/* Sets of roles, for STAFF(…) in the table's column. The admin key counts as an owner. */
enum {
    ROLES_NONE = 0,
    ROLES_OWNER = 1 << ROLE_OWNER,
    ROLES_CATALOGUE = ROLES_OWNER | 1 << ROLE_CATALOGUE,
    ROLES_ORDERS = ROLES_OWNER | 1 << ROLE_ORDERS,
    ROLES_SUPPORT = ROLES_OWNER | 1 << ROLE_SUPPORT,
    ROLES_HOLDS = ROLES_ORDERS | ROLES_SUPPORT,
    ROLES_AUDIT = ROLES_OWNER | 1 << ROLE_READ_ONLY,
    ROLES_ANY = ROLES_CATALOGUE | ROLES_HOLDS | 1 << ROLE_READ_ONLY,
};

struct api_access {
    enum api_caller caller;
    unsigned roles; /* of CALLER_STAFF: bits 1 << enum account_role */
};

/* The table's column as an initialiser's two values. */
#define ACCESS_PUBLIC          CALLER_PUBLIC, ROLES_NONE
#define ACCESS_SESSION         CALLER_SESSION, ROLES_NONE
#define ACCESS_SESSION_OR_NEW  CALLER_SESSION_OR_NEW, ROLES_NONE
#define ACCESS_SESSION_OR_NONE CALLER_SESSION_OR_NONE, ROLES_NONE
#define ACCESS_CUSTOMER        CALLER_CUSTOMER, ROLES_NONE
#define ACCESS_STAFF(set)      CALLER_STAFF, ROLES_##set

enum api_body {
    BODY_NONE,
    BODY_JSON,          /* application/json */
    BODY_JSON_OR_EMPTY, /* the same, or nothing at all */
    BODY_CSV,           /* text/csv or NDJSON, in pieces (http_stream_events) */
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
    X(POST, "/v1/checkout", checkout, SESSION, CHECKOUT, JSON, REQUIRED)                           \
    X(POST, "/checkout", checkout_plain, SESSION, CHECKOUT, JSON, REQUIRED)                        \
    X(POST, "/v1/payments/confirm", payment_confirm, SESSION, CHECKOUT, JSON, OPTIONAL)            \
    X(POST, "/payment/confirm", payment_confirm_plain, SESSION, CHECKOUT, JSON, OPTIONAL)          \
    X(GET, "/v1/orders", order_list, SESSION, ORDERS, NONE, IGNORED)                               \
    X(GET, "/v1/orders/{id}", order_get, SESSION_OR_NONE, ORDERS, NONE, IGNORED)                   \
    X(GET, "/orders/{id}", order_get_plain, SESSION_OR_NONE, ORDERS, NONE, IGNORED)                \
    X(POST, "/v1/orders/{id}/cancel", order_cancel, SESSION, ORDERS, JSON_OR_EMPTY, OPTIONAL)      \
    X(POST, "/v1/webhooks/{provider}", webhook, PUBLIC, WEBHOOKS, JSON, IGNORED)                   \
    X(GET, "/v1/admin/orders", admin_order_list, STAFF(HOLDS), ADMIN, NONE, IGNORED)               \
    X(GET, "/v1/admin/orders/export", admin_order_export, STAFF(ORDERS), ADMIN, NONE, IGNORED)     \
    X(GET, "/v1/admin/orders/{id}", admin_order_get, STAFF(HOLDS), ADMIN, NONE, IGNORED)           \
    X(POST, "/v1/admin/orders/{id}/fulfil", admin_order_fulfil, STAFF(ORDERS), ADMIN,              \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(POST, "/v1/admin/orders/{id}/deliver", admin_order_deliver, STAFF(ORDERS), ADMIN,            \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(POST, "/v1/admin/orders/{id}/refund", admin_order_refund, STAFF(ORDERS), ADMIN, JSON,        \
      REQUIRED)                                                                                    \
    X(POST, "/v1/admin/orders/{id}/cancel", admin_order_cancel, STAFF(ORDERS), ADMIN,              \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(POST, "/v1/admin/orders/{id}/acknowledge", admin_order_acknowledge, STAFF(ORDERS), ADMIN,    \
      JSON, OPTIONAL)                                                                              \
    X(GET, "/v1/skus/availability", availability_list, PUBLIC, BROWSE, NONE, IGNORED)              \
    X(GET, "/v1/skus/{sku}/availability", availability_get, PUBLIC, BROWSE, NONE, IGNORED)         \
    X(GET, "/v1/products", product_browse, PUBLIC, BROWSE, NONE, IGNORED)                          \
    X(GET, "/products", product_browse_plain, PUBLIC, BROWSE, NONE, IGNORED)                       \
    X(GET, "/v1/suggest", suggest, PUBLIC, BROWSE, NONE, IGNORED)                                  \
    X(GET, "/v1/categories", category_tree, PUBLIC, BROWSE, NONE, IGNORED)                         \
    X(GET, "/v1/products/{id}", product_get, PUBLIC, BROWSE, NONE, IGNORED)                        \
    X(POST, "/v1/admin/products", product_create, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)         \
    X(GET, "/v1/admin/products", product_list, STAFF(ANY), ADMIN, NONE, IGNORED)                   \
    X(GET, "/v1/admin/products/{id}", product_get_admin, STAFF(ANY), ADMIN, NONE, IGNORED)         \
    X(PUT, "/v1/admin/products/{id}", product_replace, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)    \
    X(PATCH, "/v1/admin/products/{id}", product_change, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)   \
    X(DELETE, "/v1/admin/products/{id}", product_archive, STAFF(CATALOGUE), ADMIN, NONE, OPTIONAL) \
    X(GET, "/v1/admin/products/{id}/changes", product_changes, STAFF(CATALOGUE), ADMIN, NONE,      \
      IGNORED)                                                                                     \
    X(POST, "/v1/admin/import", import, STAFF(CATALOGUE), ADMIN, CSV, IGNORED)                     \
    X(GET, "/v1/admin/export", catalogue_export, STAFF(CATALOGUE), ADMIN, NONE, IGNORED)           \
    X(GET, "/v1/admin/search", search_state, STAFF(ANY), ADMIN, NONE, IGNORED)                     \
    X(POST, "/v1/admin/search/rebuild", search_rebuild, STAFF(CATALOGUE), ADMIN, NONE, IGNORED)    \
    X(GET, "/v1/admin/inventory/{sku}", inventory_get, STAFF(ANY), ADMIN, NONE, IGNORED)           \
    X(POST, "/v1/admin/inventory/{sku}/adjust", inventory_adjust, STAFF(CATALOGUE), ADMIN, JSON,   \
      OPTIONAL)                                                                                    \
    X(GET, "/v1/admin/inventory/{sku}/ledger", ledger_list, STAFF(ANY), ADMIN, NONE, IGNORED)      \
    X(GET, "/v1/admin/reservations", admin_reservation_list, STAFF(HOLDS), ADMIN, NONE, IGNORED)   \
    X(DELETE, "/v1/admin/reservations/{id}", admin_reservation_release, STAFF(HOLDS), ADMIN, NONE, \
      OPTIONAL)                                                                                    \
    X(POST, "/v1/admin/reservations/{id}/convert", admin_reservation_convert, STAFF(ORDERS),       \
      ADMIN, JSON_OR_EMPTY, OPTIONAL)                                                              \
    X(POST, "/v1/auth/register", auth_register, PUBLIC, AUTH, JSON, IGNORED)                       \
    X(POST, "/v1/auth/login", auth_login, PUBLIC, AUTH, JSON, IGNORED)                             \
    X(POST, "/v1/auth/logout", auth_logout, SESSION, AUTH, JSON_OR_EMPTY, IGNORED)                 \
    X(POST, "/v1/auth/verify", auth_verify, PUBLIC, AUTH, JSON, IGNORED)                           \
    X(POST, "/v1/auth/password/forgot", auth_forgot, PUBLIC, AUTH, JSON, IGNORED)                  \
    X(POST, "/v1/auth/password/reset", auth_reset, PUBLIC, AUTH, JSON, IGNORED)                    \
    X(GET, "/v1/altcha/challenge", altcha_challenge, PUBLIC, CHALLENGE, NONE, IGNORED)             \
    X(GET, "/v1/me", me_get, CUSTOMER, ACCOUNT, NONE, IGNORED)                                     \
    X(PATCH, "/v1/me", me_change, CUSTOMER, ACCOUNT, JSON, OPTIONAL)                               \
    X(DELETE, "/v1/me", me_erase, CUSTOMER, ACCOUNT, JSON, OPTIONAL)                               \
    X(POST, "/v1/me/password", me_password, CUSTOMER, ACCOUNT, JSON, OPTIONAL)                     \
    X(POST, "/v1/me/email", me_email, CUSTOMER, ACCOUNT, JSON, OPTIONAL)                           \
    X(GET, "/v1/me/addresses", address_list, CUSTOMER, ACCOUNT, NONE, IGNORED)                     \
    X(POST, "/v1/me/addresses", address_create, CUSTOMER, ACCOUNT, JSON, OPTIONAL)                 \
    X(GET, "/v1/me/addresses/{id}", address_get, CUSTOMER, ACCOUNT, NONE, IGNORED)                 \
    X(PUT, "/v1/me/addresses/{id}", address_replace, CUSTOMER, ACCOUNT, JSON, OPTIONAL)            \
    X(DELETE, "/v1/me/addresses/{id}", address_remove, CUSTOMER, ACCOUNT, NONE, OPTIONAL)          \
    X(GET, "/v1/me/sessions", session_list, CUSTOMER, ACCOUNT, NONE, IGNORED)                      \
    X(DELETE, "/v1/me/sessions", session_close_others, CUSTOMER, ACCOUNT, NONE, OPTIONAL)          \
    X(DELETE, "/v1/me/sessions/{id}", session_close, CUSTOMER, ACCOUNT, NONE, OPTIONAL)            \
    X(GET, "/v1/me/export", me_export, CUSTOMER, ACCOUNT, NONE, IGNORED)                           \
    X(POST, "/v1/me/totp", totp_begin, CUSTOMER, ACCOUNT, JSON_OR_EMPTY, OPTIONAL)                 \
    X(POST, "/v1/me/totp/confirm", totp_confirm, CUSTOMER, ACCOUNT, JSON, OPTIONAL)                \
    X(DELETE, "/v1/me/totp", totp_remove, CUSTOMER, ACCOUNT, JSON, OPTIONAL)                       \
    X(POST, "/v1/admin/staff", staff_create, STAFF(OWNER), ADMIN, JSON, OPTIONAL)                  \
    X(GET, "/v1/admin/staff", staff_list, STAFF(OWNER), ADMIN, NONE, IGNORED)                      \
    X(GET, "/v1/admin/staff/{id}", staff_get, STAFF(OWNER), ADMIN, NONE, IGNORED)                  \
    X(PATCH, "/v1/admin/staff/{id}", staff_change, STAFF(OWNER), ADMIN, JSON, OPTIONAL)            \
    X(DELETE, "/v1/admin/staff/{id}", staff_remove, STAFF(OWNER), ADMIN, NONE, OPTIONAL)           \
    X(GET, "/v1/admin/mails", mail_list, STAFF(SUPPORT), ADMIN, NONE, IGNORED)                     \
    X(POST, "/v1/admin/mails/{id}/replay", mail_replay, STAFF(SUPPORT), ADMIN, JSON_OR_EMPTY,      \
      OPTIONAL)                                                                                    \
    X(POST, "/v1/admin/coupons", coupon_create, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)           \
    X(GET, "/v1/admin/coupons", coupon_list, STAFF(CATALOGUE), ADMIN, NONE, IGNORED)               \
    X(GET, "/v1/admin/coupons/{code}", coupon_get, STAFF(CATALOGUE), ADMIN, NONE, IGNORED)         \
    X(PUT, "/v1/admin/coupons/{code}", coupon_replace, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)    \
    X(PATCH, "/v1/admin/coupons/{code}", coupon_change, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)   \
    X(DELETE, "/v1/admin/coupons/{code}", coupon_delete, STAFF(CATALOGUE), ADMIN, NONE, OPTIONAL)  \
    X(GET, "/v1/admin/customers", customer_find, STAFF(SUPPORT), ADMIN, NONE, IGNORED)             \
    X(GET, "/v1/admin/audit", audit_list, STAFF(AUDIT), ADMIN, NONE, IGNORED)                      \
    X(GET, "/v1/shipping-methods", shipping_methods, PUBLIC, BROWSE, NONE, IGNORED)                \
    X(GET, "/v1/admin/tax-rates", tax_rate_list, STAFF(ANY), ADMIN, NONE, IGNORED)                 \
    X(POST, "/v1/admin/tax-rates", tax_rate_create, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)       \
    X(GET, "/v1/admin/tax-rates/{id}", tax_rate_get, STAFF(ANY), ADMIN, NONE, IGNORED)             \
    X(PUT, "/v1/admin/tax-rates/{id}", tax_rate_replace, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)  \
    X(PATCH, "/v1/admin/tax-rates/{id}", tax_rate_change, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL) \
    X(DELETE, "/v1/admin/tax-rates/{id}", tax_rate_remove, STAFF(CATALOGUE), ADMIN, NONE,          \
      OPTIONAL)                                                                                    \
    X(GET, "/v1/admin/shipping-methods", method_list, STAFF(ANY), ADMIN, NONE, IGNORED)            \
    X(POST, "/v1/admin/shipping-methods", method_create, STAFF(CATALOGUE), ADMIN, JSON, OPTIONAL)  \
    X(GET, "/v1/admin/shipping-methods/{id}", method_get, STAFF(ANY), ADMIN, NONE, IGNORED)        \
    X(PUT, "/v1/admin/shipping-methods/{id}", method_replace, STAFF(CATALOGUE), ADMIN, JSON,       \
      OPTIONAL)                                                                                    \
    X(PATCH, "/v1/admin/shipping-methods/{id}", method_change, STAFF(CATALOGUE), ADMIN, JSON,      \
      OPTIONAL)                                                                                    \
    X(DELETE, "/v1/admin/shipping-methods/{id}", method_remove, STAFF(CATALOGUE), ADMIN, NONE,     \
      OPTIONAL)                                                                                    \
    X(GET, "/v1/admin/webhook-endpoints", endpoint_list, STAFF(OWNER), ADMIN, NONE, IGNORED)       \
    X(POST, "/v1/admin/webhook-endpoints", endpoint_create, STAFF(OWNER), ADMIN, JSON, OPTIONAL)   \
    X(GET, "/v1/admin/webhook-endpoints/{id}", endpoint_get, STAFF(OWNER), ADMIN, NONE, IGNORED)   \
    X(PUT, "/v1/admin/webhook-endpoints/{id}", endpoint_replace, STAFF(OWNER), ADMIN, JSON,        \
      OPTIONAL)                                                                                    \
    X(PATCH, "/v1/admin/webhook-endpoints/{id}", endpoint_change, STAFF(OWNER), ADMIN, JSON,       \
      OPTIONAL)                                                                                    \
    X(DELETE, "/v1/admin/webhook-endpoints/{id}", endpoint_remove, STAFF(OWNER), ADMIN, NONE,      \
      OPTIONAL)                                                                                    \
    X(POST, "/v1/admin/webhook-endpoints/{id}/rotate-secret", endpoint_rotate, STAFF(OWNER),       \
      ADMIN, JSON_OR_EMPTY, OPTIONAL)                                                              \
    X(POST, "/v1/admin/webhook-endpoints/{id}/test", endpoint_test, STAFF(OWNER), ADMIN,           \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(GET, "/v1/admin/webhooks/inbox", webhook_inbox, STAFF(HOLDS), ADMIN, NONE, IGNORED)          \
    X(POST, "/v1/admin/webhooks/inbox/{id}/replay", inbox_replay, STAFF(ORDERS), ADMIN,            \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(GET, "/v1/admin/webhooks/deliveries", delivery_list, STAFF(HOLDS), ADMIN, NONE, IGNORED)     \
    X(POST, "/v1/admin/webhooks/deliveries/replay", delivery_replay_all, STAFF(ORDERS), ADMIN,     \
      JSON, OPTIONAL)                                                                              \
    X(POST, "/v1/admin/webhooks/deliveries/{id}/replay", delivery_replay, STAFF(ORDERS), ADMIN,    \
      JSON_OR_EMPTY, OPTIONAL)                                                                     \
    X(GET, "/v1/cart", cart_get, SESSION, CART, NONE, IGNORED)                                     \
    X(POST, "/v1/cart/items", cart_add, SESSION_OR_NEW, CART, JSON, OPTIONAL)                      \
    X(PATCH, "/v1/cart/items/{sku}", cart_set, SESSION_OR_NEW, CART, JSON, OPTIONAL)               \
    X(DELETE, "/v1/cart/items/{sku}", cart_remove, SESSION_OR_NEW, CART, NONE, OPTIONAL)           \
    X(POST, "/v1/cart/coupon", cart_coupon_set, SESSION_OR_NEW, CART, JSON, OPTIONAL)              \
    X(DELETE, "/v1/cart/coupon", cart_coupon_remove, SESSION_OR_NEW, CART, NONE, OPTIONAL)         \
    X(POST, "/cart/add", cart_add_plain, SESSION_OR_NEW, CART, JSON, OPTIONAL)                     \
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
    struct api_access access;
    enum route_class class;
    enum api_body body;
    enum api_key key;
};

extern const struct api_route api_routes[ROUTE_COUNT];

/* The same table as the router takes it; every route's handler is `dispatch`. */
void api_routes_fill(struct route routes_out[ROUTE_COUNT], http_handler dispatch);

#endif
