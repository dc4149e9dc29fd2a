/* SPDX-License-Identifier: Apache-2.0 */
/* Coupons for staff. A shopper never reads one: codes are not to be guessed, and what a cart may
 * have of them is told with the cart. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/coupon_draft.h"
#include "api/keyed.h"
#include "api/problems.h"
#include "api/request.h"

/* A page of coupons ends early where its answer would become larger. */
enum { COUPON_PAGE_BYTES_MAX = 512 * 1024, CHANGE_TRIES_MAX = 8 };

/* One call on one coupon. It outlives its exchange. */
struct coupon_flow {
    struct api_shard *shard;
    struct keyed_entry *key; /* NULL: none */
    struct origin origin;
    uint64_t exchange_cookie;
    uint32_t tries;
    bool is_change; /* PATCH: looks first, and changes what it saw */
    struct coupon_draft draft;
};

static void not_there(struct http_exchange *exchange)
{
    problem_respond(exchange, PROBLEM_NOT_FOUND, "There is no such coupon.");
}

/* ---- the answer ---- */

static void refuse(struct coupon_flow *flow, struct http_exchange *exchange, enum outcome outcome)
{
    keyed_drop(flow->shard, flow->key);
    if (exchange == NULL)
        return;
    if (outcome == OUTCOME_NOT_FOUND)
        not_there(exchange);
    else if (outcome == OUTCOME_COUPON_EXISTS)
        problem_respond(exchange, PROBLEM_INVALID_STATE, "A coupon with this code exists.");
    else if (outcome == OUTCOME_COUPON_IN_USE)
        problem_respond(exchange, PROBLEM_INVALID_STATE,
                        "More uses are held or committed than `max_uses` would allow. To stop the "
                        "coupon, set `enabled` to false.");
    else
        respond_outcome(exchange, outcome);
}

static void respond_coupon(struct coupon_flow *flow, struct http_exchange *exchange, int status,
                           const struct coupon_view *view)
{
    struct writer writer = writer_growing();
    char location[64];

    write_coupon(&writer, view);
    snprintf(location, sizeof(location), "/v1/admin/coupons/%s", view->definition.code);
    if (writer.failed)
        keyed_refuse(flow->shard, flow->key, exchange, OUTCOME_OUTCOME_UNKNOWN);
    else
        keyed_answer(flow->shard, flow->key, exchange, status, status == 201 ? location : NULL,
                     writer.start, writer_length(&writer));
    writer_free(&writer);
}

/* ---- asking ---- */

static void flow_answer(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user);

/* Takes the envelope; refused at once, the flow is over. */
static void ask(struct coupon_flow *flow, struct http_exchange *exchange,
                struct coupon_envelope *envelope)
{
    struct api_shard *shard = flow->shard;
    struct command command = {.type = COMMAND_COUPON,
                              .authority = AUTHORITY_STAFF,
                              .origin = flow->origin,
                              .coupon = envelope};
    uint64_t cookie = envelope == NULL
                          ? 0
                          : pending_open(&shard->pending, flow->exchange_cookie, flow_answer, flow);
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal unused;

    if (cookie != 0) {
        outcome = engine_submit(shard->shard, &command, cookie, &unused);
        if (outcome == OUTCOME_PENDING)
            return;
        pending_cancel(&shard->pending, cookie);
    }
    envelope_free(envelope);
    refuse(flow, exchange, outcome);
    free(flow);
}

/* A PATCH has seen the coupon: the change is for what it saw. */
static void change_seen(struct coupon_flow *flow, struct http_exchange *exchange,
                        const struct coupon_view *seen)
{
    struct coupon_envelope *envelope = coupon_envelope_create(COUPON_CALL_UPDATE);
    struct validation validation;

    validation_init(&validation);
    if (envelope != NULL) {
        coupon_draft_apply(&validation, &flow->draft, seen, &envelope->view);
        envelope->version = seen->version;
    }
    if (validation.count == 0) {
        ask(flow, exchange, envelope);
        return;
    }
    envelope_free(envelope);
    keyed_drop(flow->shard, flow->key);
    if (exchange != NULL)
        validation_respond(&validation, exchange);
    free(flow);
}

static struct coupon_envelope *envelope_for(const struct coupon_flow *flow, enum coupon_call call)
{
    struct coupon_envelope *envelope = coupon_envelope_create(call);

    if (envelope != NULL)
        memcpy(envelope->view.definition.code, flow->draft.code, sizeof(flow->draft.code));
    return envelope;
}

