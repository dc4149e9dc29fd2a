/* SPDX-License-Identifier: Apache-2.0 */
/* What clients ask about holds: their own, and others'. */
#include <stdio.h>
#include <string.h>

#include "violation.h"
#include "world.h"

uint32_t clients_recent(struct world *world, const uint32_t *ring, uint32_t count)
{
    if (count == 0)
        return NONE;
    return ring[sim_random_below(&world->random, count < SIM_RECENT_MAX ? count : SIM_RECENT_MAX)];
}

void clients_remember_hold(struct world *world, uint32_t device, uint32_t hold)
{
    struct client *client;

    if (device >= SIM_CLIENTS_MAX)
        return;
    client = &world->clients[device];
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

struct hold_question {
    struct identity identity;
    uint32_t device;
    uint32_t hold;
    bool staff;
    bool stale; /* by an ID of the same number that was given before a backup was restored */
};

static void send_hold(struct world *world, uint32_t shard, enum command_type type,
                      const struct hold_question *question)
{
    struct request *request = clients_take_request(world, type, question->identity.party);
    uint32_t hold_index = question->hold;
    bool staff = question->staff;
    const struct book_hold *hold = &world->books.holds[hold_index];
    struct reservation_id asked = hold->id;
    char id[RESERVATION_ID_LENGTH + 1];
    char key[32];
    struct command command = {.type = type,
                              .principal = question->identity.principal,
                              .authority = staff ? AUTHORITY_STAFF : AUTHORITY_PRINCIPAL};
    enum relation relation = people_relation(world, question->identity.party, hold->client);
    struct refusal refusal;

    if (request == NULL)
        return;
    if (type == COMMAND_HOLD_EXTEND && sim_random_chance(&world->random, 600000)) {
        bool again = hold->extend_key != 0 && sim_random_chance(&world->random, 400000);

        request->extend_key =
            again ? sim_random_range(&world->random, 1, hold->extend_key) : hold->extend_key + 1;
        for (uint32_t i = 0; i < HOLD_EXTENSIONS_MAX; i++)
            request->extend_known =
                request->extend_known || hold->extends_known[i] == request->extend_key;
        snprintf(key, sizeof(key), "extend-%u", request->extend_key);
        command.key = clients_slice(key);
    }
    asked.created_ms -= question->stale ? 1 : 0;
    engine_reservation_id(world->engine, &asked, id);
    command.reservation_id = clients_slice(id);
    request->hold = hold_index;
    request->staff = staff;
    request->device = question->device;
    request->stranger = question->stale || (!staff && relation == RELATION_STRANGER);
    request->unsure = !staff && relation == RELATION_UNSURE;
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

static void ask_hold(struct world *world, enum command_type type, uint32_t party,
                     struct hold_question *question)
{
    uint32_t shard = clients_draw_shard(world);

    if (shard != NONE &&
        people_identify(world, question->device, shard, party, &question->identity))
        send_hold(world, shard, type, question);
}

void clients_ask_hold(struct world *world, enum command_type type, uint32_t device, uint32_t party,
                      uint32_t hold, bool staff)
{
    struct hold_question question = {.device = device, .hold = hold, .staff = staff};

    ask_hold(world, type, party, &question);
}

void clients_ask_own_hold(struct world *world, enum command_type type, uint32_t device)
{
    struct client *client = &world->clients[device];
    uint32_t hold = clients_recent(world, client->holds, client->hold_count);

    if (hold == NONE)
        return;
    clients_ask_hold(world, type, device, device, hold,
                     type == COMMAND_HOLD_CONVERT || sim_random_chance(&world->random, 50000));
}

void clients_ask_foreign_hold(struct world *world, uint32_t device)
{
    static const enum command_type types[] = {COMMAND_HOLD_GET, COMMAND_HOLD_RELEASE,
                                              COMMAND_HOLD_EXTEND};
    struct hold_question question = {.device = device};
    uint32_t client;

    if (world->books.hold_count == 0)
        return;
    question.hold = sim_random_below(&world->random, world->books.hold_count);
    client = world->books.holds[question.hold].client;
    if (sim_random_chance(&world->random, 300000) && client >= world->profile.devices &&
        client < world->profile.clients) {
        question.device = client;
        question.stale = true;
    }
    ask_hold(world, types[sim_random_below(&world->random, 3)], question.device, &question);
}

void clients_list(struct world *world, uint32_t device, uint32_t party, uint32_t asked,
                  const struct reservation_id *after)
{
    uint32_t shard = clients_draw_shard(world);
    struct command command = {.type = COMMAND_HOLD_LIST};
    struct identity identity;
    struct request *request;
    struct refusal refusal;

    if (shard == NONE || !people_identify(world, device, shard, party, &identity) ||
        (request = clients_take_request(world, COMMAND_HOLD_LIST, identity.party)) == NULL)
        return;
    request->device = device;
    command.principal = identity.principal;
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
