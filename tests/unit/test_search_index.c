/* SPDX-License-Identifier: Apache-2.0 */
/* One generation of the index, without the threads around it: what is kept beside the words. */
#include "test_storage_support.h"

#include "search/index_life.h"

struct at {
    struct test_folder folder;
    struct test_batch batch;
    struct synonyms *synonyms;
    struct search_index *index;
    char error[INDEX_ERROR_BYTES];
};

static void must(struct at *at, bool is_good)
{
    if (!is_good)
        fail_msg("%s", at->index == NULL ? at->error : at->index->error);
}

static bool no_end(void *arg, unsigned permille)
{
    unsigned *newest = arg;

    assert_true(permille <= 1000 && permille >= *newest);
    *newest = permille;
    return true;
}

static void set_up(struct at *at)
{
    memset(at, 0, sizeof(*at));
    test_folder_make(&at->folder);
    test_batch_make(&at->batch);
    at->synonyms = synonyms_open(NULL, at->error, sizeof(at->error));
    assert_non_null(at->synonyms);
    must(at, index_library_open(at->folder.path, at->error, sizeof(at->error)));
    assert_int_equal(mkdir(test_path(&at->folder, "1"), 0700), 0);
    at->index =
        index_create(test_path(&at->folder, "1"), at->synonyms, at->error, sizeof(at->error));
    must(at, at->index != NULL);
}

static void tear_down(struct at *at)
{
    index_close(at->index);
    index_library_close(true);
    synonyms_close(at->synonyms);
    test_batch_free(&at->batch);
    test_folder_remove(&at->folder);
}

static void add_words(struct at *at)
{
    unsigned newest = 0;

    must(at, index_add_words(at->index, no_end, &newest));
}

static void close_and_open(struct at *at)
{
    must(at, index_flush(at->index));
    index_close(at->index);
    at->index = index_open(test_path(&at->folder, "1"), at->synonyms, at->error, sizeof(at->error));
    must(at, at->index != NULL);
}

static void put(struct at *at, uint32_t number, const char *name, const char *brand,
                const char *category)
{
    char document[2048];
    int length = snprintf(document, sizeof(document),
                          "{\"name\":\"%s\",\"description\":\"\",\"category\":\"%s\",\"brand\":"
                          "\"%s\",\"tags\":[]}",
                          name, category, brand);
    struct record *record;

    test_batch_empty(&at->batch);
    record = test_record(&at->batch, RECORD_PRODUCT, 1, 0, (uint32_t)length);
    record->subject = number;
    record->product.document_length = (uint32_t)length;
    memcpy((char *)record + record_size(RECORD_PRODUCT, 0), document, (size_t)length);
    must(at, index_put(at->index, record));
}

static void take_out(struct at *at, uint32_t number)
{
    must(at, index_remove(at->index, (struct search_place){.partition = 1, .number = number}));
}

/* How many products have it; whose it is, where one has. */
static uint32_t suggested(struct at *at, enum suggestion_kind kind, const char *cleaned,
                          uint32_t *number_out)
{
    char key[128];
    grn_id id;

    snprintf(key, sizeof(key), "%c%s", '0' + (char)kind, cleaned);
    id = grn_table_get(&at->index->writer, at->index->suggestions, key, (unsigned)strlen(key));
    if (id == GRN_ID_NIL)
        return 0;
    assert_true(id < at->index->suggestions_end);
    assert_int_equal(at->index->suggestion_rows[id].kind, kind);
    if (number_out != NULL)
        *number_out = index_place(at->index->suggestion_rows[id].places).number;
    return at->index->suggestion_rows[id].products;
}

static void test_suggestions_are_counted(void **state)
{
    struct at at;
    uint32_t number = 0;

    (void)state;
    set_up(&at);
    put(&at, 1, "Green Tea", "Lipton", "Drinks > Hot > Tea");
    put(&at, 2, "GREEN tea!", "Lipton", "Drinks > Cold");
    put(&at, 3, "Lemonade", "", "Drinks > Cold");
    add_words(&at);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(suggested(&at, SUGGESTION_PRODUCT, "green tea", NULL), 2);
        assert_int_equal(suggested(&at, SUGGESTION_PRODUCT, "lemonade", &number), 1);
        assert_int_equal(number, 3);
        assert_int_equal(suggested(&at, SUGGESTION_BRAND, "lipton", NULL), 2);
        assert_int_equal(suggested(&at, SUGGESTION_CATEGORY, "drinks", NULL), 3);
        assert_int_equal(suggested(&at, SUGGESTION_CATEGORY, "cold", NULL), 2);
        assert_int_equal(suggested(&at, SUGGESTION_CATEGORY, "tea", NULL), 1);
        close_and_open(&at);
    }
    put(&at, 2, "Iced tea", "Lipton", "Drinks > Cold");
    assert_int_equal(suggested(&at, SUGGESTION_PRODUCT, "green tea", &number), 1);
    assert_int_equal(number, 1);
    assert_int_equal(suggested(&at, SUGGESTION_BRAND, "lipton", NULL), 2);
    take_out(&at, 1);
    assert_int_equal(suggested(&at, SUGGESTION_PRODUCT, "green tea", NULL), 0);
    assert_int_equal(suggested(&at, SUGGESTION_CATEGORY, "hot", NULL), 0);
    assert_int_equal(suggested(&at, SUGGESTION_BRAND, "lipton", &number), 1);
    assert_int_equal(number, 2);
    take_out(&at, 2);
    take_out(&at, 3);
    take_out(&at, 4); /* was never there */
    assert_int_equal(grn_table_size(&at.index->writer, at.index->suggestions), 0);
    assert_int_equal(at.index->product_count, 0);
    tear_down(&at);
}

