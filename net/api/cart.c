/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's cart. A write is one message to its owner; where the cart has a coupon, its rule is
 * asked for before the answer is priced. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cart_add.h"
#include "api/cart_view.h"
#include "api/request.h"

/* ---- answers ---- */

static const struct cart_destination nowhere;

/* A cart with a coupon, whose rule is being asked for. Outlives its exchange. */
struct priced_later {
    struct cart_coupon_lookup lookup; /* first: found by its address */
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct keyed_entry *entry;
    struct cart_destination destination;
    struct cart_view view;
};

static struct http_exchange *exchange_of(struct api_shard *shard, uint64_t cookie)
{
    struct http_server *server = atomic_load_explicit(&shard->server, memory_order_relaxed);

    return server == NULL ? NULL : http_exchange_from_cookie(server, cookie);
}

static void coupon_known(struct cart_coupon_lookup *lookup, const struct pricing_coupon *rule,
                         enum outcome outcome)
{
    struct priced_later *later = (struct priced_later *)(void *)lookup;
    struct http_exchange *exchange = exchange_of(later->shard, later->exchange_cookie);
    struct cart_terms terms;

    cart_terms_of_shop(later->shard, &later->destination, &terms);
    terms.coupon = rule;
    terms.coupon_outcome = outcome;
    if (outcome == OUTCOME_OK || outcome == OUTCOME_COUPON_INVALID ||
        outcome == OUTCOME_COUPON_EXHAUSTED)
        respond_cart(later->shard, later->entry, exchange, &later->view, &terms);
    else
        keyed_refuse(later->shard, later->entry, exchange, outcome);
    free(later);
}

_Static_assert(offsetof(struct priced_later, lookup) == 0, "coupon_known finds its owner so");

