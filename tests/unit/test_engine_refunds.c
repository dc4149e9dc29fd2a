/* SPDX-License-Identifier: Apache-2.0 */
/* Money that goes back while somebody else gives it back at the gateway, through the engine. The
 * gateway here has books, and refuses what is more than is left. */
#include "engine_fixture.h"

enum { KEYS_MAX = 64, PRICE = 1999, UNITS = 2, TOTAL = UNITS * PRICE };

struct books {
    char keys[KEYS_MAX][GATEWAY_KEY_MAX + 1]; /* of refunds, and what each was answered */
    uint8_t results[KEYS_MAX];
    uint32_t key_count;
    uint32_t refunds_asked;
    uint32_t queries;
    bool refuses;      /* all that is new */
    bool is_terse;     /* a refusal does not say how the payment stands */
    bool loses_answer; /* of refunds, and keeps them from being asked for again */
    int64_t authorised;
    int64_t captured;
    int64_t refunded;
    int64_t elsewhere;     /* goes back just before the next refund */
    int64_t after_capture; /* goes back just after the capture, before it is answered */
};

static struct books books;

static uint8_t refund(const struct gateway_job *job)
{
    uint32_t i = 0;

    books.refunds_asked++;
    while (i < books.key_count && strcmp(books.keys[i], job->key) != 0)
        i++;
    if (i < books.key_count)
        return books.results[i];
    assert_true(i < KEYS_MAX);
    books.refunded += books.elsewhere;
    books.elsewhere = 0;
    strcpy(books.keys[books.key_count++], job->key);
    books.results[i] = GATEWAY_REFUSED;
    if (!books.refuses && job->amount_minor <= books.captured - books.refunded) {
        books.refunded += job->amount_minor;
        books.results[i] = GATEWAY_DONE;
    }
    return books.results[i];
}

static void answer(struct gateway_job *job)
{
    job->state = books.captured > 0     ? PAYMENT_CAPTURED
                 : books.authorised > 0 ? PAYMENT_AUTHORISED
                                        : PAYMENT_CREATED;
    job->captured_minor = books.captured;
    job->refunded_minor = books.refunded;
}

static bool call_books(void *self, struct gateway_job *job)
{
    (void)self;
    job->result = GATEWAY_DONE;
    if (job->operation == GATEWAY_CREATE)
        strcpy(job->payment_id, "pay_1");
    else if (job->operation == GATEWAY_CONFIRM)
        books.authorised = job->amount_minor;
    else if (job->operation == GATEWAY_CAPTURE)
        books.captured = books.authorised;
    else if (job->operation == GATEWAY_REFUND)
        job->result = refund(job);
    books.queries += job->operation == GATEWAY_QUERY;
    answer(job);
    if (job->operation == GATEWAY_CAPTURE)
        books.refunded += books.after_capture;
    if (job->operation == GATEWAY_REFUND && books.loses_answer)
        job->result = GATEWAY_UNKNOWN;
    if (job->operation == GATEWAY_REFUND && job->result == GATEWAY_REFUSED && books.is_terse) {
        job->state = PAYMENT_NONE;
        job->captured_minor = job->refunded_minor = -1;
    }
    job->done(job);
    return true;
}

static bool has(void *self, uint8_t provider)
{
    (void)self;
    return provider == PROVIDER_SANDBOX;
}

static int set_up(void **state)
{
    struct fixture *fixture;

    memset(&books, 0, sizeof(books));
    fixture_set_up(state);
    fixture = *state;
    fixture->gateway = (struct gateway_port){.submit = call_books, .has = has, .confirms = has};
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(fixture_product(fixture, "shoe", "SHOE", 10, 0), OUTCOME_OK);
    return 0;
}

static void settle(struct fixture *fixture)
{
    for (int i = 0; i < 24; i++)
        fixture_run(fixture);
}

/* Sends the call, and lets time pass until it is answered. */
static enum outcome ask(struct fixture *fixture, struct order_envelope *question)
{
    struct order_envelope *envelope = order_envelope_create((enum order_call)question->call);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    enum outcome outcome;
    uint64_t cookie;

    *envelope = *question;
    cookie = fixture_submit(fixture, 1, &command, &outcome);
    assert_int_not_equal(cookie, 0);
    settle(fixture);
    for (int i = 0; i < 100 && fixture->reply_counts[cookie] == 0; i++) {
        fixture_advance(fixture, 100);
        settle(fixture);
    }
    assert_int_equal(fixture->reply_counts[cookie], 1);
    outcome = (enum outcome)fixture->replies[cookie].reply.outcome;
    *question = *fixture->replies[cookie].reply.order;
    envelope_free(fixture->replies[cookie].reply.order);
    return outcome;
}

