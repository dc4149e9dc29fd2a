/* SPDX-License-Identifier: Apache-2.0 */
/* What gateways send: who may have sent it, and what it says. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/digest.h"
#include "outbound/gateways/gateways.h"

#define OLD_SECRET "whsec_old_secret"
#define NEW_SECRET "whsec_new_secret"

enum { NOW = 1614265330 };

static bool no_outbound(void *self, struct outbound_job *job)
{
    (void)self;
    (void)job;
    return false;
}

static struct gateways *open_with(const char *secrets)
{
    struct outbound_port outbound = {.submit = no_outbound};
    struct gateways_options options;
    char error[300];

    gateways_options_default(&options);
    options.stripe_secret_key = "sk_test_key";
    options.stripe_event_secrets = secrets;
    return gateways_create(&options, &outbound, error, sizeof(error));
}

static enum gateway_event_result read_event(struct gateways *gateways, const char *header,
                                            const char *body, size_t length, int64_t now_s,
                                            struct gateway_event *event_out)
{
    struct gateway_event_input input = {
        .headers[GATEWAY_HEADER_STRIPE_SIGNATURE] = {header, strlen(header)},
        .body = {body, length},
        .now_wall_ms = now_s * 1000,
        .memory = {.size = json_memory_needed(length)},
    };

    input.memory.bytes = malloc(input.memory.size);
    assert_non_null(input.memory.bytes);
    enum gateway_event_result result =
        gateways_read_event(gateways, PROVIDER_STRIPE, &input, event_out);

    free(input.memory.bytes);
    return result;
}

/* The v1 of a body, computed in one piece and not in three. */
static void sign(const char *secret, int64_t time, const char *body, char hex_out[65])
{
    static char text[8192];
    uint8_t mac[DIGEST_SHA256_BYTES];
    int length = snprintf(text, sizeof(text), "%" PRId64 ".%s", time, body);

    digest_hmac_sha256(secret, strlen(secret), text, (size_t)length, mac);
    for (size_t i = 0; i < sizeof(mac); i++)
        snprintf(hex_out + 2 * i, 3, "%02x", mac[i]);
}

/* ---- signatures ---- */

static const char vector_body[] = "{\"id\":\"evt_1\",\"object\":\"event\"}";
#define VECTOR_MAC "42b3d2b2181207b6b299df380bf37599bb895dc182467ba12e046b1916c4cd19"
#define OTHER_MAC  "52b3d2b2181207b6b299df380bf37599bb895dc182467ba12e046b1916c4cd19"

static void headers_are_good_or_forged(void **state)
{
    static const struct {
        const char *header;
        bool is_good;
    } cases[] = {
        {"t=1614265330,v1=" VECTOR_MAC, true},
        {"v1=" VECTOR_MAC ",t=1614265330", true},
        {"t=1614265330, v1=" VECTOR_MAC, true},
        {"t=1614265330,v1=" OTHER_MAC ",v1=" VECTOR_MAC, true},
        {"t=1614265330,v1=" VECTOR_MAC ",v1=" OTHER_MAC ",v0=x", true},
        {"", false},
        {"t=1614265330", false},
        {"t=1614265330,v0=" VECTOR_MAC, false},
        {"v1=" VECTOR_MAC, false},
        {"t=,v1=" VECTOR_MAC, false},
        {"t=1614265331,v1=" VECTOR_MAC, false},
        {"t=01614265330,v1=" VECTOR_MAC, false},
        {"t=-1614265330,v1=" VECTOR_MAC, false},
        {"t=1614265330x,v1=" VECTOR_MAC, false},
        {"t=1614265330,t=1614265330,v1=" VECTOR_MAC, false},
        {"t=1614265330000000,v1=" VECTOR_MAC, false},
        {"t=1614265330,v1=" OTHER_MAC, false},
        {"t=1614265330,v1=" VECTOR_MAC "00", false},
        {"t=1614265330,v1=42b3", false},
        {"t=1614265330,v1=", false},
        {"t=1614265330,v1", false},
        {"t=1614265330,v1=" VECTOR_MAC ",", true},
        {"t=1614265330;v1=" VECTOR_MAC, false},
        {"T=1614265330,V1=" VECTOR_MAC, false},
    };
    struct gateways *gateways = open_with("whsec_test_secret");
    struct gateway_event event;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* Genuine, but without a type. */
        enum gateway_event_result expected =
            cases[i].is_good ? GATEWAY_EVENT_UNREADABLE : GATEWAY_EVENT_FORGED;
        enum gateway_event_result result = read_event(gateways, cases[i].header, vector_body,
                                                      sizeof(vector_body) - 1, NOW, &event);

        if (result != expected)
            fail_msg("%s: %s", cases[i].header, gateway_event_result_name((uint8_t)result));
        assert_string_equal(event.event_id, cases[i].is_good ? "evt_1" : "");
    }
    gateways_destroy(gateways);
}

