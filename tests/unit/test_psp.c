/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's rules without a server: what each operation does in each state, that an entry reads
 * as it was written, signatures, draws, and the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "psp_entry.h"
#include "psp_misbehave.h"
#include "psp_table.h"
#include "psp_webhooks.h"

/* ---- payments ---- */

static void next_id(void *self, const char *prefix, char id_out[PSP_ID_MAX + 1])
{
    unsigned *count = self;

    snprintf(id_out, PSP_ID_MAX + 1, "%s%u", prefix, ++*count);
}

static unsigned id_count;
static const struct psp_naming naming = {.next = next_id, .self = &id_count, .now_s = 100};

static struct psp_payment make_payment(const char *capture_method)
{
    struct psp_payment payment = {.id = "pi_1", .currency = "eur", .amount = 1000};

    snprintf(payment.capture_method, sizeof(payment.capture_method), "%s", capture_method);
    return payment;
}

/* A payment that has come to this status. */
static struct psp_payment payment_in(enum psp_status status)
{
    struct psp_payment payment =
        make_payment(status == PSP_STATUS_SUCCEEDED ? "automatic" : "manual");
    struct psp_effect effect = {0};

    if (status == PSP_STATUS_REQUIRES_PAYMENT_METHOD)
        return payment;
    if (status == PSP_STATUS_CANCELED) {
        assert_true(psp_payment_cancel(&payment, "", &naming, &effect));
        return payment;
    }
    psp_payment_attach(&payment,
                       psp_card_find(status == PSP_STATUS_REQUIRES_ACTION
                                         ? "pm_card_authenticationRequired"
                                         : "pm_card_visa"),
                       &naming);
    if (status != PSP_STATUS_REQUIRES_CONFIRMATION)
        assert_true(psp_payment_confirm(&payment, PSP_DECLINE_NONE, &naming, &effect));
    assert_int_equal(payment.status, status);
    return payment;
}

enum operation { CONFIRM, ASKED, CAPTURE, CANCEL, REFUND, OPERATION_COUNT };

static bool operate(struct psp_payment *payment, enum operation operation,
                    struct psp_effect *effect)
{
    struct psp_texts metadata = {0};

    switch (operation) {
    case CONFIRM:
        return psp_payment_confirm(payment, PSP_DECLINE_NONE, &naming, effect);
    case ASKED:
        return psp_payment_authenticate(payment, true, &naming, effect);
    case CAPTURE:
        return psp_payment_capture(payment, 600, effect);
    case CANCEL:
        return psp_payment_cancel(payment, "", &naming, effect);
    case REFUND:
        return psp_payment_refund(payment, 300, "", &metadata, &naming, effect);
    case OPERATION_COUNT:
        break;
    }
    abort();
}

static void each_operation_in_each_status(void **state)
{
    /* The status after it; -1: refused, and nothing changes. */
    static const int after[PSP_STATUS_COUNT][OPERATION_COUNT] = {
        [PSP_STATUS_REQUIRES_PAYMENT_METHOD] = {-1, -1, -1, PSP_STATUS_CANCELED, -1},
        [PSP_STATUS_REQUIRES_CONFIRMATION] = {PSP_STATUS_REQUIRES_CAPTURE, -1, -1,
                                              PSP_STATUS_CANCELED, -1},
        [PSP_STATUS_REQUIRES_ACTION] = {PSP_STATUS_REQUIRES_ACTION, PSP_STATUS_REQUIRES_CAPTURE, -1,
                                        PSP_STATUS_CANCELED, -1},
        [PSP_STATUS_REQUIRES_CAPTURE] = {-1, -1, PSP_STATUS_SUCCEEDED, PSP_STATUS_CANCELED, -1},
        [PSP_STATUS_SUCCEEDED] = {-1, -1, -1, -1, PSP_STATUS_SUCCEEDED},
        [PSP_STATUS_CANCELED] = {-1, -1, -1, -1, -1},
    };

    (void)state;
    for (int status = 0; status < PSP_STATUS_COUNT; status++) {
        for (int operation = 0; operation < OPERATION_COUNT; operation++) {
            struct psp_payment payment = payment_in((enum psp_status)status);
            struct psp_payment before = payment;
            struct psp_effect effect = {0};
            int64_t sum = 0;
            bool is_done = operate(&payment, (enum operation)operation, &effect);

            assert_int_equal(is_done, after[status][operation] != -1);
            if (is_done) {
                assert_int_equal(payment.status, after[status][operation]);
                assert_non_null(effect.entry);
                assert_int_equal(effect.error.status, 0);
            } else {
                assert_int_equal(effect.error.status, 400);
                assert_int_equal(effect.event_count + effect.posting_count, 0);
                assert_memory_equal(&payment, &before, sizeof(payment));
            }
            for (uint32_t i = 0; i < effect.posting_count; i++)
                sum += effect.postings[i].minor;
            assert_int_equal(sum, 0);
            psp_payment_free(&payment);
        }
    }
}

