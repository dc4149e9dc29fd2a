/* SPDX-License-Identifier: Apache-2.0 */
/* Any webhook on its way, for tests of codec and journal. */
#ifndef STAMPEDE_RANDOM_DELIVERY_H
#define STAMPEDE_RANDOM_DELIVERY_H

#include "random_account.h"
#include "records.h"

/* Into a zeroed record whose kind is set. */
static inline void random_delivery_record(random_source source, uint64_t *seed,
                                          struct record *record)
{
    struct delivery_record *delivery = &record->delivery;

    record->subject = 1 + (uint32_t)random_below(source, seed, 1000);
    record->sequence = 1 + random_below(source, seed, (1ULL << 40) - 1);
    delivery->event = (struct delivery_event){
        .type = (uint8_t)random_below(source, seed, EVENT_TYPE_COUNT),
        .status = (uint8_t)random_below(source, seed, ORDER_STATUS_COUNT),
        .order = random_below(source, seed, 1ULL << 40),
        .created_wall_ms = (int64_t)random_below(source, seed, 1ULL << 44),
        .wall_ms = (int64_t)random_below(source, seed, 1ULL << 44),
        .amount_minor = (int64_t)random_below(source, seed, 1ULL << 62),
    };
    if (delivery->event.type != EVENT_ENDPOINT_TEST)
        delivery->event.order++;
    if (delivery->event.type == EVENT_INVENTORY_SOLD_OUT)
        delivery->event.order &= UINT32_MAX;
    delivery->state = (uint8_t)(record->kind - RECORD_DELIVERY);
    delivery->attempts = (uint8_t)random_below(source, seed, DELIVERY_ATTEMPTS_MAX + 1);
    delivery->response = (uint16_t)random_below(source, seed, 1000);
    delivery->attempted_wall_ms = (int64_t)random_below(source, seed, 1ULL << 44);
    delivery->next_wall_ms = (int64_t)random_below(source, seed, 1ULL << 44);
    for (uint64_t i = random_below(source, seed, DELIVERY_REASON_MAX + 1); i > 0; i--)
        delivery->reason[i - 1] = (char)('a' + random_below(source, seed, 26));
}

#endif
