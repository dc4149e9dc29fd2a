/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery: stored records become state again. A record is trusted no further than that it was
 * written whole: what contradicts what was loaded before it is reported, not repaired. */
#include <string.h>

#include "inventory_private.h"

static bool restore_product(struct inventory *inventory, const struct record *record)
{
    struct product *product =
        pool_add_product(inventory->pool, inventory->partition, record->subject);

    if (product == NULL)
        return false;
    product->limit_per_customer = record->product.limit_per_customer;
    product->status = MUTANT(STATUS_NOT_RESTORED) ? PRODUCT_ACTIVE : record->product.status;
    product->updated_wall_ms = record->product.updated_wall_ms;
    memcpy(product->currency, record->product.currency, sizeof(product->currency));
    product->digest =
        product_digest(inventory->pool,
                       &(struct product_facts){.currency = record->product.currency,
                                               .limit_per_customer = product->limit_per_customer,
                                               .status = product->status},
                       record_document(record), record->product.document_length);
    return true;
}

static bool restore_sku(struct inventory *inventory, const struct record *record)
{
    struct inventory_pool *pool = inventory->pool;
    struct product *product =
        pool_find_product(pool, inventory->partition, record->sku.product_number);
    struct sku *sku;

    if (product == NULL || sku_id_partition(record->subject) != inventory->partition)
        return false;
    sku = pool_add_sku(pool, record->subject, (uint32_t)(product - pool->products));
    if (sku == NULL)
        return false;
    sku->archived = record->sku.archived;
    sku->price_minor = record->sku.price_minor;
    sku->weight_grams = record->sku.weight_grams;
    return true;
}

static void raise_floor(struct inventory *inventory, uint64_t next_sequence)
{
    if (inventory->next_sequence < next_sequence)
        inventory->next_sequence = next_sequence;
}

static bool restore_counter(struct inventory *inventory, const struct record *record)
{
    struct sku *sku = pool_find_sku(inventory->pool, record->subject);

    if (sku == NULL || record->counter.sold > record->counter.stock ||
        record->counter.stock > SKU_STOCK_MAX)
        return false;
    sku->stock = record->counter.stock;
    sku->sold = record->counter.sold;
    sku->ledger_sequence = record->counter.ledger_sequence;
    raise_floor(inventory, record->counter.ledger_sequence + 1);
    return true;
}

static bool restore_limit(struct inventory *inventory, const struct record *record)
{
    struct inventory_pool *pool = inventory->pool;
    struct product *product = pool_find_product(pool, inventory->partition, record->subject);
    struct limit_row *row;

    if (product == NULL)
        return false;
    row = pool_add_limit(pool, (uint32_t)(product - pool->products), &record->limit.principal);
    if (row == NULL)
        return false;
    if (!MUTANT(LIMIT_NOT_RESTORED))
        row->sold = record->limit.sold;
    row->adopted = record->limit.adopted;
    return true;
}

static bool lines_fit(const struct inventory *inventory, const struct hold_record *stored,
                      struct sku *skus_out[RESERVATION_LINES_MAX])
{
    if (stored->line_count < 1 || !pool_has_room(inventory->pool, stored->line_count) ||
        !pool_find_skus(inventory->pool, inventory->partition, stored->lines, stored->line_count,
                        skus_out))
        return false;
    for (uint32_t i = 0; i < stored->line_count; i++) {
        const struct sku *sku = skus_out[i];
        uint32_t quantity = stored->lines[i].quantity;

        if (sku == NULL)
            continue;
        if (quantity == 0 || (stored->ended_wall_ms == 0 &&
                              (uint64_t)sku->reserved + sku->sold + quantity > sku->stock))
            return false;
    }
    return true;
}

/* Limits were kept when the hold was made; here they are only counted. */
static bool count_limits(struct inventory *inventory, const struct hold_record *stored,
                         struct sku *const skus[])
{
    struct inventory_pool *pool = inventory->pool;

