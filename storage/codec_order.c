/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_order.h"

#include "codec_run.h"

enum { ORDER_MAILS_END = 1 << ORDER_MAIL_REFUNDED };

static void run_status(struct run *run, uint8_t *status)
{
    run_8(run, status, ORDER_STATUS_COUNT - 1);
}

static void run_totals(struct run *run, struct order_totals *totals)
{
    run_money(run, &totals->subtotal_minor);
    run_money(run, &totals->discount_minor);
    run_money(run, &totals->shipping_minor);
    run_money(run, &totals->tax_minor);
    run_money(run, &totals->tax_included_minor);
    run_money(run, &totals->total_minor);
}

static void run_payment(struct run *run, struct order_record *order)
{
    run_8(run, &order->provider, PROVIDER_COUNT - 1);
    run_8(run, &order->payment_state, PAYMENT_STATE_COUNT - 1);
    run_32(run, &order->attempts);
    run_text(run, order->payment_id, sizeof(order->payment_id));
    run_text(run, order->client_secret, sizeof(order->client_secret));
    run_long_text(run, order->redirect_url, sizeof(order->redirect_url));
    run_money(run, &order->captured_minor);
    run_money(run, &order->refunded_minor);
    run_8(run, &order->refund_count, ORDER_REFUNDS_MAX);
    for (unsigned i = 0; i < order->refund_count; i++) {
        run_money(run, &order->refunds[i].amount_minor);
        run_time(run, &order->refunds[i].wall_ms);
        run_64(run, &order->refunds[i].key);
        run_8(run, &order->refunds[i].state, REFUND_REFUSED);
        run_8(run, &order->refunds[i].restock, 1);
        run_status(run, &order->refunds[i].status);
        run_8(run, &order->refunds[i].timeline_count, ORDER_TIMELINE_MAX);
        run_8(run, &order->refunds[i].refund_count, ORDER_REFUNDS_MAX);
        run_8(run, &order->refunds[i].attention, ORDER_ATTENTION_ALL);
        run_8(run, &order->refunds[i].has_tracking, 1);
        run_text(run, order->refunds[i].reason, sizeof(order->refunds[i].reason));
    }
}

/* Units by line: as many as up to the last that is not 0. */
static void run_units(struct run *run, uint32_t units[RESERVATION_LINES_MAX])
{
    uint8_t count = RESERVATION_LINES_MAX;

    while (count > 0 && units[count - 1] == 0)
        count--;
    run_8(run, &count, RESERVATION_LINES_MAX);
    for (unsigned i = 0; i < count; i++)
        run_32(run, &units[i]);
}

static void run_order(struct run *run, struct order_record *order)
{
    run_bytes(run, order->principal.bytes, sizeof(order->principal.bytes));
    run_64(run, &order->key.word[0]);
    run_64(run, &order->key.word[1]);
    run_64(run, &order->fingerprint);
    run_bytes(run, order->email_index, sizeof(order->email_index));
    run_time(run, &order->created_wall_ms);
    run_time(run, &order->updated_wall_ms);
    run_time(run, &order->expires_wall_ms);
    run_time(run, &order->first_expires_wall_ms);
    run_time(run, &order->confirmed_wall_ms);
    run_time(run, &order->fulfilled_wall_ms);
    run_status(run, &order->status);
    run_8(run, &order->step, STEP_COUNT - 1);
    run_status(run, &order->goal);
    run_8(run, &order->cause, UINT8_MAX);
    run_8(run, &order->from_cart, 1);
    run_8(run, &order->forgotten, ORDER_FORGOTTEN_ALL);
    run_8(run, &order->attention, ORDER_ATTENTION_ALL);
    run_time(run, &order->hold.created_ms);
    run_64(run, &order->hold.sequence);
    run_32(run, &order->hold.partition);
    run_text(run, order->currency, sizeof(order->currency));
    run_totals(run, &order->totals);
    run_text(run, order->coupon, sizeof(order->coupon));
    run_32(run, &order->coupon_partition);
    run_32(run, &order->coupon_number);
    run_64(run, &order->coupon_version);
    run_payment(run, order);
    run_units(run, order->restocked);
    run_units(run, order->restocking);
    run_units(run, order->refunded_units);
    run_units(run, order->refunding_units);
    run_8(run, &order->timeline_count, ORDER_TIMELINE_MAX);
    for (unsigned i = 0; i < order->timeline_count; i++) {
        run_time(run, &order->timeline[i].wall_ms);
        run_status(run, &order->timeline[i].status);
    }
    run_text(run, order->carrier, sizeof(order->carrier));
    run_text(run, order->tracking, sizeof(order->tracking));
    run_8(run, &order->mails, ORDER_MAILS_END - 1);
}

