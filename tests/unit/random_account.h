/* SPDX-License-Identifier: Apache-2.0 */
/* Valid records of accounts, as different as can be, for the codec's tests. */
#ifndef STAMPEDE_RANDOM_ACCOUNT_H
#define STAMPEDE_RANDOM_ACCOUNT_H

#include "records.h"

typedef uint64_t (*random_source)(uint64_t *seed);

static inline uint64_t random_below(random_source source, uint64_t *seed, uint64_t bound)
{
    return source(seed) % bound;
}

static inline void random_bytes(random_source source, uint64_t *seed, void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)source(seed);
}

static inline int64_t random_time(random_source source, uint64_t *seed)
{
    return (int64_t)random_below(source, seed, 1ULL << 44);
}

static inline void random_rows(random_source source, uint64_t *seed, struct account_record *account)
{
    for (unsigned i = 0; i < TOKEN_PURPOSE_COUNT; i++) {
        if (source(seed) % 2 == 0)
            continue;
        random_bytes(source, seed, account->tokens[i].hash, TOKEN_HASH_BYTES);
        account->tokens[i].expires_wall_ms = 1 + random_time(source, seed) / 2;
    }
    account->alias_count = (uint8_t)random_below(source, seed, ACCOUNT_ALIASES_MAX + 1);
    for (unsigned i = 0; i < account->alias_count; i++) {
        random_bytes(source, seed, account->aliases[i].guest.bytes, 16);
        account->aliases[i].wall_ms = random_time(source, seed);
    }
    account->session_count = (uint8_t)random_below(source, seed, ACCOUNT_SESSIONS_MAX + 1);
    for (unsigned i = 0; i < account->session_count; i++) {
        struct account_session *session = &account->sessions[i];

        random_bytes(source, seed, session->token_hash, TOKEN_HASH_BYTES);
        session->id = (uint32_t)source(seed);
        session->second_factor = (uint8_t)(source(seed) % 2);
        session->agent_length = (uint8_t)random_below(source, seed, SEALED_AGENT_MAX + 1);
        random_bytes(source, seed, session->agent, session->agent_length);
        session->created_wall_ms = random_time(source, seed);
        session->expires_wall_ms = random_time(source, seed);
    }
    account->address_count = (uint8_t)random_below(source, seed, ACCOUNT_ADDRESSES_MAX + 1);
    for (unsigned i = 0; i < account->address_count; i++) {
        account->addresses[i].id = row_number_of(source(seed));
        account->addresses[i].length = (uint16_t)random_below(source, seed, SEALED_ADDRESS_MAX + 1);
        random_bytes(source, seed, account->addresses[i].sealed, account->addresses[i].length);
    }
}

static inline void random_account(random_source source, uint64_t *seed,
                                  struct account_record *account)
{
    random_bytes(source, seed, account->principal.bytes, 16);
    account->state = (uint8_t)(1 + random_below(source, seed, ACCOUNT_STATE_COUNT - 1));
    account->role = (uint8_t)random_below(source, seed, ROLE_COUNT);
    account->next_id = 1 + (uint32_t)random_below(source, seed, UINT32_MAX);
    account->credentials = 1 + (uint32_t)random_below(source, seed, UINT32_MAX);
    account->version = source(seed);
    account->totp_step = source(seed);
    account->created_wall_ms = random_time(source, seed);
    account->verified_wall_ms = random_time(source, seed);
    account->password_wall_ms = random_time(source, seed);
    random_bytes(source, seed, account->email_index, EMAIL_INDEX_BYTES);
    account->email_length = (uint16_t)random_below(source, seed, SEALED_EMAIL_MAX + 1);
    random_bytes(source, seed, account->email, account->email_length);
    account->has_new_email = (uint8_t)(source(seed) % 2);
    if (account->has_new_email) {
        random_bytes(source, seed, account->new_email_index, EMAIL_INDEX_BYTES);
        account->new_email_length = (uint16_t)random_below(source, seed, SEALED_EMAIL_MAX + 1);
        random_bytes(source, seed, account->new_email, account->new_email_length);
    }
    account->name_length = (uint16_t)random_below(source, seed, SEALED_NAME_MAX + 1);
    random_bytes(source, seed, account->name, account->name_length);
    account->password_length = (uint8_t)random_below(source, seed, PASSWORD_HASH_MAX + 1);
    random_bytes(source, seed, account->password_hash, account->password_length);
    account->totp_length = (uint8_t)random_below(source, seed, SEALED_TOTP_MAX + 1);
    random_bytes(source, seed, account->totp, account->totp_length);
    account->recovery_count = (uint8_t)random_below(source, seed, ACCOUNT_RECOVERY_CODES + 1);
    random_bytes(source, seed, account->recovery,
                 account->recovery_count * sizeof(account->recovery[0]));
    random_rows(source, seed, account);
}

/* One of the kinds that belong to accounts; false if `record` is of another. */
static inline bool random_account_record(random_source source, uint64_t *seed,
                                         struct record *record)
{
    record->subject = 1 + (uint32_t)random_below(source, seed, UINT32_MAX);
    if (record->kind == RECORD_ACCOUNT) {
        random_account(source, seed, &record->account);
    } else if (record->kind == RECORD_ACCOUNT_KEY) {
        record->account_key.length = (uint8_t)(1 + random_below(source, seed, WRAPPED_KEY_MAX));
        random_bytes(source, seed, record->account_key.bytes, record->account_key.length);
    } else if (record->kind == RECORD_EMAIL) {
        record->sequence = random_below(source, seed, 1ULL << 40);
        random_bytes(source, seed, &record->email, sizeof(record->email));
    } else if (record->kind == RECORD_ALIAS) {
        record->sequence = random_below(source, seed, 1ULL << 40);
        random_bytes(source, seed, record->alias.guest.bytes, 16);
        random_bytes(source, seed, record->alias.customer.bytes, 16);
        record->alias.ended_wall_ms = random_time(source, seed);
    } else if (record->kind == RECORD_MAIL) {
        record->sequence = row_number_of(source(seed));
        record->mail.state = (uint8_t)random_below(source, seed, MAIL_DEAD + 1);
        record->mail.template = (uint8_t)source(seed);
        record->mail.attempts = (uint8_t)source(seed);
        record->mail.created_wall_ms = random_time(source, seed);
        record->mail.next_wall_ms = random_time(source, seed);
        record->mail.reason[0] = 'r';
        record->mail.sealed_length = (uint16_t)(1 + random_below(source, seed, SEALED_MAIL_MAX));
        random_bytes(source, seed, record->mail.sealed, record->mail.sealed_length);
    } else {
        return false;
    }
    return true;
}

#endif
