/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations of the caller. Making one is the hot path: the body is parsed into the shard's
 * memory, the answer is written into the connection's. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/hold_list.h"
#include "api/hold_view.h"
#include "api/keyed.h"
#include "api/order_flow.h"
#include "api/request.h"

/* ---- the body ---- */

enum { MEMBER_SKU = 1, MEMBER_QUANTITY = 2, MEMBER_ITEMS = 4 };

/* A field of the body itself, or of items[index]. */
static struct field line_field(int index, struct slice name)
{
    if (index < 0)
        return (struct field){.name = name};
    return (struct field){.array = "items", .index = (size_t)index, .name = name};
}

/* Reads one member of a line; its bit, or 0 if it is none of a line. */
static unsigned read_line_member(struct validation *validation, int index, struct slice name,
                                 const struct json_value *value, struct command_line *line)
{
    int64_t quantity;

    if (slice_is(name, "sku")) {
        validate_code(validation, line_field(index, name), value, &line->sku);
        return MEMBER_SKU;
    }
    if (slice_is(name, "quantity")) {
        if (validate_integer(validation, line_field(index, name), value, 1, QUANTITY_MAX,
                             &quantity))
            line->quantity = (uint32_t)quantity;
        return MEMBER_QUANTITY;
    }
    return 0;
}

static void note_member(struct validation *validation, struct field field, unsigned member,
                        unsigned *seen)
{
    if (member == 0)
        validation_add(validation, field, "is not known");
    else if ((*seen & member) != 0)
        validation_add(validation, field, "is given twice");
    *seen |= member;
}

static void require_line(struct validation *validation, int index, unsigned seen)
{
    static const struct slice sku = {"sku", 3};
    static const struct slice quantity = {"quantity", 8};

    if ((seen & MEMBER_SKU) == 0)
        validation_add(validation, line_field(index, sku), "is required");
    if ((seen & MEMBER_QUANTITY) == 0)
        validation_add(validation, line_field(index, quantity), "is required");
}

static uint32_t read_items(struct validation *validation, const struct json_value *items,
                           struct command_line lines_out[RESERVATION_LINES_MAX])
{
    const struct json_value *item;
    const struct json_value *value;
    struct slice name;
    int index = 0;

    if (json_type(items) != JSON_ARRAY || json_size(items) == 0 ||
        json_size(items) > RESERVATION_LINES_MAX) {
        validation_add(validation, FIELD("items"), "must be an array of 1 to %d lines",
                       (int)RESERVATION_LINES_MAX);
        return 0;
    }
    struct json_iterator elements = json_elements(items);
    for (; json_next_element(&elements, &item); index++) {
        if (json_type(item) != JSON_OBJECT) {
            validation_add(validation, ELEMENT("items", (size_t)index), "must be an object");
            continue;
        }
        unsigned seen = 0;
        struct json_iterator members = json_members(item);
        while (json_next_member(&members, &name, &value)) {
            unsigned member = read_line_member(validation, index, name, value, &lines_out[index]);
            note_member(validation, line_field(index, name), member, &seen);
        }
        require_line(validation, index, seen);
    }
    return (uint32_t)index;
}

/* Either sku and quantity, or items. The number of lines; 0 after having noted errors. */
static uint32_t read_lines(const struct api_call *call, struct validation *validation,
                           const struct json_value *object,
                           struct command_line lines_out[RESERVATION_LINES_MAX])
{
    const struct json_value *value;
    struct slice name;
    unsigned seen = 0;
    uint32_t count = 1;

    struct json_iterator members = json_members(object);
    while (json_next_member(&members, &name, &value)) {
        unsigned member = MEMBER_ITEMS;
        if (slice_is(name, "items"))
            count = (seen & MEMBER_ITEMS) == 0 ? read_items(validation, value, lines_out) : count;
        else
            member = read_line_member(validation, -1, name, value, &lines_out[0]);
        if (member == 0 && challenge_is_proof(call, name))
            continue;
        note_member(validation, (struct field){.name = name}, member, &seen);
    }
    if ((seen & MEMBER_ITEMS) == 0)
        require_line(validation, -1, seen);
    else if ((seen & (MEMBER_SKU | MEMBER_QUANTITY)) != 0)
        validation_add(validation, FIELD("items"), "excludes `sku` and `quantity` beside it");
    return validation->count == 0 ? count : 0;
}

/* ---- refusals ---- */

struct short_line {
    const struct sku_entry *entry;
    uint32_t requested;
};

/* A number that the shop may prefer not to tell (availability_exact). */
static void write_figure(struct writer *writer, const struct api *api, uint32_t figure)
{
    if (api->options.availability_exact)
        write_unsigned(writer, figure);
    else
        write_literal(writer, "null");
}