static void every_bit_of_a_body_counts(void **state)
{
    struct gateways *gateways = open_with("whsec_test_secret");
    struct gateway_event event;
    char body[sizeof(vector_body)];

    (void)state;
    for (size_t i = 0; i < 8 * (sizeof(vector_body) - 1); i++) {
        memcpy(body, vector_body, sizeof(body));
        body[i / 8] = (char)(body[i / 8] ^ (1 << i % 8));
        assert_int_equal(read_event(gateways, "t=1614265330,v1=" VECTOR_MAC, body, sizeof(body) - 1,
                                    NOW, &event),
                         GATEWAY_EVENT_FORGED);
    }
    assert_int_equal(read_event(gateways, "t=1614265330,v1=" VECTOR_MAC, vector_body,
                                sizeof(vector_body) - 2, NOW, &event),
                     GATEWAY_EVENT_FORGED);
    gateways_destroy(gateways);
}

static void more_signatures_than_anyone_sends_are_no_header(void **state)
{
    struct gateways *gateways = open_with("whsec_test_secret");
    struct gateway_event event;
    char header[2000];

    (void)state;
    for (int count = 15; count <= 16; count++) {
        int used = snprintf(header, sizeof(header), "t=1614265330");

        for (int i = 0; i < count; i++)
            used += snprintf(header + used, sizeof(header) - (size_t)used, ",v1=" OTHER_MAC);
        snprintf(header + used, sizeof(header) - (size_t)used, ",v1=" VECTOR_MAC);
        assert_int_equal(
            read_event(gateways, header, vector_body, sizeof(vector_body) - 1, NOW, &event),
            count == 15 ? GATEWAY_EVENT_UNREADABLE : GATEWAY_EVENT_FORGED);
    }
    gateways_destroy(gateways);
}

static void either_secret_of_a_rotation_is_good(void **state)
{
    static const char body[] = "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x.y\","
                               "\"created\":1,\"data\":{\"object\":{}}}";
    struct gateways *both = open_with(OLD_SECRET "\n" NEW_SECRET "\n");
    struct gateways *one = open_with(NEW_SECRET);
    struct gateways *none = open_with("");
    struct gateway_event event;
    char old_mac[65], new_mac[65], header[300];

    (void)state;
    sign(OLD_SECRET, NOW, body, old_mac);
    sign(NEW_SECRET, NOW, body, new_mac);
    for (int i = 0; i < 3; i++) {
        snprintf(header, sizeof(header), "t=%d,v1=%s%s%s", (int)NOW, i == 1 ? new_mac : old_mac,
                 i == 2 ? ",v1=" : "", i == 2 ? new_mac : "");
        assert_int_equal(read_event(both, header, body, strlen(body), NOW, &event),
                         GATEWAY_EVENT_GENUINE);
        assert_string_equal(event.type, "x.y");
        assert_int_equal(event.kind, GATEWAY_EVENT_OTHER);
        assert_int_equal(read_event(one, header, body, strlen(body), NOW, &event),
                         i == 0 ? GATEWAY_EVENT_FORGED : GATEWAY_EVENT_GENUINE);
        assert_int_equal(read_event(none, header, body, strlen(body), NOW, &event),
                         GATEWAY_EVENT_NO_PROVIDER);
    }
    gateways_destroy(both);
    gateways_destroy(one);
    gateways_destroy(none);
}

static void an_event_is_good_for_five_minutes(void **state)
{
    static const struct {
        int64_t now_s;
        enum gateway_event_result result;
    } cases[] = {
        {NOW, GATEWAY_EVENT_UNREADABLE},    {NOW + 300, GATEWAY_EVENT_UNREADABLE},
        {NOW + 301, GATEWAY_EVENT_STALE},   {NOW - 60, GATEWAY_EVENT_UNREADABLE},
        {NOW - 61, GATEWAY_EVENT_STALE},    {0, GATEWAY_EVENT_STALE},
        {NOW + 86400, GATEWAY_EVENT_STALE},
    };
    struct gateways *gateways = open_with("whsec_test_secret");
    struct gateway_metrics metrics;
    struct gateway_event event;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_event(gateways, "t=1614265330,v1=" VECTOR_MAC, vector_body,
                                    sizeof(vector_body) - 1, cases[i].now_s, &event),
                         cases[i].result);
    }
    /* A forgery is one at any time. */
    assert_int_equal(read_event(gateways, "t=1,v1=" VECTOR_MAC, vector_body,
                                sizeof(vector_body) - 1, NOW, &event),
                     GATEWAY_EVENT_FORGED);
    gateways_metrics_get(gateways, &metrics);
    assert_int_equal(metrics.events[PROVIDER_STRIPE][GATEWAY_EVENT_STALE], 4);
    assert_int_equal(metrics.events[PROVIDER_STRIPE][GATEWAY_EVENT_UNREADABLE], 3);
    assert_int_equal(metrics.events[PROVIDER_STRIPE][GATEWAY_EVENT_FORGED], 1);
    gateways_destroy(gateways);
}

