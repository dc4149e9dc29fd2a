/* SPDX-License-Identifier: Apache-2.0 */
#include "api/import_merge.h"

#include <string.h>

enum { NO_VARIANT = UINT32_MAX };

/* ---- what a cell can say ---- */

static bool cells_equal(struct slice a, struct slice b)
{
    return slices_equal(slice_trim(a), slice_trim(b));
}

static bool is_blank(struct slice text)
{
    return slice_trim(text).length == 0;
}

/* Whether these stored tags, in one cell as exports have it, would be read as these. */
static bool tags_equal(const struct product_draft *stored, const struct product_draft *file,
                       enum import_dialect dialect)
{
    const char *separators = dialect == IMPORT_SHOPIFY ? "," : "|";
    uint32_t count = 0;
    struct slice tag;

    for (uint32_t i = 0; i < stored->tag_count; i++) {
        struct slice rest = stored->tags[i];

        while (import_next_tag(&rest, separators, &tag)) {
            if (count == file->tag_count || !slices_equal(tag, file->tags[count]))
                return false;
            count++;
        }
    }
    return count == file->tag_count;
}

/* Whether rows can tell this image: it has an address, and is none of those before it. */
static bool image_counts(const struct product_draft *draft, uint32_t image)
{
    if (is_blank(draft->images[image]))
        return false;
    for (uint32_t i = 0; i < image; i++) {
        if (cells_equal(draft->images[i], draft->images[image]))
            return false;
    }
    return true;
}

static bool images_equal(const struct product_draft *stored, const struct product_draft *file,
                         bool has_alts)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < stored->image_count; i++) {
        if (!image_counts(stored, i))
            continue;
        if (count == file->image_count || !cells_equal(stored->images[i], file->images[count]) ||
            (has_alts && !cells_equal(stored->image_alts[i], file->image_alts[count])))
            return false;
        count++;
    }
    return count == file->image_count;
}

static bool option_counts(const struct variant_draft *variant, uint32_t option,
                          enum import_dialect dialect)
{
    struct slice value = slice_trim(variant->options[option].value);

    return value.length > 0 && !(dialect == IMPORT_SHOPIFY && slice_is(value, "Default Title") &&
                                 slice_is(slice_trim(variant->options[option].name), "Title"));
}

static bool options_equal(const struct variant_draft *stored, const struct variant_draft *file,
                          enum import_dialect dialect)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < stored->option_count; i++) {
        if (!option_counts(stored, i, dialect))
            continue;
        if (count == file->option_count ||
            !cells_equal(stored->options[i].name, file->options[count].name) ||
            !cells_equal(stored->options[i].value, file->options[count].value))
            return false;
        count++;
    }
    return count == file->option_count;
}

/* ---- what is the product's own ---- */

static bool gives(const struct import_merge *merge, enum import_field field)
{
    return import_mapping_gives(&merge->rows->mapping, field);
}

static bool refuse_all(struct import_merge *merge, const char *field, const char *message)
{
    for (uint32_t i = 0; i < merge->product->row_count; i++)
        merge->refuse(merge->user, i, field, message);
    return false;
}

static void merge_texts(struct import_merge *merge)
{
    static const struct {
        enum import_field field;
        size_t offset;
    } texts[] = {
        {IMPORT_NAME, offsetof(struct product_draft, name)},
        {IMPORT_DESCRIPTION, offsetof(struct product_draft, description)},
        {IMPORT_CATEGORY, offsetof(struct product_draft, category)},
        {IMPORT_BRAND, offsetof(struct product_draft, brand)},
        {IMPORT_SEO_TITLE, offsetof(struct product_draft, seo_title)},
        {IMPORT_SEO_DESCRIPTION, offsetof(struct product_draft, seo_description)},
        {IMPORT_SEO_SLUG, offsetof(struct product_draft, seo_slug)},
    };
    struct slice stored;
    struct slice file;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        memcpy(&stored, (const char *)merge->stored + texts[i].offset, sizeof(stored));
        memcpy(&file, (const char *)&merge->product->draft + texts[i].offset, sizeof(file));
        if (!gives(merge, texts[i].field) || cells_equal(stored, file))
            memcpy((char *)merge->merged + texts[i].offset, &stored, sizeof(stored));
    }
}

