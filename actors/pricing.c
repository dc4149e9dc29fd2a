/* SPDX-License-Identifier: Apache-2.0 */
/* Pricing, from the input's ranges to the totals; its parts stand in pricing_coupon.c,
 * pricing_tax.c and pricing_shipping.c, its rules in pricing.h. */
#include "pricing_private.h"

#include <assert.h>
#include <string.h>

#include "hash.h"
#include "minor_units.h"

/* ---- labels ---- */

enum { LABEL_BLOCK = 64 };

/* Stored labels depend on these two numbers: they never change. */
static const uint64_t name_seed = UINT64_C(0x7374616d70656465);
static const uint64_t product_seed = UINT64_C(0x70726f6475637421);

static uint64_t label_of(const char *text, size_t length, uint64_t seed, bool fold)
{
    struct hash_key key = {.word = {seed, 0}};
    char block[LABEL_BLOCK];
    size_t at = 0;

    do {
        size_t part = length - at < LABEL_BLOCK ? length - at : LABEL_BLOCK;

        for (size_t i = 0; i < part; i++) {
            char byte = text[at + i];

            block[i] = (char)(fold && byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
        }
        key.word[1] = hash_bytes(&key, block, part);
        at += part;
    } while (at < length);
    return key.word[1] != 0 ? key.word[1] : 1;
}

uint64_t pricing_label(const char *text, size_t length)
{
    return length == 0 ? 0 : label_of(text, length, name_seed, true);
}

uint64_t pricing_product_label(const char *text, size_t length)
{
    return length == 0 ? 0 : label_of(text, length, product_seed, false);
}

uint16_t pricing_country(const char *text, size_t length)
{
    unsigned country = 0;

    if (length != 2)
        return 0;
    for (size_t i = 0; i < 2; i++) {
        char letter = text[i];

        if (letter >= 'a' && letter <= 'z')
            letter = (char)(letter - 'a' + 'A');
        if (letter < 'A' || letter > 'Z')
            return 0;
        country = country << 8 | (unsigned char)letter;
    }
    return (uint16_t)country;
}

/* ---- ranges ---- */

bool pricing_currency_is_valid(const char currency[4])
{
    for (size_t i = 0; i < 3; i++) {
        if (currency[i] < 'A' || currency[i] > 'Z')
            return false;
    }
    return currency[3] == '\0';
}

static bool is_in_range(const struct pricing_input *input)
{
    if (!pricing_currency_is_valid(input->currency) || input->line_count < 1 ||
        input->line_count > PRICING_LINES_MAX || input->coupon_count > PRICING_COUPONS_MAX)
        return false;
    for (uint32_t i = 0; i < input->line_count; i++) {
        const struct pricing_line *line = &input->lines[i];

        if (line->unit_price_minor < 0 || line->quantity < 1 || line->quantity > QUANTITY_MAX)
            return false;
    }
    for (uint32_t c = 0; c < input->coupon_count; c++) {
        if (!pricing_coupon_is_valid(&input->coupons[c]))
            return false;
    }
    return input->shipping == NULL || pricing_shipping_is_valid(input->shipping);
}

static bool is_of_one_currency(const struct pricing_input *input)
{
    for (uint32_t i = 0; i < input->line_count; i++) {
        if (memcmp(input->lines[i].currency, input->currency, sizeof(input->currency)) != 0)
            return false;
    }
    return true;
}

/* ---- the steps; each is false where an amount does not fit ---- */

static bool add_up_lines(struct pricing_work *work)
{
    struct pricing_result *result = work->result;

    for (uint32_t i = 0; i < work->input->line_count; i++) {
        const struct pricing_line *line = &work->input->lines[i];
        int64_t *subtotal = &result->lines[i].subtotal_minor;

        if (!minor_multiply(line->unit_price_minor, line->quantity, subtotal) ||
            !minor_add(result->totals.subtotal_minor, *subtotal, &result->totals.subtotal_minor))
            return false;
        work->left_minor[i] = *subtotal;
    }
    return true;
}

static bool add_tax(struct pricing_totals *totals, const struct pricing_tax *tax)
{
    return minor_add(totals->tax_minor, tax->added_minor, &totals->tax_minor) &&
           minor_add(totals->tax_included_minor, tax->included_minor, &totals->tax_included_minor);
}

static bool apply_taxes(struct pricing_work *work)
{
    struct pricing_result *result = work->result;
    struct pricing_shipping_result *shipping = &result->shipping;
    /* Without a price there is no rule that it is taxed by. */
    uint32_t shipping_rate =
        pricing_shipping_stands(shipping->verdict) ? work->shipping_rate : PRICING_NONE;

    for (uint32_t i = 0; i < work->input->line_count; i++) {
        struct pricing_line_result *line = &result->lines[i];

        if (!pricing_tax_of(work->input, work->rates[i], work->left_minor[i], &line->tax) ||
            !minor_add(work->left_minor[i], line->tax.added_minor, &line->total_minor) ||
            !add_tax(&result->totals, &line->tax))
            return false;
    }
    return pricing_tax_of(work->input, shipping_rate, shipping->charged_minor, &shipping->tax) &&
           add_tax(&result->totals, &shipping->tax);
}

static bool add_up_totals(struct pricing_totals *totals, int64_t shipping_minor)
{
    totals->shipping_minor = shipping_minor;
    totals->total_minor = totals->subtotal_minor - totals->discount_minor;
    return minor_add(totals->total_minor, shipping_minor, &totals->total_minor) &&
           minor_add(totals->total_minor, totals->tax_minor, &totals->total_minor);
}

/* What pricing.h promises of sums; every figure fits by now. */
static void assert_sums(const struct pricing_input *input, const struct pricing_result *result)
{
    const struct pricing_totals *totals = &result->totals;
    int64_t total = result->shipping.charged_minor + result->shipping.tax.added_minor;
    int64_t discount = 0;

    for (uint32_t i = 0; i < input->line_count; i++) {
        const struct pricing_line_result *line = &result->lines[i];

        assert(line->discount_minor >= 0 && line->discount_minor <= line->subtotal_minor);
        total += line->total_minor;
    }
    for (uint32_t c = 0; c < input->coupon_count; c++)
        discount += result->coupons[c].discount_minor;
    assert(total == totals->total_minor && discount == totals->discount_minor);
    assert(totals->tax_included_minor <= totals->total_minor - totals->tax_minor);
}

enum pricing_error pricing_compute(const struct pricing_input *input,
                                   struct pricing_result *result_out)
{
    struct pricing_work work = {.input = input, .result = result_out};

    memset(result_out, 0, sizeof(*result_out));
    if (!is_in_range(input) || !pricing_choose_rates(&work))
        return PRICING_INVALID;
    if (!is_of_one_currency(input))
        return PRICING_CURRENCY;
    if (!add_up_lines(&work))
        goto overflow;
    pricing_apply_coupons(&work);
    pricing_apply_shipping(&work);
    if (!apply_taxes(&work) ||
        !add_up_totals(&result_out->totals, result_out->shipping.charged_minor))
        goto overflow;
    assert_sums(input, result_out);
    return PRICING_OK;

overflow:
    memset(result_out, 0, sizeof(*result_out));
    return PRICING_OVERFLOW;
}
