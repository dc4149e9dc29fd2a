/* SPDX-License-Identifier: Apache-2.0 */
#include "api/catalogue_lines.h"

#include <assert.h>

/* ---- NDJSON ---- */

void catalogue_write_line(struct writer *writer, const struct catalogue_row *row)
{
    static const char begin[] = "{\"sku\":\"";
    const char *at = record_document(row->record);
    const char *end = at + row->record->product.document_length;

    for (uint32_t i = 0; i < row->draft->variant_count; i++) {
        const char *variant = memmem(at, (size_t)(end - at), begin, sizeof(begin) - 1);
        const char *sku_end;

        /* A quotation mark within a text is escaped: these bytes begin a variant, or, behind a
         * colon, the options of one whose first is called so. */
        while (variant != NULL && variant[-1] == ':')
            variant = memmem(variant + 1, (size_t)(end - variant - 1), begin, sizeof(begin) - 1);
        assert(variant != NULL);
        variant += sizeof(begin) - 1;
        sku_end = memchr(variant, '"', (size_t)(end - variant));
        assert(sku_end != NULL);
        write_bytes(writer, at, (size_t)(sku_end + 1 - at));
        write_literal(writer, ",\"stock\":");
        write_unsigned(writer, row->available[i]);
        at = sku_end + 1;
    }
    write_bytes(writer, at, (size_t)(end - at));
    write_byte(writer, '\n');
}

/* ---- _bulk ---- */

static void write_slice(struct writer *writer, struct slice text)
{
    write_json_string(writer, text.text == NULL ? "" : text.text, text.length);
}

static void write_action(struct writer *writer, const struct catalogue_row *row, const char *action)
{
    write_literal(writer, "{\"");
    write_text(writer, action);
    write_literal(writer, "\":{\"_index\":");
    write_slice(writer, row->index);
    write_literal(writer, ",\"_id\":");
    write_slice(writer, row->draft->id);
    write_literal(writer, "}}\n");
}

/* Each beginning of the path: "Home", "Home > Kitchen", … */
static void write_path(struct writer *writer, struct slice path)
{
    bool is_first = true;

    write_byte(writer, '[');
    for (size_t at = 0; path.length > 0 && at < path.length;) {
        const char *next = memmem(path.text + at, path.length - at, " > ", 3);
        size_t length = next == NULL ? path.length : (size_t)(next - path.text);

        if (!is_first)
            write_byte(writer, ',');
        write_slice(writer, (struct slice){path.text, length});
        is_first = false;
        at = length + 3;
    }
    write_byte(writer, ']');
}

static void write_list(struct writer *writer, const char *name, const struct slice *texts,
                       uint32_t count)
{
    write_literal(writer, ",\"");
    write_text(writer, name);
    write_literal(writer, "\":[");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_slice(writer, texts[i]);
    }
    write_byte(writer, ']');
}

static int64_t price_of(const struct catalogue_row *row, uint32_t variant)
{
    int64_t price_minor = row->draft->variants[variant].price_minor;

    return price_minor < 0 ? row->draft->price_minor : price_minor;
}

static void write_variant(struct writer *writer, const struct catalogue_row *row, uint32_t index)
{
    const struct variant_draft *variant = &row->draft->variants[index];

    write_literal(writer, "{\"sku\":");
    write_slice(writer, variant->sku);
    write_literal(writer, ",\"options\":[");
    for (uint32_t i = 0; i < variant->option_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_literal(writer, "{\"name\":");
        write_slice(writer, variant->options[i].name);
        write_literal(writer, ",\"value\":");
        write_slice(writer, variant->options[i].value);
        write_byte(writer, '}');
    }
    write_literal(writer, "],\"price_minor\":");
    write_signed(writer, price_of(row, index));
    write_literal(writer, ",\"price\":");
    write_major(writer, price_of(row, index), row->record->product.currency);
    write_literal(writer, ",\"available\":");
    write_unsigned(writer, row->available[index]);
    write_literal(writer, ",\"in_stock\":");
    write_boolean(writer, row->available[index] > 0);
    write_byte(writer, '}');
}

static void write_prices(struct writer *writer, const struct catalogue_row *row)
{
    const char *currency = row->record->product.currency;
    int64_t least = price_of(row, 0);
    int64_t most = least;

    for (uint32_t i = 1; i < row->draft->variant_count; i++) {
        least = price_of(row, i) < least ? price_of(row, i) : least;
        most = price_of(row, i) > most ? price_of(row, i) : most;
    }
    write_literal(writer, ",\"currency\":\"");
    write_text(writer, currency);
    write_literal(writer, "\",\"price_minor\":");
    write_signed(writer, row->draft->price_minor);
    write_literal(writer, ",\"price\":");
    write_major(writer, row->draft->price_minor, currency);
    write_literal(writer, ",\"price_min\":");
    write_major(writer, least, currency);
    write_literal(writer, ",\"price_max\":");
    write_major(writer, most, currency);
}

static void write_stock(struct writer *writer, const struct catalogue_row *row)
{
    uint64_t available = 0;

    for (uint32_t i = 0; i < row->draft->variant_count; i++)
        available += row->available[i];
    write_literal(writer, ",\"available\":");
    write_unsigned(writer, available);
    write_literal(writer, ",\"in_stock\":");
    write_boolean(writer, available > 0);
}

void catalogue_write_bulk(struct writer *writer, const struct catalogue_row *row)
{
    const struct product_draft *draft = row->draft;

    if (draft->status != PRODUCT_ACTIVE) {
        write_action(writer, row, "delete");
        return;
    }
    write_action(writer, row, "index");
    write_literal(writer, "{\"id\":");
    write_slice(writer, draft->id);
    write_literal(writer, ",\"name\":");
    write_slice(writer, draft->name);
    write_literal(writer, ",\"description\":");
    write_slice(writer, draft->description);
    write_literal(writer, ",\"brand\":");
    write_slice(writer, draft->brand);
    write_literal(writer, ",\"category\":");
    write_slice(writer, draft->category);
    write_literal(writer, ",\"category_path\":");
    write_path(writer, draft->category);
    write_list(writer, "tags", draft->tags, draft->tag_count);
    write_list(writer, "images", draft->images, draft->image_count);
    write_prices(writer, row);
    write_stock(writer, row);
    write_literal(writer, ",\"updated_at\":");
    write_json_time(writer, row->record->product.updated_wall_ms);
    write_literal(writer, ",\"variants\":[");
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_variant(writer, row, i);
    }
    write_literal(writer, "]}\n");
}
