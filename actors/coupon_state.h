/* SPDX-License-Identifier: Apache-2.0 */
/* What a coupon is, as it is stored and as its actor works on it. What it gives is the rule of
 * pricing.h; who may use it when, and how often, is said here. */
#ifndef STAMPEDE_COUPON_STATE_H
#define STAMPEDE_COUPON_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"
#include "pricing.h"
#include "shop_limits.h"

/* Exclusive; as times of IDs. */
#define COUPON_TIME_END (INT64_C(1) << 44)

struct coupon_definition {
    char code[COUPON_CODE_MAX + 1]; /* normalised: coupon_code_read */
    uint8_t is_disabled;
    uint32_t max_uses;              /* 0: any number */
    uint32_t max_uses_per_customer; /* 0: any number */
    int64_t starts_wall_ms;         /* from then on; 0: at once */
    int64_t ends_wall_ms;           /* not from then on; 0: never */
    /* Of its scope `names` has the names; the labels follow from them (coupon_label_scope). */
    struct pricing_coupon rule;
};

/* The names of the rule's categories, then of its products, each two bytes of length and so many
 * bytes of text. */
struct coupon_names {
    uint16_t length;
    uint8_t bytes[COUPON_NAMES_BYTES_MAX];
};

struct coupon_record {
    struct coupon_definition definition;
    struct coupon_names names;
    uint64_t version; /* from 1; grows with each change of the definition */
    int64_t created_wall_ms;
    int64_t updated_wall_ms;
    uint8_t is_deleted; /* its code is free; uses that are held may still be committed */
};

struct coupon_count_record {
    struct principal principal; /* nobody: all customers */
    uint32_t committed;
};

/* COUPON_USE and COUPON_PAST. */
struct coupon_use_record {
    struct principal principal;
    int64_t order_created_wall_ms;
    int64_t held_wall_ms;
    int64_t committed_wall_ms; /* COUPON_USE: 0 */
    uint64_t version;          /* that it was held by */
    uint8_t is_counted;        /* for the customer: the coupon had a limit for each */
};

/* A code is 1 to 40 of A-Z, 0-9, `_`, `-`. */
bool coupon_code_is_valid(const char *code, size_t length);

/* Reads a code in either case; false if it is none. */
bool coupon_code_read(const char *text, size_t length, char code_out[COUPON_CODE_MAX + 1]);

/* The partition that a code belongs to, by a keyed hash: `secret` is the store's key_key. */
uint32_t coupon_code_partition(const char *code, const struct hash_key *secret,
                               uint32_t partitions);

/* Adds a name: all categories first. False without room. */
bool coupon_names_add(struct coupon_names *names, const char *text, size_t length);

/* Takes the next name, from `*at` (0 at first); NULL behind the last, or if it is cut short. */
const char *coupon_names_next(const struct coupon_names *names, uint32_t *at, size_t *length_out);

/* Fills in the labels of a rule's scope, whose counts are set, from the names. False if the names
 * are not as many, one is empty or too long, or something follows them. */
bool coupon_label_scope(struct pricing_coupon *rule, const struct coupon_names *names);

/* Whether every field is in its range, and the labels are the names'. */
bool coupon_definition_is_valid(const struct coupon_definition *definition,
                                const struct coupon_names *names);

/* Where an order's use stands among those of its coupon: a record's sequence. */
static inline uint64_t coupon_use_place(const struct reservation_id *order)
{
    return (uint64_t)order->partition << 40 | order->sequence;
}

#endif
