/* SPDX-License-Identifier: Apache-2.0 */
/* The journal port in memory, for the simulator, tests and benchmarks: the same codec as on disk,
 * encoded bytes in a hash table, and faults on demand. Deterministic: no clock, thread or random
 * source; nothing depends on addresses.
 *
 * One thread. Controlled (the default): `commit` and `read` only queue; the owner completes them
 * when and how it likes. What is not completed is neither durable nor seen by reads. A `struct
 * journal_memory` outlives the crashes of the engines above it: it is the disk. */
#ifndef STAMPEDE_JOURNAL_MEMORY_H
#define STAMPEDE_JOURNAL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

struct journal_memory;

struct journal_memory_options {
    uint32_t partitions;   /* records of others are a bug; 0: PARTITIONS_DEFAULT */
    bool sync_immediately; /* commits and reads are done before they return (benchmarks) */
    bool lie; /* a disk that lies: what was acknowledged since journal_memory_sync is lost by a
                 crash */
};

/* NULL if memory is refused. */
struct journal_memory *journal_memory_create(const struct journal_memory_options *options);
void journal_memory_destroy(struct journal_memory *journal);

/* The port; valid as long as the journal. */
struct journal_port journal_memory_port(struct journal_memory *journal);

/* ---- commits ---- */

/* Whether a commit waits for its completion, and its number (0: none). */
uint64_t journal_memory_pending(const struct journal_memory *journal);

/* Ends the pending commit and calls its `done`. OK: durable. FAILED, UNKNOWN: `durable` says what
 * really happened to it. After anything but OK the journal is stuck, as RocksDB is: further commits
 * fail, not durable, and are counted, until a crash. */
void journal_memory_complete(struct journal_memory *journal, enum commit_outcome outcome,
                             bool durable);

/* How often it was told that data keys were deleted. What is deleted here is gone at once. */
uint64_t journal_memory_scrubs(const struct journal_memory *journal);

/* Commits that came after one that was not OK: the engine must not do that. */
uint64_t journal_memory_commits_when_stuck(const struct journal_memory *journal);

/* The process above dies: no `done` is called any more. A pending commit is lost, or with
 * `keep_pending` had just become durable. Pending reads vanish. With the option `lie`, also what
 * was acknowledged since the last journal_memory_sync is lost, and `keep_pending` means nothing. */
void journal_memory_crash(struct journal_memory *journal, bool keep_pending);

/* A real sync, where the option `lie` leaves it to the owner. */
void journal_memory_sync(struct journal_memory *journal);

/* ---- reads ---- */

enum { JOURNAL_MEMORY_READS_MAX = 256 };

uint32_t journal_memory_reads_pending(const struct journal_memory *journal);

/* Ends the oldest pending read: calls its `done`. */
void journal_memory_complete_read(struct journal_memory *journal);

/* ---- faults ---- */

/* What is_full answers from now on. */
void journal_memory_set_full(struct journal_memory *journal, bool is_full);

/* The next `count` loads and reads fail. */
void journal_memory_fail_reads(struct journal_memory *journal, uint32_t count);

/* Whether the pool is full: no read is taken. Returns how many were refused since it last was. */
uint64_t journal_memory_refuse_reads(struct journal_memory *journal, bool refuses);

/* Loads fail after so many more records have been visited, until the next crash or a count of
 * UINT64_MAX: a process that dies, or cannot go on, in the midst of recovery. */
void journal_memory_fail_load_after(struct journal_memory *journal, uint64_t records);

/* Where stored bytes were damaged first. */
struct journal_memory_place {
    enum record_kind kind;
    uint32_t partition;
};

/* Damages `bytes` stored bytes of values, from one byte of one record's value on and over the
 * records of its kind that follow in key order: 1 byte and a mask of one bit for a flipped bit, a
 * few thousand for a block, UINT64_MAX for the rest of a file. Each is changed by `mask`, which is
 * not 0; done again, it is undone. `record` picks by its place in key order, modulo what there is,
 * `offset` modulo the value's length. False if nothing is stored. */
bool journal_memory_garble(struct journal_memory *journal, uint64_t record, uint64_t offset,
                           uint64_t bytes, uint8_t mask, struct journal_memory_place *first_out);

/* ---- what is in it ---- */

/* What is durable now, as a journal of its own (controlled, no faults); NULL if memory is refused.
 */
struct journal_memory *journal_memory_copy(const struct journal_memory *journal);

/* A durable record by its key, decoded to `record_out`, of a kind without a tail (no PRODUCT). */
bool journal_memory_find(const struct journal_memory *journal, enum record_kind kind,
                         uint32_t partition, uint32_t subject, uint64_t sequence,
                         struct record *record_out);

uint64_t journal_memory_count(const struct journal_memory *journal, enum record_kind kind);

/* A hash over the newest commit number and all records, whatever their order of arrival. The same
 * contents in RocksDB give the same (journal_rocksdb_state_hash). Costs nothing. */
uint64_t journal_memory_state_hash(const struct journal_memory *journal);

#endif
