/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

/* One of two to four ranges, each as likely: low, high, low, high, ... */
static uint32_t draw_ranges(struct sim_random *random, const uint32_t (*ranges)[2], uint32_t count)
{
    const uint32_t *range = ranges[sim_random_below(random, count)];

    return sim_random_range(random, range[0], range[1]);
}

static void draw_engine(struct profile *profile, struct sim_random *random)
{
    static const uint32_t requests[][2] = {{1, 4}, {4, 16}, {16, 64}};
    static const uint32_t messages[][2] = {{1, 1}, {2, 8}, {8, 64}};
    static const uint32_t ttl_ms[][2] = {{3, 30}, {30, 300}, {300, 5000}, {60000, 600000}};
    static const uint32_t retention_ms[][2] = {{1, 50}, {200, 5000}, {86400000, 86400000}};
    static const uint32_t timeouts_ms[][2] = {{2, 20}, {50, 1000}, {5000, 5000}};
    /* Rounds that find nothing to forget: no wall clock is set ahead by that much (wall.c). */
    static const uint32_t retention_periods_ms[][2] = {{50, 500}, {500, 5000}};
    struct engine_options *options = &profile->engine;
    uint32_t ttl = draw_ranges(random, ttl_ms, 4);

    *options = engine_options_default(sim_random_range(random, 1, SIM_SHARDS_MAX));
    options->partitions = 1u << sim_random_range(random, 1, SIM_PARTITIONS_BITS_MAX);
    options->hold_ttl_ms = ttl;
    options->hold_cap_ms = ttl + sim_random_below(random, 2 * ttl + 1);
    options->hold_extensions_max = sim_random_below(random, HOLD_EXTENSIONS_MAX + 1);
    options->hold_retention_ms = draw_ranges(random, retention_ms, 3);
    options->requests_max = draw_ranges(random, requests, 3);
    options->products_in_flight_max = 64;
    options->mailbox_max = draw_ranges(random, requests, 3);
    options->request_timeout_ms = draw_ranges(random, timeouts_ms, 3);
    options->timers_per_step = draw_ranges(random, messages, 3);
    options->batch_messages = draw_ranges(random, messages, 3);
    options->batches = sim_random_range(random, 2, 4);
    options->retention_period_ms = draw_ranges(random, retention_periods_ms, 2);
    options->retention_steady_ms = sim_random_below(random, 200);
    options->audit_period_ms = sim_random_range(random, 10, 5000);
    options->session_marks = 1u << sim_random_below(random, 7);
    options->skus_max = SIM_SKUS_MAX + SIM_THIEVES + SIM_CONTESTS + SIM_SHOP_SKUS;
    options->limit_rows_max = sim_random_chance(random, 100000) ? 8 : 4096;
    /* Ended holds stay for the retention: a small pool that keeps them long only refuses. */
    options->holds_max = 8192;
    options->coupons_max = 256;
    options->coupon_rows_max = 4096;
    if (options->hold_retention_ms < 5000 && sim_random_chance(random, 200000))
        options->holds_max = sim_random_range(random, 8, 48);
}

static void draw_clients(struct profile *profile, struct sim_random *random)
{
    static const uint32_t stocks[][2] = {{0, 3}, {3, 12}, {12, 60}, {60, 300}};
    static const uint32_t usual[ACT_COUNT] = {
        [ACT_RESERVE] = 40, [ACT_RETRY] = 20,      [ACT_OTHER_BODY] = 2, [ACT_UNKNOWN_SKU] = 1,
        [ACT_GET] = 10,     [ACT_GET_FOREIGN] = 1, [ACT_RELEASE] = 6,    [ACT_EXTEND] = 8,
        [ACT_CONVERT] = 6,  [ACT_LIST] = 1,        [ACT_STOCK_GET] = 2,  [ACT_ADJUST] = 4,
        [ACT_PRODUCT] = 1,  [ACT_LEDGER] = 1,      [ACT_PERSON] = 18,    [ACT_SETTING] = 2,
    };

    for (uint32_t i = 0; i < ACT_COUNT; i++) {
        /* Each is left out of some worlds and overdone in others. */
        uint32_t luck = sim_random_below(random, 10);

        profile->act_weights[i] = luck == 0 ? 0 : luck == 1 ? usual[i] * 4 : usual[i];
    }
    profile->act_weights[ACT_RESERVE] += 10;
    profile->clients = sim_random_range(random, 10, SIM_CLIENTS_MAX);
    profile->devices = sim_random_unless(random, 30, SIM_DEVICES_MAX + 1);
    profile->addresses = sim_random_range(random, 1, SIM_ADDRESSES_MAX);
    if (profile->devices == 0)
        profile->act_weights[ACT_PERSON] = 0;
    profile->products = sim_random_range(random, 2, SIM_PRODUCTS_MAX);
    profile->products_late = sim_random_below(random, 3);
    if (profile->products_late >= profile->products)
        profile->products_late = 1;
    profile->stock_max = draw_ranges(random, stocks, 4);
    profile->quantity_max = sim_random_range(random, 1, 4);
    profile->skew = sim_random_below(random, 80);
    profile->limit_percent = sim_random_unless(random, 50, 80);
    profile->lines_percent = sim_random_unless(random, 30, 80);
    profile->duplicate_percent = sim_random_below(random, 30);
    profile->double_percent = sim_random_unless(random, 50, 30);
    profile->lost_answer_percent = sim_random_below(random, 30);
}

