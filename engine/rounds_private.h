/* SPDX-License-Identifier: Apache-2.0 */
/* What rounds.c, which walks the records and asks their owners, and rounds_keys.c, which says what
 * of that concerns data keys, want of each other. All on the shard's thread. */
#ifndef STAMPEDE_ROUNDS_PRIVATE_H
#define STAMPEDE_ROUNDS_PRIVATE_H

#include "engine.h"

/* ---- rounds.c ---- */

static inline bool rounds_is_serving(const struct shard *shard)
{
    return engine_mode(shard_engine(shard)) == ENGINE_SERVING;
}

/* Nothing is done for so long. */
void rounds_wait_ms(struct shard *shard, int64_t delay_ms);
/* Ask the envelope's owner, and take the envelope; false: not now, it is freed. */
bool rounds_ask(struct shard *shard, struct account_envelope *envelope);
bool rounds_ask_order(struct shard *shard, struct order_envelope *envelope);

/* ---- rounds_keys.c ---- */

/* When a round of keys is due, by the boot clock; INT64_MAX: never. */
int64_t rounds_keys_due_ms(const struct shard *shard);
/* Counts a wrapped key of this length in; true: it is to be wrapped anew. What none of the vault's
 * keys opens is told, and left as it is. */
bool rounds_keys_is_wanted(struct shard *shard, const uint8_t *key, uint32_t length);
/* With the key that an account, or an order, has now. True: what is wrapped is on its way to it. */
bool rounds_keys_wrap(struct shard *shard, const struct account_envelope *answer);
bool rounds_keys_wrap_order(struct shard *shard, const struct order_envelope *answer);
void rounds_keys_note_wrapped(struct shard *shard);
/* The settings' shard, as a round of keys begins. */
void rounds_keys_look_at_shop(struct shard *shard);
/* A round of keys is over. */
void rounds_keys_end(struct shard *shard);

#endif
