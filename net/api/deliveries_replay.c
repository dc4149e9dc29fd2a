/* SPDX-License-Identifier: Apache-2.0 */
/* All dead letters since a time are sent again: of one endpoint or of all. What was sent again is
 * no dead letter any more, so that the call can be repeated; a call does a bounded part of it and
 * says where the next one goes on. */
#include <stdlib.h>
#include <string.h>

#include "api/deliveries_admin.h"
#include "api/log.h"
#include "api/request.h"

enum {
    REPLAYS_MAX = 1000, /* by one call */
    REPLAY_READS_MAX = 200,
};

struct replay_all {
    struct order_flow flow; /* first */
    struct engine_read read;
    struct delivery_place place;
    struct arena page; /* in hand */
    uint32_t page_at;
    bool is_last_page;
    int64_t since_wall_ms;
    uint32_t endpoint; /* 0: all */
    uint32_t replayed;
    uint32_t skipped; /* of endpoints that are disabled or no more, or have too much pending */
    uint32_t reads;
};

_Static_assert(offsetof(struct replay_all, flow) == 0, "a replay is found by its flow");

static void drop_page(struct replay_all *all)
{
    free(all->page.bytes);
    all->page = (struct arena){0};
    all->page_at = 0;
}

static void release(struct order_flow *flow)
{
    drop_page((struct replay_all *)(void *)flow);
}

static void end(struct replay_all *all, bool is_over)
{
    struct http_exchange *exchange = order_flow_exchange(&all->flow);
    char cursor[DELIVERY_CURSOR_MAX + 1];
    struct log_line line;

    log_begin(&line, LOG_INFO, "webhooks_replayed",
              engine_now(all->flow.shard->api->engine).wall_ms);
    log_number(&line, "replayed", all->replayed);
    log_number(&line, "skipped", all->skipped);
    log_end(&line);
    if (exchange != NULL) {
        struct writer writer = writer_growing();

        write_literal(&writer, "{\"replayed\":");
        write_unsigned(&writer, all->replayed);
        write_literal(&writer, ",\"skipped\":");
        write_unsigned(&writer, all->skipped);
        write_literal(&writer, ",\"next_cursor\":");
        if (is_over)
            write_literal(&writer, "null");
        else
            write_json_string(&writer, cursor, delivery_cursor_write(&all->place, cursor));
        write_byte(&writer, '}');
        respond_json(exchange, 200, &writer);
    }
    order_flow_end(&all->flow);
}

static void go_on(struct replay_all *all);

static void on_page(struct engine_read *read)
{
    struct replay_all *all = read->user;

    all->page = read->read.result;
    all->page_at = 0;
    all->is_last_page = read->read.count < read->read.limit;
    if (read->read.failed)
        order_flow_refuse(&all->flow, OUTCOME_OUTCOME_UNKNOWN);
    else
        go_on(all);
}

static void read_page(struct replay_all *all)
{
    enum outcome outcome;

    drop_page(all);
    outcome = delivery_page_read(all->flow.shard, &all->read, &all->place, on_page, all);
    if (outcome != OUTCOME_PENDING)
        order_flow_refuse(&all->flow, outcome);
}

/* The next that is to be sent again, or NULL at the page's end. */
static const struct record *next_of(struct replay_all *all)
{
    while (all->page_at < all->page.used) {
        const struct record *record =
            (const struct record *)(const void *)(all->page.bytes + all->page_at);

        all->page_at += record->size;
        delivery_place_pass(&all->place, record, all->endpoint);
        if ((all->endpoint == 0 || record->subject == all->endpoint) &&
            record->delivery.event.wall_ms >= all->since_wall_ms)
            return record;
    }
    return NULL;
}

static void sent(struct order_flow *flow, enum outcome outcome)
{
    struct replay_all *all = (struct replay_all *)(void *)flow;

    if (outcome == OUTCOME_OUTCOME_UNKNOWN) {
        order_flow_refuse(flow, outcome);
        return;
    }
    if (outcome == OUTCOME_OK)
        all->replayed++;
    else
        all->skipped++;
    go_on(all);
}

static void go_on(struct replay_all *all)
{
    const struct record *record = all->page.bytes == NULL ? NULL : next_of(all);

    if (record != NULL && all->replayed + all->skipped < REPLAYS_MAX) {
        delivery_send_again(&all->flow, record, sent);
    } else if (record != NULL) {
        all->place.partition = record->partition; /* this one is the next call's first */
        all->place.endpoint = record->subject;
        all->place.sequence = record->sequence;
        end(all, false);
    } else if (all->page.bytes != NULL && all->is_last_page) {
        end(all, true);
    } else if (all->reads++ == REPLAY_READS_MAX) {
        end(all, false);
    } else {
        read_page(all);
    }
}

/* ---- the call ---- */

static void read_since(struct validation *validation, const struct json_value *value,
                       int64_t *since_out)
{
    struct slice text;

    if (value == NULL)
        validation_add(validation, FIELD("since"), "is required");
    else if (validate_string(validation, FIELD("since"), value, 1, 64, &text) &&
             !text_to_time(text.text, text.length, since_out))
        validation_add(validation, FIELD("since"), "must be a time as RFC 3339 writes it");
}

static uint32_t read_endpoint(struct validation *validation, const struct json_value *value)
{
    uint32_t endpoint = 0;
    struct slice text;

    if (value == NULL ||
        !validate_string(validation, FIELD("endpoint_id"), value, 1, SETTING_ID_LENGTH_MAX, &text))
        return 0;
    endpoint = setting_id_parse(SETTING_WEBHOOK_ENDPOINT, text.text, text.length);
    if (endpoint == 0)
        validation_add(validation, FIELD("endpoint_id"), "must be the ID of a webhook endpoint");
    return endpoint;
}

static void read_cursor(struct validation *validation, const struct json_value *value,
                        struct delivery_place *place)
{
    struct slice text;

    if (value == NULL ||
        !validate_string(validation, FIELD("cursor"), value, 1, DELIVERY_CURSOR_MAX, &text))
        return;
    if (!delivery_cursor_read(text.text, text.length, place) || place->state != DELIVERY_DEAD)
        validation_add(validation, FIELD("cursor"), "must be a next_cursor of this call");
}

void api_delivery_replay_all(struct api_call *call)
{
    static const char *const names[] = {"since", "endpoint_id", "cursor"};
    const struct json_value *values[3];
    struct delivery_place place = {.state = DELIVERY_DEAD};
    const struct json_value *object;
    struct validation validation;
    struct replay_all *all;
    uint32_t endpoint;
    int64_t since = 0;

    if (!request_object(call, &object))
        return;
    validation_init(&validation);
    validation_sort_members(&validation, NULL, 0, object, names, 3, values);
    read_since(&validation, values[0], &since);
    endpoint = read_endpoint(&validation, values[1]);
    place.endpoint = endpoint;
    read_cursor(&validation, values[2], &place);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    all = (struct replay_all *)(void *)order_flow_start(call, sizeof(*all));
    if (all == NULL)
        return;
    all->flow.release = release;
    all->since_wall_ms = since;
    all->endpoint = endpoint;
    all->place = place;
    go_on(all);
}
