/* SPDX-License-Identifier: Apache-2.0 */
/* What account*.c share and nobody else needs. */
#ifndef STAMPEDE_ACCOUNT_PRIVATE_H
#define STAMPEDE_ACCOUNT_PRIVATE_H

#include "account.h"
#include "mutants.h"

struct account_step {
    struct account_subject *subject;
    const struct account_context *context;
    const struct moment *moment;
    struct account_envelope *envelope;
    struct effects *effects;
};

/* account.c: writing what changed. */
void account_persist(const struct account_step *step);
void account_persist_key(const struct account_step *step);
/* Enqueues the mail that the envelope brings, if it brings one. */
void account_enqueue_mail(const struct account_step *step);

/* account_audit.c: entries in the audit log. */
struct account_before { /* what a call changed is told by */
    uint8_t state;
    uint8_t role;
    uint8_t session_count;
    uint8_t recovery_count;
    uint8_t totp_length;
    uint32_t next_id;
};
struct account_before account_audit_before(const struct account_record *account);
/* After a call on an account that ended OK. */
void account_audit(const struct account_step *step, const struct account_before *before);
void account_audit_registered(const struct account_step *step);

/* account_calls.c: calls on an account; a function a call. */
enum outcome account_call_run(const struct account_step *step);
/* account_calls.c */
/* What was known of a person is looked for, everywhere. */
void account_begin_erasure(const struct account_step *step);

/* account_session.c */
enum outcome account_session_check(const struct account_step *step);
enum outcome account_session_open(const struct account_step *step);
enum outcome account_guest_note(const struct account_step *step);
enum outcome account_session_close(const struct account_step *step);
enum outcome account_session_close_all(const struct account_step *step);
/* Ends all sessions but the one of this token (NULL: all); what is cached of them goes too. */
void account_end_sessions(const struct account_step *step, const uint8_t *kept_hash);

static inline bool account_has_time(int64_t wall_ms, int64_t expires_wall_ms)
{
    return wall_ms < expires_wall_ms;
}

#endif
