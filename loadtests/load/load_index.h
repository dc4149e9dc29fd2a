/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a text (a reservation ID, a SKU) to a number. Open addressing; grows when it has to, so it
 * is for before and after a run, not for during. Keys are not copied: they must outlive it.
 */
#ifndef LOAD_INDEX_H
#define LOAD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_index_entry {
    const char *key; /* NULL: free */
    uint32_t length;
    uint32_t value;
};

struct load_index {
    struct load_index_entry *entries;
    size_t slots; /* a power of two, or 0 */
    size_t count;
};

enum load_index_result {
    LOAD_INDEX_ADDED,
    LOAD_INDEX_PRESENT, /* nothing changed */
    LOAD_INDEX_NO_MEMORY,
};

/* A zeroed index is empty. */
void load_index_close(struct load_index *index);

enum load_index_result load_index_add(struct load_index *index, const char *key, size_t length,
                                      uint32_t value);

bool load_index_find(const struct load_index *index, const char *key, size_t length,
                     uint32_t *value_out);

#endif
