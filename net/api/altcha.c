/* SPDX-License-Identifier: Apache-2.0 */
#include "api/altcha.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/digest.h"
#include "api/json.h"

enum {
    SIGNATURE_BYTES = DIGEST_SHA256_BYTES,
    DERIVED_BYTES = 32,
    PAYLOAD_TEXT_MAX = ALTCHA_PAYLOAD_MAX / 4 * 3,
    JSON_MEMORY_BYTES = 32 << 10, /* for a text of PAYLOAD_TEXT_MAX, on the stack */
};

static const char *const algorithm_names[] = {
    [ALTCHA_SHA256] = "SHA-256",
    [ALTCHA_PBKDF2_SHA256] = "PBKDF2/SHA-256",
};

enum { ALGORITHM_COUNT = sizeof(algorithm_names) / sizeof(algorithm_names[0]) };

/* ---- hexadecimal digits ---- */

static void hex_write(const uint8_t *bytes, size_t length, char *text_out)
{
    for (size_t i = 0; i < length; i++) {
        text_out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text_out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text_out[2 * length] = '\0';
}

/* Lower case only: one value, one text, for the signature is of the text. */
static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool hex_read(struct slice text, uint8_t *bytes_out, size_t length)
{
    if (text.length != 2 * length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = hex_value(text.text[2 * i]);
        int low = hex_value(text.text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes_out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- challenges ---- */

static bool data_is_valid(const char *data)
{
    for (; *data != '\0'; data++)
        if (!((*data >= 'a' && *data <= 'z') || (*data >= 'A' && *data <= 'Z') ||
              (*data >= '0' && *data <= '9') || strchr("_-.:", *data) != NULL))
            return false;
    return true;
}

/* `parameters` in canonical form: keys sorted, no spaces, absent ones left out. No value needs an
 * escape. */
static size_t canonical(const struct altcha_parameters *parameters,
                        char text_out[ALTCHA_CHALLENGE_MAX])
{
    char prefix[2 * ALTCHA_PREFIX_BYTES_MAX + 1];
    char nonce[2 * ALTCHA_NONCE_BYTES + 1];
    char salt[2 * ALTCHA_NONCE_BYTES + 1];
    char key_signature[2 * SIGNATURE_BYTES + 1];
    bool has_data = parameters->data[0] != '\0';

    assert(parameters->prefix_length <= ALTCHA_PREFIX_BYTES_MAX);
    assert(data_is_valid(parameters->data));
    hex_write(parameters->prefix, parameters->prefix_length, prefix);
    hex_write(parameters->nonce, ALTCHA_NONCE_BYTES, nonce);
    hex_write(parameters->salt, ALTCHA_NONCE_BYTES, salt);
    hex_write(parameters->key_signature, SIGNATURE_BYTES, key_signature);
    int length =
        snprintf(text_out, ALTCHA_CHALLENGE_MAX,
                 "{\"algorithm\":\"%s\",\"cost\":%" PRIu32 "%s%s%s,\"expiresAt\":%" PRId64
                 ",\"keyLength\":%d,\"keyPrefix\":\"%s\"%s%s%s,\"nonce\":\"%s\",\"salt\":\"%s\"}",
                 algorithm_names[parameters->algorithm], parameters->cost,
                 has_data ? ",\"data\":{\"action\":\"" : "", parameters->data,
                 has_data ? "\"}" : "", parameters->expires_s, (int)DERIVED_BYTES, prefix,
                 parameters->has_key_signature ? ",\"keySignature\":\"" : "",
                 parameters->has_key_signature ? key_signature : "",
                 parameters->has_key_signature ? "\"" : "", nonce, salt);
    assert(length > 0 && length < ALTCHA_CHALLENGE_MAX);
    return (size_t)length;
}

size_t altcha_challenge_format(const struct altcha_parameters *parameters, const uint8_t *key,
                               size_t key_length, char text_out[ALTCHA_CHALLENGE_MAX])
{
    char text[ALTCHA_CHALLENGE_MAX];
    uint8_t signature[SIGNATURE_BYTES];
    char signature_text[2 * SIGNATURE_BYTES + 1];

    size_t text_length = canonical(parameters, text);
    digest_hmac_sha256(key, key_length, text, text_length, signature);
    hex_write(signature, sizeof(signature), signature_text);
    int length = snprintf(text_out, ALTCHA_CHALLENGE_MAX,
                          "{\"parameters\":%s,\"signature\":\"%s\"}", text, signature_text);
    return length < ALTCHA_CHALLENGE_MAX ? (size_t)length : 0;
}

/* ---- the work ---- */

void altcha_derive(const struct altcha_parameters *parameters, uint32_t counter,
                   uint8_t derived_out[DERIVED_BYTES])
{
    /* salt | nonce | counter: what is hashed, and from the nonce on the password. */
    uint8_t bytes[2 * ALTCHA_NONCE_BYTES + 4];
    uint8_t *password = bytes + ALTCHA_NONCE_BYTES;

    memcpy(bytes, parameters->salt, ALTCHA_NONCE_BYTES);
    memcpy(password, parameters->nonce, ALTCHA_NONCE_BYTES);
    for (unsigned i = 0; i < 4; i++)
        password[ALTCHA_NONCE_BYTES + i] = (uint8_t)(counter >> (24 - 8 * i));
    switch (parameters->algorithm) {
    case ALTCHA_SHA256:
        digest_sha256(bytes, sizeof(bytes), derived_out);
        for (uint32_t round = 1; round < parameters->cost; round++)
            digest_sha256(derived_out, DERIVED_BYTES, derived_out);
        break;
    case ALTCHA_PBKDF2_SHA256:
        digest_pbkdf2_sha256(password, ALTCHA_NONCE_BYTES + 4, parameters->salt, ALTCHA_NONCE_BYTES,
                             parameters->cost, derived_out, DERIVED_BYTES);
        break;
    }
}

bool altcha_solve(const struct altcha_parameters *parameters, uint32_t *counter_out,
                  uint8_t derived_out[DERIVED_BYTES])
{
    for (uint32_t counter = 0; counter < UINT32_MAX; counter++) {
        altcha_derive(parameters, counter, derived_out);
        if (memcmp(derived_out, parameters->prefix, parameters->prefix_length) == 0) {
            *counter_out = counter;
            return true;
        }
    }
    return false;
}

/* ---- payloads ---- */

struct solution {
    struct altcha_parameters parameters;
    uint8_t signature[SIGNATURE_BYTES];
    uint32_t counter;
    uint8_t derived[DERIVED_BYTES];
};

static int base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+')
        return 62;
    return digit == '/' ? 63 : -1;
}

/* Base64 (RFC 4648, section 4), padding optional; 0 if it is none. */
static size_t base64_read(const char *text, size_t length, char text_out[PAYLOAD_TEXT_MAX])
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t written = 0;

    for (unsigned i = 0; i < 2 && length > 0 && text[length - 1] == '='; i++)
        length--;
    for (size_t i = 0; i < length; i++) {
        int value = base64_value(text[i]);

        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            text_out[written++] = (char)(bits >> count);
        }
    }
    return written;
}

static bool text_is(struct slice text, const char *expected)
{
    return text.length == strlen(expected) && memcmp(text.text, expected, text.length) == 0;
}

static bool read_integer(const struct json_value *value, int64_t from, int64_t to,
                         int64_t *number_out)
{
    if (json_type(value) != JSON_INTEGER)
        return false;
    *number_out = json_integer(value);
    return *number_out >= from && *number_out <= to;
}

static bool read_hex(const struct json_value *value, uint8_t *bytes_out, size_t length)
{
    return json_type(value) == JSON_STRING && hex_read(json_string(value), bytes_out, length);
}

static bool read_algorithm(const struct json_value *value, enum altcha_algorithm *algorithm_out)
{
    if (json_type(value) != JSON_STRING)
        return false;
    for (unsigned i = 0; i < ALGORITHM_COUNT; i++) {
        if (text_is(json_string(value), algorithm_names[i])) {
            *algorithm_out = (enum altcha_algorithm)i;
            return true;
        }
    }
    return false;
}

static bool read_prefix(const struct json_value *value, struct altcha_parameters *parameters)
{
    if (json_type(value) != JSON_STRING)
        return false;
    size_t length = json_string(value).length / 2;
    parameters->prefix_length = (uint32_t)length;
    return length <= ALTCHA_PREFIX_BYTES_MAX && read_hex(value, parameters->prefix, length);
}

static bool read_data(const struct json_value *value, struct altcha_parameters *parameters)
{
    struct slice name;
    const struct json_value *action;

    if (json_type(value) != JSON_OBJECT || json_size(value) != 1)
        return false;
    struct json_iterator members = json_members(value);
    if (!json_next_member(&members, &name, &action) || !text_is(name, "action") ||
        json_type(action) != JSON_STRING)
        return false;
    struct slice text = json_string(action);
    if (text.length == 0 || text.length > ALTCHA_DATA_MAX ||
        memchr(text.text, '\0', text.length) != NULL)
        return false;
    memcpy(parameters->data, text.text, text.length);
    parameters->data[text.length] = '\0';
    return data_is_valid(parameters->data);
}

/* The members of `parameters` in the order of their bits; what is not one of them we never signed.
 */
static const char *const parameter_names[] = {
    "algorithm", "cost", "expiresAt", "keyLength",    "keyPrefix",
    "nonce",     "salt", "data",      "keySignature",
};

enum {
    PARAMETER_COUNT = sizeof(parameter_names) / sizeof(parameter_names[0]),
    PARAMETERS_REQUIRED = 0x7f, /* all up to the salt */
};

static bool read_parameter(unsigned parameter, const struct json_value *value,
                           struct altcha_parameters *parameters)
{
    int64_t number = 0;

    switch (parameter) {
    case 0:
        return read_algorithm(value, &parameters->algorithm);
    case 1:
        if (!read_integer(value, 1, ALTCHA_COST_MAX, &number))
            return false;
        parameters->cost = (uint32_t)number;
        return true;
    case 2:
        return read_integer(value, 1, UINT32_MAX, &parameters->expires_s);
    case 3:
        return read_integer(value, DERIVED_BYTES, DERIVED_BYTES, &number);
    case 4:
        return read_prefix(value, parameters);
    case 5:
        return read_hex(value, parameters->nonce, ALTCHA_NONCE_BYTES);
    case 6:
        return read_hex(value, parameters->salt, ALTCHA_NONCE_BYTES);
    case 7:
        return read_data(value, parameters);
    default:
        parameters->has_key_signature = true;
        return read_hex(value, parameters->key_signature, SIGNATURE_BYTES);
    }
}

static bool read_parameters(const struct json_value *value, struct altcha_parameters *parameters)
{
    struct slice name;
    const struct json_value *member;
    unsigned seen = 0;

    if (value == NULL || json_type(value) != JSON_OBJECT)
        return false;
    struct json_iterator members = json_members(value);
    while (json_next_member(&members, &name, &member)) {
        unsigned i = 0;

        while (i < PARAMETER_COUNT && !text_is(name, parameter_names[i]))
            i++;
        if (i == PARAMETER_COUNT || (seen >> i & 1) != 0 || !read_parameter(i, member, parameters))
            return false;
        seen |= 1u << i;
    }
    return (seen & PARAMETERS_REQUIRED) == PARAMETERS_REQUIRED;
}

/* The last member of this name; NULL if there is none, or no object. */
static const struct json_value *member_of(const struct json_value *object, const char *wanted)
{
    const struct json_value *found = NULL;
    const struct json_value *value;
    struct slice name;

    if (object == NULL || json_type(object) != JSON_OBJECT)
        return NULL;
    struct json_iterator members = json_members(object);
    while (json_next_member(&members, &name, &value))
        if (text_is(name, wanted))
            found = value;
    return found;
}

static bool payload_read(const char *payload, size_t length, struct solution *solution_out)
{
    char text[PAYLOAD_TEXT_MAX];
    _Alignas(16) uint8_t bytes[JSON_MEMORY_BYTES];
    const char *message;
    size_t position;
    int64_t counter;

    *solution_out = (struct solution){0};
    if (length > ALTCHA_PAYLOAD_MAX)
        return false;
    size_t text_length = base64_read(payload, length, text);
    if (text_length == 0)
        return false;
    assert(json_memory_needed(text_length) <= sizeof(bytes));
    const struct json_value *root =
        json_read((struct json_memory){.bytes = bytes, .size = sizeof(bytes)}, text, text_length,
                  &message, &position);
    const struct json_value *challenge = member_of(root, "challenge");
    const struct json_value *solution = member_of(root, "solution");
    const struct json_value *signature = member_of(challenge, "signature");
    const struct json_value *count = member_of(solution, "counter");
    const struct json_value *derived = member_of(solution, "derivedKey");
    if (!read_parameters(member_of(challenge, "parameters"), &solution_out->parameters) ||
        signature == NULL || !read_hex(signature, solution_out->signature, SIGNATURE_BYTES) ||
        count == NULL || !read_integer(count, 0, UINT32_MAX, &counter) || derived == NULL ||
        !read_hex(derived, solution_out->derived, DERIVED_BYTES))
        return false;
    solution_out->counter = (uint32_t)counter;
    return true;
}

/* ---- verification ---- */

static bool is_signed(const struct altcha_verifier *verifier, const struct solution *solution)
{
    char text[ALTCHA_CHALLENGE_MAX];
    uint8_t signature[SIGNATURE_BYTES];

    size_t length = canonical(&solution->parameters, text);
    digest_hmac_sha256(verifier->key, verifier->key_length, text, length, signature);
    return digest_equal(signature, solution->signature, SIGNATURE_BYTES);
}

static bool is_solved(const struct altcha_verifier *verifier, const struct solution *solution)
{
    const struct altcha_parameters *parameters = &solution->parameters;
    uint8_t expected[DERIVED_BYTES];

    if (parameters->has_key_signature && verifier->key_key != NULL) {
        digest_hmac_sha256(verifier->key_key, verifier->key_key_length, solution->derived,
                           DERIVED_BYTES, expected);
        return digest_equal(expected, parameters->key_signature, sizeof(expected));
    }
    altcha_derive(parameters, solution->counter, expected);
    return digest_equal(expected, solution->derived, DERIVED_BYTES) &&
           memcmp(expected, parameters->prefix, parameters->prefix_length) == 0;
}

enum altcha_verdict altcha_verify(const struct altcha_verifier *verifier, const char *payload,
                                  size_t length, const char *data, int64_t now_s)
{
    struct solution solution;

    if (!payload_read(payload, length, &solution))
        return ALTCHA_MALFORMED;
    if (solution.parameters.expires_s <= now_s)
        return ALTCHA_EXPIRED;
    if (!is_signed(verifier, &solution))
        return ALTCHA_FORGED;
    if (data != NULL && strcmp(data, solution.parameters.data) != 0)
        return ALTCHA_OTHER;
    if (!is_solved(verifier, &solution))
        return ALTCHA_WRONG;
    if (verifier->memory == NULL)
        return ALTCHA_GOOD;
    return altcha_memory_use(verifier->memory, solution.signature, solution.parameters.expires_s,
                             now_s);
}