static void respond_sold_out(const struct api *api, struct http_exchange *exchange,
                             const struct refusal *refusal)
{
    enum { EXTRA_BYTES_MAX = 96 };
    struct writer writer;

    if (!problem_begin(exchange, PROBLEM_SOLD_OUT,
                       refusal->final ? "No unit is left."
                                      : "No unit is left. Held units may come "
                                        "back.",
                       EXTRA_BYTES_MAX, &writer))
        return;
    write_literal(&writer, ",\"available\":");
    write_figure(&writer, api, refusal->available);
    write_literal(&writer, ",\"reserved\":");
    write_figure(&writer, api, refusal->reserved);
    write_literal(&writer, ",\"final\":");
    write_boolean(&writer, refusal->final);
    problem_end(exchange, &writer);
}

/* Lists the lines that are short as the gates are now; all, if units have come back meanwhile. */
static void respond_insufficient(const struct api *api, struct http_exchange *exchange,
                                 const struct short_line *lines, uint32_t count)
{
    enum { ITEM_BYTES_MAX = SKU_LENGTH_MAX + 80 };
    uint32_t available[RESERVATION_LINES_MAX];
    bool is_any_short = false;
    bool is_first = true;
    struct writer writer;

    for (uint32_t i = 0; i < count; i++) {
        available[i] = sku_availability(lines[i].entry).available;
        is_any_short = is_any_short || available[i] < lines[i].requested;
    }
    if (!problem_begin(exchange, PROBLEM_INSUFFICIENT_STOCK, "Fewer units are left than asked for.",
                       32 + count * ITEM_BYTES_MAX, &writer))
        return;
    write_literal(&writer, ",\"items\":[");
    for (uint32_t i = 0; i < count; i++) {
        if (is_any_short && available[i] >= lines[i].requested)
            continue;
        if (!is_first)
            write_byte(&writer, ',');
        is_first = false;
        write_literal(&writer, "{\"sku\":\"");
        write_bytes(&writer, lines[i].entry->sku, lines[i].entry->sku_length);
        write_literal(&writer, "\",\"requested\":");
        write_unsigned(&writer, lines[i].requested);
        write_literal(&writer, ",\"available\":");
        write_figure(&writer, api, available[i]);
        write_byte(&writer, '}');
    }
    write_byte(&writer, ']');
    problem_end(exchange, &writer);
}

static void respond_limit(struct http_exchange *exchange, uint32_t limit)
{
    struct writer writer;
    char detail[96];

    snprintf(detail, sizeof(detail), "A customer may hold or buy %u %s of this product.", limit,
             limit == 1 ? "unit" : "units");
    if (!problem_begin(exchange, PROBLEM_LIMIT_REACHED, detail, 32, &writer))
        return;
    write_literal(&writer, ",\"limit\":");
    write_unsigned(&writer, limit);
    problem_end(exchange, &writer);
}

static const char *refusal_detail(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_KEY_IN_FLIGHT:
        return "A request with this key is being worked on. Repeat it in a moment.";
    case OUTCOME_KEY_REUSED:
        return "This key was used with another body.";
    case OUTCOME_OVERLOADED:
        return "Try again in a moment.";
    case OUTCOME_STORAGE_FULL:
        return "New reservations are not taken at the moment.";
    case OUTCOME_OUTCOME_UNKNOWN:
        return "Repeat the call with the same Idempotency-Key to learn what happened.";
    case OUTCOME_OK:
    case OUTCOME_PENDING:
    case OUTCOME_NOT_FOUND:
    case OUTCOME_SOLD_OUT:
    case OUTCOME_INSUFFICIENT_STOCK:
    case OUTCOME_LIMIT_REACHED:
    case OUTCOME_HOLD_ENDED:
    case OUTCOME_HOLD_CAP_REACHED:
    case OUTCOME_HOLD_IN_USE:
    case OUTCOME_STOCK_CONFLICT:
    case OUTCOME_PRODUCT_EXISTS:
    case OUTCOME_SKU_TAKEN:
    case OUTCOME_EMAIL_TAKEN:
    case OUTCOME_PAYMENT_DECLINED:
    case OUTCOME_PAYMENT_IN_PROGRESS:
    case OUTCOME_METHOD_REFUSED:
    case OUTCOME_GATEWAY_UNAVAILABLE:
    case OUTCOME_INVALID_STATE:
    case OUTCOME_REFUND_TOO_LARGE:
    case OUTCOME_STALE:
    case OUTCOME_TOKEN_INVALID:
    case OUTCOME_FULL:
    case OUTCOME_COUPON_EXHAUSTED:
    case OUTCOME_COUPON_INVALID:
    case OUTCOME_COUPON_EXISTS:
    case OUTCOME_COUPON_IN_USE:
    case OUTCOME_SETTING_INVALID:
    case OUTCOME_OTHER_CURRENCY:
    case OUTCOME_PRECONDITION_FAILED:
    case OUTCOME_CURRENCY_IN_USE:
    case OUTCOME_SKUS_EXHAUSTED:
    case OUTCOME_COUNT:
        break;
    }
    return NULL;
}

