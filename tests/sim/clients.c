/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients do. Each is a customer with a session; some acts are the shop's staff. They call
 * engine_submit as the HTTP handlers do: on a shard's thread, between its turns. */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"

enum { FIRST_KEY_OF_PEOPLE = 1000000 };

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
        for (uint32_t sku = 0; sku < product->sku_count && product->put_open; sku++)
            world->books.skus[product->sku_first + sku].is_version_vague = true;
        product->put_open = false;
        product->sale_open = false;
        product->sale_changes++;
    }
}

struct request *clients_take_request(struct world *world, enum command_type type, uint32_t party)
{
    struct request *request;
    uint32_t slot;

    if (world->free_request_count == 0)
        return NULL;
    slot = world->free_requests[--world->free_request_count];
    request = &world->requests[slot];
    *request = (struct request){.cookie = ++world->submitted * SIM_REQUESTS_MAX + slot,
                                .type = type,
                                .client = party,
                                .device = NONE,
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
        [COMMAND_HOLD_LIST] = "list",       [COMMAND_HOLDS_ADOPT] = "adopt",
        [COMMAND_ACCOUNT] = "account",      [COMMAND_SETTINGS] = "settings",
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
    case COMMAND_SETTINGS:
        return engine_partition_shard(world->engine, SETTINGS_PARTITION);
    case COMMAND_HOLDS_ADOPT:
        return request->target;
    case COMMAND_PRODUCT_PUT: /* by several, one after the other */
    case COMMAND_HOLD_LIST:
    case COMMAND_ACCOUNT: /* when it has been loaded */
    case COMMAND_COUPON:
    case COMMAND_COUPON_LIST:
    case COMMAND_COUPON_HOLD:
    case COMMAND_COUPON_COMMIT:
    case COMMAND_COUPON_RELEASE:
    case COMMAND_CART: /* carts.c */
    case COMMAND_CART_MERGE:
    case COMMAND_CART_CLEAR:
    case COMMAND_HOLD_BIND: /* an order's */
    case COMMAND_HOLD_UNBIND:
    case COMMAND_HOLD_PIN:
    case COMMAND_ORDER:
    case COMMAND_STOCK_RESTOCK:
    case COMMAND_DELIVERY: /* hooks.c */
    default:
        return NONE;
    }
}

static void log_sent(const struct world *world, uint32_t shard, const struct request *request,
                     enum outcome outcome)
{
    const struct account_ask *ask = &request->ask;

