/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway port as a whole, and its sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "outbound/gateways/gateways.h"

static unsigned done_count;

static void on_done(struct gateway_job *job)
{
    (void)job;
    done_count++;
}

static bool no_outbound(void *self, struct outbound_job *job)
{
    (void)self;
    (void)job;
    fail_msg("the sandbox asks nobody");
    return false;
}

static struct gateways *open_with(const struct gateways_options *options, char *error, size_t size)
{
    struct outbound_port outbound = {.submit = no_outbound};

    return gateways_create(options, &outbound, error, size);
}

static struct gateways *open_sandbox(void)
{
    struct gateways_options options;
    char error[300];

    gateways_options_default(&options);
    return open_with(&options, error, sizeof(error));
}

static void run(struct gateways *gateways, struct gateway_job *job)
{
    struct gateway_port port = gateways_port(gateways);
    unsigned before = done_count;

    job->timeout_ms = 1000;
    job->done = on_done;
    assert_true(port.submit(port.self, job));
    assert_int_equal(done_count, before + 1); /* at once */
}

static struct gateway_job create(struct gateways *gateways, const char *order, const char *key)
{
    struct gateway_job job = {.operation = GATEWAY_CREATE, .amount_minor = 1999, .currency = "EUR"};

    strcpy(job.order_id, order);
    strcpy(job.key, key);
    run(gateways, &job);
    assert_int_equal(job.result, GATEWAY_DONE);
    assert_int_equal(job.state, PAYMENT_CREATED);
    return job;
}

/* ---- the sandbox ---- */

static void a_sandbox_payment_is_named_after_order_and_attempt(void **state)
{
    struct gateways *gateways = open_sandbox();
    struct gateway_job first = create(gateways, "ord_1", "ord_1.create.1");
    struct gateway_job again = create(gateways, "ord_1", "ord_1.create.1");
    struct gateway_job other = create(gateways, "ord_2", "ord_1.create.1");
    struct gateway_job attempt = create(gateways, "ord_1", "ord_1.create.2");

    (void)state;
    assert_int_equal(strncmp(first.payment_id, "pay_sandbox_", 12), 0);
    assert_int_equal(strlen(first.payment_id), 12 + 32);
    assert_string_equal(first.payment_id, again.payment_id);
    assert_string_not_equal(first.payment_id, other.payment_id);
    assert_string_not_equal(first.payment_id, attempt.payment_id);
    gateways_destroy(gateways);
}

static void the_sandbox_s_methods_are_stripe_s_test_names(void **state)
{
    static const struct {
        const char *method;
        enum gateway_result result;
        enum payment_state state;
        const char *reason;
    } cases[] = {
        {"pm_card_visa", GATEWAY_DONE, PAYMENT_AUTHORISED, ""},
        {"pm_card_mastercard", GATEWAY_DONE, PAYMENT_AUTHORISED, ""},
        {"pm_card_amex", GATEWAY_DONE, PAYMENT_AUTHORISED, ""},
        {"pm_card_declined", GATEWAY_DECLINED, PAYMENT_CREATED, "generic_decline"},
        {"pm_card_chargeDeclined", GATEWAY_DECLINED, PAYMENT_CREATED, "generic_decline"},
        {"pm_card_visa_chargeDeclined", GATEWAY_DECLINED, PAYMENT_CREATED, "generic_decline"},
        {"pm_card_insufficientFunds", GATEWAY_DECLINED, PAYMENT_CREATED, "insufficient_funds"},
        {"pm_card_visa_chargeDeclinedInsufficientFunds", GATEWAY_DECLINED, PAYMENT_CREATED,
         "insufficient_funds"},
        {"pm_card_chargeDeclinedExpiredCard", GATEWAY_DECLINED, PAYMENT_CREATED, "expired_card"},
        {"pm_card_authenticationRequired", GATEWAY_DECLINED, PAYMENT_CREATED,
         "authentication_required"},
        {"pm_card_vis", GATEWAY_REFUSED, PAYMENT_NONE, GATEWAY_REASON_METHOD},
        {"4242424242424242", GATEWAY_REFUSED, PAYMENT_NONE, GATEWAY_REASON_METHOD},
        {"", GATEWAY_REFUSED, PAYMENT_NONE, GATEWAY_REASON_METHOD},
    };
    struct gateways *gateways = open_sandbox();
    struct gateway_job job = create(gateways, "ord_1", "k");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        job.operation = GATEWAY_CONFIRM;
        strcpy(job.method, cases[i].method);
        run(gateways, &job);
        if (job.result != cases[i].result || job.state != cases[i].state ||
            strcmp(job.reason, cases[i].reason) != 0)
            fail_msg("%s: %s, state %u, %s", cases[i].method, gateway_result_name(job.result),
                     job.state, job.reason);
    }
    gateways_destroy(gateways);
}

