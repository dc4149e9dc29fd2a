/* SPDX-License-Identifier: Apache-2.0 */
#include "api/flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/sessions.h"

struct flow *flow_start(struct api_call *call)
{
    struct api_shard *shard = call->shard;
    bool is_full = counter_read(&shard->counters.flows) == FLOWS_MAX;
    struct flow *flow = is_full ? NULL : calloc(1, sizeof(*flow));
    struct http_slice agent = http_exchange_header(call->exchange, HTTP_HEADER_USER_AGENT);

    if (flow == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return NULL;
    }
    counter_add(&shard->counters.flows, 1);
    http_exchange_cache(call->exchange, HTTP_CACHE_NO_STORE);
    flow->shard = shard;
    flow->exchange_cookie = http_exchange_cookie(call->exchange);
    flow->caller = call->principal;
    flow->origin = call_origin(call);
    if (call->person != NULL) {
        flow->account = call->person->principal;
        flow->session = call->person->session;
        memcpy(flow->token_hash, call->person->token_hash, sizeof(flow->token_hash));
        csrf_token_make(shard, call->token.data, call->token.length, flow->csrf);
    }
    flow->agent_length = agent.length < AGENT_LENGTH_MAX ? agent.length : AGENT_LENGTH_MAX;
    for (size_t i = 0; i < flow->agent_length; i++) {
        char byte = agent.data[i];
        flow->agent[i] = byte >= ' ' && byte < 0x7f ? byte : '?';
    }
    return flow;
}

static void envelope_wipe(struct account_envelope *envelope)
{
    if (envelope != NULL)
        password_wipe(envelope, sizeof(*envelope));
    envelope_free(envelope);
}

void flow_end(struct flow *flow)
{
    assert(counter_read(&flow->shard->counters.flows) > 0);
    counter_add(&flow->shard->counters.flows, (uint64_t)-1);
    keyed_drop(flow->shard, flow->keyed);
    envelope_wipe(flow->answer);
    envelope_wipe(flow->opened);
    envelope_free(flow->order);
    if (flow->writer.grows)
        writer_free(&flow->writer);
    password_wipe(flow, sizeof(*flow));
    free(flow);
}

struct http_exchange *flow_exchange(const struct flow *flow)
{
    struct http_server *server = atomic_load_explicit(&flow->shard->server, memory_order_relaxed);

    return server == NULL || flow->is_answered
               ? NULL
               : http_exchange_from_cookie(server, flow->exchange_cookie);
}

/* ---- steps ---- */

static void on_answer(struct api_shard *shard, struct http_exchange *exchange,
                      const struct message *message, void *user)
{
    struct flow *flow = user;

    (void)shard;
    (void)exchange;
    envelope_wipe(flow->answer);
    flow->answer = message->reply.account;
    flow->next(flow, (enum outcome)message->reply.outcome);
}

struct account_envelope *flow_envelope(const struct flow *flow, enum account_call call)
{
    struct account_envelope *envelope = account_envelope_create(call);

    if (envelope == NULL)
        return NULL;
    envelope->account = flow->account;
    envelope->guest = flow->guest;
    memcpy(envelope->index, flow->index, sizeof(envelope->index));
    return envelope;
}

