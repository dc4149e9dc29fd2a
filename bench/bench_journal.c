/* SPDX-License-Identifier: Apache-2.0 */
/* Synced commits to RocksDB, in a fresh store each: how the rate grows with the batch, and what
 * each further record of an operation costs (the ratio: beside one sequential record).
 *
 *   journal/commit/ORDER/RECORDS/BATCH
 *
 * ORDER      of the keys of the further records: `sequential`, or `hashed` (at random)
 * RECORDS    of one operation, 1 to 3: a hold (always sequential), a ledger entry, a saved key
 * BATCH      operations in one commit
 *
 * ops_per_s counts operations; the percentiles are of whole commits. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "bench_records.h"
#include "storage.h"

enum {
    BATCH_MAX = 4096,
    BATCH_MANY = 1024, /* few commits in a round: more rounds */
    RECORDS_MAX = 3,
    ARENA_BYTES = BATCH_MAX * RECORDS_MAX * 512,
    ENTRIES = 5,
    ROUND_MS = 100,
    ROUND_MS_QUICK = 50,
    WARM_UP_COMMITS = 8,
    SEQUENCE_MASK = (1 << 30) - 1,
};

struct log {
    struct storage *storage;
    struct journal_port journal;
    struct arena arena;
    uint64_t number;
    uint64_t sequence;
    uint64_t state;
    uint32_t batch;
    uint32_t records;
    uint32_t record_count;
    bool is_hashed;
    bool is_done;
    enum commit_outcome outcome;
    struct bench_samples samples;
    char folder[256];
};

static struct record *record_begin(struct log *log, enum record_kind kind)
{
    struct record *record = (struct record *)(void *)(log->arena.bytes + log->arena.used);
    uint32_t size = record_size(kind, 1);

    if (log->arena.used + size > log->arena.capacity)
        bench_fail("the arena is too small");
    memset(record, 0, size);
    record->size = size;
    record->kind = (uint8_t)kind;
    log->arena.used += size;
    log->record_count++;
    return record;
}

/* Partition, subject and sequence of a further record. */
static void record_place(struct log *log, struct record *record, uint32_t partition)
{
    uint64_t random = bench_random(&log->state);

    record->partition = (uint16_t)(log->is_hashed ? random % PARTITIONS_DEFAULT : partition);
    record->subject = sku_id_make(record->partition, log->is_hashed ? (uint32_t)(random >> 50) : 1);
    record->sequence = log->is_hashed ? 1 + (random >> 8 & SEQUENCE_MASK) : log->sequence;
}

static void operation_add(struct log *log)
{
    uint32_t partition = (uint32_t)(log->sequence % PARTITIONS_DEFAULT);
    struct record *record = record_begin(log, RECORD_HOLD);

    log->sequence++;
    bench_hold_fill(record, partition, log->sequence, &log->state);
    if (log->records >= 2) {
        record = record_begin(log, RECORD_LEDGER);
        record_place(log, record, partition);
        record->ledger.entry = LEDGER_SOLD;
        record->ledger.quantity = 1;
        record->ledger.hold_sequence = log->sequence;
        record->ledger.wall_ms = 1760000000000;
    }
    if (log->records >= 3) {
        record = record_begin(log, RECORD_KEY);
        record_place(log, record, partition);
        record->key.key.word[0] = bench_random(&log->state);
        record->key.key.word[1] = bench_random(&log->state);
        record->key.wall_ms = 1760000000000;
        record->key.stock = 1000;
        record->key.available = 999;
        record->key.sold = 1;
    }
}

static void on_done(void *arg, enum commit_outcome outcome)
{
    struct log *log = arg;

    log->outcome = outcome;
    log->is_done = true;
}

/* Nanoseconds of one commit; making its operations is not counted. */
static uint64_t commit_once(struct log *log)
{
    const struct arena *arenas[] = {&log->arena};
    struct journal_commit commit = {.arenas = arenas, .arena_count = 1};
    uint64_t started_ns;

    log->arena.used = 0;
    log->record_count = 0;
    for (uint32_t i = 0; i < log->batch; i++)
        operation_add(log);
    commit.number = ++log->number;
    commit.record_count = log->record_count;
    log->is_done = false;
    started_ns = bench_now_ns();
    log->journal.commit(log->journal.self, &commit, on_done, log);
    started_ns = bench_now_ns() - started_ns;
    if (!log->is_done || log->outcome != COMMIT_OK)
        bench_fail("a commit was not done at once, or failed");
    return started_ns;
}

