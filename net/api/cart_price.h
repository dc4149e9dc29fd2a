/* SPDX-License-Identifier: Apache-2.0 */
/* What a cart comes to: its lines at today's prices, and the terms that it is priced by. Private to
 * net/api. */
#ifndef STAMPEDE_API_CART_PRICE_H
#define STAMPEDE_API_CART_PRICE_H

#include "api/api_shard.h"
#include "pricing.h"

enum { CART_REGION_LENGTH_MAX = 64 };

/* Where it goes; 0: not known. */
struct cart_destination {
    uint16_t country; /* pricing_country */
    uint64_t region;  /* pricing_label */
    uint32_t method;  /* number of the shipping method that was chosen; 0: the cheapest */
};

/* What a cart is priced by beside its lines. What it points to is only read. */
struct cart_terms {
    struct cart_destination destination;
    /* Of the cart's coupon, where it has one; NULL: there is none of this code, or it is not valid
     * now: then nothing is taken off, and the answer says so. */
    const struct pricing_coupon *coupon;
    enum outcome coupon_outcome;          /* why there is no rule: COUPON_INVALID, _EXHAUSTED */
    const struct settings_view *settings; /* tax rates and shipping methods */
};

/* A line as it is shown. */
struct cart_price_line {
    const struct sku_entry *sku;
    const struct product_label *label; /* may be NULL */
    int64_t price_minor;               /* of one unit, now */
    int64_t total_minor;               /* of all, before discounts */
    bool is_priced;                    /* in the totals: it is sold, in the cart's currency */
    bool is_available;                 /* some unit can be had now */
    const char *reason;                /* why not; NULL: it is */
};

struct cart_price {
    struct cart_price_line lines[CART_LINES_MAX];
    struct pricing_totals totals;
    uint8_t coupon_verdict; /* enum coupon_verdict; of a coupon with a rule */
    uint32_t method;        /* number of the shipping method in the totals; 0: none goes there */
};

/* Why a SKU is not sold to who has it in a cart of this currency, whatever its stock; NULL: it is.
 * Static text. `label` may be NULL. */
const char *cart_withdrawal(const struct sku_entry *sku, const struct product_label *label,
                            const char currency[4]);

/* Answers 409 with the lines of a cart that are not sold, each with its reason. */
void respond_withdrawn(struct http_exchange *exchange, const struct directory *directory,
                       const struct line *lines, uint32_t line_count, const char currency[4]);

/* The terms of the shop for this destination: taxes and shipping; valid until the caller returns to
 * its loop. */
void cart_terms_of_shop(const struct api_shard *shard, const struct cart_destination *destination,
                        struct cart_terms *terms_out);

/* Prices what is in a cart, by the directory as it is now, whose entries the result points to:
 * until the caller returns to its loop. False if an amount is out of range. */
bool cart_price_compute(const struct api_shard *shard, const struct cart_content *content,
                        const struct cart_terms *terms, struct cart_price *price_out);

/* ---- the coupon ---- */

struct cart_coupon_lookup;
/* OK: the rule, valid during the call. Others, without: COUPON_INVALID, there is no such coupon, or
 * it is not valid now; COUPON_EXHAUSTED, all its uses are taken; or it could not be asked for. */
typedef void (*cart_coupon_answer)(struct cart_coupon_lookup *lookup,
                                   const struct pricing_coupon *rule, enum outcome outcome);

/* Embedded in what its caller keeps until the answer. */
struct cart_coupon_lookup {
    cart_coupon_answer answer;
};

/* Asks for the rule of a coupon by its code; `lookup->answer` is called once, then or later, on
 * this shard's thread. */
void cart_coupon_find(struct api_shard *shard, struct slice code,
                      struct cart_coupon_lookup *lookup);

#endif
