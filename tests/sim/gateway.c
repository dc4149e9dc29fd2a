/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway.h"

#include <stdio.h>
#include <string.h>

#include "shoppers.h"
#include "violation.h"
#include "world.h"

enum {
    SUBMIT_REFUSED_PARTS = 20000, /* of a million calls */
    AT_ONCE_PARTS = 100000,
    MISCHIEF_PARTS = 250000,
};

static const char *operation_name(uint8_t operation)
{
    static const char *const names[] = {
        [GATEWAY_CREATE] = "create", [GATEWAY_CONFIRM] = "confirm", [GATEWAY_CAPTURE] = "capture",
        [GATEWAY_CANCEL] = "cancel", [GATEWAY_REFUND] = "refund",   [GATEWAY_QUERY] = "query",
    };

    return names[operation];
}

/* ---- its books ---- */

static void transfer(struct world *world, uint32_t payment, enum money_account source,
                     enum money_account target, int64_t amount_minor)
{
    struct sim_gateway *gateway = &world->gateway;

    if (gateway->transfer_count == SIM_TRANSFERS_MAX)
        violation("the gateway's books are full: the simulator is too small");
    gateway->transfers[gateway->transfer_count++] =
        (struct sim_transfer){.payment = payment,
                              .source = (uint8_t)source,
                              .target = (uint8_t)target,
                              .amount_minor = amount_minor};
}

static void set_state(struct world *world, uint32_t index, enum payment_state state)
{
    world->gateway.payments[index].state = (uint8_t)state;
    world_log(world, "gateway: %s is %s", world->gateway.payments[index].id,
              payment_state_name(state));
    sim_events_add(world, index);
}

static void capture(struct world *world, uint32_t index, int64_t amount_minor)
{
    struct sim_payment *payment = &world->gateway.payments[index];

    if (payment->pays_less && amount_minor > 1)
        amount_minor--;
    payment->captured_minor = amount_minor;
    transfer(world, index, MONEY_AUTHORISED, MONEY_SHOP, amount_minor);
    if (payment->authorised_minor > amount_minor) {
        payment->voided_minor = payment->authorised_minor - amount_minor;
        transfer(world, index, MONEY_AUTHORISED, MONEY_CUSTOMERS, payment->voided_minor);
    }
    set_state(world, index, PAYMENT_CAPTURED);
    world_mark(world, MARK_PAYMENT_CAPTURED);
}

static void authorise(struct world *world, uint32_t index)
{
    struct sim_payment *payment = &world->gateway.payments[index];

    payment->authorised_minor = payment->amount_minor;
    transfer(world, index, MONEY_CUSTOMERS, MONEY_AUTHORISED, payment->amount_minor);
    payment->is_race = shoppers_is_expiring(world, &payment->order);
    if (payment->captures_at_once)
        capture(world, index, payment->amount_minor);
    else
        set_state(world, index, PAYMENT_AUTHORISED);
}

static void cancel(struct world *world, uint32_t index)
{
    struct sim_payment *payment = &world->gateway.payments[index];

    if (payment->state == PAYMENT_AUTHORISED) {
        payment->voided_minor = payment->authorised_minor;
        transfer(world, index, MONEY_AUTHORISED, MONEY_CUSTOMERS, payment->voided_minor);
        world_mark(world, MARK_PAYMENT_VOIDED);
    }
    set_state(world, index, PAYMENT_CANCELLED);
}

uint32_t sim_gateway_find(const struct world *world, const struct reservation_id *order)
{
    for (uint32_t i = world->gateway.payment_count; i > 0; i--) {
        const struct reservation_id *id = &world->gateway.payments[i - 1].order;

        if (id->sequence == order->sequence && id->partition == order->partition &&
            id->created_ms == order->created_ms)
            return i - 1;
    }
    return NONE;
}

void sim_gateway_sum(const struct world *world, const struct reservation_id *order,
                     int64_t *captured_out, int64_t *refunded_out, int64_t *elsewhere_out)
{
    *captured_out = 0;
    *refunded_out = 0;
    *elsewhere_out = 0;
    for (uint32_t i = 0; i < world->gateway.payment_count; i++) {
        const struct sim_payment *payment = &world->gateway.payments[i];

        if (payment->order.sequence != order->sequence ||
            payment->order.partition != order->partition ||
            payment->order.created_ms != order->created_ms)
            continue;
        *captured_out += payment->captured_minor;
        *refunded_out += payment->refunded_minor;
        *elsewhere_out += payment->elsewhere_minor;
    }
}

