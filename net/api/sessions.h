/* SPDX-License-Identifier: Apache-2.0 */
/* Whose session a request has, and how sessions are handed out. Private to net/api. */
#ifndef STAMPEDE_API_SESSIONS_H
#define STAMPEDE_API_SESSIONS_H

#include "api/account_token.h"
#include "api/api_shard.h"

enum session_check {
    SESSION_ABSENT,
    SESSION_VALID,
    SESSION_INVALID, /* malformed, forged, expired, closed */
    SESSION_ENDED,   /* a guest's who has become a customer */
    SESSION_UNKNOWN, /* its account is to be asked: session_ask */
};

enum {
    SESSION_ASKED_MAX = 16, /* as often a customer may change the account beside one request */
    CSRF_TOKEN_LENGTH = 2 * MAC_BYTES,
};

/* How long a new session of this role lasts. */
int64_t session_lifetime_ms(enum account_role role);

/* The session of a bearer token or, without one, of the cookie. VALID fills in the call's
 * principal, person, token and by_cookie; the others token and by_cookie. Within the handler. */
enum session_check session_of_request(struct api_call *call);

/* The token that came with a request, whatever it is worth; absent: none. */
struct http_slice session_token_of(const struct api_shard *shard,
                                   const struct http_exchange *exchange, bool *by_cookie_out);

/* Whether it is a guest's token of this store's making, and not too old. */
bool session_guest_of(struct api_shard *shard, struct http_slice token,
                      struct principal *principal_out);

/* Whether the bearer token is the admin key; in a time that does not depend on what is wrong. */
bool admin_of_request(struct api_shard *shard, const struct http_exchange *exchange);

/* Defers the request and asks whoever knows its session; the handler is called again when the
 * answer is there, or the request has been refused meanwhile. After SESSION_UNKNOWN. */
void session_ask(struct api_call *call);

/* Makes a guest session, which is the call's principal from here on, and hands it out in the
 * answer's headers: X-Session-Token and cookies; no cookies for a page of another site, which could
 * throw away a shopper's session by them. */
void session_start(struct api_call *call, char token_out[SESSION_TOKEN_LENGTH + 1]);

/* Adds the headers that hand a session out: X-Session-Token and the token against CSRF that goes
 * with it, X-CSRF-Token; with cookies, both also as such, the latter one that pages can read. */
void session_hand_out(struct api_shard *shard, struct http_exchange *exchange, const char *token,
                      int64_t age_max_s, bool with_cookies);

/* Adds the headers that take both cookies back. */
void session_take_back(struct api_shard *shard, struct http_exchange *exchange);

/* The token against CSRF that goes with a session's; writes a zero. */
void csrf_token_make(struct api_shard *shard, const char *token, size_t length,
                     char text_out[CSRF_TOKEN_LENGTH + 1]);

/* Whether a request that a browser may have made on its own is one of the shop's pages': for unsafe
 * methods with a session by cookie. Otherwise false, after 403. */
bool csrf_check(struct api_call *call);

/* Whether the request says that it comes from a page of another site. */
bool csrf_is_foreign(const struct api_call *call);

/* For calls that hand out accounts' sessions: false, after 403, if the request says that it comes
 * from a page of another site. */
bool csrf_check_origin(struct api_call *call);

/* What an admin key's MAC is made for. */
#define ADMIN_MAC_PURPOSE "admin-key"

#endif
