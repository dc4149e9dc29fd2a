/* SPDX-License-Identifier: Apache-2.0 */
/* What a product of a file comes to, over what is stored of it.
 *
 *  - What the file has no column for is left as it is; a blank cell of a column that it has
 *    overwrites.
 *  - A variant that the file does not name stays as it is. A row without a SKU of its own is the
 *    stored variant that has the same options.
 *  - What differs only in what a cell cannot say (blanks around a text, say) is not changed: an
 *    export that is imported again changes nothing.
 *
 * Pure, but for the callback. Private to net/api. */
#ifndef STAMPEDE_API_IMPORT_MERGE_H
#define STAMPEDE_API_IMPORT_MERGE_H

#include "api/import_rows.h"

/* Refuses a row: `index` is its place in the product's row_numbers. */
typedef void (*import_merge_refuse)(void *user, uint32_t index, const char *field,
                                    const char *message);

struct import_merge {
    const struct import_rows *rows; /* whose mapping and dialect */
    struct import_product *product; /* what the file says; refused variants are marked dropped */
    const struct product_draft *stored; /* NULL: there is none */
    import_merge_refuse refuse;
    void *user;
    struct product_draft *merged;           /* out: text is of both */
    bool keeps_stock[PRODUCT_VARIANTS_MAX]; /* out: the file says no stock of it */
};

/* False: nothing of the product is left, all its rows are refused. */
bool import_merge(struct import_merge *merge);

#endif
