/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of orders through the engine: a shop with one SKU, a gateway that keeps books, and
 * the calls of a checkout, a customer, staff and the gateway. */
#ifndef STAMPEDE_TEST_ORDER_FIXTURE_H
#define STAMPEDE_TEST_ORDER_FIXTURE_H

#include "engine_fixture.h"

enum { CALLS_MAX = 64, PRICE = 1999, UNITS = 2 };

/* A gateway that does what it is told to, and keeps books. */
struct till {
    struct gateway_job calls[CALLS_MAX];
    uint32_t count;
    uint8_t result[GATEWAY_QUERY + 1]; /* of the next calls, by operation */
    bool silent;                       /* has its effect, and says UNKNOWN */
    bool mute[GATEWAY_QUERY + 1];      /* does not say how the payment stands, by operation */
    bool kept[GATEWAY_QUERY + 1]; /* has its effect once, and says UNKNOWN for ever, by operation */
    int64_t authorised;
    int64_t captured;
    int64_t refunded;
    bool is_cancelled;
    bool has_url;
};

static struct till till;

static inline uint8_t state_of_payment(void)
{
    if (till.captured > 0)
        return PAYMENT_CAPTURED;
    if (till.is_cancelled)
        return PAYMENT_CANCELLED;
    return till.authorised > 0 ? PAYMENT_AUTHORISED : PAYMENT_CREATED;
}

static inline void have_effect(const struct gateway_job *job)
{
    switch ((int)job->operation) {
    case GATEWAY_CONFIRM:
        till.authorised = job->amount_minor;
        break;
    case GATEWAY_CAPTURE:
        till.captured = till.authorised;
        break;
    case GATEWAY_CANCEL:
        till.is_cancelled = till.captured == 0;
        break;
    case GATEWAY_REFUND:
        till.refunded += job->amount_minor;
        break;
    default:
        break;
    }
}

static inline bool is_repeated(const struct gateway_job *job)
{
    for (uint32_t i = 0; i < till.count; i++)
        if (till.calls[i].operation == job->operation && strcmp(till.calls[i].key, job->key) == 0 &&
            till.calls[i].result == GATEWAY_DONE)
            return true;
    return false;
}

static inline bool call_till(void *self, struct gateway_job *job)
{
    (void)self;
    assert_true(till.count < CALLS_MAX);
    job->result = till.result[job->operation];
    if (job->result == GATEWAY_DONE && !is_repeated(job))
        have_effect(job);
    till.calls[till.count++] = *job;
    till.calls[till.count - 1].result = job->result;
    if (till.silent || till.kept[job->operation])
        job->result = GATEWAY_UNKNOWN;
    if (job->operation == GATEWAY_CREATE)
        strcpy(job->payment_id, "pay_1");
    if (job->operation == GATEWAY_CREATE && till.has_url)
        memset(job->redirect_url, 'u', PAYMENT_URL_MAX);
    job->state = till.mute[job->operation] ? PAYMENT_NONE : state_of_payment();
    job->captured_minor = till.captured;
    job->refunded_minor = till.refunded;
    job->done(job);
    return true;
}

static inline bool has(void *self, uint8_t provider)
{
    (void)self;
    return provider == PROVIDER_SANDBOX;
}

static inline uint32_t calls_of(enum gateway_operation operation)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < till.count; i++)
        count += till.calls[i].operation == operation;
    return count;
}

static inline int set_up(void **state)
{
    struct fixture *fixture;

    memset(&till, 0, sizeof(till));
    fixture_set_up(state);
    fixture = *state;
    fixture->gateway = (struct gateway_port){.submit = call_till, .has = has, .confirms = has};
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_product(fixture, "shoe", "SHOE", 10, 0), OUTCOME_OK);
    return 0;
}

static inline void settle(struct fixture *fixture)
{
    for (int i = 0; i < 24; i++)
        fixture_run(fixture);
}

static inline struct hold_view hold_units(struct fixture *fixture, uint8_t who)
{
    struct message reply;

    assert_int_equal(fixture_reserve(fixture, 0, who, "key", "SHOE", UNITS, &reply), OUTCOME_OK);
    return reply.reply.hold;
}

/* Of the question that had no answer when all had settled. */
static uint64_t late_cookie;

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (late_cookie != 0 && fixture->reply_counts[late_cookie] == 1)
        envelope_free(fixture->replies[late_cookie].reply.order);
    late_cookie = 0;
    return fixture_tear_down(state);
}

/* Sends the call, lets all settle; the answer's outcome, PENDING if there is none. */
static inline enum outcome ask(struct fixture *fixture, struct order_envelope *question)
{
    struct order_envelope *envelope = order_envelope_create((enum order_call)question->call);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    enum outcome outcome;
    uint64_t cookie;

    *envelope = *question;
    cookie = fixture_submit(fixture, 1, &command, &outcome);
    if (cookie == 0) {
        envelope_free(envelope);
        return outcome;
    }
    settle(fixture);
    if (fixture->reply_counts[cookie] == 0) {
        assert_int_equal(late_cookie, 0);
        late_cookie = cookie;
        return OUTCOME_PENDING;
    }
    assert_int_equal(fixture->reply_counts[cookie], 1);
    outcome = (enum outcome)fixture->replies[cookie].reply.outcome;
    *question = *fixture->replies[cookie].reply.order;
    envelope_free(fixture->replies[cookie].reply.order);
    return outcome;
}

