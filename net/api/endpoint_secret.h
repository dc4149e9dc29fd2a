/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets of webhook endpoints: made here, sealed under the shop's own data key before they go to
 * the engine, opened again by whoever signs. In clear they stand nowhere but in the answer that
 * shows them once (and, for its Idempotency-Key, where kept answers are). Private to net/api. */
#ifndef STAMPEDE_API_ENDPOINT_SECRET_H
#define STAMPEDE_API_ENDPOINT_SECRET_H

#include "engine.h"

/* `whsec_` and 32 bytes in base64 (Standard Webhooks, 1.0: Signature scheme). */
enum { ENDPOINT_SECRET_TEXT_LENGTH = 6 + 44 };

/* Seals a secret into the call's row and key, for a random place: under the view's key, or a new
 * one where there is none. False: the shop's key cannot be opened. Any thread. */
bool endpoint_secret_seal(struct shard *shard, const struct settings_view *view,
                          const uint8_t secret[ENDPOINT_SECRET_BYTES],
                          struct settings_envelope *envelope_out);

/* Opens the secrets that an endpoint signs with at this time, newest first; their number. 0: they
 * cannot be opened. The caller wipes them. Any thread. */
unsigned endpoint_secrets_open(const struct engine *engine, const struct settings_view *view,
                               const struct setting_endpoint *endpoint, int64_t wall_ms,
                               uint8_t secrets_out[ENDPOINT_SECRETS_MAX][ENDPOINT_SECRET_BYTES]);

/* Writes the text and a zero. */
void endpoint_secret_format(const uint8_t secret[ENDPOINT_SECRET_BYTES],
                            char text_out[ENDPOINT_SECRET_TEXT_LENGTH + 1]);

#endif