static uint32_t find_payment(const struct world *world, const char *id)
{
    for (uint32_t i = world->gateway.payment_count; i > 0; i--)
        if (strcmp(world->gateway.payments[i - 1].id, id) == 0)
            return i - 1;
    return NONE;
}

/* ---- keys ---- */

static struct sim_gateway_key *find_key(struct world *world, const char *key)
{
    static const struct hash_key any = {{0x6761, 0x7465}};
    uint64_t hash = hash_bytes(&any, key, strlen(key)) | 1;
    uint32_t at = (uint32_t)(hash >> 20);

    for (;; at++) {
        struct sim_gateway_key *found = &world->gateway.keys[at % SIM_GATEWAY_KEYS];

        if (found->hash == 0 && ++world->gateway.key_count > SIM_GATEWAY_KEYS / 4 * 3)
            violation("the gateway has too many keys: the simulator is too small");
        if (found->hash == 0) {
            found->hash = hash;
            found->payment = NONE;
            found->result = GATEWAY_UNKNOWN;
        }
        if (found->hash == hash)
            return found;
    }
}

/* ---- calls ---- */

static void answer(struct gateway_job *job, enum gateway_result result,
                   const struct sim_payment *payment)
{
    job->result = (uint8_t)result;
    job->state = PAYMENT_NONE;
    if (payment == NULL)
        return;
    job->state = payment->state;
    job->captured_minor = payment->captured_minor;
    job->refunded_minor = payment->refunded_minor;
}

static struct reservation_id parse_order(const struct world *world, const char *order_id)
{
    struct reservation_id id;

    if (!order_id_parse(order_id, strlen(order_id), &world->secrets.id_key, &id))
        violation("the gateway is asked for an order of no ID");
    return id;
}

static void do_create(struct world *world, struct gateway_job *job, struct sim_gateway_key *key)
{
    struct sim_gateway *gateway = &world->gateway;
    struct sim_payment *payment;

    if (key->payment == NONE) {
        if (gateway->payment_count == SIM_PAYMENTS_MAX) {
            answer(job, GATEWAY_UNAVAILABLE, NULL);
            return;
        }
        key->payment = gateway->payment_count++;
        payment = &gateway->payments[key->payment];
        *payment = (struct sim_payment){.order = parse_order(world, job->order_id),
                                        .amount_minor = job->amount_minor,
                                        .provider = job->provider,
                                        .state = PAYMENT_CREATED};
        snprintf(payment->id, sizeof(payment->id), "pay_%u", key->payment);
        memcpy(payment->currency, job->currency, sizeof(payment->currency));
        payment->captures_at_once = sim_random_chance(&world->random, 80000);
        payment->pays_less = sim_random_chance(&world->random, 40000);
    }
    payment = &gateway->payments[key->payment];
    memcpy(job->payment_id, payment->id, sizeof(job->payment_id));
    snprintf(job->client_secret, sizeof(job->client_secret), "secret of %s", payment->id);
    answer(job, GATEWAY_DONE, payment);
}

static void do_confirm(struct world *world, struct gateway_job *job, uint32_t index)
{
    struct sim_payment *payment = &world->gateway.payments[index];

    if (payment->state == PAYMENT_CANCELLED || strcmp(job->method, "refused") == 0) {
        answer(job, GATEWAY_REFUSED, payment);
        return;
    }
    if (payment->state == PAYMENT_CREATED && strcmp(job->method, "declined") == 0) {
        answer(job, GATEWAY_DECLINED, payment);
        return;
    }
    if (payment->state == PAYMENT_CREATED && strcmp(job->method, "slow") == 0)
        payment->state = PAYMENT_PROCESSING;
    else if (payment->state == PAYMENT_CREATED)
        authorise(world, index);
    answer(job, GATEWAY_DONE, payment);
}

/* What a call asked for while it is not pinned must not be captured. */
static void check_pinned(struct world *world, const struct gateway_job *job)
{
    struct reservation_id id = parse_order(world, job->order_id);
    struct record *record = &world->shoppers.record;
    struct reservation_id hold;

    if (!journal_memory_find(world->journal, RECORD_ORDER, id.partition, 0, id.sequence, record))
        violation("I4: a payment is captured for an order that does not live");
    hold = record->order.hold;
    if (!journal_memory_find(world->journal, RECORD_HOLD, hold.partition, 0, hold.sequence,
                             record) ||
        record->hold.state != HOLD_CAPTURING)
        violation("I4: a payment is captured for %s without a pinned hold", job->order_id);
}

