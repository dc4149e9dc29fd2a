/* SPDX-License-Identifier: Apache-2.0 */
/* What a cart or an order costs, and why: lines, coupons, taxes, shipping and a destination go in,
 * totals and an explanation come out. Pure; any thread; no state, heap or float; the same input
 * gives the same result. Amounts are minor units of one currency (so JPY, EUR and KWD need no
 * exponent here), rates are basis points (1 bp = 0.01 %). Intermediate products have 128 bits; what
 * does not fit 63 bits in the end (the subtotal or the total) is PRICING_OVERFLOW, never a wrapped
 * amount.
 *
 * The order of the steps, which is the rule:
 *
 *   1. A line's subtotal is its unit price times its quantity.
 *   2. Coupons are looked at in the order given (in which the customer entered them). Whether one
 *      is eligible depends on the cart alone, not on other coupons: its currency (only where it
 *      names an amount), its minimum (against the subtotal of the whole cart, before any discount,
 *      shipping or tax), its scope (some line is of one of its products or of one of its
 *      categories; empty lists: every line), and enough units to get something. The first eligible
 *      one is taken; a further one is taken if it and all taken before it are stackable, else it
 *      is COUPON_VERDICT_NOT_COMBINABLE. A coupon that is not eligible stands in nobody's way.
 *   3. Those taken are applied by kind: buy_x_get_y, percentage, fixed, free_shipping; of one kind
 *      in the order given. Each works on what the earlier ones left of a line, so no line falls
 *      below zero and a fixed amount ends at what is left.
 *        buy_x_get_y  all units in scope that no earlier coupon made free form groups of buy + get;
 *                     in each whole group `get` are free: over all groups the cheapest units, of
 *                     equal prices those of the earlier line.
 *        percentage   of what is left of the lines in scope together, rounded half up once, spread.
 *        fixed        of what is left of the lines in scope together at most the amount, spread.
 *      Spread: by largest remainder, in proportion to what is left of each line in scope; of equal
 *      remainders the earlier line is served first. The shares add up to the amount exactly.
 *   4. Shipping is charged by its table: a flat price; by the weight of all lines; or by the price
 *      of the goods, which is the subtotal less the discounts (step 3), without exclusive tax. From
 *      `free_over_minor` on (inclusive), compared with the same price of the goods, it is free; a
 *      price table need not go beyond that, a weight table must (nobody carries what it lacks). A
 *      free_shipping coupon makes it free; the amount saved is told, and is no part of
 *      `discount_minor`: shipping_minor is what is charged.
 *   5. Tax is computed per line, on the line's subtotal less its discount, rounded half up. The
 *      most specific rate wins, and there is one: region and category, then region alone, then
 *      category alone, then the country's; of two alike the earlier. (A region is a jurisdiction of
 *      its own: its general rate goes before the country's rate of a category.) An exclusive rate
 *      is added; an inclusive one is contained in the price: amount * bp / (10000 + bp), which is
 *      gross - gross * 10000 / (10000 + bp), rounded half up.
 *      Shipping is taxed by the best rate without a category, where one exists.
 *
 * What the result promises (I4 of the design, and more):
 *   total = subtotal - discount + shipping + tax      of the totals; tax: the exclusive part alone
 *   line.total = line.subtotal - line.discount + line.tax, and 0 <= discount <= subtotal
 *   totals.subtotal, .discount = sums of the lines'; totals.tax, .tax_included = sums of the lines'
 *   and shipping's; sum of line.total + shipping.charged + shipping.tax = total
 *   line.discount = sum of coupon.line_minor over coupons; coupon.discount = sum of its line_minor
 * `tax_included_minor` is contained in total_minor already; it is there to be printed. */
#ifndef STAMPEDE_PRICING_H
#define STAMPEDE_PRICING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shop_limits.h"

/* A name that rules match by: a category, a product's ID, a region. 0: none. 64 bits of a hash
 * with a fixed key, the same in every process, so that it may be stored. Names are the shop's own;
 * two that collide (1 in 2^64 a pair) would be taken for one. */

/* Of a category or a region: ASCII letters match in either case, all other bytes as they are. */
uint64_t pricing_label(const char *text, size_t length);

/* Of a product ID: byte by byte, as IDs are. Never equal, but by chance, to pricing_label. */
uint64_t pricing_product_label(const char *text, size_t length);

/* Of an ISO 3166 code in either case ("DE"): a number to compare; 0 if it is not two letters. */
uint16_t pricing_country(const char *text, size_t length);

/* ---- what goes in; all memory is the caller's and only read ---- */

struct pricing_line {
    int64_t unit_price_minor; /* >= 0 */
    uint64_t product;         /* pricing_product_label */
    uint64_t category;        /* pricing_label; 0: the product has none */
    uint32_t quantity;        /* 1 to QUANTITY_MAX */
    uint32_t weight_grams;    /* of one unit */
    char currency[4];         /* must be the cart's */
};

