/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as big-endian bytes, so that files are the same on every machine and keys sort. */
#ifndef STAMPEDE_BYTES_H
#define STAMPEDE_BYTES_H

#include <stdint.h>

/* Writes the low `count` bytes of `value`; returns what follows them. */
static inline uint8_t *bytes_put(uint8_t *at, uint64_t value, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        at[i] = (uint8_t)(value >> (8 * (count - 1 - i)));
    return at + count;
}

static inline uint64_t bytes_get(const uint8_t *at, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value = value << 8 | at[i];
    return value;
}

#endif
