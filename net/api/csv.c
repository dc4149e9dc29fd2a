/* SPDX-License-Identifier: Apache-2.0 */
/* One byte, one transition. `bytes` holds the fields of the row so far, each with its zero; fields
 * get their pointers when the row is complete.
 *
 * A bad row goes through the same transitions as a good one, only that nothing of it is kept: where
 * it ends depends on its quotes as ever, and no part of a quoted field is ever taken for a row. */
#include "api/csv.h"

#include <assert.h>
#include <string.h>

static const unsigned char byte_order_mark[] = {0xef, 0xbb, 0xbf};

void csv_init(struct csv_parser *parser, csv_row_callback on_row, void *user)
{
    parser->on_row = on_row;
    parser->user = user;
    parser->state = CSV_START;
    parser->mark_bytes = 0;
    parser->after_quote = false;
    parser->has_lone_cr = false;
    parser->error = CSV_ERROR_NONE;
    parser->row_number = 0;
    parser->field_count = 0;
    parser->field_start = 0;
    parser->used = 0;
}

const char *csv_error_message(enum csv_error error)
{
    static const char *const messages[CSV_ERROR_COUNT] = {
#define X(name, message) [CSV_ERROR_##name] = message,
        CSV_ERRORS(X)
#undef X
    };

    assert((unsigned)error < CSV_ERROR_COUNT);
    return messages[error];
}

/* The first error is the row's. */
static void fail(struct csv_parser *parser, enum csv_error error)
{
    if (parser->error == CSV_ERROR_NONE)
        parser->error = error;
}

static void add_byte(struct csv_parser *parser, char byte)
{
    if (parser->error != CSV_ERROR_NONE)
        return;
    if (byte == '\0')
        fail(parser, CSV_ERROR_ZERO_BYTE);
    else if (parser->used - parser->field_count >= CSV_ROW_BYTES_MAX)
        fail(parser, CSV_ERROR_TOO_LONG);
    else
        parser->bytes[parser->used++] = byte;
}

static void end_field(struct csv_parser *parser)
{
    parser->state = CSV_FIELD_START;
    if (parser->field_count == CSV_FIELDS_MAX)
        fail(parser, CSV_ERROR_TOO_MANY_FIELDS);
    if (parser->error != CSV_ERROR_NONE)
        return;
    parser->fields[parser->field_count].text = parser->bytes + parser->field_start;
    parser->fields[parser->field_count].length = parser->used - parser->field_start;
    parser->field_count++;
    parser->bytes[parser->used++] = '\0';
    parser->field_start = parser->used;
}

/* Delivers the row and begins the next; false if the callback said stop. */
static bool end_row(struct csv_parser *parser)
{
    /* A line without anything on it is one empty field that was not quoted. */
    bool is_blank = parser->error == CSV_ERROR_NONE && parser->field_count == 0 &&
                    parser->used == 0 && !parser->after_quote;
    bool go_on = true;

    if (!is_blank && parser->error == CSV_ERROR_NONE)
        end_field(parser);
    parser->row_number++;
    if (!is_blank) {
        struct csv_row row = {.number = parser->row_number,
                              .error = parser->error,
                              .has_lone_cr = parser->has_lone_cr};
        if (parser->error == CSV_ERROR_NONE) {
            row.field_count = parser->field_count;
            row.fields = parser->fields;
        }
        go_on = parser->on_row(parser->user, &row);
    }
    parser->state = CSV_FIELD_START;
    parser->after_quote = false;
    parser->has_lone_cr = false;
    parser->error = CSV_ERROR_NONE;
    parser->field_count = 0;
    parser->field_start = 0;
    parser->used = 0;
    return go_on;
}

/* What may follow the end of a bare or quoted field; false: nothing of that. */
static bool take_separator(struct csv_parser *parser, char byte, bool *go_on)
{
    if (byte == ',') {
        end_field(parser);
        return true;
    }
    if (byte == '\n') {
        *go_on = end_row(parser);
        return true;
    }
    if (byte == '\r') {
        parser->state = CSV_CR;
        return true;
    }
    return false;
}

