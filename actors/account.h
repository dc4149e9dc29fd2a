/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: three small actors that share one way of being called.
 *
 *   the e-mail entry   whose address it is; at most one account's (EMAIL records)
 *   the guest entry    whether a guest has become a customer, and who (ALIAS records)
 *   the account        sessions, addresses, one-use tokens, password (ACCOUNT, ACCOUNT_KEY)
 *
 *   account_receive(subject, context, moment, envelope) -> outcome, effects
 *
 * Pure: the subject (one of the three) was loaded before, time comes with the call.
 *
 * Invariants:
 *   1. An address belongs to at most one account; two registrations at once end with one.
 *   2. A one-use token is used once, by its hash, before it expires.
 *   3. A session that was closed never comes back; what ends sessions (a new password, a role, an
 *      erasure) ends all of them but the one that asked.
 *   4. A session is opened, and what needs the password is done, only for the credentials that were
 *      verified (`credentials`; 0: none had to be). Otherwise STALE, and nothing happened.
 *   5. A guest becomes one customer, once; that is known as long as a token of the guest's is good.
 *   6. Of an erased account nothing stays but its number, its version and that it is erased; and
 *      until it has gone out, is refused or is past its time, one mail that tells its owner so,
 *      under a key of its own.
 *   7. Whatever changes what a cached session says names its principal in effects->marks.
 *   8. What account_audit.c names has an entry in the audit log, written with its effect.
 *
 * A registration: EMAIL_PREPARE (now the principal is known that private fields are sealed for)
 * -> REGISTER.
 *
 * A login, step by step, by whoever has the password checked:
 *   EMAIL_FIND -> ACCOUNT_GET -> (password) -> GUEST_END -> holds adopted on every shard
 *   -> SESSION_OPEN
 * Each step is durable before the next and may be repeated from the start: all are idempotent. Of a
 * login that was broken off behind GUEST_END, GUEST_NOTE tells the account (engine/rounds.h). */
#ifndef STAMPEDE_ACCOUNT_H
#define STAMPEDE_ACCOUNT_H

#include "effects.h"

