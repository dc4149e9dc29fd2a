/* SPDX-License-Identifier: Apache-2.0 */
#include "api/order_flow.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/hold_view.h"
#include "api/request.h"

/* ---- its life ---- */

static struct order_flow *start(struct api_shard *shard, struct http_exchange *exchange,
                                size_t size)
{
    bool is_full = counter_read(&shard->counters.flows) >= FLOWS_MAX;
    struct order_flow *flow = is_full ? NULL : calloc(1, size);

    assert(size >= sizeof(*flow));
    if (flow == NULL) {
        if (exchange != NULL)
            respond_outcome(exchange, OUTCOME_OVERLOADED);
        return NULL;
    }
    counter_add(&shard->counters.flows, 1);
    flow->shard = shard;
    flow->exchange_cookie = exchange == NULL ? UINT64_MAX : http_exchange_cookie(exchange);
    return flow;
}

struct order_flow *order_flow_start(struct api_call *call, size_t size)
{
    struct order_flow *flow = start(call->shard, call->exchange, size);

    if (flow == NULL)
        return NULL;
    http_exchange_cache(call->exchange, HTTP_CACHE_NO_STORE);
    flow->who[flow->who_count++] = call->principal;
    for (unsigned i = 0; call->person != NULL && i < call->person->alias_count; i++)
        flow->who[flow->who_count++] = call->person->aliases[i];
    flow->authority = call->authority;
    flow->origin = call_origin(call);
    flow->shape = call->authority == AUTHORITY_STAFF ? ORDER_SHAPE_STAFF : ORDER_SHAPE_OWN;
    return flow;
}

void order_flow_end(struct order_flow *flow)
{
    struct api_shard *shard = flow->shard;

    assert(counter_read(&shard->counters.flows) > 0);
    counter_add(&shard->counters.flows, (uint64_t)-1);
    if (flow->release != NULL)
        flow->release(flow);
    keyed_drop(shard, flow->keyed);
    free(flow->state);
    envelope_free(flow->answer);
    free(flow);
}

struct http_exchange *order_flow_exchange(const struct order_flow *flow)
{
    struct http_server *server = atomic_load_explicit(&flow->shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, flow->exchange_cookie);
}

bool order_flow_read_id(struct order_flow *flow, const char *text, size_t length)
{
    const struct secrets_port *secrets = engine_secrets(flow->shard->api->engine);

    return order_id_parse(text, length, &secrets->id_key, &flow->id);
}

struct order_flow *order_flow_start_path(struct api_call *call, size_t size)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct order_flow *flow;
    size_t length;

    if (!request_path_id(call, text, &length))
        return NULL;
    flow = order_flow_start(call, size);
    if (flow == NULL || order_flow_read_id(flow, text, length))
        return flow;
    order_flow_refuse(flow, OUTCOME_NOT_FOUND);
    return NULL;
}

/* ---- asking ---- */

static void on_reply(struct api_shard *shard, struct http_exchange *exchange,
                     const struct message *message, void *user)
{
    struct order_flow *flow = user;

    (void)shard;
    (void)exchange;
    flow->reply = message;
    if (message->reply.answers == MESSAGE_ORDER) {
        envelope_free(flow->answer);
        flow->answer = message->reply.order;
    }
    flow->next(flow, (enum outcome)message->reply.outcome);
}

/* PENDING, or why nothing was begun. */
static enum outcome submit(struct order_flow *flow, const struct command *command, order_step next)
{
    struct api_shard *shard = flow->shard;
    uint64_t cookie = pending_open(&shard->pending, flow->exchange_cookie, on_reply, flow);
    struct refusal unused;
    enum outcome outcome;

    if (cookie == 0)
        return OUTCOME_OVERLOADED;
    flow->next = next;
    outcome = engine_submit(shard->shard, command, cookie, &unused);
    if (outcome != OUTCOME_PENDING)
        pending_cancel(&shard->pending, cookie);
    return outcome;
}

void order_flow_submit(struct order_flow *flow, struct command *command, order_step next)
{
    enum outcome outcome;

    command->principal = flow->who[0];
    command->aliases = &flow->who[1];
    command->alias_count = flow->who_count - 1u;
    command->authority = flow->authority;
    command->origin = flow->origin;
    outcome = submit(flow, command, next);
    if (outcome == OUTCOME_PENDING)
        return;
    flow->reply = NULL;
    next(flow, outcome);
}

