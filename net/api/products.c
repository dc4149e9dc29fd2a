/* SPDX-License-Identifier: Apache-2.0 */
/* A product, read from the store by staff. What shoppers see is product_page.c. */
#include <string.h>

#include "api/product_write.h"
#include "api/request.h"

static void answer(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    const struct record *record = stored_next(read, NULL);
    struct writer writer = writer_growing();
    char etag[20];

    if (exchange == NULL)
        return;
    if (failed) {
        respond_outcome(exchange, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    if (record == NULL) {
        problem_respond(exchange, PROBLEM_NOT_FOUND, "There is no such product.");
        return;
    }
    if (product_render(&writer, record, etag)) {
        http_header_add(exchange, "ETag", etag);
        http_exchange_cache(exchange, HTTP_CACHE_REVALIDATE);
        if (etag_is_among((struct http_slice){read->etag, strlen(read->etag)}, etag)) {
            http_respond(exchange, 304, NULL, NULL, 0);
            writer_free(&writer);
            return;
        }
    }
    respond_json(exchange, 200, &writer);
}

void api_product_get_admin(struct api_call *call)
{
    char id[ID_TEXT_LENGTH_MAX + 1];
    enum outcome outcome;
    size_t length;

    if (!request_path_id(call, id, &length))
        return;
    const struct product_entry *product =
        directory_find_product(shard_directory(call->shard->shard), id, length);
    if (product == NULL) {
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such product.");
        return;
    }
    struct stored_read *read = product_read_start(call->shard, http_exchange_cookie(call->exchange),
                                                  product, answer, &outcome);
    if (read == NULL) {
        respond_outcome(call->exchange, outcome);
        return;
    }
    struct http_slice known = http_exchange_header(call->exchange, HTTP_HEADER_IF_NONE_MATCH);
    if (known.data != NULL && known.length < sizeof(read->etag))
        memcpy(read->etag, known.data, known.length);
}
