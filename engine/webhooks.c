/* SPDX-License-Identifier: Apache-2.0 */
#include "webhooks.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

enum {
    LANE_ROWS_MIN = DELIVERIES_OF_ENDPOINT_MAX + 2 * SHARDS_MAX,
    SHOW_PERIOD_MS = 1000,
    BATCH_RETRY_MS = 100, /* an event that no lane could take yet */
    SWEEP_PACE_MS = 50,   /* between two pages */
    SWEEP_AGAIN_MS = 60 * 1000,
};

struct deliveries_sizes webhooks_sizes(const struct engine_options *options)
{
    uint32_t shards = options->shards;
    uint32_t under_way = DELIVERIES_UNDER_WAY_MAX / shards;
    uint32_t of_lane = DELIVERIES_OF_ENDPOINT_MAX / shards;
    struct deliveries_sizes sizes = {
        .lane_limit = options->deliveries_pending_max / shards,
        .lane_under_way_max = of_lane > 1 ? of_lane : 1,
        .under_way_max = under_way > 4 ? under_way : 4,
    };

    if (sizes.lane_limit <= sizes.lane_under_way_max)
        sizes.lane_limit = sizes.lane_under_way_max + 1;
    /* As many as all shards together had, however many they were: with few rows each has its
     * `lane_under_way_max` and one more. */
    sizes.lane_rows_max = options->deliveries_pending_max;
    if (sizes.lane_rows_max < LANE_ROWS_MIN)
        sizes.lane_rows_max = LANE_ROWS_MIN;
    return sizes;
}

void webhooks_init(struct shard *shard, const struct webhooks_memory *memory)
{
    struct deliveries_sizes sizes = webhooks_sizes(&shard->engine->options);
    struct webhooks *webhooks = &shard->webhooks;

    webhooks->slots = memory->slots;
    webhooks->replayed_boot_ms = INT64_MIN / 2;
    deliveries_init(&webhooks->deliveries, &sizes, &shard->engine->options.webhook_schedule,
                    memory->rows, memory->heaps, memory->index, &shard->engine->table_key);
    atomic_store(&shard->webhooks_oldest_wall_ms, INT64_MAX);
}

void webhooks_destroy(struct webhooks *webhooks)
{
    if (webhooks->sweep.is_reading || webhooks->sweep.has_page)
        free(webhooks->sweep.read.read.result.bytes);
}

void shard_set_webhook_courier(struct shard *shard, engine_webhook_courier courier, void *user)
{
    shard->webhooks.courier = courier;
    shard->webhooks.courier_user = user;
}

bool webhooks_restore(struct shard *shard, const struct moment *now, const struct record *record)
{
    /* The settings are there already: they are the first partition's. */
    if (settings_find_endpoint(&shard->engine->settings->view, record->subject) == NULL &&
        shard->webhooks.deliveries.pending > 0)
        return true; /* of an endpoint that is no more: for the next start, if need be */
    return deliveries_restore(&shard->webhooks.deliveries, now, record);
}

static bool is_failed(const struct shard *shard)
{
    return atomic_load_explicit(&shard->engine->failed, memory_order_relaxed);
}

static struct delivery_step step_of(struct shard *shard)
{
    return (struct delivery_step){.deliveries = &shard->webhooks.deliveries,
                                  .moment = &shard->now,
                                  .effects = &shard->effects,
                                  .serial = shard->open->serial};
}

/* ---- what is due ---- */

static struct webhook_slot *find_free(struct webhooks *webhooks)
{
    for (uint32_t i = 0; i < DELIVERIES_UNDER_WAY_MAX; i++)
        if (webhooks->slots[i].phase == WEBHOOK_FREE)
            return &webhooks->slots[i];
    return NULL;
}

static bool may_begin(const struct shard *shard)
{
    return shard->webhooks.courier != NULL && !is_failed(shard) &&
           !atomic_load_explicit(&shard->engine->draining, memory_order_relaxed);
}

