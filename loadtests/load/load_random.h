/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded randomness of the load generator: the same seed gives the same arrivals, SKUs and
 * decisions. A 64-bit counter run through a bijective mixer: fast, small, and good enough to
 * choose arrivals with; it keeps no secret.
 */
#ifndef LOAD_RANDOM_H
#define LOAD_RANDOM_H

#include <stdint.h>

struct load_random {
    uint64_t state;
};

/* A well-mixed image of `value`: a decision that depends on a number alone, not on its order. */
static inline uint64_t load_random_mix(uint64_t value)
{
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    value ^= value >> 32;
    return value;
}

static inline struct load_random load_random_seeded(uint64_t seed)
{
    return (struct load_random){.state = load_random_mix(seed + UINT64_C(0x5851f42d4c957f2d))};
}

static inline uint64_t load_random_next(struct load_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return load_random_mix(random->state);
}

/* Uniform in (0, 1]: never 0, so that its logarithm exists. */
static inline double load_random_unit(struct load_random *random)
{
    return (double)((load_random_next(random) >> 11) + 1) * 0x1.0p-53;
}

/* Uniform in [0, bound); bound > 0. The bias of the multiply is below bound / 2^32. */
static inline uint32_t load_random_below(struct load_random *random, uint32_t bound)
{
    return (uint32_t)(((load_random_next(random) >> 32) * bound) >> 32);
}

#endif
