/* SPDX-License-Identifier: Apache-2.0 */
/* Committing: all records of a commit and its number as one synced write. */
#include <assert.h>
#include <string.h>

#include "rocksdb_private.h"

static void record_add(struct journal_rocksdb *journal, const struct record *record)
{
    rocksdb_column_family_handle_t *family = journal->families[record->kind];
    uint8_t key[CODEC_KEY_BYTES_MAX];
    size_t key_length = codec_encode_key(record, key);

    if (record->operation == RECORD_DELETE) {
        rocksdb_writebatch_delete_cf(journal->batch, family, (const char *)key, key_length);
        return;
    }
    size_t length =
        codec_encode_value(record, key, key_length, journal->value, sizeof(journal->value));
    rocksdb_writebatch_put_cf(journal->batch, family, (const char *)key, key_length,
                              (const char *)journal->value, length);
}

static void batch_fill(struct journal_rocksdb *journal, const struct journal_commit *commit)
{
    uint32_t records = 0;

    rocksdb_writebatch_clear(journal->batch);
    for (uint32_t i = 0; i < commit->arena_count; i++) {
        const struct arena *arena = commit->arenas[i];

        for (uint32_t at = 0; at < arena->used; records++) {
            const struct record *record = (const struct record *)(const void *)(arena->bytes + at);

            assert(record->size > 0 && record->size % 8 == 0 && record->size <= arena->used - at);
            record_add(journal, record);
            at += record->size;
        }
    }
    assert(records == commit->record_count);
    size_t length = codec_encode_numbers(journal_commit_name, &commit->number, 1, journal->value,
                                         sizeof(journal->value));
    rocksdb_writebatch_put_cf(journal->batch, journal->families[FAMILY_DEFAULT],
                              journal_commit_name, strlen(journal_commit_name),
                              (const char *)journal->value, length);
}

void journal_rocksdb_commit(struct journal_rocksdb *journal, const struct journal_commit *commit,
                            journal_commit_done done, void *arg)
{
    char *reason = NULL;

    assert(journal->mode == JOURNAL_CREATE || journal->mode == JOURNAL_SERVE);
    if (atomic_load_explicit(&journal->is_latched, memory_order_relaxed)) {
        done(arg, COMMIT_FAILED); /* not even tried */
        return;
    }
    assert(commit->number > atomic_load_explicit(&journal->last_commit, memory_order_relaxed));
    batch_fill(journal, commit);
    rocksdb_write(journal->database, journal->synced, journal->batch, &reason);
    if (reason == NULL) {
        atomic_store_explicit(&journal->last_commit, commit->number, memory_order_release);
        done(arg, COMMIT_OK);
        return;
    }
    /* It may be on disk, whole, all the same: an error of the write or of the sync does not say.
     * RocksDB goes on by itself after a full disk; nothing of this process does. */
    atomic_store_explicit(&journal->is_latched, true, memory_order_relaxed);
    rocksdb_log(journal, "the commit's write failed; no other will be tried", reason);
    rocksdb_free(reason);
    done(arg, COMMIT_UNKNOWN);
}
