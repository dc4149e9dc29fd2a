/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of an order. What staff do with one: order_staff.c; what a gateway tells of
 * one: order_events.c. */
#include "order_private.h"

#include <string.h>

const char *order_call_name(enum order_call call)
{
    static const char *const names[] = {
#define X(name) [ORDER_CALL_##name] = #name,
        ORDER_CALLS(X)
#undef X
    };
    return names[call];
}

/* ---- places ---- */

uint32_t order_partition_of(const struct principal *principal, uint32_t partitions)
{
    return record_place_of(principal->bytes, partitions).partition;
}

uint32_t order_of_subject(const struct principal *principal)
{
    uint32_t subject = 0;

    for (unsigned i = 8; i < 12; i++)
        subject = subject << 8 | principal->bytes[i];
    return subject;
}

static struct record_place place_of_hash(uint64_t first, uint64_t second, uint32_t partition)
{
    return (struct record_place){
        .partition = partition, .subject = (uint32_t)first, .sequence = second >> 24};
}

struct record_place checkout_place(const struct hash128 *key, uint32_t partition)
{
    return place_of_hash(key->word[0], key->word[1], partition);
}

/* FNV-1a, over 128 bits in two halves: a place, which the record behind it confirms. */
struct record_place event_in_place(const struct payment_event *event, uint32_t partition)
{
    uint64_t first = 0xcbf29ce484222325u + event->provider;
    uint64_t second = 0x84222325cbf29ce4u ^ event->provider;

    for (const char *at = event->event_id; *at != '\0'; at++) {
        first = (first ^ (uint8_t)*at) * 0x100000001b3u;
        second = (second ^ (uint8_t)*at) * 0x1000000016fu;
    }
    return place_of_hash(first ^ first >> 32, second, partition);
}

/* ---- making one ---- */

static void put(const struct order_turn *turn, enum record_kind kind, uint32_t tail,
                struct record **record_out)
{
    *record_out = effects_record(turn->effects, kind, turn->subject->partition, 0, tail);
    (*record_out)->sequence = turn->subject->sequence;
}

static void write_parts(const struct order_turn *turn, const struct order_envelope *envelope)
{
    const struct order_subject *subject = turn->subject;
    const struct order_record *order = &subject->order;
    struct record_place place = checkout_place(&order->key, subject->partition);
    struct record *record;

    put(turn, RECORD_ORDER_BODY, envelope->body.text_length, &record);
    record->order_body = envelope->body;
    memcpy((char *)record + record_size(RECORD_ORDER_BODY, 0), envelope->text,
           envelope->body.text_length);
    put(turn, RECORD_ORDER_PERSON, 0, &record);
    record->order_person = envelope->person;
    put(turn, RECORD_ORDER_OF, 0, &record);
    record->subject = order_of_subject(&order->principal);
    record->order_of.principal = order->principal;
    record->order_of.created_wall_ms = order->created_wall_ms;
    if (MUTANT(CHECKOUT_NOT_RECORDED))
        return;
    put(turn, RECORD_CHECKOUT, 0, &record);
    record->subject = place.subject;
    record->sequence = place.sequence;
    record->checkout.key = order->key;
    record->checkout.sequence = subject->sequence;
    record->checkout.created_wall_ms = order->created_wall_ms;
}

static enum outcome create(struct order_turn *turn, struct order_envelope *envelope)
{
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;
    int64_t left_ms;

    assert(order->status == ORDER_NONE && envelope->body.line_count >= 1);
    *order = envelope->order;
    subject->sequence = order_take_number(turn);
    order->principal = envelope->who[0];
    subject->alias_count = MUTANT(ORDER_FORGETS_GUESTS) ? 0 : (uint8_t)(envelope->who_count - 1);
    memcpy(subject->aliases, &envelope->who[1], subject->alias_count * sizeof(subject->aliases[0]));
    order->created_wall_ms = turn->moment->wall_ms;
    order->status = ORDER_NONE;
    order->step = STEP_NONE;
    order->first_expires_wall_ms = order->expires_wall_ms;
    left_ms = order->expires_wall_ms - turn->moment->wall_ms;
    if (left_ms > (int64_t)HOLD_TTL_MS_MAX) /* the wall clock was set back meanwhile */
        left_ms = HOLD_TTL_MS_MAX;
    subject->expires_boot_ms = turn->moment->boot_ms + (left_ms > 0 ? left_ms : 0);
    envelope->id = (struct reservation_id){.created_ms = order->created_wall_ms,
                                           .sequence = subject->sequence,
                                           .partition = subject->partition};
    write_parts(turn, envelope);
    order_set_status(turn, ORDER_PENDING);
    order_begin_step(turn, STEP_BIND);
    turn->was_past = false;
    order_persist(turn);
    return OUTCOME_PENDING;
}

