/* SPDX-License-Identifier: Apache-2.0 */
/* The in-memory journal: what is durable, when, and what a crash leaves. */
#include "test_storage_support.h"

#include "codec.h"
#include "journal_memory.h"

enum { PARTITION = 3 };

struct fixture {
    struct journal_memory *journal;
    struct journal_port port;
    struct test_batch batch;
    struct test_outcome seen;
};

static void fixture_make(struct fixture *fixture, bool sync_immediately, bool lie)
{
    struct journal_memory_options options = {
        .partitions = 8, .sync_immediately = sync_immediately, .lie = lie};

    memset(fixture, 0, sizeof(*fixture));
    fixture->journal = journal_memory_create(&options);
    assert_non_null(fixture->journal);
    fixture->port = journal_memory_port(fixture->journal);
    test_batch_make(&fixture->batch);
}

static void fixture_free(struct fixture *fixture)
{
    journal_memory_destroy(fixture->journal);
    test_batch_free(&fixture->batch);
}

/* Hands over the batch; it must live until it is completed. */
static void submit(struct fixture *fixture, uint64_t number)
{
    fixture->port.commit(fixture->port.self, test_batch_close(&fixture->batch, number), test_done,
                         &fixture->seen);
}

static void commit_hold(struct fixture *fixture, uint64_t number, uint64_t sequence)
{
    test_batch_empty(&fixture->batch);
    test_hold(&fixture->batch, PARTITION, sequence, HOLD_HELD, 7, 1);
    submit(fixture, number);
}

static uint64_t holds(const struct fixture *fixture)
{
    return journal_memory_count(fixture->journal, RECORD_HOLD);
}

struct collected {
    uint64_t sequences[64];
    uint8_t kinds[64];
    uint32_t count;
    uint32_t stop_at;
};

static bool collect(void *arg, const struct record *record)
{
    struct collected *collected = arg;

    collected->kinds[collected->count] = record->kind;
    collected->sequences[collected->count++] = record->sequence;
    return collected->count != collected->stop_at;
}

static void test_a_commit_is_durable_when_it_is_completed(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, false, false);
    commit_hold(&fixture, 1, 1);
    assert_int_equal(fixture.seen.count, 0);
    assert_int_equal(journal_memory_pending(fixture.journal), 1);
    assert_int_equal(holds(&fixture), 0);
    assert_int_equal(fixture.port.last_commit(fixture.port.self), 0);
    journal_memory_complete(fixture.journal, COMMIT_OK, true);
    assert_int_equal(fixture.seen.count, 1);
    assert_int_equal(fixture.seen.outcome, COMMIT_OK);
    assert_int_equal(holds(&fixture), 1);
    assert_int_equal(fixture.port.last_commit(fixture.port.self), 1);
    fixture_free(&fixture);
}

static void test_a_failed_commit_may_be_durable(void **state)
{
    (void)state;
    for (unsigned outcome = COMMIT_FAILED; outcome <= COMMIT_UNKNOWN; outcome++) {
        for (unsigned durable = 0; durable < 2; durable++) {
            struct fixture fixture;

            fixture_make(&fixture, false, false);
            commit_hold(&fixture, 1, 1);
            journal_memory_complete(fixture.journal, (enum commit_outcome)outcome, durable);
            assert_int_equal(fixture.seen.outcome, outcome);
            assert_int_equal(holds(&fixture), durable);
            fixture_free(&fixture);
        }
    }
}

static void test_after_a_failure_nothing_commits_until_a_crash(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, false, false);
    commit_hold(&fixture, 1, 1);
    journal_memory_complete(fixture.journal, COMMIT_UNKNOWN, true);
    assert_int_equal(journal_memory_commits_when_stuck(fixture.journal), 0);
    commit_hold(&fixture, 2, 2);
    journal_memory_complete(fixture.journal, COMMIT_OK, true);
    assert_int_equal(fixture.seen.outcome, COMMIT_FAILED);
    assert_int_equal(journal_memory_commits_when_stuck(fixture.journal), 1);
    assert_int_equal(holds(&fixture), 1);
    journal_memory_crash(fixture.journal, false);
    commit_hold(&fixture, 2, 2);
    journal_memory_complete(fixture.journal, COMMIT_OK, true);
    assert_int_equal(fixture.seen.outcome, COMMIT_OK);
    assert_int_equal(holds(&fixture), 2);
    fixture_free(&fixture);
}

