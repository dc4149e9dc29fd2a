/* SPDX-License-Identifier: Apache-2.0 */
#include "draw_check.h"

#include <assert.h>
#include <string.h>

#define NOWHERE UINT32_MAX

struct check {
    draw_digest *digest;
    const struct draw_proof *proof;
    struct draw_slot *slots;
    /* By place, from 0: where of those that are compared the entry belongs; NOWHERE if it is not
     * compared, being unknown or there already. */
    uint32_t *belongs;
    uint32_t *places; /* those places that are compared, ascending */
    uint32_t *tails;
    uint32_t *previous;
    uint32_t compared; /* of places */
    uint32_t each_max;
    void (*found)(void *user, const struct draw_finding *finding);
    void *user;
    struct draw_result *result;
};

static void tell(struct check *check, struct draw_finding finding)
{
    if (check->result->counts[finding.fault]++ < check->each_max)
        check->found(check->user, &finding);
}

/* ---- the list ---- */

static void check_list(struct check *check)
{
    const struct draw_proof *proof = check->proof;

    if (proof->count_said != proof->count)
        tell(check, (struct draw_finding){.fault = DRAW_FAULT_LENGTH,
                                          .at = proof->count_said,
                                          .other = proof->count});
    for (uint32_t i = 1; i < proof->count; i++) {
        int order = draw_entry_compare(&proof->entries[i - 1], &proof->entries[i]);

        if (order >= 0)
            tell(check, (struct draw_finding){
                            .fault = order > 0 ? DRAW_FAULT_UNSORTED : DRAW_FAULT_REPEATED,
                            .at = i,
                            .entry = proof->entries[i],
                        });
    }
}

/* ---- the same entries in list and order ---- */

/* The number of an entry in the list, by the names that `slots` are sorted by; or NOWHERE. */
static uint32_t number_of(const struct check *check, const struct draw_entry *entry)
{
    const struct draw_entry *entries = check->proof->entries;
    uint32_t low = 0;
    uint32_t high = check->proof->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (draw_entry_compare(&entries[check->slots[middle].number], entry) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == check->proof->count ||
        draw_entry_compare(&entries[check->slots[low].number], entry) != 0)
        return NOWHERE;
    return check->slots[low].number;
}

static void check_names(struct check *check)
{
    const struct draw_proof *proof = check->proof;
    uint32_t *stands_at = check->tails; /* by number in the list */

    draw_sort_names(proof->entries, proof->count, check->slots);
    for (uint32_t i = 0; i < proof->count; i++)
        stands_at[i] = NOWHERE;
    check->compared = 0;
    for (uint32_t p = 0; p < proof->order_count; p++) {
        uint32_t number = number_of(check, &proof->order[p]);

        check->belongs[p] = NOWHERE;
        if (number == NOWHERE) {
            tell(check, (struct draw_finding){
                            .fault = DRAW_FAULT_UNKNOWN, .at = p + 1, .entry = proof->order[p]});
        } else if (stands_at[number] != NOWHERE) {
            tell(check, (struct draw_finding){.fault = DRAW_FAULT_TWICE,
                                              .at = p + 1,
                                              .other = stands_at[number] + 1,
                                              .entry = proof->order[p]});
        } else {
            stands_at[number] = p;
            check->belongs[p] = 0;
            check->places[check->compared++] = p;
        }
    }
    for (uint32_t i = 0; i < proof->count; i++) {
        if (stands_at[i] == NOWHERE)
            tell(check, (struct draw_finding){
                            .fault = DRAW_FAULT_MISSING, .at = i, .entry = proof->entries[i]});
    }
}

/* ---- the order ---- */

/* Finds out where the entries belong by this key, and returns how many stand elsewhere. */
static uint32_t compare_order(struct check *check, const uint8_t key[DRAW_HASH_BYTES])
{
    const struct draw_proof *proof = check->proof;
    uint32_t next = 0;
    uint32_t differing = 0;

    draw_order(check->digest, key, proof->order, proof->order_count, check->slots);
    for (uint32_t i = 0; i < proof->order_count; i++) {
        uint32_t p = check->slots[i].number;

        if (check->belongs[p] != NOWHERE)
            check->belongs[p] = next++;
    }
    assert(next == check->compared);
    for (uint32_t i = 0; i < check->compared; i++)
        differing += check->belongs[check->places[i]] != i;
    return differing;
}

/* The longest run of entries that stand in ascending order of where they belong (patience sorting):
 * marks those outside of it by NOWHERE in `previous`, and returns how many they are. */
