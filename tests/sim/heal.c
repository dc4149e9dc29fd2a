/* SPDX-License-Identifier: Apache-2.0 */
/* The second phase of a run: no more faults. Everything under way must end, every doubt be resolved
 * by asking, every hold lapse, and then every unit must be sellable: under-selling is a defect like
 * over-selling (I1). */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"

enum {
    SETTLE_STEPS_MAX = 400000,
    SETTLE_MS_MAX = 2000, /* and the time-out of requests */
    LAPSE_MS_MAX = 5000,  /* and the cap of holds */
    ASK_ROUNDS_MAX = 200,
    DEMAND_UNITS_MAX = 80, /* SKUs with more are not bought empty */
    BUYERS_FIRST = 1000,   /* new customers, so that limits do not stand in the way */
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
static void settle(struct world *world)
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
static void ask_hold(struct world *world, enum command_type type, uint32_t index, bool staff)
{
    uint64_t asked_step = world->step;

    for (uint32_t rounds = 0; rounds < ASK_ROUNDS_MAX; rounds++) {
        const struct book_hold *hold = &world->books.holds[index];

        if (hold->forgotten || hold->seen_step > asked_step)
            return;
        /* Where an adoption finds no room, nobody knows whose it is. */
        clients_ask_hold(world, type, NONE, hold->client, index,
                         staff || people_relation(world, people_owner(world, hold->client),
                                                  hold->client) == RELATION_UNSURE);
        settle(world);
    }
    violation("liveness: a request for a hold was refused %u times without any fault",
              ASK_ROUNDS_MAX);
}

/* Every hold that is not known to have ended is asked for: lost ones show, and what requests
 * without an answer did to them. */
static void ask_holds(struct world *world)
{
    for (uint32_t i = 0; i < world->books.hold_count; i++)
        if (world->books.holds[i].state == HOLD_HELD && !world->books.holds[i].forgotten)
            ask_hold(world, COMMAND_HOLD_GET, i, false);
}

static void list_page(struct world *world, uint32_t client, uint32_t shard,
                      const struct reservation_id *after)
{
    uint64_t lists = world->lists;

    for (uint32_t rounds = 0; world->lists == lists; rounds++) {
        if (rounds == ASK_ROUNDS_MAX)
            violation("liveness: a list was refused %u times without any fault", ASK_ROUNDS_MAX);
        clients_list(world, NONE, client, shard, after);
        settle(world);
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

    settle(world);
    while (!books_agree(world)) {
        if (world_now(world) > patience_ms)
            violation("I1: units are reserved or claimed that nobody holds, by the books");
        world_advance_clock(world, SAGA_RETRY_MS);
        settle(world);
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
                if (rounds == ASK_ROUNDS_MAX)
                    violation("liveness: a list was refused %u times without any fault",
                              ASK_ROUNDS_MAX);
                staff_list(world, shard, sku_id, &after);
                settle(world);
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

    settle(world);
    world_advance_clock(world, until_ms - world_now(world));
    settle(world);
    /* What several partitions have to agree on takes a few more messages. */
    patience_ms = world_now(world) + LAPSE_MS_MAX;
    while (something_reserved(world) && world_now(world) < patience_ms) {
        settle(world);
        world_advance_clock(world, SAGA_RETRY_MS);
    }
    settle(world);
    check_nothing_held(world);
}

/* ---- demand ---- */

/* One unit for a new customer, who tries again while he is told to; the attempt's index. */
static uint32_t buy_one(struct world *world, uint32_t client, uint32_t sku)
{
    struct order_lines order = {.count = 1, .lines = {{sku, 1}}};
    uint32_t index = books_add_attempt(&world->books, client, 0, world->books.skus[sku].product);
    const struct sku_entry *entry = world_sku_entry(world, sku);

    world->books.attempts[index].order = order;
    for (uint32_t rounds = 0; rounds < ASK_ROUNDS_MAX; rounds++) {
        clients_reserve(world, NONE, index, &order, false);
        settle(world);
        if (world->books.attempts[index].hold != NONE || gate_available(&entry->gate) == 0)
            break;
    }
    return index;
}

/* More buyers than units: exactly the units are held. Then the holds are converted. */
static void sell_out(struct world *world, uint32_t sku, uint32_t *next_client)
{
    const struct sku_entry *entry = world_sku_entry(world, sku);
    uint32_t units = gate_available(&entry->gate);
    uint32_t first_attempt = world->books.attempt_count;
    struct stock_view view;
    uint32_t held = 0;

    for (uint32_t i = 0; i < units + 3; i++) {
        uint32_t attempt = buy_one(world, (*next_client)++, sku);

        held += world->books.attempts[attempt].hold != NONE;
    }
    if (held != units)
        violation("liveness: %u of %u units of %s found a buyer", held, units,
                  world->books.skus[sku].name);
    for (uint32_t i = first_attempt; i < world->books.attempt_count; i++) {
        const struct attempt *attempt = &world->books.attempts[i];

        if (attempt->hold == NONE)
            continue;
        ask_hold(world, COMMAND_HOLD_CONVERT, attempt->hold, true);
    }
    engine_inspect_stock(world->engine, entry->sku_id, &view);
    if (view.sold + view.reserved != view.stock)
        violation("liveness: %u of %u units of %s are sold or held", view.sold + view.reserved,
                  view.stock, world->books.skus[sku].name);
    if (view.sold == view.stock && view.stock > 0)
        world_mark(world, MARK_SOLD_EXACTLY);
}

static bool can_be_bought_empty(struct world *world, uint32_t sku)
{
    const struct engine_options *options = &world->profile.engine;
    const struct sku_entry *entry = world_sku_entry(world, sku);

    /* A pool made small on purpose, or a hold that lapses before its buyer has an answer, may
     * refuse or return what is asked for; the safety phase has seen those. */
    return entry != NULL &&
           world->books.products[world->books.skus[sku].product].presence == PRODUCT_PRESENT &&
           gate_available(&entry->gate) <= DEMAND_UNITS_MAX && options->holds_max >= 8192 &&
           options->limit_rows_max >= 4096 && options->hold_ttl_ms >= 5000 &&
           options->request_timeout_ms >= 50;
}

/* ---- limits ---- */

static bool try_to_hold(struct world *world, uint32_t client, uint32_t sku, uint32_t quantity)
{
    struct order_lines order = {.count = 1, .lines = {{sku, quantity}}};
    uint32_t index = books_add_attempt(&world->books, client, clients_next_key(world, client),
                                       world->books.skus[sku].product);
    uint64_t refused = world->marks->hits[MARK_LIMIT];

    world->books.attempts[index].order = order;
    for (uint32_t rounds = 0; rounds < ASK_ROUNDS_MAX; rounds++) {
        clients_reserve(world, NONE, index, &order, false);
        settle(world);
        if (world->books.attempts[index].hold != NONE)
            return true;
        if (world->marks->hits[MARK_LIMIT] != refused)
            return false;
    }
    violation("liveness: a reservation was refused %u times without any fault", ASK_ROUNDS_MAX);
}

static uint64_t units_of_group(const struct world *world, uint32_t party, uint32_t product)
{
    uint32_t parties[SIM_PARTIES_MAX];
    uint32_t count = people_certain_group(world, party, UINT64_MAX, parties);
    uint64_t units = 0;

    for (uint32_t i = 0; i < count; i++)
        units += books_customer_units(&world->books, parties[i], product, world_now(world));
    return units;
}

/* Nothing is held: what a customer may still have is the limit less what he has bought. */
static void probe_limit(struct world *world, uint32_t sku, uint32_t client)
{
    const struct product_model *product = &world->books.products[world->books.skus[sku].product];
    uint64_t bought = units_of_group(world, client, world->books.skus[sku].product);
    const struct sku_entry *entry = world_sku_entry(world, sku);
    uint32_t left;

    if (product->limit == 0 || product->vague || product->was_free)
        return;
    for (uint32_t i = 0; i < product->sku_count; i++)
        if (world->books.skus[product->sku_first + i].sold_maybe > 0)
            return;
    left = bought >= product->limit ? 0 : product->limit - (uint32_t)bought;
    if (gate_available(&entry->gate) <= left)
        return;
    if (left > 0 && !try_to_hold(world, client, sku, left))
        violation("I6: customer %u may not have %u more units of %s, having %llu of %u", client,
                  left, product->id, (unsigned long long)bought, product->limit);
    if (try_to_hold(world, client, sku, 1))
        violation("I6: customer %u got one unit more than the limit of %s", client, product->id);
}

static void probe_limits(struct world *world, uint32_t sku)
{
    const uint32_t *suspects = world->books.products[world->books.skus[sku].product].suspects;

    for (uint32_t i = 0; i < SUSPECT_COUNT; i++)
        if (suspects[i] < SIM_PARTIES_MAX && (i == 0 || suspects[i] != suspects[i - 1]))
            probe_limit(world, sku, people_owner(world, suspects[i]));
    probe_limit(world, sku,
                people_owner(world, sim_random_below(&world->random, world->profile.clients)));
}

/* ---- wake-ups ---- */

/* With the clock stopped: single questions from every shard to every partition must be answered by
 * wake-ups alone. oracles_quiet sees one that is lost. */
static void probe_wake_ups(struct world *world)
{
    uint32_t clock_weight = world->profile.step_weights[STEP_CLOCK];

    settle(world);
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

    settle(world);
    for (uint32_t i = 0; i < SIM_CONTESTS; i++)
        if (!staff_contest_is_won(world, i))
            staff_contest(world, thief, i);
    settle(world);
    for (uint32_t i = 0; i < SIM_CONTESTS; i++) {
        for (uint32_t n = 0; n < ASK_ROUNDS_MAX && !staff_contest_is_won(world, i); n++) {
            staff_contest(world, thief + 1 + n, i);
            settle(world);
        }
        if (!staff_contest_is_won(world, i))
            violation("liveness: a SKU that nobody has was refused %u times without any fault",
                      ASK_ROUNDS_MAX);
    }
}

/* ---- the journal's own books ---- */

struct ledger_sums {
    int64_t stock;
    int64_t sold;
    uint64_t last;      /* sequence */
    uint32_t sold_outs; /* sales after which nothing was left */
};

static void sum_entry(struct ledger_sums *sums, const struct record *record)
{
    static const int stock_signs[LEDGER_ENTRY_COUNT] = {
        [LEDGER_RECEIPT] = 1, [LEDGER_WRITE_OFF] = -1};
    static const int sold_signs[LEDGER_ENTRY_COUNT] = {[LEDGER_SOLD] = 1, [LEDGER_RESTOCK] = -1};

    if (record->kind != RECORD_LEDGER || record->ledger.entry >= LEDGER_ENTRY_COUNT)
        violation("the ledger has an entry of no kind");
    if ((record->ledger.entry == LEDGER_SOLD) != (record->ledger.hold_sequence != 0))
        violation("a ledger entry names no hold that was sold, or one that was not");
    sums->stock += stock_signs[record->ledger.entry] * (int64_t)record->ledger.quantity;
    sums->sold += sold_signs[record->ledger.entry] * (int64_t)record->ledger.quantity;
    sums->last = record->sequence;
    if (record->ledger.entry == LEDGER_SOLD && sums->stock == sums->sold)
        sums->sold_outs++;
}

static void on_page(struct journal_read *read)
{
    (void)read; /* it is complete: sum_ledger goes on */
}

static void sum_ledger(struct world *world, uint32_t sku_id, struct ledger_sums *sums)
{
    struct journal_port journal = journal_memory_port(world->journal);
    uint32_t count;

    do {
        struct journal_read read = {
            .kind = RECORD_LEDGER,
            .from = {sku_id_partition(sku_id), sku_id, sums->last + 1},
            .to = {sku_id_partition(sku_id), sku_id, UINT64_MAX},
            .limit = LIST_PAGE_MAX,
            .done = on_page,
        };
        const uint8_t *at;

        if (!journal.read(journal.self, &read))
            violation("the journal takes no read");
        journal_memory_complete_read(world->journal);
        at = read.result.bytes;
        count = read.count;
        if (read.failed)
            violation("the ledger can't be read");
        for (uint32_t i = 0; i < count; i++) {
            sum_entry(sums, (const struct record *)(const void *)at);
            at += ((const struct record *)(const void *)at)->size;
        }
        free(read.result.bytes);
    } while (count == LIST_PAGE_MAX);
}

/* What is stored, added up from the beginning, is what the records in memory say. */
static void check_ledger(struct world *world, bool is_all_told)
{
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        const struct sku_entry *entry = world_sku_entry(world, i);
        struct ledger_sums sums = {0};
        struct stock_view view;

        if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view))
            continue;
        sum_ledger(world, entry->sku_id, &sums);
        if (sums.stock != view.stock || sums.sold != view.sold)
            violation("I1: the ledger of %s adds up to stock %lld, sold %lld; its record says %u, "
                      "%u",
                      world->books.skus[i].name, (long long)sums.stock, (long long)sums.sold,
                      view.stock, view.sold);
        if (is_all_told)
            sim_listeners_check_sold_out(world, entry->sku_id, sums.sold_outs);
    }
}

