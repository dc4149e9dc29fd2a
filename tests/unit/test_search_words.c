/* SPDX-License-Identifier: Apache-2.0 */
/* The search's own arithmetic, without an index: typing errors, synonyms, what a question may mean,
 * ranks. */
#include "search/distance.h"
#include "search/ranking.h"
#include "search/readings.h"
#include "search/synonyms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- typing errors ---- */

static unsigned distance_of(const char *a, const char *b, unsigned max, bool of_beginning)
{
    struct distance_word from;
    struct distance_word to;

    distance_word_set(&from, a, strlen(a));
    distance_word_set(&to, b, strlen(b));
    return distance(&from, &to, max, of_beginning);
}

static void errors_are_counted_by_characters(void **state)
{
    static const struct {
        const char *typed;
        const char *meant;
        unsigned errors;
    } rows[] = {
        {"shampoo", "shampoo", 0},
        {"shampo", "shampoo", 1},
        {"shammpoo", "shampoo", 1},
        {"shanpoo", "shampoo", 1},
        {"olvie", "olive", 1},
        {"tresseme", "tresemme", 2},
        {"abcd", "badc", 2},
        {"quinuo", "quinoa", 2},
        {"tea", "coffee", 3},
        {"", "ab", 2},
        {"ab", "", 2},
        {"abc", "", 3},
        {"\xd1\x87\xd0\xb0\xd0\xb8", "\xd1\x87\xd0\xb0\xd1\x8f", 1},
        {"ca", "abc", 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(distance_of(rows[i].typed, rows[i].meant, 2, false), rows[i].errors);
    assert_int_equal(distance_of("tresseme", "tresemme", 1, false), 2);
}

static void what_is_begun_is_compared_with_beginnings(void **state)
{
    (void)state;
    assert_int_equal(distance_of("pampr", "pampers", 1, true), 1);
    assert_int_equal(distance_of("sensodine", "sensodyne", 2, true), 1);
    assert_int_equal(distance_of("senso", "sensodyne", 1, true), 0);
    assert_int_equal(distance_of("snes", "sensodyne", 1, true), 1);
    assert_int_equal(distance_of("pampr", "pampers", 1, false), 2);
    assert_int_equal(distance_of("sensodyne", "sens", 2, true), 3);
}

/* The plain table of the textbook. */
static unsigned distance_plain(const char *a, const char *b, bool of_beginning)
{
    unsigned table[16][16];
    size_t n = strlen(a);
    size_t m = strlen(b);
    unsigned best;

    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            unsigned *at = &table[i][j];

            if (i == 0 || j == 0) {
                *at = (unsigned)(i + j);
                continue;
            }
            *at = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (table[i - 1][j] + 1 < *at)
                *at = table[i - 1][j] + 1;
            if (table[i][j - 1] + 1 < *at)
                *at = table[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                table[i - 2][j - 2] + 1 < *at)
                *at = table[i - 2][j - 2] + 1;
        }
    }
    best = table[n][m];
    for (size_t j = 0; of_beginning && j <= m; j++) {
        if (table[n][j] < best)
            best = table[n][j];
    }
    return best;
}

static void the_band_finds_what_the_whole_table_does(void **state)
{
    unsigned random = 7;

    (void)state;
    for (int turn = 0; turn < 200000; turn++) {
        char words[2][12];

        for (int w = 0; w < 2; w++) {
            size_t length;

            random = random * 1103515245u + 12345u;
            length = (random >> 16) % 10;
            for (size_t i = 0; i < length; i++) {
                random = random * 1103515245u + 12345u;
                words[w][i] = (char)('a' + (random >> 16) % 3);
            }
            words[w][length] = '\0';
        }
        for (unsigned max = 0; max <= DISTANCE_MAX; max++) {
            for (int beginning = 0; beginning < 2; beginning++) {
                unsigned plain = distance_plain(words[0], words[1], beginning != 0);

                assert_int_equal(distance_of(words[0], words[1], max, beginning != 0),
                                 plain > max ? max + 1 : plain);
            }
        }
    }
}

