/* SPDX-License-Identifier: Apache-2.0 */
/* How what is stored of orders is written down: the one field of such a record's value. Pure. */
#ifndef STAMPEDE_CODEC_ORDER_H
#define STAMPEDE_CODEC_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "records.h"

enum { CODEC_ORDER_BYTES_MAX = sizeof(struct order_body_record) + ORDER_TEXT_MAX + 1024 };

/* Whether a kind is one of these. */
bool codec_is_of_orders(enum record_kind kind);

/* What packing relies on; unpacking bounds all that it reads. */
bool codec_order_is_valid(const struct record *record);

/* Writes a valid record; its length, at most `capacity` (CODEC_ORDER_BYTES_MAX suffices). */
size_t codec_order_pack(const struct record *record, uint8_t *bytes_out, size_t capacity);

/* Reads one into a zeroed record whose kind is set; `room`: bytes behind the struct, for a text.
 * False: it is none. */
bool codec_order_unpack(const uint8_t *bytes, size_t length, struct record *record, size_t room);

#endif
