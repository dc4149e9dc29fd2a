/* SPDX-License-Identifier: Apache-2.0 */
/* /docs: the OpenAPI document as one page to read, made once at start. No script, nothing loaded
 * from elsewhere. What it knows of OpenAPI is what docs/openapi.yaml uses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/openapi.h"
#include "api/page.h"

static const char *const methods[] = {"get", "post", "put", "patch", "delete"};

enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]), REFERENCE_DEPTH_MAX = 8 };

struct page {
    struct writer *html;
    const struct json_value *document;
};

static struct slice text_of(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member(object, name);

    if (value == NULL || json_type(value) != JSON_STRING)
        return (struct slice){"", 0};
    return json_string(value);
}

static void write_slice(struct page *page, struct slice text)
{
    write_html(page->html, text.text, text.length);
}

/* Text with `code` and **strong**, and blank lines between paragraphs. */
static void write_prose(struct page *page, struct slice text)
{
    bool is_code = false;
    bool is_strong = false;

    write_literal(page->html, "<p>");
    for (size_t i = 0; i < text.length; i++) {
        bool has_next = i + 1 < text.length;
        if (text.text[i] == '`') {
            write_text(page->html, is_code ? "</code>" : "<code>");
            is_code = !is_code;
        } else if (text.text[i] == '*' && has_next && text.text[i + 1] == '*' && !is_code) {
            write_text(page->html, is_strong ? "</strong>" : "<strong>");
            is_strong = !is_strong;
            i++;
        } else if (text.text[i] == '\n' && has_next && text.text[i + 1] == '\n') {
            write_literal(page->html, "</p>\n<p>");
        } else {
            write_html(page->html, text.text + i, 1);
        }
    }
    write_literal(page->html, "</p>\n");
}

/* Follows `$ref` ("#/a/b") to what it names; NULL where it leads nowhere. */
static const struct json_value *resolve(const struct page *page, const struct json_value *value)
{
    char part[64];

    for (unsigned i = 0; i < REFERENCE_DEPTH_MAX && value != NULL; i++) {
        struct slice reference = text_of(value, "$ref");
        if (reference.length < 2)
            return value;
        value = page->document;
        for (size_t at = 2; at <= reference.length && value != NULL;) {
            size_t end = at;
            while (end < reference.length && reference.text[end] != '/')
                end++;
            snprintf(part, sizeof(part), "%.*s", (int)(end - at), reference.text + at);
            value = json_member(value, part);
            at = end + 1;
        }
    }
    return value;
}

/* ---- examples ---- */

static void write_json(struct page *page, const struct json_value *value)
{
    struct json_iterator iterator;
    const struct json_value *inner;
    struct writer *html = page->html;
    struct slice name;
    bool is_first = true;

    switch (json_type(value)) {
    case JSON_NULL:
        write_literal(html, "null");
        break;
    case JSON_BOOLEAN:
        write_boolean(html, json_boolean(value));
        break;
    case JSON_INTEGER:
        write_signed(html, json_integer(value));
        break;
    case JSON_NUMBER:
        write_literal(html, "…");
        break;
    case JSON_STRING:
        write_byte(html, '"');
        write_slice(page, json_string(value));
        write_byte(html, '"');
        break;
    case JSON_ARRAY:
        write_byte(html, '[');
        for (iterator = json_elements(value); json_next_element(&iterator, &inner);) {
            write_text(html, is_first ? "" : ", ");
            is_first = false;
            write_json(page, inner);
        }
        write_byte(html, ']');
        break;
    case JSON_OBJECT:
        write_byte(html, '{');
        for (iterator = json_members(value); json_next_member(&iterator, &name, &inner);) {
            write_text(html, is_first ? "\"" : ", \"");
            is_first = false;
            write_slice(page, name);
            write_literal(html, "\": ");
            write_json(page, inner);
        }
        write_byte(html, '}');
        break;
    }
}

static void write_example(struct page *page, const struct json_value *example)
{
    write_literal(page->html, "<pre>");
    if (json_type(example) == JSON_STRING)
        write_slice(page, json_string(example));
    else
        write_json(page, example);
    write_literal(page->html, "</pre>\n");
}

/* The media types of a request or an answer, with their examples. */
static void write_content(struct page *page, const struct json_value *content)
{
    struct json_iterator types;
    struct json_iterator several;
    const struct json_value *type;
    const struct json_value *example;
    struct slice name;

    if (content == NULL)
        return;
    for (types = json_members(content); json_next_member(&types, &name, &type);) {
        write_literal(page->html, "<p><code>");
        write_slice(page, name);
        write_literal(page->html, "</code></p>\n");
        const struct json_value *one = json_member(type, "example");
        const struct json_value *many = json_member(type, "examples");
        if (one != NULL)
            write_example(page, one);
        if (many == NULL)
            continue;
        for (several = json_members(many); json_next_member(&several, &name, &example);) {
            if (json_member(example, "value") != NULL)
                write_example(page, json_member(example, "value"));
        }
    }
}

/* ---- calls ---- */