void flow_call(struct flow *flow, struct account_envelope *envelope, flow_step next)
{
    struct command command = {.type = COMMAND_ACCOUNT,
                              .principal = flow->caller,
                              .origin = flow->origin,
                              .account = envelope};
    struct refusal unused;

    flow->next = next;
    uint64_t cookie = envelope == NULL ? 0
                                       : pending_open(&flow->shard->pending, flow->exchange_cookie,
                                                      on_answer, flow);
    if (cookie == 0) {
        envelope_wipe(envelope);
        next(flow, OUTCOME_OVERLOADED);
        return;
    }
    enum outcome outcome = engine_submit(flow->shard->shard, &command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        return;
    pending_cancel(&flow->shard->pending, cookie);
    envelope_wipe(envelope);
    next(flow, outcome);
}

static void on_order(struct api_shard *shard, struct http_exchange *exchange,
                     const struct message *message, void *user)
{
    struct flow *flow = user;

    (void)shard;
    (void)exchange;
    envelope_free(flow->order);
    flow->order = message->reply.order;
    flow->next(flow, (enum outcome)message->reply.outcome);
}

void flow_ask_order(struct flow *flow, struct order_envelope *envelope, flow_step next)
{
    struct command command = {.type = COMMAND_ORDER,
                              .principal = flow->caller,
                              .authority = AUTHORITY_STAFF,
                              .origin = flow->origin,
                              .order = envelope};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal unused;
    uint64_t cookie = 0;

    flow->next = next;
    if (envelope != NULL)
        cookie = pending_open(&flow->shard->pending, flow->exchange_cookie, on_order, flow);
    if (cookie != 0) {
        envelope->authority = AUTHORITY_STAFF;
        outcome = engine_submit(flow->shard->shard, &command, cookie, &unused);
        if (outcome == OUTCOME_PENDING)
            return;
        pending_cancel(&flow->shard->pending, cookie);
    }
    envelope_free(envelope);
    next(flow, outcome);
}

static void work_run(struct engine_work *work)
{
    struct flow *flow = work->user;

    flow->run(flow);
}

static void work_done(struct engine_work *work)
{
    struct flow *flow = work->user;
    bool has_failed = engine_mode(flow->shard->api->engine) == ENGINE_FAILED;

    counter_add(&flow->shard->counters.passwords_waiting, (uint64_t)-1);
    flow->next(flow, has_failed ? OUTCOME_OUTCOME_UNKNOWN : OUTCOME_OK);
}

void flow_work(struct flow *flow, flow_run run, flow_step next)
{
    flow->run = run;
    flow->next = next;
    memset(&flow->work, 0, sizeof(flow->work));
    flow->work.run = work_run;
    flow->work.done = work_done;
    flow->work.user = flow;
    counter_add(&flow->shard->counters.passwords_waiting, 1);
    enum outcome outcome = engine_work_submit(flow->shard->shard, &flow->work);
    if (outcome == OUTCOME_PENDING)
        return;
    counter_add(&flow->shard->counters.passwords_waiting, (uint64_t)-1);
    counter_add(&flow->shard->counters.workers_refused, 1);
    next(flow, outcome);
}

static void got(struct flow *flow, enum outcome outcome)
{
    flow_step then = flow->after_get;

    if (outcome == OUTCOME_OK)
        flow->key = flow->answer->key;
    if (outcome == OUTCOME_OK && flow->answer->view.state == ACCOUNT_ERASED)
        outcome = OUTCOME_NOT_FOUND;
    then(flow, outcome);
}

void flow_get(struct flow *flow, flow_step next)
{
    flow->after_get = next;
    flow_call(flow, flow_envelope(flow, ACCOUNT_CALL_GET), got);
}

/* ---- ends ---- */

void flow_respond_json(struct flow *flow, int status, struct writer *writer)
{
    struct http_exchange *exchange = flow_exchange(flow);

    if (exchange != NULL)
        respond_json(exchange, status, writer);
    else
        writer_free(writer);
    flow_end(flow);
}

void flow_respond_early(struct flow *flow, int status)
{
    struct http_exchange *exchange = flow_exchange(flow);
    struct keyed_entry *keyed = flow->keyed;
    bool has_body = status == 202;

    flow->keyed = NULL;
    if (!flow->is_answered)
        keyed_answer(flow->shard, keyed, exchange, status, NULL, has_body ? "{}" : NULL,
                     has_body ? 2 : 0);
    flow->is_answered = true;
}

void flow_respond(struct flow *flow, int status)
{
    flow_respond_early(flow, status);
    flow_end(flow);
}

void flow_refuse(struct flow *flow, enum outcome outcome)
{
    struct http_exchange *exchange = flow_exchange(flow);

    if (exchange != NULL)
        respond_outcome(exchange, outcome);
    flow_end(flow);
}

void flow_problem(struct flow *flow, enum problem problem, const char *detail)
{
    struct http_exchange *exchange = flow_exchange(flow);

    if (exchange != NULL)
        problem_respond(exchange, problem, detail);
    flow_end(flow);
}

void flow_invalid(struct flow *flow, const char *field, const char *message)
{
    struct http_exchange *exchange = flow_exchange(flow);

    if (exchange != NULL)
        validation_respond_one(exchange, (struct field){.name = {field, strlen(field)}}, message);
    flow_end(flow);
}
