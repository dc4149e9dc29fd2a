/* SPDX-License-Identifier: Apache-2.0 */
/* The hold inspector: everyone's reservations, for staff. */
#include <string.h>

#include "api/hold_list.h"
#include "api/log.h"
#include "api/request.h"

/* Filters of the list beyond its page. False: nothing can match (an unknown SKU). */
static bool read_filters(struct api_call *call, struct validation *validation,
                         struct list_body *query)
{
    bool is_possible = true;
    char text[SKU_LENGTH_MAX + 1];
    uint64_t seconds;

    int length = http_query_parameter(call->exchange, "sku", 0, text, sizeof(text));
    if (length != HTTP_ABSENT) {
        if (length <= 0 || !sku_is_valid(text, (size_t)length)) {
            validation_add(validation, FIELD("sku"),
                           "must be 1 to 64 of letters, digits and . _ - / :");
        } else {
            const struct sku_entry *entry = directory_find_sku_recorded(
                shard_directory(call->shard->shard), text, (size_t)length);
            if (entry == NULL)
                is_possible = false;
            else
                query->sku_id = entry->sku_id;
        }
    }
    length = http_query_parameter(call->exchange, "status", 0, text, sizeof(text));
    if (length != HTTP_ABSENT) {
        for (unsigned state = 0; state < HOLD_STATE_COUNT && length > 0; state++) {
            const char *status = hold_status((enum hold_state)state);
            if (status != NULL && strcmp(status, text) == 0)
                query->state = (int8_t)state;
        }
        if (query->state < 0)
            validation_add(validation, FIELD("status"),
                           "must be held, converted, released or expired");
    }
    length = http_query_parameter(call->exchange, "older_than", 0, text, sizeof(text));
    if (length != HTTP_ABSENT) {
        if (length > 0 && text_to_unsigned(text, (size_t)length, INT32_MAX, &seconds))
            query->created_before_wall_ms =
                engine_now(call->shard->api->engine).wall_ms - (int64_t)seconds * 1000;
        else
            validation_add(validation, FIELD("older_than"), "must be a number of seconds");
    }
    return is_possible;
}

void api_admin_reservation_list(struct api_call *call)
{
    static const char *const names[] = {"sku", "status", "older_than", "limit", "cursor", NULL};
    static const char nothing[] = "{\"data\":[],\"next_cursor\":null}";
    struct validation validation;
    struct list_body query;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    hold_list_read_page(call, &validation, &query);
    bool is_possible = read_filters(call, &validation, &query);
    if (validation.count > 0)
        validation_respond(&validation, call->exchange);
    else if (is_possible)
        hold_list_start(call, &query, HOLD_SHAPE_ADMIN);
    else
        http_respond(call->exchange, 200, "application/json", nothing, sizeof(nothing) - 1);
}

static void log_hold(struct api_shard *shard, const struct http_exchange *exchange,
                     const char *event, const struct reply_body *reply)
{
    char id[RESERVATION_ID_LENGTH + 1];
    struct log_line line;

    engine_reservation_id(shard->api->engine, &reply->hold.id, id);
    log_begin(&line, LOG_INFO, event, engine_now(shard->api->engine).wall_ms);
    log_text(&line, "reservation", id);
    if (exchange != NULL) {
        struct http_slice request_id = http_exchange_request_id(exchange);
        log_bytes(&line, "request_id", request_id.data, request_id.length);
    }
    log_end(&line);
}

static void admin_release_answer(struct api_shard *shard, struct http_exchange *exchange,
                                 const struct message *message, void *user)
{
    if (message->reply.outcome == OUTCOME_OK)
        log_hold(shard, exchange, "reservation_released_by_staff", &message->reply);
    api_release_answer(shard, exchange, message, user);
}

void api_admin_reservation_release(struct api_call *call)
{
    api_submit_hold(call, COMMAND_HOLD_RELEASE, admin_release_answer);
}

/* Not logged: until there is a checkout this is how every sale ends. */
void api_admin_reservation_convert(struct api_call *call)
{
    if (request_empty_object(call))
        api_submit_hold(call, COMMAND_HOLD_CONVERT, api_change_answer);
}