static struct order_envelope about(const struct order_envelope *order, enum order_call call)
{
    return (struct order_envelope){.call = (uint8_t)call,
                                   .authority = AUTHORITY_STAFF,
                                   .who = {order->order.principal},
                                   .who_count = 1,
                                   .id = order->id};
}

static struct order_envelope see(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope seen = about(order, ORDER_CALL_GET);

    assert_int_equal(ask(fixture, &seen), OUTCOME_OK);
    return seen;
}

static struct order_envelope buy(struct fixture *fixture)
{
    struct order_envelope envelope = {.call = ORDER_CALL_CREATE, .who_count = 1};
    struct message reply;
    const struct hold_view *hold = &reply.reply.hold;

    assert_int_equal(fixture_reserve(fixture, 0, 1, "key", "SHOE", UNITS, &reply), OUTCOME_OK);
    envelope.who[0] = buyer(1);
    envelope.order.key.word[0] = 100;
    envelope.order.fingerprint = 7;
    envelope.order.hold = hold->id;
    envelope.order.expires_wall_ms = hold->deadline_wall_ms;
    memcpy(envelope.order.currency, "EUR", 4);
    envelope.order.totals = (struct order_totals){.subtotal_minor = TOTAL, .total_minor = TOTAL};
    envelope.body.line_count = 1;
    envelope.body.lines[0] = (struct order_line){.sku_id = hold->lines[0].sku_id,
                                                 .quantity = UNITS,
                                                 .unit_price_minor = PRICE,
                                                 .total_minor = TOTAL};
    envelope.person.key_length = 4;
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    envelope = about(&envelope, ORDER_CALL_CONFIRM);
    strcpy(envelope.method, "pm_card_visa");
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    return envelope;
}

static enum outcome give_back(struct fixture *fixture, const struct order_envelope *order,
                              uint64_t key, int64_t amount_minor, struct order_envelope *answer_out)
{
    *answer_out = about(order, ORDER_CALL_REFUND);
    answer_out->amount_minor = amount_minor;
    answer_out->refund_key = key;
    return ask(fixture, answer_out);
}

static enum outcome tell(struct fixture *fixture, const struct order_envelope *order,
                         const char *name, int64_t refunded_minor)
{
    struct order_envelope envelope = about(order, ORDER_CALL_EVENT);

    strcpy(envelope.event.event_id, name);
    strcpy(envelope.event.payment_id, "pay_1");
    memcpy(envelope.event.currency, "EUR", 4);
    envelope.event.refunded_minor = refunded_minor;
    envelope.event.refund_failed = refunded_minor == 0;
    envelope.event.told_wall_ms = fixture->now.wall_ms;
    return ask(fixture, &envelope);
}

/* What the outside was told went back, in order; 0 behind the last. */
static void assert_told(const struct fixture *fixture, const struct order_envelope *order,
                        const int64_t *amounts)
{
    struct record *record = calloc(1, sizeof(*record) + ORDER_TEXT_MAX);
    uint64_t sequence = 1;

    while (journal_memory_find(fixture->journal, RECORD_EVENT_OUT, order->id.partition, 0,
                               sequence++, record)) {
        if (record->event_out.type != ORDER_REFUNDED &&
            record->event_out.type != ORDER_PARTIALLY_REFUNDED)
            continue;
        assert_int_not_equal(*amounts, 0);
        assert_int_equal(record->event_out.amount_minor, *amounts++);
    }
    assert_int_equal(*amounts, 0);
    free(record);
}

static void assert_refunds(const struct order_record *order, const int64_t *amounts)
{
    for (uint32_t i = 0; i < order->refund_count; i++) {
        assert_int_equal(order->refunds[i].state, REFUND_DONE);
        assert_int_equal(order->refunds[i].amount_minor, amounts[i]);
    }
    assert_int_equal(amounts[order->refund_count], 0);
}

