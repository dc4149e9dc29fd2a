/* SPDX-License-Identifier: Apache-2.0 */
#include "session_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mutants.h"

struct guest_entry {
    char token[SESSION_TOKEN_LENGTH + 1]; /* empty: none */
    struct session session;
    uint32_t mark; /* 0: never asked about */
    bool is_over;  /* has become a customer */
};

struct person_entry {
    char token[SESSION_TOKEN_LENGTH + 1]; /* empty: none */
    struct person person;
};

bool session_cache_init(struct session_cache *cache, const struct engine *engine, uint32_t guests,
                        uint32_t people)
{
    assert(guests > 0 && (guests & (guests - 1)) == 0);
    assert(people > 0 && (people & (people - 1)) == 0);
    *cache = (struct session_cache){
        .engine = engine, .guests_mask = guests - 1, .people_mask = people - 1};
    cache->guests = calloc(guests, sizeof(*cache->guests));
    cache->people = calloc(people, sizeof(*cache->people));
    return cache->guests != NULL && cache->people != NULL;
}

void session_cache_free(struct session_cache *cache)
{
    free(cache->guests);
    free(cache->people);
    cache->guests = NULL;
    cache->people = NULL;
}

void session_cache_empty(struct session_cache *cache)
{
    memset(cache->guests, 0, ((size_t)cache->guests_mask + 1) * sizeof(*cache->guests));
    memset(cache->people, 0, ((size_t)cache->people_mask + 1) * sizeof(*cache->people));
}

bool session_token_equal(const char *a, const char *b)
{
    enum { WORDS = SESSION_TOKEN_LENGTH / 8, TAIL = SESSION_TOKEN_LENGTH - 8 };
    uint64_t difference = 0;
    uint64_t left;
    uint64_t right;

    for (unsigned i = 0; i < WORDS; i++) {
        memcpy(&left, a + (size_t)i * 8, 8);
        memcpy(&right, b + (size_t)i * 8, 8);
        difference |= left ^ right;
        /* The compiler must not find a shorter way. */
        __asm__ volatile("" : "+r"(difference));
    }
    memcpy(&left, a + TAIL, 8);
    memcpy(&right, b + TAIL, 8);
    return (difference | (left ^ right)) == 0;
}

/* The last characters are of a MAC: as good as random. */
static uint64_t token_word(const char *token)
{
    uint64_t word;

    memcpy(&word, token + SESSION_TOKEN_LENGTH - sizeof(word), sizeof(word));
    return hash_word(word);
}

static struct guest_entry *guest_place(struct session_cache *cache, const char *token)
{
    return &cache->guests[token_word(token) & cache->guests_mask];
}

static struct person_entry *person_place(struct session_cache *cache, const char *token)
{
    return &cache->people[token_word(token) & cache->people_mask];
}

static bool is_current(const struct session_cache *cache, const struct principal *principal,
                       uint32_t mark)
{
    return engine_mark(cache->engine, principal) == mark || MUTANT(CACHE_IGNORES_MARK);
}

/* ---- guests ---- */

enum session_known session_cache_get_guest(struct session_cache *cache, const char *token,
                                           struct session *session_out)
{
    const struct guest_entry *entry = guest_place(cache, token);

    if (!session_token_equal(entry->token, token))
        return SESSION_NOT_KNOWN;
    *session_out = entry->session;
    if (!is_current(cache, &entry->session.principal, entry->mark))
        return SESSION_TO_BE_ASKED;
    return entry->is_over ? SESSION_OVER : SESSION_GOOD;
}

static void put_guest(struct session_cache *cache, const char *token, const struct session *session,
                      uint32_t mark, bool is_over)
{
    struct guest_entry *entry = guest_place(cache, token);

    memcpy(entry->token, token, SESSION_TOKEN_LENGTH);
    entry->token[SESSION_TOKEN_LENGTH] = '\0';
    entry->session = *session;
    entry->mark = mark;
    entry->is_over = is_over;
}

void session_cache_put_guest(struct session_cache *cache, const char *token,
                             const struct session *session)
{
    put_guest(cache, token, session, 0, false);
}

/* ---- customers and staff ---- */

enum session_known session_cache_get_person(struct session_cache *cache, const char *token,
                                            int64_t now_wall_ms, const struct person **person_out)
{
    const struct person_entry *entry = person_place(cache, token);
    const struct person *person = &entry->person;

    if (!session_token_equal(entry->token, token))
        return SESSION_NOT_KNOWN;
    if (!is_current(cache, &person->principal, person->mark))
        return SESSION_TO_BE_ASKED;
    if (now_wall_ms >= person->expires_wall_ms && !MUTANT(CACHE_IGNORES_EXPIRY))
        return SESSION_OVER;
    *person_out = person;
    return SESSION_GOOD;
}

static void put_person(struct session_cache *cache, const char *token,
                       const struct account_envelope *answer, uint32_t mark)
{
    const struct account_record *view = &answer->view;
    struct person_entry *entry = person_place(cache, token);
    struct person *person = &entry->person;

    assert(answer->session < view->session_count);
    memcpy(entry->token, token, SESSION_TOKEN_LENGTH);
    entry->token[SESSION_TOKEN_LENGTH] = '\0';
    person->principal = view->principal;
    person->mark = mark;
    person->session = view->sessions[answer->session].id;
    person->role = view->role;
    person->second_factor = view->sessions[answer->session].second_factor;
    person->alias_count = view->alias_count;
    for (unsigned i = 0; i < view->alias_count; i++)
        person->aliases[i] = view->aliases[view->alias_count - 1u - i].guest;
    person->created_wall_ms = view->sessions[answer->session].created_wall_ms;
    person->expires_wall_ms = view->sessions[answer->session].expires_wall_ms;
    memcpy(person->token_hash, answer->hash, TOKEN_HASH_BYTES);
    person->key = answer->key;
}

/* ---- answers ---- */

/* False: it has moved since the answer. */
static bool mark_of(const struct session_cache *cache, const struct principal *principal,
                    const struct account_envelope *answer, uint32_t *mark_out)
{
    uint32_t now = engine_mark(cache->engine, principal);

    *mark_out = now;
    return answer->mark == now || MUTANT(FILL_TAKES_CURRENT_MARK);
}

enum session_known session_cache_take_guest(struct session_cache *cache, const char *token,
                                            const struct session *session, enum outcome outcome,
                                            const struct account_envelope *answer)
{
    bool is_over = outcome == OUTCOME_OK;
    uint32_t mark;

    assert(answer->call == ACCOUNT_CALL_GUEST_CHECK);
    assert(outcome == OUTCOME_OK || outcome == OUTCOME_NOT_FOUND);
    assert(principal_equal(&answer->guest, &session->principal));
    if (!mark_of(cache, &session->principal, answer, &mark))
        return SESSION_TO_BE_ASKED;
    put_guest(cache, token, session, mark, is_over);
    return is_over ? SESSION_OVER : SESSION_GOOD;
}

enum session_known session_cache_take_person(struct session_cache *cache, const char *token,
                                             enum outcome outcome,
                                             const struct account_envelope *answer)
{
    uint32_t mark;

    assert(answer->call == ACCOUNT_CALL_SESSION_CHECK);
    assert(outcome == OUTCOME_OK || outcome == OUTCOME_NOT_FOUND);
    if (!mark_of(cache, &answer->account, answer, &mark))
        return SESSION_TO_BE_ASKED;
    if (outcome == OUTCOME_NOT_FOUND)
        return SESSION_OVER;
    put_person(cache, token, answer, mark);
    return SESSION_GOOD;
}
