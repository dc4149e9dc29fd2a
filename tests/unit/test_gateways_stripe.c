/* SPDX-License-Identifier: Apache-2.0 */
/* Stripe's side of the gateway port, over the real outbound thread against a scripted server: the
 * bytes of each request, and what each answer comes to. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "outbound/gateways/gateways.h"
#include "outbound/gateways/stripe.h"
#include "outbound/outbound.h"
#include "scripted_server.h"

static struct scripted_server server;
static struct outbound *outbound;
static struct gateways *gateways;
static sem_t finished;

static void on_done(struct gateway_job *job)
{
    (void)job;
    sem_post(&finished);
}

static struct gateways *open_gateways(unsigned port)
{
    struct outbound_port port_out = outbound_port_get(outbound);
    struct gateways_options options;
    char error[200];
    char url[100];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    gateways_options_default(&options);
    options.stripe_secret_key = "sk_test_key";
    options.stripe_base_url = url;
    options.stripe_confirm = true;
    return gateways_create(&options, &port_out, error, sizeof(error));
}

static int open_all(void **state)
{
    struct outbound_options options;
    char error[OUTBOUND_ERROR_MAX];

    (void)state;
    sem_init(&finished, 0, 0);
    if (!scripted_start(&server))
        return -1;
    outbound_options_default(&options);
    options.private_allowed = true;
    outbound = outbound_create(&options, error, sizeof(error));
    gateways = open_gateways(server.port);
    return outbound == NULL || gateways == NULL ? -1 : 0;
}

static int close_all(void **state)
{
    (void)state;
    outbound_destroy(outbound);
    gateways_destroy(gateways);
    scripted_stop(&server);
    sem_destroy(&finished);
    return 0;
}

static struct gateway_job make_job(enum gateway_operation operation)
{
    struct gateway_job job = {
        .provider = PROVIDER_STRIPE,
        .operation = (uint8_t)operation,
        .timeout_ms = 20 * 1000,
        .amount_minor = 2500,
        .currency = "EUR",
        .key = "ord_1.step.1",
        .order_id = "ord_1",
        .done = on_done,
    };

    if (operation != GATEWAY_CREATE)
        strcpy(job.payment_id, "pi_1");
    if (operation == GATEWAY_CONFIRM)
        strcpy(job.method, "pm_card_visa");
    return job;
}

static void run_at(struct gateways *at, struct gateway_job *job)
{
    struct gateway_port port = gateways_port(at);

    assert_true(port.submit(port.self, job));
    sem_wait(&finished);
}

/* The answer's body has ' for ". */
static void run(struct gateway_job *job, const char *head, const char *body)
{
    static char answer[8192];
    int used = snprintf(answer, sizeof(answer),
                        "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", head,
                        strlen(body));

    snprintf(answer + used, sizeof(answer) - (size_t)used, "%s", body);
    for (char *at = answer + used; *at != 0; at++)
        *at = *at == '\'' ? '"' : *at;
    scripted_answer(&server, answer, false);
    run_at(gateways, job);
}

#define INTENT(status, received, charge)                                                           \
    "{'id':'pi_1','object':'payment_intent','amount':2500,'amount_received':" received             \
    ",'currency':'eur','status':'" status "','metadata':{'order_id':'ord_1'},"                     \
    "'client_secret':'pi_1_secret_2','latest_charge':" charge "}"
#define CREATED                 INTENT("requires_payment_method", "0", "null")
#define AUTHORISED              INTENT("requires_capture", "0", "{'id':'ch_1','amount_refunded':0}")
#define CAPTURED                INTENT("succeeded", "2500", "{'id':'ch_1','amount_refunded':100}")
#define CANCELLED               INTENT("canceled", "0", "null")
#define ERROR(type, code, rest) "{'error':{'type':'" type "','code':'" code "'" rest "}}"
#define UNEXPECTED(intent)                                                                         \
    ERROR("invalid_request_error", "payment_intent_unexpected_state", ",'payment_intent':" intent)
#define REFUND(status, amount, charge)                                                             \
    "{'id':'re_1','object':'refund','amount':" amount ",'currency':'eur','status':'" status        \
    "','payment_intent':'pi_1','charge':" charge ",'metadata':{'order_id':'ord_1'}}"
#define CHARGE                                                                                     \
    "{'id':'ch_1','object':'charge','amount':2500,'amount_captured':2500,'amount_refunded':2500,"  \
    "'captured':true,'currency':'eur','payment_intent':'pi_1','metadata':{'order_id':'ord_1'}}"

/* ---- requests ---- */

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
        cmocka_unit_test(each_operation_is_asked_in_stripe_s_own_words),
        cmocka_unit_test(what_goes_into_a_form_is_encoded),
        cmocka_unit_test(a_name_that_is_no_payment_s_goes_into_no_path),
        cmocka_unit_test(amounts_are_sent_and_read_in_stripe_s_units),
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
