/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/gateways/stripe.h"

#include <stdio.h>
#include <string.h>

#include "outbound/form.h"
#include "outbound/gateways/stripe_amounts.h"
#include "outbound/gateways/stripe_objects.h"

/* ---- requests ---- */

/* Into a path goes nothing else. */
static bool is_payment_id(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length <= PAYMENT_ID_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
               length;
}

static void write_create(const struct stripe_settings *settings, const struct gateway_job *job,
                         int64_t amount, struct form *form)
{
    char currency[4] = "";

    for (size_t i = 0; i < 3 && job->currency[i] != 0; i++)
        currency[i] = (char)(job->currency[i] | ('a' - 'A'));
    form_put_number(form, "amount", amount);
    form_put_text(form, "currency", currency);
    form_put_text(form, "capture_method", "manual");
    form_put_text(form, "automatic_payment_methods[enabled]", "true");
    /* Who confirms by the API has no browser that could be sent elsewhere. */
    if (settings->confirms)
        form_put_text(form, "automatic_payment_methods[allow_redirects]", "never");
    form_put_text(form, "metadata[order_id]", job->order_id);
}

/* The path behind /v1/, and the form; NULL where there is none of this operation. */
static const char *write_form(const struct stripe_settings *settings, const struct gateway_job *job,
                              int64_t amount, struct form *form)
{
    switch ((enum gateway_operation)job->operation) {
    case GATEWAY_CREATE:
        write_create(settings, job, amount, form);
        return "";
    case GATEWAY_CONFIRM:
        form_put_text(form, "payment_method", job->method);
        form_put_text(form, "expand[]", "latest_charge");
        return "/confirm";
    case GATEWAY_CAPTURE:
        form_put_number(form, "amount_to_capture", amount);
        form_put_text(form, "expand[]", "latest_charge");
        return "/capture";
    case GATEWAY_CANCEL:
        form_put_text(form, "expand[]", "latest_charge");
        return "/cancel";
    case GATEWAY_REFUND:
        form_put_text(form, "payment_intent", job->payment_id);
        form_put_number(form, "amount", amount);
        form_put_text(form, "metadata[order_id]", job->order_id);
        form_put_text(form, "expand[]", "charge");
        return "";
    case GATEWAY_QUERY:
        return "?expand%5B%5D=latest_charge";
    }
    return NULL;
}

static void add_header(struct stripe_request *request, const char *name, const char *value)
{
    char *line = request->lines[request->header_count];

    _Static_assert(sizeof("Idempotency-Key: ") + GATEWAY_KEY_MAX <= STRIPE_LINE_MAX &&
                       sizeof("Authorization: Bearer ") + GATEWAY_SECRET_LENGTH_MAX <=
                           STRIPE_LINE_MAX,
                   "a header's line");
    snprintf(line, STRIPE_LINE_MAX + 1, "%s: %s", name, value);
    request->headers[request->header_count++] = line;
}

bool stripe_request_write(const struct stripe_settings *settings, struct gateway_job *job,
                          struct stripe_request *request_out)
{
    struct form form = {.target = request_out->body, .size = sizeof(request_out->body)};
    bool has_payment = job->operation != GATEWAY_CREATE;
    bool is_refund = job->operation == GATEWAY_REFUND;
    const char *path;
    int64_t amount;
    char bearer[sizeof("Bearer ") + GATEWAY_SECRET_LENGTH_MAX];

    request_out->header_count = 0;
    if (has_payment && !is_payment_id(job->payment_id)) {
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, "no_such_payment");
        return false;
    }
    if (job->operation == GATEWAY_CONFIRM && !settings->confirms) {
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, "confirmed_elsewhere");
        return false;
    }
    if (!stripe_amount_from_minor(job->currency, job->amount_minor, &amount)) {
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, "amount_not_payable");
        return false;
    }
    path = write_form(settings, job, amount, &form);
    if (path == NULL || !form_is_whole(&form)) {
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, "request_too_large");
        return false;
    }
    request_out->method = job->operation == GATEWAY_QUERY ? OUTBOUND_GET : OUTBOUND_POST;
    request_out->body_length = form.length;
    snprintf(request_out->url, sizeof(request_out->url), "%s/v1/%s%s%s%s", settings->base_url,
             is_refund ? "refunds" : "payment_intents", has_payment && !is_refund ? "/" : "",
             has_payment && !is_refund ? job->payment_id : "", path);
    snprintf(bearer, sizeof(bearer), "Bearer %s", settings->secret_key);
    add_header(request_out, "Authorization", bearer);
    explicit_bzero(bearer, sizeof(bearer));
    add_header(request_out, "Stripe-Version", STRIPE_VERSION);
    if (request_out->method == OUTBOUND_POST) {
        add_header(request_out, "Content-Type", "application/x-www-form-urlencoded");
        add_header(request_out, "Idempotency-Key", job->key);
    }
    return true;
}

/* ---- answers about a payment ---- */

