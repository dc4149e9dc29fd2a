/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and suggestions on an index of a few products, which changes between them. */
#include "test_storage_support.h"

#include "search/index_life.h"
#include "search/query.h"
#include "search/search_bounds.h"
#include "search/suggest.h"

struct at {
    struct test_folder folder;
    struct test_batch batch;
    struct synonyms *synonyms;
    struct search_index *index;
    struct index_reader *reader;
    struct search_result result;
    struct suggestion suggestions[SEARCH_SUGGESTIONS_MAX];
    uint32_t suggestion_count;
    char error[INDEX_ERROR_BYTES];
};

static struct at at;

static void must(bool is_good)
{
    if (!is_good)
        fail_msg("%s", at.index == NULL ? at.error : at.index->error);
}

static void put(uint32_t number, const char *name, const char *brand, const char *category)
{
    char document[1024];
    int length = snprintf(document, sizeof(document),
                          "{\"name\":\"%s\",\"description\":\"\",\"category\":\"%s\",\"brand\":"
                          "\"%s\",\"tags\":[]}",
                          name, category, brand);
    struct record *record;

    test_batch_empty(&at.batch);
    record = test_record(&at.batch, RECORD_PRODUCT, 1, 0, (uint32_t)length);
    record->subject = number;
    record->product.document_length = (uint32_t)length;
    memcpy((char *)record + record_size(RECORD_PRODUCT, 0), document, (size_t)length);
    must(index_put(at.index, record));
}

static void take_out(uint32_t number)
{
    must(index_remove(at.index, (struct search_place){.partition = 1, .number = number}));
}

static bool go_on(void *arg, unsigned permille)
{
    (void)arg;
    return permille <= 1000;
}

static void open_with(void (*fill)(void))
{
    memset(&at, 0, sizeof(at));
    test_folder_make(&at.folder);
    test_batch_make(&at.batch);
    at.synonyms = synonyms_open(NULL, at.error, sizeof(at.error));
    assert_non_null(at.synonyms);
    must(index_library_open(at.folder.path, at.error, sizeof(at.error)));
    assert_int_equal(mkdir(test_path(&at.folder, "1"), 0700), 0);
    at.index = index_create(test_path(&at.folder, "1"), at.synonyms, at.error, sizeof(at.error));
    must(at.index != NULL);
    fill();
    must(index_add_words(at.index, go_on, NULL));
    must(index_add_readers(at.index, 1));
    at.reader = index_reader_take(at.index);
}

static void close_all(void)
{
    free(at.result.hits);
    index_reader_give(at.reader);
    index_close(at.index);
    index_library_close(true);
    synonyms_close(at.synonyms);
    test_batch_free(&at.batch);
    test_folder_remove(&at.folder);
}

static uint32_t find_bytes(const char *text, size_t length)
{
    free(at.result.hits);
    assert_int_equal(query_run(at.reader, text, length, &at.result), SEARCH_OK);
    assert_false(at.result.is_partial);
    return at.result.count;
}

static uint32_t find(const char *text)
{
    return find_bytes(text, strlen(text));
}

/* 0: it is no hit. */
static uint32_t rank_of(uint32_t number)
{
    for (uint32_t i = 0; i < at.result.count; i++) {
        assert_int_equal(at.result.hits[i].place.partition, 1);
        if (at.result.hits[i].place.number == number)
            return at.result.hits[i].rank;
    }
    return 0;
}

static void finds_only(const char *text, uint32_t number)
{
    if (find(text) != 1 || rank_of(number) == 0)
        fail_msg("%s: %u hits", text, at.result.count);
}

/* Its place among the suggestions, from 1; 0: it is none of them. */
static uint32_t suggests(const char *typed, enum suggestion_kind kind, const char *text)
{
    uint32_t place = 0;

    assert_int_equal(
        suggest_run(at.reader, typed, strlen(typed), at.suggestions, &at.suggestion_count),
        SEARCH_OK);
    assert_true(at.suggestion_count <= SEARCH_SUGGESTIONS_MAX);
    for (uint32_t i = 0; i < at.suggestion_count; i++) {
        const struct suggestion *suggestion = &at.suggestions[i];

        if (suggestion->kind == kind && suggestion->length == strlen(text) &&
            memcmp(suggestion->text, text, suggestion->length) == 0) {
            assert_int_equal(place, 0);
            place = i + 1;
        }
    }
    return place;
}

