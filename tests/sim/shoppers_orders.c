/* SPDX-License-Identifier: Apache-2.0 */
/* What shoppers, staff and the gateway ask of orders: how each call is made up and sent. */
#include <stdio.h>
#include <string.h>

#include "shoppers.h"
#include "violation.h"
#include "world.h"

static int64_t price_of(const struct world *world, uint32_t sku_id)
{
    for (uint32_t i = 0; i < SIM_SHOP_SKUS; i++)
        if (world->shoppers.sku_ids[i] == sku_id)
            return 1000 + i;
    violation("a line is of no SKU of the shoppers'");
}

static void draw_totals(struct world *world, const struct shop_hold *hold, bool has_coupon,
                        struct order_totals *totals)
{
    for (uint32_t i = 0; i < hold->line_count; i++)
        totals->subtotal_minor += price_of(world, hold->lines[i].sku_id) * hold->lines[i].quantity;
    if (has_coupon)
        totals->discount_minor = totals->subtotal_minor / 10;
    if (has_coupon && sim_random_chance(&world->random, 300000)) {
        totals->discount_minor = totals->subtotal_minor;
    } else {
        totals->shipping_minor = sim_random_unless(&world->random, 50, 600);
        totals->tax_minor = sim_random_unless(&world->random, 50, 300);
    }
    totals->total_minor = totals->subtotal_minor - totals->discount_minor + totals->shipping_minor +
                          totals->tax_minor;
}

static void fill_body(const struct world *world, const struct shop_order *order,
                      struct order_envelope *envelope)
{
    const struct shop_hold *hold = &world->shoppers.holds[order->hold];
    int64_t discount_minor = order->totals.discount_minor;

    envelope->body.line_count = hold->line_count;
    for (uint32_t i = 0; i < hold->line_count; i++) {
        struct order_line *line = &envelope->body.lines[i];

        line->sku_id = hold->lines[i].sku_id;
        line->quantity = hold->lines[i].quantity;
        line->unit_price_minor = price_of(world, line->sku_id);
        line->total_minor = line->unit_price_minor * line->quantity;
        line->discount_minor =
            discount_minor < line->total_minor ? discount_minor : line->total_minor;
        discount_minor -= line->discount_minor;
        line->total_minor -= line->discount_minor;
    }
    envelope->body.text_length = 2 + order->hold % 40;
    memset(envelope->text, 'a', envelope->body.text_length);
    envelope->person.key_length = VAULT_WRAPPED_KEY_BYTES; /* by the vault's previous key */
    for (uint32_t i = 0; i + 1 < VAULT_WRAPPED_KEY_BYTES; i++)
        envelope->person.key[i] = (uint8_t)(order->key.word[0] >> i % 56);
    envelope->person.email_length = 3;
    envelope->person.address_length = 5;
}

/* No longer than a hold may live, wherever the wall clock stands by now. */
static void set_expiry(struct world *world, struct shop_order *order)
{
    order->expires_wall_ms = world_wall_ms(world) + world->profile.engine.hold_cap_ms;
    if (order->expires_wall_ms > world->shoppers.holds[order->hold].deadline_wall_ms)
        order->expires_wall_ms = world->shoppers.holds[order->hold].deadline_wall_ms;
    if (sim_random_chance(&world->random, 300000))
        order->expires_wall_ms -= sim_random_below(&world->random, 10);
}

static void fill_checkout(const struct world *world, const struct shop_order *order,
                          struct order_envelope *envelope)
{
    const struct shop_hold *hold = &world->shoppers.holds[order->hold];
    struct order_record *record = &envelope->order;

    envelope->authority = AUTHORITY_PRINCIPAL;
    envelope->who[0] = hold->principal;
    envelope->who_count = (uint8_t)(1 + shoppers_guests(world, order, &envelope->who[1]));
    record->key = order->key;
    record->fingerprint = order->hold;
    record->expires_wall_ms = order->expires_wall_ms;
    record->from_cart = order->from_cart;
    record->hold = hold->id;
    record->totals = order->totals;
    record->provider = order->provider;
    memcpy(record->currency, "EUR", 4);
    if (order->coupon != NONE) {
        const struct coupon_view *coupon = &world->shoppers.coupons[order->coupon].view;

        memcpy(record->coupon, coupon->definition.code, sizeof(record->coupon));
        record->coupon_partition = coupon->partition;
        record->coupon_number = coupon->number;
        record->coupon_version = coupon->version;
    }
    fill_body(world, order, envelope);
}