static void give_out(struct shard *shard, struct webhook_slot *slot, uint32_t row)
{
    struct webhooks *webhooks = &shard->webhooks;
    const struct delivery_row *due = &webhooks->deliveries.rows[row];

    memset(slot, 0, sizeof(*slot));
    slot->shard = shard;
    slot->row = row;
    slot->phase = WEBHOOK_OUT;
    slot->delivery.event = due->event;
    slot->delivery.sequence = due->sequence;
    slot->delivery.partition = due->partition;
    slot->delivery.endpoint = delivery_endpoint(&webhooks->deliveries, row);
    slot->delivery.attempts = due->attempts;
    webhooks->busy++;
    webhooks->courier(webhooks->courier_user, shard, &slot->delivery);
}

void engine_delivery_done(struct engine_delivery *delivery, const struct delivery_answer *answer)
{
    struct webhook_slot *slot = (struct webhook_slot *)(void *)delivery;

    assert(slot->phase == WEBHOOK_OUT);
    slot->answer = *answer;
    slot->phase = WEBHOOK_ENDED;
    shard_random(slot->shard, &slot->answer.random, sizeof(slot->answer.random));
}

_Static_assert(offsetof(struct webhook_slot, delivery) == 0, "a slot is found by its delivery");

/* ---- what ended ---- */

static void count_end(struct shard_metrics *metrics, const struct delivery_answer *answer)
{
    metric_add(&metrics->webhooks_delivered, answer->result == DELIVERY_OK);
    metric_add(&metrics->webhooks_failed,
               answer->result == DELIVERY_LATER || answer->result == DELIVERY_REFUSED);
}

static void record_ends(struct shard *shard)
{
    struct webhooks *webhooks = &shard->webhooks;

    for (uint32_t i = 0; i < DELIVERIES_UNDER_WAY_MAX && webhooks->busy > 0; i++) {
        struct webhook_slot *slot = &webhooks->slots[i];
        struct delivery_step step;

        if (slot->phase != WEBHOOK_ENDED)
            continue;
        if (!batch_has_room(shard->open))
            return;
        step = step_of(shard);
        count_end(&shard->metrics, &slot->answer);
        deliveries_end(&step, slot->row, &slot->answer);
        webhooks->is_clearing = true; /* its endpoint may have gone meanwhile */
        slot->phase = WEBHOOK_FREE;
        webhooks->busy--;
    }
}

/* ---- what happened ---- */

bool webhooks_take(void *self, struct shard *shard, struct event_batch *batch)
{
    const struct journal_port *journal = &shard->engine->ports.journal;
    struct webhooks *webhooks = &shard->webhooks;

    (void)self;
    if (webhooks->batch_count == WEBHOOK_BATCHES_MAX || journal->is_full(journal->self))
        return false;
    webhooks->batches[webhooks->batch_count++] = batch;
    return true;
}

static bool has_listeners(void *self, const struct shard *shard)
{
    const struct settings_view *view = shard_settings(shard);
    uint32_t i = 0;

    (void)self;
    while (i < view->endpoint_count && !view->endpoints[i].enabled)
        i++;
    return i < view->endpoint_count;
}

struct event_consumer_port engine_webhooks_consumer(void)
{
    return (struct event_consumer_port){.take = webhooks_take, .wants = has_listeners};
}

static bool wants(const struct setting_endpoint *endpoint, const struct event_out *event)
{
    return endpoint->enabled &&
           ((endpoint->events & 1u << event->type) != 0 || MUTANT(DELIVERY_TO_ALL));
}

/* False: some lane can't take it yet. */
static bool record_event(struct shard *shard, uint32_t partition, const struct event_out *event)
{
    const struct settings_view *view = shard_settings(shard);
    struct delivery_step step = step_of(shard);
    struct delivery_event told = {.type = event->type,
                                  .status = event->status,
                                  .order = event->order.sequence,
                                  .created_wall_ms = event->order.created_ms,
                                  .wall_ms = event->wall_ms,
                                  .amount_minor = event->amount_minor};

    if (event->type == EVENT_INVENTORY_SOLD_OUT)
        told.order = event->sku_id;
    for (uint32_t i = 0; i < view->endpoint_count; i++)
        if (wants(&view->endpoints[i], event) &&
            !deliveries_add(&step, partition, event->sequence, view->endpoints[i].common.number,
                            &told))
            return false;
    return true;
}

