/* SPDX-License-Identifier: Apache-2.0 */
#include "events_out.h"

#include <stdlib.h>

#include "engine_private.h"
#include "events_private.h"

/* ---- lists of partitions ---- */

static void noted_add(struct shard *shard, uint32_t number)
{
    struct event_list *list = &shard->events_out.noted;
    struct event_partition *partition = event_partition_of(shard, number);

    partition->is_noted = true;
    partition->next_noted = EVENT_NO_PARTITION;
    if (list->first == EVENT_NO_PARTITION)
        list->first = number;
    else
        event_partition_of(shard, list->last)->next_noted = number;
    list->last = number;
}

void events_queue_add(struct shard *shard, uint32_t consumer, uint32_t number)
{
    struct event_list *list = &shard->events_out.queued[consumer];
    struct event_lane *lane = &event_partition_of(shard, number)->lanes[consumer];

    assert(!lane->is_queued && !lane->is_under_way);
    lane->is_queued = true;
    lane->next = EVENT_NO_PARTITION;
    if (list->first == EVENT_NO_PARTITION)
        list->first = number;
    else
        event_partition_of(shard, list->last)->lanes[consumer].next = number;
    list->last = number;
}

static void moved_add(struct shard *shard, uint32_t consumer, uint32_t number)
{
    struct event_list *list = &shard->events_out.moved[consumer];
    struct event_lane *lane = &event_partition_of(shard, number)->lanes[consumer];

    lane->is_moved = true;
    lane->record_due_boot_ms = shard->now.boot_ms + CURSOR_PERIOD_MS;
    lane->next_moved = EVENT_NO_PARTITION;
    if (list->first == EVENT_NO_PARTITION)
        list->first = number;
    else
        event_partition_of(shard, list->last)->lanes[consumer].next_moved = number;
    list->last = number;
}

void events_note_done(struct shard *shard, uint32_t consumer, uint32_t number, uint64_t done)
{
    struct event_lane *lane = &event_partition_of(shard, number)->lanes[consumer];

    assert(done >= lane->done);
    lane->done = done;
    if (lane->done != lane->recorded && !lane->is_moved)
        moved_add(shard, consumer, number);
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
                events_batch_free(slot);
        }
}

bool events_out_restore(struct shard *shard, const struct record *record)
{
    struct event_lane *lane = &event_partition_of(shard, record->partition)->lanes[record->subject];

    lane->done = record->cursor.sequence;
    lane->recorded = lane->done;
    return lane->done < shard->engine->event_numbers[record->partition].next;
}

void events_out_begin(struct shard *shard)
{
    const struct engine *engine = shard->engine;

    for (uint32_t number = 0; number < engine->options.partitions; number++) {
        struct event_partition *partition = event_partition_of(shard, number);

        if (engine_shard_of(engine, number) != shard->index)
            continue;
        partition->told = engine->event_numbers[number].next - 1;
        partition->marked = partition->told;
        partition->durable = partition->told;
        for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++) {
            struct event_lane *lane = &partition->lanes[consumer];

            if (MUTANT(EVENT_SKIPPED) && lane->done > 0 && lane->done < partition->told)
                lane->done++;
            if (event_is_configured(shard, consumer) && lane->done < partition->durable)
                events_queue_add(shard, consumer, number);
        }
    }
}

/* ---- what has been told, and is durable ---- */

static void reach(struct shard *shard, uint32_t number, uint64_t durable)
{
    struct event_partition *partition = event_partition_of(shard, number);

    partition->durable = durable;
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++) {
        struct event_lane *lane = &partition->lanes[consumer];

        if (!event_is_configured(shard, consumer) || lane->is_queued || lane->is_under_way)
            continue;
        lane->oldest_wall_ms = shard->now.wall_ms;
        events_queue_add(shard, consumer, number);
    }
}

void events_out_note(struct shard *shard, uint32_t partition)
{
    struct event_partition *noted = event_partition_of(shard, partition);
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
    struct event_partition *partition = event_partition_of(shard, number);

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
        uint32_t next = event_partition_of(shard, number)->next_noted;

        if (pass_mark(shard, number))
            noted_add(shard, number);
        else
            event_partition_of(shard, number)->is_noted = false;
        number = next;
    }
}

/* ---- a turn ---- */

/* What nobody wants costs no read. */
static void pass_over(struct shard *shard, uint32_t consumer)
{
    const struct event_consumer_port *port = &shard->engine->ports.events[consumer];
    struct event_list *list = &shard->events_out.queued[consumer];

    if (port->wants == NULL || event_is_stopping(shard) || port->wants(port->self, shard))
        return;
    while (list->first != EVENT_NO_PARTITION) {
        uint32_t number = list->first;
        struct event_lane *lane = &event_partition_of(shard, number)->lanes[consumer];

        list->first = lane->next;
        lane->is_queued = false;
        events_note_done(shard, consumer, number, event_partition_of(shard, number)->durable);
    }
}

static void step_consumer(struct shard *shard, uint32_t consumer)
{
    struct events_out *events = &shard->events_out;

    pass_over(shard, consumer);
    for (uint32_t i = 0; i < EVENT_BATCHES_MAX; i++) {
        struct event_slot *slot = &events->slots[consumer][i];

        if (slot->phase != EVENT_FREE)
            events_batch_step(shard, slot);
        else if (events->queued[consumer].first != EVENT_NO_PARTITION &&
                 !event_is_stopping(shard) &&
                 events->paused_boot_ms[consumer] <= shard->now.boot_ms)
            events_batch_begin(shard, consumer, slot);
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
    struct event_lane *lane = &event_partition_of(shard, number)->lanes[consumer];
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
            struct event_lane *lane = &event_partition_of(shard, number)->lanes[consumer];

            if (lane->record_due_boot_ms > shard->now.boot_ms && !event_is_stopping(shard))
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
        due_ms = event_partition_of(shard, moved)->lanes[consumer].record_due_boot_ms;
    if (event_is_stopping(shard))
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
