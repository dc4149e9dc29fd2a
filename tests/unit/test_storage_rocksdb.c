/* SPDX-License-Identifier: Apache-2.0 */
/* A store on disk: what was acknowledged is there after a kill, damage is refused and named. */
#include "test_storage_support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "journal_memory.h"
#include "journal_rocksdb.h"
#include "storage.h"
#include "watermark_file.h"

enum { PARTITIONS = 8, WRITE_BUFFER_BYTES = 1 << 20 };

struct fixture {
    struct test_folder folder;
    struct test_batch batch;
    uint64_t write_buffer_bytes; /* 0: WRITE_BUFFER_BYTES */
    struct storage *storage;
    struct storage_info info;
    struct journal_port journal;
    struct watermark_port watermark;
    struct secrets_port secrets;
    struct test_outcome seen;
    char error[STORAGE_ERROR_BYTES];
    char logged[1024];
};

static void keep_log(void *arg, const char *line)
{
    struct fixture *fixture = arg;

    snprintf(fixture->logged, sizeof(fixture->logged), "%s", line);
}

static struct storage_options options_for(struct fixture *fixture)
{
    struct storage_options options = storage_options_default(fixture->folder.path);

    options.partitions = PARTITIONS;
    options.write_buffer_bytes = fixture->write_buffer_bytes;
    if (options.write_buffer_bytes == 0)
        options.write_buffer_bytes = WRITE_BUFFER_BYTES;
    options.ballast_bytes = 4096;
    options.low_water_bytes = 4096;
    options.log = keep_log;
    options.log_arg = fixture;
    return options;
}

static int try_open(struct fixture *fixture)
{
    struct storage_options options = options_for(fixture);

    fixture->error[0] = '\0';
    if (storage_open(&options, &fixture->storage, fixture->error, sizeof(fixture->error)) != 0) {
        assert_null(strchr(fixture->error, '\n'));
        return -1;
    }
    storage_info_get(fixture->storage, &fixture->info);
    storage_ports_get(fixture->storage, &fixture->journal, &fixture->watermark, &fixture->secrets);
    return 0;
}

static void reopen(struct fixture *fixture)
{
    if (try_open(fixture) != 0)
        fail_msg("%s", fixture->error);
}

static void fixture_make(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    test_folder_make(&fixture->folder);
    test_batch_make(&fixture->batch);
    reopen(fixture);
}

static void fixture_free(struct fixture *fixture)
{
    test_batch_free(&fixture->batch);
    test_folder_remove(&fixture->folder);
}

static void assert_refused(struct fixture *fixture, const char *text)
{
    assert_int_equal(try_open(fixture), -1);
    if (strstr(fixture->error, text) == NULL)
        fail_msg("the error does not say '%s': %s", text, fixture->error);
}

/* Commit `number`: `count` holds, whose sequences follow from it. */
static enum commit_outcome commit_holds(struct fixture *fixture, uint64_t number, uint32_t count)
{
    test_batch_empty(&fixture->batch);
    for (uint32_t i = 0; i < count; i++)
        test_hold(&fixture->batch, i % PARTITIONS, number * 100000 + i, HOLD_HELD, 7, 1);
    fixture->seen.count = 0;
    fixture->journal.commit(fixture->journal.self, test_batch_close(&fixture->batch, number),
                            test_done, &fixture->seen);
    assert_int_equal(fixture->seen.count, 1);
    if (fixture->seen.outcome == COMMIT_OK)
        fixture->watermark.advance(fixture->watermark.self, number);
    return fixture->seen.outcome;
}

static bool count_record(void *arg, const struct record *record)
{
    (void)record;
    ++*(uint64_t *)arg;
    return true;
}

static uint64_t load_all(struct fixture *fixture)
{
    uint64_t count = 0;

    for (uint32_t partition = 0; partition < PARTITIONS; partition++)
        assert_true(fixture->journal.load(fixture->journal.self, partition, count_record, &count));
    return count;
}

/* Runs a body, by its number, in a process that then dies without closing anything. A process of
 * its own program: RocksDB's threads do not survive a fork. */
