/* SPDX-License-Identifier: Apache-2.0 */
/* After the last fault: every order ends, and the records, the gateway's books, the stock and the
 * coupons say the same. */
#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "shoppers.h"
#include "violation.h"
#include "world.h"

enum {
    ENDING_ROUNDS_MAX = 900, /* of a second */
    ROUND_MS = 1000,
    ASK_ROUNDS_MAX = 300,
    LEISURE_MS = 20,
    LEISURE_ROUNDS_MAX = 20 * 1000,
    CHECKED_AT_RESTART = 24,
    SALE_ROUNDS_MAX = 25, /* of 10 SAGA_RETRY_MS */
};

/* ---- the end of each order ---- */

static uint64_t live_orders(const struct world *world)
{
    return journal_memory_count(world->journal, RECORD_ORDER);
}

/* Time alone ends them, and what the gateway still has to tell. */
static void let_end(struct world *world, void (*settle)(struct world *))
{
    settle(world);
    world_advance_clock(world, world->profile.engine.hold_cap_ms);
    settle(world);
    for (uint32_t rounds = 0;
         live_orders(world) > 0 || sim_events_open(world) > 0 || sim_gateway_is_busy(world);
         rounds++) {
        if (rounds == ENDING_ROUNDS_MAX)
            violation("liveness: %llu orders have not ended long after the last fault",
                      (unsigned long long)live_orders(world));
        for (uint32_t i = 0; i < 8 && sim_events_open(world) > 0; i++) {
            sim_events_tell(world);
            settle(world);
        }
        world_advance_clock(world, ROUND_MS);
        if (rounds == ENDING_ROUNDS_MAX / 2) /* the wall clock was set back while it was made */
            world_advance_clock(world, HOLD_TTL_MS_MAX);
        settle(world);
    }
}

/* What became of a checkout without an answer: its key tells, while it is kept. */
static void resolve(struct world *world, void (*settle)(struct world *))
{
    struct shoppers_model *shoppers = &world->shoppers;

    for (uint32_t i = 0; i < shoppers->order_count; i++) {
        struct shop_order *order = &shoppers->orders[i];

        for (uint32_t rounds = 0; order->state == SHOP_ASKED && !shoppers_key_is_old(world, order);
             rounds++) {
            if (rounds == ASK_ROUNDS_MAX)
                violation("liveness: a checkout is not answered long after the last fault");
            shoppers_checkout(world, i);
            settle(world);
            if (order->state == SHOP_ASKED && order->open > 0)
                world_advance_clock(world, ROUND_MS);
        }
    }
}

static void look_at_all(struct world *world, void (*settle)(struct world *))
{
    struct shoppers_model *shoppers = &world->shoppers;

    for (uint32_t i = 0; i < shoppers->order_count; i++) {
        struct shop_order *order = &shoppers->orders[i];
        uint64_t asked_step = world->step;

        if (order->state != SHOP_PLACED)
            continue;
        for (uint32_t rounds = 0; order->seen_step <= asked_step; rounds++) {
            if (rounds == ASK_ROUNDS_MAX)
                violation("liveness: order %u is not shown long after the last fault", i);
            shoppers_call(world, i, ORDER_CALL_GET, NONE);
            settle(world);
        }
    }
}

/* Erased accounts, by their orders: at leisure. Those that nobody verified lapse at any time. */
void shoppers_let_forget(struct world *world, void (*settle)(struct world *))
{
    for (uint32_t rounds = 0; journal_memory_count(world->journal, RECORD_ERASURE) > 0; rounds++) {
        if (rounds == LEISURE_ROUNDS_MAX)
            violation("liveness: %llu erased accounts are not forgotten by their orders long after "
                      "the last fault",
                      (unsigned long long)journal_memory_count(world->journal, RECORD_ERASURE));
        world_advance_clock(world, LEISURE_MS);
        settle(world);
    }
}

static bool is_wrapped(struct world *world, const struct shop_order *order)
{
    const uint8_t *key = world->shoppers.record.order_person.key;

    return order->state != SHOP_PLACED ||
           !journal_memory_find(world->journal, RECORD_ORDER_PERSON, order->id.partition, 0,
                                order->id.sequence, &world->shoppers.record) ||
           key[VAULT_WRAPPED_KEY_BYTES - 1] == SIM_WRAPPED_NOW;
}

/* What was made since a process began is not looked at by that process: all it makes is wrapped by
 * the current key, outside of the simulator. */
