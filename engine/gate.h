/* SPDX-License-Identifier: Apache-2.0 */
/* The stock gate: units of one SKU that are still claimable, and units claimed but not yet
 * recorded, in the two halves of one atomic word on a cache line of its own. Any core claims with
 * one bounded compare-and-swap before it sends anything, so a sold-out SKU is refused without a
 * message, and a mailbox never sees more claims than there are units.
 *
 * Because both halves move in one atomic step, the owner of the SKU can check at any moment,
 * without stopping anyone:    available + claimed == stock - reserved - sold
 * (the right side is its own record). That is the online audit, and it is exact.
 *
 * Orders: a claim releases, and a claim that finds too little acquires: whoever is refused because
 * of a claim also sees the key filter's bits that were set before that claim, so a repeat of the
 * winner's key, tested again after the refusal, is recognised (submit.c). All else is relaxed: the
 * message that carries a claim is ordered by its mailbox.
 *
 * Derived state: rebuilt from the records at start. */
#ifndef STAMPEDE_GATE_H
#define STAMPEDE_GATE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mutants.h"

#define CACHE_LINE 64

struct gate {
    _Alignas(CACHE_LINE) _Atomic uint64_t word; /* claimed << 32 | available */
    /* Published by the owner for answers ("only held", levels); may lag the word. */
    _Atomic uint32_t stock;
    _Atomic uint32_t reserved;
    _Atomic uint32_t sold; /* a part of its product's (directory.h) */
};

static inline uint32_t gate_available(const struct gate *gate)
{
    return (uint32_t)atomic_load_explicit(&gate->word, memory_order_relaxed);
}

/* Whether so many are there; acquires like a claim that fails. */
static inline bool gate_has(const struct gate *gate, uint32_t quantity)
{
    return (uint32_t)atomic_load_explicit(&gate->word, memory_order_acquire) >= quantity;
}

/* Whether no unit is available, being claimed or held, at one moment. The owner raises `reserved`
 * before it resolves a claim and lowers it after it gives the units back (deliver.c), so between
 * two equal and empty readings of the word, `reserved` tells the truth. */
static inline bool gate_is_final(const struct gate *gate)
{
    uint64_t before = atomic_load_explicit(&gate->word, memory_order_acquire);
    uint32_t reserved = atomic_load_explicit(&gate->reserved, memory_order_acquire);

    return before == 0 && reserved == 0 &&
           atomic_load_explicit(&gate->word, memory_order_acquire) == 0;
}

static inline uint32_t gate_claimed(const struct gate *gate)
{
    return (uint32_t)(atomic_load_explicit(&gate->word, memory_order_relaxed) >> 32);
}

/* Takes `quantity` units if so many are there; any thread. */
static inline bool gate_claim(struct gate *gate, uint32_t quantity)
{
    uint64_t word = atomic_load_explicit(&gate->word, memory_order_acquire);

    uint32_t taken = quantity;

    do {
        if ((uint32_t)word < quantity) {
            if (!MUTANT(CLAIM_OFF_BY_ONE) || (uint32_t)word + 1 < quantity)
                return false;
            taken = (uint32_t)word;
        }
    } while (!atomic_compare_exchange_weak_explicit(&gate->word, &word,
                                                    word - taken + ((uint64_t)quantity << 32),
                                                    memory_order_acq_rel, memory_order_acquire));
    return true;
}

/* Gives claimed units back; any thread that holds the claim. */
static inline void gate_return(struct gate *gate, uint32_t quantity)
{
    uint64_t before = atomic_fetch_sub_explicit(&gate->word, ((uint64_t)quantity << 32) - quantity,
                                                memory_order_relaxed);

    assert((uint32_t)(before >> 32) >= quantity);
}

/* Claimed units have been recorded; the owner's thread. */
static inline void gate_resolve(struct gate *gate, uint32_t quantity)
{
    uint64_t before =
        atomic_fetch_sub_explicit(&gate->word, (uint64_t)quantity << 32, memory_order_release);

    assert((uint32_t)(before >> 32) >= quantity);
}

/* Units come back or are received; the owner's thread. */
static inline void gate_credit(struct gate *gate, uint32_t quantity)
{
    uint64_t before = atomic_fetch_add_explicit(&gate->word, quantity, memory_order_relaxed);

    assert((uint32_t)before <= UINT32_MAX - quantity);
}

#endif
