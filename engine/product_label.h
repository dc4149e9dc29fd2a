/* SPDX-License-Identifier: Apache-2.0 */
/* What carts and orders show of a product beside its price (name, category, currency), and what it
 * is found by (time, category, brand, tags). Kept in the directory, so that neither showing
 * a cart nor finding products costs a read of the store.
 *
 * They are read from the product's document, which this layer otherwise keeps as it is: a JSON
 * object, whose members `name`, `category` and `brand` are strings and stand before `tags`, an
 * array of strings (net/api/product_draft.c); it is read as far as that. A document without a name
 * is called by the product's ID.
 *
 * 44 bytes, 4 for each tag, and the text, in a block of the next power of two: mostly 128 bytes.
 *
 * Immutable once made. Lives in a block of the pool that it was made from, and is freed on that
 * pool's thread. */
#ifndef STAMPEDE_PRODUCT_LABEL_H
#define STAMPEDE_PRODUCT_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block_pool.h"
#include "product_terms.h"

struct product_label {
    struct block_pool *pool;
    struct product_label *next; /* of those that are to be freed */
    int64_t updated_wall_ms;
    char currency[4];
    uint16_t name_length;
    uint16_t category_length; /* 0: it has none */
    uint32_t tag_count;
    uint32_t terms[]; /* numbers: category, brand, tags; then text: the name, then the category */
};

enum {
    /* Bytes of each text; what is longer is cut. A category is the longest: 8 names of 100
     * characters, of 4 bytes each. */
    PRODUCT_LABEL_TEXT_MAX = 3328,
    PRODUCT_LABEL_TAGS_MAX = 32, /* what is more is not found by */
    PRODUCT_LABEL_CATEGORY = 0,  /* places in `terms` */
    PRODUCT_LABEL_BRAND,
    PRODUCT_LABEL_TAGS,
};

/* UTF-8, as it was given. */
static inline const char *product_label_name(const struct product_label *label)
{
    return (const char *)&label->terms[PRODUCT_LABEL_TAGS + label->tag_count];
}

static inline const char *product_label_category(const struct product_label *label)
{
    return product_label_name(label) + label->name_length;
}

/* What a label is made of. */
struct product_source {
    const char *id;
    const char *currency; /* of 4 bytes */
    const char *document;
    uint32_t document_length;
    int64_t updated_wall_ms;
};

/* NULL without memory. */
struct product_label *product_label_make(struct block_pool *pool, struct product_terms *terms,
                                         const struct product_source *source);
bool product_label_equal(const struct product_label *a, const struct product_label *b);

/* Frees a label and those behind it. */
void product_labels_free(void *first);

#endif
