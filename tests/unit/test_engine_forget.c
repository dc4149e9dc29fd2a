/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of orders and carts at a login and at an erasure: who is forgotten, when, and what
 * stays for the books; whatever crashes in between. */
#include "erasures.h"
#include "forget_fixture.h"

enum { GUESTS = 12 };

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

        assert_int_equal(ask_account(fixture, &end), OUTCOME_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, vault_tear_down)
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
