/* SPDX-License-Identifier: Apache-2.0 */
#include "api/account_fields.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/private_data.h"
#include "api/request.h"
#include "outbound/mail.h"

_Static_assert((int)MAIL_ADDRESS_MAX == (int)EMAIL_LENGTH_MAX, "one bound of an address");

const char *account_email_read(struct flow *flow, const char *text, size_t length)
{
    const struct vault_port *vault = engine_vault(flow->shard->api->engine);
    char form[MAIL_ADDRESS_MAX + 1];

    if (length > EMAIL_LENGTH_MAX || !mail_address_is_valid(text, length))
        return "must be an e-mail address";
    _Static_assert((int)VAULT_INDEX_BYTES == (int)EMAIL_INDEX_BYTES, "the vault's index");
    mail_address_normalise(text, length, flow->email);
    mail_address_index_form(text, length, form);
    vault->blind_index(vault->self, form, strlen(form), flow->index);
    return NULL;
}

static void read_name(struct flow *flow, struct validation *validation, struct field field,
                      const struct json_value *value)
{
    struct slice text;

    flow->name_length = 0;
    if (json_type(value) == JSON_NULL ||
        !validate_string(validation, field, value, 0, NAME_LENGTH_MAX, &text))
        return;
    text = slice_trim(text);
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.text[i] < ' ' || text.text[i] == 0x7f) {
            validation_add(validation, field, "must not have control characters");
            return;
        }
    }
    if (text.length > NAME_LENGTH_MAX) {
        validation_add(validation, field, "must be at most %d bytes of UTF-8",
                       (int)NAME_LENGTH_MAX);
        return;
    }
    memcpy(flow->name, text.text, text.length);
    flow->name_length = text.length;
}

/* Any text that could be one: also what today's policy would not take. */
static void read_password(struct validation *validation, struct field field,
                          const struct json_value *value, char *text_out, size_t *length_out)
{
    struct slice text;

    if (json_type(value) != JSON_STRING) {
        validation_add(validation, field, "must be a string");
        return;
    }
    text = json_string(value);
    if (text.length == 0 || text.length > PASSWORD_BYTES_MAX) {
        validation_add(validation, field, "must be 1 to %d bytes of UTF-8",
                       (int)PASSWORD_BYTES_MAX);
        return;
    }
    memcpy(text_out, text.text, text.length);
    text_out[text.length] = '\0';
    *length_out = text.length;
}

static enum password_verdict judge(const struct flow *flow)
{
    return password_judge(flow->new_password, flow->new_password_length,
                          flow->email[0] == '\0' ? NULL : flow->email,
                          flow->shard->api->options.shop_name);
}

bool account_password_fits(struct flow *flow, const char *field)
{
    enum password_verdict verdict = judge(flow);

    if (verdict == PASSWORD_GOOD)
        return true;
    flow_invalid(flow, field, password_refusal_text(verdict));
    return false;
}

static void read_token(struct flow *flow, struct validation *validation, struct field field,
                       const struct json_value *value)
{
    enum account_token_kind kind;
    struct slice text;

    if (!validate_string(validation, field, value, 1, 256, &text))
        return;
    if (account_token_read(engine_secrets(flow->shard->api->engine), text.text, text.length, &kind,
                           &flow->account) &&
        kind == ACCOUNT_TOKEN_MAIL)
        memcpy(flow->token, text.text, ACCOUNT_TOKEN_LENGTH);
}

static void read_secret(struct flow *flow, struct validation *validation, struct field field,
                        const struct json_value *value)
{
    size_t length = 0;
    struct slice text;

    if (json_type(value) == JSON_STRING) {
        text = json_string(value);
        if (base32_decode(text.text, text.length, flow->secret, sizeof(flow->secret), &length) &&
            length == TOTP_SECRET_BYTES)
            return;
    }
    validation_add(validation, field, "must be what POST /v1/me/totp gave");
}