    for (uint32_t i = 0; i < stored->line_count; i++) {
        const struct sku *sku = skus[i];
        struct limit_row *row;

        if (sku == NULL || pool->products[sku->product].limit_per_customer == 0)
            continue;
        row = pool_find_limit(pool, sku->product, &stored->principal);
        if (row == NULL)
            row = pool_add_limit(pool, sku->product, &stored->principal);
        if (row == NULL)
            return false;
        row->held += stored->lines[i].quantity;
    }
    return true;
}

static void restore_timer(struct inventory *inventory, const struct moment *moment,
                          struct hold *hold, struct effects *effects)
{
    uint32_t slot = pool_hold_slot(inventory->pool, hold);
    int64_t left_ms = hold->deadline_wall_ms - moment->wall_ms;

    /* What remains is the smaller of the wall clock's word and the TTL (design.md, deadlines). */
    if (left_ms > (int64_t)hold->ttl_ms || MUTANT(TTL_STARTS_ANEW))
        left_ms = hold->ttl_ms;
    if (left_ms < 0)
        left_ms = 0;
    hold->deadline_boot_ms = moment->boot_ms + left_ms;
    if (hold->state == HOLD_HELD)
        effects_timer(effects, slot, hold->deadline_boot_ms);
    else if (hold->state == HOLD_CAPTURING) /* no deadline: its order goes on */
        return;
    else if (!MUTANT(PREPARED_FORGOTTEN) || hold->state != HOLD_PREPARED)
        effects_timer(effects, slot, moment->boot_ms + 1); /* abort an intent; ask the owner */
}

/* How long ago it ended is what the wall clock says, but not less than nothing. */
static void restore_end(struct inventory *inventory, const struct moment *moment, struct hold *hold,
                        struct effects *effects)
{
    int64_t ago_ms = moment->wall_ms - hold->ended_wall_ms;

    if (MUTANT(ENDED_KEPT))
        return;
    hold->deadline_boot_ms = moment->boot_ms - (ago_ms > 0 ? ago_ms : 0);
    hold_schedule_purge(inventory, moment, hold, effects);
}

static bool restore_hold(struct inventory *inventory, const struct moment *moment,
                         const struct record *record, struct effects *effects)
{
    const struct hold_record *stored = &record->hold;
    struct inventory_pool *pool = inventory->pool;
    uint32_t partitions[RESERVATION_LINES_MAX];
    struct sku *skus[RESERVATION_LINES_MAX];
    struct hold *hold;

    if (stored->state >= HOLD_STATE_COUNT || stored->state == HOLD_ABORTED ||
        !lines_fit(inventory, stored, skus) ||
        pool_find_sequence(pool, inventory->partition, record->sequence) != NULL)
        return false;
    hold = pool_new_hold(pool, stored->lines, stored->line_count);
    hold->flags |= HOLD_RESTORED | (stored->adopted ? HOLD_ADOPTED : 0);
    if (stored->owner_partition != inventory->partition ||
        stored->owner_sequence != record->sequence)
        hold->flags |= HOLD_PARTICIPANT;
    hold->key = (hold->flags & HOLD_PARTICIPANT) == 0
                    ? stored->key
                    : participant_key(stored->owner_partition, stored->owner_sequence);
    if (MUTANT(KEY_NOT_RESTORED) && stored->ended_wall_ms != 0)
        hold->key.word[0] = ~stored->key.word[0];
    hold->fingerprint = stored->fingerprint;
    hold->principal = stored->principal;
    hold->sequence = record->sequence;
    hold->order = stored->order;
    hold->partition = (uint16_t)inventory->partition;
    hold->created_wall_ms = stored->created_wall_ms;
    hold->deadline_wall_ms = stored->deadline_wall_ms;
    hold->ended_wall_ms = stored->ended_wall_ms;
    hold->ttl_ms = stored->ttl_ms;
    hold->state = stored->state;
    hold->extensions = stored->extensions;
    if (!MUTANT(EXTEND_KEY_NOT_RESTORED))
        memcpy(hold->extend_keys, stored->extend_keys, sizeof(hold->extend_keys));
    pool_link_hold(pool, hold, skus);
    raise_floor(inventory, record->sequence + 1);
    if (hold_is_live(hold)) {
        inventory_reserve_lines(inventory, hold, skus);
        if (!count_limits(inventory, stored, skus))
            return false;
    }
    if (hold->state == HOLD_INTENT)
        hold->waiting = (uint32_t)((1ULL << hold_participants(pool, hold, partitions)) - 1);
    if (hold_is_live(hold))
        restore_timer(inventory, moment, hold, effects);
    else
        restore_end(inventory, moment, hold, effects);
    return true;
}

