/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one product's record for a call, and its entity tag. Private to net/api. */
#ifndef STAMPEDE_API_PRODUCT_WRITE_H
#define STAMPEDE_API_PRODUCT_WRITE_H

#include "api/stored.h"

/* Starts reading a product's record; as stored_read_start. */
struct stored_read *product_read_start(struct api_shard *shard, uint64_t exchange_cookie,
                                       const struct product_entry *product, stored_answer answer,
                                       enum outcome *refusal_out);

/* The product as staff see it, whose bytes make its entity tag, into a growing writer. False
 * without memory. */
bool product_render(struct writer *writer, const struct record *record, char etag_out[20]);

#endif
