/* SPDX-License-Identifier: Apache-2.0 */
/* Prices what it reads, for tests/pricing/run: a case is a run of decimal numbers on standard
 * input, its result one line of numbers on standard output; both are written down in `run`.
 *
 *   pricing-driver            cases until the end of the input
 *   pricing-driver --time     nanoseconds of one pricing of a usual cart, on this machine */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pricing.h"

enum { RATES_MAX = 1000, COUNTRIES_MAX = 250, ROWS_MAX = 64, TIMED = 2000000 };

static const char currencies[][4] = {"EUR", "USD", "JPY", "KWD"};

static struct pricing_line lines[PRICING_LINES_MAX];
static struct pricing_coupon coupons[PRICING_COUPONS_MAX];
static struct pricing_tax_rate rates[RATES_MAX];
static struct pricing_shipping_row rows[ROWS_MAX];
static uint16_t countries[COUNTRIES_MAX];

/* False at the end of the input. */
static bool read_number(int64_t *number_out)
{
    return scanf("%" SCNd64, number_out) == 1;
}

/* A number from 0 to `most`; the generator is ours, so anything else ends the program. */
static int64_t take(int64_t most)
{
    int64_t number;

    if (!read_number(&number) || number < 0 || number > most) {
        fputs("pricing-driver: a case is cut off, or a number is out of its range\n", stderr);
        exit(2);
    }
    return number;
}

static void take_currency(char currency[4])
{
    memcpy(currency, currencies[take(3)], 4);
}

static void take_line(struct pricing_line *line)
{
    line->unit_price_minor = take(INT64_MAX);
    line->quantity = (uint32_t)take(UINT32_MAX);
    line->product = (uint64_t)take(INT64_MAX);
    line->category = (uint64_t)take(INT64_MAX);
    line->weight_grams = (uint32_t)take(UINT32_MAX);
    take_currency(line->currency);
}

static void take_coupon(struct pricing_coupon *coupon)
{
    coupon->kind = (uint8_t)take(UINT8_MAX);
    coupon->stackable = take(1) == 1;
    take_currency(coupon->currency);
    coupon->percent_bp = (uint32_t)take(UINT32_MAX);
    coupon->buy = (uint32_t)take(UINT32_MAX);
    coupon->get = (uint32_t)take(UINT32_MAX);
    coupon->amount_minor = take(INT64_MAX);
    coupon->min_subtotal_minor = take(INT64_MAX);
    coupon->product_count = (uint8_t)take(COUPON_SCOPE_MAX);
    for (unsigned i = 0; i < coupon->product_count; i++)
        coupon->products[i] = (uint64_t)take(INT64_MAX);
    coupon->category_count = (uint8_t)take(COUPON_SCOPE_MAX);
    for (unsigned i = 0; i < coupon->category_count; i++)
        coupon->categories[i] = (uint64_t)take(INT64_MAX);
}

static void take_rate(struct pricing_tax_rate *rate)
{
    rate->country = (uint16_t)take(UINT16_MAX);
    rate->region = (uint64_t)take(INT64_MAX);
    rate->category = (uint64_t)take(INT64_MAX);
    rate->rate_bp = (uint32_t)take(UINT32_MAX);
    rate->inclusive = take(1) == 1;
}

static void take_method(struct pricing_shipping_method *method)
{
    method->kind = (uint8_t)take(UINT8_MAX);
    take_currency(method->currency);
    method->flat_minor = take(INT64_MAX);
    method->free_over_minor = take(INT64_MAX);
    method->country_count = (uint32_t)take(COUNTRIES_MAX);
    for (uint32_t i = 0; i < method->country_count; i++)
        countries[i] = (uint16_t)take(UINT16_MAX);
    method->row_count = (uint32_t)take(ROWS_MAX);
    for (uint32_t i = 0; i < method->row_count; i++) {
        rows[i].up_to = take(INT64_MAX);
        rows[i].price_minor = take(INT64_MAX);
    }
    method->countries = countries;
    method->rows = rows;
}

