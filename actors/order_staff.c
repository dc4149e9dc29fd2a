/* SPDX-License-Identifier: Apache-2.0 */
/* What staff do with an order that is paid: send it, refund it, acknowledge what needed attention;
 * and how all that they do is entered in the audit log. */
#include "order_private.h"

#include <string.h>

/* ---- sending ---- */

static bool is_busy(const struct order_record *order)
{
    return order->step != STEP_NONE && order->step != STEP_CART_CLEAR;
}

enum outcome order_move(const struct order_turn *turn, enum order_status status)
{
    struct order_record *order = &turn->subject->order;

    if (order->status == status)
        return OUTCOME_OK;
    if (!order_may_become((enum order_status)order->status, status))
        return OUTCOME_INVALID_STATE;
    if (is_busy(order))
        return OUTCOME_PAYMENT_IN_PROGRESS;
    order_set_status(turn, status);
    order_persist(turn);
    return OUTCOME_OK;
}

enum outcome order_fulfil(const struct order_turn *turn, const struct order_envelope *envelope)
{
    struct order_record *order = &turn->subject->order;
    struct order_record before = *order;
    bool is_corrected = false;
    enum outcome outcome;

    if (order->fulfilled_wall_ms == 0)
        order->fulfilled_wall_ms = turn->moment->wall_ms;
    if (envelope->tracking[0] != '\0') {
        is_corrected = strcmp(order->carrier, envelope->carrier) != 0 ||
                       strcmp(order->tracking, envelope->tracking) != 0;
        memcpy(order->carrier, envelope->carrier, sizeof(order->carrier));
        memcpy(order->tracking, envelope->tracking, sizeof(order->tracking));
    }
    outcome = order_move(turn, envelope->tracking[0] != '\0' ? ORDER_SHIPPED : ORDER_FULFILLING);
    if (outcome != OUTCOME_OK)
        *order = before;
    else if (before.status == ORDER_SHIPPED && is_corrected)
        order_persist(turn);
    return outcome;
}

/* ---- refunds ---- */

enum { REFUND_KEY_BITS = 48 }; /* of a refund's key: of the Idempotency-Key; the others: the body */

uint64_t order_refund_key(uint64_t key_hash, uint64_t body_hash)
{
    uint64_t key = key_hash & ((UINT64_C(1) << REFUND_KEY_BITS) - 1);

    return (key == 0 ? 1 : key) | body_hash << REFUND_KEY_BITS;
}

/* Whatever its body was. */
static const struct order_refund *find_refund(const struct order_record *order, uint64_t key)
{
    for (uint32_t i = 0; i < order->refund_count; i++)
        if (order->refunds[i].key != 0 && key != 0 &&
            (order->refunds[i].key ^ key) << (64 - REFUND_KEY_BITS) == 0)
            return &order->refunds[i];
    return NULL;
}

bool order_has_refund(const struct order_record *order, uint64_t key)
{
    return find_refund(order, key) != NULL;
}

bool order_refund_is_pending(const struct order_record *order, uint64_t key)
{
    const struct order_refund *refund = find_refund(order, key);

    return refund != NULL && refund->state == REFUND_ASKED;
}

void order_show_refund(struct order_record *order, uint64_t key)
{
    const struct order_refund *refund = find_refund(order, key);

    if (refund == NULL || refund->state != REFUND_DONE || refund->status == ORDER_NONE)
        return;
    order->status = refund->status;
    order->timeline_count = refund->timeline_count;
    order->refund_count = refund->refund_count;
    order->attention = refund->attention;
    order->step = STEP_NONE;
    order->refunded_minor = 0;
    for (uint32_t i = 0; i < order->refund_count; i++)
        if (order->refunds[i].state == REFUND_DONE)
            order->refunded_minor += order->refunds[i].amount_minor;
    if (!refund->has_tracking) {
        memset(order->carrier, 0, sizeof(order->carrier));
        memset(order->tracking, 0, sizeof(order->tracking));
    }
}

enum outcome order_refund_outcome(const struct order_record *order, uint64_t key)
{
    const struct order_refund *refund = find_refund(order, key);

    if (refund == NULL || refund->state == REFUND_ASKED)
        return OUTCOME_PENDING;
    if (order->step == STEP_RESTOCK && refund->state == REFUND_DONE && refund->status == ORDER_NONE)
        return OUTCOME_PENDING; /* of one that has ended, units and all, the answer is noted */
    return refund->state == REFUND_DONE ? OUTCOME_OK : OUTCOME_GATEWAY_UNAVAILABLE;
}

enum outcome order_refund_by_staff(const struct order_turn *turn, struct order_envelope *envelope)
{
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;
    int64_t left_minor = order->captured_minor - order->refunded_minor;
    int64_t amount_minor = envelope->amount_minor == 0 ? left_minor : envelope->amount_minor;

    const struct order_refund *earlier = find_refund(order, envelope->refund_key);

