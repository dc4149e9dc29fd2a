/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cart_view.h"

#include <string.h>

#include "api/problems.h"

enum {
    FIXED_BYTES_MAX = 512 + COUPON_CODE_MAX * 6,
    LINE_BYTES_MAX = SKU_LENGTH_MAX + 250,
    ESCAPED_BYTES_MAX = 6, /* of one byte in a JSON string */
};

static struct slice name_of(const struct cart_price_line *line)
{
    if (line->label == NULL)
        return (struct slice){line->sku->product->id, strlen(line->sku->product->id)};
    return (struct slice){product_label_name(line->label), line->label->name_length};
}

/* A bound for write_cart. */
static size_t bytes_max(const struct cart_content *content, const struct cart_price *price)
{
    size_t bytes = FIXED_BYTES_MAX;

    for (uint32_t i = 0; i < content->line_count; i++)
        bytes += LINE_BYTES_MAX + ESCAPED_BYTES_MAX * name_of(&price->lines[i]).length;
    return bytes;
}

static void write_line(struct writer *writer, const struct cart_line *line,
                       const struct cart_price_line *shown)
{
    struct slice name = name_of(shown);
    int64_t added_at_minor = cart_line_price(line);

    write_literal(writer, "{\"sku\":\"");
    write_bytes(writer, shown->sku->sku, shown->sku->sku_length);
    write_literal(writer, "\",\"name\":");
    write_json_string(writer, name.text, name.length);
    write_literal(writer, ",\"quantity\":");
    write_unsigned(writer, line->quantity);
    write_literal(writer, ",\"unit_price_minor\":");
    write_signed(writer, shown->price_minor);
    write_literal(writer, ",\"line_total_minor\":");
    write_signed(writer, shown->total_minor);
    if (added_at_minor != shown->price_minor) {
        write_literal(writer, ",\"price_changed_from_minor\":");
        write_signed(writer, added_at_minor);
    }
    write_literal(writer, ",\"available\":");
    write_boolean(writer, shown->is_available);
    if (shown->reason != NULL) {
        write_literal(writer, ",\"unavailable_reason\":\"");
        write_text(writer, shown->reason);
        write_byte(writer, '"');
    }
    write_byte(writer, '}');
}

static void write_totals(struct writer *writer, const struct pricing_totals *totals,
                         const char currency[4])
{
    write_literal(writer, "],\"totals\":{\"subtotal_minor\":");
    write_signed(writer, totals->subtotal_minor);
    write_literal(writer, ",\"discount_minor\":");
    write_signed(writer, totals->discount_minor);
    write_literal(writer, ",\"shipping_minor\":");
    write_signed(writer, totals->shipping_minor);
    write_literal(writer, ",\"tax_minor\":");
    write_signed(writer, totals->tax_minor);
    if (totals->tax_included_minor != 0) {
        write_literal(writer, ",\"tax_included_minor\":");
        write_signed(writer, totals->tax_included_minor);
    }
    write_literal(writer, ",\"total_minor\":");
    write_signed(writer, totals->total_minor);
    write_literal(writer, ",\"currency\":");
    if (currency[0] == '\0')
        write_literal(writer, "null");
    else
        write_json_string(writer, currency, strnlen(currency, 4));
    write_byte(writer, '}');
}

/* Why the coupon takes nothing off; NULL: it does, or will. */
static const char *coupon_problem(const struct cart_terms *terms, const struct cart_price *price)
{
    static const char *const texts[COUPON_VERDICT_COUNT] = {
#define X(name, text) [COUPON_VERDICT_##name] = text,
        COUPON_VERDICTS(X)
#undef X
    };

    if (terms->coupon == NULL)
        return terms->coupon_outcome == OUTCOME_COUPON_EXHAUSTED
                   ? "coupon_exhausted: all its uses are taken"
                   : "coupon_invalid: there is no such coupon, or it is not valid now";
    if (price->coupon_verdict == COUPON_VERDICT_APPLIED ||
        price->coupon_verdict == COUPON_VERDICT_SHIPPING_PENDING)
        return NULL;
    return texts[price->coupon_verdict];
}

static void write_coupon(struct writer *writer, const struct cart_content *content,
                         const struct cart_terms *terms, const struct cart_price *price)
{
    const char *problem;

    write_literal(writer, ",\"coupon\":");
    if (content->coupon_length == 0) {
        write_literal(writer, "null");
        return;
    }
    write_json_string(writer, content->coupon, content->coupon_length);
    problem = coupon_problem(terms, price);
    if (problem == NULL)
        return;
    write_literal(writer, ",\"coupon_problem\":");
    write_json_string(writer, problem, strlen(problem));
}

/* Where a destination was given: what `shipping_minor` is the price of. */
static void write_shipping_method(struct writer *writer, uint32_t method)
{
    char id[SETTING_ID_LENGTH_MAX + 1];

    write_literal(writer, ",\"shipping_method\":");
    if (method == 0) {
        write_literal(writer, "null");
        return;
    }
    setting_id_format(SETTING_SHIPPING_METHOD, method, id);
    write_json_string(writer, id, strlen(id));
}

static void write_cart(struct writer *writer, const struct api_shard *shard,
                       const struct cart_view *view, const struct cart_terms *terms,
                       const struct cart_price *price)
{
    char id[CART_ID_LENGTH + 1];
    bool exists = view->created_wall_ms != 0;

    if (exists) {
        engine_cart_id(shard->api->engine, &view->principal, view->created_wall_ms, id);
        write_literal(writer, "{\"id\":\"");
        write_bytes(writer, id, CART_ID_LENGTH);
        write_byte(writer, '"');
    } else {
        write_literal(writer, "{\"id\":null");
    }
    write_literal(writer, ",\"items\":[");
    for (uint32_t i = 0; i < view->content.line_count; i++) {
        if (i > 0)
            write_byte(writer, ',');
        write_line(writer, &view->content.lines[i], &price->lines[i]);
    }
    write_totals(writer, &price->totals, view->content.currency);
    if (terms->destination.country != 0)
        write_shipping_method(writer, price->method);
    write_coupon(writer, &view->content, terms, price);
    write_literal(writer, ",\"updated_at\":");
    if (exists)
        write_json_time(writer, view->changed_wall_ms);
    else
        write_literal(writer, "null");
    write_byte(writer, '}');
}

void respond_cart(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, const struct cart_view *view,
                  const struct cart_terms *terms)
{
    struct cart_price price;
    struct writer writer;

    if (exchange == NULL && entry == NULL)
        return;
    if (!cart_price_compute(shard, &view->content, terms, &price)) {
        keyed_drop(shard, entry);
        if (exchange != NULL)
            problem_respond(exchange, PROBLEM_INTERNAL_ERROR, "The cart cannot be priced.");
        return;
    }
    if (entry == NULL) {
        size_t bytes = bytes_max(&view->content, &price);
        char *memory = http_body_begin(exchange, 200, "application/json", bytes);
        if (memory == NULL)
            return;
        writer = writer_fixed(memory, bytes);
        write_cart(&writer, shard, view, terms, &price);
        http_body_commit(exchange, writer_length(&writer));
        return;
    }
    writer = writer_growing();
    write_cart(&writer, shard, view, terms, &price);
    if (writer.failed)
        keyed_refuse(shard, entry, exchange, OUTCOME_OUTCOME_UNKNOWN);
    else
        keyed_answer(shard, entry, exchange, 200, NULL, writer.start, writer_length(&writer));
    writer_free(&writer);
}
