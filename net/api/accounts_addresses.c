/* SPDX-License-Identifier: Apache-2.0 */
/* One's own postal addresses. */
#include <stdio.h>
#include <string.h>

#include "api/account_fields.h"
#include "api/account_view.h"
#include "api/private_data.h"
#include "api/request.h"

static const struct account_address *find(const struct flow *flow)
{
    const struct account_record *view = &flow->answer->view;

    for (unsigned i = 0; i < view->address_count; i++) {
        if (view->addresses[i].id == flow->id)
            return &view->addresses[i];
    }
    return NULL;
}

/* Answers with the address that flow->id names; a new one is kept for its key. */
static void respond_one(struct flow *flow, int status)
{
    const struct account_address *address = find(flow);
    struct writer writer = writer_growing();
    char location[64];
    char id[ACCOUNT_PART_ID_MAX];

    if (address == NULL) {
        flow_refuse(flow, OUTCOME_NOT_FOUND);
        return;
    }
    if (!account_write_address(flow, &writer, address))
        return;
    if (status != 201 || writer.failed) {
        flow_respond_json(flow, status, &writer);
        return;
    }
    account_address_id_format(flow->id, id);
    snprintf(location, sizeof(location), "/v1/me/addresses/%s", id);
    keyed_answer_private(flow->shard, flow->keyed, flow_exchange(flow), &flow->account, &flow->key,
                         status, location, writer.start, writer_length(&writer));
    flow->keyed = NULL;
    writer_free(&writer);
    flow_end(flow);
}

static void got_one(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        respond_one(flow, 200);
    else
        flow_refuse(flow, outcome);
}

static void got_all(struct flow *flow, enum outcome outcome)
{
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    writer = writer_growing();
    write_literal(&writer, "{\"data\":");
    if (!account_write_addresses(flow, &writer))
        return;
    write_literal(&writer, ",\"next_cursor\":null}");
    flow_respond_json(flow, 200, &writer);
}

void api_address_list(struct api_call *call)
{
    struct flow *flow = flow_start(call);

    if (flow != NULL)
        flow_get(flow, got_all);
}

/* The flow of a call on one address; NULL: refused. */
static struct flow *start_one(struct api_call *call)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct flow *flow;
    size_t length;
    uint64_t id;

    if (!request_path_id(call, text, &length))
        return NULL;
    id = account_address_id_parse(text, length);
    if (id == 0) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return NULL;
    }
    flow = flow_start(call);
    if (flow != NULL)
        flow->id = id;
    return flow;
}

void api_address_get(struct api_call *call)
{
    struct flow *flow = start_one(call);

    if (flow != NULL)
        flow_get(flow, got_one);
}

static void added(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        respond_one(flow, 201);
    else
        flow_refuse(flow, outcome);
}

/* Adds flow->text, or replaces the address of flow->id by it. */
static void seal_got(struct flow *flow, enum outcome outcome)
{
    struct account_envelope *envelope;
    bool is_new = flow->id == 0;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    if (is_new)
        flow->id = private_row_draw(flow->shard->shard);
    envelope = flow_envelope(flow, is_new ? ACCOUNT_CALL_ADDRESS_ADD : ACCOUNT_CALL_ADDRESS_SET);
    if (envelope != NULL) {
        envelope->id = flow->id;
        envelope->sealed_length = (uint16_t)private_seal(
            flow->shard->api->engine, &flow->account, &flow->key, private_address(flow->id),
            flow->text, flow->text_length, envelope->sealed, SEALED_ADDRESS_MAX);
        if (envelope->sealed_length == 0) {
            account_refuse_unreadable(flow, envelope, PRIVATE_ADDRESS);
            return;
        }
    }
    flow_call(flow, envelope, is_new ? added : got_one);
}

void api_address_create(struct api_call *call)
{
    struct flow *flow = flow_start(call);

    if (flow == NULL)
        return;
    if (account_address_read(call, flow) &&
        keyed_begin(call, (struct slice){flow->text, flow->text_length}, &flow->keyed))
        flow_get(flow, seal_got);
    else
        flow_end(flow);
}

void api_address_replace(struct api_call *call)
{
    struct flow *flow = start_one(call);

    if (flow == NULL)
        return;
    if (account_address_read(call, flow))
        flow_get(flow, seal_got);
    else
        flow_end(flow);
}

static void removed(struct flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_OK)
        flow_respond(flow, 204);
    else
        flow_refuse(flow, outcome);
}

void api_address_remove(struct api_call *call)
{
    struct account_envelope *envelope;
    struct flow *flow = start_one(call);

    if (flow == NULL)
        return;
    envelope = flow_envelope(flow, ACCOUNT_CALL_ADDRESS_REMOVE);
    if (envelope != NULL)
        envelope->id = flow->id;
    flow_call(flow, envelope, removed);
}
