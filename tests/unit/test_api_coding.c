/* SPDX-License-Identifier: Apache-2.0 */
/* Which coding an Accept-Encoding asks for, and that what is compressed is what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <brotli/decode.h>
#include <zlib.h>

#include "api/compress.h"

static const struct {
    const char *accepted;
    enum content_coding coding;
} cases[] = {
    {"", CODING_IDENTITY},
    {"gzip", CODING_GZIP},
    {"br", CODING_BROTLI},
    {"gzip, deflate, br, zstd", CODING_BROTLI}, /* browsers */
    {"gzip, br", CODING_BROTLI},                /* CDNs */
    {"br;q=1.0, gzip;q=0.8, *;q=0.1", CODING_BROTLI},
    {"br;q=0.8, gzip;q=0.9", CODING_GZIP},
    {"br;q=0, gzip", CODING_GZIP},
    {"gzip;q=0", CODING_IDENTITY},
    {"gzip;q=0.000", CODING_IDENTITY},
    {"gzip;q=0.001", CODING_GZIP},
    {"*", CODING_BROTLI},
    {"*;q=0", CODING_IDENTITY},
    {"*;q=0.5, br;q=0", CODING_GZIP},
    {"gzip, *;q=0", CODING_GZIP},
    {"identity", CODING_IDENTITY},
    {"identity, gzip;q=0.5", CODING_IDENTITY},
    {"identity;q=0.5, gzip;q=0.5", CODING_GZIP},
    {"identity;q=0.5, gzip", CODING_GZIP},
    {"identity;q=0", CODING_IDENTITY}, /* nothing acceptable: a body is better than none */
    {"GZip", CODING_GZIP},
    {"x-gzip", CODING_GZIP},
    {"deflate", CODING_IDENTITY},
    {"zstd, compress", CODING_IDENTITY},
    {" \t gzip \t ;\t q=1 ", CODING_GZIP},
    {",,gzip,,", CODING_GZIP},
    {"gzip;Q=0.5", CODING_GZIP},
    {"gzip;q=1.000", CODING_GZIP},
    /* Malformed elements count for nothing. */
    {"gzip;q=1.001", CODING_IDENTITY},
    {"gzip;q=2", CODING_IDENTITY},
    {"gzip;q=-1", CODING_IDENTITY},
    {"gzip;q=.5", CODING_IDENTITY},
    {"gzip;q=0.5555", CODING_IDENTITY},
    {"gzip;q=", CODING_IDENTITY},
    {"gzip;q", CODING_IDENTITY},
    {"gzip;level=9", CODING_IDENTITY},
    {"gzip;q=1;q=0", CODING_IDENTITY},
    {"gzip q=1", CODING_IDENTITY},
    {"gzipp", CODING_IDENTITY},
    {"gzi", CODING_IDENTITY},
    {"b", CODING_IDENTITY},
    {"br\x80", CODING_IDENTITY},
    {";q=1", CODING_IDENTITY},
    {"bogus;q=9, br", CODING_BROTLI},
    {"\"gzip\"", CODING_IDENTITY},
};

static void accept_encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_slice accepted = {cases[i].accepted, strlen(cases[i].accepted)};
        if (coding_choose(accepted) != cases[i].coding)
            fail_msg("%s: %s", cases[i].accepted, coding_name(coding_choose(accepted)));
    }
    assert_int_equal(coding_choose((struct http_slice){0}), CODING_IDENTITY);
}

/* Nothing behind the slice is read: every beginning of every case, in memory of just that size. */
static void accept_encoding_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t length = 0; length <= strlen(cases[i].accepted); length++) {
            char *text = malloc(length + (length == 0));
            assert_non_null(text);
            memcpy(text, cases[i].accepted, length);
            assert_in_range(coding_choose((struct http_slice){text, length}), CODING_IDENTITY,
                            CODING_BROTLI);
            free(text);
        }
    }
}

/* ---- compression ---- */

static size_t fill_json(char *target, size_t capacity)
{
    size_t length = 0;

    for (unsigned i = 0; length + 64 < capacity; i++)
        length += (size_t)snprintf(target + length, capacity - length,
                                   "{\"sku\":\"SKU-%u\",\"price_minor\":%u},", i * 7919,
                                   i * 31337 % 100000);
    return length;
}

static size_t expand(enum content_coding coding, const void *bytes, size_t length, void *target,
                     size_t capacity)
{
    size_t written = capacity;

    if (coding == CODING_BROTLI)
        return BrotliDecoderDecompress(length, bytes, &written, target) ==
                       BROTLI_DECODER_RESULT_SUCCESS
                   ? written
                   : 0;
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)bytes,
                       .avail_in = (uInt)length,
                       .next_out = target,
                       .avail_out = (uInt)capacity};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    int result = inflate(&stream, Z_FINISH);
    written = capacity - stream.avail_out;
    inflateEnd(&stream);
    return result == Z_STREAM_END ? written : 0;
}

static void what_is_compressed_is_what_it_was(void **state)
{
    static const size_t sizes[] = {1024, 2000, 8 * 1024, 8193, 33000, 64 * 1024, 512 * 1024};
    enum { MOST = 512 * 1024 };
    char *body = malloc(MOST);
    char *packed = malloc(MOST);
    char *unpacked = malloc(MOST);

    (void)state;
    assert_true(body != NULL && packed != NULL && unpacked != NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t length = fill_json(body, sizes[i]);
        for (unsigned coding = CODING_GZIP; coding < CODING_COUNT; coding++) {
            for (unsigned effort = COMPRESS_SOON; effort <= COMPRESS_WELL; effort++) {
                size_t size =
                    compress_body((enum content_coding)coding, (enum compress_effort)effort, body,
                                  length, packed, length);
                assert_in_range(size, 1, length * 2 / 3);
                assert_int_equal(expand((enum content_coding)coding, packed, size, unpacked, MOST),
                                 length);
                assert_memory_equal(unpacked, body, length);
                /* One byte less than it needs is not enough, and nothing behind is touched. */
                packed[size - 1] = 'x';
                assert_int_equal(compress_body((enum content_coding)coding,
                                               (enum compress_effort)effort, body, length, packed,
                                               size - 1),
                                 0);
                assert_int_equal(packed[size - 1], 'x');
            }
        }
    }
    free(body);
    free(packed);
    free(unpacked);
}

static void what_does_not_get_smaller(void **state)
{
    (void)state;
    unsigned char body[4096];
    unsigned char packed[4096];
    uint64_t random = 88172645463325252U;

    for (size_t i = 0; i < sizeof(body); i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        body[i] = (unsigned char)(random >> 32);
    }
    for (unsigned coding = CODING_GZIP; coding < CODING_COUNT; coding++)
        assert_int_equal(compress_body((enum content_coding)coding, COMPRESS_WELL, body,
                                       sizeof(body), packed, sizeof(packed) * 9 / 10),
                         0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_encoding),
        cmocka_unit_test(accept_encoding_cut_short),
        cmocka_unit_test(what_is_compressed_is_what_it_was),
        cmocka_unit_test(what_does_not_get_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
