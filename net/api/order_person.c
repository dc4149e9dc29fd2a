/* SPDX-License-Identifier: Apache-2.0 */
#include "api/order_person.h"

#include <string.h>

/* Of vault_place; stored, so they never change their meaning. */
enum { TABLE_ORDER = 2, FIELD_EMAIL = 1, FIELD_ADDRESS = 2 };

_Static_assert((int)VAULT_WRAPPED_KEY_BYTES <= (int)WRAPPED_KEY_MAX, "the record has room");
_Static_assert((int)VAULT_SEAL_OVERHEAD <= (int)SEALED_OVERHEAD_MAX, "sealed values have room");

/* The order's own number is given later than its values are sealed; its key was drawn from what
 * made it, and no two orders have the same. */
static struct vault_place place_of(const struct order_record *order, uint16_t field)
{
    return (struct vault_place){
        .owner = order->principal, .row = order->key.word[0], .table = TABLE_ORDER, .field = field};
}

static uint16_t seal(const struct engine *engine, const struct order_record *order,
                     const struct vault_wrapped_key *wrapped, uint16_t field, const char *plain,
                     size_t length, uint8_t *sealed_out, size_t capacity)
{
    const struct vault_port *vault = engine_vault(engine);
    struct vault_place place = place_of(order, field);

    if (length + VAULT_SEAL_OVERHEAD > capacity ||
        vault->seal(vault->self, wrapped, &place, plain, length, sealed_out) != VAULT_OK)
        return 0;
    return (uint16_t)(length + VAULT_SEAL_OVERHEAD);
}

bool order_person_seal(const struct engine *engine, const struct order_record *order,
                       const char *email, const char *address, size_t address_length,
                       struct order_person_record *person_out)
{
    const struct vault_port *vault = engine_vault(engine);
    struct vault_wrapped_key wrapped;

    memset(person_out, 0, sizeof(*person_out));
    vault->new_key(vault->self, &order->principal, &wrapped);
    person_out->key_length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(person_out->key, wrapped.bytes, VAULT_WRAPPED_KEY_BYTES);
    person_out->email_length = seal(engine, order, &wrapped, FIELD_EMAIL, email, strlen(email),
                                    person_out->email, SEALED_EMAIL_MAX);
    person_out->address_length = seal(engine, order, &wrapped, FIELD_ADDRESS, address,
                                      address_length, person_out->address, SEALED_ADDRESS_MAX);
    return person_out->email_length > 0 && person_out->address_length > 0;
}

static enum order_person_state open_value(const struct engine *engine,
                                          const struct order_record *order,
                                          const struct order_person_record *person, uint16_t field,
                                          const uint8_t *sealed, size_t length, char *plain_out,
                                          size_t capacity, size_t *length_out)
{
    const struct vault_port *vault = engine_vault(engine);
    struct vault_place place = place_of(order, field);
    struct vault_wrapped_key wrapped;

    *length_out = 0;
    plain_out[0] = '\0';
    if (person->key_length == 0)
        return ORDER_PERSON_FORGOTTEN;
    if (person->key_length != VAULT_WRAPPED_KEY_BYTES || length < VAULT_SEAL_OVERHEAD ||
        length - VAULT_SEAL_OVERHEAD >= capacity)
        return ORDER_PERSON_DAMAGED;
    memcpy(wrapped.bytes, person->key, VAULT_WRAPPED_KEY_BYTES);
    if (vault->open(vault->self, &wrapped, &place, sealed, length, (uint8_t *)plain_out) !=
        VAULT_OK) {
        plain_out[0] = '\0';
        return ORDER_PERSON_DAMAGED;
    }
    *length_out = length - VAULT_SEAL_OVERHEAD;
    plain_out[*length_out] = '\0';
    return ORDER_PERSON_OPEN;
}

enum order_person_state order_email_open(const struct engine *engine,
                                         const struct order_record *order,
                                         const struct order_person_record *person,
                                         char email_out[EMAIL_LENGTH_MAX + 1], size_t *length_out)
{
    return open_value(engine, order, person, FIELD_EMAIL, person->email, person->email_length,
                      email_out, EMAIL_LENGTH_MAX + 1, length_out);
}

enum order_person_state order_address_open(const struct engine *engine,
                                           const struct order_record *order,
                                           const struct order_person_record *person,
                                           char address_out[ADDRESS_LENGTH_MAX + 1],
                                           size_t *length_out)
{
    return open_value(engine, order, person, FIELD_ADDRESS, person->address, person->address_length,
                      address_out, ADDRESS_LENGTH_MAX + 1, length_out);
}
