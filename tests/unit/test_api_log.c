/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the log is one line, whatever a client sent: nothing in it ends the line, starts
 * another, or is taken for a command by a terminal that shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/log.h"

/* What is written to the log by one line with this value. */
static const char *logged(const char *value, size_t length)
{
    static char text[LOG_LINE_BYTES_MAX + 1];
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    struct log_line line;
    size_t read;

    assert_non_null(file);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    log_begin(&line, LOG_INFO, "test", 0);
    log_bytes(&line, "value", value, length);
    log_end(&line);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    read = fread(text, 1, LOG_LINE_BYTES_MAX, file);
    text[read] = '\0';
    fclose(file);
    return text;
}

static void test_no_byte_of_a_value_ends_or_begins_a_line(void **state)
{
    (void)state;
    assert_string_equal(
        logged("a\r\n{\"at\":\"forged\"}\n", 19),
        "{\"at\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"event\":\"test\","
        "\"value\":\"a\\r\\n{\\\"at\\\":\\\"forged\\\"}\\n\"}\n");
}

static void test_every_control_is_escaped(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 0x80; byte++) {
        const char value[3] = {'x', (char)byte, 'y'};
        const char *text = logged(value, sizeof(value));
        size_t length = strlen(text);

        assert_int_equal(text[length - 1], '\n');
        for (size_t i = 0; i + 1 < length; i++)
            assert_true((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
    }
    assert_non_null(strstr(logged("\x1b[31mred\x1b[0m", 12), "\"\\u001b[31mred\\u001b[0m\""));
}

/* U+009B begins a command as ESC [ does, where a terminal takes eight bits. */
static void test_controls_beyond_ascii_are_replaced(void **state)
{
    (void)state;
    for (unsigned last = 0x80; last < 0xa0; last++) {
        const char value[4] = {'x', (char)0xc2, (char)last, 'y'};

        assert_null(strchr(logged(value, sizeof(value)), (char)0xc2));
    }
    assert_non_null(strstr(logged("\xc2\x9b"
                                  "31m",
                                  5),
                           "\"?31m\""));
    assert_non_null(strstr(logged("\xc2\xa9 \xc3\x9b", 5), "\"\xc2\xa9 \xc3\x9b\"")); /* text */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_byte_of_a_value_ends_or_begins_a_line),
        cmocka_unit_test(test_every_control_is_escaped),
        cmocka_unit_test(test_controls_beyond_ascii_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
