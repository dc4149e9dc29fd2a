/* SPDX-License-Identifier: Apache-2.0 */
/* CSV as RFC 4180 has it, fed in pieces that may end anywhere: quoted fields with doubled quotes,
 * embedded commas and newlines; lines end with CRLF or LF; a byte order mark at the beginning is
 * skipped. Knows no header and no meaning. Pure: memory is the struct's own, nothing is allocated.
 *
 * A row that is not CSV (a quote inside a bare field, text after a closing quote, a zero byte) or
 * that is beyond a bound is delivered with its error and without fields; the next row goes on. A
 * bad row ends where a good one would, at a newline outside quotes: what is quoted is never a row.
 */
#ifndef STAMPEDE_CSV_H
#define STAMPEDE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CSV_ROW_BYTES_MAX = 64 * 1024,
    CSV_FIELDS_MAX = 128,
};

#define CSV_ERRORS(X)                                                                              \
    X(NONE, "")                                                                                    \
    X(QUOTE, "holds a quotation mark in an unquoted field")                                        \
    X(AFTER_QUOTE, "holds text after a closing quotation mark")                                    \
    X(UNTERMINATED, "ends inside a quoted field")                                                  \
    X(ZERO_BYTE, "holds a zero byte")                                                              \
    X(TOO_LONG, "is longer than 65536 bytes")                                                      \
    X(TOO_MANY_FIELDS, "has more than 128 fields")

enum csv_error {
#define X(name, message) CSV_ERROR_##name,
    CSV_ERRORS(X)
#undef X
        CSV_ERROR_COUNT
};

struct csv_field {
    const char *text; /* followed by a zero */
    size_t length;
};

/* One row; pointers are valid during the call. `number` counts from 1, as a spreadsheet does: blank
 * lines count (and are not delivered), newlines inside quotes do not. Returns false to stop the
 * feed after this row. */
struct csv_row {
    uint64_t number;
    enum csv_error error;
    bool has_lone_cr;     /* outside quotes: one that ends no line */
    uint32_t field_count; /* 0 with an error */
    const struct csv_field *fields;
};
typedef bool (*csv_row_callback)(void *user, const struct csv_row *row);

enum csv_state {
    CSV_START,       /* before the first byte: a byte order mark may come */
    CSV_FIELD_START, /* nothing of this field has come */
    CSV_BARE,
    CSV_QUOTED,
    CSV_QUOTE_IN_QUOTED, /* the end of the field, or the first of two */
    CSV_CR,              /* a CR that may belong to a CRLF */
};

struct csv_parser {
    csv_row_callback on_row;
    void *user;
    enum csv_state state;
    uint8_t mark_bytes;   /* of the byte order mark, seen so far */
    bool after_quote;     /* CSV_CR: a quoted field came before */
    bool has_lone_cr;     /* in this row */
    enum csv_error error; /* of this row: what is left of it is not kept */
    uint64_t row_number;
    uint32_t field_count;
    uint32_t field_start; /* offset in bytes */
    uint32_t used;
    struct csv_field fields[CSV_FIELDS_MAX];
    char bytes[CSV_ROW_BYTES_MAX + CSV_FIELDS_MAX];
};

void csv_init(struct csv_parser *parser, csv_row_callback on_row, void *user);

/* Takes bytes until they are used up or the callback said stop; returns how many were taken. */
size_t csv_feed(struct csv_parser *parser, const char *data, size_t length);

/* The end of the input: delivers a last row that had no newline. */
void csv_finish(struct csv_parser *parser);

const char *csv_error_message(enum csv_error error);

#endif
