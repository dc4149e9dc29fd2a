/* SPDX-License-Identifier: Apache-2.0 */
/* What payment gateways answer and send: any bytes.
 *
 * Input: what is fuzzed (modulo 3); an operation and an HTTP status, or anything; the bytes:
 *   0  a signature's header: taken only if it holds a MAC that was made with the secret, and a time
 *      that is now
 *   1  the body of a genuine event: texts fit and are printable, amounts are not negative, and what
 *      moves a payment names it
 *   2  an answer: DONE only for the payment, order and currency that were asked about, and never
 *      what was not said */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/digest.h"
#include "outbound/gateways/stripe.h"
#include "outbound/gateways/stripe_events.h"

enum { NOW_S = 1614265330 };

static bool is_printable(const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return length < size;
}

/* ---- a signature ---- */

static void check_signature(const char *header, size_t length)
{
    static struct stripe_event_secrets secrets = {.texts = {"whsec_test_secret"}, .count = 1};
    static const char body[] = "{\"id\":\"evt_1\",\"object\":\"event\"}";
    /* Made with the secret at NOW_S. */
    static const char mac[] = "42b3d2b2181207b6b299df380bf37599bb895dc182467ba12e046b1916c4cd19";
    enum gateway_event_result result = stripe_signature_check(
        &secrets, (struct slice){header, length}, (struct slice){body, sizeof(body) - 1}, NOW_S);

    assert(result == GATEWAY_EVENT_GENUINE || result == GATEWAY_EVENT_FORGED);
    if (result == GATEWAY_EVENT_GENUINE) {
        assert(memmem(header, length, "t=1614265330", 12) != NULL);
        assert(memmem(header, length, mac, sizeof(mac) - 1) != NULL);
        assert(stripe_signature_check(&secrets, (struct slice){header, length},
                                      (struct slice){body, sizeof(body) - 1},
                                      NOW_S + STRIPE_EVENT_AGE_S_MAX + 1) == GATEWAY_EVENT_STALE);
    }
    assert(stripe_signature_check(&secrets, (struct slice){header, length},
                                  (struct slice){body, sizeof(body) - 2},
                                  NOW_S) == GATEWAY_EVENT_FORGED);
}

/* ---- an event ---- */

static void check_event(const char *body, size_t length)
{
    struct gateway_event_input input = {.body = {body, length},
                                        .memory = {.size = json_memory_needed(length)}};
    struct gateway_event event = {.captured_minor = -1, .refunded_minor = -1};

    input.memory.bytes = malloc(input.memory.size);
    assert(input.memory.bytes != NULL);
    bool is_read = stripe_event_read(&input, &event);

    free(input.memory.bytes);
    assert(is_printable(event.event_id, sizeof(event.event_id)));
    assert(is_printable(event.type, sizeof(event.type)));
    assert(is_printable(event.payment_id, sizeof(event.payment_id)));
    assert(is_printable(event.order_id, sizeof(event.order_id)));
    assert(is_printable(event.refund_id, sizeof(event.refund_id)));
    assert(is_printable(event.reason, sizeof(event.reason)));
    assert(event.amount_minor >= 0 && event.captured_minor >= -1 && event.refunded_minor >= -1);
    assert(event.state < PAYMENT_STATE_COUNT);
    if (!is_read) {
        assert(event.kind == GATEWAY_EVENT_OTHER && event.payment_id[0] == 0);
        return;
    }
    assert(event.event_id[0] != 0 && event.type[0] != 0 && event.created_s >= 0);
    if (event.kind != GATEWAY_EVENT_OTHER)
        assert(event.payment_id[0] != 0 && strlen(event.currency) == 3);
    if (event.kind == GATEWAY_EVENT_AUTHORISED)
        assert(event.state == PAYMENT_AUTHORISED);
}

/* ---- an answer ---- */

static void check_answer(uint8_t choice, const char *bytes, size_t length)
{
    static const uint16_t statuses[] = {200, 400, 402, 404, 409, 429, 500, 302};
    struct gateway_job job = {.provider = PROVIDER_STRIPE,
                              .operation = choice % GATEWAY_OPERATION_COUNT,
                              .amount_minor = 2500,
                              .currency = "EUR",
                              .key = "k",
                              .order_id = "ord_1"};
    struct outbound_job request = {.result = OUTBOUND_DELIVERED,
                                   .reason = "answered",
                                   .status = statuses[choice / GATEWAY_OPERATION_COUNT % 8],
                                   .answer = malloc(length + 1),
                                   .answer_length = length,
                                   .reached = true};
    struct json_memory memory = {.size = json_memory_needed(length)};

    if (job.operation != GATEWAY_CREATE)
        strcpy(job.payment_id, "pi_1");
    memory.bytes = malloc(memory.size);
    assert(memory.bytes != NULL && request.answer != NULL);
    memcpy(request.answer, bytes, length);
    bool is_mismatch = stripe_answer_read(&job, &request, memory);

    free(memory.bytes);
    free(request.answer);
    assert(job.result < GATEWAY_RESULT_COUNT && job.state < PAYMENT_STATE_COUNT);
    assert(is_printable(job.reason, sizeof(job.reason)));
    assert(is_printable(job.client_secret, sizeof(job.client_secret)));
    assert(is_printable(job.refund_id, sizeof(job.refund_id)));
    assert(job.captured_minor >= -1 && job.refunded_minor >= -1);
    assert(!is_mismatch || job.result == GATEWAY_REFUSED);
    assert(job.result != GATEWAY_DECLINED || job.operation == GATEWAY_CONFIRM);
    assert(job.result != GATEWAY_UNKNOWN || job.operation != GATEWAY_QUERY);
    if (request.status >= 500 || request.status == 302)
        assert(job.result == GATEWAY_UNKNOWN || job.result == GATEWAY_UNAVAILABLE);
    if (job.operation == GATEWAY_CREATE)
        assert((job.result == GATEWAY_DONE) == (job.payment_id[0] != 0));
    else
        assert(strcmp(job.payment_id, "pi_1") == 0);
    if (job.result != GATEWAY_DONE)
        return;
    if (job.operation == GATEWAY_CAPTURE)
        assert(job.state == PAYMENT_CAPTURED && job.captured_minor == 2500);
    if (job.operation == GATEWAY_CANCEL)
        assert(job.state == PAYMENT_CANCELLED);
    if (job.operation == GATEWAY_QUERY)
        assert(job.state != PAYMENT_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data + 2;

    if (size < 2 || size - 2 > STRIPE_ANSWER_MAX)
        return 0;
    switch (data[0] % 3) {
    case 0:
        check_signature(bytes, size - 2);
        break;
    case 1:
        check_event(bytes, size - 2);
        break;
    default:
        check_answer(data[1], bytes, size - 2);
        break;
    }
    return 0;
}
