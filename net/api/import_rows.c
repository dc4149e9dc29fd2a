/* SPDX-License-Identifier: Apache-2.0 */
#include "api/import_rows.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/card_number.h"
#include "api/import_row.h"
#include "api/money.h"

void import_rows_init(struct import_rows *rows)
{
    rows->currency_was_warned = false;
    rows->products = (struct seen_set){0};
    rows->skus = (struct seen_set){0};
    rows->product.row_count = 0;
    rows->product.replaces = false;
    rows->product.draft.variant_count = 0;
    rows->text_used = 0;
}

void import_rows_free(struct import_rows *rows)
{
    seen_free(&rows->products);
    seen_free(&rows->skus);
}

/* ---- one row ---- */

void row_refuse(struct row *row, const char *field, const char *format, ...)
{
    char message[IMPORT_MESSAGE_LENGTH_MAX + 1];
    va_list arguments;

    if (row->is_refused)
        return;
    row->is_refused = true;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    row->rows->on_refused(row->rows->user, row->number, field, message);
}

void row_warn(struct row *row, const char *field, const char *format, ...)
{
    char message[IMPORT_MESSAGE_LENGTH_MAX + 1];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    row->rows->on_warned(row->rows->user, row->number, field, message);
}

/* A cell without the blanks around it and without a guard. */
static struct slice read_cell(struct row *row, enum import_field field,
                              const struct csv_field *cell)
{
    struct slice text = import_cell_unguard(slice_trim((struct slice){cell->text, cell->length}));

    if (text.length == 0)
        return text;
    if (!text_is_utf8(text.text, text.length, NULL))
        row_refuse(row, import_field_name(field),
                   "is not UTF-8, but %s as it seems: save the file as UTF-8",
                   import_cell_encoding(text.text, text.length));
    else if (card_number_in(text.text, text.length, CARD_NUMBER_PLAIN))
        row_refuse(row, import_field_name(field), "looks like a card number");
    return text;
}

/* The texts of several columns, one after the other: those that are blank, or have come before, are
 * left out. */
static struct slice join_cells(struct row *row, enum import_field field, const struct csv_row *csv)
{
    const struct import_mapping *mapping = &row->rows->mapping;
    const char *joint = import_field_joint(field);
    struct slice parts[IMPORT_COLUMNS_MAX];
    size_t start = row->joined_used;
    uint32_t count = 0;

    for (uint32_t i = 0; i < mapping->fields[field].column_count; i++) {
        const struct csv_field *cell = &csv->fields[mapping->fields[field].columns[i]];
        struct slice part = read_cell(row, field, cell);
        bool is_new = part.length > 0;

        for (uint32_t j = 0; j < count; j++)
            is_new = is_new && !slices_equal(parts[j], part);
        if (!is_new)
            continue;
        size_t length = part.length + (count > 0 ? strlen(joint) : 0);
        if (length > sizeof(row->rows->joined) - row->joined_used) {
            row_refuse(row, import_field_name(field), "is too long when its columns are joined");
            break;
        }
        if (count > 0) {
            memcpy(row->rows->joined + row->joined_used, joint, strlen(joint));
            row->joined_used += strlen(joint);
        }
        memcpy(row->rows->joined + row->joined_used, part.text, part.length);
        row->joined_used += part.length;
        parts[count++] = part;
    }
    return (struct slice){row->rows->joined + start, row->joined_used - start};
}

/* The last of a path's names is often given in a column of its own as well. */
static struct slice join_category(struct row *row, const struct csv_row *csv)
{
    const struct import_mapping *mapping = &row->rows->mapping;
    uint32_t count = mapping->fields[IMPORT_CATEGORY].column_count;
    const uint32_t *columns = mapping->fields[IMPORT_CATEGORY].columns;
    struct slice path = read_cell(row, IMPORT_CATEGORY, &csv->fields[columns[0]]);
    struct slice last = read_cell(row, IMPORT_CATEGORY, &csv->fields[columns[count - 1]]);

    if (count == 2 && last.length + 3 <= path.length &&
        memcmp(path.text + path.length - last.length, last.text, last.length) == 0 &&
        memcmp(path.text + path.length - last.length - 3, " > ", 3) == 0)
        return path;
    return join_cells(row, IMPORT_CATEGORY, csv);
}

static void read_values(struct row *row, const struct csv_row *csv)
{
    const struct import_mapping *mapping = &row->rows->mapping;

    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        enum import_field field = (enum import_field)i;
        struct slice value = {"", 0};

        if (mapping->fields[i].column_count == 1)
            value = read_cell(row, field, &csv->fields[mapping->fields[i].columns[0]]);
        else if (mapping->fields[i].column_count > 1)
            value =
                field == IMPORT_CATEGORY ? join_category(row, csv) : join_cells(row, field, csv);
        row->has_cell[i] = value.length > 0;
        if (value.length == 0 && mapping->fields[i].has_literal)
            value = slice_trim(mapping->fields[i].literal);
        row->values[i] = value;
    }
}

