/* SPDX-License-Identifier: Apache-2.0 */
/* From a hold, or the cart, to an order that waits for its payment:
 *
 *     lines (of the hold or the cart) -> coupon -> price -> [hold the cart's lines] -> the order
 *
 * Prices are made before the cart's lines are held, so that what is refused for a price, a coupon
 * or an address holds nothing. Whatever is refused on the way, the key is looked for first: it may
 * have made its order before, when there was a cart, a price, a unit. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/cart_price.h"
#include "api/checkout.h"
#include "api/hold_list.h"
#include "api/request.h"

/* Holds of one checkout that ended one after the other, before it takes one by chance. */
enum { ATTEMPTS_MAX = 8 };

_Static_assert(offsetof(struct checkout, flow) == 0, "a checkout is found by its flow");

static struct checkout *checkout_of(struct order_flow *flow)
{
    return (struct checkout *)(void *)flow;
}

/* ---- ends ---- */

static enum checkout_result result_of(enum outcome outcome)
{
    switch ((int)outcome) {
    case OUTCOME_KEY_REUSED:
        return CHECKOUT_INVALID;
    case OUTCOME_COUPON_EXHAUSTED:
    case OUTCOME_COUPON_INVALID:
        return CHECKOUT_COUPON_REFUSED;
    case OUTCOME_NOT_FOUND:
    case OUTCOME_HOLD_ENDED:
    case OUTCOME_HOLD_IN_USE:
        return CHECKOUT_HOLD_REFUSED;
    case OUTCOME_SOLD_OUT:
    case OUTCOME_INSUFFICIENT_STOCK:
    case OUTCOME_LIMIT_REACHED:
        return CHECKOUT_STOCK_REFUSED;
    case OUTCOME_GATEWAY_UNAVAILABLE:
        return CHECKOUT_GATEWAY_DOWN;
    default:
        return CHECKOUT_FAILED;
    }
}

static void count(const struct checkout *checkout, enum checkout_result result)
{
    counter_add(&checkout->flow.shard->counters.checkouts[result], 1);
}

/* With the order of flow.answer. */
static void succeed(struct checkout *checkout)
{
    count(checkout, checkout->flow.answer->replayed ? CHECKOUT_REPLAYED : CHECKOUT_CREATED);
    order_flow_respond(&checkout->flow, 201);
}

static void fail(struct checkout *checkout, enum outcome outcome)
{
    count(checkout, result_of(outcome));
    order_flow_refuse(&checkout->flow, outcome);
}

/* ---- what a key has made before ---- */

/* Asks for what the key of who[looked_up] has made: a CREATE without lines makes nothing. */
static void look_up(struct checkout *checkout, order_step next)
{
    struct order_flow *flow = &checkout->flow;
    struct order_envelope *envelope = order_flow_envelope(flow, ORDER_CALL_CREATE);

    if (envelope != NULL) {
        envelope->who[0] = flow->who[checkout->looked_up];
        envelope->who_count = 1;
        envelope->order.key = checkout_key(checkout, &envelope->who[0]);
        envelope->order.fingerprint = checkout->fingerprint;
    }
    order_flow_ask(flow, envelope, next);
}

/* ---- refusals ---- */

static void respond_price_changed(const struct checkout *checkout, struct http_exchange *exchange)
{
    enum { EXTRA_BYTES_MAX = 128 };
    struct writer writer;

    if (!problem_begin(exchange, PROBLEM_PRICE_CHANGED, "The order comes to another total.",
                       EXTRA_BYTES_MAX, &writer))
        return;
    write_literal(&writer, ",\"expected_total_minor\":");
    write_signed(&writer, checkout->expected_minor);
    write_literal(&writer, ",\"current_total_minor\":");
    write_signed(&writer, checkout->refusal.total_minor);
    problem_end(exchange, &writer);
}

static enum checkout_result refusal_result(const struct checkout_refusal *refusal)
{
    switch (refusal->kind) {
    case REFUSAL_OUTCOME:
        return result_of(refusal->outcome);
    case REFUSAL_INVALID:
        return CHECKOUT_INVALID;
    case REFUSAL_COUPON:
        return CHECKOUT_COUPON_REFUSED;
    case REFUSAL_PRICE:
        return CHECKOUT_PRICE_CHANGED;
    case REFUSAL_HOLD_IN_USE:
        return CHECKOUT_HOLD_REFUSED;
    case REFUSAL_NOT_RESERVED:
        return result_of((enum outcome)refusal->reply.outcome);
    case REFUSAL_WITHDRAWN:
        return CHECKOUT_STOCK_REFUSED;
    case REFUSAL_NONE:
        break;
    }
    return CHECKOUT_FAILED;
}

