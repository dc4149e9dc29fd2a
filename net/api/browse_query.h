/* SPDX-License-Identifier: Apache-2.0 */
/* The query of a listing as it is asked (GET /v1/products?…), the key that tells it from others,
 * and its cursors. Private to net/api. */
#ifndef STAMPEDE_API_BROWSE_QUERY_H
#define STAMPEDE_API_BROWSE_QUERY_H

#include "api/browse_set.h"
#include "api/request.h"

/* A query and the texts that it refers to: it is moved by browse_request_copy only. */
struct browse_request {
    struct browse_query query;
    /* What makes it what it is, with limit and place: equal for queries that mean the same. */
    size_t key_length;
    uint8_t key[BROWSE_CATEGORY_BYTES_MAX + 2 * BROWSE_TERM_BYTES_MAX + BROWSE_TEXT_BYTES_MAX + 64 +
                (int)sizeof(struct browse_place)];
    size_t set_length; /* of the key: what a cursor holds for, without limit and place */
    char category[BROWSE_CATEGORY_BYTES_MAX + 1];
    char brand[BROWSE_TERM_BYTES_MAX + 1];
    char tag[BROWSE_TERM_BYTES_MAX + 1];
    char q[BROWSE_TEXT_BYTES_MAX + 1];
};

/* Reads the call's query; notes what is wrong with it. */
void browse_request_read(struct api_call *call, struct validation *validation,
                         struct browse_request *request);

void browse_request_copy(struct browse_request *target, const struct browse_request *source);

/* A text parameter, folded, of so many characters at most, into a buffer of 4 bytes for each and a
 * zero; empty where it is absent, or wrong, which is noted. */
struct slice browse_read_text(struct api_call *call, struct validation *validation,
                              const char *name, size_t characters_max, char *text_out,
                              size_t capacity);
/* `in_stock`: 0, 1, or -1 where it is absent. */
int8_t browse_read_in_stock(struct api_call *call, struct validation *validation);

/* Writes the cursor, with its quotes, that goes on behind a place of this query. It is sealed: one
 * that was not written here, or for another query, is refused. */
void browse_write_cursor(struct writer *writer, const struct api *api,
                         const struct browse_request *request, const struct browse_place *place);

#endif
