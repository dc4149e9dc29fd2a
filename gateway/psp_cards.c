/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_cards.h"

#include <stddef.h>
#include <string.h>

const struct psp_decline_row psp_decline_rows[PSP_DECLINE_COUNT] = {
#define X(name, code, decline_code, message) [PSP_DECLINE_##name] = {code, decline_code, message},
    PSP_DECLINES(X)
#undef X
};

#define PAYS(name, brand, last4, funding)                                                          \
    {                                                                                              \
        name, brand, last4, funding, PSP_CARD_PAYS, 0                                              \
    }
#define DECLINED(name, last4, why)                                                                 \
    {                                                                                              \
        name, "visa", last4, "credit", PSP_CARD_DECLINED, PSP_DECLINE_##why                        \
    }

/* Names and numbers are those of Stripe's page on testing; `declined` is this gateway's own. */
static const struct psp_card cards[] = {
    PAYS("visa", "visa", "4242", "credit"),
    PAYS("visa_debit", "visa", "5556", "debit"),
    PAYS("mastercard", "mastercard", "4444", "credit"),
    PAYS("mastercard_debit", "mastercard", "8210", "debit"),
    PAYS("mastercard_prepaid", "mastercard", "5100", "prepaid"),
    PAYS("amex", "amex", "0005", "credit"),
    PAYS("discover", "discover", "1117", "credit"),
    PAYS("diners", "diners", "0004", "credit"),
    PAYS("jcb", "jcb", "0505", "credit"),
    PAYS("unionpay", "unionpay", "0005", "credit"),
    DECLINED("declined", "0002", GENERIC),
    DECLINED("chargeDeclined", "0002", GENERIC),
    DECLINED("visa_chargeDeclined", "0002", GENERIC),
    DECLINED("chargeCustomerFail", "0341", GENERIC),
    DECLINED("chargeDeclinedInsufficientFunds", "9995", FUNDS),
    DECLINED("visa_chargeDeclinedInsufficientFunds", "9995", FUNDS),
    DECLINED("chargeDeclinedLostCard", "9987", LOST),
    DECLINED("visa_chargeDeclinedLostCard", "9987", LOST),
    DECLINED("chargeDeclinedStolenCard", "9979", STOLEN),
    DECLINED("visa_chargeDeclinedStolenCard", "9979", STOLEN),
    DECLINED("chargeDeclinedFraudulent", "0019", FRAUD),
    DECLINED("radarBlock", "0019", FRAUD),
    DECLINED("chargeDeclinedVelocityLimitExceeded", "6975", VELOCITY),
    DECLINED("visa_chargeDeclinedVelocityLimitExceeded", "6975", VELOCITY),
    DECLINED("chargeDeclinedExpiredCard", "0069", EXPIRED),
    DECLINED("chargeDeclinedIncorrectCvc", "0127", CVC),
    DECLINED("chargeDeclinedProcessingError", "0119", PROCESSING),
    {"authenticationRequired", "visa", "3184", "credit", PSP_CARD_ASKS, 0},
    {"threeDSecure2Required", "visa", "3220", "credit", PSP_CARD_ASKS, 0},
    {"threeDSecureRequired", "visa", "3063", "credit", PSP_CARD_ASKS, 0},
    {"pendingRefund", "visa", "7726", "credit", PSP_CARD_REFUND_PENDING, 0},
    {"refundFail", "visa", "5126", "credit", PSP_CARD_REFUND_FAILS, 0},
};

const struct psp_card *psp_card_find(const char *payment_method)
{
    const char *name = NULL;

    if (strncmp(payment_method, "pm_card_", 8) == 0)
        name = payment_method + 8;
    else if (strncmp(payment_method, "tok_", 4) == 0)
        name = payment_method + 4;
    for (size_t i = 0; name != NULL && i < sizeof(cards) / sizeof(cards[0]); i++) {
        if (strcmp(cards[i].name, name) == 0)
            return &cards[i];
    }
    return NULL;
}
