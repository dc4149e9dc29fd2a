/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks on their way and past, for staff: the list, one sent again, and a test of an endpoint.
 *
 * A list goes through the pending ones, then the dead, then the delivered; in each by partition and
 * endpoint, in the order of events. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/deliveries_admin.h"
#include "api/log.h"
#include "api/request.h"

enum {
    READS_MAX = 20, /* for one page, of LIST_PAGE_MAX each */
    STATE_ANY = -1,
};

_Static_assert((int)DELIVERY_ID_LENGTH_MAX <= (int)ID_TEXT_LENGTH_MAX, "an ID fits a path");

/* ---- walking ---- */

bool delivery_cursor_read(const char *text, size_t length, struct delivery_place *place_out)
{
    struct delivery_place place = {0};
    uint64_t *numbers[] = {&place.state, &place.partition, &place.endpoint, &place.sequence};
    size_t at = 0;

    for (unsigned i = 0; i < 4; i++) {
        size_t end = at;

        while (end < length && text[end] != '.')
            end++;
        if (!text_to_unsigned(text + at, end - at, (UINT64_C(1) << 40), numbers[i]) ||
            (i < 3) != (end < length))
            return false;
        at = end + 1;
    }
    *place_out = place;
    return place.state < DELIVERY_STATE_COUNT && place.partition < PARTITIONS_MAX &&
           place.endpoint <= UINT32_MAX;
}

size_t delivery_cursor_write(const struct delivery_place *place,
                             char text_out[DELIVERY_CURSOR_MAX + 1])
{
    int length = snprintf(text_out, DELIVERY_CURSOR_MAX + 1, "%llu.%llu.%llu.%llu",
                          (unsigned long long)place->state, (unsigned long long)place->partition,
                          (unsigned long long)place->endpoint, (unsigned long long)place->sequence);

    return (size_t)length;
}

/* Behind the last one; where one endpoint is asked for, at its next. */
void delivery_place_pass(struct delivery_place *place, const struct record *last, uint32_t endpoint)
{
    place->partition = last->partition;
    place->endpoint = last->subject;
    place->sequence = last->sequence + 1;
    if (endpoint == 0 || last->subject == endpoint)
        return;
    place->partition += last->subject > endpoint;
    place->endpoint = endpoint;
    place->sequence = 0;
}

enum outcome delivery_page_read(struct api_shard *shard, struct engine_read *read,
                                const struct delivery_place *place,
                                void (*done)(struct engine_read *read), void *user)
{
    memset(read, 0, sizeof(*read));
    read->read.kind = (enum record_kind)(RECORD_DELIVERY + (int)place->state);
    read->read.from = (struct journal_key){.partition = (uint32_t)place->partition,
                                           .subject = (uint32_t)place->endpoint,
                                           .sequence = place->sequence};
    read->read.to = (struct journal_key){.partition = UINT16_MAX};
    read->read.limit = LIST_PAGE_MAX;
    read->done = done;
    read->user = user;
    return engine_read_submit(shard->shard, read);
}

/* ---- the list ---- */

struct delivery_list {
    struct order_flow flow; /* first */
    struct engine_read read;
    struct writer writer;
    struct delivery_place place;
    uint32_t endpoint; /* 0: all */
    int state;         /* STATE_ANY: all */
    uint32_t limit;
    uint32_t count;
    uint32_t reads;
    bool is_over;
};

_Static_assert(offsetof(struct delivery_list, flow) == 0, "a list is found by its flow");

static void release_list(struct order_flow *flow)
{
    writer_free(&((struct delivery_list *)(void *)flow)->writer);
}

static void write_optional_time(struct writer *writer, int64_t wall_ms)
{
    if (wall_ms != 0)
        write_json_time(writer, wall_ms);
    else
        write_literal(writer, "null");
}

/* What it happened to: an order, a SKU, or (a test) nothing. */
static void write_subject(struct writer *writer, const struct api_shard *shard,
                          const struct record *record)
{
    const struct delivery_event *event = &record->delivery.event;
    struct reservation_id order = {.created_ms = event->created_wall_ms,
                                   .sequence = event->order,
                                   .partition = record->partition};
    const struct sku_entry *sku = NULL;
    char id[RESERVATION_ID_LENGTH + 1];

    if (event->type == EVENT_INVENTORY_SOLD_OUT)
        sku = directory_find_sku_id(shard_directory(shard->shard), (uint32_t)event->order);
    write_literal(writer, "\",\"order_id\":");
    if (event->order != 0 && event->type != EVENT_INVENTORY_SOLD_OUT) {
        order_id_format(&order, &engine_secrets(shard->api->engine)->id_key, id);
        write_json_string(writer, id, RESERVATION_ID_LENGTH);
    } else {
        write_literal(writer, "null");
    }
    write_literal(writer, ",\"sku\":");
    if (sku != NULL)
        write_json_string(writer, sku->sku, sku->sku_length);
    else
        write_literal(writer, "null");
}

