/* SPDX-License-Identifier: Apache-2.0 */
/* A product on its way in, from JSON or from rows of a file, and what becomes of it: an envelope
 * with the document that is stored and shown. Private to net/api. */
#ifndef STAMPEDE_API_PRODUCT_DRAFT_H
#define STAMPEDE_API_PRODUCT_DRAFT_H

#include "api/render.h"
#include "api/validate.h"
#include "engine.h"

/* docs/openapi.yaml, ProductCreate. Lengths are in characters. */
enum {
    PRODUCT_NAME_MAX = 200,
    PRODUCT_DESCRIPTION_MAX = 10000,
    PRODUCT_LABEL_MAX = 100, /* category, brand, names and values of options */
    PRODUCT_TAGS_MAX = 20,
    PRODUCT_TAG_MAX = 50,
    PRODUCT_IMAGES_MAX = 20,
    PRODUCT_IMAGE_MAX = 1000,
    VARIANT_OPTIONS_MAX = 3,
};

/* Text belongs to whoever filled the draft in. */
struct variant_draft {
    struct slice sku;
    int64_t price_minor; /* -1: the product's */
    uint32_t stock;
    int64_t weight_grams; /* of one unit; -1: the product's */
    uint32_t option_count;
    struct {
        struct slice name;
        struct slice value;
    } options[VARIANT_OPTIONS_MAX];
};

struct product_draft {
    struct slice id;
    struct slice name;
    struct slice description;
    struct slice currency;
    struct slice category;
    struct slice brand;
    int64_t price_minor;
    uint32_t weight_grams;       /* of one unit; 0: none, or not known */
    uint32_t limit_per_customer; /* 0: none */
    uint32_t tag_count;
    uint32_t image_count;
    uint32_t variant_count;
    struct slice tags[PRODUCT_TAGS_MAX];
    struct slice images[PRODUCT_IMAGES_MAX];
    struct variant_draft variants[PRODUCT_VARIANTS_MAX];
};

/* Reads a ProductCreate; notes what is wrong with it. The draft's text points into the object; its
 * id is empty where none was given. product_read.c. */
void product_draft_read(struct validation *validation, const struct json_value *object,
                        struct product_draft *draft_out);

/* The envelope of a complete draft, to be submitted; put_mode, stock_mode and dry_run stay to be
 * set. NULL: no memory, or, with `too_large_out`, its document exceeds PRODUCT_DOCUMENT_BYTES_MAX.
 */
struct product_envelope *product_draft_pack(const struct product_draft *draft, bool *too_large_out);

/* A stored product as it is shown: its document with `updated_at`. */
void write_product(struct writer *writer, const struct record *record);

#endif
