/* SPDX-License-Identifier: Apache-2.0 */
/* One-time passwords by time (RFC 6238: HMAC-SHA-1, 6 digits, steps of 30 s), and recovery codes
 * for whoever lost the device. Pure; any thread. Secrets are kept sealed; recovery codes as
 * digest_sha256 of their normal form. */
#ifndef STAMPEDE_TOTP_H
#define STAMPEDE_TOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOTP_SECRET_BYTES = 20, /* RFC 4226, section 4, R6 */
    TOTP_SECRET_TEXT_LENGTH = 32,
    TOTP_DIGITS = 6,
    TOTP_STEP_S = 30,
    TOTP_STEPS_AROUND = 1,
    TOTP_URI_MAX = 512,
    RECOVERY_CODES = 10,
    RECOVERY_CODE_BYTES = 10,
    RECOVERY_CODE_LENGTH = 19, /* XXXX-XXXX-XXXX-XXXX, 80 bits in Crockford's base 32 */
};

/* The code of a step (RFC 4226, section 5.3), with `digits` 6 to 8. */
uint32_t totp_code(const uint8_t *secret, size_t secret_length, uint64_t step, unsigned digits);

/* Whether `code` is of now, or one step around. A code is good once: `last_step` is the step of the
 * newest code that was accepted (0: none), older and equal ones are refused; it is set when one is
 * accepted, and the caller stores it before it lets anyone in. In a time that does not depend on
 * the code. */
bool totp_verify(const uint8_t secret[TOTP_SECRET_BYTES], const char *code, size_t length,
                 int64_t now_s, uint64_t *last_step);

/* Writes what an authenticator reads (otpauth://totp/ISSUER:ACCOUNT?...), percent-encoded, and a
 * zero. False if it does not fit. */
bool totp_uri(const uint8_t secret[TOTP_SECRET_BYTES], const char *issuer, const char *account,
              char uri_out[TOTP_URI_MAX]);

/* Base 32 (RFC 4648, section 6). Encodes without padding and writes a zero: room for
 * (length * 8 + 4) / 5 + 1. */
void base32_encode(const uint8_t *bytes, size_t length, char *text_out);

/* Reads either case, with or without padding. False if malformed (left-over bits count) or if
 * `capacity` is too small. */
bool base32_decode(const char *text, size_t length, uint8_t *bytes_out, size_t capacity,
                   size_t *length_out);

/* Writes a recovery code made of RECOVERY_CODE_BYTES random bytes, and a zero. */
void recovery_code_format(const uint8_t random[RECOVERY_CODE_BYTES],
                          char text_out[RECOVERY_CODE_LENGTH + 1]);

/* What a person typed, to the normal form: either case, O for 0, I and L for 1, dashes and spaces
 * anywhere. False if it cannot be one. */
bool recovery_code_normalise(const char *text, size_t length,
                             char text_out[RECOVERY_CODE_LENGTH + 1]);

#endif