static void a_long_word_is_compared_by_its_first_letters(void **state)
{
    char a[300];
    struct distance_word word;

    (void)state;
    memset(a, 'a', sizeof a);
    distance_word_set(&word, a, sizeof a);
    assert_int_equal(word.count, SEARCH_WORD_BYTES_MAX);
    assert_int_equal(distance(&word, &word, 2, false), 0);
    memset(a, 0xff, sizeof a);
    distance_word_set(&word, a, sizeof a);
    assert_int_equal(word.count, SEARCH_WORD_BYTES_MAX);
}

/* ---- synonyms ---- */

static void a_file_of_synonyms_is_read(void **state)
{
    static const char text[] = "\xef\xbb\xbf# comment\r\n"
                               "\n"
                               "  # another\n"
                               "Cr\xc3\xa8me  Fra\xc3\xae"
                               "che = sour-cream\r\n"
                               "semolina = sooji\n"
                               "semolina=rava\n"
                               "semolina = sooji\n"
                               "chick pea = kabuli chana";
    struct synonym_faults faults;
    struct synonyms *synonyms = synonyms_parse(text, strlen(text), &faults);
    const struct synonym *first;

    (void)state;
    assert_non_null(synonyms);
    assert_int_equal(faults.count, 0);
    assert_int_equal(synonyms->count, 4);
    assert_int_equal(synonyms_find(synonyms, "creme fraiche", 13, &first), 1);
    assert_string_equal(first->to, "sour cream");
    assert_int_equal(synonyms_find(synonyms, "semolina", 8, &first), 2);
    assert_string_equal(first[0].to, "rava");
    assert_string_equal(first[1].to, "sooji");
    assert_int_equal(synonyms_find(synonyms, "chick peas", 10, &first), 1);
    assert_int_equal(synonyms_find(synonyms, "chick pea, cut off", 9, &first), 1);
    assert_int_equal(synonyms_find(synonyms, "chick", 5, &first), 0);
    assert_int_equal(synonyms_find(synonyms, "chick peass", 11, &first), 0);
    assert_int_equal(synonyms_find(synonyms, "s", 1, &first), 0);
    assert_int_equal(synonyms_find(NULL, "semolina", 8, &first), 0);
    synonyms_close(synonyms);
}

static void a_line_that_is_wrong_is_named(void **state)
{
    static const struct {
        const char *line;
        const char *message;
    } rows[] = {
        {"tea", "there is no '='"},
        {"a = b = c", "there is more than one '='"},
        {" = b", "a side of '=' has no word"},
        {"a = !", "a side of '=' has no word"},
        {"Tea = TEA", "both sides are the same"},
        {"a b c d e f = g", "a side of '=' has too many words"},
        {"a = bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
         "a side of '=' is too long"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[256];
        struct synonym_faults faults;
        struct synonyms *synonyms;
        int length = snprintf(text, sizeof text, "x = y\n\n%s\nz = w\n", rows[i].line);

        synonyms = synonyms_parse(text, (size_t)length, &faults);
        assert_non_null(synonyms);
        assert_int_equal(synonyms->count, 2);
        assert_int_equal(faults.count, 1);
        assert_int_equal(faults.faults[0].line, 3);
        assert_string_equal(faults.faults[0].message, rows[i].message);
        synonyms_close(synonyms);
    }
}

static void hostile_synonyms_are_bounded(void **state)
{
    enum { LENGTH = 1 << 18 };
    char *text = malloc(LENGTH);
    struct synonym_faults faults;
    struct synonyms *synonyms;
    size_t length = 0;

    (void)state;
    assert_non_null(text);
    memset(text, '\n', LENGTH);
    for (size_t i = 0; i < LENGTH; i += 2)
        text[i] = (char)0xff;
    synonyms = synonyms_parse(text, LENGTH, &faults);
    assert_int_equal(faults.count, LENGTH / 2);
    assert_int_equal(faults.faults[SYNONYM_FAULTS_MAX - 1].line, SYNONYM_FAULTS_MAX);
    synonyms_close(synonyms);
    memset(text, 'a', LENGTH);
    synonyms = synonyms_parse(text, LENGTH, &faults);
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.faults[0].message, "the line is too long");
    synonyms_close(synonyms);
    synonyms = synonyms_parse("a\0 = b", 6, &faults);
    assert_string_equal(faults.faults[0].message, "the line has a zero byte");
    synonyms_close(synonyms);
    for (int i = 0; i < SYNONYMS_MAX + 2; i++)
        length += (size_t)snprintf(text + length, LENGTH - length, "a%d = b\n", i);
    synonyms = synonyms_parse(text, length, &faults);
    assert_int_equal(synonyms->count, SYNONYMS_MAX);
    assert_int_equal(faults.count, 2);
    assert_int_equal(faults.faults[0].line, SYNONYMS_MAX + 1);
    assert_string_equal(faults.faults[0].message, "there are too many synonyms");
    synonyms_close(synonyms);
    free(text);
}

