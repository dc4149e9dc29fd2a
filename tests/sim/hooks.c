/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "violation.h"
#include "world.h"

#define HOOKS_COOKIE (1ULL << 56)

enum {
    HEAL_ROUNDS_MAX = 400,
    HEAL_ROUND_MS = 2000,
    SETUP_STEPS_MAX = 20000,
};

bool hooks_is_cookie(uint64_t cookie)
{
    return cookie >> 52 == HOOKS_COOKIE >> 52;
}

static struct hooks_model *model_of(struct world *world)
{
    return &world->hooks;
}

/* In half of the worlds with orders. */
void hooks_start(struct world *world)
{
    struct hooks_model *hooks = model_of(world);
    uint32_t *delays = world->profile.engine.webhook_schedule.delays_s;

    if (world->profile.hooks == 0)
        return;
    hooks->endpoint_count = world->profile.hooks;
    for (uint32_t i = 0; i < hooks->endpoint_count; i++) {
        hooks->events[i] = sim_random_below(&world->random, 1u << EVENT_ENDPOINT_TEST);
        hooks->events[i] |= 1u << (i == 0 ? EVENT_ORDER_CREATED : EVENT_ORDER_CONFIRMED);
    }
    world->profile.engine.webhook_schedule.count = sim_random_range(&world->random, 1, 4);
    for (uint32_t i = 1; i < 4; i++)
        delays[i] = i;
}

/* ---- endpoints ---- */

static void make_endpoint(struct world *world, uint32_t index)
{
    struct hooks_model *hooks = model_of(world);
    struct command command = {
        .type = COMMAND_SETTINGS,
        .authority = AUTHORITY_STAFF,
        .origin = {.caller = AUDIT_BY_ADMIN_KEY},
        .settings = settings_envelope_create(SETTINGS_CALL_CREATE, SETTING_WEBHOOK_ENDPOINT)};
    struct setting_endpoint *row = &command.settings->row.endpoint;
    struct refusal refusal;
    enum outcome outcome;

    assert(command.settings != NULL);
    row->url_length = (uint16_t)snprintf(row->url, sizeof(row->url), "https://h%u.example", index);
    row->events = hooks->events[index];
    row->enabled = true;
    row->secrets[0].length = 1;
    row->secrets[0].place = 1;
    command.settings->key.length = 8;
    memset(command.settings->key.bytes, 7, 8);
    world->in_submit = true;
    outcome = engine_submit(clients_enter_shard(world, 0), &command, HOOKS_COOKIE, &refusal);
    world->in_submit = false;
    if (outcome != OUTCOME_PENDING)
        violation("an endpoint could not be made: %s", outcome_name(outcome));
    hooks->call_open = true;
    world->shop.changes_sent++;
    clients_note_clock(world, 0);
}

void hooks_make_endpoints(struct world *world, bool (*step)(struct world *world))
{
    struct hooks_model *hooks = model_of(world);
    uint32_t steps = 0;

    while (hooks->made < hooks->endpoint_count) {
        if (!hooks->call_open)
            make_endpoint(world, hooks->made);
        if (!step(world))
            world_advance_clock(world, 1);
        if (++steps > SETUP_STEPS_MAX)
            violation("endpoint %u could not be made", hooks->made);
    }
}

static void take_made(struct world *world, const struct message *reply)
{
    struct hooks_model *hooks = model_of(world);
    const struct settings_envelope *answer = reply->reply.settings;

    if (reply->reply.outcome != OUTCOME_OK)
        violation("an endpoint could not be made: %s",
                  outcome_name((enum outcome)reply->reply.outcome));
    hooks->numbers[hooks->made++] = answer->number;
    hooks->call_open = false;
    world->shop.changes++;
    envelope_free(reply->reply.settings);
}

