/* SPDX-License-Identifier: Apache-2.0 */
/* Open connections, counted by the client's address. Of one server, on its thread. Private to
 * net/http. */
#ifndef STAMPEDE_HTTP_PEERS_H
#define STAMPEDE_HTTP_PEERS_H

#include "http/http.h"

struct http_peers {
    struct http_peers_entry *entries;
    size_t mask;
    uint64_t seed;
};

/* False: no memory. Room for `connections_max` different addresses. */
bool http_peers_init(struct http_peers *peers, size_t connections_max, uint64_t seed);
void http_peers_free(struct http_peers *peers);
/* Counts one up unless that would exceed `limit`; false then. */
bool http_peers_add(struct http_peers *peers, const struct http_peer *peer, unsigned limit);
void http_peers_remove(struct http_peers *peers, const struct http_peer *peer);

#endif