struct order_envelope *order_flow_envelope(const struct order_flow *flow, enum order_call call)
{
    struct order_envelope *envelope = order_envelope_create(call);

    if (envelope == NULL)
        return NULL;
    envelope->authority = (uint8_t)flow->authority;
    envelope->who_count = flow->who_count;
    memcpy(envelope->who, flow->who, sizeof(envelope->who));
    envelope->id = flow->id;
    return envelope;
}

void order_flow_ask(struct order_flow *flow, struct order_envelope *envelope, order_step next)
{
    struct command command = {.type = COMMAND_ORDER,
                              .principal = flow->who[0],
                              .authority = flow->authority,
                              .origin = flow->origin,
                              .order = envelope};
    enum outcome outcome = OUTCOME_OVERLOADED;

    if (envelope != NULL)
        outcome = submit(flow, &command, next);
    if (outcome == OUTCOME_PENDING)
        return;
    envelope_free(envelope);
    flow->reply = NULL;
    next(flow, outcome);
}

/* ---- a repeated call ---- */

/* The order as it was. What has been forgotten since stays so. */
static void show_again(struct order_flow *flow, enum outcome outcome)
{
    struct http_exchange *exchange = order_flow_exchange(flow);

    if (outcome != OUTCOME_OK) {
        order_flow_refuse(flow, outcome);
        return;
    }
    flow->state->forgotten = flow->answer->order.forgotten;
    flow->answer->order = *flow->state;
    if (exchange != NULL)
        http_header_add(exchange, "Idempotent-Replayed", "true");
    order_flow_respond(flow, 200);
}

bool order_flow_begin_key(struct order_flow *flow, struct api_call *call, struct slice body)
{
    struct order_record state;

    switch (keyed_begin_state(call, body, &state, sizeof(state), &flow->keyed)) {
    case KEYED_NEW:
        return true;
    case KEYED_REPEATED:
        flow->state = malloc(sizeof(state));
        if (flow->state == NULL) {
            order_flow_refuse(flow, OUTCOME_OVERLOADED);
            return false;
        }
        *flow->state = state;
        order_flow_ask(flow, order_flow_envelope(flow, ORDER_CALL_GET), show_again);
        return false;
    case KEYED_REFUSED:
    default:
        order_flow_end(flow);
        return false;
    }
}

/* ---- ends ---- */

void order_flow_respond(struct order_flow *flow, int status)
{
    struct http_exchange *exchange = order_flow_exchange(flow);

    if (status == 200 && flow->keyed != NULL) {
        keyed_keep_state(flow->shard, flow->keyed, &flow->answer->order,
                         sizeof(flow->answer->order));
        flow->keyed = NULL;
    }
    if (exchange != NULL)
        respond_order(flow->shard, exchange, status, flow->answer, flow->shape);
    order_flow_end(flow);
}

void order_flow_respond_200(struct order_flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        order_flow_respond(flow, 200);
    else
        order_flow_refuse(flow, outcome);
}

void order_flow_problem(struct order_flow *flow, enum problem problem, const char *detail)
{
    struct http_exchange *exchange = order_flow_exchange(flow);

    if (exchange != NULL)
        problem_respond(exchange, problem, detail);
    order_flow_end(flow);
}

void order_flow_invalid(struct order_flow *flow, const char *field, const char *message)
{
    struct http_exchange *exchange = order_flow_exchange(flow);

    if (exchange != NULL)
        validation_respond_one(exchange, (struct field){.name = {field, strlen(field)}}, message);
    order_flow_end(flow);
}

static const char *state_detail(const struct order_flow *flow, char *text_out, size_t size)
{
    if (flow->answer == NULL)
        return "The order is not in a state in which this can be done.";
    snprintf(text_out, size, "The order is %s.",
             order_status_name((enum order_status)flow->answer->order.status));
    return text_out;
}

