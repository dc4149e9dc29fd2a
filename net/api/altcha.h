/* SPDX-License-Identifier: Apache-2.0 */
/* Proof of work against bots: ALTCHA v2, as its widget (3.x) solves it.
 *
 * A challenge is a JSON text, signed by HMAC-SHA-256 over its `parameters` in canonical form (keys
 * sorted, no spaces). Nothing is kept of a challenge that was handed out. A client tries counters
 * until the key that it derives begins with the prefix; we derive once. With SHA-256 and cost 1
 * both our sides cost one or two hashes.
 *
 * Replay: one memory for all shards, a table of atomic words in buckets of a cache line, at the
 * bucket that the challenge's signature hashes to. A word holds the expiry and 32 bits of the
 * signature; it is free again when that has passed. The same challenge offered to two shards at
 * once is accepted at most once (each inserts, then looks for another insertion). A bucket that is
 * full of live words refuses. The key of the signature is to be random and new at each start: then
 * nothing from before a restart, which the memory no longer knows, is accepted. */
#ifndef STAMPEDE_ALTCHA_H
#define STAMPEDE_ALTCHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ALTCHA_KEY_BYTES = 32,
    ALTCHA_NONCE_BYTES = 16,
    ALTCHA_CHALLENGE_MAX = 1024,
    ALTCHA_PAYLOAD_MAX = 2048, /* base64, as it comes */
    ALTCHA_PREFIX_BYTES_MAX = 16,
    ALTCHA_COST_MAX = 100000,
    ALTCHA_DATA_MAX = 64,
    ALTCHA_SOLUTIONS_MAX = 1 << 20,
};

enum altcha_algorithm {
    ALTCHA_SHA256,
    ALTCHA_PBKDF2_SHA256,
};

/* What a challenge demands. */
struct altcha_parameters {
    enum altcha_algorithm algorithm;
    uint32_t cost; /* rounds of the derivation, 1 to ALTCHA_COST_MAX */
    uint8_t nonce[ALTCHA_NONCE_BYTES];
    uint8_t salt[ALTCHA_NONCE_BYTES];
    uint8_t prefix[ALTCHA_PREFIX_BYTES_MAX]; /* the derived key begins with */
    uint32_t prefix_length;                  /* bytes */
    int64_t expires_s;                       /* wall clock */
    char data[ALTCHA_DATA_MAX + 1]; /* what it is for, as `data.action`: letters, digits, `_-.:`;
                                       empty: none */
    bool has_key_signature; /* the prefix is the first half of a key known when it was made */
    uint8_t key_signature[32];
};

enum altcha_verdict {
    ALTCHA_GOOD,
    ALTCHA_MALFORMED,
    ALTCHA_EXPIRED,
    ALTCHA_FORGED,      /* not signed by us */
    ALTCHA_WRONG,       /* no solution */
    ALTCHA_OTHER,       /* made for something else than `data` */
    ALTCHA_REPLAYED,    /* used before */
    ALTCHA_MEMORY_FULL, /* too many solutions at once: refused, for it could not be remembered */
};

/* The challenge's JSON, with its signature; returns its length, 0 if it does not fit. Any thread.
 */
size_t altcha_challenge_format(const struct altcha_parameters *parameters, const uint8_t *key,
                               size_t key_length, char text_out[ALTCHA_CHALLENGE_MAX]);

/* ---- replay memory ---- */

struct altcha_memory;

/* For some `solutions` (64 to ALTCHA_SOLUTIONS_MAX) within one challenge's life, 32 bytes each:
 * with so many, one in some thousand finds its bucket full. NULL without memory. Start-up thread.
 */
struct altcha_memory *altcha_memory_create(uint32_t solutions);
void altcha_memory_destroy(struct altcha_memory *memory);

/* Remembers a challenge, by its signature, until it expires. ALTCHA_GOOD for one of those who offer
 * it, ALTCHA_REPLAYED for the others; ALTCHA_EXPIRED too if a later time was seen here, so that a
 * clock that is set back revives nothing; ALTCHA_MEMORY_FULL. Any thread. */
enum altcha_verdict altcha_memory_use(struct altcha_memory *memory, const uint8_t signature[32],
                                      int64_t expires_s, int64_t now_s);

/* ---- verification ---- */

struct altcha_verifier {
    const uint8_t *key; /* of the challenge's signature */
    size_t key_length;
    const uint8_t *key_key; /* of `keySignature`; NULL: such challenges are derived like others */
    size_t key_key_length;
    struct altcha_memory *memory; /* NULL: replays are not looked for (tests) */
};

/* Judges what a form brought as `altcha` (base64 of JSON). `data` as in the parameters, or NULL
 * where none is demanded. In this order: form, expiry, signature, data, solution, replay. Any
 * thread. */
enum altcha_verdict altcha_verify(const struct altcha_verifier *verifier, const char *payload,
                                  size_t length, const char *data, int64_t now_s);

/* ---- the client's part, for tests and load ---- */

/* Derives the key of a counter. */
void altcha_derive(const struct altcha_parameters *parameters, uint32_t counter,
                   uint8_t derived_out[32]);

/* Counts from 0 until the derived key begins with the prefix; false at UINT32_MAX. */
bool altcha_solve(const struct altcha_parameters *parameters, uint32_t *counter_out,
                  uint8_t derived_out[32]);

#endif
