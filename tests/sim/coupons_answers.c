/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of coupons and orders, and what answers may say. */
#include <string.h>

#include "coupons.h"
#include "violation.h"
#include "world.h"

/* ---- what is known ---- */

static bool was(uint32_t who, uint32_t guest)
{
    return who == guest || (who == SIM_COUPON_PEOPLE - 1 && guest < 2);
}

/* It has its use, and nothing that ends it was sent but a commit. */
static bool has_surely(const struct coupon_order *order)
{
    return order->state == USE_HELD || order->state == USE_COMMITTING ||
           order->state == USE_COMMITTED;
}

/* It may have had its use at some time since that step. */
static bool may_have(const struct coupon_order *order, uint64_t since_step)
{
    if (order->state == USE_HOLDING)
        return order->holds > 0;
    if (order->state == USE_RELEASED)
        return order->ended_step >= since_step;
    return order->state != USE_REFUSED;
}

uint32_t coupons_count_sure(const struct coupons_model *coupons, uint32_t book, uint32_t who,
                            uint64_t before_step)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < coupons->order_count; i++) {
        const struct coupon_order *order = &coupons->orders[i];

        count += order->book == book && has_surely(order) && order->held_step < before_step &&
                 (who == NONE || was(who, order->who));
    }
    return count;
}

static uint32_t count_possible(const struct coupons_model *coupons, uint32_t book, uint32_t who,
                               uint32_t but_order, uint64_t since_step)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < coupons->order_count; i++) {
        const struct coupon_order *order = &coupons->orders[i];

        count += i != but_order && order->book == book && may_have(order, since_step) &&
                 (who == NONE || was(who, order->who));
    }
    return count;
}

/* ---- answers to orders ---- */

static void check_refusal(struct world *world, const struct coupon_ask *ask,
                          const struct coupon_order *order, enum outcome outcome,
                          enum coupon_reason reason)
{
    const struct coupons_model *coupons = &world->coupons;
    const struct coupon_book *book = &coupons->books[order->book];
    uint32_t limit = book->view.definition.max_uses_per_customer;
    bool is_right = false;

    if (outcome == OUTCOME_COUPON_EXHAUSTED && reason == COUPON_REASON_USED_UP) {
        is_right = ask->max_acked != 0 && count_possible(coupons, order->book, NONE, ask->order,
                                                         ask->step) >= ask->max_acked;
        world_mark(world, MARK_COUPON_USED_UP);
    } else if (outcome == OUTCOME_COUPON_EXHAUSTED && reason == COUPON_REASON_CUSTOMER_LIMIT) {
        is_right = limit != 0 &&
                   count_possible(coupons, order->book, order->who, ask->order, ask->step) >= limit;
        world_mark(world, MARK_COUPON_CUSTOMER_LIMIT);
    } else if (outcome == OUTCOME_COUPON_INVALID && reason == COUPON_REASON_UNKNOWN) {
        is_right = book->delete_sent;
    } else if (outcome == OUTCOME_COUPON_INVALID && reason == COUPON_REASON_CHANGED) {
        is_right = book->version_high > order->version;
        world_mark(world, MARK_COUPON_CHANGED);
    }
    if (!is_right)
        violation("I6: order %u was refused its use of coupon %u: %s, %s", ask->order, order->book,
                  outcome_name(outcome), coupon_reason_name(reason));
}

static void check_granted(struct world *world, const struct coupon_ask *ask,
                          const struct coupon_order *order)
{
    const struct coupons_model *coupons = &world->coupons;
    const struct coupon_book *book = &coupons->books[order->book];
    uint32_t limit = book->view.definition.max_uses_per_customer;
    uint32_t sure = coupons_count_sure(coupons, order->book, NONE, UINT64_MAX);

    if (book->view.definition.max_uses != 0 && sure > book->max_high)
        violation("I6: %u orders have uses of coupon %u, which has %u", sure, order->book,
                  book->max_high);
    if (!ask->is_first)
        return;
    if (ask->version_acked > order->version)
        violation("a coupon was held by version %llu, which is %llu by now",
                  (unsigned long long)order->version, (unsigned long long)ask->version_acked);
    sure = coupons_count_sure(coupons, order->book, order->who, ask->step) + 1;
    if (limit != 0 && sure > limit)
        violation("I6: person %u has %u uses of coupon %u, of which a customer may have %u",
                  order->who, sure, order->book, limit);
}

