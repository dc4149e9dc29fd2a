/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: any bytes, whole, cut into pieces, and with stops in between, give the same rows.
 *
 * Input: the length of a piece, less one; after how many rows to stop; then the CSV. */
#include "fuzz.h"

#include <assert.h>
#include <string.h>

#include "api/csv.h"

struct rows {
    uint64_t hash;
    uint64_t count;
    uint64_t last_number;
    unsigned stop_every; /* 0: never */
};

static struct csv_parser parser;

static bool on_row(void *user, const struct csv_row *row)
{
    struct rows *rows = user;

    assert(row->number > rows->last_number);
    assert(row->error < CSV_ERROR_COUNT && csv_error_message(row->error) != NULL);
    assert(row->field_count <= CSV_FIELDS_MAX);
    assert(row->error == CSV_ERROR_NONE || row->field_count == 0);
    rows->last_number = row->number;
    rows->count++;
    rows->hash = fuzz_hash(rows->hash, &row->number, sizeof(row->number));
    rows->hash = fuzz_hash(rows->hash, &row->error, sizeof(row->error));
    rows->hash = fuzz_hash(rows->hash, &row->field_count, sizeof(row->field_count));
    for (uint32_t i = 0; i < row->field_count; i++) {
        const struct csv_field *field = &row->fields[i];

        assert(field->length <= CSV_ROW_BYTES_MAX);
        assert(strlen(field->text) == field->length); /* terminated, and no zero within */
        rows->hash = fuzz_hash(rows->hash, &field->length, sizeof(field->length));
        rows->hash = fuzz_hash(rows->hash, field->text, field->length);
    }
    return rows->stop_every == 0 || rows->count % rows->stop_every != 0;
}

static struct rows parse(const char *text, size_t length, size_t piece, unsigned stop_every)
{
    struct rows rows = {.hash = FUZZ_HASH_START, .stop_every = stop_every};

    csv_init(&parser, on_row, &rows);
    for (size_t at = 0; at < length;) {
        size_t end = length - at < piece ? length : at + piece;

        while (at < end) {
            size_t taken = csv_feed(&parser, text + at, end - at);

            assert(taken > 0 && taken <= end - at);
            at += taken;
        }
    }
    csv_finish(&parser);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 2;
    size_t length = size - 2;
    struct rows whole = parse(text, length, length, 0);
    struct rows pieces = parse(text, length, data[0] + 1u, 0);
    struct rows stopped = parse(text, length, data[0] + 1u, data[1]);

    assert(pieces.count == whole.count && pieces.hash == whole.hash);
    assert(stopped.count == whole.count && stopped.hash == whole.hash);
    return 0;
}