void hooks_take(struct world *world, uint64_t cookie, const struct message *reply)
{
    trace_add(&world->trace, TRACE_REPLY, cookie, reply->reply.outcome);
    if (world->dying || world->in_submit)
        violation("a webhooks' answer comes to nobody");
    if (reply->reply.answers == MESSAGE_SETTINGS)
        take_made(world, reply);
    else if (reply->reply.outcome == OUTCOME_OK)
        world_mark(world, MARK_HOOK_REPLAYED);
}

/* ---- events ---- */

static struct sim_hook_event *find_event(struct hooks_model *hooks, uint32_t partition,
                                         uint64_t sequence, uint32_t *index_out)
{
    for (uint32_t i = hooks->told_count; i > 0; i--)
        if (hooks->told[i - 1].partition == partition && hooks->told[i - 1].sequence == sequence) {
            *index_out = i - 1;
            return &hooks->told[i - 1];
        }
    return NULL;
}

static void scan(struct world *world, uint32_t partition)
{
    struct hooks_model *hooks = model_of(world);
    struct record record;

    while (journal_memory_find(world->journal, RECORD_EVENT_OUT, partition, 0,
                               hooks->scanned[partition] + 1, &record)) {
        const struct event_out_record *row = &record.event_out;
        struct sim_hook_event *told = &hooks->told[hooks->told_count];

        if (hooks->told_count == SIM_HOOK_EVENTS_MAX)
            violation("more events than the simulator can remember");
        *told = (struct sim_hook_event){
            .event = {.type = (uint8_t)event_out_type(row->type),
                      .status = row->type == EVENT_OUT_SOLD_OUT ? ORDER_NONE : row->type,
                      .order = row->order,
                      .created_wall_ms = row->created_wall_ms,
                      .wall_ms = row->wall_ms,
                      .amount_minor = row->amount_minor},
            .sequence = ++hooks->scanned[partition],
            .seen_ms = world_now(world),
            .partition = partition};
        hooks->told_count++;
    }
}

void hooks_scan(struct world *world)
{
    if (model_of(world)->endpoint_count > 0)
        scan(world, (uint32_t)(world->step % world->profile.engine.partitions));
}

static bool wants(const struct hooks_model *hooks, uint32_t endpoint,
                  const struct sim_hook_event *told)
{
    return (hooks->events[endpoint] & 1u << told->event.type) != 0;
}

/* ---- on the way ---- */

static uint32_t endpoint_of(const struct hooks_model *hooks, uint32_t number)
{
    uint32_t endpoint = 0;

    while (endpoint < hooks->made && hooks->numbers[endpoint] != number)
        endpoint++;
    if (endpoint == hooks->made)
        violation("a webhook goes to endpoint %u, which nobody made", number);
    return endpoint;
}

/* By fields: a copied record's padding is anything. */
static bool is_same_event(const struct delivery_event *one, const struct delivery_event *other)
{
    return one->type == other->type && one->status == other->status && one->order == other->order &&
           one->created_wall_ms == other->created_wall_ms && one->wall_ms == other->wall_ms &&
           one->amount_minor == other->amount_minor;
}

static void check_trip(struct world *world, const struct sim_trip *trip)
{
    const struct engine_delivery *delivery = trip->delivery;
    const struct sim_hook_event *told = &model_of(world)->told[trip->event];
    struct record record;

    if (told->carried[trip->endpoint])
        violation("a webhook is under way twice at once");
    if (!wants(model_of(world), trip->endpoint, told))
        violation("endpoint %u gets an event of type %u, for which it did not ask", trip->endpoint,
                  told->event.type);
    if (!is_same_event(&delivery->event, &told->event))
        violation("an event goes out otherwise than it happened");
    if (!journal_memory_find(world->journal, RECORD_DELIVERY, delivery->partition,
                             delivery->endpoint, delivery->sequence, &record) ||
        record.delivery.attempts != delivery->attempts)
        violation("a webhook leaves whose record is not durable");
}

