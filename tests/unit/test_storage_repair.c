/* SPDX-License-Identifier: Apache-2.0 */
/* Repair goes on without what is doubtful only when told, and completes what was interrupted. */
#include "test_storage_sound.h"

#include "repair.h"
#include "watermark_file.h"

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

static void test_a_repair_that_ended_between_its_renames_is_completed(void **state)
{
    char journal[256];
    char copy[520];
    char kept[256];
    char path[512];
    struct watermark watermark;

    (void)state;
    build_twenty_commits();
    assert_int_equal(watermark_load(test_path(&fixture.folder, "watermark"), &watermark),
                     WATERMARK_INTACT);
    snprintf(path, sizeof(path), "%s", test_path(&fixture.folder, "STAMPEDE"));
    snprintf(copy, sizeof(copy), "%s.kept", path);
    assert_int_equal(link(path, copy), 0);
    assert_int_equal(unlink(test_path(&fixture.folder, "watermark")), 0);
    assert_int_equal(run_repair(true), REPAIR_OK);
    /* As if it had put the damaged journal away, and died before the copy came to its place. */
    assert_int_equal(rename(copy, path), 0);
    assert_int_equal(watermark_replace(test_path(&fixture.folder, "watermark"), &watermark,
                                       fixture.error, sizeof(fixture.error)),
                     0);
    snprintf(journal, sizeof(journal), "%s", test_path(&fixture.folder, "journal"));
    snprintf(copy, sizeof(copy), "%s", test_path(&fixture.folder, "journal.repair-1234567"));
    snprintf(kept, sizeof(kept), "%s", test_path(&fixture.folder, "journal.damaged-1234567"));
    assert_int_equal(rename(journal, copy), 0);
    assert_true(test_file_size(kept) > 0);
    assert_true(open_is_refused());
    assert_int_equal(run_repair(false), REPAIR_NEEDED);
    assert_output_has("interrupted");
    assert_int_equal(run_repair(true), REPAIR_OK);
    assert_output_has("after commit 20 in");
    assert_int_equal(run_check(), CHECK_OK);
    assert_false(open_is_refused());
    remove_store();
}

static void test_an_unreadable_table_is_said_to_be_beyond_repair(void **state)
{
    char path[512];

    (void)state;
    build_twenty_commits();
    open_store(); /* recovery writes tables */
    close_store();
    assert_true(test_newest(test_path(&fixture.folder, "journal"), ".sst", path));
    test_flip_bit(path, 30, 2);
    assert_int_equal(run_repair(false), REPAIR_REFUSED);
    assert_non_null(strstr(fixture.error, "restore a backup"));
    assert_int_equal(run_repair(true), REPAIR_REFUSED);
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
        cmocka_unit_test(test_a_sound_store_needs_no_repair),
        cmocka_unit_test(test_a_damaged_log_is_repaired_only_when_told),
        cmocka_unit_test(test_a_lost_log_or_watermark_is_repaired_only_when_told),
        cmocka_unit_test(test_an_interrupted_repair_is_completed),
        cmocka_unit_test(test_a_repair_that_ended_between_its_renames_is_completed),
        cmocka_unit_test(test_an_unreadable_table_is_said_to_be_beyond_repair),
        cmocka_unit_test(test_what_cannot_be_read_is_not_repaired),
    };

    return cmocka_run_group_tests_name("storage repair", tests, NULL, NULL);
}
