/* SPDX-License-Identifier: Apache-2.0 */
/* What all streams of server-sent events share (HTML Standard, 9.2): whether one is asked for,
 * whether there is room for it, and how it begins. Private to net/api. */
#ifndef STAMPEDE_API_EVENT_STREAM_H
#define STAMPEDE_API_EVENT_STREAM_H

#include "api/api_shard.h"

/* Whether the call asks for events. */
bool event_stream_is_wanted(const struct api_call *call);

/* Whether the shard has room for one more: all kinds count (http_options.streams_max). */
bool event_stream_has_room(const struct api_shard *shard);

/* Begins the answer, for which http_exchange_listen was called with an endless stream: head, and a
 * hint when to come again, which is another one for each, so that those whom a restart has cut off
 * do not come back together. False as http_stream_write. */
bool event_stream_begin(struct api_shard *shard, struct http_exchange *exchange);

#define EVENT_STREAM_BEAT ":\n\n" /* a comment: shows that the stream is there */

#endif
