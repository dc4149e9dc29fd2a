/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients do. Each is a customer with a session; some acts are the shop's staff. They call
 * engine_submit as the HTTP handlers do: on a shard's thread, between its turns. */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"

/* ---- requests ---- */

void clients_restart(struct world *world)
{
    for (uint32_t i = 0; i < SIM_REQUESTS_MAX; i++) {
        world->requests[i].cookie = 0;
        world->free_requests[i] = SIM_REQUESTS_MAX - 1 - i;
    }
    world->free_request_count = SIM_REQUESTS_MAX;
    world->spans_open = 0;
    for (uint32_t i = 0; i < SIM_CONTESTS; i++)
        world->contests[i].open = world->contests[i].refused = 0;
    memset(world->answered, 0, sizeof(world->answered));
    for (uint32_t i = 0; i < world->books.product_count; i++) {
        struct product_model *product = &world->books.products[i];

        product->vague =
            product->vague || (product->put_open && product->presence == PRODUCT_PRESENT);
        product->was_free = product->was_free || product->vague;
        product->put_open = false;
    }
}

struct request *clients_take_request(struct world *world, enum command_type type, uint32_t client)
{
    struct request *request;
    uint32_t slot;

    if (world->free_request_count == 0)
        return NULL;
    slot = world->free_requests[--world->free_request_count];
    request = &world->requests[slot];
    *request = (struct request){.cookie = ++world->submitted * SIM_REQUESTS_MAX + slot,
                                .type = type,
                                .client = client,
                                .submitted_ms = world_now(world),
                                .submitted_step = world->step,
                                .target = NONE,
                                .attempt = NONE,
                                .hold = NONE,
                                .known_hold = NONE,
                                .sku = NONE,
                                .adjustment = NONE,
                                .product = NONE};
    request->answer_lost =
        sim_random_below(&world->random, 100) < world->profile.lost_answer_percent;
    return request;
}

void clients_give_request(struct world *world, struct request *request)
{
    assert(request->cookie != 0);
    world->free_requests[world->free_request_count++] =
        (uint32_t)(request->cookie % SIM_REQUESTS_MAX);
    request->cookie = 0;
}

struct shard *clients_enter_shard(struct world *world, uint32_t shard)
{
    struct sim_thread *thread = &world->shards[shard];

    if (thread->state == THREAD_ASLEEP)
        shard_wake_up(engine_shard(world->engine, shard));
    thread->state = THREAD_RUNNABLE;
    return engine_shard(world->engine, shard);
}

static const char *command_name(enum command_type type)
{
    static const char *const names[] = {
        [COMMAND_RESERVE] = "reserve",      [COMMAND_HOLD_GET] = "get",
        [COMMAND_HOLD_RELEASE] = "release", [COMMAND_HOLD_EXTEND] = "extend",
        [COMMAND_HOLD_CONVERT] = "convert", [COMMAND_STOCK_GET] = "stock",
        [COMMAND_STOCK_ADJUST] = "adjust",  [COMMAND_PRODUCT_PUT] = "product",
        [COMMAND_HOLD_LIST] = "list",
    };

    return names[type];
}

static uint32_t serving_shard(const struct world *world, const struct request *request)
{
    uint32_t sku = request->type == COMMAND_RESERVE ? request->summed.lines[0].sku : request->sku;

    switch (request->type) {
    case COMMAND_HOLD_GET:
    case COMMAND_HOLD_RELEASE:
    case COMMAND_HOLD_EXTEND:
    case COMMAND_HOLD_CONVERT:
        return engine_partition_shard(world->engine,
                                      world->books.holds[request->hold].id.partition);
    case COMMAND_RESERVE:
    case COMMAND_STOCK_GET:
    case COMMAND_STOCK_ADJUST:
        return engine_partition_shard(world->engine,
                                      sku_id_partition(world->books.skus[sku].sku_id));
    case COMMAND_PRODUCT_PUT: /* by several, one after the other */
    case COMMAND_HOLD_LIST:
    default:
        return NONE;
    }
}

enum outcome clients_submit(struct world *world, uint32_t shard, const struct command *command,
                            struct request *request, struct refusal *refusal_out)
{
    struct shard *target = clients_enter_shard(world, shard);
    enum outcome outcome;

