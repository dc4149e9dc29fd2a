/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/admin/import: a file in pieces, its rows gathered into products, each product one PUT.
 *
 *   body --> input --> csv --> import_rows --> window of PUTs --> engine
 *
 * At most IMPORT_WINDOW PUTs are under way; when the window is full, parsing stops, the input
 * fills, and the body is not read on. Memory is bounded by the window, the input and one product's
 * rows, whatever the file's size. An import that has answered, or whose client has gone, lives
 * until its last PUT is answered. */
#include "api/import.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/import_rows.h"
#include "api/log.h"
#include "api/request.h"

enum {
    IMPORT_ERRORS_MAX = 100, /* told; all are counted */
    /* A piece of the body that could not be parsed, and what still comes after a pause. */
    IMPORT_INPUT_BYTES_MAX = 192 * 1024,
    IMPORT_PARAMETER_MAX = IMPORT_MAPPING_BYTES_MAX,
};

/* A product on its way to its partition. */
struct import_put {
    struct import *import;
    uint32_t row_count;
    uint64_t row_numbers[]; /* of its variants */
};

enum import_step {
    IMPORT_READING,
    IMPORT_LAST_ROW, /* the body is complete: what has no newline is a row too */
    IMPORT_FLUSHING, /* and the product being gathered is complete */
    IMPORT_WAITING,  /* for PUTs under way */
    IMPORT_ENDED,    /* answered, or nobody is there to be answered */
};

struct import {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct origin origin;
    unsigned slot;
    enum import_step step;
    bool is_complete; /* the body has come to its end */
    bool has_header;
    bool dry_run;
    enum stock_mode stock_mode;
    uint32_t in_flight;
    /* Refused by the engine for the moment; sent before anything else is parsed. */
    struct import_put *stalled_put;
    struct product_envelope *stalled_envelope;

    uint64_t created;
    uint64_t updated;
    uint64_t unchanged;
    uint64_t rejected;
    uint32_t error_count;
    struct {
        uint64_t row_number;
        char field[24];
        char message[IMPORT_MESSAGE_LENGTH_MAX + 1];
    } errors[IMPORT_ERRORS_MAX];

    uint32_t input_used;
    char input[IMPORT_INPUT_BYTES_MAX];
    struct import_rows rows;
    struct csv_parser csv;
};

static void import_pump(struct import *import);

/* ---- ends ---- */

static struct http_exchange *import_exchange(const struct import *import)
{
    struct http_server *server = atomic_load_explicit(&import->shard->server, memory_order_relaxed);

    if (server == NULL || import->step == IMPORT_ENDED)
        return NULL;
    return http_exchange_from_cookie(server, import->exchange_cookie);
}

/* Ends it; its memory goes with the last PUT under way. */
static void import_end(struct import *import)
{
    import->step = IMPORT_ENDED;
    free(import->stalled_put);
    envelope_free(import->stalled_envelope);
    import->stalled_put = NULL;
    import->stalled_envelope = NULL;
    if (import->in_flight > 0)
        return;
    import->shard->imports[import->slot] = NULL;
    import_rows_free(&import->rows);
    free(import);
}

static void write_result(struct writer *writer, const struct import *import)
{
    write_literal(writer, "{\"created\":");
    write_unsigned(writer, import->created);
    write_literal(writer, ",\"updated\":");
    write_unsigned(writer, import->updated);
    write_literal(writer, ",\"unchanged\":");
    write_unsigned(writer, import->unchanged);
    write_literal(writer, ",\"rejected\":");
    write_unsigned(writer, import->rejected);
    write_literal(writer, ",\"warnings\":");
    write_unsigned(writer, import->rows.warnings);
    write_literal(writer, ",\"errors\":[");
    for (uint32_t i = 0; i < import->error_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_literal(writer, "{\"row\":");
        write_unsigned(writer, import->errors[i].row_number);
        write_literal(writer, ",\"field\":");
        write_json_string(writer, import->errors[i].field, strlen(import->errors[i].field));
        write_literal(writer, ",\"message\":");
        write_json_string(writer, import->errors[i].message, strlen(import->errors[i].message));
        write_byte(writer, '}');
    }
    write_literal(writer, "]}");
}

static int compare_errors(const void *a, const void *b)
{
    uint64_t first;
    uint64_t second;

    memcpy(&first, a, sizeof(first));
    memcpy(&second, b, sizeof(second));
    return (first > second) - (first < second);
}

