/* SPDX-License-Identifier: Apache-2.0 */
/* Orders through the engine: the whole saga, what a restart takes up again, what the gateway may
 * do in between. */
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

static uint8_t state_of_payment(void)
{
    if (till.captured > 0)
        return PAYMENT_CAPTURED;
    if (till.is_cancelled)
        return PAYMENT_CANCELLED;
    return till.authorised > 0 ? PAYMENT_AUTHORISED : PAYMENT_CREATED;
}

static void have_effect(const struct gateway_job *job)
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

static bool is_repeated(const struct gateway_job *job)
{
    for (uint32_t i = 0; i < till.count; i++)
        if (strcmp(till.calls[i].key, job->key) == 0 && till.calls[i].result == GATEWAY_DONE)
            return true;
    return false;
}

static bool call_till(void *self, struct gateway_job *job)
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

static bool has(void *self, uint8_t provider)
{
    (void)self;
    return provider == PROVIDER_SANDBOX;
}

static uint32_t calls_of(enum gateway_operation operation)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < till.count; i++)
        count += till.calls[i].operation == operation;
    return count;
}

static int set_up(void **state)
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

static void settle(struct fixture *fixture)
{
    for (int i = 0; i < 24; i++)
        fixture_run(fixture);
}

static struct hold_view hold_units(struct fixture *fixture, uint8_t who)
{
    struct message reply;

    assert_int_equal(fixture_reserve(fixture, 0, who, "key", "SHOE", UNITS, &reply), OUTCOME_OK);
    return reply.reply.hold;
}

/* Of the question that had no answer when all had settled. */
static uint64_t late_cookie;

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (late_cookie != 0 && fixture->reply_counts[late_cookie] == 1)
        envelope_free(fixture->replies[late_cookie].reply.order);
    late_cookie = 0;
    return fixture_tear_down(state);
}

/* Sends the call, lets all settle; the answer's outcome, PENDING if there is none. */
static enum outcome ask(struct fixture *fixture, struct order_envelope *question)
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

