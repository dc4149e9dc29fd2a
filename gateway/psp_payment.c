/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_payment.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "psp_form.h"

const char *const psp_status_names[PSP_STATUS_COUNT] = {
#define X(name, text) [PSP_STATUS_##name] = text,
    PSP_STATUSES(X)
#undef X
};

const char *const psp_refund_status_names[PSP_REFUND_STATUS_COUNT] = {
#define X(name, text) [PSP_REFUND_##name] = text,
    PSP_REFUND_STATUSES(X)
#undef X
};

const char *const psp_account_names[PSP_ACCOUNT_COUNT] = {
#define X(name, text) [PSP_ACCOUNT_##name] = text,
    PSP_ACCOUNTS(X)
#undef X
};

const struct psp_event_row psp_event_rows[PSP_EVENT_COUNT] = {
#define X(name, type, object) [PSP_EVENT_##name] = {type, PSP_OBJECT_##object},
    PSP_EVENTS(X)
#undef X
};

#define BIT(status)             (1U << PSP_STATUS_##status)
#define UNEXPECTED_STATE        "payment_intent_unexpected_state"
#define COPY_TEXT(target, text) snprintf(target, sizeof(target), "%s", text)

/* ---- memory ---- */

void psp_payment_copy(struct psp_payment *target, const struct psp_payment *source)
{
    *target = *source;
    psp_texts_copy(&target->metadata, &source->metadata);
    psp_texts_copy(&target->details, &source->details);
    target->refunds = NULL;
    if (source->refund_count == 0)
        return;
    target->refunds = calloc(source->refund_count, sizeof(*target->refunds));
    if (target->refunds == NULL)
        abort();
    for (uint32_t i = 0; i < source->refund_count; i++) {
        target->refunds[i] = source->refunds[i];
        psp_texts_copy(&target->refunds[i].metadata, &source->refunds[i].metadata);
    }
}

void psp_payment_free(struct psp_payment *payment)
{
    for (uint32_t i = 0; i < payment->refund_count; i++)
        psp_texts_free(&payment->refunds[i].metadata);
    free(payment->refunds);
    psp_texts_free(&payment->metadata);
    psp_texts_free(&payment->details);
    *payment = (struct psp_payment){0};
}

struct psp_refund *psp_payment_refund_find(const struct psp_payment *payment, const char *id)
{
    for (uint32_t i = 0; i < payment->refund_count; i++) {
        if (strcmp(payment->refunds[i].id, id) == 0)
            return &payment->refunds[i];
    }
    return NULL;
}

int64_t psp_payment_authorised(const struct psp_payment *payment)
{
    return payment->status == PSP_STATUS_REQUIRES_CAPTURE ? payment->amount_capturable : 0;
}

/* ---- effects ---- */

void psp_error_set(struct psp_error *error, int status, const char *code, const char *param,
                   const char *format, ...)
{
    va_list arguments;

    *error = (struct psp_error){.status = status, .code = code, .param = param};
    va_start(arguments, format);
    vsnprintf(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    /* It repeats what came from outside, and may have cut a character. */
    for (char *at = error->message; *(at += psp_utf8_length(at, strlen(at))) != 0;)
        *at = '?';
}

static void post(struct psp_effect *effect, enum psp_account account, int64_t minor)
{
    assert(effect->posting_count < PSP_POSTINGS_MAX);
    if (minor != 0)
        effect->postings[effect->posting_count++] = (struct psp_posting){account, minor};
}

static void tell(struct psp_effect *effect, enum psp_event event)
{
    assert(effect->event_count < PSP_ENTRY_EVENTS_MAX);
    effect->events[effect->event_count++] = event;
}

/* Refuses with what the API says of an operation in a status that does not fit. */
static bool refuse_status(const struct psp_payment *payment, const char *operation,
                          unsigned allowed, struct psp_effect *effect)
{
    char list[200] = "";
    size_t length = 0;

    for (int status = 0; status < PSP_STATUS_COUNT; status++) {
        if ((allowed & 1U << status) != 0)
            length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
                                       length > 0 ? ", " : "", psp_status_names[status]);
    }
    psp_error_set(&effect->error, 400, UNEXPECTED_STATE, NULL,
                  "This PaymentIntent could not be %s because it has a status of %s. Only a "
                  "PaymentIntent with one of the following statuses may be %s: %s.",
                  operation, psp_status_names[payment->status], operation, list);
    effect->error.with_payment = true;
    return false;
}

