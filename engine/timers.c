/* SPDX-License-Identifier: Apache-2.0 */
#include "timers.h"

#include <assert.h>

#include "mutants.h"

enum { NODE_NONE = UINT32_MAX, LIST_DUE = TIMER_LISTS - 1, LEVEL_BITS = 6, LEVEL_MASK = 63 };

void timers_init(struct timers *timers, struct timer_node *nodes, uint32_t slots, int64_t now_ms)
{
    *timers = (struct timers){.nodes = nodes, .slots = slots, .current_ms = now_ms};
    for (uint32_t i = 0; i < TIMER_LISTS; i++)
        timers->heads[i] = (uint32_t)NODE_NONE;
}

static void link_node(struct timers *timers, uint32_t slot, uint32_t list)
{
    struct timer_node *node = &timers->nodes[slot];
    uint32_t head = timers->heads[list];

    node->list_plus_one = (uint16_t)(list + 1);
    node->previous = (uint32_t)NODE_NONE;
    node->next = head;
    if (head != (uint32_t)NODE_NONE)
        timers->nodes[head].previous = slot;
    timers->heads[list] = slot;
    if (list != LIST_DUE)
        timers->occupied[list / TIMER_LEVEL_SLOTS] |= 1ULL << (list % TIMER_LEVEL_SLOTS);
}

static void unlink_node(struct timers *timers, uint32_t slot)
{
    struct timer_node *node = &timers->nodes[slot];
    uint32_t list = node->list_plus_one - 1u;

    if (node->next != (uint32_t)NODE_NONE)
        timers->nodes[node->next].previous = node->previous;
    if (node->previous != (uint32_t)NODE_NONE)
        timers->nodes[node->previous].next = node->next;
    else
        timers->heads[list] = node->next;
    if (timers->heads[list] == (uint32_t)NODE_NONE && list != LIST_DUE)
        timers->occupied[list / TIMER_LEVEL_SLOTS] &= ~(1ULL << (list % TIMER_LEVEL_SLOTS));
    node->list_plus_one = 0;
}

/* The list where a deadline waits, seen from the current time: the level at which the two first
 * agree, so that it is looked at again when that level turns over. */
static uint32_t place(const struct timers *timers, int64_t deadline_ms)
{
    uint64_t deadline = (uint64_t)deadline_ms;
    uint64_t current = (uint64_t)timers->current_ms;
    uint64_t last;

    if (deadline_ms <= timers->current_ms)
        return LIST_DUE;
    for (uint32_t level = 0; level < TIMER_LEVELS; level++) {
        uint32_t above = LEVEL_BITS * (level + 1);

        if (deadline >> above == current >> above)
            return level * TIMER_LEVEL_SLOTS +
                   (uint32_t)(deadline >> (LEVEL_BITS * level) & LEVEL_MASK);
    }
    /* Beyond this turn of the wheel: in the last level's next turn, or as far as it reaches. */
    last = deadline >> (LEVEL_BITS * (TIMER_LEVELS - 1));
    current >>= LEVEL_BITS * (TIMER_LEVELS - 1);
    if (last - current >= TIMER_LEVEL_SLOTS)
        last = current + TIMER_LEVEL_SLOTS - 1;
    return (TIMER_LEVELS - 1) * TIMER_LEVEL_SLOTS + (uint32_t)(last & LEVEL_MASK);
}

static int64_t deadline_of(const struct timer_node *node)
{
    return (int64_t)((uint64_t)node->deadline_high << 32 | node->deadline_low);
}

void timers_set(struct timers *timers, uint32_t slot, int64_t deadline_ms)
{
    struct timer_node *node = &timers->nodes[slot];

    assert(slot < timers->slots && deadline_ms >= 0 && deadline_ms >> 48 == 0);
    if (node->list_plus_one != 0 && MUTANT(TIMER_LOST)) {
        timers_cancel(timers, slot);
        return;
    }
    if (node->list_plus_one != 0)
        unlink_node(timers, slot);
    else
        timers->armed++;
    node->deadline_low = (uint32_t)deadline_ms;
    node->deadline_high = MUTANT(TIMER_HALVED) ? 0 : (uint16_t)(deadline_ms >> 32);
    link_node(timers, slot, place(timers, deadline_ms));
}