static void read_role(struct flow *flow, struct validation *validation, struct field field,
                      const struct json_value *value)
{
    static const char *const names[ROLE_COUNT] = {
#define X(name, text) [ROLE_##name] = text,
        ACCOUNT_ROLES(X)
#undef X
    };

    for (uint8_t role = ROLE_CUSTOMER + 1; role < ROLE_COUNT; role++) {
        if (json_type(value) == JSON_STRING && slice_is(json_string(value), names[role])) {
            flow->role = role;
            return;
        }
    }
    validation_add(validation, field, "must be owner, catalogue, orders, support or read_only");
}

static void read_field(struct flow *flow, struct validation *validation,
                       enum account_field_kind kind, struct field field,
                       const struct json_value *value)
{
    struct slice text;
    const char *wrong;

    switch (kind) {
    case FIELD_EMAIL:
        wrong = "must be an e-mail address";
        if (json_type(value) == JSON_STRING) {
            text = slice_trim(json_string(value));
            wrong = account_email_read(flow, text.text, text.length);
        }
        if (wrong != NULL)
            validation_add(validation, field, "%s", wrong);
        break;
    case FIELD_NAME:
        read_name(flow, validation, field, value);
        break;
    case FIELD_PASSWORD:
        read_password(validation, field, value, flow->password, &flow->password_length);
        break;
    case FIELD_NEW_PASSWORD:
        read_password(validation, field, value, flow->new_password, &flow->new_password_length);
        break;
    case FIELD_TOKEN:
        read_token(flow, validation, field, value);
        break;
    case FIELD_CODE:
        if (validate_string(validation, field, value, 1, SECOND_FACTOR_LENGTH_MAX, &text) &&
            text.length <= SECOND_FACTOR_LENGTH_MAX) {
            memcpy(flow->code, text.text, text.length);
            flow->code_length = text.length;
        }
        break;
    case FIELD_SECRET:
        read_secret(flow, validation, field, value);
        break;
    case FIELD_ROLE:
        read_role(flow, validation, field, value);
        break;
    }
}

static void read_members(const struct api_call *call, struct flow *flow,
                         struct validation *validation, const struct json_value *object,
                         const struct account_field *fields, size_t count)
{
    struct json_iterator members = json_members(object);
    const struct json_value *value;
    struct slice name;
    unsigned seen = 0;

    assert(count <= ACCOUNT_FIELDS_MAX);
    while (json_next_member(&members, &name, &value)) {
        struct field field = {.name = name};
        size_t i = 0;
        while (i < count && !slice_is(name, fields[i].name))
            i++;
        if (i == count && challenge_is_proof(call, name))
            continue;
        if (i == count)
            validation_add(validation, field, "is not known");
        else if ((seen & 1u << i) != 0)
            validation_add(validation, field, "is given twice");
        else
            read_field(flow, validation, fields[i].kind, field, value);
        seen |= i < count ? 1u << i : 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct field field = {.name = {fields[i].name, strlen(fields[i].name)}};
        if (fields[i].is_required && (seen & 1u << i) == 0)
            validation_add(validation, field, "is required");
        else if (fields[i].kind == FIELD_NEW_PASSWORD && validation->count == 0 &&
                 (seen & 1u << i) != 0 && judge(flow) != PASSWORD_GOOD)
            validation_add(validation, field, "%s", password_refusal_text(judge(flow)));
    }
}

struct flow *account_flow_start(struct api_call *call, const struct account_field *fields,
                                size_t count)
{
    const struct json_value *object;
    struct validation validation;
    struct flow *flow;

    if (!request_object(call, &object))
        return NULL;
    flow = flow_start(call);
    if (flow == NULL)
        return NULL;
    validation_init(&validation);
    if (object != NULL)
        read_members(call, flow, &validation, object, fields, count);
    if (validation.count == 0)
        return flow;
    validation_respond(&validation, call->exchange);
    flow_end(flow);
    return NULL;
}

