/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls that add to a cart share. Private to net/api. */
#ifndef STAMPEDE_API_CART_ADD_H
#define STAMPEDE_API_CART_ADD_H

#include "api/api_shard.h"

/* Adds to the caller's cart, once its key has been looked at; answers. Within the handler. */
void cart_submit_add(struct api_call *call, struct slice sku, uint32_t quantity);

/* Takes the answer to a write (pending_answer): `user` is the entry of its key, or NULL. */
void cart_answer(struct api_shard *shard, struct http_exchange *exchange,
                 const struct message *message, void *user);

#endif