/* Keeps a copy of text that outlives the row. */
struct slice row_keep(struct row *row, struct slice text)
{
    struct import_rows *rows = row->rows;
    struct slice kept = {rows->text + rows->text_used, text.length};

    if (text.length > sizeof(rows->text) - rows->text_used) {
        row_refuse(row, "product", "is larger than %d bytes with all its rows",
                   (int)PRODUCT_DOCUMENT_BYTES_MAX);
        return (struct slice){"", 0};
    }
    if (text.length > 0)
        memcpy(rows->text + rows->text_used, text.text, text.length);
    rows->text_used += (uint32_t)text.length;
    return kept;
}

/* ---- which product, which SKU ---- */

/* An ID for a product that the file gives none: made of its name, with a number where others of the
 * file have the same. */
static struct slice id_of_name(struct row *row)
{
    struct slice name = row->values[IMPORT_NAME];
    struct slice slug = import_name_slug(row->made_id, name);
    size_t length = slug.length;
    char number[12];

    if (row->rows->dialect == IMPORT_SHOPIFY)
        return slug;
    memmove(row->made_id, slug.text, length);
    slug.text = row->made_id;
    for (unsigned i = 2; seen_look(&row->rows->products, slug, UINT32_MAX) == SEEN_BEFORE; i++) {
        size_t digits = (size_t)snprintf(number, sizeof(number), "-%u", i);

        if (i > IMPORT_NAMESAKES_MAX) {
            row_refuse(row, "name", "is that of more than %d products without an ID",
                       (int)IMPORT_NAMESAKES_MAX);
            break;
        }
        size_t kept = length + digits > IMPORT_NAME_MAX ? IMPORT_NAME_MAX - digits : length;
        memcpy(row->made_id + kept, number, digits);
        slug.length = kept + digits;
    }
    return slug;
}

/* Shopify's handles may be longer, and of any letters. */
static struct slice id_of_handle(struct row *row, struct slice handle)
{
    if (sku_is_valid(handle.text, handle.length))
        return handle;
    struct slice id = import_name_make(row->made_id, &handle, 1, true, NULL);
    if (row->rows->product.row_count == 0 || !slices_equal(row->rows->product.draft.id, id))
        row_warn(row, "product", "has a handle that is no ID here: it is %.*s", (int)id.length,
                 id.text);
    return id;
}

/* The product that a row belongs to: by `id`, by `product`, else that of its SKU, else one of its
 * own. */
static struct slice product_id(struct row *row)
{
    struct import_rows *rows = row->rows;
    struct slice sku = row->values[IMPORT_SKU];
    enum import_field field = IMPORT_SKU;

    if (row->values[IMPORT_ID].length > 0)
        field = IMPORT_ID;
    else if (row->values[IMPORT_PRODUCT].length > 0)
        field = IMPORT_PRODUCT;
    struct slice id = row->values[field];
    if (field == IMPORT_PRODUCT && rows->dialect == IMPORT_SHOPIFY)
        return id_of_handle(row, id);
    if (field != IMPORT_SKU) {
        if (!sku_is_valid(id.text, id.length))
            row_refuse(row, import_field_name(field),
                       "must be 1 to 64 of letters, digits and . _ - / :");
        return id;
    }
    bool has_title = row->values[IMPORT_NAME].length > 0;
    if (rows->dialect == IMPORT_SHOPIFY)
        return has_title || rows->product.row_count == 0 ? id_of_name(row) : rows->product.draft.id;
    if (sku.length == 0 && !import_mapping_gives(&rows->mapping, IMPORT_SKU) && has_title)
        return id_of_name(row);
    struct slice owner = rows->owner_of(rows->user, sku);
    return owner.length > 0 ? owner : sku;
}

/* ---- the rows of a product ---- */

static void begin_product(struct row *row, struct slice id, struct product_draft *draft)
{
    row_read_product(row, id, draft);
    if (row->is_refused)
        return;
    switch (seen_look(&row->rows->products, id, IMPORT_PRODUCTS_MAX)) {
    case SEEN_NEW:
        break;
    case SEEN_BEFORE:
        row_refuse(row, "product", "has rows further up: rows of one product must stand together");
        break;
    case SEEN_NO_ROOM:
        row_refuse(row, "product", "is one too many: a file may hold %d", (int)IMPORT_PRODUCTS_MAX);
        break;
    }
}

