/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of draws: the right one passes, of all orders no other one does, whatever is altered is
 * named, and the verdict is that of plain comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "draw_fixture.h"

static struct drawn drawn;

enum { FOUND_MAX = 64 };

static struct draw_finding found[FOUND_MAX];
static uint32_t found_count;

static void note(void *user, const struct draw_finding *finding)
{
    (void)user;
    assert_true(found_count < FOUND_MAX);
    if (finding->fault == DRAW_FAULT_PLACE || finding->fault == DRAW_FAULT_STRAY)
        assert_int_not_equal(finding->at, finding->other);
    found[found_count++] = *finding;
}

static bool check(struct draw_result *result_out)
{
    struct draw_check_memory memory = {drawn.slots, drawn.numbers};

    found_count = 0;
    memset(drawn.slots, 0xff, sizeof(drawn.slots)); /* nothing is believed of what was there */
    memset(drawn.numbers, 0xff, sizeof(drawn.numbers));
    return draw_check(digest_sha256, &drawn.proof, memory, 4, note, NULL, result_out);
}

/* The verdict, and that the counts are what was told. */
static bool is_verified(void)
{
    struct draw_result result;
    uint32_t told = 0;
    bool verdict = check(&result);

    for (unsigned i = 0; i < DRAW_FAULT_COUNT; i++)
        told += result.counts[i] < 4 ? result.counts[i] : 4;
    assert_int_equal(told, found_count);
    assert_int_equal(verdict, found_count == 0);
    return verdict;
}

static bool has_found(enum draw_fault fault, uint32_t at, const struct draw_entry *entry)
{
    for (uint32_t i = 0; i < found_count; i++) {
        if (found[i].fault == fault && found[i].at == at &&
            draw_entry_compare(&found[i].entry, entry) == 0)
            return true;
    }
    return false;
}

static void right_draws_are_verified(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 40; count++) {
        drawn_make(&drawn, count, count);
        assert_true(is_verified());
    }
    drawn_make(&drawn, 1000, 1);
    assert_true(is_verified());
    assert_int_equal(draw_place_of(&drawn.proof, &drawn.order[0]), 1);
    assert_int_equal(draw_place_of(&drawn.proof, &drawn.order[999]), 1000);
    drawn.proof.order_count = 999;
    assert_int_equal(draw_place_of(&drawn.proof, &drawn.order[999]), 0);
}

/* Next permutation in lexical order; false after the last. */
static bool permute(uint32_t *numbers, uint32_t count)
{
    uint32_t at = count - 1;
    uint32_t other = count - 1;

    while (at > 0 && numbers[at - 1] > numbers[at])
        at--;
    if (at == 0)
        return false;
    while (numbers[other] < numbers[at - 1])
        other--;
    uint32_t number = numbers[other];
    numbers[other] = numbers[at - 1];
    numbers[at - 1] = number;
    for (uint32_t end = count - 1; at < end; at++, end--) {
        number = numbers[at];
        numbers[at] = numbers[end];
        numbers[end] = number;
    }
    return true;
}

static void of_all_orders_one_is_verified(void **state)
{
    (void)state;
    for (uint32_t count = 2; count <= 6; count++) {
        struct draw_entry right[6];
        uint32_t numbers[6] = {0, 1, 2, 3, 4, 5};
        uint32_t verified = 0;

        drawn_make(&drawn, count, count);
        memcpy(right, drawn.order, sizeof(right));
        do {
            for (uint32_t i = 0; i < count; i++)
                drawn.order[i] = drawn.entries[numbers[i]];
            if (is_verified()) {
                verified++;
                assert_memory_equal(drawn.order, right, count * sizeof(right[0]));
            }
        } while (permute(numbers, count));
        assert_int_equal(verified, 1);
    }
}

