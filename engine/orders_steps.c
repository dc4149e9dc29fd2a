/* SPDX-License-Identifier: Apache-2.0 */
/* What orders ask for: each step is a command to a partition or a call at the gateway, made once
 * the record that asks for it is durable. */
#include "orders.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine_private.h"
#include "orders_private.h"

#define OWN_COOKIE (UINT64_C(1) << 63)

enum {
    GATEWAY_TIMEOUT_MS = 15 * 1000,
    CART_TRIES_MAX = 8, /* that a login is waited for: some seconds */
};

_Static_assert((int)RESULT_DONE == (int)GATEWAY_DONE &&
                   (int)RESULT_DECLINED == (int)GATEWAY_DECLINED &&
                   (int)RESULT_REFUSED == (int)GATEWAY_REFUSED &&
                   (int)RESULT_UNKNOWN == (int)GATEWAY_UNKNOWN &&
                   (int)RESULT_UNAVAILABLE == (int)GATEWAY_UNAVAILABLE,
               "the actor's results are the port's");

static const struct {
    uint8_t operation;
    const char *name;
} gateway_steps[STEP_COUNT] = {
    [STEP_PAYMENT_CREATE] = {GATEWAY_CREATE, "create"},
    [STEP_CONFIRM] = {GATEWAY_CONFIRM, "confirm"},
    [STEP_QUERY] = {GATEWAY_QUERY, "query"},
    [STEP_CAPTURE] = {GATEWAY_CAPTURE, "capture"},
    [STEP_VOID] = {GATEWAY_CANCEL, "cancel"},
    [STEP_REFUND] = {GATEWAY_REFUND, "refund"},
};

bool orders_is_own_cookie(uint64_t cookie)
{
    return (cookie & OWN_COOKIE) != 0;
}

static uint64_t cookie_of(const struct orders *orders, const struct order_slot *slot)
{
    return OWN_COOKIE | (uint64_t)(slot->turns & 0x7fffffffu) << 32 |
           order_slot_number(orders, slot);
}

/* ---- answers ---- */

static void take(struct shard *shard, struct order_slot *slot)
{
    struct orders *orders = &shard->orders;

    slot->is_answered = true;
    orders->asking--;
    order_enqueue(orders, slot, ORDER_TO_SERVE);
}

static bool go_on_with_cart(struct shard *shard, struct order_slot *slot,
                            const struct message *reply);

void orders_take_reply(struct shard *shard, const struct message *reply)
{
    struct order_slot *slot = &shard->orders.slots[reply->cookie & UINT32_MAX];

    assert((slot->turns & 0x7fffffffu) == (reply->cookie >> 32 & 0x7fffffffu) && slot->is_asking &&
           !slot->is_answered && slot->gateway == NULL);
    shard->orders.in_flight--;
    slot->outcome = reply->reply.outcome;
    if (slot->asked_step != STEP_CART_CLEAR || !go_on_with_cart(shard, slot, reply))
        take(shard, slot);
}

/* Not now: as if it had said so. */
static void take_refusal(struct shard *shard, struct order_slot *slot)
{
    slot->outcome = OUTCOME_OVERLOADED;
    take(shard, slot);
}

static void free_gateway(struct orders *orders, struct order_gateway *gateway)
{
    gateway->next = orders->free_gateways;
    orders->free_gateways = gateway;
}

/* What the gateway did not say of the amounts is what it was asked for. */
static int64_t amount_of(const struct order_slot *slot, int64_t said_minor)
{
    return said_minor >= 0 ? said_minor : slot->subject.order.totals.total_minor;
}

