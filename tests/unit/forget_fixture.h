/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of what is forgotten: people with orders and carts, keys in a vault, and a clock
 * that leaps. */
#ifndef STAMPEDE_TEST_FORGET_FIXTURE_H
#define STAMPEDE_TEST_FORGET_FIXTURE_H

#include "order.h"
#include "vault_fixture.h"

enum { PRICE = 1999 };

static bool gateway_is_silent;

static inline bool call_gateway(void *self, struct gateway_job *job)
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

static inline bool has(void *self, uint8_t provider)
{
    (void)self;
    return provider == PROVIDER_SANDBOX;
}

static inline int set_up(void **state)
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

static inline void leap(struct fixture *fixture, int64_t seconds)
{
    fixture->now.wall_ms += seconds * 1000;
}

static inline uint64_t stored(const struct fixture *fixture, enum record_kind kind)
{
    return journal_memory_count(fixture->journal, kind);
}

static inline struct engine_metrics metrics_of(const struct fixture *fixture)
{
    struct engine_metrics metrics;

    engine_metrics(fixture->engine, &metrics);
    return metrics;
}

/* ---- people ---- */

static inline struct principal register_person(struct fixture *fixture, uint8_t number)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_EMAIL_PREPARE};
    struct vault_wrapped_key wrapped;

    envelope.index[0] = number;
    envelope.index[9] = number;
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    fixture->vault.new_key(fixture->vault.self, &envelope.account, &wrapped);
    envelope.call = ACCOUNT_CALL_REGISTER;
    envelope.verified = 1;
    envelope.email_length = 3;
    envelope.key.length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(envelope.key.bytes, wrapped.bytes, sizeof(wrapped.bytes));
    envelope.password_length = 4;
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    return envelope.account;
}

static inline struct principal guest_of(uint8_t number)
{
    uint64_t words[2] = {hash_word(number), hash_word(number + 1000u)};
    struct principal guest;

    memcpy(guest.bytes, words, sizeof(guest.bytes));
    return guest;
}

/* As a login does, without what is no matter here. */
static inline void become(struct fixture *fixture, const struct principal *guest,
                          const struct principal *account)
{
    struct account_envelope envelope = {
        .call = ACCOUNT_CALL_GUEST_END, .account = *account, .guest = *guest};

    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    envelope.call = ACCOUNT_CALL_GET;
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
    envelope.call = ACCOUNT_CALL_SESSION_OPEN;
    envelope.has_guest = 1;
    envelope.guest = *guest;
    envelope.credentials = envelope.view.credentials;
    envelope.lifetime_ms = 3600 * SECOND_MS;
    memcpy(envelope.hash, guest->bytes, sizeof(guest->bytes));
    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
}

static inline void erase(struct fixture *fixture, const struct principal *account)
{
    struct account_envelope envelope = {.call = ACCOUNT_CALL_ERASE, .account = *account};

    assert_int_equal(ask_account(fixture, &envelope), OUTCOME_OK);
}

/* ---- orders ---- */

static inline enum outcome ask_order(struct fixture *fixture, struct order_envelope *question)
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

static inline struct reservation_id hold_one(struct fixture *fixture, const struct principal *who,
                                             const char *key)
{
    struct command_line line = {.sku = text("SHOE"), .quantity = 1};
    struct command command = reserve_command(&line, 1, 0, key);
    struct message reply;

    command.principal = *who;
    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.hold.id;
}

static inline struct order_envelope *checkout(const struct fixture *fixture,
                                              const struct principal *who,
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

static inline struct order_envelope make_order(struct fixture *fixture, const struct principal *who,
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

static inline struct order_envelope about(const struct order_envelope *order, enum order_call call)
{
    return (struct order_envelope){
        .call = (uint8_t)call, .authority = AUTHORITY_STAFF, .id = order->id};
}

static inline void pay(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = about(order, ORDER_CALL_CONFIRM);

    strcpy(answer.method, "pm_card_visa");
    assert_int_equal(ask_order(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_CONFIRMED);
}

static inline struct order_envelope make_paid(struct fixture *fixture, const struct principal *who,
                                              uint64_t key)
{
    struct order_envelope order = make_order(fixture, who, key);

    pay(fixture, &order);
    return order;
}

static inline void send(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = about(order, ORDER_CALL_FULFIL);

    strcpy(answer.tracking, "T1");
    assert_int_equal(ask_order(fixture, &answer), OUTCOME_OK);
    assert_int_equal(answer.order.status, ORDER_SHIPPED);
}

static inline struct order_envelope make_sent(struct fixture *fixture, const struct principal *who,
                                              uint64_t key)
{
    struct order_envelope order = make_paid(fixture, who, key);

    send(fixture, &order);
    return order;
}

static inline struct order_envelope get(struct fixture *fixture, const struct order_envelope *order)
{
    struct order_envelope answer = about(order, ORDER_CALL_GET);

    assert_int_equal(ask_order(fixture, &answer), OUTCOME_OK);
    return answer;
}

static inline bool knows_person(struct fixture *fixture, const struct order_envelope *order)
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

static inline void fill_cart(struct fixture *fixture, const struct principal *who)
{
    struct command command = {.type = COMMAND_CART,
                              .principal = *who,
                              .cart = {.operation = CART_ADD, .sku = text("SHOE"), .quantity = 2}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
}

static inline bool has_cart(struct fixture *fixture, const struct principal *who)
{
    struct command command = {
        .type = COMMAND_CART, .principal = *who, .cart = {.operation = CART_GET}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.cart.created_wall_ms != 0;
}

static inline uint32_t quantity_in(struct fixture *fixture, const struct principal *who)
{
    struct command command = {
        .type = COMMAND_CART, .principal = *who, .cart = {.operation = CART_GET}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.cart.content.line_count == 0 ? 0
                                                    : reply.reply.cart.content.lines[0].quantity;
}

static inline struct cart_view cart_of(struct fixture *fixture, const struct principal *who)
{
    struct command command = {
        .type = COMMAND_CART, .principal = *who, .cart = {.operation = CART_GET}};
    struct message reply;

    assert_int_equal(fixture_do(fixture, 0, &command, &reply), OUTCOME_OK);
    return reply.reply.cart;
}

static inline void merge(struct fixture *fixture, const struct cart_view *guests,
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

#endif
