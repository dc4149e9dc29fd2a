/* SPDX-License-Identifier: Apache-2.0 */
/* What the files rocksdb_*.c share. */
#ifndef STAMPEDE_ROCKSDB_PRIVATE_H
#define STAMPEDE_ROCKSDB_PRIVATE_H

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "codec.h"
#include "data_folder.h"
#include "journal_rocksdb.h"

enum {
    FAMILY_DEFAULT = RECORD_KIND_COUNT, /* after the kinds' families */
    FAMILY_COUNT,
};

enum { COMMIT_WINDOW_RECORDS = 8192 };

/* Numbers under `store`, in this order. */
enum {
    STORE_NUMBER_FORMAT,
    STORE_NUMBER_ID,
    STORE_NUMBER_INCARNATION,
    STORE_NUMBER_PARTITIONS,
    STORE_NUMBERS
};

static const char journal_store_name[] = "store";
static const char journal_commit_name[] = "commit";

struct reader_pool {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct journal_read *queue[JOURNAL_READS_MAX];
    uint32_t first;
    uint32_t count;
    bool is_closing;
    uint32_t thread_count;
    pthread_t threads[JOURNAL_READERS];
};

/* The records of a commit on their way into its batch: rocksdb_commit.c. Larger commits take
 * several turns. */
struct commit_window {
    const struct record *waiting[COMMIT_WINDOW_RECORDS]; /* as they came */
    const struct record *sorted[COMMIT_WINDOW_RECORDS];
    uint32_t places[PARTITIONS_MAX]; /* counts of records, then where the next goes */
    uint32_t highest;                /* partition among those waiting */
    uint32_t count;
};

struct journal_rocksdb {
    rocksdb_t *database;
    char path[DATA_FOLDER_PATH_MAX];
    rocksdb_options_t *options;      /* of the database and of most families */
    rocksdb_options_t *hold_options; /* of the family of holds */
    rocksdb_options_t *sought_options; /* of families whose keys are looked for: with filters */
    rocksdb_block_based_table_options_t *table_options;
    rocksdb_block_based_table_options_t *sought_table_options;
    rocksdb_readoptions_t *looks;
    rocksdb_cache_t *cache;
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
    rocksdb_writeoptions_t *synced;
    rocksdb_writebatch_t *batch; /* the committer's */
    void (*log)(void *arg, const char *line);
    void *log_arg;
    struct journal_identity identity;
    enum journal_rocksdb_mode mode;
    /* Written by the committer, read by any: values by themselves. */
    _Atomic uint64_t last_commit;
    atomic_bool is_latched;
    atomic_bool scrub_stops; /* set by who closes */
    struct reader_pool pool;
    struct commit_window window;          /* the committer's */
    uint8_t value[CODEC_VALUE_BYTES_MAX]; /* the committer's */
};

/* Logs a line made of what was attempted and RocksDB's reason. */
void rocksdb_log(struct journal_rocksdb *journal, const char *attempt, const char *reason);

/* RocksDB counts every comparison of keys for the thread that makes it; nobody asks. Without that a
 * commit takes a fifth less time. Of the calling thread, from here on. */
static inline void rocksdb_count_nothing(void)
{
    rocksdb_set_perf_level(rocksdb_disable);
}

/* Everything but the database itself; false if this version of RocksDB lacks an option. What was
 * made, in either case, rocksdb_parts_destroy frees, and the journal with it. */
bool rocksdb_parts_create(struct journal_rocksdb *journal,
                          const struct journal_rocksdb_options *wanted);
void rocksdb_parts_destroy(struct journal_rocksdb *journal);

/* Writes the journal's identity, after what stands in its batch, synced and into a table. Returns
 * 0, or -1 with `error`. */
int rocksdb_identity_write(struct journal_rocksdb *journal, char *error, size_t error_size);

/* Starts the reader pool; false if a thread cannot be made. */
bool rocksdb_readers_start(struct journal_rocksdb *journal);

#endif
