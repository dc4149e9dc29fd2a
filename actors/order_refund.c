/* SPDX-License-Identifier: Apache-2.0 */
/* Money goes back: by this shop, one refund at a time, or at the gateway by somebody else, which is
 * found out by what the gateway says has gone back in all. Each change of that sum is entered among
 * the refunds, told by one event and, but in a cancellation, whose mail tells of all of it, by one
 * mail.
 *
 * A refund is all or nothing: where less has gone back than it is about, it has not been done.
 * Where as much has, it was ours if one of its tries had no word; else it was somebody else's. */
#include "order_private.h"

#include <string.h>

enum {
    RESTOCK_TRIES_MAX = 10
}; /* that are refused: some seconds, for the sale's word on its way */

static const char elsewhere[] = "at the payment gateway";

static struct order_refund *find_asked(struct order_record *order)
{
    for (uint32_t i = order->refund_count; i > 0; i--)
        if (order->refunds[i - 1].state == REFUND_ASKED)
            return &order->refunds[i - 1];
    return NULL;
}

const struct order_refund *order_refund_asked(const struct order_record *order,
                                              unsigned *number_out)
{
    for (uint32_t i = order->refund_count; i > 0; i--)
        if (order->refunds[i - 1].state == REFUND_ASKED) {
            *number_out = i;
            return &order->refunds[i - 1];
        }
    assert(false && "no refund is asked for");
    return NULL;
}

/* One that was refused makes way where there is no other room but for the last. */
static bool takes_last_entry(const struct order_record *order)
{
    return order->refund_count >= ORDER_REFUNDS_MAX - 1 &&
           order->refunds[order->refund_count - 1].state == REFUND_REFUSED;
}

uint32_t order_refund_room(const struct order_record *order)
{
    return ORDER_REFUNDS_MAX - order->refund_count + (takes_last_entry(order) ? 1U : 0U);
}

/* Of what is asked for in the same place (NULL: in none) as something before: by the time they are
 * told apart, at the gateway too. */
static int64_t time_of_new(const struct order_turn *turn, const struct order_refund *before)
{
    int64_t now_ms = turn->moment->wall_ms;

    return before != NULL && now_ms <= before->wall_ms ? before->wall_ms + 1 : now_ms;
}

void order_begin_refund(const struct order_turn *turn, int64_t amount_minor, uint64_t key,
                        bool restocks)
{
    struct order_record *order = &turn->subject->order;
    const struct order_refund *before = NULL;
    struct order_refund *refund;

    assert(order_refund_room(order) > 0 && amount_minor > 0);
    assert(amount_minor <= order->captured_minor - order->refunded_minor);
    if (takes_last_entry(order)) {
        order->refund_count--;
        order->attempts++; /* the gateway knows the refused one's key */
        before = &order->refunds[order->refund_count];
    }
    refund = &order->refunds[order->refund_count];
    *refund = (struct order_refund){.amount_minor = amount_minor,
                                    .wall_ms = time_of_new(turn, before),
                                    .key = key,
                                    .state = REFUND_ASKED,
                                    .attention = order->attention,
                                    .restock = restocks};
    order->refund_count++;
    order_begin_step(turn, STEP_REFUND);
}

/* ---- its end ---- */

static bool has_restocking(const struct order_record *order)
{
    for (uint32_t i = 0; i < RESERVATION_LINES_MAX; i++)
        if (order->restocking[i] > 0)
            return true;
    return false;
}

/* What the answer to the refund that has just ended shows. Of the shop's own, and one that the
 * gateway knows alone, nobody asks. */
static void note_answer(struct order_record *order)
{
    for (uint32_t i = 0; i < order->refund_count; i++) {
        struct order_refund *refund = &order->refunds[i];

        if (refund->key == 0 || refund->state != REFUND_DONE || refund->status != ORDER_NONE)
            continue;
        refund->status = order->status;
        refund->timeline_count = order->timeline_count;
        refund->refund_count = order->refund_count;
        refund->attention = order->attention;
        refund->has_tracking = order->tracking[0] != '\0';
    }
}

static void end_refund(const struct order_turn *turn)
{
    struct order_record *order = &turn->subject->order;

    if (order->goal != ORDER_NONE)
        order_set_status(turn, (enum order_status)order->goal);
    order->goal = ORDER_NONE;
    if (!has_restocking(order))
        note_answer(order);
    order_begin_step(turn, has_restocking(order) ? STEP_RESTOCK : STEP_NONE);
}

