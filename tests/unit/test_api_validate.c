/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON and checking fields: what is taken, what is named. And the table of problems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/problems.h"
#include "api/product_draft.h"
#include "api/validate.h"

static struct json_memory memory;

static int allocate(void **state)
{
    (void)state;
    memory.size = json_memory_needed(64 * 1024);
    memory.bytes = malloc(memory.size);
    return memory.bytes == NULL ? -1 : 0;
}

static int release(void **state)
{
    (void)state;
    free(memory.bytes);
    return 0;
}

static const struct json_value *read_json(const char *text)
{
    const char *message;
    size_t position;

    return json_read(memory, text, strlen(text), &message, &position);
}

static void values_and_their_types(void **state)
{
    (void)state;
    const struct json_value *root =
        read_json("{\"a\":[1,-2,9223372036854775807,9223372036854775808,1.0,1e2,true,null,\"x\"],"
                  "\"b\":{}}");
    static const enum json_type types[] = {JSON_INTEGER, JSON_INTEGER, JSON_INTEGER,
                                           JSON_NUMBER,  JSON_NUMBER,  JSON_NUMBER,
                                           JSON_BOOLEAN, JSON_NULL,    JSON_STRING};
    const struct json_value *element;
    unsigned count = 0;

    assert_non_null(root);
    struct json_iterator elements = json_elements(json_member(root, "a"));
    for (; json_next_element(&elements, &element); count++)
        assert_int_equal(json_type(element), types[count]);
    assert_int_equal(count, 9);
    assert_int_equal(json_size(json_member(root, "b")), 0);
    struct json_iterator members = json_members(json_member(root, "b"));
    struct slice name;
    assert_false(json_next_member(&members, &name, &element));
    assert_null(json_member(root, "c"));
}

static void members_come_in_order_and_twice(void **state)
{
    (void)state;
    const struct json_value *root = read_json("{\"a\":[1,[2,3]],\"b\":{\"c\":1},\"a\":2}");
    static const char *const names[] = {"a", "b", "a"};
    const struct json_value *value;
    struct slice name;
    unsigned count = 0;

    struct json_iterator members = json_members(root);
    for (; json_next_member(&members, &name, &value); count++)
        assert_true(slice_is(name, names[count]));
    assert_int_equal(count, 3);
    assert_int_equal(json_integer(value), 2);
}

static void what_is_no_json_is_told_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "{\"a\":1}x",
                                        "{'a':1}",
                                        "[01]",
                                        "[NaN]",
                                        "[1,]",
                                        "// x\n1",
                                        "[\"\xff\"]",
                                        "{a:1}",
                                        "[\"\n\"]",
                                        "\xef\xbb\xbf[1]",
                                        "[1e400]"};
    const char *message;
    size_t position;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_null(json_read(memory, texts[i], strlen(texts[i]), &message, &position));
        assert_true(strlen(message) > 0);
        assert_true(position <= strlen(texts[i]));
    }
}

static void the_largest_body_fits_the_memory(void **state)
{
    (void)state;
    /* Many small values need the most. */
    static char text[64 * 1024 + 1];
    const char *message;
    size_t position;

    text[0] = '[';
    for (size_t i = 1; i < 64 * 1024 - 1; i += 2)
        memcpy(text + i, "1,", 2);
    text[64 * 1024 - 2] = '1';
    text[64 * 1024 - 1] = ']';
    if (text[64 * 1024 - 3] == '1')
        text[64 * 1024 - 2] = ' ';
    assert_non_null(json_read(memory, text, 64 * 1024, &message, &position));
    memset(text, '[', 32 * 1024);
    memset(text + 32 * 1024, ']', 32 * 1024);
    assert_non_null(json_read(memory, text, 64 * 1024, &message, &position));
}

static void errors_name_their_fields(void **state)
{
    (void)state;
    struct validation validation;
    static const char long_name[] =
        "a-name-that-is-longer-than-any-field-may-be-in-an-answer-and-ends-in-the-middle-of-a-sign-"
        "x\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc";

    validation_init(&validation);
    validation_add(&validation, FIELD("quantity"), "must be %d", 7);
    validation_add(&validation, ELEMENT_FIELD("items", 12, "sku"), "x");
    validation_add(&validation, ELEMENT("items", 3), "x");
    validation_add(&validation, (struct field){.name = {long_name, sizeof(long_name) - 1}}, "x");
    assert_string_equal(validation.errors[0].field, "quantity");
    assert_string_equal(validation.errors[0].message, "must be 7");
    assert_string_equal(validation.errors[1].field, "items[12].sku");
    assert_string_equal(validation.errors[2].field, "items[3]");
    assert_true(strlen(validation.errors[3].field) <= VALIDATION_FIELD_LENGTH_MAX);
    assert_true(text_is_utf8(validation.errors[3].field, strlen(validation.errors[3].field), NULL));
    for (unsigned i = 0; i < 100; i++)
        validation_add(&validation, FIELD("more"), "x");
    assert_int_equal(validation.count, 104);
}

