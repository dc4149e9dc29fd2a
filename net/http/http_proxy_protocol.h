/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of the PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt, 2.1 and 2.2
 * there): what a proxy in front says of the client whose bytes follow. Pure: bytes in, verdict out.
 * Whether the proxy may say so is decided before (http_proxies.h).
 */
#ifndef STAMPEDE_HTTP_PROXY_PROTOCOL_H
#define STAMPEDE_HTTP_PROXY_PROTOCOL_H

#include "http/http.h"

enum {
    HTTP_PROXY_LINE_MAX = 107,    /* version 1, with its CRLF (2.1 there) */
    HTTP_PROXY_HEADER_MAX = 4096, /* version 2 with its TLVs; a longer one is malformed */
};

enum http_proxy_verdict {
    HTTP_PROXY_MORE,      /* as far as it has come it may be one */
    HTTP_PROXY_DONE,      /* `length` bytes are the header */
    HTTP_PROXY_MALFORMED, /* it is none, and no more bytes make it one */
};

struct http_proxy_header {
    /* False: the proxy speaks for itself (LOCAL, as its health checks do) or does not know
     * (UNKNOWN, AF_UNSPEC, AF_UNIX): the connection's own address stands. */
    bool has_client;
    struct http_peer client;
    size_t length;
};

/* The same verdict, however few bytes come at a time. `header_out` is set only for DONE.
 * Type-length values of version 2 are skipped; its CRC-32c among them is not checked. */
enum http_proxy_verdict http_proxy_header_parse(const char *bytes, size_t length,
                                                struct http_proxy_header *header_out);

#endif
