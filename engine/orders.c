/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that live: finding and serving them. How they are loaded: orders_load.c; what a turn of
 * one brings with it: orders_turn.c; what their steps ask for: orders_steps.c. */
#include "orders.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"
#include "orders_private.h"

/* ---- serving ---- */

static enum outcome replay_checkout(struct order_slot *slot, struct order_envelope *envelope)
{
    const struct order_record *order = &slot->subject.order;

    if (!hash128_equal(&order->key, &envelope->order.key))
        return OUTCOME_NOT_FOUND; /* the record that led here is of a checkout that was undone */
    if (order->fingerprint != envelope->order.fingerprint)
        return OUTCOME_KEY_REUSED;
    envelope->replayed = 1;
    return order_outcome(&slot->subject, envelope);
}

static void park(const struct shard *shard, struct order_slot *slot,
                 struct order_envelope *envelope)
{
    envelope->deadline_boot_ms = shard->now.boot_ms + ORDER_PARKED_MS;
    envelope->next = slot->parked;
    slot->parked = envelope;
}

static void make_anew(struct shard *shard, struct order_envelope *envelope);
static void look_up_event(struct shard *shard, struct order_envelope *envelope);

static void note_event(struct order_slot *slot, const struct order_envelope *envelope)
{
    if (slot->event_count >= ORDER_EVENTS_KEPT)
        slot->dropped_serial = slot->write_serial;
    slot->events[slot->event_count++ % ORDER_EVENTS_KEPT] =
        event_in_place(&envelope->event, envelope->partition);
}

/* The same event may have been taken in since it was looked for, and no record told of that. */
static bool was_taken(const struct order_slot *slot, const struct order_envelope *envelope)
{
    struct record_place place = event_in_place(&envelope->event, envelope->partition);

    for (uint32_t i = 0; i < ORDER_EVENTS_KEPT && i < slot->event_count; i++)
        if (slot->events[i].subject == place.subject && slot->events[i].sequence == place.sequence)
            return true;
    return false;
}

static bool must_look_again(const struct shard *shard, const struct order_slot *slot,
                            const struct order_envelope *envelope)
{
    return slot->dropped_serial > envelope->looked_serial ||
           shard->orders.left_serial > envelope->looked_serial;
}

/* A mail that staff want sent again must lie there: the order does not know. */
static bool mail_is_away(const struct shard *shard, const struct order_envelope *envelope)
{
    return envelope->call == ORDER_CALL_MAIL_RESULT && envelope->mail_result == MAIL_REPLAYED &&
           !mails_may_replay_order(shard, envelope);
}

/* Of an event that is taken in once more all that is known is its record: that must be the newest.
 */
static bool is_behind(const struct shard *shard, const struct order_slot *slot,
                      const struct order_envelope *envelope)
{
    return slot->write_serial > envelope->looked_serial ||
           shard->orders.left_serial > envelope->looked_serial;
}

static void serve(struct shard *shard, struct order_slot *slot, struct order_envelope *envelope)
{
    if (envelope->call == ORDER_CALL_CREATE && slot->subject.order.status == ORDER_NONE) {
        make_anew(shard, envelope);
        return;
    }
    if (envelope->call == ORDER_CALL_EVENT && !envelope->replayed) {
        if (was_taken(slot, envelope)) {
            envelope->replayed = 1;
        } else if (must_look_again(shard, slot, envelope)) {
            look_up_event(shard, envelope);
            return;
        }
    }
    if (envelope->call == ORDER_CALL_EVENT_REPLAY && is_behind(shard, slot, envelope)) {
        look_up_event(shard, envelope);
        return;
    }
    struct order_context context = order_context_of(shard, &slot->subject);
    uint32_t records_before = shard->effects.records->used;
    enum outcome outcome;

    context.event_is_known = envelope->replayed;
    if (envelope->call == ORDER_CALL_CREATE)
        outcome = replay_checkout(slot, envelope);
    else if (mail_is_away(shard, envelope))
        outcome = OUTCOME_STALE;
    else
        outcome = order_receive(&slot->subject, &context, &shard->now, envelope, &shard->effects);
    if (envelope->call == ORDER_CALL_EVENT && outcome == OUTCOME_OK && !envelope->replayed)
        note_event(slot, envelope);
    if (envelope->call == ORDER_CALL_GET && outcome == OUTCOME_OK && envelope->watch != NULL)
        outcome = order_watch_add(shard, slot, envelope);
    if (outcome == OUTCOME_PENDING)
        park(shard, slot, envelope);
    else if (MUTANT(EVENT_BEFORE_STORE) && envelope->call == ORDER_CALL_EVENT)
        order_refuse(shard, envelope, outcome);
    else
        order_reply(shard, &slot->subject, envelope, outcome);
    order_settle(shard, slot, records_before);
}