    memset(refusal_out, 0, sizeof(*refusal_out));
    request->shard = shard;
    world->in_submit = true;
    outcome = engine_submit(target, command, request->cookie, refusal_out);
    world->in_submit = false;
    request->counted_from_ms =
        env_controlled_world_ms(&world->env, engine_inspect_now(target).boot_ms);
    trace_add(&world->trace, TRACE_SUBMIT,
              (uint64_t)command->type << 32 | request->client << 8 | outcome, request->cookie);
    world_log(world, "shard %u: client %u sends %" PRIu64 ": %s, attempt %d hold %d sku %d: %s",
              shard, request->client, request->cookie, command_name(command->type),
              (int)request->attempt, (int)request->hold, (int)request->sku, outcome_name(outcome));
    request->disk_full = world->disk_full;
    request->sent_step = world->step;
    if (outcome == OUTCOME_PENDING && world->draining &&
        (command->type == COMMAND_RESERVE || command->type == COMMAND_PRODUCT_PUT))
        violation("a draining engine took a %s on", command_name(command->type));
    if (outcome == OUTCOME_PENDING && world->disk_full && command->type == COMMAND_PRODUCT_PUT)
        violation("I7: a product was taken on with the disk full");
    if (outcome != OUTCOME_PENDING) {
        answers_refused(world, request, outcome, refusal_out);
        clients_give_request(world, request);
        return outcome;
    }
    request->target = serving_shard(world, request);
    oracles_check_counted(world, request);
    return outcome;
}

uint32_t clients_draw_shard(struct world *world)
{
    uint32_t shard = sim_random_below(&world->random, world->profile.engine.shards);

    return world->shards[shard].stalled_until > world->step ? NONE : shard;
}

static struct slice slice_of(const char *text)
{
    return (struct slice){.text = text, .length = strlen(text)};
}

/* ---- reservations ---- */

/* The body as the client sends it: two orders are the same request if these bytes are. */
static void write_body(const struct world *world, const struct order_lines *order,
                       char body_out[SIM_TEXT_MAX])
{
    int used = 0;

    for (uint32_t i = 0; i < order->count; i++)
        used += snprintf(body_out + used, SIM_TEXT_MAX - (size_t)used, "%s=%u;",
                         world->books.skus[order->lines[i].sku].name, order->lines[i].quantity);
}

/* A single new key that was sent without a claim: the filter took it for a repeated one. */
static void mark_false_positive(struct world *world, const struct request *request,
                                uint32_t claimed_before)
{
    const struct sku_entry *entry = world_sku_entry(world, request->summed.lines[0].sku);

    if (request->alone && request->summed.count == 1 && entry != NULL &&
        gate_claimed(&entry->gate) == claimed_before)
        world_mark(world, MARK_FILTER_FALSE_POSITIVE);
}

static void opened_reserve(struct world *world, const struct request *request)
{
    struct attempt *attempt = &world->books.attempts[request->attempt];

    if (attempt->requests == 0)
        attempt->first_ms = request->submitted_ms;
    attempt->open++;
    attempt->requests++;
    attempt->other_sent = attempt->other_sent || request->other_body;
    attempt->body_sent = attempt->body_sent || !request->other_body;
    world->spans_open += request->spans;
}

void clients_reserve(struct world *world, uint32_t attempt_index, const struct order_lines *order,
                     bool other_body)
{
    struct attempt *attempt = &world->books.attempts[attempt_index];
    struct request *request = clients_take_request(world, COMMAND_RESERVE, attempt->client);
    struct command_line lines[SIM_LINES_MAX];
    const struct sku_entry *entry;
    char body[SIM_TEXT_MAX];
    char key[32];
    struct refusal refusal;
    struct command command = {.type = COMMAND_RESERVE,
                              .principal = world_principal(world, attempt->client)};
    uint32_t shard = clients_draw_shard(world);
    uint32_t claimed;

    if (request == NULL)
        return;
    if (shard == NONE) {
        clients_give_request(world, request);
        return;
    }
    for (uint32_t i = 0; i < order->count; i++)
        lines[i] = (struct command_line){slice_of(world->books.skus[order->lines[i].sku].name),
                                         order->lines[i].quantity};
    write_body(world, order, body);
    snprintf(key, sizeof(key), "key-%u", attempt->key);
    command.reserve.key = slice_of(key);
    command.reserve.body = slice_of(body);
    command.reserve.lines = lines;
    command.reserve.line_count = order->count;
    request->attempt = attempt_index;
    order_sum(order, &request->summed);
    request->spans = world_spans(world, &request->summed);
    request->other_body = other_body;
    request->alone = attempt->requests == 0;
    request->known_hold = attempt->hold;
    request->limits_version = world->books.limits_version;
    entry = world_sku_entry(world, order->lines[0].sku);
    if (entry != NULL)
        request->fence_seen = world->fences[sku_id_partition(entry->sku_id)];
    claimed = entry == NULL ? 0 : gate_claimed(&entry->gate);
    if (clients_submit(world, shard, &command, request, &refusal) == OUTCOME_PENDING) {
        mark_false_positive(world, request, claimed);
        opened_reserve(world, request);
    }
}

