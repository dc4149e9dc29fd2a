/* SPDX-License-Identifier: Apache-2.0 */
/* Taking units: the key, the limits, the hold. A repeated key is answered before stock is asked
 * for; a claim that came along is resolved when the hold is recorded, and returned otherwise. */
#include <string.h>

#include "hints.h"
#include "inventory_private.h"

static bool is_own(const struct inventory *inventory, const struct line *line)
{
    return sku_id_partition(line->sku_id) == inventory->partition;
}

/* Units that the message carries go back to their gates. */
static void return_claim(struct reserve_body *body, struct effects *effects)
{
    if (body->claim != CLAIM_MADE)
        return;
    for (uint32_t i = 0; i < body->line_count; i++)
        claim_returns(body->lines[i].sku_id, body->lines[i].quantity, effects);
    body->claim = CLAIM_NONE;
}

/* ---- limits ---- */

static void give_limits(struct inventory *inventory, const struct principal *principal,
                        const struct line *lines, struct sku *const skus[], uint32_t line_count)
{
    struct inventory_pool *pool = inventory->pool;

    for (uint32_t i = 0; i < line_count; i++) {
        struct limit_row *row;

        if (skus[i] == NULL || pool->products[skus[i]->product].limit_per_customer == 0)
            continue;
        row = pool_find_limit(pool, skus[i]->product, principal);
        if (row == NULL)
            continue;
        assert(row->held >= lines[i].quantity);
        row->held -= lines[i].quantity;
        pool_drop_limit_if_empty(pool, row);
    }
}

/* What a guest who became this customer still has of it: its rows move slice by slice. */
static uint64_t not_moved_yet(const struct inventory_pool *pool, uint32_t product,
                              const struct principal *principal, const struct principal *guest)
{
    const struct limit_row *row =
        principal_equal(guest, principal) ? NULL : pool_find_limit(pool, product, guest);

    return row == NULL ? 0 : (uint64_t)row->held + row->sold;
}

enum outcome inventory_take_limits(struct inventory *inventory, const struct principal *principal,
                                   const struct principal *asked_by, const struct line *lines,
                                   struct sku *const skus[], uint32_t line_count,
                                   uint32_t *limit_out)
{
    struct inventory_pool *pool = inventory->pool;

    for (uint32_t i = 0; i < line_count; i++) {
        const struct sku *sku = skus[i];
        uint32_t limit = sku == NULL ? 0 : pool->products[sku->product].limit_per_customer;
        struct limit_row *row;

        if (limit == 0)
            continue;
        row = pool_find_limit(pool, sku->product, principal);
        if (row == NULL)
            row = pool_add_limit(pool, sku->product, principal);
        if (row == NULL) {
            give_limits(inventory, principal, lines, skus, i);
            return OUTCOME_OVERLOADED;
        }
        if (not_moved_yet(pool, sku->product, principal, asked_by) + row->held + row->sold +
                lines[i].quantity >
            limit) {
            pool_drop_limit_if_empty(pool, row);
            give_limits(inventory, principal, lines, skus, MUTANT(LIMIT_LINES_KEPT) ? 0 : i);
            *limit_out = limit;
            return OUTCOME_LIMIT_REACHED;
        }
        row->held += lines[i].quantity;
    }
    return OUTCOME_OK;
}

/* ---- the hold ---- */

void inventory_reserve_lines(struct inventory *inventory, const struct hold *hold,
                             struct sku *const skus[])
{
    struct inventory_pool *pool = inventory->pool;

    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next) {
        struct sku *sku = *skus++;

        if (sku == NULL)
            continue;
        sku->reserved += pool->lines[line].quantity;
        assert(MUTANT(CLAIM_OFF_BY_ONE) || MUTANT(GATE_NOT_REBUILT) || MUTANT(EXPIRY_TWICE) ||
               sku->reserved + sku->sold <= sku->stock);
    }
    pool->active++;
}

static struct hold *create_hold(struct inventory *inventory, const struct moment *moment,
                                const struct message *message, struct sku *const skus[], bool spans)
{
    const struct reserve_body *body = &message->reserve;
    struct hold *hold = pool_new_hold(inventory->pool, body->lines, body->line_count);
    uint32_t ttl_ms = inventory->options->hold_ttl_ms;

    hold->key = body->key;
    hold->fingerprint = body->fingerprint;
    hold->principal = body->principal;
    hold->sequence = inventory->next_sequence++;
    hold->partition = (uint16_t)inventory->partition;
    hold->created_wall_ms = moment->wall_ms;
    hold->deadline_boot_ms = moment->boot_ms + ttl_ms;
    hold->deadline_wall_ms = moment->wall_ms + ttl_ms;
    hold->ttl_ms = ttl_ms;
    hold->state = spans ? HOLD_INTENT : HOLD_HELD;
    if (spans) {
        hold->cookie = message->cookie;
        hold->shard = message->shard;
    }
    pool_link_hold(inventory->pool, hold, skus);
    inventory_reserve_lines(inventory, hold, skus);
    inventory->pool->statistics.created += !spans;
    return hold;
}

static void refuse(struct inventory *inventory, struct message *message, enum outcome outcome,
                   uint32_t limit, struct effects *effects)
{
    struct reserve_body *body = &message->reserve;
    struct message *reply = inventory_reply(inventory, message, outcome, body->line_count, effects);

    reply->reply.limit = limit;
    reply->reply.hold.line_count = body->line_count;
    memcpy(reply->reply.hold.lines, body->lines, body->line_count * sizeof(body->lines[0]));
    if (!MUTANT(CLAIM_KEPT_AT_LIMIT) || outcome != OUTCOME_LIMIT_REACHED)
        return_claim(body, effects);
}