static void the_sandbox_does_what_it_is_asked_and_keeps_no_books(void **state)
{
    struct gateways *gateways = open_sandbox();
    struct gateway_job job = create(gateways, "ord_1", "k");
    char refund_id[PAYMENT_ID_MAX + 1];
    struct gateway_metrics metrics;

    (void)state;
    job.operation = GATEWAY_CAPTURE;
    run(gateways, &job);
    assert_int_equal(job.result, GATEWAY_DONE);
    assert_int_equal(job.state, PAYMENT_CAPTURED);
    assert_int_equal(job.captured_minor, 1999);
    assert_int_equal(job.refunded_minor, 0);
    job.operation = GATEWAY_CANCEL;
    run(gateways, &job);
    assert_int_equal(job.result, GATEWAY_DONE);
    assert_int_equal(job.state, PAYMENT_CANCELLED);
    job.operation = GATEWAY_REFUND;
    strcpy(job.key, "r1");
    run(gateways, &job);
    assert_int_equal(job.result, GATEWAY_DONE);
    assert_int_equal(job.state, PAYMENT_CAPTURED);
    assert_int_equal(job.captured_minor, -1);
    assert_int_equal(job.refunded_minor, -1);
    assert_int_equal(strncmp(job.refund_id, "re_sandbox_", 11), 0);
    strcpy(refund_id, job.refund_id);
    run(gateways, &job);
    assert_string_equal(job.refund_id, refund_id);
    strcpy(job.key, "r2");
    run(gateways, &job);
    assert_string_not_equal(job.refund_id, refund_id);
    job.operation = GATEWAY_QUERY;
    run(gateways, &job);
    assert_int_equal(job.result, GATEWAY_REFUSED);
    assert_int_equal(job.state, PAYMENT_NONE);
    assert_string_equal(job.reason, "keeps_no_books");
    job.operation = GATEWAY_CAPTURE;
    strcpy(job.payment_id, "pi_1");
    run(gateways, &job);
    assert_int_equal(job.result, GATEWAY_REFUSED);
    assert_string_equal(job.reason, "no_such_payment");
    gateways_metrics_get(gateways, &metrics);
    assert_int_equal(metrics.calls[PROVIDER_SANDBOX][GATEWAY_REFUND][GATEWAY_DONE], 3);
    assert_int_equal(metrics.calls[PROVIDER_SANDBOX][GATEWAY_CAPTURE][GATEWAY_REFUSED], 1);
    gateways_destroy(gateways);
}

/* ---- the port ---- */