static void take_hold(struct world *world, const struct coupon_ask *ask, struct coupon_order *order,
                      enum outcome outcome, enum coupon_reason reason)
{
    if (outcome == OUTCOME_OK) {
        if (order->state == USE_RELEASED && ask->step > order->ended_step)
            violation("a use that was given back revived");
        if (order->state != USE_HOLDING)
            return;
        order->state = USE_HELD;
        order->held_step = world->step;
        world_mark(world, MARK_COUPON_HELD);
        check_granted(world, ask, order);
        return;
    }
    if (order->state == USE_RELEASED && reason == COUPON_REASON_ORDER_RELEASED)
        return;
    if (order->state != USE_HOLDING)
        violation("order %u has its use, and asking again was answered %s", ask->order,
                  outcome_name(outcome));
    check_refusal(world, ask, order, outcome, reason);
    if (order->open == 0) {
        order->state = USE_REFUSED;
        order->ended_step = world->step;
    }
}

static void end_order(struct world *world, struct coupon_order *order, enum use_state state)
{
    if (order->state == state)
        return;
    if (order->sent_in != world->coupons.incarnation)
        world_mark(world, MARK_COUPON_ENDED_LATER);
    order->state = (uint8_t)state;
    order->ended_step = world->step;
    order->ended_in = world->coupons.incarnation;
}

static void take_use(struct world *world, const struct coupon_ask *ask,
                     const struct message *message)
{
    const struct coupon_use_answer *answer = &message->reply.coupon_use;
    enum outcome outcome = (enum outcome)message->reply.outcome;
    struct coupon_order *order = &world->coupons.orders[ask->order];

    order->open--;
    if (answer->number != world->coupons.books[order->book].view.number ||
        memcmp(&answer->order, &order->id, sizeof(order->id)) != 0 || answer->is_saga)
        violation("an answer about a use names another order or coupon");
    if (outcome == OUTCOME_OVERLOADED || outcome == OUTCOME_OUTCOME_UNKNOWN)
        return; /* asked again */
    if (ask->command == COMMAND_COUPON_HOLD) {
        take_hold(world, ask, order, outcome, (enum coupon_reason)answer->reason);
    } else if (outcome != OUTCOME_OK) {
        violation("order %u has its use, and ending it was answered %s", ask->order,
                  outcome_name(outcome));
    } else if (ask->command == COMMAND_COUPON_COMMIT) {
        end_order(world, order, USE_COMMITTED);
        world_mark(world, MARK_COUPON_COMMITTED);
    } else {
        end_order(world, order, USE_RELEASED);
        world_mark(world, MARK_COUPON_RELEASED);
    }
}

/* ---- answers to staff ---- */

static void check_uses(struct world *world, uint32_t book_index, const struct coupon_view *view,
                       uint64_t asked_step)
{
    const struct coupons_model *coupons = &world->coupons;
    uint32_t committed_least = 0;
    uint32_t committed_most = 0;
    uint32_t used_least = 0;
    uint32_t used_most = 0;

    for (uint32_t i = 0; i < coupons->order_count; i++) {
        const struct coupon_order *order = &coupons->orders[i];

        if (order->book != book_index)
            continue;
        committed_least += order->state == USE_COMMITTED && order->ended_step < asked_step;
        committed_most += order->state == USE_COMMITTED || order->state == USE_COMMITTING;
        used_least += has_surely(order) && order->held_step < asked_step;
        used_most += may_have(order, asked_step);
    }
    if (view->committed < committed_least || view->committed > committed_most ||
        view->held + view->committed < used_least || view->held + view->committed > used_most)
        violation("coupon %u is shown with %u uses held and %u committed; of %u to %u that it has, "
                  "%u to %u are",
                  book_index, view->held, view->committed, used_least, used_most, committed_least,
                  committed_most);
}

