/* SPDX-License-Identifier: Apache-2.0 */
/* Products: made by staff, read from the store by them. What shoppers see is product_page.c. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/keyed.h"
#include "api/log.h"
#include "api/product_draft.h"
#include "api/request.h"
#include "api/stored.h"

/* A page of products ends early where its answer would become larger. */
enum { PRODUCT_PAGE_BYTES_MAX = 512 * 1024 };

_Static_assert(PRODUCT_PAGE_BYTES_MAX + PRODUCT_DOCUMENT_BYTES_MAX + 256 < API_ANSWER_BYTES_MAX,
               "a page and the product that ends it fit an answer");

/* ---- one product ---- */

static struct stored_read *read_product(struct api_shard *shard, uint64_t exchange_cookie,
                                        const struct product_entry *product, stored_answer answer,
                                        enum outcome *refusal_out)
{
    struct journal_key from = {.partition = product->partition, .subject = product->number};
    struct journal_key to = {.partition = product->partition, .subject = product->number + 1};

    return stored_read_start(shard, exchange_cookie, RECORD_PRODUCT, from, to, 1, answer,
                             refusal_out);
}

static void product_answer(struct stored_read *read, struct http_exchange *exchange, bool failed)
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
    write_product(&writer, record);
    if (!writer.failed) {
        etag_format(writer.start, writer_length(&writer), etag);
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
    struct stored_read *read = read_product(call->shard, http_exchange_cookie(call->exchange),
                                            product, product_answer, &outcome);
    if (read == NULL) {
        respond_outcome(call->exchange, outcome);
        return;
    }
    struct http_slice known = http_exchange_header(call->exchange, HTTP_HEADER_IF_NONE_MATCH);
    if (known.data != NULL && known.length < sizeof(read->etag))
        memcpy(read->etag, known.data, known.length);
}

/* ---- creation ---- */

struct creation {
    uint64_t exchange_cookie;
    struct keyed_entry *key; /* NULL: none */
    char id[PRODUCT_ID_LENGTH_MAX + 1];
};

static void log_created(const struct api_shard *shard, const struct http_exchange *exchange,
                        const char *id)
{
    struct log_line line;

    log_begin(&line, LOG_INFO, "product_created", engine_now(shard->api->engine).wall_ms);
    log_text(&line, "product", id);
    if (exchange != NULL) {
        struct http_slice request_id = http_exchange_request_id(exchange);
        log_bytes(&line, "request_id", request_id.data, request_id.length);
    }
    log_end(&line);
}