static struct order_envelope *checkout(struct fixture *fixture, uint8_t who,
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

static struct order_envelope about(const struct order_envelope *order, enum order_call call)
{
    return (struct order_envelope){
        .call = (uint8_t)call, .who = {order->order.principal}, .who_count = 1, .id = order->id};
}

static struct order_envelope make_order(struct fixture *fixture, uint8_t who)
{
    struct hold_view hold = hold_units(fixture, who);
    struct order_envelope *envelope = checkout(fixture, who, &hold, 100 + who);

    assert_int_equal(ask(fixture, envelope), OUTCOME_OK);
    assert_int_equal(envelope->order.status, ORDER_PENDING);
    assert_int_equal(envelope->order.step, STEP_WAIT);
    assert_string_equal(envelope->order.payment_id, "pay_1");
    return *envelope;
}

static enum outcome pay(struct fixture *fixture, const struct order_envelope *order,
                        struct order_envelope *answer_out)
{
    *answer_out = about(order, ORDER_CALL_CONFIRM);
    strcpy(answer_out->method, "pm_card_visa");
    return ask(fixture, answer_out);
}

static void an_order_is_paid_and_sold(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_stock(fixture, "SHOE", 8, 2, 0);
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_int_equal(answer.order.captured_minor, UNITS * PRICE);
    assert_memory_equal(answer.text, "shoes", 5);
    assert_stock(fixture, "SHOE", 8, 0, 2);
    assert_int_equal(till.captured, UNITS * PRICE);
    /* Once more: the same answer, and nothing happens again. */
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    assert_int_equal(calls_of(GATEWAY_CAPTURE), 1);
    /* Also after a restart, read from the journal. */
    assert_int_equal(fixture_crash(fixture), 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_memory_equal(answer.text, "shoes", 5);
    answer.who[0] = buyer(2);
    assert_int_equal(ask(fixture, &answer), OUTCOME_NOT_FOUND);
}

static void a_checkout_s_key_makes_one_order(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct hold_view hold = {.id = order.order.hold, .lines = {{order.body.lines[0].sku_id, 2}}};
    struct order_envelope *again = checkout(fixture, 1, &hold, 101);

    assert_int_equal(ask(fixture, again), OUTCOME_OK);
    assert_int_equal(again->replayed, 1);
    assert_int_equal(again->id.sequence, order.id.sequence);
    again = checkout(fixture, 1, &hold, 101);
    again->order.fingerprint = 8;
    assert_int_equal(ask(fixture, again), OUTCOME_KEY_REUSED);
    again = checkout(fixture, 1, &hold, 55); /* the same hold for another order */
    assert_int_equal(ask(fixture, again), OUTCOME_HOLD_IN_USE);
    assert_int_equal(pay(fixture, &order, again), OUTCOME_OK);
    assert_int_equal(fixture_crash(fixture), 0);
    again = checkout(fixture, 1, &hold, 101);
    assert_int_equal(ask(fixture, again), OUTCOME_OK);
    assert_int_equal(again->replayed, 1);
    assert_int_equal(again->order.status, ORDER_CONFIRMED);
    again = checkout(fixture, 1, &hold, 55); /* free again: it never was */
    assert_int_equal(ask(fixture, again), OUTCOME_HOLD_ENDED);
}

static void a_declined_card_keeps_the_hold(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.result[GATEWAY_CONFIRM] = GATEWAY_DECLINED;
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PAYMENT_DECLINED);
    assert_stock(fixture, "SHOE", 8, 2, 0);
    till.result[GATEWAY_CONFIRM] = GATEWAY_DONE;
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
}

static void what_is_not_paid_expires_and_gives_all_back(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10);
    settle(fixture);
    assert_stock(fixture, "SHOE", 10, 0, 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_EXPIRED);
    assert_true(till.is_cancelled);
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_INVALID_STATE);
}

static enum outcome prolong(struct fixture *fixture, const struct order_envelope *order,
                            int64_t by_ms)
{
    struct order_envelope envelope = about(order, ORDER_CALL_PROLONG);

    envelope.id.created_ms = 0; /* as holds know it */
    envelope.authority = AUTHORITY_STAFF;
    envelope.expires_wall_ms = order->order.expires_wall_ms + by_ms;
    return ask(fixture, &envelope);
}

static void what_is_prolonged_expires_later(void **state)
{
    enum { LONGER_MS = 60 * 1000 };
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(prolong(fixture, &order, LONGER_MS), OUTCOME_OK);
    assert_int_equal(prolong(fixture, &order, LONGER_MS / 2), OUTCOME_OK); /* nothing is lost */
    assert_int_equal(fixture_crash(fixture), 0);
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10);
    settle(fixture);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_PENDING);
    assert_int_equal(answer.order.expires_wall_ms, order.order.expires_wall_ms + LONGER_MS);
    fixture_advance(fixture, LONGER_MS);
    settle(fixture);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_EXPIRED);
    assert_int_equal(prolong(fixture, &order, 2 * LONGER_MS), OUTCOME_HOLD_ENDED);
}

static void a_capture_without_a_word_is_asked_for_until_it_is_known(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.result[GATEWAY_CAPTURE] = GATEWAY_UNKNOWN;
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PENDING);
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10); /* a pinned hold does not lapse */
    settle(fixture);
    assert_stock(fixture, "SHOE", 8, 2, 0);
    assert_int_equal(fixture_crash(fixture), 0);
    till.result[GATEWAY_CAPTURE] = GATEWAY_DONE;
    fixture_advance(fixture, 120 * 1000);
    settle(fixture);
    assert_stock(fixture, "SHOE", 8, 0, 2);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_int_equal(till.captured, UNITS * PRICE);
}