static void import_finish(struct import *import)
{
    struct http_exchange *exchange = import_exchange(import);
    struct writer writer = writer_growing();
    struct log_line line;

    log_begin(&line, LOG_INFO, import->dry_run ? "import_tried" : "import_done",
              engine_now(import->shard->api->engine).wall_ms);
    log_number(&line, "created", (int64_t)import->created);
    log_number(&line, "updated", (int64_t)import->updated);
    log_number(&line, "unchanged", (int64_t)import->unchanged);
    log_number(&line, "rejected", (int64_t)import->rejected);
    log_end(&line);
    /* Products answer in any order; people read files from the top. */
    _Static_assert(offsetof(struct import, errors[0].row_number) ==
                       offsetof(struct import, errors[0]),
                   "compare_errors reads the first member");
    qsort(import->errors, import->error_count, sizeof(import->errors[0]), compare_errors);
    write_result(&writer, import);
    if (exchange != NULL)
        respond_json(exchange, 200, &writer);
    else
        writer_free(&writer);
    import_end(import);
}

/* Gives up: what was done stands, and the file can be sent again. */
static void import_abort(struct import *import, enum outcome outcome)
{
    struct http_exchange *exchange = import_exchange(import);

    if (exchange != NULL)
        respond_outcome(exchange, outcome);
    import_end(import);
}

/* ---- rows and products ---- */

static void note_error(struct import *import, uint64_t row_number, const char *field,
                       const char *message)
{
    import->rejected++;
    if (import->error_count == IMPORT_ERRORS_MAX)
        return;
    uint32_t index = import->error_count++;
    import->errors[index].row_number = row_number;
    snprintf(import->errors[index].field, sizeof(import->errors[index].field), "%s", field);
    snprintf(import->errors[index].message, sizeof(import->errors[index].message), "%s", message);
}

static void on_refused(void *user, uint64_t row_number, const char *field, const char *message)
{
    note_error(user, row_number, field, message);
}

static bool is_taken(void *user, struct slice sku, struct slice product_id)
{
    struct import *import = user;
    const struct directory *directory = shard_directory(import->shard->shard);
    const struct sku_entry *entry = directory_find_sku_recorded(directory, sku.text, sku.length);

    return entry != NULL && !slice_is(product_id, entry->product->id);
}

/* All rows of a product that was not taken; `culprit` is the one at fault, where it is known. */
static void refuse_put(struct import *import, const struct import_put *put, const char *field,
                       const char *message, uint32_t culprit)
{
    for (uint32_t i = 0; i < put->row_count; i++) {
        if (culprit >= put->row_count || i == culprit)
            note_error(import, put->row_numbers[i], field, message);
        else
            note_error(import, put->row_numbers[i], "product",
                       "was not taken: another of its rows was refused");
    }
}

static void count_put(struct import *import, const struct import_put *put,
                      const struct reply_body *reply)
{
    switch ((enum put_result)reply->put_result) {
    case PUT_CREATED:
        import->created += put->row_count;
        break;
    case PUT_UPDATED:
        import->updated += put->row_count;
        break;
    case PUT_UNCHANGED:
        import->unchanged += put->row_count;
        break;
    }
}

/* The engine said no to one product; true if the import cannot go on. */
static bool refuse_answered(struct import *import, const struct import_put *put,
                            const struct reply_body *reply)
{
    enum outcome outcome = (enum outcome)reply->outcome;

    if (outcome == OUTCOME_STORAGE_FULL || outcome == OUTCOME_OUTCOME_UNKNOWN)
        return true;
    if (outcome == OUTCOME_SKU_TAKEN)
        refuse_put(import, put, "sku", "belongs to another product", reply->limit);
    else if (outcome == OUTCOME_STOCK_CONFLICT)
        refuse_put(import, put, "stock", "cannot be set: units are being bought, or too many",
                   UINT32_MAX);
    else
        refuse_put(import, put, "row", "could not be taken for the moment: import it again",
                   UINT32_MAX);
    return false;
}

static void put_answer(struct api_shard *shard, struct http_exchange *exchange,
                       const struct message *message, void *user)
{
    struct import_put *put = user;
    struct import *import = put->import;
    bool must_stop = false;

    (void)shard;
    (void)exchange;
    import->in_flight--;
    if (message->reply.outcome == OUTCOME_OK)
        count_put(import, put, &message->reply);
    else
        must_stop = refuse_answered(import, put, &message->reply);
    free(put);
    if (import->step == IMPORT_ENDED)
        import_end(import);
    else if (must_stop)
        import_abort(import, (enum outcome)message->reply.outcome);
    else
        import_pump(import);
}

