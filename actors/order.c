/* SPDX-License-Identifier: Apache-2.0 */
/* The saga: what follows what. Calls are in order_calls.c, money that goes back in order_refund.c,
 * what every turn leaves in order_turn.c. */
#include "order_private.h"

#include <string.h>

enum {
    POLL_MS = 15 * 1000, /* the first time that a payment is asked after */
    POLL_MS_MAX = 300 * 1000,
    CAPTURE_TRIES_MAX = 20, /* that the gateway refuses although it is authorised */
    VOID_TRIES_MAX = 8,     /* likewise without a word of the payment: some seconds, and two keys */
};

#define AFTER(status) (1u << ORDER_##status)

static const uint32_t successors[ORDER_STATUS_COUNT] = {
    [ORDER_NONE] = AFTER(PENDING),
    [ORDER_PENDING] = AFTER(CONFIRMED) | AFTER(CANCELLED) | AFTER(EXPIRED) | AFTER(PAYMENT_FAILED),
    [ORDER_CONFIRMED] = AFTER(FULFILLING) | AFTER(SHIPPED) | AFTER(CANCELLED) |
                        AFTER(PARTIALLY_REFUNDED) | AFTER(REFUNDED),
    [ORDER_FULFILLING] = AFTER(SHIPPED) | AFTER(PARTIALLY_REFUNDED) | AFTER(REFUNDED),
    [ORDER_SHIPPED] = AFTER(DELIVERED) | AFTER(PARTIALLY_REFUNDED) | AFTER(REFUNDED),
    [ORDER_DELIVERED] = AFTER(PARTIALLY_REFUNDED) | AFTER(REFUNDED),
    [ORDER_PARTIALLY_REFUNDED] =
        AFTER(FULFILLING) | AFTER(SHIPPED) | AFTER(DELIVERED) | AFTER(CANCELLED) | AFTER(REFUNDED),
};

bool order_may_become(enum order_status before, enum order_status status)
{
    return (successors[before] & (1u << status)) != 0;
}

bool order_is_final(enum order_status status)
{
    return successors[status] == 0;
}

/* Without tracking it can be delivered as well; the timeline may have ended before. */
static bool was_sent(const struct order_record *order)
{
    bool was = order->tracking[0] != '\0';

    for (uint32_t i = 0; i < order->timeline_count; i++)
        was = was || order->timeline[i].status == ORDER_SHIPPED ||
              order->timeline[i].status == ORDER_DELIVERED;
    return was;
}

bool order_is_to_be_sent(const struct order_record *order)
{
    return (order->status == ORDER_CONFIRMED || order->status == ORDER_FULFILLING ||
            order->status == ORDER_PARTIALLY_REFUNDED) &&
           !was_sent(order);
}

/* A partition that could not be asked, or whose answer is not known, is asked again. */
static bool is_no_word(enum outcome outcome)
{
    return outcome == OUTCOME_OVERLOADED || outcome == OUTCOME_STORAGE_FULL ||
           outcome == OUTCOME_OUTCOME_UNKNOWN || outcome == OUTCOME_KEY_IN_FLIGHT;
}

/* ---- the beginning, and its undoing ---- */

/* It never was: the key is free again. What it wrote is deleted. */
static void vanish(const struct order_turn *turn)
{
    static const enum record_kind kinds[] = {RECORD_ORDER, RECORD_ORDER_BODY, RECORD_ORDER_PERSON};
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;
    struct record_place place;
    struct record *record;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        record = effects_record(turn->effects, kinds[i], subject->partition, 0, 0);
        record->operation = RECORD_DELETE;
        record->sequence = subject->sequence;
    }
    record = effects_record(turn->effects, RECORD_ORDER_OF, subject->partition, 0, 0);
    record->operation = RECORD_DELETE;
    record->subject = order_of_subject(&order->principal);
    record->sequence = subject->sequence;
    place = checkout_place(&order->key, subject->partition);
    record = effects_record(turn->effects, RECORD_CHECKOUT, subject->partition, 0, 0);
    record->operation = RECORD_DELETE;
    record->subject = place.subject;
    record->sequence = place.sequence;
    order->status = ORDER_NONE;
    order->step = STEP_NONE;
}