static void respond_refused(struct checkout *checkout)
{
    const struct checkout_refusal *refusal = &checkout->refusal;
    struct order_flow *flow = &checkout->flow;
    struct http_exchange *exchange = order_flow_exchange(flow);

    count(checkout, refusal_result(refusal));
    switch (refusal->kind) {
    case REFUSAL_OUTCOME:
        if (refusal->outcome == OUTCOME_HOLD_ENDED)
            order_flow_problem(flow, PROBLEM_HOLD_ENDED, "This hold has ended.");
        else
            order_flow_refuse(flow, refusal->outcome);
        return;
    case REFUSAL_INVALID:
        order_flow_invalid(flow, refusal->field, refusal->message);
        return;
    case REFUSAL_COUPON:
        order_flow_problem(flow, PROBLEM_COUPON_INVALID, refusal->message);
        return;
    case REFUSAL_HOLD_IN_USE:
        order_flow_hold_in_use(flow, refusal->order);
        return;
    case REFUSAL_PRICE:
        if (exchange != NULL)
            respond_price_changed(checkout, exchange);
        break;
    case REFUSAL_NOT_RESERVED:
        if (exchange != NULL)
            respond_not_reserved(flow->shard, exchange, &refusal->reply);
        break;
    case REFUSAL_WITHDRAWN:
        if (exchange != NULL)
            respond_withdrawn(exchange, shard_directory(flow->shard->shard), checkout->lines,
                              checkout->line_count, checkout->cart_currency);
        break;
    case REFUSAL_NONE:
        assert(false && "refused for nothing");
    }
    order_flow_end(flow);
}

static void refusal_looked_up(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);

    if (outcome == OUTCOME_OK)
        succeed(checkout);
    else if (outcome == OUTCOME_NOT_FOUND)
        respond_refused(checkout);
    else
        fail(checkout, outcome);
}

/* With checkout->refusal set; the last act of a step. */
static void refuse(struct checkout *checkout)
{
    assert(checkout->refusal.kind != REFUSAL_NONE);
    checkout->looked_up = 0;
    look_up(checkout, refusal_looked_up);
}

static void refuse_outcome(struct checkout *checkout, enum outcome outcome)
{
    checkout->refusal.kind = REFUSAL_OUTCOME;
    checkout->refusal.outcome = outcome;
    refuse(checkout);
}

/* ---- the end ---- */

/* Gives back the hold that was made for this checkout, then calls `next`; also where that could not
 * be sent: then it lapses. */
static void release_hold(struct checkout *checkout, order_step next)
{
    char text[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = COMMAND_HOLD_RELEASE,
                              .reservation_id = {.text = text, .length = RESERVATION_ID_LENGTH}};

    engine_reservation_id(checkout->flow.shard->api->engine, &checkout->hold, text);
    order_flow_submit(&checkout->flow, &command, next);
}

static void refused_hold_seen(struct order_flow *flow, enum outcome outcome)
{
    uint64_t order = outcome == OUTCOME_OK ? flow->reply->reply.hold.order : 0;

    if (order != 0)
        order_flow_hold_in_use(flow, order);
    else
        order_flow_refuse(flow, OUTCOME_HOLD_IN_USE);
}

static void respond_not_created(struct checkout *checkout, enum outcome outcome)
{
    struct order_flow *flow = &checkout->flow;
    char text[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = COMMAND_HOLD_GET,
                              .reservation_id = {.text = text, .length = RESERVATION_ID_LENGTH}};

    count(checkout, result_of(outcome));
    if (outcome == OUTCOME_HOLD_IN_USE) { /* by which order, the hold knows */
        engine_reservation_id(flow->shard->api->engine, &checkout->hold, text);
        order_flow_submit(flow, &command, refused_hold_seen);
    } else if (outcome == OUTCOME_HOLD_ENDED || outcome == OUTCOME_NOT_FOUND) {
        order_flow_problem(flow, PROBLEM_HOLD_ENDED, "The hold ended before the order was made.");
    } else if (outcome == OUTCOME_COUPON_INVALID) {
        order_flow_problem(flow, PROBLEM_COUPON_INVALID,
                           "The coupon changed, or is not valid any more.");
    } else {
        order_flow_refuse(flow, outcome);
    }
}

