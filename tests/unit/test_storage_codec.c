/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of records: nothing is lost, nothing damaged passes. */
#include "random_record.h"
#include "test_storage_support.h"

#include "codec.h"
#include "codec_order.h"
#include "crc32c.h"

struct fixture {
    _Alignas(8) uint8_t record[CODEC_RECORD_BYTES_MAX];
    _Alignas(8) uint8_t decoded[CODEC_RECORD_BYTES_MAX];
    uint8_t value[CODEC_VALUE_BYTES_MAX];
    uint8_t key[CODEC_KEY_BYTES_MAX];
    size_t key_length;
    size_t value_length;
};

static struct fixture fixture;

static struct record *the_record(void)
{
    return (struct record *)(void *)fixture.record;
}

static struct record *the_decoded(void)
{
    return (struct record *)(void *)fixture.decoded;
}

static void encode(void)
{
    fixture.key_length = codec_encode_key(the_record(), fixture.key);
    fixture.value_length = codec_encode_value(the_record(), fixture.key, fixture.key_length,
                                              fixture.value, sizeof(fixture.value));
    assert_true(fixture.value_length <= sizeof(fixture.value));
}

static enum codec_error decode(void)
{
    return codec_decode((enum record_kind)the_record()->kind, fixture.key, fixture.key_length,
                        fixture.value, fixture.value_length, the_decoded());
}

static void random_record(uint64_t *seed, enum record_kind kind)
{
    random_record_of(seed, kind, the_record());
}

static void test_what_is_decoded_is_what_was_encoded(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
            random_record(&seed, (enum record_kind)kind);
            encode();
            memset(fixture.decoded, 0xa5, sizeof(fixture.decoded));
            assert_int_equal(decode(), CODEC_OK);
            assert_memory_equal(fixture.decoded, fixture.record, the_record()->size);
        }
    }
}

static void test_the_largest_records_fit(void **state)
{
    uint64_t seed = 2;
    struct record *record = the_record();

    (void)state;
    random_record(&seed, RECORD_PRODUCT);
    record->product.document_length = PRODUCT_DOCUMENT_BYTES_MAX;
    record->size = (record_size(RECORD_PRODUCT, 0) + PRODUCT_DOCUMENT_BYTES_MAX + 7) & ~7u;
    assert_true(record->size <= CODEC_RECORD_BYTES_MAX);
    encode();
    assert_int_equal(decode(), CODEC_OK);
    assert_memory_equal(fixture.decoded, fixture.record, record->size);
}

static void test_a_hold_of_one_line_keeps_the_budget(void **state)
{
    struct record *record = the_record();
    struct hold_record *hold = &record->hold;

    (void)state;
    memset(record, 0, sizeof(*record));
    record->kind = RECORD_HOLD;
    record->size = record_size(RECORD_HOLD, 1);
    record->partition = PARTITIONS_MAX - 1;
    record->sequence = (1ULL << 40) - 1;
    memset(&hold->key, 0xff, sizeof(hold->key));
    hold->fingerprint = UINT64_MAX;
    memset(&hold->principal, 0xff, sizeof(hold->principal));
    hold->created_wall_ms = hold->deadline_wall_ms = hold->ended_wall_ms = (1LL << 44) - 1;
    hold->ttl_ms = HOLD_TTL_MS_MAX;
    hold->owner_partition = PARTITIONS_MAX - 1;
    hold->owner_sequence = (1ULL << 40) - 1;
    hold->state = HOLD_EXPIRED;
    hold->extensions = UINT8_MAX;
    hold->line_count = 1;
    hold->lines[0] = (struct line){.sku_id = UINT32_MAX, .quantity = QUANTITY_MAX};
    encode();
    assert_true(fixture.key_length + fixture.value_length <= CODEC_HOLD_BYTES_BUDGET);
}

/* A live hold as they mostly are, of a store with a few thousand SKUs. */
static void test_a_usual_hold_is_short(void **state)
{
    struct record *record = the_record();
    struct hold_record *hold = &record->hold;

    (void)state;
    memset(record, 0, sizeof(*record));
    record->kind = RECORD_HOLD;
    record->size = record_size(RECORD_HOLD, 1);
    record->partition = 255;
    record->sequence = 1000000;
    memset(&hold->key, 0xff, sizeof(hold->key));
    hold->fingerprint = UINT64_MAX;
    memset(&hold->principal, 0xff, sizeof(hold->principal));
    hold->created_wall_ms = 1800000000000;
    hold->ttl_ms = HOLD_TTL_MS_DEFAULT;
    hold->deadline_wall_ms = hold->created_wall_ms + hold->ttl_ms;
    hold->owner_partition = record->partition;
    hold->owner_sequence = record->sequence;
    hold->state = HOLD_HELD;
    hold->line_count = 1;
    hold->lines[0] = (struct line){.sku_id = sku_id_make(255, 100), .quantity = 2};
    encode();
    assert_int_equal(fixture.key_length + fixture.value_length, 85);
}

