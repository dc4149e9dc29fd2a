/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway tells by itself. */
#include <stdio.h>
#include <string.h>

#include "gateway.h"
#include "shoppers.h"
#include "violation.h"
#include "world.h"

enum {
    RECENT_EVENTS = 12,
    NO_EFFECT = EVENT_MISMATCHED + 1,
};

static struct sim_event *new_event(struct world *world, uint32_t index)
{
    struct sim_gateway *gateway = &world->gateway;
    const struct sim_payment *payment = &gateway->payments[index];
    struct sim_event *event = &gateway->events[gateway->event_count];

    if (gateway->event_count == SIM_EVENTS_MAX)
        violation("the gateway has too many events: the simulator is too small");
    *event = (struct sim_event){.payment = index, .order = payment->order, .effect = NO_EFFECT};
    event->event.provider = payment->provider;
    event->event.state = payment->state;
    event->event.amount_minor = payment->amount_minor;
    event->event.captured_minor = payment->captured_minor;
    memcpy(event->event.currency, payment->currency, sizeof(event->event.currency));
    memcpy(event->event.payment_id, payment->id, sizeof(event->event.payment_id));
    snprintf(event->event.event_id, sizeof(event->event.event_id), "evt_%u",
             gateway->event_count++);
    return event;
}

void sim_events_add(struct world *world, uint32_t payment)
{
    new_event(world, payment);
}

void sim_events_add_refund(struct world *world, uint32_t index)
{
    struct sim_event *event = new_event(world, index);

    event->event.state = PAYMENT_NONE;
    event->event.refunded_minor = world->gateway.payments[index].refunded_minor;
    event->event.told_wall_ms = world_wall_ms(world);
}

/* Of a payment as it might be, but of another amount, currency or payment. */
void sim_events_add_false(struct world *world)
{
    struct sim_gateway *gateway = &world->gateway;
    uint32_t recent = gateway->payment_count < 8 ? gateway->payment_count : 8;
    struct sim_event *event;

    if (recent == 0 || gateway->event_count >= SIM_EVENTS_MAX / 2)
        return;
    event = new_event(world, gateway->payment_count - 1 - sim_random_below(&world->random, recent));
    if (!sim_gateway_is_payable(world, event->payment)) { /* its order knows of none yet */
        gateway->event_count--;
        return;
    }
    event->is_false = true;
    event->event.state = sim_random_chance(&world->random, 400000)   ? PAYMENT_AUTHORISED
                         : sim_random_chance(&world->random, 800000) ? PAYMENT_CAPTURED
                                                                     : PAYMENT_CANCELLED;
    event->event.captured_minor =
        event->event.state == PAYMENT_CAPTURED ? event->event.amount_minor : 0;
    switch (sim_random_below(&world->random, 4)) {
    case 0:
        event->event.amount_minor--;
        event->event.captured_minor -= event->event.captured_minor > 0;
        break;
    case 1:
        memcpy(event->event.currency, "XTS", 4);
        break;
    case 2:
        event->event.payment_id[0] = 'x';
        break;
    default:
        event->event.provider = PROVIDER_PAYPAL;
    }
}

uint32_t sim_events_open(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->gateway.event_count; i++)
        count += !world->gateway.events[i].is_acknowledged;
    return count;
}

void sim_events_restart(struct world *world)
{
    for (uint32_t i = 0; i < world->gateway.event_count; i++)
        world->gateway.events[i].open = 0;
}

/* One that was not acknowledged, or once in a while one that was. */
void sim_events_tell(struct world *world)
{
    struct sim_gateway *gateway = &world->gateway;
    bool any = world->phase != PHASE_HEAL && sim_random_chance(&world->random, 200000);
    uint32_t recent = gateway->event_count < RECENT_EVENTS ? gateway->event_count : RECENT_EVENTS;
    uint32_t index = NONE;

    if (recent == 0)
        return;
    if (any) {
        index = gateway->event_count - 1 - sim_random_below(&world->random, recent);
    } else {
        uint32_t skip = sim_random_below(&world->random, recent);

        for (uint32_t i = gateway->event_count; i > 0; i--) {
            if (gateway->events[i - 1].is_acknowledged || gateway->events[i - 1].open > 0)
                continue;
            index = i - 1;
            if (skip-- == 0)
                break;
        }
    }
    if (index == NONE)
        return;
    if (any && gateway->events[index].effect != NO_EFFECT &&
        sim_random_chance(&world->random, 500000))
        shoppers_replay_event(world, index);
    else
        shoppers_tell_event(world, index);
}

