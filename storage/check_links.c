/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations over several partitions: what the owner promises of each other partition against
 * what that partition has.
 *
 *   owner                    its lines elsewhere
 *   INTENT                   missing, or PREPARED                         (unfinished)
 *   HELD                     PREPARED, and nothing else
 *   CONVERTED, RELEASED,     the same, or already forgotten,
 *   EXPIRED                  or still PREPARED                            (unfinished)
 *   not there: aborted       PREPARED                                     (unfinished)
 *   not there: forgotten     ended somehow; the owner's number is then below its floor */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "check_private.h"

static int link_order(const void *a, const void *b)
{
    const struct check_link *left = a;
    const struct check_link *right = b;

    if (left->owner_partition != right->owner_partition)
        return left->owner_partition < right->owner_partition ? -1 : 1;
    if (left->owner_sequence != right->owner_sequence)
        return left->owner_sequence < right->owner_sequence ? -1 : 1;
    return (left->partition > right->partition) - (left->partition < right->partition);
}

static const char *state_of(const struct check_link *link)
{
    return hold_state_name((enum hold_state)link->state);
}

static void promise_alone(struct check *check, const struct check_link *promise)
{
    if (promise->state != HOLD_HELD && promise->state != HOLD_CAPTURING)
        return; /* an intent not yet prepared, or an end that was acknowledged and forgotten */
    check_broken(check,
                 "reservation %" PRIu64 " of partition %" PRIu32
                 " is held, but its lines in partition %" PRIu32 " are missing",
                 promise->owner_sequence, promise->owner_partition, promise->partition);
}

static void link_alone(struct check *check, const struct check_link *link)
{
    if (link->state == HOLD_PREPARED) {
        check->unfinished++;
        return;
    }
    if (link->owner_partition < check->partitions &&
        link->owner_sequence < check->floors[link->owner_partition])
        return;
    check_broken(check,
                 "lines %" PRIu64 " of partition %" PRIu32 " are %s, but their reservation %" PRIu64
                 " of partition %" PRIu32 " never was",
                 link->sequence, link->partition, state_of(link), link->owner_sequence,
                 link->owner_partition);
}

static void both_check(struct check *check, const struct check_link *promise,
                       const struct check_link *link)
{
    bool is_ended = promise->state != HOLD_HELD && promise->state != HOLD_INTENT &&
                    promise->state != HOLD_CAPTURING;

    /* A crash may come while a guest's reservations become the customer's, one by one. */
    if (promise->lines != link->lines ||
        (promise->principal != link->principal && !promise->is_adopted && !link->is_adopted))
        check_broken(check,
                     "lines %" PRIu64 " of partition %" PRIu32
                     " are not those of their reservation %" PRIu64 " of partition %" PRIu32,
                     link->sequence, link->partition, promise->owner_sequence,
                     promise->owner_partition);
    if (link->state == HOLD_PREPARED) {
        if (is_ended)
            check->unfinished++;
        return; /* an intent is counted where it is read */
    }
    if (!is_ended || link->state != promise->state)
        check_broken(check,
                     "lines %" PRIu64 " of partition %" PRIu32
                     " are %s, but their reservation %" PRIu64 " of partition %" PRIu32 " is %s",
                     link->sequence, link->partition, state_of(link), promise->owner_sequence,
                     promise->owner_partition, state_of(promise));
}

static void link_twice(struct check *check, const struct check_link *link)
{
    check_broken(check,
                 "partition %" PRIu32 " has lines of reservation %" PRIu64 " of partition %" PRIu32
                 " twice",
                 link->partition, link->owner_sequence, link->owner_partition);
}

void check_links(struct check *check)
{
    const struct check_link *promises =
        (const struct check_link *)(const void *)check->promises.items;
    const struct check_link *links = (const struct check_link *)(const void *)check->links.items;
    size_t promise = 0;
    size_t link = 0;

    if (check->promises.count > 0)
        qsort(check->promises.items, check->promises.count, sizeof(*promises), link_order);
    if (check->links.count > 0)
        qsort(check->links.items, check->links.count, sizeof(*links), link_order);
    while (promise < check->promises.count || link < check->links.count) {
        int order = promise == check->promises.count ? 1
                    : link == check->links.count     ? -1
                                                     : link_order(&promises[promise], &links[link]);

        if (order < 0) {
            promise_alone(check, &promises[promise++]);
            continue;
        }
        if (order > 0)
            link_alone(check, &links[link]);
        else
            both_check(check, &promises[promise++], &links[link]);
        for (link++; link < check->links.count && link_order(&links[link - 1], &links[link]) == 0;
             link++)
            link_twice(check, &links[link]);
    }
}