static void see_coupon(struct world *world, struct coupon_slot *slot, const struct coupon_ask *ask,
                       const struct coupon_view *view)
{
    struct coupons_model *coupons = &world->coupons;
    struct coupon_book *book =
        slot->book == SIM_COUPON_BOOKS_MAX ? NULL : &coupons->books[slot->book];

    if (book == NULL || book->view.number != view->number) {
        if (book != NULL && !book->delete_sent)
            violation("a coupon has become another, and nobody deleted it");
        for (uint32_t i = 0; i < coupons->book_count; i++)
            if (coupons->books[i].view.partition == view->partition &&
                coupons->books[i].view.number == view->number)
                violation("a coupon's number was given again");
        slot->book = coupons->book_count++;
        book = &coupons->books[slot->book];
        *book = (struct coupon_book){.max_high = view->definition.max_uses,
                                     .version_high = view->version};
    }
    if (book->deleted)
        violation("a deleted coupon is shown");
    if (view->version < book->view.version || view->version > book->version_high ||
        view->definition.max_uses > book->max_high)
        violation("a coupon is shown in version %llu, of %llu to %llu that it may have",
                  (unsigned long long)view->version, (unsigned long long)book->view.version,
                  (unsigned long long)book->version_high);
    book->view = *view;
    check_uses(world, slot->book, view, ask->step);
}

static void take_gone(struct coupons_model *coupons, struct coupon_slot *slot)
{
    if (slot->book == SIM_COUPON_BOOKS_MAX)
        return;
    if (!coupons->books[slot->book].delete_sent)
        violation("a coupon is gone that nobody deleted");
    coupons->books[slot->book].deleted = true;
    slot->book = SIM_COUPON_BOOKS_MAX;
}

static void take_call(struct world *world, const struct coupon_ask *ask,
                      const struct message *message)
{
    const struct coupon_envelope *envelope = message->reply.coupon;
    struct coupon_slot *slot = &world->coupons.slots[ask->slot];

    slot->call_open = false;
    switch ((int)message->reply.outcome) {
    case OUTCOME_OK:
        if (ask->call == COUPON_CALL_DELETE)
            take_gone(&world->coupons, slot);
        else
            see_coupon(world, slot, ask, &envelope->view);
        break;
    case OUTCOME_NOT_FOUND:
        take_gone(&world->coupons, slot);
        break;
    case OUTCOME_COUPON_EXISTS: /* made by a call that had no answer */
    case OUTCOME_OVERLOADED:
    case OUTCOME_OUTCOME_UNKNOWN:
        break;
    default:
        violation("a call on a coupon was answered %s",
                  outcome_name((enum outcome)message->reply.outcome));
    }
}

void coupons_take(struct world *world, uint64_t cookie, const struct message *message)
{
    uint32_t index = (uint32_t)(cookie & UINT32_MAX);
    struct coupon_ask *ask = &world->coupons.asks[index % SIM_COUPON_ASKS_MAX];

    if (world->dying || world->in_submit || index >= SIM_COUPON_ASKS_MAX || !ask->is_open)
        violation("an answer about a coupon came that nobody waits for");
    trace_add(&world->trace, TRACE_REPLY, cookie << 16 | message->reply.outcome,
              message->reply.answers);
    world_log(world, "order %d slot %d gets %s", (int)ask->order, (int)ask->slot,
              outcome_name((enum outcome)message->reply.outcome));
    ask->is_open = false;
    world->coupons.asks_open--;
    if (ask->command == COMMAND_COUPON) {
        take_call(world, ask, message);
        envelope_free(message->reply.coupon);
    } else {
        take_use(world, ask, message);
    }
}