static void flow_answer(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user)
{
    enum outcome outcome = (enum outcome)message->reply.outcome;
    struct coupon_envelope *envelope = message->reply.coupon;
    enum coupon_call call = (enum coupon_call)envelope->call;
    struct coupon_flow *flow = user;

    (void)shard;
    if (outcome == OUTCOME_STALE && flow->is_change && ++flow->tries < CHANGE_TRIES_MAX) {
        envelope_free(envelope);
        ask(flow, exchange, envelope_for(flow, COUPON_CALL_GET));
        return;
    }
    if (outcome == OUTCOME_OK && flow->is_change && call == COUPON_CALL_GET) {
        change_seen(flow, exchange, &envelope->view);
        envelope_free(envelope);
        return;
    }
    if (outcome != OUTCOME_OK)
        refuse(flow, exchange, outcome);
    else if (call == COUPON_CALL_DELETE)
        keyed_answer(flow->shard, flow->key, exchange, 204, NULL, NULL, 0);
    else
        respond_coupon(flow, exchange, call == COUPON_CALL_CREATE ? 201 : 200, &envelope->view);
    envelope_free(envelope);
    free(flow);
}

/* ---- one coupon ---- */

/* A flow of this call; NULL: answered already. With `body` what a repeated key must say again. */
static struct coupon_flow *flow_begin(struct api_call *call, bool has_path, bool is_write)
{
    struct http_slice body = http_exchange_body(call->exchange);
    struct coupon_flow *flow = calloc(1, sizeof(*flow));
    char id[ID_TEXT_LENGTH_MAX + 1];
    size_t length;

    if (flow == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return NULL;
    }
    flow->shard = call->shard;
    flow->origin = call_origin(call);
    flow->exchange_cookie = http_exchange_cookie(call->exchange);
    if (has_path && !request_path_id(call, id, &length)) {
        free(flow);
        return NULL;
    }
    if (has_path && !coupon_code_read(id, length, flow->draft.code)) {
        not_there(call->exchange);
        free(flow);
        return NULL;
    }
    if (is_write &&
        !keyed_begin(call, (struct slice){body.data == NULL ? "" : body.data, body.length},
                     &flow->key)) {
        free(flow);
        return NULL;
    }
    return flow;
}

void api_coupon_get(struct api_call *call)
{
    struct coupon_flow *flow = flow_begin(call, true, false);

    if (flow != NULL)
        ask(flow, call->exchange, envelope_for(flow, COUPON_CALL_GET));
}

void api_coupon_delete(struct api_call *call)
{
    struct coupon_flow *flow = flow_begin(call, true, true);

    if (flow != NULL)
        ask(flow, call->exchange, envelope_for(flow, COUPON_CALL_DELETE));
}

/* Reads the body's coupon; false if the call has been answered. A code in the path is the coupon's:
 * the body may say the same. */
static bool read_draft(struct api_call *call, struct validation *validation,
                       struct coupon_draft *draft)
{
    const struct json_value *object;
    char path[ID_TEXT_LENGTH_MAX + 1] = "";
    char code[COUPON_CODE_MAX + 1] = "";
    int length;

    if (!request_object(call, &object))
        return false;
    validation_init(validation);
    coupon_draft_read(validation, object, draft);
    length = http_path_parameter(call->exchange, 0, path, sizeof(path));
    if (length > 0 && coupon_code_read(path, (size_t)length, code)) {
        if (draft->code[0] != '\0' && strcmp(draft->code, code) != 0)
            validation_add(validation, FIELD("code"), "cannot be changed");
        coupon_draft_set_code(draft, code);
    }
    return true;
}

void api_coupon_create(struct api_call *call)
{
    static const struct coupon_view nothing;
    struct coupon_view view;
    struct coupon_draft draft;
    struct validation validation;
    struct coupon_envelope *envelope;
    struct coupon_flow *flow;

    if (!read_draft(call, &validation, &draft))
        return;
    coupon_draft_apply(&validation, &draft, &nothing, &view);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = flow_begin(call, false, true);
    if (flow == NULL)
        return;
    envelope = coupon_envelope_create(COUPON_CALL_CREATE);
    if (envelope != NULL)
        envelope->view = view;
    ask(flow, call->exchange, envelope);
}

/* PUT: the whole coupon anew, its code apart. */
void api_coupon_replace(struct api_call *call)
{
    static const struct coupon_view nothing;
    struct coupon_envelope *envelope;
    struct coupon_view view;
    struct coupon_draft draft;
    struct validation validation;
    struct coupon_flow *flow;

    if (!read_draft(call, &validation, &draft))
        return;
    coupon_draft_apply(&validation, &draft, &nothing, &view);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = flow_begin(call, true, true);
    if (flow == NULL)
        return;
    envelope = envelope_for(flow, COUPON_CALL_UPDATE);
    if (envelope != NULL)
        envelope->view = view;
    ask(flow, call->exchange, envelope);
}