static bool is_in(const struct psp_payment *payment, unsigned allowed)
{
    return (allowed & 1U << payment->status) != 0;
}

/* ---- confirmation ---- */

void psp_payment_attach(struct psp_payment *payment, const struct psp_card *card,
                        const struct psp_naming *naming)
{
    naming->next(naming->self, "pm_", payment->payment_method);
    snprintf(payment->card, sizeof(payment->card), "pm_card_%s", card->name);
    if (payment->status == PSP_STATUS_REQUIRES_PAYMENT_METHOD)
        payment->status = PSP_STATUS_REQUIRES_CONFIRMATION;
}

/* The attempt becomes the payment's charge. */
static void charge(struct psp_payment *payment, enum psp_decline failure,
                   const struct psp_naming *naming)
{
    naming->next(naming->self, "ch_", payment->charge_id);
    COPY_TEXT(payment->charge_method, payment->payment_method);
    COPY_TEXT(payment->charge_card, payment->card);
    payment->charge_created_s = naming->now_s;
    payment->charge_failure = failure;
    payment->last_error = failure;
}

static void fail(struct psp_payment *payment, enum psp_decline decline,
                 struct psp_effect *effect_out)
{
    const struct psp_decline_row *row = &psp_decline_rows[decline];

    effect_out->entry = "decline";
    payment->status = PSP_STATUS_REQUIRES_PAYMENT_METHOD;
    payment->last_error = decline;
    payment->payment_method[0] = 0;
    payment->card[0] = 0;
    tell(effect_out, PSP_EVENT_FAILED);
    psp_error_set(&effect_out->error, 402, row->code, NULL, "%s", row->message);
    effect_out->error.type = "card_error";
    effect_out->error.decline_code = row->decline_code[0] != 0 ? row->decline_code : NULL;
    effect_out->error.with_payment = true;
}

static void pay(struct psp_payment *payment, const struct psp_naming *naming,
                struct psp_effect *effect_out)
{
    charge(payment, PSP_DECLINE_NONE, naming);
    post(effect_out, PSP_ACCOUNT_CUSTOMER, -payment->amount);
    if (strcmp(payment->capture_method, "manual") == 0) {
        effect_out->entry = "authorise";
        payment->status = PSP_STATUS_REQUIRES_CAPTURE;
        payment->amount_capturable = payment->amount;
        post(effect_out, PSP_ACCOUNT_AUTHORISED, payment->amount);
        tell(effect_out, PSP_EVENT_CAPTURABLE);
    } else {
        effect_out->entry = "charge";
        payment->status = PSP_STATUS_SUCCEEDED;
        payment->amount_received = payment->amount;
        post(effect_out, PSP_ACCOUNT_MERCHANT, payment->amount);
        tell(effect_out, PSP_EVENT_SUCCEEDED);
    }
}

bool psp_payment_confirm(struct psp_payment *payment, enum psp_decline decline,
                         const struct psp_naming *naming, struct psp_effect *effect_out)
{
    const unsigned allowed =
        BIT(REQUIRES_PAYMENT_METHOD) | BIT(REQUIRES_CONFIRMATION) | BIT(REQUIRES_ACTION);
    const struct psp_card *card;

    if (payment->status == PSP_STATUS_SUCCEEDED) {
        psp_error_set(&effect_out->error, 400, UNEXPECTED_STATE, NULL,
                      "You cannot confirm this PaymentIntent because it has already succeeded "
                      "after being previously confirmed.");
        effect_out->error.with_payment = true;
        return false;
    }
    if (!is_in(payment, allowed))
        return refuse_status(payment, "confirmed", allowed, effect_out);
    card = psp_card_find(payment->card);
    if (card == NULL) {
        psp_error_set(&effect_out->error, 400, UNEXPECTED_STATE, NULL,
                      "You cannot confirm this PaymentIntent because it's missing a payment "
                      "method. You can either update the PaymentIntent with a payment method and "
                      "then confirm it again, or confirm it again directly with a payment method "
                      "or ConfirmationToken.");
        effect_out->error.with_payment = true;
        return false;
    }
    if (decline == PSP_DECLINE_NONE && card->kind == PSP_CARD_DECLINED)
        decline = card->decline;
    if (decline != PSP_DECLINE_NONE) {
        charge(payment, decline, naming);
        fail(payment, decline, effect_out);
    } else if (card->kind == PSP_CARD_ASKS) {
        effect_out->entry = "ask";
        payment->status = PSP_STATUS_REQUIRES_ACTION;
        payment->last_error = PSP_DECLINE_NONE;
        tell(effect_out, PSP_EVENT_ACTION);
    } else {
        pay(payment, naming, effect_out);
    }
    return true;
}

