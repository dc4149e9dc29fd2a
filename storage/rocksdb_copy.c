/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of a journal: taken while commits go on, and brought to a life of their own. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec_fields.h"
#include "files.h"
#include "rocksdb_private.h"

/* ---- a copy of now ---- */

int journal_rocksdb_checkpoint(struct journal_rocksdb *journal, const char *target, bool is_tight,
                               char *error, size_t error_size)
{
    char *reason = NULL;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(journal->database, &reason);

    assert(journal->mode == JOURNAL_CREATE || journal->mode == JOURNAL_SERVE);
    /* Flushed first, the copy is links and little else. A flush that fails for want of space would
     * end the server; then the log is copied, and if that fails nothing happened. */
    if (reason == NULL)
        rocksdb_checkpoint_create(checkpoint, target, is_tight ? UINT64_MAX : 0, &reason);
    if (checkpoint != NULL)
        rocksdb_checkpoint_object_destroy(checkpoint);
    if (reason == NULL)
        return 0;
    files_error(error, error_size, "%s", reason);
    rocksdb_free(reason);
    return -1;
}

/* ---- whether it can be read ---- */

static bool pass(void *arg, const struct record *record)
{
    (void)arg;
    (void)record;
    return true;
}

bool journal_rocksdb_verify(struct journal_rocksdb *journal, uint64_t *hash_out)
{
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
        for (uint32_t i = 0; i < journal->identity.partitions; i++) {
            if (!journal_rocksdb_scan(journal, (enum record_kind)kind, i, pass, NULL, NULL))
                return false;
        }
    }
    return journal_rocksdb_content_hash(journal, hash_out);
}

/* ---- the next incarnation ---- */

/* What recovery would give out next. */
struct floors {
    uint64_t next[FLOOR_COUNT];
};

static bool visit_numbers(void *arg, const struct record *record)
{
    struct floors *floors = arg;
    uint32_t subject = FLOOR_HOLDS;
    uint64_t number = record->sequence + 1;

    if (record->kind == RECORD_COUNTER)
        number = record->counter.ledger_sequence + 1;
    if (record->kind == RECORD_FLOOR) {
        subject = record->subject;
        assert(subject < FLOOR_COUNT); /* codec.c refuses others */
        number = record->floor.next_sequence;
    }
    if (floors->next[subject] < number)
        floors->next[subject] = number;
    return true;
}

static void floor_put(struct journal_rocksdb *journal, uint32_t partition, uint32_t subject,
                      uint64_t next)
{
    struct record record = {.size = record_size(RECORD_FLOOR, 0),
                            .kind = RECORD_FLOOR,
                            .partition = (uint16_t)partition,
                            .subject = subject};
    uint8_t key[CODEC_KEY_BYTES_MAX];

    record.floor.next_sequence = next;
    size_t key_length = codec_encode_key(&record, key);
    size_t length =
        codec_encode_value(&record, key, key_length, journal->value, sizeof(journal->value));
    rocksdb_writebatch_put_cf(journal->batch, journal->families[RECORD_FLOOR], (const char *)key,
                              key_length, (const char *)journal->value, length);
}

/* Puts the raised FLOORs of one partition into the batch. */
static int floor_raise(struct journal_rocksdb *journal, uint32_t partition, char *error,
                       size_t error_size)
{
    static const enum record_kind kinds[] = {RECORD_COUNTER, RECORD_FLOOR, RECORD_HOLD};
    static const struct {
        uint64_t end;
        uint64_t jump;
    } numbers[FLOOR_COUNT] = {
        [FLOOR_HOLDS] = {CODEC_SEQUENCE_END, JOURNAL_INCARNATION_JUMP},
        [FLOOR_ACCOUNTS] = {UINT32_MAX, JOURNAL_ACCOUNTS_JUMP},
        [FLOOR_COUPONS] = {UINT32_MAX, JOURNAL_COUPONS_JUMP},
        [FLOOR_ORDERS] = {CODEC_SEQUENCE_END, JOURNAL_INCARNATION_JUMP},
        [FLOOR_EVENTS] = {CODEC_SEQUENCE_END, JOURNAL_INCARNATION_JUMP},
    };
    struct floors floors;

    for (uint32_t floor = 0; floor < FLOOR_COUNT; floor++)
        floors.next[floor] = 1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!journal_rocksdb_scan(journal, kinds[i], partition, visit_numbers, NULL, &floors))
            return files_error(error, error_size, "partition %" PRIu32 " cannot be read to its end",
                               partition);
    }
    for (uint32_t floor = 0; floor < FLOOR_COUNT; floor++) {
        uint64_t next = floors.next[floor] + numbers[floor].jump;

        if (next >= numbers[floor].end)
            return files_error(error, error_size,
                               "partition %" PRIu32 " has no numbers left for another incarnation",
                               partition);
        floor_put(journal, partition, floor, next);
    }
    return 0;
}

int journal_rocksdb_begin_incarnation(struct journal_rocksdb *journal, uint64_t incarnation,
                                      char *error, size_t error_size)
{
    assert(journal->mode == JOURNAL_SALVAGE || journal->mode == JOURNAL_RESTORE);
    assert(incarnation > journal->identity.incarnation);
    rocksdb_writebatch_clear(journal->batch);
    for (uint32_t i = 0; i < journal->identity.partitions; i++) {
        if (floor_raise(journal, i, error, error_size) != 0)
            return -1;
    }
    journal->identity.incarnation = incarnation;
    return rocksdb_identity_write(journal, error, error_size);
}