static void undo(const struct order_turn *turn, enum outcome cause, enum order_step step)
{
    turn->subject->order.cause = (uint8_t)cause;
    order_begin_step(turn, step);
}

/* No word. An order that has not begun when its time is over never will: whoever was asked may have
 * done it, and is told so. Of a payment nobody knows the secret that it could be paid by. */
static bool ends_unbegun(const struct order_turn *turn)
{
    const struct order_record *order = &turn->subject->order;
    enum order_step step = order->coupon[0] != '\0' ? STEP_UNDO_COUPON : STEP_UNDO_BIND;

    if (order->step < STEP_BIND || order->step > STEP_PAYMENT_CREATE ||
        turn->moment->boot_ms < turn->subject->expires_boot_ms)
        return false;
    undo(turn, OUTCOME_GATEWAY_UNAVAILABLE, order->step == STEP_BIND ? STEP_UNDO_BIND : step);
    return true;
}

static void wait_for_payment(const struct order_turn *turn)
{
    order_begin_step(turn, STEP_WAIT);
    turn->subject->retry_boot_ms = turn->moment->boot_ms + POLL_MS;
}

static void coupon_is_held(const struct order_turn *turn)
{
    order_begin_step(turn,
                     turn->subject->order.totals.total_minor == 0 ? STEP_PIN : STEP_PAYMENT_CREATE);
}

static void bind_answered(const struct order_turn *turn, enum outcome outcome)
{
    if (outcome != OUTCOME_OK) {
        turn->subject->order.cause = (uint8_t)outcome;
        vanish(turn);
    } else if (turn->subject->order.coupon[0] != '\0') {
        order_begin_step(turn, STEP_COUPON_HOLD);
    } else {
        coupon_is_held(turn);
    }
}

static void set_text(char *out, size_t size, const char *text)
{
    size_t length = text == NULL ? 0 : strnlen(text, size - 1);

    memset(out, 0, size);
    if (length > 0)
        memcpy(out, text, length);
}

static void create_answered(const struct order_turn *turn, const struct order_answer *answer)
{
    struct order_record *order = &turn->subject->order;

    switch ((enum order_result)answer->result) {
    case RESULT_DONE:
        set_text(order->payment_id, sizeof(order->payment_id), answer->payment_id);
        set_text(order->client_secret, sizeof(order->client_secret), answer->client_secret);
        set_text(order->redirect_url, sizeof(order->redirect_url), answer->redirect_url);
        order->payment_state = PAYMENT_CREATED;
        if (answer->state == PAYMENT_AUTHORISED || answer->state == PAYMENT_CAPTURED)
            order_is_paid(turn, (enum payment_state)answer->state, answer->captured_minor);
        else
            wait_for_payment(turn);
        break;
    case RESULT_UNKNOWN:
        if (!ends_unbegun(turn))
            order_try_later(turn, answer->retry_after_s);
        break;
    case RESULT_DECLINED:
    case RESULT_REFUSED:
    case RESULT_UNAVAILABLE:
    default:
        undo(turn, OUTCOME_GATEWAY_UNAVAILABLE,
             order->coupon[0] != '\0' && !MUTANT(UNDO_KEEPS_COUPON) ? STEP_UNDO_COUPON
                                                                    : STEP_UNDO_BIND);
        break;
    }
}

/* ---- the payment ---- */

void order_is_paid(const struct order_turn *turn, enum payment_state state, int64_t captured_minor)
{
    struct order_record *order = &turn->subject->order;

    assert(state == PAYMENT_AUTHORISED || state == PAYMENT_CAPTURED);
    order->payment_state = (uint8_t)state;
    if (state == PAYMENT_CAPTURED)
        order->captured_minor = captured_minor;
    if (state == PAYMENT_CAPTURED && captured_minor != order->totals.total_minor &&
        !MUTANT(AMOUNT_UNCHECKED))
        order_give_up(turn, ORDER_PAYMENT_FAILED);
    else
        order_begin_step(turn, MUTANT(PIN_SKIPPED) ? STEP_CAPTURE : STEP_PIN);
}

static void release_answered(const struct order_turn *turn);

static void begin_release(const struct order_turn *turn)
{
    if (MUTANT(HOLD_NOT_RELEASED))
        release_answered(turn);
    else
        order_begin_step(turn, STEP_RELEASE);
}

