/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit finds each planted imbalance and nothing else. */
#include "test_storage_sound.h"

#include "watermark_file.h"

static void test_a_sound_store_is_ok(void **state)
{
    (void)state;
    build_sound_store();
    close_store();
    assert_int_equal(run_check(), CHECK_OK);
    assert_output_has(
        "check: ok 3 SKUs, 4 holds, 7 ledger entries, commit 1, 1 unfinished, state ");
    remove_store();
}

static void test_an_open_or_absent_store_is_not_checked(void **state)
{
    (void)state;
    build_sound_store();
    assert_int_equal(run_check(), CHECK_REFUSED);
    assert_non_null(strstr(fixture.error, "in use by process"));
    close_store();
    remove_store();
    assert_int_equal(run_check(), CHECK_REFUSED);
    assert_non_null(strstr(fixture.error, "no Stampede data folder"));
}

/* ---- planted imbalances ---- */

static void plant_counter(void)
{
    test_counter(&fixture.batch, sku_a, 11, 2, 8);
}

static void plant_counter_entry(void)
{
    test_counter(&fixture.batch, sku_a, 10, 2, 7);
}

static void plant_lost_counter(void)
{
    test_counter(&fixture.batch, sku_b, 4, 2, 11)->operation = RECORD_DELETE;
}

static void plant_oversold(void)
{
    test_hold(&fixture.batch, HOME, 14, HOLD_HELD, sku_b, 3); /* 4 - 2 are there */
}

static void plant_negative_stock(void)
{
    test_entry(&fixture.batch, sku_c, 9, LEDGER_WRITE_OFF, 5, 0);
    test_counter(&fixture.batch, sku_c, 0, 0, 9);
}

static void plant_key_twice(void)
{
    test_hold(&fixture.batch, HOME, 14, HOLD_RELEASED, sku_b, 1)->hold.key.word[0] =
        hash_word(4 + 1);
    struct record *second = test_hold(&fixture.batch, HOME, 15, HOLD_EXPIRED, sku_b, 1);
    second->hold.key.word[0] = hash_word(4 + 1);
    second->hold.key.word[1] = hash_word(4 + 2);
}

static void plant_adjustment_key_twice(void)
{
    adjustment_key(sku_b, 2, 71);
}

static void plant_adjustment_key_without_entry(void)
{
    adjustment_key(sku_a, 9, 72);
}

static void plant_last_adjustment_key_without_entry(void)
{
    adjustment_key(sku_b, 12, 72);
}

static void plant_adjustment_key_of_a_sale(void)
{
    adjustment_key(sku_a, 8, 72);
}

static void plant_sku_without_product(void)
{
    test_sku(&fixture.batch, sku_b, 77);
}

static void plant_variant_left_out_and_sold(void)
{
    test_product(&fixture.batch, HOME, 0, 3); /* of one variant, says it */
}

static void plant_variant_archived_and_listed(void)
{
    test_sku(&fixture.batch, sku_b, 0)->sku.archived = 1;
}

static void plant_sku_name_twice(void)
{
    struct record *record = test_sku(&fixture.batch, sku_c, 0);

    snprintf(record->sku.sku, sizeof(record->sku.sku), "sku-%u", sku_a);
}

static void plant_hold_of_unknown_sku(void)
{
    test_hold(&fixture.batch, HOME, 14, HOLD_HELD, sku_id_make(HOME, 99), 1);
}

static void plant_converted_without_sale(void)
{
    test_hold(&fixture.batch, HOME, 4, HOLD_CONVERTED, sku_a, 1);
}

static void plant_sale_of_a_live_hold(void)
{
    test_entry(&fixture.batch, sku_a, 14, LEDGER_SOLD, 1, 4);
    test_counter(&fixture.batch, sku_a, 10, 3, 14);
}

static void plant_sale_of_other_quantity(void)
{
    test_hold(&fixture.batch, HOME, 5, HOLD_CONVERTED, sku_a, 1);
}

static void plant_number_twice(void)
{
    test_entry(&fixture.batch, sku_a, 7, LEDGER_RECEIPT, 1, 0); /* 7 is a reservation */
    test_counter(&fixture.batch, sku_a, 11, 2, 8);
}

static void plant_number_beyond_the_counter(void)
{
    test_entry(&fixture.batch, sku_a, 500, LEDGER_RECEIPT, 1, 0);
    test_counter(&fixture.batch, sku_a, 11, 2, 8);
}

