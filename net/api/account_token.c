/* SPDX-License-Identifier: Apache-2.0 */
#include "api/account_token.h"

#include <assert.h>
#include <string.h>

#include "api/digest.h"
#include "base64url.h"

enum {
    PREFIX_LENGTH = 3,
    PLACE_BYTES = 2 + 4,
    CLAIM_BYTES = PLACE_BYTES + ACCOUNT_TOKEN_RANDOM_BYTES,
    TOKEN_BYTES = CLAIM_BYTES + MAC_BYTES,
};

_Static_assert(TOKEN_BYTES % 3 == 0 && PREFIX_LENGTH + TOKEN_BYTES / 3 * 4 == ACCOUNT_TOKEN_LENGTH,
               "base64url without a remainder");

static const char prefixes[ACCOUNT_TOKEN_KIND_COUNT][PREFIX_LENGTH + 1] = {
#define X(name, prefix) [ACCOUNT_TOKEN_##name] = prefix,
    ACCOUNT_TOKEN_KINDS(X)
#undef X
};

static void make_mac(const struct secrets_port *secrets, enum account_token_kind kind,
                     const uint8_t claim[CLAIM_BYTES], uint8_t mac_out[MAC_BYTES])
{
    uint8_t bytes[1 + CLAIM_BYTES];

    bytes[0] = (uint8_t)kind;
    memcpy(bytes + 1, claim, CLAIM_BYTES);
    secrets->mac(secrets->self, "account-token", bytes, sizeof(bytes), mac_out);
}

void account_token_make(const struct secrets_port *secrets, enum account_token_kind kind,
                        const struct principal *account,
                        const uint8_t random[ACCOUNT_TOKEN_RANDOM_BYTES],
                        char text_out[ACCOUNT_TOKEN_LENGTH + 1])
{
    uint8_t bytes[TOKEN_BYTES];

    /* A principal begins with its account's partition and number (identity.h). */
    memcpy(bytes, account->bytes, PLACE_BYTES);
    memcpy(bytes + PLACE_BYTES, random, ACCOUNT_TOKEN_RANDOM_BYTES);
    make_mac(secrets, kind, bytes, bytes + CLAIM_BYTES);
    memcpy(text_out, prefixes[kind], PREFIX_LENGTH);
    base64url_encode(bytes, TOKEN_BYTES, text_out + PREFIX_LENGTH);
}

bool account_token_read(const struct secrets_port *secrets, const char *text, size_t length,
                        enum account_token_kind *kind_out, struct principal *account_out)
{
    uint8_t bytes[TOKEN_BYTES];
    uint8_t mac[MAC_BYTES];
    unsigned kind = 0;

    if (length != ACCOUNT_TOKEN_LENGTH)
        return false;
    while (kind < ACCOUNT_TOKEN_KIND_COUNT && memcmp(text, prefixes[kind], PREFIX_LENGTH) != 0)
        kind++;
    if (kind == ACCOUNT_TOKEN_KIND_COUNT ||
        !base64url_decode(text + PREFIX_LENGTH, TOKEN_BYTES, bytes))
        return false;
    make_mac(secrets, (enum account_token_kind)kind, bytes, mac);
    if (!session_mac_equal(mac, bytes + CLAIM_BYTES))
        return false;
    uint32_t partition = (uint32_t)bytes[0] << 8 | bytes[1];
    uint32_t number =
        (uint32_t)bytes[2] << 24 | (uint32_t)bytes[3] << 16 | (uint32_t)bytes[4] << 8 | bytes[5];
    *kind_out = (enum account_token_kind)kind;
    *account_out = account_principal(partition, number, &secrets->id_key);
    assert(memcmp(account_out->bytes, bytes, PLACE_BYTES) == 0);
    return true;
}

void account_token_hash(const char text[ACCOUNT_TOKEN_LENGTH], uint8_t hash_out[TOKEN_HASH_BYTES])
{
    _Static_assert((int)TOKEN_HASH_BYTES == (int)DIGEST_SHA256_BYTES, "SHA-256");
    digest_sha256(text, ACCOUNT_TOKEN_LENGTH, hash_out);
}