void shoppers_rotate(struct world *world, void (*settle)(struct world *))
{
    struct engine_vault_keys keys = {.previous = -1};

    for (uint32_t rounds = 0; keys.previous != 0; rounds++) {
        if (rounds == LEISURE_ROUNDS_MAX)
            violation("liveness: keys are not wrapped by the vault's current one");
        world_advance_clock(world, LEISURE_MS);
        settle(world);
        engine_vault_keys(world->engine, &keys);
    }
    for (uint32_t i = 0; i < world->shoppers.order_count; i++)
        if (!is_wrapped(world, &world->shoppers.orders[i]))
            violation("the key of order %u's person is wrapped by the vault's previous key still",
                      i);
}

/* ---- what is stored ---- */

struct store_walk {
    struct world *world;
    int64_t sold[SIM_SHOP_SKUS];
    int64_t kept_minor; /* captured and not refunded */
    uint32_t uses[SIM_SHOP_COUPONS];
    uint32_t orders;
    uint32_t keys; /* orders that their checkout's key finds still */
};

static uint32_t find_key(const struct world *world, const struct hash128 *key)
{
    for (uint32_t i = 0; i < world->shoppers.order_count; i++)
        if (hash128_equal(&world->shoppers.orders[i].key, key))
            return i;
    violation("there is an order that nobody asked for");
}

static void add_sold(struct store_walk *walk, const struct shop_hold *hold,
                     const struct order_record *order)
{
    for (uint32_t line = 0; line < hold->line_count; line++)
        for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++)
            if (walk->world->shoppers.sku_ids[i] == hold->lines[line].sku_id)
                walk->sold[i] += (int64_t)hold->lines[line].quantity - order->restocked[line];
}

/* Whether this account is erased, in the store. */
static bool is_erased(const struct world *world, const struct principal *principal)
{
    struct record *record = (struct record *)(uintptr_t)&world->shoppers.record;

    for (uint32_t i = 0; i < world->people.account_count; i++) {
        const struct account_model *account = &world->people.accounts[i];

        if (principal_equal(&account->principal, principal))
            return journal_memory_find(world->journal, RECORD_ACCOUNT, account->partition,
                                       account->number, 0, record) &&
                   record->account.state == ACCOUNT_ERASED;
    }
    return false;
}

/* What was paid and not sent keeps its person until then. */
static bool waits_for_parcel(const struct order_record *order)
{
    if (order->confirmed_wall_ms == 0 || order->status == ORDER_CANCELLED ||
        order->status == ORDER_REFUNDED)
        return false;
    for (uint32_t i = 0; i < order->timeline_count; i++)
        if (order->timeline[i].status == ORDER_SHIPPED ||
            order->timeline[i].status == ORDER_DELIVERED)
            return false;
    return order->status != ORDER_SHIPPED && order->status != ORDER_DELIVERED &&
           order->tracking[0] == '\0';
}

/* A person is forgotten where that was asked for, by staff or by an erasure, and nowhere else. */
static void check_person(struct world *world, const struct record *record, uint32_t index)
{
    const struct shop_order *order = &world->shoppers.orders[index];
    uint8_t forgotten = record->order.forgotten;
    bool forgot = (forgotten & ORDER_FORGOT_PERSON) != 0;
    bool has_person = journal_memory_find(world->journal, RECORD_ORDER_PERSON, record->partition, 0,
                                          record->sequence, &world->shoppers.record);
    bool was_erased = is_erased(world, &record->order.principal);
    bool forgets = (forgotten & ORDER_FORGETS_PERSON) != 0;

    if (forgets && !waits_for_parcel(&record->order))
        violation("order %u has ended, and has yet to forget its person", index);
    if (has_person == forgot)
        violation("order %u %s", index,
                  forgot ? "keeps a person that it forgot" : "has lost its person");
    if (order->is_forgotten && !forgot && !forgets)
        violation("order %u keeps a person that it was to forget", index);
    if (was_erased && order->is_customers && !forgot && !forgets)
        violation("order %u keeps the person of an account that is erased", index);
    if (was_erased && order->is_customers && forgot)
        world_mark(world, MARK_ORDER_FORGOTTEN);
}