/* ---- scripts ---- */

static const char *const names[] = {
    "Cr\xc3\xa8me br\xc3\xbbl\xc3\xa9"
    "e",
    "\xce\x95\xce\xbb\xce\xb9\xce\xad\xcf\x82 \xce\x9a\xce\xb1\xce\xbb\xce\xb1\xce\xbc\xcf\x8e\xce"
    "\xbd",
    "\xd0\xa7\xd0\xb0\xd0\xb9 \xd0\xb7\xd0\xb5\xd0\xbb\xd1\x91\xd0\xbd\xd1\x8b\xd0\xb9",
    "\xe7\xb7\x91\xe8\x8c\xb6\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
    "\xe0\xb8\x8a\xe0\xb8\xb2\xe0\xb9\x80\xe0\xb8\x82\xe0\xb8\xb5\xe0\xb8\xa2\xe0\xb8\xa7",
    "\xe0\xa4\xb9\xe0\xa4\xb0\xe0\xa5\x80 \xe0\xa4\x9a\xe0\xa4\xbe\xe0\xa4\xaf",
    "\xd8\xb4\xd8\xa7\xd9\x8a \xd8\xa3\xd8\xae\xd8\xb6\xd8\xb1",
    "\xeb\x85\xb9\xec\xb0\xa8 \xed\x8b\xb0\xeb\xb0\xb1",
    "Ph\xe1\xbb\x9f b\xc3\xb2",
};

static void fill_scripts(void)
{
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        put(i, names[i], "", "");
}

static void test_every_script_is_found_by_a_word_of_it(void **state)
{
    static const struct {
        uint32_t number;
        const char *text;
    } rows[] = {
        {0, "creme"},
        {0, "BRULEE"},
        {1, "\xce\xb5\xce\xbb\xce\xb9\xce\xb5\xcf\x83"},
        {1, "\xce\x9a\xce\x91\xce\x9b\xce\x91\xce\x9c\xce\xa9\xce\x9d"},
        {2, "\xd1\x87\xd0\xb0\xd0\xb8"},
        {2, "\xd0\xb7\xd0\xb5\xd0\xbb\xd0\xb5\xd0\xbd\xd1\x8b\xd0\xb9 "},
        {3, "\xe7\xb7\x91\xe8\x8c\xb6"},
        {3, "\xe8\x8c\xb6"},
        {3, "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88"},
        {4, "\xe0\xb9\x80\xe0\xb8\x82\xe0\xb8\xb5\xe0\xb8\xa2\xe0\xb8\xa7"},
        {5, "\xe0\xa4\x9a\xe0\xa4\xbe\xe0\xa4\xaf"},
        {6, "\xd8\xa3\xd8\xae\xd8\xb6\xd8\xb1"},
        {7, "\xed\x8b\xb0\xeb\xb0\xb1"},
        {8, "pho bo"},
    };

    (void)state;
    open_with(fill_scripts);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        finds_only(rows[i].text, rows[i].number);
    close_all();
}

/* ---- words ---- */

static void fill_shop(void)
{
    put(1, "Green Tea - Lemon", "Lipton", "Drinks > Hot > Tea");
    put(2, "Green Tea Bags", "Tetley", "Drinks > Hot > Tea");
    put(3, "Black Tea", "Lipton", "Drinks > Hot > Tea");
    put(4, "Tea Light Candles", "Glow", "Home > Candles");
    put(5, "Shampoo - Green Apple", "Head & Shoulders", "Beauty > Hair");
    put(6, "Corn Flakes", "Kelloggs", "Breakfast");
    put(7, "Cornflour", "Weikfield", "Baking");
    put(8, "Face Wash For Men", "Nivea", "Beauty");
    put(9, "Organic Brinjal", "Fresho", "Vegetables");
}