static void synonyms_are_opened_or_the_reason_is_told(void **state)
{
    char error[256];
    char path[] = "/tmp/stampede-synonyms-XXXXXX";
    char expected[256];
    int file = mkstemp(path);
    struct synonyms *synonyms = synonyms_open(NULL, error, sizeof error);

    (void)state;
    assert_non_null(synonyms);
    assert_true(synonyms->count > 20);
    synonyms_close(synonyms);
    assert_true(file >= 0);
    assert_int_equal(write(file, "a = b\nc\n= d\n", 12), 12);
    close(file);
    assert_null(synonyms_open(path, error, sizeof error));
    snprintf(expected, sizeof expected, "%s:2: there is no '='; 1 more lines have faults", path);
    assert_string_equal(error, expected);
    unlink(path);
    assert_null(synonyms_open(path, error, sizeof error));
    snprintf(expected, sizeof expected, "%s: No such file or directory", path);
    assert_string_equal(error, expected);
    synonyms_close(NULL);
}

/* ---- readings ---- */

struct vocabulary {
    const char *words[8];
};

static uint32_t count_of(void *arg, const char *word, size_t length)
{
    const struct vocabulary *vocabulary = arg;

    for (size_t i = 0; i < COUNT(vocabulary->words) && vocabulary->words[i] != NULL; i++) {
        if (strlen(vocabulary->words[i]) == length &&
            memcmp(vocabulary->words[i], word, length) == 0)
            return 7;
    }
    return 0;
}

static void text_of(const struct reading *reading, char out[1024])
{
    out[0] = '\0';
    for (uint32_t i = 0; i < reading->count; i++) {
        strcat(out, i > 0 ? " " : "");
        strcat(out, reading->words[i].text);
    }
}

static void a_question_is_read_as_others_write_it(void **state)
{
    static const struct {
        const char *asked;
        const char *read[4];
    } rows[] = {
        {"red tea", {"red tea"}},
        {"nappies size 4", {"nappies size 4", "diaper size 4"}},
        {"trash bags", {"trash bags", "garbage bag"}},
        {"corn flour", {"corn flour", "cornflour"}},
        {"facewash for men", {"facewash for men", "face wash for men"}},
        {"face wash", {"face wash"}},
        {"okra", {"okra", "ladies finger"}},
    };
    static const char rules[] = "nappies = diaper\ntrash bag = garbage bag\nokra = ladies finger\n";
    struct vocabulary vocabulary = {{"cornflour", "corn", "flour", "face", "wash"}};
    struct synonym_faults faults;
    struct synonyms *synonyms = synonyms_parse(rules, strlen(rules), &faults);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct readings readings;
        uint32_t count = 0;

        readings_make(rows[i].asked, strlen(rows[i].asked), synonyms, count_of, &vocabulary,
                      &readings);
        while (count < COUNT(rows[i].read) && rows[i].read[count] != NULL)
            count++;
        assert_int_equal(readings.count, count);
        for (uint32_t k = 0; k < count; k++) {
            char text[1024];

            text_of(&readings.at[k], text);
            assert_string_equal(text, rows[i].read[k]);
            assert_true(readings.at[k].worth <= RANKING_ONE);
            assert_true(k == 0 || readings.at[k].worth < readings.at[0].worth);
        }
    }
    synonyms_close(synonyms);
}

