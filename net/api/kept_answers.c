/* SPDX-License-Identifier: Apache-2.0 */
/* All of an owner's entries are in one chain, newest first, so that its share is counted and its
 * oldest found on the way along it. */
#include "api/kept_answers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

bool kept_answers_init(struct kept_answers *answers)
{
    assert(answers->capacity > 0 && answers->share_max > 0);
    answers->entries = calloc(answers->capacity, sizeof(*answers->entries));
    if (answers->entries == NULL)
        return false;
    for (unsigned i = 0; i < KEPT_BUCKETS; i++)
        answers->buckets[i] = NONE;
    for (uint32_t i = 0; i < answers->capacity; i++)
        answers->entries[i].next = i + 1 < answers->capacity ? i + 1 : NONE;
    answers->first_free = 0;
    return true;
}

void kept_answers_free(struct kept_answers *answers)
{
    for (uint32_t i = 0; answers->entries != NULL && i < answers->capacity; i++)
        free(answers->entries[i].body);
    free(answers->entries);
    answers->entries = NULL;
}

static uint32_t *bucket_of(struct kept_answers *answers, uint64_t owner)
{
    return &answers->buckets[owner % KEPT_BUCKETS];
}

void kept_answers_release(struct keyed_entry *entry)
{
    struct kept_answers *answers = entry->home;
    uint32_t index = (uint32_t)(entry - answers->entries);
    uint32_t *link = bucket_of(answers, entry->owner);

    while (*link != index)
        link = &answers->entries[*link].next;
    *link = entry->next;
    answers->bytes -= entry->length;
    free(entry->body);
    memset(entry, 0, sizeof(*entry));
    entry->next = answers->first_free;
    answers->first_free = index;
}

struct keyed_entry *kept_answers_find(struct kept_answers *answers, uint64_t owner,
                                      const struct hash128 *key, int64_t now_ms)
{
    uint32_t index = *bucket_of(answers, owner);

    for (; index != NONE; index = answers->entries[index].next) {
        struct keyed_entry *entry = &answers->entries[index];
        if (entry->key.word[0] != key->word[0] || entry->key.word[1] != key->word[1])
            continue;
        if (entry->state == KEPT_SETTLED && now_ms - entry->settled_ms > answers->retention_ms) {
            kept_answers_release(entry);
            return NULL;
        }
        return entry;
    }
    return NULL;
}

/* Room in the owner's share; false: all of it is in flight. */
static bool fit_share(struct kept_answers *answers, uint64_t owner)
{
    struct keyed_entry *oldest = NULL;
    uint32_t index = *bucket_of(answers, owner);
    uint32_t count = 0;

    for (; index != NONE; index = answers->entries[index].next) {
        struct keyed_entry *entry = &answers->entries[index];
        if (entry->owner != owner)
            continue;
        count++;
        if (entry->state == KEPT_SETTLED)
            oldest = entry;
    }
    if (count < answers->share_max)
        return true;
    if (oldest != NULL)
        kept_answers_release(oldest);
    return oldest != NULL;
}

/* A free entry; only where there is none the oldest settled one makes way. NULL: all are in flight.
 */
static struct keyed_entry *take(struct kept_answers *answers)
{
    for (uint32_t i = 0; i < answers->capacity && answers->first_free == NONE; i++) {
        struct keyed_entry *entry = &answers->entries[answers->hand];
        answers->hand = (answers->hand + 1) % answers->capacity;
        if (entry->state == KEPT_SETTLED)
            kept_answers_release(entry);
    }
    if (answers->first_free == NONE)
        return NULL;
    struct keyed_entry *entry = &answers->entries[answers->first_free];
    answers->first_free = entry->next;
    return entry;
}

struct keyed_entry *kept_answers_add(struct kept_answers *answers, uint64_t owner,
                                     const struct hash128 *key, uint64_t fingerprint)
{
    struct keyed_entry *entry = fit_share(answers, owner) ? take(answers) : NULL;

    if (entry == NULL)
        return NULL;
    uint32_t *bucket = bucket_of(answers, owner);
    entry->home = answers;
    entry->key = *key;
    entry->owner = owner;
    entry->fingerprint = fingerprint;
    entry->state = KEPT_IN_FLIGHT;
    entry->is_sealed = false;
    entry->next = *bucket;
    *bucket = (uint32_t)(entry - answers->entries);
    return entry;
}

/* Lets the oldest answers go until `bytes` more fit. */
static void make_room(struct kept_answers *answers, size_t bytes)
{
    for (uint32_t i = 0; i < answers->capacity && answers->bytes + bytes > answers->bytes_max;
         i++) {
        struct keyed_entry *entry = &answers->entries[(answers->hand + i) % answers->capacity];
        if (entry->state == KEPT_SETTLED)
            kept_answers_release(entry);
    }
}

bool kept_answers_settle(struct keyed_entry *entry, int status, const char *location, char *body,
                         size_t length, int64_t now_ms)
{
    struct kept_answers *answers = entry->home;

    assert(entry->state == KEPT_IN_FLIGHT && (body != NULL || length == 0));
    if (length <= answers->bytes_max)
        make_room(answers, length);
    if (answers->bytes + length > answers->bytes_max) {
        kept_answers_release(entry);
        free(body);
        return false;
    }
    if (location != NULL) {
        assert(strlen(location) <= KEPT_LOCATION_MAX);
        strcpy(entry->location, location);
    }
    entry->status = status;
    entry->body = body;
    entry->length = length;
    entry->settled_ms = now_ms;
    entry->state = KEPT_SETTLED;
    answers->bytes += length;
    return true;
}
