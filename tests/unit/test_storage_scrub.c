/* SPDX-License-Identifier: Apache-2.0 */
/* An erased data key is in no file of the data folder, whatever happens on the way; the others are
 * where they were. */
#include "test_storage_store.h"

#include <stdatomic.h>

enum { KEYS = 400, GONE = 117, WAIT_MS = 20000 };

/* Wrapped keys are random; these follow from their number, and look so. */
static void key_of(uint32_t number, uint8_t bytes_out[WRAPPED_KEY_MAX])
{
    uint64_t seed = number + 1;

    for (unsigned i = 0; i < WRAPPED_KEY_MAX; i++)
        bytes_out[i] = (uint8_t)test_random(&seed);
}

static struct record *key_record(struct fixture *fixture, uint32_t number)
{
    struct record *record =
        test_record(&fixture->batch, RECORD_ACCOUNT_KEY, number % PARTITIONS, 0, 0);

    record->subject = 1 + number;
    record->account_key.length = WRAPPED_KEY_MAX;
    key_of(number, record->account_key.bytes);
    return record;
}

static void commit(struct fixture *fixture)
{
    uint64_t number = fixture->journal.last_commit(fixture->journal.self) + 1;

    fixture->seen.count = 0;
    fixture->journal.commit(fixture->journal.self, test_batch_close(&fixture->batch, number),
                            test_done, &fixture->seen);
    assert_int_equal(fixture->seen.outcome, COMMIT_OK);
    fixture->watermark.advance(fixture->watermark.self, number);
    test_batch_empty(&fixture->batch);
}

static void put_keys(struct fixture *fixture, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        key_record(fixture, i);
    commit(fixture);
}

static void erase(struct fixture *fixture, uint32_t number)
{
    key_record(fixture, number)->operation = RECORD_DELETE;
    commit(fixture);
}

/* ---- looking into every file ---- */

static struct {
    uint8_t key[WRAPPED_KEY_MAX];
    unsigned found;
    char path[512];
} search;

static int search_file(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    uint8_t *bytes;
    FILE *file;
    size_t length;

    (void)ftw;
    if (type != FTW_F || status->st_size == 0)
        return 0;
    file = fopen(path, "rb");
    if (file == NULL)
        return 0; /* deleted meanwhile */
    bytes = malloc((size_t)status->st_size);
    assert_non_null(bytes);
    length = fread(bytes, 1, (size_t)status->st_size, file);
    if (memmem(bytes, length, search.key, sizeof(search.key)) != NULL) {
        search.found++;
        snprintf(search.path, sizeof(search.path), "%s", path);
    }
    free(bytes);
    fclose(file);
    return 0;
}

/* In how many files of the folder the key stands. */
static unsigned files_with(const struct fixture *fixture, uint32_t number)
{
    search.found = 0;
    key_of(number, search.key);
    nftw(fixture->folder.path, search_file, 16, FTW_PHYS);
    return search.found;
}

static uint64_t pending(const struct fixture *fixture)
{
    struct journal_scrub state;

    fixture->journal.scrub_state(fixture->journal.self, &state);
    return state.pending;
}

static void wait_for_scrub(const struct fixture *fixture)
{
    struct journal_scrub state;

    for (unsigned waited_ms = 0; pending(fixture) > 0; waited_ms += 5) {
        if (waited_ms >= WAIT_MS) {
            fixture->journal.scrub_state(fixture->journal.self, &state);
            fail_msg("%u runs, %u failed; the last line logged: %s", (unsigned)state.runs,
                     (unsigned)state.failures, fixture->logged);
        }
        usleep(5000);
    }
}

struct one_read {
    struct journal_read read; /* first */
    atomic_bool is_done;
};

static void on_read(struct journal_read *read)
{
    atomic_store(&((struct one_read *)(void *)read)->is_done, true);
}

static bool can_read(struct fixture *fixture, uint32_t number)
{
    struct one_read one = {
        .read = {.kind = RECORD_ACCOUNT_KEY,
                 .from = {number % PARTITIONS, 1 + number, 0},
                 .to = {number % PARTITIONS, 1 + number, 1},
                 .limit = 1,
                 .done = on_read},
    };

    assert_true(fixture->journal.read(fixture->journal.self, &one.read));
    while (!atomic_load(&one.is_done))
        usleep(100);
    assert_false(one.read.failed);
    free(one.read.result.bytes);
    return one.read.count == 1;
}

static void assert_erased(struct fixture *fixture, uint32_t number)
{
    if (files_with(fixture, number) > 0)
        fail_msg("the erased key is in %s", search.path);
    assert_false(can_read(fixture, number));
}

/* ---- tests ---- */

static void test_an_erased_key_is_in_no_file(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture);
    assert_int_equal(pending(&fixture), 0);
    put_keys(&fixture, 0, KEYS);
    assert_true(files_with(&fixture, GONE) > 0); /* the search finds what is there */
    erase(&fixture, GONE);
    assert_true(files_with(&fixture, GONE) > 0);
    fixture.journal.scrub(fixture.journal.self);
    wait_for_scrub(&fixture);
    assert_erased(&fixture, GONE);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(can_read(&fixture, i), i != GONE);
    storage_close(fixture.storage);
    assert_int_equal(files_with(&fixture, GONE), 0);
    reopen(&fixture);
    assert_int_equal(pending(&fixture), 0);
    assert_erased(&fixture, GONE);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* In tables of several levels, and while others commit. */
