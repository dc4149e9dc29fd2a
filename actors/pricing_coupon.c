/* SPDX-License-Identifier: Apache-2.0 */
/* Which coupons are taken, and what they take off which line. */
#include "pricing_private.h"

#include <assert.h>
#include <string.h>

#include "minor_units.h"

/* A set of lines, by index. */
struct scope {
    uint8_t lines[PRICING_LINES_MAX];
    uint32_t count;
    uint64_t units; /* of all of them */
};

static bool is_label_list_valid(const uint64_t *labels, uint32_t count)
{
    if (count > COUPON_SCOPE_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (labels[i] == 0)
            return false;
    }
    return true;
}

bool pricing_coupon_is_valid(const struct pricing_coupon *coupon)
{
    bool names_amount = coupon->kind == COUPON_FIXED || coupon->min_subtotal_minor != 0;

    if (coupon->min_subtotal_minor < 0 ||
        !is_label_list_valid(coupon->products, coupon->product_count) ||
        !is_label_list_valid(coupon->categories, coupon->category_count) ||
        (names_amount && !pricing_currency_is_valid(coupon->currency)))
        return false;
    switch (coupon->kind) {
    case COUPON_PERCENTAGE:
        return coupon->percent_bp >= 1 && coupon->percent_bp <= BASIS_POINTS;
    case COUPON_FIXED:
        return coupon->amount_minor >= 1;
    case COUPON_FREE_SHIPPING:
        return true;
    case COUPON_BUY_X_GET_Y:
        return coupon->buy >= 1 && coupon->buy <= QUANTITY_MAX && coupon->get >= 1 &&
               coupon->get <= QUANTITY_MAX;
    default:
        return false;
    }
}

static bool holds(const uint64_t *labels, uint32_t count, uint64_t label)
{
    for (uint32_t i = 0; i < count; i++) {
        if (labels[i] == label)
            return true;
    }
    return false;
}

static struct scope find_scope(const struct pricing_input *input,
                               const struct pricing_coupon *coupon)
{
    struct scope scope = {.count = 0};
    bool is_everything = coupon->product_count == 0 && coupon->category_count == 0;

    for (uint32_t i = 0; i < input->line_count; i++) {
        const struct pricing_line *line = &input->lines[i];

        if (is_everything || holds(coupon->products, coupon->product_count, line->product) ||
            holds(coupon->categories, coupon->category_count, line->category)) {
            scope.lines[scope.count++] = (uint8_t)i;
            scope.units += line->quantity;
        }
    }
    return scope;
}

/* COUPON_VERDICT_APPLIED: eligible. By the cart alone, whatever other coupons there are. */
static enum coupon_verdict judge(const struct pricing_work *work,
                                 const struct pricing_coupon *coupon, const struct scope *scope)
{
    bool names_amount = coupon->kind == COUPON_FIXED || coupon->min_subtotal_minor > 0;

    if (names_amount &&
        memcmp(coupon->currency, work->input->currency, sizeof(coupon->currency)) != 0)
        return COUPON_VERDICT_OTHER_CURRENCY;
    if (work->result->totals.subtotal_minor < coupon->min_subtotal_minor)
        return COUPON_VERDICT_BELOW_MINIMUM;
    if (scope->count == 0)
        return COUPON_VERDICT_OUT_OF_SCOPE;
    if (coupon->kind == COUPON_BUY_X_GET_Y && scope->units < (uint64_t)coupon->buy + coupon->get)
        return COUPON_VERDICT_TOO_FEW_UNITS;
    return COUPON_VERDICT_APPLIED;
}

static void take_off(struct pricing_work *work, struct pricing_coupon_result *coupon, uint32_t line,
                     int64_t amount_minor)
{
    assert(amount_minor >= 0 && amount_minor <= work->left_minor[line]);
    work->left_minor[line] -= amount_minor;
    work->result->lines[line].discount_minor += amount_minor;
    work->result->totals.discount_minor += amount_minor;
    coupon->line_minor[line] += amount_minor;
    coupon->discount_minor += amount_minor;
}

static int64_t left_in_scope(const struct pricing_work *work, const struct scope *scope)
{
    int64_t sum = 0; /* at most the subtotal, which fits */

    for (uint32_t i = 0; i < scope->count; i++)
        sum += work->left_minor[scope->lines[i]];
    return sum;
}