static void in_a_killed_process(struct fixture *fixture, const char *body)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "body", body, fixture->folder.path, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A store whose server was killed after so many commits of 100 holds, with the watermark on file.
 */
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

static void killed_store(struct fixture *fixture, const char *body)
{
    fixture_make(fixture);
    storage_close(fixture->storage);
    in_a_killed_process(fixture, body);
}

static void newest(struct fixture *fixture, const char *end, char path_out[512])
{
    assert_true(test_newest(test_path(&fixture->folder, "journal"), end, path_out));
}

/* ---- keeping ---- */

static void test_what_was_committed_is_there_after_closing(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture);
    assert_true(fixture.info.is_new);
    assert_int_equal(fixture.info.partitions, PARTITIONS);
    assert_int_equal(fixture.info.last_commit, 0);
    for (uint64_t number = 1; number <= 10; number++)
        assert_int_equal(commit_holds(&fixture, number, 100), COMMIT_OK);
    test_batch_empty(&fixture.batch);
    test_hold(&fixture.batch, 0, 100000, HOLD_RELEASED, 7, 1);
    test_hold(&fixture.batch, 1, 100001, HOLD_HELD, 7, 1)->operation = RECORD_DELETE;
    fixture.journal.commit(fixture.journal.self, test_batch_close(&fixture.batch, 11), test_done,
                           &fixture.seen);
    assert_int_equal(fixture.journal.last_commit(fixture.journal.self), 11);
    storage_close(fixture.storage);
    reopen(&fixture);
    assert_false(fixture.info.is_new);
    assert_int_equal(fixture.info.last_commit, 11);
    assert_int_equal(fixture.info.watermark, 10);
    assert_int_equal(fixture.watermark.read(fixture.watermark.self), 10);
    assert_int_equal(load_all(&fixture), 999);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void body_many(struct fixture *fixture)
{
    int acknowledged;

    reopen(fixture);
    acknowledged =
        open(test_path(&fixture->folder, "acknowledged"), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    for (uint64_t number = 1; number <= 60; number++) {
        if (commit_holds(fixture, number, (uint32_t)number) != COMMIT_OK ||
            pwrite(acknowledged, &number, sizeof(number), 0) != (ssize_t)sizeof(number))
            _exit(1);
        if (number == 50)
            kill(getpid(), SIGKILL);
    }
}

static void test_what_was_acknowledged_survives_a_kill(void **state)
{
    struct fixture fixture;

    (void)state;
    killed_store(&fixture, "many");
    reopen(&fixture);
    assert_int_equal(fixture.info.last_commit, 50);
    assert_true(fixture.info.watermark <= 50);
    assert_int_equal(load_all(&fixture), 50 * 51 / 2);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static void test_an_interrupted_creation_is_continued(void **state)
{
    static const char *const removed[] = {"watermark", "secret.key", "journal"};
    struct fixture fixture;
    char path[256];
    char text[256] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
        struct test_folder part = {0};

        fixture_make(&fixture);
        storage_close(fixture.storage);
        /* As if the process had died before the marker said `ready`. */
        snprintf(path, sizeof(path), "%s", test_path(&fixture.folder, "STAMPEDE"));
        FILE *marker = fopen(path, "r+");
        assert_non_null(marker);
        size_t length = fread(text, 1, sizeof(text) - 1, marker);
        text[length] = '\0';
        char *at = strstr(text, "ready");
        assert_non_null(at);
        snprintf(at, sizeof(text) - (size_t)(at - text), "creating\n");
        rewind(marker);
        fputs(text, marker);
        fclose(marker);
        snprintf(part.path, sizeof(part.path), "%s", test_path(&fixture.folder, removed[i]));
        test_folder_remove(&part);
        reopen(&fixture);
        assert_true(fixture.info.is_new);
        assert_int_equal(commit_holds(&fixture, 1, 5), COMMIT_OK);
        storage_close(fixture.storage);
        reopen(&fixture);
        assert_false(fixture.info.is_new);
        assert_int_equal(load_all(&fixture), 5);
        storage_close(fixture.storage);
        fixture_free(&fixture);
    }
}

/* The same stream of commits gives the same state here and in memory. */
static void test_memory_and_disk_end_in_the_same_state(void **state)
{
    struct journal_memory_options memory_options = {.partitions = PARTITIONS,
                                                    .sync_immediately = true};
    struct journal_memory *memory = journal_memory_create(&memory_options);
    struct journal_port memory_port = journal_memory_port(memory);
    struct fixture fixture;
    uint64_t seed = 21;
    uint64_t hash = 0;

    (void)state;
    fixture_make(&fixture);
    for (uint64_t number = 1; number <= 60; number++) {
        test_batch_empty(&fixture.batch);
        for (unsigned i = 0; i < 200; i++) {
            uint64_t sequence = 1 + test_random(&seed) % 900;
            uint32_t partition = test_random(&seed) % PARTITIONS;
            uint32_t sku_id = sku_id_make(partition, i % 5);
            bool deletes = test_random(&seed) % 4 == 0;

            test_hold(&fixture.batch, partition, sequence, HOLD_HELD, sku_id, 1)->operation =
                deletes ? RECORD_DELETE : RECORD_PUT;
            if (i % 10 == 0)
                test_entry(&fixture.batch, sku_id, number * 1000 + i, LEDGER_RECEIPT, 1, 0);
            if (i % 20 == 0) {
                struct record *limit = test_record(&fixture.batch, RECORD_LIMIT, partition, 0, 0);

                limit->limit.principal.bytes[0] = (uint8_t)sequence;
                limit->limit.sold = (uint32_t)number;
                limit->operation = deletes ? RECORD_DELETE : RECORD_PUT;
            }
        }
        test_product(&fixture.batch, (uint32_t)number % PARTITIONS, 1, 2);
        const struct journal_commit *commit = test_batch_close(&fixture.batch, number);
        fixture.journal.commit(fixture.journal.self, commit, test_done, &fixture.seen);
        memory_port.commit(memory_port.self, commit, test_done, &fixture.seen);
        assert_int_equal(fixture.seen.outcome, COMMIT_OK);
    }
    storage_close(fixture.storage);
    struct journal_rocksdb_options options = {.path = test_path(&fixture.folder, "journal"),
                                              .mode = JOURNAL_READ_ONLY,
                                              .log = keep_log,
                                              .log_arg = &fixture};
    struct journal_rocksdb *journal;
    assert_int_equal(journal_rocksdb_open(&options, &journal, fixture.error, sizeof(fixture.error)),
                     JOURNAL_OPENED);
    assert_true(journal_rocksdb_state_hash(journal, &hash));
    assert_int_equal(hash, journal_memory_state_hash(memory));
    journal_rocksdb_close(journal);
    journal_memory_destroy(memory);
    fixture_free(&fixture);
}

/* ---- reading ---- */

static atomic_int reads_done;

static void read_done(struct journal_read *read)
{
    (void)read;
    atomic_fetch_add(&reads_done, 1);
}

static void await_reads(int count)
{
    for (unsigned i = 0; i < 3000 && atomic_load(&reads_done) < count; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&reads_done), count);
}

