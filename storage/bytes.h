/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as big-endian bytes, so that files are the same on every machine and keys sort. */
#ifndef STAMPEDE_BYTES_H
#define STAMPEDE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Writes the low `count` bytes (1 to 8) of `value`; returns what follows them. */
static inline uint8_t *bytes_put(uint8_t *at, uint64_t value, unsigned count)
{
    uint64_t first = htobe64(value << (64 - 8 * count));

    memcpy(at, &first, count);
    return at + count;
}

static inline uint64_t bytes_get(const uint8_t *at, unsigned count)
{
    uint64_t first = 0;

    memcpy(&first, at, count);
    return be64toh(first) >> (64 - 8 * count);
}

#endif