static void show(struct api_shard *shard, struct keyed_entry *entry, struct http_exchange *exchange,
                 const struct cart_view *view, const struct cart_destination *destination)
{
    struct cart_terms terms;
    struct priced_later *later;

    if (view->content.coupon_length == 0) {
        cart_terms_of_shop(shard, destination, &terms);
        respond_cart(shard, entry, exchange, view, &terms);
        return;
    }
    later = calloc(1, sizeof(*later));
    if (later == NULL) {
        keyed_refuse(shard, entry, exchange, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    *later = (struct priced_later){
        .lookup = {.answer = coupon_known},
        .shard = shard,
        .exchange_cookie = exchange == NULL ? UINT64_MAX : http_exchange_cookie(exchange),
        .entry = entry,
        .destination = *destination};
    memcpy(&later->view, view,
           offsetof(struct cart_view, content.lines) +
               view->content.line_count * sizeof(view->content.lines[0]));
    cart_coupon_find(shard, (struct slice){later->view.content.coupon, view->content.coupon_length},
                     &later->lookup);
}

/* What a cart has no room for is wrong with the request. */
static void refuse(struct http_exchange *exchange, const struct reply_body *reply)
{
    char message[96];

    if (reply->outcome == OUTCOME_OTHER_CURRENCY) {
        validation_respond_one(exchange, FIELD("sku"),
                               "is sold in another currency than what is in the cart");
    } else if (reply->outcome == OUTCOME_LIMIT_REACHED && reply->limit == CART_LINES_MAX) {
        snprintf(message, sizeof(message), "is one more than the %d that a cart may have",
                 (int)CART_LINES_MAX);
        validation_respond_one(exchange, FIELD("sku"), message);
    } else if (reply->outcome == OUTCOME_LIMIT_REACHED) {
        snprintf(message, sizeof(message), "makes more than %u units of one line", reply->limit);
        validation_respond_one(exchange, FIELD("quantity"), message);
    } else {
        respond_outcome(exchange, (enum outcome)reply->outcome);
    }
}

void cart_answer(struct api_shard *shard, struct http_exchange *exchange,
                 const struct message *message, void *user)
{
    const struct reply_body *reply = &message->reply;

    if (reply->outcome == OUTCOME_OK) {
        show(shard, user, exchange, &reply->cart, &nowhere);
        return;
    }
    keyed_drop(shard, user);
    if (exchange != NULL)
        refuse(exchange, reply);
}

static void submit(struct api_call *call, struct command *command, struct keyed_entry *entry)
{
    command->type = COMMAND_CART;
    enum outcome outcome = call_submit(call, command, cart_answer, entry, NULL);

    if (outcome == OUTCOME_PENDING)
        return;
    keyed_drop(call->shard, entry);
    if (outcome == OUTCOME_NOT_FOUND)
        problem_respond(call->exchange, PROBLEM_NOT_FOUND, "There is no such SKU.");
    else
        respond_outcome(call->exchange, outcome);
}

static bool begin_key(struct api_call *call, struct keyed_entry **entry_out)
{
    struct http_slice body = http_exchange_body(call->exchange);

    return keyed_begin(call, (struct slice){body.data, body.length}, entry_out);
}

/* ---- looking ---- */

/* `user`: where it goes, if that was said. */
static void get_answer(struct api_shard *shard, struct http_exchange *exchange,
                       const struct message *message, void *user)
{
    const struct cart_destination *destination = user;

    if (exchange != NULL && message->reply.outcome == OUTCOME_OK)
        show(shard, NULL, exchange, &message->reply.cart,
             destination == NULL ? &nowhere : destination);
    else if (exchange != NULL)
        respond_outcome(exchange, (enum outcome)message->reply.outcome);
    free(user);
}

/* A shipping method by its ID. */
static void read_method(struct api_call *call, struct validation *validation,
                        struct cart_destination *destination)
{
    char id[SETTING_ID_LENGTH_MAX + 2];
    int length = http_query_parameter(call->exchange, "shipping_method", 0, id, sizeof(id));

    if (length == HTTP_ABSENT)
        return;
    if (length > 0)
        destination->method = setting_id_parse(SETTING_SHIPPING_METHOD, id, (size_t)length);
    if (destination->method == 0 ||
        settings_find_method(shard_settings(call->shard->shard), destination->method) == NULL)
        validation_add(validation, FIELD("shipping_method"), "is not a shipping method");
    else if (destination->country == 0)
        validation_add(validation, FIELD("country"), "is required beside `shipping_method`");
}

/* `country`, `region` and `shipping_method` of the query. False after having noted what is wrong.
 */
static bool read_destination(struct api_call *call, struct validation *validation,
                             struct cart_destination *destination_out)
{
    char country[8];
    char region[CART_REGION_LENGTH_MAX + 1];
    int length;

    *destination_out = (struct cart_destination){0};
    request_check_query(call, validation,
                        (const char *const[]){"country", "region", "shipping_method", NULL}, NULL);
    length = http_query_parameter(call->exchange, "country", 0, country, sizeof(country));
    if (length != HTTP_ABSENT) {
        if (length > 0)
            destination_out->country = pricing_country(country, (size_t)length);
        if (destination_out->country == 0)
            validation_add(validation, FIELD("country"), "must be a code of two letters");
    }
    length = http_query_parameter(call->exchange, "region", 0, region, sizeof(region));
    if (length != HTTP_ABSENT) {
        if (length > 0)
            destination_out->region = pricing_label(region, (size_t)length);
        else
            validation_add(validation, FIELD("region"), "must have 1 to %d bytes",
                           (int)CART_REGION_LENGTH_MAX);
    }
    read_method(call, validation, destination_out);
    return validation->count == 0;
}

void api_cart_get(struct api_call *call)
{
    struct command command = {.type = COMMAND_CART, .cart = {.operation = CART_GET}};
    struct cart_destination *copy = NULL;
    struct cart_destination destination;
    struct validation validation;
    enum outcome outcome = OUTCOME_OVERLOADED;

    validation_init(&validation);
    if (!read_destination(call, &validation, &destination)) {
        validation_respond(&validation, call->exchange);
        return;
    }
    if (destination.country != 0 || destination.region != 0) {
        copy = malloc(sizeof(*copy));
        if (copy == NULL) {
            respond_outcome(call->exchange, outcome);
            return;
        }
        *copy = destination;
    }
    outcome = call_submit(call, &command, get_answer, copy, NULL);
    if (outcome == OUTCOME_PENDING)
        return;
    free(copy);
    respond_outcome(call->exchange, outcome);
}

/* ---- lines ---- */

void cart_submit_add(struct api_call *call, struct slice sku, uint32_t quantity)
{
    struct command command = {.cart = {.operation = CART_ADD, .sku = sku, .quantity = quantity}};
    struct keyed_entry *entry;

    if (begin_key(call, &entry))
        submit(call, &command, entry);
}

void api_cart_set(struct api_call *call)
{
    const struct json_value *object;
    const struct json_value *value = NULL;
    struct keyed_entry *entry;
    struct sku_entry *sku;
    struct validation validation;
    struct slice name;
    int64_t quantity = 0;

    if (!request_object(call, &object))
        return;
    validation_init(&validation);
    struct json_iterator members = json_members(object);
    for (unsigned seen = 0; json_next_member(&members, &name, &value);) {
        if (!slice_is(name, "quantity"))
            validation_add(&validation, (struct field){.name = name}, "is not known");
        else if (seen++ > 0)
            validation_add(&validation, (struct field){.name = name}, "is given twice");
        else
            validate_integer(&validation, FIELD("quantity"), value, 1, QUANTITY_MAX, &quantity);
    }
    if (validation.count == 0 && quantity == 0)
        validation_add(&validation, FIELD("quantity"), "is required");
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    if (!request_path_sku(call, &sku) || !begin_key(call, &entry))
        return;
    struct command command = {.cart = {.operation = CART_SET,
                                       .sku = {sku->sku, sku->sku_length},
                                       .quantity = (uint32_t)quantity}};
    submit(call, &command, entry);
}

void api_cart_remove(struct api_call *call)
{
    struct keyed_entry *entry;
    struct sku_entry *sku;

    if (!request_path_sku(call, &sku) || !begin_key(call, &entry))
        return;
    struct command command = {
        .cart = {.operation = CART_REMOVE, .sku = {sku->sku, sku->sku_length}}};
    submit(call, &command, entry);
}

/* ---- the coupon ---- */

/* A code that is looked up before it is put on the cart. Outlives its exchange. */
struct coupon_set {
    struct cart_coupon_lookup lookup; /* first: found by its address */
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct keyed_entry *entry;
    struct principal principal;
    uint8_t length;
    char code[COUPON_CODE_MAX];
};

_Static_assert(offsetof(struct coupon_set, lookup) == 0, "code_known finds its owner so");

static enum outcome submit_code(const struct coupon_set *set)
{
    struct api_shard *shard = set->shard;
    struct command command = {
        .type = COMMAND_CART,
        .principal = set->principal,
        .cart = {.operation = CART_COUPON_SET, .coupon = {set->code, set->length}}};
    struct refusal unused;
    uint64_t cookie = pending_open(&shard->pending, set->exchange_cookie, cart_answer, set->entry);
    enum outcome outcome =
        cookie == 0 ? OUTCOME_OVERLOADED : engine_submit(shard->shard, &command, cookie, &unused);

    if (outcome != OUTCOME_PENDING && cookie != 0)
        pending_cancel(&shard->pending, cookie);
    return outcome;
}

static void code_known(struct cart_coupon_lookup *lookup, const struct pricing_coupon *rule,
                       enum outcome outcome)
{
    struct coupon_set *set = (struct coupon_set *)(void *)lookup;
    struct http_exchange *exchange = exchange_of(set->shard, set->exchange_cookie);

    (void)rule;
    if (outcome == OUTCOME_COUPON_INVALID) {
        keyed_drop(set->shard, set->entry);
        if (exchange != NULL)
            problem_respond(exchange, PROBLEM_COUPON_INVALID,
                            "There is no coupon of this code, or it is not valid now.");
    } else {
        if (outcome == OUTCOME_OK)
            outcome = submit_code(set);
        if (outcome != OUTCOME_PENDING)
            keyed_refuse(set->shard, set->entry, exchange, outcome);
    }
    free(set);
}

/* Codes are compared in upper case, and kept so. */
static bool read_code(struct api_call *call, struct coupon_set *set)
{
    const struct json_value *object;
    const struct json_value *value;
    struct validation validation;
    struct slice name;
    struct slice code = {0};

    if (!request_object(call, &object))
        return false;
    validation_init(&validation);
    struct json_iterator members = json_members(object);
    for (unsigned seen = 0; json_next_member(&members, &name, &value);) {
        if (!slice_is(name, "code"))
            validation_add(&validation, (struct field){.name = name}, "is not known");
        else if (seen++ > 0)
            validation_add(&validation, (struct field){.name = name}, "is given twice");
        else
            validate_string(&validation, FIELD("code"), value, 1, COUPON_CODE_MAX, &code);
    }
    if (validation.count == 0 && code.length == 0)
        validation_add(&validation, FIELD("code"), "is required");
    if (code.length > COUPON_CODE_MAX) /* characters of more than one byte */
        validation_add(&validation, FIELD("code"), "must have at most %d bytes",
                       (int)COUPON_CODE_MAX);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return false;
    }
    set->length = (uint8_t)code.length;
    for (size_t i = 0; i < code.length; i++) {
        char byte = code.text[i];
        set->code[i] = byte >= 'a' && byte <= 'z' ? (char)(byte - 'a' + 'A') : byte;
    }
    return true;
}

void api_cart_coupon_set(struct api_call *call)
{
    struct coupon_set *set = calloc(1, sizeof(*set));

    if (set == NULL) {
        respond_outcome(call->exchange, OUTCOME_OVERLOADED);
        return;
    }
    if (!read_code(call, set) || !begin_key(call, &set->entry)) {
        free(set);
        return;
    }
    set->lookup.answer = code_known;
    set->shard = call->shard;
    set->exchange_cookie = http_exchange_cookie(call->exchange);
    set->principal = call->principal;
    cart_coupon_find(call->shard, (struct slice){set->code, set->length}, &set->lookup);
}

void api_cart_coupon_remove(struct api_call *call)
{
    struct command command = {.cart = {.operation = CART_COUPON_REMOVE}};
    struct keyed_entry *entry;

    if (begin_key(call, &entry))
        submit(call, &command, entry);
}
