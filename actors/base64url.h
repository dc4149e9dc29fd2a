/* SPDX-License-Identifier: Apache-2.0 */
/* base64url (RFC 4648, section 5) of whole groups: three bytes are four characters, nothing is left
 * over, so one text names one run of bytes. Pure; any thread. */
#ifndef STAMPEDE_BASE64URL_H
#define STAMPEDE_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes `length / 3 * 4` characters and a zero; `length` is a multiple of three. */
void base64url_encode(const uint8_t *bytes, size_t length, char *text_out);

/* Reads the characters of `length` bytes, a multiple of three. False: one is none of the alphabet;
 * the bytes are undefined then. */
bool base64url_decode(const char *text, size_t length, uint8_t *bytes_out);

#endif
