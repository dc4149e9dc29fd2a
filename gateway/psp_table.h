/* SPDX-License-Identifier: Apache-2.0 */
/* From a text to a number: an open-addressing table of 128-bit hashes that grows. One thread. */
#ifndef STAMPEDE_PSP_TABLE_H
#define STAMPEDE_PSP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PSP_ABSENT UINT32_MAX

struct psp_hash {
    uint64_t high;
    uint64_t low;
};

struct psp_slot {
    struct psp_hash hash;
    uint32_t value;
    bool is_used;
};

/* Begins as {0}. */
struct psp_table {
    struct psp_slot *slots;
    uint32_t count;
    uint32_t capacity; /* 0 or a power of two */
};

/* The first 128 bits of SHA-256: two texts never meet. */
struct psp_hash psp_hash_of(const char *text, size_t length);
bool psp_hash_equal(struct psp_hash a, struct psp_hash b);

/* PSP_ABSENT if it is not there. */
uint32_t psp_table_find(const struct psp_table *table, struct psp_hash hash);
/* Sets, or sets anew; aborts without memory, as everything here that begins a request does. */
void psp_table_put(struct psp_table *table, struct psp_hash hash, uint32_t value);
void psp_table_remove(struct psp_table *table, struct psp_hash hash);
void psp_table_free(struct psp_table *table);

#endif
