/* SPDX-License-Identifier: Apache-2.0 */
/* Stripe's side of the gateway port, over the real outbound thread against a scripted server: what
 * each answer comes to, and what none does. */
#include "stripe_fixture.h"

/* ---- answers ---- */

static void a_new_payment_brings_what_the_browser_needs(void **state)
{
    struct gateway_job job = make_job(GATEWAY_CREATE);

    (void)state;
    run(&job, "200 OK", CREATED);
    assert_int_equal(job.result, GATEWAY_DONE);
    assert_int_equal(job.state, PAYMENT_CREATED);
    assert_string_equal(job.payment_id, "pi_1");
    assert_string_equal(job.client_secret, "pi_1_secret_2");
    assert_string_equal(job.redirect_url, "");
}

struct answer_case {
    enum gateway_operation operation;
    const char *head;
    const char *body;
    enum gateway_result result;
    enum payment_state state;
    int64_t captured;
    int64_t refunded;
    const char *reason;
};

static void check_answers(const struct answer_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct answer_case *expected = &cases[i];
        struct gateway_job job = make_job(expected->operation);

        run(&job, expected->head, expected->body);
        if (job.result != expected->result || job.state != expected->state ||
            strcmp(job.reason, expected->reason) != 0 || job.captured_minor != expected->captured ||
            job.refunded_minor != expected->refunded)
            fail_msg("case %zu (%s, %s): %s, state %u, captured %lld, refunded %lld, %s", i,
                     gateway_operation_name(job.operation), expected->head,
                     gateway_result_name(job.result), job.state, (long long)job.captured_minor,
                     (long long)job.refunded_minor, job.reason);
    }
}

#define CHECK(cases) check_answers(cases, sizeof(cases) / sizeof((cases)[0]))

static void a_payment_s_state_decides(void **state)
{
    static const struct answer_case cases[] = {
        {GATEWAY_CONFIRM, "200 OK", AUTHORISED, GATEWAY_DONE, PAYMENT_AUTHORISED, 0, 0, ""},
        {GATEWAY_CONFIRM, "200 OK", CAPTURED, GATEWAY_DONE, PAYMENT_CAPTURED, 2500, 100, ""},
        {GATEWAY_CONFIRM, "200 OK", INTENT("processing", "0", "null"), GATEWAY_UNKNOWN,
         PAYMENT_PROCESSING, 0, 0, "payment_is_processing"},
        {GATEWAY_CONFIRM, "200 OK", INTENT("requires_action", "0", "null"), GATEWAY_DECLINED,
         PAYMENT_CREATED, 0, 0, "authentication_required"},
        {GATEWAY_CONFIRM, "200 OK", CREATED, GATEWAY_DECLINED, PAYMENT_CREATED, 0, 0,
         "generic_decline"},
        {GATEWAY_CONFIRM, "200 OK",
         INTENT("requires_payment_method", "0",
                "null,'last_payment_error':{'code':'card_declined','decline_code':'lost_card'}"),
         GATEWAY_DECLINED, PAYMENT_CREATED, 0, 0, "lost_card"},
        {GATEWAY_CONFIRM, "200 OK", CANCELLED, GATEWAY_REFUSED, PAYMENT_CANCELLED, 0, 0,
         "payment_is_cancelled"},
        {GATEWAY_CAPTURE, "200 OK", CAPTURED, GATEWAY_DONE, PAYMENT_CAPTURED, 2500, 100, ""},
        {GATEWAY_CAPTURE, "200 OK", INTENT("succeeded", "2500", "'ch_1'"), GATEWAY_DONE,
         PAYMENT_CAPTURED, 2500, -1, ""},
        {GATEWAY_CAPTURE, "200 OK", INTENT("processing", "0", "null"), GATEWAY_UNKNOWN,
         PAYMENT_PROCESSING, 0, 0, "payment_is_processing"},
        {GATEWAY_CAPTURE, "200 OK", AUTHORISED, GATEWAY_REFUSED, PAYMENT_AUTHORISED, 0, 0,
         "payment_is_authorised"},
        {GATEWAY_CANCEL, "200 OK", CANCELLED, GATEWAY_DONE, PAYMENT_CANCELLED, 0, 0, ""},
        {GATEWAY_CANCEL, "200 OK", CAPTURED, GATEWAY_REFUSED, PAYMENT_CAPTURED, 2500, 100,
         "payment_is_captured"},
        {GATEWAY_CANCEL, "200 OK", INTENT("processing", "0", "null"), GATEWAY_REFUSED,
         PAYMENT_PROCESSING, 0, 0, "payment_is_processing"},
        {GATEWAY_QUERY, "200 OK", CREATED, GATEWAY_DONE, PAYMENT_CREATED, 0, 0, ""},
        {GATEWAY_QUERY, "200 OK", INTENT("requires_confirmation", "0", "null"), GATEWAY_DONE,
         PAYMENT_CREATED, 0, 0, ""},
        {GATEWAY_QUERY, "200 OK", INTENT("requires_action", "0", "null"), GATEWAY_DONE,
         PAYMENT_CREATED, 0, 0, ""},
        {GATEWAY_QUERY, "200 OK", INTENT("processing", "0", "null"), GATEWAY_DONE,
         PAYMENT_PROCESSING, 0, 0, ""},
        {GATEWAY_QUERY, "200 OK", AUTHORISED, GATEWAY_DONE, PAYMENT_AUTHORISED, 0, 0, ""},
        {GATEWAY_QUERY, "200 OK", CAPTURED, GATEWAY_DONE, PAYMENT_CAPTURED, 2500, 100, ""},
        {GATEWAY_QUERY, "200 OK", CANCELLED, GATEWAY_DONE, PAYMENT_CANCELLED, 0, 0, ""},
        {GATEWAY_REFUND, "200 OK", REFUND("succeeded", "2500", CHARGE), GATEWAY_DONE,
         PAYMENT_CAPTURED, 2500, 2500, ""},
        {GATEWAY_REFUND, "200 OK", REFUND("pending", "2500", "'ch_1'"), GATEWAY_DONE,
         PAYMENT_CAPTURED, -1, -1, "refund_pending"},
        {GATEWAY_REFUND, "200 OK", REFUND("requires_action", "2500", "null"), GATEWAY_DONE,
         PAYMENT_CAPTURED, -1, -1, "refund_pending"},
        {GATEWAY_REFUND, "200 OK", REFUND("failed", "2500", "null"), GATEWAY_REFUSED,
         PAYMENT_CAPTURED, -1, -1, "refund_failed"},
        {GATEWAY_REFUND, "200 OK", REFUND("canceled", "2500", "null"), GATEWAY_REFUSED,
         PAYMENT_CAPTURED, -1, -1, "refund_failed"},
    };

    (void)state;
    CHECK(cases);
}

