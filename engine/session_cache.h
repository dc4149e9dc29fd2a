/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard remembers of sessions that it has checked: two direct-mapped tables by token, of
 * fixed size; a newer token takes the place of an older one.
 *
 * Invariants:
 *   1. An entry is good only while its mark is the principal's current one (session_marks.h).
 *   2. An entry's mark is the one that came with the answer that filled it, never a later one; an
 *      answer whose mark has moved meanwhile fills nothing.
 *   3. A guest's entry that was never asked about has mark 0: nothing was ever said about it.
 *
 * Tokens are compared in constant time. One shard's thread only; handlers and the simulator's
 * clients both go through here. */
#ifndef STAMPEDE_SESSION_CACHE_H
#define STAMPEDE_SESSION_CACHE_H

#include "engine.h"
#include "session.h"

/* A customer or a member of staff, by one of its sessions. */
struct person {
    struct principal principal;
    uint32_t mark;
    uint32_t session; /* its number within the account */
    uint8_t role;     /* enum account_role */
    uint8_t second_factor;
    uint8_t alias_count;
    struct principal aliases[ACCOUNT_ALIASES_MAX]; /* newest first, as command.aliases wants them */
    int64_t created_wall_ms;
    int64_t expires_wall_ms;
    uint8_t token_hash[TOKEN_HASH_BYTES];
    struct account_key_record key; /* wrapped; length 0: was not told */
};

struct guest_entry;
struct person_entry;

struct session_cache {
    const struct engine *engine; /* whose marks count */
    struct guest_entry *guests;
    struct person_entry *people;
    uint32_t guests_mask;
    uint32_t people_mask;
};

enum session_known {
    SESSION_NOT_KNOWN,   /* no entry: verify the token, then ask or, a guest's, put it */
    SESSION_TO_BE_ASKED, /* there is one, but its mark has moved: ask */
    SESSION_GOOD,
    SESSION_OVER, /* a guest who became a customer; a session that is closed or past its time */
};

/* Both sizes are powers of two. False without memory; free it all the same. The engine must outlive
 * the cache; with another engine (a restart) an emptied one is needed. */
bool session_cache_init(struct session_cache *cache, const struct engine *engine, uint32_t guests,
                        uint32_t people);
void session_cache_free(struct session_cache *cache);
/* Drops all entries. */
void session_cache_empty(struct session_cache *cache);

/* Tokens have SESSION_TOKEN_LENGTH characters. */

/* GOOD and OVER, and TO_BE_ASKED, fill `session_out`; whether it is current is the caller's to
 * compare (session_is_current). */
enum session_known session_cache_get_guest(struct session_cache *cache, const char *token,
                                           struct session *session_out);
/* A token that its caller has verified, or made. */
void session_cache_put_guest(struct session_cache *cache, const char *token,
                             const struct session *session);

/* GOOD: `person_out` is valid until the next call for this cache. OVER: past its time. */
enum session_known session_cache_get_person(struct session_cache *cache, const char *token,
                                            int64_t now_wall_ms, const struct person **person_out);

/* Takes in the answer to GUEST_CHECK, which says whether the guest is one still, or to
 * SESSION_CHECK: outcome OK or NOT_FOUND. GOOD or OVER is what is so now; TO_BE_ASKED: it has
 * changed since, ask again. Nothing of `answer` is kept by reference. */
enum session_known session_cache_take_guest(struct session_cache *cache, const char *token,
                                            const struct session *session, enum outcome outcome,
                                            const struct account_envelope *answer);
enum session_known session_cache_take_person(struct session_cache *cache, const char *token,
                                             enum outcome outcome,
                                             const struct account_envelope *answer);

/* Whether two tokens are the same; in constant time. */
bool session_token_equal(const char *a, const char *b);

#endif
