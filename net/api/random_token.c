/* SPDX-License-Identifier: Apache-2.0 */
#include "api/random_token.h"

#include <assert.h>
#include <string.h>

enum {
    PREFIX_LENGTH = 3,
    TOKEN_BYTES = 2 + RANDOM_TOKEN_RANDOM_BYTES,
    DIGITS = (TOKEN_BYTES * 8 + 5) / 6,
    SPARE_BITS = DIGITS * 6 - TOKEN_BYTES * 8, /* of the last digit */
};

_Static_assert(RANDOM_TOKEN_LENGTH == PREFIX_LENGTH + DIGITS, "prefix and base64url");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const char *const prefixes[RANDOM_TOKEN_KIND_COUNT] = {
#define PREFIX(name, prefix) [RANDOM_TOKEN_##name] = (prefix),
    RANDOM_TOKEN_KIND_MAP(PREFIX)
#undef PREFIX
};

static int digit_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '-')
        return 62;
    return digit == '_' ? 63 : -1;
}

void random_token_format(enum random_token_kind kind, uint16_t partition,
                         const uint8_t random[RANDOM_TOKEN_RANDOM_BYTES],
                         char text_out[RANDOM_TOKEN_LENGTH + 1])
{
    uint8_t bytes[TOKEN_BYTES + 1] = {(uint8_t)(partition >> 8), (uint8_t)partition};
    char *at = text_out + PREFIX_LENGTH;

    memcpy(text_out, prefixes[kind], PREFIX_LENGTH);
    memcpy(bytes + 2, random, RANDOM_TOKEN_RANDOM_BYTES);
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        unsigned bit = digit * 6;
        unsigned two = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

        *at++ = alphabet[two >> (10 - bit % 8) & 63];
    }
    *at = '\0';
    assert(at == text_out + RANDOM_TOKEN_LENGTH);
    digest_wipe(bytes, sizeof(bytes));
}

bool random_token_parse(const char *text, size_t length, enum random_token_kind *kind_out,
                        uint16_t *partition_out)
{
    uint32_t first = 0; /* the first three digits: the partition and two bits */
    unsigned kind = 0;
    int value = 0;

    if (length != RANDOM_TOKEN_LENGTH)
        return false;
    while (kind < RANDOM_TOKEN_KIND_COUNT && memcmp(text, prefixes[kind], PREFIX_LENGTH) != 0)
        kind++;
    if (kind == RANDOM_TOKEN_KIND_COUNT)
        return false;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        value = digit_value(text[PREFIX_LENGTH + digit]);
        if (value < 0)
            return false;
        if (digit < 3)
            first = first << 6 | (uint32_t)value;
    }
    if ((value & ((1 << SPARE_BITS) - 1)) != 0)
        return false;
    *kind_out = (enum random_token_kind)kind;
    *partition_out = (uint16_t)(first >> 2);
    return true;
}

void random_token_hash(const char text[RANDOM_TOKEN_LENGTH], uint8_t hash_out[DIGEST_SHA256_BYTES])
{
    digest_sha256(text, RANDOM_TOKEN_LENGTH, hash_out);
}
