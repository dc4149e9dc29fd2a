/* SPDX-License-Identifier: Apache-2.0 */
/* Pricing by hand: each expected amount was worked out on paper, and the comment says how. The
 * whole of it is held against exact rational arithmetic by tests/pricing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "minor_units.h"
#include "pricing_cart.h"

/* ---- lines, and what is not known yet ---- */

static void before_a_destination_there_is_neither_tax_nor_shipping(void **state)
{
    (void)state;
    add_line(14900, 2, RUNNER, SHOES);
    add_line(1999, 3, TEE, SHIRTS);
    add_rate("DE", 0, 0, 1900, false);
    ship_flat(490, 0);
    expect_totals(35797, 0, 0, 0, 35797);
    assert_int_equal(result.shipping.verdict, SHIPPING_VERDICT_NO_DESTINATION);
    assert_int_equal(result.lines[0].tax.rate, PRICING_NONE);

    input.shipping = NULL;
    go_to("DE");
    expect_totals(35797, 0, 0, 6801, 42598); /* 5662 + 1139.43 */
    assert_int_equal(result.shipping.verdict, SHIPPING_VERDICT_NOT_CHOSEN);
    assert_int_equal(result.shipping.tax.rate, PRICING_NONE);
    go_to("FR"); /* no rate */
    expect_totals(35797, 0, 0, 0, 35797);
}

static void currencies_without_or_with_three_decimals_are_no_exception(void **state)
{
    (void)state;
    /* 1,001 yen at 10 %: 100.1 yen of tax; 15 % off: 150.15 yen. */
    memcpy(input.currency, "JPY", 4);
    add_line(1001, 1, RUNNER, SHOES);
    add_rate("JP", 0, 0, 1000, false);
    go_to("JP");
    expect_totals(1001, 0, 0, 100, 1101);
    add_percentage(1500);
    expect_totals(1001, 150, 0, 85, 936); /* 851 * 0.1 = 85.1 */

    /* 12.345 dinars at 5 %: 0.61725. */
    start(NULL);
    memcpy(input.currency, "KWD", 4);
    add_line(12345, 1, RUNNER, SHOES);
    add_rate("KW", 0, 0, 500, false);
    go_to("KW");
    expect_totals(12345, 0, 0, 617, 12962);
}

/* ---- coupons ---- */

static void a_percentage_is_rounded_once_and_spread(void **state)
{
    (void)state;
    /* 10 % of 3 * 3.35 = 10.05 is 1.005: 1.01; a line alone would be 0.34, three 1.02. Shares
     * 33.67 each; two units over, to the first two of equal remainders. */
    for (unsigned i = 0; i < 3; i++)
        add_line(335, 1, RUNNER, SHOES);
    add_percentage(1000);
    expect_totals(1005, 101, 0, 0, 904);
    EXPECT_DISCOUNTS(34, 34, 33);
    assert_int_equal(result.coupons[0].line_minor[1], 34);
    assert_int_equal(result.coupons[0].discount_minor, 101);
}

static void half_a_unit_goes_up_and_less_goes_away(void **state)
{
    (void)state;
    add_line(1, 1, RUNNER, SHOES);
    add_percentage(5000); /* 0.5 */
    expect_totals(1, 1, 0, 0, 0);
    coupons[0].percent_bp = 4999;
    expect_totals(1, 0, 0, 0, 1);
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_NOTHING_LEFT);
}

static void remainders_go_to_the_largest(void **state)
{
    (void)state;
    /* 1.00 over 1.00, 2.00 and 4.00: 14.29, 28.57, 57.14: down 14 + 28 + 57, one left, to 0.57. */
    add_line(100, 1, RUNNER, SHOES);
    add_line(200, 1, TEE, SHIRTS);
    add_line(400, 1, NOVEL, BOOKS);
    add_fixed(100);
    EXPECT_DISCOUNTS(14, 29, 57);
    /* 0.01 over three: to the dearest, whose remainder is greatest. */
    coupons[0].amount_minor = 1;
    EXPECT_DISCOUNTS(0, 0, 1);
}

