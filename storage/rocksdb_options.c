/* SPDX-License-Identifier: Apache-2.0 */
/* How RocksDB is set up: what the journal promises depends on it, and most of what it costs. */
#include <stdio.h>
#include <stdlib.h>

#include "files.h"
#include "rocksdb_private.h"

enum {
    RECOVER_ALL = 0,             /* kTolerateCorruptedTailRecords: refuses damage */
    RECOVER_TO_FIRST_DAMAGE = 2, /* kPointInTimeRecovery */
    INFO_LEVEL_FATAL = 4,
    CACHE_BYTES = 16 << 20,
    FILTER_BITS = 10, /* a key */
    BLOCK_BYTES = 16 << 10,
    READAHEAD_BYTES = 1 << 20, /* of each table that a compaction reads */
    BACKGROUND_JOBS = 2,
    OPEN_FILES_MAX = 512,
    INFO_LOG_BYTES_MAX = 1 << 20,
    INFO_LOGS_KEPT = 2,
    /* The log may hold this many times the write buffers; then families that pin its oldest part
     * are flushed, however idle. */
    LOG_TO_BUFFERS = 4,

    HOLD_RUNS_MERGED = 12, /* as many sorted runs are merged */
    /* Runs that may pile up while all holds are merged once: a million holds make four. */
    HOLD_RUNS_SLOW = 48,
    HOLD_RUNS_STOP = 64,
};

#define WRITE_BUFFER_BYTES_DEFAULT (UINT64_C(64) << 20)

/* Options, and on top of them such as the C API has no function for. NULL if RocksDB knows them
 * not. */
static rocksdb_options_t *options_extend(const rocksdb_options_t *base, const char *text)
{
    rocksdb_options_t *options = rocksdb_options_create();
    char *reason = NULL;

    rocksdb_get_options_from_string(base, text, options, &reason);
    if (reason == NULL)
        return options;
    rocksdb_free(reason);
    rocksdb_options_destroy(options);
    return NULL;
}

static rocksdb_options_t *options_create(bool recovers_all)
{
    rocksdb_options_t *base = rocksdb_options_create();
    rocksdb_options_t *options;
    char text[256];

    /* Tracked: a closed log that is lost, though later ones are there, would leave a hole without
     * an error. (Off for salvage only, which opens for writing: opening read-only with it off, this
     * version of RocksDB dereferences NULL.) Hinted: keys come in ascending order within a
     * partition (the key's first two bytes), so inserting begins where the last insert of the
     * partition ended; measured, commits of 1,024 records are 2.3 times as fast. */
    snprintf(text, sizeof(text),
             "track_and_verify_wals_in_manifest=%s;max_bgerror_resume_count=0;"
             "memtable_insert_with_hint_prefix_extractor=fixed:2",
             recovers_all ? "true" : "false");
    options = options_extend(base, text);
    rocksdb_options_destroy(base);
    return options;
}

static void options_set_safety(struct journal_rocksdb *journal)
{
    rocksdb_options_t *options = journal->options;
    bool recovers_all = journal->mode != JOURNAL_SALVAGE;

    rocksdb_options_set_wal_recovery_mode(options,
                                          recovers_all ? RECOVER_ALL : RECOVER_TO_FIRST_DAMAGE);
    rocksdb_options_set_create_if_missing(options, journal->mode == JOURNAL_CREATE);
    /* A newer program may have more kinds than the store; families do not get lost by themselves.
     */
    rocksdb_options_set_create_missing_column_families(options, 1);
    rocksdb_options_set_paranoid_checks(options, 1);
}

