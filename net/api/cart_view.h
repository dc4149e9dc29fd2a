/* SPDX-License-Identifier: Apache-2.0 */
/* A cart as JSON (docs/openapi.yaml). Private to net/api. */
#ifndef STAMPEDE_API_CART_VIEW_H
#define STAMPEDE_API_CART_VIEW_H

#include "api/cart_price.h"
#include "api/keyed.h"

/* Answers with a cart as it is priced by these terms, 200, and keeps the answer for its key.
 * `exchange` and `entry` may be NULL. The exchange is over. */
void respond_cart(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, const struct cart_view *view,
                  const struct cart_terms *terms);

#endif
