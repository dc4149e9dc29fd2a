/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway tells of an order's payment: taken in once, and recorded with what it changed. */
#include "order_private.h"

#include <string.h>

static bool is_settled_payment(const struct order_record *order)
{
    return order->payment_state == PAYMENT_CANCELLED || order->payment_state == PAYMENT_CAPTURED;
}

static enum event_effect authorised(const struct order_turn *turn)
{
    struct order_record *order = &turn->subject->order;

    switch ((int)order->step) {
    case STEP_WAIT:
    case STEP_CONFIRM:
    case STEP_QUERY:
        order_is_paid(turn, PAYMENT_AUTHORISED, 0);
        return EVENT_APPLIED;
    case STEP_NONE:
        if (order->confirmed_wall_ms != 0 || is_settled_payment(order))
            return EVENT_STALE;
        order_give_up(turn, (enum order_status)order->status); /* too late: it goes back */
        return EVENT_APPLIED;
    default:
        return EVENT_STALE;
    }
}

static enum event_effect captured(const struct order_turn *turn, const struct payment_event *event)
{
    struct order_record *order = &turn->subject->order;

    switch ((int)order->step) {
    case STEP_WAIT:
    case STEP_CONFIRM:
    case STEP_QUERY:
        order_is_paid(turn, PAYMENT_CAPTURED, event->captured_minor);
        return EVENT_APPLIED;
    case STEP_NONE:
        if (order->captured_minor > 0)
            return EVENT_STALE;
        order->payment_state = PAYMENT_CAPTURED;
        order->captured_minor = event->captured_minor;
        order->goal = order->status;
        order_begin_refund(turn, event->captured_minor, 0, false);
        return EVENT_APPLIED;
    default:
        return EVENT_STALE; /* the step's own answer will say it */
    }
}

static enum event_effect cancelled(const struct order_turn *turn)
{
    struct order_record *order = &turn->subject->order;

    if (order->step != STEP_WAIT)
        return EVENT_STALE;
    order->payment_state = PAYMENT_CANCELLED;
    order_give_up(turn, ORDER_PAYMENT_FAILED);
    return EVENT_APPLIED;
}

enum { EVENT_EARLY = EVENT_MISMATCHED + 1 }; /* not now: it is to be told again */

/* Of a refund that we asked for nothing is new but that it failed. */
static unsigned refund_told(const struct order_turn *turn, const struct payment_event *event)
{
    struct order_record *order = &turn->subject->order;

    static const unsigned effects[] = {[REFUND_WORD_KNOWN] = EVENT_STALE,
                                       [REFUND_WORD_BOOKED] = EVENT_APPLIED,
                                       [REFUND_WORD_EARLY] = EVENT_EARLY};

    if (!event->refund_failed)
        return effects[order_take_refund_word(turn, event->refunded_minor, event->told_wall_ms)];
    if ((order->attention & ORDER_ATTENTION_REFUND_FAILED) != 0)
        return EVENT_STALE;
    order->attention |= ORDER_ATTENTION_REFUND_FAILED;
    order->updated_wall_ms = turn->moment->wall_ms;
    return EVENT_APPLIED;
}

static bool is_ours(const struct order_record *order, const struct payment_event *event)
{
    if (event->provider != order->provider ||
        (order->payment_id[0] != '\0' && strcmp(event->payment_id, order->payment_id) != 0))
        return false;
    if (event->state == PAYMENT_NONE)
        return event->refunded_minor == 0 ||
               memcmp(event->currency, order->currency, sizeof(order->currency)) == 0;
    if (MUTANT(EVENT_UNCHECKED))
        return true;
    if (memcmp(event->currency, order->currency, sizeof(order->currency)) != 0 ||
        event->amount_minor != order->totals.total_minor)
        return false;
    return event->state != PAYMENT_CAPTURED || event->captured_minor == order->totals.total_minor;
}

static unsigned apply_event(const struct order_turn *turn, const struct payment_event *event)
{
    struct order_record *order = &turn->subject->order;

    if (!is_ours(order, event))
        return EVENT_MISMATCHED;
    /* Before the answer to our own call nobody can have paid, and whose payment it is only that
     * answer says. */
    if (order->payment_id[0] == '\0')
        return EVENT_STALE;
    if (event->refund_failed || event->refunded_minor > 0)
        return refund_told(turn, event);
    switch ((enum payment_state)event->state) {
    case PAYMENT_AUTHORISED:
        return authorised(turn);
    case PAYMENT_CAPTURED:
        return captured(turn, event);
    case PAYMENT_CANCELLED:
        return cancelled(turn);
    case PAYMENT_NONE:
    case PAYMENT_CREATED:
    case PAYMENT_PROCESSING:
    case PAYMENT_STATE_COUNT:
    default:
        return EVENT_STALE;
    }
}

static void store_event(const struct order_turn *turn, const struct payment_event *event)
{
    const struct order_subject *subject = turn->subject;
    struct record_place place = event_in_place(event, subject->partition);
    struct record *record =
        effects_record(turn->effects, RECORD_EVENT_IN, subject->partition, 0, 0);
    struct event_in_record *stored = &record->event_in;

    record->subject = place.subject;
    record->sequence = place.sequence;
    memcpy(stored->event_id, event->event_id, sizeof(stored->event_id));
    stored->provider = event->provider;
    stored->state = event->state;
    stored->effect = event->effect;
    stored->order = subject->sequence;
    stored->wall_ms = event->wall_ms;
    memcpy(stored->payment_id, event->payment_id, sizeof(stored->payment_id));
    memcpy(stored->currency, event->currency, sizeof(stored->currency));
    stored->amount_minor = event->amount_minor;
    stored->captured_minor = event->captured_minor;
    stored->refunded_minor = event->refunded_minor;
    stored->refund_failed = event->refund_failed;
}

enum outcome order_take_event(const struct order_turn *turn, struct payment_event *event)
{
    unsigned effect;

    if (turn->context->event_is_known && !MUTANT(EVENT_TWICE))
        return OUTCOME_OK;
    effect = apply_event(turn, event);
    if (effect == EVENT_EARLY)
        return OUTCOME_OVERLOADED;
    event->wall_ms = turn->moment->wall_ms;
    event->effect = (uint8_t)effect;
    if (effect == EVENT_APPLIED)
        order_persist(turn);
    if (!MUTANT(INBOX_NOT_RECORDED))
        store_event(turn, event);
    return OUTCOME_OK;
}

/* One that came before its time, or of a payment that was not known yet, may have its effect now;
 * what had it has it once. */
enum outcome order_replay_event(const struct order_turn *turn, struct order_envelope *envelope)
{
    struct payment_event *event = &envelope->event;
    unsigned effect;

    if (event->effect == EVENT_APPLIED && !MUTANT(EVENT_REPLAYED_TWICE)) {
        envelope->replayed = 1;
        return OUTCOME_OK;
    }
    effect = apply_event(turn, event);
    if (effect == EVENT_EARLY)
        return OUTCOME_OVERLOADED;
    event->effect = (uint8_t)effect;
    if (effect == EVENT_APPLIED)
        order_persist(turn);
    store_event(turn, event);
    return OUTCOME_OK;
}
