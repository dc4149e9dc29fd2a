/* SPDX-License-Identifier: Apache-2.0 */
/* A coupon's uses: held, committed, released. */
#include <string.h>

#include "coupon_private.h"

static struct coupon_customer *counted_customer(const struct coupon_pool *pool,
                                                const struct coupon *coupon,
                                                const struct coupon_use *use)
{
    return use->is_counted ? pool_find_customer(pool, coupon, &use->principal) : NULL;
}

static void check_cap(const struct coupon *coupon)
{
    assert(coupon->definition.max_uses == 0 || MUTANT(COUPON_OVER_CAP) ||
           MUTANT(COUPON_HELD_TWICE) || MUTANT(COUPON_COMMITTED_TWICE) ||
           (uint64_t)coupon->held + coupon->committed <= coupon->definition.max_uses);
    (void)coupon;
}

/* ---- records ---- */

static void persist_use(const struct coupon_use *use, enum record_kind kind,
                        enum record_operation operation, int64_t committed_wall_ms,
                        struct effects *effects)
{
    struct record *record = effects_record(effects, kind, use->partition, 0, 0);
    struct coupon_use_record *stored =
        kind == RECORD_COUPON_USE ? &record->coupon_use : &record->coupon_past;

    record->operation = (uint8_t)operation;
    record->subject = use->number;
    record->sequence = coupon_use_place(&use->order);
    stored->principal = use->principal;
    stored->order_created_wall_ms = use->order.created_ms;
    stored->held_wall_ms = use->held_wall_ms;
    stored->committed_wall_ms = committed_wall_ms;
    stored->version = use->version;
    stored->is_counted = use->is_counted;
}

/* ---- holding ---- */

static enum outcome refuse(enum outcome outcome, enum coupon_reason reason,
                           enum coupon_reason *reason_out)
{
    *reason_out = reason;
    return outcome;
}

/* Uses of the customer and of the guests that the customer was. */
static uint64_t uses_of_customer(const struct coupon_pool *pool, const struct coupon *coupon,
                                 const struct coupon_use_body *body)
{
    const struct coupon_customer *customer = pool_find_customer(pool, coupon, &body->principal);
    uint64_t uses = customer == NULL ? 0 : (uint64_t)customer->held + customer->committed;

    for (uint32_t i = 0; i < body->alias_count && !MUTANT(COUPON_GUEST_NOT_COUNTED); i++) {
        customer = pool_find_customer(pool, coupon, &body->aliases[i]);
        if (customer != NULL)
            uses += (uint64_t)customer->held + customer->committed;
    }
    return uses;
}

/* Whether an order may have one use more. */
static enum outcome may_hold(const struct coupon_pool *pool, const struct coupon *coupon,
                             const struct moment *moment, const struct coupon_use_body *body,
                             enum coupon_reason *reason_out)
{
    const struct coupon_definition *definition;

    if (coupon == NULL || coupon->is_deleted)
        return refuse(OUTCOME_COUPON_INVALID, COUPON_REASON_UNKNOWN, reason_out);
    definition = &coupon->definition;
    if (definition->is_disabled)
        return refuse(OUTCOME_COUPON_INVALID, COUPON_REASON_DISABLED, reason_out);
    if (coupon->version != body->version)
        return refuse(OUTCOME_COUPON_INVALID, COUPON_REASON_CHANGED, reason_out);
    if (moment->wall_ms < definition->starts_wall_ms)
        return refuse(OUTCOME_COUPON_INVALID, COUPON_REASON_NOT_YET, reason_out);
    if (definition->ends_wall_ms != 0 && moment->wall_ms >= definition->ends_wall_ms)
        return refuse(OUTCOME_COUPON_INVALID, COUPON_REASON_OVER, reason_out);
    if (definition->max_uses != 0 && (uint64_t)coupon->held + coupon->committed >=
                                         definition->max_uses + MUTANT(COUPON_OVER_CAP))
        return refuse(OUTCOME_COUPON_EXHAUSTED, COUPON_REASON_USED_UP, reason_out);
    if (definition->max_uses_per_customer != 0 &&
        uses_of_customer(pool, coupon, body) >= definition->max_uses_per_customer)
        return refuse(OUTCOME_COUPON_EXHAUSTED, COUPON_REASON_CUSTOMER_LIMIT, reason_out);
    return OUTCOME_OK;
}

