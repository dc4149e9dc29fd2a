/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of webhooks on their way share: going through their records. Private to
 * net/api. */
#ifndef STAMPEDE_API_DELIVERIES_ADMIN_H
#define STAMPEDE_API_DELIVERIES_ADMIN_H

#include "api/order_flow.h"

/* Where a walk stands; a cursor. */
struct delivery_place {
    uint64_t state; /* enum delivery_state: whose records */
    uint64_t partition;
    uint64_t endpoint;
    uint64_t sequence; /* the next one is this or a later one */
};

enum { DELIVERY_CURSOR_MAX = 1 + 1 + 4 + 1 + 10 + 1 + 13 };

bool delivery_cursor_read(const char *text, size_t length, struct delivery_place *place_out);
size_t delivery_cursor_write(const struct delivery_place *place,
                             char text_out[DELIVERY_CURSOR_MAX + 1]);

/* Moves behind `last`; `endpoint`: only its deliveries are looked for, 0: all. */
void delivery_place_pass(struct delivery_place *place, const struct record *last,
                         uint32_t endpoint);

/* Reads up to LIST_PAGE_MAX records from a place on; as engine_read_submit. */
enum outcome delivery_page_read(struct api_shard *shard, struct engine_read *read,
                                const struct delivery_place *place,
                                void (*done)(struct engine_read *read), void *user);

/* Asks for one that is past to be sent again, as the flow's caller; then `next`. */
void delivery_send_again(struct order_flow *flow, const struct record *record, order_step next);

#endif
