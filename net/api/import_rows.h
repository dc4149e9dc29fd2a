/* SPDX-License-Identifier: Apache-2.0 */
/* From rows of a file to products: which column gives which field, what a row must hold, and which
 * rows are of one product. Knows neither HTTP nor the engine's state; the owner's callbacks take
 * complete products and refused rows.
 *
 * Rows of one product stand together. A row that cannot be taken is refused by itself; the others
 * of its product go on without it. What is a product's own (its name, say) comes from the first of
 * its rows; later rows may leave it blank. A later row that names no variant, but an image, adds
 * the image.
 *
 * What a product comes to also depends on what is stored of it: import_merge.h. */
#ifndef STAMPEDE_API_IMPORT_ROWS_H
#define STAMPEDE_API_IMPORT_ROWS_H

#include "api/csv.h"
#include "api/import_text.h"
#include "api/product_draft.h"

/* The fields as docs/openapi.yaml names them, and what the texts of several columns are joined by:
 * NULL: one column only. */
#define IMPORT_FIELDS(X)                                                                           \
    X(ID, "id", NULL)                                                                              \
    X(PRODUCT, "product", NULL)                                                                    \
    X(SKU, "sku", NULL)                                                                            \
    X(NAME, "name", " ")                                                                           \
    X(DESCRIPTION, "description", "\n\n")                                                          \
    X(CATEGORY, "category", " > ")                                                                 \
    X(BRAND, "brand", NULL)                                                                        \
    X(TAGS, "tags", "|")                                                                           \
    X(PRICE, "price", NULL)                                                                        \
    X(PRICE_MINOR, "price_minor", NULL)                                                            \
    X(PRICE_UNIT, "price_unit", NULL)                                                              \
    X(CURRENCY, "currency", NULL)                                                                  \
    X(STOCK, "stock", NULL)                                                                        \
    X(LIMIT, "limit_per_customer", NULL)                                                           \
    X(WEIGHT, "weight_grams", NULL)                                                                \
    X(OPTION1_NAME, "option1_name", NULL)                                                          \
    X(OPTION1_VALUE, "option1_value", NULL)                                                        \
    X(OPTION2_NAME, "option2_name", NULL)                                                          \
    X(OPTION2_VALUE, "option2_value", NULL)                                                        \
    X(OPTION3_NAME, "option3_name", NULL)                                                          \
    X(OPTION3_VALUE, "option3_value", NULL)                                                        \
    X(STATUS, "status", NULL)                                                                      \
    X(PUBLISHED, "published", NULL)                                                                \
    X(SEO_TITLE, "seo_title", NULL)                                                                \
    X(SEO_DESCRIPTION, "seo_description", NULL)                                                    \
    X(SEO_SLUG, "seo_slug", NULL)                                                                  \
    X(IMAGE, "image", NULL)                                                                        \
    X(IMAGE_POSITION, "image_position", NULL)                                                      \
    X(IMAGE_ALT, "image_alt", NULL)                                                                \
    X(INVENTORY_POLICY, "inventory_policy", NULL)

enum import_field {
#define X(name, text, joint) IMPORT_##name,
    IMPORT_FIELDS(X)
#undef X
        IMPORT_FIELD_COUNT
};

enum {
    IMPORT_MAPPING_BYTES_MAX = 4096, /* names of columns and literals, all together */
    IMPORT_COLUMNS_MAX = 8,          /* that one field is joined of */
    IMPORT_TEXT_BYTES_MAX = 2 * PRODUCT_DOCUMENT_BYTES_MAX, /* of one product's rows */
    IMPORT_JOINED_BYTES_MAX = CSV_ROW_BYTES_MAX + 4 * CSV_FIELDS_MAX,
    IMPORT_PRODUCTS_MAX = 1 << 21, /* in one file */
    IMPORT_SKUS_MAX = 1 << 21,     /* in one file */
    IMPORT_NAMESAKES_MAX = 1000,   /* products without an ID that have the same name, in one file */
    IMPORT_MESSAGE_LENGTH_MAX = 160,
    IMPORT_ROWS_MAX = PRODUCT_VARIANTS_MAX + PRODUCT_IMAGES_MAX, /* of one product */
};

enum import_dialect {
    IMPORT_GENERIC, /* columns as they are called here, or as the mapping says */
    IMPORT_SHOPIFY, /* columns as Shopify's product CSV calls them, in either of its versions */
};

/* ---- the mapping ---- */

