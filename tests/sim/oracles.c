/* SPDX-License-Identifier: Apache-2.0 */
/* What must be so between answers. Three parties keep count of a SKU's units, each its own way: the
 * gate (one word), the owner's record, and the clients' books. After any step they must agree as
 * far as each can know. */
#include "world.h"

#include "inspect.h"
#include "violation.h"

enum {
    SKUS_PER_STEP = 4,
    HOLDS_PER_RESTART = 64, /* half of them the newest, half drawn */
};

/* available + claimed == stock - reserved - sold, at any moment (engine/gate.h). */
static void check_gate(struct world *world, uint32_t sku)
{
    const struct sku_model *model = &world->books.skus[sku];
    const struct sku_entry *entry = world_sku_entry(world, sku);
    struct stock_view view;
    uint64_t word;
    uint64_t gate_units;

    if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view))
        return;
    if ((uint64_t)view.reserved + view.sold > view.stock)
        violation("I1: %s oversold in its record: stock %u, reserved %u, sold %u", model->name,
                  view.stock, view.reserved, view.sold);
    if (atomic_load(&entry->gate.stock) != view.stock ||
        atomic_load(&entry->gate.reserved) != view.reserved ||
        atomic_load(&entry->gate.sold) != view.sold)
        violation("%s shows stock %u and reserved %u, its record %u and %u", model->name,
                  atomic_load(&entry->gate.stock), atomic_load(&entry->gate.reserved), view.stock,
                  view.reserved);
    word = atomic_load_explicit(&entry->gate.word, memory_order_relaxed);
    gate_units = (word & UINT32_MAX) + (word >> 32);
    if (gate_units != (uint64_t)view.stock - view.reserved - view.sold)
        violation("I1: the gate of %s has %u available and %u claimed, its record stock %u, "
                  "reserved %u, sold %u",
                  model->name, (uint32_t)word, (uint32_t)(word >> 32), view.stock, view.reserved,
                  view.sold);
}

void oracles_check_sku(struct world *world, uint32_t sku)
{
    struct sku_model *model = &world->books.skus[sku];
    const struct sku_entry *entry = world_sku_entry(world, sku);
    uint64_t promised = books_live_units(&world->books, sku, world_now(world)) + model->sold;
    struct stock_view view;

    if (promised > (uint64_t)model->stock_max)
        violation("I1: %llu units of %s are held or sold by what clients were told, of %lld",
                  (unsigned long long)promised, model->name, (long long)model->stock_max);
    if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view)) {
        if (promised > 0)
            violation("I2: %s is gone with %llu units promised", model->name,
                      (unsigned long long)promised);
        return;
    }
    /* Also a reservation over several partitions must have every line reserved by now. */
    if ((uint64_t)view.reserved + view.sold < promised)
        violation("I2: clients were promised %llu units of %s, its record has %u reserved and %u "
                  "sold",
                  (unsigned long long)promised, model->name, view.reserved, view.sold);
    if (world->books.products[model->product].presence == PRODUCT_PRESENT &&
        ((int64_t)view.stock < model->stock_min || (int64_t)view.stock > model->stock_max))
        violation("I2: the stock of %s is %u, by what clients were told %lld to %lld", model->name,
                  view.stock, (long long)model->stock_min, (long long)model->stock_max);
}

/* What is on show is what was last acknowledged. */
static void check_price(struct world *world, uint32_t sku)
{
    const struct sku_model *model = &world->books.skus[sku];
    const struct product_model *product = &world->books.products[model->product];
    const struct sku_entry *entry = world_sku_entry(world, sku);

    if (entry == NULL || product->presence != PRODUCT_PRESENT || product->vague ||
        product->put_open)
        return;
    if (!model->is_version_vague &&
        atomic_load(&entry->price_minor) != staff_price(model, model->version))
        violation("%s is shown at a price of %lld, not %lld", model->name,
                  (long long)atomic_load(&entry->price_minor),
                  (long long)staff_price(model, model->version));
    if (!model->is_version_vague && atomic_load(&entry->weight_grams) != model->version)
        violation("%s is shown with a weight of %u, not %u", model->name,
                  atomic_load(&entry->weight_grams), model->version);
    if (books_sale(&world->books, sku) != SALE_UNKNOWN &&
        sku_entry_is_on_sale(entry) != (books_sale(&world->books, sku) == SALE_ON))
        violation("%s is %s, other than was acknowledged", model->name,
                  sku_entry_is_on_sale(entry) ? "sold" : "not sold");
    if (sku_entry_is_on_sale(entry) &&
        (product_entry_price_low(entry->product) > atomic_load(&entry->price_minor) ||
         product_entry_price_high(entry->product) < atomic_load(&entry->price_minor)))
        violation("%s costs %lld, and is found from %lld to %lld", model->name,
                  (long long)atomic_load(&entry->price_minor),
                  (long long)product_entry_price_low(entry->product),
                  (long long)product_entry_price_high(entry->product));
}

