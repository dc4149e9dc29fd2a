/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/admin/export: all products as a file, in the order of the store. Streamed: no more than a
 * page of what is stored, a piece of text and what the connection's buffer holds is in memory,
 * whatever the client's pace. A product that is made meanwhile in a partition that has been passed
 * is not met. */
#include "api/catalogue_export.h"

#include <stdlib.h>
#include <string.h>

#include "api/catalogue_rows.h"
#include "api/request.h"

enum {
    EXPORT_PAGE = 50, /* products that are read at once */
    /* Written out at once: of products, as many as make so much. */
    EXPORT_PIECE_BYTES = 32 * 1024,
    EXPORT_INDEX_MAX = 100,
};

struct catalogue_export {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    unsigned slot;
    enum catalogue_format format;
    char index[EXPORT_INDEX_MAX + 1];
    struct engine_read read;
    struct journal_key from; /* of the next page */
    size_t at;               /* of the next record in the page */
    bool has_page;
    bool is_last_page;
    bool is_reading;
    bool is_begun;   /* the head is out */
    bool is_paused;  /* the client reads */
    bool is_stalled; /* the store takes no more reads for the moment */
    struct writer writer;
    struct product_draft draft;
};

static const struct {
    const char *name;
    const char *type;
    const char *disposition;
} formats[CATALOGUE_FORMAT_COUNT] = {
    [CATALOGUE_CSV] = {"csv", "text/csv; charset=utf-8", "attachment; filename=\"products.csv\""},
    [CATALOGUE_SHOPIFY_CSV] = {"shopify-csv", "text/csv; charset=utf-8",
                               "attachment; filename=\"products-shopify.csv\""},
    [CATALOGUE_NDJSON] = {"ndjson", "application/x-ndjson",
                          "attachment; filename=\"products.ndjson\""},
    [CATALOGUE_BULK] = {"bulk", "application/x-ndjson",
                        "attachment; filename=\"products-bulk.ndjson\""},
};

static void go_on(struct catalogue_export *export);

static struct http_exchange *exchange_of(const struct catalogue_export *export)
{
    struct http_server *server = atomic_load_explicit(&export->shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, export->exchange_cookie);
}

static void forget_page(struct catalogue_export *export)
{
    if (export->has_page)
        free(export->read.read.result.bytes);
    export->has_page = false;
}

/* Frees it; nothing is being read. */
static void end(struct catalogue_export *export)
{
    struct http_exchange *exchange = exchange_of(export);

    if (exchange != NULL)
        ((struct call_scratch *)http_exchange_scratch(exchange))->catalogue = NULL;
    export->shard->exports[export->slot] = NULL;
    forget_page(export);
    writer_free(&export->writer);
    free(export);
}

/* It cannot be finished: visibly incomplete, or refused where nothing is out yet. */
static void fail(struct catalogue_export *export, enum outcome outcome)
{
    struct http_exchange *exchange = exchange_of(export);
    bool is_begun = export->is_begun;

    end(export);
    if (exchange != NULL && is_begun)
        http_stream_abort(exchange);
    else if (exchange != NULL)
        respond_outcome(exchange, outcome);
}

/* ---- reading ---- */

static void on_read(struct engine_read *read)
{
    struct catalogue_export *export = read->user;

    export->is_reading = false;
    export->has_page = true;
    export->at = 0;
    export->is_last_page = read->read.count < EXPORT_PAGE;
    if (exchange_of(export) == NULL)
        end(export);
    else if (read->read.failed)
        fail(export, OUTCOME_OUTCOME_UNKNOWN);
    else
        go_on(export);
}

