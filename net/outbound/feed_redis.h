/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to Redis, of the feed's thread; private to feed.c and feed_redis.c, the only file
 * that knows hiredis. */
#ifndef STAMPEDE_FEED_REDIS_H
#define STAMPEDE_FEED_REDIS_H

#include <uv.h>

#include "outbound/feed.h"

struct feed_link;

struct feed_link_events {
    void *user;
    void (*on_ready)(void *user);
    /* The streams are of another store; on_lost follows. */
    void (*on_foreign)(void *user, const char *why);
    /* It is gone, and so is all that was under way. Once, and last, but not where feed_link_close
     * was called. `why` is without secrets, and valid during the call. */
    void (*on_lost)(void *user, const char *why);
    /* What became of a batch: how many of its events Redis took now, and how many it had. If that
     * is not all of them, `why` is Redis' word; NULL: the connection was lost. */
    void (*on_batch)(void *user, struct feed_batch *batch, uint32_t sent, uint32_t repeated,
                     const char *why);
};

/* Whose streams are meant. */
struct feed_link_streams {
    const char *name; /* during the call */
    uint64_t store;
};

/* Begins to connect; a name is looked up before it returns. NULL: it failed at once, with why. */
struct feed_link *feed_link_open(uv_loop_t *loop, const struct feed_address *address,
                                 const struct feed_link_streams *streams,
                                 const struct feed_link_events *events, char *why_out,
                                 size_t why_size);
/* Ends it; not from within its own events. What is under way is told as lost first. */
void feed_link_close(struct feed_link *link);

/* Sends a batch, after on_ready. False: it could not, and the link is to be closed: part of it may
 * have been sent. on_batch is called for it or not. */
bool feed_link_send(struct feed_link *link, const char *stream, uint64_t length_max,
                    struct feed_batch *batch);

#endif
