/* SPDX-License-Identifier: Apache-2.0 */
#include "coupons.h"

#include <stdio.h>
#include <string.h>

#include "violation.h"
#include "world.h"

#define COUPONS_COOKIE (1ULL << 61)

enum {
    NO_BOOK = SIM_COUPON_BOOKS_MAX,
    RECENT_ORDERS = 24,
    ORDERS_KEPT_BACK = 150, /* for healing */
    LATE_REPEAT_MS = 1000,  /* less than what is kept of an ended use, and than requests take */
    HEAL_ROUNDS_MAX = 400,
};

bool coupons_is_cookie(uint64_t cookie)
{
    return (cookie & COUPONS_COOKIE) != 0;
}

void coupons_start(struct world *world)
{
    struct coupons_model *coupons = &world->coupons;

    coupons->slot_count = world->profile.coupons;
    for (uint32_t i = 0; i < coupons->slot_count; i++) {
        snprintf(coupons->slots[i].code, sizeof(coupons->slots[i].code), "SIM-%u", i);
        coupons->slots[i].book = NO_BOOK;
    }
}

void coupons_restart(struct world *world)
{
    struct coupons_model *coupons = &world->coupons;

    coupons->incarnation++;
    coupons->asks_open = 0;
    for (uint32_t i = 0; i < SIM_COUPON_ASKS_MAX; i++)
        coupons->asks[i].is_open = false;
    for (uint32_t i = 0; i < coupons->slot_count; i++)
        coupons->slots[i].call_open = false;
    for (uint32_t i = 0; i < coupons->order_count; i++)
        coupons->orders[i].open = 0;
}

void coupons_quiet(const struct world *world)
{
    if (world->coupons.asks_open > 0)
        violation("everything sleeps, and %u messages to coupons have no answer",
                  world->coupons.asks_open);
}

/* ---- sending ---- */

static struct principal person(uint32_t who)
{
    return (struct principal){{0xc0, (uint8_t)(who >> 8), (uint8_t)who, 1}};
}

static struct coupon_ask *take_ask(struct world *world, uint64_t *cookie_out)
{
    for (uint32_t i = 0; i < SIM_COUPON_ASKS_MAX; i++) {
        struct coupon_ask *ask = &world->coupons.asks[i];

        if (ask->is_open)
            continue;
        *ask = (struct coupon_ask){
            .step = world->step, .order = NONE, .slot = NONE, .call = COUPON_CALL_COUNT};
        *cookie_out = COUPONS_COOKIE | i;
        return ask;
    }
    return NULL;
}

static enum outcome submit(struct world *world, uint32_t shard, const struct command *command,
                           struct coupon_ask *ask, uint64_t cookie)
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
        ask->command = (uint8_t)command->type;
        world->coupons.asks_open++;
    }
    return outcome;
}

static void send_use(struct world *world, uint32_t index, enum command_type type)
{
    struct coupon_order *order = &world->coupons.orders[index];
    const struct coupon_book *book = &world->coupons.books[order->book];
    uint32_t shard = engine_partition_shard(world->engine, order->id.partition);
    struct command command = {.type = type};
    struct coupon_use_body *body = &command.coupon_use.body;
    struct coupon_ask *ask;
    enum outcome outcome;
    uint64_t cookie;

    if (world->shards[shard].stalled_until > world->step ||
        (ask = take_ask(world, &cookie)) == NULL)
        return;
    command.coupon_use.partition = book->view.partition;
    *body = (struct coupon_use_body){.order = order->id,
                                     .number = book->view.number,
                                     .version = order->version,
                                     .principal = person(order->who)};
    if (order->who == SIM_COUPON_PEOPLE - 1) {
        body->alias_count = 2;
        body->aliases[0] = person(0);
        body->aliases[1] = person(1);
    }
    ask->order = index;
    ask->max_acked = book->view.definition.max_uses;
    ask->version_acked = book->view.version;
    ask->is_first = type == COMMAND_COUPON_HOLD && order->holds == 0;
    outcome = submit(world, shard, &command, ask, cookie);
    world_log(world, "shard %u: order %u (coupon %u, person %u) sends %s: %s", shard, index,
              order->book, order->who,
              type == COMMAND_COUPON_HOLD     ? "hold"
              : type == COMMAND_COUPON_COMMIT ? "commit"
                                              : "release",
              outcome_name(outcome));
    if (outcome != OUTCOME_PENDING)
        return;
    order->open++;
    if (type == COMMAND_COUPON_HOLD) {
        order->holds++;
        order->held_in = world->coupons.incarnation;
    }
}

