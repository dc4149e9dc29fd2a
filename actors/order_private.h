/* SPDX-License-Identifier: Apache-2.0 */
/* The order actor's own; included by order*.c only. */
#ifndef STAMPEDE_ORDER_PRIVATE_H
#define STAMPEDE_ORDER_PRIVATE_H

#include "mutants.h"
#include "order.h"

/* What one turn works with. */
struct order_turn {
    struct order_subject *subject;
    const struct order_context *context;
    const struct moment *moment;
    struct effects *effects;
    bool was_past; /* when it began */
};

/* ---- order.c ---- */

void order_begin_step(const struct order_turn *turn, enum order_step step);
/* Moves it, enters that in the timeline, and tells the outside. */
void order_set_status(const struct order_turn *turn, enum order_status status);
/* Its record as it is now. */
void order_persist(const struct order_turn *turn);
/* The gateway will pay, or has: on to the pin. */
void order_is_paid(const struct order_turn *turn, enum payment_state state, int64_t captured_minor);
/* It is to end as `goal`: what is authorised goes back, then hold and coupon. */
void order_give_up(const struct order_turn *turn, enum order_status goal);
/* Adds a refund and asks for it. */
void order_begin_refund(const struct order_turn *turn, int64_t amount_minor, uint64_t key,
                        bool restocks);

/* The gateway says that so much went back in all. False: that is known. */
bool order_was_refunded_elsewhere(const struct order_turn *turn, int64_t refunded_minor);

/* The next order's. */
uint64_t order_take_number(const struct order_turn *turn);

/* ---- order_mail.c ---- */

/* A mail is owed, if it has a way and was not owed before: with the open batch. */
void order_owe_mail(const struct order_turn *turn, enum order_mail_kind kind, unsigned refund);
enum outcome order_mail_result(const struct order_turn *turn,
                               const struct order_envelope *envelope);

/* ---- order_calls.c ---- */

enum outcome order_take_event(const struct order_turn *turn, struct payment_event *event);

#endif
