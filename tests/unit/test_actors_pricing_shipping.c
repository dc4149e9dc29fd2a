/* SPDX-License-Identifier: Apache-2.0 */
/* Shipping by hand: flat, by weight, by price; free over an amount, or by a coupon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pricing_cart.h"

static void ship_by_table(enum shipping_kind kind, const struct pricing_shipping_row *rows,
                          uint32_t count)
{
    ship_flat(0, 0);
    method.kind = (uint8_t)kind;
    method.rows = rows;
    method.row_count = count;
}

static void expect_shipping(enum shipping_verdict verdict, int64_t list, int64_t charged)
{
    price();
    assert_int_equal(result.shipping.verdict, verdict);
    assert_int_equal(result.shipping.list_minor, list);
    assert_int_equal(result.shipping.charged_minor, charged);
    assert_int_equal(result.totals.shipping_minor, charged);
}

static void a_method_goes_where_it_says(void **state)
{
    (void)state;
    const uint16_t countries[] = {pricing_country("DE", 2), pricing_country("AT", 2)};

    add_line(1000, 1, RUNNER, SHOES);
    ship_flat(490, 0);
    go_to("FR");
    expect_shipping(SHIPPING_VERDICT_CHARGED, 490, 490);
    method.countries = countries;
    method.country_count = 2;
    expect_shipping(SHIPPING_VERDICT_COUNTRY_NOT_SERVED, 0, 0);
    go_to("AT");
    expect_shipping(SHIPPING_VERDICT_CHARGED, 490, 490);
    memcpy(method.currency, "CHF", 4);
    expect_shipping(SHIPPING_VERDICT_OTHER_CURRENCY, 0, 0);
    assert_false(pricing_shipping_stands(result.shipping.verdict));
}

static void weight_is_of_all_units(void **state)
{
    (void)state;
    static const struct pricing_shipping_row rows[] = {{1000, 490}, {5000, 690}, {31500, 1290}};

    go_to("DE");
    ship_by_table(SHIPPING_WEIGHT, rows, 3);
    add_line(1000, 3, RUNNER, SHOES)->weight_grams = 300;
    add_line(1000, 1, TEE, SHIRTS)->weight_grams = 100;
    expect_shipping(SHIPPING_VERDICT_CHARGED, 490, 490); /* 1,000 g: up to, inclusive */
    lines[1].weight_grams = 101;
    expect_shipping(SHIPPING_VERDICT_CHARGED, 690, 690);
    lines[1].weight_grams = 31500 - 900;
    expect_shipping(SHIPPING_VERDICT_CHARGED, 1290, 1290);
    lines[1].weight_grams++;
    expect_shipping(SHIPPING_VERDICT_BEYOND_TABLE, 0, 0);
    method.free_over_minor = 1; /* nobody carries it for nothing either */
    expect_shipping(SHIPPING_VERDICT_BEYOND_TABLE, 0, 0);
    lines[1].weight_grams = UINT32_C(1) << 31; /* twice that is more than 32 bits */
    lines[1].quantity = 2;
    lines[0].weight_grams = 0;
    expect_shipping(SHIPPING_VERDICT_BEYOND_TABLE, 0, 0);
    /* The heaviest cart there can be. */
    for (uint32_t i = 2; i < PRICING_LINES_MAX; i++)
        add_line(0, 1, TEE, SHIRTS);
    for (uint32_t i = 0; i < PRICING_LINES_MAX; i++) {
        lines[i].weight_grams = UINT32_MAX;
        lines[i].quantity = QUANTITY_MAX;
    }
    expect_shipping(SHIPPING_VERDICT_BEYOND_TABLE, 0, 0);
}

static void the_price_of_the_goods_is_after_discounts(void **state)
{
    (void)state;
    static const struct pricing_shipping_row rows[] = {{4999, 990}, {9999, 490}};

    go_to("DE");
    add_rate("DE", 0, 0, 10000, false); /* exclusive tax does not count */
    ship_by_table(SHIPPING_PRICE, rows, 2);
    add_line(5000, 1, RUNNER, SHOES);
    expect_shipping(SHIPPING_VERDICT_CHARGED, 490, 490);
    add_fixed(1);
    expect_shipping(SHIPPING_VERDICT_CHARGED, 990, 990);
    lines[0].unit_price_minor = 10001;
    expect_shipping(SHIPPING_VERDICT_BEYOND_TABLE, 0, 0);
    method.free_over_minor = 10000; /* the table need not go on there */
    expect_shipping(SHIPPING_VERDICT_FREE_OVER, 0, 0);
    lines[0].unit_price_minor = 10000;
    expect_shipping(SHIPPING_VERDICT_CHARGED, 490, 490);
    method.free_over_minor = 9999; /* from there on */
    expect_shipping(SHIPPING_VERDICT_FREE_OVER, 490, 0);
    assert_int_equal(result.shipping.tax.added_minor, 0);
}