/* ---- staff ---- */

static enum coupon_call draw_call(struct world *world, const struct coupon_slot *slot)
{
    uint32_t drawn = sim_random_below(&world->random, 100);

    if (slot->book == NO_BOOK)
        return drawn < 50 ? COUPON_CALL_CREATE : COUPON_CALL_GET;
    return drawn < 6 ? COUPON_CALL_DELETE : drawn < 25 ? COUPON_CALL_UPDATE : COUPON_CALL_GET;
}

static void fill_call(struct world *world, const struct coupon_slot *slot, enum coupon_call call,
                      struct coupon_envelope *envelope)
{
    struct coupon_definition *definition = &envelope->view.definition;

    if (slot->book != NO_BOOK)
        envelope->view = world->coupons.books[slot->book].view;
    memcpy(definition->code, slot->code, sizeof(definition->code));
    if (call == COUPON_CALL_CREATE) {
        definition->rule.kind = COUPON_PERCENTAGE;
        definition->rule.percent_bp = 1000;
        definition->max_uses = sim_random_below(&world->random, 9);
        definition->max_uses_per_customer = sim_random_below(&world->random, 3);
    } else if (call == COUPON_CALL_UPDATE) {
        definition->rule.percent_bp = sim_random_range(&world->random, 1, 10000);
        if (definition->max_uses != 0)
            definition->max_uses += sim_random_below(&world->random, 3);
    }
}

/* What may be so from now on. */
static void expect_call(struct coupon_book *book, enum coupon_call call,
                        const struct coupon_envelope *envelope)
{
    if (call == COUPON_CALL_DELETE)
        book->delete_sent = true;
    if (call != COUPON_CALL_UPDATE)
        return;
    book->version_high++;
    if (envelope->view.definition.max_uses > book->max_high)
        book->max_high = envelope->view.definition.max_uses;
}

static void send_call(struct world *world, uint32_t index, enum coupon_call call)
{
    struct coupon_slot *slot = &world->coupons.slots[index];
    struct coupon_envelope *envelope = coupon_envelope_create(call);
    struct command command = {.type = COMMAND_COUPON,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_ADMIN_KEY},
                              .coupon = envelope};
    uint32_t shard = clients_draw_shard(world);
    struct coupon_ask *ask;
    enum outcome outcome;
    uint64_t cookie;

    assert(envelope != NULL);
    ask = take_ask(world, &cookie);
    if (shard == NONE || ask == NULL) {
        envelope_free(envelope);
        return;
    }
    fill_call(world, slot, call, envelope);
    ask->slot = index;
    ask->call = (uint8_t)call;
    if (slot->book != NO_BOOK)
        expect_call(&world->coupons.books[slot->book], call, envelope);
    outcome = submit(world, shard, &command, ask, cookie);
    world_log(world, "shard %u: staff send call %d on %s: %s", shard, (int)call, slot->code,
              outcome_name(outcome));
    if (outcome == OUTCOME_PENDING)
        slot->call_open = true;
    else
        envelope_free(envelope);
}