static void nothing_falls_below_zero(void **state)
{
    (void)state;
    /* The trap: 99 % off 100.00, then 5.00 off the 1.00 that is left. */
    add_line(10000, 1, RUNNER, SHOES);
    add_fixed(500); /* given first, applied second */
    add_percentage(9900);
    add_fixed(1);
    expect_totals(10000, 10000, 0, 0, 0);
    assert_int_equal(result.coupons[1].discount_minor, 9900);
    assert_int_equal(result.coupons[0].discount_minor, 100);
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_APPLIED);
    assert_int_equal(result.coupons[2].verdict, COUPON_VERDICT_NOTHING_LEFT);
    assert_int_equal(result.coupons[2].discount_minor, 0);
}

static void percentages_follow_one_another(void **state)
{
    (void)state;
    add_line(10000, 1, RUNNER, SHOES);
    add_percentage(1000);
    add_percentage(2000);
    expect_totals(10000, 2800, 0, 0, 7200); /* 10 % of 100, 20 % of 90 */
}

static void the_cheapest_units_are_free(void **state)
{
    (void)state;
    /* Five units: 50, 30, 30, 20, 20; buy 2 get 1: one whole group, so one unit, a 20. */
    add_line(5000, 1, RUNNER, SHOES);
    add_line(2000, 2, TEE, SHIRTS);
    add_line(3000, 2, NOVEL, BOOKS);
    add_buy_get(2, 1);
    expect_totals(15000, 2000, 0, 0, 13000);
    EXPECT_DISCOUNTS(0, 2000, 0);
    /* Buy 1 get 1: two groups: both 20s. */
    coupons[0].buy = 1;
    EXPECT_DISCOUNTS(0, 4000, 0);
    /* Buy 1 get 4: one group: all but the dearest. */
    coupons[0].get = 4;
    EXPECT_DISCOUNTS(0, 4000, 6000);
    /* Buy 1 get 5: six units would make a group. */
    coupons[0].get = 5;
    EXPECT_DISCOUNTS(0, 0, 0);
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_TOO_FEW_UNITS);
    /* Only shoes and books: three units, one group of 1 + 1: a 30. */
    coupons[0].get = 1;
    coupons[0].category_count = 2;
    coupons[0].categories[0] = SHOES;
    coupons[0].categories[1] = BOOKS;
    EXPECT_DISCOUNTS(0, 0, 3000);
    /* Of equal prices the earlier line. */
    lines[0].unit_price_minor = 3000;
    EXPECT_DISCOUNTS(3000, 0, 0);
}

static void a_free_unit_is_neither_bought_nor_given_again(void **state)
{
    (void)state;
    /* Six at 10: buy 2 get 1 frees two; four are left: one whole group of three, one more. */
    add_line(1000, 6, RUNNER, SHOES);
    add_buy_get(2, 1);
    add_buy_get(2, 1);
    expect_totals(6000, 3000, 0, 0, 3000);
    assert_int_equal(result.coupons[0].discount_minor, 2000);
    assert_int_equal(result.coupons[1].discount_minor, 1000);
    /* Three: one is free, two are left, no group. */
    lines[0].quantity = 3;
    expect_totals(3000, 1000, 0, 0, 2000);
    assert_int_equal(result.coupons[1].verdict, COUPON_VERDICT_NOTHING_LEFT);
}

static void free_units_come_before_what_is_off_the_rest(void **state)
{
    (void)state;
    /* Two at 10: one is free at its price, 10 % and then 1.00 are off the other. */
    add_line(1000, 2, RUNNER, SHOES);
    add_fixed(100);
    add_percentage(1000);
    add_buy_get(1, 1);
    expect_totals(2000, 1200, 0, 0, 800);
    assert_int_equal(result.coupons[0].discount_minor, 100);
    assert_int_equal(result.coupons[1].discount_minor, 100);
    assert_int_equal(result.coupons[2].discount_minor, 1000);
}

