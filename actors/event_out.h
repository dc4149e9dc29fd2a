/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the outside: an actor writes what happened as one more of its partition's events, in the
 * batch of its cause; engine/events_out.h tells it on. */
#ifndef STAMPEDE_EVENT_OUT_H
#define STAMPEDE_EVENT_OUT_H

#include "effects.h"
#include "records.h"

/* Numbers that are given once. Up to `floor` they are taken from what is durable: after a restart
 * it goes on from there. Events are numbered without gaps (but for a restored store's jump), so
 * that one that is missing is noticed: their floor moves with each. */
struct order_numbers {
    uint64_t next;  /* from 1 */
    uint64_t floor; /* exclusive */
};

/* Writes an event of this record type, with the next number and the time; the caller fills in what
 * it happened to. */
struct event_out_record *event_out_add(struct effects *effects, struct order_numbers *events,
                                       uint32_t partition, const struct moment *moment,
                                       uint8_t type);

/* What the outside is told by a stored event of this type: an enum order_status (but NONE), or
 * EVENT_OUT_SOLD_OUT. */
enum event_type event_out_type(uint8_t type);

#endif
