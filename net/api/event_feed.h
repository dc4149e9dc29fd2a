/* SPDX-License-Identifier: Apache-2.0 */
/* The feed as a consumer of the engine's events: puts them into words on their shard's thread, and
 * gives them to the feed's. */
#ifndef STAMPEDE_API_EVENT_FEED_H
#define STAMPEDE_API_EVENT_FEED_H

#include "engine.h"

struct api;
struct feed;

struct event_feed {
    struct feed *feed;
    struct api *api; /* set when there is one, before the shards run */
};

/* The port; `event_feed` outlives the engine. */
struct event_consumer_port event_feed_port(struct event_feed *event_feed);

#endif
