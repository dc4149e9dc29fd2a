/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON: a thin face over yyjson, so that one file includes it. Values live in memory that
 * the caller gives and reads again into: nothing is allocated, nothing is freed, and a value is
 * valid until the memory is read into again. Any thread that owns the memory. */
#ifndef STAMPEDE_API_JSON_H
#define STAMPEDE_API_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine.h"

struct json_value; /* never defined: a value of yyjson's */

enum json_type {
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_INTEGER, /* written without fraction and exponent, and within int64 */
    JSON_NUMBER,  /* any other number: 1.0, 1e2, 2^63 */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_memory {
    void *bytes;
    size_t size;
};

/* The memory that reading a text of so many bytes may need. */
size_t json_memory_needed(size_t text_length);

/* Parses one JSON text (RFC 8259, UTF-8). NULL: `message_out` is a static text that says what was
 * wrong at byte `position_out`. */
const struct json_value *json_read(struct json_memory memory, const char *text, size_t length,
                                   const char **message_out, size_t *position_out);

enum json_type json_type(const struct json_value *value);
bool json_boolean(const struct json_value *value);
int64_t json_integer(const struct json_value *value);
struct slice json_string(const struct json_value *value);

/* Elements of an array, members of an object. */
size_t json_size(const struct json_value *value);

struct json_iterator {
    const struct json_value *next;
    size_t left;
};

/* Over an array's elements. */
struct json_iterator json_elements(const struct json_value *array);
bool json_next_element(struct json_iterator *iterator, const struct json_value **value_out);

/* Over an object's members, in their order; a name may come twice. */
struct json_iterator json_members(const struct json_value *object);
bool json_next_member(struct json_iterator *iterator, struct slice *name_out,
                      const struct json_value **value_out);

/* A member by name, or NULL, also where `object` is none. */
const struct json_value *json_member(const struct json_value *object, const char *name);

/* Whether the text is the name; here, so that a literal is compared in place. */
static inline bool slice_is(struct slice slice, const char *name)
{
    return slice.length == strlen(name) && memcmp(slice.text, name, slice.length) == 0;
}

/* Whether both are the same text. */
bool slices_equal(struct slice a, struct slice b);

/* The text without the blanks around it: spaces, tabs, CR, LF. */
struct slice slice_trim(struct slice text);

#endif
