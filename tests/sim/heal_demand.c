/* SPDX-License-Identifier: Apache-2.0 */
/* Healing, when nothing is held any more: every unit finds a buyer, and every customer may have
 * what the limit leaves them, to the unit. */
#include "heal.h"
#include "inspect.h"
#include "violation.h"
#include "world.h"

enum { DEMAND_UNITS_MAX = 80 /* SKUs with more are not bought empty */ };

/* One unit for a new customer, who tries again while he is told to; the attempt's index. */
static uint32_t buy_one(struct world *world, uint32_t client, uint32_t sku)
{
    struct order_lines order = {.count = 1, .lines = {{sku, 1}}};
    uint32_t index = books_add_attempt(&world->books, client, 0, world->books.skus[sku].product);
    const struct sku_entry *entry = world_sku_entry(world, sku);

    world->books.attempts[index].order = order;
    for (uint32_t rounds = 0; rounds < HEAL_ROUNDS_MAX; rounds++) {
        clients_reserve(world, NONE, index, &order, false);
        heal_settle(world);
        if (world->books.attempts[index].hold != NONE || gate_available(&entry->gate) == 0)
            break;
    }
    return index;
}

/* More buyers than units: exactly the units are held. Then the holds are converted. */
void heal_sell_out(struct world *world, uint32_t sku, uint32_t *next_client)
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
        heal_ask_hold(world, COMMAND_HOLD_CONVERT, attempt->hold, true);
    }
    engine_inspect_stock(world->engine, entry->sku_id, &view);
    if (view.sold + view.reserved != view.stock)
        violation("liveness: %u of %u units of %s are sold or held", view.sold + view.reserved,
                  view.stock, world->books.skus[sku].name);
    if (view.sold == view.stock && view.stock > 0)
        world_mark(world, MARK_SOLD_EXACTLY);
}

bool heal_can_be_bought_empty(struct world *world, uint32_t sku)
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
    for (uint32_t rounds = 0; rounds < HEAL_ROUNDS_MAX; rounds++) {
        clients_reserve(world, NONE, index, &order, false);
        heal_settle(world);
        if (world->books.attempts[index].hold != NONE)
            return true;
        if (world->marks->hits[MARK_LIMIT] != refused)
            return false;
    }
    violation("liveness: a reservation was refused %u times without any fault", HEAL_ROUNDS_MAX);
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

void heal_probe_limits(struct world *world, uint32_t sku)
{
    const uint32_t *suspects = world->books.products[world->books.skus[sku].product].suspects;

    for (uint32_t i = 0; i < SUSPECT_COUNT; i++)
        if (suspects[i] < SIM_PARTIES_MAX && (i == 0 || suspects[i] != suspects[i - 1]))
            probe_limit(world, sku, people_owner(world, suspects[i]));
    probe_limit(world, sku,
                people_owner(world, sim_random_below(&world->random, world->profile.clients)));
}
