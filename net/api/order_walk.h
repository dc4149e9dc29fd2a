/* SPDX-License-Identifier: Apache-2.0 */
/* Going through the orders of all partitions: one partition after the other, in each the newest
 * first. What the store says of a window of numbers is filtered, and the orders that are left are
 * asked, one at a time, for what they are now. Memory is bounded by a window of LIST_PAGE_MAX
 * orders, time by whoever walks. An order that is made meanwhile in a partition that has been
 * passed is not met. Private to net/api. */
#ifndef STAMPEDE_API_ORDER_WALK_H
#define STAMPEDE_API_ORDER_WALK_H

#include "api/order_flow.h"

struct order_walk;

struct order_mark {
    uint64_t sequence;
    int64_t created_ms;
};

/* Embedded, as its first member, in what a walk is for. */
struct order_walk {
    struct order_flow flow; /* first */
    struct engine_read read;

    /* The filter; set by whoever starts it. */
    uint8_t status; /* enum order_status; NONE: any */
    bool has_email;
    uint8_t email_index[EMAIL_INDEX_BYTES];

    uint32_t windows_max; /* after which it pauses by itself: `end` with has_more; 0: never */

    /* An order is met: flow.answer. False: the walk stops here, until order_walk_go. */
    bool (*show)(struct order_walk *walk);
    /* Over, or windows_max were read. Ends the flow, or refuses. */
    void (*end)(struct order_walk *walk, bool has_more);
    /* It cannot go on. Ends the flow. */
    void (*fail)(struct order_walk *walk, enum outcome outcome);

    /* Where it stands; a cursor. Orders with smaller numbers are to come; 0: the partition has not
     * been begun. */
    uint32_t partition;
    uint64_t below;

    /* Its own. */
    uint32_t windows;
    unsigned phase;
    uint64_t window_from;
    bool window_is_read;
    uint32_t mark_count;
    uint32_t mark_next;
    struct order_mark marks[LIST_PAGE_MAX]; /* newest first */
};

/* A new walk in zeroed memory of `size` bytes, or NULL: refused already. Within the handler. */
struct order_walk *order_walk_start(struct api_call *call, size_t size);

/* Goes on; the last act of its caller. */
void order_walk_go(struct order_walk *walk);

/* Whether `text` is a place to go on from, as order_walk_cursor writes it. */
bool order_walk_read_cursor(struct order_walk *walk, const char *text, size_t length);
void order_walk_write_cursor(const struct order_walk *walk, struct writer *writer);

/* Reads `status` into the filter; notes an error. */
void order_walk_read_status(struct order_walk *walk, struct api_call *call,
                            struct validation *validation);

#endif
