/* SPDX-License-Identifier: Apache-2.0 */
/* What the books know of accounts, and what follows from it. */
#include <string.h>

#include "violation.h"
#include "world.h"

/* ---- guests and what they had ---- */

enum relation people_relation(const struct world *world, uint32_t asker, uint32_t holder)
{
    const struct guest_model *guest =
        holder < SIM_GUESTS_MAX ? &world->people.guests[holder] : NULL;

    if (asker == holder) {
        if (guest == NULL || !guest->adopt_sent)
            return RELATION_OWN;
        return guest->adopted_step != 0 ? RELATION_STRANGER : RELATION_UNSURE;
    }
    if (guest == NULL || !party_is_account(asker) ||
        (holder >= world->profile.devices && holder < SIM_CLIENTS_MAX)) /* never logs in */
        return RELATION_STRANGER;
    if (guest->account == asker - SIM_GUESTS_MAX && guest->adopted_step != 0)
        return RELATION_OWN;
    /* It may become this account while the question is under way. */
    return guest->account == NONE || guest->account == asker - SIM_GUESTS_MAX ? RELATION_UNSURE
                                                                              : RELATION_STRANGER;
}

uint32_t people_owner(const struct world *world, uint32_t party)
{
    if (party < SIM_GUESTS_MAX && world->people.guests[party].adopted_step != 0)
        return SIM_GUESTS_MAX + world->people.guests[party].account;
    return party;
}

bool people_may_name(const struct world *world, uint32_t party, const struct principal *principal,
                     uint64_t asked_step)
{
    const struct principal own = world_principal(world, party);
    const struct guest_model *guest;

    if (party >= SIM_GUESTS_MAX || !world->people.guests[party].adopt_sent)
        return principal_equal(principal, &own);
    guest = &world->people.guests[party];
    if (principal_equal(principal, &world->people.accounts[guest->account].principal))
        return true;
    return principal_equal(principal, &own) &&
           (guest->adopted_step == 0 || guest->adopted_step >= asked_step);
}

uint32_t people_certain_group(const struct world *world, uint32_t party, uint64_t since_step,
                              uint32_t *parties_out)
{
    uint32_t count = 1;

    parties_out[0] = party;
    if (!party_is_account(party))
        return count;
    for (uint32_t i = 0; i < SIM_GUESTS_MAX; i++) {
        const struct guest_model *guest = &world->people.guests[i];

        if (guest->account == party - SIM_GUESTS_MAX && guest->adopted_step != 0 &&
            guest->adopted_step < since_step)
            parties_out[count++] = i;
    }
    return count;
}

/* All that may have become one of these accounts, and those. */
uint32_t people_possible_group(const struct world *world, uint32_t party, uint32_t *parties_out)
{
    uint32_t accounts = 0;
    uint32_t count = 0;

    if (party_is_account(party))
        accounts = 1u << (party - SIM_GUESTS_MAX);
    else if (party < SIM_GUESTS_MAX)
        accounts = world->people.guests[party].asked;
    if (!party_is_account(party))
        parties_out[count++] = party;
    for (uint32_t i = 0; i < SIM_ACCOUNTS_MAX && accounts != 0; i++)
        if ((accounts & 1u << i) != 0)
            parties_out[count++] = SIM_GUESTS_MAX + i;
    for (uint32_t i = 0; i < SIM_GUESTS_MAX && accounts != 0; i++)
        if (i != party && (world->people.guests[i].asked & accounts) != 0)
            parties_out[count++] = i;
    return count;
}

/* ---- accounts ---- */

uint32_t people_find_account(const struct world *world, const struct principal *principal)
{
    for (uint32_t i = 0; i < world->people.account_count; i++)
        if (principal_equal(&world->people.accounts[i].principal, principal))
            return i;
    return NONE;
}

bool owning_is_possible(const struct owning *owning, uint64_t since_step)
{
    return owning->owned_step != 0 || owning->claims_open > 0 || owning->claim_maybe ||
           (owning->possible_until != 0 && owning->possible_until >= since_step);
}

bool owning_is_certain(const struct owning *owning, uint64_t since_step)
{
    return owning->owned_step != 0 && owning->owned_step <= since_step &&
           owning->releases_open == 0 && !owning->release_maybe;
}

bool call_ends_sessions(enum account_call call)
{
    return call == ACCOUNT_CALL_SESSION_CLOSE_ALL || call == ACCOUNT_CALL_PASSWORD_RESET ||
           call == ACCOUNT_CALL_PASSWORD_CHANGE || call == ACCOUNT_CALL_ROLE_SET ||
           call == ACCOUNT_CALL_TOTP_SET || call == ACCOUNT_CALL_ERASE;
}

