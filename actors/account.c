/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts' actors: where a call goes, the entries of addresses and guests, records. Calls on
 * an account itself are in account_calls.c and account_session.c. */
#include "account_private.h"

#include <string.h>

#include "session.h"

enum account_subject_kind account_call_subject(enum account_call call)
{
    static const uint8_t subjects[ACCOUNT_CALL_COUNT] = {
#define X(name, subject) [ACCOUNT_CALL_##name] = SUBJECT_##subject,
        ACCOUNT_CALLS(X)
#undef X
    };

    assert((unsigned)call < ACCOUNT_CALL_COUNT);
    return (enum account_subject_kind)subjects[call];
}

const char *account_call_name(enum account_call call)
{
    static const char *const names[ACCOUNT_CALL_COUNT] = {
#define X(name, subject) [ACCOUNT_CALL_##name] = #name,
        ACCOUNT_CALLS(X)
#undef X
    };

    assert((unsigned)call < ACCOUNT_CALL_COUNT);
    return names[call];
}

bool account_place(const struct account_envelope *envelope, const struct hash_key *id_key,
                   uint32_t partitions, struct record_place *place_out)
{
    switch (account_call_subject((enum account_call)envelope->call)) {
    case SUBJECT_EMAIL:
        *place_out = record_place_of(envelope->index, partitions);
        return true;
    case SUBJECT_GUEST:
        *place_out = record_place_of(envelope->guest.bytes, partitions);
        return true;
    case SUBJECT_ACCOUNT:
    default:
        *place_out = (struct record_place){0};
        return account_principal_parse(&envelope->account, id_key, &place_out->partition,
                                       &place_out->subject) &&
               place_out->partition < partitions;
    }
}

/* ---- subjects ---- */

void account_subject_init(struct account_subject *subject, enum account_subject_kind kind,
                          const struct record_place *place)
{
    memset(subject, 0, sizeof(*subject));
    subject->kind = (uint8_t)kind;
    subject->place = *place;
}

void account_subject_load(struct account_subject *subject, const struct record *record)
{
    switch ((enum account_subject_kind)subject->kind) {
    case SUBJECT_EMAIL:
        assert(record->kind == RECORD_EMAIL);
        subject->email = record->email;
        break;
    case SUBJECT_GUEST:
        assert(record->kind == RECORD_ALIAS);
        subject->alias = record->alias;
        break;
    case SUBJECT_ACCOUNT:
        assert(record->kind == RECORD_ACCOUNT || record->kind == RECORD_ACCOUNT_KEY);
        if (record->kind == RECORD_ACCOUNT)
            subject->account = record->account;
        else
            subject->key = record->account_key;
        break;
    }
}

bool account_can_say_goodbye(const struct account_record *account,
                             const struct account_key_record *key, uint64_t mail)
{
    return account->state == ACCOUNT_ERASED && key->length > 0 && mail == account->goodbye;
}

/* ---- records ---- */

static struct record *put(const struct account_step *step, enum record_kind kind)
{
    const struct record_place *place = &step->subject->place;
    struct record *record = effects_record(step->effects, kind, place->partition, 0, 0);

    record->subject = place->subject;
    record->sequence = place->sequence;
    return record;
}

void account_persist(const struct account_step *step)
{
    put(step, RECORD_ACCOUNT)->account = step->subject->account;
}

void account_persist_key(const struct account_step *step)
{
    struct record *record = put(step, RECORD_ACCOUNT_KEY);

    record->sequence = step->subject->account.state == ACCOUNT_ERASED;
    record->account_key = step->subject->key;
    if (step->subject->key.length == 0)
        record->operation = RECORD_DELETE;
}

void account_enqueue_mail(const struct account_step *step)
{
    const struct account_envelope *envelope = step->envelope;
    const struct account_record *account = &step->subject->account;
    struct record *record;

    if (envelope->sealed_mail_length == 0)
        return;
    assert(envelope->sealed_mail_length <= SEALED_MAIL_MAX && row_number_is_valid(envelope->mail));
    record = put(step, RECORD_MAIL);
    record->sequence = envelope->mail;
    record->mail.state = MAIL_WAITING;
    record->mail.template = envelope->mail_template;
    record->mail.created_wall_ms = step->moment->wall_ms;
    record->mail.next_wall_ms = step->moment->wall_ms;
    record->mail.sealed_length = envelope->sealed_mail_length;
    memcpy(record->mail.sealed, envelope->sealed_mail, envelope->sealed_mail_length);
    effects_mail(step->effects, (struct mail_effect){.account = account->principal,
                                                     .sequence = envelope->mail,
                                                     .next_wall_ms = step->moment->wall_ms});
}

