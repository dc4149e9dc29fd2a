/* SPDX-License-Identifier: Apache-2.0 */
/* What staff does with an order. What may be done when, the order says. */
#include <string.h>

#include "api/log.h"
#include "api/order_flow.h"
#include "api/request.h"

void api_admin_order_get(struct api_call *call)
{
    struct validation validation;
    struct order_flow *flow;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){NULL}, NULL);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = order_flow_start_path(call, sizeof(*flow));
    if (flow != NULL)
        order_flow_ask(flow, order_flow_envelope(flow, ORDER_CALL_GET), order_flow_respond_200);
}

static void ask_empty(struct api_call *call, enum order_call what)
{
    struct order_flow *flow;

    if (!request_empty_object(call))
        return;
    flow = order_flow_start_path(call, sizeof(*flow));
    if (flow != NULL && order_flow_begin_key(flow, call, (struct slice){"", 0}))
        order_flow_ask(flow, order_flow_envelope(flow, what), order_flow_respond_200);
}

void api_admin_order_deliver(struct api_call *call)
{
    ask_empty(call, ORDER_CALL_DELIVER);
}

void api_admin_order_cancel(struct api_call *call)
{
    ask_empty(call, ORDER_CALL_CANCEL);
}

/* ---- fields ---- */

/* A line of text that is stored: at most so many bytes of UTF-8, nothing that moves a cursor. */
static void read_line(struct validation *validation, struct field field,
                      const struct json_value *value, size_t bytes_max, char *text_out)
{
    struct slice text;

    if (!validate_string(validation, field, value, 1, bytes_max, &text))
        return;
    if (text.length > bytes_max) {
        validation_add(validation, field, "must be at most %zu bytes of UTF-8", bytes_max);
        return;
    }
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.text[i] < 0x20 || text.text[i] == 0x7f) {
            validation_add(validation, field, "must not hold control characters");
            return;
        }
    }
    memcpy(text_out, text.text, text.length);
    text_out[text.length] = '\0';
}

/* ---- what somebody has looked at ---- */

static uint8_t read_reason(struct validation *validation, const struct json_value *object)
{
    static const char *const names[] = {"reason"};
    const struct json_value *value;

    validation_sort_members(validation, NULL, 0, object, names, 1, &value);
    if (value == NULL) {
        validation_add(validation, FIELD("reason"), "is required");
        return 0;
    }
#define X(name, bit, text)                                                                         \
    if (json_type(value) == JSON_STRING && slice_is(json_string(value), text))                     \
        return ORDER_ATTENTION_##name;
    ORDER_ATTENTIONS(X)
#undef X
    validation_add(validation, FIELD("reason"),
                   "must be restock_refused, refund_failed or refunded_elsewhere");
    return 0;
}

void api_admin_order_acknowledge(struct api_call *call)
{
    const struct json_value *object;
    struct order_envelope *envelope;
    struct validation validation;
    struct order_flow *flow;
    uint8_t reason;

    if (!request_object(call, &object))
        return;
    validation_init(&validation);
    reason = read_reason(&validation, object);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = order_flow_start_path(call, sizeof(*flow));
    if (flow == NULL)
        return;
    envelope = order_flow_envelope(flow, ORDER_CALL_ACKNOWLEDGE);
    if (envelope != NULL)
        envelope->attention = reason;
    order_flow_ask(flow, envelope, order_flow_respond_200);
}

/* ---- fulfilling ---- */

struct parcel {
    char carrier[CARRIER_LENGTH_MAX + 1];
    char number[TRACKING_LENGTH_MAX + 1];
};

static void read_tracking(struct validation *validation, const struct json_value *value,
                          struct parcel *parcel)
{
    static const char *const names[] = {"carrier", "number"};
    const struct json_value *values[2];

    if (json_type(value) == JSON_NULL)
        return;
    if (json_type(value) != JSON_OBJECT) {
        validation_add(validation, FIELD("tracking"), "must be an object");
        return;
    }
    validation_sort_members(validation, "tracking", FIELD_OF_OBJECT, value, names, 2, values);
    if (values[0] == NULL)
        validation_add(validation, FIELD("tracking.carrier"), "is required");
    else
        read_line(validation, FIELD("tracking.carrier"), values[0], CARRIER_LENGTH_MAX,
                  parcel->carrier);
    if (values[1] == NULL)
        validation_add(validation, FIELD("tracking.number"), "is required");
    else
        read_line(validation, FIELD("tracking.number"), values[1], TRACKING_LENGTH_MAX,
                  parcel->number);
}

