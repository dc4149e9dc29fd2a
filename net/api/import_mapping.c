/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "api/import_rows.h"

static const char *const field_names[IMPORT_FIELD_COUNT] = {
#define X(name, text, joint) [IMPORT_##name] = text,
    IMPORT_FIELDS(X)
#undef X
};

static const char *const field_joints[IMPORT_FIELD_COUNT] = {
#define X(name, text, joint) [IMPORT_##name] = joint,
    IMPORT_FIELDS(X)
#undef X
};

const char *import_field_name(enum import_field field)
{
    assert((unsigned)field < IMPORT_FIELD_COUNT);
    return field_names[field];
}

const char *import_field_joint(enum import_field field)
{
    assert((unsigned)field < IMPORT_FIELD_COUNT);
    return field_joints[field];
}

void import_mapping_init(struct import_mapping *mapping)
{
    memset(mapping, 0, sizeof(*mapping));
}

bool import_mapping_gives(const struct import_mapping *mapping, enum import_field field)
{
    return mapping->fields[field].column_count > 0 || mapping->fields[field].has_literal;
}

/* ---- what the caller says ---- */

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
    } else if (is_literal
                   ? mapping->fields[field].has_literal
                   : mapping->fields[field].column_count > 0 && field_joints[field] == NULL) {
        validation_add(validation, FIELD("map"), "gives %s twice", field_names[field]);
    } else if (!is_literal && mapping->fields[field].column_count == IMPORT_COLUMNS_MAX) {
        validation_add(validation, FIELD("map"), "joins %s of more than %d columns",
                       field_names[field], (int)IMPORT_COLUMNS_MAX);
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
        if (is_literal) {
            mapping->fields[field].has_literal = true;
            mapping->fields[field].literal = (struct slice){target, value_length};
        } else {
            uint32_t column = mapping->fields[field].column_count++;
            mapping->fields[field].names[column] = (struct slice){target, value_length};
        }
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

/* ---- what the header says ---- */

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

static void resolve_column(struct import_mapping *mapping, unsigned field, uint32_t index,
                           const struct csv_row *header, bool is_used[CSV_FIELDS_MAX],
                           struct validation *validation)
{
    struct slice name = mapping->fields[field].names[index];
    uint32_t column = 0;

    while (column < header->field_count && !slices_equal(column_name(header, column), name))
        column++;
    if (column == header->field_count) {
        validation_add(validation, FIELD("map"), "names a column that the file lacks: %.*s",
                       name.length > 60 ? 60 : (int)name.length, name.text);
        return;
    }
    mapping->fields[field].columns[index] = column;
    if (!is_used[column])
        check_unique(header, column, validation);
    is_used[column] = true;
}

static void resolve_named(struct import_mapping *mapping, const struct csv_row *header,
                          bool is_used[CSV_FIELDS_MAX], struct validation *validation)
{
    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        for (uint32_t j = 0; j < mapping->fields[i].column_count; j++)
            resolve_column(mapping, i, j, header, is_used, validation);
    }
}

/* A field that was not mapped takes the column of its own name. */
static void resolve_own(struct import_mapping *mapping, const struct csv_row *header,
                        const bool is_used[CSV_FIELDS_MAX], struct validation *validation)
{
    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        struct slice name = {field_names[i], strlen(field_names[i])};
        for (uint32_t column = 0;
             column < header->field_count && mapping->fields[i].column_count == 0 &&
             !mapping->fields[i].has_literal;
             column++) {
            if (is_used[column] || !slices_equal(column_name(header, column), name))
                continue;
            mapping->fields[i].column_count = 1;
            mapping->fields[i].columns[0] = column;
            check_unique(header, column, validation);
        }
    }
}

static void require_field(const struct import_mapping *mapping, enum import_field field,
                          struct validation *validation)
{
    if (!import_mapping_gives(mapping, field))
        validation_add(validation,
                       (struct field){.name = {field_names[field], strlen(field_names[field])}},
                       "has neither a column nor a mapping");
}

