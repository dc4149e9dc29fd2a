/* SPDX-License-Identifier: Apache-2.0 */
/* The table of orders: slots, indexes, use, queues. */
#include "orders.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"
#include "orders_private.h"

void orders_init(struct orders *orders, const struct orders_memory *memory, uint32_t count,
                 int64_t now_ms)
{
    *orders = (struct orders){.slots = memory->slots,
                              .gateways = memory->gateways,
                              .lookups = memory->lookups,
                              .count = count,
                              .free = SLOT_NONE,
                              .oldest = SLOT_NONE,
                              .newest = SLOT_NONE,
                              .to_serve = {SLOT_NONE, SLOT_NONE},
                              .to_ask = {SLOT_NONE, SLOT_NONE}};
    index_table_init(&orders->index, memory->index, count);
    index_table_init(&orders->key_index, memory->key_index, count);
    timers_init(&orders->timers, memory->timers, count, now_ms);
    for (uint32_t i = 0; i < ORDER_GATEWAY_MAX; i++) {
        orders->gateways[i].next = orders->free_gateways;
        orders->free_gateways = &orders->gateways[i];
    }
}

static void free_all(struct order_envelope *envelope)
{
    while (envelope != NULL) {
        struct order_envelope *next = envelope->next;

        envelope_free(envelope);
        envelope = next;
    }
}

void orders_destroy(struct orders *orders)
{
    for (uint32_t i = 0; i < orders->fresh; i++) {
        struct order_slot *slot = &orders->slots[i];

        free_all(slot->waiting_first);
        free_all(slot->parked);
        for (unsigned n = 0; slot->load != NULL && n < ORDER_PARTS; n++)
            free(slot->load->read[n].read.result.bytes);
        free(slot->load);
        free(slot->subject.body);
    }
    for (uint32_t i = 0; i < ORDER_LOOKUPS_MAX && orders->lookups != NULL; i++) {
        if (orders->lookups[i].envelope == NULL)
            continue;
        free(orders->lookups[i].read.read.result.bytes);
        envelope_free(orders->lookups[i].envelope);
    }
}

uint64_t order_slot_hash(const struct shard *shard, uint32_t partition, uint64_t sequence)
{
    uint64_t words[2] = {partition, sequence};

    return hash_bytes(&shard->engine->table_key, words, sizeof(words));
}

static uint64_t key_hash_of(const struct shard *shard, uint32_t partition,
                            const struct hash128 *key)
{
    uint64_t words[3] = {partition, key->word[0], key->word[1]};

    return hash_bytes(&shard->engine->table_key, words, sizeof(words));
}

struct order_slot *order_slot_find(struct shard *shard, uint32_t partition, uint64_t sequence)
{
    struct orders *orders = &shard->orders;
    uint64_t hash = order_slot_hash(shard, partition, sequence);
    uint32_t cursor = 0;
    uint32_t number;

    while ((number = index_table_find(&orders->index, hash, &cursor)) != SLOT_NONE)
        if (orders->slots[number].subject.partition == partition &&
            orders->slots[number].subject.sequence == sequence)
            return &orders->slots[number];
    return NULL;
}

/* A live order that this checkout made. */
struct order_slot *order_slot_find_key(struct shard *shard, uint32_t partition,
                                       const struct hash128 *key)
{
    struct orders *orders = &shard->orders;
    uint64_t hash = key_hash_of(shard, partition, key);
    uint32_t cursor = 0;
    uint32_t number;

    while ((number = index_table_find(&orders->key_index, hash, &cursor)) != SLOT_NONE) {
        const struct order_subject *subject = &orders->slots[number].subject;

        if (subject->partition == partition && hash128_equal(&subject->order.key, key))
            return &orders->slots[number];
    }
    return NULL;
}

void order_slot_unlink(struct orders *orders, struct order_slot *slot)
{
    if (!slot->is_linked)
        return;
    if (slot->older != SLOT_NONE)
        orders->slots[slot->older].newer = slot->newer;
    else
        orders->oldest = slot->newer;
    if (slot->newer != SLOT_NONE)
        orders->slots[slot->newer].older = slot->older;
    else
        orders->newest = slot->older;
    slot->is_linked = false;
}

