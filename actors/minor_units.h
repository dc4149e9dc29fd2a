/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of amounts in minor units: whatever does not fit says so, nothing wraps, nothing is a
 * float. Each returns whether the result fits; *out is written only then. Pure; any thread. */
#ifndef STAMPEDE_MINOR_UNITS_H
#define STAMPEDE_MINOR_UNITS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum { BASIS_POINTS = 10000 };

static inline bool minor_add(int64_t left, int64_t right, int64_t *out)
{
    int64_t sum;

    if (__builtin_add_overflow(left, right, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool minor_multiply(int64_t amount, int64_t count, int64_t *out)
{
    int64_t product;

    if (__builtin_mul_overflow(amount, count, &product))
        return false;
    *out = product;
    return true;
}

/* `amount * numerator / denominator`, rounded half up, through 128 bits. The amount and the
 * numerator are not negative, the denominator is greater than 0; both are below 2^62, so that
 * twice the product fits. */
static inline bool minor_scale(int64_t amount, int64_t numerator, int64_t denominator, int64_t *out)
{
    assert(amount >= 0 && numerator >= 0 && denominator > 0);
    assert(numerator < INT64_C(1) << 62 && denominator < INT64_C(1) << 62);
    unsigned __int128 product = (unsigned __int128)(uint64_t)amount * (uint64_t)numerator;
    unsigned __int128 twice = product * 2 + (uint64_t)denominator;
    unsigned __int128 scaled = twice / ((uint64_t)denominator * 2);

    if (scaled > INT64_MAX)
        return false;
    *out = (int64_t)scaled;
    return true;
}

#endif
