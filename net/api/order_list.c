/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's orders, newest first: those of the customer and of the guests that it was, each in
 * its own partition. Whose they are is read from the store, in the order of their making, keeping
 * the newest before the cursor; then each of the page is asked for. The cursor is the last ID. */
#include <stdlib.h>
#include <string.h>

#include "api/order_flow.h"
#include "api/request.h"

struct order_list {
    struct order_flow flow; /* first */
    struct engine_read read;
    unsigned who; /* of flow.who: whose are being read */
    uint32_t limit;
    bool has_before;
    struct reservation_id before; /* exclusive */
    uint32_t found_count;
    struct reservation_id found[LIST_PAGE_MAX + 1]; /* newest first; one more than the page */
    uint32_t next;                                  /* to be asked for */
    uint32_t written;
    struct writer writer;
};

_Static_assert(offsetof(struct order_list, flow) == 0, "a list is found by its flow");

/* As their texts sort. */
static bool is_newer(const struct reservation_id *a, const struct reservation_id *b)
{
    if (a->created_ms != b->created_ms)
        return a->created_ms > b->created_ms;
    if (a->partition != b->partition)
        return a->partition > b->partition;
    return a->sequence > b->sequence;
}

/* ---- the answer ---- */

static void finish(struct order_list *list)
{
    struct http_exchange *exchange = order_flow_exchange(&list->flow);
    char id[RESERVATION_ID_LENGTH + 1];

    write_literal(&list->writer, "],\"next_cursor\":");
    if (list->found_count > list->limit) {
        order_id_format(&list->found[list->limit - 1],
                        &engine_secrets(list->flow.shard->api->engine)->id_key, id);
        write_byte(&list->writer, '"');
        write_bytes(&list->writer, id, RESERVATION_ID_LENGTH);
        write_byte(&list->writer, '"');
    } else {
        write_literal(&list->writer, "null");
    }
    write_byte(&list->writer, '}');
    if (exchange != NULL) {
        respond_json(exchange, 200, &list->writer);
        list->writer = writer_growing();
    }
    order_flow_end(&list->flow);
}

static void ask_next(struct order_list *list);

static void got(struct order_flow *flow, enum outcome outcome)
{
    struct order_list *list = (struct order_list *)(void *)flow;

    if (outcome == OUTCOME_NOT_FOUND) { /* a checkout that was undone meanwhile */
        ask_next(list);
        return;
    }
    if (outcome != OUTCOME_OK) {
        order_flow_refuse(flow, outcome);
        return;
    }
    if (list->written++ > 0)
        write_byte(&list->writer, ',');
    if (write_order(&list->writer, flow->shard, flow->answer, ORDER_SHAPE_OWN))
        ask_next(list);
    else
        order_flow_problem(flow, PROBLEM_PRIVATE_DATA_UNREADABLE,
                           "A stored field of an order cannot be opened.");
}

static void ask_next(struct order_list *list)
{
    struct order_flow *flow = &list->flow;

    if (list->next == list->limit || list->next == list->found_count ||
        order_flow_exchange(flow) == NULL) {
        finish(list);
        return;
    }
    flow->id = list->found[list->next++];
    order_flow_ask(flow, order_flow_envelope(flow, ORDER_CALL_GET), got);
}

/* ---- whose they are ---- */

/* Among the newest, if it is one of them. */
static void take(struct order_list *list, const struct record *record)
{
    struct reservation_id id = {.created_ms = record->order_of.created_wall_ms,
                                .sequence = record->sequence,
                                .partition = record->partition};
    uint32_t at;

    if (!principal_equal(&record->order_of.principal, &list->flow.who[list->who]) ||
        (list->has_before && !is_newer(&list->before, &id)))
        return;
    if (list->found_count <= list->limit)
        list->found_count++;
    else if (!is_newer(&id, &list->found[list->limit]))
        return;
    for (at = list->found_count - 1; at > 0 && is_newer(&id, &list->found[at - 1]); at--)
        list->found[at] = list->found[at - 1];
    list->found[at] = id;
}

static void read_on(struct order_list *list, uint64_t from_sequence);

static void on_read(struct engine_read *read)
{
    struct order_list *list = read->user;
    const struct arena *result = &read->read.result;
    const struct record *record = NULL;
    bool is_full = read->read.count == read->read.limit;
    uint64_t last = 0;

    for (size_t at = 0; at < result->used && !read->read.failed; at += record->size) {
        record = (const struct record *)(const void *)(result->bytes + at);
        last = record->sequence;
        take(list, record);
    }
    free(read->read.result.bytes);
    if (read->read.failed) {
        order_flow_refuse(&list->flow, OUTCOME_OVERLOADED);
    } else if (is_full) {
        read_on(list, last + 1);
    } else if (++list->who < list->flow.who_count) {
        read_on(list, 0);
    } else {
        write_literal(&list->writer, "{\"data\":[");
        ask_next(list);
    }
}

static void read_on(struct order_list *list, uint64_t from_sequence)
{
    const struct principal *who = &list->flow.who[list->who];
    struct api_shard *shard = list->flow.shard;
    struct journal_key from = {
        .partition = order_partition_of(who, engine_partition_count(shard->api->engine)),
        .subject = order_of_subject(who),
        .sequence = from_sequence};
    enum outcome outcome;

    memset(&list->read, 0, sizeof(list->read));
    list->read.read.kind = RECORD_ORDER_OF;
    list->read.read.from = from;
    list->read.read.to = from;
    list->read.read.to.sequence = UINT64_C(1) << 40;
    list->read.read.limit = LIST_PAGE_MAX + 1;
    list->read.done = on_read;
    list->read.user = list;
    outcome = engine_read_submit(shard->shard, &list->read);
    if (outcome != OUTCOME_PENDING)
        order_flow_refuse(&list->flow, outcome);
}

static void release(struct order_flow *flow)
{
    writer_free(&((struct order_list *)(void *)flow)->writer);
}

void api_order_list(struct api_call *call)
{
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    struct order_list *list;
    struct reservation_id before = {0};
    uint32_t limit;
    size_t length;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"limit", "cursor", NULL}, NULL);
    limit = request_limit(call, &validation);
    length = request_cursor(call, &validation, cursor);
    if (length > 0 &&
        !order_id_parse(cursor, length, &engine_secrets(call->shard->api->engine)->id_key, &before))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    list = (struct order_list *)(void *)order_flow_start(call, sizeof(*list));
    if (list == NULL)
        return;
    list->flow.release = release;
    list->writer = writer_growing();
    list->limit = limit;
    list->has_before = length > 0;
    list->before = before;
    read_on(list, 0);
}
