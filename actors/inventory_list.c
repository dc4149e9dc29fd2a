/* SPDX-License-Identifier: Apache-2.0 */
/* Looking over many holds: lists for their owners and for staff, the audit, the digest. */
#include <string.h>

#include "inventory_private.h"

/* IDs sort by their text: time, partition, sequence. */
static int id_compare(const struct reservation_id *a, const struct reservation_id *b)
{
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static bool is_listed(const struct hold *hold, const struct list_body *query)
{
    static const struct principal nobody;
    enum hold_state shown = hold->state == HOLD_PREPARED ? HOLD_HELD : (enum hold_state)hold->state;
    struct reservation_id id = {hold->created_wall_ms, hold_owner_sequence(hold),
                                hold_owner_partition(hold)};
    bool participant = (hold->flags & HOLD_PARTICIPANT) != 0;

    if ((hold->flags & HOLD_IN_USE) == 0 || hold->state == HOLD_INTENT ||
        hold->state == HOLD_ABORTED)
        return false;
    /* A participant's lines are listed only under their SKU, and only once the whole stands. */
    if (participant && (query->sku_id == UINT32_MAX ||
                        (hold->state == HOLD_PREPARED && (hold->flags & HOLD_CONFIRMED) == 0)))
        return false;
    if (!principal_equal(&query->principal, &nobody) &&
        !principal_equal(&query->principal, &hold->principal))
        return false;
    if (query->state >= 0 && shown != (enum hold_state)query->state)
        return false;
    if (query->created_before_wall_ms != 0 &&
        hold->created_wall_ms >= query->created_before_wall_ms)
        return false;
    return query->after.created_ms == 0 || id_compare(&id, &query->after) > 0;
}

struct found {
    struct hold_view *views;
    uint32_t count;
    uint32_t limit;
    bool more;
};

/* Keeps the `limit` smallest IDs, in order: insertion from the end. */
static void keep(struct found *found, const struct inventory_pool *pool,
                 const struct moment *moment, const struct hold *hold)
{
    struct hold_view view = {0};
    uint32_t at;

    hold_fill_view(pool, hold, moment, &view);
    at = found->count;
    if (found->count == found->limit) {
        found->more = true;
        if (id_compare(&view.id, &found->views[found->limit - 1].id) > 0)
            return;
        at--;
    } else {
        found->count++;
    }
    while (at > 0 && id_compare(&view.id, &found->views[at - 1].id) < 0) {
        found->views[at] = found->views[at - 1];
        at--;
    }
    found->views[at] = view;
}

static void list_principal(const struct inventory_pool *pool, const struct moment *moment,
                           const struct list_body *query, struct found *found)
{
    uint32_t slot = pool_first_of_principal(pool, &query->principal);

    for (; slot != SLOT_NONE; slot = pool->holds[slot].principal_next)
        if (is_listed(&pool->holds[slot], query))
            keep(found, pool, moment, &pool->holds[slot]);
}

/* All holds, in the order in which they came, from where the last page ended; if that hold has been
 * forgotten meanwhile, those with a larger ID from the oldest on. */
static void list_all(struct inventory_pool *pool, const struct moment *moment,
                     const struct list_body *query, struct found *found)
{
    const struct hold *last =
        pool_find_sequence(pool, query->after.partition, query->after.sequence);
    struct list_body rest = *query;
    uint32_t slot = pool->oldest;

    if (last != NULL && query->after.created_ms == last->created_wall_ms) {
        slot = last->younger;
        rest.after.created_ms = 0; /* what comes later may have come in the same millisecond */
    }
    for (; slot != SLOT_NONE; slot = pool->holds[slot].younger) {
        if (!is_listed(&pool->holds[slot], &rest))
            continue;
        found->more = found->count == found->limit;
        if (found->more)
            return;
        hold_fill_view(pool, &pool->holds[slot], moment, &found->views[found->count++]);
    }
}

/* The line of this SKU in the hold that a page ended with, if it is still known here. */
static uint32_t line_of_last(struct inventory_pool *pool, const struct list_body *query)
{
    uint32_t partition = sku_id_partition(query->sku_id);
    const struct hold *last =
        query->after.partition == partition
            ? pool_find_sequence(pool, partition, query->after.sequence)
            : pool_find_participant(pool, partition, query->after.partition, query->after.sequence);

    if (query->after.created_ms == 0 || last == NULL ||
        query->after.created_ms != last->created_wall_ms)
        return SLOT_NONE;
    for (uint32_t line = last->line_first; line != SLOT_NONE; line = pool->lines[line].next)
        if (pool->lines[line].sku_id == query->sku_id)
            return line;
    return SLOT_NONE;
}

/* The same of one SKU: its chain is in the order in which its holds came to its partition, which
 * for lines of another partition's reservation is later than their ID says. */
static void list_sku(struct inventory_pool *pool, const struct moment *moment,
                     const struct list_body *query, struct found *found)
{
    const struct sku *sku = pool_find_sku(pool, query->sku_id);
    uint32_t last = sku == NULL ? SLOT_NONE : line_of_last(pool, query);
    uint32_t line = sku == NULL ? SLOT_NONE : sku->line_first;
    struct list_body rest = *query;

    if (last != SLOT_NONE) {
        line = pool->lines[last].sku_next;
        rest.after.created_ms = 0;
    }
    for (; line != SLOT_NONE; line = pool->lines[line].sku_next) {
        const struct hold *hold = &pool->holds[pool->lines[line].hold];

        if (!is_listed(hold, &rest))
            continue;
        found->more = found->count == found->limit;
        if (found->more)
            return;
        hold_fill_view(pool, hold, moment, &found->views[found->count++]);
    }
}

uint32_t inventory_list(const struct inventory_pool *pool, const struct moment *moment,
                        const struct list_body *query, struct hold_view *views_out, uint32_t limit,
                        bool *more_out)
{
    static const struct principal nobody;
    struct found found = {.views = views_out, .limit = limit};

    assert(limit >= 1 && limit <= LIST_PAGE_MAX);
    if (!principal_equal(&query->principal, &nobody)) {
        list_principal(pool, moment, query, &found);
    } else if (query->sku_id != UINT32_MAX) {
        list_sku((struct inventory_pool *)(uintptr_t)pool, moment, query, &found);
    } else {
        list_all((struct inventory_pool *)(uintptr_t)pool, moment, query, &found);
    }
    *more_out = found.more;
    return found.count;
}

/* ---- audit and digest ---- */

uint32_t inventory_pool_skus(const struct inventory_pool *pool)
{
    return pool->sku_count;
}

bool inventory_pool_audit_sku(const struct inventory_pool *pool, uint32_t number,
                              uint32_t lines_max, struct stock_view *view_out)
{
    const struct sku *sku = &pool->skus[number];
    uint64_t reserved = 0;

    assert(number < pool->sku_count);
    for (uint32_t line = sku->lines > lines_max ? SLOT_NONE : sku->line_first; line != SLOT_NONE;
         line = pool->lines[line].sku_next)
        if (hold_is_live(&pool->holds[pool->lines[line].hold]))
            reserved += pool->lines[line].quantity;
    *view_out = (struct stock_view){
        .sku_id = sku->sku_id, .stock = sku->stock, .reserved = sku->reserved, .sold = sku->sold};
    if (sku->lines > lines_max)
        reserved = sku->reserved;
    if (reserved != sku->reserved || reserved + sku->sold > sku->stock)
        return false;
    view_out->available = sku_available(sku);
    return true;
}

void inventory_pool_books(const struct inventory_pool *pool, uint32_t number,
                          struct sku_books *books_out)
{
    const struct sku *sku = &pool->skus[number];

    assert(number < pool->sku_count);
    *books_out = (struct sku_books){.sku_id = sku->sku_id,
                                    .stock = sku->stock,
                                    .sold = sku->sold,
                                    .lines = sku->lines,
                                    .ledger_sequence = sku->ledger_sequence};
}

static uint64_t live_units_of(const struct inventory_pool *pool, uint32_t product)
{
    uint64_t units = 0;

    for (uint32_t i = 0; i < pool->sku_count; i++) {
        uint32_t line = pool->skus[i].product == product ? pool->skus[i].line_first : SLOT_NONE;

        for (; line != SLOT_NONE; line = pool->lines[line].sku_next)
            if (hold_is_live(&pool->holds[pool->lines[line].hold]))
                units += pool->lines[line].quantity;
    }
    return units;
}

uint32_t inventory_pool_audit_limits(const struct inventory_pool *pool)
{
    uint32_t wrong = 0;

    for (uint32_t product = 0; product < pool->product_count; product++) {
        uint64_t counted = 0;

        if (pool->products[product].limit_per_customer == 0)
            continue;
        for (uint32_t i = 0; i < pool->limit_slots.fresh; i++) /* in free ones both are 0 */
            counted += pool->limit_rows[i].product == product ? pool->limit_rows[i].held : 0;
        wrong += counted != live_units_of(pool, product);
    }
    return wrong;
}

uint64_t inventory_pool_digest(const struct inventory_pool *pool)
{
    uint64_t digest = 0;

    for (uint32_t i = 0; i < pool->sku_count; i++) {
        const struct sku *sku = &pool->skus[i];
        uint64_t words[4] = {sku->sku_id, sku->stock, sku->reserved, sku->sold};

        digest += hash_bytes(&pool->hash_key, words, sizeof(words));
    }
    for (uint32_t i = 0; i < pool->hold_slots.fresh; i++) {
        const struct hold *hold = &pool->holds[i];
        uint64_t words[6] = {hold->partition,  hold->sequence,
                             hold->state,      (uint64_t)hold->deadline_wall_ms,
                             hold->line_count, hold->key.word[0]};

        if ((hold->flags & HOLD_IN_USE) != 0)
            digest += hash_bytes(&pool->hash_key, words, sizeof(words));
    }
    return digest;
}
