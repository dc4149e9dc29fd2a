/* SPDX-License-Identifier: Apache-2.0 */
/* Files of products: any bytes as generic CSV, Shopify's or NDJSON, whole and in pieces, come to
 * the same products; and a product that was taken, written as any format and read again over
 * itself, is the same to the byte.
 *
 * Input: the format; the length of a piece, less one; then the file. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/catalogue_rows.h"
#include "api/csv.h"
#include "api/import_lines.h"
#include "api/import_merge.h"

enum { FORMATS = 3 };

/* One reading of a file. */
struct reading {
    struct import_rows rows;
    struct import_lines lines;
    struct csv_parser csv;
    struct product_draft merged;
    unsigned format;
    bool has_header;
    bool is_refused; /* the header is */
    uint64_t hash;
    uint64_t products;
    struct record *stored; /* what it is to be read over; NULL: nothing */
    struct product_draft stored_draft;
};

static struct reading first;
static struct reading again;
static struct json_memory line_memory;
static struct json_memory line_memory_again;
static struct json_memory document_memory;

static void on_refused(void *user, uint64_t row_number, const char *field, const char *message)
{
    struct reading *reading = user;

    assert(row_number > 0 && field != NULL && message[0] != '\0');
    assert(reading != &again); /* what was written can be read */
    reading->hash = fuzz_hash(reading->hash, &row_number, sizeof(row_number));
    reading->hash = fuzz_hash(reading->hash, message, strlen(message));
}

static void on_warned(void *user, uint64_t row_number, const char *field, const char *message)
{
    struct reading *reading = user;

    assert(row_number > 0 && field != NULL && message[0] != '\0');
    reading->hash = fuzz_hash(reading->hash, &row_number, sizeof(row_number));
}

static struct slice owner_of(void *user, struct slice sku)
{
    const struct reading *reading = user;

    for (uint32_t i = 0; reading->stored != NULL && i < reading->stored_draft.variant_count; i++) {
        if (slices_equal(reading->stored_draft.variants[i].sku, sku))
            return reading->stored_draft.id;
    }
    return (struct slice){"", 0};
}

static struct slice currency_of(void *user, struct slice id)
{
    const struct reading *reading = user;

    if (reading->stored != NULL && slices_equal(reading->stored_draft.id, id))
        return reading->stored_draft.currency;
    return (struct slice){"", 0};
}

static void refuse(void *user, uint32_t index, const char *field, const char *message)
{
    struct reading *reading = user;

    assert(index < reading->rows.product.row_count);
    on_refused(user, reading->rows.product.row_numbers[index], field, message);
}

static struct product_envelope *make(struct reading *reading, const struct import_product *product)
{
    struct import_product *copy = &reading->rows.product;
    struct import_merge merge = {.rows = &reading->rows,
                                 .product = copy,
                                 .stored = reading->stored == NULL ? NULL : &reading->stored_draft,
                                 .refuse = refuse,
                                 .user = reading,
                                 .merged = &reading->merged};
    bool too_large = false;

    assert(product == copy);
    return import_merge(&merge) ? product_draft_pack(&reading->merged, &too_large) : NULL;
}

static void round_trip(const struct product_envelope *envelope);

static void on_product(void *user, const struct import_product *product)
{
    struct reading *reading = user;
    struct product_envelope *envelope = make(reading, product);

    reading->products++;
    if (reading == &again) {
        const struct record *stored = again.stored;
        assert(envelope != NULL && envelope->document_length == stored->product.document_length);
        assert(memcmp(envelope->document, record_document(stored), envelope->document_length) == 0);
    } else if (envelope != NULL) {
        reading->hash = fuzz_hash(reading->hash, envelope->document, envelope->document_length);
        round_trip(envelope);
    }
    envelope_free(envelope);
}

static bool on_row(void *user, const struct csv_row *row)
{
    struct reading *reading = user;
    struct validation validation;

    if (reading->is_refused)
        return true;
    if (reading->has_header) {
        import_rows_take(&reading->rows, row);
        return true;
    }
    reading->has_header = true;
    validation_init(&validation);
    import_mapping_resolve(&reading->rows.mapping, reading->rows.dialect, row, &validation);
    reading->is_refused = validation.count > 0;
    assert(reading != &again || !reading->is_refused);
    return true;
}