static void keep_images(struct product_draft *merged, const struct product_draft *stored)
{
    merged->image_count = stored->image_count;
    memcpy(merged->images, stored->images, sizeof(merged->images));
    memcpy(merged->image_alts, stored->image_alts, sizeof(merged->image_alts));
}

static void merge_images(struct import_merge *merge)
{
    const struct product_draft *stored = merge->stored;
    struct product_draft *merged = merge->merged;
    bool has_alts = gives(merge, IMPORT_IMAGE_ALT);

    if (!gives(merge, IMPORT_IMAGE) || images_equal(stored, &merge->product->draft, has_alts)) {
        keep_images(merged, stored);
        return;
    }
    for (uint32_t i = 0; i < merged->image_count && !has_alts; i++) {
        for (uint32_t j = 0; j < stored->image_count; j++) {
            if (cells_equal(stored->images[j], merged->images[i]))
                merged->image_alts[i] = stored->image_alts[j];
        }
    }
}

static void merge_status(struct import_merge *merge)
{
    bool is_archived = merge->stored->status == PRODUCT_ARCHIVED;

    if (gives(merge, IMPORT_STATUS))
        return;
    /* What is not published may be archived as well. */
    if (!gives(merge, IMPORT_PUBLISHED) ||
        (is_archived && merge->product->draft.status == PRODUCT_DRAFT))
        merge->merged->status = merge->stored->status;
}

static bool merge_product(struct import_merge *merge)
{
    const struct product_draft *stored = merge->stored;
    const struct product_draft *file = &merge->product->draft;
    struct product_draft *merged = merge->merged;

    memcpy(merged, file, offsetof(struct product_draft, variants));
    merged->weight_grams = 0; /* each variant has its own */
    if (stored == NULL)
        return true;
    if (gives(merge, IMPORT_NAME) && is_blank(file->name) && !is_blank(stored->name))
        return refuse_all(merge, "name", "is missing");
    if (merge->product->currency_is_stored && !slices_equal(file->currency, stored->currency))
        return refuse_all(merge, "currency", "was changed at this moment: import it again");
    merge_texts(merge);
    merge_images(merge);
    merge_status(merge);
    if (!gives(merge, IMPORT_TAGS) || tags_equal(stored, file, merge->rows->dialect)) {
        merged->tag_count = stored->tag_count;
        memcpy(merged->tags, stored->tags, sizeof(merged->tags));
    }
    if (!gives(merge, IMPORT_LIMIT))
        merged->limit_per_customer = stored->limit_per_customer;
    return true;
}

/* ---- variants ---- */

struct variants {
    uint32_t stored_of[PRODUCT_VARIANTS_MAX]; /* of the file's, or NO_VARIANT */
    uint32_t file_of[PRODUCT_VARIANTS_MAX];   /* of the stored ones, or NO_VARIANT */
    bool is_silent[PRODUCT_VARIANTS_MAX];     /* of the file's: it says nothing of a variant */
};

static void drop(struct import_merge *merge, uint32_t variant, const char *field,
                 const char *message)
{
    merge->product->flags[variant] |= VARIANT_IS_DROPPED;
    merge->refuse(merge->user, merge->product->variant_rows[variant], field, message);
}

static uint32_t find_sku(const struct product_draft *stored, struct slice sku)
{
    for (uint32_t i = 0; i < stored->variant_count; i++) {
        if (slices_equal(stored->variants[i].sku, sku))
            return i;
    }
    return NO_VARIANT;
}

/* The stored variant that a row without a SKU of its own means. */
static uint32_t find_options(const struct import_merge *merge, const struct variants *variants,
                             uint32_t index)
{
    const struct variant_draft *variant = &merge->product->draft.variants[index];
    const struct product_draft *stored = merge->stored;

    for (uint32_t i = 0; i < stored->variant_count; i++) {
        if (variants->file_of[i] == NO_VARIANT &&
            options_equal(&stored->variants[i], variant, merge->rows->dialect))
            return i;
    }
    if (variant->option_count == 0 && stored->variant_count == 1 &&
        !gives(merge, IMPORT_OPTION1_VALUE))
        return 0;
    return find_sku(stored, variant->sku);
}

