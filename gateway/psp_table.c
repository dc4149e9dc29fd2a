/* SPDX-License-Identifier: Apache-2.0 */
#include "psp_table.h"

#include <stdlib.h>
#include <string.h>

#include "api/digest.h"

enum { CAPACITY_LEAST = 64 };

struct psp_hash psp_hash_of(const char *text, size_t length)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    struct psp_hash hash;

    digest_sha256(text, length, digest);
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

bool psp_hash_equal(struct psp_hash a, struct psp_hash b)
{
    return a.high == b.high && a.low == b.low;
}

static uint32_t home_of(const struct psp_table *table, struct psp_hash hash)
{
    return (uint32_t)hash.low & (table->capacity - 1);
}

/* The slot of this hash, or the free one where it belongs. */
static struct psp_slot *slot_of(const struct psp_table *table, struct psp_hash hash)
{
    uint32_t at = home_of(table, hash);

    while (table->slots[at].is_used && !psp_hash_equal(table->slots[at].hash, hash))
        at = (at + 1) & (table->capacity - 1);
    return &table->slots[at];
}

static void grow(struct psp_table *table)
{
    struct psp_table larger = {
        .count = table->count,
        .capacity = table->capacity == 0 ? CAPACITY_LEAST : 2 * table->capacity,
    };

    larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
    if (larger.slots == NULL)
        abort();
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->slots[i].is_used)
            *slot_of(&larger, table->slots[i].hash) = table->slots[i];
    }
    free(table->slots);
    *table = larger;
}

uint32_t psp_table_find(const struct psp_table *table, struct psp_hash hash)
{
    const struct psp_slot *slot;

    if (table->count == 0)
        return PSP_ABSENT;
    slot = slot_of(table, hash);
    return slot->is_used ? slot->value : PSP_ABSENT;
}

void psp_table_put(struct psp_table *table, struct psp_hash hash, uint32_t value)
{
    struct psp_slot *slot;

    if (table->capacity - table->count <= table->capacity / 4)
        grow(table);
    slot = slot_of(table, hash);
    table->count += !slot->is_used;
    *slot = (struct psp_slot){.hash = hash, .value = value, .is_used = true};
}

void psp_table_remove(struct psp_table *table, struct psp_hash hash)
{
    uint32_t mask = table->capacity - 1;
    uint32_t hole;

    if (psp_table_find(table, hash) == PSP_ABSENT)
        return;
    hole = (uint32_t)(slot_of(table, hash) - table->slots);
    /* What was pushed past the hole moves back into it, so that no search ends too soon. */
    for (uint32_t at = (hole + 1) & mask; table->slots[at].is_used; at = (at + 1) & mask) {
        uint32_t home = home_of(table, table->slots[at].hash);

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole].is_used = false;
    table->count--;
}

void psp_table_free(struct psp_table *table)
{
    free(table->slots);
    *table = (struct psp_table){0};
}
