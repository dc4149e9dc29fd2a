/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be done later: a binary heap ordered by due time. */
#include "load_timers.h"

#include <assert.h>
#include <stdlib.h>

bool load_timers_open(struct load_timers *timers, size_t capacity)
{
    *timers = (struct load_timers){.capacity = capacity};
    timers->entries = calloc(capacity, sizeof *timers->entries);
    return timers->entries != NULL;
}

void load_timers_close(struct load_timers *timers)
{
    free(timers->entries);
    *timers = (struct load_timers){0};
}

bool load_timers_push(struct load_timers *timers, uint64_t due_ns, uint64_t tag)
{
    if (timers->count == timers->capacity) {
        return false;
    }
    size_t hole = timers->count++;
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (timers->entries[parent].due_ns <= due_ns) {
            break;
        }
        timers->entries[hole] = timers->entries[parent];
        hole = parent;
    }
    timers->entries[hole] = (struct load_timer){.due_ns = due_ns, .tag = tag};
    return true;
}

uint64_t load_timers_next_ns(const struct load_timers *timers)
{
    return timers->count == 0 ? UINT64_MAX : timers->entries[0].due_ns;
}

struct load_timer load_timers_pop(struct load_timers *timers)
{
    assert(timers->count > 0);
    struct load_timer first = timers->entries[0];
    struct load_timer last = timers->entries[--timers->count];
    size_t hole = 0;
    for (;;) {
        size_t child = hole * 2 + 1;
        if (child >= timers->count) {
            break;
        }
        if (child + 1 < timers->count &&
            timers->entries[child + 1].due_ns < timers->entries[child].due_ns) {
            child++;
        }
        if (last.due_ns <= timers->entries[child].due_ns) {
            break;
        }
        timers->entries[hole] = timers->entries[child];
        hole = child;
    }
    if (timers->count > 0) {
        timers->entries[hole] = last;
    }
    return first;
}