/* What is known of it now: no answer may fall behind. */
static void note_known(const struct shop_order *order, struct shop_ask *ask)
{
    ask->is_placed = order->state == SHOP_PLACED;
    ask->status = order->status;
    ask->timeline_count = order->timeline_count;
    ask->captured_minor = order->captured_minor;
    ask->refunded_minor = order->refunded_minor;
    ask->is_acknowledged = order->is_acknowledged;
    ask->acknowledged_minor = order->acknowledged_minor;
}

bool shoppers_key_is_old(const struct world *world, const struct shop_order *order)
{
    return wall_highest_since(world, order->asked_ms) - wall_lowest_since(world, order->asked_ms) >
           ORDER_KEY_KEPT_S * 1000LL;
}

static void send_checkout(struct world *world, uint32_t index)
{
    struct shop_order *order = &world->shoppers.orders[index];
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_CREATE);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    uint32_t shard = clients_draw_shard(world);
    uint64_t cookie;
    struct shop_ask *ask = shoppers_take_ask(world, SHOP_ORDER, index, &cookie);
    enum outcome outcome = OUTCOME_OVERLOADED;

    assert(envelope != NULL);
    order->is_customers = order->is_customers &&
                          shoppers_is_account(world, &world->shoppers.holds[order->hold].principal);
    if (order->state == SHOP_ASKED)
        set_expiry(world, order);
    fill_checkout(world, order, envelope);
    if (ask != NULL) {
        ask->call = ORDER_CALL_CREATE;
        note_known(order, ask);
    }
    if (shard != NONE && ask != NULL)
        outcome = shoppers_submit(world, shard, &command, ask, cookie);
    world_log(world, "shopper %u checks out hold %u as order %u: %s", order->who, order->hold,
              index, outcome_name(outcome));
    if (outcome == OUTCOME_PENDING)
        order->open++;
    else
        envelope_free(envelope);
}

void shoppers_checkout(struct world *world, uint32_t index)
{
    if (!shoppers_key_is_old(world, &world->shoppers.orders[index]))
        send_checkout(world, index);
}

void shoppers_order_anew(struct world *world, uint32_t hold_index)
{
    struct shoppers_model *shoppers = &world->shoppers;
    uint32_t index = shoppers->order_count;
    struct shop_order *order = &shoppers->orders[index];
    struct shop_hold *hold = &shoppers->holds[hold_index];
    uint32_t coupon = sim_random_below(&world->random, 2 * SIM_SHOP_COUPONS);

    if (hold->id.sequence == 0 || index == SIM_SHOP_ORDERS_MAX)
        return;
    /* A hold is asked for by one order, or now and then by a second one. */
    if (hold->checkouts > 0 && !sim_random_chance(&world->random, 150000))
        return;
    *order = (struct shop_order){.who = hold->who, .hold = hold_index, .coupon = NONE};
    order->is_customers = true;
    order->asked_ms = world_now(world);
    order->key.word[0] = hash_word(world->seed * 5 + index);
    order->key.word[1] = hash_word(order->key.word[0] + index);
    order->provider =
        sim_random_chance(&world->random, 500000) ? PROVIDER_SANDBOX : PROVIDER_STRIPE;
    order->from_cart = sim_random_chance(&world->random, 400000);
    if (coupon < SIM_SHOP_COUPONS && shoppers->coupons[coupon].is_known)
        order->coupon = coupon;
    if (order->coupon != NONE)
        order->uses_before = shoppers_uses_sure(world, order);
    draw_totals(world, hold, order->coupon != NONE, &order->totals);
    hold->checkouts++;
    shoppers->order_count++;
    shoppers_checkout(world, index);
}

static void fill_refund(struct world *world, const struct shop_order *order, uint32_t refund,
                        struct order_envelope *envelope)
{
    const struct shop_hold *hold = &world->shoppers.holds[order->hold];

    envelope->refund_key = order->refunds[refund].key;
    envelope->amount_minor = order->refunds[refund].amount_minor;
    envelope->restock = envelope->refund_key % 2 == 0;
    for (uint32_t i = 0; i < hold->line_count && envelope->restock; i++)
        envelope->quantities[i] =
            (uint32_t)(envelope->refund_key >> (8 + 8 * i)) % (hold->lines[i].quantity + 1);
}