void order_take_answer(struct shard *shard, struct order_slot *slot)
{
    struct order_gateway *gateway = slot->gateway;
    struct order_context context = order_context_of(shard, &slot->subject);
    struct order_answer answer = {.step = slot->asked_step, .outcome = slot->outcome};
    uint32_t records_before = shard->effects.records->used;

    slot->is_answered = false;
    slot->is_asking = false;
    slot->gateway = NULL;
    if (gateway != NULL) {
        answer.outcome = OUTCOME_PENDING;
        answer.result = gateway->job.result;
        answer.looked = gateway->job.operation != gateway_steps[slot->asked_step].operation;
        answer.state = gateway->job.state;
        answer.captured_minor = amount_of(slot, gateway->job.captured_minor);
        answer.refunded_minor = gateway->job.refunded_minor;
        answer.retry_after_s = gateway->job.retry_after_s;
        answer.payment_id = gateway->job.payment_id;
        answer.client_secret = gateway->job.client_secret;
        answer.redirect_url = gateway->job.redirect_url;
    }
    order_answer(&slot->subject, &context, &shard->now, &answer, &shard->effects);
    if (gateway != NULL)
        free_gateway(&shard->orders, gateway);
    order_settle(shard, slot, records_before);
}

/* ---- the gateway ---- */

static void take_gateway(struct shard_completion *completion)
{
    struct order_gateway *gateway =
        (struct order_gateway *)(void *)((char *)completion -
                                         offsetof(struct order_gateway, completion));
    struct shard *shard = completion->shard;
    struct order_slot *slot = &shard->orders.slots[gateway->slot];

    assert(slot->turns == gateway->turns && slot->is_asking && !slot->is_answered);
    slot->gateway = gateway;
    take(shard, slot);
}

/* Any thread, also before submit returns: the answer is taken in a later turn. */
static void on_gateway(struct gateway_job *job)
{
    shard_complete(&((struct order_gateway *)(void *)job)->completion);
}

_Static_assert(offsetof(struct order_gateway, job) == 0, "on_gateway finds its owner by address");

/* The same for the same attempt. A refund's tells its place and when it was asked
 * for, which changes where less is left than that: then it was not done. Under another it would be
 * a second one; for all others the payment's own state keeps a second from having an effect. */
static void write_key(const struct order_slot *slot, struct gateway_job *job)
{
    const struct order_subject *subject = &slot->subject;
    unsigned attempt = subject->tries / ORDER_TRIES_PER_KEY;
    int length;

    if (subject->order.step == STEP_CONFIRM)
        attempt = subject->order.attempts;
    else if (subject->order.step == STEP_REFUND)
        (void)order_refund_asked(&subject->order, &attempt);
    if (subject->order.step == STEP_REFUND) /* an entry may be used again, its key not */
        attempt += subject->order.attempts * (ORDER_REFUNDS_MAX + 1);
    if (subject->order.step == STEP_REFUND && MUTANT(REFUND_UNDER_NEW_KEY))
        attempt += subject->tries * ORDER_REFUNDS_MAX;
    length = snprintf(job->key, sizeof(job->key), "%s-%s-%u", job->order_id,
                      gateway_steps[subject->order.step].name, attempt);
    if (subject->order.step == STEP_REFUND)
        snprintf(job->key + length, sizeof(job->key) - (size_t)length, "-%" PRId64,
                 order_refund_asked(&subject->order, &attempt)->wall_ms);
}

static void fill_job(const struct shard *shard, const struct order_slot *slot,
                     struct gateway_job *job)
{
    const struct order_subject *subject = &slot->subject;
    const struct order_record *order = &subject->order;
    struct reservation_id id = {.created_ms = order->created_wall_ms,
                                .sequence = subject->sequence,
                                .partition = subject->partition};
    unsigned number;

    memset(job, 0, sizeof(*job));
    job->provider = order->provider;
    job->operation =
        order_looks_first(subject) ? GATEWAY_QUERY : gateway_steps[order->step].operation;
    job->timeout_ms = GATEWAY_TIMEOUT_MS;
    job->amount_minor = order->totals.total_minor;
    if (job->operation == GATEWAY_REFUND)
        job->amount_minor = order_refund_asked(order, &number)->amount_minor;
    memcpy(job->currency, order->currency, sizeof(job->currency));
    order_id_format(&id, &shard->engine->ports.secrets.id_key, job->order_id);
    memcpy(job->payment_id, order->payment_id, sizeof(job->payment_id));
    memcpy(job->method, subject->method, sizeof(job->method));
    write_key(slot, job);
    job->done = on_gateway;
}

