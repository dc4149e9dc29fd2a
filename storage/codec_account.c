/* SPDX-License-Identifier: Apache-2.0 */
/* An account as a run of bytes: one walk over its fields that writes or reads, so that the two
 * can't disagree. Numbers are big-endian; of arrays only what is in use is written. */
#include "codec_account.h"

#include <string.h>

#include "codec_run.h"

static void run_rows(struct run *run, struct account_record *account)
{
    for (unsigned i = 0; i < TOKEN_PURPOSE_COUNT; i++) {
        run_time(run, &account->tokens[i].expires_wall_ms);
        if (account->tokens[i].expires_wall_ms != 0)
            run_bytes(run, account->tokens[i].hash, TOKEN_HASH_BYTES);
    }
    run_8(run, &account->alias_count, ACCOUNT_ALIASES_MAX);
    for (unsigned i = 0; i < account->alias_count; i++) {
        run_bytes(run, account->aliases[i].guest.bytes, sizeof(account->aliases[i].guest.bytes));
        run_time(run, &account->aliases[i].wall_ms);
    }
    run_8(run, &account->session_count, ACCOUNT_SESSIONS_MAX);
    for (unsigned i = 0; i < account->session_count; i++) {
        struct account_session *session = &account->sessions[i];

        run_bytes(run, session->token_hash, TOKEN_HASH_BYTES);
        run_32(run, &session->id);
        run_8(run, &session->second_factor, 1);
        run_short(run, &session->agent_length, session->agent, SEALED_AGENT_MAX);
        run_time(run, &session->created_wall_ms);
        run_time(run, &session->expires_wall_ms);
    }
    run_8(run, &account->address_count, ACCOUNT_ADDRESSES_MAX);
    for (unsigned i = 0; i < account->address_count; i++) {
        run_64(run, &account->addresses[i].id);
        run_sealed(run, &account->addresses[i].length, account->addresses[i].sealed,
                   SEALED_ADDRESS_MAX);
    }
}

static void run_account(struct run *run, struct account_record *account)
{
    run_bytes(run, account->principal.bytes, sizeof(account->principal.bytes));
    run_8(run, &account->state, ACCOUNT_STATE_COUNT - 1);
    run_8(run, &account->role, ROLE_COUNT - 1);
    run_32(run, &account->next_id);
    run_32(run, &account->credentials);
    run_64(run, &account->version);
    run_64(run, &account->goodbye);
    run_64(run, &account->totp_step);
    run_time(run, &account->created_wall_ms);
    run_time(run, &account->verified_wall_ms);
    run_time(run, &account->password_wall_ms);
    run_bytes(run, account->email_index, EMAIL_INDEX_BYTES);
    run_sealed(run, &account->email_length, account->email, SEALED_EMAIL_MAX);
    run_8(run, &account->has_new_email, 1);
    if (account->has_new_email) {
        run_bytes(run, account->new_email_index, EMAIL_INDEX_BYTES);
        run_sealed(run, &account->new_email_length, account->new_email, SEALED_EMAIL_MAX);
    }
    run_sealed(run, &account->name_length, account->name, SEALED_NAME_MAX);
    run_short(run, &account->password_length, account->password_hash, PASSWORD_HASH_MAX);
    run_short(run, &account->totp_length, account->totp, SEALED_TOTP_MAX);
    run_8(run, &account->recovery_count, ACCOUNT_RECOVERY_CODES);
    run_bytes(run, account->recovery, account->recovery_count * sizeof(account->recovery[0]));
    run_rows(run, account);
}

size_t codec_account_pack(const struct account_record *account, uint8_t *bytes_out, size_t capacity)
{
    struct run run = {.at = bytes_out, .end = bytes_out + capacity};

    /* The walk writes to fields only what it read from them. */
    run_account(&run, (struct account_record *)(uintptr_t)account);
    return (size_t)(run.at - bytes_out);
}

bool codec_account_unpack(const uint8_t *bytes, size_t length, struct account_record *account_out)
{
    struct run run = {.at = (uint8_t *)(uintptr_t)bytes, .end = bytes + length, .reads = true};

    memset(account_out, 0, sizeof(*account_out));
    run_account(&run, account_out);
    return !run.failed && run.at == run.end;
}