static void a_gateway_that_is_away_undoes_the_beginning(void **state)
{
    struct fixture *fixture = *state;
    struct hold_view hold = hold_units(fixture, 1);
    struct order_envelope *envelope = checkout(fixture, 1, &hold, 9);

    till.result[GATEWAY_CREATE] = GATEWAY_UNAVAILABLE;
    assert_int_equal(ask(fixture, envelope), OUTCOME_GATEWAY_UNAVAILABLE);
    assert_stock(fixture, "SHOE", 8, 2, 0); /* the hold is kept, and nobody's */
    till.result[GATEWAY_CREATE] = GATEWAY_DONE;
    envelope = checkout(fixture, 1, &hold, 9);
    assert_int_equal(ask(fixture, envelope), OUTCOME_OK);
    assert_int_equal(envelope->replayed, 0);
}

static void money_goes_back_once(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_REFUND);
    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = PRICE;
    answer.refund_key = 5;
    answer.restock = 1;
    answer.quantities[0] = 1;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_stock(fixture, "SHOE", 9, 0, 1);
    answer = about(&order, ORDER_CALL_REFUND);
    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = PRICE;
    answer.refund_key = 5;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.replayed, 1);
    assert_int_equal(till.refunded, PRICE);
    answer = about(&order, ORDER_CALL_REFUND);
    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = PRICE + 1;
    answer.refund_key = 6;
    assert_int_equal(ask(fixture, &answer), OUTCOME_REFUND_TOO_LARGE);
    answer.amount_minor = 0;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_REFUNDED);
    assert_int_equal(till.refunded, UNITS * PRICE);
}

static void a_customer_cancels_before_and_after_paying(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer = about(&order, ORDER_CALL_CANCEL);

    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_stock(fixture, "SHOE", 10, 0, 0);
    memset(&till, 0, sizeof(till));
    order = make_order(fixture, 2);
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_int_equal(till.refunded, till.captured);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

static enum outcome tell(struct fixture *fixture, const struct order_envelope *order,
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

static void an_event_counts_once_and_only_with_the_right_amount(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.authorised = UNITS * PRICE;
    assert_int_equal(tell(fixture, &order, "evt_1", PAYMENT_AUTHORISED, 1), OUTCOME_OK);
    assert_stock(fixture, "SHOE", 8, 2, 0);
    assert_int_equal(tell(fixture, &order, "evt_2", PAYMENT_AUTHORISED, UNITS * PRICE), OUTCOME_OK);
    assert_int_equal(tell(fixture, &order, "evt_2", PAYMENT_AUTHORISED, UNITS * PRICE), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
    assert_int_equal(calls_of(GATEWAY_CAPTURE), 1);
    assert_stock(fixture, "SHOE", 8, 0, 2);
}

static void money_that_comes_too_late_goes_back(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);

    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT + 10);
    settle(fixture);
    till.is_cancelled = false;
    till.captured = UNITS * PRICE;
    assert_int_equal(tell(fixture, &order, "evt_9", PAYMENT_CAPTURED, UNITS * PRICE), OUTCOME_OK);
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* As Stripe does with an error of its own: whatever happened, the key's answer is the error. */
static void a_refund_whose_answer_is_lost_for_good_is_looked_for(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.kept[GATEWAY_REFUND] = true;
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING);
    for (int i = 0; i < 12; i++) {
        fixture_advance(fixture, 60 * 1000);
        settle(fixture);
    }
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_int_equal(calls_of(GATEWAY_QUERY), 1);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
    assert_int_equal(answer.order.refunded_minor, UNITS * PRICE);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* The gateway may have forgotten its key meanwhile. */
static void a_refund_is_looked_for_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.silent = true;
    answer = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING);
    assert_int_equal(till.refunded, UNITS * PRICE);
    assert_int_equal(fixture_crash(fixture), 0);
    late_cookie = 0;
    memset(till.calls, 0, sizeof(till.calls)); /* and so a repeat would be a second refund */
    till.silent = false;
    settle(fixture);
    fixture_advance(fixture, 60 * 1000);
    settle(fixture);
    assert_int_equal(till.refunded, UNITS * PRICE);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CANCELLED);
}