static void not_created_released(struct order_flow *flow, enum outcome outcome)
{
    (void)outcome;
    respond_not_created(checkout_of(flow), checkout_of(flow)->refusal.outcome);
}

static void replayed_released(struct order_flow *flow, enum outcome outcome)
{
    (void)outcome;
    succeed(checkout_of(flow));
}

static bool is_same_hold(const struct reservation_id *a, const struct reservation_id *b)
{
    return a->partition == b->partition && a->sequence == b->sequence;
}

/* Whether nobody else can be about to make an order of this hold: another request with the same key
 * may have found it. */
static bool may_release(const struct checkout *checkout, enum outcome outcome)
{
    if (!checkout->has_hold || outcome == OUTCOME_OUTCOME_UNKNOWN ||
        outcome == OUTCOME_KEY_IN_FLIGHT || outcome == OUTCOME_HOLD_IN_USE)
        return false;
    return checkout->hold_is_fresh || outcome == OUTCOME_COUPON_EXHAUSTED ||
           outcome == OUTCOME_COUPON_INVALID || outcome == OUTCOME_GATEWAY_UNAVAILABLE;
}

/* Another request with the same key had made this hold, and gave it up meanwhile: it is nobody's
 * business but ours. */
static bool must_hold_again(const struct checkout *checkout, enum outcome outcome)
{
    return checkout->from_cart && checkout->attempt < ATTEMPTS_MAX &&
           (outcome == OUTCOME_HOLD_ENDED || outcome == OUTCOME_NOT_FOUND);
}

static void price(struct checkout *checkout);

static void created(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);

    if (must_hold_again(checkout, outcome)) {
        checkout->attempt++;
        checkout->has_hold = false;
        price(checkout);
        return;
    }
    if (outcome == OUTCOME_OK && checkout->hold_is_fresh &&
        !is_same_hold(&checkout->hold, &flow->answer->order.hold))
        release_hold(checkout, replayed_released);
    else if (outcome == OUTCOME_OK)
        succeed(checkout);
    else if (may_release(checkout, outcome)) {
        checkout->refusal.outcome = outcome;
        release_hold(checkout, not_created_released);
    } else {
        respond_not_created(checkout, outcome);
    }
}

static void create(struct checkout *checkout)
{
    struct order_envelope *order = checkout->order;

    checkout->order = NULL;
    order->order.hold = checkout->hold;
    order->order.expires_wall_ms = checkout->hold_deadline_wall_ms;
    order_flow_ask(&checkout->flow, order, created);
}

/* ---- holding what is in the cart ---- */

static void hold_lines(struct checkout *checkout);

static void ended_looked_up(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);

    if (outcome == OUTCOME_OK) {
        succeed(checkout);
    } else if (outcome == OUTCOME_NOT_FOUND) {
        checkout->attempt++;
        hold_lines(checkout);
    } else {
        fail(checkout, outcome);
    }
}

/* Why nothing was held; of a reply only the lines that it has were sent. */
static void keep_reply(struct checkout *checkout, enum outcome outcome)
{
    const struct message *message = checkout->flow.reply;
    struct reply_body *kept = &checkout->refusal.reply;

    memset(kept, 0, sizeof(*kept));
    if (message != NULL) {
        memcpy(kept, &message->reply,
               offsetof(struct reply_body, hold.lines) +
                   message->reply.hold.line_count * sizeof(kept->hold.lines[0]));
        return;
    }
    kept->outcome = (uint8_t)outcome;
    kept->hold.line_count = (uint8_t)checkout->line_count;
    memcpy(kept->hold.lines, checkout->lines, checkout->line_count * sizeof(checkout->lines[0]));
}

static void take_hold(struct checkout *checkout, const struct hold_view *hold, bool is_fresh)
{
    checkout->hold = hold->id;
    checkout->hold_deadline_wall_ms = hold->deadline_wall_ms;
    checkout->has_hold = true;
    checkout->hold_is_fresh = is_fresh;
    create(checkout);
}

