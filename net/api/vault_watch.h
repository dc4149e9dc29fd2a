/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the log how a rotation of the vault's key goes: `vault_rotating` when what is to be wrapped
 * anew was counted, `vault_rotated` when none is left, `vault_keys_unreadable` where accounts need
 * a key that was not given. */
#ifndef STAMPEDE_API_VAULT_WATCH_H
#define STAMPEDE_API_VAULT_WATCH_H

#include "api/api_shard.h"

/* In each turn of a shard; the first one's looks, once a second. Its thread. */
void vault_watch_turn(struct api_shard *shard);

#endif