bool call_changes_tokens(enum account_call call)
{
    return call == ACCOUNT_CALL_TOKEN_ISSUE || call == ACCOUNT_CALL_VERIFY ||
           call == ACCOUNT_CALL_PASSWORD_RESET || call == ACCOUNT_CALL_PASSWORD_CHANGE ||
           call == ACCOUNT_CALL_EMAIL_CHANGE || call == ACCOUNT_CALL_EMAIL_CONFIRM ||
           call == ACCOUNT_CALL_ROLE_SET || call == ACCOUNT_CALL_ERASE;
}

bool call_changes_credentials(enum account_call call)
{
    return call == ACCOUNT_CALL_PASSWORD_RESET || call == ACCOUNT_CALL_PASSWORD_CHANGE ||
           call == ACCOUNT_CALL_ROLE_SET || call == ACCOUNT_CALL_TOTP_SET ||
           call == ACCOUNT_CALL_ERASE;
}

bool people_session_stands(const struct world *world, uint32_t index, uint64_t since_step)
{
    const struct session_model *session = &world->people.sessions[index];
    const struct account_model *account = &world->people.accounts[session->account];

    return session->opened_step != 0 && session->opened_step <= since_step &&
           session->over_step == 0 && !session->end_maybe && session->closes_open == 0 &&
           account->ends_open == 0 && account->erases_sent == 0 &&
           account->opens - session->opens_before <= ACCOUNT_SESSIONS_MAX &&
           wall_highest_since(world, session->sent_ms) < session->expires_wall_ms;
}

/* ---- fields ---- */

void field_sent(struct field *field, uint32_t value, uint64_t step)
{
    struct written *slot = &field->written[field->next++ % SIM_WRITTEN_MAX];

    field->vague = field->vague || (slot->value != 0 && slot->dead_step == UINT64_MAX);
    *slot = (struct written){
        .value = value, .sent_step = step, .done_step = UINT64_MAX, .dead_step = UINT64_MAX};
}

static struct written *find_open(struct field *field, uint32_t value)
{
    for (uint32_t i = 0; i < SIM_WRITTEN_MAX; i++)
        if (field->written[i].value == value && field->written[i].done_step == UINT64_MAX)
            return &field->written[i];
    return NULL;
}

/* Done: what was done before it was sent can't be read any more. */
void field_closed(struct field *field, uint32_t value, uint64_t step, enum closing how)
{
    struct written *done = find_open(field, value);

    if (done == NULL)
        return;
    done->done_step = step;
    if (how == CLOSED_REFUSED)
        done->dead_step = 0;
    if (how != CLOSED_DONE)
        return;
    for (uint32_t i = 0; i < SIM_WRITTEN_MAX; i++) {
        struct written *other = &field->written[i];

        if (other->value != 0 && other->done_step < done->sent_step && step < other->dead_step)
            other->dead_step = step;
    }
}

void field_check(const struct field *field, uint32_t value, uint64_t asked_step, const char *what)
{
    bool found = false;

    if (field->vague)
        return;
    for (uint32_t i = 0; i < SIM_WRITTEN_MAX; i++) {
        const struct written *written = &field->written[i];

        if (written->value != value)
            continue;
        if (written->dead_step >= asked_step)
            return;
        found = true;
    }
    violation("an account shows a %s %s", what,
              found ? "that was replaced, or refused, before it was asked for"
                    : "that nobody gave it");
}

/* What was under way has happened by now, or never will. */
void field_restart(struct field *field, uint64_t step)
{
    for (uint32_t i = 0; i < SIM_WRITTEN_MAX; i++)
        if (field->written[i].value != 0 && field->written[i].done_step == UINT64_MAX)
            field->written[i].done_step = step;
}

/* ---- restarts ---- */

static void restart_account(struct world *world, uint32_t index)
{
    struct account_model *account = &world->people.accounts[index];

    field_restart(&account->name, world->step);
    field_restart(&account->password, world->step);
    account->token_changes_open = 0;
    account->credential_changes_open = 0;
    for (uint32_t i = 0; i < SIM_ADDRESSES_MAX; i++) {
        struct owning *owning = &world->people.owning[i][index];

        owning->claim_maybe = owning->claim_maybe || owning->claims_open > 0;
        owning->release_maybe = owning->release_maybe || owning->releases_open > 0;
        owning->claims_open = 0;
        owning->releases_open = 0;
    }
}

void people_restart(struct world *world)
{
    struct people *people = &world->people;

    for (uint32_t i = 0; i < people->session_count; i++) {
        struct session_model *session = &people->sessions[i];

        session->end_maybe = session->end_maybe || session->closes_open > 0 ||
                             people->accounts[session->account].ends_open > 0;
        session->closes_open = 0;
    }
    for (uint32_t i = 0; i < people->account_count; i++) {
        restart_account(world, i);
        people->accounts[i].ends_open = 0;
    }
    for (uint32_t i = 0; i < SIM_DEVICES_MAX; i++)
        people->devices[i].flow = (struct flow){0};
}
