/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of CSV (RFC 4180). A product has as many as it has variants or images, whichever are more;
 * its own fields stand in the first. */
#include "api/catalogue_rows.h"

#include "api/catalogue_lines.h"
#include "api/import_text.h"
#include "api/money.h"

/* ---- cells ---- */

static void write_separator(struct writer *writer, bool *is_first)
{
    if (!*is_first)
        write_byte(writer, ',');
    *is_first = false;
}

/* Quoted where it has to be; guarded where a spreadsheet would take it for a formula. */
static void write_text_cell(struct writer *writer, bool *is_first, struct slice text)
{
    bool is_guarded = import_cell_needs_guard(text);
    bool is_quoted = false;

    write_separator(writer, is_first);
    for (size_t i = 0; i < text.length && !is_quoted; i++)
        is_quoted = text.text[i] == ',' || text.text[i] == '"' || text.text[i] == '\r' ||
                    text.text[i] == '\n';
    is_quoted = is_quoted ||
                (text.length > 0 && (text.text[0] == ' ' || text.text[text.length - 1] == ' '));
    if (is_quoted)
        write_byte(writer, '"');
    if (is_guarded)
        write_byte(writer, '\'');
    for (size_t at = 0; at < text.length && is_quoted;) {
        const char *quote = memchr(text.text + at, '"', text.length - at);
        size_t part = quote == NULL ? text.length - at : (size_t)(quote - text.text) - at + 1;

        write_bytes(writer, text.text + at, part);
        if (quote != NULL)
            write_byte(writer, '"');
        at += part;
    }
    if (is_quoted)
        write_byte(writer, '"');
    else
        write_bytes(writer, text.text, text.length);
}

static void write_word(struct writer *writer, bool *is_first, const char *word)
{
    write_separator(writer, is_first);
    write_text(writer, word);
}

static void write_number(struct writer *writer, bool *is_first, uint64_t number)
{
    write_separator(writer, is_first);
    write_unsigned(writer, number);
}

void write_major(struct writer *writer, int64_t minor, const char *currency)
{
    int exponent = money_currency_exponent(currency, strlen(currency));
    int64_t unit = 1;

    for (int i = 0; i < exponent; i++)
        unit *= 10;
    write_signed(writer, minor / unit);
    if (exponent <= 0)
        return;
    write_byte(writer, '.');
    for (int64_t rest = minor % unit; unit > 1; rest %= unit) {
        unit /= 10;
        write_byte(writer, (char)('0' + rest / unit));
    }
}

static void write_price(struct writer *writer, bool *is_first, const struct catalogue_row *row,
                        uint32_t variant)
{
    int64_t price_minor = row->draft->variants[variant].price_minor;

    write_separator(writer, is_first);
    write_major(writer, price_minor < 0 ? row->draft->price_minor : price_minor,
                row->record->product.currency);
}

static void write_tags(struct writer *writer, bool *is_first, const struct product_draft *draft,
                       const char *joint)
{
    char text[PRODUCT_TAGS_MAX * (PRODUCT_TAG_MAX * 4 + 2) + 1];
    bool is_apart = draft->tag_count != 1 || joint[0] != '|';
    size_t used = 0;

    for (uint32_t i = 0; i < draft->tag_count; i++) {
        if (i > 0) {
            memcpy(text + used, joint, strlen(joint));
            used += strlen(joint);
        }
        memcpy(text + used, draft->tags[i].text, draft->tags[i].length);
        used += draft->tags[i].length;
    }
    /* A tag alone in which another separator stands: with a '|', that does not count. */
    for (size_t i = 0; i < used && !is_apart; i++)
        is_apart = text[i] == '|';
    if (!is_apart && (memchr(text, ',', used) != NULL || memchr(text, ';', used) != NULL))
        text[used++] = '|';
    write_text_cell(writer, is_first, (struct slice){text, used});
}

/* ---- what rows can tell of a product ---- */

/* Images with an address, each once. */
static uint32_t list_images(const struct product_draft *draft, uint32_t images_out[])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < draft->image_count; i++) {
        struct slice url = slice_trim(draft->images[i]);
        bool is_new = url.length > 0;

        for (uint32_t j = 0; j < count; j++)
            is_new = is_new && !slices_equal(url, slice_trim(draft->images[images_out[j]]));
        if (is_new)
            images_out[count++] = i;
    }
    return count;
}

/* The options of a variant that have a value; a place that has none is VARIANT_OPTIONS_MAX. */
static void list_options(const struct variant_draft *variant, uint32_t options_out[])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < variant->option_count; i++) {
        if (slice_trim(variant->options[i].value).length > 0)
            options_out[count++] = i;
    }
    while (count < VARIANT_OPTIONS_MAX)
        options_out[count++] = VARIANT_OPTIONS_MAX;
}