static void wait_for_load(struct order_slot *slot, struct order_envelope *envelope)
{
    envelope->next = NULL;
    if (slot->waiting_last != NULL)
        slot->waiting_last->next = envelope;
    else
        slot->waiting_first = envelope;
    slot->waiting_last = envelope;
}

/* Finds or loads the order that a call is for, and serves it. */
static void serve_by_sequence(struct shard *shard, struct order_envelope *envelope)
{
    uint32_t partition = envelope->partition;
    struct order_slot *slot = order_slot_find(shard, partition, envelope->id.sequence);

    if (slot == NULL) {
        slot = order_slot_take(shard);
        if (slot == NULL) {
            order_refuse(shard, envelope, OUTCOME_OVERLOADED);
            return;
        }
        slot->state = ORDER_SLOT_LOADED;
        slot->subject.partition = partition;
        slot->subject.sequence = envelope->id.sequence;
        index_table_add(&shard->orders.index,
                        order_slot_hash(shard, partition, envelope->id.sequence),
                        order_slot_number(&shard->orders, slot));
    }
    if (slot->state == ORDER_SLOT_LOADED && slot->waiting_first == NULL &&
        slot->subject.body == NULL && !order_begin_load(shard, slot)) {
        order_refuse(shard, envelope, OUTCOME_OVERLOADED);
        if (slot->subject.order.status == ORDER_NONE && slot->queue == ORDER_UNQUEUED)
            order_slot_forget(shard, slot);
        return;
    }
    if (slot->state == ORDER_SLOT_LOADING || slot->waiting_first != NULL)
        wait_for_load(slot, envelope);
    else
        serve(shard, slot, envelope);
}

/* ---- what a record decides about first ---- */

static void on_lookup(struct engine_read *read)
{
    struct order_lookup *lookup = (struct order_lookup *)(void *)read;
    struct orders *orders = &read->completion.shard->orders;

    lookup->next = orders->ready;
    orders->ready = lookup;
}

_Static_assert(offsetof(struct order_lookup, read) == 0, "on_lookup finds its owner by address");

static bool may_be_stored(struct shard *shard, enum record_kind kind,
                          const struct record_place *place)
{
    const struct journal_port *journal = &shard->engine->ports.journal;
    struct journal_key key = {
        .partition = place->partition, .subject = place->subject, .sequence = place->sequence};

    return journal->may_have == NULL || journal->may_have(journal->self, kind, &key);
}

static void look_up(struct shard *shard, struct order_envelope *envelope, enum record_kind kind,
                    const struct record_place *place)
{
    struct order_lookup *lookup = NULL;

    for (uint32_t i = 0; i < ORDER_LOOKUPS_MAX && lookup == NULL; i++)
        if (shard->orders.lookups[i].envelope == NULL)
            lookup = &shard->orders.lookups[i];
    if (lookup == NULL) {
        order_refuse(shard, envelope, OUTCOME_OVERLOADED);
        return;
    }
    memset(lookup, 0, sizeof(*lookup));
    lookup->read.read.kind = kind;
    lookup->read.read.from = (struct journal_key){
        .partition = place->partition, .subject = place->subject, .sequence = place->sequence};
    lookup->read.read.to = lookup->read.read.from;
    lookup->read.read.to.sequence++;
    lookup->read.read.limit = 1;
    lookup->read.done = on_lookup;
    if (engine_read_submit(shard, &lookup->read) != OUTCOME_PENDING) {
        order_refuse(shard, envelope, OUTCOME_OVERLOADED);
        return;
    }
    envelope->looked_serial = shard->serial_returned;
    lookup->envelope = envelope;
}

static void look_up_event(struct shard *shard, struct order_envelope *envelope)
{
    struct record_place place = envelope->event_place;

    if (envelope->call == ORDER_CALL_EVENT)
        place = event_in_place(&envelope->event, envelope->partition);
    place.partition = envelope->partition;
    look_up(shard, envelope, RECORD_EVENT_IN, &place);
}

/* A checkout with a key that nothing is known of. */
static void make(struct shard *shard, struct order_envelope *envelope)
{
    struct order_slot *slot = order_slot_take(shard);
    struct order_body *body =
        slot == NULL ? NULL : calloc(1, sizeof(*body) + envelope->body.text_length);

    if (body == NULL) {
        if (slot != NULL)
            order_slot_forget(shard, slot);
        order_refuse(shard, envelope, OUTCOME_OVERLOADED);
        return;
    }
    body->person = envelope->person;
    body->body = envelope->body;
    memcpy(body->text, envelope->text, envelope->body.text_length);
    slot->state = ORDER_SLOT_LOADED;
    slot->subject.partition = envelope->partition;
    slot->subject.body = body;
    uint32_t records_before = shard->effects.records->used;
    struct order_context context = order_context_of(shard, &slot->subject);
    enum outcome outcome =
        order_receive(&slot->subject, &context, &shard->now, envelope, &shard->effects);
    assert(outcome == OUTCOME_PENDING);
    (void)outcome;
    index_table_add(&shard->orders.index,
                    order_slot_hash(shard, slot->subject.partition, slot->subject.sequence),
                    order_slot_number(&shard->orders, slot));
    park(shard, slot, envelope);
    order_settle(shard, slot, records_before);
}

