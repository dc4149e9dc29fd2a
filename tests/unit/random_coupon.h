/* SPDX-License-Identifier: Apache-2.0 */
/* Random, valid records of coupons, for the codec's tests. Includes random_account.h before. */
#ifndef STAMPEDE_RANDOM_COUPON_H
#define STAMPEDE_RANDOM_COUPON_H

#include <string.h>

#include "random_account.h"

static inline void random_coupon_scope(random_source source, uint64_t *seed,
                                       struct coupon_record *coupon)
{
    struct pricing_coupon *rule = &coupon->definition.rule;

    rule->category_count = (uint8_t)(source(seed) % (COUPON_SCOPE_MAX + 1));
    rule->product_count = (uint8_t)(source(seed) % (COUPON_SCOPE_MAX + 1));
    for (uint32_t i = 0; i < (uint32_t)rule->category_count + rule->product_count; i++) {
        char name[60];
        size_t length = 1 + source(seed) % sizeof(name);

        for (size_t at = 0; at < length; at++)
            name[at] = (char)('a' + source(seed) % 26);
        coupon_names_add(&coupon->names, name, length);
    }
    coupon_label_scope(rule, &coupon->names);
}

static inline void random_coupon(random_source source, uint64_t *seed, struct coupon_record *coupon)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    struct coupon_definition *definition = &coupon->definition;
    struct pricing_coupon *rule = &definition->rule;
    size_t length = 1 + source(seed) % COUPON_CODE_MAX;

    for (size_t i = 0; i < length; i++)
        definition->code[i] = letters[source(seed) % (sizeof(letters) - 1)];
    definition->is_disabled = source(seed) % 2;
    definition->max_uses = (uint32_t)(source(seed) % (COUPON_USES_MAX + 1ULL));
    definition->max_uses_per_customer = (uint32_t)(source(seed) % (COUPON_USES_MAX + 1ULL));
    definition->starts_wall_ms = (int64_t)(source(seed) % (1ULL << 43));
    definition->ends_wall_ms =
        definition->starts_wall_ms + 1 + (int64_t)(source(seed) % (1ULL << 43));
    rule->kind = (uint8_t)(source(seed) % COUPON_KIND_COUNT);
    rule->stackable = source(seed) % 2 != 0;
    if (rule->kind == COUPON_PERCENTAGE)
        rule->percent_bp = 1 + (uint32_t)(source(seed) % 10000);
    if (rule->kind == COUPON_FIXED)
        rule->amount_minor = 1 + (int64_t)(source(seed) % (1ULL << 40));
    if (rule->kind == COUPON_BUY_X_GET_Y) {
        rule->buy = 1 + (uint32_t)(source(seed) % 10);
        rule->get = 1 + (uint32_t)(source(seed) % 10);
    }
    if (source(seed) % 2 != 0)
        rule->min_subtotal_minor = 1 + (int64_t)(source(seed) % (1ULL << 40));
    if (rule->amount_minor != 0 || rule->min_subtotal_minor != 0)
        memcpy(rule->currency, "EUR", 4);
    random_coupon_scope(source, seed, coupon);
    coupon->version = 1 + source(seed) % 1000;
    coupon->created_wall_ms = (int64_t)(source(seed) % (1ULL << 44));
    coupon->updated_wall_ms = (int64_t)(source(seed) % (1ULL << 44));
    coupon->is_deleted = source(seed) % 2;
}

static inline void random_coupon_use(random_source source, uint64_t *seed, struct record *record,
                                     struct coupon_use_record *use)
{
    struct reservation_id order = {.partition = (uint32_t)(source(seed) % PARTITIONS_MAX),
                                   .sequence = 1 + source(seed) % ((1ULL << 40) - 1)};

    record->sequence = coupon_use_place(&order);
    for (size_t i = 0; i < sizeof(use->principal.bytes); i++)
        use->principal.bytes[i] = (uint8_t)source(seed);
    use->order_created_wall_ms = (int64_t)(source(seed) % (1ULL << 44));
    use->held_wall_ms = (int64_t)(source(seed) % (1ULL << 44));
    use->committed_wall_ms = (int64_t)(source(seed) % (1ULL << 44));
    use->version = 1 + source(seed) % 1000;
    use->is_counted = source(seed) % 2;
}

static inline void random_coupon_record(random_source source, uint64_t *seed, struct record *record)
{
    record->subject = 1 + (uint32_t)(source(seed) % UINT32_MAX);
    if (record->kind == RECORD_COUPON) {
        random_coupon(source, seed, &record->coupon);
    } else if (record->kind == RECORD_COUPON_COUNT) {
        for (size_t i = 0; i < sizeof(record->coupon_count.principal.bytes); i++)
            record->coupon_count.principal.bytes[i] = (uint8_t)source(seed);
        record->coupon_count.committed = (uint32_t)(source(seed) % (COUPON_USES_MAX + 1ULL));
    } else if (record->kind == RECORD_COUPON_USE) {
        random_coupon_use(source, seed, record, &record->coupon_use);
    } else {
        random_coupon_use(source, seed, record, &record->coupon_past);
    }
}

#endif