/* ---- the end ---- */

static void drain(struct world *world)
{
    engine_drain(world->engine);
    settle(world);
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
    world->commit_ready_step = 0;
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        world->shards[i].stalled_until = 0;

    sim_listeners_leave(world);
    settle(world);
    people_heal(world, settle);
    shoppers_heal(world, settle);
    sim_listeners_heal(world, settle);
    hooks_heal(world, settle);
    ask_holds(world);
    list_holds(world);
    check_exactly(world);
    check_walks(world);
    probe_wake_ups(world);
    probe_names(world);
    let_lapse(world);
    for (uint32_t i = 0; i < world->books.sku_count; i++)
        if (can_be_bought_empty(world, i))
            probe_limits(world, i);
    let_lapse(world);
    for (uint32_t i = 0; i < world->books.sku_count; i++)
        if (can_be_bought_empty(world, i))
            sell_out(world, i, &next_client);
    let_lapse(world);
    check_ledger(world, false);
    mails_heal(world, settle);
    order_mails_heal(world, settle);
    coupons_heal(world, settle);
    carts_heal(world, settle);
    world_crash(world, false, true); /* what stands must be found again */
    people_check_all(world, settle);
    shoppers_let_forget(world, settle);
    shoppers_check_end(world);
    sim_listeners_heal(world, settle);
    hooks_heal(world, settle);
    shoppers_rotate(world, settle);
    let_lapse(world);
    world_forget(world, settle);
    coupons_check_end(world, settle);
    world_plant(world, settle);
    drain(world);
    check_ledger(world, true);
    shop_check(world);
    mails_check_end(world);
    world_retain(world, settle);
    world_check_audit_log(world);
    trace_add(&world->trace, TRACE_DIGEST, engine_inspect_digest(world->engine),
              journal_memory_state_hash(world->journal));
}
