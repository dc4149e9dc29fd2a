/* SPDX-License-Identifier: Apache-2.0 */
/* Buyers who want one unit each come in a drawn order to shards that run in a drawn order, over a
 * disk whose commits end when they are drawn. A hold that is granted is converted; one in ten is
 * given up, and its unit is for whoever asks again. None of the oracles of the other runs looks on:
 * what is judged is the sum of what buyers were told, and nothing else. */
#include "rush.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "env_controlled.h"
#include "journal_memory.h"
#include "sim_ports.h"
#include "violation.h"

enum {
    RUSH_SHARDS = 3,
    RUSH_STEPS_MAX = 4000000,
    PRODUCT_COOKIE = RUSH_BUYERS,
    GIVES_UP_PERCENT = 10,
};

enum buyer_state {
    BUYER_WAITS,  /* has not asked yet, or is to ask again */
    BUYER_ASKS,   /* for a hold */
    BUYER_HOLDS,  /* and pays next */
    BUYER_PAYS,   /* the conversion is under way */
    BUYER_LEAVES, /* the release is under way */
    BUYER_IS_DONE,
};

struct rush_buyer {
    enum buyer_state state;
    struct reservation_id hold;
};

struct rush {
    struct sim_random random;
    struct env_controlled env;
    struct journal_memory *journal;
    struct sim_watermark watermark;
    struct hash_key mac_key;
    struct engine *engine;
    uint64_t step;
    bool on_sale;
    uint32_t sold;                /* by acknowledged conversions */
    uint32_t open;                /* requests under way */
    uint32_t finished;            /* buyers who are done */
    uint32_t paying[RUSH_BUYERS]; /* a ring: who holds a unit, the oldest first */
    uint32_t paying_first;
    uint32_t paying_count;
    struct rush_buyer buyers[RUSH_BUYERS];
};

/* ---- buyers ---- */

static struct principal principal_of(uint32_t buyer)
{
    struct principal principal;
    uint64_t words[2] = {hash_word(buyer + 1), buyer};

    memcpy(principal.bytes, words, sizeof(principal.bytes));
    return principal;
}

static void finish(struct rush *rush, struct rush_buyer *buyer)
{
    buyer->state = BUYER_IS_DONE;
    rush->finished++;
}

static void wants_to_pay(struct rush *rush, uint32_t buyer)
{
    rush->buyers[buyer].state = BUYER_HOLDS;
    rush->paying[(rush->paying_first + rush->paying_count++) % RUSH_BUYERS] = buyer;
}

/* What an owner's `sold_out` says besides, as the handlers find it out. */
static bool is_final(const struct rush *rush)
{
    struct shard *shard = engine_shard(rush->engine, 0);
    const struct sku_entry *entry = directory_find_sku(shard_directory(shard), "limited", 7);
    struct line line = {.sku_id = entry->sku_id, .quantity = 1};
    struct refusal refusal;

    engine_refusal_describe(shard, &line, 1, &refusal);
    return refusal.final;
}

static void take_answer(void *user, uint64_t cookie, const struct message *message)
{
    struct rush *rush = user;
    const struct reply_body *reply = &message->reply;
    struct rush_buyer *buyer;

    rush->open--;
    if (cookie == PRODUCT_COOKIE) {
        rush->on_sale = reply->outcome == OUTCOME_OK;
        return;
    }
    buyer = &rush->buyers[cookie];
    if (buyer->state == BUYER_ASKS && reply->outcome == OUTCOME_SOLD_OUT && is_final(rush)) {
        finish(rush, buyer);
    } else if (buyer->state == BUYER_ASKS) {
        buyer->hold = reply->hold.id;
        /* Refused while units are only held: he asks again, as he is told to. */
        buyer->state = BUYER_WAITS;
        if (reply->outcome == OUTCOME_OK)
            wants_to_pay(rush, (uint32_t)cookie);
    } else if (reply->outcome == OUTCOME_OVERLOADED) {
        wants_to_pay(rush, (uint32_t)cookie);
    } else {
        rush->sold += buyer->state == BUYER_PAYS && reply->outcome == OUTCOME_OK;
        finish(rush, buyer);
    }
}

