/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes against the reference's vectors, the index against a plain list, IDs there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "identity.h"
#include "index_table.h"
#include "messages.h"

static uint64_t little_endian(const uint8_t *bytes)
{
    uint64_t word = 0;

    for (int i = 7; i >= 0; i--)
        word = word << 8 | bytes[i];
    return word;
}

/* Key 00..0f, input 00, 01, …: the first entries of the SipHash authors' vectors_sip64. */
static void siphash_2_4_gives_its_vectors(void **state)
{
    static const uint8_t vectors[][8] = {
        {0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72},
        {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74},
        {0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d},
    };
    struct hash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};
    uint8_t input[16];

    (void)state;
    for (uint8_t i = 0; i < sizeof(input); i++)
        input[i] = i;
    for (size_t i = 0; i < 3; i++)
        assert_true(hash_tag(&key, input, i) == little_endian(vectors[i]));
    /* The paper's own example, fifteen bytes. */
    assert_true(hash_tag(&key, input, 15) == 0xa129ca6149be45e5u);
}

/* Under a key of zeros CPython 3.11 gives the same, with PYTHONHASHSEED=0: hash(bytes(range(n))).
 */
static void siphash_1_3_gives_what_python_gives(void **state)
{
    static const struct {
        size_t length;
        uint64_t hash;
    } vectors[] = {
        {1, 0x68a914128e01e473u}, {2, 0x010bac45c41e3669u},  {7, 0x2f098ab0c751325au},
        {8, 0xead411e67ebe2eeau}, {15, 0xf30eb725bb91c9eau},
    };
    struct hash_key key = {{0, 0}};
    uint8_t input[16];

    (void)state;
    for (uint8_t i = 0; i < sizeof(input); i++)
        input[i] = i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct hash128 wide = hash_bytes_128(&key, input, vectors[i].length);

        assert_true(hash_bytes(&key, input, vectors[i].length) == vectors[i].hash);
        assert_true(wide.word[0] != wide.word[1] && wide.word[0] != vectors[i].hash);
    }
}

/* Few hashes that many slots share: long chains. Many: a table that grows all the time. */
static uint64_t index_hash(uint32_t slot, uint32_t hashes)
{
    return hash_word(slot % hashes + 1);
}

static bool index_has(const struct index_table *table, uint32_t slot, uint32_t hashes)
{
    uint32_t cursor = 0;
    uint32_t times = 0;
    uint32_t found;

    while ((found = index_table_find(table, index_hash(slot, hashes), &cursor)) != SLOT_NONE)
        times += found == slot;
    assert_true(times <= 1);
    return times == 1;
}

static void compare_with_list(uint32_t hashes, uint32_t steps)
{
    enum { SLOTS = 600 };
    _Alignas(64) static struct index_bucket buckets[SLOTS];
    struct index_table table;
    bool present[SLOTS] = {false};
    uint64_t random = 7;

    memset(buckets, 0, sizeof(buckets));
    assert_true(index_table_buckets(SLOTS) <= SLOTS);
    index_table_init(&table, buckets, SLOTS);
    for (uint32_t step = 0; step < steps; step++) {
        random = hash_word(random + 0x9e3779b97f4a7c15u);
        uint32_t slot = (uint32_t)(random % SLOTS);
        uint32_t other = (slot + hashes) % SLOTS; /* most often of the same hash */

        if (!present[slot]) {
            index_table_add(&table, index_hash(slot, hashes), slot);
        } else if (!present[other] && index_hash(other, hashes) == index_hash(slot, hashes)) {
            index_table_replace(&table, index_hash(slot, hashes), slot, other);
            present[other] = true;
        } else {
            index_table_remove(&table, index_hash(slot, hashes), slot);
        }
        present[slot] = !present[slot];
        for (uint32_t probe = step % 13; probe < SLOTS; probe += 13)
            assert_true(index_has(&table, probe, hashes) == present[probe]);
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (present[slot])
            index_table_remove(&table, index_hash(slot, hashes), slot);
        assert_false(index_has(&table, slot, hashes));
    }
    assert_int_equal(table.used, 0);
}

static void index_agrees_with_a_list(void **state)
{
    (void)state;
    compare_with_list(23, 20000);
    compare_with_list(1, 1000);
    compare_with_list(600, 20000);
}

