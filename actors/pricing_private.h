/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of pricing share; the rules stand in pricing.h. */
#ifndef STAMPEDE_PRICING_PRIVATE_H
#define STAMPEDE_PRICING_PRIVATE_H

#include "pricing.h"

/* One pricing under way. */
struct pricing_work {
    const struct pricing_input *input;
    struct pricing_result *result;
    uint32_t rates[PRICING_LINES_MAX]; /* of each line: an index, or PRICING_NONE */
    uint32_t shipping_rate;
    int64_t left_minor[PRICING_LINES_MAX]; /* of each line, after the coupons applied so far */
    uint32_t units_free[PRICING_LINES_MAX];
    bool coupon_taken[PRICING_COUPONS_MAX];
};

/* "" is none: three upper case letters and a zero. */
bool pricing_currency_is_valid(const char currency[4]);

/* Finds the rates of the lines and of shipping. False: one of the destination's is out of range. */
bool pricing_choose_rates(struct pricing_work *work);

/* The tax of an amount by one rate (or PRICING_NONE). False: it does not fit. */
bool pricing_tax_of(const struct pricing_input *input, uint32_t rate, int64_t amount_minor,
                    struct pricing_tax *tax_out);

/* Which coupons are taken, and what they take off the lines; the lines' subtotals and the totals'
 * are there. Of free_shipping only the verdicts of those not taken are set. */
void pricing_apply_coupons(struct pricing_work *work);

/* Shipping's price, and the verdicts of free_shipping; after the lines' discounts. */
void pricing_apply_shipping(struct pricing_work *work);

#endif