static bool is_text(struct slice slice, const char *text)
{
    return slice_is(slice, text);
}

/* Only what is a code by its looks; it goes to logs. */
static void copy_code(struct slice code, const char *otherwise,
                      char reason_out[GATEWAY_REASON_MAX + 1])
{
    snprintf(reason_out, GATEWAY_REASON_MAX + 1, "%s", otherwise);
    if (code.length == 0 || code.length > GATEWAY_REASON_MAX)
        return;
    for (size_t i = 0; i < code.length; i++) {
        char letter = code.text[i];

        if ((letter < 'a' || letter > 'z') && (letter < '0' || letter > '9') && letter != '_')
            return;
    }
    stripe_text_copy(code, reason_out, GATEWAY_REASON_MAX + 1);
}

/* NULL, or what does not fit. An answer about another payment says nothing of ours: no state. */
static const char *find_mismatch(struct gateway_job *job, struct slice id, struct slice order_id,
                                 const char *currency)
{
    if (job->operation != GATEWAY_CREATE && !is_text(id, job->payment_id))
        return "payment_mismatch";
    if (!is_text(order_id, job->order_id))
        return "order_mismatch";
    return strncmp(currency, job->currency, 3) == 0 ? NULL : "currency_mismatch";
}

static const char *state_reason(enum payment_state state)
{
    static const char *const reasons[PAYMENT_STATE_COUNT] = {
#define X(name, text) [PAYMENT_##name] = "payment_is_" text,
        PAYMENT_STATES(X)
#undef X
    };

    return reasons[state];
}

/* A state that is not there yet, and may come by itself. */
static void judge_processing(struct gateway_job *job, const struct stripe_intent *intent)
{
    if (job->operation == GATEWAY_CANCEL)
        gateway_job_set(job, GATEWAY_REFUSED, intent->state, state_reason(intent->state));
    else
        gateway_job_set(job, GATEWAY_UNKNOWN, intent->state, state_reason(intent->state));
}

/* Whether the payment is where the operation was to bring it. */
static bool is_reached(const struct gateway_job *job, const struct stripe_intent *intent)
{
    switch ((enum gateway_operation)job->operation) {
    case GATEWAY_CREATE:
    case GATEWAY_QUERY:
        return true;
    case GATEWAY_CONFIRM:
        return intent->state == PAYMENT_AUTHORISED || intent->state == PAYMENT_CAPTURED;
    case GATEWAY_CAPTURE:
        return intent->state == PAYMENT_CAPTURED;
    case GATEWAY_CANCEL:
        return intent->state == PAYMENT_CANCELLED;
    case GATEWAY_REFUND:
        break;
    }
    return false;
}

/* By the payment's state; what is not there is refused for this reason ("": for its state). True: a
 * mismatch. */
static bool judge_intent(struct gateway_job *job, const struct stripe_intent *intent,
                         const char *reason)
{
    const char *mismatch = find_mismatch(job, intent->id, intent->order_id, intent->currency);
    int64_t amount = job->operation == GATEWAY_CAPTURE ? intent->captured : intent->amount;
    bool has_amount = job->operation == GATEWAY_CAPTURE ? intent->state == PAYMENT_CAPTURED
                                                        : job->amount_minor > 0;
    char code[GATEWAY_REASON_MAX + 1];

    if (mismatch != NULL) {
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, mismatch);
        return true;
    }
    if (job->operation != GATEWAY_REFUND && has_amount && amount != job->amount_minor) {
        gateway_job_set(job, GATEWAY_REFUSED, intent->state, "amount_mismatch");
        mismatch = job->reason;
    } else if (is_reached(job, intent)) {
        gateway_job_set(job, GATEWAY_DONE, intent->state, "");
    } else if (intent->state == PAYMENT_PROCESSING && reason[0] == 0) {
        judge_processing(job, intent);
    } else if (job->operation == GATEWAY_CONFIRM && reason[0] == 0 &&
               intent->state == PAYMENT_CREATED) {
        copy_code(intent->failure, "generic_decline", code);
        gateway_job_set(job, GATEWAY_DECLINED, intent->state,
                        intent->needs_action ? "authentication_required" : code);
    } else {
        gateway_job_set(job, GATEWAY_REFUSED, intent->state,
                        reason[0] != 0 ? reason : state_reason(intent->state));
    }
    job->captured_minor = intent->captured;
    job->refunded_minor = intent->refunded;
    return mismatch != NULL;
}

static bool judge_refund(struct gateway_job *job, const struct stripe_refund *refund)
{
    const char *mismatch =
        find_mismatch(job, refund->intent_id, refund->order_id, refund->currency);

    if (mismatch == NULL && refund->amount != job->amount_minor)
        mismatch = "amount_mismatch";
    if (mismatch != NULL) {
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, mismatch);
        return true;
    }
    stripe_text_copy(refund->id, job->refund_id, sizeof(job->refund_id));
    if (refund->status == STRIPE_REFUND_FAILED)
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_CAPTURED, "refund_failed");
    else
        gateway_job_set(job, GATEWAY_DONE, PAYMENT_CAPTURED,
                        refund->status == STRIPE_REFUND_UNDER_WAY ? "refund_pending" : "");
    job->captured_minor = refund->has_charge ? refund->charge.captured : -1;
    job->refunded_minor = refund->has_charge ? refund->charge.refunded : -1;
    return false;
}

