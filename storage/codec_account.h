/* SPDX-License-Identifier: Apache-2.0 */
/* How an account's fields are written down: the one field of an ACCOUNT record's value. Pure. */
#ifndef STAMPEDE_CODEC_ACCOUNT_H
#define STAMPEDE_CODEC_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account_state.h"

enum {
    /* More than any account takes: its fields, with the lengths of what varies. */
    CODEC_ACCOUNT_BYTES_MAX = sizeof(struct account_record) + 256,
};

/* Writes a valid account; its length, at most `capacity`, which must suffice
 * (CODEC_ACCOUNT_BYTES_MAX does). */
size_t codec_account_pack(const struct account_record *account, uint8_t *bytes_out,
                          size_t capacity);

/* Reads one. False: it is none. */
bool codec_account_unpack(const uint8_t *bytes, size_t length, struct account_record *account_out);

#endif
