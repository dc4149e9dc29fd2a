/* SPDX-License-Identifier: Apache-2.0 */
/* A batch of events on its way to a consumer: read, completed with the orders as they are, offered,
 * taken, done (events_out.h). */
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"
#include "events_private.h"

void events_batch_free(struct event_slot *slot)
{
    for (uint32_t i = 0; i < slot->batch.count; i++) {
        envelope_free(slot->batch.events[i].content);
        slot->batch.events[i].content = NULL;
    }
}

/* ---- a batch's end ---- */

static void release_slot(struct shard *shard, struct event_slot *slot)
{
    struct event_partition *partition = event_partition_of(shard, slot->batch.partition);
    struct event_lane *lane = &partition->lanes[slot->consumer];

    slot->phase = EVENT_FREE;
    shard->events_out.under_way[slot->consumer]--;
    lane->is_under_way = false;
    if (lane->done < partition->durable)
        events_queue_add(shard, slot->consumer, slot->batch.partition);
}

static void take_done(struct shard_completion *completion)
{
    struct event_slot *slot =
        (struct event_slot *)(void *)((char *)completion - offsetof(struct event_slot, completion));
    struct event_batch *batch = &slot->batch;
    struct shard *shard = completion->shard;
    struct event_lane *lane = &event_partition_of(shard, batch->partition)->lanes[slot->consumer];
    bool is_all = batch->done_count == batch->count || MUTANT(CURSOR_AHEAD);

    assert(slot->phase == EVENT_TAKEN && batch->done_count <= batch->count);
    if (!is_all) {
        shard->events_out.paused_boot_ms[slot->consumer] = shard->now.boot_ms + batch->retry_ms;
        lane->oldest_wall_ms = batch->events[batch->done_count].wall_ms;
    } else {
        lane->oldest_wall_ms = batch->events[batch->count - 1].wall_ms;
    }
    metric_add(slot->consumer == CONSUMER_FEED ? &shard->metrics.events_feed_done
                                               : &shard->metrics.events_webhooks_done,
               batch->done_count);
    if (is_all)
        events_note_done(shard, slot->consumer, batch->partition, slot->upto);
    else if (batch->done_count > 0)
        events_note_done(shard, slot->consumer, batch->partition,
                         batch->events[batch->done_count - 1].sequence);
    events_batch_free(slot);
    release_slot(shard, slot);
}

static void on_done(struct event_batch *batch)
{
    shard_complete(&((struct event_slot *)(void *)batch)->completion);
}

_Static_assert(offsetof(struct event_slot, batch) == 0, "on_done finds its owner by address");

/* ---- reading ---- */

static void pause(struct shard *shard, uint32_t consumer, int64_t delay_ms)
{
    shard->events_out.paused_boot_ms[consumer] = shard->now.boot_ms + delay_ms;
}

static void take_row(struct event_out *event, const struct record *record)
{
    const struct event_out_record *row = &record->event_out;

    *event = (struct event_out){
        .sequence = record->sequence,
        .wall_ms = row->wall_ms,
        .order = {.created_ms = row->created_wall_ms,
                  .sequence = row->order,
                  .partition = record->partition},
        .amount_minor = row->amount_minor,
        .type = (uint8_t)event_out_type(row->type),
        .status = row->type,
    };
    if (event->type != EVENT_INVENTORY_SOLD_OUT)
        return;
    event->sku_id = (uint32_t)row->order;
    event->order.sequence = 0;
    event->status = ORDER_NONE;
}

static void take_rows(struct event_slot *slot)
{
    struct event_batch *batch = &slot->batch;
    const struct journal_read *page = &slot->read.read;
    uint32_t at = 0;

    batch->count = page->count;
    for (uint32_t i = 0; i < page->count; i++) {
        const struct record *record =
            (const struct record *)(const void *)(page->result.bytes + at);

        take_row(&batch->events[i], record);
        at += record->size;
    }
    slot->upto = page->count == page->limit ? batch->events[page->count - 1].sequence
                                            : page->to.sequence - 1;
}

static void on_rows(struct engine_read *read)
{
    struct event_slot *slot = read->user;
    struct shard *shard = read->completion.shard;
    struct event_lane *lane =
        &event_partition_of(shard, slot->batch.partition)->lanes[slot->consumer];

    if (read->read.failed) {
        slot->batch.count = 0;
        pause(shard, slot->consumer, EVENT_RETRY_MS);
        free(read->read.result.bytes);
        release_slot(shard, slot);
        return;
    }
    take_rows(slot);
    free(read->read.result.bytes);
    if (slot->batch.count <
        slot->upto - lane->done) /* a restored store's numbers jump; else it is damage */
        metric_add(&shard->metrics.events_gaps, 1);
    if (slot->batch.count == 0) {
        events_note_done(shard, slot->consumer, slot->batch.partition, slot->upto);
        release_slot(shard, slot);
        return;
    }
    lane->oldest_wall_ms = slot->batch.events[0].wall_ms;
    slot->asked = shard->engine->ports.events[slot->consumer].wants_orders ? 0 : slot->batch.count;
    slot->answers = 0;
    slot->again = UINT32_MAX;
    slot->due_boot_ms = 0;
    slot->phase = EVENT_ASKING;
}