void api_admin_order_fulfil(struct api_call *call)
{
    static const char *const names[] = {"tracking"};
    struct http_slice body = http_exchange_body(call->exchange);
    const struct json_value *object;
    const struct json_value *tracking;
    struct order_envelope *envelope;
    struct validation validation;
    struct parcel parcel = {{0}, {0}};
    struct order_flow *flow;

    if (!request_object(call, &object))
        return;
    validation_init(&validation);
    if (object != NULL) {
        validation_sort_members(&validation, NULL, 0, object, names, 1, &tracking);
        if (tracking != NULL)
            read_tracking(&validation, tracking, &parcel);
    }
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    flow = order_flow_start_path(call, sizeof(*flow));
    if (flow == NULL ||
        !order_flow_begin_key(flow, call,
                              (struct slice){body.data == NULL ? "" : body.data, body.length}))
        return;
    envelope = order_flow_envelope(flow, ORDER_CALL_FULFIL);
    if (envelope != NULL) {
        memcpy(envelope->carrier, parcel.carrier, sizeof(envelope->carrier));
        memcpy(envelope->tracking, parcel.number, sizeof(envelope->tracking));
    }
    order_flow_ask(flow, envelope, order_flow_respond_200);
}

/* ---- refunds: the body ---- */

struct refund {
    struct order_flow flow; /* first */
    uint64_t key;
    int64_t amount_minor; /* 0: not given */
    bool restock;
    char reason[REFUND_REASON_MAX + 1];
    uint32_t item_count;
    struct line items[RESERVATION_LINES_MAX];
};

_Static_assert(offsetof(struct refund, flow) == 0, "a refund is found by its flow");

enum { REFUND_AMOUNT, REFUND_ITEMS, REFUND_RESTOCK, REFUND_REASON, REFUND_MEMBERS };

static void read_item(struct api_call *call, struct validation *validation, size_t index,
                      const struct json_value *value, struct refund *refund)
{
    static const char *const names[] = {"sku", "quantity"};
    const struct directory *directory = shard_directory(call->shard->shard);
    const struct json_value *values[2];
    const struct sku_entry *entry;
    int64_t quantity = 0;
    struct slice sku;

    if (json_type(value) != JSON_OBJECT) {
        validation_add(validation, ELEMENT("items", index), "must be an object");
        return;
    }
    validation_sort_members(validation, "items", index, value, names, 2, values);
    if (values[1] == NULL)
        validation_add(validation, ELEMENT_FIELD("items", index, "quantity"), "is required");
    else
        validate_integer(validation, ELEMENT_FIELD("items", index, "quantity"), values[1], 1,
                         SKU_STOCK_MAX, &quantity);
    if (values[0] == NULL) {
        validation_add(validation, ELEMENT_FIELD("items", index, "sku"), "is required");
        return;
    }
    if (!validate_code(validation, ELEMENT_FIELD("items", index, "sku"), values[0], &sku))
        return;
    entry = directory_find_sku_recorded(directory, sku.text, sku.length);
    if (entry == NULL) {
        validation_add(validation, ELEMENT_FIELD("items", index, "sku"), "is not known");
        return;
    }
    for (uint32_t i = 0; i < refund->item_count; i++)
        if (refund->items[i].sku_id == entry->sku_id)
            validation_add(validation, ELEMENT_FIELD("items", index, "sku"), "is given twice");
    refund->items[refund->item_count++] =
        (struct line){.sku_id = entry->sku_id, .quantity = (uint32_t)quantity};
}

static void read_items(struct api_call *call, struct validation *validation,
                       const struct json_value *value, struct refund *refund)
{
    const struct json_value *element;
    size_t index = 0;

    if (json_type(value) != JSON_ARRAY || json_size(value) < 1 ||
        json_size(value) > RESERVATION_LINES_MAX) {
        validation_add(validation, FIELD("items"), "must be an array of 1 to %d items",
                       (int)RESERVATION_LINES_MAX);
        return;
    }
    struct json_iterator elements = json_elements(value);
    while (json_next_element(&elements, &element))
        read_item(call, validation, index++, element, refund);
}