void api_coupon_change(struct api_call *call)
{
    struct validation validation;
    struct coupon_draft draft;
    struct coupon_flow *flow;

    if (!read_draft(call, &validation, &draft))
        return;
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = flow_begin(call, true, true);
    if (flow == NULL)
        return;
    memcpy(draft.code, flow->draft.code, sizeof(draft.code));
    flow->draft = draft;
    flow->is_change = true;
    ask(flow, call->exchange, envelope_for(flow, COUPON_CALL_GET));
}

/* ---- the list ---- */

/* All shards are asked, and their parts merged by code. It outlives its exchange. */
struct coupon_gather {
    uint32_t limit;
    uint32_t waiting; /* shards that have not answered, and 1 while they are being asked */
    enum outcome outcome;
    uint32_t part_count;
    struct {
        struct coupon_list_envelope *list;
        uint32_t next; /* first view that has not been taken */
    } parts[SHARDS_MAX];
};

static const struct coupon_view *gather_next(struct coupon_gather *gather)
{
    const struct coupon_view *first = NULL;
    uint32_t from = 0;

    for (uint32_t i = 0; i < gather->part_count; i++) {
        const struct coupon_list_envelope *list = gather->parts[i].list;
        const struct coupon_view *view = &list->views[gather->parts[i].next];

        if (gather->parts[i].next == list->count ||
            (first != NULL && strcmp(view->definition.code, first->definition.code) > 0))
            continue;
        first = view;
        from = i;
    }
    if (first != NULL)
        gather->parts[from].next++;
    return first;
}

static bool gather_has_more(const struct coupon_gather *gather)
{
    for (uint32_t i = 0; i < gather->part_count; i++)
        if (gather->parts[i].next < gather->parts[i].list->count || gather->parts[i].list->more)
            return true;
    return false;
}

static void gather_respond(struct coupon_gather *gather, struct http_exchange *exchange)
{
    struct writer writer = writer_growing();
    const struct coupon_view *last = NULL;

    write_literal(&writer, "{\"data\":[");
    for (uint32_t i = 0; i < gather->limit && writer_length(&writer) < COUPON_PAGE_BYTES_MAX; i++) {
        const struct coupon_view *view = gather_next(gather);

        if (view == NULL)
            break;
        if (last != NULL)
            write_byte(&writer, ',');
        write_coupon(&writer, view);
        last = view;
    }
    write_literal(&writer, "],\"next_cursor\":");
    if (last != NULL && gather_has_more(gather))
        write_json_string(&writer, last->definition.code, strlen(last->definition.code));
    else
        write_literal(&writer, "null");
    write_byte(&writer, '}');
    respond_json(exchange, 200, &writer);
}

static void gather_finish(struct coupon_gather *gather, struct http_exchange *exchange)
{
    if (exchange != NULL && gather->outcome == OUTCOME_OK)
        gather_respond(gather, exchange);
    else if (exchange != NULL)
        respond_outcome(exchange, gather->outcome);
    for (uint32_t i = 0; i < gather->part_count; i++)
        envelope_free(gather->parts[i].list);
    free(gather);
}

static void gather_answer(struct api_shard *shard, struct http_exchange *exchange,
                          const struct message *message, void *user)
{
    struct coupon_gather *gather = user;

    (void)shard;
    if (message->reply.outcome != OUTCOME_OK)
        gather->outcome = (enum outcome)message->reply.outcome;
    else if (message->reply.coupons != NULL)
        gather->parts[gather->part_count++].list = message->reply.coupons;
    if (--gather->waiting == 0)
        gather_finish(gather, exchange);
}

void api_coupon_list(struct api_call *call)
{
    struct command command = {.type = COMMAND_COUPON_LIST};
    struct coupon_gather *gather;
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    size_t length;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"limit", "cursor", NULL}, NULL);
    command.coupon_list.body.limit = request_limit(call, &validation);
    length = request_cursor(call, &validation, cursor);
    if (length > 0 && !coupon_code_read(cursor, length, command.coupon_list.body.after))
        request_cursor_invalid(&validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    gather = calloc(1, sizeof(*gather));
    if (gather == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    gather->limit = command.coupon_list.body.limit;
    gather->outcome = OUTCOME_OK;
    gather->waiting = 1;
    for (uint32_t i = 0; i < call->shard->api->shard_count && gather->outcome == OUTCOME_OK; i++) {
        command.coupon_list.shard = i;
        enum outcome outcome = call_submit(call, &command, gather_answer, gather, NULL);

        if (outcome == OUTCOME_PENDING)
            gather->waiting++;
        else
            gather->outcome = outcome;
    }
    if (--gather->waiting == 0)
        gather_finish(gather, call->exchange);
}
