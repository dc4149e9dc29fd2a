/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_render.h"

#include <stdio.h>
#include <string.h>

/* Members of one object: the document and the object are what all these lines share. */
struct members {
    yyjson_mut_doc *doc;
    yyjson_mut_val *object;
};

static struct members object_begin(yyjson_mut_doc *doc)
{
    return (struct members){doc, yyjson_mut_obj(doc)};
}

static void add(struct members *members, const char *name, yyjson_mut_val *value)
{
    yyjson_mut_obj_add(members->object, yyjson_mut_str(members->doc, name), value);
}

static void add_text(struct members *members, const char *name, const char *text)
{
    add(members, name,
        text == NULL || text[0] == 0 ? yyjson_mut_null(members->doc)
                                     : yyjson_mut_strcpy(members->doc, text));
}

static void add_number(struct members *members, const char *name, int64_t number)
{
    add(members, name, yyjson_mut_sint(members->doc, number));
}

static void add_bool(struct members *members, const char *name, bool value)
{
    add(members, name, yyjson_mut_bool(members->doc, value));
}

/* What this gateway has no notion of. */
static void add_nulls(struct members *members, const char *const *names)
{
    for (; *names != NULL; names++)
        add(members, *names, yyjson_mut_null(members->doc));
}

static void add_empty(struct members *members, const char *name)
{
    add(members, name, yyjson_mut_obj(members->doc));
}

yyjson_mut_val *psp_render_texts(yyjson_mut_doc *doc, const struct psp_texts *texts)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    const char *name, *value;

    for (size_t at = 0; psp_texts_next(texts, &at, &name, &value);)
        yyjson_mut_obj_add(object, yyjson_mut_strcpy(doc, name), yyjson_mut_strcpy(doc, value));
    return object;
}

/* ---- cards ---- */

static yyjson_mut_val *billing_details(yyjson_mut_doc *doc)
{
    static const char *const address_nulls[] = {"city",        "country", "line1", "line2",
                                                "postal_code", "state",   NULL};
    static const char *const nulls[] = {"email", "name", "phone", "tax_id", NULL};
    struct members address = object_begin(doc), details = object_begin(doc);

    add_nulls(&address, address_nulls);
    add(&details, "address", address.object);
    add_nulls(&details, nulls);
    return details.object;
}

static void add_card(struct members *card, const struct psp_card *row)
{
    static const char *const nulls[] = {"installments",   "mandate", "network_token",
                                        "three_d_secure", "wallet",  NULL};
    static const char *const check_nulls[] = {"address_line1_check", "address_postal_code_check",
                                              NULL};
    struct members checks = object_begin(card->doc);

    add_nulls(&checks, check_nulls);
    add_text(&checks, "cvc_check", "pass");
    add_text(card, "brand", row->brand);
    add(card, "checks", checks.object);
    add_text(card, "country", "US");
    add_number(card, "exp_month", 12);
    add_number(card, "exp_year", 2034);
    add_text(card, "fingerprint", row->name);
    add_text(card, "funding", row->funding);
    add_text(card, "last4", row->last4);
    add_text(card, "network", row->brand);
    add_nulls(card, nulls);
}

static yyjson_mut_val *payment_method(yyjson_mut_doc *doc, const char *id, const char *card_name,
                                      int64_t created_s)
{
    const struct psp_card *row = psp_card_find(card_name);
    struct members method = object_begin(doc), card = object_begin(doc);

    if (row == NULL)
        return yyjson_mut_null(doc);
    add_card(&card, row);
    add_text(&method, "id", id);
    add_text(&method, "object", "payment_method");
    add(&method, "billing_details", billing_details(doc));
    add(&method, "card", card.object);
    add_number(&method, "created", created_s);
    add_text(&method, "customer", NULL);
    add_bool(&method, "livemode", false);
    add_empty(&method, "metadata");
    add_text(&method, "type", "card");
    return method.object;
}

/* ---- the charge ---- */

static yyjson_mut_val *outcome(yyjson_mut_doc *doc, const struct psp_payment *payment)
{
    const struct psp_decline_row *decline = &psp_decline_rows[payment->charge_failure];
    bool is_declined = payment->charge_failure != PSP_DECLINE_NONE;
    struct members members = object_begin(doc);

    add_text(&members, "network_status",
             is_declined ? "declined_by_network" : "approved_by_network");
    add_text(&members, "reason", is_declined ? decline->decline_code : NULL);
    add_text(&members, "risk_level", "normal");
    add_number(&members, "risk_score", 1);
    add_text(&members, "seller_message",
             is_declined ? "The bank did not return any further details with this decline."
                         : "Payment complete.");
    add_text(&members, "type", is_declined ? "issuer_declined" : "authorized");
    return members.object;
}

