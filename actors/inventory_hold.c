/* SPDX-License-Identifier: Apache-2.0 */
/* A hold's life.
 *
 *            (one partition)                 (several)
 *                  |                             |
 *                  v          all prepared       v
 *                HELD  <---------------------  INTENT --> ABORTED
 *                  |
 *      +-------+---+-------+-------+          participant: PREPARED --> CONVERTED, RELEASED,
 *      |       |           |       v                                     EXPIRED or ABORTED,
 *      |       v           |    CAPTURING                                by its owner's word only
 *      |    EXPIRED        |       |
 *      |                   v       |
 *      |               RELEASED <--+
 *      +--> CONVERTED <------------+
 *
 * A hold may belong to an order (`order`). Then only that order releases it, pins it (CAPTURING,
 * where no deadline counts) and, once it is pinned, converts it.
 *
 * An ended hold keeps its slot and record for the retention time, because its key still has to give
 * the first answer again; then both are forgotten. Expiry is decided and recorded here, never
 * computed by a reader: a request that finds the deadline passed records the lapse first. */
#include <string.h>

#include "hints.h"
#include "inventory_private.h"

#define AFTER(state) (1u << HOLD_##state)

static const uint32_t successors[HOLD_STATE_COUNT] = {
    [HOLD_INTENT] = AFTER(HELD) | AFTER(ABORTED),
    [HOLD_PREPARED] = AFTER(CONVERTED) | AFTER(RELEASED) | AFTER(EXPIRED) | AFTER(ABORTED),
    [HOLD_HELD] = AFTER(CONVERTED) | AFTER(RELEASED) | AFTER(EXPIRED) | AFTER(CAPTURING),
    [HOLD_CAPTURING] = AFTER(CONVERTED) | AFTER(RELEASED),
};

bool hold_is_live(const struct hold *hold)
{
    return successors[hold->state] != 0;
}

void hold_move(struct inventory *inventory, struct hold *hold, enum hold_state state)
{
    assert(MUTANT(RELEASED_IS_CONVERTED) || MUTANT(RELEASE_COUNTED_TWICE) ||
           (successors[hold->state] & (1u << state)) != 0);
    hold->state = (uint8_t)state;
    if (!hold_is_live(hold)) {
        assert(inventory->pool->active > 0);
        inventory->pool->active--;
    }
}

/* ---- ending ---- */

/* Once for each passage: before this sale some of it was still held. What is put up for sale again
 * can be sold out again. A SKU that is written off to the last unit is not sold out. */
static void tell_if_sold_out(struct inventory *inventory, const struct moment *moment,
                             const struct sku *sku, struct effects *effects)
{
    uint32_t left = sku->stock - sku->sold; /* available, or only held */

    if (MUTANT(SOLD_OUT_WHILE_HELD))
        left = sku_available(sku);
    if (left == 0 && !MUTANT(SOLD_OUT_UNTOLD))
        event_out_add(effects, inventory->events, inventory->partition, moment, EVENT_OUT_SOLD_OUT)
            ->order = sku->sku_id;
}

static void sell_line(struct inventory *inventory, const struct moment *moment,
                      const struct hold *hold, struct sku *sku, uint32_t quantity,
                      struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    struct limit_row *row = pool_find_limit(pool, sku->product, &hold->principal);
    struct record *record;

    sku->reserved -= quantity;
    sku->sold += quantity;
    sku_moves(sku, GATE_SHOW, quantity, effects);
    inventory_ledger(inventory, moment, sku, LEDGER_SOLD, quantity, hold->sequence, "converted",
                     effects);
    tell_if_sold_out(inventory, moment, sku, effects);
    if (row == NULL || pool->products[sku->product].limit_per_customer == 0)
        return;
    row->held -= quantity;
    row->sold += quantity;
    record = effects_record(effects, RECORD_LIMIT, inventory->partition, 0, 0);
    record->subject = pool->products[sku->product].number;
    record->limit.principal = hold->principal;
    record->limit.sold = row->sold;
    record->limit.adopted = row->adopted;
}