static void begin_read(struct catalogue_export *export)
{
    enum outcome outcome;

    forget_page(export);
    export->read.read =
        (struct journal_read){.kind = RECORD_PRODUCT,
                              .from = export->from,
                              .to = (struct journal_key){.partition = PARTITIONS_MAX},
                              .limit = EXPORT_PAGE};
    export->read.done = on_read;
    export->read.user = export;
    export->is_reading = true;
    outcome = engine_read_submit(export->shard->shard, &export->read);
    if (outcome == OUTCOME_PENDING)
        return;
    export->is_reading = false;
    if (outcome == OUTCOME_OVERLOADED)
        export->is_stalled = true;
    else
        fail(export, outcome);
}

/* The page's next record, or NULL. */
static const struct record *next_record(struct catalogue_export *export)
{
    const struct arena *result = &export->read.read.result;
    const struct record *record;

    if (!export->has_page || export->at >= result->used)
        return NULL;
    record = (const struct record *)(const void *)(result->bytes + export->at);
    export->at += record->size;
    export->from = (struct journal_key){.partition = record->partition,
                                        .subject = (uint32_t)record->subject + 1};
    return record;
}

/* ---- writing ---- */

static void begin(struct catalogue_export *export, struct http_exchange *exchange)
{
    export->is_begun = true;
    http_header_add(exchange, "Content-Disposition", formats[export->format].disposition);
    http_stream_begin(exchange, 200, formats[export->format].type);
    catalogue_write_head(&export->writer, export->format);
}

/* False: the stored document cannot be read. */
static bool write_record(struct catalogue_export *export, const struct record *record)
{
    const struct directory *directory = shard_directory(export->shard->shard);
    struct catalogue_row row = {.draft = &export->draft, .record = record};
    const struct json_value *object;
    struct validation validation;
    const char *message;
    size_t position;

    validation_init(&validation);
    object = json_read(export->shard->json, record_document(record),
                       record->product.document_length, &message, &position);
    if (object == NULL)
        return false;
    product_draft_replace(&validation, object, &export->draft);
    if (validation.count > 0)
        return false;
    row.index = (struct slice){export->index, strlen(export->index)};
    for (uint32_t i = 0; i < export->draft.variant_count; i++) {
        struct slice sku = export->draft.variants[i].sku;
        const struct sku_entry *entry =
            directory_find_sku_recorded(directory, sku.text, sku.length);

        row.available[i] = entry == NULL ? 0 : gate_available(&entry->gate);
    }
    catalogue_write_product(&export->writer, export->format, &row);
    return true;
}

/* Writes out what is there. False: the client has to read first, or has gone. */
static bool put_out(struct catalogue_export *export, struct http_exchange *exchange)
{
    struct writer *writer = &export->writer;
    size_t length = writer_length(writer);
    bool has_room = true;

    if (length > 0)
        has_room = http_stream_write(exchange, writer->start, length);
    writer->at = writer->start;
    return has_room;
}

static void finish(struct catalogue_export *export)
{
    struct http_exchange *exchange = exchange_of(export);

    end(export);
    if (exchange != NULL)
        http_stream_end(exchange);
}

/* Goes on as far as it can; may end the export. */
static void go_on(struct catalogue_export *export)
{
    struct http_exchange *exchange = exchange_of(export);
    const struct record *record;

    if (exchange == NULL) {
        end(export);
        return;
    }
    if (!export->has_page) {
        begin_read(export);
        return;
    }
    if (!export->is_begun)
        begin(export, exchange);
    while ((record = next_record(export)) != NULL) {
        if (!write_record(export, record) || export->writer.failed) {
            fail(export, OUTCOME_OVERLOADED);
            return;
        }
        if (writer_length(&export->writer) >= EXPORT_PIECE_BYTES && !put_out(export, exchange)) {
            if (exchange_of(export) == NULL)
                end(export);
            else
                export->is_paused = true;
            return;
        }
    }
    if (!export->is_last_page) {
        begin_read(export);
        return;
    }
    (void)put_out(export, exchange);
    if (exchange_of(export) == NULL)
        end(export);
    else
        finish(export);
}

