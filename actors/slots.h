/* SPDX-License-Identifier: Apache-2.0 */
/* For an actor's pool of tables in one piece of memory: laying them out, measured first (with no
 * base) by the same code, each at a multiple of 64 bytes; and the slots of a table, handed out and
 * given back. Included by the private headers of such actors. */
#ifndef STAMPEDE_SLOTS_H
#define STAMPEDE_SLOTS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index_table.h"

struct layout {
    uint8_t *base; /* NULL: only measure */
    size_t used;
};

static inline void *layout_take(struct layout *layout, size_t bytes)
{
    void *taken = layout->base == NULL ? NULL : layout->base + layout->used;

    layout->used += (bytes + 63) & ~(size_t)63;
    return taken;
}

static inline void layout_index(struct layout *layout, struct index_table *table, uint32_t slots)
{
    struct index_bucket *buckets =
        layout_take(layout, index_table_buckets(slots) * sizeof(*buckets));

    if (layout->base != NULL)
        index_table_init(table, buckets, slots);
}

/* Free slots are a stack in an array of its own; `fresh` counts slots never used, so that memory is
 * touched only as it is needed. */
struct slots {
    uint32_t *free;
    uint32_t free_count;
    uint32_t fresh;
    uint32_t max;
};

static inline void layout_slots(struct layout *layout, struct slots *slots, uint32_t max)
{
    *slots = (struct slots){.max = max};
    slots->free = layout_take(layout, max * sizeof(uint32_t));
}

static inline bool slots_have(const struct slots *slots, uint32_t count)
{
    return slots->free_count + (slots->max - slots->fresh) >= count;
}

/* There is one. */
static inline uint32_t slots_take(struct slots *slots)
{
    assert(slots_have(slots, 1));
    return slots->free_count > 0 ? slots->free[--slots->free_count] : slots->fresh++;
}

static inline void slots_give(struct slots *slots, uint32_t slot)
{
    assert(slot < slots->fresh && slots->free_count < slots->max);
    slots->free[slots->free_count++] = slot;
}

#endif
