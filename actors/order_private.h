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

/* The gateway will pay, or has: on to the pin. */
void order_is_paid(const struct order_turn *turn, enum payment_state state, int64_t captured_minor);
/* It is to end as `goal`: what is authorised goes back, then hold and coupon. */
void order_give_up(const struct order_turn *turn, enum order_status goal);

/* ---- order_turn.c ---- */

void order_begin_step(const struct order_turn *turn, enum order_step step);
/* Moves it, enters that in the timeline, and tells the outside. */
void order_set_status(const struct order_turn *turn, enum order_status status);
/* Its record as it is now. */
void order_persist(const struct order_turn *turn);
/* The outside learns of it, by an event with the next number. */
void order_tell(const struct order_turn *turn, enum order_status what, int64_t amount_minor);
/* The same step again, a little later each time: the gateway gave no word yet, or could not. */
void order_try_later(const struct order_turn *turn, uint32_t retry_after_s);
void order_try_later_within(const struct order_turn *turn, int64_t delay_ms_max,
                            uint32_t retry_after_s);

/* The next order's. */
uint64_t order_take_number(const struct order_turn *turn);

/* ---- order_refund.c ---- */

enum { PARTITION_RETRY_MS_MAX = 1000 }; /* one of our own was only busy */

/* How many refunds may still be added. */
uint32_t order_refund_room(const struct order_record *order);
/* Adds a refund, for which there is room, and asks for it. */
void order_begin_refund(const struct order_turn *turn, int64_t amount_minor, uint64_t key,
                        bool restocks);
void order_refund_answered(const struct order_turn *turn, const struct order_answer *answer);
void order_restock_answered(const struct order_turn *turn, enum outcome outcome);
/* A confirmed order's status, by what has gone back. */
void order_show_refunded(const struct order_turn *turn);

enum refund_word {
    REFUND_WORD_KNOWN,  /* nothing new */
    REFUND_WORD_BOOKED, /* or noted as what somebody should look at */
    REFUND_WORD_EARLY,  /* what it is about is being asked for right now */
};

/* The gateway tells by itself that so much went back in all, at `told_wall_ms` by its clock. */
enum refund_word order_take_refund_word(const struct order_turn *turn, int64_t refunded_minor,
                                        int64_t told_wall_ms);

/* ---- order_mail.c ---- */

/* A mail is owed, if it has a way and was not owed before: with the open batch. */
void order_owe_mail(const struct order_turn *turn, enum order_mail_kind kind, unsigned refund);
enum outcome order_mail_result(const struct order_turn *turn,
                               const struct order_envelope *envelope);

/* ---- order_staff.c ---- */

/* On to `status`, if it may follow and nothing is under way. */
enum outcome order_move(const struct order_turn *turn, enum order_status status);
enum outcome order_fulfil(const struct order_turn *turn, const struct order_envelope *envelope);
enum outcome order_refund_by_staff(const struct order_turn *turn, struct order_envelope *envelope);
/* What has become of the refund with that key; PENDING: nothing yet. */
enum outcome order_refund_outcome(const struct order_record *order, uint64_t key);
enum outcome order_acknowledge(const struct order_turn *turn,
                               const struct order_envelope *envelope);
/* Enters in the audit log what staff has just done, if it is something that is entered there. */
void order_enter_act(const struct order_turn *turn, const struct order_envelope *envelope,
                     enum order_status before, enum event_effect effect_before);

/* ---- order_events.c ---- */

/* Applies an event and records it, unless the context says that it is known. OVERLOADED: not now,
 * it is to be told again. */
enum outcome order_take_event(const struct order_turn *turn, struct payment_event *event);
/* The same of one that is recorded, and may not have had its effect. */
enum outcome order_replay_event(const struct order_turn *turn, struct order_envelope *envelope);

#endif
