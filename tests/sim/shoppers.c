/* SPDX-License-Identifier: Apache-2.0 */
#include "shoppers.h"

#include <stdio.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"
#include "world.h"

#define SHOPPERS_COOKIE (1ULL << 59)

enum {
    RECENT_HOLDS = 8,
    RECENT_ORDERS = 20,
    ORDERS_KEPT_BACK = 100, /* for healing */
    AHEAD_TTLS_MAX = 3,     /* nobody waits longer for the last moment */
    RACE_MS = 75,           /* and two ticks: what the one or the other takes to come */
};

bool shoppers_is_sku(const struct world *world, uint32_t sku_id)
{
    for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++)
        if (world->shoppers.sku_ids[i] == sku_id)
            return true;
    return false;
}

/* Whether this is an account that nobody has begun to erase. */
bool shoppers_is_account(const struct world *world, const struct principal *principal)
{
    for (uint32_t i = 0; i < world->people.account_count; i++) {
        const struct account_model *account = &world->people.accounts[i];

        if (principal_equal(&account->principal, principal))
            return !principal_is_nobody(principal) && account->erases_sent == 0;
    }
    return false;
}

bool shoppers_is_cookie(uint64_t cookie)
{
    return (cookie & SHOPPERS_COOKIE) != 0;
}

struct principal shoppers_person(uint32_t who)
{
    struct principal principal;
    uint64_t words[2] = {hash_word(0x5b0b + who), hash_word(0x5b0b5b0b + 3ULL * who)};

    memcpy(principal.bytes, words, sizeof(principal.bytes));
    return principal;
}

void shoppers_start(struct world *world)
{
    struct shoppers_model *shoppers = &world->shoppers;

    for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++) {
        snprintf(shoppers->skus[i], sizeof(shoppers->skus[i]), "shop-%u", i);
        shoppers->stock[i] = i == 0 ? sim_random_range(&world->random, 3, 20)
                                    : sim_random_range(&world->random, 20, 1500);
        shoppers->sku_ids[i] = UINT32_MAX;
    }
}

void shoppers_restart(struct world *world)
{
    struct shoppers_model *shoppers = &world->shoppers;

    watches_restart(world);
    shoppers->asks_open = 0;
    shoppers->product_open = false;
    for (uint32_t i = 0; i < SIM_SHOP_ASKS_MAX; i++)
        shoppers->asks[i].is_open = false;
    for (uint32_t i = 0; i < shoppers->order_count; i++)
        shoppers->orders[i].open = 0;
}

uint64_t shoppers_claimed(const struct world *world)
{
    uint64_t claimed = 0;

    for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++) {
        const char *sku = world->shoppers.skus[i];
        const struct sku_entry *entry =
            directory_find_sku(engine_inspect_directory(world->engine), sku, strlen(sku));

        claimed += entry == NULL ? 0 : gate_claimed(&entry->gate);
    }
    return claimed;
}

uint32_t shoppers_find(const struct world *world, const struct reservation_id *id)
{
    for (uint32_t i = world->shoppers.order_count; i > 0; i--) {
        const struct reservation_id *other = &world->shoppers.orders[i - 1].id;

        if (other->sequence == id->sequence && other->partition == id->partition &&
            other->created_ms == id->created_ms)
            return i - 1;
    }
    return NONE;
}

void shoppers_not_found(const struct world *world, const struct reservation_id *id)
{
    uint32_t index = shoppers_find(world, id);

    if (index != NONE && world->shoppers.orders[index].state == SHOP_PLACED)
        violation("I2: an order that was acknowledged is not found");
}

/* ---- sending ---- */

struct shop_ask *shoppers_take_ask(struct world *world, enum shop_act act, uint32_t index,
                                   uint64_t *cookie_out)
{
    for (uint32_t i = 0; i < SIM_SHOP_ASKS_MAX; i++) {
        struct shop_ask *ask = &world->shoppers.asks[i];

        if (ask->is_open)
            continue;
        *ask = (struct shop_ask){
            .step = world->step, .act = (uint8_t)act, .index = index, .refund = NONE};
        *cookie_out = SHOPPERS_COOKIE | i;
        return ask;
    }
    return NULL;
}

