/* SPDX-License-Identifier: Apache-2.0 */
/* Written from the paper's description; checked against its vectors in
 * tests/unit/test_actors_hash.c. */
#include "hash.h"

#include <assert.h>
#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(struct sip *sip)
{
    sip->v0 += sip->v1;
    sip->v2 += sip->v3;
    sip->v1 = rotate_left(sip->v1, 13) ^ sip->v0;
    sip->v3 = rotate_left(sip->v3, 16) ^ sip->v2;
    sip->v0 = rotate_left(sip->v0, 32);
    sip->v2 += sip->v1;
    sip->v0 += sip->v3;
    sip->v1 = rotate_left(sip->v1, 17) ^ sip->v2;
    sip->v3 = rotate_left(sip->v3, 21) ^ sip->v0;
    sip->v2 = rotate_left(sip->v2, 32);
}

static inline uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
}

/* The bytes behind the last whole word: the upper end of the eight that end there. */
static inline uint64_t load_rest(const uint8_t *bytes, size_t length)
{
    size_t rest = length & 7;
    uint64_t word = 0;

    if (rest == 0)
        return 0;
    if (length >= 8)
        return load_word(bytes + length - 8) >> (8 * (8 - rest));
    for (size_t i = 0; i < rest; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

/* Everything but the finalisation; `wide` is 0xee for the 128-bit form, otherwise 0. */
static inline __attribute__((always_inline)) struct sip sip_absorb(const struct hash_key *key,
                                                                   int rounds, uint64_t wide,
                                                                   const uint8_t *bytes,
                                                                   size_t length)
{
    struct sip sip = {
        .v0 = key->word[0] ^ 0x736f6d6570736575u,
        .v1 = key->word[1] ^ 0x646f72616e646f6du ^ wide,
        .v2 = key->word[0] ^ 0x6c7967656e657261u,
        .v3 = key->word[1] ^ 0x7465646279746573u,
    };
    size_t whole = length & ~(size_t)7;
    uint64_t last = (uint64_t)length << 56 | load_rest(bytes, length);

    for (size_t i = 0; i <= whole; i += 8) {
        uint64_t word = i < whole ? load_word(bytes + i) : last;

        sip.v3 ^= word;
        for (int round = 0; round < rounds; round++)
            sip_round(&sip);
        sip.v0 ^= word;
    }
    return sip;
}

static inline uint64_t sip_finish(struct sip *sip, int rounds)
{
    for (int i = 0; i < rounds; i++)
        sip_round(sip);
    return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t length)
{
    struct sip sip;

    assert(bytes != NULL || length == 0);
    sip = sip_absorb(key, 1, 0, bytes, length);
    sip.v2 ^= 0xff;
    return sip_finish(&sip, 3);
}

uint64_t hash_tag(const struct hash_key *key, const void *bytes, size_t length)
{
    struct sip sip;

    assert(bytes != NULL || length == 0);
    sip = sip_absorb(key, 2, 0, bytes, length);
    sip.v2 ^= 0xff;
    return sip_finish(&sip, 4);
}

struct hash128 hash_bytes_128(const struct hash_key *key, const void *bytes, size_t length)
{
    struct hash128 hash;
    struct sip sip;

    assert(bytes != NULL || length == 0);
    sip = sip_absorb(key, 1, 0xee, bytes, length);
    sip.v2 ^= 0xee;
    hash.word[0] = sip_finish(&sip, 3);
    sip.v1 ^= 0xdd;
    hash.word[1] = sip_finish(&sip, 3);
    return hash;
}