static void refunds_end_at_what_was_captured(void **state)
{
    struct psp_payment payment = payment_in(PSP_STATUS_REQUIRES_CAPTURE);
    struct psp_texts metadata = {0};
    struct psp_effect effect = {0};
    static const struct {
        int64_t amount;
        bool is_done;
        int64_t refunded;
    } rows[] = {{601, false, 0},   {0, false, 0},   {-5, false, 0},  {200, true, 200},
                {401, false, 200}, {-1, true, 600}, {1, false, 600}, {-1, false, 600}};

    (void)state;
    assert_true(psp_payment_capture(&payment, 600, &effect));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        effect = (struct psp_effect){0};
        assert_int_equal(
            psp_payment_refund(&payment, rows[i].amount, "", &metadata, &naming, &effect),
            rows[i].is_done);
        assert_int_equal(payment.amount_refunded, rows[i].refunded);
    }
    psp_payment_free(&payment);
}

static void a_decline_leaves_the_payment_open(void **state)
{
    struct psp_payment payment = make_payment("manual");
    struct psp_effect effect = {0};

    (void)state;
    psp_payment_attach(&payment, psp_card_find("pm_card_visa"), &naming);
    assert_true(psp_payment_confirm(&payment, PSP_DECLINE_FUNDS, &naming, &effect));
    assert_int_equal(payment.status, PSP_STATUS_REQUIRES_PAYMENT_METHOD);
    assert_int_equal(effect.error.status, 402);
    assert_string_equal(effect.error.decline_code, "insufficient_funds");
    assert_int_equal(effect.posting_count, 0);
    assert_string_equal(payment.payment_method, "");
    assert_null(psp_card_find("pm_card_"));
    assert_null(psp_card_find("visa"));
    assert_null(psp_card_find(""));
}

/* ---- entries ---- */

static void an_entry_reads_as_it_was_written(void **state)
{
    struct psp_entry entry = {
        .number = 7,
        .at_ms = 1234567,
        .name = "refund",
        .has_payment = true,
        .payment = payment_in(PSP_STATUS_SUCCEEDED),
        .request_id = "req_1",
        .key = "a \"key\"\n",
        .fingerprint = "00ff",
        .status = 200,
        .object = PSP_OBJECT_REFUND,
        .event_count = 1,
        .has_webhook = true,
        .events = {{.id = "evt_1", .event = PSP_EVENT_CHARGE_REFUNDED}},
    };
    struct psp_effect effect = {0};
    struct psp_texts metadata = {0};
    struct psp_entry again;
    const char *reason;
    size_t lengths[2];
    char *lines[2];

    (void)state;
    psp_texts_set(&entry.payment.metadata, "order_id", "ord_é");
    psp_texts_set(&entry.payment.details, "description", "A \"lamp\"\n");
    psp_texts_set(&metadata, "line", "1");
    assert_true(psp_payment_refund(&entry.payment, 300, "duplicate", &metadata, &naming, &effect));
    memcpy(entry.postings, effect.postings, sizeof(entry.postings));
    entry.posting_count = effect.posting_count;
    snprintf(entry.refund_id, sizeof(entry.refund_id), "%s", effect.refund->id);
    lines[0] = psp_entry_write(&entry, &lengths[0]);
    assert_int_equal(lines[0][lengths[0] - 1], '\n');
    assert_null(memchr(lines[0], '\n', lengths[0] - 1));
    assert_true(psp_entry_read(&again, lines[0], lengths[0] - 1, &reason));
    lines[1] = psp_entry_write(&again, &lengths[1]);
    assert_int_equal(lengths[1], lengths[0]);
    assert_memory_equal(lines[1], lines[0], lengths[0]);
    for (size_t length = 0; length < lengths[0] - 1; length++) {
        struct psp_entry cut;

        assert_false(psp_entry_read(&cut, lines[0], length, &reason));
        assert_non_null(reason);
    }
    psp_entry_free(&again);
    psp_payment_free(&entry.payment);
    free(lines[0]);
    free(lines[1]);
}

/* ---- signatures, draws, the table ---- */

