/* SPDX-License-Identifier: Apache-2.0 */
#include "api/webhook_sign.h"

#include <stdio.h>
#include <string.h>

#include "api/digest.h"
#include "base64url.h"

/* 32 bytes in the plain alphabet of RFC 4648, with padding. */
static void write_base64(const uint8_t bytes[DIGEST_SHA256_BYTES], char text_out[44 + 1])
{
    uint8_t groups[DIGEST_SHA256_BYTES + 1] = {0}; /* of three bytes */

    memcpy(groups, bytes, DIGEST_SHA256_BYTES);
    base64url_encode(groups, sizeof(groups), text_out);
    for (unsigned i = 0; i < 43; i++)
        text_out[i] = text_out[i] == '-' ? '+' : text_out[i] == '_' ? '/' : text_out[i];
    text_out[43] = '=';
    text_out[44] = '\0';
}

void webhook_sign(const uint8_t *secret, size_t secret_length, const char *id, int64_t timestamp_s,
                  const char *body, size_t body_length,
                  char signature_out[WEBHOOK_SIGNATURE_LENGTH + 1])
{
    char timestamp[24];
    int length = snprintf(timestamp, sizeof(timestamp), ".%lld.", (long long)timestamp_s);
    struct digest_part parts[] = {
        {id, strlen(id)}, {timestamp, (size_t)length}, {body, body_length}};
    uint8_t mac[DIGEST_SHA256_BYTES];

    digest_hmac_sha256_parts(secret, secret_length, parts, 3, mac);
    memcpy(signature_out, "v1,", 3);
    write_base64(mac, signature_out + 3);
}