static void write_parameters(struct page *page, const struct json_value *parameters)
{
    struct json_iterator elements;
    const struct json_value *element;

    if (parameters == NULL || json_size(parameters) == 0)
        return;
    write_literal(page->html, "<table>\n");
    for (elements = json_elements(parameters); json_next_element(&elements, &element);) {
        const struct json_value *parameter = resolve(page, element);
        if (parameter == NULL)
            continue;
        const struct json_value *required = json_member(parameter, "required");
        write_literal(page->html, "<tr><th><code>");
        write_slice(page, text_of(parameter, "name"));
        write_literal(page->html, "</code></th><td>");
        write_slice(page, text_of(parameter, "in"));
        if (required != NULL && json_boolean(required))
            write_literal(page->html, ", required");
        write_literal(page->html, "</td><td>");
        write_prose(page, text_of(parameter, "description"));
        write_literal(page->html, "</td></tr>\n");
    }
    write_literal(page->html, "</table>\n");
}

static void write_responses(struct page *page, const struct json_value *responses)
{
    struct json_iterator members;
    const struct json_value *value;
    struct slice status;

    for (members = json_members(responses); json_next_member(&members, &status, &value);) {
        const struct json_value *response = resolve(page, value);
        if (response == NULL)
            continue;
        write_literal(page->html, "<details><summary><code>");
        write_slice(page, status);
        write_literal(page->html, "</code></summary>\n");
        write_prose(page, text_of(response, "description"));
        write_content(page, json_member(response, "content"));
        write_literal(page->html, "</details>\n");
    }
}

static void write_operation(struct page *page, struct slice path, const char *method,
                            const struct json_value *item, const struct json_value *operation)
{
    const struct json_value *body = json_member(operation, "requestBody");

    write_literal(page->html, "<h3 id=\"");
    write_slice(page, text_of(operation, "operationId"));
    write_literal(page->html, "\"><code><span class=\"m\">");
    for (const char *byte = method; *byte != '\0'; byte++)
        write_byte(page->html, (char)(*byte & ~0x20));
    write_literal(page->html, "</span>");
    write_slice(page, path);
    write_literal(page->html, "</code></h3>\n<p><strong>");
    write_slice(page, text_of(operation, "summary"));
    write_literal(page->html, "</strong></p>\n");
    if (text_of(operation, "description").length > 0)
        write_prose(page, text_of(operation, "description"));
    write_parameters(page, json_member(item, "parameters"));
    write_parameters(page, json_member(operation, "parameters"));
    if (body != NULL)
        write_content(page, json_member(body, "content"));
    if (json_member(operation, "responses") != NULL)
        write_responses(page, json_member(operation, "responses"));
}

static bool has_tag(const struct json_value *operation, struct slice tag)
{
    const struct json_value *tags = json_member(operation, "tags");
    const struct json_value *element;

    if (tags == NULL)
        return false;
    struct json_iterator elements = json_elements(tags);
    while (json_next_element(&elements, &element)) {
        struct slice name = json_string(element);
        if (name.length == tag.length && memcmp(name.text, tag.text, name.length) == 0)
            return true;
    }
    return false;
}

/* Those of the tag; of `webhooks` a path is an event's type. */
static void write_operations(struct page *page, struct slice name, const struct json_value *paths)
{
    struct json_iterator members;
    const struct json_value *item;
    struct slice path;

    if (paths == NULL || json_type(paths) != JSON_OBJECT)
        return;
    for (members = json_members(paths); json_next_member(&members, &path, &item);) {
        for (unsigned i = 0; i < METHOD_COUNT; i++) {
            const struct json_value *operation = json_member(item, methods[i]);
            if (operation != NULL && has_tag(operation, name))
                write_operation(page, path, methods[i], item, operation);
        }
    }
}

static void write_tag(struct page *page, const struct json_value *tag)
{
    struct slice name = text_of(tag, "name");

    write_literal(page->html, "<h2>");
    write_slice(page, name);
    write_literal(page->html, "</h2>\n");
    write_prose(page, text_of(tag, "description"));
    write_operations(page, name, json_member(page->document, "paths"));
    write_operations(page, name, json_member(page->document, "webhooks"));
}

static bool write_page(struct page *page)
{
    const struct json_value *info = json_member(page->document, "info");
    const struct json_value *tags = json_member(page->document, "tags");
    const struct json_value *paths = json_member(page->document, "paths");
    const struct json_value *tag;

    if (info == NULL || tags == NULL || paths == NULL || json_type(tags) != JSON_ARRAY ||
        json_type(paths) != JSON_OBJECT)
        return false;
    write_literal(page->html, PAGE_HEAD "<title>");
    write_slice(page, text_of(info, "title"));
    write_literal(page->html, "</title>\n");
    write_literal(page->html, "<h1>");
    write_slice(page, text_of(info, "title"));
    write_literal(page->html, "</h1>\n");
    write_prose(page, text_of(info, "summary"));
    write_prose(page, text_of(info, "description"));
    write_literal(page->html, "<p><a href=\"/openapi.json\">As OpenAPI</a></p>\n");
    struct json_iterator elements = json_elements(tags);
    while (json_next_element(&elements, &tag))
        write_tag(page, tag);
    write_literal(page->html, "</html>\n");
    return true;
}

bool documentation_render(const char *json, size_t length, struct writer *html_out)
{
    struct json_memory memory = {.size = json_memory_needed(length)};
    struct page page = {.html = html_out};
    const char *message;
    size_t position;
    bool is_good = false;

    memory.bytes = malloc(memory.size);
    if (memory.bytes != NULL) {
        page.document = json_read(memory, json, length, &message, &position);
        is_good = page.document != NULL && json_type(page.document) == JSON_OBJECT &&
                  write_page(&page) && !html_out->failed;
    }
    free(memory.bytes);
    return is_good;
}