static void write_names(struct writer *writer, const struct hash_key *secret,
                        const struct record *record)
{
    const struct delivery_event *event = &record->delivery.event;
    struct reservation_id happened = {
        .created_ms = event->wall_ms, .sequence = record->sequence, .partition = record->partition};
    char endpoint[SETTING_ID_LENGTH_MAX + 1];
    char delivery[DELIVERY_ID_LENGTH_MAX + 1];
    char id[RESERVATION_ID_LENGTH + 1];

    delivery_id_format(&happened, record->subject, secret, delivery);
    write_literal(writer, "{\"id\":\"");
    write_text(writer, delivery);
    message_id_format(&happened, secret, id);
    write_literal(writer, "\",\"webhook_id\":\"");
    write_text(writer, id);
    setting_id_format(SETTING_WEBHOOK_ENDPOINT, record->subject, endpoint);
    write_literal(writer, "\",\"endpoint_id\":\"");
    write_text(writer, endpoint);
    write_literal(writer, "\",\"type\":\"");
    write_text(writer, event_type_name((enum event_type)event->type));
}

static void write_delivery(struct delivery_list *list, const struct record *record)
{
    const struct secrets_port *secrets = engine_secrets(list->flow.shard->api->engine);
    const struct delivery_record *delivery = &record->delivery;
    struct writer *writer = &list->writer;

    if (list->count++ > 0)
        write_byte(writer, ',');
    write_names(writer, &secrets->id_key, record);
    write_subject(writer, list->flow.shard, record);
    write_literal(writer, ",\"status\":\"");
    write_text(writer, delivery_state_name((enum delivery_state)delivery->state));
    write_literal(writer, "\",\"attempts\":");
    write_unsigned(writer, delivery->attempts);
    write_literal(writer, ",\"last_response\":");
    if (delivery->response != 0)
        write_unsigned(writer, delivery->response);
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"last_attempt_at\":");
    write_optional_time(writer, delivery->attempted_wall_ms);
    write_literal(writer, ",\"next_attempt_at\":");
    write_optional_time(writer, delivery->next_wall_ms);
    write_literal(writer, ",\"reason\":");
    if (delivery->reason[0] != '\0')
        write_json_string(writer, delivery->reason, strlen(delivery->reason));
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"created_at\":");
    write_json_time(writer, delivery->event.wall_ms);
    write_byte(writer, '}');
}

static void end_list(struct delivery_list *list)
{
    struct http_exchange *exchange = order_flow_exchange(&list->flow);
    struct writer *writer = &list->writer;
    char cursor[DELIVERY_CURSOR_MAX + 1];

    write_literal(writer, "],\"next_cursor\":");
    if (list->is_over)
        write_literal(writer, "null");
    else
        write_json_string(writer, cursor, delivery_cursor_write(&list->place, cursor));
    write_byte(writer, '}');
    if (exchange != NULL)
        respond_json(exchange, 200, writer);
    order_flow_end(&list->flow);
}

/* Those that are asked for end with this state: on to the next, or it is over. */
static void end_state(struct delivery_list *list)
{
    if (list->state != STATE_ANY || list->place.state + 1 == DELIVERY_STATE_COUNT)
        list->is_over = true;
    else
        list->place =
            (struct delivery_place){.state = list->place.state + 1, .endpoint = list->endpoint};
}

static void take_list_page(struct delivery_list *list)
{
    const struct journal_read *page = &list->read.read;
    uint32_t i = 0;

    for (uint32_t at = 0; i < page->count && list->count < list->limit; i++) {
        const struct record *record =
            (const struct record *)(const void *)(page->result.bytes + at);

        if (list->endpoint == 0 || record->subject == list->endpoint)
            write_delivery(list, record);
        delivery_place_pass(&list->place, record, list->endpoint);
        at += record->size;
    }
    if (i == page->count && page->count < page->limit)
        end_state(list);
}

static void go_on(struct delivery_list *list);

static void on_list_page(struct engine_read *read)
{
    struct delivery_list *list = read->user;

    if (!read->read.failed)
        take_list_page(list);
    free(read->read.result.bytes);
    if (read->read.failed)
        order_flow_refuse(&list->flow, OUTCOME_OUTCOME_UNKNOWN);
    else if (list->is_over || list->count == list->limit || ++list->reads == READS_MAX)
        end_list(list);
    else
        go_on(list);
}

