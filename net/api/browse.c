/* SPDX-License-Identifier: Apache-2.0 */
/* Browsing: a query is read, its set computed on a worker (browse_set.h), each product of the page
 * read from the store, and all of it shown. PASSES_MAX of a shard's are at the workers, who run
 * where nobody else has anything to do; others wait in line here, and beyond BROWSES_MAX they are
 * told to come again: a sale never waits for browsing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/browse_set.h"
#include "api/browse_text.h"
#include "api/money.h"
#include "api/request.h"
#include "api/stored.h"
#include "base64url.h"

/* A page ends early where its answer would become larger. */
enum { BROWSE_PAGE_BYTES_MAX = 512 * 1024 };

_Static_assert(BROWSE_PAGE_BYTES_MAX + PRODUCT_DOCUMENT_BYTES_MAX +
                       (3 * BROWSE_FACET_VALUES + BROWSE_PRICE_RANGES) *
                           (6 * BROWSE_TERM_BYTES_MAX / 4 + 64) <
                   API_ANSWER_BYTES_MAX,
               "a page, the product that ends it and the facets fit an answer");

enum {
    CURSOR_BYTES_MAX = (2 + BROWSE_KEY_MAX + 1 + PRODUCT_ID_LENGTH_MAX + 2) / 3 * 3,
    CURSOR_TEXT_MAX = CURSOR_BYTES_MAX / 3 * 4,
};

struct browse {
    struct engine_work work;
    struct browse *next_in_line;
    struct api_shard *shard;
    uint64_t exchange_cookie;
    const struct directory *directory; /* until the set is computed */
    struct writer writer;
    uint32_t next; /* of the page's products */
    uint32_t count;
    struct browse_query query;
    struct browse_result result;
};

static const char *const sort_names[BROWSE_SORT_COUNT] = {
#define X(name, text) [BROWSE_##name] = text,
    BROWSE_SORTS(X)
#undef X
};

/* ---- cursors: sort, length of the key, key, ID, and zeros up to a multiple of three ---- */

static void write_cursor(struct writer *writer, enum browse_sort sort,
                         const struct browse_place *place)
{
    uint8_t bytes[CURSOR_BYTES_MAX] = {(uint8_t)sort, place->key_length};
    char text[CURSOR_TEXT_MAX + 1];
    size_t length = 2;

    memcpy(bytes + length, place->key, place->key_length);
    length += place->key_length;
    memcpy(bytes + length, place->id, strlen(place->id));
    length = (length + strlen(place->id) + 2) / 3 * 3;
    base64url_encode(bytes, length, text);
    write_byte(writer, '"');
    write_text(writer, text);
    write_byte(writer, '"');
}

static bool decode_cursor(const char *text, size_t length, struct browse_query *query)
{
    uint8_t bytes[CURSOR_BYTES_MAX];
    struct browse_place *after = &query->after;
    size_t id;

    if (length % 4 != 0 || length > CURSOR_TEXT_MAX ||
        !base64url_decode(text, length / 4 * 3, bytes))
        return false;
    length = length / 4 * 3;
    if (length < 3 || bytes[0] != query->sort || bytes[1] > BROWSE_KEY_MAX + 1 ||
        (size_t)bytes[1] + 2 >= length)
        return false;
    after->key_length = bytes[1];
    memcpy(after->key, bytes + 2, after->key_length);
    id = length - 2 - after->key_length;
    if (id > PRODUCT_ID_LENGTH_MAX + 2)
        return false;
    memset(after->id, 0, sizeof(after->id));
    while (id > 0 && bytes[2 + after->key_length + id - 1] == 0)
        id--;
    if (id == 0 || id > PRODUCT_ID_LENGTH_MAX ||
        memchr(bytes + 2 + after->key_length, 0, id) != NULL)
        return false;
    memcpy(after->id, bytes + 2 + after->key_length, id);
    return true;
}

/* ---- the request ---- */

static struct field field_of(const char *name)
{
    return (struct field){.name = {name, strlen(name)}};
}

/* A parameter's length, 0 where it is absent or empty, or cannot be read. */
static size_t read_text(struct api_call *call, struct validation *validation, const char *name,
                        size_t characters_max, char *text_out, size_t capacity)
{
    int length = http_query_parameter(call->exchange, name, 0, text_out, capacity);
    size_t characters = 0;

    if (length == HTTP_ABSENT)
        return 0;
    if (length >= 0 && !text_is_utf8(text_out, (size_t)length, &characters))
        length = HTTP_MALFORMED;
    if (length == HTTP_MALFORMED) {
        validation_add(validation, field_of(name), "must be UTF-8, without NUL");
        return 0;
    }
    if (length == HTTP_TOO_LONG || characters > characters_max) {
        validation_add(validation, field_of(name), "must be at most %zu characters",
                       characters_max);
        return 0;
    }
    return (size_t)length;
}

static void read_term(struct api_call *call, struct validation *validation, const char *name,
                      struct browse_term *term)
{
    term->length =
        read_text(call, validation, name, PRODUCT_LABEL_MAX, term->text, sizeof(term->text));
    text_fold(term->text, term->length, term->text);
}