static void the_signature_is_that_of_the_vector(void **state)
{
    static const char body[] = "{\"id\":\"evt_1\",\"object\":\"event\"}";
    char text[PSP_SIGNATURE_TEXT];

    (void)state;
    psp_webhook_sign("whsec_test_secret", 1614265330, body, sizeof(body) - 1, text);
    assert_string_equal(text, "42b3d2b2181207b6b299df380bf37599bb895dc182467ba12e046b1916c4cd19");
}

static void draws_are_even_and_those_of_the_seed(void **state)
{
    struct psp_misbehaviour wrong, other;
    char error[200];
    unsigned hits = 0, both = 0, differing = 0, counts[10] = {0};

    (void)state;
    psp_misbehave_default(&wrong);
    assert_true(psp_misbehave_set(&wrong, "decline=250", error, sizeof(error)));
    assert_true(psp_misbehave_set(&wrong, "timeout=250", error, sizeof(error)));
    assert_true(psp_misbehave_set(&wrong, "delay_ms=10..19", error, sizeof(error)));
    other = wrong;
    assert_true(psp_misbehave_set(&other, "seed=1", error, sizeof(error)));
    for (uint64_t i = 0; i < 20000; i++) {
        bool declined = psp_misbehave_happens(&wrong, PSP_CHANCE_decline, i);
        uint32_t ms = psp_misbehave_ms(&wrong, PSP_SPAN_delay_ms, i);

        hits += declined;
        both += declined && psp_misbehave_happens(&wrong, PSP_CHANCE_timeout, i);
        differing += declined != psp_misbehave_happens(&other, PSP_CHANCE_decline, i);
        assert_false(psp_misbehave_happens(&wrong, PSP_CHANCE_event_lost, i));
        assert_in_range(ms, 10, 19);
        counts[ms - 10]++;
    }
    /* Four standard deviations around 5,000, 1,250 (independent), 7,500 and 2,000. */
    assert_in_range(hits, 4755, 5245);
    assert_in_range(both, 1113, 1387);
    assert_in_range(differing, 7226, 7774);
    for (size_t i = 0; i < 10; i++)
        assert_in_range(counts[i], 1830, 2170);
}

static void words_that_mean_nothing_change_nothing(void **state)
{
    static const char *const words[] = {"",
                                        "decline",
                                        "decline=",
                                        "decline=1001",
                                        "decline=-1",
                                        "decline=1x",
                                        "=1",
                                        "declin=1",
                                        "seed=",
                                        "delay_ms=5..",
                                        "all=1",
                                        "delay_ms=9..3",
                                        "delay_ms=9999999"};
    struct psp_misbehaviour wrong, before;
    char error[200];

    (void)state;
    psp_misbehave_default(&wrong);
    before = wrong;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        error[0] = 0;
        assert_false(psp_misbehave_set(&wrong, words[i], error, sizeof(error)));
        assert_true(error[0] != 0);
        assert_memory_equal(&wrong, &before, sizeof(wrong));
    }
}

/* Many that share a home, put and removed by chance, against an array. */
static void the_table_finds_what_is_in_it(void **state)
{
    enum { HASHES = 300 };
    struct psp_table table = {0};
    uint32_t values[HASHES];
    uint64_t chance = 1;

    (void)state;
    memset(values, 0xff, sizeof(values));
    for (uint32_t i = 0; i < 100000; i++) {
        chance = chance * 6364136223846793005U + 1442695040888963407U;
        uint32_t which = (uint32_t)(chance >> 33) % HASHES;
        struct psp_hash hash = {.high = which, .low = which % 7 * 13};

        if ((chance >> 60) < 8) {
            psp_table_put(&table, hash, i);
            values[which] = i;
        } else {
            psp_table_remove(&table, hash);
            values[which] = PSP_ABSENT;
        }
        which = (uint32_t)(chance >> 20) % HASHES;
        hash = (struct psp_hash){.high = which, .low = which % 7 * 13};
        assert_int_equal(psp_table_find(&table, hash), values[which]);
    }
    psp_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_in_each_status),
        cmocka_unit_test(refunds_end_at_what_was_captured),
        cmocka_unit_test(a_decline_leaves_the_payment_open),
        cmocka_unit_test(an_entry_reads_as_it_was_written),
        cmocka_unit_test(the_signature_is_that_of_the_vector),
        cmocka_unit_test(draws_are_even_and_those_of_the_seed),
        cmocka_unit_test(words_that_mean_nothing_change_nothing),
        cmocka_unit_test(the_table_finds_what_is_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