struct flow *account_flow_start_keyed(struct api_call *call, const struct account_field *fields,
                                      size_t count)
{
    struct http_slice body = http_exchange_body(call->exchange);
    struct flow *flow = account_flow_start(call, fields, count);

    if (flow == NULL ||
        keyed_begin(call, (struct slice){body.data == NULL ? "" : body.data, body.length},
                    &flow->keyed))
        return flow;
    flow_end(flow);
    return NULL;
}

/* ---- postal addresses ---- */

struct address_field {
    const char *name;
    size_t length_max; /* characters */
    bool is_required;
};

static const struct address_field address_fields[] = {
    {"name", 100, true},   {"line1", 150, true},      {"line2", 150, false}, {"city", 100, true},
    {"region", 80, false}, {"postal_code", 20, true}, {"country", 2, true},  {"phone", 32, false},
};

enum { ADDRESS_FIELDS = sizeof(address_fields) / sizeof(address_fields[0]) };

static bool is_one_line(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.text[i] < ' ' || text.text[i] == 0x7f)
            return false;
    }
    return true;
}

static void check_address_field(struct validation *validation, unsigned i, struct field field,
                                const struct json_value *value, struct slice *text_out)
{
    const struct address_field *known = &address_fields[i];
    struct slice text;

    if (!known->is_required && json_type(value) == JSON_NULL)
        return;
    if (!validate_string(validation, field, value, 1, known->length_max, &text))
        return;
    text = slice_trim(text);
    if (text.length == 0 || !is_one_line(text))
        validation_add(validation, field, "must be one line of text");
    else if (strcmp(known->name, "country") == 0 &&
             (text.length != 2 || text.text[0] < 'A' || text.text[0] > 'Z' || text.text[1] < 'A' ||
              text.text[1] > 'Z'))
        validation_add(validation, field, "must be two capital letters (ISO 3166-1)");
    else
        *text_out = text;
}

/* `prefix` "": the body's own. The name is in `buffer`. */
static struct field address_field_name(const char *prefix, struct slice name,
                                       char buffer[VALIDATION_FIELD_LENGTH_MAX + 1])
{
    int length;

    if (prefix[0] == '\0')
        return (struct field){.name = name};
    length =
        snprintf(buffer, VALIDATION_FIELD_LENGTH_MAX + 1, "%s.%.*s", prefix,
                 (int)(name.length < VALIDATION_FIELD_LENGTH_MAX ? name.length : 0), name.text);
    if (length > VALIDATION_FIELD_LENGTH_MAX || name.length >= VALIDATION_FIELD_LENGTH_MAX)
        return (struct field){.name = {prefix, strlen(prefix)}};
    return (struct field){.name = {buffer, (size_t)length}};
}

static void read_address_members(struct validation *validation, const struct json_value *object,
                                 const char *prefix, struct slice texts_out[ADDRESS_FIELDS])
{
    struct json_iterator members = json_members(object);
    char buffer[VALIDATION_FIELD_LENGTH_MAX + 1];
    const struct json_value *value;
    struct slice name;
    unsigned seen = 0;

    while (json_next_member(&members, &name, &value)) {
        struct field field = address_field_name(prefix, name, buffer);
        unsigned i = 0;
        while (i < ADDRESS_FIELDS && !slice_is(name, address_fields[i].name))
            i++;
        if (i == ADDRESS_FIELDS)
            validation_add(validation, field, "is not known");
        else if ((seen & 1u << i) != 0)
            validation_add(validation, field, "is given twice");
        else
            check_address_field(validation, i, field, value, &texts_out[i]);
        seen |= i < ADDRESS_FIELDS ? 1u << i : 0;
    }
    for (unsigned i = 0; i < ADDRESS_FIELDS; i++) {
        struct slice known = {address_fields[i].name, strlen(address_fields[i].name)};

        if (address_fields[i].is_required && (seen & 1u << i) == 0)
            validation_add(validation, address_field_name(prefix, known, buffer), "is required");
    }
}