void order_give_up(const struct order_turn *turn, enum order_status goal)
{
    struct order_record *order = &turn->subject->order;
    bool may_be_authorised = order->payment_id[0] != '\0' &&
                             order->payment_state != PAYMENT_CANCELLED &&
                             order->payment_state != PAYMENT_CAPTURED;

    order->goal = (uint8_t)goal;
    if (may_be_authorised && !MUTANT(VOID_SKIPPED))
        order_begin_step(turn, STEP_VOID);
    else
        begin_release(turn);
}

static void refuse_payment(const struct order_turn *turn, enum outcome outcome)
{
    turn->subject->refusal = (uint8_t)outcome;
    wait_for_payment(turn);
}

static bool is_money(uint8_t state)
{
    return state == PAYMENT_AUTHORISED || state == PAYMENT_CAPTURED;
}

static void confirm_answered(const struct order_turn *turn, const struct order_answer *answer)
{
    enum order_result result = (enum order_result)answer->result;

    if (result == RESULT_UNKNOWN)
        order_begin_step(turn, STEP_QUERY);
    else if ((result == RESULT_DONE || result == RESULT_REFUSED) && is_money(answer->state))
        order_is_paid(turn, (enum payment_state)answer->state, answer->captured_minor);
    else if (result == RESULT_DONE)
        refuse_payment(turn, OUTCOME_PAYMENT_IN_PROGRESS);
    else if (result == RESULT_DECLINED)
        refuse_payment(turn, OUTCOME_PAYMENT_DECLINED);
    else if (result == RESULT_REFUSED)
        refuse_payment(turn, OUTCOME_METHOD_REFUSED);
    else
        refuse_payment(turn, OUTCOME_GATEWAY_UNAVAILABLE);
}

static void query_answered(const struct order_turn *turn, const struct order_answer *answer)
{
    struct order_subject *subject = turn->subject;
    enum order_result result = (enum order_result)answer->result;
    bool has_word = result == RESULT_DONE || result == RESULT_REFUSED;
    uint32_t tries = subject->tries;

    if (has_word && is_money(answer->state)) {
        order_is_paid(turn, (enum payment_state)answer->state, answer->captured_minor);
    } else if (has_word && answer->state == PAYMENT_CANCELLED) {
        subject->order.payment_state = PAYMENT_CANCELLED;
        order_give_up(turn, ORDER_PAYMENT_FAILED);
    } else {
        int64_t delay_ms = POLL_MS;

        refuse_payment(turn, OUTCOME_GATEWAY_UNAVAILABLE);
        for (uint32_t i = 0; i < tries && delay_ms < POLL_MS_MAX; i++)
            delay_ms *= 2;
        subject->tries = tries + 1;
        subject->retry_boot_ms = turn->moment->boot_ms + delay_ms;
    }
}

static void convert_answered(const struct order_turn *turn, enum outcome outcome);

static void is_sold(const struct order_turn *turn)
{
    if (MUTANT(CONVERT_SKIPPED))
        convert_answered(turn, OUTCOME_OK);
    else
        order_begin_step(turn, STEP_CONVERT);
}

static void pin_answered(const struct order_turn *turn, enum outcome outcome)
{
    const struct order_record *order = &turn->subject->order;

    if (outcome != OUTCOME_OK && !MUTANT(CAPTURE_WITHOUT_PIN_REPLY))
        order_give_up(turn, ORDER_EXPIRED); /* what is captured goes back behind it */
    else if (order->payment_state == PAYMENT_CAPTURED || order->totals.total_minor == 0)
        is_sold(turn);
    else
        order_begin_step(turn, STEP_CAPTURE);
}

static void is_captured(const struct order_turn *turn, int64_t captured_minor)
{
    struct order_record *order = &turn->subject->order;

    order->payment_state = PAYMENT_CAPTURED;
    order->captured_minor = captured_minor;
    if (captured_minor == order->totals.total_minor || MUTANT(AMOUNT_UNCHECKED))
        is_sold(turn);
    else
        order_give_up(turn, ORDER_PAYMENT_FAILED);
}

