/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_body.h"

#include <string.h>

#include "api/order_view.h"

void event_id_write(const struct engine *engine, const struct event_out *event,
                    char id_out[RESERVATION_ID_LENGTH + 1])
{
    const struct reservation_id id = {.created_ms = event->wall_ms,
                                      .sequence = event->sequence,
                                      .partition = event->order.partition};

    event_id_format(&id, &engine_secrets(engine)->id_key, id_out);
}

/* Takes back what came after the event. */
static void take_back(struct order_record *order, const struct event_out *event)
{
    unsigned count = order->timeline_count;

    order->status = event->status;
    while (count > 0 && (order->timeline[count - 1].status != event->status ||
                         order->timeline[count - 1].wall_ms != event->wall_ms))
        count--;
    if (count > 0) /* else it made no entry: a further refund in part */
        order->timeline_count = (uint8_t)count;
    if (event->type != EVENT_ORDER_CREATED)
        return;
    order->payment_state = order->payment_id[0] != '\0' ? PAYMENT_CREATED : PAYMENT_NONE;
    order->captured_minor = 0;
    order->refunded_minor = 0;
    order->refund_count = 0;
}

static void write_stub(struct writer *writer, const struct engine *engine,
                       const struct event_out *event)
{
    char id[RESERVATION_ID_LENGTH + 1];

    order_id_format(&event->order, &engine_secrets(engine)->id_key, id);
    write_literal(writer, "{\"id\":\"");
    write_bytes(writer, id, RESERVATION_ID_LENGTH);
    write_literal(writer, "\",\"status\":\"");
    write_text(writer, order_status_name((enum order_status)event->status));
    write_literal(writer, "\"}");
}

static void write_sku(struct writer *writer, const struct api_shard *shard,
                      const struct event_out *event)
{
    const struct sku_entry *sku =
        directory_find_sku_id(shard_directory(shard->shard), event->sku_id);
    const struct product_entry *product = sku == NULL ? NULL : sku->product;

    write_literal(writer, "{\"sku\":");
    if (product != NULL) { /* none is ever removed */
        write_json_string(writer, sku->sku, sku->sku_length);
        write_literal(writer, ",\"product_id\":");
        write_json_string(writer, product->id, strlen(product->id));
    } else {
        write_literal(writer, "null,\"product_id\":null");
    }
    write_byte(writer, '}');
}

void event_body_write(struct writer *writer, struct api_shard *shard, struct event_out *event)
{
    write_literal(writer, "{\"type\":\"");
    write_text(writer, event_type_name((enum event_type)event->type));
    write_literal(writer, "\",\"timestamp\":");
    write_json_time(writer, event->wall_ms);
    write_literal(writer, ",\"data\":");
    if (event->type == EVENT_INVENTORY_SOLD_OUT) {
        write_sku(writer, shard, event);
    } else if (event->content == NULL) {
        write_stub(writer, shard->api->engine, event);
    } else {
        take_back(&event->content->order, event);
        write_order(writer, shard, event->content, ORDER_SHAPE_EVENT);
    }
    if (event->type == EVENT_ORDER_REFUNDED) {
        write_literal(writer, ",\"refund\":{\"amount_minor\":");
        write_signed(writer, event->amount_minor);
        write_byte(writer, '}');
    }
    write_byte(writer, '}');
}