static void end_batch(struct webhooks *webhooks, uint32_t retry_ms)
{
    struct event_batch *batch = webhooks->batches[0];

    batch->done_count = webhooks->batch_at;
    batch->retry_ms = retry_ms;
    webhooks->batch_at = 0;
    webhooks->batch_count--;
    memmove(webhooks->batches, webhooks->batches + 1,
            webhooks->batch_count * sizeof(webhooks->batches[0]));
    batch->done(batch);
}

static void record_events(struct shard *shard)
{
    struct webhooks *webhooks = &shard->webhooks;

    while (webhooks->batch_count > 0) {
        const struct event_batch *batch = webhooks->batches[0];

        while (webhooks->batch_at < batch->count) {
            if (!batch_has_room(shard->open))
                return;
            if (!record_event(shard, batch->partition, &batch->events[webhooks->batch_at]))
                break;
            webhooks->batch_at++;
        }
        end_batch(webhooks, webhooks->batch_at < batch->count ? BATCH_RETRY_MS : 0);
    }
}

/* ---- what staff ask for ---- */

static enum outcome may_be_sent(const struct shard *shard, const struct delivery_body *body)
{
    const struct setting_endpoint *endpoint =
        settings_find_endpoint(shard_settings(shard), body->endpoint);

    if (endpoint == NULL)
        return OUTCOME_NOT_FOUND;
    return endpoint->enabled ? OUTCOME_OK : OUTCOME_INVALID_STATE;
}

static void enter(struct shard *shard, const struct message *message)
{
    const struct delivery_body *body = &message->delivery;
    uint64_t parts[3] = {body->sequence, (uint64_t)body->event.wall_ms, body->endpoint};
    char id[SETTING_ID_LENGTH_MAX + 1];
    uint8_t name[24];

    if (body->event.type == EVENT_ENDPOINT_TEST) {
        setting_id_format(SETTING_WEBHOOK_ENDPOINT, body->endpoint, id);
        audit_add(&shard->effects, message->partition, &shard->now, &body->origin,
                  AUDIT_ENDPOINT_TESTED, AUDIT_OF_SETTING, id, strlen(id));
        return;
    }
    for (unsigned i = 0; i < sizeof(name); i++)
        name[i] = (uint8_t)(parts[i / 8] >> (56 - 8 * (i % 8)));
    audit_add(&shard->effects, message->partition, &shard->now, &body->origin,
              AUDIT_WEBHOOK_REPLAYED, AUDIT_OF_DELIVERY, name, sizeof(name));
}

static enum outcome send_again(struct shard *shard, const struct message *message)
{
    const struct delivery_body *body = &message->delivery;
    struct deliveries *deliveries = &shard->webhooks.deliveries;
    struct delivery_step step = step_of(shard);
    uint64_t replays = deliveries->replays;
    enum outcome outcome = may_be_sent(shard, body);

    if (outcome == OUTCOME_OK)
        outcome = deliveries_replay(&step, message->partition, body->sequence, body->endpoint,
                                    &body->event);
    if (deliveries->replays == replays)
        return outcome;
    shard->webhooks.replayed_boot_ms = shard->now.boot_ms;
    metric_add(&shard->metrics.webhooks_replayed, body->event.type != EVENT_ENDPOINT_TEST);
    enter(shard, message);
    return outcome;
}

void webhooks_deliver(struct shard *shard, const struct message *message)
{
    struct effects *effects = &shard->effects;
    uint32_t records_before = effects->records->used;
    enum outcome outcome = send_again(shard, message);
    struct message *reply;

    if (effects->audit_count > 0)
        audit_chain_seal(shard, message->partition, records_before);
    shard_apply_effects(shard);
    reply = effects_message(effects, MESSAGE_REPLY, 0);
    reply->partition = message->partition;
    reply->shard = message->shard;
    reply->cookie = message->cookie;
    reply->reply.answers = MESSAGE_DELIVERY;
    reply->reply.outcome = (uint8_t)outcome;
}

/* ---- what is past its time ---- */

static void sweep_later(struct shard *shard, int64_t delay_ms)
{
    shard->webhooks.sweep.due_boot_ms = shard->now.boot_ms + delay_ms;
}