static uint32_t draw_sku(struct world *world)
{
    uint32_t sku;

    if (sim_random_below(&world->random, 100) < world->profile.skew)
        return 0;
    for (uint32_t tries = 0; tries < 8; tries++) {
        sku = sim_random_below(&world->random, world->books.sku_count);
        if (world->books.products[world->books.skus[sku].product].presence == PRODUCT_PRESENT)
            return sku;
    }
    return 0;
}

static void draw_order(struct world *world, uint32_t first_sku, struct order_lines *order_out)
{
    order_out->count = 1;
    if (sim_random_below(&world->random, 100) < world->profile.lines_percent)
        order_out->count = sim_random_range(&world->random, 2, SIM_LINES_MAX);
    for (uint32_t i = 0; i < order_out->count; i++) {
        struct model_line *line = &order_out->lines[i];

        line->sku = i == 0 ? first_sku : draw_sku(world);
        if (i > 0 && sim_random_below(&world->random, 100) < world->profile.duplicate_percent)
            line->sku = order_out->lines[i - 1].sku;
        line->quantity = sim_random_range(&world->random, 1, world->profile.quantity_max);
    }
}

static void reserve_new(struct world *world, uint32_t client_index)
{
    struct client *client = &world->clients[client_index];
    struct order_lines order;
    uint32_t sku = draw_sku(world);
    uint32_t product = world->books.skus[sku].product;
    uint32_t last = client->attempt_count == 0
                        ? NONE
                        : client->attempts[(client->attempt_count - 1) % SIM_RECENT_MAX];
    uint32_t key = client->next_key++;
    uint32_t attempt;

    /* A key is one product's: with another product the same text is another key. */
    if (last != NONE && world->books.attempts[last].key + 1 == key &&
        world->books.attempts[last].product != product &&
        sim_random_chance(&world->random, 100000)) {
        key--;
        world_mark(world, MARK_KEY_OTHER_PRODUCT);
    }
    attempt = books_add_attempt(&world->books, client_index, key, product);
    draw_order(world, sku, &order);
    world->books.attempts[attempt].order = order;
    client->attempts[client->attempt_count++ % SIM_RECENT_MAX] = attempt;
    clients_reserve(world, attempt, &order, false);
    if (sim_random_below(&world->random, 100) < world->profile.double_percent) {
        clients_reserve(world, attempt, &order, false); /* a double click */
        if (world->books.attempts[attempt].open > 1)
            world_mark(world, MARK_SENT_TWICE);
    }
}

static uint32_t recent(struct world *world, const uint32_t *ring, uint32_t count)
{
    if (count == 0)
        return NONE;
    return ring[sim_random_below(&world->random, count < SIM_RECENT_MAX ? count : SIM_RECENT_MAX)];
}

static void reserve_again(struct world *world, uint32_t client_index, bool other_body)
{
    struct client *client = &world->clients[client_index];
    uint32_t index = recent(world, client->attempts, client->attempt_count);
    struct order_lines order;

    if (index == NONE)
        return;
    order = world->books.attempts[index].order;
    if (other_body) { /* the same product first, since that is part of the key's scope */
        order.lines[0].quantity = order.lines[0].quantity % SIM_OTHER_BODY_UNITS_MAX + 1;
        order.count = 1;
    }
    clients_reserve(world, index, &order, other_body);
}

static void reserve_unknown(struct world *world, uint32_t client_index)
{
    struct request *request = clients_take_request(world, COMMAND_RESERVE, client_index);
    struct command_line lines[2] = {{slice_of("no-such-sku"), 1}, {slice_of("no-such-sku"), 1}};
    struct command command = {.type = COMMAND_RESERVE,
                              .principal = world_principal(world, client_index)};
    bool second = sim_random_chance(&world->random, 500000);
    uint32_t shard = clients_draw_shard(world);
    struct refusal refusal;
    enum outcome outcome;

    if (request == NULL)
        return;
    if (shard == NONE) {
        clients_give_request(world, request);
        return;
    }
    if (second)
        lines[0].sku = slice_of(world->books.skus[draw_sku(world)].name);
    command.reserve.key = slice_of("unknown");
    command.reserve.body = slice_of("unknown");
    command.reserve.lines = lines;
    command.reserve.line_count = 2;
    outcome = clients_submit(world, shard, &command, request, &refusal);
    if (outcome == OUTCOME_NOT_FOUND && refusal.line != (second ? 1u : 0u))
        violation("line %u is unknown, line %u was named", second ? 1u : 0u, refusal.line);
    if (outcome == OUTCOME_NOT_FOUND)
        world_mark(world, MARK_UNKNOWN_SKU);
    else if (outcome != OUTCOME_STORAGE_FULL && outcome != OUTCOME_OUTCOME_UNKNOWN &&
             outcome != OUTCOME_OVERLOADED)
        violation("an unknown SKU was answered %s", outcome_name(outcome));
}

