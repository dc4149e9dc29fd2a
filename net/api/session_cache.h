/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard remembers of sessions that it has checked: two direct-mapped tables by token, of
 * fixed size; a newer token takes the place of an older one. An entry is good as long as its mark
 * is the principal's current one (engine_mark): whoever ends or changes a session bumps that before
 * it answers, so no shard goes on by what it remembers. Tokens are compared in constant time. The
 * owner's thread only. */
#ifndef STAMPEDE_API_SESSION_CACHE_H
#define STAMPEDE_API_SESSION_CACHE_H

#include "account_state.h"
#include "records.h"
#include "session.h"

enum {
    /* A shard; of 96 bytes. As many as guests who come again during a sale, or each of their
     * requests costs a MAC. */
    SESSION_CACHE_GUESTS = 1 << 16,
    /* A shard; of some 360 bytes. Beyond, a request costs a message to the account's shard. */
    SESSION_CACHE_PEOPLE = 1 << 15,
};

struct guest_entry {
    char token[SESSION_TOKEN_LENGTH + 1]; /* empty: none */
    struct session session;
    uint32_t mark; /* 0: never asked about */
    bool is_ended; /* has become a customer */
};

/* A customer or a member of staff, by one of its sessions. */
struct person {
    struct principal principal;
    uint32_t mark;
    uint32_t session; /* its number within the account */
    uint8_t role;     /* enum account_role */
    uint8_t second_factor;
    uint8_t alias_count;
    struct principal aliases[ACCOUNT_ALIASES_MAX]; /* newest first */
    int64_t created_wall_ms;
    int64_t expires_wall_ms;
    uint8_t token_hash[TOKEN_HASH_BYTES];
    struct account_key_record key; /* wrapped; length 0: was not told */
};

struct person_entry {
    char token[SESSION_TOKEN_LENGTH + 1]; /* empty: none */
    struct person person;
};

struct session_cache {
    struct guest_entry *guests;
    struct person_entry *people;
};

/* False without memory; free it all the same. */
bool session_cache_init(struct session_cache *cache);
void session_cache_free(struct session_cache *cache);

/* The place of a token of SESSION_TOKEN_LENGTH characters, whatever stands there. */
struct guest_entry *session_cache_guest(struct session_cache *cache, const char *token);
struct person_entry *session_cache_person(struct session_cache *cache, const char *token);

/* Whether two tokens of SESSION_TOKEN_LENGTH characters are the same; in constant time. */
bool session_token_equal(const char *a, const char *b);

/* Takes in what the account says of this session (SESSION_CHECK, OK). */
void session_cache_put_person(struct session_cache *cache, const char *token,
                              const uint8_t hash[TOKEN_HASH_BYTES],
                              const struct account_record *view, uint32_t session, uint32_t mark,
                              const struct account_key_record *key);

#endif
