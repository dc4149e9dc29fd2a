/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts: text to minor units, by the currency's decimals, to the last unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/money.h"

static void currencies_have_their_decimals(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int exponent;
    } cases[] = {{"EUR", 2},  {"USD", 2}, {"INR", 2},   {"JPY", 0}, {"KRW", 0},  {"KWD", 3},
                 {"BHD", 3},  {"TND", 3}, {"AED", 2},   {"ZWG", 2}, {"XPF", 0},  {"ISK", 0},
                 {"eur", -1}, {"EU", -1}, {"EURO", -1}, {"", -1},   {"XXX", -1}, {"E1R", -1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(money_currency_exponent(cases[i].code, strlen(cases[i].code)),
                         cases[i].exponent);
}

static void major_amounts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int exponent;
        enum money_parse result;
        int64_t minor;
    } cases[] = {
        {"12", 2, MONEY_OK, 1200},
        {"12.", 2, MONEY_OK, 1200},
        {"12.5", 2, MONEY_OK, 1250},
        {"12.05", 2, MONEY_OK, 1205},
        {".5", 2, MONEY_OK, 50},
        {"0", 2, MONEY_OK, 0},
        {"00012.50", 2, MONEY_OK, 1250},
        {"12.500000", 2, MONEY_OK, 1250},
        {"12.501", 2, MONEY_TOO_MANY_DECIMALS, 0},
        {"1200", 0, MONEY_OK, 1200},
        {"1200.00", 0, MONEY_OK, 1200},
        {"1200.5", 0, MONEY_TOO_MANY_DECIMALS, 0},
        {"1.234", 3, MONEY_OK, 1234},
        {"1.2", 3, MONEY_OK, 1200},
        {"10000000000", 2, MONEY_OK, PRICE_MINOR_MAX},
        {"10000000000.01", 2, MONEY_OUT_OF_RANGE, 0},
        {"99999999999999999999.00", 2, MONEY_OUT_OF_RANGE, 0},
        {"", 2, MONEY_MALFORMED, 0},
        {".", 2, MONEY_MALFORMED, 0},
        {"-1", 2, MONEY_MALFORMED, 0},
        {"+1", 2, MONEY_MALFORMED, 0},
        {"1,000.00", 2, MONEY_MALFORMED, 0},
        {"1.2.3", 2, MONEY_MALFORMED, 0},
        {"1e3", 2, MONEY_MALFORMED, 0},
        {"one", 2, MONEY_MALFORMED, 0},
        {" 1", 2, MONEY_MALFORMED, 0},
        {"\xe2\x82\xac"
         "5",
         2, MONEY_MALFORMED, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t minor = 0;
        assert_int_equal(
            money_parse_major(cases[i].text, strlen(cases[i].text), cases[i].exponent, &minor),
            cases[i].result);
        assert_int_equal(minor, cases[i].minor);
    }
}

static void minor_amounts(void **state)
{
    (void)state;
    int64_t minor = 0;

    assert_int_equal(money_parse_minor("1200", 4, &minor), MONEY_OK);
    assert_int_equal(minor, 1200);
    assert_int_equal(money_parse_minor("1000000000000", 13, &minor), MONEY_OK);
    assert_int_equal(money_parse_minor("1000000000001", 13, &minor), MONEY_OUT_OF_RANGE);
    assert_int_equal(money_parse_minor("18446744073709551617", 20, &minor), MONEY_OUT_OF_RANGE);
    assert_int_equal(money_parse_minor("12.0", 4, &minor), MONEY_MALFORMED);
    assert_int_equal(money_parse_minor("", 0, &minor), MONEY_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(currencies_have_their_decimals),
        cmocka_unit_test(major_amounts),
        cmocka_unit_test(minor_amounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