/* A later row that says nothing of a variant. */
static bool is_image_row(const struct row *row)
{
    static const enum import_field of_variants[] = {
        IMPORT_SKU,           IMPORT_PRICE,         IMPORT_PRICE_MINOR,  IMPORT_STOCK,
        IMPORT_OPTION1_VALUE, IMPORT_OPTION2_VALUE, IMPORT_OPTION3_VALUE};

    if (!import_mapping_gives(&row->rows->mapping, IMPORT_IMAGE))
        return false;
    for (size_t i = 0; i < sizeof(of_variants) / sizeof(of_variants[0]); i++) {
        if (row->has_cell[of_variants[i]])
            return false;
    }
    return true;
}

static void take_image_row(struct row *row)
{
    if (!row->has_cell[IMPORT_IMAGE])
        row_refuse(row, "row", "says nothing: neither a variant nor an image");
    else
        row_add_image(row);
    if (row->is_refused)
        return;
    struct import_product *product = &row->rows->product;
    product->row_numbers[product->row_count++] = row->number;
}

static void take_variant_row(struct row *row, struct slice id)
{
    struct import_rows *rows = row->rows;
    struct import_product *product = &rows->product;
    struct product_draft *draft = &product->draft;
    struct variant_draft variant = {.price_minor = -1, .weight_grams = -1};
    uint32_t text_used = rows->text_used;
    bool is_first = product->row_count == 0;

    if (is_first)
        product->is_known = rows->currency_of(rows->user, id).length > 0;
    row_read_variant(row, id, is_first, &variant);
    if (draft->variant_count == PRODUCT_VARIANTS_MAX && !is_first)
        row_refuse(row, "product", "has more than %d variants", (int)PRODUCT_VARIANTS_MAX);
    if (is_first && !row->is_refused)
        begin_product(row, id, draft);
    else if (!is_first)
        row_compare_product(row, draft);
    if (!row->is_refused)
        row_check_sku_is_new(row, id, &variant);
    if (row->is_refused)
        return;
    if (is_first) {
        draft->price_minor = variant.price_minor;
        draft->weight_grams = variant.weight_grams < 0 ? 0 : (uint32_t)variant.weight_grams;
        row_keep_product(row, draft);
    }
    row_keep_variant(row, &variant);
    if (!row->is_refused && row->has_cell[IMPORT_IMAGE])
        row_add_image(row);
    if (row->is_refused) {
        rows->text_used = text_used;
        if (is_first)
            draft->variant_count = 0;
        return;
    }
    if (is_first)
        seen_add(&rows->products, draft->id);
    seen_add(&rows->skus, variant.sku);
    product->flags[draft->variant_count] = row->flags;
    product->variant_rows[draft->variant_count] = (uint8_t)product->row_count;
    product->row_numbers[product->row_count++] = row->number;
    draft->variants[draft->variant_count++] = variant;
}

_Static_assert(IMPORT_ROWS_MAX <= UINT8_MAX, "a variant's row is a byte");

void import_rows_take(struct import_rows *rows, const struct csv_row *csv)
{
    struct row row = {.rows = rows, .number = csv->number};
    struct import_product *product = &rows->product;

    if (csv->error != CSV_ERROR_NONE) {
        row_refuse(&row, "row", "%s", csv_error_message(csv->error));
        return;
    }
    if (csv->field_count != rows->mapping.column_count) {
        row_refuse(&row, "row", "has %u fields where the header has %u", csv->field_count,
                   rows->mapping.column_count);
        return;
    }
    read_values(&row, csv);
    struct slice id = product_id(&row);
    if (product->row_count > 0 && !slices_equal(product->draft.id, id))
        import_rows_flush(rows);
    if (product->row_count == IMPORT_ROWS_MAX)
        row_refuse(&row, "product", "has more than %d rows", (int)IMPORT_ROWS_MAX);
    else if (product->row_count > 0 && is_image_row(&row))
        take_image_row(&row);
    else
        take_variant_row(&row, id);
}

/* Images stand as their positions say. */
static void sort_images(struct import_product *product)
{
    struct product_draft *draft = &product->draft;

    for (uint32_t i = 1; i < draft->image_count; i++) {
        for (uint32_t j = i; j > 0; j--) {
            uint32_t position = product->image_positions[j];
            struct slice image = draft->images[j];
            struct slice alt = draft->image_alts[j];

            if (product->image_positions[j - 1] <= position)
                break;
            product->image_positions[j] = product->image_positions[j - 1];
            product->image_positions[j - 1] = position;
            draft->images[j] = draft->images[j - 1];
            draft->images[j - 1] = image;
            draft->image_alts[j] = draft->image_alts[j - 1];
            draft->image_alts[j - 1] = alt;
        }
    }
}

void import_rows_flush(struct import_rows *rows)
{
    if (rows->product.row_count > 0) {
        sort_images(&rows->product);
        rows->on_product(rows->user, &rows->product);
    }
    rows->product.row_count = 0;
    rows->product.draft.variant_count = 0;
    rows->text_used = 0;
}