/* Adds a line to those that are described, equal SKUs summed. */
static uint32_t add_short_line(struct short_line lines[RESERVATION_LINES_MAX], uint32_t count,
                               const struct sku_entry *entry, uint32_t requested)
{
    for (uint32_t i = 0; i < count; i++) {
        if (lines[i].entry == entry) {
            lines[i].requested += requested;
            return count;
        }
    }
    lines[count] = (struct short_line){.entry = entry, .requested = requested};
    return count + 1;
}

/* Refused at once: the lines are those of the command. */
static void refuse_now(struct api_call *call, const struct command *command, enum outcome outcome,
                       const struct refusal *refusal)
{
    const struct directory *directory = shard_directory(call->shard->shard);
    struct short_line lines[RESERVATION_LINES_MAX];
    char detail[SKU_LENGTH_MAX + 32];
    uint32_t count = 0;

    if (outcome == OUTCOME_SOLD_OUT) {
        respond_sold_out(call->shard->api, call->exchange, refusal);
    } else if (outcome == OUTCOME_NOT_FOUND) {
        const struct command_line *line = &command->reserve.lines[refusal->line];
        snprintf(detail, sizeof(detail), "There is no SKU %.*s.", (int)line->sku.length,
                 line->sku.text);
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, detail);
    } else if (outcome == OUTCOME_INSUFFICIENT_STOCK) {
        for (uint32_t i = 0; i < command->reserve.line_count; i++) {
            const struct command_line *line = &command->reserve.lines[i];
            const struct sku_entry *entry =
                directory_find_sku(directory, line->sku.text, line->sku.length);
            if (entry != NULL)
                count = add_short_line(lines, count, entry, line->quantity);
        }
        respond_insufficient(call->shard->api, call->exchange, lines, count);
    } else {
        problem_respond(call->exchange, problem_of_outcome(outcome), refusal_detail(outcome));
    }
}

/* Refused by the owner: the reply has the lines. */
void respond_not_reserved(struct api_shard *shard, struct http_exchange *exchange,
                          const struct reply_body *reply)
{
    const struct directory *directory = shard_directory(shard->shard);
    enum outcome outcome = (enum outcome)reply->outcome;
    struct short_line lines[RESERVATION_LINES_MAX];
    struct refusal refusal = {0};
    uint32_t count = 0;

    if (outcome == OUTCOME_SOLD_OUT) {
        engine_refusal_describe(shard->shard, reply->hold.lines, reply->hold.line_count, &refusal);
        respond_sold_out(shard->api, exchange, &refusal);
    } else if (outcome == OUTCOME_INSUFFICIENT_STOCK) {
        for (uint32_t i = 0; i < reply->hold.line_count; i++) {
            const struct line *line = &reply->hold.lines[i];
            const struct sku_entry *entry = directory_find_sku_id(directory, line->sku_id);
            if (entry != NULL)
                count = add_short_line(lines, count, entry, line->quantity);
        }
        respond_insufficient(shard->api, exchange, lines, count);
    } else if (outcome == OUTCOME_LIMIT_REACHED) {
        respond_limit(exchange, reply->limit);
    } else {
        problem_respond(exchange, problem_of_outcome(outcome), refusal_detail(outcome));
    }
}

/* ---- the handlers ---- */

static void reservation_answer(struct api_shard *shard, struct http_exchange *exchange,
                               const struct message *message, void *user)
{
    const struct reply_body *reply = &message->reply;

    (void)user;
    if (exchange == NULL)
        return;
    if (reply->outcome == OUTCOME_OK)
        respond_created_hold(shard, exchange, &reply->hold, reply->replayed);
    else
        respond_not_reserved(shard, exchange, reply);
}

/* What a repeated key must ask for again: the lines, whatever the body's spacing, order of members
 * or form. */
static struct slice fingerprint(struct reserve_scratch *scratch, uint32_t count)
{
    struct writer writer = writer_fixed(scratch->fingerprint, sizeof(scratch->fingerprint));

    _Static_assert(QUANTITY_MAX < 1000000, "the number, a space and a newline fit a number's room");
    for (uint32_t i = 0; i < count; i++) {
        write_bytes(&writer, scratch->lines[i].sku.text, scratch->lines[i].sku.length);
        write_byte(&writer, ' ');
        write_unsigned(&writer, scratch->lines[i].quantity);
        write_byte(&writer, '\n');
    }
    return (struct slice){.text = scratch->fingerprint, .length = writer_length(&writer)};
}