/* False: not now. */
static bool ask_gateway(struct shard *shard, struct order_slot *slot)
{
    struct orders *orders = &shard->orders;
    const struct gateway_port *port = &shard->engine->ports.gateway;
    struct order_gateway *gateway = orders->free_gateways;

    if (port->submit == NULL || gateway == NULL)
        return false;
    orders->free_gateways = gateway->next;
    gateway->slot = order_slot_number(orders, slot);
    gateway->turns = slot->turns;
    gateway->completion = (struct shard_completion){.shard = shard, .take = take_gateway};
    fill_job(shard, slot, &gateway->job);
    if (port->submit(port->self, &gateway->job))
        return true;
    free_gateway(orders, gateway);
    return false;
}

/* ---- partitions ---- */

static enum outcome ask_hold(struct shard *shard, struct order_slot *slot, enum command_type type)
{
    const struct order_subject *subject = &slot->subject;
    struct command command = {.type = type,
                              .principal = subject->order.principal,
                              .authority = AUTHORITY_ORDER,
                              .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct refusal refusal;

    command.hold.id = subject->order.hold;
    command.hold.order = order_number(subject->partition, subject->sequence);
    return engine_submit(shard, &command, cookie_of(&shard->orders, slot), &refusal);
}

static enum outcome ask_coupon(struct shard *shard, struct order_slot *slot, enum command_type type)
{
    const struct order_subject *subject = &slot->subject;
    const struct order_record *order = &subject->order;
    struct command command = {.type = type, .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct coupon_use_body *body = &command.coupon_use.body;
    struct refusal refusal;

    command.coupon_use.partition = order->coupon_partition;
    body->order = (struct reservation_id){.created_ms = order->created_wall_ms,
                                          .sequence = subject->sequence,
                                          .partition = subject->partition};
    body->number = order->coupon_number;
    body->version = order->coupon_version;
    body->principal = order->principal;
    body->alias_count = subject->alias_count;
    memcpy(body->aliases, subject->aliases, subject->alias_count * sizeof(body->aliases[0]));
    return engine_submit(shard, &command, cookie_of(&shard->orders, slot), &refusal);
}

/* The first line that is to be put back. How many of it are back already is what this time is known
 * by: it stays, whatever else is entered in the order until there is an answer. */
static enum outcome ask_restock(struct shard *shard, struct order_slot *slot)
{
    const struct order_subject *subject = &slot->subject;
    const struct order_record *order = &subject->order;
    struct command command = {.type = COMMAND_STOCK_RESTOCK};
    struct refusal refusal;
    uint32_t line = 0;