static void test_reads_run_on_the_pool(void **state)
{
    enum { READS = 200 };
    static struct journal_read reads[READS];
    struct fixture fixture;
    uint32_t sku_id = sku_id_make(2, 4);

    (void)state;
    fixture_make(&fixture);
    for (uint64_t i = 1; i <= 250; i++)
        test_entry(&fixture.batch, sku_id, i, LEDGER_RECEIPT, (uint32_t)i, 0);
    test_entry(&fixture.batch, sku_id + 1, 999, LEDGER_RECEIPT, 1, 0);
    fixture.journal.commit(fixture.journal.self, test_batch_close(&fixture.batch, 1), test_done,
                           &fixture.seen);
    atomic_store(&reads_done, 0);
    for (unsigned i = 0; i < READS; i++) {
        reads[i] =
            (struct journal_read){.kind = RECORD_LEDGER,
                                  .from = {.partition = 2, .subject = sku_id, .sequence = i + 1},
                                  .to = {.partition = 2, .subject = sku_id + 1},
                                  .limit = LIST_PAGE_MAX + 1,
                                  .done = read_done};
        assert_true(fixture.journal.read(fixture.journal.self, &reads[i]));
    }
    await_reads(READS);
    for (unsigned i = 0; i < READS; i++) {
        uint32_t left = 250 - i;
        const struct record *first = (const struct record *)(void *)reads[i].result.bytes;

        assert_false(reads[i].failed);
        assert_int_equal(reads[i].count, left > LIST_PAGE_MAX + 1 ? LIST_PAGE_MAX + 1 : left);
        assert_int_equal(first->sequence, i + 1);
        assert_int_equal(first->ledger.quantity, i + 1);
        free(reads[i].result.bytes);
    }
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

static _Atomic bool pool_is_held;

static void hold_the_pool(struct journal_read *read)
{
    (void)read;
    while (atomic_load(&pool_is_held))
        usleep(1000);
    atomic_fetch_add(&reads_done, 1);
}

static void test_the_pools_queue_is_bounded(void **state)
{
    static struct journal_read reads[JOURNAL_READS_MAX + JOURNAL_READERS + 1];
    struct fixture fixture;
    int accepted = 0;

    (void)state;
    fixture_make(&fixture);
    atomic_store(&reads_done, 0);
    atomic_store(&pool_is_held, true);
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        reads[i] = (struct journal_read){
            .kind = RECORD_HOLD, .to = {.partition = 1}, .limit = 1, .done = hold_the_pool};
        accepted += fixture.journal.read(fixture.journal.self, &reads[i]);
    }
    assert_true(accepted >= JOURNAL_READS_MAX && accepted <= JOURNAL_READS_MAX + JOURNAL_READERS);
    atomic_store(&pool_is_held, false);
    await_reads(accepted);
    storage_close(fixture.storage);
    fixture_free(&fixture);
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

/* ---- a full disk ---- */

static void test_below_the_low_water_mark_the_store_is_full(void **state)
{
    struct fixture fixture;
    struct storage_options options;

    (void)state;
    fixture_make(&fixture);
    assert_false(fixture.journal.is_full(fixture.journal.self));
    assert_int_equal(test_file_size(test_path(&fixture.folder, "ballast")), 4096);
    storage_close(fixture.storage);
    options = options_for(&fixture);
    options.low_water_bytes = UINT64_MAX / 2;
    assert_int_equal(storage_open(&options, &fixture.storage, fixture.error, sizeof(fixture.error)),
                     0);
    storage_ports_get(fixture.storage, &fixture.journal, &fixture.watermark, &fixture.secrets);
    assert_true(fixture.journal.is_full(fixture.journal.self));
    assert_non_null(strstr(fixture.logged, "storage: full"));
    /* What was promised is still written. */
    assert_int_equal(commit_holds(&fixture, 1, 1), COMMIT_OK);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* ---- figures ---- */

static void bench_commits(struct fixture *fixture, uint32_t records, uint64_t commits)
{
    uint64_t number = fixture->journal.last_commit(fixture->journal.self) + 1;
    double slowest = 0;
    double spent = 0;

    for (uint64_t i = 0; i < commits; i++, number++) {
        test_batch_empty(&fixture->batch);
        for (uint32_t j = 0; j < records; j++)
            test_hold(&fixture->batch, j % 256, number * 10000 + j, HOLD_HELD, 7, 1);
        test_batch_close(&fixture->batch, number);
        double start = test_seconds();
        fixture->journal.commit(fixture->journal.self, &fixture->batch.commit, test_done,
                                &fixture->seen);
        double took = test_seconds() - start;
        spent += took;
        slowest = took > slowest ? took : slowest;
    }
    print_message("rocksdb: batches of %4u: %7.0f records/s, mean %.2f ms, slowest %.2f ms\n",
                  records, (double)(records * commits) / spent, spent / (double)commits * 1e3,
                  slowest * 1e3);
}

static void test_speed(void **state)
{
    struct fixture fixture;
    struct storage_options options;
    uint64_t count = 0;

    (void)state;
    if (!test_is_bench())
        return;
    memset(&fixture, 0, sizeof(fixture));
    test_folder_make_in(&fixture.folder, "/tmp");
    test_batch_make(&fixture.batch);
    options = storage_options_default(fixture.folder.path);
    assert_int_equal(storage_open(&options, &fixture.storage, fixture.error, sizeof(fixture.error)),
                     0);
    storage_ports_get(fixture.storage, &fixture.journal, &fixture.watermark, &fixture.secrets);
    bench_commits(&fixture, 1, 2000);
    bench_commits(&fixture, 16, 2000);
    bench_commits(&fixture, 128, 2000);
    bench_commits(&fixture, 1024, 1000);
    bench_commits(&fixture, 4096, 100);
    double start = test_seconds();
    storage_close(fixture.storage);
    double closed = test_seconds();
    assert_int_equal(storage_open(&options, &fixture.storage, fixture.error, sizeof(fixture.error)),
                     0);
    storage_ports_get(fixture.storage, &fixture.journal, &fixture.watermark, &fixture.secrets);
    double opened = test_seconds();
    for (uint32_t partition = 0; partition < options.partitions; partition++)
        fixture.journal.load(fixture.journal.self, partition, count_record, &count);
    print_message("rocksdb: close %.2f s, open %.2f s, load %.1f M holds in %.2f s\n",
                  closed - start, opened - closed, (double)count / 1e6, test_seconds() - opened);
    storage_close(fixture.storage);
    fixture_free(&fixture);
}

/* The bodies of processes to be killed. */
static int body_run(const char *name, const char *path)
{
    static const struct {
        const char *name;
        void (*run)(struct fixture *fixture);
    } bodies[] = {{"sixty", body_sixty},
                  {"many", body_many},
                  {"several_logs", body_several_logs},
                  {"failing_log", body_failing_log},
                  {"failing_watermark", body_failing_watermark}};
    static struct fixture fixture;

    alarm(60);
    snprintf(fixture.folder.path, sizeof(fixture.folder.path), "%s", path);
    test_batch_make(&fixture.batch);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (strcmp(bodies[i].name, name) == 0)
            bodies[i].run(&fixture);
    }
    return kill(getpid(), SIGKILL);
}

int main(int argc, char *argv[])
{
    if (argc == 3)
        return body_run(argv[1], argv[2]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_committed_is_there_after_closing),
        cmocka_unit_test(test_what_was_acknowledged_survives_a_kill),
        cmocka_unit_test(test_an_interrupted_creation_is_continued),
        cmocka_unit_test(test_memory_and_disk_end_in_the_same_state),
        cmocka_unit_test(test_reads_run_on_the_pool),
        cmocka_unit_test(test_the_pools_queue_is_bounded),
        cmocka_unit_test(test_a_flipped_bit_in_the_log_is_refused_and_the_commits_named),
        cmocka_unit_test(test_a_torn_tail_that_nobody_was_told_of_is_no_damage),
        cmocka_unit_test(test_a_deleted_log_shows_in_the_watermark),
        cmocka_unit_test(test_a_log_lost_though_a_later_one_is_there_is_refused),
        cmocka_unit_test(test_a_damaged_table_fails_the_load),
        cmocka_unit_test(test_a_store_with_a_part_missing_is_refused),
        cmocka_unit_test(test_a_journal_of_another_store_is_refused),
        cmocka_unit_test(test_a_second_server_is_refused),
        cmocka_unit_test(test_after_a_failed_write_no_other_is_tried),
        cmocka_unit_test(test_without_a_watermark_nothing_is_acknowledged),
        cmocka_unit_test(test_below_the_low_water_mark_the_store_is_full),
        cmocka_unit_test(test_speed),
    };

    return cmocka_run_group_tests_name("storage rocksdb", tests, NULL, NULL);
}
