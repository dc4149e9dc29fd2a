/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be done later: a binary heap of (due time, tag), of a fixed capacity. Retries with
 * back-off and the sale's purchases wait here.
 */
#ifndef LOAD_TIMERS_H
#define LOAD_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_timer {
    uint64_t due_ns;
    uint64_t tag;
};

struct load_timers {
    struct load_timer *entries;
    size_t count;
    size_t capacity;
};

/* False when memory is short. Freed by load_timers_close. */
bool load_timers_open(struct load_timers *timers, size_t capacity);
void load_timers_close(struct load_timers *timers);

/* False when it is full. */
bool load_timers_push(struct load_timers *timers, uint64_t due_ns, uint64_t tag);

/* The earliest time due, UINT64_MAX when there is none. */
uint64_t load_timers_next_ns(const struct load_timers *timers);

/* Takes the earliest. There must be one. */
struct load_timer load_timers_pop(struct load_timers *timers);

#endif
