/* SPDX-License-Identifier: Apache-2.0 */
/* Compressing whole bodies. Each library stands in one file (compress_gzip.c, compress_brotli.c).
 *
 * Only what everybody may see is compressed: products, listings, the description of the API. Never
 * an answer in which a secret stands beside text that somebody else may have chosen (sessions,
 * accounts, carts, checkouts, orders, whatever staff see): its length would tell the secret, letter
 * by letter (BREACH).
 *
 * Any thread; memory is taken from the heap and given back within the call. */
#ifndef STAMPEDE_API_COMPRESS_H
#define STAMPEDE_API_COMPRESS_H

#include <stddef.h>

#include "api/coding.h"

enum {
    /* Below, it is not worth a reader's time: a packet is a packet. */
    COMPRESS_BYTES_LEAST = 1024,
    /* Above, a shard's loop has other things to do: it goes out as it is. */
    COMPRESS_SOON_BYTES_MAX = 128 * 1024,
};

enum compress_effort {
    COMPRESS_SOON, /* on a shard's loop: about half a millisecond at most for 64 KiB */
    COMPRESS_WELL, /* at the start, or on a worker: some 30 ms a MiB */
};

/* The length of `body` in this coding, written to `target`; 0 where it does not fit `capacity`, or
 * memory is out. Give less room than the body has: what is not smaller is not worth it. Not for
 * CODING_IDENTITY. */
size_t compress_body(enum content_coding coding, enum compress_effort effort, const void *body,
                     size_t length, void *target, size_t capacity);

/* The two of them, for compress_body alone. */
size_t compress_gzip(enum compress_effort effort, const void *body, size_t length, void *target,
                     size_t capacity);
size_t compress_brotli(enum compress_effort effort, const void *body, size_t length, void *target,
                       size_t capacity);

#endif