/* False: not now. */
bool events_batch_begin(struct shard *shard, uint32_t consumer, struct event_slot *slot)
{
    struct event_list *list = &shard->events_out.queued[consumer];
    uint32_t number = list->first;
    struct event_partition *partition = event_partition_of(shard, number);
    struct event_lane *lane = &partition->lanes[consumer];
    struct journal_read *page = &slot->read.read;

    memset(&slot->read, 0, sizeof(slot->read));
    page->kind = RECORD_EVENT_OUT;
    page->from = (struct journal_key){.partition = number, .sequence = lane->done + 1};
    page->to = (struct journal_key){.partition = number, .sequence = partition->durable + 1};
    page->limit = EVENTS_PER_BATCH_MAX;
    slot->read.done = on_rows;
    slot->read.user = slot;
    if (engine_read_submit(shard, &slot->read) != OUTCOME_PENDING) {
        pause(shard, consumer, EVENT_RETRY_MS);
        return false;
    }
    list->first = lane->next;
    lane->is_queued = false;
    lane->is_under_way = true;
    slot->phase = EVENT_READING;
    slot->batch = (struct event_batch){.partition = number, .done = on_done};
    shard->events_out.under_way[consumer]++;
    return true;
}

/* ---- asking for the orders ---- */

static uint64_t cookie_of(const struct event_slot *slot, const struct events_out *events,
                          uint32_t index)
{
    uint32_t number = (uint32_t)(slot - events->slots[slot->consumer]);

    return (uint64_t)slot->consumer << 32 | (uint64_t)number << 16 | index;
}

static bool ask_for_order(struct shard *shard, struct event_slot *slot, uint32_t index)
{
    struct command command = {.type = COMMAND_ORDER, .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct refusal refusal;

    command.order = order_envelope_create(ORDER_CALL_GET);
    if (command.order == NULL)
        return false;
    command.order->is_event = 1;
    command.order->authority = AUTHORITY_STAFF;
    command.order->id = slot->batch.events[index].order;
    if (engine_submit(shard, &command, cookie_of(slot, &shard->events_out, index), &refusal) ==
        OUTCOME_PENDING)
        return true;
    envelope_free(command.order);
    return false;
}

static void offer(struct shard *shard, struct event_slot *slot)
{
    const struct event_consumer_port *port = &shard->engine->ports.events[slot->consumer];

    slot->phase = EVENT_TAKEN;
    slot->completion = (struct shard_completion){.shard = shard, .take = take_done};
    slot->batch.done_count = 0;
    slot->batch.retry_ms = 0;
    if (port->take(port->self, shard, &slot->batch))
        return;
    slot->phase = EVENT_OFFERED;
    slot->due_boot_ms = shard->now.boot_ms + EVENT_BUSY_MS;
}

static void go_on(struct shard *shard, struct event_slot *slot)
{
    struct events_out *events = &shard->events_out;

    if (slot->answers == 0 && slot->again < slot->asked) { /* each is asked for once at a time */
        slot->asked = slot->again;
        slot->again = UINT32_MAX;
    }
    while (slot->asked < slot->batch.count && events->asks < EVENT_ASKS_MAX &&
           2 * shard->in_flight <= shard->engine->options.requests_max) { /* shoppers go first */
        if (slot->batch.events[slot->asked].content == NULL &&
            slot->batch.events[slot->asked].order.sequence != 0) {
            if (!ask_for_order(shard, slot, slot->asked))
                break;
            slot->answers++;
            events->asks++;
        }
        slot->asked++;
    }
    if (slot->asked == slot->batch.count && slot->answers == 0 && slot->again == UINT32_MAX)
        offer(shard, slot);
    else
        slot->due_boot_ms = shard->now.boot_ms + EVENT_BUSY_MS;
}

void events_out_take_reply(struct shard *shard, const struct message *reply)
{
    struct events_out *events = &shard->events_out;
    struct event_slot *slot =
        &events->slots[reply->cookie >> 32][(reply->cookie >> 16) & UINT16_MAX];
    uint32_t index = reply->cookie & UINT16_MAX;
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    assert(slot->phase == EVENT_ASKING && slot->answers > 0 && index < slot->batch.count);
    events->asks--;
    slot->answers--;
    slot->due_boot_ms = 0;
    if (outcome == OUTCOME_OK) {
        slot->batch.events[index].content = reply->reply.order;
        return;
    }
    envelope_free(reply->reply.order);
    if (outcome == OUTCOME_NOT_FOUND)
        return;
    if (index < slot->again)
        slot->again = index;
    slot->due_boot_ms = shard->now.boot_ms + EVENT_BUSY_MS;
}

void events_batch_step(struct shard *shard, struct event_slot *slot)
{
    bool is_waiting = slot->phase == EVENT_ASKING || slot->phase == EVENT_OFFERED;

    if (!is_waiting)
        return;
    if (event_is_stopping(shard)) { /* what is not taken is offered after the next start */
        if (slot->answers > 0)
            return;
        events_batch_free(slot);
        release_slot(shard, slot);
    } else if (slot->due_boot_ms <= shard->now.boot_ms) {
        if (slot->phase == EVENT_ASKING)
            go_on(shard, slot);
        else
            offer(shard, slot);
    }
}