static void errors_come_to_what_they_mean(void **state)
{
    static const struct answer_case cases[] = {
        {GATEWAY_CONFIRM, "402 x",
         ERROR("card_error", "card_declined",
               ",'decline_code':'insufficient_funds','payment_intent':" CREATED),
         GATEWAY_DECLINED, PAYMENT_CREATED, 0, 0, "insufficient_funds"},
        {GATEWAY_CONFIRM, "402 x", ERROR("card_error", "expired_card", ""), GATEWAY_DECLINED,
         PAYMENT_NONE, 0, 0, "expired_card"},
        {GATEWAY_CONFIRM, "402 x", ERROR("invalid_request_error", "x", ""), GATEWAY_REFUSED,
         PAYMENT_NONE, 0, 0, "x"},
        {GATEWAY_CAPTURE, "402 x", ERROR("card_error", "card_declined", ""), GATEWAY_REFUSED,
         PAYMENT_NONE, 0, 0, "card_declined"},
        {GATEWAY_CONFIRM, "400 x",
         ERROR("invalid_request_error", "resource_missing", ",'param':'payment_method'"),
         GATEWAY_REFUSED, PAYMENT_NONE, 0, 0, GATEWAY_REASON_METHOD},
        {GATEWAY_CONFIRM, "404 x",
         ERROR("invalid_request_error", "resource_missing", ",'param':'intent'"), GATEWAY_REFUSED,
         PAYMENT_NONE, 0, 0, "no_such_payment"},
        {GATEWAY_QUERY, "404 x",
         ERROR("invalid_request_error", "resource_missing", ",'param':'intent'"), GATEWAY_REFUSED,
         PAYMENT_NONE, 0, 0, "no_such_payment"},
        /* It was done before, under another key or by somebody else. */
        {GATEWAY_CAPTURE, "400 x", UNEXPECTED(CAPTURED), GATEWAY_DONE, PAYMENT_CAPTURED, 2500, 100,
         ""},
        {GATEWAY_CAPTURE, "400 x", UNEXPECTED(INTENT("succeeded", "2500", "'ch_1'")), GATEWAY_DONE,
         PAYMENT_CAPTURED, 2500, -1, ""},
        {GATEWAY_CAPTURE, "400 x", UNEXPECTED(CANCELLED), GATEWAY_REFUSED, PAYMENT_CANCELLED, 0, 0,
         "payment_intent_unexpected_state"},
        {GATEWAY_CAPTURE, "400 x", UNEXPECTED(INTENT("processing", "0", "null")), GATEWAY_REFUSED,
         PAYMENT_PROCESSING, 0, 0, "payment_intent_unexpected_state"},
        {GATEWAY_CANCEL, "400 x", UNEXPECTED(CANCELLED), GATEWAY_DONE, PAYMENT_CANCELLED, 0, 0, ""},
        {GATEWAY_CANCEL, "400 x", UNEXPECTED(CAPTURED), GATEWAY_REFUSED, PAYMENT_CAPTURED, 2500,
         100, "payment_intent_unexpected_state"},
        {GATEWAY_CONFIRM, "400 x", UNEXPECTED(AUTHORISED), GATEWAY_DONE, PAYMENT_AUTHORISED, 0, 0,
         ""},
        {GATEWAY_REFUND, "400 x", ERROR("invalid_request_error", "charge_already_refunded", ""),
         GATEWAY_DONE, PAYMENT_CAPTURED, -1, -1, "charge_already_refunded"},
        {GATEWAY_REFUND, "400 x", ERROR("invalid_request_error", "amount_too_large", ""),
         GATEWAY_REFUSED, PAYMENT_NONE, -1, -1, "amount_too_large"},
        /* Neither a new payment nor an answer to a question. */
        {GATEWAY_CREATE, "402 x",
         ERROR("card_error", "card_declined", ",'payment_intent':" CREATED), GATEWAY_REFUSED,
         PAYMENT_NONE, 0, 0, "card_declined"},
        {GATEWAY_QUERY, "400 x", UNEXPECTED(CAPTURED), GATEWAY_REFUSED, PAYMENT_NONE, 0, 0,
         "payment_intent_unexpected_state"},
        /* Keys. */
        {GATEWAY_CAPTURE, "400 x", "{'error':{'type':'idempotency_error'}}", GATEWAY_REFUSED,
         PAYMENT_NONE, 0, 0, "idempotency_error"},
        {GATEWAY_CAPTURE, "409 x", ERROR("idempotency_error", "idempotency_key_in_use", ""),
         GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0, "under_way"},
        {GATEWAY_CAPTURE, "400 x", ERROR("idempotency_error", "idempotency_key_in_use", ""),
         GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0, "under_way"},
        /* Ours. */
        {GATEWAY_CAPTURE, "401 x", "{'error':{'type':'invalid_request_error'}}",
         GATEWAY_UNAVAILABLE, PAYMENT_NONE, 0, 0, "secret_refused"},
        {GATEWAY_CAPTURE, "403 x", "", GATEWAY_UNAVAILABLE, PAYMENT_NONE, 0, 0, "secret_refused"},
        {GATEWAY_CAPTURE, "429 x", ERROR("invalid_request_error", "rate_limit", ""),
         GATEWAY_UNAVAILABLE, PAYMENT_NONE, 0, 0, "rate_limited"},
        /* Theirs. */
        {GATEWAY_CAPTURE, "500 x", ERROR("api_error", "x", ""), GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0,
         "gateway_failed"},
        {GATEWAY_CREATE, "503 x", "<html>", GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0, "gateway_failed"},
        {GATEWAY_QUERY, "502 x", "", GATEWAY_UNAVAILABLE, PAYMENT_NONE, 0, 0, "gateway_failed"},
        /* Somebody in between. */
        {GATEWAY_CAPTURE, "404 x", "<html>", GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0,
         "answer_unreadable"},
        {GATEWAY_CAPTURE, "404 x", "{'error':'no'}", GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0,
         "answer_unreadable"},
        {GATEWAY_CAPTURE, "400 x", "{'error':{'code':'x'}}", GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0,
         "answer_unreadable"},
        {GATEWAY_CAPTURE, "408 x", ERROR("api_error", "x", ""), GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0,
         "answer_unreadable"},
        {GATEWAY_CAPTURE, "302 x", CAPTURED, GATEWAY_UNKNOWN, PAYMENT_NONE, 0, 0,
         "answer_unreadable"},
        /* What is told as a code, and looks like none, is not told on. */
        {GATEWAY_CAPTURE, "400 x", ERROR("invalid_request_error", "Call:me", ""), GATEWAY_REFUSED,
         PAYMENT_NONE, 0, 0, "gateway_error"},
    };

    (void)state;
    CHECK(cases);
}

