/* SPDX-License-Identifier: Apache-2.0 */
#include "api/import_row.h"

#include <string.h>

#include "api/money.h"

/* A shop that says none has this one in Shopify. */
static const char shopify_currency[] = "USD";

/* ---- words ---- */

static bool word_is(struct slice text, const char *word)
{
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.text[i];

        byte = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
        if (byte != word[i])
            return false;
    }
    return word[text.length] == '\0';
}

static bool word_is_one_of(struct slice text, const char *const words[])
{
    for (; *words != NULL; words++) {
        if (word_is(text, *words))
            return true;
    }
    return false;
}

/* Checks a text's length in characters; it is UTF-8. */
static void check_length(struct row *row, enum import_field field, size_t length_max)
{
    size_t characters = 0;

    if (row->values[field].length <= length_max) /* in bytes */
        return;
    text_is_utf8(row->values[field].text, row->values[field].length, &characters);
    if (characters > length_max)
        row_refuse(row, import_field_name(field), "is longer than %zu characters", length_max);
}

/* ---- figures ---- */

/* -1 where the row gives no price. */
static int64_t read_price(struct row *row, struct slice currency)
{
    struct slice minor_text = row->values[IMPORT_PRICE_MINOR];
    struct slice text = row->values[IMPORT_PRICE];
    struct slice unit = row->values[IMPORT_PRICE_UNIT];
    const char *field = minor_text.length > 0 ? "price_minor" : "price";
    enum money_parse result = MONEY_OK;
    int exponent = money_currency_exponent(currency.text, currency.length);
    int64_t minor = -1;

    if (unit.length > 0 && !slice_is(unit, "major") && !slice_is(unit, "minor"))
        row_refuse(row, "price_unit", "must be major or minor");
    if (minor_text.length > 0)
        result = money_parse_minor(minor_text.text, minor_text.length, &minor);
    else if (text.length > 0 && slice_is(unit, "minor"))
        result = money_parse_minor(text.text, text.length, &minor);
    else if (text.length > 0)
        result = money_parse_major(text.text, text.length, exponent, &minor);
    switch (result) {
    case MONEY_OK:
        break;
    case MONEY_MALFORMED:
        row_refuse(row, field, "is not an amount: digits, and one point at most");
        break;
    case MONEY_TOO_MANY_DECIMALS:
        row_refuse(row, field, "has more decimals than the %d of %.*s", exponent,
                   (int)currency.length, currency.text);
        break;
    case MONEY_OUT_OF_RANGE:
        row_refuse(row, field, "is too large");
        break;
    }
    return minor;
}

static uint32_t read_count(struct row *row, enum import_field field, uint64_t min)
{
    struct slice text = row->values[field];
    uint64_t count = 0;

    if (text.length == 0)
        return 0;
    if (!text_to_unsigned(text.text, text.length, SKU_STOCK_MAX, &count) || count < min)
        row_refuse(row, import_field_name(field), "must be a whole number from %d to %d", (int)min,
                   (int)SKU_STOCK_MAX);
    return (uint32_t)count;
}

/* Shopify counts below zero what it has sold and has not. */
static uint32_t read_stock(struct row *row)
{
    struct slice text = row->values[IMPORT_STOCK];
    uint64_t owed;

    if (row->rows->dialect == IMPORT_SHOPIFY && text.length > 1 && text.text[0] == '-' &&
        text_to_unsigned(text.text + 1, text.length - 1, SKU_STOCK_MAX, &owed)) {
        row_warn(row, "stock", "is below zero: 0 is taken");
        return 0;
    }
    return read_count(row, IMPORT_STOCK, 0);
}

/* In grams; Shopify's may have decimals, which are rounded. */
static int64_t read_weight(struct row *row)
{
    struct slice text = row->values[IMPORT_WEIGHT];
    int64_t thousandths = 0;

    if (text.length == 0)
        return -1;
    if (row->rows->dialect == IMPORT_SHOPIFY && memchr(text.text, '.', text.length) != NULL &&
        money_parse_major(text.text, text.length, 3, &thousandths) == MONEY_OK)
        return (thousandths + 500) / 1000;
    uint32_t grams = read_count(row, IMPORT_WEIGHT, 0);
    if (grams > WEIGHT_GRAMS_MAX)
        row_refuse(row, "weight_grams", "must be a whole number from 0 to %d",
                   (int)WEIGHT_GRAMS_MAX);
    return grams;
}