static void test_a_crash_loses_or_keeps_what_was_pending(void **state)
{
    (void)state;
    for (unsigned keep = 0; keep < 2; keep++) {
        struct fixture fixture;

        fixture_make(&fixture, false, false);
        commit_hold(&fixture, 1, 1);
        journal_memory_complete(fixture.journal, COMMIT_OK, true);
        commit_hold(&fixture, 2, 2);
        journal_memory_crash(fixture.journal, keep);
        assert_int_equal(fixture.seen.count, 1); /* the dead are not called */
        assert_int_equal(journal_memory_pending(fixture.journal), 0);
        assert_int_equal(holds(&fixture), 1 + keep);
        assert_int_equal(fixture.port.last_commit(fixture.port.self), 1 + keep);
        fixture_free(&fixture);
    }
}

static void test_a_lying_disk_forgets_what_was_not_really_synced(void **state)
{
    struct fixture fixture;
    uint64_t hash;

    (void)state;
    fixture_make(&fixture, true, true);
    test_batch_empty(&fixture.batch);
    test_hold(&fixture.batch, PARTITION, 1, HOLD_HELD, 7, 1);
    test_hold(&fixture.batch, PARTITION, 2, HOLD_HELD, 7, 1);
    submit(&fixture, 1);
    journal_memory_sync(fixture.journal);
    hash = journal_memory_state_hash(fixture.journal);
    test_batch_empty(&fixture.batch); /* one changed, one deleted, one new */
    test_hold(&fixture.batch, PARTITION, 1, HOLD_RELEASED, 7, 1);
    test_hold(&fixture.batch, PARTITION, 2, HOLD_HELD, 7, 1)->operation = RECORD_DELETE;
    test_hold(&fixture.batch, PARTITION, 3, HOLD_HELD, 7, 1);
    submit(&fixture, 2);
    commit_hold(&fixture, 3, 3);
    assert_int_equal(fixture.port.last_commit(fixture.port.self), 3);
    journal_memory_crash(fixture.journal, true);
    assert_int_equal(fixture.port.last_commit(fixture.port.self), 1);
    assert_int_equal(holds(&fixture), 2);
    assert_int_equal(journal_memory_state_hash(fixture.journal), hash);
    fixture_free(&fixture);
}

static void test_load_gives_kinds_in_order_and_keys_ascending_without_the_ledger(void **state)
{
    static const uint8_t kinds[] = {RECORD_PRODUCT, RECORD_SKU,  RECORD_COUNTER,
                                    RECORD_FLOOR,   RECORD_HOLD, RECORD_HOLD};
    struct collected collected = {0};
    struct fixture fixture;
    uint32_t sku_id = sku_id_make(PARTITION, 1);

    (void)state;
    fixture_make(&fixture, true, false);
    test_hold(&fixture.batch, PARTITION, 300, HOLD_HELD, sku_id, 1);
    test_hold(&fixture.batch, PARTITION, 2, HOLD_HELD, sku_id, 1);
    test_hold(&fixture.batch, PARTITION + 1, 1, HOLD_HELD, sku_id, 1);
    test_entry(&fixture.batch, sku_id, 1, LEDGER_RECEIPT, 5, 0);
    test_counter(&fixture.batch, sku_id, 5, 0, 1);
    test_record(&fixture.batch, RECORD_FLOOR, PARTITION, 0, 0)->floor.next_sequence = 9;
    test_sku(&fixture.batch, sku_id, 1);
    test_product(&fixture.batch, PARTITION, 1, 0);
    submit(&fixture, 1);
    assert_true(fixture.port.load(fixture.port.self, PARTITION, collect, &collected));
    assert_int_equal(collected.count, sizeof(kinds));
    assert_memory_equal(collected.kinds, kinds, sizeof(kinds));
    assert_int_equal(collected.sequences[4], 2);
    assert_int_equal(collected.sequences[5], 300);
    collected = (struct collected){.stop_at = 2};
    assert_true(fixture.port.load(fixture.port.self, PARTITION, collect, &collected));
    assert_int_equal(collected.count, 2);
    fixture_free(&fixture);
}