void order_slot_link(struct orders *orders, struct order_slot *slot)
{
    uint32_t number = order_slot_number(orders, slot);

    slot->older = orders->newest;
    slot->newer = SLOT_NONE;
    if (orders->newest != SLOT_NONE)
        orders->slots[orders->newest].newer = number;
    else
        orders->oldest = number;
    orders->newest = number;
    slot->is_linked = true;
}

void order_slot_add_key(struct shard *shard, struct order_slot *slot)
{
    const struct order_subject *subject = &slot->subject;

    if (slot->has_key)
        return;
    index_table_add(&shard->orders.key_index,
                    key_hash_of(shard, subject->partition, &subject->order.key),
                    order_slot_number(&shard->orders, slot));
    slot->has_key = true;
}

void order_slot_remove_key(struct shard *shard, struct order_slot *slot)
{
    const struct order_subject *subject = &slot->subject;

    if (!slot->has_key)
        return;
    index_table_remove(&shard->orders.key_index,
                       key_hash_of(shard, subject->partition, &subject->order.key),
                       order_slot_number(&shard->orders, slot));
    slot->has_key = false;
}

void order_slot_forget(struct shard *shard, struct order_slot *slot)
{
    struct orders *orders = &shard->orders;
    uint32_t number = order_slot_number(orders, slot);

    assert(slot->waiting_first == NULL && slot->parked == NULL && slot->reads == 0 &&
           slot->queue == ORDER_UNQUEUED);
    order_slot_remove_key(shard, slot);
    if (slot->subject.sequence != 0)
        index_table_remove(&orders->index,
                           order_slot_hash(shard, slot->subject.partition, slot->subject.sequence),
                           number);
    order_slot_unlink(orders, slot);
    timers_cancel(&orders->timers, number);
    free(slot->subject.body);
    slot->subject.body = NULL;
    slot->state = ORDER_SLOT_FREE;
    slot->turns++;
    slot->next = orders->free;
    orders->free = number;
    orders->used--;
}

static bool may_leave(const struct shard *shard, const struct order_slot *slot)
{
    return slot->state == ORDER_SLOT_LOADED && slot->waiting_first == NULL &&
           slot->parked == NULL && slot->queue == ORDER_UNQUEUED && !slot->is_asking &&
           slot->write_serial <= shard->serial_returned;
}

/* NULL if all are in use. */
struct order_slot *order_slot_take(struct shard *shard)
{
    struct orders *orders = &shard->orders;
    struct order_slot *slot;

    for (uint32_t i = orders->oldest;
         orders->free == SLOT_NONE && orders->fresh == orders->count && i != SLOT_NONE;
         i = orders->slots[i].newer) {
        if (may_leave(shard, &orders->slots[i])) {
            if (orders->left_serial < orders->slots[i].write_serial)
                orders->left_serial = orders->slots[i].write_serial;
            order_slot_forget(shard, &orders->slots[i]);
            break;
        }
    }
    if (orders->free != SLOT_NONE) {
        slot = &orders->slots[orders->free];
        orders->free = slot->next;
    } else if (orders->fresh < orders->count) {
        slot = &orders->slots[orders->fresh++];
    } else {
        return NULL;
    }
    orders->used++;
    uint32_t turns = slot->turns;
    memset(slot, 0, sizeof(*slot));
    slot->turns = turns;
    return slot;
}

/* ---- queues ---- */

void order_enqueue(struct orders *orders, struct order_slot *slot, enum order_slot_queue queue)
{
    struct order_list *list = queue == ORDER_TO_SERVE ? &orders->to_serve : &orders->to_ask;
    uint32_t number = order_slot_number(orders, slot);

    if (slot->queue != ORDER_UNQUEUED)
        return;
    slot->queue = (uint8_t)queue;
    slot->next = SLOT_NONE;
    if (list->last != SLOT_NONE)
        orders->slots[list->last].next = number;
    else
        list->first = number;
    list->last = number;
}

struct order_slot *order_dequeue(struct orders *orders, struct order_list *list)
{
    struct order_slot *slot;

    if (list->first == SLOT_NONE)
        return NULL;
    slot = &orders->slots[list->first];
    list->first = slot->next;
    if (list->first == SLOT_NONE)
        list->last = SLOT_NONE;
    slot->queue = ORDER_UNQUEUED;
    return slot;
}

bool orders_have_work(const struct shard *shard)
{
    return shard->orders.to_serve.first != SLOT_NONE || shard->orders.ready != NULL;
}
