/* SPDX-License-Identifier: Apache-2.0 */
/* Guest sessions: signed and stateless. A token is `sg_` and 52 characters of base64url:
 *
 *     version:8 | principal:128 | issued_s:48 | mac:128        (39 bytes, no bits left over)
 *
 * Nothing is stored: whoever holds the store's secret recognises its own tokens. This file only
 * packs and unpacks; the caller makes the MAC over the first part (purpose SESSION_MAC_PURPOSE) and
 * compares it with session_mac_equal, whose time does not depend on where two MACs differ. Pure. */
#ifndef STAMPEDE_SESSION_H
#define STAMPEDE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"

enum {
    SESSION_VERSION = 1,
    SESSION_CLAIM_BYTES = 1 + 16 + 6,
    SESSION_MAC_BYTES = 16,
    SESSION_TOKEN_LENGTH = 3 + 52, /* without the terminating zero */
    SESSION_AGE_MAX_S = 30 * 24 * 3600,
    /* A token issued by a server whose clock was ahead of this one's. */
    SESSION_SKEW_MAX_S = 300,
    /* That a guest became a customer is known so long: its tokens end before, by a day. */
    GUEST_KEPT_S = SESSION_AGE_MAX_S + 24 * 3600,
};

_Static_assert((int)GUEST_KEPT_S > (int)SESSION_AGE_MAX_S + (int)SESSION_SKEW_MAX_S,
               "a guest's token ends before it is forgotten that it is over");

#define SESSION_MAC_PURPOSE "guest-session"

_Static_assert((SESSION_CLAIM_BYTES + SESSION_MAC_BYTES) % 3 == 0, "base64url without a remainder");

struct session {
    struct principal principal;
    int64_t issued_s; /* wall clock, seconds; below 2^48 */
};

/* The bytes that the MAC is made over. */
void session_claim(const struct session *session, uint8_t claim_out[SESSION_CLAIM_BYTES]);

/* Writes the token and a zero. */
void session_token_format(const uint8_t claim[SESSION_CLAIM_BYTES],
                          const uint8_t mac[SESSION_MAC_BYTES],
                          char text_out[SESSION_TOKEN_LENGTH + 1]);

/* Takes a token apart; false if it is malformed or of an unknown version. Nothing is proven by it:
 * compare the MAC, then ask session_is_current. */
bool session_token_parse(const char *text, size_t length, uint8_t claim_out[SESSION_CLAIM_BYTES],
                         uint8_t mac_out[SESSION_MAC_BYTES], struct session *session_out);

/* In constant time. */
bool session_mac_equal(const uint8_t a[SESSION_MAC_BYTES], const uint8_t b[SESSION_MAC_BYTES]);

/* Whether the session is neither too old at `now_s` nor from the future. */
bool session_is_current(const struct session *session, int64_t now_s);

#endif