bool psp_payment_authenticate(struct psp_payment *payment, bool has_succeeded,
                              const struct psp_naming *naming, struct psp_effect *effect_out)
{
    if (!is_in(payment, BIT(REQUIRES_ACTION)))
        return refuse_status(payment, "authenticated", BIT(REQUIRES_ACTION), effect_out);
    if (has_succeeded)
        pay(payment, naming, effect_out);
    else
        fail(payment, PSP_DECLINE_AUTHENTICATION, effect_out);
    return true;
}

/* ---- capture, cancel ---- */

bool psp_payment_capture(struct psp_payment *payment, int64_t amount, struct psp_effect *effect_out)
{
    if (payment->status == PSP_STATUS_SUCCEEDED) {
        psp_error_set(&effect_out->error, 400, UNEXPECTED_STATE, NULL,
                      "This PaymentIntent could not be captured because it has already been "
                      "captured.");
        effect_out->error.with_payment = true;
        return false;
    }
    if (!is_in(payment, BIT(REQUIRES_CAPTURE)))
        return refuse_status(payment, "captured", BIT(REQUIRES_CAPTURE), effect_out);
    if (amount == -1)
        amount = payment->amount_capturable;
    if (amount > payment->amount_capturable) {
        psp_error_set(&effect_out->error, 400, "amount_too_large", "amount_to_capture",
                      "The amount to capture is greater than the amount that can be captured "
                      "(%lld).",
                      (long long)payment->amount_capturable);
        return false;
    }
    effect_out->entry = "capture";
    post(effect_out, PSP_ACCOUNT_AUTHORISED, -payment->amount_capturable);
    post(effect_out, PSP_ACCOUNT_MERCHANT, amount);
    post(effect_out, PSP_ACCOUNT_CUSTOMER, payment->amount_capturable - amount);
    payment->status = PSP_STATUS_SUCCEEDED;
    payment->amount_received = amount;
    payment->amount_capturable = 0;
    tell(effect_out, PSP_EVENT_SUCCEEDED);
    return true;
}

bool psp_payment_cancel(struct psp_payment *payment, const char *reason,
                        const struct psp_naming *naming, struct psp_effect *effect_out)
{
    const unsigned allowed = BIT(REQUIRES_PAYMENT_METHOD) | BIT(REQUIRES_CONFIRMATION) |
                             BIT(REQUIRES_ACTION) | BIT(REQUIRES_CAPTURE);

    if (!is_in(payment, allowed))
        return refuse_status(payment, "canceled", allowed, effect_out);
    effect_out->entry = payment->status == PSP_STATUS_REQUIRES_CAPTURE ? "void" : "cancel";
    post(effect_out, PSP_ACCOUNT_AUTHORISED, -psp_payment_authorised(payment));
    post(effect_out, PSP_ACCOUNT_CUSTOMER, psp_payment_authorised(payment));
    payment->status = PSP_STATUS_CANCELED;
    payment->amount_capturable = 0;
    payment->canceled_at_s = naming->now_s;
    COPY_TEXT(payment->cancellation_reason, reason);
    tell(effect_out, PSP_EVENT_CANCELED);
    return true;
}

/* ---- refunds ---- */

