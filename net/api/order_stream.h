/* SPDX-License-Identifier: Apache-2.0 */
/* An order's changes as server-sent events (GET /v1/orders/{id} with Accept: text/event-stream):
 * one event for each entry of its timeline, numbered from 1, so that Last-Event-ID says where to go
 * on. Without it, the stream begins with the present status. It ends with a status that no other
 * follows; who asks again for such an order, having seen all, is answered 204, and stays away.
 *
 *     asked for -> ASKING (a GET, with a watch) -> events written -> waiting for the watch
 *                    ^------------------------------ told ---------------'
 *
 * Nothing is polled, and nothing of the stream stays with a request: the order's shard gives the
 * watch back once a change is durable (struct order_watch). Each change is read anew as whoever
 * asked for the stream. A heartbeat keeps it open; a reader who does not take what is written is
 * cut off. At most half of the shard's exchanges are streams. Private to net/api. */
#ifndef STAMPEDE_API_ORDER_STREAM_H
#define STAMPEDE_API_ORDER_STREAM_H

#include "api/order_flow.h"

/* Begins one of the flow's order, by its authority; the flow is over. */
void order_stream_start(struct api_call *call, struct order_flow *flow);

/* In each turn of a shard: heartbeats, and what could not be asked before. */
void order_streams_turn(struct api_shard *shard);

/* The server is about to stop: ends all of them, and those that come yet. */
void order_streams_drain(struct api_shard *shard);

/* Frees what is left when the shards have stopped. */
void order_streams_free(struct api_shard *shard);

#endif