static void a_provider_that_is_not_there_takes_no_job(void **state)
{
    struct gateways_options options;
    struct gateway_metrics metrics;
    char error[300];

    (void)state;
    gateways_options_default(&options);
    options.sandbox = false;
    struct gateways *gateways = open_with(&options, error, sizeof(error));
    struct gateway_port port = gateways_port(gateways);

    for (uint8_t i = 0; i < PROVIDER_COUNT; i++) {
        struct gateway_job job = {.provider = i, .timeout_ms = 1, .done = on_done};

        assert_false(port.has(port.self, i));
        assert_false(port.confirms(port.self, i));
        assert_false(port.submit(port.self, &job));
        gateways_metrics_get(gateways, &metrics);
        assert_int_equal(metrics.calls_refused[i], 1);
    }
    gateways_destroy(gateways);

    options.sandbox = true;
    options.stripe_secret_key = "sk_live_key";
    gateways = open_with(&options, error, sizeof(error));
    port = gateways_port(gateways);
    assert_true(port.has(port.self, PROVIDER_SANDBOX));
    assert_true(port.confirms(port.self, PROVIDER_SANDBOX));
    assert_true(port.has(port.self, PROVIDER_STRIPE));
    assert_false(port.confirms(port.self, PROVIDER_STRIPE));
    assert_false(port.has(port.self, PROVIDER_PAYPAL));
    assert_false(port.has(port.self, PROVIDER_RAZORPAY));
    struct gateway_job job = {.provider = PROVIDER_STRIPE,
                              .operation = GATEWAY_CONFIRM,
                              .timeout_ms = 1,
                              .payment_id = "pi_1",
                              .done = on_done};

    assert_true(port.submit(port.self, &job));
    assert_int_equal(job.result, GATEWAY_REFUSED);
    assert_string_equal(job.reason, "confirmed_elsewhere");
    gateways_destroy(gateways);
}

/* ---- calls under way ---- */

static struct outbound_job *kept[GATEWAY_CALLS_MAX + 1];
static unsigned kept_count;

static bool keep(void *self, struct outbound_job *job)
{
    (void)self;
    kept[kept_count++] = job;
    return kept_count <= GATEWAY_CALLS_MAX;
}

static bool refuse(void *self, struct outbound_job *job)
{
    (void)self;
    (void)job;
    return false;
}

static struct gateway_job capture_job(void)
{
    return (struct gateway_job){.provider = PROVIDER_STRIPE,
                                .operation = GATEWAY_CAPTURE,
                                .timeout_ms = 1000,
                                .amount_minor = 2500,
                                .currency = "EUR",
                                .key = "k",
                                .order_id = "ord_1",
                                .payment_id = "pi_1",
                                .done = on_done};
}

static void calls_beyond_the_bound_are_refused(void **state)
{
    static struct gateway_job jobs[GATEWAY_CALLS_MAX];
    struct outbound_port keeps = {.submit = keep};
    struct outbound_port refuses = {.submit = refuse};
    struct gateways_options options;
    struct gateway_metrics metrics;
    struct gateway_port port;
    struct gateways *full;
    unsigned before = done_count;
    char error[200];

    (void)state;
    gateways_options_default(&options);
    options.stripe_secret_key = "sk_test_key";
    full = gateways_create(&options, &keeps, error, sizeof(error));
    assert_non_null(full);
    port = gateways_port(full);
    for (unsigned i = 0; i < GATEWAY_CALLS_MAX; i++) {
        jobs[i] = capture_job();
        assert_true(port.submit(port.self, &jobs[i]));
    }
    struct gateway_job job = capture_job();

    assert_false(port.submit(port.self, &job));
    assert_int_equal(kept_count, GATEWAY_CALLS_MAX);
    for (unsigned i = 0; i < GATEWAY_CALLS_MAX; i++) {
        kept[i]->result = OUTBOUND_LATER;
        kept[i]->reason = "stopping";
        kept[i]->reached = i % 2 == 0;
        kept[i]->done(kept[i]);
        assert_int_equal(done_count, before + i + 1);
        assert_int_equal(jobs[i].result, i % 2 == 0 ? GATEWAY_UNKNOWN : GATEWAY_UNAVAILABLE);
    }
    kept_count = 0;
    assert_true(port.submit(port.self, &job));
    kept[0]->result = OUTBOUND_REFUSED;
    kept[0]->reason = "private_address";
    kept[0]->done(kept[0]);
    assert_int_equal(done_count, before + GATEWAY_CALLS_MAX + 1);
    assert_int_equal(job.result, GATEWAY_UNAVAILABLE);
    assert_string_equal(job.reason, "private_address");
    gateways_metrics_get(full, &metrics);
    assert_int_equal(metrics.calls_refused[PROVIDER_STRIPE], 1);
    assert_int_equal(metrics.calls[PROVIDER_STRIPE][GATEWAY_CAPTURE][GATEWAY_UNKNOWN],
                     GATEWAY_CALLS_MAX / 2);
    gateways_destroy(full);

    full = gateways_create(&options, &refuses, error, sizeof(error));
    port = gateways_port(full);
    for (unsigned i = 0; i <= GATEWAY_CALLS_MAX; i++) /* its room comes back each time */
        assert_false(port.submit(port.self, &job));
    gateways_metrics_get(full, &metrics);
    assert_int_equal(metrics.calls_refused[PROVIDER_STRIPE], GATEWAY_CALLS_MAX + 1);
    gateways_destroy(full);
}

