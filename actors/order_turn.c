/* SPDX-License-Identifier: Apache-2.0 */
/* What a turn of an order leaves: its record, its status with what the outside and its person learn
 * of that, and the step that is next, or again later. */
#include "order_private.h"

#include <string.h>

enum {
    STEP_RETRY_MS = 50,
    STEP_RETRY_MS_MAX = 60 * 1000,
};

/* With its key goes what was sealed under it; the books stay, under a number that names nobody. */
static void forget_person(const struct order_turn *turn)
{
    struct order_subject *subject = turn->subject;
    struct record *record;

    record = effects_record(turn->effects, RECORD_ORDER_PERSON, subject->partition, 0, 0);
    record->sequence = subject->sequence;
    record->operation = RECORD_DELETE;
    turn->effects->erases = true;
    if (subject->body != NULL)
        memset(&subject->body->person, 0, sizeof(subject->body->person));
    memset(subject->order.email_index, 0, sizeof(subject->order.email_index));
    subject->order.forgotten =
        (uint8_t)((subject->order.forgotten & ~ORDER_FORGETS_PERSON) | ORDER_FORGOT_PERSON);
}

void order_persist(const struct order_turn *turn)
{
    const struct order_subject *subject = turn->subject;
    const struct order_record *order = &subject->order;
    bool is_past = order_is_past(order);
    struct record *record;

    if (is_past && (order->forgotten & ORDER_FORGETS_PERSON) != 0 && !order_is_to_be_sent(order) &&
        !(MUTANT(LIVE_ORDER_NOT_FORGOTTEN) && !turn->was_past))
        forget_person(turn);
    record = effects_record(turn->effects, is_past ? RECORD_ORDER_PAST : RECORD_ORDER,
                            subject->partition, 0, 0);

    assert(order->totals.total_minor == order->totals.subtotal_minor -
                                            order->totals.discount_minor +
                                            order->totals.shipping_minor + order->totals.tax_minor);
    assert(order->refunded_minor <= order->captured_minor);
    record->sequence = subject->sequence;
    record->order = *order;
    if (is_past == turn->was_past)
        return;
    record = effects_record(turn->effects, is_past ? RECORD_ORDER : RECORD_ORDER_PAST,
                            subject->partition, 0, 0);
    record->sequence = subject->sequence;
    record->operation = RECORD_DELETE;
}

uint64_t order_take_number(const struct order_turn *turn)
{
    struct order_numbers *numbers = turn->context->orders;
    struct record *record;

    if (numbers->next >= numbers->floor && !MUTANT(ORDER_NUMBER_REUSED)) {
        numbers->floor = numbers->next + ORDER_NUMBERS_STEP;
        record = effects_record(turn->effects, RECORD_FLOOR, turn->subject->partition, 0, 0);
        record->subject = FLOOR_ORDERS;
        record->floor.next_sequence = numbers->floor;
    }
    return numbers->next++;
}

void order_tell(const struct order_turn *turn, enum order_status what, int64_t amount_minor)
{
    const struct order_subject *subject = turn->subject;
    struct event_out_record *event = event_out_add(turn->effects, turn->context->events,
                                                   subject->partition, turn->moment, (uint8_t)what);

    event->order = subject->sequence;
    event->created_wall_ms = subject->order.created_wall_ms;
    event->amount_minor = amount_minor;
}

void order_set_status(const struct order_turn *turn, enum order_status status)
{
    struct order_record *order = &turn->subject->order;

    if (order->status == status)
        return;
    assert(order_may_become((enum order_status)order->status, status));
    order->status = (uint8_t)status;
    order->updated_wall_ms = turn->moment->wall_ms;
    if (status == ORDER_CONFIRMED)
        order->confirmed_wall_ms = turn->moment->wall_ms;
    if (order->timeline_count < ORDER_TIMELINE_MAX)
        order->timeline[order->timeline_count++] =
            (struct order_moment){.wall_ms = turn->moment->wall_ms, .status = (uint8_t)status};
    if (status != ORDER_PARTIALLY_REFUNDED && status != ORDER_REFUNDED)
        order_tell(turn, status, 0);
    if (status == ORDER_CONFIRMED)
        order_owe_mail(turn, ORDER_MAIL_CONFIRMED, 0);
    else if (status == ORDER_SHIPPED)
        order_owe_mail(turn, ORDER_MAIL_SHIPPED, 0);
    else if (status == ORDER_CANCELLED &&
             (order->confirmed_wall_ms != 0 || MUTANT(ORDER_MAIL_UNPAID)))
        order_owe_mail(turn, ORDER_MAIL_CANCELLED, 0);
}

void order_begin_step(const struct order_turn *turn, enum order_step step)
{
    turn->subject->order.step = (uint8_t)step;
    turn->subject->tries = 0;
    turn->subject->refusals = 0;
    turn->subject->told_minor = 0;
    turn->subject->may_be_done = false;
    turn->subject->is_refused = false;
    turn->subject->retry_boot_ms = 0;
}

/* Not now: the same again, a little later. */
void order_try_later_within(const struct order_turn *turn, int64_t delay_ms_max,
                            uint32_t retry_after_s)
{
    struct order_subject *subject = turn->subject;
    int64_t delay_ms = STEP_RETRY_MS;

    for (uint32_t i = 0; i < subject->tries && delay_ms < delay_ms_max; i++)
        delay_ms *= 2;
    if (delay_ms < retry_after_s * 1000LL)
        delay_ms = retry_after_s * 1000LL;
    if (delay_ms > delay_ms_max)
        delay_ms = delay_ms_max;
    subject->tries++;
    subject->retry_boot_ms = turn->moment->boot_ms + delay_ms;
}

/* The gateway gave no word yet, or could not. */
void order_try_later(const struct order_turn *turn, uint32_t retry_after_s)
{
    order_try_later_within(turn, STEP_RETRY_MS_MAX, retry_after_s);
}
