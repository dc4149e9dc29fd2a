/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines: a hierarchical timing wheel over numbered slots, one timer a slot. `now` is an
 * argument everywhere, so that tests and the simulator own time. Setting and cancelling cost O(1);
 * nothing is looked at before it is due but when a level turns over. Single-threaded.
 *
 * Five levels of 64: 1 ms, 64 ms, 4 s, 4 min, 4.6 h; what lies further waits in the last. */
#ifndef STAMPEDE_TIMERS_H
#define STAMPEDE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIMER_LEVELS = 5, TIMER_LEVEL_SLOTS = 64, TIMER_LISTS = TIMER_LEVELS * 64 + 1 };

struct timer_node {
    uint32_t deadline_low; /* 48 bits of the deadline: 8,900 years */
    uint16_t deadline_high;
    uint16_t list_plus_one; /* 0: not set */
    uint32_t next;
    uint32_t previous;
};

struct timers {
    struct timer_node *nodes;
    uint32_t slots;
    uint32_t armed;
    int64_t current_ms; /* everything up to here is in the list of what is due */
    uint64_t occupied[TIMER_LEVELS];
    uint32_t heads[TIMER_LISTS];
};

/* `nodes` is zeroed memory for `slots` timers; it stays the caller's. */
void timers_init(struct timers *timers, struct timer_node *nodes, uint32_t slots, int64_t now_ms);

/* Sets or moves a slot's timer; a deadline that has passed is due at once. */
void timers_set(struct timers *timers, uint32_t slot, int64_t deadline_ms);
void timers_cancel(struct timers *timers, uint32_t slot);

/* Advances to `now_ms` (never back) and takes out the next due slot; false if none is due. */
bool timers_next_due(struct timers *timers, int64_t now_ms, uint32_t *slot_out);

/* When to look again at the latest: the next deadline, or the next turn of a level that holds any;
 * INT64_MAX if nothing is set. */
int64_t timers_wake_ms(const struct timers *timers);

/* How many are due at this time, taken out by nobody yet. Looks at all: for oracles. */
uint32_t timers_count_due(const struct timers *timers, int64_t now_ms);

#endif
