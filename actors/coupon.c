/* SPDX-License-Identifier: Apache-2.0 */
/* The coupon actor: dispatch, definitions, recovery. Uses are coupon_use.c. */
#include "coupon.h"

#include <string.h>

#include "coupon_private.h"

const char *coupon_reason_name(enum coupon_reason reason)
{
    static const char *const names[COUPON_REASON_COUNT] = {
#define X(name, text) [COUPON_REASON_##name] = text,
        COUPON_REASONS(X)
#undef X
    };

    assert((unsigned)reason < COUPON_REASON_COUNT);
    return names[reason];
}

struct message *coupon_reply(const struct message *request, enum outcome outcome,
                             struct effects *effects)
{
    struct message *reply = effects_message(effects, MESSAGE_REPLY, 0);

    reply->partition = request->partition;
    reply->shard = request->shard;
    reply->cookie = request->cookie;
    reply->reply.outcome = (uint8_t)outcome;
    reply->reply.answers = request->type;
    return reply;
}

/* ---- records ---- */

static void persist_coupon(const struct coupon_pool *pool, const struct coupon *coupon,
                           enum record_operation operation, struct effects *effects)
{
    struct record *record = effects_record(effects, RECORD_COUPON, coupon->partition, 0, 0);
    const struct coupon_names *names = pool_names(pool, coupon);

    record->operation = (uint8_t)operation;
    record->subject = coupon->number;
    record->coupon.definition = coupon->definition;
    record->coupon.names.length = names->length;
    memcpy(record->coupon.names.bytes, names->bytes, names->length);
    record->coupon.version = coupon->version;
    record->coupon.created_wall_ms = coupon->created_wall_ms;
    record->coupon.updated_wall_ms = coupon->updated_wall_ms;
    record->coupon.is_deleted = coupon->is_deleted;
}

void coupon_persist_count(const struct coupon *coupon, const struct principal *principal,
                          uint32_t committed, enum record_operation operation,
                          struct effects *effects)
{
    struct record *record = effects_record(effects, RECORD_COUPON_COUNT, coupon->partition, 0, 0);

    record->operation = (uint8_t)operation;
    record->subject = coupon->number;
    record->coupon_count.principal = *principal;
    record->coupon_count.committed = committed;
}

static struct audit_record *enter(const struct coupon_context *context, const struct moment *moment,
                                  const struct coupon_envelope *envelope,
                                  const struct coupon *coupon, enum audit_act act,
                                  struct effects *effects)
{
    return audit_add(effects, context->partition, moment, &envelope->origin, act, AUDIT_OF_COUPON,
                     coupon->definition.code, strlen(coupon->definition.code));
}

/* ---- definitions ---- */

static enum outcome create(struct coupon_pool *pool, const struct coupon_context *context,
                           const struct moment *moment, struct coupon_envelope *envelope,
                           struct effects *effects)
{
    const struct coupon_definition *definition = &envelope->view.definition;
    struct record *floor;
    struct coupon *coupon;

    if (pool_find_code(pool, context->partition, definition->code) != NULL)
        return OUTCOME_COUPON_EXISTS;
    coupon = pool_add_coupon(pool, context->partition, *context->next_number, definition,
                             &envelope->view.names);
    if (coupon == NULL)
        return OUTCOME_OVERLOADED;
    ++*context->next_number;
    floor = effects_record(effects, RECORD_FLOOR, context->partition, 0, 0);
    floor->subject = FLOOR_COUPONS;
    floor->floor.next_sequence = *context->next_number;
    coupon->version = 1;
    coupon->created_wall_ms = moment->wall_ms;
    coupon->updated_wall_ms = moment->wall_ms;
    persist_coupon(pool, coupon, RECORD_PUT, effects);
    audit_set_number(
        &enter(context, moment, envelope, coupon, AUDIT_COUPON_CREATED, effects)->after, 1);
    coupon_fill_view(pool, coupon, &envelope->view);
    return OUTCOME_OK;
}

static bool rules_are_equal(const struct pricing_coupon *a, const struct pricing_coupon *b)
{
    /* What they apply to is compared by its names. */
    return a->kind == b->kind && a->stackable == b->stackable &&
           a->product_count == b->product_count && a->category_count == b->category_count &&
           memcmp(a->currency, b->currency, sizeof(a->currency)) == 0 &&
           a->percent_bp == b->percent_bp && a->buy == b->buy && a->get == b->get &&
           a->amount_minor == b->amount_minor && a->min_subtotal_minor == b->min_subtotal_minor;
}

static bool changes_nothing(const struct coupon_pool *pool, const struct coupon *coupon,
                            const struct coupon_view *wanted)
{
    const struct coupon_definition *a = &coupon->definition;
    const struct coupon_definition *b = &wanted->definition;
    const struct coupon_names *names = pool_names(pool, coupon);

    return a->is_disabled == b->is_disabled && a->max_uses == b->max_uses &&
           a->max_uses_per_customer == b->max_uses_per_customer &&
           a->starts_wall_ms == b->starts_wall_ms && a->ends_wall_ms == b->ends_wall_ms &&
           rules_are_equal(&a->rule, &b->rule) && names->length == wanted->names.length &&
           memcmp(names->bytes, wanted->names.bytes, names->length) == 0;
}

