/* SPDX-License-Identifier: Apache-2.0 */
/* Events of payment gateways that were stored, for staff: what each told, and whether it changed
 * its order; and one taken in once more. In no order of time: they lie by the hash of their IDs.
 *
 * An entry's ID: `inb_` and where its record lies, as two numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/log.h"
#include "api/order_flow.h"
#include "api/request.h"

enum {
    INBOX_READS_MAX = 20,
    EFFECT_COUNT = EVENT_MISMATCHED + 1,
    ID_PREFIX = 4, /* inb_ */
    INBOX_ID_LENGTH = ID_PREFIX + 2 * ROW_TEXT_LENGTH,
};

/* A number is never 0. */
#define PLACE_BIT    (UINT64_C(1) << 48) /* above partition and subject */
#define SEQUENCE_BIT (UINT64_C(1) << 40)

/* ---- IDs ---- */

static void format_id(const struct record_place *place, char text_out[INBOX_ID_LENGTH + 1])
{
    memcpy(text_out, "inb_", ID_PREFIX);
    row_number_format(PLACE_BIT | (uint64_t)place->partition << 32 | place->subject,
                      text_out + ID_PREFIX);
    row_number_format(SEQUENCE_BIT | place->sequence, text_out + ID_PREFIX + ROW_TEXT_LENGTH);
}

/* False: it is none. */
static bool parse_id(const char *text, size_t length, struct record_place *place_out)
{
    uint64_t place;
    uint64_t sequence;

    if (length != INBOX_ID_LENGTH || memcmp(text, "inb_", ID_PREFIX) != 0)
        return false;
    place = row_number_parse(text + ID_PREFIX, ROW_TEXT_LENGTH);
    sequence = row_number_parse(text + ID_PREFIX + ROW_TEXT_LENGTH, ROW_TEXT_LENGTH);
    *place_out = (struct record_place){.partition = (uint32_t)(place >> 32) & UINT16_MAX,
                                       .subject = (uint32_t)place,
                                       .sequence = sequence & (SEQUENCE_BIT - 1)};
    return place >> 48 == 1 && sequence >> 40 == 1 && place_out->partition < PARTITIONS_MAX;
}

/* ---- an entry ---- */

/* `order`: as its ID is written; NULL: there is no such order. */
static void write_entry(struct writer *writer, const struct record_place *place,
                        const struct event_in_record *event, const char *order)
{
    char id[INBOX_ID_LENGTH + 1];

    format_id(place, id);
    write_literal(writer, "{\"id\":\"");
    write_text(writer, id);
    write_literal(writer, "\",\"event_id\":");
    write_json_string(writer, event->event_id, strlen(event->event_id));
    write_literal(writer, ",\"provider\":\"");
    write_text(writer, payment_provider_name((enum payment_provider)event->provider));
    write_literal(writer, "\",\"order_id\":");
    if (order != NULL)
        write_json_string(writer, order, strlen(order));
    else
        write_literal(writer, "null");
    write_literal(writer, ",\"payment_state\":");
    if (event->state == PAYMENT_NONE)
        write_literal(writer, "null");
    else
        write_json_string(writer, payment_state_name((enum payment_state)event->state),
                          strlen(payment_state_name((enum payment_state)event->state)));
    write_literal(writer, ",\"effect\":\"");
    write_text(writer, event_effect_name((enum event_effect)event->effect));
    write_literal(writer, "\",\"received_at\":");
    write_json_time(writer, event->wall_ms);
    write_byte(writer, '}');
}

/* ---- the list ---- */

struct inbox {
    struct order_flow flow; /* first */
    struct engine_read read;
    struct arena page; /* in hand */
    uint32_t page_at;
    bool is_last_page;
    struct journal_key next;
    struct writer writer;
    int provider; /* PROVIDER_COUNT: any */
    int effect;   /* EFFECT_COUNT: any */
    uint32_t limit;
    uint32_t count;
    uint32_t reads;
};

_Static_assert(offsetof(struct inbox, flow) == 0, "an inbox is found by its flow");

static void release(struct order_flow *flow)
{
    struct inbox *inbox = (struct inbox *)(void *)flow;

    free(inbox->page.bytes);
    writer_free(&inbox->writer);
}

/* ---- the cursor ---- */

static bool read_place(const char *text, size_t length, struct journal_key *key_out)
{
    uint64_t numbers[3];
    size_t at = 0;

    for (unsigned i = 0; i < 3; i++) {
        size_t end = at;

        while (end < length && text[end] != '.')
            end++;
        if (!text_to_unsigned(text + at, end - at, UINT64_C(1) << 40, &numbers[i]) ||
            (i < 2) != (end < length))
            return false;
        at = end + 1;
    }
    *key_out = (struct journal_key){
        .partition = (uint32_t)numbers[0], .subject = (uint32_t)numbers[1], .sequence = numbers[2]};
    return numbers[0] < PARTITIONS_MAX && numbers[1] <= UINT32_MAX;
}

