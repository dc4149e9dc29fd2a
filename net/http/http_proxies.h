/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxies whose word about their clients counts: address ranges in CIDR notation (RFC 4632,
 * section 3.1; RFC 4291, section 2.3). Used by the PROXY protocol (the whole connection) and by the
 * X-Forwarded-* headers (one request).
 *
 * A value: no memory of its own, may be copied. Made once at the start, then read by any thread.
 */
#ifndef STAMPEDE_HTTP_PROXIES_H
#define STAMPEDE_HTTP_PROXIES_H

#include "http/http.h"

enum {
    HTTP_PROXIES_MAX = 32,
    HTTP_PROXIES_TEXT_MAX = 64, /* one range as text, with its terminator */
};

struct http_proxies_range {
    uint8_t address[16]; /* as in struct http_peer: IPv4 mapped into IPv6 */
    uint8_t bits;        /* of the 16 bytes that count: 96 and more for IPv4 */
};

struct http_proxies {
    struct http_proxies_range ranges[HTTP_PROXIES_MAX];
    uint32_t count;
};

/*
 * Reads `count` ranges such as "192.0.2.1", "10.0.0.0/8", "2001:db8::/32". True, or false:
 * `bad_out` (may be NULL) is the index of the first one that is not understood, or that has bits
 * set behind its prefix (10.1.2.3/8: one of the two must be wrong), or that is more than
 * HTTP_PROXIES_MAX; `proxies_out` is empty then.
 */
bool http_proxies_parse(const char *const *texts, size_t count, struct http_proxies *proxies_out,
                        size_t *bad_out);

/* Whether the address is in one of the ranges; of none where the list is empty. "::/0" holds every
 * IPv6 address and no IPv4 one, "0.0.0.0/0" the other way round. */
bool http_proxies_contain(const struct http_proxies *proxies, const struct http_peer *peer);

/* Reads one address as text ("192.0.2.1", "2001:db8::1"; no zone, port or brackets) into
 * peer_out->address; the port becomes 0. False: it is none, `peer_out` is untouched. */
bool http_peer_parse(struct http_slice text, struct http_peer *peer_out);

#endif
