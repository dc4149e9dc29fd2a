/* SPDX-License-Identifier: Apache-2.0 */
/* One's own sessions: listed, closed, logged out of. A session is closed everywhere when its answer
 * leaves: the account's mark moves with it (session_cache.h). */
#include <string.h>

#include "api/account_view.h"
#include "api/request.h"
#include "api/sessions.h"

static void got_all(struct flow *flow, enum outcome outcome)
{
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    writer = writer_growing();
    write_literal(&writer, "{\"data\":");
    if (!account_write_sessions(flow, &writer))
        return;
    write_literal(&writer, ",\"next_cursor\":null}");
    flow_respond_json(flow, 200, &writer);
}

void api_session_list(struct api_call *call)
{
    struct flow *flow = flow_start(call);

    if (flow != NULL)
        flow_get(flow, got_all);
}

static void closed(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_respond(flow, 204);
    else
        flow_refuse(flow, outcome);
}

static void logged_out(struct flow *flow, enum outcome outcome)
{
    struct http_exchange *exchange = flow_exchange(flow);

    /* Erased meanwhile: then there is no session either. */
    if (outcome == OUTCOME_NOT_FOUND)
        outcome = OUTCOME_OK;
    if (outcome == OUTCOME_OK && exchange != NULL)
        session_take_back(flow->shard, exchange);
    closed(flow, outcome);
}

static void close_hash(struct flow *flow, enum account_call kind, flow_step next)
{
    struct account_envelope *envelope = flow_envelope(flow, kind);

    if (envelope != NULL)
        memcpy(envelope->hash, flow->token_hash, sizeof(envelope->hash));
    flow_call(flow, envelope, next);
}

void api_session_close_others(struct api_call *call)
{
    struct flow *flow = flow_start(call);

    if (flow != NULL)
        close_hash(flow, ACCOUNT_CALL_SESSION_CLOSE_ALL, closed);
}

void api_session_close(struct api_call *call)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct account_envelope *envelope;
    struct flow *flow;
    size_t length;
    uint32_t id;

    if (!request_path_id(call, text, &length))
        return;
    id = account_session_id_parse(text, length);
    if (id == 0) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return;
    }
    flow = flow_start(call);
    if (flow == NULL)
        return;
    envelope = flow_envelope(flow, ACCOUNT_CALL_SESSION_CLOSE);
    if (envelope != NULL)
        envelope->id = id;
    flow_call(flow, envelope, id == flow->session ? logged_out : closed);
}

void api_auth_logout(struct api_call *call)
{
    struct flow *flow;

    if (!request_empty_object(call))
        return;
    if (call->person == NULL) { /* a guest's session is stored nowhere: its holder forgets it */
        session_take_back(call->shard, call->exchange);
        http_respond(call->exchange, 204, NULL, NULL, 0);
        return;
    }
    flow = flow_start(call);
    if (flow != NULL)
        close_hash(flow, ACCOUNT_CALL_SESSION_CLOSE, logged_out);
}