/* What products are made of is required, unless the file says enough to change some that exist. */
static void require_fields(const struct import_mapping *mapping, struct validation *validation)
{
    bool has_price = import_mapping_gives(mapping, IMPORT_PRICE) ||
                     import_mapping_gives(mapping, IMPORT_PRICE_MINOR);
    bool has_name = import_mapping_gives(mapping, IMPORT_NAME);
    bool is_known = import_mapping_gives(mapping, IMPORT_ID) ||
                    import_mapping_gives(mapping, IMPORT_PRODUCT) ||
                    import_mapping_gives(mapping, IMPORT_SKU);
    bool says_more = has_price || has_name;

    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        says_more =
            says_more || (i > IMPORT_NAME && i != IMPORT_PRICE_UNIT && i != IMPORT_CURRENCY &&
                          i != IMPORT_IMAGE_POSITION && i != IMPORT_INVENTORY_POLICY &&
                          import_mapping_gives(mapping, (enum import_field)i));
    }
    if (!is_known && !has_name)
        require_field(mapping, IMPORT_SKU, validation);
    if (is_known && says_more && !(has_name && has_price))
        return; /* of products that exist */
    require_field(mapping, IMPORT_NAME, validation);
    require_field(mapping, IMPORT_CURRENCY, validation);
    if (!has_price)
        require_field(mapping, IMPORT_PRICE, validation);
}

/* ---- Shopify ---- */

enum shopify_version { SHOPIFY_OLD = 1, SHOPIFY_NEW = 2, SHOPIFY_BOTH = 3 };

/* Their columns' names, in any case of letters. Metafields of the namespace `stampede` are ours:
 * what such a file has no column for. The last of several columns of a field are joined to the
 * first. */
static const struct {
    enum import_field field;
    enum shopify_version version;
    const char *name;
} shopify_columns[] = {
    {IMPORT_PRODUCT, SHOPIFY_OLD, "Handle"},
    {IMPORT_PRODUCT, SHOPIFY_NEW, "URL handle"},
    {IMPORT_NAME, SHOPIFY_BOTH, "Title"},
    {IMPORT_DESCRIPTION, SHOPIFY_OLD, "Body (HTML)"},
    {IMPORT_DESCRIPTION, SHOPIFY_NEW, "Description"},
    {IMPORT_BRAND, SHOPIFY_BOTH, "Vendor"},
    {IMPORT_CATEGORY, SHOPIFY_BOTH, "Product category"},
    {IMPORT_CATEGORY, SHOPIFY_OLD, "Standardized Product Type"},
    {IMPORT_CATEGORY, SHOPIFY_OLD, "Custom Product Type"},
    {IMPORT_CATEGORY, SHOPIFY_BOTH, "Type"},
    {IMPORT_TAGS, SHOPIFY_BOTH, "Tags"},
    {IMPORT_PUBLISHED, SHOPIFY_OLD, "Published"},
    {IMPORT_PUBLISHED, SHOPIFY_NEW, "Published on online store"},
    {IMPORT_STATUS, SHOPIFY_BOTH, "Status"},
    {IMPORT_OPTION1_NAME, SHOPIFY_BOTH, "Option1 name"},
    {IMPORT_OPTION1_VALUE, SHOPIFY_BOTH, "Option1 value"},
    {IMPORT_OPTION2_NAME, SHOPIFY_BOTH, "Option2 name"},
    {IMPORT_OPTION2_VALUE, SHOPIFY_BOTH, "Option2 value"},
    {IMPORT_OPTION3_NAME, SHOPIFY_BOTH, "Option3 name"},
    {IMPORT_OPTION3_VALUE, SHOPIFY_BOTH, "Option3 value"},
    {IMPORT_SKU, SHOPIFY_OLD, "Variant SKU"},
    {IMPORT_SKU, SHOPIFY_NEW, "SKU"},
    {IMPORT_WEIGHT, SHOPIFY_OLD, "Variant Grams"},
    {IMPORT_WEIGHT, SHOPIFY_NEW, "Weight value (grams)"},
    {IMPORT_STOCK, SHOPIFY_OLD, "Variant Inventory Qty"},
    {IMPORT_STOCK, SHOPIFY_NEW, "Inventory quantity"},
    {IMPORT_INVENTORY_POLICY, SHOPIFY_OLD, "Variant Inventory Policy"},
    {IMPORT_INVENTORY_POLICY, SHOPIFY_NEW, "Continue selling when out of stock"},
    {IMPORT_PRICE, SHOPIFY_OLD, "Variant Price"},
    {IMPORT_PRICE, SHOPIFY_NEW, "Price"},
    {IMPORT_IMAGE, SHOPIFY_OLD, "Image Src"},
    {IMPORT_IMAGE, SHOPIFY_NEW, "Product image URL"},
    {IMPORT_IMAGE_POSITION, SHOPIFY_BOTH, "Image position"},
    {IMPORT_IMAGE_ALT, SHOPIFY_BOTH, "Image alt text"},
    {IMPORT_SEO_TITLE, SHOPIFY_BOTH, "SEO title"},
    {IMPORT_SEO_DESCRIPTION, SHOPIFY_BOTH, "SEO description"},
    {IMPORT_SEO_SLUG, SHOPIFY_BOTH, "SEO slug (product.metafields.stampede.seo_slug)"},
    {IMPORT_CURRENCY, SHOPIFY_BOTH, "Currency (product.metafields.stampede.currency)"},
    {IMPORT_LIMIT, SHOPIFY_BOTH,
     "Limit per customer (product.metafields.stampede.limit_per_customer)"},
};

