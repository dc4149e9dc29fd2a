/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <assert.h>
#include <string.h>

#include "base64url.h"

enum { TOKEN_BYTES = SESSION_CLAIM_BYTES + SESSION_MAC_BYTES, PREFIX_LENGTH = 3 };

static const char prefix[] = "sg_";

void session_claim(const struct session *session, uint8_t claim_out[SESSION_CLAIM_BYTES])
{
    assert(session->issued_s >= 0 && session->issued_s < 1LL << 48);
    claim_out[0] = SESSION_VERSION;
    memcpy(claim_out + 1, session->principal.bytes, sizeof(session->principal.bytes));
    for (unsigned i = 0; i < 6; i++)
        claim_out[17 + i] = (uint8_t)((uint64_t)session->issued_s >> (40 - 8 * i));
}

void session_token_format(const uint8_t claim[SESSION_CLAIM_BYTES],
                          const uint8_t mac[SESSION_MAC_BYTES],
                          char text_out[SESSION_TOKEN_LENGTH + 1])
{
    uint8_t bytes[TOKEN_BYTES];

    memcpy(bytes, claim, SESSION_CLAIM_BYTES);
    memcpy(bytes + SESSION_CLAIM_BYTES, mac, SESSION_MAC_BYTES);
    memcpy(text_out, prefix, PREFIX_LENGTH);
    base64url_encode(bytes, TOKEN_BYTES, text_out + PREFIX_LENGTH);
}

bool session_token_parse(const char *text, size_t length, uint8_t claim_out[SESSION_CLAIM_BYTES],
                         uint8_t mac_out[SESSION_MAC_BYTES], struct session *session_out)
{
    uint8_t bytes[TOKEN_BYTES];

    if (length != SESSION_TOKEN_LENGTH || memcmp(text, prefix, PREFIX_LENGTH) != 0)
        return false;
    if (!base64url_decode(text + PREFIX_LENGTH, TOKEN_BYTES, bytes))
        return false;
    if (bytes[0] != SESSION_VERSION)
        return false;
    memcpy(claim_out, bytes, SESSION_CLAIM_BYTES);
    memcpy(mac_out, bytes + SESSION_CLAIM_BYTES, SESSION_MAC_BYTES);
    memcpy(session_out->principal.bytes, bytes + 1, sizeof(session_out->principal.bytes));
    session_out->issued_s = 0;
    for (unsigned i = 0; i < 6; i++)
        session_out->issued_s = session_out->issued_s << 8 | bytes[17 + i];
    return true;
}

bool session_mac_equal(const uint8_t a[SESSION_MAC_BYTES], const uint8_t b[SESSION_MAC_BYTES])
{
    /* volatile: the compiler must not find a shorter way. */
    volatile uint8_t difference = 0;

    for (unsigned i = 0; i < SESSION_MAC_BYTES; i++)
        difference = (uint8_t)(difference | (a[i] ^ b[i]));
    return difference == 0;
}

bool session_is_current(const struct session *session, int64_t now_s)
{
    return session->issued_s <= now_s + SESSION_SKEW_MAX_S &&
           now_s - session->issued_s < SESSION_AGE_MAX_S;
}
