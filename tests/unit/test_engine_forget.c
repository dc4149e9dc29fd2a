/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of orders and carts over time and at an erasure: who is forgotten, when, and what
 * stays for the books; whatever crashes in between. */
#include "engine_fixture.h"
#include "erasures.h"
#include "order.h"
#include "vault.h"

enum { SECOND_MS = 1000, DAY_S = 24 * 3600, PRICE = 1999, GUESTS = 12 };

static const struct vault_keys old_keys = {.count = 1, .keys = {{1}}};
static const struct vault_keys both_keys = {.count = 2, .keys = {{2}, {1}}};
static const struct vault_keys new_keys = {.count = 1, .keys = {{2}}};
static struct vault *vault;
static bool gateway_is_silent;

static bool call_gateway(void *self, struct gateway_job *job)
{
    (void)self;
    job->result = gateway_is_silent ? GATEWAY_UNKNOWN : GATEWAY_DONE;
    job->state = PAYMENT_CREATED;
    if (job->operation == GATEWAY_CREATE)
        strcpy(job->payment_id, "pay_1");
    else if (job->operation == GATEWAY_CONFIRM)
        job->state = PAYMENT_AUTHORISED;
    else if (job->operation == GATEWAY_CANCEL)
        job->state = PAYMENT_CANCELLED;
    else
        job->state = PAYMENT_CAPTURED;
    job->captured_minor = job->state == PAYMENT_CAPTURED ? job->amount_minor : 0;
    job->done(job);
    return true;
}

static bool has(void *self, uint8_t provider)
{
    (void)self;
    return provider == PROVIDER_SANDBOX;
}

/* The process ends, and begins with these keys. */
static void serve_with(struct fixture *fixture, const struct vault_keys *keys)
{
    static const uint8_t index_key[VAULT_KEY_BYTES] = {3};

    journal_memory_crash(fixture->journal, false);
    engine_destroy(fixture->engine);
    if (vault != NULL)
        vault_destroy(vault);
    vault = vault_create(keys, index_key, NULL, NULL);
    fixture->vault = vault_port_of(vault);
    assert_int_equal(fixture_open(fixture), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture;

    gateway_is_silent = false;
    fixture_set_up(state);
    fixture = *state;
    fixture->gateway = (struct gateway_port){.submit = call_gateway, .has = has, .confirms = has};
    fixture->options.retention_period_ms = 60 * SECOND_MS;
    fixture->options.retention_steady_ms = 10 * SECOND_MS;
    serve_with(fixture, &old_keys);
    assert_int_equal(fixture_product(fixture, "shoe", "SHOE", 100, 0), OUTCOME_OK);
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    vault_destroy(vault);
    vault = NULL;
    return 0;
}

static void pass(struct fixture *fixture, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += 5)
        fixture_advance(fixture, 5);
}

static void leap(struct fixture *fixture, int64_t seconds)
{
    fixture->now.wall_ms += seconds * 1000;
}

static uint64_t stored(const struct fixture *fixture, enum record_kind kind)
{
    return journal_memory_count(fixture->journal, kind);
}

static struct engine_metrics metrics_of(const struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

/* ---- people ---- */

static enum outcome ask(struct fixture *fixture, struct account_envelope *question)
{
    struct account_envelope *envelope = account_envelope_create((enum account_call)question->call);
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    struct message reply;
    enum outcome outcome;

    *envelope = *question;
    outcome = fixture_do(fixture, 0, &command, &reply);
    assert_int_not_equal(outcome, OUTCOME_PENDING);
    *question = *envelope;
    envelope_free(envelope);
    return outcome;
}

static struct principal register_person(struct fixture *fixture, uint8_t number)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_EMAIL_PREPARE};
    struct vault_wrapped_key wrapped;

    envelope.index[0] = number;
    envelope.index[9] = number;
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    fixture->vault.new_key(fixture->vault.self, &envelope.account, &wrapped);
    envelope.call = ACCOUNT_CALL_REGISTER;
    envelope.verified = 1;
    envelope.email_length = 3;
    envelope.key.length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(envelope.key.bytes, wrapped.bytes, sizeof(wrapped.bytes));
    envelope.password_length = 4;
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    return envelope.account;
}

