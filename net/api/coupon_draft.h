/* SPDX-License-Identifier: Apache-2.0 */
/* A coupon on its way in, from JSON, and as it is shown to staff. Private to net/api. */
#ifndef STAMPEDE_API_COUPON_DRAFT_H
#define STAMPEDE_API_COUPON_DRAFT_H

#include "api/render.h"
#include "api/validate.h"
#include "engine.h"

/* docs/openapi.yaml, CouponCreate. */
enum { COUPON_LABEL_MAX = 100 /* characters of a category */ };

/* What an object of a request says. Owns its text. */
struct coupon_draft {
    unsigned given; /* bits of enum coupon_member: members that are there, null or not */
    char code[COUPON_CODE_MAX + 1];
    struct coupon_definition definition; /* without code and labels; what is not given: zero */
    uint8_t category_count;
    uint8_t product_count;
    struct coupon_names categories;
    struct coupon_names products;
};

/* Reads the members; notes what is wrong with each by itself. */
void coupon_draft_read(struct validation *validation, const struct json_value *object,
                       struct coupon_draft *draft_out);

/* The code that the path says, as if it was given. */
void coupon_draft_set_code(struct coupon_draft *draft, const char code[COUPON_CODE_MAX + 1]);

/* The whole coupon: the draft's members over `base` (all zero: a new one, or one that is replaced).
 * Notes what members are missing or do not fit each other; without such it is valid. */
void coupon_draft_apply(struct validation *validation, const struct coupon_draft *draft,
                        const struct coupon_view *base, struct coupon_view *view_out);

/* A coupon as JSON. */
void write_coupon(struct writer *writer, const struct coupon_view *view);

#endif
