/* SPDX-License-Identifier: Apache-2.0 */
#include "api/totp.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/digest.h"

_Static_assert(TOTP_SECRET_TEXT_LENGTH == TOTP_SECRET_BYTES * 8 / 5, "base 32 without a remainder");
_Static_assert(RECOVERY_CODE_BYTES * 8 / 5 + 3 == RECOVERY_CODE_LENGTH, "four groups of four");

/* RFC 4648, section 6, and Crockford's, without I, L, O and U. */
static const char rfc_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char crockford_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* ---- codes ---- */

uint32_t totp_code(const uint8_t *secret, size_t secret_length, uint64_t step, unsigned digits)
{
    uint8_t message[8];
    uint8_t mac[DIGEST_SHA1_BYTES];
    uint32_t modulus = 1;

    assert(digits >= 6 && digits <= 8);
    for (unsigned i = 0; i < 8; i++)
        message[i] = (uint8_t)(step >> (56 - 8 * i));
    digest_hmac_sha1(secret, secret_length, message, sizeof(message), mac);
    const uint8_t *at = mac + (mac[DIGEST_SHA1_BYTES - 1] & 15);
    uint32_t truncated =
        (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    for (unsigned i = 0; i < digits; i++)
        modulus *= 10;
    return truncated % modulus;
}

bool totp_verify(const uint8_t secret[TOTP_SECRET_BYTES], const char *code, size_t length,
                 int64_t now_s, uint64_t *last_step)
{
    uint64_t accepted = 0;

    if (length != TOTP_DIGITS || now_s < (1 + TOTP_STEPS_AROUND) * TOTP_STEP_S)
        return false;
    uint64_t now_step = (uint64_t)now_s / TOTP_STEP_S;
    for (uint64_t step = now_step - TOTP_STEPS_AROUND; step <= now_step + TOTP_STEPS_AROUND;
         step++) {
        char expected[16];

        snprintf(expected, sizeof(expected), "%0*u", (int)TOTP_DIGITS,
                 totp_code(secret, TOTP_SECRET_BYTES, step, TOTP_DIGITS));
        /* All steps are tried; of two equal codes the newer one is used up. */
        if (digest_equal(expected, code, TOTP_DIGITS) && step > *last_step)
            accepted = step;
    }
    if (accepted == 0)
        return false;
    *last_step = accepted;
    return true;
}

/* ---- the URI ---- */

struct uri {
    char *text;
    size_t length;
    bool is_full;
};

static void uri_put(struct uri *uri, char character)
{
    if (uri->length + 1 >= TOTP_URI_MAX)
        uri->is_full = true;
    else
        uri->text[uri->length++] = character;
}

static void uri_add(struct uri *uri, const char *text)
{
    while (*text != '\0')
        uri_put(uri, *text++);
}

/* Percent-encodes all but RFC 3986's unreserved characters. */
static void uri_add_encoded(struct uri *uri, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if ((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
            (byte >= '0' && byte <= '9') || strchr("-._~", byte) != NULL) {
            uri_put(uri, *text);
        } else {
            uri_put(uri, '%');
            uri_put(uri, "0123456789ABCDEF"[byte >> 4]);
            uri_put(uri, "0123456789ABCDEF"[byte & 15]);
        }
    }
}

bool totp_uri(const uint8_t secret[TOTP_SECRET_BYTES], const char *issuer, const char *account,
              char uri_out[TOTP_URI_MAX])
{
    struct uri uri = {.text = uri_out};
    char secret_text[TOTP_SECRET_TEXT_LENGTH + 1];

    base32_encode(secret, TOTP_SECRET_BYTES, secret_text);
    uri_add(&uri, "otpauth://totp/");
    uri_add_encoded(&uri, issuer);
    uri_put(&uri, ':');
    uri_add_encoded(&uri, account);
    uri_add(&uri, "?secret=");
    uri_add(&uri, secret_text);
    uri_add(&uri, "&issuer=");
    uri_add_encoded(&uri, issuer);
    uri_add(&uri, "&algorithm=SHA1&digits=6&period=30");
    uri_out[uri.length] = '\0';
    digest_wipe(secret_text, sizeof(secret_text));
    if (uri.is_full)
        digest_wipe(uri_out, TOTP_URI_MAX);
    return !uri.is_full;
}

/* ---- base 32 ---- */

static char *encode(const char *alphabet, const uint8_t *bytes, size_t length, char *at)
{
    uint32_t bits = 0;
    unsigned count = 0;

    for (size_t i = 0; i < length; i++) {
        bits = bits << 8 | bytes[i];
        for (count += 8; count >= 5; count -= 5)
            *at++ = alphabet[bits >> (count - 5) & 31];
    }
    if (count > 0)
        *at++ = alphabet[bits << (5 - count) & 31];
    return at;
}

void base32_encode(const uint8_t *bytes, size_t length, char *text_out)
{
    *encode(rfc_alphabet, bytes, length, text_out) = '\0';
}

static int base32_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a';
    return digit >= '2' && digit <= '7' ? digit - '2' + 26 : -1;
}