static struct principal guest_of(uint8_t number)
{
    uint64_t words[2] = {hash_word(number), hash_word(number + 1000u)};
    struct principal guest;

    memcpy(guest.bytes, words, sizeof(guest.bytes));
    return guest;
}

/* As a login does, without what is no matter here. */
static void become(struct fixture *fixture, const struct principal *guest,
                   const struct principal *account)
{
    struct account_envelope envelope = {
        .call = ACCOUNT_CALL_GUEST_END, .account = *account, .guest = *guest};

    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    envelope.call = ACCOUNT_CALL_GET;
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
    envelope.call = ACCOUNT_CALL_SESSION_OPEN;
    envelope.has_guest = 1;
    envelope.guest = *guest;
    envelope.credentials = envelope.view.credentials;
    envelope.lifetime_ms = 3600 * SECOND_MS;
    memcpy(envelope.hash, guest->bytes, sizeof(guest->bytes));
    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
}

static void erase(struct fixture *fixture, const struct principal *account)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_ERASE, .account = *account};

    assert_int_equal(ask(fixture, &envelope), OUTCOME_OK);
}

/* ---- orders ---- */

static enum outcome ask_order(struct fixture *fixture, struct order_envelope *question)
{
    struct order_envelope *envelope = order_envelope_create((enum order_call)question->call);
    struct command command = {.type = COMMAND_ORDER, .order = envelope};
    enum outcome outcome;
    uint64_t cookie;

    *envelope = *question;
    cookie = fixture_submit(fixture, 1, &command, &outcome);
    assert_int_not_equal(cookie, 0);
    for (int i = 0; i < 24; i++)
        fixture_run(fixture);
    while (fixture->reply_counts[cookie] == 0)
        fixture_advance(fixture, 1000);
    outcome = (enum outcome)fixture->replies[cookie].reply.outcome;
    *question = *fixture->replies[cookie].reply.order;
    envelope_free(fixture->replies[cookie].reply.order);
    return outcome;
}

static struct reservation_id hold_one(struct fixture *fixture, const struct principal *who,
                                      const char *key)
{
    struct command_line line = {.sku = text("SHOE"), .quantity = 1};
    struct command command = reserve_command(&line, 1, 0, key);
    struct message reply;

    command.principal = *who;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.hold.id;
}

static struct order_envelope *checkout(const struct fixture *fixture, const struct principal *who,
                                       const struct reservation_id *hold, uint64_t key)
{
    static struct order_envelope envelope;
    struct vault_wrapped_key wrapped;

    memset(&envelope, 0, sizeof(envelope));
    envelope.call = ORDER_CALL_CREATE;
    envelope.who[0] = *who;
    envelope.who_count = 1;
    envelope.order.principal = *who;
    envelope.order.key.word[0] = key;
    envelope.order.fingerprint = 7;
    envelope.order.hold = *hold;
    envelope.order.email_index[0] = 9;
    envelope.order.expires_wall_ms = fixture->now.wall_ms + HOLD_TTL_MS_DEFAULT;
    memcpy(envelope.order.currency, "EUR", 4);
    envelope.order.provider = PROVIDER_SANDBOX;
    envelope.order.totals = (struct order_totals){.subtotal_minor = PRICE, .total_minor = PRICE};
    envelope.body.line_count = 1;
    envelope.body.lines[0] =
        (struct order_line){.quantity = 1, .unit_price_minor = PRICE, .total_minor = PRICE};
    envelope.body.lines[0].sku_id =
        directory_find_sku(engine_inspect_directory(fixture->engine), "SHOE", 4)->sku_id;
    envelope.body.text_length = 5;
    memcpy(envelope.text, "shoes", 5);
    fixture->vault.new_key(fixture->vault.self, who, &wrapped);
    envelope.person.key_length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(envelope.person.key, wrapped.bytes, sizeof(wrapped.bytes));
    envelope.person.email_length = 3;
    return &envelope;
}

