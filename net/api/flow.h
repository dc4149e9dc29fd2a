/* SPDX-License-Identifier: Apache-2.0 */
/* A call that takes several steps: an account is asked, a password is hashed on a worker, the
 * account is told. Everything of the request that is needed later is copied into the flow; it
 * outlives the exchange, so that what was begun ends whether the client waits or not.
 *
 *     handler -> flow_start -> flow_call | flow_work -> step -> ... -> flow_respond | flow_refuse
 *
 * Each step is called with the outcome of what it waited for, on the shard's thread, and either
 * begins one more thing or ends the flow, as its last act. At most FLOWS_MAX a shard. */
#ifndef STAMPEDE_API_FLOW_H
#define STAMPEDE_API_FLOW_H

#include "api/account_token.h"
#include "api/api_shard.h"
#include "api/keyed.h"
#include "api/password.h"
#include "api/problems.h"
#include "api/totp.h"

struct flow;
typedef void (*flow_step)(struct flow *flow, enum outcome outcome);
typedef void (*flow_run)(struct flow *flow);

enum { SECOND_FACTOR_LENGTH_MAX = 40 };

/* A mail that has not gone out. */
struct mail_name {
    bool is_of_order;
    struct principal account; /* whose it is */
    struct reservation_id order;
    uint64_t number; /* the account's; or of the order's occasion (order_mail_number); 0: none */
};

struct flow {
    /* The flow's own. */
    struct api_shard *shard;
    uint64_t exchange_cookie;
    struct keyed_entry *keyed; /* of the call's key, or NULL */
    flow_step next;
    flow_step after_get;
    flow_step after_code;
    flow_step after_proof;
    flow_run run;
    struct engine_work work;
    bool is_answered; /* the rest happens behind the answer */

    /* Who asks. */
    struct principal caller;
    struct origin origin;
    uint8_t token_hash[TOKEN_HASH_BYTES]; /* of the caller's session */
    char csrf[2 * MAC_BYTES + 1];
    uint32_t session; /* its number */
    bool by_staff;    /* about someone else */

    /* The account worked on, and the last answer about it; NULL: none. The next one replaces it. */
    struct principal account;
    struct account_envelope *answer;
    struct account_key_record key;

    /* What the call brought. */
    char email[EMAIL_LENGTH_MAX + 1];
    uint8_t index[EMAIL_INDEX_BYTES]; /* of the address */
    char name[NAME_LENGTH_MAX + 1];
    size_t name_length;
    char password[PASSWORD_BYTES_MAX + 1];
    size_t password_length;
    char new_password[PASSWORD_BYTES_MAX + 1];
    size_t new_password_length;
    char code[SECOND_FACTOR_LENGTH_MAX + 1]; /* of the second factor */
    size_t code_length;
    char token[ACCOUNT_TOKEN_LENGTH + 1];
    char text[ADDRESS_LENGTH_MAX + 1]; /* an address, as JSON */
    size_t text_length;
    uint8_t secret[TOTP_SECRET_BYTES];
    uint64_t id; /* of an address; or a token's purpose */
    uint8_t role;
    char agent[AGENT_LENGTH_MAX + 1];
    size_t agent_length;

    /* Of a worker's work. */
    char hash[PASSWORD_HASH_LENGTH + 1]; /* to verify by; empty: nobody's */
    char new_hash[PASSWORD_HASH_LENGTH + 1];
    bool is_right;
    bool is_made; /* new_hash */

    /* Of a login. */
    struct principal guest;
    struct principal old_account; /* of the session that the caller had */
    uint8_t old_hash[TOKEN_HASH_BYTES];
    bool has_guest;
    bool has_old_session;
    bool second_factor;
    bool is_registration;
    uint32_t credentials;            /* what was verified */
    struct account_envelope *opened; /* the account with its new session */
    uint32_t tries;
    uint32_t adopt_shard;
    uint32_t adopt_product;
    uint64_t totp_step;

    /* Of lists. */
    struct writer writer;
    struct reservation_id after;
    uint32_t list_shard;
    uint32_t list_count;
    uint32_t list_limit;
    struct engine_read read;
    struct principal last; /* that was looked at */
    uint32_t found_count;
    struct principal found[LIST_PAGE_MAX];
    uint32_t read_offset;  /* in what was read */
    struct mail_name mail; /* the one in hand, or the last that was */
    int8_t mail_state;
    struct order_envelope *order; /* the last answer about an order, or NULL */
};

/* A flow of this call, with the caller's own data; NULL: refused already. */
struct flow *flow_start(struct api_call *call);

/* Sends a call to an account (or to the entry of an address or guest), then calls `next`. Takes the
 * envelope; NULL: there was no memory. */
void flow_call(struct flow *flow, struct account_envelope *envelope, flow_step next);

/* An envelope for the flow's account, or for its address by `index`, or for its guest. */
struct account_envelope *flow_envelope(const struct flow *flow, enum account_call call);

/* Calls `run` on a worker, then `next`. */
void flow_work(struct flow *flow, flow_run run, flow_step next);

/* Asks for the account; a step that is called with OK has `answer` and `key`. */
void flow_get(struct flow *flow, flow_step next);

/* Asks an order, as staff, then calls `next`; the answer is in `order`. Takes the envelope, whose
 * `id` is set; NULL: there was no memory. */
void flow_ask_order(struct flow *flow, struct order_envelope *envelope, flow_step next);

/* The client's exchange, or NULL: it has gone, or was answered. Ask again in each step. */
struct http_exchange *flow_exchange(const struct flow *flow);

/* Answers (if the client waits) and ends the flow. JSON of the writer, which is freed. */
void flow_respond_json(struct flow *flow, int status, struct writer *writer);
/* The same without a body; 202 has `{}`. Kept for the call's key. */
void flow_respond(struct flow *flow, int status);
/* The same, but the flow goes on behind the answer. */
void flow_respond_early(struct flow *flow, int status);
void flow_refuse(struct flow *flow, enum outcome outcome);
void flow_problem(struct flow *flow, enum problem problem, const char *detail);
/* 422 with one error. */
void flow_invalid(struct flow *flow, const char *field, const char *message);

/* Ends it without an answer. */
void flow_end(struct flow *flow);

#endif