static void on_page(struct engine_read *read)
{
    struct shard *shard = read->completion.shard;
    struct webhook_sweep *sweep = &shard->webhooks.sweep;

    sweep->is_reading = false;
    sweep->has_page = !read->read.failed;
    if (sweep->has_page)
        return;
    free(read->read.result.bytes);
    sweep_later(shard, SWEEP_AGAIN_MS);
}

/* What a replay under way would bring back must not be on the page. */
static bool may_sweep(const struct shard *shard)
{
    const struct engine_options *options = &shard->engine->options;
    int64_t even_ms = shard->now.boot_ms - shard->rounds.even_since_boot_ms;

    return shard->engine->ports.events[CONSUMER_WEBHOOKS].take != NULL &&
           options->retention_period_ms != 0 && even_ms >= options->retention_steady_ms &&
           shard->now.boot_ms - shard->webhooks.replayed_boot_ms >= SWEEP_AGAIN_MS &&
           engine_mode(shard->engine) == ENGINE_SERVING;
}

static void begin_page(struct shard *shard)
{
    struct webhook_sweep *sweep = &shard->webhooks.sweep;
    struct journal_read *page = &sweep->read.read;

    while (sweep->next.partition < shard->engine->options.partitions &&
           engine_shard_of(shard->engine, sweep->next.partition) != shard->index)
        sweep->next = (struct journal_key){.partition = sweep->next.partition + 1};
    if (sweep->next.partition >= shard->engine->options.partitions) {
        sweep->next = (struct journal_key){0};
        sweep_later(shard,
                    sweep->is_of_dead ? shard->engine->options.retention_period_ms : SWEEP_PACE_MS);
        sweep->is_of_dead = !sweep->is_of_dead;
        return;
    }
    memset(&sweep->read, 0, sizeof(sweep->read));
    page->kind = sweep->is_of_dead ? RECORD_DELIVERY_DEAD : RECORD_DELIVERY_DONE;
    page->from = sweep->next;
    page->to = (struct journal_key){.partition = sweep->next.partition + 1};
    page->limit = LIST_PAGE_MAX;
    sweep->read.done = on_page;
    sweep->replays = shard->webhooks.deliveries.replays;
    sweep->is_reading = engine_read_submit(shard, &sweep->read) == OUTCOME_PENDING;
    if (!sweep->is_reading)
        sweep_later(shard, SWEEP_AGAIN_MS);
}

static bool is_past_its_time(const struct shard *shard, const struct delivery_record *delivery)
{
    int64_t kept_s = delivery->state == DELIVERY_DEAD ? DELIVERY_DEAD_KEPT_S : DELIVERY_KEPT_S;
    int64_t since_ms = delivery->attempted_wall_ms > delivery->event.wall_ms
                           ? delivery->attempted_wall_ms
                           : delivery->event.wall_ms;

    return shard->now.wall_ms - since_ms > kept_s * 1000;
}

static void sweep_record(struct shard *shard, const struct record *record)
{
    struct record *gone;

    if (!is_past_its_time(shard, &record->delivery))
        return;
    gone = effects_record(&shard->effects, (enum record_kind)record->kind, record->partition, 0, 0);
    gone->operation = RECORD_DELETE;
    gone->subject = record->subject;
    gone->sequence = record->sequence;
}

static void take_page(struct shard *shard)
{
    struct webhook_sweep *sweep = &shard->webhooks.sweep;
    struct journal_read *page = &sweep->read.read;
    bool is_good = sweep->replays == shard->webhooks.deliveries.replays;
    bool is_last = page->count < page->limit;

    for (uint32_t i = 0, at = 0; i < page->count && is_good; i++) {
        const struct record *record =
            (const struct record *)(const void *)(page->result.bytes + at);

        sweep_record(shard, record);
        sweep->next = (struct journal_key){.partition = record->partition,
                                           .subject = record->subject,
                                           .sequence = record->sequence + 1};
        at += record->size;
    }
    if (is_good && is_last)
        sweep->next = (struct journal_key){.partition = page->from.partition + 1};
    free(page->result.bytes);
    sweep->has_page = false;
    sweep_later(shard, is_good ? SWEEP_PACE_MS : SWEEP_AGAIN_MS);
}