static inline struct order_envelope *checkout(struct fixture *fixture, uint8_t who,
                                              const struct hold_view *hold, uint64_t key)
{
    static struct order_envelope envelope;

    memset(&envelope, 0, sizeof(envelope));
    envelope.call = ORDER_CALL_CREATE;
    envelope.who[0] = buyer(who);
    envelope.who_count = 1;
    envelope.order.key.word[0] = key;
    envelope.order.fingerprint = 7;
    envelope.order.hold = hold->id;
    envelope.order.expires_wall_ms = hold->deadline_wall_ms;
    memcpy(envelope.order.currency, "EUR", 4);
    envelope.order.provider = PROVIDER_SANDBOX;
    envelope.order.totals =
        (struct order_totals){.subtotal_minor = UNITS * PRICE, .total_minor = UNITS * PRICE};
    envelope.body.line_count = 1;
    envelope.body.lines[0] = (struct order_line){.sku_id = hold->lines[0].sku_id,
                                                 .quantity = UNITS,
                                                 .unit_price_minor = PRICE,
                                                 .total_minor = UNITS * PRICE};
    envelope.body.text_length = 5;
    memcpy(envelope.text, "shoes", 5);
    envelope.person.key_length = 4;
    envelope.person.email_length = 3;
    (void)fixture;
    return &envelope;
}

static inline struct order_envelope about(const struct order_envelope *order, enum order_call call)
{
    return (struct order_envelope){
        .call = (uint8_t)call, .who = {order->order.principal}, .who_count = 1, .id = order->id};
}

static inline struct order_envelope make_order(struct fixture *fixture, uint8_t who)
{
    struct hold_view hold = hold_units(fixture, who);
    struct order_envelope *envelope = checkout(fixture, who, &hold, 100 + who);

    assert_int_equal(ask(fixture, envelope), OUTCOME_OK);
    assert_int_equal(envelope->order.status, ORDER_PENDING);
    assert_int_equal(envelope->order.step, STEP_WAIT);
    assert_string_equal(envelope->order.payment_id, "pay_1");
    return *envelope;
}

static inline enum outcome pay(struct fixture *fixture, const struct order_envelope *order,
                               struct order_envelope *answer_out)
{
    *answer_out = about(order, ORDER_CALL_CONFIRM);
    strcpy(answer_out->method, "pm_card_visa");
    return ask(fixture, answer_out);
}

static inline enum outcome tell(struct fixture *fixture, const struct order_envelope *order,
                                const char *event, enum payment_state what, int64_t amount_minor)
{
    struct order_envelope envelope = about(order, ORDER_CALL_EVENT);

    envelope.authority = AUTHORITY_STAFF;
    strcpy(envelope.event.event_id, event);
    strcpy(envelope.event.payment_id, "pay_1");
    memcpy(envelope.event.currency, "EUR", 4);
    envelope.event.state = (uint8_t)what;
    envelope.event.amount_minor = amount_minor;
    envelope.event.captured_minor = what == PAYMENT_CAPTURED ? amount_minor : 0;
    return ask(fixture, &envelope);
}

static inline struct order_envelope staff(const struct order_envelope *order, enum order_call call)
{
    struct order_envelope envelope = about(order, call);

    envelope.authority = AUTHORITY_STAFF;
    return envelope;
}

static inline struct order_envelope sell(struct fixture *fixture)
{
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    return answer;
}

static inline struct coupon_view one_use_each(struct fixture *fixture)
{
    struct coupon_envelope *envelope = coupon_envelope_create(COUPON_CALL_CREATE);
    struct command command = {.type = COMMAND_COUPON,
                              .authority = AUTHORITY_STAFF,
                              .origin = {.caller = AUDIT_BY_ADMIN_KEY},
                              .coupon = envelope};
    struct message reply;
    struct coupon_view view;

    strcpy(envelope->view.definition.code, "ONCE");
    envelope->view.definition.max_uses_per_customer = 1;
    envelope->view.definition.rule.kind = COUPON_PERCENTAGE;
    envelope->view.definition.rule.percent_bp = 1000;
    assert_int_equal(fixture_do(fixture, 1, &command, &reply), OUTCOME_OK);
    view = envelope->view;
    envelope_free(envelope);
    return view;
}

static inline enum outcome tell_refund(struct fixture *fixture, const struct order_envelope *order,
                                       const char *event, int64_t refunded_minor)
{
    struct order_envelope envelope = about(order, ORDER_CALL_EVENT);

    envelope.authority = AUTHORITY_STAFF;
    strcpy(envelope.event.event_id, event);
    strcpy(envelope.event.payment_id, "pay_1");
    memcpy(envelope.event.currency, "EUR", 4);
    envelope.event.refunded_minor = refunded_minor;
    envelope.event.refund_failed = refunded_minor == 0;
    return ask(fixture, &envelope);
}

static inline struct order_envelope *checkout_with(struct fixture *fixture, uint8_t who,
                                                   const struct hold_view *hold, uint64_t key,
                                                   const struct coupon_view *coupon)
{
    struct order_envelope *envelope = checkout(fixture, who, hold, key);

    memcpy(envelope->order.coupon, coupon->definition.code, sizeof(envelope->order.coupon));
    envelope->order.coupon_partition = coupon->partition;
    envelope->order.coupon_number = coupon->number;
    envelope->order.coupon_version = coupon->version;
    return envelope;
}

#endif
