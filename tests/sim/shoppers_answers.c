/* SPDX-License-Identifier: Apache-2.0 */
/* What shoppers and staff are told of orders. */
#include <string.h>

#include "inspect.h"
#include "shoppers.h"
#include "violation.h"
#include "world.h"

/* ---- what an order shows ---- */

/* Whether `status` may be what comes of `before`, over however many changes. */
static bool may_come_of(uint8_t before, uint8_t status)
{
    uint32_t reached = 1u << before;

    for (unsigned round = 0; round < ORDER_STATUS_COUNT; round++)
        for (unsigned i = 0; i < ORDER_STATUS_COUNT; i++)
            for (unsigned n = 0; n < ORDER_STATUS_COUNT; n++)
                if ((reached & 1u << i) != 0 &&
                    order_may_become((enum order_status)i, (enum order_status)n))
                    reached |= 1u << n;
    return (reached & 1u << status) != 0;
}

/* The timeline is what was shown before, and then what may follow. */
static void check_timeline(uint32_t index, const struct shop_order *known,
                           const struct order_record *order, const struct shop_ask *ask)
{
    uint8_t before = ORDER_NONE;

    if (order->timeline_count < ask->timeline_count || !may_come_of(ask->status, order->status))
        violation("order %u was %s, and is shown as %s", index,
                  order_status_name((enum order_status)ask->status),
                  order_status_name((enum order_status)order->status));
    for (uint32_t i = 0; i < order->timeline_count; i++) {
        const struct order_moment *moment = &order->timeline[i];

        if (!order_may_become((enum order_status)before, (enum order_status)moment->status))
            violation("order %u became %s after %s", index,
                      order_status_name((enum order_status)moment->status),
                      order_status_name((enum order_status)before));
        if (i < known->timeline_count && (moment->status != known->timeline[i].status ||
                                          moment->wall_ms != known->timeline[i].wall_ms))
            violation("order %u has another past than it had", index);
        before = moment->status;
    }
    if (order->timeline_count < ORDER_TIMELINE_MAX && before != order->status)
        violation("order %u is %s, and its timeline ends otherwise", index,
                  order_status_name((enum order_status)order->status));
}

static void check_identity(const struct world *world, uint32_t index,
                           const struct order_record *order)
{
    const struct shop_order *known = &world->shoppers.orders[index];
    const struct shop_hold *hold = &world->shoppers.holds[known->hold];

    if (!principal_equal(&order->principal, &hold->principal) ||
        !hash128_equal(&order->key, &known->key) ||
        memcmp(&order->hold, &hold->id, sizeof(hold->id)) != 0 ||
        memcmp(&order->totals, &known->totals, sizeof(known->totals)) != 0 ||
        order->provider != known->provider || (order->coupon[0] == '\0') != (known->coupon == NONE))
        violation("order %u is shown as another", index);
}

/* What the gateway has for it, as of now: neither grows less. */
static void check_money(struct world *world, uint32_t index, const struct order_record *order)
{
    const struct shop_order *known = &world->shoppers.orders[index];
    int64_t captured;
    int64_t refunded;
    int64_t elsewhere;
    int64_t said = 0;

    sim_gateway_sum(world, &known->id, &captured, &refunded, &elsewhere);
    if (order->confirmed_wall_ms != 0 && (captured != order->totals.total_minor ||
                                          order->captured_minor != order->totals.total_minor))
        violation("I4: order %u of %lld was confirmed, %lld are captured, its record says %lld",
                  index, (long long)order->totals.total_minor, (long long)captured,
                  (long long)order->captured_minor);
    if (order->captured_minor > captured || order->refunded_minor > refunded)
        violation("I4: order %u says %lld captured and %lld refunded, the gateway %lld and %lld",
                  index, (long long)order->captured_minor, (long long)order->refunded_minor,
                  (long long)captured, (long long)refunded);
    for (uint32_t i = 0; i < order->refund_count; i++)
        if (order->refunds[i].state == REFUND_DONE &&
            strcmp(order->refunds[i].reason, "at the payment gateway") == 0)
            said += order->refunds[i].amount_minor;
    /* More than by others: it was the shop, twice. */
    if (said > elsewhere ||
        ((order->attention & ORDER_ATTENTION_REFUNDED_ELSEWHERE) != 0 && elsewhere == 0))
        violation("I4: order %u says that %lld were refunded elsewhere, and %lld were", index,
                  (long long)said, (long long)elsewhere);
    if (said > 0 && order->step == STEP_NONE &&
        (order->confirmed_wall_ms == 0 || order->status == ORDER_CANCELLED))
        world_mark(world, MARK_ELSEWHERE_FOUND);
    for (uint32_t i = 0; i < order->refund_count; i++)
        for (uint32_t n = 0; n < i; n++)
            if (order->refunds[i].key != 0 && order->refunds[i].key == order->refunds[n].key)
                violation("I3: one key refunded order %u twice", index);
}