/* The coupon that an UPDATE or DELETE is for, if it is as the caller saw it. */
static enum outcome find_seen(const struct coupon_pool *pool, const struct coupon_context *context,
                              const struct coupon_envelope *envelope, struct coupon **coupon_out)
{
    *coupon_out = pool_find_code(pool, context->partition, envelope->view.definition.code);
    if (*coupon_out == NULL)
        return OUTCOME_NOT_FOUND;
    return envelope->version == 0 || envelope->version == (*coupon_out)->version ? OUTCOME_OK
                                                                                 : OUTCOME_STALE;
}

static enum outcome update(struct coupon_pool *pool, const struct coupon_context *context,
                           const struct moment *moment, struct coupon_envelope *envelope,
                           struct effects *effects)
{
    const struct coupon_definition *wanted = &envelope->view.definition;
    struct coupon *coupon;
    enum outcome outcome = find_seen(pool, context, envelope, &coupon);
    struct audit_record *entry;

    if (outcome != OUTCOME_OK)
        return outcome;
    if (wanted->max_uses != 0 && (uint64_t)coupon->held + coupon->committed > wanted->max_uses)
        return OUTCOME_COUPON_IN_USE;
    if (!changes_nothing(pool, coupon, &envelope->view)) {
        coupon->definition = *wanted;
        pool_set_names(pool, coupon, &envelope->view.names);
        coupon->version++;
        coupon->updated_wall_ms = moment->wall_ms;
        persist_coupon(pool, coupon, RECORD_PUT, effects);
        entry = enter(context, moment, envelope, coupon, AUDIT_COUPON_CHANGED, effects);
        audit_set_number(&entry->before, (int64_t)coupon->version - 1);
        audit_set_number(&entry->after, (int64_t)coupon->version);
    }
    coupon_fill_view(pool, coupon, &envelope->view);
    return OUTCOME_OK;
}

static enum outcome erase(struct coupon_pool *pool, const struct coupon_context *context,
                          const struct moment *moment, struct coupon_envelope *envelope,
                          struct effects *effects)
{
    struct coupon *coupon;
    enum outcome outcome = find_seen(pool, context, envelope, &coupon);
    struct audit_record *entry;

    if (outcome != OUTCOME_OK)
        return outcome;
    coupon_fill_view(pool, coupon, &envelope->view);
    pool_delete_coupon(pool, coupon);
    persist_coupon(pool, coupon, RECORD_PUT, effects);
    entry = enter(context, moment, envelope, coupon, AUDIT_COUPON_DELETED, effects);
    audit_set_number(&entry->before, (int64_t)coupon->version);
    return OUTCOME_OK;
}

static enum outcome get(const struct coupon_pool *pool, const struct coupon_context *context,
                        struct coupon_envelope *envelope)
{
    return coupon_find(pool, context->partition, envelope->view.definition.code, &envelope->view)
               ? OUTCOME_OK
               : OUTCOME_NOT_FOUND;
}

static void receive_call(struct coupon_pool *pool, const struct coupon_context *context,
                         const struct moment *moment, const struct message *message,
                         struct effects *effects)
{
    struct coupon_envelope *envelope = message->coupon.envelope;
    enum outcome outcome = OUTCOME_NOT_FOUND;

    switch ((enum coupon_call)envelope->call) {
    case COUPON_CALL_GET:
        outcome = get(pool, context, envelope);
        break;
    case COUPON_CALL_CREATE:
        outcome = create(pool, context, moment, envelope, effects);
        break;
    case COUPON_CALL_UPDATE:
        outcome = update(pool, context, moment, envelope, effects);
        break;
    case COUPON_CALL_DELETE:
        outcome = erase(pool, context, moment, envelope, effects);
        break;
    case COUPON_CALL_COUNT:
    default:
        assert(false && "unknown call");
    }
    coupon_reply(message, outcome, effects)->reply.coupon = envelope;
}

/* ---- forgetting ---- */

/* Of a deleted coupon nothing stays but its committed uses, which are history: first its customers
 * go, a few at a time, then what is left. The oldest stands for all: one that is held for long
 * keeps those behind it. */
static void forget_deleted(struct coupon_pool *pool, struct effects *effects)
{
    static const struct principal nobody;
    struct coupon *coupon;

    if (pool->deleted == SLOT_NONE)
        return;
    coupon = &pool->coupons[pool->deleted];
    if (coupon->held > 0)
        return;
    for (uint32_t n = 0; coupon->customer_first != SLOT_NONE; n++) {
        struct coupon_customer *customer = &pool->customers[coupon->customer_first];

        if (n == COUPON_FORGET_PER_STEP)
            return;
        coupon_persist_count(coupon, &customer->principal, customer->committed, RECORD_DELETE,
                             effects);
        pool_drop_customer(pool, customer);
    }
    coupon_persist_count(coupon, &nobody, coupon->committed, RECORD_DELETE, effects);
    persist_coupon(pool, coupon, RECORD_DELETE, effects);
    pool_drop_deleted(pool);
}