/* False at the end of the input. */
static bool take_case(struct pricing_input *input, struct pricing_shipping_method *method)
{
    int64_t country;

    if (!read_number(&country))
        return false;
    *input = (struct pricing_input){.lines = lines, .coupons = coupons, .tax_rates = rates};
    input->country = (uint16_t)country;
    input->region = (uint64_t)take(INT64_MAX);
    take_currency(input->currency);
    input->line_count = (uint32_t)take(PRICING_LINES_MAX);
    for (uint32_t i = 0; i < input->line_count; i++)
        take_line(&lines[i]);
    input->coupon_count = (uint32_t)take(PRICING_COUPONS_MAX);
    for (uint32_t i = 0; i < input->coupon_count; i++)
        take_coupon(&coupons[i]);
    input->tax_rate_count = (uint32_t)take(RATES_MAX);
    for (uint32_t i = 0; i < input->tax_rate_count; i++)
        take_rate(&rates[i]);
    if (take(1) == 1) {
        take_method(method);
        input->shipping = method;
    }
    return true;
}

static void put(int64_t number)
{
    printf(" %" PRId64, number);
}

/* An index, or -1. */
static void put_index(uint32_t index)
{
    put(index == PRICING_NONE ? -1 : (int64_t)index);
}

static void put_tax(const struct pricing_tax *tax)
{
    put(tax->added_minor);
    put(tax->included_minor);
    put_index(tax->rate);
}

static void put_result(const struct pricing_input *input, const struct pricing_result *result)
{
    put(result->totals.subtotal_minor);
    put(result->totals.discount_minor);
    put(result->totals.shipping_minor);
    put(result->totals.tax_minor);
    put(result->totals.total_minor);
    put(result->totals.tax_included_minor);
    put(result->shipping.verdict);
    put_index(result->shipping.coupon);
    put(result->shipping.list_minor);
    put(result->shipping.charged_minor);
    put_tax(&result->shipping.tax);
    for (uint32_t i = 0; i < input->line_count; i++) {
        put(result->lines[i].subtotal_minor);
        put(result->lines[i].discount_minor);
        put_tax(&result->lines[i].tax);
        put(result->lines[i].total_minor);
    }
    for (uint32_t c = 0; c < input->coupon_count; c++) {
        put(result->coupons[c].verdict);
        put(result->coupons[c].discount_minor);
        put(result->coupons[c].shipping_minor);
        for (uint32_t i = 0; i < input->line_count; i++)
            put(result->coupons[c].line_minor[i]);
    }
}

/* Three lines, a percentage off, forty tax rates of which two are the country's, flat shipping. */
static int time_it(void)
{
    const struct pricing_shipping_method method = {
        .kind = SHIPPING_FLAT, .currency = "EUR", .flat_minor = 490};
    const struct pricing_input input = {.currency = "EUR",
                                        .country = pricing_country("DE", 2),
                                        .lines = lines,
                                        .line_count = 3,
                                        .coupons = coupons,
                                        .coupon_count = 1,
                                        .tax_rates = rates,
                                        .tax_rate_count = 40,
                                        .shipping = &method};
    struct pricing_result result;
    struct timespec begin;
    struct timespec end;
    int64_t sum = 0;

    for (uint32_t i = 0; i < input.line_count; i++)
        lines[i] = (struct pricing_line){.unit_price_minor = 1999 + i,
                                         .quantity = 1 + i,
                                         .product = 1 + i,
                                         .category = 1 + i,
                                         .currency = "EUR"};
    coupons[0] = (struct pricing_coupon){.kind = COUPON_PERCENTAGE, .percent_bp = 1000};
    for (uint32_t i = 0; i < input.tax_rate_count; i++)
        rates[i] = (struct pricing_tax_rate){.country = (uint16_t)(1 + i), .rate_bp = 2000};
    rates[20] = (struct pricing_tax_rate){.country = input.country, .rate_bp = 1900};
    rates[30] = (struct pricing_tax_rate){.country = input.country, .category = 1, .rate_bp = 700};
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < TIMED; i++) {
        lines[0].unit_price_minor = 1999 + i % 100;
        if (pricing_compute(&input, &result) != PRICING_OK)
            return 1;
        sum += result.totals.total_minor;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);

    printf("%.0f ns a pricing of 3 lines (1 coupon, 40 tax rates; checksum %" PRId64 ")\n",
           ns / TIMED, sum);
    return 0;
}

int main(int count, char **arguments)
{
    struct pricing_shipping_method method;
    struct pricing_input input;
    struct pricing_result result;

    if (count == 2 && strcmp(arguments[1], "--time") == 0)
        return time_it();
    while (take_case(&input, &method)) {
        enum pricing_error error = pricing_compute(&input, &result);

        printf("%d", (int)error);
        if (error == PRICING_OK)
            put_result(&input, &result);
        putchar('\n');
    }
    return 0;
}
