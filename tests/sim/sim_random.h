/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64.
 * Every choice of a run comes from one of these, seeded by --seed and by nothing else. */
#ifndef STAMPEDE_SIM_RANDOM_H
#define STAMPEDE_SIM_RANDOM_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state[4];
};

static inline void sim_random_seed(struct sim_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t word = seed += 0x9e3779b97f4a7c15u;

        word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
        word = (word ^ word >> 27) * 0x94d049bb133111ebu;
        random->state[i] = word ^ word >> 31;
    }
}

static inline uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t *s = random->state;
    uint64_t times_five = s[1] * 5;
    uint64_t result = (times_five << 7 | times_five >> 57) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* 0 to count - 1; the bias of the multiplication is below 2^-32 for what is drawn here. */
static inline uint32_t sim_random_below(struct sim_random *random, uint32_t count)
{
    assert(count > 0);
    return (uint32_t)((sim_random_next(random) >> 32) * count >> 32);
}

/* `low` to `high`, both included. */
static inline uint32_t sim_random_range(struct sim_random *random, uint32_t low, uint32_t high)
{
    assert(low <= high);
    return low + sim_random_below(random, high - low + 1);
}

/* True `parts` times in a million. */
static inline bool sim_random_chance(struct sim_random *random, uint32_t parts)
{
    return sim_random_below(random, 1000000) < parts;
}

/* 0 for the first `parts` times in a hundred, otherwise 0 to count - 1. */
static inline uint32_t sim_random_unless(struct sim_random *random, uint32_t parts, uint32_t count)
{
    return sim_random_below(random, 100) < parts ? 0 : sim_random_below(random, count);
}

/* One of several, by weight; the sum must not be 0. */
static inline uint32_t sim_random_weighted(struct sim_random *random, const uint32_t *weights,
                                           uint32_t count)
{
    uint32_t total = 0;
    uint32_t drawn;

    for (uint32_t i = 0; i < count; i++)
        total += weights[i];
    drawn = sim_random_below(random, total);
    for (uint32_t i = 0; i < count; i++) {
        if (drawn < weights[i])
            return i;
        drawn -= weights[i];
    }
    assert(false && "weights add up");
    return 0;
}

#endif
