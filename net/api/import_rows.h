/* SPDX-License-Identifier: Apache-2.0 */
/* From rows of a file to products: which column gives which field, what a row must hold, and which
 * rows are variants of one product. Knows neither HTTP nor the engine's state; the owner's
 * callbacks take complete products and refused rows.
 *
 * Rows of one product stand together. A row that cannot be taken is refused by itself; the others
 * of its product go on without it. What is a product's own (its name, say) comes from the first of
 * its rows; later rows may leave it blank. */
#ifndef STAMPEDE_API_IMPORT_ROWS_H
#define STAMPEDE_API_IMPORT_ROWS_H

#include "api/csv.h"
#include "api/product_draft.h"

/* The fields as docs/openapi.yaml names them. */
#define IMPORT_FIELDS(X)                                                                           \
    X(ID, "id")                                                                                    \
    X(PRODUCT, "product")                                                                          \
    X(SKU, "sku")                                                                                  \
    X(NAME, "name")                                                                                \
    X(DESCRIPTION, "description")                                                                  \
    X(CATEGORY, "category")                                                                        \
    X(BRAND, "brand")                                                                              \
    X(TAGS, "tags")                                                                                \
    X(PRICE, "price")                                                                              \
    X(PRICE_MINOR, "price_minor")                                                                  \
    X(PRICE_UNIT, "price_unit")                                                                    \
    X(CURRENCY, "currency")                                                                        \
    X(STOCK, "stock")                                                                              \
    X(LIMIT, "limit_per_customer")                                                                 \
    X(WEIGHT, "weight_grams")                                                                      \
    X(OPTION1_NAME, "option1_name")                                                                \
    X(OPTION1_VALUE, "option1_value")                                                              \
    X(OPTION2_NAME, "option2_name")                                                                \
    X(OPTION2_VALUE, "option2_value")                                                              \
    X(OPTION3_NAME, "option3_name")                                                                \
    X(OPTION3_VALUE, "option3_value")

enum import_field {
#define X(name, text) IMPORT_##name,
    IMPORT_FIELDS(X)
#undef X
        IMPORT_FIELD_COUNT
};

enum {
    IMPORT_MAPPING_BYTES_MAX = 4096, /* names of columns and literals, all together */
    IMPORT_TEXT_BYTES_MAX = 2 * PRODUCT_DOCUMENT_BYTES_MAX, /* of one product's rows */
    IMPORT_PRODUCTS_MAX = 1 << 20,                          /* in one file */
    IMPORT_SKUS_MAX = 1 << 20,                              /* in one file */
    IMPORT_MESSAGE_LENGTH_MAX = 120,
};

/* ---- the mapping ---- */

struct import_mapping {
    struct {
        enum { MAP_NONE, MAP_COLUMN, MAP_LITERAL } kind;
        struct slice text; /* the column's name, or the literal */
        uint32_t column;   /* once resolved */
    } fields[IMPORT_FIELD_COUNT];
    uint32_t column_count;
    uint32_t used;
    char bytes[IMPORT_MAPPING_BYTES_MAX];
};

void import_mapping_init(struct import_mapping *mapping);

/* Takes one value of `map`: `field=column` or `field:=literal`, or several separated by commas.
 * Notes errors under `map`. */
void import_mapping_add(struct import_mapping *mapping, const char *text, size_t length,
                        struct validation *validation);

/* Finds the columns by the file's first row; a field that was not mapped takes the column of its
 * own name, unless that column was mapped to another field. Notes errors: unknown columns under
 * `map`, a column that a field takes but whose name comes twice under `header`, and each field that
 * every row needs but none gives. */
void import_mapping_resolve(struct import_mapping *mapping, const struct csv_row *header,
                            struct validation *validation);

/* ---- the rows ---- */

/* Texts that have been seen, as hashes: open addressing, 0 is empty. */
struct seen_set {
    uint64_t *hashes;
    uint32_t count;
    uint32_t capacity;
};

struct import_rows {
    struct import_mapping mapping;
    /* A complete product; `row_numbers` has one entry a variant. The draft is valid during the
     * call. */
    void (*on_product)(void *user, const struct product_draft *draft, const uint64_t *row_numbers);
    /* A refused row. `message` is valid during the call. */
    void (*on_refused)(void *user, uint64_t row_number, const char *field, const char *message);
    /* Whether a SKU is known to belong to another product. */
    bool (*is_taken)(void *user, struct slice sku, struct slice product_id);
    void *user;
    uint64_t warnings;

    /* Of the rows that were taken. A dry run writes nothing to the directory, so that the file's
     * own repetitions must be known here. */
    struct seen_set products;
    struct seen_set skus;

    /* The product being gathered; no variant: none. */
    struct product_draft draft;
    uint64_t row_numbers[PRODUCT_VARIANTS_MAX];
    uint32_t text_used;
    char text[IMPORT_TEXT_BYTES_MAX];
};

/* The mapping is set by the caller before the first row. */
void import_rows_init(struct import_rows *rows);
void import_rows_free(struct import_rows *rows);

/* Takes a row after the header's. May call on_product for the product before, and on_refused. */
void import_rows_take(struct import_rows *rows, const struct csv_row *row);

/* Delivers the product being gathered, if there is one. */
void import_rows_flush(struct import_rows *rows);

const char *import_field_name(enum import_field field);

#endif