static void test_all_words_come_first(void **state)
{
    (void)state;
    open_with(fill_shop);
    assert_true(find("green tea ") >= 3);
    assert_true(rank_of(2) > rank_of(3) && rank_of(1) > rank_of(3));
    assert_true(rank_of(2) > rank_of(5) && rank_of(5) > 0);
    /* What lacks a word is there for want of what has all. */
    find("lipton tea");
    assert_true(rank_of(1) > rank_of(2) && rank_of(3) > rank_of(2) && rank_of(2) > 0);
    finds_only("head and shoulders", 5);
    finds_only("shampo", 5);
    finds_only("shamp", 5);
    find("corn flour");
    assert_true(rank_of(7) > rank_of(6) && rank_of(6) > 0);
    finds_only("facewash", 8);
    finds_only("eggplants", 9);
    finds_only("candle", 4);
    assert_int_equal(find("xyzzyx"), 0);
    assert_null(at.result.hits);
    close_all();
}

static void test_words_like_for_exclude_nothing(void **state)
{
    (void)state;
    open_with(fill_shop);
    finds_only("face wash for the men", 8);
    finds_only("wash with face", 8);
    finds_only("for", 8);
    assert_int_equal(find("with"), 0);
    close_all();
}

static void test_any_bytes_are_answered(void **state)
{
    static const char zeros[] = "green\0tea\0";
    char *many = malloc(100000);

    (void)state;
    assert_non_null(many);
    open_with(fill_shop);
    assert_int_equal(find(""), 0);
    assert_int_equal(find("   "), 0);
    assert_int_equal(find("\xff\xfe\xc0"), 0);
    assert_int_equal(find("()\"*\\:@~><"), 0);
    assert_true(find_bytes(zeros, sizeof(zeros) - 1) >= 3);
    for (size_t i = 0; i < 100000; i++)
        many[i] = "green tea "[i % 10];
    assert_true(find_bytes(many, 100000) >= 3);
    memset(many, 'g', 100000);
    assert_int_equal(find_bytes(many, 100000), 0);
    assert_int_equal(suggest_run(at.reader, many, 100000, at.suggestions, &at.suggestion_count),
                     SEARCH_OK);
    assert_int_equal(at.suggestion_count, 0);
    free(many);
    close_all();
}

/* A reader keeps memory from one question to the next, and nothing of the question. */
static void test_a_question_does_not_depend_on_the_one_before(void **state)
{
    static const char *const texts[] = {"green tea",  "t",     "lipton tea lemon", "corn flour",
                                        "shampo men", "xyzzy", "tea light candles"};
    enum { COUNT = sizeof(texts) / sizeof(texts[0]) };
    uint32_t ranks[COUNT][10];

    (void)state;
    open_with(fill_shop);
    for (uint32_t turn = 0; turn < 200; turn++) {
        uint32_t which = turn < COUNT ? turn : turn * 7919 % COUNT;

        find(texts[which]);
        for (uint32_t number = 0; number < 10; number++) {
            if (turn < COUNT)
                ranks[which][number] = rank_of(number);
            assert_int_equal(rank_of(number), ranks[which][number]);
        }
    }
    close_all();
}

/* ---- changes ---- */

static void test_the_index_may_grow_and_shrink_between_questions(void **state)
{
    char name[64];

    (void)state;
    open_with(fill_shop);
    finds_only("brinjal", 9);
    take_out(9);
    assert_int_equal(find("brinjal"), 0);
    assert_int_equal(suggests("brin", SUGGESTION_PRODUCT, "Organic Brinjal"), 0);
    /* Another product in its place in the index. */
    put(20, "Copper Kettle", "Forge", "Kitchen");
    finds_only("kettle", 20);
    assert_int_equal(find("brinjal"), 0);
    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "Teapot %u", i);
        put(100 + i, name, "Forge", "Kitchen");
    }
    assert_int_equal(find("teapot"), 3000);
    finds_only("kettle", 20);
    /* Few have all the words: of those that lack one, only the best are shown. */
    find("copper kettle teapot");
    assert_true(rank_of(20) > 0 && at.result.count <= 1 + SEARCH_LOOSE_HITS_MAX);
    assert_int_equal(suggests("teapot 299", SUGGESTION_PRODUCT, "Teapot 299"), 1);
    close_all();
}

/* ---- suggestions ---- */

