/* SPDX-License-Identifier: Apache-2.0 */
/* How a webhook on its way is written down: the one field of such a record's value. Pure. */
#ifndef STAMPEDE_CODEC_DELIVERY_H
#define STAMPEDE_CODEC_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "delivery_state.h"

enum { CODEC_DELIVERY_BYTES_MAX = sizeof(struct delivery_record) + 16 };

/* Writes a valid one; its length, at most `capacity` (CODEC_DELIVERY_BYTES_MAX suffices). */
size_t codec_delivery_pack(const struct delivery_record *delivery, uint8_t *bytes_out,
                           size_t capacity);

/* Reads one into a zeroed struct; false: it is none. */
bool codec_delivery_unpack(const uint8_t *bytes, size_t length,
                           struct delivery_record *delivery_out);

#endif
