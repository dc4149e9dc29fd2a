/* SPDX-License-Identifier: Apache-2.0 */
/* Tax rates, shipping methods and webhook endpoints: the calls. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoint_secret.h"
#include "api/keyed.h"
#include "api/log.h"
#include "api/password.h"
#include "api/settings_api.h"

/* A change on its way. */
struct settings_change {
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct keyed_entry *key; /* NULL: none */
    struct origin origin;
    struct settings_envelope *envelope; /* to be sent */
    uint8_t call;                       /* enum settings_call */
    bool makes_secret;
    unsigned tries;
    uint8_t secret[ENDPOINT_SECRET_BYTES];
};

enum { TRIES_MAX = 5 };

static const char *const paths[SETTING_KIND_COUNT] = {
    [SETTING_TAX_RATE] = "/v1/admin/tax-rates/",
    [SETTING_SHIPPING_METHOD] = "/v1/admin/shipping-methods/",
    [SETTING_WEBHOOK_ENDPOINT] = "/v1/admin/webhook-endpoints/",
};

/* ---- reads ---- */

static uint32_t row_count(const struct settings_view *view, enum setting_kind kind)
{
    return kind == SETTING_TAX_RATE          ? view->tax_rate_count
           : kind == SETTING_SHIPPING_METHOD ? view->method_count
                                             : view->endpoint_count;
}

static const struct setting_common *row_at(const struct settings_view *view, enum setting_kind kind,
                                           uint32_t index)
{
    return kind == SETTING_TAX_RATE          ? &view->tax_rates[index].common
           : kind == SETTING_SHIPPING_METHOD ? &view->methods[index].common
                                             : &view->endpoints[index].common;
}

static void respond_rows(struct api_call *call, enum setting_kind kind, uint32_t after,
                         uint32_t limit)
{
    const struct settings_view *view = shard_settings(call->shard->shard);
    struct writer writer = writer_growing();
    char id[SETTING_ID_LENGTH_MAX + 1] = "";
    uint32_t count = 0;
    uint32_t i = 0;

    write_literal(&writer, "{\"data\":[");
    for (; i < row_count(view, kind) && count < limit; i++) {
        const struct setting_common *row = row_at(view, kind, i);
        if (row->number <= after)
            continue;
        if (count++ > 0)
            write_byte(&writer, ',');
        settings_write_row(&writer, kind, row, NULL);
        setting_id_format(kind, row->number, id);
    }
    write_literal(&writer, "],\"next_cursor\":");
    if (i < row_count(view, kind))
        write_json_string(&writer, id, strlen(id));
    else
        write_literal(&writer, "null");
    write_byte(&writer, '}');
    respond_json(call->exchange, 200, &writer);
}

/* When the failure latch falls, reads stop too. */
static bool may_read(struct api_call *call)
{
    bool has_failed = engine_mode(call->shard->api->engine) == ENGINE_FAILED;

    if (has_failed)
        respond_outcome(call->exchange, OUTCOME_OUTCOME_UNKNOWN);
    return !has_failed;
}

void settings_list(struct api_call *call, enum setting_kind kind)
{
    static const char *const names[] = {"limit", "cursor", NULL};
    char cursor[CURSOR_LENGTH_MAX + 1];
    struct validation validation;
    uint32_t after = 0;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    uint32_t limit = request_limit(call, &validation);
    size_t length = request_cursor(call, &validation, cursor);
    if (length > 0) {
        after = setting_id_parse(kind, cursor, length);
        if (after == 0)
            request_cursor_invalid(&validation);
    }
    if (validation.count > 0)
        validation_respond(&validation, call->exchange);
    else if (may_read(call))
        respond_rows(call, kind, after, limit);
}

uint32_t settings_path_number(struct api_call *call, enum setting_kind kind)
{
    char id[ID_TEXT_LENGTH_MAX + 1];
    size_t length;

    if (!request_path_id(call, id, &length))
        return 0;
    uint32_t number = setting_id_parse(kind, id, length);
    if (number == 0)
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
    return number;
}

void settings_get(struct api_call *call, enum setting_kind kind)
{
    uint32_t number = settings_path_number(call, kind);
    const struct setting_common *row;
    struct writer writer;

    if (number == 0 || !may_read(call))
        return;
    row = settings_find(shard_settings(call->shard->shard), kind, number);
    if (row == NULL) {
        respond_outcome(call->exchange, OUTCOME_NOT_FOUND);
        return;
    }
    writer = writer_growing();
    settings_write_row(&writer, kind, row, NULL);
    respond_json(call->exchange, 200, &writer);
}

/* ---- changes ---- */

static void change_free(struct settings_change *change)
{
    envelope_free(change->envelope);
    password_wipe(change->secret, sizeof(change->secret));
    free(change);
}

static struct http_exchange *exchange_of(const struct settings_change *change)
{
    struct http_server *server = atomic_load_explicit(&change->shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, change->exchange_cookie);
}

static void refuse(struct settings_change *change, enum outcome outcome)
{
    keyed_refuse(change->shard, change->key, exchange_of(change), outcome);
    change_free(change);
}

static void log_change(const struct settings_change *change, const char *id)
{
    static const char *const events[SETTINGS_CALL_COUNT] = {
        [SETTINGS_CALL_CREATE] = "setting_created",
        [SETTINGS_CALL_CHANGE] = "setting_changed",
        [SETTINGS_CALL_REMOVE] = "setting_removed",
        [SETTINGS_CALL_ROTATE] = "secret_rotated",
    };
    const struct http_exchange *exchange = exchange_of(change);
    struct log_line line;

    log_begin(&line, LOG_INFO, events[change->call],
              engine_now(change->shard->api->engine).wall_ms);
    log_text(&line, "setting", id);
    if (exchange != NULL) {
        struct http_slice request_id = http_exchange_request_id(exchange);
        log_bytes(&line, "request_id", request_id.data, request_id.length);
    }
    log_end(&line);
}

