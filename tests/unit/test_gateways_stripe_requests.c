/* SPDX-License-Identifier: Apache-2.0 */
/* Stripe's side of the gateway port, over the real outbound thread against a scripted server: the
 * bytes of each request. */
#include "stripe_fixture.h"

static void each_operation_is_asked_in_stripe_s_own_words(void **state)
{
    static const struct {
        enum gateway_operation operation;
        const char *answer;
        const char *line;
        const char *body;
    } cases[] = {
        {GATEWAY_CREATE, CREATED, "POST /v1/payment_intents HTTP/1.1",
         "amount=2500&currency=eur&capture_method=manual&automatic_payment_methods[enabled]=true"
         "&automatic_payment_methods[allow_redirects]=never&metadata[order_id]=ord_1"},
        {GATEWAY_CONFIRM, AUTHORISED, "POST /v1/payment_intents/pi_1/confirm HTTP/1.1",
         "payment_method=pm_card_visa&expand[]=latest_charge"},
        {GATEWAY_CAPTURE, CAPTURED, "POST /v1/payment_intents/pi_1/capture HTTP/1.1",
         "amount_to_capture=2500&expand[]=latest_charge"},
        {GATEWAY_CANCEL, CANCELLED, "POST /v1/payment_intents/pi_1/cancel HTTP/1.1",
         "expand[]=latest_charge"},
        {GATEWAY_REFUND, REFUND("succeeded", "2500", CHARGE), "POST /v1/refunds HTTP/1.1",
         "payment_intent=pi_1&amount=2500&metadata[order_id]=ord_1&expand[]=charge"},
        {GATEWAY_QUERY, CAPTURED,
         "GET /v1/payment_intents/pi_1?expand%5B%5D=latest_charge HTTP/1.1", ""},
    };

    char request[SCRIPTED_REQUEST_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gateway_job job = make_job(cases[i].operation);
        bool is_post = cases[i].operation != GATEWAY_QUERY;
        char expected[2000];
        char length[64] = "";

        run(&job, "200 OK", cases[i].answer);
        assert_int_equal(job.result, GATEWAY_DONE);
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(cases[i].body));
        snprintf(expected, sizeof(expected),
                 "%s\r\nHost: 127.0.0.1:%u\r\nUser-Agent: Stampede/" STAMPEDE_VERSION
                 "\r\nAccept: */*\r\nAuthorization: Bearer sk_test_key\r\n"
                 "Stripe-Version: 2024-06-20\r\n%s%s\r\n%s",
                 cases[i].line, server.port,
                 is_post ? "Content-Type: application/x-www-form-urlencoded\r\n"
                           "Idempotency-Key: ord_1.step.1\r\n"
                         : "",
                 is_post ? length : "", cases[i].body);
        scripted_request(&server, request);
        assert_string_equal(request, expected);
    }
}

static void what_goes_into_a_form_is_encoded(void **state)
{
    struct gateway_job job = make_job(GATEWAY_CONFIRM);
    char request[SCRIPTED_REQUEST_MAX];

    (void)state;
    strcpy(job.method, "pm_a&b=c d\xc3\xa9%");
    run(&job, "200 OK", AUTHORISED);
    scripted_request(&server, request);
    assert_non_null(strstr(request, "\r\n\r\npayment_method=pm_a%26b%3Dc%20d%C3%A9%25&"));
}

static void a_name_that_is_no_payment_s_goes_into_no_path(void **state)
{
    static const char *const names[] = {"", "pi_1/cancel", "../refunds", "pi_1?a=b", "pi 1", "p\r"};
    char request[SCRIPTED_REQUEST_MAX];
    unsigned before = scripted_request(&server, request);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct gateway_job job = make_job(GATEWAY_CAPTURE);

        strcpy(job.payment_id, names[i]);
        run(&job, "200 OK", CAPTURED);
        assert_int_equal(job.result, GATEWAY_REFUSED);
        assert_string_equal(job.reason, "no_such_payment");
    }
    assert_int_equal(scripted_request(&server, request), before);
}

/* docs.stripe.com/currencies: 5 ISK are 500 there, and 5 MGA are 5. */
static void amounts_are_sent_and_read_in_stripe_s_units(void **state)
{
    static const struct {
        const char *currency;
        int64_t minor;
        const char *amount; /* NULL: it cannot be paid there */
    } cases[] = {{"EUR", 500, "500"}, {"JPY", 500, "500"},      {"KWD", 5120, "5120"},
                 {"ISK", 5, "500"},   {"MGA", 500, "5"},        {"MGA", 501, NULL},
                 {"UGX", 500, NULL},  {"ISK", INT64_MAX, NULL}, {"HUF", 1045, "1045"}};
    char request[SCRIPTED_REQUEST_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gateway_job job = make_job(GATEWAY_CAPTURE);
        unsigned before = scripted_request(&server, request);
        const char *amount = cases[i].amount == NULL ? "500" : cases[i].amount;
        char body[600];

        memcpy(job.currency, cases[i].currency, sizeof(job.currency));
        job.amount_minor = cases[i].minor;
        snprintf(body, sizeof(body),
                 "{'id':'pi_1','object':'payment_intent','amount':%s,'amount_received':%s,"
                 "'currency':'%s','status':'succeeded','metadata':{'order_id':'ord_1'},"
                 "'latest_charge':{'id':'ch_1','amount_refunded':%s}}",
                 amount, amount, cases[i].currency, amount);
        run(&job, "200 OK", body);
        assert_int_equal(scripted_request(&server, request), before + (cases[i].amount != NULL));
        if (cases[i].amount == NULL) {
            assert_int_equal(job.result, GATEWAY_REFUSED);
            assert_string_equal(job.reason, "amount_not_payable");
            continue;
        }
        snprintf(body, sizeof(body), "\r\n\r\namount_to_capture=%s&", amount);
        assert_non_null(strstr(request, body));
        assert_int_equal(job.result, GATEWAY_DONE);
        assert_int_equal(job.captured_minor, cases[i].minor);
        assert_int_equal(job.refunded_minor, cases[i].minor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_is_asked_in_stripe_s_own_words),
        cmocka_unit_test(what_goes_into_a_form_is_encoded),
        cmocka_unit_test(a_name_that_is_no_payment_s_goes_into_no_path),
        cmocka_unit_test(amounts_are_sent_and_read_in_stripe_s_units),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
