/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of Stripe's side of the gateway port: the outbound thread, a scripted server that
 * stands for Stripe, and what it answers. */
#ifndef STAMPEDE_TEST_STRIPE_FIXTURE_H
#define STAMPEDE_TEST_STRIPE_FIXTURE_H

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

static inline void on_done(struct gateway_job *job)
{
    (void)job;
    sem_post(&finished);
}

static inline struct gateways *open_gateways(unsigned port)
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

static inline int open_all(void **state)
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

static inline int close_all(void **state)
{
    (void)state;
    outbound_destroy(outbound);
    gateways_destroy(gateways);
    scripted_stop(&server);
    sem_destroy(&finished);
    return 0;
}

static inline struct gateway_job make_job(enum gateway_operation operation)
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

static inline void run_at(struct gateways *at, struct gateway_job *job)
{
    struct gateway_port port = gateways_port(at);

    assert_true(port.submit(port.self, job));
    sem_wait(&finished);
}

/* The answer's body has ' for ". */
static inline void run(struct gateway_job *job, const char *head, const char *body)
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

#endif