static void return_line(struct inventory *inventory, const struct hold *hold, struct sku *sku,
                        uint32_t quantity, struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    struct limit_row *row = pool_find_limit(pool, sku->product, &hold->principal);

    sku->reserved -= quantity;
    sku_moves(sku, GATE_CREDIT, quantity, effects);
    if (MUTANT(EXPIRY_TWICE) && hold->state == HOLD_EXPIRED)
        sku_moves(sku, GATE_CREDIT, quantity, effects);
    if (row == NULL || pool->products[sku->product].limit_per_customer == 0)
        return;
    if (MUTANT(LIMIT_NOT_RETURNED) && hold->state == HOLD_EXPIRED)
        return;
    assert(row->held >= quantity);
    row->held -= quantity;
    pool_drop_limit_if_empty(pool, row);
}

/* Its record goes; the floor keeps its number from being used again. */
static void persist_gone(struct inventory *inventory, const struct hold *hold,
                         struct effects *effects)
{
    struct record *record = effects_record(effects, RECORD_HOLD, inventory->partition, 0, 0);

    record->operation = RECORD_DELETE;
    record->sequence = hold->sequence;
    inventory_persist_floor(inventory, effects);
}

static void count_end(struct inventory_statistics *statistics, const struct hold *hold)
{
    if ((hold->flags & HOLD_PARTICIPANT) != 0)
        return;
    statistics->released += hold->state == HOLD_RELEASED;
    statistics->expired += hold->state == HOLD_EXPIRED;
    statistics->converted += hold->state == HOLD_CONVERTED;
}

void hold_end(struct inventory *inventory, const struct moment *moment, struct hold *hold,
              enum hold_state state, struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    UNINITIALIZED uint32_t partitions[RESERVATION_LINES_MAX];

    hold_move(inventory, hold, state);
    count_end(&pool->statistics, hold);
    hold->ended_wall_ms = moment->wall_ms;
    hold->deadline_boot_ms = moment->boot_ms;
    for (uint32_t line = hold->line_first; line != SLOT_NONE; line = pool->lines[line].next) {
        uint32_t quantity = pool->lines[line].quantity;
        struct sku *sku;

        if (sku_id_partition(pool->lines[line].sku_id) != inventory->partition)
            continue;
        sku = pool_find_sku(pool, pool->lines[line].sku_id);
        assert(sku->reserved >= quantity);
        if (state == HOLD_CONVERTED)
            sell_line(inventory, moment, hold, sku, quantity, effects);
        else if (!MUTANT(ABORT_KEEPS_UNITS) || state != HOLD_ABORTED)
            return_line(inventory, hold, sku, quantity, effects);
    }
    if (state == HOLD_ABORTED)
        persist_gone(inventory, hold, effects);
    else if (!MUTANT(EXPIRY_NOT_RECORDED) || state != HOLD_EXPIRED)
        hold_persist(inventory, hold, effects);
    if ((hold->flags & HOLD_PARTICIPANT) == 0 && state != HOLD_ABORTED) {
        uint32_t count = hold_participants(pool, hold, partitions);

        hold->waiting = (uint32_t)((1ULL << count) - 1);
    }
    if (hold->waiting != 0)
        lines_send(inventory, moment, hold, effects);
    else
        hold_schedule_purge(inventory, moment, hold, effects);
}

void hold_schedule_purge(const struct inventory *inventory, const struct moment *moment,
                         const struct hold *hold, struct effects *effects)
{
    int64_t keep_ms = (hold->flags & HOLD_PARTICIPANT) != 0 ? LINE_RETENTION_MS
                                                            : inventory->options->hold_retention_ms;
    int64_t left_ms = hold->deadline_boot_ms + keep_ms - moment->boot_ms;

    assert(!hold_is_live(hold) && hold->waiting == 0);
    if (hold->state == HOLD_ABORTED && (hold->flags & HOLD_PARTICIPANT) == 0)
        left_ms = 0;
    effects_timer(effects, pool_hold_slot(inventory->pool, hold),
                  moment->boot_ms + (left_ms > 0 ? left_ms : 1));
}

void hold_forget(struct inventory *inventory, struct hold *hold, struct effects *effects)
{
    assert(!hold_is_live(hold) && hold->waiting == 0);
    if (hold->state != HOLD_ABORTED) /* whose record went when it ended */
        persist_gone(inventory, hold, effects);
    effects_timer(effects, pool_hold_slot(inventory->pool, hold), 0);
    pool_free_hold(inventory->pool, hold);
}

/* ---- time ---- */

static bool is_past_deadline(const struct moment *moment, const struct hold *hold)
{
    return hold->state == HOLD_HELD &&
           moment->boot_ms >= hold->deadline_boot_ms + MUTANT(DEADLINE_INCLUSIVE) &&
           (hold->flags & HOLD_PARTICIPANT) == 0;
}

