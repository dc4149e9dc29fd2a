/* SPDX-License-Identifier: Apache-2.0 */
/* What is entered in the audit log of what happens to accounts. */
#include "account_private.h"

#include <string.h>

struct account_before account_audit_before(const struct account_record *account)
{
    return (struct account_before){.state = account->state,
                                   .role = account->role,
                                   .session_count = account->session_count,
                                   .recovery_count = account->recovery_count,
                                   .totp_length = account->totp_length,
                                   .next_id = account->next_id};
}

static const char *role_name(uint8_t role)
{
    static const char *const names[ROLE_COUNT] = {
#define X(name, text) [ROLE_##name] = text,
        ACCOUNT_ROLES(X)
#undef X
    };

    assert(role < ROLE_COUNT);
    return names[role];
}

static struct audit_record *enter(const struct account_step *step, enum audit_act act)
{
    const struct principal *principal = &step->subject->account.principal;

    return audit_add(step->effects, step->subject->place.partition, step->moment,
                     &step->envelope->origin, act, AUDIT_OF_ACCOUNT, principal->bytes,
                     sizeof(principal->bytes));
}

static void enter_role(const struct account_step *step, const struct account_before *before)
{
    bool is_removed = before->role != ROLE_CUSTOMER && step->envelope->role == ROLE_CUSTOMER;
    struct audit_record *entry = enter(step, is_removed ? AUDIT_STAFF_REMOVED : AUDIT_ROLE_CHANGED);

    audit_set_word(&entry->before, role_name(before->role));
    if (!is_removed)
        audit_set_word(&entry->after, role_name(step->envelope->role));
}

static void enter_second_factor(const struct account_step *step,
                                const struct account_before *before)
{
    uint8_t now = step->subject->account.totp_length;

    if (now != 0)
        enter(step, AUDIT_SECOND_FACTOR_ON);
    else if (before->totp_length != 0)
        enter(step, AUDIT_SECOND_FACTOR_OFF);
}

static void enter_recovery(const struct account_step *step, const struct account_before *before)
{
    struct audit_record *entry = enter(step, AUDIT_RECOVERY_CODE_USED);

    audit_set_number(&entry->before, before->recovery_count);
    audit_set_number(&entry->after, step->subject->account.recovery_count);
}

static void enter_erasure(const struct account_step *step, const struct account_before *before)
{
    if (before->state == ACCOUNT_ERASED)
        return;
    if (before->role == ROLE_CUSTOMER)
        enter(step, AUDIT_ACCOUNT_ERASED);
    else
        audit_set_word(&enter(step, AUDIT_STAFF_REMOVED)->before, role_name(before->role));
}

static void enter_invitation(const struct account_step *step)
{
    audit_set_word(&enter(step, AUDIT_STAFF_INVITED)->after,
                   role_name(step->subject->account.role));
}

void account_audit_registered(const struct account_step *step)
{
    if (step->subject->account.role == ROLE_CUSTOMER)
        enter(step, AUDIT_ACCOUNT_REGISTERED);
    else
        enter_invitation(step);
}

/* Of a session that was opened; the same call again opens no other. */
static void enter_login(const struct account_step *step, const struct account_before *before)
{
    if (step->subject->account.next_id != before->next_id)
        audit_set_number(&enter(step, AUDIT_LOGGED_IN)->after, (int64_t)step->envelope->id);
}

static void enter_replay(const struct account_step *step)
{
    char number[ROW_TEXT_LENGTH + 1];

    row_number_format(step->envelope->mail, number);
    audit_set_word(&enter(step, AUDIT_MAIL_REPLAYED)->after, number);
}

void account_audit(const struct account_step *step, const struct account_before *before)
{
    bool by_staff = origin_is_staff(&step->envelope->origin);

    switch ((int)step->envelope->call) {
    case ACCOUNT_CALL_VERIFY:
        enter(step, AUDIT_EMAIL_VERIFIED);
        break;
    case ACCOUNT_CALL_SESSION_OPEN:
        enter_login(step, before);
        break;
    case ACCOUNT_CALL_LOGIN_REFUSED:
        if (step->subject->account.role != ROLE_CUSTOMER)
            enter(step, AUDIT_LOGIN_REFUSED);
        break;
    case ACCOUNT_CALL_SESSION_CLOSE:
        if (step->subject->account.session_count < before->session_count)
            enter(step, AUDIT_LOGGED_OUT);
        break;
    case ACCOUNT_CALL_SESSION_CLOSE_ALL:
        enter(step, AUDIT_SESSIONS_ENDED);
        break;
    case ACCOUNT_CALL_TOKEN_ISSUE:
        if (step->envelope->purpose == TOKEN_INVITE)
            enter_invitation(step);
        break;
    case ACCOUNT_CALL_PASSWORD_RESET:
        enter(step, AUDIT_PASSWORD_RESET);
        break;
    case ACCOUNT_CALL_PASSWORD_CHANGE:
        enter(step, AUDIT_PASSWORD_CHANGED);
        break;
    case ACCOUNT_CALL_EMAIL_CONFIRM: /* which ones is not kept: that would outlive an erasure */
        enter(step, AUDIT_EMAIL_CHANGED);
        break;
    case ACCOUNT_CALL_NAME_SET:
    case ACCOUNT_CALL_ADDRESS_ADD:
    case ACCOUNT_CALL_ADDRESS_SET:
    case ACCOUNT_CALL_ADDRESS_REMOVE:
        if (by_staff)
            enter(step, AUDIT_PROFILE_CHANGED);
        break;
    case ACCOUNT_CALL_ROLE_SET:
        enter_role(step, before);
        break;
    case ACCOUNT_CALL_TOTP_SET:
        enter_second_factor(step, before);
        break;
    case ACCOUNT_CALL_RECOVERY_USE:
        enter_recovery(step, before);
        break;
    case ACCOUNT_CALL_KEY_REWRAP:
        enter(step, AUDIT_KEY_ROTATED);
        break;
    case ACCOUNT_CALL_ERASE:
    case ACCOUNT_CALL_LAPSE:
        enter_erasure(step, before);
        break;
    case ACCOUNT_CALL_MAIL_RESULT:
        if (by_staff)
            enter_replay(step);
        break;
    default: /* changes nothing that anyone would ask about */
        break;
    }
}