static void run_body(struct run *run, struct record *record, size_t room)
{
    struct order_body_record *body = &record->order_body;

    run_8(run, &body->line_count, RESERVATION_LINES_MAX);
    for (unsigned i = 0; i < body->line_count; i++) {
        struct order_line *line = &body->lines[i];

        run_32(run, &line->sku_id);
        run_32(run, &line->quantity);
        run_money(run, &line->unit_price_minor);
        run_money(run, &line->discount_minor);
        run_money(run, &line->tax_minor);
        run_money(run, &line->total_minor);
        run_32(run, &line->tax_bp);
        run_8(run, &line->tax_included, 1);
    }
    body->text_length = (uint32_t)run_number(run, body->text_length, 4,
                                             room < ORDER_TEXT_MAX ? room : ORDER_TEXT_MAX);
    run_bytes(run, (char *)record + record_size(RECORD_ORDER_BODY, 0), body->text_length);
}

static void run_person(struct run *run, struct order_person_record *person)
{
    run_short(run, &person->key_length, person->key, WRAPPED_KEY_MAX);
    run_sealed(run, &person->email_length, person->email, SEALED_EMAIL_MAX);
    run_sealed(run, &person->address_length, person->address, SEALED_ADDRESS_MAX);
}

static void run_mail(struct run *run, struct order_mail_record *mail)
{
    run_8(run, &mail->state, MAIL_DEAD);
    run_8(run, &mail->kind, ORDER_MAIL_KIND_COUNT - 1);
    run_8(run, &mail->attempts, UINT8_MAX);
    run_8(run, &mail->refund, ORDER_REFUNDS_MAX - 1);
    run_time(run, &mail->created_wall_ms);
    run_time(run, &mail->next_wall_ms);
    run_time(run, &mail->order_created_wall_ms);
    run_text(run, mail->reason, sizeof(mail->reason));
}

/* An amount as the gateway told it, or did not: any number. */
static void run_told(struct run *run, int64_t *field)
{
    uint64_t bits = (uint64_t)*field;

    run_64(run, &bits);
    *field = (int64_t)bits;
}

static void run_event_in(struct run *run, struct event_in_record *event)
{
    run_text(run, event->event_id, sizeof(event->event_id));
    run_8(run, &event->provider, PROVIDER_COUNT - 1);
    run_8(run, &event->state, PAYMENT_STATE_COUNT - 1);
    run_8(run, &event->effect, EVENT_MISMATCHED);
    run_64(run, &event->order);
    run_time(run, &event->wall_ms);
    run_text(run, event->payment_id, sizeof(event->payment_id));
    run_text(run, event->currency, sizeof(event->currency));
    run_told(run, &event->amount_minor);
    run_told(run, &event->captured_minor);
    run_told(run, &event->refunded_minor);
    run_8(run, &event->refund_failed, 1);
}

static void run_event_out(struct run *run, struct event_out_record *event)
{
    run_8(run, &event->type, EVENT_OUT_SOLD_OUT);
    run_64(run, &event->order);
    run_time(run, &event->created_wall_ms);
    run_time(run, &event->wall_ms);
    run_money(run, &event->amount_minor);
}

static void run_record(struct run *run, struct record *record, size_t room)
{
    switch ((int)record->kind) {
    case RECORD_ORDER:
    case RECORD_ORDER_PAST:
        run_order(run, &record->order);
        break;
    case RECORD_ORDER_BODY:
        run_body(run, record, room);
        break;
    case RECORD_ORDER_PERSON:
        run_person(run, &record->order_person);
        break;
    case RECORD_ORDER_MAIL:
        run_mail(run, &record->order_mail);
        break;
    case RECORD_ORDER_OF:
        run_bytes(run, record->order_of.principal.bytes, sizeof(record->order_of.principal.bytes));
        run_time(run, &record->order_of.created_wall_ms);
        break;
    case RECORD_CHECKOUT:
        run_64(run, &record->checkout.key.word[0]);
        run_64(run, &record->checkout.key.word[1]);
        run_64(run, &record->checkout.sequence);
        run_time(run, &record->checkout.created_wall_ms);
        break;
    case RECORD_EVENT_IN:
        run_event_in(run, &record->event_in);
        break;
    case RECORD_EVENT_OUT:
        run_event_out(run, &record->event_out);
        break;
    default:
        run->failed = true;
    }
}

