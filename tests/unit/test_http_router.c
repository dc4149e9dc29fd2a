/* SPDX-License-Identifier: Apache-2.0 */
/* The router: which path finds which route, with which parameters, and what a wrong method is told.
 */
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void handle(struct http_exchange *exchange, void *user)
{
    (void)exchange;
    (void)user;
}

#define ROUTE(verb, path)                                                                          \
    {                                                                                              \
        HTTP_METHOD_##verb, path, handle, 1, 0, NULL, 0                                            \
    }

static const struct route routes[] = {
    ROUTE(GET, "/"),
    ROUTE(POST, "/v1/reservations"),
    ROUTE(GET, "/v1/reservations"),
    ROUTE(GET, "/v1/reservations/{id}"),
    ROUTE(DELETE, "/v1/reservations/{id}"),
    ROUTE(POST, "/v1/reservations/{id}/extend"),
    ROUTE(GET, "/v1/skus/availability"),
    ROUTE(GET, "/v1/skus/{sku}/availability"),
    ROUTE(DELETE, "/v1/skus/{sku}"),
    ROUTE(GET, "/v1/admin/{kind}/{id}/ledger/{entry}/of/{page}"),
    ROUTE(GET, "/v1/admin/holds/{id}"),
    ROUTE(GET, "/assets/{file...}"),
    ROUTE(OPTIONS, "/own-options"),
};

static struct router *router;

static int build(void **state)
{
    (void)state;
    router = router_build(routes, sizeof routes / sizeof routes[0]);
    return router != NULL ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    router_free(router);
    return 0;
}

static void paths_find_their_routes(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        const char *pattern; /* NULL: none */
        const char *parameters;
    } cases[] = {
        {HTTP_METHOD_GET, "/", "/", ""},
        {HTTP_METHOD_HEAD, "/", "/", ""},
        {HTTP_METHOD_GET, "/v1/reservations", "/v1/reservations", ""},
        {HTTP_METHOD_GET, "/v1/reservations/", NULL, ""},
        {HTTP_METHOD_GET, "//v1/reservations", NULL, ""},
        {HTTP_METHOD_GET, "/V1/reservations", NULL, ""},
        {HTTP_METHOD_GET, "/v1/reservation", NULL, ""},
        {HTTP_METHOD_GET, "/v1/reservationsx", NULL, ""},
        {HTTP_METHOD_GET, "/v1/%72eservations", NULL, ""},
        {HTTP_METHOD_GET, "/v1", NULL, ""},
        {HTTP_METHOD_GET, "", NULL, ""},
        {HTTP_METHOD_GET, "v1/reservations", NULL, ""},
        {HTTP_METHOD_GET, "/v1/reservations/res_1", "/v1/reservations/{id}", "res_1,"},
        {HTTP_METHOD_HEAD, "/v1/reservations/res_1", "/v1/reservations/{id}", "res_1,"},
        {HTTP_METHOD_DELETE, "/v1/reservations/res_1", "/v1/reservations/{id}", "res_1,"},
        {HTTP_METHOD_POST, "/v1/reservations/a/extend", "/v1/reservations/{id}/extend", "a,"},
        {HTTP_METHOD_GET, "/v1/skus/availability", "/v1/skus/availability", ""},
        {HTTP_METHOD_GET, "/v1/skus/a%2Fb:c/availability", "/v1/skus/{sku}/availability",
         "a%2Fb:c,"},
        /* A SKU by the name of a literal: the other branch is still tried. */
        {HTTP_METHOD_GET, "/v1/skus/availability/availability", "/v1/skus/{sku}/availability",
         "availability,"},
        {HTTP_METHOD_DELETE, "/v1/skus/availability", "/v1/skus/{sku}", "availability,"},
        {HTTP_METHOD_GET, "/v1/skus//availability", NULL, ""},
        {HTTP_METHOD_GET, "/v1/admin/a/b/ledger/c/of/d",
         "/v1/admin/{kind}/{id}/ledger/{entry}/of/{page}", "a,b,c,d,"},
        {HTTP_METHOD_GET, "/v1/admin/holds/b/ledger/c/of/d",
         "/v1/admin/{kind}/{id}/ledger/{entry}/of/{page}", "holds,b,c,d,"},
        {HTTP_METHOD_GET, "/v1/admin/holds/b", "/v1/admin/holds/{id}", "b,"},
        {HTTP_METHOD_GET, "/assets/app.css", "/assets/{file...}", "app.css,"},
        {HTTP_METHOD_GET, "/assets/a/b/c", "/assets/{file...}", "a/b/c,"},
        {HTTP_METHOD_GET, "/assets/", NULL, ""},
        {HTTP_METHOD_GET, "/assets", NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route_match match;
        struct http_slice path = {cases[i].path, strlen(cases[i].path)};
        router_match(router, cases[i].method, path, &match);
        if (cases[i].pattern == NULL) {
            if (match.route != NULL || match.allowed != 0)
                fail_msg("%s is found", cases[i].path);
            continue;
        }
        if (match.route == NULL)
            fail_msg("%s is not found", cases[i].path);
        assert_string_equal(match.route->pattern, cases[i].pattern);
        assert_string_equal(route_name(match.route), cases[i].pattern);
        assert_ptr_equal(router_route(router, router_index(router, match.route)), match.route);
        char joined[128] = "";
        for (unsigned p = 0; p < match.parameters_count; p++) {
            strncat(joined, cases[i].path + match.parameters[p].offset, match.parameters[p].length);
            strcat(joined, ",");
        }
        assert_string_equal(joined, cases[i].parameters);
    }
}

static void wrong_methods_are_told_the_right_ones(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        const char *allow;
    } cases[] = {
        {HTTP_METHOD_PUT, "/", "GET, HEAD, OPTIONS"},
        {HTTP_METHOD_PUT, "/v1/reservations", "GET, HEAD, POST, OPTIONS"},
        {HTTP_METHOD_PATCH, "/v1/reservations/x", "GET, HEAD, DELETE, OPTIONS"},
        {HTTP_METHOD_HEAD, "/v1/reservations/x/extend", "POST, OPTIONS"},
        {HTTP_METHOD_OPTIONS, "/v1/reservations/x/extend", "POST, OPTIONS"},
        /* Two branches lead here; both count. */
        {HTTP_METHOD_POST, "/v1/skus/availability", "GET, HEAD, DELETE, OPTIONS"},
        {HTTP_METHOD_GET, "/own-options", "OPTIONS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route_match match;
        char allow[ROUTE_ALLOW_TEXT_MAX];
        struct http_slice path = {cases[i].path, strlen(cases[i].path)};
        router_match(router, cases[i].method, path, &match);
        assert_null(match.route);
        assert_int_equal(route_allow_text(match.allowed, allow), strlen(cases[i].allow));
        assert_string_equal(allow, cases[i].allow);
    }
}

static void an_own_options_route_is_found(void **state)
{
    (void)state;
    struct route_match match;
    router_match(router, HTTP_METHOD_OPTIONS, (struct http_slice){"/own-options", 12}, &match);
    assert_ptr_equal(match.route, &routes[12]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes),
        cmocka_unit_test(wrong_methods_are_told_the_right_ones),
        cmocka_unit_test(an_own_options_route_is_found),
    };
    return cmocka_run_group_tests(tests, build, drop);
}