static void end_trip(struct world *world, struct sim_trip trip, enum delivery_result result)
{
    struct hooks_model *hooks = model_of(world);
    struct sim_hook_event *told = &hooks->told[trip.event];
    uint32_t count = world->profile.engine.webhook_schedule.count;
    struct delivery_answer answer = {.result = (uint8_t)result, .response = 500, .reason = "no"};

    told->carried[trip.endpoint] = false;
    if (result == DELIVERY_OK) {
        told->taken[trip.endpoint]++;
        world_mark(world, told->taken[trip.endpoint] > 1 ? MARK_HOOK_AGAIN : MARK_HOOK_TAKEN);
    }
    if (result == DELIVERY_REFUSED ||
        (result == DELIVERY_LATER && trip.delivery->attempts + 1U >= count)) {
        told->given_up[trip.endpoint] = true;
        world_mark(world, MARK_HOOK_DEAD);
    }
    if (result == DELIVERY_LATER && sim_random_chance(&world->random, 100000))
        answer.retry_after_s = sim_random_below(&world->random, 5);
    trace_add(&world->trace, TRACE_REPLY, trip.event, (uint64_t)result);
    world_log(world, "event %u at endpoint %u: %d, attempt %u", trip.event, trip.endpoint,
              (int)result, trip.delivery->attempts + 1U);
    engine_delivery_done(trip.delivery, &answer);
}

static enum delivery_result draw_result(struct world *world)
{
    static const uint32_t usual[] = {
        [DELIVERY_OK] = 55, [DELIVERY_LATER] = 30, [DELIVERY_REFUSED] = 5, [DELIVERY_UNTRIED] = 10};
    static const uint32_t healed[] = {
        [DELIVERY_OK] = 95, [DELIVERY_LATER] = 5, [DELIVERY_REFUSED] = 0, [DELIVERY_UNTRIED] = 0};

    return (enum delivery_result)sim_random_weighted(
        &world->random, world->phase == PHASE_HEAL ? healed : usual, DELIVERY_UNTRIED + 1);
}

static void courier(void *user, struct shard *shard, struct engine_delivery *delivery)
{
    struct world *world = user;
    struct hooks_model *hooks = model_of(world);
    struct sim_trip trip = {.delivery = delivery, .shard = shard_index(shard)};

    if (world->dying)
        violation("a dead process sends webhooks");
    trip.endpoint = endpoint_of(hooks, delivery->endpoint);
    scan(world, delivery->partition);
    if (find_event(hooks, delivery->partition, delivery->sequence, &trip.event) == NULL)
        violation("a webhook tells of an event that is not durable");
    check_trip(world, &trip);
    if (hooks->trip_count == SIM_HOOK_TRIPS_MAX)
        violation("more webhooks are under way than may be");
    hooks->told[trip.event].carried[trip.endpoint] = true;
    if (sim_random_below(&world->random, 100) < 20)
        end_trip(world, trip, draw_result(world));
    else
        hooks->trips[hooks->trip_count++] = trip;
}

void hooks_engine_started(struct world *world)
{
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        shard_set_webhook_courier(engine_shard(world->engine, i), courier, world);
}

void hooks_restart(struct world *world)
{
    struct hooks_model *hooks = model_of(world);

    if (hooks->trip_count > 0)
        world_mark(world, MARK_CRASH_HOOKS);
    hooks->trip_count = 0;
    hooks->call_open = false;
    for (uint32_t i = 0; i < hooks->told_count; i++)
        memset(hooks->told[i].carried, 0, sizeof(hooks->told[i].carried));
}

/* ---- acts ---- */

