/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/checkout.h"
#include "api/password.h"
#include "api/request.h"
#include "outbound/mail.h"

#define MEMBERS(X)                                                                                 \
    X(EMAIL, "email")                                                                              \
    X(ADDRESS, "shipping_address")                                                                 \
    X(METHOD, "shipping_method")                                                                   \
    X(COUPON, "coupon")                                                                            \
    X(PAYMENT, "payment")                                                                          \
    X(EXPECTED, "expected_total_minor")                                                            \
    X(RESERVATION, "reservation_id")

enum member {
#define X(name, text) MEMBER_##name,
    MEMBERS(X)
#undef X
        MEMBER_COUNT
};

static const char *const member_names[] = {
#define X(name, text) [MEMBER_##name] = (text),
    MEMBERS(X)
#undef X
};

static void read_email(struct checkout *checkout, struct validation *validation,
                       const struct json_value *value)
{
    const struct vault_port *vault = engine_vault(checkout->flow.shard->api->engine);
    struct slice text = {"", 0};
    char form[MAIL_ADDRESS_MAX + 1];

    _Static_assert((int)MAIL_ADDRESS_MAX == (int)EMAIL_LENGTH_MAX, "one bound of an address");
    _Static_assert((int)VAULT_INDEX_BYTES == (int)EMAIL_INDEX_BYTES, "the vault's index");
    if (json_type(value) == JSON_STRING)
        text = slice_trim(json_string(value));
    if (text.length > EMAIL_LENGTH_MAX || !mail_address_is_valid(text.text, text.length)) {
        validation_add(validation, FIELD("email"), "must be an e-mail address");
        return;
    }
    mail_address_normalise(text.text, text.length, checkout->email);
    mail_address_index_form(text.text, text.length, form);
    vault->blind_index(vault->self, form, strlen(form), checkout->email_index);
}

static void read_address(struct checkout *checkout, struct validation *validation,
                         const struct json_value *value)
{
    struct postal_address *address = &checkout->address;

    account_address_parse(validation, value, "shipping_address", address);
    if (address->length == 0)
        return;
    if (!country_is_known(address->country, sizeof(address->country))) {
        validation_add(validation, FIELD("shipping_address.country"),
                       "is no country of ISO 3166-1");
        return;
    }
    checkout->country = pricing_country(address->country, sizeof(address->country));
    if (address->region.length > 0)
        checkout->region = pricing_label(address->region.text, address->region.length);
}

/* Which provider is named; whether it is configured, whoever configured the server knows. */
static void read_provider(struct checkout *checkout, struct validation *validation,
                          const struct json_value *value)
{
    const struct gateway_port *gateway = engine_gateway(checkout->flow.shard->api->engine);
    unsigned provider = 0;

    while (provider < PROVIDER_COUNT &&
           !(json_type(value) == JSON_STRING &&
             slice_is(json_string(value), payment_provider_name((enum payment_provider)provider))))
        provider++;
    checkout->provider = (uint8_t)provider;
    if (provider == PROVIDER_COUNT)
        validation_add(validation, FIELD("payment.provider"),
                       "must be sandbox, stripe, paypal or razorpay");
    else if (gateway->has == NULL || !gateway->has(gateway->self, (uint8_t)provider))
        validation_add(validation, FIELD("payment.provider"), "is not set up in this shop");
}

static void read_payment(struct checkout *checkout, struct validation *validation,
                         const struct json_value *value)
{
    const struct json_value *member;
    struct slice name;
    bool is_given = false;

    if (json_type(value) != JSON_OBJECT) {
        validation_add(validation, FIELD("payment"), "must be an object");
        return;
    }
    struct json_iterator members = json_members(value);
    while (json_next_member(&members, &name, &member)) {
        if (!slice_is(name, "provider")) {
            validation_add(
                validation,
                (struct field){.array = "payment", .index = FIELD_OF_OBJECT, .name = name},
                "is not known");
        } else if (is_given) {
            validation_add(validation, FIELD("payment.provider"), "is given twice");
        } else {
            read_provider(checkout, validation, member);
            is_given = true;
        }
    }
    if (!is_given)
        validation_add(validation, FIELD("payment.provider"), "is required");
}

static void read_method(struct checkout *checkout, struct validation *validation,
                        const struct json_value *value)
{
    struct slice text;

    /* An ID that is none is not known, as one that was removed is not. */
    if (validate_string(validation, FIELD("shipping_method"), value, 1, 64, &text))
        checkout->method = setting_id_parse(SETTING_SHIPPING_METHOD, text.text, text.length);
}

static void read_coupon(struct checkout *checkout, struct validation *validation,
                        const struct json_value *value)
{
    struct slice text = {"", 0};

    if (json_type(value) == JSON_NULL)
        return;
    if (json_type(value) == JSON_STRING)
        text = slice_trim(json_string(value));
    if (!coupon_code_read(text.text, text.length, checkout->coupon))
        validation_add(validation, FIELD("coupon"), "must be 1 to %d of letters, digits, - and _",
                       (int)COUPON_CODE_MAX);
}

static void read_reservation(struct checkout *checkout, struct validation *validation,
                             const struct json_value *value)
{
    struct slice text;

    if (json_type(value) == JSON_NULL)
        return;
    if (!validate_string(validation, FIELD("reservation_id"), value, 1, 64, &text))
        return;
    checkout->from_cart = false;
    /* Of another length it is no ID of ours: one that nobody has is as good. */
    if (text.length == RESERVATION_ID_LENGTH)
        memcpy(checkout->hold_text, text.text, text.length);
    else
        memcpy(checkout->hold_text, "res_", 4);
}

