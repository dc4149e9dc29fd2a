/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cart_price.h"

#include <assert.h>
#include <string.h>

#include "api/money.h"

_Static_assert(PRICE_MINOR_MAX <= CART_PRICE_MINOR_MAX, "a line remembers any price");
_Static_assert(PRICE_MINOR_MAX <= INT64_MAX / QUANTITY_MAX / CART_LINES_MAX,
               "a cart's subtotal fits");

void cart_terms_of_shop(const struct api_shard *shard, const struct cart_destination *destination,
                        struct cart_terms *terms_out)
{
    *terms_out = (struct cart_terms){.destination = *destination,
                                     .coupon_outcome = OUTCOME_COUPON_INVALID,
                                     .settings = shard_settings(shard->shard)};
}

/* ---- the coupon ---- */

/* Whether an order could use it now, as its actor will see it (may_hold, coupon_use.c), but for
 * what this customer has used of it. */
static enum outcome judge(const struct coupon_view *coupon, int64_t now_wall_ms)
{
    const struct coupon_definition *definition = &coupon->definition;

    if (definition->is_disabled || now_wall_ms < definition->starts_wall_ms ||
        (definition->ends_wall_ms != 0 && now_wall_ms >= definition->ends_wall_ms))
        return OUTCOME_COUPON_INVALID;
    if (definition->max_uses != 0 &&
        (uint64_t)coupon->held + coupon->committed >= definition->max_uses)
        return OUTCOME_COUPON_EXHAUSTED;
    return OUTCOME_OK;
}

static void coupon_answer(struct api_shard *shard, struct http_exchange *exchange,
                          const struct message *message, void *user)
{
    struct cart_coupon_lookup *lookup = user;
    struct coupon_envelope *envelope = message->reply.coupon;
    enum outcome outcome = (enum outcome)message->reply.outcome;

    (void)exchange; /* its caller's, who finds it again */
    if (outcome == OUTCOME_OK)
        outcome = judge(&envelope->view, engine_now(shard->api->engine).wall_ms);
    else if (outcome == OUTCOME_NOT_FOUND)
        outcome = OUTCOME_COUPON_INVALID;
    lookup->answer(lookup, outcome == OUTCOME_OK ? &envelope->view.definition.rule : NULL, outcome);
    envelope_free(envelope);
}