static void plant_over_limit(void)
{
    struct record *record = test_hold(&fixture.batch, HOME, 14, HOLD_HELD, sku_a, 2);

    memset(record->hold.principal.bytes, 5 + 1, 16); /* who has bought 2 of 3 */
}

static void plant_lost_limit(void)
{
    limit_of(5, 2)->operation = RECORD_DELETE;
}

static void plant_limit_without_sales(void)
{
    limit_of(30, 3);
}

static void plant_limit_of_no_product(void)
{
    limit_of(31, 1)->subject = 9;
}

static void plant_live_and_ended(void)
{
    test_hold(&fixture.batch, HOME, 4, HOLD_HELD, sku_a, 1)->hold.ended_wall_ms = 5;
}

static void plant_prepared_owner(void)
{
    test_hold(&fixture.batch, HOME, 4, HOLD_PREPARED, sku_a, 1);
}

static void plant_missing_participant(void)
{
    participant(2, 7, HOLD_PREPARED)->operation = RECORD_DELETE;
}

static void plant_other_lines_there(void)
{
    participant(2, 7, HOLD_PREPARED)->hold.lines[0].quantity = 2;
}

static void plant_participant_twice(void)
{
    participant(8, 7, HOLD_PREPARED);
}

static void plant_converted_participant(void)
{
    participant(2, 7, HOLD_CONVERTED);
    test_entry(&fixture.batch, sku_c, 9, LEDGER_SOLD, 1, 2);
    test_counter(&fixture.batch, sku_c, 4, 1, 9);
}

static void plant_released_participant(void)
{
    participant(2, 7, HOLD_RELEASED);
}

static void plant_converted_without_owner(void)
{
    participant(2, 400, HOLD_CONVERTED);
    test_entry(&fixture.batch, sku_c, 9, LEDGER_SOLD, 1, 2);
    test_counter(&fixture.batch, sku_c, 4, 1, 9);
}

static void test_each_planted_imbalance_is_named(void **state)
{
    static const struct {
        void (*plant)(void);
        const char *line;
    } cases[] = {
        {plant_counter, "the counter of SKU sku-1048576 says stock 11, sold 2"},
        {plant_counter_entry, "the counter of SKU sku-1048576"},
        {plant_lost_counter, "SKU sku-1048577 has a ledger, but no counter"},
        {plant_oversold, "SKU sku-1048577 is oversold: stock 4, reserved 3, sold 2"},
        {plant_negative_stock, "SKU sku-2097152: after ledger entry 9 its stock is -1"},
        {plant_key_twice, "one idempotency key names reservations"},
        {plant_adjustment_key_twice, "one idempotency key names entries"},
        {plant_adjustment_key_without_entry, "names entry 9 of SKU 00100000's ledger"},
        {plant_last_adjustment_key_without_entry, "names entry 12 of SKU 00100001's ledger"},
        {plant_adjustment_key_of_a_sale, "entry 8 of SKU sku-1048576's ledger is no adjustment"},
        {plant_sku_without_product, "SKU sku-1048577 refers to product 77"},
        {plant_sku_name_twice, "two SKUs have the same name"},
        {plant_variant_left_out_and_sold,
         "product product-1-0 has 1 variants, but 2 SKUs that are not archived"},
        {plant_variant_archived_and_listed,
         "product product-1-0 has 2 variants, but 1 SKUs that are not archived"},
        {plant_hold_of_unknown_sku, "reservation 14 of partition 1 names SKU 00100063"},
        {plant_converted_without_sale, "reservation 4 of partition 1 is converted, but"},
        {plant_sale_of_a_live_hold, "reservation 4 of partition 1 is held, but"},
        {plant_sale_of_other_quantity, "reservation 5 of partition 1 is converted, but"},
        {plant_number_twice, "number 7 of partition 1 was given twice"},
        {plant_number_beyond_the_counter, "number 500 of partition 1 would be given again"},
        {plant_over_limit, "holds 2 and has bought 2 of product product-1-0, whose limit is 3"},
        {plant_lost_limit, "says 0 bought, their reservations say 2"},
        {plant_limit_without_sales, "limit records of product product-1-0 say 8 bought"},
        {plant_limit_of_no_product, "names product 9 of partition 1"},
        {plant_live_and_ended, "reservation 4 of partition 1 is held, which it cannot be"},
        {plant_prepared_owner, "reservation 4 of partition 1 is prepared, which it cannot be"},
        {plant_missing_participant, "reservation 7 of partition 1 is held, but its lines in"},
        {plant_other_lines_there, "lines 2 of partition 2 are not those of their reservation 7"},
        {plant_participant_twice, "partition 2 has lines of reservation 7 of partition 1 twice"},
        {plant_converted_participant, "lines 2 of partition 2 are converted, but their"},
        {plant_released_participant, "lines 2 of partition 2 are released, but their"},
        {plant_converted_without_owner, "reservation 400 of partition 1 never was"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!test_takes(i, 11))
            continue;
        build_sound_store();
        cases[i].plant();
        commit_batch();
        close_store();
        assert_int_equal(run_check(), CHECK_BROKEN);
        assert_output_has("check: broken: ");
        assert_output_has(cases[i].line);
        assert_output_has(" in all\n");
        remove_store();
    }
}