struct import_mapping {
    struct {
        uint32_t column_count;
        bool has_literal;
        struct slice literal; /* where the columns are blank, or there are none */
        struct slice names[IMPORT_COLUMNS_MAX];
        uint32_t columns[IMPORT_COLUMNS_MAX]; /* once resolved */
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
 * own name (in Shopify's files: of Shopify's), unless that column was mapped to another field.
 * Notes errors: unknown columns under `map`, a column that a field takes but whose name comes twice
 * under `header`, and what such a file must give but this does not. */
void import_mapping_resolve(struct import_mapping *mapping, enum import_dialect dialect,
                            const struct csv_row *header, struct validation *validation);

/* Whether the file says anything about a field: what it does not, is left as it is. */
bool import_mapping_gives(const struct import_mapping *mapping, enum import_field field);

/* Whether a first row is one of Shopify's product CSV. */
bool import_header_is_shopify(const struct csv_row *header);

/* ---- the rows ---- */

/* Texts that have been seen, as hashes: open addressing, 0 is empty. */
struct seen_set {
    uint64_t *hashes;
    uint32_t count;
    uint32_t capacity;
};

enum import_variant_flag {
    VARIANT_SKU_IS_MADE = 1, /* of the product's ID and its options: it has none of its own */
    VARIANT_HAS_FIGURES = 2, /* a price, a stock or a weight */
    VARIANT_HAS_STOCK = 4,
    VARIANT_IS_DROPPED = 8, /* refused when it was merged */
};

/* A product as its rows say it. */
struct import_product {
    uint32_t row_count;
    uint64_t row_numbers[IMPORT_ROWS_MAX];
    uint32_t image_positions[PRODUCT_IMAGES_MAX];
    uint8_t flags[PRODUCT_VARIANTS_MAX];            /* of its variants: enum import_variant_flag */
    uint8_t variant_rows[PRODUCT_VARIANTS_MAX];     /* where they stand in row_numbers */
    struct slice option_names[VARIANT_OPTIONS_MAX]; /* of the first row; while it is gathered */
    bool is_known;                                  /* it is stored already, as it seems */
    bool currency_is_stored;    /* the file says none: it is that of what is stored */
    bool replaces;              /* what is stored and not said here is gone */
    struct product_draft draft; /* last: its variants are its end */
};

struct import_rows {
    enum import_dialect dialect;
    struct import_mapping mapping;
    /* A complete product, valid during the call; its text is in `text`, or lives as long as the
     * rows. */
    void (*on_product)(void *user, const struct import_product *product);
    /* A refused row, a row with a warning. `message` is valid during the call. */
    void (*on_refused)(void *user, uint64_t row_number, const char *field, const char *message);
    void (*on_warned)(void *user, uint64_t row_number, const char *field, const char *message);
    /* The ID of the product that has this SKU; empty: none is known. */
    struct slice (*owner_of)(void *user, struct slice sku);
    /* The currency of a product that is known; empty: none is. */
    struct slice (*currency_of)(void *user, struct slice id);
    void *user;

    /* Of the rows that were taken. A dry run writes nothing to the directory, so that the file's
     * own repetitions must be known here. */
    struct seen_set products;
    struct seen_set skus;
    bool currency_was_warned;

    /* The product being gathered; no row: none. */
    struct import_product product;
    uint32_t text_used;
    char text[IMPORT_TEXT_BYTES_MAX];
    char joined[IMPORT_JOINED_BYTES_MAX]; /* of the row in hand */
};

/* Mapping and dialect are set by the caller before the first row. */
void import_rows_init(struct import_rows *rows);
void import_rows_free(struct import_rows *rows);

/* Takes a row after the header's. May call on_product for the product before, and the others. */
void import_rows_take(struct import_rows *rows, const struct csv_row *row);

/* Delivers the product being gathered, if there is one. */
void import_rows_flush(struct import_rows *rows);

const char *import_field_name(enum import_field field);
const char *import_field_joint(enum import_field field);

/* What separates the tags of a cell: where there is a '|', nothing else does. */
const char *import_tag_separators(struct slice cell, enum import_dialect dialect);
/* The next of the tags that a cell holds, from `*rest` on; false at the end. */
bool import_next_tag(struct slice *rest, const char *separators, struct slice *tag_out);

/* ---- what the file has said already ---- */

enum seen { SEEN_NEW, SEEN_BEFORE, SEEN_NO_ROOM };

/* SEEN_NEW: there is room to add it. */
enum seen seen_look(struct seen_set *set, struct slice text, uint32_t count_max);
/* After seen_look has said that it is new. */
void seen_add(struct seen_set *set, struct slice text);
void seen_free(struct seen_set *set);

#endif