void shoppers_call(struct world *world, uint32_t index, enum order_call call, uint32_t refund)
{
    static const char *const methods[] = {"ok", "ok", "ok", "declined", "refused", "slow"};
    struct shop_order *order = &world->shoppers.orders[index];
    struct order_envelope *envelope = order_envelope_create(call);
    struct command command = {
        .type = COMMAND_ORDER, .origin = {.caller = AUDIT_BY_ADMIN_KEY}, .order = envelope};
    uint32_t shard = clients_draw_shard(world);
    uint64_t cookie;
    struct shop_ask *ask = shoppers_take_ask(world, SHOP_ORDER, index, &cookie);
    enum outcome outcome = OUTCOME_OVERLOADED;

    assert(envelope != NULL);
    envelope->id = order->id;
    envelope->authority = call == ORDER_CALL_FULFIL || call == ORDER_CALL_DELIVER ||
                                  call == ORDER_CALL_REFUND || call == ORDER_CALL_FORGET ||
                                  call == ORDER_CALL_ACKNOWLEDGE
                              ? AUTHORITY_STAFF
                              : AUTHORITY_PRINCIPAL;
    envelope->who_count = 1;
    envelope->who[0] = world->shoppers.holds[order->hold].principal;
    if (call == ORDER_CALL_CONFIRM)
        snprintf(envelope->method, sizeof(envelope->method), "%s",
                 world->phase == PHASE_HEAL ? "ok" : methods[sim_random_below(&world->random, 6)]);
    if (call == ORDER_CALL_FULFIL && sim_random_chance(&world->random, 500000))
        snprintf(envelope->tracking, sizeof(envelope->tracking), "T%u", index);
    envelope->attention = ORDER_ATTENTION_REFUNDED_ELSEWHERE;
    if (call == ORDER_CALL_REFUND)
        fill_refund(world, order, refund, envelope);
    if (ask != NULL) {
        ask->call = (uint8_t)call;
        ask->refund = refund;
        ask->is_refunded = refund != NONE && order->refunds[refund].was_done;
        note_known(order, ask);
    }
    if (shard != NONE && ask != NULL)
        outcome = shoppers_submit(world, shard, &command, ask, cookie);
    world_log(world, "order %u: %s: %s", index, order_call_name(call), outcome_name(outcome));
    if (outcome != OUTCOME_PENDING)
        envelope_free(envelope);
}

void shoppers_tell_event(struct world *world, uint32_t index)
{
    struct sim_event *event = &world->gateway.events[index];
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_EVENT);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    uint32_t shard = clients_draw_shard(world);
    uint64_t cookie;
    struct shop_ask *ask = shoppers_take_ask(world, SHOP_EVENT, index, &cookie);
    enum outcome outcome = OUTCOME_OVERLOADED;

    assert(envelope != NULL);
    envelope->id = event->order;
    envelope->authority = AUTHORITY_STAFF;
    envelope->event = event->event;
    if (shard != NONE && ask != NULL)
        outcome = shoppers_submit(world, shard, &command, ask, cookie);
    world_log(world, "gateway tells %s of %s: %s%s: %s", event->event.event_id,
              event->event.payment_id, payment_state_name((enum payment_state)event->event.state),
              event->is_false ? ", false" : "", outcome_name(outcome));
    if (outcome == OUTCOME_PENDING)
        event->open++;
    else
        envelope_free(envelope);
}

void shoppers_replay_event(struct world *world, uint32_t index)
{
    struct sim_event *event = &world->gateway.events[index];
    struct order_envelope *envelope = order_envelope_create(ORDER_CALL_EVENT_REPLAY);
    struct command command = {
        .type = COMMAND_ORDER, .origin = {.caller = AUDIT_BY_ADMIN_KEY}, .order = envelope};
    uint32_t shard = clients_draw_shard(world);
    uint64_t cookie;
    struct shop_ask *ask = shoppers_take_ask(world, SHOP_EVENT_REPLAY, index, &cookie);
    enum outcome outcome = OUTCOME_OVERLOADED;

    assert(envelope != NULL);
    envelope->authority = AUTHORITY_STAFF;
    envelope->id.partition = event->order.partition;
    envelope->event_place = event_in_place(&event->event, event->order.partition);
    if (ask != NULL)
        ask->is_applied = event->effect == EVENT_APPLIED;
    if (shard != NONE && ask != NULL)
        outcome = shoppers_submit(world, shard, &command, ask, cookie);
    world_log(world, "staff has %s taken in again: %s", event->event.event_id,
              outcome_name(outcome));
    event->is_replayed = event->is_replayed || outcome == OUTCOME_PENDING;
    if (outcome == OUTCOME_PENDING)
        event->open++;
    else
        envelope_free(envelope);
}
