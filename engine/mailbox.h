/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox: a bounded ring of messages from one shard's thread to another's (or its own). One
 * producer, one consumer: Concurrency Kit's many-producer form spins on a descheduled producer.
 *
 * The ring is of the messages themselves. One of `n` holds n - 1, so the slot of the message taken
 * last is not written before the next one is taken: messages are read in place.
 *
 * Room. Completions are never refused: `completions_max` slots are theirs alone, a sum of what the
 * other side may have asked for. Requests and sagas are refused when `requests_max` wait. */
#ifndef STAMPEDE_MAILBOX_H
#define STAMPEDE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "messages.h"

struct mailbox;

/* Bytes for a mailbox; it lives in zeroed, 64-byte aligned memory of the caller's. */
size_t mailbox_bytes(uint32_t requests_max, uint32_t completions_max);
struct mailbox *mailbox_init(void *memory, uint32_t requests_max, uint32_t completions_max);

/* The producer: room for one message of this class, to be filled in and committed before the next
 * call; NULL if there is none. A completion's room must be there (asserted). */
struct message *mailbox_begin(struct mailbox *mailbox, enum message_class class);
void mailbox_commit(struct mailbox *mailbox);

/* The producer: copies a message. */
bool mailbox_push(struct mailbox *mailbox, const struct message *message);

/* The consumer: the next message, valid until the next call; NULL if none waits. */
struct message *mailbox_pop(struct mailbox *mailbox);

/* The consumer: how many the next pops are sure to bring; 0 only if none waits. */
uint32_t mailbox_ready(struct mailbox *mailbox);

/* The consumer: the message that `ahead` more pops bring (0: the next), to be looked at only. There
 * must be so many ready. */
const struct message *mailbox_peek(const struct mailbox *mailbox, uint32_t ahead);

#ifdef STAMPEDE_MUTANTS
/* The simulator: while held back, what waits is not seen to be ready, as when it had been written a
 * moment later than what other producers wrote. */
void mailbox_hold_back(struct mailbox *mailbox, bool held_back);
#endif

/* Messages waiting; exact for the consumer while the producer rests, a bound for others. Any
 * thread. */
uint32_t mailbox_depth(const struct mailbox *mailbox);

#endif
