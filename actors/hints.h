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

/* This memory is wanted soon; any address, NULL too. The empty statement is there because gcc takes
 * a function that only prefetches for one that does nothing, and drops it. */
static inline void prefetch(const void *address)
{
    __builtin_prefetch(address, 0);
    __asm__ volatile("" : : "r"(address));
}

/* It will be written: no other core keeps a copy, so that the write itself need not ask for it. Not
 * for what cores mostly read. (gcc has no such instruction for every x86-64 processor; those
 * without it take it for nothing.) */
static inline void prefetch_to_write(const void *address)
{
#ifdef __x86_64__
    __asm__ volatile("prefetchw (%0)" : : "r"(address));
#else
    __builtin_prefetch(address, 1);
    __asm__ volatile("" : : "r"(address));
#endif
}

#endif
