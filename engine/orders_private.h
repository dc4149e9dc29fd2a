/* SPDX-License-Identifier: Apache-2.0 */
/* Between orders*.c and order_changes.c. */
#ifndef STAMPEDE_ORDERS_PRIVATE_H
#define STAMPEDE_ORDERS_PRIVATE_H

#include "orders.h"

enum {
    ORDER_PARKED_MS = 25 * 1000, /* then a call is answered without its end */
    ORDER_REPLIES_PER_TURN = 8,
};

static inline uint32_t order_slot_number(const struct orders *orders, const struct order_slot *slot)
{
    return (uint32_t)(slot - orders->slots);
}

/* ---- orders_table.c ---- */

struct order_slot *order_slot_find(struct shard *shard, uint32_t partition, uint64_t sequence);
struct order_slot *order_slot_find_key(struct shard *shard, uint32_t partition,
                                       const struct hash128 *key);
void order_slot_unlink(struct orders *orders, struct order_slot *slot);
void order_slot_link(struct orders *orders, struct order_slot *slot);
void order_slot_add_key(struct shard *shard, struct order_slot *slot);
void order_slot_remove_key(struct shard *shard, struct order_slot *slot);
void order_slot_forget(struct shard *shard, struct order_slot *slot);
struct order_slot *order_slot_take(struct shard *shard);
uint64_t order_slot_hash(const struct shard *shard, uint32_t partition, uint64_t sequence);
void order_enqueue(struct orders *orders, struct order_slot *slot, enum order_slot_queue queue);
struct order_slot *order_dequeue(struct orders *orders, struct order_list *list);

/* ---- orders_turn.c ---- */

/* What each answer to the envelope's call says. */
void order_fill_reply(struct message *reply, struct order_envelope *envelope, enum outcome outcome);
/* At once: nothing that is not durable is in it. */
void order_refuse(struct shard *shard, struct order_envelope *envelope, enum outcome outcome);
/* With the open batch: behind what it reflects. */
void order_reply(struct shard *shard, const struct order_subject *subject,
                 struct order_envelope *envelope, enum outcome outcome);
struct order_context order_context_of(struct shard *shard, const struct order_subject *subject);
/* After a turn: effects, answers that are there by now, its next step or tick. */
void order_settle(struct shard *shard, struct order_slot *slot, uint32_t records_before);

/* ---- orders_load.c ---- */

/* Body and person, of one that was restored without. False if nothing could be started. */
bool order_begin_load(struct shard *shard, struct order_slot *slot);

/* ---- order_changes.c ---- */

/* Counts and tells what has become of the order since it was last looked at; its record is in the
 * open batch. */
void order_note_changes(struct shard *shard, struct order_slot *slot);
/* A GET of this order was answered: takes the envelope's watch, if it has one and the order can
 * still change. OVERLOADED: there are too many. */
enum outcome order_watch_add(struct shard *shard, const struct order_slot *slot,
                             struct order_envelope *envelope);
/* Takes the envelope's watch out, and says in the envelope whether it was there. */
void order_watch_remove(struct shard *shard, struct order_envelope *envelope);
/* Gives back those whose change is durable. */
void order_watches_tell(struct shard *shard);

/* ---- orders_steps.c ---- */

/* The answer that came goes to the order; with a batch open. */
void order_take_answer(struct shard *shard, struct order_slot *slot);

#endif