static void cancel_with_a_part_elsewhere(struct fixture *fixture)
{
    struct order_envelope order = buy(fixture);
    struct order_envelope seen = about(&order, ORDER_CALL_CANCEL);

    books.elsewhere = 700;
    assert_int_equal(ask(fixture, &seen), OUTCOME_OK);
    assert_int_equal(seen.order.status, ORDER_CANCELLED);
    assert_int_equal(books.refunded, TOTAL);
    assert_int_equal(seen.order.refunded_minor, TOTAL);
    assert_refunds(&seen.order, (int64_t[]){TOTAL - 700, 700, 0});
    assert_string_equal(seen.order.refunds[1].reason, "at the payment gateway");
    assert_int_equal(seen.order.attention, ORDER_ATTENTION_REFUNDED_ELSEWHERE);
    assert_told(fixture, &order, (int64_t[]){700, TOTAL - 700, 0});
    assert_stock(fixture, "SHOE", 10, 0, 0);
    assert_true(books.refunds_asked <= 3);
}

static void an_owed_refund_ends_where_a_part_went_back_elsewhere(void **state)
{
    cancel_with_a_part_elsewhere(*state);
}

static void also_where_the_gateway_refuses_without_saying_why(void **state)
{
    books.is_terse = true;
    cancel_with_a_part_elsewhere(*state);
    assert_int_equal(books.queries, 1);
}

static void an_owed_refund_ends_where_all_went_back_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = buy(fixture);
    struct order_envelope seen = about(&order, ORDER_CALL_CANCEL);

    books.elsewhere = TOTAL;
    assert_int_equal(ask(fixture, &seen), OUTCOME_OK);
    assert_int_equal(seen.order.status, ORDER_CANCELLED);
    assert_refunds(&seen.order, (int64_t[]){TOTAL, 0});
    assert_string_equal(seen.order.refunds[0].reason, "at the payment gateway");
    assert_int_equal(seen.order.attention, ORDER_ATTENTION_REFUNDED_ELSEWHERE);
    assert_told(fixture, &order, (int64_t[]){TOTAL, 0});
    assert_int_equal(fixture_crash(fixture), 0);
    seen = see(fixture, &order);
    assert_refunds(&seen.order, (int64_t[]){TOTAL, 0});
}

/* All of it was ours: done without a word, and so not somebody else's. */
static void a_refund_without_a_word_is_ours(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = buy(fixture);
    struct order_envelope seen = about(&order, ORDER_CALL_CANCEL);

    books.loses_answer = true;
    assert_int_equal(ask(fixture, &seen), OUTCOME_OK);
    assert_int_equal(seen.order.attention, 0);
    assert_refunds(&seen.order, (int64_t[]){TOTAL, 0});
    assert_told(fixture, &order, (int64_t[]){TOTAL, 0});
    assert_int_equal(books.refunded, TOTAL);
}

static void each_change_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = buy(fixture);
    struct order_envelope seen;

    books.elsewhere = 700; /* found together with our own */
    assert_int_equal(give_back(fixture, &order, 1, 100, &seen), OUTCOME_OK);
    assert_int_equal(seen.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_int_equal(seen.order.refunded_minor, 800);
    assert_told(fixture, &order, (int64_t[]){100, 700, 0});
    books.elsewhere = 1000; /* ours does not fit in any more */
    assert_int_equal(give_back(fixture, &order, 2, TOTAL - 800, &seen),
                     OUTCOME_GATEWAY_UNAVAILABLE);
    assert_int_equal(see(fixture, &order).order.refunded_minor, 1800);
    assert_told(fixture, &order, (int64_t[]){100, 700, 1000, 0});
    assert_int_equal(tell(fixture, &order, "evt_1", 1800), OUTCOME_OK);
    books.refunded += 50;
    assert_int_equal(tell(fixture, &order, "evt_2", 1850), OUTCOME_OK);
    assert_told(fixture, &order, (int64_t[]){100, 700, 1000, 50, 0});
    /* With all that is left nothing is to be looked at any more. */
    assert_int_equal(see(fixture, &order).order.attention, ORDER_ATTENTION_REFUNDED_ELSEWHERE);
    assert_int_equal(give_back(fixture, &order, 3, 0, &seen), OUTCOME_OK);
    assert_int_equal(seen.order.status, ORDER_REFUNDED);
    assert_int_equal(seen.order.attention, 0);
    assert_told(fixture, &order, (int64_t[]){100, 700, 1000, 50, TOTAL - 1850, 0});
}

/* Between capture and confirmation, as fast as nobody is. */
static void what_goes_back_before_it_is_confirmed_is_in_the_books(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order;
    struct order_envelope seen;

    books.after_capture = 300;
    order = buy(fixture);
    assert_int_equal(tell(fixture, &order, "evt_1", 300), OUTCOME_OK);
    seen = see(fixture, &order);
    assert_int_equal(seen.order.status, ORDER_PARTIALLY_REFUNDED);
    assert_int_equal(seen.order.refunded_minor, 300);
    assert_told(fixture, &order, (int64_t[]){300, 0});
}