static void do_capture(struct world *world, struct gateway_job *job, uint32_t index)
{
    struct sim_payment *payment = &world->gateway.payments[index];

    if (payment->state == PAYMENT_AUTHORISED) {
        check_pinned(world, job);
        capture(world, index, job->amount_minor);
    }
    answer(job, payment->state == PAYMENT_CAPTURED ? GATEWAY_DONE : GATEWAY_REFUSED, payment);
    /* Who keeps no books says no amounts. */
    if (job->result == GATEWAY_DONE && payment->provider == PROVIDER_SANDBOX &&
        payment->captured_minor == job->amount_minor)
        job->captured_minor = -1;
}

static void do_cancel(struct world *world, struct gateway_job *job, uint32_t index)
{
    struct sim_payment *payment = &world->gateway.payments[index];

    if (payment->state != PAYMENT_CAPTURED && payment->state != PAYMENT_CANCELLED)
        cancel(world, index);
    answer(job, payment->state == PAYMENT_CANCELLED ? GATEWAY_DONE : GATEWAY_REFUSED, payment);
}

static void do_refund(struct world *world, struct gateway_job *job, uint32_t index)
{
    struct sim_payment *payment = &world->gateway.payments[index];

    if (payment->state != PAYMENT_CAPTURED || job->amount_minor <= 0 ||
        job->amount_minor > payment->captured_minor - payment->refunded_minor) {
        answer(job, GATEWAY_REFUSED, payment);
        return;
    }
    payment->refunded_minor += job->amount_minor;
    transfer(world, index, MONEY_SHOP, MONEY_CUSTOMERS, job->amount_minor);
    sim_events_add_refund(world, index);
    world_mark(world, MARK_PAYMENT_REFUNDED);
    answer(job, GATEWAY_DONE, payment);
}

/* Each key has its effect once, and then its answer again. */
static void perform(struct world *world, struct gateway_job *job)
{
    struct sim_gateway_key *key = find_key(world, job->key);
    uint32_t index = find_payment(world, job->payment_id);

    if (job->operation == GATEWAY_CREATE) {
        do_create(world, job, key);
        return;
    }
    if (index == NONE)
        violation("the gateway is asked for a payment that it does not have");
    if (job->operation == GATEWAY_QUERY) {
        answer(job, GATEWAY_DONE, &world->gateway.payments[index]);
        return;
    }
    if (key->payment != NONE) {
        if (key->payment != index)
            violation("one key asks the gateway for two payments");
        job->result = key->result;
        job->state = key->state;
        job->captured_minor = key->captured_minor;
        job->refunded_minor = key->refunded_minor;
        world_mark(world, MARK_GATEWAY_REPEATED);
        return;
    }
    if (job->operation == GATEWAY_CONFIRM)
        do_confirm(world, job, index);
    else if (job->operation == GATEWAY_CAPTURE)
        do_capture(world, job, index);
    else if (job->operation == GATEWAY_CANCEL)
        do_cancel(world, job, index);
    else
        do_refund(world, job, index);
    key->payment = index;
    key->result = job->result;
    key->state = job->state;
    key->captured_minor = job->captured_minor;
    key->refunded_minor = job->refunded_minor;
}

/* This once it does not want to, and forgets that it was asked. */
static void refuse(struct world *world, struct gateway_job *job)
{
    uint32_t index = find_payment(world, job->payment_id);

    answer(job, job->operation == GATEWAY_CONFIRM ? GATEWAY_DECLINED : GATEWAY_REFUSED,
           index == NONE ? NULL : &world->gateway.payments[index]);
}

/* Whatever was done, the key's answer is an error for good, as with Stripe; drawn from the key, so
 * that nothing else is drawn otherwise. */
static void keep_error(struct world *world, const struct gateway_job *asked)
{
    struct sim_gateway_key *key = find_key(world, asked->key);

    if (key->payment == NONE || asked->operation == GATEWAY_CREATE || key->hash % 8 >= 3)
        return;
    key->result = GATEWAY_UNKNOWN;
    key->state = PAYMENT_NONE;
    world_mark(world, MARK_GATEWAY_KEPT);
}

static void do_call(struct world *world, struct sim_gateway_call *call)
{
    struct gateway_job *job = &call->answer;

    *job = call->asked;
    call->is_done = true;
    job->result = GATEWAY_UNKNOWN;
    job->state = PAYMENT_NONE;
    job->captured_minor = job->refunded_minor = 0;
    if (call->mischief == CALL_UNAVAILABLE) {
        job->result = GATEWAY_UNAVAILABLE;
        job->retry_after_s = sim_random_unless(&world->random, 95, 3);
    } else if (call->mischief == CALL_REFUSED) {
        refuse(world, job);
    } else if (call->mischief != CALL_LOST) {
        perform(world, job);
    }
    if (call->mischief == CALL_ANSWER_LOST || call->mischief == CALL_SILENT) {
        *job = call->asked;
        job->result = GATEWAY_UNKNOWN;
        job->state = PAYMENT_NONE;
        world_mark(world, MARK_GATEWAY_SILENT);
        if (call->mischief == CALL_ANSWER_LOST)
            keep_error(world, &call->asked);
    }
    world_log(world, "gateway: %s of %s (%s) under %s: result %u, state %s",
              operation_name(job->operation), call->asked.order_id, call->asked.payment_id,
              call->asked.key, job->result, payment_state_name((enum payment_state)job->state));
}

