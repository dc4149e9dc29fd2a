/* SPDX-License-Identifier: Apache-2.0 */
/* What the search takes for a word: of many scripts, of hostile bytes, of HTML. */
#include "search/search_html.h"
#include "search/search_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *text;
    const char *cleaned;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void rows_are_cleaned(const struct row *rows, size_t count, unsigned flags)
{
    for (size_t i = 0; i < count; i++) {
        char out[1024];
        size_t length = search_clean(rows[i].text, strlen(rows[i].text), flags, out, sizeof out);

        assert_string_equal(out, rows[i].cleaned);
        assert_int_equal(length, strlen(out));
    }
}

static void words_have_one_form(void **state)
{
    static const struct row rows[] = {
        {"", ""},
        {"   ", ""},
        {"Garlic Oil - Vegetarian Capsule 500 mg", "garlic oil vegetarian capsule 500 mg"},
        {"Anti-Dandruff", "anti dandruff"},
        {"Cr\xc3\xa8me Br\xc3\xbbl\xc3\xa9"
         "e",
         "creme brulee"},
        {"Gr\xc3\xb6\xc3\x9f"
         "e",
         "grosse"},
        {"\xc4\xb0stanbul", "istanbul"},
        {"ph\xe1\xbb\x9f", "pho"},
        {"cafe\xcc\x81", "cafe"},
        {"\xce\x9f\xce\x94\xce\x9f\xce\xa3 \xce\xbf\xce\xb4\xcf\x8c\xcf\x82",
         "\xce\xbf\xce\xb4\xce\xbf\xcf\x83 \xce\xbf\xce\xb4\xce\xbf\xcf\x83"},
        {"\xd0\xa7\xd0\x90\xd0\x99", "\xd1\x87\xd0\xb0\xd0\xb8"},
        {"men's Men\xe2\x80\x99s kids' O'Neill", "men men kids oneill"},
        {"it's-fine 's", "it fine"},
        {"Mach3 9W K120 n95", "mach 3 9 w k 120 n 95"},
        {"\xef\xbc\xad\xef\xbd\x81\xef\xbd\x83\xef\xbd\x88\xef\xbc\x93", "mach 3"},
        {"X-Large extra  large, Xtra Large large", "xlarge xlarge xlarge large"},
        {"x", "x"},
        {"9-Watt 2 Litres 5ltr 250 gms 3 kgs", "9 w 2 l 5 l 250 g 3 kg"},
        {"Head & Shoulders", "head shoulders"},
        {"salt and pepper", "salt pepper"},
        {"AND", "and"},
        {"&", "and"},
        {"sand andes", "sand andes"},
        {"so\xc2\xad"
         "ft",
         "soft"},
        {"a\xe2\x80\x8b"
         "b",
         "a b"},
    };

    (void)state;
    rows_are_cleaned(rows, COUNT(rows), SEARCH_CLEAN_DOCUMENT);
}

static void and_stays_where_one_completes_it(void **state)
{
    static const struct row rows[] = {
        {"Head & Shoulders", "head and shoulders"},
        {"head an", "head an"},
        {"salt and pepper", "salt and pepper"},
    };

    (void)state;
    rows_are_cleaned(rows, COUNT(rows), SEARCH_CLEAN_KEEP_AND);
}

static void scripts_without_blanks_are_pairs(void **state)
{
    static const struct row documents[] = {
        {"\xe7\xb7\x91\xe8\x8c\xb6", "\xe7\xb7\x91\xe8\x8c\xb6 \xe8\x8c\xb6"},
        {"\xe8\x8c\xb6", "\xe8\x8c\xb6"},
        {"Tea\xe8\x8c\xb6"
         "2",
         "tea \xe8\x8c\xb6 2"},
        {"\xe0\xb8\x8a\xe0\xb8\xb2", "\xe0\xb8\x8a\xe0\xb8\xb2 \xe0\xb8\xb2"},
        /* Hindi and Arabic write blanks: whole words, vowel signs and all. */
        {"\xe0\xa4\xb9\xe0\xa4\xb0\xe0\xa5\x80 \xd8\xb4\xd8\xa7\xd9\x8a",
         "\xe0\xa4\xb9\xe0\xa4\xb0\xe0\xa5\x80 \xd8\xb4\xd8\xa7\xd9\x8a"},
    };
    static const struct row questions[] = {
        {"\xe7\xb7\x91\xe8\x8c\xb6", "\xe7\xb7\x91\xe8\x8c\xb6"},
        {"\xe8\x8c\xb6", "\xe8\x8c\xb6"},
        {"\xe7\xb7\x91\xe8\x8c\xb6\xe8\x91\x89 tea",
         "\xe7\xb7\x91\xe8\x8c\xb6 \xe8\x8c\xb6\xe8\x91\x89 tea"},
    };

    (void)state;
    rows_are_cleaned(documents, COUNT(documents), SEARCH_CLEAN_DOCUMENT);
    rows_are_cleaned(questions, COUNT(questions), SEARCH_CLEAN_QUERY);
}

static void operators_and_marks_are_blanks_or_nothing(void **state)
{
    static const struct row rows[] = {
        {"(green) OR -tea* \"milk\" title:@x >1 <2 ~3 +4 \\5",
         "green or tea milk title x 1 2 3 4 5"},
        {"_id:>0 *E-1,;DROP", "id 0 e 1 drop"},
        {"\xe2\x80\xae\xe2\x80\x8f"
         "abc\xe2\x80\xac",
         "abc"},
        {"ab\xe2\x80\x8e"
         "cd",
         "abcd"},
        {"\xf0\x9f\x98\x80"
         "tea\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x8d\xb3",
         "tea"},
        {"\xc0\xafx\xed\xa0\x80y\xff\xfez\xf8\x88\x80\x80\x80", "x y z"},
        {"caf\xc3", "caf"},
        {"\xe2\x82", ""},
        {"\xf4\x90\x80\x80tea", "tea"},
    };
    char out[32];

    (void)state;
    rows_are_cleaned(rows, COUNT(rows), SEARCH_CLEAN_DOCUMENT);
    assert_int_equal(search_clean("a\0b\0", 4, 0, out, sizeof out), 3);
    assert_string_equal(out, "a b");
}

