/* SPDX-License-Identifier: Apache-2.0 */
/* The stored document is the product's JSON without `updated_at`: equal products have equal bytes,
 * so that an import that changes nothing can be told from one that does. */
#include "api/product_draft.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/html.h"

static void write_slice(struct writer *writer, struct slice text)
{
    write_json_string(writer, text.text == NULL ? "" : text.text, text.length);
}

static void write_slices(struct writer *writer, const struct slice *slices, uint32_t count)
{
    write_byte(writer, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_slice(writer, slices[i]);
    }
    write_byte(writer, ']');
}

/* As it came: a string, or an object where there is a text beside it. */
static void write_images(struct writer *writer, const struct product_draft *draft)
{
    write_byte(writer, '[');
    for (uint32_t i = 0; i < draft->image_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        if (draft->image_alts[i].length == 0) {
            write_slice(writer, draft->images[i]);
            continue;
        }
        write_literal(writer, "{\"url\":");
        write_slice(writer, draft->images[i]);
        write_literal(writer, ",\"alt\":");
        write_slice(writer, draft->image_alts[i]);
        write_byte(writer, '}');
    }
    write_byte(writer, ']');
}

/* Of what search engines are told, what there is. */
static void write_seo(struct writer *writer, const struct product_draft *draft)
{
    const struct {
        const char *name;
        struct slice text;
    } members[] = {{"\"title\":", draft->seo_title},
                   {"\"description\":", draft->seo_description},
                   {"\"slug\":", draft->seo_slug}};
    bool is_first = true;

    write_literal(writer, ",\"seo\":{");
    for (unsigned i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (members[i].text.length == 0)
            continue;
        if (!is_first)
            write_byte(writer, ',');
        write_text(writer, members[i].name);
        write_slice(writer, members[i].text);
        is_first = false;
    }
    write_byte(writer, '}');
}

static int64_t variant_price(const struct product_draft *draft, uint32_t index)
{
    int64_t price_minor = draft->variants[index].price_minor;

    return price_minor < 0 ? draft->price_minor : price_minor;
}

static uint32_t variant_weight(const struct product_draft *draft, uint32_t index)
{
    int64_t weight_grams = draft->variants[index].weight_grams;

    return weight_grams < 0 ? draft->weight_grams : (uint32_t)weight_grams;
}

static void write_variant(struct writer *writer, const struct product_draft *draft, uint32_t index)
{
    const struct variant_draft *variant = &draft->variants[index];

    write_literal(writer, "{\"sku\":");
    write_slice(writer, variant->sku);
    write_literal(writer, ",\"options\":{");
    for (uint32_t i = 0; i < variant->option_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_slice(writer, variant->options[i].name);
        write_byte(writer, ':');
        write_slice(writer, variant->options[i].value);
    }
    write_literal(writer, "},\"price_minor\":");
    write_signed(writer, variant_price(draft, index));
    if (variant_weight(draft, index) != 0) {
        write_literal(writer, ",\"weight_grams\":");
        write_unsigned(writer, variant_weight(draft, index));
    }
    write_byte(writer, '}');
}

static void write_document(struct writer *writer, const struct product_draft *draft)
{
    write_literal(writer, "{\"id\":");
    write_slice(writer, draft->id);
    write_literal(writer, ",\"name\":");
    write_slice(writer, draft->name);
    write_literal(writer, ",\"description\":");
    write_slice(writer, draft->description);
    write_literal(writer, ",\"price_minor\":");
    write_signed(writer, draft->price_minor);
    write_literal(writer, ",\"currency\":");
    write_slice(writer, draft->currency);
    write_literal(writer, ",\"category\":");
    write_slice(writer, draft->category);
    write_literal(writer, ",\"brand\":");
    write_slice(writer, draft->brand);
    write_literal(writer, ",\"status\":\"");
    write_text(writer, product_status_name((enum product_status)draft->status));
    write_literal(writer, "\",\"tags\":");
    write_slices(writer, draft->tags, draft->tag_count);
    write_literal(writer, ",\"images\":");
    write_images(writer, draft);
    write_seo(writer, draft);
    write_literal(writer, ",\"limit_per_customer\":");
    if (draft->limit_per_customer == 0)
        write_literal(writer, "null");
    else
        write_unsigned(writer, draft->limit_per_customer);
    write_literal(writer, ",\"variants\":[");
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_variant(writer, draft, i);
    }
    write_literal(writer, "]}");
}

static void copy_slice(char *target, size_t capacity, struct slice text)
{
    assert(text.length < capacity);
    memcpy(target, text.text, text.length);
    memset(target + text.length, 0, capacity - text.length);
}

struct product_envelope *product_draft_pack(const struct product_draft *draft, bool *too_large_out)
{
    struct writer writer = writer_growing();
    struct product_envelope *envelope = NULL;

    assert(draft->variant_count >= 1 && draft->variant_count <= PRODUCT_VARIANTS_MAX);
    write_document(&writer, draft);
    size_t length = writer_length(&writer);
    *too_large_out = !writer.failed && length > PRODUCT_DOCUMENT_BYTES_MAX;
    if (!writer.failed && !*too_large_out)
        envelope = product_envelope_create((uint32_t)length);
    if (envelope != NULL) {
        copy_slice(envelope->id, sizeof(envelope->id), draft->id);
        copy_slice(envelope->currency, sizeof(envelope->currency), draft->currency);
        envelope->limit_per_customer = draft->limit_per_customer;
        envelope->status = draft->status;
        envelope->variant_count = draft->variant_count;
        envelope->document_length = (uint32_t)length;
        memcpy(envelope->document, writer.start, length);
        for (uint32_t i = 0; i < draft->variant_count; i++) {
            struct variant *variant = &envelope->variants[i];
            copy_slice(variant->sku, sizeof(variant->sku), draft->variants[i].sku);
            variant->price_minor = variant_price(draft, i);
            variant->stock = draft->variants[i].stock;
            variant->weight_grams = variant_weight(draft, i);
        }
    }
    writer_free(&writer);
    return envelope;
}

/* The stored document, but for its brace. */
static void write_members(struct writer *writer, const struct record *record)
{
    uint32_t length = record->product.document_length;

    assert(length >= 2 && record_document(record)[length - 1] == '}');
    write_bytes(writer, record_document(record), length - 1);
}

static void end_product(struct writer *writer, const struct record *record)
{
    write_literal(writer, ",\"updated_at\":");
    write_json_time(writer, record->product.updated_wall_ms);
    write_byte(writer, '}');
}

void write_product(struct writer *writer, const struct record *record)
{
    write_members(writer, record);
    end_product(writer, record);
}

static void write_description(struct writer *writer, const struct record *record)
{
    uint32_t length = record->product.document_length;
    struct json_memory memory = {.size = json_memory_needed(length)};
    const struct json_value *description = NULL;
    struct writer html = writer_growing();
    const char *message;
    size_t position;

    memory.bytes = malloc(memory.size);
    if (memory.bytes == NULL) {
        writer->failed = true;
        return;
    }
    description = json_member(
        json_read(memory, record_document(record), length, &message, &position), "description");
    if (description != NULL && json_type(description) == JSON_STRING)
        write_safe_html(&html, json_string(description).text, json_string(description).length);
    write_literal(writer, ",\"description_html\":");
    write_json_string(writer, html.start == NULL ? "" : html.start, writer_length(&html));
    writer->failed = writer->failed || html.failed;
    writer_free(&html);
    free(memory.bytes);
}

void write_product_page(struct writer *writer, const struct record *record)
{
    write_members(writer, record);
    write_description(writer, record);
    end_product(writer, record);
}