/* Its order may have two, if a call had no answer: then it knows one of them. */
static bool is_only_payment(const struct world *world, const struct sim_event *event)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->gateway.payment_count; i++)
        count +=
            memcmp(&world->gateway.payments[i].order, &event->order, sizeof(event->order)) == 0;
    return count == 1;
}

/* What had its effect keeps it; what had none may have it when it is taken in again. */
static void check_effect(const struct sim_event *event, const struct event_in_record *stored)
{
    bool may_change = event->is_replayed && event->effect != EVENT_APPLIED;

    if (event->effect == NO_EFFECT)
        return;
    if (event->wall_ms != stored->wall_ms || (event->effect != stored->effect && !may_change))
        violation("I3: an event had an effect for the second time");
}

void sim_events_replayed(struct world *world, uint32_t index, enum outcome outcome,
                         const struct order_envelope *answer, bool was_applied)
{
    struct sim_event *event = &world->gateway.events[index];
    struct record_place place = event_in_place(&event->event, event->order.partition);
    struct record *record = &world->shoppers.record;

    event->open--;
    if (outcome != OUTCOME_OK)
        return;
    if (!journal_memory_find(world->journal, RECORD_EVENT_IN, place.partition, place.subject,
                             place.sequence, record) ||
        record->event_in.order != answer->id.sequence)
        violation("an event was taken in again that is not stored");
    if (event->is_false && record->event_in.effect != EVENT_MISMATCHED)
        violation("an event of another amount, currency or payment counts the second time");
    if (was_applied && !answer->replayed)
        violation("I3: an event that had its effect had it again");
    check_effect(event, &record->event_in);
    world_mark(world, MARK_EVENT_REPLAYED);
    event->effect = record->event_in.effect;
}

/* What is stored of it is what the first delivery did; no other does anything. */
void sim_events_answered(struct world *world, uint32_t index, enum outcome outcome)
{
    struct sim_event *event = &world->gateway.events[index];
    struct record_place place = event_in_place(&event->event, event->order.partition);
    struct record *record = &world->shoppers.record;

    event->open--;
    if (outcome == OUTCOME_NOT_FOUND) {
        event->is_acknowledged = true;
        event->is_of_nobody = true;
        shoppers_not_found(world, &event->order);
        return;
    }
    if (outcome != OUTCOME_OK)
        return;
    if (!journal_memory_find(world->journal, RECORD_EVENT_IN, place.partition, place.subject,
                             place.sequence, record) ||
        strcmp(record->event_in.event_id, event->event.event_id) != 0 ||
        record->event_in.order != event->order.sequence)
        violation("I3: an event was acknowledged and is not stored");
    if (event->is_false && record->event_in.effect != EVENT_MISMATCHED)
        violation("an event of another amount, currency or payment counts");
    if (!event->is_false && record->event_in.effect == EVENT_MISMATCHED &&
        !world->gateway.payments[event->payment].pays_less && is_only_payment(world, event))
        violation("an event of the gateway's own payment is taken for false");
    check_effect(event, &record->event_in);
    if (event->effect != NO_EFFECT)
        world_mark(world, MARK_EVENT_AGAIN);
    else if (record->event_in.effect == EVENT_APPLIED)
        world_mark(world, MARK_EVENT_APPLIED);
    else if (record->event_in.effect == EVENT_MISMATCHED)
        world_mark(world, MARK_EVENT_FALSE);
    event->effect = record->event_in.effect;
    event->wall_ms = record->event_in.wall_ms;
    event->is_acknowledged = true;
}