static void answer_ok(struct settings_change *change, const struct settings_envelope *answer)
{
    enum setting_kind kind = (enum setting_kind)answer->kind;
    bool is_created = change->call == SETTINGS_CALL_CREATE;
    char secret[ENDPOINT_SECRET_TEXT_LENGTH + 1] = "";
    struct writer writer = writer_growing();
    char id[SETTING_ID_LENGTH_MAX + 1];
    char location[64];

    setting_id_format(kind, answer->number, id);
    log_change(change, id);
    snprintf(location, sizeof(location), "%s%s", paths[kind], id);
    if (change->makes_secret)
        endpoint_secret_format(change->secret, secret);
    if (change->call != SETTINGS_CALL_REMOVE)
        settings_write_row(&writer, kind, &answer->row.common,
                           change->makes_secret ? secret : NULL);
    if (writer.failed)
        keyed_refuse(change->shard, change->key, exchange_of(change), OUTCOME_OUTCOME_UNKNOWN);
    else
        keyed_answer(change->shard, change->key, exchange_of(change),
                     is_created                             ? 201
                     : change->call == SETTINGS_CALL_REMOVE ? 204
                                                            : 200,
                     is_created ? location : NULL, writer.start, writer_length(&writer));
    if (change->makes_secret && writer.start != NULL)
        password_wipe(writer.start, writer_length(&writer));
    password_wipe(secret, sizeof(secret));
    writer_free(&writer);
    change_free(change);
}

static void answer_invalid(struct settings_change *change, const struct settings_envelope *answer)
{
    const char *name = setting_field_name((enum setting_field)answer->problem.field);
    struct http_exchange *exchange = exchange_of(change);

    keyed_drop(change->shard, change->key);
    if (exchange != NULL)
        validation_respond_one(exchange, (struct field){.name = {name, strlen(name)}},
                               answer->problem.message);
    change_free(change);
}

static void send_change(struct settings_change *change);

static void on_answer(struct api_shard *shard, struct http_exchange *exchange,
                      const struct message *message, void *user)
{
    struct settings_change *change = user;
    struct settings_envelope *answer = message->reply.settings;
    enum outcome outcome = (enum outcome)message->reply.outcome;

    (void)shard;
    (void)exchange;
    if (outcome == OUTCOME_STALE && change->makes_secret && change->tries < TRIES_MAX) {
        change->envelope = answer; /* the shop's key is another meanwhile */
        send_change(change);
        return;
    }
    if (outcome == OUTCOME_OK)
        answer_ok(change, answer);
    else if (outcome == OUTCOME_SETTING_INVALID)
        answer_invalid(change, answer);
    else
        refuse(change, outcome == OUTCOME_STALE ? OUTCOME_OVERLOADED : outcome);
    envelope_free(answer);
}

static void send_change(struct settings_change *change)
{
    struct api_shard *shard = change->shard;
    struct command command = {.type = COMMAND_SETTINGS,
                              .authority = AUTHORITY_STAFF,
                              .origin = change->origin,
                              .settings = change->envelope};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal unused;

    change->tries++;
    if (change->makes_secret && !endpoint_secret_seal(shard->shard, shard_settings(shard->shard),
                                                      change->secret, change->envelope)) {
        struct http_exchange *exchange = exchange_of(change);

        keyed_drop(shard, change->key);
        if (exchange != NULL)
            problem_respond(exchange, PROBLEM_INTERNAL_ERROR,
                            "The shop's own key can't be opened.");
        change_free(change);
        return;
    }
    uint64_t cookie = pending_open(&shard->pending, change->exchange_cookie, on_answer, change);
    if (cookie != 0) {
        outcome = engine_submit(shard->shard, &command, cookie, &unused);
        if (outcome == OUTCOME_PENDING) {
            change->envelope = NULL; /* comes back with the answer */
            return;
        }
        pending_cancel(&shard->pending, cookie);
    }
    refuse(change, outcome);
}

void settings_submit(struct api_call *call, const struct validation *validation,
                     struct settings_envelope *envelope, bool makes_secret)
{
    struct http_slice body = http_exchange_body(call->exchange);
    struct settings_change *change = NULL;
    struct keyed_entry *key;

    if (validation->count > 0) {
        validation_respond(validation, call->exchange);
        envelope_free(envelope);
        return;
    }
    if (!keyed_begin(call, (struct slice){body.data, body.length}, &key)) {
        envelope_free(envelope);
        return;
    }
    if (envelope != NULL)
        change = calloc(1, sizeof(*change));
    if (change == NULL) {
        envelope_free(envelope);
        keyed_refuse(call->shard, key, call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    change->shard = call->shard;
    change->exchange_cookie = http_exchange_cookie(call->exchange);
    change->key = key;
    change->origin = call_origin(call);
    change->envelope = envelope;
    change->call = envelope->call;
    change->makes_secret = makes_secret;
    if (makes_secret)
        shard_random(call->shard->shard, change->secret, sizeof(change->secret));
    send_change(change);
}

void settings_remove(struct api_call *call, enum setting_kind kind)
{
    uint32_t number = settings_path_number(call, kind);
    struct settings_envelope *envelope;
    struct validation none = {0};

    if (number == 0)
        return;
    envelope = settings_envelope_create(SETTINGS_CALL_REMOVE, kind);
    if (envelope != NULL)
        envelope->number = number;
    settings_submit(call, &none, envelope, false);
}
