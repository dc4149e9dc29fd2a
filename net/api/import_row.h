/* SPDX-License-Identifier: Apache-2.0 */
/* One row of a file: its values by field, and what is read of them. Between import_rows.c, which
 * gathers rows, and import_row.c. Private to net/api. */
#ifndef STAMPEDE_API_IMPORT_ROW_H
#define STAMPEDE_API_IMPORT_ROW_H

#include <stdarg.h>

#include "api/import_rows.h"

/* A row in hand: its values by field, and the first reason to refuse it. */
struct row {
    struct import_rows *rows;
    uint64_t number;
    struct slice values[IMPORT_FIELD_COUNT];
    bool has_cell[IMPORT_FIELD_COUNT]; /* a column gives it, and is not blank */
    size_t joined_used;
    uint8_t flags; /* of its variant */
    bool is_refused;
    char made_id[IMPORT_NAME_MAX];
    char made_sku[IMPORT_NAME_MAX];
};

/* Refuses the row, for the first reason only. */
void row_refuse(struct row *row, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void row_warn(struct row *row, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A copy of the text that lives as long as the product is gathered. */
struct slice row_keep(struct row *row, struct slice text);

/* What is the product's own, from its first row. Text points into the row yet. */
void row_read_product(struct row *row, struct slice id, struct product_draft *draft_out);
void row_keep_product(struct row *row, struct product_draft *draft);

/* A later row may say what is the product's again, or nothing. */
void row_compare_product(struct row *row, const struct product_draft *draft);

/* What is a variant's own; its flags in the row. */
void row_read_variant(struct row *row, struct slice id, bool is_first,
                      struct variant_draft *variant_out);
void row_keep_variant(struct row *row, struct variant_draft *variant);

/* A SKU that came further up is another product's: that of the product in hand is refused before.
 * One that was made is made anew. */
void row_check_sku_is_new(struct row *row, struct slice id, struct variant_draft *variant);

/* Adds the row's image to the product. */
void row_add_image(struct row *row);

#endif
