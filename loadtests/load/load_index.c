/* SPDX-License-Identifier: Apache-2.0 */
/* From a text to a number: linear probing over at most half-full slots. */
#include "load_index.h"

#include <stdlib.h>
#include <string.h>

#include "load_random.h"

enum {
    SLOTS_MIN = 64,
};

static size_t hash_of(const char *key, size_t length)
{
    uint64_t hash = length;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, key, 8);
        hash = load_random_mix(hash ^ word);
        key += 8;
        length -= 8;
    }
    uint64_t rest = 0;
    memcpy(&rest, key, length);
    return (size_t)load_random_mix(hash ^ rest ^ UINT64_C(0x2545f4914f6cdd1d));
}

/* The slot that holds the key, or the free one where it would go. There is always a free one. */
static size_t slot_of(const struct load_index *index, const char *key, size_t length)
{
    size_t slot = hash_of(key, length) & (index->slots - 1);
    for (;;) {
        const struct load_index_entry *entry = &index->entries[slot];
        if (entry->key == NULL ||
            (entry->length == length && memcmp(entry->key, key, length) == 0)) {
            return slot;
        }
        slot = (slot + 1) & (index->slots - 1);
    }
}

static bool grow(struct load_index *index)
{
    struct load_index larger = {.slots = index->slots == 0 ? SLOTS_MIN : index->slots * 2,
                                .count = index->count};
    larger.entries = calloc(larger.slots, sizeof *larger.entries);
    if (larger.entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < index->slots; i++) {
        const struct load_index_entry *entry = &index->entries[i];
        if (entry->key != NULL) {
            larger.entries[slot_of(&larger, entry->key, entry->length)] = *entry;
        }
    }
    free(index->entries);
    *index = larger;
    return true;
}

void load_index_close(struct load_index *index)
{
    free(index->entries);
    *index = (struct load_index){0};
}

enum load_index_result load_index_add(struct load_index *index, const char *key, size_t length,
                                      uint32_t value)
{
    if (index->count * 2 >= index->slots && !grow(index)) {
        return LOAD_INDEX_NO_MEMORY;
    }
    struct load_index_entry *entry = &index->entries[slot_of(index, key, length)];
    if (entry->key != NULL) {
        return LOAD_INDEX_PRESENT;
    }
    *entry = (struct load_index_entry){.key = key, .length = (uint32_t)length, .value = value};
    index->count++;
    return LOAD_INDEX_ADDED;
}

bool load_index_find(const struct load_index *index, const char *key, size_t length,
                     uint32_t *value_out)
{
    if (index->slots == 0) {
        return false;
    }
    const struct load_index_entry *entry = &index->entries[slot_of(index, key, length)];
    if (entry->key == NULL) {
        return false;
    }
    *value_out = entry->value;
    return true;
}
