/* SPDX-License-Identifier: Apache-2.0 */
#include "api/session_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool session_cache_init(struct session_cache *cache)
{
    cache->guests = calloc(SESSION_CACHE_GUESTS, sizeof(*cache->guests));
    cache->people = calloc(SESSION_CACHE_PEOPLE, sizeof(*cache->people));
    return cache->guests != NULL && cache->people != NULL;
}

void session_cache_free(struct session_cache *cache)
{
    free(cache->guests);
    free(cache->people);
}

/* The last characters are of a MAC: as good as random. */
static uint64_t token_word(const char *token)
{
    uint64_t word;

    memcpy(&word, token + SESSION_TOKEN_LENGTH - sizeof(word), sizeof(word));
    return hash_word(word);
}

struct guest_entry *session_cache_guest(struct session_cache *cache, const char *token)
{
    return &cache->guests[token_word(token) % SESSION_CACHE_GUESTS];
}

struct person_entry *session_cache_person(struct session_cache *cache, const char *token)
{
    return &cache->people[token_word(token) % SESSION_CACHE_PEOPLE];
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

void session_cache_put_person(struct session_cache *cache, const char *token,
                              const uint8_t hash[TOKEN_HASH_BYTES],
                              const struct account_record *view, uint32_t session, uint32_t mark,
                              const struct account_key_record *key)
{
    struct person_entry *entry = session_cache_person(cache, token);
    struct person *person = &entry->person;

    assert(session < view->session_count);
    memcpy(entry->token, token, SESSION_TOKEN_LENGTH);
    entry->token[SESSION_TOKEN_LENGTH] = '\0';
    person->principal = view->principal;
    person->mark = mark;
    person->session = view->sessions[session].id;
    person->role = view->role;
    person->second_factor = view->sessions[session].second_factor;
    person->alias_count = view->alias_count;
    for (unsigned i = 0; i < view->alias_count; i++)
        person->aliases[i] = view->aliases[view->alias_count - 1u - i].guest;
    person->created_wall_ms = view->sessions[session].created_wall_ms;
    person->expires_wall_ms = view->sessions[session].expires_wall_ms;
    memcpy(person->token_hash, hash, TOKEN_HASH_BYTES);
    person->key = *key;
}