static void a_scope_is_products_or_categories(void **state)
{
    (void)state;
    add_line(10000, 1, RUNNER, SHOES);
    add_line(2000, 1, TEE, SHIRTS);
    add_line(1000, 1, NOVEL, BOOKS);
    add_line(500, 1, 999, 0); /* no category: matches no list */
    struct pricing_coupon *coupon = add_coupon(COUPON_PERCENTAGE);
    coupon->percent_bp = 1000;
    coupon->product_count = coupon->category_count = 1;
    coupon->products[0] = RUNNER;
    coupon->categories[0] = BOOKS;
    EXPECT_DISCOUNTS(1000, 0, 100, 0);
    coupon->categories[0] = RUNNER; /* a product's label is no category */
    EXPECT_DISCOUNTS(1000, 0, 0, 0);
    coupon->products[0] = 4711;
    EXPECT_DISCOUNTS(0, 0, 0, 0);
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_OUT_OF_SCOPE);
}

static void the_minimum_is_of_the_whole_cart_before_discounts(void **state)
{
    (void)state;
    add_line(4000, 1, RUNNER, SHOES);
    add_line(6000, 1, TEE, SHIRTS);
    add_percentage(5000);
    add_fixed(1000);
    coupons[1].min_subtotal_minor = 10000; /* 100.00, though 50.00 are left */
    coupons[1].category_count = 1;
    coupons[1].categories[0] = SHOES;
    expect_totals(10000, 6000, 0, 0, 4000);
    EXPECT_DISCOUNTS(3000, 3000);
    coupons[1].min_subtotal_minor = 10001;
    expect_totals(10000, 5000, 0, 0, 5000);
    assert_int_equal(result.coupons[1].verdict, COUPON_VERDICT_BELOW_MINIMUM);
}

static void amounts_of_another_currency_do_not_count(void **state)
{
    (void)state;
    add_line(4000, 1, RUNNER, SHOES);
    add_fixed(100);
    add_percentage(1000);
    add_percentage(1000);
    for (unsigned c = 0; c < 3; c++)
        memcpy(coupons[c].currency, "USD", 4);
    coupons[2].min_subtotal_minor = 1;
    expect_totals(4000, 400, 0, 0, 3600);
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_OTHER_CURRENCY);
    assert_int_equal(result.coupons[1].verdict, COUPON_VERDICT_APPLIED); /* names no amount */
    assert_int_equal(result.coupons[2].verdict, COUPON_VERDICT_OTHER_CURRENCY);
}

static void what_does_not_stack_stands_alone(void **state)
{
    (void)state;
    add_line(10000, 1, RUNNER, SHOES);
    add_fixed(100);
    add_fixed(200);
    add_fixed(400);
    coupons[1].stackable = false;
    expect_totals(10000, 500, 0, 0, 9500); /* the first, the third */
    assert_int_equal(result.coupons[1].verdict, COUPON_VERDICT_NOT_COMBINABLE);
    coupons[0].stackable = false; /* the first taken stands alone */
    expect_totals(10000, 100, 0, 0, 9900);
    assert_int_equal(result.coupons[2].verdict, COUPON_VERDICT_NOT_COMBINABLE);
    coupons[0].min_subtotal_minor = 20000; /* not eligible: in nobody's way */
    expect_totals(10000, 200, 0, 0, 9800);
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_BELOW_MINIMUM);
    assert_int_equal(result.coupons[2].verdict, COUPON_VERDICT_NOT_COMBINABLE);
}

/* ---- taxes ---- */

static void tax_is_rounded_half_up_per_line(void **state)
{
    (void)state;
    go_to("US");
    add_rate("US", 0, 0, 500, false);
    add_line(10, 1, RUNNER, SHOES); /* 0.5: 1 */
    add_line(9, 1, RUNNER, SHOES);  /* 0.45: 0 */
    add_line(30, 1, RUNNER, SHOES); /* 1.5: 2; to even would be 2, too */
    add_line(50, 1, RUNNER, SHOES); /* 2.5: 3; to even would be 2 */
    expect_totals(99, 0, 0, 6, 105);
    assert_int_equal(result.lines[0].tax.added_minor, 1);
    assert_int_equal(result.lines[1].tax.added_minor, 0);
    assert_int_equal(result.lines[2].tax.added_minor, 2);
    assert_int_equal(result.lines[3].tax.added_minor, 3);
    assert_int_equal(result.lines[3].total_minor, 53);
}

