/* SPDX-License-Identifier: Apache-2.0 */
/* The draw by itself: the definition's vectors, every entry once, ties, and that no place and no
 * neighbour is more likely than another, by tests that biased shuffles fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "draw_fixture.h"

static struct drawn drawn;

static void assert_hex(const uint8_t *bytes, size_t count, const char *expected)
{
    char text[2 * DRAW_HASH_BYTES + 1];

    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, expected);
}

/* ---- docs/fair-draw.md ---- */

static void the_example_of_the_definition(void **state)
{
    static const char *const tickets[] = {"qt_ann", "qt_bob", "qt_cy", "qt_dee", "qt_eve"};
    static const char *const order[] = {
        "11b55dda9d041d5204d19b837e95b0e2", "40ca75d62e82b04e020b20b4f67920e7",
        "7054a0378931699108ad7e5e96c5b392", "5fc17eaaf85b4cfe352b43ecf0da3b9b",
        "03c794409f64064c756c1517900573a9",
    };
    const struct draw_terms terms = {"friday", "drand quicknet round 12345678", "2f3c6b1d"};
    uint8_t seed[DRAW_SEED_BYTES];
    uint8_t hash[DRAW_HASH_BYTES];

    (void)state;
    for (unsigned i = 0; i < DRAW_SEED_BYTES; i++)
        seed[i] = (uint8_t)i;
    for (unsigned i = 0; i < 5; i++)
        drawn.entries[i] =
            draw_entry_of_ticket(digest_sha256, terms.drop, tickets[i], strlen(tickets[i]));
    assert_hex(drawn.entries[0].bytes, DRAW_ENTRY_BYTES, "5fc17eaaf85b4cfe352b43ecf0da3b9b");
    assert_true(draw_list_sort(drawn.entries, 5, drawn.slots));
    draw_seed_hash(digest_sha256, seed, hash);
    assert_hex(hash, sizeof(hash),
               "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd");
    draw_list_hash(digest_sha256, drawn.entries, 5, hash);
    assert_hex(hash, sizeof(hash),
               "c84c8e5993693d015a66712b26f8f244c586e51c93f69a333e17824bc87d2b83");
    draw_key(digest_sha256, &terms, seed, hash, hash);
    assert_hex(hash, sizeof(hash),
               "5ec663e596e6c240b2f729aca435000d995611527f9de260d1a5c8c5602bc6bb");
    draw_order(digest_sha256, hash, drawn.entries, 5, drawn.slots);
    assert_int_equal(drawn.slots[0].rank, 0x13181194fd90aa82);
    for (unsigned i = 0; i < 5; i++)
        assert_hex(drawn.entries[drawn.slots[i].number].bytes, DRAW_ENTRY_BYTES, order[i]);
}

static void every_term_is_in_the_key(void **state)
{
    static const struct draw_terms terms[] = {
        {"friday", "", ""},   {"fridaz", "", ""},    {"friday", "a", "b"},
        {"friday", "a", "c"}, {"friday", "ab", "c"},
    };
    enum { TERMS = sizeof(terms) / sizeof(terms[0]) };
    uint8_t keys[TERMS + 2][DRAW_HASH_BYTES];
    uint8_t seed[DRAW_SEED_BYTES] = {0};
    uint8_t hash[DRAW_HASH_BYTES] = {0};

    (void)state;
    for (unsigned i = 0; i < TERMS; i++)
        draw_key(digest_sha256, &terms[i], seed, hash, keys[i]);
    seed[31] = 1;
    draw_key(digest_sha256, &terms[0], seed, hash, keys[TERMS]);
    seed[31] = 0;
    hash[31] = 1;
    draw_key(digest_sha256, &terms[0], seed, hash, keys[TERMS + 1]);
    for (unsigned i = 0; i < TERMS + 2; i++) {
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(keys[i], keys[j], DRAW_HASH_BYTES);
    }
}