static yyjson_mut_val *charge_method_details(yyjson_mut_doc *doc, const struct psp_payment *payment)
{
    const struct psp_card *row = psp_card_find(payment->charge_card);
    struct members details = object_begin(doc), card = object_begin(doc);

    if (row == NULL)
        return yyjson_mut_null(doc);
    add_number(&card, "amount_authorized", payment->amount);
    add_card(&card, row);
    add(&details, "card", card.object);
    add_text(&details, "type", "card");
    return details.object;
}

static yyjson_mut_val *render_charge(const struct psp_renderer *renderer,
                                     const struct psp_payment *payment, bool expand_intent)
{
    static const char *const nulls[] = {"application",
                                        "application_fee",
                                        "application_fee_amount",
                                        "balance_transaction",
                                        "failure_balance_transaction",
                                        "on_behalf_of",
                                        "receipt_number",
                                        "receipt_url",
                                        "review",
                                        "shipping",
                                        "source",
                                        "source_transfer",
                                        "statement_descriptor",
                                        "transfer_data",
                                        "transfer_group",
                                        NULL};
    const struct psp_decline_row *failure = &psp_decline_rows[payment->charge_failure];
    bool is_failed = payment->charge_failure != PSP_DECLINE_NONE;
    bool is_captured = payment->status == PSP_STATUS_SUCCEEDED;
    struct members charge = object_begin(renderer->doc);

    add_text(&charge, "id", payment->charge_id);
    add_text(&charge, "object", "charge");
    add_number(&charge, "amount", payment->amount);
    add_number(&charge, "amount_captured", is_failed ? 0 : payment->amount_received);
    add_number(&charge, "amount_refunded", payment->amount_refunded);
    add(&charge, "billing_details", billing_details(renderer->doc));
    add_text(&charge, "calculated_statement_descriptor", "STAMPEDE");
    add_bool(&charge, "captured", !is_failed && is_captured);
    add_number(&charge, "created", payment->charge_created_s);
    add_text(&charge, "currency", payment->currency);
    add_text(&charge, "customer", psp_texts_get(&payment->details, "customer"));
    add_text(&charge, "description", psp_texts_get(&payment->details, "description"));
    add_bool(&charge, "disputed", false);
    add_text(&charge, "failure_code", is_failed ? failure->code : NULL);
    add_text(&charge, "failure_message", is_failed ? failure->message : NULL);
    add_empty(&charge, "fraud_details");
    add_bool(&charge, "livemode", false);
    add(&charge, "metadata", psp_render_texts(renderer->doc, &payment->metadata));
    add(&charge, "outcome", outcome(renderer->doc, payment));
    add_bool(&charge, "paid", !is_failed);
    if (expand_intent)
        add(&charge, "payment_intent",
            psp_render_intent(
                &(struct psp_renderer){.doc = renderer->doc, .base_url = renderer->base_url},
                payment));
    else
        add_text(&charge, "payment_intent", payment->id);
    add_text(&charge, "payment_method", payment->charge_method);
    add(&charge, "payment_method_details", charge_method_details(renderer->doc, payment));
    add_text(&charge, "receipt_email", psp_texts_get(&payment->details, "receipt_email"));
    add_bool(&charge, "refunded",
             payment->amount_refunded > 0 && payment->amount_refunded == payment->amount_received);
    add_text(&charge, "statement_descriptor_suffix",
             psp_texts_get(&payment->details, "statement_descriptor_suffix"));
    add_text(&charge, "status", is_failed ? "failed" : "succeeded");
    add_nulls(&charge, nulls);
    return charge.object;
}

yyjson_mut_val *psp_render_charge(const struct psp_renderer *renderer,
                                  const struct psp_payment *payment)
{
    return render_charge(renderer, payment, renderer->expand_intent);
}

/* ---- the payment intent ---- */

static void add_code(struct members *members, const char *code, const char *decline_code)
{
    char url[120];

    snprintf(url, sizeof(url), "https://stripe.com/docs/error-codes/%.60s", code);
    for (char *at = strrchr(url, '/'); *at != 0; at++)
        *at = *at == '_' ? '-' : *at;
    add_text(members, "code", code);
    if (decline_code != NULL && decline_code[0] != 0)
        add_text(members, "decline_code", decline_code);
    add_text(members, "doc_url", url);
}