    if (earlier != NULL && !MUTANT(REFUND_TWICE)) {
        if (earlier->key != envelope->refund_key)
            return OUTCOME_KEY_REUSED;
        envelope->replayed = 1;
        return order_refund_outcome(order, envelope->refund_key);
    }
    if (order->confirmed_wall_ms == 0 || order->status == ORDER_CANCELLED)
        return OUTCOME_INVALID_STATE;
    if (order->step != STEP_NONE)
        return OUTCOME_PAYMENT_IN_PROGRESS;
    if (amount_minor <= 0 || amount_minor > left_minor)
        return OUTCOME_REFUND_TOO_LARGE;
    if (order_refund_room(order) < (amount_minor == left_minor ? 1 : 2))
        return OUTCOME_FULL; /* the last one is for all that is left */
    for (uint32_t i = 0; i < subject->body->body.line_count; i++) {
        uint32_t units = subject->body->body.lines[i].quantity;

        if (envelope->quantities[i] > units - order->restocked[i] ||
            envelope->named[i] > units - order->refunded_units[i])
            return OUTCOME_REFUND_TOO_LARGE;
    }
    memcpy(order->refunding_units, envelope->named, sizeof(order->refunding_units));
    if (envelope->restock)
        memcpy(order->restocking, envelope->quantities, sizeof(order->restocking));
    order_begin_refund(turn, amount_minor, envelope->refund_key, envelope->restock);
    memcpy(order->refunds[order->refund_count - 1].reason, envelope->reason,
           sizeof(envelope->reason));
    order_persist(turn);
    return OUTCOME_PENDING;
}

/* ---- attention ---- */

/* What comes up again afterwards stands there again. */
enum outcome order_acknowledge(const struct order_turn *turn, const struct order_envelope *envelope)
{
    struct order_record *order = &turn->subject->order;

    if ((order->attention & envelope->attention) == 0)
        return OUTCOME_OK;
    order->attention &= (uint8_t)~envelope->attention;
    if (!MUTANT(ACKNOWLEDGED_IN_MEMORY))
        order_persist(turn);
    return OUTCOME_OK;
}

/* ---- the audit log ---- */

void order_enter_act(const struct order_turn *turn, const struct order_envelope *envelope,
                     enum order_status before, enum event_effect effect_before)
{
    static const uint8_t acts[ORDER_CALL_COUNT] = {
        [ORDER_CALL_FULFIL] = AUDIT_ORDER_FULFILLED,
        [ORDER_CALL_DELIVER] = AUDIT_ORDER_DELIVERED,
        [ORDER_CALL_REFUND] = AUDIT_ORDER_REFUNDED,
        [ORDER_CALL_CANCEL] = AUDIT_ORDER_CANCELLED,
        [ORDER_CALL_ACKNOWLEDGE] = AUDIT_ORDER_ACKNOWLEDGED,
        [ORDER_CALL_MAIL_RESULT] = AUDIT_MAIL_REPLAYED,
        [ORDER_CALL_EVENT_REPLAY] = AUDIT_EVENT_REPLAYED};
    const struct order_subject *subject = turn->subject;
    const struct order_record *order = &subject->order;
    struct audit_record *entry;
    char number[ROW_TEXT_LENGTH + 1];
    uint8_t name[16];

    if (acts[envelope->call] == 0 || !origin_is_staff(&envelope->origin))
        return;
    if (envelope->call == ORDER_CALL_MAIL_RESULT && subject->body->person.key_length == 0)
        return; /* it went with the person */
    for (unsigned i = 0; i < 8; i++) {
        name[i] = (uint8_t)(subject->sequence >> (56 - 8 * i));
        name[8 + i] = (uint8_t)((uint64_t)order->created_wall_ms >> (56 - 8 * i));
    }
    entry = audit_add(turn->effects, subject->partition, turn->moment, &envelope->origin,
                      (enum audit_act)acts[envelope->call], AUDIT_OF_ORDER, name, sizeof(name));
    if (envelope->call == ORDER_CALL_REFUND) {
        audit_set_number(&entry->after, order->refunds[order->refund_count - 1].amount_minor);
        return;
    }
    if (envelope->call == ORDER_CALL_ACKNOWLEDGE) {
        audit_set_word(&entry->before,
                       order_attention_name((enum order_attention)envelope->attention));
        return;
    }
    if (envelope->call == ORDER_CALL_MAIL_RESULT) {
        row_number_format(order_mail_number(envelope->mail_occasion), number);
        audit_set_word(&entry->after, number);
        return;
    }
    if (envelope->call == ORDER_CALL_EVENT_REPLAY) {
        audit_set_word(&entry->before, event_effect_name(effect_before));
        audit_set_word(&entry->after, event_effect_name((enum event_effect)envelope->event.effect));
        return;
    }
    audit_set_word(&entry->before, order_status_name(before));
    if (envelope->call != ORDER_CALL_CANCEL)
        audit_set_word(&entry->after, order_status_name((enum order_status)order->status));
}