static void fill_suggestions(void)
{
    fill_shop();
    put(30, "Lipton", "Lipton", "Drinks");
    put(31, "Black Tea", "Tetley", "Drinks");
    put(32, "Himalyan Salt", "Catch", "Spices");
    for (uint32_t i = 0; i < 12; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s Himalaya Cream", i % 2 == 0 ? "Rose" : "Neem");
        put(40 + i, name, "Himalaya", "Beauty");
    }
}

static void test_suggestions_complete_what_is_typed(void **state)
{
    (void)state;
    open_with(fill_suggestions);
    assert_int_equal(suggests("lip", SUGGESTION_BRAND, "Lipton"), 1);
    assert_int_equal(suggests("lip", SUGGESTION_PRODUCT, "Lipton"), 0); /* the same text, once */
    assert_true(suggests("green t", SUGGESTION_PRODUCT, "Green Tea Bags") > 0);
    assert_true(suggests("bags gre", SUGGESTION_PRODUCT, "Green Tea Bags") > 0);
    assert_int_equal(suggests("head an", SUGGESTION_BRAND, "Head & Shoulders"), 1);
    assert_int_equal(suggests("head & sh", SUGGESTION_BRAND, "Head & Shoulders"), 1);
    assert_int_equal(suggests("cand", SUGGESTION_CATEGORY, "Candles"), 1);
    assert_true(suggests("candles tea", SUGGESTION_PRODUCT, "Tea Light Candles") > 0);
    assert_int_equal(suggests("green g", SUGGESTION_PRODUCT, "Green Tea Bags"), 0);
    assert_true(suggests("mens fac", SUGGESTION_PRODUCT, "Face Wash For Men") > 0);
    /* Typing errors, against the beginning of what is meant. */
    assert_int_equal(suggests("kelog", SUGGESTION_BRAND, "Kelloggs"), 1);
    assert_true(suggests("gren te", SUGGESTION_PRODUCT, "Green Tea Bags") > 0);
    /* Also where something rare begins with the error. */
    assert_true(suggests("himalya", SUGGESTION_PRODUCT, "Himalyan Salt") > 0);
    assert_true(suggests("himalya", SUGGESTION_BRAND, "Himalaya") > 0);
    /* A letter or two complete brands and categories alone. */
    assert_true(suggests("l", SUGGESTION_BRAND, "Lipton") > 0);
    for (uint32_t i = 0; i < at.suggestion_count; i++)
        assert_int_not_equal(at.suggestions[i].kind, SUGGESTION_PRODUCT);
    assert_int_equal(suggests("", SUGGESTION_BRAND, "Lipton"), 0);
    assert_int_equal(suggests("xyzzy", SUGGESTION_BRAND, "Lipton"), 0);
    close_all();
}

static void test_a_name_of_one_product_leads_to_it(void **state)
{
    uint32_t place;

    (void)state;
    open_with(fill_suggestions);
    place = suggests("corn fla", SUGGESTION_PRODUCT, "Corn Flakes");
    assert_true(place > 0 && at.suggestions[place - 1].has_place);
    assert_int_equal(at.suggestions[place - 1].place.partition, 1);
    assert_int_equal(at.suggestions[place - 1].place.number, 6);
    place = suggests("black t", SUGGESTION_PRODUCT, "Black Tea");
    assert_true(place > 0 && !at.suggestions[place - 1].has_place);
    take_out(3);
    place = suggests("black t", SUGGESTION_PRODUCT, "Black Tea");
    assert_true(place > 0 && at.suggestions[place - 1].has_place);
    assert_int_equal(at.suggestions[place - 1].place.number, 31);
    take_out(31);
    assert_int_equal(suggests("black t", SUGGESTION_PRODUCT, "Black Tea"), 0);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_script_is_found_by_a_word_of_it),
        cmocka_unit_test(test_all_words_come_first),
        cmocka_unit_test(test_words_like_for_exclude_nothing),
        cmocka_unit_test(test_any_bytes_are_answered),
        cmocka_unit_test(test_a_question_does_not_depend_on_the_one_before),
        cmocka_unit_test(test_the_index_may_grow_and_shrink_between_questions),
        cmocka_unit_test(test_suggestions_complete_what_is_typed),
        cmocka_unit_test(test_a_name_of_one_product_leads_to_it),
    };

    return cmocka_run_group_tests_name("search query", tests, NULL, NULL);
}
