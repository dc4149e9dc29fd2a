/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"

enum { SETUP_STEPS_MAX = 200000 };

void world_log(const struct world *world, const char *format, ...)
{
    va_list arguments;

    if (!world->log)
        return;
    printf("%8" PRIu64 " %8" PRId64 " ms  ", world->step, world->env.now_ms);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

struct principal world_principal(const struct world *world, uint32_t party)
{
    struct principal principal;
    uint64_t words[2] = {hash_word(world->seed * 3 + party + 1), party};

    if (party_is_account(party))
        return world->people.accounts[party - SIM_GUESTS_MAX].principal;

    memcpy(principal.bytes, words, sizeof(principal.bytes));
    return principal;
}

struct sku_entry *world_sku_entry(struct world *world, uint32_t sku)
{
    struct sku_model *model = &world->books.skus[sku];
    const struct directory *directory;

    if (model->entry == NULL) {
        directory = engine_inspect_directory(world->engine);
        model->entry = directory_find_sku_recorded(directory, model->name, strlen(model->name));
        if (model->entry != NULL && model->sku_id == UINT32_MAX)
            model->sku_id = model->entry->sku_id;
        if (model->entry != NULL && model->sku_id != model->entry->sku_id)
            violation("%s has another number after a restart", model->name);
    }
    return model->entry;
}

uint32_t world_sku_index(const struct world *world, uint32_t sku_id)
{
    for (uint32_t i = 0; i < world->books.sku_count; i++)
        if (world->books.skus[i].sku_id == sku_id)
            return i;
    return NONE;
}

bool world_spans(const struct world *world, const struct order_lines *lines)
{
    const struct sku_model *skus = world->books.skus;

    for (uint32_t i = 1; i < lines->count; i++)
        if (sku_id_partition(skus[lines->lines[i].sku].sku_id) !=
            sku_id_partition(skus[lines->lines[0].sku].sku_id))
            return true;
    return false;
}

/* ---- the engine's life ---- */

struct engine *world_create_engine(struct world *world, struct journal_memory *journal)
{
    struct engine_ports ports = {
        .env = env_controlled_port(&world->env),
        .journal = journal_memory_port(journal),
        .watermark = sim_watermark_port(&world->watermark),
        .secrets = world->secrets,
        .vault = sim_vault_port(world->vault),
        .workers = sim_workers_port(&world->workers),
        .gateway = sim_gateway_port(world),
        .events = {sim_listener_port(world, CONSUMER_FEED),
                   sim_listener_port(world, CONSUMER_WEBHOOKS)},
    };
    if (world->profile.hooks > 0)
        ports.events[CONSUMER_WEBHOOKS] = engine_webhooks_consumer();
    if (journal == world->journal)
        ports.journal = withdrawn_port(&world->withdrawn, ports.journal);
    struct engine *engine = engine_create(&world->profile.engine, &ports);

    assert(engine != NULL);
    return engine;
}

static void start_engine(struct world *world)
{
    char error[256] = "";

    sim_watermark_open(&world->watermark);
    world->workers = (struct sim_workers){.queue_max = SIM_WORKS_MAX};
    journal_memory_fail_reads(world->journal, 0);
    if (sim_random_below(&world->random, 100) < world->profile.damage_percent)
        damage_before_start(world);
    world->engine = world_create_engine(world, world->journal);
    if (engine_recover(world->engine, error, sizeof(error)) != 0)
        violation("recovery refused an undamaged store: %s", error);
    people_restart_caches(world);
    for (uint32_t i = 0; i < world->profile.engine.shards; i++) {
        shard_set_reply(engine_shard(world->engine, i), answers_take, world);
        world->shards[i] = (struct sim_thread){.state = THREAD_RUNNABLE, .has_slept = true};
        world->turn_count[i] = 0;
    }
    mails_engine_started(world);
    hooks_engine_started(world);
    order_mails_engine_started(world);
    world->holds_back = false;
    world->slow_until = 0;
    world->busy_until = 0; /* who starts has much to read */
    if (world->profile.slow_steps_max > 0 && sim_random_chance(&world->random, 300000))
        world->busy_until =
            world->step + sim_random_range(&world->random, 1, world->profile.slow_steps_max);
    world->committer = (struct sim_thread){.state = THREAD_RUNNABLE};
    world->metrics_seen = (struct engine_metrics){0};
}

static void mark_crash(struct world *world, bool keep_pending)
{
    world_mark(world, MARK_CRASH);
    if (journal_memory_pending(world->journal) != 0)
        world_mark(world, keep_pending ? MARK_CRASH_PENDING_KEPT : MARK_CRASH_PENDING_LOST);
    if (world->spans_open > 0)
        world_mark(world, MARK_CRASH_INTENT);
    if (!world->settled)
        world_mark(world, MARK_CRASH_AGAIN);
    if (world->disk_full)
        world_mark(world, MARK_REOPENED_FULL);
}

/* Ends the process; what is in the journal stays. */
static void kill_engine(struct world *world, bool keep_pending)
{
    world->dying = true;
    journal_memory_crash(world->journal, keep_pending); /* the batch is still in memory */
    world_release_held(world); /* what waits there is freed with the rest */
    engine_destroy(world->engine);
    world->engine = NULL;
    world->dying = false;
    if (world->read_open) /* it may have been read and not been taken */
        free(world->read.read.result.bytes);
    world->read_open = false;
}

void world_crash(struct world *world, bool keep_pending, bool reboot)
{
    struct engine_metrics metrics;
    bool fits_one_shard;

    trace_add(&world->trace, TRACE_CRASH, keep_pending, reboot);
    world_log(world, "crash%s%s", keep_pending ? ", the pending commit is durable" : "",
              reboot ? ", the machine restarts" : "");
    mark_crash(world, keep_pending);
    engine_metrics(world->engine, &metrics);
    if (metrics.webhooks_overflowed > 0)
        world_mark(world, MARK_HOOK_OVERFLOW);
    fits_one_shard = metrics.holds_kept < world->profile.engine.holds_max / 2;
    if (journal_memory_commits_when_stuck(world->journal) != 0)
        violation("the engine went on writing after a commit that was not ok");
    kill_engine(world, keep_pending);
    world->commit_failed = false;
    world->draining = false;
    world->commit_seen = 0;
    world->overdue = 0;
    world->dies_at_step = 0;
    clients_restart(world);
    edits_restart(world);
    mails_restart(world);
    order_mails_restart(world);
    coupons_restart(world);
    carts_restart(world);
    shoppers_restart(world);
    hooks_restart(world);
    sim_gateway_restart(world);
    sim_listeners_restart(world);
    books_restart(&world->books);
    people_restart(world);

    world->env.now_ms += sim_random_unless(&world->random, 30, 100);
    if (reboot)
        world_mark(world, MARK_REBOOT);
    env_controlled_restart(&world->env, reboot);
    if (world->profile.wall_parts > 0 && sim_random_chance(&world->random, 200000))
        wall_draw(world);
    wall_restart(world);
    if (fits_one_shard && sim_random_below(&world->random, 100) < world->profile.reshard_percent) {
        world->profile.engine.shards = sim_random_range(&world->random, 1, SIM_SHARDS_MAX);
        world_mark(world, MARK_RESHARDED);
    }
    start_engine(world);
    world->settled = false;
    if (sim_random_below(&world->random, 100) < world->profile.crash_again_percent &&
        world->phase == PHASE_SALE)
        world->dies_at_step = world->step + sim_random_range(&world->random, 1, 60);
    oracles_restarted(world);
    trace_add(&world->trace, TRACE_DIGEST, engine_inspect_digest(world->engine),
              journal_memory_state_hash(world->journal));
}

/* ---- the catalogue ---- */

static void draw_product(struct world *world, uint32_t index)
{
    struct product_model *product = &world->books.products[index];

    *product =
        (struct product_model){.sku_first = world->books.sku_count, .suspects = {NONE, NONE}};
    snprintf(product->id, sizeof(product->id), "product-%u", index);
    product->sku_count = sim_random_range(&world->random, 1, SIM_VARIANTS_MAX);
    if (sim_random_below(&world->random, 100) < world->profile.limit_percent)
        product->limit = sim_random_range(&world->random, 1, 5);
    product->was_free = product->limit == 0;
    for (uint32_t i = 0; i < product->sku_count; i++) {
        struct sku_model *sku = &world->books.skus[world->books.sku_count++];

        *sku = (struct sku_model){.product = index, .sku_id = UINT32_MAX};
        snprintf(sku->name, sizeof(sku->name), "sku-%u.%u", index, i);
        sku->price_minor = sim_random_range(&world->random, 1, 99999);
        sku->initial = sim_random_below(&world->random, world->profile.stock_max + 1);
    }
    world->books.product_count++;
}

/* Before the sale: no faults, no other clients. */
static void stock_the_shop(struct world *world)
{
    uint32_t first_late = world->profile.products - world->profile.products_late;

    for (uint32_t i = 0; i < world->profile.products; i++)
        draw_product(world, i);
    for (uint32_t i = 0; i < first_late; i++) {
        struct product_model *product = &world->books.products[i];
        uint32_t steps = 0;

        while (product->presence != PRODUCT_PRESENT) {
            if (!product->put_open)
                staff_put_product(world, i, PUT_CREATE);
            if (!world_step(world))
                world_advance_clock(world, 1);
            if (++steps > SETUP_STEPS_MAX)
                violation("%s could not be created", product->id);
        }
    }
}

/* Bugs that few worlds come by as they are drawn: they are looked for where people do little but
 * log in. */
static bool is_of_people(void)
{
    return MUTANT(ADOPTED_IN_FLIGHT) || MUTANT(ROLE_KEEPS_CREDENTIALS) ||
           MUTANT(RECOVERY_CODE_KEPT) || MUTANT(CART_ADOPTED_IN_FLIGHT);
}

void world_start(struct world *world, uint64_t seed, struct marks *marks, bool log, bool is_racing)
{
    struct profile drawn;

    memset(world, 0, sizeof(*world));
    world->seed = seed;
    world->marks = marks;
    world->log = log;
    world->trace.hash = seed;
    sim_random_seed(&world->random, seed);
    profile_draw(&world->profile, &world->random);
    if (is_of_people())
        profile_people(&world->profile, &world->random);
    if (MUTANT(PARTICIPANT_NOT_ADOPTED))
        profile_lasting(&world->profile, &world->random);
    if (MUTANT(REFUSED_ASK_TIMED))
        profile_crowd(&world->profile, &world->random);
    if (is_racing)
        profile_race(&world->profile, &world->random);
    env_controlled_init(&world->env, seed);
    world->secrets = sim_secrets_port(&world->mac_key, &world->random);
    world->vault = sim_vault_create(&world->env);
    world->journal = journal_memory_create(
        &(struct journal_memory_options){.partitions = world->profile.engine.partitions});
    assert(world->journal != NULL);
    wall_start(world);
    books_init(&world->books);
    people_start(world);
    shop_start(world);
    mails_start(world);
    coupons_start(world);
    carts_start(world);
    shoppers_start(world);
    sim_listeners_start(world);
    hooks_start(world);
    clients_restart(world);
    world->settled = true;
    start_engine(world);

    drawn = world->profile;
    profile_heal(&world->profile);
    world->phase = PHASE_HEAL;
    stock_the_shop(world);
    hooks_make_endpoints(world, world_step);
    world->phase = PHASE_SALE;
    world->profile = drawn;
    if (drawn.crash_first_step != 0)
        world->profile.crash_first_step += world->step;
}

void world_end(struct world *world)
{
    kill_engine(world, false);
    journal_memory_destroy(world->older);
    journal_memory_destroy(world->journal);
    vault_destroy(world->vault);
    books_destroy(&world->books);
    people_end(world);
}