static void visit_past(struct store_walk *walk, const struct record *record)
{
    struct world *world = walk->world;
    struct order_record stored = record->order;
    uint32_t index = find_key(world, &stored.key);
    struct shop_order *order = &world->shoppers.orders[index];
    struct shop_ask ask = {.status = order->status,
                           .timeline_count = order->timeline_count,
                           .is_acknowledged = order->is_acknowledged,
                           .acknowledged_minor = order->acknowledged_minor,
                           .captured_minor = order->captured_minor,
                           .refunded_minor = order->refunded_minor};

    if (order->state == SHOP_ASKED && shoppers_key_is_old(world, order)) /* nobody could ask */
        shoppers_place(world, index,
                       &(struct reservation_id){.created_ms = stored.created_wall_ms,
                                                .sequence = record->sequence,
                                                .partition = record->partition});
    if (order->state != SHOP_PLACED || order->id.sequence != record->sequence ||
        order->id.partition != record->partition)
        violation("order %u is stored, and its customer was told otherwise", index);
    shoppers_see(world, index, &stored, &ask);
    check_person(world, record, index);
    if (stored.status == ORDER_PENDING || stored.status == ORDER_NONE)
        violation("order %u has ended and is still to be paid", index);
    if (stored.confirmed_wall_ms == 0 && stored.captured_minor != stored.refunded_minor)
        violation("I4: order %u is %s, and %lld of %lld captured are refunded", index,
                  order_status_name((enum order_status)stored.status),
                  (long long)stored.refunded_minor, (long long)stored.captured_minor);
    order_mails_check(world, index, record);
    walk->orders++;
    walk->keys += (stored.forgotten & ORDER_FORGOT_KEY) == 0;
    walk->kept_minor += stored.captured_minor - stored.refunded_minor;
    if (stored.confirmed_wall_ms == 0)
        return;
    add_sold(walk, &world->shoppers.holds[order->hold], &stored);
    if (order->coupon != NONE)
        walk->uses[order->coupon]++;
}

static void on_page(struct journal_read *read)
{
    (void)read; /* it is complete: walk_past goes on */
}

static void walk_past(struct store_walk *walk, uint32_t partition)
{
    struct journal_port journal = journal_memory_port(walk->world->journal);
    uint64_t last = 0;
    uint32_t count;

    do {
        struct journal_read read = {.kind = RECORD_ORDER_PAST,
                                    .from = {partition, 0, last + 1},
                                    .to = {partition, UINT32_MAX, UINT64_MAX},
                                    .limit = LIST_PAGE_MAX,
                                    .done = on_page};
        const uint8_t *at;

        if (!journal.read(journal.self, &read))
            violation("the journal takes no read");
        journal_memory_complete_read(walk->world->journal);
        if (read.failed)
            violation("orders can't be read");
        at = read.result.bytes;
        count = read.count;
        for (uint32_t i = 0; i < count; i++) {
            const struct record *record = (const struct record *)(const void *)at;

            visit_past(walk, record);
            last = record->sequence;
            at += record->size;
        }
        free(read.result.bytes);
    } while (count == LIST_PAGE_MAX);
}

static void check_stock(const struct store_walk *walk)
{
    struct world *world = walk->world;

    for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++) {
        struct stock_view view;

        if (world->shoppers.sku_ids[i] == UINT32_MAX)
            continue;
        if (!engine_inspect_stock(world->engine, world->shoppers.sku_ids[i], &view))
            violation("I2: a SKU of the shoppers' is gone");
        if (view.stock != world->shoppers.stock[i] || view.sold != walk->sold[i])
            violation("I1: %u of %u units of %s are sold, by confirmed orders %lld of %u",
                      view.sold, view.stock, world->shoppers.skus[i], (long long)walk->sold[i],
                      world->shoppers.stock[i]);
    }
}

static void check_coupons(const struct store_walk *walk)
{
    for (uint32_t i = 0; i < SIM_SHOP_COUPONS; i++) {
        const struct shop_coupon *coupon = &walk->world->shoppers.coupons[i];
        struct coupon_view view;

        if (!coupon->is_known)
            continue;
        if (!engine_inspect_coupon(walk->world->engine, coupon->view.definition.code, &view))
            violation("I2: a coupon of the shoppers' is gone");
        if (view.committed != walk->uses[i] || view.held != 0)
            violation("I6: %u uses of a coupon are committed and %u held; %u orders have it",
                      view.committed, view.held, walk->uses[i]);
        if (view.definition.max_uses != 0 && view.committed > view.definition.max_uses)
            violation("I6: a coupon has more uses than it may have");
    }
}

/* Each order with all that belongs to it, and nothing more. */
static void check_parts(const struct store_walk *walk)
{
    const struct journal_memory *journal = walk->world->journal;

    if (journal_memory_count(journal, RECORD_ERASURE) != 0)
        violation("%llu erased accounts have not been forgotten by their orders",
                  (unsigned long long)journal_memory_count(journal, RECORD_ERASURE));
    if (journal_memory_count(journal, RECORD_ORDER) != 0)
        violation("orders are stored as live that have ended");
    if (journal_memory_count(journal, RECORD_ORDER_BODY) != walk->orders ||
        journal_memory_count(journal, RECORD_ORDER_OF) != walk->orders ||
        journal_memory_count(journal, RECORD_CHECKOUT) != walk->keys)
        violation("of %u orders, %u with keys, %llu bodies, %llu owners and %llu keys are stored",
                  walk->orders, walk->keys,
                  (unsigned long long)journal_memory_count(journal, RECORD_ORDER_BODY),
                  (unsigned long long)journal_memory_count(journal, RECORD_ORDER_OF),
                  (unsigned long long)journal_memory_count(journal, RECORD_CHECKOUT));
    for (uint32_t i = 0; i < walk->world->shoppers.order_count; i++)
        if (walk->world->shoppers.orders[i].state == SHOP_PLACED &&
            !journal_memory_find(
                journal, RECORD_ORDER_PAST, walk->world->shoppers.orders[i].id.partition, 0,
                walk->world->shoppers.orders[i].id.sequence, &walk->world->shoppers.record))
            violation("I2: order %u, which was acknowledged, is gone", i);
}

