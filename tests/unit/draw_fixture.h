/* SPDX-License-Identifier: Apache-2.0 */
/* A draw of so many made-up entries, and its proof. */
#ifndef STAMPEDE_TEST_DRAW_FIXTURE_H
#define STAMPEDE_TEST_DRAW_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "api/digest.h"
#include "draw_check.h"

enum { DRAW_FIXTURE_MAX = 1000 };

struct drawn {
    struct draw_entry entries[DRAW_FIXTURE_MAX + 8]; /* room for what a test adds */
    struct draw_entry order[DRAW_FIXTURE_MAX + 8];
    struct draw_slot slots[DRAW_CHECK_SLOTS * (DRAW_FIXTURE_MAX + 8)];
    uint32_t numbers[DRAW_CHECK_NUMBERS * (DRAW_FIXTURE_MAX + 8)];
    struct draw_proof proof;
};

/* Entries that are the same for the same `label`, ascending. */
static inline void drawn_entries(struct drawn *drawn, uint32_t count, const char *label)
{
    for (uint32_t i = 0; i < count; i++) {
        char ticket[64];
        int length = snprintf(ticket, sizeof(ticket), "%s-%u", label, i);

        drawn->entries[i] = draw_entry_of_ticket(digest_sha256, "friday", ticket, (size_t)length);
    }
    draw_list_sort(drawn->entries, count, drawn->slots);
}

/* A seed of its own for each number. */
static inline void drawn_seed(uint32_t number, uint8_t seed_out[DRAW_SEED_BYTES])
{
    digest_sha256(&number, sizeof(number), seed_out);
}

/* Closes the list and draws. */
static inline void drawn_make(struct drawn *drawn, uint32_t count, uint32_t seed)
{
    struct draw_proof *proof = &drawn->proof;
    uint8_t key[DRAW_HASH_BYTES];

    drawn_entries(drawn, count, "ticket");
    *proof = (struct draw_proof){
        .terms = {.drop = "friday", .public_source = "a source", .public_value = "42"},
        .entries = drawn->entries,
        .count = count,
        .count_said = count,
        .order = drawn->order,
        .order_count = count,
    };
    drawn_seed(seed, proof->seed);
    draw_seed_hash(digest_sha256, proof->seed, proof->seed_hash);
    draw_list_hash(digest_sha256, drawn->entries, count, proof->list_hash);
    draw_key(digest_sha256, &proof->terms, proof->seed, proof->list_hash, key);
    draw_order(digest_sha256, key, drawn->entries, count, drawn->slots);
    for (uint32_t i = 0; i < count; i++)
        drawn->order[i] = drawn->entries[drawn->slots[i].number];
}

#endif
