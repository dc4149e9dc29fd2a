/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of webhooks, by Standard Webhooks 1.0.0 (Signature scheme): `v1,` and the HMAC-SHA256
 * of `ID.timestamp.body` in base64, one for each secret, with a space between. Pure; any thread. */
#ifndef STAMPEDE_API_WEBHOOK_SIGN_H
#define STAMPEDE_API_WEBHOOK_SIGN_H

#include <stddef.h>
#include <stdint.h>

enum { WEBHOOK_SIGNATURE_LENGTH = 3 + 44 }; /* of one secret */

/* Writes the signature and a zero. */
void webhook_sign(const uint8_t *secret, size_t secret_length, const char *id, int64_t timestamp_s,
                  const char *body, size_t body_length,
                  char signature_out[WEBHOOK_SIGNATURE_LENGTH + 1]);

#endif
