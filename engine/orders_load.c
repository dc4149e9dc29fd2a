/* SPDX-License-Identifier: Apache-2.0 */
/* How an order comes from its records: read when it is needed, or taken in at the start. */
#include "orders.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"
#include "orders_private.h"

/* ---- loading ---- */

static void take_in(struct order_subject *subject, const struct order_load *load)
{
    const struct journal_read *order = &load->read[0].read;
    const struct journal_read *body = &load->read[1].read;
    const struct journal_read *person = &load->read[2].read;
    const struct record *record;

    if (subject->order.status == ORDER_NONE && order->count == 1)
        order_load(subject, (const struct record *)(const void *)order->result.bytes);
    if (body->count != 1 || subject->order.status == ORDER_NONE)
        return;
    record = (const struct record *)(const void *)body->result.bytes;
    subject->body = calloc(1, sizeof(*subject->body) + record->order_body.text_length);
    if (subject->body == NULL)
        return;
    subject->body->body = record->order_body;
    memcpy(subject->body->text, (const char *)record + record_size(RECORD_ORDER_BODY, 0),
           record->order_body.text_length);
    if (person->count == 1)
        subject->body->person =
            ((const struct record *)(const void *)person->result.bytes)->order_person;
}

static void on_read(struct engine_read *read)
{
    struct order_slot *slot = read->user;
    struct shard *shard = read->completion.shard;

    assert(slot->state == ORDER_SLOT_LOADING && slot->reads > 0);
    slot->failed = slot->failed || read->read.failed;
    if (--slot->reads > 0)
        return;
    if (!slot->failed)
        take_in(&slot->subject, slot->load);
    slot->timeline_seen = slot->subject.order.timeline_count;
    slot->attention = slot->subject.order.attention;
    if (slot->subject.order.status != ORDER_NONE && slot->subject.body == NULL)
        slot->failed = true;
    for (unsigned i = 0; i < ORDER_PARTS; i++)
        free(slot->load->read[i].read.result.bytes);
    free(slot->load);
    slot->load = NULL;
    slot->state = ORDER_SLOT_LOADED;
    order_enqueue(&shard->orders, slot, ORDER_TO_SERVE);
}

static bool begin_read(struct shard *shard, struct order_slot *slot, unsigned which,
                       enum record_kind kind)
{
    struct engine_read *read = &slot->load->read[which];

    read->read.kind = kind;
    read->read.from = (struct journal_key){.partition = slot->subject.partition,
                                           .sequence = slot->subject.sequence};
    read->read.to = read->read.from;
    read->read.to.sequence++;
    read->read.limit = 1;
    read->done = on_read;
    read->user = slot;
    if (engine_read_submit(shard, read) != OUTCOME_PENDING)
        return false;
    slot->reads++;
    return true;
}

bool order_begin_load(struct shard *shard, struct order_slot *slot)
{
    static const enum record_kind kinds[ORDER_PARTS] = {RECORD_ORDER_PAST, RECORD_ORDER_BODY,
                                                        RECORD_ORDER_PERSON};

    slot->load = calloc(1, sizeof(*slot->load));
    if (slot->load == NULL)
        return false;
    slot->state = ORDER_SLOT_LOADING;
    slot->reads = 0;
    slot->failed = false;
    for (unsigned i = 0; i < ORDER_PARTS; i++) {
        if (begin_read(shard, slot, i, kinds[i]))
            continue;
        if (slot->reads > 0) {
            slot->failed = true; /* those that were begun come back all the same */
            return true;
        }
        free(slot->load);
        slot->load = NULL;
        slot->state = ORDER_SLOT_LOADED;
        return false;
    }
    return true;
}

/* ---- the start ---- */

bool orders_restore(struct shard *shard, const struct moment *now, const struct record *record)
{
    struct order_slot *slot = order_slot_take(shard);
    struct order_subject *subject;
    int64_t given_ms;
    int64_t left_ms;

    if (slot == NULL)
        return false;
    subject = &slot->subject;
    slot->state = ORDER_SLOT_LOADED;
    order_load(subject, record);
    slot->timeline_seen = subject->order.timeline_count;
    slot->attention = subject->order.attention;
    /* As for holds: no more than it was given at first, wherever the wall clock stands. */
    given_ms = subject->order.expires_wall_ms - subject->order.created_wall_ms;
    left_ms = subject->order.expires_wall_ms - now->wall_ms;
    if (left_ms > given_ms)
        left_ms = given_ms;
    if (left_ms > (int64_t)HOLD_TTL_MS_MAX)
        left_ms = HOLD_TTL_MS_MAX;
    subject->expires_boot_ms = now->boot_ms + (left_ms > 0 ? left_ms : 0);
    index_table_add(&shard->orders.index,
                    order_slot_hash(shard, subject->partition, subject->sequence),
                    order_slot_number(&shard->orders, slot));
    order_slot_add_key(shard, slot);
    if (!MUTANT(STEP_FORGOTTEN))
        order_enqueue(&shard->orders, slot, ORDER_TO_SERVE);
    return true;
}