static uint32_t always(void *arg, const char *word, size_t length)
{
    (void)arg;
    (void)word;
    (void)length;
    return 1000;
}

static void readings_are_bounded(void **state)
{
    char text[4000];
    struct readings readings;

    (void)state;
    readings_make("", 0, NULL, always, NULL, &readings);
    assert_int_equal(readings.count, 0);
    memset(text, 'a', sizeof text);
    readings_make(text, sizeof text, NULL, always, NULL, &readings);
    assert_int_equal(readings.at[0].count, 1);
    assert_int_equal(readings.at[0].words[0].length, SEARCH_WORD_BYTES_MAX);
    for (size_t i = 3; i < sizeof text; i += 4)
        text[i] = ' ';
    readings_make(text, sizeof text, NULL, always, NULL, &readings);
    assert_int_equal(readings.at[0].count, SEARCH_WORDS_MAX);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 7 == 6 ? ' ' : (char)('a' + i % 26);
    readings_make(text, sizeof text, NULL, always, NULL, &readings);
    assert_int_equal(readings.count, SEARCH_VARIANTS_MAX);
    /* A cut between two bytes of a character would make no words. */
    readings_make("\xd1\x87\xd0\xb0\xd0\xb8\xd0\xb8", 8, NULL, always, NULL, &readings);
    assert_int_equal(readings.count, 2);
    assert_string_equal(readings.at[1].words[0].text, "\xd1\x87\xd0\xb0");
}

/* ---- ranks ---- */

struct found {
    uint16_t brand;
    uint16_t category;
    uint16_t scores[2];
    uint64_t positions[2];
    uint32_t title_words;
};

/* Of a question of two words, both needed and of the same weight. */
static uint32_t rank_of(const struct found *found)
{
    struct ranking_question question = {.count = 2,
                                        .known = 3,
                                        .needed = 3,
                                        .weights = 200,
                                        .weight = {100, 100},
                                        .worth = RANKING_ONE};
    struct ranking_match match = {
        .found = (uint16_t)((found->scores[0] > 0) | (found->scores[1] > 0) << 1),
        .brand = found->brand,
        .category = found->category,
        .scores = found->scores,
        .positions = found->positions,
        .title_words = found->title_words,
        .head_words = found->title_words,
        .brand_words = 1,
        .category_words = 2,
    };

    return ranking_of(&question, &match);
}

/* Each row is better than the one after it. */
static void ranks_follow_what_a_person_expects(void **state)
{
    static const struct found rows[] = {
        /* brand and title */
        {1, 0, {RANKING_TITLE, RANKING_TITLE}, {1, 2}, 2},
        /* the whole title */
        {0, 0, {RANKING_TITLE, RANKING_TITLE}, {1, 2}, 2},
        /* neighbours at the title's beginning; later */
        {0, 0, {RANKING_TITLE, RANKING_TITLE}, {1, 2}, 6},
        {0, 0, {RANKING_TITLE, RANKING_TITLE}, {4, 8}, 6},
        /* the category by its whole name */
        {0, 3, {RANKING_CATEGORY, RANKING_CATEGORY}, {0, 0}, 4},
        /* apart; in a longer title; in the description */
        {0, 0, {RANKING_TITLE, RANKING_TITLE}, {4, 16}, 6},
        {0, 0, {RANKING_TITLE, RANKING_TITLE}, {4, 16}, 8},
        {0, 0, {RANKING_TITLE, RANKING_DESCRIPTION}, {4, 0}, 6},
        {0, 0, {RANKING_DESCRIPTION, RANKING_DESCRIPTION}, {0, 0}, 6},
        /* one of the words is missing, however well the other stands */
        {1, 0, {RANKING_TITLE, 0}, {1, 0}, 1},
        {0, 0, {0, RANKING_DESCRIPTION}, {0, 0}, 9},
    };

    (void)state;
    for (size_t i = 0; i + 1 < COUNT(rows); i++)
        assert_true(rank_of(&rows[i]) > rank_of(&rows[i + 1]));
    assert_int_equal(ranking_missing(rank_of(&rows[0])), 0);
    assert_int_equal(ranking_missing(rank_of(&rows[COUNT(rows) - 1])), 1);
}