static void plant_intent(void)
{
    test_hold(&fixture.batch, HOME, 14, HOLD_INTENT, sku_a, 1);
}

static void plant_ended_owner(void)
{
    spanning(7, HOLD_EXPIRED); /* its participant is yet to be told */
}

static void plant_forgotten_participant(void)
{
    spanning(7, HOLD_RELEASED);
    participant(2, 7, HOLD_PREPARED)->operation = RECORD_DELETE;
}

static void plant_forgotten_owner(void)
{
    spanning(7, HOLD_HELD)->operation = RECORD_DELETE;
    participant(2, 7, HOLD_EXPIRED);
}

static void plant_lowered_limit(void)
{
    struct record *record = test_product(&fixture.batch, HOME, 0, 1);

    record->product.variant_count = 2;
    record->product.updated_wall_ms = TEST_WALL_MS + 1000;
}

static void test_what_the_protocol_allows_is_not_broken(void **state)
{
    static const struct {
        void (*plant)(void);
        const char *line;
    } cases[] = {{plant_intent, "2 unfinished"},
                 {plant_ended_owner, "2 unfinished"},
                 {plant_forgotten_participant, "1 unfinished"},
                 {plant_forgotten_owner, "1 unfinished"},
                 {plant_lowered_limit, "1 unfinished"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!test_takes(i, 11))
            continue;
        build_sound_store();
        cases[i].plant();
        commit_batch();
        close_store();
        if (run_check() != CHECK_OK)
            fail_msg("%zu: %s", i, fixture.output);
        assert_output_has(cases[i].line);
        remove_store();
    }
}

static void test_damage_and_loss_are_broken(void **state)
{
    struct watermark watermark;
    char path[512];

    (void)state;
    build_sound_store();
    close_store();
    snprintf(path, sizeof(path), "%s", test_path(&fixture.folder, "watermark"));
    assert_int_equal(watermark_load(path, &watermark), WATERMARK_INTACT);
    watermark.commit_number = 9;
    assert_int_equal(watermark_replace(path, &watermark, fixture.error, sizeof(fixture.error)), 0);
    assert_int_equal(run_check(), CHECK_BROKEN);
    assert_output_has("commits 2 to 9 are missing");
    test_flip_bit(path, 100, 1);
    test_flip_bit(path, WATERMARK_SLOT_BYTES + 100, 1);
    assert_int_equal(run_check(), CHECK_BROKEN);
    assert_output_has("the watermark is damaged");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(run_check(), CHECK_BROKEN);
    assert_output_has("the watermark is missing");
    assert_true(test_newest(test_path(&fixture.folder, "journal"), ".log", path));
    test_flip_bit(path, test_file_size(path) / 2, 1);
    assert_int_equal(run_check(), CHECK_BROKEN);
    assert_output_has("the journal is damaged");
    remove_store();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_store_is_ok),
        cmocka_unit_test(test_an_open_or_absent_store_is_not_checked),
        cmocka_unit_test(test_each_planted_imbalance_is_named),
        cmocka_unit_test(test_what_the_protocol_allows_is_not_broken),
        cmocka_unit_test(test_damage_and_loss_are_broken),
    };

    return cmocka_run_group_tests_name("storage check", tests, NULL, NULL);
}