    while (line < RESERVATION_LINES_MAX && order->restocking[line] == 0)
        line++;
    if (line == RESERVATION_LINES_MAX)
        return OUTCOME_OK;
    command.restock.sku_id = subject->body->body.lines[line].sku_id;
    command.restock.quantity = order->restocking[line];
    command.restock.key.word[0] = order_number(subject->partition, subject->sequence);
    command.restock.key.word[1] = (uint64_t)order->restocked[line] << 32 | line;
    if (MUTANT(RESTOCKED_TWICE))
        command.restock.key.word[0] ^= (uint64_t)shard->now.boot_ms << 32;
    return engine_submit(shard, &command, cookie_of(&shard->orders, slot), &refusal);
}

static enum outcome ask_cart(struct shard *shard, struct order_slot *slot, enum order_cart which,
                             const struct principal *who)
{
    const struct order_subject *subject = &slot->subject;
    struct command command = {.type = COMMAND_CART_CLEAR, .principal = *who};
    struct line lines[RESERVATION_LINES_MAX];
    struct refusal refusal;

    for (uint32_t i = 0; i < subject->body->body.line_count; i++)
        lines[i] = (struct line){.sku_id = subject->body->body.lines[i].sku_id,
                                 .quantity = subject->body->body.lines[i].quantity};
    command.cart_clear.order = order_number(subject->partition, subject->sequence);
    command.cart_clear.lines = lines;
    command.cart_clear.line_count = subject->body->body.line_count;
    slot->cart = (uint8_t)which;
    return engine_submit(shard, &command, cookie_of(&shard->orders, slot), &refusal);
}

/* ---- whose cart it is by now ---- */

/* Whether a guest may have become a customer, as far as can be told without asking: its mark moves
 * as it does, so that one which was cleared before that is merged without what was ordered. */
static bool may_be_customers(const struct shard *shard, const struct principal *who)
{
    const struct engine *engine = shard->engine;
    uint32_t partition;
    uint32_t number;

    return engine_mark(engine, who) != 0 &&
           !account_principal_parse(who, &engine->ports.secrets.id_key, &partition, &number);
}

static enum outcome ask_whose(struct shard *shard, struct order_slot *slot)
{
    struct command command = {.type = COMMAND_ACCOUNT,
                              .account = account_envelope_create(ACCOUNT_CALL_GUEST_CHECK),
                              .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct refusal refusal;
    enum outcome outcome;

