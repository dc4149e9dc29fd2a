/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_delivery.h"

#include "codec_run.h"
#include "order_state.h"

static void run_delivery(struct run *run, struct delivery_record *delivery)
{
    struct delivery_event *event = &delivery->event;

    run_8(run, &event->type, EVENT_TYPE_COUNT - 1);
    run_8(run, &event->status, ORDER_STATUS_COUNT - 1);
    run_64(run, &event->order);
    run_time(run, &event->created_wall_ms);
    run_time(run, &event->wall_ms);
    run_money(run, &event->amount_minor);
    run_8(run, &delivery->state, DELIVERY_STATE_COUNT - 1);
    run_8(run, &delivery->attempts, DELIVERY_ATTEMPTS_MAX);
    delivery->response = (uint16_t)run_number(run, delivery->response, 2, 999);
    run_time(run, &delivery->attempted_wall_ms);
    run_time(run, &delivery->next_wall_ms);
    run_text(run, delivery->reason, sizeof(delivery->reason));
}

size_t codec_delivery_pack(const struct delivery_record *delivery, uint8_t *bytes_out,
                           size_t capacity)
{
    struct run run = {.at = bytes_out, .end = bytes_out + capacity};

    /* The walk writes to fields only what it read from them. */
    run_delivery(&run, (struct delivery_record *)(uintptr_t)delivery);
    return (size_t)(run.at - bytes_out);
}

bool codec_delivery_unpack(const uint8_t *bytes, size_t length,
                           struct delivery_record *delivery_out)
{
    struct run run = {.at = (uint8_t *)(uintptr_t)bytes, .end = bytes + length, .reads = true};

    run_delivery(&run, delivery_out);
    return !run.failed && run.at == run.end;
}