static void go_on(struct delivery_list *list)
{
    enum outcome outcome =
        delivery_page_read(list->flow.shard, &list->read, &list->place, on_list_page, list);

    if (outcome != OUTCOME_PENDING)
        order_flow_refuse(&list->flow, outcome);
}

static int read_state(struct api_call *call, struct validation *validation)
{
    char text[16];
    int length = http_query_parameter(call->exchange, "status", 0, text, sizeof(text));

    for (int state = 0; length > 0 && state < DELIVERY_STATE_COUNT; state++)
        if (strcmp(delivery_state_name((enum delivery_state)state), text) == 0)
            return state;
    if (length != HTTP_ABSENT)
        validation_add(validation, FIELD("status"), "must be pending, delivered or dead");
    return STATE_ANY;
}

static uint32_t read_endpoint(struct api_call *call, struct validation *validation)
{
    char text[SETTING_ID_LENGTH_MAX + 1];
    int length = http_query_parameter(call->exchange, "endpoint", 0, text, sizeof(text));
    uint32_t endpoint = 0;

    if (length == HTTP_ABSENT)
        return 0;
    if (length > 0)
        endpoint = setting_id_parse(SETTING_WEBHOOK_ENDPOINT, text, (size_t)length);
    if (endpoint == 0)
        validation_add(validation, FIELD("endpoint"), "must be the ID of a webhook endpoint");
    return endpoint;
}

void api_delivery_list(struct api_call *call)
{
    static const char *const names[] = {"endpoint", "status", "limit", "cursor", NULL};
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct delivery_place place = {0};
    struct validation validation;
    struct delivery_list *list;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    int state = read_state(call, &validation);
    uint32_t endpoint = read_endpoint(call, &validation);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    place.state = state == STATE_ANY ? 0 : (uint64_t)state;
    place.endpoint = endpoint;
    if (length > 0 && (!delivery_cursor_read(cursor, length, &place) ||
                       (state != STATE_ANY && place.state != (uint64_t)state)))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    list = (struct delivery_list *)(void *)order_flow_start(call, sizeof(*list));
    if (list == NULL)
        return;
    list->flow.release = release_list;
    list->state = state;
    list->endpoint = endpoint;
    list->place = place;
    list->limit = limit;
    list->writer = writer_growing();
    write_literal(&list->writer, "{\"data\":[");
    go_on(list);
}

/* ---- once more ---- */

struct delivery_replay {
    struct order_flow flow; /* first */
    struct engine_read read;
    struct reservation_id event;
    uint32_t endpoint;
    uint64_t state; /* whose records are looked through */
};

_Static_assert(offsetof(struct delivery_replay, flow) == 0, "a replay is found by its flow");

static void log_replay(const struct delivery_replay *replay)
{
    const struct engine *engine = replay->flow.shard->api->engine;
    char id[DELIVERY_ID_LENGTH_MAX + 1];
    struct log_line line;

    delivery_id_format(&replay->event, replay->endpoint, &engine_secrets(engine)->id_key, id);
    log_begin(&line, LOG_INFO, "webhook_replayed", engine_now(engine).wall_ms);
    log_text(&line, "delivery", id);
    log_end(&line);
}

static void respond_accepted(struct order_flow *flow)
{
    struct http_exchange *exchange = order_flow_exchange(flow);

    if (exchange != NULL)
        http_respond(exchange, 202, "application/json", "{}", 2);
    order_flow_end(flow);
}

static void refuse_delivery(struct order_flow *flow, enum outcome outcome)
{
    if (outcome == OUTCOME_INVALID_STATE)
        order_flow_problem(flow, PROBLEM_INVALID_STATE, "The endpoint is disabled.");
    else
        order_flow_refuse(flow, outcome);
}

static void replayed(struct order_flow *flow, enum outcome outcome)
{
    if (outcome != OUTCOME_OK) {
        refuse_delivery(flow, outcome);
        return;
    }
    log_replay((const struct delivery_replay *)(const void *)flow);
    respond_accepted(flow);
}

static void on_delivery(struct engine_read *read);

static void look(struct delivery_replay *replay)
{
    const struct delivery_place place = {.state = replay->state,
                                         .partition = replay->event.partition,
                                         .endpoint = replay->endpoint,
                                         .sequence = replay->event.sequence};
    enum outcome outcome =
        delivery_page_read(replay->flow.shard, &replay->read, &place, on_delivery, replay);

    if (outcome != OUTCOME_PENDING)
        order_flow_refuse(&replay->flow, outcome);
}

