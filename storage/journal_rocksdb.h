/* SPDX-License-Identifier: Apache-2.0 */
/* The journal on disk: RocksDB, one column family a kind, and `default` for two records of the
 * journal itself: `store` (format, store ID, incarnation, partitions) and `commit` (number of the
 * newest commit), the latter in every batch.
 *
 * A batch is one synced write. Opened in WAL recovery mode 0, the one that drops nothing that was
 * acknowledged: damage refuses the open. The first error of a write is the last write: RocksDB may
 * recover by itself, the latch in here does not. rocksdb_*.c are the only files that include
 * RocksDB. */
#ifndef STAMPEDE_JOURNAL_ROCKSDB_H
#define STAMPEDE_JOURNAL_ROCKSDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

enum {
    JOURNAL_READERS = 2,
    JOURNAL_READS_MAX = 256, /* queued or under way */
};

struct journal_rocksdb;

enum journal_rocksdb_mode {
    JOURNAL_CREATE,    /* made, or continued to be made */
    JOURNAL_SERVE,     /* must be there */
    JOURNAL_READ_ONLY, /* for audits: no commit, no reader pool */
    JOURNAL_SALVAGE,   /* for a copy: writable, up to the first damage of the log (mode 2) */
    JOURNAL_RESTORE,   /* for a copy: writable, damage refuses it; no commit, no reader pool */
};

/* What the journal says about itself. */
struct journal_identity {
    uint64_t store_id;
    uint64_t incarnation;
    uint32_t partitions;
};

struct journal_rocksdb_options {
    const char *path;
    enum journal_rocksdb_mode mode;
    struct journal_identity identity;         /* of a store to be created */
    uint64_t write_buffer_bytes;              /* over all families; 0: a default */
    void (*log)(void *arg, const char *line); /* as in storage.h; not NULL */
    void *log_arg;
};

enum journal_rocksdb_result {
    JOURNAL_OPENED,
    JOURNAL_REFUSED, /* any reason but: */
    JOURNAL_DAMAGED, /* RocksDB says that stored data is corrupt or incomplete */
    JOURNAL_NO_SPACE,
};

/* Opens the journal. On anything but OPENED, `error` has RocksDB's reason. */
enum journal_rocksdb_result journal_rocksdb_open(const struct journal_rocksdb_options *options,
                                                 struct journal_rocksdb **journal_out, char *error,
                                                 size_t error_size);

struct journal_identity journal_rocksdb_identity(const struct journal_rocksdb *journal);
uint64_t journal_rocksdb_last_commit(const struct journal_rocksdb *journal);

/* Numbers that a new incarnation leaves out in each partition. */
#define JOURNAL_INCARNATION_JUMP (UINT64_C(1) << 32)
#define JOURNAL_ACCOUNTS_JUMP    (UINT64_C(1) << 20) /* likewise, of account numbers */
#define JOURNAL_COUPONS_JUMP     (UINT64_C(1) << 20) /* likewise, of coupons */

/* Begins the next incarnation, durably: what follows the newest commit in here may have been
 * acknowledged once and be lost, so every partition's next number is raised by
 * JOURNAL_INCARNATION_JUMP (FLOOR records), and no ID that the outside has seen is given again.
 * Reads all holds. Salvage and restore. 0, or -1 with `error`. */
int journal_rocksdb_begin_incarnation(struct journal_rocksdb *journal, uint64_t incarnation,
                                      char *error, size_t error_size);

/* Makes a copy of the journal as it is now in `target`, a folder that must not exist, on the same
 * file system: hard links where files never change. Commits go on meanwhile. All that was durable
 * at the call is in it, and of later commits the first ones. With `is_tight` (a full disk) nothing
 * is flushed for it. Any thread, one at a time. 0, or -1 with `error`. */
int journal_rocksdb_checkpoint(struct journal_rocksdb *journal, const char *target, bool is_tight,
                               char *error, size_t error_size);

/* commit, load and read of the journal port. */
void journal_rocksdb_commit(struct journal_rocksdb *journal, const struct journal_commit *commit,
                            journal_commit_done done, void *arg);
bool journal_rocksdb_load(struct journal_rocksdb *journal, uint32_t partition, journal_visit visit,
                          void *arg);
bool journal_rocksdb_read(struct journal_rocksdb *journal, struct journal_read *read);
bool journal_rocksdb_may_have(const struct journal_rocksdb *journal, enum record_kind kind,
                              const struct journal_key *key);

/* Visits the records of one kind in one partition, keys ascending. A record that cannot be decoded
 * is told to `damaged` (a line for people) and passed over; NULL: it is logged and ends the scan.
 * False if the scan ended early by damage or a read error. Any thread. */
bool journal_rocksdb_scan(struct journal_rocksdb *journal, enum record_kind kind,
                          uint32_t partition, journal_visit visit,
                          void (*damaged)(void *arg, const char *line), void *arg);

/* As journal_memory_state_hash. Reads everything: tests. False if something cannot be read. */
bool journal_rocksdb_state_hash(struct journal_rocksdb *journal, uint64_t *hash_out);

/* The same of what the shop's state is: without the FLOOR records, which a restore raises, and the
 * commit number. `stampede check` prints it; equal in a store and in what was restored from its
 * backup. Reads every record, past the cache, and so finds damaged blocks. */
bool journal_rocksdb_content_hash(struct journal_rocksdb *journal, uint64_t *hash_out);

/* Reads and decodes every record, the ledger included. False if one cannot be: the reason is
 * logged. `hash_out` as of journal_rocksdb_content_hash. */
bool journal_rocksdb_verify(struct journal_rocksdb *journal, uint64_t *hash_out);

/* Bytes of disk that the next merge of all holds needs until it is done; 0 while it (or any other)
 * is under way, as it has taken them then. Any thread. */
uint64_t journal_rocksdb_headroom(const struct journal_rocksdb *journal);

/* Sees to it that no file of the journal holds a data key (ACCOUNT_KEY) that was deleted or
 * replaced before the call. Commits may go on. Takes a flush of all families and as long as the
 * family of the keys takes to be written; false: not all that held one is gone, try again. One
 * thread at a time, any one. */
bool journal_rocksdb_scrub(struct journal_rocksdb *journal);
/* Whether tables may hold such keys, as after a process that died before it scrubbed. */
bool journal_rocksdb_needs_scrub(struct journal_rocksdb *journal);
/* Ends a scrub that is under way (it returns false), and all others. */
void journal_rocksdb_stop_scrub(struct journal_rocksdb *journal);

/* Writes what is in memory to tables. Tests. */
void journal_rocksdb_flush(struct journal_rocksdb *journal);

/* Ends the reader pool: joins its threads, fails what is queued. Again: nothing. */
void journal_rocksdb_stop_reads(struct journal_rocksdb *journal);

/* Ends the reader pool, then closes. */
void journal_rocksdb_close(struct journal_rocksdb *journal);

#endif