static bool judge_success(struct gateway_job *job, const struct json_value *answer)
{
    struct stripe_intent intent;
    struct stripe_refund refund;

    if (job->operation == GATEWAY_REFUND) {
        if (stripe_refund_read(answer, &refund))
            return judge_refund(job, &refund);
    } else if (stripe_intent_read(answer, &intent) &&
               (job->operation != GATEWAY_CREATE || intent.client_secret.length > 0)) {
        bool is_mismatch = judge_intent(job, &intent, "");

        if (job->operation == GATEWAY_CREATE && job->result == GATEWAY_DONE) {
            stripe_text_copy(intent.id, job->payment_id, sizeof(job->payment_id));
            stripe_text_copy(intent.client_secret, job->client_secret, sizeof(job->client_secret));
        }
        return is_mismatch;
    }
    gateway_job_set_unknown(job, true, "answer_unreadable");
    return false;
}

/* ---- errors ---- */

/* The error that is about this very call: the gateway has understood it and said no. */
static bool judge_refusal(struct gateway_job *job, const struct outbound_job *request,
                          const struct stripe_error *error)
{
    struct stripe_intent intent;
    char reason[GATEWAY_REASON_MAX + 1];
    bool is_about_intent = job->operation != GATEWAY_CREATE && job->operation != GATEWAY_QUERY;
    bool has_intent =
        is_about_intent && error->intent != NULL && stripe_intent_read(error->intent, &intent);
    bool is_declined = request->status == 402 && is_text(error->type, "card_error") &&
                       job->operation == GATEWAY_CONFIRM;

    copy_code(error->code.length > 0 ? error->code : error->type, "gateway_error", reason);
    if (job->operation == GATEWAY_CONFIRM && is_text(error->code, "resource_missing") &&
        is_text(error->parameter, "payment_method"))
        snprintf(reason, sizeof(reason), GATEWAY_REASON_METHOD);
    else if (is_text(error->code, "resource_missing"))
        snprintf(reason, sizeof(reason), "no_such_payment");
    if (has_intent && judge_intent(job, &intent, reason))
        return true;
    if (!has_intent)
        gateway_job_set(job, GATEWAY_REFUSED, PAYMENT_NONE, reason);
    if (is_declined && job->result == GATEWAY_REFUSED)
        job->result = GATEWAY_DECLINED;
    /* The customer has all of it back, whoever sent it. */
    if (job->operation == GATEWAY_REFUND && is_text(error->code, "charge_already_refunded"))
        gateway_job_set(job, GATEWAY_DONE, PAYMENT_CAPTURED, reason);
    if (job->operation == GATEWAY_REFUND) {
        job->captured_minor = -1;
        job->refunded_minor = -1;
    }
    return false;
}

static bool judge_error(struct gateway_job *job, const struct outbound_job *request,
                        const struct json_value *answer)
{
    struct stripe_error error;
    bool is_readable = answer != NULL && stripe_error_read(answer, &error);

    if (request->status == 401 || request->status == 403) {
        gateway_job_set(job, GATEWAY_UNAVAILABLE, PAYMENT_NONE, "secret_refused");
    } else if (request->status == 429) {
        gateway_job_set(job, GATEWAY_UNAVAILABLE, PAYMENT_NONE, "rate_limited");
    } else if (request->status >= 500) {
        gateway_job_set_unknown(job, true, "gateway_failed");
    } else if (request->status < 400 || request->status == 408 || !is_readable) {
        gateway_job_set_unknown(job, true, "answer_unreadable");
    } else if (request->status == 409 || is_text(error.code, "idempotency_key_in_use")) {
        gateway_job_set_unknown(job, true, "under_way");
    } else {
        return judge_refusal(job, request, &error);
    }
    return false;
}

bool stripe_answer_read(struct gateway_job *job, const struct outbound_job *request,
                        struct json_memory memory)
{
    const struct json_value *answer = NULL;
    const char *message;
    size_t position;

    job->retry_after_s = request->retry_after_s;
    if (request->result != OUTBOUND_DELIVERED) {
        gateway_job_set_unknown(job, request->reached, request->reason);
        return false;
    }
    if (request->answer_length > 0)
        answer = json_read(memory, request->answer, request->answer_length, &message, &position);
    if (request->status < 200 || request->status > 299)
        return judge_error(job, request, answer);
    if (answer != NULL && json_type(answer) == JSON_OBJECT)
        return judge_success(job, answer);
    gateway_job_set_unknown(job, true, "answer_unreadable");
    return false;
}
