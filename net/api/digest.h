/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and MACs for the handlers, by OpenSSL: the only file of net/api that includes it. Pure;
 * any thread. */
#ifndef STAMPEDE_DIGEST_H
#define STAMPEDE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SHA256_BYTES = 32, DIGEST_SHA1_BYTES = 20 };

void digest_sha256(const void *bytes, size_t length, uint8_t digest_out[DIGEST_SHA256_BYTES]);

void digest_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                        uint8_t mac_out[DIGEST_SHA256_BYTES]);

/* The same, of bytes that lie apart. */
struct digest_part {
    const void *bytes;
    size_t length;
};

void digest_hmac_sha256_parts(const void *key, size_t key_length, const struct digest_part *parts,
                              size_t count, uint8_t mac_out[DIGEST_SHA256_BYTES]);

/* For one-time passwords only (RFC 6238). */
void digest_hmac_sha1(const void *key, size_t key_length, const void *bytes, size_t length,
                      uint8_t mac_out[DIGEST_SHA1_BYTES]);

/* PBKDF2 with HMAC-SHA-256 (RFC 8018). */
void digest_pbkdf2_sha256(const void *password, size_t password_length, const void *salt,
                          size_t salt_length, uint32_t rounds, uint8_t *key_out, size_t key_length);

/* In a time that depends on the length only. */
bool digest_equal(const void *a, const void *b, size_t length);

/* Overwrites what must not stay in memory. */
void digest_wipe(void *bytes, size_t length);

#endif
