/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events, one after another, written as JSON. */
#include "api/openapi.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 64 };

struct converter {
    struct writer *json;
    unsigned depth;
    struct {
        bool is_mapping;
        size_t count; /* of nodes so far: in a mapping names and values */
    } levels[DEPTH_MAX];
    const char *error;
    bool has_document;
};

/* What comes before a node: a comma or a colon. True if the node is a mapping's name. */
static bool begin_node(struct converter *converter)
{
    if (converter->depth == 0)
        return false;
    bool is_mapping = converter->levels[converter->depth - 1].is_mapping;
    size_t count = converter->levels[converter->depth - 1].count++;
    if (is_mapping && count % 2 == 1)
        write_byte(converter->json, ':');
    else if (count > 0)
        write_byte(converter->json, ',');
    return is_mapping && count % 2 == 0;
}

static void begin_collection(struct converter *converter, bool is_mapping)
{
    if (begin_node(converter)) {
        converter->error = "a mapping's name must be a scalar";
        return;
    }
    if (converter->depth == DEPTH_MAX) {
        converter->error = "too deep";
        return;
    }
    converter->levels[converter->depth].is_mapping = is_mapping;
    converter->levels[converter->depth].count = 0;
    converter->depth++;
    write_byte(converter->json, is_mapping ? '{' : '[');
}

static void end_collection(struct converter *converter)
{
    converter->depth--;
    write_byte(converter->json, converter->levels[converter->depth].is_mapping ? '}' : ']');
}

static bool is_digits(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
    }
    return length > 0;
}

/* Whether a plain scalar is a number that JSON writes the same way. */
static bool is_number(const char *text, size_t length)
{
    if (length > 0 && text[0] == '-') {
        text++;
        length--;
    }
    const char *point = memchr(text, '.', length);
    size_t whole = point == NULL ? length : (size_t)(point - text);
    if (!is_digits(text, whole) || (whole > 1 && text[0] == '0'))
        return false;
    return point == NULL || is_digits(point + 1, length - whole - 1);
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

static void write_scalar(struct converter *converter, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    bool is_name = begin_node(converter);
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !is_name;

    if (is_plain && (length == 0 || is_word(text, length, "null") || is_word(text, length, "~")))
        write_literal(converter->json, "null");
    else if (is_plain && (is_word(text, length, "true") || is_word(text, length, "false") ||
                          is_number(text, length)))
        write_bytes(converter->json, text, length);
    else
        write_json_string(converter->json, text, length);
}

/* False at the end of the stream or at an error. */
static bool take_event(struct converter *converter, const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (converter->has_document)
            converter->error = "there is more than one document";
        converter->has_document = true;
        break;
    case YAML_MAPPING_START_EVENT:
        if (event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL)
            converter->error = "anchors and tags are not taken";
        begin_collection(converter, true);
        break;
    case YAML_SEQUENCE_START_EVENT:
        if (event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL)
            converter->error = "anchors and tags are not taken";
        begin_collection(converter, false);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        end_collection(converter);
        break;
    case YAML_SCALAR_EVENT:
        if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
            converter->error = "anchors and tags are not taken";
        write_scalar(converter, event);
        break;
    case YAML_ALIAS_EVENT:
        converter->error = "aliases are not taken";
        break;
    case YAML_STREAM_END_EVENT:
        if (!converter->has_document)
            converter->error = "there is no document";
        return false;
    default:
        break;
    }
    return converter->error == NULL;
}

bool openapi_yaml_to_json(const char *yaml, size_t length, struct writer *json_out, char *error,
                          size_t error_size)
{
    struct converter converter = {.json = json_out};
    yaml_parser_t parser;
    yaml_event_t event;
    size_t line = 0;

    if (!yaml_parser_initialize(&parser)) {
        snprintf(error, error_size, "no memory for the YAML parser");
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, length);
    for (bool go_on = true; go_on;) {
        if (!yaml_parser_parse(&parser, &event)) {
            converter.error = parser.problem == NULL ? "not YAML" : parser.problem;
            line = parser.problem_mark.line;
            break;
        }
        line = event.start_mark.line;
        go_on = take_event(&converter, &event);
        yaml_event_delete(&event);
    }
    if (converter.error == NULL && json_out->failed)
        converter.error = "out of memory";
    if (converter.error != NULL)
        snprintf(error, error_size, "line %zu: %s", line + 1, converter.error);
    yaml_parser_delete(&parser);
    return converter.error == NULL;
}