/* A variant with a SKU that is new and options that are not would stand there twice, with stock of
 * its own each time. */
static void refuse_doubles(struct import_merge *merge, const struct variants *variants)
{
    const struct import_product *product = merge->product;
    const struct product_draft *stored = merge->stored;

    for (uint32_t i = 0; i < product->draft.variant_count; i++) {
        const struct variant_draft *variant = &product->draft.variants[i];

        if (variants->stored_of[i] != NO_VARIANT || variant->option_count == 0)
            continue;
        for (uint32_t k = 0;
             k < stored->variant_count && (product->flags[i] & VARIANT_IS_DROPPED) == 0; k++) {
            if (variants->file_of[k] == NO_VARIANT &&
                options_equal(&stored->variants[k], variant, merge->rows->dialect))
                drop(merge, i, "sku", "is another than the variant with these options has");
        }
    }
}

/* Which of the file's variants is which of the stored ones. */
static void match(struct import_merge *merge, struct variants *variants)
{
    struct import_product *product = merge->product;
    const struct product_draft *stored = merge->stored;

    memset(variants->file_of, 0xff, sizeof(variants->file_of));
    memset(variants->stored_of, 0xff, sizeof(variants->stored_of));
    memset(variants->is_silent, 0, sizeof(variants->is_silent));
    /* Those that are named first: no other row may be taken for them. */
    for (unsigned is_made = 0; is_made < 2; is_made++) {
        for (uint32_t i = 0; i < product->draft.variant_count; i++) {
            const struct variant_draft *variant = &product->draft.variants[i];
            uint8_t flags = product->flags[i];
            uint32_t found;

            if ((flags & VARIANT_IS_DROPPED) != 0 ||
                ((flags & VARIANT_SKU_IS_MADE) != 0) != (is_made == 1))
                continue;
            found = is_made ? find_options(merge, variants, i) : find_sku(stored, variant->sku);
            if (found != NO_VARIANT && variants->file_of[found] != NO_VARIANT) {
                drop(merge, i, "sku", "is that of another row of the product");
            } else if (found != NO_VARIANT) {
                variants->file_of[found] = i;
                variants->stored_of[i] = found;
            } else if (is_made && variant->option_count == 0 && stored->variant_count > 1) {
                variants->is_silent[i] = (flags & VARIANT_HAS_FIGURES) == 0;
                if (!variants->is_silent[i])
                    drop(merge, i, "sku", "is missing, and the product has several variants");
            }
        }
    }
    refuse_doubles(merge, variants);
}

static int64_t price_of(const struct product_draft *draft, uint32_t variant)
{
    int64_t price_minor = draft->variants[variant].price_minor;

    return price_minor < 0 ? draft->price_minor : price_minor;
}

static int64_t weight_of(const struct product_draft *draft, uint32_t variant)
{
    int64_t weight_grams = draft->variants[variant].weight_grams;

    return weight_grams < 0 ? (int64_t)draft->weight_grams : weight_grams;
}

static bool has_options(const struct import_merge *merge)
{
    return gives(merge, IMPORT_OPTION1_VALUE) || gives(merge, IMPORT_OPTION2_VALUE) ||
           gives(merge, IMPORT_OPTION3_VALUE);
}

/* One of the stored variants as it is. */
static void add_stored(struct import_merge *merge, uint32_t index)
{
    struct product_draft *merged = merge->merged;
    struct variant_draft *target = &merged->variants[merged->variant_count];

    *target = merge->stored->variants[index];
    target->price_minor = price_of(merge->stored, index);
    target->weight_grams = weight_of(merge->stored, index);
    target->stock = 0;
    merge->keeps_stock[merged->variant_count++] = true;
}

