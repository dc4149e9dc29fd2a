/* SPDX-License-Identifier: Apache-2.0 */
/* A store on disk: what was acknowledged is there after a kill, reads run on their pool, and a full
 * disk is told in time. */
#include "test_storage_store.h"

#include <stdatomic.h>

#include "crc32c.h"
#include "journal_memory.h"
#include "journal_rocksdb.h"

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
        length = strlen(text);
        snprintf(text + length, sizeof(text) - length, "checksum %08x\n", crc32c(0, text, length));
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
        unsigned holds = number == 30 ? 12000 : 200; /* once more than are put in order at once */

        test_batch_empty(&fixture.batch);
        for (unsigned i = 0; i < holds; i++) {
            uint64_t sequence = 1 + test_random(&seed) % 900;
            uint32_t partition = test_random(&seed) % PARTITIONS;
            uint32_t sku_id = sku_id_make(partition, i % 5);
            bool deletes = test_random(&seed) % 4 == 0;

            test_hold(&fixture.batch, partition, sequence, HOLD_HELD, sku_id, 1)->operation =
                deletes ? RECORD_DELETE : RECORD_PUT;
            if (i % 10 == 0)
                test_entry(&fixture.batch, sku_id, number * 100000 + i, LEDGER_RECEIPT, 1, 0);
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

/* A merge of all holds needs their space once more. */
static void test_the_headroom_is_what_the_holds_take(void **state)
{
    struct fixture fixture;
    struct journal_rocksdb *journal;
    struct journal_rocksdb_options options = {.mode = JOURNAL_CREATE,
                                              .identity = {1, 1, PARTITIONS},
                                              .log = keep_log,
                                              .log_arg = &fixture};

    (void)state;
    memset(&fixture, 0, sizeof(fixture));
    test_folder_make(&fixture.folder);
    test_batch_make(&fixture.batch);
    options.path = test_path(&fixture.folder, "journal");
    assert_int_equal(journal_rocksdb_open(&options, &journal, fixture.error, sizeof(fixture.error)),
                     JOURNAL_OPENED);
    assert_int_equal(journal_rocksdb_headroom(journal), 0);
    for (uint64_t sequence = 1; sequence <= 1000; sequence++)
        test_hold(&fixture.batch, 0, sequence, HOLD_HELD, 7, 1);
    journal_rocksdb_commit(journal, test_batch_close(&fixture.batch, 1), test_done, &fixture.seen);
    journal_rocksdb_flush(journal);
    assert_in_range(journal_rocksdb_headroom(journal), 1000 * 50, 1000 * 200);
    journal_rocksdb_close(journal);
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

int main(int argc, char *argv[])
{
    static const struct test_body bodies[] = {{"many", body_many}};

    if (argc == 3)
        return body_run(bodies, sizeof(bodies) / sizeof(bodies[0]), argv[1], argv[2]);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_committed_is_there_after_closing),
        cmocka_unit_test(test_what_was_acknowledged_survives_a_kill),
        cmocka_unit_test(test_an_interrupted_creation_is_continued),
        cmocka_unit_test(test_memory_and_disk_end_in_the_same_state),
        cmocka_unit_test(test_reads_run_on_the_pool),
        cmocka_unit_test(test_the_pools_queue_is_bounded),
        cmocka_unit_test(test_below_the_low_water_mark_the_store_is_full),
        cmocka_unit_test(test_the_headroom_is_what_the_holds_take),
        cmocka_unit_test(test_speed),
    };

    return cmocka_run_group_tests_name("storage rocksdb", tests, NULL, NULL);
}