/* ---- its customer ---- */

static enum outcome confirm(const struct order_turn *turn, const struct order_envelope *envelope)
{
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;

    if (order->status != ORDER_PENDING)
        return order->confirmed_wall_ms != 0 && order->status != ORDER_CANCELLED &&
                       order->status != ORDER_REFUNDED
                   ? OUTCOME_OK
                   : OUTCOME_INVALID_STATE;
    if (order->step != STEP_WAIT)
        return order->step == STEP_PIN || order->step == STEP_CAPTURE ||
                       order->step == STEP_CONVERT || order->step == STEP_COUPON_COMMIT
                   ? OUTCOME_PENDING
                   : OUTCOME_PAYMENT_IN_PROGRESS;
    if (!turn->context->may_confirm)
        return OUTCOME_INVALID_STATE;
    memcpy(subject->method, envelope->method, sizeof(subject->method));
    subject->refusal = OUTCOME_OK;
    order->attempts++;
    order_begin_step(turn, STEP_CONFIRM);
    order_persist(turn);
    return OUTCOME_PENDING;
}

/* Its hold was extended: it can be paid for as long. */
static enum outcome prolong(const struct order_turn *turn, const struct order_envelope *envelope)
{
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;
    int64_t gained_ms = envelope->expires_wall_ms - order->expires_wall_ms;

    if (order->status != ORDER_PENDING || order->goal != ORDER_NONE)
        return OUTCOME_HOLD_ENDED;
    if (gained_ms <= 0)
        return OUTCOME_OK;
    order->expires_wall_ms += gained_ms;
    subject->expires_boot_ms += gained_ms;
    order_persist(turn);
    return OUTCOME_OK;
}

static void restock_all(struct order_subject *subject)
{
    const struct order_body_record *body = &subject->body->body;

    for (uint32_t i = 0; i < body->line_count; i++)
        subject->order.restocking[i] = body->lines[i].quantity - subject->order.restocked[i];
}

/* What is paid goes back, and what was sold is for sale again. */
static enum outcome cancel_confirmed(const struct order_turn *turn)
{
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;
    int64_t left_minor = order->captured_minor - order->refunded_minor;

    if (order->step != STEP_NONE)
        return OUTCOME_PAYMENT_IN_PROGRESS;
    restock_all(subject);
    if (left_minor > 0 && !MUTANT(CANCEL_KEEPS_MONEY)) {
        order->goal = ORDER_CANCELLED;
        order_begin_refund(turn, left_minor, 0, true);
    } else {
        order_set_status(turn, ORDER_CANCELLED);
        order_begin_step(turn, STEP_RESTOCK);
    }
    order_persist(turn);
    return OUTCOME_PENDING;
}

/* Confirmed, and nobody has begun to fulfil it: of one of which a part went back its status does
 * not say that. */
static bool is_yet_to_be_fulfilled(const struct order_record *order)
{
    return order->status == ORDER_CONFIRMED ||
           (order->status == ORDER_PARTIALLY_REFUNDED && order->fulfilled_wall_ms == 0 &&
            order_is_to_be_sent(order));
}

static enum outcome cancel(const struct order_turn *turn)
{
    struct order_record *order = &turn->subject->order;

    if (order->status == ORDER_CANCELLED)
        return order->step == STEP_NONE ? OUTCOME_OK : OUTCOME_PENDING;
    if (is_yet_to_be_fulfilled(order))
        return cancel_confirmed(turn);
    if (order->status != ORDER_PENDING)
        return OUTCOME_INVALID_STATE;
    if (order->step != STEP_WAIT && order->goal == ORDER_NONE)
        return OUTCOME_PAYMENT_IN_PROGRESS;
    if (order->goal == ORDER_NONE) {
        order_give_up(turn, ORDER_CANCELLED);
        order_persist(turn);
    }
    return OUTCOME_PENDING;
}