_Static_assert(PRICE_MINOR_MAX / 1000 <= WEIGHT_GRAMS_MAX, "a rounded weight is one");

/* ---- a variant ---- */

static void read_options(struct row *row, bool is_first, struct variant_draft *variant)
{
    struct import_product *product = &row->rows->product;

    for (unsigned i = 0; i < VARIANT_OPTIONS_MAX; i++) {
        enum import_field name_field = (enum import_field)(IMPORT_OPTION1_NAME + 2 * i);
        enum import_field value_field = (enum import_field)(name_field + 1);
        struct slice name = row->values[name_field];
        struct slice value = row->values[value_field];

        /* Later rows may leave the name to the first. */
        if (name.length == 0 && !is_first)
            name = product->option_names[i];
        if (value.length == 0)
            continue;
        /* What Shopify calls a product without variants. */
        if (row->rows->dialect == IMPORT_SHOPIFY && slice_is(value, "Default Title") &&
            (name.length == 0 || slice_is(name, "Title")))
            continue;
        if (name.length == 0)
            row_refuse(row, import_field_name(name_field), "is missing beside its value");
        check_length(row, name_field, PRODUCT_LABEL_MAX);
        check_length(row, value_field, PRODUCT_LABEL_MAX);
        for (uint32_t j = 0; j < variant->option_count; j++) {
            if (slices_equal(variant->options[j].name, name))
                row_refuse(row, import_field_name(name_field), "is given twice");
        }
        variant->options[variant->option_count].name = name;
        variant->options[variant->option_count].value = value;
        variant->option_count++;
    }
}

static bool is_owned_by_another(const struct row *row, struct slice sku, struct slice id)
{
    struct slice owner = row->rows->owner_of(row->rows->user, sku);

    return owner.length > 0 && !slices_equal(owner, id);
}

static bool is_in_product(const struct row *row, struct slice sku)
{
    const struct product_draft *draft = &row->rows->product.draft;

    for (uint32_t i = 0; i < draft->variant_count; i++) {
        if (slices_equal(draft->variants[i].sku, sku))
            return true;
    }
    return false;
}

/* Whether another row of the product has the same options. */
static bool has_options(const struct row *row, const struct variant_draft *variant)
{
    const struct product_draft *draft = &row->rows->product.draft;

    for (uint32_t i = 0; i < draft->variant_count; i++) {
        uint32_t count = draft->variants[i].option_count;
        uint32_t same = 0;

        while (same < count && count == variant->option_count &&
               slices_equal(draft->variants[i].options[same].value, variant->options[same].value))
            same++;
        if (same == count && count == variant->option_count)
            return true;
    }
    return false;
}

/* Of the product's ID and the values of its options; the same whenever it is made. */
static struct slice make_sku(struct row *row, struct slice id, const struct variant_draft *variant,
                             bool is_marked)
{
    struct slice texts[1 + VARIANT_OPTIONS_MAX] = {id};

    for (uint32_t i = 0; i < variant->option_count; i++)
        texts[1 + i] = variant->options[i].value;
    return import_name_make(row->made_sku, texts, 1 + variant->option_count, is_marked, NULL);
}

static void read_sku(struct row *row, struct slice id, bool is_first, struct variant_draft *variant)
{
    bool is_shopify = row->rows->dialect == IMPORT_SHOPIFY;
    struct slice sku = row->values[IMPORT_SKU];
    bool is_made =
        sku.length == 0 && (is_shopify || !import_mapping_gives(&row->rows->mapping, IMPORT_SKU));

    variant->sku = sku;
    if (is_made) {
        row->flags |= VARIANT_SKU_IS_MADE;
        variant->sku = make_sku(row, id, variant, false);
        if (is_owned_by_another(row, variant->sku, id) ||
            (!is_first && is_in_product(row, variant->sku)))
            variant->sku = make_sku(row, id, variant, true);
        if (!is_first && has_options(row, variant))
            row_refuse(row, "sku", "is missing, and the options are those of another row");
    } else if (sku.length == 0) {
        row_refuse(row, "sku", "is missing");
    } else if (!sku_is_valid(sku.text, sku.length)) {
        row_refuse(row, "sku", "must be 1 to 64 of letters, digits and . _ - / :");
    } else if (is_owned_by_another(row, sku, id)) {
        row_refuse(row, "sku", "belongs to another product");
    } else if (!is_first && is_in_product(row, sku)) {
        row_refuse(row, "sku", "is given twice");
    }
}