enum outcome shoppers_submit(struct world *world, uint32_t shard, const struct command *command,
                             struct shop_ask *ask, uint64_t cookie)
{
    struct shard *target = clients_enter_shard(world, shard);
    struct refusal refusal;
    enum outcome outcome;

    world->in_submit = true;
    outcome = engine_submit(target, command, cookie, &refusal);
    world->in_submit = false;
    trace_add(&world->trace, TRACE_SUBMIT, (uint64_t)command->type << 32 | outcome, cookie);
    if (outcome == OUTCOME_PENDING) {
        clients_note_clock(world, shard);
        ask->is_open = true;
        world->shoppers.asks_open++;
    }
    return outcome;
}

static void put_product(struct world *world, uint32_t index)
{
    struct product_envelope *product = product_envelope_create(2);
    struct command command = {
        .type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF, .product = product};
    uint32_t shard = clients_draw_shard(world);
    uint64_t cookie;
    struct shop_ask *ask = shoppers_take_ask(world, SHOP_PRODUCT, index, &cookie);

    assert(product != NULL);
    snprintf(product->id, sizeof(product->id), "shop-product-%u", index);
    snprintf(product->currency, sizeof(product->currency), "EUR");
    product->variant_count = 1;
    memcpy(product->variants[0].sku, world->shoppers.skus[index], SKU_LENGTH_MAX + 1);
    product->variants[0].stock = world->shoppers.stock[index];
    product->variants[0].price_minor = 1000 + index;
    memcpy(product->document, "{}", 2);
    if (shard == NONE || ask == NULL ||
        shoppers_submit(world, shard, &command, ask, cookie) != OUTCOME_PENDING)
        envelope_free(product);
    else
        world->shoppers.product_open = true;
}

static void put_coupon(struct world *world, uint32_t index)
{
    struct coupon_envelope *envelope = coupon_envelope_create(
        sim_random_chance(&world->random, 500000) ? COUPON_CALL_CREATE : COUPON_CALL_GET);
    struct coupon_definition *definition = &envelope->view.definition;
    struct command command = {.type = COMMAND_COUPON,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_ADMIN_KEY},
                              .coupon = envelope};
    uint32_t shard = clients_draw_shard(world);
    uint64_t cookie;
    struct shop_ask *ask = shoppers_take_ask(world, SHOP_COUPON, index, &cookie);

    snprintf(definition->code, sizeof(definition->code), "SHOP-%u", index);
    definition->rule.kind = COUPON_PERCENTAGE;
    definition->rule.percent_bp = 1000;
    definition->max_uses = index == 0 ? sim_random_range(&world->random, 1, 12) : 0;
    definition->max_uses_per_customer = index == 0 ? 0 : 2;
    if (shard == NONE || ask == NULL ||
        shoppers_submit(world, shard, &command, ask, cookie) != OUTCOME_PENDING)
        envelope_free(envelope);
}

/* Now and then somebody who has an account, as long as they have it. */
static struct principal draw_person(struct world *world, uint32_t who)
{
    const struct people *people = &world->people;
    const struct account_model *account;

    if (people->account_count == 0 || sim_random_chance(&world->random, 600000))
        return shoppers_person(who);
    account = &people->accounts[sim_random_below(&world->random, people->account_count)];
    return shoppers_is_account(world, &account->principal) ? account->principal
                                                           : shoppers_person(who);
}

void shoppers_reserve(struct world *world, uint32_t who)
{
    struct shoppers_model *shoppers = &world->shoppers;
    struct shop_hold *hold = &shoppers->holds[shoppers->hold_count];
    struct command command = {.type = COMMAND_RESERVE, .principal = draw_person(world, who)};
    struct command_line lines[2];
    uint32_t shard = clients_draw_shard(world);
    uint32_t first = sim_random_below(&world->random, SIM_SHOP_SKUS);
    struct shop_ask *ask;
    uint64_t cookie;
    char key[32];

    if (shard == NONE || shoppers->hold_count == SIM_SHOP_HOLDS_MAX ||
        (ask = shoppers_take_ask(world, SHOP_RESERVE, shoppers->hold_count, &cookie)) == NULL)
        return;
    *hold = (struct shop_hold){.principal = command.principal, .who = who, .order = NONE};
    hold->line_count = (uint8_t)sim_random_range(&world->random, 1, 2);
    for (uint32_t i = 0; i < hold->line_count; i++) {
        uint32_t sku = (first + i) % SIM_SHOP_SKUS;

        if (shoppers->sku_ids[sku] == UINT32_MAX)
            return;
        hold->lines[i] = (struct line){.sku_id = shoppers->sku_ids[sku],
                                       .quantity = sim_random_range(&world->random, 1, 2)};
        lines[i] =
            (struct command_line){clients_slice(shoppers->skus[sku]), hold->lines[i].quantity};
    }
    snprintf(key, sizeof(key), "shop-hold-%u", shoppers->hold_count);
    command.reserve.key = clients_slice(key);
    command.reserve.body = clients_slice(key);
    command.reserve.lines = lines;
    command.reserve.line_count = hold->line_count;
    if (shoppers_submit(world, shard, &command, ask, cookie) == OUTCOME_PENDING)
        shoppers->hold_count++;
}