static void write_blanks(struct writer *writer, bool *is_first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        write_separator(writer, is_first);
}

static void write_options(struct writer *writer, bool *is_first, const struct product_draft *draft,
                          uint32_t index, bool is_shopify)
{
    const struct variant_draft *variant = &draft->variants[index];
    uint32_t options[VARIANT_OPTIONS_MAX];

    list_options(variant, options);
    if (is_shopify && draft->variant_count == 1 && options[0] == VARIANT_OPTIONS_MAX) {
        write_word(writer, is_first, "Title");
        write_word(writer, is_first, "Default Title");
        write_blanks(writer, is_first, 2 * (VARIANT_OPTIONS_MAX - 1));
        return;
    }
    for (unsigned i = 0; i < VARIANT_OPTIONS_MAX; i++) {
        if (options[i] == VARIANT_OPTIONS_MAX) {
            write_blanks(writer, is_first, 2);
            continue;
        }
        write_text_cell(writer, is_first, variant->options[options[i]].name);
        write_text_cell(writer, is_first, variant->options[options[i]].value);
    }
}

static void write_limit(struct writer *writer, bool *is_first, const struct product_draft *draft)
{
    if (draft->limit_per_customer == 0)
        write_separator(writer, is_first);
    else
        write_number(writer, is_first, draft->limit_per_customer);
}

static uint64_t weight_of(const struct product_draft *draft, uint32_t variant)
{
    int64_t weight_grams = draft->variants[variant].weight_grams;

    return weight_grams < 0 ? draft->weight_grams : (uint64_t)weight_grams;
}

static void write_image(struct writer *writer, bool *is_first, const struct product_draft *draft,
                        uint32_t image)
{
    write_text_cell(writer, is_first, draft->images[image]);
    write_text_cell(writer, is_first, draft->image_alts[image]);
}

/* ---- generic ---- */

static const char csv_head[] =
    "product,sku,name,description,category,brand,tags,status,price,currency,stock,"
    "limit_per_customer,weight_grams,option1_name,option1_value,option2_name,option2_value,"
    "option3_name,option3_value,image,image_alt,seo_title,seo_description,seo_slug\r\n";

static void write_csv_row(struct writer *writer, const struct catalogue_row *row, uint32_t index,
                          const uint32_t *images, uint32_t image_count)
{
    const struct product_draft *draft = row->draft;
    bool has_variant = index < draft->variant_count;
    bool is_first = true;

    write_text_cell(writer, &is_first, draft->id);
    if (has_variant)
        write_text_cell(writer, &is_first, draft->variants[index].sku);
    else
        write_separator(writer, &is_first);
    if (index == 0) {
        write_text_cell(writer, &is_first, draft->name);
        write_text_cell(writer, &is_first, draft->description);
        write_text_cell(writer, &is_first, draft->category);
        write_text_cell(writer, &is_first, draft->brand);
        write_tags(writer, &is_first, draft, "|");
        write_word(writer, &is_first, product_status_name((enum product_status)draft->status));
    } else {
        write_blanks(writer, &is_first, 6);
    }
    if (has_variant) {
        write_price(writer, &is_first, row, index);
        write_word(writer, &is_first, row->record->product.currency);
        write_number(writer, &is_first, row->available[index]);
    } else {
        write_blanks(writer, &is_first, 3);
    }
    if (index == 0)
        write_limit(writer, &is_first, draft);
    else
        write_separator(writer, &is_first);
    if (has_variant) {
        write_number(writer, &is_first, weight_of(draft, index));
        write_options(writer, &is_first, draft, index, false);
    } else {
        write_blanks(writer, &is_first, 1 + 2 * VARIANT_OPTIONS_MAX);
    }
    if (index < image_count)
        write_image(writer, &is_first, draft, images[index]);
    else
        write_blanks(writer, &is_first, 2);
    if (index == 0) {
        write_text_cell(writer, &is_first, draft->seo_title);
        write_text_cell(writer, &is_first, draft->seo_description);
        write_text_cell(writer, &is_first, draft->seo_slug);
    } else {
        write_blanks(writer, &is_first, 3);
    }
    write_literal(writer, "\r\n");
}

/* ---- Shopify ---- */