static void any_other_bit_is_seen(void **state)
{
    (void)state;
    drawn_make(&drawn, 6, 3);
    const struct {
        uint8_t *bytes;
        size_t length;
    } parts[] = {
        {drawn.proof.seed, DRAW_SEED_BYTES},
        {drawn.proof.seed_hash, DRAW_HASH_BYTES},
        {drawn.proof.list_hash, DRAW_HASH_BYTES},
        {drawn.entries[0].bytes, 6 * DRAW_ENTRY_BYTES},
        {drawn.order[0].bytes, 6 * DRAW_ENTRY_BYTES},
    };
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (size_t bit = 0; bit < 8 * parts[i].length; bit++) {
            parts[i].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(is_verified());
            if (i == 1 || i == 2) /* by name, and not only for what follows from it */
                assert_int_equal(found[0].fault, i == 1 ? DRAW_FAULT_SEED : DRAW_FAULT_LIST);
            parts[i].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_true(is_verified());
    drawn.proof.terms.public_value = "43";
    assert_false(is_verified());
    drawn.proof.terms.public_value = "42";
    drawn.proof.terms.drop = "saturday";
    assert_false(is_verified());
    drawn.proof.terms.drop = "friday";
    drawn.proof.count_said++;
    assert_false(is_verified());
    assert_int_equal(found[0].fault, DRAW_FAULT_LENGTH);
}

/* Each in turn: in the list, in the order, in both. */
static void one_altered_entry_is_named(void **state)
{
    enum { COUNT = 60 };

    (void)state;
    drawn_make(&drawn, COUNT, 11);
    for (uint32_t p = 0; p < COUNT; p++) {
        struct draw_entry entry = drawn.order[p];
        struct draw_entry other = entry;
        struct draw_result result;
        uint32_t number = 0;

        while (draw_entry_compare(&drawn.entries[number], &entry) != 0)
            number++;
        other.bytes[15] ^= 1; /* keeps its place in the list */
        drawn.entries[number] = other;
        assert_false(check(&result));
        assert_int_equal(found_count, 3);
        assert_int_equal(found[0].fault, DRAW_FAULT_LIST);
        assert_true(has_found(DRAW_FAULT_UNKNOWN, p + 1, &entry));
        assert_true(has_found(DRAW_FAULT_MISSING, number, &other));

        drawn.order[p] = other;
        assert_false(check(&result));
        assert_int_equal(found[0].fault, DRAW_FAULT_LIST);
        /* One of COUNT ranks fits where it stands by chance, and its neighbour may look like it. */
        if (found_count == 2)
            assert_int_equal(found[1].fault, DRAW_FAULT_STRAY);
        assert_true(found_count <= 2);

        drawn.entries[number] = entry;
        assert_false(check(&result));
        assert_int_equal(found_count, 2);
        assert_true(has_found(DRAW_FAULT_UNKNOWN, p + 1, &other));
        assert_true(has_found(DRAW_FAULT_MISSING, number, &entry));
        drawn.order[p] = entry;
    }
    assert_true(is_verified());
}

static void exchanged_places_are_named(void **state)
{
    enum { COUNT = 30 };

    (void)state;
    drawn_make(&drawn, COUNT, 12);
    for (uint32_t p = 0; p < COUNT; p++) {
        for (uint32_t q = 0; q < p; q++) {
            struct draw_entry one = drawn.order[p];
            struct draw_entry other = drawn.order[q];

            drawn.order[p] = other;
            drawn.order[q] = one;
            assert_false(is_verified());
            assert_int_equal(found_count, 2);
            assert_true(has_found(DRAW_FAULT_PLACE, p + 1, &other));
            assert_true(has_found(DRAW_FAULT_PLACE, q + 1, &one));
            assert_int_equal(found[0].other, p + 1);
            assert_int_equal(found[1].other, q + 1);
            drawn.order[p] = one;
            drawn.order[q] = other;
        }
    }
}

static void assert_one(enum draw_fault fault, uint32_t at, uint32_t other)
{
    assert_false(is_verified());
    assert_int_equal(found_count, 1);
    assert_int_equal(found[0].fault, fault);
    assert_int_equal(found[0].at, at);
    assert_int_equal(found[0].other, other);
}

static void one_thing_wrong_is_one_finding(void **state)
{
    struct draw_proof *proof = &drawn.proof;
    struct draw_entry entry;

    (void)state;
    drawn_make(&drawn, 60, 13);
    entry = drawn.order[41]; /* moved to the front: 41 others stand elsewhere for it */
    memmove(drawn.order + 1, drawn.order, 41 * sizeof(entry));
    drawn.order[0] = entry;
    assert_one(DRAW_FAULT_PLACE, 1, 42);

    drawn_make(&drawn, 60, 13);
    drawn.order[60] = drawn.order[7];
    proof->order_count = 61;
    assert_one(DRAW_FAULT_TWICE, 61, 8);
    proof->order_count = 60;
    proof->count_said = 59;
    assert_one(DRAW_FAULT_LENGTH, 59, 60);

    drawn_make(&drawn, 60, 13); /* the other way round */
    for (uint32_t i = 0; i < 30; i++) {
        entry = drawn.order[i];
        drawn.order[i] = drawn.order[59 - i];
        drawn.order[59 - i] = entry;
    }
    assert_one(DRAW_FAULT_ORDER, 60, 60);

    drawn_make(&drawn, 60, 13);
    memmove(drawn.entries + 8, drawn.entries + 7, 53 * sizeof(entry));
    proof->count = 61;
    proof->count_said = 61;
    draw_list_hash(digest_sha256, drawn.entries, 61, proof->list_hash);
    assert_false(is_verified());
    assert_int_equal(found[0].fault, DRAW_FAULT_REPEATED);
    assert_int_equal(found[0].at, 8);
}

/* Up to half of an order is named one by one, beyond it is another one. */
static void many_exchanges_are_still_counted(void **state)
{
    struct draw_result result;

    (void)state;
    drawn_make(&drawn, 60, 14);
    for (uint32_t i = 0; i < 10; i++) {
        struct draw_entry entry = drawn.order[i];

        drawn.order[i] = drawn.order[50 + i];
        drawn.order[50 + i] = entry;
    }
    assert_false(check(&result));
    assert_int_equal(result.counts[DRAW_FAULT_PLACE], 20);
    assert_int_equal(result.counts[DRAW_FAULT_ORDER], 0);
    assert_int_equal(found_count, 4);
}

/* The list was changed and drawn anew, and the published hash is the first one's. */
static void a_draw_that_was_made_again_is_recognised(void **state)
{
    uint8_t first[DRAW_HASH_BYTES];
    struct draw_result result;

    (void)state;
    drawn_make(&drawn, 60, 15);
    memcpy(first, drawn.proof.list_hash, sizeof(first));
    drawn_make(&drawn, 61, 15);
    memcpy(drawn.proof.list_hash, first, sizeof(first));
    assert_false(check(&result));
    assert_int_equal(found_count, 2);
    assert_int_equal(result.counts[DRAW_FAULT_LIST], 1);
    assert_int_equal(result.counts[DRAW_FAULT_REDRAWN], 1);
    assert_memory_not_equal(result.list_hash, first, sizeof(first));
}

/* All of its names begin alike: no comparison of theirs may take a time that grows by squares. */
static void names_that_begin_alike_are_no_trouble(void **state)
{
    (void)state;
    drawn_make(&drawn, DRAW_FIXTURE_MAX, 2);
    for (uint32_t i = 0; i < DRAW_FIXTURE_MAX; i++) {
        memset(drawn.entries[i].bytes, 1, 8);
        drawn.order[i] = drawn.entries[i];
    }
    assert_false(is_verified());
    assert_true(found_count > 2);
}

/* ---- against plain comparison ---- */

static uint32_t random_number(uint32_t end)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % end;
}