static void read_refund(struct api_call *call, struct validation *validation,
                        const struct json_value *object, struct refund *refund)
{
    static const char *const names[REFUND_MEMBERS] = {"amount_minor", "items", "restock", "reason"};
    const struct json_value *values[REFUND_MEMBERS];

    validation_sort_members(validation, NULL, 0, object, names, REFUND_MEMBERS, values);
    if (values[REFUND_AMOUNT] != NULL)
        validate_integer(validation, FIELD("amount_minor"), values[REFUND_AMOUNT], 1, INT64_MAX,
                         &refund->amount_minor);
    if (values[REFUND_ITEMS] != NULL)
        read_items(call, validation, values[REFUND_ITEMS], refund);
    if (values[REFUND_RESTOCK] == NULL)
        validation_add(validation, FIELD("restock"), "is required");
    else if (json_type(values[REFUND_RESTOCK]) != JSON_BOOLEAN)
        validation_add(validation, FIELD("restock"), "must be true or false");
    else
        refund->restock = json_boolean(values[REFUND_RESTOCK]);
    if (values[REFUND_REASON] == NULL)
        validation_add(validation, FIELD("reason"), "is required");
    else
        read_line(validation, FIELD("reason"), values[REFUND_REASON], REFUND_REASON_MAX,
                  refund->reason);
}

/* ---- refunds: what goes back ---- */

static void refuse_amount(struct refund *refund)
{
    const struct order_record *order = &refund->flow.answer->order;
    bool is_given = refund->amount_minor != 0 || refund->item_count == 0;

    order_flow_invalid(&refund->flow, is_given ? "amount_minor" : "items",
                       order->captured_minor == order->refunded_minor
                           ? "is more than can be given back: nothing is left"
                           : "is more than what was paid and has not gone back");
}

/* Units that were to be for sale again, and are not: somebody should look. */
static void log_attention(const struct order_flow *flow)
{
    const struct engine *engine = flow->shard->api->engine;
    char id[RESERVATION_ID_LENGTH + 1];
    struct log_line line;

    if ((flow->answer->order.attention & ORDER_ATTENTION_RESTOCK_REFUSED) == 0 ||
        flow->answer->replayed)
        return;
    order_id_format(&flow->answer->id, &engine_secrets(engine)->id_key, id);
    log_begin(&line, LOG_WARNING, "restock_refused", engine_now(engine).wall_ms);
    log_text(&line, "order", id);
    log_end(&line);
}

static void refunded(struct order_flow *flow, enum outcome outcome)
{
    struct refund *refund = (struct refund *)(void *)flow;
    struct http_exchange *exchange = order_flow_exchange(flow);

    switch ((int)outcome) {
    case OUTCOME_OK:
        if (flow->answer->replayed && exchange != NULL)
            http_header_add(exchange, "Idempotent-Replayed", "true");
        log_attention(flow);
        order_show_refund(&flow->answer->order, refund->key);
        order_flow_respond(flow, 200);
        return;
    case OUTCOME_REFUND_TOO_LARGE:
        refuse_amount(refund);
        return;
    case OUTCOME_FULL:
        order_flow_problem(flow, PROBLEM_INVALID_STATE,
                           "The order has as many refunds as it can have, but for one of all that "
                           "is left.");
        return;
    case OUTCOME_GATEWAY_UNAVAILABLE:
        order_flow_problem(flow, PROBLEM_GATEWAY_UNAVAILABLE,
                           order_refund_is_pending(&flow->answer->order, refund->key)
                               ? "The gateway does not answer. The refund is kept, and asked for "
                                 "until it does. The same Idempotency-Key tells what became of it."
                               : "The gateway has refused this refund. Nothing went back. To try "
                                 "again takes another Idempotency-Key.");
        return;
    default:
        order_flow_refuse(flow, outcome);
    }
}

/* What `quantity` units of a line come to, of which `before` have gone back already: so that all of
 * a line's units come to the line, however they go back. */
static int64_t share_of(const struct order_line *line, uint32_t before, uint32_t quantity)
{
    int64_t whole = line->total_minor / line->quantity;
    int64_t rest = line->total_minor % line->quantity;
    int64_t end = (int64_t)before + quantity;

    return whole * quantity + rest * end / line->quantity - rest * before / line->quantity;
}

