/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhook_courier.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoint_secret.h"
#include "api/event_body.h"
#include "api/log.h"
#include "api/password.h"
#include "api/webhook_sign.h"

enum {
    SIGNATURES_LENGTH_MAX = ENDPOINT_SECRETS_MAX * (WEBHOOK_SIGNATURE_LENGTH + 1),
    HEADERS = 4,
};

/* A webhook on its way. */
struct trip {
    struct engine_outbound outbound; /* first */
    struct api_shard *shard;
    struct engine_delivery *delivery;
    uint64_t endpoint_version; /* that it was signed for */
    struct writer body;
    const char *headers[HEADERS];
    char id[sizeof("webhook-id: ") + RESERVATION_ID_LENGTH];
    char timestamp[48];
    char signature[sizeof("webhook-signature: ") + SIGNATURES_LENGTH_MAX];
    char url[ENDPOINT_URL_MAX + 1];
};

/* ---- the body ---- */

static struct reservation_id event_of(const struct engine_delivery *delivery)
{
    return (struct reservation_id){.created_ms = delivery->event.wall_ms,
                                   .sequence = delivery->sequence,
                                   .partition = delivery->partition};
}

static void write_test(struct writer *writer, const struct engine_delivery *delivery)
{
    char endpoint[SETTING_ID_LENGTH_MAX + 1];

    setting_id_format(SETTING_WEBHOOK_ENDPOINT, delivery->endpoint, endpoint);
    write_literal(writer, "{\"type\":\"");
    write_text(writer, event_type_name(EVENT_ENDPOINT_TEST));
    write_literal(writer, "\",\"timestamp\":");
    write_json_time(writer, delivery->event.wall_ms);
    write_literal(writer, ",\"data\":{\"endpoint_id\":\"");
    write_text(writer, endpoint);
    write_literal(writer, "\"}}");
}

/* `order`: NULL for a test and for what is no order's, and for an order that came to nothing before
 * it began: the event says its ID and status alone. */
static void write_body(struct writer *writer, struct api_shard *shard,
                       const struct engine_delivery *delivery, struct order_envelope *order)
{
    const struct delivery_event *told = &delivery->event;
    struct event_out event = {.sequence = delivery->sequence,
                              .wall_ms = told->wall_ms,
                              .order = {.created_ms = told->created_wall_ms,
                                        .sequence = told->order,
                                        .partition = delivery->partition},
                              .amount_minor = told->amount_minor,
                              .type = told->type,
                              .status = told->status,
                              .content = order};

    if (told->type == EVENT_INVENTORY_SOLD_OUT) {
        event.sku_id = (uint32_t)told->order;
        event.order.sequence = 0;
    }

    if (told->type == EVENT_ENDPOINT_TEST)
        write_test(writer, delivery);
    else
        event_body_write(writer, shard, &event);
}

/* ---- the end ---- */

static void end_trip(struct trip *trip, enum delivery_result result, enum webhook_attempt counted,
                     const char *reason)
{
    struct delivery_answer answer = {.result = (uint8_t)result,
                                     .response = (uint16_t)(trip->outbound.job.status % 1000),
                                     .retry_after_s = trip->outbound.job.retry_after_s};

    memcpy(answer.reason, reason, strnlen(reason, DELIVERY_REASON_MAX));
    counter_add(&trip->shard->counters.webhook_attempts[counted], 1);
    if (result == DELIVERY_OK)
        counters_count_lag(&trip->shard->counters.webhook_lag_out,
                           engine_now(trip->shard->api->engine).wall_ms -
                               trip->delivery->event.wall_ms);
    engine_delivery_done(trip->delivery, &answer);
    writer_free(&trip->body);
    free(trip);
}

/* It could not be begun: no attempt. */
static void end_untried(struct trip *trip)
{
    trip->outbound.job.status = 0;
    trip->outbound.job.retry_after_s = 0;
    end_trip(trip, DELIVERY_UNTRIED, ATTEMPT_UNTRIED, "");
}

/* ---- 410: nobody is there any more ---- */

static void log_disabled(const struct trip *trip)
{
    char id[SETTING_ID_LENGTH_MAX + 1];
    struct log_line line;

    setting_id_format(SETTING_WEBHOOK_ENDPOINT, trip->delivery->endpoint, id);
    log_begin(&line, LOG_WARNING, "webhook_endpoint_disabled",
              engine_now(trip->shard->api->engine).wall_ms);
    log_text(&line, "endpoint", id);
    log_text(&line, "reason", "it answered 410");
    log_end(&line);
}