void catalogue_exports_resume(struct api_shard *shard)
{
    for (unsigned i = 0; i < EXPORTS_MAX; i++) {
        struct catalogue_export *export = shard->exports[i];

        if (export == NULL || !export->is_stalled)
            continue;
        export->is_stalled = false;
        begin_read(export);
    }
}

static struct catalogue_export *export_of(struct http_exchange *exchange)
{
    return ((struct call_scratch *)http_exchange_scratch(exchange))->catalogue;
}

static void on_writable(struct http_exchange *exchange, void *user)
{
    struct catalogue_export *export = export_of(exchange);

    (void)user;
    if (export == NULL || !export->is_paused)
        return;
    export->is_paused = false;
    go_on(export);
}

/* Where it is being read, or written at this moment, that meets it. */
static void on_gone(struct http_exchange *exchange, void *user)
{
    struct catalogue_export *export = export_of(exchange);

    (void)user;
    if (export == NULL || (!export->is_paused && !export->is_stalled))
        return;
    ((struct call_scratch *)http_exchange_scratch(exchange))->catalogue = NULL;
    end(export);
}

static const struct http_stream_events stream_events = {.on_writable = on_writable,
                                                        .on_gone = on_gone};

/* ---- the call ---- */

static void read_query(struct catalogue_export *export, struct api_call *call,
                       struct validation *validation)
{
    char text[EXPORT_INDEX_MAX + 1];
    int length = http_query_parameter(call->exchange, "format", 0, text, sizeof(text));
    unsigned format = 0;

    while (format < CATALOGUE_FORMAT_COUNT && length != HTTP_ABSENT &&
           (length < 0 || strcmp(text, formats[format].name) != 0))
        format++;
    if (format == CATALOGUE_FORMAT_COUNT)
        validation_add(validation, FIELD("format"), "must be csv, shopify-csv, ndjson or bulk");
    else
        export->format = (enum catalogue_format)format;
    length = http_query_parameter(call->exchange, "index", 0, text, sizeof(text));
    memcpy(export->index, "products", sizeof("products"));
    if (length == HTTP_ABSENT)
        return;
    if (length < 1 || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != (size_t)length ||
        memchr("-_.", text[0], 3) != NULL)
        validation_add(validation, FIELD("index"),
                       "must be 1 to 100 of small letters, digits and - _ . and begin with one of "
                       "the first two");
    else if (format != CATALOGUE_BULK)
        validation_add(validation, FIELD("index"), "is for bulk only");
    else
        memcpy(export->index, text, (size_t)length + 1);
}

static struct catalogue_export *open_export(struct api_call *call)
{
    struct api_shard *shard = call->shard;
    unsigned slot = 0;

    while (slot < EXPORTS_MAX && shard->exports[slot] != NULL)
        slot++;
    struct catalogue_export *export = slot == EXPORTS_MAX ? NULL : malloc(sizeof(*export));
    if (export == NULL)
        return NULL;
    memset(export, 0, offsetof(struct catalogue_export, draft));
    export->shard = shard;
    export->slot = slot;
    export->exchange_cookie = http_exchange_cookie(call->exchange);
    export->writer = writer_growing();
    return export;
}

void api_catalogue_export(struct api_call *call)
{
    static const char *const names[] = {"format", "index", NULL};
    struct catalogue_export *export = open_export(call);
    struct validation validation;

    if (export == NULL) {
        problem_respond(call->exchange, PROBLEM_OVERLOADED, "Other exports are under way.");
        return;
    }
    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    read_query(export, call, &validation);
    if (validation.count > 0) {
        writer_free(&export->writer);
        free(export);
        validation_respond(&validation, call->exchange);
        return;
    }
    call->shard->exports[export->slot] = export;
    ((struct call_scratch *)http_exchange_scratch(call->exchange))->catalogue = export;
    http_exchange_listen(call->exchange, &stream_events);
    go_on(export);
}
