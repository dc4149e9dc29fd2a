/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/gateways/stripe_events.h"

#include <stdio.h>
#include <string.h>

#include "api/digest.h"
#include "outbound/gateways/stripe_objects.h"

/* ---- signatures ---- */

enum { TIME_DIGITS_MAX = 12 };

struct signatures {
    struct slice time; /* digits, as they are signed */
    uint8_t macs[STRIPE_SIGNATURES_MAX][DIGEST_SHA256_BYTES];
    uint32_t count;
};

static int hex_value(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static bool read_hex(struct slice text, uint8_t mac_out[DIGEST_SHA256_BYTES])
{
    if (text.length != 2 * DIGEST_SHA256_BYTES)
        return false;
    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++) {
        int high = hex_value(text.text[2 * i]);
        int low = hex_value(text.text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        mac_out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static bool is_number(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < '0' || text.text[i] > '9')
            return false;
    }
    return text.length > 0 && text.length <= TIME_DIGITS_MAX;
}

/* One item of the list: a time, a v1, or another scheme, which does not count. */
static bool read_item(struct slice item, struct signatures *signatures)
{
    const char *equals = memchr(item.text, '=', item.length);

    if (equals == NULL)
        return false;
    struct slice name = {.text = item.text, .length = (size_t)(equals - item.text)};
    struct slice value = {.text = equals + 1, .length = item.length - name.length - 1};

    if (slice_is(name, "t")) {
        if (signatures->time.length > 0 || !is_number(value))
            return false;
        signatures->time = value;
    } else if (slice_is(name, "v1")) {
        return signatures->count < STRIPE_SIGNATURES_MAX &&
               read_hex(value, signatures->macs[signatures->count++]);
    }
    return true;
}

static bool read_header(struct slice header, struct signatures *signatures)
{
    signatures->time = (struct slice){0};
    signatures->count = 0;
    while (header.length > 0) {
        const char *comma = memchr(header.text, ',', header.length);
        size_t length = comma == NULL ? header.length : (size_t)(comma - header.text);
        size_t step = comma == NULL ? length : length + 1;

        if (!read_item(slice_trim((struct slice){.text = header.text, .length = length}),
                       signatures))
            return false;
        header.text += step;
        header.length -= step;
    }
    return signatures->time.length > 0 && signatures->count > 0;
}

enum gateway_event_result stripe_signature_check(const struct stripe_event_secrets *secrets,
                                                 struct slice header, struct slice body,
                                                 int64_t now_s)
{
    struct signatures signatures;
    bool is_genuine = false;
    int64_t signed_s = 0;

    if (!read_header(header, &signatures))
        return GATEWAY_EVENT_FORGED;
    for (uint32_t i = 0; i < secrets->count; i++) {
        const struct digest_part parts[] = {
            {signatures.time.text, signatures.time.length}, {".", 1}, {body.text, body.length}};
        uint8_t mac[DIGEST_SHA256_BYTES];

        digest_hmac_sha256_parts(secrets->texts[i], strlen(secrets->texts[i]), parts, 3, mac);
        for (uint32_t j = 0; j < signatures.count; j++)
            is_genuine |= digest_equal(mac, signatures.macs[j], sizeof(mac));
    }
    if (!is_genuine)
        return GATEWAY_EVENT_FORGED;
    for (size_t i = 0; i < signatures.time.length; i++)
        signed_s = signed_s * 10 + (signatures.time.text[i] - '0');
    return signed_s < now_s - STRIPE_EVENT_AGE_S_MAX || signed_s > now_s + STRIPE_EVENT_AHEAD_S_MAX
               ? GATEWAY_EVENT_STALE
               : GATEWAY_EVENT_GENUINE;
}

/* ---- events ---- */

#define COPY(target, slice) stripe_text_copy(slice, target, sizeof(target))

static bool read_intent(const struct json_value *object, enum gateway_event_kind kind,
                        struct gateway_event *event)
{
    struct stripe_intent intent;

    if (!stripe_intent_read(object, &intent))
        return false;
    COPY(event->payment_id, intent.id);
    COPY(event->order_id, intent.order_id);
    COPY(event->currency, ((struct slice){.text = intent.currency, .length = 3}));
    event->state = (uint8_t)intent.state;
    event->amount_minor = intent.amount;
    if (intent.state == PAYMENT_AUTHORISED && intent.capturable >= 0 &&
        intent.capturable < intent.amount)
        event->amount_minor = intent.capturable;
    event->captured_minor = intent.captured;
    event->refunded_minor = intent.refunded;
    event->kind = (uint8_t)kind;
    if (kind == GATEWAY_EVENT_FAILED)
        COPY(event->reason, intent.failure);
    /* Also after a partial capture: then there is nothing to capture any more. */
    if (kind == GATEWAY_EVENT_AUTHORISED && intent.state != PAYMENT_AUTHORISED)
        event->kind = GATEWAY_EVENT_OTHER;
    return true;
}

static bool read_charge(const struct json_value *object, enum gateway_event_kind kind,
                        struct gateway_event *event)
{
    struct stripe_charge charge;

    if (!stripe_charge_read(object, &charge))
        return false;
    if (charge.intent_id.length == 0) /* none that we made */
        return true;
    COPY(event->payment_id, charge.intent_id);
    COPY(event->order_id, charge.order_id);
    COPY(event->currency, ((struct slice){.text = charge.currency, .length = 3}));
    event->amount_minor = charge.amount;
    event->captured_minor = charge.captured;
    event->refunded_minor = charge.refunded;
    event->state = charge.is_captured ? PAYMENT_CAPTURED : PAYMENT_NONE;
    /* An authorisation that was let go is also told as a refund: of nothing that was ours. */
    event->kind = (uint8_t)(charge.is_captured && charge.refunded > 0 ? kind : GATEWAY_EVENT_OTHER);
    return true;
}

static bool read_refund(const struct json_value *object, enum gateway_event_kind kind,
                        struct gateway_event *event)
{
    struct stripe_refund refund;

    (void)kind;
    if (!stripe_refund_read(object, &refund))
        return false;
    if (refund.intent_id.length == 0)
        return true;
    COPY(event->payment_id, refund.intent_id);
    COPY(event->order_id, refund.order_id);
    COPY(event->refund_id, refund.id);
    COPY(event->currency, ((struct slice){.text = refund.currency, .length = 3}));
    event->amount_minor = refund.amount;
    if (refund.status == STRIPE_REFUND_DONE)
        event->kind = GATEWAY_EVENT_REFUNDED;
    else if (refund.status == STRIPE_REFUND_FAILED)
        event->kind = GATEWAY_EVENT_REFUND_FAILED;
    return true;
}

/* type, what its object is, what it means */
static const struct {
    const char *type;
    bool (*read)(const struct json_value *object, enum gateway_event_kind kind,
                 struct gateway_event *event);
    enum gateway_event_kind kind;
} types[] = {
    {"payment_intent.amount_capturable_updated", read_intent, GATEWAY_EVENT_AUTHORISED},
    {"payment_intent.succeeded", read_intent, GATEWAY_EVENT_CAPTURED},
    {"payment_intent.payment_failed", read_intent, GATEWAY_EVENT_FAILED},
    {"payment_intent.canceled", read_intent, GATEWAY_EVENT_CANCELLED},
    {"payment_intent.created", read_intent, GATEWAY_EVENT_OTHER},
    {"payment_intent.processing", read_intent, GATEWAY_EVENT_OTHER},
    {"payment_intent.requires_action", read_intent, GATEWAY_EVENT_OTHER},
    {"charge.refunded", read_charge, GATEWAY_EVENT_REFUNDED},
    {"charge.refund.updated", read_refund, GATEWAY_EVENT_REFUNDED},
    {"refund.created", read_refund, GATEWAY_EVENT_REFUNDED},
    {"refund.updated", read_refund, GATEWAY_EVENT_REFUNDED},
    {"refund.failed", read_refund, GATEWAY_EVENT_REFUNDED},
};

static bool read_event(const struct json_value *body, struct gateway_event *event)
{
    const struct json_value *created = json_member(body, "created");
    const struct json_value *object = json_member(json_member(body, "data"), "object");
    struct slice word, type;

    if (!stripe_text_read(body, "id", PAYMENT_ID_MAX, true, &word))
        return false;
    COPY(event->event_id, word);
    if (!stripe_text_read(body, "type", GATEWAY_EVENT_TYPE_MAX, true, &type))
        return false;
    COPY(event->type, type);
    if (!stripe_text_read(body, "object", PAYMENT_ID_MAX, true, &word) ||
        !slice_is(word, "event") || created == NULL || json_type(created) != JSON_INTEGER ||
        json_integer(created) < 0 || object == NULL || json_type(object) != JSON_OBJECT)
        return false;
    event->created_s = json_integer(created);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_is(type, types[i].type))
            return types[i].read(object, types[i].kind, event);
    }
    return true; /* of another kind, and not ours to read */
}

bool stripe_event_read(const struct gateway_event_input *input, struct gateway_event *event_out)
{
    const struct json_value *body;
    const char *message;
    size_t position;

    body = json_read(input->memory, input->body.text, input->body.length, &message, &position);
    return body != NULL && json_type(body) == JSON_OBJECT && read_event(body, event_out);
}