static const struct index_product *row_of(struct at *at, uint32_t number)
{
    for (uint32_t i = 0; i < at->index->products_end; i++) {
        const struct index_product *row = &at->index->product_rows[i];

        if (row->place.partition == 1 && row->place.number == number)
            return row;
    }
    fail();
    return NULL;
}

static void test_words_are_counted(void **state)
{
    struct at at;

    (void)state;
    set_up(&at);
    put(&at, 7, "Masala Noodles - Spicy, 70g", "Two Brothers", "Food > Instant Noodles");
    put(&at, 8, "Soap", "", "");
    add_words(&at);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(row_of(&at, 7)->title_words, 5);
        assert_int_equal(row_of(&at, 7)->head_words, 2);
        assert_int_equal(row_of(&at, 7)->brand_words, 2);
        assert_int_equal(row_of(&at, 7)->category_words, 2);
        assert_int_equal(row_of(&at, 8)->title_words, 1);
        assert_int_equal(row_of(&at, 8)->head_words, 1);
        assert_int_equal(row_of(&at, 8)->brand_words, 0);
        assert_int_equal(row_of(&at, 8)->category_words, 0);
        close_and_open(&at);
    }
    tear_down(&at);
}

/* Whatever stands in the store: escapes, no JSON at all, too long, too deep. */
static void test_any_document_can_be_taken_in(void **state)
{
    static const char *const documents[] = {
        "",
        "{}",
        "{",
        "nonsense",
        "[1,2]",
        "{\"name\":17}",
        "{\"name\":\"\\u0041\\ud83d\\n\\\"quoted\\\"\",\"tags\":[\"a\",\"b\"",
        "{\"seo\":{\"title\":[\"{\"]},\"name\":\"behind\",\"brand\":\"\xff\xfe\",\"tags\":[]}",
        "{\"name\":\"a > b > c\",\"category\":\" > > a > b > c > d > e > f > g > h > i > j > \"}",
    };
    struct at at;

    (void)state;
    set_up(&at);
    for (uint32_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        uint32_t length = (uint32_t)strlen(documents[i]);
        struct record *record;

        test_batch_empty(&at.batch);
        record = test_record(&at.batch, RECORD_PRODUCT, 1, 0, length);
        record->subject = i;
        snprintf(record->product.id, sizeof(record->product.id), "product-%u", i);
        record->product.document_length = length;
        memcpy((char *)record + record_size(RECORD_PRODUCT, 0), documents[i], length);
        must(&at, index_put(at.index, record));
    }
    add_words(&at);
    assert_int_equal(suggested(&at, SUGGESTION_PRODUCT, "behind", NULL), 1);
    assert_int_equal(suggested(&at, SUGGESTION_PRODUCT, "product 0", NULL), 1);
    assert_int_equal(suggested(&at, SUGGESTION_CATEGORY, "a", NULL), 1);
    close_and_open(&at);
    assert_int_equal(at.index->product_count, sizeof(documents) / sizeof(documents[0]));
    tear_down(&at);
}

/* Record IDs come again, and none of what was there before is left. */
static void test_what_is_taken_out_leaves_nothing(void **state)
{
    struct at at;

    (void)state;
    set_up(&at);
    add_words(&at);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 50; i++) {
            char name[64];

            snprintf(name, sizeof(name), "Thing %u of %u", i, round);
            put(&at, round * 50 + i, name, "Maker", "All > Things");
        }
        assert_int_equal(suggested(&at, SUGGESTION_BRAND, "maker", NULL), 50);
        for (uint32_t i = 0; i < 50; i++)
            take_out(&at, round * 50 + i);
        assert_int_equal(grn_table_size(&at.index->writer, at.index->suggestions), 0);
        assert_int_equal(at.index->product_count, 0);
        assert_true(at.index->products_end <= 51 + 1);
    }
    tear_down(&at);
}

static bool ends(void *arg, unsigned permille)
{
    (void)arg;
    (void)permille;
    return false;
}

static void test_words_can_be_given_up(void **state)
{
    struct at at;

    (void)state;
    set_up(&at);
    for (uint32_t i = 0; i < 2000; i++) {
        char name[64];

        snprintf(name, sizeof(name), "Thing number %u", i);
        put(&at, i, name, "Maker", "All > Things");
    }
    assert_false(index_add_words(at.index, ends, NULL));
    tear_down(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suggestions_are_counted),
        cmocka_unit_test(test_words_are_counted),
        cmocka_unit_test(test_any_document_can_be_taken_in),
        cmocka_unit_test(test_what_is_taken_out_leaves_nothing),
        cmocka_unit_test(test_words_can_be_given_up),
    };

    return cmocka_run_group_tests_name("search index", tests, NULL, NULL);
}
