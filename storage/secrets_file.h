/* SPDX-License-Identifier: Apache-2.0 */
/* The store's secret and the admin key: files of mode 0600 in the data folder, and the secrets port
 * of engine/ports.h over the first (keyed BLAKE2b of libsodium). */
#ifndef STAMPEDE_SECRETS_FILE_H
#define STAMPEDE_SECRETS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

enum {
    SECRET_BYTES = 32,
    ADMIN_KEY_LENGTH = 9 + 43, /* `sk_admin_` and 256 bits in base64url */
    ADMIN_KEY_LENGTH_MIN = 8,  /* of a key that an operator chose */
    ADMIN_KEY_LENGTH_MAX = 255,
};

struct secrets {
    uint8_t secret[SECRET_BYTES];
};

/* Reads the secret in file `path`; with `create`, makes it where it is missing. 0, or -1 with one
 * line for people in `error`: missing, of wrong length, readable by others; FILES_NO_DISK likewise.
 */
int secrets_open(const char *path, bool create, struct secrets *secrets_out, char *error,
                 size_t error_size);

/* The port; valid as long as `secrets` stays where it is. */
struct secrets_port secrets_port_of(struct secrets *secrets);

/* What the port is made of: the keyed MAC (`self` is a struct secrets), and SHA-256. */
void secrets_mac(void *self, const char *purpose, const void *bytes, size_t length,
                 uint8_t mac_out[MAC_BYTES]);
void secrets_digest(const void *bytes, size_t length, uint8_t digest_out[AUDIT_HASH_BYTES]);

/* What a secret is known by: 64 bits of a keyed hash, which do not tell it. */
uint64_t secrets_mark(const struct secrets *secrets);

/* Forgets the secret. */
void secrets_close(struct secrets *secrets);

/* Unpredictable bytes from the system. Any thread. */
void secrets_random(void *bytes_out, size_t length);

/* Reads the admin key in file `path` (surrounding white space is ignored); with `create`, makes one
 * where the file is missing. Writes the key and a zero. 0, or -1 with one line for people in
 * `error`, or FILES_NO_DISK. `created_out` (may be NULL) tells whether it is new. */
int admin_key_open(const char *path, bool create, char key_out[ADMIN_KEY_LENGTH_MAX + 1],
                   bool *created_out, char *error, size_t error_size);

#endif
