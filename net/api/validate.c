/* SPDX-License-Identifier: Apache-2.0 */
#include "api/validate.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/problems.h"

/* Bytes of `text` that fit `length_max` without cutting a character in two. */
static size_t cut_length(const char *text, size_t length, size_t length_max)
{
    if (length <= length_max)
        return length;
    length = length_max;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return length;
}

static void field_format(struct field field, char text_out[VALIDATION_FIELD_LENGTH_MAX + 1])
{
    char prefix[48] = "";

    if (field.array != NULL && field.index == FIELD_OF_OBJECT)
        snprintf(prefix, sizeof(prefix), "%s.", field.array);
    else if (field.array != NULL)
        snprintf(prefix, sizeof(prefix), "%s[%zu]%s", field.array, field.index,
                 field.name.text == NULL ? "" : ".");
    size_t used = strlen(prefix);
    size_t length =
        cut_length(field.name.text, field.name.length, VALIDATION_FIELD_LENGTH_MAX - used);
    memcpy(text_out, prefix, used);
    if (length > 0)
        memcpy(text_out + used, field.name.text, length);
    text_out[used + length] = '\0';
}

void validation_add(struct validation *validation, struct field field, const char *format, ...)
{
    unsigned index = validation->count++;
    va_list arguments;

    if (index >= VALIDATION_ERRORS_MAX)
        return;
    struct validation_error *error = &validation->errors[index];
    field_format(field, error->field);
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
}

bool validate_integer(struct validation *validation, struct field field,
                      const struct json_value *value, int64_t min, int64_t max,
                      int64_t *integer_out)
{
    if (json_type(value) == JSON_INTEGER) {
        *integer_out = json_integer(value);
        if (*integer_out >= min && *integer_out <= max)
            return true;
    }
    validation_add(validation, field, "must be an integer from %" PRId64 " to %" PRId64, min, max);
    return false;
}

bool validate_string(struct validation *validation, struct field field,
                     const struct json_value *value, size_t length_min, size_t length_max,
                     struct slice *string_out)
{
    size_t characters = 0;

    if (json_type(value) == JSON_STRING) {
        *string_out = json_string(value);
        bool is_text = text_is_utf8(string_out->text, string_out->length, &characters) &&
                       memchr(string_out->text, '\0', string_out->length) == NULL;
        if (is_text && characters >= length_min && characters <= length_max)
            return true;
    }
    if (length_min == 0)
        validation_add(validation, field, "must be a string of at most %zu characters", length_max);
    else
        validation_add(validation, field, "must be a string of %zu to %zu characters", length_min,
                       length_max);
    return false;
}

bool validate_code(struct validation *validation, struct field field,
                   const struct json_value *value, struct slice *code_out)
{
    if (json_type(value) == JSON_STRING) {
        *code_out = json_string(value);
        if (sku_is_valid(code_out->text, code_out->length))
            return true;
    }
    validation_add(validation, field, "must be 1 to 64 of letters, digits and . _ - / :");
    return false;
}

void validation_sort_members(struct validation *validation, const char *array, size_t index,
                             const struct json_value *object, const char *const names[],
                             unsigned name_count, const struct json_value *values_out[])
{
    struct json_iterator members = json_members(object);
    const struct json_value *value;
    struct slice name;

    memset(values_out, 0, name_count * sizeof(values_out[0]));
    while (json_next_member(&members, &name, &value)) {
        struct field field = {.array = array, .index = index, .name = name};
        unsigned i = 0;
        while (i < name_count && !slice_is(name, names[i]))
            i++;
        if (i == name_count)
            validation_add(validation, field, "is not known");
        else if (values_out[i] != NULL)
            validation_add(validation, field, "is given twice");
        else
            values_out[i] = value;
    }
}