static void log_open(struct log *log)
{
    struct storage_options options;
    struct watermark_port watermark;
    struct secrets_port secrets;
    char error[STORAGE_ERROR_BYTES] = "";

    bench_folder_make(log->folder, sizeof(log->folder));
    options = storage_options_default(log->folder);
    if (storage_open(&options, &log->storage, error, sizeof(error)) != 0)
        bench_fail("%s", error);
    storage_ports_get(log->storage, &log->journal, &watermark, &secrets);
    log->number = log->journal.last_commit(log->journal.self);
    log->arena = (struct arena){.bytes = malloc(ARENA_BYTES), .capacity = ARENA_BYTES};
    if (log->arena.bytes == NULL)
        bench_fail("not enough memory for the records");
}

static void log_close(struct log *log)
{
    storage_stop_reads(log->storage);
    storage_close(log->storage);
    bench_folder_remove(log->folder);
    free(log->arena.bytes);
}

/* So many operations, in commits of `batch`. */
static uint64_t commit_often(void *arg, uint64_t operations)
{
    struct log *log = arg;
    uint64_t spent_ns = 0;

    for (uint64_t done = 0; done < operations; done += log->batch) {
        uint64_t ns = commit_once(log);

        bench_samples_add(&log->samples, ns);
        spent_ns += ns;
    }
    return spent_ns;
}

/* How many operations fill a round's time, after a few commits to warm up. */
static uint64_t operations_per_round(struct log *log)
{
    uint64_t budget_ns = (bench_options.quick ? ROUND_MS_QUICK : ROUND_MS) * 1000000ull;
    uint64_t spent_ns = 0;
    uint64_t commits = 0;

    for (int i = 0; i < WARM_UP_COMMITS; i++)
        commit_once(log);
    for (; spent_ns < budget_ns; commits++)
        spent_ns += commit_once(log);
    return commits * log->batch;
}

/* All orders and numbers of records with commits of so many operations, each in its own store. */
static void run_batch(struct log logs[ENTRIES], uint32_t batch)
{
    static const struct {
        const char *order;
        uint32_t records;
    } kinds[ENTRIES] = {
        {"sequential", 1}, {"sequential", 2}, {"sequential", 3}, {"hashed", 2}, {"hashed", 3},
    };
    struct bench_entry entries[ENTRIES];
    char names[ENTRIES][64];
    char more[ENTRIES][64];

    for (size_t i = 0; i < ENTRIES; i++) {
        struct log *log = &logs[i];

        log->is_hashed = kinds[i].order[0] == 'h';
        log->records = kinds[i].records;
        log->batch = batch;
        log->samples.count = 0;
        snprintf(names[i], sizeof(names[i]), "journal/commit/%s/%u/%u", kinds[i].order,
                 log->records, batch);
        snprintf(more[i], sizeof(more[i]), "\"batch\":%u,\"records\":%u", batch, log->records);
        entries[i] = (struct bench_entry){.name = names[i],
                                          .body = commit_often,
                                          .arg = log,
                                          .samples = &log->samples,
                                          .more = more[i]};
        if (!bench_wants(names[i]))
            continue;
        log_open(log);
        entries[i].operations = operations_per_round(log);
    }
    bench_contest(entries, ENTRIES, batch < BATCH_MANY ? BENCH_ROUNDS : BENCH_ROUNDS_MANY);
    for (size_t i = 0; i < ENTRIES; i++)
        if (bench_wants(names[i]))
            log_close(&logs[i]);
}

int main(int argc, char **argv)
{
    static const uint32_t batches[] = {1, 4, 16, 64, 256, 1024, BATCH_MAX};
    static const uint32_t batches_quick[] = {1, 64, 1024};
    static struct log logs[ENTRIES];
    const uint32_t *chosen = batches;
    size_t count = sizeof(batches) / sizeof(batches[0]);

    bench_begin(&argc, argv);
    for (size_t i = 0; i < ENTRIES; i++) {
        logs[i].state = 88172645463325252u;
        bench_samples_init(&logs[i].samples);
    }
    if (bench_options.quick) {
        chosen = batches_quick;
        count = sizeof(batches_quick) / sizeof(batches_quick[0]);
    }
    for (size_t i = 0; i < count; i++)
        run_batch(logs, chosen[i]);
    for (size_t i = 0; i < ENTRIES; i++)
        bench_samples_free(&logs[i].samples);
    return 0;
}