/* Sends what is stalled; false if it stays stalled, or the import has ended. */
static bool send_stalled(struct import *import)
{
    struct pending_table *pending = &import->shard->pending;
    struct command command = {.type = COMMAND_PRODUCT_PUT,
                              .authority = AUTHORITY_STAFF,
                              .origin = import->origin,
                              .product = import->stalled_envelope};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal refusal;

    uint64_t cookie =
        pending_open(pending, import->exchange_cookie, put_answer, import->stalled_put);
    if (cookie != 0) {
        outcome = engine_submit(import->shard->shard, &command, cookie, &refusal);
        if (outcome != OUTCOME_PENDING)
            pending_cancel(pending, cookie);
    }
    if (outcome == OUTCOME_PENDING) {
        import->stalled_put = NULL;
        import->stalled_envelope = NULL;
        import->in_flight++;
        return true;
    }
    if (outcome != OUTCOME_OVERLOADED || engine_mode(import->shard->api->engine) == ENGINE_DRAINING)
        import_abort(import, outcome);
    return false;
}

static void on_product(void *user, const struct product_draft *draft, const uint64_t *row_numbers)
{
    struct import *import = user;
    size_t rows_bytes = draft->variant_count * sizeof(row_numbers[0]);
    struct import_put *put = malloc(sizeof(*put) + rows_bytes);
    bool too_large = false;

    assert(import->stalled_put == NULL && import->in_flight < IMPORT_WINDOW);
    if (put == NULL) {
        for (uint32_t i = 0; i < draft->variant_count; i++)
            note_error(import, row_numbers[i], "row", "could not be taken: out of memory");
        return;
    }
    put->import = import;
    put->row_count = draft->variant_count;
    memcpy(put->row_numbers, row_numbers, rows_bytes);
    struct product_envelope *envelope = product_draft_pack(draft, &too_large);
    if (envelope == NULL) {
        refuse_put(import, put, "product",
                   too_large ? "is larger than 65536 bytes" : "could not be taken: out of memory",
                   UINT32_MAX);
        free(put);
        return;
    }
    envelope->put_mode = PUT_UPSERT;
    envelope->stock_mode = (uint8_t)import->stock_mode;
    envelope->dry_run = import->dry_run;
    /* Sent by the pump: what becomes of the import is decided there, not within the parser. */
    import->stalled_put = put;
    import->stalled_envelope = envelope;
}

static void take_header(struct import *import, const struct csv_row *row)
{
    struct http_exchange *exchange = import_exchange(import);
    struct validation validation;

    import->has_header = true;
    validation_init(&validation);
    import_mapping_resolve(&import->rows.mapping, row, &validation);
    if (validation.count == 0)
        return;
    if (exchange != NULL)
        validation_respond(&validation, exchange);
    import->step = IMPORT_ENDED; /* freed by the pump, which is on the stack */
}

static bool on_row(void *user, const struct csv_row *row)
{
    struct import *import = user;

    if (!import->has_header)
        take_header(import, row);
    else
        import_rows_take(&import->rows, row);
    return import->stalled_put == NULL && import->step != IMPORT_ENDED;
}

/* ---- the pump ---- */

static void feed(struct import *import)
{
    size_t taken = csv_feed(&import->csv, import->input, import->input_used);

    memmove(import->input, import->input + taken, import->input_used - taken);
    import->input_used -= (uint32_t)taken;
}

/* One step; false if there is nothing to do for now. */
static bool advance(struct import *import)
{
    struct http_exchange *exchange;
    struct validation validation;

    switch (import->step) {
    case IMPORT_READING:
        if (import->input_used > 0)
            feed(import);
        else if (import->is_complete)
            import->step = IMPORT_LAST_ROW;
        else
            return false;
        return true;
    case IMPORT_LAST_ROW:
        import->step = IMPORT_FLUSHING;
        csv_finish(&import->csv);
        return true;
    case IMPORT_FLUSHING:
        import->step = IMPORT_WAITING;
        exchange = import_exchange(import);
        if (!import->has_header && exchange != NULL) {
            validation_init(&validation);
            validation_add(&validation, FIELD("body"), "has no header row");
            validation_respond(&validation, exchange);
            import->step = IMPORT_ENDED;
        }
        import_rows_flush(&import->rows);
        return true;
    case IMPORT_WAITING:
    case IMPORT_ENDED:
        break;
    }
    return false;
}

/* Goes on as far as it can; may end the import. */
static void import_pump(struct import *import)
{
    do {
        if (import->step == IMPORT_ENDED) {
            import_end(import);
            return;
        }
        if (import->in_flight == IMPORT_WINDOW)
            return;
        if (import->stalled_put != NULL && !send_stalled(import))
            return;
    } while (import->in_flight == IMPORT_WINDOW || advance(import));
    if (import->step == IMPORT_WAITING && import->in_flight == 0) {
        import_finish(import);
        return;
    }
    struct http_exchange *exchange = import_exchange(import);
    if (exchange != NULL && !import->is_complete && import->input_used == 0)
        http_body_resume(exchange);
}

void imports_resume(struct api_shard *shard)
{
    for (unsigned i = 0; i < IMPORTS_MAX; i++) {
        if (shard->imports[i] != NULL && shard->imports[i]->stalled_put != NULL)
            import_pump(shard->imports[i]);
    }
}