static yyjson_mut_val *last_error(const struct psp_renderer *renderer,
                                  const struct psp_payment *payment)
{
    const struct psp_decline_row *row = &psp_decline_rows[payment->last_error];
    struct members error = object_begin(renderer->doc);

    if (payment->last_error == PSP_DECLINE_NONE)
        return yyjson_mut_null(renderer->doc);
    if (payment->charge_failure != PSP_DECLINE_NONE)
        add_text(&error, "charge", payment->charge_id);
    add_code(&error, row->code, row->decline_code);
    add_text(&error, "message", row->message);
    if (payment->charge_method[0] != 0)
        add(&error, "payment_method",
            payment_method(renderer->doc, payment->charge_method, payment->charge_card,
                           payment->charge_created_s));
    add_text(&error, "type", "card_error");
    return error.object;
}

static yyjson_mut_val *next_action(const struct psp_renderer *renderer,
                                   const struct psp_payment *payment)
{
    struct members action = object_begin(renderer->doc), way = object_begin(renderer->doc);
    char url[PSP_TEXT_MAX];

    if (payment->status != PSP_STATUS_REQUIRES_ACTION)
        return yyjson_mut_null(renderer->doc);
    snprintf(url, sizeof(url), "%s/_authenticate/%s?client_secret=%s", renderer->base_url,
             payment->id, payment->client_secret);
    if (payment->return_url[0] != 0) {
        add_text(&way, "return_url", payment->return_url);
        add_text(&way, "url", url);
        add(&action, "redirect_to_url", way.object);
        add_text(&action, "type", "redirect_to_url");
    } else {
        add_text(&way, "type", "three_d_secure_redirect");
        add_text(&way, "stripe_js", url);
        add_text(&action, "type", "use_stripe_sdk");
        add(&action, "use_stripe_sdk", way.object);
    }
    return action.object;
}

static yyjson_mut_val *payment_method_options(yyjson_mut_doc *doc)
{
    static const char *const nulls[] = {"installments", "mandate_options", "network", NULL};
    struct members options = object_begin(doc), card = object_begin(doc);

    add_nulls(&card, nulls);
    add_text(&card, "request_three_d_secure", "automatic");
    add(&options, "card", card.object);
    return options.object;
}

static void add_latest_charge(struct members *intent, const struct psp_renderer *renderer,
                              const struct psp_payment *payment)
{
    if (renderer->expand_charge && payment->charge_id[0] != 0)
        add(intent, "latest_charge", render_charge(renderer, payment, false));
    else
        add_text(intent, "latest_charge", payment->charge_id);
}

static void add_payment_method_types(struct members *intent)
{
    yyjson_mut_val *types = yyjson_mut_arr(intent->doc);

    yyjson_mut_arr_add_str(intent->doc, types, "card");
    add(intent, "payment_method_types", types);
}

yyjson_mut_val *psp_render_intent(const struct psp_renderer *renderer,
                                  const struct psp_payment *payment)
{
    static const char *const nulls[] = {"application",
                                        "application_fee_amount",
                                        "automatic_payment_methods",
                                        "customer_account",
                                        "excluded_payment_method_types",
                                        "on_behalf_of",
                                        "payment_method_configuration_details",
                                        "processing",
                                        "review",
                                        "setup_future_usage",
                                        "shipping",
                                        "source",
                                        "statement_descriptor",
                                        "transfer_data",
                                        "transfer_group",
                                        NULL};
    static const char *const details[] = {"customer", "description", "receipt_email",
                                          "statement_descriptor_suffix"};
    struct members intent = object_begin(renderer->doc);
    struct members amount_details = object_begin(renderer->doc);

    add_text(&intent, "id", payment->id);
    add_text(&intent, "object", "payment_intent");
    add_number(&intent, "amount", payment->amount);
    add_number(&intent, "amount_capturable", payment->amount_capturable);
    add_empty(&amount_details, "tip");
    add(&intent, "amount_details", amount_details.object);
    add_number(&intent, "amount_received", payment->amount_received);
    if (payment->canceled_at_s != 0)
        add_number(&intent, "canceled_at", payment->canceled_at_s);
    else
        add_text(&intent, "canceled_at", NULL);
    add_text(&intent, "cancellation_reason", payment->cancellation_reason);
    add_text(&intent, "capture_method", payment->capture_method);
    add_text(&intent, "client_secret", payment->client_secret);
    add_text(&intent, "confirmation_method", "automatic");
    add_number(&intent, "created", payment->created_s);
    add_text(&intent, "currency", payment->currency);
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
        add_text(&intent, details[i], psp_texts_get(&payment->details, details[i]));
    add(&intent, "last_payment_error", last_error(renderer, payment));
    add_latest_charge(&intent, renderer, payment);
    add_bool(&intent, "livemode", false);
    add(&intent, "metadata", psp_render_texts(renderer->doc, &payment->metadata));
    add(&intent, "next_action", next_action(renderer, payment));
    add_text(&intent, "payment_method", payment->payment_method);
    add(&intent, "payment_method_options", payment_method_options(renderer->doc));
    add_payment_method_types(&intent);
    add_text(&intent, "status", psp_status_names[payment->status]);
    add_nulls(&intent, nulls);
    return intent.object;
}