/* Who has acknowledged an end is not stored. To participants an owner that is not known any more
 * was aborted; so before an end from before a restart is forgotten, all must have heard of it.
 * False if there are none. */
static bool hold_await_all(const struct inventory *inventory, struct hold *hold)
{
    uint32_t partitions[RESERVATION_LINES_MAX];
    uint32_t count = hold_participants(inventory->pool, hold, partitions);

    hold->flags &= (uint8_t)~HOLD_RESTORED;
    hold->waiting = (uint32_t)((1ULL << count) - 1);
    return count > 0;
}

void hold_timer(struct inventory *inventory, const struct moment *moment, struct hold *hold,
                struct effects *effects)
{
    uint32_t slot = pool_hold_slot(inventory->pool, hold);

    if (hold->waiting != 0) { /* an intent, or an end that others have yet to acknowledge */
        int64_t started_ms = hold->deadline_boot_ms - hold->ttl_ms;

        if (hold->state == HOLD_INTENT && ((hold->flags & HOLD_RESTORED) != 0 ||
                                           moment->boot_ms - started_ms >= INTENT_TIMEOUT_MS))
            lines_abort(inventory, moment, hold, OUTCOME_OVERLOADED, effects);
        else
            lines_send(inventory, moment, hold, effects);
    } else if (hold->state == HOLD_PREPARED) {
        if (MUTANT(PREPARED_LAPSES) && moment->boot_ms >= hold->deadline_boot_ms)
            hold_end(inventory, moment, hold, HOLD_EXPIRED, effects);
        else
            lines_ask(inventory, moment, hold, effects);
    } else if (hold->state == HOLD_HELD) {
        if (is_past_deadline(moment, hold))
            hold_end(inventory, moment, hold, HOLD_EXPIRED, effects);
        else
            effects_timer(effects, slot, hold->deadline_boot_ms);
    } else if (hold->state == HOLD_CAPTURING) {
        if (MUTANT(PINNED_LAPSES))
            hold_end(inventory, moment, hold, HOLD_RELEASED, effects);
    } else if ((hold->flags & HOLD_PARTICIPANT) != 0) {
        if (MUTANT(LINES_KEPT))
            return;
        lines_ask(inventory, moment, hold, effects); /* whether it may be forgotten */
    } else if ((hold->flags & HOLD_RESTORED) != 0 && hold->state != HOLD_ABORTED &&
               !MUTANT(END_FORGOTTEN_UNHEARD) && hold_await_all(inventory, hold)) {
        lines_send(inventory, moment, hold, effects);
    } else {
        hold_forget(inventory, hold, effects);
    }
}

/* ---- requests ---- */

static enum outcome extend(struct inventory *inventory, const struct moment *moment,
                           struct hold *hold, uint64_t key, struct effects *effects)
{
    const struct inventory_options *options = inventory->options;
    int64_t cap_boot_ms = hold->deadline_boot_ms;
    int64_t deadline_boot_ms = moment->boot_ms + hold->ttl_ms;
    int64_t gained_ms;

    if (hold->extensions >= options->hold_extensions_max)
        return OUTCOME_HOLD_CAP_REACHED;
    /* The cap counts from creation: deadline - creation is what has been granted so far. */
    cap_boot_ms += options->hold_cap_ms - (hold->deadline_wall_ms - hold->created_wall_ms);
    if (cap_boot_ms <= hold->deadline_boot_ms)
        return OUTCOME_HOLD_CAP_REACHED;
    if (deadline_boot_ms > cap_boot_ms && !MUTANT(EXTENSION_WITHOUT_CAP))
        deadline_boot_ms = cap_boot_ms;
    gained_ms = deadline_boot_ms - hold->deadline_boot_ms;
    if (gained_ms <= 0)
        return OUTCOME_OK; /* asked so soon that there is nothing to gain: nothing is used up */
    hold->deadline_boot_ms += gained_ms;
    hold->deadline_wall_ms += gained_ms;
    hold->extensions++;
    if (key != 0) {
        for (uint32_t i = HOLD_EXTENSIONS_MAX - 1; i > 0 && !MUTANT(OLDER_EXTEND_KEY_LOST); i--)
            hold->extend_keys[i] = hold->extend_keys[i - 1];
        hold->extend_keys[0] = key;
    }
    hold_persist(inventory, hold, effects);
    effects_timer(effects, pool_hold_slot(inventory->pool, hold), hold->deadline_boot_ms);
    return OUTCOME_OK;
}

