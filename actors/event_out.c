/* SPDX-License-Identifier: Apache-2.0 */
#include "event_out.h"

#include "order.h"

struct event_out_record *event_out_add(struct effects *effects, struct order_numbers *events,
                                       uint32_t partition, const struct moment *moment,
                                       uint8_t type)
{
    struct record *record = effects_record(effects, RECORD_FLOOR, partition, 0, 0);
    uint64_t number = events->next++;

    events->floor = events->next;
    record->subject = FLOOR_EVENTS;
    record->floor.next_sequence = events->floor;
    record = effects_record(effects, RECORD_EVENT_OUT, partition, 0, 0);
    record->sequence = number;
    record->event_out.type = type;
    record->event_out.wall_ms = moment->wall_ms;
    effects->tells = true;
    effects->tells_partition = partition;
    return &record->event_out;
}

enum event_type event_out_type(uint8_t type)
{
    return type == EVENT_OUT_SOLD_OUT ? EVENT_INVENTORY_SOLD_OUT
                                      : order_event_type((enum order_status)type);
}