static void what_cannot_be_read_is_no_word(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        INTENT("succeeded", "2500.0", "null"),
        INTENT("succeeded", "-1", "null"),
        INTENT("succeeded", "99999999999999999999", "null"),
        INTENT("paid", "2500", "null"),
        INTENT("succeeded", "'2500'", "null"),
        INTENT("succeeded", "2500", "7"),
        INTENT("succeeded", "2500", "{}"),
        INTENT("succeeded", "2500", "null") "x",
        REFUND("succeeded", "2500", CHARGE),
        "{'id':'pi_1','object':'payment_intent','amount':2500,'currency':'eur',"
        "'status':'succeeded','metadata':{'order_id':'ord_1'}}",
        "{'id':'pi_1','object':'payment_intent','amount':2500,'amount_received':2500,"
        "'currency':'euro','status':'succeeded','metadata':{'order_id':'ord_1'}}",
        "{'id':'pi\\u00001','object':'payment_intent','amount':2500,'amount_received':2500,"
        "'currency':'eur','status':'succeeded','metadata':{'order_id':'ord_1'}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct gateway_job job = make_job(GATEWAY_CAPTURE);

        run(&job, "200 OK", bodies[i]);
        if (job.result != GATEWAY_UNKNOWN || strcmp(job.reason, "answer_unreadable") != 0)
            fail_msg("body %zu: %s, %s", i, gateway_result_name(job.result), job.reason);
        job = make_job(GATEWAY_QUERY);
        run(&job, "200 OK", bodies[i]);
        assert_int_equal(job.result, GATEWAY_UNAVAILABLE);
    }
    struct gateway_job job = make_job(GATEWAY_REFUND);

    run(&job, "200 OK", CAPTURED);
    assert_int_equal(job.result, GATEWAY_UNKNOWN);
    job = make_job(GATEWAY_CREATE); /* a payment that no browser could confirm */
    run(&job, "200 OK",
        "{'id':'pi_1','object':'payment_intent','amount':2500,'amount_received':0,'currency':'eur',"
        "'status':'requires_payment_method','metadata':{'order_id':'ord_1'}}");
    assert_int_equal(job.result, GATEWAY_UNKNOWN);
    assert_string_equal(job.payment_id, "");
}

