/* SPDX-License-Identifier: Apache-2.0 */
/* What an account is, as it is stored and as its actor works on it. Private fields (address, name,
 * …) are sealed before they come here and opened after they left: no actor ever sees one in clear.
 * Of tokens only hashes are kept. */
#ifndef STAMPEDE_ACCOUNT_STATE_H
#define STAMPEDE_ACCOUNT_STATE_H

#include <stdint.h>

#include "identity.h"
#include "shop_limits.h"

/* An account's life: PENDING -> ACTIVE by verifying the address; both -> ERASED, for good. */
#define ACCOUNT_STATES(X)                                                                          \
    X(NONE, "none") /* there is no such account */                                                 \
    X(PENDING, "pending")                                                                          \
    X(ACTIVE, "active")                                                                            \
    X(ERASED, "erased")

enum account_state {
#define X(name, text) ACCOUNT_##name,
    ACCOUNT_STATES(X)
#undef X
        ACCOUNT_STATE_COUNT
};

/* What a person may do. A customer is no staff; each route of the staff's names the roles that may
 * call it (net/api/routes.h). */
#define ACCOUNT_ROLES(X)                                                                           \
    X(CUSTOMER, "customer")                                                                        \
    X(OWNER, "owner")                                                                              \
    X(CATALOGUE, "catalogue")                                                                      \
    X(ORDERS, "orders")                                                                            \
    X(SUPPORT, "support")                                                                          \
    X(READ_ONLY, "read_only")

enum account_role {
#define X(name, text) ROLE_##name,
    ACCOUNT_ROLES(X)
#undef X
        ROLE_COUNT
};

/* One-use tokens, sent by mail; an account has at most one of each purpose. */
#define TOKEN_PURPOSES(X)                                                                          \
    X(VERIFY, "verify")             /* the address is this person's */                             \
    X(RESET, "reset")               /* a new password */                                           \
    X(CHANGE_EMAIL, "change_email") /* the new address is this person's */                         \
    X(INVITE, "invite")             /* staff: the first password */

enum token_purpose {
#define X(name, text) TOKEN_##name,
    TOKEN_PURPOSES(X)
#undef X
        TOKEN_PURPOSE_COUNT
};

struct account_session {
    uint8_t token_hash[TOKEN_HASH_BYTES];
    uint32_t id; /* within the account; grows */
    uint8_t second_factor;
    uint8_t agent_length;
    uint8_t agent[SEALED_AGENT_MAX]; /* sealed */
    int64_t created_wall_ms;         /* also when the password was last given */
    int64_t expires_wall_ms;
};

struct account_address {
    uint64_t id; /* a row number (identity.h): what it was sealed for */
    uint16_t length;
    uint8_t sealed[SEALED_ADDRESS_MAX];
};

struct account_alias {
    struct principal guest;
    int64_t wall_ms;
};

struct account_token {
    uint8_t hash[TOKEN_HASH_BYTES];
    int64_t expires_wall_ms; /* 0: none */
};

struct account_record {
    struct principal principal;
    uint8_t state; /* enum account_state */
    uint8_t role;  /* enum account_role */
    uint8_t session_count;
    uint8_t address_count;
    uint8_t alias_count;
    uint8_t recovery_count;
    uint8_t password_length;
    uint8_t totp_length;   /* 0: no second factor */
    uint8_t has_new_email; /* a change of address waits for its token */
    uint16_t email_length;
    uint16_t name_length;
    uint16_t new_email_length;
    uint32_t next_id;     /* of sessions */
    uint32_t credentials; /* grows with each change of password, role or second factor */
    uint64_t version;     /* grows with each change that its owner would see */
    uint64_t goodbye;     /* ERASED: the mail that says so; 0: none does */
    uint64_t totp_step;   /* of the code used last */
    int64_t created_wall_ms;
    int64_t verified_wall_ms; /* 0: not yet */
    int64_t password_wall_ms; /* when it was set */
    uint8_t email_index[EMAIL_INDEX_BYTES];
    uint8_t new_email_index[EMAIL_INDEX_BYTES];
    char password_hash[PASSWORD_HASH_MAX]; /* argon2id's own text, without a zero */
    uint8_t totp[SEALED_TOTP_MAX];
    uint8_t email[SEALED_EMAIL_MAX];
    uint8_t new_email[SEALED_EMAIL_MAX];
    uint8_t name[SEALED_NAME_MAX];
    uint8_t recovery[ACCOUNT_RECOVERY_CODES][RECOVERY_CODE_HASH_BYTES];
    struct account_token tokens[TOKEN_PURPOSE_COUNT];
    struct account_alias aliases[ACCOUNT_ALIASES_MAX];     /* oldest first */
    struct account_session sessions[ACCOUNT_SESSIONS_MAX]; /* oldest first */
    struct account_address addresses[ACCOUNT_ADDRESSES_MAX];
};

#endif