/* ---- holds ---- */

void clients_remember_hold(struct world *world, uint32_t client_index, uint32_t hold)
{
    struct client *client;

    if (client_index >= SIM_CLIENTS_MAX)
        return;
    client = &world->clients[client_index];
    client->holds[client->hold_count++ % SIM_RECENT_MAX] = hold;
}

static void opened_hold_request(struct world *world, const struct request *request)
{
    struct book_hold *hold = &world->books.holds[request->hold];

    if (request->stranger)
        return;
    if (request->type == COMMAND_HOLD_RELEASE || request->type == COMMAND_HOLD_CONVERT) {
        hold->ends_open++;
        if (world_now(world) < hold->ended_earliest_ms)
            hold->ended_earliest_ms = world_now(world);
    }
    hold->release_sent = hold->release_sent || request->type == COMMAND_HOLD_RELEASE;
    if (request->type == COMMAND_HOLD_CONVERT) {
        hold->convert_sent = true;
        hold->converts_open++;
    }
    if (request->type == COMMAND_HOLD_EXTEND) {
        hold->extends_open++;
        hold->extends_sent++;
    }
    if (request->extend_key > hold->extend_key) {
        hold->extend_key = request->extend_key;
        hold->extend_requests = 0;
        hold->extend_done = false;
    }
    hold->extend_requests += request->extend_key != 0 && request->extend_key == hold->extend_key;
}

/* `stale`: by an ID of the same number that was given before a backup was restored. */
static void ask_hold(struct world *world, enum command_type type, uint32_t client_index,
                     uint32_t hold_index, bool staff, bool stale)
{
    struct request *request = clients_take_request(world, type, client_index);
    const struct book_hold *hold = &world->books.holds[hold_index];
    struct reservation_id asked = hold->id;
    char id[RESERVATION_ID_LENGTH + 1];
    char key[32];
    struct command command = {.type = type,
                              .principal = world_principal(world, client_index),
                              .authority = staff ? AUTHORITY_STAFF : AUTHORITY_PRINCIPAL};
    uint32_t shard = clients_draw_shard(world);
    struct refusal refusal;

    if (request == NULL)
        return;
    if (shard == NONE) {
        clients_give_request(world, request);
        return;
    }
    if (type == COMMAND_HOLD_EXTEND && sim_random_chance(&world->random, 600000)) {
        bool again = hold->extend_key != 0 && sim_random_chance(&world->random, 400000);

        request->extend_key =
            again ? sim_random_range(&world->random, 1, hold->extend_key) : hold->extend_key + 1;
        for (uint32_t i = 0; i < HOLD_EXTENSIONS_MAX; i++)
            request->extend_known =
                request->extend_known || hold->extends_known[i] == request->extend_key;
        snprintf(key, sizeof(key), "extend-%u", request->extend_key);
        command.key = slice_of(key);
    }
    asked.created_ms -= stale ? 1 : 0;
    engine_reservation_id(world->engine, &asked, id);
    command.reservation_id = slice_of(id);
    request->hold = hold_index;
    request->staff = staff;
    request->stranger = stale || (!staff && client_index != hold->client);
    request->known_state = hold->state;
    request->known_extensions = hold->extensions;
    request->extends_sent = hold->extends_sent;
    request->known_convert_maybe = hold->convert_maybe || hold->converts_open > 0;
    request->known_extend_maybe = hold->extend_maybe;
    request->none_open = hold->ends_open == 0 && hold->extends_open == 0;
    request->known_deadline_wall_ms = hold->deadline_wall_ms;
    request->deadline_max_ms = book_hold_deadline_max(hold, world->profile.engine.hold_cap_ms);
    if (clients_submit(world, shard, &command, request, &refusal) == OUTCOME_PENDING)
        opened_hold_request(world, request);
}

void clients_ask_hold(struct world *world, enum command_type type, uint32_t client_index,
                      uint32_t hold, bool staff)
{
    ask_hold(world, type, client_index, hold, staff, false);
}