static bool on_line(void *user, uint64_t number, const char *text, size_t length)
{
    struct reading *reading = user;

    import_line_take(&reading->rows, reading == &again ? line_memory_again : line_memory, number,
                     text, length);
    return true;
}

static void begin(struct reading *reading, unsigned format)
{
    reading->format = format;
    reading->has_header = false;
    reading->is_refused = false;
    reading->hash = FUZZ_HASH_START;
    reading->products = 0;
    import_mapping_init(&reading->rows.mapping);
    import_rows_init(&reading->rows);
    reading->rows.dialect = format == 1 ? IMPORT_SHOPIFY : IMPORT_GENERIC;
    reading->rows.on_product = on_product;
    reading->rows.on_refused = on_refused;
    reading->rows.on_warned = on_warned;
    reading->rows.owner_of = owner_of;
    reading->rows.currency_of = currency_of;
    reading->rows.user = reading;
    csv_init(&reading->csv, on_row, reading);
    import_lines_init(&reading->lines, on_line, reading);
}

static void feed(struct reading *reading, const char *text, size_t length, size_t piece)
{
    for (size_t at = 0; at < length;) {
        size_t end = length - at < piece ? length : at + piece;
        size_t taken = reading->format == 2
                           ? import_lines_feed(&reading->lines, text + at, end - at)
                           : csv_feed(&reading->csv, text + at, end - at);

        assert(taken == end - at);
        at = end;
    }
    if (reading->format == 2) {
        import_lines_finish(&reading->lines);
    } else {
        csv_finish(&reading->csv);
        if (!reading->is_refused)
            import_rows_flush(&reading->rows);
    }
    import_rows_free(&reading->rows);
}

/* ---- written and read again ---- */

static void round_trip(const struct product_envelope *envelope)
{
    size_t size = record_size(RECORD_PRODUCT, 0);
    struct record *record = calloc(1, size + envelope->document_length);
    struct validation validation;
    const char *message;
    size_t position;

    assert(record != NULL);
    record->kind = RECORD_PRODUCT;
    memcpy(record->product.currency, envelope->currency, sizeof(record->product.currency));
    record->product.document_length = envelope->document_length;
    memcpy((char *)record + size, envelope->document, envelope->document_length);
    const struct json_value *document = json_read(document_memory, envelope->document,
                                                  envelope->document_length, &message, &position);
    assert(document != NULL);
    validation_init(&validation);
    product_draft_replace(&validation, document, &again.stored_draft);
    assert(validation.count == 0);
    for (unsigned format = 0; format < FORMATS; format++) {
        static struct catalogue_row row;
        struct writer writer = writer_growing();

        again.stored = record;
        row.draft = &again.stored_draft;
        row.record = record;
        row.index = (struct slice){"products", 8};
        catalogue_write_head(&writer, (enum catalogue_format)format);
        catalogue_write_product(&writer, (enum catalogue_format)format, &row);
        begin(&again, format);
        feed(&again, writer.start, writer_length(&writer), writer_length(&writer));
        assert(again.products == 1);
        writer.at = writer.start;
        catalogue_write_product(&writer, CATALOGUE_BULK, &row);
        writer_free(&writer);
    }
    again.stored = NULL;
    free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (line_memory.bytes == NULL) {
        line_memory.size = json_memory_needed(IMPORT_LINE_BYTES_MAX);
        line_memory.bytes = malloc(line_memory.size);
        line_memory_again = line_memory;
        line_memory_again.bytes = malloc(line_memory.size);
        document_memory = line_memory;
        document_memory.bytes = malloc(line_memory.size);
    }
    const char *text = (const char *)data + 2;
    unsigned format = data[0] % FORMATS;
    uint64_t hash;
    uint64_t products;

    begin(&first, format);
    feed(&first, text, size - 2, size - 2);
    hash = first.hash;
    products = first.products;
    begin(&first, format);
    feed(&first, text, size - 2, data[1] + 1u);
    assert(first.hash == hash && first.products == products);
    return 0;
}
