/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on an account but its sessions': tokens, password, address, profile, second factor, mails,
 * erasure. */
#include "account_private.h"

#include <string.h>

/* The account changed as its owner sees it; what is cached of it goes. */
static enum outcome changed(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    account->version++;
    account_enqueue_mail(step);
    if (!MUTANT(MARK_NOT_MOVED))
        effects_mark(step->effects, &account->principal);
    account_persist(step);
    return OUTCOME_OK;
}

/* ---- one-use tokens ---- */

static bool token_is_good(const struct account_step *step, enum token_purpose purpose)
{
    const struct account_token *token = &step->subject->account.tokens[purpose];

    return token->expires_wall_ms != 0 &&
           (account_has_time(step->moment->wall_ms, token->expires_wall_ms) ||
            MUTANT(TOKEN_NEVER_EXPIRES)) &&
           memcmp(token->hash, step->envelope->hash, TOKEN_HASH_BYTES) == 0;
}

static void spend_token(const struct account_step *step, enum token_purpose purpose)
{
    if (!MUTANT(TOKEN_USED_TWICE))
        step->subject->account.tokens[purpose] = (struct account_token){0};
}

static void set_token(const struct account_step *step, enum token_purpose purpose)
{
    struct account_token *token = &step->subject->account.tokens[purpose];

    assert(step->envelope->lifetime_ms > 0);
    memcpy(token->hash, step->envelope->hash, TOKEN_HASH_BYTES);
    token->expires_wall_ms = step->moment->wall_ms + step->envelope->lifetime_ms;
}

static enum outcome token_issue(const struct account_step *step)
{
    assert(step->envelope->purpose < TOKEN_PURPOSE_COUNT);
    set_token(step, (enum token_purpose)step->envelope->purpose);
    return changed(step);
}

static void set_verified(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    account->state = ACCOUNT_ACTIVE;
    if (account->verified_wall_ms == 0)
        account->verified_wall_ms = step->moment->wall_ms;
}

static enum outcome verify(const struct account_step *step)
{
    if (!token_is_good(step, TOKEN_VERIFY))
        return OUTCOME_TOKEN_INVALID;
    spend_token(step, TOKEN_VERIFY);
    set_verified(step);
    return changed(step);
}

/* ---- the password ---- */

static void set_password(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    assert(step->envelope->password_length >= 1 &&
           step->envelope->password_length <= PASSWORD_HASH_MAX);
    memset(account->password_hash, 0, sizeof(account->password_hash));
    memcpy(account->password_hash, step->envelope->password_hash, step->envelope->password_length);
    account->password_length = step->envelope->password_length;
}

static void forget_new_email(struct account_record *account)
{
    account->tokens[TOKEN_CHANGE_EMAIL] = (struct account_token){0};
    memset(account->new_email, 0, sizeof(account->new_email));
    memset(account->new_email_index, 0, sizeof(account->new_email_index));
    account->new_email_length = 0;
    account->has_new_email = 0;
}

/* Who knew the password before keeps no way back in: neither by a mail that is on its way, nor by
 * an address that is to become the account's. */
static void renew_credentials(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    account->credentials++;
    account->password_wall_ms = step->moment->wall_ms;
    account->tokens[TOKEN_RESET] = (struct account_token){0};
    account->tokens[TOKEN_INVITE] = (struct account_token){0};
    forget_new_email(account);
}

/* Whoever got the mail has shown that the address is theirs. */
static enum outcome password_reset(const struct account_step *step)
{
    enum token_purpose purpose = (enum token_purpose)step->envelope->purpose;

    assert(purpose == TOKEN_RESET || purpose == TOKEN_INVITE);
    if (!token_is_good(step, purpose))
        return OUTCOME_TOKEN_INVALID;
    spend_token(step, purpose);
    set_password(step);
    if (!MUTANT(TOKEN_USED_TWICE))
        renew_credentials(step);
    set_verified(step);
    account_end_sessions(step, NULL);
    return changed(step);
}

static enum outcome password_change(const struct account_step *step)
{
    if (step->subject->account.credentials != step->envelope->credentials)
        return OUTCOME_STALE;
    set_password(step);
    renew_credentials(step);
    account_end_sessions(step, step->envelope->hash);
    return changed(step);
}

