/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many keep-alive HTTP/1.1 connections to one target: plain epoll, edge-triggered, one thread, no
 * allocation after the start. It knows no paths and no JSON: a request is a tag, rendered straight
 * into a connection's output buffer; its answer comes back with the tag, in order. What is
 * rendered for a connection during a turn of the loop leaves in one send.
 *
 * A connection that ends or times out with requests on it gives each back as lost: whether the
 * server acted on them is unknown. It is opened again with back-off: a few probe while none is
 * open, and the first to succeed wakes all others at once.
 */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "load_response.h"

enum {
    LOAD_CLIENT_CONNECTIONS_MAX = 20000, /* below the usual range of ephemeral ports */
    LOAD_CLIENT_PIPELINE_MAX = 32,       /* the server's own limit of requests in flight */
    LOAD_CLIENT_REQUEST_BYTES_MAX = 1536,
    LOAD_CLIENT_INPUT_BYTES = 32768, /* a longer answer ends its connection */
};

struct load_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/* Called from load_client_poll, but for render, which load_client_submit calls. */
struct load_client_handler {
    void *context;
    /* Writes the request into `target`, which has room for LOAD_CLIENT_REQUEST_BYTES_MAX; gives
     * its length. */
    size_t (*render)(void *context, uint64_t tag, char *target);
    /* The response is valid during the call only. */
    void (*answered)(void *context, uint64_t tag, const struct load_response *response,
                     uint64_t sent_ns, uint64_t now_ns);
    void (*lost)(void *context, uint64_t tag, uint64_t now_ns);
};

struct load_client_config {
    struct load_address address;
    uint32_t connections;
    uint32_t pipeline; /* requests on a connection at a time */
    bool fill;         /* fill a connection before the next, rather than spread over all */
    uint64_t timeout_ns;
    uint64_t seed; /* of the jitter of the back-off */
};

struct load_client;

uint64_t load_clock_ns(void); /* CLOCK_MONOTONIC */

/* NULL when memory or descriptors are short (errno). It begins to connect. */
struct load_client *load_client_create(const struct load_client_config *config,
                                       const struct load_client_handler *handler);
void load_client_destroy(struct load_client *client);

/* False, with nothing rendered, when no open connection has room. */
bool load_client_submit(struct load_client *client, uint64_t tag, uint64_t now_ns);

/* Sends what was rendered, waits for events until `until_ns` at the latest, handles them. */
void load_client_poll(struct load_client *client, uint64_t now_ns, uint64_t until_ns);

bool load_client_has_room(const struct load_client *client);
uint32_t load_client_open_count(const struct load_client *client);
uint32_t load_client_in_flight(const struct load_client *client);

/* Times that an open connection ended without our doing. */
uint64_t load_client_disconnects(const struct load_client *client);

/* errno of the last failed attempt to connect; 0 when there was none. */
int load_client_connect_error(const struct load_client *client);

#endif
