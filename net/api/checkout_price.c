/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "api/cart_price.h"
#include "api/checkout.h"
#include "api/order_person.h"

/* Room for one name as JSON, and for what stands beside it: with all lines, the text's bound. */
enum { NAME_JSON_MAX = 256, LINE_TEXT_MAX = NAME_JSON_MAX + 64, HEAD_TEXT_MAX = 1024 };

_Static_assert(HEAD_TEXT_MAX + RESERVATION_LINES_MAX * LINE_TEXT_MAX <= ORDER_TEXT_MAX,
               "the longest text fits");

static bool refuse(struct checkout *checkout, enum outcome outcome)
{
    checkout->refusal.kind = REFUSAL_OUTCOME;
    checkout->refusal.outcome = outcome;
    return false;
}

static bool refuse_field(struct checkout *checkout, const char *field, const char *message)
{
    checkout->refusal.kind = REFUSAL_INVALID;
    checkout->refusal.field = field;
    checkout->refusal.message = message;
    return false;
}

static bool refuse_coupon(struct checkout *checkout, const char *message)
{
    checkout->refusal.kind = REFUSAL_COUPON;
    checkout->refusal.message = message;
    return false;
}

/* ---- lines ---- */

struct priced {
    const struct sku_entry *skus[RESERVATION_LINES_MAX];
    const struct product_label *labels[RESERVATION_LINES_MAX];
    struct pricing_line lines[RESERVATION_LINES_MAX];
    struct pricing_result result;
    const struct setting_shipping_method *method;
};

static bool find_lines(struct checkout *checkout, struct priced *priced)
{
    const struct directory *directory = shard_directory(checkout->flow.shard->shard);

    for (uint32_t i = 0; i < checkout->line_count; i++) {
        const struct sku_entry *sku = directory_find_sku_id(directory, checkout->lines[i].sku_id);
        const struct product_label *label;

        assert(sku != NULL); /* what is held or in a cart is in the directory, for ever */
        label = atomic_load_explicit(&sku->product->label, memory_order_acquire);
        if (label == NULL) /* there was no memory for it */
            return refuse(checkout, OUTCOME_OVERLOADED);
        if (checkout->from_cart && cart_withdrawal(sku, label, checkout->cart_currency) != NULL) {
            checkout->refusal.kind = REFUSAL_WITHDRAWN;
            return false;
        }
        priced->skus[i] = sku;
        priced->labels[i] = label;
        priced->lines[i] = (struct pricing_line){
            .unit_price_minor = atomic_load_explicit(&sku->price_minor, memory_order_relaxed),
            .quantity = checkout->lines[i].quantity,
            .product = pricing_product_label(sku->product->id, strlen(sku->product->id)),
            .category = pricing_label(product_label_category(label), label->category_length),
            .weight_grams = atomic_load_explicit(&sku->weight_grams, memory_order_relaxed),
        };
        memcpy(priced->lines[i].currency, label->currency, sizeof(priced->lines[i].currency));
        if (memcmp(label->currency, priced->labels[0]->currency, sizeof(label->currency)) != 0)
            return refuse_field(checkout, checkout->from_cart ? "items" : "reservation_id",
                                "has SKUs that are sold in different currencies: order them "
                                "apart");
    }
    return true;
}

/* ---- shipping ---- */

static bool find_method(struct checkout *checkout, const struct settings_view *settings,
                        struct priced *priced)
{
    bool is_served = false;

    for (uint32_t i = 0; i < settings->method_count && !is_served; i++)
        is_served = settings_method_serves(&settings->methods[i], checkout->country);
    if (!is_served)
        return refuse_field(checkout, "shipping_address.country",
                            "is none that this shop ships to");
    priced->method =
        checkout->method == 0 ? NULL : settings_find_method(settings, checkout->method);
    if (priced->method == NULL)
        return refuse_field(checkout, "shipping_method", "is not known");
    if (!settings_method_serves(priced->method, checkout->country))
        return refuse_field(checkout, "shipping_method", "does not go to this country");
    return true;
}