static enum outcome password_rehash(const struct account_step *step)
{
    if (step->subject->account.credentials != step->envelope->credentials)
        return OUTCOME_STALE;
    set_password(step);
    account_persist(step);
    return OUTCOME_OK;
}

/* ---- the address ---- */

static enum outcome email_change(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    const struct account_envelope *envelope = step->envelope;

    assert(envelope->email_length >= 1 && envelope->email_length <= SEALED_EMAIL_MAX);
    memcpy(account->new_email_index, envelope->index, sizeof(account->new_email_index));
    memset(account->new_email, 0, sizeof(account->new_email));
    memcpy(account->new_email, envelope->email, envelope->email_length);
    account->new_email_length = envelope->email_length;
    account->has_new_email = 1;
    set_token(step, TOKEN_CHANGE_EMAIL);
    return changed(step);
}

/* The caller has claimed the new address for this account, so that nobody else can have it. */
static enum outcome email_confirm(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    struct account_envelope *envelope = step->envelope;

    if (!account->has_new_email || !token_is_good(step, TOKEN_CHANGE_EMAIL) ||
        memcmp(account->new_email_index, envelope->index, EMAIL_INDEX_BYTES) != 0)
        return OUTCOME_TOKEN_INVALID;
    memcpy(envelope->old_index, account->email_index, EMAIL_INDEX_BYTES);
    envelope->has_old_index = 1;
    memcpy(account->email_index, account->new_email_index, EMAIL_INDEX_BYTES);
    memcpy(account->email, account->new_email, sizeof(account->email));
    account->email_length = account->new_email_length;
    forget_new_email(account);
    account->tokens[TOKEN_RESET] = (struct account_token){0}; /* they went to the old address */
    account->tokens[TOKEN_INVITE] = (struct account_token){0};
    set_verified(step);
    return changed(step);
}

/* ---- profile ---- */

static enum outcome name_set(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    assert(step->envelope->sealed_length <= SEALED_NAME_MAX);
    memset(account->name, 0, sizeof(account->name));
    memcpy(account->name, step->envelope->sealed, step->envelope->sealed_length);
    account->name_length = step->envelope->sealed_length;
    return changed(step);
}

static struct account_address *find_address(struct account_record *account, uint64_t id)
{
    for (unsigned i = 0; i < account->address_count; i++)
        if (account->addresses[i].id == id)
            return &account->addresses[i];
    return NULL;
}

static enum outcome address_write(const struct account_step *step, struct account_address *address)
{
    assert(step->envelope->sealed_length >= 1 &&
           step->envelope->sealed_length <= SEALED_ADDRESS_MAX);
    memset(address->sealed, 0, sizeof(address->sealed));
    memcpy(address->sealed, step->envelope->sealed, step->envelope->sealed_length);
    address->length = step->envelope->sealed_length;
    return changed(step);
}

static enum outcome address_add(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    struct account_address *address = find_address(account, step->envelope->id);

    assert(row_number_is_valid(step->envelope->id));
    if (address == NULL) {
        if (account->address_count == ACCOUNT_ADDRESSES_MAX)
            return OUTCOME_FULL;
        address = &account->addresses[account->address_count++];
        address->id = step->envelope->id;
    }
    return address_write(step, address);
}

static enum outcome address_set(const struct account_step *step)
{
    struct account_address *address = find_address(&step->subject->account, step->envelope->id);

    return address == NULL ? OUTCOME_NOT_FOUND : address_write(step, address);
}

static enum outcome address_remove(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    struct account_address *address = find_address(account, step->envelope->id);

    if (address == NULL)
        return OUTCOME_OK;
    account->address_count--;
    memmove(address, address + 1,
            (size_t)(&account->addresses[account->address_count] - address) * sizeof(*address));
    memset(&account->addresses[account->address_count], 0, sizeof(*address));
    return changed(step);
}

/* ---- staff, second factor ---- */

static enum outcome role_set(const struct account_step *step)
{
    assert(step->envelope->role < ROLE_COUNT);
    step->subject->account.role = step->envelope->role;
    step->subject->account.credentials += !MUTANT(ROLE_KEEPS_CREDENTIALS);
    step->subject->account.tokens[TOKEN_INVITE] = (struct account_token){0};
    account_end_sessions(step, NULL);
    return changed(step);
}