/* An earlier try's, of other lines or over: unless that made the order, another is made. */
static void hold_anew(struct checkout *checkout)
{
    checkout->looked_up = 0;
    look_up(checkout, ended_looked_up);
}

static void replayed_hold_seen(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);
    const struct hold_view *hold = flow->reply == NULL ? NULL : &flow->reply->reply.hold;

    if (outcome == OUTCOME_OK && (hold->state == HOLD_HELD || hold->state == HOLD_CAPTURING))
        take_hold(checkout, hold, false);
    else if (outcome == OUTCOME_OK || outcome == OUTCOME_NOT_FOUND)
        hold_anew(checkout);
    else
        refuse_outcome(checkout, outcome);
}

static void lines_held(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);
    char text[RESERVATION_ID_LENGTH + 1];
    struct command command = {.type = COMMAND_HOLD_GET,
                              .reservation_id = {.text = text, .length = RESERVATION_ID_LENGTH}};

    if (outcome == OUTCOME_KEY_REUSED) {
        hold_anew(checkout);
        return;
    }
    if (outcome == OUTCOME_OK && flow->reply->reply.replayed) {
        /* The answer is as it was given first, whatever became of the hold. */
        engine_reservation_id(flow->shard->api->engine, &flow->reply->reply.hold.id, text);
        order_flow_submit(flow, &command, replayed_hold_seen);
        return;
    }
    if (outcome == OUTCOME_OK) {
        take_hold(checkout, &flow->reply->reply.hold, true);
        return;
    }
    /* Withdrawn a moment ago: which it was is shown with the next try. */
    checkout->refusal.kind =
        outcome == OUTCOME_NOT_FOUND ? REFUSAL_WITHDRAWN : REFUSAL_NOT_RESERVED;
    keep_reply(checkout, outcome);
    refuse(checkout);
}

/* The key of this checkout's hold: a repeat finds the hold that a lost request made. It does not
 * name the principal, so that a customer finds what it held as a guest. */
static struct slice hold_key(const struct checkout *checkout, char text_out[48])
{
    struct api_shard *shard = checkout->flow.shard;
    struct {
        char call[8];
        uint64_t attempt;
        char key[KEY_LENGTH_MAX + 1];
    } scope = {.call = "hold", .attempt = checkout->attempt};
    struct hash128 hash;

    memcpy(scope.key, checkout->key, checkout->key_length);
    if (checkout->attempt >= ATTEMPTS_MAX)
        shard_random(shard->shard, &scope.attempt, sizeof(scope.attempt));
    hash = hash_bytes_128(&engine_secrets(shard->api->engine)->key_key, &scope, sizeof(scope));
    return (struct slice){text_out, (size_t)snprintf(text_out, 48, "checkout-%016llx%016llx",
                                                     (unsigned long long)hash.word[0],
                                                     (unsigned long long)hash.word[1])};
}

static void hold_lines(struct checkout *checkout)
{
    const struct directory *directory = shard_directory(checkout->flow.shard->shard);
    struct command_line lines[RESERVATION_LINES_MAX];
    char key[48];
    struct command command = {
        .type = COMMAND_RESERVE,
        .reserve = {.key = hold_key(checkout, key),
                    .body = {(const char *)checkout->lines,
                             checkout->line_count * sizeof(checkout->lines[0])},
                    .lines = lines,
                    .line_count = checkout->line_count},
    };

    for (uint32_t i = 0; i < checkout->line_count; i++) {
        const struct sku_entry *sku = directory_find_sku_id(directory, checkout->lines[i].sku_id);

        lines[i] = (struct command_line){.sku = {sku->sku, sku->sku_length},
                                         .quantity = checkout->lines[i].quantity};
    }
    order_flow_submit(&checkout->flow, &command, lines_held);
}

/* ---- the price ---- */

static void price(struct checkout *checkout)
{
    if (!checkout_price(checkout))
        refuse(checkout);
    else if (checkout->from_cart)
        hold_lines(checkout);
    else
        create(checkout);
}