static void inclusive_tax_is_contained_and_told_apart(void **state)
{
    (void)state;
    go_to("DE");
    add_rate("DE", 0, 0, 1900, true);
    add_line(11900, 1, RUNNER, SHOES); /* 119.00: 19.00 */
    add_line(100, 1, TEE, SHIRTS);     /* 1.00: 15.966: 0.16 */
    ship_flat(490, 0);                 /* 4.90: 78.235: 0.78 */
    expect_totals(12000, 0, 490, 0, 12490);
    assert_int_equal(result.totals.tax_included_minor, 1900 + 16 + 78);
    assert_int_equal(result.lines[0].tax.included_minor, 1900);
    assert_int_equal(result.lines[1].tax.included_minor, 16);
    assert_int_equal(result.shipping.tax.included_minor, 78);
    assert_true(result.lines[0].tax.inclusive);
    assert_int_equal(result.lines[0].tax.rate_bp, 1900);
    /* At 100 % half of the price is tax: of 3, 1.5: 2. */
    rates[0].rate_bp = 10000;
    lines[1].unit_price_minor = 3;
    price();
    assert_int_equal(result.lines[1].tax.included_minor, 2);
}

static void tax_follows_the_discount(void **state)
{
    (void)state;
    go_to("DE");
    add_rate("DE", 0, 0, 1900, false);
    add_rate("DE", 0, BOOKS, 700, true);
    add_line(10000, 1, RUNNER, SHOES);
    add_line(1070, 1, NOVEL, BOOKS);
    add_percentage(5000); /* 55.35: 50.00 and 5.35 */
    expect_totals(11070, 5535, 0, 950, 6485);
    assert_int_equal(result.totals.tax_included_minor, 35); /* 5.35 / 1.07 = 5.00 */
    assert_int_equal(result.lines[0].tax.rate, 0);
    assert_int_equal(result.lines[1].tax.rate, 1);
    assert_int_equal(result.lines[1].total_minor, 535);
}

static void the_most_specific_rate_wins(void **state)
{
    (void)state;
    enum { CANARY = 71, BAVARIA = 72 };

    add_line(10000, 1, NOVEL, BOOKS);
    add_line(10000, 1, RUNNER, SHOES);
    ship_flat(1000, 0);
    add_rate("ES", CANARY, BOOKS, 100, false);
    add_rate("ES", 0, BOOKS, 400, false);
    add_rate("ES", 0, 0, 2100, false);
    add_rate("ES", 0, 0, 9900, false); /* alike: the earlier holds */
    add_rate("ES", CANARY, 0, 700, false);
    add_rate("DE", CANARY, BOOKS, 9900, false);

    go_to("ES");
    input.region = BAVARIA;
    expect_totals(20000, 0, 1000, 400 + 2100 + 210, 23710);
    input.region = 0;
    expect_totals(20000, 0, 1000, 400 + 2100 + 210, 23710);
    assert_int_equal(result.lines[0].tax.rate, 1);
    assert_int_equal(result.shipping.tax.rate, 2);
    input.region = CANARY;
    expect_totals(20000, 0, 1000, 100 + 700 + 70, 21870);
    assert_int_equal(result.shipping.tax.rate, 4);
    /* The region's rate of everything goes before the country's of books. */
    rates[0].region = BAVARIA;
    expect_totals(20000, 0, 1000, 700 + 700 + 70, 22470);
    /* Without a rate of everything shipping is not taxed. */
    input.tax_rate_count = 2;
    input.region = 0;
    expect_totals(20000, 0, 1000, 400, 21400);
    assert_int_equal(result.shipping.tax.rate, PRICING_NONE);
}