static enum outcome totp_set(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    const struct account_envelope *envelope = step->envelope;

    assert(envelope->sealed_length <= SEALED_TOTP_MAX &&
           envelope->recovery_count <= ACCOUNT_RECOVERY_CODES);
    memset(account->totp, 0, sizeof(account->totp));
    memcpy(account->totp, envelope->sealed, envelope->sealed_length);
    account->totp_length = (uint8_t)envelope->sealed_length;
    account->totp_step = envelope->totp_step;
    memset(account->recovery, 0, sizeof(account->recovery));
    memcpy(account->recovery, envelope->recovery,
           envelope->recovery_count * sizeof(account->recovery[0]));
    account->recovery_count = envelope->recovery_count;
    account->credentials++;
    account_end_sessions(step, envelope->hash);
    return changed(step);
}

static enum outcome totp_use(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    if (account->totp_length == 0 ||
        (step->envelope->totp_step <= account->totp_step && !MUTANT(CODE_USED_TWICE)))
        return OUTCOME_TOKEN_INVALID;
    account->totp_step = step->envelope->totp_step;
    account_persist(step);
    return OUTCOME_OK;
}

static enum outcome recovery_use(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    for (unsigned i = 0; i < account->recovery_count; i++) {
        if (memcmp(account->recovery[i], step->envelope->recovery[0], RECOVERY_CODE_HASH_BYTES) !=
            0)
            continue;
        if (MUTANT(RECOVERY_CODE_KEPT))
            return changed(step);
        account->recovery_count--;
        memmove(account->recovery[i], account->recovery[i + 1],
                (account->recovery_count - i) * sizeof(account->recovery[0]));
        memset(account->recovery[account->recovery_count], 0, sizeof(account->recovery[0]));
        return changed(step);
    }
    return OUTCOME_TOKEN_INVALID;
}

/* ---- the key, the end ---- */

static enum outcome key_rewrap(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;

    if (account->version != step->envelope->version && !MUTANT(REWRAP_AFTER_ERASURE))
        return OUTCOME_STALE;
    assert(step->envelope->key.length >= 1);
    step->subject->key = step->envelope->key;
    account_persist_key(step);
    return changed(step);
}

/* A mail that says goodbye has a key of its own, which is all that is left to open anything by. */
static void say_goodbye(const struct account_step *step)
{
    if (step->envelope->sealed_mail_length == 0)
        return;
    assert(step->envelope->key.length >= 1);
    step->subject->key = step->envelope->key;
    step->subject->account.goodbye = step->envelope->mail;
    account_persist_key(step);
}

/* Its orders and carts, and its guests', are elsewhere: whoever hosts it goes through them, until
 * that is done. */
void account_begin_erasure(const struct account_step *step)
{
    const struct record_place *place = &step->subject->place;
    struct record *record = effects_record(step->effects, RECORD_ERASURE, place->partition, 0, 0);

    record->subject = place->subject;
    record->erasure.account = step->subject->account.principal;
    record->erasure.wall_ms = step->moment->wall_ms;
}

/* With the key goes everything that was sealed under it, wherever a copy of that may be; what was
 * sold keeps its principal, which now names nobody. Mails that wait can't be read any more. */
static enum outcome erase(const struct account_step *step)
{
    struct account_record *account = &step->subject->account;
    struct account_envelope *envelope = step->envelope;
    struct account_record kept = {.principal = account->principal,
                                  .state = ACCOUNT_ERASED,
                                  .next_id = account->next_id,
                                  .credentials = account->credentials + 1,
                                  .version = account->version,
                                  .created_wall_ms = account->created_wall_ms};

    if (account->state == ACCOUNT_ERASED) {
        envelope->mail = 0;
        return OUTCOME_OK;
    }
    memcpy(envelope->old_index, account->email_index, EMAIL_INDEX_BYTES);
    envelope->has_old_index = 1;
    step->subject->key = (struct account_key_record){0};
    if (!MUTANT(ERASURE_KEEPS_KEY))
        account_persist_key(step);
    step->effects->erases = true;
    *account = kept;
    say_goodbye(step);
    if (!MUTANT(ERASURE_KEEPS_ORDERS))
        account_begin_erasure(step);
    return changed(step);
}