static void give_back(struct world *world, struct sim_gateway_call *call)
{
    struct gateway_job *job = call->job;

    call->is_used = false;
    world->gateway.call_count--;
    if (job == NULL)
        return;
    job->result = call->answer.result;
    job->state = call->answer.state;
    job->captured_minor = call->answer.captured_minor;
    job->refunded_minor = call->answer.refunded_minor;
    job->retry_after_s = call->answer.retry_after_s;
    memcpy(job->payment_id, call->answer.payment_id, sizeof(job->payment_id));
    memcpy(job->client_secret, call->answer.client_secret, sizeof(job->client_secret));
    job->done(job);
}

/* ---- the port ---- */

static const uint8_t operation_of_step[STEP_COUNT] = {
    [STEP_PAYMENT_CREATE] = 1 + GATEWAY_CREATE, [STEP_CONFIRM] = 1 + GATEWAY_CONFIRM,
    [STEP_QUERY] = 1 + GATEWAY_QUERY,           [STEP_CAPTURE] = 1 + GATEWAY_CAPTURE,
    [STEP_VOID] = 1 + GATEWAY_CANCEL,           [STEP_REFUND] = 1 + GATEWAY_REFUND,
};

/* What asks is durable. After a restart a confirmation is asked after instead of repeated. */
static void check_durable(struct world *world, const struct gateway_job *job)
{
    struct reservation_id id = parse_order(world, job->order_id);
    struct record *record = &world->shoppers.record;

    if (!journal_memory_find(world->journal, RECORD_ORDER, id.partition, 0, id.sequence, record) ||
        record->order.created_wall_ms != id.created_ms)
        violation("the gateway is asked to %s for an order that is not durable",
                  operation_name(job->operation));
    if (operation_of_step[record->order.step] != job->operation + 1 &&
        !((record->order.step == STEP_CONFIRM || record->order.step == STEP_REFUND) &&
          job->operation == GATEWAY_QUERY))
        violation("the gateway is asked to %s, and the order's record says %s",
                  operation_name(job->operation),
                  order_step_name((enum order_step)record->order.step));
}

static bool submit(void *self, struct gateway_job *job)
{
    static const uint32_t mischiefs[CALL_MISCHIEFS] = {
        [CALL_LOST] = 25,        [CALL_ANSWER_LOST] = 30, [CALL_SILENT] = 2,
        [CALL_UNAVAILABLE] = 20, [CALL_REFUSED] = 20,
    };
    struct world *world = self;
    struct sim_gateway *gateway = &world->gateway;
    struct sim_gateway_call *call = NULL;
    bool calm = world->phase == PHASE_HEAL;

    check_durable(world, job);
    if (!calm && sim_random_chance(&world->random, SUBMIT_REFUSED_PARTS))
        return false;
    for (uint32_t i = 0; i < SIM_GATEWAY_CALLS_MAX && call == NULL; i++)
        if (!gateway->calls[i].is_used)
            call = &gateway->calls[i];
    if (call == NULL)
        return false;
    *call = (struct sim_gateway_call){
        .job = job, .asked = *job, .sent_ms = world_now(world), .is_used = true};
    call->asked.done = NULL;
    gateway->call_count++;
    if (!calm && sim_random_chance(&world->random, MISCHIEF_PARTS))
        call->mischief = (uint8_t)sim_random_weighted(&world->random, mischiefs, CALL_MISCHIEFS);
    if (!calm && call->mischief != CALL_SILENT &&
        sim_random_chance(&world->random, AT_ONCE_PARTS)) {
        do_call(world, call);
        give_back(world, call);
    }
    return true;
}

static bool has(void *self, uint8_t provider)
{
    (void)self;
    return provider == PROVIDER_SANDBOX || provider == PROVIDER_STRIPE;
}

static bool confirms(void *self, uint8_t provider)
{
    (void)self;
    return provider == PROVIDER_SANDBOX;
}

struct gateway_port sim_gateway_port(struct world *world)
{
    return (struct gateway_port){.self = world, .submit = submit, .has = has, .confirms = confirms};
}

