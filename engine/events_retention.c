/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of events that are past their time: a page is read, and deleted with the next batch. */
#include <stdlib.h>
#include <string.h>

#include "engine_private.h"
#include "events_private.h"

/* What all consumers that there are have passed, and have recorded so. */
static uint64_t passed_by_all(const struct shard *shard, const struct event_partition *partition)
{
    uint64_t passed = partition->durable;

    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++)
        if (event_is_configured(shard, consumer) && partition->lanes[consumer].recorded < passed &&
            !MUTANT(EVENT_ERASED_EARLY))
            passed = partition->lanes[consumer].recorded;
    return passed;
}

/* The wall clock has run evenly for long enough to go by it (rounds.h). */
static int64_t steady_boot_ms(const struct shard *shard)
{
    return shard->rounds.even_since_boot_ms + shard->engine->options.retention_steady_ms;
}

uint32_t events_retention_first(const struct shard *shard)
{
    uint32_t number = 0;

    while (number < shard->engine->options.partitions &&
           engine_shard_of(shard->engine, number) != shard->index)
        number++;
    return number;
}

static bool has_rows(const struct shard *shard, uint32_t number)
{
    const struct event_partition *partition = event_partition_of(shard, number);

    return partition->erased < partition->durable;
}

/* To the next partition that has rows, or the end. */
static void go_to_next_partition(struct shard *shard)
{
    struct event_retention *retention = &shard->events_out.retention;
    const struct engine *engine = shard->engine;

    do
        retention->partition++;
    while (retention->partition < engine->options.partitions &&
           (engine_shard_of(engine, retention->partition) != shard->index ||
            !has_rows(shard, retention->partition)));
    if (retention->partition < engine->options.partitions)
        return;
    retention->partition = events_retention_first(shard);
    retention->due_boot_ms = shard->now.boot_ms + engine->options.retention_period_ms;
}

static void on_rows(struct engine_read *read)
{
    struct shard *shard = read->completion.shard;
    struct event_retention *retention = &shard->events_out.retention;
    const struct event_partition *partition = event_partition_of(shard, retention->partition);
    const struct journal_read *page = &read->read;
    uint64_t passed = passed_by_all(shard, partition);
    int64_t oldest_ms = shard->now.wall_ms - EVENTS_KEPT_S * INT64_C(1000);
    uint32_t at = 0;

    retention->is_reading = false;
    retention->count = 0;
    retention->due_boot_ms = shard->now.boot_ms + EVENT_PAGE_PACE_MS;
    if (page->failed)
        retention->due_boot_ms = shard->now.boot_ms + EVENT_RETENTION_RETRY_MS;
    for (uint32_t i = 0; !page->failed && i < page->count; i++) {
        const struct record *record =
            (const struct record *)(const void *)(page->result.bytes + at);

        if (record->sequence > passed || record->event_out.wall_ms >= oldest_ms)
            break;
        retention->rows[retention->count++] = record->sequence;
        at += record->size;
    }
    free(page->result.bytes);
    read->read.result.bytes = NULL;
    retention->is_last_page = retention->count < page->limit;
    if (!page->failed && retention->count == 0)
        go_to_next_partition(shard);
}

static void read_page(struct shard *shard)
{
    struct event_retention *retention = &shard->events_out.retention;
    const struct event_partition *partition = event_partition_of(shard, retention->partition);

    memset(&retention->read, 0, sizeof(retention->read));
    retention->read.read.kind = RECORD_EVENT_OUT;
    retention->read.read.from =
        (struct journal_key){.partition = retention->partition, .sequence = partition->erased + 1};
    retention->read.read.to =
        (struct journal_key){.partition = retention->partition, .sequence = partition->durable + 1};
    retention->read.read.limit = EVENTS_PER_BATCH_MAX;
    retention->read.done = on_rows;
    if (engine_read_submit(shard, &retention->read) == OUTCOME_PENDING)
        retention->is_reading = true;
    else
        retention->due_boot_ms = shard->now.boot_ms + EVENT_RETRY_MS;
}

void events_retention_step(struct shard *shard)
{
    struct event_retention *retention = &shard->events_out.retention;
    const struct engine_options *options = &shard->engine->options;

    if (retention->is_reading || retention->count > 0 ||
        engine_mode(shard->engine) == ENGINE_FAILED)
        return;
    if (options->retention_period_ms == 0 || retention->partition >= options->partitions)
        retention->due_boot_ms = INT64_MAX;
    else if (steady_boot_ms(shard) > shard->now.boot_ms)
        retention->due_boot_ms = steady_boot_ms(shard);
    else if (shard->in_flight > options->requests_max / 4) /* a sale goes first */
        retention->due_boot_ms = shard->now.boot_ms + EVENT_PAGE_PACE_MS;
    else if (!has_rows(shard, retention->partition))
        go_to_next_partition(shard);
    else
        read_page(shard);
}

/* The cursors of consumers that there are not go along. */
static void move_cursors(struct shard *shard, uint32_t number, uint64_t erased)
{
    for (uint32_t consumer = 0; consumer < EVENT_CONSUMER_COUNT; consumer++) {
        struct event_lane *lane = &event_partition_of(shard, number)->lanes[consumer];
        struct record *record;

        if (event_is_configured(shard, consumer) || lane->recorded >= erased)
            continue;
        record = effects_record(&shard->effects, RECORD_CURSOR, number, 0, 0);
        record->subject = consumer;
        record->cursor.sequence = erased;
        lane->done = erased;
        lane->recorded = erased;
    }
}

void events_retention_record(struct shard *shard)
{
    struct event_retention *retention = &shard->events_out.retention;
    uint32_t number = retention->partition;
    struct event_partition *partition = event_partition_of(shard, number);

    if (!batch_has_room(shard->open))
        return;
    for (uint32_t i = 0; i < retention->count; i++) {
        struct record *record = effects_record(&shard->effects, RECORD_EVENT_OUT, number, 0, 0);

        record->sequence = retention->rows[i];
        record->operation = RECORD_DELETE;
    }
    partition->erased = retention->rows[retention->count - 1];
    move_cursors(shard, number, partition->erased);
    metric_add(&shard->metrics.events_erased, retention->count);
    retention->count = 0;
    if (retention->is_last_page)
        go_to_next_partition(shard);
}

int64_t events_retention_next_ms(const struct shard *shard)
{
    const struct event_retention *retention = &shard->events_out.retention;

    return retention->is_reading || retention->count > 0 ? INT64_MAX : retention->due_boot_ms;
}