/* ---- what is not in range, and what does not fit ---- */

static void what_is_out_of_range_is_refused(void **state)
{
    (void)state;
    expect_all_zero(PRICING_INVALID); /* no line */
    add_line(100, 1, RUNNER, SHOES);
    price();
#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        __typeof__(field) saved = field;                                                           \
        field = value;                                                                             \
        expect_all_zero(PRICING_INVALID);                                                          \
        field = saved;                                                                             \
        price();                                                                                   \
    } while (0)
    REFUSED(input.line_count, PRICING_LINES_MAX + 1);
    REFUSED(input.coupon_count, PRICING_COUPONS_MAX + 1);
    REFUSED(input.currency[0], 'e');
    REFUSED(lines[0].quantity, 0);
    REFUSED(lines[0].quantity, QUANTITY_MAX + 1);
    REFUSED(lines[0].unit_price_minor, -1);
    add_coupon(COUPON_FIXED)->amount_minor = 1;
    REFUSED(coupons[0].amount_minor, 0);
    REFUSED(coupons[0].kind, COUPON_KIND_COUNT);
    REFUSED(coupons[0].min_subtotal_minor, -1);
    REFUSED(coupons[0].product_count, COUPON_SCOPE_MAX + 1);
    REFUSED(coupons[0].category_count, COUPON_SCOPE_MAX + 1);
    REFUSED(coupons[0].category_count, 1); /* of a label 0 */
    REFUSED(coupons[0].currency[1], 0);
    coupons[0] = (struct pricing_coupon){.kind = COUPON_PERCENTAGE, .percent_bp = 10000};
    REFUSED(coupons[0].percent_bp, 0);
    REFUSED(coupons[0].percent_bp, 10001);
    coupons[0] = (struct pricing_coupon){.kind = COUPON_BUY_X_GET_Y, .buy = 1, .get = 1};
    REFUSED(coupons[0].buy, 0);
    REFUSED(coupons[0].get, 0);
    REFUSED(coupons[0].buy, QUANTITY_MAX + 1);
    REFUSED(coupons[0].get, QUANTITY_MAX + 1);
    go_to("DE");
    add_rate("DE", 0, 0, TAX_RATE_BP_MAX, false);
    REFUSED(rates[0].rate_bp, TAX_RATE_BP_MAX + 1);
    ship_flat(1, 1);
    REFUSED(method.flat_minor, -1);
    REFUSED(method.free_over_minor, -1);
    REFUSED(method.kind, SHIPPING_KIND_COUNT);
    REFUSED(method.kind, SHIPPING_WEIGHT); /* no row */
    REFUSED(method.currency[2], 'r');
    memcpy(lines[0].currency, "USD", 4);
    expect_all_zero(PRICING_CURRENCY);
    rates[0].rate_bp++; /* ranges first: they are a fault of the shop's, not of the cart's */
    expect_all_zero(PRICING_INVALID);
#undef REFUSED
}

static void nothing_wraps(void **state)
{
    (void)state;
    /* The greatest price that fits, to the unit. */
    add_line(INT64_MAX, 1, RUNNER, SHOES);
    expect_totals(INT64_MAX, 0, 0, 0, INT64_MAX);
    lines[0].quantity = 2;
    expect_all_zero(PRICING_OVERFLOW);
    lines[0].quantity = 1;
    add_line(1, 1, TEE, SHIRTS);
    expect_all_zero(PRICING_OVERFLOW);
    lines[1].unit_price_minor = 0;
    price();
    /* A discount makes room for shipping, and for tax, to the unit. */
    go_to("DE");
    ship_flat(1, 0);
    expect_all_zero(PRICING_OVERFLOW);
    add_fixed(1);
    expect_totals(INT64_MAX, 1, 1, 0, INT64_MAX);
    add_rate("DE", 0, 0, 1, false);
    expect_all_zero(PRICING_OVERFLOW);
    rates[0].inclusive = true;
    expect_totals(INT64_MAX, 1, 1, 0, INT64_MAX);
    rates[0].inclusive = false;
    coupons[0].amount_minor = INT64_MAX;
    expect_totals(INT64_MAX, INT64_MAX, 1, 0, 1);
    rates[0].rate_bp = TAX_RATE_BP_MAX;
    method.flat_minor = INT64_MAX;
    expect_all_zero(PRICING_OVERFLOW);
}