static void a_capture_refused_without_a_word_of_the_payment_is_not_taken_for_undone(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.kept[GATEWAY_CAPTURE] = true; /* done, and no word of it */
    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PENDING);
    assert_int_equal(till.captured, UNITS * PRICE);
    till.kept[GATEWAY_CAPTURE] = false;
    till.result[GATEWAY_CAPTURE] = GATEWAY_REFUSED;
    till.result[GATEWAY_CANCEL] = GATEWAY_REFUSED;
    till.mute[GATEWAY_CAPTURE] = true;
    for (int i = 0; i < 4; i++) {
        fixture_advance(fixture, 60 * 1000);
        settle(fixture);
    }
    assert_int_equal(till.refunded, UNITS * PRICE);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_PAYMENT_FAILED);
    assert_int_equal(answer.order.captured_minor, answer.order.refunded_minor);
    assert_stock(fixture, "SHOE", 10, 0, 0);
}

/* Its own payment's answer is not there yet: another's must not be taken for it. */
static void an_event_before_the_payment_is_known_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct hold_view hold = hold_units(fixture, 1);
    struct order_envelope *order = checkout(fixture, 1, &hold, 9);
    struct order_envelope question = *order;
    struct order_envelope event = {.who_count = 0};
    struct command command = {.type = COMMAND_ORDER,
                              .order = order_envelope_create(ORDER_CALL_CREATE)};
    enum outcome outcome;
    uint64_t cookie;

    till.result[GATEWAY_CREATE] = GATEWAY_UNKNOWN;
    *command.order = question;
    cookie = fixture_submit(fixture, 1, &command, &outcome);
    settle(fixture);
    assert_true(calls_of(GATEWAY_CREATE) > 0);
    order_id_parse(till.calls[0].order_id, strlen(till.calls[0].order_id),
                   &engine_secrets(fixture->engine)->id_key, &event.id);
    assert_int_equal(tell(fixture, &event, "evt_x", PAYMENT_AUTHORISED, UNITS * PRICE), OUTCOME_OK);
    assert_int_equal(calls_of(GATEWAY_CAPTURE) + calls_of(GATEWAY_CANCEL), 0);
    till.result[GATEWAY_CREATE] = GATEWAY_DONE;
    fixture_advance(fixture, 5000);
    settle(fixture);
    assert_int_equal(fixture->reply_counts[cookie], 1);
    assert_int_equal(fixture->replies[cookie].reply.outcome, OUTCOME_OK);
    assert_int_equal(fixture->replies[cookie].reply.order->order.step, STEP_WAIT);
    envelope_free(fixture->replies[cookie].reply.order);
}

static struct coupon_view one_use_each(struct fixture *fixture)
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

