/* SPDX-License-Identifier: Apache-2.0 */
/* Pricing: whatever numbers carts and rules are made of, nothing wraps, what pricing.h promises of
 * sums holds (recomputed here in 128 bits), and a refusal has its reason. Random carts against
 * exact arithmetic are the business of tests/pricing; here are the ends of the ranges.
 *
 * Input: bytes, taken one after the other as the fields of a cart; zeros once they are used up. */
#include "fuzz.h"

#include <assert.h>
#include <string.h>

#include "pricing.h"

enum { RATES_MAX = 8, ROWS_MAX = 4, COUNTRIES_MAX = 2 };

struct bytes {
    const uint8_t *at;
    size_t left;
};

static struct pricing_line lines[PRICING_LINES_MAX];
static struct pricing_coupon coupons[PRICING_COUPONS_MAX];
static struct pricing_tax_rate rates[RATES_MAX];
static struct pricing_shipping_row rows[ROWS_MAX];
static uint16_t countries[COUNTRIES_MAX];
static struct pricing_shipping_method method;
static struct pricing_result first;
static struct pricing_result second;

static uint8_t take_byte(struct bytes *bytes)
{
    if (bytes->left == 0)
        return 0;
    bytes->left--;
    return *bytes->at++;
}

/* One byte says how the number is made: small, at an end of a range, or eight bytes. */
static int64_t take_amount(struct bytes *bytes)
{
    uint8_t way = take_byte(bytes);
    uint64_t number = 0;

    if (way < 0xc0)
        return way;
    if (way < 0xd0)
        return INT64_MAX - (way & 0xf);
    if (way < 0xe0)
        return INT64_MAX / (2 + (way & 0xf));
    if (way == 0xe0)
        return INT64_MIN;
    if (way == 0xe1)
        return -1;
    for (unsigned i = 0; i < 8; i++)
        number = number << 8 | take_byte(bytes);
    return (int64_t)(number >> (way & 0x1e));
}

static void take_currency(struct bytes *bytes, char currency[4])
{
    memcpy(currency, take_byte(bytes) < 0xf8 ? "EUR" : "usd", 4);
}

static void take_coupon(struct bytes *bytes, struct pricing_coupon *coupon)
{
    uint8_t flags = take_byte(bytes);

    memset(coupon, 0, sizeof(*coupon));
    coupon->kind = flags & 7;
    coupon->stackable = (flags & 8) != 0;
    coupon->product_count = flags >> 4 & 3;
    coupon->category_count = flags >> 6;
    take_currency(bytes, coupon->currency);
    coupon->percent_bp = take_byte(bytes) * 40u;
    coupon->buy = take_byte(bytes);
    coupon->get = take_byte(bytes);
    coupon->amount_minor = take_amount(bytes);
    coupon->min_subtotal_minor = take_amount(bytes);
    for (unsigned i = 0; i < coupon->product_count; i++)
        coupon->products[i] = take_byte(bytes);
    for (unsigned i = 0; i < coupon->category_count; i++)
        coupon->categories[i] = take_byte(bytes);
}

static void take_method(struct bytes *bytes)
{
    uint8_t flags = take_byte(bytes);

    method = (struct pricing_shipping_method){.countries = countries,
                                              .rows = rows,
                                              .kind = flags & 3,
                                              .country_count = flags >> 2 & 1,
                                              .row_count = flags >> 4 & 3};
    take_currency(bytes, method.currency);
    method.flat_minor = take_amount(bytes);
    method.free_over_minor = take_amount(bytes);
    countries[0] = take_byte(bytes) & 3;
    for (uint32_t i = 0; i < method.row_count; i++) {
        rows[i].up_to = take_amount(bytes);
        rows[i].price_minor = take_amount(bytes);
    }
}

static struct pricing_input take_input(struct bytes *bytes)
{
    struct pricing_input input = {.lines = lines, .coupons = coupons, .tax_rates = rates};
    uint8_t flags = take_byte(bytes);

    take_currency(bytes, input.currency);
    input.country = flags & 3;
    input.region = flags >> 2 & 1;
    input.tax_rate_count = flags >> 3 & 7;
    input.shipping = (flags & 0x40) != 0 ? &method : NULL;
    flags = take_byte(bytes);
    input.line_count = (flags & 31) % (PRICING_LINES_MAX + 1);
    input.coupon_count = (flags >> 5) % (PRICING_COUPONS_MAX + 1);
    for (uint32_t i = 0; i < input.line_count; i++) {
        uint32_t quantity = take_byte(bytes);

        lines[i] = (struct pricing_line){.unit_price_minor = take_amount(bytes),
                                         .quantity = quantity < 0xf0 ? quantity : quantity * 42,
                                         .product = take_byte(bytes),
                                         .category = take_byte(bytes),
                                         .weight_grams = (uint32_t)take_amount(bytes)};
        take_currency(bytes, lines[i].currency);
    }
    for (uint32_t i = 0; i < input.coupon_count; i++)
        take_coupon(bytes, &coupons[i]);
    for (uint32_t i = 0; i < input.tax_rate_count; i++) {
        uint8_t kind = take_byte(bytes);

        rates[i] = (struct pricing_tax_rate){.country = kind & 3,
                                             .region = kind >> 2 & 1,
                                             .category = kind >> 3 & 7,
                                             .inclusive = (kind & 0x40) != 0,
                                             .rate_bp = take_byte(bytes) * 400u};
    }
    take_method(bytes);
    return input;
}

