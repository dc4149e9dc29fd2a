/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/gateways/sandbox.h"

#include <stdio.h>
#include <string.h>

#include "api/digest.h"
#include "outbound/gateways/gateways_private.h"

enum { NAME_BYTES = 16 };

/* method, NULL or why the bank declines */
static const struct {
    const char *method;
    const char *declined;
} methods[] = {
    {"pm_card_visa", NULL},
    {"pm_card_visa_debit", NULL},
    {"pm_card_mastercard", NULL},
    {"pm_card_mastercard_debit", NULL},
    {"pm_card_mastercard_prepaid", NULL},
    {"pm_card_amex", NULL},
    {"pm_card_discover", NULL},
    {"pm_card_diners", NULL},
    {"pm_card_jcb", NULL},
    {"pm_card_unionpay", NULL},
    {"pm_card_declined", "generic_decline"},
    {"pm_card_chargeDeclined", "generic_decline"},
    {"pm_card_visa_chargeDeclined", "generic_decline"},
    {"pm_card_insufficientFunds", "insufficient_funds"},
    {"pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"},
    {"pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"},
    {"pm_card_chargeDeclinedLostCard", "lost_card"},
    {"pm_card_visa_chargeDeclinedLostCard", "lost_card"},
    {"pm_card_chargeDeclinedStolenCard", "stolen_card"},
    {"pm_card_visa_chargeDeclinedStolenCard", "stolen_card"},
    {"pm_card_chargeDeclinedExpiredCard", "expired_card"},
    {"pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"},
    {"pm_card_chargeDeclinedProcessingError", "processing_error"},
    {"pm_card_chargeDeclinedFraudulent", "fraudulent"},
    {"pm_card_chargeDeclinedVelocityLimitExceeded", "card_velocity_exceeded"},
    {"pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_velocity_exceeded"},
    {"pm_card_authenticationRequired", "authentication_required"}, /* there is nobody to ask */
    {"pm_card_threeDSecure2Required", "authentication_required"},
};

/* prefix + what order and key are hashed to: another order or attempt, another name. */
static void name_it(const struct gateway_job *job, const char *prefix, char *name_out, size_t size)
{
    uint8_t hash[DIGEST_SHA256_BYTES];
    char text[sizeof(job->order_id) + sizeof(job->key)];
    int length = snprintf(text, sizeof(text), "%s %s", job->order_id, job->key);
    size_t used = strlen(prefix);

    digest_sha256(text, (size_t)length, hash);
    snprintf(name_out, size, "%s", prefix);
    for (size_t i = 0; i < NAME_BYTES; i++, used += 2)
        snprintf(name_out + used, size - used, "%02x", hash[i]);
}

static void confirm(struct gateway_job *job)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(job->method, methods[i].method) != 0)
            continue;
        if (methods[i].declined == NULL) {
            gateway_job_set(job, GATEWAY_DONE, PAYMENT_AUTHORISED, "");
        } else {
            gateway_job_set(job, GATEWAY_DECLINED, PAYMENT_CREATED, methods[i].declined);
        }
        return;
    }
    gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, GATEWAY_REASON_METHOD);
}

void sandbox_run(struct gateway_job *job)
{
    if (job->operation == GATEWAY_CREATE) {
        name_it(job, SANDBOX_PAYMENT_PREFIX, job->payment_id, sizeof(job->payment_id));
        gateway_job_set(job, GATEWAY_DONE, PAYMENT_CREATED, "");
        return;
    }
    if (strncmp(job->payment_id, SANDBOX_PAYMENT_PREFIX, strlen(SANDBOX_PAYMENT_PREFIX)) != 0) {
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, "no_such_payment");
        return;
    }
    switch ((enum gateway_operation)job->operation) {
    case GATEWAY_CREATE:
        break;
    case GATEWAY_CONFIRM:
        confirm(job);
        break;
    case GATEWAY_CAPTURE:
        gateway_job_set(job, GATEWAY_DONE, PAYMENT_CAPTURED, "");
        job->captured_minor = job->amount_minor;
        break;
    case GATEWAY_CANCEL:
        gateway_job_set(job, GATEWAY_DONE, PAYMENT_CANCELLED, "");
        break;
    case GATEWAY_REFUND:
        gateway_job_set(job, GATEWAY_DONE, PAYMENT_CAPTURED, "");
        job->captured_minor = -1; /* no books: how much in all, it cannot say */
        job->refunded_minor = -1;
        name_it(job, "re_sandbox_", job->refund_id, sizeof(job->refund_id));
        break;
    case GATEWAY_QUERY:
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, "keeps_no_books");
        break;
    }
}