void row_check_sku_is_new(struct row *row, struct slice id, struct variant_draft *variant)
{
    enum seen seen = seen_look(&row->rows->skus, variant->sku, IMPORT_SKUS_MAX);

    if (seen == SEEN_BEFORE && (row->flags & VARIANT_SKU_IS_MADE) != 0) {
        variant->sku = make_sku(row, id, variant, true);
        seen = seen_look(&row->rows->skus, variant->sku, IMPORT_SKUS_MAX);
    }
    switch (seen) {
    case SEEN_NEW:
        break;
    case SEEN_BEFORE:
        row_refuse(row, "sku", "belongs to another product further up");
        break;
    case SEEN_NO_ROOM:
        row_refuse(row, "sku", "is one too many: a file may hold %d", (int)IMPORT_SKUS_MAX);
        break;
    }
}

/* The currency that the row's price is in: its own, else that of what is stored. */
static struct slice find_currency(struct row *row, struct slice id, bool is_first)
{
    struct import_rows *rows = row->rows;
    struct slice currency = row->values[IMPORT_CURRENCY];

    if (!is_first)
        return rows->product.draft.currency;
    rows->product.currency_is_stored = false;
    if (currency.length > 0)
        return currency;
    currency = rows->currency_of(rows->user, id);
    rows->product.currency_is_stored = currency.length > 0;
    if (currency.length > 0 || rows->dialect != IMPORT_SHOPIFY)
        return currency;
    if (!rows->currency_was_warned)
        row_warn(row, "currency", "is not said: it is %s; say another with map=currency:=EUR",
                 shopify_currency);
    rows->currency_was_warned = true;
    return (struct slice){shopify_currency, sizeof(shopify_currency) - 1};
}

static void check_policy(struct row *row)
{
    static const char *const goes_on[] = {"continue", "true", "yes", NULL};
    static const char *const stops[] = {"", "deny", "false", "no", NULL};
    struct slice policy = row->values[IMPORT_INVENTORY_POLICY];

    if (word_is_one_of(policy, goes_on))
        row_warn(row, "inventory_policy",
                 "is continue: imported as deny, no more is sold than there is");
    else if (!word_is_one_of(policy, stops))
        row_refuse(row, "inventory_policy", "must be deny or continue");
}

void row_read_variant(struct row *row, struct slice id, bool is_first,
                      struct variant_draft *variant_out)
{
    const struct import_mapping *mapping = &row->rows->mapping;
    struct slice currency;

    read_options(row, is_first, variant_out);
    read_sku(row, id, is_first, variant_out);
    currency = find_currency(row, id, is_first);
    if (currency.length == 0)
        row_refuse(row, "currency", "is missing");
    if (money_currency_exponent(currency.text, currency.length) < 0)
        row_refuse(row, "currency", "is not a currency code of ISO 4217");
    if (is_first)
        row->rows->product.draft.currency = currency;
    if (!row->is_refused)
        variant_out->price_minor = read_price(row, currency);
    if (is_first && variant_out->price_minor < 0 &&
        (import_mapping_gives(mapping, IMPORT_PRICE) ||
         import_mapping_gives(mapping, IMPORT_PRICE_MINOR) || !row->rows->product.is_known))
        row_refuse(row, "price", "is missing");
    variant_out->stock = read_stock(row);
    variant_out->weight_grams = read_weight(row);
    if (row->has_cell[IMPORT_PRICE] || row->has_cell[IMPORT_PRICE_MINOR] ||
        row->has_cell[IMPORT_STOCK] || row->has_cell[IMPORT_WEIGHT])
        row->flags |= VARIANT_HAS_FIGURES;
    if (import_mapping_gives(mapping, IMPORT_STOCK))
        row->flags |= VARIANT_HAS_STOCK;
    if (!row->is_refused)
        check_policy(row);
}