/* ---- a change of the sum ---- */

void order_show_refunded(const struct order_turn *turn)
{
    struct order_record *order = &turn->subject->order;
    enum order_status status =
        order->refunded_minor == order->captured_minor ? ORDER_REFUNDED : ORDER_PARTIALLY_REFUNDED;

    if (order->confirmed_wall_ms != 0 && order->refunded_minor > 0 && order->goal == ORDER_NONE &&
        order_may_become((enum order_status)order->status, status))
        order_set_status(turn, status);
}

/* `amount_minor` more has gone back, by this entry. */
static void book(const struct order_turn *turn, const struct order_refund *refund,
                 int64_t amount_minor)
{
    struct order_record *order = &turn->subject->order;
    bool is_in_cancellation = order->goal == ORDER_CANCELLED && order->confirmed_wall_ms != 0;

    order->refunded_minor += amount_minor;
    assert(amount_minor > 0 && order->refunded_minor <= order->captured_minor);
    order->updated_wall_ms = turn->moment->wall_ms;
    if (refund != NULL && !is_in_cancellation)
        order_owe_mail(turn, ORDER_MAIL_REFUNDED, (unsigned)(refund - order->refunds));
    order_show_refunded(turn);
    order_tell(turn,
               order->refunded_minor == order->captured_minor ? ORDER_REFUNDED
                                                              : ORDER_PARTIALLY_REFUNDED,
               amount_minor);
}

/* Where there is no room for another entry it is added to one that is there: the newest that has
 * been done, if possible without a key, whose answer would be another one now. The last place is
 * kept for all that is left. */
static void add_to_others(struct order_record *order, int64_t amount_minor)
{
    struct order_refund *best = NULL;
    int best_rank = -1;

    for (uint32_t i = 0; i < ORDER_REFUNDS_MAX - 1; i++) {
        struct order_refund *refund = &order->refunds[i];
        int rank = (refund->state == REFUND_DONE ? 2 : 0) + (refund->key == 0 ? 1 : 0);

        if (refund->state == REFUND_ASKED || rank < best_rank)
            continue;
        best = refund;
        best_rank = rank;
    }
    assert(best != NULL);
    if (best->state != REFUND_DONE) { /* the refused one's key is new again */
        *best = (struct order_refund){.wall_ms = best->wall_ms, .state = REFUND_DONE};
        memcpy(best->reason, elsewhere, sizeof(elsewhere));
    }
    best->amount_minor += amount_minor;
}

/* Money went back that this shop did not give back: `refunded_minor` in all. */
static void book_elsewhere(const struct order_turn *turn, int64_t refunded_minor)
{
    struct order_record *order = &turn->subject->order;
    int64_t amount_minor = refunded_minor - order->refunded_minor;
    struct order_refund *refund = NULL;

    order->attention |= ORDER_ATTENTION_REFUNDED_ELSEWHERE;
    if (order->refund_count < ORDER_REFUNDS_MAX - 1) {
        refund = &order->refunds[order->refund_count++];
        *refund = (struct order_refund){
            .amount_minor = amount_minor, .wall_ms = turn->moment->wall_ms, .state = REFUND_DONE};
        memcpy(refund->reason, elsewhere, sizeof(elsewhere));
    } else {
        add_to_others(order, amount_minor);
    }
    if (MUTANT(ELSEWHERE_NOT_TOLD)) {
        order->refunded_minor += amount_minor;
        order_show_refunded(turn);
        return;
    }
    book(turn, refund, amount_minor);
}

/* ---- the gateway's answer ---- */

bool order_looks_first(const struct order_subject *subject)
{
    return subject->order.step == STEP_REFUND && !MUTANT(REFUND_NOT_LOOKED_FOR) &&
           (subject->is_refused ||
            subject->tries % (ORDER_TRIES_PER_KEY + 1) == ORDER_TRIES_PER_KEY);
}

/* What has gone back beyond the books, as far as the gateway says so and it can be. An answer that
 * is repeated is as old as its first; what was told by an event meanwhile counts as well. */
