/* SPDX-License-Identifier: Apache-2.0 */
/* The second phase of a run: no more faults. Everything under way must end, every doubt be resolved
 * by asking, every hold lapse, and then every unit must be sellable: under-selling is a defect like
 * over-selling (I1). */
#include "world.h"

#include "heal.h"
#include "inspect.h"
#include "violation.h"

enum {
    SETTLE_STEPS_MAX = 400000,
    SETTLE_MS_MAX = 2000, /* and the time-out of requests */
    LAPSE_MS_MAX = 5000,  /* and the cap of holds */
    BUYERS_FIRST = 1000,  /* new customers, so that limits do not stand in the way */
    WAKE_PROBES = 20,
};

static uint32_t requests_open(const struct world *world)
{
    return SIM_REQUESTS_MAX - world->free_request_count;
}

/* Without faults whatever was asked is answered within this. */
static int64_t settle_ms_max(const struct world *world)
{
    return SETTLE_MS_MAX + world->profile.engine.request_timeout_ms;
}

/* Until every request has its answer and nothing is left to do at this time. */
void heal_settle(struct world *world)
{
    uint64_t limit = world->step + SETTLE_STEPS_MAX;
    int64_t started_ms = world_now(world);

    for (;;) {
        bool busy = world_step(world);

        if (!busy && requests_open(world) == 0 && !world->read_open)
            return;
        if (!busy)
            world_advance_clock(world, 5);
        if (world->step > limit || world_now(world) - started_ms > settle_ms_max(world))
            violation("liveness: %u requests have no answer %lld ms after the last fault",
                      requests_open(world), (long long)(world_now(world) - started_ms));
    }
}

/* ---- doubts ---- */

/* Asks until it is answered: a full mailbox may refuse, and then the client tries again. */
void heal_ask_hold(struct world *world, enum command_type type, uint32_t index, bool staff)
{
    uint64_t asked_step = world->step;

    for (uint32_t rounds = 0; rounds < HEAL_ROUNDS_MAX; rounds++) {
        const struct book_hold *hold = &world->books.holds[index];

        if (hold->forgotten || hold->seen_step > asked_step)
            return;
        /* Where an adoption finds no room, nobody knows whose it is. */
        clients_ask_hold(world, type, NONE, hold->client, index,
                         staff || people_relation(world, people_owner(world, hold->client),
                                                  hold->client) == RELATION_UNSURE);
        heal_settle(world);
    }
    violation("liveness: a request for a hold was refused %u times without any fault",
              HEAL_ROUNDS_MAX);
}

/* Every hold that is not known to have ended is asked for: lost ones show, and what requests
 * without an answer did to them. */
static void ask_holds(struct world *world)
{
    for (uint32_t i = 0; i < world->books.hold_count; i++)
        if (world->books.holds[i].state == HOLD_HELD && !world->books.holds[i].forgotten)
            heal_ask_hold(world, COMMAND_HOLD_GET, i, false);
}

static void list_page(struct world *world, uint32_t client, uint32_t shard,
                      const struct reservation_id *after)
{
    uint64_t lists = world->lists;

    for (uint32_t rounds = 0; world->lists == lists; rounds++) {
        if (rounds == HEAL_ROUNDS_MAX)
            violation("liveness: a list was refused %u times without any fault", HEAL_ROUNDS_MAX);
        clients_list(world, NONE, client, shard, after);
        heal_settle(world);
    }
}

static bool party_exists(const struct world *world, uint32_t party)
{
    if (party_is_account(party))
        return !principal_is_nobody(&world->people.accounts[party - SIM_GUESTS_MAX].principal);
    return party < world->profile.clients ||
           (party >= SIM_CLIENTS_MAX && party < world->people.next_guest);
}

