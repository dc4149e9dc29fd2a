/* SPDX-License-Identifier: Apache-2.0 */
/* gzip (RFC 1952) by zlib: the only file that knows it. */
#include "api/compress.h"

#include <limits.h>
#include <zlib.h>

enum {
    GZIP_FRAMING = 16, /* what windowBits is raised by for a gzip header instead of zlib's */
    WINDOW_BITS_MIN = 9,
    WINDOW_BITS_MAX = 15,
    MEMORY_LEVEL_MIN = 4,
    MEMORY_LEVEL_MAX = 8,
    SMALL_BYTES = 8 * 1024,
    MIDDLE_BYTES = 32 * 1024,
};

/* zlib's memory grows with the window, and clearing it would cost more than a small body. */
static int window_bits(size_t length)
{
    int bits = WINDOW_BITS_MIN;

    while (bits < WINDOW_BITS_MAX && (size_t)1 << bits < length)
        bits++;
    return bits;
}

static int level_of(enum compress_effort effort, size_t length)
{
    if (effort == COMPRESS_WELL)
        return Z_BEST_COMPRESSION;
    if (length <= SMALL_BYTES)
        return 7;
    return length <= MIDDLE_BYTES ? 5 : 2;
}

size_t compress_gzip(enum compress_effort effort, const void *body, size_t length, void *target,
                     size_t capacity)
{
    int bits = window_bits(length);
    int memory = bits - WINDOW_BITS_MIN + MEMORY_LEVEL_MIN;
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)body, .next_out = target};

    if (length > UINT_MAX || capacity > UINT_MAX)
        return 0;
    if (deflateInit2(&stream, level_of(effort, length), Z_DEFLATED, bits + GZIP_FRAMING,
                     memory < MEMORY_LEVEL_MAX ? memory : MEMORY_LEVEL_MAX,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    stream.avail_in = (uInt)length;
    stream.avail_out = (uInt)capacity;
    int result = deflate(&stream, Z_FINISH);
    size_t written = capacity - stream.avail_out;
    (void)deflateEnd(&stream);
    return result == Z_STREAM_END ? written : 0;
}