static int reads_done;

static void read_done(struct journal_read *read)
{
    (void)read;
    reads_done++;
}

static void test_a_read_sees_its_range_of_what_is_durable(void **state)
{
    struct journal_read read = {.kind = RECORD_HOLD,
                                .from = {.partition = PARTITION, .sequence = 3},
                                .to = {.partition = PARTITION, .sequence = 8},
                                .limit = 3,
                                .done = read_done};
    struct fixture fixture;

    (void)state;
    reads_done = 0;
    fixture_make(&fixture, false, false);
    for (uint64_t i = 1; i <= 10; i++) {
        commit_hold(&fixture, i, i);
        journal_memory_complete(fixture.journal, COMMIT_OK, true);
    }
    assert_true(fixture.port.read(fixture.port.self, &read));
    assert_int_equal(journal_memory_reads_pending(fixture.journal), 1);
    assert_int_equal(reads_done, 0);
    journal_memory_complete_read(fixture.journal);
    assert_int_equal(reads_done, 1);
    assert_false(read.failed);
    assert_int_equal(read.count, 3);
    const struct record *first = (const struct record *)(void *)read.result.bytes;
    assert_int_equal(first->sequence, 3);
    free(read.result.bytes);
    read.limit = 100;
    assert_true(fixture.port.read(fixture.port.self, &read));
    journal_memory_complete_read(fixture.journal);
    assert_int_equal(read.count, 5); /* 3 to 7 */
    free(read.result.bytes);
    fixture_free(&fixture);
}

static void test_reads_fail_and_are_bounded(void **state)
{
    static struct journal_read reads[JOURNAL_MEMORY_READS_MAX + 1];
    struct collected collected = {0};
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, false, false);
    for (unsigned i = 0; i <= JOURNAL_MEMORY_READS_MAX; i++) {
        reads[i] = (struct journal_read){
            .kind = RECORD_HOLD, .to = {.partition = 8}, .limit = 1, .done = read_done};
        assert_int_equal(fixture.port.read(fixture.port.self, &reads[i]),
                         i < JOURNAL_MEMORY_READS_MAX);
    }
    journal_memory_fail_reads(fixture.journal, 1);
    journal_memory_complete_read(fixture.journal);
    assert_true(reads[0].failed);
    journal_memory_complete_read(fixture.journal);
    assert_false(reads[1].failed);
    journal_memory_fail_reads(fixture.journal, 1);
    assert_false(fixture.port.load(fixture.port.self, PARTITION, collect, &collected));
    assert_true(fixture.port.load(fixture.port.self, PARTITION, collect, &collected));
    journal_memory_crash(fixture.journal, false);
    assert_int_equal(journal_memory_reads_pending(fixture.journal), 0);
    fixture_free(&fixture);
}

static void test_every_damaged_bit_is_seen(void **state)
{
    struct fixture fixture;
    struct journal_memory_place place;

    (void)state;
    fixture_make(&fixture, true, false);
    assert_false(journal_memory_garble(fixture.journal, 0, 0, 1, 1, &place));
    commit_hold(&fixture, 1, 1);
    for (uint64_t bit = 0; bit < 8 * 90; bit++) {
        struct collected collected = {0};
        uint64_t hash = journal_memory_state_hash(fixture.journal);
        uint8_t mask = (uint8_t)(1u << bit % 8);

        assert_true(journal_memory_garble(fixture.journal, 0, bit / 8, 1, mask, &place));
        assert_int_equal(place.kind, RECORD_HOLD);
        assert_int_equal(place.partition, PARTITION);
        assert_int_not_equal(journal_memory_state_hash(fixture.journal), hash);
        assert_false(fixture.port.load(fixture.port.self, PARTITION, collect, &collected));
        assert_true(journal_memory_garble(fixture.journal, 0, bit / 8, 1, mask, &place));
        assert_int_equal(journal_memory_state_hash(fixture.journal), hash);
        assert_true(fixture.port.load(fixture.port.self, PARTITION, collect, &collected));
    }
    fixture_free(&fixture);
}