uint32_t shoppers_committed_uses(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SIM_SHOP_COUPONS; i++) {
        struct coupon_view view;

        if (world->shoppers.coupons[i].is_known &&
            engine_inspect_coupon(world->engine, world->shoppers.coupons[i].view.definition.code,
                                  &view))
            count += view.committed;
    }
    return count;
}

void shoppers_check_end(struct world *world)
{
    struct store_walk walk = {.world = world};
    int64_t gateway_minor = 0;

    if (world->profile.orders == 0)
        return;
    for (uint32_t i = 0; i < world->profile.engine.partitions; i++)
        walk_past(&walk, i);
    check_parts(&walk);
    check_stock(&walk);
    check_coupons(&walk);
    sim_gateway_check(world);
    for (uint32_t i = 0; i < world->gateway.payment_count; i++)
        gateway_minor +=
            world->gateway.payments[i].captured_minor - world->gateway.payments[i].refunded_minor;
    if (gateway_minor != walk.kept_minor)
        violation("I4: the gateway has captured %lld more than it refunded, the orders say %lld",
                  (long long)gateway_minor, (long long)walk.kept_minor);
}

/* ---- all of it ---- */

/* A reservation's other partitions hear of the sale a little after the order; mailboxes may be
 * small. */
static bool is_sold_everywhere(struct world *world)
{
    struct store_walk walk = {.world = world};

    for (uint32_t i = 0; i < world->profile.engine.partitions; i++)
        walk_past(&walk, i);
    for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++) {
        struct stock_view view;

        if (world->shoppers.sku_ids[i] != UINT32_MAX &&
            engine_inspect_stock(world->engine, world->shoppers.sku_ids[i], &view) &&
            view.sold != walk.sold[i])
            return false;
    }
    return true;
}

static void let_sell(struct world *world, void (*settle)(struct world *))
{
    for (uint32_t i = 0; i < SALE_ROUNDS_MAX && !is_sold_everywhere(world); i++) {
        world_advance_clock(world, 10 * SAGA_RETRY_MS);
        settle(world);
    }
}

void shoppers_heal(struct world *world, void (*settle)(struct world *))
{
    if (world->profile.orders == 0)
        return;
    let_end(world, settle);
    resolve(world, settle);
    let_end(world, settle);
    shoppers_let_forget(world, settle);
    look_at_all(world, settle);
    watches_heal(world, settle);
    shoppers_let_forget(world, settle); /* who became a customer late is looked for once more */
    let_sell(world, settle);
    shoppers_check_end(world);
}

/* ---- after a restart ---- */

static void check_order(struct world *world, uint32_t index)
{
    struct shop_order *order = &world->shoppers.orders[index];
    struct record *record = &world->shoppers.record;
    struct shop_ask ask = {.status = order->status,
                           .timeline_count = order->timeline_count,
                           .is_acknowledged = order->is_acknowledged,
                           .acknowledged_minor = order->acknowledged_minor,
                           .captured_minor = order->captured_minor,
                           .refunded_minor = order->refunded_minor};
    struct order_record stored;
    bool is_past;

    if (order->state != SHOP_PLACED)
        return;
    is_past = journal_memory_find(world->journal, RECORD_ORDER_PAST, order->id.partition, 0,
                                  order->id.sequence, record);
    if (is_past)
        stored = record->order;
    if (journal_memory_find(world->journal, RECORD_ORDER, order->id.partition, 0,
                            order->id.sequence, record) == is_past)
        violation("I2: order %u, which was acknowledged, is %s after a restart", index,
                  is_past ? "stored twice" : "gone");
    if (!is_past)
        stored = record->order;
    shoppers_see(world, index, &stored, &ask);
}

void shoppers_check_restarted(struct world *world)
{
    uint32_t count = world->shoppers.order_count;

    for (uint32_t i = 0; i < CHECKED_AT_RESTART && i < count; i++) {
        check_order(world, count - 1 - i);
        check_order(world, sim_random_below(&world->random, count));
    }
}
