/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router: a tree of path segments in one array. A node has literal children (a list), at most
 * one child for a parameter, and at most one route per method. Matching walks down, literal before
 * parameter, and falls back.
 */
#include "http/router.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct node {
    const char *literal; /* not terminated; NULL: a parameter's node */
    uint16_t literal_length;
    uint16_t sibling;   /* next literal of the same parent; 0: none */
    uint16_t child;     /* first literal child; 0: none */
    uint16_t parameter; /* child that takes any segment; 0: none */
    uint16_t rest;      /* child that takes all that is left; 0: none */
    unsigned allowed;   /* bits of the methods below, with HEAD where there is GET */
    const struct route *routes[HTTP_METHOD_COUNT];
};

struct router {
    const struct route *routes;
    size_t count;
    struct node *nodes; /* [0] is the root: the path "/" */
    size_t nodes_count;
    size_t nodes_capacity;
};

struct segment {
    const char *text;
    size_t length;
};

/* ---- Building ---- */

static uint16_t node_new(struct router *router, const char *literal, size_t length)
{
    assert(router->nodes_count < router->nodes_capacity);
    struct node *node = &router->nodes[router->nodes_count];
    node->literal = literal;
    node->literal_length = (uint16_t)length;
    return (uint16_t)router->nodes_count++;
}

static uint16_t node_literal(struct router *router, uint16_t parent, struct segment segment)
{
    uint16_t *link = &router->nodes[parent].child;
    while (*link != 0) {
        struct node *node = &router->nodes[*link];
        if (node->literal_length == segment.length &&
            memcmp(node->literal, segment.text, segment.length) == 0)
            return *link;
        link = &node->sibling;
    }
    *link = node_new(router, segment.text, segment.length);
    return *link;
}

static uint16_t node_for(struct router *router, uint16_t parent, struct segment segment, bool last)
{
    if (segment.text[0] != '{') {
        assert(memchr(segment.text, '{', segment.length) == NULL);
        assert(memchr(segment.text, '%', segment.length) == NULL);
        return node_literal(router, parent, segment);
    }
    assert(segment.length > 2 && segment.text[segment.length - 1] == '}');
    bool rest = segment.length > 5 && memcmp(segment.text + segment.length - 4, "...}", 4) == 0;
    assert(last || !rest);
    if (rest) {
        if (router->nodes[parent].rest == 0) {
            uint16_t made = node_new(router, NULL, 0);
            router->nodes[parent].rest = made;
        }
        return router->nodes[parent].rest;
    }
    if (router->nodes[parent].parameter == 0) {
        uint16_t made = node_new(router, NULL, 0);
        router->nodes[parent].parameter = made;
    }
    return router->nodes[parent].parameter;
}

static void route_insert(struct router *router, const struct route *route)
{
    assert(route->method > HTTP_METHOD_NONE && route->method < HTTP_METHOD_COUNT);
    assert(route->handler != NULL);
    assert(route->caller != 0);
    assert(route->pattern != NULL && route->pattern[0] == '/');

    uint16_t node = 0;
    unsigned parameters = 0;
    unsigned segments = 0;
    const char *p = route->pattern + 1;
    while (*p != '\0') {
        size_t length = strcspn(p, "/");
        bool last = p[length] == '\0';
        assert(length > 0);
        assert(last || p[length + 1] != '\0');
        segments++;
        parameters += p[0] == '{' ? 1U : 0U;
        assert(segments <= ROUTE_SEGMENTS_MAX && parameters <= ROUTE_PARAMETERS_MAX);
        node = node_for(router, node, (struct segment){p, length}, last);
        p += length + (last ? 0 : 1);
    }
    struct node *end = &router->nodes[node];
    assert(end->routes[route->method] == NULL);
    end->routes[route->method] = route;
    end->allowed |= 1U << route->method;
    if (route->method == HTTP_METHOD_GET)
        end->allowed |= 1U << HTTP_METHOD_HEAD;
}

struct router *router_build(const struct route *routes, size_t count)
{
    assert(count <= ROUTES_MAX);
    struct router *router = calloc(1, sizeof *router);
    if (router == NULL)
        return NULL;
    router->routes = routes;
    router->count = count;
    router->nodes_capacity = 1 + count * ROUTE_SEGMENTS_MAX;
    router->nodes = calloc(router->nodes_capacity, sizeof *router->nodes);
    if (router->nodes == NULL) {
        free(router);
        return NULL;
    }
    (void)node_new(router, NULL, 0);
    for (size_t i = 0; i < count; i++)
        route_insert(router, &routes[i]);
    return router;
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    free(router->nodes);
    free(router);
}