void delivery_send_again(struct order_flow *flow, const struct record *record, order_step next)
{
    struct command command = {.type = COMMAND_DELIVERY,
                              .delivery = {.partition = record->partition,
                                           .body = {.endpoint = record->subject,
                                                    .sequence = record->sequence,
                                                    .event = record->delivery.event}}};

    order_flow_submit(flow, &command, next);
}

/* The dead are looked for first, then the delivered; one that is pending goes out by itself. */
static void on_delivery(struct engine_read *read)
{
    struct delivery_replay *replay = read->user;
    uint8_t *bytes = read->read.result.bytes;
    const struct record *record = read->read.failed || read->read.count == 0
                                      ? NULL
                                      : (const struct record *)(const void *)bytes;
    bool is_it = record != NULL && record->partition == replay->event.partition &&
                 record->subject == replay->endpoint &&
                 record->sequence == replay->event.sequence &&
                 record->delivery.event.wall_ms == replay->event.created_ms;

    if (read->read.failed) {
        order_flow_refuse(&replay->flow, OUTCOME_OUTCOME_UNKNOWN);
    } else if (is_it && replay->state == DELIVERY_PENDING) {
        respond_accepted(&replay->flow);
    } else if (is_it) {
        delivery_send_again(&replay->flow, record, replayed);
    } else if (replay->state == DELIVERY_PENDING) {
        order_flow_refuse(&replay->flow, OUTCOME_NOT_FOUND);
    } else {
        replay->state = replay->state == DELIVERY_DEAD ? DELIVERY_DELIVERED : DELIVERY_PENDING;
        look(replay);
    }
    free(bytes);
}

void api_delivery_replay(struct api_call *call)
{
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct delivery_replay *replay;
    struct reservation_id event;
    uint32_t endpoint;
    size_t length;

    if (!request_path_id(call, text, &length))
        return;
    if (!delivery_id_parse(text, length, &secrets->id_key, &event, &endpoint)) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return;
    }
    if (!request_empty_object(call))
        return;
    replay = (struct delivery_replay *)(void *)order_flow_start(call, sizeof(*replay));
    if (replay == NULL)
        return;
    replay->event = event;
    replay->endpoint = endpoint;
    replay->state = DELIVERY_DEAD;
    look(replay);
}

/* ---- a test ---- */

static void tested(struct order_flow *flow, enum outcome outcome)
{
    const struct delivery_replay *test = (const struct delivery_replay *)(const void *)flow;
    const struct secrets_port *secrets = engine_secrets(flow->shard->api->engine);
    struct http_exchange *exchange = order_flow_exchange(flow);
    char delivery[DELIVERY_ID_LENGTH_MAX + 1];
    char id[RESERVATION_ID_LENGTH + 1];
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        refuse_delivery(flow, outcome);
        return;
    }
    if (exchange != NULL) {
        delivery_id_format(&test->event, test->endpoint, &secrets->id_key, delivery);
        message_id_format(&test->event, &secrets->id_key, id);
        writer = writer_growing();
        write_literal(&writer, "{\"id\":\"");
        write_text(&writer, delivery);
        write_literal(&writer, "\",\"webhook_id\":\"");
        write_text(&writer, id);
        write_literal(&writer, "\"}");
        respond_json(exchange, 202, &writer);
    }
    order_flow_end(flow);
}

void api_endpoint_test(struct api_call *call)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct delivery_replay *test;
    struct command command = {.type = COMMAND_DELIVERY};
    uint32_t endpoint;
    size_t length;

    if (!request_path_id(call, text, &length))
        return;
    endpoint = setting_id_parse(SETTING_WEBHOOK_ENDPOINT, text, length);
    if (endpoint == 0) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return;
    }
    if (!request_empty_object(call))
        return;
    test = (struct delivery_replay *)(void *)order_flow_start(call, sizeof(*test));
    if (test == NULL)
        return;
    shard_random(call->shard->shard, &test->event.sequence, sizeof(test->event.sequence));
    test->event.sequence = DELIVERY_TEST_BIT | (test->event.sequence & (DELIVERY_TEST_BIT - 1));
    test->event.partition = SETTINGS_PARTITION;
    test->event.created_ms = engine_now(call->shard->api->engine).wall_ms;
    test->endpoint = endpoint;
    command.delivery.partition = SETTINGS_PARTITION;
    command.delivery.body =
        (struct delivery_body){.endpoint = endpoint,
                               .sequence = test->event.sequence,
                               .event = {.type = EVENT_ENDPOINT_TEST,
                                         .created_wall_ms = test->event.created_ms,
                                         .wall_ms = test->event.created_ms}};
    order_flow_submit(&test->flow, &command, tested);
}
