/* SPDX-License-Identifier: Apache-2.0 */
#include "search/change_set.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    WORD_BITS = 64,
    PIECE_WORDS = CHANGE_PIECE / WORD_BITS,
};

struct piece {
    _Atomic uint64_t words[PIECE_WORDS];
};

struct partition {
    /* Set after the bit that it stands for, and cleared before the words are looked at. */
    _Atomic bool has_some;
    _Atomic(struct piece *) pieces[CHANGE_PIECES]; /* NULL: none of them ever changed */
};

struct change_set {
    uint32_t partition_count;
    struct search_place at; /* the taker's: where it goes on */
    _Atomic uint64_t count;
    /* Of a bit that was added since the taker began its present pass; and before that. */
    _Atomic int64_t added_ms;
    _Atomic int64_t passing_ms;
    _Atomic bool is_partial;
    struct partition partitions[];
};

struct change_set *change_set_create(uint32_t partitions)
{
    struct change_set *set =
        calloc(1, sizeof(*set) + partitions * sizeof(set->partitions[0])); /* mostly untouched */

    if (set != NULL)
        set->partition_count = partitions;
    return set;
}

void change_set_destroy(struct change_set *set)
{
    if (set == NULL)
        return;
    for (uint32_t i = 0; i < set->partition_count; i++) {
        for (uint32_t j = 0; j < CHANGE_PIECES; j++)
            free(atomic_load_explicit(&set->partitions[i].pieces[j], memory_order_relaxed));
    }
    free(set);
}

/* The piece of a number; made where it is missing. NULL without memory. */
static struct piece *piece_at(struct partition *partition, uint32_t number)
{
    _Atomic(struct piece *) *place = &partition->pieces[number / CHANGE_PIECE];
    struct piece *piece = atomic_load_explicit(place, memory_order_acquire);

    if (piece != NULL)
        return piece;
    piece = calloc(1, sizeof(*piece));
    /* Pairs with the taker's acquire: it sees zeros. */
    atomic_store_explicit(place, piece, memory_order_release);
    return piece;
}

static void add(struct change_set *set, struct partition *partition, struct piece *piece,
                uint32_t number)
{
    uint64_t bit = (uint64_t)1 << (number % WORD_BITS);
    /* Release, all along: who takes the bit sees what was done before it was added. */
    uint64_t before = atomic_fetch_or_explicit(&piece->words[number % CHANGE_PIECE / WORD_BITS],
                                               bit, memory_order_acq_rel);

    if ((before & bit) == 0)
        atomic_fetch_add_explicit(&set->count, 1, memory_order_relaxed);
    atomic_store_explicit(&partition->has_some, true, memory_order_release);
}

bool change_set_add(struct change_set *set, struct search_place place, int64_t now_ms)
{
    struct partition *partition;
    struct piece *piece;

    if (place.partition >= set->partition_count || place.number >= SKUS_PER_PARTITION_MAX) {
        atomic_store_explicit(&set->is_partial, true, memory_order_relaxed);
        return false;
    }
    partition = &set->partitions[place.partition];
    piece = piece_at(partition, place.number);
    if (piece == NULL) {
        atomic_store_explicit(&set->is_partial, true, memory_order_relaxed);
        return false;
    }
    if (atomic_load_explicit(&set->added_ms, memory_order_relaxed) == 0)
        atomic_store_explicit(&set->added_ms, now_ms, memory_order_relaxed);
    add(set, partition, piece, place.number);
    return true;
}

/* The lowest bits of a word, so many at most. */
static uint64_t lowest(uint64_t bits, uint32_t most)
{
    uint64_t rest = bits;

    for (uint32_t i = 0; i < most && rest != 0; i++)
        rest &= rest - 1;
    return bits & ~rest;
}

/* Takes from one word at the number where the taker is; moves it on. */
static uint32_t take_word(struct change_set *set, struct piece *piece,
                          struct search_place *places_out, uint32_t room)
{
    _Atomic uint64_t *word = &piece->words[set->at.number % CHANGE_PIECE / WORD_BITS];
    uint32_t first = set->at.number - set->at.number % WORD_BITS;
    uint64_t there = atomic_load_explicit(word, memory_order_relaxed) &
                     UINT64_MAX << (set->at.number % WORD_BITS);
    uint64_t bits = lowest(there, room);
    uint32_t count = 0;