static const char shopify_head[] =
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,"
    "Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,Variant SKU,"
    "Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,"
    "Variant Fulfillment Service,Variant Price,Variant Requires Shipping,Variant Taxable,"
    "Image Src,Image Position,Image Alt Text,Gift Card,SEO Title,SEO Description,"
    "Variant Weight Unit,Status,SEO slug (product.metafields.stampede.seo_slug),"
    "Currency (product.metafields.stampede.currency),"
    "Limit per customer (product.metafields.stampede.limit_per_customer)\r\n";

/* The last name of the path is the type. */
static struct slice category_type(struct slice path)
{
    for (size_t at = path.length; at >= 3; at--) {
        if (memcmp(path.text + at - 3, " > ", 3) == 0)
            return (struct slice){path.text + at, path.length - at};
    }
    return path;
}

static void write_shopify_product(struct writer *writer, bool *is_first,
                                  const struct product_draft *draft)
{
    write_text_cell(writer, is_first, draft->name);
    write_text_cell(writer, is_first, draft->description);
    write_text_cell(writer, is_first, draft->brand);
    write_text_cell(writer, is_first, draft->category);
    write_text_cell(writer, is_first, category_type(draft->category));
    write_tags(writer, is_first, draft, ", ");
    write_word(writer, is_first, draft->status == PRODUCT_ACTIVE ? "true" : "false");
}

static void write_shopify_variant(struct writer *writer, bool *is_first,
                                  const struct catalogue_row *row, uint32_t index)
{
    const struct product_draft *draft = row->draft;

    write_options(writer, is_first, draft, index, true);
    write_text_cell(writer, is_first, draft->variants[index].sku);
    write_number(writer, is_first, weight_of(draft, index));
    write_word(writer, is_first, "shopify");
    write_number(writer, is_first, row->available[index]);
    write_word(writer, is_first, "deny");
    write_word(writer, is_first, "manual");
    write_price(writer, is_first, row, index);
    write_word(writer, is_first, "true");
    write_word(writer, is_first, "true");
}

static void write_shopify_row(struct writer *writer, const struct catalogue_row *row,
                              uint32_t index, const uint32_t *images, uint32_t image_count)
{
    const struct product_draft *draft = row->draft;
    bool has_variant = index < draft->variant_count;
    bool is_first = true;

    write_text_cell(writer, &is_first, draft->id);
    if (index == 0)
        write_shopify_product(writer, &is_first, draft);
    else
        write_blanks(writer, &is_first, 7);
    if (has_variant)
        write_shopify_variant(writer, &is_first, row, index);
    else
        write_blanks(writer, &is_first, 15);
    if (index < image_count) {
        write_text_cell(writer, &is_first, draft->images[images[index]]);
        write_number(writer, &is_first, index + 1);
        write_text_cell(writer, &is_first, draft->image_alts[images[index]]);
    } else {
        write_blanks(writer, &is_first, 3);
    }
    if (index == 0) {
        write_word(writer, &is_first, "false");
        write_text_cell(writer, &is_first, draft->seo_title);
        write_text_cell(writer, &is_first, draft->seo_description);
    } else {
        write_blanks(writer, &is_first, 3);
    }
    write_word(writer, &is_first, has_variant ? "g" : "");
    if (index == 0) {
        write_word(writer, &is_first, product_status_name((enum product_status)draft->status));
        write_text_cell(writer, &is_first, draft->seo_slug);
        write_word(writer, &is_first, row->record->product.currency);
        write_limit(writer, &is_first, draft);
    } else {
        write_blanks(writer, &is_first, 4);
    }
    write_literal(writer, "\r\n");
}

/* ---- all ---- */

void catalogue_write_head(struct writer *writer, enum catalogue_format format)
{
    if (format == CATALOGUE_CSV)
        write_bytes(writer, csv_head, sizeof(csv_head) - 1);
    else if (format == CATALOGUE_SHOPIFY_CSV)
        write_bytes(writer, shopify_head, sizeof(shopify_head) - 1);
}

void catalogue_write_product(struct writer *writer, enum catalogue_format format,
                             const struct catalogue_row *row)
{
    uint32_t images[PRODUCT_IMAGES_MAX];
    uint32_t image_count;
    uint32_t count = row->draft->variant_count;

    if (format == CATALOGUE_NDJSON || format == CATALOGUE_BULK) {
        if (format == CATALOGUE_NDJSON)
            catalogue_write_line(writer, row);
        else
            catalogue_write_bulk(writer, row);
        return;
    }
    image_count = list_images(row->draft, images);
    for (uint32_t i = 0; i < count || i < image_count; i++) {
        if (format == CATALOGUE_CSV)
            write_csv_row(writer, row, i, images, image_count);
        else
            write_shopify_row(writer, row, i, images, image_count);
    }
}