static void options_set_costs(struct journal_rocksdb *journal, uint64_t write_buffer_bytes,
                              bool is_direct)
{
    rocksdb_options_t *options = journal->options;

    rocksdb_options_set_db_write_buffer_size(options, write_buffer_bytes);
    rocksdb_options_set_write_buffer_size(options, write_buffer_bytes / 2);
    rocksdb_options_set_max_write_buffer_number(options, 4);
    rocksdb_options_set_max_total_wal_size(options, write_buffer_bytes * LOG_TO_BUFFERS);
    /* One committer: nothing writes beside it. (The insertion hint needs it so.) */
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0);
    rocksdb_options_set_enable_write_thread_adaptive_yield(options, 0);
    rocksdb_options_set_max_background_jobs(options, BACKGROUND_JOBS);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    /* Tables past the page cache: no copies, and no log's sync that waits behind them. What reads a
     * store as a whole and is done with it (an audit, salvage) may use the cache. */
    rocksdb_options_set_use_direct_io_for_flush_and_compaction(options, is_direct);
    rocksdb_options_set_use_direct_reads(
        options, is_direct && (journal->mode == JOURNAL_CREATE || journal->mode == JOURNAL_SERVE));
    rocksdb_options_compaction_readahead_size(options, READAHEAD_BYTES);
    rocksdb_options_set_bytes_per_sync(options, 1 << 20);
    /* Records are small and mostly random bits: compressing them costs more than it saves. */
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    /* RocksDB's diary is on the disk of the data: where that is full, the second line that cannot
     * be written aborts the process. So it only says how the store was opened; reasons come with
     * the errors. */
    rocksdb_options_set_info_log_level(options, INFO_LEVEL_FATAL);
    rocksdb_options_set_max_log_file_size(options, INFO_LOG_BYTES_MAX);
    rocksdb_options_set_keep_log_file_num(options, INFO_LOGS_KEPT);
    rocksdb_block_based_options_set_block_size(journal->table_options, BLOCK_BYTES);
    rocksdb_block_based_options_set_block_cache(journal->table_options, journal->cache);
    rocksdb_options_set_block_based_table_factory(options, journal->table_options);
}

/* Holds are written in bulk, changed once and deleted after a day: merging many runs at once writes
 * each of them less than half as often as levels do (measured over a minute of 400,000 a second).
 * What was deleted is gone from the disk after a day too, so that a start does not read it. A merge
 * of all of them needs as much space again: journal_rocksdb_headroom. */
static rocksdb_options_t *hold_options_create(const rocksdb_options_t *common)
{
    rocksdb_options_t *options = options_extend(common, "periodic_compaction_seconds=86400");

    if (options == NULL)
        return NULL;
    rocksdb_options_set_compaction_style(options, rocksdb_universal_compaction);
    rocksdb_options_set_level0_file_num_compaction_trigger(options, HOLD_RUNS_MERGED);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, HOLD_RUNS_SLOW);
    rocksdb_options_set_level0_stop_writes_trigger(options, HOLD_RUNS_STOP);
    return options;
}

/* Keys that mostly are not there: a filter of ten bits a key says so for 99 of 100, from memory. */
static rocksdb_options_t *sought_options_create(struct journal_rocksdb *journal)
{
    rocksdb_options_t *options = options_extend(journal->options, "");

    journal->sought_table_options = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_size(journal->sought_table_options, BLOCK_BYTES);
    rocksdb_block_based_options_set_block_cache(journal->sought_table_options, journal->cache);
    rocksdb_block_based_options_set_filter_policy(
        journal->sought_table_options, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS));
    if (options != NULL)
        rocksdb_options_set_block_based_table_factory(options, journal->sought_table_options);
    return options;
}

bool rocksdb_parts_create(struct journal_rocksdb *journal,
                          const struct journal_rocksdb_options *wanted)
{
    uint64_t write_buffer_bytes = wanted->write_buffer_bytes;

    if (write_buffer_bytes == 0)
        write_buffer_bytes = WRITE_BUFFER_BYTES_DEFAULT;
    journal->options = options_create(journal->mode != JOURNAL_SALVAGE);
    if (journal->options == NULL)
        return false;
    journal->table_options = rocksdb_block_based_options_create();
    journal->cache = rocksdb_cache_create_lru(CACHE_BYTES);
    options_set_safety(journal);
    options_set_costs(journal, write_buffer_bytes, files_can_bypass_cache(wanted->path));
    journal->hold_options = hold_options_create(journal->options);
    journal->sought_options = sought_options_create(journal);
    journal->looks = rocksdb_readoptions_create();
    journal->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(journal->synced, 1);
    journal->batch = rocksdb_writebatch_create();
    return journal->hold_options != NULL && journal->sought_options != NULL;
}

void rocksdb_parts_destroy(struct journal_rocksdb *journal)
{
    if (journal->batch != NULL)
        rocksdb_writebatch_destroy(journal->batch);
    if (journal->synced != NULL)
        rocksdb_writeoptions_destroy(journal->synced);
    if (journal->table_options != NULL)
        rocksdb_block_based_options_destroy(journal->table_options);
    if (journal->cache != NULL)
        rocksdb_cache_destroy(journal->cache);
    if (journal->hold_options != NULL)
        rocksdb_options_destroy(journal->hold_options);
    if (journal->sought_options != NULL)
        rocksdb_options_destroy(journal->sought_options);
    if (journal->sought_table_options != NULL)
        rocksdb_block_based_options_destroy(journal->sought_table_options);
    if (journal->looks != NULL)
        rocksdb_readoptions_destroy(journal->looks);
    if (journal->options != NULL)
        rocksdb_options_destroy(journal->options);
    free(journal);
}
