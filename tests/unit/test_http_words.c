/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of eight bytes at a time, against the same asked of one: every byte, at every place
 * of texts of every length up to three words, among neighbours that could carry or borrow. */
#include "http/words.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LENGTH_MAX = 24 };

struct question {
    bool (*of_word)(uint64_t word);
    bool (*of_byte)(unsigned char byte);
};

static bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

static bool is_unprintable(unsigned char byte)
{
    return byte < 0x20 || byte > 0x7e;
}

static bool is_quote(unsigned char byte)
{
    return byte == '"';
}

static bool word_has_quote(uint64_t word)
{
    return word_has(word, '"');
}

static bool is_below_blank(unsigned char byte)
{
    return byte < 0x21;
}

static bool word_has_below_blank(uint64_t word)
{
    return word_has_below(word, 0x21);
}

static bool any(const char *text, size_t length, bool (*of_byte)(unsigned char byte))
{
    for (size_t i = 0; i < length; i++) {
        if (of_byte((unsigned char)text[i]))
            return true;
    }
    return false;
}

static void words_are_asked_what_their_bytes_are(void **state)
{
    static const struct question questions[] = {
        {word_has_control, is_control},
        {word_has_unprintable, is_unprintable},
        {word_has_quote, is_quote},
        {word_has_below_blank, is_below_blank},
    };
    static const unsigned char neighbours[] = {'x', ' ', '!', '#', '~', 0x7f, 0x80, 0xff, 0, 0x1f};

    (void)state;
    for (size_t q = 0; q < sizeof questions / sizeof questions[0]; q++) {
        for (size_t n = 0; n < sizeof neighbours; n++) {
            for (size_t length = 0; length <= LENGTH_MAX; length++) {
                for (size_t at = 0; at < length; at++) {
                    for (unsigned byte = 0; byte < 256; byte++) {
                        char text[LENGTH_MAX];
                        memset(text, neighbours[n], sizeof text);
                        text[at] = (char)byte;
                        assert_int_equal(words_any(text, length, questions[q].of_word),
                                         any(text, length, questions[q].of_byte));
                    }
                }
            }
        }
    }
}

static void nothing_is_in_no_text(void **state)
{
    (void)state;
    assert_false(words_any(NULL, 0, word_has_control));
    assert_false(words_any("\001", 0, word_has_unprintable));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_asked_what_their_bytes_are),
        cmocka_unit_test(nothing_is_in_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