/* Sold is what is confirmed; a hold that has ended may be forgotten. */
static void check_hold(struct world *world, uint32_t index, const struct order_record *order)
{
    const struct reservation_id *hold = &order->hold;
    struct record *record = &world->shoppers.record;

    if (order->confirmed_wall_ms != 0 &&
        journal_memory_find(world->journal, RECORD_HOLD, hold->partition, 0, hold->sequence,
                            record) &&
        record->hold.state != HOLD_CONVERTED)
        violation("order %u is confirmed, and its hold is %s", index,
                  hold_state_name((enum hold_state)record->hold.state));
}

void shoppers_see(struct world *world, uint32_t index, const struct order_record *order,
                  const struct shop_ask *ask)
{
    struct shop_order *known = &world->shoppers.orders[index];

    check_identity(world, index, order);
    check_timeline(index, known, order, ask);
    if (order->captured_minor < ask->captured_minor || order->refunded_minor < ask->refunded_minor)
        violation("order %u shows less captured or refunded than before", index);
    check_money(world, index, order);
    if (ask->is_acknowledged && ask->acknowledged_minor == order->refunded_minor &&
        order->captured_minor > 0 && (order->attention & ORDER_ATTENTION_REFUNDED_ELSEWHERE) != 0)
        violation("order %u wants somebody's attention for what was acknowledged", index);
    if (order->timeline_count < known->timeline_count ||
        order->refunded_minor < known->refunded_minor)
        return; /* an older answer, by another shard */
    if (order->status != known->status && order->status == ORDER_CONFIRMED)
        world_mark(world, MARK_ORDER_CONFIRMED);
    if (order->status != known->status && order->status == ORDER_EXPIRED)
        world_mark(world, MARK_ORDER_EXPIRED);
    if (order->status != known->status && order->status == ORDER_CANCELLED)
        world_mark(world, order->confirmed_wall_ms != 0 ? MARK_ORDER_CANCELLED_PAID
                                                        : MARK_ORDER_CANCELLED);
    if (order->status != known->status && order->status == ORDER_PAYMENT_FAILED)
        world_mark(world, MARK_ORDER_FAILED);
    if (order->status != known->status && order->status == ORDER_DELIVERED)
        world_mark(world, MARK_ORDER_DELIVERED);
    if (order->status != known->status &&
        (order->status == ORDER_REFUNDED || order->status == ORDER_PARTIALLY_REFUNDED))
        world_mark(world, MARK_ORDER_REFUNDED);
    check_hold(world, index, order);
    known->seen_step = world->step;
    known->status = order->status;
    known->captured_minor = order->captured_minor;
    known->refunded_minor = order->refunded_minor;
    known->timeline_count = order->timeline_count;
    memcpy(known->timeline, order->timeline, sizeof(known->timeline));
}

/* ---- a checkout's answer ---- */

void shoppers_place(struct world *world, uint32_t index, const struct reservation_id *id)
{
    struct shop_order *order = &world->shoppers.orders[index];
    struct shop_hold *hold = &world->shoppers.holds[order->hold];

    if (order->id.sequence != 0 && memcmp(&order->id, id, sizeof(order->id)) != 0)
        violation("I3: one key made two orders");
    if (order->id.sequence == 0) {
        for (uint32_t i = 0; i < world->shoppers.order_count; i++)
            if (world->shoppers.orders[i].id.sequence == id->sequence &&
                world->shoppers.orders[i].id.partition == id->partition)
                violation("orders %u and %u have the same number", index, i);
        order->id = *id;
    }
    if (hold->order != NONE && hold->order != index)
        violation("one hold belongs to orders %u and %u", hold->order, index);
    hold->order = index;
    order->state = SHOP_PLACED;
    shoppers_check_use(world, index);
}

