/* SPDX-License-Identifier: Apache-2.0 */
/* What carts and orders show of a product beside its price: name, category, currency. Kept in the
 * directory, so that showing a cart costs no read of the store.
 *
 * They are read from the product's document, which this layer otherwise keeps as it is: a JSON
 * object, whose members `name` and `category` are strings and stand before any that is an array or
 * an object (net/api/product_draft.c). A document without a name is called by the product's ID.
 *
 * Immutable once made. Lives in a block of the pool that it was made from, and is freed on that
 * pool's thread. */
#ifndef STAMPEDE_PRODUCT_LABEL_H
#define STAMPEDE_PRODUCT_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block_pool.h"

struct product_label {
    struct block_pool *pool;
    struct product_label *next; /* of those that are to be freed */
    char currency[4];
    uint16_t name_length;
    uint16_t category_length; /* 0: it has none */
    char text[];              /* the name, then the category: UTF-8, as it was given */
};

enum { PRODUCT_LABEL_TEXT_MAX = 1024 }; /* bytes of either; what is longer is cut */

static inline const char *product_label_category(const struct product_label *label)
{
    return label->text + label->name_length;
}

/* NULL without memory. */
struct product_label *product_label_make(struct block_pool *pool, const char *id,
                                         const char currency[4], const char *document,
                                         uint32_t document_length);
bool product_label_equal(const struct product_label *a, const struct product_label *b);

/* Frees a label and those behind it. */
void product_labels_free(void *first);

#endif