/* ---- what is to be known no longer ---- */

/* As long as something is pending, or to be sent, its person may be needed: it is forgotten with
 * the last of it. */
static enum outcome forget(const struct order_turn *turn, struct order_envelope *envelope)
{
    struct order_record *order = &turn->subject->order;

    if ((order->forgotten & (ORDER_FORGETS_PERSON | ORDER_FORGOT_PERSON)) != 0) {
        envelope->replayed = 1;
        return OUTCOME_OK;
    }
    order->forgotten |= ORDER_FORGETS_PERSON;
    order_persist(turn);
    return OUTCOME_OK;
}

static enum outcome rewrap(const struct order_turn *turn, const struct order_envelope *envelope)
{
    struct order_person_record *person = &turn->subject->body->person;
    struct record *record;

    if (person->key_length == 0 || person->key_length != envelope->person.key_length ||
        memcmp(person->key, envelope->old_key, person->key_length) != 0)
        return OUTCOME_STALE;
    memcpy(person->key, envelope->person.key, person->key_length);
    put(turn, RECORD_ORDER_PERSON, 0, &record);
    record->order_person = *person;
    return OUTCOME_OK;
}

/* The order of a checkout lives as long as it may; its key is good at least as long. */
static enum outcome forget_key(const struct order_turn *turn)
{
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;
    struct record_place place = checkout_place(&order->key, subject->partition);
    struct record *record;

    if ((order->forgotten & ORDER_FORGOT_KEY) != 0)
        return OUTCOME_OK;
    if (!MUTANT(CHECKOUT_FORGOTTEN_EARLY) &&
        (!order_is_past(order) ||
         turn->moment->wall_ms - order->created_wall_ms <= ORDER_KEY_KEPT_S * 1000LL))
        return OUTCOME_STALE;
    put(turn, RECORD_CHECKOUT, 0, &record);
    record->operation = RECORD_DELETE;
    record->subject = place.subject;
    record->sequence = place.sequence;
    if (MUTANT(PAID_BODY_FORGOTTEN) && order->confirmed_wall_ms != 0) {
        put(turn, RECORD_ORDER_BODY, 0, &record);
        record->operation = RECORD_DELETE;
    }
    order->forgotten |= ORDER_FORGOT_KEY;
    order_persist(turn);
    return OUTCOME_OK;
}

/* ---- the call ---- */

/* Calls that know an order by its number alone. */
static bool may_lack_time(enum order_call call)
{
    return call == ORDER_CALL_GET || call == ORDER_CALL_PROLONG || call == ORDER_CALL_REWRAP ||
           call == ORDER_CALL_KEY_FORGET || call == ORDER_CALL_EVENT_REPLAY;
}

static bool may_ask(const struct order_subject *subject, const struct order_envelope *envelope)
{
    if (envelope->id.created_ms != subject->order.created_wall_ms &&
        (!may_lack_time((enum order_call)envelope->call) || envelope->id.created_ms != 0))
        return false;
    if (envelope->authority == AUTHORITY_STAFF)
        return true;
    for (uint32_t i = 0; i < envelope->who_count; i++)
        if (principal_equal(&envelope->who[i], &subject->order.principal))
            return true;
    return false;
}

static enum outcome receive(struct order_turn *turn, struct order_envelope *envelope)
{
    switch ((int)envelope->call) {
    case ORDER_CALL_GET:
        return OUTCOME_OK;
    case ORDER_CALL_CONFIRM:
        return confirm(turn, envelope);
    case ORDER_CALL_CANCEL:
        return cancel(turn);
    case ORDER_CALL_PROLONG:
        return prolong(turn, envelope);
    case ORDER_CALL_EVENT:
        return order_take_event(turn, &envelope->event);
    case ORDER_CALL_EVENT_REPLAY:
        return order_replay_event(turn, envelope);
    case ORDER_CALL_FULFIL:
        return order_fulfil(turn, envelope);
    case ORDER_CALL_DELIVER:
        return order_move(turn, ORDER_DELIVERED);
    case ORDER_CALL_REFUND:
        return order_refund_by_staff(turn, envelope);
    case ORDER_CALL_ACKNOWLEDGE:
        return order_acknowledge(turn, envelope);
    case ORDER_CALL_FORGET:
        return forget(turn, envelope);
    case ORDER_CALL_MAIL_RESULT:
        return order_mail_result(turn, envelope);
    case ORDER_CALL_REWRAP:
        return rewrap(turn, envelope);
    case ORDER_CALL_KEY_FORGET:
        return forget_key(turn);
    case ORDER_CALL_CREATE:
    case ORDER_CALL_COUNT:
    default:
        return OUTCOME_NOT_FOUND;
    }
}

