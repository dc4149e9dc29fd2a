/* SPDX-License-Identifier: Apache-2.0 */
/* CSV: the same rows wherever the input is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/csv.h"

/* Rows as text: `number:[field][field]`, or `number!error`, one a line. */
struct transcript {
    char text[4096];
    size_t used;
    unsigned stop_every; /* the callback says stop after so many rows; 0: never */
    unsigned rows;
};

static struct csv_parser parser;

static bool on_row(void *user, const struct csv_row *row)
{
    struct transcript *transcript = user;
    char *at = transcript->text + transcript->used;
    size_t room = sizeof(transcript->text) - transcript->used;
    size_t used = (size_t)snprintf(at, room, "%d:", (int)row->number);

    if (row->error != CSV_ERROR_NONE)
        used += (size_t)snprintf(at + used, room - used, "!%s", csv_error_message(row->error));
    for (uint32_t i = 0; i < row->field_count; i++) {
        assert_int_equal(strlen(row->fields[i].text), row->fields[i].length);
        used += (size_t)snprintf(at + used, room - used, "[%s]", row->fields[i].text);
    }
    used += (size_t)snprintf(at + used, room - used, "\n");
    transcript->used += used;
    transcript->rows++;
    return transcript->stop_every == 0 || transcript->rows % transcript->stop_every != 0;
}

/* Feeds in two pieces, cut at `cut`, going on after each stop. */
static void parse(const char *input, size_t length, size_t cut, struct transcript *transcript)
{
    csv_init(&parser, on_row, transcript);
    for (size_t at = 0; at < length;) {
        size_t end = at < cut ? cut : length;
        size_t taken = csv_feed(&parser, input + at, end - at);
        assert_true(taken > 0);
        at += taken;
    }
    csv_finish(&parser);
}

static void assert_rows_of(const char *input, size_t length, const char *expected)
{
    for (size_t cut = 0; cut <= length; cut++) {
        for (unsigned stop_every = 0; stop_every < 3; stop_every++) {
            struct transcript transcript = {.stop_every = stop_every};
            parse(input, length, cut, &transcript);
            assert_string_equal(transcript.text, expected);
        }
    }
}

static void assert_rows(const char *input, const char *expected)
{
    assert_rows_of(input, strlen(input), expected);
}

static void fields_and_line_ends(void **state)
{
    (void)state;
    assert_rows("", "");
    assert_rows("a", "1:[a]\n");
    assert_rows("a,b\nc,d\n", "1:[a][b]\n2:[c][d]\n");
    assert_rows("a,b\r\nc,d\r\n", "1:[a][b]\n2:[c][d]\n");
    assert_rows("a,b\nc,d", "1:[a][b]\n2:[c][d]\n");
    assert_rows(",\n,,\n", "1:[][]\n2:[][][]\n");
    assert_rows("a,", "1:[a][]\n");
    assert_rows(" a , b \n", "1:[ a ][ b ]\n");
    assert_rows("a\rb,c\r\n", "1:[a\rb][c]\n");
    assert_rows("a\r", "1:[a\r]\n");
    assert_rows("a\r\r\n", "1:[a\r]\n");
}

static void blank_lines_count_but_are_no_rows(void **state)
{
    (void)state;
    assert_rows("\n\na\n\r\nb", "3:[a]\n5:[b]\n");
    assert_rows("a\n\n", "1:[a]\n");
    assert_rows("\"\"\n\"\"", "1:[]\n2:[]\n");
}

static void quoted_fields(void **state)
{
    (void)state;
    assert_rows("\"a\",\"b\"\n", "1:[a][b]\n");
    assert_rows("\"a,b\",c\n", "1:[a,b][c]\n");
    assert_rows("\"say \"\"hi\"\"\",\"\"\"\"\n", "1:[say \"hi\"][\"]\n");
    assert_rows("\"two\nlines\",x\ny,z\n", "1:[two\nlines][x]\n2:[y][z]\n");
    assert_rows("\"two\r\nlines\"\r\nz", "1:[two\r\nlines]\n2:[z]\n");
    assert_rows("\"\",\"\"", "1:[][]\n");
}

static void byte_order_mark(void **state)
{
    (void)state;
    assert_rows("\xef\xbb\xbf"
                "a,b\n",
                "1:[a][b]\n");
    assert_rows("\xef\xbb\xbf\"a\",b\n", "1:[a][b]\n");
    assert_rows("\xef\xbb\xbf", "");
    assert_rows("\xef\xbb"
                "a\n",
                "1:[\xef\xbb"
                "a]\n");
    assert_rows("\xef", "1:[\xef]\n");
    assert_rows("a\xef\xbb\xbf\n", "1:[a\xef\xbb\xbf]\n");
}

