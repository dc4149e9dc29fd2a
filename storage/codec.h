/* SPDX-License-Identifier: Apache-2.0 */
/* How records are written down, on disk and in the in-memory journal alike.
 *
 * Key: partition u16 | subject u32 | sequence u64, big-endian; of a LIMIT, the principal follows.
 * So keys sort as (partition, subject, sequence). The kind is not in it: it is the column family.
 *
 * Value: one flat msgpack array [version, field ..., checksum]. The checksum is a CRC-32C of kind,
 * key and all of the value before it, so a damaged, truncated or misplaced value is seen even where
 * the storage engine does not see it. Nothing nests, so no depth can be exhausted; what is variable
 * (lines, a document) is bounded before it is used.
 *
 * A hold is what is written most, so it is written short: what is random or always wide in one run
 * of bytes, times as what they differ by from those that they follow from, and partitions, sequence
 * and SKU IDs as what they differ by from the key. Mostly that is 0, which takes a byte.
 *
 * Encoding asserts that a record is valid (a bug otherwise); decoding checks the same and never
 * trusts (damage otherwise). Pure, no heap; any thread. */
#ifndef STAMPEDE_CODEC_H
#define STAMPEDE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "records.h"

enum {
    CODEC_VERSION = 4, /* of every kind's value */
    CODEC_KEY_BYTES = 2 + 4 + 8,
    CODEC_KEY_BYTES_MAX = CODEC_KEY_BYTES + 16,
    /* A hold of one line stays within this; a budget that the tests hold us to. */
    CODEC_HOLD_BYTES_BUDGET = 200,
    CODEC_VALUE_BYTES_MAX = PRODUCT_DOCUMENT_BYTES_MAX + 1024,
    CODEC_RECORD_BYTES_MAX = PRODUCT_DOCUMENT_BYTES_MAX + 1024, /* decoded */
    CODEC_NUMBERS_MAX = 8,
};

enum codec_error {
    CODEC_OK,
    CODEC_BAD_KEY,
    CODEC_BAD_CHECKSUM, /* or too short, or too long */
    CODEC_BAD_VERSION,  /* intact, but written by another version of the program */
    CODEC_BAD_FORM,     /* intact, but not the fields of its kind */
    CODEC_BAD_RANGE,    /* intact, but a field has a value that cannot be */
};

/* For people; a static string. */
const char *codec_error_text(enum codec_error error);

/* A kind's name in lower case; a static string. */
const char *codec_kind_name(enum record_kind kind);

/* What decides which record is meant, without the principal of a LIMIT: a prefix and a bound. */
void codec_encode_key_prefix(uint32_t partition, uint32_t subject, uint64_t sequence,
                             uint8_t key_out[CODEC_KEY_BYTES]);

/* Writes the key of a record, put or deleted; returns its length. */
size_t codec_encode_key(const struct record *record, uint8_t key_out[CODEC_KEY_BYTES_MAX]);

/* Writes the value of a valid record that belongs to `key`; returns its length, at most `capacity`,
 * which must suffice (CODEC_VALUE_BYTES_MAX always does). */
size_t codec_encode_value(const struct record *record, const uint8_t *key, size_t key_length,
                          uint8_t *value_out, size_t capacity);

/* Decodes a record to `record_out` (CODEC_RECORD_BYTES_MAX bytes of room, aligned to 8), exactly as
 * it was when encoded: size, operation PUT, zeroed padding. On an error its contents are undefined.
 */
enum codec_error codec_decode(enum record_kind kind, const uint8_t *key, size_t key_length,
                              const uint8_t *value, size_t value_length, struct record *record_out);

/* Whether a record may be written: ranges, text, line count, size. */
bool codec_record_is_valid(const struct record *record);

/* Numbers of the journal itself, under a name: [version, number ..., checksum]. */
size_t codec_encode_numbers(const char *name, const uint64_t *numbers, uint32_t count,
                            uint8_t *value_out, size_t capacity);
enum codec_error codec_decode_numbers(const char *name, const uint8_t *value, size_t value_length,
                                      uint64_t *numbers_out, uint32_t count);

/* One record's share of a state hash, which is the wrapping sum of all shares. */
uint64_t codec_state_hash(enum record_kind kind, const uint8_t *key, size_t key_length,
                          const uint8_t *value, size_t value_length);

/* The share of the newest commit number. */
uint64_t codec_state_hash_commit(uint64_t commit_number);

#endif