static bool has_name(const struct csv_row *header, uint32_t column, const char *name)
{
    struct slice text = column_name(header, column);

    for (size_t i = 0; i < text.length; i++) {
        char a = text.text[i];
        char b = name[i];

        a = a >= 'A' && a <= 'Z' ? (char)(a | 0x20) : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b | 0x20) : b;
        if (a != b) /* also where the name has ended */
            return false;
    }
    return name[text.length] == '\0';
}

static uint32_t find_name(const struct csv_row *header, const char *name)
{
    uint32_t column = 0;

    while (column < header->field_count && !has_name(header, column, name))
        column++;
    return column;
}

static enum shopify_version version_of(const struct csv_row *header)
{
    static const char *const old_names[] = {"Handle", "Body (HTML)", "Variant Price", "Variant SKU",
                                            "Image Src"};

    for (size_t i = 0; i < sizeof(old_names) / sizeof(old_names[0]); i++) {
        if (find_name(header, old_names[i]) < header->field_count)
            return SHOPIFY_OLD;
    }
    return SHOPIFY_NEW;
}

bool import_header_is_shopify(const struct csv_row *header)
{
    uint32_t count = header->field_count;

    return find_name(header, "URL handle") < count ||
           (find_name(header, "Title") < count && find_name(header, "Handle") < count);
}

static void resolve_shopify(struct import_mapping *mapping, const struct csv_row *header,
                            const bool is_used[CSV_FIELDS_MAX], struct validation *validation)
{
    enum shopify_version version = version_of(header);
    bool is_mapped[IMPORT_FIELD_COUNT];

    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++)
        is_mapped[i] = mapping->fields[i].column_count > 0;
    for (size_t i = 0; i < sizeof(shopify_columns) / sizeof(shopify_columns[0]); i++) {
        enum import_field field = shopify_columns[i].field;
        uint32_t column = find_name(header, shopify_columns[i].name);

        if ((shopify_columns[i].version & version) == 0 || is_mapped[field] ||
            column == header->field_count || is_used[column])
            continue;
        mapping->fields[field].columns[mapping->fields[field].column_count++] = column;
        check_unique(header, column, validation);
    }
    if (!import_mapping_gives(mapping, IMPORT_PRODUCT) &&
        !import_mapping_gives(mapping, IMPORT_NAME))
        validation_add(validation, FIELD("header"),
                       "has neither Title nor a handle, as Shopify's product CSV has");
}

void import_mapping_resolve(struct import_mapping *mapping, enum import_dialect dialect,
                            const struct csv_row *header, struct validation *validation)
{
    bool is_used[CSV_FIELDS_MAX] = {false};

    if (header->has_lone_cr) {
        validation_add(validation, FIELD("header"),
                       "ends with a CR alone, as old Macintosh files do: save the file with line "
                       "ends of LF or CRLF");
        return;
    }
    if (header->error != CSV_ERROR_NONE) {
        validation_add(validation, FIELD("header"), "%s", csv_error_message(header->error));
        return;
    }
    for (uint32_t i = 0; i < header->field_count; i++) {
        const struct csv_field *name = &header->fields[i];
        if (!text_is_utf8(name->text, name->length, NULL)) {
            validation_add(validation, FIELD("header"),
                           "is not UTF-8, but %s as it seems: save the file as UTF-8",
                           import_cell_encoding(name->text, name->length));
            return;
        }
    }
    mapping->column_count = header->field_count;
    resolve_named(mapping, header, is_used, validation);
    if (dialect == IMPORT_SHOPIFY) {
        resolve_shopify(mapping, header, is_used, validation);
        return;
    }
    resolve_own(mapping, header, is_used, validation);
    require_fields(mapping, validation);
}