/* What goes wrong. In three worlds of ten the process never dies. */
static void draw_crashes(struct profile *profile, struct sim_random *random)
{
    static const uint32_t rare[][2] = {{0, 0}, {20, 200}, {500, 2000}};

    profile->drain_parts = sim_random_below(random, 2) * 100;
    profile->reboot_percent = sim_random_below(random, 2) * 50;
    /* A pool is a shard's: what was made to be too small for one can't take another's holds. */
    if (profile->engine.holds_max == 8192 && profile->engine.limit_rows_max == 4096)
        profile->reshard_percent = sim_random_below(random, 2) * 30;
    profile->watermark_lag_ms = sim_random_below(random, 2) * 100;
    profile->damage_percent = sim_random_unless(random, 40, 60);
    if (sim_random_below(random, 100) >= SIM_CRASH_PERCENT)
        return;
    profile->crash_first_step = sim_random_range(random, 1, SIM_FIRST_CRASH_MAX);
    profile->crash_parts = draw_ranges(random, rare, 3);
    profile->crash_again_percent = sim_random_below(random, 50);
    profile->commit_fault_parts = sim_random_chance(random, 400000) ? 3000 : 0;
    profile->no_space_parts = sim_random_below(random, 2) * 60000;
}

/* In half of the worlds nobody gets mails. */
static void draw_people(struct profile *profile, struct sim_random *random)
{
    static const uint32_t rows[][2] = {{2, 6}, {OUTBOX_ROWS_MAX, OUTBOX_ROWS_MAX}};
    static const uint32_t actives[][2] = {{1, 3}, {2, 8}};

    profile->people = sim_random_unless(random, 50, SIM_PEOPLE_MAX + 1);
    profile->step_weights[STEP_PERSON] = sim_random_range(random, 2, 25);
    profile->step_weights[STEP_COURIER] = sim_random_range(random, 1, 20);
    profile->engine.outbox_rows_max = draw_ranges(random, rows, 2);
    profile->engine.mails_under_way_max = sim_random_range(random, 1, MAILS_UNDER_WAY_MAX);
    profile->engine.accounts_active_max = draw_ranges(random, actives, 2);
}

/* In half of the worlds there are no coupons. */
static void draw_coupons(struct profile *profile, struct sim_random *random)
{
    profile->coupons = sim_random_unless(random, 50, SIM_COUPON_SLOTS_MAX + 1);
    profile->step_weights[STEP_COUPON] = sim_random_range(random, 2, 25);
}