static void repeat(struct inventory *inventory, struct message *message, const struct hold *hold,
                   struct effects *effects)
{
    struct message *reply;

    return_claim(&message->reserve, effects);
    if (hold->fingerprint != message->reserve.fingerprint && !MUTANT(BODY_NOT_COMPARED)) {
        inventory_reply(inventory, message, OUTCOME_KEY_REUSED, 0, effects);
    } else if (hold->state == HOLD_INTENT) {
        inventory_reply(inventory, message, OUTCOME_KEY_IN_FLIGHT, 0, effects);
    } else {
        reply = inventory_reply(inventory, message, OUTCOME_OK, hold->line_count, effects);
        reply->reply.replayed = 1;
        inventory->pool->statistics.replayed++;
        hold_fill_first_view(inventory->pool, hold, &reply->reply.hold);
    }
}

/* A reply of OUTCOME_OK with the first view. */
static void answer_held(struct inventory *inventory, const struct message *message,
                        const struct hold *hold, struct effects *effects)
{
    struct message *reply =
        inventory_reply(inventory, message, OUTCOME_OK, hold->line_count, effects);

    hold_fill_first_view(inventory->pool, hold, &reply->reply.hold);
}

static void record_hold(struct inventory *inventory, const struct moment *moment,
                        struct message *message, struct sku *const skus[], bool spans,
                        struct effects *effects)
{
    struct reserve_body *body = &message->reserve;
    struct hold *hold = create_hold(inventory, moment, message, skus, spans);

    for (uint32_t i = 0; i < body->line_count; i++)
        if (skus[i] != NULL)
            sku_moves(skus[i], GATE_RESOLVE, body->lines[i].quantity, effects);
    body->claim = CLAIM_NONE; /* other partitions' claims are the intent's now */
    hold_persist(inventory, hold, effects);
    if (!spans) {
        effects_timer(effects, pool_hold_slot(inventory->pool, hold), hold->deadline_boot_ms);
        answer_held(inventory, message, hold, effects);
        return;
    }
    UNINITIALIZED uint32_t partitions[RESERVATION_LINES_MAX];
    uint32_t count = hold_participants(inventory->pool, hold, partitions);

    hold->waiting = (uint32_t)((1ULL << count) - 1);
    lines_send(inventory, moment, hold, effects);
    if (MUTANT(PARTIAL_HOLD_VISIBLE))
        answer_held(inventory, message, hold, effects);
}

/* The hold that this key made, or the same person's key from when that was a guest. */
static struct hold *find_known(const struct inventory *inventory, const struct reserve_body *body)
{
    struct hold *known = pool_find_key(inventory->pool, inventory->partition, &body->key);

    for (uint32_t i = 0; i < body->other_key_count && known == NULL && !MUTANT(OTHER_KEYS_IGNORED);
         i++) {
        const struct hash128 key = reserve_key(body, i);

        known = pool_find_key(inventory->pool, inventory->partition, &key);
    }
    return known;
}

void inventory_reserve(struct inventory *inventory, const struct moment *moment,
                       struct message *message, struct effects *effects)
{
    struct reserve_body *body = &message->reserve;
    struct hold *known = find_known(inventory, body);
    UNINITIALIZED struct sku *skus[RESERVATION_LINES_MAX];
    uint32_t limit = 0;
    enum outcome outcome;
    bool spans = false;

    assert(body->line_count >= 1 && body->line_count <= RESERVATION_LINES_MAX);
    assert(is_own(inventory, &body->lines[0]));
    if (known != NULL) {
        repeat(inventory, message, known, effects);
        return;
    }
    /* A guest's who has become a customer meanwhile: what the customer may have asked for with the
     * same key since is not found by the guest's. Nothing happens; the customer asks again. */
    if (pool_adopter(inventory->pool, &body->principal) != &body->principal) {
        refuse(inventory, message, OUTCOME_OVERLOADED, 0, effects);
        return;
    }
    if (!pool_find_skus(inventory->pool, inventory->partition, body->lines, body->line_count,
                        skus)) {
        refuse(inventory, message, OUTCOME_NOT_FOUND, 0, effects);
        return;
    }
    /* Withdrawn while this was on its way, or asked for by a key that might have been known. */
    if (!inventory_sells(inventory->pool, skus, body->line_count)) {
        refuse(inventory, message, OUTCOME_NOT_FOUND, 0, effects);
        return;
    }
    for (uint32_t i = 0; i < body->line_count; i++)
        spans = spans || skus[i] == NULL;
    if (body->claim == CLAIM_BARRED) {
        refuse(inventory, message, OUTCOME_STORAGE_FULL, 0, effects);
        return;
    }
    if (body->claim == CLAIM_NONE) {
        effects->claim_count = body->line_count;
        memcpy(effects->claim_lines, body->lines, body->line_count * sizeof(body->lines[0]));
        return;
    }
    if (body->claim == CLAIM_REFUSED || body->claim == CLAIM_EMPTY) {
        refuse(inventory, message,
               body->claim == CLAIM_EMPTY ? OUTCOME_SOLD_OUT : OUTCOME_INSUFFICIENT_STOCK, 0,
               effects);
        return;
    }
    if (!pool_has_room(inventory->pool, body->line_count)) {
        refuse(inventory, message, OUTCOME_OVERLOADED, 0, effects);
        return;
    }
    outcome = inventory_take_limits(inventory, &body->principal, &body->principal, body->lines,
                                    skus, body->line_count, &limit);
    if (outcome != OUTCOME_OK) {
        refuse(inventory, message, outcome, limit, effects);
        return;
    }
    record_hold(inventory, moment, message, skus, spans, effects);
}