/* Forgetting may be repeated, and so may this. */
static enum outcome erasure_end(const struct account_step *step)
{
    const struct account_envelope *envelope = step->envelope;
    struct record *record;

    if (step->subject->account.state != ACCOUNT_ERASED)
        return OUTCOME_STALE;
    record = effects_record(step->effects, envelope->has_guest ? RECORD_GUEST_OF : RECORD_ERASURE,
                            step->subject->place.partition, 0, 0);
    record->operation = RECORD_DELETE;
    record->subject = step->subject->place.subject;
    if (envelope->has_guest)
        record->sequence = guest_of_sequence(&envelope->guest);
    return OUTCOME_OK;
}

/* A token that is good still may verify it yet. */
static enum outcome lapse(const struct account_step *step)
{
    const struct account_record *account = &step->subject->account;
    int64_t wall_ms = step->moment->wall_ms;
    int64_t since_ms = account->password_wall_ms > account->created_wall_ms
                           ? account->password_wall_ms /* registered again */
                           : account->created_wall_ms;

    if (account->state != ACCOUNT_PENDING || account->role != ROLE_CUSTOMER)
        return OUTCOME_STALE;
    if (MUTANT(PENDING_LAPSES_EARLY))
        return erase(step);
    if (wall_ms - since_ms <= ACCOUNT_PENDING_S * 1000LL)
        return OUTCOME_STALE;
    for (unsigned i = 0; i < TOKEN_PURPOSE_COUNT; i++)
        if (account_has_time(wall_ms, account->tokens[i].expires_wall_ms))
            return OUTCOME_STALE;
    return erase(step);
}

/* ---- mails ---- */

static struct record *mail_record_put(const struct account_step *step)
{
    const struct record_place *place = &step->subject->place;
    struct record *record = effects_record(step->effects, RECORD_MAIL, place->partition, 0, 0);

    record->subject = place->subject;
    record->sequence = step->envelope->mail;
    return record;
}

/* It is no more; and with an erased account's goodbye goes its key. */
static enum outcome mail_end(const struct account_step *step, struct record *record,
                             struct mail_effect effect)
{
    record->operation = RECORD_DELETE;
    effects_mail(step->effects, effect);
    if (account_can_say_goodbye(&step->subject->account, &step->subject->key, effect.sequence)) {
        step->subject->key = (struct account_key_record){0};
        account_persist_key(step);
        step->effects->erases = true;
    }
    return OUTCOME_OK;
}

/* Of an erased account nothing is kept that was refused, and no mail but the one that says so. */
static bool mail_is_over(const struct account_step *step)
{
    const struct account_envelope *envelope = step->envelope;
    const struct account_subject *subject = step->subject;

    if (envelope->mail_result == MAIL_DELIVERED)
        return true;
    return subject->account.state == ACCOUNT_ERASED &&
           (envelope->mail_result == MAIL_REFUSED ||
            !account_can_say_goodbye(&subject->account, &subject->key, envelope->mail));
}

/* The caller has the mail's record, and brings it back with what became of it. */
static enum outcome mail_result(const struct account_step *step)
{
    struct account_envelope *envelope = step->envelope;
    struct mail_effect effect = {.account = step->subject->account.principal,
                                 .sequence = envelope->mail};
    struct record *record;

    assert(row_number_is_valid(envelope->mail));
    record = mail_record_put(step);
    if (mail_is_over(step))
        return mail_end(step, record, effect);
    record->mail.state = envelope->mail_result == MAIL_REFUSED ? MAIL_DEAD : MAIL_WAITING;
    record->mail.template = envelope->mail_template;
    record->mail.attempts = envelope->mail_attempts;
    record->mail.created_wall_ms = envelope->mail_created_wall_ms;
    record->mail.next_wall_ms = step->moment->wall_ms + envelope->retry_ms;
    memcpy(record->mail.reason, envelope->reason, sizeof(record->mail.reason) - 1);
    record->mail.sealed_length = envelope->sealed_mail_length;
    memcpy(record->mail.sealed, envelope->sealed_mail, envelope->sealed_mail_length);
    effect.next_wall_ms = record->mail.next_wall_ms;
    effect.is_dead = record->mail.state == MAIL_DEAD;
    effects_mail(step->effects, effect);
    return OUTCOME_OK;
}