static bool restore_key(struct inventory *inventory, const struct moment *moment,
                        const struct record *record)
{
    struct inventory_pool *pool = inventory->pool;
    int64_t age_ms = moment->wall_ms - record->key.wall_ms;

    if (pool_find_sku(pool, record->subject) == NULL || !slots_have(&pool->adjust_key_slots, 1) ||
        adjust_key_find(pool, record->subject, &record->key.key) != NULL)
        return false;
    if (age_ms < 0) /* the wall clock was set back */
        age_ms = 0;
    /* However long ago: an order that has not heard of it asks again now. */
    if (record->key.fingerprint == RESTOCK_FINGERPRINT &&
        age_ms > ADJUST_KEY_RETENTION_MS - RESTOCK_KEY_UPTIME_MS)
        age_ms = ADJUST_KEY_RETENTION_MS - RESTOCK_KEY_UPTIME_MS;
    adjust_key_add(pool, moment->boot_ms - age_ms, record->subject, record->sequence, &record->key);
    return true;
}

bool inventory_restore(struct inventory *inventory, const struct moment *moment,
                       const struct record *record, struct effects *effects)
{
    assert(record->partition == inventory->partition && record->operation == RECORD_PUT);
    switch ((enum record_kind)record->kind) {
    case RECORD_PRODUCT:
        return restore_product(inventory, record);
    case RECORD_SKU:
        return restore_sku(inventory, record);
    case RECORD_COUNTER:
        return restore_counter(inventory, record);
    case RECORD_LIMIT:
        return restore_limit(inventory, record);
    case RECORD_FLOOR:
        if (MUTANT(NUMBER_USED_AGAIN))
            return true;
        raise_floor(inventory, record->floor.next_sequence);
        return true;
    case RECORD_KEY:
        return MUTANT(ADJUST_KEY_NOT_RESTORED) || restore_key(inventory, moment, record);
    case RECORD_HOLD:
        return restore_hold(inventory, moment, record, effects);
    case RECORD_LEDGER: /* history: not loaded */
    case RECORD_ACCOUNT:
    case RECORD_ACCOUNT_KEY:
    case RECORD_EMAIL:
    case RECORD_ALIAS: /* not of the inventory */
    case RECORD_MAIL:
    case RECORD_COUPON:
    case RECORD_COUPON_COUNT:
    case RECORD_COUPON_USE:
    case RECORD_COUPON_PAST:
    case RECORD_CART:
    case RECORD_AUDIT:
    case RECORD_AUDIT_HEAD:
    case RECORD_ORDER:
    case RECORD_ORDER_PAST:
    case RECORD_ORDER_BODY:
    case RECORD_ORDER_PERSON:
    case RECORD_ORDER_OF:
    case RECORD_ORDER_MAIL:
    case RECORD_CHECKOUT:
    case RECORD_EVENT_IN:
    case RECORD_EVENT_OUT:
    case RECORD_SETTING:
    case RECORD_CURSOR:
    case RECORD_DELIVERY:
    case RECORD_DELIVERY_DEAD:
    case RECORD_DELIVERY_DONE:
    case RECORD_GUEST_OF:
    case RECORD_ERASURE:
    case RECORD_KIND_COUNT:
    default:
        return false;
    }
}