void order_flow_refuse(struct order_flow *flow, enum outcome outcome)
{
    struct http_exchange *exchange = order_flow_exchange(flow);
    char text[64];

    if (outcome == OUTCOME_INVALID_STATE) {
        order_flow_problem(flow, PROBLEM_INVALID_STATE, state_detail(flow, text, sizeof(text)));
        return;
    }
    if (outcome == OUTCOME_HOLD_ENDED) {
        order_flow_problem(flow, PROBLEM_HOLD_ENDED,
                           "The order's units are not held any more. What was paid goes back.");
        return;
    }
    if (exchange != NULL)
        respond_outcome(exchange, outcome);
    order_flow_end(flow);
}

/* ---- whose a hold is ---- */

static void tell_order(struct order_flow *flow, enum outcome outcome)
{
    struct http_exchange *exchange = order_flow_exchange(flow);
    char id[RESERVATION_ID_LENGTH + 1];
    struct writer writer;

    if (exchange != NULL && outcome != OUTCOME_OK)
        problem_respond(exchange, PROBLEM_HOLD_IN_USE, "This hold belongs to an order.");
    if (exchange != NULL && outcome == OUTCOME_OK &&
        problem_begin(exchange, PROBLEM_HOLD_IN_USE, "This hold belongs to an order.",
                      RESERVATION_ID_LENGTH + 20, &writer)) {
        order_id_format(&flow->answer->id, &engine_secrets(flow->shard->api->engine)->id_key, id);
        write_literal(&writer, ",\"order_id\":\"");
        write_bytes(&writer, id, RESERVATION_ID_LENGTH);
        write_byte(&writer, '"');
        problem_end(exchange, &writer);
    }
    order_flow_end(flow);
}

/* The hold is the caller's, which proves enough to be told its order's ID, and to prolong it: the
 * hold does not keep all of the ID. */
static struct order_envelope *about_order_of_hold(const struct order_flow *flow,
                                                  enum order_call call, uint64_t number)
{
    struct order_envelope *envelope = order_flow_envelope(flow, call);

    if (envelope == NULL)
        return NULL;
    envelope->authority = AUTHORITY_STAFF;
    envelope->id = (struct reservation_id){.partition = (uint32_t)(number >> 40),
                                           .sequence = number & ((UINT64_C(1) << 40) - 1)};
    return envelope;
}

void order_flow_hold_in_use(struct order_flow *flow, uint64_t number)
{
    order_flow_ask(flow, about_order_of_hold(flow, ORDER_CALL_GET, number), tell_order);
}

void respond_hold_in_use(struct api_shard *shard, struct http_exchange *exchange, uint64_t number)
{
    struct order_flow *flow = start(shard, exchange, sizeof(*flow));

    if (flow != NULL)
        order_flow_hold_in_use(flow, number);
}

struct extension {
    struct order_flow flow; /* first */
    struct hold_view hold;
    bool is_replayed;
};

_Static_assert(offsetof(struct extension, flow) == 0, "an extension is found by its flow");

static void order_prolonged(struct order_flow *flow, enum outcome outcome)
{
    struct extension *extension = (struct extension *)(void *)flow;
    struct http_exchange *exchange = order_flow_exchange(flow);

    if (outcome == OUTCOME_HOLD_ENDED) {
        order_flow_problem(flow, PROBLEM_HOLD_ENDED, "This hold has ended.");
        return;
    }
    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) { /* NOT_FOUND: it was undone */
        order_flow_refuse(flow, outcome);
        return;
    }
    if (extension->is_replayed && exchange != NULL)
        http_header_add(exchange, "Idempotent-Replayed", "true");
    keyed_answer_hold(flow->shard, flow->keyed, exchange, &extension->hold);
    flow->keyed = NULL;
    order_flow_end(flow);
}

void respond_extended_hold(struct api_shard *shard, struct http_exchange *exchange,
                           struct keyed_entry *entry, const struct hold_view *hold,
                           bool is_replayed)
{
    struct order_flow *flow = start(shard, exchange, sizeof(struct extension));
    struct extension *extension = (struct extension *)(void *)flow;
    struct order_envelope *envelope;

    if (flow == NULL) {
        keyed_drop(shard, entry);
        return;
    }
    flow->keyed = entry;
    extension->hold = *hold;
    extension->is_replayed = is_replayed;
    envelope = about_order_of_hold(flow, ORDER_CALL_PROLONG, hold->order);
    if (envelope != NULL)
        envelope->expires_wall_ms = hold->deadline_wall_ms;
    order_flow_ask(flow, envelope, order_prolonged);
}