/* An ended use stays until no repeat can be on its way, and until the journal can tell of it. */
static void forget_ended(struct coupon_pool *pool, const struct coupon_context *context,
                         const struct moment *moment)
{
    for (uint32_t n = 0; n < COUPON_FORGET_PER_STEP && pool->ended_oldest != SLOT_NONE; n++) {
        const struct coupon_use *use = &pool->uses[pool->ended_oldest];

        if (moment->boot_ms - use->ended_boot_ms < (int64_t)context->ended_ms ||
            use->write_serial > context->durable_serial)
            return;
        pool_drop_oldest_ended(pool);
    }
}

bool coupon_receive(struct coupon_pool *pool, const struct coupon_context *context,
                    const struct moment *moment, struct message *message, struct effects *effects)
{
    assert(message->partition == context->partition);
    forget_ended(pool, context, moment);
    forget_deleted(pool, effects);
    if (message->type != MESSAGE_COUPON_GET && message->type != MESSAGE_COUPON_PUT)
        return coupon_use_receive(pool, context, moment, message, effects);
    receive_call(pool, context, moment, message, effects);
    return true;
}

/* ---- recovery ---- */

static bool restore_coupon(struct coupon_pool *pool, const struct record *record)
{
    const struct coupon_record *stored = &record->coupon;
    struct coupon *coupon;

    if (pool_find_number(pool, record->partition, record->subject) != NULL ||
        (!stored->is_deleted &&
         pool_find_code(pool, record->partition, stored->definition.code) != NULL))
        return false;
    coupon = pool_add_coupon(pool, record->partition, record->subject, &stored->definition,
                             &stored->names);
    if (coupon == NULL)
        return false;
    coupon->version = stored->version;
    coupon->created_wall_ms = stored->created_wall_ms;
    coupon->updated_wall_ms = stored->updated_wall_ms;
    if (stored->is_deleted)
        pool_delete_coupon(pool, coupon);
    return true;
}

static bool restore_count(struct coupon_pool *pool, const struct record *record)
{
    struct coupon *coupon = pool_find_number(pool, record->partition, record->subject);
    struct coupon_customer *customer;

    if (coupon == NULL)
        return false;
    if (principal_is_nobody(&record->coupon_count.principal)) {
        if (!MUTANT(COUPON_COUNT_FORGOTTEN))
            coupon->committed = record->coupon_count.committed;
        return coupon->definition.max_uses == 0 ||
               coupon->committed <= coupon->definition.max_uses || MUTANT(COUPON_OVER_CAP);
    }
    customer = pool_add_customer(pool, coupon, &record->coupon_count.principal);
    if (customer != NULL)
        customer->committed = record->coupon_count.committed;
    return customer != NULL;
}

static bool restore_use(struct coupon_pool *pool, const struct record *record)
{
    const struct coupon_use_record *stored = &record->coupon_use;
    struct coupon *coupon = pool_find_number(pool, record->partition, record->subject);
    struct coupon_customer *customer;
    struct coupon_use *use;

    if (coupon == NULL || !pool_has_use_room(pool))
        return false;
    if (stored->is_counted) {
        customer = pool_find_customer(pool, coupon, &stored->principal);
        if (customer == NULL)
            customer = pool_add_customer(pool, coupon, &stored->principal);
        if (customer == NULL)
            return false;
        customer->held++;
    }
    use = pool_add_use(
        pool, record->partition, record->subject,
        &(struct reservation_id){.created_ms = stored->order_created_wall_ms,
                                 .partition = (uint32_t)(record->sequence >> 40),
                                 .sequence = record->sequence & ((UINT64_C(1) << 40) - 1)});
    use->principal = stored->principal;
    use->held_wall_ms = stored->held_wall_ms;
    use->version = stored->version;
    use->is_counted = stored->is_counted;
    coupon->held++;
    pool->statistics.held++;
    return coupon->definition.max_uses == 0 || MUTANT(COUPON_OVER_CAP) ||
           (uint64_t)coupon->held + coupon->committed <= coupon->definition.max_uses;
}

bool coupon_restore(struct coupon_pool *pool, const struct coupon_context *context,
                    const struct record *record)
{
    assert(record->partition == context->partition && record->operation == RECORD_PUT);
    switch ((int)record->kind) {
    case RECORD_FLOOR:
        if (record->floor.next_sequence < 1 || record->floor.next_sequence > UINT32_MAX)
            return false;
        *context->next_number = (uint32_t)record->floor.next_sequence;
        return true;
    case RECORD_COUPON:
        return record->subject < *context->next_number && restore_coupon(pool, record);
    case RECORD_COUPON_COUNT:
        return restore_count(pool, record);
    case RECORD_COUPON_USE:
        return MUTANT(COUPON_USES_FORGOTTEN) || restore_use(pool, record);
    default:
        return false;
    }
}