static void test_old_tables_and_a_busy_log_keep_nothing(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture);
    for (uint32_t round = 0; round < 6; round++) { /* each opening makes a table of its own */
        put_keys(&fixture, 0, KEYS);
        put_keys(&fixture, KEYS + 50 * round, KEYS + 50 * (round + 1));
        storage_close(fixture.storage);
        reopen(&fixture);
    }
    assert_true(files_with(&fixture, GONE) > 1);
    erase(&fixture, GONE);
    fixture.journal.scrub(fixture.journal.self);
    for (uint64_t number = fixture.journal.last_commit(fixture.journal.self) + 1;
         pending(&fixture) > 0; number++)
        assert_int_equal(commit_holds(&fixture, number, 50), COMMIT_OK);
    assert_erased(&fixture, GONE);
    assert_true(can_read(&fixture, GONE + 1));
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* What was asked for while one ran is done by the next; none is asked twice. */
static void test_what_is_asked_meanwhile_is_done_too(void **state)
{
    struct fixture fixture;
    struct journal_scrub scrub;

    (void)state;
    fixture_make(&fixture);
    put_keys(&fixture, 0, KEYS);
    for (uint32_t i = 0; i < 20; i++) {
        erase(&fixture, i);
        fixture.journal.scrub(fixture.journal.self);
    }
    wait_for_scrub(&fixture);
    fixture.journal.scrub_state(fixture.journal.self, &scrub);
    assert_in_range(scrub.runs, 1, 5);
    assert_int_equal(scrub.failures, 0);
    for (uint32_t i = 0; i < 20; i++)
        assert_erased(&fixture, i);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* The copy that a backup is made from stands in the data folder. */
static void test_it_is_not_done_as_long_as_a_backup_is_made(void **state)
{
    struct fixture fixture;
    char path[256];

    (void)state;
    fixture_make(&fixture);
    put_keys(&fixture, 0, KEYS);
    snprintf(path, sizeof(path), "%s/journal.backup", fixture.folder.path);
    assert_int_equal(mkdir(path, 0700), 0);
    erase(&fixture, GONE);
    fixture.journal.scrub(fixture.journal.self);
    usleep(500 * 1000);
    assert_int_equal(pending(&fixture), 1);
    assert_int_equal(rmdir(path), 0);
    wait_for_scrub(&fixture);
    assert_erased(&fixture, GONE);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* ---- killed on the way ---- */

static void body_erase(struct fixture *fixture)
{
    reopen(fixture);
    erase(fixture, GONE);
}

static void body_erase_and_scrub(struct fixture *fixture)
{
    struct timespec now;

    reopen(fixture);
    put_keys(fixture, 0, KEYS); /* once more: in the log too */
    erase(fixture, GONE);
    fixture->journal.scrub(fixture->journal.self);
    clock_gettime(CLOCK_MONOTONIC, &now);
    usleep((useconds_t)(now.tv_nsec % 10000)); /* about as long as it takes */
}

static const struct test_body bodies[] = {
    {"erase", body_erase},
    {"erase-and-scrub", body_erase_and_scrub},
};

static void test_a_process_killed_before_does_it_at_the_next_start(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture);
    put_keys(&fixture, 0, KEYS);
    storage_close(fixture.storage);
    in_a_killed_process(&fixture, "erase");
    assert_true(files_with(&fixture, GONE) > 0);
    reopen(&fixture);
    wait_for_scrub(&fixture);
    assert_erased(&fixture, GONE);
    assert_true(can_read(&fixture, GONE + 1));
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void test_a_process_killed_in_the_midst_does_it_at_the_next_start(void **state)
{
    struct fixture fixture;
    struct journal_scrub scrub;
    uint64_t failed = 0; /* runs: each tries again, so they cost time only */
    unsigned left = 0;

    (void)state;
    for (unsigned round = 0; round < 25; round++) {
        if (!test_takes(round, 6))
            continue;
        fixture_make(&fixture);
        put_keys(&fixture, 0, KEYS);
        storage_close(fixture.storage);
        in_a_killed_process(&fixture, "erase-and-scrub");
        left += files_with(&fixture, GONE) > 0;
        reopen(&fixture);
        wait_for_scrub(&fixture);
        fixture.journal.scrub_state(fixture.journal.self, &scrub);
        failed += scrub.failures;
        assert_erased(&fixture, GONE);
        assert_true(can_read(&fixture, GONE + 1));
        storage_close(fixture.storage);
        fixture_free(&fixture);
    }
    print_message("%u of 25 were killed before the key had gone; %u runs failed\n", left,
                  (unsigned)failed);
    assert_true(left > 0);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_erased_key_is_in_no_file),
        cmocka_unit_test(test_old_tables_and_a_busy_log_keep_nothing),
        cmocka_unit_test(test_what_is_asked_meanwhile_is_done_too),
        cmocka_unit_test(test_it_is_not_done_as_long_as_a_backup_is_made),
        cmocka_unit_test(test_a_process_killed_before_does_it_at_the_next_start),
        cmocka_unit_test(test_a_process_killed_in_the_midst_does_it_at_the_next_start),
    };

    if (count == 3)
        return body_run(bodies, sizeof(bodies) / sizeof(bodies[0]), arguments[1], arguments[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
