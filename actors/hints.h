/* SPDX-License-Identifier: Apache-2.0 */
/* Hints to compiler and processor for the hot path; they change no result. */
#ifndef STAMPEDE_HINTS_H
#define STAMPEDE_HINTS_H

/* Hardened builds zero every local variable. This exempts one: a large array of which only what was
 * written before is read. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define UNINITIALIZED __attribute__((uninitialized))
#endif
#endif

#ifndef UNINITIALIZED
#define UNINITIALIZED
#endif

/* This memory is wanted soon, perhaps to be written; any address, NULL too. The empty statement is
 * there because gcc takes a function that only prefetches for one that does nothing, and drops it.
 */
static inline void prefetch(const void *address)
{
    __builtin_prefetch(address, 1);
    __asm__ volatile("" : : "r"(address));
}

#endif
