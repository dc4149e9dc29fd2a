/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash (Aumasson and Bernstein, 2012). With one round a word and three to finish (SipHash-1-3,
 * as in the tables of Rust and Python), 64 and 128 bits: the seeded hash of tables, of idempotency
 * keys and of bodies. With two and four, as published: the tag of an ID, which nobody may make up.
 * Pure; any thread. */
#ifndef STAMPEDE_HASH_H
#define STAMPEDE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t word[2];
};

struct hash128 {
    uint64_t word[2];
};

static inline bool hash128_equal(const struct hash128 *a, const struct hash128 *b)
{
    return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t length);
uint64_t hash_tag(const struct hash_key *key, const void *bytes, size_t length);
struct hash128 hash_bytes_128(const struct hash_key *key, const void *bytes, size_t length);

/* A fast mix of one word for table positions; not for secrets. */
static inline uint64_t hash_word(uint64_t value)
{
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    return value;
}

#endif
