/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/import_rows.h"

enum { SEEN_CAPACITY_FIRST = 1024 };

static bool seen_grow(struct seen_set *set)
{
    uint32_t capacity = set->capacity == 0 ? SEEN_CAPACITY_FIRST : set->capacity * 2;
    uint64_t *grown = calloc(capacity, sizeof(*grown));

    if (grown == NULL)
        return false;
    for (uint32_t i = 0; i < set->capacity; i++) {
        if (set->hashes[i] == 0)
            continue;
        uint32_t at = (uint32_t)set->hashes[i] & (capacity - 1);
        while (grown[at] != 0)
            at = (at + 1) & (capacity - 1);
        grown[at] = set->hashes[i];
    }
    free(set->hashes);
    set->hashes = grown;
    set->capacity = capacity;
    return true;
}

static uint64_t seen_hash(struct slice text)
{
    static const struct hash_key key = {{0x696d706f7274, 0x70726f6475637473}};
    uint64_t hash = hash_bytes(&key, text.text, text.length);

    return hash == 0 ? 1 : hash;
}

/* Where this hash is, or would be put; there is an empty place. */
static uint64_t *seen_place(const struct seen_set *set, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (set->capacity - 1);

    while (set->hashes[at] != 0 && set->hashes[at] != hash)
        at = (at + 1) & (set->capacity - 1);
    return &set->hashes[at];
}

enum seen seen_look(struct seen_set *set, struct slice text, uint32_t count_max)
{
    uint64_t hash = seen_hash(text);

    if (set->count >= set->capacity / 2 && !seen_grow(set))
        return SEEN_NO_ROOM;
    if (*seen_place(set, hash) == hash)
        return SEEN_BEFORE;
    return set->count == count_max ? SEEN_NO_ROOM : SEEN_NEW;
}

void seen_add(struct seen_set *set, struct slice text)
{
    uint64_t hash = seen_hash(text);

    *seen_place(set, hash) = hash;
    set->count++;
}

void seen_free(struct seen_set *set)
{
    free(set->hashes);
    set->hashes = NULL;
}
