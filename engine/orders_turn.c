/* SPDX-License-Identifier: Apache-2.0 */
/* What each turn of an order brings with it: answers to who asked or waited, the order's timer, and
 * its place in the queues. */
#include "orders.h"

#include <string.h>

#include "engine_private.h"
#include "orders_private.h"

/* ---- answering ---- */

void order_fill_reply(struct message *reply, struct order_envelope *envelope, enum outcome outcome)
{
    reply->partition = envelope->partition;
    reply->shard = envelope->shard;
    reply->cookie = envelope->cookie;
    reply->reply.answers = MESSAGE_ORDER;
    reply->reply.outcome = (uint8_t)outcome;
    reply->reply.replayed = envelope->replayed;
    reply->reply.order = envelope;
}

void order_refuse(struct shard *shard, struct order_envelope *envelope, enum outcome outcome)
{
    struct message reply = {.size = message_size(MESSAGE_REPLY, 0), .type = MESSAGE_REPLY};
    struct arena one = {.bytes = (uint8_t *)&reply, .used = reply.size, .capacity = reply.size};

    order_fill_reply(&reply, envelope, outcome);
    shard_release(shard, &one, true);
}

static void fill_view(struct order_envelope *envelope, const struct order_subject *subject)
{
    const struct order_body *body = subject->body;

    envelope->id = (struct reservation_id){.created_ms = subject->order.created_wall_ms,
                                           .sequence = subject->sequence,
                                           .partition = subject->partition};
    envelope->order = subject->order;
    if (body == NULL)
        return;
    envelope->person = body->person;
    envelope->body = body->body;
    memcpy(envelope->text, body->text, body->body.text_length);
}

void order_reply(struct shard *shard, const struct order_subject *subject,
                 struct order_envelope *envelope, enum outcome outcome)
{
    if (outcome != OUTCOME_NOT_FOUND && outcome != OUTCOME_KEY_REUSED &&
        subject->order.status != ORDER_NONE)
        fill_view(envelope, subject);
    order_fill_reply(effects_message(&shard->effects, MESSAGE_REPLY, 0), envelope, outcome);
}

/* When it is answered without its end. A refund is kept, and shown: as soon as a request's time is
 * over nobody waits for the gateway any longer. */
static int64_t patience_end_ms(const struct shard *shard, const struct order_slot *slot,
                               const struct order_envelope *envelope)
{
    int64_t timeout_ms = shard->engine->options.request_timeout_ms;

    if (envelope->call != ORDER_CALL_REFUND || slot->subject.order.step != STEP_REFUND ||
        timeout_ms >= ORDER_PARKED_MS)
        return envelope->deadline_boot_ms;
    return envelope->deadline_boot_ms - ORDER_PARKED_MS + timeout_ms;
}

static enum outcome without_end(const struct order_slot *slot,
                                const struct order_envelope *envelope)
{
    if (envelope->call == ORDER_CALL_CREATE)
        return OUTCOME_OUTCOME_UNKNOWN;
    return envelope->call == ORDER_CALL_REFUND && slot->subject.order.step == STEP_REFUND
               ? OUTCOME_GATEWAY_UNAVAILABLE
               : OUTCOME_PAYMENT_IN_PROGRESS;
}

/* False: there are more than one turn may answer. */
static bool answer_parked(struct shard *shard, struct order_slot *slot)
{
    struct order_envelope **link = &slot->parked;
    uint32_t replies = 0;

    while (*link != NULL) {
        struct order_envelope *envelope = *link;
        enum outcome outcome = order_outcome(&slot->subject, envelope);

        if (outcome == OUTCOME_PENDING &&
            shard->now.boot_ms >= patience_end_ms(shard, slot, envelope))
            outcome = without_end(slot, envelope);
        if (outcome == OUTCOME_PENDING) {
            link = &envelope->next;
            continue;
        }
        if (replies++ == ORDER_REPLIES_PER_TURN)
            return false;
        *link = envelope->next;
        order_reply(shard, &slot->subject, envelope, outcome);
    }
    return true;
}

/* ---- after each turn of an order ---- */

struct order_context order_context_of(struct shard *shard, const struct order_subject *subject)
{
    struct engine *engine = shard->engine;
    const struct gateway_port *gateway = &engine->ports.gateway;

    return (struct order_context){
        .orders = &engine->order_numbers[subject->partition],
        .events = &engine->event_numbers[subject->partition],
        .may_confirm =
            gateway->confirms != NULL && gateway->confirms(gateway->self, subject->order.provider),
        .sends_mails = shard->order_mails.courier != NULL,
    };
}

/* For its next tick, or for who has waited long enough. */
static void set_timer(struct shard *shard, struct order_slot *slot, int64_t due_ms)
{
    struct orders *orders = &shard->orders;

    for (const struct order_envelope *at = slot->parked; at != NULL; at = at->next) {
        int64_t end_ms = patience_end_ms(shard, slot, at);

        if (due_ms == 0 || end_ms < due_ms)
            due_ms = end_ms;
    }
    if (due_ms != 0)
        timers_set(&orders->timers, order_slot_number(orders, slot), due_ms);
}

/* Counts what came to need somebody's attention. */
static void note_attention(struct shard *shard, struct order_slot *slot)
{
    unsigned added = slot->subject.order.attention & ~(unsigned)slot->attention;

    metric_add(&shard->metrics.orders_restock_refused,
               (added & ORDER_ATTENTION_RESTOCK_REFUSED) != 0);
    metric_add(&shard->metrics.orders_refund_failed, (added & ORDER_ATTENTION_REFUND_FAILED) != 0);
    metric_add(&shard->metrics.orders_refunded_elsewhere,
               (added & ORDER_ATTENTION_REFUNDED_ELSEWHERE) != 0);
    slot->attention = slot->subject.order.attention;
}

void order_settle(struct shard *shard, struct order_slot *slot, uint32_t records_before)
{
    struct orders *orders = &shard->orders;
    const struct order_record *order = &slot->subject.order;
    int64_t due_ms;
    bool is_more;

    if (shard->effects.records->used != records_before)
        slot->write_serial = shard->open->serial;
    order_note_changes(shard, slot);
    if (shard->effects.audit_count > 0)
        audit_chain_seal(shard, slot->subject.partition, records_before);
    shard_apply_effects(shard);
    note_attention(shard, slot);
    is_more = !answer_parked(shard, slot);
    timers_cancel(&orders->timers, order_slot_number(orders, slot));
    if (is_more) /* and then goes on */
        timers_set(&orders->timers, order_slot_number(orders, slot), shard->now.boot_ms + 1);
    if (order->status == ORDER_NONE) { /* it came to nothing, or never was */
        order_slot_remove_key(shard, slot);
        if (slot->parked == NULL && slot->waiting_first == NULL && !slot->is_asking)
            order_slot_forget(shard, slot);
        return;
    }
    order_slot_unlink(orders, slot);
    if (order_is_past(order)) {
        order_slot_remove_key(shard, slot);
        order_slot_link(orders, slot);
        return;
    }
    order_slot_add_key(shard, slot);
    due_ms = order_next_boot_ms(&slot->subject, &shard->now);
    if (!is_more)
        set_timer(shard, slot, due_ms);
    if (order->step != STEP_WAIT && due_ms == 0 && !slot->is_asking)
        order_enqueue(orders, slot, ORDER_TO_ASK);
}