/* Whether a load of the partition comes to its end. */
static bool loads(struct journal_memory *journal, uint32_t partition)
{
    struct journal_port port = journal_memory_port(journal);
    struct collected collected = {0};

    return port.load(port.self, partition, collect, &collected);
}

static void test_a_block_and_a_file_are_damaged_in_a_copy_only(void **state)
{
    struct fixture fixture;
    struct journal_memory *copy;
    struct journal_memory_place place;

    (void)state;
    fixture_make(&fixture, true, false);
    test_batch_empty(&fixture.batch);
    for (uint32_t partition = 0; partition < 8; partition++)
        for (uint64_t sequence = 1; sequence <= 4; sequence++)
            test_hold(&fixture.batch, partition, sequence, HOLD_HELD, 7, 1);
    submit(&fixture, 1);

    copy = journal_memory_copy(fixture.journal);
    assert_non_null(copy);
    assert_int_equal(journal_memory_state_hash(copy), journal_memory_state_hash(fixture.journal));
    /* The last of partition 2, and on into partition 3. */
    assert_true(journal_memory_garble(copy, 2 * 4 + 3, 0, 200, 0x55, &place));
    assert_int_equal(place.partition, 2);
    for (uint32_t partition = 0; partition < 8; partition++)
        assert_int_equal(loads(copy, partition), partition != 2 && partition != 3);
    journal_memory_destroy(copy);

    copy = journal_memory_copy(fixture.journal);
    assert_non_null(copy);
    assert_true(journal_memory_garble(copy, 32 + 5 * 4, 0, UINT64_MAX, 1, &place));
    for (uint32_t partition = 0; partition < 8; partition++) {
        assert_int_equal(loads(copy, partition), partition < 5);
        assert_true(loads(fixture.journal, partition));
    }
    journal_memory_destroy(copy);
    fixture_free(&fixture);
}

static void test_loads_end_after_so_many_records(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, true, false);
    test_batch_empty(&fixture.batch);
    for (uint64_t sequence = 1; sequence <= 4; sequence++)
        test_hold(&fixture.batch, PARTITION, sequence, HOLD_HELD, 7, 1);
    submit(&fixture, 1);
    for (uint32_t records = 0; records <= 4; records++) {
        struct collected collected = {0};

        journal_memory_fail_load_after(fixture.journal, records);
        assert_int_equal(fixture.port.load(fixture.port.self, PARTITION, collect, &collected),
                         records == 4);
        assert_int_equal(collected.count, records);
    }
    journal_memory_crash(fixture.journal, false);
    assert_true(loads(fixture.journal, PARTITION));
    fixture_free(&fixture);
}

