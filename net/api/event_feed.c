/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_feed.h"

#include <stdlib.h>
#include <string.h>

#include "api/event_body.h"
#include "outbound/feed.h"

enum { RETRY_MS = 100 };

/* A batch on its way: what its entries point to is in `text`. */
struct delivery {
    struct feed_batch batch; /* first: the feed brings it back */
    struct event_batch *events;
    struct writer text;
    struct feed_entry entries[EVENTS_PER_BATCH_MAX];
    char ids[EVENTS_PER_BATCH_MAX][RESERVATION_ID_LENGTH + 1];
    char subjects[EVENTS_PER_BATCH_MAX][SKU_LENGTH_MAX + 1];
};

/* The feed's thread. */
static void on_done(struct feed_batch *batch)
{
    struct delivery *delivery = (struct delivery *)(void *)batch;
    struct event_batch *events = delivery->events;

    events->done_count = batch->is_done ? events->count : 0;
    events->retry_ms = RETRY_MS;
    writer_free(&delivery->text);
    free(delivery);
    events->done(events);
}

_Static_assert(offsetof(struct delivery, batch) == 0, "on_done finds its owner by address");

_Static_assert((int)RESERVATION_ID_LENGTH <= (int)SKU_LENGTH_MAX, "a subject is an order or a SKU");

static void write_subject(const struct api_shard *shard, const struct event_out *event,
                          char text_out[SKU_LENGTH_MAX + 1])
{
    const struct sku_entry *sku;

    if (event->type == EVENT_INVENTORY_SOLD_OUT) {
        sku = directory_find_sku_id(shard_directory(shard->shard), event->sku_id);
        if (sku != NULL) /* none is ever removed */
            memcpy(text_out, sku->sku, sku->sku_length);
        return;
    }
    order_id_format(&event->order, &engine_secrets(shard->api->engine)->id_key, text_out);
}

/* False without memory. */
static bool write_entries(struct delivery *delivery, struct api_shard *shard)
{
    const struct engine *engine = shard->api->engine;
    struct event_batch *events = delivery->events;
    size_t starts[EVENTS_PER_BATCH_MAX];

    for (uint32_t i = 0; i < events->count; i++) {
        starts[i] = writer_length(&delivery->text);
        event_body_write(&delivery->text, shard, &events->events[i]);
        write_byte(&delivery->text, '\0');
    }
    if (delivery->text.failed)
        return false;
    for (uint32_t i = 0; i < events->count; i++) {
        const struct event_out *event = &events->events[i];

        event_id_write(engine, event, delivery->ids[i]);
        write_subject(shard, event, delivery->subjects[i]);
        delivery->entries[i] =
            (struct feed_entry){.sequence = event->sequence,
                                .id = delivery->ids[i],
                                .type = event_type_name((enum event_type)event->type),
                                .field = event->type == EVENT_INVENTORY_SOLD_OUT ? "sku" : "order",
                                .subject = delivery->subjects[i],
                                .data = delivery->text.start + starts[i]};
    }
    return true;
}

static bool take(void *self, struct shard *shard, struct event_batch *events)
{
    struct event_feed *event_feed = self;
    struct delivery *delivery;

    if (!feed_is_ready(event_feed->feed))
        return false;
    delivery = calloc(1, sizeof(*delivery));
    if (delivery == NULL)
        return false;
    delivery->events = events;
    delivery->text = writer_growing();
    delivery->batch = (struct feed_batch){.partition = events->partition,
                                          .count = events->count,
                                          .entries = delivery->entries,
                                          .done = on_done};
    if (write_entries(delivery, &event_feed->api->shards[shard_index(shard)]) &&
        feed_submit(event_feed->feed, &delivery->batch))
        return true;
    writer_free(&delivery->text);
    free(delivery);
    return false;
}

struct event_consumer_port event_feed_port(struct event_feed *event_feed)
{
    return (struct event_consumer_port){.self = event_feed, .wants_orders = true, .take = take};
}