    if (command.account == NULL)
        return OUTCOME_OVERLOADED;
    command.account->guest = slot->subject.order.principal;
    slot->cart = ORDER_CART_WHOSE;
    outcome = engine_submit(shard, &command, cookie_of(&shard->orders, slot), &refusal);
    if (outcome != OUTCOME_PENDING)
        envelope_free(command.account);
    return outcome;
}

/* A guest that is becoming a customer may have a cart that was read to be merged, and was not
 * cleared then: only when it is gone the customer's has all of it. A login that was broken off
 * leaves it there: it is not waited for without end. */
static enum outcome take_whose(struct shard *shard, struct order_slot *slot,
                               const struct message *reply)
{
    struct principal customer = reply->reply.account->account;
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    envelope_free(reply->reply.account);
    if (outcome == OUTCOME_NOT_FOUND)
        return OUTCOME_OK; /* a guest still */
    if (outcome != OUTCOME_OK || (slot->had_cart && slot->subject.tries < CART_TRIES_MAX))
        return OUTCOME_OVERLOADED;
    return ask_cart(shard, slot, ORDER_CART_CUSTOMERS, &customer);
}

/* What was ordered leaves the guest's cart, and if that was merged meanwhile the customer's. True:
 * something more was asked. */
static bool go_on_with_cart(struct shard *shard, struct order_slot *slot,
                            const struct message *reply)
{
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    if (slot->cart == ORDER_CART_WHOSE) {
        outcome = take_whose(shard, slot, reply);
    } else if (slot->cart == ORDER_CART_OWN && outcome == OUTCOME_OK &&
               may_be_customers(shard, &slot->subject.order.principal)) {
        slot->had_cart = reply->reply.cart.created_wall_ms != 0;
        outcome = ask_whose(shard, slot);
    }
    if (outcome == OUTCOME_PENDING) {
        shard->orders.in_flight++;
        return true;
    }
    slot->outcome = (uint8_t)outcome;
    return false;
}

static enum outcome ask_partition(struct shard *shard, struct order_slot *slot)
{
    switch ((int)slot->subject.order.step) {
    case STEP_BIND:
        return ask_hold(shard, slot, COMMAND_HOLD_BIND);
    case STEP_UNDO_BIND:
        return ask_hold(shard, slot, COMMAND_HOLD_UNBIND);
    case STEP_PIN:
        return ask_hold(shard, slot, COMMAND_HOLD_PIN);
    case STEP_CONVERT:
        return ask_hold(shard, slot, COMMAND_HOLD_CONVERT);
    case STEP_RELEASE:
        return ask_hold(shard, slot, COMMAND_HOLD_RELEASE);
    case STEP_COUPON_HOLD:
        return ask_coupon(shard, slot, COMMAND_COUPON_HOLD);
    case STEP_COUPON_COMMIT:
        return ask_coupon(shard, slot, COMMAND_COUPON_COMMIT);
    case STEP_UNDO_COUPON:
    case STEP_COUPON_RELEASE:
        return ask_coupon(shard, slot, COMMAND_COUPON_RELEASE);
    case STEP_RESTOCK:
        return ask_restock(shard, slot);
    case STEP_CART_CLEAR:
        return ask_cart(shard, slot, ORDER_CART_OWN, &slot->subject.order.principal);
    default:
        assert(false && "no step of a partition's");
        return OUTCOME_OVERLOADED;
    }
}

/* ---- asking ---- */

static bool needs_body(enum order_step step)
{
    return step == STEP_RESTOCK || step == STEP_CART_CLEAR;
}

/* False: nobody could be asked, for want of room in a mailbox or for reads. */
static bool ask(struct shard *shard, struct order_slot *slot)
{
    enum order_step step = (enum order_step)slot->subject.order.step;
    enum outcome outcome;

    if (slot->waiting_first != NULL && slot->state == ORDER_SLOT_LOADED) {
        order_enqueue(&shard->orders, slot, ORDER_TO_SERVE); /* it was loaded while it was here */
        return true;
    }
    if (slot->is_asking || slot->state != ORDER_SLOT_LOADED ||
        slot->subject.order.status == ORDER_NONE || step == STEP_NONE || step == STEP_WAIT ||
        slot->subject.retry_boot_ms > shard->now.boot_ms)
        return true;
    if (needs_body(step) &&
        slot->subject.body == NULL) /* served, and so settled, when it is there */
        return order_begin_load(shard, slot);
    slot->is_asking = true;
    slot->asked_step = (uint8_t)step;
    slot->gateway = NULL;
    shard->orders.asking++;
    if (gateway_steps[step].name != NULL) {
        if (!ask_gateway(shard, slot))
            take_refusal(shard, slot);
        return true;
    }
    outcome = ask_partition(shard, slot);
    if (outcome == OUTCOME_OVERLOADED && !MUTANT(REFUSED_ASK_TIMED)) {
        slot->is_asking = false;
        shard->orders.asking--;
        return false;
    }
    if (outcome == OUTCOME_PENDING) {
        shard->orders.in_flight++;
    } else {
        slot->outcome = (uint8_t)outcome;
        take(shard, slot);
    }
    return true;
}

void orders_ask(struct shard *shard)
{
    struct orders *orders = &shard->orders;
    uint32_t last = orders->to_ask.last;
    uint32_t number = SLOT_NONE;

    order_watches_tell(shard);
    orders->was_refused = false;
    /* In the order of their writing: the first that is not durable yet ends it. */
    while (orders->to_ask.first != SLOT_NONE && number != last &&
           !atomic_load_explicit(&shard->engine->failed, memory_order_relaxed)) {
        number = orders->to_ask.first;
        struct order_slot *slot = &orders->slots[number];

        if (slot->write_serial > shard->serial_returned && !MUTANT(STEP_BEFORE_DURABLE))
            return;
        order_dequeue(orders, &orders->to_ask);
        if (ask(shard, slot))
            continue;
        /* In the next turn, behind those that have yet to ask, and before that turn's timers send:
         * who only came again with time would, with the same times, always come behind them. */
        order_enqueue(orders, slot, ORDER_TO_ASK);
        orders->was_refused = true;
    }
}

int64_t orders_next_ms(const struct shard *shard)
{
    const struct orders *orders = &shard->orders;
    int64_t wake_ms = timers_wake_ms(&orders->timers);

    /* Nobody tells when a mailbox has room again. */
    if (orders->was_refused && shard->now.boot_ms + 1 < wake_ms)
        return shard->now.boot_ms + 1;
    return wake_ms;
}
