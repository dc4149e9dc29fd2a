/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls: the session or the admin key of a request, verified on the shard. Private to net/api.
 */
#ifndef STAMPEDE_API_SESSIONS_H
#define STAMPEDE_API_SESSIONS_H

#include "api/api_shard.h"

enum session_check {
    SESSION_ABSENT,
    SESSION_VALID,
    SESSION_INVALID, /* malformed, forged, expired */
};

/* The session of a bearer token or, without one, of the cookie. Within the handler. */
enum session_check session_of_request(struct api_shard *shard, const struct http_exchange *exchange,
                                      struct principal *principal_out);

/* Whether the bearer token is the admin key; in a time that does not depend on what is wrong. */
bool admin_of_request(struct api_shard *shard, const struct http_exchange *exchange);

/* Makes a guest session and hands it out in the answer's headers (cookie and X-Session-Token). */
void session_start(struct api_shard *shard, struct http_exchange *exchange,
                   struct principal *principal_out, char token_out[SESSION_TOKEN_LENGTH + 1]);

/* What an admin key's MAC is made for. */
#define ADMIN_MAC_PURPOSE "admin-key"

#endif