static void test_keys_sort_as_their_numbers(void **state)
{
    static const struct journal_key ascending[] = {{0, 0, 0},
                                                   {0, 0, 1},
                                                   {0, 0, 256},
                                                   {0, 1, 0},
                                                   {0, 256, 0},
                                                   {0, UINT32_MAX, 0},
                                                   {1, 0, 0},
                                                   {1, 0, UINT64_MAX},
                                                   {255, 7, 9},
                                                   {256, 0, 0},
                                                   {4095, 1, 1ULL << 39}};
    uint8_t before[CODEC_KEY_BYTES];
    uint8_t after[CODEC_KEY_BYTES];

    (void)state;
    for (size_t i = 1; i < sizeof(ascending) / sizeof(ascending[0]); i++) {
        codec_encode_key_prefix(ascending[i - 1].partition, ascending[i - 1].subject,
                                ascending[i - 1].sequence, before);
        codec_encode_key_prefix(ascending[i].partition, ascending[i].subject, ascending[i].sequence,
                                after);
        assert_true(memcmp(before, after, sizeof(before)) < 0);
    }
}

static void test_every_truncation_is_refused(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
        random_record(&seed, (enum record_kind)kind);
        if (kind == RECORD_PRODUCT)
            the_record()->product.document_length = 50;
        encode();
        size_t whole = fixture.value_length;
        for (size_t length = 0; length < whole; length++) {
            fixture.value_length = length;
            assert_int_not_equal(decode(), CODEC_OK);
        }
        fixture.value_length = whole;
        for (size_t length = 0; length < CODEC_KEY_BYTES; length++) {
            fixture.key_length = length;
            assert_int_not_equal(decode(), CODEC_OK);
        }
    }
}

static void test_every_flipped_bit_is_refused(void **state)
{
    uint64_t seed = 4;

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
            random_record(&seed, (enum record_kind)kind);
            if (kind == RECORD_PRODUCT)
                the_record()->product.document_length %= 200;
            encode();
            for (size_t bit = 0; bit < fixture.value_length * 8; bit++) {
                fixture.value[bit / 8] = (uint8_t)(fixture.value[bit / 8] ^ 1u << bit % 8);
                assert_int_equal(decode(), CODEC_BAD_CHECKSUM);
                fixture.value[bit / 8] = (uint8_t)(fixture.value[bit / 8] ^ 1u << bit % 8);
            }
            for (size_t bit = 0; bit < fixture.key_length * 8; bit++) {
                fixture.key[bit / 8] = (uint8_t)(fixture.key[bit / 8] ^ 1u << bit % 8);
                assert_int_equal(decode(), CODEC_BAD_CHECKSUM);
                fixture.key[bit / 8] = (uint8_t)(fixture.key[bit / 8] ^ 1u << bit % 8);
            }
            assert_int_equal(decode(), CODEC_OK);
        }
    }
}

/* Gives a forged value the right checksum, so that what comes behind it is tested. */
static void sign(enum record_kind kind)
{
    uint8_t tag = (uint8_t)kind;
    uint32_t checksum = crc32c(crc32c(0, &tag, 1), fixture.key, fixture.key_length);

    checksum = crc32c(checksum, fixture.value, fixture.value_length);
    fixture.value[fixture.value_length++] = 0xce;
    for (unsigned i = 0; i < 4; i++)
        fixture.value[fixture.value_length++] = (uint8_t)(checksum >> (24 - 8 * i));
}

static enum codec_error decode_forged(enum record_kind kind, const void *bytes, size_t length)
{
    the_record()->kind = (uint8_t)kind;
    memset(fixture.key, 0, sizeof(fixture.key));
    fixture.key[13] = 1; /* sequence 1 */
    if (kind != RECORD_HOLD && kind != RECORD_LEDGER && kind != RECORD_KEY)
        fixture.key[13] = 0;
    fixture.key_length = RECORD_HAS_PRINCIPAL(kind) ? CODEC_KEY_BYTES_MAX : CODEC_KEY_BYTES;
    memcpy(fixture.value, bytes, length);
    fixture.value_length = length;
    sign(kind);
    return decode();
}