static void bad_rows_are_told_and_the_next_goes_on(void **state)
{
    (void)state;
    assert_rows("a\"b,c\nd\n", "1:!holds a quotation mark in an unquoted field\n2:[d]\n");
    assert_rows("\"a\"b,c\nd\n", "1:!holds text after a closing quotation mark\n2:[d]\n");
    assert_rows("\"a\"\rb\nd\n", "1:!holds text after a closing quotation mark\n2:[d]\n");
    assert_rows("\"a\"\r", "1:!holds text after a closing quotation mark\n");
    assert_rows("x\n\"a\nb", "1:[x]\n2:!ends inside a quoted field\n");
    assert_rows_of("a\0b\nc\n", 6, "1:!holds a zero byte\n2:[c]\n");
}

/* What stands between quotes is no row, however bad the row around it is. */
static void a_bad_row_ends_at_a_newline_outside_its_quotes(void **state)
{
    (void)state;
    assert_rows_of("\"a\0b\nc\n", 7, "1:!ends inside a quoted field\n");
    assert_rows_of("\"a\0b\nc\",d\ne\n", 12, "1:!holds a zero byte\n2:[e]\n");
    assert_rows_of("\"a\0\"\"\nc\"\r\ne\n", 12, "1:!holds a zero byte\n2:[e]\n");
    assert_rows_of("a\0,\"b\nc\"\ne\n", 11, "1:!holds a zero byte\n2:[e]\n");
    assert_rows_of("\0,", 2, "1:!holds a zero byte\n");
    assert_rows_of("\0\r", 2, "1:!holds a zero byte\n");
    assert_rows("a\"b,\"c\nd\"\ne\n", "1:!holds a quotation mark in an unquoted field\n2:[e]\n");
    assert_rows("a\"b\"c\nd\n", "1:!holds a quotation mark in an unquoted field\n2:[d]\n");
    assert_rows("\"a\"b\",\"c\nd\"\ne\n", "1:!holds text after a closing quotation mark\n2:[e]\n");
}

static void bounds(void **state)
{
    (void)state;
    static char input[3 * CSV_ROW_BYTES_MAX];
    struct transcript long_row = {.used = 0};
    csv_init(&parser, on_row, &long_row);
    memset(input, 'x', CSV_ROW_BYTES_MAX + 1);
    memcpy(input + CSV_ROW_BYTES_MAX + 1, "\nb\n", 3);
    csv_feed(&parser, input, CSV_ROW_BYTES_MAX + 4);
    assert_string_equal(long_row.text, "1:!is longer than 65536 bytes\n2:[b]\n");

    /* The same in a quoted field, whose further lines are no rows either. */
    struct transcript long_field = {.used = 0};
    csv_init(&parser, on_row, &long_field);
    memset(input, 'x', CSV_ROW_BYTES_MAX + 1);
    input[0] = '"';
    memcpy(input + CSV_ROW_BYTES_MAX + 2, "\nevil,row\n\"\nb\n", 14);
    input[CSV_ROW_BYTES_MAX + 1] = 'x';
    csv_feed(&parser, input, CSV_ROW_BYTES_MAX + 16);
    assert_string_equal(long_field.text, "1:!is longer than 65536 bytes\n2:[b]\n");

    struct transcript wide_row = {.used = 0};
    csv_init(&parser, on_row, &wide_row);
    memset(input, ',', CSV_FIELDS_MAX);
    memcpy(input + CSV_FIELDS_MAX, "\nb\n", 3);
    csv_feed(&parser, input, CSV_FIELDS_MAX + 3);
    assert_string_equal(wide_row.text, "1:!has more than 128 fields\n2:[b]\n");
}

static bool accept_row(void *user, const struct csv_row *row)
{
    *(struct csv_row *)user = *row;
    return true;
}

static void rows_at_their_bound_pass(void **state)
{
    (void)state;
    static char input[CSV_ROW_BYTES_MAX + CSV_FIELDS_MAX];
    struct csv_row row = {0};
    size_t used = 0;

    /* As many bytes and as many fields as may be. */
    memset(input, 'x', sizeof(input));
    for (unsigned i = 1; i < CSV_FIELDS_MAX; i++)
        input[used += 2] = ',';
    used = CSV_ROW_BYTES_MAX + CSV_FIELDS_MAX - 1;
    input[used++] = '\n';
    csv_init(&parser, accept_row, &row);
    assert_int_equal(csv_feed(&parser, input, used), used);
    assert_int_equal(row.error, CSV_ERROR_NONE);
    assert_int_equal(row.field_count, CSV_FIELDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_line_ends),
        cmocka_unit_test(blank_lines_count_but_are_no_rows),
        cmocka_unit_test(quoted_fields),
        cmocka_unit_test(byte_order_mark),
        cmocka_unit_test(bad_rows_are_told_and_the_next_goes_on),
        cmocka_unit_test(a_bad_row_ends_at_a_newline_outside_its_quotes),
        cmocka_unit_test(bounds),
        cmocka_unit_test(rows_at_their_bound_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
