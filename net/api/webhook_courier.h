/* SPDX-License-Identifier: Apache-2.0 */
/* Takes webhooks that are due from the engine to the outbound thread: renders the event
 * (event_body.h), signs it with each of the endpoint's secrets, and says what became of it. The
 * body is made anew for each attempt; the ID stays the same, at every endpoint. Private to net/api.
 */
#ifndef STAMPEDE_API_WEBHOOK_COURIER_H
#define STAMPEDE_API_WEBHOOK_COURIER_H

#include "api/api_shard.h"

/* At a shard's start; its thread. */
void webhook_courier_start(struct api_shard *shard);

#endif