static void providers_without_events_have_none(void **state)
{
    struct gateways *gateways = open_with("whsec_test_secret");
    struct gateway_event_input input = {.body = {"{}", 2}};
    struct gateway_event event;

    (void)state;
    for (uint8_t i = 0; i < PROVIDER_COUNT; i++) {
        if (i != PROVIDER_STRIPE)
            assert_int_equal(gateways_read_event(gateways, i, &input, &event),
                             GATEWAY_EVENT_NO_PROVIDER);
    }
    gateways_destroy(gateways);
}

/* ---- what they say ---- */

#define INTENT(status, received, more)                                                             \
    "{'id':'pi_1','object':'payment_intent','amount':2500,'amount_received':" received             \
    ",'currency':'eur','status':'" status "','metadata':{'order_id':'ord_1'},"                     \
    "'latest_charge':'ch_1'" more "}"
#define CHARGE(captured, refunded, intent)                                                         \
    "{'id':'ch_1','object':'charge','amount':2500,'amount_captured':2500,'captured':" captured     \
    ",'amount_refunded':" refunded ",'currency':'eur','payment_intent':" intent                    \
    ",'metadata':{'order_id':'ord_1'}}"
#define REFUND(status, intent)                                                                     \
    "{'id':'re_1','object':'refund','amount':700,'currency':'eur','status':'" status               \
    "','payment_intent':" intent ",'charge':'ch_1','metadata':{'order_id':'ord_1'}}"

static char *quote(char *text)
{
    for (char *at = text; *at != 0; at++)
        *at = *at == '\'' ? '"' : *at;
    return text;
}

static enum gateway_event_result read_signed(struct gateways *gateways, const char *body,
                                             struct gateway_event *event_out)
{
    char header[200], mac[65];

    sign(NEW_SECRET, NOW, body, mac);
    snprintf(header, sizeof(header), "t=%d,v1=%s", (int)NOW, mac);
    return read_event(gateways, header, body, strlen(body), NOW, event_out);
}