/* Stored in coupons: numbers never change their meaning. name, text in the API */
#define COUPON_KINDS(X)                                                                            \
    X(PERCENTAGE, "percentage")                                                                    \
    X(FIXED, "fixed")                                                                              \
    X(FREE_SHIPPING, "free_shipping")                                                              \
    X(BUY_X_GET_Y, "buy_x_get_y")

enum coupon_kind {
#define X(name, text) COUPON_##name,
    COUPON_KINDS(X)
#undef X
        COUPON_KIND_COUNT
};

/* What a coupon gives. Validity in time and uses are the coupon actor's. */
struct pricing_coupon {
    uint8_t kind;           /* enum coupon_kind */
    bool stackable;         /* with others that are, too */
    uint8_t product_count;  /* <= COUPON_SCOPE_MAX */
    uint8_t category_count; /* <= COUPON_SCOPE_MAX; both 0: every line is in scope */
    char currency[4];       /* of both amounts; "" if there is neither */
    uint32_t percent_bp;    /* percentage: 1 to 10000 */
    uint32_t buy;           /* buy_x_get_y: 1 to QUANTITY_MAX, both */
    uint32_t get;
    int64_t amount_minor;       /* fixed: >= 1 */
    int64_t min_subtotal_minor; /* 0: none */
    uint64_t products[COUPON_SCOPE_MAX];
    uint64_t categories[COUPON_SCOPE_MAX];
};

struct pricing_tax_rate {
    uint64_t region;   /* pricing_label; 0: the whole country */
    uint64_t category; /* pricing_label; 0: everything, shipping too */
    uint32_t rate_bp;  /* 0 (an exemption) to TAX_RATE_BP_MAX */
    uint16_t country;  /* pricing_country, never 0 */
    bool inclusive;    /* contained in the price */
};

/* Stored in shipping methods: numbers never change their meaning. */
#define SHIPPING_KINDS(X)                                                                          \
    X(FLAT, "flat")                                                                                \
    X(WEIGHT, "weight")                                                                            \
    X(PRICE, "price")

enum shipping_kind {
#define X(name, text) SHIPPING_##name,
    SHIPPING_KINDS(X)
#undef X
        SHIPPING_KIND_COUNT
};

/* Grams (weight) or minor units (price) up to which, inclusive, the price holds. */
struct pricing_shipping_row {
    int64_t up_to; /* INT64_MAX: and all above */
    int64_t price_minor;
};

struct pricing_shipping_method {
    const uint16_t *countries;               /* pricing_country; none: every country */
    const struct pricing_shipping_row *rows; /* up_to ascending; flat: unused */
    uint32_t country_count;
    uint32_t row_count;
    uint8_t kind; /* enum shipping_kind */
    char currency[4];
    int64_t flat_minor;      /* flat: >= 0 */
    int64_t free_over_minor; /* 0: never free */
};

struct pricing_input {
    char currency[4];
    uint16_t country; /* pricing_country of the destination; 0: not known yet, so no tax and no
                         shipping */
    uint64_t region;  /* pricing_label; 0: none */
    const struct pricing_line *lines; /* 1 to PRICING_LINES_MAX */
    uint32_t line_count;
    uint32_t coupon_count; /* <= PRICING_COUPONS_MAX */
    const struct pricing_coupon *coupons;
    const struct pricing_tax_rate *tax_rates;       /* any number: one pass over them */
    const struct pricing_shipping_method *shipping; /* NULL: none chosen yet */
    uint32_t tax_rate_count;
};

/* ---- what comes out ---- */

#define PRICING_ERRORS(X)                                                                          \
    X(OK, "ok")                                                                                    \
    X(INVALID, "an input is out of its range")                                                     \
    X(CURRENCY, "a line is in another currency")                                                   \
    X(OVERFLOW, "an amount does not fit 63 bits")

enum pricing_error {
#define X(name, text) PRICING_##name,
    PRICING_ERRORS(X)
#undef X
        PRICING_ERROR_COUNT
};

#define COUPON_VERDICTS(X)                                                                         \
    X(APPLIED, "it gave something")                                                                \
    X(SHIPPING_PENDING, "free_shipping: will apply once shipping has a price")                     \
    X(NOTHING_LEFT, "others left nothing to reduce, or it comes to less than half a unit")         \
    X(OTHER_CURRENCY, "its amounts are in another currency")                                       \
    X(BELOW_MINIMUM, "the subtotal does not reach its minimum")                                    \
    X(OUT_OF_SCOPE, "no line is of its products or categories")                                    \
    X(TOO_FEW_UNITS, "buy_x_get_y: not one whole group of units")                                  \
    X(NOT_COMBINABLE, "it, or one taken before it, does not stack")