static void terms_that_could_be_taken_for_others_are_refused(void **state)
{
    char long_text[DRAW_PUBLIC_LENGTH_MAX + 2];
    const struct {
        struct draw_terms terms;
        bool is_valid;
    } cases[] = {
        {{"d", "", ""}, true},           {{"d", "a source", "42"}, true},
        {{"", "", ""}, false},           {{"a drop", "", ""}, false},
        {{"d\n", "", ""}, false},        {{"d", "a", ""}, false},
        {{"d", "", "b"}, false},         {{"d", "a\nb", "c"}, false},
        {{"d", "a\"", "c"}, false},      {{"d", "a", "c\\"}, false},
        {{"d", "\xc3\xa9", "c"}, false}, {{"d", "a", "\x7f"}, false},
        {{"d", long_text, "c"}, false},  {{"d", long_text + 1, "c"}, true},
        {{long_text, "", ""}, false},
    };

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = 0;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(draw_terms_are_valid(&cases[i].terms), cases[i].is_valid);
}

/* ---- lists ---- */

static void lists_are_sorted_and_repeats_seen(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t count = round % 50;

        for (uint32_t i = 0; i < count; i++) {
            uint32_t number = round * 1000 + (round % 7 == 0 && i == 1 ? 0 : i);
            uint8_t hash[DRAW_HASH_BYTES];

            digest_sha256(&number, sizeof(number), hash);
            if (round % 2 == 1)
                memset(hash, 7, 8); /* names that differ only behind the first word */
            memcpy(drawn.entries[i].bytes, hash, DRAW_ENTRY_BYTES);
            drawn.order[i] = drawn.entries[i];
        }
        bool has_repeat = round % 7 == 0 && count > 1;
        assert_int_equal(draw_list_sort(drawn.entries, count, drawn.slots), !has_repeat);
        for (uint32_t i = 1; i < count; i++)
            assert_true(draw_entry_compare(&drawn.entries[i - 1], &drawn.entries[i]) <=
                        (has_repeat ? 0 : -1));
        for (uint32_t i = 0; i < count; i++) { /* all of them are still there */
            uint32_t found = 0;

            for (uint32_t j = 0; j < count; j++)
                found += draw_entry_compare(&drawn.order[i], &drawn.entries[j]) == 0;
            assert_true(found >= 1 && found <= 1 + (uint32_t)has_repeat);
        }
    }
}

/* ---- the order ---- */

static void every_entry_has_one_place(void **state)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 255, 256, 257, 1000};

    (void)state;
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        bool seen[DRAW_FIXTURE_MAX] = {false};

        drawn_make(&drawn, counts[i], i);
        for (uint32_t p = 0; p < counts[i]; p++) {
            assert_true(drawn.slots[p].number < counts[i]);
            assert_false(seen[drawn.slots[p].number]);
            seen[drawn.slots[p].number] = true;
            assert_true(p == 0 || drawn.slots[p - 1].rank <= drawn.slots[p].rank);
        }
    }
}

/* Piece by piece, in any order, it is the same. */
static void ranks_may_be_made_in_pieces(void **state)
{
    static struct draw_slot slots[2 * 1000];
    uint8_t key[DRAW_HASH_BYTES] = {9};

    (void)state;
    drawn_entries(&drawn, 1000, "ticket");
    draw_order(digest_sha256, key, drawn.entries, 1000, drawn.slots);
    draw_rank(digest_sha256, key, drawn.entries, 300, 1000, slots);
    draw_rank(digest_sha256, key, drawn.entries, 0, 300, slots);
    draw_sort(digest_sha256, key, drawn.entries, 1000, slots);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(slots[i].number, drawn.slots[i].number);
}

/* Hashes that tell few apart: by their first word so many bits, by all of it as many more. */
static unsigned kept_bits;
static unsigned first_bits;

static void weak_digest(const void *bytes, size_t length, uint8_t digest_out[DRAW_HASH_BYTES])
{
    uint8_t hash[DRAW_HASH_BYTES];

    digest_sha256(bytes, length, hash);
    memset(digest_out, 0x55, DRAW_HASH_BYTES);
    digest_out[5] = (uint8_t)(hash[1] & ((1u << first_bits) - 1));
    digest_out[31] = (uint8_t)(hash[0] & ((1u << kept_bits) - 1));
}

