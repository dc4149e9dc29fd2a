/* SPDX-License-Identifier: Apache-2.0 */
/* People: guests who register, log in by devices, reserve as customers, and leave again; and what
 * the books know of their accounts, from answers alone.
 *
 *   people.c         what they do: flows of several steps
 *   people_single.c  and single calls
 *   people_calls.c   what is sent, and what is known when it is
 *   people_token.c   a request's token, by the shard's cache or by asking
 *   people_books.c   whose address, which guest, which session; who may have what
 *   answers_account.c   what comes back
 *   people_heal.c    no more faults: every doubt is resolved by asking
 *
 * Parties. Holds and keys belong to a party: a guest (0 to SIM_GUESTS_MAX - 1) or an account (from
 * SIM_GUESTS_MAX on). A guest who became a customer stays a party: what it had is its account's.
 *
 * Steps. `..._step` is the run's step at which something was acknowledged, 0: it was not. */
#ifndef STAMPEDE_SIM_PEOPLE_H
#define STAMPEDE_SIM_PEOPLE_H

#include "profile.h"
#include "session_cache.h"

enum {
    SIM_GUESTS_MAX = 160,
    SIM_ACCOUNTS_MAX = 32,
    SIM_PARTIES_MAX = SIM_GUESTS_MAX + SIM_ACCOUNTS_MAX,
    SIM_SESSIONS_MAX = 512,
    SIM_TOKENS_MAX = 256,
    SIM_PREPARED_MAX = 512, /* account numbers that were given */
    SIM_WRITTEN_MAX = 16,   /* values of a field, the newest */
    SIM_POSTAL_MAX = 16,
    SIM_RECOVERY_MAX = 8,
    SIM_VERSIONS_MAX = 64, /* a power of two */
    SIM_VALUE_BYTES = 40,
};

/* Whether an address is an account's. */
struct owning {
    uint64_t owned_step;     /* since then it certainly is */
    uint64_t possible_until; /* it was possible in this step */
    uint64_t claim_step;     /* when the last claim, or release, was answered */
    uint64_t release_step;
    uint32_t claims_open;
    uint32_t releases_open;
    bool claim_maybe; /* a claim without an answer */
    bool release_maybe;
};

struct guest_model {
    uint32_t account;      /* which it certainly became, or NONE */
    uint32_t asked;        /* bits of the accounts that it may have become */
    uint64_t ended_step;   /* its end */
    uint64_t adopted_step; /* every shard has said that what it had is the account's */
    bool adopt_sent;
};

struct session_model {
    char token[SESSION_TOKEN_LENGTH + 1];
    uint8_t hash[TOKEN_HASH_BYTES];
    uint32_t account;
    uint32_t id;
    uint64_t opened_step;
    uint64_t over_step; /* its end */
    int64_t sent_ms;
    int64_t expires_wall_ms;
    uint64_t opens_before; /* of the account's, when it was sent */
    uint32_t closes_open;
    bool end_maybe;
};

struct token_model {
    uint8_t hash[TOKEN_HASH_BYTES];
    uint32_t account;
    uint8_t purpose;
    bool issued;         /* acknowledged, and nothing else changed tokens meanwhile */
    bool used;           /* with an effect */
    uint64_t changes;    /* of the account's tokens, right after it was sent */
    uint64_t over_step;  /* a newer one was acknowledged that was asked for after it */
    uint64_t issue_step; /* acknowledged */
    int64_t sent_ms;
    int64_t lifetime_ms;
    int64_t expires_lowest_ms; /* by the wall clock */
    int64_t expires_highest_ms;
};

/* A field whose every value is written once: what a read may show. */
struct written {
    uint32_t value; /* 0: nothing written here yet */
    uint64_t sent_step;
    uint64_t done_step; /* UINT64_MAX: under way */
    uint64_t dead_step; /* a later one was done: reads that begin now can't show it */
};

struct field {
    struct written written[SIM_WRITTEN_MAX]; /* a ring */
    uint32_t next;
    bool vague; /* one that may still show has left the ring */
};

struct postal_model {
    uint64_t id; /* 0: free */
    uint32_t value;
    uint64_t added_step;
    bool touched; /* a change or removal was sent */
};

struct known_version {
    uint64_t version;
    uint64_t content; /* a hash of all that grows with it */
};