/* Whoever sleeps and was not woken has nothing to do: looking again, as it did when it fell asleep,
 * must not find anything. */
static void check_sleepers(struct world *world)
{
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        if (world->shards[i].state == THREAD_ASLEEP && !world->env.shard_woken[i] &&
            !shard_try_sleep(engine_shard(world->engine, i)))
            violation("shard %u sleeps, has something to do, and was not woken", i);
    if (world->committer.state == THREAD_ASLEEP && !world->env.committer_woken &&
        !committer_try_sleep(world->engine))
        violation("the committer sleeps, a batch waits, and it was not woken");
}

void oracles_step(struct world *world)
{
    if (world->is_planted)
        return;
    for (uint32_t i = 0; i < SKUS_PER_STEP; i++) {
        world->audit_sku = (world->audit_sku + 1) % world->books.sku_count;
        check_gate(world, world->audit_sku);
        check_price(world, world->audit_sku);
    }
    check_sleepers(world);
    shop_step(world);
}

/* ---- counters ---- */

static void mark_metrics(struct world *world, const struct engine_metrics *metrics)
{
    const struct engine_metrics *seen = &world->metrics_seen;

    if (metrics->claims_returned > seen->claims_returned)
        world_mark(world, MARK_CLAIM_RETURNED);
    if (metrics->requests_expired > seen->requests_expired)
        world_mark(world, MARK_REQUEST_EXPIRED);
    if (metrics->saga_dropped > seen->saga_dropped)
        world_mark(world, MARK_SAGA_DROPPED);
    world->metrics_seen = *metrics;
}

static uint32_t open_overdue(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SIM_REQUESTS_MAX; i++)
        count += world->requests[i].cookie != 0 &&
                 world_now(world) - world->requests[i].counted_from_ms >
                     world->profile.engine.request_timeout_ms;
    return count;
}

static void check_metrics(struct world *world)
{
    struct engine_metrics metrics;
    uint64_t claimed = 0;

    engine_metrics(world->engine, &metrics);
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        const struct sku_entry *entry = world_sku_entry(world, i);

        claimed += entry == NULL ? 0 : gate_claimed(&entry->gate);
    }
    claimed += shoppers_claimed(world);
    if (metrics.claims_made - metrics.claims_resolved - metrics.claims_returned != (int64_t)claimed)
        violation("I1: %lld units claimed, %lld resolved, %lld returned, but %llu at the gates",
                  (long long)metrics.claims_made, (long long)metrics.claims_resolved,
                  (long long)metrics.claims_returned, (unsigned long long)claimed);
    /* What shards ask of accounts for their mails expires too, and nobody here sees it; what is
     * asked of carts and coupons neither. */
    if (world->mails.people_count == 0 && world->coupons.slot_count == 0 &&
        world->carts.shoppers == 0 && world->profile.orders == 0 &&
        metrics.requests_expired > (int64_t)(world->overdue + open_overdue(world)))
        violation("%lld requests were dropped as too old, %llu were",
                  (long long)metrics.requests_expired,
                  (unsigned long long)(world->overdue + open_overdue(world)));
    if (metrics.inventory_mismatch_skus != 0)
        violation("the online audit reports %lld SKUs", (long long)metrics.inventory_mismatch_skus);
    mark_metrics(world, &metrics);
}

void oracles_audit(struct world *world)
{
    uint32_t wrong;

    if (world->is_planted)
        return;
    wrong = engine_inspect_audit(world->engine);
    if (wrong != 0)
        violation("I1: %u SKUs disagree with their holds or gates", wrong);
    wrong = engine_inspect_limits(world->engine);
    if (wrong != 0)
        violation("I6: of %u products not what is held counts for limits", wrong);
    wrong = engine_inspect_carts(world->engine);
    if (wrong != 0)
        violation("%u shards have not counted abandoned carts as they are", wrong);
    wrong = engine_inspect_coupons(world->engine);
    if (wrong != 0)
        violation("I6: %u coupons disagree with their uses", wrong);
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        check_gate(world, i);
        oracles_check_sku(world, i);
    }
    check_metrics(world);
}

