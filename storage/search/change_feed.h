/* SPDX-License-Identifier: Apache-2.0 */
/* What has changed, with its records: products are taken from a set, neighbours are read together,
 * and handed over as they are stored by now. One thread. */
#ifndef STAMPEDE_SEARCH_CHANGE_FEED_H
#define STAMPEDE_SEARCH_CHANGE_FEED_H

#include "search/change_set.h"
#include "search/product_pages.h"

enum {
    CHANGE_FEED_TURN_MAX = 1024, /* products */
    CHANGE_FEED_GAP_MAX = 8,     /* numbers between two that are read together */
};

/* A product as it is now. */
struct feed_change {
    struct search_place place;
    const struct record *record; /* NULL: it is not to be found (any more) */
};

enum change_feed_result {
    CHANGE_FEED_NOTHING, /* nothing has changed */
    CHANGE_FEED_DONE,    /* a turn of it was handed over */
    CHANGE_FEED_LATER,   /* some could not be read now, and were put back */
    CHANGE_FEED_STOPPED, /* by `take` */
};

struct change_feed;

/* NULL without memory. `now_ms`: the clock of the sets. */
struct change_feed *change_feed_create(const struct journal_port *journal);
void change_feed_destroy(struct change_feed *feed);

/* One turn. `take` gets at most PRODUCT_PAGE_MAX changes at a time; false from it ends the turn,
 * and what was not taken is lost. */
enum change_feed_result change_feed_turn(struct change_feed *feed, struct change_set *set,
                                         bool (*take)(void *arg, const struct feed_change *changes,
                                                      uint32_t count),
                                         void *arg);

/* Any thread, racy: taken from the set and not yet handed over; and since when the oldest of them
 * waits, or earlier. */
uint32_t change_feed_waiting(const struct change_feed *feed);
int64_t change_feed_oldest_ms(const struct change_feed *feed);

/* Whether the search finds this product at all. */
static inline bool change_feed_is_found(const struct record *record)
{
    return record->product.status == PRODUCT_ACTIVE;
}

#endif