void row_keep_variant(struct row *row, struct variant_draft *variant)
{
    struct import_product *product = &row->rows->product;

    variant->sku = row_keep(row, variant->sku);
    for (uint32_t i = 0; i < variant->option_count; i++) {
        variant->options[i].name = row_keep(row, variant->options[i].name);
        variant->options[i].value = row_keep(row, variant->options[i].value);
    }
    if (product->row_count > 0)
        return;
    for (unsigned i = 0; i < VARIANT_OPTIONS_MAX; i++)
        product->option_names[i] = row_keep(row, row->values[IMPORT_OPTION1_NAME + 2 * i]);
}

/* ---- a product ---- */

const char *import_tag_separators(struct slice cell, enum import_dialect dialect)
{
    if (dialect == IMPORT_SHOPIFY)
        return ",";
    return cell.length > 0 && memchr(cell.text, '|', cell.length) != NULL ? "|" : ",;";
}

bool import_next_tag(struct slice *rest, const char *separators, struct slice *tag_out)
{
    while (rest->length > 0) {
        size_t length = 0;
        while (length < rest->length &&
               memchr(separators, rest->text[length], strlen(separators)) == NULL)
            length++;
        size_t taken = length < rest->length ? length + 1 : length;
        *tag_out = slice_trim((struct slice){rest->text, length});
        *rest = (struct slice){rest->text + taken, rest->length - taken};
        if (tag_out->length > 0)
            return true;
    }
    return false;
}

static void read_tags(struct row *row, struct product_draft *draft)
{
    struct slice rest = row->values[IMPORT_TAGS];
    const char *separators = import_tag_separators(rest, row->rows->dialect);
    struct slice tag;

    while (import_next_tag(&rest, separators, &tag)) {
        size_t characters = 0;
        text_is_utf8(tag.text, tag.length, &characters);
        if (characters > PRODUCT_TAG_MAX || draft->tag_count == PRODUCT_TAGS_MAX) {
            row_refuse(row, "tags", "must be at most %d of at most %d characters each",
                       (int)PRODUCT_TAGS_MAX, (int)PRODUCT_TAG_MAX);
            return;
        }
        draft->tags[draft->tag_count++] = tag;
    }
}

/* Of `status` and `published`: what is active but not published is a draft. */
static void read_status(struct row *row, struct product_draft *draft)
{
    static const char *const yes[] = {"", "true", "yes", "1", NULL};
    static const char *const no[] = {"false", "no", "0", NULL};
    struct slice status = row->values[IMPORT_STATUS];
    bool is_published = word_is_one_of(row->values[IMPORT_PUBLISHED], yes);

    if (!is_published && !word_is_one_of(row->values[IMPORT_PUBLISHED], no))
        row_refuse(row, "published", "must be true or false");
    if (status.length == 0 || word_is(status, "active")) {
        draft->status = is_published ? PRODUCT_ACTIVE : PRODUCT_DRAFT;
    } else if (word_is(status, "draft")) {
        draft->status = PRODUCT_DRAFT;
    } else if (word_is(status, "archived")) {
        draft->status = PRODUCT_ARCHIVED;
    } else if (word_is(status, "unlisted") && row->rows->dialect == IMPORT_SHOPIFY) {
        row_warn(row, "status", "is unlisted: imported as a draft");
        draft->status = PRODUCT_DRAFT;
    } else {
        row_refuse(row, "status", "must be active, draft or archived");
    }
}

static void read_category(struct row *row, struct product_draft *draft)
{
    const char *problem = product_category_problem(row->values[IMPORT_CATEGORY]);

    draft->category = row->values[IMPORT_CATEGORY];
    if (problem != NULL)
        row_refuse(row, "category", "%s", problem);
}

static bool slug_is_valid(struct slice slug)
{
    for (size_t i = 0; i < slug.length; i++) {
        char byte = slug.text[i];

        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '-' &&
            byte != '_')
            return false;
    }
    return true;
}