enum coupon_verdict {
#define X(name, text) COUPON_VERDICT_##name,
    COUPON_VERDICTS(X)
#undef X
        COUPON_VERDICT_COUNT
};

/* Shipping's price stands from SHIPPING_VERDICT_CHARGED to SHIPPING_VERDICT_FREE_BY_COUPON. */
#define SHIPPING_VERDICTS(X)                                                                       \
    X(NOT_CHOSEN, "no method is chosen")                                                           \
    X(NO_DESTINATION, "the country is not known")                                                  \
    X(CHARGED, "by the method's price")                                                            \
    X(FREE_OVER, "the goods reach the method's free_over_minor")                                   \
    X(FREE_BY_COUPON, "a coupon pays for it")                                                      \
    X(COUNTRY_NOT_SERVED, "the method does not go there")                                          \
    X(OTHER_CURRENCY, "the method's prices are in another currency")                               \
    X(BEYOND_TABLE, "no row of the table goes so far")

enum shipping_verdict {
#define X(name, text) SHIPPING_VERDICT_##name,
    SHIPPING_VERDICTS(X)
#undef X
        SHIPPING_VERDICT_COUNT
};

#define PRICING_NONE UINT32_MAX /* no tax rate, no coupon: an index's value */

struct pricing_tax {
    int64_t added_minor;    /* exclusive */
    int64_t included_minor; /* inclusive; at most one of the two is not 0 */
    uint32_t rate;          /* index in tax_rates, or PRICING_NONE */
    uint32_t rate_bp;
    bool inclusive;
};

struct pricing_line_result {
    int64_t subtotal_minor;
    int64_t discount_minor;
    struct pricing_tax tax; /* of subtotal - discount */
    int64_t total_minor;    /* subtotal - discount + tax.added */
};

struct pricing_coupon_result {
    uint8_t verdict;        /* enum coupon_verdict */
    int64_t discount_minor; /* off the lines */
    int64_t shipping_minor; /* off shipping: of one coupon at most */
    int64_t line_minor[PRICING_LINES_MAX];
};

struct pricing_shipping_result {
    uint8_t verdict;        /* enum shipping_verdict */
    uint32_t coupon;        /* index of the coupon that pays, or PRICING_NONE */
    int64_t list_minor;     /* by the method, had nothing made it free */
    int64_t charged_minor;  /* list or 0; 0 while there is no price */
    struct pricing_tax tax; /* of what is charged */
};

struct pricing_totals {
    int64_t subtotal_minor;
    int64_t discount_minor; /* of the lines */
    int64_t shipping_minor; /* charged */
    int64_t tax_minor;      /* exclusive: lines' and shipping's */
    int64_t total_minor;
    int64_t tax_included_minor; /* contained in the total already */
};

struct pricing_result {
    struct pricing_totals totals;
    struct pricing_shipping_result shipping;
    struct pricing_line_result lines[PRICING_LINES_MAX];       /* the first line_count */
    struct pricing_coupon_result coupons[PRICING_COUPONS_MAX]; /* the first coupon_count */
};

/* Prices all of it. On any but PRICING_OK the result is all zero. A shipping method that does not
 * fit, or a coupon that does not apply, is no error: their verdicts say so (a checkout asks
 * pricing_shipping_stands). Rules out of range (from settings that were not validated) are
 * PRICING_INVALID; of tax rates only the destination's are looked at. Lines, coupons and rates are
 * not retained. */
enum pricing_error pricing_compute(const struct pricing_input *input,
                                   struct pricing_result *result_out);

/* What a method would charge for a cart of this price (subtotal less discounts) and weight. The
 * verdict is SHIPPING_VERDICT_CHARGED, SHIPPING_VERDICT_FREE_OVER (*list_out is then what it saves)
 * or why it cannot be used; *list_out is 0 then. The method is valid (pricing_shipping_is_valid).
 */
enum shipping_verdict pricing_shipping_quote(const struct pricing_shipping_method *method,
                                             const char currency[4], uint16_t country,
                                             int64_t goods_minor, uint64_t weight_grams,
                                             int64_t *list_out);

/* Whether the shipping has a price that a customer can be charged. */
static inline bool pricing_shipping_stands(enum shipping_verdict verdict)
{
    return verdict >= SHIPPING_VERDICT_CHARGED && verdict <= SHIPPING_VERDICT_FREE_BY_COUPON;
}

/* Whether each field is in the range given above; for those who take rules from outside, too. */
bool pricing_coupon_is_valid(const struct pricing_coupon *coupon);
bool pricing_tax_rate_is_valid(const struct pricing_tax_rate *rate);
bool pricing_shipping_is_valid(const struct pricing_shipping_method *method);

#endif
