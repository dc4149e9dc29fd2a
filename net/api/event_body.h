/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of an event, as JSON: the body of a webhook (Standard Webhooks 1.0.0) and of an
 * entry of the feed. The same event always has the same ID. Private to net/api. */
#ifndef STAMPEDE_API_EVENT_BODY_H
#define STAMPEDE_API_EVENT_BODY_H

#include "api/api_shard.h"

/* Writes its ID, `evt_…`, and a zero. */
void event_id_write(const struct engine *engine, const struct event_out *event,
                    char id_out[RESERVATION_ID_LENGTH + 1]);

/* Writes `{"type","timestamp","data"}` with the order in `data` (docs/openapi.yaml), without
 * anything private: its status and timeline are as the event left them, the rest is as it stands
 * now. Of an order that came to nothing `data` has its ID and status alone. A refund's event adds
 * `refund`, with its amount. Of a SKU that is sold out `data` names it and its product. Writes to
 * the event's content: what was told before it is not told otherwise later. The shard's thread. */
void event_body_write(struct writer *writer, struct api_shard *shard, struct event_out *event);

#endif