static enum outcome ask(struct rush *rush, uint32_t index, struct refusal *refusal)
{
    static const struct command_line line = {{"limited", 7}, 1};
    char key[32];
    struct command command = {.type = COMMAND_RESERVE, .principal = principal_of(index)};
    int length = snprintf(key, sizeof(key), "%u", index);

    command.reserve.key = (struct slice){key, (size_t)length};
    command.reserve.body = (struct slice){"one", 3};
    command.reserve.lines = &line;
    command.reserve.line_count = 1;
    return engine_submit(engine_shard(rush->engine, sim_random_below(&rush->random, RUSH_SHARDS)),
                         &command, index, refusal);
}

static enum outcome pay_or_leave(struct rush *rush, uint32_t index, bool pays)
{
    char id[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = pays ? COMMAND_HOLD_CONVERT : COMMAND_HOLD_RELEASE,
                              .principal = principal_of(index),
                              .authority = pays ? AUTHORITY_STAFF : AUTHORITY_PRINCIPAL,
                              .reservation_id = {id, RESERVATION_ID_LENGTH}};
    struct refusal refusal;

    engine_reservation_id(rush->engine, &rush->buyers[index].hold, id);
    return engine_submit(engine_shard(rush->engine, sim_random_below(&rush->random, RUSH_SHARDS)),
                         &command, index, &refusal);
}

/* Somebody comes, or comes again. Nobody does once more was sold than there was. */
static void come(struct rush *rush)
{
    uint32_t index = sim_random_below(&rush->random, RUSH_BUYERS);
    struct rush_buyer *buyer = &rush->buyers[index];
    struct refusal refusal = {0};
    enum outcome outcome;

    if (buyer->state != BUYER_WAITS)
        return;
    if (rush->sold > RUSH_STOCK) {
        finish(rush, buyer);
        return;
    }
    buyer->state = BUYER_ASKS;
    outcome = ask(rush, index, &refusal);
    rush->open += outcome == OUTCOME_PENDING;
    if (outcome == OUTCOME_SOLD_OUT && refusal.final)
        finish(rush, buyer);
    else if (outcome != OUTCOME_PENDING)
        buyer->state = BUYER_WAITS;
}

/* Whoever has held a unit for longest pays for it or gives it up. */
static void pay(struct rush *rush)
{
    uint32_t index = rush->paying[rush->paying_first];
    bool pays = sim_random_below(&rush->random, 100) >= GIVES_UP_PERCENT;

    if (pay_or_leave(rush, index, pays) != OUTCOME_PENDING)
        return;
    rush->open++;
    rush->buyers[index].state = pays ? BUYER_PAYS : BUYER_LEAVES;
    rush->paying_first = (rush->paying_first + 1) % RUSH_BUYERS;
    rush->paying_count--;
}

/* ---- the run ---- */

static void take_step(struct rush *rush)
{
    static const uint32_t weights[] = {40, 20, 20, 30, 30, 5};

    rush->step++;
    switch (sim_random_weighted(&rush->random, weights, sizeof(weights) / sizeof(weights[0]))) {
    case 0:
        shard_step(engine_shard(rush->engine, sim_random_below(&rush->random, RUSH_SHARDS)));
        break;
    case 1:
        committer_step(rush->engine);
        break;
    case 2:
        if (journal_memory_pending(rush->journal) != 0)
            journal_memory_complete(rush->journal, COMMIT_OK, true);
        break;
    case 3:
        if (rush->on_sale)
            come(rush);
        break;
    case 4:
        if (rush->paying_count > 0)
            pay(rush);
        break;
    default:
        rush->env.now_ms++;
    }
}