static enum outcome hold_new(struct coupon_pool *pool, const struct coupon_context *context,
                             struct coupon *coupon, const struct moment *moment,
                             const struct coupon_use_body *body, struct effects *effects)
{
    struct coupon_customer *customer = NULL;
    struct coupon_use *use;

    if (!pool_has_use_room(pool))
        return OUTCOME_OVERLOADED;
    if (coupon->definition.max_uses_per_customer != 0) {
        customer = pool_find_customer(pool, coupon, &body->principal);
        if (customer == NULL)
            customer = pool_add_customer(pool, coupon, &body->principal);
        if (customer == NULL)
            return OUTCOME_OVERLOADED;
        customer->held++;
    }
    use = pool_add_use(pool, context->partition, body->number, &body->order);
    use->principal = body->principal;
    use->held_wall_ms = moment->wall_ms;
    use->version = body->version;
    use->is_counted = customer != NULL;
    coupon->held++;
    pool->statistics.held++;
    persist_use(use, RECORD_COUPON_USE, RECORD_PUT, 0, effects);
    return OUTCOME_OK;
}

static enum outcome hold(struct coupon_pool *pool, const struct coupon_context *context,
                         const struct moment *moment, const struct coupon_use_body *body,
                         struct effects *effects, enum coupon_reason *reason_out)
{
    struct coupon *coupon = pool_find_number(pool, context->partition, body->number);
    struct coupon_use *use = pool_find_use(pool, context->partition, body->number, &body->order);
    enum outcome outcome;

    if (use != NULL && use->order.created_ms != body->order.created_ms)
        return refuse(OUTCOME_COUPON_INVALID, COUPON_REASON_OTHER_ORDER, reason_out);
    if (use != NULL && use->state == COUPON_USE_RELEASED)
        return refuse(OUTCOME_COUPON_INVALID, COUPON_REASON_ORDER_RELEASED, reason_out);
    if (use != NULL) {
        if (MUTANT(COUPON_HELD_TWICE) && use->state == COUPON_USE_HELD)
            coupon->held++;
        return OUTCOME_OK;
    }
    outcome = may_hold(pool, coupon, moment, body, reason_out);
    if (outcome == OUTCOME_OK)
        outcome = hold_new(pool, context, coupon, moment, body, effects);
    if (outcome == OUTCOME_OK)
        check_cap(coupon);
    else
        pool->statistics.refused++;
    return outcome;
}

/* ---- ending ---- */

static void end_use(struct coupon_pool *pool, const struct coupon_context *context,
                    const struct moment *moment, struct coupon_use *use,
                    enum coupon_use_state state)
{
    assert(use->state == COUPON_USE_HELD && state != COUPON_USE_HELD);
    use->state = (uint8_t)state;
    use->ended_boot_ms = moment->boot_ms;
    use->write_serial = context->write_serial;
    pool_end_use(pool, use);
    pool->statistics.held--;
}

static void commit_held(struct coupon_pool *pool, const struct coupon_context *context,
                        const struct moment *moment, struct coupon_use *use,
                        struct effects *effects)
{
    static const struct principal nobody;
    struct coupon *coupon = pool_find_number(pool, use->partition, use->number);
    struct coupon_customer *customer = counted_customer(pool, coupon, use);

    assert(coupon->held > 0);
    coupon->held--;
    coupon->committed++;
    pool->statistics.committed++;
    if (use->is_counted) {
        assert(customer != NULL && customer->held > 0);
        customer->held--;
        customer->committed++;
        coupon_persist_count(coupon, &use->principal, customer->committed, RECORD_PUT, effects);
    }
    coupon_persist_count(coupon, &nobody, coupon->committed, RECORD_PUT, effects);
    persist_use(use, RECORD_COUPON_USE, RECORD_DELETE, 0, effects);
    persist_use(use, RECORD_COUPON_PAST, RECORD_PUT, moment->wall_ms, effects);
    end_use(pool, context, moment, use, COUPON_USE_COMMITTED);
    check_cap(coupon);
}