static void an_answer_about_something_else_is_refused_and_counted(void **state)
{
    static const struct {
        enum gateway_operation operation;
        const char *payment_id;
        const char *order_id;
        const char *currency;
        int64_t amount;
        const char *head;
        const char *body;
        enum payment_state state;
        const char *reason;
    } cases[] = {
        {GATEWAY_CAPTURE, "pi_2", "ord_1", "EUR", 2500, "200 OK", CAPTURED, PAYMENT_NONE,
         "payment_mismatch"},
        {GATEWAY_QUERY, "pi_1", "ord_2", "EUR", 2500, "200 OK", CAPTURED, PAYMENT_NONE,
         "order_mismatch"},
        {GATEWAY_CANCEL, "pi_1", "ord_1", "USD", 2500, "200 OK", CANCELLED, PAYMENT_NONE,
         "currency_mismatch"},
        {GATEWAY_CAPTURE, "pi_1", "ord_1", "EUR", 2499, "200 OK", CAPTURED, PAYMENT_CAPTURED,
         "amount_mismatch"},
        {GATEWAY_CONFIRM, "pi_1", "ord_1", "EUR", 2501, "200 OK", AUTHORISED, PAYMENT_AUTHORISED,
         "amount_mismatch"},
        {GATEWAY_QUERY, "pi_1", "ord_1", "EUR", 1, "200 OK", CAPTURED, PAYMENT_CAPTURED,
         "amount_mismatch"},
        {GATEWAY_CREATE, "", "ord_1", "EUR", 25, "200 OK", CREATED, PAYMENT_CREATED,
         "amount_mismatch"},
        {GATEWAY_CREATE, "", "ord_2", "EUR", 2500, "200 OK", CREATED, PAYMENT_NONE,
         "order_mismatch"},
        {GATEWAY_CAPTURE, "pi_1", "ord_1", "EUR", 2499, "400 x", UNEXPECTED(CAPTURED),
         PAYMENT_CAPTURED, "amount_mismatch"},
        {GATEWAY_CAPTURE, "pi_1", "ord_2", "EUR", 2500, "400 x", UNEXPECTED(CAPTURED), PAYMENT_NONE,
         "order_mismatch"},
        {GATEWAY_REFUND, "pi_1", "ord_1", "EUR", 2, "200 OK", REFUND("succeeded", "2500", "null"),
         PAYMENT_NONE, "amount_mismatch"},
        {GATEWAY_REFUND, "pi_9", "ord_1", "EUR", 2500, "200 OK",
         REFUND("succeeded", "2500", "null"), PAYMENT_NONE, "payment_mismatch"},
        {GATEWAY_REFUND, "pi_1", "ord_1", "GBP", 2500, "200 OK",
         REFUND("succeeded", "2500", "null"), PAYMENT_NONE, "currency_mismatch"},
    };
    struct gateway_metrics before, after;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gateway_job job = make_job(cases[i].operation);

        strcpy(job.payment_id, cases[i].payment_id);
        strcpy(job.order_id, cases[i].order_id);
        strcpy(job.currency, cases[i].currency);
        job.amount_minor = cases[i].amount;
        gateways_metrics_get(gateways, &before);
        run(&job, cases[i].head, cases[i].body);
        gateways_metrics_get(gateways, &after);
        if (job.result != GATEWAY_REFUSED || strcmp(job.reason, cases[i].reason) != 0 ||
            job.state != cases[i].state)
            fail_msg("case %zu: %s, state %u, %s", i, gateway_result_name(job.result), job.state,
                     job.reason);
        assert_string_equal(job.payment_id, cases[i].payment_id);
        assert_string_equal(job.client_secret, "");
        assert_int_equal(after.mismatches[PROVIDER_STRIPE], before.mismatches[PROVIDER_STRIPE] + 1);
    }
    /* Without an amount of its own a question has none to compare. */
    struct gateway_job job = make_job(GATEWAY_QUERY);

    job.amount_minor = 0;
    run(&job, "200 OK", CAPTURED);
    assert_int_equal(job.result, GATEWAY_DONE);
}

