/* SPDX-License-Identifier: Apache-2.0 */
/* A guest who became a customer: the holds change hands, and what counts for limits adds up. Slice
 * by slice, each recorded at once and right by itself: the units of a limit move with the hold that
 * they belong to, and at last what is left of rows whose holds are forgotten.
 *
 * Requests of the guest that were on their way at that moment are refused, and lines of holds that
 * other partitions have begun count as the customer's; the ring of guests adopted a moment ago
 * tells which they are. A hold that waits for other partitions' lines is not moved before they have
 * answered. After a restart there are none. */
#include "inventory_private.h"

/* ---- guests adopted a moment ago ---- */

static struct adopted_guest *find_adopted(const struct inventory_pool *pool,
                                          const struct principal *guest)
{
    uint64_t hash = principal_hash(pool, guest);
    uint32_t cursor = 0;
    uint32_t slot;

    while ((slot = index_table_find(&pool->adopted_index, hash, &cursor)) != SLOT_NONE)
        if (principal_equal(&pool->adopted[slot].guest, guest))
            return &pool->adopted[slot];
    return NULL;
}

const struct principal *pool_adopter(const struct inventory_pool *pool,
                                     const struct principal *principal)
{
    const struct adopted_guest *adopted;

    if (pool->adopted_count == 0 || MUTANT(ADOPTED_IN_FLIGHT))
        return principal;
    adopted = find_adopted(pool, principal);
    return adopted == NULL ? principal : &adopted->customer;
}

bool inventory_pool_has_adopted(const struct inventory_pool *pool,
                                const struct principal *principal)
{
    return pool->adopted_count > 0 && find_adopted(pool, principal) != NULL;
}

static bool remember_adopted(struct inventory_pool *pool, const struct moment *moment,
                             const struct adopt_body *body, uint32_t adopted_guest_ms)
{
    struct adopted_guest *adopted = find_adopted(pool, &body->guest);
    uint32_t slot;

    if (adopted != NULL)
        return true;
    while (pool->adopted_count > 0 &&
           pool->adopted[pool->adopted_first].until_boot_ms <= moment->boot_ms) {
        index_table_remove(&pool->adopted_index,
                           principal_hash(pool, &pool->adopted[pool->adopted_first].guest),
                           pool->adopted_first);
        pool->adopted_first = (pool->adopted_first + 1) % ADOPTED_GUESTS_MAX;
        pool->adopted_count--;
    }
    if (pool->adopted_count == ADOPTED_GUESTS_MAX)
        return false;
    slot = (pool->adopted_first + pool->adopted_count++) % ADOPTED_GUESTS_MAX;
    pool->adopted[slot] =
        (struct adopted_guest){.guest = body->guest,
                               .customer = body->customer,
                               .until_boot_ms = moment->boot_ms + adopted_guest_ms};
    index_table_add(&pool->adopted_index, principal_hash(pool, &body->guest), slot);
    return true;
}

/* ---- limits ---- */

static void persist_limit(const struct inventory_pool *pool, const struct limit_row *row,
                          struct effects *effects)
{
    const struct product *product = &pool->products[row->product];
    struct record *record = effects_record(effects, RECORD_LIMIT, product->partition, 0, 0);

    record->subject = product->number;
    record->limit.principal = row->principal;
    record->limit.sold = row->sold;
    record->limit.adopted = row->adopted;
    if (row->sold == 0)
        record->operation = RECORD_DELETE;
}

/* Moves units of one product from the guest's row to the customer's. False without room for one. */
static bool move_units(struct inventory_pool *pool, uint32_t product, const struct adopt_body *body,
                       uint32_t held, uint32_t sold, struct effects *effects)
{
    struct limit_row *from = pool_find_limit(pool, product, &body->guest);
    struct limit_row *to = pool_find_limit(pool, product, &body->customer);

    if (from == NULL)
        return true;
    if (to == NULL)
        to = pool_add_limit(pool, product, &body->customer);
    if (to == NULL)
        return false;
    if (held > from->held)
        held = from->held;
    if (sold > from->sold)
        sold = from->sold;
    from->held -= held;
    from->sold -= sold;
    if (!MUTANT(ADOPT_KEEPS_LIMITS)) {
        to->held += held;
        to->sold += sold;
    }
    to->adopted = true;
    if (sold > 0) {
        persist_limit(pool, to, effects);
        persist_limit(pool, from, effects);
    }
    pool_drop_limit_if_empty(pool, to);
    pool_drop_limit_if_empty(pool, from);
    return true;
}

/* ---- holds ---- */

/* Whether the customer's rows have room for what this hold may need. */
static bool has_room(const struct inventory_pool *pool, const struct hold *hold)
{
    return slots_have(&pool->limit_slots, hold->line_count);
}

static void adopt_hold(struct inventory *inventory, struct hold *hold,
                       const struct adopt_body *body, struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    bool live = hold_is_live(hold);

    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next) {
        uint32_t quantity = pool->lines[line].quantity;
        const struct sku *sku;
        bool moved;

        if (sku_id_partition(pool->lines[line].sku_id) != inventory->partition)
            continue;
        sku = pool_find_sku(pool, pool->lines[line].sku_id);
        if (pool->products[sku->product].limit_per_customer == 0)
            continue;
        moved = move_units(pool, sku->product, body, live ? quantity : 0,
                           hold->state == HOLD_CONVERTED ? quantity : 0, effects);
        assert(moved); /* has_room */
        (void)moved;
    }
    pool_move_hold(pool, hold, &body->customer);
    hold->flags |= HOLD_ADOPTED;
    if (hold->state != HOLD_ABORTED && !MUTANT(ADOPTION_NOT_RECORDED) &&
        (!MUTANT(PARTICIPANT_NOT_ADOPTED) || (hold->flags & HOLD_PARTICIPANT) == 0))
        hold_persist(inventory, hold, effects);
}

enum outcome inventory_adopt(struct inventory_pool *pool, struct inventory *inventories,
                             const struct moment *moment, const struct adopt_body *body,
                             uint32_t *next_product_out, bool *more_out, struct effects *effects)
{
    uint32_t product = body->product;
    uint32_t moved = 0;
    uint32_t slot;

    *next_product_out = product;
    *more_out = true;
    if (!remember_adopted(pool, moment, body, inventories[0].options->adopted_guest_ms))
        return OUTCOME_OVERLOADED;
    while ((slot = pool_first_of_principal(pool, &body->guest)) != SLOT_NONE) {
        struct hold *hold = pool_hold(pool, slot);

        if (moved++ == ADOPT_HOLDS_PER_STEP)
            return OUTCOME_OK;
        /* Its lines are asked for in the guest's name, which is known where the guest's limits
         * still are, and where they have moved. */
        if (hold->state == HOLD_INTENT)
            return OUTCOME_OK;
        if (!has_room(pool, hold))
            return OUTCOME_OVERLOADED;
        adopt_hold(&inventories[hold->partition], hold, body, effects);
    }
    for (uint32_t n = 0; product < pool->product_count && n < ADOPT_PRODUCTS_PER_STEP;
         n++, product++) {
        if (pool->products[product].limit_per_customer == 0)
            continue;
        if (moved == ADOPT_HOLDS_PER_STEP)
            break;
        moved += pool_find_limit(pool, product, &body->guest) != NULL;
        if (!move_units(pool, product, body, UINT32_MAX, UINT32_MAX, effects))
            return OUTCOME_OVERLOADED;
    }
    *next_product_out = product;
    *more_out = product < pool->product_count;
    return OUTCOME_OK;
}