#define V CODEC_VERSION
#define ZEROS_46                                                                                   \
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

#define FORGED(kind, ...)                                                                          \
    decode_forged(RECORD_##kind, (const uint8_t[]){__VA_ARGS__},                                   \
                  sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_forged_values_are_refused(void **state)
{
    (void)state;
    assert_int_equal(FORGED(FLOOR, 0x93, V, 7), CODEC_OK);
    assert_int_equal(the_decoded()->floor.next_sequence, 7);
    assert_int_equal(FORGED(FLOOR, 0x93, V + 1, 7), CODEC_BAD_VERSION);
    assert_int_equal(FORGED(FLOOR, 0x93, V - 1, 7), CODEC_BAD_VERSION);
    assert_int_equal(FORGED(FLOOR, 0x93, 0xa1, 'x', 7), CODEC_BAD_FORM);
    assert_int_equal(FORGED(FLOOR, 0x92, V), CODEC_BAD_FORM);       /* a field too few */
    assert_int_equal(FORGED(FLOOR, 0x94, V, 7, 7), CODEC_BAD_FORM); /* too many */
    assert_int_equal(FORGED(FLOOR, 0x93, V, 0xff), CODEC_BAD_FORM); /* -1 */
    assert_int_equal(FORGED(FLOOR, 0x93, V, 0xc0), CODEC_BAD_FORM); /* nil */
    assert_int_equal(FORGED(FLOOR, 0x93, V, 0xca, 0, 0, 0, 0), CODEC_BAD_FORM); /* a float */
    assert_int_equal(FORGED(FLOOR, 0x93, V, 0x91, 7), CODEC_BAD_FORM);          /* nested */
    assert_int_equal(FORGED(FLOOR, 0x93, V, 0x81, 7, 7), CODEC_BAD_FORM);
    assert_int_equal(FORGED(FLOOR, 0x91, 0x91, 0x91, 0x91, 0x91), CODEC_BAD_FORM);
    assert_int_equal(FORGED(FLOOR, 0xdd, 0xff, 0xff, 0xff, 0xff, 1), CODEC_BAD_FORM);
    assert_int_equal(FORGED(FLOOR, 0xdf, 0xff, 0xff, 0xff, 0xff, 1), CODEC_BAD_FORM);
    assert_int_equal(FORGED(FLOOR, 0x93, V, 0xc6, 0xff, 0xff, 0xff, 0xff), CODEC_BAD_FORM);
    assert_int_equal(FORGED(FLOOR, 0x93, V, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
                     CODEC_BAD_RANGE);
    assert_int_equal(FORGED(COUNTER, 0x95, V, 5, 4, 3), CODEC_OK);
    assert_int_equal(FORGED(COUNTER, 0x95, V, 0xce, 0xff, 0, 0, 0, 4, 3), CODEC_BAD_RANGE);
    assert_int_equal(FORGED(LIMIT, 0x94, V, 9, 1), CODEC_OK);
    assert_int_equal(FORGED(LIMIT, 0x94, V, 9, 2), CODEC_BAD_RANGE);
    assert_int_equal(FORGED(SKU, 0x96, V, 0xa1, 'x', 1, 5, 0), CODEC_OK);
    assert_int_equal(FORGED(SKU, 0x96, V, 0xa1, 'x', 1, 5, 1), CODEC_OK);
    assert_int_equal(FORGED(SKU, 0x96, V, 0xa1, 'x', 1, 5, 2), CODEC_BAD_RANGE);
    assert_int_equal(FORGED(SKU, 0x96, V, 0xa1, ' ', 1, 5, 0), CODEC_BAD_RANGE);
    assert_int_equal(FORGED(SKU, 0x96, V, 0xa2, 'x', 0, 1, 5, 0), CODEC_BAD_RANGE);
    assert_int_equal(FORGED(SKU, 0x96, V, 0xa0, 1, 5, 0), CODEC_BAD_RANGE);
    assert_int_equal(FORGED(LEDGER, 0x97, V, 0, 1, 0, 0, 0xa0), CODEC_OK);
    assert_int_equal(FORGED(LEDGER, 0x97, V, LEDGER_ENTRY_COUNT, 1, 0, 0, 0xa0), CODEC_BAD_RANGE);
    assert_int_equal(FORGED(LEDGER, 0x97, V, 0, 0, 0, 0, 0xa0), CODEC_BAD_RANGE); /* 0 units */
    assert_int_equal(FORGED(PRODUCT, 0x99, V, 0xa1, 'x', 0xa3, 'E', 'U', 'R', 0, 1, 9, 0, 0xc4, 0),
                     CODEC_OK);
    assert_int_equal(FORGED(PRODUCT, 0x99, V, 0xa1, 'x', 0xa3, 'E', 'U', 'R', 0, 1, 9,
                            PRODUCT_STATUS_COUNT, 0xc4, 0),
                     CODEC_BAD_RANGE);
    assert_int_equal(FORGED(PRODUCT, 0x99, V, 0xa1, 'x', 0xa3, 'e', 'u', 'r', 0, 1, 9, 0, 0xc4, 0),
                     CODEC_BAD_RANGE);
    assert_int_equal(FORGED(PRODUCT, 0x99, V, 0xa1, 'x', 0xa3, 'E', 'U', 'R', 0, 1, 9, 0, 0xa0),
                     CODEC_BAD_FORM);
    assert_int_equal(FORGED(HOLD, 0x9d, V, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), CODEC_BAD_FORM);
}

/* A hold of sequence 1, partition 0: times, owner and SKU stand as what they differ by. */
static void test_forged_holds_are_refused(void **state)
{
    const struct hold_record *hold = &the_decoded()->hold;

    (void)state;
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 0, 0, 0, 0, 2, 0, 0, 0, 0, 7, 3),
                     CODEC_OK);
    assert_int_equal(hold->deadline_wall_ms, 9);
    assert_int_equal(hold->ended_wall_ms, 0);
    assert_int_equal(hold->owner_sequence, 1);
    assert_int_equal(hold->lines[0].sku_id, 7);
    assert_int_equal(hold->lines[0].quantity, 3);
    /* The deadline 9 ms, then 10 ms before created + ttl. */
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 17, 0, 0, 0, 2, 0, 0, 0, 0, 7, 3),
                     CODEC_OK);
    assert_int_equal(hold->deadline_wall_ms, 0);
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 19, 0, 0, 0, 2, 0, 0, 0, 0, 7, 3),
                     CODEC_BAD_RANGE);
    /* Ended 1 ms after it was made; at a time that says that it lives. */
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 0, 3, 0, 0, 3, 0, 0, 0, 0, 7, 3),
                     CODEC_OK);
    assert_int_equal(hold->ended_wall_ms, 1);
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 0, 1, 0, 0, 3, 0, 0, 0, 0, 7, 3),
                     CODEC_BAD_RANGE);
    /* Owned by sequence 0. */
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 3),
                     CODEC_BAD_RANGE);
    /* The run of bytes too short; no such state; no units. */
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 1, 0, 9, 0, 0, 0, 0, 2, 0, 0, 0, 0, 7, 3),
                     CODEC_BAD_FORM);
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 0, 0, 0, 0, HOLD_STATE_COUNT, 0,
                            0, 0, 0, 7, 3),
                     CODEC_BAD_RANGE);
    assert_int_equal(FORGED(HOLD, 0x9f, V, 0xc4, 46, ZEROS_46, 9, 0, 0, 0, 0, 2, 0, 0, 0, 0, 7, 0),
                     CODEC_BAD_RANGE);
}

