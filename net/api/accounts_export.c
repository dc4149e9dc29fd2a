/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is stored about the caller, as one JSON document: profile, addresses, sessions,
 * the guests that it was, reservations, the cart and orders. Shards are asked one after the other.
 */
#include <string.h>

#include "api/account_view.h"
#include "api/accounts_export.h"
#include "api/hold_view.h"

enum { EXPORT_HOLDS_MAX = 10000 };

static void ask_shard(struct flow *flow);

static void finish(struct flow *flow, bool is_complete)
{
    struct writer writer = flow->writer;

    write_literal(&writer, ",\"complete\":");
    write_boolean(&writer, is_complete);
    write_byte(&writer, '}');
    flow->writer = (struct writer){0};
    flow_respond_json(flow, 200, &writer);
}

static void holds_done(struct flow *flow, bool is_complete)
{
    write_literal(&flow->writer, "],");
    if (is_complete) {
        export_orders(flow, finish);
        return;
    }
    write_literal(&flow->writer, "\"cart\":null,\"orders\":[]");
    finish(flow, false);
}

static void on_holds(struct api_shard *shard, struct http_exchange *exchange,
                     const struct message *message, void *user)
{
    struct list_envelope *list = message->reply.list;
    struct flow *flow = user;
    bool has_more = false;

    (void)exchange;
    if (message->reply.outcome != OUTCOME_OK) {
        flow_refuse(flow, (enum outcome)message->reply.outcome);
        return;
    }
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        if (flow->list_count++ > 0)
            write_byte(&flow->writer, ',');
        write_hold(&flow->writer, shard, &list->views[i], HOLD_SHAPE_OWN);
        flow->after = list->views[i].id;
    }
    has_more = list != NULL && list->more;
    envelope_free(list);
    if (!has_more) {
        flow->list_shard++;
        flow->after = (struct reservation_id){0};
    }
    ask_shard(flow);
}

static void ask_shard(struct flow *flow)
{
    struct api_shard *shard = flow->shard;
    struct command command = {.type = COMMAND_HOLD_LIST,
                              .principal = flow->account,
                              .list = {.shard = flow->list_shard,
                                       .body = {.principal = flow->account,
                                                .sku_id = UINT32_MAX,
                                                .state = -1,
                                                .limit = LIST_PAGE_MAX,
                                                .created_before_wall_ms = INT64_MAX,
                                                .after = flow->after}}};
    struct refusal unused;

    if (flow->list_shard == shard->api->shard_count || flow->list_count >= EXPORT_HOLDS_MAX ||
        writer_length(&flow->writer) > API_ANSWER_BYTES_MAX / 2) {
        holds_done(flow, flow->list_shard == shard->api->shard_count);
        return;
    }
    uint64_t cookie = pending_open(&shard->pending, flow->exchange_cookie, on_holds, flow);
    enum outcome outcome =
        cookie == 0 ? OUTCOME_OVERLOADED : engine_submit(shard->shard, &command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        return;
    if (cookie != 0)
        pending_cancel(&shard->pending, cookie);
    flow_refuse(flow, outcome);
}

static void write_guests(struct flow *flow)
{
    const struct account_record *view = &flow->answer->view;
    char text[PRINCIPAL_TEXT_LENGTH + 1];

    write_byte(&flow->writer, '[');
    for (unsigned i = 0; i < view->alias_count; i++) {
        if (i > 0)
            write_byte(&flow->writer, ',');
        principal_format(&view->aliases[i].guest, text);
        write_literal(&flow->writer, "{\"principal\":\"");
        write_text(&flow->writer, text);
        write_literal(&flow->writer, "\",\"became_customer_at\":");
        write_json_time(&flow->writer, view->aliases[i].wall_ms);
        write_byte(&flow->writer, '}');
    }
    write_byte(&flow->writer, ']');
}

static void got(struct flow *flow, enum outcome outcome)
{
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        flow_refuse(flow, outcome);
        return;
    }
    /* In a local one until nothing can fail: what ends the flow frees what it has. */
    writer = writer_growing();
    write_literal(&writer, "{\"customer\":");
    if (!account_write_profile(flow, &writer, NULL))
        return;
    write_literal(&writer, ",\"addresses\":");
    if (!account_write_addresses(flow, &writer))
        return;
    write_literal(&writer, ",\"sessions\":");
    if (!account_write_sessions(flow, &writer))
        return;
    flow->writer = writer;
    write_literal(&flow->writer, ",\"guests\":");
    write_guests(flow);
    write_literal(&flow->writer, ",\"reservations\":[");
    ask_shard(flow);
}

void api_me_export(struct api_call *call)
{
    struct flow *flow = flow_start(call);

    if (flow != NULL)
        flow_get(flow, got);
}