static void end(struct inbox *inbox, bool is_over)
{
    struct http_exchange *exchange = order_flow_exchange(&inbox->flow);
    struct writer *writer = &inbox->writer;
    char cursor[CURSOR_LENGTH_MAX + 1];

    snprintf(cursor, sizeof(cursor), "%u.%u.%llu", inbox->next.partition, inbox->next.subject,
             (unsigned long long)inbox->next.sequence);
    write_literal(writer, "],\"next_cursor\":");
    if (is_over)
        write_literal(writer, "null");
    else
        write_json_string(writer, cursor, strlen(cursor));
    write_byte(writer, '}');
    if (exchange != NULL)
        respond_json(exchange, 200, writer);
    order_flow_end(&inbox->flow);
}

/* ---- rows ---- */

static const struct record *record_in_hand(const struct inbox *inbox)
{
    return inbox->page_at < inbox->page.used
               ? (const struct record *)(const void *)(inbox->page.bytes + inbox->page_at)
               : NULL;
}

static void pass(struct inbox *inbox, const struct record *record)
{
    inbox->next = (struct journal_key){.partition = record->partition,
                                       .subject = record->subject,
                                       .sequence = record->sequence + 1};
    inbox->page_at += record->size;
}

static void write_event(struct inbox *inbox, const struct record *record, bool has_order)
{
    const struct secrets_port *secrets = engine_secrets(inbox->flow.shard->api->engine);
    const struct record_place place = {
        .partition = record->partition, .subject = record->subject, .sequence = record->sequence};
    char order[RESERVATION_ID_LENGTH + 1];

    if (inbox->count++ > 0)
        write_byte(&inbox->writer, ',');
    if (has_order)
        order_id_format(&inbox->flow.answer->id, &secrets->id_key, order);
    write_entry(&inbox->writer, &place, &record->event_in, has_order ? order : NULL);
}

static void go_on(struct inbox *inbox);

static void take_order(struct order_flow *flow, enum outcome outcome)
{
    struct inbox *inbox = (struct inbox *)(void *)flow;
    const struct record *record = record_in_hand(inbox);

    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_FOUND) {
        order_flow_refuse(flow, outcome);
        return;
    }
    write_event(inbox, record, outcome == OUTCOME_OK);
    pass(inbox, record);
    go_on(inbox);
}

/* The whole of its order's ID is known to the order alone. */
static void ask_order(struct inbox *inbox, const struct record *record)
{
    inbox->flow.id =
        (struct reservation_id){.partition = record->partition, .sequence = record->event_in.order};
    order_flow_ask(&inbox->flow, order_flow_envelope(&inbox->flow, ORDER_CALL_GET), take_order);
}

/* ---- pages ---- */

static void on_page(struct engine_read *read)
{
    struct inbox *inbox = read->user;

    inbox->page = read->read.result;
    inbox->page_at = 0;
    inbox->is_last_page = read->read.count < read->read.limit;
    if (read->read.failed)
        order_flow_refuse(&inbox->flow, OUTCOME_OUTCOME_UNKNOWN);
    else
        go_on(inbox);
}

static void read_page(struct inbox *inbox)
{
    struct journal_read *page = &inbox->read.read;
    enum outcome outcome;

    free(inbox->page.bytes);
    inbox->page = (struct arena){0};
    memset(&inbox->read, 0, sizeof(inbox->read));
    page->kind = RECORD_EVENT_IN;
    page->from = inbox->next;
    page->to = (struct journal_key){.partition = UINT16_MAX};
    page->limit = LIST_PAGE_MAX;
    inbox->read.done = on_page;
    inbox->read.user = inbox;
    outcome = engine_read_submit(inbox->flow.shard->shard, &inbox->read);
    if (outcome != OUTCOME_PENDING)
        order_flow_refuse(&inbox->flow, outcome);
}

static bool is_asked_for(const struct inbox *inbox, const struct event_in_record *event)
{
    return (inbox->provider == PROVIDER_COUNT || inbox->provider == event->provider) &&
           (inbox->effect == EFFECT_COUNT || inbox->effect == event->effect);
}