static void integers_from_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {{"1", true},     {"10000", true}, {"0", false},   {"10001", false},
                 {"-1", false},   {"1.0", false},  {"1e0", false}, {"\"1\"", false},
                 {"true", false}, {"null", false}, {"[1]", false}, {"18446744073709551617", false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct validation validation;
        int64_t value;
        validation_init(&validation);
        assert_int_equal(validate_integer(&validation, FIELD("quantity"), read_json(cases[i].text),
                                          1, 10000, &value),
                         cases[i].good);
        assert_int_equal(validation.count, !cases[i].good);
    }
}

static void strings_count_characters(void **state)
{
    (void)state;
    struct validation validation;
    struct slice string;

    validation_init(&validation);
    assert_true(validate_string(&validation, FIELD("x"), read_json("\"üü\""), 1, 2, &string));
    assert_int_equal(string.length, 4);
    assert_false(validate_string(&validation, FIELD("x"), read_json("\"üüü\""), 1, 2, &string));
    assert_false(validate_string(&validation, FIELD("x"), read_json("\"\""), 1, 2, &string));
    assert_true(validate_string(&validation, FIELD("x"), read_json("\"\""), 0, 2, &string));
    assert_false(validate_string(&validation, FIELD("x"), read_json("5"), 0, 2, &string));
    assert_false(
        validate_string(&validation, FIELD("x"), read_json("\"a\\u0000\""), 0, 9, &string));
}

static void unsigned_numbers_from_text(void **state)
{
    (void)state;
    uint64_t value = 0;

    assert_true(text_to_unsigned("0", 1, 100, &value));
    assert_true(text_to_unsigned("100", 3, 100, &value));
    assert_int_equal(value, 100);
    assert_true(text_to_unsigned("0000000000000000000000100", 25, 100, &value));
    assert_false(text_to_unsigned("101", 3, 100, &value));
    assert_false(text_to_unsigned("", 0, 100, &value));
    assert_false(text_to_unsigned("-1", 2, 100, &value));
    assert_false(text_to_unsigned("+1", 2, 100, &value));
    assert_false(text_to_unsigned(" 1", 2, 100, &value));
    assert_false(text_to_unsigned("1x", 2, 100, &value));
    assert_true(text_to_unsigned("18446744073709551615", 20, UINT64_MAX, &value));
    assert_false(text_to_unsigned("18446744073709551616", 20, UINT64_MAX, &value));
    assert_false(text_to_unsigned("9", 1, 5, &value));
}

static void products_are_packed_with_their_document(void **state)
{
    (void)state;
    static const char expected[] =
        "{\"id\":\"mug\",\"name\":\"Mug \\\"1\\\"\",\"description\":\"\",\"price_minor\":1200,"
        "\"currency\":\"EUR\",\"category\":\"\",\"brand\":\"\",\"status\":\"active\","
        "\"tags\":[\"a\"],\"images\":[],\"seo\":{},"
        "\"limit_per_customer\":null,\"variants\":[{\"sku\":\"M1\",\"options\":{\"size\":\"L\"},"
        "\"price_minor\":1200},{\"sku\":\"M2\",\"options\":{},\"price_minor\":5}]}";
    const struct json_value *object =
        read_json("{\"variants\":[{\"sku\":\"M1\",\"stock\":3,\"options\":{\"size\":\"L\"}},"
                  "{\"sku\":\"M2\",\"stock\":0,\"price_minor\":5}],\"name\":\"Mug \\\"1\\\"\","
                  "\"id\":\"mug\",\"price_minor\":1200,\"currency\":\"EUR\",\"tags\":[\"a\"]}");
    static struct product_draft draft;
    struct validation validation;
    bool too_large;

    validation_init(&validation);
    product_draft_read(&validation, object, &draft);
    assert_int_equal(validation.count, 0);
    struct product_envelope *envelope = product_draft_pack(&draft, &too_large);
    assert_non_null(envelope);
    assert_string_equal(envelope->id, "mug");
    assert_string_equal(envelope->currency, "EUR");
    assert_int_equal(envelope->variant_count, 2);
    assert_int_equal(envelope->variants[0].stock, 3);
    assert_int_equal(envelope->variants[0].price_minor, 1200);
    assert_int_equal(envelope->variants[1].price_minor, 5);
    assert_int_equal(envelope->document_length, sizeof(expected) - 1);
    assert_memory_equal(envelope->document, expected, sizeof(expected) - 1);
    envelope_free(envelope);
}

static void a_product_beyond_its_bound_is_not_packed(void **state)
{
    (void)state;
    static struct product_draft draft;
    static char text[PRODUCT_DOCUMENT_BYTES_MAX];
    bool too_large = false;

    memset(&draft, 0, sizeof(draft));
    memset(text, '\x01', sizeof(text));
    draft.id = draft.name = (struct slice){"x", 1};
    draft.currency = (struct slice){"EUR", 3};
    draft.description = (struct slice){text, sizeof(text) / 6};
    draft.variant_count = 1;
    draft.variants[0].sku = draft.id;
    assert_null(product_draft_pack(&draft, &too_large));
    assert_true(too_large);
}

