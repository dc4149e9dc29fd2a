/* SPDX-License-Identifier: Apache-2.0 */
/* A cart to be priced, for the unit tests of pricing: small helpers that fill in an input, and say
 * what is expected of the result. One cart a program; `start` is a test's setup. */
#ifndef STAMPEDE_PRICING_CART_H
#define STAMPEDE_PRICING_CART_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pricing.h"

enum { SHOES = 11, SHIRTS = 12, BOOKS = 13, RUNNER = 101, TEE = 102, NOVEL = 103 };

static struct pricing_line lines[PRICING_LINES_MAX + 1];
static struct pricing_coupon coupons[PRICING_COUPONS_MAX + 1];
static struct pricing_tax_rate rates[8];
static struct pricing_shipping_method method;
static struct pricing_input input;
static struct pricing_result result;

static inline int start(void **state)
{
    (void)state;
    memset(lines, 0, sizeof(lines));
    memset(coupons, 0, sizeof(coupons));
    memset(rates, 0, sizeof(rates));
    memset(&method, 0, sizeof(method));
    input = (struct pricing_input){
        .currency = "EUR", .lines = lines, .coupons = coupons, .tax_rates = rates};
    return 0;
}

static inline struct pricing_line *add_line(int64_t price, uint32_t quantity, uint64_t product,
                                            uint64_t category)
{
    struct pricing_line *line = &lines[input.line_count++];

    *line = (struct pricing_line){.unit_price_minor = price,
                                  .quantity = quantity,
                                  .product = product,
                                  .category = category,
                                  .weight_grams = 100};
    memcpy(line->currency, input.currency, sizeof(line->currency));
    return line;
}

static inline struct pricing_coupon *add_coupon(enum coupon_kind kind)
{
    struct pricing_coupon *coupon = &coupons[input.coupon_count++];

    *coupon = (struct pricing_coupon){.kind = (uint8_t)kind, .stackable = true};
    memcpy(coupon->currency, input.currency, sizeof(coupon->currency));
    return coupon;
}

static inline void add_percentage(uint32_t percent_bp)
{
    add_coupon(COUPON_PERCENTAGE)->percent_bp = percent_bp;
}

static inline void add_fixed(int64_t amount)
{
    add_coupon(COUPON_FIXED)->amount_minor = amount;
}

static inline struct pricing_coupon *add_buy_get(uint32_t buy, uint32_t get)
{
    struct pricing_coupon *coupon = add_coupon(COUPON_BUY_X_GET_Y);

    coupon->buy = buy;
    coupon->get = get;
    return coupon;
}

static inline void add_rate(const char *country, uint64_t region, uint64_t category,
                            uint32_t rate_bp, bool inclusive)
{
    rates[input.tax_rate_count++] =
        (struct pricing_tax_rate){.country = pricing_country(country, 2),
                                  .region = region,
                                  .category = category,
                                  .rate_bp = rate_bp,
                                  .inclusive = inclusive};
}

static inline void ship_flat(int64_t price, int64_t free_over)
{
    method = (struct pricing_shipping_method){
        .kind = SHIPPING_FLAT, .flat_minor = price, .free_over_minor = free_over};
    memcpy(method.currency, input.currency, sizeof(method.currency));
    input.shipping = &method;
}

static inline void go_to(const char *country)
{
    input.country = pricing_country(country, 2);
}

static inline void price(void)
{
    assert_int_equal(pricing_compute(&input, &result), PRICING_OK);
}

static inline void expect_totals(int64_t subtotal, int64_t discount, int64_t shipping, int64_t tax,
                                 int64_t total)
{
    price();
    assert_int_equal(result.totals.subtotal_minor, subtotal);
    assert_int_equal(result.totals.discount_minor, discount);
    assert_int_equal(result.totals.shipping_minor, shipping);
    assert_int_equal(result.totals.tax_minor, tax);
    assert_int_equal(result.totals.total_minor, total);
    assert_int_equal(total, subtotal - discount + shipping + tax);
}

static inline void expect_discounts(const int64_t *expected)
{
    price();
    for (uint32_t i = 0; i < input.line_count; i++)
        assert_int_equal(result.lines[i].discount_minor, expected[i]);
}
#define EXPECT_DISCOUNTS(...) expect_discounts((const int64_t[]){__VA_ARGS__})

static inline void expect_all_zero(enum pricing_error error)
{
    static const struct pricing_result zero;

    memset(&result, 0xff, sizeof(result));
    assert_int_equal(pricing_compute(&input, &result), error);
    assert_memory_equal(&result, &zero, sizeof(result));
}

#endif