static struct order_envelope make_order(struct fixture *fixture, const struct principal *who,
                                        uint64_t key)
{
    char name[24];
    struct reservation_id hold;
    struct order_envelope *envelope;

    snprintf(name, sizeof(name), "key-%llu", (unsigned long long)key);
    hold = hold_one(fixture, who, name);
    envelope = checkout(fixture, who, &hold, key);
    assert_int_equal(ask_order(fixture, envelope), OUTCOME_OK);
    return *envelope;
}

static struct order_envelope about(const struct order_envelope *order, enum order_call call)
{
    return (struct order_envelope){
        .call = (uint8_t)call, .authority = AUTHORITY_STAFF, .id = order->id};
}

static void pay(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = about(order, ORDER_CALL_CONFIRM);

    strcpy(answer.method, "pm_card_visa");
    assert_int_equal(ask_order(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
}

static struct order_envelope make_paid(struct fixture *fixture, const struct principal *who,
                                       uint64_t key)
{
    struct order_envelope order = make_order(fixture, who, key);

    pay(fixture, &order);
    return order;
}

static void send(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = about(order, ORDER_CALL_FULFIL);

    strcpy(answer.tracking, "T1");
    assert_int_equal(ask_order(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_SHIPPED);
}

static struct order_envelope make_sent(struct fixture *fixture, const struct principal *who,
                                       uint64_t key)
{
    struct order_envelope order = make_paid(fixture, who, key);

    send(fixture, &order);
    return order;
}

static struct order_envelope get(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = about(order, ORDER_CALL_GET);

    assert_int_equal(ask_order(fixture, &answer), OUTCOME_OK);
    return answer;
}

static bool knows_person(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = get(fixture, order);
    bool knows = answer.person.key_length > 0;

    assert_int_equal(answer.order.email_index[0], knows ? 9 : 0);
    assert_int_equal(answer.order.totals.total_minor, PRICE); /* the books stay */
    assert_int_equal(answer.body.lines[0].quantity, 1);
    assert_memory_equal(answer.text, "shoes", 5);
    return knows;
}

/* ---- carts ---- */

static void fill_cart(struct fixture *fixture, const struct principal *who)
{
    struct command command = {.type = COMMAND_CART,
                              .principal = *who,
                              .cart = {.operation = CART_ADD, .sku = text("SHOE"), .quantity = 2}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
}

static bool has_cart(struct fixture *fixture, const struct principal *who)
{
    struct command command = {
        .type = COMMAND_CART, .principal = *who, .cart = {.operation = CART_GET}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.cart.created_wall_ms != 0;
}

static uint32_t quantity_in(struct fixture *fixture, const struct principal *who)
{
    struct command command = {
        .type = COMMAND_CART, .principal = *who, .cart = {.operation = CART_GET}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.cart.content.line_count == 0 ? 0
                                                    : reply.reply.cart.content.lines[0].quantity;
}

static struct cart_view cart_of(struct fixture *fixture, const struct principal *who)
{
    struct command command = {
        .type = COMMAND_CART, .principal = *who, .cart = {.operation = CART_GET}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.cart;
}

static void merge(struct fixture *fixture, const struct cart_view *guests,
                  const struct principal *account)
{
    struct command command = {.type = COMMAND_CART_MERGE,
                              .principal = *account,
                              .cart_merge = {.guest = guests->principal,
                                             .content = &guests->content,
                                             .orders = guests->orders}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    command = (struct command){
        .type = COMMAND_CART, .principal = guests->principal, .cart = {.operation = CART_DROP}};
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
}

/* ---- a guest's order, and whose cart it was for ---- */

static struct order_envelope order_from_cart(struct fixture *fixture, const struct principal *who,
                                             uint64_t key)
{
    struct reservation_id hold = hold_one(fixture, who, "from-cart");
    struct order_envelope *envelope = checkout(fixture, who, &hold, key);

    envelope->order.from_cart = 1;
    assert_int_equal(ask_order(fixture, envelope), OUTCOME_OK);
    return *envelope;
}

static void what_a_guest_ordered_leaves_the_customer_s_cart(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct principal guest = guest_of(1);
    struct order_envelope order;
    struct cart_view cart;

    fill_cart(fixture, &person); /* two */
    fill_cart(fixture, &guest);  /* two, of which one is ordered */
    order = order_from_cart(fixture, &guest, 100);
    become(fixture, &guest, &person);
    cart = cart_of(fixture, &guest);
    merge(fixture, &cart, &person);
    assert_int_equal(quantity_in(fixture, &person), 4);
    pay(fixture, &order);
    pass(fixture, SECOND_MS);
    assert_int_equal(get(fixture, &order).order.step, STEP_NONE);
    assert_int_equal(quantity_in(fixture, &person), 3);
}

/* Confirmed between the reading of the guest's cart and its end. */
static void what_is_confirmed_during_a_login_leaves_the_cart_too(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct principal guest = guest_of(1);
    struct order_envelope order;
    struct cart_view cart;

    fill_cart(fixture, &guest);
    order = order_from_cart(fixture, &guest, 100);
    become(fixture, &guest, &person);
    cart = cart_of(fixture, &guest);
    pay(fixture, &order);
    pass(fixture, 200);
    assert_int_equal(get(fixture, &order).order.step, STEP_CART_CLEAR);
    merge(fixture, &cart, &person);
    assert_int_equal(quantity_in(fixture, &person), 2);
    pass(fixture, 2 * SECOND_MS);
    assert_int_equal(get(fixture, &order).order.step, STEP_NONE);
    assert_int_equal(quantity_in(fixture, &person), 1);
}

/* What left the guest's cart does not leave the customer's as well. */
static void what_left_the_guest_s_cart_leaves_no_other(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct principal guest = guest_of(1);
    struct order_envelope order;
    struct cart_view cart;

    fill_cart(fixture, &person);
    fill_cart(fixture, &guest);
    order = order_from_cart(fixture, &guest, 100);
    become(fixture, &guest, &person);
    pay(fixture, &order);
    cart = cart_of(fixture, &guest); /* without what was ordered */
    assert_int_equal(cart.content.lines[0].quantity, 1);
    merge(fixture, &cart, &person);
    pass(fixture, 2 * SECOND_MS);
    assert_int_equal(get(fixture, &order).order.step, STEP_NONE);
    assert_int_equal(quantity_in(fixture, &person), 3);
}

static void a_login_that_was_broken_off_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct principal guest = guest_of(1);
    struct order_envelope order;

    fill_cart(fixture, &guest);
    order = order_from_cart(fixture, &guest, 100);
    become(fixture, &guest, &person);
    pay(fixture, &order);
    pass(fixture, 20 * SECOND_MS);
    assert_int_equal(get(fixture, &order).order.step, STEP_NONE);
    assert_int_equal(quantity_in(fixture, &guest), 1);
}

/* ---- erasure ---- */

static void an_erasure_reaches_orders_and_cart(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct principal other = register_person(fixture, 2);
    struct order_envelope orders[3];
    struct order_envelope others = make_sent(fixture, &other, 50);

    for (uint64_t i = 0; i < 3; i++)
        orders[i] = make_sent(fixture, &person, 100 + i);
    fill_cart(fixture, &person);
    fill_cart(fixture, &other);
    erase(fixture, &person);
    assert_int_equal(stored(fixture, RECORD_ERASURE), 1);
    pass(fixture, SECOND_MS);
    for (unsigned i = 0; i < 3; i++)
        assert_false(knows_person(fixture, &orders[i]));
    assert_false(has_cart(fixture, &person));
    assert_int_equal(metrics_of(fixture).orders_forgotten, 3);
    assert_int_equal(stored(fixture, RECORD_ORDER_PERSON), 1);
    assert_true(knows_person(fixture, &others));
    assert_true(has_cart(fixture, &other));
    /* What was on its way at the erasure is met by the second pass, and that one is the last. */
    orders[0] = make_sent(fixture, &person, 200);
    fill_cart(fixture, &person);
    assert_int_equal(stored(fixture, RECORD_ERASURE), 1);
    pass(fixture, ERASURE_SETTLE_MS + 2 * SECOND_MS);
    assert_false(knows_person(fixture, &orders[0]));
    assert_false(has_cart(fixture, &person));
    assert_int_equal(stored(fixture, RECORD_ERASURE), 0);
    assert_int_equal(metrics_of(fixture).erasures_done, 1);
}

/* More guests than an account names. */
static void an_erasure_reaches_all_guests_that_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct order_envelope orders[GUESTS];

    for (uint8_t i = 0; i < GUESTS; i++) {
        struct principal guest = guest_of(i);

        orders[i] = make_sent(fixture, &guest, 100 + i);
        become(fixture, &guest, &person);
    }
    _Static_assert((int)GUESTS > (int)ACCOUNT_ALIASES_MAX, "more than it names");
    assert_int_equal(stored(fixture, RECORD_GUEST_OF), GUESTS);
    erase(fixture, &person);
    pass(fixture, 3 * SECOND_MS);
    for (unsigned i = 0; i < GUESTS; i++)
        assert_false(knows_person(fixture, &orders[i]));
    /* The first round behind its logins tells it once more. */
    pass(fixture, 2 * ERASURE_SETTLE_MS + 160 * SECOND_MS);
    assert_int_equal(stored(fixture, RECORD_GUEST_OF), 0);
    assert_int_equal(stored(fixture, RECORD_ERASURE), 0);
}

/* The guest is the account's, and no session told it so: before its erasure, and when that is over.
 */
static void an_erasure_reaches_a_guest_whose_login_broke_off(void **state)
{
    struct fixture *fixture = *state;

    for (uint8_t i = 0; i < 2; i++) {
        struct principal person = register_person(fixture, 1 + i);
        struct principal guest = guest_of(i);
        struct order_envelope order = make_sent(fixture, &guest, 100 + i);
        struct account_envelope end = {
            .call = ACCOUNT_CALL_GUEST_END, .account = person, .guest = guest};

        assert_int_equal(ask(fixture, &end), OUTCOME_OK);
        assert_int_equal(fixture_crash(fixture), 0);
        if (i == 0)
            pass(fixture, 80 * SECOND_MS);
        assert_int_equal(stored(fixture, RECORD_GUEST_OF), 1 - i);
        erase(fixture, &person);
        if (i == 0)
            pass(fixture, 3 * SECOND_MS);
        else
            pass(fixture, 80 * SECOND_MS);
        assert_false(knows_person(fixture, &order));
        pass(fixture, 2 * ERASURE_SETTLE_MS + 160 * SECOND_MS);
        assert_int_equal(stored(fixture, RECORD_GUEST_OF), 0);
        assert_int_equal(stored(fixture, RECORD_ERASURE), 0);
    }
}

/* At whatever moment of it the process ends. */
static void an_erasure_is_taken_up_after_a_crash(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct principal guest = guest_of(1);
    struct order_envelope orders[8];

    for (uint8_t i = 0; i < 8; i++)
        orders[i] = make_sent(fixture, i % 2 == 0 ? &guest : &person, 100 + i);
    fill_cart(fixture, &person);
    become(fixture, &guest, &person);
    erase(fixture, &person);
    for (int crash = 0; crash < 8; crash++) {
        pass(fixture, 10 + 5 * crash);
        assert_int_equal(fixture_crash(fixture), 0);
    }
    pass(fixture, 2 * SECOND_MS);
    for (unsigned i = 0; i < 8; i++)
        assert_false(knows_person(fixture, &orders[i]));
    assert_false(has_cart(fixture, &person));
    assert_int_equal(stored(fixture, RECORD_ERASURE), 0);
    assert_int_equal(stored(fixture, RECORD_GUEST_OF), 0);
    assert_int_equal(stored(fixture, RECORD_ORDER_PERSON), 0);
}

static void an_order_that_lives_forgets_when_it_ends(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct order_envelope paid = make_order(fixture, &person, 100);
    struct order_envelope expired = make_order(fixture, &person, 101);

    erase(fixture, &person);
    pass(fixture, SECOND_MS);
    assert_true(knows_person(fixture, &paid));
    assert_int_equal(get(fixture, &paid).order.forgotten, ORDER_FORGETS_PERSON);
    assert_int_equal(fixture_crash(fixture), 0); /* it is not forgotten that it is to */
    pay(fixture, &paid);
    assert_true(knows_person(fixture, &paid)); /* it is to be sent */
    send(fixture, &paid);
    assert_false(knows_person(fixture, &paid));
    assert_true(knows_person(fixture, &expired));
    pass(fixture, ERASURE_SETTLE_MS + 3 * SECOND_MS); /* nothing is left to be done but to wait */
    assert_int_equal(stored(fixture, RECORD_ERASURE), 0);
    fixture_advance(fixture, HOLD_TTL_MS_DEFAULT);
    pass(fixture, SECOND_MS);
    assert_int_equal(get(fixture, &expired).order.status, ORDER_EXPIRED);
    assert_false(knows_person(fixture, &expired));
    assert_int_equal(stored(fixture, RECORD_ORDER_PERSON), 0);
}

static void a_forgotten_order_can_be_paid_back(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct order_envelope order = make_sent(fixture, &person, 100);
    struct order_envelope refund = about(&order, ORDER_CALL_REFUND);

    erase(fixture, &person);
    pass(fixture, SECOND_MS);
    refund.refund_key = 5;
    assert_int_equal(ask_order(fixture, &refund), OUTCOME_OK);
    assert_int_equal(get(fixture, &order).order.status, ORDER_REFUNDED);
    assert_false(knows_person(fixture, &order));
}

static void ask_of_staff(struct fixture *fixture, const struct order_envelope *order,
                         enum order_call call, int64_t amount_minor)
{
    struct order_envelope envelope = about(order, call);

    envelope.amount_minor = amount_minor;
    envelope.refund_key = call == ORDER_CALL_REFUND ? (uint64_t)amount_minor + 5 : 0;
    assert_int_equal(ask_order(fixture, &envelope), OUTCOME_OK);
}

/* What was paid can be sent after an erasure, and whoever is not sent anything any more is
 * forgotten: whatever ends it. */
static void a_paid_order_keeps_its_person_until_it_is_sent(void **state)
{
    struct fixture *fixture = *state;
    struct principal person = register_person(fixture, 1);
    struct order_envelope orders[4];

    for (uint64_t i = 0; i < 4; i++)
        orders[i] = make_paid(fixture, &person, 100 + i);
    erase(fixture, &person);
    pass(fixture, ERASURE_SETTLE_MS + 3 * SECOND_MS);
    assert_int_equal(stored(fixture, RECORD_ERASURE), 0); /* they know it by themselves now */
    ask_of_staff(fixture, &orders[0], ORDER_CALL_FULFIL, 0);
    ask_of_staff(fixture, &orders[1], ORDER_CALL_REFUND, 100);
    ask_of_staff(fixture, &orders[3], ORDER_CALL_REFUND, 100);
    assert_int_equal(fixture_crash(fixture), 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(get(fixture, &orders[i]).order.forgotten, ORDER_FORGETS_PERSON);
        assert_true(knows_person(fixture, &orders[i]));
    }
    send(fixture, &orders[0]);
    ask_of_staff(fixture, &orders[1], ORDER_CALL_REFUND, 0); /* all that is left */
    ask_of_staff(fixture, &orders[2], ORDER_CALL_CANCEL, 0);
    ask_of_staff(fixture, &orders[3], ORDER_CALL_DELIVER, 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_false(knows_person(fixture, &orders[i]));
        assert_int_equal(get(fixture, &orders[i]).order.forgotten, ORDER_FORGOT_PERSON);
    }
    assert_int_equal(stored(fixture, RECORD_ORDER_PERSON), 0);
}

/* What goes back after it was sent changes nothing. */
static void one_that_was_sent_is_forgotten_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_sent(fixture, &guest, 100);

    ask_of_staff(fixture, &order, ORDER_CALL_REFUND, 100);
    assert_int_equal(get(fixture, &order).order.status, ORDER_PARTIALLY_REFUNDED);
    ask_of_staff(fixture, &order, ORDER_CALL_FORGET, 0);
    assert_false(knows_person(fixture, &order));
}

/* ---- the vault's key ---- */

static int wrap_of(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = get(fixture, order);
    struct vault_wrapped_key wrapped;

    assert_int_equal(answer.person.key_length, VAULT_WRAPPED_KEY_BYTES);
    memcpy(wrapped.bytes, answer.person.key, sizeof(wrapped.bytes));
    return (int)fixture->vault.wrapped_by(fixture->vault.self, &wrapped);
}

static struct engine_vault_keys counted(const struct fixture *fixture)
{
    struct engine_vault_keys keys;

    engine_vault_keys(fixture->engine, &keys);
    return keys;
}

static void a_rotation_reaches_orders(void **state)
{
    enum { COUNT = 9 };
    struct fixture *fixture = *state;
    struct order_envelope orders[COUNT];
    struct principal who[COUNT];

    for (uint8_t i = 0; i < COUNT; i++) {
        who[i] = guest_of(i);
        orders[i] = i < 6 ? make_paid(fixture, &who[i], 100 + i)
                          : make_order(fixture, &who[i], 100 + i); /* lives */
    }
    serve_with(fixture, &both_keys);
    assert_int_equal(wrap_of(fixture, &orders[0]), VAULT_WRAPPED_BY_PREVIOUS);
    pass(fixture, 200);
    serve_with(fixture, &both_keys); /* a crash in the midst */
    pass(fixture, 4 * SECOND_MS);
    assert_int_equal(counted(fixture).previous, 0);
    serve_with(fixture, &new_keys);
    pass(fixture, SECOND_MS);
    assert_int_equal(counted(fixture).unreadable, 0);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(wrap_of(fixture, &orders[i]), VAULT_WRAPPED_BY_CURRENT);
}

/* Asked for after it was forgotten. */
static void a_key_is_not_wrapped_for_a_forgotten_order(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_sent(fixture, &guest, 100);
    struct order_envelope known = get(fixture, &order);
    struct order_envelope rewrap = about(&order, ORDER_CALL_REWRAP);
    struct order_envelope forget = about(&order, ORDER_CALL_FORGET);

    assert_int_equal(ask_order(fixture, &forget), OUTCOME_OK);
    rewrap.person.key_length = known.person.key_length;
    memcpy(rewrap.old_key, known.person.key, known.person.key_length);
    assert_int_equal(ask_order(fixture, &rewrap), OUTCOME_STALE);
    assert_false(knows_person(fixture, &order));
    assert_int_equal(stored(fixture, RECORD_ORDER_PERSON), 0);
}

/* ---- what is past its time ---- */

static void a_checkout_s_key_is_good_for_seven_days(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_paid(fixture, &guest, 100);
    struct order_envelope *again;

    leap(fixture, ORDER_KEY_KEPT_S - 3600);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).checkout_keys_forgotten, 0);
    again = checkout(fixture, &guest, &order.order.hold, 100);
    assert_int_equal(ask_order(fixture, again), OUTCOME_OK);
    assert_int_equal(again->replayed, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    leap(fixture, 3600);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).checkout_keys_forgotten, 1);
    assert_int_equal(stored(fixture, RECORD_CHECKOUT), 0);
    assert_int_equal(get(fixture, &order).order.forgotten, ORDER_FORGOT_KEY);
    again = checkout(fixture, &guest, &order.order.hold, 100);
    assert_int_equal(ask_order(fixture, again), OUTCOME_NOT_FOUND); /* its hold, long since */
    assert_true(knows_person(fixture, &order));
    assert_int_equal(get(fixture, &order).order.status, ORDER_CONFIRMED);
}

static enum outcome tell(struct fixture *fixture, const struct order_envelope *order,
                         const char *event)
{
    struct order_envelope envelope = about(order, ORDER_CALL_EVENT);

    strcpy(envelope.event.event_id, event);
    strcpy(envelope.event.payment_id, "pay_1");
    return ask_order(fixture, &envelope);
}

static void an_event_is_known_for_thirty_days(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_paid(fixture, &guest, 100);

    assert_int_equal(tell(fixture, &order, "evt_1"), OUTCOME_OK);
    leap(fixture, ORDER_EVENT_KEPT_S - 3600);
    assert_int_equal(tell(fixture, &order, "evt_2"), OUTCOME_OK);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(stored(fixture, RECORD_EVENT_IN), 2);
    leap(fixture, 3600);
    pass(fixture, 80 * SECOND_MS);
    assert_int_equal(metrics_of(fixture).events_forgotten, 1);
    assert_int_equal(stored(fixture, RECORD_EVENT_IN), 1);
}

/* A clock that is set ahead, and back before it has run evenly, deletes nothing. */
static void a_leap_of_the_clock_deletes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct order_envelope order = make_paid(fixture, &guest, 100);

    fill_cart(fixture, &guest);
    assert_int_equal(tell(fixture, &order, "evt_1"), OUTCOME_OK);
    for (int i = 0; i < 12; i++) {
        leap(fixture, 400LL * DAY_S);
        pass(fixture, 9 * SECOND_MS);
        leap(fixture, -400LL * DAY_S);
        pass(fixture, 9 * SECOND_MS);
    }
    assert_int_equal(stored(fixture, RECORD_EVENT_IN), 1);
    assert_int_equal(stored(fixture, RECORD_CHECKOUT), 1);
    assert_int_equal(stored(fixture, RECORD_CART), 1);
}

/* Carts go by the wall clock too, also for who is started anew each day. */
static void carts_expire_across_restarts(void **state)
{
    struct fixture *fixture = *state;
    struct principal guest = guest_of(1);
    struct principal person = register_person(fixture, 1);
    int64_t expired = 0;

    fill_cart(fixture, &guest);
    fill_cart(fixture, &person);
    for (int day = 0; day < 92; day++) {
        bool had_guests = day * DAY_S < CART_GUEST_TTL_S;
        bool had_persons = day * DAY_S < CART_CUSTOMER_TTL_S;

        serve_with(fixture, &old_keys);
        for (int i = 0; i < 3; i++)
            fixture_advance(fixture, 5 * SECOND_MS);
        assert_int_equal(stored(fixture, RECORD_CART), (unsigned)(had_guests + had_persons));
        expired += metrics_of(fixture).carts_expired;
        leap(fixture, DAY_S);
    }
    assert_int_equal(expired, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_a_guest_ordered_leaves_the_customer_s_cart),
        TEST(what_is_confirmed_during_a_login_leaves_the_cart_too),
        TEST(what_left_the_guest_s_cart_leaves_no_other),
        TEST(a_login_that_was_broken_off_is_not_waited_for),
        TEST(an_erasure_reaches_orders_and_cart),
        TEST(an_erasure_reaches_all_guests_that_it_was),
        TEST(an_erasure_reaches_a_guest_whose_login_broke_off),
        TEST(an_erasure_is_taken_up_after_a_crash),
        TEST(an_order_that_lives_forgets_when_it_ends),
        TEST(a_forgotten_order_can_be_paid_back),
        TEST(a_paid_order_keeps_its_person_until_it_is_sent),
        TEST(one_that_was_sent_is_forgotten_at_once),
        TEST(a_rotation_reaches_orders),
        TEST(a_key_is_not_wrapped_for_a_forgotten_order),
        TEST(a_checkout_s_key_is_good_for_seven_days),
        TEST(an_event_is_known_for_thirty_days),
        TEST(a_leap_of_the_clock_deletes_nothing),
        TEST(carts_expire_across_restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
