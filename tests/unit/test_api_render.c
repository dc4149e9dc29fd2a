/* SPDX-License-Identifier: Apache-2.0 */
/* Text written by hand: numbers, JSON strings, times, HTML; and UTF-8 told from what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/render.h"

static void assert_written(struct writer *writer, const char *expected)
{
    assert_int_equal(writer_length(writer), strlen(expected));
    assert_memory_equal(writer->start, expected, strlen(expected));
}

static void numbers(void **state)
{
    (void)state;
    char memory[128];
    struct writer writer = writer_fixed(memory, sizeof(memory));

    write_unsigned(&writer, 0);
    write_byte(&writer, ' ');
    write_unsigned(&writer, UINT64_MAX);
    write_byte(&writer, ' ');
    write_signed(&writer, INT64_MIN);
    write_byte(&writer, ' ');
    write_signed(&writer, -7);
    write_byte(&writer, ' ');
    write_boolean(&writer, true);
    assert_written(&writer, "0 18446744073709551615 -9223372036854775808 -7 true");
}

static void json_strings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        const char *expected;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
        {"\n\r\t\b\f", 5, "\"\\n\\r\\t\\u0008\\u000c\""},
        {"\0\x1f\x7f", 3, "\"\\u0000\\u001f\\u007f\""},
        {"ünï \xe9\x9d\xb4", 9, "\"ünï \xe9\x9d\xb4\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char memory[64];
        struct writer writer = writer_fixed(memory, sizeof(memory));
        write_json_string(&writer, cases[i].text, cases[i].length);
        assert_written(&writer, cases[i].expected);
    }
}

static void times_agree_with_the_c_library(void **state)
{
    (void)state;
    static const int64_t edges[] = {0,          951782399,   951782400,    951868800,
                                    1709164800, 1709251199,  1709251200,   4107542400,
                                    4102444799, 13569465600, 253402300799, 1798761600};
    char text[RENDER_TIME_LENGTH + 1] = {0};
    char expected[40];
    struct tm parts;

    for (unsigned i = 0; i < 200000; i++) {
        int64_t seconds = i < 12 ? edges[i] : (int64_t)i * 40009;
        time_t time = (time_t)seconds;
        gmtime_r(&time, &parts);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(expected + 19, sizeof(expected) - 19, ".%03uZ", i % 1000);
        render_time(seconds * 1000 + i % 1000, text);
        assert_string_equal(text, expected);
    }
}

static void growing_writers_grow(void **state)
{
    (void)state;
    struct writer writer = writer_growing();

    for (unsigned i = 0; i < 100000; i++)
        write_literal(&writer, "0123456789");
    assert_false(writer.failed);
    assert_int_equal(writer_length(&writer), 1000000);
    assert_memory_equal(writer.start + 999990, "0123456789", 10);
    writer_free(&writer);
    assert_null(writer.start);
}

static void html_is_escaped(void **state)
{
    (void)state;
    static const char text[] = "<a href=\"x\">&amp;</a>";
    char memory[128];
    struct writer writer = writer_fixed(memory, sizeof(memory));

    write_html(&writer, text, sizeof(text) - 1);
    assert_written(&writer, "&lt;a href=&quot;x&quot;&gt;&amp;amp;&lt;/a&gt;");
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        size_t characters;
    } cases[] = {
        {"", true, 0},
        {"abc", true, 3},
        {"ünï", true, 3},
        {"\xe9\x9d\xb4\xf0\x9f\x91\x9f", true, 2},
        {"\xf4\x8f\xbf\xbf", true, 1},
        {"\xf4\x90\x80\x80", false, 0}, /* beyond U+10FFFF */
        {"\xed\xa0\x80", false, 0},     /* a surrogate */
        {"\xc0\x80", false, 0},         /* overlong */
        {"\xe0\x80\x80", false, 0},
        {"\xf0\x80\x80\x80", false, 0},
        {"\x80", false, 0},
        {"\xc3", false, 0},
        {"\xe9\x9d", false, 0},
        {"\xc3(", false, 0},
        {"\xff", false, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t characters = 99;
        bool good = text_is_utf8(cases[i].text, strlen(cases[i].text), &characters);
        assert_int_equal(good, cases[i].good);
        if (good)
            assert_int_equal(characters, cases[i].characters);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(times_agree_with_the_c_library),
        cmocka_unit_test(growing_writers_grow),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