static void start(struct rush *rush, uint64_t seed)
{
    struct engine_options options = engine_options_default(RUSH_SHARDS);
    struct engine_ports ports = {0};
    char error[256] = "";

    sim_random_seed(&rush->random, seed);
    env_controlled_init(&rush->env, seed);
    options.partitions = 16;
    options.holds_max = 2 * RUSH_BUYERS;
    options.coupons_max = 64;
    options.coupon_rows_max = 64;
    options.carts_max = 16;
    options.deliveries_pending_max = 48;
    options.limit_rows_max = 64;
    options.skus_max = 8;
    options.requests_max = 64;
    options.products_in_flight_max = 64;
    options.mailbox_max = 64;
    rush->journal =
        journal_memory_create(&(struct journal_memory_options){.partitions = options.partitions});
    assert(rush->journal != NULL);
    ports.env = env_controlled_port(&rush->env);
    ports.journal = journal_memory_port(rush->journal);
    ports.watermark = sim_watermark_port(&rush->watermark);
    ports.secrets = sim_secrets_port(&rush->mac_key, &rush->random);
    rush->engine = engine_create(&options, &ports);
    assert(rush->engine != NULL);
    if (engine_recover(rush->engine, error, sizeof(error)) != 0)
        violation("an empty store was refused: %s", error);
    for (uint32_t i = 0; i < RUSH_SHARDS; i++)
        shard_set_reply(engine_shard(rush->engine, i), take_answer, rush);
}

static void open_shop(struct rush *rush)
{
    struct product_envelope *product = product_envelope_create(2);
    struct command command = {
        .type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF, .product = product};
    struct refusal refusal;
    enum outcome outcome;

    assert(product != NULL);
    snprintf(product->id, sizeof(product->id), "limited");
    snprintf(product->currency, sizeof(product->currency), "EUR");
    product->variant_count = 1;
    snprintf(product->variants[0].sku, sizeof(product->variants[0].sku), "limited");
    product->variants[0].stock = RUSH_STOCK;
    product->variants[0].price_minor = 19900;
    memcpy(product->document, "{}", 2);
    outcome = engine_submit(engine_shard(rush->engine, 0), &command, PRODUCT_COOKIE, &refusal);
    if (outcome != OUTCOME_PENDING)
        violation("the product was refused: %s", outcome_name(outcome));
    rush->open++;
}

/* The engine's own count, for the checker to compare with what buyers were told. */
static uint32_t recorded_sold(const struct rush *rush)
{
    struct engine_metrics metrics;

    engine_metrics(rush->engine, &metrics);
    return (uint32_t)metrics.holds_converted;
}

static void end(struct rush *rush)
{
    journal_memory_crash(rush->journal, false);
    engine_destroy(rush->engine);
    journal_memory_destroy(rush->journal);
    free(rush);
}

int rush_run(uint64_t seed, uint32_t mutant)
{
    struct rush *rush = calloc(1, sizeof(*rush));
    struct run_identity identity = {.seed = seed, .mutant = mutant, .rush = true};
    uint32_t recorded;
    uint32_t sold;

    assert(rush != NULL);
    violation_set_run(&identity, &rush->step);
    violation_catch_aborts();
    start(rush, seed);
    open_shop(rush);
    while (rush->finished < RUSH_BUYERS || rush->open > 0)
        if (rush->step < RUSH_STEPS_MAX)
            take_step(rush);
        else
            violation("%u of %u buyers have no answer", RUSH_BUYERS - rush->finished, RUSH_BUYERS);
    sold = rush->sold;
    recorded = recorded_sold(rush);
    if (recorded != sold)
        violation("buyers were sold %u units, the engine counts %u", sold, recorded);
    printf("rush: %u buyers, one unit each, seed %" PRIu64 ", %" PRIu64 " steps\n", RUSH_BUYERS,
           seed, rush->step);
    printf("%ssold %u of %u\n", sold == RUSH_STOCK ? "" : "the checker saw it: ", sold, RUSH_STOCK);
    violation_set_run(&identity, NULL);
    end(rush);
    return sold == RUSH_STOCK ? 0 : 1;
}
