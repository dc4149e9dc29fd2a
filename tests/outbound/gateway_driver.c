/* SPDX-License-Identifier: Apache-2.0 */
/* Lets tests/outbound/run drive the gateway port over the outbound thread.
 *
 *   gateway-driver BASE_URL SECRET_KEY [WEBHOOK_SECRET...]
 *
 * Takes lines of fields with tabs between them, one after another:
 *
 *   OPERATION ORDER_ID AMOUNT CURRENCY KEY PAYMENT_ID METHOD TIMEOUT_MS
 *     answered by RESULT STATE REASON PAYMENT_ID CAPTURED REFUNDED REFUND_ID CLIENT_SECRET
 *   event NOW_S SIGNATURE BODY-IN-HEX
 *     answered by RESULT KIND STATE TYPE EVENT_ID PAYMENT_ID ORDER_ID AMOUNT CURRENCY CAPTURED
 *     REFUNDED REFUND_ID
 *
 * with tabs between them too. Fields may be empty. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outbound/gateways/gateways.h"
#include "outbound/outbound.h"

enum { FIELDS = 8, LINE_BYTES = 256 << 10 };

static sem_t finished;
static char line[LINE_BYTES];

static const char *const states[] = {
#define X(name, text) [PAYMENT_##name] = text,
    PAYMENT_STATES(X)
#undef X
};

static void fail(const char *what)
{
    fprintf(stderr, "gateway-driver: %s\n", what);
    exit(2);
}

static void on_done(struct gateway_job *job)
{
    (void)job;
    sem_post(&finished);
}

static void copy(char *target, size_t size, const char *text)
{
    if (strlen(text) >= size)
        fail("a field is too long");
    memcpy(target, text, strlen(text) + 1);
}

static void run_job(struct gateways *gateways, uint8_t operation, char *const fields[FIELDS])
{
    struct gateway_port port = gateways_port(gateways);
    struct gateway_job job = {
        .provider = PROVIDER_STRIPE,
        .operation = operation,
        .amount_minor = strtoll(fields[2], NULL, 10),
        .timeout_ms = (uint32_t)strtoul(fields[7], NULL, 10),
        .done = on_done,
    };

    copy(job.order_id, sizeof(job.order_id), fields[1]);
    copy(job.currency, sizeof(job.currency), fields[3]);
    copy(job.key, sizeof(job.key), fields[4]);
    copy(job.payment_id, sizeof(job.payment_id), fields[5]);
    copy(job.method, sizeof(job.method), fields[6]);
    if (!port.submit(port.self, &job))
        fail("the job was refused");
    sem_wait(&finished);
    printf("%s\t%s\t%s\t%s\t%lld\t%lld\t%s\t%s\n", gateway_result_name(job.result),
           states[job.state], job.reason, job.payment_id, (long long)job.captured_minor,
           (long long)job.refunded_minor, job.refund_id, job.client_secret);
}

static size_t read_hex(char *text)
{
    size_t length = strlen(text) / 2;

    for (size_t i = 0; i < length; i++) {
        char byte[3] = {text[2 * i], text[2 * i + 1], 0};

        text[i] = (char)strtoul(byte, NULL, 16);
    }
    return length;
}

static void read_event(struct gateways *gateways, char *const fields[FIELDS])
{
    static const char *const kinds[] = {
        [GATEWAY_EVENT_OTHER] = "other",
        [GATEWAY_EVENT_AUTHORISED] = "authorised",
        [GATEWAY_EVENT_CAPTURED] = "captured",
        [GATEWAY_EVENT_FAILED] = "failed",
        [GATEWAY_EVENT_CANCELLED] = "cancelled",
        [GATEWAY_EVENT_REFUNDED] = "refunded",
        [GATEWAY_EVENT_REFUND_FAILED] = "refund_failed",
    };
    size_t length = read_hex(fields[3]);
    struct gateway_event_input input = {
        .headers[GATEWAY_HEADER_STRIPE_SIGNATURE] = {fields[2], strlen(fields[2])},
        .body = {fields[3], length},
        .now_wall_ms = strtoll(fields[1], NULL, 10) * 1000,
        .memory = {.bytes = malloc(json_memory_needed(length)), .size = json_memory_needed(length)},
    };
    struct gateway_event event;
    enum gateway_event_result result =
        gateways_read_event(gateways, PROVIDER_STRIPE, &input, &event);

    free(input.memory.bytes);
    printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%lld\t%s\t%lld\t%lld\t%s\n",
           gateway_event_result_name((uint8_t)result), kinds[event.kind], states[event.state],
           event.type, event.event_id, event.payment_id, event.order_id,
           (long long)event.amount_minor, event.currency, (long long)event.captured_minor,
           (long long)event.refunded_minor, event.refund_id);
}

static void run_line(struct gateways *gateways)
{
    static char nothing[1];
    char *fields[FIELDS];
    char *rest = line;

    line[strcspn(line, "\n")] = 0;
    for (int i = 0; i < FIELDS; i++) {
        char *field = strsep(&rest, "\t");

        fields[i] = field == NULL ? nothing : field;
    }
    for (uint8_t i = 0; i < GATEWAY_OPERATION_COUNT; i++) {
        if (strcmp(fields[0], gateway_operation_name(i)) == 0) {
            run_job(gateways, i, fields);
            return;
        }
    }
    if (strcmp(fields[0], "event") != 0)
        fail(fields[0]);
    read_event(gateways, fields);
}

int main(int argc, char *argv[])
{
    struct outbound_options outbound_options;
    struct gateways_options options;
    struct outbound_port port;
    struct outbound *outbound;
    struct gateways *gateways;
    char secrets[2000] = "";
    char error[OUTBOUND_ERROR_MAX] = "";

    if (argc < 3)
        fail("usage: gateway-driver BASE_URL SECRET_KEY [WEBHOOK_SECRET...]");
    sem_init(&finished, 0, 0);
    outbound_options_default(&outbound_options);
    outbound_options.private_allowed = true;
    outbound = outbound_create(&outbound_options, error, sizeof(error));
    if (outbound == NULL)
        fail(error);
    for (int i = 3; i < argc; i++) {
        size_t used = strlen(secrets);

        snprintf(secrets + used, sizeof(secrets) - used, "%s\n", argv[i]);
    }
    gateways_options_default(&options);
    options.stripe_base_url = argv[1];
    options.stripe_secret_key = argv[2];
    options.stripe_event_secrets = secrets;
    options.stripe_confirm = true;
    port = outbound_port_get(outbound);
    gateways = gateways_create(&options, &port, error, sizeof(error));
    if (gateways == NULL)
        fail(error);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        run_line(gateways);
        fflush(stdout);
    }
    outbound_destroy(outbound);
    gateways_destroy(gateways);
    sem_destroy(&finished);
    return 0;
}