/* In half of the worlds nobody orders. */
static void draw_shoppers(struct profile *profile, struct sim_random *random)
{
    profile->orders = sim_random_below(random, 2);
    profile->step_weights[STEP_SHOPPER] = sim_random_range(random, 10, 40);
    profile->step_weights[STEP_GATEWAY] = sim_random_range(random, 15, 60);
    profile->step_weights[STEP_LISTENER] = sim_random_range(random, 2, 40);
    profile->engine.orders_live_max = 1024;
    if (profile->reshard_percent == 0 && sim_random_chance(random, 300000))
        profile->engine.orders_live_max = sim_random_range(random, 4, 40);
    /* An order takes many steps: in most worlds there is time and room for them. */
    if (profile->orders == 0 || sim_random_chance(random, 200000))
        return;
    if (profile->tick_max_ms > 5)
        profile->tick_max_ms = sim_random_range(random, 1, 5);
    if (profile->engine.hold_ttl_ms < 2000) {
        profile->engine.hold_ttl_ms = sim_random_range(random, 1000, 6000);
        profile->engine.hold_cap_ms = 2 * profile->engine.hold_ttl_ms;
        profile->jump_max_ms = 2 * (int64_t)profile->engine.hold_ttl_ms;
    }
    profile->engine.requests_max += 200;
    profile->engine.mailbox_max += 16;
    if (profile->step_weights[STEP_CLOCK] < 10)
        profile->step_weights[STEP_CLOCK] += 10;
    profile->step_weights[STEP_READ_DONE] = 25;
    if (profile->engine.request_timeout_ms < 50)
        profile->engine.request_timeout_ms += 50;
}

static void draw_faults(struct profile *profile, struct sim_random *random)
{
    static const uint32_t settings[][2] = {{20, 100}, {200, 2000}};
    static const uint32_t delays[][2] = {{5, 100}, {100, 500}, {1000, 4000}};

    if (sim_random_chance(random, 400000))
        profile->wall_parts = draw_ranges(random, settings, 2);
    if (sim_random_chance(random, 300000))
        profile->step_weights[STEP_DISK] = 1;
    if (sim_random_chance(random, 400000))
        profile->stall_steps_max = sim_random_range(random, 20, 400);
    if (sim_random_chance(random, 400000))
        profile->hold_back_steps_max = draw_ranges(random, delays, 3);
    if (sim_random_chance(random, 300000))
        profile->slow_steps_max = sim_random_range(random, 100, 3000);
}

/* In half of the worlds nobody has a cart. What is drawn here comes last. */
static void draw_carts(struct profile *profile, struct sim_random *random)
{
    struct engine_options *options = &profile->engine;

    profile->shoppers = sim_random_below(random, 2);
    options->carts_max = 256;
    options->deliveries_pending_max = 48;
    /* The wall clock is set by weeks here: carts that expire are test_actors_cart's. */
    options->cart_guest_ttl_s = options->cart_customer_ttl_s = UINT32_MAX;
    if (profile->shoppers == 0)
        return;
    profile->step_weights[STEP_CART] = sim_random_range(random, 5, 30);
    if (!sim_random_chance(random, 200000))
        return;
    options->carts_max = sim_random_range(random, 1, 4);
    profile->reshard_percent = 0; /* a pool is a shard's */
}

/* In half of the worlds with orders somebody listens. What is drawn here comes last. */
static void draw_hooks(struct profile *profile, struct sim_random *random)
{
    if (profile->orders == 0)
        return;
    profile->hooks = sim_random_unless(random, 50, 4);
    profile->step_weights[STEP_HOOK] = sim_random_range(random, 1, 20);
    profile->engine.deliveries_pending_max =
        sim_random_below(random, 2) == 0 ? 1 : sim_random_range(random, 8, 512);
}

void profile_draw(struct profile *profile, struct sim_random *random)
{
    static const uint32_t ticks_ms[][2] = {{1, 1}, {2, 5}, {10, 40}};

    *profile = (struct profile){0};
    draw_engine(profile, random);
    draw_clients(profile, random);
    profile->step_weights[STEP_SHARD] = sim_random_range(random, 20, 60);
    profile->step_weights[STEP_COMMITTER] = sim_random_range(random, 5, 40);
    profile->step_weights[STEP_COMPLETE] = sim_random_range(random, 3, 40);
    profile->step_weights[STEP_READ_DONE] = 5;
    profile->step_weights[STEP_WORK_DONE] = 5;
    profile->step_weights[STEP_CLOCK] = sim_random_range(random, 2, 20);
    profile->step_weights[STEP_CLIENT] = sim_random_range(random, 10, 60);
    profile->tick_max_ms = draw_ranges(random, ticks_ms, 3);
    profile->jump_parts = sim_random_below(random, 3) * 3000;
    profile->jump_max_ms = 2 * (int64_t)profile->engine.hold_ttl_ms;
    if (sim_random_chance(random, 300000))
        profile->jump_max_ms += 2 * (int64_t)profile->engine.hold_retention_ms;
    profile->commit_delay_steps = sim_random_unless(random, 30, 80);
    draw_crashes(profile, random);
    draw_faults(profile, random);
    draw_people(profile, random);
    draw_coupons(profile, random);
    draw_carts(profile, random);
    draw_shoppers(profile, random);
    draw_hooks(profile, random);
}

