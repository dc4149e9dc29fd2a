/* SPDX-License-Identifier: Apache-2.0 */
/* Orders as JSON (docs/openapi.yaml), in the shapes that their callers may see; and what is kept
 * with an order to be shown later (its text). Private to net/api. */
#ifndef STAMPEDE_API_ORDER_VIEW_H
#define STAMPEDE_API_ORDER_VIEW_H

#include "api/api_shard.h"

enum order_shape {
    /* The answer of POST /v1/checkout: as it was then, whatever became of it since: a replay is the
     * first answer byte for byte. */
    ORDER_SHAPE_CREATED,
    ORDER_SHAPE_OWN,
    ORDER_SHAPE_LINK,  /* by the token of a mail: without what pays for it */
    ORDER_SHAPE_STAFF, /* with whose it is and what the saga does */
    ORDER_SHAPE_EVENT, /* for who is told of it: without what is private and what pays for it */
};

/* Writes an order of an envelope that the engine answered. False: its e-mail or address is stored
 * but does not open; that has been logged, and nothing may be shown. */
bool write_order(struct writer *writer, struct api_shard *shard,
                 const struct order_envelope *envelope, enum order_shape shape);

/* Answers with it, or with 500 `private_data_unreadable`. 201 has a Location; a replayed one says
 * so. The exchange is over. */
void respond_order(struct api_shard *shard, struct http_exchange *exchange, int status,
                   const struct order_envelope *envelope, enum order_shape shape);

/* ---- the token by which a guest's mail opens an order ---- */

enum { ORDER_TOKEN_LENGTH = 2 * MAC_BYTES };

/* Writes the token and a zero. It does not expire: it shows one order, and pays for nothing. */
void order_token_make(const struct secrets_port *secrets, const struct reservation_id *id,
                      char token_out[ORDER_TOKEN_LENGTH + 1]);
/* In a time that does not depend on what is wrong. */
bool order_token_is_right(const struct secrets_port *secrets, const struct reservation_id *id,
                          const char *token, size_t length);

/* ---- its text ---- */

/* What an order keeps of names and of why it costs what it costs, as members of JSON objects, one a
 * line of text (JSON has no line feed inside): of shipping, of the coupon (empty: none), then of
 * each item. Written once, by the checkout; copied from there into every answer. */
struct order_text {
    struct slice shipping;                     /* "method":…,"name":… */
    struct slice coupon;                       /* "code":…,"kind":… */
    struct slice items[RESERVATION_LINES_MAX]; /* "name":… */
};

/* Fewer lines than items: the rest is empty. Points into the envelope. */
void order_text_read(const struct order_envelope *envelope, struct order_text *text_out);

#endif