/* ---- the entry of an address ---- */

static bool is_taken(const struct account_subject *subject)
{
    return !principal_is_nobody(&subject->email.account) && !MUTANT(EMAIL_TWICE);
}

static void give_address(const struct account_step *step, const struct principal *account)
{
    struct email_record *email = &step->subject->email;

    memcpy(email->index, step->envelope->index, sizeof(email->index));
    email->account = *account;
    put(step, RECORD_EMAIL)->email = *email;
}

static enum outcome email_find(const struct account_step *step)
{
    if (principal_is_nobody(&step->subject->email.account))
        return OUTCOME_NOT_FOUND;
    step->envelope->account = step->subject->email.account;
    return OUTCOME_OK;
}

static enum outcome email_claim(const struct account_step *step)
{
    const struct email_record *email = &step->subject->email;

    if (principal_equal(&email->account, &step->envelope->account))
        return OUTCOME_OK;
    if (is_taken(step->subject))
        return OUTCOME_EMAIL_TAKEN;
    give_address(step, &step->envelope->account);
    return OUTCOME_OK;
}

static enum outcome email_release(const struct account_step *step)
{
    struct email_record *email = &step->subject->email;

    if (!principal_equal(&email->account, &step->envelope->account) && !MUTANT(RELEASED_BY_ANYBODY))
        return OUTCOME_OK;
    put(step, RECORD_EMAIL)->operation = RECORD_DELETE;
    *email = (struct email_record){0};
    return OUTCOME_OK;
}

/* A number is given once, whether it is used then or not. */
static enum outcome email_prepare(const struct account_step *step)
{
    uint32_t partition = step->subject->place.partition;
    struct record *record;

    if (is_taken(step->subject)) {
        step->envelope->account = step->subject->email.account;
        return OUTCOME_EMAIL_TAKEN;
    }
    if (*step->context->next_number == UINT32_MAX)
        return OUTCOME_OVERLOADED;
    step->envelope->account =
        account_principal(partition, (*step->context->next_number)++, step->context->id_key);
    record = effects_record(step->effects, RECORD_FLOOR, partition, 0, 0);
    record->subject = FLOOR_ACCOUNTS;
    record->floor.next_sequence = *step->context->next_number;
    return OUTCOME_OK;
}

/* The account goes to the partition of its first address, so that both are recorded at once. */
static enum outcome email_register(const struct account_step *step)
{
    struct account_envelope *envelope = step->envelope;
    uint32_t partition = step->subject->place.partition;
    struct account_subject created;
    struct record_place place = {.partition = partition};
    struct account_step inner = *step;
    struct account_record *account = &created.account;

    if (is_taken(step->subject)) {
        envelope->account = step->subject->email.account;
        return OUTCOME_EMAIL_TAKEN;
    }
    assert(envelope->email_length >= 1 && envelope->email_length <= SEALED_EMAIL_MAX);
    assert(envelope->key.length >= 1 && envelope->password_length <= PASSWORD_HASH_MAX);
    if (!account_principal_parse(&envelope->account, step->context->id_key, &place.partition,
                                 &place.subject) ||
        place.partition != partition || place.subject >= *step->context->next_number)
        return OUTCOME_NOT_FOUND;
    account_subject_init(&created, SUBJECT_ACCOUNT, &place);
    inner.subject = &created;
    account->principal = envelope->account;
    account->state = envelope->verified ? ACCOUNT_ACTIVE : ACCOUNT_PENDING;
    account->role = envelope->role;
    account->next_id = 1;
    account->credentials = 1;
    account->version = 1;
    account->created_wall_ms = step->moment->wall_ms;
    account->verified_wall_ms = envelope->verified ? step->moment->wall_ms : 0;
    account->password_wall_ms = step->moment->wall_ms;
    memcpy(account->email_index, envelope->index, sizeof(account->email_index));
    account->email_length = envelope->email_length;
    memcpy(account->email, envelope->email, envelope->email_length);
    account->name_length = envelope->sealed_length;
    assert(envelope->sealed_length <= SEALED_NAME_MAX);
    memcpy(account->name, envelope->sealed, envelope->sealed_length);
    account->password_length = envelope->password_length;
    memcpy(account->password_hash, envelope->password_hash, envelope->password_length);
    created.key = envelope->key;
    if (envelope->lifetime_ms > 0) {
        struct account_token *token = &account->tokens[envelope->purpose];

        memcpy(token->hash, envelope->hash, sizeof(token->hash));
        token->expires_wall_ms = step->moment->wall_ms + envelope->lifetime_ms;
    }
    account_enqueue_mail(&inner);
    account_persist(&inner);
    account_persist_key(&inner);
    account_audit_registered(&inner);
    give_address(step, &account->principal);
    envelope->view = *account;
    return OUTCOME_OK;
}