/* ---- Matching ---- */

struct walk {
    const struct router *router;
    const char *path;
    size_t length;
    enum http_method method;
    struct route_match *match;
};

static bool node_accept(struct walk *walk, const struct node *node, unsigned parameters)
{
    walk->match->allowed |= node->allowed;
    const struct route *route = node->routes[walk->method];
    if (route == NULL && walk->method == HTTP_METHOD_HEAD)
        route = node->routes[HTTP_METHOD_GET];
    if (route == NULL)
        return false;
    walk->match->route = route;
    walk->match->parameters_count = parameters;
    return true;
}

static void match_parameter(struct walk *walk, unsigned index, size_t offset, size_t length)
{
    assert(index < ROUTE_PARAMETERS_MAX);
    walk->match->parameters[index].offset = (uint16_t)offset;
    walk->match->parameters[index].length = (uint16_t)length;
}

/* The segments from `offset` on, below `node`. Depth is bounded by the tree's. */
static bool node_walk(struct walk *walk, const struct node *node, size_t offset,
                      unsigned parameters)
{
    const struct node *nodes = walk->router->nodes;
    const char *text = walk->path + offset;
    size_t left = walk->length - offset;
    const char *slash = memchr(text, '/', left);
    size_t length = slash != NULL ? (size_t)(slash - text) : left;

    for (uint16_t i = node->child; i != 0; i = nodes[i].sibling) {
        if (nodes[i].literal_length != length || memcmp(nodes[i].literal, text, length) != 0)
            continue;
        if (slash == NULL ? node_accept(walk, &nodes[i], parameters)
                          : node_walk(walk, &nodes[i], offset + length + 1, parameters))
            return true;
        break; /* literals differ: no other one can match */
    }
    if (node->parameter != 0 && length > 0) {
        const struct node *child = &nodes[node->parameter];
        match_parameter(walk, parameters, offset, length);
        if (slash == NULL ? node_accept(walk, child, parameters + 1)
                          : node_walk(walk, child, offset + length + 1, parameters + 1))
            return true;
    }
    if (node->rest != 0 && left > 0) {
        match_parameter(walk, parameters, offset, left);
        if (node_accept(walk, &nodes[node->rest], parameters + 1))
            return true;
    }
    return false;
}

void router_match(const struct router *router, enum http_method method, struct http_slice path,
                  struct route_match *match_out)
{
    match_out->route = NULL;
    match_out->allowed = 0;
    match_out->parameters_count = 0;
    if (path.length == 0 || path.data[0] != '/' || path.length > UINT16_MAX)
        return;
    struct walk walk = {router, path.data, path.length, method, match_out};
    if (path.length == 1)
        (void)node_accept(&walk, &router->nodes[0], 0);
    else
        (void)node_walk(&walk, &router->nodes[0], 1, 0);
}

/* ---- Asking ---- */

size_t router_index(const struct router *router, const struct route *route)
{
    assert(route >= router->routes && route < router->routes + router->count);
    return (size_t)(route - router->routes);
}

size_t router_count(const struct router *router)
{
    return router->count;
}

const struct route *router_route(const struct router *router, size_t index)
{
    assert(index < router->count);
    return &router->routes[index];
}

const char *route_name(const struct route *route)
{
    return route->name != NULL ? route->name : route->pattern;
}

size_t route_allow_text(unsigned allowed, char text_out[ROUTE_ALLOW_TEXT_MAX])
{
    size_t length = 0;
    allowed |= 1U << HTTP_METHOD_OPTIONS; /* answered for every path that exists */
    for (unsigned method = 1; method < HTTP_METHOD_COUNT; method++) {
        if ((allowed & (1U << method)) == 0)
            continue;
        const char *name = http_method_name((enum http_method)method);
        size_t name_length = strlen(name);
        assert(length + name_length + 3 <= ROUTE_ALLOW_TEXT_MAX);
        if (length > 0) {
            memcpy(text_out + length, ", ", 2);
            length += 2;
        }
        memcpy(text_out + length, name, name_length);
        length += name_length;
    }
    text_out[length] = '\0';
    return length;
}