/* How many digits of text are no padding; false if there is padding and not as much as there has to
 * be, or if no whole number of bytes gives so many digits. */
static bool base32_trim(const char *text, size_t *length)
{
    size_t digits = *length;

    while (digits > 0 && text[digits - 1] == '=')
        digits--;
    if (digits != *length && *length != (digits + 7) / 8 * 8)
        return false;
    *length = digits;
    return digits % 8 != 1 && digits % 8 != 3 && digits % 8 != 6;
}

bool base32_decode(const char *text, size_t length, uint8_t *bytes_out, size_t capacity,
                   size_t *length_out)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t written = 0;

    if (!base32_trim(text, &length) || length * 5 / 8 > capacity)
        return false;
    for (size_t i = 0; i < length; i++) {
        int value = base32_value(text[i]);

        if (value < 0)
            return false;
        bits = bits << 5 | (uint32_t)value;
        count += 5;
        if (count >= 8) {
            count -= 8;
            bytes_out[written++] = (uint8_t)(bits >> count);
        }
    }
    *length_out = written;
    return (bits & ((1u << count) - 1)) == 0;
}

/* ---- recovery codes ---- */

/* `digits` is RECOVERY_CODE_LENGTH less the dashes. */
static void group(const char *digits, char text_out[RECOVERY_CODE_LENGTH + 1])
{
    for (unsigned i = 0; i < 4; i++) {
        memcpy(text_out + 5 * (size_t)i, digits + 4 * (size_t)i, 4);
        text_out[5 * i + 4] = i < 3 ? '-' : '\0';
    }
}

void recovery_code_format(const uint8_t random[RECOVERY_CODE_BYTES],
                          char text_out[RECOVERY_CODE_LENGTH + 1])
{
    char digits[16];

    encode(crockford_alphabet, random, RECOVERY_CODE_BYTES, digits);
    group(digits, text_out);
    digest_wipe(digits, sizeof(digits));
}

bool recovery_code_normalise(const char *text, size_t length,
                             char text_out[RECOVERY_CODE_LENGTH + 1])
{
    char digits[16];
    unsigned count = 0;

    for (size_t i = 0; i < length; i++) {
        char digit = text[i];

        if (digit == ' ' || digit == '-')
            continue;
        if (digit >= 'a' && digit <= 'z')
            digit = (char)(digit - 'a' + 'A');
        if (digit == 'O')
            digit = '0';
        if (digit == 'I' || digit == 'L')
            digit = '1';
        if (digit == '\0' || strchr(crockford_alphabet, digit) == NULL || count == sizeof(digits))
            return false;
        digits[count++] = digit;
    }
    if (count != sizeof(digits))
        return false;
    group(digits, text_out);
    digest_wipe(digits, sizeof(digits));
    return true;
}
