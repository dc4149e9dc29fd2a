/* SPDX-License-Identifier: Apache-2.0 */
/* The offline audit finds each planted imbalance and nothing else; repair goes on only when told.
 */
#include "test_storage_support.h"

#include <signal.h>
#include <sys/wait.h>

#include "check.h"
#include "codec.h"
#include "repair.h"
#include "storage.h"
#include "watermark_file.h"

/* Partition 1 owns product 0 (limit 3) with SKUs A and B; partition 2 owns product 0 with SKU C. */
enum { PARTITIONS = 4, HOME = 1, AWAY = 2 };

static const uint32_t sku_a = HOME << 20 | 0;
static const uint32_t sku_b = HOME << 20 | 1;
static const uint32_t sku_c = AWAY << 20 | 0;

struct fixture {
    struct test_folder folder;
    struct test_batch batch;
    struct storage *storage;
    struct journal_port journal;
    struct watermark_port watermark;
    uint64_t number;
    char error[STORAGE_ERROR_BYTES];
    char output[16384];
};

static struct fixture fixture;

static void open_store(void)
{
    struct storage_options options = storage_options_default(fixture.folder.path);
    struct secrets_port secrets;

    options.partitions = PARTITIONS;
    options.write_buffer_bytes = 1 << 20;
    options.ballast_bytes = 0;
    options.low_water_bytes = 0;
    if (storage_open(&options, &fixture.storage, fixture.error, sizeof(fixture.error)) != 0)
        fail_msg("%s", fixture.error);
    storage_ports_get(fixture.storage, &fixture.journal, &fixture.watermark, &secrets);
    fixture.number = fixture.journal.last_commit(fixture.journal.self);
}

static void commit_batch(void)
{
    struct test_outcome seen = {0};

    fixture.number++;
    fixture.journal.commit(fixture.journal.self, test_batch_close(&fixture.batch, fixture.number),
                           test_done, &seen);
    assert_int_equal(seen.outcome, COMMIT_OK);
    fixture.watermark.advance(fixture.watermark.self, fixture.number);
    test_batch_empty(&fixture.batch);
}

static enum check_result run_check(void)
{
    FILE *out = fmemopen(fixture.output, sizeof(fixture.output), "w");
    enum check_result result;

    assert_non_null(out);
    memset(fixture.output, 0, sizeof(fixture.output));
    fixture.error[0] = '\0';
    result = check_store(fixture.folder.path, out, fixture.error, sizeof(fixture.error));
    fclose(out);
    return result;
}

static void assert_output_has(const char *text)
{
    if (strstr(fixture.output, text) == NULL)
        fail_msg("the output does not say '%s': %s%s", text, fixture.output, fixture.error);
}

/* ---- a sound store, put together by hand ---- */

/* A participant's record of the one line of SKU C in an owner's reservation. */
static struct record *participant(uint64_t sequence, uint64_t owner_sequence, enum hold_state state)
{
    struct record *record = test_hold(&fixture.batch, AWAY, sequence, state, sku_c, 1);
    struct hold_record *hold = &record->hold;

    memset(&hold->key, 0, sizeof(hold->key));
    hold->owner_partition = HOME;
    hold->owner_sequence = owner_sequence;
    memset(hold->principal.bytes, (int)(owner_sequence % 250) + 1, sizeof(hold->principal.bytes));
    return record;
}

/* An owner's reservation of one unit each of SKU A and of SKU C, elsewhere. */
static struct record *spanning(uint64_t sequence, enum hold_state state)
{
    struct record *record = test_record(&fixture.batch, RECORD_HOLD, HOME, 2, 0);
    struct record *single = test_hold(&fixture.batch, HOME, sequence, state, sku_a, 1);

    memcpy(&record->hold, &single->hold, offsetof(struct hold_record, lines));
    fixture.batch.arena.used -= single->size;
    fixture.batch.commit.record_count--;
    record->sequence = sequence;
    record->hold.line_count = 2;
    record->hold.lines[0] = (struct line){.sku_id = sku_a, .quantity = 1};
    record->hold.lines[1] = (struct line){.sku_id = sku_c, .quantity = 1};
    return record;
}

static struct record *limit_of(uint64_t hold_sequence, uint32_t sold)
{
    struct record *record = test_record(&fixture.batch, RECORD_LIMIT, HOME, 0, 0);

    memset(record->limit.principal.bytes, (int)(hold_sequence % 250) + 1, 16);
    record->limit.sold = sold;
    return record;
}

/* The kept key of an adjustment. */
static struct record *adjustment_key(uint32_t sku_id, uint64_t entry, uint64_t key)
{
    struct record *record = test_record(&fixture.batch, RECORD_KEY, sku_id_partition(sku_id), 0, 0);

    record->subject = sku_id;
    record->sequence = entry;
    record->key.key.word[0] = key;
    record->key.wall_ms = TEST_WALL_MS;
    return record;
}

