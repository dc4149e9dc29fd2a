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
    PRODUCT_IMAGE_ALT_MAX = 500,
    PRODUCT_CATEGORY_NAMES_MAX = 8, /* of a path; each at most PRODUCT_LABEL_MAX */
    PRODUCT_SEO_TITLE_MAX = 300,
    PRODUCT_SEO_DESCRIPTION_MAX = 1000,
    PRODUCT_SEO_SLUG_MAX = 200,
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
    uint8_t status;         /* enum product_status; 0: active */
    struct slice seo_title; /* text NULL: none; likewise */
    struct slice seo_description;
    struct slice seo_slug;
    struct slice tags[PRODUCT_TAGS_MAX];
    struct slice images[PRODUCT_IMAGES_MAX];
    struct slice image_alts[PRODUCT_IMAGES_MAX]; /* text NULL: none */
    struct variant_draft variants[PRODUCT_VARIANTS_MAX];
};

/* The status of that name; PRODUCT_STATUS_COUNT: there is none. */
enum product_status product_status_find(struct slice name);

/* Whether a category's path can be: names joined by " > ". NULL, or what is wrong with it. UTF-8.
 */
const char *product_category_problem(struct slice path);

/* Reads a ProductCreate; notes what is wrong with it. The draft's text points into the object; its
 * id is empty where none was given. product_read.c. */
void product_draft_read(struct validation *validation, const struct json_value *object,
                        struct product_draft *draft_out);

/* The same for one that may be there already (ProductReplace): variants may leave their stock out.
 */
void product_draft_replace(struct validation *validation, const struct json_value *object,
                           struct product_draft *draft_out);

/* A stored document with a JSON merge patch (RFC 7396) over it. Where the patch gives a price or a
 * weight of the product and no variants, those that had the product's own go with it. */
void product_draft_change(struct validation *validation, const struct json_value *stored,
                          const struct json_value *patch, struct product_draft *draft_out);

/* The envelope of a complete draft, to be submitted; put_mode, stock_mode and dry_run stay to be
 * set. NULL: no memory, or, with `too_large_out`, its document exceeds PRODUCT_DOCUMENT_BYTES_MAX.
 */
struct product_envelope *product_draft_pack(const struct product_draft *draft, bool *too_large_out);

/* A stored product as it is shown: its document with `updated_at`. */
void write_product(struct writer *writer, const struct record *record);

/* The same for the product's page: with `description_html`, its description made fit for a page. */
void write_product_page(struct writer *writer, const struct record *record);

#endif