static void make_unknown(struct shard *shard, struct order_envelope *envelope)
{
    if (envelope->body.line_count == 0) /* only asks what its key has made */
        order_refuse(shard, envelope, OUTCOME_NOT_FOUND);
    else
        make(shard, envelope);
}

/* The order that a key led to came to nothing meanwhile: the key is free again, unless another has
 * it by now. */
static void make_anew(struct shard *shard, struct order_envelope *envelope)
{
    struct order_slot *slot = order_slot_find_key(shard, envelope->partition, &envelope->order.key);

    if (slot == NULL) {
        make(shard, envelope);
        return;
    }
    envelope->id.sequence = slot->subject.sequence;
    serve_by_sequence(shard, envelope);
}

static bool is_known_event(const struct order_envelope *envelope, const struct record *record)
{
    return record->event_in.provider == envelope->event.provider &&
           strcmp(record->event_in.event_id, envelope->event.event_id) == 0;
}

static void take_stored_event(struct order_envelope *envelope, const struct record *record)
{
    const struct event_in_record *stored = &record->event_in;

    envelope->id = (struct reservation_id){.sequence = stored->order};
    envelope->event = (struct payment_event){.provider = stored->provider,
                                             .state = stored->state,
                                             .amount_minor = stored->amount_minor,
                                             .captured_minor = stored->captured_minor,
                                             .refunded_minor = stored->refunded_minor,
                                             .refund_failed = stored->refund_failed,
                                             .effect = stored->effect,
                                             .wall_ms = stored->wall_ms};
    memcpy(envelope->event.event_id, stored->event_id, sizeof(stored->event_id));
    memcpy(envelope->event.payment_id, stored->payment_id, sizeof(stored->payment_id));
    memcpy(envelope->event.currency, stored->currency, sizeof(stored->currency));
}

static void serve_lookup(struct shard *shard, struct order_lookup *lookup)
{
    struct order_envelope *envelope = lookup->envelope;
    const struct journal_read *read = &lookup->read.read;
    uint8_t *bytes = read->result.bytes;
    const struct record *record = (const struct record *)(const void *)bytes;
    struct order_slot *slot;

    /* From here on somebody may look something up with it, also whom this serves. */
    lookup->envelope = NULL;
    lookup->read.read.result.bytes = NULL;
    if (read->failed) {
        order_refuse(shard, envelope, OUTCOME_OVERLOADED);
    } else if (envelope->call == ORDER_CALL_EVENT) {
        envelope->replayed = read->count == 1 && is_known_event(envelope, record);
        serve_by_sequence(shard, envelope);
    } else if (envelope->call == ORDER_CALL_EVENT_REPLAY && read->count == 0) {
        order_refuse(shard, envelope, OUTCOME_NOT_FOUND);
    } else if (envelope->call == ORDER_CALL_EVENT_REPLAY) {
        take_stored_event(envelope, record);
        serve_by_sequence(shard, envelope);
    } else {
        slot = order_slot_find_key(shard, envelope->partition, &envelope->order.key);
        if (slot != NULL) {
            envelope->id.sequence = slot->subject.sequence;
            serve_by_sequence(shard, envelope);
        } else if (read->count == 1 && hash128_equal(&record->checkout.key, &envelope->order.key)) {
            envelope->id.sequence = record->checkout.sequence;
            serve_by_sequence(shard, envelope);
        } else {
            make_unknown(shard, envelope);
        }
    }
    free(bytes);
}

/* One key at a time: a second request with it comes when the first has its order. */
static bool is_looked_up(const struct orders *orders, const struct order_envelope *envelope)
{
    for (uint32_t i = 0; i < ORDER_LOOKUPS_MAX; i++) {
        const struct order_envelope *other = orders->lookups[i].envelope;

        if (other != NULL && other->call == ORDER_CALL_CREATE &&
            hash128_equal(&other->order.key, &envelope->order.key))
            return true;
    }
    return false;
}