static struct record *floor_of(uint32_t partition, uint64_t next)
{
    struct record *record = test_record(&fixture.batch, RECORD_FLOOR, partition, 0, 0);

    record->floor.next_sequence = next;
    return record;
}

/*   A: 10 received; 1 held (4), 2 sold (5), 1 held with C (7)
 *   B: 5 received, 1 written off; 3 sold, 1 restocked; a released hold (6)
 *   C: 4 received; 1 prepared for (7), 1 prepared for an owner that never was held (unfinished) */
static void build_sound_store(void)
{
    test_folder_make(&fixture.folder);
    test_batch_make(&fixture.batch);
    open_store();
    test_product(&fixture.batch, HOME, 0, 3);
    test_product(&fixture.batch, AWAY, 0, 0);
    test_sku(&fixture.batch, sku_a, 0);
    test_sku(&fixture.batch, sku_b, 0);
    test_sku(&fixture.batch, sku_c, 0);
    test_entry(&fixture.batch, sku_a, 1, LEDGER_RECEIPT, 10, 0);
    test_entry(&fixture.batch, sku_b, 2, LEDGER_RECEIPT, 5, 0);
    test_entry(&fixture.batch, sku_b, 3, LEDGER_WRITE_OFF, 1, 0);
    test_entry(&fixture.batch, sku_c, 1, LEDGER_RECEIPT, 4, 0);
    test_hold(&fixture.batch, HOME, 4, HOLD_HELD, sku_a, 1);
    test_hold(&fixture.batch, HOME, 5, HOLD_CONVERTED, sku_a, 2);
    test_entry(&fixture.batch, sku_a, 8, LEDGER_SOLD, 2, 5);
    limit_of(5, 2);
    test_hold(&fixture.batch, HOME, 6, HOLD_RELEASED, sku_b, 1);
    test_entry(&fixture.batch, sku_b, 10, LEDGER_SOLD, 3, 9); /* by a hold no longer kept */
    limit_of(9, 3);
    test_entry(&fixture.batch, sku_b, 11, LEDGER_RESTOCK, 1, 0);
    spanning(7, HOLD_HELD);
    participant(2, 7, HOLD_PREPARED);
    participant(3, 12, HOLD_PREPARED);
    test_counter(&fixture.batch, sku_a, 10, 2, 8);
    test_counter(&fixture.batch, sku_b, 4, 2, 11);
    test_counter(&fixture.batch, sku_c, 4, 0, 1);
    floor_of(HOME, 13);
    adjustment_key(sku_a, 1, 71);
    adjustment_key(sku_b, 3, 71); /* another scope */
    commit_batch();
}

static void close_store(void)
{
    storage_close(fixture.storage);
}

static void remove_store(void)
{
    test_batch_free(&fixture.batch);
    test_folder_remove(&fixture.folder);
}