static int64_t find_unbooked(const struct order_subject *subject, const struct order_answer *answer)
{
    const struct order_record *order = &subject->order;
    enum order_result result = (enum order_result)answer->result;
    int64_t refunded_minor = 0;

    if (result != RESULT_DONE && result != RESULT_REFUSED)
        return 0; /* what was told may be our own */
    if (answer->state == PAYMENT_CAPTURED && answer->refunded_minor <= order->captured_minor)
        refunded_minor = answer->refunded_minor;
    if (subject->told_minor > refunded_minor)
        refunded_minor = subject->told_minor;
    return refunded_minor - order->refunded_minor;
}

/* DONE: this refund was. REFUSED: it was not, and will not be. UNAVAILABLE: not yet. */
static enum order_result judge(const struct order_subject *subject, int64_t amount_minor,
                               const struct order_answer *answer)
{
    enum order_result result = (enum order_result)answer->result;
    bool has_word = result == RESULT_DONE || result == RESULT_REFUSED;

    if (has_word && (answer->looked || result == RESULT_REFUSED) && subject->may_be_done &&
        find_unbooked(subject, answer) >= amount_minor)
        return RESULT_DONE;
    if (!answer->looked)
        return result;
    return has_word && subject->is_refused ? RESULT_REFUSED : RESULT_UNAVAILABLE;
}

/* A refusal that does not say how the payment stands is looked into first. */
static bool is_to_look(const struct order_answer *answer)
{
    return !answer->looked && answer->result == RESULT_REFUSED &&
           (answer->state != PAYMENT_CAPTURED || answer->refunded_minor < 0) &&
           !MUTANT(REFUND_NOT_LOOKED_FOR);
}

static void is_refunded(const struct order_turn *turn, struct order_refund *refund,
                        const struct order_answer *answer)
{
    struct order_record *order = &turn->subject->order;
    uint8_t known = refund->attention; /* before this one was asked for */

    refund->state = REFUND_DONE;
    refund->attention = 0;
    for (uint32_t i = 0; i < RESERVATION_LINES_MAX; i++)
        order->refunded_units[i] += order->refunding_units[i];
    memset(order->refunding_units, 0, sizeof(order->refunding_units));
    book(turn, refund, refund->amount_minor);
    /* What goes beyond this one: also where it was found done by the amount. */
    if (find_unbooked(turn->subject, answer) > 0)
        book_elsewhere(turn, order->refunded_minor + find_unbooked(turn->subject, answer));
    else if (order->refunded_minor == order->captured_minor)
        order->attention &= (uint8_t) ~(known & ORDER_ATTENTION_REFUNDED_ELSEWHERE);
    if (answer->refunded_minor == order->refunded_minor)
        order->attention &= (uint8_t) ~(known & ORDER_ATTENTION_REFUND_FAILED);
    end_refund(turn);
}

/* Somebody else gave a part of it back, or all: what is left is asked for, under another key, since
 * it is another refund. True: this is done with. */
static bool reduce_owed(const struct order_turn *turn, struct order_refund *refund,
                        int64_t refunded_minor)
{
    struct order_record *order = &turn->subject->order;
    int64_t left_minor = order->captured_minor - refunded_minor;

    if (left_minor > 0) {
        refund->amount_minor = left_minor;
        refund->wall_ms = time_of_new(turn, refund);
        book_elsewhere(turn, refunded_minor);
        order_begin_step(turn, STEP_REFUND);
        return true;
    }
    refund->state = REFUND_DONE;
    refund->amount_minor = refunded_minor - order->refunded_minor;
    memcpy(refund->reason, elsewhere, sizeof(elsewhere));
    order->attention |= ORDER_ATTENTION_REFUNDED_ELSEWHERE;
    book(turn, refund, refund->amount_minor);
    end_refund(turn);
    return true;
}

static bool take_unbooked(const struct order_turn *turn, struct order_refund *refund,
                          const struct order_answer *answer)
{
    const struct order_record *order = &turn->subject->order;
    int64_t unbooked_minor = find_unbooked(turn->subject, answer);

    if (unbooked_minor <= 0 || MUTANT(ELSEWHERE_NOT_BOOKED))
        return false;
    if (order->goal != ORDER_NONE)
        return reduce_owed(turn, refund, order->refunded_minor + unbooked_minor);
    book_elsewhere(turn, order->refunded_minor + unbooked_minor);
    return false;
}