/* Staff send a dead letter again. */
static void replay(struct world *world)
{
    struct hooks_model *hooks = model_of(world);
    uint32_t event = sim_random_below(&world->random, hooks->told_count);
    uint32_t endpoint = sim_random_below(&world->random, hooks->made);
    const struct sim_hook_event *told = &hooks->told[event];
    uint32_t shard = clients_draw_shard(world);
    struct command command = {.type = COMMAND_DELIVERY, .origin = {.caller = AUDIT_BY_OWNER}};
    struct record record;
    struct refusal refusal;
    enum outcome outcome;

    if (shard == NONE || !journal_memory_find(world->journal, RECORD_DELIVERY_DEAD, told->partition,
                                              hooks->numbers[endpoint], told->sequence, &record))
        return;
    command.delivery.partition = told->partition;
    command.delivery.body = (struct delivery_body){.endpoint = hooks->numbers[endpoint],
                                                   .sequence = told->sequence,
                                                   .event = record.delivery.event};
    world->in_submit = true;
    outcome =
        engine_submit(clients_enter_shard(world, shard), &command, HOOKS_COOKIE | 1, &refusal);
    world->in_submit = false;
    if (outcome == OUTCOME_PENDING)
        clients_note_clock(world, shard);
}

static void come_back(struct world *world)
{
    struct hooks_model *hooks = model_of(world);
    uint32_t at = sim_random_below(&world->random, hooks->trip_count);
    struct sim_trip trip = hooks->trips[at];

    hooks->trips[at] = hooks->trips[--hooks->trip_count];
    clients_enter_shard(world, trip.shard);
    end_trip(world, trip, draw_result(world));
}

void hooks_act(struct world *world)
{
    struct hooks_model *hooks = model_of(world);

    if (world->phase == PHASE_SALE && hooks->told_count > 0 &&
        sim_random_below(&world->random, 100) < 10)
        replay(world);
    else if (hooks->trip_count > 0)
        come_back(world);
}

/* ---- the end ---- */

/* By the wall clock a dead letter may have been there for too long. */
static bool may_be_swept(const struct world *world, const struct sim_hook_event *told)
{
    return wall_highest_since(world, told->seen_ms) - wall_lowest_since(world, told->seen_ms) >
           DELIVERY_DEAD_KEPT_S * INT64_C(1000);
}

static bool is_stored(const struct world *world, enum record_kind kind, uint32_t endpoint,
                      const struct sim_hook_event *told)
{
    struct record record;

    return journal_memory_find(world->journal, kind, told->partition,
                               world->hooks.numbers[endpoint], told->sequence, &record);
}

static bool is_settled(const struct world *world, uint32_t endpoint,
                       const struct sim_hook_event *told)
{
    if (!wants(&world->hooks, endpoint, told))
        return true;
    if (is_stored(world, RECORD_DELIVERY, endpoint, told))
        return false;
    return told->taken[endpoint] > 0 || may_be_swept(world, told) ||
           is_stored(world, RECORD_DELIVERY_DEAD, endpoint, told);
}

static uint32_t count_unsettled(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->hooks.told_count; i++)
        for (uint32_t endpoint = 0; endpoint < world->hooks.made; endpoint++)
            count += !is_settled(world, endpoint, &world->hooks.told[i]);
    return count;
}

void hooks_heal(struct world *world, void (*settle)(struct world *))
{
    struct hooks_model *hooks = model_of(world);
    uint32_t rounds = 0;

    if (hooks->endpoint_count == 0)
        return;
    settle(world);
    for (uint32_t i = 0; i < world->profile.engine.partitions; i++)
        scan(world, i);
    while (count_unsettled(world) > 0 && rounds++ < HEAL_ROUNDS_MAX) {
        world_advance_clock(world, HEAL_ROUND_MS);
        settle(world);
    }
    for (uint32_t i = 0; i < hooks->told_count; i++)
        for (uint32_t endpoint = 0; endpoint < hooks->made; endpoint++) {
            const struct sim_hook_event *told = &hooks->told[i];

            if (is_settled(world, endpoint, told))
                continue;
            violation("event %" PRIu64 " of partition %u is %s for endpoint %u long after the last "
                      "fault",
                      told->sequence, told->partition,
                      is_stored(world, RECORD_DELIVERY, endpoint, told)
                          ? "still pending"
                          : "lost: neither taken nor kept",
                      endpoint);
        }
}
