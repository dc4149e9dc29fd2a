/* SPDX-License-Identifier: Apache-2.0 */
/* The products of a benchmark's shop: numbered, of one SKU each, with more stock than is sold. */
#ifndef STAMPEDE_BENCH_PRODUCT_H
#define STAMPEDE_BENCH_PRODUCT_H

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "engine.h"

/* "product-NNNNNN" with the SKU "sku-NNNNNN"; submitting it gives it away. */
static inline struct product_envelope *bench_product(uint32_t number)
{
    struct product_envelope *envelope = product_envelope_create(2);

    if (envelope == NULL)
        bench_fail("not enough memory for a product");
    snprintf(envelope->id, sizeof(envelope->id), "product-%06u", number);
    memcpy(envelope->currency, "EUR", 4);
    memcpy(envelope->document, "{}", 2);
    envelope->variant_count = 1;
    snprintf(envelope->variants[0].sku, sizeof(envelope->variants[0].sku), "sku-%06u", number);
    envelope->variants[0].stock = SKU_STOCK_MAX;
    return envelope;
}

#endif