static void read_member(struct checkout *checkout, struct validation *validation,
                        enum member member, const struct json_value *value)
{
    switch (member) {
    case MEMBER_EMAIL:
        read_email(checkout, validation, value);
        break;
    case MEMBER_ADDRESS:
        read_address(checkout, validation, value);
        break;
    case MEMBER_METHOD:
        read_method(checkout, validation, value);
        break;
    case MEMBER_COUPON:
        read_coupon(checkout, validation, value);
        break;
    case MEMBER_PAYMENT:
        read_payment(checkout, validation, value);
        break;
    case MEMBER_EXPECTED:
        checkout->has_expected = json_type(value) != JSON_NULL &&
                                 validate_integer(validation, FIELD("expected_total_minor"), value,
                                                  0, INT64_MAX, &checkout->expected_minor);
        break;
    case MEMBER_RESERVATION:
        read_reservation(checkout, validation, value);
        break;
    case MEMBER_COUNT:
        break;
    }
}

static void read_members(const struct api_call *call, struct checkout *checkout,
                         struct validation *validation, const struct json_value *object)
{
    static const bool is_required[MEMBER_COUNT] = {[MEMBER_EMAIL] = true,
                                                   [MEMBER_ADDRESS] = true,
                                                   [MEMBER_METHOD] = true,
                                                   [MEMBER_PAYMENT] = true};
    struct json_iterator members = json_members(object);
    const struct json_value *value;
    struct slice name;
    unsigned seen = 0;

    while (json_next_member(&members, &name, &value)) {
        unsigned i = 0;

        while (i < MEMBER_COUNT && !slice_is(name, member_names[i]))
            i++;
        if (i == MEMBER_COUNT && challenge_is_proof(call, name))
            continue;
        if (i == MEMBER_COUNT)
            validation_add(validation, (struct field){.name = name}, "is not known");
        else if ((seen & 1u << i) != 0)
            validation_add(validation, (struct field){.name = name}, "is given twice");
        else
            read_member(checkout, validation, (enum member)i, value);
        seen |= i < MEMBER_COUNT ? 1u << i : 0;
    }
    for (unsigned i = 0; i < MEMBER_COUNT; i++)
        if (is_required[i] && (seen & 1u << i) == 0)
            validation_add(validation,
                           (struct field){.name = {member_names[i], strlen(member_names[i])}},
                           "is required");
}

static void release(struct order_flow *flow)
{
    struct checkout *checkout = (struct checkout *)(void *)flow;

    envelope_free(checkout->rule);
    envelope_free(checkout->order);
    password_wipe(checkout->email, sizeof(checkout->email));
    password_wipe(&checkout->address, sizeof(checkout->address));
}

/* What a repeated key must ask for again, whatever the body's spacing, the order of its members, or
 * a proof beside them. */
static uint64_t fingerprint(const struct checkout *checkout)
{
    char text[EMAIL_LENGTH_MAX + ADDRESS_LENGTH_MAX + COUPON_CODE_MAX + RESERVATION_ID_LENGTH + 80];
    struct writer writer = writer_fixed(text, sizeof(text));
    uint64_t hash;

    write_text(&writer, checkout->email);
    write_byte(&writer, '\n');
    write_bytes(&writer, checkout->address.json, checkout->address.length);
    write_byte(&writer, '\n');
    write_unsigned(&writer, checkout->method);
    write_byte(&writer, '\n');
    write_text(&writer, checkout->coupon);
    write_byte(&writer, '\n');
    write_unsigned(&writer, checkout->provider);
    write_byte(&writer, '\n');
    write_signed(&writer, checkout->has_expected ? checkout->expected_minor : -1);
    write_byte(&writer, '\n');
    write_text(&writer, checkout->hold_text);
    hash = hash_bytes(&engine_secrets(checkout->flow.shard->api->engine)->key_key, text,
                      writer_length(&writer));
    password_wipe(text, sizeof(text));
    return hash;
}

struct checkout *checkout_read(struct api_call *call)
{
    const struct json_value *object;
    struct validation validation;
    struct checkout *checkout;

    if (!request_object(call, &object))
        return NULL;
    checkout = (struct checkout *)(void *)order_flow_start(call, sizeof(*checkout));
    if (checkout == NULL)
        return NULL;
    checkout->flow.release = release;
    checkout->flow.shape = ORDER_SHAPE_CREATED;
    checkout->from_cart = true;
    checkout->key_length = call->key.length;
    memcpy(checkout->key, call->key.text, call->key.length);
    validation_init(&validation);
    read_members(call, checkout, &validation, object);
    if (validation.count == 0) {
        checkout->fingerprint = fingerprint(checkout);
        return checkout;
    }
    counter_add(&call->shard->counters.checkouts[CHECKOUT_INVALID], 1);
    validation_respond(&validation, call->exchange);
    order_flow_end(&checkout->flow);
    return NULL;
}

struct hash128 checkout_key(const struct checkout *checkout, const struct principal *principal)
{
    struct {
        struct principal principal;
        char call[8];
        char key[KEY_LENGTH_MAX + 1];
    } scope = {.principal = *principal, .call = "order"};

    memcpy(scope.key, checkout->key, checkout->key_length);
    return hash_bytes_128(&engine_secrets(checkout->flow.shard->api->engine)->key_key, &scope,
                          sizeof(scope.principal) + sizeof(scope.call) + checkout->key_length);
}
