/* SPDX-License-Identifier: Apache-2.0 */
/* Brotli (RFC 7932): the only file that knows its library. */
#include "api/compress.h"

#include <brotli/encode.h>

enum {
    SMALL_BYTES = 8 * 1024,
    MIDDLE_BYTES = 32 * 1024,
};

/* From quality 10 on it takes seconds a MiB. */
static int quality_of(enum compress_effort effort, size_t length)
{
    if (effort == COMPRESS_WELL)
        return 9;
    if (length <= SMALL_BYTES)
        return 5;
    return length <= MIDDLE_BYTES ? 4 : 2;
}

static int window_bits(size_t length)
{
    int bits = BROTLI_MIN_WINDOW_BITS;

    while (bits < BROTLI_MAX_WINDOW_BITS && (size_t)1 << bits < length)
        bits++;
    return bits;
}

size_t compress_brotli(enum compress_effort effort, const void *body, size_t length, void *target,
                       size_t capacity)
{
    size_t written = capacity;

    if (BrotliEncoderCompress(quality_of(effort, length), window_bits(length), BROTLI_MODE_TEXT,
                              length, body, &written, target) == BROTLI_FALSE)
        return 0;
    return written;
}