void row_read_product(struct row *row, struct slice id, struct product_draft *draft_out)
{
    bool is_new = !row->rows->product.is_known;
    struct slice currency = draft_out->currency;

    memset(draft_out, 0, offsetof(struct product_draft, variants));
    draft_out->id = id;
    draft_out->currency = currency;
    draft_out->name = row->values[IMPORT_NAME];
    draft_out->description = row->values[IMPORT_DESCRIPTION];
    draft_out->brand = row->values[IMPORT_BRAND];
    draft_out->seo_title = row->values[IMPORT_SEO_TITLE];
    draft_out->seo_description = row->values[IMPORT_SEO_DESCRIPTION];
    draft_out->seo_slug = row->values[IMPORT_SEO_SLUG];
    if (draft_out->name.length == 0 && is_new)
        row_refuse(row, "name", "is missing");
    check_length(row, IMPORT_NAME, PRODUCT_NAME_MAX);
    check_length(row, IMPORT_DESCRIPTION, PRODUCT_DESCRIPTION_MAX);
    check_length(row, IMPORT_BRAND, PRODUCT_LABEL_MAX);
    check_length(row, IMPORT_SEO_TITLE, PRODUCT_SEO_TITLE_MAX);
    check_length(row, IMPORT_SEO_DESCRIPTION, PRODUCT_SEO_DESCRIPTION_MAX);
    check_length(row, IMPORT_SEO_SLUG, PRODUCT_SEO_SLUG_MAX);
    if (!slug_is_valid(draft_out->seo_slug))
        row_refuse(row, "seo_slug", "must be of small letters, digits, - and _");
    read_category(row, draft_out);
    read_status(row, draft_out);
    read_tags(row, draft_out);
    draft_out->limit_per_customer = read_count(row, IMPORT_LIMIT, 1);
}

void row_keep_product(struct row *row, struct product_draft *draft)
{
    struct slice *texts[] = {
        &draft->id,      &draft->name,     &draft->description, &draft->category,
        &draft->brand,   &draft->currency, &draft->seo_title,   &draft->seo_description,
        &draft->seo_slug};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = row_keep(row, *texts[i]);
    for (uint32_t i = 0; i < draft->tag_count; i++)
        draft->tags[i] = row_keep(row, draft->tags[i]);
}

void row_compare_product(struct row *row, const struct product_draft *draft)
{
    static const struct {
        enum import_field field;
        size_t offset;
    } texts[] = {
        {IMPORT_NAME, offsetof(struct product_draft, name)},
        {IMPORT_DESCRIPTION, offsetof(struct product_draft, description)},
        {IMPORT_CATEGORY, offsetof(struct product_draft, category)},
        {IMPORT_BRAND, offsetof(struct product_draft, brand)},
    };
    struct slice currency = row->values[IMPORT_CURRENCY];
    struct slice kept;

    if (currency.length > 0 && !slices_equal(currency, draft->currency))
        row_refuse(row, "currency", "differs from that of the product's first row");
    uint32_t limit = read_count(row, IMPORT_LIMIT, 1);
    if (row->is_refused)
        return;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice value = row->values[texts[i].field];
        memcpy(&kept, (const char *)draft + texts[i].offset, sizeof(kept));
        if (value.length > 0 && !slices_equal(value, kept))
            row_warn(row, import_field_name(texts[i].field),
                     "differs from the product's first row, which counts");
    }
    if (limit != 0 && limit != draft->limit_per_customer)
        row_warn(row, "limit_per_customer", "differs from the product's first row, which counts");
}

/* ---- images ---- */

void row_add_image(struct row *row)
{
    struct import_product *product = &row->rows->product;
    struct product_draft *draft = &product->draft;
    struct slice url = row->values[IMPORT_IMAGE];
    uint32_t last = 0;

    check_length(row, IMPORT_IMAGE, PRODUCT_IMAGE_MAX);
    check_length(row, IMPORT_IMAGE_ALT, PRODUCT_IMAGE_ALT_MAX);
    uint32_t position = read_count(row, IMPORT_IMAGE_POSITION, 1);
    for (uint32_t i = 0; i < draft->image_count; i++) {
        last = product->image_positions[i] > last ? product->image_positions[i] : last;
        if (slices_equal(draft->images[i], url))
            return; /* it has it */
    }
    if (draft->image_count == PRODUCT_IMAGES_MAX)
        row_refuse(row, "image", "is one too many: a product has at most %d",
                   (int)PRODUCT_IMAGES_MAX);
    if (row->is_refused)
        return;
    struct slice alt = row->values[IMPORT_IMAGE_ALT];
    draft->images[draft->image_count] = row_keep(row, url);
    draft->image_alts[draft->image_count] =
        alt.length == 0 ? (struct slice){NULL, 0} : row_keep(row, alt);
    if (row->is_refused)
        return;
    product->image_positions[draft->image_count++] = position == 0 ? last + 1 : position;
}
