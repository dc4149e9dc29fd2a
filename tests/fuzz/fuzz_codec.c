/* SPDX-License-Identifier: Apache-2.0 */
/* Stored values: no bytes crash the decoding, and what it takes, it gives back: decoded, encoded
 * and decoded again, a record is the same, and the second encoding is that of the first.
 *
 * Input: flags, the length of a key, the key, the value. Flags: the kind, and whether the checksum
 * is to be put right first; without that no mutation would get past it. */
#include "fuzz.h"

#include <assert.h>
#include <string.h>

#include "codec.h"
#include "codec_fields.h"

enum { FLAG_KEEP_CHECKSUM = 0x80, NUMBERS = 3 };

static _Alignas(8) uint8_t first_bytes[CODEC_RECORD_BYTES_MAX];
static _Alignas(8) uint8_t second_bytes[CODEC_RECORD_BYTES_MAX];
static uint8_t value[CODEC_VALUE_BYTES_MAX + 64]; /* too long is tried too */
static uint8_t encoded[CODEC_VALUE_BYTES_MAX];
static uint8_t encoded_again[CODEC_VALUE_BYTES_MAX];

static void put_checksum_right(uint32_t seed, size_t length)
{
    if (length < CODEC_CHECKSUM_BYTES)
        return;
    uint8_t *target = value + length - CODEC_CHECKSUM_BYTES;
    uint32_t checksum = crc32c(seed, value, length - CODEC_CHECKSUM_BYTES);

    target[0] = 0xce; /* msgpack's uint 32 */
    for (unsigned i = 0; i < 4; i++)
        target[1 + i] = (uint8_t)(checksum >> (24 - 8 * i));
}

static void try_record(enum record_kind kind, const uint8_t *key, size_t key_length, size_t length)
{
    struct record *first = (struct record *)(void *)first_bytes;
    struct record *second = (struct record *)(void *)second_bytes;
    uint8_t key_again[CODEC_KEY_BYTES_MAX];
    enum codec_error error = codec_decode(kind, key, key_length, value, length, first);

    (void)codec_state_hash(kind, key, key_length, value, length);
    assert(codec_error_text(error) != NULL);
    if (error != CODEC_OK)
        return;
    assert(first->kind == kind && first->size <= CODEC_RECORD_BYTES_MAX && first->size % 8 == 0);
    assert(codec_record_is_valid(first));
    assert(codec_encode_key(first, key_again) == key_length);
    assert(memcmp(key_again, key, key_length) == 0);

    size_t encoded_length = codec_encode_value(first, key, key_length, encoded, sizeof(encoded));
    assert(codec_decode(kind, key, key_length, encoded, encoded_length, second) == CODEC_OK);
    assert(second->size == first->size && memcmp(second, first, first->size) == 0);
    assert(codec_encode_value(second, key, key_length, encoded_again, sizeof(encoded_again)) ==
           encoded_length);
    assert(memcmp(encoded_again, encoded, encoded_length) == 0);
}

static void try_numbers(const char *name, size_t length)
{
    uint64_t first[NUMBERS];
    uint64_t second[NUMBERS];

    if (codec_decode_numbers(name, value, length, first, NUMBERS) != CODEC_OK)
        return;
    size_t encoded_length = codec_encode_numbers(name, first, NUMBERS, encoded, sizeof(encoded));
    assert(codec_decode_numbers(name, encoded, encoded_length, second, NUMBERS) == CODEC_OK);
    assert(memcmp(first, second, sizeof(first)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "numbers";

    if (size < 2)
        return 0;
    unsigned kind = (data[0] & ~(unsigned)FLAG_KEEP_CHECKSUM) % (RECORD_KIND_COUNT + 1);
    bool keep = (data[0] & FLAG_KEEP_CHECKSUM) != 0;
    size_t key_length = data[1] % (CODEC_KEY_BYTES_MAX + 2);
    if (key_length > size - 2)
        key_length = size - 2;
    const uint8_t *key = data + 2;
    size_t length = size - 2 - key_length;
    if (length > sizeof(value))
        length = sizeof(value);
    memcpy(value, key + key_length, length);
    if (kind == RECORD_KIND_COUNT) {
        if (!keep)
            put_checksum_right(codec_checksum_seed(kind, (const uint8_t *)name, sizeof(name) - 1),
                               length);
        try_numbers(name, length);
        return 0;
    }
    if (!keep)
        put_checksum_right(codec_checksum_seed(kind, key, key_length), length);
    try_record((enum record_kind)kind, key, key_length, length);
    return 0;
}