static void equal_ranks_are_in_the_order_of_the_list(void **state)
{
    uint8_t key[DRAW_HASH_BYTES] = {1};

    (void)state;
    for (unsigned round = 0; round < 16; round++) {
        kept_bits = round % 4;
        first_bits = round / 4 * 2 + round / 12 * 2; /* runs of 300, of 75, … of two */
        drawn_entries(&drawn, 300, "ticket");
        draw_order(weak_digest, key, drawn.entries, 300, drawn.slots);
        for (uint32_t p = 1; p < 300; p++) {
            const struct draw_entry *entries[2] = {&drawn.entries[drawn.slots[p - 1].number],
                                                   &drawn.entries[drawn.slots[p].number]};
            uint8_t ranks[2][DRAW_HASH_BYTES];

            for (unsigned i = 0; i < 2; i++) {
                uint8_t bytes[DRAW_HASH_BYTES + DRAW_ENTRY_BYTES];

                memcpy(bytes, key, sizeof(key));
                memcpy(bytes + sizeof(key), entries[i]->bytes, DRAW_ENTRY_BYTES);
                weak_digest(bytes, sizeof(bytes), ranks[i]);
            }
            int order = memcmp(ranks[0], ranks[1], DRAW_HASH_BYTES);
            assert_true(order < 0 ||
                        (order == 0 && draw_entry_compare(entries[0], entries[1]) < 0));
        }
    }
}

/* ---- fairness ---- */

enum { SEEDS = 1000, FEW = 20, MANY = DRAW_FIXTURE_MAX };

/* An order of FEW: numbers by place. */
typedef void shuffler(uint32_t seed, uint32_t numbers_out[FEW]);

static void by_the_draw(uint32_t seed, uint32_t numbers_out[FEW])
{
    uint8_t bytes[DRAW_SEED_BYTES];
    uint8_t list_hash[DRAW_HASH_BYTES];
    uint8_t key[DRAW_HASH_BYTES];
    const struct draw_terms terms = {"friday", "", ""};

    drawn_seed(seed, bytes);
    draw_list_hash(digest_sha256, drawn.entries, FEW, list_hash);
    draw_key(digest_sha256, &terms, bytes, list_hash, key);
    draw_order(digest_sha256, key, drawn.entries, FEW, drawn.slots);
    for (unsigned i = 0; i < FEW; i++)
        numbers_out[i] = drawn.slots[i].number;
}

static uint32_t random_below(uint32_t seed, uint32_t step, uint32_t end)
{
    uint32_t words[2] = {seed, step};
    uint64_t hash[4];

    digest_sha256(words, sizeof(words), (uint8_t *)hash);
    return (uint32_t)(hash[0] % end);
}

/* The well-known mistake: each is exchanged with any, not with one of those that are left. */
static void by_careless_exchanges(uint32_t seed, uint32_t numbers_out[FEW])
{
    for (uint32_t i = 0; i < FEW; i++)
        numbers_out[i] = i;
    for (uint32_t i = 0; i < FEW; i++) {
        uint32_t j = random_below(seed, i, FEW);
        uint32_t number = numbers_out[i];

        numbers_out[i] = numbers_out[j];
        numbers_out[j] = number;
    }
}

/* Turned round by a chance: every place is fair, neighbours stay neighbours. */
static void by_a_turn(uint32_t seed, uint32_t numbers_out[FEW])
{
    uint32_t by = random_below(seed, 0, FEW);

    for (uint32_t i = 0; i < FEW; i++)
        numbers_out[i] = (i + by) % FEW;
}

struct fairness {
    double places;     /* chi-squared of who is where */
    double neighbours; /* and of who comes right before whom */
    uint32_t skew;     /* the most that a pair's order differs from half of the seeds */
};

static struct fairness judge(shuffler *shuffle)
{
    static uint32_t places[FEW][FEW];
    static uint32_t neighbours[FEW][FEW];
    static uint32_t before[FEW][FEW];
    struct fairness fairness = {0};
    const double expected = (double)SEEDS / FEW; /* of each cell, in both tables */

    memset(places, 0, sizeof(places));
    memset(neighbours, 0, sizeof(neighbours));
    memset(before, 0, sizeof(before));
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        uint32_t numbers[FEW];