bool text_to_unsigned(const char *text, size_t length, uint64_t max, uint64_t *value_out)
{
    uint64_t value = 0;

    if (length == 0)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        unsigned digit = (unsigned)(text[i] - '0');
        if (value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *value_out = value;
    return true;
}

/* So many digits at `at`, within bounds; -1 if they are none. */
static int two_or_four(const char *at, unsigned digits, int min, int max)
{
    int value = 0;

    for (unsigned i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        value = value * 10 + (at[i] - '0');
    }
    return value < min || value > max ? -1 : value;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; -1 if it is none. */
static int64_t days_of(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int leaps = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477; /* from 1970 on */

    if (day > before[month] - before[month - 1] + (is_leap && month == 2))
        return -1;
    return (int64_t)(year - 1970) * 365 + leaps + before[month - 1] + (is_leap && month > 2) + day -
           1;
}

/* The offset in minutes: `Z` or `+hh:mm`; false if it is neither. */
static bool read_offset(const char *text, size_t length, int *minutes_out)
{
    int hours;
    int minutes;

    *minutes_out = 0;
    if (length == 1 && (text[0] == 'Z' || text[0] == 'z'))
        return true;
    if (length != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    hours = two_or_four(text + 1, 2, 0, 23);
    minutes = two_or_four(text + 4, 2, 0, 59);
    if (hours < 0 || minutes < 0)
        return false;
    *minutes_out = (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool text_to_time(const char *text, size_t length, int64_t *wall_ms_out)
{
    enum { HEAD = 19 }; /* 2026-11-27T18:10:00 */
    size_t at = HEAD;
    int64_t days = -1;
    int milliseconds = 0;
    int offset = 0;

    if (length < HEAD + 1 || text[4] != '-' || text[7] != '-' ||
        (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
        return false;
    int year = two_or_four(text, 4, 1970, 9999);
    int month = two_or_four(text + 5, 2, 1, 12);
    int day = two_or_four(text + 8, 2, 1, 31);
    int hour = two_or_four(text + 11, 2, 0, 23);
    int minute = two_or_four(text + 14, 2, 0, 59);
    int second = two_or_four(text + 17, 2, 0, 60);
    if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0)
        return false;
    days = days_of(year, month, day);
    if (text[at] == '.') {
        size_t digits = 0;

        for (at++; at < length && text[at] >= '0' && text[at] <= '9'; at++, digits++)
            if (digits < 3)
                milliseconds += (text[at] - '0') * (digits == 0 ? 100 : digits == 1 ? 10 : 1);
        if (digits == 0)
            return false;
    }
    if (days < 0 || !read_offset(text + at, length - at, &offset))
        return false;
    if (second == 60)
        second = 59;
    *wall_ms_out =
        (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + milliseconds;
    return *wall_ms_out >= 0;
}

void validation_respond_one(struct http_exchange *exchange, struct field field, const char *message)
{
    struct validation validation;

    validation_init(&validation);
    validation_add(&validation, field, "%s", message);
    validation_respond(&validation, exchange);
}

void validation_respond(const struct validation *validation, struct http_exchange *exchange)
{
    /* Every byte of a field's name may need six. */
    enum { ERROR_BYTES_MAX = 6 * VALIDATION_FIELD_LENGTH_MAX + 6 * VALIDATION_MESSAGE_LENGTH_MAX };
    unsigned kept =
        validation->count < VALIDATION_ERRORS_MAX ? validation->count : VALIDATION_ERRORS_MAX;
    struct writer writer;
    char detail[48];

    assert(validation->count > 0);
    if (validation->count == 1)
        snprintf(detail, sizeof(detail), "One field is not valid.");
    else
        snprintf(detail, sizeof(detail), "%u fields are not valid.", validation->count);
    if (!problem_begin(exchange, PROBLEM_VALIDATION_FAILED, detail,
                       kept * (ERROR_BYTES_MAX + sizeof("{\"field\":\"\",\"message\":\"\"},")) + 32,
                       &writer))
        return;
    write_literal(&writer, ",\"errors\":[");
    for (unsigned i = 0; i < kept; i++) {
        const struct validation_error *error = &validation->errors[i];
        if (i > 0)
            write_byte(&writer, ',');
        write_literal(&writer, "{\"field\":");
        write_json_string(&writer, error->field, strlen(error->field));
        write_literal(&writer, ",\"message\":");
        write_json_string(&writer, error->message, strlen(error->message));
        write_byte(&writer, '}');
    }
    write_byte(&writer, ']');
    problem_end(exchange, &writer);
}