/* The customer's own release, of what may be an order's by now. */
static void release_hold(struct world *world, uint32_t index)
{
    const struct shop_hold *hold = &world->shoppers.holds[index];
    char id[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = COMMAND_HOLD_RELEASE, .principal = hold->principal};
    uint32_t shard = clients_draw_shard(world);
    struct shop_ask *ask;
    uint64_t cookie;

    if (shard == NONE || hold->id.sequence == 0 ||
        (ask = shoppers_take_ask(world, SHOP_HOLD_RELEASE, index, &cookie)) == NULL)
        return;
    engine_reservation_id(world->engine, &hold->id, id);
    command.reservation_id = clients_slice(id);
    shoppers_submit(world, shard, &command, ask, cookie);
}

/* Staff sends a mail again, knowing what its record says. */
static void replay_mail(struct world *world, uint32_t index)
{
    struct record *record = &world->shoppers.record;
    struct order_envelope *envelope;
    struct command command = {.type = COMMAND_ORDER, .origin = {.caller = AUDIT_BY_ADMIN_KEY}};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct shop_ask *ask;
    uint64_t cookie;
    uint32_t shard;

    if (!order_mails_draw(world, index, record))
        return;
    envelope = order_envelope_create(ORDER_CALL_MAIL_RESULT);
    assert(envelope != NULL);
    envelope->id = world->shoppers.orders[index].id;
    envelope->authority = AUTHORITY_STAFF;
    envelope->mail_occasion = record->subject;
    envelope->mail_result = MAIL_REPLAYED;
    envelope->mail = record->order_mail;
    envelope->mail.attempts = 0;
    command.order = envelope;
    shard = clients_draw_shard(world);
    ask = shoppers_take_ask(world, SHOP_MAIL_REPLAY, index, &cookie);
    if (shard != NONE && ask != NULL)
        outcome = shoppers_submit(world, shard, &command, ask, cookie);
    world_log(world, "staff sends mail %u of order %u again: %s", record->subject, index,
              outcome_name(outcome));
    if (outcome != OUTCOME_PENDING)
        envelope_free(envelope);
}

/* ---- what they do ---- */

static void refund(struct world *world, uint32_t index)
{
    struct shoppers_model *shoppers = &world->shoppers;
    struct shop_order *order = &shoppers->orders[index];
    uint32_t number = sim_random_below(&world->random, SIM_SHOP_REFUNDS_MAX);

    if (number >= order->refund_count) { /* a new one */
        number = order->refund_count;
        if (number == SIM_SHOP_REFUNDS_MAX)
            return;
        order->refunds[number] =
            (struct shop_refund){.key = hash_word(++shoppers->next_refund),
                                 .amount_minor = sim_random_chance(&world->random, 300000)
                                                     ? 0
                                                     : 1 + sim_random_below(&world->random, 1200)};
        order->refund_count++;
    }
    shoppers_call(world, index, ORDER_CALL_REFUND, number);
}

/* How long it has until it expires, by the wall clock; 0: it has no time. */
static int64_t time_left(const struct world *world, const struct shop_order *order)
{
    int64_t left_ms = order->expires_wall_ms - world_wall_ms(world);

    return left_ms > 0 ? left_ms : 0;
}