static bool is_right(const struct draw_proof *proof)
{
    static struct draw_slot slots[2 * DRAW_FIXTURE_MAX];
    uint8_t hash[DRAW_HASH_BYTES];

    draw_seed_hash(digest_sha256, proof->seed, hash);
    if (memcmp(hash, proof->seed_hash, sizeof(hash)) != 0 || proof->count != proof->order_count ||
        proof->count != proof->count_said)
        return false;
    draw_list_hash(digest_sha256, proof->entries, proof->count, hash);
    if (memcmp(hash, proof->list_hash, sizeof(hash)) != 0)
        return false;
    for (uint32_t i = 1; i < proof->count; i++) {
        if (memcmp(&proof->entries[i - 1], &proof->entries[i], sizeof(*proof->entries)) >= 0)
            return false;
    }
    draw_key(digest_sha256, &proof->terms, proof->seed, hash, hash);
    draw_order(digest_sha256, hash, proof->entries, proof->count, slots);
    for (uint32_t i = 0; i < proof->count; i++) {
        if (memcmp(&proof->order[i], &proof->entries[slots[i].number], DRAW_ENTRY_BYTES) != 0)
            return false;
    }
    return true;
}

static void alter_list(struct draw_entry *list, uint32_t *count)
{
    uint32_t at = random_number(*count + 1);
    uint32_t other = random_number(*count + 1);
    struct draw_entry entry = list[at];

    switch (random_number(4)) {
    case 0: /* exchange, perhaps with itself */
        if (at < *count && other < *count) {
            list[at] = list[other];
            list[other] = entry;
        }
        break;
    case 1: /* leave out */
        if (at < *count) {
            memmove(&list[at], &list[at + 1], (*count - at - 1) * sizeof(*list));
            --*count;
        }
        break;
    case 2: /* put in, one that is there */
        if (*count > 0) {
            entry = list[other % *count];
            memmove(&list[at + 1], &list[at], (*count - at) * sizeof(*list));
            list[at] = entry;
            ++*count;
        }
        break;
    default: /* alter, or put in what is new at the end */
        list[at].bytes[random_number(DRAW_ENTRY_BYTES)] ^= (uint8_t)random_number(2);
        *count += at == *count;
        break;
    }
}

static void the_verdict_is_that_of_plain_comparison(void **state)
{
    uint32_t verified = 0;

    (void)state;
    for (uint32_t round = 0; round < 20000; round++) {
        struct draw_proof *proof = &drawn.proof;

        drawn_make(&drawn, random_number(12), round);
        for (uint32_t changes = random_number(3); changes > 0; changes--) {
            if (random_number(2) == 0)
                alter_list(drawn.entries, &proof->count);
            else
                alter_list(drawn.order, &proof->order_count);
        }
        if (random_number(2) == 0) { /* a careful forger */
            draw_list_hash(digest_sha256, proof->entries, proof->count, proof->list_hash);
            proof->count_said = proof->count;
        }
        bool expected = is_right(proof);
        assert_int_equal(is_verified(), expected);
        verified += expected;
    }
    assert_in_range(verified, 5000, 15000); /* both verdicts came up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_draws_are_verified),
        cmocka_unit_test(of_all_orders_one_is_verified),
        cmocka_unit_test(any_other_bit_is_seen),
        cmocka_unit_test(one_altered_entry_is_named),
        cmocka_unit_test(exchanged_places_are_named),
        cmocka_unit_test(one_thing_wrong_is_one_finding),
        cmocka_unit_test(many_exchanges_are_still_counted),
        cmocka_unit_test(a_draw_that_was_made_again_is_recognised),
        cmocka_unit_test(names_that_begin_alike_are_no_trouble),
        cmocka_unit_test(the_verdict_is_that_of_plain_comparison),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