/* The product as it was stored, with its time. */
static void created_answer(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    const struct record *record = stored_next(read, NULL);
    struct writer writer = writer_growing();

    if (failed || record == NULL) {
        keyed_refuse(read->shard, read->key, exchange, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    write_product(&writer, record);
    if (writer.failed)
        keyed_refuse(read->shard, read->key, exchange, OUTCOME_OUTCOME_UNKNOWN);
    else
        keyed_answer(read->shard, read->key, exchange, 201, read->location, writer.start,
                     writer_length(&writer));
    writer_free(&writer);
}

static void creation_answer(struct api_shard *shard, struct http_exchange *exchange,
                            const struct message *message, void *user)
{
    struct creation *creation = user;
    enum outcome outcome = (enum outcome)message->reply.outcome;

    if (outcome != OUTCOME_OK) {
        keyed_refuse(shard, creation->key, exchange, outcome);
        free(creation);
        return;
    }
    log_created(shard, exchange, creation->id);
    const struct product_entry *product =
        directory_find_product(shard_directory(shard->shard), creation->id, strlen(creation->id));
    assert(product != NULL); /* published before it was recorded */
    struct stored_read *read =
        read_product(shard, creation->exchange_cookie, product, created_answer, &outcome);
    if (read == NULL) {
        /* It is made, but cannot be shown for the moment. */
        keyed_refuse(shard, creation->key, exchange, OUTCOME_OUTCOME_UNKNOWN);
        free(creation);
        return;
    }
    read->key = creation->key;
    size_t used = (size_t)snprintf(read->location, sizeof(read->location), "/v1/admin/products/");
    for (const char *byte = creation->id; *byte != '\0'; byte++)
        used += (size_t)snprintf(read->location + used, sizeof(read->location) - used,
                                 *byte == '/' ? "%%2F" : "%c", *byte);
    free(creation);
}

/* An ID for a product that came without one: 80 random bits. */
static void make_id(struct api_shard *shard, char id_out[PRODUCT_ID_LENGTH_MAX + 1])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t bytes[16];

    shard_random(shard->shard, bytes, sizeof(bytes));
    memcpy(id_out, "prod_", 5);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        id_out[5 + i] = digits[bytes[i] & 31];
    id_out[5 + sizeof(bytes)] = '\0';
}

/* Names the SKU that another product has, if there is one; false after having answered. */
static bool check_skus(struct api_call *call, const struct product_draft *draft)
{
    const struct directory *directory = shard_directory(call->shard->shard);
    char detail[SKU_LENGTH_MAX + 64];

    for (uint32_t i = 0; i < draft->variant_count; i++) {
        struct slice sku = draft->variants[i].sku;
        const struct sku_entry *entry = directory_find_sku(directory, sku.text, sku.length);
        if (entry == NULL || slice_is(draft->id, entry->product->id))
            continue;
        snprintf(detail, sizeof(detail), "The SKU %.*s belongs to another product.",
                 (int)sku.length, sku.text);
        problem_respond(call->exchange, PROBLEM_SKU_TAKEN, detail);
        return false;
    }
    return true;
}

static void submit_creation(struct api_call *call, struct product_draft *draft,
                            struct keyed_entry *key)
{
    struct creation *creation = calloc(1, sizeof(*creation));
    struct product_envelope *envelope = NULL;
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct validation validation;
    bool too_large = false;

    if (creation != NULL) {
        creation->exchange_cookie = http_exchange_cookie(call->exchange);
        creation->key = key;
        if (draft->id.length == 0)
            make_id(call->shard, creation->id);
        else
            snprintf(creation->id, sizeof(creation->id), "%.*s", (int)draft->id.length,
                     draft->id.text);
        draft->id = (struct slice){creation->id, strlen(creation->id)};
        envelope = product_draft_pack(draft, &too_large);
    }
    if (envelope != NULL) {
        struct command command = {.type = COMMAND_PRODUCT_PUT, .product = envelope};
        envelope->put_mode = PUT_CREATE;
        envelope->stock_mode = STOCK_KEEP;
        outcome = call_submit(call, &command, creation_answer, creation, NULL);
    }
    if (outcome == OUTCOME_PENDING)
        return;
    envelope_free(envelope);
    free(creation);
    keyed_drop(call->shard, key);
    if (too_large) {
        validation_init(&validation);
        validation_add(&validation, FIELD("body"), "is a product of more than %d bytes",
                       (int)PRODUCT_DOCUMENT_BYTES_MAX);
        validation_respond(&validation, call->exchange);
    } else {
        respond_outcome(call->exchange, outcome);
    }
}

void api_product_create(struct api_call *call)
{
    const struct json_value *object;
    struct product_draft draft;
    struct validation validation;
    struct keyed_entry *key;

    if (!request_object(call, &object))
        return;
    validation_init(&validation);
    product_draft_read(&validation, object, &draft);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    /* A repeated key is answered before anything is found to be taken: by itself, last time. */
    struct http_slice body = http_exchange_body(call->exchange);
    if (!keyed_begin(call, (struct slice){body.data, body.length}, &key))
        return;
    if (check_skus(call, &draft))
        submit_creation(call, &draft, key);
    else
        keyed_drop(call->shard, key);
}

/* ---- the list ---- */

/* The cursor is the last product's place, "partition.number". */
static bool read_list_cursor(const char *text, size_t length, struct journal_key *from_out)
{
    const char *point = memchr(text, '.', length);
    uint64_t partition;
    uint64_t number;

    if (point == NULL)
        return false;
    size_t first = (size_t)(point - text);
    if (!text_to_unsigned(text, first, PARTITIONS_MAX - 1, &partition) ||
        !text_to_unsigned(point + 1, length - first - 1, UINT32_MAX - 1, &number))
        return false;
    *from_out =
        (struct journal_key){.partition = (uint32_t)partition, .subject = (uint32_t)number + 1};
    return true;
}

static void list_answer(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    struct writer writer = writer_growing();
    const struct record *last = NULL;
    const struct record *record = stored_next(read, NULL);
    uint32_t count = 0;

    if (exchange == NULL)
        return;
    if (failed) {
        respond_outcome(exchange, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    write_literal(&writer, "{\"data\":[");
    for (; record != NULL && count < read->limit && writer_length(&writer) < PRODUCT_PAGE_BYTES_MAX;
         record = stored_next(read, record)) {
        if (count++ > 0)
            write_byte(&writer, ',');
        write_product(&writer, record);
        last = record;
    }
    write_literal(&writer, "],\"next_cursor\":");
    if (record == NULL) {
        write_literal(&writer, "null}");
    } else {
        write_byte(&writer, '"');
        write_unsigned(&writer, last->partition);
        write_byte(&writer, '.');
        write_unsigned(&writer, last->subject);
        write_literal(&writer, "\"}");
    }
    respond_json(exchange, 200, &writer);
}

void api_product_list(struct api_call *call)
{
    struct journal_key from = {0};
    struct journal_key to = {.partition = PARTITIONS_MAX};
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"limit", "cursor", NULL}, NULL);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0 && !read_list_cursor(cursor, length, &from))
        request_cursor_invalid(&validation);
    if (validation.count > 0)
        validation_respond(&validation, call->exchange);
    else
        stored_list_start(call, RECORD_PRODUCT, from, to, limit, list_answer);
}