static void a_row_may_go_on_for_ever(void **state)
{
    (void)state;
    static const struct pricing_shipping_row rows[] = {{999, 490}, {INT64_MAX, 90}};

    go_to("DE");
    ship_by_table(SHIPPING_PRICE, rows, 2);
    add_line(1000000000, 1, RUNNER, SHOES);
    expect_shipping(SHIPPING_VERDICT_CHARGED, 90, 90);
}

static void a_coupon_pays_for_shipping_once(void **state)
{
    (void)state;
    add_line(10000, 1, RUNNER, SHOES);
    add_rate("DE", 0, 0, 1900, false);
    add_coupon(COUPON_FREE_SHIPPING);
    add_coupon(COUPON_FREE_SHIPPING);
    price();
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_SHIPPING_PENDING);
    ship_flat(490, 0);
    price();
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_SHIPPING_PENDING);
    go_to("DE");
    expect_totals(10000, 0, 0, 1900, 11900); /* no tax on what is free, no discount */
    expect_shipping(SHIPPING_VERDICT_FREE_BY_COUPON, 490, 0);
    assert_int_equal(result.shipping.coupon, 0);
    assert_int_equal(result.coupons[0].shipping_minor, 490);
    assert_int_equal(result.coupons[0].discount_minor, 0);
    assert_int_equal(result.coupons[1].verdict, COUPON_VERDICT_NOTHING_LEFT);
    assert_true(pricing_shipping_stands(result.shipping.verdict));

    coupons[0].category_count = 1; /* one line in scope is enough; none is not */
    coupons[0].categories[0] = BOOKS;
    price();
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_OUT_OF_SCOPE);
    assert_int_equal(result.shipping.coupon, 1);
    add_line(1, 1, NOVEL, BOOKS);
    price();
    assert_int_equal(result.shipping.coupon, 0);

    method.free_over_minor = 10000;
    expect_shipping(SHIPPING_VERDICT_FREE_OVER, 490, 0);
    assert_int_equal(result.shipping.coupon, PRICING_NONE);
    assert_int_equal(result.coupons[0].verdict, COUPON_VERDICT_NOTHING_LEFT);
}

static void a_quote_needs_no_cart(void **state)
{
    (void)state;
    static const struct pricing_shipping_row rows[] = {{1000, 490}, {5000, 690}};
    const uint16_t country = pricing_country("DE", 2);
    int64_t list = -1;

    ship_by_table(SHIPPING_WEIGHT, rows, 2);
    method.free_over_minor = 5000;
    assert_int_equal(pricing_shipping_quote(&method, "EUR", country, 4999, 1001, &list),
                     SHIPPING_VERDICT_CHARGED);
    assert_int_equal(list, 690);
    assert_int_equal(pricing_shipping_quote(&method, "EUR", country, 5000, 1, &list),
                     SHIPPING_VERDICT_FREE_OVER);
    assert_int_equal(list, 490);
    assert_int_equal(pricing_shipping_quote(&method, "EUR", 0, 5000, 1, &list),
                     SHIPPING_VERDICT_NO_DESTINATION);
    assert_int_equal(list, 0);
    assert_int_equal(pricing_shipping_quote(&method, "USD", country, 5000, 1, &list),
                     SHIPPING_VERDICT_OTHER_CURRENCY);
}

static void tables_ascend(void **state)
{
    (void)state;
    struct pricing_shipping_row rows[] = {{1000, 490}, {5000, 690}};
    const uint16_t nowhere = 0;

    ship_by_table(SHIPPING_PRICE, rows, 2);
    assert_true(pricing_shipping_is_valid(&method));
    rows[1].up_to = 1000;
    assert_false(pricing_shipping_is_valid(&method));
    rows[1].up_to = 1001;
    rows[1].price_minor = -1;
    assert_false(pricing_shipping_is_valid(&method));
    rows[1].price_minor = 0;
    rows[0].up_to = -1;
    assert_false(pricing_shipping_is_valid(&method));
    rows[0].up_to = 0;
    assert_true(pricing_shipping_is_valid(&method));
    method.countries = &nowhere;
    method.country_count = 1;
    assert_false(pricing_shipping_is_valid(&method));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_method_goes_where_it_says, start),
        cmocka_unit_test_setup(weight_is_of_all_units, start),
        cmocka_unit_test_setup(the_price_of_the_goods_is_after_discounts, start),
        cmocka_unit_test_setup(a_row_may_go_on_for_ever, start),
        cmocka_unit_test_setup(a_coupon_pays_for_shipping_once, start),
        cmocka_unit_test_setup(a_quote_needs_no_cart, start),
        cmocka_unit_test_setup(tables_ascend, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