static bool take_byte(struct csv_parser *parser, char byte);

/* A CR ends a row only together with an LF; otherwise it is a byte like any other. */
static bool take_after_cr(struct csv_parser *parser, char byte)
{
    bool after_quote = parser->after_quote;

    if (byte == '\n')
        return end_row(parser);
    parser->state = CSV_BARE;
    parser->has_lone_cr = true;
    if (after_quote)
        fail(parser, CSV_ERROR_AFTER_QUOTE);
    else
        add_byte(parser, '\r');
    return take_byte(parser, byte);
}

static bool take_byte(struct csv_parser *parser, char byte)
{
    bool go_on = true;

    switch (parser->state) {
    case CSV_START:
    case CSV_FIELD_START:
        parser->after_quote = false;
        if (byte == '"')
            parser->state = CSV_QUOTED;
        else if (!take_separator(parser, byte, &go_on)) {
            parser->state = CSV_BARE;
            add_byte(parser, byte);
        }
        break;
    case CSV_BARE:
        if (byte == '"')
            fail(parser, CSV_ERROR_QUOTE);
        else if (!take_separator(parser, byte, &go_on))
            add_byte(parser, byte);
        break;
    case CSV_QUOTED:
        if (byte == '"')
            parser->state = CSV_QUOTE_IN_QUOTED;
        else
            add_byte(parser, byte);
        break;
    case CSV_QUOTE_IN_QUOTED:
        parser->after_quote = true;
        if (byte == '"') {
            parser->state = CSV_QUOTED;
            add_byte(parser, '"');
        } else if (!take_separator(parser, byte, &go_on)) {
            parser->state = CSV_BARE;
            fail(parser, CSV_ERROR_AFTER_QUOTE);
        }
        break;
    case CSV_CR:
        return take_after_cr(parser, byte);
    }
    return go_on;
}

/* Takes a byte of the byte order mark, or what turned out not to be one. */
static bool take_first_bytes(struct csv_parser *parser, char byte)
{
    if ((unsigned char)byte == byte_order_mark[parser->mark_bytes]) {
        parser->mark_bytes++;
        if (parser->mark_bytes == sizeof(byte_order_mark))
            parser->state = CSV_FIELD_START;
        return true;
    }
    parser->state = CSV_FIELD_START;
    for (unsigned i = 0; i < parser->mark_bytes; i++)
        take_byte(parser, (char)byte_order_mark[i]);
    return take_byte(parser, byte);
}

size_t csv_feed(struct csv_parser *parser, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool go_on = parser->state == CSV_START ? take_first_bytes(parser, data[i])
                                                : take_byte(parser, data[i]);
        if (!go_on)
            return i + 1;
    }
    return length;
}

void csv_finish(struct csv_parser *parser)
{
    if (parser->state == CSV_START) {
        parser->state = CSV_FIELD_START;
        for (unsigned i = 0; i < parser->mark_bytes; i++)
            take_byte(parser, (char)byte_order_mark[i]);
    }
    if (parser->state == CSV_QUOTED) {
        /* Whatever else is wrong with it: this is why no row came after it. */
        parser->error = CSV_ERROR_UNTERMINATED;
    } else if (parser->state == CSV_CR) {
        parser->state = CSV_BARE;
        parser->has_lone_cr = true;
        if (parser->after_quote)
            fail(parser, CSV_ERROR_AFTER_QUOTE);
        else
            add_byte(parser, '\r');
    } else if (parser->state == CSV_QUOTE_IN_QUOTED) {
        parser->after_quote = true;
    }
    bool is_empty = parser->state == CSV_FIELD_START && parser->field_count == 0 &&
                    parser->error == CSV_ERROR_NONE;
    if (!is_empty)
        end_row(parser);
}
