/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hold_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/request.h"

/* One list under way. It outlives its exchange: parts that come too late must be freed. */
struct gather {
    struct api_shard *shard;
    enum hold_shape shape;
    enum outcome outcome; /* OK, or why a shard gave nothing */
    uint32_t limit;
    uint32_t waiting;     /* shards that have not answered, and 1 while they are being asked */
    bool walks;           /* one shard after the other; else all at once */
    uint32_t found;       /* walking: views in the parts */
    uint32_t shard_index; /* walking: the one that is asked */
    struct list_body query;
    uint32_t part_count;
    struct {
        struct list_envelope *list;
        uint32_t next; /* first view that has not been taken */
    } parts[SHARDS_MAX];
};

/* IDs order by time, then partition, then sequence: as their texts do. */
static bool id_is_before(const struct reservation_id *a, const struct reservation_id *b)
{
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms;
    if (a->partition != b->partition)
        return a->partition < b->partition;
    return a->sequence < b->sequence;
}

/* The first of all views that are left, or NULL; parts are merged, or follow each other. */
static const struct hold_view *gather_next(struct gather *gather)
{
    const struct hold_view *first = NULL;
    uint32_t from = 0;

    for (uint32_t i = 0; i < gather->part_count; i++) {
        const struct list_envelope *list = gather->parts[i].list;
        if (gather->parts[i].next == list->count)
            continue;
        const struct hold_view *view = &list->views[gather->parts[i].next];
        if (first == NULL || (!gather->walks && id_is_before(&view->id, &first->id))) {
            first = view;
            from = i;
        }
    }
    if (first != NULL)
        gather->parts[from].next++;
    return first;
}

/* Whether anything was left behind by the page: in the parts, or at the shards. */
static bool gather_has_more(const struct gather *gather)
{
    if (gather->walks && gather->shard_index + 1 < gather->shard->api->shard_count)
        return true;
    for (uint32_t i = 0; i < gather->part_count; i++) {
        const struct list_envelope *list = gather->parts[i].list;
        if (gather->parts[i].next < list->count || list->more)
            return true;
    }
    return false;
}

static void gather_respond(struct gather *gather, struct http_exchange *exchange)
{
    struct writer writer = writer_growing();
    const struct hold_view *last = NULL;
    char id[RESERVATION_ID_LENGTH + 1];

    write_literal(&writer, "{\"data\":[");
    for (uint32_t i = 0; i < gather->limit; i++) {
        const struct hold_view *view = gather_next(gather);
        if (view == NULL)
            break;
        if (last != NULL)
            write_byte(&writer, ',');
        write_hold(&writer, gather->shard, view, gather->shape);
        last = view;
    }
    write_literal(&writer, "],\"next_cursor\":");
    if (last != NULL && gather_has_more(gather)) {
        engine_reservation_id(gather->shard->api->engine, &last->id, id);
        write_json_string(&writer, id, RESERVATION_ID_LENGTH);
    } else {
        write_literal(&writer, "null");
    }
    write_byte(&writer, '}');
    respond_json(exchange, 200, &writer);
}

static void gather_finish(struct gather *gather, struct http_exchange *exchange)
{
    if (exchange != NULL) {
        if (gather->outcome == OUTCOME_OK)
            gather_respond(gather, exchange);
        else
            respond_outcome(exchange, gather->outcome);
    }
    for (uint32_t i = 0; i < gather->part_count; i++)
        envelope_free(gather->parts[i].list);
    free(gather);
}

static void gather_answer(struct api_shard *shard, struct http_exchange *exchange,
                          const struct message *message, void *user);

static enum outcome ask(struct gather *gather, uint64_t exchange_cookie, uint32_t shard_index)
{
    struct api_shard *shard = gather->shard;
    struct command command = {.type = COMMAND_HOLD_LIST,
                              .list = {.shard = shard_index, .body = gather->query}};
    uint64_t cookie = pending_open(&shard->pending, exchange_cookie, gather_answer, gather);
    struct refusal unused;
    enum outcome outcome;

    if (cookie == 0)
        return OUTCOME_OVERLOADED;
    outcome = engine_submit(shard->shard, &command, cookie, &unused);
    if (outcome == OUTCOME_PENDING)
        gather->waiting++;
    else
        pending_cancel(&shard->pending, cookie);
    return outcome;
}

/* Walking: the page has room and the shard had no more, so the next one is asked. */
static void walk_on(struct gather *gather, struct http_exchange *exchange,
                    const struct list_envelope *list)
{
    enum outcome outcome;

    gather->found += list->count;
    if (exchange == NULL || list->more || gather->found == gather->limit ||
        gather->shard_index + 1 == gather->shard->api->shard_count)
        return;
    gather->shard_index++;
    gather->query.limit = gather->limit - gather->found;
    gather->query.after = (struct reservation_id){0};
    outcome = ask(gather, http_exchange_cookie(exchange), gather->shard_index);
    if (outcome != OUTCOME_PENDING)
        gather->outcome = outcome;
}

static void gather_answer(struct api_shard *shard, struct http_exchange *exchange,
                          const struct message *message, void *user)
{
    struct gather *gather = user;
    const struct reply_body *reply = &message->reply;

    (void)shard;
    if (reply->outcome == OUTCOME_OK) {
        if (reply->list != NULL)
            gather->parts[gather->part_count++].list = reply->list;
        if (reply->list != NULL && gather->walks)
            walk_on(gather, exchange, reply->list);
    } else {
        gather->outcome = (enum outcome)reply->outcome;
    }
    if (--gather->waiting == 0)
        gather_finish(gather, exchange);
}

void hold_list_read_page(struct api_call *call, struct validation *validation,
                         struct list_body *query_out)
{
    char cursor[CURSOR_LENGTH_MAX + 1];

    memset(query_out, 0, sizeof(*query_out));
    query_out->sku_id = UINT32_MAX;
    query_out->state = -1;
    query_out->created_before_wall_ms = INT64_MAX;
    query_out->limit = request_limit(call, validation);
    size_t length = request_cursor(call, validation, cursor);
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    if (length > 0 && !reservation_id_parse(cursor, length, &secrets->id_key, &query_out->after))
        request_cursor_invalid(validation);
}

void hold_list_start(struct api_call *call, const struct list_body *query, enum hold_shape shape)
{
    static const struct principal nobody;
    struct gather *gather = calloc(1, sizeof(*gather));
    struct engine *engine = call->shard->api->engine;
    uint64_t exchange = http_exchange_cookie(call->exchange);
    uint32_t first = 0;
    uint32_t end = call->shard->api->shard_count;

    if (gather == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    gather->shard = call->shard;
    gather->shape = shape;
    gather->outcome = OUTCOME_OK;
    gather->limit = query->limit;
    gather->query = *query;
    gather->walks = query->sku_id == UINT32_MAX && principal_equal(&query->principal, &nobody);
    if (gather->walks) {
        if (query->after.created_ms != 0)
            first = engine_partition_shard(engine, query->after.partition);
        gather->shard_index = first;
        end = first + 1;
    }
    gather->waiting = 1;
    for (uint32_t i = first; i < end && gather->outcome == OUTCOME_OK; i++) {
        enum outcome outcome = ask(gather, exchange, i);

        if (outcome != OUTCOME_PENDING)
            gather->outcome = outcome;
    }
    if (--gather->waiting == 0)
        gather_finish(gather, call->exchange);
}
