/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that change something. Each leaves the payment as it will be and the effect, or an
 * error. */
#include "psp_call_internal.h"

#include <stdio.h>
#include <string.h>

static void prepend_event(struct psp_effect *effect, enum psp_event event)
{
    memmove(effect->events + 1, effect->events, effect->event_count * sizeof(effect->events[0]));
    effect->events[0] = event;
    effect->event_count++;
}

/* What rules have refused is the call's error. */
static void take_refusal(struct psp_calling *calling, bool has_changed)
{
    calling->has_begun = true;
    calling->has_changed = has_changed;
    if (!has_changed)
        calling->error = calling->effect.error;
}

static bool read_capture_method(struct psp_calling *calling)
{
    const char *method;

    if (!psp_params_word(calling, "capture_method", " automatic automatic_async manual ", &method))
        return false;
    if (method != NULL)
        snprintf(calling->payment.capture_method, sizeof(calling->payment.capture_method), "%s",
                 method);
    return true;
}

/* The card, the texts: what creating, updating and confirming have in common. */
static bool read_common(struct psp_calling *calling)
{
    const struct psp_card *card;

    if (!read_capture_method(calling) ||
        !psp_params_metadata(calling, &calling->payment.metadata) ||
        !psp_params_details(calling, &calling->payment) || !psp_params_card(calling, &card))
        return false;
    if (card != NULL)
        psp_payment_attach(&calling->payment, card, &calling->naming);
    return true;
}

void psp_calling_create(struct psp_calling *calling)
{
    struct psp_payment *payment = &calling->payment;
    char secret[PSP_ID_MAX + 1];
    bool is_confirmed;

    calling->object = PSP_OBJECT_INTENT;
    if (psp_form_get(calling->form, "amount") == NULL) {
        psp_error_set(&calling->error, 400, "parameter_missing", "amount",
                      "Missing required param: amount.");
        return;
    }
    if (psp_books_payment_count(calling->books) >= PSP_PAYMENTS_MAX) {
        psp_error_set(&calling->error, 503, NULL, NULL,
                      "This gateway keeps no more payments: begin a new ledger.");
        return;
    }
    snprintf(payment->capture_method, sizeof(payment->capture_method), "automatic");
    if (!psp_params_integer(calling, "amount", 1, PSP_AMOUNT_MAX, 0, &payment->amount) ||
        !psp_params_currency(calling, payment->currency) || !read_common(calling) ||
        !psp_params_boolean(calling, "confirm", &is_confirmed))
        return;
    payment->created_s = calling->naming.now_s;
    calling->naming.next(calling->naming.self, "pi_", payment->id);
    calling->naming.next(calling->naming.self, "", secret);
    snprintf(payment->client_secret, sizeof(payment->client_secret), "%s_secret_%s", payment->id,
             secret);
    calling->effect.entry = "create";
    if (is_confirmed && !psp_payment_confirm(payment, calling->request->decline, &calling->naming,
                                             &calling->effect)) {
        /* Nothing is made where it could not have been confirmed. */
        calling->error = calling->effect.error;
        calling->error.with_payment = false;
        return;
    }
    prepend_event(&calling->effect, PSP_EVENT_CREATED);
    take_refusal(calling, true);
}

void psp_calling_update(struct psp_calling *calling)
{
    struct psp_payment *payment = &calling->payment;
    int64_t amount;
    bool is_open;

    calling->object = PSP_OBJECT_INTENT;
    if (!psp_calling_load(calling))
        return;
    is_open = payment->status == PSP_STATUS_REQUIRES_PAYMENT_METHOD ||
              payment->status == PSP_STATUS_REQUIRES_CONFIRMATION;
    if (!psp_params_integer(calling, "amount", 1, PSP_AMOUNT_MAX, payment->amount, &amount))
        return;
    if (!is_open &&
        (amount != payment->amount || psp_form_get(calling->form, "payment_method") != NULL ||
         psp_form_get(calling->form, "payment_method_data[card][token]") != NULL ||
         psp_form_get(calling->form, "capture_method") != NULL ||
         psp_form_get(calling->form, "currency") != NULL)) {
        psp_error_set(&calling->error, 400, "payment_intent_unexpected_state", NULL,
                      "This PaymentIntent could not be updated in this way because it has a status "
                      "of %s.",
                      psp_status_names[payment->status]);
        calling->error.with_payment = true;
        calling->has_begun = true;
        return;
    }
    if (psp_form_get(calling->form, "currency") != NULL &&
        !psp_params_currency(calling, payment->currency))
        return;
    if (!read_common(calling))
        return;
    payment->amount = amount;
    calling->effect.entry = "update";
    take_refusal(calling, true);
}

