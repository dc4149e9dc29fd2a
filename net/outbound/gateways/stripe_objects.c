/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/gateways/stripe_objects.h"

#include <assert.h>
#include <string.h>

#include "outbound/gateways/stripe_amounts.h"

enum { CODE_MAX = 64, WORD_MAX = 64 };

/* ---- members ---- */

static const struct json_value *member(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member(object, name);

    return value == NULL || json_type(value) == JSON_NULL ? NULL : value;
}

bool stripe_text_read(const struct json_value *object, const char *name, size_t most, bool needed,
                      struct slice *text_out)
{
    const struct json_value *value = member(object, name);

    *text_out = (struct slice){.text = "", .length = 0};
    if (value == NULL)
        return !needed;
    if (json_type(value) != JSON_STRING)
        return false;
    struct slice text = json_string(value);

    if (text.length < 1 || text.length > most)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] <= ' ' || text.text[i] > '~')
            return false;
    }
    *text_out = text;
    return true;
}

void stripe_text_copy(struct slice text, char *target, size_t size)
{
    assert(text.length < size);
    memcpy(target, text.text, text.length);
    target[text.length] = 0;
}

/* Amounts are never negative. */
static bool read_amount(const struct json_value *object, const char *name, const char currency[4],
                        int64_t *minor_out)
{
    const struct json_value *value = member(object, name);

    return value != NULL && json_type(value) == JSON_INTEGER && json_integer(value) >= 0 &&
           stripe_amount_to_minor(currency, json_integer(value), minor_out);
}

static bool read_currency(const struct json_value *object, char currency_out[4])
{
    struct slice text;

    if (!stripe_text_read(object, "currency", 3, true, &text) || text.length != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        char letter = text.text[i];

        if (letter >= 'a' && letter <= 'z')
            letter = (char)(letter - 'a' + 'A');
        if (letter < 'A' || letter > 'Z')
            return false;
        currency_out[i] = letter;
    }
    currency_out[3] = 0;
    return true;
}

static bool read_order_id(const struct json_value *object, struct slice *order_id_out)
{
    const struct json_value *metadata = member(object, "metadata");

    *order_id_out = (struct slice){.text = "", .length = 0};
    if (metadata == NULL)
        return true;
    if (json_type(metadata) != JSON_OBJECT)
        return false;
    /* Somebody else's order_id may be anything: then it is no order of ours. */
    (void)stripe_text_read(metadata, "order_id", PAYMENT_ID_MAX, false, order_id_out);
    return true;
}

static bool is_object(const struct json_value *value, const char *kind)
{
    struct slice text;

    return value != NULL && json_type(value) == JSON_OBJECT &&
           stripe_text_read(value, "object", WORD_MAX, true, &text) && slice_is(text, kind);
}

/* An object's ID, where it is either named or told whole. */
static bool read_link(const struct json_value *object, const char *name, struct slice *id_out)
{
    const struct json_value *value = member(object, name);

    if (value != NULL && json_type(value) == JSON_OBJECT)
        return stripe_text_read(value, "id", PAYMENT_ID_MAX, true, id_out);
    return stripe_text_read(object, name, PAYMENT_ID_MAX, false, id_out);
}

/* ---- payment intents ---- */

static bool read_state(const struct json_value *object, struct stripe_intent *intent)
{
    static const struct {
        const char *status;
        enum payment_state state;
    } rows[] = {
        {"requires_payment_method", PAYMENT_CREATED},
        {"requires_confirmation", PAYMENT_CREATED},
        {"requires_action", PAYMENT_CREATED},
        {"processing", PAYMENT_PROCESSING},
        {"requires_capture", PAYMENT_AUTHORISED},
        {"succeeded", PAYMENT_CAPTURED},
        {"canceled", PAYMENT_CANCELLED},
    };
    struct slice status;

    if (!stripe_text_read(object, "status", WORD_MAX, true, &status))
        return false;
    intent->needs_action = slice_is(status, "requires_action");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (slice_is(status, rows[i].status)) {
            intent->state = rows[i].state;
            return true;
        }
    }
    return false;
}

static bool read_capturable(const struct json_value *object, struct stripe_intent *intent)
{
    intent->capturable = -1;
    return member(object, "amount_capturable") == NULL ||
           read_amount(object, "amount_capturable", intent->currency, &intent->capturable);
}

/* The bank's own word where there is one. */
static bool read_code(const struct json_value *error, struct slice *code_out)
{
    return stripe_text_read(error, "decline_code", CODE_MAX, false, code_out) &&
           (code_out->length > 0 || stripe_text_read(error, "code", CODE_MAX, false, code_out));
}