void profile_people(struct profile *profile, struct sim_random *random)
{
    profile->people = SIM_PEOPLE_MAX;
    profile->orders = 0;
    profile->shoppers = 0;
    profile->coupons = 0;
    profile->step_weights[STEP_PERSON] = sim_random_range(random, 25, 60);
    profile->step_weights[STEP_CLIENT] = sim_random_range(random, 30, 60);
}

void profile_lasting(struct profile *profile, struct sim_random *random)
{
    profile_people(profile, random);
    profile->lines_percent = sim_random_range(random, 30, 80);
    profile->crash_parts = sim_random_range(random, 100, 500);
    profile->jump_parts = 0;
    profile->wall_parts = 0;
    profile->engine.hold_ttl_ms = profile->engine.hold_cap_ms = HOLD_TTL_MS_DEFAULT;
}

void profile_crowd(struct profile *profile, struct sim_random *random)
{
    profile->orders = 1;
    profile->engine.shards = 1;
    profile->engine.partitions = 2;
    profile->engine.mailbox_max = 1;
    profile->step_weights[STEP_SHOPPER] = sim_random_range(random, 30, 60);
}

void profile_race(struct profile *profile, struct sim_random *random)
{
    struct engine_options *options = &profile->engine;

    profile->is_racing = true;
    profile->orders = 1;
    profile->people = 0;
    profile->coupons = 0;
    profile->shoppers = 0;
    profile->products = 1;
    profile->products_late = 0;
    profile->damage_percent = 0;
    profile->wall_parts = 0; /* what is near its end is told by the wall clock */
    profile->jump_parts = 0;
    profile->tick_max_ms = sim_random_range(random, 1, 3);
    profile->step_weights[STEP_CLIENT] = 1;
    profile->step_weights[STEP_PERSON] = 0;
    profile->step_weights[STEP_DISK] = 0;
    profile->step_weights[STEP_SHOPPER] = sim_random_range(random, 30, 60);
    profile->step_weights[STEP_GATEWAY] = sim_random_range(random, 40, 80);
    profile->step_weights[STEP_READ_DONE] = 40;
    profile->step_weights[STEP_CLOCK] = sim_random_range(random, 4, 12);
    profile->commit_delay_steps = sim_random_below(random, 20);
    options->hold_ttl_ms = sim_random_range(random, 1000, 3000);
    options->hold_cap_ms = 2 * options->hold_ttl_ms;
    options->requests_max += 200;
    options->mailbox_max += 32;
    options->request_timeout_ms = 1000;
    options->orders_live_max = 1024;
    options->holds_max = 8192;
    options->limit_rows_max = 4096;
}

void profile_heal(struct profile *profile)
{
    profile->step_weights[STEP_SHARD] = 40;
    profile->step_weights[STEP_COMMITTER] = 20;
    profile->step_weights[STEP_COMPLETE] = 20;
    profile->step_weights[STEP_READ_DONE] = 10;
    profile->step_weights[STEP_WORK_DONE] = 10;
    profile->step_weights[STEP_CLOCK] = 1;
    profile->step_weights[STEP_CLIENT] = 0;
    profile->step_weights[STEP_PERSON] = 0;
    profile->step_weights[STEP_COURIER] = 20;
    profile->step_weights[STEP_COUPON] = 0;
    profile->step_weights[STEP_CART] = 0;
    profile->step_weights[STEP_SHOPPER] = 0;
    profile->step_weights[STEP_GATEWAY] = 20;
    profile->step_weights[STEP_LISTENER] = 20;
    profile->step_weights[STEP_HOOK] = 20;
    profile->step_weights[STEP_DISK] = 0;
    profile->commit_delay_steps = 0;
    profile->commit_fault_parts = 0;
    profile->no_space_parts = 0;
    profile->crash_first_step = 0;
    profile->crash_parts = 0;
    profile->drain_parts = 0;
    profile->jump_parts = 0;
    profile->wall_parts = 0;
    profile->stall_steps_max = 0;
    profile->hold_back_steps_max = 0;
    profile->slow_steps_max = 0;
    profile->lost_answer_percent = 0;
    profile->tick_max_ms = 5;
}