void psp_calling_confirm(struct psp_calling *calling)
{
    calling->object = PSP_OBJECT_INTENT;
    if (!psp_calling_load(calling))
        return;
    /* A payment that is past confirmation is refused as it stands, whatever card was named. */
    if (calling->payment.status < PSP_STATUS_REQUIRES_CAPTURE && !read_common(calling))
        return;
    take_refusal(calling, psp_payment_confirm(&calling->payment, calling->request->decline,
                                              &calling->naming, &calling->effect));
}

void psp_calling_capture(struct psp_calling *calling)
{
    int64_t amount;

    calling->object = PSP_OBJECT_INTENT;
    if (!psp_calling_load(calling) ||
        !psp_params_integer(calling, "amount_to_capture", 1, PSP_AMOUNT_MAX, -1, &amount) ||
        !psp_params_metadata(calling, &calling->payment.metadata))
        return;
    take_refusal(calling, psp_payment_capture(&calling->payment, amount, &calling->effect));
}

void psp_calling_cancel(struct psp_calling *calling)
{
    const char *reason;

    calling->object = PSP_OBJECT_INTENT;
    if (!psp_calling_load(calling) ||
        !psp_params_word(calling, "cancellation_reason",
                         " duplicate fraudulent requested_by_customer abandoned ", &reason))
        return;
    take_refusal(calling, psp_payment_cancel(&calling->payment, reason != NULL ? reason : "",
                                             &calling->naming, &calling->effect));
}

/* ---- refunds ---- */

/* The payment that a refund is for, by either of its names. */
static bool load_refunded(struct psp_calling *calling)
{
    const char *intent = psp_form_get(calling->form, "payment_intent");
    const char *charge = psp_form_get(calling->form, "charge");
    const struct psp_known *known;
    enum psp_object object = intent != NULL ? PSP_OBJECT_INTENT : PSP_OBJECT_CHARGE;

    if (intent == NULL && charge == NULL)
        return PSP_REFUSE(calling, 400, "parameter_missing", NULL,
                          "One of the following params should be provided for this request: "
                          "payment_intent or charge.");
    known = psp_books_find(calling->books, intent != NULL ? intent : charge);
    if (known == NULL || known->object != object)
        return psp_calling_missing(calling, intent != NULL ? "payment_intent" : "charge",
                                   intent != NULL ? "payment_intent" : "charge",
                                   intent != NULL ? intent : charge);
    psp_payment_copy(&calling->payment, psp_books_payment_at(calling->books, known->payment));
    if (charge != NULL && strcmp(calling->payment.charge_id, charge) != 0)
        return PSP_REFUSE(calling, 400, NULL, "charge",
                          "Charge %.40s is not the charge of a successful payment.", charge);
    return true;
}

void psp_calling_refund(struct psp_calling *calling)
{
    struct psp_texts metadata = {0};
    int64_t amount;
    const char *reason;

    calling->object = PSP_OBJECT_REFUND;
    if (load_refunded(calling) &&
        psp_params_integer(calling, "amount", 1, PSP_AMOUNT_MAX, -1, &amount) &&
        psp_params_word(calling, "reason", " duplicate fraudulent requested_by_customer ",
                        &reason) &&
        psp_params_metadata(calling, &metadata))
        take_refusal(calling,
                     psp_payment_refund(&calling->payment, amount, reason != NULL ? reason : "",
                                        &metadata, &calling->naming, &calling->effect));
    psp_texts_free(&metadata);
}

void psp_calling_refund_update(struct psp_calling *calling)
{
    const char *id = calling->request->target;
    const struct psp_known *known = psp_books_find(calling->books, id);
    struct psp_refund *refund;

    calling->object = PSP_OBJECT_REFUND;
    if (known == NULL || known->object != PSP_OBJECT_REFUND) {
        psp_calling_missing(calling, "refund", "id", id);
        return;
    }
    psp_payment_copy(&calling->payment, psp_books_payment_at(calling->books, known->payment));
    refund = psp_payment_refund_find(&calling->payment, id);
    if (!psp_params_metadata(calling, &refund->metadata))
        return;
    calling->effect.entry = "refund_update";
    calling->effect.refund = refund;
    calling->effect.events[calling->effect.event_count++] = PSP_EVENT_REFUND_UPDATED;
    take_refusal(calling, true);
}
