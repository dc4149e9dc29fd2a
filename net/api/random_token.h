/* SPDX-License-Identifier: Apache-2.0 */
/* Opaque tokens: a prefix that tells the kind, and base64url (RFC 4648, section 5, no padding) of
 * the partition that knows it, big-endian, and 256 random bits. The store keeps SHA-256 of the
 * whole text only. Pure; any thread. */
#ifndef STAMPEDE_RANDOM_TOKEN_H
#define STAMPEDE_RANDOM_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/digest.h"

/* Kind and prefix (three characters). */
#define RANDOM_TOKEN_KIND_MAP(X)                                                                   \
    X(CUSTOMER, "sc_") /* a customer's session */                                                  \
    X(STAFF, "ss_")    /* a staff member's session */                                              \
    X(MAIL, "mt_")     /* one use: sent by mail, to verify an address or reset a password */       \
    X(CSRF, "cs_")     /* beside a session's cookie */

enum random_token_kind {
#define RANDOM_TOKEN_ENUM(name, prefix) RANDOM_TOKEN_##name,
    RANDOM_TOKEN_KIND_MAP(RANDOM_TOKEN_ENUM)
#undef RANDOM_TOKEN_ENUM
        RANDOM_TOKEN_KIND_COUNT
};

enum {
    RANDOM_TOKEN_RANDOM_BYTES = 32,
    RANDOM_TOKEN_LENGTH = 3 + 46, /* without the terminating zero */
};

/* Writes the token of these random bytes, and a zero. */
void random_token_format(enum random_token_kind kind, uint16_t partition,
                         const uint8_t random[RANDOM_TOKEN_RANDOM_BYTES],
                         char text_out[RANDOM_TOKEN_LENGTH + 1]);

/* Reads a token's kind and partition; false if it is malformed (the last character has no spare
 * bits set: one token, one text). Proves nothing: look its hash up. */
bool random_token_parse(const char *text, size_t length, enum random_token_kind *kind_out,
                        uint16_t *partition_out);

/* What the store keeps: SHA-256 of the text. */
void random_token_hash(const char text[RANDOM_TOKEN_LENGTH], uint8_t hash_out[DIGEST_SHA256_BYTES]);

#endif