/* ---- the entry of a guest ---- */

static enum outcome guest_check(const struct account_step *step)
{
    if (principal_is_nobody(&step->subject->alias.customer))
        return OUTCOME_NOT_FOUND;
    step->envelope->account = step->subject->alias.customer;
    return OUTCOME_OK;
}

static enum outcome guest_end(const struct account_step *step)
{
    struct alias_record *alias = &step->subject->alias;
    struct account_envelope *envelope = step->envelope;

    if (!principal_is_nobody(&alias->customer))
        return principal_equal(&alias->customer, &envelope->account) ? OUTCOME_OK : OUTCOME_STALE;
    alias->guest = envelope->guest;
    alias->customer = envelope->account;
    alias->ended_wall_ms = step->moment->wall_ms;
    if (!MUTANT(ALIAS_FORGOTTEN))
        put(step, RECORD_ALIAS)->alias = *alias;
    effects_mark(step->effects, &alias->guest);
    return OUTCOME_OK;
}

/* No token of the guest's can be good any more, whoever issued it. */
static enum outcome guest_forget(const struct account_step *step)
{
    struct alias_record *alias = &step->subject->alias;

    if (principal_is_nobody(&alias->customer))
        return OUTCOME_OK;
    if (step->moment->wall_ms - alias->ended_wall_ms <= GUEST_KEPT_S * 1000LL &&
        !MUTANT(GUEST_FORGOTTEN_EARLY))
        return OUTCOME_STALE;
    put(step, RECORD_ALIAS)->operation = RECORD_DELETE;
    *alias = (struct alias_record){0};
    return OUTCOME_OK;
}

/* ---- the step ---- */

enum outcome account_receive(struct account_subject *subject, const struct account_context *context,
                             const struct moment *moment, struct account_envelope *envelope,
                             struct effects *effects)
{
    static enum outcome (*const calls[ACCOUNT_CALL_COUNT])(const struct account_step *step) = {
        [ACCOUNT_CALL_EMAIL_FIND] = email_find,       [ACCOUNT_CALL_EMAIL_CLAIM] = email_claim,
        [ACCOUNT_CALL_REGISTER] = email_register,     [ACCOUNT_CALL_EMAIL_RELEASE] = email_release,
        [ACCOUNT_CALL_EMAIL_PREPARE] = email_prepare, [ACCOUNT_CALL_GUEST_CHECK] = guest_check,
        [ACCOUNT_CALL_GUEST_END] = guest_end,         [ACCOUNT_CALL_GUEST_FORGET] = guest_forget,
    };
    struct account_step step = {subject, context, moment, envelope, effects};

    assert(account_call_subject((enum account_call)envelope->call) == subject->kind);
    if (subject->kind == SUBJECT_ACCOUNT)
        return account_call_run(&step);
    /* The place has fewer bits than what it was made from: another's is nobody's, in truth. */
    if (subject->kind == SUBJECT_EMAIL && !principal_is_nobody(&subject->email.account) &&
        memcmp(subject->email.index, envelope->index, EMAIL_INDEX_BYTES) != 0)
        return envelope->call == ACCOUNT_CALL_EMAIL_RELEASE ? OUTCOME_OK : OUTCOME_OVERLOADED;
    if (subject->kind == SUBJECT_GUEST && !principal_is_nobody(&subject->alias.customer) &&
        !principal_equal(&subject->alias.guest, &envelope->guest))
        return envelope->call == ACCOUNT_CALL_GUEST_CHECK ? OUTCOME_NOT_FOUND : OUTCOME_STALE;
    return calls[envelope->call](&step);
}