static void rare_words_weigh_more_in_steps(void **state)
{
    uint16_t before = UINT16_MAX;

    (void)state;
    for (uint32_t having = 0; having < 1000000; having++) {
        uint16_t weight = ranking_word_weight(1000000, having, false);

        assert_true(weight > 0 && weight <= before);
        assert_true(ranking_word_weight(1000000, having, true) < weight);
        before = weight;
    }
    /* A product more or less does not move the ranks of the others. */
    assert_int_equal(ranking_word_weight(27554, 300, false),
                     ranking_word_weight(27555, 301, false));
    assert_true(ranking_word_weight(UINT32_MAX, UINT32_MAX, false) > 0);
    assert_true(ranking_word_weight(0, 0, true) > 0);
    assert_int_equal(ranking_quarter_log2(256), 0);
    assert_int_equal(ranking_quarter_log2(512), 4);
    assert_int_equal(ranking_quarter_log2(362 << 4), 18);
    assert_int_equal(ranking_quarter_log2(UINT64_MAX), 4 * 55 + 3);
}

static void extreme_matches_have_ranks_too(void **state)
{
    uint16_t scores[SEARCH_WORDS_MAX];
    uint64_t positions[SEARCH_WORDS_MAX];
    struct ranking_question question = {.count = SEARCH_WORDS_MAX,
                                        .known = (1 << SEARCH_WORDS_MAX) - 1,
                                        .needed = (1 << SEARCH_WORDS_MAX) - 1,
                                        .unknown = SEARCH_WORDS_MAX,
                                        .worth = RANKING_ONE};
    struct ranking_match match = {.scores = scores,
                                  .positions = positions,
                                  .head_words = 255,
                                  .title_words = 1,
                                  .brand = UINT16_MAX,
                                  .category = UINT16_MAX};
    uint16_t score = 0;

    (void)state;
    for (int i = 0; i < 100000; i++)
        score = ranking_word_score(score, RANKING_TITLE);
    assert_int_equal(score, UINT16_MAX);
    for (size_t i = 0; i < SEARCH_WORDS_MAX; i++) {
        scores[i] = UINT16_MAX;
        positions[i] = UINT64_MAX;
        question.weight[i] = 2000;
        question.weights += 2000;
    }
    assert_int_equal(ranking_missing(ranking_of(&question, &match)), 15);
    question.unknown = 0;
    match.found = question.needed;
    assert_int_equal(ranking_missing(ranking_of(&question, &match)), 0);
    memset(&question, 0, sizeof question);
    memset(&match, 0, sizeof match);
    assert_int_equal(ranking_missing(ranking_of(&question, &match)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_counted_by_characters),
        cmocka_unit_test(what_is_begun_is_compared_with_beginnings),
        cmocka_unit_test(the_band_finds_what_the_whole_table_does),
        cmocka_unit_test(a_long_word_is_compared_by_its_first_letters),
        cmocka_unit_test(a_file_of_synonyms_is_read),
        cmocka_unit_test(a_line_that_is_wrong_is_named),
        cmocka_unit_test(hostile_synonyms_are_bounded),
        cmocka_unit_test(synonyms_are_opened_or_the_reason_is_told),
        cmocka_unit_test(a_question_is_read_as_others_write_it),
        cmocka_unit_test(readings_are_bounded),
        cmocka_unit_test(ranks_follow_what_a_person_expects),
        cmocka_unit_test(rare_words_weigh_more_in_steps),
        cmocka_unit_test(extreme_matches_have_ranks_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