static bool may_refuse_checkout(enum outcome outcome)
{
    return outcome == OUTCOME_HOLD_ENDED || outcome == OUTCOME_HOLD_IN_USE ||
           outcome == OUTCOME_NOT_FOUND || outcome == OUTCOME_COUPON_EXHAUSTED ||
           outcome == OUTCOME_COUPON_INVALID || outcome == OUTCOME_GATEWAY_UNAVAILABLE;
}

static void take_checkout(struct world *world, const struct shop_ask *ask, enum outcome outcome,
                          const struct order_envelope *envelope)
{
    struct shop_order *order = &world->shoppers.orders[ask->index];

    order->open--;
    if (outcome == OUTCOME_OK) {
        if (envelope->replayed)
            world_mark(world, MARK_CHECKOUT_REPLAYED);
        shoppers_place(world, ask->index, &envelope->id);
        shoppers_see(world, ask->index, &envelope->order, ask);
        return;
    }
    if (outcome == OUTCOME_OUTCOME_UNKNOWN)
        order->unsure_step = world->step;
    if (outcome == OUTCOME_OVERLOADED || outcome == OUTCOME_OUTCOME_UNKNOWN ||
        outcome == OUTCOME_KEY_IN_FLIGHT)
        return;
    if (!may_refuse_checkout(outcome))
        violation("a checkout was answered %s", outcome_name(outcome));
    if (ask->is_placed)
        violation("I3: the key of an order that was made was answered %s", outcome_name(outcome));
    if (outcome == OUTCOME_HOLD_IN_USE)
        world_mark(world, MARK_HOLD_IN_USE);
    if (outcome == OUTCOME_COUPON_EXHAUSTED) {
        world_mark(world, MARK_CHECKOUT_COUPON_REFUSED);
        shoppers_check_used_up(world, ask->index);
    }
    if (outcome == OUTCOME_GATEWAY_UNAVAILABLE)
        world_mark(world, MARK_CHECKOUT_UNDONE);
    if (order->open == 0 && order->state == SHOP_ASKED && ask->step > order->unsure_step)
        order->state = SHOP_NEVER;
}

/* ---- other answers ---- */

static void check_confirm(const struct shop_ask *ask, enum outcome outcome,
                          const struct order_record *order)
{
    bool is_right = outcome == OUTCOME_OK
                        ? order->confirmed_wall_ms != 0
                        : outcome == OUTCOME_PAYMENT_DECLINED ||
                              outcome == OUTCOME_METHOD_REFUSED ||
                              outcome == OUTCOME_PAYMENT_IN_PROGRESS ||
                              outcome == OUTCOME_GATEWAY_UNAVAILABLE ||
                              outcome == OUTCOME_INVALID_STATE || outcome == OUTCOME_HOLD_ENDED;

    if (!is_right)
        violation("a confirmation of order %u, which is %s, was answered %s", ask->index,
                  order_status_name((enum order_status)order->status), outcome_name(outcome));
}

static void take_refund(struct world *world, const struct shop_ask *ask, enum outcome outcome,
                        const struct order_envelope *envelope)
{
    struct shop_order *order = &world->shoppers.orders[ask->index];
    struct shop_refund *refund = &order->refunds[ask->refund];
    const struct order_refund *found = NULL;

    for (uint32_t i = 0; i < envelope->order.refund_count; i++)
        if (envelope->order.refunds[i].key == refund->key)
            found = &envelope->order.refunds[i];
    if (outcome == OUTCOME_OK && (found == NULL || found->state != REFUND_DONE))
        violation("a refund of order %u that was not made was acknowledged", ask->index);
    if (outcome == OUTCOME_OK && refund->amount_minor != 0 &&
        found->amount_minor != refund->amount_minor)
        violation("a refund of order %u is of another amount than asked for", ask->index);
    if (ask->is_refunded && outcome != OUTCOME_OK)
        violation("I3: a refund that was made was answered %s the next time",
                  outcome_name(outcome));
    if (outcome == OUTCOME_OK && ask->is_refunded)
        world_mark(world, MARK_REFUND_REPLAYED);
    refund->was_done = refund->was_done || outcome == OUTCOME_OK;
    if (outcome != OUTCOME_OK && outcome != OUTCOME_GATEWAY_UNAVAILABLE &&
        outcome != OUTCOME_PAYMENT_IN_PROGRESS && outcome != OUTCOME_INVALID_STATE &&
        outcome != OUTCOME_REFUND_TOO_LARGE && outcome != OUTCOME_FULL)
        violation("a refund was answered %s", outcome_name(outcome));
}