/* ---- the coupon ---- */

static bool coupon_is_valid(struct checkout *checkout)
{
    int64_t now_ms = checkout->flow.shard->now.wall_ms;
    const struct coupon_definition *definition;

    if (checkout->coupon[0] == '\0')
        return true;
    if (checkout->rule == NULL)
        return refuse_coupon(checkout, "There is no coupon of this code.");
    definition = &checkout->rule->view.definition;
    if (definition->is_disabled)
        return refuse_coupon(checkout, "This coupon is not valid.");
    if (definition->starts_wall_ms > now_ms)
        return refuse_coupon(checkout, "This coupon is not valid yet.");
    if (definition->ends_wall_ms != 0 && definition->ends_wall_ms <= now_ms)
        return refuse_coupon(checkout, "This coupon is no longer valid.");
    return true;
}

static bool coupon_applies(struct checkout *checkout, enum coupon_verdict verdict)
{
    static const char *const texts[COUPON_VERDICT_COUNT] = {
        [COUPON_VERDICT_SHIPPING_PENDING] = "This coupon takes nothing off this order.",
        [COUPON_VERDICT_NOTHING_LEFT] = "This coupon takes nothing off this order.",
        [COUPON_VERDICT_OTHER_CURRENCY] = "This coupon is for another currency.",
        [COUPON_VERDICT_BELOW_MINIMUM] = "This order does not reach the coupon's minimum.",
        [COUPON_VERDICT_OUT_OF_SCOPE] = "Nothing in this order is what the coupon is for.",
        [COUPON_VERDICT_TOO_FEW_UNITS] = "This order has too few units for the coupon.",
        [COUPON_VERDICT_NOT_COMBINABLE] = "This coupon cannot be used here.",
    };

    return verdict == COUPON_VERDICT_APPLIED || refuse_coupon(checkout, texts[verdict]);
}

/* ---- what is kept of it ---- */

/* As a JSON string, cut where its room ends, between characters. */
static void write_name(struct writer *writer, const char *text, size_t length)
{
    size_t room = NAME_JSON_MAX - 2;
    size_t end = 0;

    for (size_t i = 0; i <= length; i++) {
        unsigned char byte = i < length ? (unsigned char)text[i] : 'x';

        if ((byte & 0xc0) != 0x80)
            end = i;
        if (i == length)
            break;
        size_t needed = byte < ' ' || byte == 0x7f ? 6 : byte == '"' || byte == '\\' ? 2 : 1;
        if (needed > room)
            break;
        room -= needed;
    }
    write_json_string(writer, text, end);
}

static void write_amount(struct writer *writer, const char *name, int64_t minor)
{
    write_literal(writer, ",\"");
    write_text(writer, name);
    write_literal(writer, "_minor\":");
    write_signed(writer, minor);
}

static void write_shipping_text(struct writer *writer, const struct checkout *checkout,
                                const struct priced *priced)
{
    static const char *const reasons[SHIPPING_VERDICT_COUNT] = {
        [SHIPPING_VERDICT_CHARGED] = "charged",
        [SHIPPING_VERDICT_FREE_OVER] = "free_over",
        [SHIPPING_VERDICT_FREE_BY_COUPON] = "free_by_coupon",
    };
    const struct pricing_shipping_result *shipping = &priced->result.shipping;
    char id[SETTING_ID_LENGTH_MAX + 1];

    setting_id_format(SETTING_SHIPPING_METHOD, checkout->method, id);
    write_literal(writer, "\"method\":\"");
    write_text(writer, id);
    write_literal(writer, "\",\"name\":");
    write_name(writer, priced->method->name.text, priced->method->name.length);
    write_amount(writer, "price", shipping->charged_minor);
    write_amount(writer, "list_price", shipping->list_minor);
    write_literal(writer, ",\"reason\":\"");
    write_text(writer, reasons[shipping->verdict]);
    write_byte(writer, '"');
    write_amount(writer, "tax", shipping->tax.added_minor + shipping->tax.included_minor);
    write_literal(writer, ",\"tax_rate_bp\":");
    write_unsigned(writer, shipping->tax.rate_bp);
    write_literal(writer, ",\"tax_included\":");
    write_boolean(writer, shipping->tax.inclusive);
    write_literal(writer, ",\"country\":\""); /* the books need it, also without an address */
    write_byte(writer, (char)(checkout->country >> 8));
    write_byte(writer, (char)(checkout->country & 0xff));
    write_literal(writer, "\"\n");
}