/* ---- refunds ---- */

yyjson_mut_val *psp_render_refund(const struct psp_renderer *renderer,
                                  const struct psp_payment *payment,
                                  const struct psp_refund *refund)
{
    static const char *const nulls[] = {"balance_transaction", "receipt_number",
                                        "source_transfer_reversal", "transfer_reversal", NULL};
    struct members members = object_begin(renderer->doc);
    struct members card = object_begin(renderer->doc), details = object_begin(renderer->doc);

    add_text(&card, "reference_status",
             refund->status == PSP_REFUND_FAILED ? "unavailable" : "pending");
    add_text(&card, "reference_type", "acquirer_reference_number");
    add_text(&card, "type", "refund");
    add(&details, "card", card.object);
    add_text(&details, "type", "card");
    add_text(&members, "id", refund->id);
    add_text(&members, "object", "refund");
    add_number(&members, "amount", refund->amount);
    if (renderer->expand_charge)
        add(&members, "charge", render_charge(renderer, payment, false));
    else
        add_text(&members, "charge", payment->charge_id);
    add_number(&members, "created", refund->created_s);
    add_text(&members, "currency", payment->currency);
    add(&members, "destination_details", details.object);
    if (refund->status == PSP_REFUND_FAILED)
        add_text(&members, "failure_reason", "expired_or_canceled_card");
    add(&members, "metadata", psp_render_texts(renderer->doc, &refund->metadata));
    if (renderer->expand_intent)
        add(&members, "payment_intent",
            psp_render_intent(
                &(struct psp_renderer){.doc = renderer->doc, .base_url = renderer->base_url},
                payment));
    else
        add_text(&members, "payment_intent", payment->id);
    add_text(&members, "reason", refund->reason);
    add_text(&members, "status", psp_refund_status_names[refund->status]);
    add_nulls(&members, nulls);
    return members.object;
}

/* ---- errors, events, lists ---- */

static const char *error_type(const struct psp_error *error)
{
    if (error->type != NULL)
        return error->type;
    return error->status >= 500 ? "api_error" : "invalid_request_error";
}

yyjson_mut_val *psp_render_error(const struct psp_renderer *renderer, const struct psp_error *error,
                                 const struct psp_payment *payment)
{
    struct members inner = object_begin(renderer->doc), outer = object_begin(renderer->doc);
    bool is_decline = error->status == 402 && payment != NULL;

    if (is_decline && payment->charge_failure != PSP_DECLINE_NONE)
        add_text(&inner, "charge", payment->charge_id);
    if (error->code != NULL)
        add_code(&inner, error->code, error->decline_code);
    add_text(&inner, "message", error->message);
    if (error->param != NULL)
        add_text(&inner, "param", error->param);
    if (error->with_payment && payment != NULL)
        add(&inner, "payment_intent", psp_render_intent(renderer, payment));
    if (is_decline && payment->charge_method[0] != 0)
        add(&inner, "payment_method",
            payment_method(renderer->doc, payment->charge_method, payment->charge_card,
                           payment->charge_created_s));
    add_text(&inner, "type", error_type(error));
    add(&outer, "error", inner.object);
    return outer.object;
}

yyjson_mut_val *psp_render_event(const struct psp_renderer *renderer, const char *id,
                                 const char *type, int64_t created_s, yyjson_mut_val *object,
                                 const char *request_id, const char *key, bool is_pending)
{
    struct members event = object_begin(renderer->doc), data = object_begin(renderer->doc);
    struct members request = object_begin(renderer->doc);

    add_text(&event, "id", id);
    add_text(&event, "object", "event");
    add_text(&event, "api_version", PSP_API_VERSION);
    add_number(&event, "created", created_s);
    add(&data, "object", object);
    add(&event, "data", data.object);
    add_bool(&event, "livemode", false);
    add_number(&event, "pending_webhooks", is_pending);
    add_text(&request, "id", request_id);
    add_text(&request, "idempotency_key", key);
    add(&event, "request", request.object);
    add_text(&event, "type", type);
    return event.object;
}

yyjson_mut_val *psp_render_list(const struct psp_renderer *renderer, const char *url, bool has_more,
                                yyjson_mut_val *data)
{
    struct members list = object_begin(renderer->doc);

    add_text(&list, "object", "list");
    add(&list, "data", data);
    add_bool(&list, "has_more", has_more);
    add_text(&list, "url", url);
    return list.object;
}
