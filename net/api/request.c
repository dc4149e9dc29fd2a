/* SPDX-License-Identifier: Apache-2.0 */
#include "api/request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static bool refuse_json(struct api_call *call, const char *message, size_t position)
{
    char detail[PROBLEM_DETAIL_LENGTH_MAX];

    snprintf(detail, sizeof(detail), "The body is not JSON: %s, at byte %zu.", message, position);
    problem_respond(call->exchange, PROBLEM_MALFORMED_JSON, detail);
    return false;
}

bool request_object(struct api_call *call, const struct json_value **object_out)
{
    struct http_slice body = http_exchange_body(call->exchange);
    const char *message;
    size_t position;

    *object_out = NULL;
    if (body.length == 0 && call->route->body == BODY_JSON_OR_EMPTY)
        return true;
    const struct json_value *value = json_read(
        call->shard->json, body.data == NULL ? "" : body.data, body.length, &message, &position);
    if (value == NULL)
        return refuse_json(call, message, position);
    if (json_type(value) != JSON_OBJECT) {
        validation_respond_one(call->exchange, FIELD("body"), "must be an object");
        return false;
    }
    *object_out = value;
    return true;
}

bool request_empty_object(struct api_call *call)
{
    const struct json_value *object;
    const struct json_value *value;
    struct validation validation;
    struct slice name;

    if (!request_object(call, &object))
        return false;
    if (object == NULL || json_size(object) == 0)
        return true;
    validation_init(&validation);
    struct json_iterator members = json_members(object);
    while (json_next_member(&members, &name, &value)) {
        if (!challenge_is_proof(call, name))
            validation_add(&validation, (struct field){.name = name}, "is not known");
    }
    if (validation.count == 0)
        return true;
    validation_respond(&validation, call->exchange);
    return false;
}

bool request_path_sku(struct api_call *call, struct sku_entry **entry_out)
{
    char sku[SKU_LENGTH_MAX + 1];
    int length = http_path_parameter(call->exchange, 0, sku, sizeof(sku));

    *entry_out = NULL;
    if (length > 0)
        *entry_out =
            directory_find_sku_recorded(shard_directory(call->shard->shard), sku, (size_t)length);
    if (*entry_out == NULL)
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such SKU.");
    return *entry_out != NULL;
}

bool request_path_id(struct api_call *call, char text_out[ID_TEXT_LENGTH_MAX + 1],
                     size_t *length_out)
{
    int length = http_path_parameter(call->exchange, 0, text_out, ID_TEXT_LENGTH_MAX + 1);

    if (length <= 0) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return false;
    }
    *length_out = (size_t)length;
    return true;
}

void request_check_query(struct api_call *call, struct validation *validation,
                         const char *const names[], const char *repeatable)
{
    struct http_slice rest = http_exchange_query(call->exchange);
    struct http_slice raw_name;
    struct http_slice raw_value;
    char name[VALIDATION_FIELD_LENGTH_MAX + 1];
    unsigned counts[QUERY_NAMES_MAX] = {0};

    while (http_query_next(&rest, &raw_name, &raw_value)) {
        int length = http_percent_decode(raw_name, true, name, sizeof(name));
        unsigned i = 0;
        while (length > 0 && names[i] != NULL && strcmp(name, names[i]) != 0)
            i++;
        if (raw_name.length == 0)
            continue;
        if (length > 0 && names[i] != NULL) {
            assert(i < QUERY_NAMES_MAX);
            counts[i]++;
            if (counts[i] == 2 && (repeatable == NULL || strcmp(name, repeatable) != 0))
                validation_add(validation, (struct field){.name = {name, (size_t)length}},
                               "is given twice");
            continue;
        }
        if (length < 0 || !text_is_utf8(name, (size_t)length, NULL))
            validation_add(validation, FIELD("query"), "has a parameter with an unreadable name");
        else
            validation_add(validation, (struct field){.name = {name, (size_t)length}},
                           "is not known");
    }
}

uint32_t request_limit(struct api_call *call, struct validation *validation)
{
    char text[8];
    uint64_t limit = LIST_LIMIT_DEFAULT;
    int length = http_query_parameter(call->exchange, "limit", 0, text, sizeof(text));

    if (length == HTTP_ABSENT)
        return LIST_LIMIT_DEFAULT;
    if (length <= 0 || !text_to_unsigned(text, (size_t)length, LIST_PAGE_MAX, &limit) || limit == 0)
        validation_add(validation, FIELD("limit"), "must be an integer from 1 to %d",
                       (int)LIST_PAGE_MAX);
    return (uint32_t)limit;
}

void request_cursor_invalid(struct validation *validation)
{
    validation_add(validation, FIELD("cursor"), "is not a cursor of this list");
}

size_t request_cursor(struct api_call *call, struct validation *validation,
                      char text_out[CURSOR_LENGTH_MAX + 1])
{
    int length = http_query_parameter(call->exchange, "cursor", 0, text_out, CURSOR_LENGTH_MAX + 1);

    if (length == HTTP_ABSENT)
        return 0;
    if (length <= 0) {
        request_cursor_invalid(validation);
        return 0;
    }
    return (size_t)length;
}