static void new_order(struct world *world, uint32_t slot, uint32_t who)
{
    struct coupons_model *coupons = &world->coupons;
    uint32_t index = coupons->order_count;
    struct coupon_order *order = &coupons->orders[index];

    if (index == SIM_COUPON_ORDERS_MAX || coupons->slots[slot].book == NO_BOOK)
        return;
    *order = (struct coupon_order){.book = coupons->slots[slot].book, .who = who};
    order->version = coupons->books[order->book].view.version;
    order->id.partition = sim_random_below(&world->random, world->profile.engine.partitions);
    order->id.sequence = index + 1;
    order->id.created_ms = world_wall_ms(world);
    coupons->order_count++;
    send_use(world, index, COMMAND_COUPON_HOLD);
}

/* ---- what an order does next ---- */

/* A repeat of what it had sent before it went on: still on its way, as it were. */
static bool may_repeat_hold(const struct world *world, const struct coupon_order *order)
{
    return order->ended_in == world->coupons.incarnation &&
           order->held_in == world->coupons.incarnation &&
           world_now(world) - order->ending_ms <= LATE_REPEAT_MS;
}

static void go_on(struct world *world, uint32_t index)
{
    struct coupon_order *order = &world->coupons.orders[index];
    bool again = order->open == 0 || sim_random_below(&world->random, 100) < 30;
    uint32_t drawn = sim_random_below(&world->random, 100);

    switch ((enum use_state)order->state) {
    case USE_HOLDING:
        if (again)
            send_use(world, index, COMMAND_COUPON_HOLD);
        break;
    case USE_HELD:
        if (drawn < 10) {
            send_use(world, index, COMMAND_COUPON_HOLD);
            break;
        }
        order->state = drawn < 55 ? USE_COMMITTING : USE_RELEASING;
        order->sent_in = world->coupons.incarnation;
        order->ending_ms = world_now(world);
        again = true;
        go_on(world, index);
        break;
    case USE_COMMITTING:
        if (again)
            send_use(world, index, COMMAND_COUPON_COMMIT);
        break;
    case USE_RELEASING:
        if (again)
            send_use(world, index, COMMAND_COUPON_RELEASE);
        break;
    case USE_COMMITTED:
    case USE_RELEASED:
        if (drawn < 30 && may_repeat_hold(world, order))
            send_use(world, index, COMMAND_COUPON_HOLD);
        else if (drawn < 60)
            send_use(world, index,
                     order->state == USE_COMMITTED ? COMMAND_COUPON_COMMIT
                                                   : COMMAND_COUPON_RELEASE);
        break;
    case USE_REFUSED:
    default:
        break;
    }
}

void coupons_act(struct world *world)
{
    struct coupons_model *coupons = &world->coupons;
    uint32_t slot = sim_random_below(&world->random, coupons->slot_count);
    uint32_t drawn = sim_random_below(&world->random, 100);
    uint32_t who = sim_random_below(&world->random, SIM_COUPON_PEOPLE);
    uint32_t recent = coupons->order_count < RECENT_ORDERS ? coupons->order_count : RECENT_ORDERS;

    if (drawn < 15) {
        if (!coupons->slots[slot].call_open && coupons->book_count < SIM_COUPON_BOOKS_MAX)
            send_call(world, slot, draw_call(world, &coupons->slots[slot]));
    } else if (drawn < 40 && coupons->order_count < SIM_COUPON_ORDERS_MAX - ORDERS_KEPT_BACK) {
        new_order(world, slot, who);
    } else if (recent > 0) {
        go_on(world, coupons->order_count - 1 - sim_random_below(&world->random, recent));
    }
}

/* ---- the end ---- */

static bool is_final(const struct coupon_order *order)
{
    return order->state == USE_COMMITTED || order->state == USE_RELEASED ||
           order->state == USE_REFUSED;
}

static bool all_ended(const struct world *world)
{
    for (uint32_t i = 0; i < world->coupons.order_count; i++)
        if (!is_final(&world->coupons.orders[i]))
            return false;
    return true;
}