static void each_type_comes_to_what_it_means(void **state)
{
    static const struct {
        const char *type;
        const char *object;
        enum gateway_event_kind kind;
        enum payment_state state;
        int64_t amount;
        int64_t captured;
        int64_t refunded;
        const char *refund_id;
        const char *reason;
    } cases[] = {
        {"payment_intent.amount_capturable_updated", INTENT("requires_capture", "0", ""),
         GATEWAY_EVENT_AUTHORISED, PAYMENT_AUTHORISED, 2500, 0, -1, "", ""},
        {"payment_intent.amount_capturable_updated",
         INTENT("requires_capture", "0", ",'amount_capturable':2500"), GATEWAY_EVENT_AUTHORISED,
         PAYMENT_AUTHORISED, 2500, 0, -1, "", ""},
        /* Less than it is about can be captured. */
        {"payment_intent.amount_capturable_updated",
         INTENT("requires_capture", "0", ",'amount_capturable':1"), GATEWAY_EVENT_AUTHORISED,
         PAYMENT_AUTHORISED, 1, 0, -1, "", ""},
        {"payment_intent.amount_capturable_updated",
         INTENT("succeeded", "2500", ",'amount_capturable':0"), GATEWAY_EVENT_OTHER,
         PAYMENT_CAPTURED, 2500, 2500, -1, "", ""},
        {"payment_intent.amount_capturable_updated", INTENT("succeeded", "2500", ""),
         GATEWAY_EVENT_OTHER, PAYMENT_CAPTURED, 2500, 2500, -1, "", ""},
        {"payment_intent.succeeded", INTENT("succeeded", "2500", ""), GATEWAY_EVENT_CAPTURED,
         PAYMENT_CAPTURED, 2500, 2500, -1, "", ""},
        {"payment_intent.payment_failed",
         INTENT("requires_payment_method", "0",
                ",'last_payment_error':{'code':'card_declined','decline_code':'lost_card'}"),
         GATEWAY_EVENT_FAILED, PAYMENT_CREATED, 2500, 0, -1, "", "lost_card"},
        {"payment_intent.payment_failed",
         INTENT("requires_payment_method", "0", ",'last_payment_error':{'code':'expired_card'}"),
         GATEWAY_EVENT_FAILED, PAYMENT_CREATED, 2500, 0, -1, "", "expired_card"},
        {"payment_intent.payment_failed", INTENT("requires_payment_method", "0", ""),
         GATEWAY_EVENT_FAILED, PAYMENT_CREATED, 2500, 0, -1, "", ""},
        {"payment_intent.canceled", INTENT("canceled", "0", ""), GATEWAY_EVENT_CANCELLED,
         PAYMENT_CANCELLED, 2500, 0, -1, "", ""},
        {"payment_intent.processing", INTENT("processing", "0", ""), GATEWAY_EVENT_OTHER,
         PAYMENT_PROCESSING, 2500, 0, -1, "", ""},
        {"payment_intent.requires_action", INTENT("requires_action", "0", ""), GATEWAY_EVENT_OTHER,
         PAYMENT_CREATED, 2500, 0, -1, "", ""},
        {"charge.refunded", CHARGE("true", "700", "'pi_1'"), GATEWAY_EVENT_REFUNDED,
         PAYMENT_CAPTURED, 2500, 2500, 700, "", ""},
        /* An authorisation that was let go. */
        {"charge.refunded", CHARGE("false", "2500", "'pi_1'"), GATEWAY_EVENT_OTHER, PAYMENT_NONE,
         2500, 2500, 2500, "", ""},
        {"refund.updated", REFUND("succeeded", "'pi_1'"), GATEWAY_EVENT_REFUNDED, PAYMENT_NONE, 700,
         -1, -1, "re_1", ""},
        {"refund.created", REFUND("pending", "'pi_1'"), GATEWAY_EVENT_OTHER, PAYMENT_NONE, 700, -1,
         -1, "re_1", ""},
        {"charge.refund.updated", REFUND("succeeded", "{'id':'pi_1'}"), GATEWAY_EVENT_REFUNDED,
         PAYMENT_NONE, 700, -1, -1, "re_1", ""},
        {"refund.failed", REFUND("failed", "'pi_1'"), GATEWAY_EVENT_REFUND_FAILED, PAYMENT_NONE,
         700, -1, -1, "re_1", ""},
    };
    struct gateways *gateways = open_with(NEW_SECRET);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gateway_event event;
        char body[2000];

        snprintf(body, sizeof(body),
                 "{'id':'evt_%zu','object':'event','type':'%s','created':1614265329,"
                 "'livemode':false,'data':{'object':%s}}",
                 i, cases[i].type, cases[i].object);
        assert_int_equal(read_signed(gateways, quote(body), &event), GATEWAY_EVENT_GENUINE);
        if (event.kind != cases[i].kind || event.state != cases[i].state ||
            event.amount_minor != cases[i].amount || event.captured_minor != cases[i].captured ||
            event.refunded_minor != cases[i].refunded)
            fail_msg("case %zu (%s): kind %u, state %u, amounts %lld %lld %lld", i, cases[i].type,
                     event.kind, event.state, (long long)event.amount_minor,
                     (long long)event.captured_minor, (long long)event.refunded_minor);
        assert_string_equal(event.type, cases[i].type);
        assert_int_equal(event.created_s, 1614265329);
        assert_string_equal(event.payment_id, "pi_1");
        assert_string_equal(event.order_id, "ord_1");
        assert_string_equal(event.currency, "EUR");
        assert_string_equal(event.refund_id, cases[i].refund_id);
        assert_string_equal(event.reason, cases[i].reason);
    }
    gateways_destroy(gateways);
}