/* As large as it gets, few entries overflow, so a look-up stays one line of memory. */
static void index_grows_evenly(void **state)
{
    enum { SLOTS = 100000 };
    struct index_bucket *buckets =
        aligned_alloc(64, index_table_buckets(SLOTS) * sizeof(struct index_bucket));
    struct index_table table;
    uint32_t within = 0;

    (void)state;
    assert_non_null(buckets);
    memset(buckets, 0, index_table_buckets(SLOTS) * sizeof(struct index_bucket));
    index_table_init(&table, buckets, SLOTS);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        index_table_add(&table, index_hash(slot, UINT32_MAX), slot);
        assert_true(table.count <=
                    INDEX_BUCKETS_MIN + table.used * 2 / INDEX_BUCKET_LOAD_TWICE + 1);
        if (slot % 1000 != 999)
            continue;
        within = 0;
        for (uint32_t i = 0; i < table.count; i++)
            within += buckets[i].used;
        assert_true(within > slot - slot / 16);
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        assert_true(index_has(&table, slot, UINT32_MAX));
    free(buckets);
}

static void reservation_ids_come_back_and_cannot_be_made_up(void **state)
{
    struct hash_key secret = {{11, 22}};
    struct hash_key other = {{11, 23}};
    struct reservation_id id = {
        .created_ms = 1763827200123, .sequence = (1ULL << 39) + 5, .partition = 255};
    struct reservation_id later = id;
    struct reservation_id back;
    char text[RESERVATION_ID_LENGTH + 1];
    char later_text[RESERVATION_ID_LENGTH + 1];

    (void)state;
    reservation_id_format(&id, &secret, text);
    assert_int_equal(strlen(text), RESERVATION_ID_LENGTH);
    assert_true(reservation_id_parse(text, RESERVATION_ID_LENGTH, &secret, &back));
    assert_true(back.created_ms == id.created_ms && back.sequence == id.sequence &&
                back.partition == id.partition);
    assert_false(reservation_id_parse(text, RESERVATION_ID_LENGTH, &other, &back));
    assert_false(reservation_id_parse(text, RESERVATION_ID_LENGTH - 1, &secret, &back));
    for (size_t i = 0; i < RESERVATION_ID_LENGTH; i++) {
        char was = text[i];

        text[i] = was == '7' ? '8' : '7';
        assert_false(reservation_id_parse(text, RESERVATION_ID_LENGTH, &secret, &back));
        text[i] = '\0';
        assert_false(reservation_id_parse(text, RESERVATION_ID_LENGTH, &secret, &back));
        text[i] = was;
    }
    later.created_ms++;
    reservation_id_format(&later, &secret, later_text);
    assert_true(strcmp(text, later_text) < 0); /* they sort by time */
}

static void row_numbers_come_back(void **state)
{
    static const uint64_t numbers[] = {1, 31, 32, 1ULL << 54, ROW_NUMBER_END - 1};
    static const uint64_t drawn[] = {0, 1, ROW_NUMBER_END - 2, ROW_NUMBER_END - 1, UINT64_MAX};
    static const char *const wrong[] = {"00000000000", "0000000001",  "000000000001",
                                        "0000000000u", "0000000000A", "-0000000001"};
    char text[ROW_TEXT_LENGTH + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        row_number_format(numbers[i], text);
        assert_int_equal(strlen(text), ROW_TEXT_LENGTH);
        assert_true(row_number_parse(text, ROW_TEXT_LENGTH) == numbers[i]);
    }
    assert_string_equal(text, "zzzzzzzzzzz");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_true(row_number_parse(wrong[i], strlen(wrong[i])) == 0);
    for (size_t i = 0; i < sizeof(drawn) / sizeof(drawn[0]); i++)
        assert_true(row_number_is_valid(row_number_of(drawn[i])));
}

static void skus_have_their_alphabet(void **state)
{
    (void)state;
    assert_true(sku_is_valid("A.b_c-1/2:3", 11));
    assert_false(sku_is_valid("", 0));
    assert_false(sku_is_valid("a b", 3));
    assert_false(sku_is_valid("a\0b", 3));
    assert_false(sku_is_valid("caf\xc3\xa9", 5));
    assert_false(
        sku_is_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 65));
}

static void every_message_and_outcome_has_a_name(void **state)
{
    (void)state;
    for (int type = 0; type < MESSAGE_TYPE_COUNT; type++) {
        assert_non_null(message_name((enum message_type)type));
        assert_true(message_size((enum message_type)type, RESERVATION_LINES_MAX) <=
                    sizeof(struct message));
    }
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        assert_non_null(outcome_name((enum outcome)outcome));
    assert_string_equal(outcome_name(OUTCOME_SOLD_OUT), "sold_out");
    assert_true(record_size(RECORD_HOLD, 1) <= 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_2_4_gives_its_vectors),
        cmocka_unit_test(siphash_1_3_gives_what_python_gives),
        cmocka_unit_test(index_agrees_with_a_list),
        cmocka_unit_test(index_grows_evenly),
        cmocka_unit_test(reservation_ids_come_back_and_cannot_be_made_up),
        cmocka_unit_test(row_numbers_come_back),
        cmocka_unit_test(skus_have_their_alphabet),
        cmocka_unit_test(every_message_and_outcome_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