void api_reservation_create(struct api_call *call)
{
    struct reserve_scratch *scratch = &call->shard->reserve;
    const struct json_value *object;
    struct refusal refusal;

    if (!request_object(call, &object))
        return;
    validation_init(&scratch->validation);
    uint32_t count = read_lines(call, &scratch->validation, object, scratch->lines);
    if (count == 0) {
        validation_respond(&scratch->validation, call->exchange);
        return;
    }
    struct command command = {
        .type = COMMAND_RESERVE,
        .reserve = {.key = call->key,
                    .body = fingerprint(scratch, count),
                    .lines = scratch->lines,
                    .line_count = count},
    };
    enum outcome outcome = call_submit(call, &command, reservation_answer, NULL, &refusal);
    if (outcome != OUTCOME_PENDING)
        refuse_now(call, &command, outcome, &refusal);
}

static void hold_answer(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user)
{
    (void)user;
    if (exchange == NULL)
        return;
    if (message->reply.outcome == OUTCOME_OK)
        respond_hold(shard, exchange, &message->reply.hold);
    else
        respond_outcome(exchange, (enum outcome)message->reply.outcome);
}

/* Of a hold that an order has, whose ID is told. */
static void refuse_change(struct api_shard *shard, struct http_exchange *exchange,
                          const struct reply_body *reply, struct keyed_entry *entry)
{
    if (reply->outcome != OUTCOME_HOLD_IN_USE || reply->hold.order == 0 || exchange == NULL) {
        keyed_refuse(shard, entry, exchange, (enum outcome)reply->outcome);
        return;
    }
    keyed_drop(shard, entry);
    respond_hold_in_use(shard, exchange, reply->hold.order);
}

void api_change_answer(struct api_shard *shard, struct http_exchange *exchange,
                       const struct message *message, void *user)
{
    if (message->reply.replayed && exchange != NULL) /* extended before a restart, by this key */
        http_header_add(exchange, "Idempotent-Replayed", "true");
    if (message->reply.outcome == OUTCOME_OK)
        keyed_answer_hold(shard, user, exchange, &message->reply.hold);
    else
        refuse_change(shard, exchange, &message->reply, user);
}

/* A hold that waits for a payment keeps its order waiting as long. */
static void extend_answer(struct api_shard *shard, struct http_exchange *exchange,
                          const struct message *message, void *user)
{
    const struct reply_body *reply = &message->reply;

    if (reply->outcome == OUTCOME_OK && reply->hold.state == HOLD_HELD && reply->hold.order != 0)
        respond_extended_hold(shard, exchange, user, &reply->hold, reply->replayed);
    else
        api_change_answer(shard, exchange, message, user);
}

/* A release repeated is released; what lapsed or was sold cannot be. */
void api_release_answer(struct api_shard *shard, struct http_exchange *exchange,
                        const struct message *message, void *user)
{
    const struct reply_body *reply = &message->reply;

    if (reply->outcome != OUTCOME_OK)
        refuse_change(shard, exchange, reply, user);
    else if (reply->hold.state != HOLD_RELEASED)
        keyed_refuse(shard, user, exchange, OUTCOME_HOLD_ENDED);
    else
        keyed_answer(shard, user, exchange, 204, NULL, NULL, 0);
}

/* Only an extension's key is kept: what is released or converted already answers the same again. */
void api_submit_hold(struct api_call *call, enum command_type type, pending_answer answer)
{
    char id[ID_TEXT_LENGTH_MAX + 1];
    static const struct slice nothing = {"", 0};
    struct keyed_entry *entry = NULL;
    size_t length;

    if (!request_path_id(call, id, &length))
        return;
    if (type == COMMAND_HOLD_EXTEND && !keyed_begin(call, nothing, &entry))
        return;
    struct command command = {
        .type = type, .key = call->key, .reservation_id = {.text = id, .length = length}};
    enum outcome outcome = call_submit(call, &command, answer, entry, NULL);
    if (outcome != OUTCOME_PENDING)
        keyed_refuse(call->shard, entry, call->exchange, outcome);
}

void api_reservation_get(struct api_call *call)
{
    api_submit_hold(call, COMMAND_HOLD_GET, hold_answer);
}

void api_reservation_release(struct api_call *call)
{
    api_submit_hold(call, COMMAND_HOLD_RELEASE, api_release_answer);
}

void api_reservation_extend(struct api_call *call)
{
    if (request_empty_object(call))
        api_submit_hold(call, COMMAND_HOLD_EXTEND, extend_answer);
}

void api_reservation_list(struct api_call *call)
{
    struct validation validation;
    struct list_body query;

    validation_init(&validation);
    request_check_query(call, &validation, (const char *const[]){"limit", "cursor", NULL}, NULL);
    hold_list_read_page(call, &validation, &query);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    query.principal = call->principal;
    hold_list_start(call, &query, HOLD_SHAPE_OWN);
}
