/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to JSON: scalars keep their types, collections their order; what is not taken is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json.h"
#include "api/openapi.h"

static void assert_converts(const char *yaml, const char *json)
{
    struct writer writer = writer_growing();
    char error[160] = "";

    assert_true(openapi_yaml_to_json(yaml, strlen(yaml), &writer, error, sizeof(error)));
    assert_int_equal(writer_length(&writer), strlen(json));
    assert_memory_equal(writer.start, json, strlen(json));
    writer_free(&writer);
}

static void scalars_keep_their_types(void **state)
{
    (void)state;
    assert_converts(
        "a: 1\nb: -2.50\nc: true\nd: false\ne: null\nf: ~\ng:\n",
        "{\"a\":1,\"b\":-2.50,\"c\":true,\"d\":false,\"e\":null,\"f\":null,\"g\":null}");
    assert_converts("a: \"1\"\nb: 'true'\nc: \"null\"\nd: \"\"\n",
                    "{\"a\":\"1\",\"b\":\"true\",\"c\":\"null\",\"d\":\"\"}");
    assert_converts("a: 3.1.0\nb: yes\nc: 0x1f\nd: 007\ne: 1e3\ng: .5\nh: 5.\n",
                    "{\"a\":\"3.1.0\",\"b\":\"yes\",\"c\":\"0x1f\",\"d\":\"007\",\"e\":\"1e3\","
                    "\"g\":\".5\",\"h\":\"5.\"}");
    assert_converts("1: one\ntrue: two\n", "{\"1\":\"one\",\"true\":\"two\"}");
    assert_converts("a: \"x \\\"y\\\" \\u00fc\"\n", "{\"a\":\"x \\\"y\\\" ü\"}");
}

static void collections(void **state)
{
    (void)state;
    assert_converts("a:\n  - 1\n  - b: 2\n    c: [x, \"y\"]\n  - { d: {} }\ne: []\n",
                    "{\"a\":[1,{\"b\":2,\"c\":[\"x\",\"y\"]},{\"d\":{}}],\"e\":[]}");
    assert_converts("a: |\n  one\n  two\nb: >\n  one\n  two\n",
                    "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\\n\"}");
    assert_converts("# a comment\n- x # another\n", "[\"x\"]");
}

static void assert_refused(const char *yaml, const char *says)
{
    struct writer writer = writer_growing();
    char error[160] = "";

    assert_false(openapi_yaml_to_json(yaml, strlen(yaml), &writer, error, sizeof(error)));
    assert_non_null(strstr(error, says));
    writer_free(&writer);
}

static void what_is_not_taken(void **state)
{
    (void)state;
    char deep[200];

    assert_refused("a: [1\n", "line 2");
    assert_refused("a: &x 1\nb: *x\n", "line 1: anchors");
    assert_refused("a: &x [1]\n", "anchors");
    assert_refused("a: !!str 1\n", "tags");
    assert_refused("? [a]\n: b\n", "must be a scalar");
    assert_refused("a\n---\nb\n", "more than one");
    assert_refused("", "no document");
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    deep[199] = '\0';
    assert_refused(deep, "too deep");
}

static void the_embedded_document(void **state)
{
    (void)state;
    struct writer json = writer_growing();
    struct writer html = writer_growing();
    char error[160] = "";
    size_t length;
    const char *yaml = openapi_yaml(&length);
    const char *message;
    size_t position;

    assert_true(length > 1000);
    assert_true(openapi_yaml_to_json(yaml, length, &json, error, sizeof(error)));
    struct json_memory memory = {.size = json_memory_needed(writer_length(&json))};
    memory.bytes = malloc(memory.size);
    const struct json_value *document =
        json_read(memory, json.start, writer_length(&json), &message, &position);
    assert_non_null(document);
    assert_true(slice_is(json_string(json_member(document, "openapi")), "3.1.0"));
    assert_non_null(json_member(json_member(document, "paths"), "/v1/reservations/{id}/extend"));
    assert_true(documentation_render(json.start, writer_length(&json), &html));
    write_byte(&html, '\0');
    assert_non_null(strstr(html.start, "/v1/reservations/{id}/extend"));
    assert_null(strstr(html.start, "<script"));
    assert_null(strstr(html.start, "src="));
    assert_false(documentation_render("[]", 2, &html));
    assert_false(documentation_render("{\"info\":{},\"tags\":1,\"paths\":2}", 31, &html));
    free(memory.bytes);
    writer_free(&json);
    writer_free(&html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_keep_their_types),
        cmocka_unit_test(collections),
        cmocka_unit_test(what_is_not_taken),
        cmocka_unit_test(the_embedded_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