void timers_cancel(struct timers *timers, uint32_t slot)
{
    assert(slot < timers->slots);
    if (timers->nodes[slot].list_plus_one == 0)
        return;
    unlink_node(timers, slot);
    timers->armed--;
}

/* Puts every timer of a list where it belongs now. */
static void scatter(struct timers *timers, uint32_t list)
{
    uint32_t slot = timers->heads[list];

    /* The list is emptied first: one beyond the wheel may come back to the same list. */
    timers->heads[list] = (uint32_t)NODE_NONE;
    timers->occupied[list / TIMER_LEVEL_SLOTS] &= ~(1ULL << (list % TIMER_LEVEL_SLOTS));
    while (slot != (uint32_t)NODE_NONE) {
        uint32_t next = timers->nodes[slot].next;

        link_node(timers, slot, place(timers, deadline_of(&timers->nodes[slot])));
        slot = next;
    }
}

/* The next moment after `current` at which a list must be looked at: a deadline of level 0, or a
 * higher level's slot coming under the hand. */
static int64_t next_event(const struct timers *timers)
{
    int64_t next_ms = INT64_MAX;

    for (uint32_t level = 0; level < TIMER_LEVELS; level++) {
        uint32_t shift = LEVEL_BITS * level;
        uint64_t hand = (uint64_t)timers->current_ms >> shift;
        uint64_t occupied = timers->occupied[level];
        uint32_t from = (uint32_t)(hand & LEVEL_MASK) + 1;
        uint64_t ahead;
        int64_t at_ms;

        if (occupied == 0)
            continue;
        ahead = from > LEVEL_MASK ? 0 : occupied >> from << from;
        if (ahead != 0)
            hand = (hand & ~(uint64_t)LEVEL_MASK) + (uint64_t)__builtin_ctzll(ahead);
        else /* wrapped: only the last level holds such */
            hand = (hand | LEVEL_MASK) + 1 + (uint64_t)__builtin_ctzll(occupied);
        at_ms = (int64_t)(hand << shift);
        if (at_ms < next_ms)
            next_ms = at_ms;
    }
    return next_ms;
}

bool timers_next_due(struct timers *timers, int64_t now_ms, uint32_t *slot_out)
{
    while (timers->heads[LIST_DUE] == (uint32_t)NODE_NONE) {
        int64_t event_ms = next_event(timers);

        if (event_ms > now_ms) {
            if (timers->current_ms < now_ms && event_ms == INT64_MAX)
                timers->current_ms = now_ms;
            return false;
        }
        timers->current_ms = event_ms;
        for (uint32_t level = TIMER_LEVELS; level-- > 0;) {
            uint32_t hand = (uint32_t)((uint64_t)event_ms >> (LEVEL_BITS * level) & LEVEL_MASK);

            if ((timers->occupied[level] & 1ULL << hand) != 0)
                scatter(timers, level * TIMER_LEVEL_SLOTS + hand);
        }
    }
    *slot_out = timers->heads[LIST_DUE];
    unlink_node(timers, *slot_out);
    timers->armed--;
    return true;
}

int64_t timers_wake_ms(const struct timers *timers)
{
    if (timers->heads[LIST_DUE] != (uint32_t)NODE_NONE)
        return timers->current_ms;
    return next_event(timers);
}

uint32_t timers_count_due(const struct timers *timers, int64_t now_ms)
{
    uint32_t seen = 0;
    uint32_t due = 0;

    for (uint32_t slot = 0; seen < timers->armed; slot++) {
        const struct timer_node *node = &timers->nodes[slot];

        if (node->list_plus_one == 0)
            continue;
        seen++;
        due += deadline_of(node) <= now_ms;
    }
    return due;
}