static bool is_in_range(const struct pricing_input *input)
{
    bool is = input->line_count > 0 && input->currency[0] == 'E';

    for (uint32_t i = 0; i < input->line_count; i++)
        is = is && lines[i].unit_price_minor >= 0 && lines[i].quantity >= 1 &&
             lines[i].quantity <= QUANTITY_MAX;
    for (uint32_t c = 0; c < input->coupon_count; c++)
        is = is && pricing_coupon_is_valid(&coupons[c]);
    for (uint32_t r = 0; r < input->tax_rate_count && input->country != 0; r++)
        is = is &&
             (rates[r].country != input->country || rates[r].rate_bp <= (uint32_t)TAX_RATE_BP_MAX);
    return is && (input->shipping == NULL || pricing_shipping_is_valid(&method));
}

/* Something must be able to go beyond 63 bits: all prices with the greatest tax there is. */
static bool may_overflow(const struct pricing_input *input)
{
    __int128 most = 0;

    for (uint32_t i = 0; i < input->line_count; i++)
        most += (__int128)lines[i].unit_price_minor * lines[i].quantity;
    if (input->shipping != NULL) {
        if (method.kind == SHIPPING_FLAT)
            most += method.flat_minor;
        for (uint32_t i = 0; i < method.row_count && method.kind != SHIPPING_FLAT; i++)
            most += rows[i].price_minor;
    }
    return most * (1 + TAX_RATE_BP_MAX / 10000) > INT64_MAX;
}

/* The tax and its exact value, times the denominator, are at most half apart. */
static void check_tax(const struct pricing_tax *tax, int64_t amount)
{
    __int128 denominator = tax->inclusive ? 10000 + (__int128)tax->rate_bp : 10000;
    __int128 apart = (__int128)amount * tax->rate_bp -
                     ((__int128)tax->added_minor + tax->included_minor) * denominator;

    assert(tax->rate == PRICING_NONE || rates[tax->rate].rate_bp == tax->rate_bp);
    assert(apart * 2 < denominator && apart * 2 >= -denominator);
    assert((tax->inclusive ? tax->added_minor : tax->included_minor) == 0);
}

static void check_lines(const struct pricing_input *input, const struct pricing_result *result)
{
    __int128 subtotal = 0;
    __int128 discount = 0;
    __int128 total = (__int128)result->shipping.charged_minor + result->shipping.tax.added_minor;
    __int128 included = result->shipping.tax.included_minor;

    for (uint32_t i = 0; i < input->line_count; i++) {
        const struct pricing_line_result *line = &result->lines[i];
        __int128 off = 0;

        for (uint32_t c = 0; c < input->coupon_count; c++) {
            assert(result->coupons[c].line_minor[i] >= 0);
            off += result->coupons[c].line_minor[i];
        }
        assert(line->subtotal_minor == (__int128)lines[i].unit_price_minor * lines[i].quantity);
        assert(line->discount_minor == off && off <= line->subtotal_minor);
        check_tax(&line->tax, line->subtotal_minor - line->discount_minor);
        assert(line->total_minor == (__int128)line->subtotal_minor - off + line->tax.added_minor);
        subtotal += line->subtotal_minor;
        discount += off;
        total += line->total_minor;
        included += line->tax.included_minor;
    }
    assert(result->totals.subtotal_minor == subtotal && result->totals.discount_minor == discount);
    assert(result->totals.total_minor == total && result->totals.tax_included_minor == included);
    assert(total == subtotal - discount + result->totals.shipping_minor + result->totals.tax_minor);
}

static void check_rest(const struct pricing_input *input, const struct pricing_result *result)
{
    const struct pricing_shipping_result *shipping = &result->shipping;
    int64_t saved = 0;

    for (uint32_t c = 0; c < input->coupon_count; c++) {
        const struct pricing_coupon_result *coupon = &result->coupons[c];
        bool gave = coupon->discount_minor > 0 || coupon->shipping_minor > 0;
        __int128 off = 0;

        for (uint32_t i = 0; i < input->line_count; i++)
            off += coupon->line_minor[i];
        assert(off == coupon->discount_minor);
        assert((coupon->verdict == COUPON_VERDICT_APPLIED) == gave);
        assert(coupons[c].kind != COUPON_FIXED || off <= coupons[c].amount_minor);
        assert(coupon->shipping_minor == 0 || shipping->coupon == c);
        saved += coupon->shipping_minor;
    }
    assert(shipping->charged_minor == result->totals.shipping_minor);
    assert(shipping->charged_minor + saved == shipping->list_minor ||
           shipping->verdict == SHIPPING_VERDICT_FREE_OVER);
    assert((shipping->verdict == SHIPPING_VERDICT_FREE_BY_COUPON) == (saved > 0));
    check_tax(&shipping->tax, shipping->charged_minor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pricing_result zero;
    struct bytes bytes = {data, size};
    struct pricing_input input = take_input(&bytes);

    memset(&second, 0xff, sizeof(second));
    enum pricing_error error = pricing_compute(&input, &first);

    assert(pricing_compute(&input, &second) == error);
    assert(first.totals.total_minor == second.totals.total_minor);
    assert((error == PRICING_INVALID) == !is_in_range(&input));
    if (error == PRICING_OVERFLOW)
        assert(may_overflow(&input));
    if (error != PRICING_OK) {
        assert(memcmp(&first, &zero, sizeof(zero)) == 0);
        return 0;
    }
    check_lines(&input, &first);
    check_rest(&input, &first);
    return 0;
}