/* One of the file's, over `base` of the stored ones (or NO_VARIANT). */
static void add_variant(struct import_merge *merge, uint32_t index, uint32_t base)
{
    const struct product_draft *file = &merge->product->draft;
    const struct product_draft *stored = merge->stored;
    const struct variant_draft *variant = &file->variants[index];
    struct product_draft *merged = merge->merged;
    struct variant_draft *target = &merged->variants[merged->variant_count];
    bool has_price = gives(merge, IMPORT_PRICE) || gives(merge, IMPORT_PRICE_MINOR);

    if (merged->variant_count == PRODUCT_VARIANTS_MAX) {
        drop(merge, index, "product", "has more than 100 variants, with those that it has already");
        return;
    }
    if (base == NO_VARIANT && !has_price) {
        drop(merge, index, "price", "is missing: the variant is new");
        return;
    }
    *target = *variant;
    target->price_minor = has_price ? price_of(file, index) : price_of(stored, base);
    target->weight_grams = weight_of(file, index);
    if (base != NO_VARIANT) {
        const struct variant_draft *old = &stored->variants[base];

        target->sku = old->sku;
        if (!gives(merge, IMPORT_WEIGHT))
            target->weight_grams = weight_of(stored, base);
        if (!has_options(merge) || options_equal(old, variant, merge->rows->dialect)) {
            target->option_count = old->option_count;
            memcpy(target->options, old->options, sizeof(target->options));
        }
    }
    merge->keeps_stock[merged->variant_count++] =
        (merge->product->flags[index] & VARIANT_HAS_STOCK) == 0;
}

static bool is_left(const struct import_merge *merge, const struct variants *variants,
                    uint32_t index)
{
    return (merge->product->flags[index] & VARIANT_IS_DROPPED) == 0 && !variants->is_silent[index];
}

static void add_variants(struct import_merge *merge, const struct variants *variants)
{
    const struct product_draft *file = &merge->product->draft;
    const struct product_draft *stored = merge->stored;
    bool all_are_named = true;

    for (uint32_t i = 0; i < stored->variant_count; i++)
        all_are_named = all_are_named && variants->file_of[i] != NO_VARIANT;
    /* A file that names all of them says their order, too. */
    for (uint32_t i = 0; i < stored->variant_count && !all_are_named; i++) {
        if (variants->file_of[i] == NO_VARIANT)
            add_stored(merge, i);
        else
            add_variant(merge, variants->file_of[i], i);
    }
    for (uint32_t i = 0; i < file->variant_count; i++) {
        if (is_left(merge, variants, i) && (all_are_named || variants->stored_of[i] == NO_VARIANT))
            add_variant(merge, i, variants->stored_of[i]);
    }
}

static void add_new(struct import_merge *merge)
{
    for (uint32_t i = 0; i < merge->product->draft.variant_count; i++) {
        if ((merge->product->flags[i] & VARIANT_IS_DROPPED) == 0)
            add_variant(merge, i, NO_VARIANT);
    }
}

/* A product of the API's form: what it does not say is gone. */
static bool replace(struct import_merge *merge)
{
    const struct product_draft *file = &merge->product->draft;

    memcpy(merge->merged, file,
           offsetof(struct product_draft, variants) +
               file->variant_count * sizeof(file->variants[0]));
    for (uint32_t i = 0; i < file->variant_count; i++)
        merge->keeps_stock[i] = (merge->product->flags[i] & VARIANT_HAS_STOCK) == 0;
    return true;
}

bool import_merge(struct import_merge *merge)
{
    const struct product_draft *stored = merge->stored;
    struct product_draft *merged = merge->merged;
    struct variants variants;

    if (merge->product->replaces)
        return replace(merge);
    if (!merge_product(merge))
        return false;
    merged->variant_count = 0;
    if (stored == NULL) {
        add_new(merge);
        return merged->variant_count > 0;
    }
    match(merge, &variants);
    add_variants(merge, &variants);
    /* The product's price goes with its first variant's, where it was that. */
    merged->price_minor = merged->variant_count > 0 && stored->price_minor == price_of(stored, 0)
                              ? merged->variants[0].price_minor
                              : stored->price_minor;
    return merged->variant_count > 0;
}
