/* SPDX-License-Identifier: Apache-2.0 */
/* What codec.c and codec_decode.c share and nobody else needs: field counts, ranges, the checksum's
 * beginning. */
#ifndef STAMPEDE_CODEC_FIELDS_H
#define STAMPEDE_CODEC_FIELDS_H

#include "codec.h"
#include "crc32c.h"

enum {
    CODEC_CHECKSUM_BYTES = 5,                    /* a msgpack uint32 of fixed width */
    CODEC_HOLD_FIELDS = 9 + HOLD_EXTENSIONS_MAX, /* two more a line */
    CODEC_HOLD_RUN_BYTES = 16 + 8 + 16 + 6,      /* key, fingerprint, principal, created */
    CODEC_CART_FIELDS = 7 + CART_ORDERS_MAX + CART_MERGED_MAX, /* three more a line */
    CODEC_FIELDS_MAX = 2 + CODEC_CART_FIELDS + 3 * CART_LINES_MAX,
    CODEC_ADOPTED = 16, /* added to a hold's state */
    /* Equal SKUs of a reservation are summed to one line. */
    CODEC_LINE_QUANTITY_MAX = QUANTITY_MAX * RESERVATION_LINES_MAX,
};

_Static_assert(CODEC_HOLD_FIELDS + 2 * RESERVATION_LINES_MAX <= CODEC_FIELDS_MAX - 2,
               "a hold has fewer fields than a cart");

#define CODEC_TIME_MS_END  (INT64_C(1) << 44)  /* exclusive; as a reservation's ID holds it */
#define CODEC_SEQUENCE_END (UINT64_C(1) << 40) /* exclusive; likewise */
#define CODEC_SPAN_END     (UINT64_C(1) << 46) /* exclusive: two times and a TTL, with a sign */

/* Fields of each kind, without version, checksum, a hold's lines and a SKU's weight. */
static const uint8_t codec_fields[RECORD_KIND_COUNT] = {
    [RECORD_PRODUCT] = 7,       [RECORD_SKU] = 4,
    [RECORD_COUNTER] = 3,       [RECORD_LIMIT] = 2,
    [RECORD_LEDGER] = 5,        [RECORD_FLOOR] = 1,
    [RECORD_KEY] = 7,           [RECORD_HOLD] = CODEC_HOLD_FIELDS,
    [RECORD_EMAIL] = 2,         [RECORD_ACCOUNT] = 1,
    [RECORD_ALIAS] = 3,         [RECORD_ACCOUNT_KEY] = 1,
    [RECORD_MAIL] = 7,          [RECORD_AUDIT] = 2,
    [RECORD_AUDIT_HEAD] = 3,    [RECORD_COUPON] = 19,
    [RECORD_COUPON_COUNT] = 1,  [RECORD_COUPON_USE] = 6,
    [RECORD_COUPON_PAST] = 6,   [RECORD_ORDER] = 1,
    [RECORD_ORDER_PAST] = 1,    [RECORD_ORDER_BODY] = 1,
    [RECORD_ORDER_PERSON] = 1,  [RECORD_ORDER_MAIL] = 1,
    [RECORD_ORDER_OF] = 1,      [RECORD_CHECKOUT] = 1,
    [RECORD_EVENT_IN] = 1,      [RECORD_EVENT_OUT] = 1,
    [RECORD_SETTING] = 1,       [RECORD_CURSOR] = 1,
    [RECORD_DELIVERY] = 1,      [RECORD_DELIVERY_DEAD] = 1,
    [RECORD_DELIVERY_DONE] = 1, [RECORD_GUEST_OF] = 1,
    [RECORD_ERASURE] = 2,       [RECORD_CART] = CODEC_CART_FIELDS,
};

/* A difference of times as a number that is small if the difference is, whatever its sign. */
static inline uint64_t codec_span(int64_t difference_ms)
{
    return (uint64_t)difference_ms << 1 ^ (uint64_t)(difference_ms >> 63);
}

static inline int64_t codec_span_difference(uint64_t span)
{
    return (int64_t)(span >> 1) ^ -(int64_t)(span & 1);
}

/* The checksum covers kind and key too: a value in the wrong place is as bad as a damaged one. */
static inline uint32_t codec_checksum_seed(unsigned kind, const uint8_t *key, size_t key_length)
{
    uint8_t tag = (uint8_t)kind;

    return crc32c(crc32c(0, &tag, 1), key, key_length);
}

#endif
