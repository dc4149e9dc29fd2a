/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a published draw is what draw.h defines; and where it is not, exactly what is wrong.
 *
 * An order can be wrong in one place and therefore all behind it stand elsewhere: so of an order
 * that differs in many places those entries are named that stand outside of its longest run of
 * ascending ranks, which is what was moved. A list that is not the one whose hash was published is
 * held against that hash's own key: an entry that was altered or added then stands where its rank
 * does not put it. Pure; any thread that owns the memory; about as long as the draw itself. */
#ifndef STAMPEDE_DRAW_CHECK_H
#define STAMPEDE_DRAW_CHECK_H

#include "draw.h"

/* What a proof document says. */
struct draw_proof {
    struct draw_terms terms; /* valid ones */
    uint8_t seed[DRAW_SEED_BYTES];
    uint8_t seed_hash[DRAW_HASH_BYTES];
    uint8_t list_hash[DRAW_HASH_BYTES];
    const struct draw_entry *entries;
    uint32_t count; /* of entries, and so on: at most DRAW_ENTRIES_MAX */
    const struct draw_entry *order;
    uint32_t order_count;
    uint32_t count_said; /* of entries, by the document's word */
};

/* name, what is meant of a finding's fields */
#define DRAW_FAULTS(X)                                                                             \
    X(SEED, "the seed does not match seed_hash")                                                   \
    X(LIST, "the entries do not match list_hash")                                                  \
    X(LENGTH, "the list has `other` entries, and the document says `at`")                          \
    X(UNSORTED, "entries[at] is lower than the one before it")                                     \
    X(REPEATED, "entries[at] is the one before it again")                                          \
    X(UNKNOWN, "at place `at` stands an entry that is not in the list")                            \
    X(TWICE, "the entry at place `at` stands at place `other`, too")                               \
    X(MISSING, "entries[at] stands at no place")                                                   \
    X(PLACE, "the entry at place `at` belongs at place `other`")                                   \
    X(STRAY, "by the published list_hash, the entry at place `at` belongs between others")         \
    X(ORDER, "the order is another one: `at` of `other` entries stand where they do not belong")   \
    X(REDRAWN, "the order is right for the entries as they are: list_hash is of another list")

enum draw_fault {
#define X(name, text) DRAW_FAULT_##name,
    DRAW_FAULTS(X)
#undef X
        DRAW_FAULT_COUNT
};

struct draw_finding {
    enum draw_fault fault;
    uint32_t at;    /* entries[at] from 0; places from 1 */
    uint32_t other; /* a place, from 1, or a count */
    struct draw_entry entry;
};

/* What the check works in; sizes by the longer of the two lists. */
enum { DRAW_CHECK_SLOTS = 2, DRAW_CHECK_NUMBERS = 4 };

struct draw_check_memory {
    struct draw_slot *slots; /* DRAW_CHECK_SLOTS times its length */
    uint32_t *numbers;       /* DRAW_CHECK_NUMBERS times */
};

struct draw_result {
    uint32_t counts[DRAW_FAULT_COUNT];  /* of findings; all 0: the draw is as it must be */
    uint8_t list_hash[DRAW_HASH_BYTES]; /* of the entries as they stand */
    uint8_t key[DRAW_HASH_BYTES];       /* by the published list_hash */
};

/* Calls `found` for what is wrong, at most `each_max` times for one fault; all are counted. True:
 * nothing is. */
bool draw_check(draw_digest *digest, const struct draw_proof *proof,
                struct draw_check_memory memory, uint32_t each_max,
                void (*found)(void *user, const struct draw_finding *finding), void *user,
                struct draw_result *result_out);

/* The place of an entry in the order, from 1; 0 if it has none. */
uint32_t draw_place_of(const struct draw_proof *proof, const struct draw_entry *entry);

#endif