/* ---- after a restart ---- */

/* A product that was being created is there as a whole, or not at all. */
static void settle_product(struct world *world, struct product_model *product)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < product->sku_count; i++) {
        struct sku_model *sku = &world->books.skus[product->sku_first + i];
        const struct sku_entry *entry = world_sku_entry(world, product->sku_first + i);
        struct stock_view view;

        if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view)) {
            continue;
        }
        found++;
        if (view.stock != sku->initial || view.sold != 0 || view.reserved != 0)
            violation("I2: %s was created with a stock of %u, and has %u", sku->name, sku->initial,
                      view.stock);
        sku->stock_min = sku->stock_max = sku->initial;
    }
    if (found != 0 && found != product->sku_count)
        violation("I2: %u of %u SKUs of %s were created", found, product->sku_count, product->id);
    product->presence = found == 0 ? PRODUCT_ABSENT : PRODUCT_PRESENT;
}

static void settle_stock(struct world *world, struct sku_model *sku, uint32_t index)
{
    const struct sku_entry *entry = world_sku_entry(world, index);
    struct stock_view view;

    sku->changes_open = 0;
    sku->exclusive_open = false;
    if (world->books.products[sku->product].presence != PRODUCT_PRESENT) {
        sku->sku_id = UINT32_MAX; /* a number without a record may be given again */
        return;
    }
    if (entry == NULL || !engine_inspect_stock(world->engine, entry->sku_id, &view))
        violation("I2: %s is gone after a restart", sku->name);
    oracles_check_sku(world, index);
    if (!world->books.products[sku->product].vague && !sku->is_version_vague &&
        (atomic_load(&entry->price_minor) != staff_price(sku, sku->version) ||
         atomic_load(&entry->weight_grams) != sku->version))
        violation("I2: the price or weight of %s is another after a restart", sku->name);
    if (books_sale(&world->books, index) != SALE_UNKNOWN &&
        sku_entry_is_on_sale(entry) != (books_sale(&world->books, index) == SALE_ON))
        violation("I2: %s is %s after a restart", sku->name,
                  sku_entry_is_on_sale(entry) ? "sold again" : "not sold any more");
    sku->stock_min = sku->stock_max = view.stock; /* now it is known */
}

/* As the asker's, or as that of the account that the asker became. */
static bool find_hold(struct world *world, const struct book_hold *hold, struct hold_view *view_out)
{
    struct principal principal = world_principal(world, hold->client);
    const struct guest_model *guest;

    if (people_owner(world, hold->client) == hold->client &&
        engine_inspect_hold(world->engine, &principal, &hold->id, view_out))
        return true;
    if (hold->client >= SIM_GUESTS_MAX || !world->people.guests[hold->client].adopt_sent)
        return false;
    guest = &world->people.guests[hold->client];
    principal = world->people.accounts[guest->account].principal;
    return engine_inspect_hold(world->engine, &principal, &hold->id, view_out);
}

/* What any answer showed of a hold is so after a restart, asked of the record itself (I2, I5). */
static void check_hold(struct world *world, const struct book_hold *hold)
{
    struct hold_view view;

    if (hold->forgotten ||
        book_hold_may_be_forgotten(hold, world_now(world), world->profile.engine.hold_retention_ms))
        return;
    if (!find_hold(world, hold, &view))
        violation("I2: an acknowledged hold of customer %u is gone after a restart", hold->client);
    if (!answers_lines_equal(world, &view, hold->lines, hold->line_count))
        violation("I2: a hold of customer %u has other lines after a restart", hold->client);
    if (hold->state != HOLD_HELD && view.state != hold->state)
        violation("I5: a hold that had ended as %s is %s after a restart",
                  hold_state_name((enum hold_state)hold->state),
                  hold_state_name((enum hold_state)view.state));
    if (book_hold_is_live(hold, world_now(world)) && view.state != HOLD_HELD)
        violation("I2: a live hold of customer %u is %s after a restart", hold->client,
                  hold_state_name((enum hold_state)view.state));
    if ((view.state == HOLD_CONVERTED && !hold->convert_sent) ||
        (view.state == HOLD_RELEASED && !hold->release_sent))
        violation("I5: a hold is %s after a restart, which nobody asked for",
                  hold_state_name((enum hold_state)view.state));
}

static void check_holds(struct world *world)
{
    uint32_t count = world->books.hold_count;
    uint32_t newest = count < HOLDS_PER_RESTART / 2 ? count : HOLDS_PER_RESTART / 2;

    for (uint32_t i = 0; i < newest; i++) {
        check_hold(world, &world->books.holds[count - 1 - i]);
        check_hold(world, &world->books.holds[sim_random_below(&world->random, count)]);
    }
}

