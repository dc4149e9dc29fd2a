/* SPDX-License-Identifier: Apache-2.0 */
/* Which tax rate is a line's, and what tax it makes. */
#include "pricing_private.h"

#include "minor_units.h"

/* 0: no rate yet. A region goes before a category: see pricing.h. */
static unsigned specificity(const struct pricing_tax_rate *rate)
{
    return 1u + (rate->category != 0 ? 1u : 0u) + (rate->region != 0 ? 2u : 0u);
}

bool pricing_tax_rate_is_valid(const struct pricing_tax_rate *rate)
{
    return rate->country != 0 && rate->rate_bp <= TAX_RATE_BP_MAX;
}

bool pricing_choose_rates(struct pricing_work *work)
{
    const struct pricing_input *input = work->input;
    unsigned line_best[PRICING_LINES_MAX] = {0};
    unsigned shipping_best = 0;

    work->shipping_rate = PRICING_NONE;
    for (uint32_t i = 0; i < input->line_count; i++)
        work->rates[i] = PRICING_NONE;
    if (input->country == 0)
        return true;
    for (uint32_t r = 0; r < input->tax_rate_count; r++) {
        const struct pricing_tax_rate *rate = &input->tax_rates[r];

        if (rate->country != input->country)
            continue;
        if (!pricing_tax_rate_is_valid(rate))
            return false;
        if (rate->region != 0 && rate->region != input->region)
            continue;
        unsigned found = specificity(rate);

        if (rate->category == 0 && found > shipping_best) {
            shipping_best = found;
            work->shipping_rate = r;
        }
        for (uint32_t i = 0; i < input->line_count; i++) {
            if (rate->category != 0 && rate->category != input->lines[i].category)
                continue;
            if (found > line_best[i]) {
                line_best[i] = found;
                work->rates[i] = r;
            }
        }
    }
    return true;
}

bool pricing_tax_of(const struct pricing_input *input, uint32_t rate, int64_t amount_minor,
                    struct pricing_tax *tax_out)
{
    *tax_out = (struct pricing_tax){.rate = rate};
    if (rate == PRICING_NONE)
        return true;
    int64_t rate_bp = input->tax_rates[rate].rate_bp;

    tax_out->rate_bp = input->tax_rates[rate].rate_bp;
    tax_out->inclusive = input->tax_rates[rate].inclusive;
    if (tax_out->inclusive)
        return minor_scale(amount_minor, rate_bp, BASIS_POINTS + rate_bp, &tax_out->included_minor);
    return minor_scale(amount_minor, rate_bp, BASIS_POINTS, &tax_out->added_minor);
}