/* ---- no answer ---- */

static void a_busy_gateway_says_when(void **state)
{
    struct gateway_job job = make_job(GATEWAY_CAPTURE);

    (void)state;
    run(&job, "429 x\r\nRetry-After: 7", "");
    assert_int_equal(job.result, GATEWAY_UNAVAILABLE);
    assert_int_equal(job.retry_after_s, 7);
}

static void a_request_that_was_sent_may_have_been_done(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct gateway_job job = make_job(GATEWAY_CAPTURE);

        scripted_answer(&server, NULL, i == 0);
        job.timeout_ms = i == 0 ? 300 : 20 * 1000;
        run_at(gateways, &job);
        assert_int_equal(job.result, GATEWAY_UNKNOWN);
        assert_int_equal(job.state, PAYMENT_NONE);
        assert_string_equal(job.reason, i == 0 ? "timeout" : "connection_lost");
        job = make_job(GATEWAY_QUERY);
        job.timeout_ms = i == 0 ? 300 : 20 * 1000;
        run_at(gateways, &job);
        assert_int_equal(job.result, GATEWAY_UNAVAILABLE);
    }
}

static void an_answer_beyond_the_bound_is_no_word(void **state)
{
    static char body[STRIPE_ANSWER_MAX + 1000];
    static char answer[sizeof(body) + 200];
    struct gateway_job job = make_job(GATEWAY_CAPTURE);

    (void)state;
    memset(body, ' ', sizeof(body) - 1);
    snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    scripted_answer(&server, answer, false);
    run_at(gateways, &job);
    assert_int_equal(job.result, GATEWAY_UNKNOWN);
    assert_string_equal(job.reason, "answer_too_large");
}

static void where_nobody_listens_nothing_happened(void **state)
{
    static struct scripted_server closed;
    struct gateways *elsewhere;
    struct gateway_job job = make_job(GATEWAY_CAPTURE);

    (void)state;
    assert_true(scripted_start(&closed));
    scripted_stop(&closed);
    elsewhere = open_gateways(closed.port);
    assert_non_null(elsewhere);
    run_at(elsewhere, &job);
    assert_int_equal(job.result, GATEWAY_UNAVAILABLE);
    gateways_destroy(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_payment_brings_what_the_browser_needs),
        cmocka_unit_test(a_payment_s_state_decides),
        cmocka_unit_test(errors_come_to_what_they_mean),
        cmocka_unit_test(what_cannot_be_read_is_no_word),
        cmocka_unit_test(an_answer_about_something_else_is_refused_and_counted),
        cmocka_unit_test(a_busy_gateway_says_when),
        cmocka_unit_test(a_request_that_was_sent_may_have_been_done),
        cmocka_unit_test(an_answer_beyond_the_bound_is_no_word),
        cmocka_unit_test(where_nobody_listens_nothing_happened),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
