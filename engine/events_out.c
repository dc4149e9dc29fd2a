/* SPDX-License-Identifier: Apache-2.0 */
#include "events_out.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

/* ---- lists of partitions ---- */

static struct event_partition *partition_of(const struct shard *shard, uint32_t partition)
{
    return &shard->engine->event_partitions[partition];
}

static void noted_add(struct shard *shard, uint32_t number)
{
    struct event_list *list = &shard->events_out.noted;
    struct event_partition *partition = partition_of(shard, number);

    partition->is_noted = true;
    partition->next_noted = EVENT_NO_PARTITION;
    if (list->first == EVENT_NO_PARTITION)
        list->first = number;
    else
        partition_of(shard, list->last)->next_noted = number;
    list->last = number;
}

static void queue_add(struct shard *shard, uint32_t consumer, uint32_t number)
{
    struct event_list *list = &shard->events_out.queued[consumer];
    struct event_lane *lane = &partition_of(shard, number)->lanes[consumer];

    assert(!lane->is_queued && !lane->is_under_way);
    lane->is_queued = true;
    lane->next = EVENT_NO_PARTITION;
    if (list->first == EVENT_NO_PARTITION)
        list->first = number;
    else
        partition_of(shard, list->last)->lanes[consumer].next = number;
    list->last = number;
}

static void moved_add(struct shard *shard, uint32_t consumer, uint32_t number)
{
    struct event_list *list = &shard->events_out.moved[consumer];
    struct event_lane *lane = &partition_of(shard, number)->lanes[consumer];

    lane->is_moved = true;
    lane->record_due_boot_ms = shard->now.boot_ms + CURSOR_PERIOD_MS;
    lane->next_moved = EVENT_NO_PARTITION;
    if (list->first == EVENT_NO_PARTITION)
        list->first = number;
    else
        partition_of(shard, list->last)->lanes[consumer].next_moved = number;
    list->last = number;
}

/* ---- the start ---- */

void events_out_init(struct shard *shard)
{
    struct events_out *events = &shard->events_out;

    events->retention.partition = events_retention_first(shard);
    events->noted.first = EVENT_NO_PARTITION;
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++) {
        events->queued[consumer].first = EVENT_NO_PARTITION;
        events->moved[consumer].first = EVENT_NO_PARTITION;
        atomic_store(&shard->events_oldest_wall_ms[consumer], INT64_MAX);
        for (uint32_t i = 0; i < EVENT_BATCHES_MAX; i++)
            events->slots[consumer][i].consumer = (uint8_t)consumer;
    }
}

static void free_contents(struct event_slot *slot)
{
    for (uint32_t i = 0; i < slot->batch.count; i++) {
        envelope_free(slot->batch.events[i].content);
        slot->batch.events[i].content = NULL;
    }
}

void events_out_destroy(struct events_out *events)
{
    if (events->retention.is_reading)
        free(events->retention.read.read.result.bytes);
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++)
        for (uint32_t i = 0; i < EVENT_BATCHES_MAX; i++) {
            struct event_slot *slot = &events->slots[consumer][i];

            if (slot->phase == EVENT_READING)
                free(slot->read.read.result.bytes);
            else if (slot->phase != EVENT_FREE)
                free_contents(slot);
        }
}

static bool is_configured(const struct shard *shard, uint32_t consumer)
{
    return shard->engine->ports.events[consumer].take != NULL;
}

bool events_out_restore(struct shard *shard, const struct record *record)
{
    struct event_lane *lane = &partition_of(shard, record->partition)->lanes[record->subject];

    lane->done = record->cursor.sequence;
    lane->recorded = lane->done;
    return lane->done < shard->engine->event_numbers[record->partition].next;
}

void events_out_begin(struct shard *shard)
{
    const struct engine *engine = shard->engine;

    for (uint32_t number = 0; number < engine->options.partitions; number++) {
        struct event_partition *partition = partition_of(shard, number);

        if (engine_shard_of(engine, number) != shard->index)
            continue;
        partition->told = engine->event_numbers[number].next - 1;
        partition->marked = partition->told;
        partition->durable = partition->told;
        for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++) {
            struct event_lane *lane = &partition->lanes[consumer];

            if (MUTANT(EVENT_SKIPPED) && lane->done > 0 && lane->done < partition->told)
                lane->done++;
            if (is_configured(shard, consumer) && lane->done < partition->durable)
                queue_add(shard, consumer, number);
        }
    }
}

/* ---- what has been told, and is durable ---- */