static void check_call(struct world *world, const struct shop_ask *ask, enum outcome outcome,
                       const struct order_envelope *envelope)
{
    const struct order_record *order = &envelope->order;
    bool is_right = outcome == OUTCOME_OK || outcome == OUTCOME_PAYMENT_IN_PROGRESS ||
                    outcome == OUTCOME_INVALID_STATE;

    switch ((enum order_call)ask->call) {
    case ORDER_CALL_GET:
        is_right = outcome == OUTCOME_OK;
        break;
    case ORDER_CALL_CONFIRM:
        check_confirm(ask, outcome, order);
        return;
    case ORDER_CALL_CANCEL:
        is_right = is_right && (outcome != OUTCOME_OK || order->status == ORDER_CANCELLED);
        break;
    case ORDER_CALL_DELIVER:
        is_right = is_right && (outcome != OUTCOME_OK || order->status == ORDER_DELIVERED);
        break;
    case ORDER_CALL_REFUND:
        take_refund(world, ask, outcome, envelope);
        return;
    case ORDER_CALL_FORGET:
        is_right = outcome == OUTCOME_OK;
        world->shoppers.orders[ask->index].is_forgotten |= outcome == OUTCOME_OK;
        if (outcome == OUTCOME_OK && order->step == STEP_NONE &&
            (order->forgotten & ORDER_FORGETS_PERSON) != 0)
            world_mark(world, MARK_ORDER_KEPT_TO_SEND);
        break;
    case ORDER_CALL_FULFIL:
        if (outcome == OUTCOME_OK && order->status == ORDER_SHIPPED &&
            (order->forgotten & ORDER_FORGOT_PERSON) != 0)
            world_mark(world, MARK_ORDER_SENT_FORGOTTEN);
        break;
    case ORDER_CALL_ACKNOWLEDGE:
        is_right =
            outcome == OUTCOME_OK && (order->attention & ORDER_ATTENTION_REFUNDED_ELSEWHERE) == 0;
        if (outcome == OUTCOME_OK && order->captured_minor > 0) {
            world->shoppers.orders[ask->index].is_acknowledged = true;
            world->shoppers.orders[ask->index].acknowledged_minor = order->refunded_minor;
            world_mark(world, MARK_ACKNOWLEDGED);
        }
        break;
    case ORDER_CALL_PROLONG:
    case ORDER_CALL_REWRAP:
    case ORDER_CALL_KEY_FORGET:
    case ORDER_CALL_EVENT_FORGET:
    case ORDER_CALL_EVENT_REPLAY:
    case ORDER_CALL_UNWATCH:
    case ORDER_CALL_CREATE:
    case ORDER_CALL_EVENT:
    case ORDER_CALL_MAIL_RESULT:
    case ORDER_CALL_COUNT:
    default:
        break;
    }
    if (!is_right)
        violation("order %u, which is %s, answered %s to %s", ask->index,
                  order_status_name((enum order_status)order->status), outcome_name(outcome),
                  order_call_name((enum order_call)ask->call));
}

static void take_order(struct world *world, const struct shop_ask *ask, enum outcome outcome,
                       struct order_envelope *envelope)
{
    if (envelope == NULL || envelope->call != ask->call)
        violation("an answer about an order is of another call");
    if (ask->call == ORDER_CALL_CREATE) {
        take_checkout(world, ask, outcome, envelope);
        return;
    }
    if (ask->watch != 0)
        watches_take(world, ask->watch, outcome, envelope);
    if (ask->call == ORDER_CALL_UNWATCH || outcome == OUTCOME_OVERLOADED ||
        outcome == OUTCOME_OUTCOME_UNKNOWN)
        return;
    if (outcome == OUTCOME_NOT_FOUND)
        violation("I2: order %u, which was acknowledged, is not found", ask->index);
    check_call(world, ask, outcome, envelope);
    if ((envelope->order.forgotten & ORDER_FORGOT_PERSON) != 0)
        order_mails_forgotten(world, ask->index); /* none leaves from now on */
    shoppers_see(world, ask->index, &envelope->order, ask);
}