static void ask_own_hold(struct world *world, enum command_type type, uint32_t client_index)
{
    struct client *client = &world->clients[client_index];
    uint32_t hold = recent(world, client->holds, client->hold_count);

    if (hold == NONE)
        return;
    clients_ask_hold(world, type, client_index, hold,
                     type == COMMAND_HOLD_CONVERT || sim_random_chance(&world->random, 50000));
}

static void ask_foreign_hold(struct world *world, uint32_t client_index)
{
    static const enum command_type types[] = {COMMAND_HOLD_GET, COMMAND_HOLD_RELEASE,
                                              COMMAND_HOLD_EXTEND};
    uint32_t hold;

    if (world->books.hold_count == 0)
        return;
    hold = sim_random_below(&world->random, world->books.hold_count);
    if (sim_random_chance(&world->random, 300000))
        client_index = world->books.holds[hold].client;
    ask_hold(world, types[sim_random_below(&world->random, 3)], client_index, hold, false,
             world->books.holds[hold].client == client_index);
}

void clients_list(struct world *world, uint32_t client_index, uint32_t asked,
                  const struct reservation_id *after)
{
    struct request *request = clients_take_request(world, COMMAND_HOLD_LIST, client_index);
    struct command command = {.type = COMMAND_HOLD_LIST,
                              .principal = world_principal(world, client_index)};
    uint32_t shard = clients_draw_shard(world);
    struct refusal refusal;

    if (request == NULL)
        return;
    if (shard == NONE) {
        clients_give_request(world, request);
        return;
    }
    command.list.shard = asked;
    command.list.body = (struct list_body){.principal = command.principal,
                                           .sku_id = UINT32_MAX,
                                           .state = -1,
                                           .limit = sim_random_range(&world->random, 1, 20)};
    if (world->phase == PHASE_HEAL)
        command.list.body.limit = LIST_PAGE_MAX;
    if (world->phase == PHASE_HEAL || sim_random_chance(&world->random, 300000))
        command.list.body.state = HOLD_HELD;
    if (after != NULL)
        command.list.body.after = *after;
    request->list = command.list.body;
    clients_submit(world, shard, &command, request, &refusal);
}

/* ---- the act ---- */

static void act_on_stock(struct world *world, enum act act)
{
    uint32_t sku = draw_sku(world);
    uint32_t product;

    if (act == ACT_ADJUST && sim_random_chance(&world->random, 300000)) {
        staff_adjust_again(world);
        return;
    }
    if (act == ACT_ADJUST) {
        bool is_set = sim_random_chance(&world->random, 200000);

        staff_adjust(world, sku, is_set,
                     is_set ? (int64_t)sim_random_below(&world->random, 8)
                            : (int64_t)sim_random_below(&world->random, 8) - 4);
        return;
    }
    product = sim_random_below(&world->random, world->books.product_count);
    staff_put_product(world, product,
                      sim_random_chance(&world->random, 500000) ? PUT_CREATE : PUT_UPSERT);
}

void clients_act(struct world *world)
{
    uint32_t client = sim_random_below(&world->random, world->profile.clients);
    enum act act =
        (enum act)sim_random_weighted(&world->random, world->profile.act_weights, ACT_COUNT);

    switch (act) {
    case ACT_RESERVE:
        reserve_new(world, client);
        break;
    case ACT_RETRY:
    case ACT_OTHER_BODY:
        reserve_again(world, client, act == ACT_OTHER_BODY);
        break;
    case ACT_UNKNOWN_SKU:
        reserve_unknown(world, client);
        break;
    case ACT_GET:
        ask_own_hold(world, COMMAND_HOLD_GET, client);
        break;
    case ACT_GET_FOREIGN:
        ask_foreign_hold(world, client);
        break;
    case ACT_RELEASE:
        ask_own_hold(world, COMMAND_HOLD_RELEASE, client);
        break;
    case ACT_EXTEND:
        ask_own_hold(world, COMMAND_HOLD_EXTEND, client);
        break;
    case ACT_CONVERT:
        ask_own_hold(world, COMMAND_HOLD_CONVERT, client);
        break;
    case ACT_LIST:
        clients_list(world, client, sim_random_below(&world->random, world->profile.engine.shards),
                     NULL);
        break;
    case ACT_STOCK_GET:
        staff_get_stock(world, draw_sku(world));
        break;
    case ACT_ADJUST:
    case ACT_PRODUCT:
        act_on_stock(world, act);
        break;
    case ACT_LEDGER:
        staff_read_ledger(world, draw_sku(world));
        break;
    case ACT_COUNT:
    default:
        assert(false && "an act has a kind");
    }
}