static void every_problem_is_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_entry *entry = problem_entry((enum problem)i);
        char type[64];
        char head[256];
        size_t length = strlen(entry->code);

        assert_in_range(entry->status, 400, 599);
        assert_true(strlen(entry->title) > 0 && strlen(entry->page) > 20);
        assert_true(length < sizeof(type));
        for (size_t at = 0; at <= length; at++)
            type[at] = entry->code[at] == '_' ? '-' : entry->code[at];
        snprintf(head, sizeof(head),
                 "{\"type\":\"/problems/%s\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
                 "\"detail\":",
                 entry->code, entry->title, entry->status, entry->code);
        assert_string_equal(entry->head.text, head);
        assert_int_equal(entry->head.length, strlen(head));
        assert_int_equal(problem_find(entry->code, length, false), i);
        assert_int_equal(problem_find(type, length, true), i);
        assert_int_equal(problem_find(entry->code, length - 1, false), PROBLEM_COUNT);
        if (strcmp(type, entry->code) != 0)
            assert_int_equal(problem_find(entry->code, length, true), PROBLEM_COUNT);
    }
}

static void every_refusal_is_told_by_its_own_code(void **state)
{
    /* Those that are a field's. */
    static const char *const others[OUTCOME_COUNT] = {
        [OUTCOME_METHOD_REFUSED] = "validation_failed",
        [OUTCOME_REFUND_TOO_LARGE] = "validation_failed",
        [OUTCOME_OTHER_CURRENCY] = "validation_failed",
        [OUTCOME_SKUS_EXHAUSTED] = "validation_failed",
    };

    (void)state;
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        if (i == OUTCOME_OK || i == OUTCOME_PENDING || i == OUTCOME_STALE) /* tried again here */
            continue;
        enum problem problem = problem_of_outcome((enum outcome)i);
        assert_string_equal(problem_entry(problem)->code,
                            others[i] != NULL ? others[i] : outcome_name((enum outcome)i));
    }
}

static void times_from_text(void **state)
{
    static const struct {
        const char *text;
        int64_t wall_ms; /* -1: none */
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001z", 1},
        {"2000-02-29T12:00:00Z", 951825600000},
        {"2000-03-01T00:00:00Z", 951868800000},
        {"2026-11-27T18:10:00Z", 1795803000000},
        {"2026-11-27t20:10:00.5+02:00", 1795803000500},
        {"2026-11-27T16:40:00.123456-01:30", 1795803000123},
        {"2016-12-31T23:59:60Z", 1483228799000}, /* a leap second */
        {"2100-03-01T00:00:00Z", 4107542400000}, /* 2100 is no leap year */
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"1970-01-01T00:30:00+01:00", -1}, /* before 1970 */
        {"1969-12-31T23:59:59Z", -1},
        {"2100-02-29T00:00:00Z", -1},
        {"2026-02-29T00:00:00Z", -1},
        {"2026-04-31T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-00-01T00:00:00Z", -1},
        {"2026-01-00T00:00:00Z", -1},
        {"2026-01-01T24:00:00Z", -1},
        {"2026-01-01T00:60:00Z", -1},
        {"2026-01-01T00:00:61Z", -1},
        {"2026-01-01T00:00:00", -1},
        {"2026-01-01T00:00:00.Z", -1},
        {"2026-01-01T00:00:00+24:00", -1},
        {"2026-01-01T00:00:00+0200", -1},
        {"2026-01-01T00:00:00Zx", -1},
        {"2026-01-01 00:00:00Z", -1},
        {"2026-01-01", -1},
        {"+026-01-01T00:00:00Z", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t wall_ms = 0;
        bool is_time = text_to_time(cases[i].text, strlen(cases[i].text), &wall_ms);

        if (is_time != (cases[i].wall_ms >= 0) || (is_time && wall_ms != cases[i].wall_ms))
            fail_msg("%s: %d, %lld", cases[i].text, is_time, (long long)wall_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_their_types),
        cmocka_unit_test(members_come_in_order_and_twice),
        cmocka_unit_test(what_is_no_json_is_told_with_its_place),
        cmocka_unit_test(the_largest_body_fits_the_memory),
        cmocka_unit_test(errors_name_their_fields),
        cmocka_unit_test(integers_from_json),
        cmocka_unit_test(strings_count_characters),
        cmocka_unit_test(unsigned_numbers_from_text),
        cmocka_unit_test(times_from_text),
        cmocka_unit_test(products_are_packed_with_their_document),
        cmocka_unit_test(a_product_beyond_its_bound_is_not_packed),
        cmocka_unit_test(every_problem_is_whole),
        cmocka_unit_test(every_refusal_is_told_by_its_own_code),
    };
    return cmocka_run_group_tests(tests, allocate, release);
}