/* As long as an order is open only the order gives its hold back. */
static void check_released(struct world *world, const struct shop_ask *ask, enum outcome outcome)
{
    const struct shop_hold *hold = &world->shoppers.holds[ask->index];
    struct record *record = &world->shoppers.record;
    const struct reservation_id *order;

    if (outcome != OUTCOME_OK || hold->order == NONE)
        return;
    order = &world->shoppers.orders[hold->order].id;
    if (!journal_memory_find(world->journal, RECORD_HOLD, hold->id.partition, 0, hold->id.sequence,
                             record) ||
        record->hold.state != HOLD_RELEASED)
        return;
    if (journal_memory_find(world->journal, RECORD_ORDER, order->partition, 0, order->sequence,
                            record) &&
        record->order.status == ORDER_PENDING && record->order.goal == ORDER_NONE)
        violation("I5: the hold of an open order was released by its customer");
}

static void take_hold(struct world *world, const struct shop_ask *ask,
                      const struct reply_body *reply)
{
    struct shop_hold *hold = &world->shoppers.holds[ask->index];

    if (reply->outcome != OUTCOME_OK)
        return;
    hold->id = reply->hold.id;
    hold->deadline_wall_ms = reply->hold.deadline_wall_ms;
}

static void take_product(struct world *world, uint32_t index, enum outcome outcome)
{
    struct shoppers_model *shoppers = &world->shoppers;
    const struct sku_entry *entry;

    shoppers->product_open = false;
    if (outcome != OUTCOME_OK && outcome != OUTCOME_PRODUCT_EXISTS)
        return;
    entry = directory_find_sku(engine_inspect_directory(world->engine), shoppers->skus[index],
                               strlen(shoppers->skus[index]));
    if (entry == NULL)
        violation("a product that was created is not in the directory");
    shoppers->sku_ids[index] = entry->sku_id;
}

void shoppers_take(struct world *world, uint64_t cookie, const struct message *message)
{
    uint32_t slot = (uint32_t)(cookie & UINT32_MAX);
    struct shop_ask *ask = &world->shoppers.asks[slot % SIM_SHOP_ASKS_MAX];
    const struct reply_body *reply = &message->reply;
    enum outcome outcome = (enum outcome)reply->outcome;

    if (world->dying || world->in_submit || slot >= SIM_SHOP_ASKS_MAX || !ask->is_open)
        violation("an answer came that no shopper waits for");
    if (world->env.failed && outcome != OUTCOME_OUTCOME_UNKNOWN)
        violation("after the latch fell a shopper was answered %s", outcome_name(outcome));
    trace_add(&world->trace, TRACE_REPLY, cookie << 16 | reply->outcome, reply->answers);
    world_log(world, "shop: act %u, call %u, %u gets %s", ask->act, ask->call, ask->index,
              outcome_name(outcome));
    ask->is_open = false;
    world->shoppers.asks_open--;
    switch ((enum shop_act)ask->act) {
    case SHOP_PRODUCT:
        take_product(world, ask->index, outcome);
        break;
    case SHOP_COUPON:
        if (outcome == OUTCOME_OK) {
            world->shoppers.coupons[ask->index].view = reply->coupon->view;
            world->shoppers.coupons[ask->index].is_known = true;
        }
        envelope_free(reply->coupon);
        break;
    case SHOP_RESERVE:
        take_hold(world, ask, reply);
        break;
    case SHOP_HOLD_RELEASE:
        check_released(world, ask, outcome);
        break;
    case SHOP_ORDER:
        take_order(world, ask, outcome, reply->order);
        envelope_free(reply->order);
        break;
    case SHOP_MAIL_REPLAY:
        order_mails_replayed(world, ask->index, outcome);
        envelope_free(reply->order);
        break;
    case SHOP_EVENT_REPLAY:
        sim_events_replayed(world, ask->index, outcome, reply->order, ask->is_applied);
        envelope_free(reply->order);
        break;
    case SHOP_EVENT:
        sim_events_answered(world, ask->index, outcome);
        envelope_free(reply->order);
        break;
    }
}