static uint32_t find_moved(struct check *check)
{
    const uint32_t in_run = NOWHERE - 1;
    uint32_t length = 0;
    uint32_t outside = 0;

    for (uint32_t i = 0; i < check->compared; i++) {
        uint32_t value = check->belongs[check->places[i]];
        uint32_t low = 0;
        uint32_t high = length;

        while (low < high) {
            uint32_t middle = low + (high - low) / 2;

            if (check->belongs[check->places[check->tails[middle]]] < value)
                low = middle + 1;
            else
                high = middle;
        }
        check->previous[i] = low > 0 ? check->tails[low - 1] : NOWHERE;
        check->tails[low] = i;
        if (low == length)
            length++;
    }
    for (uint32_t at = length > 0 ? check->tails[length - 1] : NOWHERE; at != NOWHERE;) {
        uint32_t before = check->previous[at];

        check->previous[at] = in_run;
        at = before;
    }
    for (uint32_t i = 0; i < check->compared; i++) {
        if (check->previous[i] != in_run) {
            check->previous[i] = NOWHERE;
            outside++;
        }
    }
    return outside;
}

static void tell_place(struct check *check, enum draw_fault fault, uint32_t i)
{
    uint32_t p = check->places[i];

    tell(check, (struct draw_finding){
                    .fault = fault,
                    .at = p + 1,
                    .other = check->places[check->belongs[p]] + 1,
                    .entry = check->proof->order[p],
                });
}

/* Of those that were moved some may have come to stand where they belong all the same; not all, or
 * every entry would. */
static void tell_moved(struct check *check, enum draw_fault fault)
{
    for (uint32_t i = 0; i < check->compared; i++) {
        if (check->previous[i] == NOWHERE && check->belongs[check->places[i]] != i)
            tell_place(check, fault, i);
    }
}

static void check_order(struct check *check, bool is_list)
{
    uint32_t differing = compare_order(check, check->result->key);
    uint32_t moved = differing > 0 ? find_moved(check) : 0;
    bool is_other = moved > check->compared / 2;

    if (!is_list) {
        uint8_t key[DRAW_HASH_BYTES];

        if (moved > 0 && !is_other)
            tell_moved(check, DRAW_FAULT_STRAY);
        draw_key(check->digest, &check->proof->terms, check->proof->seed, check->result->list_hash,
                 key);
        if (compare_order(check, key) == 0) {
            tell(check, (struct draw_finding){.fault = DRAW_FAULT_REDRAWN});
            return;
        }
    }
    if (is_other) {
        tell(check, (struct draw_finding){
                        .fault = DRAW_FAULT_ORDER, .at = differing, .other = check->compared});
    } else if (is_list && differing <= 2 * moved) {
        for (uint32_t i = 0; i < check->compared; i++) {
            if (check->belongs[check->places[i]] != i)
                tell_place(check, DRAW_FAULT_PLACE, i);
        }
    } else if (is_list) {
        tell_moved(check, DRAW_FAULT_PLACE);
    }
}

bool draw_check(draw_digest *digest, const struct draw_proof *proof,
                struct draw_check_memory memory, uint32_t each_max,
                void (*found)(void *user, const struct draw_finding *finding), void *user,
                struct draw_result *result_out)
{
    uint32_t longer = proof->count > proof->order_count ? proof->count : proof->order_count;
    struct check check = {
        .digest = digest,
        .proof = proof,
        .slots = memory.slots,
        .belongs = memory.numbers,
        .places = memory.numbers + longer,
        .tails = memory.numbers + 2 * (size_t)longer,
        .previous = memory.numbers + 3 * (size_t)longer,
        .each_max = each_max,
        .found = found,
        .user = user,
        .result = result_out,
    };
    uint8_t hash[DRAW_HASH_BYTES];

    assert(longer <= DRAW_ENTRIES_MAX && draw_terms_are_valid(&proof->terms));
    memset(result_out, 0, sizeof(*result_out));
    draw_seed_hash(digest, proof->seed, hash);
    if (memcmp(hash, proof->seed_hash, sizeof(hash)) != 0)
        tell(&check, (struct draw_finding){.fault = DRAW_FAULT_SEED});
    draw_list_hash(digest, proof->entries, proof->count, result_out->list_hash);
    bool is_list = memcmp(result_out->list_hash, proof->list_hash, DRAW_HASH_BYTES) == 0;
    if (!is_list)
        tell(&check, (struct draw_finding){.fault = DRAW_FAULT_LIST});
    draw_key(digest, &proof->terms, proof->seed, proof->list_hash, result_out->key);
    check_list(&check);
    check_names(&check);
    check_order(&check, is_list);
    for (unsigned i = 0; i < DRAW_FAULT_COUNT; i++) {
        if (result_out->counts[i] > 0)
            return false;
    }
    return true;
}

uint32_t draw_place_of(const struct draw_proof *proof, const struct draw_entry *entry)
{
    for (uint32_t p = 0; p < proof->order_count; p++) {
        if (draw_entry_compare(&proof->order[p], entry) == 0)
            return p + 1;
    }
    return 0;
}