void sim_gateway_restart(struct world *world)
{
    for (uint32_t i = 0; i < SIM_GATEWAY_CALLS_MAX; i++) {
        struct sim_gateway_call *call = &world->gateway.calls[i];

        if (!call->is_used)
            continue;
        call->job = NULL;
        if (call->is_done || sim_random_chance(&world->random, 500000)) {
            call->is_used = false; /* it had not left */
            world->gateway.call_count--;
        }
    }
    sim_events_restart(world);
}

/* ---- what happens there ---- */

bool sim_gateway_is_payable(struct world *world, uint32_t index)
{
    const struct sim_payment *payment = &world->gateway.payments[index];
    struct record *record = &world->shoppers.record;

    return journal_memory_find(world->journal, RECORD_ORDER, payment->order.partition, 0,
                               payment->order.sequence, record) &&
           strcmp(record->order.payment_id, payment->id) == 0;
}

void sim_gateway_pay(struct world *world, uint32_t index)
{
    const struct sim_payment *payment = &world->gateway.payments[index];

    if ((payment->state == PAYMENT_CREATED || payment->state == PAYMENT_PROCESSING) &&
        sim_gateway_is_payable(world, index))
        authorise(world, index);
}

/* Somebody gives a part of it back by the gateway's own pages, or all. */
static void refund_elsewhere(struct world *world, uint32_t index, uint32_t drawn)
{
    struct sim_payment *payment = &world->gateway.payments[index];
    int64_t left_minor = payment->captured_minor - payment->refunded_minor;
    int64_t amount_minor = drawn % 2 == 0 ? left_minor : 1 + left_minor / 5;

    if (left_minor == 0)
        return;
    payment->refunded_minor += amount_minor;
    payment->elsewhere_minor += amount_minor;
    transfer(world, index, MONEY_SHOP, MONEY_CUSTOMERS, amount_minor);
    world_log(world, "gateway: %lld of %s go back by itself", (long long)amount_minor, payment->id);
    sim_events_add_refund(world, index);
    world_mark(world, MARK_REFUNDED_ELSEWHERE);
}

/* Something of its own: a browser pays, a slow payment comes through or does not, an authorisation
 * lapses. */
static void move_by_itself(struct world *world)
{
    struct sim_gateway *gateway = &world->gateway;
    uint32_t recent = gateway->payment_count < 16 ? gateway->payment_count : 16;
    uint32_t index;
    struct sim_payment *payment;
    uint32_t drawn = sim_random_below(&world->random, 100);

    if (recent == 0)
        return;
    index = gateway->payment_count - 1 - sim_random_below(&world->random, recent);
    payment = &gateway->payments[index];
    if (payment->state == PAYMENT_CAPTURED && drawn < 12)
        refund_elsewhere(world, index, drawn);
    else if (payment->state == PAYMENT_PROCESSING && drawn < 70)
        sim_gateway_pay(world, index);
    else if (payment->state == PAYMENT_PROCESSING)
        payment->state = PAYMENT_CREATED;
    else if (payment->state == PAYMENT_CREATED && payment->provider != PROVIDER_SANDBOX &&
             drawn < 40)
        sim_gateway_pay(world, index);
    else if ((payment->state == PAYMENT_AUTHORISED || payment->state == PAYMENT_CREATED) &&
             drawn >= 98)
        cancel(world, index);
}

static void go_on_with_call(struct world *world)
{
    uint32_t skip = sim_random_below(&world->random, world->gateway.call_count);
    struct sim_gateway_call *call = world->gateway.calls;
    bool is_due;

    while (!call->is_used || skip-- > 0)
        call++;
    is_due = call->mischief != CALL_SILENT || world->phase == PHASE_HEAL ||
             world_now(world) - call->sent_ms >= call->asked.timeout_ms;
    if (!call->is_done) {
        do_call(world, call);
        if (call->job == NULL)
            world_mark(world, MARK_GATEWAY_GHOST);
    } else if (is_due) {
        give_back(world, call);
    }
}

bool sim_gateway_is_busy(const struct world *world)
{
    return world->gateway.call_count > 0;
}

void sim_gateway_act(struct world *world)
{
    uint32_t drawn = sim_random_below(&world->random, 100);
    bool calm = world->phase == PHASE_HEAL;

    if (world->gateway.call_count > 0 && (calm || drawn < 55))
        go_on_with_call(world);
    else if (calm)
        return;
    else if (drawn % 40 == 0)
        sim_events_add_false(world);
    else if (drawn % 3 == 0)
        move_by_itself(world);
    else
        sim_events_tell(world);
}