static void amounts_are_scaled_through_128_bits(void **state)
{
    (void)state;
    int64_t out = -1;

    assert_true(minor_scale(INT64_MAX, 10000, 10000, &out) && out == INT64_MAX);
    assert_true(minor_scale(INT64_MAX, 1, 2, &out) && out == INT64_C(1) << 62); /* .5 up */
    assert_true(minor_scale(25, 1, 10, &out) && out == 3);
    assert_true(minor_scale(24, 1, 10, &out) && out == 2);
    assert_true(minor_scale(0, 5, 1, &out) && out == 0);
    out = -1;
    assert_false(minor_scale(INT64_MAX, 10001, 10000, &out));
    assert_false(minor_add(INT64_MAX, 1, &out));
    assert_false(minor_add(INT64_MIN, -1, &out));
    assert_false(minor_multiply(INT64_MAX / 2 + 1, 2, &out));
    assert_int_equal(out, -1);
}

static void names_match_as_shops_mean_them(void **state)
{
    (void)state;
    char a[200];
    char b[200];

    assert_true(pricing_label("Sneakers", 8) == pricing_label("sNEAKERS", 8));
    assert_true(pricing_label("sneakers", 8) != pricing_label("sneaker", 7));
    assert_true(pricing_label("", 0) == 0 && pricing_product_label("", 0) == 0);
    assert_true(pricing_product_label("AB", 2) != pricing_product_label("ab", 2));
    assert_true(pricing_product_label("ab", 2) != pricing_label("ab", 2));
    assert_true(pricing_country("de", 2) == pricing_country("DE", 2));
    assert_true(pricing_country("DE", 2) != pricing_country("ED", 2));
    assert_int_equal(pricing_country("DEU", 3), 0);
    assert_int_equal(pricing_country("D1", 2), 0);
    /* Every byte counts, of long names, too; so does the length. */
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 'y';
        assert_true(pricing_label(a, sizeof(a)) != pricing_label(b, sizeof(b)));
        b[i] = 'x';
        assert_true(pricing_label(a, i) != pricing_label(a, i + 1));
    }
    /* Stored in coupons and tax rates: these may never change. */
    assert_true(pricing_label("sneakers", 8) == UINT64_C(0xee7b7e60b238bedc));
    assert_true(pricing_product_label("aurora-runner", 13) == UINT64_C(0x2443d6d78c203237));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, start)
    const struct CMUnitTest tests[] = {
        T(before_a_destination_there_is_neither_tax_nor_shipping),
        T(currencies_without_or_with_three_decimals_are_no_exception),
        T(a_percentage_is_rounded_once_and_spread),
        T(half_a_unit_goes_up_and_less_goes_away),
        T(remainders_go_to_the_largest),
        T(nothing_falls_below_zero),
        T(percentages_follow_one_another),
        T(the_cheapest_units_are_free),
        T(a_free_unit_is_neither_bought_nor_given_again),
        T(free_units_come_before_what_is_off_the_rest),
        T(a_scope_is_products_or_categories),
        T(the_minimum_is_of_the_whole_cart_before_discounts),
        T(amounts_of_another_currency_do_not_count),
        T(what_does_not_stack_stands_alone),
        T(tax_is_rounded_half_up_per_line),
        T(inclusive_tax_is_contained_and_told_apart),
        T(tax_follows_the_discount),
        T(the_most_specific_rate_wins),
        T(what_is_out_of_range_is_refused),
        T(nothing_wraps),
        T(amounts_are_scaled_through_128_bits),
        T(names_match_as_shops_mean_them),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