void order_refund_answered(const struct order_turn *turn, const struct order_answer *answer)
{
    struct order_subject *subject = turn->subject;
    struct order_record *order = &subject->order;
    struct order_refund *refund = find_asked(order);
    bool is_owed = order->goal != ORDER_NONE; /* by the shop: it is asked for until it is done */
    bool was_refused = subject->is_refused;
    enum order_result result;

    assert(refund != NULL);
    result = judge(subject, refund->amount_minor, answer);
    if (result == RESULT_DONE) {
        is_refunded(turn, refund, answer);
        return;
    }
    if (take_unbooked(turn, refund, answer))
        return;
    if (answer->looked && refund->amount_minor > order->captured_minor - order->refunded_minor)
        result = RESULT_REFUSED; /* it was not done, and there is no money for it any more */
    subject->may_be_done = subject->may_be_done || answer->result == RESULT_UNKNOWN;
    subject->is_refused =
        is_to_look(answer) || (answer->looked && was_refused && result == RESULT_UNAVAILABLE);
    if (subject->is_refused || result != RESULT_REFUSED || is_owed) {
        order_try_later(turn, answer->retry_after_s);
        return;
    }
    refund->state = REFUND_REFUSED;
    refund->attention = 0;
    memset(order->restocking, 0, sizeof(order->restocking));
    memset(order->refunding_units, 0, sizeof(order->refunding_units));
    order_begin_step(turn, STEP_NONE);
}

/* ---- the gateway's word ---- */

/* The failed one was given back again, at the gateway: told of by something newer than what was
 * learned of the failure. */
static bool is_made_good(const struct order_record *order, int64_t refunded_minor,
                         int64_t told_wall_ms)
{
    return (order->attention & ORDER_ATTENTION_REFUND_FAILED) != 0 &&
           refunded_minor == order->refunded_minor && told_wall_ms > order->updated_wall_ms;
}

enum refund_word order_take_refund_word(const struct order_turn *turn, int64_t refunded_minor,
                                        int64_t told_wall_ms)
{
    struct order_record *order = &turn->subject->order;

    if (order->step == STEP_REFUND) { /* our own, or somebody else's: its answer tells */
        if (refunded_minor <= order->captured_minor && refunded_minor > turn->subject->told_minor)
            turn->subject->told_minor = refunded_minor;
        return REFUND_WORD_KNOWN;
    }
    if (is_made_good(order, refunded_minor, told_wall_ms)) {
        order->attention &= (uint8_t)~ORDER_ATTENTION_REFUND_FAILED;
        order->updated_wall_ms = turn->moment->wall_ms;
        return REFUND_WORD_BOOKED;
    }
    if (refunded_minor <= order->refunded_minor)
        return REFUND_WORD_KNOWN;
    if (refunded_minor <= order->captured_minor) {
        book_elsewhere(turn, refunded_minor);
        return REFUND_WORD_BOOKED;
    }
    if (order->captured_minor == 0 && order->step != STEP_NONE)
        return REFUND_WORD_EARLY;
    order->attention |= ORDER_ATTENTION_REFUNDED_ELSEWHERE;
    return REFUND_WORD_BOOKED;
}

/* ---- units are for sale again ---- */

static bool is_all_back(const struct order_subject *subject)
{
    const struct order_body_record *body = &subject->body->body;

    for (uint32_t i = 0; i < body->line_count; i++)
        if (subject->order.restocked[i] < body->lines[i].quantity)
            return false;
    return true;
}

/* The first line that had to be put back was. One that is refused may be asked for before its
 * partition has heard of the sale; if it stays refused it cannot be, whoever asks again. */
void order_restock_answered(const struct order_turn *turn, enum outcome outcome)
{
    struct order_record *order = &turn->subject->order;

    if (outcome != OUTCOME_OK && ++turn->subject->refusals < RESTOCK_TRIES_MAX) {
        order_try_later_within(turn, PARTITION_RETRY_MS_MAX, 0);
        return;
    }
    turn->subject->refusals = 0;
    for (uint32_t i = 0; i < RESERVATION_LINES_MAX; i++) {
        if (order->restocking[i] == 0)
            continue;
        if (outcome == OUTCOME_OK)
            order->restocked[i] += order->restocking[i];
        else
            order->attention |= ORDER_ATTENTION_RESTOCK_REFUSED;
        order->restocking[i] = 0;
        break;
    }
    if (is_all_back(turn->subject))
        order->attention &= (uint8_t)~ORDER_ATTENTION_RESTOCK_REFUSED;
    if (has_restocking(order))
        return;
    note_answer(order);
    order_begin_step(turn, STEP_NONE);
}