static void go_on(struct inbox *inbox)
{
    const struct record *record;

    while ((record = record_in_hand(inbox)) != NULL && inbox->count < inbox->limit &&
           !is_asked_for(inbox, &record->event_in))
        pass(inbox, record);
    if (record == NULL && inbox->page.bytes != NULL && inbox->is_last_page)
        end(inbox, true);
    else if (inbox->count == inbox->limit)
        end(inbox, false);
    else if (record != NULL)
        ask_order(inbox, record);
    else if (inbox->reads++ == INBOX_READS_MAX)
        end(inbox, false);
    else
        read_page(inbox);
}

/* ---- the call ---- */

static int read_name(struct api_call *call, struct validation *validation, struct field field,
                     const char *(*name_of)(int), int count)
{
    char text[20];
    int length = http_query_parameter(call->exchange, field.name.text, 0, text, sizeof(text));

    for (int i = 0; length > 0 && i < count; i++)
        if (strcmp(name_of(i), text) == 0)
            return i;
    if (length != HTTP_ABSENT)
        validation_add(validation, field, "is none that there is");
    return count;
}

static const char *provider_name(int provider)
{
    return payment_provider_name((enum payment_provider)provider);
}

static const char *effect_name(int effect)
{
    return event_effect_name((enum event_effect)effect);
}

void api_webhook_inbox(struct api_call *call)
{
    static const char *const names[] = {"provider", "effect", "limit", "cursor", NULL};
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    struct journal_key next = {0};
    struct inbox *inbox;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    int provider = read_name(call, &validation, FIELD("provider"), provider_name, PROVIDER_COUNT);
    int effect = read_name(call, &validation, FIELD("effect"), effect_name, EFFECT_COUNT);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0 && !read_place(cursor, length, &next))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    inbox = (struct inbox *)(void *)order_flow_start(call, sizeof(*inbox));
    if (inbox == NULL)
        return;
    inbox->flow.release = release;
    inbox->provider = provider;
    inbox->effect = effect;
    inbox->limit = limit;
    inbox->next = next;
    inbox->writer = writer_growing();
    write_literal(&inbox->writer, "{\"data\":[");
    go_on(inbox);
}

/* ---- once more ---- */

struct inbox_replay {
    struct order_flow flow; /* first */
    struct record_place place;
};

_Static_assert(offsetof(struct inbox_replay, flow) == 0, "a replay is found by its flow");

static void log_replay(const struct order_flow *flow, const char *order)
{
    const struct payment_event *event = &flow->answer->event;
    struct log_line line;

    log_begin(&line, LOG_INFO, "payment_event_replayed",
              engine_now(flow->shard->api->engine).wall_ms);
    log_text(&line, "provider", payment_provider_name((enum payment_provider)event->provider));
    log_text(&line, "event", event->event_id);
    log_text(&line, "order", order);
    log_text(&line, "effect", event_effect_name((enum event_effect)event->effect));
    log_end(&line);
}

static void replayed(struct order_flow *flow, enum outcome outcome)
{
    const struct inbox_replay *replay = (const struct inbox_replay *)(const void *)flow;
    struct http_exchange *exchange = order_flow_exchange(flow);
    const struct payment_event *event;
    struct event_in_record stored = {0};
    char order[RESERVATION_ID_LENGTH + 1];
    struct writer writer;

    if (outcome != OUTCOME_OK) {
        order_flow_refuse(flow, outcome);
        return;
    }
    event = &flow->answer->event;
    order_id_format(&flow->answer->id, &engine_secrets(flow->shard->api->engine)->id_key, order);
    if (!flow->answer->replayed)
        log_replay(flow, order);
    stored.provider = event->provider;
    stored.state = event->state;
    stored.effect = event->effect;
    stored.wall_ms = event->wall_ms;
    memcpy(stored.event_id, event->event_id, sizeof(stored.event_id));
    if (exchange != NULL) {
        writer = writer_growing();
        write_entry(&writer, &replay->place, &stored, order);
        respond_json(exchange, 200, &writer);
    }
    order_flow_end(flow);
}

void api_inbox_replay(struct api_call *call)
{
    char text[ID_TEXT_LENGTH_MAX + 1];
    struct order_envelope *envelope;
    struct inbox_replay *replay;
    struct record_place place;
    size_t length;

    if (!request_path_id(call, text, &length))
        return;
    if (!parse_id(text, length, &place)) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return;
    }
    if (!request_empty_object(call))
        return;
    replay = (struct inbox_replay *)(void *)order_flow_start(call, sizeof(*replay));
    if (replay == NULL)
        return;
    replay->place = place;
    replay->flow.id = (struct reservation_id){.partition = place.partition};
    envelope = order_flow_envelope(&replay->flow, ORDER_CALL_EVENT_REPLAY);
    if (envelope != NULL)
        envelope->event_place = place;
    order_flow_ask(&replay->flow, envelope, replayed);
}