/* What a page told of it is as it was: nobody changes one. */
static void forget_event(struct shard *shard, struct order_envelope *envelope)
{
    struct record *record =
        effects_record(&shard->effects, RECORD_EVENT_IN, envelope->partition, 0, 0);

    record->operation = RECORD_DELETE;
    record->subject = envelope->event_place.subject;
    record->sequence = envelope->event_place.sequence;
    order_fill_reply(effects_message(&shard->effects, MESSAGE_REPLY, 0), envelope, OUTCOME_OK);
}

void orders_deliver(struct shard *shard, struct message *message)
{
    struct order_envelope *envelope = message->order.envelope;
    struct record_place place;
    struct order_slot *slot;

    envelope->cookie = message->cookie;
    envelope->shard = message->shard;
    envelope->partition = message->partition;
    envelope->deadline_boot_ms = message->deadline_boot_ms;
    if (envelope->call == ORDER_CALL_EVENT || envelope->call == ORDER_CALL_EVENT_REPLAY) {
        look_up_event(shard, envelope);
        return;
    }
    if (envelope->call == ORDER_CALL_UNWATCH) {
        order_watch_remove(shard, envelope);
        order_refuse(shard, envelope, OUTCOME_OK);
        return;
    }
    if (envelope->call == ORDER_CALL_EVENT_FORGET) {
        forget_event(shard, envelope);
        return;
    }
    if (envelope->call != ORDER_CALL_CREATE) {
        serve_by_sequence(shard, envelope);
        return;
    }
    slot = order_slot_find_key(shard, envelope->partition, &envelope->order.key);
    if (slot != NULL) {
        envelope->id.sequence = slot->subject.sequence;
        serve_by_sequence(shard, envelope);
    } else if (is_looked_up(&shard->orders, envelope)) {
        order_refuse(shard, envelope, OUTCOME_KEY_IN_FLIGHT);
    } else {
        place = checkout_place(&envelope->order.key, envelope->partition);
        if (may_be_stored(shard, RECORD_CHECKOUT, &place))
            look_up(shard, envelope, RECORD_CHECKOUT, &place);
        else
            make_unknown(shard, envelope);
    }
}

/* ---- what has come ---- */

/* False if the batch is full before all that waited is served. */
static bool serve_waiting(struct shard *shard, struct order_slot *slot)
{
    bool latched = atomic_load_explicit(&shard->engine->failed, memory_order_relaxed);
    uint32_t turns = slot->turns;

    while (slot->turns == turns && slot->waiting_first != NULL) {
        struct order_envelope *envelope = slot->waiting_first;

        if (!batch_has_room(shard->open))
            return false;
        slot->waiting_first = envelope->next;
        if (slot->waiting_first == NULL)
            slot->waiting_last = NULL;
        if (latched)
            order_refuse(shard, envelope, OUTCOME_OUTCOME_UNKNOWN);
        else if (slot->failed)
            order_refuse(shard, envelope, OUTCOME_OVERLOADED);
        else
            serve(shard, slot, envelope);
    }
    return true;
}

static bool serve_slot(struct shard *shard, struct order_slot *slot)
{
    uint32_t turns = slot->turns;

    if (slot->state != ORDER_SLOT_LOADED)
        return true; /* it comes again when it is */
    if (!serve_waiting(shard, slot))
        return false;
    if (slot->turns != turns)
        return true;
    if (slot->is_answered) {
        order_take_answer(shard, slot);
        return true;
    }
    order_settle(shard, slot, shard->effects.records->used);
    return true;
}

static void fire_timers(struct shard *shard)
{
    struct orders *orders = &shard->orders;
    uint32_t number;

    for (uint32_t n = 0;
         n < shard->engine->options.timers_per_step && batch_has_room(shard->open) &&
         timers_next_due(&orders->timers, shard->now.boot_ms, &number);
         n++) {
        struct order_slot *slot = &orders->slots[number];
        struct order_context context = order_context_of(shard, &slot->subject);
        uint32_t records_before = shard->effects.records->used;

        if (slot->state == ORDER_SLOT_FREE)
            continue;
        order_tick(&slot->subject, &context, &shard->now, &shard->effects);
        order_settle(shard, slot, records_before);
    }
}

void orders_run(struct shard *shard)
{
    struct orders *orders = &shard->orders;
    struct order_slot *slot;

    if (!atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        fire_timers(shard);
    while (orders->ready != NULL && batch_has_room(shard->open)) {
        struct order_lookup *lookup = orders->ready;

        orders->ready = lookup->next;
        if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
            lookup->read.read.failed = true;
        serve_lookup(shard, lookup);
    }
    while (batch_has_room(shard->open) &&
           (slot = order_dequeue(orders, &orders->to_serve)) != NULL) {
        if (!serve_slot(shard, slot)) {
            order_enqueue(orders, slot, ORDER_TO_SERVE);
            return;
        }
    }
}
