/* SPDX-License-Identifier: Apache-2.0 */
/* Valid records of orders, as different as can be, for the codec's tests. */
#ifndef STAMPEDE_RANDOM_ORDER_H
#define STAMPEDE_RANDOM_ORDER_H

#include "random_account.h"

static inline int64_t random_money(random_source source, uint64_t *seed)
{
    return (int64_t)(source(seed) >> (1 + source(seed) % 60));
}

/* Up to `length` bytes that are none of them 0, as no text of an order has one. */
static inline void random_name(random_source source, uint64_t *seed, char *text, size_t length)
{
    length = random_below(source, seed, length + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(1 + source(seed) % 255);
}

static inline void random_units(random_source source, uint64_t *seed,
                                uint32_t units[RESERVATION_LINES_MAX])
{
    uint64_t count = random_below(source, seed, RESERVATION_LINES_MAX + 1);

    for (unsigned i = 0; i < count; i++)
        units[i] = (uint32_t)random_below(source, seed, 3);
}

static inline void random_payment(random_source source, uint64_t *seed, struct order_record *order)
{
    order->provider = (uint8_t)random_below(source, seed, PROVIDER_COUNT);
    order->payment_state = (uint8_t)random_below(source, seed, PAYMENT_STATE_COUNT);
    order->attempts = (uint32_t)source(seed);
    random_name(source, seed, order->payment_id, PAYMENT_ID_MAX);
    random_name(source, seed, order->client_secret, PAYMENT_SECRET_MAX);
    random_name(source, seed, order->redirect_url, PAYMENT_URL_MAX);
    order->captured_minor = random_money(source, seed);
    order->refunded_minor =
        (int64_t)random_below(source, seed, (uint64_t)order->captured_minor + 1);
    order->refund_count = (uint8_t)random_below(source, seed, ORDER_REFUNDS_MAX + 1);
    for (unsigned i = 0; i < order->refund_count; i++) {
        order->refunds[i].amount_minor = random_money(source, seed);
        order->refunds[i].wall_ms = random_time(source, seed);
        order->refunds[i].key = source(seed);
        order->refunds[i].state = (uint8_t)random_below(source, seed, REFUND_REFUSED + 1);
        order->refunds[i].restock = (uint8_t)random_below(source, seed, 2);
        order->refunds[i].status = (uint8_t)random_below(source, seed, ORDER_STATUS_COUNT);
        order->refunds[i].timeline_count =
            (uint8_t)random_below(source, seed, ORDER_TIMELINE_MAX + 1);
        order->refunds[i].refund_count = (uint8_t)random_below(source, seed, ORDER_REFUNDS_MAX + 1);
        order->refunds[i].attention = (uint8_t)random_below(source, seed, ORDER_ATTENTION_ALL + 1);
        order->refunds[i].has_tracking = (uint8_t)random_below(source, seed, 2);
        random_name(source, seed, order->refunds[i].reason, REFUND_REASON_MAX);
    }
}

static inline void random_order(random_source source, uint64_t *seed, struct order_record *order)
{
    random_bytes(source, seed, order->principal.bytes, sizeof(order->principal.bytes));
    order->key.word[0] = source(seed);
    order->key.word[1] = source(seed);
    order->fingerprint = source(seed);
    random_bytes(source, seed, order->email_index, EMAIL_INDEX_BYTES);
    order->created_wall_ms = random_time(source, seed);
    order->updated_wall_ms = random_time(source, seed);
    order->expires_wall_ms = random_time(source, seed);
    order->first_expires_wall_ms = random_time(source, seed);
    order->confirmed_wall_ms = random_time(source, seed);
    order->fulfilled_wall_ms = random_time(source, seed);
    order->status = (uint8_t)(1 + random_below(source, seed, ORDER_STATUS_COUNT - 1));
    order->goal = (uint8_t)random_below(source, seed, ORDER_STATUS_COUNT);
    order->cause = (uint8_t)source(seed);
    order->from_cart = (uint8_t)random_below(source, seed, 2);
    order->attention = (uint8_t)random_below(source, seed, ORDER_ATTENTION_ALL + 1);
    order->forgotten = (uint8_t)random_below(source, seed, ORDER_FORGOTTEN_ALL + 1);
    order->hold.created_ms = random_time(source, seed);
    order->hold.sequence = 1 + random_below(source, seed, (1ULL << 40) - 1);
    order->hold.partition = (uint32_t)random_below(source, seed, PARTITIONS_MAX);
    random_name(source, seed, order->currency, 3);
    order->totals.subtotal_minor = random_money(source, seed);
    order->totals.discount_minor = random_money(source, seed);
    order->totals.shipping_minor = random_money(source, seed);
    order->totals.tax_minor = random_money(source, seed);
    order->totals.tax_included_minor = random_money(source, seed);
    order->totals.total_minor = random_money(source, seed);
    random_name(source, seed, order->coupon, COUPON_CODE_MAX);
    order->coupon_version = (uint32_t)source(seed);
    random_payment(source, seed, order);
    random_units(source, seed, order->restocked);
    random_units(source, seed, order->restocking);
    random_units(source, seed, order->refunded_units);
    random_units(source, seed, order->refunding_units);
    order->timeline_count = (uint8_t)random_below(source, seed, ORDER_TIMELINE_MAX + 1);
    for (unsigned i = 0; i < order->timeline_count; i++) {
        order->timeline[i].wall_ms = random_time(source, seed);
        order->timeline[i].status = (uint8_t)random_below(source, seed, ORDER_STATUS_COUNT);
    }
    random_name(source, seed, order->carrier, CARRIER_LENGTH_MAX);
    random_name(source, seed, order->tracking, TRACKING_LENGTH_MAX);
    order->mails = (uint8_t)random_below(source, seed, 1u << ORDER_MAIL_REFUNDED);
}

/* With room for ORDER_TEXT_MAX bytes behind the record. */
static inline void random_order_body(random_source source, uint64_t *seed, struct record *record)
{
    struct order_body_record *body = &record->order_body;

    body->line_count = (uint8_t)(1 + random_below(source, seed, RESERVATION_LINES_MAX));
    for (unsigned i = 0; i < body->line_count; i++) {
        body->lines[i] = (struct order_line){
            .sku_id = (uint32_t)source(seed),
            .quantity = (uint32_t)source(seed),
            .unit_price_minor = random_money(source, seed),
            .discount_minor = random_money(source, seed),
            .tax_minor = random_money(source, seed),
            .total_minor = random_money(source, seed),
            .tax_bp = (uint32_t)source(seed),
            .tax_included = (uint8_t)random_below(source, seed, 2),
        };
    }
    body->text_length = (uint32_t)random_below(source, seed, ORDER_TEXT_MAX + 1);
    if (source(seed) % 2 != 0)
        body->text_length %= 100;
    random_bytes(source, seed, (char *)record + record_size(RECORD_ORDER_BODY, 0),
                 body->text_length);
    record->size = (record_size(RECORD_ORDER_BODY, 0) + body->text_length + 7) & ~7u;
}

static inline void random_order_person(random_source source, uint64_t *seed,
                                       struct order_person_record *person)
{
    person->key_length = (uint8_t)random_below(source, seed, WRAPPED_KEY_MAX + 1);
    random_bytes(source, seed, person->key, person->key_length);
    person->email_length = (uint16_t)random_below(source, seed, SEALED_EMAIL_MAX + 1);
    random_bytes(source, seed, person->email, person->email_length);
    person->address_length = (uint16_t)random_below(source, seed, SEALED_ADDRESS_MAX + 1);
    random_bytes(source, seed, person->address, person->address_length);
}

static inline void random_order_mail(random_source source, uint64_t *seed, struct record *record)
{
    struct order_mail_record *mail = &record->order_mail;

    mail->state = (uint8_t)random_below(source, seed, MAIL_DEAD + 1);
    mail->kind = (uint8_t)random_below(source, seed, ORDER_MAIL_KIND_COUNT);
    mail->attempts = (uint8_t)source(seed);
    if (mail->kind == ORDER_MAIL_REFUNDED)
        mail->refund = (uint8_t)random_below(source, seed, ORDER_REFUNDS_MAX);
    mail->created_wall_ms = random_time(source, seed);
    mail->next_wall_ms = random_time(source, seed);
    mail->order_created_wall_ms = random_time(source, seed);
    random_name(source, seed, mail->reason, sizeof(mail->reason) - 1);
    record->subject = order_mail_occasion((enum order_mail_kind)mail->kind, mail->refund);
}

static inline void random_order_event(random_source source, uint64_t *seed, struct record *record)
{
    if (record->kind == RECORD_EVENT_IN) {
        random_name(source, seed, record->event_in.event_id, PAYMENT_ID_MAX);
        record->event_in.provider = (uint8_t)random_below(source, seed, PROVIDER_COUNT);
        record->event_in.state = (uint8_t)random_below(source, seed, PAYMENT_STATE_COUNT);
        record->event_in.effect = (uint8_t)random_below(source, seed, EVENT_MISMATCHED + 1);
        record->event_in.order = 1 + source(seed) / 2;
        record->event_in.wall_ms = random_time(source, seed);
        random_name(source, seed, record->event_in.payment_id, PAYMENT_ID_MAX);
        random_name(source, seed, record->event_in.currency, 3);
        record->event_in.amount_minor = random_money(source, seed);
        record->event_in.captured_minor = (int64_t)source(seed);
        record->event_in.refunded_minor = random_money(source, seed);
        record->event_in.refund_failed = (uint8_t)random_below(source, seed, 2);
        return;
    }
    record->event_out.type = (uint8_t)random_below(source, seed, ORDER_STATUS_COUNT);
    record->event_out.order = 1 + source(seed) / 2;
    record->event_out.created_wall_ms = random_time(source, seed);
    record->event_out.wall_ms = random_time(source, seed);
    record->event_out.amount_minor = random_money(source, seed);
    if (random_below(source, seed, 8) == 0) {
        record->event_out.type = EVENT_OUT_SOLD_OUT;
        record->event_out.order &= UINT32_MAX;
    }
}

/* Into a zeroed record whose kind is set. */
static inline void random_order_record(random_source source, uint64_t *seed, struct record *record)
{
    bool is_placed = record->kind == RECORD_ORDER_OF || record->kind == RECORD_CHECKOUT ||
                     record->kind == RECORD_EVENT_IN;

    record->subject = is_placed ? (uint32_t)source(seed) : 0;
    record->sequence = 1 + random_below(source, seed, (1ULL << 40) - 1);
    switch ((int)record->kind) {
    case RECORD_ORDER:
        random_order(source, seed, &record->order);
        record->order.step = (uint8_t)(1 + random_below(source, seed, STEP_COUNT - 1));
        break;
    case RECORD_ORDER_PAST:
        random_order(source, seed, &record->order);
        break;
    case RECORD_ORDER_BODY:
        random_order_body(source, seed, record);
        break;
    case RECORD_ORDER_PERSON:
        random_order_person(source, seed, &record->order_person);
        break;
    case RECORD_ORDER_MAIL:
        random_order_mail(source, seed, record);
        break;
    case RECORD_ORDER_OF:
        random_bytes(source, seed, record->order_of.principal.bytes,
                     sizeof(record->order_of.principal.bytes));
        record->order_of.created_wall_ms = random_time(source, seed);
        break;
    case RECORD_CHECKOUT:
        record->checkout.key.word[0] = source(seed);
        record->checkout.key.word[1] = source(seed);
        record->checkout.sequence = 1 + random_below(source, seed, (1ULL << 40) - 1);
        record->checkout.created_wall_ms = random_time(source, seed);
        break;
    default:
        random_order_event(source, seed, record);
        break;
    }
}

#endif
