/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of an account. A token is known by its hash alone; the caller makes it, and nobody can
 * have it before the answer that says the session is open. */
#include "account_private.h"

#include <string.h>

static struct account_session *find_session(struct account_record *account, const uint8_t *hash)
{
    for (unsigned i = 0; i < account->session_count; i++)
        if (memcmp(account->sessions[i].token_hash, hash, TOKEN_HASH_BYTES) == 0)
            return &account->sessions[i];
    return NULL;
}

static void drop_session(struct account_record *account, struct account_session *session)
{
    size_t place = (size_t)(session - account->sessions);

    account->session_count--;
    memmove(session, session + 1, (account->session_count - place) * sizeof(*session));
    memset(&account->sessions[account->session_count], 0, sizeof(*session));
}

static void changed(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    account->version++;
    if (!MUTANT(MARK_NOT_MOVED))
        effects_mark(step->effects, &account->principal);
    account_persist(step);
}

void account_end_sessions(const struct account_step *step, const uint8_t *kept_hash)
{
    struct account_record *account = &step->subject->account;
    unsigned kept = 0;

    if (MUTANT(RESET_KEEPS_SESSIONS))
        return;
    for (unsigned i = 0; i < account->session_count; i++) {
        if (kept_hash == NULL ||
            memcmp(account->sessions[i].token_hash, kept_hash, TOKEN_HASH_BYTES) != 0)
            continue;
        account->sessions[kept++] = account->sessions[i];
    }
    memset(&account->sessions[kept], 0,
           (ACCOUNT_SESSIONS_MAX - kept) * sizeof(account->sessions[0]));
    account->session_count = (uint8_t)kept;
}

/* What is past its time goes; it would be refused all the same. */
static void drop_expired(struct account_record *account, int64_t wall_ms)
{
    for (unsigned i = account->session_count; i-- > 0;)
        if (!account_has_time(wall_ms, account->sessions[i].expires_wall_ms))
            drop_session(account, &account->sessions[i]);
}

static void add_alias(struct account_record *account, const struct principal *guest,
                      int64_t wall_ms)
{
    struct account_alias *aliases = account->aliases;
    unsigned at = 0;

    while (at < account->alias_count && !principal_equal(&aliases[at].guest, guest))
        at++;
    if (at == ACCOUNT_ALIASES_MAX)
        at = 0;
    if (at < account->alias_count) { /* there, or the oldest: it goes to the end */
        account->alias_count--;
        memmove(&aliases[at], &aliases[at + 1], (account->alias_count - at) * sizeof(aliases[0]));
    }
    aliases[account->alias_count++] = (struct account_alias){.guest = *guest, .wall_ms = wall_ms};
}

/* Kept for good: of more guests than the account names, for its erasure. */
static void note_guest(const struct account_step *step, const struct principal *guest)
{
    const struct record_place *place = &step->subject->place;
    struct record *record = effects_record(step->effects, RECORD_GUEST_OF, place->partition, 0, 0);

    record->subject = place->subject;
    record->sequence = guest_of_sequence(guest);
    record->guest_of.guest = *guest;
}

/* SESSION_OPEN has noted those that the account names. Of an erased one nobody looks for guests any
 * more, unless that begins anew. */
enum outcome account_guest_note(const struct account_step *step)
{
    const struct account_record *account = &step->subject->account;
    const struct principal *guest = &step->envelope->guest;

    for (unsigned i = 0; i < account->alias_count; i++)
        if (principal_equal(&account->aliases[i].guest, guest))
            return OUTCOME_OK;
    note_guest(step, guest);
    if (account->state == ACCOUNT_ERASED)
        account_begin_erasure(step);
    return OUTCOME_OK;
}

enum outcome account_session_check(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    struct account_session *session = find_session(account, step->envelope->hash);

    if (session == NULL || account->state != ACCOUNT_ACTIVE ||
        (!account_has_time(step->moment->wall_ms, session->expires_wall_ms) &&
         !MUTANT(SESSION_NEVER_EXPIRES)))
        return OUTCOME_NOT_FOUND;
    step->envelope->session = (uint32_t)(session - account->sessions);
    step->envelope->id = session->id;
    return OUTCOME_OK;
}

enum outcome account_session_open(const struct account_step *step)
{
    struct account_envelope *envelope = step->envelope;
    struct account_record *account = &step->subject->account;
    struct account_session *session;

    if (account->state != ACCOUNT_ACTIVE ||
        (account->credentials != envelope->credentials && !MUTANT(OLD_PASSWORD_OPENS)))
        return OUTCOME_STALE;
    assert(envelope->sealed_length <= SEALED_AGENT_MAX && envelope->lifetime_ms > 0);
    session = find_session(account, envelope->hash);
    if (session == NULL) {
        drop_expired(account, step->moment->wall_ms);
        if (account->session_count == ACCOUNT_SESSIONS_MAX)
            drop_session(account, &account->sessions[0]);
        session = &account->sessions[account->session_count++];
        memcpy(session->token_hash, envelope->hash, TOKEN_HASH_BYTES);
        session->id = account->next_id++;
        session->created_wall_ms = step->moment->wall_ms;
        session->expires_wall_ms = step->moment->wall_ms + envelope->lifetime_ms;
        session->second_factor = envelope->second_factor;
        session->agent_length = (uint8_t)envelope->sealed_length;
        memcpy(session->agent, envelope->sealed, envelope->sealed_length);
    }
    if (envelope->has_guest) {
        add_alias(account, &envelope->guest, step->moment->wall_ms);
        note_guest(step, &envelope->guest);
    }
    envelope->session = (uint32_t)(session - account->sessions);
    envelope->id = session->id;
    changed(step);
    return OUTCOME_OK;
}

enum outcome account_session_close(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    struct account_session *session = NULL;

    if (step->envelope->id == 0)
        session = find_session(account, step->envelope->hash);
    for (unsigned i = 0; i < account->session_count && step->envelope->id != 0; i++)
        if (account->sessions[i].id == step->envelope->id)
            session = &account->sessions[i];
    if (session == NULL)
        return OUTCOME_OK;
    if (!MUTANT(LOGOUT_KEEPS_SESSION))
        drop_session(account, session);
    changed(step);
    return OUTCOME_OK;
}

enum outcome account_session_close_all(const struct account_step *step)
{
    account_end_sessions(step, MUTANT(CLOSE_ALL_CLOSES_OWN) ? NULL : step->envelope->hash);
    changed(step);
    return OUTCOME_OK;
}