static struct order_envelope *checkout_with(struct fixture *fixture, uint8_t who,
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

/* Who a customer was as a guest counts for a coupon's limit, also when the process dies between the
 * order's first record and the coupon's. */
static void a_restart_forgets_no_guest_of_a_coupon_s_customer(void **state)
{
    struct fixture *fixture = *state;
    struct coupon_view coupon = one_use_each(fixture);
    struct hold_view hold = hold_units(fixture, 1);
    struct command command = {.type = COMMAND_ORDER};
    enum outcome outcome;

    assert_int_equal(ask(fixture, checkout_with(fixture, 1, &hold, 1, &coupon)), OUTCOME_OK);
    hold = hold_units(fixture, 2);
    command.order = order_envelope_create(ORDER_CALL_CREATE);
    *command.order = *checkout_with(fixture, 2, &hold, 2, &coupon);
    command.order->who[1] = buyer(1);
    command.order->who_count = 2;
    assert_int_not_equal(fixture_submit(fixture, 1, &command, &outcome), 0);
    fixture_step(fixture, false);
    assert_int_not_equal(journal_memory_pending(fixture->journal), 0);
    journal_memory_crash(fixture->journal, true); /* its record is there, and nothing behind it */
    engine_destroy(fixture->engine);
    assert_int_equal(fixture_open(fixture), 0);
    settle(fixture);
    struct order_envelope *again = checkout_with(fixture, 2, &hold, 2, &coupon);

    again->who[1] = buyer(1);
    again->who_count = 2;
    assert_int_equal(ask(fixture, again), OUTCOME_COUPON_EXHAUSTED);
}

/* ---- mails ---- */

enum { MAILS_MAX = 16 };

/* Mails that the courier was given; it brings each back at once. */
static struct {
    uint8_t kinds[MAILS_MAX];
    int64_t refunds[MAILS_MAX];
    char text[8];
    uint32_t count;
    enum courier_result result;
} post;

static void take_mail(void *user, struct shard *shard, struct engine_mail *mail)
{
    (void)user;
    (void)shard;
    assert_true(post.count < MAILS_MAX && mail->order->person.key_length == 4);
    post.kinds[post.count] = mail->template;
    post.refunds[post.count++] = mail->order->order.refunds[mail->refund].amount_minor;
    memcpy(post.text, mail->order->text, mail->order->body.text_length);
    engine_mail_done(mail, post.result, "its word");
}

static void employ(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->options.shards; i++)
        shard_set_order_courier(engine_shard(fixture->engine, i), take_mail, NULL);
    settle(fixture);
}

static void assert_mails(struct fixture *fixture, uint32_t count, uint32_t stored)
{
    settle(fixture);
    assert_int_equal(post.count, count);
    assert_int_equal(journal_memory_count(fixture->journal, RECORD_ORDER_MAIL), stored);
}

static struct order_envelope staff(const struct order_envelope *order, enum order_call call)
{
    struct order_envelope envelope = about(order, call);

    envelope.authority = AUTHORITY_STAFF;
    return envelope;
}

static struct order_envelope sell(struct fixture *fixture)
{
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    return answer;
}

static void each_change_is_told_of_once(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order;
    struct order_envelope call;

    memset(&post, 0, sizeof(post));
    employ(fixture);
    order = sell(fixture);
    assert_mails(fixture, 1, 0);
    assert_int_equal(post.kinds[0], ORDER_MAIL_CONFIRMED);
    assert_memory_equal(post.text, "shoes", 5);
    for (uint32_t i = 0; i < 3; i++) { /* shipped, a little goes back, shipped again */
        call = staff(&order, ORDER_CALL_FULFIL);
        strcpy(call.tracking, "T1");
        assert_int_equal(ask(fixture, &call), OUTCOME_OK);
        call = staff(&order, ORDER_CALL_REFUND);
        call.amount_minor = 10 + i;
        call.refund_key = 1 + i;
        assert_int_equal(ask(fixture, &call), OUTCOME_OK);
        assert_mails(fixture, 3 + i, 0);
        assert_int_equal(post.kinds[2 + i], ORDER_MAIL_REFUNDED);
        assert_int_equal(post.refunds[2 + i], 10 + i);
    }
    assert_int_equal(post.kinds[1], ORDER_MAIL_SHIPPED);
    assert_int_equal(fixture_crash(fixture), 0);
    employ(fixture);
    assert_mails(fixture, 5, 0);
}

static void a_cancelled_order_is_told_of_if_it_was_paid(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order;
    struct order_envelope call;

    memset(&post, 0, sizeof(post));
    employ(fixture);
    order = make_order(fixture, 1);
    call = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    assert_mails(fixture, 0, 0);
    memset(&till, 0, sizeof(till));
    order = make_order(fixture, 2);
    assert_int_equal(pay(fixture, &order, &call), OUTCOME_OK);
    call = about(&order, ORDER_CALL_CANCEL);
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    assert_mails(fixture, 2, 0);
    assert_int_equal(post.kinds[1], ORDER_MAIL_CANCELLED);
}