/* ---- options ---- */

static void options_that_would_be_unsafe_are_refused(void **state)
{
    static char long_key[GATEWAY_SECRET_LENGTH_MAX + 2];
    static const struct {
        const char *key;
        const char *url;
        const char *secrets;
        bool confirm;
        const char *expected; /* NULL: good */
    } cases[] = {
        {"sk_live_x", STRIPE_BASE_URL, "", true, "test key"},
        {"sk_live_x", "http://127.0.0.1:99", "", true, NULL},
        {"sk_test_x", STRIPE_BASE_URL, "", true, NULL},
        {"rk_test_x", STRIPE_BASE_URL "/", "\n whsec_a \r\n\nwhsec_b", false, NULL},
        {"sk test", STRIPE_BASE_URL, "", false, "stripe_secret_key_file"},
        {long_key, STRIPE_BASE_URL, "", false, "stripe_secret_key_file"},
        {"sk_test_x", "ftp://x", "", false, "stripe_base_url"},
        {"sk_test_x", STRIPE_BASE_URL, "whsec_a\nwh sec", false, "line 2"},
        {"sk_test_x", STRIPE_BASE_URL, "1\n2\n3\n4\n5\n6\n7\n8\n9\n", false, "line 9"},
    };

    (void)state;
    memset(long_key, 'k', sizeof(long_key) - 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gateways_options options = {.stripe_secret_key = cases[i].key,
                                           .stripe_base_url = cases[i].url,
                                           .stripe_event_secrets = cases[i].secrets,
                                           .stripe_confirm = cases[i].confirm};
        char error[300] = "";
        struct gateways *gateways = open_with(&options, error, sizeof(error));

        if ((gateways == NULL) != (cases[i].expected != NULL) ||
            (cases[i].expected != NULL && strstr(error, cases[i].expected) == NULL) ||
            strstr(error, cases[i].key) != NULL)
            fail_msg("case %zu: %s", i, error);
        if (gateways != NULL)
            gateways_destroy(gateways);
    }
}

static void this_machine_is_told_from_names_that_look_like_it(void **state)
{
    static const char *const here[] = {"http://127.0.0.1",     "http://127.0.0.1:8080/x",
                                       "http://127.9.9.9/",    "https://localhost",
                                       "http://LOCALHOST:1/a", "http://[::1]:80/"};
    static const char *const elsewhere[] = {"http://127.0.0.1.example",
                                            "http://localhost.example",
                                            "http://10.0.0.1",
                                            "http://[::2]/",
                                            "http://[::1]x",
                                            "http://128.0.0.1",
                                            STRIPE_BASE_URL,
                                            "localhost"};

    (void)state;
    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
        assert_true(gateway_url_is_loopback(here[i]));
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
        assert_false(gateway_url_is_loopback(elsewhere[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sandbox_payment_is_named_after_order_and_attempt),
        cmocka_unit_test(the_sandbox_s_methods_are_stripe_s_test_names),
        cmocka_unit_test(the_sandbox_does_what_it_is_asked_and_keeps_no_books),
        cmocka_unit_test(a_provider_that_is_not_there_takes_no_job),
        cmocka_unit_test(calls_beyond_the_bound_are_refused),
        cmocka_unit_test(options_that_would_be_unsafe_are_refused),
        cmocka_unit_test(this_machine_is_told_from_names_that_look_like_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
