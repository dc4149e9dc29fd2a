/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that name an account: sessions of customers and staff, and what is sent by mail. A prefix
 * of three characters and 52 of base64url (RFC 4648, section 5):
 *
 *     partition:16 | number:32 | random:136 | mac:128        (39 bytes, no bits left over)
 *
 * so as long as a guest's (session.h). The MAC is made under the store's secret, over the kind and
 * the rest: a forged token is refused where it came in and costs nobody else anything. What makes a
 * token good is that the account has its hash (SHA-256 of the whole text); the store keeps no more
 * of it. Pure; any thread. */
#ifndef STAMPEDE_API_ACCOUNT_TOKEN_H
#define STAMPEDE_API_ACCOUNT_TOKEN_H

#include "identity.h"
#include "ports.h"
#include "session.h"

#define ACCOUNT_TOKEN_KINDS(X)                                                                     \
    X(CUSTOMER, "sc_") /* a customer's session */                                                  \
    X(STAFF, "ss_")    /* a staff member's session */                                              \
    X(MAIL, "mt_")     /* one use: proves an address, or lets a new password be set */

enum account_token_kind {
#define X(name, prefix) ACCOUNT_TOKEN_##name,
    ACCOUNT_TOKEN_KINDS(X)
#undef X
        ACCOUNT_TOKEN_KIND_COUNT
};

enum {
    ACCOUNT_TOKEN_LENGTH = SESSION_TOKEN_LENGTH, /* without the terminating zero */
    ACCOUNT_TOKEN_RANDOM_BYTES = 17,
};

/* Writes a token and a zero. `account` must be an account's principal. `random` is fresh. */
void account_token_make(const struct secrets_port *secrets, enum account_token_kind kind,
                        const struct principal *account,
                        const uint8_t random[ACCOUNT_TOKEN_RANDOM_BYTES],
                        char text_out[ACCOUNT_TOKEN_LENGTH + 1]);

/* Whether the text is a token of this store's making, of which kind and whose. In a time that does
 * not depend on where a MAC is wrong. */
bool account_token_read(const struct secrets_port *secrets, const char *text, size_t length,
                        enum account_token_kind *kind_out, struct principal *account_out);

/* What the store keeps of a token. */
void account_token_hash(const char text[ACCOUNT_TOKEN_LENGTH], uint8_t hash_out[TOKEN_HASH_BYTES]);

#endif