/* What stands behind its zero would be in memory and not in the next value. */
static void test_a_text_that_ends_twice_is_refused(void **state)
{
    static const char *const texts[] = {"carrier", "redirect"};
    struct order_record *order = &the_record()->order;
    struct record *decoded = the_decoded();
    uint64_t seed = 3;

    (void)state;
    random_record(&seed, RECORD_ORDER);
    strcpy(order->carrier, texts[0]);
    strcpy(order->redirect_url, texts[1]);
    for (unsigned i = 0; i < 2; i++) {
        size_t length = codec_order_pack(the_record(), fixture.value, sizeof(fixture.value));
        uint8_t *at = memmem(fixture.value, length, texts[i], strlen(texts[i]));

        assert_non_null(at);
        for (unsigned round = 0; round < 2; round++) {
            memset(fixture.decoded, 0, sizeof(fixture.decoded));
            decoded->kind = RECORD_ORDER;
            assert_int_equal(codec_order_unpack(fixture.value, length, decoded, 0), round == 0);
            at[3] = 0;
        }
    }
}

static void test_random_bytes_with_a_right_checksum_do_no_harm(void **state)
{
    uint64_t seed = 5;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t bytes[64];
        size_t length = 1 + test_random(&seed) % sizeof(bytes);

        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)test_random(&seed);
        bytes[0] = (uint8_t)(0x90 + test_random(&seed) % 16);
        decode_forged((enum record_kind)(test_random(&seed) % RECORD_KIND_COUNT), bytes, length);
    }
}

