/* SPDX-License-Identifier: Apache-2.0 */
/* Where a shard hosts the carts of its partitions: all in memory, loaded at start. Private to
 * engine/. */
#ifndef STAMPEDE_CARTS_H
#define STAMPEDE_CARTS_H

#include "cart.h"
#include "engine.h"

/* A message for a cart of this shard's. */
void carts_deliver(struct shard *shard, const struct message *message);

/* In each turn, with a batch open: a bounded round of those whose time is over. */
void carts_tend(struct shard *shard);

/* Takes in a stored record; false if it cannot be. Start-up thread. */
bool carts_restore(struct shard *shard, const struct record *record);
/* After the last of them. */
void carts_restored(struct shard *shard);

#endif