static void reach(struct shard *shard, uint32_t number, uint64_t durable)
{
    struct event_partition *partition = partition_of(shard, number);

    partition->durable = durable;
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++) {
        struct event_lane *lane = &partition->lanes[consumer];

        if (!is_configured(shard, consumer) || lane->is_queued || lane->is_under_way)
            continue;
        lane->oldest_wall_ms = shard->now.wall_ms;
        queue_add(shard, consumer, number);
    }
}

void events_out_note(struct shard *shard, uint32_t partition)
{
    struct event_partition *noted = partition_of(shard, partition);
    uint64_t told = shard->engine->event_numbers[partition].next - 1;

    if (told == noted->told)
        return;
    noted->told = told;
    noted->told_serial = shard->open->serial;
    if (MUTANT(EVENT_BEFORE_DURABLE)) {
        noted->marked = told;
        reach(shard, partition, told);
        return;
    }
    if (noted->is_noted)
        return;
    noted->marked = noted->told;
    noted->marked_serial = noted->told_serial;
    noted_add(shard, partition);
}

/* True: more was told since. */
static bool pass_mark(struct shard *shard, uint32_t number)
{
    struct event_partition *partition = partition_of(shard, number);

    if (partition->marked_serial > shard->serial_returned)
        return true;
    if (partition->told_serial <= shard->serial_returned)
        partition->marked = partition->told;
    reach(shard, number, partition->marked);
    if (partition->marked == partition->told)
        return false;
    partition->marked = partition->told;
    partition->marked_serial = partition->told_serial;
    return true;
}

static void pass_marks(struct shard *shard)
{
    struct event_list *list = &shard->events_out.noted;
    uint32_t number = list->first;

    list->first = EVENT_NO_PARTITION;
    while (number != EVENT_NO_PARTITION) {
        uint32_t next = partition_of(shard, number)->next_noted;

        if (pass_mark(shard, number))
            noted_add(shard, number);
        else
            partition_of(shard, number)->is_noted = false;
        number = next;
    }
}

/* ---- a batch's end ---- */

static void release_slot(struct shard *shard, struct event_slot *slot)
{
    struct event_partition *partition = partition_of(shard, slot->batch.partition);
    struct event_lane *lane = &partition->lanes[slot->consumer];

    slot->phase = EVENT_FREE;
    shard->events_out.under_way[slot->consumer]--;
    lane->is_under_way = false;
    if (lane->done < partition->durable)
        queue_add(shard, slot->consumer, slot->batch.partition);
}

static void note_done(struct shard *shard, uint32_t consumer, uint32_t number, uint64_t done)
{
    struct event_lane *lane = &partition_of(shard, number)->lanes[consumer];

    assert(done >= lane->done);
    lane->done = done;
    if (lane->done != lane->recorded && !lane->is_moved)
        moved_add(shard, consumer, number);
}

