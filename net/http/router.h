/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: built once from a table, then matched by method and path without allocation.
 *
 * A pattern is a path of literal segments and parameters: "/v1/reservations/{id}/extend". A
 * parameter takes one non-empty segment, percent-encoded as it came ("%2F" does not split);
 * "{rest...}" as the last segment takes all that is left (one or more segments). A literal wins
 * over a parameter, with falling back. Literals are compared as sent, byte by byte: an encoded
 * letter is another path. A GET route serves HEAD too.
 */
#ifndef STAMPEDE_HTTP_ROUTER_H
#define STAMPEDE_HTTP_ROUTER_H

#include "http/http.h"

enum {
    ROUTE_PARAMETERS_MAX = 4,
    ROUTE_SEGMENTS_MAX = 12,
    ROUTES_MAX = 256,
};

/* route.flags */
enum {
    ROUTE_STREAM_BODY =
        1U << 0, /* the handler is called at the end of the head; see http_stream_events */
    ROUTE_DELETE_BODY = 1U << 1, /* a DELETE that takes a body; others are refused with one */
};

struct route {
    enum http_method method;
    const char *pattern;
    http_handler handler;
    int caller;       /* who may call it: the API's enum, never 0 (asserted) */
    unsigned flags;   /* ROUTE_… ; bits from 1 << 16 are the API's own */
    const char *name; /* for metrics and logs; NULL: the pattern */
    size_t body_max;  /* 0: options.body_max */
};

struct router;

/* What a match found. Offsets are into the path that was matched. */
struct route_match {
    const struct route *route; /* NULL: none for this method, or no such path */
    unsigned allowed; /* bits 1 << enum http_method of the path's routes; 0: no such path */
    unsigned parameters_count;
    struct {
        uint16_t offset;
        uint16_t length;
    } parameters[ROUTE_PARAMETERS_MAX];
};

/*
 * Builds from `routes`, which must outlive the router. Asserts what a programmer got wrong: a
 * caller of 0, no handler, a bad pattern, two routes for the same method and shape. NULL: no
 * memory.
 */
struct router *router_build(const struct route *routes, size_t count);
void router_free(struct router *router);

/* Any thread; the router is immutable. `path` is raw and at most 65,535 bytes. */
void router_match(const struct router *router, enum http_method method, struct http_slice path,
                  struct route_match *match_out);

/* 0-based position in the table: an index for the caller's arrays of counters. */
size_t router_index(const struct router *router, const struct route *route);
size_t router_count(const struct router *router);
const struct route *router_route(const struct router *router, size_t index);
const char *route_name(const struct route *route);

enum { ROUTE_ALLOW_TEXT_MAX = 64 };
/* "GET, HEAD, OPTIONS" from the bits of route_match.allowed; returns the length. */
size_t route_allow_text(unsigned allowed, char text_out[ROUTE_ALLOW_TEXT_MAX]);

#endif