        shuffle(seed, numbers);
        for (unsigned p = 0; p < FEW; p++) {
            places[numbers[p]][p]++;
            if (p > 0)
                neighbours[numbers[p - 1]][numbers[p]]++;
            for (unsigned q = 0; q < p; q++)
                before[numbers[q]][numbers[p]]++;
        }
    }
    for (unsigned i = 0; i < FEW; i++) {
        for (unsigned j = 0; j < FEW; j++) {
            double off = places[i][j] - expected;
            double off_neighbours = neighbours[i][j] - expected;
            uint32_t skew = (uint32_t)abs((int)before[i][j] - SEEDS / 2);

            fairness.places += off * off / expected;
            if (i == j)
                continue;
            fairness.neighbours += off_neighbours * off_neighbours / expected;
            if (skew > fairness.skew)
                fairness.skew = skew;
        }
    }
    return fairness;
}

/* Of 2,000 fair shuffles one exceeds each of these: 19 * 19 degrees of freedom, 380 - 1 at most; of
 * 190 pairs, six standard deviations of a coin that is thrown 1,000 times. */
static const double places_limit = 456.1;
static const double neighbours_limit = 476.2;
static const uint32_t skew_limit = 95;

static void a_thousand_seeds_favour_nobody(void **state)
{
    struct fairness fairness;

    (void)state;
    drawn_entries(&drawn, FEW, "ticket");
    fairness = judge(by_the_draw);
    print_message("places %.0f of %.0f, neighbours %.0f of %.0f, pairs %u of %u\n", fairness.places,
                  places_limit, fairness.neighbours, neighbours_limit, fairness.skew, skew_limit);
    assert_true(fairness.places < places_limit);
    assert_true(fairness.neighbours < neighbours_limit);
    assert_true(fairness.skew < skew_limit);
}

static void biased_shuffles_are_seen(void **state)
{
    (void)state;
    assert_true(judge(by_careless_exchanges).places > places_limit);
    assert_true(judge(by_a_turn).places < places_limit);
    assert_true(judge(by_a_turn).neighbours > neighbours_limit);
    assert_true(judge(by_a_turn).skew > skew_limit);
}

/* 1,000 entries, by twentieths of the list and of the order. */
static void large_draws_favour_no_part_of_the_list(void **state)
{
    static uint32_t counts[20][20];
    const double expected = (double)SEEDS * MANY / (20 * 20);
    double chi_squared = 0;

    (void)state;
    drawn_make(&drawn, MANY, 0);
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        uint8_t bytes[DRAW_SEED_BYTES];
        uint8_t key[DRAW_HASH_BYTES];

        drawn_seed(seed, bytes);
        draw_key(digest_sha256, &drawn.proof.terms, bytes, drawn.proof.list_hash, key);
        draw_order(digest_sha256, key, drawn.entries, MANY, drawn.slots);
        for (uint32_t p = 0; p < MANY; p++)
            counts[drawn.slots[p].number * 20 / MANY][p * 20 / MANY]++;
    }
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 20; j++)
            chi_squared += (counts[i][j] - expected) * (counts[i][j] - expected) / expected;
    }
    print_message("%.0f of %.0f\n", chi_squared, places_limit);
    assert_true(chi_squared < places_limit);
}

/* One entry more, less or other: not one order, but all of it. */
static void another_list_is_another_order(void **state)
{
    static struct drawn other;
    uint32_t same = 0;

    (void)state;
    drawn_make(&drawn, 999, 5);
    drawn_make(&other, 1000, 5);
    for (uint32_t p = 0; p < 999; p++)
        same += draw_entry_compare(&drawn.order[p], &other.order[p]) == 0;
    assert_true(same < 10); /* by chance one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_definition),
        cmocka_unit_test(every_term_is_in_the_key),
        cmocka_unit_test(terms_that_could_be_taken_for_others_are_refused),
        cmocka_unit_test(lists_are_sorted_and_repeats_seen),
        cmocka_unit_test(every_entry_has_one_place),
        cmocka_unit_test(ranks_may_be_made_in_pieces),
        cmocka_unit_test(equal_ranks_are_in_the_order_of_the_list),
        cmocka_unit_test(a_thousand_seeds_favour_nobody),
        cmocka_unit_test(biased_shuffles_are_seen),
        cmocka_unit_test(large_draws_favour_no_part_of_the_list),
        cmocka_unit_test(another_list_is_another_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
