/* SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"

#include <assert.h>
#include <string.h>
#include <yyjson.h>

static yyjson_val *inner(const struct json_value *value)
{
    return (yyjson_val *)(uintptr_t)value;
}

static const struct json_value *outer(yyjson_val *value)
{
    return (const struct json_value *)value;
}

size_t json_memory_needed(size_t text_length)
{
    /* The pool allocator has headers of its own around what yyjson asks for. */
    return yyjson_read_max_memory_usage(text_length, YYJSON_READ_NOFLAG) + 1024;
}

const struct json_value *json_read(struct json_memory memory, const char *text, size_t length,
                                   const char **message_out, size_t *position_out)
{
    yyjson_alc allocator;
    yyjson_read_err error = {0};

    *message_out = "out of memory";
    *position_out = 0;
    if (!yyjson_alc_pool_init(&allocator, memory.bytes, memory.size))
        return NULL;
    /* Without the in-situ flag yyjson does not write into the text. */
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)text, length, YYJSON_READ_NOFLAG, &allocator, &error);
    if (document == NULL) {
        if (error.msg != NULL)
            *message_out = error.msg;
        *position_out = error.pos;
        return NULL;
    }
    return outer(yyjson_doc_get_root(document));
}

enum json_type json_type(const struct json_value *value)
{
    yyjson_val *val = inner(value);

    switch (yyjson_get_type(val)) {
    case YYJSON_TYPE_BOOL:
        return JSON_BOOLEAN;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_sint(val) || (yyjson_is_uint(val) && yyjson_get_uint(val) <= INT64_MAX))
            return JSON_INTEGER;
        return JSON_NUMBER;
    case YYJSON_TYPE_STR:
        return JSON_STRING;
    case YYJSON_TYPE_ARR:
        return JSON_ARRAY;
    case YYJSON_TYPE_OBJ:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

bool json_boolean(const struct json_value *value)
{
    return yyjson_is_true(inner(value));
}

int64_t json_integer(const struct json_value *value)
{
    assert(json_type(value) == JSON_INTEGER);
    return yyjson_get_sint(inner(value));
}

struct slice json_string(const struct json_value *value)
{
    yyjson_val *val = inner(value);

    assert(yyjson_is_str(val));
    return (struct slice){.text = yyjson_get_str(val), .length = yyjson_get_len(val)};
}

size_t json_size(const struct json_value *value)
{
    return yyjson_get_len(inner(value));
}

struct json_iterator json_elements(const struct json_value *array)
{
    struct json_iterator iterator = {0};

    assert(yyjson_is_arr(inner(array)));
    iterator.left = json_size(array);
    if (iterator.left > 0)
        iterator.next = outer(unsafe_yyjson_get_first(inner(array)));
    return iterator;
}

bool json_next_element(struct json_iterator *iterator, const struct json_value **value_out)
{
    if (iterator->left == 0)
        return false;
    *value_out = iterator->next;
    iterator->left--;
    iterator->next = outer(unsafe_yyjson_get_next(inner(iterator->next)));
    return true;
}

struct json_iterator json_members(const struct json_value *object)
{
    struct json_iterator iterator = {0};

    assert(yyjson_is_obj(inner(object)));
    iterator.left = json_size(object);
    if (iterator.left > 0)
        iterator.next = outer(unsafe_yyjson_get_first(inner(object)));
    return iterator;
}

bool json_next_member(struct json_iterator *iterator, struct slice *name_out,
                      const struct json_value **value_out)
{
    if (iterator->left == 0)
        return false;
    yyjson_val *name = inner(iterator->next);
    *name_out = json_string(iterator->next);
    *value_out = outer(name + 1); /* a member is its name and then its value */
    iterator->left--;
    iterator->next = outer(unsafe_yyjson_get_next(name + 1));
    return true;
}

const struct json_value *json_member(const struct json_value *object, const char *name)
{
    return outer(yyjson_obj_get(inner(object), name));
}

bool slices_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.text, b.text, a.length) == 0);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct slice slice_trim(struct slice text)
{
    while (text.length > 0 && is_blank(text.text[0])) {
        text.text++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.text[text.length - 1]))
        text.length--;
    return text;
}