static void test_a_sound_store_is_ok(void **state)
{
    (void)state;
    build_sound_store();
    close_store();
    assert_int_equal(run_check(), CHECK_OK);
    assert_string_equal(fixture.output,
                        "check: ok 3 SKUs, 4 holds, 7 ledger entries, commit 1, 1 unfinished\n");
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
    test_product(&fixture.batch, HOME, 0, 1)->product.updated_wall_ms = TEST_WALL_MS + 1000;
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

/* ---- repair ---- */

static enum repair_result run_repair(bool accept_loss)
{
    struct repair_options options = {
        .path = fixture.folder.path, .accept_loss = accept_loss, .wall_ms = 1234567};
    FILE *out = fmemopen(fixture.output, sizeof(fixture.output), "w");
    enum repair_result result;

    assert_non_null(out);
    memset(fixture.output, 0, sizeof(fixture.output));
    fixture.error[0] = '\0';
    result = repair_store(&options, out, fixture.error, sizeof(fixture.error));
    fclose(out);
    return result;
}

static bool open_is_refused(void)
{
    struct storage_options options = storage_options_default(fixture.folder.path);

    options.ballast_bytes = 0;
    options.low_water_bytes = 0;
    if (storage_open(&options, &fixture.storage, fixture.error, sizeof(fixture.error)) != 0)
        return true;
    storage_close(fixture.storage);
    return false;
}

/* Twenty commits, each of one receipt and its counter; closed, all of it still in the log. */
static void build_twenty_commits(void)
{
    build_sound_store();
    for (uint32_t i = 1; i <= 19; i++) {
        test_entry(&fixture.batch, sku_a, 20 + i, LEDGER_RECEIPT, 1, 0);
        test_counter(&fixture.batch, sku_a, 10 + i, 2, 20 + i);
        commit_batch();
    }
    close_store();
}

static void test_a_sound_store_needs_no_repair(void **state)
{
    (void)state;
    build_twenty_commits();
    assert_int_equal(run_repair(true), REPAIR_OK);
    assert_output_has("nothing to repair");
    assert_output_has("commit 20");
    open_store();
    assert_int_equal(run_repair(true), REPAIR_REFUSED);
    assert_non_null(strstr(fixture.error, "in use"));
    close_store();
    remove_store();
}

static void test_a_damaged_log_is_repaired_only_when_told(void **state)
{
    struct storage_info info;
    char path[512];

    (void)state;
    build_twenty_commits();
    assert_true(test_newest(test_path(&fixture.folder, "journal"), ".log", path));
    test_flip_bit(path, test_file_size(path) * 3 / 4, 2);
    assert_true(open_is_refused());
    assert_non_null(strstr(fixture.error, "to 20 are doubtful"));
    assert_int_equal(run_repair(false), REPAIR_NEEDED);
    assert_output_has("the journal is damaged");
    assert_output_has("to 20 are doubtful");
    assert_output_has("nothing was changed");
    assert_true(open_is_refused()); /* indeed */
    assert_int_equal(run_repair(true), REPAIR_OK);
    assert_output_has("repair: done");
    assert_output_has("incarnation 2");
    assert_true(test_file_size(test_path(&fixture.folder, "journal.damaged-1234567")) > 0);
    assert_int_equal(test_file_size(test_path(&fixture.folder, "journal.repair-1234567")), -1);
    open_store();
    storage_info_get(fixture.storage, &info);
    assert_true(info.last_commit > 2 && info.last_commit < 20);
    assert_int_equal(info.watermark, info.last_commit);
    assert_int_equal(info.incarnation, 2);
    /* It goes on from there, and is sound: commits are whole or not at all. */
    limit_of(40, 0);
    commit_batch();
    close_store();
    assert_int_equal(run_check(), CHECK_OK);
    assert_int_equal(run_repair(false), REPAIR_OK);
    remove_store();
}

static void test_a_lost_log_or_watermark_is_repaired_only_when_told(void **state)
{
    static const char *const lost[] = {"log", "watermark"};
    char path[512];

    (void)state;
    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        build_twenty_commits();
        if (i == 0)
            assert_true(test_newest(test_path(&fixture.folder, "journal"), ".log", path));
        else
            snprintf(path, sizeof(path), "%s", test_path(&fixture.folder, "watermark"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(run_repair(false), REPAIR_NEEDED);
        assert_output_has(i == 0 ? "its end is missing" : "the watermark is missing");
        assert_output_has("doubtful");
        assert_int_equal(run_repair(true), REPAIR_OK);
        assert_output_has(i == 0 ? "after commit 0 in" : "after commit 20 in");
        assert_int_equal(run_check(), CHECK_OK);
        assert_false(open_is_refused());
        remove_store();
    }
}

static void test_an_interrupted_repair_is_completed(void **state)
{
    static char marker[512];
    char path[512];
    char old[512] = {0};

    (void)state;
    build_twenty_commits();
    snprintf(marker, sizeof(marker), "%s", test_path(&fixture.folder, "STAMPEDE"));
    FILE *file = fopen(marker, "r");
    assert_non_null(file);
    assert_true(fread(old, 1, sizeof(old) - 1, file) > 0);
    fclose(file);
    assert_true(test_newest(test_path(&fixture.folder, "journal"), ".log", path));
    test_flip_bit(path, test_file_size(path) / 2, 2);
    assert_int_equal(run_repair(true), REPAIR_OK);
    file = fopen(marker, "w"); /* as if it had died before the marker followed */
    assert_non_null(file);
    fputs(old, file);
    fclose(file);
    assert_true(open_is_refused());
    assert_non_null(strstr(fixture.error, "incarnation"));
    assert_int_equal(run_repair(false), REPAIR_NEEDED);
    assert_output_has("interrupted");
    assert_int_equal(run_repair(true), REPAIR_OK);
    assert_false(open_is_refused());
    assert_int_equal(run_check(), CHECK_OK);
    remove_store();
}

static void test_what_cannot_be_read_is_not_repaired(void **state)
{
    char path[512];

    (void)state;
    build_twenty_commits();
    snprintf(path, sizeof(path), "%s", test_path(&fixture.folder, "journal/CURRENT"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(run_repair(false), REPAIR_NEEDED);
    assert_output_has("nothing can be recovered");
    assert_int_equal(run_repair(true), REPAIR_REFUSED);
    assert_non_null(strstr(fixture.error, "restore a backup"));
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
        cmocka_unit_test(test_a_sound_store_needs_no_repair),
        cmocka_unit_test(test_a_damaged_log_is_repaired_only_when_told),
        cmocka_unit_test(test_a_lost_log_or_watermark_is_repaired_only_when_told),
        cmocka_unit_test(test_an_interrupted_repair_is_completed),
        cmocka_unit_test(test_what_cannot_be_read_is_not_repaired),
    };

    return cmocka_run_group_tests_name("storage check", tests, NULL, NULL);
}