static int64_t read_price(struct api_call *call, struct validation *validation, const char *name,
                          int64_t otherwise)
{
    char text[RENDER_NUMBER_LENGTH_MAX + 1];
    int length = http_query_parameter(call->exchange, name, 0, text, sizeof(text));
    uint64_t price;

    if (length == HTTP_ABSENT || length == 0)
        return otherwise;
    if (length > 0 && text_to_unsigned(text, (size_t)length, PRICE_MINOR_MAX, &price))
        return (int64_t)price;
    validation_add(validation, field_of(name), "must be an integer from 0 to %lld, in minor units",
                   (long long)PRICE_MINOR_MAX);
    return otherwise;
}

static int8_t read_in_stock(struct api_call *call, struct validation *validation)
{
    char text[8];
    int length = http_query_parameter(call->exchange, "in_stock", 0, text, sizeof(text));

    if (length == HTTP_ABSENT || length == 0)
        return -1;
    if (length > 0 && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return text[0] == 't';
    validation_add(validation, FIELD("in_stock"), "must be true or false");
    return -1;
}

static enum browse_sort read_sort(struct api_call *call, struct validation *validation)
{
    char text[16];
    int length = http_query_parameter(call->exchange, "sort", 0, text, sizeof(text));

    if (length == HTTP_ABSENT || length == 0)
        return BROWSE_RELEVANCE;
    for (unsigned i = 0; length > 0 && i < BROWSE_SORT_COUNT; i++)
        if (strcmp(text, sort_names[i]) == 0)
            return (enum browse_sort)i;
    validation_add(validation, FIELD("sort"),
                   "must be one of relevance, price, -price, name, newest");
    return BROWSE_RELEVANCE;
}

static void read_cursor(struct api_call *call, struct validation *validation,
                        struct browse_query *query)
{
    char text[CURSOR_TEXT_MAX + 1];
    int length = http_query_parameter(call->exchange, "cursor", 0, text, sizeof(text));

    if (length == HTTP_ABSENT)
        return;
    query->is_continued = length > 0 && decode_cursor(text, (size_t)length, query);
    if (!query->is_continued)
        request_cursor_invalid(validation);
}

static void read_query(struct api_call *call, struct validation *validation,
                       struct browse_query *query)
{
    static const char *const names[] = {"q",         "category",  "brand",    "tag",
                                        "min_price", "max_price", "in_stock", "sort",
                                        "limit",     "cursor",    NULL};

    request_check_query(call, validation, names, NULL);
    query->q.length = read_text(call, validation, "q", BROWSE_TEXT_CHARACTERS_MAX, query->q.text,
                                sizeof(query->q.text));
    text_fold(query->q.text, query->q.length, query->q.text);
    for (unsigned i = 0; i < 3; i++)
        read_term(call, validation, names[1 + i], &query->terms[i]);
    query->min_price = read_price(call, validation, "min_price", 0);
    query->max_price = read_price(call, validation, "max_price", INT64_MAX);
    if (query->min_price > query->max_price)
        validation_add(validation, FIELD("min_price"), "must not be above `max_price`");
    query->in_stock = read_in_stock(call, validation);
    query->sort = read_sort(call, validation);
    query->limit = request_limit(call, validation);
    read_cursor(call, validation, query);
}

/* ---- the answer ---- */

static void write_values(struct writer *writer, const char *name, const struct browse_count *values,
                         uint32_t count)
{
    write_byte(writer, '"');
    write_text(writer, name);
    write_literal(writer, "\":[");
    for (uint32_t i = 0; i < count; i++) {
        write_text(writer, i == 0 ? "{\"value\":" : ",{\"value\":");
        write_json_string(writer, values[i].term->text, values[i].term->length);
        write_literal(writer, ",\"count\":");
        write_unsigned(writer, values[i].count);
        write_byte(writer, '}');
    }
    write_literal(writer, "],");
}

static void write_prices(struct writer *writer, const uint32_t counts[BROWSE_PRICE_RANGES])
{
    bool is_first = true;

    write_literal(writer, "\"price\":[");
    for (unsigned i = 0; i < BROWSE_PRICE_RANGES; i++) {
        if (counts[i] == 0)
            continue;
        write_text(writer, is_first ? "{\"from\":" : ",{\"from\":");
        write_signed(writer, browse_price_from(i));
        write_literal(writer, ",\"to\":");
        write_signed(writer,
                     browse_price_to(i) < PRICE_MINOR_MAX ? browse_price_to(i) : PRICE_MINOR_MAX);
        write_literal(writer, ",\"count\":");
        write_unsigned(writer, counts[i]);
        write_byte(writer, '}');
        is_first = false;
    }
    write_byte(writer, ']');
}

/* Behind the page's products, of which `next` were looked at. */
static void write_rest(struct browse *browse)
{
    const struct browse_result *result = &browse->result;
    struct writer *writer = &browse->writer;

    write_literal(writer, "],\"facets\":{");
    write_values(writer, "category", result->values[0], result->value_counts[0]);
    write_values(writer, "brand", result->values[1], result->value_counts[1]);
    write_values(writer, "tag", result->values[2], result->value_counts[2]);
    write_prices(writer, result->prices);
    write_literal(writer, "},\"total\":");
    write_unsigned(writer, result->total);
    write_literal(writer, ",\"next_cursor\":");
    if (browse->next > 0 && browse->next < result->item_count)
        write_cursor(writer, browse->query.sort, &result->items[browse->next - 1].place);
    else
        write_literal(writer, "null");
    write_byte(writer, '}');
}

/* ---- the course of it ---- */

static struct http_exchange *exchange_of(const struct browse *browse)
{
    struct http_server *server = atomic_load_explicit(&browse->shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, browse->exchange_cookie);
}

static void end(struct browse *browse)
{
    browse->shard->browses--;
    writer_free(&browse->writer);
    free(browse);
}

static void refuse(struct browse *browse, enum outcome outcome)
{
    struct http_exchange *exchange = exchange_of(browse);

    if (exchange != NULL)
        respond_outcome(exchange, outcome);
    end(browse);
}

static void read_next(struct browse *browse);

static void product_read(struct stored_read *read, struct http_exchange *exchange, bool failed)
{
    struct browse *browse = read->user;
    const struct record *record = stored_next(read, NULL);

    if (failed) {
        refuse(browse, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    if (exchange == NULL) { /* the client has gone */
        end(browse);
        return;
    }
    browse->next++;
    if (record != NULL) {
        if (browse->count++ > 0)
            write_byte(&browse->writer, ',');
        write_product(&browse->writer, record);
    }
    read_next(browse);
}

static void read_next(struct browse *browse)
{
    const struct browse_result *result = &browse->result;
    enum outcome outcome;

    if (browse->next < result->item_count && browse->next < browse->query.limit &&
        writer_length(&browse->writer) < BROWSE_PAGE_BYTES_MAX) {
        const struct product_entry *product = result->items[browse->next].product;
        struct journal_key from = {.partition = product->partition, .subject = product->number};
        struct journal_key to = {.partition = product->partition, .subject = product->number + 1};
        struct stored_read *read =
            stored_read_start(browse->shard, browse->exchange_cookie, RECORD_PRODUCT, from, to, 1,
                              product_read, &outcome);

        if (read == NULL)
            refuse(browse, outcome);
        else
            read->user = browse;
        return;
    }
    struct http_exchange *exchange = exchange_of(browse);
    if (exchange != NULL) {
        write_rest(browse);
        respond_json(exchange, 200, &browse->writer);
    }
    end(browse);
}

static void work_run(struct engine_work *work)
{
    struct browse *browse = work->user;

    browse_compute(browse->directory, &browse->query, &browse->result);
}

static void work_done(struct engine_work *work);

/* Whose turn it is go to the workers; who has gone meanwhile ends. */
static void start_passes(struct api_shard *shard)
{
    while (shard->passes < PASSES_MAX && shard->browse_first != NULL) {
        struct browse *browse = shard->browse_first;
        enum outcome outcome;

        shard->browse_first = browse->next_in_line;
        if (shard->browse_first == NULL)
            shard->browse_last = NULL;
        if (exchange_of(browse) == NULL) {
            end(browse);
            continue;
        }
        browse->directory = shard_directory(shard->shard);
        browse->work = (struct engine_work){
            .run = work_run, .done = work_done, .user = browse, .reads_directory = true};
        outcome = engine_work_submit(shard->shard, &browse->work);
        if (outcome == OUTCOME_PENDING) {
            shard->passes++;
            continue;
        }
        counter_add(&shard->counters.workers_refused, 1);
        refuse(browse, outcome);
    }
}

static void work_done(struct engine_work *work)
{
    struct browse *browse = work->user;

    browse->directory = NULL;
    browse->shard->passes--;
    start_passes(browse->shard);
    if (engine_mode(browse->shard->api->engine) == ENGINE_FAILED) {
        refuse(browse, OUTCOME_OUTCOME_UNKNOWN);
    } else if (browse->result.failed) {
        refuse(browse, OUTCOME_OVERLOADED);
    } else {
        write_literal(&browse->writer, "{\"data\":[");
        read_next(browse);
    }
}

static void enqueue(struct api_call *call, struct browse *browse)
{
    struct api_shard *shard = call->shard;

    browse->shard = shard;
    browse->exchange_cookie = http_exchange_cookie(call->exchange);
    browse->writer = writer_growing();
    shard->browses++;
    if (shard->browse_last == NULL)
        shard->browse_first = browse;
    else
        shard->browse_last->next_in_line = browse;
    shard->browse_last = browse;
    start_passes(shard);
}

void api_product_browse(struct api_call *call)
{
    bool is_full = call->shard->browses == BROWSES_MAX;
    struct browse *browse = is_full ? NULL : calloc(1, sizeof(*browse));
    struct validation validation;

    if (browse == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    validation_init(&validation);
    read_query(call, &validation, &browse->query);
    if (validation.count == 0) {
        enqueue(call, browse);
        return;
    }
    validation_respond(&validation, call->exchange);
    free(browse);
}

void api_product_browse_plain(struct api_call *call)
{
    api_product_browse(call);
}