/* name, the subject that it is for */
#define ACCOUNT_CALLS(X)                                                                           \
    X(EMAIL_FIND, EMAIL)    /* whose: `account`; NOT_FOUND */                                      \
    X(EMAIL_CLAIM, EMAIL)   /* for `account`, by its owner's change of address; EMAIL_TAKEN */     \
    X(EMAIL_RELEASE, EMAIL) /* if it is `account`'s; idempotent */                                 \
    X(EMAIL_PREPARE, EMAIL) /* for a registration: gives `account` a number; EMAIL_TAKEN: whose */ \
    X(REGISTER, EMAIL)      /* a new account, PENDING or, if `verified`, ACTIVE; EMAIL_TAKEN */    \
    X(GUEST_CHECK, GUEST)   /* OK: has become `account`; NOT_FOUND: is a guest still */            \
    X(GUEST_END, GUEST)     /* becomes `account`; OK also if it had; STALE: another's */           \
    X(GUEST_FORGET, GUEST)  /* deletes an entry that is older than GUEST_KEPT_S; else STALE */     \
    X(GET, ACCOUNT)         /* all of it: `view`, `key` */                                         \
    X(SESSION_CHECK, ACCOUNT) /* by `hash`: `view` without addresses; NOT_FOUND */                 \
    X(SESSION_OPEN, ACCOUNT)  /* `hash`, `credentials`, `lifetime_ms`, `guest`, `second_factor`;   \
                                 STALE */                                                          \
    X(LOGIN_REFUSED, ACCOUNT) /* a wrong password or code: entered in the audit log if staff's */  \
    X(SESSION_CLOSE, ACCOUNT) /* by `hash`, or by `id` if that is not 0; idempotent */             \
    X(SESSION_CLOSE_ALL, ACCOUNT) /* but the one of `hash`, if there is one */                     \
    X(TOKEN_ISSUE, ACCOUNT)       /* `purpose`, `hash`, `lifetime_ms`: replaces an older one */    \
    X(VERIFY, ACCOUNT)            /* by `hash`: the address is verified; TOKEN_INVALID */          \
    X(PASSWORD_RESET, ACCOUNT)    /* by `hash`: a new password, verified too; all sessions end;    \
                                     `purpose` RESET or INVITE */                                  \
    X(PASSWORD_CHANGE, ACCOUNT)   /* `credentials`; sessions end but the one of `hash`; STALE */   \
    X(PASSWORD_REHASH, ACCOUNT)   /* the same password, hashed anew; `credentials`; STALE */       \
    X(EMAIL_CHANGE, ACCOUNT)      /* a new address waits for `hash` */                             \
    X(EMAIL_CONFIRM, ACCOUNT)     /* by `hash`: it is the address now; `old_index` is to be        \
                                     released */                                                   \
    X(NAME_SET, ACCOUNT)          /* `sealed`; empty: none */                                      \
    X(ADDRESS_ADD, ACCOUNT)       /* `sealed`, for its `id`, which the caller drew; FULL */        \
    X(ADDRESS_SET, ACCOUNT)       /* `id`, `sealed`; NOT_FOUND */                                  \
    X(ADDRESS_REMOVE, ACCOUNT)    /* `id`; idempotent */                                           \
    X(ROLE_SET, ACCOUNT)          /* `role`; its sessions end */                                   \
    X(TOTP_SET, ACCOUNT)          /* `sealed`, `recovery`; empty: off; other sessions end */       \
    X(TOTP_USE, ACCOUNT)          /* `totp_step` newer than the last; else TOKEN_INVALID */        \
    X(RECOVERY_USE, ACCOUNT)      /* `recovery[0]`, once; TOKEN_INVALID */                         \
    X(KEY_REWRAP, ACCOUNT)        /* `key`, if the version is still `version`; STALE */            \
    X(ERASE, ACCOUNT)             /* `old_index` is to be released; idempotent; with a mail, it is \
                                     sealed under `key`, a new one */                              \
    X(LAPSE, ACCOUNT)             /* ERASE, if nobody verified it for ACCOUNT_PENDING_S; STALE */  \
    X(MAIL_RESULT, ACCOUNT)       /* of mail `mail`: gone out, to be tried (again), or dead */     \
    X(GUEST_NOTE, ACCOUNT)        /* `guest` has become it, whether or not a session was opened:   \
                                     an erasure, also one that was, reaches what was its */        \
    X(ERASURE_END, ACCOUNT)       /* of an erased one: what its orders and carts knew of a person  \
                                     is forgotten: of `guest`, if `has_guest`; otherwise of all */

/* As whom staff of a role, or a customer, comes: for the audit log. */
static inline enum audit_caller account_role_caller(enum account_role role)
{
    _Static_assert(AUDIT_BY_READ_ONLY - AUDIT_BY_CUSTOMER == ROLE_READ_ONLY - ROLE_CUSTOMER &&
                       AUDIT_BY_SUPPORT - AUDIT_BY_CUSTOMER == ROLE_SUPPORT - ROLE_CUSTOMER,
                   "the roles stand in the same order");
    return (enum audit_caller)(AUDIT_BY_CUSTOMER + (int)role);
}

enum account_call {
#define X(name, subject) ACCOUNT_CALL_##name,
    ACCOUNT_CALLS(X)
#undef X
        ACCOUNT_CALL_COUNT
};

enum account_subject_kind { SUBJECT_EMAIL, SUBJECT_GUEST, SUBJECT_ACCOUNT };

enum account_subject_kind account_call_subject(enum account_call call);
const char *account_call_name(enum account_call call);

/* REPLAYED: by staff, at once and as if for the first time; the engine has seen that it lies there.
 */
enum mail_result { MAIL_DELIVERED, MAIL_LATER, MAIL_REFUSED, MAIL_REPLAYED };

/* A call and its answer. Comes from account_envelope_create (engine.h) zeroed; ownership moves with
 * the command and comes back with the reply. */
struct account_envelope {
    /* The engine's, while it waits. */
    struct account_envelope *next;
    uint64_t cookie;
    int64_t deadline_boot_ms;
    uint16_t shard;
    uint16_t partition;
    uint8_t is_outbox;    /* asked by the shard itself, for a mail (mails.h) */
    uint8_t is_round;     /* likewise, on a round of its own (rounds.h) */
    struct origin origin; /* set by engine_submit, from the command */

