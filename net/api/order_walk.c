/* SPDX-License-Identifier: Apache-2.0 */
#include "api/order_walk.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct order_walk, flow) == 0, "a walk is found by its flow");

/* What is read of a partition: where its numbers end, then window by window. An order that begins
 * or ends to live meanwhile is met in one of the three. */
enum { PHASE_END, PHASE_LIVE, PHASE_PAST, PHASE_LIVE_AGAIN };

struct order_walk *order_walk_start(struct api_call *call, size_t size)
{
    return (struct order_walk *)(void *)order_flow_start(call, size);
}

/* ---- cursors ---- */

bool order_walk_read_cursor(struct order_walk *walk, const char *text, size_t length)
{
    const char *point = memchr(text, '.', length);
    uint64_t partition;

    if (point == NULL ||
        !text_to_unsigned(text, (size_t)(point - text),
                          engine_partition_count(walk->flow.shard->api->engine) - 1, &partition))
        return false;
    walk->partition = (uint32_t)partition;
    point++;
    return text_to_unsigned(point, length - (size_t)(point - text), (UINT64_C(1) << 40) - 1,
                            &walk->below);
}

void order_walk_write_cursor(const struct order_walk *walk, struct writer *writer)
{
    write_byte(writer, '"');
    write_unsigned(writer, walk->partition);
    write_byte(writer, '.');
    write_unsigned(writer, walk->below);
    write_byte(writer, '"');
}

void order_walk_read_status(struct order_walk *walk, struct api_call *call,
                            struct validation *validation)
{
    char text[32];
    int length = http_query_parameter(call->exchange, "status", 0, text, sizeof(text));
    uint8_t status = ORDER_PENDING;

    if (length == HTTP_ABSENT)
        return;
    while (length > 0 && status < ORDER_STATUS_COUNT &&
           strcmp(order_status_name((enum order_status)status), text) != 0)
        status++;
    if (length <= 0 || status == ORDER_STATUS_COUNT)
        validation_add(validation, FIELD("status"), "is no status of an order");
    else
        walk->status = status;
}

/* ---- reading ---- */

static void on_read(struct engine_read *read);

static void begin_read(struct order_walk *walk)
{
    static const enum record_kind kinds[] = {[PHASE_END] = RECORD_FLOOR,
                                             [PHASE_LIVE] = RECORD_ORDER,
                                             [PHASE_PAST] = RECORD_ORDER_PAST,
                                             [PHASE_LIVE_AGAIN] = RECORD_ORDER};
    bool is_end = walk->phase == PHASE_END;
    struct journal_key from = {.partition = walk->partition,
                               .subject = is_end ? FLOOR_ORDERS : 0,
                               .sequence = is_end ? 0 : walk->window_from};
    struct journal_key to = from;
    enum outcome outcome;

    to.sequence = is_end ? 1 : walk->below;
    walk->read.read = (struct journal_read){
        .kind = kinds[walk->phase], .from = from, .to = to, .limit = LIST_PAGE_MAX};
    walk->read.done = on_read;
    walk->read.user = walk;
    outcome = engine_read_submit(walk->flow.shard->shard, &walk->read);
    if (outcome != OUTCOME_PENDING)
        walk->fail(walk, outcome);
}

static bool is_wanted(const struct order_walk *walk, const struct order_record *order)
{
    if (order->status == ORDER_NONE ||
        (walk->status != ORDER_NONE && order->status != walk->status))
        return false;
    return !walk->has_email ||
           memcmp(order->email_index, walk->email_index, sizeof(walk->email_index)) == 0;
}

/* Puts it among the marks, newest first, once. */
static void mark(struct order_walk *walk, const struct record *record)
{
    uint32_t at = 0;

    while (at < walk->mark_count && walk->marks[at].sequence > record->sequence)
        at++;
    if ((at < walk->mark_count && walk->marks[at].sequence == record->sequence) ||
        walk->mark_count == LIST_PAGE_MAX)
        return;
    memmove(&walk->marks[at + 1], &walk->marks[at],
            (walk->mark_count - at) * sizeof(walk->marks[0]));
    walk->marks[at] = (struct order_mark){.sequence = record->sequence,
                                          .created_ms = record->order.created_wall_ms};
    walk->mark_count++;
}

static void on_read(struct engine_read *read)
{
    struct order_walk *walk = read->user;
    const struct arena *result = &read->read.result;
    const struct record *record = NULL;
    bool failed = read->read.failed;

    for (size_t at = 0; at < result->used && !failed; at += record->size) {
        record = (const struct record *)(const void *)(result->bytes + at);
        if (walk->phase == PHASE_END)
            walk->below = record->floor.next_sequence;
        else if (is_wanted(walk, &record->order))
            mark(walk, record);
    }
    free(read->read.result.bytes);
    if (failed) {
        walk->fail(walk, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    if (walk->phase == PHASE_END && walk->below == 0)
        walk->below = 1; /* no order has ever been made here */
    if (walk->phase == PHASE_LIVE || walk->phase == PHASE_PAST) {
        walk->phase++;
        begin_read(walk);
        return;
    }
    walk->window_is_read = walk->phase == PHASE_LIVE_AGAIN;
    order_walk_go(walk);
}

/* ---- walking ---- */

static void met(struct order_flow *flow, enum outcome outcome)
{
    struct order_walk *walk = (struct order_walk *)(void *)flow;

    if (outcome == OUTCOME_NOT_FOUND) { /* a checkout that was undone meanwhile */
        order_walk_go(walk);
        return;
    }
    if (outcome != OUTCOME_OK) {
        walk->fail(walk, outcome);
        return;
    }
    /* It may have changed since the store was read. */
    if (!is_wanted(walk, &flow->answer->order) || walk->show(walk))
        order_walk_go(walk);
}

static void ask_next(struct order_walk *walk)
{
    const struct order_mark *next = &walk->marks[walk->mark_next++];

    walk->below = next->sequence;
    walk->flow.id = (struct reservation_id){
        .created_ms = next->created_ms, .sequence = next->sequence, .partition = walk->partition};
    order_flow_ask(&walk->flow, order_flow_envelope(&walk->flow, ORDER_CALL_GET), met);
}

void order_walk_go(struct order_walk *walk)
{
    if (order_flow_exchange(&walk->flow) == NULL) {
        order_flow_end(&walk->flow);
        return;
    }
    if (walk->mark_next < walk->mark_count) {
        ask_next(walk);
        return;
    }
    if (walk->window_is_read) {
        walk->below = walk->window_from;
        walk->window_is_read = false;
        walk->windows++;
    }
    if (walk->below == 1) { /* numbers begin with 1 */
        if (walk->partition + 1 == engine_partition_count(walk->flow.shard->api->engine)) {
            walk->end(walk, false);
            return;
        }
        walk->partition++;
        walk->below = 0;
    }
    if (walk->windows_max != 0 && walk->windows >= walk->windows_max) {
        walk->end(walk, true);
        return;
    }
    walk->mark_count = 0;
    walk->mark_next = 0;
    walk->phase = walk->below == 0 ? PHASE_END : PHASE_LIVE;
    walk->window_from = walk->below > LIST_PAGE_MAX ? walk->below - LIST_PAGE_MAX : 1;
    begin_read(walk);
}