/* Against a table of what should be there, by many random puts and deletes. */
static void test_the_table_holds_what_was_put_and_not_deleted(void **state)
{
    enum { NUMBERS = 3000, ROUNDS = 400 };
    static uint8_t expected[8][NUMBERS];
    uint64_t seed = 11;
    uint64_t count = 0;
    uint64_t hash;
    struct fixture fixture;
    struct fixture other;

    (void)state;
    memset(expected, 0, sizeof(expected));
    fixture_make(&fixture, true, false);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        test_batch_empty(&fixture.batch);
        for (unsigned i = 0; i < 100; i++) {
            uint32_t partition = test_random(&seed) % 8;
            uint64_t sequence = 1 + test_random(&seed) % (NUMBERS - 1);
            bool puts = test_random(&seed) % 3 != 0;
            struct record *record = test_hold(&fixture.batch, partition, sequence, HOLD_HELD, 7, 1);

            record->operation = puts ? RECORD_PUT : RECORD_DELETE;
            record->hold.extensions = (uint8_t)(test_random(&seed) % 200); /* changes its length */
            count += (uint64_t)puts - expected[partition][sequence];
            expected[partition][sequence] = puts;
        }
        submit(&fixture, round);
    }
    assert_int_equal(holds(&fixture), count);
    hash = journal_memory_state_hash(fixture.journal);
    /* The same state, reached in another order, has the same hash. */
    fixture_make(&other, true, false);
    for (uint32_t partition = 8; partition-- > 0;) {
        struct journal_read read = {.kind = RECORD_HOLD,
                                    .from = {.partition = partition},
                                    .to = {.partition = partition + 1},
                                    .limit = LIST_PAGE_MAX,
                                    .done = read_done};

        for (bool more = true; more; read.from.sequence++) {
            assert_true(fixture.port.read(fixture.port.self, &read));
            for (uint32_t at = 0; at < read.result.used;) {
                const struct record *record =
                    (const struct record *)(void *)(read.result.bytes + at);

                assert_int_equal(expected[partition][record->sequence], 1);
                memcpy(test_record(&other.batch, RECORD_HOLD, partition, 1, 0), record,
                       record->size);
                read.from.sequence = record->sequence;
                at += record->size;
            }
            more = read.count == LIST_PAGE_MAX;
            free(read.result.bytes);
        }
    }
    submit(&other, ROUNDS);
    assert_int_equal(holds(&other), count);
    assert_int_equal(journal_memory_state_hash(other.journal), hash);
    fixture_free(&other);
    fixture_free(&fixture);
}

static void test_is_full_is_what_it_was_told(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, false, false);
    assert_false(fixture.port.is_full(fixture.port.self));
    journal_memory_set_full(fixture.journal, true);
    assert_true(fixture.port.is_full(fixture.port.self));
    fixture_free(&fixture);
}

static void test_speed(void **state)
{
    enum { COMMITS = 4000, RECORDS = 256 };
    struct fixture fixture;
    struct collected collected = {0};

    (void)state;
    if (!test_is_bench())
        return;
    fixture_make(&fixture, true, false);
    double start = test_seconds();
    for (uint64_t number = 1; number <= COMMITS; number++) {
        test_batch_empty(&fixture.batch);
        for (uint64_t i = 0; i < RECORDS; i++)
            test_hold(&fixture.batch, (uint32_t)i % 8, number * RECORDS + i, HOLD_HELD, 7, 1);
        submit(&fixture, number);
    }
    double end = test_seconds();
    assert_int_equal(fixture.seen.count, COMMITS);
    print_message("memory journal: %.2f M records/s in batches of %d\n",
                  COMMITS * RECORDS / (end - start) / 1e6, RECORDS);
    collected.stop_at = 1;
    start = test_seconds();
    fixture.port.load(fixture.port.self, PARTITION, collect, &collected);
    print_message("memory journal: sorting %d records of a partition: %.0f ms\n",
                  COMMITS * RECORDS / 8, (test_seconds() - start) * 1e3);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_is_durable_when_it_is_completed),
        cmocka_unit_test(test_a_failed_commit_may_be_durable),
        cmocka_unit_test(test_after_a_failure_nothing_commits_until_a_crash),
        cmocka_unit_test(test_a_crash_loses_or_keeps_what_was_pending),
        cmocka_unit_test(test_a_lying_disk_forgets_what_was_not_really_synced),
        cmocka_unit_test(test_load_gives_kinds_in_order_and_keys_ascending_without_the_ledger),
        cmocka_unit_test(test_a_read_sees_its_range_of_what_is_durable),
        cmocka_unit_test(test_reads_fail_and_are_bounded),
        cmocka_unit_test(test_every_damaged_bit_is_seen),
        cmocka_unit_test(test_a_block_and_a_file_are_damaged_in_a_copy_only),
        cmocka_unit_test(test_loads_end_after_so_many_records),
        cmocka_unit_test(test_the_table_holds_what_was_put_and_not_deleted),
        cmocka_unit_test(test_is_full_is_what_it_was_told),
        cmocka_unit_test(test_speed),
    };

    return cmocka_run_group_tests_name("storage memory", tests, NULL, NULL);
}