static void on_disabled(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user)
{
    struct trip *trip = user;
    bool is_done = message->reply.outcome == OUTCOME_OK;

    (void)shard;
    (void)exchange;
    envelope_free(message->reply.settings);
    if (is_done)
        log_disabled(trip);
    end_trip(trip, is_done ? DELIVERY_REFUSED : DELIVERY_LATER, ATTEMPT_GONE,
             "the endpoint answered 410");
}

/* Unless its row was changed since: then the next answer decides. */
static void disable_endpoint(struct trip *trip)
{
    struct api_shard *shard = trip->shard;
    const struct setting_endpoint *endpoint =
        settings_find_endpoint(shard_settings(shard->shard), trip->delivery->endpoint);
    struct command command = {.type = COMMAND_SETTINGS,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct refusal unused;
    uint64_t cookie = 0;

    if (endpoint != NULL && endpoint->common.version == trip->endpoint_version)
        command.settings = settings_envelope_create(SETTINGS_CALL_CHANGE, SETTING_WEBHOOK_ENDPOINT);
    if (command.settings != NULL) {
        command.settings->number = trip->delivery->endpoint;
        command.settings->fields = 1u << SETTING_FIELD_ENABLED;
        command.settings->row.endpoint.enabled = false;
        cookie = pending_open(&shard->pending, 0, on_disabled, trip);
    }
    if (cookie != 0) {
        if (engine_submit(shard->shard, &command, cookie, &unused) == OUTCOME_PENDING)
            return;
        pending_cancel(&shard->pending, cookie);
    }
    envelope_free(command.settings);
    end_trip(trip, DELIVERY_LATER, ATTEMPT_GONE, "the endpoint answered 410");
}

/* ---- the answer ---- */

static void take_answer(struct trip *trip)
{
    uint32_t status = trip->outbound.job.status;
    char reason[40];

    if (status >= 200 && status <= 299) {
        end_trip(trip, DELIVERY_OK, ATTEMPT_DELIVERED, "");
    } else if (status == 410) {
        disable_endpoint(trip);
    } else {
        snprintf(reason, sizeof(reason), "the endpoint answered %u", status % 1000);
        end_trip(trip, DELIVERY_LATER, ATTEMPT_REFUSED, reason);
    }
}

static void on_sent(struct engine_outbound *outbound)
{
    struct trip *trip = (struct trip *)(void *)outbound;
    const char *reason = outbound->job.reason;

    if (outbound->job.result == OUTBOUND_DELIVERED) {
        take_answer(trip);
    } else if (engine_mode(trip->shard->api->engine) == ENGINE_DRAINING) {
        end_untried(trip); /* whoever stops the server has not heard the endpoint's word */
    } else {
        outbound->job.status = 0;
        end_trip(trip, DELIVERY_LATER, ATTEMPT_UNREACHABLE, reason == NULL ? "" : reason);
    }
}

_Static_assert(offsetof(struct trip, outbound) == 0, "a trip is found by its job");

/* ---- the beginning ---- */

/* False: the secrets can't be opened. */
static bool sign(struct trip *trip, const struct settings_view *view,
                 const struct setting_endpoint *endpoint)
{
    const struct engine *engine = trip->shard->api->engine;
    int64_t wall_ms = engine_now(engine).wall_ms;
    struct reservation_id event = event_of(trip->delivery);
    struct writer signature = writer_fixed(trip->signature, sizeof(trip->signature));
    uint8_t secrets[ENDPOINT_SECRETS_MAX][ENDPOINT_SECRET_BYTES];
    unsigned count = endpoint_secrets_open(engine, view, endpoint, wall_ms, secrets);
    char text[WEBHOOK_SIGNATURE_LENGTH + 1];
    char id[RESERVATION_ID_LENGTH + 1];

    message_id_format(&event, &engine_secrets(engine)->id_key, id);
    snprintf(trip->id, sizeof(trip->id), "webhook-id: %s", id);
    snprintf(trip->timestamp, sizeof(trip->timestamp), "webhook-timestamp: %lld",
             (long long)(wall_ms / 1000));
    write_literal(&signature, "webhook-signature:");
    for (unsigned i = 0; i < count; i++) {
        webhook_sign(secrets[i], ENDPOINT_SECRET_BYTES, id, wall_ms / 1000, trip->body.start,
                     writer_length(&trip->body), text);
        write_byte(&signature, ' ');
        write_text(&signature, text);
    }
    write_byte(&signature, '\0');
    password_wipe(secrets, sizeof(secrets));
    return count > 0;
}

static void send_trip(struct trip *trip, struct order_envelope *order)
{
    const struct settings_view *view = shard_settings(trip->shard->shard);
    const struct setting_endpoint *endpoint =
        settings_find_endpoint(view, trip->delivery->endpoint);
    struct outbound_job *job = &trip->outbound.job;

    if (endpoint == NULL || !endpoint->enabled) { /* its lane is being cleared */
        end_untried(trip);
        return;
    }
    write_body(&trip->body, trip->shard, trip->delivery, order);
    if (trip->body.failed) {
        end_untried(trip);
        return;
    }
    if (!sign(trip, view, endpoint)) {
        end_trip(trip, DELIVERY_LATER, ATTEMPT_UNREACHABLE,
                 "the endpoint's secret can't be opened");
        return;
    }
    trip->endpoint_version = endpoint->common.version;
    memcpy(trip->url, endpoint->url, endpoint->url_length);
    trip->headers[0] = "Content-Type: application/json";
    trip->headers[1] = trip->id;
    trip->headers[2] = trip->timestamp;
    trip->headers[3] = trip->signature;
    job->kind = OUTBOUND_HTTP;
    job->method = OUTBOUND_POST;
    job->timeout_ms = DELIVERY_TIMEOUT_MS;
    job->url = trip->url;
    job->headers = trip->headers;
    job->header_count = HEADERS;
    job->body = trip->body.start;
    job->body_length = writer_length(&trip->body);
    trip->outbound.done = on_sent;
    if (engine_outbound_submit(trip->shard->shard, &trip->outbound) != OUTCOME_PENDING)
        end_untried(trip);
}

static void on_order(struct api_shard *shard, struct http_exchange *exchange,
                     const struct message *message, void *user)
{
    struct trip *trip = user;
    enum outcome outcome = (enum outcome)message->reply.outcome;

    (void)shard;
    (void)exchange;
    if (outcome == OUTCOME_OK || outcome == OUTCOME_NOT_FOUND)
        send_trip(trip, outcome == OUTCOME_OK ? message->reply.order : NULL);
    else
        end_untried(trip);
    envelope_free(message->reply.order);
}

static void ask_order(struct trip *trip)
{
    const struct engine_delivery *delivery = trip->delivery;
    struct api_shard *shard = trip->shard;
    uint64_t cookie = pending_open(&shard->pending, 0, on_order, trip);
    struct command command = {.type = COMMAND_ORDER,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_SYSTEM},
                              .order = order_envelope_create(ORDER_CALL_GET)};
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal unused;

    if (command.order != NULL && cookie != 0) {
        command.order->authority = AUTHORITY_STAFF;
        command.order->id = (struct reservation_id){.created_ms = delivery->event.created_wall_ms,
                                                    .sequence = delivery->event.order,
                                                    .partition = delivery->partition};
        outcome = engine_submit(shard->shard, &command, cookie, &unused);
    }
    if (outcome == OUTCOME_PENDING)
        return;
    if (cookie != 0)
        pending_cancel(&shard->pending, cookie);
    envelope_free(command.order);
    end_untried(trip);
}

static void take_delivery(void *user, struct shard *engine_side, struct engine_delivery *delivery)
{
    struct api_shard *shard = user;
    struct delivery_answer untried = {.result = DELIVERY_UNTRIED};
    struct trip *trip = NULL;

    (void)engine_side;
    if (shard->api->options.outbound != NULL)
        trip = calloc(1, sizeof(*trip));
    if (trip == NULL) {
        engine_delivery_done(delivery, &untried);
        return;
    }
    trip->shard = shard;
    trip->delivery = delivery;
    trip->body = writer_growing(); /* it may end before anything is written */
    if (delivery->event.type == EVENT_ENDPOINT_TEST ||
        delivery->event.type == EVENT_INVENTORY_SOLD_OUT)
        send_trip(trip, NULL);
    else
        ask_order(trip);
}

void webhook_courier_start(struct api_shard *shard)
{
    shard_set_webhook_courier(shard->shard, take_delivery, shard);
}
