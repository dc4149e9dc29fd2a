/* SPDX-License-Identifier: Apache-2.0 */
#include "api/private_data.h"

#include <assert.h>
#include <string.h>

enum { TABLE_ACCOUNT = 1 };

_Static_assert((int)VAULT_WRAPPED_KEY_BYTES <= (int)WRAPPED_KEY_MAX, "the record has room");
_Static_assert((int)VAULT_SEAL_OVERHEAD <= (int)SEALED_OVERHEAD_MAX, "sealed values have room");

static bool wrapped_of(const struct account_key_record *key, struct vault_wrapped_key *wrapped_out)
{
    if (key->length != VAULT_WRAPPED_KEY_BYTES)
        return false;
    memcpy(wrapped_out->bytes, key->bytes, VAULT_WRAPPED_KEY_BYTES);
    return true;
}

static void record_of(const struct vault_wrapped_key *wrapped, struct account_key_record *key_out)
{
    memset(key_out, 0, sizeof(*key_out));
    key_out->length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(key_out->bytes, wrapped->bytes, VAULT_WRAPPED_KEY_BYTES);
}

static uint64_t number_of(const uint8_t bytes[8])
{
    uint64_t number = 0;

    for (unsigned i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

struct private_place private_email(const uint8_t index[EMAIL_INDEX_BYTES])
{
    return (struct private_place){PRIVATE_EMAIL, number_of(index)};
}

struct private_place private_single(enum private_field field, const struct principal *account)
{
    assert(field == PRIVATE_NAME || field == PRIVATE_TOTP);
    return (struct private_place){field, number_of(account->bytes)};
}

struct private_place private_agent(const uint8_t token_hash[TOKEN_HASH_BYTES])
{
    return (struct private_place){PRIVATE_AGENT, number_of(token_hash)};
}

struct private_place private_address(uint64_t id)
{
    assert(row_number_is_valid(id));
    return (struct private_place){PRIVATE_ADDRESS, id};
}

struct private_place private_mail(uint64_t number)
{
    assert(row_number_is_valid(number));
    return (struct private_place){PRIVATE_MAIL, number};
}

struct private_place private_answer(uint64_t call)
{
    return (struct private_place){PRIVATE_ANSWER, call};
}

uint64_t private_row_draw(struct shard *shard)
{
    uint64_t random;

    shard_random(shard, &random, sizeof(random));
    return row_number_of(random);
}

static struct vault_place vault_place_of(const struct principal *account,
                                         struct private_place place)
{
    return (struct vault_place){.owner = *account,
                                .row = place.row,
                                .table = TABLE_ACCOUNT,
                                .field = (uint16_t)place.field};
}

void private_key_make(const struct engine *engine, const struct principal *account,
                      struct account_key_record *key_out)
{
    const struct vault_port *vault = engine_vault(engine);
    struct vault_wrapped_key wrapped;

    vault->new_key(vault->self, account, &wrapped);
    record_of(&wrapped, key_out);
}

size_t private_seal(const struct engine *engine, const struct principal *account,
                    const struct account_key_record *key, struct private_place place,
                    const void *plain, size_t length, uint8_t *sealed_out, size_t capacity)
{
    const struct vault_port *vault = engine_vault(engine);
    struct vault_place at = vault_place_of(account, place);
    struct vault_wrapped_key wrapped;

    if (length > VAULT_PLAINTEXT_MAX || capacity < length + VAULT_SEAL_OVERHEAD ||
        !wrapped_of(key, &wrapped) ||
        vault->seal(vault->self, &wrapped, &at, plain, length, sealed_out) != VAULT_OK)
        return 0;
    return length + VAULT_SEAL_OVERHEAD;
}

bool private_open(const struct engine *engine, const struct principal *account,
                  const struct account_key_record *key, struct private_place place,
                  const uint8_t *sealed, size_t length, char *plain_out, size_t capacity,
                  size_t *length_out)
{
    const struct vault_port *vault = engine_vault(engine);
    struct vault_place at = vault_place_of(account, place);
    struct vault_wrapped_key wrapped;

    *length_out = 0;
    plain_out[0] = '\0';
    if (length < VAULT_SEAL_OVERHEAD || length - VAULT_SEAL_OVERHEAD >= capacity ||
        !wrapped_of(key, &wrapped) ||
        vault->open(vault->self, &wrapped, &at, sealed, length, (uint8_t *)plain_out) != VAULT_OK) {
        plain_out[0] = '\0';
        return false;
    }
    *length_out = length - VAULT_SEAL_OVERHEAD;
    plain_out[*length_out] = '\0';
    return true;
}
