/* SPDX-License-Identifier: Apache-2.0 */
/* What is private of an order opens in that order's field and nowhere else, until it is forgotten;
 * the text that is kept with an order; the token of its mails. */
#include "api/order_person.h"
#include "api/order_view.h"
#include "vault_fixture.h"

static const char address[] = ",\"name\":\"Ann\",\"line1\":\"Lane 1\"";

static struct order_record order_of(uint8_t who, uint64_t key)
{
    return (struct order_record){.principal = {{who}}, .key = {{key, 7}}};
}

static void both_open_where_they_were_sealed(void **state)
{
    const struct engine *engine = ((struct fixture *)*state)->engine;
    struct order_record order = order_of(1, 1);
    struct order_person_record person;
    char email[EMAIL_LENGTH_MAX + 1];
    char text[ADDRESS_LENGTH_MAX + 1];
    size_t length;

    assert_true(
        order_person_seal(engine, &order, "ann@example.org", address, strlen(address), &person));
    assert_int_equal(order_email_open(engine, &order, &person, email, &length), ORDER_PERSON_OPEN);
    assert_string_equal(email, "ann@example.org");
    assert_int_equal(order_address_open(engine, &order, &person, text, &length), ORDER_PERSON_OPEN);
    assert_string_equal(text, address);
    memset(&person, 0, sizeof(person)); /* as the actor leaves it that is told to forget */
    assert_int_equal(order_email_open(engine, &order, &person, email, &length),
                     ORDER_PERSON_FORGOTTEN);
    assert_int_equal(order_address_open(engine, &order, &person, text, &length),
                     ORDER_PERSON_FORGOTTEN);
    assert_string_equal(text, "");
}

static void neither_opens_elsewhere(void **state)
{
    const struct engine *engine = ((struct fixture *)*state)->engine;
    struct order_record order = order_of(1, 1);
    const struct order_record others[] = {order_of(2, 1), order_of(1, 2)};
    struct order_person_record person;
    struct order_person_record swapped;
    char email[EMAIL_LENGTH_MAX + 1];
    size_t length;

    /* Of one length, so that each would fit in the other's place. */
    assert_true(
        order_person_seal(engine, &order, "ann@example.org", "bob@example.org", 15, &person));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(order_email_open(engine, &others[i], &person, email, &length),
                         ORDER_PERSON_DAMAGED);
    swapped = person;
    memcpy(swapped.email, person.address, person.address_length);
    assert_int_equal(order_email_open(engine, &order, &swapped, email, &length),
                     ORDER_PERSON_DAMAGED);
    assert_string_equal(email, "");
    person.email[person.email_length - 1] ^= 1;
    assert_int_equal(order_email_open(engine, &order, &person, email, &length),
                     ORDER_PERSON_DAMAGED);
}

static void assert_slice(struct slice slice, const char *text)
{
    assert_int_equal(slice.length, strlen(text));
    assert_memory_equal(slice.text, text, slice.length);
}

static void a_text_is_read_by_line(void **state)
{
    static const struct {
        const char *text;
        const char *shipping;
        const char *coupon;
        const char *first;
        const char *second;
    } cases[] = {
        {"", "", "", "", ""},
        {"s", "s", "", "", ""},
        {"s\n\na\n", "s", "", "a", ""},
        {"s\nc\na\nb\n", "s", "c", "a", "b"},
        {"s\nc\na\nb", "s", "c", "a", "b"},
    };
    static struct order_envelope envelope;
    struct order_text text;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        envelope.body.text_length = (uint32_t)strlen(cases[i].text);
        memcpy(envelope.text, cases[i].text, envelope.body.text_length);
        order_text_read(&envelope, &text);
        assert_slice(text.shipping, cases[i].shipping);
        assert_slice(text.coupon, cases[i].coupon);
        assert_slice(text.items[0], cases[i].first);
        assert_slice(text.items[1], cases[i].second);
        assert_slice(text.items[2], "");
    }
}

static void a_token_opens_one_order(void **state)
{
    const struct engine *engine = ((struct fixture *)*state)->engine;
    const struct secrets_port *secrets = engine_secrets(engine);
    struct reservation_id id = {.created_ms = 1000, .sequence = 1, .partition = 0};
    struct reservation_id other = {.created_ms = 1000, .sequence = 2, .partition = 0};
    char token[ORDER_TOKEN_LENGTH + 1];

    order_token_make(secrets, &id, token);
    assert_int_equal(strlen(token), ORDER_TOKEN_LENGTH);
    assert_true(order_token_is_right(secrets, &id, token, ORDER_TOKEN_LENGTH));
    assert_false(order_token_is_right(secrets, &other, token, ORDER_TOKEN_LENGTH));
    assert_false(order_token_is_right(secrets, &id, token, ORDER_TOKEN_LENGTH - 1));
    for (unsigned i = 0; i < ORDER_TOKEN_LENGTH; i++) {
        token[i] ^= 1;
        assert_false(order_token_is_right(secrets, &id, token, ORDER_TOKEN_LENGTH));
        token[i] ^= 1;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, vault_set_up, vault_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(both_open_where_they_were_sealed),
        TEST(neither_opens_elsewhere),
        TEST(a_text_is_read_by_line),
        TEST(a_token_opens_one_order),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