/* Each customer's own list: nobody has a hold that he did not ask for, or two for one key. */
static void list_holds(struct world *world)
{
    for (uint32_t client = 0; client < SIM_PARTIES_MAX; client++)
        for (uint32_t shard = 0;
             shard < world->profile.engine.shards && party_exists(world, client); shard++) {
            list_page(world, client, shard, NULL);
            while (world->list_goes_on) {
                struct reservation_id after = world->list_last;

                list_page(world, client, shard, &after);
            }
        }
}

/* Everything has been asked for: the books know each live hold, and the records must agree to the
 * unit. What several partitions have to agree on may take a few more messages. */
static bool books_agree(struct world *world)
{
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        const struct sku_entry *entry = world_sku_entry(world, i);
        struct stock_view view;

        if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view))
            continue;
        if (view.reserved != books_live_units(&world->books, i, world_now(world)) ||
            gate_claimed(&entry->gate) != 0)
            return false;
    }
    return true;
}

static void check_exactly(struct world *world)
{
    int64_t patience_ms = world_now(world) + LAPSE_MS_MAX;

    heal_settle(world);
    while (!books_agree(world)) {
        if (world_now(world) > patience_ms)
            violation("I1: units are reserved or claimed that nobody holds, by the books");
        world_advance_clock(world, SAGA_RETRY_MS);
        heal_settle(world);
    }
}

/* ---- what staff see ---- */

/* Page by page over all shards: all live holds (of a SKU). */
static void walk_holds(struct world *world, uint32_t sku_id)
{
    world->list_round++;
    for (uint32_t shard = 0; shard < world->profile.engine.shards; shard++) {
        struct reservation_id after = {0};

        do {
            uint64_t lists = world->lists;

            for (uint32_t rounds = 0; world->lists == lists; rounds++) {
                if (rounds == HEAL_ROUNDS_MAX)
                    violation("liveness: a list was refused %u times without any fault",
                              HEAL_ROUNDS_MAX);
                staff_list(world, shard, sku_id, &after);
                heal_settle(world);
            }
            after = world->list_last;
        } while (world->list_goes_on);
    }
}

static bool is_of_sku(const struct world *world, const struct book_hold *hold, uint32_t sku_id)
{
    for (uint32_t i = 0; i < hold->line_count; i++)
        if (world->books.skus[hold->lines[i].sku].sku_id == sku_id)
            return true;
    return false;
}

static void check_walk(struct world *world, uint32_t sku_id)
{
    int64_t started_ms = world_now(world);

    walk_holds(world, sku_id);
    for (uint32_t i = 0; i < world->books.hold_count; i++) {
        const struct book_hold *hold = &world->books.holds[i];

        if (!book_hold_is_live(hold, world_now(world)) || hold->created_ms >= started_ms)
            continue;
        /* Another partition than the owner's may not know yet that the whole stands. */
        if (sku_id != UINT32_MAX && (!is_of_sku(world, hold, sku_id) || hold->line_count > 1))
            continue;
        if (hold->list_round != world->list_round)
            violation("a walk over %s misses a live hold of customer %u",
                      sku_id == UINT32_MAX ? "all holds" : "a SKU's holds", hold->client);
    }
}

static void check_walks(struct world *world)
{
    uint32_t sku = sim_random_below(&world->random, world->books.sku_count);

    check_walk(world, UINT32_MAX);
    if (world->books.skus[sku].sku_id != UINT32_MAX)
        check_walk(world, world->books.skus[sku].sku_id);
    if (world->books.skus[0].sku_id != UINT32_MAX)
        check_walk(world, world->books.skus[0].sku_id);
}

/* ---- lapse ---- */

static int64_t last_deadline(const struct world *world)
{
    return world_now(world) + world->profile.engine.hold_cap_ms;
}

