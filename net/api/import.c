/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/admin/import: a file in pieces, its rows gathered into products, each product one PUT.
 *
 *   body --> input --> csv --> import_rows -+
 *                  `-> import_lines --------+-> import_run: window of products --> engine
 *
 * An import that has answered, or whose client has gone, lives until its last product is answered.
 */
#include "api/import.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/import_private.h"
#include "api/log.h"
#include "api/request.h"

/* ---- ends ---- */

struct http_exchange *import_exchange(const struct import *import)
{
    struct http_server *server = atomic_load_explicit(&import->shard->server, memory_order_relaxed);

    if (server == NULL || import->step == IMPORT_ENDED)
        return NULL;
    return http_exchange_from_cookie(server, import->exchange_cookie);
}

static void write_count(struct writer *writer, const char *name, uint64_t count)
{
    write_byte(writer, '"');
    write_text(writer, name);
    write_literal(writer, "\":");
    write_unsigned(writer, count);
    write_byte(writer, ',');
}

static int compare_notes(const void *a, const void *b)
{
    uint64_t first;
    uint64_t second;

    _Static_assert(offsetof(struct import_note, row_number) == 0, "the first member is read");
    memcpy(&first, a, sizeof(first));
    memcpy(&second, b, sizeof(second));
    return (first > second) - (first < second);
}

/* Products answer in any order; people read files from the top. */
static void write_notes(struct writer *writer, const char *name, struct import_notes *notes)
{
    qsort(notes->notes, notes->count, sizeof(notes->notes[0]), compare_notes);
    write_byte(writer, '"');
    write_text(writer, name);
    write_literal(writer, "\":[");
    for (uint32_t i = 0; i < notes->count; i++) {
        const struct import_note *note = &notes->notes[i];

        if (i > 0)
            write_byte(writer, ',');
        write_literal(writer, "{\"row\":");
        write_unsigned(writer, note->row_number);
        write_literal(writer, ",\"field\":");
        write_json_string(writer, note->field, strlen(note->field));
        write_literal(writer, ",\"message\":");
        write_json_string(writer, note->message, strlen(note->message));
        write_byte(writer, '}');
    }
    write_byte(writer, ']');
}

void import_finish(struct import *import)
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
    write_byte(&writer, '{');
    write_count(&writer, "created", import->created);
    write_count(&writer, "updated", import->updated);
    write_count(&writer, "unchanged", import->unchanged);
    write_count(&writer, "rejected", import->rejected);
    write_count(&writer, "warnings", import->warnings);
    write_notes(&writer, "errors", &import->errors);
    write_byte(&writer, ',');
    write_notes(&writer, "warned", &import->warned);
    write_byte(&writer, '}');
    if (exchange != NULL)
        respond_json(exchange, 200, &writer);
    else
        writer_free(&writer);
    import_end(import);
}

void import_abort(struct import *import, enum outcome outcome)
{
    struct http_exchange *exchange = import_exchange(import);

    if (exchange != NULL)
        respond_outcome(exchange, outcome);
    import_end(import);
}

/* The file cannot be read at all. Freed by the pump, which is on the stack. */
static void refuse_file(struct import *import, const struct validation *validation)
{
    struct http_exchange *exchange = import_exchange(import);

    if (exchange != NULL)
        validation_respond(validation, exchange);
    import->step = IMPORT_ENDED;
}

/* ---- rows ---- */

/* Cut before a character that does not fit. */
static void copy_text(char *target, size_t capacity, const char *text)
{
    size_t length = strlen(text);

    if (length >= capacity) {
        length = capacity - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    while (length > 0 && !text_is_utf8(text, length, NULL)) /* one that printf has cut */
        length--;
    memcpy(target, text, length);
    target[length] = '\0';
}

static void add_note(struct import_notes *notes, uint64_t row_number, const char *field,
                     const char *message)
{
    if (notes->count == IMPORT_NOTES_MAX)
        return;
    struct import_note *note = &notes->notes[notes->count++];
    note->row_number = row_number;
    copy_text(note->field, sizeof(note->field), field);
    copy_text(note->message, sizeof(note->message), message);
}

void import_note_error(struct import *import, uint64_t row_number, const char *field,
                       const char *message)
{
    if (import->rejected_last != row_number)
        import->rejected++;
    import->rejected_last = row_number;
    add_note(&import->errors, row_number, field, message);
}

static void on_refused(void *user, uint64_t row_number, const char *field, const char *message)
{
    import_note_error(user, row_number, field, message);
}

static void on_warned(void *user, uint64_t row_number, const char *field, const char *message)
{
    struct import *import = user;

    import->warnings++;
    add_note(&import->warned, row_number, field, message);
}

static struct slice owner_of(void *user, struct slice sku)
{
    const struct import *import = user;
    const struct directory *directory = shard_directory(import->shard->shard);
    const struct sku_entry *entry = directory_find_sku_recorded(directory, sku.text, sku.length);

    if (entry == NULL)
        return (struct slice){"", 0};
    return (struct slice){entry->product->id, strlen(entry->product->id)};
}

static struct slice currency_of(void *user, struct slice id)
{
    const struct import *import = user;
    const struct directory *directory = shard_directory(import->shard->shard);
    const struct product_entry *product = directory_find_product(directory, id.text, id.length);
    const struct product_label *label =
        product == NULL ? NULL : atomic_load_explicit(&product->label, memory_order_acquire);

    if (label == NULL)
        return (struct slice){"", 0};
    return (struct slice){label->currency, strnlen(label->currency, sizeof(label->currency))};
}

static void take_header(struct import *import, const struct csv_row *row)
{
    struct import_rows *rows = &import->rows;
    struct validation validation;

    import->has_header = true;
    validation_init(&validation);
    import_mapping_resolve(&rows->mapping, rows->dialect, row, &validation);
    if (validation.count > 0)
        refuse_file(import, &validation);
    if (!import_mapping_gives(&rows->mapping, IMPORT_STOCK))
        import->stock_mode = STOCK_KEEP;
}

static bool goes_on(const struct import *import)
{
    return import->step != IMPORT_ENDED && import->in_flight < IMPORT_WINDOW &&
           import->flight_bytes < IMPORT_FLIGHT_BYTES_MAX;
}

static bool on_row(void *user, const struct csv_row *row)
{
    struct import *import = user;

    if (import->has_header)
        import_rows_take(&import->rows, row);
    else
        take_header(import, row);
    return goes_on(import);
}

static bool on_line(void *user, uint64_t number, const char *text, size_t length)
{
    struct import *import = user;

    import_line_take(&import->rows, import->json, number, text, length);
    return goes_on(import);
}

/* ---- input ---- */

enum { FIRST_BYTES = 4 }; /* by which encodings are told apart */

static void look_at_first_bytes(struct import *import)
{
    const char *encoding = import_file_encoding(import->input, import->input_used);
    struct validation validation;

    import->has_begun = true;
    if (encoding == NULL)
        return;
    validation_init(&validation);
    validation_add(&validation, FIELD("body"), "is %s: save the file as UTF-8", encoding);
    refuse_file(import, &validation);
}

void import_feed(struct import *import)
{
    size_t taken;

    if (!import->has_begun) {
        look_at_first_bytes(import);
        if (import->step == IMPORT_ENDED)
            return;
    }
    if (import->format == IMPORT_NDJSON)
        taken = import_lines_feed(import->lines, import->input, import->input_used);
    else
        taken = csv_feed(&import->csv, import->input, import->input_used);
    memmove(import->input, import->input + taken, import->input_used - taken);
    import->input_used -= (uint32_t)taken;
}

void import_finish_input(struct import *import)
{
    struct validation validation;

    if (import->format == IMPORT_NDJSON) {
        import_lines_finish(import->lines);
        return;
    }
    csv_finish(&import->csv);
    if (import->has_header || import->step == IMPORT_ENDED)
        return;
    validation_init(&validation);
    validation_add(&validation, FIELD("body"), "has no header row");
    refuse_file(import, &validation);
}

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
    if (!import->has_begun && import->input_used < FIRST_BYTES && !last)
        http_body_resume(exchange);
    else
        import_pump(import);
}

static void on_gone(struct http_exchange *exchange, void *user)
{
    (void)user;
    import_end(import_of(exchange));
}

static const struct http_stream_events stream_events = {.on_body = on_body, .on_gone = on_gone};

/* ---- the call ---- */

static void read_format(struct api_call *call, struct import *import, struct validation *validation)
{
    static const char *const formats[] = {
        [IMPORT_CSV] = "csv", [IMPORT_SHOPIFY_CSV] = "shopify-csv", [IMPORT_NDJSON] = "ndjson"};
    struct http_slice type = http_exchange_header(call->exchange, HTTP_HEADER_CONTENT_TYPE);
    bool is_csv = type.length >= 8 && strncasecmp(type.data, "text/csv", 8) == 0;
    char text[16];
    int length = http_query_parameter(call->exchange, "format", 0, text, sizeof(text));
    unsigned format = 0;

    if (length == HTTP_ABSENT) {
        format = is_csv ? IMPORT_CSV : IMPORT_NDJSON;
    } else {
        while (format <= IMPORT_NDJSON && (length < 0 || strcmp(text, formats[format]) != 0))
            format++;
        if (format > IMPORT_NDJSON)
            validation_add(validation, FIELD("format"), "must be csv, shopify-csv or ndjson");
        else if (is_csv != (format != IMPORT_NDJSON))
            validation_add(validation, FIELD("format"), "is not what the Content-Type says");
    }
    import->format = (enum import_format)format;
    import->rows.dialect = format == IMPORT_SHOPIFY_CSV ? IMPORT_SHOPIFY : IMPORT_GENERIC;
}

static void read_mode(struct api_call *call, struct import *import, struct validation *validation)
{
    static const char *const modes[] = {
        [STOCK_KEEP] = "keep", [STOCK_SET] = "set", [STOCK_ADD] = "add"};
    char text[8];
    int length = http_query_parameter(call->exchange, "dry_run", 0, text, sizeof(text));

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
        else if (import->format == IMPORT_NDJSON)
            validation_add(validation, FIELD("map"), "is for CSV: NDJSON has no columns");
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
    import->send_max = IMPORT_WINDOW;
    import->taken_boot_ms = shard->now.boot_ms;
    import->errors.count = 0;
    import->warned.count = 0;
    import_rows_init(&import->rows);
    import->rows.on_product = import_take_product;
    import->rows.on_refused = on_refused;
    import->rows.on_warned = on_warned;
    import->rows.owner_of = owner_of;
    import->rows.currency_of = currency_of;
    import->rows.user = import;
    csv_init(&import->csv, on_row, import);
    return import;
}

/* What only NDJSON needs; false without memory. */
static bool open_lines(struct import *import)
{
    if (import->format != IMPORT_NDJSON)
        return true;
    import->lines = malloc(sizeof(*import->lines));
    import->json.size = json_memory_needed(IMPORT_LINE_BYTES_MAX);
    import->json.bytes = malloc(import->json.size);
    if (import->lines != NULL)
        import_lines_init(import->lines, on_line, import);
    return import->lines != NULL && import->json.bytes != NULL;
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
    read_format(call, import, &validation);
    read_mode(call, import, &validation);
    read_mapping(call, import, &validation);
    if (validation.count > 0) {
        free(import);
        validation_respond(&validation, call->exchange);
        return;
    }
    if (!open_lines(import)) {
        free(import->lines);
        free(import->json.bytes);
        free(import);
        problem_respond(call->exchange, PROBLEM_OVERLOADED, "There is no memory for an import.");
        return;
    }
    call->shard->imports[import->slot] = import;
    ((struct call_scratch *)http_exchange_scratch(call->exchange))->import = import;
    http_exchange_listen(call->exchange, &stream_events);
}