static void write_coupon_text(struct writer *writer, const struct checkout *checkout,
                              const struct priced *priced)
{
    static const char *const kinds[COUPON_KIND_COUNT] = {
#define X(name, text) [COUPON_##name] = text,
        COUPON_KINDS(X)
#undef X
    };

    if (checkout->coupon[0] != '\0') {
        write_literal(writer, "\"code\":\"");
        write_text(writer, checkout->coupon);
        write_literal(writer, "\",\"kind\":\"");
        write_text(writer, kinds[checkout->rule->view.definition.rule.kind]);
        write_byte(writer, '"');
        write_amount(writer, "discount", priced->result.coupons[0].discount_minor);
        write_amount(writer, "shipping_discount", priced->result.coupons[0].shipping_minor);
    }
    write_byte(writer, '\n');
}

static void write_order_text(struct checkout *checkout, const struct settings_view *settings,
                             const struct priced *priced)
{
    struct order_envelope *order = checkout->order;
    struct writer writer = writer_fixed(order->text, sizeof(order->text));

    write_shipping_text(&writer, checkout, priced);
    write_coupon_text(&writer, checkout, priced);
    for (uint32_t i = 0; i < checkout->line_count; i++) {
        const struct product_label *label = priced->labels[i];
        uint32_t rate = priced->result.lines[i].tax.rate;
        char id[SETTING_ID_LENGTH_MAX + 1];

        write_literal(&writer, "\"name\":");
        write_name(&writer, product_label_name(label), label->name_length);
        write_literal(&writer, ",\"tax_rate\":");
        if (rate == PRICING_NONE) {
            write_literal(&writer, "null");
        } else {
            setting_id_format(SETTING_TAX_RATE, settings->tax_rates[rate].common.number, id);
            write_byte(&writer, '"');
            write_text(&writer, id);
            write_byte(&writer, '"');
        }
        write_literal(&writer, ",\"tax_rate_bp\":");
        write_unsigned(&writer, priced->result.lines[i].tax.rate_bp);
        write_byte(&writer, '\n');
    }
    order->body.text_length = (uint32_t)writer_length(&writer);
}

static void fill_lines(struct checkout *checkout, const struct priced *priced)
{
    struct order_body_record *body = &checkout->order->body;

    body->line_count = (uint8_t)checkout->line_count;
    for (uint32_t i = 0; i < checkout->line_count; i++) {
        const struct pricing_line_result *line = &priced->result.lines[i];

        body->lines[i] = (struct order_line){
            .sku_id = checkout->lines[i].sku_id,
            .quantity = checkout->lines[i].quantity,
            .unit_price_minor = priced->lines[i].unit_price_minor,
            .discount_minor = line->discount_minor,
            .tax_minor = line->tax.added_minor + line->tax.included_minor,
            .total_minor = line->total_minor,
            .tax_bp = (uint32_t)line->tax.rate_bp,
            .tax_included = line->tax.inclusive,
        };
    }
}