struct account_model {
    struct principal principal;
    uint32_t partition;
    uint32_t number;
    uint32_t address;         /* that it was registered with */
    uint64_t registered_step; /* 0: perhaps */
    uint64_t erased_step;
    uint32_t erases_sent;
    uint64_t version; /* the newest that was shown */
    uint32_t credentials;
    struct account_key_record key; /* as registered; erased: in no record */
    bool key_rewrapped;
    struct known_version versions[SIM_VERSIONS_MAX];
    struct field name;
    struct field password;
    struct postal_model postal[SIM_POSTAL_MAX];
    uint64_t token_changes; /* calls sent that may change tokens */
    uint32_t token_changes_open;
    uint64_t credential_changes; /* likewise */
    uint32_t credential_changes_open;
    uint64_t credential_sent_step; /* of the newest change that was acknowledged */
    uint64_t credential_done_step;
    uint64_t opens;     /* sessions, sent */
    uint32_t ends_open; /* calls under way that end many sessions */
    uint64_t totp_used; /* the newest step that was taken */
    uint32_t recovery;  /* the set of recovery codes that was sent last: its number */
    uint32_t recovery_used[SIM_RECOVERY_MAX]; /* a ring of codes that were taken */
    uint32_t recovery_used_count;
};

enum flow_kind { FLOW_NONE, FLOW_REGISTER, FLOW_LOGIN, FLOW_EMAIL, FLOW_ERASE };

/* Several steps that a handler takes for one request; each is one call. */
struct flow {
    enum flow_kind kind;
    uint32_t step;
    uint64_t cookie; /* of the call under way; 0: the next is due */
    uint32_t account;
    uint32_t address;
    uint32_t old_address;
    uint32_t guest;
    uint32_t session;
    uint32_t token;
    uint32_t shard; /* adoption: which is next, and from where on */
    uint32_t product;
    uint32_t shards; /* of the engine when it began */
    uint32_t credentials;
    uint64_t credential_changes;
    uint64_t verified_step;
    struct principal principal;
};

struct device {
    uint32_t guest;   /* its guest's party, or NONE */
    uint32_t session; /* logged in by it, or NONE */
    bool repeats;     /* its last reservation, as a customer */
    struct flow flow;
};

struct people {
    uint32_t next_guest;
    uint32_t next_value;
    uint32_t next_key;
    uint32_t account_count;
    uint32_t session_count;
    uint32_t token_count;
    uint32_t prepared_count;
    uint64_t answers; /* definite ones to account calls */
    uint64_t totp_clock;
    struct guest_model guests[SIM_GUESTS_MAX];
    struct account_model accounts[SIM_ACCOUNTS_MAX];
    struct owning owning[SIM_ADDRESSES_MAX][SIM_ACCOUNTS_MAX];
    struct session_model sessions[SIM_SESSIONS_MAX];
    struct token_model tokens[SIM_TOKENS_MAX];
    struct principal prepared[SIM_PREPARED_MAX];
    struct device devices[SIM_DEVICES_MAX];
};

struct world;
struct request;
struct hold_view;

/* ---- people.c ---- */

void people_start(struct world *world);
void people_end(struct world *world);
/* One person does something. */
void people_act(struct world *world);
/* A call of a device's flow was answered. */
void people_go_on(struct world *world, const struct request *request, enum outcome outcome,
                  const struct account_envelope *answer);
/* Something new: the number of an opaque value, a one-use token (NONE: too many), a lifetime. */
uint32_t people_new_value(struct world *world);
uint32_t people_new_token(struct world *world);
int64_t people_draw_lifetime(struct world *world);
/* A registered account, the device's own mostly, or NONE; an address. */
uint32_t people_draw_account(struct world *world, uint32_t device);
uint32_t people_draw_address(struct world *world);
/* The device's session is over: it goes on as a new guest. */
void people_log_out(struct world *world, uint32_t device);

/* ---- people_single.c ---- */

void people_call_account(struct world *world, uint32_t device);

/* ---- people_calls.c ---- */

/* What a call is about: indexes into the books, NONE where it has none. */
struct account_ask {
    enum account_call call;
    uint32_t account;
    uint32_t address;
    uint32_t guest;
    uint32_t session;
    uint32_t token;
    uint32_t value;
    uint64_t id;
    uint8_t purpose;
    uint8_t role;
    bool verified;
    bool has_guest;
    bool quiet; /* nothing else was under way that could decide it */
    uint32_t credentials;
    uint64_t version;
    uint64_t totp_step;
    int64_t lifetime_ms;
    struct principal principal; /* REGISTER: prepared */
    /* What was known when it was sent. */
    uint64_t known_version;
    uint32_t known_credentials;
    uint64_t known_totp;
    uint64_t changes;
    uint64_t verified_step; /* SESSION_OPEN: the answer by which the password was verified */
    uint32_t cache_shard;   /* SESSION_CHECK, GUEST_CHECK: whose cache wants to know, or NONE */
};

