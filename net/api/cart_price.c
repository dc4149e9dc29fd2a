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
    (void)shard; /* no tax and no shipping method is set up */
    *terms_out = (struct cart_terms){.destination = *destination};
}

void cart_coupon_find(struct api_shard *shard, struct slice code, struct cart_coupon_lookup *lookup)
{
    (void)shard; /* there are no coupons */
    (void)code;
    lookup->answer(lookup, NULL, OUTCOME_OK);
}

static void price_line(const struct directory *directory, const struct cart_line *line,
                       const char currency[4], struct cart_price_line *shown)
{
    shown->sku = directory_find_sku_id(directory, line->sku_id);
    assert(shown->sku != NULL); /* what a cart names is in the directory, for ever */
    shown->label = atomic_load_explicit(&shown->sku->product->label, memory_order_acquire);
    shown->price_minor = atomic_load_explicit(&shown->sku->price_minor, memory_order_relaxed);
    shown->total_minor = shown->price_minor * line->quantity;
    shown->is_priced = shown->label != NULL && memcmp(shown->label->currency, currency, 4) == 0;
    shown->is_available = shown->is_priced && gate_available(&shown->sku->gate) > 0;
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
        .tax_rates = terms->tax_rates,
        .tax_rate_count = terms->tax_rate_count,
        .shipping = terms->shipping,
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
        };
        memcpy(line->currency, content->currency, sizeof(line->currency));
    }
    price_out->totals = (struct pricing_totals){0};
    price_out->coupon_verdict = COUPON_VERDICT_OUT_OF_SCOPE;
    if (input.line_count == 0)
        return true;
    if (pricing_compute(&input, &result) != PRICING_OK)
        return false;
    price_out->totals = result.totals;
    if (terms->coupon != NULL)
        price_out->coupon_verdict = result.coupons[0].verdict;
    return true;
}
