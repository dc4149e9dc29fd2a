/* SPDX-License-Identifier: Apache-2.0 */
/* Text as browsing compares it, and the ranges of prices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api/browse_set.h"
#include "api/browse_text.h"
#include "api/money.h"
#include "api/render.h"

static void case_is_folded_in_place(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"Water BOTTLE @[`{", "water bottle @[`{"},
        {"ÀÖØÞ ×÷ß", "àöøþ ×÷ß"},
        {"ĀāĶķĹĽŁŃŇŸŹŽ ıĸŉſ", "āāķķĺľłńňÿźž ıĸŉſ"},
        {"ΆΈΉΊΌΎΏ ΑΣΩ ς", "άέήίόύώ ασω σ"},
        {"ЀЁЏ АЯ ая", "ѐёџ ая ая"},
        {"ǅ Ԁ 漢字 🦀", "ǅ Ԁ 漢字 🦀"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[128];
        size_t length = strlen(pairs[i][0]);

        strcpy(text, pairs[i][0]);
        text_fold(text, length, text);
        assert_string_equal(text, pairs[i][1]);
        text_fold(text, length, text); /* folded text stays */
        assert_string_equal(text, pairs[i][1]);
    }
}

/* Whatever two bytes: the result is UTF-8 of the same length, and is folded. */
static void every_code_point_of_two_bytes(void **state)
{
    (void)state;
    for (unsigned code = 0x80; code < 0x800; code++) {
        char text[2] = {(char)(0xc0 | code >> 6), (char)(0x80 | (code & 0x3f))};
        char folded[2];
        char again[2];

        text_fold(text, 2, folded);
        assert_true(text_is_utf8(folded, 2, NULL));
        text_fold(folded, 2, again);
        assert_memory_equal(folded, again, 2);
    }
}

static void words_are_letters_and_digits(void **state)
{
    static const char text[] = " L'Oréal—50ml, 漢字。\xe2\x80\x8b(x) ";
    static const char *const words[] = {"L", "Oréal", "50ml", "漢字", "x"};
    size_t at = 0;
    size_t start;
    size_t length;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_true(text_next_word(text, sizeof(text) - 1, &at, &start, &length));
        assert_int_equal(length, strlen(words[i]));
        assert_memory_equal(text + start, words[i], length);
    }
    assert_false(text_next_word(text, sizeof(text) - 1, &at, &start, &length));
}

/* Bytes that are no UTF-8 are never looked at, but nothing is read behind the text's end. */
static void a_cut_character_ends_the_text(void **state)
{
    static const char cut[][4] = {"\xf0\x9f", "\xe2\x80", "a\xc3"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *exact = test_malloc(2);
        size_t at = 0;
        size_t start;
        size_t length;

        memcpy(exact, cut[i], 2);
        text_fold(exact, 2, exact);
        while (text_next_word(exact, 2, &at, &start, &length))
            assert_true(start + length <= 2);
        test_free(exact);
    }
}

static void slugs(void **state)
{
    static const struct {
        const char *text;
        const char *slug;
        bool is_it;
    } cases[] = {
        {"beauty & hygiene", "beauty-hygiene", true},
        {"beauty & hygiene", "beauty", false},
        {"beauty & hygiene", "beauty-", false},
        {"beauty & hygiene", "beautyhygiene", false},
        {"beauty & hygiene", "beauty-hygiene-", false},
        {"beauty & hygiene", "-beauty-hygiene", false},
        {"beauty", "beauty", true},
        {"&", "-", false},
        {"&", "", false},
        {"öl", "öl", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(text_has_slug(cases[i].text, strlen(cases[i].text), cases[i].slug,
                                       strlen(cases[i].slug)),
                         cases[i].is_it);
}

static void slugs_are_made(void **state)
{
    static const char *const cases[][2] = {
        {"beauty & hygiene", "beauty-hygiene"},
        {"  a  ", "a"},
        {"&", ""},
        {"", ""},
        {"öl—50ml", "öl-50ml"},
        {"漢字。x", "漢字-x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char slug[32];
        size_t length = text_make_slug(cases[i][0], strlen(cases[i][0]), slug);

        assert_int_equal(length, strlen(cases[i][1]));
        assert_memory_equal(slug, cases[i][1], length);
        assert_int_equal(text_has_slug(cases[i][0], strlen(cases[i][0]), slug, length), length > 0);
    }
}

static void prices_are_in_ranges_without_gaps(void **state)
{
    (void)state;
    assert_int_equal(browse_price_from(0), 0);
    for (unsigned i = 0; i + 1 < BROWSE_PRICE_RANGES; i++) {
        assert_true(browse_price_from(i) <= browse_price_to(i));
        assert_int_equal(browse_price_to(i) + 1, browse_price_from(i + 1));
    }
    assert_int_equal(browse_price_from(BROWSE_PRICE_RANGES - 1), PRICE_MINOR_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_is_folded_in_place),
        cmocka_unit_test(every_code_point_of_two_bytes),
        cmocka_unit_test(words_are_letters_and_digits),
        cmocka_unit_test(a_cut_character_ends_the_text),
        cmocka_unit_test(slugs),
        cmocka_unit_test(slugs_are_made),
        cmocka_unit_test(prices_are_in_ranges_without_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