static void take_done(struct shard_completion *completion)
{
    struct event_slot *slot =
        (struct event_slot *)(void *)((char *)completion - offsetof(struct event_slot, completion));
    struct event_batch *batch = &slot->batch;
    struct shard *shard = completion->shard;
    struct event_lane *lane = &partition_of(shard, batch->partition)->lanes[slot->consumer];
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
        note_done(shard, slot->consumer, batch->partition, slot->upto);
    else if (batch->done_count > 0)
        note_done(shard, slot->consumer, batch->partition,
                  batch->events[batch->done_count - 1].sequence);
    free_contents(slot);
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
    struct event_lane *lane = &partition_of(shard, slot->batch.partition)->lanes[slot->consumer];

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
        note_done(shard, slot->consumer, slot->batch.partition, slot->upto);
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
static bool begin_batch(struct shard *shard, uint32_t consumer, struct event_slot *slot)
{
    struct event_list *list = &shard->events_out.queued[consumer];
    uint32_t number = list->first;
    struct event_partition *partition = partition_of(shard, number);
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

/* ---- a turn ---- */

static bool is_stopping(const struct shard *shard)
{
    return atomic_load_explicit(&shard->engine->failed, memory_order_relaxed) ||
           atomic_load_explicit(&shard->engine->draining, memory_order_relaxed);
}

static void step_slot(struct shard *shard, struct event_slot *slot)
{
    bool is_waiting = slot->phase == EVENT_ASKING || slot->phase == EVENT_OFFERED;

    if (!is_waiting)
        return;
    if (is_stopping(shard)) { /* what is not taken is offered after the next start */
        if (slot->answers > 0)
            return;
        free_contents(slot);
        release_slot(shard, slot);
    } else if (slot->due_boot_ms <= shard->now.boot_ms) {
        if (slot->phase == EVENT_ASKING)
            go_on(shard, slot);
        else
            offer(shard, slot);
    }
}

/* What nobody wants costs no read. */
static void pass_over(struct shard *shard, uint32_t consumer)
{
    const struct event_consumer_port *port = &shard->engine->ports.events[consumer];
    struct event_list *list = &shard->events_out.queued[consumer];

    if (port->wants == NULL || is_stopping(shard) || port->wants(port->self, shard))
        return;
    while (list->first != EVENT_NO_PARTITION) {
        uint32_t number = list->first;
        struct event_lane *lane = &partition_of(shard, number)->lanes[consumer];

        list->first = lane->next;
        lane->is_queued = false;
        note_done(shard, consumer, number, partition_of(shard, number)->durable);
    }
}

static void step_consumer(struct shard *shard, uint32_t consumer)
{
    struct events_out *events = &shard->events_out;

    pass_over(shard, consumer);
    for (uint32_t i = 0; i < EVENT_BATCHES_MAX; i++) {
        struct event_slot *slot = &events->slots[consumer][i];

        if (slot->phase != EVENT_FREE)
            step_slot(shard, slot);
        else if (events->queued[consumer].first != EVENT_NO_PARTITION && !is_stopping(shard) &&
                 events->paused_boot_ms[consumer] <= shard->now.boot_ms)
            begin_batch(shard, consumer, slot);
    }
}

void events_out_step(struct shard *shard)
{
    struct events_out *events = &shard->events_out;

    if (events->noted.first != EVENT_NO_PARTITION &&
        !atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        pass_marks(shard);
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++)
        if (events->under_way[consumer] > 0 || events->queued[consumer].first != EVENT_NO_PARTITION)
            step_consumer(shard, consumer);
    if (shard->now.boot_ms >= events->retention.due_boot_ms)
        events_retention_step(shard);
    if (shard->now.boot_ms >= events->shown_boot_ms + CURSOR_PERIOD_MS)
        events_figures_show(shard);
}

static void record_cursor(struct shard *shard, uint32_t consumer, uint32_t number)
{
    struct event_lane *lane = &partition_of(shard, number)->lanes[consumer];
    struct record *record = effects_record(&shard->effects, RECORD_CURSOR, number, 0, 0);

    record->subject = consumer;
    record->cursor.sequence = lane->done;
    lane->recorded = lane->done;
}

void events_out_record(struct shard *shard)
{
    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        return;
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++) {
        struct event_list *list = &shard->events_out.moved[consumer];

        for (uint32_t n = 0; n < CURSORS_PER_STEP && list->first != EVENT_NO_PARTITION &&
                             batch_has_room(shard->open);
             n++) {
            uint32_t number = list->first;
            struct event_lane *lane = &partition_of(shard, number)->lanes[consumer];

            if (lane->record_due_boot_ms > shard->now.boot_ms && !is_stopping(shard))
                break;
            list->first = lane->next_moved;
            lane->is_moved = false;
            record_cursor(shard, consumer, number);
        }
    }
    if (shard->events_out.retention.count > 0)
        events_retention_record(shard);
}

static int64_t earliest(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t consumer_next_ms(const struct shard *shard, uint32_t consumer)
{
    const struct events_out *events = &shard->events_out;
    uint32_t moved = events->moved[consumer].first;
    int64_t due_ms = INT64_MAX;

    if (moved != EVENT_NO_PARTITION)
        due_ms = partition_of(shard, moved)->lanes[consumer].record_due_boot_ms;
    if (is_stopping(shard))
        return due_ms;
    if (events->queued[consumer].first != EVENT_NO_PARTITION &&
        events->under_way[consumer] < EVENT_BATCHES_MAX)
        due_ms = earliest(due_ms, events->paused_boot_ms[consumer]);
    for (uint32_t i = 0; i < EVENT_BATCHES_MAX && events->under_way[consumer] > 0; i++) {
        const struct event_slot *slot = &events->slots[consumer][i];

        if (slot->phase == EVENT_OFFERED || slot->phase == EVENT_ASKING)
            due_ms = earliest(due_ms, slot->due_boot_ms);
    }
    return due_ms;
}

int64_t events_out_next_ms(const struct shard *shard)
{
    int64_t due_ms = events_retention_next_ms(shard);

    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed))
        return INT64_MAX;
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++)
        due_ms = earliest(due_ms, consumer_next_ms(shard, consumer));
    return due_ms;
}

bool events_out_is_idle(const struct shard *shard)
{
    const struct events_out *events = &shard->events_out;

    if (!atomic_load_explicit(&shard->engine->draining, memory_order_relaxed))
        return true; /* what is asked of orders counts as requests do */
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++)
        if (events->under_way[consumer] > 0 || events->moved[consumer].first != EVENT_NO_PARTITION)
            return false;
    return true;
}
