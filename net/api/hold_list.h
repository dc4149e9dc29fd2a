/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of reservations: each shard is asked for its own part, the parts are merged by ID. The
 * cursor is the last ID of a page. Private to net/api. */
#ifndef STAMPEDE_API_HOLD_LIST_H
#define STAMPEDE_API_HOLD_LIST_H

#include "api/hold_view.h"
#include "api/validate.h"

/* Sets `limit` and `after` from the request and the rest to "all"; notes errors. */
void hold_list_read_page(struct api_call *call, struct validation *validation,
                         struct list_body *query_out);

/* Asks all shards and answers when all have answered. */
void hold_list_start(struct api_call *call, const struct list_body *query, enum hold_shape shape);

/* What reservations.c shares with the admin's calls: submits a command for the hold of the path,
 * with the call's key as `user` of the answer; and answers it when it was a release, or another
 * change. */
void api_submit_hold(struct api_call *call, enum command_type type, pending_answer answer);
void api_change_answer(struct api_shard *shard, struct http_exchange *exchange,
                       const struct message *message, void *user);
void api_release_answer(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user);

#endif