    if (request->type == COMMAND_ACCOUNT)
        world_log(world,
                  "shard %u: device %d sends %" PRIu64
                  ": %s, account %d address %d guest %d session %d token %d: %s",
                  shard, (int)request->device, request->cookie, account_call_name(ask->call),
                  (int)ask->account, (int)ask->address, (int)ask->guest, (int)ask->session,
                  (int)ask->token, outcome_name(outcome));
    else
        world_log(world, "shard %u: client %u sends %" PRIu64 ": %s, attempt %d hold %d sku %d: %s",
                  shard, request->client, request->cookie, command_name(request->type),
                  (int)request->attempt, (int)request->hold, (int)request->sku,
                  outcome_name(outcome));
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
    log_sent(world, shard, request, outcome);
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

struct slice clients_slice(const char *text)
{
    return (struct slice){.text = text, .length = strlen(text)};
}

void clients_note_clock(struct world *world, uint32_t shard)
{
    struct sim_thread *thread = &world->shards[shard];

    if (thread->has_slept)
        thread->clock_ms = world_now(world);
    thread->has_slept = false;
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

/* A key of a guest's is its account's only as long as that is told of the guest. */
static bool may_use_key(const struct world *world, uint32_t party, const struct identity *identity)
{
    const struct principal guest = world_principal(world, party);

    if (party == identity->party || world->phase == PHASE_HEAL)
        return true;
    for (uint32_t i = 0; i < identity->alias_count; i++)
        if (principal_equal(&identity->aliases[i], &guest))
            return true;
    return false;
}

static void send_reserve(struct world *world, uint32_t shard, uint32_t device,
                         const struct identity *identity, uint32_t attempt_index,
                         const struct order_lines *order, bool other_body)
{
    struct attempt *attempt = &world->books.attempts[attempt_index];
    struct request *request = clients_take_request(world, COMMAND_RESERVE, identity->party);
    struct command_line lines[SIM_LINES_MAX];
    const struct sku_entry *entry;
    char body[SIM_TEXT_MAX];
    char key[32];
    struct refusal refusal;
    struct command command = {.type = COMMAND_RESERVE,
                              .principal = identity->principal,
                              .aliases = identity->aliases,
                              .alias_count = identity->alias_count};
    uint32_t claimed;

    if (request == NULL)
        return;
    for (uint32_t i = 0; i < order->count; i++)
        lines[i] = (struct command_line){clients_slice(world->books.skus[order->lines[i].sku].name),
                                         order->lines[i].quantity};
    write_body(world, order, body);
    snprintf(key, sizeof(key), "key-%u", attempt->key);
    command.reserve.key = clients_slice(key);
    command.reserve.body = clients_slice(body);
    command.reserve.lines = lines;
    command.reserve.line_count = order->count;
    request->device = device;
    request->attempt = attempt_index;
    order_sum(order, &request->summed);
    request->spans = world_spans(world, &request->summed);
    request->other_body = other_body;
    request->alone = attempt->requests == 0;
    request->known_hold = attempt->hold;
    request->limits_version = world->books.limits_version;
    answers_note_sale(world, request);
    entry = world_sku_entry(world, order->lines[0].sku);
    if (entry != NULL)
        request->fence_seen = world->fences[sku_id_partition(entry->sku_id)];
    claimed = entry == NULL ? 0 : gate_claimed(&entry->gate);
    if (clients_submit(world, shard, &command, request, &refusal) == OUTCOME_PENDING) {
        mark_false_positive(world, request, claimed);
        opened_reserve(world, request);
    }
}

void clients_reserve(struct world *world, uint32_t device, uint32_t attempt_index,
                     const struct order_lines *order, bool other_body)
{
    uint32_t shard = clients_draw_shard(world);
    uint32_t party = world->books.attempts[attempt_index].client;
    struct identity identity;

    if (shard != NONE && people_identify(world, device, shard, party, &identity) &&
        may_use_key(world, party, &identity))
        send_reserve(world, shard, device, &identity, attempt_index, order, other_body);
}

static uint32_t draw_sku(struct world *world)
{
    uint32_t sku;

    if (sim_random_below(&world->random, 100) < world->profile.skew &&
        (books_sale(&world->books, 0) != SALE_OFF || sim_random_chance(&world->random, 200000)))
        return 0;
    for (uint32_t tries = 0; tries < 8; tries++) {
        sku = sim_random_below(&world->random, world->books.sku_count);
        if (world->books.products[world->books.skus[sku].product].presence == PRODUCT_PRESENT &&
            (books_sale(&world->books, sku) != SALE_OFF ||
             sim_random_chance(&world->random, 200000)))
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

uint32_t clients_next_key(struct world *world, uint32_t party)
{
    if (party >= world->profile.devices && party < world->profile.clients)
        return world->clients[party].next_key++;
    return FIRST_KEY_OF_PEOPLE + world->people.next_key++; /* several devices use one account's */
}

/* The party that a device acts for, by what it thinks. */
static uint32_t party_of(const struct world *world, uint32_t device)
{
    const struct device *own;

    if (device >= world->profile.devices)
        return device;
    own = &world->people.devices[device];
    return own->session == NONE ? own->guest
                                : SIM_GUESTS_MAX + world->people.sessions[own->session].account;
}

void clients_reserve_new(struct world *world, uint32_t device)
{
    struct client *client = &world->clients[device];
    uint32_t party = party_of(world, device);
    struct order_lines order;
    uint32_t sku = draw_sku(world);
    uint32_t product = world->books.skus[sku].product;
    uint32_t last = client->attempt_count == 0
                        ? NONE
                        : client->attempts[(client->attempt_count - 1) % SIM_RECENT_MAX];
    uint32_t key;
    uint32_t attempt;

    if (party == NONE)
        return;
    key = clients_next_key(world, party);
    /* A key is one product's: with another product the same text is another key. */
    if (last != NONE && world->books.attempts[last].key + 1 == key &&
        world->books.attempts[last].client == party &&
        world->books.attempts[last].product != product &&
        sim_random_chance(&world->random, 100000)) {
        key--;
        world_mark(world, MARK_KEY_OTHER_PRODUCT);
    }
    attempt = books_add_attempt(&world->books, party, key, product);
    draw_order(world, sku, &order);
    world->books.attempts[attempt].order = order;
    client->attempts[client->attempt_count++ % SIM_RECENT_MAX] = attempt;
    clients_reserve(world, device, attempt, &order, false);
    if (sim_random_below(&world->random, 100) < world->profile.double_percent) {
        clients_reserve(world, device, attempt, &order, false); /* a double click */
        if (world->books.attempts[attempt].open > 1)
            world_mark(world, MARK_SENT_TWICE);
    }
}

void clients_repeat_last(struct world *world, uint32_t device)
{
    const struct client *client = &world->clients[device];
    uint32_t last;

    if (client->attempt_count == 0)
        return;
    last = client->attempts[(client->attempt_count - 1) % SIM_RECENT_MAX];
    clients_reserve(world, device, last, &world->books.attempts[last].order, false);
}

static void reserve_again(struct world *world, uint32_t device, bool other_body)
{
    struct client *client = &world->clients[device];
    uint32_t index = clients_recent(world, client->attempts, client->attempt_count);
    struct order_lines order;

    if (index == NONE)
        return;
    order = world->books.attempts[index].order;
    if (other_body) { /* the same product first, since that is part of the key's scope */
        order.lines[0].quantity = order.lines[0].quantity % SIM_OTHER_BODY_UNITS_MAX + 1;
        order.count = 1;
    }
    clients_reserve(world, device, index, &order, other_body);
}

static void reserve_unknown(struct world *world, uint32_t client_index)
{
    struct request *request = clients_take_request(world, COMMAND_RESERVE, client_index);
    struct command_line lines[2] = {{clients_slice("no-such-sku"), 1},
                                    {clients_slice("no-such-sku"), 1}};
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
        lines[0].sku = clients_slice(world->books.skus[draw_sku(world)].name);
    command.reserve.key = clients_slice("unknown");
    command.reserve.body = clients_slice("unknown");
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
    if (sim_random_chance(&world->random, 200000)) {
        edits_act(world);
        return;
    }
    product = sim_random_below(&world->random, world->books.product_count);
    staff_put_product(world, product,
                      sim_random_chance(&world->random, 300000) ? PUT_CREATE : PUT_UPSERT);
}

void clients_act(struct world *world)
{
    uint32_t client = sim_random_below(&world->random, world->profile.clients);
    enum act act =
        (enum act)sim_random_weighted(&world->random, world->profile.act_weights, ACT_COUNT);

    switch (act) {
    case ACT_RESERVE:
        clients_reserve_new(world, client);
        break;
    case ACT_RETRY:
    case ACT_OTHER_BODY:
        reserve_again(world, client, act == ACT_OTHER_BODY);
        break;
    case ACT_UNKNOWN_SKU:
        reserve_unknown(world, client);
        break;
    case ACT_GET:
        clients_ask_own_hold(world, COMMAND_HOLD_GET, client);
        break;
    case ACT_GET_FOREIGN:
        clients_ask_foreign_hold(world, client);
        break;
    case ACT_RELEASE:
        clients_ask_own_hold(world, COMMAND_HOLD_RELEASE, client);
        break;
    case ACT_EXTEND:
        clients_ask_own_hold(world, COMMAND_HOLD_EXTEND, client);
        break;
    case ACT_CONVERT:
        clients_ask_own_hold(world, COMMAND_HOLD_CONVERT, client);
        break;
    case ACT_LIST:
        clients_list(world, client, client,
                     sim_random_below(&world->random, world->profile.engine.shards), NULL);
        break;
    case ACT_STOCK_GET:
        staff_get_stock(world, draw_sku(world));
        break;
    case ACT_ADJUST:
    case ACT_PRODUCT:
        act_on_stock(world, act);
        break;
    case ACT_PERSON:
        people_act(world);
        break;
    case ACT_LEDGER:
        staff_read_ledger(world, draw_sku(world));
        break;
    case ACT_SETTING:
        shop_act(world);
        break;
    case ACT_COUNT:
    default:
        assert(false && "an act has a kind");
    }
}
