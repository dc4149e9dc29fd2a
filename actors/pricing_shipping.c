/* SPDX-License-Identifier: Apache-2.0 */
/* What shipping costs by a method's table, and who pays for it. */
#include "pricing_private.h"

#include <assert.h>
#include <string.h>

bool pricing_shipping_is_valid(const struct pricing_shipping_method *method)
{
    if (method->kind >= SHIPPING_KIND_COUNT || method->free_over_minor < 0 ||
        !pricing_currency_is_valid(method->currency))
        return false;
    for (uint32_t i = 0; i < method->country_count; i++) {
        if (method->countries[i] == 0)
            return false;
    }
    if (method->kind == SHIPPING_FLAT)
        return method->flat_minor >= 0;
    for (uint32_t i = 0; i < method->row_count; i++) {
        const struct pricing_shipping_row *row = &method->rows[i];

        if (row->price_minor < 0 || row->up_to < 0 || (i > 0 && row->up_to <= row[-1].up_to))
            return false;
    }
    return method->row_count > 0;
}

static bool serves(const struct pricing_shipping_method *method, uint16_t country)
{
    for (uint32_t i = 0; i < method->country_count; i++) {
        if (method->countries[i] == country)
            return true;
    }
    return method->country_count == 0;
}

/* False: the table does not go so far. */
static bool look_up(const struct pricing_shipping_method *method, int64_t value, int64_t *price_out)
{
    for (uint32_t i = 0; i < method->row_count; i++) {
        if (value <= method->rows[i].up_to) {
            *price_out = method->rows[i].price_minor;
            return true;
        }
    }
    return false;
}

enum shipping_verdict pricing_shipping_quote(const struct pricing_shipping_method *method,
                                             const char currency[4], uint16_t country,
                                             int64_t goods_minor, uint64_t weight_grams,
                                             int64_t *list_out)
{
    bool is_free = method->free_over_minor > 0 && goods_minor >= method->free_over_minor;
    bool has_price = true;

    assert(goods_minor >= 0 && weight_grams <= INT64_MAX);
    *list_out = 0;
    if (country == 0)
        return SHIPPING_VERDICT_NO_DESTINATION;
    if (memcmp(method->currency, currency, sizeof(method->currency)) != 0)
        return SHIPPING_VERDICT_OTHER_CURRENCY;
    if (!serves(method, country))
        return SHIPPING_VERDICT_COUNTRY_NOT_SERVED;
    switch ((enum shipping_kind)method->kind) {
    case SHIPPING_FLAT:
        *list_out = method->flat_minor;
        break;
    case SHIPPING_WEIGHT:
        has_price = look_up(method, (int64_t)weight_grams, list_out);
        break;
    case SHIPPING_PRICE:
        has_price = look_up(method, goods_minor, list_out) || is_free;
        break;
    case SHIPPING_KIND_COUNT:
        assert(false);
    }
    if (!has_price)
        return SHIPPING_VERDICT_BEYOND_TABLE;
    return is_free ? SHIPPING_VERDICT_FREE_OVER : SHIPPING_VERDICT_CHARGED;
}

/* The first free_shipping coupon that was taken pays, where there is something to pay. */
static void let_coupons_pay(struct pricing_work *work)
{
    struct pricing_shipping_result *shipping = &work->result->shipping;

    for (uint32_t c = 0; c < work->input->coupon_count; c++) {
        struct pricing_coupon_result *coupon = &work->result->coupons[c];

        if (!work->coupon_taken[c] || work->input->coupons[c].kind != COUPON_FREE_SHIPPING)
            continue;
        if (!pricing_shipping_stands(shipping->verdict)) {
            coupon->verdict = COUPON_VERDICT_SHIPPING_PENDING;
        } else if (shipping->charged_minor == 0) {
            coupon->verdict = COUPON_VERDICT_NOTHING_LEFT;
        } else {
            coupon->verdict = COUPON_VERDICT_APPLIED;
            coupon->shipping_minor = shipping->charged_minor;
            shipping->verdict = SHIPPING_VERDICT_FREE_BY_COUPON;
            shipping->charged_minor = 0;
            shipping->coupon = c;
        }
    }
}

void pricing_apply_shipping(struct pricing_work *work)
{
    const struct pricing_input *input = work->input;
    struct pricing_shipping_result *shipping = &work->result->shipping;
    const struct pricing_totals *totals = &work->result->totals;
    uint64_t weight_grams = 0; /* lines, quantities and 32 bits: far from wrapping */

    for (uint32_t i = 0; i < input->line_count; i++)
        weight_grams += (uint64_t)input->lines[i].weight_grams * input->lines[i].quantity;
    shipping->coupon = PRICING_NONE;
    shipping->verdict = SHIPPING_VERDICT_NOT_CHOSEN;
    if (input->shipping != NULL) {
        shipping->verdict = (uint8_t)pricing_shipping_quote(
            input->shipping, input->currency, input->country,
            totals->subtotal_minor - totals->discount_minor, weight_grams, &shipping->list_minor);
    }
    if (shipping->verdict == SHIPPING_VERDICT_CHARGED)
        shipping->charged_minor = shipping->list_minor;
    let_coupons_pay(work);
}
