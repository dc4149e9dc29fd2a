/* SPDX-License-Identifier: Apache-2.0 */
/* Answers kept by their Idempotency-Key: a table of fixed size, each owner with a bounded share of
 * it. Beyond the share an owner's own oldest answer makes way; beyond the table or the bytes the
 * oldest of all, about in order. What is in flight never does. So nobody drives out the answers of
 * others but by being many.
 *
 * Pure, without a lock (keyed.c has one). The key says whose it is by itself: `owner` only bounds
 * the shares and groups the chains. */
#ifndef STAMPEDE_API_KEPT_ANSWERS_H
#define STAMPEDE_API_KEPT_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

enum {
    KEPT_BUCKETS = 4096,
    KEPT_LOCATION_MAX = 255,
};

enum kept_state { KEPT_FREE, KEPT_IN_FLIGHT, KEPT_SETTLED };

struct keyed_entry {
    struct kept_answers *home;
    struct hash128 key;
    uint64_t owner;
    uint64_t fingerprint; /* of the request's body */
    int64_t settled_ms;
    enum kept_state state;
    uint32_t next; /* in its bucket, older ones behind; or free like it */
    int status;
    bool is_sealed;                       /* the body is private: under its owner's key */
    char location[KEPT_LOCATION_MAX + 1]; /* empty: none */
    char *body;
    size_t length;
};

struct kept_answers {
    uint32_t capacity;
    uint32_t share_max; /* of one owner */
    size_t bytes_max;   /* of all bodies */
    int64_t retention_ms;
    uint32_t first_free;
    uint32_t hand; /* where the next that makes way is looked for */
    size_t bytes;
    uint32_t buckets[KEPT_BUCKETS];
    struct keyed_entry *entries;
};

/* False without memory. The caller sets the bounds before; the struct is zero otherwise. */
bool kept_answers_init(struct kept_answers *answers);
void kept_answers_free(struct kept_answers *answers);

/* What is kept or in flight by this key, or NULL; what is past its time is forgotten. */
struct keyed_entry *kept_answers_find(struct kept_answers *answers, uint64_t owner,
                                      const struct hash128 *key, int64_t now_ms);

/* A new entry in flight; the key is not in the table. NULL: the owner's share, or the table, is in
 * flight altogether. */
struct keyed_entry *kept_answers_add(struct kept_answers *answers, uint64_t owner,
                                     const struct hash128 *key, uint64_t fingerprint);

/* Keeps the answer of an entry in flight. Takes `body` (from malloc; NULL: none). False: there was
 * no room; the entry and `body` are gone. `location` may be NULL. */
bool kept_answers_settle(struct keyed_entry *entry, int status, const char *location, char *body,
                         size_t length, int64_t now_ms);

/* Forgets an entry. */
void kept_answers_release(struct keyed_entry *entry);

#endif