static enum outcome commit(struct coupon_pool *pool, const struct coupon_context *context,
                           const struct moment *moment, struct coupon_use *use,
                           struct effects *effects)
{
    switch ((enum coupon_use_state)use->state) {
    case COUPON_USE_HELD:
        commit_held(pool, context, moment, use, effects);
        return OUTCOME_OK;
    case COUPON_USE_COMMITTED:
        if (MUTANT(COUPON_COMMITTED_TWICE) &&
            pool_find_number(pool, use->partition, use->number) != NULL)
            pool_find_number(pool, use->partition, use->number)->committed++;
        return OUTCOME_OK;
    case COUPON_USE_RELEASED:
    default:
        return OUTCOME_STALE;
    }
}

static enum outcome release(struct coupon_pool *pool, const struct coupon_context *context,
                            const struct moment *moment, struct coupon_use *use,
                            struct effects *effects)
{
    struct coupon_customer *customer;
    struct coupon *coupon;

    if (use->state == COUPON_USE_COMMITTED)
        return OUTCOME_STALE;
    if (use->state == COUPON_USE_RELEASED)
        return OUTCOME_OK;
    coupon = pool_find_number(pool, use->partition, use->number);
    customer = counted_customer(pool, coupon, use);
    assert(coupon->held > 0);
    if (!MUTANT(COUPON_NOT_RELEASED))
        coupon->held--;
    pool->statistics.released++;
    if (use->is_counted) {
        assert(customer != NULL && customer->held > 0);
        if (--customer->held == 0 && customer->committed == 0)
            pool_drop_customer(pool, customer);
    }
    persist_use(use, RECORD_COUPON_USE, RECORD_DELETE, 0, effects);
    end_use(pool, context, moment, use, COUPON_USE_RELEASED);
    return OUTCOME_OK;
}

/* Of a use that is not in memory: the history knows whether it was committed. */
static enum outcome end_unknown(const struct message *message)
{
    bool is_commit = message->type == MESSAGE_COUPON_COMMIT;
    bool is_past = message->coupon_use.past == COUPON_PAST_THERE;

    assert(message->coupon_use.past != COUPON_PAST_NOT_LOOKED);
    return is_commit == is_past ? OUTCOME_OK : OUTCOME_STALE;
}

bool coupon_use_receive(struct coupon_pool *pool, const struct coupon_context *context,
                        const struct moment *moment, const struct message *message,
                        struct effects *effects)
{
    const struct coupon_use_body *body = &message->coupon_use;
    struct coupon_use *use = pool_find_use(pool, context->partition, body->number, &body->order);
    enum coupon_reason reason = COUPON_REASON_NONE;
    struct message *reply;
    enum outcome outcome;

    assert(body->alias_count <= ACCOUNT_ALIASES_MAX);
    if (message->type == MESSAGE_COUPON_HOLD)
        outcome = hold(pool, context, moment, body, effects, &reason);
    else if (use != NULL && use->order.created_ms != body->order.created_ms)
        outcome = message->type == MESSAGE_COUPON_COMMIT ? OUTCOME_STALE : OUTCOME_OK;
    else if (use == NULL && body->past == COUPON_PAST_NOT_LOOKED)
        return false;
    else if (use == NULL)
        outcome = end_unknown(message);
    else if (message->type == MESSAGE_COUPON_COMMIT)
        outcome = commit(pool, context, moment, use, effects);
    else
        outcome = release(pool, context, moment, use, effects);
    reply = coupon_reply(message, outcome, effects);
    reply->reply.coupon_use.order = body->order;
    reply->reply.coupon_use.number = body->number;
    reply->reply.coupon_use.is_saga = body->is_saga;
    reply->reply.coupon_use.reason = (uint8_t)reason;
    return true;
}