/* Cleaned text is clean: what was indexed is asked for in the same form. Every room is kept. */
static void any_bytes_are_cleaned_within_their_room(void **state)
{
    static const char alphabet[] = "aZ9 '&s\xc3\xa9\xe8\x8c\xb6\xe0\xb8\xb2\xf0\x9f\x98\x80\xff\0-";
    unsigned random = 1;

    (void)state;
    for (int turn = 0; turn < 20000; turn++) {
        char text[48];
        char out[SEARCH_CLEAN_ROOM(sizeof text)];
        char small[SEARCH_CLEAN_ROOM(sizeof text)];
        size_t length = (size_t)turn % sizeof text;
        size_t cleaned;

        for (size_t i = 0; i < length; i++) {
            random = random * 1103515245u + 12345u;
            text[i] = alphabet[(random >> 16) % sizeof alphabet];
        }
        cleaned = search_clean(text, length, 0, out, sizeof out);
        assert_true(cleaned < sizeof out - 1);
        assert_null(strstr(out, "  "));
        assert_true(cleaned == 0 || (out[0] != ' ' && out[cleaned - 1] != ' '));
        for (size_t i = 0; i < cleaned; i++)
            assert_true(out[i] == ' ' || (unsigned char)out[i] > '/');
        for (size_t room = 1; room <= cleaned + 1; room++) {
            size_t fits;

            memset(small, '#', sizeof small);
            fits = search_clean(text, length, 0, small, room);
            assert_true(fits < room);
            assert_int_equal(small[fits], '\0');
            assert_int_equal(small[room], '#');
        }
    }
}

static void a_long_text_is_cleaned_in_linear_time(void **state)
{
    enum { LENGTH = 1 << 20 };
    static const char *const pieces[] = {"x large ", "a1",   "\xe8\x8c\xb6", "'s",       "&",
                                         "<a",       "<!--", "&#",           "<script>", "and "};
    char *text = malloc(LENGTH);
    char *out = malloc(SEARCH_CLEAN_ROOM(LENGTH));

    (void)state;
    assert_true(text != NULL && out != NULL);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t bytes = strlen(pieces[i]);

        for (size_t at = 0; at < LENGTH; at++)
            text[at] = pieces[i][at % bytes];
        search_clean(text, LENGTH, 0, out, SEARCH_CLEAN_ROOM(LENGTH));
        assert_true(search_html_text(text, LENGTH, text) <= LENGTH);
    }
    free(text);
    free(out);
}

static void a_last_word_is_open_until_something_ends_it(void **state)
{
    (void)state;
    assert_true(search_text_is_open("sham", 4));
    assert_true(search_text_is_open("caf\xc3\xa9", 5));
    assert_true(search_text_is_open("\xe8\x8c\xb6", 3));
    assert_false(search_text_is_open("sham ", 5));
    assert_false(search_text_is_open("sham!", 5));
    assert_false(search_text_is_open("", 0));
    assert_false(search_text_is_open("\x80\x80\x80\x80\x80", 5));
}

static void html_is_read_as_its_text(void **state)
{
    static const struct row rows[] = {
        {"plain < text > 3<4", "plain < text > 3<4"},
        {"<p>Soft<br/>and <b class=\"x\">warm</b></p>", " Soft and  warm  "},
        {"a<!-- <b>gone</b> -->b", "a b"},
        {"a<script>var x = '<p>';</script>b<style>p{}</STYLE >c", "a b c"},
        {"Salt &amp; Pepper &#169; &#x41;&nbsp;&eacute;x &lt;b&gt;",
         "Salt & Pepper \xc2\xa9 A  x <b>"},
        {"a & b &; &#; &#x; &#xD800; &#1114112; &unknown", "a & b &; &#;       &unknown"},
        {"no end <b", "no end <b"},
        {"<script>never ended", " "},
        {"<!-- never ended", "<!-- never ended"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char out[256];
        size_t length = search_html_text(rows[i].text, strlen(rows[i].text), out);

        out[length] = '\0';
        assert_string_equal(out, rows[i].cleaned);
        strcpy(out, rows[i].text);
        length = search_html_text(out, strlen(out), out);
        out[length] = '\0';
        assert_string_equal(out, rows[i].cleaned);
    }
}

static void a_cut_leaves_whole_characters(void **state)
{
    (void)state;
    assert_int_equal(search_utf8_cut("ab\xc3\xa9", 4, 4), 4);
    assert_int_equal(search_utf8_cut("ab\xc3\xa9", 4, 3), 2);
    assert_int_equal(search_utf8_cut("\xe8\x8c\xb6", 3, 2), 0);
    assert_int_equal(search_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
    assert_int_equal(search_utf8_cut("abc", 3, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_one_form),
        cmocka_unit_test(and_stays_where_one_completes_it),
        cmocka_unit_test(scripts_without_blanks_are_pairs),
        cmocka_unit_test(operators_and_marks_are_blanks_or_nothing),
        cmocka_unit_test(any_bytes_are_cleaned_within_their_room),
        cmocka_unit_test(a_long_text_is_cleaned_in_linear_time),
        cmocka_unit_test(a_last_word_is_open_until_something_ends_it),
        cmocka_unit_test(html_is_read_as_its_text),
        cmocka_unit_test(a_cut_leaves_whole_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