static void what_is_owed_survives_a_restart(void **state)
{
    struct fixture *fixture = *state;

    memset(&post, 0, sizeof(post));
    post.result = COURIER_LATER;
    employ(fixture);
    sell(fixture);
    assert_mails(fixture, 1, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    post.result = COURIER_DELIVERED;
    employ(fixture);
    assert_mails(fixture, 1, 1);
    fixture_advance(fixture, 61 * 1000);
    assert_mails(fixture, 2, 0);
    fixture_advance(fixture, MAIL_BACKOFF_MS_MAX);
    assert_mails(fixture, 2, 0);
}

static void without_a_way_none_is_owed(void **state)
{
    struct fixture *fixture = *state;

    memset(&post, 0, sizeof(post));
    sell(fixture);
    assert_mails(fixture, 0, 0);
    employ(fixture);
    assert_mails(fixture, 0, 0);
}

static void one_that_was_refused_is_kept_and_can_be_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order;
    struct order_envelope call;

    memset(&post, 0, sizeof(post));
    post.result = COURIER_REFUSED;
    employ(fixture);
    order = sell(fixture);
    assert_mails(fixture, 1, 1);
    fixture_advance(fixture, MAIL_BACKOFF_MS_MAX);
    assert_mails(fixture, 1, 1);
    post.result = COURIER_DELIVERED;
    call = staff(&order, ORDER_CALL_MAIL_RESULT);
    call.mail_result = MAIL_REPLAYED;
    call.mail.order_created_wall_ms = order.id.created_ms;
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    assert_mails(fixture, 2, 0);
    call = staff(&order, ORDER_CALL_MAIL_RESULT); /* it is gone */
    call.mail_result = MAIL_REPLAYED;
    assert_int_equal(ask(fixture, &call), OUTCOME_STALE);
    assert_mails(fixture, 2, 0);
}

static void nobody_is_told_who_was_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order;
    struct order_envelope call;

    memset(&post, 0, sizeof(post));
    post.result = COURIER_LATER;
    employ(fixture);
    order = sell(fixture);
    assert_mails(fixture, 1, 1);
    call = staff(&order, ORDER_CALL_FORGET);
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    fixture_advance(fixture, 61 * 1000);
    assert_mails(fixture, 2, 1); /* it is to be sent: so long it has somebody */
    call = staff(&order, ORDER_CALL_FULFIL);
    strcpy(call.tracking, "T1");
    assert_int_equal(ask(fixture, &call), OUTCOME_OK);
    fixture_advance(fixture, MAIL_BACKOFF_MS_MAX);
    assert_mails(fixture, 2, 0);
}

static struct order_envelope ask_refund(struct fixture *fixture, const struct order_envelope *order,
                                        uint64_t key, int64_t amount_minor, uint32_t units)
{
    struct order_envelope answer = about(order, ORDER_CALL_REFUND);

    answer.authority = AUTHORITY_STAFF;
    answer.amount_minor = amount_minor;
    answer.refund_key = key;
    answer.restock = units > 0;
    answer.quantities[0] = units;
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    return answer;
}