/* Writes the address as JSON; its length, 0 after having noted what is wrong. */
static size_t read_address(struct validation *validation, const struct json_value *object,
                           const char *prefix, struct slice texts[ADDRESS_FIELDS],
                           char json_out[ADDRESS_LENGTH_MAX])
{
    /* As JSON every byte may take two: control characters are not let in. */
    enum { JSON_MAX = 2 * 4 * (100 + 150 + 150 + 100 + 80 + 20 + 2 + 32) + ADDRESS_FIELDS * 20 };
    static const struct slice line1 = {"line1", 5};
    char buffer[VALIDATION_FIELD_LENGTH_MAX + 1];
    unsigned errors = validation->count;
    char json[JSON_MAX];
    struct writer writer = writer_fixed(json, sizeof(json));

    read_address_members(validation, object, prefix, texts);
    if (validation->count > errors)
        return 0;
    for (unsigned i = 0; i < ADDRESS_FIELDS; i++) {
        write_literal(&writer, ",\"");
        write_text(&writer, address_fields[i].name);
        write_literal(&writer, "\":");
        if (texts[i].length > 0)
            write_json_string(&writer, texts[i].text, texts[i].length);
        else
            write_literal(&writer, "null");
    }
    if (writer_length(&writer) > ADDRESS_LENGTH_MAX) {
        validation_add(validation, address_field_name(prefix, line1, buffer),
                       "is too long, together with the other fields");
        return 0;
    }
    memcpy(json_out, json, writer_length(&writer));
    return writer_length(&writer);
}

bool account_address_read(struct api_call *call, struct flow *flow)
{
    struct slice texts[ADDRESS_FIELDS] = {{0}};
    const struct json_value *object;
    struct validation validation;

    if (!request_object(call, &object))
        return false;
    validation_init(&validation);
    flow->text_length = read_address(&validation, object, "", texts, flow->text);
    if (flow->text_length > 0)
        return true;
    validation_respond(&validation, call->exchange);
    return false;
}

void account_address_parse(struct validation *validation, const struct json_value *value,
                           const char *prefix, struct postal_address *address_out)
{
    enum { REGION = 4, COUNTRY = 6 };
    struct slice texts[ADDRESS_FIELDS] = {{0}};

    address_out->length = 0;
    if (json_type(value) != JSON_OBJECT) {
        validation_add(validation, (struct field){.name = {prefix, strlen(prefix)}},
                       "must be an object");
        return;
    }
    address_out->length = read_address(validation, value, prefix, texts, address_out->json);
    if (address_out->length == 0)
        return;
    assert(strcmp(address_fields[REGION].name, "region") == 0 &&
           strcmp(address_fields[COUNTRY].name, "country") == 0 && texts[COUNTRY].length == 2);
    memcpy(address_out->country, texts[COUNTRY].text, sizeof(address_out->country));
    address_out->region = texts[REGION];
}

struct account_envelope *account_registration(struct flow *flow, enum account_role role)
{
    const struct engine *engine = flow->shard->api->engine;
    struct account_envelope *envelope;

    private_key_make(engine, &flow->account, &flow->key);
    envelope = flow_envelope(flow, ACCOUNT_CALL_REGISTER);
    if (envelope == NULL)
        return NULL;
    envelope->key = flow->key;
    envelope->role = (uint8_t)role;
    envelope->email_length =
        (uint16_t)private_seal(engine, &flow->account, &flow->key, private_email(flow->index),
                               flow->email, strlen(flow->email), envelope->email, SEALED_EMAIL_MAX);
    if (flow->name_length > 0)
        envelope->sealed_length = (uint16_t)private_seal(
            engine, &flow->account, &flow->key, private_single(PRIVATE_NAME, &flow->account),
            flow->name, flow->name_length, envelope->sealed, SEALED_NAME_MAX);
    return envelope;
}
