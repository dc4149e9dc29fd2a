/* SPDX-License-Identifier: Apache-2.0 */
#include "search/change_feed.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Of the products of a turn. */
struct range {
    uint32_t first;
    uint32_t count;
};

struct change_feed {
    struct product_pages *pages;
    uint32_t count;
    uint32_t asked;  /* of them, the first so many */
    uint32_t ranges; /* of those, not yet answered; a ring */
    uint32_t oldest; /* the first of them */
    struct range ring[PRODUCT_PAGES_MAX];
    _Atomic uint32_t waiting;
    _Atomic int64_t oldest_ms;
    struct search_place places[CHANGE_FEED_TURN_MAX];
    struct feed_change changes[PRODUCT_PAGE_MAX];
};

struct change_feed *change_feed_create(const struct journal_port *journal)
{
    struct change_feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        return NULL;
    feed->pages = product_pages_create(journal);
    if (feed->pages == NULL) {
        free(feed);
        return NULL;
    }
    return feed;
}

void change_feed_destroy(struct change_feed *feed)
{
    if (feed == NULL)
        return;
    product_pages_destroy(feed->pages);
    free(feed);
}

/* How many of the places from `first` on are read together: neighbours of one partition, of which
 * one page holds all. */
static uint32_t neighbours(const struct change_feed *feed, uint32_t first)
{
    const struct search_place *from = &feed->places[first];
    uint32_t end = first + 1;

    while (end < feed->count && feed->places[end].partition == from->partition &&
           feed->places[end].number > feed->places[end - 1].number &&
           feed->places[end].number - feed->places[end - 1].number <= CHANGE_FEED_GAP_MAX &&
           feed->places[end].number - from->number < PRODUCT_PAGE_MAX)
        end++;
    return end - first;
}

static void ask(struct change_feed *feed)
{
    while (feed->asked < feed->count && feed->ranges < PRODUCT_PAGES_MAX) {
        uint32_t count = neighbours(feed, feed->asked);
        const struct search_place *first = &feed->places[feed->asked];

        feed->ring[(feed->oldest + feed->ranges) % PRODUCT_PAGES_MAX] =
            (struct range){.first = feed->asked, .count = count};
        product_pages_ask(feed->pages, first->partition, first->number, first[count - 1].number);
        feed->asked += count;
        feed->ranges++;
    }
}

/* A place and its record, where the page has one. Both ascend. */
static void pair(struct change_feed *feed, const struct range *range,
                 const struct journal_read *page)
{
    const struct record *record = product_pages_record(page, NULL);

    for (uint32_t i = 0; i < range->count; i++) {
        struct search_place place = feed->places[range->first + i];

        while (record != NULL && record->subject < place.number)
            record = product_pages_record(page, record);
        feed->changes[i] = (struct feed_change){.place = place};
        if (record != NULL && record->subject == place.number && change_feed_is_found(record))
            feed->changes[i].record = record;
    }
}

enum change_feed_result change_feed_turn(struct change_feed *feed, struct change_set *set,
                                         bool (*take)(void *arg, const struct feed_change *changes,
                                                      uint32_t count),
                                         void *arg)
{
    int64_t oldest_ms = change_set_oldest_ms(set);
    enum change_feed_result result = CHANGE_FEED_DONE;

    feed->count = change_set_take(set, feed->places, CHANGE_FEED_TURN_MAX);
    if (feed->count == 0)
        return CHANGE_FEED_NOTHING;
    atomic_store_explicit(&feed->oldest_ms, oldest_ms, memory_order_relaxed);
    atomic_store_explicit(&feed->waiting, feed->count, memory_order_relaxed);
    feed->asked = 0;
    for (ask(feed); feed->ranges > 0; ask(feed)) {
        struct range range = feed->ring[feed->oldest];
        const struct journal_read *page = product_pages_wait(feed->pages);

        if (page->failed) {
            change_set_put_back(set, &feed->places[range.first], range.count, oldest_ms);
            result = result == CHANGE_FEED_STOPPED ? CHANGE_FEED_STOPPED : CHANGE_FEED_LATER;
        } else if (result != CHANGE_FEED_STOPPED) {
            pair(feed, &range, page);
            if (!take(arg, feed->changes, range.count)) {
                result = CHANGE_FEED_STOPPED;
                feed->asked = feed->count; /* nothing more is read */
            }
        }
        product_pages_done(feed->pages);
        feed->oldest = (feed->oldest + 1) % PRODUCT_PAGES_MAX;
        feed->ranges--;
        atomic_fetch_sub_explicit(&feed->waiting, range.count, memory_order_relaxed);
    }
    atomic_store_explicit(&feed->waiting, 0, memory_order_relaxed);
    return result;
}

uint32_t change_feed_waiting(const struct change_feed *feed)
{
    return atomic_load_explicit(&feed->waiting, memory_order_relaxed);
}

int64_t change_feed_oldest_ms(const struct change_feed *feed)
{
    return change_feed_waiting(feed) == 0
               ? 0
               : atomic_load_explicit(&feed->oldest_ms, memory_order_relaxed);
}