static struct engine_metrics metrics_of(const struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

/* Somebody else's units were restocked too many times: these cannot be, and that is told. */
static void units_that_cannot_be_put_back_are_told_of(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct command command = {.type = COMMAND_STOCK_RESTOCK};
    struct order_envelope answer;
    struct message reply;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    command.restock.sku_id = order.body.lines[0].sku_id;
    command.restock.quantity = 1;
    command.restock.key.word[0] = 77;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    assert_stock(fixture, "SHOE", 9, 0, 1);
    answer = staff(&order, ORDER_CALL_REFUND);
    answer.amount_minor = 2 * PRICE;
    answer.refund_key = 5;
    answer.restock = 1;
    answer.quantities[0] = 2;
    assert_int_equal(ask(fixture, &answer), OUTCOME_PENDING); /* the sale may not be known there */
    for (int i = 0; i < 10; i++) {
        fixture_advance(fixture, 1000);
        settle(fixture);
    }
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_REFUNDED);
    assert_int_equal(answer.order.attention, ORDER_ATTENTION_RESTOCK_REFUSED);
    assert_int_equal(answer.order.restocked[0], 0);
    assert_stock(fixture, "SHOE", 9, 0, 1);
    assert_int_equal(metrics_of(fixture).orders_restock_refused, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.attention, ORDER_ATTENTION_RESTOCK_REFUSED);
    assert_int_equal(metrics_of(fixture).orders_restock_refused, 0); /* it was counted */
}

/* The process ends with the units back on the shelf and the order not knowing it, and begins again
 * long after; others come for room for their keys first. */
static void a_restocking_is_done_once_however_long_the_shop_was_closed(void **state)
{
    enum { LATER_MS = 72 * 3600 * 1000 };
    struct fixture *fixture = *state;
    struct command restock = {.type = COMMAND_STOCK_RESTOCK};
    struct command adjust = {.type = COMMAND_STOCK_ADJUST, .authority = AUTHORITY_STAFF};
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;
    struct message reply;
    char key[8];

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    restock.restock.sku_id = order.body.lines[0].sku_id;
    restock.restock.quantity = 1;
    restock.restock.key.word[0] = 77;
    assert_int_equal(fixture_do(fixture, 0, &restock, &reply), OUTCOME_OK);
    fixture->now.wall_ms += LATER_MS;
    assert_int_equal(fixture_crash(fixture), 0);
    adjust.stock.sku = text("SHOE");
    adjust.stock.reason = text("found");
    adjust.stock.value = 1;
    for (unsigned i = 0; i < 70; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        adjust.stock.key = text(key);
        adjust.stock.body = text("body");
        assert_int_equal(fixture_do(fixture, 0, &adjust, &reply), OUTCOME_OK);
    }
    assert_int_equal(fixture_do(fixture, 0, &restock, &reply), OUTCOME_OK);
    assert_int_equal(reply.reply.replayed, 1);
    assert_stock(fixture, "SHOE", 79, 0, 1);
}