static void capture_answered(const struct order_turn *turn, const struct order_answer *answer)
{
    struct order_subject *subject = turn->subject;

    switch ((enum order_result)answer->result) {
    case RESULT_DONE:
        is_captured(turn, answer->captured_minor);
        break;
    case RESULT_REFUSED:
        if (answer->state == PAYMENT_CAPTURED) {
            is_captured(turn, answer->captured_minor);
        } else if (answer->state == PAYMENT_AUTHORISED && subject->tries < CAPTURE_TRIES_MAX) {
            order_try_later(turn, answer->retry_after_s);
        } else {
            /* Without a word of the payment's state VOID learns it: an earlier try may have been
             * done. */
            if (answer->state != PAYMENT_AUTHORISED && answer->state != PAYMENT_NONE)
                subject->order.payment_state = PAYMENT_CANCELLED;
            order_give_up(turn, ORDER_PAYMENT_FAILED);
        }
        break;
    case RESULT_DECLINED:
        order_give_up(turn, ORDER_PAYMENT_FAILED);
        break;
    case RESULT_UNKNOWN:
        if (MUTANT(UNKNOWN_IS_CAPTURED))
            is_captured(turn, subject->order.totals.total_minor);
        else
            order_try_later(turn, answer->retry_after_s);
        break;
    case RESULT_UNAVAILABLE:
    default:
        order_try_later(turn, answer->retry_after_s);
        break;
    }
}

/* ---- it is sold ---- */

static void confirm(const struct order_turn *turn)
{
    order_set_status(turn, ORDER_CONFIRMED);
    order_show_refunded(turn); /* somebody may have been quick */
    order_begin_step(turn, turn->subject->order.from_cart ? STEP_CART_CLEAR : STEP_NONE);
}

/* A pinned hold ends by its order's word only: one that is not known any more was converted, and
 * forgotten before the answer came. */
static void convert_answered(const struct order_turn *turn, enum outcome outcome)
{
    if (outcome != OUTCOME_OK &&
        outcome != OUTCOME_NOT_FOUND) /* a pin that did not hold; the money goes back */
        order_give_up(turn, ORDER_PAYMENT_FAILED);
    else if (turn->subject->order.coupon[0] != '\0' && !MUTANT(COMMIT_SKIPPED))
        order_begin_step(turn, STEP_COUPON_COMMIT);
    else
        confirm(turn);
}

/* ---- it comes to nothing ---- */

static void void_answered(const struct order_turn *turn, const struct order_answer *answer)
{
    struct order_record *order = &turn->subject->order;
    enum order_result result = (enum order_result)answer->result;
    bool has_word = result == RESULT_DONE || result == RESULT_REFUSED;
    bool is_unsaid = answer->state == PAYMENT_NONE && turn->subject->tries < VOID_TRIES_MAX;

    if (!has_word ||
        (result == RESULT_REFUSED &&
         (is_unsaid || (answer->state != PAYMENT_NONE && answer->state != PAYMENT_CANCELLED &&
                        answer->state != PAYMENT_CAPTURED)))) {
        order_try_later(turn, answer->retry_after_s);
        return;
    }
    if (answer->state == PAYMENT_CAPTURED && !MUTANT(VOID_OF_CAPTURED)) {
        order->payment_state = PAYMENT_CAPTURED;
        order->captured_minor = answer->captured_minor;
    } else {
        order->payment_state = PAYMENT_CANCELLED;
    }
    begin_release(turn);
}

/* Hold and coupon are given back. */
static void is_given_up(const struct order_turn *turn)
{
    struct order_record *order = &turn->subject->order;

    if (order->captured_minor > order->refunded_minor && !MUTANT(LATE_MONEY_KEPT)) {
        order_begin_refund(turn, order->captured_minor - order->refunded_minor, 0, false);
        return;
    }
    order_set_status(turn, (enum order_status)order->goal);
    order->goal = ORDER_NONE;
    order_begin_step(turn, STEP_NONE);
}

static void release_answered(const struct order_turn *turn)
{
    if (turn->subject->order.coupon[0] != '\0' && !MUTANT(ORDER_KEEPS_COUPON))
        order_begin_step(turn, STEP_COUPON_RELEASE);
    else
        is_given_up(turn);
}

/* ---- the turn ---- */