static bool check_refund(const struct psp_payment *payment, int64_t amount,
                         struct psp_effect *effect)
{
    int64_t left = payment->amount_received - payment->amount_refunded;

    if (payment->status != PSP_STATUS_SUCCEEDED)
        psp_error_set(&effect->error, 400, UNEXPECTED_STATE, NULL,
                      "This PaymentIntent (%s) does not have a successful charge to refund.",
                      payment->id);
    else if (left == 0)
        psp_error_set(&effect->error, 400, "charge_already_refunded", NULL,
                      "Charge %s has already been refunded.", payment->charge_id);
    else if (amount != -1 && amount < 1)
        psp_error_set(&effect->error, 400, "parameter_invalid_integer", "amount",
                      "This value must be greater than or equal to 1.");
    else if (amount > left)
        psp_error_set(&effect->error, 400, NULL, "amount",
                      "Refund amount (%lld) is greater than unrefunded amount on charge (%lld).",
                      (long long)amount, (long long)left);
    else if (payment->refund_count == PSP_REFUNDS_MAX)
        psp_error_set(&effect->error, 400, NULL, NULL, "A payment takes at most %d refunds here.",
                      (int)PSP_REFUNDS_MAX);
    return effect->error.status == 0;
}

bool psp_payment_refund(struct psp_payment *payment, int64_t amount, const char *reason,
                        struct psp_texts *metadata, const struct psp_naming *naming,
                        struct psp_effect *effect_out)
{
    const struct psp_card *card = psp_card_find(payment->charge_card);
    struct psp_refund *refund;

    if (!check_refund(payment, amount, effect_out))
        return false;
    if (amount == -1)
        amount = payment->amount_received - payment->amount_refunded;
    payment->refunds =
        realloc(payment->refunds, (payment->refund_count + 1) * sizeof(*payment->refunds));
    if (payment->refunds == NULL)
        abort();
    refund = &payment->refunds[payment->refund_count++];
    *refund = (struct psp_refund){
        .amount = amount,
        .created_s = naming->now_s,
        .status = card != NULL && card->kind == PSP_CARD_REFUND_PENDING ? PSP_REFUND_PENDING
                                                                        : PSP_REFUND_SUCCEEDED,
        .metadata = *metadata,
    };
    *metadata = (struct psp_texts){0};
    naming->next(naming->self, "re_", refund->id);
    COPY_TEXT(refund->reason, reason);
    payment->amount_refunded += amount;
    effect_out->entry = "refund";
    effect_out->refund = refund;
    post(effect_out, PSP_ACCOUNT_MERCHANT, -amount);
    post(effect_out, PSP_ACCOUNT_REFUNDED, amount);
    tell(effect_out, PSP_EVENT_REFUND_CREATED);
    tell(effect_out, PSP_EVENT_CHARGE_REFUNDED);
    return true;
}

bool psp_payment_refund_settle(struct psp_payment *payment, const char *refund_id,
                               struct psp_effect *effect_out)
{
    struct psp_refund *refund = psp_payment_refund_find(payment, refund_id);
    const struct psp_card *card = psp_card_find(payment->charge_card);

    if (refund == NULL || card == NULL || refund->status == PSP_REFUND_FAILED)
        return false;
    if (card->kind == PSP_CARD_REFUND_PENDING && refund->status == PSP_REFUND_PENDING) {
        effect_out->entry = "refund_settled";
        refund->status = PSP_REFUND_SUCCEEDED;
        tell(effect_out, PSP_EVENT_REFUND_UPDATED);
    } else if (card->kind == PSP_CARD_REFUND_FAILS) {
        effect_out->entry = "refund_failed";
        refund->status = PSP_REFUND_FAILED;
        payment->amount_refunded -= refund->amount;
        post(effect_out, PSP_ACCOUNT_REFUNDED, -refund->amount);
        post(effect_out, PSP_ACCOUNT_MERCHANT, refund->amount);
        tell(effect_out, PSP_EVENT_REFUND_UPDATED);
        tell(effect_out, PSP_EVENT_REFUND_FAILED);
    } else {
        return false;
    }
    effect_out->refund = refund;
    return true;
}