static void what_is_none_of_ours_is_told_without_an_order(void **state)
{
    static const struct {
        const char *type;
        const char *object;
        enum gateway_event_kind kind;
        const char *payment_id;
    } cases[] = {
        {"payment_intent.succeeded",
         "{'id':'pi_9','object':'payment_intent','amount':1,'amount_received':1,'currency':'usd',"
         "'status':'succeeded','metadata':{}}",
         GATEWAY_EVENT_CAPTURED, "pi_9"},
        {"payment_intent.succeeded",
         "{'id':'pi_9','object':'payment_intent','amount':1,'amount_received':1,'currency':'usd',"
         "'status':'succeeded','metadata':{'order_id':'order 17 of another shop'}}",
         GATEWAY_EVENT_CAPTURED, "pi_9"},
        {"charge.refunded",
         "{'id':'ch_9','object':'charge','amount':1,'amount_captured':1,'captured':true,"
         "'amount_refunded':1,'currency':'usd','payment_intent':null}",
         GATEWAY_EVENT_OTHER, ""},
        {"customer.created", "{'id':'cus_1','object':'customer'}", GATEWAY_EVENT_OTHER, ""},
    };
    struct gateways *gateways = open_with(NEW_SECRET);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gateway_event event;
        char body[2000];

        snprintf(body, sizeof(body),
                 "{'id':'evt_1','object':'event','type':'%s','created':1,'data':{'object':%s}}",
                 cases[i].type, cases[i].object);
        assert_int_equal(read_signed(gateways, quote(body), &event), GATEWAY_EVENT_GENUINE);
        assert_int_equal(event.kind, cases[i].kind);
        assert_string_equal(event.payment_id, cases[i].payment_id);
        assert_string_equal(event.order_id, "");
    }
    gateways_destroy(gateways);
}

static void a_genuine_event_that_cannot_be_read_is_told_as_such(void **state)
{
#define EVENT(id, object, type, created, data)                                                     \
    "{'id':" id ",'object':" object ",'type':" type ",'created':" created ",'data':" data "}"
    static const struct {
        const char *body;
        const char *event_id;
        const char *type;
    } cases[] = {
        {"", "", ""},
        {"x", "", ""},
        {"[]", "", ""},
        {"{", "", ""},
        {EVENT("7", "'event'", "'a'", "1", "{'object':{}}"), "", ""},
        {EVENT("'evt 1'", "'event'", "'a'", "1", "{'object':{}}"), "", ""},
        {EVENT("'evt_1'", "'event'", "null", "1", "{'object':{}}"), "evt_1", ""},
        {EVENT("'evt_1'", "'thing'", "'a'", "1", "{'object':{}}"), "evt_1", "a"},
        {EVENT("'evt_1'", "'event'", "'a'", "-1", "{'object':{}}"), "evt_1", "a"},
        {EVENT("'evt_1'", "'event'", "'a'", "1.0", "{'object':{}}"), "evt_1", "a"},
        {EVENT("'evt_1'", "'event'", "'a'", "1", "{}"), "evt_1", "a"},
        {EVENT("'evt_1'", "'event'", "'a'", "1", "{'object':[]}"), "evt_1", "a"},
        {EVENT("'evt_1'", "'event'", "'payment_intent.succeeded'", "1", "{'object':{}}"), "evt_1",
         "payment_intent.succeeded"},
        {EVENT("'evt_1'", "'event'", "'charge.refunded'", "1",
               "{'object':" INTENT("succeeded", "2500", "") "}"),
         "evt_1", "charge.refunded"},
        {EVENT("'evt_1'", "'event'", "'refund.updated'", "1",
               "{'object':" REFUND("strange", "'pi_1'") "}"),
         "evt_1", "refund.updated"},
        {EVENT("'evt_1'", "'event'", "'payment_intent.succeeded'", "1",
               "{'object':" INTENT("succeeded", "-5", "") "}"),
         "evt_1", "payment_intent.succeeded"},
    };
    struct gateways *gateways = open_with(NEW_SECRET);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gateway_event event;
        char body[2000];

        snprintf(body, sizeof(body), "%s", cases[i].body);
        enum gateway_event_result result = read_signed(gateways, quote(body), &event);

        if (result != GATEWAY_EVENT_UNREADABLE)
            fail_msg("%s: %s", body, gateway_event_result_name((uint8_t)result));
        assert_string_equal(event.event_id, cases[i].event_id);
        assert_string_equal(event.type, cases[i].type);
        assert_int_equal(event.kind, GATEWAY_EVENT_OTHER);
        assert_string_equal(event.payment_id, "");
    }
    gateways_destroy(gateways);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_good_or_forged),
        cmocka_unit_test(every_bit_of_a_body_counts),
        cmocka_unit_test(more_signatures_than_anyone_sends_are_no_header),
        cmocka_unit_test(either_secret_of_a_rotation_is_good),
        cmocka_unit_test(an_event_is_good_for_five_minutes),
        cmocka_unit_test(providers_without_events_have_none),
        cmocka_unit_test(each_type_comes_to_what_it_means),
        cmocka_unit_test(what_is_none_of_ours_is_told_without_an_order),
        cmocka_unit_test(a_genuine_event_that_cannot_be_read_is_told_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