static void test_records_that_cannot_be_are_not_valid(void **state)
{
    uint64_t seed = 6;
    struct record *record = the_record();

    (void)state;
    random_record(&seed, RECORD_HOLD);
    assert_true(codec_record_is_valid(record));
    record->hold.line_count = 0;
    assert_false(codec_record_is_valid(record));
    record->hold.line_count = RESERVATION_LINES_MAX + 1;
    assert_false(codec_record_is_valid(record));
    random_record(&seed, RECORD_HOLD);
    record->hold.state = HOLD_STATE_COUNT;
    assert_false(codec_record_is_valid(record));
    random_record(&seed, RECORD_HOLD);
    record->hold.lines[0].quantity = 0;
    assert_false(codec_record_is_valid(record));
    random_record(&seed, RECORD_HOLD);
    record->hold.created_wall_ms = -1;
    assert_false(codec_record_is_valid(record));
    random_record(&seed, RECORD_SKU);
    record->partition ^= 1; /* a SKU of another partition */
    assert_false(codec_record_is_valid(record));
    random_record(&seed, RECORD_FLOOR);
    record->sequence = 1; /* a second floor */
    assert_false(codec_record_is_valid(record));
    random_record(&seed, RECORD_PRODUCT);
    memset(record->product.id, 'x', sizeof(record->product.id)); /* no end */
    assert_false(codec_record_is_valid(record));
}

static void test_numbers_round_trip(void **state)
{
    uint64_t numbers[3] = {0, 77, UINT64_MAX};
    uint64_t decoded[3];
    size_t length = codec_encode_numbers("store", numbers, 3, fixture.value, 64);

    (void)state;
    assert_int_equal(codec_decode_numbers("store", fixture.value, length, decoded, 3), CODEC_OK);
    assert_memory_equal(numbers, decoded, sizeof(numbers));
    assert_int_equal(codec_decode_numbers("commit", fixture.value, length, decoded, 3),
                     CODEC_BAD_CHECKSUM);
    assert_int_equal(codec_decode_numbers("store", fixture.value, length, decoded, 2),
                     CODEC_BAD_FORM);
}

static void test_crc32c_has_its_published_values(void **state)
{
    uint8_t bytes[32];

    (void)state;
    /* RFC 3720, appendix B.4 */
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
    assert_int_equal(crc32c_portable(0, bytes, sizeof(bytes)), 0x46dd794e);
    assert_int_equal(crc32c(crc32c(0, bytes, 13), bytes + 13, 19), 0x46dd794e);
}

static void test_speed(void **state)
{
    enum { ROUNDS = 2000000 };
    uint64_t seed = 7;
    uint64_t bytes = 0;

    (void)state;
    if (!test_is_bench())
        return;
    random_record(&seed, RECORD_HOLD);
    the_record()->hold.line_count = 1;
    the_record()->size = record_size(RECORD_HOLD, 1);
    double start = test_seconds();
    for (unsigned i = 0; i < ROUNDS; i++) {
        the_record()->sequence = i + 1;
        encode();
        bytes += fixture.value_length;
    }
    double middle = test_seconds();
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(decode(), CODEC_OK);
    double end = test_seconds();
    print_message("codec: hold of one line: %.0f bytes, encode %.0f ns, decode %.0f ns\n",
                  (double)bytes / ROUNDS, (middle - start) / ROUNDS * 1e9,
                  (end - middle) / ROUNDS * 1e9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_decoded_is_what_was_encoded),
        cmocka_unit_test(test_the_largest_records_fit),
        cmocka_unit_test(test_a_hold_of_one_line_keeps_the_budget),
        cmocka_unit_test(test_a_usual_hold_is_short),
        cmocka_unit_test(test_keys_sort_as_their_numbers),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_every_flipped_bit_is_refused),
        cmocka_unit_test(test_forged_values_are_refused),
        cmocka_unit_test(test_forged_holds_are_refused),
        cmocka_unit_test(test_a_text_that_ends_twice_is_refused),
        cmocka_unit_test(test_random_bytes_with_a_right_checksum_do_no_harm),
        cmocka_unit_test(test_records_that_cannot_be_are_not_valid),
        cmocka_unit_test(test_numbers_round_trip),
        cmocka_unit_test(test_crc32c_has_its_published_values),
        cmocka_unit_test(test_speed),
    };

    return cmocka_run_group_tests_name("storage codec", tests, NULL, NULL);
}