/* A key that extended this hold before extends it no further, also after a restart. */
static bool is_repeated_extension(const struct message *message, const struct hold *hold)
{
    if (message->type != MESSAGE_HOLD_EXTEND || message->hold.key == 0)
        return false;
    for (uint32_t i = 0; i < HOLD_EXTENSIONS_MAX; i++)
        if (message->hold.key == hold->extend_keys[i])
            return true;
    return false;
}

/* ---- on behalf of an order ---- */

static enum outcome bind(struct inventory *inventory, const struct message *message,
                         struct hold *hold, struct effects *effects)
{
    if (hold->order == message->hold.order)
        return OUTCOME_OK;
    if (hold->state != HOLD_HELD)
        return OUTCOME_HOLD_ENDED;
    if (hold->order != 0 && !MUTANT(HOLD_IN_TWO_ORDERS))
        return OUTCOME_HOLD_IN_USE;
    hold->order = message->hold.order;
    hold_persist(inventory, hold, effects);
    return OUTCOME_OK;
}

static enum outcome pin(struct inventory *inventory, struct hold *hold, struct effects *effects)
{
    if (hold->state == HOLD_CAPTURING || hold->state == HOLD_CONVERTED)
        return OUTCOME_OK;
    if (hold->state != HOLD_HELD)
        return OUTCOME_HOLD_ENDED;
    hold_move(inventory, hold, HOLD_CAPTURING);
    if (!MUTANT(PIN_NOT_RECORDED))
        hold_persist(inventory, hold, effects);
    if (!MUTANT(PINNED_LAPSES))
        effects_timer(effects, pool_hold_slot(inventory->pool, hold), 0);
    return OUTCOME_OK;
}

/* Whatever an order asks for may come twice, and late. */
static enum outcome apply_of_order(struct inventory *inventory, const struct moment *moment,
                                   const struct message *message, struct hold *hold,
                                   struct effects *effects)
{
    if (message->type == MESSAGE_HOLD_BIND)
        return bind(inventory, message, hold, effects);
    if (hold->order !=
        message->hold.order) /* another's: this order has given it up, or never had it */
        return message->type == MESSAGE_HOLD_PIN || message->type == MESSAGE_HOLD_CONVERT
                   ? OUTCOME_HOLD_ENDED
                   : OUTCOME_OK;
    switch ((int)message->type) {
    case MESSAGE_HOLD_UNBIND:
        if (hold->state != HOLD_HELD)
            return OUTCOME_OK;
        hold->order = 0;
        hold_persist(inventory, hold, effects);
        return OUTCOME_OK;
    case MESSAGE_HOLD_PIN:
        return pin(inventory, hold, effects);
    case MESSAGE_HOLD_CONVERT:
        if (hold->state == HOLD_CAPTURING)
            hold_end(inventory, moment, hold, HOLD_CONVERTED, effects);
        return hold->state == HOLD_CONVERTED ? OUTCOME_OK : OUTCOME_HOLD_ENDED;
    case MESSAGE_HOLD_RELEASE:
    default:
        assert(message->type == MESSAGE_HOLD_RELEASE);
        if (hold->state == HOLD_HELD || hold->state == HOLD_CAPTURING)
            hold_end(inventory, moment, hold, HOLD_RELEASED, effects);
        return hold->state == HOLD_CONVERTED ? OUTCOME_HOLD_ENDED : OUTCOME_OK;
    }
}