bool codec_is_of_orders(enum record_kind kind)
{
    return kind >= RECORD_ORDER && kind <= RECORD_EVENT_OUT;
}

static bool order_is_valid(const struct order_record *order)
{
    return order->status != ORDER_NONE && order->status < ORDER_STATUS_COUNT &&
           order->step < STEP_COUNT && order->goal < ORDER_STATUS_COUNT &&
           order->provider < PROVIDER_COUNT && order->payment_state < PAYMENT_STATE_COUNT &&
           order->refund_count <= ORDER_REFUNDS_MAX &&
           order->timeline_count <= ORDER_TIMELINE_MAX && order->captured_minor >= 0 &&
           order->refunded_minor >= 0 && order->refunded_minor <= order->captured_minor &&
           order->totals.total_minor >= 0 && order->hold.sequence >= 1 &&
           order->mails < ORDER_MAILS_END;
}

/* Its key says the same as it does: whose occasion it is. */
static bool mail_is_valid(const struct record *record)
{
    const struct order_mail_record *mail = &record->order_mail;

    return mail->state <= MAIL_DEAD && mail->kind < ORDER_MAIL_KIND_COUNT &&
           (mail->kind == ORDER_MAIL_REFUNDED ? mail->refund < ORDER_REFUNDS_MAX
                                              : mail->refund == 0) &&
           record->subject == order_mail_occasion((enum order_mail_kind)mail->kind, mail->refund);
}

bool codec_order_is_valid(const struct record *record)
{
    switch ((int)record->kind) {
    case RECORD_ORDER:
        return order_is_valid(&record->order) && record->order.step != STEP_NONE;
    case RECORD_ORDER_PAST:
        return order_is_valid(&record->order) && record->order.step == STEP_NONE;
    case RECORD_ORDER_BODY:
        return record->order_body.line_count >= 1 &&
               record->order_body.line_count <= RESERVATION_LINES_MAX &&
               record->order_body.text_length <= ORDER_TEXT_MAX &&
               record->size >= record_size(RECORD_ORDER_BODY, 0) + record->order_body.text_length;
    case RECORD_ORDER_PERSON:
        return record->order_person.key_length <= WRAPPED_KEY_MAX &&
               record->order_person.email_length <= SEALED_EMAIL_MAX &&
               record->order_person.address_length <= SEALED_ADDRESS_MAX;
    case RECORD_ORDER_MAIL:
        return mail_is_valid(record);
    case RECORD_ORDER_OF:
        return !principal_is_nobody(&record->order_of.principal);
    case RECORD_CHECKOUT:
        return record->checkout.sequence >= 1;
    case RECORD_EVENT_IN:
        return record->event_in.provider < PROVIDER_COUNT &&
               record->event_in.state < PAYMENT_STATE_COUNT &&
               record->event_in.effect <= EVENT_MISMATCHED && record->event_in.order >= 1;
    case RECORD_EVENT_OUT:
        if (record->event_out.type == EVENT_OUT_SOLD_OUT)
            return record->event_out.order <= UINT32_MAX;
        return record->event_out.type < ORDER_STATUS_COUNT && record->event_out.order >= 1;
    default:
        return false;
    }
}

size_t codec_order_pack(const struct record *record, uint8_t *bytes_out, size_t capacity)
{
    struct run run = {.at = bytes_out, .end = bytes_out + capacity};

    /* The walk writes to fields only what it read from them. */
    run_record(&run, (struct record *)(uintptr_t)record, ORDER_TEXT_MAX);
    return (size_t)(run.at - bytes_out);
}

bool codec_order_unpack(const uint8_t *bytes, size_t length, struct record *record, size_t room)
{
    struct run run = {.at = (uint8_t *)(uintptr_t)bytes, .end = bytes + length, .reads = true};

    run_record(&run, record, room);
    return !run.failed && run.at == run.end;
}
