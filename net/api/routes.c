/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"

/* docs/openapi.yaml: the largest catalogue that one import takes; it is never held as a whole. */
#define IMPORT_BYTES_MAX (2UL * 1024 * 1024 * 1024)

const struct api_route api_routes[ROUTE_COUNT] = {
#define X(method, pattern, name, who, kind, content, idempotency)                                  \
    [ROUTE_##name] = {.handler = api_##name,                                                       \
                      .access = {ACCESS_##who},                                                    \
                      .class = CLASS_##kind,                                                       \
                      .body = BODY_##content,                                                      \
                      .key = KEY_##idempotency},
    API_ROUTES(X)
#undef X
};

/* A line of the table that leaves out who may call does not compile: the macro has seven
 * parameters, and `ACCESS_` alone names nothing. */

static unsigned route_flags(enum api_body body)
{
    unsigned flags = body == BODY_CSV ? ROUTE_STREAM_BODY : 0;

    return body == BODY_NONE ? flags : flags | ROUTE_DELETE_BODY;
}

void api_routes_fill(struct route routes_out[ROUTE_COUNT], http_handler dispatch)
{
#define X(verb, path, title, who, kind, content, idempotency)                                      \
    routes_out[ROUTE_##title] = (struct route){                                                    \
        .method = HTTP_METHOD_##verb,                                                              \
        .pattern = path,                                                                           \
        .handler = dispatch,                                                                       \
        .caller = (int)api_routes[ROUTE_##title].access.caller,                                    \
        .flags = route_flags(BODY_##content),                                                      \
        .name = #title,                                                                            \
        .body_max = BODY_##content == BODY_CSV ? IMPORT_BYTES_MAX : 0,                             \
    };
    API_ROUTES(X)
#undef X
}