enum outcome order_receive(struct order_subject *subject, const struct order_context *context,
                           const struct moment *moment, struct order_envelope *envelope,
                           struct effects *effects)
{
    struct order_turn turn = {.subject = subject,
                              .context = context,
                              .moment = moment,
                              .effects = effects,
                              .was_past = order_is_past(&subject->order)};
    enum order_status before = (enum order_status)subject->order.status;
    enum event_effect effect_before = (enum event_effect)envelope->event.effect;
    enum outcome outcome;
    size_t used;

    if (envelope->call == ORDER_CALL_CREATE)
        return create(&turn, envelope);
    if (before == ORDER_NONE || !may_ask(subject, envelope))
        return OUTCOME_NOT_FOUND;
    used = effects->records->used;
    outcome = receive(&turn, envelope);
    if (effects->records->used != used)
        order_enter_act(&turn, envelope, before, effect_before);
    return outcome;
}

/* ---- how a call ends that had to wait ---- */

static enum outcome create_outcome(const struct order_record *order)
{
    if (order->status == ORDER_NONE)
        return (enum outcome)order->cause;
    return order->step >= STEP_BIND && order->step <= STEP_UNDO_BIND ? OUTCOME_PENDING : OUTCOME_OK;
}

static enum outcome confirm_outcome(const struct order_subject *subject)
{
    const struct order_record *order = &subject->order;

    if (order->confirmed_wall_ms != 0)
        return OUTCOME_OK;
    if (order->status != ORDER_PENDING)
        return OUTCOME_HOLD_ENDED; /* paid too late: it went back */
    if (order->step == STEP_WAIT)
        return (enum outcome)subject->refusal;
    return OUTCOME_PENDING;
}

enum outcome order_outcome(const struct order_subject *subject,
                           const struct order_envelope *envelope)
{
    const struct order_record *order = &subject->order;

    switch ((int)envelope->call) {
    case ORDER_CALL_CREATE:
        return create_outcome(order);
    case ORDER_CALL_CONFIRM:
        return confirm_outcome(subject);
    case ORDER_CALL_CANCEL:
        if (order->step != STEP_NONE && order->step != STEP_CART_CLEAR)
            return OUTCOME_PENDING;
        return order->status == ORDER_CANCELLED ? OUTCOME_OK : OUTCOME_INVALID_STATE;
    case ORDER_CALL_REFUND:
        return order_refund_outcome(order, envelope->refund_key);
    default:
        return OUTCOME_OK;
    }
}

/* ---- after a restart ---- */

void order_load(struct order_subject *subject, const struct record *record)
{
    assert(record->kind == RECORD_ORDER || record->kind == RECORD_ORDER_PAST);
    subject->partition = record->partition;
    subject->sequence = record->sequence;
    subject->order = record->order;
    if (subject->order.step == STEP_CONFIRM) /* with what is not known any more */
        subject->order.step = STEP_QUERY;
    /* So long may have passed that the gateway has forgotten the refund's key. */
    if (subject->order.step == STEP_REFUND) {
        subject->tries = ORDER_TRIES_PER_KEY;
        subject->may_be_done = true;
    }
    /* Whose uses count for the coupon's limit is not known any more; nobody was told of it yet. */
    if (subject->order.coupon[0] != '\0' &&
        (subject->order.step == STEP_BIND || subject->order.step == STEP_COUPON_HOLD)) {
        subject->order.cause = OUTCOME_OVERLOADED;
        subject->order.step = subject->order.step == STEP_BIND ? STEP_UNDO_BIND : STEP_UNDO_COUPON;
    }
}