static enum outcome apply(struct inventory *inventory, const struct moment *moment,
                          const struct message *message, struct hold *hold, struct effects *effects)
{
    if (is_past_deadline(moment, hold) && !MUTANT(NO_TTL_GUARD))
        hold_end(inventory, moment, hold, HOLD_EXPIRED, effects);
    if (is_repeated_extension(message, hold) &&
        (!MUTANT(EXTEND_KEY_ENDS) || hold->state == HOLD_HELD))
        return OUTCOME_OK; /* whatever became of the hold since */
    if (message->type == MESSAGE_HOLD_GET)
        return OUTCOME_OK;
    if (message->hold.authority == AUTHORITY_ORDER)
        return apply_of_order(inventory, moment, message, hold, effects);
    if (hold->state == HOLD_CAPTURING ||
        (hold->state == HOLD_HELD && hold->order != 0 && message->type != MESSAGE_HOLD_EXTEND &&
         !MUTANT(RELEASED_IN_ORDER)))
        return OUTCOME_HOLD_IN_USE;
    if (message->type == MESSAGE_HOLD_RELEASE) {
        if (hold->state == HOLD_CONVERTED)
            return OUTCOME_HOLD_ENDED;
        if (hold->state == HOLD_HELD || MUTANT(RELEASE_COUNTED_TWICE))
            hold_end(inventory, moment, hold, HOLD_RELEASED, effects);
        return OUTCOME_OK; /* idempotent: its units are back either way */
    }
    if (message->type == MESSAGE_HOLD_CONVERT && hold->state == HOLD_CONVERTED)
        return OUTCOME_OK;
    if (hold->state != HOLD_HELD &&
        !(MUTANT(RELEASED_IS_CONVERTED) && hold->state == HOLD_RELEASED))
        return OUTCOME_HOLD_ENDED;
    if (message->type == MESSAGE_HOLD_EXTEND)
        return extend(inventory, moment, hold, message->hold.key, effects);
    assert(message->type == MESSAGE_HOLD_CONVERT);
    hold_end(inventory, moment, hold, HOLD_CONVERTED, effects);
    return OUTCOME_OK;
}

/* What staff did to somebody's reservation. */
static void audit_hold(const struct inventory *inventory, const struct moment *moment,
                       const struct message *message, const struct hold *hold, uint8_t state_before,
                       struct effects *effects)
{
    uint8_t name[16];
    enum audit_act act;

    if (message->hold.authority != AUTHORITY_STAFF || hold->state == state_before ||
        (hold->state != HOLD_RELEASED && hold->state != HOLD_CONVERTED))
        return;
    act = hold->state == HOLD_RELEASED ? AUDIT_RESERVATION_RELEASED : AUDIT_RESERVATION_CONVERTED;
    for (unsigned i = 0; i < 8; i++) {
        name[i] = (uint8_t)(message->hold.sequence >> (56 - 8 * i));
        name[8 + i] = (uint8_t)((uint64_t)message->hold.created_wall_ms >> (56 - 8 * i));
    }
    audit_add(effects, inventory->partition, moment, &message->hold.origin, act,
              AUDIT_OF_RESERVATION, name, sizeof(name));
}

/* An order proves by its principal that the hold is the same customer's, once: when it binds. Of a
 * guest who has become a customer since the hold is the customer's by then. */
static bool may_bind(const struct inventory_pool *pool, const struct message *message,
                     const struct hold *hold)
{
    return hold->order == message->hold.order ||
           principal_equal(&hold->principal, pool_adopter(pool, &message->hold.principal));
}

static bool may_ask(const struct inventory_pool *pool, const struct message *message,
                    const struct hold *hold)
{
    if (message->hold.authority == AUTHORITY_STAFF ||
        principal_equal(&hold->principal, &message->hold.principal))
        return true;
    return message->hold.authority == AUTHORITY_ORDER &&
           (message->type != MESSAGE_HOLD_BIND || may_bind(pool, message, hold));
}

void inventory_hold_request(struct inventory *inventory, const struct moment *moment,
                            const struct message *message, struct effects *effects)
{
    struct inventory_pool *pool = inventory->pool;
    struct hold *hold = pool_find_sequence(pool, inventory->partition, message->hold.sequence);
    struct message *reply;
    enum outcome outcome;
    uint8_t state_before;
    bool repeated;

    if (hold == NULL || (hold->flags & HOLD_PARTICIPANT) != 0 || hold->state == HOLD_INTENT ||
        hold->state == HOLD_ABORTED ||
        (hold->created_wall_ms != message->hold.created_wall_ms && !MUTANT(NO_FENCE_CHECK)) ||
        !may_ask(pool, message, hold)) {
        inventory_reply(inventory, message, OUTCOME_NOT_FOUND, 0, effects);
        return;
    }
    repeated = is_repeated_extension(message, hold);
    state_before = hold->state;
    outcome = apply(inventory, moment, message, hold, effects);
    audit_hold(inventory, moment, message, hold, state_before, effects);
    reply = inventory_reply(inventory, message, outcome, hold->line_count, effects);
    reply->reply.replayed = repeated;
    hold_fill_view(pool, hold, moment, &reply->reply.hold);
}