static void take_outcome(const struct order_turn *turn, enum outcome outcome)
{
    switch ((int)turn->subject->order.step) {
    case STEP_BIND:
        bind_answered(turn, outcome);
        break;
    case STEP_COUPON_HOLD:
        if (outcome == OUTCOME_OK)
            coupon_is_held(turn);
        else
            undo(turn, outcome, STEP_UNDO_BIND);
        break;
    case STEP_UNDO_COUPON:
        order_begin_step(turn, STEP_UNDO_BIND);
        break;
    case STEP_UNDO_BIND:
        vanish(turn);
        break;
    case STEP_PIN:
        pin_answered(turn, outcome);
        break;
    case STEP_CONVERT:
        convert_answered(turn, outcome);
        break;
    case STEP_COUPON_COMMIT:
        confirm(turn);
        break;
    case STEP_CART_CLEAR:
        order_begin_step(turn, STEP_NONE);
        break;
    case STEP_RELEASE:
        release_answered(turn);
        break;
    case STEP_COUPON_RELEASE:
        is_given_up(turn);
        break;
    case STEP_RESTOCK:
        order_restock_answered(turn, outcome);
        break;
    default:
        assert(false && "no step that a partition answers");
    }
}

static void take_result(const struct order_turn *turn, const struct order_answer *answer)
{
    switch ((int)turn->subject->order.step) {
    case STEP_PAYMENT_CREATE:
        create_answered(turn, answer);
        break;
    case STEP_CONFIRM:
        confirm_answered(turn, answer);
        break;
    case STEP_QUERY:
        query_answered(turn, answer);
        break;
    case STEP_CAPTURE:
        capture_answered(turn, answer);
        break;
    case STEP_VOID:
        void_answered(turn, answer);
        break;
    case STEP_REFUND:
        order_refund_answered(turn, answer);
        break;
    default:
        assert(false && "no step that a gateway answers");
    }
}

void order_answer(struct order_subject *subject, const struct order_context *context,
                  const struct moment *moment, const struct order_answer *answer,
                  struct effects *effects)
{
    struct order_turn turn = {.subject = subject,
                              .context = context,
                              .moment = moment,
                              .effects = effects,
                              .was_past = false};
    uint32_t tries = subject->tries;
    size_t used = effects->records->used;

    if (subject->order.step != answer->step || order_is_past(&subject->order))
        return; /* it went another way meanwhile */
    if (answer->outcome == OUTCOME_PENDING)
        take_result(&turn, answer);
    else if (is_no_word((enum outcome)answer->outcome) && !ends_unbegun(&turn))
        order_try_later_within(&turn, PARTITION_RETRY_MS_MAX, 0);
    else if (!is_no_word((enum outcome)answer->outcome))
        take_outcome(&turn, (enum outcome)answer->outcome);
    if (subject->order.status != ORDER_NONE &&
        (subject->order.step != answer->step || subject->tries == tries ||
         effects->records->used != used))
        order_persist(&turn);
}

/* ---- time ---- */

static bool is_polled(const struct order_subject *subject)
{
    return subject->order.provider != PROVIDER_SANDBOX && subject->order.payment_id[0] != '\0';
}

void order_tick(struct order_subject *subject, const struct order_context *context,
                const struct moment *moment, struct effects *effects)
{
    struct order_turn turn = {.subject = subject,
                              .context = context,
                              .moment = moment,
                              .effects = effects,
                              .was_past = false};

    if (subject->order.step != STEP_WAIT)
        return;
    if (moment->boot_ms >= subject->expires_boot_ms && !MUTANT(ORDER_NEVER_EXPIRES)) {
        order_give_up(&turn, ORDER_EXPIRED);
        order_persist(&turn);
    } else if (is_polled(subject) && moment->boot_ms >= subject->retry_boot_ms) {
        uint32_t tries = subject->tries;

        order_begin_step(&turn, STEP_QUERY);
        subject->tries = tries;
        order_persist(&turn);
    }
}

int64_t order_next_boot_ms(const struct order_subject *subject, const struct moment *moment)
{
    int64_t due_ms = subject->expires_boot_ms;

    if (order_is_past(&subject->order))
        return 0;
    if (subject->order.step != STEP_WAIT)
        return subject->retry_boot_ms > moment->boot_ms ? subject->retry_boot_ms : 0;
    if (is_polled(subject) && subject->retry_boot_ms < due_ms)
        due_ms = subject->retry_boot_ms;
    return due_ms > 0 ? due_ms : 1; /* after a restart: at once */
}
