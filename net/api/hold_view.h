/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations as JSON, in their three shapes (docs/openapi.yaml). Rendering depends on nothing but
 * the view and the directory, whose SKUs never change: so a replay is the first answer byte for
 * byte. Private to net/api. */
#ifndef STAMPEDE_API_HOLD_VIEW_H
#define STAMPEDE_API_HOLD_VIEW_H

#include "api/api_shard.h"

enum hold_shape {
    HOLD_SHAPE_CREATED, /* the answer of POST: `held`, whatever became of it since */
    HOLD_SHAPE_OWN,
    HOLD_SHAPE_ADMIN,
};

enum {
    /* {"sku":"…","quantity":…}, */
    HOLD_LINE_BYTES_MAX = SKU_LENGTH_MAX + 48,
    HOLD_FIXED_BYTES_MAX = 384,
};

/* A bound for write_hold of a hold with so many lines. */
static inline size_t hold_bytes_max(uint32_t lines)
{
    return HOLD_FIXED_BYTES_MAX + (size_t)lines * HOLD_LINE_BYTES_MAX;
}

void write_hold(struct writer *writer, struct api_shard *shard, const struct hold_view *hold,
                enum hold_shape shape);

/* Answers a write that gives a hold, and keeps the answer for its key (keyed.h). `exchange` may be
 * NULL. */
void keyed_answer_hold(struct api_shard *shard, struct keyed_entry *entry,
                       struct http_exchange *exchange, const struct hold_view *hold);

/* Answers with one hold, 200 and its owner's view. The exchange is over. */
void respond_hold(struct api_shard *shard, struct http_exchange *exchange,
                  const struct hold_view *hold);

/* Answers 201 with the hold that the call made, or, `is_replayed`, that it made when its key came
 * first. The exchange is over. */
void respond_created_hold(struct api_shard *shard, struct http_exchange *exchange,
                          const struct hold_view *hold, bool is_replayed);

/* `status` of a state as the outside knows it; NULL for those that it never sees. */
const char *hold_status(enum hold_state state);

#endif
