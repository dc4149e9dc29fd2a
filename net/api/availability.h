/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a SKU's stock, as JSON and as events. Private to net/api. */
#ifndef STAMPEDE_API_AVAILABILITY_H
#define STAMPEDE_API_AVAILABILITY_H

#include "api/render.h"

enum {
    AVAILABILITY_SKUS_MAX = 100, /* of one request, or stream */
    /* {"sku":"…","available":…,"level":"in_stock"}, */
    AVAILABILITY_BYTES_MAX = SKU_LENGTH_MAX + 80,
};

enum stock_level {
    STOCK_OUT,
    STOCK_LOW,
    STOCK_IN,
};

/* What a shopper is told; where the shop keeps numbers to itself, the level alone. */
struct stock_shown {
    uint32_t available;
    enum stock_level level;
};

/* Straight from the gate. Any thread. */
struct stock_shown stock_look(const struct sku_entry *entry);

/* At most AVAILABILITY_BYTES_MAX bytes. Without `is_exact` `available` is null. */
void write_availability(struct writer *writer, const struct sku_entry *entry,
                        const struct stock_shown *shown, bool is_exact);

#endif