bool stripe_intent_read(const struct json_value *object, struct stripe_intent *intent_out)
{
    const struct json_value *charge;
    const struct json_value *failure;

    *intent_out = (struct stripe_intent){0};
    if (!is_object(object, "payment_intent") ||
        !stripe_text_read(object, "id", PAYMENT_ID_MAX, true, &intent_out->id) ||
        !stripe_text_read(object, "client_secret", PAYMENT_SECRET_MAX, false,
                          &intent_out->client_secret) ||
        !read_order_id(object, &intent_out->order_id) ||
        !read_currency(object, intent_out->currency) || !read_state(object, intent_out) ||
        !read_amount(object, "amount", intent_out->currency, &intent_out->amount) ||
        !read_amount(object, "amount_received", intent_out->currency, &intent_out->captured) ||
        !read_capturable(object, intent_out))
        return false;
    failure = member(object, "last_payment_error");
    intent_out->failure = (struct slice){.text = "", .length = 0};
    if (failure != NULL && !read_code(failure, &intent_out->failure))
        return false;
    charge = member(object, "latest_charge");
    if (charge == NULL)
        return true;
    if (json_type(charge) == JSON_OBJECT)
        return read_amount(charge, "amount_refunded", intent_out->currency, &intent_out->refunded);
    intent_out->refunded = -1;
    return json_type(charge) == JSON_STRING;
}

/* ---- charges and refunds ---- */

bool stripe_charge_read(const struct json_value *object, struct stripe_charge *charge_out)
{
    const struct json_value *captured;

    *charge_out = (struct stripe_charge){0};
    if (!is_object(object, "charge") ||
        !read_link(object, "payment_intent", &charge_out->intent_id) ||
        !read_order_id(object, &charge_out->order_id) ||
        !read_currency(object, charge_out->currency) ||
        !read_amount(object, "amount", charge_out->currency, &charge_out->amount) ||
        !read_amount(object, "amount_captured", charge_out->currency, &charge_out->captured) ||
        !read_amount(object, "amount_refunded", charge_out->currency, &charge_out->refunded))
        return false;
    captured = member(object, "captured");
    if (captured == NULL || json_type(captured) != JSON_BOOLEAN)
        return false;
    charge_out->is_captured = json_boolean(captured);
    return true;
}

bool stripe_refund_read(const struct json_value *object, struct stripe_refund *refund_out)
{
    static const struct {
        const char *status;
        enum stripe_refund_status meaning;
    } rows[] = {
        {"pending", STRIPE_REFUND_UNDER_WAY}, {"requires_action", STRIPE_REFUND_UNDER_WAY},
        {"succeeded", STRIPE_REFUND_DONE},    {"failed", STRIPE_REFUND_FAILED},
        {"canceled", STRIPE_REFUND_FAILED},
    };
    const struct json_value *charge;
    struct slice status;
    size_t row = 0;

    *refund_out = (struct stripe_refund){0};
    if (!is_object(object, "refund") ||
        !stripe_text_read(object, "id", PAYMENT_ID_MAX, true, &refund_out->id) ||
        !read_link(object, "payment_intent", &refund_out->intent_id) ||
        !read_order_id(object, &refund_out->order_id) ||
        !read_currency(object, refund_out->currency) ||
        !read_amount(object, "amount", refund_out->currency, &refund_out->amount) ||
        !stripe_text_read(object, "status", WORD_MAX, true, &status))
        return false;
    while (row < sizeof(rows) / sizeof(rows[0]) && !slice_is(status, rows[row].status))
        row++;
    if (row == sizeof(rows) / sizeof(rows[0]))
        return false;
    refund_out->status = rows[row].meaning;
    charge = member(object, "charge");
    refund_out->has_charge = charge != NULL && json_type(charge) == JSON_OBJECT;
    return !refund_out->has_charge || stripe_charge_read(charge, &refund_out->charge);
}

/* ---- errors ---- */

bool stripe_error_read(const struct json_value *answer, struct stripe_error *error_out)
{
    const struct json_value *error =
        json_type(answer) == JSON_OBJECT ? member(answer, "error") : NULL;

    *error_out = (struct stripe_error){0};
    if (error == NULL || json_type(error) != JSON_OBJECT)
        return false;
    error_out->intent = member(error, "payment_intent");
    return stripe_text_read(error, "type", WORD_MAX, true, &error_out->type) &&
           read_code(error, &error_out->code) &&
           stripe_text_read(error, "param", CODE_MAX, false, &error_out->parameter);
}