/* ---- HTTP ---- */

static struct import *import_of(struct http_exchange *exchange)
{
    struct import *import;

    import = ((struct call_scratch *)http_exchange_scratch(exchange))->import;
    return import;
}

static void on_body(struct http_exchange *exchange, const char *data, size_t length, bool last,
                    void *user)
{
    struct import *import = import_of(exchange);

    (void)user;
    if (import->input_used == 0 && !last)
        http_body_pause(exchange); /* the pump resumes it when all of this is parsed */
    if (length > sizeof(import->input) - import->input_used) {
        problem_respond(exchange, PROBLEM_INTERNAL_ERROR, "More came than was asked for.");
        import_end(import);
        return;
    }
    if (length > 0)
        memcpy(import->input + import->input_used, data, length);
    import->input_used += (uint32_t)length;
    import->is_complete = last;
    import_pump(import);
}

static void on_gone(struct http_exchange *exchange, void *user)
{
    (void)user;
    import_end(import_of(exchange));
}

static const struct http_stream_events stream_events = {.on_body = on_body, .on_gone = on_gone};

static void read_mode(struct api_call *call, struct import *import, struct validation *validation)
{
    static const char *const modes[] = {
        [STOCK_KEEP] = "keep", [STOCK_SET] = "set", [STOCK_ADD] = "add"};
    char text[8];
    int length = http_query_parameter(call->exchange, "format", 0, text, sizeof(text));

    if (length != HTTP_ABSENT && (length < 0 || strcmp(text, "csv") != 0))
        validation_add(validation, FIELD("format"), "must be csv");
    length = http_query_parameter(call->exchange, "dry_run", 0, text, sizeof(text));
    if (length > 0 && strcmp(text, "true") == 0)
        import->dry_run = true;
    else if (length != HTTP_ABSENT && (length < 0 || strcmp(text, "false") != 0))
        validation_add(validation, FIELD("dry_run"), "must be true or false");
    length = http_query_parameter(call->exchange, "stock", 0, text, sizeof(text));
    if (length == HTTP_ABSENT)
        return;
    for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (length > 0 && strcmp(text, modes[i]) == 0) {
            import->stock_mode = (enum stock_mode)i;
            return;
        }
    }
    validation_add(validation, FIELD("stock"), "must be keep, set or add");
}

static void read_mapping(struct api_call *call, struct import *import,
                         struct validation *validation)
{
    char text[IMPORT_PARAMETER_MAX + 1];

    import_mapping_init(&import->rows.mapping);
    for (unsigned i = 0;; i++) {
        int length = http_query_parameter(call->exchange, "map", i, text, sizeof(text));
        if (length == HTTP_ABSENT)
            return;
        if (length < 0)
            validation_add(validation, FIELD("map"), "is unreadable or too long");
        else
            import_mapping_add(&import->rows.mapping, text, (size_t)length, validation);
    }
}

static struct import *import_open(struct api_call *call)
{
    struct api_shard *shard = call->shard;
    unsigned slot = 0;

    while (slot < IMPORTS_MAX && shard->imports[slot] != NULL)
        slot++;
    /* The large members are written before they are read: only what stands before them is cleared.
     */
    struct import *import = slot == IMPORTS_MAX ? NULL : malloc(sizeof(*import));
    if (import == NULL)
        return NULL;
    memset(import, 0, offsetof(struct import, errors));
    import->shard = shard;
    import->slot = slot;
    import->exchange_cookie = http_exchange_cookie(call->exchange);
    import->origin = call_origin(call);
    import->stock_mode = STOCK_KEEP;
    import->input_used = 0;
    import_rows_init(&import->rows);
    import->rows.on_product = on_product;
    import->rows.on_refused = on_refused;
    import->rows.is_taken = is_taken;
    import->rows.user = import;
    csv_init(&import->csv, on_row, import);
    return import;
}

void api_import(struct api_call *call)
{
    static const char *const names[] = {"format", "dry_run", "stock", "map", NULL};
    struct import *import = import_open(call);
    struct validation validation;

    if (import == NULL) {
        problem_respond(call->exchange, PROBLEM_OVERLOADED, "Other imports are under way.");
        return;
    }
    validation_init(&validation);
    request_check_query(call, &validation, names, "map");
    read_mode(call, import, &validation);
    read_mapping(call, import, &validation);
    if (validation.count > 0) {
        free(import);
        validation_respond(&validation, call->exchange);
        return;
    }
    call->shard->imports[import->slot] = import;
    ((struct call_scratch *)http_exchange_scratch(call->exchange))->import = import;
    http_exchange_listen(call->exchange, &stream_events);
}
