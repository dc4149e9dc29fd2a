/* SPDX-License-Identifier: Apache-2.0 */
/* Products for staff, by page, in the order of their places (partition, number). Without a filter
 * the journal's own order gives the pages. With one the directory says which products they are, a
 * bounded number of which is looked at in one call; their records are read one by one. So a page
 * may have fewer products than were asked for, or none, though there are more. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/browse_text.h"
#include "api/product_draft.h"
#include "api/product_write.h"
#include "api/request.h"

enum {
    /* A page of products ends early where its answer would become larger. */
    PRODUCT_PAGE_BYTES_MAX = 512 * 1024,
    LOOKED_AT_MAX = 16 * 1024, /* products of the directory, a call: a millisecond or two */
    FILTER_TEXT_MAX = 512,
};

_Static_assert(PRODUCT_PAGE_BYTES_MAX + PRODUCT_DOCUMENT_BYTES_MAX + 256 < API_ANSWER_BYTES_MAX,
               "a page and the product that ends it fit an answer");

/* Texts in small letters; length 0: not asked for. */
struct filter_text {
    char bytes[FILTER_TEXT_MAX];
    size_t length;
};

struct list_filter {
    enum product_status status; /* PRODUCT_STATUS_COUNT: any */
    struct filter_text brand;
    struct filter_text category;
    struct filter_text id; /* a part of it */
};

/* A page that is being made. */
struct list_walk {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct list_filter filter;
    struct writer writer;
    uint32_t limit;
    uint32_t found;
    uint32_t looked_at;
    uint32_t partition; /* of the product that comes next */
    uint32_t number;
};

/* ---- pages ---- */

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

static void end_page(struct writer *writer, bool has_more, uint32_t partition, uint32_t number)
{
    if (!has_more) {
        write_literal(writer, "],\"next_cursor\":null}");
        return;
    }
    write_literal(writer, "],\"next_cursor\":\"");
    write_unsigned(writer, partition);
    write_byte(writer, '.');
    write_unsigned(writer, number);
    write_literal(writer, "\"}");
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
    if (record == NULL)
        end_page(&writer, false, 0, 0);
    else
        end_page(&writer, true, last->partition, last->subject);
    respond_json(exchange, 200, &writer);
}

/* ---- the filter ---- */

static bool text_is(const struct filter_text *wanted, const char *text, size_t length)
{
    char folded[FILTER_TEXT_MAX];

    if (length != wanted->length)
        return false;
    text_fold(text, length, folded);
    return memcmp(folded, wanted->bytes, length) == 0;
}

/* Whether the names that are wanted are among those of the path, one after the other. */
static bool path_has(const struct filter_text *wanted, const char *text, size_t length)
{
    static const char separator[] = " > ";
    char folded[PRODUCT_LABEL_TEXT_MAX];
    const char *found = folded;
    size_t width = sizeof(separator) - 1;

    if (length > sizeof(folded))
        return false;
    text_fold(text, length, folded);
    for (;; found++) {
        found = memmem(found, length - (size_t)(found - folded), wanted->bytes, wanted->length);
        if (found == NULL)
            return false;
        size_t before = (size_t)(found - folded);
        size_t after = length - before - wanted->length;
        if ((before == 0 || (before >= width && memcmp(found - width, separator, width) == 0)) &&
            (after == 0 ||
             (after >= width && memcmp(found + wanted->length, separator, width) == 0)))
            return true;
    }
}

static bool has_id(const struct filter_text *wanted, const char *id)
{
    char folded[PRODUCT_ID_LENGTH_MAX];
    size_t length = strlen(id);

    text_fold(id, length, folded);
    return memmem(folded, length, wanted->bytes, wanted->length) != NULL;
}

static bool is_asked_for(const struct list_walk *walk, const struct product_entry *product)
{
    const struct list_filter *filter = &walk->filter;
    const struct product_terms *terms = directory_terms(shard_directory(walk->shard->shard));
    const struct product_label *label;
    const struct product_term *brand;

    if (filter->status != PRODUCT_STATUS_COUNT && product_entry_status(product) != filter->status)
        return false;
    if (filter->id.length > 0 && !has_id(&filter->id, product->id))
        return false;
    if (filter->brand.length == 0 && filter->category.length == 0)
        return true;
    label = atomic_load_explicit(&product->label, memory_order_acquire);
    if (label == NULL)
        return false;
    if (filter->category.length > 0 &&
        !path_has(&filter->category, product_label_category(label), label->category_length))
        return false;
    if (filter->brand.length == 0)
        return true;
    if (label->terms[PRODUCT_LABEL_BRAND] == 0)
        return false;
    brand = product_terms_at(terms, label->terms[PRODUCT_LABEL_BRAND]);
    return text_is(&filter->brand, brand->text, brand->length);
}

/* ---- the walk ---- */

static void walk_next(struct list_walk *walk, struct http_exchange *exchange);

static void walk_free(struct list_walk *walk)
{
    writer_free(&walk->writer);
    free(walk);
}

static void walk_fail(struct list_walk *walk, struct http_exchange *exchange, enum outcome outcome)
{
    if (exchange != NULL)
        respond_outcome(exchange, outcome);
    walk_free(walk);
}

