/* SPDX-License-Identifier: Apache-2.0 */
#include "api/import_lines.h"

#include <stdio.h>

#include "api/card_number.h"

/* ---- lines ---- */

void import_lines_init(struct import_lines *lines,
                       bool (*on_line)(void *user, uint64_t number, const char *text,
                                       size_t length),
                       void *user)
{
    lines->on_line = on_line;
    lines->user = user;
    lines->number = 0;
    lines->is_too_long = false;
    lines->has_bytes = false;
    lines->used = 0;
}

static bool end_line(struct import_lines *lines)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct slice line = {lines->text, lines->used};
    bool is_too_long = lines->is_too_long;

    lines->number++;
    lines->used = 0;
    lines->is_too_long = false;
    lines->has_bytes = false;
    if (is_too_long)
        return lines->on_line(lines->user, lines->number, NULL, 0);
    if (lines->number == 1 && line.length >= 3 && memcmp(line.text, mark, 3) == 0)
        line = (struct slice){line.text + 3, line.length - 3};
    line = slice_trim(line);
    return line.length == 0 || lines->on_line(lines->user, lines->number, line.text, line.length);
}

static void keep(struct import_lines *lines, const char *data, size_t length)
{
    lines->has_bytes = lines->has_bytes || length > 0;
    if (length > sizeof(lines->text) - lines->used)
        lines->is_too_long = true;
    if (lines->is_too_long || length == 0)
        return;
    memcpy(lines->text + lines->used, data, length);
    lines->used += (uint32_t)length;
}

size_t import_lines_feed(struct import_lines *lines, const char *data, size_t length)
{
    size_t taken = 0;

    while (taken < length) {
        const char *end = memchr(data + taken, '\n', length - taken);
        size_t part = end == NULL ? length - taken : (size_t)(end - data) - taken;

        keep(lines, data + taken, part);
        taken += part;
        if (end == NULL)
            break;
        taken++;
        if (!end_line(lines))
            break;
    }
    return taken;
}

void import_lines_finish(struct import_lines *lines)
{
    if (lines->has_bytes)
        end_line(lines);
}

/* ---- a product ---- */

static void refuse(struct import_rows *rows, uint64_t number, const char *field,
                   const char *message)
{
    rows->on_refused(rows->user, number, field, message);
}

/* Of SKUs that are not this product's, the first; NULL: none. */
static const char *sku_problem(struct import_rows *rows, const struct product_draft *draft,
                               uint32_t *variant_out)
{
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        struct slice sku = draft->variants[i].sku;
        struct slice owner = rows->owner_of(rows->user, sku);

        *variant_out = i;
        if (owner.length > 0 && !slices_equal(owner, draft->id))
            return "belongs to another product";
        switch (seen_look(&rows->skus, sku, IMPORT_SKUS_MAX)) {
        case SEEN_NEW:
            break;
        case SEEN_BEFORE:
            return "belongs to another product further up";
        case SEEN_NO_ROOM:
            return "is one too many: a file may hold 2097152";
        }
    }
    return NULL;
}

_Static_assert(IMPORT_SKUS_MAX == 2097152 && IMPORT_PRODUCTS_MAX == 2097152, "as the messages say");

static bool check_names(struct import_rows *rows, uint64_t number,
                        const struct product_draft *draft)
{
    uint32_t variant = 0;
    const char *problem = NULL;
    char field[40];

    switch (seen_look(&rows->products, draft->id, IMPORT_PRODUCTS_MAX)) {
    case SEEN_NEW:
        break;
    case SEEN_BEFORE:
        problem = "is that of a line further up";
        break;
    case SEEN_NO_ROOM:
        problem = "is one too many: a file may hold 2097152";
        break;
    }
    if (problem != NULL) {
        refuse(rows, number, "id", problem);
        return false;
    }
    problem = sku_problem(rows, draft, &variant);
    if (problem == NULL)
        return true;
    snprintf(field, sizeof(field), "variants[%u].sku", variant);
    refuse(rows, number, field, problem);
    return false;
}

/* Whether each variant says its stock; a product without variants says it beside its name. */
static void find_stocks(const struct json_value *object, struct import_product *product)
{
    const struct json_value *variants = json_member(object, "variants");
    const struct json_value *variant;
    uint32_t i = 0;

    if (variants == NULL) {
        product->flags[0] = json_member(object, "stock") == NULL ? 0 : VARIANT_HAS_STOCK;
        return;
    }
    struct json_iterator elements = json_elements(variants);
    for (; json_next_element(&elements, &variant); i++)
        product->flags[i] = json_member(variant, "stock") == NULL ? 0 : VARIANT_HAS_STOCK;
}

static void take_object(struct import_rows *rows, uint64_t number, const struct json_value *object)
{
    struct import_product *product = &rows->product;
    struct product_draft *draft = &product->draft;
    struct validation validation;

    validation_init(&validation);
    product_draft_replace(&validation, object, draft);
    for (unsigned i = 0; i < validation.count && i < VALIDATION_ERRORS_MAX; i++)
        refuse(rows, number, validation.errors[i].field, validation.errors[i].message);
    if (validation.count > 0)
        return;
    if (draft->id.length == 0)
        draft->id = draft->variants[0].sku;
    if (!check_names(rows, number, draft))
        return;
    seen_add(&rows->products, draft->id);
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        if (seen_look(&rows->skus, draft->variants[i].sku, IMPORT_SKUS_MAX) == SEEN_NEW)
            seen_add(&rows->skus, draft->variants[i].sku);
        product->variant_rows[i] = 0;
    }
    find_stocks(object, product);
    product->row_count = 1;
    product->row_numbers[0] = number;
    product->replaces = true;
    rows->on_product(rows->user, product);
    product->row_count = 0;
}

void import_line_take(struct import_rows *rows, struct json_memory memory, uint64_t number,
                      const char *text, size_t length)
{
    char message[IMPORT_MESSAGE_LENGTH_MAX + 1];
    const struct json_value *object;
    const char *reason;
    size_t position;

    if (text == NULL) {
        snprintf(message, sizeof(message), "is longer than %d bytes", (int)IMPORT_LINE_BYTES_MAX);
        refuse(rows, number, "line", message);
        return;
    }
    if (!text_is_utf8(text, length, NULL)) {
        snprintf(message, sizeof(message),
                 "is not UTF-8, but %s as it seems: save the file as UTF-8",
                 import_cell_encoding(text, length));
        refuse(rows, number, "line", message);
        return;
    }
    if (card_number_in(text, length, CARD_NUMBER_JSON)) {
        refuse(rows, number, "line", "holds what looks like a card number");
        return;
    }
    object = json_read(memory, text, length, &reason, &position);
    if (object == NULL) {
        snprintf(message, sizeof(message), "is not JSON: %s at byte %zu", reason, position + 1);
        refuse(rows, number, "line", message);
    } else if (json_type(object) != JSON_OBJECT) {
        refuse(rows, number, "line", "must be a JSON object: a product");
    } else {
        take_object(rows, number, object);
    }
}