static void coupon_known(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);

    if (outcome != OUTCOME_OK) {
        envelope_free(checkout->rule);
        checkout->rule = NULL;
    }
    if (outcome == OUTCOME_OK || outcome == OUTCOME_NOT_FOUND)
        price(checkout);
    else
        refuse_outcome(checkout, outcome);
}

/* The lines are known. */
static void ask_coupon(struct checkout *checkout)
{
    struct command command = {.type = COMMAND_COUPON};

    if (checkout->coupon[0] == '\0') {
        price(checkout);
        return;
    }
    checkout->rule = coupon_envelope_create(COUPON_CALL_GET);
    if (checkout->rule == NULL) {
        refuse_outcome(checkout, OUTCOME_OVERLOADED);
        return;
    }
    memcpy(checkout->rule->view.definition.code, checkout->coupon, sizeof(checkout->coupon));
    command.coupon = checkout->rule; /* comes back with the reply, or stays */
    order_flow_submit(&checkout->flow, &command, coupon_known);
}

/* ---- what is bought ---- */

static void cart_known(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);
    const struct cart_content *cart;

    if (outcome != OUTCOME_OK) {
        refuse_outcome(checkout, outcome);
        return;
    }
    cart = &flow->reply->reply.cart.content;
    if (cart->line_count == 0) {
        checkout->refusal.kind = REFUSAL_INVALID;
        checkout->refusal.field = "items";
        checkout->refusal.message = "are none: the cart is empty, and no reservation_id is given";
        refuse(checkout);
        return;
    }
    checkout->line_count = cart->line_count;
    memcpy(checkout->cart_currency, cart->currency, sizeof(checkout->cart_currency));
    for (uint32_t i = 0; i < cart->line_count; i++)
        checkout->lines[i] =
            (struct line){.sku_id = cart->lines[i].sku_id, .quantity = cart->lines[i].quantity};
    if (checkout->coupon[0] == '\0')
        (void)coupon_code_read(cart->coupon, cart->coupon_length, checkout->coupon);
    ask_coupon(checkout);
}

static void hold_known(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);
    const struct hold_view *hold;

    if (outcome != OUTCOME_OK) {
        refuse_outcome(checkout, outcome);
        return;
    }
    hold = &flow->reply->reply.hold;
    checkout->refusal.order = hold->order;
    if (hold->state != HOLD_HELD && hold->state != HOLD_CAPTURING) {
        refuse_outcome(checkout, OUTCOME_HOLD_ENDED);
        return;
    }
    if (hold->order != 0) {
        checkout->refusal.kind = REFUSAL_HOLD_IN_USE;
        refuse(checkout);
        return;
    }
    checkout->line_count = hold->line_count;
    memcpy(checkout->lines, hold->lines, hold->line_count * sizeof(hold->lines[0]));
    checkout->hold = hold->id;
    checkout->hold_deadline_wall_ms = hold->deadline_wall_ms;
    ask_coupon(checkout);
}

static void begin(struct checkout *checkout)
{
    struct command command = {.type = COMMAND_CART, .cart = {.operation = CART_GET}};

    if (checkout->from_cart) {
        order_flow_submit(&checkout->flow, &command, cart_known);
        return;
    }
    command = (struct command){
        .type = COMMAND_HOLD_GET,
        .reservation_id = {.text = checkout->hold_text, .length = RESERVATION_ID_LENGTH}};
    order_flow_submit(&checkout->flow, &command, hold_known);
}

/* A customer's keys are also those that it used as a guest: their orders are with the guest's. */
static void guest_looked_up(struct order_flow *flow, enum outcome outcome)
{
    struct checkout *checkout = checkout_of(flow);

    if (outcome == OUTCOME_OK) {
        succeed(checkout);
    } else if (outcome != OUTCOME_NOT_FOUND) {
        fail(checkout, outcome);
    } else if (checkout->looked_up + 1u < flow->who_count) {
        checkout->looked_up++;
        look_up(checkout, guest_looked_up);
    } else {
        begin(checkout);
    }
}

void api_checkout(struct api_call *call)
{
    struct checkout *checkout = checkout_read(call);

    if (checkout == NULL)
        return;
    if (checkout->flow.who_count == 1) {
        begin(checkout);
        return;
    }
    checkout->looked_up = 1;
    look_up(checkout, guest_looked_up);
}

void api_checkout_plain(struct api_call *call)
{
    api_checkout(call);
}