static void walk_take(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    const struct record *record = stored_next(read, NULL);
    struct list_walk *walk = read->user;

    if (failed || exchange == NULL) {
        walk_fail(walk, exchange, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    if (record != NULL) {
        if (walk->found++ > 0)
            write_byte(&walk->writer, ',');
        write_product(&walk->writer, record);
    }
    walk->number++;
    walk_next(walk, exchange);
}

/* The next product that is asked for, from the walk's place on; NULL: none, or enough for a call.
 */
static const struct product_entry *walk_find(struct list_walk *walk)
{
    const struct directory *directory = shard_directory(walk->shard->shard);

    for (; walk->partition < engine_partition_count(walk->shard->api->engine); walk->partition++) {
        uint32_t numbers = directory_product_numbers(directory, walk->partition);

        for (; walk->number < numbers; walk->number++) {
            const struct product_entry *product;

            if (walk->looked_at++ == LOOKED_AT_MAX)
                return NULL;
            product = directory_product_at(directory, walk->partition, walk->number);
            if (product != NULL && is_asked_for(walk, product))
                return product;
        }
        walk->number = 0;
    }
    return NULL;
}

/* Its cursor names the place before the one that comes next; of a partition's first there is none,
 * and so it names the last of the partition before, which is past all that is there. */
static void walk_respond(struct list_walk *walk, struct http_exchange *exchange)
{
    bool has_more = walk->partition < engine_partition_count(walk->shard->api->engine);
    uint32_t partition = walk->partition;
    uint32_t number = walk->number - 1;

    if (has_more && walk->number == 0) {
        partition = walk->partition == 0 ? 0 : walk->partition - 1;
        number = UINT32_MAX - 2;
        has_more = walk->partition > 0;
    }
    end_page(&walk->writer, has_more, partition, number);
    respond_json(exchange, 200, &walk->writer);
    free(walk);
}

static void walk_next(struct list_walk *walk, struct http_exchange *exchange)
{
    const struct product_entry *product = NULL;
    enum outcome outcome;
    struct stored_read *read;

    if (walk->found < walk->limit && writer_length(&walk->writer) < PRODUCT_PAGE_BYTES_MAX)
        product = walk_find(walk);
    if (product == NULL) {
        walk_respond(walk, exchange);
        return;
    }
    read = product_read_start(walk->shard, walk->exchange_cookie, product, walk_take, &outcome);
    if (read == NULL)
        walk_fail(walk, exchange, outcome);
    else
        read->user = walk;
}

static void walk_start(struct api_call *call, const struct list_filter *filter,
                       const struct journal_key *from, uint32_t limit)
{
    struct list_walk *walk = calloc(1, sizeof(*walk));

    if (walk == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    walk->shard = call->shard;
    walk->exchange_cookie = http_exchange_cookie(call->exchange);
    walk->filter = *filter;
    walk->limit = limit;
    walk->partition = from->partition;
    walk->number = from->subject;
    walk->writer = writer_growing();
    write_literal(&walk->writer, "{\"data\":[");
    walk_next(walk, call->exchange);
}

/* ---- the call ---- */

static void read_text(struct api_call *call, struct validation *validation, const char *name,
                      struct filter_text *text_out)
{
    struct field field = {.name = {name, strlen(name)}};
    char text[FILTER_TEXT_MAX];
    int length = http_query_parameter(call->exchange, name, 0, text, sizeof(text));

    text_out->length = 0;
    if (length == HTTP_ABSENT)
        return;
    if (length <= 0 || !text_is_utf8(text, (size_t)length, NULL))
        validation_add(validation, field, "must be UTF-8 text of at most %d bytes",
                       (int)FILTER_TEXT_MAX - 1);
    else {
        text_out->length = (size_t)length;
        text_fold(text, (size_t)length, text_out->bytes);
    }
}

/* False: nothing is filtered. */
static bool read_filter(struct api_call *call, struct validation *validation,
                        struct list_filter *filter)
{
    char status[16];
    int length = http_query_parameter(call->exchange, "status", 0, status, sizeof(status));

    filter->status = PRODUCT_STATUS_COUNT;
    if (length != HTTP_ABSENT) {
        filter->status = length <= 0 ? PRODUCT_STATUS_COUNT
                                     : product_status_find((struct slice){status, (size_t)length});
        if (filter->status == PRODUCT_STATUS_COUNT)
            validation_add(validation, FIELD("status"), "must be active, draft or archived");
    }
    read_text(call, validation, "brand", &filter->brand);
    read_text(call, validation, "category", &filter->category);
    read_text(call, validation, "q", &filter->id);
    return filter->status != PRODUCT_STATUS_COUNT || filter->brand.length > 0 ||
           filter->category.length > 0 || filter->id.length > 0;
}

void api_product_list(struct api_call *call)
{
    static const char *const names[] = {"limit",    "cursor", "status", "brand",
                                        "category", "q",      NULL};
    struct journal_key from = {0};
    struct journal_key to = {.partition = PARTITIONS_MAX};
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    struct list_filter filter;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    uint32_t limit = request_limit(call, &validation);
    bool is_filtered = read_filter(call, &validation, &filter);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0 && !read_list_cursor(cursor, length, &from))
        request_cursor_invalid(&validation);
    if (validation.count > 0)
        validation_respond(&validation, call->exchange);
    else if (is_filtered)
        walk_start(call, &filter, &from, limit);
    else
        stored_list_start(call, RECORD_PRODUCT, from, to, limit, list_answer);
}