static void a_refund_that_failed_is_made_good_at_the_gateway(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = buy(fixture);
    struct order_envelope seen;

    assert_int_equal(give_back(fixture, &order, 1, 100, &seen), OUTCOME_OK);
    fixture_advance(fixture, 5000);
    assert_int_equal(tell(fixture, &order, "evt_1", 0), OUTCOME_OK);
    assert_int_equal(see(fixture, &order).order.attention, ORDER_ATTENTION_REFUND_FAILED);
    /* The first one, told of late. */
    fixture->now.wall_ms -= 4000;
    assert_int_equal(tell(fixture, &order, "evt_2", 100), OUTCOME_OK);
    fixture->now.wall_ms += 4000;
    assert_int_equal(see(fixture, &order).order.attention, ORDER_ATTENTION_REFUND_FAILED);
    fixture_advance(fixture, 5000);
    assert_int_equal(tell(fixture, &order, "evt_3", 100), OUTCOME_OK);
    seen = see(fixture, &order);
    assert_int_equal(seen.order.attention, 0);
    assert_int_equal(seen.order.refunded_minor, 100);
    assert_told(fixture, &order, (int64_t[]){100, 0});
}

/* The last place among the refunds is for all that is left, and not lost where that is refused. */
static void all_that_is_left_can_be_asked_for_however_often(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = buy(fixture);
    struct order_envelope seen;

    books.refuses = true;
    for (uint64_t i = 1; i <= ORDER_REFUNDS_MAX + 2; i++)
        assert_int_equal(give_back(fixture, &order, i, 0, &seen), OUTCOME_GATEWAY_UNAVAILABLE);
    assert_int_equal(give_back(fixture, &order, 50, 100, &seen), OUTCOME_GATEWAY_UNAVAILABLE);
    for (int i = 1; i <= ORDER_REFUNDS_MAX; i++) {
        char name[16];

        books.refunded++;
        snprintf(name, sizeof(name), "evt_%d", i);
        assert_int_equal(tell(fixture, &order, name, i), OUTCOME_OK);
    }
    books.refuses = false;
    assert_int_equal(give_back(fixture, &order, 51, 0, &seen), OUTCOME_OK);
    assert_int_equal(seen.order.refunded_minor, TOTAL);
    assert_int_equal(books.refunded, TOTAL);
    assert_int_equal(seen.order.refund_count, ORDER_REFUNDS_MAX);
}

static void what_was_looked_at_is_acknowledged_until_it_comes_again(void **state)
{
    struct fixture *fixture = *state;
    struct order_envelope order = buy(fixture);
    struct order_envelope seen;

    assert_int_equal(tell(fixture, &order, "evt_1", 10), OUTCOME_OK);
    assert_int_equal(tell(fixture, &order, "evt_2", 0), OUTCOME_OK);
    for (int i = 0; i < 2; i++) { /* once, and once more */
        seen = about(&order, ORDER_CALL_ACKNOWLEDGE);
        seen.attention = ORDER_ATTENTION_REFUNDED_ELSEWHERE;
        assert_int_equal(ask(fixture, &seen), OUTCOME_OK);
        assert_int_equal(seen.order.attention, ORDER_ATTENTION_REFUND_FAILED);
    }
    assert_int_equal(fixture_crash(fixture), 0);
    assert_int_equal(see(fixture, &order).order.attention, ORDER_ATTENTION_REFUND_FAILED);
    assert_int_equal(tell(fixture, &order, "evt_3", 20), OUTCOME_OK);
    assert_int_equal(see(fixture, &order).order.attention,
                     ORDER_ATTENTION_REFUNDED_ELSEWHERE | ORDER_ATTENTION_REFUND_FAILED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_owed_refund_ends_where_a_part_went_back_elsewhere),
        TEST(also_where_the_gateway_refuses_without_saying_why),
        TEST(an_owed_refund_ends_where_all_went_back_elsewhere),
        TEST(a_refund_without_a_word_is_ours),
        TEST(each_change_is_told_once),
        TEST(what_goes_back_before_it_is_confirmed_is_in_the_books),
        TEST(a_refund_that_failed_is_made_good_at_the_gateway),
        TEST(all_that_is_left_can_be_asked_for_however_often),
        TEST(what_was_looked_at_is_acknowledged_until_it_comes_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
