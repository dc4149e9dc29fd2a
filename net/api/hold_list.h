/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of reservations; the cursor is the last ID of a page. Private to net/api.
 *
 * A buyer's few, and those of one SKU: all shards are asked, their parts merged by ID. All there
 * are: one shard after the other, each in the order in which they came, so that a page costs what
 * is on it, however many there are. */
#ifndef STAMPEDE_API_HOLD_LIST_H
#define STAMPEDE_API_HOLD_LIST_H

#include "api/hold_view.h"
#include "api/validate.h"

/* Sets `limit` and `after` from the request and the rest to "all"; notes errors. */
void hold_list_read_page(struct api_call *call, struct validation *validation,
                         struct list_body *query_out);

/* Asks the shards and answers when the page is full or all have answered. */
void hold_list_start(struct api_call *call, const struct list_body *query, enum hold_shape shape);

/* What reservations.c shares with the admin's calls: submits a command for the hold of the path,
 * with the call's key as `user` of the answer; and answers it when it was a release, or another
 * change. */
void api_submit_hold(struct api_call *call, enum command_type type, pending_answer answer);
void api_change_answer(struct api_shard *shard, struct http_exchange *exchange,
                       const struct message *message, void *user);
void api_release_answer(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user);

/* Answers with why nothing was held; also of a checkout's lines. The exchange is over. */
void respond_not_reserved(struct api_shard *shard, struct http_exchange *exchange,
                          const struct reply_body *reply);

#endif