enum outcome account_call_run(const struct account_step *step)
{
    static enum outcome (*const calls[ACCOUNT_CALL_COUNT])(const struct account_step *step) = {
        [ACCOUNT_CALL_SESSION_CHECK] = account_session_check,
        [ACCOUNT_CALL_SESSION_OPEN] = account_session_open,
        [ACCOUNT_CALL_SESSION_CLOSE] = account_session_close,
        [ACCOUNT_CALL_SESSION_CLOSE_ALL] = account_session_close_all,
        [ACCOUNT_CALL_TOKEN_ISSUE] = token_issue,
        [ACCOUNT_CALL_VERIFY] = verify,
        [ACCOUNT_CALL_PASSWORD_RESET] = password_reset,
        [ACCOUNT_CALL_PASSWORD_CHANGE] = password_change,
        [ACCOUNT_CALL_PASSWORD_REHASH] = password_rehash,
        [ACCOUNT_CALL_EMAIL_CHANGE] = email_change,
        [ACCOUNT_CALL_EMAIL_CONFIRM] = email_confirm,
        [ACCOUNT_CALL_NAME_SET] = name_set,
        [ACCOUNT_CALL_ADDRESS_ADD] = address_add,
        [ACCOUNT_CALL_ADDRESS_SET] = address_set,
        [ACCOUNT_CALL_ADDRESS_REMOVE] = address_remove,
        [ACCOUNT_CALL_ROLE_SET] = role_set,
        [ACCOUNT_CALL_TOTP_SET] = totp_set,
        [ACCOUNT_CALL_TOTP_USE] = totp_use,
        [ACCOUNT_CALL_RECOVERY_USE] = recovery_use,
        [ACCOUNT_CALL_KEY_REWRAP] = key_rewrap,
        [ACCOUNT_CALL_ERASE] = erase,
        [ACCOUNT_CALL_LAPSE] = lapse,
        [ACCOUNT_CALL_MAIL_RESULT] = mail_result,
        [ACCOUNT_CALL_GUEST_NOTE] = account_guest_note,
        [ACCOUNT_CALL_ERASURE_END] = erasure_end,
    };
    /* What only whoever knows the password may ask for: it must be the password still. */
    static const bool needs_proof[ACCOUNT_CALL_COUNT] = {
        [ACCOUNT_CALL_EMAIL_CHANGE] = true, [ACCOUNT_CALL_TOTP_SET] = true,
        [ACCOUNT_CALL_TOTP_USE] = true,     [ACCOUNT_CALL_RECOVERY_USE] = true,
        [ACCOUNT_CALL_ERASE] = true,
    };
    struct account_record *account = &step->subject->account;
    struct account_before before = account_audit_before(account);
    enum account_call call = (enum account_call)step->envelope->call;
    enum outcome outcome = OUTCOME_OK;

    if (account->state == ACCOUNT_NONE)
        return OUTCOME_NOT_FOUND;
    if (account->state == ACCOUNT_ERASED && call != ACCOUNT_CALL_GET &&
        call != ACCOUNT_CALL_ERASE && call != ACCOUNT_CALL_MAIL_RESULT &&
        call != ACCOUNT_CALL_ERASURE_END && call != ACCOUNT_CALL_GUEST_NOTE &&
        !(call == ACCOUNT_CALL_KEY_REWRAP &&
          (step->subject->key.length > 0 || MUTANT(REWRAP_AFTER_ERASURE))))
        return OUTCOME_NOT_FOUND;
    if (needs_proof[call] && !MUTANT(PROOF_NOT_COMPARED) && step->envelope->credentials != 0 &&
        step->envelope->credentials != account->credentials && account->state != ACCOUNT_ERASED)
        return OUTCOME_STALE;
    if (calls[call] != NULL)
        outcome = calls[call](step);
    if (outcome == OUTCOME_OK) {
        account_audit(step, &before);
        step->envelope->view = *account;
        step->envelope->key = step->subject->key;
    }
    return outcome;
}
