/* SPDX-License-Identifier: Apache-2.0 */
/* A store on disk: damage is refused and named, and after a write that failed no other is tried. */
#include "test_storage_store.h"

#include <sys/resource.h>

static void newest(struct fixture *fixture, const char *end, char path_out[512])
{
    assert_true(test_newest(test_path(&fixture->folder, "journal"), end, path_out));
}

/* Commits holds and waits until the watermark on file says so. */
static void commit_and_wait(struct fixture *fixture, uint64_t commits, uint32_t count)
{
    char path[256];
    struct watermark found = {0};

    reopen(fixture);
    for (uint64_t number = 1; number <= commits; number++) {
        if (commit_holds(fixture, number, count) != COMMIT_OK)
            _exit(1);
    }
    snprintf(path, sizeof(path), "%s", test_path(&fixture->folder, "watermark"));
    while (found.commit_number != commits) {
        usleep(10000);
        watermark_load(path, &found);
    }
}

static void body_sixty(struct fixture *fixture)
{
    commit_and_wait(fixture, 60, 50);
}

/* ---- damage ---- */

static void test_a_flipped_bit_in_the_log_is_refused_and_the_commits_named(void **state)
{
    struct fixture fixture;
    char log[512];

    (void)state;
    killed_store(&fixture, "sixty");
    newest(&fixture, ".log", log);
    test_flip_bit(log, test_file_size(log) / 2, 4);
    assert_refused(&fixture, "the journal is damaged");
    assert_non_null(strstr(fixture.error, "to 60 are doubtful"));
    assert_non_null(strstr(fixture.error, "known durable: 60"));
    assert_non_null(strstr(fixture.error, "stampede repair"));
    assert_int_equal(test_file_size(test_path(&fixture.folder, "journal.examine")), -1);
    test_flip_bit(log, test_file_size(log) / 2, 4); /* nothing was changed by looking */
    reopen(&fixture);
    assert_int_equal(load_all(&fixture), 3000);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void test_a_torn_tail_that_nobody_was_told_of_is_no_damage(void **state)
{
    struct fixture fixture;
    char log[512];

    (void)state;
    killed_store(&fixture, "sixty");
    newest(&fixture, ".log", log);
    int file = open(log, O_WRONLY | O_APPEND);
    assert_true(file >= 0);
    assert_int_equal(write(file, "\x12\x34\x56\x78\x00\x10\x01half a record", 20), 20);
    close(file);
    reopen(&fixture);
    assert_int_equal(fixture.info.last_commit, 60);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void test_a_deleted_log_shows_in_the_watermark(void **state)
{
    struct fixture fixture;
    char log[512];

    (void)state;
    killed_store(&fixture, "sixty");
    newest(&fixture, ".log", log);
    assert_int_equal(unlink(log), 0);
    reopen(&fixture);
    assert_int_equal(fixture.info.last_commit, 0);
    assert_int_equal(fixture.info.watermark, 60);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* How many logs the journal has; the path of the newest but one. */
static unsigned count_logs(struct fixture *fixture, char path_out[512])
{
    DIR *folder = opendir(test_path(&fixture->folder, "journal"));
    const struct dirent *entry;
    char newest_two[2][256] = {"", ""};
    unsigned count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (strstr(entry->d_name, ".log") == NULL)
            continue;
        count++;
        if (strcmp(entry->d_name, newest_two[0]) > 0) {
            memcpy(newest_two[1], newest_two[0], sizeof(newest_two[0]));
            snprintf(newest_two[0], sizeof(newest_two[0]), "%s", entry->d_name);
        } else if (strcmp(entry->d_name, newest_two[1]) > 0) {
            snprintf(newest_two[1], sizeof(newest_two[1]), "%s", entry->d_name);
        }
    }
    closedir(folder);
    snprintf(path_out, 512, "%s/journal/%s", fixture->folder.path, newest_two[1]);
    return count;
}

/* Until a log follows one that families other than that of holds still need. */
static void body_several_logs(struct fixture *fixture)
{
    char path[512];
    uint64_t number = 0;

    fixture->write_buffer_bytes = 8 * WRITE_BUFFER_BYTES;
    reopen(fixture);
    while (count_logs(fixture, path) < 3) {
        if (commit_holds(fixture, ++number, 1000) != COMMIT_OK)
            _exit(1);
    }
    commit_holds(fixture, ++number, 1000);
    usleep(3 * WATERMARK_PERIOD_MS * 1000);
}

static void test_a_log_lost_though_a_later_one_is_there_is_refused(void **state)
{
    struct fixture fixture;
    char path[512];

    (void)state;
    killed_store(&fixture, "several_logs");
    assert_true(count_logs(&fixture, path) >= 2);
    assert_int_equal(unlink(path), 0);
    assert_refused(&fixture, "Missing WAL");
    assert_non_null(strstr(fixture.error, "are doubtful"));
    fixture_free(&fixture);
}

static void test_a_damaged_table_fails_the_load(void **state)
{
    struct fixture fixture;
    char table[512];
    uint64_t count = 0;
    bool all_loaded = true;

    (void)state;
    killed_store(&fixture, "sixty");
    reopen(&fixture); /* recovery writes tables */
    storage_close(fixture.storage);
    newest(&fixture, ".sst", table);
    test_flip_bit(table, test_file_size(table) / 3, 1);
    if (try_open(&fixture) == 0) {
        for (uint32_t partition = 0; partition < PARTITIONS; partition++)
            all_loaded &=
                fixture.journal.load(fixture.journal.self, partition, count_record, &count);
        assert_false(all_loaded);
        assert_non_null(strstr(fixture.logged, "journal"));
        storage_close(fixture.storage);
    }
    fixture_free(&fixture);
}

/* Valid by itself, and so opened by RocksDB, which then deletes the tables that it does not name.
 */
static void test_a_manifest_that_lost_its_end_is_refused_before_it_is_opened(void **state)
{
    struct fixture fixture;
    struct manifest_mark mark;
    char path[512];
    char whole[520];

    (void)state;
    killed_store(&fixture, "sixty");
    reopen(&fixture); /* recovery writes tables, and the MANIFEST names them */
    usleep(3 * WATERMARK_PERIOD_MS * 1000);
    storage_close(fixture.storage);
    assert_true(manifest_mark_find(test_path(&fixture.folder, "journal"), &mark));
    snprintf(path, sizeof(path), "%s/journal/MANIFEST-%06u", fixture.folder.path,
             (unsigned)mark.number);
    snprintf(whole, sizeof(whole), "%s.whole", path);
    for (off_t size = (off_t)mark.bytes - 1; size > 0; size -= 37) {
        assert_int_equal(rename(path, whole), 0);
        int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        int source = open(whole, O_RDONLY);
        char bytes[65536];
        assert_true(size < (off_t)sizeof(bytes));
        assert_int_equal(pread(source, bytes, (size_t)size, 0), size);
        assert_int_equal(write(file, bytes, (size_t)size), size);
        close(source);
        close(file);
        assert_refused(&fixture, "MANIFEST");
        assert_non_null(strstr(fixture.error, "restore a backup"));
        assert_int_equal(rename(whole, path), 0);
    }
    reopen(&fixture); /* nothing was changed by looking */
    assert_int_equal(load_all(&fixture), 3000);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* RocksDB reads over zeros where a record begins, and takes one that is longer than the file for a
 * torn end: then tables are missing without a word. */
static void test_a_manifest_with_a_changed_byte_is_refused(void **state)
{
    enum { STRIDE = 13, ZEROS = 16 };
    struct fixture fixture;
    struct manifest_mark mark;
    char path[512];
    uint8_t bytes[ZEROS];
    const uint8_t zeros[ZEROS] = {0};

    (void)state;
    killed_store(&fixture, "sixty");
    reopen(&fixture);
    usleep(3 * WATERMARK_PERIOD_MS * 1000);
    storage_close(fixture.storage);
    assert_true(manifest_mark_find(test_path(&fixture.folder, "journal"), &mark));
    snprintf(path, sizeof(path), "%s/journal/MANIFEST-%06u", fixture.folder.path,
             (unsigned)mark.number);
    int file = open(path, O_RDWR);
    for (uint64_t at = 0; at + ZEROS <= mark.bytes; at += STRIDE) {
        uint8_t changed;

        if (!test_takes(at / STRIDE, 15))
            continue;
        assert_int_equal(pread(file, bytes, ZEROS, (off_t)at), ZEROS);
        changed = bytes[0] ^ (uint8_t)(1U << at % 8);
        assert_int_equal(pwrite(file, &changed, 1, (off_t)at), 1);
        assert_refused(&fixture, "");
        if (memcmp(bytes, zeros, ZEROS) != 0) {
            assert_int_equal(pwrite(file, zeros, ZEROS, (off_t)at), ZEROS);
            assert_refused(&fixture, "");
        }
        assert_int_equal(pwrite(file, bytes, ZEROS, (off_t)at), ZEROS);
    }
    close(file);
    reopen(&fixture);
    assert_int_equal(load_all(&fixture), 3000);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* Any 32 bytes are a secret; another one makes other IDs of the same holds. */
static void test_another_secret_is_refused(void **state)
{
    struct fixture fixture;
    char path[256];

    (void)state;
    fixture_make(&fixture);
    commit_holds(&fixture, 1, 1);
    storage_close(fixture.storage);
    snprintf(path, sizeof(path), "%s", test_path(&fixture.folder, "secret.key"));
    for (off_t offset = 0; offset < test_file_size(path); offset++) {
        test_flip_bit(path, offset, (unsigned)offset % 8);
        assert_refused(&fixture, "secret.key is damaged");
        test_flip_bit(path, offset, (unsigned)offset % 8);
    }
    reopen(&fixture);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void test_a_store_with_a_part_missing_is_refused(void **state)
{
    static const struct {
        const char *part;
        const char *text;
    } cases[] = {{"watermark", "missing"},
                 {"secret.key", "missing"},
                 {"journal", "damaged"},
                 {"journal/CURRENT", "damaged"}};
    struct fixture fixture;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_folder part = {0};

        fixture_make(&fixture);
        commit_holds(&fixture, 1, 1);
        storage_close(fixture.storage);
        snprintf(part.path, sizeof(part.path), "%s", test_path(&fixture.folder, cases[i].part));
        test_folder_remove(&part);
        assert_refused(&fixture, cases[i].text);
        fixture_free(&fixture);
    }
}

static void test_a_journal_of_another_store_is_refused(void **state)
{
    struct fixture fixture;
    struct fixture other;
    char here[256];
    char there[256];

    (void)state;
    fixture_make(&fixture);
    storage_close(fixture.storage);
    fixture_make(&other);
    storage_close(other.storage);
    snprintf(here, sizeof(here), "%s", test_path(&fixture.folder, "journal"));
    snprintf(there, sizeof(there), "%s", test_path(&other.folder, "journal"));
    assert_int_equal(renameat2(AT_FDCWD, here, AT_FDCWD, there, RENAME_EXCHANGE), 0);
    assert_refused(&fixture, "another store");
    fixture_free(&other);
    fixture_free(&fixture);
}

static void test_a_second_server_is_refused(void **state)
{
    struct fixture fixture;
    struct fixture second;

    (void)state;
    fixture_make(&fixture);
    second = fixture;
    assert_refused(&second, "in use by process");
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* ---- writes that fail ---- */

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void body_failing_log(struct fixture *fixture)
{
    enum commit_outcome outcome = COMMIT_OK;
    uint64_t number = 1;

    reopen(fixture);
    limit_file_size(64 * 1024);
    for (; outcome == COMMIT_OK; number++)
        outcome = commit_holds(fixture, number, 100);
    if (outcome != COMMIT_UNKNOWN || strstr(fixture->logged, "no other will be tried") == NULL)
        _exit(1);
    limit_file_size(RLIM_INFINITY); /* RocksDB may recover; the latch does not */
    for (unsigned i = 0; i < 5; i++) {
        if (commit_holds(fixture, number + i, 1) != COMMIT_FAILED)
            _exit(2);
        usleep(20000);
    }
}

static void test_after_a_failed_write_no_other_is_tried(void **state)
{
    struct fixture fixture;

    (void)state;
    killed_store(&fixture, "failing_log");
    reopen(&fixture);
    assert_true(fixture.info.last_commit > 3);
    assert_int_equal(load_all(&fixture), fixture.info.last_commit * 100);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void body_failing_watermark(struct fixture *fixture)
{
    reopen(fixture);
    if (commit_holds(fixture, 1, 1) != COMMIT_OK)
        _exit(1);
    limit_file_size(0);
    usleep(3 * WATERMARK_PERIOD_MS * 1000);
    limit_file_size(RLIM_INFINITY);
    if (commit_holds(fixture, 2, 1) != COMMIT_FAILED ||
        strstr(fixture->logged, "watermark") == NULL)
        _exit(2);
}

static void test_without_a_watermark_nothing_is_acknowledged(void **state)
{
    struct fixture fixture;

    (void)state;
    killed_store(&fixture, "failing_watermark");
    reopen(&fixture);
    assert_int_equal(fixture.info.last_commit, 1);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

int main(int argc, char *argv[])
{
    static const struct test_body bodies[] = {{"sixty", body_sixty},
                                              {"several_logs", body_several_logs},
                                              {"failing_log", body_failing_log},
                                              {"failing_watermark", body_failing_watermark}};

    if (argc == 3)
        return body_run(bodies, sizeof(bodies) / sizeof(bodies[0]), argv[1], argv[2]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flipped_bit_in_the_log_is_refused_and_the_commits_named),
        cmocka_unit_test(test_a_torn_tail_that_nobody_was_told_of_is_no_damage),
        cmocka_unit_test(test_a_deleted_log_shows_in_the_watermark),
        cmocka_unit_test(test_a_log_lost_though_a_later_one_is_there_is_refused),
        cmocka_unit_test(test_a_damaged_table_fails_the_load),
        cmocka_unit_test(test_a_manifest_that_lost_its_end_is_refused_before_it_is_opened),
        cmocka_unit_test(test_a_manifest_with_a_changed_byte_is_refused),
        cmocka_unit_test(test_another_secret_is_refused),
        cmocka_unit_test(test_a_store_with_a_part_missing_is_refused),
        cmocka_unit_test(test_a_journal_of_another_store_is_refused),
        cmocka_unit_test(test_a_second_server_is_refused),
        cmocka_unit_test(test_after_a_failed_write_no_other_is_tried),
        cmocka_unit_test(test_without_a_watermark_nothing_is_acknowledged),
    };

    return cmocka_run_group_tests_name("storage rocksdb damage", tests, NULL, NULL);
}