    set->at.number = first + WORD_BITS;
    if (bits == 0)
        return 0;
    if (bits != there)
        set->at.number = first + (uint32_t)__builtin_ctzll(there & ~bits);
    atomic_fetch_and_explicit(word, ~bits, memory_order_acq_rel);
    for (; bits != 0; bits &= bits - 1)
        places_out[count++] = (struct search_place){
            .partition = set->at.partition, .number = first + (uint32_t)__builtin_ctzll(bits)};
    atomic_fetch_sub_explicit(&set->count, count, memory_order_relaxed);
    return count;
}

/* The rest of the partition where the taker is. */
static uint32_t take_partition(struct change_set *set, struct search_place *places_out,
                               uint32_t room)
{
    struct partition *partition = &set->partitions[set->at.partition];
    uint32_t count = 0;

    /* Who stops within a partition has seen the flag before, and looks at the rest. */
    if (set->at.number == 0 &&
        !atomic_exchange_explicit(&partition->has_some, false, memory_order_acq_rel))
        set->at.number = SKUS_PER_PARTITION_MAX;
    while (set->at.number < SKUS_PER_PARTITION_MAX && count < room) {
        struct piece *piece = atomic_load_explicit(
            &partition->pieces[set->at.number / CHANGE_PIECE], memory_order_acquire);

        if (piece == NULL)
            set->at.number += CHANGE_PIECE - set->at.number % CHANGE_PIECE;
        else
            count += take_word(set, piece, places_out + count, room - count);
    }
    if (set->at.number < SKUS_PER_PARTITION_MAX)
        return count;
    set->at.number = 0;
    set->at.partition = (set->at.partition + 1) % set->partition_count;
    if (set->at.partition == 0)
        atomic_store_explicit(&set->passing_ms, 0, memory_order_relaxed);
    return count;
}

static void begin_pass(struct change_set *set)
{
    int64_t added_ms = atomic_exchange_explicit(&set->added_ms, 0, memory_order_acq_rel);

    atomic_store_explicit(&set->passing_ms, added_ms, memory_order_relaxed);
}

uint32_t change_set_take(struct change_set *set, struct search_place *places_out, uint32_t room)
{
    /* Each once; what is behind the place in the first of them at first, and the rest at last. */
    uint32_t rounds = set->partition_count + (set->at.number > 0);
    uint32_t count = 0;

    assert(room > 0);
    for (uint32_t i = 0; i < rounds && count < room; i++) {
        if (set->at.partition == 0 && set->at.number == 0)
            begin_pass(set);
        count += take_partition(set, places_out + count, room - count);
    }
    return count;
}

void change_set_put_back(struct change_set *set, const struct search_place *places, uint32_t count,
                         int64_t since_ms)
{
    atomic_store_explicit(&set->added_ms, since_ms, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        struct partition *partition = &set->partitions[places[i].partition];

        add(set, partition, piece_at(partition, places[i].number), places[i].number);
    }
}

void change_set_clear(struct change_set *set)
{
    atomic_store_explicit(&set->is_partial, false, memory_order_relaxed);
    set->at = (struct search_place){0};
    begin_pass(set);
    atomic_store_explicit(&set->passing_ms, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < set->partition_count; i++) {
        struct partition *partition = &set->partitions[i];

        /* Without asking it: who took last may have ended within the partition. */
        atomic_store_explicit(&partition->has_some, false, memory_order_seq_cst);
        for (uint32_t j = 0; j < CHANGE_PIECES; j++) {
            struct piece *piece = atomic_load_explicit(&partition->pieces[j], memory_order_acquire);

            for (uint32_t k = 0; piece != NULL && k < PIECE_WORDS; k++) {
                uint64_t bits = atomic_exchange_explicit(&piece->words[k], 0, memory_order_acq_rel);

                atomic_fetch_sub_explicit(&set->count, (uint64_t)__builtin_popcountll(bits),
                                          memory_order_relaxed);
            }
        }
    }
}

uint64_t change_set_count(const struct change_set *set)
{
    int64_t count = (int64_t)atomic_load_explicit(&set->count, memory_order_relaxed);

    return count > 0 ? (uint64_t)count : 0; /* taken before it was counted */
}

int64_t change_set_oldest_ms(const struct change_set *set)
{
    int64_t passing_ms = atomic_load_explicit(&set->passing_ms, memory_order_relaxed);

    return passing_ms != 0 ? passing_ms
                           : atomic_load_explicit(&set->added_ms, memory_order_relaxed);
}

bool change_set_is_whole(const struct change_set *set)
{
    return !atomic_load_explicit(&set->is_partial, memory_order_relaxed);
}
