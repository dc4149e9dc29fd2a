/* SPDX-License-Identifier: Apache-2.0 */
/* Committing: all records of a commit and its number as one synced write.
 *
 * The records of a partition are written one after another, in the order in which they came. Keys
 * begin with the partition, so what is neighbours in a table is then mostly neighbours in memory:
 * a flush takes half the time, as it no longer waits for memory. */
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

/* Adds what is waiting, by partition and else in its order (a counting sort). */
static void window_add(struct journal_rocksdb *journal)
{
    struct commit_window *window = &journal->window;
    uint32_t before = 0;

    for (uint32_t i = 0; i <= window->highest; i++) {
        uint32_t count = window->places[i];

        window->places[i] = before;
        before += count;
    }
    assert(before == window->count);
    for (uint32_t i = 0; i < window->count; i++)
        window->sorted[window->places[window->waiting[i]->partition]++] = window->waiting[i];
    for (uint32_t i = 0; i < window->count; i++)
        record_add(journal, window->sorted[i]);
    memset(window->places, 0, (window->highest + 1) * sizeof(window->places[0]));
    window->count = 0;
    window->highest = 0;
}

static void window_wait(struct journal_rocksdb *journal, const struct record *record)
{
    struct commit_window *window = &journal->window;

    assert(record->partition < PARTITIONS_MAX);
    if (record->partition > window->highest)
        window->highest = record->partition;
    window->places[record->partition]++;
    window->waiting[window->count++] = record;
    if (window->count == COMMIT_WINDOW_RECORDS)
        window_add(journal);
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
            window_wait(journal, record);
            at += record->size;
        }
    }
    window_add(journal);
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
    rocksdb_count_nothing();
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
