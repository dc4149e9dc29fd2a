/* SPDX-License-Identifier: Apache-2.0 */
#include "api/endpoint_secret.h"

#include <assert.h>
#include <string.h>

#include "base64url.h"

/* Of vault_place; stored, so it never changes its meaning. */
enum { TABLE_SETTINGS = 16, FIELD_ENDPOINT_SECRET = 1 };

_Static_assert((int)ENDPOINT_SECRET_BYTES + (int)VAULT_SEAL_OVERHEAD <= (int)SEALED_SECRET_MAX,
               "the record has room");

static struct vault_place place_of(uint64_t place)
{
    return (struct vault_place){.owner = settings_key_owner(),
                                .row = place,
                                .table = TABLE_SETTINGS,
                                .field = FIELD_ENDPOINT_SECRET};
}

bool endpoint_secret_seal(struct shard *shard, const struct settings_view *view,
                          const uint8_t secret[ENDPOINT_SECRET_BYTES],
                          struct settings_envelope *envelope_out)
{
    const struct vault_port *vault = engine_vault(shard_engine(shard));
    struct setting_secret *sealed = &envelope_out->row.endpoint.secrets[0];
    struct principal owner = settings_key_owner();
    struct vault_wrapped_key wrapped;
    struct vault_place place;

    memset(sealed, 0, sizeof(*sealed));
    shard_random(shard, &sealed->place, sizeof(sealed->place));
    place = place_of(sealed->place);
    if (view->key.length == VAULT_WRAPPED_KEY_BYTES)
        memcpy(wrapped.bytes, view->key.bytes, VAULT_WRAPPED_KEY_BYTES);
    else
        vault->new_key(vault->self, &owner, &wrapped);
    envelope_out->key.length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(envelope_out->key.bytes, wrapped.bytes, VAULT_WRAPPED_KEY_BYTES);
    sealed->length = ENDPOINT_SECRET_BYTES + VAULT_SEAL_OVERHEAD;
    return vault->seal(vault->self, &wrapped, &place, secret, ENDPOINT_SECRET_BYTES,
                       sealed->sealed) == VAULT_OK;
}

unsigned endpoint_secrets_open(const struct engine *engine, const struct settings_view *view,
                               const struct setting_endpoint *endpoint, int64_t wall_ms,
                               uint8_t secrets_out[ENDPOINT_SECRETS_MAX][ENDPOINT_SECRET_BYTES])
{
    const struct vault_port *vault = engine_vault(engine);
    struct vault_wrapped_key wrapped;
    unsigned count = 0;

    if (view->key.length != VAULT_WRAPPED_KEY_BYTES)
        return 0;
    memcpy(wrapped.bytes, view->key.bytes, VAULT_WRAPPED_KEY_BYTES);
    for (unsigned i = 0; i < ENDPOINT_SECRETS_MAX; i++) {
        const struct setting_secret *secret = &endpoint->secrets[i];
        struct vault_place place = place_of(secret->place);

        if (secret->length != ENDPOINT_SECRET_BYTES + VAULT_SEAL_OVERHEAD ||
            (secret->expires_wall_ms != 0 && secret->expires_wall_ms <= wall_ms))
            continue;
        if (vault->open(vault->self, &wrapped, &place, secret->sealed, secret->length,
                        secrets_out[count]) != VAULT_OK)
            return 0;
        count++;
    }
    return count;
}

void endpoint_secret_format(const uint8_t secret[ENDPOINT_SECRET_BYTES],
                            char text_out[ENDPOINT_SECRET_TEXT_LENGTH + 1])
{
    uint8_t groups[ENDPOINT_SECRET_BYTES + 1] = {0}; /* of three bytes */
    char *digits = text_out + 6;

    memcpy(text_out, "whsec_", 6);
    memcpy(groups, secret, ENDPOINT_SECRET_BYTES);
    base64url_encode(groups, sizeof(groups), digits);
    for (unsigned i = 0; i < 43; i++) /* the other alphabet of RFC 4648 */
        digits[i] = digits[i] == '-' ? '+' : digits[i] == '_' ? '/' : digits[i];
    digits[43] = '=';
    digits[44] = '\0';
}