void oracles_restarted(struct world *world)
{
    bool live = false;

    for (uint32_t i = 0; i < world->books.product_count; i++)
        if (world->books.products[i].presence == PRODUCT_MAYBE)
            settle_product(world, &world->books.products[i]);
    for (uint32_t i = 0; i < world->books.sku_count; i++) {
        settle_stock(world, &world->books.skus[i], i);
        live = live || books_live_units(&world->books, i, world_now(world)) > 0;
    }
    if (live)
        world_mark(world, MARK_RECOVERED_HOLDS);
    check_holds(world);
    shop_restarted(world);
    carts_restarted(world);
    shoppers_check_restarted(world);
    oracles_audit(world);
}

/* ---- deadlines of requests ---- */

/* The shard's clock may be behind the world's by no more than the time since its last turn, and not
 * at all once it has slept. */
void oracles_check_counted(struct world *world, const struct request *request)
{
    struct sim_thread *thread = &world->shards[request->shard];

    if (thread->has_slept)
        thread->clock_ms = world_now(world);
    thread->has_slept = false;
    if (request->counted_from_ms != thread->clock_ms)
        violation("a request's time is counted from %lld ms before it came; its shard last read "
                  "the clock %lld ms before",
                  (long long)(world_now(world) - request->counted_from_ms),
                  (long long)(world_now(world) - thread->clock_ms));
    if (thread->clock_ms < world_now(world))
        world_mark(world, MARK_STALE_CLOCK);
}

/* Whether the shard that serves it had a turn since it came and before it was too old; true if too
 * many turns have passed to tell. */
static bool was_in_time(const struct world *world, const struct request *request,
                        int64_t deadline_ms)
{
    uint64_t count = world->turn_count[request->target];

    for (uint64_t i = 0; i < SIM_TURNS_MAX && i < count; i++) {
        const struct turn *turn = &world->turns[request->target][(count - i) % SIM_TURNS_MAX];

        if (turn->at_ms <= deadline_ms)
            return turn->last_step > request->submitted_step;
    }
    return count > SIM_TURNS_MAX;
}

void oracles_check_served(struct world *world, const struct request *request, enum outcome outcome)
{
    int64_t deadline_ms = request->counted_from_ms + world->profile.engine.request_timeout_ms;

    if (outcome == OUTCOME_OVERLOADED || outcome == OUTCOME_OUTCOME_UNKNOWN ||
        request->target == NONE || world_now(world) <= deadline_ms)
        return;
    if (!was_in_time(world, request, deadline_ms))
        violation("a request was answered %s that was past its deadline when its turn came",
                  outcome_name(outcome));
}

/* ---- deadlines of holds ---- */

/* What is due comes before any message, so that no load keeps holds from lapsing: a turn that had a
 * batch let one timer at least fire, and none of those is due again at once. */
void oracles_check_lapses(struct world *world, uint32_t shard, uint32_t due)
{
    uint32_t left = due == 0 ? 0 : engine_inspect_due(world->engine, shard);

    if (due > 0 && left == due)
        violation("a turn of shard %u let none of %u holds lapse or retry that were due", shard,
                  due);
}

/* ---- lost wake-ups ---- */

/* What may still wait when no thread has anything to do before time passes: only what depends on
 * messages between partitions, which a full mailbox may have dropped and time repeats. */
static bool may_wait(const struct request *request)
{
    return request->type == COMMAND_RESERVE && request->spans;
}

void oracles_quiet(struct world *world)
{
    uint32_t open = SIM_REQUESTS_MAX - world->free_request_count;

    if (open == 0 && world->spans_open == 0)
        world->settled = true;
    if (world->env.failed)
        return;
    mails_quiet(world);
    coupons_quiet(world);
    carts_quiet(world);
    if (world->read_open)
        violation("everything sleeps, and a read of stored records has no end: a wake-up was lost");
    for (uint32_t i = 0; open > 0 && i < SIM_REQUESTS_MAX; i++) {
        const struct request *request = &world->requests[i];

        if (request->cookie == 0)
            continue;
        open--;
        if (!may_wait(request))
            violation("everything sleeps, and a request of type %d sent %lld ms ago at shard %u "
                      "has no answer: a wake-up was lost",
                      (int)request->type, (long long)(world_now(world) - request->submitted_ms),
                      request->shard);
    }
}
