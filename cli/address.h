/* SPDX-License-Identifier: Apache-2.0 */
/* HOST:PORT as people write it. Pure. */
#ifndef STAMPEDE_ADDRESS_H
#define STAMPEDE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_HOST_MAX = 253 }; /* RFC 1035, section 2.3.4 */

struct address {
    char host[ADDRESS_HOST_MAX + 1]; /* without brackets */
    uint16_t port;
    bool has_tls; /* https; only of a URL */
};

/* "127.0.0.1:8080", "[::1]:8080", "localhost:0". False for anything else. */
bool address_parse(const char *text, struct address *address_out);

/* "http://shop.example:8080" or https, with or without a "/" after it; without a port: 80 or 443.
 * False for anything else. */
bool address_parse_url(const char *text, struct address *address_out);

#endif