static void end_orders(struct world *world, void (*settle)(struct world *))
{
    for (uint32_t rounds = 0; !all_ended(world); rounds++) {
        if (rounds == HEAL_ROUNDS_MAX + 4 * world->coupons.order_count)
            violation("an order's use of a coupon does not end long after the last fault");
        for (uint32_t i = 0; i < world->coupons.order_count; i++)
            if (!is_final(&world->coupons.orders[i]))
                go_on(world, i);
        settle(world);
    }
}

/* What staff see now; asked until it is told. */
static void look(struct world *world, uint32_t slot, void (*settle)(struct world *))
{
    uint64_t asked_step = world->step;
    uint32_t rounds = 0;

    do {
        if (rounds++ == HEAL_ROUNDS_MAX)
            violation("a coupon is not told of long after the last fault");
        send_call(world, slot, COUPON_CALL_GET);
        settle(world);
    } while (world->step == asked_step || world->coupons.slots[slot].call_open);
}

/* New customers take what is left, and not one use more. */
static void use_up(struct world *world, uint32_t slot_index, void (*settle)(struct world *))
{
    struct coupons_model *coupons = &world->coupons;
    const struct coupon_slot *slot = &coupons->slots[slot_index];
    uint32_t book = slot->book;
    uint32_t uses;

    if (book == NO_BOOK || coupons->books[book].view.definition.max_uses == 0)
        return;
    uses = coupons->books[book].view.definition.max_uses;
    for (uint32_t n = 0; n <= uses; n++) {
        uint32_t used = coupons_count_sure(coupons, book, NONE, UINT64_MAX);
        uint32_t index = coupons->order_count;
        struct coupon_order *order = &coupons->orders[index];

        if (index == SIM_COUPON_ORDERS_MAX)
            return;
        new_order(world, slot_index, 100 + index);
        for (uint32_t rounds = 0; order->state == USE_HOLDING && rounds < HEAL_ROUNDS_MAX;
             rounds++) {
            settle(world);
            if (order->state == USE_HOLDING)
                go_on(world, index);
        }
        if (order->state != (used < uses ? USE_HELD : USE_REFUSED))
            violation("I6: with %u of %u uses of a coupon taken the next order has state %d", used,
                      uses, order->state);
        if (order->state == USE_REFUSED)
            break;
        order->state = USE_COMMITTING;
    }
    end_orders(world, settle);
    if (coupons_count_sure(coupons, book, NONE, UINT64_MAX) != uses)
        violation("I6: a coupon of %u uses has another number of them", uses);
    world_mark(world, MARK_COUPON_EXACTLY);
}

void coupons_heal(struct world *world, void (*settle)(struct world *))
{
    if (world->coupons.slot_count == 0)
        return;
    settle(world);
    end_orders(world, settle);
    for (uint32_t i = 0; i < world->coupons.slot_count; i++) {
        look(world, i, settle);
        use_up(world, i, settle);
    }
    coupons_check_end(world, settle);
}

void coupons_check_end(struct world *world, void (*settle)(struct world *))
{
    struct coupons_model *coupons = &world->coupons;
    uint32_t committed = 0;

    if (coupons->slot_count == 0)
        return;
    for (uint32_t i = 0; i < coupons->slot_count; i++) {
        look(world, i, settle);
        if (coupons->slots[i].book != NO_BOOK &&
            coupons->books[coupons->slots[i].book].view.held != 0)
            violation("a use of a coupon is held that no order has");
    }
    for (uint32_t i = 0; i < coupons->order_count; i++)
        committed += coupons->orders[i].state == USE_COMMITTED;
    committed += shoppers_committed_uses(world);
    if (journal_memory_count(world->journal, RECORD_COUPON_PAST) != committed ||
        journal_memory_count(world->journal, RECORD_COUPON_USE) != 0)
        violation("%u uses of coupons were committed, and others are stored", committed);
}