/* Nothing is held or claimed any more: each unit is on sale or sold. */
static void check_nothing_held(struct world *world)
{
    struct engine_metrics metrics;

    oracles_audit(world);
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        const struct sku_model *sku = &world->books.skus[i];
        const struct sku_entry *entry = world_sku_entry(world, i);
        struct stock_view view;

        if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view))
            continue;
        if (gate_claimed(&entry->gate) != 0)
            violation("liveness: %u units of %s stay claimed by nobody", gate_claimed(&entry->gate),
                      sku->name);
        if (view.reserved != 0)
            violation("liveness: %u units of %s stay reserved after everything lapsed",
                      view.reserved, sku->name);
        if (view.sold < sku->sold || view.sold > sku->sold + sku->sold_maybe)
            violation("I3: %u units of %s are sold, by the books %llu and perhaps %llu more",
                      view.sold, sku->name, (unsigned long long)sku->sold,
                      (unsigned long long)sku->sold_maybe);
    }
    engine_metrics(world->engine, &metrics);
    if (metrics.holds_active != 0)
        violation("liveness: %lld holds live on after everything lapsed",
                  (long long)metrics.holds_active);
}

/* Also of what the shoppers order, which is not in the books. */
static bool something_reserved(struct world *world)
{
    struct engine_metrics metrics;

    engine_metrics(world->engine, &metrics);
    if (metrics.holds_active != 0)
        return true;
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        const struct sku_entry *entry = world_sku_entry(world, i);
        struct stock_view view;

        if (entry != NULL && engine_inspect_stock(world->engine, entry->sku_id, &view) &&
            (view.reserved != 0 || gate_claimed(&entry->gate) != 0))
            return true;
    }
    return false;
}

static void let_lapse(struct world *world)
{
    int64_t until_ms = last_deadline(world);
    int64_t patience_ms;

    heal_settle(world);
    world_advance_clock(world, until_ms - world_now(world));
    heal_settle(world);
    /* What several partitions have to agree on takes a few more messages. */
    patience_ms = world_now(world) + LAPSE_MS_MAX;
    while (something_reserved(world) && world_now(world) < patience_ms) {
        heal_settle(world);
        world_advance_clock(world, SAGA_RETRY_MS);
    }
    heal_settle(world);
    check_nothing_held(world);
}

/* ---- wake-ups ---- */

/* With the clock stopped: single questions from every shard to every partition must be answered by
 * wake-ups alone. oracles_quiet sees one that is lost. */
static void probe_wake_ups(struct world *world)
{
    uint32_t clock_weight = world->profile.step_weights[STEP_CLOCK];

    heal_settle(world);
    world->profile.step_weights[STEP_CLOCK] = 0;
    for (uint32_t i = 0; i < WAKE_PROBES; i++) {
        uint64_t limit = world->step + SETTLE_STEPS_MAX;
        uint32_t burst = sim_random_range(&world->random, 1, 4);

        for (uint32_t n = 0; n < burst; n++)
            staff_get_stock(world, sim_random_below(&world->random, world->books.sku_count));
        while (requests_open(world) > 0 && world->step < limit && world_is_busy(world))
            world_step(world);
        if (requests_open(world) > 0)
            violation("with the clock stopped %u requests have no answer", requests_open(world));
    }
    world->profile.step_weights[STEP_CLOCK] = clock_weight;
}

/* ---- names ---- */

/* All at once, so that mailboxes are full; then alone: a SKU that nobody has is given to whichever
 * product asks for it. */
static void probe_names(struct world *world)
{
    uint32_t thief = sim_random_below(&world->random, SIM_THIEVES);

    heal_settle(world);
    for (uint32_t i = 0; i < SIM_CONTESTS; i++)
        if (!staff_contest_is_won(world, i))
            staff_contest(world, thief, i);
    heal_settle(world);
    for (uint32_t i = 0; i < SIM_CONTESTS; i++) {
        for (uint32_t n = 0; n < HEAL_ROUNDS_MAX && !staff_contest_is_won(world, i); n++) {
            staff_contest(world, thief + 1 + n, i);
            heal_settle(world);
        }
        if (!staff_contest_is_won(world, i))
            violation("liveness: a SKU that nobody has was refused %u times without any fault",
                      HEAL_ROUNDS_MAX);
    }
}