static void pay(struct world *world, uint32_t index)
{
    const struct shop_order *order = &world->shoppers.orders[index];
    uint32_t payment;

    if (order->provider == PROVIDER_SANDBOX) {
        shoppers_call(world, index, ORDER_CALL_CONFIRM, NONE);
        return;
    }
    payment = sim_gateway_find(world, &order->id);
    if (payment != NONE)
        sim_gateway_pay(world, payment);
}

bool shoppers_is_expiring(struct world *world, const struct reservation_id *id)
{
    int64_t window_ms = 2 * (int64_t)world->profile.tick_max_ms + RACE_MS;
    struct record *record = &world->shoppers.record;
    int64_t left_ms;

    if (!journal_memory_find(world->journal, RECORD_ORDER, id->partition, 0, id->sequence, record))
        return false;
    left_ms = record->order.expires_wall_ms - world_wall_ms(world);
    return left_ms >= -window_ms && left_ms <= window_ms;
}

/* Whoever has little time left pays now, most of them. */
static void pay_in_time(struct world *world, int64_t left_ms_max)
{
    struct shoppers_model *shoppers = &world->shoppers;
    uint32_t first =
        shoppers->order_count < RECENT_ORDERS ? 0 : shoppers->order_count - RECENT_ORDERS;

    for (uint32_t i = first; i < shoppers->order_count; i++) {
        const struct shop_order *order = &shoppers->orders[i];

        if (order->state == SHOP_PLACED && order->status == ORDER_PENDING &&
            time_left(world, order) <= left_ms_max && sim_random_chance(&world->random, 800000))
            pay(world, i);
    }
}

/* They pay at the last moment, or wait for it when they have paid. */
static void race(struct world *world, uint32_t index)
{
    static const uint32_t offs_ms[] = {5, 40, 70};
    const struct shop_order *order = &world->shoppers.orders[index];
    int64_t left_ms = time_left(world, order);
    int64_t off_ms = sim_random_below(&world->random, offs_ms[sim_random_below(&world->random, 3)]);
    bool pays_first = sim_random_chance(&world->random, 300000);

    if (left_ms > AHEAD_TTLS_MAX * (int64_t)world->profile.engine.hold_ttl_ms)
        return;
    if (pays_first)
        pay(world, index);
    if (left_ms > off_ms)
        world_advance_clock(world, left_ms - off_ms);
    pay_in_time(world, off_ms + 50);
}

static void act_on_pending(struct world *world, uint32_t index, uint32_t drawn)
{
    if (drawn < 32)
        pay(world, index);
    else if (drawn < 66)
        race(world, index);
    else if (drawn < 75)
        shoppers_call(world, index, ORDER_CALL_GET, NONE);
    else if (drawn < 83)
        shoppers_call(world, index, ORDER_CALL_CANCEL, NONE);
    else if (drawn < 88)
        release_hold(world, world->shoppers.orders[index].hold);
    else if (drawn < 91)
        refund(world, index);
    else
        shoppers_checkout(world, index);
}

static void act_on_order(struct world *world, uint32_t index)
{
    const struct shop_order *order = &world->shoppers.orders[index];
    uint32_t drawn = sim_random_below(&world->random, 100);

    if (order->state == SHOP_NEVER)
        return;
    if (order->state == SHOP_ASKED) {
        if (order->open == 0 || drawn < 15)
            shoppers_checkout(world, index);
    } else if (order->status == ORDER_PENDING) {
        act_on_pending(world, index, drawn);
    } else if (sim_random_chance(&world->random, 100000)) {
        replay_mail(world, index);
    } else if (order->status == ORDER_PARTIALLY_REFUNDED && drawn < 8) {
        shoppers_call(world, index, ORDER_CALL_CANCEL, NONE);
    } else if (order->status == ORDER_PARTIALLY_REFUNDED && drawn < 50) {
        shoppers_call(world, index, ORDER_CALL_FULFIL, NONE);
    } else if (drawn < 20) {
        shoppers_call(world, index, ORDER_CALL_GET, NONE);
    } else if (drawn < 30) {
        shoppers_call(world, index, ORDER_CALL_CANCEL, NONE);
    } else if (drawn < 46) {
        shoppers_call(world, index, ORDER_CALL_FULFIL, NONE);
    } else if (drawn < 56) {
        shoppers_call(world, index, ORDER_CALL_DELIVER, NONE);
    } else if (drawn < 86) {
        refund(world, index);
    } else if (drawn < 90) {
        shoppers_call(world, index, ORDER_CALL_FORGET, NONE);
    } else if (drawn < 92) {
        shoppers_call(world, index, ORDER_CALL_ACKNOWLEDGE, NONE);
    } else if (drawn < 95) {
        pay(world, index);
    } else {
        shoppers_checkout(world, index);
    }
}

