/* SPDX-License-Identifier: Apache-2.0 */
/* The codec on a hold of one line, beside a plain copy of the struct.
 *
 *   codec/hold/encode  key and value, checksum included
 *   codec/hold/decode  the same back, every field checked
 *   codec/hold/copy    memcpy of the struct as it is in memory */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "bench_records.h"
#include "codec.h"

enum {
    HOLDS = 1024, /* different ones, taken in turn */
    OPERATIONS = 500000,
    VALUE_BYTES = 256,
};

struct encoded {
    uint8_t key[CODEC_KEY_BYTES_MAX];
    uint8_t value[VALUE_BYTES];
    size_t key_length;
    size_t value_length;
};

struct books {
    struct record records[HOLDS];
    struct encoded encoded[HOLDS];
    struct record decoded;
};

static void encode_one(const struct record *record, struct encoded *encoded_out)
{
    encoded_out->key_length = codec_encode_key(record, encoded_out->key);
    encoded_out->value_length = codec_encode_value(
        record, encoded_out->key, encoded_out->key_length, encoded_out->value, VALUE_BYTES);
}

static uint64_t encode(void *arg, uint64_t operations)
{
    struct books *books = arg;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++)
        encode_one(&books->records[i % HOLDS], &books->encoded[i % HOLDS]);
    return bench_now_ns() - started_ns;
}

static uint64_t decode(void *arg, uint64_t operations)
{
    struct books *books = arg;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        const struct encoded *encoded = &books->encoded[i % HOLDS];

        if (codec_decode(RECORD_HOLD, encoded->key, encoded->key_length, encoded->value,
                         encoded->value_length, &books->decoded) != CODEC_OK)
            bench_fail("a hold could not be decoded");
    }
    return bench_now_ns() - started_ns;
}

static uint64_t copy(void *arg, uint64_t operations)
{
    struct books *books = arg;
    uint64_t started_ns = bench_now_ns();

    for (uint64_t i = 0; i < operations; i++) {
        memcpy(&books->decoded, &books->records[i % HOLDS], books->records[i % HOLDS].size);
        bench_keep(books->decoded.sequence);
    }
    return bench_now_ns() - started_ns;
}

int main(int argc, char **argv)
{
    static struct books books;
    uint64_t state = 88172645463325252u;
    uint64_t operations;
    char sizes[64];
    char bytes[32];

    bench_begin(&argc, argv);
    operations = bench_scale(OPERATIONS);
    for (uint32_t i = 0; i < HOLDS; i++) {
        bench_hold_fill(&books.records[i], i % PARTITIONS_DEFAULT, 1000000 + i, &state);
        encode_one(&books.records[i], &books.encoded[i]);
    }
    snprintf(sizes, sizeof(sizes), "\"key_bytes\":%zu,\"value_bytes\":%zu",
             books.encoded[0].key_length, books.encoded[0].value_length);
    snprintf(bytes, sizeof(bytes), "\"bytes\":%u", books.records[0].size);
    bench_contest(
        (struct bench_entry[]){
            {.name = "codec/hold/encode",
             .body = encode,
             .arg = &books,
             .operations = operations,
             .more = sizes},
            {.name = "codec/hold/decode",
             .body = decode,
             .arg = &books,
             .operations = operations,
             .more = sizes},
            {.name = "codec/hold/copy",
             .body = copy,
             .arg = &books,
             .operations = operations,
             .more = bytes},
        },
        3, BENCH_ROUNDS);
    return 0;
}
