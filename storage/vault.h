/* SPDX-License-Identifier: Apache-2.0 */
/* The vault port of engine/ports.h: AES-256-GCM and HMAC-SHA-256 by OpenSSL. Pure: keys come from
 * vault_file.h.
 *
 *   vault key (KEK)   outside of the store; known by its ID, a keyed hash of nothing (64 bits)
 *   index key         random, for the life of the store; stored wrapped by the vault key
 *   data key (DEK)    random, one an owner; stored wrapped by the vault key
 *
 * Additional data, which must be the same to open: of a wrapped key `"stampede dek" | version |
 * key id | vault key id | owner`, of a sealed value `"stampede seal" | version | key id | table |
 * owner | row | field`, numbers big-endian. Nonces are random (SP 800-38D, 8.2.2: at most 2^32
 * under one key; data keys stay below 2^20). Clear keys live on the stack and are wiped. */
#ifndef STAMPEDE_VAULT_H
#define STAMPEDE_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

enum {
    VAULT_KEY_BYTES = 32,
    VAULT_KEYS_MAX = 2, /* the current one and, during a rotation, the one before */
    VAULT_VERSION = 1,
    /* A wrapped key without an owner of its own: `version | vault key id | nonce | key | tag`. */
    VAULT_WRAPPED_INDEX_BYTES = 1 + 8 + 12 + 32 + 16,
};

/* The vault's keys in clear. The first is current: it wraps; all of them unwrap. */
struct vault_keys {
    uint32_t count; /* 1 to VAULT_KEYS_MAX */
    uint8_t keys[VAULT_KEYS_MAX][VAULT_KEY_BYTES];
};

struct vault;

/* What a vault key is known by; it does not tell the key. */
uint64_t vault_key_id(const uint8_t key[VAULT_KEY_BYTES]);

/* `random` fills with unpredictable bytes, any thread (struct env has such a one); with NULL
 * OpenSSL's own. Copies the keys. NULL without memory or a working OpenSSL. Start-up thread. */
struct vault *vault_create(const struct vault_keys *keys, const uint8_t index_key[VAULT_KEY_BYTES],
                           void (*random)(void *self, void *bytes, size_t length),
                           void *random_self);

/* Wipes and frees; nobody may use the port any more. */
void vault_destroy(struct vault *vault);

/* Valid as long as the vault. */
struct vault_port vault_port_of(struct vault *vault);

/* ---- the index key, wrapped by the current vault key and bound to its store ---- */

/* Wraps `index_key`, for vault_file.c. */
void vault_index_wrap(const struct vault_keys *keys, uint64_t store_id,
                      const uint8_t index_key[VAULT_KEY_BYTES],
                      uint8_t wrapped_out[VAULT_WRAPPED_INDEX_BYTES]);

/* VAULT_OTHER_KEY: no key of `keys` wrapped it; `key_id_out` says which one did (set unless
 * VAULT_MALFORMED). */
enum vault_result vault_index_unwrap(const struct vault_keys *keys, uint64_t store_id,
                                     const uint8_t wrapped[VAULT_WRAPPED_INDEX_BYTES],
                                     uint8_t index_key_out[VAULT_KEY_BYTES], uint64_t *key_id_out);

/* Which vault key a data key is wrapped by, for a rotation's progress. */
uint64_t vault_wrapped_key_id(const struct vault_wrapped_key *wrapped);

#endif