void cart_coupon_find(struct api_shard *shard, struct slice code, struct cart_coupon_lookup *lookup)
{
    struct command command = {.type = COMMAND_COUPON};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct coupon_envelope *envelope;
    struct refusal unused;
    uint64_t cookie = 0;

    if (!coupon_code_is_valid(code.text, code.length)) {
        lookup->answer(lookup, NULL, OUTCOME_COUPON_INVALID);
        return;
    }
    envelope = coupon_envelope_create(COUPON_CALL_GET);
    if (envelope != NULL) {
        memcpy(envelope->view.definition.code, code.text, code.length);
        command.coupon = envelope;
        cookie = pending_open(&shard->pending, UINT64_MAX, coupon_answer, lookup);
    }
    if (cookie != 0)
        outcome = engine_submit(shard->shard, &command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        return;
    if (cookie != 0)
        pending_cancel(&shard->pending, cookie);
    envelope_free(envelope);
    lookup->answer(lookup, NULL, outcome);
}

/* ---- totals ---- */

const char *cart_withdrawal(const struct sku_entry *sku, const struct product_label *label,
                            const char currency[4])
{
    if (!sku_entry_is_on_sale(sku))
        return product_entry_status(sku->product) == PRODUCT_DRAFT ? "draft" : "archived";
    if (label == NULL || memcmp(label->currency, currency, sizeof(label->currency)) != 0)
        return "currency_changed";
    return NULL;
}

void respond_withdrawn(struct http_exchange *exchange, const struct directory *directory,
                       const struct line *lines, uint32_t line_count, const char currency[4])
{
    enum { LINE_BYTES_MAX = SKU_LENGTH_MAX + 64 };
    struct writer writer;
    uint32_t count = 0;

    if (!problem_begin(exchange, PROBLEM_PRODUCT_UNAVAILABLE,
                       "Something in the cart is not sold any more: take it out first.",
                       32 + CART_LINES_MAX * LINE_BYTES_MAX, &writer))
        return;
    write_literal(&writer, ",\"items\":[");
    for (uint32_t i = 0; i < line_count; i++) {
        const struct sku_entry *sku = directory_find_sku_id(directory, lines[i].sku_id);
        const char *reason = cart_withdrawal(
            sku, atomic_load_explicit(&sku->product->label, memory_order_acquire), currency);

        if (reason == NULL)
            continue;
        write_text(&writer, count++ == 0 ? "{\"sku\":\"" : ",{\"sku\":\"");
        write_bytes(&writer, sku->sku, sku->sku_length);
        write_literal(&writer, "\",\"reason\":\"");
        write_text(&writer, reason);
        write_literal(&writer, "\"}");
    }
    write_byte(&writer, ']');
    problem_end(exchange, &writer);
}

static void price_line(const struct directory *directory, const struct cart_line *line,
                       const char currency[4], struct cart_price_line *shown)
{
    shown->sku = directory_find_sku_id(directory, line->sku_id);
    assert(shown->sku != NULL); /* what a cart names is in the directory, for ever */
    shown->label = atomic_load_explicit(&shown->sku->product->label, memory_order_acquire);
    shown->price_minor = atomic_load_explicit(&shown->sku->price_minor, memory_order_relaxed);
    shown->total_minor = shown->price_minor * line->quantity;
    shown->reason = cart_withdrawal(shown->sku, shown->label, currency);
    shown->is_priced = shown->reason == NULL;
    if (shown->is_priced && gate_available(&shown->sku->gate) == 0)
        shown->reason = "sold_out";
    shown->is_available = shown->reason == NULL;
}

static uint64_t weight_of(const struct pricing_input *input)
{
    uint64_t grams = 0;

    for (uint32_t i = 0; i < input->line_count; i++)
        grams += (uint64_t)input->lines[i].weight_grams * input->lines[i].quantity;
    return grams;
}

/* The method that was chosen, if it goes there, or of those that do the cheapest, of equal prices
 * the earlier; 0: none. `totals`: of the goods. */
static uint32_t find_method(const struct pricing_input *input, const struct cart_terms *terms,
                            const struct pricing_totals *totals)
{
    int64_t goods_minor = totals->subtotal_minor - totals->discount_minor;
    uint64_t grams = weight_of(input);
    int64_t cheapest_minor = INT64_MAX;
    uint32_t found = 0;

    for (uint32_t i = 0; i < terms->settings->method_count; i++) {
        const struct setting_shipping_method *method = &terms->settings->methods[i];
        struct pricing_shipping_method price = settings_method_price(method, input->currency);
        enum shipping_verdict verdict;
        int64_t minor;

        if (terms->destination.method != 0 && method->common.number != terms->destination.method)
            continue;
        verdict = pricing_shipping_quote(&price, input->currency, input->country, goods_minor,
                                         grams, &minor);
        if (verdict == SHIPPING_VERDICT_FREE_OVER)
            minor = 0;
        if (pricing_shipping_stands(verdict) && minor < cheapest_minor) {
            cheapest_minor = minor;
            found = method->common.number;
        }
    }
    return found;
}

/* Shipping depends on what the goods come to, so they are priced first. */
static bool compute(struct pricing_input *input, const struct cart_terms *terms,
                    struct pricing_result *result_out, uint32_t *method_out)
{
    struct pricing_shipping_method shipping;

    *method_out = 0;
    if (pricing_compute(input, result_out) != PRICING_OK)
        return false;
    if (input->country != 0)
        *method_out = find_method(input, terms, &result_out->totals);
    if (*method_out == 0)
        return true;
    shipping =
        settings_method_price(settings_find_method(terms->settings, *method_out), input->currency);
    input->shipping = &shipping;
    return pricing_compute(input, result_out) == PRICING_OK;
}

bool cart_price_compute(const struct api_shard *shard, const struct cart_content *content,
                        const struct cart_terms *terms, struct cart_price *price_out)
{
    const struct directory *directory = shard_directory(shard->shard);
    struct pricing_line lines[CART_LINES_MAX];
    struct pricing_result result;
    struct pricing_input input = {
        .country = terms->destination.country,
        .region = terms->destination.region,
        .lines = lines,
        .coupons = terms->coupon,
        .coupon_count = terms->coupon != NULL,
        .tax_rates = terms->settings->rates,
        .tax_rate_count = terms->settings->tax_rate_count,
    };

    memcpy(input.currency, content->currency, sizeof(input.currency));
    for (uint32_t i = 0; i < content->line_count; i++) {
        struct cart_price_line *shown = &price_out->lines[i];

        price_line(directory, &content->lines[i], content->currency, shown);
        if (!shown->is_priced)
            continue;
        struct pricing_line *line = &lines[input.line_count++];
        *line = (struct pricing_line){
            .unit_price_minor = shown->price_minor,
            .quantity = content->lines[i].quantity,
            .product =
                pricing_product_label(shown->sku->product->id, strlen(shown->sku->product->id)),
            .category =
                pricing_label(product_label_category(shown->label), shown->label->category_length),
            .weight_grams = atomic_load_explicit(&shown->sku->weight_grams, memory_order_relaxed),
        };
        memcpy(line->currency, content->currency, sizeof(line->currency));
    }
    price_out->totals = (struct pricing_totals){0};
    price_out->method = 0;
    price_out->coupon_verdict = COUPON_VERDICT_OUT_OF_SCOPE;
    if (input.line_count == 0)
        return true;
    if (!compute(&input, terms, &result, &price_out->method))
        return false;
    price_out->totals = result.totals;
    if (terms->coupon != NULL)
        price_out->coupon_verdict = result.coupons[0].verdict;
    return true;
}