static bool fill_order(struct checkout *checkout, const struct priced *priced)
{
    const struct pricing_totals *totals = &priced->result.totals;
    struct order_envelope *envelope = checkout->order;
    struct order_record *order = &envelope->order;

    order->principal = checkout->flow.who[0];
    order->key = checkout_key(checkout, &checkout->flow.who[0]);
    order->fingerprint = checkout->fingerprint;
    memcpy(order->email_index, checkout->email_index, sizeof(order->email_index));
    order->from_cart = checkout->from_cart;
    memcpy(order->currency, priced->labels[0]->currency, sizeof(order->currency));
    order->totals = (struct order_totals){.subtotal_minor = totals->subtotal_minor,
                                          .discount_minor = totals->discount_minor,
                                          .shipping_minor = totals->shipping_minor,
                                          .tax_minor = totals->tax_minor,
                                          .tax_included_minor = totals->tax_included_minor,
                                          .total_minor = totals->total_minor};
    if (checkout->coupon[0] != '\0') {
        memcpy(order->coupon, checkout->coupon, sizeof(order->coupon));
        order->coupon_partition = checkout->rule->view.partition;
        order->coupon_number = checkout->rule->view.number;
        order->coupon_version = checkout->rule->view.version;
    }
    order->provider = checkout->provider;
    return order_person_seal(checkout->flow.shard->api->engine, order, checkout->email,
                             checkout->address.json, checkout->address.length, &envelope->person);
}

/* ---- the whole ---- */

static bool compute(struct checkout *checkout, const struct settings_view *settings,
                    struct priced *priced)
{
    struct pricing_shipping_method shipping =
        settings_method_price(priced->method, priced->labels[0]->currency);
    struct pricing_input input = {
        .country = checkout->country,
        .region = checkout->region,
        .lines = priced->lines,
        .line_count = checkout->line_count,
        .coupons = checkout->rule == NULL ? NULL : &checkout->rule->view.definition.rule,
        .coupon_count = checkout->coupon[0] != '\0',
        .tax_rates = settings->rates,
        .tax_rate_count = settings->tax_rate_count,
        .shipping = &shipping,
    };

    memcpy(input.currency, priced->labels[0]->currency, sizeof(input.currency));
    if (pricing_compute(&input, &priced->result) != PRICING_OK)
        return refuse_field(checkout, checkout->from_cart ? "items" : "reservation_id",
                            "comes to an amount that is out of range");
    if (checkout->coupon[0] != '\0' &&
        !coupon_applies(checkout, (enum coupon_verdict)priced->result.coupons[0].verdict))
        return false;
    switch ((enum shipping_verdict)priced->result.shipping.verdict) {
    case SHIPPING_VERDICT_CHARGED:
    case SHIPPING_VERDICT_FREE_OVER:
    case SHIPPING_VERDICT_FREE_BY_COUPON:
        return true;
    case SHIPPING_VERDICT_OTHER_CURRENCY:
        return refuse_field(checkout, "shipping_method", "is charged in another currency");
    case SHIPPING_VERDICT_BEYOND_TABLE:
        return refuse_field(checkout, "shipping_method", "does not take an order of this size");
    case SHIPPING_VERDICT_NOT_CHOSEN:
    case SHIPPING_VERDICT_NO_DESTINATION:
    case SHIPPING_VERDICT_COUNTRY_NOT_SERVED:
    case SHIPPING_VERDICT_COUNT:
        break;
    }
    return refuse_field(checkout, "shipping_method", "does not go to this country");
}

bool checkout_price(struct checkout *checkout)
{
    const struct settings_view *settings = shard_settings(checkout->flow.shard->shard);
    struct priced priced;

    if (!find_lines(checkout, &priced) || !find_method(checkout, settings, &priced) ||
        !coupon_is_valid(checkout) || !compute(checkout, settings, &priced))
        return false;
    if (checkout->has_expected && checkout->expected_minor != priced.result.totals.total_minor) {
        checkout->refusal.kind = REFUSAL_PRICE;
        checkout->refusal.total_minor = priced.result.totals.total_minor;
        return false;
    }
    checkout->order = order_flow_envelope(&checkout->flow, ORDER_CALL_CREATE);
    if (checkout->order == NULL || !fill_order(checkout, &priced))
        return refuse(checkout, OUTCOME_OVERLOADED);
    fill_lines(checkout, &priced);
    write_order_text(checkout, settings, &priced);
    return true;
}