/* One of the newest, and sooner one that is to be paid yet. */
static uint32_t draw_order(struct world *world)
{
    const struct shoppers_model *shoppers = &world->shoppers;
    uint32_t recent = shoppers->order_count < RECENT_ORDERS ? shoppers->order_count : RECENT_ORDERS;
    uint32_t index = 0;

    for (uint32_t tries = 0; tries < 3; tries++) {
        const struct shop_order *order;

        index = shoppers->order_count - 1 - sim_random_below(&world->random, recent);
        order = &shoppers->orders[index];
        if (order->state == SHOP_ASKED ||
            (order->state == SHOP_PLACED && order->status == ORDER_PENDING))
            break;
    }
    return index;
}

/* The order that expires next, of those that wait for their payment. */
static void race_next(struct world *world)
{
    const struct shoppers_model *shoppers = &world->shoppers;
    uint32_t next = NONE;

    for (uint32_t i = shoppers->order_count; i > 0; i--) {
        const struct shop_order *order = &shoppers->orders[i - 1];

        if (order->state == SHOP_PLACED && order->status == ORDER_PENDING &&
            (next == NONE || order->expires_wall_ms < shoppers->orders[next].expires_wall_ms))
            next = i - 1;
    }
    if (next == NONE || time_left(world, &shoppers->orders[next]) == 0)
        act_on_order(world, draw_order(world));
    else
        race(world, next);
}

/* One that was sold, of which there are few; NONE: none was found. */
static uint32_t draw_sold(struct world *world)
{
    const struct shoppers_model *shoppers = &world->shoppers;

    for (uint32_t tries = 0; tries < 32; tries++) {
        uint32_t index = sim_random_below(&world->random, shoppers->order_count);
        uint8_t status = shoppers->orders[index].status;

        if (shoppers->orders[index].state == SHOP_PLACED &&
            (status == ORDER_CONFIRMED || status == ORDER_FULFILLING || status == ORDER_SHIPPED ||
             status == ORDER_PARTIALLY_REFUNDED))
            return index;
    }
    return NONE;
}

static bool set_up(struct world *world)
{
    struct shoppers_model *shoppers = &world->shoppers;

    for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++) {
        if (shoppers->sku_ids[i] != UINT32_MAX)
            continue;
        if (!shoppers->product_open)
            put_product(world, i);
        return false;
    }
    return true;
}

void shoppers_act(struct world *world)
{
    struct shoppers_model *shoppers = &world->shoppers;
    uint32_t drawn = sim_random_below(&world->random, 100);
    uint32_t coupon = sim_random_below(&world->random, SIM_SHOP_COUPONS);
    uint32_t who = sim_random_below(&world->random, SIM_SHOPPERS);
    uint32_t holds = shoppers->hold_count < RECENT_HOLDS ? shoppers->hold_count : RECENT_HOLDS;

    if (!set_up(world))
        return;
    if (world->profile.is_racing && drawn >= 40 && shoppers->order_count > 0) {
        race_next(world);
        return;
    }
    if (!shoppers->coupons[coupon].is_known) {
        put_coupon(world, coupon);
        return;
    }
    if (drawn < 25) {
        if (shoppers->order_count < SIM_SHOP_ORDERS_MAX - ORDERS_KEPT_BACK)
            shoppers_reserve(world, who);
    } else if (drawn < 50 && holds > 0) {
        if (shoppers->order_count < SIM_SHOP_ORDERS_MAX - ORDERS_KEPT_BACK)
            shoppers_order_anew(world,
                                shoppers->hold_count - 1 - sim_random_below(&world->random, holds));
    } else if (shoppers->order_count > 0) {
        uint32_t sold = drawn < 58 ? draw_sold(world) : NONE;

        act_on_order(world, sold != NONE ? sold : draw_order(world));
        watches_act(world);
    }
}
