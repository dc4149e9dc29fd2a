/* SPDX-License-Identifier: Apache-2.0 */
/* Private fields of accounts: sealed before they go to the engine, opened when they come back
 * (engine/ports.h, vault). Any thread. A value
 * is bound to its account and field; an account's key record is its wrapped data key. */
#ifndef STAMPEDE_API_PRIVATE_DATA_H
#define STAMPEDE_API_PRIVATE_DATA_H

#include "engine.h"

/* Numbers are stored with each value's authentication and never change their meaning. */
enum private_field {
    PRIVATE_EMAIL = 1, /* also one that waits to be confirmed */
    PRIVATE_NAME = 2,
    PRIVATE_TOTP = 3,
    PRIVATE_AGENT = 4,
    PRIVATE_ADDRESS = 5,
    PRIVATE_MAIL = 6,
    PRIVATE_ANSWER = 7, /* kept for an Idempotency-Key, in memory */
};

/* A new key of an account. */
void private_key_make(const struct engine *engine, const struct principal *account,
                      struct account_key_record *key_out);

/* Seals into `sealed_out`; its length, or 0 if it does not fit or the key is not good. */
size_t private_seal(const struct engine *engine, const struct principal *account,
                    const struct account_key_record *key, enum private_field field,
                    const void *plain, size_t length, uint8_t *sealed_out, size_t capacity);

/* Opens into `plain_out` and writes a zero behind (not counted, but it needs room). False: it is
 * not what was sealed there, or does not fit. */
bool private_open(const struct engine *engine, const struct principal *account,
                  const struct account_key_record *key, enum private_field field,
                  const uint8_t *sealed, size_t length, char *plain_out, size_t capacity,
                  size_t *length_out);

#endif