/* The items as quantities of the order's lines, and what they come to; NULL, or what is wrong. */
static const char *place_items(const struct refund *refund, struct order_envelope *envelope,
                               int64_t *share_out)
{
    const struct order_envelope *known = refund->flow.answer;

    for (uint32_t n = 0; n < refund->item_count; n++) {
        const struct line *item = &refund->items[n];
        uint32_t i = 0;

        while (i < known->body.line_count && known->body.lines[i].sku_id != item->sku_id)
            i++;
        if (i == known->body.line_count)
            return "name what is not in the order";
        if (item->quantity > known->body.lines[i].quantity - known->order.refunded_units[i])
            return "name more units than the order has, or than were not refunded before";
        envelope->named[i] = item->quantity;
        envelope->quantities[i] = item->quantity;
        *share_out +=
            share_of(&known->body.lines[i], known->order.refunded_units[i], item->quantity);
    }
    return NULL;
}

/* Fills in what goes back; false: it has been refused. */
static bool work_out(struct refund *refund, struct order_envelope *envelope)
{
    const struct order_envelope *known = refund->flow.answer;
    int64_t left_minor = known->order.captured_minor - known->order.refunded_minor;
    bool is_all = refund->amount_minor == 0 || refund->amount_minor == left_minor;
    int64_t share_minor = 0;
    const char *wrong = place_items(refund, envelope, &share_minor);

    if (wrong != NULL) {
        order_flow_invalid(&refund->flow, "items", wrong);
        return false;
    }
    envelope->amount_minor = refund->amount_minor != 0 ? refund->amount_minor : share_minor;
    if (refund->item_count > 0 && envelope->amount_minor == 0) {
        order_flow_invalid(&refund->flow, "items", "come to nothing");
        return false;
    }
    if (refund->item_count > 0 || !refund->restock)
        return true;
    if (!is_all && refund->amount_minor < left_minor) {
        order_flow_invalid(&refund->flow, "items",
                           "are required to restock where not all goes back");
        return false;
    }
    for (uint32_t i = 0; i < known->body.line_count; i++)
        envelope->quantities[i] = known->body.lines[i].quantity - known->order.restocked[i];
    return true;
}

/* The order is as it is now; the refund asks again, and more strictly, in the order itself. */
static void order_known(struct order_flow *flow, enum outcome outcome)
{
    struct refund *refund = (struct refund *)(void *)flow;
    struct order_envelope *envelope;

    if (outcome != OUTCOME_OK) {
        order_flow_refuse(flow, outcome);
        return;
    }
    envelope = order_flow_envelope(flow, ORDER_CALL_REFUND);
    if (envelope == NULL) {
        order_flow_refuse(flow, OUTCOME_OVERLOADED);
        return;
    }
    envelope->refund_key = refund->key;
    envelope->restock = refund->restock;
    memcpy(envelope->reason, refund->reason, sizeof(envelope->reason));
    if (flow->answer->order.confirmed_wall_ms != 0 &&
        !order_has_refund(&flow->answer->order, refund->key) && !work_out(refund, envelope)) {
        envelope_free(envelope);
        return;
    }
    order_flow_ask(flow, envelope, refunded);
}

/* The caller's key, for refunds. */
static uint64_t key_hash(const struct api_call *call, const struct hash_key *secret)
{
    struct {
        struct principal principal;
        char call[8];
        char key[KEY_LENGTH_MAX + 1];
    } scope = {.principal = call->principal, .call = "refund"};

    memcpy(scope.key, call->key.text, call->key.length);
    return hash_bytes(secret, &scope,
                      sizeof(scope.principal) + sizeof(scope.call) + call->key.length);
}

void api_admin_order_refund(struct api_call *call)
{
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    struct http_slice body = http_exchange_body(call->exchange);
    const struct json_value *object;
    struct validation validation;
    struct refund *refund;

    if (!request_object(call, &object))
        return;
    refund = (struct refund *)(void *)order_flow_start_path(call, sizeof(*refund));
    if (refund == NULL)
        return;
    validation_init(&validation);
    read_refund(call, &validation, object, refund);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        order_flow_end(&refund->flow);
        return;
    }
    refund->key = order_refund_key(key_hash(call, &secrets->key_key),
                                   hash_bytes(&secrets->key_key, body.data, body.length));
    order_flow_ask(&refund->flow, order_flow_envelope(&refund->flow, ORDER_CALL_GET), order_known);
}