/* ---- products ---- */

static bool is_on_sale(const struct world *world, uint32_t product)
{
    const struct product_model *model = &world->books.products[product];

    for (uint32_t i = 0; i < model->sku_count; i++)
        if (books_sale(&world->books, model->sku_first + i) != SALE_ON)
            return false;
    return true;
}

/* What was archived meanwhile comes back, with its stock: it is to be sold to the unit, too. */
static void put_on_sale(struct world *world)
{
    for (uint32_t i = 0; i < world->books.product_count; i++) {
        for (uint32_t n = 0; world->books.products[i].presence == PRODUCT_PRESENT &&
                             !is_on_sale(world, i) && n <= HEAL_ROUNDS_MAX;
             n++) {
            if (n == HEAL_ROUNDS_MAX)
                violation("liveness: a product could not be put on sale again");
            staff_put_product(world, i, PUT_UPSERT);
            heal_settle(world);
        }
    }
}

/* ---- the end ---- */

static void drain(struct world *world)
{
    engine_drain(world->engine);
    heal_settle(world);
    if (engine_mode(world->engine) != ENGINE_DRAINING)
        violation("an engine told to drain does not");
    if (!engine_is_idle(world->engine))
        violation("a drained engine is not idle");
    world_mark(world, MARK_DRAINED);
}

void world_heal(struct world *world)
{
    uint32_t next_client = BUYERS_FIRST;

    if (world->commit_failed || world->draining || world->dies_at_step != 0)
        world_crash(world, false, false);
    world->phase = PHASE_HEAL;
    profile_heal(&world->profile);
    world->dies_at_step = 0;
    if (world->disk_full)
        world->disk_full_step = world->step;
    world->disk_full = false;
    journal_memory_set_full(world->journal, false);
    world_release_held(world);
    world->slow_until = 0;
    world->busy_until = 0;
    world->commit_ready_step = 0;
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        world->shards[i].stalled_until = 0;

    sim_listeners_leave(world);
    heal_settle(world);
    people_heal(world, heal_settle);
    shoppers_heal(world, heal_settle);
    sim_listeners_heal(world, heal_settle);
    hooks_heal(world, heal_settle);
    put_on_sale(world);
    ask_holds(world);
    list_holds(world);
    check_exactly(world);
    check_walks(world);
    probe_wake_ups(world);
    probe_names(world);
    let_lapse(world);
    for (uint32_t i = 0; i < world->books.sku_count; i++)
        if (heal_can_be_bought_empty(world, i))
            heal_probe_limits(world, i);
    let_lapse(world);
    for (uint32_t i = 0; i < world->books.sku_count; i++)
        if (heal_can_be_bought_empty(world, i))
            heal_sell_out(world, i, &next_client);
    let_lapse(world);
    heal_check_ledger(world, false);
    mails_heal(world, heal_settle);
    order_mails_heal(world, heal_settle);
    coupons_heal(world, heal_settle);
    carts_heal(world, heal_settle);
    world_crash(world, false, true); /* what stands must be found again */
    people_check_all(world, heal_settle);
    shoppers_let_forget(world, heal_settle);
    shoppers_check_end(world);
    sim_listeners_heal(world, heal_settle);
    hooks_heal(world, heal_settle);
    shoppers_rotate(world, heal_settle);
    let_lapse(world);
    world_forget(world, heal_settle);
    coupons_check_end(world, heal_settle);
    world_plant(world, heal_settle);
    drain(world);
    heal_check_ledger(world, true);
    shop_check(world);
    mails_check_end(world);
    world_retain(world, heal_settle);
    shoppers_let_forget(world, heal_settle); /* the accounts that lapsed */
    shoppers_check_end(world);
    world_check_audit_log(world);
    trace_add(&world->trace, TRACE_DIGEST, engine_inspect_digest(world->engine),
              journal_memory_state_hash(world->journal));
}
