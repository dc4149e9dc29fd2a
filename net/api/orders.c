/* SPDX-License-Identifier: Apache-2.0 */
/* A shopper's own orders: looking at them, paying, cancelling. What may be done with an order, and
 * by whom, the order says. */
#include <string.h>

#include "api/event_stream.h"
#include "api/order_flow.h"
#include "api/order_stream.h"
#include "api/request.h"

/* ---- one ---- */

/* Whether the call brings a token; -1: one that is not the order's. */
static int has_token(const struct api_call *call, const struct order_flow *flow)
{
    char token[ORDER_TOKEN_LENGTH + 1];
    int length = http_query_parameter(call->exchange, "token", 0, token, sizeof(token));

    if (length == HTTP_ABSENT)
        return 0;
    return length > 0 && order_token_is_right(engine_secrets(flow->shard->api->engine), &flow->id,
                                              token, (size_t)length)
               ? 1
               : -1;
}

static void get(struct api_call *call, bool may_stream)
{
    struct validation validation;
    struct order_flow *flow;
    int token;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"token", NULL}, NULL);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = order_flow_start_path(call, sizeof(*flow));
    if (flow == NULL)
        return;
    token = has_token(call, flow);
    if (token == 1) { /* it proves that its bearer may see this order */
        flow->authority = AUTHORITY_STAFF;
        flow->shape = ORDER_SHAPE_LINK;
    }
    if (token == 0 && principal_is_nobody(&call->principal))
        order_flow_problem(flow, PROBLEM_UNAUTHENTICATED,
                           "Send the session that the order was made with, or the token from its "
                           "mail.");
    else if (token == -1)
        order_flow_refuse(flow, OUTCOME_NOT_FOUND);
    else if (may_stream && event_stream_is_wanted(call))
        order_stream_start(call, flow);
    else
        order_flow_ask(flow, order_flow_envelope(flow, ORDER_CALL_GET), order_flow_respond_200);
}

void api_order_get(struct api_call *call)
{
    get(call, true);
}

void api_order_get_plain(struct api_call *call)
{
    get(call, false);
}

void api_order_cancel(struct api_call *call)
{
    struct order_flow *flow;

    if (!request_empty_object(call))
        return;
    flow = order_flow_start_path(call, sizeof(*flow));
    if (flow != NULL && order_flow_begin_key(flow, call, (struct slice){"", 0}))
        order_flow_ask(flow, order_flow_envelope(flow, ORDER_CALL_CANCEL), order_flow_respond_200);
}

/* ---- paying ---- */

static enum confirmation_result confirmation_result(enum outcome outcome)
{
    switch ((int)outcome) {
    case OUTCOME_OK:
        return CONFIRMATION_PAID;
    case OUTCOME_PAYMENT_DECLINED:
        return CONFIRMATION_DECLINED;
    case OUTCOME_METHOD_REFUSED:
        return CONFIRMATION_METHOD_REFUSED;
    case OUTCOME_HOLD_ENDED:
        return CONFIRMATION_TOO_LATE;
    case OUTCOME_GATEWAY_UNAVAILABLE:
        return CONFIRMATION_GATEWAY_DOWN;
    case OUTCOME_PAYMENT_IN_PROGRESS:
        return CONFIRMATION_IN_PROGRESS;
    case OUTCOME_NOT_FOUND:
    case OUTCOME_INVALID_STATE:
        return CONFIRMATION_REFUSED;
    default:
        return CONFIRMATION_FAILED;
    }
}

static void confirmed(struct order_flow *flow, enum outcome outcome)
{
    const struct order_envelope *answer = flow->answer;

    counter_add(&flow->shard->counters.confirmations[confirmation_result(outcome)], 1);
    if (outcome == OUTCOME_METHOD_REFUSED)
        order_flow_invalid(flow, "payment_method", "is none that the payment gateway takes");
    else if (outcome == OUTCOME_PAYMENT_DECLINED)
        order_flow_problem(flow, PROBLEM_PAYMENT_DECLINED,
                           "The payment was declined. The order can be paid with another method.");
    else if (outcome == OUTCOME_INVALID_STATE && answer != NULL &&
             answer->order.status == ORDER_PENDING)
        order_flow_problem(flow, PROBLEM_INVALID_STATE,
                           "This payment is confirmed with its gateway, not here.");
    else
        order_flow_respond_200(flow, outcome);
}

/* A token of a payment method, never a number. */
static void read_payment_method(struct validation *validation, const struct json_value *value,
                                char method_out[PAYMENT_METHOD_MAX + 1])
{
    struct slice text;

    if (!validate_string(validation, FIELD("payment_method"), value, 1, PAYMENT_METHOD_MAX, &text))
        return;
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] <= ' ' || text.text[i] >= 0x7f) {
            validation_add(validation, FIELD("payment_method"),
                           "must be printable ASCII without blanks");
            return;
        }
    }
    memcpy(method_out, text.text, text.length);
    method_out[text.length] = '\0';
}

/* Both fields; false: answered. */
static bool read_payment(struct api_call *call, char id_out[ID_TEXT_LENGTH_MAX + 1],
                         char method_out[PAYMENT_METHOD_MAX + 1])
{
    const struct json_value *object;
    const struct json_value *value;
    struct validation validation;
    struct slice name;
    struct slice id = {0};
    unsigned seen = 0;

    if (!request_object(call, &object))
        return false;
    validation_init(&validation);
    struct json_iterator members = json_members(object);
    while (json_next_member(&members, &name, &value)) {
        unsigned member = slice_is(name, "order_id") ? 1 : slice_is(name, "payment_method") ? 2 : 0;

        if (member == 0 && challenge_is_proof(call, name))
            continue;
        if (member == 0)
            validation_add(&validation, (struct field){.name = name}, "is not known");
        else if ((seen & member) != 0)
            validation_add(&validation, (struct field){.name = name}, "is given twice");
        else if (member == 1)
            validate_string(&validation, FIELD("order_id"), value, 1, ID_TEXT_LENGTH_MAX, &id);
        else
            read_payment_method(&validation, value, method_out);
        seen |= member;
    }
    if ((seen & 1) == 0)
        validation_add(&validation, FIELD("order_id"), "is required");
    if ((seen & 2) == 0)
        validation_add(&validation, FIELD("payment_method"), "is required");
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return false;
    }
    id_out[0] = '\0'; /* characters of more than one byte are in no ID */
    if (id.length <= ID_TEXT_LENGTH_MAX) {
        memcpy(id_out, id.text, id.length);
        id_out[id.length] = '\0';
    }
    return true;
}

void api_payment_confirm(struct api_call *call)
{
    char id[ID_TEXT_LENGTH_MAX + 1];
    char method[PAYMENT_METHOD_MAX + 1] = "";
    struct http_slice body = http_exchange_body(call->exchange);
    struct order_envelope *envelope;
    struct order_flow *flow;

    if (!read_payment(call, id, method))
        return;
    flow = order_flow_start(call, sizeof(*flow));
    if (flow == NULL)
        return;
    if (!order_flow_read_id(flow, id, strlen(id))) {
        order_flow_refuse(flow, OUTCOME_NOT_FOUND);
        return;
    }
    if (!order_flow_begin_key(flow, call, (struct slice){body.data, body.length}))
        return;
    envelope = order_flow_envelope(flow, ORDER_CALL_CONFIRM);
    if (envelope != NULL)
        memcpy(envelope->method, method, sizeof(envelope->method));
    order_flow_ask(flow, envelope, confirmed);
}

void api_payment_confirm_plain(struct api_call *call)
{
    api_payment_confirm(call);
}