struct account_ask people_ask(enum account_call call);
/* Sends it at a drawn shard, or at `shard` if that is not NONE; the cookie, or 0 if it was refused.
 */
uint64_t people_send(struct world *world, uint32_t device, uint32_t shard,
                     const struct account_ask *ask);
uint64_t people_send_adopt(struct world *world, uint32_t device, uint32_t guest, uint32_t account,
                           uint32_t asked_shard, uint32_t product);
/* It was refused without an effect, or answered so, or nobody knows. */
enum closing { CLOSED_DONE, CLOSED_REFUSED, CLOSED_UNKNOWN };
void people_closed(struct world *world, const struct request *request, enum closing how);
/* Opaque bytes that a value's number stands for, and back (0: none of ours). */
uint32_t people_write_value(uint32_t value, uint8_t *bytes_out);
uint32_t people_read_value(const uint8_t *bytes, uint32_t length);
void people_address_index(const struct world *world, uint32_t address, uint8_t *index_out);

/* ---- people_token.c ---- */

/* As whom a request is made. */
struct identity {
    uint32_t party;
    struct principal principal;
    struct principal aliases[ACCOUNT_ALIASES_MAX];
    uint32_t alias_count;
};

/* Who `device` is by its token, at this shard. False: it is refused, or asked about first. A device
 * that is no person's, or NONE, is taken for `party`. */
bool people_identify(struct world *world, uint32_t device, uint32_t shard, uint32_t party,
                     struct identity *identity_out);
/* Some token, perhaps of a session that is over, is shown to some shard. */
void people_probe(struct world *world);
/* An answer for a cache. */
void people_take_session(struct world *world, const struct request *request, enum outcome outcome,
                         const struct account_envelope *answer);
void people_guest_token(const struct world *world, uint32_t guest,
                        char token_out[SESSION_TOKEN_LENGTH + 1]);
/* New caches for a new engine. */
void people_restart_caches(struct world *world);

/* ---- people_books.c ---- */

static inline bool party_is_account(uint32_t party)
{
    return party >= SIM_GUESTS_MAX && party < SIM_PARTIES_MAX;
}

/* How a party is related to what another has: its own; a stranger's; or adoption is under way. */
enum relation { RELATION_OWN, RELATION_STRANGER, RELATION_UNSURE };
enum relation people_relation(const struct world *world, uint32_t asker, uint32_t holder);
/* Whose a party's things are now: its account's if every shard said so. */
uint32_t people_owner(const struct world *world, uint32_t party);
/* Whether a view that was asked for in this step may name this principal for a party's hold. */
bool people_may_name(const struct world *world, uint32_t party, const struct principal *principal,
                     uint64_t asked_step);
/* Parties whose units certainly (since that step), or perhaps, count with this one's; at most
 * SIM_PARTIES_MAX. */
uint32_t people_certain_group(const struct world *world, uint32_t party, uint64_t since_step,
                              uint32_t *parties_out);
uint32_t people_possible_group(const struct world *world, uint32_t party, uint32_t *parties_out);
/* The process died: what was under way may have happened. */
void people_restart(struct world *world);

uint32_t people_find_account(const struct world *world, const struct principal *principal);
bool owning_is_possible(const struct owning *owning, uint64_t since_step);
bool owning_is_certain(const struct owning *owning, uint64_t since_step);
/* Whether a session was certainly open all the time since `since_step`. */
bool people_session_stands(const struct world *world, uint32_t session, uint64_t since_step);
/* Calls that end sessions, that change tokens, that change what a login verified. */
bool call_ends_sessions(enum account_call call);
bool call_changes_tokens(enum account_call call);
/* A data key that stands for a value, wrapped by the vault's previous key (sim_ports.h). */
void people_write_key(uint32_t value, struct account_key_record *key_out);
bool call_changes_credentials(enum account_call call);

void field_sent(struct field *field, uint32_t value, uint64_t step);
void field_closed(struct field *field, uint32_t value, uint64_t step, enum closing how);
void field_check(const struct field *field, uint32_t value, uint64_t asked_step, const char *what);
void field_restart(struct field *field, uint64_t step);

/* ---- people_heal.c ---- */

/* No faults any more: who became whose, and everything that was acknowledged, is asked for. */
void people_heal(struct world *world, void (*settle)(struct world *));
/* Once more, after the last restart. */
void people_check_all(struct world *world, void (*settle)(struct world *));

#endif
