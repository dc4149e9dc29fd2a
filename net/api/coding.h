/* SPDX-License-Identifier: Apache-2.0 */
/* Content codings (RFC 9110, 8.4.1): which one an answer goes out in. gzip is what everybody takes,
 * br what browsers (over TLS) and CDNs ask for and what is smaller; whoever sends zstd sends these
 * too. Pure; any thread. */
#ifndef STAMPEDE_API_CODING_H
#define STAMPEDE_API_CODING_H

#include "http/http.h"

/* The better ones last: of those that a client likes alike the last is taken. */
enum content_coding {
    CODING_IDENTITY,
    CODING_GZIP,
    CODING_BROTLI,
    CODING_COUNT,
};

/* As in Content-Encoding. */
const char *coding_name(enum content_coding coding);

/* Chooses by an Accept-Encoding (RFC 9110, 12.5.3), which may be absent: the coding of the highest
 * weight. Elements that are malformed count for nothing. Where nothing that there is would be
 * acceptable: identity, as the standard allows, for a body is better than none. */
enum content_coding coding_choose(struct http_slice accepted);

#endif
