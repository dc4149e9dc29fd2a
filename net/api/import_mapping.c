/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "api/import_rows.h"

static const char *const field_names[IMPORT_FIELD_COUNT] = {
#define X(name, text) [IMPORT_##name] = text,
    IMPORT_FIELDS(X)
#undef X
};

const char *import_field_name(enum import_field field)
{
    assert((unsigned)field < IMPORT_FIELD_COUNT);
    return field_names[field];
}

void import_mapping_init(struct import_mapping *mapping)
{
    memset(mapping, 0, sizeof(*mapping));
}

/* The field whose name, followed by `=` or `:=`, the text begins with; IMPORT_FIELD_COUNT: none.
 * `value_out` gets the offset of what follows. */
static enum import_field find_field(const char *text, size_t length, bool *literal_out,
                                    size_t *value_out)
{
    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        size_t name = strlen(field_names[i]);
        if (length <= name || memcmp(text, field_names[i], name) != 0)
            continue;
        *literal_out = text[name] == ':' && name + 1 < length && text[name + 1] == '=';
        *value_out = name + (*literal_out ? 2 : 1);
        if (*literal_out || text[name] == '=')
            return (enum import_field)i;
    }
    return IMPORT_FIELD_COUNT;
}

/* Where this entry ends: at a comma behind which another entry begins. Other commas are part of a
 * column's name or a literal. */
static size_t entry_length(const char *text, size_t length)
{
    bool is_literal;
    size_t value;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == ',' &&
            find_field(text + i + 1, length - i - 1, &is_literal, &value) != IMPORT_FIELD_COUNT)
            return i;
    }
    return length;
}

static void add_entry(struct import_mapping *mapping, const char *text, size_t length,
                      struct validation *validation)
{
    bool is_literal = false;
    size_t value = 0;
    enum import_field field = find_field(text, length, &is_literal, &value);
    size_t value_length = length - value;

    if (field == IMPORT_FIELD_COUNT) {
        validation_add(validation, FIELD("map"),
                       "must be `field=column` or `field:=literal` with a known field");
    } else if (mapping->fields[field].kind != MAP_NONE) {
        validation_add(validation, FIELD("map"), "gives %s twice", field_names[field]);
    } else if (!is_literal && value_length == 0) {
        validation_add(validation, FIELD("map"), "names no column for %s", field_names[field]);
    } else if (!text_is_utf8(text, length, NULL) || memchr(text, '\0', length) != NULL ||
               value_length > sizeof(mapping->bytes) - mapping->used) {
        validation_add(validation, FIELD("map"), "is not text, or longer than %d bytes",
                       (int)IMPORT_MAPPING_BYTES_MAX);
    } else {
        char *target = mapping->bytes + mapping->used;
        memcpy(target, text + value, value_length);
        mapping->used += (uint32_t)value_length;
        mapping->fields[field].kind = is_literal ? MAP_LITERAL : MAP_COLUMN;
        mapping->fields[field].text = (struct slice){target, value_length};
    }
}

void import_mapping_add(struct import_mapping *mapping, const char *text, size_t length,
                        struct validation *validation)
{
    for (;;) {
        size_t entry = entry_length(text, length);
        add_entry(mapping, text, entry, validation);
        if (entry == length)
            return;
        text += entry + 1;
        length -= entry + 1;
    }
}

static struct slice column_name(const struct csv_row *header, uint32_t column)
{
    const struct csv_field *field = &header->fields[column];

    return slice_trim((struct slice){field->text, field->length});
}

/* A field's column whose name another column has too: which one is meant cannot be known. */
static void check_unique(const struct csv_row *header, uint32_t column,
                         struct validation *validation)
{
    struct slice name = column_name(header, column);

    for (uint32_t other = 0; other < header->field_count; other++) {
        if (other == column || !slices_equal(column_name(header, other), name))
            continue;
        validation_add(validation, FIELD("header"), "has two columns named %.*s",
                       name.length > 60 ? 60 : (int)name.length, name.text);
        return;
    }
}

static void resolve_named(struct import_mapping *mapping, const struct csv_row *header,
                          bool is_used[CSV_FIELDS_MAX], struct validation *validation)
{
    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        if (mapping->fields[i].kind != MAP_COLUMN)
            continue;
        uint32_t column = 0;
        while (column < header->field_count &&
               !slices_equal(column_name(header, column), mapping->fields[i].text))
            column++;
        if (column == header->field_count) {
            struct slice name = mapping->fields[i].text;
            validation_add(validation, FIELD("map"), "names a column that the file lacks: %.*s",
                           name.length > 60 ? 60 : (int)name.length, name.text);
            continue;
        }
        mapping->fields[i].column = column;
        if (!is_used[column])
            check_unique(header, column, validation);
        is_used[column] = true;
    }
}

/* What every row needs, from wherever. */
static void require_fields(const struct import_mapping *mapping, struct validation *validation)
{
    static const enum import_field needed[] = {IMPORT_SKU, IMPORT_NAME, IMPORT_CURRENCY};

    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (mapping->fields[needed[i]].kind == MAP_NONE)
            validation_add(
                validation,
                (struct field){.name = {field_names[needed[i]], strlen(field_names[needed[i]])}},
                "has neither a column nor a mapping");
    }
    if (mapping->fields[IMPORT_PRICE].kind == MAP_NONE &&
        mapping->fields[IMPORT_PRICE_MINOR].kind == MAP_NONE)
        validation_add(validation, FIELD("price"), "has neither a column nor a mapping");
}

void import_mapping_resolve(struct import_mapping *mapping, const struct csv_row *header,
                            struct validation *validation)
{
    bool is_used[CSV_FIELDS_MAX] = {false};

    if (header->error != CSV_ERROR_NONE) {
        validation_add(validation, FIELD("header"), "%s", csv_error_message(header->error));
        return;
    }
    mapping->column_count = header->field_count;
    resolve_named(mapping, header, is_used, validation);
    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        struct slice name = {field_names[i], strlen(field_names[i])};
        for (uint32_t column = 0;
             column < header->field_count && mapping->fields[i].kind == MAP_NONE; column++) {
            if (is_used[column] || !slices_equal(column_name(header, column), name))
                continue;
            mapping->fields[i].kind = MAP_COLUMN;
            mapping->fields[i].column = column;
            check_unique(header, column, validation);
        }
    }
    require_fields(mapping, validation);
}