static void a_refund_is_answered_as_it_was_at_first(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope first;
    struct order_envelope again;

    assert_int_equal(pay(fixture, &order, &first), OUTCOME_OK);
    first = ask_refund(fixture, &order, 5, 100, 1);
    ask_refund(fixture, &order, 6, 0, 0);
    again = ask_refund(fixture, &order, 5, 100, 1);
    assert_int_equal(again.replayed, 1);
    assert_int_equal(again.order.status, ORDER_REFUNDED);
    order_show_refund(&again.order, 5);
    assert_int_equal(again.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_int_equal(again.order.refund_count, 1);
    assert_int_equal(again.order.refunded_minor, 100);
    assert_int_equal(again.order.timeline_count, first.order.timeline_count);
    order_show_refund(&again.order, 9); /* another's: nothing changes */
    assert_int_equal(again.order.refund_count, 1);
}

static enum outcome tell_refund(struct fixture *fixture, const struct order_envelope *order,
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

static void a_refund_made_at_the_gateway_is_in_the_books(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    assert_int_equal(pay(fixture, &order, &answer), OUTCOME_OK);
    till.refunded = 300;
    assert_int_equal(tell_refund(fixture, &order, "evt_1", 300), OUTCOME_OK);
    assert_int_equal(tell_refund(fixture, &order, "evt_1", 300), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.refunded_minor, 300);
    assert_int_equal(answer.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_int_equal(answer.order.attention, ORDER_ATTENTION_REFUNDED_ELSEWHERE);
    /* Others that no event has told of are seen with the answer to our own. */
    till.refunded += 50;
    answer = ask_refund(fixture, &order, 5, 100, 0);
    assert_int_equal(answer.order.refunded_minor, 450);
    assert_int_equal(answer.order.refund_count, 3);
    /* As many as there is room for, and more. */
    for (int64_t i = 0; i < ORDER_REFUNDS_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "evt_more%d", (int)i);
        till.refunded++;
        assert_int_equal(tell_refund(fixture, &order, name, 451 + i), OUTCOME_OK);
    }
    assert_int_equal(tell_refund(fixture, &order, "evt_fail", 0), OUTCOME_OK);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.refunded_minor, 450 + ORDER_REFUNDS_MAX);
    assert_int_equal(answer.order.refund_count, ORDER_REFUNDS_MAX);
    assert_int_equal(answer.order.attention,
                     ORDER_ATTENTION_REFUNDED_ELSEWHERE | ORDER_ATTENTION_REFUND_FAILED);
    assert_int_equal(metrics_of(fixture).orders_refunded_elsewhere, 1);
    assert_int_equal(metrics_of(fixture).orders_refund_failed, 1);
}

static void where_to_pay_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order;
    struct order_envelope answer;

    till.has_url = true;
    order = make_order(fixture, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    answer = about(&order, ORDER_CALL_GET);
    assert_int_equal(ask(fixture, &answer), OUTCOME_OK);
    assert_int_equal(strlen(answer.order.redirect_url), PAYMENT_URL_MAX);
}

/* Each try has a key of its own at the gateway, however many there are. */
static void a_card_may_be_declined_often(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = make_order(fixture, 1);
    struct order_envelope answer;

    till.result[GATEWAY_CONFIRM] = GATEWAY_DECLINED;
    for (unsigned i = 0; i < 300; i++) {
        till.count = 0;
        assert_int_equal(pay(fixture, &order, &answer), OUTCOME_PAYMENT_DECLINED);
    }
    assert_int_equal(answer.order.attempts, 300);
    assert_non_null(strstr(till.calls[0].key, "-confirm-300"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_paid_and_sold),
        TEST(a_checkout_s_key_makes_one_order),
        TEST(a_declined_card_keeps_the_hold),
        TEST(what_is_not_paid_expires_and_gives_all_back),
        TEST(what_is_prolonged_expires_later),
        TEST(a_capture_without_a_word_is_asked_for_until_it_is_known),
        TEST(a_gateway_that_is_away_undoes_the_beginning),
        TEST(money_goes_back_once),
        TEST(a_customer_cancels_before_and_after_paying),
        TEST(an_event_counts_once_and_only_with_the_right_amount),
        TEST(money_that_comes_too_late_goes_back),
        TEST(a_restart_forgets_no_guest_of_a_coupon_s_customer),
        TEST(an_event_before_the_payment_is_known_changes_nothing),
        TEST(a_refund_whose_answer_is_lost_for_good_is_looked_for),
        TEST(a_refund_is_looked_for_after_a_restart),
        TEST(a_capture_refused_without_a_word_of_the_payment_is_not_taken_for_undone),
        TEST(each_change_is_told_of_once),
        TEST(a_cancelled_order_is_told_of_if_it_was_paid),
        TEST(what_is_owed_survives_a_restart),
        TEST(without_a_way_none_is_owed),
        TEST(one_that_was_refused_is_kept_and_can_be_sent_again),
        TEST(nobody_is_told_who_was_forgotten),
        TEST(units_that_cannot_be_put_back_are_told_of),
        TEST(a_restocking_is_done_once_however_long_the_shop_was_closed),
        TEST(a_refund_is_answered_as_it_was_at_first),
        TEST(a_refund_made_at_the_gateway_is_in_the_books),
        TEST(where_to_pay_is_kept),
        TEST(a_card_may_be_declined_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