    /* The call. */
    uint8_t call;          /* enum account_call */
    uint8_t purpose;       /* enum token_purpose */
    uint8_t role;          /* enum account_role */
    uint8_t second_factor; /* the session was opened with one */
    uint8_t verified;      /* REGISTER: no mail needed */
    uint8_t has_guest;     /* SESSION_OPEN: `guest` becomes an alias */
    uint8_t mail_template; /* with sealed_mail_length > 0: mail `mail` goes with the effect */
    uint8_t mail_attempts; /* MAIL_RESULT: so far */
    uint8_t mail_result;   /* enum mail_result */
    uint8_t password_length;
    uint8_t recovery_count;
    uint16_t email_length; /* REGISTER, EMAIL_CHANGE */
    uint16_t sealed_length;
    uint16_t sealed_mail_length;
    uint32_t credentials; /* what the caller verified */
    uint64_t id;          /* of a session or address; also out */
    uint64_t version;
    uint64_t totp_step;
    uint64_t mail; /* number of a mail; of one that is enqueued, drawn by who sealed it */
    int64_t lifetime_ms;
    int64_t mail_created_wall_ms;
    int64_t retry_ms;         /* MAIL_LATER: not before */
    struct principal account; /* whose; out of EMAIL_FIND, REGISTER, GUEST_… */
    struct principal guest;
    uint8_t index[EMAIL_INDEX_BYTES]; /* EMAIL_…, REGISTER; EMAIL_CHANGE: of the new address */
    uint8_t old_index[EMAIL_INDEX_BYTES]; /* out: an address that is to be released */
    uint8_t has_old_index;
    uint8_t hash[TOKEN_HASH_BYTES];
    char password_hash[PASSWORD_HASH_MAX];
    char reason[64];
    uint8_t recovery[ACCOUNT_RECOVERY_CODES][RECOVERY_CODE_HASH_BYTES];
    uint8_t email[SEALED_EMAIL_MAX];
    uint8_t sealed[SEALED_ADDRESS_MAX]; /* name, address, TOTP secret, session's agent */
    uint8_t sealed_mail[SEALED_MAIL_MAX];

    /* The answer; `view` for OK of all calls on an account, as it is after the call. */
    uint32_t mark;    /* SESSION_CHECK, GUEST_CHECK: the answer is good while the mark is this */
    uint32_t session; /* SESSION_CHECK, SESSION_OPEN: its place in view.sessions */
    struct account_key_record key; /* in: REGISTER, KEY_REWRAP, ERASE */
    struct account_record view;
};

/* What a call works on; the engine keeps it as long as it is in use, and loads it before. */
struct account_subject {
    uint8_t kind; /* enum account_subject_kind */
    struct record_place place;
    union {
        struct email_record email; /* account all zero: nobody's */
        struct alias_record alias; /* customer all zero: a guest still */
        struct {
            struct account_record account; /* state ACCOUNT_NONE: there is none */
            struct account_key_record key;
        };
    };
};

struct account_context {
    const struct hash_key *id_key; /* of principals' tags */
    uint32_t partitions;
    uint32_t *next_number; /* of the subject's partition; from 1 */
};

/* One step on a subject that is loaded. Effects as with inventory_receive, without claims, gates
 * and timers. A refusal changes nothing. */
enum outcome account_receive(struct account_subject *subject, const struct account_context *context,
                             const struct moment *moment, struct account_envelope *envelope,
                             struct effects *effects);

/* Whether this mail is the one that tells an erased account's owner so: its last, and there is a
 * key to open it by. */
bool account_can_say_goodbye(const struct account_record *account,
                             const struct account_key_record *key, uint64_t mail);

/* Where the subject of this call is. False: `account` is no account's principal. */
bool account_place(const struct account_envelope *envelope, const struct hash_key *id_key,
                   uint32_t partitions, struct record_place *place_out);

/* An empty subject, and taking a stored record of it in. */
void account_subject_init(struct account_subject *subject, enum account_subject_kind kind,
                          const struct record_place *place);
void account_subject_load(struct account_subject *subject, const struct record *record);

#endif
