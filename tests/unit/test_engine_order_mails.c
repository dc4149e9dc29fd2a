/* SPDX-License-Identifier: Apache-2.0 */
/* Orders' mails through the engine: owed with their cause, given to the courier, kept until it has
 * its word. */
#include "order_fixture.h"

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
    struct engine_metrics metrics;

    memset(&post, 0, sizeof(post));
    post.result = COURIER_LATER;
    employ(fixture);
    sell(fixture);
    assert_mails(fixture, 1, 1);
    assert_int_equal(fixture_crash(fixture), 0);
    engine_metrics(fixture->engine, &metrics);
    assert_int_equal(metrics.order_mails_waiting, 1); /* already before its first step */
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_change_is_told_of_once),
        TEST(a_cancelled_order_is_told_of_if_it_was_paid),
        TEST(what_is_owed_survives_a_restart),
        TEST(without_a_way_none_is_owed),
        TEST(one_that_was_refused_is_kept_and_can_be_sent_again),
        TEST(nobody_is_told_who_was_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
