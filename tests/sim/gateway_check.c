/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's books at the end: each payment adds up, and is what its order's record says. */
#include <string.h>

#include "gateway.h"
#include "shoppers.h"
#include "violation.h"
#include "world.h"

/* What was entered, added up from the beginning, is what the payment shows. */
static void check_transfers(const struct world *world, uint32_t index)
{
    const struct sim_gateway *gateway = &world->gateway;
    const struct sim_payment *payment = &gateway->payments[index];
    int64_t balance[MONEY_ACCOUNTS] = {0};

    for (uint32_t i = 0; i < gateway->transfer_count; i++) {
        const struct sim_transfer *transfer = &gateway->transfers[i];

        if (transfer->payment != index)
            continue;
        balance[transfer->source] -= transfer->amount_minor;
        balance[transfer->target] += transfer->amount_minor;
    }
    if (balance[MONEY_SHOP] != payment->captured_minor - payment->refunded_minor ||
        balance[MONEY_AUTHORISED] !=
            (payment->state == PAYMENT_AUTHORISED ? payment->authorised_minor : 0) ||
        balance[MONEY_CUSTOMERS] != -balance[MONEY_SHOP] - balance[MONEY_AUTHORISED])
        violation("the gateway's books of %s do not add up", payment->id);
}

/* It was created for a checkout that was undone, or twice as nobody knew: nobody can pay it. */
static void check_orphan(const struct sim_payment *payment)
{
    if (payment->captured_minor != 0 || payment->authorised_minor != payment->voided_minor)
        violation("I4: %s of no order has %lld authorised and %lld captured", payment->id,
                  (long long)payment->authorised_minor, (long long)payment->captured_minor);
}

static void check_payment(struct world *world, uint32_t index)
{
    const struct sim_payment *payment = &world->gateway.payments[index];
    struct record *record = &world->shoppers.record;
    const struct order_record *order = &record->order;

    check_transfers(world, index);
    if (!journal_memory_find(world->journal, RECORD_ORDER_PAST, payment->order.partition, 0,
                             payment->order.sequence, record) ||
        order->created_wall_ms != payment->order.created_ms ||
        strcmp(order->payment_id, payment->id) != 0) {
        check_orphan(payment);
        return;
    }
    if (payment->state != PAYMENT_CAPTURED && payment->state != PAYMENT_CANCELLED)
        violation("I4: an order has ended as %s, and its payment %s is %s still",
                  order_status_name((enum order_status)order->status), payment->id,
                  payment_state_name((enum payment_state)payment->state));
    if (payment->captured_minor != order->captured_minor ||
        payment->refunded_minor != order->refunded_minor)
        violation("I4: of %s %lld are captured and %lld refunded, its order says %lld and %lld",
                  payment->id, (long long)payment->captured_minor,
                  (long long)payment->refunded_minor, (long long)order->captured_minor,
                  (long long)order->refunded_minor);
    if ((order->status == ORDER_CANCELLED || order->status == ORDER_EXPIRED ||
         order->status == ORDER_PAYMENT_FAILED) &&
        payment->captured_minor != payment->refunded_minor)
        violation("I4: an order has ended as %s, and %lld of %s are kept",
                  order_status_name((enum order_status)order->status),
                  (long long)(payment->captured_minor - payment->refunded_minor), payment->id);
    if (payment->is_race) {
        world_mark(world, MARK_EXPIRY_RACE);
        world_mark(world, order->confirmed_wall_ms != 0 ? MARK_RACE_WON : MARK_RACE_LOST);
    }
}

void sim_gateway_check(struct world *world)
{
    for (uint32_t i = 0; i < world->gateway.payment_count; i++) {
        check_payment(world, i);
        world->gateway.payments[i].is_race = false; /* counted */
    }
}
