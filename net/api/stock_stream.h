/* SPDX-License-Identifier: Apache-2.0 */
/* Stock as server-sent events (GET /v1/skus/{sku}/availability and /v1/skus/availability with
 * Accept: text/event-stream): first how all SKUs of the stream are, then each that changes.
 *
 * A round comes every STOCK_ROUND_MS_LEAST to STOCK_ROUND_MS_MOST, the more streams the later: the
 * gates of watched SKUs are looked at (stock_board.h), then those that have something to be told
 * are given its newest state, a slice of them a turn, so that a sale goes on in between. So a
 * reader is told of a SKU once a round at most. One that has not taken what it was given before is
 * given nothing: it gets the newest state when it has, and is cut off by the HTTP layer when it
 * takes nothing at all. Of a stream the server holds itself (some 200 bytes, and 32 for each SKU),
 * the exchange and the connection; of bytes for a slow reader what it was given once.
 *
 * Nothing here reaches an actor, or the store. Private to net/api. */
#ifndef STAMPEDE_API_STOCK_STREAM_H
#define STAMPEDE_API_STOCK_STREAM_H

#include "api/api_shard.h"

enum {
    STOCK_ROUND_MS_LEAST = 100,
    STOCK_ROUND_MS_MOST = 250,
};

/* Begins one of these SKUs (up to AVAILABILITY_SKUS_MAX), or refuses it; has answered. */
void stock_stream_start(struct api_call *call, const struct sku_entry *const entries[],
                        unsigned count);

/* On the shard's thread, before the first; false: no memory. */
bool stock_streams_open(struct api_shard *shard);
/* The server is about to stop: ends all of them. */
void stock_streams_drain(struct api_shard *shard);
/* No timer runs any more when the loop has run on. */
void stock_streams_close(struct api_shard *shard);
/* Frees what is left when the shards have stopped. */
void stock_streams_free(struct api_shard *shard);

#endif