static void step_sweep(struct shard *shard)
{
    struct webhook_sweep *sweep = &shard->webhooks.sweep;

    if (sweep->is_reading || sweep->has_page || sweep->due_boot_ms > shard->now.boot_ms)
        return;
    if (may_sweep(shard))
        begin_page(shard);
    else
        sweep_later(shard, SWEEP_AGAIN_MS);
}

/* ---- the shard's hooks ---- */

static void show(struct shard *shard)
{
    const struct deliveries *deliveries = &shard->webhooks.deliveries;
    struct shard_metrics *metrics = &shard->metrics;

    atomic_store_explicit(&metrics->webhooks_pending, deliveries->pending, memory_order_relaxed);
    atomic_store_explicit(&metrics->webhooks_overflowed, (int64_t)deliveries->overflows,
                          memory_order_relaxed);
    atomic_store_explicit(&metrics->webhooks_dead, (int64_t)deliveries->deaths,
                          memory_order_relaxed);
    if (shard->now.boot_ms - shard->webhooks.shown_boot_ms < SHOW_PERIOD_MS)
        return;
    shard->webhooks.shown_boot_ms = shard->now.boot_ms;
    atomic_store_explicit(&shard->webhooks_oldest_wall_ms, deliveries_oldest_wall_ms(deliveries),
                          memory_order_relaxed);
}

static void follow_settings(struct shard *shard)
{
    const struct settings_view *view = shard_settings(shard);
    struct webhooks *webhooks = &shard->webhooks;

    if (view->version == webhooks->view_version && !webhooks->deliveries.has_new_lane)
        return;
    webhooks->view_version = view->version;
    deliveries_follow(&webhooks->deliveries, view);
    webhooks->is_clearing = true;
}

void webhooks_step(struct shard *shard)
{
    struct webhooks *webhooks = &shard->webhooks;
    struct webhook_slot *slot;
    uint32_t row;

    follow_settings(shard);
    while (may_begin(shard) && (slot = find_free(webhooks)) != NULL &&
           (row = deliveries_take(&webhooks->deliveries, shard->now.boot_ms,
                                  shard->serial_returned)) != SLOT_NONE)
        give_out(shard, slot, row);
    if (!is_failed(shard))
        step_sweep(shard);
    show(shard);
}

void webhooks_record(struct shard *shard)
{
    struct webhooks *webhooks = &shard->webhooks;

    if (is_failed(shard)) {
        for (uint32_t i = 0; i < DELIVERIES_UNDER_WAY_MAX && webhooks->busy > 0; i++)
            if (webhooks->slots[i].phase == WEBHOOK_ENDED) {
                webhooks->slots[i].phase = WEBHOOK_FREE; /* nothing is recorded any more */
                webhooks->busy--;
            }
        while (webhooks->batch_count > 0)
            end_batch(webhooks, BATCH_RETRY_MS);
        return;
    }
    record_ends(shard);
    record_events(shard);
    if (webhooks->is_clearing && batch_has_room(shard->open)) {
        struct delivery_step step = step_of(shard);

        webhooks->is_clearing = deliveries_clear(&step);
    }
    if (webhooks->sweep.has_page && batch_has_room(shard->open))
        take_page(shard);
}

bool webhooks_have_work(const struct shard *shard)
{
    const struct webhooks *webhooks = &shard->webhooks;

    if (webhooks->batch_count > 0 ||
        ((webhooks->is_clearing || webhooks->sweep.has_page) && !is_failed(shard)))
        return true;
    for (uint32_t i = 0; i < DELIVERIES_UNDER_WAY_MAX && webhooks->busy > 0; i++)
        if (webhooks->slots[i].phase == WEBHOOK_ENDED)
            return true;
    return false;
}

int64_t webhooks_next_ms(const struct shard *shard)
{
    const struct webhooks *webhooks = &shard->webhooks;
    int64_t next_ms = INT64_MAX;

    if (is_failed(shard))
        return INT64_MAX;
    if (may_begin(shard))
        next_ms = deliveries_next_ms(&webhooks->deliveries, shard->serial_returned);
    if (!webhooks->sweep.is_reading && webhooks->sweep.due_boot_ms < next_ms)
        next_ms = webhooks->sweep.due_boot_ms;
    return next_ms;
}