/* Spreads the amount, at most what is left in scope, by largest remainder. */
static void spread(struct pricing_work *work, struct pricing_coupon_result *coupon,
                   const struct scope *scope, int64_t amount_minor)
{
    uint64_t whole = (uint64_t)left_in_scope(work, scope);
    uint64_t remainders[PRICING_LINES_MAX];
    int64_t rest = amount_minor;

    assert(amount_minor >= 0 && (uint64_t)amount_minor <= whole);
    if (amount_minor == 0)
        return;
    for (uint32_t i = 0; i < scope->count; i++) {
        uint32_t line = scope->lines[i];
        unsigned __int128 product =
            (unsigned __int128)(uint64_t)amount_minor * (uint64_t)work->left_minor[line];
        int64_t share = (int64_t)(product / whole);

        remainders[i] = (uint64_t)(product % whole);
        rest -= share;
        take_off(work, coupon, line, share);
    }
    /* Fewer units remain than lines have a remainder: the remainders add up to rest * whole. */
    for (; rest > 0; rest--) {
        uint32_t greatest = 0;

        for (uint32_t i = 1; i < scope->count; i++) {
            if (remainders[i] > remainders[greatest])
                greatest = i;
        }
        assert(remainders[greatest] > 0);
        remainders[greatest] = 0;
        take_off(work, coupon, scope->lines[greatest], 1);
    }
}

/* Cheapest first, of equal prices in the order of the lines. */
static void sort_by_price(const struct pricing_input *input, struct scope *scope)
{
    for (uint32_t i = 1; i < scope->count; i++) {
        uint8_t line = scope->lines[i];
        uint32_t at = i;

        for (; at > 0 && input->lines[scope->lines[at - 1]].unit_price_minor >
                             input->lines[line].unit_price_minor;
             at--)
            scope->lines[at] = scope->lines[at - 1];
        scope->lines[at] = line;
    }
}

static void give_units(struct pricing_work *work, const struct pricing_coupon *rule,
                       struct pricing_coupon_result *coupon, struct scope *scope)
{
    const struct pricing_input *input = work->input;
    uint64_t units = 0;

    for (uint32_t i = 0; i < scope->count; i++)
        units += input->lines[scope->lines[i]].quantity - work->units_free[scope->lines[i]];
    uint64_t to_give = units / (rule->buy + rule->get) * rule->get;

    sort_by_price(input, scope);
    for (uint32_t i = 0; i < scope->count && to_give > 0; i++) {
        uint32_t line = scope->lines[i];
        uint32_t given = input->lines[line].quantity - work->units_free[line];

        if (given > to_give)
            given = (uint32_t)to_give;
        to_give -= given;
        work->units_free[line] += given;
        /* Part of the line's subtotal, which fits. */
        take_off(work, coupon, line, input->lines[line].unit_price_minor * given);
    }
}

static void apply(struct pricing_work *work, uint32_t index)
{
    const struct pricing_coupon *rule = &work->input->coupons[index];
    struct pricing_coupon_result *coupon = &work->result->coupons[index];
    struct scope scope = find_scope(work->input, rule);
    int64_t left = left_in_scope(work, &scope);
    int64_t amount = 0;
    bool fits = true;

    switch ((enum coupon_kind)rule->kind) {
    case COUPON_BUY_X_GET_Y:
        give_units(work, rule, coupon, &scope);
        break;
    case COUPON_PERCENTAGE:
        fits = minor_scale(left, rule->percent_bp, BASIS_POINTS, &amount);
        spread(work, coupon, &scope, amount);
        break;
    case COUPON_FIXED:
        spread(work, coupon, &scope, rule->amount_minor < left ? rule->amount_minor : left);
        break;
    case COUPON_FREE_SHIPPING:
    case COUPON_KIND_COUNT:
        assert(false);
    }
    assert(fits); /* at most 100 % of what fits */
    if (coupon->discount_minor == 0)
        coupon->verdict = COUPON_VERDICT_NOTHING_LEFT;
}

void pricing_apply_coupons(struct pricing_work *work)
{
    static const enum coupon_kind order[] = {COUPON_BUY_X_GET_Y, COUPON_PERCENTAGE, COUPON_FIXED};
    const struct pricing_input *input = work->input;
    uint32_t taken = 0;
    bool all_stack = true;

    for (uint32_t c = 0; c < input->coupon_count; c++) {
        const struct pricing_coupon *coupon = &input->coupons[c];
        struct scope scope = find_scope(input, coupon);
        enum coupon_verdict verdict = judge(work, coupon, &scope);

        if (verdict == COUPON_VERDICT_APPLIED && taken > 0 && !(coupon->stackable && all_stack))
            verdict = COUPON_VERDICT_NOT_COMBINABLE;
        if (verdict == COUPON_VERDICT_APPLIED) {
            work->coupon_taken[c] = true;
            all_stack = all_stack && coupon->stackable;
            taken++;
        }
        work->result->coupons[c].verdict = (uint8_t)verdict;
    }
    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
        for (uint32_t c = 0; c < input->coupon_count; c++) {
            if (work->coupon_taken[c] && input->coupons[c].kind == order[k])
                apply(work, c);
        }
    }
}
